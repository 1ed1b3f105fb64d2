/* The rows of a load as SQL: each part of its schema becomes a SELECT of the target's columns. */
#ifndef SLUICE_TASK_LOAD_SQL_H
#define SLUICE_TASK_LOAD_SQL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "lake/lake.h"
#include "task/load_scan.h"

/* The full load's rows: "Op", then the target's columns. */
void load_sql_full_load(const struct load_scan *scan, struct buf *sql);
/* The changes, of a history the full load's rows as well: _seq BIGINT (rises with file name and position), _op, the target's columns, _unchanged. */
void load_sql_changes(const struct load_scan *scan, struct buf *sql);
/* The number of rows in a part's files. */
void load_sql_count_part(const struct load_scan *scan, size_t part, struct buf *sql);

/* The lake's present rows in the schema's form: "Op", then the target's columns, converted where their type changed. */
bool load_sql_rewrite(const struct load_schema *schema, struct lake_table *table, struct buf *sql, struct error *err);

#endif
