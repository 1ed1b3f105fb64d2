#include "task/capture_table.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { CDC_BUFFERS_BYTES = 4 * 1024 * 1024 }; /* of all tables of a batch together */

struct capture_table *capture_table_get(struct capture *capture, struct source_table *source) {
    if (source->user != NULL)
        return source->user;
    struct capture_table *table = mem_zalloc(sizeof *table);
    arena_init(&table->arena);
    table->source = source;
    const struct mapping *mapping = capture->config->source.mapping;
    struct mapping_name target = mapping_target(mapping, &table->arena, source->schema, source->name);
    table->folder = raw_table_folder(&table->arena, target.schema, target.table);
    table->row.schema = target.schema;
    table->row.name = target.table;
    if (strcmp(target.schema, source->schema) != 0 || strcmp(target.table, source->name) != 0) {
        table->row.source_schema = source->schema;
        table->row.source_name = source->name;
    }
    table->row_changed = true;
    /* Whatever is committed of it from here on, its rows so far are not in the raw zone. */
    table->row.full_load = capture->cdc_only ? FULL_LOAD_NONE : FULL_LOAD_PENDING;
    table->row.lake_key = capture_key_configured(capture, &table->arena, target.schema, target.table);
    table->row.rules = mapping_fingerprint(mapping, &table->arena, source->schema, source->name);
    source->user = table;
    return table;
}

void capture_table_free(struct capture_table *table) {
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->output_count; i++)
        raw_output_free(table->outputs[i].file);
    mem_free(table->outputs);
    mem_free(table->new_versions);
    mem_free(table->key);
    mem_free(table->key_dates);
    capture_mapping_deinit(table);
    state_item_deinit(&table->row.item);
    arena_deinit(&table->arena);
    mem_free(table);
}

void capture_table_set_version(struct capture_table *table, const struct table *version,
                               const struct column_rename *renames, size_t rename_count) {
    struct table *copy = table_copy(&table->arena, version);
    table_assign_ids(copy, table->source->current, renames, rename_count, &table->row.next_column_id);
    table->source->current = copy;
}

bool capture_table_stop(struct capture *capture, struct capture_table *table, const char *reason, struct error *err) {
    if (table->touched && !capture_table_rewind(table, &table->mark, err))
        return false;
    log_error(
        "table %s.%s is not captured any more: %s; the other tables go on. Start capture again to load it in full",
        table->row.schema, table->row.name, reason);
    table->source->stopped = true;
    table->row.stopped = arena_strdup(&table->arena, reason);
    table->row_changed = true;
    table->reload = false;
    capture->position_moved = true; /* there is something to commit */
    return true;
}

bool capture_table_check_folder(struct capture *capture, struct capture_table *table, struct error *err) {
    if (table->known)
        return true;
    if (!capture_mapping_check_name(capture, table, err)) {
        table->row_changed = false;
        return false;
    }
    struct arena arena;
    arena_init(&arena);
    struct raw_files files;
    bool ok = raw_list_files(capture->raw, &arena, table->row.schema, table->row.name, &files, err);
    size_t count = ok ? files.full_load_count + files.change_count : 0;
    if (count > 0) {
        /* A commit would make the table known, and the next start would remove the files as never committed. */
        table->row_changed = false;
        ok = error_set(
            err, ERROR_CONFIG,
            "the raw zone has %zu file%s of %s.%s (%s%s) that the state does not know: another task's, or the "
            "state was lost. Nothing of it was touched; move the folder away, or set raw.location to an empty "
            "one, and start again",
            count, count == 1 ? "" : "s", table->row.schema, table->row.name, table->folder,
            files.full_load_count > 0 ? files.full_load[0].name : files.changes[0].name);
    }
    arena_deinit(&arena);
    return ok;
}

/* --- marks */

struct capture_mark capture_table_mark(const struct capture_table *table) {
    size_t count = table->output_count;
    return (struct capture_mark){.output_count = count,
                                 .truncate = table->truncate,
                                 .size_bytes = count > 0 ? raw_output_size(table->outputs[count - 1].file) : 0,
                                 .counts = table->counts};
}

bool capture_table_rewind(struct capture_table *table, const struct capture_mark *mark, struct error *err) {
    while (table->output_count > mark->output_count)
        raw_output_free(table->outputs[--table->output_count].file);
    table->counts = mark->counts;
    table->truncate = mark->truncate;
    return mark->output_count == 0 ||
           raw_output_truncate(table->outputs[mark->output_count - 1].file, mark->size_bytes, err);
}

/* --- rows */

/* DMS: CdcInsertsOnly without IncludeOpForFullLoad leaves the column out of change files too. */
static bool change_files_have_op(const struct config_raw *raw) {
    return !raw->cdc_inserts_only || raw->include_op_for_full_load;
}

void capture_write_header(const struct capture *capture, struct buf *out, const struct table *version, bool with_op) {
    const char **names = mem_alloc((version->column_count + 2) * sizeof *names);
    size_t count = 0;
    if (with_op)
        names[count++] = "Op";
    for (size_t i = 0; i < version->column_count; i++)
        names[count++] = version->columns[i].name;
    if (capture->config->raw.timestamp_column_name != NULL)
        names[count++] = capture->config->raw.timestamp_column_name;
    csv_write_header(out, &capture->output_settings.dialect, names, count);
    mem_free(names);
}

/* The output that takes the next row: a new one when there is none, when the columns changed, when the table was emptied, or
 * when the file of a large transaction is long enough. */
static struct raw_output *current_output(struct capture *capture, struct capture_table *table) {
    uint64_t rotate_bytes = (uint64_t)capture->config->raw.max_file_size_kb * 1024;
    bool is_emptied = table->truncate.version != NULL && table->truncate.outputs_before == table->output_count;
    if (table->output_count > 0 && !is_emptied) {
        struct capture_output *last = &table->outputs[table->output_count - 1];
        if (last->version == table->target && raw_output_size(last->file) < rotate_bytes)
            return last->file;
    }
    table->outputs = mem_grow(table->outputs, table->output_count, &table->output_capacity, sizeof *table->outputs);
    struct capture_output *next = &table->outputs[table->output_count++];
    *next = (struct capture_output){
        .file = raw_output_new(&capture->output_settings, table->folder, table->target),
        .version = table->target,
    };
    if (capture->output_settings.dialect.header)
        capture_write_header(capture, raw_output_buffer(next->file), table->target,
                             change_files_have_op(&capture->config->raw));
    return next->file;
}

static bool is_readable(const struct csv_dialect *dialect, const struct table *table, const struct value *values,
                        struct error *err) {
    size_t at = csv_find_unreadable(dialect, values, table->column_count);
    return at == table->column_count ||
           error_set(err, ERROR_DATA,
                     "column \"%s\": a value that is empty, reads as NULL, or holds a delimiter cannot be told without "
                     "quotes: set rfc4180: true in raw",
                     table->columns[at].name);
}

bool capture_record_fits(const struct buf *out, const struct csv_dialect *dialect, const struct table *table,
                         const struct value *values, struct error *err) {
    if (!dialect->quoting && !is_readable(dialect, table, values, err))
        return false;
    if (buf_fits(out, csv_record_max_bytes(dialect, values, table->column_count, NULL) + CLOCK_TEXT_BYTES))
        return true;
    return error_set(err, ERROR_DATA, "a row of more than %d bytes as CSV cannot be captured", BUF_MAX_DEFAULT);
}

/* However many tables a batch touches, their buffers hold no more than what was written since this was done last. */
static bool flush_outputs(struct capture *capture, struct error *err) {
    size_t count;
    struct source_table *const *all = source_tables_all(capture->tables, &count);
    for (size_t i = 0; i < count; i++) {
        struct capture_table *table = all[i]->user;
        for (size_t o = 0; table != NULL && o < table->output_count; o++)
            if (!raw_output_flush(table->outputs[o].file, err))
                return false;
    }
    capture->buffered_bytes = 0;
    return true;
}

static bool write_record(struct capture *capture, struct capture_table *table, enum change_op op,
                         const struct value *values, struct error *err) {
    const struct config_raw *raw = &capture->config->raw;
    if ((raw->cdc_inserts_only && op != CHANGE_INSERT) || (raw->cdc_inserts_and_updates && op == CHANGE_DELETE))
        return true;
    struct raw_output *output = current_output(capture, table);
    uint64_t before = raw_output_size(output);
    if (!capture_record_fits(raw_output_buffer(output), &capture->output_settings.dialect, table->target, values, err))
        return capture_table_stop(capture, table, err->message, err);
    csv_write_record(raw_output_buffer(output), &capture->output_settings.dialect,
                     change_files_have_op(raw) ? (char)op : 0, values, table->target->column_count,
                     raw->timestamp_column_name != NULL ? capture->commit_time_text : NULL);
    uint64_t size = raw_output_size(output);
    table->counts.bytes += (int64_t)(size - before);
    table->counts.inserts += op == CHANGE_INSERT;
    table->counts.updates += op == CHANGE_UPDATE;
    table->counts.deletes += op == CHANGE_DELETE;
    if (size >= (uint64_t)raw->cdc_min_file_size_kb * 1024)
        capture->batch_full = true;
    capture->buffered_bytes += size - before;
    return capture->buffered_bytes < CDC_BUFFERS_BYTES ? raw_output_drain(output, err) : flush_outputs(capture, err);
}

static bool has_unchanged(const struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (values[i].kind == VALUE_UNCHANGED)
            return true;
    return false;
}

static bool write_change(struct capture *capture, struct capture_table *table, enum change_op op,
                         const struct value *values, const struct value *old, struct error *err) {
    const struct table *version = table->target;
    struct error why;
    if (op != CHANGE_DELETE && !capture_key_is_whole(table, values, &why))
        return capture_table_stop(capture, table, why.message, err);
    enum capture_key_change key = CAPTURE_KEY_KEPT;
    if (op == CHANGE_UPDATE && old != NULL)
        key = capture_key_compare(table, values, old);
    if (key == CAPTURE_KEY_KEPT)
        return write_record(capture, table, op, values, err);
    /* The row under the new key starts from nothing in the lake, so it has to be sent whole. */
    if (key == CAPTURE_KEY_UNKNOWN || has_unchanged(values, version->column_count))
        return capture_table_stop(capture, table,
                                  "a row's key changed, and the log holds only the changed columns: "
                                  "SET GLOBAL binlog_row_image = FULL",
                                  err);
    return write_record(capture, table, CHANGE_DELETE, old, err) &&
           write_record(capture, table, CHANGE_INSERT, values, err);
}

bool capture_table_write(struct capture *capture, struct capture_table *table, enum change_op op,
                         const struct value *values, const struct value *old, struct error *err) {
    assert(table->target != NULL);
    if (table->filter == NULL && table->plan == NULL)
        return write_change(capture, table, op, values, old, err);
    struct capture_change change = {.op = op, .values = values, .old = old};
    struct error why;
    if (!capture_mapping_change(table, &change, &why))
        return capture_table_stop(capture, table, why.message, err);
    return change.left_out || write_change(capture, table, change.op, change.values, change.old, err);
}
