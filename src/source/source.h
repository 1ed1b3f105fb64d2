/* A source: a database whose tables are loaded in full and whose log is followed. One folder entry per kind
 * (mysql*.c: MySQL and MariaDB), listed in registry.c.
 *
 * Positions are the source's own text (JSON), opaque outside the source. */
#ifndef SLUICE_SOURCE_SOURCE_H
#define SLUICE_SOURCE_SOURCE_H

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "model/change.h"
#include "model/table.h"

struct source;
struct source_snapshot;
struct source_stream;

/* --- preflight: what `sluice check` prints. */
enum check_result { CHECK_OK, CHECK_WARNING, CHECK_FAILED };
struct check_line {
    enum check_result result;
    const char *subject; /* "binlog_format" */
    const char *text;    /* "is STATEMENT, must be ROW" */
    const char *mend;    /* the statement that mends it; NULL when OK */
};
struct check_report {
    struct arena *arena;
    struct check_line *lines;
    size_t count, capacity;
};
void check_report_add(struct check_report *report, enum check_result result, const char *subject, const char *mend,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* --- the tables of a stream: capture knows them by name, the source gives each event its table. */
struct source_table {
    const char *schema, *name;
    const struct table *current; /* the version that the next rows have; NULL before the first */
    const char *skip_until;      /* changes up to this position are in the table's full load already, and the source
                                       leaves them out; NULL = none. Rows of a transaction with a name (see SOURCE_BEGIN)
                                       are always sent: whether the full load has them depends on where it commits, which
                                       capture compares with the position of SOURCE_COMMIT_PREPARED */
    bool stopped;                /* not captured any more: the source sends no events of it */
    void *user;                  /* capture's own */
};
struct source_tables; /* a set, looked up by name */
struct source_tables *source_tables_new(void);
void source_tables_free(struct source_tables *tables);
struct source_table *source_tables_find(const struct source_tables *tables, const char *schema, const char *name);
struct source_table *source_tables_add(struct source_tables *tables, const char *schema, const char *name);
/* All of them, in the order they were added. */
struct source_table *const *source_tables_all(const struct source_tables *tables, size_t *count);

/* --- ongoing changes. */
enum source_event_kind {
    SOURCE_IDLE,   /* nothing came for a while, at most a second; position is set when the log moved on */
    SOURCE_BEGIN,  /* a transaction: position where it begins, time_us its commit time; name = id of a transaction that
                        will be prepared (XA, two-phase), else NULL. Sent only when something of it follows */
    SOURCE_ROW,    /* a change of one row; only between BEGIN and COMMIT/ROLLBACK/PREPARE */
    SOURCE_COMMIT, /* position behind the transaction */
    SOURCE_ROLLBACK,          /* forget the rows since BEGIN */
    SOURCE_SAVEPOINT,         /* name */
    SOURCE_ROLLBACK_TO,       /* forget the rows since the savepoint `name` */
    SOURCE_PREPARE,           /* instead of COMMIT: the rows since BEGIN wait under `name`; position behind it */
    SOURCE_COMMIT_PREPARED,   /* name; position behind it: the waiting rows are one transaction now */
    SOURCE_ROLLBACK_PREPARED, /* name; position behind it */
    SOURCE_TABLE,    /* the table has a new version (new_table, renames) from the next row on; a table that capture does
                        not know yet was created in the log. Between transactions with the position behind it, or NULL */
    SOURCE_TRUNCATE, /* all rows of the table are gone; within a transaction, or one of its own: position behind it */
    SOURCE_DROP,     /* the table is gone; a transaction of its own */
    SOURCE_TABLE_ERROR, /* the table cannot be captured (error): it stops, the others go on */
};

struct source_event {
    enum source_event_kind kind;
    struct source_table *table; /* ROW, TABLE, TRUNCATE, DROP, TABLE_ERROR */
    const char *position;       /* see the kinds; borrowed until the next call */
    int64_t time_us;            /* commit time, UTC */
    const char *name;           /* see the kinds */
    enum change_op op;          /* ROW */
    const struct value *values; /* ROW: one per column of table->current: the new row; of a DELETE the old one */
    const struct value *old;    /* ROW, UPDATE: the row before, VALUE_UNCHANGED where it was not sent; else NULL */
    struct table *new_table;    /* TABLE: without ids; borrowed until the next call */
    const struct column_rename *renames; /* TABLE */
    size_t rename_count;
    const char *reload; /* TABLE: why rows that exist now have values that no row event tells, so that only a full
                                  load makes the table right again; NULL when they have not */
    const struct error *error; /* TABLE_ERROR */
    size_t size_bytes;         /* bytes of the log read since the last event */
    bool
        unsettled; /* the log told of changed definitions up to here that come as TABLE yet: with the table's next row, or once
                       the source has seen what they led to */
};

/* Called for each row of a full load; false stops it (err is set by the callback). */
typedef bool (*source_row_fn)(void *context, const struct value *values, size_t count, struct error *err);

struct source_ops {
    const char *name; /* "mysql" */
    bool (*open)(const struct config *config, struct source **out, struct error *err);
    void (*close)(struct source *source);
    bool (*check)(struct source *source, struct check_report *report, struct error *err);
    bool (*warn)(struct source *source, struct error *err);
    bool (*list_tables)(struct source *source, struct arena *arena, struct table ***out, size_t *count,
                        struct error *err);
    bool (*prepare_log)(struct source *source, const char *position, struct arena *arena, const char **start,
                        const char **lost, struct error *err); /* NULL: the server keeps its log for anybody */
    bool (*drop_log)(struct source *source, struct arena *arena, const char **said, struct error *err); /* likewise */
    bool (*snapshot_open)(struct source *source, const struct table *const *tables, size_t table_count,
                          unsigned readers, struct source_snapshot **out, struct error *err);
    const char *(*snapshot_position)(struct source_snapshot *snapshot, unsigned reader);
    bool (*snapshot_read)(struct source_snapshot *snapshot, unsigned reader, const struct table *table,
                          source_row_fn row, void *context, struct error *err);
    void (*snapshot_close)(struct source_snapshot *snapshot);
    bool (*stream_open)(struct source *source, const char *position, struct source_tables *tables,
                        struct source_stream **out, struct error *err);
    bool (*stream_next)(struct source_stream *stream, struct source_event *event, struct error *err);
    void (*stream_confirm)(struct source_stream *stream, const char *position); /* NULL: nobody wants to know */
    void (*stream_close)(struct source_stream *stream);
    bool (*current_position)(struct source *source, struct arena *arena, const char **out, struct error *err);
    bool (*position_reached)(struct source *source, const char *position, const char *target, bool *out,
                             struct error *err);
    json_t *(*counters)(struct source *source); /* new reference: {"zero dates as NULL": n, …} */
};

/* What every backend's own structs begin with. */
struct source {
    const struct source_ops *ops;
};
struct source_snapshot {
    struct source *source;
};
struct source_stream {
    struct source *source;
};

/* Connects to what config->source describes, by its engine's name. Kinds: CONFIG (unknown engine, wrong password: what to
 * do), RETRY (not reachable now), OUTSIDE. */
bool source_open(const struct config *config, struct source **out, struct error *err);
void source_close(struct source *source); /* NULL is fine */

/* Is the table to be captured, by the table mappings' selection, and without one by schema_filter and table_filter? For backends. */
bool source_chooses(const struct config_source *config, const char *schema, const char *name);

/* Preflight: adds a line per finding. False only when the source could not be asked. */
bool source_check(struct source *source, struct check_report *report, struct error *err);

/* Logs a warning for each chosen table with changes that the log does not tell. */
bool source_warn(struct source *source, struct error *err);

/* The tables that the rules of config->source.mapping select, and without a selection schema_filter and table_filter, sorted by
 * name, without ids. *out lives in the arena. */
bool source_list_tables(struct source *source, struct arena *arena, struct table ***out, size_t *count,
                        struct error *err);

/* Before a task reads anything of a source that keeps its log only for who asked for it (PostgreSQL: publication and slot).
 * Without a position the task begins: the source makes what is missing, and *start is from where the log is kept; NULL where
 * the server keeps its log for anybody. With one, *lost says why the log from there is not to be had any more; NULL: it is. Both
 * live in the arena. */
bool source_prepare_log(struct source *source, const char *position, struct arena *arena, const char **start,
                        const char **lost, struct error *err);
/* Takes back what source_prepare_log made, so that the server need not keep its log any more; *said in words, in the arena.
 * Kind CONFIG where there is nothing of this kind. */
bool source_drop_log(struct source *source, struct arena *arena, const char **said, struct error *err);

/* A consistent snapshot read by `readers` connections, 0..readers-1, each used by one thread at a time. Each has a
 * position: exactly the changes up to it are in what it reads. Reader 0 has the lowest. No lock is held when this returns. */
bool source_snapshot_open(struct source *source, const struct table *const *tables, size_t table_count,
                          unsigned readers, struct source_snapshot **out, struct error *err);
const char *source_snapshot_position(struct source_snapshot *snapshot, unsigned reader);
/* Streams all rows of a table; those that do not pass mapping_bind_filter may be left out. Kind RETRY when the table changed since the snapshot or the connection broke: the caller
 * throws away what it got and takes a new snapshot. */
bool source_snapshot_read(struct source_snapshot *snapshot, unsigned reader, const struct table *table,
                          source_row_fn row, void *context, struct error *err);
void source_snapshot_close(struct source_snapshot *snapshot);

/* Follows the log from a position; NULL = from now on. `tables` holds the tables known so far and gains those that appear.
 * Reading starts at a transaction. Kinds: RETRY (connection), OUTSIDE (the log before the position is purged: says what
 * was lost and what to do). */
bool source_stream_open(struct source *source, const char *position, struct source_tables *tables,
                        struct source_stream **out, struct error *err);
/* The next event; blocks at most about a second (then SOURCE_IDLE). RETRY: reopen from the last commit's position. */
bool source_stream_next(struct source_stream *stream, struct source_event *event, struct error *err);
/* Everything up to the position is durable here: the source need not keep its log for us any more. */
void source_stream_confirm(struct source_stream *stream, const char *position);
void source_stream_close(struct source_stream *stream);

/* Where the log ends now, and whether `position` is at or behind `target`: for --until-current and the lag. */
bool source_current_position(struct source *source, struct arena *arena, const char **out, struct error *err);
bool source_position_reached(struct source *source, const char *position, const char *target, bool *out,
                             struct error *err);
json_t *source_counters(struct source *source);

/* Backends, listed in registry.c. */
extern const struct source_ops source_mysql_ops;    /* engine: mysql */
extern const struct source_ops source_mariadb_ops;  /* engine: mariadb; the same code, another name */
extern const struct source_ops source_postgres_ops; /* engine: postgres */

#endif
