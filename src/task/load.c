#include "task/load.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/log.h"
#include "task/load_table.h"

enum {
    LOAD_WORKERS_MAX = 8, /* tables at a time; each of them is read and merged by all threads of the engine */
    LOOK_WORKERS = 8,     /* listings at a time: they wait for the store, not for a processor */
    PROGRESS_MS = 200,
    LOAD_WORKER_BYTES = 256 * 1024 * 1024,
};

/* --- a small pool: the jobs of a list, by several threads ----------------------------------------------------------------- */

struct pool {
    struct load_pass *pass;
    struct load_job **jobs;
    size_t job_count;
    bool look; /* load_table_look, else load_table_run */
    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        size_t next, finished;
        struct error error; /* a worker could not start */
    } shared;
};

/* The next job, or NULL when there is none or a stop was asked for. */
static struct load_job *take_job(struct pool *pool) {
    pthread_mutex_lock(&pool->shared.lock);
    struct load_job *job =
        pool->shared.next < pool->job_count && !cancel_requested() ? pool->jobs[pool->shared.next++] : NULL;
    pthread_mutex_unlock(&pool->shared.lock);
    return job;
}

static void finish_job(struct pool *pool) {
    pthread_mutex_lock(&pool->shared.lock);
    pool->shared.finished++;
    pthread_cond_signal(&pool->shared.changed);
    pthread_mutex_unlock(&pool->shared.lock);
}

static void keep_error(struct pool *pool, const struct error *error) {
    pthread_mutex_lock(&pool->shared.lock);
    if (pool->shared.error.kind == ERROR_NONE)
        pool->shared.error = *error;
    pthread_mutex_unlock(&pool->shared.lock);
}

static void *work(void *opaque) {
    struct pool *pool = opaque;
    struct engine_connection *connection = NULL;
    struct error err;
    if (!pool->look && !engine_connect(pool->pass->lake.engine, &connection, &err)) {
        keep_error(pool, &err);
        return NULL;
    }
    for (struct load_job *job; (job = take_job(pool)) != NULL; finish_job(pool)) {
        if (pool->look)
            load_table_look(pool->pass, job);
        else
            load_table_run(pool->pass, connection, job);
    }
    engine_disconnect(connection);
    return NULL;
}

static void *show_progress(void *opaque) {
    struct pool *pool = opaque;
    pthread_mutex_lock(&pool->shared.lock);
    while (pool->shared.finished < pool->job_count) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&pool->shared.changed, &pool->shared.lock, &until);
        log_progress("loading: %zu of %zu tables done, %llu rows read", pool->shared.finished, pool->job_count,
                     atomic_load(&pool->pass->rows_read));
    }
    pthread_mutex_unlock(&pool->shared.lock);
    log_progress(NULL);
    return NULL;
}

/* Runs all jobs; the calling thread is one of the workers. False when no worker could start, or a stop was asked for. */
static bool run_jobs(struct load_pass *pass, struct load_job **jobs, size_t count, bool look, size_t workers,
                     struct error *err) {
    struct pool pool = {.pass = pass, .jobs = jobs, .job_count = count, .look = look};
    pthread_t threads[LOAD_WORKERS_MAX > LOOK_WORKERS ? LOAD_WORKERS_MAX : LOOK_WORKERS], progress;
    size_t started = 0;
    pthread_mutex_init(&pool.shared.lock, NULL);
    pthread_cond_init(&pool.shared.changed, NULL);
    bool shown = !look && log_is_interactive() && pthread_create(&progress, NULL, show_progress, &pool) == 0;
    while (started + 1 < workers && started + 1 < count && pthread_create(&threads[started], NULL, work, &pool) == 0)
        started++;
    work(&pool);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    bool done = pool.shared.next == count;
    if (shown) {
        pthread_mutex_lock(&pool.shared.lock);
        pool.shared.finished = count;
        pthread_cond_signal(&pool.shared.changed);
        pthread_mutex_unlock(&pool.shared.lock);
        pthread_join(progress, NULL);
    }
    pthread_cond_destroy(&pool.shared.changed);
    pthread_mutex_destroy(&pool.shared.lock);
    if (!cancel_check(err))
        return false;
    if (!done && err != NULL)
        *err = pool.shared.error;
    return done;
}

/* --- the tables of a pass --------------------------------------------------------------------------------------------------- */

struct job_list {
    struct load_job *jobs;
    size_t count;
    struct load_job **due; /* largest first, so that the last worker is not left with the longest job */
    size_t due_count;
};

static bool is_chosen(const struct load_options *options, const struct controller_row *row) {
    return (options->schema == NULL || strcmp(options->schema, row->schema) == 0) &&
           (options->table == NULL || strcmp(options->table, row->table) == 0);
}

/* An active table and its lake folder. */
struct folder_owner {
    const char *folder;
    const struct controller_row *row;
    bool is_history; /* the folder is its history's */
};

/* What stands in the way of a table. */
struct twin {
    const struct controller_row *row; /* NULL: nothing does */
    bool is_history;                  /* one of the two is a history */
};

/* By folder; of one folder, the table that was loaded, or is listed, first. */
static int compare_owner(const void *a, const void *b) {
    const struct folder_owner *left = a, *right = b;
    int order = strcmp(left->folder, right->folder);
    if (order == 0)
        order = (left->row->last_run_id == NULL) - (right->row->last_run_id == NULL);
    return order != 0 ? order : (left->row > right->row) - (left->row < right->row);
}

/* Two tables whose lake tables would be one folder (lake.table_name without {schema}) would replace each other's rows: the
 * one that is there first keeps it. twins[i] is what stands in the way of rows[i]; in the arena. */
static struct twin *find_twins(const struct config *config, struct arena *arena, const struct controller_row *rows,
                               size_t count) {
    struct twin *twins = arena_alloc(arena, (count + 1) * sizeof *twins);
    struct folder_owner *owners = arena_alloc(arena, (2 * count + 1) * sizeof *owners);
    size_t owner_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *schema = rows[i].schema, *table = rows[i].table;
        enum history history = config_history(config, schema, table);
        if (rows[i].active && history != HISTORY_ONLY)
            owners[owner_count++] =
                (struct folder_owner){config_table_folder(config, arena, schema, table), &rows[i], false};
        if (rows[i].active && history != HISTORY_NONE)
            owners[owner_count++] =
                (struct folder_owner){config_history_folder(config, arena, schema, table), &rows[i], true};
    }
    qsort(owners, owner_count, sizeof *owners, compare_owner);
    for (size_t i = 1, first = 0; i < owner_count; i++) {
        if (strcmp(owners[i].folder, owners[first].folder) == 0)
            twins[owners[i].row - rows] =
                (struct twin){owners[first].row, owners[i].is_history || owners[first].is_history};
        else
            first = i;
    }
    return twins;
}

/* {schema}_{table} tells two schemas apart, and not a table t_history from the history of t. */
static void refuse_twin(struct load_job *job, const struct twin *twin) {
    const char *schema = twin->row->schema, *table = twin->row->table;
    job->failed_to_look = job->due = true;
    if (twin->is_history && strcmp(schema, job->schema) == 0)
        error_set(&job->error, ERROR_CONFIG,
                  "%s.%s has the same lake table: one is named as the history of the other; turn that history off "
                  "(tables: history), or deactivate one of them",
                  schema, table);
    else
        error_set(
            &job->error, ERROR_CONFIG,
            "%s.%s has the same lake table; set lake.table_name to \"{schema}_{table}\", or deactivate one of them",
            schema, table);
}

static bool list_jobs(struct load_pass *pass, struct arena *arena, const struct load_options *options,
                      struct job_list *list, struct error *err) {
    struct controller_row *rows = NULL;
    size_t count = 0;
    const char *prefix = arena_printf(arena, "%s/%s", pass->raw->bucket, pass->raw->prefix);
    if (!controller_list(pass->state, arena, prefix, &rows, &count, err))
        return false;
    list->jobs = mem_zalloc((count + 1) * sizeof *list->jobs);
    list->due = mem_zalloc((count + 1) * sizeof *list->due);
    const struct twin *twins = find_twins(pass->config, arena, rows, count);
    for (size_t i = 0; i < count; i++) {
        if (!is_chosen(options, &rows[i]))
            continue;
        struct load_job *job = &list->jobs[list->count++];
        *job = (struct load_job){.path = rows[i].path, .schema = rows[i].schema, .table = rows[i].table};
        if (twins[i].row != NULL)
            refuse_twin(job, &twins[i]);
    }
    controller_rows_deinit(rows, count);
    if (list->count > 0 || (options->schema == NULL && options->table == NULL))
        return true;
    return error_set(err, ERROR_CONFIG, "there is no table %s.%s in %s: sluice tables list shows what is there",
                     options->schema != NULL ? options->schema : "*", options->table != NULL ? options->table : "*",
                     pass->raw->location);
}

static int compare_size(const void *a, const void *b) {
    uint64_t a_size = (*(struct load_job *const *)a)->size_bytes, b_size = (*(struct load_job *const *)b)->size_bytes;
    return (a_size < b_size) - (a_size > b_size);
}

static bool look_at_jobs(struct load_pass *pass, struct job_list *list, struct error *err) {
    struct load_job **all = mem_alloc((list->count + 1) * sizeof *all);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!list->jobs[i].failed_to_look)
            all[count++] = &list->jobs[i];
    bool ok = run_jobs(pass, all, count, true, LOOK_WORKERS, err);
    mem_free(all);
    for (size_t i = 0; ok && i < list->count; i++)
        if (list->jobs[i].due)
            list->due[list->due_count++] = &list->jobs[i];
    qsort(list->due, list->due_count, sizeof *list->due, compare_size);
    return ok;
}

/* Tables at a time share the engine's memory: each should have enough to sort and join without spilling all the time. */
static size_t worker_count(const struct config *config) {
    uint64_t count = config->threads > 0 ? (uint64_t)config->threads : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t fitting = config->memory_limit_bytes / LOAD_WORKER_BYTES;
    if (count > fitting)
        count = fitting;
    return count < 1 ? 1 : count > LOAD_WORKERS_MAX ? LOAD_WORKERS_MAX : (size_t)count;
}

static bool run_due_jobs(struct load_pass *pass, const struct job_list *list, struct error *err) {
    const struct config *config = pass->config;
    if (list->due_count == 0)
        return true;
    const char *tmp = getenv("TMPDIR");
    struct engine_options options = {.memory_limit_bytes = config->memory_limit_bytes,
                                     .threads = (unsigned)config->threads,
                                     .temp_folder = config->temp_folder != NULL ? config->temp_folder
                                                    : tmp != NULL               ? tmp
                                                                                : "/tmp"};
    return engine_open(&options, &pass->lake.engine, err) &&
           run_jobs(pass, list->due, list->due_count, false, worker_count(config), err);
}

static void summarize(const struct job_list *list, struct load_summary *summary) {
    summary->tables = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const struct load_job *job = &list->jobs[i];
        summary->loaded += job->outcome == LOAD_LOADED;
        summary->failed += job->outcome == LOAD_FAILED;
        summary->waiting += job->outcome == LOAD_WAITING;
        summary->rows += job->rows;
        summary->files += job->files;
    }
}

/* --- the pass ----------------------------------------------------------------------------------------------------------------- */

static bool open_pass(struct load_pass *pass, struct error *err) {
    const struct config *config = pass->config;
    return lake_init(config, &pass->format, &pass->lake, err) && discover_open_raw(config, false, &pass->raw, err) &&
           state_open(config->state, &pass->state, err);
}

static void close_pass(struct load_pass *pass) {
    lake_deinit(&pass->lake);
    discover_cut_deinit(&pass->cut);
    state_close(pass->state);
    store_close(pass->raw);
}

bool load_run(const struct config *config, const struct load_options *options, struct load_summary *summary,
              struct error *err) {
    struct load_pass pass = {.config = config, .said = options->said};
    struct job_list list = {0};
    struct arena arena;
    arena_init(&arena);
    *summary = (struct load_summary){0};
    bool ok = open_pass(&pass, err) && discover_cut_read(pass.state, &arena, config->task, &pass.cut, err) &&
              discover_tables(config, pass.raw, pass.state, &pass.cut, err) &&
              list_jobs(&pass, &arena, options, &list, err) && look_at_jobs(&pass, &list, err) &&
              run_due_jobs(&pass, &list, err);
    summarize(&list, summary);
    mem_free(list.due);
    mem_free(list.jobs);
    close_pass(&pass);
    arena_deinit(&arena);
    return ok;
}
