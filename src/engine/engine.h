/* The engine that reads, sorts, joins and writes Parquet: DuckDB in the process (libduckdb, C API). Only duckdb*.c include
 * duckdb.h. SQL is DuckDB's dialect.
 *
 * Errors of the engine are turned into an error_kind in one place (engine_set_error in duckdb.c): out of memory and full
 * disks are OUTSIDE, I/O RETRY, conversion and damaged files DATA, SQL that does not parse or bind CONFIG (it is the
 * user's; sluice's own is tested), an interrupt CANCELLED, everything else INTERNAL. A stop that was asked for
 * (base/cancel.h) interrupts every statement under way. Out of memory has the code ENOMEM. */
#ifndef SLUICE_ENGINE_ENGINE_H
#define SLUICE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/change.h"
#include "model/table.h"

struct engine;
struct engine_connection;
struct engine_result;

struct engine_options {
    uint64_t
        memory_limit_bytes; /* of the process, more or less: less goes to the buffers; 0: a quarter of the machine */
    unsigned threads;       /* 0: all cores; fewer when the limit is below 128 MB a thread */
    const char
        *temp_folder; /* where larger work spills, in a folder of its own that engine_close removes; NULL: none */
};

/* An in-memory instance. Thread-safe; a connection belongs to one thread. */
bool engine_open(const struct engine_options *options, struct engine **out, struct error *err);
void engine_close(struct engine *engine); /* NULL is fine */
bool engine_connect(struct engine *engine, struct engine_connection **out, struct error *err);
void engine_disconnect(struct engine_connection *connection); /* NULL is fine */
/* Stops the statement that another thread runs on this connection: it fails with kind CANCELLED. */
void engine_interrupt(struct engine_connection *connection);

/* Runs one or several statements; *changed (may be NULL) gets the rows inserted/written by the last one. */
bool engine_run(struct engine_connection *connection, const char *sql, uint64_t *changed, struct error *err);

/* Runs one query and streams its rows as text (CAST AS VARCHAR; NULL kept). A statement that is no query (COPY …
 * RETURN_STATS, EXPLAIN) gives its rows too: texts, numbers, and a MAP as a JSON object. Until the result is freed the
 * connection can run nothing else. */
bool engine_query(struct engine_connection *connection, const char *sql, struct engine_result **out, struct error *err);
size_t engine_result_columns(const struct engine_result *result);
const char *engine_result_name(const struct engine_result *result, size_t column);
const char *engine_result_type(const struct engine_result *result, size_t column); /* SQL type: "BIGINT" */
/* *row has one value per column (VALUE_NULL or VALUE_TEXT), borrowed until the next call; NULL at the end. */
bool engine_result_next(struct engine_result *result, const struct value **row, struct error *err);
void engine_result_free(struct engine_result *result); /* NULL is fine */
/* Both take a query (SELECT, FROM, …) only. First column of the first row as a number; 0 when there is no row or it is NULL. */
bool engine_query_int(struct engine_connection *connection, const char *sql, int64_t *out, struct error *err);
/* First column of all rows as strings in the arena (NULL stays NULL). */
bool engine_query_texts(struct engine_connection *connection, struct arena *arena, const char *sql, const char ***out,
                        size_t *count, struct error *err);

/* A path or URL as an SQL text that readers of files take for this one file, whatever characters are in it. */
void engine_append_path(struct buf *sql, const char *path);

/* --- rows from outside: a table function that reads text rows in parallel and converts them to the columns' lake types.
 *
 * The result has the columns _seq BIGINT (unit << 40 | record, both from 0), _op VARCHAR, the columns, and _unchanged
 * VARCHAR: NULL, or one character per column, '1' where the value is VALUE_UNCHANGED (then it is NULL here). */
struct engine_scan {
    const struct column *columns; /* types are lake types (type_for_lake) */
    size_t column_count;
    size_t unit_count; /* units are read by different threads, each from its begin to its end */
    void *context;
    bool (*unit_open)(void *context, size_t unit, void **reader, struct error *err);
    /* *values: one per column, VALUE_PLAIN or VALUE_TEXT for text; *op 'I', 'U', 'D'. *values = NULL at the end. */
    bool (*unit_next)(void *reader, char *op, const struct value **values, struct error *err);
    /* Where the last row was, for errors: `shop/product/20261101-101500123.csv: line 7`. */
    void (*unit_where)(void *reader, struct buf *out);
    void (*unit_close)(void *reader);
    /* May be NULL. With it a value that does not convert need not be an error: *refused true leaves its row out. `reason` is
     * `"abc" is not a decimal(10,2)`. All values of all rows are judged then, also of columns that a statement does not ask
     * for, so that every statement sees the same rows. */
    bool (*unit_refuse)(void *reader, size_t column, const struct value *value, const char *reason, bool *refused,
                        struct error *err);
};
/* A value that does not convert is an error of kind DATA: `<where>, column "price": "abc" is not a decimal(10,2)`.
 *
 * Makes `SELECT … FROM sluice_scan('<name>')` possible on every connection of the engine until engine_scan_remove. The
 * scan is borrowed and must stay until then. */
bool engine_scan_add(struct engine *engine, const char *name, const struct engine_scan *scan, struct error *err);
void engine_scan_remove(struct engine *engine, const char *name);
/* The error that a scan's callbacks raised: engine_run/engine_query return it instead of DuckDB's wrapping. */

/* --- sets of numbers from outside: sluice_positions(['text', …]) gives the rows (n BIGINT, pos BIGINT): of each text, counted
 * from 0, the numbers in the set that it names. On every connection of the engine; each set is read by one thread. */
struct engine_positions {
    void *context;                       /* has to stay until the engine is closed */
    uint64_t (*count)(const char *text); /* how many they are, for the plan */
    bool (*open)(void *context, const char *text, void **reader, struct error *err);
    size_t (*next)(void *reader, int64_t *out, size_t capacity); /* 0: the end */
    void (*close)(void *reader);
};
/* In place of what was set before. */
void engine_positions_set(struct engine *engine, const struct engine_positions *positions);

/* --- a function from outside: name(a, b) gives an INTEGER for two texts, and NULL for a NULL, on every connection of the
 * engine. Adding it again changes nothing. `call` runs on several threads at once. */
bool engine_function_add(struct engine *engine, const char *name, int32_t (*call)(struct slice a, struct slice b),
                         struct error *err);

#endif
