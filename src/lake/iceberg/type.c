#include "lake/iceberg/type.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum iceberg_type_kind kind;
} names[] = {
    {"boolean", ICEBERG_BOOLEAN},
    {"int", ICEBERG_INT},
    {"long", ICEBERG_LONG},
    {"float", ICEBERG_FLOAT},
    {"double", ICEBERG_DOUBLE},
    {"date", ICEBERG_DATE},
    {"time", ICEBERG_TIME},
    {"timestamp", ICEBERG_TIMESTAMP},
    {"timestamptz", ICEBERG_TIMESTAMPTZ},
    {"timestamp_ns", ICEBERG_TIMESTAMP_NS},
    {"timestamptz_ns", ICEBERG_TIMESTAMPTZ_NS},
    {"string", ICEBERG_STRING},
    {"uuid", ICEBERG_UUID},
    {"binary", ICEBERG_BINARY},
};

static bool parse_parameters(const char *text, struct iceberg_type *out) {
    unsigned precision = 0, scale = 0, length = 0;
    int end = 0;
    if (strpbrk(text, "+-") != NULL) /* sscanf takes a sign */
        return false;
    if (sscanf(text, "decimal( %3u , %3u )%n", &precision, &scale, &end) == 2 && end > 0 && text[end] == '\0') {
        *out = (struct iceberg_type){ICEBERG_DECIMAL, (uint8_t)precision, (uint8_t)scale, 0};
        return precision >= 1 && precision <= TYPE_DECIMAL_PRECISION_MAX && scale <= precision;
    }
    end = 0;
    if (sscanf(text, "fixed[ %9u ]%n", &length, &end) == 1 && end > 0 && text[end] == '\0') {
        *out = (struct iceberg_type){.kind = ICEBERG_FIXED, .length = length};
        return true;
    }
    return false;
}

bool iceberg_type_parse(const char *text, struct iceberg_type *out) {
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i].name, text) == 0) {
            *out = (struct iceberg_type){.kind = names[i].kind};
            return true;
        }
    return parse_parameters(text, out);
}

void iceberg_type_format(struct iceberg_type type, char out[ICEBERG_TYPE_TEXT_BYTES]) {
    assert(type.kind != ICEBERG_OTHER);
    if (type.kind == ICEBERG_DECIMAL) {
        snprintf(out, ICEBERG_TYPE_TEXT_BYTES, "decimal(%u, %u)", type.precision, type.scale);
        return;
    }
    if (type.kind == ICEBERG_FIXED) {
        snprintf(out, ICEBERG_TYPE_TEXT_BYTES, "fixed[%u]", type.length);
        return;
    }
    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].kind == type.kind)
            snprintf(out, ICEBERG_TYPE_TEXT_BYTES, "%s", names[i].name);
}

bool iceberg_type_equal(struct iceberg_type a, struct iceberg_type b) {
    return a.kind == b.kind && a.precision == b.precision && a.scale == b.scale && a.length == b.length;
}

struct iceberg_type iceberg_type_of(struct type type) {
    switch (type.kind) {
    case TYPE_BOOLEAN:
        return (struct iceberg_type){.kind = ICEBERG_BOOLEAN};
    case TYPE_INT32:
        return (struct iceberg_type){.kind = ICEBERG_INT};
    case TYPE_INT64:
        return (struct iceberg_type){.kind = ICEBERG_LONG};
    case TYPE_FLOAT32:
        return (struct iceberg_type){.kind = ICEBERG_FLOAT};
    case TYPE_FLOAT64:
        return (struct iceberg_type){.kind = ICEBERG_DOUBLE};
    case TYPE_DECIMAL:
        return (struct iceberg_type){ICEBERG_DECIMAL, type.precision, type.scale, 0};
    case TYPE_DATE:
        return (struct iceberg_type){.kind = ICEBERG_DATE};
    case TYPE_TIME:
        return (struct iceberg_type){.kind = ICEBERG_TIME};
    case TYPE_TIMESTAMP:
        return (struct iceberg_type){.kind = ICEBERG_TIMESTAMP};
    case TYPE_TIMESTAMPTZ:
        return (struct iceberg_type){.kind = ICEBERG_TIMESTAMPTZ};
    case TYPE_BINARY:
        return (struct iceberg_type){.kind = ICEBERG_BINARY};
    case TYPE_STRING:
        return (struct iceberg_type){.kind = ICEBERG_STRING};
    default:
        assert(false && "a type that no lake table has");
        return (struct iceberg_type){.kind = ICEBERG_OTHER};
    }
}

bool iceberg_type_to_lake(struct iceberg_type type, struct type *out) {
    static const struct {
        enum iceberg_type_kind kind;
        struct type type;
    } map[] = {
        {ICEBERG_BOOLEAN, {TYPE_BOOLEAN, 0, 0}},
        {ICEBERG_INT, {TYPE_INT32, 0, 0}},
        {ICEBERG_LONG, {TYPE_INT64, 0, 0}},
        {ICEBERG_FLOAT, {TYPE_FLOAT32, 0, 0}},
        {ICEBERG_DOUBLE, {TYPE_FLOAT64, 0, 0}},
        {ICEBERG_DATE, {TYPE_DATE, 0, 0}},
        {ICEBERG_TIME, {TYPE_TIME, 0, 6}},
        {ICEBERG_TIMESTAMP, {TYPE_TIMESTAMP, 0, 6}},
        {ICEBERG_TIMESTAMPTZ, {TYPE_TIMESTAMPTZ, 0, 6}},
        {ICEBERG_STRING, {TYPE_STRING, 0, 0}},
        {ICEBERG_BINARY, {TYPE_BINARY, 0, 0}},
    };
    if (type.kind == ICEBERG_DECIMAL) {
        *out = (struct type){TYPE_DECIMAL, type.precision, type.scale};
        return true;
    }
    for (size_t i = 0; i < COUNT(map); i++)
        if (map[i].kind == type.kind) {
            *out = map[i].type;
            return true;
        }
    return false;
}

unsigned iceberg_decimal_bytes(unsigned precision) {
    /* 10^p - 1 needs p * log2(10) bits, and one for the sign. */
    static const uint8_t bytes[TYPE_DECIMAL_PRECISION_MAX + 1] = {0,  1,  1,  2,  2,  3,  3,  4,  4,  4,  5,  5,  6,
                                                                  6,  6,  7,  7,  8,  8,  9,  9,  9,  10, 10, 11, 11,
                                                                  11, 12, 12, 13, 13, 13, 14, 14, 15, 15, 16, 16, 16};
    assert(precision >= 1 && precision <= TYPE_DECIMAL_PRECISION_MAX);
    return bytes[precision];
}
