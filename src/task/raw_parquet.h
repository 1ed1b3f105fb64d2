/* data_format: parquet. A raw file is written as CSV into the spool first, and encoded by the engine when it is published,
 * with the source's own types (DMS-like: INT8..INT64, UINT8..UINT64, DECIMAL, …). */
#ifndef SLUICE_TASK_RAW_PARQUET_H
#define SLUICE_TASK_RAW_PARQUET_H

#include "config/config.h"
#include "raw/output.h"

/* The column that marks values which were not sent, as the engine's scans do: one character per column, '1' where the value
 * is unchanged; only in files that need it. */
#define RAW_PARQUET_UNCHANGED "_unchanged"

struct raw_parquet;

/* Starts the engine. Free with raw_parquet_free. */
bool raw_parquet_new(const struct config *config, struct raw_parquet **out, struct error *err);
void raw_parquet_free(struct raw_parquet *parquet); /* NULL is fine */

/* A raw_encode_fn: context is a struct raw_parquet, table the struct table of the file. Several threads may call it. */
bool raw_parquet_encode(void *context, const void *table, struct store *spool, const char *from, struct store *raw,
                        const char *to, struct error *err);

#endif
