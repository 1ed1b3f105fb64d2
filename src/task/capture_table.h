/* The capture task's own structures: what full load, the change loop, the commit and the recovery share. */
#ifndef SLUICE_TASK_CAPTURE_TABLE_H
#define SLUICE_TASK_CAPTURE_TABLE_H

#include "config/config.h"
#include "mapping/mapping.h"
#include "raw/output.h"
#include "source/source.h"
#include "state/checkpoint.h"
#include "state/state.h"
#include "store/store.h"

struct capture_prepared;
struct raw_parquet;

/* Rows and bytes written, as the status shows them. */
struct capture_counts {
    int64_t inserts, updates, deletes, bytes;
};

/* The table was emptied within the batch: its commit writes a full load of nothing, and the outputs before are older. */
struct capture_truncate {
    const struct table *version; /* then; NULL: it was not */
    size_t outputs_before;
};

/* A place to go back to: where the table's output stood. */
struct capture_mark {
    size_t output_count; /* outputs that existed */
    struct capture_truncate truncate;
    uint64_t size_bytes; /* of the last of them */
    struct capture_counts counts;
};

/* A schema version that the state does not have yet. */
struct capture_version {
    const struct table *table;  /* as raw files and the lake have it */
    const struct table *source; /* the source's, where table mappings make another of it; else NULL */
};

/* One file of the batch. */
struct capture_output {
    struct raw_output *file;
    const struct table *version;
    char name[RAW_NAME_BYTES]; /* "" until the commit names it */
};

/* One table of the task. */
struct capture_table {
    struct source_table *source; /* names and version in the source; source->user points back */
    const struct table *target;  /* the version that raw files have: the source's, or what table mappings make of it */
    const char *folder;          /* in the raw zone, with '/' at its end */
    struct arena arena;          /* lives as long as the table: versions, names */
    struct checkpoint_table row; /* as committed, and what the next commit will write; strings in the arena */
    bool row_changed;            /* the next commit writes the row */
    bool known;                  /* the state has the row */
    char *load_error;            /* why its full load failed, for the thread that decides; in the arena */
    bool reload;                 /* loaded in full again although it was before: it had stopped, or is asked for */

    struct capture_version *new_versions; /* oldest first; tables in the arena */
    size_t new_version_count, new_version_capacity;

    struct capture_output *outputs; /* files of the batch, oldest first; the last one takes the rows */
    size_t output_count, output_capacity;
    struct capture_counts counts; /* since the last commit */
    struct capture_truncate truncate;
    int old_load_first, old_load_files; /* LOAD files that a truncate replaced, until that is committed */

    bool touched; /* in this transaction; then: */
    struct capture_mark mark;

    uint16_t *key; /* places of the key columns, the source's and the lake's; of the version key_of */
    size_t key_count;
    uint16_t *key_dates; /* places of the NOT NULL dates in the key that the lake's rows are told apart by */
    size_t key_date_count;
    const struct table *key_of; /* what key and key_dates are of; NULL: not settled */

    const struct table *bound;           /* the source's version that filter, plan and target are of; NULL: none */
    const struct mapping_filter *filter; /* which rows are captured; NULL: all */
    const struct mapping_plan *plan;     /* what becomes of their values; NULL: they stay as they are */
    struct mapping_runner *runner;       /* for changes from the log; NULL without a plan */
};

struct capture_savepoint {
    char *name;
    struct capture_mark *marks; /* one per touched table at that time, in the order of touched[] */
    size_t mark_count;
    long recorded_bytes; /* within a transaction that will be prepared */
};

struct capture {
    const struct config *config;
    bool cdc_only, full_load_only, until_current;
    bool reload; /* see capture_options */
    const char *reload_schema, *reload_table;
    bool warned;   /* of what the log does not tell */
    bool streamed; /* the log was opened once: where reading starts again is known in memory */
    struct store *raw;
    struct store *spool;         /* temporary; NULL when nothing is encoded */
    struct raw_parquet *parquet; /* data_format: parquet */
    char *spool_folder;
    struct state *state;
    struct source *source;
    struct source_stream *stream; /* NULL: the log is not open */
    struct raw_output_settings output_settings;
    enum raw_format format;
    struct arena arena; /* lives as long as the task */

    struct source_tables *tables;

    json_t *counted; /* counters of earlier runs and connections; NULL: none */

    struct checkpoint_task row; /* as committed; its strings are those of `committed` */
    struct {
        char *position, *restart_position, *source_time;
    } committed;
    char *position, *source_time; /* as of the last finished transaction; owned */
    bool position_moved;          /* since the last commit */
    char *log_start; /* from where the server keeps its log for us, when the task has no position yet; NULL: it says none */

    /* the batch: everything since the last commit */
    int64_t batch_started_ms; /* monotonic; 0: the batch is empty */
    int64_t keys_read_ms;     /* monotonic: when the lake's keys were asked for last */
    uint64_t buffered_bytes;  /* written since its buffers were empty */
    bool batch_full;          /* a file reached cdc_min_file_size */
    bool commit_open;         /* a commit began and failed: it has to be finished before any other row */

    /* the transaction that is being read */
    bool in_transaction;
    bool catching_up; /* reading began before `position`, because of prepared transactions that wait */
    bool replaying;   /* this transaction is in committed files already */
    char commit_time_text[48];
    struct capture_table **touched;
    size_t touched_count, touched_capacity;
    struct capture_savepoint *savepoints;
    size_t savepoint_count, savepoint_capacity;
    struct capture_prepared *recording; /* the rows go here: the transaction will be prepared */
    struct capture_prepared *prepared;  /* list of those that wait */
};

/* --- capture.c */

/* Everything but the source: stores, state, settings, what the state knows. `capture` has its config and options set, and
 * is zero otherwise. capture_close also after a failure; it closes the source too. */
bool capture_open(struct capture *capture, struct error *err);
void capture_close(struct capture *capture);

/* --- capture_table.c: tables and their outputs */

/* The capture's table behind a source table; made when it is new. */
struct capture_table *capture_table_get(struct capture *capture, struct source_table *source);
void capture_table_free(struct capture_table *table);
/* Takes a new version of the source: ids, version number. Copies. capture_mapping_bind follows, which makes it the one that the
 * next row opens a new file for. */
void capture_table_set_version(struct capture_table *table, const struct table *version,
                               const struct column_rename *renames, size_t rename_count);
/* No more events of this table: logs and records why. Its rows since the last finished transaction are forgotten. */
bool capture_table_stop(struct capture *capture, struct capture_table *table, const char *reason, struct error *err);
/* Fails when the raw zone has files of a table that the state does not know: another task wrote them, or the state was lost. */
bool capture_table_check_folder(struct capture *capture, struct capture_table *table, struct error *err);
/* Writes one change as one or two records; within a transaction. */
bool capture_table_write(struct capture *capture, struct capture_table *table, enum change_op op,
                         const struct value *values, const struct value *old, struct error *err);
struct capture_mark capture_table_mark(const struct capture_table *table);
bool capture_table_rewind(struct capture_table *table, const struct capture_mark *mark, struct error *err);
/* False, kind DATA, when a row of the table cannot be written: it is larger than a buffer may get, or has a value that only
 * quotes could tell from others. */
bool capture_record_fits(const struct buf *out, const struct csv_dialect *dialect, const struct table *table,
                         const struct value *values, struct error *err);
/* The header line of a file: [Op,] columns [, timestamp]; into a buffer of the dialect. */
void capture_write_header(const struct capture *capture, struct buf *out, const struct table *version, bool with_op);

/* --- capture_mapping.c: the table mappings */

/* One change of a row, as the source gives it and then as it is written. */
struct capture_change {
    enum change_op op;
    const struct value *values, *old; /* see struct source_event */
    bool left_out;                    /* nothing of it is written */
    bool has_to_be_whole;             /* the lake may not have the row: a value that was not sent is missing */
};

/* After a new version of the source, and before rows: settles the table's target. False in *fine, and the table is stopped, when
 * the rules cannot be applied to it, or a column has a name that files or the lake cannot have. */
bool capture_mapping_bind(struct capture *capture, struct capture_table *table, bool *fine, struct error *err);
/* At the start: true when the rules do not select the table, which stops it until they do. */
bool capture_mapping_leaves_out(struct capture *capture, struct capture_table *table);
/* At the start: binds the rules to what the state knows; a table whose rules changed will be loaded in full again. */
void capture_mapping_recover(struct capture *capture, struct capture_table *table);
void capture_mapping_deinit(struct capture_table *table);
/* For a table with a filter or a plan: what is written of a change. Kind DATA: the table cannot be captured on. */
bool capture_mapping_change(const struct capture_table *table, struct capture_change *change, struct error *err);
/* Fails, kind CONFIG, when the rules give the table the name of another that is captured. */
bool capture_mapping_check_name(const struct capture *capture, const struct capture_table *table, struct error *err);
/* As load-order says. */
void capture_mapping_sort(const struct capture *capture, struct capture_table **tables, size_t count);

/* --- capture_key.c: updates that move a row to another key */

enum capture_key_change {
    CAPTURE_KEY_KEPT,
    CAPTURE_KEY_CHANGED,
    CAPTURE_KEY_UNKNOWN /* the log leaves out the old value */
};
/* Did an update change a column of the source's key, or of the lake's? */
enum capture_key_change capture_key_compare(struct capture_table *table, const struct value *values,
                                            const struct value *old);
/* False, kind DATA, when the key has a date that became NULL because it is none (0000-00-00): rows with such keys would be one in
 * the lake. */
bool capture_key_is_whole(struct capture_table *table, const struct value *values, struct error *err);
/* The key that the config names for a table, as a comma list; NULL = the source's own. */
const char *capture_key_configured(const struct capture *capture, struct arena *arena, const char *schema,
                                   const char *table);
/* Learns from the controller which keys the lake's tables have. A table with updates in the raw zone that were captured
 * without a column of its key is loaded in full again. Only between transactions. */
bool capture_key_refresh(struct capture *capture, struct error *err);
/* The same, if the last time was more than a second ago. */
bool capture_key_refresh_when_due(struct capture *capture, struct error *err);

/* --- capture_transaction.c: events -> records, with transactions, savepoints, prepared ones */
bool capture_handle_event(struct capture *capture, const struct source_event *event, struct error *err);
/* One row within the transaction: notes where its table stood, then capture_table_write. */
bool capture_transaction_write(struct capture *capture, struct capture_table *table, enum change_op op,
                               const struct value *values, const struct value *old, struct error *err);
/* The table has no rows any more: the batch's commit writes a full load of nothing, which is behind the rows so far. Within a
 * transaction it is forgotten with that. */
void capture_truncate_table(struct capture *capture, struct capture_table *table);
/* Rows changed without row events: what the batch has of the table is dropped, it is part of what the full load reads now. */
bool capture_reload_table(struct capture *capture, struct capture_table *table, const char *reason, struct error *err);
/* Forgets the transaction that is being read: the stream broke off. */
bool capture_abandon_transaction(struct capture *capture, struct error *err);
void capture_transaction_deinit(struct capture *capture);

/* --- capture_commit.c */
/* The source's counters since the beginning of the task, earlier runs and connections included; new reference. */
json_t *capture_counters(const struct capture *capture);
/* Publishes the batch's files and commits the state. Only between transactions. */
bool capture_commit(struct capture *capture, struct error *err);
/* The table's versions that the state does not have yet. */
void capture_add_versions(const struct capture *capture, const struct capture_table *table,
                          struct checkpoint_batch *batch);
/* Writes the task row alone ("full load", "running", "stopped"). */
bool capture_commit_state(struct capture *capture, const char *state, const char *last_error, struct error *err);
void capture_remove_load_files(struct capture *capture, const struct capture_table *table, int first, int count);
/* Everything up to here is in the batch's files or committed. Always true. */
bool capture_set_position(struct capture *capture, const char *position, int64_t time_us);

/* --- capture_recover.c: state -> memory at start, leftovers removed */
bool capture_recover(struct capture *capture, struct error *err);
/* All tables are loaded in full again, and the log is read from where they begin: as --reload. */
bool capture_forget_all(struct capture *capture, struct error *err);

/* --- full_load.c */
/* Loads in full every table of the source that is not loaded yet; `only` limits it to one (NULL: all). A new task gets its
 * start position here. Tables that are done stay done when it fails; kind RETRY: call again. */
bool full_load_run(struct capture *capture, struct capture_table *only, struct error *err);
/* A table is in the state before its first file is in the raw zone: so the next start knows what a crash left of it. Commits
 * those of the tables that are new. */
bool full_load_record_tables(struct capture *capture, struct capture_table **tables, size_t count, struct error *err);

/* --- capture_prepared.c: rows of transactions that wait for their COMMIT PREPARED */

/* Starts one under `name`; an older one of the same name, read before a reconnect, is forgotten. */
struct capture_prepared *capture_prepared_begin(struct capture *capture, const char *name, const char *begin_position);
/* A row, or a truncate. */
bool capture_prepared_add(struct capture *capture, struct capture_prepared *prepared, const struct source_event *event,
                          struct error *err);
/* For savepoints within it: how much is recorded, and back to that. */
long capture_prepared_size(const struct capture_prepared *prepared);
bool capture_prepared_truncate(struct capture_prepared *prepared, long size_bytes, struct error *err);
struct capture_prepared *capture_prepared_find(struct capture *capture, const char *name); /* NULL: none */
/* Writes its rows into their tables' files, in order, as part of the current transaction, which ends at `position`: a table
 * whose full load is not before that has them already. */
bool capture_prepared_replay(struct capture *capture, struct capture_prepared *prepared, const char *position,
                             struct error *err);
void capture_prepared_remove(struct capture *capture, struct capture_prepared *prepared);
/* Where reading has to start again because of those that wait; NULL when none does. */
const char *capture_prepared_oldest_position(const struct capture *capture);

#endif
