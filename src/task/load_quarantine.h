/* Rows that do not fit, put aside (load.bad_rows: quarantine): <quarantine>/<schema>/<table>/<run id>.jsonl, one JSON object
 * a line:
 *
 *   {"run": …, "file": "shop/product/20261101-101500123.csv", "line": 7, "column": "price", "value": "abc",
 *    "reason": "\"abc\" is not a decimal(10,2)", "record": "U,1,abc"}
 *
 * column and value are null when the whole record is wrong. What is no valid UTF-8 is under value_hex, record_hex instead; what
 * is very long is null. The file appears before the run's commit: a crash between them leaves a file of a run that
 * never was, and the next run puts the same rows aside again under its own name. */
#ifndef SLUICE_TASK_LOAD_QUARANTINE_H
#define SLUICE_TASK_LOAD_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"
#include "model/change.h"
#include "raw/csv.h"

struct load_quarantine;

struct load_bad_row {
    const char *file; /* within the raw zone */
    uint64_t line;
    const char *column;        /* NULL: the whole record */
    const struct value *value; /* of that column */
    const char *reason;
    const struct value *fields; /* of the record, as they came */
    size_t field_count;
    uint64_t *last_line; /* of this file: rows up to it are known. A load may read a file more than once */
};

/* Kind CONFIG when there is no place for it. Nothing is written before the first row. Free with load_quarantine_free. */
bool load_quarantine_new(const struct config *config, const char *schema, const char *table, const char *run_id,
                         const struct csv_dialect *dialect, struct load_quarantine **out, struct error *err);
void load_quarantine_free(struct load_quarantine *quarantine); /* NULL is fine; what was not published is gone */

/* Thread-safe, also in what row->last_line points to. */
bool load_quarantine_add(struct load_quarantine *quarantine, const struct load_bad_row *row, struct error *err);
uint64_t load_quarantine_rows(const struct load_quarantine *quarantine); /* NULL: none */
/* Makes the file appear, durable; nothing when there are no rows. */
bool load_quarantine_publish(struct load_quarantine *quarantine, struct error *err);
const char *load_quarantine_name(const struct load_quarantine *quarantine); /* of the file, with its location */

/* How many rows a run put aside, from its file. */
bool load_quarantine_count(const struct config *config, const char *schema, const char *table, const char *run_id,
                           uint64_t *rows, struct error *err);

#endif
