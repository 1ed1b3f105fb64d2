/* What the files of the DuckDB engine share. Only duckdb*.c include this, and with it duckdb.h. */
#ifndef SLUICE_ENGINE_DUCKDB_INTERNAL_H
#define SLUICE_ENGINE_DUCKDB_INTERNAL_H

#include <duckdb.h>
#include <pthread.h>

#include "engine/engine.h"
#include "engine/spill.h"

struct scan_entry {
    struct scan_entry *next;
    char *name;
    const struct engine_scan *scan;
};

struct engine {
    duckdb_database database;
    struct spill_folder *spill; /* NULL when nothing may spill */
    pthread_t watcher;
    bool watcher_started;
    struct { /* under lock */
        pthread_mutex_t lock;
        pthread_cond_t changed; /* running became non-zero, or closing */
        struct engine_connection *connections;
        struct scan_entry *scans;
        struct engine_positions positions; /* open NULL: none */
        size_t running;                    /* statements under way */
        bool closing;
    } shared;
};

struct engine_connection {
    struct engine *engine;
    duckdb_connection native;
    idx_t id; /* DuckDB's: how a table function knows whose statement it works for */
    struct {  /* under engine->shared.lock */
        struct engine_connection *next;
        bool running;
        struct error scan_error; /* the first error that a scan of the running statement raised */
    } shared;
};

/* Fills err from DuckDB's error, or from what a scan raised, and decides the kind. Returns false. */
bool engine_set_error(struct engine_connection *connection, duckdb_error_type type, const char *message,
                      struct error *err);

bool engine_set_result_error(struct engine_connection *connection, duckdb_result *result, struct error *err);
/* DuckDB gives no type for an error of duckdb_prepare. */
bool engine_set_prepare_error(struct engine_connection *connection, const char *message, struct error *err);

/* Around every call that runs a statement: what may be interrupted, and what scan errors belong to. */
void engine_statement_begin(struct engine_connection *connection);
void engine_statement_end(struct engine_connection *connection);

/* Runs everything in sql; the result, materialised, is the last statement's. Destroy it also after an error. */
bool engine_run_all(struct engine_connection *connection, const char *sql, duckdb_result *result, struct error *err);

/* --- duckdb_scan.c */
bool scan_register(struct engine *engine, duckdb_connection connection, struct error *err);
/* Whose statement a table function is bound for; NULL when it is none of ours. */
struct engine_connection *scan_find_connection(struct engine *engine, duckdb_bind_info info);
/* DuckDB carries only text: what a table function raised is kept in the connection. */
void scan_keep_first_error(struct engine_connection *connection, const struct error *error);

/* --- duckdb_positions.c */
bool positions_register(struct engine *engine, duckdb_connection connection, struct error *err);

/* --- duckdb_render.c: the few values that statements other than queries give (counts, file names, statistics).
 * NULL is VALUE_NULL; VARCHAR, BOOLEAN and integers are their texts; a MAP is a JSON object. The texts live in the arena,
 * those of VARCHAR in the vector. False when the type is another one. */
bool render_value(struct arena *arena, duckdb_vector vector, idx_t row, struct value *out);
/* The bytes of a VARCHAR in the vector's data. */
struct value render_string(const duckdb_string_t *string);

#endif
