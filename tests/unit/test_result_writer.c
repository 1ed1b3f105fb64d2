/* Rows of a query as CSV and as JSON lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/result_writer.h"

static struct value value_of(const char *text) {
    if (text == NULL)
        return (struct value){.kind = VALUE_NULL};
    return (struct value){.data = text, .len = (uint32_t)strlen(text), .kind = VALUE_TEXT};
}

static void test_csv(void **state) {
    (void)state;
    static const struct {
        const char *cells[3];
        const char *line;
    } cases[] = {
        {{"1", "a", "2.50"}, "1,a,2.50\n"},
        {{NULL, "", "NULL"}, ",\"\",NULL\n"},
        {{"a,b", "say \"x\"", "two\nlines"}, "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n"},
        {{"\r", " blank ", "\xc3\xbc"}, "\"\r\", blank ,\xc3\xbc\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value row[3];
        for (size_t j = 0; j < 3; j++)
            row[j] = value_of(cases[i].cells[j]);
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        result_format_csv(&out, row, 3);
        assert_string_equal(out.data, cases[i].line);
        buf_deinit(&out);
    }
}

static void test_jsonl(void **state) {
    (void)state;
    static const struct {
        const char *type, *text, *json;
    } cases[] = {
        {"BIGINT", "-9223372036854775808", "-9223372036854775808"},
        {"UBIGINT", "18446744073709551615", "18446744073709551615"},
        {"HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"},
        {"TINYINT", "0", "0"},
        {"DOUBLE", "1e+100", "1e+100"},
        {"DOUBLE", "0.1", "0.1"},
        {"DOUBLE", "nan", "\"nan\""},
        {"FLOAT", "-inf", "\"-inf\""},
        {"BOOLEAN", "true", "true"},
        {"DECIMAL(10,2)", "2.50", "\"2.50\""},
        {"VARCHAR", "12", "\"12\""},
        {"VARCHAR", "", "\"\""},
        {"VARCHAR", NULL, "null"},
        {"BIGINT", NULL, "null"},
        {"DATE", "2026-11-01", "\"2026-11-01\""},
        {"VARCHAR", "a\"b\\c\n\t\x01\x7f/\xc3\xbc", "\"a\\\"b\\\\c\\n\\u0009\\u0001\\u007f/\xc3\xbc\""},
        {"INTEGER[]", "[1, 2]", "\"[1, 2]\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value value = value_of(cases[i].text);
        const char *name = "na\"me";
        char want[200];
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        result_format_jsonl(&out, &name, &cases[i].type, &value, 1);
        snprintf(want, sizeof want, "{\"na\\\"me\": %s}\n", cases[i].json);
        assert_string_equal(out.data, want);
        buf_deinit(&out);
    }
}

static void test_jsonl_of_several_columns(void **state) {
    (void)state;
    const char *const names[] = {"Op", "id"}, *const types[] = {"VARCHAR", "INTEGER"};
    const struct value row[] = {value_of("I"), value_of("7")};
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    result_format_jsonl(&out, names, types, row, 2);
    assert_string_equal(out.data, "{\"Op\": \"I\", \"id\": 7}\n");
    buf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_jsonl_of_several_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
