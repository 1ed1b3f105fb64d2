/* Raw files in Parquet: their columns, and how SQL names them. */
#ifndef SLUICE_TASK_LOAD_PARQUET_H
#define SLUICE_TASK_LOAD_PARQUET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/table.h"
#include "store/store.h"

struct load_parquet {
    const struct column *columns; /* without Op and the marks; lake types */
    size_t column_count;
    const bool *nested;  /* per column: a list, struct or map, which becomes JSON text */
    const char *op_name; /* how the Op column is spelt; NULL: there is none */
    bool has_unchanged;  /* the last column is RAW_PARQUET_UNCHANGED: marks for `columns`, which do not include it */
};

/* Reads the columns from the file's footer. Kind DATA when it is no Parquet file. */
bool load_parquet_describe(struct arena *arena, struct engine_connection *connection, struct store *raw,
                           const char *name, struct load_parquet *out, struct error *err);
bool load_parquet_equal(const struct load_parquet *a, const struct load_parquet *b);

/* Appends the object's address as an SQL text that read_parquet takes for this one file, whatever characters are in it. */
void load_parquet_append_path(struct buf *sql, struct store *raw, const char *name);

#endif
