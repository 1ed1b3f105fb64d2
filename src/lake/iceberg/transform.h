/* Partition transforms: from a column's value to the value that its row is partitioned by. Values are in the form of
 * value.h; null stays null. */
#ifndef SLUICE_LAKE_ICEBERG_TRANSFORM_H
#define SLUICE_LAKE_ICEBERG_TRANSFORM_H

#include "lake/iceberg/value.h"

enum iceberg_transform_kind {
    ICEBERG_UNKNOWN_TRANSFORM, /* of a newer specification: readable, not writable */
    ICEBERG_IDENTITY,
    ICEBERG_BUCKET,
    ICEBERG_TRUNCATE,
    ICEBERG_YEAR,
    ICEBERG_MONTH,
    ICEBERG_DAY,
    ICEBERG_HOUR,
    ICEBERG_VOID,
};

struct iceberg_transform {
    enum iceberg_transform_kind kind;
    uint32_t parameter; /* BUCKET: how many; TRUNCATE: the width */
};

enum { ICEBERG_TRANSFORM_TEXT_BYTES = 24 };

/* "bucket[16]", "day", ...: as partition specs name them. A text that is none gives UNKNOWN_TRANSFORM. */
struct iceberg_transform iceberg_transform_parse(const char *text);
/* Not for UNKNOWN_TRANSFORM. */
void iceberg_transform_format(struct iceberg_transform transform, char out[ICEBERG_TRANSFORM_TEXT_BYTES]);

/* False when the transform does not take values of that type (or is not known). */
bool iceberg_transform_accepts(struct iceberg_transform transform, struct iceberg_type source);
/* The type of the result, for a source that it accepts. */
struct iceberg_type iceberg_transform_result(struct iceberg_transform transform, struct iceberg_type source);

/* The result for a value of a type that it accepts; it lives in the arena, or is the value. */
struct slice iceberg_transform_apply(struct arena *arena, struct iceberg_transform transform,
                                     struct iceberg_type source, struct slice value);

/* The text of a result in a partition folder: "2017-12-01-10" of hour, "1969" of year, else as the value. */
void iceberg_transform_append_text(struct buf *out, struct iceberg_transform transform, struct iceberg_type result,
                                   struct slice value);
/* "name=text", both escaped as in URLs, so that no value makes a folder of its own or a pattern of the engine's. */
void iceberg_transform_append_folder(struct buf *out, const char *name, struct iceberg_transform transform,
                                     struct iceberg_type result, struct slice value);

/* Murmur3, 32 bits, x86, seed 0, of a value as Appendix B has it: of integers as long, of decimals in few bytes. */
uint32_t iceberg_hash(struct iceberg_type type, struct slice value);

#endif
