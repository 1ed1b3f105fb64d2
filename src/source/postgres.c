/* PostgreSQL as a source: the connection for questions, positions, and the list of operations. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/postgres_catalog.h"
#include "source/postgres_check.h"
#include "source/postgres_slot.h"
#include "source/postgres_snapshot.h"
#include "source/postgres_source.h"
#include "source/postgres_stream.h"

enum { NAME_BYTES_MAX = 63 }; /* NAMEDATALEN - 1 */

/* ---- the shared connection */

struct postgres_conn *postgres_source_lock(struct postgres_source *source, struct error *err) {
    pthread_mutex_lock(&source->shared.mutex);
    if (source->shared.conn != NULL && postgres_conn_is_alive(source->shared.conn))
        return source->shared.conn;
    postgres_conn_close(source->shared.conn);
    source->shared.conn = NULL;
    if (!postgres_conn_open(&source->config->source, POSTGRES_CONN_SQL, &source->shared.conn, err))
        pthread_mutex_unlock(&source->shared.mutex);
    return source->shared.conn;
}

void postgres_source_unlock(struct postgres_source *source) { pthread_mutex_unlock(&source->shared.mutex); }

/* sluice_<task>, with the letters that names of slots may have. */
static const char *default_name(struct arena *arena, const char *task) {
    char *name = arena_printf(arena, "sluice_%s", task);
    for (char *p = name; *p != '\0'; p++)
        *p = isalnum((unsigned char)*p) ? (char)tolower((unsigned char)*p) : '_';
    if (strlen(name) > NAME_BYTES_MAX)
        name[NAME_BYTES_MAX] = '\0';
    return name;
}

static bool open_source(const struct config *config, struct source **out, struct error *err) {
    struct postgres_conn *conn;
    if (!postgres_conn_open(&config->source, POSTGRES_CONN_SQL, &conn, err))
        return false;
    struct postgres_source *source = mem_zalloc(sizeof *source);
    source->base.ops = &source_postgres_ops;
    source->config = config;
    arena_init(&source->arena);
    const char *name = default_name(&source->arena, config->task);
    source->slot_name = config->source.slot_name != NULL ? config->source.slot_name : name;
    source->publication = config->source.publication != NULL ? config->source.publication : name;
    source->shared.conn = conn;
    pthread_mutex_init(&source->shared.mutex, NULL);
    *out = &source->base;
    return true;
}

static void close_source(struct source *base) {
    struct postgres_source *source = (struct postgres_source *)base;
    postgres_conn_close(source->shared.conn);
    pthread_mutex_destroy(&source->shared.mutex);
    arena_deinit(&source->arena);
    mem_free(source);
}

/* ---- tables */

/* Those that the publication has: of the others no change would ever come. */
static bool list_tables(struct source *base, struct arena *arena, struct table ***out, size_t *count,
                        struct error *err) {
    struct postgres_source *source = (struct postgres_source *)base;
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct postgres_relation *relations = NULL;
    size_t relation_count = 0;
    bool ok = postgres_catalog_list(source, conn, arena, &relations, &relation_count, err);
    postgres_source_unlock(source);
    *out = arena_alloc(arena, (relation_count + 1) * sizeof **out);
    *count = 0;
    for (size_t i = 0; ok && i < relation_count; i++)
        if (relations[i].published && relations[i].table->column_count > 0)
            (*out)[(*count)++] = relations[i].table;
    return ok;
}

/* ---- positions */

bool postgres_source_log_end(struct postgres_conn *conn, uint64_t *lsn, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct postgres_result result;
    bool ok = postgres_conn_query(conn, &arena, &result, err,
                                  "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN "
                                  "pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END");
    const char *text = ok ? postgres_result_cell(&result, 0, 0) : NULL;
    if (!ok)
        error_prefix(err, "asking for the end of the log");
    else if (text == NULL || !postgres_lsn_parse(text, lsn))
        ok = error_set(err, ERROR_OUTSIDE, "the server does not say where its log ends");
    arena_deinit(&arena);
    return ok;
}

static bool current_position(struct source *base, struct arena *arena, const char **out, struct error *err) {
    struct postgres_source *source = (struct postgres_source *)base;
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct postgres_position position = {0};
    bool ok = postgres_source_log_end(conn, &position.lsn, err);
    postgres_source_unlock(source);
    if (ok)
        *out = postgres_position_format(&position, arena);
    return ok;
}

/* A full load's position is reached behind everything that its snapshot may have seen. */
static bool position_reached(struct source *base, const char *position, const char *target, bool *out,
                             struct error *err) {
    (void)base;
    struct arena arena;
    struct postgres_position mine, theirs;
    arena_init(&arena);
    bool ok =
        postgres_position_parse(&mine, position, &arena, err) && postgres_position_parse(&theirs, target, &arena, err);
    *out = ok && mine.lsn >= (theirs.has_snapshot ? theirs.end_lsn : theirs.lsn);
    arena_deinit(&arena);
    return ok;
}

static json_t *counters(struct source *base) {
    uint64_t nulled = atomic_load(&((struct postgres_source *)base)->nulled);
    return nulled > 0 ? json_pack("{s:I}", "infinity and NaN as NULL", (json_int_t)nulled) : json_object();
}

/* ---- operations */

const struct source_ops source_postgres_ops = {
    .name = "postgres",
    .open = open_source,
    .close = close_source,
    .check = postgres_check,
    .warn = postgres_warn,
    .list_tables = list_tables,
    .prepare_log = postgres_prepare_log,
    .drop_log = postgres_drop_log,
    .snapshot_open = postgres_snapshot_open,
    .snapshot_position = postgres_snapshot_position,
    .snapshot_read = postgres_snapshot_read,
    .snapshot_close = postgres_snapshot_close,
    .stream_open = postgres_stream_open,
    .stream_next = postgres_stream_next,
    .stream_confirm = postgres_stream_confirm,
    .stream_close = postgres_stream_close,
    .current_position = current_position,
    .position_reached = position_reached,
    .counters = counters,
};
