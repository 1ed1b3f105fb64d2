/* What capture knows for sure: the source position of a task, and per table the schema versions, the full load and the
 * committed file (DESIGN §6). One capture commit is one state_commit of what changed.
 *
 * Kinds: "task" (key: task), "table" (key: "<task>/<schema>.<table>"), "schema" (key: "<task>/<schema>.<table>/<version,
 * 6 digits>"). In keys, '%' and '/' of names and '.' of a schema's name are percent-encoded, so that "a.b"."c" and
 * "a"."b.c" differ. */
#ifndef SLUICE_STATE_CHECKPOINT_H
#define SLUICE_STATE_CHECKPOINT_H

#include "model/table.h"
#include "state/state.h"

struct checkpoint_task {
    const char *position; /* the source's own text (JSON): everything up to here is in committed files; NULL = none */
    const char *restart_position; /* where reading starts again: at or before position (open prepared transactions) */
    const char *source_time;      /* commit time of the last transaction, "2026-11-01 10:15:00.123456"; NULL = none */
    const char *state;            /* "starting", "full load", "running", "stopped", "failed" */
    const char *last_error;       /* NULL when none */
    int64_t commits;              /* counts the capture commits: the number of the last one */
    int64_t rows, bytes;          /* written since the beginning */
    const char *updated;          /* wall clock of this write */
    json_t *warnings;             /* {"zero dates as NULL": n, …} counters shown in status; may be NULL; borrowed */
    const char *owner;            /* who captures, see checkpoint_claim_task; NULL: commits do not compare */
};

enum full_load_state { FULL_LOAD_NONE, FULL_LOAD_PENDING, FULL_LOAD_RUNNING, FULL_LOAD_DONE };

struct checkpoint_table {
    const char *schema, *name;               /* in the raw zone and the lake */
    const char *source_schema, *source_name; /* in the source, where table mappings rename it; else NULL */
    enum full_load_state full_load;
    const char *full_load_position; /* the position that belongs to the full load's snapshot; NULL when not known */
    const char *full_load_after;    /* change files up to this name are older than the full load; NULL = none */
    uint32_t full_load_version;     /* schema version of the LOAD files */
    int load_first;           /* number of the finished full load's first LOAD file; a full load again, or a truncate,
                                       takes the next numbers and removes the older files after its commit */
    int load_files;           /* how many LOAD files the finished full load has */
    const char *committed;    /* name of the last committed change file; NULL = none */
    int64_t committed_number; /* number of the capture commit that wrote it */
    int64_t rows_full_load, rows_insert, rows_update, rows_delete, bytes;
    uint32_t version; /* current schema version; 0 = none yet */
    uint32_t next_column_id;
    const char
        *lake_key;     /* comma list: PrimaryKey of the controller's row, as capture knows it; updates of these columns
                             are written as a delete and an insert; NULL = the source's own key */
    const char *rules; /* fingerprint of the table mappings that its rows went through; NULL = none */
    const char *stopped; /* why this table is not captured any more; NULL when it is */
    struct state_item item;
};

/* A schema version, and the first change file that has it ("" for the version of the full load). */
struct checkpoint_schema {
    struct table *table;
    struct table *source; /* the source's version, where table mappings make another of it; else NULL */
    const char *first_file;
};

/* Reading. Strings live in the arena; warnings in `item` (release with state_item_deinit). *found false when there is none:
 * then *out is empty. */
bool checkpoint_get_task(struct state *state, struct arena *arena, const char *task, struct checkpoint_task *out,
                         struct state_item *item, bool *found, struct error *err);
bool checkpoint_list_tables(struct state *state, struct arena *arena, const char *task, struct checkpoint_table **out,
                            size_t *count, struct error *err); /* release items with checkpoint_tables_deinit */
void checkpoint_tables_deinit(struct checkpoint_table *tables, size_t count);
/* All schema versions of a table, oldest first. */
bool checkpoint_list_schemas(struct state *state, struct arena *arena, const char *task, const char *schema,
                             const char *table, struct checkpoint_schema **out, size_t *count, struct error *err);

/* Makes `owner` (any text that no other process uses, e.g. run_make_id) the one that captures this task from now on: commits
 * of the task's row with another owner fail with CONFLICT. So an older process that still runs, or hangs and comes back,
 * cannot commit what the newer one commits too. */
bool checkpoint_claim_task(struct state *state, const char *task, const char *owner, struct error *err);

/* A capture commit under construction: add what changed, then commit it as one transaction. What is added is copied: rows
 * and tables may change right after. */
struct checkpoint_batch;
struct checkpoint_batch *checkpoint_batch_new(void);
void checkpoint_batch_free(struct checkpoint_batch *batch);
void checkpoint_batch_add_task(struct checkpoint_batch *batch, const char *task, const struct checkpoint_task *row);
void checkpoint_batch_add_table(struct checkpoint_batch *batch, const char *task, const struct checkpoint_table *row);
void checkpoint_batch_add_schema(struct checkpoint_batch *batch, const char *task, const struct table *table,
                                 const struct table *source, const char *first_file);
/* Kind CONFLICT: another owner claimed the task. Nothing is written unless it returns true; then the batch is empty
 * and may be used again. */
bool checkpoint_batch_commit(struct checkpoint_batch *batch, struct state *state, struct error *err);

#endif
