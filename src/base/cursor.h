/* A bounds-checked reader over borrowed bytes. A read past the end marks the cursor failed, returns zero, and every
 * later read fails too: a decoder reads a whole structure and checks once. All integers are little-endian, as MySQL and
 * Parquet write them, unless the name says be (big-endian). */
#ifndef SLUICE_BASE_CURSOR_H
#define SLUICE_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct cursor {
    const uint8_t *pos;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_of(const void *data, size_t len) {
    return (struct cursor){data, (const uint8_t *)data + len, false};
}

static inline size_t cursor_left(const struct cursor *c) { return (size_t)(c->end - c->pos); }

/* The next len bytes, or NULL (and failed) when there are not so many. len 0 gives a non-NULL pointer. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t len) {
    if (c->failed || len > cursor_left(c)) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *at = c->pos;
    c->pos += len;
    return at;
}

static inline uint64_t cursor_le(struct cursor *c, size_t len) { /* len 1..8 */
    const uint8_t *at = cursor_bytes(c, len);
    uint64_t v = 0;
    for (size_t i = 0; at != NULL && i < len; i++)
        v |= (uint64_t)at[i] << (8 * i);
    return v;
}

static inline uint64_t cursor_be(struct cursor *c, size_t len) { /* len 1..8 */
    const uint8_t *at = cursor_bytes(c, len);
    uint64_t v = 0;
    for (size_t i = 0; at != NULL && i < len; i++)
        v = v << 8 | at[i];
    return v;
}

static inline uint8_t cursor_u8(struct cursor *c) { return (uint8_t)cursor_le(c, 1); }
static inline uint16_t cursor_u16(struct cursor *c) { return (uint16_t)cursor_le(c, 2); }
static inline uint32_t cursor_u32(struct cursor *c) { return (uint32_t)cursor_le(c, 4); }
static inline uint64_t cursor_u64(struct cursor *c) { return cursor_le(c, 8); }

/* A part of the cursor as a cursor of its own; failed when there are not so many bytes. */
static inline struct cursor cursor_sub(struct cursor *c, size_t len) {
    const uint8_t *at = cursor_bytes(c, len);
    return at != NULL ? cursor_of(at, len) : (struct cursor){NULL, NULL, true};
}

#endif
