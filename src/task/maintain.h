/* Maintenance: one round over the lake's tables, within a budget (DESIGN §7). What a round does to a table is the format's;
 * the parquet format has nothing to do.
 *
 * Safe beside loads, other rounds and other writers, in this process or another: where one is in the way, the table is left
 * to the next round. */
#ifndef SLUICE_TASK_MAINTAIN_H
#define SLUICE_TASK_MAINTAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

struct maintain_options {
    const char *schema;          /* only tables of this schema; NULL: all */
    const char *table;           /* only tables of this name; NULL: all */
    uint64_t memory_limit_bytes; /* 0: as the config says */
};

/* What a round did. */
struct maintain_summary {
    const char *format;
    bool needless;  /* tables of this format need no maintenance: nothing was looked at */
    size_t tables;  /* that the options choose, and that were loaded */
    size_t changed; /* got a commit, or lost files */
    size_t failed;  /* logged */
    uint64_t bytes_rewritten;
};

/* Every failed table is logged once (LOG_ERROR) and counted: true is returned all the same. False as in load_run. */
bool maintain_run(const struct config *config, const struct maintain_options *options, struct maintain_summary *summary,
                  struct error *err);

#endif
