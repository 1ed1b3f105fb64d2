#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "memory_store.h"
#include "raw/layout.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_load_names(void **state) {
    (void)state;
    static const struct {
        unsigned number;
        enum raw_format format;
        const char *want;
    } cases[] = {{1, RAW_CSV, "LOAD00000001.csv"},
                 {9, RAW_CSV, "LOAD00000009.csv"},
                 {10, RAW_CSV_GZIP, "LOAD0000000A.csv.gz"},
                 {16, RAW_PARQUET, "LOAD00000010.parquet"},
                 {0xFFFFFFFF, RAW_CSV, "LOADFFFFFFFF.csv"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[RAW_NAME_BYTES];
        raw_format_load_name(cases[i].number, cases[i].format, name);
        assert_string_equal(name, cases[i].want);
    }
}

static void test_change_names(void **state) {
    (void)state;
    static const struct {
        const char *time, *last, *want;
    } cases[] = {
        {"2026-11-01 10:15:00.123", NULL, "20261101-101500123.csv"},
        {"2026-11-01 10:15:00.123999", NULL, "20261101-101500123.csv"},
        {"2026-11-01 10:15:00", NULL, "20261101-101500000.csv"},
        {"1970-01-01", NULL, "19700101-000000000.csv"},
        /* greater than the last: as it is */
        {"2026-11-01 10:15:00.124", "20261101-101500123.csv", "20261101-101500124.csv"},
        {"2026-11-01 10:15:00.124", "20261101-101500123.parquet", "20261101-101500124.csv"},
        {"2026-11-01 10:15:00.124", "0", "20261101-101500124.csv"},
        {"2026-11-01 10:15:00.124", "", "20261101-101500124.csv"},
        /* the same millisecond, or a clock that went back */
        {"2026-11-01 10:15:00.123", "20261101-101500123.csv", "20261101-101500124.csv"},
        {"2026-11-01 10:15:00.123", "20261101-101500123.csv.gz", "20261101-101500124.csv"},
        {"2026-11-01 10:15:00.123", "20261101-101500123", "20261101-101500124.csv"},
        {"2020-01-01", "20261101-101500123.csv", "20261101-101500124.csv"},
        /* over the ends of seconds, days, months and years */
        {"2020-01-01", "20261101-101559999.csv", "20261101-101600000.csv"},
        {"2020-01-01", "20261101-235959999.csv", "20261102-000000000.csv"},
        {"2020-01-01", "20280228-235959999.csv", "20280229-000000000.csv"},
        {"2020-01-01", "20271231-235959999.csv", "20280101-000000000.csv"},
        /* ten digits behind the '-', as the guide's prose has it */
        {"2014-10-29 11:34:01", "20141029-1134010000.csv", "20141029-113401001.csv"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[RAW_NAME_BYTES];
        int64_t time_us;
        assert_true(clock_parse_sql(cases[i].time, &time_us));
        raw_format_change_name(time_us, cases[i].last, RAW_CSV, name);
        if (strcmp(name, cases[i].want) != 0)
            fail_msg("%s after %s is %s, want %s", cases[i].time, cases[i].last, name, cases[i].want);
        if (cases[i].last != NULL)
            assert_true(raw_compare_names(name, cases[i].last) > 0);
    }
}

static void test_change_names_always_rise(void **state) {
    (void)state;
    char name[RAW_NAME_BYTES], last[RAW_NAME_BYTES] = "";
    int64_t time_us = INT64_C(1798761599998000); /* 2026-12-31 23:59:59.998 */
    for (int i = 0; i < 2000; i++) {
        raw_format_change_name(time_us - i % 3 * 1000000, last, RAW_CSV_GZIP, name);
        assert_true(raw_compare_names(name, last) > 0);
        enum raw_kind kind;
        enum raw_format format;
        assert_true(raw_parse_name(name, &kind, &format));
        assert_int_equal(kind, RAW_CHANGES);
        assert_int_equal(format, RAW_CSV_GZIP);
        memcpy(last, name, sizeof last);
    }
    assert_string_equal(last, "20270101-000001997.csv.gz");
}

static void test_compare_names(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        {"20261101-101500123.csv", "20261101-101500123.csv", 0},
        {"20261101-101500123.csv", "20261101-101500123.parquet", 0},
        {"20261101-101500123.csv.gz", "20261101-101500123", 0},
        {"20261101-101500123.csv", "20261101-101500124.csv", -1},
        {"20261101-101500123.parquet", "20261101-101500122.csv", 1},
        {"0", "20261101-101500123.csv", -1},
        {"", "0", -1},
        {"", "", 0},
        {"20261101-1015001230.csv", "20261101-101500123.csv", 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int got = raw_compare_names(cases[i].a, cases[i].b);
        if ((got > 0) - (got < 0) != cases[i].want)
            fail_msg("%s against %s is %d", cases[i].a, cases[i].b, got);
        got = raw_compare_names(cases[i].b, cases[i].a);
        assert_int_equal((got > 0) - (got < 0), -cases[i].want);
    }
}

static void test_parse_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum raw_kind kind;
        enum raw_format format;
    } cases[] = {
        {"LOAD00000001.csv", RAW_FULL_LOAD, RAW_CSV},
        {"LOAD0000000A.csv.gz", RAW_FULL_LOAD, RAW_CSV_GZIP},
        {"LOAD00000010.parquet", RAW_FULL_LOAD, RAW_PARQUET},
        {"LOAD00001.csv", RAW_FULL_LOAD, RAW_CSV},
        {"SEGMENT1_LOAD00000001.csv", RAW_FULL_LOAD, RAW_CSV},
        {"SEGMENT10_LOAD0000000A.parquet", RAW_FULL_LOAD, RAW_PARQUET},
        {"SEGMENTZ_LOAD00000001.csv.gz", RAW_FULL_LOAD, RAW_CSV_GZIP},
        {"20261101-101500123.csv", RAW_CHANGES, RAW_CSV},
        {"20261101-101500123.csv.gz", RAW_CHANGES, RAW_CSV_GZIP},
        {"20261101-101500123.parquet", RAW_CHANGES, RAW_PARQUET},
        {"20141029-1134010000.csv", RAW_CHANGES, RAW_CSV},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum raw_kind kind;
        enum raw_format format;
        if (!raw_parse_name(cases[i].name, &kind, &format))
            fail_msg("%s is refused", cases[i].name);
        assert_int_equal(kind, cases[i].kind);
        assert_int_equal(format, cases[i].format);
        assert_string_equal(strchr(cases[i].name, '.'), raw_format_suffix(format));
    }
    static const char *const refused[] = {
        "",
        ".csv",
        "LOAD.csv",
        "LOAD00000001",
        "LOAD00000001.CSV",
        "LOAD00000001.txt",
        "LOAD00000001.csv.bz2",
        "LOAD00000001.csv.tmp",
        "LOAD0000000G.csv",
        "LOAD00000001x.csv",
        "XLOAD00000001.csv",
        "SEGMENT_LOAD00000001.csv",
        "SEGMENT1LOAD00000001.csv",
        "SEGMENT1_LOAD.csv",
        "20261101-101500123",
        "20261101-10150012.csv",
        "20261101-10150012345.csv",
        "20261101_101500123.csv",
        "2026110-1101500123.csv",
        "20261101-10150012x.csv",
        "CDC_TXN-20201117153046033.csv",
        "readme.txt",
        "_SUCCESS",
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        enum raw_kind kind;
        enum raw_format format;
        if (raw_parse_name(refused[i], &kind, &format))
            fail_msg("%s is taken", refused[i]);
    }
}

static void test_list_files(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t modified_us;
    } objects[] = {
        {"shop/product/LOAD0000000A.csv", 30},
        {"shop/product/LOAD00000002.csv.gz", 40},
        {"shop/product/LOAD00000001.csv", 10},
        {"shop/product/part_2025/LOAD00000001.csv", 20},
        {"shop/product/20261101-101500123.csv", 50},
        {"shop/product/2026/11/02/20261102-000000000.csv", 60},
        {"shop/product/2026/11/01/20261101-235959999.csv", 55},
        {"shop/product/20261101-101500124.parquet", 51},
        {"shop/product/20261101-101500124.csv", 52},
        {"shop/product/readme.txt", 99},
        {"shop/product/2026/notes.csv", 99},
        {"shop/product2/LOAD00000001.csv", 99},
        {"shop/productorder/20261101-101500123.csv", 99},
        {"other/product/LOAD00000001.csv", 99},
    };
    static const char *const full_load[] = {"LOAD00000001.csv", "LOAD00000002.csv.gz", "LOAD0000000A.csv",
                                            "part_2025/LOAD00000001.csv"};
    static const char *const changes[] = {"20261101-101500123.csv", "20261101-101500124.csv",
                                          "20261101-101500124.parquet", "2026/11/01/20261101-235959999.csv",
                                          "2026/11/02/20261102-000000000.csv"};
    struct memory_store store = memory_store_new();
    struct arena arena;
    struct raw_files files;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(objects); i++)
        memory_store_add(&store, objects[i].name, "12345", 5, objects[i].modified_us);
    assert_true(raw_list_files(&store.base, &arena, "shop", "product", &files, NULL));
    assert_int_equal(files.full_load_count, COUNT(full_load));
    for (size_t i = 0; i < COUNT(full_load); i++) {
        assert_string_equal(files.full_load[i].name, full_load[i]);
        assert_int_equal(files.full_load[i].kind, RAW_FULL_LOAD);
        assert_int_equal(files.full_load[i].size_bytes, 5);
    }
    assert_int_equal(files.full_load_newest_us, 40);
    assert_int_equal(files.full_load[1].format, RAW_CSV_GZIP);
    assert_string_equal(files.full_load[3].base_name, "LOAD00000001.csv");
    assert_int_equal(files.full_load[3].modified_us, 20);
    assert_int_equal(files.change_count, COUNT(changes));
    for (size_t i = 0; i < COUNT(changes); i++) {
        assert_string_equal(files.changes[i].name, changes[i]);
        assert_int_equal(files.changes[i].kind, RAW_CHANGES);
    }
    assert_string_equal(files.changes[4].base_name, "20261102-000000000.csv");
    assert_int_equal(files.changes[2].format, RAW_PARQUET);
    assert_int_equal(files.unknown_count, 2);
    assert_string_equal(files.unknown[0], "2026/notes.csv");
    assert_string_equal(files.unknown[1], "readme.txt");

    assert_true(raw_list_files(&store.base, &arena, "shop", "missing", &files, NULL));
    assert_int_equal(files.full_load_count + files.change_count + files.unknown_count, 0);
    arena_deinit(&arena);
}

static void test_list_tables(void **state) {
    (void)state;
    static const char *const objects[] = {
        "shop/store/LOAD00000001.csv",
        "shop/product/2026/11/01/20261101-101500123.csv",
        "shop/product/LOAD00000001.csv",
        "a schema/t%2Fu/LOAD00000001.csv",
        "shop/stray.csv",
        "stray.csv",
    };
    static const char *const want[][2] = {{"a schema", "t/u"}, {"shop", "product"}, {"shop", "store"}};
    struct memory_store store = memory_store_new();
    struct arena arena;
    struct raw_table_name *names;
    size_t count = 77;
    arena_init(&arena);
    assert_true(raw_list_tables(&store.base, &arena, &names, &count, NULL));
    assert_int_equal(count, 0);
    for (size_t i = 0; i < COUNT(objects); i++)
        memory_store_add(&store, objects[i], "", 0, 0);
    assert_true(raw_list_tables(&store.base, &arena, &names, &count, NULL));
    assert_int_equal(count, COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_string_equal(names[i].schema, want[i][0]);
        assert_string_equal(names[i].table, want[i][1]);
    }
    arena_deinit(&arena);
}

/* A name is found again, whatever is in it. */
static void test_table_folder(void **state) {
    (void)state;
    static const struct {
        const char *table, *want;
    } cases[] = {
        {"product", "shop/product/"},
        {"a b.c-d", "shop/a b.c-d/"},
        {"a/b", "shop/a%2Fb/"},
        {"..", "shop/%2E%2E/"},
        {".", "shop/%2E/"},
        {"...", "shop/.../"},
        {"line\nend\r", "shop/line%0Aend%0D/"},
        {"100%", "shop/100%/"},
        {"%41", "shop/%41/"},
        {"%2F", "shop/%252F/"},
        {"%25", "shop/%2525/"},
        {"%%2E", "shop/%%252E/"},
        {"gr\xC3\xB6\xC3\x9F", "shop/gr\xC3\xB6\xC3\x9F/"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct memory_store store = memory_store_new();
        struct raw_table_name *names;
        struct raw_files files;
        size_t count;
        arena_init(&arena);
        const char *folder = raw_table_folder(&arena, "shop", cases[i].table);
        assert_string_equal(folder, cases[i].want);
        memory_store_add(&store, arena_printf(&arena, "%sLOAD00000001.csv", folder), "", 0, 0);
        assert_true(raw_list_tables(&store.base, &arena, &names, &count, NULL));
        assert_int_equal(count, 1);
        assert_string_equal(names[0].table, cases[i].table);
        assert_true(raw_list_files(&store.base, &arena, names[0].schema, names[0].table, &files, NULL));
        assert_int_equal(files.full_load_count, 1);
        arena_deinit(&arena);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_names),
        cmocka_unit_test(test_change_names),
        cmocka_unit_test(test_change_names_always_rise),
        cmocka_unit_test(test_compare_names),
        cmocka_unit_test(test_parse_names),
        cmocka_unit_test(test_list_files),
        cmocka_unit_test(test_list_tables),
        cmocka_unit_test(test_table_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
