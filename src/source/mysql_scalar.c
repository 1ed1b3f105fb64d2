/* Decimals on the wire (strings/decimal.cc, decimal2bin): the digits before and behind the point in groups of nine, four
 * bytes big-endian each; the digits that are left over at both ends take as many bytes as they need:
 *
 *   digits  0 1 2 3 4 5 6 7 8 9
 *   bytes   0 1 1 2 2 3 3 4 4 4
 *
 *   decimal(14,4) 1234567890.1234:  | 1 -> 1 byte | 234567890 -> 4 bytes | 1234 -> 2 bytes |
 *
 * The first bit is inverted, and all bits of a negative number are, so that the bytes sort as the numbers do. */
#include "source/mysql_scalar.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "source/mysql_wire.h"

enum { GROUP_DIGITS = 9, GROUP_BYTES = 4 };

static const uint8_t BYTES_OF_DIGITS[GROUP_DIGITS + 1] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
static const uint32_t POWERS[GROUP_DIGITS + 1] = {1,      10,      100,      1000,      10000,
                                                  100000, 1000000, 10000000, 100000000, 1000000000};

size_t mysql_decimal_bytes(unsigned precision, unsigned scale) {
    unsigned whole = precision - scale;
    return (size_t)(whole / GROUP_DIGITS + scale / GROUP_DIGITS) * GROUP_BYTES + BYTES_OF_DIGITS[whole % GROUP_DIGITS] +
           BYTES_OF_DIGITS[scale % GROUP_DIGITS];
}

/* Exactly `count` digits, zeros in front. */
static void put_digits(char *to, uint32_t v, unsigned count) {
    while (count > 0) {
        to[--count] = (char)('0' + v % 10);
        v /= 10;
    }
}

struct decimal_reader {
    const uint8_t *at;
    uint8_t mask;  /* ff inverts a negative number */
    uint8_t first; /* 80 for the first byte */
};

/* A group of `digits` digits; false when it is larger than they can be. */
static bool read_group(struct decimal_reader *r, unsigned digits, char *to) {
    uint32_t v = 0;
    for (unsigned i = 0; i < BYTES_OF_DIGITS[digits]; i++) {
        v = v << 8 | (uint8_t)(*r->at++ ^ r->mask ^ r->first);
        r->first = 0;
    }
    put_digits(to, v, digits);
    return v < POWERS[digits];
}

size_t mysql_format_decimal(const uint8_t *data, unsigned precision, unsigned scale, char *out) {
    assert(precision >= 1 && precision <= MYSQL_DECIMAL_PRECISION_MAX && scale <= precision);
    char digits[MYSQL_DECIMAL_PRECISION_MAX];
    unsigned whole = precision - scale, at = 0;
    bool negative = (data[0] & 0x80) == 0, ok = true;
    struct decimal_reader r = {data, negative ? 0xff : 0, 0x80};
    if (whole % GROUP_DIGITS > 0)
        ok = read_group(&r, whole % GROUP_DIGITS, digits);
    for (at = whole % GROUP_DIGITS; at < whole; at += GROUP_DIGITS)
        ok = read_group(&r, GROUP_DIGITS, digits + at) && ok;
    for (; at + GROUP_DIGITS <= precision; at += GROUP_DIGITS)
        ok = read_group(&r, GROUP_DIGITS, digits + at) && ok;
    if (at < precision)
        ok = read_group(&r, precision - at, digits + at) && ok;
    if (!ok)
        return 0;

    unsigned from = 0; /* the first digit that is printed */
    while (from < whole && digits[from] == '0')
        from++;
    char *to = out;
    if (negative)
        *to++ = '-';
    if (from == whole)
        *to++ = '0';
    to = mempcpy(to, digits + from, whole - from);
    if (scale > 0) {
        *to++ = '.';
        to = mempcpy(to, digits + whole, scale);
    }
    return (size_t)(to - out);
}

/* --- times ------------------------------------------------------------------------------------------------------------ */

static char *put_two(char *to, unsigned v) {
    to[0] = (char)('0' + v / 10 % 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

static char *put_fraction(char *to, unsigned micro, unsigned digits) {
    if (digits == 0)
        return to;
    char text[6];
    put_digits(text, micro, sizeof text);
    *to++ = '.';
    return mempcpy(to, text, digits);
}

static char *put_clock(char *to, unsigned hour, unsigned minute, unsigned second) {
    to = put_two(to, hour);
    *to++ = ':';
    to = put_two(to, minute);
    *to++ = ':';
    return put_two(to, second);
}

size_t mysql_format_date(unsigned year, unsigned month, unsigned day, char *out) {
    char *to = put_two(put_two(out, year / 100), year % 100);
    *to++ = '-';
    to = put_two(to, month);
    *to++ = '-';
    put_two(to, day);
    return 10;
}

size_t mysql_format_datetime(const struct mysql_datetime *t, unsigned digits, char *out) {
    char *to = out + mysql_format_date(t->year, t->month, t->day, out);
    *to++ = ' ';
    to = put_fraction(put_clock(to, t->hour, t->minute, t->second), t->micro, digits);
    return (size_t)(to - out);
}

size_t mysql_format_time(bool negative, unsigned hour, unsigned minute, unsigned second, unsigned micro,
                         unsigned digits, char *out) {
    if (hour > 9999 || minute > 59 || second > 59 || micro > 999999)
        return 0;
    char *to = out;
    if (negative)
        *to++ = '-';
    if (hour >= 1000)
        *to++ = (char)('0' + hour / 1000);
    if (hour >= 100)
        *to++ = (char)('0' + hour / 100 % 10);
    to = put_fraction(put_clock(to, hour % 100, minute, second), micro, digits);
    return (size_t)(to - out);
}

struct mysql_datetime mysql_datetime_from_unix(uint32_t seconds, unsigned micro) {
    int64_t year;
    struct mysql_datetime t = {
        .hour = seconds / 3600 % 24, .minute = seconds / 60 % 60, .second = seconds % 60, .micro = micro};
    clock_civil_from_days(seconds / 86400, &year, &t.month, &t.day);
    t.year = (unsigned)year;
    return t;
}

struct mysql_datetime mysql_datetime_unpack(uint64_t packed, unsigned micro) {
    unsigned year_month = (unsigned)(packed >> 22 & 0x1ffff);
    return (struct mysql_datetime){.year = year_month / 13,
                                   .month = year_month % 13,
                                   .day = packed >> 17 & 31,
                                   .hour = packed >> 12 & 31,
                                   .minute = packed >> 6 & 63,
                                   .second = packed & 63,
                                   .micro = micro};
}
