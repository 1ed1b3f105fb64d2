/* The merge law (DESIGN §5), sequencing: of all changes of a load, the last one of each key. */
#ifndef SLUICE_TASK_LOAD_REDUCE_H
#define SLUICE_TASK_LOAD_REDUCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"
#include "task/load_scan.h"

/* A temporary table of the connection, as struct lake_load wants its changes. */
struct load_changes {
    const char *table;  /* its name */
    uint64_t rows;      /* changes that it stands for; without a key: the inserts */
    bool has_unchanged; /* some values keep what the lake has */
};

/* With a key: the last change of each key; NULLs in a key are equal to each other. A value that the source did not send takes
 * the value of the key's change before; what no change before has stays marked for the lake, of a 'D' only with
 * keep_deleted. Without a key: the inserts.
 *
 * Works within the engine's memory limit: it aggregates only keys and sequence numbers, and what is large spills. Drop with
 * load_reduce_drop. Kind DATA, beside what reading raises: a value that was not sent belongs to a row that is gone. */
bool load_reduce(struct engine_connection *connection, const struct load_schema *schema, const struct load_scan *scan,
                 bool keep_deleted, struct load_changes *out, struct error *err);
/* For a history: all changes and rows, as they come; nothing is staged. `rows` is not known. */
bool load_reduce_not(struct engine_connection *connection, const struct load_scan *scan, struct load_changes *out,
                     struct error *err);
void load_reduce_drop(struct engine_connection *connection);

/* After load_reduce gave changes with has_unchanged: how many of them have to keep a value of a row that is not there. `rows` is
 * a SELECT of the table's rows as they are before the changes, NULL for none; key_names are the key's columns in it. */
bool load_reduce_count_incomplete(struct engine_connection *connection, const struct load_schema *schema,
                                  const char *rows, const char *const *key_names, uint64_t *out, struct error *err);

#endif
