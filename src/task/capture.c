#include "task/capture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "state/run.h"
#include "task/capture_table.h"
#include "task/raw_parquet.h"

enum {
    CDC_BUFFER_BYTES = 32 * 1024,
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MAX_MS = 30 * 1000,
    FIRST_CONNECT_ATTEMPTS = 5, /* before any connection worked; later it waits as long as it takes */
    CAUGHT_UP_CHECK_COMMITS = 64,
    CAUGHT_UP_CHECK_MS = 10,
};

/* --- back-off */

struct backoff {
    long next_ms;
    int attempts;
};

/* Sleeps before the next attempt; false when a stop was asked for. */
static bool backoff_wait(struct backoff *backoff, const struct error *cause) {
    backoff->next_ms = backoff->next_ms == 0 ? BACKOFF_FIRST_MS : backoff->next_ms * 2;
    if (backoff->next_ms > BACKOFF_MAX_MS)
        backoff->next_ms = BACKOFF_MAX_MS;
    backoff->attempts++;
    log_warning("%s; next attempt in %.1f s", cause->message, (double)backoff->next_ms / 1000.0);
    return cancel_sleep_ms(backoff->next_ms);
}

/* --- opening and closing */

static bool open_settings(struct capture *capture, struct error *err) {
    const struct config_raw *raw = &capture->config->raw;
    bool parquet = strcmp(raw->data_format, "parquet") == 0;
    capture->format = parquet ? RAW_PARQUET : raw->gzip ? RAW_CSV_GZIP : RAW_CSV;
    capture->output_settings = (struct raw_output_settings){
        .raw = capture->raw,
        .buffer_bytes = CDC_BUFFER_BYTES,
        .dialect =
            {
                .delimiter = raw->csv_delimiter[0],
                .row_delimiter = raw->csv_row_delimiter,
                .quoting = raw->rfc4180,
                .header = raw->add_column_name,
                .null_word = raw->csv_null_value,
                .unchanged_word = raw->csv_no_sup_value,
            },
    };
    if (capture->format == RAW_CSV)
        return true;
    const char *temp = capture->config->temp_folder != NULL ? capture->config->temp_folder : getenv("TMPDIR");
    capture->spool_folder = mem_printf("%s/sluice-spool-%ld", temp != NULL ? temp : "/tmp", (long)getpid());
    char *location = mem_printf("file://%s", capture->spool_folder);
    bool ok = store_open(location, &capture->spool, err);
    mem_free(location);
    capture->output_settings.spool = capture->spool;
    capture->output_settings.encode = parquet ? raw_parquet_encode : raw_encode_gzip;
    if (!ok || !parquet)
        return ok;
    capture->output_settings.dialect = csv_dialect_default; /* of the spool */
    ok = raw_parquet_new(capture->config, &capture->parquet, err);
    capture->output_settings.encode_context = capture->parquet;
    return ok;
}

bool capture_open(struct capture *capture, struct error *err) {
    char owner[RUN_ID_BYTES];
    run_make_id(owner);
    arena_init(&capture->arena);
    capture->tables = source_tables_new();
    /* The lock keeps out a second capture on this machine; the claim one that the lock does not reach. */
    if (!store_open(capture->config->raw.location, &capture->raw, err) ||
        !state_open(capture->config->state, &capture->state, err) ||
        !state_lock(capture->state, capture->config->task, err) || !open_settings(capture, err) ||
        !checkpoint_claim_task(capture->state, capture->config->task, owner, err) || !capture_recover(capture, err))
        return false;
    capture->row.owner = arena_strdup(&capture->arena, owner);
    return true;
}

void capture_close(struct capture *capture) {
    capture_transaction_deinit(capture);
    size_t count = 0;
    struct source_table *const *all = source_tables_all(capture->tables, &count);
    for (size_t i = 0; i < count; i++)
        capture_table_free(all[i]->user);
    source_tables_free(capture->tables);
    source_close(capture->source);
    json_decref(capture->counted);
    state_close(capture->state);
    raw_parquet_free(capture->parquet);
    store_close(capture->spool);
    if (capture->spool_folder != NULL)
        rmdir(capture->spool_folder);
    mem_free(capture->spool_folder);
    store_close(capture->raw);
    mem_free(capture->committed.position);
    mem_free(capture->committed.restart_position);
    mem_free(capture->committed.source_time);
    mem_free(capture->position);
    mem_free(capture->log_start);
    mem_free(capture->source_time);
    arena_deinit(&capture->arena);
}

/* --- the change loop */

/* Between transactions: is it time to commit the batch? */
static bool commit_when_due(struct capture *capture, struct error *err) {
    if (capture->in_transaction || !capture->position_moved)
        return true;
    int64_t now_ms = clock_monotonic_ms();
    if (capture->batch_started_ms == 0)
        capture->batch_started_ms = now_ms;
    bool due =
        capture->batch_full || now_ms - capture->batch_started_ms >= capture->config->raw.cdc_max_batch_interval_ms;
    return !due || capture_commit(capture, err);
}

/* --until-current: has the log been read up to `target`? To ask costs more than a small transaction does, so it is asked when
 * nothing comes, and otherwise now and then. */
struct finish_line {
    const char *target; /* NULL: there is none */
    unsigned commits;   /* since it was last asked */
    int64_t asked_ms;
};

static bool is_worth_asking(struct finish_line *line, const struct capture *capture, const struct source_event *event) {
    if (event->kind == SOURCE_IDLE || strcmp(capture->position, line->target) == 0)
        return true;
    return event->kind == SOURCE_COMMIT &&
           (++line->commits >= CAUGHT_UP_CHECK_COMMITS || clock_monotonic_ms() - line->asked_ms >= CAUGHT_UP_CHECK_MS);
}

static bool caught_up(struct capture *capture, struct finish_line *line, const struct source_event *event, bool *out,
                      struct error *err) {
    *out = false;
    if (line->target == NULL || capture->in_transaction || capture->position == NULL || event->unsettled ||
        !is_worth_asking(line, capture, event))
        return true;
    line->commits = 0;
    line->asked_ms = clock_monotonic_ms();
    return source_position_reached(capture->source, capture->position, line->target, out, err);
}

static bool follow(struct capture *capture, struct source_stream *stream, const char *target, struct error *err) {
    struct finish_line line = {.target = target};
    for (bool done = false; !done;) {
        struct source_event event;
        if (cancel_requested())
            return true;
        if (!source_stream_next(stream, &event, err) || !capture_handle_event(capture, &event, err))
            return false;
        if ((event.kind == SOURCE_ROW || event.kind == SOURCE_BEGIN) && capture->in_transaction)
            continue;
        if (!commit_when_due(capture, err) || !capture_key_refresh_when_due(capture, err) ||
            !caught_up(capture, &line, &event, &done, err))
            return false;
    }
    return true;
}

/* A stop interrupts what still has to be encoded (Parquet): then the next start reads it again. */
static bool commit_at_end(struct capture *capture, struct error *err) {
    return capture_commit(capture, err) || err->kind == ERROR_CANCELLED;
}

/* From the log's position until the end that is asked for, or an error. What a transaction that broke off wrote is cut off
 * again, so that the batch ends where the position says. */
static bool stream_changes(struct capture *capture, const char *target, struct error *err) {
    struct source_stream *stream = NULL;
    const char *restart = capture_prepared_oldest_position(capture);
    if (restart == NULL)
        restart = capture->committed.restart_position != NULL && !capture->streamed
                      ? capture->committed.restart_position
                      : capture->position;
    capture->catching_up = strcmp(restart, capture->position) != 0;
    bool ok = source_stream_open(capture->source, restart, capture->tables, &stream, err);
    if (ok)
        log_info("following the log from %s", restart);
    capture->streamed = capture->streamed || ok;
    capture->stream = stream;
    if (ok && capture->committed.restart_position != NULL)
        source_stream_confirm(stream, capture->committed.restart_position);
    ok = ok && follow(capture, stream, target, err);
    struct error rewind_error;
    if (!capture_abandon_transaction(capture, &rewind_error)) {
        if (ok || err->kind == ERROR_RETRY)
            *err = rewind_error;
        ok = false;
    }
    if (ok && capture->position_moved) /* while the source can be told */
        ok = commit_at_end(capture, err);
    capture->stream = NULL;
    source_stream_close(stream);
    return ok;
}

/* The log is gone from where it would be read on. */
static bool lose_log(struct capture *capture, const char *lost, struct error *err) {
    if (capture->config->source.on_lost_slot == LOST_SLOT_STOP)
        return error_set(err, ERROR_OUTSIDE,
                         "%s. What changed since then is not to be had: `sluice capture --reload` loads all tables in "
                         "full again, and source.on_lost_slot: reload does so by itself",
                         lost);
    log_warning("%s; all tables are loaded in full again", lost);
    return capture_forget_all(capture, err);
}

/* Where the server keeps its log for us only: that it does, before anything is read. */
static bool prepare_log(struct capture *capture, struct error *err) {
    const char *start = NULL, *lost = NULL;
    struct arena arena;
    arena_init(&arena);
    bool ok = source_prepare_log(capture->source, capture->position, &arena, &start, &lost, err);
    if (ok && lost != NULL)
        ok = lose_log(capture, lost, err) && source_prepare_log(capture->source, NULL, &arena, &start, &lost, err);
    mem_free(capture->log_start);
    capture->log_start = mem_strdup(start);
    arena_deinit(&arena);
    return ok;
}

/* A position that the user names must be in the log that is kept. */
static bool check_start(struct capture *capture, const char *start, struct arena *arena, struct error *err) {
    const char *unused, *lost;
    return source_prepare_log(capture->source, start, arena, &unused, &lost, err) &&
           (lost == NULL || error_set(err, ERROR_CONFIG, "source.start_position: %s", lost));
}

static bool choose_start(struct capture *capture, struct error *err) {
    if (capture->position != NULL)
        return true;
    const char *start = capture->config->source.start_position;
    struct arena arena;
    arena_init(&arena);
    bool ok = true;
    if (start != NULL)
        ok = check_start(capture, start, &arena, err);
    else if (capture->log_start != NULL)
        start = capture->log_start;
    else
        ok = source_current_position(capture->source, &arena, &start, err);
    if (ok) {
        capture_set_position(capture, start, 0);
        ok = capture_commit(capture, err);
    }
    arena_deinit(&arena);
    return ok;
}

/* Once connected: full loads, then changes. */
static bool capture_connected(struct capture *capture, char **target, struct error *err) {
    if (capture->commit_open && !capture_commit(capture, err))
        return false;
    if (!capture->full_load_only && !prepare_log(capture, err))
        return false;
    if (!capture->cdc_only &&
        (!capture_commit_state(capture, "full load", NULL, err) || !full_load_run(capture, NULL, err)))
        return false;
    if (capture->full_load_only)
        return true;
    if (!capture->warned && !source_warn(capture->source, err))
        return false;
    capture->warned = true;
    if (!capture_key_refresh(capture, err))
        return false;
    if (!choose_start(capture, err))
        return false;
    if (capture->until_current && *target == NULL) {
        struct arena arena;
        arena_init(&arena);
        const char *now = NULL;
        bool ok = source_current_position(capture->source, &arena, &now, err);
        *target = mem_strdup(now);
        arena_deinit(&arena);
        if (!ok)
            return false;
    }
    /* Also when the target is reached already: opening the stream finds out whether the position is still of this log. */
    return capture_commit_state(capture, "running", NULL, err) && stream_changes(capture, *target, err);
}

/* What it counted is kept. */
static void close_source(struct capture *capture) {
    json_t *counted = capture_counters(capture);
    json_decref(capture->counted);
    capture->counted = counted;
    source_close(capture->source);
    capture->source = NULL;
}

static bool position_changed(const struct capture *capture, const char *before) {
    return capture->position != NULL && (before == NULL || strcmp(capture->position, before) != 0);
}

/* Connects again and again: a source that goes away is waited for. One-shot runs give up sooner. */
static bool capture_loop(struct capture *capture, struct error *err) {
    struct backoff backoff = {0};
    bool ever_connected = false, patient = !capture->until_current && !capture->full_load_only;
    char *target = NULL;
    bool ok = false;
    while (!ok) {
        char *before = mem_strdup(capture->position);
        bool connected = source_open(capture->config, &capture->source, err);
        ever_connected = ever_connected || connected;
        ok = connected && capture_connected(capture, &target, err);
        if (position_changed(capture, before)) /* a connection that was of use */
            backoff = (struct backoff){0};
        mem_free(before);
        if (ok || cancel_requested() || err->kind != ERROR_RETRY)
            break;
        if ((!ever_connected || !patient) && backoff.attempts + 1 >= FIRST_CONNECT_ATTEMPTS)
            break;
        if (!backoff_wait(&backoff, err))
            break;
        close_source(capture);
    }
    mem_free(target);
    return ok || cancel_requested();
}

bool capture_run(const struct config *config, const struct capture_options *options, struct error *err) {
    struct capture capture = {
        .config = config,
        .cdc_only = options->cdc_only,
        .full_load_only = options->full_load_only,
        .until_current = options->until_current,
        .reload = options->reload,
        .reload_schema = options->reload_schema,
        .reload_table = options->reload_table,
    };
    bool ok = capture_open(&capture, err);
    if (ok) {
        ok = capture_loop(&capture, err);
        /* Also after an error: what was read whole is kept, the log may not have it any more next time. */
        struct error ignored;
        if (capture.position_moved && capture.position != NULL)
            ok = commit_at_end(&capture, ok ? err : &ignored) && ok;
        capture_commit_state(&capture, ok ? "stopped" : "failed", ok ? NULL : err->message, &ignored);
    }
    capture_close(&capture);
    return ok || error_prefix(err, "capture of task %s", config->task);
}
