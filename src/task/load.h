/* The load: one pass over the tables of the raw zone, which brings every active table's lake table up to date (DESIGN
 * §4 to §7).
 *
 * A pass reads capture's checkpoints once, so that all of its tables load up to the same captured commit. Each table is
 * one run with one atomic lake commit; a table that fails stays as it was, and the others go on. Several processes may
 * run a pass at the same time: of two runs of one table one commits, the other finds nothing left to do. */
#ifndef SLUICE_TASK_LOAD_H
#define SLUICE_TASK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

/* What was said about the tables in earlier passes of this process. */
struct load_said;
struct load_said *load_said_new(void);
void load_said_free(struct load_said *said); /* NULL is fine */

struct load_options {
    const char *schema;     /* only tables of this schema; NULL: all */
    const char *table;      /* only tables of this name; NULL: all */
    struct load_said *said; /* an error or a warning that goes on is logged once; NULL: by every pass */
};

/* What a pass did. Each of `tables` is in one of loaded, failed, waiting, or had nothing to do. */
struct load_summary {
    size_t tables;  /* tables that the options choose */
    size_t loaded;  /* got a lake commit */
    size_t failed;  /* logged, and kept in the controller row and the run history */
    size_t waiting; /* not active yet, or capture has not finished their full load */
    int64_t rows;   /* rows of full loads and changes applied, by the loaded tables */
    int64_t files;  /* raw files that they came from */
};

/* Runs one pass. Every failed table is logged once (LOG_ERROR) and counted: true is returned all the same. False when
 * nothing could be done at all: the state or the raw zone cannot be reached (RETRY, OUTSIDE), `options` name a table that
 * is not there (CONFIG), the engine does not start, or a stop was asked for (CANCELLED: what was committed stays). */
bool load_run(const struct config *config, const struct load_options *options, struct load_summary *summary,
              struct error *err);

/* What a row says beside its attributes of the controller: */
struct controller_row;
/* Rows that changes without all their values set since the last full load, though the lake did not have them. */
int64_t load_incomplete_rows(const struct controller_row *row);
/* Rows that were put aside since then, because they do not fit. */
int64_t load_quarantined_rows(const struct controller_row *row);
/* A captured table is loaded by another key than the source's own, or by one though the source has none. */
bool load_key_differs(const struct controller_row *row, bool captured);

#endif
