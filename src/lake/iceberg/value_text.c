/* The texts of values in partition folders: names for people, never read back, but the same as Iceberg's own writers use. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lake/iceberg/value.h"

enum { US_PER_SECOND = 1000000, NS_PER_US = 1000 };
static const int64_t us_per_day = INT64_C(86400000000);

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static void append_date(struct buf *out, int64_t days) {
    int64_t year;
    unsigned month, day;
    clock_civil_from_days(days, &year, &month, &day);
    buf_printf(out, "%04lld-%02u-%02u", (long long)year, month, day);
}

/* The fraction's digits up to the last that is not 0. */
static void append_fraction(struct buf *out, int64_t fraction, unsigned digits) {
    char text[16];
    if (fraction == 0)
        return;
    size_t len = (size_t)snprintf(text, sizeof text, "%0*lld", (int)digits, (long long)fraction);
    while (len > 0 && text[len - 1] == '0')
        len--;
    buf_append_char(out, '.');
    buf_append(out, text, len);
}

static void append_time(struct buf *out, int64_t us, int64_t ns) {
    int64_t s = us / US_PER_SECOND;
    buf_printf(out, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    append_fraction(out, us % US_PER_SECOND * NS_PER_US + ns, 9);
}

static void append_timestamp(struct buf *out, int64_t us, int64_t ns, bool utc) {
    int64_t days = floor_div(us, us_per_day);
    append_date(out, days);
    buf_append_char(out, 'T');
    append_time(out, us - days * us_per_day, ns);
    if (utc)
        buf_append_text(out, "+00:00");
}

static void append_base64(struct buf *out, struct slice bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (i + j < bytes.len ? (uint8_t)bytes.data[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            buf_append_char(out, i + j <= bytes.len ? digits[group >> (18 - 6 * j) & 63] : '=');
    }
}

static void append_uuid(struct buf *out, struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            buf_append_char(out, '-');
        buf_append_hex(out, value.data + i, 1);
    }
}

static void append_decimal(struct buf *out, value_decimal v, unsigned scale) {
    char digits[48];
    size_t at = sizeof digits;
    bool negative = v < 0;
    unsigned count = 0;
    do {
        if (count == scale && scale > 0)
            digits[--at] = '.';
        int digit = (int)(v % 10);
        digits[--at] = (char)('0' + (negative ? -digit : digit));
        v /= 10;
        count++;
    } while (v != 0 || count <= scale);
    if (negative)
        digits[--at] = '-';
    buf_append(out, digits + at, sizeof digits - at);
}

static void append_real(struct buf *out, struct iceberg_type type, struct slice value) {
    char text[VALUE_FLOAT_BYTES];
    double v = iceberg_value_to_double(type, value);
    size_t len = type.kind == ICEBERG_FLOAT ? value_format_float((float)v, text) : value_format_double(v, text);
    buf_append(out, text, len);
}

void iceberg_value_append_text(struct buf *out, struct iceberg_type type, struct slice value) {
    if (iceberg_value_is_null(value)) {
        buf_append_text(out, "null");
        return;
    }
    assert(iceberg_value_is_valid(type, value));
    int64_t v;
    switch (type.kind) {
    case ICEBERG_BOOLEAN:
        buf_append_text(out, iceberg_value_to_int(type, value) != 0 ? "true" : "false");
        return;
    case ICEBERG_INT:
    case ICEBERG_LONG:
        buf_printf(out, "%lld", (long long)iceberg_value_to_int(type, value));
        return;
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
        append_real(out, type, value);
        return;
    case ICEBERG_DECIMAL:
        append_decimal(out, iceberg_value_to_decimal(value), type.scale);
        return;
    case ICEBERG_DATE:
        append_date(out, iceberg_value_to_int(type, value));
        return;
    case ICEBERG_TIME:
        append_time(out, iceberg_value_to_int(type, value), 0);
        return;
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
        append_timestamp(out, iceberg_value_to_int(type, value), 0, type.kind == ICEBERG_TIMESTAMPTZ);
        return;
    case ICEBERG_TIMESTAMP_NS:
    case ICEBERG_TIMESTAMPTZ_NS:
        v = iceberg_value_to_int(type, value);
        append_timestamp(out, floor_div(v, NS_PER_US), v - floor_div(v, NS_PER_US) * NS_PER_US,
                         type.kind == ICEBERG_TIMESTAMPTZ_NS);
        return;
    case ICEBERG_STRING:
        buf_append(out, value.data, value.len);
        return;
    case ICEBERG_UUID:
        append_uuid(out, value);
        return;
    default:
        append_base64(out, value);
        return;
    }
}
