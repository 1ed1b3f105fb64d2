/* capture: the DMS task. Full load of the chosen tables, then their changes from the source's log into raw files.
 *
 * Exactly once after any crash (DESIGN §6): (1) raw files are published, durable; (2) one state_commit records the source
 * position, the schema versions and each table's committed file; (3) only then the source may forget. What lies above
 * `committed` at start is a leftover and is removed. */
#ifndef SLUICE_TASK_CAPTURE_H
#define SLUICE_TASK_CAPTURE_H

#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"

struct capture_options {
    bool full_load_only; /* stop when every table is loaded in full */
    bool cdc_only;       /* no full loads */
    bool until_current;  /* stop when the log is read up to where it ended at the start */
    bool reload; /* first load in full again what was loaded: `reload_table`, or with NULL all tables, and the log is
                            followed from there on, wherever it was followed up to before */
    const char *reload_schema, *reload_table;
};

/* Runs until a stop is asked for (base/cancel.h: true is returned), until the options' end, or an error. A lost source is
 * waited for with back-off inside; kinds of errors that end it: CONFIG, OUTSIDE, DATA (on_truncate/on_drop: stop), INTERNAL. */
bool capture_run(const struct config *config, const struct capture_options *options, struct error *err);

#endif
