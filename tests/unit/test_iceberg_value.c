/* Types, single values and transforms, with the vectors of the specification (appendices B and D, partition transforms) and
 * of the reference implementation's own tests. */
#include "assert_call.h"

#include <string.h>

#include "lake/iceberg/transform.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct iceberg_type type_of(const char *name) {
    struct iceberg_type type;
    if (!iceberg_type_parse(name, &type))
        fail_msg("%s is not a type", name);
    return type;
}

static void assert_hex(struct slice got, const char *want, const char *what) {
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_append_hex(&text, got.data, got.len);
    buf_append_char(&text, '\0');
    if (strcmp(text.data, want) != 0)
        fail_msg("%s: %s, want %s", what, text.data, want);
    buf_deinit(&text);
}

static struct slice from_hex(struct arena *arena, const char *hex) {
    struct slice text = slice_of(hex);
    uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);
    assert_true(value_parse_hex(text, bytes));
    return (struct slice){(char *)bytes, text.len / 2};
}

/* The types that the engine gives no text for are written as their bytes here, all others as their text. */
static struct slice value_of(struct arena *arena, const char *type_name, const char *text) {
    struct iceberg_type type = type_of(type_name);
    struct slice value;
    if (type.kind == ICEBERG_UUID || type.kind == ICEBERG_FIXED || type.kind == ICEBERG_TIMESTAMP_NS ||
        type.kind == ICEBERG_TIMESTAMPTZ_NS)
        return from_hex(arena, text);
    if (!iceberg_value_parse(arena, type, slice_of(text), &value))
        fail_msg("%s is not a %s", text, type_name);
    return value;
}

static void test_types(void **state) {
    (void)state;
    static const char *const names[] = {"boolean", "int",  "long",      "float",       "double",       "decimal(9, 2)",
                                        "date",    "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns",
                                        "string",  "uuid", "fixed[16]", "binary"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[ICEBERG_TYPE_TEXT_BYTES];
        iceberg_type_format(type_of(names[i]), text);
        assert_string_equal(text, names[i]);
    }
    assert_true(iceberg_type_equal(type_of("decimal(9,2)"), type_of("decimal(9, 2)")));
    static const char *const none[] = {
        "",      "Int",     "decimal",   "decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(9,2)x",
        "fixed", "fixed[]", "fixed[1]x", "fixed[-1]",    "variant",       "list<int>"};
    struct iceberg_type type;
    for (size_t i = 0; i < COUNT(none); i++)
        if (iceberg_type_parse(none[i], &type))
            fail_msg("\"%s\" is a type", none[i]);
}

static void test_lake_types(void **state) {
    (void)state;
    static const char *const names[] = {"boolean", "int",  "bigint",    "float",       "double", "decimal(38,10)",
                                        "date",    "time", "timestamp", "timestamptz", "string", "binary"};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct type type, back;
        assert_true(type_parse(names[i], &type));
        type = type_for_lake(type);
        assert_true(iceberg_type_to_lake(iceberg_type_of(type), &back));
        assert_true(type_equal(type, back));
    }
    struct type none;
    assert_false(iceberg_type_to_lake(type_of("uuid"), &none));
    assert_false(iceberg_type_to_lake(type_of("timestamp_ns"), &none));
}

static void test_decimal_bytes(void **state) {
    (void)state;
    value_decimal limit = 1;
    for (unsigned precision = 1; precision <= TYPE_DECIMAL_PRECISION_MAX; precision++) {
        limit *= 10;
        unsigned bytes = 1;
        while (bytes < 16 && ((value_decimal)1 << (8 * bytes - 1)) < limit)
            bytes++;
        assert_int_equal(iceberg_decimal_bytes(precision), bytes);
    }
}

/* Appendix D. */
static void test_binary(void **state) {
    (void)state;
    static const struct {
        const char *type, *text, *hex;
    } cases[] = {
        {"boolean", "false", "00"},
        {"boolean", "true", "01"},
        {"int", "1", "01000000"},
        {"int", "-1", "ffffffff"},
        {"long", "-2", "feffffffffffffff"},
        {"float", "1.0", "0000803f"},
        {"double", "-1", "000000000000f0bf"},
        {"date", "1970-01-02", "01000000"},
        {"date", "1969-12-31", "ffffffff"},
        {"time", "00:00:00.000001", "0100000000000000"},
        {"timestamp", "1970-01-01 00:00:01", "40420f0000000000"},
        {"timestamptz", "1970-01-01 01:00:01+01", "40420f0000000000"},
        {"decimal(9,2)", "14.20", "058c"},
        {"decimal(9,2)", "0", "00"},
        {"decimal(9,2)", "-0.01", "ff"},
        {"decimal(9,2)", "1.27", "7f"},
        {"decimal(9,2)", "1.28", "0080"},
        {"decimal(9,2)", "-1.28", "80"},
        {"decimal(9,2)", "-1.29", "ff7f"},
        {"decimal(38,0)", "99999999999999999999999999999999999999", "4b3b4ca85a86c47a098a223fffffffff"},
        {"string", "iceberg", "69636562657267"},
        {"string", "", ""},
        {"binary", "0001ff", "0001ff"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice value = value_of(&arena, cases[i].type, cases[i].text);
        assert_hex(value, cases[i].hex, cases[i].text);
        assert_true(iceberg_value_is_valid(type_of(cases[i].type), value));
        assert_false(iceberg_value_is_null(value));
    }
    struct slice value;
    assert_false(iceberg_value_parse(&arena, type_of("int"), slice_of("2147483648"), &value));
    assert_false(iceberg_value_parse(&arena, type_of("decimal(3,1)"), slice_of("100.0"), &value));
    assert_false(iceberg_value_parse(&arena, type_of("date"), slice_of("infinity"), &value));
    assert_false(iceberg_value_is_valid(type_of("int"), slice_of("12345")));
    assert_false(iceberg_value_is_valid(type_of("decimal(2,0)"), slice_of("12")));
    arena_deinit(&arena);
}

/* Appendix B. */
static void test_hash(void **state) {
    (void)state;
    static const struct {
        const char *type, *text;
        int32_t hash;
    } cases[] = {
        {"int", "34", 2017239379},
        {"long", "34", 2017239379},
        {"decimal(9,2)", "14.20", -500754589},
        {"date", "2017-11-16", -653330422},
        {"time", "22:31:08", -662762989},
        {"timestamp", "2017-11-16 22:31:08", -2047944441},
        {"timestamp", "2017-11-16 22:31:08.000001", -1207196810},
        {"timestamptz", "2017-11-16 14:31:08-08", -2047944441},
        {"timestamptz", "2017-11-16 14:31:08.000001-08", -1207196810},
        {"string", "iceberg", 1210000089},
        {"uuid", "f79c3e09677c4bbda4793f349cb785e7", 1488055340},
        {"fixed[4]", "00010203", -188683207},
        {"binary", "00010203", -188683207},
        {"boolean", "true", 1392991556},
        {"float", "1.0", -142385009},
        {"float", "0.0", 1669671676},
        {"float", "-0.0", 1669671676},
        {"double", "1.0", -142385009},
        {"double", "-0.0", 1669671676},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int32_t hash = (int32_t)iceberg_hash(type_of(cases[i].type), value_of(&arena, cases[i].type, cases[i].text));
        if (hash != cases[i].hash)
            fail_msg("%s %s: %d, want %d", cases[i].type, cases[i].text, hash, cases[i].hash);
    }
    struct iceberg_type ns = type_of("timestamptz_ns");
    struct slice value = iceberg_value_of_int(&arena, ns, INT64_C(1510871468000001001));
    assert_int_equal((int32_t)iceberg_hash(ns, value), -1207196810);
    arena_deinit(&arena);
}

static void test_transform_names(void **state) {
    (void)state;
    static const char *const names[] = {"identity", "year", "month",      "day",
                                        "hour",     "void", "bucket[16]", "truncate[4]"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[ICEBERG_TRANSFORM_TEXT_BYTES];
        iceberg_transform_format(iceberg_transform_parse(names[i]), text);
        assert_string_equal(text, names[i]);
    }
    static const char *const unknown[] = {"",         "Day",        "bucket",       "bucket[]", "bucket[0]",
                                          "bucket[4", "bucket[4]x", "truncate[-1]", "zorder"};
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_int_equal(iceberg_transform_parse(unknown[i]).kind, ICEBERG_UNKNOWN_TRANSFORM);
}

static void test_transforms(void **state) {
    (void)state;
    static const struct {
        const char *transform, *type, *text, *result_type, *folder;
    } cases[] = {
        {"identity", "int", "-5", "int", "p=-5"},
        {"identity", "boolean", "true", "boolean", "p=true"},
        {"identity", "string", "a/b c*", "string", "p=a%2Fb+c%2A"},
        {"identity", "string", "", "string", "p="},
        {"identity", "binary", "010203", "binary", "p=AQID"},
        {"identity", "binary", "0102", "binary", "p=AQI%3D"},
        {"identity", "binary", "01", "binary", "p=AQ%3D%3D"},
        {"identity", "decimal(9,2)", "-0.05", "decimal(9,2)", "p=-0.05"},
        {"identity", "decimal(9,2)", "1234567.80", "decimal(9,2)", "p=1234567.80"},
        {"identity", "decimal(9,0)", "-17", "decimal(9,0)", "p=-17"},
        {"identity", "date", "2017-12-01", "date", "p=2017-12-01"},
        {"identity", "time", "10:12:55.038194", "time", "p=10%3A12%3A55.038194"},
        {"identity", "timestamp", "2017-12-01 10:12:55.038194", "timestamp", "p=2017-12-01T10%3A12%3A55.038194"},
        {"identity", "timestamptz", "2017-12-01 10:12:55.5Z", "timestamptz", "p=2017-12-01T10%3A12%3A55.5%2B00%3A00"},
        {"identity", "uuid", "f79c3e09677c4bbda4793f349cb785e7", "uuid", "p=f79c3e09-677c-4bbd-a479-3f349cb785e7"},
        {"void", "string", "x", "string", "p=null"},
        {"bucket[100]", "int", "34", "int", "p=79"},
        {"bucket[100]", "string", "iceberg", "int", "p=89"},
        {"bucket[16]", "date", "2017-11-16", "int", "p=10"},
        {"truncate[10]", "int", "0", "int", "p=0"},
        {"truncate[10]", "int", "1", "int", "p=0"},
        {"truncate[10]", "int", "9", "int", "p=0"},
        {"truncate[10]", "int", "10", "int", "p=10"},
        {"truncate[10]", "int", "-1", "int", "p=-10"},
        {"truncate[10]", "long", "-10", "long", "p=-10"},
        {"truncate[10]", "long", "-11", "long", "p=-20"},
        {"truncate[10]", "decimal(9,2)", "12.34", "decimal(9,2)", "p=12.30"},
        {"truncate[10]", "decimal(9,2)", "12.29", "decimal(9,2)", "p=12.20"},
        {"truncate[10]", "decimal(9,2)", "0.05", "decimal(9,2)", "p=0.00"},
        {"truncate[10]", "decimal(9,2)", "-0.05", "decimal(9,2)", "p=-0.10"},
        {"truncate[50]", "decimal(9,2)", "10.65", "decimal(9,2)", "p=10.50"},
        {"truncate[3]", "string", "iceberg", "string", "p=ice"},
        {"truncate[5]", "string", "abc", "string", "p=abc"},
        {"truncate[2]", "string", "\xe4\xb8\xad\xe5\x9b\xbd\xe4\xba\xba", "string", "p=%E4%B8%AD%E5%9B%BD"},
        {"truncate[3]", "binary", "0102030405", "binary", "p=AQID"},
        {"year", "date", "2017-12-01", "int", "p=2017"},
        {"month", "date", "2017-12-01", "int", "p=2017-12"},
        {"day", "date", "2017-12-01", "date", "p=2017-12-01"},
        {"year", "date", "1969-12-30", "int", "p=1969"},
        {"month", "date", "1969-12-30", "int", "p=1969-12"},
        {"month", "date", "1969-01-01", "int", "p=1969-01"},
        {"day", "date", "1969-12-30", "date", "p=1969-12-30"},
        {"year", "timestamp", "2017-12-01 10:12:55.038194", "int", "p=2017"},
        {"month", "timestamp", "2017-12-01 10:12:55.038194", "int", "p=2017-12"},
        {"day", "timestamp", "2017-12-01 10:12:55.038194", "date", "p=2017-12-01"},
        {"hour", "timestamp", "2017-12-01 10:12:55.038194", "int", "p=2017-12-01-10"},
        {"hour", "timestamp", "1969-12-31 23:00:01.000002", "int", "p=1969-12-31-23"},
        {"day", "timestamptz", "1969-12-31 23:00:01.000002Z", "date", "p=1969-12-31"},
    };
    struct arena arena;
    struct buf folder;
    arena_init(&arena);
    buf_init(&folder, 1 << 16);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iceberg_transform transform = iceberg_transform_parse(cases[i].transform);
        struct iceberg_type source = type_of(cases[i].type);
        assert_true(iceberg_transform_accepts(transform, source));
        struct iceberg_type result = iceberg_transform_result(transform, source);
        assert_true(iceberg_type_equal(result, type_of(cases[i].result_type)));
        struct slice value =
            iceberg_transform_apply(&arena, transform, source, value_of(&arena, cases[i].type, cases[i].text));
        assert_true(iceberg_value_is_valid(result, value));
        buf_clear(&folder);
        iceberg_transform_append_folder(&folder, "p", transform, result, value);
        buf_append_char(&folder, '\0');
        if (strcmp(folder.data, cases[i].folder) != 0)
            fail_msg("%s(%s): %s, want %s", cases[i].transform, cases[i].text, folder.data, cases[i].folder);
        assert_true(iceberg_value_is_null(iceberg_transform_apply(&arena, transform, source, (struct slice){NULL, 0})));
    }
    buf_deinit(&folder);
    arena_deinit(&arena);
}

static void test_transform_types(void **state) {
    (void)state;
    static const struct {
        const char *transform, *type;
        bool accepted;
    } cases[] = {
        {"bucket[4]", "double", false}, {"bucket[4]", "boolean", false},  {"bucket[4]", "uuid", true},
        {"truncate[4]", "date", false}, {"truncate[4]", "double", false}, {"hour", "date", false},
        {"hour", "timestamp_ns", true}, {"day", "time", false},           {"year", "string", false},
        {"identity", "double", true},   {"void", "double", true},         {"zorder", "int", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(iceberg_transform_accepts(iceberg_transform_parse(cases[i].transform), type_of(cases[i].type)),
                         cases[i].accepted);
}

static void test_order(void **state) {
    (void)state;
    static const struct {
        const char *type, *less, *more;
    } cases[] = {
        {"int", "-1", "1"},           {"long", "255", "256"},
        {"double", "-0.0", "0.0"},    {"float", "-1.5", "1e-9"},
        {"decimal(9,2)", "-1", "0"},  {"decimal(9,2)", "1.27", "1.28"},
        {"string", "a", "ab"},        {"string", "z", "\xc3\xa9"},
        {"binary", "7f", "80"},       {"date", "1969-12-31", "1970-01-01"},
        {"boolean", "false", "true"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iceberg_type type = type_of(cases[i].type);
        struct slice less = value_of(&arena, cases[i].type, cases[i].less);
        struct slice more = value_of(&arena, cases[i].type, cases[i].more);
        assert_true(iceberg_value_compare(type, less, more) < 0);
        assert_true(iceberg_value_compare(type, more, less) > 0);
        assert_int_equal(iceberg_value_compare(type, less, less), 0);
    }
    assert_true(iceberg_value_is_nan(type_of("double"), value_of(&arena, "double", "nan")));
    assert_false(iceberg_value_is_nan(type_of("double"), value_of(&arena, "double", "inf")));
    arena_deinit(&arena);
}

static void test_promotion(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_hex(iceberg_value_promote(&arena, type_of("long"), value_of(&arena, "int", "-2")), "feffffffffffffff",
               "int");
    assert_hex(iceberg_value_promote(&arena, type_of("double"), value_of(&arena, "float", "-1")), "000000000000f0bf",
               "float");
    assert_hex(iceberg_value_promote(&arena, type_of("int"), value_of(&arena, "int", "7")), "07000000", "same");
    assert_true(iceberg_value_is_null(iceberg_value_promote(&arena, type_of("int"), value_of(&arena, "long", "7"))));
    assert_true(iceberg_value_is_null(
        iceberg_value_promote(&arena, type_of("timestamp"), value_of(&arena, "date", "1970-01-02"))));
    arena_deinit(&arena);
}

static void test_bounds(void **state) {
    (void)state;
    static const struct {
        const char *type, *text, *lower, *upper; /* upper NULL: there is none; texts, or hexadecimal for bytes */
    } cases[] = {
        {"string", "short", "short", "short"},
        {"string", "0123456789abcdef", "0123456789abcdef", "0123456789abcdef"},
        {"string", "0123456789abcdefg", "0123456789abcdef", "0123456789abcdeg"},
        {"string", "0123456789abcd\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbfx", "0123456789abcd\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf",
         "0123456789abce"},
        {"string", "012345678901234\xed\x9f\xbfx", "012345678901234\xed\x9f\xbf", "012345678901234\xee\x80\x80"},
        {"string", "012345678901234\x7fx", "012345678901234\x7f", "012345678901234\xc2\x80"},
        {"binary", "000102030405060708090a0b0c0d0e0f10", "000102030405060708090a0b0c0d0e0f",
         "000102030405060708090a0b0c0d0e10"},
        {"binary", "000102030405060708090a0b0c0dffff10", "000102030405060708090a0b0c0dffff",
         "000102030405060708090a0b0c0e"},
        {"binary", "ffffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff", NULL},
        {"int", "7", "7", "7"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iceberg_type type = type_of(cases[i].type);
        struct slice value = value_of(&arena, cases[i].type, cases[i].text);
        struct slice lower = iceberg_bound_lower(&arena, type, value), upper = iceberg_bound_upper(&arena, type, value);
        assert_true(slice_equal(lower, value_of(&arena, cases[i].type, cases[i].lower)));
        assert_true(iceberg_value_compare(type, lower, value) <= 0);
        assert_int_equal(iceberg_value_is_null(upper), cases[i].upper == NULL);
        if (cases[i].upper == NULL)
            continue;
        assert_true(slice_equal(upper, value_of(&arena, cases[i].type, cases[i].upper)));
        assert_true(iceberg_value_compare(type, upper, value) >= 0);
    }
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),         cmocka_unit_test(test_lake_types),
        cmocka_unit_test(test_decimal_bytes), cmocka_unit_test(test_binary),
        cmocka_unit_test(test_hash),          cmocka_unit_test(test_transform_names),
        cmocka_unit_test(test_transforms),    cmocka_unit_test(test_transform_types),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_promotion),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
