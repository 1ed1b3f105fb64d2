/* The controller: one row per table of the raw zone (DESIGN §4), with the attributes of the AWS blog's DynamoDB table
 * DMSCDC_Controller, and ours with sluice_ in front. Kind "controller", key = path. */
#ifndef SLUICE_STATE_CONTROLLER_H
#define SLUICE_STATE_CONTROLLER_H

#include "base/mem.h"
#include "state/state.h"

/* Strings belong to the arena that the row was read into; setters put new strings there or borrow for longer. */
struct controller_row {
    const char *path;                  /* "<bucket>/<prefix><schema>/<table>/" */
    const char *bucket;                /* local: the raw folder's path */
    const char *prefix;                /* "" or "a/b/" */
    const char *folder;                /* "<schema>/<table>/" */
    bool active;                       /* ActiveFlag "true" / "false" */
    const char *primary_key;           /* PrimaryKey: comma list; NULL for "null" */
    const char *partition_key;         /* PartitionKey: comma list; NULL for "null" */
    const char *last_full_load_date;   /* "1900-01-01 00:00:00" at first; microseconds when there are some */
    const char *last_incremental_file; /* "<path><file name>"; "<path>0" at first */
    const char *out_path;              /* where the lake table is; NULL until the first load */
    /* ours */
    const char *schema;         /* sluice_schema */
    const char *table;          /* sluice_table */
    const char *proposed_key;   /* sluice_proposed_key: the source's own primary key; NULL when unknown or none */
    const char *run_id;         /* sluice_run_id: the load run that is in flight; NULL when none */
    const char *last_run_id;    /* sluice_last_run_id */
    const char *last_error;     /* sluice_last_error: of the last load; NULL when it succeeded */
    const char *last_load_time; /* sluice_last_load_time */
    int64_t rows_loaded;        /* sluice_rows_loaded: rows of full loads and changes applied since the beginning */
    json_t *types; /* sluice_column_types: {"column": "type"} kept for files without types; may be NULL. Borrowed
                                 from `item`. */
    struct state_item item; /* the row as stored: unknown attributes are kept on write */
};

#define CONTROLLER_DATE_NEVER "1900-01-01 00:00:00"

/* Fills a row for a table that was never seen: inactive, nothing loaded. */
void controller_row_init(struct controller_row *row, struct arena *arena, const char *bucket, const char *prefix,
                         const char *schema, const char *table);
bool controller_get(struct state *state, struct arena *arena, const char *path, struct controller_row *row, bool *found,
                    struct error *err);
/* All rows below "<bucket>/<prefix>", sorted by path. rows live in the arena; release with controller_rows_deinit. */
bool controller_list(struct state *state, struct arena *arena, const char *path_prefix, struct controller_row **rows,
                     size_t *count, struct error *err);
/* Writes the row if nobody else did since it was read (kind CONFLICT); a fresh row only if there is none. The row's
 * version is updated. */
bool controller_put(struct state *state, struct controller_row *row, struct error *err);
void controller_row_deinit(struct controller_row *row);
void controller_rows_deinit(struct controller_row *rows, size_t count);

/* The bare file name of LastIncrementalFile: "" or "0" when nothing was applied. */
const char *controller_last_file_name(const struct controller_row *row);

#endif
