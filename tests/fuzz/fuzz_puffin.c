/* Deletion vectors and Puffin footers on any bytes. The first byte chooses: a whole file, a deletion vector as it is, or a set of
 * positions, put into a vector that is sound so that the decoder is reached without luck. What is read can be written, and
 * reads the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lake/iceberg/puffin.h"

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_puffin: %s\n", what);
    abort();
}

static void require_same(const struct roaring *a, const struct roaring *b) {
    struct roaring_cursor at_a = roaring_begin(a), at_b = roaring_begin(b);
    uint64_t position_a, position_b, count = 0, last = 0;
    while (roaring_next(&at_a, &position_a)) {
        require(roaring_next(&at_b, &position_b) && position_a == position_b, "what was written reads differently");
        require(count++ == 0 || position_a > last, "positions do not rise");
        require(count > 1000 || roaring_contains(a, position_a), "a position is not in its set");
        last = position_a;
    }
    uint64_t end = 0;
    require(roaring_last(a, &end) == (count > 0) && end == last, "the last position is another one");
    require(!roaring_next(&at_b, &position_b), "what was written has more positions");
    require(count == roaring_count(a), "the cardinality is wrong");
}

static void write_again(const struct roaring *set) {
    struct puffin_writer writer;
    struct puffin_blob *blobs;
    struct arena arena;
    struct roaring again;
    int64_t offset, size;
    size_t count;
    arena_init(&arena);
    roaring_init(&again);
    puffin_writer_init(&writer);
    require(puffin_add_vector(&writer, "file:///a", set, &offset, &size, NULL), "a set cannot be written");
    puffin_finish(&writer);
    struct slice file = {writer.file.data, writer.file.len};
    require(puffin_read_footer(&arena, file, &blobs, &count, NULL) && count == 1, "a footer does not read");
    require(puffin_read_vector(blobs[0].bytes, &again, NULL), "what was written does not read");
    require(blobs[0].cardinality == (int64_t)roaring_count(set), "the footer has another cardinality");
    require_same(set, &again);
    puffin_writer_deinit(&writer);
    roaring_deinit(&again);
    arena_deinit(&arena);
}

static void read_vector(struct slice blob) {
    struct roaring set;
    struct error err = {0};
    roaring_init(&set);
    if (puffin_read_vector(blob, &set, &err))
        write_again(&set);
    else
        require(err.kind == ERROR_DATA, "an error of another kind");
    roaring_deinit(&set);
}

static void put_be32(struct buf *out, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(v >> shift));
}

static void read_positions(struct slice bytes) {
    struct buf blob;
    buf_init(&blob, BUF_MAX_DEFAULT);
    put_be32(&blob, (uint32_t)bytes.len + 4);
    buf_append(&blob, "\xD1\xD3\x39\x64", 4);
    buf_append(&blob, bytes.data, bytes.len);
    put_be32(&blob, (uint32_t)crc32_z(0, (const Bytef *)blob.data + 4, bytes.len + 4));
    read_vector((struct slice){blob.data, blob.len});
    buf_deinit(&blob);
}

static void read_file(struct slice file) {
    struct arena arena;
    struct puffin_blob *blobs;
    struct error err = {0};
    size_t count;
    arena_init(&arena);
    if (puffin_read_footer(&arena, file, &blobs, &count, &err)) {
        for (size_t i = 0; i < count && i < 10; i++)
            read_vector(blobs[i].bytes);
    } else {
        require(err.kind == ERROR_DATA, "an error of another kind");
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct slice bytes = {(const char *)data + 1, size - 1};
    if (data[0] % 3 == 0)
        read_file(bytes);
    else if (data[0] % 3 == 1)
        read_vector(bytes);
    else
        read_positions(bytes);
    return 0;
}
