/* The capture commit: publish the batch's files, then record all of it in one transaction of the state. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "task/capture_table.h"

bool capture_set_position(struct capture *capture, const char *position, int64_t time_us) {
    if (capture->position == NULL || strcmp(capture->position, position) != 0) {
        mem_free(capture->position);
        capture->position = mem_strdup(position);
        capture->position_moved = true;
    }
    if (time_us > 0) {
        char text[CLOCK_TEXT_BYTES];
        clock_format_sql(time_us, true, text);
        mem_free(capture->source_time);
        capture->source_time = mem_strdup(text);
    }
    return true;
}

/* --- names */

/* date_partition_enabled: 20261101-101500123.csv goes to 2026/11/01/. */
static void published_name(const struct capture *capture, const char *base_name, char out[RAW_NAME_BYTES]) {
    if (capture->config->raw.date_partition_enabled)
        snprintf(out, RAW_NAME_BYTES, "%.4s/%.2s/%.2s/%s", base_name, base_name + 4, base_name + 6, base_name);
    else
        snprintf(out, RAW_NAME_BYTES, "%s", base_name);
}

static void name_outputs(struct capture *capture, struct capture_table *table, int64_t now_us) {
    const char *last = table->row.committed;
    for (size_t i = 0; i < table->output_count; i++) {
        raw_format_change_name(now_us, last, capture->format, table->outputs[i].name);
        last = table->outputs[i].name;
    }
}

/* --- publishing */

static bool publish_outputs(struct capture *capture, struct capture_table *table, struct error *err) {
    for (size_t i = 0; i < table->output_count; i++) {
        char name[RAW_NAME_BYTES];
        published_name(capture, table->outputs[i].name, name);
        if (!raw_output_publish(table->outputs[i].file, name, err) || !fault_point("capture.file_published", err))
            return false;
    }
    return true;
}

/* --- truncate: a full load of nothing */

/* Older LOAD files are replaced by the newest full load; what cannot be removed now is removed at the next start. */
void capture_remove_load_files(struct capture *capture, const struct capture_table *table, int first, int count) {
    for (int i = 0; i < count; i++) {
        char name[RAW_NAME_BYTES];
        raw_format_load_name((unsigned)(first + i), capture->format, name);
        char *path = mem_printf("%s%s", table->folder, name);
        struct error err;
        if (!store_remove(capture->raw, path, &err))
            log_warning("removing the older full load's %s: %s", path, err.message);
        mem_free(path);
    }
}

static bool write_empty_load(struct capture *capture, struct capture_table *table, int number, struct error *err) {
    const struct table *version = table->truncate.version;
    struct raw_output *output = raw_output_new(&capture->output_settings, table->folder, version);
    if (capture->output_settings.dialect.header)
        capture_write_header(capture, raw_output_buffer(output), version,
                             capture->config->raw.include_op_for_full_load);
    char name[RAW_NAME_BYTES];
    raw_format_load_name((unsigned)number, capture->format, name);
    bool ok = raw_output_publish(output, name, err);
    raw_output_free(output);
    return ok;
}

/* The batch's outputs have names already: the last one before the truncate is what the full load comes after. */
static bool publish_truncate(struct capture *capture, struct capture_table *table, struct error *err) {
    struct checkpoint_table *row = &table->row;
    size_t before = table->truncate.outputs_before;
    int number = row->load_first + row->load_files > 0 ? row->load_first + row->load_files : 1;
    if (!write_empty_load(capture, table, number, err))
        return error_prefix(err, "truncate of %s.%s", row->schema, row->name);
    row->full_load = FULL_LOAD_DONE;
    row->full_load_after = before > 0 ? arena_strdup(&table->arena, table->outputs[before - 1].name) : row->committed;
    row->full_load_version = table->truncate.version->version;
    table->old_load_first = row->load_first;
    table->old_load_files = row->load_files;
    row->load_first = number;
    row->load_files = 1;
    row->rows_full_load = 0;
    table->row_changed = true;
    table->truncate = (struct capture_truncate){0}; /* a second try does not write it again */
    return fault_point("capture.truncate_written", err);
}

/* The first change file that has a version: its first output, or (a version without rows so far) whatever comes after the
 * last file of the batch. */
static void first_file_of(const struct capture *capture, const struct capture_table *table, const struct table *version,
                          char out[RAW_NAME_BYTES]) {
    for (size_t i = 0; i < table->output_count; i++) {
        if (table->outputs[i].version == version) {
            snprintf(out, RAW_NAME_BYTES, "%s", table->outputs[i].name);
            return;
        }
    }
    const char *last = table->output_count > 0 ? table->outputs[table->output_count - 1].name : table->row.committed;
    if (last != NULL)
        raw_format_change_name(0, last, capture->format, out);
    else
        snprintf(out, RAW_NAME_BYTES, "0");
}

void capture_add_versions(const struct capture *capture, const struct capture_table *table,
                          struct checkpoint_batch *batch) {
    for (size_t i = 0; i < table->new_version_count; i++) {
        char first_file[RAW_NAME_BYTES];
        const struct capture_version *version = &table->new_versions[i];
        first_file_of(capture, table, version->table, first_file);
        checkpoint_batch_add_schema(batch, capture->config->task, version->table, version->source, first_file);
    }
}

static void add_table_to_batch(struct capture *capture, struct capture_table *table, struct checkpoint_task *task_row,
                               struct checkpoint_batch *batch) {
    capture_add_versions(capture, table, batch);
    struct checkpoint_table row = table->row;
    if (table->output_count > 0) {
        row.committed = table->outputs[table->output_count - 1].name;
        row.committed_number = task_row->commits;
    }
    row.rows_insert += table->counts.inserts;
    row.rows_update += table->counts.updates;
    row.rows_delete += table->counts.deletes;
    row.bytes += table->counts.bytes;
    checkpoint_batch_add_table(batch, capture->config->task, &row);
    task_row->rows += table->counts.inserts + table->counts.updates + table->counts.deletes;
    task_row->bytes += table->counts.bytes;
}

/* After the commit: the table starts an empty batch. */
static void reset_table(struct capture *capture, struct capture_table *table) {
    capture_remove_load_files(capture, table, table->old_load_first, table->old_load_files);
    table->old_load_first = table->old_load_files = 0;
    if (table->output_count > 0) {
        table->row.committed = arena_strdup(&table->arena, table->outputs[table->output_count - 1].name);
        table->row.committed_number = capture->row.commits;
    }
    table->row.rows_insert += table->counts.inserts;
    table->row.rows_update += table->counts.updates;
    table->row.rows_delete += table->counts.deletes;
    table->row.bytes += table->counts.bytes;
    table->counts = (struct capture_counts){0};
    for (size_t i = 0; i < table->output_count; i++)
        raw_output_free(table->outputs[i].file);
    table->output_count = 0;
    table->new_version_count = 0;
    table->row_changed = false;
    table->known = true;
}

static bool table_has_news(const struct capture_table *table) {
    return table->output_count > 0 || table->row_changed || table->new_version_count > 0;
}

static void replace_text(char **owned, const char *text) {
    char *copy = mem_strdup(text);
    mem_free(*owned);
    *owned = copy;
}

json_t *capture_counters(const struct capture *capture) {
    json_t *sum = capture->counted != NULL ? json_deep_copy(capture->counted) : json_object();
    json_t *now = capture->source != NULL ? source_counters(capture->source) : NULL;
    const char *name;
    json_t *count;
    json_object_foreach(now, name, count) {
        json_int_t before = json_integer_value(json_object_get(sum, name));
        json_object_set_new(sum, name, json_integer(before + json_integer_value(count)));
    }
    json_decref(now);
    return sum;
}

/* The task row of the next commit; `now` must outlive it. */
static struct checkpoint_task next_task_row(struct capture *capture, char now[CLOCK_TEXT_BYTES]) {
    const char *restart = capture_prepared_oldest_position(capture);
    clock_format_sql(clock_now_us(), true, now);
    struct checkpoint_task row = capture->row;
    row.position = capture->position;
    row.restart_position = restart != NULL ? restart : capture->position;
    row.source_time = capture->source_time;
    row.updated = now;
    row.commits++;
    row.warnings = capture_counters(capture);
    return row;
}

/* The row was committed: it is what the state has now. */
static void keep_task_row(struct capture *capture, const struct checkpoint_task *row) {
    replace_text(&capture->committed.position, row->position);
    replace_text(&capture->committed.restart_position, row->restart_position);
    replace_text(&capture->committed.source_time, row->source_time);
    capture->row = *row;
    capture->row.position = capture->committed.position;
    capture->row.restart_position = capture->committed.restart_position;
    capture->row.source_time = capture->committed.source_time;
    capture->row.updated = NULL;
    capture->row.warnings = NULL;
}

static bool publish_batch(struct capture *capture, struct source_table *const *all, size_t count, struct error *err) {
    int64_t now_us = clock_now_us();
    for (size_t i = 0; i < count; i++) {
        struct capture_table *table = all[i]->user;
        if (table == NULL)
            continue;
        if (table->output_count > 0 && table->outputs[0].name[0] == '\0') /* a second try keeps the names */
            name_outputs(capture, table, now_us);
        if (!publish_outputs(capture, table, err) ||
            (table->truncate.version != NULL && !publish_truncate(capture, table, err)))
            return false;
    }
    return fault_point("capture.files_durable", err);
}

bool capture_commit(struct capture *capture, struct error *err) {
    assert(!capture->in_transaction);
    capture->commit_open = true;
    size_t count;
    struct source_table *const *all = source_tables_all(capture->tables, &count);
    if (!publish_batch(capture, all, count, err))
        return false;

    char now[CLOCK_TEXT_BYTES];
    struct checkpoint_task row = next_task_row(capture, now);
    struct checkpoint_batch *batch = checkpoint_batch_new();
    for (size_t i = 0; i < count; i++)
        if (all[i]->user != NULL && table_has_news(all[i]->user))
            add_table_to_batch(capture, all[i]->user, &row, batch);
    checkpoint_batch_add_task(batch, capture->config->task, &row);
    bool ok = checkpoint_batch_commit(batch, capture->state, err);
    checkpoint_batch_free(batch);
    json_decref(row.warnings);
    if (!ok)
        return error_prefix(err, "recording the capture commit");

    if (row.rows > capture->row.rows)
        log_info("commit %lld: %lld changes, %lld bytes, up to %s UTC", (long long)row.commits,
                 (long long)(row.rows - capture->row.rows), (long long)(row.bytes - capture->row.bytes),
                 row.source_time != NULL ? row.source_time : "now");
    keep_task_row(capture, &row);
    for (size_t i = 0; i < count; i++)
        if (all[i]->user != NULL && table_has_news(all[i]->user))
            reset_table(capture, all[i]->user);
    capture->batch_started_ms = 0;
    capture->batch_full = false;
    capture->buffered_bytes = 0;
    capture->position_moved = false;
    capture->commit_open = false;
    if (!fault_point("capture.committed", err))
        return false;
    if (capture->stream != NULL)
        source_stream_confirm(capture->stream, capture->committed.restart_position);
    return true;
}

bool capture_commit_state(struct capture *capture, const char *state, const char *last_error, struct error *err) {
    char now[CLOCK_TEXT_BYTES];
    clock_format_sql(clock_now_us(), true, now);
    capture->row.state = state;
    capture->row.last_error = last_error;
    struct checkpoint_task row = capture->row;
    row.updated = now;
    row.warnings = capture_counters(capture);
    struct checkpoint_batch *batch = checkpoint_batch_new();
    checkpoint_batch_add_task(batch, capture->config->task, &row);
    bool ok = checkpoint_batch_commit(batch, capture->state, err);
    checkpoint_batch_free(batch);
    json_decref(row.warnings);
    capture->row.last_error = NULL; /* borrowed for this write */
    return ok || error_prefix(err, "recording the task's state");
}
