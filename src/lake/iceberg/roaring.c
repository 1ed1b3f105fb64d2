#include "lake/iceberg/roaring.h"

#include <assert.h>

#include "base/cursor.h"
#include "base/mem.h"

enum {
    COOKIE_WITHOUT_RUNS = 12346,
    COOKIE_WITH_RUNS = 12347,
    OFFSETS_FROM_CONTAINERS = 4, /* with runs, a shorter bitmap has no offsets */
    CONTAINER_POSITIONS = 1 << 16,
    BITS_BYTES = ROARING_WORDS * 8,
};

/* --- the set */

void roaring_init(struct roaring *set) { *set = (struct roaring){NULL, 0, 0}; }

void roaring_deinit(struct roaring *set) {
    for (size_t i = 0; i < set->count; i++)
        mem_free(set->containers[i].as.low);
    mem_free(set->containers);
    roaring_init(set);
}

/* The index of the first container whose key is not below `key`. */
static size_t find_container(const struct roaring *set, uint64_t key) {
    size_t low = 0, high = set->count;
    if (high > 0 && set->containers[high - 1].key <= key) /* positions rise */
        return set->containers[high - 1].key == key ? high - 1 : high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->containers[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Likewise in an array. */
static uint32_t find_low(const struct roaring_container *container, uint16_t low) {
    uint32_t from = 0, to = container->count;
    if (to > 0 && container->as.low[to - 1] < low)
        return to;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (container->as.low[middle] < low)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* A new, empty one in its place. */
static struct roaring_container *insert_container(struct roaring *set, size_t at, uint64_t key) {
    set->containers = mem_grow(set->containers, set->count, &set->capacity, sizeof *set->containers);
    memmove(&set->containers[at + 1], &set->containers[at], (set->count - at) * sizeof *set->containers);
    set->count++;
    set->containers[at] = (struct roaring_container){.key = key};
    return &set->containers[at];
}

static bool has_bit(const struct roaring_container *container, uint16_t low) {
    return (container->as.bits[low / 64] >> (low % 64) & 1) != 0;
}

static void set_bit(struct roaring_container *container, uint16_t low) {
    if (has_bit(container, low))
        return;
    container->as.bits[low / 64] |= UINT64_C(1) << (low % 64);
    container->count++;
}

static void array_to_bits(struct roaring_container *container) {
    uint16_t *low = container->as.low;
    uint32_t count = container->count;
    container->as.bits = mem_zalloc(BITS_BYTES);
    container->capacity = container->count = 0;
    for (uint32_t i = 0; i < count; i++)
        set_bit(container, low[i]);
    mem_free(low);
}

static void insert_low(struct roaring_container *container, uint32_t at, uint16_t low) {
    if (container->count == container->capacity) {
        uint32_t capacity = container->capacity == 0 ? 8 : container->capacity * 2;
        container->as.low = mem_realloc(container->as.low, capacity * sizeof low);
        container->capacity = capacity;
    }
    memmove(&container->as.low[at + 1], &container->as.low[at], (container->count - at) * sizeof low);
    container->as.low[at] = low;
    container->count++;
}

static bool is_array(const struct roaring_container *container) {
    return container->capacity > 0 || container->count == 0;
}

static void add_low(struct roaring_container *container, uint16_t low) {
    if (is_array(container)) {
        uint32_t at = find_low(container, low);
        if (at < container->count && container->as.low[at] == low)
            return;
        if (container->count < ROARING_ARRAY_MAX) {
            insert_low(container, at, low);
            return;
        }
        array_to_bits(container);
    }
    set_bit(container, low);
}

void roaring_add(struct roaring *set, uint64_t position) {
    assert(position <= INT64_MAX);
    uint64_t key = position >> 16;
    size_t at = find_container(set, key);
    bool is_there = at < set->count && set->containers[at].key == key;
    add_low(is_there ? &set->containers[at] : insert_container(set, at, key), (uint16_t)position);
}

void roaring_add_all(struct roaring *set, const struct roaring *more) {
    struct roaring_cursor cursor = roaring_begin(more);
    uint64_t position;
    while (roaring_next(&cursor, &position))
        roaring_add(set, position);
}

bool roaring_contains(const struct roaring *set, uint64_t position) {
    size_t at = find_container(set, position >> 16);
    if (at == set->count || set->containers[at].key != position >> 16)
        return false;
    const struct roaring_container *container = &set->containers[at];
    uint16_t low = (uint16_t)position;
    if (!is_array(container))
        return has_bit(container, low);
    uint32_t i = find_low(container, low);
    return i < container->count && container->as.low[i] == low;
}

uint64_t roaring_count(const struct roaring *set) {
    uint64_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count += set->containers[i].count;
    return count;
}

/* The first bit at `from` or above; CONTAINER_POSITIONS when there is none. */
static uint32_t next_bit(const struct roaring_container *container, uint32_t from) {
    if (from >= CONTAINER_POSITIONS)
        return CONTAINER_POSITIONS;
    uint32_t i = from / 64;
    uint64_t word = container->as.bits[i] >> (from % 64) << (from % 64);
    while (word == 0 && ++i < ROARING_WORDS)
        word = container->as.bits[i];
    return word == 0 ? CONTAINER_POSITIONS : i * 64 + (uint32_t)__builtin_ctzll(word);
}

bool roaring_last(const struct roaring *set, uint64_t *position) {
    if (set->count == 0)
        return false;
    const struct roaring_container *container = &set->containers[set->count - 1];
    uint32_t low = 0;
    if (is_array(container))
        low = container->as.low[container->count - 1];
    else
        for (uint32_t next = 0; (next = next_bit(container, next)) < CONTAINER_POSITIONS; next++)
            low = next;
    *position = container->key << 16 | low;
    return true;
}

bool roaring_next(struct roaring_cursor *cursor, uint64_t *position) {
    for (; cursor->container < cursor->set->count; cursor->container++, cursor->next = 0) {
        const struct roaring_container *container = &cursor->set->containers[cursor->container];
        uint32_t low = CONTAINER_POSITIONS;
        if (!is_array(container)) {
            low = next_bit(container, cursor->next);
            cursor->next = low + 1;
        } else if (cursor->next < container->count) {
            low = container->as.low[cursor->next++];
        }
        if (low < CONTAINER_POSITIONS) {
            *position = container->key << 16 | low;
            return true;
        }
    }
    return false;
}

/* --- writing */

static size_t container_bytes(const struct roaring_container *container) {
    return container->count > ROARING_ARRAY_MAX ? BITS_BYTES : container->count * sizeof(uint16_t);
}

/* The end of the bitmap that starts with the container `first`: those with the same upper 32 bits. */
static size_t bitmap_end(const struct roaring *set, size_t first) {
    size_t end = first + 1;
    while (end < set->count && set->containers[end].key >> 16 == set->containers[first].key >> 16)
        end++;
    return end;
}

static void put_le(struct buf *out, uint64_t v, size_t len) {
    for (size_t i = 0; i < len; i++)
        buf_append_char(out, (char)(v >> (8 * i)));
}

static void put_container(const struct roaring_container *container, struct buf *out) {
    if (is_array(container))
        for (uint32_t i = 0; i < container->count; i++)
            put_le(out, container->as.low[i], 2);
    else
        for (uint32_t i = 0; i < ROARING_WORDS; i++)
            put_le(out, container->as.bits[i], 8);
}

static void put_bitmap(const struct roaring_container *containers, size_t count, struct buf *out) {
    size_t offset = 8 + 8 * count;
    put_le(out, COOKIE_WITHOUT_RUNS, 4);
    put_le(out, count, 4);
    for (size_t i = 0; i < count; i++) {
        put_le(out, containers[i].key, 2);
        put_le(out, containers[i].count - 1, 2);
    }
    for (size_t i = 0; i < count; i++) {
        put_le(out, offset, 4);
        offset += container_bytes(&containers[i]);
    }
    for (size_t i = 0; i < count; i++)
        put_container(&containers[i], out);
}

size_t roaring_written_bytes(const struct roaring *set) {
    size_t bytes = 8;
    for (size_t i = 0; i < set->count; i = bitmap_end(set, i))
        bytes += 12;
    for (size_t i = 0; i < set->count; i++)
        bytes += 8 + container_bytes(&set->containers[i]);
    return bytes;
}

void roaring_write(const struct roaring *set, struct buf *out) {
    uint64_t bitmaps = 0;
    for (size_t i = 0; i < set->count; i = bitmap_end(set, i))
        bitmaps++;
    put_le(out, bitmaps, 8);
    for (size_t i = 0, end; i < set->count; i = end) {
        end = bitmap_end(set, i);
        put_le(out, set->containers[i].key >> 16, 4);
        put_bitmap(&set->containers[i], end - i, out);
    }
}

/* --- reading */

/* The headers of a bitmap. */
struct headers {
    uint32_t count; /* of containers */
    bool has_runs;
    struct cursor run_flags;
    struct cursor keys; /* and cardinalities */
};

/* A container as the headers have it. */
struct described {
    uint32_t key;
    uint32_t count;
    bool has_runs;
};

static bool damaged(struct error *err, const char *what) {
    return error_set(err, ERROR_DATA, "damaged Roaring bitmap: %s", what);
}

static bool read_array(struct cursor *c, struct roaring_container *container, uint32_t count, struct error *err) {
    struct cursor values = cursor_sub(c, count * sizeof(uint16_t));
    if (values.failed)
        return damaged(err, "it ends within an array");
    container->as.low = mem_alloc(count * sizeof *container->as.low);
    container->capacity = container->count = count;
    for (uint32_t i = 0; i < count; i++) {
        container->as.low[i] = cursor_u16(&values);
        if (i > 0 && container->as.low[i] <= container->as.low[i - 1])
            return damaged(err, "an array is not sorted");
    }
    return true;
}

static bool read_bits(struct cursor *c, struct roaring_container *container, uint32_t count, struct error *err) {
    struct cursor words = cursor_sub(c, BITS_BYTES);
    if (words.failed)
        return damaged(err, "it ends within bits");
    container->as.bits = mem_alloc(BITS_BYTES);
    for (size_t i = 0; i < ROARING_WORDS; i++) {
        container->as.bits[i] = cursor_u64(&words);
        container->count += (uint32_t)__builtin_popcountll(container->as.bits[i]);
    }
    return container->count == count || damaged(err, "bits and cardinality differ");
}

/* Bits that are not set yet. */
static void set_bits(struct roaring_container *container, uint32_t first, uint32_t last) {
    for (uint32_t i = first / 64; i <= last / 64; i++) {
        uint64_t from = i == first / 64 ? UINT64_MAX << (first % 64) : UINT64_MAX;
        uint64_t to = i == last / 64 ? UINT64_MAX >> (63 - last % 64) : UINT64_MAX;
        container->as.bits[i] |= from & to;
    }
    container->count += last - first + 1;
}

/* They become an array or bits. Runs do not overlap; that they touch is fine. */
static bool read_runs(struct cursor *c, struct roaring_container *container, uint32_t count, struct error *err) {
    uint32_t runs = cursor_u16(c), end = 0;
    struct cursor values = cursor_sub(c, (size_t)runs * 4);
    if (values.failed)
        return damaged(err, "it ends within runs");
    if (count > ROARING_ARRAY_MAX)
        container->as.bits = mem_zalloc(BITS_BYTES);
    for (uint32_t i = 0; i < runs; i++) {
        uint32_t first = cursor_u16(&values), last = first + cursor_u16(&values);
        if (first < end || last >= CONTAINER_POSITIONS)
            return damaged(err, "runs are not sorted");
        if (last - first >= count - container->count)
            return damaged(err, "runs and cardinality differ");
        if (count > ROARING_ARRAY_MAX)
            set_bits(container, first, last);
        else
            for (uint32_t low = first; low <= last; low++)
                insert_low(container, container->count, (uint16_t)low);
        end = last + 1;
    }
    return container->count == count || damaged(err, "runs and cardinality differ");
}

static bool read_container(struct cursor *c, struct described described, uint64_t bitmap_key, struct roaring *set,
                           struct error *err) {
    if (set->count == ROARING_READ_MAX_CONTAINERS)
        return error_set(err, ERROR_DATA, "a Roaring bitmap has more than %d containers", ROARING_READ_MAX_CONTAINERS);
    struct roaring_container *container = insert_container(set, set->count, bitmap_key << 16 | described.key);
    if (described.has_runs)
        return read_runs(c, container, described.count, err);
    if (described.count <= ROARING_ARRAY_MAX)
        return read_array(c, container, described.count, err);
    return read_bits(c, container, described.count, err);
}

/* The offsets are passed over, for the containers follow each other. */
static bool read_headers(struct cursor *c, struct headers *out, struct error *err) {
    uint32_t cookie = cursor_u32(c);
    out->has_runs = (cookie & 0xFFFF) == COOKIE_WITH_RUNS;
    if (!out->has_runs && cookie != COOKIE_WITHOUT_RUNS)
        return damaged(err, c->failed ? "it ends before a bitmap" : "it does not start as one");
    out->count = out->has_runs ? (cookie >> 16) + 1 : cursor_u32(c);
    if (out->count > CONTAINER_POSITIONS)
        return damaged(err, "too many containers");
    out->run_flags = cursor_sub(c, out->has_runs ? (out->count + 7) / 8 : 0);
    out->keys = cursor_sub(c, (size_t)out->count * 4);
    if (!out->has_runs || out->count >= OFFSETS_FROM_CONTAINERS)
        cursor_bytes(c, (size_t)out->count * 4);
    return !c->failed || damaged(err, "it ends within its header");
}

static bool read_bitmap(struct cursor *c, uint64_t bitmap_key, struct roaring *set, struct error *err) {
    struct headers headers = {0};
    if (!read_headers(c, &headers, err))
        return false;
    for (uint32_t i = 0, next_key = 0; i < headers.count; i++) {
        struct described described = {.key = cursor_u16(&headers.keys)};
        described.count = cursor_u16(&headers.keys) + 1u;
        described.has_runs = headers.has_runs && (headers.run_flags.pos[i / 8] >> (i % 8) & 1) != 0;
        if (described.key < next_key)
            return damaged(err, "containers are not sorted");
        next_key = described.key + 1;
        if (!read_container(c, described, bitmap_key, set, err))
            return false;
    }
    return true;
}

bool roaring_read(struct slice bytes, struct roaring *set, struct error *err) {
    assert(set->count == 0);
    struct cursor c = cursor_of(bytes.data, bytes.len);
    uint64_t bitmaps = cursor_u64(&c);
    int64_t last_key = -1;
    for (uint64_t i = 0; i < bitmaps && !c.failed; i++) {
        int64_t key = cursor_u32(&c);
        if (key <= last_key || key > INT32_MAX)
            return damaged(err, c.failed ? "it ends before a bitmap" : "keys are not sorted, or above 2^31");
        last_key = key;
        if (!read_bitmap(&c, (uint64_t)key, set, err))
            return false;
    }
    if (c.failed)
        return damaged(err, "it is cut off");
    return cursor_left(&c) == 0 || damaged(err, "there is more behind it");
}
