/* The rows of a query on stdout, as a table for people, as CSV, or as JSON lines.
 *
 * CSV: RFC 4180 with \n; NULL is an empty field, an empty text is "".
 * JSON lines: one object a row. NULL is null; integers and finite floating-point numbers are numbers, booleans are booleans.
 * Everything else is a string; decimals too, because most readers of JSON would round them to binary fractions. */
#ifndef SLUICE_APP_RESULT_WRITER_H
#define SLUICE_APP_RESULT_WRITER_H

#include "base/error.h"
#include "engine/engine.h"

enum result_format { RESULT_TABLE, RESULT_CSV, RESULT_JSONL };

/* Prints all rows. *printed is true as soon as something went out. A reader that went away ends it early, without error. */
bool result_write(struct engine_result *result, enum result_format format, bool *printed, struct error *err);

/* One row each, for tests: the text that goes out, appended. types[i] is the column's SQL type. */
void result_format_csv(struct buf *out, const struct value *row, size_t count);
void result_format_jsonl(struct buf *out, const char *const *names, const char *const *types, const struct value *row,
                         size_t count);

#endif
