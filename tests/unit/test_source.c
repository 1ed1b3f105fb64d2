#include "assert_call.h"

#include <stdio.h>
#include <string.h>

#include "source/source.h"

static void test_tables_are_found_by_both_names(void **state) {
    (void)state;
    enum { TABLES = 1000 };
    struct source_tables *tables = source_tables_new();
    for (int i = 0; i < TABLES; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i / 2);
        struct source_table *table = source_tables_add(tables, i % 2 ? "b" : "a", name);
        assert_null(table->current);
        assert_ptr_equal(source_tables_add(tables, i % 2 ? "b" : "a", name), table);
        assert_ptr_equal(source_tables_find(tables, i % 2 ? "b" : "a", name), table);
    }
    assert_null(source_tables_find(tables, "c", "t1"));
    assert_null(source_tables_find(tables, "a", "T1"));
    /* The border between the names counts. */
    source_tables_add(tables, "ab", "c");
    assert_null(source_tables_find(tables, "a", "bc"));
    size_t count;
    struct source_table *const *all = source_tables_all(tables, &count);
    assert_int_equal(count, TABLES + 1);
    assert_string_equal(all[3]->schema, "b");
    assert_string_equal(all[3]->name, "t1");
    source_tables_free(tables);
    source_tables_free(NULL);
}

static void test_the_report_keeps_its_lines(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct check_report report = {.arena = &arena};
    for (int i = 0; i < 40; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "s%d", i);
        check_report_add(&report, i % 2 ? CHECK_FAILED : CHECK_OK, subject, i % 2 ? "mend" : NULL, "is %d", i);
    }
    assert_int_equal(report.count, 40);
    assert_string_equal(report.lines[37].subject, "s37");
    assert_string_equal(report.lines[37].text, "is 37");
    assert_string_equal(report.lines[37].mend, "mend");
    assert_null(report.lines[38].mend);
    arena_deinit(&arena);
}

static void test_an_unknown_engine_names_the_known_ones(void **state) {
    (void)state;
    struct config config = {.source = {.engine = "oracle"}};
    struct source *source;
    struct error err = {0};
    assert_fails(source_open(&config, &source, &err), ERROR_CONFIG);
    assert_says("mysql, mariadb");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_found_by_both_names),
        cmocka_unit_test(test_the_report_keeps_its_lines),
        cmocka_unit_test(test_an_unknown_engine_names_the_known_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
