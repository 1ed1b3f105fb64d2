#include "engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "engine/duckdb_internal.h"

/* How soon a stop that was asked for reaches a statement under way. */
enum { WATCH_INTERVAL_MS = 50 };

/* --- errors ------------------------------------------------------------------------------------------------------ */

static bool contains(const char *text, const char *part) { return strstr(text, part) != NULL; }

#define INVALID_INPUT "Invalid Input Error: "

/* The one place that says what an error of DuckDB means for the caller. */
static enum error_kind kind_of(duckdb_error_type type, const char *message) {
    switch (type) {
    case DUCKDB_ERROR_INTERRUPT:
        return ERROR_CANCELLED;
    case DUCKDB_ERROR_OUT_OF_MEMORY:
    case DUCKDB_ERROR_PERMISSION:
        return ERROR_OUTSIDE;
    case DUCKDB_ERROR_IO:
        return contains(message, "No space left") || contains(message, "Permission denied") ||
                       contains(message, "quota exceeded")
                   ? ERROR_OUTSIDE
                   : ERROR_RETRY;
    case DUCKDB_ERROR_NETWORK:
    case DUCKDB_ERROR_HTTP:
        return ERROR_RETRY;
    case DUCKDB_ERROR_OUT_OF_RANGE:
    case DUCKDB_ERROR_CONVERSION:
    case DUCKDB_ERROR_DECIMAL:
    case DUCKDB_ERROR_MISMATCH_TYPE:
    case DUCKDB_ERROR_DIVIDE_BY_ZERO:
    case DUCKDB_ERROR_OBJECT_SIZE:
    case DUCKDB_ERROR_CONSTRAINT:
        return ERROR_DATA;
    case DUCKDB_ERROR_INVALID_INPUT: /* a damaged Parquet file, or "Cannot prepare multiple statements at once!" */
        return contains(message, "multiple statements") ? ERROR_CONFIG : ERROR_DATA;
    case DUCKDB_ERROR_PARSER:
    case DUCKDB_ERROR_SYNTAX:
    case DUCKDB_ERROR_BINDER:
    case DUCKDB_ERROR_CATALOG:
        return ERROR_CONFIG;
    default:
        return ERROR_INTERNAL;
    }
}

static const char *hint_for(duckdb_error_type type, enum error_kind kind) {
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY)
        return "; raise memory_limit, lower threads, or give temp_folder more room";
    if (type == DUCKDB_ERROR_IO && kind == ERROR_OUTSIDE)
        return "; give the disk room and the user that runs sluice write access, then run again";
    return "";
}

bool engine_set_error(struct engine_connection *connection, duckdb_error_type type, const char *message,
                      struct error *err) {
    struct engine *engine = connection->engine;
    pthread_mutex_lock(&engine->shared.lock);
    struct error raised = connection->shared.scan_error;
    pthread_mutex_unlock(&engine->shared.lock);
    if (raised.kind != ERROR_NONE) {
        if (err != NULL)
            *err = raised;
        return false;
    }
    if (message == NULL)
        message = "no reason given";
    /* Our own texts, raised by error(…), and DuckDB's about input: they say what is wrong without it. */
    if (strncmp(message, INVALID_INPUT, strlen(INVALID_INPUT)) == 0)
        message += strlen(INVALID_INPUT);
    /* The first paragraph is the error; behind it come advice for DuckDB's shell and the quoted statement. */
    const char *end = strstr(message, "\n\n");
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY && strchr(message, '\n') != NULL)
        end = strchr(message, '\n');
    int len = (int)(end != NULL ? (size_t)(end - message) : strlen(message));
    enum error_kind kind = kind_of(type, message);
    int code = type == DUCKDB_ERROR_OUT_OF_MEMORY ? ENOMEM : 0;
    return error_set_code(err, kind, code, "%.*s%s", len, message, hint_for(type, kind));
}

bool engine_set_result_error(struct engine_connection *connection, duckdb_result *result, struct error *err) {
    return engine_set_error(connection, duckdb_result_error_type(result), duckdb_result_error(result), err);
}

/* The type of an error by the name with which its message begins. */
static duckdb_error_type type_by_name(const char *message) {
    static const struct {
        const char *prefix;
        duckdb_error_type type;
    } types[] = {
        {"Parser Error", DUCKDB_ERROR_PARSER},
        {"Binder Error", DUCKDB_ERROR_BINDER},
        {"Catalog Error", DUCKDB_ERROR_CATALOG},
        {"Conversion Error", DUCKDB_ERROR_CONVERSION},
        {"IO Error", DUCKDB_ERROR_IO},
        {"Invalid Input Error", DUCKDB_ERROR_INVALID_INPUT},
        {"INTERRUPT Error", DUCKDB_ERROR_INTERRUPT},
        {"Out of Memory Error", DUCKDB_ERROR_OUT_OF_MEMORY},
        {"Permission Error", DUCKDB_ERROR_PERMISSION},
    };
    for (size_t i = 0; message != NULL && i < sizeof types / sizeof *types; i++)
        if (strncmp(message, types[i].prefix, strlen(types[i].prefix)) == 0)
            return types[i].type;
    return DUCKDB_ERROR_INTERNAL;
}

bool engine_set_prepare_error(struct engine_connection *connection, const char *message, struct error *err) {
    return engine_set_error(connection, type_by_name(message), message, err);
}

/* --- statements under way, and stopping them ------------------------------------------------------------------------ */

void engine_statement_begin(struct engine_connection *connection) {
    struct engine *engine = connection->engine;
    pthread_mutex_lock(&engine->shared.lock);
    assert(!connection->shared.running); /* a connection runs one statement at a time */
    connection->shared.running = true;
    connection->shared.scan_error.kind = ERROR_NONE;
    engine->shared.running++;
    pthread_cond_signal(&engine->shared.changed);
    pthread_mutex_unlock(&engine->shared.lock);
}

void engine_statement_end(struct engine_connection *connection) {
    struct engine *engine = connection->engine;
    pthread_mutex_lock(&engine->shared.lock);
    assert(connection->shared.running);
    connection->shared.running = false;
    engine->shared.running--;
    pthread_mutex_unlock(&engine->shared.lock);
}

static void interrupt_running(struct engine *engine) {
    for (struct engine_connection *c = engine->shared.connections; c != NULL; c = c->shared.next)
        if (c->shared.running)
            duckdb_interrupt(c->native);
}

static struct timespec watch_deadline(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += WATCH_INTERVAL_MS * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000L;
    at.tv_nsec %= 1000000000L;
    return at;
}

/* DuckDB does not look at our flag, so a thread looks for it while statements run, and sleeps while none does. */
static void *watch_for_cancel(void *context) {
    struct engine *engine = context;
    pthread_mutex_lock(&engine->shared.lock);
    while (!engine->shared.closing) {
        if (engine->shared.running == 0) {
            pthread_cond_wait(&engine->shared.changed, &engine->shared.lock);
            continue;
        }
        struct timespec deadline = watch_deadline();
        pthread_cond_timedwait(&engine->shared.changed, &engine->shared.lock, &deadline);
        if (cancel_requested())
            interrupt_running(engine);
    }
    pthread_mutex_unlock(&engine->shared.lock);
    return NULL;
}

void engine_interrupt(struct engine_connection *connection) { duckdb_interrupt(connection->native); }

/* --- open and close ---------------------------------------------------------------------------------------------- */

static bool set_option(duckdb_config config, const char *name, const char *value, struct error *err) {
    if (duckdb_set_config(config, name, value) != DuckDBSuccess)
        return error_set(err, ERROR_INTERNAL, "DuckDB does not take the setting %s = %s", name, value);
    return true;
}

/* memory_limit is meant for the process. DuckDB counts only its buffers: a thread that writes Parquet uses some 128 MB
 * beside them (measured: a sorted, partitioned write of 6,000,000 rows on 2 threads), and needs about as much to work. */
enum { THREAD_OVERHEAD_BYTES = 128 << 20 };

static unsigned threads_for(const struct engine_options *options) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = options->threads > 0 ? options->threads : cores > 0 ? (unsigned)cores : 1;
    uint64_t most = options->memory_limit_bytes / THREAD_OVERHEAD_BYTES;
    if (options->memory_limit_bytes > 0 && threads > most)
        threads = most > 1 ? (unsigned)most : 1;
    return threads;
}

static uint64_t buffers_for(const struct engine_options *options, unsigned threads) {
    uint64_t limit = options->memory_limit_bytes, overhead = (uint64_t)threads * THREAD_OVERHEAD_BYTES;
    return overhead < limit / 2 ? limit - overhead : limit / 2;
}

static bool set_limits(duckdb_config config, const struct engine_options *options, struct error *err) {
    unsigned threads = threads_for(options);
    char text[32];
    snprintf(text, sizeof text, "%u", threads);
    if (!set_option(config, "threads", text, err))
        return false;
    if (options->memory_limit_bytes == 0)
        return set_option(config, "memory_limit", "25%", err);
    snprintf(text, sizeof text, "%llu B", (unsigned long long)buffers_for(options, threads));
    return set_option(config, "memory_limit", text, err);
}

static bool set_options(duckdb_config config, const struct engine *engine, const struct engine_options *options,
                        struct error *err) {
    static const char *const fixed[][2] = {
        {"autoinstall_known_extensions", "false"}, /* never reaches for the network by itself */
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"preserve_insertion_order", "false"}, /* what needs an order says ORDER BY; without, memory stays bounded */
        /* Partitions are written sorted; a buffer for each that a thread has seen since it last wrote would be 32 kB a
         * column and partition: few rows, few buffers. */
        {"partitioned_write_flush_threshold", "8192"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (!set_option(config, fixed[i][0], fixed[i][1], err))
            return false;
    const char *spill = engine->spill != NULL ? spill_path(engine->spill) : "";
    return set_option(config, "temp_directory", spill, err) && set_limits(config, options, err);
}

static bool open_database(struct engine *engine, const struct engine_options *options, struct error *err) {
    duckdb_config config = NULL;
    char *message = NULL;
    bool ok = false;
    if (duckdb_create_config(&config) != DuckDBSuccess) {
        error_set(err, ERROR_INTERNAL, "DuckDB gives no configuration");
        goto done;
    }
    if (!set_options(config, engine, options, err))
        goto done;
    if (duckdb_open_ext(NULL, &engine->database, config, &message) != DuckDBSuccess) {
        error_set(err, ERROR_OUTSIDE, "starting DuckDB: %s", message != NULL ? message : "no reason given");
        goto done;
    }
    ok = true;
done:
    duckdb_free(message);
    duckdb_destroy_config(&config);
    return ok;
}

/* What holds for every connection: instants are shown in UTC, and the table functions exist. */
static bool prepare_database(struct engine *engine, struct error *err) {
    struct engine_connection *connection = NULL;
    if (!engine_connect(engine, &connection, err))
        return false;
    bool ok = engine_run(connection, "SET GLOBAL TimeZone = 'UTC'", NULL, err) &&
              scan_register(engine, connection->native, err) && positions_register(engine, connection->native, err);
    engine_disconnect(connection);
    return ok;
}

static bool start_watcher(struct engine *engine, struct error *err) {
    int failed = pthread_create(&engine->watcher, NULL, watch_for_cancel, engine);
    if (failed != 0)
        return error_set_errno(err, failed, "starting a thread");
    engine->watcher_started = true;
    return true;
}

bool engine_open(const struct engine_options *options, struct engine **out, struct error *err) {
    struct engine *engine = mem_zalloc(sizeof *engine);
    pthread_mutex_init(&engine->shared.lock, NULL);
    pthread_cond_init(&engine->shared.changed, NULL);
    if ((options->temp_folder != NULL && !spill_open(options->temp_folder, &engine->spill, err)) ||
        !open_database(engine, options, err) || !start_watcher(engine, err) || !prepare_database(engine, err)) {
        engine_close(engine);
        return false;
    }
    *out = engine;
    return true;
}

static void stop_watcher(struct engine *engine) {
    if (!engine->watcher_started)
        return;
    pthread_mutex_lock(&engine->shared.lock);
    engine->shared.closing = true;
    pthread_cond_signal(&engine->shared.changed);
    pthread_mutex_unlock(&engine->shared.lock);
    pthread_join(engine->watcher, NULL);
}

void engine_close(struct engine *engine) {
    if (engine == NULL)
        return;
    assert(engine->shared.connections == NULL && engine->shared.scans == NULL);
    stop_watcher(engine);
    duckdb_close(&engine->database);
    spill_close(engine->spill);
    pthread_cond_destroy(&engine->shared.changed);
    pthread_mutex_destroy(&engine->shared.lock);
    mem_free(engine);
}

static idx_t connection_id(duckdb_connection native) {
    duckdb_client_context context = NULL;
    duckdb_connection_get_client_context(native, &context);
    idx_t id = duckdb_client_context_get_connection_id(context);
    duckdb_destroy_client_context(&context);
    return id;
}

bool engine_connect(struct engine *engine, struct engine_connection **out, struct error *err) {
    struct engine_connection *connection = mem_zalloc(sizeof *connection);
    connection->engine = engine;
    if (duckdb_connect(engine->database, &connection->native) != DuckDBSuccess) {
        mem_free(connection);
        error_set(err, ERROR_INTERNAL, "DuckDB gives no connection");
        return false;
    }
    connection->id = connection_id(connection->native);
    pthread_mutex_lock(&engine->shared.lock);
    connection->shared.next = engine->shared.connections;
    engine->shared.connections = connection;
    pthread_mutex_unlock(&engine->shared.lock);
    *out = connection;
    return true;
}

void engine_disconnect(struct engine_connection *connection) {
    if (connection == NULL)
        return;
    struct engine *engine = connection->engine;
    pthread_mutex_lock(&engine->shared.lock);
    assert(!connection->shared.running); /* its results are freed before the connection */
    struct engine_connection **at = &engine->shared.connections;
    while (*at != connection)
        at = &(*at)->shared.next;
    *at = connection->shared.next;
    pthread_mutex_unlock(&engine->shared.lock);
    duckdb_disconnect(&connection->native);
    mem_free(connection);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

bool engine_run_all(struct engine_connection *connection, const char *sql, duckdb_result *result, struct error *err) {
    if (!cancel_check(err))
        return false;
    engine_statement_begin(connection);
    bool ok = duckdb_query(connection->native, sql, result) == DuckDBSuccess ||
              engine_set_result_error(connection, result, err);
    engine_statement_end(connection);
    return ok;
}

bool engine_run(struct engine_connection *connection, const char *sql, uint64_t *changed, struct error *err) {
    duckdb_result result = {0};
    bool ok = engine_run_all(connection, sql, &result, err);
    if (ok && changed != NULL)
        *changed = duckdb_rows_changed(&result);
    duckdb_destroy_result(&result);
    return ok;
}
