/* A raw file that is being written: buffered, invisible until published, and able to forget its tail, because a
 * transaction that breaks off (rollback, lost connection) must leave nothing behind.
 *
 * Plain CSV goes straight into the raw store's writer. What must be encoded as a whole (gzip, Parquet) is written as CSV
 * into a spool store first and encoded when it is published. */
#ifndef SLUICE_RAW_OUTPUT_H
#define SLUICE_RAW_OUTPUT_H

#include "base/buf.h"
#include "base/error.h"
#include "raw/csv.h"
#include "raw/layout.h"
#include "store/store.h"

struct raw_output;

/* Encodes the finished CSV object `from` of the spool store into the raw object `to` (written and published by the
 * callee). `context` and `table` are the encoder's own. */
typedef bool (*raw_encode_fn)(void *context, const void *table, struct store *spool, const char *from,
                              struct store *raw, const char *to, struct error *err);

/* How a task writes all its files; borrowed by every output. */
struct raw_output_settings {
    struct store *raw;
    struct store *spool;  /* NULL when encode is NULL */
    raw_encode_fn encode; /* NULL: plain CSV */
    void *encode_context;
    struct csv_dialect dialect;
    size_t buffer_bytes; /* a full buffer goes to the store */
};

/* The encoder for .csv.gz. */
bool raw_encode_gzip(void *context, const void *table, struct store *spool, const char *from, struct store *raw,
                     const char *to, struct error *err);

/* `folder` is "<schema>/<table>/"; `table` is handed to the encoder. Nothing is opened before the first full buffer. */
struct raw_output *raw_output_new(const struct raw_output_settings *settings, const char *folder, const void *table);
void raw_output_free(struct raw_output *output); /* forgets what was not published; NULL is fine */

/* Where records are appended; call raw_output_drain after each. */
struct buf *raw_output_buffer(struct raw_output *output);
/* Hands a full buffer to the store. */
bool raw_output_drain(struct raw_output *output, struct error *err);
/* Hands over whatever there is and gives the buffer's memory back. */
bool raw_output_flush(struct raw_output *output, struct error *err);
/* Bytes written so far, the buffer included. */
uint64_t raw_output_size(const struct raw_output *output);
/* Back to an earlier size. */
bool raw_output_truncate(struct raw_output *output, uint64_t size_bytes, struct error *err);
/* Durable and visible as <folder><name>. Publishing again after it succeeded does nothing. After a write or a publishing
 * that failed, it fails for good: nobody knows what became of the object. */
bool raw_output_publish(struct raw_output *output, const char *name, struct error *err);

#endif
