/* Tables and their columns, as of one schema version. */
#ifndef SLUICE_MODEL_TABLE_H
#define SLUICE_MODEL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/type.h"

struct column {
    const char *name;
    struct type type;
    bool nullable;
    uint32_t id; /* stays the same over renames and type changes of the column; 1-based; 0 = not given yet */
    const char *source_type; /* the source's own words, e.g. "int(10) unsigned"; NULL when unknown */
    const char *initial;     /* raw text of what rows got that existed when the column was added; NULL = NULL */
    uint32_t
        source_id; /* the source's own number of the column, which a rename keeps (PostgreSQL: attnum); 0 = it has none */
};

/* A table version: immutable once built; everything in it is owned by the arena it was built in. */
struct table {
    const char *schema;
    const char *name;
    uint32_t version; /* counts the schema versions that capture saw, from 1 */
    uint32_t
        source_id; /* the source's own number of the table, which a rename keeps (PostgreSQL: oid); 0 = it has none */
    const char
        *source_stamp; /* the source's own word for what became of the rows without the log; NULL = it has none */
    const struct column *columns;
    size_t column_count;
    const uint16_t *key; /* indexes into columns of the source's primary key, in key order */
    size_t key_count;
};

/* Index of the column with that name (exact case), or -1. */
int table_find_column(const struct table *table, const char *name);

/* True for the names of sluice's own columns, in any case: "Op", the first column of the lake's tables and of change files;
 * "_op", "_seq" and "_unchanged", which the engine's scans and raw files in Parquet have. */
bool column_name_is_reserved(const char *name);

/* A deep copy into the arena. */
struct table *table_copy(struct arena *arena, const struct table *table);

/* {"schema","name","version","columns":[{"id","name","type","nullable","source_type","initial"}],"key":["id"]}, and
 * "source_id" of the table and of its columns and "source_stamp", where the source has such. */
json_t *table_to_json(const struct table *table); /* new reference */
bool table_from_json(struct arena *arena, const json_t *json, struct table **out, struct error *err); /* kind DATA */

/* Gives column ids in `next` from its predecessor: a column of the same name keeps its id; `renames` (pairs old, new;
 * may be NULL) carry an id to the new name; every other column gets the next free id above next_id, which is raised.
 * `previous` is NULL for the first version. Sets version to the predecessor's plus one. */
struct column_rename {
    const char *from;
    const char *to;
};
void table_assign_ids(struct table *next, const struct table *previous, const struct column_rename *renames,
                      size_t rename_count, uint32_t *next_id);

/* DMS wildcards: % any run of characters, _ one character, [_] and [ab] and [a-d] a set. Case-sensitive. */
bool table_name_matches(const char *pattern, const char *name);

#endif
