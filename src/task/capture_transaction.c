/* Source events -> records in the tables' files.
 *
 * Rows are written as they come, so that memory does not grow with the transaction; nothing is visible before the batch is
 * committed, and a batch is committed only between transactions. A transaction that rolls back, or breaks off with the
 * connection, is forgotten by cutting each touched table's output back to its mark. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "task/capture_table.h"

/* --- marks of the transaction */

static void touch(struct capture *capture, struct capture_table *table) {
    if (table->touched)
        return;
    table->touched = true;
    table->mark = capture_table_mark(table);
    capture->touched =
        mem_grow(capture->touched, capture->touched_count, &capture->touched_capacity, sizeof(struct capture_table *));
    capture->touched[capture->touched_count++] = table;
}

static void forget_savepoints(struct capture *capture, size_t from) {
    for (size_t i = from; i < capture->savepoint_count; i++) {
        mem_free(capture->savepoints[i].name);
        mem_free(capture->savepoints[i].marks);
    }
    capture->savepoint_count = from;
}

static void end_transaction(struct capture *capture) {
    for (size_t i = 0; i < capture->touched_count; i++)
        capture->touched[i]->touched = false;
    capture->touched_count = 0;
    forget_savepoints(capture, 0);
    capture->in_transaction = false;
    capture->replaying = false;
    capture->recording = NULL;
}

bool capture_abandon_transaction(struct capture *capture, struct error *err) {
    bool ok = true;
    for (size_t i = 0; i < capture->touched_count; i++)
        ok = capture_table_rewind(capture->touched[i], &capture->touched[i]->mark, err) && ok;
    if (capture->recording != NULL)
        capture_prepared_remove(capture, capture->recording);
    end_transaction(capture);
    return ok;
}

static void set_savepoint(struct capture *capture, const char *name) {
    capture->savepoints = mem_grow(capture->savepoints, capture->savepoint_count, &capture->savepoint_capacity,
                                   sizeof *capture->savepoints);
    struct capture_savepoint *savepoint = &capture->savepoints[capture->savepoint_count++];
    *savepoint = (struct capture_savepoint){.name = mem_strdup(name), .mark_count = capture->touched_count};
    if (capture->recording != NULL)
        savepoint->recorded_bytes = capture_prepared_size(capture->recording);
    savepoint->marks = mem_alloc(capture->touched_count * sizeof *savepoint->marks);
    for (size_t i = 0; i < capture->touched_count; i++)
        savepoint->marks[i] = capture_table_mark(capture->touched[i]);
}

/* The newest savepoint of that name; tables touched after it go back to where the transaction found them. */
static bool rollback_to(struct capture *capture, const char *name, struct error *err) {
    size_t at = capture->savepoint_count;
    while (at > 0 && strcmp(capture->savepoints[at - 1].name, name) != 0)
        at--;
    if (at == 0)
        return error_set(err, ERROR_DATA, "the log rolls back to savepoint %s, which the transaction does not have",
                         name);
    const struct capture_savepoint *savepoint = &capture->savepoints[at - 1];
    for (size_t i = 0; i < capture->touched_count; i++) {
        struct capture_table *table = capture->touched[i];
        const struct capture_mark *mark = i < savepoint->mark_count ? &savepoint->marks[i] : &table->mark;
        if (!capture_table_rewind(table, mark, err))
            return false;
    }
    bool ok =
        capture->recording == NULL || capture_prepared_truncate(capture->recording, savepoint->recorded_bytes, err);
    forget_savepoints(capture, at);
    return ok;
}

/* --- events */

/* True in *applied when what the event says is in committed files already: a restart reads again from the oldest prepared
 * transaction that waits. */
static bool is_applied(struct capture *capture, const char *position, bool *applied, struct error *err) {
    *applied = false;
    if (!capture->catching_up)
        return true;
    bool reached;
    if (!source_position_reached(capture->source, position, capture->position, &reached, err))
        return false;
    *applied = !reached;
    return true;
}

/* The same for events whose position is behind them, not at their begin. */
static bool is_applied_up_to(struct capture *capture, const char *position, bool *applied, struct error *err) {
    *applied = false;
    return !capture->catching_up || source_position_reached(capture->source, capture->position, position, applied, err);
}

static bool begin(struct capture *capture, const struct source_event *event, struct error *err) {
    if (capture->in_transaction && !capture_abandon_transaction(capture, err))
        return false;
    capture->in_transaction = true;
    clock_format_sql(event->time_us, true, capture->commit_time_text);
    if (!is_applied(capture, event->position, &capture->replaying, err))
        return false;
    capture->catching_up = capture->catching_up && capture->replaying;
    if (event->name != NULL)
        capture->recording = capture_prepared_begin(capture, event->name, event->position);
    return true;
}

bool capture_transaction_write(struct capture *capture, struct capture_table *table, enum change_op op,
                               const struct value *values, const struct value *old, struct error *err) {
    touch(capture, table);
    return capture_table_write(capture, table, op, values, old, err) ||
           error_prefix(err, "table %s.%s", table->row.schema, table->row.name);
}

static bool row(struct capture *capture, const struct source_event *event, struct error *err) {
    assert(capture->in_transaction);
    if (event->table->stopped) /* by an earlier row of the same event */
        return true;
    if (capture->recording != NULL)
        return capture_prepared_add(capture, capture->recording, event, err);
    if (capture->replaying)
        return true;
    return capture_transaction_write(capture, capture_table_get(capture, event->table), event->op, event->values,
                                     event->old, err);
}

void capture_truncate_table(struct capture *capture, struct capture_table *table) {
    if (table->target == NULL) {
        log_warning("table %s.%s: nothing of it was captured yet, so there is nothing to truncate", table->row.schema,
                    table->row.name);
        return;
    }
    if (capture->in_transaction)
        touch(capture, table);
    table->truncate = (struct capture_truncate){.version = table->target, .outputs_before = table->output_count};
    capture->position_moved = true; /* there is something to commit */
}

/* The position behind what is finished, unless it was there already. */
static bool advance(struct capture *capture, const struct source_event *event) {
    if (capture->batch_started_ms == 0)
        capture->batch_started_ms = clock_monotonic_ms();
    return capture_set_position(capture, event->position, event->time_us);
}

static bool commit(struct capture *capture, const struct source_event *event) {
    bool applied = capture->replaying;
    end_transaction(capture);
    return applied || advance(capture, event);
}

static bool decide_prepared(struct capture *capture, const struct source_event *event, struct error *err) {
    bool applied;
    if (!is_applied_up_to(capture, event->position, &applied, err))
        return false;
    struct capture_prepared *prepared = capture_prepared_find(capture, event->name);
    if (prepared == NULL)
        log_warning("prepared transaction %s ends, but its beginning was before the start of this task", event->name);
    bool ok = true;
    if (prepared != NULL && !applied && event->kind == SOURCE_COMMIT_PREPARED) {
        capture->in_transaction = true;
        clock_format_sql(event->time_us, true, capture->commit_time_text);
        ok = capture_prepared_replay(capture, prepared, event->position, err);
        if (ok)
            end_transaction(capture);
    }
    if (!ok)
        return false;
    if (prepared != NULL)
        capture_prepared_remove(capture, prepared);
    return applied || advance(capture, event);
}

/* Rows changed without row events (a computed column was added, another table came under the name): what the batch has of
 * the table is part of what the full load reads now, so it is dropped. */
bool capture_reload_table(struct capture *capture, struct capture_table *table, const char *reason, struct error *err) {
    if (capture->cdc_only) {
        log_warning("table %s.%s: %s; its rows in the lake stay as they are (--cdc-only)", table->row.schema,
                    table->row.name, reason);
        return true;
    }
    log_info("table %s.%s is loaded in full again: %s", table->row.schema, table->row.name, reason);
    struct capture_mark empty = {0};
    if (!capture_table_rewind(table, &empty, err))
        return false;
    table->mark = empty;
    table->reload = true;
    table->row.full_load = FULL_LOAD_PENDING; /* a stop before it is done does not forget it */
    table->row_changed = true;
    return full_load_run(capture, table, err);
}

/* A table that appears in the log is loaded in full at once: its earlier rows may be older than what the log has
 * (RENAME TABLE, a wider filter). */
static bool table_version(struct capture *capture, const struct source_event *event, struct error *err) {
    struct capture_table *table = capture_table_get(capture, event->table);
    if (!table->known && !capture->cdc_only)
        return full_load_run(capture, table, err);
    bool fine;
    if (!capture_table_check_folder(capture, table, err))
        return false;
    capture_table_set_version(table, event->new_table, event->renames, event->rename_count);
    if (!capture_mapping_bind(capture, table, &fine, err))
        return false;
    if (!fine)
        return true;
    if (!table->known && !full_load_record_tables(capture, &table, 1, err))
        return false;
    capture->position_moved = true;
    if (event->position != NULL && !capture->catching_up)
        capture_set_position(capture, event->position, event->time_us);
    log_info("table %s.%s has schema version %u (%zu columns)", table->row.schema, table->row.name, table->row.version,
             event->new_table->column_count);
    return event->reload == NULL || capture_reload_table(capture, table, event->reload, err);
}

static bool truncate_or_drop(struct capture *capture, const struct source_event *event, struct error *err) {
    const struct config_source *source = &capture->config->source;
    bool drop = event->kind == SOURCE_DROP;
    enum ddl_action action = drop ? source->on_drop : source->on_truncate;
    struct capture_table *table = capture_table_get(capture, event->table);
    bool applied = capture->replaying;
    if (event->position != NULL && !is_applied_up_to(capture, event->position, &applied, err))
        return false;
    if ((applied && capture->recording == NULL) || event->table->stopped)
        return true;
    log_info("table %s.%s was %s at the source; on_%s: %s", table->row.schema, table->row.name,
             drop ? "dropped" : "truncated", drop ? "drop" : "truncate",
             action == DDL_APPLY    ? "apply"
             : action == DDL_IGNORE ? "ignore"
                                    : "stop");
    if (action == DDL_STOP)
        return error_set(
            err, ERROR_DATA,
            "table %s.%s was %s at the source, and source.on_%s is stop; set it to apply or ignore and start "
            "capture again",
            table->row.schema, table->row.name, drop ? "dropped" : "truncated", drop ? "drop" : "truncate");
    if (action == DDL_IGNORE)
        log_warning("table %s.%s: its rows stay in the lake, also if a table of this name is created again "
                    "(source.on_%s: apply "
                    "removes them)",
                    table->row.schema, table->row.name, drop ? "drop" : "truncate");
    if (action == DDL_APPLY && capture->recording != NULL)
        return capture_prepared_add(capture, capture->recording, event, err);
    if (action == DDL_APPLY)
        capture_truncate_table(capture, table);
    return event->position == NULL || advance(capture, event);
}

bool capture_handle_event(struct capture *capture, const struct source_event *event, struct error *err) {
    switch (event->kind) {
    case SOURCE_IDLE:
        return event->position == NULL || capture->in_transaction || capture->catching_up ||
               capture_set_position(capture, event->position, event->time_us);
    case SOURCE_BEGIN:
        return begin(capture, event, err);
    case SOURCE_ROW:
        return row(capture, event, err);
    case SOURCE_COMMIT:
    case SOURCE_PREPARE: /* its rows wait in the prepared list; the position moves on, restart_position does not */
        return commit(capture, event);
    case SOURCE_ROLLBACK:
        return capture_abandon_transaction(capture, err) && advance(capture, event);
    case SOURCE_SAVEPOINT:
        set_savepoint(capture, event->name);
        return true;
    case SOURCE_ROLLBACK_TO:
        return rollback_to(capture, event->name, err);
    case SOURCE_COMMIT_PREPARED:
    case SOURCE_ROLLBACK_PREPARED:
        return decide_prepared(capture, event, err);
    case SOURCE_TABLE:
        return table_version(capture, event, err);
    case SOURCE_TRUNCATE:
    case SOURCE_DROP:
        return truncate_or_drop(capture, event, err);
    case SOURCE_TABLE_ERROR:
        return capture_table_check_folder(capture, capture_table_get(capture, event->table), err) &&
               capture_table_stop(capture, event->table->user, event->error->message, err);
    }
    return true;
}

void capture_transaction_deinit(struct capture *capture) {
    forget_savepoints(capture, 0);
    mem_free(capture->savepoints);
    mem_free(capture->touched);
    while (capture->prepared != NULL)
        capture_prepared_remove(capture, capture->prepared);
}
