/* The CSV files of one load, registered with the engine: one scan a part, one unit a file. */
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

const struct load_schema *load_scan_schema(const struct load_scan *scan);
const struct load_format *load_scan_format(const struct load_scan *scan);
/* The name under which the engine knows a part of CSV files. */
const char *load_scan_name(const struct load_scan *scan, size_t part);
/* Rows of a part of CSV files, once they were read. */
uint64_t load_scan_rows(const struct load_scan *scan, size_t part);

#endif
