/* Puffin files: deletion vectors and files that Iceberg's Java library wrote, what is written here, and damage. */
#include "assert_call.h"

#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/puffin.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { CONTAINER = 1 << 16 };

/* Positions `first` to `end` - 1. */
struct range {
    uint64_t first, end;
};

/* The files *-position-index.bin of the tests of Apache Iceberg. */
static const struct example {
    const char *hex;
    struct range ranges[6];
    bool has_runs; /* read, but written in another way */
} examples[] = {
    {.hex = "0000000cd1d339640000000000000000bf18480c"},
    {.hex = "0000002ad1d339640100000000000000000000003a30000001000000000004001000000001000300050007000900b3fb20be",
     .ranges = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}}},
    {.hex = "00000030d1d339640100000000000000000000003a300000020000000000010000800100180000001c00000064006500630064"
            "0015eb1c7c",
     .ranges = {{100, 102}, {INT32_MAX + 100ll, INT32_MAX + 102ll}}},
    {.hex = "00000056d1d339640200000000000000000000003b30020006000001000100e6030200fdff0500070001000100e60301000100fd"
            "ff010000003b30020006000001000100e9010200fdff0a00140001000a00e90101000100fdffc89be397",
     .ranges = {{5, 6},
                {7, 8},
                {CONTAINER + 1, CONTAINER + 1000},
                {2 * CONTAINER + 1, 3 * CONTAINER - 1},
                {(1ll << 32) + 10, (1ll << 32) + 11},
                {(1ll << 32) + 20, (1ll << 32) + 21}},
     .has_runs = true},
};

static struct buf bytes_of_hex(const char *hex) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (; *hex != '\0'; hex += 2)
        buf_append_char(&out, (char)strtol((char[]){hex[0], hex[1], '\0'}, NULL, 16));
    return out;
}

/* Of exactly that size, so that a sanitizer sees a read behind it; mem_free. */
static struct slice copy_of(const char *data, size_t len) {
    char *copy = mem_alloc(len + (len == 0));
    memcpy(copy, data, len);
    return (struct slice){copy, len};
}

static void fill(struct roaring *set, const struct range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (uint64_t at = ranges[i].first; at < ranges[i].end; at++)
            roaring_add(set, at);
}

static void assert_same(const struct roaring *a, const struct roaring *b) {
    struct roaring_cursor cursor = roaring_begin(a);
    uint64_t position;
    assert_int_equal(roaring_count(a), roaring_count(b));
    while (roaring_next(&cursor, &position))
        assert_true(roaring_contains(b, position));
}

static void test_reads_the_vectors_of_another_writer(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct error err = {0};
        struct roaring want, got;
        struct buf bytes = bytes_of_hex(examples[i].hex);
        roaring_init(&want);
        roaring_init(&got);
        fill(&want, examples[i].ranges, COUNT(examples[i].ranges));
        if (examples[i].has_runs) /* there are more ranges than fit the table */
            fill(&want,
                 (struct range[]){{(1ll << 32) + CONTAINER + 10, (1ll << 32) + CONTAINER + 500},
                                  {(1ll << 32) + 2 * CONTAINER + 1, (1ll << 32) + 3 * CONTAINER - 1}},
                 2);
        assert_ok(puffin_read_vector((struct slice){bytes.data, bytes.len}, &got, &err));
        assert_same(&want, &got);
        roaring_deinit(&want);
        roaring_deinit(&got);
        buf_deinit(&bytes);
    }
}

static void test_writes_what_another_writer_writes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct error err = {0};
        struct roaring set;
        struct puffin_writer writer;
        int64_t offset, size;
        struct buf want = bytes_of_hex(examples[i].hex);
        roaring_init(&set);
        puffin_writer_init(&writer);
        fill(&set, examples[i].ranges, COUNT(examples[i].ranges));
        assert_ok(puffin_add_vector(&writer, "file:///a", &set, &offset, &size, &err));
        if (!examples[i].has_runs) {
            assert_int_equal(size, want.len);
            assert_memory_equal(writer.file.data + offset, want.data, want.len);
        }
        puffin_writer_deinit(&writer);
        roaring_deinit(&set);
        buf_deinit(&want);
    }
}

static bool read_vector(const char *data, size_t len, struct error *err) {
    struct roaring set;
    struct slice copy = copy_of(data, len);
    roaring_init(&set);
    bool ok = puffin_read_vector(copy, &set, err);
    roaring_deinit(&set);
    mem_free((char *)copy.data);
    return ok;
}

static void test_refuses_damaged_vectors(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct error err = {0};
        struct buf bytes = bytes_of_hex(examples[i].hex);
        for (size_t len = 0; len < bytes.len; len++)
            assert_fails(read_vector(bytes.data, len, &err), ERROR_DATA);
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            bytes.data[bit / 8] ^= (char)(1 << bit % 8);
            assert_fails(read_vector(bytes.data, bytes.len, &err), ERROR_DATA);
            bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        buf_append_char(&bytes, 0);
        assert_fails(read_vector(bytes.data, bytes.len, &err), ERROR_DATA);
        buf_deinit(&bytes);
    }
    /* Sound frames around what is no vector. The CRC-32 of nothing is 0. */
    static const struct {
        const char *hex, *why;
    } cases[] = {
        {"0000000000000000", "does not start as one"},
        {"0000000cd1d339650000000000000000a8635c4f", "does not start as one"},
        {"00000004d1d339647438a272", "cut off"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct buf bytes = bytes_of_hex(cases[i].hex);
        assert_fails(read_vector(bytes.data, bytes.len, &err), ERROR_DATA);
        assert_says(cases[i].why);
        buf_deinit(&bytes);
    }
}

/* --- files */

static void write_two(struct puffin_writer *writer, int64_t offsets[2], int64_t sizes[2]) {
    struct error err = {0};
    struct roaring set;
    roaring_init(&set);
    puffin_writer_init(writer);
    fill(&set, &(struct range){1, 3}, 1);
    assert_ok(puffin_add_vector(writer, "file:///t/data/a=\"1\"/é.parquet", &set, &offsets[0], &sizes[0], &err));
    fill(&set, &(struct range){5, 70000}, 1);
    assert_ok(puffin_add_vector(writer, "file:///t/data/b.parquet", &set, &offsets[1], &sizes[1], &err));
    puffin_finish(writer);
    roaring_deinit(&set);
}

static void test_reads_what_was_written(void **state) {
    (void)state;
    struct error err = {0};
    struct puffin_writer writer;
    struct puffin_blob *blobs;
    struct arena arena;
    struct roaring set;
    int64_t offsets[2], sizes[2];
    size_t count;
    write_two(&writer, offsets, sizes);
    arena_init(&arena);
    assert_ok(puffin_read_footer(&arena, (struct slice){writer.file.data, writer.file.len}, &blobs, &count, &err));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(blobs[i].type, PUFFIN_DELETION_VECTOR);
        assert_null(blobs[i].codec);
        assert_ptr_equal(blobs[i].bytes.data, writer.file.data + offsets[i]);
        assert_int_equal(blobs[i].bytes.len, sizes[i]);
    }
    assert_string_equal(blobs[0].data_file, "file:///t/data/a=\"1\"/é.parquet");
    assert_string_equal(blobs[1].data_file, "file:///t/data/b.parquet");
    assert_int_equal(blobs[0].cardinality, 2);
    assert_int_equal(blobs[1].cardinality, 2 + 69995);
    roaring_init(&set);
    assert_ok(puffin_read_vector(blobs[1].bytes, &set, &err));
    assert_true(roaring_contains(&set, 2) && !roaring_contains(&set, 3) && roaring_contains(&set, 69999));
    assert_int_equal(roaring_count(&set), blobs[1].cardinality);
    roaring_deinit(&set);
    arena_deinit(&arena);
    puffin_writer_deinit(&writer);
}

/* The specification's footer, byte by byte. */
static void test_the_footer(void **state) {
    (void)state;
    static const char want[] =
        "PFA1{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"fields\":[2147483645],\"snapshot-id\":-1,"
        "\"sequence-number\":-1,\"offset\":4,\"length\":44,\"properties\":{\"referenced-data-file\":\"file:///a\","
        "\"cardinality\":\"2\"}}],\"properties\":{\"created-by\":\"sluice " SLUICE_VERSION "\"}}";
    struct error err = {0};
    struct roaring set;
    struct puffin_writer writer;
    int64_t offset, size;
    roaring_init(&set);
    puffin_writer_init(&writer);
    fill(&set, &(struct range){7, 9}, 1);
    assert_ok(puffin_add_vector(&writer, "file:///a", &set, &offset, &size, &err));
    puffin_finish(&writer);
    assert_memory_equal(writer.file.data, "PFA1", 4);
    const char *footer = writer.file.data + offset + size, *trailer = footer + sizeof want - 1;
    assert_memory_equal(footer, want, sizeof want - 1);
    assert_int_equal(trailer + 12 - writer.file.data, writer.file.len);
    assert_int_equal((unsigned char)trailer[0] | trailer[1] << 8, sizeof want - 1 - 4);
    assert_memory_equal(trailer + 2, "\0\0\0\0\0\0PFA1", 10);
    puffin_writer_deinit(&writer);
    roaring_deinit(&set);
}

static void test_a_location_that_is_no_text(void **state) {
    (void)state;
    struct error err = {0};
    struct roaring set;
    struct puffin_writer writer;
    int64_t offset, size;
    roaring_init(&set);
    puffin_writer_init(&writer);
    assert_fails(puffin_add_vector(&writer, "file:///\xff", &set, &offset, &size, &err), ERROR_DATA);
    assert_int_equal(writer.file.len, 4);
    puffin_writer_deinit(&writer);
}

/* As Iceberg's tests have it: two blobs of unknown types, compressed ones too. */
static void test_reads_the_file_of_another_writer(void **state) {
    (void)state;
    static const char file[] =
        "PFA1abcdefghi12345PFA1{\"blobs\":[{\"type\":\"some-blob\",\"fields\":[1],\"snapshot-id\":2,\"sequence-"
        "number\":1,"
        "\"offset\":4,\"length\":9},{\"type\":\"some-other-blob\",\"fields\":[2],\"snapshot-id\":2,\"sequence-number\":"
        "1,"
        "\"offset\":13,\"length\":5,\"compression-codec\":\"zstd\"}],\"properties\":{\"created-by\":\"Test 1234\"}}"
        "\x0d\x01\0\0\0\0\0\0PFA1";
    static const char empty[] = "PFA1PFA1{\"blobs\":[]}\x0c\0\0\0\0\0\0\0PFA1";
    struct error err = {0};
    struct puffin_blob *blobs;
    struct arena arena;
    size_t count;
    arena_init(&arena);
    assert_ok(puffin_read_footer(&arena, (struct slice){file, sizeof file - 1}, &blobs, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(blobs[0].type, "some-blob");
    assert_true(slice_equal_text(blobs[0].bytes, "abcdefghi") && blobs[0].codec == NULL && blobs[0].data_file == NULL);
    assert_string_equal(blobs[1].codec, "zstd");
    assert_true(slice_equal_text(blobs[1].bytes, "12345"));
    assert_ok(puffin_read_footer(&arena, (struct slice){empty, sizeof empty - 1}, &blobs, &count, &err));
    assert_int_equal(count, 0);
    arena_deinit(&arena);
}

static bool read_footer(const char *data, size_t len, struct error *err) {
    struct puffin_blob *blobs;
    struct arena arena;
    size_t count;
    struct slice copy = copy_of(data, len);
    arena_init(&arena);
    bool ok = puffin_read_footer(&arena, copy, &blobs, &count, err);
    arena_deinit(&arena);
    mem_free((char *)copy.data);
    return ok;
}

static void test_refuses_a_file_that_is_cut_off(void **state) {
    (void)state;
    struct error err = {0};
    struct puffin_writer writer;
    int64_t offsets[2], sizes[2];
    write_two(&writer, offsets, sizes);
    for (size_t len = 0; len < writer.file.len; len++)
        assert_fails(read_footer(writer.file.data, len, &err), ERROR_DATA);
    for (size_t from = 1; from < writer.file.len; from++)
        assert_fails(read_footer(writer.file.data + from, writer.file.len - from, &err), ERROR_DATA);
    puffin_writer_deinit(&writer);
}

static void test_refuses_damaged_footers(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int length; /* what the file says; 0: the right one */
        char flags;
        const char *why;
    } cases[] = {
        {"{\"blobs\":[]}", 0, 1, "compressed"},
        {"{\"blobs\":[]}", 500, 0, "longer than the file"},
        {"{\"blobs\":[]}", -1, 0, "longer than the file"},
        {"{\"blobs\":[]}", 11, 0, "footer does not start"},
        {"{\"blobs\":[", 0, 0, "damaged Puffin file"},
        {"{\"blobs\":{}}", 0, 0, "no list of blobs"},
        {"[]", 0, 0, "no list of blobs"},
        {"{\"blobs\":[7]}", 0, 0, "no type"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":4}]}", 0, 0, "no type, offset or length"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":\"4\",\"length\":1}]}", 0, 0, "no type, offset or length"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":4,\"length\":9}]}", 0, 0, "not within the file"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":3,\"length\":1}]}", 0, 0, "not within the file"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":-4,\"length\":1}]}", 0, 0, "not within the file"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":4,\"length\":-1}]}", 0, 0, "not within the file"},
        {"{\"blobs\":[{\"type\":\"x\",\"offset\":5,\"length\":9223372036854775807}]}", 0, 0, "not within the file"},
        {"{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"offset\":4,\"length\":8}]}", 0, 0, "no data file"},
        {"{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"offset\":4,\"length\":8,\"properties\":{\"referenced-data-"
         "file\":"
         "\"a\",\"cardinality\":\"1x\"}}]}",
         0, 0, "no data file or cardinality"},
        {"{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"offset\":4,\"length\":8,\"properties\":{\"referenced-data-"
         "file\":"
         "\"a\",\"cardinality\":\"-1\"}}]}",
         0, 0, "no data file or cardinality"},
        {"{\"blobs\":[{\"type\":\"deletion-vector-v1\",\"offset\":4,\"length\":8,\"compression-codec\":\"zstd\","
         "\"properties\":{\"referenced-data-file\":\"a\",\"cardinality\":\"1\"}}]}",
         0, 0, "or is compressed"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = {0};
        struct buf file;
        int length = cases[i].length != 0 ? cases[i].length : (int)strlen(cases[i].json);
        buf_init(&file, BUF_MAX_DEFAULT);
        buf_append_text(&file, "PFA112345678PFA1");
        buf_append_text(&file, cases[i].json);
        buf_append(&file, &length, sizeof length); /* little-endian, as this machine */
        buf_append(&file, (char[]){cases[i].flags, 0, 0, 0}, 4);
        buf_append_text(&file, "PFA1");
        assert_fails(read_footer(file.data, file.len, &err), ERROR_DATA);
        assert_says(cases[i].why);
        buf_deinit(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_vectors_of_another_writer),
        cmocka_unit_test(test_writes_what_another_writer_writes),
        cmocka_unit_test(test_refuses_damaged_vectors),
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_the_footer),
        cmocka_unit_test(test_a_location_that_is_no_text),
        cmocka_unit_test(test_reads_the_file_of_another_writer),
        cmocka_unit_test(test_refuses_a_file_that_is_cut_off),
        cmocka_unit_test(test_refuses_damaged_footers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
