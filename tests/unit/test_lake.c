/* Lake tables in the parquet format, judged by what DuckDB reads from the folders, and by the versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lake/lake.h"
#include "lake/parquet.h"

#define TABLE "product/"

struct fixture {
    char root[64];
    struct store *store;
    struct engine *engine;
    struct engine_connection *connection;
    struct lake lake;
    struct error err;
};

static void must(struct fixture *f, bool ok) {
    if (!ok)
        fail_msg("%s", f->err.message);
}

static void fixture_open(struct fixture *f) {
    char *location = mem_printf("file://%s", f->root);
    struct engine_options options = {.memory_limit_bytes = 512 << 20, .threads = 2};
    must(f, store_open(location, &f->store, &f->err));
    must(f, engine_open(&options, &f->engine, &f->err));
    must(f, engine_connect(f->engine, &f->connection, &f->err));
    f->lake = (struct lake){f->store, f->engine, 64 << 20};
    mem_free(location);
}

static void fixture_close(struct fixture *f) {
    engine_disconnect(f->connection);
    engine_close(f->engine);
    store_close(f->store);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void make_root(struct fixture *f) {
    snprintf(f->root, sizeof f->root, P_tmpdir "/test-lake-XXXXXX");
    assert_non_null(mkdtemp(f->root));
}

static void remove_root(struct fixture *f) { nftw(f->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static int setup(void **state) {
    struct fixture *f = mem_zalloc(sizeof *f);
    make_root(f);
    fixture_open(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    fixture_close(f);
    remove_root(f);
    mem_free(f);
    return 0;
}

/* --- loading and reading */

#define COLUMN(name_, kind_)                                                                                           \
    {                                                                                                                  \
        .name = (name_), .type = {.kind = (kind_) }                                                                    \
    }
#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct lake_table *open_table(struct fixture *f) {
    struct lake_table *table = NULL;
    must(f, lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    return table;
}

static bool load_open_table(struct fixture *f, struct lake_table *table, struct lake_load load, const char *changes,
                            struct lake_result *result) {
    if (changes != NULL) {
        char *sql = mem_printf("CREATE OR REPLACE TEMP TABLE incoming AS %s", changes);
        must(f, engine_run(f->connection, sql, NULL, &f->err));
        mem_free(sql);
        load.changes = "incoming";
    }
    return lake_load(table, f->connection, &load, result, &f->err);
}

/* One load of `load` with changes from a SELECT. */
static bool try_load(struct fixture *f, struct lake_load load, const char *changes, struct lake_result *result) {
    struct lake_table *table = open_table(f);
    struct lake_result own;
    bool ok = load_open_table(f, table, load, changes, result != NULL ? result : &own);
    lake_close(table);
    return ok;
}

static void append_query(struct fixture *f, const char *sql, struct buf *out) {
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    must(f, engine_query(f->connection, sql, &result, &f->err));
    for (;;) {
        must(f, engine_result_next(result, &row, &f->err));
        if (row == NULL)
            break;
        for (size_t i = 0; i < engine_result_columns(result); i++) {
            buf_append_text(out, i > 0 ? "|" : "");
            if (row[i].kind == VALUE_NULL)
                buf_append_text(out, "<null>");
            else
                buf_append(out, row[i].data, row[i].len);
        }
        buf_append_char(out, '\n');
    }
    engine_result_free(result);
    buf_append(out, "", 0);
}

static void expect_query(struct fixture *f, const char *sql, const char *expected) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    append_query(f, sql, &out);
    assert_string_equal(out.len > 0 ? out.data : "", expected);
    buf_deinit(&out);
}

/* SELECT <what> FROM <the table as lake_scan reads it> <rest> */
static void expect_scan(struct fixture *f, const char *what, const char *rest, const char *expected) {
    struct lake_table *table = open_table(f);
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_printf(&sql, "SELECT %s FROM (", what);
    must(f, lake_scan(table, &sql, &f->err));
    buf_printf(&sql, ") %s", rest);
    expect_query(f, sql.data, expected);
    buf_deinit(&sql);
    lake_close(table);
}

/* The same by a reader that knows nothing but folders and files. */
static void expect_folders(struct fixture *f, const char *what, const char *rest, const char *expected) {
    char *sql = mem_printf("SELECT %s FROM read_parquet('%s/" TABLE "**/*.parquet', hive_partitioning = true, "
                           "hive_types_autocast = false, union_by_name = true) %s",
                           what, f->root, rest);
    expect_query(f, sql, expected);
    mem_free(sql);
}

static size_t list_names(struct fixture *f, const char *prefix, struct buf *out) {
    struct arena arena;
    struct store_list list;
    arena_init(&arena);
    must(f, store_list(f->store, &arena, prefix, true, &list, &f->err));
    for (size_t i = 0; i < list.count; i++)
        buf_printf(out, "%s\n", list.entries[i].name);
    arena_deinit(&arena);
    return list.count;
}

/* What is in the folders is what the version says, and nothing else is left. */
static void expect_clean(struct fixture *f) {
    struct lake_table *table = open_table(f);
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    list_names(f, TABLE, &names);
    size_t files = 0;
    for (const char *at = names.data; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
        files += strstr(at, ".parquet\n") != NULL && strstr(at, ".parquet\n") < strchr(at, '\n');
    assert_int_equal(files, table->version.file_count);
    char *stage = mem_printf("%s/" TABLE "_sluice/stage", f->root);
    assert_int_equal(access(stage, F_OK), -1);
    mem_free(stage);
    buf_deinit(&names);
    lake_close(table);
}

static const struct column product[] = {COLUMN("id", TYPE_INT64), COLUMN("name", TYPE_STRING)};
static const char *const key_id[] = {"id"};

static struct lake_load keyed_load(void) {
    return (struct lake_load){.columns = product, .column_count = COUNT(product), .key = key_id, .key_count = 1};
}

#define THREE_PRODUCTS "SELECT 'I' AS \"Op\", * FROM (VALUES (1::BIGINT, 'a'), (2, 'b'), (3, NULL)) AS t(id, name)"

static void load_three(struct fixture *f) {
    struct lake_load load = keyed_load();
    load.full_load_sql = THREE_PRODUCTS;
    must(f, try_load(f, load, NULL, NULL));
}

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
    assert_int_equal(result.files_removed, 1);
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

static void overwrite(struct fixture *f, const char *name) {
    char *path = mem_printf("%s/%s", f->root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("not a parquet file", file);
    fclose(file);
    mem_free(path);
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
                           "*.parquet', filename = true, file_row_number = true) GROUP BY filename",
                           f->root);
    expect_query(f, sql, "r2 r1 r0\nr2 r1 r0\n");
    mem_free(sql);
    load.full_load_sql = THREE_PRODUCTS;
    must(f, try_load(f, load, changes, NULL));
    expect_scan(f, "id, count(*)", "GROUP BY id ORDER BY id", "1|1\n2|1\n3|1\n7|3\n");
    expect_clean(f);
}

/* --- partitions */

static const struct column orders[] = {COLUMN("id", TYPE_INT64), COLUMN("p", TYPE_STRING)};
static const char *const by_p[] = {"p"};

static struct lake_load partitioned_load(void) {
    return (struct lake_load){.columns = orders,
                              .column_count = COUNT(orders),
                              .key = key_id,
                              .key_count = 1,
                              .partition = by_p,
                              .partition_count = 1};
}

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
    for (size_t i = 0; i < COUNT(cases); i++) {
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
    assert_int_equal(result.files_removed, 1); /* p0: p1 and p2 do not hold a changed key */
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
        if (access(folder, F_OK) != 0)
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
    must(f, lake_open(&lake_parquet_ops, &f->lake, "id=99/p=other/t/", &table, &f->err));
    must(f, lake_load(table, f->connection, &load, &result, &f->err));
    lake_close(table);
    assert_int_equal(result.files_written, 6);
    must(f, lake_open(&lake_parquet_ops, &f->lake, "id=99/p=other/t/", &table, &f->err));
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
    assert_int_equal(result.files_removed, 1);
    expect_scan(f, "d, string_agg(v, ' ' ORDER BY id)", "GROUP BY d ORDER BY d",
                "2026-11-01|0 0 0\n2026-11-02|0 5 0\n2026-11-03|0 0 0\n2026-11-04|0 0 0\n2026-11-09|5\n");
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
    char *folder = mem_printf("%s/" TABLE "x%%2Fy%%3Dz=w", f->root);
    assert_int_equal(access(folder, F_OK), 0);
    mem_free(folder);
    expect_clean(f);
}

/* --- other loaders */

static void test_the_second_of_two_loaders_gets_a_conflict(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_table *slow = open_table(f);
    must(f, try_load(f, keyed_load(), "SELECT 'U' AS _op, 1::BIGINT AS id, 'fast' AS name", NULL));
    struct lake_result result;
    assert_false(load_open_table(f, slow, keyed_load(), "SELECT 'U' AS _op, 1::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT); /* found when it reads a file that is gone */
    assert_false(
        load_open_table(f, slow, keyed_load(), "SELECT 'I' AS _op, 50::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT); /* found when it commits */
    lake_close(slow);
    expect_scan(f, "*", "ORDER BY id", "U|1|fast\nI|2|b\nI|3|<null>\n");
    expect_clean(f);
}

/* Long after: the version that it wants to make was made, and removed again. */
static void test_a_loader_that_slept_gets_a_conflict(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_table *slow = open_table(f);
    for (int i = 0; i < PARQUET_VERSIONS_KEPT + 4; i++) {
        char *changes = mem_printf("SELECT 'I' AS _op, %d::BIGINT AS id, 'n' AS name", 100 + i);
        must(f, try_load(f, keyed_load(), changes, NULL));
        mem_free(changes);
    }
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    assert_int_equal(list_names(f, TABLE "_sluice/", &names), 2 * PARQUET_VERSIONS_KEPT);
    assert_null(strstr(names.data, "v00000002.json"));
    struct lake_result result;
    assert_false(
        load_open_table(f, slow, keyed_load(), "SELECT 'I' AS _op, 50::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    lake_close(slow);
    buf_clear(&names);
    assert_int_equal(list_names(f, TABLE "_sluice/", &names), 2 * PARQUET_VERSIONS_KEPT);
    buf_deinit(&names);
    expect_scan(f, "count(*), count(*) FILTER (name = 'slow')", "", "15|0\n");
    expect_clean(f);
}

static void test_a_version_of_a_newer_sluice_is_refused(void **state) {
    struct fixture *f = *state;
    load_three(f);
    static const char newer[] = "{\"format\": 99}", broken[] = "{\"format\": 1";
    must(f, store_put(f->store, TABLE "_sluice/v00000002.json", newer, sizeof newer - 1, true, &f->err));
    struct lake_table *table = NULL;
    assert_false(lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    assert_int_equal(f->err.kind, ERROR_CONFIG);
    assert_non_null(strstr(f->err.message, TABLE "_sluice/v00000002.json"));
    must(f, store_put(f->store, TABLE "_sluice/v00000002.json", broken, sizeof broken - 1, false, &f->err));
    assert_false(lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    assert_int_equal(f->err.kind, ERROR_DATA);
}

struct loader {
    struct fixture *f;
    const char *name;
    int conflicts;
};

enum { LOADS_EACH = 6 };

/* Appends rows, and starts again from the new version when the other one was first. */
static void *append_rows(void *context) {
    struct loader *loader = context;
    struct fixture mine = *loader->f;
    assert_true(engine_connect(mine.engine, &mine.connection, &mine.err));
    for (int i = 0; i < LOADS_EACH;) {
        struct lake_load load = {.columns = product, .column_count = COUNT(product)};
        char *changes =
            mem_printf("SELECT 'I' AS _op, %d::BIGINT AS id, '%s' AS name, 0::BIGINT AS _seq", i, loader->name);
        bool ok = try_load(&mine, load, changes, NULL);
        mem_free(changes);
        if (!ok && mine.err.kind != ERROR_CONFLICT)
            return mem_strdup(mine.err.message);
        loader->conflicts += !ok;
        i += ok;
    }
    engine_disconnect(mine.connection);
    return NULL;
}

static void test_two_loaders_at_once_lose_nothing(void **state) {
    struct fixture *f = *state;
    struct loader loaders[] = {{f, "a", 0}, {f, "b", 0}};
    pthread_t threads[COUNT(loaders)];
    for (size_t i = 0; i < COUNT(loaders); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_rows, &loaders[i]), 0);
    for (size_t i = 0; i < COUNT(loaders); i++) {
        void *message = NULL;
        pthread_join(threads[i], &message);
        if (message != NULL)
            fail_msg("%s", (char *)message);
    }
    expect_scan(f, "name, count(*), count(DISTINCT id)", "GROUP BY name ORDER BY name", "a|6|6\nb|6|6\n");
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.number, 2 * LOADS_EACH);
    lake_close(table);
    expect_clean(f);
}

/* --- crashes */

#define AFTER_CRASH "I|0|p1\nI|1|p1\nI|3|p0\nU|5|p5\nI|7|new\n"

/* Two loads: six rows in two partitions; then changes that rewrite both, add two and empty none. */
static void two_loads(struct fixture *f, bool tolerant) {
    struct lake_load load = partitioned_load();
    struct lake_table *table = open_table(f);
    uint64_t number = table->version.number;
    lake_close(table);
    if (number == 0) {
        load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'p' || (range % 2) AS p FROM range(6)";
        bool ok = try_load(f, load, NULL, NULL);
        if (!ok && tolerant)
            return;
        must(f, ok);
    }
    if (number > 1)
        return;
    load.full_load_sql = NULL;
    bool ok =
        try_load(f, load,
                 "SELECT * FROM (VALUES ('I', 0::BIGINT, 'p1'), ('D', 2, ''), ('I', 3, 'p0'), ('D', 4, ''), ('U', 5, "
                 "'p5'), ('I', 7, 'new')) AS t(_op, id, p)",
                 NULL);
    if (!tolerant)
        must(f, ok);
}

/* Runs both loads in a process that dies at the n-th passing of a point; true when it did. */
static bool dies_at(struct fixture *f, const char *point, int n) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *fault = mem_printf("%s:%d", point, n);
        setenv("SLUICE_FAULT", fault, 1);
        fixture_open(f);
        two_loads(f, false);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        assert_int_equal(status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void test_a_crash_anywhere_is_put_right(void **state) {
    static const char *const points[] = {"lake.file_durable",  "lake.staged",        "lake.committed",
                                         "lake.publish_moved", "lake.publish_added", "lake.publish_removed",
                                         "lake.published",     "lake.cleaned"};
    (void)state;
#ifndef SLUICE_FAULT_POINTS
    skip();
#endif
    for (size_t i = 0; i < COUNT(points); i++) {
        int n = 1;
        for (bool died = true; died; n++) {
            struct fixture f = {0};
            make_root(&f);
            died = dies_at(&f, points[i], n);
            fixture_open(&f);
            two_loads(&f, false);
            expect_scan(&f, "*", "ORDER BY id", AFTER_CRASH);
            expect_folders(&f, "*", "ORDER BY id", AFTER_CRASH);
            expect_clean(&f);
            fixture_close(&f);
            remove_root(&f);
        }
        if (n < 3 && strcmp(points[i], "lake.cleaned") != 0)
            fail_msg("%s is never passed", points[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_load_creates_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_load_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_load_takes_changes_on_top, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_are_merged_by_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_table_may_become_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_load_may_change_the_watermark_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_several_columns_and_null_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unchanged_values_come_from_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_out_of_range_are_not_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_in_range_without_the_key_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_every_type_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_key_rows_are_appended_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_partition_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_partition_value_must_fit_a_folder_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_that_changes_partition_leaves_the_old_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_partition_columns_keep_their_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_filter_on_the_partition_skips_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_partition_columns_in_a_location_with_equals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_partition_key_rewrites_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_files_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_partitions_with_little_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_partition_column_in_the_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns_come_and_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_new_column_has_its_initial_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns_are_renamed_by_id_and_widened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_goes_to_another_column, setup, teardown),
        cmocka_unit_test_setup_teardown(test_incompatible_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_are_odd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_second_of_two_loaders_gets_a_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_loader_that_slept_gets_a_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_loaders_at_once_lose_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_version_of_a_newer_sluice_is_refused, setup, teardown),
        cmocka_unit_test(test_a_crash_anywhere_is_put_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
