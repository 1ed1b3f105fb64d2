#include "state/controller.h"

#include <sqlite3.h>

#include "state_subject.h"

static const char path[] = "/data/raw/shop/product/";

static void get(struct controller_row *row) {
    bool found;
    assert_ok(controller_get(state, &arena, path, row, &found, &err));
    assert_true(found);
}

static void put_new(void) {
    struct controller_row row;
    controller_row_init(&row, &arena, "/data/raw", "", "shop", "product");
    assert_ok(controller_put(state, &row, &err));
    controller_row_deinit(&row);
}

static void test_new_row(void **unused) {
    (void)unused;
    struct controller_row row;
    bool found;
    assert_ok(controller_get(state, &arena, path, &row, &found, &err));
    assert_false(found);
    controller_row_init(&row, &arena, "/data/raw", "", "shop", "product");
    assert_string_equal(row.path, path);
    assert_string_equal(row.folder, "shop/product/");
    assert_string_equal(controller_last_file_name(&row), "0");
    assert_false(row.active);
    assert_ok(controller_put(state, &row, &err));
    assert_int_equal(row.item.version, 1);
    controller_row_deinit(&row);
    /* Exactly the blog's attributes and words. */
    assert_stored(
        "controller", path,
        "{\"ActiveFlag\":\"false\",\"LastFullLoadDate\":\"1900-01-01 00:00:00\","
        "\"LastIncrementalFile\":\"/data/raw/shop/product/0\",\"PartitionKey\":\"null\",\"PrimaryKey\":\"null\","
        "\"bucket\":\"/data/raw\",\"folder\":\"shop/product/\",\"prefix\":\"\",\"sluice_rows_loaded\":0,"
        "\"sluice_schema\":\"shop\",\"sluice_table\":\"product\"}");
}

static void test_bucket_and_prefix(void **unused) {
    (void)unused;
    struct controller_row row;
    controller_row_init(&row, &arena, "bucket", "a/b/", "shop", "product");
    assert_string_equal(row.path, "bucket/a/b/shop/product/");
    assert_string_equal(row.last_incremental_file, "bucket/a/b/shop/product/0");
}

static void test_all_members_come_back(void **unused) {
    (void)unused;
    struct controller_row row;
    controller_row_init(&row, &arena, "/data/raw", "", "shop", "product");
    row.active = true;
    row.primary_key = "id,\xc3\xa9";
    row.partition_key = "day";
    row.last_full_load_date = "2026-11-01 10:15:00.123456";
    row.last_incremental_file = "/data/raw/shop/product/2026/11/01/20261101-101500123.csv";
    row.out_path = "file:///lake/product/";
    row.proposed_key = "id";
    row.run_id = "20261101T101500123456-1";
    row.last_run_id = "20261101T101400123456-1";
    row.last_error = "line 7, column \"price\"";
    row.last_load_time = "2026-11-01 10:15:00.5";
    row.rows_loaded = 8400000000;
    row.types = json_pack("{s:s}", "price", "decimal(10,2)");
    assert_ok(controller_put(state, &row, &err));
    json_decref(row.types); /* the row's item holds it */
    assert_string_equal(json_string_value(json_object_get(row.types, "price")), "decimal(10,2)");

    struct controller_row back;
    get(&back);
    assert_true(back.active);
#define SAME(member) assert_string_equal(back.member, row.member)
    SAME(path);
    SAME(bucket);
    SAME(prefix);
    SAME(folder);
    SAME(primary_key);
    SAME(partition_key);
    SAME(last_full_load_date);
    SAME(last_incremental_file);
    SAME(out_path);
    SAME(schema);
    SAME(table);
    SAME(proposed_key);
    SAME(run_id);
    SAME(last_run_id);
    SAME(last_error);
    SAME(last_load_time);
#undef SAME
    assert_int_equal(back.rows_loaded, row.rows_loaded);
    assert_true(json_equal(back.types, row.types));
    assert_string_equal(controller_last_file_name(&back), "20261101-101500123.csv");

    back.run_id = back.last_error = back.primary_key = NULL;
    back.types = NULL;
    assert_ok(controller_put(state, &back, &err));
    controller_row_deinit(&back);
    get(&back);
    assert_null(back.run_id);
    assert_null(back.last_error);
    assert_null(back.primary_key);
    assert_null(back.types);
    assert_string_equal(back.last_run_id, row.last_run_id);
    assert_int_equal(back.item.version, 2);
    controller_row_deinit(&back);
    controller_row_deinit(&row);
}

static void test_conflicts(void **unused) {
    (void)unused;
    put_new();
    struct controller_row again, first, second;
    controller_row_init(&again, &arena, "/data/raw", "", "shop", "product");
    assert_fails(controller_put(state, &again, &err), ERROR_CONFLICT);
    controller_row_deinit(&again);
    get(&first);
    get(&second);
    first.active = true;
    assert_ok(controller_put(state, &first, &err));
    second.primary_key = "id";
    assert_fails(controller_put(state, &second, &err), ERROR_CONFLICT);
    assert_says(path);
    first.partition_key = "day";
    assert_ok(controller_put(state, &first, &err)); /* the version went along */
    controller_row_deinit(&first);
    controller_row_deinit(&second);
    get(&first);
    assert_true(first.active);
    assert_null(first.primary_key);
    assert_string_equal(first.partition_key, "day");
    controller_row_deinit(&first);
}

static void test_unknown_attributes_stay(void **unused) {
    (void)unused;
    put_json("controller", path, "{\"bucket\":\"/data/raw\",\"comment\":\"ours\",\"list\":[1,2]}");
    struct controller_row row;
    get(&row);
    row.active = true;
    assert_ok(controller_put(state, &row, &err));
    row.primary_key = "id";
    assert_ok(controller_put(state, &row, &err));
    controller_row_deinit(&row);
    get(&row);
    assert_string_equal(json_string_value(json_object_get(row.item.attributes, "comment")), "ours");
    assert_int_equal(json_array_size(json_object_get(row.item.attributes, "list")), 2);
    assert_true(row.active);
    controller_row_deinit(&row);
}

/* As the blog's function writes it, and as a person may. */
static void test_foreign_rows(void **unused) {
    (void)unused;
    static const struct {
        const char *json;
        bool active;
        const char *key, *date, *file;
    } cases[] = {
        {"{}", false, NULL, CONTROLLER_DATE_NEVER, "0"},
        {"{\"ActiveFlag\":\"true\",\"PrimaryKey\":\"id\",\"LastFullLoadDate\":\"2018-01-01 00:00:00\","
         "\"LastIncrementalFile\":\"/data/raw/shop/product/0.csv\"}",
         true, "id", "2018-01-01 00:00:00", "0.csv"},
        {"{\"ActiveFlag\":\"True\",\"PrimaryKey\":\"Null\",\"LastIncrementalFile\":\"0\"}", true, NULL,
         CONTROLLER_DATE_NEVER, "0"},
        {"{\"ActiveFlag\":true,\"PrimaryKey\":\"\",\"LastIncrementalFile\":\"20261101-101500123.csv\"}", true, NULL,
         CONTROLLER_DATE_NEVER, "20261101-101500123.csv"},
        {"{\"ActiveFlag\":\"yes\",\"PrimaryKey\":null,\"LastIncrementalFile\":\"\"}", false, NULL,
         CONTROLLER_DATE_NEVER, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_json("controller", path, cases[i].json);
        struct controller_row row;
        get(&row);
        assert_int_equal(row.active, cases[i].active);
        if (cases[i].key == NULL)
            assert_null(row.primary_key);
        else
            assert_string_equal(row.primary_key, cases[i].key);
        assert_string_equal(row.last_full_load_date, cases[i].date);
        assert_string_equal(controller_last_file_name(&row), cases[i].file);
        assert_string_equal(row.schema, "shop");
        assert_string_equal(row.table, "product");
        assert_string_equal(row.folder, "shop/product/");
        assert_null(row.out_path);
        controller_row_deinit(&row);
    }
}

static void test_wrong_attributes(void **unused) {
    (void)unused;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"PrimaryKey\":7}", "attribute PrimaryKey has to be a text"},
        {"{\"bucket\":{}}", "attribute bucket has to be a text"},
        {"{\"ActiveFlag\":1}", "attribute ActiveFlag has to be true or false"},
        {"{\"sluice_rows_loaded\":\"many\"}", "attribute sluice_rows_loaded has to be an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_json("controller", path, cases[i].json);
        struct controller_row row, *rows;
        bool found;
        size_t count;
        assert_fails(controller_get(state, &arena, path, &row, &found, &err), ERROR_DATA);
        assert_says(path);
        assert_says(cases[i].says);
        assert_fails(controller_list(state, &arena, "", &rows, &count, &err), ERROR_DATA);
    }
}

static void test_list(void **unused) {
    (void)unused;
    static const char *const names[] = {"store", "product", "productorder"};
    struct controller_row row, *rows;
    size_t count;
    assert_ok(controller_list(state, &arena, "/data/raw/", &rows, &count, &err));
    assert_int_equal(count, 0);
    for (size_t i = 0; i < 3; i++) {
        controller_row_init(&row, &arena, "/data/raw", "", "shop", names[i]);
        assert_ok(controller_put(state, &row, &err));
        controller_row_deinit(&row);
    }
    controller_row_init(&row, &arena, "/data/raw2", "", "shop", "other");
    assert_ok(controller_put(state, &row, &err));
    controller_row_deinit(&row);
    assert_ok(controller_list(state, &arena, "/data/raw/", &rows, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].table, "product");
    assert_string_equal(rows[1].table, "productorder");
    assert_string_equal(rows[2].table, "store");
    rows[2].active = true;
    assert_ok(controller_put(state, &rows[2], &err));
    controller_rows_deinit(rows, count);
}

/* A message may be cut in the middle of a character, or come from a server with another character set. */
static void test_text_that_is_not_utf8(void **unused) {
    (void)unused;
    static const struct {
        const char *text, *stored;
    } cases[] = {
        {"price \xe2\x82\xac", "price \xe2\x82\xac"},
        {"price \xe2\x82", "price ??"},
        {"M\xfcller \xc3\xbc", "M?ller \xc3\xbc"},
        {"\xc0\xaf\xed\xa0\x80\xf8z", "??????z"},
    };
    put_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct controller_row row;
        get(&row);
        row.last_error = cases[i].text;
        assert_ok(controller_put(state, &row, &err));
        controller_row_deinit(&row);
        get(&row);
        assert_string_equal(row.last_error, cases[i].stored);
        controller_row_deinit(&row);
    }
}

/* What a person sees with the sqlite3 shell. */
static void test_view(void **unused) {
    (void)unused;
    put_new();
    char *file = mem_printf("%s/state.db", folder);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    sqlite3_stmt *statement;
    const char *sql =
        "SELECT path || '|' || bucket || '|' || prefix || '|' || folder || '|' || ActiveFlag || '|' || PrimaryKey"
        " || '|' || PartitionKey || '|' || LastFullLoadDate || '|' || LastIncrementalFile, out_path"
        " FROM DMSCDC_Controller";
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0),
                        "/data/raw/shop/product/|/data/raw||shop/product/|false|null|null|1900-01-01 00:00:00|"
                        "/data/raw/shop/product/0");
    assert_int_equal(sqlite3_column_type(statement, 1), SQLITE_NULL);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM DMSCDC_Controller", NULL, NULL, NULL), SQLITE_ERROR);
    sqlite3_close(db);
    mem_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_new_row),
        CASE(test_bucket_and_prefix),
        CASE(test_all_members_come_back),
        CASE(test_conflicts),
        CASE(test_unknown_attributes_stay),
        CASE(test_foreign_rows),
        CASE(test_wrong_attributes),
        CASE(test_list),
        CASE(test_text_that_is_not_utf8),
        CASE(test_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
