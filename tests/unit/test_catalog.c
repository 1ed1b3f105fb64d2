/* The catalog interface, and the SQL catalog's own: files of older writers, several catalogs in one file, two writers. */
#include "assert_call.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/catalog.h"
#include "temp_folder.h"

struct fixture {
    char *folder, *location;
    struct arena arena;
};

static int setup(void **state) {
    struct fixture *fixture = mem_zalloc(sizeof *fixture);
    fixture->folder = temp_folder_make();
    fixture->location = mem_printf("sqlite://%s/below/catalog.db", fixture->folder);
    arena_init(&fixture->arena);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    arena_deinit(&fixture->arena);
    mem_free(fixture->location);
    temp_folder_remove(fixture->folder);
    mem_free(fixture);
    return 0;
}

static struct catalog *open_named(const struct fixture *fixture, const char *name) {
    struct catalog *catalog;
    struct error err;
    assert_ok(catalog_open(fixture->location, name, &catalog, &err));
    return catalog;
}

static void run_sql(const struct fixture *fixture, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->location + strlen("sqlite://"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static const struct catalog_table orders = {"shop", "orders"};

static void assert_file(struct fixture *fixture, struct catalog *catalog, const char *want) {
    const char *file = "";
    struct error err;
    assert_ok(catalog_table_find(catalog, &fixture->arena, &orders, &file, &err));
    if (want == NULL)
        assert_null(file);
    else
        assert_string_equal(file, want);
}

static void test_commit(void **state) {
    struct fixture *fixture = *state;
    struct catalog *catalog = open_named(fixture, "a"), *other = open_named(fixture, "a");
    struct error err;
    assert_file(fixture, catalog, NULL);
    assert_fails(catalog_table_commit(catalog, &orders, "1", "2", &err), ERROR_CONFLICT);
    assert_ok(catalog_table_create(catalog, &orders, "1", &err));
    assert_fails(catalog_table_create(other, &orders, "x", &err), ERROR_CONFLICT);
    assert_file(fixture, other, "1");
    assert_ok(catalog_table_commit(other, &orders, "1", "2", &err));
    assert_fails(catalog_table_commit(catalog, &orders, "1", "3", &err), ERROR_CONFLICT);
    assert_says("shop.orders");
    assert_file(fixture, catalog, "2");
    assert_ok(catalog_table_commit(catalog, &orders, "2", "3", &err));
    catalog_close(other);
    catalog_close(catalog);
    catalog = open_named(fixture, "a");
    assert_file(fixture, catalog, "3");
    assert_ok(catalog_table_drop(catalog, &orders, &err));
    assert_ok(catalog_table_drop(catalog, &orders, &err));
    assert_file(fixture, catalog, NULL);
    catalog_close(catalog);
}

static void test_lists(void **state) {
    struct fixture *fixture = *state;
    struct catalog *catalog = open_named(fixture, "a"), *other = open_named(fixture, "b");
    struct catalog_table second = {"shop", "lines"}, elsewhere = {"x.y", "t"};
    struct error err;
    const char **names;
    size_t count;
    assert_ok(catalog_table_create(catalog, &orders, "1", &err));
    assert_ok(catalog_table_create(catalog, &second, "1", &err));
    assert_ok(catalog_table_create(catalog, &elsewhere, "1", &err));
    assert_ok(catalog_namespace_create(catalog, "empty", &err));
    assert_ok(catalog_namespace_create(catalog, "empty", &err));
    assert_ok(catalog_namespace_list(catalog, &fixture->arena, &names, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "empty");
    assert_string_equal(names[2], "x.y");
    assert_ok(catalog_table_list(catalog, &fixture->arena, "shop", &names, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "lines");
    assert_ok(catalog_namespace_list(other, &fixture->arena, &names, &count, &err));
    assert_int_equal(count, 0);
    assert_file(fixture, other, NULL);
    catalog_close(other);
    catalog_close(catalog);
}

/* Views of other writers are neither found nor changed, and keep their name. */
static void test_views(void **state) {
    struct fixture *fixture = *state;
    struct catalog *catalog = open_named(fixture, "a");
    struct error err;
    const char **names;
    size_t count;
    run_sql(fixture, "INSERT INTO iceberg_tables VALUES ('a', 'shop', 'orders', '1', NULL, 'VIEW'),"
                     " ('a', 'shop', 'old', '1', NULL, NULL)");
    assert_file(fixture, catalog, NULL);
    assert_fails(catalog_table_commit(catalog, &orders, "1", "2", &err), ERROR_CONFLICT);
    assert_fails(catalog_table_create(catalog, &orders, "2", &err), ERROR_CONFLICT);
    assert_ok(catalog_table_list(catalog, &fixture->arena, "shop", &names, &count, &err));
    assert_int_equal(count, 1);
    assert_string_equal(names[0], "old");
    catalog_close(catalog);
}

/* Without iceberg_type, as writers before the views made it. */
static void test_old_file(void **state) {
    struct fixture *fixture = *state;
    struct error err;
    mem_free(fixture->location);
    fixture->location = mem_printf("sqlite://%s/old.db", fixture->folder);
    run_sql(fixture,
            "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,"
            " table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location"
            " VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, table_name));"
            "CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT"
            " NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL,"
            " PRIMARY KEY (catalog_name, namespace, property_key))");
    struct catalog *catalog = open_named(fixture, "a");
    assert_ok(catalog_table_create(catalog, &orders, "1", &err));
    assert_ok(catalog_table_commit(catalog, &orders, "1", "2", &err));
    assert_file(fixture, catalog, "2");
    catalog_close(catalog);
}

static void test_refused(void **state) {
    struct fixture *fixture = *state;
    struct catalog *catalog;
    struct error err;
    assert_fails(catalog_open("nothing:///x", "a", &catalog, &err), ERROR_CONFIG);
    assert_says("sqlite://");
    assert_fails(catalog_open("sqlite://relative.db", "a", &catalog, &err), ERROR_CONFIG);
    assert_fails(catalog_open(fixture->location, "", &catalog, &err), ERROR_CONFIG);
    char *text = mem_printf("%s/text", fixture->folder), *location = mem_printf("sqlite://%s", text);
    FILE *file = fopen(text, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", file);
    fclose(file);
    assert_fails(catalog_open(location, "a", &catalog, &err), ERROR_CONFIG);
    assert_says("not a SQLite file");
    mem_free(location);
    mem_free(text);

    char longest[CATALOG_LOCATION_MAX_BYTES + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    catalog = open_named(fixture, "a");
    assert_fails(catalog_table_create(catalog, &orders, longest, &err), ERROR_CONFIG);
    struct catalog_table unnamed = {"shop", longest};
    assert_fails(catalog_table_create(catalog, &unnamed, "1", &err), ERROR_CONFIG);
    catalog_close(catalog);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_views, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
