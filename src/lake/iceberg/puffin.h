/* Puffin files, as far as deletion vectors need them: which rows of a data file are no more (version 3 of Iceberg).
 *
 *   "PFA1", blobs, footer
 *   footer: "PFA1", JSON: the blobs' types, places and properties, i32 its length, 4 bytes of flags, "PFA1"
 *
 * A blob of type deletion-vector-v1, which is never compressed:
 *   u32 big-endian: length of the next two, D1 D3 39 64, a set of positions (roaring.h), u32 big-endian: CRC-32 of these two
 *
 * A manifest's entry names the file, the blob's place in it and the data file (content_offset, content_size_in_bytes,
 * referenced_data_file; record_count is the cardinality): so a reader needs the blob alone. */
#ifndef SLUICE_LAKE_ICEBERG_PUFFIN_H
#define SLUICE_LAKE_ICEBERG_PUFFIN_H

#include <jansson.h>

#include "base/mem.h"
#include "lake/iceberg/roaring.h"

#define PUFFIN_DELETION_VECTOR "deletion-vector-v1"

enum { PUFFIN_BLOBS_MAX_BYTES = 1 << 30 }; /* of a file that is written */

/* --- writing: into memory */

struct puffin_writer {
    struct buf file;
    json_t *blobs;
};

void puffin_writer_init(struct puffin_writer *writer);
void puffin_writer_deinit(struct puffin_writer *writer);
/* The deletion vector of one data file, by its location in the table's metadata; *offset and *size are what the manifest's
 * entry has to say. Kind DATA when the blobs would be more than PUFFIN_BLOBS_MAX_BYTES, or the location is no UTF-8. */
bool puffin_add_vector(struct puffin_writer *writer, const char *data_file, const struct roaring *positions,
                       int64_t *offset, int64_t *size, struct error *err);
/* After this, writer->file is the whole file. */
void puffin_finish(struct puffin_writer *writer);

/* --- reading */

/* The positions in a blob: the bytes that a manifest's entry names. The set is initialized and empty. Kind DATA for damage. */
bool puffin_read_vector(struct slice blob, struct roaring *positions, struct error *err);

struct puffin_blob {
    const char *type;
    const char *codec;     /* "lz4", "zstd"; NULL: not compressed */
    struct slice bytes;    /* in the file */
    const char *data_file; /* of a deletion vector; else NULL */
    int64_t cardinality;   /* likewise; else 0 */
};

/* What the footer says, of all types of blobs. `file` is the whole file, which `bytes` borrow; the rest lives in the arena.
 * Kind DATA for damage; also for a footer that is compressed, which no writer of deletion vectors does. */
bool puffin_read_footer(struct arena *arena, struct slice file, struct puffin_blob **out, size_t *count,
                        struct error *err);

#endif
