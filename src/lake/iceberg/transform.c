#include "lake/iceberg/transform.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int64_t us_per_hour = INT64_C(3600000000), us_per_day = INT64_C(86400000000);

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* --- names */

static const struct {
    const char *name;
    enum iceberg_transform_kind kind;
} names[] = {
    {"identity", ICEBERG_IDENTITY}, {"year", ICEBERG_YEAR}, {"month", ICEBERG_MONTH},
    {"day", ICEBERG_DAY},           {"hour", ICEBERG_HOUR}, {"void", ICEBERG_VOID},
};

/* "bucket[16]": a number above 0 in the brackets behind the name. */
static bool parse_parameter(const char *text, const char *name, uint32_t *out) {
    size_t len = strlen(name);
    int end = 0;
    if (strpbrk(text, "+-") != NULL) /* sscanf takes a sign */
        return false;
    return strncmp(text, name, len) == 0 && sscanf(text + len, "[%9u]%n", out, &end) == 1 && end > 0 &&
           text[len + (size_t)end] == '\0' && *out > 0;
}

struct iceberg_transform iceberg_transform_parse(const char *text) {
    struct iceberg_transform transform = {.kind = ICEBERG_UNKNOWN_TRANSFORM};
    uint32_t parameter = 0;
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i].name, text) == 0)
            transform.kind = names[i].kind;
    if (parse_parameter(text, "bucket", &parameter))
        transform = (struct iceberg_transform){ICEBERG_BUCKET, parameter};
    else if (parse_parameter(text, "truncate", &parameter))
        transform = (struct iceberg_transform){ICEBERG_TRUNCATE, parameter};
    return transform;
}

void iceberg_transform_format(struct iceberg_transform transform, char out[ICEBERG_TRANSFORM_TEXT_BYTES]) {
    assert(transform.kind != ICEBERG_UNKNOWN_TRANSFORM);
    if (transform.kind == ICEBERG_BUCKET || transform.kind == ICEBERG_TRUNCATE) {
        const char *name = transform.kind == ICEBERG_BUCKET ? "bucket" : "truncate";
        snprintf(out, ICEBERG_TRANSFORM_TEXT_BYTES, "%s[%u]", name, transform.parameter);
        return;
    }
    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].kind == transform.kind)
            snprintf(out, ICEBERG_TRANSFORM_TEXT_BYTES, "%s", names[i].name);
}

/* --- types */

static bool is_timestamp(struct iceberg_type type) {
    return type.kind >= ICEBERG_TIMESTAMP && type.kind <= ICEBERG_TIMESTAMPTZ_NS;
}

bool iceberg_transform_accepts(struct iceberg_transform transform, struct iceberg_type source) {
    switch (transform.kind) {
    case ICEBERG_UNKNOWN_TRANSFORM:
        return false;
    case ICEBERG_VOID:
        return true;
    case ICEBERG_IDENTITY:
        return source.kind != ICEBERG_OTHER;
    case ICEBERG_BUCKET:
        return source.kind != ICEBERG_OTHER && source.kind != ICEBERG_BOOLEAN && source.kind != ICEBERG_FLOAT &&
               source.kind != ICEBERG_DOUBLE;
    case ICEBERG_TRUNCATE:
        return source.kind == ICEBERG_INT || source.kind == ICEBERG_LONG || source.kind == ICEBERG_DECIMAL ||
               source.kind == ICEBERG_STRING || source.kind == ICEBERG_BINARY;
    case ICEBERG_HOUR:
        return is_timestamp(source);
    default:
        return source.kind == ICEBERG_DATE || is_timestamp(source);
    }
}

struct iceberg_type iceberg_transform_result(struct iceberg_transform transform, struct iceberg_type source) {
    switch (transform.kind) {
    case ICEBERG_BUCKET:
    case ICEBERG_YEAR:
    case ICEBERG_MONTH:
    case ICEBERG_HOUR:
        return (struct iceberg_type){.kind = ICEBERG_INT};
    case ICEBERG_DAY:
        return (struct iceberg_type){.kind = ICEBERG_DATE};
    default:
        return source;
    }
}

/* --- bucket */

static uint32_t rotate(uint32_t v, unsigned by) { return v << by | v >> (32 - by); }

static uint32_t mix(uint32_t v) { return rotate(v * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593); }

static uint32_t murmur3(struct slice bytes) {
    const uint8_t *data = (const uint8_t *)bytes.data;
    size_t whole = bytes.len / 4 * 4;
    uint32_t hash = 0, tail = 0;
    for (size_t i = 0; i < whole; i += 4) {
        uint32_t word =
            data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16 | (uint32_t)data[i + 3] << 24;
        hash = rotate(hash ^ mix(word), 13) * 5 + UINT32_C(0xe6546b64);
    }
    for (size_t i = bytes.len; i > whole; i--)
        tail = tail << 8 | data[i - 1];
    hash ^= mix(tail);
    hash ^= (uint32_t)bytes.len;
    hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
    hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
    return hash ^ hash >> 16;
}

static uint32_t hash_bits(uint64_t bits) {
    char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(bits >> (8 * i));
    return murmur3((struct slice){bytes, sizeof bytes});
}

static uint32_t hash_real(double v) {
    uint64_t bits;
    v = v == 0 ? 0 : v; /* -0 is 0 */
    memcpy(&bits, &v, sizeof bits);
    return hash_bits(isnan(v) ? UINT64_C(0x7ff8000000000000) : bits);
}

uint32_t iceberg_hash(struct iceberg_type type, struct slice value) {
    switch (type.kind) {
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
        return hash_real(iceberg_value_to_double(type, value));
    case ICEBERG_TIMESTAMP_NS:
    case ICEBERG_TIMESTAMPTZ_NS:
        return hash_bits((uint64_t)floor_div(iceberg_value_to_int(type, value), 1000));
    case ICEBERG_BOOLEAN:
    case ICEBERG_INT:
    case ICEBERG_LONG:
    case ICEBERG_DATE:
    case ICEBERG_TIME:
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
        return hash_bits((uint64_t)iceberg_value_to_int(type, value));
    default:
        return murmur3(value); /* a decimal is in as few bytes as it takes already */
    }
}

/* --- truncate */

static struct slice truncate_text(struct slice value, uint32_t width) {
    size_t at = 0;
    for (uint32_t characters = 0; at < value.len; at++)
        if (((uint8_t)value.data[at] & 0xc0) != 0x80 && characters++ == width)
            break;
    return (struct slice){value.data, at};
}

/* The largest multiple of the width that is not above v; the width is of the unscaled value of a decimal. Below the lowest
 * number of the type it wraps around, as it does in Java. */
static struct slice truncate_value(struct arena *arena, uint32_t width, struct iceberg_type type, struct slice value) {
    if (type.kind == ICEBERG_STRING)
        return truncate_text(value, width);
    if (type.kind == ICEBERG_BINARY)
        return (struct slice){value.data, value.len < width ? value.len : width};
    if (type.kind == ICEBERG_DECIMAL) {
        value_decimal v = iceberg_value_to_decimal(value);
        return iceberg_value_of_decimal(arena, v - ((v % width) + width) % width);
    }
    int64_t v = iceberg_value_to_int(type, value), w = width;
    return iceberg_value_of_int(arena, type, (int64_t)((uint64_t)v - (uint64_t)(((v % w) + w) % w)));
}

/* --- times */

static int64_t to_us(struct iceberg_type type, struct slice value) {
    int64_t v = iceberg_value_to_int(type, value);
    bool is_ns = type.kind == ICEBERG_TIMESTAMP_NS || type.kind == ICEBERG_TIMESTAMPTZ_NS;
    return is_ns ? floor_div(v, 1000) : v;
}

static int64_t apply_time(enum iceberg_transform_kind kind, struct iceberg_type source, struct slice value) {
    if (kind == ICEBERG_HOUR)
        return floor_div(to_us(source, value), us_per_hour);
    int64_t days =
        source.kind == ICEBERG_DATE ? iceberg_value_to_int(source, value) : floor_div(to_us(source, value), us_per_day);
    int64_t year;
    unsigned month, day;
    if (kind == ICEBERG_DAY)
        return days;
    clock_civil_from_days(days, &year, &month, &day);
    return kind == ICEBERG_YEAR ? year - 1970 : (year - 1970) * 12 + (int64_t)month - 1;
}

struct slice iceberg_transform_apply(struct arena *arena, struct iceberg_transform transform,
                                     struct iceberg_type source, struct slice value) {
    assert(iceberg_transform_accepts(transform, source));
    if (iceberg_value_is_null(value) || transform.kind == ICEBERG_VOID)
        return (struct slice){NULL, 0};
    struct iceberg_type result = iceberg_transform_result(transform, source);
    switch (transform.kind) {
    case ICEBERG_IDENTITY:
        return value;
    case ICEBERG_BUCKET:
        return iceberg_value_of_int(arena, result, (iceberg_hash(source, value) & INT32_MAX) % transform.parameter);
    case ICEBERG_TRUNCATE:
        return truncate_value(arena, transform.parameter, source, value);
    default:
        return iceberg_value_of_int(arena, result, apply_time(transform.kind, source, value));
    }
}

/* --- folders */

void iceberg_transform_append_text(struct buf *out, struct iceberg_transform transform, struct iceberg_type result,
                                   struct slice value) {
    bool is_time = transform.kind == ICEBERG_YEAR || transform.kind == ICEBERG_MONTH || transform.kind == ICEBERG_HOUR;
    if (iceberg_value_is_null(value) || !is_time) {
        iceberg_value_append_text(out, result, value);
        return;
    }
    int64_t v = iceberg_value_to_int(result, value), year;
    unsigned month, day;
    if (transform.kind == ICEBERG_YEAR) {
        buf_printf(out, "%04lld", 1970LL + v);
    } else if (transform.kind == ICEBERG_MONTH) {
        int64_t years = floor_div(v, 12);
        buf_printf(out, "%04lld-%02d", 1970LL + years, (int)(v - years * 12) + 1);
    } else {
        int64_t days = floor_div(v, 24);
        clock_civil_from_days(days, &year, &month, &day);
        buf_printf(out, "%04lld-%02u-%02u-%02d", (long long)year, month, day, (int)(v - days * 24));
    }
}

static void append_escaped(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.';
        if (plain)
            buf_append_char(out, (char)c);
        else if (c == ' ')
            buf_append_char(out, '+');
        else
            buf_printf(out, "%%%02X", c);
    }
}

void iceberg_transform_append_folder(struct buf *out, const char *name, struct iceberg_transform transform,
                                     struct iceberg_type result, struct slice value) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    iceberg_transform_append_text(&text, transform, result, value);
    append_escaped(out, name, strlen(name));
    buf_append_char(out, '=');
    append_escaped(out, text.data, text.len);
    buf_deinit(&text);
}
