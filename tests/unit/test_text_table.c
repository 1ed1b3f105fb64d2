/* Tables on a terminal: widths, alignment, what cannot be shown as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app/text_table.h"

static void test_widths(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xbc", 1},                 /* ü */
        {"\xe6\x97\xa5\xe6\x9c\xac", 4}, /* two wide characters */
        {"e\xcc\x81", 1},                /* e and a combining acute */
        {"\xf0\x9f\x98\x80", 2},         /* an emoji */
        {"\xff", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(text_width(cases[i].text, strlen(cases[i].text)), cases[i].width);
}

static void expect(struct text_table *table, const char *text) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    text_table_print(table, &out);
    assert_string_equal(out.data, text);
    buf_deinit(&out);
}

static void test_alignment(void **state) {
    (void)state;
    struct text_table *table = text_table_new(3);
    text_table_set_column(table, 0, "id", true);
    text_table_set_column(table, 1, "name", false);
    text_table_set_column(table, 2, "price", true);
    text_table_add_number(table, 1);
    text_table_add_text(table, "Sandst\xc3\xb6ne");
    text_table_add_text(table, "2.50");
    text_table_add_number(table, -12);
    text_table_add_text(table, NULL);
    text_table_add_text(table, "1000.00");
    expect(table, "  id | name      |   price\n"
                  "-----+-----------+---------\n"
                  "   1 | Sandst\xc3\xb6ne |    2.50\n"
                  " -12 | NULL      | 1000.00\n");
    text_table_free(table);
}

/* No head twice; widths stay, or grow. */
static void test_parts(void **state) {
    (void)state;
    struct text_table *table = text_table_new(2);
    text_table_set_column(table, 0, "a", false);
    text_table_set_column(table, 1, "b", false);
    text_table_add_text(table, "xxx");
    text_table_add_text(table, "y");
    expect(table, " a   | b\n-----+---\n xxx | y\n");
    text_table_add_text(table, "x");
    text_table_add_text(table, "y");
    text_table_add_text(table, "xxxx");
    text_table_add_text(table, "y");
    expect(table, " x    | y\n xxxx | y\n");
    text_table_free(table);
}

static void test_no_rows(void **state) {
    (void)state;
    struct text_table *table = text_table_new(1);
    text_table_set_column(table, 0, "id", true);
    expect(table, " id\n----\n");
    text_table_free(table);
}

static void test_escapes(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *shown;
    } cases[] = {
        {"a\nb\tc\r", 6, "a\\nb\\tc\\r"},
        {"\x1b[31m", 5, "\\x1b[31m"},
        {"a\0b", 3, "a\\x00b"},
        {"\xff\xc3\xbc\xc3", 4, "\\xff\xc3\xbc\\xc3"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"}, /* a surrogate */
        {"\xc0\xaf", 2, "\\xc0\\xaf"},          /* not the shortest form */
        {"\xc2\x9b", 2, "\\xc2\\x9b"},          /* a C1 control */
        {"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"},
        {"\xc2\xa0\xf4\x8f\xbf\xbf", 6, "\xc2\xa0\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text_table *table = text_table_new(1);
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        text_table_set_column(table, 0, "x", false);
        text_table_add(table, cases[i].data, cases[i].len);
        text_table_print(table, &out);
        char *row = strrchr(out.data, '-');
        assert_non_null(row);
        row[strlen(row) - 1] = '\0'; /* the line end */
        assert_string_equal(row + 3, cases[i].shown);
        buf_deinit(&out);
        text_table_free(table);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),  cmocka_unit_test(test_alignment), cmocka_unit_test(test_parts),
        cmocka_unit_test(test_no_rows), cmocka_unit_test(test_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
