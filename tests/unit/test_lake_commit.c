/* Commits of lake tables: other loaders, other versions, crashes. */
#include "lake_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* --- other loaders */

static void test_the_second_of_two_loaders_gets_a_conflict(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_table *slow = open_table(f);
    must(f, try_load(f, keyed_load(), "SELECT 'U' AS _op, 1::BIGINT AS id, 'fast' AS name", NULL));
    struct lake_result result;
    assert_false(load_open_table(f, slow, keyed_load(), "SELECT 'U' AS _op, 1::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT); /* found when it reads a file that is gone */
    assert_false(
        load_open_table(f, slow, keyed_load(), "SELECT 'I' AS _op, 50::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT); /* found when it commits */
    lake_close(slow);
    expect_scan(f, "*", "ORDER BY id", "U|1|fast\nI|2|b\nI|3|<null>\n");
    expect_clean(f);
}

/* Long after: the version that it wants to make was made, and removed again. */
static void test_a_loader_that_slept_gets_a_conflict(void **state) {
    struct fixture *f = *state;
    load_three(f);
    struct lake_table *slow = open_table(f);
    for (int i = 0; i < PARQUET_VERSIONS_KEPT + 4; i++) {
        char *changes = mem_printf("SELECT 'I' AS _op, %d::BIGINT AS id, 'n' AS name", 100 + i);
        must(f, try_load(f, keyed_load(), changes, NULL));
        mem_free(changes);
    }
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    assert_int_equal(list_names(f, TABLE "_sluice/", &names), 2 * PARQUET_VERSIONS_KEPT);
    assert_null(strstr(names.data, "v00000002.json"));
    struct lake_result result;
    assert_false(
        load_open_table(f, slow, keyed_load(), "SELECT 'I' AS _op, 50::BIGINT AS id, 'slow' AS name", &result));
    assert_int_equal(f->err.kind, ERROR_CONFLICT);
    lake_close(slow);
    buf_clear(&names);
    assert_int_equal(list_names(f, TABLE "_sluice/", &names), 2 * PARQUET_VERSIONS_KEPT);
    buf_deinit(&names);
    expect_scan(f, "count(*), count(*) FILTER (name = 'slow')", "", "15|0\n");
    expect_clean(f);
}

static void test_a_version_of_a_newer_sluice_is_refused(void **state) {
    struct fixture *f = *state;
    load_three(f);
    static const char newer[] = "{\"format\": 99}", broken[] = "{\"format\": 1";
    must(f, store_put(f->store, TABLE "_sluice/v00000002.json", newer, sizeof newer - 1, true, &f->err));
    struct lake_table *table = NULL;
    assert_false(lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    assert_int_equal(f->err.kind, ERROR_CONFIG);
    assert_non_null(strstr(f->err.message, TABLE "_sluice/v00000002.json"));
    must(f, store_put(f->store, TABLE "_sluice/v00000002.json", broken, sizeof broken - 1, false, &f->err));
    assert_false(lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    assert_int_equal(f->err.kind, ERROR_DATA);
}

static void test_files_of_others_are_no_versions(void **state) {
    struct fixture *f = *state;
    load_three(f);
    static const char *const names[] = {"v9.json", "v9.done", "v00000009.json.bak", "vx.json", "v-0000009.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, TABLE "_sluice/%s", names[i]);
        must(f, store_put(f->store, name, "{", 1, true, &f->err));
    }
    struct lake_table *table = NULL;
    must(f, lake_open(&lake_parquet_ops, &f->lake, TABLE, &table, &f->err));
    assert_int_equal(table->version.number, 1);
    lake_close(table);
}

struct loader {
    struct fixture *f;
    const char *name;
    int conflicts;
};

enum { LOADS_EACH = 6 };

/* Appends rows, and starts again from the new version when the other one was first. */
static void *append_rows(void *context) {
    struct loader *loader = context;
    struct fixture mine = *loader->f;
    assert_true(engine_connect(mine.engine, &mine.connection, &mine.err));
    for (int i = 0; i < LOADS_EACH;) {
        struct lake_load load = {.columns = product, .column_count = COUNT(product)};
        char *changes =
            mem_printf("SELECT 'I' AS _op, %d::BIGINT AS id, '%s' AS name, 0::BIGINT AS _seq", i, loader->name);
        bool ok = try_load(&mine, load, changes, NULL);
        mem_free(changes);
        if (!ok && mine.err.kind != ERROR_CONFLICT)
            return mem_strdup(mine.err.message);
        loader->conflicts += !ok;
        i += ok;
    }
    engine_disconnect(mine.connection);
    return NULL;
}

static void test_two_loaders_at_once_lose_nothing(void **state) {
    struct fixture *f = *state;
    struct loader loaders[] = {{f, "a", 0}, {f, "b", 0}};
    pthread_t threads[COUNT(loaders)];
    for (size_t i = 0; i < COUNT(loaders); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_rows, &loaders[i]), 0);
    for (size_t i = 0; i < COUNT(loaders); i++) {
        void *message = NULL;
        pthread_join(threads[i], &message);
        if (message != NULL)
            fail_msg("%s", (char *)message);
    }
    expect_scan(f, "name, count(*), count(DISTINCT id)", "GROUP BY name ORDER BY name", "a|6|6\nb|6|6\n");
    struct lake_table *table = open_table(f);
    assert_int_equal(table->version.number, 2 * LOADS_EACH);
    lake_close(table);
    expect_clean(f);
}

/* --- crashes */

#define AFTER_CRASH "I|0|p1\nI|1|p1\nI|3|p0\nU|5|p5\nI|7|new\n"

/* Two loads: six rows in two partitions; then changes that rewrite both, add two and empty none. */
static void two_loads(struct fixture *f, bool tolerant) {
    struct lake_load load = partitioned_load();
    struct lake_table *table = open_table(f);
    uint64_t number = table->version.number;
    lake_close(table);
    if (number == 0) {
        load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'p' || (range % 2) AS p FROM range(6)";
        bool ok = try_load(f, load, NULL, NULL);
        if (!ok && tolerant)
            return;
        must(f, ok);
    }
    if (number > 1)
        return;
    load.full_load_sql = NULL;
    bool ok =
        try_load(f, load,
                 "SELECT * FROM (VALUES ('I', 0::BIGINT, 'p1'), ('D', 2, ''), ('I', 3, 'p0'), ('D', 4, ''), ('U', 5, "
                 "'p5'), ('I', 7, 'new')) AS t(_op, id, p)",
                 NULL);
    if (!tolerant)
        must(f, ok);
}

/* Runs both loads in a process that dies at the n-th passing of a point; true when it did. */
static bool dies_at(struct fixture *f, const char *point, int n) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *fault = mem_printf("%s:%d", point, n);
        setenv("SLUICE_FAULT", fault, 1);
        fixture_open(f);
        two_loads(f, false);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        assert_int_equal(status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void test_a_crash_anywhere_is_put_right(void **state) {
    static const char *const points[] = {"lake.file_durable",  "lake.staged",        "lake.committed",
                                         "lake.publish_moved", "lake.publish_added", "lake.publish_removed",
                                         "lake.published",     "lake.cleaned"};
    (void)state;
#ifndef SLUICE_FAULT_POINTS
    skip();
#endif
    for (size_t i = 0; i < COUNT(points); i++) {
        int n = 1;
        for (bool died = true; died; n++) {
            struct fixture f = {0};
            make_root(&f);
            died = dies_at(&f, points[i], n);
            fixture_open(&f);
            two_loads(&f, false);
            expect_scan(&f, "*", "ORDER BY id", AFTER_CRASH);
            expect_folders(&f, "*", "ORDER BY id", AFTER_CRASH);
            expect_clean(&f);
            fixture_close(&f);
            remove_root(&f);
        }
        if (n < 3 && strcmp(points[i], "lake.cleaned") != 0)
            fail_msg("%s is never passed", points[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_second_of_two_loaders_gets_a_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_loader_that_slept_gets_a_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_loaders_at_once_lose_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_version_of_a_newer_sluice_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_of_others_are_no_versions, setup, teardown),
        cmocka_unit_test(test_a_crash_anywhere_is_put_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
