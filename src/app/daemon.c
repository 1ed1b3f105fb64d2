#include "app/daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/options.h"
#include "config/schedule.h"
#include "lake/lake.h"
#include "state/checkpoint.h"
#include "task/capture.h"
#include "task/catalog_sync.h"
#include "task/load.h"
#include "task/maintain.h"

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 60 * 1000,
    HEALTHY_MS = 60 * 1000, /* who ran for so long starts with the first back-off again */
    POLL_MS = 200,          /* continuous: how soon a load sees a capture commit */
    IDLE_PASS_MS = 5000,    /* continuous: what has no commit (files of AWS DMS, an activated table) is seen so soon */
    FAILED_PASS_MAX_MS =
        60 * 1000,            /* a table that fails again and again slows the looks without a commit down to this */
    SLEEP_MAX_MS = 10 * 1000, /* the wall clock may be set while we wait for a time */
};

struct daemon {
    const struct config *config;
    struct config loads; /* the same, with the memory that maintenance leaves to loads */
    struct {
        pthread_mutex_t mutex;
        struct error first; /* the error that ended everything; NONE: a stop was asked for */
    } end;                  /* guarded by its mutex */
};

/* Ends both loops; the first who says why is believed. */
static void end_with(struct daemon *daemon, const struct error *err) {
    pthread_mutex_lock(&daemon->end.mutex);
    if (daemon->end.first.kind == ERROR_NONE && err->kind != ERROR_CANCELLED)
        daemon->end.first = *err;
    pthread_mutex_unlock(&daemon->end.mutex);
    cancel_request();
}

/* --- back-off: an error that goes on is logged once ----------------------------------------------------------------------- */

struct backoff {
    long wait_ms; /* 0: the last attempt went well */
    char last_message[sizeof((struct error *)0)->message];
};

static void backoff_reset(struct backoff *backoff) {
    if (backoff->wait_ms > 0)
        log_info("works again after: %s", backoff->last_message);
    backoff->wait_ms = 0;
    backoff->last_message[0] = '\0';
}

static void backoff_note(struct backoff *backoff, const struct error *err) {
    backoff->wait_ms = backoff->wait_ms == 0 ? BACKOFF_FIRST_MS : backoff->wait_ms * 2;
    if (backoff->wait_ms > BACKOFF_MAX_MS)
        backoff->wait_ms = BACKOFF_MAX_MS;
    if (strcmp(backoff->last_message, err->message) == 0)
        log_debug("still: %s", err->message);
    else
        log_error("%s; it is tried again until it works", err->message);
    memcpy(backoff->last_message, err->message, sizeof backoff->last_message);
}

static bool may_pass(const struct error *err) { return err->kind == ERROR_RETRY || err->kind == ERROR_OUTSIDE; }

/* --- capture ---------------------------------------------------------------------------------------------------------------- */

static void *capture_thread(void *argument) {
    struct daemon *daemon = argument;
    const struct capture_options options = {0};
    struct backoff backoff = {0};
    struct error err;
    while (!cancel_requested()) {
        int64_t started_ms = clock_monotonic_ms();
        err = (struct error){0};
        if (capture_run(daemon->config, &options, &err) || cancel_requested())
            break;
        if (!may_pass(&err)) {
            end_with(daemon, &err);
            break;
        }
        if (clock_monotonic_ms() - started_ms > HEALTHY_MS)
            backoff = (struct backoff){0};
        backoff_note(&backoff, &err);
        cancel_sleep_ms(backoff.wait_ms);
    }
    return NULL;
}

/* --- load ------------------------------------------------------------------------------------------------------------------- */

/* The number of the task's last capture commit; 0 when there is none. */
static bool read_commits(struct state *state, const char *task, int64_t *commits, struct error *err) {
    struct checkpoint_task row;
    struct state_item item = {0};
    struct arena arena;
    bool found;
    arena_init(&arena);
    bool ok = checkpoint_get_task(state, &arena, task, &row, &item, &found, err);
    *commits = ok && found ? row.commits : 0;
    state_item_deinit(&item);
    arena_deinit(&arena);
    return ok;
}

/* Continuous: until capture committed something after `seen`, or it is time for a look without. */
static bool wait_for_commit(struct state *state, const char *task, int64_t seen, long idle_ms, struct error *err) {
    int64_t until_ms = clock_monotonic_ms() + idle_ms;
    while (clock_monotonic_ms() < until_ms) {
        int64_t commits;
        if (!read_commits(state, task, &commits, err))
            return false;
        if (commits != seen)
            return true;
        if (!cancel_sleep_ms(POLL_MS))
            return cancel_check(err);
    }
    return true;
}

static bool wait_until(int64_t time_us, struct error *err) {
    for (int64_t left_us; (left_us = time_us - clock_now_us()) > 0;) {
        int64_t left_ms = left_us / 1000 + 1;
        if (!cancel_sleep_ms((long)(left_ms < SLEEP_MAX_MS ? left_ms : SLEEP_MAX_MS)))
            return cancel_check(err);
    }
    return true;
}

struct load_loop {
    const struct config *config;
    struct schedule schedule;
    struct state *state; /* NULL: not open */
    bool started;        /* continuous: the first pass was made */
    int64_t seen;        /* capture commits that the last pass could see */
    long idle_ms;        /* continuous: how long to wait for a commit */
    struct load_said *said;
};

static bool load_pass(struct load_loop *loop, struct error *err) {
    const struct load_options options = {.said = loop->said};
    struct load_summary summary = {0};
    if (!load_run(loop->config, &options, &summary, err))
        return false;
    loop->idle_ms = summary.failed == 0 ? IDLE_PASS_MS : loop->idle_ms * 2;
    if (loop->idle_ms > FAILED_PASS_MAX_MS)
        loop->idle_ms = FAILED_PASS_MAX_MS;
    return true;
}

/* Waits for the next time of a schedule that has times; `name` and `text` are for the error. */
static bool wait_for_time(const struct schedule *schedule, const char *name, const char *text, struct error *err) {
    int64_t next_us;
    if (schedule_next(schedule, clock_now_us(), &next_us))
        return wait_until(next_us, err);
    return error_set(err, ERROR_CONFIG, "schedule.%s: \"%s\" never comes again", name, text);
}

static bool wait_for_turn(struct load_loop *loop, struct error *err) {
    if (loop->schedule.kind != SCHEDULE_CONTINUOUS)
        return wait_for_time(&loop->schedule, "load", loop->config->schedule.load, err);
    if (loop->state == NULL && !state_open(loop->config->state, &loop->state, err))
        return false;
    if (loop->started && !wait_for_commit(loop->state, loop->config->task, loop->seen, loop->idle_ms, err))
        return false;
    loop->started = true;
    return read_commits(loop->state, loop->config->task, &loop->seen, err);
}

static void load_loop(struct daemon *daemon) {
    struct load_loop loop = {.config = &daemon->loads, .idle_ms = IDLE_PASS_MS, .said = load_said_new()};
    struct backoff backoff = {0};
    struct error err = {0};
    bool ok = schedule_parse(daemon->config->schedule.load, &loop.schedule, &err);
    while (ok && !cancel_requested()) {
        err = (struct error){0};
        ok = wait_for_turn(&loop, &err) && load_pass(&loop, &err);
        if (ok) {
            backoff_reset(&backoff);
        } else if (may_pass(&err) || err.kind == ERROR_CONFLICT) {
            backoff_note(&backoff, &err);
            cancel_sleep_ms(backoff.wait_ms);
            ok = true;
        }
    }
    if (!ok)
        end_with(daemon, &err);
    load_said_free(loop.said);
    state_close(loop.state);
}

/* --- maintain, catalog --------------------------------------------------------------------------------------------------------------- */

enum { MAINTAIN_MEMORY_SHARE = 4, ROUNDS_CONTINUOUS_MS = 60 * 1000 };

static uint64_t maintain_memory(const struct config *config) {
    uint64_t share = config->memory_limit_bytes / MAINTAIN_MEMORY_SHARE;
    return share > MEMORY_LIMIT_MIN_BYTES ? share : MEMORY_LIMIT_MIN_BYTES;
}

static bool maintain_round(const struct config *config, struct error *err) {
    const struct maintain_options options = {.memory_limit_bytes = maintain_memory(config)};
    struct maintain_summary summary;
    return maintain_run(config, &options, &summary, err);
}

static bool catalog_round(const struct config *config, struct error *err) {
    struct catalog_sync_summary summary;
    return catalog_sync_run(config, &summary, err);
}

/* Rounds of something on a schedule, in a thread of their own. */
struct rounds {
    struct daemon *daemon;
    const char *name; /* of its schedule */
    const char *text; /* the schedule as configured */
    bool (*run)(const struct config *config, struct error *err);
    bool wanted, started;
    pthread_t thread;
};

/* `continuous` has no event to wait for here: a round a minute. */
static bool wait_for_round(const struct rounds *rounds, const struct schedule *schedule, struct error *err) {
    if (schedule->kind == SCHEDULE_CONTINUOUS)
        return cancel_sleep_ms(ROUNDS_CONTINUOUS_MS) || cancel_check(err);
    return wait_for_time(schedule, rounds->name, rounds->text, err);
}

static void *rounds_thread(void *argument) {
    struct rounds *rounds = argument;
    const struct config *config = rounds->daemon->config;
    struct backoff backoff = {0};
    struct schedule schedule;
    struct error err = {0};
    bool ok = schedule_parse(rounds->text, &schedule, &err);
    while (ok && !cancel_requested()) {
        err = (struct error){0};
        ok = wait_for_round(rounds, &schedule, &err) && rounds->run(config, &err);
        if (ok) {
            backoff_reset(&backoff);
        } else if (may_pass(&err) || err.kind == ERROR_CONFLICT) {
            backoff_note(&backoff, &err); /* the schedule is the pause */
            ok = true;
        }
    }
    if (!ok)
        end_with(rounds->daemon, &err);
    return NULL;
}

static bool is_maintained(const struct config *config) {
    const struct lake_format_ops *format = lake_format_find(config->lake.format);
    return config->schedule.maintain != NULL && format != NULL && format->maintain != NULL;
}

static bool is_synced(const struct config *config) {
    const struct lake_format_ops *format = lake_format_find(config->lake.format);
    return config->schedule.catalog != NULL && format != NULL && format->sync != NULL;
}

/* --- all ------------------------------------------------------------------------------------------------------------------- */

static bool start_thread(void *(*run)(void *), void *argument, const char *name, pthread_t *thread, struct error *err) {
    int code = pthread_create(thread, NULL, run, argument);
    return code == 0 || error_set_errno(err, code, "starting the %s thread", name);
}

static void wait_for_stop(void) {
    while (cancel_sleep_ms(SLEEP_MAX_MS)) {
    }
}

/* Loads and maintenance each have an engine, and share the memory. */
static void share_memory(struct daemon *daemon, bool maintains) {
    daemon->loads = *daemon->config;
    if (maintains && daemon->config->memory_limit_bytes >= 2 * (uint64_t)MEMORY_LIMIT_MIN_BYTES)
        daemon->loads.memory_limit_bytes -= maintain_memory(daemon->config);
}

static bool start_rounds(struct rounds *rounds, size_t count, struct error *err) {
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++)
        if (rounds[i].wanted)
            ok = rounds[i].started = start_thread(rounds_thread, &rounds[i], rounds[i].name, &rounds[i].thread, err);
    return ok;
}

static void run_loops(struct daemon *daemon, bool captures, bool loads, struct rounds *rounds, size_t round_count) {
    pthread_t capture;
    struct error err = {0};
    bool capturing = captures && start_thread(capture_thread, daemon, "capture", &capture, &err);
    if (capturing != captures || !start_rounds(rounds, round_count, &err))
        end_with(daemon, &err);
    if (loads)
        load_loop(daemon);
    else
        wait_for_stop();
    if (capturing)
        pthread_join(capture, NULL);
    for (size_t i = 0; i < round_count; i++)
        if (rounds[i].started)
            pthread_join(rounds[i].thread, NULL);
}

bool daemon_run(const struct config *config, struct error *err) {
    struct daemon daemon = {.config = config, .end.mutex = PTHREAD_MUTEX_INITIALIZER};
    bool captures = strcmp(config->source.engine, "dms") != 0, loads = config->schedule.load != NULL;
    struct rounds rounds[] = {
        {&daemon, "maintain", config->schedule.maintain, maintain_round, .wanted = is_maintained(config)},
        {&daemon, "catalog", config->schedule.catalog, catalog_round, .wanted = is_synced(config)},
    };
    bool maintains = rounds[0].wanted;
    if (!captures && !loads)
        return error_set(err, ERROR_CONFIG, "%s: there is nothing to run: AWS DMS captures, and schedule.load is null",
                         config->path);
    share_memory(&daemon, maintains);
    log_info("task %s runs: capture %s, load %s%s%s%s%s", config->task, captures ? "on" : "by AWS DMS",
             loads ? config->schedule.load : "off", maintains ? ", maintain " : "",
             maintains ? config->schedule.maintain : "", rounds[1].wanted ? ", catalog " : "",
             rounds[1].wanted ? config->schedule.catalog : "");
    run_loops(&daemon, captures, loads, rounds, sizeof rounds / sizeof *rounds);
    log_info("task %s stopped", config->task);
    if (daemon.end.first.kind == ERROR_NONE)
        return true;
    *err = daemon.end.first;
    return false;
}
