/* What a load makes of a lake table: rows, keys, columns. Judged by what DuckDB reads, from the folders too. */
#include "lake_fixture.h"

/* --- full load and watermark */

static void test_full_load_creates_the_table(void **state) {
    struct fixture *f = *state;
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.number, 0);
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    must(f, lake_scan(table, &sql, &f->err));
    expect_query(f, sql.data, "");
    buf_deinit(&sql);

    struct lake_load load = keyed_load();
    struct lake_result result;
    load.full_load_sql = THREE_PRODUCTS;
    load.watermark = (struct lake_watermark){"2026-11-01 10:00:00", "a/b/20261101-101500123.csv", "run-1", "{}", NULL};
    must(f, lake_load(table, f->connection, &load, &result, &f->err));
    assert_int_equal(result.rows_written, 3);
    assert_int_equal(result.files_written, 1);
    assert_int_equal(table->version.number, 0); /* as opened */
    lake_close(table);

    table = open_table(f);
    assert_int_equal(table->version.number, 1);
    assert_int_equal(table->version.row_count, 3);
    assert_int_equal(table->version.column_count, 2);
    assert_string_equal(table->version.columns[0].name, "id");
    assert_int_equal(table->version.columns[0].type.kind, TYPE_INT64);
    assert_string_equal(table->version.watermark.last_full_load_date, "2026-11-01 10:00:00");
    assert_string_equal(table->version.watermark.last_incremental_file, "a/b/20261101-101500123.csv");
    assert_string_equal(table->version.watermark.run_id, "run-1");
    assert_string_equal(table->version.watermark.source_position, "{}");
    assert_null(table->version.watermark.source_time);
    lake_close(table);
    expect_scan(f, "*", "ORDER BY id", "I|1|a\nI|2|b\nI|3|<null>\n");
    expect_folders(f, "*", "ORDER BY id", "I|1|a\nI|2|b\nI|3|<null>\n"); /* Op is the first column of the file */
    expect_clean(f);
}

static void test_full_load_replaces(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    struct lake_result result;
    load.full_load_sql = "SELECT 'I' AS \"Op\", 9::BIGINT AS id, 'z' AS name";
    must(f, try_load(f, load, NULL, &result));
    assert_int_equal(result.rows_removed, 3);
    expect_scan(f, "*", "", "I|9|z\n");
    expect_folders(f, "*", "", "I|9|z\n");
    load.full_load_sql = THREE_PRODUCTS " WHERE false";
    must(f, try_load(f, load, NULL, NULL));
    expect_scan(f, "*", "", "");
    expect_clean(f);
}

static void test_full_load_takes_changes_on_top(void **state) {
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql = THREE_PRODUCTS;
    load.has_unchanged = true;
    must(f, try_load(f, load,
                     "SELECT * FROM (VALUES ('U', 1::BIGINT, NULL, '01'), ('D', 2, 'b', NULL), ('I', 4, 'd', NULL)) "
                     "AS t(_op, id, name, _unchanged)",
                     NULL));
    expect_scan(f, "*", "ORDER BY id", "U|1|a\nI|3|<null>\nI|4|d\n");
    expect_clean(f);
}

/* --- merging by key */

static void test_changes_are_merged_by_key(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_result result;
    must(f, try_load(
                f, keyed_load(),
                "SELECT * FROM (VALUES ('U', 2::BIGINT, 'B'), ('D', 3, NULL), ('I', 4, 'd'), ('D', 77, NULL), ('I', 1, "
                "'again')) AS t(_op, id, name)",
                &result));
    assert_int_equal(result.files_removed, is_parquet(f));
    assert_int_equal(result.rows_removed, 3);
    assert_int_equal(result.rows_written, 3);
    expect_scan(f, "*", "ORDER BY id", "I|1|again\nU|2|B\nI|4|d\n");
    expect_folders(f, "*", "ORDER BY id", "I|1|again\nU|2|B\nI|4|d\n");
    expect_clean(f);
    /* The same once more changes no row. */
    must(f, try_load(f, keyed_load(), "SELECT 'U' AS _op, 2::BIGINT AS id, 'B' AS name", NULL));
    expect_scan(f, "*", "ORDER BY id", "I|1|again\nU|2|B\nI|4|d\n");
    expect_clean(f);
}

static void test_a_table_may_become_empty(void **state) {
    struct fixture *f = *state;
    load_three(f);
    must(f,
         try_load(f, keyed_load(), "SELECT 'D' AS _op, unnest([1, 2, 3])::BIGINT AS id, NULL::VARCHAR AS name", NULL));
    expect_scan(f, "count(*), count(id)", "", "0|0\n");
    expect_clean(f);
    must(f, try_load(f, keyed_load(), "SELECT 'I' AS _op, 5::BIGINT AS id, 'e' AS name", NULL));
    expect_scan(f, "*", "", "I|5|e\n");
}

static void test_a_load_may_change_the_watermark_alone(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    struct lake_result result;
    load.watermark.run_id = "run-2";
    must(f, try_load(f, load, NULL, &result));
    assert_int_equal(result.files_written + result.files_removed, 0);
    must(f, try_load(f, load, "SELECT 'D' AS _op, 99::BIGINT AS id, 'x' AS name", &result));
    assert_int_equal(result.files_written + result.files_removed, 0);
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.number, 3);
    assert_string_equal(table->version.watermark.run_id, "run-2");
    lake_close(table);
    expect_scan(f, "count(*)", "", "3\n");
}

static void test_keys_of_several_columns_and_null_keys(void **state) {
    static const struct column columns[] = {COLUMN("a", TYPE_STRING), COLUMN("b", TYPE_FLOAT64),
                                            COLUMN("v", TYPE_INT32)};
    static const char *const key[] = {"b", "a"};
    struct fixture *f = *state;
    struct lake_load load = {.columns = columns, .column_count = 3, .key = key, .key_count = 2};
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", * FROM (VALUES ('x', 1::DOUBLE, 1), ('x', 2, 2), (NULL, 1, 3), ('', 1, 4), "
        "('y', 'NaN', 5)) AS t(a, b, v)";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    must(f, try_load(f, load,
                     "SELECT * FROM (VALUES ('U', 'x', 2::DOUBLE, 20), ('U', NULL, 1, 30), ('D', 'y', 'NaN', NULL)) AS "
                     "t(_op, a, b, v)",
                     NULL));
    expect_scan(f, "*", "ORDER BY v", "I|x|1.0|1\nI||1.0|4\nU|x|2.0|20\nU|<null>|1.0|30\n");
    must(f, try_load(f, load, "SELECT 'D' AS _op, NULL::VARCHAR AS a, NULL::DOUBLE AS b, 0::INT AS v", NULL));
    expect_scan(f, "count(*)", "", "4\n");
}

static void test_unchanged_values_come_from_the_table(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    load.has_unchanged = true;
    must(f,
         try_load(f, load,
                  "SELECT * FROM (VALUES ('U', 1::BIGINT, NULL, '01'), ('U', 2, NULL, NULL), ('U', 9, NULL, '01')) AS "
                  "t(_op, id, name, _unchanged)",
                  NULL));
    expect_scan(f, "*", "ORDER BY id", "U|1|a\nU|2|<null>\nI|3|<null>\nU|9|<null>\n");
}

static void test_files_out_of_range_are_not_opened(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct parquet_table *table = (struct parquet_table *)open_table(f);
    assert_int_equal(table->version.file_count, 1);
    assert_string_equal(table->version.files[0].ranges[0].column, "id");
    assert_string_equal(table->version.files[0].ranges[0].low, "1");
    assert_string_equal(table->version.files[0].ranges[0].high, "3");
    char *first = mem_printf(TABLE "%s", table->version.files[0].path);
    lake_close(&table->base);
    must(f, try_load(f, keyed_load(), "SELECT 'I' AS _op, 100 + range AS id, 'n' AS name FROM range(10)", NULL));
    overwrite(f, first);
    struct lake_result result;
    must(f,
         try_load(f, keyed_load(), "SELECT 'D' AS _op, unnest([0, 4, 105, 200])::BIGINT AS id, '' AS name", &result));
    assert_int_equal(result.files_removed, 1);
    assert_int_equal(result.rows_written, 9);
    assert_false(try_load(f, keyed_load(), "SELECT 'D' AS _op, 2::BIGINT AS id, '' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_DATA);
    assert_non_null(strstr(f->err.message, first)); /* the damaged file is named */
    mem_free(first);
}

static void test_a_file_in_range_without_the_key_stays(void **state) {
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range * 2 AS id, 'even' AS name FROM range(100)";
    must(f, try_load(f, load, NULL, NULL));
    struct lake_result result;
    must(f, try_load(f, keyed_load(), "SELECT 'I' AS _op, 51::BIGINT AS id, 'odd' AS name", &result));
    assert_int_equal(result.files_removed, 0);
    assert_int_equal(result.rows_written, 1);
    expect_scan(f, "count(*), count(DISTINCT id)", "", "101|101\n");
    expect_clean(f);
}

/* Of each type: four keys in a file; one that is there, one between them, one above and one below are changed. */
static void test_keys_of_every_type_are_found(void **state) {
    static const struct {
        struct type type;
        const char *there[4], *below, *between, *above; /* SQL, in order */
    } cases[] = {
        {{TYPE_INT32}, {"'-5'", "'0'", "'7'", "'9'"}, "'-6'", "'1'", "'10'"},
        {{TYPE_INT64}, {"'-5'", "'0'", "'7'", "'9223372036854775806'"}, "'-6'", "'1'", "'9223372036854775807'"},
        {{TYPE_DECIMAL, 38, 2}, {"'-1.10'", "'0.01'", "'2'", "'10.5'"}, "'-1.11'", "'0.02'", "'10.51'"},
        {{TYPE_BOOLEAN}, {"'false'", "'false'", "'true'", "'true'"}, "NULL", "NULL", "NULL"},
        {{TYPE_FLOAT32}, {"'-inf'", "'0.1'", "'0.2'", "'inf'"}, "'0'", "'0.15'", "'nan'"},
        {{TYPE_FLOAT64}, {"'-0.1'", "'0.1'", "'0.2'", "'nan'"}, "'-1'", "'0.15'", "'inf'"},
        {{TYPE_DATE}, {"'0001-01-01'", "'2026-11-01'", "'2026-11-30'", "'9999-12-31'"}, "NULL", "'2026-11-02'", "NULL"},
        {{TYPE_TIME, 0, 6},
         {"'00:00:01'", "'10:00:00'", "'10:00:00.5'", "'24:00:00'"},
         "'00:00:00'",
         "'10:00:00.1'",
         "NULL"},
        {{TYPE_TIMESTAMP, 0, 6},
         {"'2026-11-01 00:00:00'", "'2026-11-01 00:00:00.000001'", "'2026-11-02'", "'2026-11-03'"},
         "'2026-10-31'",
         "'2026-11-01 00:00:00.000002'",
         "'2026-11-03 00:00:00.000001'"},
        {{TYPE_TIMESTAMPTZ, 0, 6},
         {"'2026-11-01 00:00:00+00'", "'2026-11-01 00:00:01+00'", "'2026-11-02 00:00:00+00'",
          "'2026-11-03 00:00:00+00'"},
         "'2026-11-01 00:00:00+01'",
         "'2026-11-01 00:00:02+00'",
         "'2026-11-04 00:00:00+00'"},
        {{TYPE_STRING}, {"''", "'A'", "'a'", "repeat('z', 600)"}, "NULL", "'\xc3\xa9'", "repeat('z', 601)"},
        {{TYPE_STRING}, {"repeat('\xc3\xa9', 300)", "'y'", "'z'", "'\xc3\xa9'"}, "''", "'b'", "chr(1114111)"},
        {{TYPE_BINARY}, {"''", "'\\x00'", "'\\x80'", "'\\xFF\\xFF'"}, "NULL", "'\\x7F'", "'\\xFF\\xFF\\x00'"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char type[TYPE_TEXT_BYTES];
        type_format_sql(cases[i].type, type);
        struct column columns[] = {{.name = "id", .type = cases[i].type}, COLUMN("name", TYPE_STRING)};
        struct lake_load load = keyed_load();
        load.columns = columns;
        char *sql = mem_printf(
            "SELECT DISTINCT 'I' AS \"Op\", CAST(id AS %s) AS id, 'old' AS name FROM (VALUES (%s), (%s), (%s), "
            "(%s)) AS t(id)",
            type, cases[i].there[0], cases[i].there[1], cases[i].there[2], cases[i].there[3]);
        load.full_load_sql = sql;
        must(f, try_load(f, load, NULL, NULL));
        load.full_load_sql = NULL;
        bool two = cases[i].type.kind == TYPE_BOOLEAN; /* there are no four of them */
        const char *const each[] = {cases[i].there[0], cases[i].there[2], cases[i].there[3]};
        for (size_t j = 0; j < COUNT(each); j++) {
            char *changes = mem_printf(
                "SELECT DISTINCT 'U' AS _op, CAST(id AS %s) AS id, 'new%zu' AS name FROM (VALUES (%s), (%s), "
                "(%s), (%s)) AS t(id) WHERE id IS NOT NULL",
                type, j, each[j], cases[i].below, cases[i].between, cases[i].above);
            must(f, try_load(f, load, changes, NULL));
            mem_free(changes);
        }
        expect_scan(f, "count(*) - count(DISTINCT id)", "", "0\n"); /* a key that was not found would be there twice */
        char *olds = mem_printf("%d\n", two ? 0 : 1);
        expect_scan(f, "count(*) FILTER (name = 'old')", "", olds);
        mem_free(olds);
        mem_free(sql);
    }
}

/* --- without a key */

static void test_without_key_rows_are_appended_in_order(void **state) {
    struct fixture *f = *state;
    struct lake_load load = {.columns = product, .column_count = COUNT(product)};
    const char *changes =
        "SELECT 'I' AS _op, 7::BIGINT AS id, 'r' || range AS name, 1000 - range AS _seq FROM range(3)";
    must(f, try_load(f, load, changes, NULL));
    must(f, try_load(f, load, changes, NULL));
    expect_scan(f, "name, count(*)", "GROUP BY name ORDER BY name", "r0|2\nr1|2\nr2|2\n");
    char *sql = mem_printf("SELECT string_agg(name, ' ' ORDER BY file_row_number) FROM read_parquet('%s/" TABLE
                           "**/*.parquet', filename = true, file_row_number = true) GROUP BY filename",
                           f->root);
    expect_query(f, sql, "r2 r1 r0\nr2 r1 r0\n");
    mem_free(sql);
    load.full_load_sql = THREE_PRODUCTS;
    must(f, try_load(f, load, changes, NULL));
    expect_scan(f, "id, count(*)", "GROUP BY id ORDER BY id", "1|1\n2|1\n3|1\n7|3\n");
    expect_clean(f);
}

/* --- columns */

static void test_columns_come_and_stay(void **state) {
    static const struct column wider[] = {COLUMN("id", TYPE_INT64), COLUMN("name", TYPE_STRING),
                                          COLUMN("price", TYPE_INT32)};
    static const struct column narrower[] = {COLUMN("id", TYPE_INT64), COLUMN("price", TYPE_INT32)};
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    struct lake_result result;
    load.columns = wider;
    load.column_count = 3;
    must(f, try_load(f, load, "SELECT 'I' AS _op, 10::BIGINT AS id, 'j' AS name, 5 AS price", &result));
    assert_int_equal(result.files_removed, 0);
    expect_scan(f, "*", "ORDER BY id", "I|1|a|<null>\nI|2|b|<null>\nI|3|<null>|<null>\nI|10|j|5\n");
    load.columns = narrower;
    load.column_count = 2;
    must(f,
         try_load(f, load, "SELECT 'U' AS _op, 10::BIGINT AS id, 6 AS price", NULL)); /* name is NULL in what it sets */
    must(f, try_load(f, load, "SELECT 'U' AS _op, 1::BIGINT AS id, 7 AS price", NULL));
    expect_scan(f, "*", "ORDER BY id", "U|1|<null>|7\nI|2|b|<null>\nI|3|<null>|<null>\nU|10|<null>|6\n");
    expect_folders(f, "id, name, price", "ORDER BY id", "1|<null>|7\n2|b|<null>\n3|<null>|<null>\n10|<null>|6\n");
}

static void test_a_new_column_has_its_initial_value(void **state) {
    static const struct column columns[] = {COLUMN("id", TYPE_INT64),
                                            COLUMN("name", TYPE_STRING),
                                            {.name = "b", .type = {TYPE_BINARY}, .initial = "00ff"},
                                            {.name = "d", .type = {TYPE_DECIMAL, 5, 2}, .initial = "1.5"}};
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    load.columns = columns;
    load.column_count = 4;
    must(f, try_load(f, load, "SELECT 'U' AS _op, 1::BIGINT AS id, 'A' AS name, NULL::BLOB AS b, 2::DECIMAL(5,2) AS d",
                     NULL));
    expect_scan(f, "*", "ORDER BY id", "U|1|A|<null>|2.00\nI|2|b|\\x00\\xFF|1.50\nI|3|<null>|\\x00\\xFF|1.50\n");
    must(f,
         try_load(f, load, "SELECT 'I' AS _op, 4::BIGINT AS id, 'D' AS name, NULL::BLOB AS b, NULL::DECIMAL(5,2) AS d",
                  NULL)); /* not again */
    expect_folders(f, "id, d", "ORDER BY id", "1|2.00\n2|1.50\n3|1.50\n4|<null>\n");
    expect_clean(f);
}

static void test_columns_are_renamed_by_id_and_widened(void **state) {
    static const struct column before[] = {{.name = "id", .type = {TYPE_INT32}, .id = 1},
                                           {.name = "a", .type = {TYPE_FLOAT32}, .id = 2},
                                           {.name = "b", .type = {TYPE_DECIMAL, 5, 2}, .id = 3}};
    static const struct column after[] = {{.name = "key", .type = {TYPE_INT64}, .id = 1},
                                          {.name = "b", .type = {TYPE_FLOAT64}, .id = 2},
                                          {.name = "a", .type = {TYPE_DECIMAL, 10, 2}, .id = 3}};
    static const char *const key_key[] = {"key"};
    struct fixture *f = *state;
    struct lake_load load = {.columns = before, .column_count = 3, .key = key_id, .key_count = 1};
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", 1 AS id, 0.5::FLOAT AS a, 1.25::DECIMAL(5,2) AS b UNION ALL SELECT 'I', 2, 1.5, "
        "NULL";
    must(f, try_load(f, load, NULL, NULL));
    load = (struct lake_load){.columns = after, .column_count = 3, .key = key_key, .key_count = 1};
    must(f, try_load(f, load, "SELECT 'U' AS _op, 2::BIGINT AS key, 7::DOUBLE AS b, 8::DECIMAL(10,2) AS a", NULL));
    expect_scan(f, "key, typeof(key), b, typeof(b), a, typeof(a)", "ORDER BY key",
                "1|BIGINT|0.5|DOUBLE|1.25|DECIMAL(10,2)\n2|BIGINT|7.0|DOUBLE|8.00|DECIMAL(10,2)\n");
    expect_folders(f, "key, typeof(key), b, a", "ORDER BY key", "1|BIGINT|0.5|1.25\n2|BIGINT|7.0|8.00\n");
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.columns[0].id, 1);
    assert_string_equal(table->version.columns[0].name, "key");
    lake_close(table);
    /* Narrower types of the raw files do not narrow the lake. */
    load.columns = (struct column[]){{.name = "key", .type = {TYPE_INT32}, .id = 1}, after[1], after[2]};
    must(f, try_load(f, load, "SELECT 'D' AS _op, 1 AS key, 7::DOUBLE AS b, 8::DECIMAL(10,2) AS a", NULL));
    expect_scan(f, "key, typeof(key)", "", "2|BIGINT\n");
}

static void test_a_name_that_goes_to_another_column(void **state) {
    static const struct column before[] = {{.name = "id", .type = {TYPE_INT64}, .id = 1},
                                           {.name = "v", .type = {TYPE_INT32}, .id = 2}};
    static const struct column after[] = {{.name = "id", .type = {TYPE_INT64}, .id = 1},
                                          {.name = "v", .type = {TYPE_STRING}, .id = 3, .initial = "new"}};
    struct fixture *f = *state;
    struct lake_load load = {.columns = before, .column_count = 2, .key = key_id, .key_count = 1};
    load.full_load_sql = "SELECT 'I' AS \"Op\", 1::BIGINT AS id, 5 AS v";
    must(f, try_load(f, load, NULL, NULL));
    load = (struct lake_load){.columns = after, .column_count = 2, .key = key_id, .key_count = 1};
    must(f, try_load(f, load, "SELECT 'I' AS _op, 2::BIGINT AS id, 'x' AS v", NULL));
    expect_scan(f, "*", "ORDER BY id", "I|1|new\nI|2|x\n");
    expect_clean(f);
}

static void test_incompatible_types(void **state) {
    static const struct column other[] = {COLUMN("id", TYPE_INT64), COLUMN("name", TYPE_INT32)};
    struct fixture *f = *state;
    load_three(f);
    struct lake_load load = keyed_load();
    load.columns = other;
    assert_false(try_load(f, load, "SELECT 'I' AS _op, 4::BIGINT AS id, 5 AS name", NULL));
    assert_int_equal(f->err.kind, ERROR_DATA);
    assert_non_null(strstr(f->err.message, "\"name\" is string in the lake and comes as int"));
    assert_non_null(strstr(f->err.message, "--last-full-load-date"));
    expect_scan(f, "count(*)", "", "3\n");
    load.full_load_sql = "SELECT 'I' AS \"Op\", 4::BIGINT AS id, 5 AS name";
    must(f, try_load(f, load, NULL, NULL));
    expect_scan(f, "name, typeof(name)", "", "5|INTEGER\n");
    expect_clean(f);
}

static void test_names_that_cannot_be(void **state) {
    static const struct {
        const char *first, *second, *part;
    } cases[] = {
        {"id", "op", "\"op\""},
        {"id", "_seq", "\"_seq\""},
        {"id", "ID", "\"ID\""},
        {"id", "", "rename"},
        {"a", "b", "there is no column \"id\""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column columns[] = {{.name = cases[i].first, .type = {TYPE_INT64}},
                                   {.name = cases[i].second, .type = {TYPE_INT64}}};
        struct lake_load load = keyed_load();
        load.columns = columns;
        assert_false(try_load(f, load, NULL, NULL));
        assert_int_equal(f->err.kind, ERROR_DATA);
        if (strstr(f->err.message, cases[i].part) == NULL)
            fail_msg("%s", f->err.message);
    }
}

static void test_names_that_are_odd(void **state) {
    static const struct column columns[] = {COLUMN("i d", TYPE_INT64),
                                            COLUMN("a\"b'c", TYPE_STRING),
                                            COLUMN("x/y=z", TYPE_STRING),
                                            COLUMN("filename", TYPE_STRING),
                                            {.name = "t", .type = {TYPE_TIME, 0, 6}}};
    static const char *const key[] = {"i d", "a\"b'c"};
    static const char *const partition[] = {"x/y=z"};
    struct fixture *f = *state;
    struct lake_load load = {.columns = columns,
                             .column_count = 5,
                             .key = key,
                             .key_count = 2,
                             .partition = partition,
                             .partition_count = 1};
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", 1::BIGINT AS \"i d\", 'q' AS \"a\"\"b'c\", 'v' AS \"x/y=z\", 'f' AS filename, "
        "TIME '10:15:00.25' AS t";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    must(f, try_load(
                f, load,
                "SELECT 'U' AS _op, 1::BIGINT AS \"i d\", 'q' AS \"a\"\"b'c\", 'w' AS \"x/y=z\", 'g' AS filename, TIME "
                "'24:00:00' AS t",
                NULL));
    expect_scan(f, "*, typeof(t)", "", "U|1|q|w|g|24:00:00|TIME\n");
    if (!is_parquet(f))
        return;
    char *folder = mem_printf("%s/" TABLE "x%%2Fy%%3Dz=w", f->root);
    assert_int_equal(access(folder, F_OK), 0);
    mem_free(folder);
    expect_clean(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH_VERSION(test_full_load_creates_the_table),
        EACH_VERSION(test_full_load_replaces),
        EACH_VERSION(test_full_load_takes_changes_on_top),
        EACH_VERSION(test_changes_are_merged_by_key),
        EACH_VERSION(test_a_table_may_become_empty),
        EACH_VERSION(test_a_load_may_change_the_watermark_alone),
        EACH_VERSION(test_keys_of_several_columns_and_null_keys),
        EACH_VERSION(test_unchanged_values_come_from_the_table),
        cmocka_unit_test_setup_teardown(test_files_out_of_range_are_not_opened, setup, teardown),
        EACH_VERSION(test_a_file_in_range_without_the_key_stays),
        EACH_VERSION(test_keys_of_every_type_are_found),
        EACH_VERSION(test_without_key_rows_are_appended_in_order),
        EACH_VERSION(test_columns_come_and_stay),
        EACH_VERSION(test_a_new_column_has_its_initial_value),
        EACH_VERSION(test_columns_are_renamed_by_id_and_widened),
        EACH_VERSION(test_a_name_that_goes_to_another_column),
        EACH_VERSION(test_incompatible_types),
        EACH_VERSION(test_names_that_cannot_be),
        EACH_VERSION(test_names_that_are_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
