/* The rows of one load as SQL: the parts of a load_schema, registered with the engine, as one relation. */
#ifndef SLUICE_TASK_LOAD_SCAN_H
#define SLUICE_TASK_LOAD_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/engine.h"
#include "task/load_schema.h"

struct load_scan;

/* `schema` and `format` are borrowed until load_scan_close. rows_read counts the rows of CSV files as they are read, for the
 * progress line. */
bool load_scan_open(struct engine *engine, const struct load_format *format, const struct load_schema *schema,
                    atomic_ullong *rows_read, struct load_scan **out, struct error *err);
void load_scan_close(struct load_scan *scan); /* NULL is fine */

/* A SELECT of the full load's rows: "Op", then the target's columns. */
void load_scan_full_load_sql(const struct load_scan *scan, struct buf *sql);
/* A SELECT of the changes: _seq BIGINT (rises with file name and position), _op, the target's columns, _unchanged. */
void load_scan_changes_sql(const struct load_scan *scan, struct buf *sql);

/* Rows of full-load files that were read to their end: CSV files by the scan, Parquet files by their footers. */
bool load_scan_count_full_load(const struct load_scan *scan, struct engine_connection *connection, uint64_t *rows,
                               struct error *err);

#endif
