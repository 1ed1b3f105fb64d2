/* The load's own structures: one pass, one run of one table, and its bookkeeping. */
#ifndef SLUICE_TASK_LOAD_TABLE_H
#define SLUICE_TASK_LOAD_TABLE_H

#include <stdatomic.h>

#include "lake/lake.h"
#include "state/run.h"
#include "task/discover.h"
#include "task/load.h"
#include "task/load_plan.h"
#include "task/load_schema.h"

/* What the tables of a pass share. */
struct load_pass {
    const struct config *config;
    struct store *raw;
    struct state *state;
    struct discover_cut cut;
    struct lake lake; /* its engine is NULL as long as no table has anything to do */
    const struct lake_format_ops *format;
    atomic_ullong rows_read; /* for the progress line */
    struct load_said *said;  /* NULL: say everything */
};

enum load_outcome { LOAD_NOTHING, LOAD_WAITING, LOAD_LOADED, LOAD_FAILED };

/* One table of a pass. */
struct load_job {
    const char *path; /* of its controller row */
    const char *schema, *table;
    bool due;            /* there is something to do; set by load_table_look */
    uint64_t size_bytes; /* of the raw files to read */
    enum load_outcome outcome;
    int64_t rows, files;
    bool lake_seems_gone; /* nothing else may be due */
    bool failed_to_look;  /* the job is due, and fails with `error` */
    struct error error;
};

/* --- load_table.c */

/* Reads the row and lists the files: is anything due, or was something left behind by a crash or a failure? */
void load_table_look(struct load_pass *pass, struct load_job *job);
/* One run. A failure is logged, and kept in the row and in the run history. */
void load_table_run(struct load_pass *pass, struct engine_connection *connection, struct load_job *job);

/* --- one run; several attempts when others are in the way */
struct load_run {
    struct load_pass *pass;
    struct load_job *job;
    struct engine_connection *connection;    /* NULL while only looking */
    const struct checkpoint_table *captured; /* NULL: AWS DMS writes the files */
    char run_id[RUN_ID_BYTES];
    int64_t started_us;
    bool history;     /* the target is the table's history */
    bool keeps_books; /* the controller row is about the target: false for a history beside its table */
    bool committed;   /* the lake has the commit of this run */
    json_t *types;    /* column types that were widened; NULL: those of the row */
    int64_t rows, files;
    uint64_t incomplete_rows; /* changes without all their values, of rows that were not there: NULL in the lake */
    uint64_t quarantined_rows;
    uint64_t adopted_files; /* of the full load: taken over as they were */

    /* of the current attempt */
    struct arena arena;
    struct controller_row row;
    struct raw_files raw_files;
    struct load_plan plan;
    struct lake_version shown; /* of a history: the lake's version without its own columns */
    struct lake_table *lake;
    struct load_format format;
    struct load_quarantine *quarantine; /* NULL: what does not fit is an error */
    struct load_schema_input input;
    struct load_schema schema;
    bool more; /* something is due after this plan */
    bool row_known;
    bool row_starts_over;      /* the row as it was read; */
    const char *row_last_file; /* likewise */
    bool have_schema;
};

/* --- load_row.c: the controller row and the run history (DESIGN §6) */

/* Reads the row afresh; kind DATA when it is gone. */
bool load_row_read(struct load_run *run, struct error *err);
/* Kind DATA: the table's key was the source's, and tells the source's rows apart no more. */
bool load_row_check_key(struct load_run *run, struct error *err);
/* Before the commit: this run is in flight. */
bool load_row_record_run(struct load_run *run, struct error *err);
/* After a crash between the lake's commit and the row, or when the lake was set back: the lake's watermark goes into the row.
 * *taken false: there is nothing to take over. Kind OUTSIDE: the lake was set back, and the raw zone lost what came after. */
bool load_row_take_over(struct load_run *run, bool *taken, struct error *err);
/* There is nothing to load (any more): a run whose commit never came, and an error whose cause is gone, are forgotten. */
bool load_row_clear(struct load_run *run, struct error *err);
/* After the commit. What the user set in the row meanwhile stays. */
bool load_row_finish(struct load_run *run, struct error *err);
/* Keeps the error in the row and the history, as well as that can be done. */
void load_row_fail(struct load_run *run, const struct error *why);

#endif
