/* MySQL and MariaDB as a source: the connection for questions, positions, and the list of operations. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/mysql_log.h"
#include "source/mysql_schema.h"
#include "source/mysql_source.h"

/* ---- the shared connection */

struct mysql_conn *mysql_source_lock(struct mysql_source *source, struct error *err) {
    pthread_mutex_lock(&source->shared.mutex);
    if (source->shared.conn != NULL && mysql_conn_is_alive(source->shared.conn))
        return source->shared.conn;
    mysql_conn_close(source->shared.conn);
    source->shared.conn = NULL;
    if (!mysql_conn_open(&source->config->source, &source->shared.conn, err))
        pthread_mutex_unlock(&source->shared.mutex);
    return source->shared.conn;
}

void mysql_source_unlock(struct mysql_source *source) { pthread_mutex_unlock(&source->shared.mutex); }

uint32_t mysql_source_server_id(const struct config *config) {
    if (config->source.server_id != 0)
        return (uint32_t)config->source.server_id;
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (const char *p = config->task != NULL ? config->task : ""; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619U;
    return 0x40000000U + hash % 0xbffffff0U;
}

static bool open_source(const struct config *config, struct source **out, struct error *err) {
    struct mysql_conn *conn;
    if (!mysql_conn_open(&config->source, &conn, err))
        return false;
    struct mysql_source *source = mem_zalloc(sizeof *source);
    source->base.ops = mysql_conn_server(conn)->mariadb ? &source_mariadb_ops : &source_mysql_ops;
    source->config = config;
    source->shared.conn = conn;
    pthread_mutex_init(&source->shared.mutex, NULL);
    *out = &source->base;
    return true;
}

static void close_source(struct source *base) {
    struct mysql_source *source = (struct mysql_source *)base;
    mysql_conn_close(source->shared.conn);
    pthread_mutex_destroy(&source->shared.mutex);
    mem_free(source);
}

/* ---- tables */

static bool list_tables(struct mysql_conn *conn, const struct config *config, struct arena *arena, struct table ***out,
                        size_t *count, struct error *err) {
    struct mysql_collations collations;
    struct mysql_schema_name *names = NULL;
    size_t name_count = 0;
    bool ok = mysql_collations_init(&collations, conn, err) &&
              mysql_schema_list(conn, &config->source, arena, &names, &name_count, err);
    *out = arena_alloc(arena, (name_count + 1) * sizeof **out);
    *count = 0;
    for (size_t i = 0; ok && i < name_count; i++) {
        struct mysql_schema *schema;
        ok = mysql_schema_read(conn, &collations, arena, names[i].schema, names[i].name, &schema, err);
        struct error unreadable;
        if (!ok || schema == NULL) /* dropped in between */
            continue;
        if (mysql_schema_to_table(schema, arena, &(*out)[*count], &unreadable))
            ++*count;
        else
            log_warning("%s; it is left out", unreadable.message);
    }
    mysql_collations_deinit(&collations);
    return ok;
}

static bool list_source_tables(struct source *base, struct arena *arena, struct table ***out, size_t *count,
                               struct error *err) {
    struct mysql_source *source = (struct mysql_source *)base;
    struct mysql_conn *conn = mysql_source_lock(source, err);
    if (conn == NULL)
        return false;
    bool ok = list_tables(conn, source->config, arena, out, count, err);
    mysql_source_unlock(source);
    return ok;
}

/* ---- positions */

static const char *log_status_statement(const struct mysql_server *server) {
    return !server->mariadb && server->version >= 80200 ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

bool mysql_source_add_mariadb_gtid(struct mysql_conn *conn, struct mysql_position *position, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT BINLOG_GTID_POS(");
    mysql_append_text(&sql, position->file);
    buf_printf(&sql, ", %llu) AS gtid", (unsigned long long)position->pos);
    struct mysql_result result;
    bool ok = mysql_conn_query(conn, &arena, &result, err, "%s", sql.data);
    const char *gtid = ok ? mysql_result_named(&result, "gtid") : NULL;
    if (gtid != NULL) /* NULL: not a position of the log */
        ok = mysql_position_set_gtid(position, gtid, err);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return ok;
}

bool mysql_source_log_end(struct mysql_conn *conn, struct mysql_position *out, struct error *err) {
    const struct mysql_server *server = mysql_conn_server(conn);
    struct arena arena;
    arena_init(&arena);
    struct mysql_result result;
    bool ok = mysql_conn_query(conn, &arena, &result, err, "%s", log_status_statement(server));
    if (!ok) {
        error_prefix(err, "asking for the end of the binlog");
    } else if (result.row_count == 0) {
        ok = error_set(err, ERROR_CONFIG, "the server writes no binlog: start it with --log-bin");
    } else {
        const char *file = mysql_result_named(&result, "File"), *pos = mysql_result_named(&result, "Position");
        const char *set = mysql_result_named(&result, "Executed_Gtid_Set");
        mysql_position_set_server(out, server);
        mysql_position_set_file(out, slice_of(file), strtoull(pos, NULL, 10));
        if (server->mariadb)
            ok = mysql_source_add_mariadb_gtid(conn, out, err);
        else if (server->gtid_mode && set != NULL)
            ok = mysql_position_set_gtid(out, set, err);
    }
    arena_deinit(&arena);
    return ok;
}

static bool current_position(struct source *base, struct arena *arena, const char **out, struct error *err) {
    struct mysql_source *source = (struct mysql_source *)base;
    struct mysql_conn *conn = mysql_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct mysql_position position;
    mysql_position_init(&position);
    struct mysql_conn *guest = NULL;
    bool ok = mysql_source_log_end(conn, &position, err);
    mysql_source_unlock(source);
    ok = ok && mysql_conn_open(&source->config->source, &guest, err) && mysql_log_find_created(guest, &position, err);
    mysql_conn_close(guest);
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    if (ok) {
        mysql_position_format(&position, &text);
        *out = arena_strndup(arena, text.data, text.len);
    }
    buf_deinit(&text);
    mysql_position_deinit(&position);
    return ok;
}

static bool position_reached(struct source *base, const char *position, const char *target, bool *out,
                             struct error *err) {
    (void)base;
    struct mysql_position mine, theirs;
    mysql_position_init(&mine);
    mysql_position_init(&theirs);
    bool ok = mysql_position_parse(&mine, position, err) && mysql_position_parse(&theirs, target, err) &&
              mysql_position_reached(&mine, &theirs, out, err);
    mysql_position_deinit(&mine);
    mysql_position_deinit(&theirs);
    return ok;
}

static json_t *counters(struct source *base) {
    struct mysql_source *source = (struct mysql_source *)base;
    uint64_t zero_dates = atomic_load(&source->zero_dates);
    return zero_dates > 0 ? json_pack("{s:I}", "zero dates as NULL", (json_int_t)zero_dates) : json_object();
}

/* ---- operations */

#define MYSQL_OPERATIONS                                                                                               \
    .open = open_source, .close = close_source, .check = mysql_check, .warn = mysql_warn,                              \
    .list_tables = list_source_tables, .snapshot_open = mysql_snapshot_open,                                           \
    .snapshot_position = mysql_snapshot_position, .snapshot_read = mysql_snapshot_read,                                \
    .snapshot_close = mysql_snapshot_close, .stream_open = mysql_stream_open, .stream_next = mysql_stream_next,        \
    .stream_close = mysql_stream_close, .current_position = current_position, .position_reached = position_reached,    \
    .counters = counters

const struct source_ops source_mysql_ops = {.name = "mysql", MYSQL_OPERATIONS};
const struct source_ops source_mariadb_ops = {.name = "mariadb", MYSQL_OPERATIONS};
