/* Sets of row positions as Iceberg's deletion vectors keep them: Roaring bitmaps in the portable format, with its extension
 * for 64 bits. All numbers are little-endian.
 *
 *   u64 count of bitmaps, then each, by rising key:
 *       u32 key, the upper 32 bits of its positions
 *       a bitmap of the lower 32 bits:
 *           u32 12346, u32 n                                   no container is of runs
 *           u16 12347, u16 n - 1, (n + 7) / 8 bytes            some are: a bit each
 *           n times: u16 key, u16 cardinality - 1              by rising key, the upper 16 bits
 *           n times: u32 where the container starts            not for 12347 with n < 4
 *           n containers of the lower 16 bits:
 *               array    up to 4096 positions: u16 each, rising
 *               bits     above: 65536 bits
 *               runs     u16 count, then u16 first and u16 length - 1 of each, rising
 *
 * Arrays, bits and runs are read; arrays and bits are written. Positions are below 2^63. */
#ifndef SLUICE_LAKE_ICEBERG_ROARING_H
#define SLUICE_LAKE_ICEBERG_ROARING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum {
    ROARING_ARRAY_MAX = 4096,
    ROARING_WORDS = 1024, /* of a container of bits */
    ROARING_READ_MAX_CONTAINERS =
        1 << 16, /* rows of one data file, 65,536 each; a run of 4 bytes becomes 8 KB in memory */
};

/* 65,536 positions: those that are `key` << 16 | the low 16 bits. */
struct roaring_container {
    uint64_t key;
    uint32_t count;    /* at least 1 */
    uint32_t capacity; /* of `low`; 0: `bits` */
    union {
        uint16_t *low; /* rising */
        uint64_t *bits;
    } as;
};

/* Owns its containers, which are sorted by key. */
struct roaring {
    struct roaring_container *containers;
    size_t count, capacity;
};

void roaring_init(struct roaring *set);
void roaring_deinit(struct roaring *set);

/* Rising positions are the fast way. A position that is there already is fine. */
void roaring_add(struct roaring *set, uint64_t position);
void roaring_add_all(struct roaring *set, const struct roaring *more);
bool roaring_contains(const struct roaring *set, uint64_t position);
uint64_t roaring_count(const struct roaring *set);                /* its cardinality */
bool roaring_last(const struct roaring *set, uint64_t *position); /* the largest; false: the set is empty */

/* Walks through the positions, rising; the set must stay as it is. */
struct roaring_cursor {
    const struct roaring *set;
    size_t container;
    uint32_t next; /* array: an index; bits: a low part */
};
static inline struct roaring_cursor roaring_begin(const struct roaring *set) {
    return (struct roaring_cursor){set, 0, 0};
}
bool roaring_next(struct roaring_cursor *cursor, uint64_t *position); /* false: there are no more */

size_t roaring_written_bytes(const struct roaring *set);
void roaring_write(const struct roaring *set, struct buf *out);
/* Fills a set that is initialized and empty. Kind DATA for anything that is not exactly one set; what was read then stays in
 * the set, to be freed. */
bool roaring_read(struct slice bytes, struct roaring *set, struct error *err);

#endif
