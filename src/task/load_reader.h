/* One raw CSV file as rows of named values: where the names come from, which field is Op, and how many fields a record
 * must have (DMS-FORMAT §1 to §3). */
#ifndef SLUICE_TASK_LOAD_READER_H
#define SLUICE_TASK_LOAD_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"
#include "model/change.h"
#include "raw/csv.h"
#include "raw/layout.h"
#include "store/store.h"

struct load_quarantine;

/* How the files of one table are read. Borrowed by every reader. */
struct load_format {
    struct store *raw;
    const char *folder; /* "<schema>/<table>/" */
    struct csv_dialect dialect;
    const char *timestamp_column;       /* timestamp_column_name; NULL: none */
    struct load_quarantine *quarantine; /* rows that do not fit are put aside; NULL: they are errors */
    bool captured;                      /* types are known, and not widened */
};

/* As the config says. `captured`: sluice wrote the files; else AWS DMS did. */
struct load_format load_format_of(const struct config *config, struct store *raw, const char *folder, bool captured);

struct load_reader;

/* `expected` are the columns that a file without a header has, in order (add_column_name: false), without Op and the
 * timestamp column; NULL when they are not known. With a header only the file's own names count, and the file must not name
 * a column twice (in any case: lake readers ignore case). Kinds: DATA, and what the store raises. */
bool load_reader_open(const struct load_format *format, const struct raw_file *file, const char *const *expected,
                      size_t expected_count, struct load_reader **out, struct error *err);
void load_reader_close(struct load_reader *reader); /* NULL is fine */

/* The columns in the order of the file, without Op; valid as long as the reader. An empty file has none. */
const char *const *load_reader_names(const struct load_reader *reader, size_t *count);
/* The next row: one value per name, valid until the next call; *values = NULL at the end. *op is 'I', 'U' or 'D', 'I' where the
 * file has no Op. */
bool load_reader_next(struct load_reader *reader, char *op, const struct value **values, struct error *err);

/* What becomes of a record that is wrong as a whole (the number of its fields, its Op): without a call an error of kind DATA.
 * With it the record is left out, and `bad` is told (NULL: nobody); its false ends the reading. */
typedef bool (*load_reader_bad_fn)(void *context, const char *reason, struct error *err);
void load_reader_leave_out(struct load_reader *reader, load_reader_bad_fn bad, void *context);
/* The fields of the last record as they came, Op included; valid as long as its values. */
const struct value *load_reader_record(const struct load_reader *reader, size_t *count);
const char *load_reader_file(const struct load_reader *reader); /* "shop/product/20261101-101500123.csv" */
uint64_t load_reader_line(const struct load_reader *reader);    /* where the last record began */
/* "shop/product/20261101-101500123.csv: line 7": where the last row is. */
void load_reader_where(const struct load_reader *reader, struct buf *out);

#endif
