/* Full load. All readers share one snapshot, exported by the first (documentation, 9.28.5), and so have one position. The
 * snapshot itself is part of it: see postgres_position.h.
 *
 * The snapshot sees the rows of its time, but the server takes a table's definition as it is now, and a table that was
 * rewritten or truncated since (ALTER COLUMN TYPE, TRUNCATE: documentation, 13.6) seems empty to it. So a reader takes the
 * table's lock, which keeps both away, and compares definition and files before it reads.
 *
 * Rows come as COPY's text format (documentation, COPY, "Text Format"): a line a row, columns between tabs, \N for NULL,
 * backslashes before what would be taken for one of these. */
#include "source/postgres_snapshot.h"

#include <string.h>

#include "source/postgres_catalog.h"
#include "source/postgres_slot.h"

struct postgres_snapshot {
    struct source_snapshot base;
    struct postgres_source *source;
    struct postgres_conn **readers;
    unsigned count;
    struct arena arena;
    const char *position;
};

/* ---- opening */

/* Where reading begins for whoever follows the log from this snapshot: what the slot keeps; without a slot, as in a full load
 * alone, where the log is before the snapshot. */
static bool ask_lsn(struct postgres_snapshot *snapshot, struct postgres_conn *conn, uint64_t *lsn, struct error *err) {
    struct postgres_slot slot;
    bool found;
    if (!postgres_slot_read(snapshot->source, conn, &snapshot->arena, &slot, &found, err))
        return false;
    if (!found || !slot.has_position || slot.lost != NULL)
        return postgres_source_log_end(conn, lsn, err);
    *lsn = slot.confirmed_lsn;
    return true;
}

static const char *snapshot_functions(unsigned version) {
    return version >= 130000 ? "pg_catalog.pg_current_snapshot()" : "pg_catalog.txid_current_snapshot()";
}

/* The first statement of the transaction takes the snapshot; *id is its exported name. On a standby it cannot be exported. */
static bool begin_first(struct postgres_snapshot *snapshot, const char **id, struct error *err) {
    struct postgres_conn *conn = snapshot->readers[0];
    struct postgres_position position = {0};
    struct postgres_result result;
    if (!ask_lsn(snapshot, conn, &position.lsn, err) ||
        !postgres_conn_run(conn, err, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") ||
        !postgres_conn_query(conn, &snapshot->arena, &result, err, "SELECT %s::text, pg_catalog.pg_export_snapshot()",
                             snapshot_functions(postgres_conn_server(conn)->version)))
        return false;
    *id = postgres_result_cell(&result, 0, 1);
    if (!postgres_snapshot_parse(postgres_result_cell(&result, 0, 0), &snapshot->arena, &position))
        return error_set(err, ERROR_INTERNAL, "the server's snapshot \"%s\" cannot be read",
                         postgres_result_cell(&result, 0, 0));
    /* The end of what is inserted, not of what is flushed: a transaction that the snapshot sees may not be on disk yet. */
    if (!postgres_conn_query(conn, &snapshot->arena, &result, err,
                             "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN "
                             "pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END"))
        return false;
    const char *end = postgres_result_cell(&result, 0, 0);
    if (end == NULL || !postgres_lsn_parse(end, &position.end_lsn))
        return error_set(err, ERROR_INTERNAL, "the server's position \"%s\" cannot be read", end != NULL ? end : "");
    snapshot->position = postgres_position_format(&position, &snapshot->arena);
    return true;
}

/* Without a commit behind it, a busy server that falls silent may keep its log's last page to itself for up to 15 s
 * (bgwriter.c, LOG_SNAPSHOT_INTERVAL_MS), and the end of the snapshot would be reached as late. */
static void flush_log(struct postgres_snapshot *snapshot) {
    struct error ignored; /* a standby, or who may not: then it is waited for */
    struct postgres_conn *conn = postgres_source_lock(snapshot->source, &ignored);
    if (conn == NULL)
        return;
    postgres_conn_run(conn, &ignored, "SELECT pg_catalog.pg_logical_emit_message(true, 'sluice', 'snapshot')");
    postgres_source_unlock(snapshot->source);
}

static bool begin(struct postgres_snapshot *snapshot, struct error *err) {
    const struct config_source *config = &snapshot->source->config->source;
    const char *id = NULL;
    for (unsigned i = 0; i < snapshot->count; i++) {
        bool ok = postgres_conn_open(config, POSTGRES_CONN_SQL, &snapshot->readers[i], err);
        if (ok && i == 0)
            ok = begin_first(snapshot, &id, err);
        else if (ok)
            ok =
                postgres_conn_run(snapshot->readers[i], err,
                                  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '%s'", id);
        if (!ok)
            return error_prefix(err, "reader %u of the snapshot", i + 1);
    }
    flush_log(snapshot);
    return true;
}

bool postgres_snapshot_open(struct source *base, const struct table *const *tables, size_t table_count,
                            unsigned readers, struct source_snapshot **out, struct error *err) {
    (void)tables;
    (void)table_count;
    struct postgres_snapshot *snapshot = mem_zalloc(sizeof *snapshot);
    snapshot->base.source = base;
    snapshot->source = (struct postgres_source *)base;
    snapshot->readers = mem_zalloc(readers * sizeof(struct postgres_conn *));
    snapshot->count = readers;
    arena_init(&snapshot->arena);
    if (!begin(snapshot, err)) {
        postgres_snapshot_close(&snapshot->base);
        return error_prefix(err, "opening a snapshot");
    }
    *out = &snapshot->base;
    return true;
}

const char *postgres_snapshot_position(struct source_snapshot *base, unsigned reader) {
    (void)reader;
    return ((struct postgres_snapshot *)base)->position;
}

void postgres_snapshot_close(struct source_snapshot *base) {
    struct postgres_snapshot *snapshot = (struct postgres_snapshot *)base;
    for (unsigned i = 0; i < snapshot->count; i++)
        postgres_conn_close(snapshot->readers[i]);
    arena_deinit(&snapshot->arena);
    mem_free(snapshot->readers);
    mem_free(snapshot);
}

/* ---- is the table what the snapshot saw? */

/* The files of a table and of its partitions: other ones once it was rewritten or truncated. */
static bool ask_files(struct postgres_conn *conn, struct arena *arena, uint32_t oid, const char **out,
                      struct error *err) {
    struct postgres_result result;
    if (!postgres_conn_query(conn, arena, &result, err,
                             "SELECT pg_catalog.string_agg(c.oid || ':' || c.relfilenode, ' ' ORDER BY c.oid) "
                             "FROM pg_catalog.pg_class c WHERE c.oid = %u OR c.oid IN "
                             "(SELECT relid FROM pg_catalog.pg_partition_tree(%u))",
                             oid, oid))
        return false;
    *out = postgres_result_cell(&result, 0, 0) != NULL ? postgres_result_cell(&result, 0, 0) : "";
    return true;
}

/* The reader has the table's lock. *relation: as it is now. */
static bool compare(struct postgres_snapshot *snapshot, struct postgres_conn *reader, const struct table *table,
                    struct arena *arena, struct postgres_relation **relation, struct error *err) {
    const char *before, *now = NULL;
    if (!ask_files(reader, arena, table->source_id, &before, err))
        return false;
    struct postgres_conn *conn = postgres_source_lock(snapshot->source, err); /* outside of the snapshot */
    if (conn == NULL)
        return false;
    bool ok = postgres_catalog_find(snapshot->source, conn, arena, table->schema, table->name, relation, err) &&
              ask_files(conn, arena, table->source_id, &now, err);
    postgres_source_unlock(snapshot->source);
    if (!ok)
        return false;
    if (*relation == NULL || !postgres_catalog_tables_equal((*relation)->table, table))
        return error_set(err, ERROR_RETRY, "its definition changed since the snapshot began");
    return strcmp(before, now) == 0 ||
           error_set(err, ERROR_RETRY, "it was rewritten or truncated since the snapshot began");
}

/* ---- rows */

static void append_select(const struct postgres_relation *relation, struct buf *sql) {
    const struct table *table = relation->table;
    buf_append_text(sql, "SELECT");
    for (size_t i = 0; i < table->column_count; i++) {
        buf_append_text(sql, i > 0 ? ", " : " ");
        buf_append_sql_name(sql, table->columns[i].name);
    }
    /* What inherits from a table is a table of its own; a partitioned one has no rows but those of its partitions. */
    buf_append_text(sql, relation->partitioned ? " FROM " : " FROM ONLY ");
    postgres_append_table(sql, table->schema, table->name);
    if (relation->row_filter != NULL)
        buf_printf(sql, " WHERE %s", relation->row_filter);
}

struct row_reader {
    const struct postgres_relation *relation;
    struct value *values;
    struct arena arena; /* of the row */
    struct buf text;    /* the row, without its escapes */
    uint64_t nulled;
};

static char unescaped(char c) {
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* The field at `at`, its escapes undone in place; *end is the tab or line end behind it. */
static size_t take_field(char *at, char *line_end, char **end) {
    char *to = at, *from = at;
    while (from < line_end && *from != '\t') {
        if (*from != '\\' || from + 1 >= line_end) {
            *to++ = *from++;
        } else {
            *to++ = unescaped(from[1]);
            from += 2;
        }
    }
    *end = from;
    return (size_t)(to - at);
}

static bool take_row(struct row_reader *rows, struct slice line, struct error *err) {
    const struct table *table = rows->relation->table;
    buf_clear(&rows->text);
    buf_append(&rows->text, line.data, line.len);
    arena_reset(&rows->arena);
    char *at = rows->text.data, *end = at + line.len;
    if (line.len > 0 && end[-1] == '\n')
        end--;
    for (size_t i = 0; i < table->column_count; i++) {
        if (at > end)
            return error_set(err, ERROR_INTERNAL, "a row of the server has %zu columns, not %zu", i,
                             table->column_count);
        bool is_null = end - at >= 2 && at[0] == '\\' && at[1] == 'N';
        char *next;
        size_t len = take_field(at, end, &next);
        if (is_null)
            rows->values[i] = (struct value){.kind = VALUE_NULL};
        else if (!postgres_type_convert(rows->relation->types[i], at, (uint32_t)len, &rows->arena, &rows->values[i]))
            rows->nulled++;
        at = next + 1;
    }
    return true;
}

static bool read_rows(struct postgres_conn *conn, struct row_reader *rows, source_row_fn row, void *context,
                      struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "COPY (");
    append_select(rows->relation, &sql);
    buf_append_text(&sql, ") TO STDOUT");
    bool ok = postgres_conn_begin_copy(conn, sql.data, err);
    buf_deinit(&sql);
    for (bool more = ok; more;) {
        struct slice line;
        /* After a failure the rest is read and dropped: the reader is wanted for other tables. */
        if (!postgres_conn_next_copy(conn, &line, &more, ok ? err : NULL))
            return false;
        ok = ok && (!more || (take_row(rows, line, err) &&
                              row(context, rows->values, rows->relation->table->column_count, err)));
    }
    return ok;
}

static bool read_table(struct postgres_snapshot *snapshot, struct postgres_conn *conn, const struct table *table,
                       source_row_fn row, void *context, struct error *err) {
    struct arena arena;
    struct postgres_relation *relation;
    arena_init(&arena);
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    postgres_append_table(&name, table->schema, table->name);
    bool ok = postgres_conn_run(conn, err, "LOCK TABLE %s IN ACCESS SHARE MODE", name.data) &&
              compare(snapshot, conn, table, &arena, &relation, err);
    buf_deinit(&name);
    if (ok) {
        struct row_reader rows = {.relation = relation};
        rows.values = arena_alloc(&arena, (table->column_count + 1) * sizeof *rows.values);
        arena_init(&rows.arena);
        buf_init(&rows.text, BUF_MAX_DEFAULT);
        ok = read_rows(conn, &rows, row, context, err);
        atomic_fetch_add(&snapshot->source->nulled, rows.nulled);
        buf_deinit(&rows.text);
        arena_deinit(&rows.arena);
    }
    arena_deinit(&arena);
    return ok;
}

static bool is_gone(const struct error *err) {
    return err->code == POSTGRES_ERROR_NO_TABLE || err->code == POSTGRES_ERROR_NO_COLUMN;
}

/* Between tables a reader goes back to a savepoint: the snapshot stays, and the lock of the table that was read, behind which
 * an ALTER TABLE would wait, is released. */
bool postgres_snapshot_read(struct source_snapshot *base, unsigned reader, const struct table *table, source_row_fn row,
                            void *context, struct error *err) {
    struct postgres_snapshot *snapshot = (struct postgres_snapshot *)base;
    struct postgres_conn *conn = snapshot->readers[reader];
    bool ok = postgres_conn_run(conn, err, "SAVEPOINT sluice");
    bool began = ok;
    ok = ok && read_table(snapshot, conn, table, row, context, err);
    if (!ok && is_gone(err))
        err->kind = ERROR_RETRY;
    /* A privilege that one table lacks stops this table, not the others. */
    if (!ok && err->code == POSTGRES_ERROR_PRIVILEGE)
        err->kind = ERROR_DATA;
    struct error ignored;
    bool released = !began || postgres_conn_run(conn, ok ? err : &ignored, "ROLLBACK TO SAVEPOINT sluice");
    return (ok && released) || error_prefix(err, "reading %s.%s", table->schema, table->name);
}
