/* MySQL's binary JSON, from sql-common/json_binary.h; text as sql-common/json_dom.cc (Json_wrapper::to_string) prints it.
 *
 *   document   u8 type | value
 *
 *   type  0, 1 object, small and large     6 u16     a u64                  Integers are little-endian. In a small container
 *         2, 3 array, small and large      7 i32     b double               counts, sizes and offsets are u16, in a large
 *         4 literal: 0 null, 1 true, 2     8 u32     c text (utf8mb4)       one u32. Offsets count from the container's
 *           false                          9 i64     f opaque               begin (behind its type). V is a length in groups
 *         5 i16                                                             of 7 bits, low first, bit 7 = more follow.
 *
 *   object     count | size | key entry * count | value entry * count | keys | values
 *   array      count | size | value entry * count | values
 *   key entry    offset | u16 length
 *   value entry  u8 type | offset, or the value itself: literals, i16, u16, in a large container also i32, u32
 *   text       V length | bytes
 *   opaque     u8 column type | V length | bytes
 *              NEWDECIMAL 246: u8 precision, u8 scale, decimal (mysql_scalar.c)
 *              DATE 10, DATETIME 12, TIMESTAMP 7: i64, year * 13 + month, day 5, hour 5, minute 6, second 6, micros 24 bits
 *              TIME 11: i64, hour, minute 6, second 6, micros 24 bits
 *              anything else is printed as "base64:type<code>:…" */
#include "source/mysql_json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "model/value.h"
#include "source/mysql_scalar.h"
#include "source/mysql_wire.h"

enum json_type {
    JSON_SMALL_OBJECT,
    JSON_LARGE_OBJECT,
    JSON_SMALL_ARRAY,
    JSON_LARGE_ARRAY,
    JSON_LITERAL,
    JSON_INT16,
    JSON_UINT16,
    JSON_INT32,
    JSON_UINT32,
    JSON_INT64,
    JSON_UINT64,
    JSON_DOUBLE,
    JSON_TEXT,
    JSON_OPAQUE = 15,
};

enum {
    DEPTH_MAX = 100, /* the server's own limit */
    /* No document prints longer than this times its bytes; one that does has values that overlap, and is damaged. */
    GROWTH_MAX = 16,
};

struct json_writer {
    struct buf *out;
    size_t limit_bytes; /* of out */
    unsigned depth;
};

static bool put_value(struct json_writer *w, uint8_t type, struct cursor c);

static bool has_room(const struct json_writer *w, size_t more) {
    return more <= w->limit_bytes && w->out->len <= w->limit_bytes - more && buf_fits(w->out, more);
}

static bool put(struct json_writer *w, const char *text, size_t len) {
    if (!has_room(w, len))
        return false;
    buf_append(w->out, text, len);
    return true;
}

static bool read_length(struct cursor *c, size_t *out) {
    enum { LENGTH_BYTES_MAX = 5 };
    uint64_t len = 0;
    for (unsigned i = 0; i < LENGTH_BYTES_MAX; i++) {
        uint8_t byte = cursor_u8(c);
        len |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out = (size_t)len;
            return !c->failed && len <= cursor_left(c);
        }
    }
    return false;
}

/* --- text -------------------------------------------------------------------------------------------------------------- */

/* The letter behind the backslash; 0 for a control character without one, and for what needs none. */
static char escape_letter(uint8_t c) {
    switch (c) {
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    case '"':
    case '\\':
        return (char)c;
    default:
        return 0;
    }
}

static bool put_text(struct json_writer *w, const uint8_t *text, size_t len) {
    static const char HEX[] = "0123456789abcdef";
    if (len > w->limit_bytes || !has_room(w, 6 * len + 2) || !value_is_utf8((struct slice){(const char *)text, len}))
        return false;
    char *to = buf_reserve(w->out, 6 * len + 2), *start = to;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text[i];
        char letter = escape_letter(c);
        if (letter != 0) {
            *to++ = '\\';
            *to++ = letter;
        } else if (c < 0x20) {
            to = mempcpy(to, "\\u00", 4);
            *to++ = HEX[c >> 4];
            *to++ = HEX[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    *to++ = '"';
    *to = '\0';
    w->out->len += (size_t)(to - start);
    return true;
}

static bool put_string(struct json_writer *w, struct cursor *c) {
    size_t len;
    return read_length(c, &len) && put_text(w, c->pos, len);
}

/* --- numbers ----------------------------------------------------------------------------------------------------------- */

static bool put_int(struct json_writer *w, int64_t v) {
    char text[VALUE_INT_BYTES];
    return put(w, text, value_format_int64(v, text));
}

static bool put_uint(struct json_writer *w, uint64_t v) {
    char text[VALUE_INT_BYTES];
    return put(w, text, value_format_uint64(v, text));
}

/* The digits of a number's text and where its point is: v = 0.digits * 10^point. Returns how many. */
static size_t split_number(const char *text, size_t len, char *digits, int *point) {
    size_t count = 0;
    bool fraction = false;
    *point = 0;
    for (size_t i = 0; i < len && text[i] != 'e'; i++) {
        if (text[i] == '.')
            fraction = true;
        if (text[i] < '0' || text[i] > '9')
            continue;
        if (count == 0 && text[i] == '0') { /* a zero in front only moves the point */
            *point -= fraction;
            continue;
        }
        digits[count++] = text[i];
        *point += !fraction;
    }
    const char *e = memchr(text, 'e', len);
    if (e != NULL)
        *point += atoi(e + 1);
    while (count > 0 && digits[count - 1] == '0')
        count--;
    return count;
}

/* The fewest digits that read back. Below a power of two the doubles lie closer than above it, so that the nearest text of
 * 16 digits may not read back while the next one does: the server takes that one. */
static size_t shortest_digits(double v, char *digits, int *point) {
    enum { PLENTY = 17 };
    char text[VALUE_FLOAT_BYTES * 2];
    size_t count = split_number(text, value_format_double(v, text), digits, point);
    int exponent;
    if (count < PLENTY || frexp(v, &exponent) != 0.5)
        return count;
    snprintf(text, sizeof text, "%.15e", v);
    char *last = strchr(text, 'e') - 1;
    if (*last == '9')
        return count;
    ++*last;
    return strtod(text, NULL) == v ? split_number(text, strlen(text), digits, point) : count;
}

/* As my_gcvt prints it: 0.000000000000001, 100000000000000.0, 1e15, 1.5e-16; ".0" behind a whole number. */
static bool put_double(struct json_writer *w, double v) {
    enum { POINT_MIN = -14, POINT_MAX = 15 };
    char digits[VALUE_FLOAT_BYTES], text[64], *to = text;
    int point;
    if (!isfinite(v))
        return false;
    if (signbit(v))
        *to++ = '-';
    size_t count = shortest_digits(fabs(v), digits, &point);
    if (count == 0)
        return put(w, text, (size_t)(to - text)) && put(w, "0.0", 3);
    if (point < POINT_MIN || point > POINT_MAX) {
        *to++ = digits[0];
        if (count > 1)
            *to++ = '.';
        to = mempcpy(to, digits + 1, count - 1);
        *to++ = 'e';
        to += value_format_int64(point - 1, to);
        return put(w, text, (size_t)(to - text));
    }
    if (point <= 0) {
        to = mempcpy(to, "0.", 2);
        for (int i = point; i < 0; i++)
            *to++ = '0';
        to = mempcpy(to, digits, count);
        return put(w, text, (size_t)(to - text));
    }
    for (size_t i = 0; i < (size_t)point || i < count; i++) {
        if (i == (size_t)point)
            *to++ = '.';
        *to++ = i < count ? digits[i] : '0';
    }
    if (count <= (size_t)point)
        to = mempcpy(to, ".0", 2);
    return put(w, text, (size_t)(to - text));
}

/* --- opaque values ----------------------------------------------------------------------------------------------------- */

static bool put_decimal(struct json_writer *w, struct cursor *c) {
    uint8_t precision = cursor_u8(c), scale = cursor_u8(c);
    if (c->failed || precision < 1 || precision > MYSQL_DECIMAL_PRECISION_MAX || scale > precision)
        return false;
    const uint8_t *data = cursor_bytes(c, mysql_decimal_bytes(precision, scale));
    char text[MYSQL_DECIMAL_TEXT_BYTES];
    size_t len = data != NULL ? mysql_format_decimal(data, precision, scale, text) : 0;
    return len > 0 && put(w, text, len);
}

static bool put_temporal(struct json_writer *w, struct cursor *c, uint8_t type) {
    char text[MYSQL_DATETIME_TEXT_BYTES];
    size_t len;
    int64_t packed = (int64_t)cursor_u64(c);
    if (c->failed)
        return false;
    bool negative = packed < 0;
    uint64_t v = negative ? 0 - (uint64_t)packed : (uint64_t)packed;
    unsigned micro = (unsigned)(v & 0xffffff);
    v >>= 24;
    if (type == MYSQL_WIRE_TIME) {
        len = v >> 12 > UINT16_MAX
                  ? 0
                  : mysql_format_time(negative, (unsigned)(v >> 12), v >> 6 & 63, v & 63, micro, 6, text);
    } else {
        struct mysql_datetime t = mysql_datetime_unpack(v, micro);
        bool ok = !negative && v >> 39 == 0 && t.year <= 9999 && t.hour <= 23 && t.minute <= 59 && t.second <= 59 &&
                  micro <= 999999;
        len = !ok                       ? 0
              : type == MYSQL_WIRE_DATE ? mysql_format_date(t.year, t.month, t.day, text)
                                        : mysql_format_datetime(&t, 6, text);
    }
    return len > 0 && put(w, "\"", 1) && put(w, text, len) && put(w, "\"", 1);
}

/* The server's base64 has a line end behind each 76 characters, which JSON escapes. */
static bool put_base64(struct json_writer *w, const uint8_t *p, size_t len, uint8_t type) {
    enum { LINE_BYTES = 57 };
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!has_room(w, len / 3 * 4 + len / LINE_BYTES * 2 + 32))
        return false;
    buf_printf(w->out, "\"base64:type%u:", type);
    for (size_t i = 0; i < len; i += 3) {
        if (i > 0 && i % LINE_BYTES == 0)
            buf_append(w->out, "\\n", 2);
        size_t left = len - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char four[4] = {LETTERS[v >> 18], LETTERS[v >> 12 & 63], left > 1 ? LETTERS[v >> 6 & 63] : '=',
                        left > 2 ? LETTERS[v & 63] : '='};
        buf_append(w->out, four, sizeof four);
    }
    buf_append_char(w->out, '"');
    return true;
}

static bool put_opaque(struct json_writer *w, struct cursor *c) {
    uint8_t type = cursor_u8(c);
    size_t len;
    if (!read_length(c, &len))
        return false;
    struct cursor value = cursor_sub(c, len);
    if (value.failed)
        return false;
    switch (type) {
    case MYSQL_WIRE_NEWDECIMAL:
        return put_decimal(w, &value);
    case MYSQL_WIRE_DATE:
    case MYSQL_WIRE_TIME:
    case MYSQL_WIRE_DATETIME:
    case MYSQL_WIRE_TIMESTAMP:
        return put_temporal(w, &value, type);
    default:
        return put_base64(w, value.pos, len, type);
    }
}

/* --- containers -------------------------------------------------------------------------------------------------------- */

struct container {
    const uint8_t *begin;
    size_t size;
    size_t width; /* of counts, sizes and offsets: 2 or 4 */
};

static bool is_inline(uint8_t type, size_t width) {
    return type == JSON_LITERAL || type == JSON_INT16 || type == JSON_UINT16 ||
           (width == 4 && (type == JSON_INT32 || type == JSON_UINT32));
}

static bool put_element(struct json_writer *w, const struct container *in, struct cursor *entries) {
    uint8_t type = cursor_u8(entries);
    struct cursor own = cursor_sub(entries, in->width);
    if (own.failed)
        return false;
    if (is_inline(type, in->width))
        return put_value(w, type, own);
    uint64_t offset = cursor_le(&own, in->width);
    return offset < in->size && put_value(w, type, cursor_of(in->begin + offset, in->size - (size_t)offset));
}

static bool put_key(struct json_writer *w, const struct container *in, struct cursor *keys) {
    uint64_t offset = cursor_le(keys, in->width);
    uint16_t len = cursor_u16(keys);
    return !keys->failed && offset <= in->size && len <= in->size - offset && put_text(w, in->begin + offset, len);
}

static bool put_elements(struct json_writer *w, const struct container *in, struct cursor keys, struct cursor values,
                         uint64_t count, bool object) {
    for (uint64_t i = 0; i < count; i++) {
        if ((i > 0 && !put(w, ", ", 2)) || (object && !(put_key(w, in, &keys) && put(w, ": ", 2))) ||
            !put_element(w, in, &values))
            return false;
    }
    return true;
}

static bool put_container(struct json_writer *w, struct cursor c, bool object, size_t width) {
    struct container in = {c.pos, 0, width};
    uint64_t count = cursor_le(&c, width), size = cursor_le(&c, width);
    size_t head = 2 * width;
    if (c.failed || size < head || size - head > cursor_left(&c) || w->depth == DEPTH_MAX)
        return false;
    in.size = (size_t)size;
    c.end = in.begin + in.size;
    size_t key_bytes = object ? width + 2 : 0, value_bytes = width + 1;
    if (count > cursor_left(&c) / (key_bytes + value_bytes))
        return false;
    struct cursor keys = cursor_sub(&c, (size_t)count * key_bytes),
                  values = cursor_sub(&c, (size_t)count * value_bytes);
    w->depth++;
    bool ok = put(w, object ? "{" : "[", 1) && put_elements(w, &in, keys, values, count, object) &&
              put(w, object ? "}" : "]", 1);
    w->depth--;
    return ok;
}

static bool put_literal(struct json_writer *w, uint8_t literal) {
    static const char *const WORDS[] = {"null", "true", "false"};
    return literal < 3 && put(w, WORDS[literal], strlen(WORDS[literal]));
}

static double double_of(uint64_t bits) {
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static bool put_value(struct json_writer *w, uint8_t type, struct cursor c) {
    static const uint8_t BYTES[] = {[JSON_LITERAL] = 1, [JSON_INT16] = 2, [JSON_UINT16] = 2, [JSON_INT32] = 4,
                                    [JSON_UINT32] = 4,  [JSON_INT64] = 8, [JSON_UINT64] = 8, [JSON_DOUBLE] = 8};
    uint64_t v = type >= JSON_LITERAL && type <= JSON_DOUBLE ? cursor_le(&c, BYTES[type]) : 0;
    if (c.failed)
        return false;
    switch (type) {
    case JSON_SMALL_OBJECT:
        return put_container(w, c, true, 2);
    case JSON_LARGE_OBJECT:
        return put_container(w, c, true, 4);
    case JSON_SMALL_ARRAY:
        return put_container(w, c, false, 2);
    case JSON_LARGE_ARRAY:
        return put_container(w, c, false, 4);
    case JSON_LITERAL:
        return put_literal(w, (uint8_t)v);
    case JSON_INT16:
        return put_int(w, (int16_t)v);
    case JSON_INT32:
        return put_int(w, (int32_t)v);
    case JSON_INT64:
        return put_int(w, (int64_t)v);
    case JSON_UINT16:
    case JSON_UINT32:
    case JSON_UINT64:
        return put_uint(w, v);
    case JSON_DOUBLE:
        return put_double(w, double_of(v));
    case JSON_TEXT:
        return put_string(w, &c);
    case JSON_OPAQUE:
        return put_opaque(w, &c);
    default:
        return false;
    }
}

bool mysql_json_decode(const void *data, size_t len, struct buf *out, struct error *err) {
    if (len == 0) {
        buf_append_text(out, "null");
        return true;
    }
    size_t start = out->len;
    struct json_writer w = {out, SIZE_MAX, 0};
    if (len < (SIZE_MAX - start) / GROWTH_MAX - 64)
        w.limit_bytes = start + len * GROWTH_MAX + 64;
    struct cursor c = cursor_of(data, len);
    uint8_t type = cursor_u8(&c);
    if (put_value(&w, type, c))
        return true;
    out->len = start;
    return error_set(err, ERROR_DATA, "a JSON document of %zu bytes is cut off or damaged", len);
}
