/* The values of a row image, one behind the other, as Field::pack writes them (MySQL's sql/field.cc and
 * libs/mysql/binlog/event/rows_event.h; MariaDB's sql/field.cc). LE, BE: byte order.
 *
 *   TINY .. LONGLONG       1, 2, 3, 4, 8 LE                 YEAR          u8, 0 = 0000, else 1900 + n
 *   FLOAT, DOUBLE          4, 8 LE                          BIT           (bits + 7) / 8 BE
 *   NEWDECIMAL             see mysql_scalar.c               ENUM, SET     1, 2 / 1..8 LE: index from 1 / bits
 *   DATE, NEWDATE          3 LE: year 15 bits, month 4, day 5
 *   DATETIME2(n)           5 BE - 0x8000000000: year * 13 + month 17 bits, day 5, hour 5, minute 6, second 6 | fraction
 *   TIME2(n)               3 BE - 0x800000: hour 10 bits, minute 6, second 6 | fraction; from 5 digits on both are one
 *                          number of 6 BE - 0x800000000000; a negative one is negative as a whole
 *   TIMESTAMP2(n)          4 BE seconds since 1970 | fraction
 *     fraction             (n + 1) / 2 BE: hundredths, ten thousandths, millionths
 *   DATETIME, TIME, TIMESTAMP without fraction, from before 5.6
 *                          8 LE YYYYMMDDhhmmss; 3 LE [-]hhmmss; 4 LE seconds
 *   the same with fraction n = 1..6, MariaDB with mysql56_temporal_format=OFF
 *     DATETIME             6, 6, 7, 7, 7, 8 BE: ((((year * 13 + month) * 32 + day) * 24 + hour) * 60 + minute) * 60 + second,
 *                          in units of 10^-n s
 *     TIME                 4, 4, 5, 5, 5, 6 BE: 10^-n s + 3020400 s
 *     TIMESTAMP            4 BE seconds | 1, 1, 2, 2, 3, 3 BE in units of 10^-n s
 *   STRING (CHAR, BINARY)  length 1 byte, from 256 bytes on 2 LE | text, without the blanks, 00 bytes, behind it
 *   VARCHAR                length 1 byte, from 256 bytes on 2 LE | text
 *   BLOB, JSON, GEOMETRY, VECTOR   length 1..4 LE | bytes; JSON see mysql_json.c; geometry: u32 LE SRID | WKB
 *   compressed             length as VARCHAR or BLOB | u8 method | bytes; method 0: as they are; 8n: zlib, 8 more: without
 *                          its header, low 3 bits: bytes of the length that follows, BE */
#include "source/mysql_row_value.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/cursor.h"
#include "model/value.h"
#include "source/mysql_json.h"
#include "source/mysql_scalar.h"
#include "source/mysql_wire.h"

enum { TEXT_MAX_BYTES = 1 << 30, KEEP_BYTES = 1 << 20, MICRO = 1000000, UUID_TEXT_BYTES = 36, ADDRESS_TEXT_BYTES = 64 };

static const uint32_t POWERS[] = {1, 10, 100, 1000, 10000, 100000, 1000000};

static inline uint64_t read_le(const uint8_t *p, size_t len) {
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static inline uint64_t read_be(const uint8_t *p, size_t len) {
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return v;
}

static inline bool set(struct value *out, enum value_kind kind, const void *data, size_t len) {
    *out = (struct value){data, (uint32_t)len, (uint8_t)kind};
    return true;
}

/* For the functions whose length 0 says that the bytes are no value. */
static inline bool set_plain(struct value *out, const char *text, size_t len) {
    return len > 0 && set(out, VALUE_PLAIN, text, len);
}

static bool set_no_date(struct mysql_row_counters *counters, struct value *out) {
    counters->zero_dates++;
    return set(out, VALUE_NULL, NULL, 0);
}

/* --- numbers ----------------------------------------------------------------------------------------------------------- */

static inline uint64_t read_number(const struct row_column *column, const uint8_t *p) {
    uint32_t four;
    switch (column->fixed) {
    case 1:
        return p[0];
    case 4:
        memcpy(&four, p, sizeof four);
        return le32toh(four);
    default:
        return read_le(p, column->fixed);
    }
}

static bool decode_signed(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    unsigned shift = 64 - 8U * column->fixed;
    int64_t v = (int64_t)(read_number(column, p) << shift) >> shift;
    return set_plain(out, slot, value_format_int64(v, slot));
}

static bool decode_bit(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    uint64_t v = read_be(p, column->fixed);
    if (column->length < 64 && v >> column->length != 0)
        return false;
    if (column->op == ROW_BOOLEAN)
        return v != 0 ? set(out, VALUE_PLAIN, "true", 4) : set(out, VALUE_PLAIN, "false", 5);
    return set_plain(out, slot, value_format_uint64(v, slot));
}

static bool decode_float(const uint8_t *p, char *slot, struct value *out) {
    uint32_t bits = (uint32_t)read_le(p, sizeof bits);
    float v;
    memcpy(&v, &bits, sizeof v);
    return set_plain(out, slot, value_format_float(v, slot));
}

static bool decode_double(const uint8_t *p, char *slot, struct value *out) {
    uint64_t bits = read_le(p, sizeof bits);
    double v;
    memcpy(&v, &bits, sizeof v);
    return set_plain(out, slot, value_format_double(v, slot));
}

/* --- dates and times ------------------------------------------------------------------------------------------------------ */

static bool decode_date(const uint8_t *p, char *slot, struct mysql_row_counters *counters, struct value *out) {
    unsigned v = (unsigned)read_le(p, 3);
    unsigned year = v >> 9, month = v >> 5 & 15, day = v & 31;
    if (year > 9999 || month > 12)
        return false;
    if (!mysql_date_exists(year, month, day))
        return set_no_date(counters, out);
    return set_plain(out, slot, mysql_format_date(year, month, day, slot));
}

static bool set_datetime(const struct row_column *column, const struct mysql_datetime *t, char *slot,
                         struct mysql_row_counters *counters, struct value *out) {
    if (t->year > 9999 || t->month > 12 || t->day > 31 || t->hour > 23 || t->minute > 59 || t->second > 59 ||
        t->micro >= MICRO)
        return false;
    if (!mysql_date_exists(t->year, t->month, t->day))
        return set_no_date(counters, out);
    return set_plain(out, slot, mysql_format_datetime(t, column->scale, slot));
}

/* The fraction behind a TIMESTAMP2 or DATETIME2, in microseconds. */
static unsigned read_fraction(const uint8_t *p, unsigned scale) {
    switch ((scale + 1) / 2) {
    case 1:
        return p[0] * 10000U;
    case 2:
        return (unsigned)read_be(p, 2) * 100;
    case 3:
        return (unsigned)read_be(p, 3);
    default:
        return 0;
    }
}

static bool decode_datetime(const struct row_column *column, const uint8_t *p, char *slot,
                            struct mysql_row_counters *counters, struct value *out) {
    static const uint64_t OFFSET = UINT64_C(0x8000000000);
    uint64_t v = read_be(p, 5);
    struct mysql_datetime t = mysql_datetime_unpack(v - OFFSET, read_fraction(p + 5, column->scale));
    return v >= OFFSET && set_datetime(column, &t, slot, counters, out);
}

/* The second 0 is the zero date. */
static bool set_timestamp(const struct row_column *column, uint32_t seconds, unsigned micro, char *slot,
                          struct mysql_row_counters *counters, struct value *out) {
    if (seconds == 0 && micro == 0)
        return set_no_date(counters, out);
    struct mysql_datetime t = mysql_datetime_from_unix(seconds, micro);
    return set_datetime(column, &t, slot, counters, out);
}

static bool decode_time(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    static const int64_t FRACTION_UNITS[] = {0, 10000, 100};
    unsigned fraction_bytes = column->fixed - 3U;
    assert(fraction_bytes <= 3);
    int64_t packed = (int64_t)read_be(p, column->fixed) - ((int64_t)0x800000 << (8 * fraction_bytes));
    bool negative = packed < 0;
    uint64_t v = negative ? 0 - (uint64_t)packed : (uint64_t)packed;
    uint64_t whole = v >> (8 * fraction_bytes);
    uint64_t fraction = v & ((UINT64_C(1) << (8 * fraction_bytes)) - 1);
    if (fraction_bytes > 0 && fraction_bytes < 3)
        fraction *= (uint64_t)FRACTION_UNITS[fraction_bytes];
    return whole >> 22 == 0 && set_plain(out, slot,
                                         mysql_format_time(negative, (unsigned)(whole >> 12), whole >> 6 & 63,
                                                           whole & 63, (unsigned)fraction, column->scale, slot));
}

static bool decode_old_time(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    int32_t v = (int32_t)((uint32_t)read_le(p, 3) << 8) >> 8;
    unsigned u = v < 0 ? (unsigned)-v : (unsigned)v;
    return set_plain(out, slot, mysql_format_time(v < 0, u / 10000, u / 100 % 100, u % 100, 0, column->scale, slot));
}

static bool decode_old_datetime(const struct row_column *column, const uint8_t *p, char *slot,
                                struct mysql_row_counters *counters, struct value *out) {
    uint64_t v = read_le(p, 8);
    unsigned clock = (unsigned)(v % 1000000);
    v /= 1000000;
    unsigned date = v > 99999999 ? 99999999 : (unsigned)v; /* the year 9999, and a month that there is not */
    struct mysql_datetime t = {.year = date / 10000,
                               .month = date / 100 % 100,
                               .day = date % 100,
                               .hour = clock / 10000,
                               .minute = clock / 100 % 100,
                               .second = clock % 100};
    return set_datetime(column, &t, slot, counters, out);
}

static bool decode_hires_time(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    static const int64_t ZERO_SECONDS = 3020400; /* 838:59:59 and one more */
    int64_t unit = POWERS[column->scale];
    int64_t v = (int64_t)read_be(p, column->fixed) - ZERO_SECONDS * unit;
    bool negative = v < 0;
    uint64_t u = negative ? 0 - (uint64_t)v : (uint64_t)v;
    uint64_t seconds = u / (uint64_t)unit;
    unsigned micro = (unsigned)(u % (uint64_t)unit) * POWERS[6 - column->scale];
    return seconds < (uint64_t)ZERO_SECONDS * 4 &&
           set_plain(out, slot,
                     mysql_format_time(negative, (unsigned)seconds / 3600, (unsigned)seconds / 60 % 60,
                                       (unsigned)seconds % 60, micro, column->scale, slot));
}

static bool decode_hires_datetime(const struct row_column *column, const uint8_t *p, char *slot,
                                  struct mysql_row_counters *counters, struct value *out) {
    uint64_t v = read_be(p, column->fixed);
    unsigned unit = POWERS[column->scale];
    struct mysql_datetime t = {.micro = (unsigned)(v % unit) * POWERS[6 - column->scale]};
    v /= unit;
    unsigned clock = (unsigned)(v % 86400);
    v /= 86400;
    unsigned date = v > UINT32_MAX ? UINT32_MAX : (unsigned)v;
    t.second = clock % 60;
    t.minute = clock / 60 % 60;
    t.hour = clock / 3600;
    t.day = date % 32;
    t.month = date / 32 % 13;
    t.year = date / 32 / 13;
    return set_datetime(column, &t, slot, counters, out);
}

/* --- text and bytes --------------------------------------------------------------------------------------------------------- */

/* A buffer that one large value has blown up is given back with the next. */
static struct buf *start_over(struct buf *buf) {
    if (buf->capacity > KEEP_BYTES)
        buf_deinit(buf);
    if (buf->max_bytes == 0)
        buf_init(buf, TEXT_MAX_BYTES);
    buf_clear(buf);
    return buf;
}

static bool set_text(const struct row_column *column, struct buf *scratch, struct slice text, struct value *out,
                     struct error *err) {
    struct slice utf8;
    if (!mysql_charset_decode(column->charset, text, start_over(scratch), &utf8, err))
        return false;
    if (column->op == ROW_CHAR)
        while (utf8.len > 0 && utf8.data[utf8.len - 1] == ' ')
            utf8.len--;
    return set(out, VALUE_TEXT, utf8.data, utf8.len);
}

/* `len` bytes, filled up with 00. */
static const uint8_t *padded(const uint8_t *p, size_t len, size_t full, char *slot) {
    if (len == full)
        return p;
    memcpy(slot, p, len);
    memset(slot + len, 0, full - len);
    return (const uint8_t *)slot;
}

static bool decode_enum(const struct row_column *column, const uint8_t *p, struct value *out) {
    size_t index = (size_t)read_le(p, column->fixed);
    if (index > column->label_count)
        return false;
    return index == 0 ? set(out, VALUE_TEXT, "", 0)
                      : set(out, VALUE_TEXT, column->labels[index - 1].data, column->labels[index - 1].len);
}

static bool decode_set(const struct row_column *column, const uint8_t *p, char *slot, struct value *out) {
    uint64_t bits = read_le(p, column->fixed);
    if (column->label_count < 64 && bits >> column->label_count != 0)
        return false;
    char *to = slot;
    for (size_t i = 0; i < column->label_count; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        if (to != slot)
            *to++ = ',';
        to = mempcpy(to, column->labels[i].data, column->labels[i].len);
    }
    return set(out, VALUE_TEXT, slot, (size_t)(to - slot));
}

/* The bytes of a compressed column before compression. */
static bool inflate_column(struct buf *to, const uint8_t *p, size_t len, struct slice *out) {
    enum { RAW_DEFLATE = 8, ZLIB = 8, ZLIB_RATIO_MAX = 1032 };
    *out = (struct slice){(const char *)p, len};
    if (len == 0)
        return true;
    *out = (struct slice){(const char *)p + 1, len - 1};
    if (p[0] == 0)
        return true;
    size_t len_bytes = p[0] & 7;
    if (p[0] >> 4 != ZLIB || len_bytes < 1 || len_bytes > 4 || len - 1 < len_bytes)
        return false;
    uint64_t full = read_be(p + 1, len_bytes);
    size_t left = len - 1 - len_bytes;
    if (full > TEXT_MAX_BYTES - 1 || full / ZLIB_RATIO_MAX > left)
        return false;
    z_stream stream = {.next_in = (Bytef *)(p + 1 + len_bytes), .avail_in = (uInt)left};
    stream.next_out = (Bytef *)buf_reserve(start_over(to), (size_t)full);
    stream.avail_out = (uInt)full;
    if (inflateInit2(&stream, (p[0] & RAW_DEFLATE) != 0 ? -MAX_WBITS : MAX_WBITS) != Z_OK)
        return false;
    bool ok = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
    inflateEnd(&stream);
    to->len = (size_t)full;
    *out = (struct slice){to->data, to->len};
    return ok;
}

static bool decode_geometry(const uint8_t *p, size_t len, struct value *out) {
    enum { SRID_BYTES = 4 };
    if (len == 0)
        return set(out, VALUE_BYTES, p, 0);
    return len > SRID_BYTES && set(out, VALUE_BYTES, p + SRID_BYTES, len - SRID_BYTES);
}

static bool decode_json(struct buf *to, const uint8_t *p, size_t len, struct value *out, struct error *err) {
    if (!mysql_json_decode(p, len, start_over(to), err))
        return false;
    return set(out, VALUE_TEXT, to->data, to->len);
}

static bool decode_uuid(const uint8_t *p, char *slot, struct value *out) {
    static const char HEX[] = "0123456789abcdef";
    char *to = slot;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = HEX[p[i] >> 4];
        *to++ = HEX[p[i] & 15];
    }
    return set_plain(out, slot, UUID_TEXT_BYTES);
}

static char *put_ipv4(char *to, const uint8_t *p) {
    for (size_t i = 0; i < 4; i++) {
        if (i > 0)
            *to++ = '.';
        to += value_format_uint64(p[i], to);
    }
    return to;
}

static bool decode_inet4(const uint8_t *p, char *slot, struct value *out) {
    return set_plain(out, slot, (size_t)(put_ipv4(slot, p) - slot));
}

/* The first of the longest runs of zero words. */
static void find_zeros(const uint16_t words[8], size_t *at, size_t *count) {
    *at = *count = 0;
    for (size_t i = 0, run; i < 8; i += run + 1) {
        for (run = 0; i + run < 8 && words[i + run] == 0; run++)
            ;
        if (run > *count) {
            *at = i;
            *count = run;
        }
    }
}

/* MariaDB shortens a single zero word too, which inet_ntop does not: "1::2:3:4:5:6:7". */
static bool decode_inet6(const uint8_t *p, char *slot, struct value *out) {
    uint16_t words[8];
    size_t zeros, zero_count;
    for (size_t i = 0; i < 8; i++)
        words[i] = (uint16_t)(p[2 * i] << 8 | p[2 * i + 1]);
    find_zeros(words, &zeros, &zero_count);
    bool ipv4 = zeros == 0 && (zero_count == 6 || (zero_count == 5 && words[5] == 0xffff));
    char *to = slot;
    for (size_t i = 0; i < (ipv4 ? 6 : 8); i++) {
        if (i >= zeros && i < zeros + zero_count) {
            if (i == zeros)
                *to++ = ':';
            continue;
        }
        if (i > 0)
            *to++ = ':';
        to += snprintf(to, 5, "%x", words[i]);
    }
    if (ipv4 || (zero_count > 0 && zeros + zero_count == 8))
        *to++ = ':';
    if (ipv4)
        to = put_ipv4(to, p + 12);
    return set_plain(out, slot, (size_t)(to - slot));
}

/* --- any value ------------------------------------------------------------------------------------------------------------ */

static bool decode_fixed(const struct row_column *column, const uint8_t *p, char *slot,
                         struct mysql_row_counters *counters, struct value *out) {
    switch ((enum row_op)column->op) {
    case ROW_SIGNED:
        return decode_signed(column, p, slot, out);
    case ROW_UNSIGNED:
        return set_plain(out, slot, value_format_uint64(read_number(column, p), slot));
    case ROW_FLOAT:
        return decode_float(p, slot, out);
    case ROW_DOUBLE:
        return decode_double(p, slot, out);
    case ROW_DECIMAL:
        return set_plain(out, slot, mysql_format_decimal(p, column->precision, column->scale, slot));
    case ROW_BIT:
    case ROW_BOOLEAN:
        return decode_bit(column, p, slot, out);
    case ROW_YEAR:
        return set_plain(out, slot, value_format_uint64(p[0] == 0 ? 0 : 1900U + p[0], slot));
    case ROW_DATE:
        return decode_date(p, slot, counters, out);
    case ROW_TIME:
        return decode_time(column, p, slot, out);
    case ROW_DATETIME:
        return decode_datetime(column, p, slot, counters, out);
    case ROW_TIMESTAMP:
        return set_timestamp(column, (uint32_t)read_be(p, 4), read_fraction(p + 4, column->scale), slot, counters, out);
    case ROW_OLD_TIME:
        return decode_old_time(column, p, slot, out);
    case ROW_OLD_DATETIME:
        return decode_old_datetime(column, p, slot, counters, out);
    case ROW_OLD_TIMESTAMP:
        return set_timestamp(column, (uint32_t)read_le(p, 4), 0, slot, counters, out);
    case ROW_HIRES_TIME:
        return decode_hires_time(column, p, slot, out);
    case ROW_HIRES_DATETIME:
        return decode_hires_datetime(column, p, slot, counters, out);
    case ROW_HIRES_TIMESTAMP:
        return set_timestamp(column, (uint32_t)read_be(p, 4),
                             (unsigned)read_be(p + 4, column->fixed - 4U) * POWERS[6 - column->scale], slot, counters,
                             out);
    case ROW_ENUM:
        return decode_enum(column, p, out);
    case ROW_SET:
        return decode_set(column, p, slot, out);
    default:
        return false;
    }
}

static bool decode_variable(struct row_column *column, unsigned image, const uint8_t *p, size_t len, char *slot,
                            struct value *out, struct error *err) {
    struct slice text = {(const char *)p, len};
    switch ((enum row_op)column->op) {
    case ROW_CHAR:
    case ROW_TEXT:
        return set_text(column, &column->text[image], text, out, err);
    case ROW_BINARY:
        return set(out, VALUE_BYTES, padded(p, len, column->length, slot), column->length);
    case ROW_BYTES:
        return set(out, VALUE_BYTES, p, len);
    case ROW_COMPRESSED_TEXT:
        return inflate_column(&column->inflated[image], p, len, &text) &&
               set_text(column, &column->text[image], text, out, err);
    case ROW_COMPRESSED_BYTES:
        return inflate_column(&column->inflated[image], p, len, &text) && set(out, VALUE_BYTES, text.data, text.len);
    case ROW_JSON:
        return decode_json(&column->text[image], p, len, out, err);
    case ROW_GEOMETRY:
        return decode_geometry(p, len, out);
    case ROW_UUID:
        return decode_uuid(padded(p, len, 16, slot + UUID_TEXT_BYTES), slot, out);
    case ROW_INET4:
        return decode_inet4(padded(p, len, 4, slot + ADDRESS_TEXT_BYTES), slot, out);
    case ROW_INET6:
        return decode_inet6(padded(p, len, 16, slot + ADDRESS_TEXT_BYTES), slot, out);
    default:
        return false;
    }
}

bool mysql_row_decode_value(struct row_column *column, unsigned image, char *slot, const uint8_t **pos,
                            const uint8_t *end, struct mysql_row_counters *counters, struct value *out,
                            struct error *err) {
    const uint8_t *p = *pos;
    size_t left = (size_t)(end - p), len = column->fixed;
    if (len > 0) {
        if (len > left)
            return error_set(err, ERROR_DATA, "it is cut off");
        *pos = p + len;
        return decode_fixed(column, p, slot, counters, out) || error_set(err, ERROR_DATA, "its bytes are damaged");
    }
    if (column->prefix > left)
        return error_set(err, ERROR_DATA, "it is cut off");
    len = (size_t)read_le(p, column->prefix);
    p += column->prefix;
    left -= column->prefix;
    if (len > left)
        return error_set(err, ERROR_DATA, "it is cut off");
    *pos = p + len;
    struct error why;
    why.kind = ERROR_NONE; /* the rest would be two kilobytes of zeros for each value */
    if (len <= column->length && decode_variable(column, image, p, len, slot, out, &why))
        return true;
    if (why.kind != ERROR_NONE)
        return error_set(err, ERROR_DATA, "%s", why.message);
    return error_set(err, ERROR_DATA, "its bytes are damaged");
}

/* --- how a column is decoded ------------------------------------------------------------------------------------------------ */

static void use_fixed(struct row_column *out, enum row_op op, size_t bytes, size_t slot_bytes) {
    out->op = (uint8_t)op;
    out->fixed = (uint8_t)bytes;
    out->slot_bytes = (uint32_t)slot_bytes;
}

static void use_variable(struct row_column *out, enum row_op op, size_t prefix, size_t length, size_t slot_bytes) {
    out->op = (uint8_t)op;
    out->prefix = (uint8_t)prefix;
    out->length = (uint32_t)length;
    out->slot_bytes = (uint32_t)slot_bytes;
}

static void use_integer(struct row_column *out, const struct mysql_column *column, size_t bytes) {
    use_fixed(out, column->is_unsigned ? ROW_UNSIGNED : ROW_SIGNED, bytes, VALUE_INT_BYTES);
}

/* A temporal type has three formats: of 5.6 and later, of before, and MariaDB's own of before with fraction digits. */
static void use_temporal(struct row_column *out, const struct mysql_column *column) {
    static const uint8_t HIRES_TIME[] = {3, 4, 4, 5, 5, 5, 6}, HIRES_DATETIME[] = {5, 6, 6, 7, 7, 7, 8};
    unsigned scale = column->scale, fraction = (scale + 1U) / 2;
    out->scale = column->scale;
    switch (column->wire_type) {
    case MYSQL_WIRE_TIME2:
        use_fixed(out, ROW_TIME, 3 + fraction, MYSQL_TIME_TEXT_BYTES);
        break;
    case MYSQL_WIRE_DATETIME2:
        use_fixed(out, ROW_DATETIME, 5 + fraction, MYSQL_DATETIME_TEXT_BYTES);
        break;
    case MYSQL_WIRE_TIMESTAMP2:
        use_fixed(out, ROW_TIMESTAMP, 4 + fraction, MYSQL_DATETIME_TEXT_BYTES);
        break;
    case MYSQL_WIRE_TIME:
        use_fixed(out, scale > 0 ? ROW_HIRES_TIME : ROW_OLD_TIME, HIRES_TIME[scale], MYSQL_TIME_TEXT_BYTES);
        break;
    case MYSQL_WIRE_DATETIME:
        use_fixed(out, scale > 0 ? ROW_HIRES_DATETIME : ROW_OLD_DATETIME, scale > 0 ? HIRES_DATETIME[scale] : 8,
                  MYSQL_DATETIME_TEXT_BYTES);
        break;
    default:
        use_fixed(out, scale > 0 ? ROW_HIRES_TIMESTAMP : ROW_OLD_TIMESTAMP, 4 + fraction, MYSQL_DATETIME_TEXT_BYTES);
        break;
    }
}

/* CHAR, VARCHAR, TEXT and their binary brothers. */
static void use_text(struct row_column *out, const struct mysql_column *column) {
    bool bytes = column->collation == MYSQL_COLLATION_BINARY;
    if (column->kind == MYSQL_KIND_TEXT) {
        enum row_op plain = bytes ? ROW_BYTES : ROW_TEXT;
        enum row_op compressed = bytes ? ROW_COMPRESSED_BYTES : ROW_COMPRESSED_TEXT;
        use_variable(out, column->compressed ? compressed : plain, column->length, UINT32_MAX, 0);
        return;
    }
    size_t prefix = column->length > 255 ? 2 : 1;
    if (column->kind == MYSQL_KIND_CHAR)
        use_variable(out, bytes ? ROW_BINARY : ROW_CHAR, prefix, column->length, bytes ? column->length : 0);
    else if (column->compressed)
        use_variable(out, bytes ? ROW_COMPRESSED_BYTES : ROW_COMPRESSED_TEXT, prefix, column->length, 0);
    else
        use_variable(out, bytes ? ROW_BYTES : ROW_TEXT, prefix, column->length, 0);
}

static bool find_charset(struct row_column *out, const struct mysql_column *column,
                         const struct mysql_charsets *charsets, struct error *err) {
    if (out->op != ROW_CHAR && out->op != ROW_TEXT && out->op != ROW_COMPRESSED_TEXT)
        return true;
    out->charset = mysql_charsets_find(charsets, column->collation);
    if (out->charset == NULL)
        return error_set(err, ERROR_DATA, "the server does not know its collation (number %u)", column->collation);
    return mysql_charset_is_ready(out->charset) ||
           error_set(err, ERROR_INTERNAL, "the character set %s was not asked from the server",
                     mysql_charset_name(out->charset));
}

bool mysql_row_column_init(struct row_column *out, const struct mysql_column *column,
                           const struct mysql_charsets *charsets, struct error *err) {
    *out = (struct row_column){.precision = column->precision, .scale = column->scale, .length = column->length};
    switch (column->kind) {
    case MYSQL_KIND_TINYINT:
        use_integer(out, column, 1);
        break;
    case MYSQL_KIND_SMALLINT:
        use_integer(out, column, 2);
        break;
    case MYSQL_KIND_MEDIUMINT:
        use_integer(out, column, 3);
        break;
    case MYSQL_KIND_INT:
        use_integer(out, column, 4);
        break;
    case MYSQL_KIND_BIGINT:
        use_integer(out, column, 8);
        break;
    case MYSQL_KIND_FLOAT:
        use_fixed(out, ROW_FLOAT, 4, VALUE_FLOAT_BYTES);
        break;
    case MYSQL_KIND_DOUBLE:
        use_fixed(out, ROW_DOUBLE, 8, VALUE_FLOAT_BYTES);
        break;
    case MYSQL_KIND_DECIMAL:
        use_fixed(out, ROW_DECIMAL, mysql_decimal_bytes(column->precision, column->scale), MYSQL_DECIMAL_TEXT_BYTES);
        break;
    case MYSQL_KIND_BIT:
        use_fixed(out, column->length == 1 ? ROW_BOOLEAN : ROW_BIT, (column->length + 7) / 8, VALUE_INT_BYTES);
        break;
    case MYSQL_KIND_YEAR:
        use_fixed(out, ROW_YEAR, 1, VALUE_INT_BYTES);
        break;
    case MYSQL_KIND_DATE:
        use_fixed(out, ROW_DATE, 3, MYSQL_DATETIME_TEXT_BYTES);
        break;
    case MYSQL_KIND_TIME:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP:
        use_temporal(out, column);
        break;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
    case MYSQL_KIND_TEXT:
        use_text(out, column);
        break;
    case MYSQL_KIND_ENUM:
        use_fixed(out, ROW_ENUM, column->length, 0);
        break;
    case MYSQL_KIND_SET:
        use_fixed(out, ROW_SET, column->length, 0);
        break;
    case MYSQL_KIND_JSON:
        use_variable(out, ROW_JSON, column->length, UINT32_MAX, 0);
        break;
    case MYSQL_KIND_GEOMETRY:
        use_variable(out, ROW_GEOMETRY, column->length, UINT32_MAX, 0);
        break;
    case MYSQL_KIND_VECTOR:
        use_variable(out, ROW_BYTES, column->length, UINT32_MAX, 0);
        break;
    case MYSQL_KIND_UUID:
        use_variable(out, ROW_UUID, 1, 16, UUID_TEXT_BYTES + 16);
        break;
    case MYSQL_KIND_INET4:
        use_variable(out, ROW_INET4, 1, 4, ADDRESS_TEXT_BYTES + 4);
        break;
    case MYSQL_KIND_INET6:
        use_variable(out, ROW_INET6, 1, 16, ADDRESS_TEXT_BYTES + 16);
        break;
    case MYSQL_KIND_UNKNOWN:
        return error_set(err, ERROR_DATA, "its type is not known to sluice");
    }
    return find_charset(out, column, charsets, err);
}

void mysql_row_column_deinit(struct row_column *column) {
    for (size_t image = 0; image < 2; image++) {
        buf_deinit(&column->text[image]);
        buf_deinit(&column->inflated[image]);
    }
}
