/* Full load: each table of the source into LOAD files, several tables in parallel, all within one snapshot per round.
 *
 * A table is done when one state_commit says so, with the position of the snapshot it was read in: changes up to that
 * position are in it and are skipped when the log is read. A crash, or a table that changed below its snapshot, costs the
 * tables that were not done: they are read again in a new snapshot, with a position of their own. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "task/capture_table.h"

enum {
    LOAD_BUFFER_BYTES = 256 * 1024,
    LOAD_ROUNDS_MAX = 10, /* snapshots taken in one run without any table getting done */
    LOAD_CANCEL_CHECK_ROWS = 1024,
    LOAD_PROGRESS_MS = 200,
    RECORD_TABLES_MAX = 256, /* in one commit of the state, which is in memory until then */
};

struct full_load {
    struct capture *capture;
    struct raw_output_settings settings;
    struct source_snapshot *snapshot;
    struct capture_table **tables; /* of this round */
    size_t table_count;
    atomic_size_t next;
    atomic_size_t done;
    atomic_uint workers;
    atomic_llong rows;
    struct {
        pthread_mutex_t mutex; /* guards error */
        struct error error;    /* the first that is not one table's own; kind NONE: none */
    } failure;
};

/* One table being written. */
struct table_load {
    struct full_load *load;
    struct capture_table *table;
    struct raw_output *output; /* NULL before the first row of a file */
    int first_number, files;
    int64_t read;                  /* rows that the source sent */
    struct mapping_runner *runner; /* NULL: they are written as they come */
    int64_t rows, bytes;
    char time_text[CLOCK_TEXT_BYTES]; /* timestamp_column_name: when the row was transferred */
};

/* --- one table */

static void open_output(struct table_load *t) {
    const struct capture *capture = t->load->capture;
    t->output = raw_output_new(&t->load->settings, t->table->folder, t->table->target);
    if (t->load->settings.dialect.header)
        capture_write_header(capture, raw_output_buffer(t->output), t->table->target,
                             capture->config->raw.include_op_for_full_load);
    clock_format_sql(clock_now_us(), true, t->time_text);
}

static bool publish_output(struct table_load *t, struct error *err) {
    char name[RAW_NAME_BYTES];
    raw_format_load_name((unsigned)(t->first_number + t->files), t->load->capture->format, name);
    t->bytes += (int64_t)raw_output_size(t->output);
    if (!raw_output_publish(t->output, name, err) || !fault_point("full_load.file_published", err))
        return false;
    raw_output_free(t->output);
    t->output = NULL;
    t->files++;
    return true;
}

static bool write_row(void *context, const struct value *values, size_t count, struct error *err) {
    struct table_load *t = context;
    (void)count;
    const struct config_raw *raw = &t->load->capture->config->raw;
    if (t->read++ % LOAD_CANCEL_CHECK_ROWS == 0) {
        if (!cancel_check(err))
            return false;
        atomic_fetch_add(&t->load->rows, LOAD_CANCEL_CHECK_ROWS);
        if (raw->timestamp_column_name != NULL)
            clock_format_sql(clock_now_us(), true, t->time_text);
    }
    enum mapping_pass pass = MAPPING_PASSES;
    if (t->table->filter != NULL && !mapping_filter_row(t->table->filter, values, NULL, &pass, err))
        return false;
    if (pass == MAPPING_FAILS)
        return true;
    if (t->runner != NULL)
        values = mapping_run(t->runner, MAPPING_IMAGE_NEW, values);
    if (t->output == NULL)
        open_output(t);
    if (!capture_key_is_whole(t->table, values, err) ||
        !capture_record_fits(raw_output_buffer(t->output), &t->load->settings.dialect, t->table->target, values, err))
        return false;
    csv_write_record(raw_output_buffer(t->output), &t->load->settings.dialect,
                     raw->include_op_for_full_load ? CHANGE_INSERT : 0, values, t->table->target->column_count,
                     raw->timestamp_column_name != NULL ? t->time_text : NULL);
    t->rows++;
    if (!raw_output_drain(t->output, err))
        return false;
    return raw_output_size(t->output) < (uint64_t)raw->max_file_size_kb * 1024 || publish_output(t, err);
}

/* The table is done: its versions and its row, in one commit of their own. */
static bool commit_table(struct table_load *t, const char *position, struct error *err) {
    struct capture_table *table = t->table;
    struct checkpoint_table row = table->row;
    row.full_load = FULL_LOAD_DONE;
    row.full_load_position = arena_strdup(&table->arena, position);
    row.full_load_after = row.committed;
    row.full_load_version = row.version;
    row.load_first = t->first_number;
    row.load_files = t->files;
    row.rows_full_load = t->rows;
    row.bytes += t->bytes;
    row.stopped = NULL;
    struct checkpoint_batch *batch = checkpoint_batch_new();
    capture_add_versions(t->load->capture, table, batch);
    checkpoint_batch_add_table(batch, t->load->capture->config->task, &row);
    bool ok = checkpoint_batch_commit(batch, t->load->capture->state, err);
    checkpoint_batch_free(batch);
    if (!ok)
        return false;
    table->row = row;
    table->new_version_count = 0;
    table->row_changed = false;
    table->known = true;
    table->reload = false;
    table->source->skip_until = row.full_load_position;
    table->source->stopped = false;
    return true;
}

static bool load_table(struct full_load *load, unsigned reader, struct capture_table *table, struct error *err) {
    struct table_load t = {.load = load, .table = table, .first_number = table->row.load_first + table->row.load_files};
    if (t.first_number == 0)
        t.first_number = 1;
    if (table->plan != NULL)
        t.runner = mapping_runner_new(table->plan);
    int old_first = table->row.load_first, old_files = table->row.load_files;
    bool replaces = table->reload || old_files > 0 || table->row.committed != NULL;
    int64_t started_ms = clock_monotonic_ms();
    bool committed = false,
         ok = source_snapshot_read(load->snapshot, reader, table->source->current, write_row, &t, err);
    /* DMS writes no file for an empty table. One that replaces rows needs a file to say that they are gone. */
    if (ok && t.output == NULL && t.files == 0 && replaces)
        open_output(&t);
    if (ok && t.output != NULL)
        ok = publish_output(&t, err);
    ok = ok && fault_point("full_load.table_written", err) &&
         (committed = commit_table(&t, source_snapshot_position(load->snapshot, reader), err)) &&
         fault_point("full_load.table_committed", err);
    raw_output_free(t.output);
    mapping_runner_free(t.runner);
    if (!ok) {
        if (!committed)
            capture_remove_load_files(load->capture, table, t.first_number, t.files);
        return error_prefix(err, "full load of %s.%s", table->row.schema, table->row.name);
    }
    capture_remove_load_files(load->capture, table, old_first, old_files);
    log_info("full load of %s.%s: %lld rows, %lld bytes in %d file%s, %.1f s", table->row.schema, table->row.name,
             (long long)t.rows, (long long)t.bytes, t.files, t.files == 1 ? "" : "s",
             (double)(clock_monotonic_ms() - started_ms) / 1000.0);
    return true;
}

/* --- one round */

static void record_failure(struct full_load *load, const struct error *err) {
    pthread_mutex_lock(&load->failure.mutex);
    if (load->failure.error.kind == ERROR_NONE)
        load->failure.error = *err;
    pthread_mutex_unlock(&load->failure.mutex);
}

static bool has_failed(struct full_load *load) {
    pthread_mutex_lock(&load->failure.mutex);
    bool failed = load->failure.error.kind != ERROR_NONE;
    pthread_mutex_unlock(&load->failure.mutex);
    return failed;
}

struct worker {
    struct full_load *load;
    unsigned reader;
    pthread_t thread;
};

static void *work(void *argument) {
    struct worker *worker = argument;
    struct full_load *load = worker->load;
    for (size_t at; !has_failed(load) && (at = atomic_fetch_add(&load->next, 1)) < load->table_count;) {
        struct error err = {0};
        struct capture_table *table = load->tables[at];
        if (load_table(load, worker->reader, table, &err)) {
            atomic_fetch_add(&load->done, 1);
        } else if (err.kind == ERROR_DATA) {
            table->load_error = arena_strdup(&table->arena, err.message);
            atomic_fetch_add(&load->done, 1);
        } else {
            record_failure(load, &err);
        }
    }
    atomic_fetch_sub(&load->workers, 1);
    return NULL;
}

static void show_progress(struct full_load *load, int64_t started_ms) {
    double seconds = (double)(clock_monotonic_ms() - started_ms) / 1000.0;
    long long rows = atomic_load(&load->rows);
    log_progress("full load: %zu of %zu tables, %lld rows, %.0f rows/s", atomic_load(&load->done), load->table_count,
                 rows, seconds > 0 ? (double)rows / seconds : 0.0);
}

static bool run_workers(struct full_load *load, unsigned count, struct error *err) {
    struct worker *workers = mem_zalloc(count * sizeof *workers);
    int64_t started_ms = clock_monotonic_ms();
    unsigned started = 0;
    for (; started < count; started++) {
        workers[started] = (struct worker){.load = load, .reader = started};
        atomic_fetch_add(&load->workers, 1);
        int code = pthread_create(&workers[started].thread, NULL, work, &workers[started]);
        if (code != 0) {
            atomic_fetch_sub(&load->workers, 1);
            struct error cause;
            error_set_errno(&cause, code, "starting a thread");
            record_failure(load, &cause);
            break;
        }
    }
    while (log_is_interactive() && atomic_load(&load->workers) > 0) {
        show_progress(load, started_ms);
        cancel_sleep_ms(LOAD_PROGRESS_MS);
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    log_progress(NULL);
    mem_free(workers);
    if (load->failure.error.kind == ERROR_NONE)
        return true;
    *err = load->failure.error;
    return false;
}

/* The task begins where its first snapshot is: reader 0 has the lowest position. */
static bool record_start(struct capture *capture, const char *position, struct error *err) {
    if (capture->position != NULL)
        return true;
    capture_set_position(capture, position, 0);
    return capture_commit(capture, err);
}

static bool record_part(struct capture *capture, struct capture_table **tables, size_t count, struct error *err) {
    struct checkpoint_batch *batch = checkpoint_batch_new();
    for (size_t i = 0; i < count; i++) {
        if (tables[i]->known)
            continue;
        capture_add_versions(capture, tables[i], batch);
        checkpoint_batch_add_table(batch, capture->config->task, &tables[i]->row);
    }
    bool ok = checkpoint_batch_commit(batch, capture->state, err);
    checkpoint_batch_free(batch);
    for (size_t i = 0; ok && i < count; i++) {
        if (tables[i]->known)
            continue;
        tables[i]->known = true;
        tables[i]->new_version_count = 0;
        tables[i]->row_changed = false;
    }
    return ok || error_prefix(err, "recording new tables");
}

bool full_load_record_tables(struct capture *capture, struct capture_table **tables, size_t count, struct error *err) {
    for (size_t at = 0; at < count; at += RECORD_TABLES_MAX) {
        size_t left = count - at;
        if (!record_part(capture, &tables[at], left < RECORD_TABLES_MAX ? left : RECORD_TABLES_MAX, err))
            return false;
    }
    return true;
}

static bool load_round(struct capture *capture, struct capture_table **tables, size_t count, size_t *done,
                       struct error *err) {
    struct full_load load = {
        .capture = capture, .settings = capture->output_settings, .tables = tables, .table_count = count};
    load.settings.buffer_bytes = LOAD_BUFFER_BYTES;
    pthread_mutex_init(&load.failure.mutex, NULL);
    unsigned readers = (unsigned)capture->config->source.max_full_load_sub_tasks;
    if (readers > count)
        readers = (unsigned)count;
    const struct table **versions = mem_alloc(count * sizeof *versions);
    for (size_t i = 0; i < count; i++)
        versions[i] = tables[i]->source->current;
    bool ok = source_snapshot_open(capture->source, versions, count, readers, &load.snapshot, err) &&
              full_load_record_tables(capture, tables, count, err) &&
              record_start(capture, source_snapshot_position(load.snapshot, 0), err) &&
              fault_point("full_load.snapshot_taken", err) && run_workers(&load, readers, err);
    *done = atomic_load(&load.done);
    for (size_t i = 0; i < count; i++) {
        if (tables[i]->load_error != NULL && !capture_table_stop(capture, tables[i], tables[i]->load_error, err))
            ok = false;
        tables[i]->load_error = NULL;
    }
    if (load.snapshot != NULL)
        source_snapshot_close(load.snapshot);
    mem_free(versions);
    pthread_mutex_destroy(&load.failure.mutex);
    return ok;
}

/* --- which tables */

static bool same_columns(const struct table *a, const struct table *b) {
    bool same_stamp = a->source_stamp == b->source_stamp || (a->source_stamp != NULL && b->source_stamp != NULL &&
                                                             strcmp(a->source_stamp, b->source_stamp) == 0);
    if (!same_stamp || a->column_count != b->column_count || a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
            !type_equal(a->columns[i].type, b->columns[i].type) || a->columns[i].nullable != b->columns[i].nullable)
            return false;
    return memcmp(a->key, b->key, a->key_count * sizeof *a->key) == 0;
}

static bool check_explicit(const struct capture *capture, struct table *const *tables, size_t count,
                           struct error *err) {
    struct mapping_name missing = mapping_find_missing(capture->config->source.mapping, tables, count);
    return missing.schema == NULL ||
           error_set(err, ERROR_CONFIG,
                     "%s selects table %s.%s explicitly, and the source has none, or the user may not see it",
                     capture->config->source.table_mappings, missing.schema, missing.table);
}

static bool needs_load(const struct capture_table *table) {
    return table->reload || (!table->source->stopped && (table->row.full_load == FULL_LOAD_PENDING ||
                                                         table->row.full_load == FULL_LOAD_RUNNING || !table->known));
}

/* The tables to load, from the source's list as it is now, with their current columns. */
static bool choose_tables(struct capture *capture, struct capture_table *only, struct capture_table ***out,
                          size_t *count, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct table **listed;
    size_t listed_count;
    *out = NULL;
    *count = 0;
    bool ok = source_list_tables(capture->source, &arena, &listed, &listed_count, err);
    ok = ok && (only != NULL || check_explicit(capture, listed, listed_count, err));
    if (ok)
        *out = mem_alloc((listed_count + 1) * sizeof **out);
    for (size_t i = 0; ok && i < listed_count; i++) {
        if (only != NULL &&
            (strcmp(only->row.schema, listed[i]->schema) != 0 || strcmp(only->row.name, listed[i]->name) != 0))
            continue;
        struct source_table *source = source_tables_add(capture->tables, listed[i]->schema, listed[i]->name);
        struct capture_table *table = capture_table_get(capture, source);
        bool fine = needs_load(table);
        if (fine)
            ok = capture_table_check_folder(capture, table, err);
        if (!ok || !fine)
            continue;
        if (source->current == NULL || !same_columns(source->current, listed[i]))
            capture_table_set_version(table, listed[i], NULL, 0);
        ok = capture_mapping_bind(capture, table, &fine, err);
        if (!ok || !fine)
            continue;
        table->row.full_load = FULL_LOAD_PENDING;
        table->row_changed = true; /* with the task's new position, if it gets one: a stop does not forget it */
        (*out)[(*count)++] = table;
    }
    arena_deinit(&arena);
    capture_mapping_sort(capture, *out, *count);
    return ok;
}

bool full_load_run(struct capture *capture, struct capture_table *only, struct error *err) {
    for (int fruitless = 0;;) {
        struct capture_table **tables = NULL;
        size_t count = 0, done = 0;
        bool ok = fault_point("full_load.started", err) && choose_tables(capture, only, &tables, &count, err);
        bool finished = ok && count == 0;
        if (ok && count > 0)
            ok = load_round(capture, tables, count, &done, err);
        mem_free(tables);
        if (finished)
            break;
        fruitless = done > 0 ? 0 : fruitless + 1;
        if (!ok && (err->kind != ERROR_RETRY || fruitless >= LOAD_ROUNDS_MAX))
            return false;
        if (!ok) {
            log_warning("%s; trying again with a new snapshot", err->message);
            if (!cancel_sleep_ms(1000L * fruitless))
                return cancel_check(err);
        }
    }
    if (only != NULL && !only->source->stopped && (!only->known || only->row.full_load == FULL_LOAD_PENDING))
        return capture_table_stop(capture, only, "it is in the log, but not in the database any more", err);
    return true;
}
