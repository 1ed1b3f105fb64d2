/* Brings the catalog and the lake's files together: tables that the catalog does not have are registered, each table's stable
 * path leads to its current version, and entries whose file is gone are reported. The tables are found in the lake and in the
 * catalog, so that it works without the state: after the catalog's file was lost, or the lake was copied. */
#ifndef SLUICE_TASK_CATALOG_SYNC_H
#define SLUICE_TASK_CATALOG_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/config.h"

struct catalog_sync_summary {
    const char *format;
    bool needless; /* tables of this format are in no catalog: nothing was looked at */
    size_t tables;
    size_t registered;
    size_t hints;  /* stable paths that were brought up to date */
    size_t failed; /* logged */
};

/* Every failed table is logged once (LOG_ERROR) and counted: true is returned all the same. */
bool catalog_sync_run(const struct config *config, struct catalog_sync_summary *summary, struct error *err);

#endif
