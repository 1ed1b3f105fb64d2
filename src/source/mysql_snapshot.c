/* Full loads: connections that read one consistent snapshot each, and the binlog position that belongs to it.
 *
 *   servers that know it (MariaDB, Percona Server)   each reader asks, inside its snapshot, where in the binlog that is
 *                                                    (binlog_snapshot_file, binlog_snapshot_position): no lock at all
 *   others                                           FLUSH TABLES WITH READ LOCK, held while the readers begin their
 *                                                    snapshots and the position is read: milliseconds
 *   without the RELOAD privilege                     LOCK TABLES … READ of the chosen tables, in the same way
 *
 * A lock waits for statements that run and makes new ones wait behind it: it is only asked for when nothing long runs, with
 * a short timeout, and tried again with growing pauses. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/log.h"
#include "mapping/mapping.h"
#include "source/mysql_filter.h"
#include "source/mysql_log.h"
#include "source/mysql_schema.h"
#include "source/mysql_source.h"
#include "source/mysql_text.h"

enum {
    LOCK_ATTEMPTS = 8,
    LOCK_TIMEOUT_S = 3,
    LOCK_PAUSE_MS = 500,   /* doubled after each attempt */
    LONG_STATEMENT_S = 2,  /* a lock would wait for statements that run for so long already */
    SQL_TABLE_GONE = 1146, /* dropped or renamed since the list of tables */
    SQL_COLUMN_GONE = 1054,
};

struct reader {
    struct mysql_conn *conn;
    struct mysql_position position;
    struct buf text; /* of the position */
};

struct mysql_snapshot {
    struct source_snapshot base;
    struct mysql_source *source;
    struct reader *readers;
    unsigned count;
};

/* ---- without a lock */

/* Where in the binlog the reader's snapshot is; *known false when the server cannot tell. */
static bool ask_snapshot_position(struct reader *reader, bool *known, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct mysql_result result;
    const char *file = NULL, *pos = NULL;
    bool ok = mysql_conn_query(reader->conn, &arena, &result, err, "SHOW STATUS LIKE 'binlog\\_snapshot\\_%%'");
    for (size_t i = 0; ok && i < result.row_count; i++) {
        const char *name = mysql_result_cell(&result, i, 0);
        if (strcasecmp(name, "binlog_snapshot_file") == 0)
            file = mysql_result_cell(&result, i, 1);
        else if (strcasecmp(name, "binlog_snapshot_position") == 0)
            pos = mysql_result_cell(&result, i, 1);
    }
    *known = file != NULL && *file != '\0' && pos != NULL;
    if (*known) {
        mysql_position_set_server(&reader->position, mysql_conn_server(reader->conn));
        mysql_position_set_file(&reader->position, slice_of(file), strtoull(pos, NULL, 10));
    }
    arena_deinit(&arena);
    return ok;
}

static bool begin_snapshot(struct reader *reader, struct error *err) {
    return mysql_conn_run(reader->conn, err, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
}

static int compare_readers(const void *a, const void *b) {
    const struct reader *left = a, *right = b;
    bool left_reached = false, right_reached = false;
    struct error ignored; /* the positions are of one server: they compare */
    mysql_position_reached(&left->position, &right->position, &left_reached, &ignored);
    mysql_position_reached(&right->position, &left->position, &right_reached, &ignored);
    return (left_reached && !right_reached) - (right_reached && !left_reached);
}

/* *known false: this server needs a lock. */
static bool begin_without_lock(struct mysql_snapshot *snapshot, bool *known, struct error *err) {
    *known = true;
    for (unsigned i = 0; *known && i < snapshot->count; i++) {
        struct reader *reader = &snapshot->readers[i];
        if (!begin_snapshot(reader, err) || !ask_snapshot_position(reader, known, err))
            return false;
        if (!*known)
            return mysql_conn_run(reader->conn, err, "ROLLBACK");
        /* Percona Server tells no GTIDs: those of its file and position are only known under a lock. */
        if (!mysql_conn_server(reader->conn)->mariadb && mysql_conn_server(reader->conn)->gtid_mode) {
            *known = false;
            return mysql_conn_run(reader->conn, err, "ROLLBACK");
        }
    }
    for (unsigned i = 0; i < snapshot->count; i++)
        if (mysql_conn_server(snapshot->readers[i].conn)->mariadb &&
            !mysql_source_add_mariadb_gtid(snapshot->readers[i].conn, &snapshot->readers[i].position, err))
            return false;
    qsort(snapshot->readers, snapshot->count, sizeof *snapshot->readers, compare_readers);
    return true;
}

/* ---- with a lock */

/* A foreign statement that runs for long, as far as the user may see; in the arena, or NULL. */
static const char *find_long_statement(struct mysql_conn *conn, struct arena *arena) {
    struct mysql_result result;
    struct error ignored;
    if (!mysql_conn_query(conn, arena, &result, &ignored, "SHOW PROCESSLIST"))
        return NULL;
    for (size_t i = 0; i < result.row_count; i++) {
        const char *user = mysql_result_cell(&result, i, 1);
        const char *command = mysql_result_cell(&result, i, 4), *time = mysql_result_cell(&result, i, 5);
        const char *info = mysql_result_cell(&result, i, 7);
        if (user != NULL && strcmp(user, "system user") == 0) /* replication, which shows its age */
            continue;
        if (command != NULL && (strcmp(command, "Query") == 0 || strcmp(command, "Execute") == 0) && time != NULL &&
            atoi(time) >= LONG_STATEMENT_S)
            return info != NULL ? info : command;
    }
    return NULL;
}

static void append_lock_tables(struct buf *sql, const struct table *const *tables, size_t count) {
    buf_append_text(sql, "LOCK TABLES");
    for (size_t i = 0; i < count; i++) {
        buf_append_text(sql, i == 0 ? " " : ", ");
        mysql_append_name(sql, tables[i]->schema);
        buf_append_char(sql, '.');
        mysql_append_name(sql, tables[i]->name);
        buf_append_text(sql, " READ");
    }
}

/* FLUSH TABLES WITH READ LOCK, or where the user may not, LOCK TABLES. */
static bool try_lock(struct mysql_conn *conn, const struct table *const *tables, size_t count, struct error *err) {
    if (mysql_conn_run(conn, err, "FLUSH TABLES WITH READ LOCK"))
        return true;
    if (err->kind != ERROR_CONFIG || count == 0)
        return false;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    append_lock_tables(&sql, tables, count);
    bool ok = mysql_conn_run(conn, err, "%s", sql.data);
    buf_deinit(&sql);
    if (!ok && err->kind == ERROR_CONFIG)
        error_prefix(
            err, "a full load needs a moment's lock: GRANT RELOAD ON *.* (or LOCK TABLES on the tables) to the user");
    return ok;
}

/* At most a few seconds of waiting at a time, so that a long statement does not stall the server behind our lock. */
static bool lock(struct mysql_conn *conn, const struct table *const *tables, size_t count, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    bool ok = mysql_conn_run(conn, err, "SET SESSION lock_wait_timeout = %d", LOCK_TIMEOUT_S);
    bool locked = false;
    long pause_ms = LOCK_PAUSE_MS;
    for (int attempt = 1; ok && !locked; attempt++, pause_ms *= 2) {
        /* Where something long always runs, the lock is tried all the same in the end: its timeout bounds the stall. */
        const char *running = attempt <= LOCK_ATTEMPTS / 2 ? find_long_statement(conn, &arena) : NULL;
        locked = running == NULL && try_lock(conn, tables, count, err);
        if (locked)
            break;
        if (running != NULL)
            error_set(err, ERROR_RETRY, "a statement runs for long, and a lock would have to wait for it: %.100s",
                      running);
        if (err->kind != ERROR_RETRY || attempt == LOCK_ATTEMPTS)
            ok = error_prefix(err, "locking for the snapshot");
        else if (!cancel_sleep_ms(pause_ms))
            ok = cancel_check(err);
    }
    arena_deinit(&arena);
    return ok;
}

static bool begin_under_lock(struct mysql_snapshot *snapshot, struct mysql_conn *conn,
                             const struct table *const *tables, size_t table_count, struct error *err) {
    if (!lock(conn, tables, table_count, err))
        return false;
    struct mysql_position position;
    mysql_position_init(&position);
    bool ok = true;
    for (unsigned i = 0; ok && i < snapshot->count; i++)
        ok = begin_snapshot(&snapshot->readers[i], err);
    ok = ok && mysql_source_log_end(conn, &position, err);
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    mysql_position_format(&position, &text);
    struct error unlock_error; /* the connection closes soon, and unlocks */
    mysql_conn_run(conn, &unlock_error, "UNLOCK TABLES");
    for (unsigned i = 0; ok && i < snapshot->count; i++)
        ok = mysql_position_parse(&snapshot->readers[i].position, text.data, err);
    buf_deinit(&text);
    mysql_position_deinit(&position);
    return ok;
}

/* ---- opening */

static bool open_readers(struct mysql_snapshot *snapshot, struct error *err) {
    for (unsigned i = 0; i < snapshot->count; i++) {
        struct reader *reader = &snapshot->readers[i];
        if (!mysql_conn_open(&snapshot->source->config->source, &reader->conn, err) ||
            !mysql_conn_run(reader->conn, err, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            return error_prefix(err, "reader %u of the snapshot", i + 1);
    }
    return true;
}

/* Between tables a reader goes back to here: the snapshot stays, and the metadata lock of the table that was read, behind
 * which an ALTER TABLE would wait, is released. */
static bool set_savepoints(struct mysql_snapshot *snapshot, struct error *err) {
    for (unsigned i = 0; i < snapshot->count; i++)
        if (!mysql_conn_run(snapshot->readers[i].conn, err, "SAVEPOINT sluice"))
            return false;
    return true;
}

/* When the file of the first position was made, which is where the stream will begin. */
static bool find_created(struct mysql_snapshot *snapshot, struct mysql_conn *conn, struct error *err) {
    struct mysql_position *first = &snapshot->readers[0].position;
    if (!mysql_log_find_created(conn, first, err))
        return false;
    for (unsigned i = 1; i < snapshot->count; i++)
        if (strcmp(snapshot->readers[i].position.file, first->file) == 0)
            snapshot->readers[i].position.created = first->created;
    return true;
}

static bool begin(struct mysql_snapshot *snapshot, struct mysql_conn *conn, const struct table *const *tables,
                  size_t table_count, struct error *err) {
    bool known;
    if (!open_readers(snapshot, err) || !begin_without_lock(snapshot, &known, err))
        return false;
    if (!known && !begin_under_lock(snapshot, conn, tables, table_count, err))
        return false;
    if (!find_created(snapshot, conn, err))
        return false;
    for (unsigned i = 0; i < snapshot->count; i++)
        mysql_position_format(&snapshot->readers[i].position, &snapshot->readers[i].text);
    return set_savepoints(snapshot, err);
}

bool mysql_snapshot_open(struct source *base, const struct table *const *tables, size_t table_count, unsigned readers,
                         struct source_snapshot **out, struct error *err) {
    struct mysql_snapshot *snapshot = mem_zalloc(sizeof *snapshot);
    snapshot->base.source = base;
    snapshot->source = (struct mysql_source *)base;
    snapshot->readers = mem_zalloc(readers * sizeof *snapshot->readers);
    snapshot->count = readers;
    for (unsigned i = 0; i < readers; i++) {
        mysql_position_init(&snapshot->readers[i].position);
        buf_init(&snapshot->readers[i].text, BUF_MAX_DEFAULT);
    }
    struct mysql_conn *conn = NULL; /* for the lock, which goes with it whatever happens, and for a look into the log */
    bool ok = mysql_conn_open(&snapshot->source->config->source, &conn, err) &&
              begin(snapshot, conn, tables, table_count, err);
    mysql_conn_close(conn);
    if (!ok) {
        mysql_snapshot_close(&snapshot->base);
        return error_prefix(err, "opening a snapshot");
    }
    *out = &snapshot->base;
    return true;
}

const char *mysql_snapshot_position(struct source_snapshot *base, unsigned reader) {
    return ((struct mysql_snapshot *)base)->readers[reader].text.data;
}

void mysql_snapshot_close(struct source_snapshot *base) {
    struct mysql_snapshot *snapshot = (struct mysql_snapshot *)base;
    for (unsigned i = 0; i < snapshot->count; i++) {
        mysql_conn_close(snapshot->readers[i].conn);
        mysql_position_deinit(&snapshot->readers[i].position);
        buf_deinit(&snapshot->readers[i].text);
    }
    mem_free(snapshot->readers);
    mem_free(snapshot);
}

/* ---- reading */

/* Takes the table's metadata lock, then compares: from here on nobody changes the table. */
static bool read_definition(struct reader *reader, const struct mysql_collations *collations, struct arena *arena,
                            const struct table *table, struct mysql_schema **out, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT 1 FROM ");
    mysql_append_name(&sql, table->schema);
    buf_append_char(&sql, '.');
    mysql_append_name(&sql, table->name);
    buf_append_text(&sql, " LIMIT 0");
    struct table *now = NULL;
    bool ok = mysql_conn_run(reader->conn, err, "%s", sql.data) &&
              mysql_schema_read(reader->conn, collations, arena, table->schema, table->name, out, err) &&
              (*out == NULL || mysql_schema_to_table(*out, arena, &now, err));
    buf_deinit(&sql);
    if (!ok)
        return false;
    return (now != NULL && mysql_schema_tables_equal(now, table)) ||
           error_set(err, ERROR_RETRY, "its definition changed since the snapshot began");
}

static bool prepare_text(struct reader *reader, struct mysql_collations *collations, const struct mysql_schema *schema,
                         struct mysql_text **out, struct error *err) {
    for (size_t i = 0; i < schema->column_count; i++)
        if (!mysql_collations_prepare(collations, reader->conn, schema->columns[i].column.collation, err))
            return false;
    return mysql_text_new(schema, collations, out, err);
}

static bool read_rows(struct reader *reader, struct mysql_text *text, const struct mapping_filter *filter,
                      source_row_fn row, void *context, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    mysql_text_append_select(text, &sql);
    mysql_filter_append_where(&sql, filter, mysql_text_schema(text));
    bool ok = mysql_conn_begin_rows(reader->conn, sql.data, err);
    buf_deinit(&sql);
    const struct mysql_schema *schema = mysql_text_schema(text);
    for (bool more = ok; more;) {
        char **cells;
        unsigned long *lengths;
        const struct value *values;
        /* After a failure the rest is read and dropped: the reader is wanted for other tables. */
        if (!mysql_conn_next_row(reader->conn, &cells, &lengths, &more, ok ? err : NULL))
            return false;
        ok = ok && (!more || (mysql_text_row(text, cells, lengths, &values, err) &&
                              row(context, values, schema->column_count, err)));
    }
    return ok;
}

static bool read_table(struct mysql_snapshot *snapshot, struct reader *reader, const struct table *table,
                       source_row_fn row, void *context, struct error *err) {
    struct mysql_collations collations;
    struct mysql_schema *schema;
    struct mysql_text *text = NULL;
    const struct mapping_filter *filter;
    struct arena arena;
    arena_init(&arena);
    bool ok = mysql_collations_init(&collations, reader->conn, err) &&
              read_definition(reader, &collations, &arena, table, &schema, err) &&
              mapping_bind_filter(snapshot->source->config->source.mapping, &arena, table, &filter, err) &&
              prepare_text(reader, &collations, schema, &text, err) &&
              read_rows(reader, text, filter, row, context, err);
    if (text != NULL)
        atomic_fetch_add(&snapshot->source->zero_dates, mysql_text_zero_dates(text));
    mysql_text_free(text);
    arena_deinit(&arena);
    mysql_collations_deinit(&collations);
    return ok;
}

bool mysql_snapshot_read(struct source_snapshot *base, unsigned index, const struct table *table, source_row_fn row,
                         void *context, struct error *err) {
    struct mysql_snapshot *snapshot = (struct mysql_snapshot *)base;
    struct reader *reader = &snapshot->readers[index];
    bool ok = read_table(snapshot, reader, table, row, context, err);
    if (!ok && (err->code == SQL_TABLE_GONE || err->code == SQL_COLUMN_GONE))
        err->kind = ERROR_RETRY;
    struct error ignored;
    bool released = mysql_conn_run(reader->conn, ok ? err : &ignored, "ROLLBACK TO SAVEPOINT sluice");
    return (ok && released) || error_prefix(err, "reading %s.%s", table->schema, table->name);
}
