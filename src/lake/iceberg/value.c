#include "lake/iceberg/value.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct slice null_value = {NULL, 0};

/* The fixed size of values of a type; 0 when it varies. */
static size_t size_of(struct iceberg_type type) {
    switch (type.kind) {
    case ICEBERG_BOOLEAN:
        return 1;
    case ICEBERG_INT:
    case ICEBERG_DATE:
    case ICEBERG_FLOAT:
        return 4;
    case ICEBERG_LONG:
    case ICEBERG_TIME:
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
    case ICEBERG_TIMESTAMP_NS:
    case ICEBERG_TIMESTAMPTZ_NS:
    case ICEBERG_DOUBLE:
        return 8;
    case ICEBERG_UUID:
        return 16;
    default:
        return 0;
    }
}

static bool is_integer(struct iceberg_type type) {
    return type.kind == ICEBERG_BOOLEAN || type.kind == ICEBERG_INT || type.kind == ICEBERG_LONG ||
           (type.kind >= ICEBERG_DATE && type.kind <= ICEBERG_TIMESTAMPTZ_NS);
}

static bool is_real(struct iceberg_type type) { return type.kind == ICEBERG_FLOAT || type.kind == ICEBERG_DOUBLE; }

/* --- bytes to numbers and back */

static struct slice little_endian(struct arena *arena, uint64_t bits, size_t len) {
    char *bytes = arena_alloc(arena, len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(bits >> (8 * i));
    return (struct slice){bytes, len};
}

static uint64_t bits_of(struct slice value) {
    uint64_t bits = 0;
    for (size_t i = 0; i < value.len && i < 8; i++)
        bits |= (uint64_t)(uint8_t)value.data[i] << (8 * i);
    return bits;
}

struct slice iceberg_value_of_int(struct arena *arena, struct iceberg_type type, int64_t v) {
    assert(is_integer(type));
    return little_endian(arena, type.kind == ICEBERG_BOOLEAN ? v != 0 : (uint64_t)v, size_of(type));
}

int64_t iceberg_value_to_int(struct iceberg_type type, struct slice value) {
    assert(is_integer(type) && value.len == size_of(type));
    uint64_t bits = bits_of(value);
    if (type.kind == ICEBERG_BOOLEAN)
        return bits != 0;
    return value.len == 4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
}

static struct slice value_of_float(struct arena *arena, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return little_endian(arena, bits, sizeof bits);
}

static struct slice value_of_double(struct arena *arena, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return little_endian(arena, bits, sizeof bits);
}

double iceberg_value_to_double(struct iceberg_type type, struct slice value) {
    assert(is_real(type) && value.len == size_of(type));
    uint64_t bits = bits_of(value);
    if (type.kind == ICEBERG_FLOAT) {
        uint32_t narrow = (uint32_t)bits;
        float v;
        memcpy(&v, &narrow, sizeof v);
        return (double)v;
    }
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

struct slice iceberg_value_of_decimal(struct arena *arena, value_decimal unscaled) {
    enum { BYTES = sizeof unscaled };
    uint8_t bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[BYTES - 1 - i] = (uint8_t)(unscaled >> (8 * i));
    uint8_t sign = unscaled < 0 ? 0xff : 0;
    size_t skip = 0;
    while (skip < BYTES - 1 && bytes[skip] == sign && ((bytes[skip + 1] ^ sign) & 0x80) == 0)
        skip++;
    return iceberg_value_of_bytes(arena, (struct slice){(char *)bytes + skip, BYTES - skip});
}

value_decimal iceberg_value_to_decimal(struct slice value) {
    assert(value.len >= 1 && value.len <= sizeof(value_decimal));
    __extension__ typedef unsigned __int128 wide;
    wide bits = (value.data[0] & 0x80) != 0 ? ~(wide)0 : 0;
    for (size_t i = 0; i < value.len; i++)
        bits = bits << 8 | (uint8_t)value.data[i];
    return (value_decimal)bits;
}

struct slice iceberg_value_of_bytes(struct arena *arena, struct slice bytes) {
    return (struct slice){arena_strndup(arena, bytes.data, bytes.len), bytes.len};
}

bool iceberg_value_is_valid(struct iceberg_type type, struct slice value) {
    if (iceberg_value_is_null(value))
        return true;
    if (size_of(type) > 0)
        return value.len == size_of(type);
    switch (type.kind) {
    case ICEBERG_DECIMAL:
        return value.len >= 1 && value.len <= iceberg_decimal_bytes(type.precision);
    case ICEBERG_FIXED:
        return value.len == type.length;
    default:
        return true;
    }
}

struct slice iceberg_value_promote(struct arena *arena, struct iceberg_type type, struct slice value) {
    if (!iceberg_value_is_null(value) && value.len == 4) {
        if (type.kind == ICEBERG_LONG)
            return iceberg_value_of_int(arena, type, (int32_t)(uint32_t)bits_of(value));
        if (type.kind == ICEBERG_DOUBLE)
            return value_of_double(arena, iceberg_value_to_double((struct iceberg_type){.kind = ICEBERG_FLOAT}, value));
    }
    return iceberg_value_is_valid(type, value) ? value : null_value;
}

/* --- order */

static int compare_bytes(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_doubles(double a, double b) {
    if (a == 0 && b == 0)
        return (signbit(a) == 0) - (signbit(b) == 0);
    return (a > b) - (a < b);
}

int iceberg_value_compare(struct iceberg_type type, struct slice a, struct slice b) {
    if (is_real(type))
        return compare_doubles(iceberg_value_to_double(type, a), iceberg_value_to_double(type, b));
    if (is_integer(type)) {
        int64_t x = iceberg_value_to_int(type, a), y = iceberg_value_to_int(type, b);
        return (x > y) - (x < y);
    }
    if (type.kind == ICEBERG_DECIMAL) {
        value_decimal x = iceberg_value_to_decimal(a), y = iceberg_value_to_decimal(b);
        return (x > y) - (x < y);
    }
    return compare_bytes(a, b);
}

bool iceberg_value_is_nan(struct iceberg_type type, struct slice value) {
    return is_real(type) && !iceberg_value_is_null(value) && isnan(iceberg_value_to_double(type, value));
}

/* --- from text */

static bool parse_real(struct arena *arena, bool wide, struct slice text, struct slice *out) {
    float narrow;
    double v;
    if (!(wide ? value_parse_double(text, &v) : value_parse_float(text, &narrow)))
        return false;
    *out = wide ? value_of_double(arena, v) : value_of_float(arena, narrow);
    return true;
}

static bool parse_decimal(struct arena *arena, struct iceberg_type type, struct slice text, struct slice *out) {
    value_decimal v;
    if (!value_parse_decimal(text, type.precision, type.scale, &v))
        return false;
    *out = iceberg_value_of_decimal(arena, v);
    return true;
}

static bool parse_hex(struct arena *arena, struct slice text, struct slice *out) {
    uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);
    *out = (struct slice){(char *)bytes, text.len / 2};
    return value_parse_hex(text, bytes);
}

static bool parse_integer(struct iceberg_type type, struct slice text, int64_t *out) {
    bool flag;
    int32_t days;
    switch (type.kind) {
    case ICEBERG_BOOLEAN:
        if (!value_parse_bool(text, &flag))
            return false;
        *out = flag;
        return true;
    case ICEBERG_DATE:
        if (!value_parse_date(text, &days))
            return false;
        *out = days;
        return true;
    case ICEBERG_TIME:
        return value_parse_time(text, out);
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
        return value_parse_timestamp(text, type.kind == ICEBERG_TIMESTAMPTZ, out);
    case ICEBERG_INT:
        return value_parse_int64(text, out) && *out >= INT32_MIN && *out <= INT32_MAX;
    default:
        return value_parse_int64(text, out);
    }
}

bool iceberg_value_parse(struct arena *arena, struct iceberg_type type, struct slice text, struct slice *out) {
    if (is_integer(type)) {
        int64_t v;
        if (!parse_integer(type, text, &v))
            return false;
        *out = iceberg_value_of_int(arena, type, v);
        return true;
    }
    if (is_real(type))
        return parse_real(arena, type.kind == ICEBERG_DOUBLE, text, out);
    if (type.kind == ICEBERG_DECIMAL)
        return parse_decimal(arena, type, text, out);
    if (type.kind == ICEBERG_BINARY)
        return parse_hex(arena, text, out);
    assert(type.kind == ICEBERG_STRING);
    *out = iceberg_value_of_bytes(arena, text);
    return true;
}

/* --- bounds */

/* Bytes of the first `count` characters; the whole when it has no more. */
static size_t characters(struct slice text, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++)
        if (((uint8_t)text.data[i] & 0xc0) != 0x80 && at++ == count)
            return i;
    return text.len;
}

static bool is_cut(struct iceberg_type type) { return type.kind == ICEBERG_STRING || type.kind == ICEBERG_BINARY; }

struct slice iceberg_bound_lower(struct arena *arena, struct iceberg_type type, struct slice value) {
    if (!is_cut(type) || iceberg_value_is_null(value))
        return value;
    size_t len = value.len < ICEBERG_BOUND_LENGTH ? value.len : ICEBERG_BOUND_LENGTH;
    if (type.kind == ICEBERG_STRING)
        len = characters(value, ICEBERG_BOUND_LENGTH);
    return iceberg_value_of_bytes(arena, (struct slice){value.data, len});
}

static struct slice raise_bytes(struct arena *arena, struct slice prefix) {
    while (prefix.len > 0 && (uint8_t)prefix.data[prefix.len - 1] == 0xff)
        prefix.len--;
    if (prefix.len == 0)
        return null_value;
    char *bytes = arena_strndup(arena, prefix.data, prefix.len);
    bytes[prefix.len - 1]++;
    return (struct slice){bytes, prefix.len};
}

static uint32_t decode_character(const uint8_t *at, size_t len) {
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = at[0] & masks[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (at[i] & 0x3f);
    return c;
}

static size_t encode_character(uint32_t c, char *to) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    to[0] = (char)(marks[len] | c);
    return len;
}

/* UTF-8. The last character that has a next one is raised, and what is behind it goes: the surrogates are no characters. */
static struct slice raise_text(struct arena *arena, struct slice prefix) {
    while (prefix.len > 0) {
        size_t start = prefix.len - 1;
        while (start > 0 && ((uint8_t)prefix.data[start] & 0xc0) == 0x80)
            start--;
        size_t len = prefix.len - start;
        uint32_t c = decode_character((const uint8_t *)prefix.data + start, len) + 1;
        if (c >= 0xd800 && c <= 0xdfff)
            c = 0xe000;
        if (c <= 0x10ffff) {
            char *text = arena_alloc(arena, start + 5);
            memcpy(text, prefix.data, start);
            return (struct slice){text, start + encode_character(c, text + start)};
        }
        prefix.len = start;
    }
    return null_value;
}

struct slice iceberg_bound_upper(struct arena *arena, struct iceberg_type type, struct slice value) {
    struct slice lower = iceberg_bound_lower(arena, type, value);
    if (iceberg_value_is_null(value) || lower.len == value.len)
        return lower;
    if (type.kind == ICEBERG_BINARY)
        return raise_bytes(arena, lower);
    return value_is_utf8(lower) ? raise_text(arena, lower) : null_value;
}

/* --- Avro */

static json_t *fixed_to_avro(unsigned size, const char *prefix, int32_t field_id) {
    char name[32];
    snprintf(name, sizeof name, "%s_%d", prefix, field_id);
    return json_pack("{s:s, s:s, s:i}", "type", "fixed", "name", name, "size", (int)size);
}

static json_t *logical_to_avro(const char *type, const char *logical) {
    return json_pack("{s:s, s:s}", "type", type, "logicalType", logical);
}

static json_t *timestamp_to_avro(const char *logical, bool utc) {
    json_t *json = logical_to_avro("long", logical);
    json_object_set_new(json, "adjust-to-utc", json_boolean(utc));
    return json;
}

json_t *iceberg_type_to_avro(struct iceberg_type type, int32_t field_id) {
    json_t *json;
    switch (type.kind) {
    case ICEBERG_BOOLEAN:
        return json_string("boolean");
    case ICEBERG_INT:
        return json_string("int");
    case ICEBERG_LONG:
        return json_string("long");
    case ICEBERG_FLOAT:
        return json_string("float");
    case ICEBERG_DOUBLE:
        return json_string("double");
    case ICEBERG_STRING:
        return json_string("string");
    case ICEBERG_DATE:
        return logical_to_avro("int", "date");
    case ICEBERG_TIME:
        return logical_to_avro("long", "time-micros");
    case ICEBERG_TIMESTAMP:
    case ICEBERG_TIMESTAMPTZ:
        return timestamp_to_avro("timestamp-micros", type.kind == ICEBERG_TIMESTAMPTZ);
    case ICEBERG_TIMESTAMP_NS:
    case ICEBERG_TIMESTAMPTZ_NS:
        return timestamp_to_avro("timestamp-nanos", type.kind == ICEBERG_TIMESTAMPTZ_NS);
    case ICEBERG_FIXED:
        return fixed_to_avro(type.length, "fixed", field_id);
    case ICEBERG_UUID:
        json = fixed_to_avro(16, "uuid", field_id);
        json_object_set_new(json, "logicalType", json_string("uuid"));
        return json;
    case ICEBERG_DECIMAL:
        json = fixed_to_avro(iceberg_decimal_bytes(type.precision), "decimal", field_id);
        json_object_set_new(json, "logicalType", json_string("decimal"));
        json_object_set_new(json, "precision", json_integer(type.precision));
        json_object_set_new(json, "scale", json_integer(type.scale));
        return json;
    default:
        return json_string("bytes");
    }
}

static void put_decimal(struct buf *out, unsigned size, struct slice value) {
    char sign = (value.data[0] & 0x80) != 0 ? (char)0xff : 0;
    assert(value.len <= size);
    for (size_t i = value.len; i < size; i++)
        buf_append_char(out, sign);
    avro_put_raw(out, value);
}

void iceberg_value_put_avro(struct buf *out, struct iceberg_type type, struct slice value) {
    assert(!iceberg_value_is_null(value) && iceberg_value_is_valid(type, value));
    if (type.kind == ICEBERG_BOOLEAN)
        avro_put_bool(out, iceberg_value_to_int(type, value) != 0);
    else if (is_integer(type))
        avro_put_long(out, iceberg_value_to_int(type, value));
    else if (type.kind == ICEBERG_DECIMAL)
        put_decimal(out, iceberg_decimal_bytes(type.precision), value);
    else if (is_real(type) || type.kind == ICEBERG_UUID || type.kind == ICEBERG_FIXED)
        avro_put_raw(out, value);
    else
        avro_put_bytes(out, value);
}

/* Decimals are stored at full size: as few bytes as it takes is their form here. */
static struct slice shorten_decimal(struct arena *arena, struct slice bytes) {
    if (bytes.len == 0)
        return null_value;
    while (bytes.len > 1 && (bytes.data[0] == 0 || bytes.data[0] == (char)0xff) &&
           ((bytes.data[0] ^ bytes.data[1]) & 0x80) == 0) {
        bytes.data++;
        bytes.len--;
    }
    return iceberg_value_of_bytes(arena, bytes);
}

struct slice iceberg_value_from_avro(struct arena *arena, const struct avro_value *value) {
    switch (value->schema->kind) {
    case AVRO_BOOLEAN:
        return little_endian(arena, value->as.boolean, 1);
    case AVRO_INT:
        return little_endian(arena, (uint64_t)value->as.number, 4);
    case AVRO_LONG:
        return little_endian(arena, (uint64_t)value->as.number, 8);
    case AVRO_FLOAT:
        return value_of_float(arena, (float)value->as.real);
    case AVRO_DOUBLE:
        return value_of_double(arena, value->as.real);
    case AVRO_BYTES:
    case AVRO_STRING:
    case AVRO_FIXED:
        return value->schema->is_decimal ? shorten_decimal(arena, value->as.bytes)
                                         : iceberg_value_of_bytes(arena, value->as.bytes);
    default:
        return null_value;
    }
}
