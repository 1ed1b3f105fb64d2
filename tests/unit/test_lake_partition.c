/* Lake tables in partition folders: names, values, files. */
#include "lake_fixture.h"

/* Folder names as Spark's partitionBy writes them (ExternalCatalogUtils.escapePathName). */
static void test_odd_partition_values(void **state) {
    static const struct {
        const char *sql, *folder, *text;
    } cases[] = {
        {"NULL", "p=__HIVE_DEFAULT_PARTITION__", "<null>"},
        {"''", "p=__HIVE_DEFAULT_PARTITION__", ""},
        {"'NULL'", "p=NULL", "NULL"},
        {"'null'", "p=null", "null"},
        {"'__HIVE_DEFAULT_PARTITION__'", "p=__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__"},
        {"'a/b=c%d'", "p=a%2Fb%3Dc%25d", "a/b=c%d"},
        {"'2026-11-01 10:15:00'", "p=2026-11-01 10%3A15%3A00", "2026-11-01 10:15:00"},
        {"'\"#''*?\\{[]^'", "p=%22%23%27%2A%3F%5C%7B%5B%5D%5E", "\"#'*?\\{[]^"},
        {"'}+&;,<>|~! '", "p=}+&;,<>|~! ", "}+&;,<>|~! "},
        {"chr(9) || chr(127)", "p=%09%7F", "\t\x7f"},
        {"'\xc3\xa9'", "p=\xc3\xa9", "\xc3\xa9"},
        {"'007'", "p=007", "007"},
        {"'.'", "p=.", "."},
    };
    struct fixture *f = *state;
    struct buf values, expected;
    buf_init(&values, BUF_MAX_DEFAULT);
    buf_init(&expected, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_printf(&values, "%s(%zu::BIGINT, %s::VARCHAR)", i == 0 ? "" : ", ", i, cases[i].sql);
        buf_printf(&expected, "I|%zu|%s\n", i, cases[i].text);
    }
    struct lake_load load = partitioned_load();
    char *sql = mem_printf("SELECT 'I' AS \"Op\", * FROM (VALUES %s) AS t(id, p)", values.data);
    load.full_load_sql = sql;
    must(f, try_load(f, load, NULL, NULL));
    mem_free(sql);
    expect_scan(f, "*", "ORDER BY id", expected.data);
    for (size_t i = 0; is_parquet(f) && i < COUNT(cases); i++) {
        char *folder = mem_printf("%s/" TABLE "%s", f->root, cases[i].folder);
        if (access(folder, F_OK) != 0)
            fail_msg("%s is not there", folder);
        mem_free(folder);
    }
    expect_clean(f);
    /* Each of them is found again, changed and removed. */
    sql = mem_printf("SELECT CASE WHEN id %% 2 = 0 THEN 'D' ELSE 'U' END AS _op, id, p FROM (VALUES %s) AS t(id, p)",
                     values.data);
    must(f, try_load(f, partitioned_load(), sql, NULL));
    mem_free(sql);
    expect_scan(f, "count(*), count(*) FILTER (\"Op\" = 'U'), count(*) FILTER (p = 'null')", "", "6|6|1\n");
    expect_clean(f);
    buf_deinit(&values);
    buf_deinit(&expected);
}

static void test_a_partition_value_must_fit_a_folder_name(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", 1::BIGINT AS id, repeat('x', 254) AS p";
    assert_false(try_load(f, load, NULL, NULL));
    assert_int_equal(f->err.kind, ERROR_DATA);
    assert_non_null(strstr(f->err.message, "\"p\""));
    load.full_load_sql = "SELECT 'I' AS \"Op\", 1::BIGINT AS id, 'a' || chr(0) || 'b' AS p";
    assert_false(try_load(f, load, NULL, NULL));
    assert_int_equal(f->err.kind, ERROR_DATA);
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    assert_int_equal(list_names(f, "", &names), 0);
    buf_deinit(&names);
    load.full_load_sql = "SELECT 'I' AS \"Op\", 1::BIGINT AS id, repeat('\xc3\xa9', 126) AS p";
    must(f, try_load(f, load, NULL, NULL));
    expect_scan(f, "length(p)", "", "126\n");
}

static void test_a_row_that_changes_partition_leaves_the_old_one(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    struct lake_result result;
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'p' || (range % 3) AS p FROM range(9)";
    must(f, try_load(f, load, NULL, &result));
    assert_int_equal(result.files_written, 3);
    load.full_load_sql = NULL;
    must(f, try_load(f, load,
                     "SELECT * FROM (VALUES ('U', 0::BIGINT, 'p1'), ('U', 3, 'new'), ('D', 6, NULL)) AS t(_op, id, p)",
                     &result));
    assert_int_equal(result.files_removed, is_parquet(f)); /* p0: p1 and p2 do not hold a changed key */
    expect_scan(f, "p, string_agg(id, ' ' ORDER BY id)", "GROUP BY p ORDER BY p", "new|3\np1|0 1 4 7\np2|2 5 8\n");
    expect_folders(f, "p, string_agg(id, ' ' ORDER BY id)", "GROUP BY p ORDER BY p", "new|3\np1|0 1 4 7\np2|2 5 8\n");
    expect_clean(f);
    char *gone = mem_printf("%s/" TABLE "p=p0", f->root);
    assert_int_equal(access(gone, F_OK), -1);
    mem_free(gone);
}

static void test_partition_columns_keep_their_types(void **state) {
    static const struct {
        struct type type;
        const char *value, *folder;
    } cases[] = {
        {{TYPE_DATE}, "2026-11-01", "p=2026-11-01"},
        {{TYPE_INT32}, "-7", "p=-7"},
        {{TYPE_BOOLEAN}, "true", "p=true"},
        {{TYPE_DECIMAL, 20, 2}, "12345678901234567.50", "p=12345678901234567.50"},
        {{TYPE_FLOAT64}, "0.1", "p=0.1"},
        {{TYPE_TIMESTAMP, 0, 6}, "2026-11-01 10:15:00.123456", "p=2026-11-01 10%3A15%3A00.123456"},
        {{TYPE_TIMESTAMPTZ, 0, 6}, "2026-11-01 10:15:00+00", "p=2026-11-01 10%3A15%3A00+00"},
        {{TYPE_TIME, 0, 6}, "10:15:00.5", "p=10%3A15%3A00.5"},
        {{TYPE_BINARY}, "\\x00\\xFF", "p=%5Cx00%5CxFF"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char type[TYPE_TEXT_BYTES];
        type_format_sql(cases[i].type, type);
        struct column columns[] = {COLUMN("id", TYPE_INT64), {.name = "p", .type = cases[i].type}};
        struct lake_load load = partitioned_load();
        load.columns = columns;
        char *sql = mem_printf("SELECT 'I' AS \"Op\", 1::BIGINT AS id, '%s'::%s AS p", cases[i].value, type);
        char *expected = mem_printf("%s|%s\n", cases[i].value, type);
        load.full_load_sql = sql;
        must(f, try_load(f, load, NULL, NULL));
        expect_scan(f, "p, typeof(p)", "", expected);
        char *where = mem_printf("WHERE p = '%s'::%s", cases[i].value, type);
        expect_scan(f, "id", where, "1\n");
        char *folder = mem_printf("%s/" TABLE "%s", f->root, cases[i].folder);
        if (is_parquet(f) && access(folder, F_OK) != 0)
            fail_msg("%s is not there", folder);
        mem_free(folder);
        mem_free(where);
        mem_free(expected);
        mem_free(sql);
    }
}

static void test_a_filter_on_the_partition_skips_files(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'p' || range AS p FROM range(3)";
    must(f, try_load(f, load, NULL, NULL));
    struct parquet_table *table = (struct parquet_table *)open_table(f);
    for (size_t i = 1; i < table->version.file_count; i++) { /* DuckDB looks at the schema of the first */
        char *name = mem_printf(TABLE "%s", table->version.files[i].path);
        if (strcmp(table->version.files[i].partition[0], "p2") != 0)
            overwrite(f, name);
        mem_free(name);
    }
    lake_close(&table->base);
    expect_scan(f, "id", "WHERE p = 'p2'", "2\n");
}

static void test_two_partition_columns_in_a_location_with_equals(void **state) {
    static const struct column columns[] = {COLUMN("id", TYPE_INT64), COLUMN("d", TYPE_DATE), COLUMN("p", TYPE_STRING)};
    static const char *const partition[] = {"p", "d"};
    struct fixture *f = *state;
    struct lake_load load = {
        .columns = columns, .column_count = 3, .partition = partition, .partition_count = 2, .full_load_sql = NULL};
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", range AS id, DATE '2026-11-01' + (range % 2)::INT AS d, 'p' || (range % 3) AS "
        "p FROM range(12)";
    struct lake_table *table = NULL;
    struct lake_result result;
    must(f, lake_open(f->format, &f->lake, "id=99/p=other/t/", &table, &f->err));
    must(f, lake_load(table, f->connection, &load, &result, &f->err));
    lake_close(table);
    assert_int_equal(result.files_written, 6);
    must(f, lake_open(f->format, &f->lake, "id=99/p=other/t/", &table, &f->err));
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT p, d, string_agg(id, ' ' ORDER BY id) FROM (");
    must(f, lake_scan(table, &sql, &f->err));
    buf_append_text(&sql, ") GROUP BY ALL ORDER BY ALL");
    expect_query(f, sql.data,
                 "p0|2026-11-01|0 6\np0|2026-11-02|3 9\np1|2026-11-01|4 10\np1|2026-11-02|1 7\np2|2026-11-01|2 8\n"
                 "p2|2026-11-02|5 11\n");
    buf_deinit(&sql);
    lake_close(table);
}

static void test_another_partition_key_rewrites_the_table(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'p' || (range % 3) AS p FROM range(9)";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    load.partition_count = 0;
    must(f, try_load(f, load, "SELECT 'U' AS _op, 0::BIGINT AS id, 'x' AS p", NULL));
    expect_folders(f, "p, count(*)", "GROUP BY p ORDER BY p", "p0|2\np1|3\np2|3\nx|1\n");
    load.partition_count = 1;
    must(f, try_load(f, load, NULL, NULL));
    expect_scan(f, "p, count(*)", "GROUP BY p ORDER BY p", "p0|2\np1|3\np2|3\nx|1\n");
    expect_folders(f, "p, count(*)", "GROUP BY p ORDER BY p", "p0|2\np1|3\np2|3\nx|1\n");
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.partition_count, 1);
    assert_int_equal(table->version.file_count, 4);
    lake_close(table);
    expect_clean(f);
}

static void test_large_files_are_cut(void **state) {
    struct fixture *f = *state;
    struct lake_result result;
    f->lake.target_file_size_bytes = 1 << 20;
    struct lake_load load = partitioned_load();
    load.columns = (struct column[]){COLUMN("id", TYPE_INT64), COLUMN("p", TYPE_STRING), COLUMN("v", TYPE_STRING)};
    load.column_count = 3;
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, CASE WHEN range < 10 THEN 'few' ELSE 'many' END AS p, "
                         "md5(range::VARCHAR) AS v FROM range(300000)";
    must(f, try_load(f, load, NULL, &result));
    assert_true(result.files_written >= 3); /* one of few, the others of many */
    expect_folders(f, "p, count(*), count(DISTINCT id)", "GROUP BY p ORDER BY p", "few|10|10\nmany|299990|299990\n");
    expect_clean(f);
    load.partition_count = 0;
    must(f, try_load(f, load, NULL, &result));
    assert_true(result.files_written >= 2);
    expect_scan(f, "count(*), count(DISTINCT id)", "", "300000|300000\n");
    expect_clean(f);
}

/* More partitions than buffers: 60 columns in 300 partitions would be some 600 MB in one pass. */
static void test_many_partitions_with_little_memory(void **state) {
    enum { WIDE = 60 };
    struct fixture *f = *state;
    engine_disconnect(f->connection);
    engine_close(f->engine);
    struct engine_options options = {.memory_limit_bytes = 96 << 20, .threads = 1};
    must(f, engine_open(&options, &f->engine, &f->err));
    must(f, engine_connect(f->engine, &f->connection, &f->err));
    f->lake.engine = f->engine;
    struct column columns[WIDE + 2] = {orders[0], orders[1]};
    char names[WIDE][8];
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT 'I' AS \"Op\", range AS id, 'p' || (range % 300) AS p");
    for (int i = 0; i < WIDE; i++) {
        snprintf(names[i], sizeof names[i], "v%d", i);
        columns[i + 2] = (struct column){.name = names[i], .type = {TYPE_STRING}};
        buf_printf(&sql, ", 'v' || (range + %d) AS v%d", i, i);
    }
    buf_append_text(&sql, " FROM range(400)");
    struct lake_load load = partitioned_load();
    load.columns = columns;
    load.column_count = COUNT(columns);
    load.full_load_sql = sql.data;
    must(f, try_load(f, load, NULL, NULL));
    expect_scan(f, "count(*), count(DISTINCT id), count(DISTINCT p), sum(length(v59))", "", "400|400|300|1559\n");
    expect_clean(f);
    buf_deinit(&sql);
}

static void test_a_partition_column_in_the_key(void **state) {
    static const struct column columns[] = {COLUMN("id", TYPE_INT64), COLUMN("d", TYPE_DATE), COLUMN("v", TYPE_INT32)};
    static const char *const key[] = {"id", "d"}, *const partition[] = {"d"};
    struct fixture *f = *state;
    struct lake_load load = {.columns = columns,
                             .column_count = 3,
                             .key = key,
                             .key_count = 2,
                             .partition = partition,
                             .partition_count = 1};
    struct lake_result result;
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", i AS id, DATE '2026-11-01' + j::INT AS d, 0 AS v FROM range(3) a(i), range(4) b(j)";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    must(f, try_load(f, load,
                     "SELECT 'U' AS _op, 1::BIGINT AS id, unnest([DATE '2026-11-02', DATE '2026-11-09']) AS d, 5 AS v",
                     &result));
    assert_int_equal(result.files_removed, is_parquet(f));
    expect_scan(f, "d, string_agg(v, ' ' ORDER BY id)", "GROUP BY d ORDER BY d",
                "2026-11-01|0 0 0\n2026-11-02|0 5 0\n2026-11-03|0 0 0\n2026-11-04|0 0 0\n2026-11-09|5\n");
    expect_clean(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH_FORMAT(test_odd_partition_values),
        cmocka_unit_test_setup_teardown(test_a_partition_value_must_fit_a_folder_name, setup, teardown),
        EACH_VERSION(test_a_row_that_changes_partition_leaves_the_old_one),
        EACH_FORMAT(test_partition_columns_keep_their_types),
        cmocka_unit_test_setup_teardown(test_a_filter_on_the_partition_skips_files, setup, teardown),
        EACH_FORMAT(test_two_partition_columns_in_a_location_with_equals),
        EACH_VERSION(test_another_partition_key_rewrites_the_table),
        EACH_FORMAT(test_large_files_are_cut),
        EACH_FORMAT(test_many_partitions_with_little_memory),
        EACH_FORMAT(test_a_partition_column_in_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
