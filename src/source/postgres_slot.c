#include "source/postgres_slot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/postgres_catalog.h"

enum { LOCK_TIMEOUT_MS = 5000 }; /* others wait behind our lock for so long */

/* ---- the slot */

/* invalidation_reason is there from PostgreSQL 17 on, conflicting from 16 on, wal_status from 13 on. */
static const char *slot_columns(unsigned version) {
    if (version >= 170000)
        return "wal_status, invalidation_reason";
    if (version >= 160000)
        return "wal_status, CASE WHEN conflicting THEN 'rows_removed' END";
    return version >= 130000 ? "wal_status, NULL" : "NULL, NULL";
}

/* Documentation, pg_replication_slots. */
static const char *lost_reason(const char *status, const char *invalidation, bool has_restart) {
    if (invalidation != NULL && strcmp(invalidation, "wal_removed") != 0)
        return invalidation;
    if (invalidation != NULL || (status != NULL && strcmp(status, "lost") == 0))
        return "it held more log than max_slot_wal_keep_size, and the server removed it";
    return has_restart ? NULL : "the server gave up the log that it held";
}

bool postgres_slot_read(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                        struct postgres_slot *out, bool *found, struct error *err) {
    struct postgres_result row;
    *out = (struct postgres_slot){0};
    bool ok = postgres_conn_query(
        conn, arena, &row, err,
        "SELECT plugin, database, confirmed_flush_lsn, restart_lsn, active_pid, temporary, "
        "pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() "
        "ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)::bigint, %s "
        "FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
        slot_columns(postgres_conn_server(conn)->version), source->slot_name);
    *found = ok && row.row_count > 0;
    if (!*found)
        return ok || error_prefix(err, "the replication slot %s", source->slot_name);
    const char *confirmed = postgres_result_cell(&row, 0, 2), *restart = postgres_result_cell(&row, 0, 3);
    const char *pid = postgres_result_cell(&row, 0, 4), *held = postgres_result_cell(&row, 0, 6);
    out->plugin = postgres_result_cell(&row, 0, 0);
    out->database = postgres_result_cell(&row, 0, 1);
    out->has_position = confirmed != NULL && postgres_lsn_parse(confirmed, &out->confirmed_lsn);
    bool has_restart = restart != NULL && postgres_lsn_parse(restart, &out->restart_lsn);
    out->active_pid = pid != NULL ? atoi(pid) : 0;
    out->temporary = postgres_result_is(&row, 0, 5);
    out->held_bytes = held != NULL ? strtoll(held, NULL, 10) : 0;
    out->status = postgres_result_cell(&row, 0, 7);
    out->lost = lost_reason(out->status, postgres_result_cell(&row, 0, 8), has_restart);
    return true;
}

bool postgres_slot_is_ours(const struct postgres_source *source, const struct postgres_slot *slot, struct error *err) {
    const char *name = source->slot_name, *database = source->config->source.database;
    static const char mend[] = "name another with source.slot_name, or drop it: SELECT pg_drop_replication_slot";
    if (slot->plugin == NULL)
        return error_set(err, ERROR_CONFIG, "the replication slot %s is a physical one; %s('%s')", name, mend, name);
    if (strcmp(slot->plugin, "pgoutput") != 0)
        return error_set(err, ERROR_CONFIG, "the replication slot %s is of the plugin %s, must be pgoutput; %s('%s')",
                         name, slot->plugin, mend, name);
    if (strcmp(slot->database, database) != 0)
        return error_set(err, ERROR_CONFIG, "the replication slot %s is of the database %s, not %s; %s('%s')", name,
                         slot->database, database, mend, name);
    if (slot->temporary)
        return error_set(err, ERROR_CONFIG, "the replication slot %s is temporary, another session's; %s('%s')", name,
                         mend, name);
    return true;
}

/* From 17 on a standby keeps a copy of it (sync_replication_slots), so that capture goes on there after a failover. */
static bool create_slot(struct postgres_source *source, struct postgres_conn *conn, struct error *err) {
    const struct postgres_server *server = postgres_conn_server(conn);
    struct arena arena;
    arena_init(&arena);
    bool failover = server->version >= 170000 && !server->in_recovery;
    const char *sql = arena_printf(&arena, "SELECT pg_catalog.pg_create_logical_replication_slot('%s', 'pgoutput'%s)",
                                   source->slot_name, failover ? ", false, false, true" : "");
    const char *what = arena_printf(&arena,
                                    "making the replication slot %s: the server waits for the end of all "
                                    "transactions that run now (pg_stat_activity shows them)",
                                    source->slot_name);
    bool ok = postgres_conn_run_long(conn, what, err, sql);
    arena_deinit(&arena);
    if (ok)
        log_info("made the replication slot %s; the server keeps its log for it until `sluice drop-slot`",
                 source->slot_name);
    return ok || error_prefix(err, "making the replication slot %s", source->slot_name);
}

static bool drop_slot(struct postgres_source *source, struct postgres_conn *conn, struct error *err) {
    return postgres_conn_run(conn, err, "SELECT pg_catalog.pg_drop_replication_slot('%s')", source->slot_name) ||
           error_prefix(err, "dropping the replication slot %s", source->slot_name);
}

/* ---- the publication */

void postgres_append_publication(const struct postgres_source *source, const struct postgres_server *server,
                                 const char *const *names, size_t count, struct buf *sql) {
    buf_append_text(sql, "CREATE PUBLICATION ");
    buf_append_sql_name(sql, source->publication);
    for (size_t i = 0; i < count; i++)
        buf_printf(sql, "%s%s", i == 0 ? " FOR TABLE " : ", ", names[i]);
    if (server->version >= 130000)
        buf_append_text(sql, " WITH (publish_via_partition_root = true");
    if (server->version >= 180000)
        buf_append_text(sql, ", publish_generated_columns = stored");
    if (server->version >= 130000)
        buf_append_text(sql, ")");
}

struct publication {
    bool exists, all_tables;
};

static bool read_publication(struct postgres_source *source, struct postgres_conn *conn, struct publication *out,
                             struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct postgres_result row;
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    postgres_append_text(&name, source->publication);
    bool ok = postgres_conn_query(conn, &arena, &row, err,
                                  "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = %s", name.data);
    out->exists = ok && row.row_count > 0;
    out->all_tables = out->exists && postgres_result_is(&row, 0, 0);
    buf_deinit(&name);
    arena_deinit(&arena);
    return ok;
}

/* The chosen tables that it lacks. One without a replica identity would refuse UPDATE and DELETE once it is in. */
static bool find_missing(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena, bool exists,
                         const char ***out, size_t *count, struct error *err) {
    struct postgres_relation *relations;
    size_t relation_count;
    if (!postgres_catalog_list(source, conn, arena, &relations, &relation_count, err))
        return false;
    *out = arena_alloc(arena, (relation_count + 1) * sizeof **out);
    *count = 0;
    for (size_t i = 0; i < relation_count; i++) {
        if ((exists && relations[i].published) || !relations[i].identified)
            continue;
        struct buf name;
        buf_init(&name, BUF_MAX_DEFAULT);
        postgres_append_table(&name, relations[i].table->schema, relations[i].table->name);
        (*out)[(*count)++] = arena_strndup(arena, name.data, name.len);
        buf_deinit(&name);
    }
    return true;
}

static bool create_publication(struct postgres_source *source, struct postgres_conn *conn, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    const char **names;
    size_t count;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = find_missing(source, conn, &arena, false, &names, &count, err);
    if (ok) {
        postgres_append_publication(source, postgres_conn_server(conn), names, count, &sql);
        ok = source->config->source.create_publication
                 ? postgres_conn_run(conn, err, "%s", sql.data)
                 : error_set(err, ERROR_CONFIG, "there is none, and source.create_publication is false");
        if (!ok)
            error_prefix(err, "the publication %s (to be made by the owner of the tables, or a superuser: %.600s)",
                         source->publication, sql.data);
    }
    if (ok)
        log_info("made the publication %s of %zu tables", source->publication, count);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return ok;
}

/* In one transaction with a lock that waits for the table's writers to end: what a transaction wrote to it before it was in
 * the publication would not come, even if it commits after the full load's snapshot. */
static bool add_table(struct postgres_source *source, struct postgres_conn *conn, const char *name, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_printf(&sql, "SET LOCAL lock_timeout = %d; LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE; ALTER PUBLICATION ",
               LOCK_TIMEOUT_MS, name);
    buf_append_sql_name(&sql, source->publication);
    buf_printf(&sql, " ADD TABLE %s", name);
    bool ok = postgres_conn_run(conn, err, "%s", sql.data);
    buf_deinit(&sql);
    return ok;
}

/* A table that we may not add is left out, and postgres_warn says so. */
static bool extend_publication(struct postgres_source *source, struct postgres_conn *conn, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    const char **names;
    size_t count;
    bool ok = find_missing(source, conn, &arena, true, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        struct error why;
        if (add_table(source, conn, names[i], &why))
            log_info("added table %s to the publication %s", names[i], source->publication);
        else if (!postgres_conn_is_alive(conn) || why.kind == ERROR_CANCELLED)
            ok = (*err = why, false);
        else
            log_warning("table %s cannot be added to the publication: %s", names[i], why.message);
    }
    arena_deinit(&arena);
    return ok;
}

static bool prepare_publication(struct postgres_source *source, struct postgres_conn *conn, bool begins,
                                const char **lost, struct arena *arena, struct error *err) {
    struct publication publication;
    if (!read_publication(source, conn, &publication, err))
        return false;
    if (!publication.exists && !begins) {
        *lost = arena_printf(
            arena,
            "the publication %s is gone (or never was: --full-load-only makes none): what changed since then came "
            "with no table's name",
            source->publication);
        return true;
    }
    if (!publication.exists)
        return create_publication(source, conn, err);
    return publication.all_tables || !source->config->source.create_publication ||
           extend_publication(source, conn, err);
}

/* ---- a task begins, or goes on */

static bool begin_log(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                      const char **start, struct error *err) {
    struct postgres_slot slot;
    bool found;
    if (!postgres_slot_read(source, conn, arena, &slot, &found, err) ||
        (found && !postgres_slot_is_ours(source, &slot, err)))
        return false;
    if (found && slot.lost != NULL) {
        log_warning("the replication slot %s is of no use any more: %s; it is made anew", source->slot_name, slot.lost);
        if (!drop_slot(source, conn, err))
            return false;
        found = false;
    }
    if (!found) {
        if (!source->config->source.create_slot)
            return error_set(err, ERROR_CONFIG,
                             "there is no replication slot %s, and source.create_slot is false: SELECT "
                             "pg_create_logical_replication_slot('%s', 'pgoutput') makes it",
                             source->slot_name, source->slot_name);
        if (!create_slot(source, conn, err) || !postgres_slot_read(source, conn, arena, &slot, &found, err))
            return false;
    }
    if (!found || !slot.has_position)
        return error_set(err, ERROR_RETRY, "the replication slot %s went away", source->slot_name);
    *start = postgres_position_format(&(struct postgres_position){.lsn = slot.confirmed_lsn}, arena);
    return true;
}

static bool check_log(struct postgres_source *source, struct postgres_conn *conn, const char *position,
                      struct arena *arena, const char **lost, struct error *err) {
    struct postgres_position from;
    struct postgres_slot slot;
    bool found;
    if (!postgres_position_parse(&from, position, arena, err) ||
        !postgres_slot_read(source, conn, arena, &slot, &found, err) ||
        (found && !postgres_slot_is_ours(source, &slot, err)))
        return false;
    char from_text[POSTGRES_LSN_BYTES], slot_text[POSTGRES_LSN_BYTES];
    postgres_lsn_format(from.lsn, from_text);
    postgres_lsn_format(slot.confirmed_lsn, slot_text);
    if (!found)
        *lost = arena_printf(arena,
                             "the replication slot %s is gone (or never was: --full-load-only makes none), and with it "
                             "the log from %s on",
                             source->slot_name, from_text);
    else if (slot.lost != NULL)
        *lost = arena_printf(arena, "the replication slot %s has lost the log from %s on: %s", source->slot_name,
                             from_text, slot.lost);
    else if (slot.has_position && slot.confirmed_lsn > from.lsn)
        *lost = arena_printf(arena,
                             "the replication slot %s begins at %s, and the state knows the log up to %s only: what "
                             "lies between was confirmed by another reader, or the slot was made anew, or the state "
                             "was set back",
                             source->slot_name, slot_text, from_text);
    return true;
}

bool postgres_prepare_log(struct source *base, const char *position, struct arena *arena, const char **start,
                          const char **lost, struct error *err) {
    struct postgres_source *source = (struct postgres_source *)base;
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    *start = *lost = NULL;
    /* The publication first: what was written before it was made comes without its tables. */
    bool ok = prepare_publication(source, conn, position == NULL, lost, arena, err);
    if (ok && *lost == NULL)
        ok = position == NULL ? begin_log(source, conn, arena, start, err)
                              : check_log(source, conn, position, arena, lost, err);
    postgres_source_unlock(source);
    return ok;
}

/* ---- on request */

bool postgres_drop_log(struct source *base, struct arena *arena, const char **said, struct error *err) {
    struct postgres_source *source = (struct postgres_source *)base;
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct postgres_slot slot;
    bool found, ok = postgres_slot_read(source, conn, arena, &slot, &found, err) &&
                     (!found || postgres_slot_is_ours(source, &slot, err));
    if (ok && found && slot.active_pid != 0)
        ok = error_set(err, ERROR_OUTSIDE,
                       "the replication slot %s is being read (by the server's process %d): stop that capture first",
                       source->slot_name, slot.active_pid);
    ok = ok && (!found || drop_slot(source, conn, err));
    if (ok && found)
        *said = arena_printf(arena,
                             "dropped the replication slot %s, which held back %lld bytes of log; the publication %s "
                             "stays (DROP PUBLICATION \"%s\")",
                             source->slot_name, (long long)slot.held_bytes, source->publication, source->publication);
    else if (ok)
        *said = arena_printf(arena, "there is no replication slot %s", source->slot_name);
    postgres_source_unlock(source);
    return ok;
}

bool postgres_emit_heartbeat(struct postgres_source *source, struct error *err) {
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    bool ok = postgres_conn_server(conn)->in_recovery ||
              postgres_conn_run(conn, err, "SELECT pg_catalog.pg_logical_emit_message(false, 'sluice', '')");
    postgres_source_unlock(source);
    return ok;
}
