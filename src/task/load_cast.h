/* Values of Parquet files as another type than the file's. What a value of a CSV file must not be is an error here too: it
 * names file, column, value and type. */
#ifndef SLUICE_TASK_LOAD_CAST_H
#define SLUICE_TASK_LOAD_CAST_H

#include "task/load_schema.h"

/* True when a cast changes no value: it is exact, or it fails. Other casts have to be asked for by a declared type. */
bool load_cast_is_exact(struct type from, struct type to);
/* False when every value has its exact value of the other type. */
bool load_cast_can_fail(struct type from, struct type to);

/* What the SQL of load_cast_append_checked needs in the engine. */
bool load_cast_prepare(struct engine *engine, const struct load_schema *schema, struct error *err);
/* The part's column as `target`. A value that the target does not have is an error of kind DATA. */
void load_cast_append_checked(struct buf *sql, const struct load_part *part, const char *folder, int column,
                              struct type target);

/* The name of the file that a row of the part is from, as an SQL expression, for errors. */
void load_cast_append_file(struct buf *sql, const struct load_part *part, const char *folder);

#endif
