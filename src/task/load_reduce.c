#include "task/load_reduce.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "task/load_sql.h"

/* Temporary tables are the connection's own, and a connection loads one table at a time: fixed names do. */
#define ALL_TABLE "load_all"         /* every change of a table with a key */
#define LAST_TABLE "load_last"       /* sequence numbers of the last changes */
#define FOLDED_TABLE "load_folded"   /* the last changes with values that came with earlier ones */
#define CHANGES_TABLE "load_changes" /* the result, where it is not all of them */
#define PAST_VIEW "load_past"        /* the result of a history */

static bool run(struct engine_connection *connection, struct buf *sql, struct error *err) {
    bool ok = engine_run(connection, sql->data, NULL, err);
    buf_clear(sql);
    return ok;
}

static bool count(struct engine_connection *connection, const char *sql, uint64_t *out, struct error *err) {
    int64_t number;
    if (!engine_query_int(connection, sql, &number, err))
        return false;
    *out = (uint64_t)number;
    return true;
}

static void append_key(struct buf *sql, const struct load_schema *schema) {
    for (size_t i = 0; i < schema->key_count; i++) {
        buf_append_text(sql, i > 0 ? ", " : "");
        buf_append_sql_name(sql, schema->key[i]);
    }
}

void load_reduce_drop(struct engine_connection *connection) {
    /* What is left after an error goes with the connection. */
    engine_run(connection,
               "DROP VIEW IF EXISTS " PAST_VIEW "; DROP TABLE IF EXISTS " ALL_TABLE "; DROP TABLE IF EXISTS " LAST_TABLE
               "; DROP TABLE IF EXISTS " FOLDED_TABLE "; DROP TABLE IF EXISTS " CHANGES_TABLE,
               NULL, NULL);
}

/* --- without a key ------------------------------------------------------------------------------------------------------ */

static bool stage_inserts(struct engine_connection *connection, const struct load_scan *scan, struct load_changes *out,
                          struct buf *sql, struct error *err) {
    buf_append_text(sql, "CREATE TEMP TABLE " CHANGES_TABLE " AS SELECT * FROM (");
    load_sql_changes(scan, sql);
    buf_append_text(sql, ") WHERE _op = 'I'");
    uint64_t unsent = 0;
    if (!run(connection, sql, err) || !count(connection, "SELECT count(*) FROM " CHANGES_TABLE, &out->rows, err) ||
        !count(connection, "SELECT count(_unchanged) FROM " CHANGES_TABLE, &unsent, err))
        return false;
    return unsent == 0 || error_set(err, ERROR_DATA, "%llu inserts hold values that the source did not send",
                                    (unsigned long long)unsent);
}

/* --- with a key ---------------------------------------------------------------------------------------------------------- */

static bool stage_all(struct engine_connection *connection, const struct load_scan *scan, struct load_changes *out,
                      struct buf *sql, struct error *err) {
    buf_append_text(sql, "CREATE TEMP TABLE " ALL_TABLE " AS ");
    load_sql_changes(scan, sql);
    return run(connection, sql, err) && count(connection, "SELECT count(*) FROM " ALL_TABLE, &out->rows, err);
}

/* Keys and numbers only: an arg_max over whole rows, which is what a window of row_number() = 1 becomes too, keeps all rows
 * in memory. */
static bool find_last(struct engine_connection *connection, const struct load_schema *schema, uint64_t *keys,
                      struct buf *sql, struct error *err) {
    buf_append_text(sql, "CREATE TEMP TABLE " LAST_TABLE " AS SELECT max(_seq) AS _seq FROM " ALL_TABLE " GROUP BY ");
    append_key(sql, schema);
    return run(connection, sql, err) && count(connection, "SELECT count(*) FROM " LAST_TABLE, keys, err);
}

/* marked[i]: some change does not have the value of column i. */
static bool find_marked(struct engine_connection *connection, const struct load_schema *schema, bool keep_deleted,
                        bool *marked, bool *any, struct buf *sql, struct error *err) {
    uint64_t rows;
    *any = false;
    if (!count(connection, "SELECT count(_unchanged) FROM " ALL_TABLE, &rows, err))
        return false;
    for (size_t i = 0; rows > 0 && i < schema->column_count; i++) {
        uint64_t with_mark;
        buf_printf(sql, "SELECT count(*) FROM " ALL_TABLE " WHERE %ssubstr(_unchanged, %zu, 1) = '1'",
                   keep_deleted ? "" : "_op <> 'D' AND ", i + 1);
        bool ok = count(connection, sql->data, &with_mark, err);
        buf_clear(sql);
        if (!ok)
            return false;
        marked[i] = with_mark > 0;
        *any |= marked[i];
    }
    return true;
}

/* One life of a row reaches from a D to the next: _life counts the Ds before. Within it, each marked column takes the last
 * value that was sent; a value is wrapped into a struct, so that a NULL that was sent is not skipped. */
static void append_folded_columns(struct buf *sql, const struct load_schema *schema, const bool *marked) {
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_append_text(sql, ", ");
        if (marked[i]) {
            buf_printf(sql, "last_value(CASE WHEN coalesce(substr(_unchanged, %zu, 1), '0') = '0' THEN {'v': ", i + 1);
            buf_append_sql_name(sql, schema->columns[i].name);
            buf_append_text(sql, "} END IGNORE NULLS) OVER life AS ");
        }
        buf_append_sql_name(sql, schema->columns[i].name);
    }
}

static void append_result_columns(struct buf *sql, const struct load_schema *schema, const bool *marked) {
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_append_text(sql, ", ");
        buf_append_sql_name(sql, schema->columns[i].name);
        if (marked[i]) {
            buf_append_text(sql, ".v AS ");
            buf_append_sql_name(sql, schema->columns[i].name);
        }
    }
}

/* The marks that remain: the column got no value in this life of the row. */
static void append_remaining_marks(struct buf *sql, const struct load_schema *schema, bool keep_deleted,
                                   const bool *marked) {
    buf_printf(sql, ", CASE WHEN %s THEN nullif(concat(", keep_deleted ? "true" : "_op <> 'D'");
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_append_text(sql, i > 0 ? ", " : "");
        if (marked[i]) {
            buf_append_text(sql, "CASE WHEN ");
            buf_append_sql_name(sql, schema->columns[i].name);
            buf_append_text(sql, " IS NULL THEN '1' ELSE '0' END");
        } else {
            buf_append_text(sql, "'0'");
        }
    }
    buf_printf(sql, "), repeat('0', %zu)) END AS _unchanged", schema->column_count);
}

static bool fold(struct engine_connection *connection, const struct load_schema *schema, bool keep_deleted,
                 const bool *marked, struct buf *sql, struct error *err) {
    buf_append_text(sql, "CREATE TEMP TABLE " FOLDED_TABLE " AS SELECT _seq, _op, _life");
    append_folded_columns(sql, schema, marked);
    buf_append_text(sql, " FROM (SELECT *, count(*) FILTER (WHERE _op = 'D') OVER (PARTITION BY ");
    append_key(sql, schema);
    buf_append_text(sql, " ORDER BY _seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _life FROM " ALL_TABLE
                         ") WINDOW life AS (PARTITION BY ");
    append_key(sql, schema);
    buf_append_text(sql, ", _life ORDER BY _seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)");
    if (!run(connection, sql, err))
        return false;
    buf_append_text(sql, "CREATE TEMP TABLE " CHANGES_TABLE " AS SELECT _seq, _op, _life");
    append_result_columns(sql, schema, marked);
    append_remaining_marks(sql, schema, keep_deleted, marked);
    buf_append_text(sql, " FROM " FOLDED_TABLE " SEMI JOIN " LAST_TABLE " USING (_seq)");
    return run(connection, sql, err);
}

/* A row that was deleted and came back within this load has nothing in the lake that a mark could keep. */
static bool check_folded(struct engine_connection *connection, struct load_changes *out, struct error *err) {
    uint64_t lost, marked;
    if (!count(connection,
               "SELECT count(*) FROM " CHANGES_TABLE " WHERE _life > 0 AND _op <> 'D' AND _unchanged IS NOT NULL",
               &lost, err) ||
        !count(connection, "SELECT count(_unchanged) FROM " CHANGES_TABLE, &marked, err))
        return false;
    out->has_unchanged = marked > 0;
    if (lost == 0)
        return engine_run(connection, "ALTER TABLE " CHANGES_TABLE " DROP COLUMN _life", NULL, err);
    return error_set(err, ERROR_DATA,
                     "%llu rows came back after a delete without the values that did not change: have the source send "
                     "whole rows (binlog_row_image = FULL, REPLICA IDENTITY FULL), and load the table in full again",
                     (unsigned long long)lost);
}

/* Most loads change most keys once: then the staged table is the result, without the few rows that are not the last. Else
 * the last ones are copied, so that the others do not take room any longer. */
static bool keep_last(struct engine_connection *connection, uint64_t keys, struct load_changes *out, struct buf *sql,
                      struct error *err) {
    out->table = keys < out->rows / 2 ? CHANGES_TABLE : ALL_TABLE;
    if (keys == out->rows)
        return true;
    if (keys < out->rows / 2)
        buf_append_text(sql, "CREATE TEMP TABLE " CHANGES_TABLE " AS SELECT * FROM " ALL_TABLE " SEMI JOIN " LAST_TABLE
                             " USING (_seq); DROP TABLE " ALL_TABLE);
    else
        buf_append_text(sql, "DELETE FROM " ALL_TABLE " WHERE NOT EXISTS (FROM " LAST_TABLE " WHERE " LAST_TABLE
                             "._seq = " ALL_TABLE "._seq)");
    return run(connection, sql, err);
}

static bool reduce_keyed(struct engine_connection *connection, const struct load_schema *schema,
                         const struct load_scan *scan, bool keep_deleted, struct load_changes *out, struct buf *sql,
                         struct error *err) {
    uint64_t keys;
    bool any;
    if (!stage_all(connection, scan, out, sql, err) || !find_last(connection, schema, &keys, sql, err))
        return false;
    bool *marked = mem_zalloc((schema->column_count + 1) * sizeof *marked);
    bool ok = find_marked(connection, schema, keep_deleted, marked, &any, sql, err);
    if (ok && any)
        ok = fold(connection, schema, keep_deleted, marked, sql, err) && check_folded(connection, out, err);
    else if (ok)
        ok = keep_last(connection, keys, out, sql, err);
    mem_free(marked);
    return ok;
}

bool load_reduce(struct engine_connection *connection, const struct load_schema *schema, const struct load_scan *scan,
                 bool keep_deleted, struct load_changes *out, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    *out = (struct load_changes){.table = CHANGES_TABLE};
    bool ok = schema->key_count > 0 ? reduce_keyed(connection, schema, scan, keep_deleted, out, &sql, err)
                                    : stage_inserts(connection, scan, out, &sql, err);
    buf_deinit(&sql);
    return ok;
}

bool load_reduce_not(struct engine_connection *connection, const struct load_scan *scan, struct load_changes *out,
                     struct error *err) {
    struct buf sql;
    bool ok = true;
    *out = (struct load_changes){0};
    buf_init(&sql, BUF_MAX_DEFAULT);
    if (load_scan_schema(scan)->part_count > 0) {
        out->table = PAST_VIEW;
        buf_append_text(&sql, "CREATE OR REPLACE TEMP VIEW " PAST_VIEW " AS ");
        load_sql_changes(scan, &sql);
        ok = run(connection, &sql, err);
    }
    buf_deinit(&sql);
    return ok;
}

/* --- rows that a mark cannot keep anything of ------------------------------------------------------------------------------ */

static bool count_null_keys(struct engine_connection *connection, const struct load_schema *schema, uint64_t *out,
                            struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT count(*) FROM " CHANGES_TABLE " WHERE _unchanged IS NOT NULL AND (");
    for (size_t i = 0; i < schema->key_count; i++) {
        buf_append_text(sql, i > 0 ? " OR " : "");
        buf_append_sql_name(sql, schema->key[i]);
        buf_append_text(sql, " IS NULL");
    }
    buf_append_char(sql, ')');
    bool ok = count(connection, sql->data, out, err);
    buf_clear(sql);
    return ok;
}

/* The table's rows are streamed past the marked changes, and what cannot be one of them is not even read: that works for "=",
 * not for a comparison that finds NULLs, which is taken only where there are some. */
static void append_found(struct buf *sql, const struct load_schema *schema, const char *rows,
                         const char *const *key_names, bool null_keys) {
    buf_append_text(sql, "SELECT count(*) FROM (SELECT DISTINCT ");
    for (size_t i = 0; i < schema->key_count; i++) {
        buf_append_text(sql, i > 0 ? ", b." : "b.");
        buf_append_sql_name(sql, key_names[i]);
    }
    buf_printf(sql, " FROM (%s) AS b SEMI JOIN (FROM " CHANGES_TABLE " WHERE _unchanged IS NOT NULL) AS c ON ", rows);
    for (size_t i = 0; i < schema->key_count; i++) {
        buf_append_text(sql, i > 0 ? " AND b." : "b.");
        buf_append_sql_name(sql, key_names[i]);
        buf_append_text(sql, null_keys ? " IS NOT DISTINCT FROM c." : " = c.");
        buf_append_sql_name(sql, schema->key[i]);
    }
    buf_append_char(sql, ')');
}

bool load_reduce_count_incomplete(struct engine_connection *connection, const struct load_schema *schema,
                                  const char *rows, const char *const *key_names, uint64_t *out, struct error *err) {
    uint64_t marked, null_keys, found = 0;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = count(connection, "SELECT count(_unchanged) FROM " CHANGES_TABLE, &marked, err);
    if (ok && rows != NULL && (ok = count_null_keys(connection, schema, &null_keys, &sql, err))) {
        append_found(&sql, schema, rows, key_names, null_keys > 0);
        ok = count(connection, sql.data, &found, err);
    }
    buf_deinit(&sql);
    *out = ok ? marked - found : 0;
    return ok;
}
