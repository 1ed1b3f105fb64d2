/* One table's run:
 *
 *   row, listing    load_plan_make: what is due
 *   lake_open       finishes a crashed commit; its watermark says whether the row's bookkeeping is behind (load_row.c)
 *   row             the run is in flight                                        fault point load.run_recorded
 *   staging         columns, scans, the last change of each key                 fault point load.staged
 *   lake_load       rows that were put aside are durable, just before           fault point load.before_commit
 *                   the commit, with the watermark; or CONFLICT: plan again     fault point load.committed
 *   row, history    the watermark                                               fault point load.done */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "task/load_adopt.h"
#include "task/load_advice.h"
#include "task/load_history.h"
#include "task/load_lake.h"
#include "task/load_policy.h"
#include "task/load_quarantine.h"
#include "task/load_reduce.h"
#include "task/load_said.h"
#include "task/load_scan.h"
#include "task/load_sql.h"
#include "task/load_table.h"

enum {
    LOAD_ATTEMPTS = 6,       /* CONFLICT and RETRY */
    LOAD_WIDENINGS = 8,      /* each reads the files once more */
    LOAD_FIRST_PAUSE_MS = 50 /* doubled with each attempt */
};

/* --- an attempt --------------------------------------------------------------------------------------------------------- */

static void run_init(struct load_run *run, struct load_pass *pass, struct engine_connection *connection,
                     struct load_job *job, bool history) {
    *run = (struct load_run){.pass = pass, .job = job, .connection = connection, .started_us = clock_now_us()};
    run->history = history;
    run->keeps_books = !history || config_history(pass->config, job->schema, job->table) == HISTORY_ONLY;
    run->captured = discover_cut_find(&pass->cut, job->schema, job->table);
    run_make_id(run->run_id);
    arena_init(&run->arena);
}

/* Forgets everything that an attempt found out. */
static void end_attempt(struct load_run *run) {
    lake_close(run->lake);
    run->lake = NULL;
    run->have_schema = false;
    load_quarantine_free(run->quarantine);
    run->quarantine = NULL;
    run->format = (struct load_format){0}; /* its texts are the arena's */
    if (run->row_known)
        controller_row_deinit(&run->row);
    run->row_known = false;
    arena_reset(&run->arena);
}

static void run_deinit(struct load_run *run) {
    end_attempt(run);
    json_decref(run->types);
    arena_deinit(&run->arena);
}

static bool plan_again(struct load_run *run, struct error *err) {
    return run->history ? load_history_plan(run, err)
                        : load_plan_make(&run->arena, &run->row, run->captured, &run->raw_files, &run->plan, err);
}

static bool make_plan(struct load_run *run, struct error *err) {
    return load_row_read(run, err) &&
           raw_list_files(run->pass->raw, &run->arena, run->job->schema, run->job->table, &run->raw_files, err) &&
           (!run->history || load_lake_open(run, err)) && plan_again(run, err);
}

/* --- staging -------------------------------------------------------------------------------------------------------------- */

/* The versions that capture had recorded at the cut. */
static bool read_schemas(struct load_run *run, struct error *err) {
    struct checkpoint_schema *schemas;
    size_t count;
    if (!checkpoint_list_schemas(run->pass->state, &run->arena, run->pass->config->task, run->job->schema,
                                 run->job->table, &schemas, &count, err))
        return false;
    while (count > 0 && schemas[count - 1].table->version > run->captured->version)
        count--;
    if (count == 0)
        return error_set(err, ERROR_DATA, "capture recorded no columns of the table");
    run->input.schemas = schemas;
    run->input.schema_count = count;
    run->input.full_load_version = run->captured->full_load_version;
    return true;
}

/* How the files are read, and what becomes of rows that do not fit. */
static bool make_format(struct load_run *run, const struct config_table *entry, struct error *err) {
    const struct config *config = run->pass->config;
    const char *folder = raw_table_folder(&run->arena, run->job->schema, run->job->table);
    run->format = load_format_of(config, run->pass->raw, folder, run->captured != NULL);
    if (config_bad_rows(config, entry) == BAD_ROWS_QUARANTINE &&
        !load_quarantine_new(config, run->job->schema, run->job->table, run->run_id, &run->format.dialect,
                             &run->quarantine, err))
        return false;
    run->format.quarantine = run->quarantine;
    return true;
}

static bool make_schema(struct load_run *run, struct error *err) {
    const struct config *config = run->pass->config;
    const struct config_table *entry = config_find_table(config, run->job->schema, run->job->table);
    if (!make_format(run, entry, err))
        return false;
    run->shown = run->lake->version;
    if (run->history)
        load_history_hide(run);
    run->input = (struct load_schema_input){.config = entry,
                                            .is_history = run->history,
                                            .row = &run->row,
                                            .types = run->types != NULL ? run->types : run->row.types,
                                            .plan = &run->plan,
                                            .format = &run->format,
                                            .lake = &run->shown,
                                            .connection = run->connection};
    if (run->captured != NULL && !read_schemas(run, err))
        return false;
    run->have_schema = load_schema_make(&run->arena, &run->input, &run->schema, err);
    if (!run->have_schema)
        return false;
    enum schema_change policy = run->keeps_books ? config_schema_change(config, entry) : SCHEMA_EVOLVE;
    run->have_schema = load_policy_check(policy, &run->input, &run->schema, err);
    if (run->have_schema && run->history)
        load_history_extend(run);
    return run->have_schema;
}

static bool keeps_deleted(const struct load_run *run) {
    return run->input.config != NULL && run->input.config->soft_delete;
}

/* The rows that were put aside are durable before the commit leaves them out. */
static bool before_commit(void *context, struct error *err) {
    const struct load_run *run = context;
    /* The table beside which a history is puts its own aside. */
    return (!run->keeps_books || load_quarantine_publish(run->quarantine, err)) &&
           fault_point("load.before_commit", err);
}

static struct lake_load lake_load_of(struct load_run *run, const char *full_load_sql,
                                     const struct load_changes *changes) {
    const struct load_schema *schema = &run->schema;
    const struct discover_cut *cut = &run->pass->cut;
    return (struct lake_load){
        .columns = schema->columns,
        .column_count = schema->column_count,
        .key = schema->key,
        .key_count = schema->key_count,
        .partition = schema->partition,
        .partition_count = schema->partition_count,
        .full_load_sql = full_load_sql,
        .changes = changes->table,
        .has_unchanged = changes->has_unchanged,
        .keep_deleted = keeps_deleted(run),
        .format_version = (int)config_format_version(run->pass->config, run->input.config),
        .copy_on_write = config_write_mode(run->pass->config, run->input.config) == WRITE_COPY_ON_WRITE,
        .watermark = {.last_full_load_date = run->plan.last_full_load_date,
                      .last_incremental_file = run->plan.last_incremental_file,
                      .run_id = run->run_id,
                      .source_position = run->captured != NULL ? cut->source_position : NULL,
                      .source_time = run->captured != NULL ? cut->source_time : NULL},
        .before_commit = before_commit,
        .context = run,
    };
}

/* The rows that replace the table, if it is replaced; sql stays empty if not. */
static bool make_replacement(struct load_run *run, const struct load_scan *scan, struct buf *sql, struct error *err) {
    if (run->plan.full_load_due && !run->history) {
        load_sql_full_load(scan, sql);
    } else if (run->schema.rewrite) {
        log_info("%s.%s: a column's type changed at the source so that the lake table is rewritten", run->job->schema,
                 run->job->table);
        return load_sql_rewrite(&run->schema, run->lake, sql, err);
    }
    return true;
}

static bool count_full_load(struct load_run *run, const struct load_scan *scan, uint64_t *rows, struct error *err) {
    *rows = 0;
    for (size_t i = 0; i < run->schema.part_count; i++) {
        int64_t count = 0;
        struct buf sql;
        if (!run->schema.parts[i].full_load)
            continue;
        *rows += load_scan_rows(scan, i);
        if (run->schema.parts[i].parquet == NULL)
            continue;
        buf_init(&sql, BUF_MAX_DEFAULT);
        load_sql_count_part(scan, i, &sql); /* from the footers */
        bool ok = engine_query_int(run->connection, sql.data, &count, err);
        buf_deinit(&sql);
        if (!ok)
            return false;
        *rows += (uint64_t)count;
    }
    return true;
}

/* Of each column of the key, what the lake calls it now; false: it does not have one of them. */
static bool find_lake_keys(const struct load_run *run, const char **names) {
    const struct load_schema *schema = &run->schema;
    for (size_t i = 0; i < schema->key_count; i++) {
        int at = load_find_column(schema->columns, schema->column_count, schema->key[i]);
        const struct column *before = load_find_lake_column(&run->lake->version, &schema->columns[at]);
        if (before == NULL)
            return false;
        names[i] = before->name;
    }
    return true;
}

/* DESIGN §5: a value that was not sent keeps what the lake has. Where the lake does not have the row, it is NULL, and somebody
 * has to know. */
static bool count_incomplete(struct load_run *run, const char *replacement, struct error *err) {
    const struct load_schema *schema = &run->schema;
    if (replacement != NULL)
        return load_reduce_count_incomplete(run->connection, schema, replacement, schema->key, &run->incomplete_rows,
                                            err);
    const char **names = arena_alloc(&run->arena, (schema->key_count + 1) * sizeof *names);
    bool has_rows = run->lake->version.number > 0 && run->lake->version.file_count > 0 && find_lake_keys(run, names);
    struct buf rows;
    buf_init(&rows, BUF_MAX_DEFAULT);
    bool ok = (!has_rows || lake_scan(run->lake, &rows, err)) &&
              load_reduce_count_incomplete(run->connection, schema, has_rows ? rows.data : NULL, names,
                                           &run->incomplete_rows, err);
    buf_deinit(&rows);
    return ok;
}

/* Reads the files into the engine and commits. */
static bool stage_and_commit(struct load_run *run, const struct load_scan *scan, struct error *err) {
    struct load_changes changes = {0};
    struct lake_result result;
    struct buf sql;
    uint64_t full_load_rows = 0;
    bool ok = false;
    buf_init(&sql, BUF_MAX_DEFAULT);
    if (run->history && !load_reduce_not(run->connection, scan, &changes, err))
        goto done;
    if (!run->history && run->plan.change_count > 0 &&
        !load_reduce(run->connection, &run->schema, scan, keeps_deleted(run), &changes, err))
        goto done;
    if (!make_replacement(run, scan, &sql, err))
        goto done;
    run->incomplete_rows = 0;
    if (changes.has_unchanged && !count_incomplete(run, sql.len > 0 ? sql.data : NULL, err))
        goto done;
    if (!fault_point("load.staged", err))
        goto done;
    struct lake_load load = lake_load_of(run, sql.len > 0 ? sql.data : NULL, &changes);
    load_offer_files(run, &load);
    if (!lake_load(run->lake, run->connection, &load, &result, err))
        goto done;
    run->committed = true;
    run->adopted_files = result.files_adopted;
    run->quarantined_rows = run->keeps_books ? load_quarantine_rows(run->quarantine) : 0;
    ok = run->history || count_full_load(run, scan, &full_load_rows, err);
    run->rows = (int64_t)(run->history ? result.rows_written : full_load_rows + changes.rows);
    run->files = (int64_t)load_plan_file_count(&run->plan);
done:
    buf_deinit(&sql);
    load_reduce_drop(run->connection);
    return ok;
}

static bool load_table(struct load_run *run, struct error *err) {
    struct load_scan *scan = NULL;
    if (!make_schema(run, err) || !load_row_check_key(run, err) ||
        !load_scan_open(run->pass->lake.engine, &run->format, &run->schema, &run->pass->rows_read, &scan, err))
        return false;
    bool ok = stage_and_commit(run, scan, err);
    load_scan_close(scan);
    return ok;
}

/* --- the run -------------------------------------------------------------------------------------------------------------- */

/* Brings row and lake together, and says in the plan what is due then. */
static bool reconcile(struct load_run *run, struct error *err) {
    bool taken = false;
    if ((!run->history && !load_lake_open(run, err)) || (run->keeps_books && !load_row_take_over(run, &taken, err)))
        return false;
    return !taken || plan_again(run, err);
}

static bool has_work(const struct load_run *run) {
    return run->plan.state == LOAD_PLAN_DUE || (run->keeps_books && run->plan.state == LOAD_PLAN_NOTHING &&
                                                (run->row.run_id != NULL || run->row.last_error != NULL));
}

/* A warning about the table, said once by a process. */
static void warn_once(const struct load_run *run, enum load_said_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void warn_once(const struct load_run *run, enum load_said_kind kind, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (load_said_is_new(run->pass->said, run->job->path, kind, text))
        log_warning("%s.%s: %s", run->job->schema, run->job->table, text);
}

/* Said with a load, not with each listing: in a continuous load that would be every second. */
static void warn(const struct load_run *run) {
    const struct load_plan *plan = &run->plan;
    if (plan->skips_applied_changes)
        warn_once(run, SAID_SKIPPED_CHANGES,
                  "the full load replaces the table; changes up to %s are not applied again: sluice tables set "
                  "--last-incremental-file 0 applies them",
                  controller_last_file_name(&run->row));
    if (plan->future_file != NULL)
        warn_once(
            run, SAID_FUTURE_FILE,
            "%s was written at %s UTC, which is still to come: is a clock wrong? What replaces it is loaded all the "
            "same",
            plan->future_file, plan->last_full_load_date);
    if (run->raw_files.unknown_count > 0)
        warn_once(run, SAID_UNKNOWN_FILES,
                  "%zu files in the raw zone are neither LOAD files nor named by a time and are left alone: %s …",
                  run->raw_files.unknown_count, run->raw_files.unknown[0]);
}

static bool finish(struct load_run *run, struct error *err) {
    if (run->keeps_books)
        return load_row_finish(run, err);
    load_lake_remember_history(run);
    return true;
}

static bool attempt(struct load_run *run, struct error *err) {
    if (!make_plan(run, err))
        return false;
    if (run->plan.state == LOAD_PLAN_WAITING) {
        log_debug("%s.%s waits: %s", run->job->schema, run->job->table, run->plan.reason);
        run->job->outcome = LOAD_WAITING;
        return true;
    }
    if (!has_work(run) && !run->committed && !run->job->lake_seems_gone)
        return true;
    if (!fault_point("load.planned", err) || !reconcile(run, err))
        return false;
    if (run->committed) /* by an attempt that could not do its bookkeeping */
        return true;
    if (run->plan.state != LOAD_PLAN_DUE)
        return load_lake_check(run, err) && (!has_work(run) || load_row_clear(run, err));
    if (run->keeps_books)
        warn(run);
    return load_lake_check(run, err) && (!run->keeps_books || load_row_record_run(run, err)) &&
           fault_point("load.run_recorded", err) && load_table(run, err) && fault_point("load.committed", err) &&
           finish(run, err) && fault_point("load.done", err);
}

/* A value did not fit into the type that was inferred, kept or declared: wider types may hold all of them. */
static bool widen(struct load_run *run, const struct error *why) {
    json_t *types;
    struct error err;
    if (why->kind != ERROR_DATA || run->captured != NULL || !run->have_schema || run->committed ||
        !load_schema_widen(&run->input, &run->schema, &types, &err) || types == NULL)
        return false;
    json_decref(run->types);
    run->types = types;
    log_info("%s.%s: wider column types, because %s", run->job->schema, run->job->table, why->message);
    return true;
}

static bool try_again(struct load_run *run, const struct error *why, int *attempts, int *widenings) {
    if (*widenings < LOAD_WIDENINGS && widen(run, why)) {
        (*widenings)++;
        return true;
    }
    if ((why->kind != ERROR_CONFLICT && why->kind != ERROR_RETRY) || *attempts >= LOAD_ATTEMPTS - 1)
        return false;
    log_debug("%s.%s: again: %s", run->job->schema, run->job->table, why->message);
    return cancel_sleep_ms((long)LOAD_FIRST_PAUSE_MS << (*attempts)++);
}

/* Capture replaced the full load after the pass read its checkpoints: the next pass sees the new one. */
static bool capture_moved_on(struct load_run *run, const struct error *why) {
    const struct checkpoint_table *was = run->captured;
    struct discover_cut cut;
    struct error err;
    if (why->kind != ERROR_OUTSIDE || was == NULL ||
        !discover_cut_read(run->pass->state, &run->arena, run->pass->config->task, &cut, &err))
        return false;
    const struct checkpoint_table *is = discover_cut_find(&cut, was->schema, was->name);
    bool moved = is == NULL || is->full_load != was->full_load || is->load_first != was->load_first;
    discover_cut_deinit(&cut);
    return moved;
}

/* What is wrong with a raw file begins with its name. Until that is mended the lake's table stays as it is. */
static void advise(struct load_run *run, struct error *err) {
    const struct load_job *job = run->job;
    const char *folder = run->format.folder;
    load_advise_missing_file(run->pass->lake.store,
                             config_table_folder(run->pass->config, &run->arena, job->schema, job->table), job->schema,
                             job->table, err);
    if (err->kind != ERROR_DATA || folder == NULL || strncmp(err->message, folder, strlen(folder)) != 0)
        return;
    const struct error plain = *err;
    bool typed = run->captured == NULL && strstr(plain.message, ", column \"") != NULL;
    error_set(err, plain.kind, "%s; correct the file and load again%s", plain.message,
              typed ? ", or give the column another type (tables: columns) and load the table in full again" : "");
}

static void fail(struct load_run *run, const struct error *error) {
    struct load_job *job = run->job;
    struct error own = *error, *why = &own;
    if (why->kind == ERROR_CANCELLED)
        return;
    advise(run, why);
    if (capture_moved_on(run, why)) {
        log_debug("%s.%s waits: capture replaced its full load: %s", job->schema, job->table, why->message);
        job->outcome = LOAD_WAITING;
        return;
    }
    bool is_new = load_said_is_new(run->pass->said, job->path, SAID_ERROR, why->message);
    log_message(is_new ? LOG_ERROR : LOG_DEBUG, "%sloading %s.%s: %s", is_new ? "" : "still: ", job->schema, job->table,
                why->message);
    job->outcome = LOAD_FAILED;
    load_row_fail(run, why);
}

/* What the load made known. */
static void warn_after(const struct load_run *run) {
    const struct load_job *job = run->job;
    if (run->incomplete_rows > 0)
        log_warning(
            "%s.%s: %llu rows changed that the lake does not have, and the source sent only what changed in them: the "
            "rest is NULL. Have it send whole rows (binlog_row_image = FULL), and load the table in full again",
            job->schema, job->table, (unsigned long long)run->incomplete_rows);
    if (run->quarantined_rows > 0)
        log_warning("%s.%s: %llu rows did not fit and were put aside: %s", job->schema, job->table,
                    (unsigned long long)run->quarantined_rows, load_quarantine_name(run->quarantine));
    if (!run->history && load_key_differs(&run->row, run->captured != NULL))
        warn_once(run, SAID_KEY,
                  "PrimaryKey is %s, and the source's own is %s: rows that are equal in it replace each other",
                  run->row.primary_key, run->row.proposed_key != NULL ? run->row.proposed_key : "none");
}

static void succeed(struct load_run *run) {
    struct load_job *job = run->job;
    if (!run->committed)
        return;
    warn_after(run);
    job->outcome = LOAD_LOADED;
    if (run->keeps_books) {
        job->rows += run->rows;
        job->files += run->files;
    }
    char adopted[64] = "";
    if (run->adopted_files > 0)
        snprintf(adopted, sizeof adopted, ", %llu of them adopted", (unsigned long long)run->adopted_files);
    log_info("loaded %s.%s%s: %lld rows from %lld files%s in %.1f s", job->schema, job->table,
             run->history ? "_history" : "", (long long)run->rows, (long long)run->files, adopted,
             (double)(clock_now_us() - run->started_us) / 1e6);
}

/* One target of a table: attempts until one of them is through. *more: this was not all that is due. */
static bool run_target(struct load_pass *pass, struct engine_connection *connection, struct load_job *job, bool history,
                       bool *more) {
    struct load_run run;
    struct error err = job->error;
    int attempts = 0, widenings = 0;
    bool ok = false;
    run_init(&run, pass, connection, job, history);
    if (!job->failed_to_look) {
        while (!(ok = attempt(&run, &err)) && try_again(&run, &err, &attempts, &widenings))
            end_attempt(&run);
    }
    if (ok)
        succeed(&run);
    else
        fail(&run, &err);
    *more = ok && run.committed && run.more;
    run_deinit(&run);
    return ok;
}

void load_table_run(struct load_pass *pass, struct engine_connection *connection, struct load_job *job) {
    enum history history = config_history(pass->config, job->schema, job->table);
    bool more;
    bool ok = history == HISTORY_ONLY || run_target(pass, connection, job, false, &more);
    more = history != HISTORY_NONE && job->outcome != LOAD_WAITING;
    while (ok && more)
        ok = run_target(pass, connection, job, true, &more);
    if (ok)
        load_said_forget_error(pass->said, job->path);
}

static void look_at_target(struct load_pass *pass, struct load_job *job, bool history) {
    struct load_run run;
    run_init(&run, pass, NULL, job, history);
    job->failed_to_look = !make_plan(&run, &job->error) || !load_lake_look(&run, &job->error);
    if (job->failed_to_look) {
        job->due = true;
    } else {
        job->due = has_work(&run) || job->lake_seems_gone;
        job->size_bytes = run.plan.size_bytes;
        job->outcome = run.plan.state == LOAD_PLAN_WAITING ? LOAD_WAITING : LOAD_NOTHING;
    }
    run_deinit(&run);
}

void load_table_look(struct load_pass *pass, struct load_job *job) {
    enum history history = config_history(pass->config, job->schema, job->table);
    if (history != HISTORY_ONLY)
        look_at_target(pass, job, false);
    if (history == HISTORY_ONLY || (history == HISTORY_BESIDE && !job->due && job->outcome == LOAD_NOTHING))
        look_at_target(pass, job, true);
}
