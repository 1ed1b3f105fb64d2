#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/type.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_type(struct type got, struct type want, const char *what) {
    if (!type_equal(got, want))
        fail_msg("%s: kind %d (%u,%u), want kind %d (%u,%u)", what, (int)got.kind, got.precision, got.scale,
                 (int)want.kind, want.precision, want.scale);
}

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        struct type type;
    } cases[] = {
        {"boolean", {TYPE_BOOLEAN, 0, 0}},
        {"bool", {TYPE_BOOLEAN, 0, 0}},
        {"tinyint", {TYPE_INT8, 0, 0}},
        {"tinyint(1)", {TYPE_INT8, 0, 0}},
        {"smallint", {TYPE_INT16, 0, 0}},
        {"int", {TYPE_INT32, 0, 0}},
        {"INTEGER", {TYPE_INT32, 0, 0}},
        {"int(11)", {TYPE_INT32, 0, 0}},
        {"mediumint", {TYPE_INT32, 0, 0}},
        {"bigint", {TYPE_INT64, 0, 0}},
        {"BigInt(20)", {TYPE_INT64, 0, 0}},
        {"int8", {TYPE_INT64, 0, 0}},
        {"tinyint unsigned", {TYPE_UINT8, 0, 0}},
        {"smallint(5) unsigned", {TYPE_UINT16, 0, 0}},
        {"int(10)  UNSIGNED", {TYPE_UINT32, 0, 0}},
        {"int(10)unsigned", {TYPE_UINT32, 0, 0}},
        {"bigint\tunsigned", {TYPE_UINT64, 0, 0}},
        {"ubigint", {TYPE_UINT64, 0, 0}},
        {"float", {TYPE_FLOAT32, 0, 0}},
        {"float(7,4)", {TYPE_FLOAT32, 0, 0}},
        {"real", {TYPE_FLOAT32, 0, 0}},
        {"double", {TYPE_FLOAT64, 0, 0}},
        {"double precision", {TYPE_FLOAT64, 0, 0}},
        {"real8", {TYPE_FLOAT64, 0, 0}},
        {"decimal(10,2)", {TYPE_DECIMAL, 10, 2}},
        {"DECIMAL( 10 , 2 )", {TYPE_DECIMAL, 10, 2}},
        {"numeric(38,38)", {TYPE_DECIMAL, 38, 38}},
        {"dec(5)", {TYPE_DECIMAL, 5, 0}},
        {"decimal", {TYPE_DECIMAL, 10, 0}},
        {"date", {TYPE_DATE, 0, 0}},
        {"time", {TYPE_TIME, 0, 6}},
        {"time(0)", {TYPE_TIME, 0, 0}},
        {"timestamp", {TYPE_TIMESTAMP, 0, 6}},
        {"timestamp(3)", {TYPE_TIMESTAMP, 0, 3}},
        {"timestamp(3) without time zone", {TYPE_TIMESTAMP, 0, 3}},
        {"datetime", {TYPE_TIMESTAMP, 0, 6}},
        {"datetime(0)", {TYPE_TIMESTAMP, 0, 0}},
        {"timestamptz", {TYPE_TIMESTAMPTZ, 0, 6}},
        {"timestamp(2) with time zone", {TYPE_TIMESTAMPTZ, 0, 2}},
        {"string", {TYPE_STRING, 0, 0}},
        {"text", {TYPE_STRING, 0, 0}},
        {"varchar", {TYPE_STRING, 0, 0}},
        {"varchar(255)", {TYPE_STRING, 0, 0}},
        {"character varying(10)", {TYPE_STRING, 0, 0}},
        {"json", {TYPE_JSON, 0, 0}},
        {"bytea", {TYPE_BINARY, 0, 0}},
        {"blob", {TYPE_BINARY, 0, 0}},
        {"varbinary(16)", {TYPE_BINARY, 0, 0}},
        {"  bigint  ", {TYPE_INT64, 0, 0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type got;
        if (!type_parse(cases[i].text, &got))
            fail_msg("%s is refused", cases[i].text);
        assert_type(got, cases[i].type, cases[i].text);
    }
}

static void test_parse_refuses(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "integr",
        "decimal(0,0)",
        "decimal(39,0)",
        "decimal(5,6)",
        "decimal(5,2,1)",
        "decimal(5",
        "decimal(5,",
        "decimal()",
        "decimal(-1,0)",
        "decimal(a)",
        "decimal(5)(2)",
        "decimal(99999999999999999999,0)",
        "timestamp(7)",
        "timestamp(1,2)",
        "time(9)",
        "date(3)",
        "(3)",
        "big int",
        "bigint unsigned unsigned",
        "bigintunsigned",
        "a name of a type that is far longer than any type that there is in any system",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type got = {.kind = TYPE_DATE};
        if (type_parse(cases[i], &got))
            fail_msg("\"%s\" is taken", cases[i]);
        assert_int_equal(got.kind, TYPE_DATE); /* untouched */
    }
}

static void test_format_and_back(void **state) {
    (void)state;
    static const struct {
        struct type type;
        const char *text;
    } cases[] = {
        {{TYPE_BOOLEAN, 0, 0}, "boolean"},
        {{TYPE_INT8, 0, 0}, "tinyint"},
        {{TYPE_INT16, 0, 0}, "smallint"},
        {{TYPE_INT32, 0, 0}, "int"},
        {{TYPE_INT64, 0, 0}, "bigint"},
        {{TYPE_UINT8, 0, 0}, "tinyint unsigned"},
        {{TYPE_UINT16, 0, 0}, "smallint unsigned"},
        {{TYPE_UINT32, 0, 0}, "int unsigned"},
        {{TYPE_UINT64, 0, 0}, "bigint unsigned"},
        {{TYPE_FLOAT32, 0, 0}, "float"},
        {{TYPE_FLOAT64, 0, 0}, "double"},
        {{TYPE_DECIMAL, 1, 0}, "decimal(1,0)"},
        {{TYPE_DECIMAL, 38, 38}, "decimal(38,38)"},
        {{TYPE_DATE, 0, 0}, "date"},
        {{TYPE_TIME, 0, 0}, "time(0)"},
        {{TYPE_TIMESTAMP, 0, 6}, "timestamp(6)"},
        {{TYPE_TIMESTAMPTZ, 0, 3}, "timestamptz(3)"},
        {{TYPE_STRING, 0, 0}, "string"},
        {{TYPE_JSON, 0, 0}, "json"},
        {{TYPE_BINARY, 0, 0}, "binary"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TYPE_TEXT_BYTES];
        struct type back;
        type_format(cases[i].type, text);
        assert_string_equal(text, cases[i].text);
        assert_true(type_parse(text, &back));
        assert_type(back, cases[i].type, text);
    }
}

static void test_lake_types(void **state) {
    (void)state;
    static const struct {
        const char *type, *lake, *sql;
    } cases[] = {
        {"boolean", "boolean", "BOOLEAN"},
        {"tinyint", "int", "INTEGER"},
        {"smallint", "int", "INTEGER"},
        {"int", "int", "INTEGER"},
        {"bigint", "bigint", "BIGINT"},
        {"tinyint unsigned", "int", "INTEGER"},
        {"smallint unsigned", "int", "INTEGER"},
        {"int unsigned", "bigint", "BIGINT"},
        {"bigint unsigned", "decimal(20,0)", "DECIMAL(20,0)"},
        {"float", "float", "FLOAT"},
        {"double", "double", "DOUBLE"},
        {"decimal(10,2)", "decimal(10,2)", "DECIMAL(10,2)"},
        {"date", "date", "DATE"},
        {"time(0)", "string", "VARCHAR"},
        {"timestamp(3)", "timestamp(6)", "TIMESTAMP"},
        {"timestamptz(0)", "timestamptz(6)", "TIMESTAMP WITH TIME ZONE"},
        {"string", "string", "VARCHAR"},
        {"json", "string", "VARCHAR"},
        {"binary", "binary", "BLOB"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type type;
        char text[TYPE_TEXT_BYTES];
        assert_true(type_parse(cases[i].type, &type));
        struct type lake = type_for_lake(type);
        type_format(lake, text);
        assert_string_equal(text, cases[i].lake);
        type_format_sql(lake, text);
        assert_string_equal(text, cases[i].sql);
        assert_type(type_for_lake(lake), lake, cases[i].type);
    }
}

/* want: the widened type of a and b; NULL when there is none. widening: whether it is one from a to b. */
static void test_widening(void **state) {
    (void)state;
    static const struct {
        const char *a, *b, *want;
        bool widening;
    } cases[] = {
        {"int", "bigint", "bigint", true},
        {"bigint", "int", "bigint", false},
        {"int", "int", "int", false},
        {"float", "double", "double", true},
        {"double", "float", "double", false},
        {"decimal(10,2)", "decimal(12,2)", "decimal(12,2)", true},
        {"decimal(12,2)", "decimal(10,2)", "decimal(12,2)", false},
        {"decimal(10,2)", "decimal(10,2)", "decimal(10,2)", false},
        {"decimal(10,2)", "decimal(12,3)", NULL, false},
        {"int", "decimal(20,0)", NULL, false},
        {"bigint", "double", NULL, false},
        {"int", "float", NULL, false},
        {"date", "timestamp", NULL, false},
        {"timestamp", "timestamptz", NULL, false},
        {"bigint", "string", NULL, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type a, b, want, got;
        assert_true(type_parse(cases[i].a, &a));
        assert_true(type_parse(cases[i].b, &b));
        assert_int_equal(type_is_widening(a, b), cases[i].widening);
        assert_int_equal(type_widen(a, b, &got), cases[i].want != NULL);
        if (cases[i].want != NULL) {
            assert_true(type_parse(cases[i].want, &want));
            assert_type(got, want, cases[i].a);
        }
    }
    struct type got; /* types that the lake does not have are taken as what it stores for them */
    assert_true(type_widen((struct type){.kind = TYPE_INT8}, (struct type){.kind = TYPE_UINT32}, &got));
    assert_type(got, (struct type){.kind = TYPE_INT64}, "tinyint and int unsigned");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_format_and_back),
        cmocka_unit_test(test_lake_types), cmocka_unit_test(test_widening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
