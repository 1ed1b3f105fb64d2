#include "model/value.h"

#include <string.h>

#include "base/clock.h"

bool value_parse_bool(struct slice text, bool *out) {
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"t", true}, {"f", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal_text_nocase(text, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

/* --- dates and times. The readers below take a pointer into the text, and move it only over what they read. */

enum { DAY_SECONDS = 86400, SECOND_US = 1000000 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The number that the two digits at p are, or something over 99. */
static unsigned two_digits(const char *p) {
    unsigned high = (unsigned)(unsigned char)p[0] - '0', low = (unsigned)(unsigned char)p[1] - '0';
    return high <= 9 && low <= 9 ? high * 10 + low : 100;
}

static unsigned days_in_month(int64_t year, unsigned month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* A plain year is 0001..9999. With a sign it has 4 to 6 digits and is astronomical: -0001 is 2 BC. */
static bool read_year(const char **at, const char *end, int64_t *year) {
    const char *p = *at;
    bool with_sign = p < end && (*p == '+' || *p == '-');
    bool negative = with_sign && *p == '-';
    p += with_sign;
    const char *digits = p;
    int64_t value = 0;
    while (p < end && p - digits < 6 && is_digit(*p))
        value = value * 10 + (*p++ - '0');
    if (p - digits < 4 || (!with_sign && (p - digits != 4 || value == 0)))
        return false;
    *year = negative ? -value : value;
    *at = p;
    return true;
}

/* "2026-11-01" as days since 1970-01-01. */
static bool read_date(const char **at, const char *end, int64_t *days) {
    const char *p = *at;
    int64_t year;
    if (!read_year(&p, end, &year) || end - p < 6 || p[0] != '-' || p[3] != '-')
        return false;
    unsigned month = two_digits(p + 1), day = two_digits(p + 4);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = clock_days_from_civil(year, month, day);
    *at = p + 6;
    return true;
}

/* ".123456" or nothing; digits behind the sixth must be zeros. */
static bool read_fraction(const char **at, const char *end, int64_t *micro) {
    const char *p = *at;
    *micro = 0;
    if (p == end || *p != '.')
        return true;
    const char *digits = ++p;
    for (int64_t unit = SECOND_US / 10; p < end && is_digit(*p); p++, unit /= 10) {
        if (unit == 0 && *p != '0')
            return false;
        *micro += (*p - '0') * unit;
    }
    *at = p;
    return p > digits;
}

/* "10:15:00[.f]" as microseconds; the hour may be 24 (the caller says whether that is a time). */
static bool read_clock(const char **at, const char *end, int64_t *time_us) {
    const char *p = *at;
    if (end - p < 8 || p[2] != ':' || p[5] != ':')
        return false;
    unsigned hour = two_digits(p), minute = two_digits(p + 3), second = two_digits(p + 6);
    if (hour > 24 || minute > 59 || second > 59)
        return false;
    p += 8;
    int64_t micro;
    if (!read_fraction(&p, end, &micro))
        return false;
    *time_us = (int64_t)(hour * 3600 + minute * 60 + second) * SECOND_US + micro;
    *at = p;
    return true;
}

/* "Z", "+hh" or "+hh:mm", or nothing: seconds east of UTC. Offsets in use lie between -12 and +14 hours; PostgreSQL
 * takes up to 15:59. */
static bool read_zone(const char **at, const char *end, int64_t *offset_s) {
    const char *p = *at;
    *offset_s = 0;
    if (p == end)
        return true;
    if (*p == 'Z') {
        *at = p + 1;
        return true;
    }
    if ((*p != '+' && *p != '-') || end - p < 3)
        return false;
    unsigned hour = two_digits(p + 1), minute = 0;
    bool negative = *p == '-';
    p += 3;
    if (end - p >= 3 && *p == ':') {
        minute = two_digits(p + 1);
        p += 3;
    }
    if (hour > 15 || minute > 59)
        return false;
    *offset_s = (int64_t)(hour * 3600 + minute * 60) * (negative ? -1 : 1);
    *at = p;
    return true;
}

bool value_parse_date(struct slice text, int32_t *days) {
    const char *p = text.data, *end = text.data + text.len;
    int64_t value;
    if (!read_date(&p, end, &value) || p != end)
        return false;
    *days = (int32_t)value; /* six digits of year are less than 2^31 days */
    return true;
}

bool value_parse_time(struct slice text, int64_t *time_us) {
    const char *p = text.data, *end = text.data + text.len;
    int64_t value;
    if (!read_clock(&p, end, &value) || p != end || value > (int64_t)DAY_SECONDS * SECOND_US)
        return false;
    *time_us = value;
    return true;
}

bool value_parse_timestamp(struct slice text, bool zone_allowed, int64_t *time_us) {
    const char *p = text.data, *end = text.data + text.len;
    int64_t days, clock_us = 0, offset_s = 0;
    if (!read_date(&p, end, &days))
        return false;
    if (p < end) {
        if (*p != ' ' && *p != 'T')
            return false;
        p++;
        if (!read_clock(&p, end, &clock_us) || clock_us >= (int64_t)DAY_SECONDS * SECOND_US)
            return false;
        if (zone_allowed && !read_zone(&p, end, &offset_s))
            return false;
        if (p != end)
            return false;
    }
    int64_t value; /* microseconds reach 292,000 years to each side */
    if (__builtin_mul_overflow(days, (int64_t)DAY_SECONDS * SECOND_US, &value) ||
        __builtin_add_overflow(value, clock_us - offset_s * SECOND_US, &value))
        return false;
    *time_us = value;
    return true;
}

/* --- bytes and characters. */

/* The value of a hexadecimal digit plus one, or 0. */
static const uint8_t hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool value_parse_hex(struct slice text, uint8_t *to) {
    const uint8_t *from = (const uint8_t *)text.data;
    if (text.len % 2 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        unsigned high = hex_values[from[i]], low = hex_values[from[i + 1]];
        if (high == 0 || low == 0)
            return false;
        *to++ = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return true;
}

static bool is_hex(struct slice text) {
    bool ok = text.len % 2 == 0;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = hex_values[(uint8_t)text.data[i]] != 0;
    return ok;
}

/* The length of the well-formed sequence of two to four bytes at p, or 0 (Unicode, table 3-7: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_sequence(const uint8_t *p, size_t left) {
    uint8_t lead = p[0];
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < len)
        return 0;
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool value_is_utf8(struct slice text) {
    const uint8_t *p = (const uint8_t *)text.data;
    size_t left = text.len;
    while (left > 0) {
        uint64_t eight;
        while (left >= sizeof eight && (memcpy(&eight, p, sizeof eight), (eight & 0x8080808080808080U) == 0)) {
            p += sizeof eight;
            left -= sizeof eight;
        }
        while (left > 0 && *p < 0x80) {
            p++;
            left--;
        }
        if (left == 0)
            return true;
        size_t len = utf8_sequence(p, left);
        if (len == 0)
            return false;
        p += len;
        left -= len;
    }
    return true;
}

/* --- any type. */

static bool fits_integer(struct slice text, int64_t low, int64_t high) {
    int64_t value;
    return value_parse_int64(text, &value) && value >= low && value <= high;
}

static bool fits_uint64(struct slice text) {
    int64_t small;
    value_decimal large;
    if (value_parse_int64(text, &small))
        return small >= 0;
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.data[i]) && !(i == 0 && text.data[i] == '+'))
            return false;
    return value_parse_decimal(text, 20, 0, &large) && large <= UINT64_MAX;
}

/* True when the time has no digits behind the scale-th of its fraction. */
static bool fits_fraction(int64_t time_us, unsigned scale) {
    static const int64_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    return time_us % units[scale] == 0;
}

bool value_fits(struct slice text, struct type type) {
    union {
        bool boolean;
        float f;
        double d;
        int32_t days;
        int64_t time_us;
        value_decimal decimal;
    } v;
    switch (type.kind) {
    case TYPE_BOOLEAN:
        return value_parse_bool(text, &v.boolean);
    case TYPE_INT8:
        return fits_integer(text, INT8_MIN, INT8_MAX);
    case TYPE_INT16:
        return fits_integer(text, INT16_MIN, INT16_MAX);
    case TYPE_INT32:
        return fits_integer(text, INT32_MIN, INT32_MAX);
    case TYPE_INT64:
        return fits_integer(text, INT64_MIN, INT64_MAX);
    case TYPE_UINT8:
        return fits_integer(text, 0, UINT8_MAX);
    case TYPE_UINT16:
        return fits_integer(text, 0, UINT16_MAX);
    case TYPE_UINT32:
        return fits_integer(text, 0, UINT32_MAX);
    case TYPE_UINT64:
        return fits_uint64(text);
    case TYPE_FLOAT32:
        return value_parse_float(text, &v.f);
    case TYPE_FLOAT64:
        return value_parse_double(text, &v.d);
    case TYPE_DECIMAL:
        return value_parse_decimal(text, type.precision, type.scale, &v.decimal);
    case TYPE_DATE:
        return value_parse_date(text, &v.days);
    case TYPE_TIME:
        return value_parse_time(text, &v.time_us) && fits_fraction(v.time_us, type.scale);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return value_parse_timestamp(text, type.kind == TYPE_TIMESTAMPTZ, &v.time_us) &&
               fits_fraction(v.time_us, type.scale);
    case TYPE_STRING:
    case TYPE_JSON:
        return value_is_utf8(text);
    case TYPE_BINARY:
        return is_hex(text);
    }
    return false;
}
