/* A lake of its own for each test, in any table format, loads into it, and two readers: lake_scan, and folders as anyone
 * lists them (the parquet format only). */
#ifndef SLUICE_TESTS_LAKE_FIXTURE_H
#define SLUICE_TESTS_LAKE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "lake/lake.h"
#include "lake/parquet.h"
#include "temp_folder.h"

#define TABLE "product/"

struct fixture {
    const struct lake_format_ops *format;
    int format_version; /* of iceberg tables; 0: the usual */
    char *root;         /* of the lake; the catalog is beside it */
    struct store *store;
    struct engine *engine;
    struct engine_connection *connection;
    struct catalog *catalog;
    struct lake lake;
    struct error err;
};

static inline void must(struct fixture *f, bool ok) {
    if (!ok)
        fail_msg("%s", f->err.message);
}

static inline void fixture_open(struct fixture *f) {
    char *location = mem_printf("file://%s", f->root);
    if (f->format == NULL)
        f->format = &lake_parquet_ops;
    struct engine_options options = {.memory_limit_bytes = 512 << 20, .threads = 2};
    must(f, store_open(location, &f->store, &f->err));
    must(f, engine_open(&options, &f->engine, &f->err));
    must(f, engine_connect(f->engine, &f->connection, &f->err));
    char *catalog = mem_printf("sqlite://%s.catalog", f->root);
    must(f, catalog_open(catalog, CATALOG_LAKE, &f->catalog, &f->err));
    f->lake = (struct lake){f->store, f->engine, 64 << 20, f->catalog, "db"};
    mem_free(catalog);
    mem_free(location);
}

static inline void fixture_close(struct fixture *f) {
    engine_disconnect(f->connection);
    engine_close(f->engine);
    catalog_close(f->catalog);
    store_close(f->store);
}

static inline bool is_parquet(const struct fixture *f) { return f->format == &lake_parquet_ops; }

static inline void make_root(struct fixture *f) { f->root = temp_folder_make(); }

static inline void remove_root(struct fixture *f) {
    static const char *const files[] = {".catalog", ".catalog-wal", ".catalog-shm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = mem_printf("%s%s", f->root, files[i]);
        unlink(path);
        mem_free(path);
    }
    temp_folder_remove(f->root);
}

static inline int setup_format(void **state, const struct lake_format_ops *format) {
    struct fixture *f = mem_zalloc(sizeof *f);
    f->format = format;
    make_root(f);
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int setup(void **state) { return setup_format(state, &lake_parquet_ops); }
__attribute__((unused)) static inline int setup_iceberg(void **state) { return setup_format(state, &lake_iceberg_ops); }

__attribute__((unused)) static inline int setup_iceberg_third(void **state) {
    setup_format(state, &lake_iceberg_ops);
    ((struct fixture *)*state)->format_version = 3;
    return 0;
}

static inline int teardown(void **state) {
    struct fixture *f = *state;
    fixture_close(f);
    remove_root(f);
    mem_free(f);
    return 0;
}

#define EACH_FORMAT(test)                                                                                              \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                                            \
        cmocka_unit_test_setup_teardown(test, setup_iceberg, teardown)
#define EACH_VERSION(test) EACH_FORMAT(test), cmocka_unit_test_setup_teardown(test, setup_iceberg_third, teardown)

/* --- loading and reading */

#define COLUMN(name_, kind_)                                                                                           \
    {                                                                                                                  \
        .name = (name_), .type = {.kind = (kind_) }                                                                    \
    }
#define COUNT(array) (sizeof(array) / sizeof *(array))

static inline struct lake_table *open_table(struct fixture *f) {
    struct lake_table *table = NULL;
    must(f, lake_open(f->format, &f->lake, TABLE, &table, &f->err));
    return table;
}

static inline bool load_open_table(struct fixture *f, struct lake_table *table, struct lake_load load,
                                   const char *changes, struct lake_result *result) {
    if (changes != NULL) {
        char *sql = mem_printf("CREATE OR REPLACE TEMP TABLE incoming AS %s", changes);
        must(f, engine_run(f->connection, sql, NULL, &f->err));
        mem_free(sql);
        load.changes = "incoming";
    }
    if (load.format_version == 0)
        load.format_version = f->format_version;
    return lake_load(table, f->connection, &load, result, &f->err);
}

/* One load of `load` with changes from a SELECT. */
static inline bool try_load(struct fixture *f, struct lake_load load, const char *changes, struct lake_result *result) {
    struct lake_table *table = open_table(f);
    struct lake_result own;
    bool ok = load_open_table(f, table, load, changes, result != NULL ? result : &own);
    lake_close(table);
    return ok;
}

static inline void append_query(struct fixture *f, const char *sql, struct buf *out) {
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

static inline void expect_query(struct fixture *f, const char *sql, const char *expected) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    append_query(f, sql, &out);
    assert_string_equal(out.len > 0 ? out.data : "", expected);
    buf_deinit(&out);
}

/* SELECT <what> FROM <the table as lake_scan reads it> <rest> */
static inline void expect_scan(struct fixture *f, const char *what, const char *rest, const char *expected) {
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
static inline void expect_folders(struct fixture *f, const char *what, const char *rest, const char *expected) {
    if (!is_parquet(f))
        return;
    char *sql = mem_printf("SELECT %s FROM read_parquet('%s/" TABLE "**/*.parquet', hive_partitioning = true, "
                           "hive_types_autocast = false, union_by_name = true) %s",
                           what, f->root, rest);
    expect_query(f, sql, expected);
    mem_free(sql);
}

static inline size_t list_names(struct fixture *f, const char *prefix, struct buf *out) {
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
static inline void expect_clean(struct fixture *f) {
    if (!is_parquet(f))
        return;
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

__attribute__((unused)) static const struct column product[] = {COLUMN("id", TYPE_INT64), COLUMN("name", TYPE_STRING)};
__attribute__((unused)) static const char *const key_id[] = {"id"};

static inline struct lake_load keyed_load(void) {
    return (struct lake_load){.columns = product, .column_count = COUNT(product), .key = key_id, .key_count = 1};
}

#define THREE_PRODUCTS "SELECT 'I' AS \"Op\", * FROM (VALUES (1::BIGINT, 'a'), (2, 'b'), (3, NULL)) AS t(id, name)"

static inline void load_three(struct fixture *f) {
    struct lake_load load = keyed_load();
    load.full_load_sql = THREE_PRODUCTS;
    must(f, try_load(f, load, NULL, NULL));
}

static inline void overwrite(struct fixture *f, const char *name) {
    char *path = mem_printf("%s/%s", f->root, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("not a parquet file", file);
    fclose(file);
    mem_free(path);
}

__attribute__((unused)) static const struct column orders[] = {COLUMN("id", TYPE_INT64), COLUMN("p", TYPE_STRING)};
__attribute__((unused)) static const char *const by_p[] = {"p"};

static inline struct lake_load partitioned_load(void) {
    return (struct lake_load){.columns = orders,
                              .column_count = COUNT(orders),
                              .key = key_id,
                              .key_count = 1,
                              .partition = by_p,
                              .partition_count = 1};
}

#endif
