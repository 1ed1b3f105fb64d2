/* What only the iceberg format does: losing a race, leaving alone what it need not read, keeping versions for readers. */
#include "lake/iceberg/iceberg.h"
#include "lake_fixture.h"

static char *names_of(struct fixture *f) {
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    list_names(f, TABLE, &names);
    return names.data;
}

static void test_of_two_loads_one_commits(void **state) {
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) { /* the first creates the table, the second changes it */
        struct lake_table *slow = open_table(f), *quick = open_table(f);
        struct lake_load load = keyed_load();
        const char *changes = "SELECT 'U' AS _op, 2::BIGINT AS id, 'quick' AS name";
        load.full_load_sql = round == 0 ? THREE_PRODUCTS : NULL;
        must(f, load_open_table(f, quick, load, changes, &(struct lake_result){0}));
        char *before = names_of(f);
        assert_false(load_open_table(f, slow, load, "SELECT 'U' AS _op, 2::BIGINT AS id, 'slow' AS name",
                                     &(struct lake_result){0}));
        assert_int_equal(f->err.kind, ERROR_CONFLICT);
        char *after = names_of(f);
        assert_string_equal(before, after); /* what it wrote is gone */
        mem_free(before);
        mem_free(after);
        lake_close(slow);
        lake_close(quick);
        expect_scan(f, "*", "ORDER BY id", "I|1|a\nU|2|quick\nI|3|<null>\n");
    }
}

static void test_a_load_that_fails_leaves_nothing(void **state) {
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", range AS id, CASE WHEN range = 250000 THEN error('bad') ELSE 'a' END AS name "
        "FROM range(300000)";
    assert_false(try_load(f, load, NULL, NULL));
    char *names = names_of(f);
    assert_null(names);
}

static void test_files_out_of_range_are_not_opened(void **state) {
    struct fixture *f = *state;
    struct lake_result result;
    load_three(f);
    struct iceberg_table *table = (struct iceberg_table *)open_table(f);
    must(f, iceberg_read_files(table, &f->err));
    assert_int_equal(table->files.data_count, 1);
    struct arena arena;
    arena_init(&arena);
    const char *first = iceberg_store_name(&f->lake, &arena, table->files.data[0].entry.file.path, &f->err);
    lake_close(&table->base);
    must(f, try_load(f, keyed_load(), "SELECT 'I' AS _op, 100 + range AS id, 'n' AS name FROM range(10)", NULL));
    overwrite(f, first);
    must(f,
         try_load(f, keyed_load(), "SELECT 'D' AS _op, unnest([0, 4, 105, 200])::BIGINT AS id, '' AS name", &result));
    assert_int_equal(result.rows_removed, 1);
    assert_int_equal(result.files_written, 1); /* of deletes */
    assert_false(try_load(f, keyed_load(), "SELECT 'D' AS _op, 2::BIGINT AS id, '' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_DATA);
    assert_non_null(strstr(f->err.message, first)); /* the damaged file is named */
    arena_deinit(&arena);
}

static void test_a_reader_keeps_its_version(void **state) {
    struct fixture *f = *state;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    load_three(f);
    must(f, try_load(f, keyed_load(), "SELECT 'D' AS _op, 1::BIGINT AS id, '' AS name", NULL));
    struct lake_table *table = open_table(f);
    must(f, lake_scan(table, &sql, &f->err));
    buf_append_text(&sql, " ORDER BY id");
    lake_close(table);
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", 9::BIGINT AS id, 'z' AS name";
    must(f, try_load(f, load, NULL, NULL));
    expect_query(f, sql.data, "I|2|b\nI|3|<null>\n");
    expect_scan(f, "*", "", "I|9|z\n");
    buf_deinit(&sql);
}

/* Values of before could not be read as the new type: an older snapshot must not see it. */
static void test_a_type_that_is_no_promotion_is_another_field(void **state) {
    static const struct column other[] = {COLUMN("id", TYPE_INT64), COLUMN("name", TYPE_INT32)};
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    load.columns = other;
    load.full_load_sql = "SELECT 'I' AS \"Op\", 4::BIGINT AS id, 5 AS name";
    must(f, try_load(f, load, NULL, NULL));
    struct iceberg_table *table = (struct iceberg_table *)open_table(f);
    assert_int_equal(table->op_field, 1);
    assert_int_equal(table->field_ids[0], 2);
    assert_int_equal(table->field_ids[1], 4);
    lake_close(&table->base);
}

static void test_a_partition_value_that_names_no_folder(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", * FROM (VALUES (1::BIGINT, repeat('x', 300)), (2, 'a' || chr(0) || 'b'), (3, "
        "repeat('/', 200)), (4, '..')) AS t(id, p)";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    must(f, try_load(f, load, "SELECT 'U' AS _op, range AS id, 'q' AS p FROM range(2, 4)", NULL));
    expect_scan(f, "id, length(p)", "ORDER BY id", "1|300\n2|1\n3|1\n4|2\n");
}

/* In version 3 a value that rows have from the start is said by the schema: no row is written anew. */
static void test_initial_values_are_defaults(void **state) {
    static const struct column columns[] = {
        COLUMN("id", TYPE_INT64),
        COLUMN("name", TYPE_STRING),
        {.name = "flag", .type = {TYPE_BOOLEAN}, .initial = "1"},
        {.name = "i", .type = {TYPE_INT32}, .initial = "-7"},
        {.name = "f", .type = {TYPE_FLOAT32}, .initial = "0.1"},
        {.name = "d", .type = {TYPE_DECIMAL, 20, 2}, .initial = "1.50"},
        {.name = "day", .type = {TYPE_DATE}, .initial = "2026-11-01"},
        {.name = "at", .type = {TYPE_TIMESTAMP, 0, 6}, .initial = "2026-11-01 10:00:00.5"},
        {.name = "tz", .type = {TYPE_TIMESTAMPTZ, 0, 6}, .initial = "2026-11-01 10:00:00"},
        {.name = "s", .type = {TYPE_STRING}, .initial = "it's \"x\""},
        {.name = "b", .type = {TYPE_BINARY}, .initial = "00ff"},
    };
    static const char *const defaults[] = {
        "true", "-7", "0.1", "\"1.50\"", "\"2026-11-01\"", "\"2026-11-01T10:00:00.5\"",
    };
    struct fixture *f = *state;
    struct lake_result result;
    load_three(f);
    struct lake_load load = keyed_load();
    load.columns = columns;
    load.column_count = COUNT(columns);
    must(f, try_load(f, load,
                     "SELECT 'U' AS _op, 2::BIGINT AS id, 'B' AS name, false AS flag, 1 AS i, 2::FLOAT AS f, "
                     "3::DECIMAL(20,2) AS d, NULL::DATE AS day, NULL::TIMESTAMP AS at, NULL::TIMESTAMPTZ AS tz, "
                     "NULL AS s, NULL::BLOB AS b",
                     &result));
    assert_int_equal(result.rows_written, 1);
    expect_scan(f, "* EXCLUDE (\"Op\", name)", "ORDER BY id",
                "1|true|-7|0.1|1.50|2026-11-01|2026-11-01 10:00:00.5|2026-11-01 10:00:00+00|it's \"x\"|\\x00\\xFF\n"
                "2|false|1|2.0|3.00|<null>|<null>|<null>|<null>|<null>\n"
                "3|true|-7|0.1|1.50|2026-11-01|2026-11-01 10:00:00.5|2026-11-01 10:00:00+00|it's \"x\"|\\x00\\xFF\n");
    struct iceberg_table *table = (struct iceberg_table *)open_table(f);
    for (size_t i = 0; i < 6; i++) {
        char *text = json_dumps(json_object_get(table->metadata->schema->fields[i + 3].json, "initial-default"),
                                JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        assert_string_equal(text, defaults[i]);
        free(text);
    }
    lake_close(&table->base);
    expect_scan(f, "count(*)", "WHERE i < 0 AND s LIKE 'it%' AND d > 1", "2\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_two_loads_one_commits, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_a_load_that_fails_leaves_nothing, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_files_out_of_range_are_not_opened, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_keeps_its_version, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_a_type_that_is_no_promotion_is_another_field, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_initial_values_are_defaults, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_a_partition_value_that_names_no_folder, setup_iceberg, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
