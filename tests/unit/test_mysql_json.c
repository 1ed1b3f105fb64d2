/* MySQL's binary JSON, by hand from the layout in mysql_json.c; test_mysql_binlog has what real servers wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/value.h"
#include "source/mysql_json.h"

/* In memory of exactly its size, so that the sanitizers see a read behind the end. */
static bool decode_exact(const void *bytes, size_t len, struct buf *out, struct error *err) {
    uint8_t *document = mem_alloc(len > 0 ? len : 1);
    memcpy(document, bytes, len);
    buf_clear(out);
    bool ok = mysql_json_decode(document, len, out, err);
    mem_free(document);
    return ok;
}

static bool decode(const char *hex, struct buf *out, struct error *err) {
    uint8_t bytes[512];
    size_t len = strlen(hex);
    assert_true(value_parse_hex((struct slice){hex, len}, bytes));
    return decode_exact(bytes, len / 2, out, err);
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *hex, *text;
    } CASES[] = {
        {"", "null"}, /* what the server writes for NULL in a NOT NULL column */
        {"0400", "null"},
        {"0401", "true"},
        {"0402", "false"},
        {"05ffff", "-1"},
        {"050080", "-32768"},
        {"06ffff", "65535"},
        {"0700000080", "-2147483648"},
        {"08ffffffff", "4294967295"},
        {"090000000000000080", "-9223372036854775808"},
        {"0affffffffffffffff", "18446744073709551615"},
        {"0c0161", "\"a\""},
        {"0c00", "\"\""},
        {"0c0322095c", "\"\\\"\\t\\\\\""},
        {"0c04011f7f2f", "\"\\u0001\\u001f\x7f/\""},
        {"0c04f09f9880", "\"😀\""},
        {"00"
         "00000400",
         "{}"},
        {"02"
         "00000400",
         "[]"},
        {"00"
         "01000c00" /* one element, 12 bytes */
         "0b000100" /* its key: at 11, 1 byte */
         "050100"   /* its value: the i16 1 itself */
         "61",
         "{\"a\": 1}"},
        {"02"
         "03000f00"
         "050100"
         "0c0d00" /* a text at 13 */
         "040000"
         "0162",
         "[1, \"b\", null]"},
        {"03" /* large: offsets of four bytes, and an i32 in the entry itself */
         "0300000019000000"
         "07ffffff7f"
         "0c17000000"
         "0400000000"
         "0162",
         "[2147483647, \"b\", null]"},
        {"01"
         "0100000014000000"
         "130000000100" /* the key at 19 */
         "0802000000"
         "6b",
         "{\"k\": 2}"},
        {"02" /* [[[]]] */
         "01000f00"
         "020700"
         "01000800"
         "020700"
         "00"
         "00",
         NULL}, /* the innermost array has no bytes left for its head: an error, see test_damage */
        {"0ff604"
         "0301"
         "8c05",
         "12.5"},
        {"0ff604"
         "0301"
         "73fa",
         "-12.5"},
        {"0ffc03010203", "\"base64:type252:AQID\""},
        {"0ffc01ff", "\"base64:type252:/w==\""},
        {"0ffc02ffff", "\"base64:type252://8=\""},
        {"0ffc00", "\"base64:type252:\""},
    };
    struct buf out;
    struct error err;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bool ok = decode(CASES[i].hex, &out, &err);
        assert_int_equal(ok, CASES[i].text != NULL);
        if (ok)
            assert_string_equal(out.data, CASES[i].text);
    }
    buf_deinit(&out);
}

static void test_doubles(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *text;
    } CASES[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {100.0, "100.0"},
        {1e14, "100000000000000.0"},
        {1e15, "1e15"},
        {1e16, "1e16"},
        {1.25e22, "1.25e22"},
        {123456789012345.6, "123456789012345.6"},
        {1234567890123456.0, "1.234567890123456e15"},
        {0.001, "0.001"},
        {1e-14, "0.00000000000001"},
        {1e-15, "0.000000000000001"},
        {1.5e-15, "0.0000000000000015"},
        {1e-16, "1e-16"},
        {2.5e-16, "2.5e-16"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {3.141592653589793, "3.141592653589793"},
        /* 2^-44: below a power of two the doubles lie closer; 5.684341886080801e-14 does not read back */
        {0x1p-44, "0.00000000000005684341886080802"},
        {0x1p-1022, "2.2250738585072014e-308"},
    };
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bytes[9] = {0x0b};
        memcpy(bytes + 1, &CASES[i].v, 8); /* both sides are little-endian here */
        assert_true(decode_exact(bytes, sizeof bytes, &out, NULL));
        assert_string_equal(out.data, CASES[i].text);
    }
    static const uint64_t NOT_FINITE[] = {0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000};
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[9] = {0x0b};
        memcpy(bytes + 1, &NOT_FINITE[i], 8);
        assert_false(decode_exact(bytes, sizeof bytes, &out, NULL));
    }
    buf_deinit(&out);
}

enum { DATE = 10, TIME = 11, DATETIME = 12, TIMESTAMP = 7 };

static void test_temporals(void **state) {
    (void)state;
    static const struct {
        uint8_t type;
        int sign;
        unsigned year, month, day, hour, minute, second, micro;
        const char *text; /* NULL: damaged */
    } CASES[] = {
        {DATE, 1, 2026, 11, 1, 0, 0, 0, 0, "\"2026-11-01\""},
        {DATE, 1, 0, 0, 0, 0, 0, 0, 0, "\"0000-00-00\""},
        {DATETIME, 1, 2026, 11, 1, 10, 15, 0, 123456, "\"2026-11-01 10:15:00.123456\""},
        {TIMESTAMP, 1, 9999, 12, 31, 23, 59, 59, 999999, "\"9999-12-31 23:59:59.999999\""},
        {TIME, 1, 0, 0, 0, 10, 15, 0, 0, "\"10:15:00.000000\""},
        {TIME, -1, 0, 0, 0, 838, 59, 59, 1, "\"-838:59:59.000001\""},
        {DATETIME, 1, 10000, 1, 1, 0, 0, 0, 0, NULL},
        {DATETIME, 1, 2026, 1, 1, 24, 0, 0, 0, NULL},
        {DATETIME, -1, 2026, 1, 1, 0, 0, 0, 0, NULL},
        {DATETIME, 1, 2026, 1, 1, 0, 0, 0, 1000000, NULL},
        {TIME, 1, 0, 0, 0, 0, 60, 0, 0, NULL},
    };
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint64_t date = (uint64_t)(CASES[i].year * 13 + CASES[i].month) << 5 | CASES[i].day;
        uint64_t packed =
            (date << 17 | CASES[i].hour << 12 | CASES[i].minute << 6 | CASES[i].second) << 24 | CASES[i].micro;
        int64_t value = (int64_t)packed * CASES[i].sign;
        uint8_t bytes[11] = {0x0f, CASES[i].type, 8};
        memcpy(bytes + 3, &value, 8);
        assert_int_equal(decode_exact(bytes, sizeof bytes, &out, NULL), CASES[i].text != NULL);
        if (CASES[i].text != NULL)
            assert_string_equal(out.data, CASES[i].text);
    }
    buf_deinit(&out);
}

/* The server breaks its base64 behind 76 characters, and JSON escapes the line end. */
static void test_long_base64(void **state) {
    (void)state;
    static const struct {
        size_t len;
        unsigned breaks;
    } CASES[] = {{57, 0}, {58, 1}, {114, 1}, {115, 2}};
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bytes[3 + 115] = {0x0f, 252, (uint8_t)CASES[i].len};
        assert_true(decode_exact(bytes, 3 + CASES[i].len, &out, NULL));
        unsigned breaks = 0;
        for (const char *p = strstr(out.data, "\\n"); p != NULL; p = strstr(p + 1, "\\n"))
            breaks++;
        assert_int_equal(breaks, CASES[i].breaks);
        assert_int_equal(out.len, strlen("\"base64:type252:\"") + (CASES[i].len + 2) / 3 * 4 + breaks * 2);
    }
    buf_deinit(&out);
}

static void test_damage(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "04",                     /* cut off */
        "0403",                   /* no such literal */
        "05ff",                   /* cut off */
        "0d00",                   /* no such type */
        "ff",                     /* no such type */
        "0c0261",                 /* text longer than the document */
        "0cffffffffff",           /* a length that does not end */
        "0c01c3",                 /* not UTF-8 */
        "0200",                   /* no size */
        "0200000300",             /* a size smaller than the head */
        "0200000500",             /* a size larger than the document */
        "020100070005",           /* cut off */
        "02ffff0400",             /* more elements than bytes */
        "02010007000cffff",       /* a value behind the end */
        "02010007000c0700",       /* a value at the end */
        "00010009000900ffff0100", /* a key behind the end */
        "0ff602",                 /* cut off */
        "0ff6020301",             /* a decimal without digits */
        "0ff6024200",             /* precision 66 */
        "0ff60404058c05",         /* scale above precision */
        "0ff60409019fffff",       /* cut off */
        "0f0a0400000000",         /* a date of four bytes */
    };
    struct buf out;
    struct error err;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (decode(CASES[i], &out, &err))
            fail_msg("taken: %s as %s", CASES[i], out.data);
        assert_int_equal(err.kind, ERROR_DATA);
        assert_int_equal(out.len, 0);
    }
    buf_deinit(&out);
}

/* An array whose only element is an array, `depth` times: the server's limit is 100. */
static void test_depth(void **state) {
    (void)state;
    enum { LEVEL = 7 };
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (unsigned depth = 99; depth <= 101; depth++) {
        uint8_t bytes[1 + LEVEL * 101 + 4] = {2};
        uint8_t *p = bytes + 1;
        for (unsigned i = 1; i < depth; i++, p += LEVEL) {
            size_t size = (size_t)(depth - i) * LEVEL + 4;
            memcpy(p, (uint8_t[]){1, 0, (uint8_t)size, (uint8_t)(size >> 8), 2, LEVEL, 0}, LEVEL);
        }
        memcpy(p, (uint8_t[]){0, 0, 4, 0}, 4);
        assert_int_equal(decode_exact(bytes, (size_t)(p + 4 - bytes), &out, NULL), depth <= 100);
    }
    buf_deinit(&out);
}

/* Each level's two elements are the same array: 2^50 values, which the limit on the text's length ends. */
static void test_overlap(void **state) {
    (void)state;
    enum { LEVELS = 50, LEVEL = 10 };
    uint8_t bytes[1 + LEVELS * LEVEL + 4] = {2};
    uint8_t *p = bytes + 1;
    for (unsigned i = 0; i < LEVELS; i++, p += LEVEL) {
        size_t size = (size_t)(LEVELS - i) * LEVEL + 4;
        memcpy(p, (uint8_t[]){2, 0, (uint8_t)size, (uint8_t)(size >> 8), 2, LEVEL, 0, 2, LEVEL, 0}, LEVEL);
    }
    memcpy(p, (uint8_t[]){0, 0, 4, 0}, 4);
    struct buf out;
    struct error err;
    buf_init(&out, BUF_MAX_DEFAULT);
    assert_false(decode_exact(bytes, sizeof bytes, &out, &err));
    assert_int_equal(err.kind, ERROR_DATA);
    buf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_doubles), cmocka_unit_test(test_temporals),
        cmocka_unit_test(test_long_base64), cmocka_unit_test(test_damage),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
