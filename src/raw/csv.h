/* CSV as AWS DMS writes and reads it (RFC 4180; DESIGN §3), writer and reader.
 *
 * NULL is the null word written bare, or (reading) a bare empty field; a quoted field is always text. A value that was
 * not sent by the source is the unchanged word written bare; text that equals one of the words is quoted. */
#ifndef SLUICE_RAW_CSV_H
#define SLUICE_RAW_CSV_H

#include "base/buf.h"
#include "base/error.h"
#include "model/change.h"
#include "store/store.h"

struct csv_dialect {
    char delimiter;             /* ',' */
    const char *row_delimiter;  /* "\n"; what the writer ends a record with. The reader takes \n, \r\n and this one */
    bool quoting;               /* rfc4180: true; false: no field is ever quoted (DMS Rfc4180=false) */
    bool header;                /* add_column_name */
    const char *null_word;      /* csv_null_value: "NULL" */
    const char *unchanged_word; /* csv_no_sup_value: "UNCHANGED" */
};
extern const struct csv_dialect csv_dialect_default;

/* --- writing: appends to the buffer, no I/O. */
void csv_write_header(struct buf *out, const struct csv_dialect *dialect, const char *const *names, size_t count);
/* One record: [op ','] values… [',' timestamp]; op 0 leaves it out, timestamp NULL leaves it out. VALUE_PLAIN is copied
 * without a look. */
void csv_write_record(struct buf *out, const struct csv_dialect *dialect, char op, const struct value *values,
                      size_t count, const char *timestamp);
/* Without quoting: the first value that would not be read again as what it is, because it is empty, is one of the words, or
 * holds what separates fields and records; `count` when there is none. */
size_t csv_find_unreadable(const struct csv_dialect *dialect, const struct value *values, size_t count);
/* The room that the record may need: for buf_fits, where values of any size come in. */
size_t csv_record_max_bytes(const struct csv_dialect *dialect, const struct value *values, size_t count,
                            const char *timestamp);

/* --- reading: a stream of records from a store object, .gz or not, in blocks; memory is bounded by the longest record.
 * A byte-order mark is skipped; CR LF and a missing last line end are taken; an empty line is skipped (but it is a NULL
 * where the null word is empty and the records have one column). A quote within a bare field is text, and so is a carriage
 * return; but one in a bare field of the header, or of a last record without line end, is an error: such a file has line ends
 * that were not asked for. */
struct csv_reader;

enum { CSV_RECORD_MAX_BYTES = 1 << 30 };

/* `name` is used in errors. Free with csv_reader_close. */
bool csv_reader_open(struct store *store, const char *name, bool gzip, const struct csv_dialect *dialect,
                     struct csv_reader **out, struct error *err);
void csv_reader_close(struct csv_reader *reader); /* NULL is fine */
/* Before the first record: another block (256 KiB; 3 bytes or more) and another maximum (CSV_RECORD_MAX_BYTES), with
 * which tests meet every edge. */
void csv_reader_set_limits(struct csv_reader *reader, size_t block_bytes, size_t record_max_bytes);

/* The next record as values: VALUE_NULL, VALUE_UNCHANGED or VALUE_TEXT, unquoted; valid until the next call. *count = 0
 * at the end of the file. Errors (kind DATA) name file and line: an unclosed quote, text behind a closing quote, a
 * record over the maximum, a gzip stream that is damaged or cut off. The header is a record like any other. After an
 * error the reader is of no use any more. */
bool csv_reader_next(struct csv_reader *reader, const struct value **values, size_t *count, struct error *err);
/* The line, from 1, where the last record began. */
uint64_t csv_reader_line(const struct csv_reader *reader);

#endif
