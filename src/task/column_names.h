/* Names that a table's columns cannot have: the ones that sluice's own columns have in the raw files and in the lake. */
#ifndef SLUICE_TASK_COLUMN_NAMES_H
#define SLUICE_TASK_COLUMN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/table.h"

enum column_names_fault {
    COLUMN_NAMES_FINE,
    COLUMN_NAMES_RESERVED,  /* a name of sluice's own */
    COLUMN_NAMES_TIMESTAMP, /* raw.timestamp_column_name */
    COLUMN_NAMES_TWICE, /* two names that differ in upper and lower case only: lake readers do not tell them apart */
};

/* The first fault, and in *name the column. timestamp_column is raw.timestamp_column_name; NULL: none. */
enum column_names_fault column_names_find_fault(const struct column *columns, size_t count,
                                                const char *timestamp_column, const char **name);
/* The same as an error that says what to do: kind CONFIG for the timestamp's name, else DATA. */
bool column_names_check(const struct column *columns, size_t count, const char *timestamp_column, struct error *err);

#endif
