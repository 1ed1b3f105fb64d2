/* Files that COPY has written into a stage, on their way to the version. Private to the writing of a parquet table. */
#ifndef SLUICE_LAKE_PARQUET_STAGED_H
#define SLUICE_LAKE_PARQUET_STAGED_H

#include "lake/parquet.h"

struct parquet_staged {
    const struct parquet_table *table;
    const struct parquet_write *write;
    struct arena *arena;
    char *stage; /* folder, with '/' at its end */
    struct parquet_file *files;
    size_t count, capacity;
    size_t names_given;
};

/* Columns of what COPY … (RETURN_STATS) gives. */
enum { COPY_FILENAME, COPY_ROWS, COPY_BYTES, COPY_FOOTER_BYTES, COPY_STATISTICS, COPY_PARTITION, COPY_COLUMNS };

/* Takes one row of a COPY to "<stage><folder>": the file gets its name within the stage, durable. `partition`: its values;
 * NULL: COPY says them. */
bool parquet_staged_take(struct parquet_staged *staged, const struct value *row, const char *folder,
                         const char *const *partition, struct error *err);

bool parquet_is_partition(const struct lake_load *load, const char *column);

/* "<stage><last part of the path>": where a taken file is until it is published. Free with mem_free. */
char *parquet_staged_name(const struct parquet_staged *staged, const struct parquet_file *file);

#endif
