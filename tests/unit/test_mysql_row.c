/* Table maps and rows by hand: how maps are kept, which ones cannot be read, values that no server writes. The rows that servers
 * do write are in test_mysql_binlog. */
#include "mysql_bench.h"
#include "source/mysql_row.h"

/* A table map of shop.t. metadata and fields end with their own length. */
static void start_map(struct bench *b, uint64_t id, const char *types, const char *metadata, size_t metadata_len,
                      const char *fields, size_t fields_len) {
    size_t columns = strlen(types);
    start(b, 19);
    le(b, id, 6);
    le(b, 1, 2);
    text(b, "\4shop");
    le(b, 0, 1);
    text(b, "\1t");
    le(b, 0, 1);
    le(b, columns, 1);
    text(b, types);
    le(b, metadata_len, 1);
    buf_append(&b->bytes, metadata, metadata_len);
    for (size_t i = 0; i < (columns + 7) / 8; i++)
        le(b, 0xff, 1);
    buf_append(&b->bytes, fields, fields_len);
}

static unsigned released;
static void count_release(void *context, struct mysql_table_map *map) {
    (void)context;
    assert_non_null(map->user);
    released++;
}

static void test_map_cache(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    mysql_table_maps_on_release(b->decoder.maps, count_release, NULL);
    released = 0;
    start_map(b, 9, "\3", "", 0, "\1\1\x80", 3);
    expect(b, MYSQL_EVENT_TABLE_MAP);
    struct mysql_table_map *map = b->event.table_map;
    assert_string_equal(map->schema, "shop");
    assert_string_equal(map->name, "t");
    assert_true(map->columns[0].is_unsigned && map->has_signedness && !map->has_names);
    uint64_t generation = map->generation;
    map->user = b;
    expect(b, MYSQL_EVENT_TABLE_MAP); /* the same bytes: the same map */
    assert_ptr_equal(b->event.table_map, map);
    assert_int_equal(map->generation, generation);
    start_map(b, 9, "\3", "", 0, "\1\1\x00", 3);
    expect(b, MYSQL_EVENT_TABLE_MAP); /* another definition: parsed anew */
    assert_int_equal(released, 1);
    assert_null(b->event.table_map->user);
    assert_false(b->event.table_map->columns[0].is_unsigned);
    b->event.table_map->user = b;
    for (uint64_t id = 100; id < 100 + MYSQL_TABLE_MAPS_MAX; id++) {
        start_map(b, id, "\3", "", 0, "", 0);
        expect(b, MYSQL_EVENT_TABLE_MAP);
    }
    assert_int_equal(released, 2); /* the oldest had to go */
    assert_null(mysql_table_maps_find(b->decoder.maps, 9));
    assert_non_null(mysql_table_maps_find(b->decoder.maps, 100));
    start_format(b, "8.0.36");
    expect(b, MYSQL_EVENT_FORMAT); /* another file, perhaps of a restarted server */
    assert_null(mysql_table_maps_find(b->decoder.maps, 100));
    close_bench(b);
}

/* What cannot be read in a map concerns only who captures the table. */
static void test_broken_maps(void **state) {
    (void)state;
    static const struct {
        const char *types, *metadata;
        size_t metadata_len;
        const char *fields;
        size_t fields_len;
        const char *says;
    } CASES[] = {
        {"\3\x99", "", 0, "", 0, "type code 153"},
        {"\xf6", "\xff\1", 2, "", 0, "damaged metadata"}, /* decimal(255,1) */
        {"\xf6", "\5\6", 2, "", 0, "damaged metadata"},   /* decimal(5,6) */
        {"\x12", "\7", 1, "", 0, "damaged metadata"},     /* datetime(7) */
        {"\x10", "\0\0", 2, "", 0, "damaged metadata"},   /* bit(0) */
        {"\xfe", "\xf7\3", 2, "", 0, "damaged metadata"}, /* an enum of three bytes */
        {"\xfc", "\5", 1, "", 0, "damaged metadata"},     /* a length of five bytes */
        {"\4", "\10", 1, "", 0, "damaged metadata"},      /* a float of eight bytes */
        {"\3", "\1", 1, "", 0, "longer than its columns"},
        {"\xf", "\1", 1, "", 0, "damaged metadata"},
        {"\3", "", 0, "\1\0", 2, "field of type 1"},    /* no bits */
        {"\3", "", 0, "\4\2\5i", 4, "field of type 4"}, /* a name that is cut off */
        {"\3", "", 0, "\1\5", 2, "field of type 1"},
        {"\3", "", 0, "\10\1\1", 3, "field of type 8"},                /* a key column that is not there */
        {"\xfe", "\xfe\4", 2, "\2\3\x2d\5\x2d", 5, "field of type 2"}, /* an exception for the sixth text column */
        {"\xfe", "\xfe\4", 2, "\3\2\x2d\x2d", 4, "field of type 3"},   /* two collations for one column */
    };
    struct bench *b = open_bench("8.0.36");
    struct mysql_charsets *charsets = mysql_charsets_new();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_row_counters counters = {0};
        struct mysql_row_plan *plan;
        start_map(b, 9, CASES[i].types, CASES[i].metadata, CASES[i].metadata_len, CASES[i].fields, CASES[i].fields_len);
        expect(b, MYSQL_EVENT_TABLE_MAP);
        assert_non_null(b->event.table_map->broken);
        assert_int_equal(b->event.table_map->column_count, 0);
        assert_false(mysql_row_plan_new(b->event.table_map, charsets, &counters, &plan, &b->err));
        assert_int_equal(b->err.kind, ERROR_DATA);
        assert_non_null(strstr(b->err.message, "shop.t"));
        if (strstr(b->err.message, CASES[i].says) == NULL)
            fail_msg("not \"%s\": %s", CASES[i].says, b->err.message);
    }
    start(b, 19);
    le(b, 9, 6);
    le(b, 1, 2);
    text(b, "\4sho"); /* not even a name */
    refuse(b, ERROR_DATA, "table map");
    mysql_charsets_free(charsets);
    close_bench(b);
}

/* INT, YEAR, INT with the bits 1 0 1: with a bit for YEAR the second INT is unsigned, without one it is not. */
static void test_sign_of_year(void **state) {
    (void)state;
    static const struct {
        const char *version;
        bool known, is_unsigned;
    } CASES[] = {
        {"8.0.15", true, false}, {"8.0.20", false, false},        {"8.0.29", true, true},
        {"9.7.0", true, true},   {"10.11.6-MariaDB", true, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct bench *b = open_bench(CASES[i].version);
        start_map(b, 9, "\3\15\3", "", 0, "\1\1\xa0", 3);
        expect(b, MYSQL_EVENT_TABLE_MAP);
        const struct mysql_table_map *map = b->event.table_map;
        assert_true(map->columns[0].has_signedness && map->columns[0].is_unsigned);
        assert_int_equal(map->columns[2].has_signedness, CASES[i].known);
        assert_int_equal(map->columns[2].is_unsigned, CASES[i].is_unsigned);
        assert_int_equal(map->has_signedness, CASES[i].known);
        close_bench(b);
    }
}

static void start_rows(struct bench *b, uint8_t type, uint64_t id) {
    start(b, type);
    le(b, id, 6);
    le(b, 1, 2);
}

static void test_rows_events(void **state) {
    (void)state;
    struct mysql_charsets *charsets = mysql_charsets_new();
    struct mysql_row_counters counters = {0};
    struct mysql_row_plan *plan;
    struct mysql_rows rows;
    bool more;
    struct bench *b = open_bench("8.0.36");
    start_map(b, 9, "\3\3", "", 0, "\1\1\x40", 3);
    expect(b, MYSQL_EVENT_TABLE_MAP);
    assert_true(mysql_row_plan_new(b->event.table_map, charsets, &counters, &plan, &b->err));

    /* v2 with extra data: two rows, the second with a NULL, in another order and without the first column. */
    start(b, 30);
    le(b, 9, 6);
    le(b, MYSQL_ROWS_STATEMENT_END, 2);
    le(b, 5, 2);
    text(b, "xyz");
    le(b, 2, 1);
    le(b, 0xff, 1);
    le(b, 0xfc, 1);
    le(b, 1, 4);
    le(b, UINT32_MAX, 4);
    le(b, 0xfe, 1);
    le(b, UINT32_MAX, 4);
    expect(b, MYSQL_EVENT_ROWS);
    assert_int_equal(b->event.rows.op, CHANGE_INSERT);
    assert_int_equal(b->event.rows.flags, MYSQL_ROWS_STATEMENT_END);
    mysql_row_plan_reorder(plan, (uint16_t[]){MYSQL_ROW_SKIP, 2}, 3);
    assert_true(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_true(mysql_rows_next(&rows, &more, &b->err) && more);
    assert_null(rows.before);
    assert_int_equal(rows.after[0].kind, VALUE_UNCHANGED);
    assert_int_equal(rows.after[2].kind, VALUE_PLAIN);
    assert_memory_equal(rows.after[2].data, "4294967295", 10);
    assert_true(mysql_rows_next(&rows, &more, &b->err) && more);
    assert_int_equal(rows.after[2].kind, VALUE_NULL);
    assert_true(mysql_rows_next(&rows, &more, &b->err) && !more);

    start_rows(b, 23, 10);
    text(b, "\1\1");
    refuse(b, ERROR_DATA, "write rows v1"); /* no map of that id */
    start_rows(b, 23, 0x00ffffff);
    text(b, "\1\1");
    expect(b, MYSQL_EVENT_ROWS); /* only ends a statement */
    assert_null(b->event.rows.table_map);
    assert_true(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_true(mysql_rows_next(&rows, &more, &b->err) && !more);

    start_rows(b, 23, 9);
    text(b, "\3\7");
    expect(b, MYSQL_EVENT_ROWS);
    assert_false(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_non_null(strstr(b->err.message, "number of columns"));

    start_rows(b, 23, 9); /* one row, and the event names no column of it */
    text(b, "\2");
    le(b, 0, 1);
    expect(b, MYSQL_EVENT_ROWS);
    assert_true(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_true(mysql_rows_next(&rows, &more, &b->err) && more);
    assert_int_equal(rows.after[2].kind, VALUE_UNCHANGED);
    assert_true(mysql_rows_next(&rows, &more, &b->err) && !more);

    start_rows(b, 23, 9); /* with bytes, rows of no column would never end */
    text(b, "\2");
    le(b, 0, 1);
    text(b, "x");
    expect(b, MYSQL_EVENT_ROWS);
    assert_true(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_false(mysql_rows_next(&rows, &more, &b->err));
    assert_non_null(strstr(b->err.message, "binlog_row_image = FULL"));

    start(b, 39);
    le(b, 9, 6);
    le(b, 1, 2);
    le(b, 2, 2);
    text(b, "\2\3\3");
    expect(b, MYSQL_EVENT_ROWS); /* refused when somebody wants the rows: other tables go on */
    assert_false(mysql_rows_begin(&rows, &b->event, plan, &b->err));
    assert_non_null(strstr(b->err.message, "binlog_row_value_options"));
    assert_non_null(strstr(b->err.message, "shop.t"));

    start(b, 30); /* the extra data is longer than the event */
    le(b, 9, 6);
    le(b, 1, 2);
    le(b, 500, 2);
    refuse(b, ERROR_DATA, "write rows");
    mysql_row_plan_free(plan);
    mysql_charsets_free(charsets);
    close_bench(b);
}

/* Values that no server writes: errors that name the column, never a wrong value. */
static void test_damaged_values(void **state) {
    (void)state;
    static const struct {
        const char *types, *metadata;
        size_t metadata_len;
        const char *fields;
        size_t fields_len;
        const char *value;
        size_t value_len;
        bool good;
    } CASES[] = {
        {"\xfe", "\xf7\1", 2, "\12\1\x2d\6\5\2\1a\1b", 10, "\2", 1, true},
        {"\xfe", "\xf7\1", 2, "\12\1\x2d\6\5\2\1a\1b", 10, "\0", 1, true},  /* '' */
        {"\xfe", "\xf7\1", 2, "\12\1\x2d\6\5\2\1a\1b", 10, "\3", 1, false}, /* a third name of two */
        {"\xfe", "\xf8\1", 2, "\12\1\x2d\5\5\2\1a\1b", 10, "\3", 1, true},
        {"\xfe", "\xf8\1", 2, "\12\1\x2d\5\5\2\1a\1b", 10, "\4", 1, false},
        {"\x10", "\3\0", 2, "", 0, "\7", 1, true}, /* bit(3) */
        {"\x10", "\3\0", 2, "", 0, "\10", 1, false},
        {"\xf6", "\3\1", 2, "", 0, "\x8c\5", 2, true},
        {"\xf6", "\3\1", 2, "", 0, "\xe4\5", 2, false},  /* 100 in two digits */
        {"\xf6", "\3\1", 2, "", 0, "\x8c\12", 2, false}, /* 10 in one digit */
        {"\xa", "", 0, "", 0, "\x61\xd5\x0f", 3, true},  /* 2026-11-01 */
        {"\xa", "", 0, "", 0, "\xa1\xd5\x0f", 3, false}, /* month 13 */
        {"\x12", "\0", 1, "", 0, "\x99\xb9\x42\xa3\xc0", 5, true},
        {"\x12", "\0", 1, "", 0, "\x19\xb9\x42\xa3\xc0", 5, false}, /* before the year 0 */
        {"\x12", "\0", 1, "", 0, "\x99\xb9\x43\xa3\xc0", 5, false}, /* hour 26 */
        {"\x12", "\6", 1, "", 0, "\x99\xb9\x42\xa3\xc0\x0f\x42\x3f", 8, true},
        {"\x12", "\6", 1, "", 0, "\x99\xb9\x42\xa3\xc0\x0f\x42\x40", 8, false}, /* 1000000 µs */
        {"\x13", "\0", 1, "", 0, "\x80\xa3\xc0", 3, true},
        {"\x13", "\0", 1, "", 0, "\x80\xaf\xc0", 3, false},     /* minute 63 */
        {"\x13", "\2", 1, "", 0, "\x80\xa3\xc0\x64", 4, false}, /* 100 hundredths */
        {"\xf", "\3\0", 2, "\2\1\x2d", 3, "\3abc", 4, true},
        {"\xf", "\3\0", 2, "\2\1\x2d", 3, "\4abcd", 5, false}, /* longer than declared */
        {"\xf", "\3\0", 2, "\2\1\x2d", 3, "\3ab", 3, false},
        {"\xf", "\3\0", 2, "\2\1\x2d", 3, "\2\xc3\x28", 3, false}, /* not UTF-8 */
        {"\xff", "\1", 1, "", 0, "\5\0\0\0\0\1", 6, true},
        {"\xff", "\1", 1, "", 0, "\4\0\0\0\0", 5, false}, /* a geometry without one */
        {"\xf5", "\1", 1, "", 0, "\2\4\1", 3, true},
        {"\xf5", "\1", 1, "", 0, "\2\4\7", 3, false},        /* no such JSON */
        {"\x8c", "\1", 1, "\2\1\x2d", 3, "\3\0ab", 4, true}, /* MariaDB's compressed text, as it is */
        {"\x8c", "\1", 1, "\2\1\x2d", 3, "\3\x81\5x", 4, false},
        {"\x8c", "\1", 1, "\2\1\x2d", 3, "\2\x84\xff", 3, false},
    };
    struct mysql_charsets *charsets = mysql_charsets_new();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct bench *b = open_bench("8.0.36");
        struct mysql_row_counters counters = {0};
        struct mysql_row_plan *plan;
        struct mysql_rows rows;
        bool more;
        start_map(b, 9, CASES[i].types, CASES[i].metadata, CASES[i].metadata_len, CASES[i].fields, CASES[i].fields_len);
        expect(b, MYSQL_EVENT_TABLE_MAP);
        if (!mysql_row_plan_new(b->event.table_map, charsets, &counters, &plan, &b->err))
            fail_msg("case %zu: %s", i, b->err.message);
        start(b, 23);
        le(b, 9, 6);
        le(b, 1, 2);
        text(b, "\1\1");
        le(b, 0, 1);
        buf_append(&b->bytes, CASES[i].value, CASES[i].value_len);
        expect(b, MYSQL_EVENT_ROWS);
        assert_true(mysql_rows_begin(&rows, &b->event, plan, &b->err));
        if (mysql_rows_next(&rows, &more, &b->err) != CASES[i].good)
            fail_msg("case %zu: %s", i, CASES[i].good ? b->err.message : "taken");
        if (!CASES[i].good) {
            assert_int_equal(b->err.kind, ERROR_DATA);
            assert_non_null(strstr(b->err.message, "shop.t: column 1"));
        }
        mysql_row_plan_free(plan);
        close_bench(b);
    }
    mysql_charsets_free(charsets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_cache),   cmocka_unit_test(test_broken_maps),    cmocka_unit_test(test_sign_of_year),
        cmocka_unit_test(test_rows_events), cmocka_unit_test(test_damaged_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
