#include "assert_call.h"

#include "source/mysql_convert.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct type INT8 = {TYPE_INT8, 0, 0}, INT32 = {TYPE_INT32, 0, 0}, INT64 = {TYPE_INT64, 0, 0},
                         UINT32 = {TYPE_UINT32, 0, 0}, UINT64 = {TYPE_UINT64, 0, 0}, FLOAT = {TYPE_FLOAT32, 0, 0},
                         DOUBLE = {TYPE_FLOAT64, 0, 0}, TEXT = {TYPE_STRING, 0, 0}, BYTES = {TYPE_BINARY, 0, 0},
                         MOMENT = {TYPE_TIMESTAMP, 0, 0}, MOMENT6 = {TYPE_TIMESTAMP, 0, 6},
                         INSTANT = {TYPE_TIMESTAMPTZ, 0, 0}, DECIMAL_8_2 = {TYPE_DECIMAL, 8, 2},
                         DECIMAL_9_3 = {TYPE_DECIMAL, 9, 3}, DECIMAL_8_4 = {TYPE_DECIMAL, 8, 4};

static void test_types(void **state) {
    (void)state;
    enum { NEVER, STRICT, ALWAYS };
    static const struct {
        const struct type *from;
        const char *from_words;
        const struct type *to;
        const char *to_words;
        int kept;
    } cases[] = {
        {&INT32, "int(11)", &INT32, "int(11)", ALWAYS},
        {&INT8, "tinyint(4)", &INT64, "bigint(20)", ALWAYS},
        {&INT64, "bigint(20)", &INT32, "int(11)", STRICT},
        {&UINT32, "int(10) unsigned", &INT64, "bigint(20)", ALWAYS},
        {&UINT32, "int(10) unsigned", &INT32, "int(11)", STRICT},
        {&INT32, "int(11)", &UINT64, "bigint(20) unsigned", STRICT},
        {&INT32, "int(11)", &TEXT, "varchar(20)", STRICT},
        {&UINT32, "int(5) unsigned zerofill", &TEXT, "varchar(20)", NEVER},
        {&TEXT, "varchar(20)", &INT32, "int(11)", NEVER},
        {&FLOAT, "float", &DOUBLE, "double", ALWAYS},
        {&DOUBLE, "double", &DOUBLE, "double(10,2)", NEVER},
        {&DOUBLE, "double", &FLOAT, "float", NEVER},
        {&DECIMAL_8_2, "decimal(8,2)", &DECIMAL_9_3, "decimal(9,3)", ALWAYS},
        {&DECIMAL_8_2, "decimal(8,2)", &DECIMAL_8_4, "decimal(8,4)", STRICT},
        {&DECIMAL_8_4, "decimal(8,4)", &DECIMAL_8_2, "decimal(8,2)", NEVER},
        {&MOMENT, "datetime", &MOMENT6, "datetime(6)", ALWAYS},
        {&MOMENT6, "datetime(6)", &MOMENT, "datetime", NEVER},
        {&MOMENT, "datetime", &INSTANT, "timestamp", NEVER},
        {&TEXT, "varchar(9) character set latin1", &TEXT, "varchar(10) character set latin1", ALWAYS},
        {&TEXT, "varchar(10)", &TEXT, "varchar(9)", STRICT},
        {&TEXT, "varchar(9) character set utf8mb4", &TEXT, "varchar(9) character set latin1", STRICT},
        {&TEXT, "varchar(9)", &TEXT, "longtext", STRICT},
        {&TEXT, "varchar(9)", &TEXT, "char(9)", NEVER},
        {&TEXT, "char(9)", &TEXT, "varchar(9)", STRICT},
        {&TEXT, "enum('a','b')", &TEXT, "enum('a','b','c')", ALWAYS},
        {&TEXT, "enum('a','b')", &TEXT, "enum('a','bc')", NEVER},
        {&TEXT, "enum('a','b')", &TEXT, "enum('b','a')", NEVER},
        {&TEXT, "enum('a','b')", &TEXT, "varchar(9)", STRICT},
        {&TEXT, "varchar(9)", &TEXT, "enum('a','b')", NEVER},
        {&TEXT, "set('a)','b')", &TEXT, "set('a)','b',')')", ALWAYS},
        {&BYTES, "varbinary(4)", &BYTES, "varbinary(5)", ALWAYS},
        {&BYTES, "varbinary(5)", &BYTES, "blob", STRICT},
        {&BYTES, "binary(3)", &BYTES, "binary(5)", NEVER},
        {&INT32, NULL, &INT32, "int(11)", NEVER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column from = {.name = "c", .type = *cases[i].from, .source_type = cases[i].from_words};
        struct column to = {.name = "c", .type = *cases[i].to, .source_type = cases[i].to_words};
        int kept = mysql_convert_keeps_values(&from, &to, true) + mysql_convert_keeps_values(&from, &to, false);
        if (kept != cases[i].kept)
            fail_msg("%s -> %s: %d, not %d", from.source_type, to.source_type, kept, cases[i].kept);
    }
}

static void test_nulls(void **state) {
    (void)state;
    struct column from = {.name = "c", .type = INT32, .source_type = "int(11)", .nullable = true}, to = from;
    to.nullable = false;
    assert_true(mysql_convert_keeps_values(&from, &to, true)); /* the statement fails where there is a NULL */
    assert_false(mysql_convert_keeps_values(&from, &to, false));
    assert_true(mysql_convert_keeps_values(&to, &from, false));
    from.type = to.type = INSTANT;
    assert_false(mysql_convert_keeps_values(&from, &to, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types), cmocka_unit_test(test_nulls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
