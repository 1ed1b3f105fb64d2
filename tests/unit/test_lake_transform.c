/* Partition keys with transforms: their texts, and that what the engine makes of a value is what the specification says. */
#include "lake/partition.h"
#include "lake_fixture.h"

static void test_texts(void **state) {
    static const struct {
        const char *text, *column;
        enum iceberg_transform_kind kind;
        uint32_t parameter;
        const char *again, *name;
    } cases[] = {
        {"id", "id", ICEBERG_IDENTITY, 0, "id", "id"},
        {"day(created_at)", "created_at", ICEBERG_DAY, 0, "day(created_at)", "created_at_day"},
        {" Month ( at ) ", "at", ICEBERG_MONTH, 0, "month(at)", "at_month"},
        {"truncate(10,name)", "name", ICEBERG_TRUNCATE, 10, "truncate(10, name)", "name_trunc"},
        {"bucket(16, id)", "id", ICEBERG_BUCKET, 16, "bucket(16, id)", "id_bucket"},
        {"truncate(0, name)", "truncate(0, name)", ICEBERG_IDENTITY, 0, "truncate(0, name)", "truncate(0, name)"},
        {"truncate(name)", "truncate(name)", ICEBERG_IDENTITY, 0, "truncate(name)", "truncate(name)"},
        {"century(at)", "century(at)", ICEBERG_IDENTITY, 0, "century(at)", "century(at)"},
        {"day(a(b)", "a(b", ICEBERG_DAY, 0, "day(a(b)", "a(b_day"},
        {"", "", ICEBERG_IDENTITY, 0, "", ""},
    };
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *at = cases[i].text;
        struct iceberg_transform transform;
        const char *column = lake_partition_parse(&arena, lake_partition_next(&arena, &at), &transform);
        assert_null(at);
        assert_string_equal(column, cases[i].column);
        assert_int_equal(transform.kind, cases[i].kind);
        assert_int_equal(transform.parameter, cases[i].parameter);
        assert_string_equal(lake_partition_format(&arena, transform, column), cases[i].again);
        assert_string_equal(lake_partition_name(&arena, transform, column), cases[i].name);
    }
    const char *list = "a, truncate(5, b) ,c";
    assert_string_equal(lake_partition_next(&arena, &list), "a");
    assert_string_equal(lake_partition_next(&arena, &list), "truncate(5, b)");
    assert_string_equal(lake_partition_next(&arena, &list), "c");
    assert_null(list);
    arena_deinit(&arena);
}

/* The engine's expression against iceberg_transform_apply, whose results the specification's vectors fix. */
static void test_values(void **state) {
    static const struct {
        const char *key;
        struct type type;
        const char *values[6];
    } cases[] = {
        {"year(v)", {TYPE_DATE}, {"1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "2026-11-01"}},
        {"month(v)", {TYPE_DATE}, {"1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "2026-11-01"}},
        {"day(v)", {TYPE_DATE}, {"1969-12-31", "1970-01-01", "0001-01-01", "9999-12-31", "2026-11-01"}},
        {"year(v)",
         {TYPE_TIMESTAMP, 0, 6},
         {"1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2026-11-01 10:15:00"}},
        {"month(v)", {TYPE_TIMESTAMP, 0, 6}, {"1969-11-30 23:59:59", "1970-02-01 00:00:00", "2026-11-01 10:15:00"}},
        {"day(v)", {TYPE_TIMESTAMP, 0, 6}, {"1969-12-31 23:59:59", "1970-01-01 00:00:00", "9999-12-31 23:59:59"}},
        {"hour(v)", {TYPE_TIMESTAMP, 0, 6}, {"1969-12-31 23:59:59", "1969-12-31 22:00:00", "2026-11-01 10:15:00"}},
        {"hour(v)", {TYPE_TIMESTAMPTZ, 0, 6}, {"1969-12-31 23:59:59+00", "2026-11-01 10:15:00+02"}},
        {"day(v)", {TYPE_TIMESTAMPTZ, 0, 6}, {"2026-11-01 01:15:00+02", "2026-11-01 23:15:00-02"}},
        {"truncate(10, v)", {TYPE_INT32}, {"-1", "-10", "-11", "0", "9", "2147483647"}},
        {"truncate(10, v)", {TYPE_INT64}, {"-1", "-10", "9223372036854775807", "19"}},
        {"truncate(50, v)", {TYPE_DECIMAL, 10, 2}, {"1.30", "-1.30", "-0.50", "12345678.99", "0.00"}},
        {"truncate(1000000, v)", {TYPE_DECIMAL, 5, 3}, {"1.300", "0.001"}},
        {"bucket(16, v)", {TYPE_INT32}, {"34", "-1", "0", "2147483647"}},
        {"bucket(100, v)", {TYPE_INT64}, {"34", "-1", "9223372036854775807"}},
        {"bucket(7, v)", {TYPE_DECIMAL, 9, 2}, {"14.20", "-0.01"}},
        {"bucket(1000, v)", {TYPE_DATE}, {"2017-11-16"}},
        {"bucket(1000, v)", {TYPE_TIME, 0, 6}, {"22:31:08"}},
        {"bucket(1000, v)", {TYPE_TIMESTAMP, 0, 6}, {"2017-11-16 22:31:08.000001"}},
        {"bucket(1000, v)", {TYPE_TIMESTAMPTZ, 0, 6}, {"2017-11-16 14:31:08-08"}},
        {"bucket(1000, v)", {TYPE_STRING}, {"iceberg", "", "\xc3\xa9"}},
        {"truncate(3, v)",
         {TYPE_STRING},
         {"", "ab", "abcd", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "\xf0\x9f\x98\x80zzzz"}},
    };
    struct fixture *f = *state;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column column = {.name = "v", .type = cases[i].type};
        struct iceberg_type type = iceberg_type_of(cases[i].type);
        struct iceberg_transform transform;
        char name[TYPE_TEXT_BYTES];
        type_format_sql(cases[i].type, name);
        lake_partition_parse(&arena, cases[i].key, &transform);
        assert_true(iceberg_transform_accepts(transform, type));
        struct iceberg_type result = iceberg_transform_result(transform, type);
        must(f, lake_partition_prepare(f->engine, transform, &f->err));
        for (size_t j = 0; j < COUNT(cases[i].values) && cases[i].values[j] != NULL; j++) {
            struct buf sql;
            struct slice value, want, got;
            const char **texts;
            size_t count;
            buf_init(&sql, BUF_MAX_DEFAULT);
            buf_append_text(&sql, "SELECT unnest([CAST(v AS VARCHAR), ");
            lake_partition_append_sql(&sql, transform, &column);
            buf_printf(&sql, "]) FROM (SELECT CAST('%s' AS %s) AS v)", cases[i].values[j], name);
            must(f, engine_query_texts(f->connection, &arena, sql.data, &texts, &count, &f->err));
            assert_int_equal(count, 2);
            assert_true(iceberg_value_parse(&arena, type, slice_of(texts[0]), &value));
            assert_true(iceberg_value_parse(&arena, result, slice_of(texts[1]), &got));
            want = iceberg_transform_apply(&arena, transform, type, value);
            if (!slice_equal(got, want))
                fail_msg("%s of %s gives %s", cases[i].key, cases[i].values[j], texts[1]);
            buf_deinit(&sql);
        }
    }
    arena_deinit(&arena);
}

static void test_a_table_in_days(void **state) {
    static const struct column columns[] = {COLUMN("id", TYPE_INT64), {.name = "t", .type = {TYPE_TIMESTAMP, 0, 6}}};
    static const char *const by_day[] = {"day(t)", "truncate(100, id)"}, *const by_month[] = {"month(t)"};
    struct fixture *f = *state;
    struct lake_load load = {.columns = columns,
                             .column_count = 2,
                             .key = key_id,
                             .key_count = 1,
                             .partition = by_day,
                             .partition_count = 2};
    struct lake_result result;
    load.full_load_sql =
        "SELECT 'I' AS \"Op\", range AS id, TIMESTAMP '2026-11-01' + INTERVAL (range) HOUR AS t FROM range(48)";
    must(f, try_load(f, load, NULL, &result));
    assert_int_equal(result.files_written, 2);
    load.full_load_sql = NULL;
    must(f, try_load(f, load, "SELECT 'U' AS _op, 1::BIGINT AS id, TIMESTAMP '2026-12-01' AS t", &result));
    assert_int_equal(result.files_written, 2); /* one of deletes */
    expect_scan(f, "t::DATE, count(*)", "GROUP BY ALL ORDER BY ALL", "2026-11-01|23\n2026-11-02|24\n2026-12-01|1\n");
    load.partition = by_month;
    load.partition_count = 1;
    must(f, try_load(f, load,
                     "SELECT unnest(['U', 'D']) AS _op, unnest([1, 2])::BIGINT AS id, TIMESTAMP '2026-12-02' AS t",
                     &result));
    expect_scan(f, "t::DATE, count(*)", "GROUP BY ALL ORDER BY ALL", "2026-11-01|22\n2026-11-02|24\n2026-12-02|1\n");
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.partition_count, 1);
    assert_string_equal(table->version.partition[0], "month(t)");
    lake_close(table);
}

static void test_keys_that_cannot_be(void **state) {
    static const char *const by_text[] = {"day(name)"};
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql = THREE_PRODUCTS;
    load.partition = by_text;
    load.partition_count = 1;
    assert_false(try_load(f, load, NULL, NULL));
    assert_int_equal(f->err.kind, is_parquet(f) ? ERROR_CONFIG : ERROR_DATA);
    assert_non_null(strstr(f->err.message, "day(name)"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_table_in_days, setup_iceberg, teardown),
        EACH_FORMAT(test_keys_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
