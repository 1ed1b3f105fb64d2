/* Sets of positions: against a plain model, against bytes that CRoaring wrote, and against damage. */
#include "assert_call.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "lake/iceberg/roaring.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Positions `first`, `first` + `step`, … below `end`. */
struct range {
    uint64_t first, end, step;
};

struct example {
    const char *name;
    struct range ranges[6];
    const char *hex; /* NULL: only length and checksum */
    size_t len;
    uint32_t crc;
    bool has_runs; /* read, but written in another way */
};

/* Bytes of pyroaring 1.2.0 (CRoaring): BitMap64(positions).serialize(), with run_optimize() before it for those with runs. */
static const struct example examples[] = {
    {.name = "empty", .hex = "0000000000000000"},
    {.name = "one", .ranges = {{1, 2, 1}}, .hex = "0100000000000000000000003a3000000100000000000000100000000100"},
    {.name = "arrays in three bitmaps",
     .ranges = {{0, 2, 1},
                {5, 6, 1},
                {65535, 65537, 1},
                {70000, 70001, 1},
                {4294967296, 4294967304, 7},
                {21474967552, 21474967553, 1}},
     .hex = "0300000000000000000000003a3000000200000000000300010001001800000020000000000001000500ffff00007011010000003a"
            "30000001000000000001001000000000000700050000003a3000000100000002000000100000000000"},
    {.name = "as large as an array can be", .ranges = {{0, 4096 * 3, 3}}, .len = 8220, .crc = 0x445f2575},
    {.name = "as small as bits can be", .ranges = {{0, 4097 * 3, 3}}, .len = 8220, .crc = 0x8cd25bff},
    {.name = "all kinds, far apart",
     .ranges = {{0, 200000, 7}, {8589934592, 8589944592, 2}, {4611686018427387904, 4611686018427387905, 1}},
     .len = 33832,
     .crc = 0xed938d12},
    {.name = "runs without offsets",
     .ranges = {{10, 200, 1}, {70000, 70001, 1}, {131072, 196608, 1}},
     .hex = "0100000000000000000000003b300200050000bd00010000000200ffff01000a00bd00701101000000ffff",
     .has_runs = true},
    {.name = "runs beside arrays, with offsets",
     .ranges =
         {{1, 9, 1}, {65537, 327681 - 1, 65536}, {4294967296 + 65530, 4294967296 + 65600, 1}, {262145, 262146, 1}},
     .hex =
         "0200000000000000000000003b3004000100000700010000000200000003000000040000002d00000033000000350000003700000039"
         "0000000100010007000100010001000100010000003b300100030000050001003f000100faff0500010000003f00",
     .has_runs = true},
    {.name = "runs that become bits",
     .ranges = {{100, 70001, 1}, {70002, 70003, 1}},
     .hex = "0100000000000000000000003b3001000300009bff01007111010064009bff02000000701172110000",
     .has_runs = true},
};

static void fill(struct roaring *set, const struct example *example) {
    for (size_t i = 0; i < COUNT(example->ranges); i++)
        for (uint64_t at = example->ranges[i].first; at < example->ranges[i].end; at += example->ranges[i].step)
            roaring_add(set, at);
}

static void assert_same(const struct roaring *a, const struct roaring *b) {
    struct roaring_cursor at_a = roaring_begin(a), at_b = roaring_begin(b);
    uint64_t position_a, position_b;
    assert_int_equal(roaring_count(a), roaring_count(b));
    while (roaring_next(&at_a, &position_a)) {
        assert_true(roaring_next(&at_b, &position_b));
        assert_true(position_a == position_b);
    }
    assert_false(roaring_next(&at_b, &position_b));
}

static struct buf bytes_of_hex(const char *hex) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (; *hex != '\0'; hex += 2)
        buf_append_char(&out, (char)strtol((char[]){hex[0], hex[1], '\0'}, NULL, 16));
    return out;
}

/* The copy is of exactly that size, so that a sanitizer sees a read behind it. */
static bool read_copy(const char *data, size_t len, struct roaring *set, struct error *err) {
    char *copy = mem_alloc(len + (len == 0));
    memcpy(copy, data, len);
    bool ok = roaring_read((struct slice){copy, len}, set, err);
    mem_free(copy);
    return ok;
}

static void assert_refused(const char *data, size_t len, const char *why) {
    struct error err = {0};
    struct roaring set;
    roaring_init(&set);
    assert_fails(read_copy(data, len, &set, &err), ERROR_DATA);
    if (why != NULL)
        assert_says(why);
    roaring_deinit(&set);
}

static void test_writes_what_another_implementation_writes(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        const struct example *example = &examples[i];
        struct roaring set;
        struct buf written, want = bytes_of_hex(example->hex != NULL ? example->hex : "");
        if (example->has_runs) {
            buf_deinit(&want);
            continue;
        }
        roaring_init(&set);
        buf_init(&written, BUF_MAX_DEFAULT);
        fill(&set, example);
        roaring_write(&set, &written);
        assert_int_equal(roaring_written_bytes(&set), written.len);
        if (example->hex != NULL) {
            assert_int_equal(written.len, want.len);
            assert_memory_equal(written.data, want.data, want.len);
        } else {
            assert_int_equal(written.len, example->len);
            assert_int_equal(crc32_z(0, (const Bytef *)written.data, written.len), example->crc);
        }
        buf_deinit(&written);
        buf_deinit(&want);
        roaring_deinit(&set);
    }
}

static void test_reads_what_was_written(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct error err = {0};
        struct roaring set, again;
        roaring_init(&set);
        roaring_init(&again);
        fill(&set, &examples[i]);
        struct buf bytes = bytes_of_hex(examples[i].hex != NULL ? examples[i].hex : "");
        if (examples[i].hex == NULL)
            roaring_write(&set, &bytes);
        assert_ok(read_copy(bytes.data, bytes.len, &again, &err));
        assert_same(&set, &again);
        buf_deinit(&bytes);
        roaring_deinit(&again);
        roaring_deinit(&set);
    }
}

/* Every prefix, and one byte more. */
static void test_refuses_what_is_cut_off(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        struct roaring set;
        roaring_init(&set);
        fill(&set, &examples[i]);
        struct buf bytes = bytes_of_hex(examples[i].hex != NULL ? examples[i].hex : "");
        if (examples[i].hex == NULL)
            roaring_write(&set, &bytes);
        for (size_t len = 0; len < bytes.len; len += len < 100 || len + 100 > bytes.len ? 1 : 97)
            assert_refused(bytes.data, len, NULL);
        buf_append_char(&bytes, 0);
        assert_refused(bytes.data, bytes.len, "more behind it");
        buf_deinit(&bytes);
        roaring_deinit(&set);
    }
}

static void test_refuses_damage(void **state) {
    (void)state;
    static const struct {
        const char *hex, *why;
    } cases[] = {
        /* count of bitmaps, key, cookie, … */
        {"0100000000000000000000003930000001000000", "does not start as one"},
        {"0100000000000000000000003a3001000100000000000000100000000100", "does not start as one"},
        {"0200000000000000000000003a30000000000000000000003a30000000000000", "keys are not sorted"},
        {"0100000000000000000000803a30000000000000", "above 2^31"},
        {"0100000000000000000000003a30000001000100", "too many containers"},
        {"ffffffffffffffff000000003a30000000000000", "ends before a bitmap"},
        /* two containers with the same key; an array that falls, one that repeats */
        {"0100000000000000000000003a300000020000000100000001000000180000001a00000001000200",
         "containers are not sorted"},
        {"0100000000000000000000003a3000000100000000000100100000000200"
         "0100",
         "array is not sorted"},
        {"0100000000000000000000003a3000000100000000000100100000000100"
         "0100",
         "array is not sorted"},
        /* runs: overlapping, past the end, fewer and more than the cardinality, none */
        {"0100000000000000000000003b300000010000"
         "0300"
         "0200"
         "01000200"
         "03000000",
         "runs are not sorted"},
        {"0100000000000000000000003b300000010000"
         "0100"
         "0100"
         "ffff0100",
         "runs are not sorted"},
        {"0100000000000000000000003b300000010000"
         "0300"
         "0100"
         "01000200",
         "runs and cardinality differ"},
        {"0100000000000000000000003b300000010000"
         "0100"
         "0100"
         "01000200",
         "runs and cardinality differ"},
        {"0100000000000000000000003b300000010000"
         "0000"
         "0000",
         "runs and cardinality differ"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf bytes = bytes_of_hex(cases[i].hex);
        assert_refused(bytes.data, bytes.len, cases[i].why);
        buf_deinit(&bytes);
    }
}

static void test_refuses_bits_of_another_cardinality(void **state) {
    (void)state;
    struct roaring set;
    struct buf bytes;
    roaring_init(&set);
    buf_init(&bytes, BUF_MAX_DEFAULT);
    for (uint64_t i = 0; i < 5000; i++)
        roaring_add(&set, i * 2);
    roaring_write(&set, &bytes);
    bytes.data[bytes.len - 1] ^= 1;
    assert_refused(bytes.data, bytes.len, "bits and cardinality differ");
    buf_deinit(&bytes);
    roaring_deinit(&set);
}

/* What few bytes become in memory has a limit. */
static void test_refuses_more_containers_than_a_file_has(void **state) {
    (void)state;
    struct buf bytes;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    buf_append(&bytes, "\x11\0\0\0\0\0\0\0", 8);
    for (uint32_t bitmap = 0; bitmap < 17; bitmap++) {
        buf_append(&bytes, (char[]){(char)bitmap, 0, 0, 0, 0x3a, 0x30, 0, 0, 0, 0x10, 0, 0}, 12); /* 4096 containers */
        for (uint32_t i = 0; i < 4096; i++)
            buf_append(&bytes, (char[]){(char)i, (char)(i >> 8), 0, 0}, 4);
        for (uint32_t i = 0; i < 4096 * 6 / 2; i++) /* offsets, then arrays of one position */
            buf_append(&bytes, "\0", 2);
    }
    assert_refused(bytes.data, bytes.len, "more than 65536 containers");
    buf_deinit(&bytes);
}

/* In any order, with repetitions, beside an array of bools. */
static void test_is_a_set(void **state) {
    (void)state;
    enum { SPAN = 300000 };
    static bool model[SPAN];
    const uint64_t base = (UINT64_C(1) << 32) - SPAN / 2; /* over the border of two bitmaps */
    struct roaring set, more, empty;
    uint64_t random = 42, position, count = 0;
    roaring_init(&set);
    roaring_init(&more);
    roaring_init(&empty);
    for (size_t i = 0; i < 100000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = (random >> 33) % (i % 2 == 0 ? SPAN : SPAN / 10); /* the first containers become bits */
        count += !model[at];
        model[at] = true;
        roaring_add(i % 3 == 0 ? &more : &set, base + at);
    }
    roaring_add_all(&set, &more);
    roaring_add_all(&set, &empty);
    assert_int_equal(roaring_count(&set), count);
    struct roaring_cursor cursor = roaring_begin(&set);
    for (uint64_t at = 0; at < SPAN; at++) {
        assert_int_equal(roaring_contains(&set, base + at), model[at]);
        if (model[at]) {
            assert_true(roaring_next(&cursor, &position));
            assert_true(position == base + at);
        }
    }
    assert_false(roaring_next(&cursor, &position));
    uint64_t last = SPAN;
    while (!model[--last])
        continue;
    assert_true(roaring_last(&set, &position) && position == base + last); /* of bits, or of an array: */
    roaring_add(&set, base + 2 * SPAN);
    assert_true(roaring_last(&set, &position) && position == base + 2 * SPAN);
    assert_false(roaring_last(&empty, &position));
    assert_false(roaring_contains(&set, 0) || roaring_contains(&set, INT64_MAX));
    roaring_deinit(&set);
    roaring_deinit(&more);
    roaring_deinit(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_another_implementation_writes),
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_refuses_what_is_cut_off),
        cmocka_unit_test(test_refuses_damage),
        cmocka_unit_test(test_refuses_bits_of_another_cardinality),
        cmocka_unit_test(test_refuses_more_containers_than_a_file_has),
        cmocka_unit_test(test_is_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
