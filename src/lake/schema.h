/* What a load makes of a table's columns: which stay, are renamed, are widened, are new. Shared by the table formats. */
#ifndef SLUICE_LAKE_SCHEMA_H
#define SLUICE_LAKE_SCHEMA_H

#include "lake/lake.h"

struct lake_schema_column {
    struct column column; /* as it is after the load; names are those of the load where it has the column */
    int before;           /* its index in the version; -1: existing rows have no value of it */
    int given;            /* its index in the load; -1: the load does not have it, new rows get NULL */
};

/* The version's columns in their order, then the new ones in the load's. The flags say what is different for rows that
 * exist (all false when the table is new or replaced). */
struct lake_schema {
    struct lake_schema_column *columns;
    size_t column_count;
    bool renamed;     /* a column has another name */
    bool retyped;     /* a column has a wider type */
    bool dropped;     /* a column went, because another one took its name */
    bool initialized; /* a new column has a value in existing rows */
    bool repartitioned;
};

/* A column of the load is the version's column with the same id, or the same name when one of them has no id; names are
 * compared exactly first and without case then. Kind DATA when a type cannot be widened and the load does not replace the
 * rows, or a key or partition column does not exist. The result lives in the arena and borrows names from version and load. */
bool lake_schema_plan(struct arena *arena, const struct lake_version *version, const struct lake_load *load,
                      struct lake_schema *out, struct error *err);

/* True when rows that exist do not have the form that the schema wants, beyond missing columns that are NULL. */
static inline bool lake_schema_changes_rows(const struct lake_schema *schema) {
    return schema->renamed || schema->retyped || schema->dropped || schema->initialized || schema->repartitioned;
}

/* Index of the column with that name (exact first, then without case), or -1. */
int lake_schema_find(const struct lake_schema *schema, const char *name);

#endif
