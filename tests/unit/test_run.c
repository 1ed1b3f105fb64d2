#include "state/run.h"

#include <pthread.h>

#include "base/clock.h"
#include "state_subject.h"

static const char path[] = "/data/raw/shop/product/";

static void put(const char *of_path, const char *run_id, int64_t rows) {
    struct run_row row = {
        .run_id = run_id, .path = of_path, .started = "2026-11-01 10:15:00", .outcome = "loaded", .rows = rows};
    assert_ok(run_put(state, &row, &err));
}

static size_t list(const char *of_path, struct run_row **rows) {
    size_t count;
    assert_ok(run_list(state, &arena, of_path, rows, &count, &err));
    return count;
}

static void test_form_of_ids(void **unused) {
    (void)unused;
    char id[RUN_ID_BYTES], text[CLOCK_TEXT_BYTES];
    run_make_id(id);
    int year, month, day, hour, minute, second, micro;
    unsigned process;
    assert_int_equal(
        sscanf(id, "%4d%2d%2dT%2d%2d%2d%6d-%x", &year, &month, &day, &hour, &minute, &second, &micro, &process), 8);
    assert_int_equal(strlen(id), strlen("20261101T101500123456-00a1b2c3d4"));
    snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d", year, month, day, hour, minute, second, micro);
    int64_t time_us;
    assert_true(clock_parse_sql(text, &time_us));
    assert_in_range(time_us, clock_now_us() - 60000000, clock_now_us() + 60000000);
}

enum { IDS = 2000, THREADS = 4 };

static void *make_ids(void *context) {
    char(*ids)[RUN_ID_BYTES] = context;
    for (int i = 0; i < IDS; i++)
        run_make_id(ids[i]);
    return NULL;
}

static int compare_ids(const void *a, const void *b) { return strcmp(a, b); }

static void test_ids_increase_and_differ(void **unused) {
    (void)unused;
    static char ids[THREADS * IDS][RUN_ID_BYTES];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, make_ids, ids[i * IDS]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS * IDS; i++)
        if (i % IDS != 0)
            assert_true(strcmp(ids[i - 1], ids[i]) < 0);
    qsort(ids, THREADS * IDS, RUN_ID_BYTES, compare_ids);
    for (int i = 1; i < THREADS * IDS; i++)
        assert_true(strcmp(ids[i - 1], ids[i]) < 0);
}

static void test_rows_come_back(void **unused) {
    (void)unused;
    struct run_row *rows;
    assert_int_equal(list(path, &rows), 0);
    struct run_row row = {.run_id = "2",
                          .path = path,
                          .started = "2026-11-01 10:15:00.5",
                          .finished = "2026-11-01 10:15:01",
                          .outcome = "failed",
                          .error = "line 7",
                          .files = 3,
                          .rows = 5000000000,
                          .duration_ms = 500};
    assert_ok(run_put(state, &row, &err));
    put(path, "1", 1);
    assert_int_equal(list(path, &rows), 2);
    assert_string_equal(rows[0].run_id, "1");
    assert_null(rows[0].finished);
    assert_null(rows[0].error);
    assert_string_equal(rows[1].run_id, "2");
    assert_string_equal(rows[1].path, path);
    assert_string_equal(rows[1].started, row.started);
    assert_string_equal(rows[1].finished, row.finished);
    assert_string_equal(rows[1].outcome, "failed");
    assert_string_equal(rows[1].error, "line 7");
    assert_int_equal(rows[1].files, 3);
    assert_int_equal(rows[1].rows, 5000000000);
    assert_int_equal(rows[1].duration_ms, 500);
    put(path, "2", 9); /* again: the run's own row */
    assert_int_equal(list(path, &rows), 2);
    assert_int_equal(rows[1].rows, 9);
}

static void test_oldest_go(void **unused) {
    (void)unused;
    enum { RUNS = RUN_KEEP + 7 };
    char id[RUN_ID_BYTES];
    struct run_row *rows;
    put("/data/raw/shop/product2/", "000", 1);
    put("/data/raw/shop/product/#odd/t/", "000", 1); /* a bucket below the table's folder: its keys begin alike */
    for (int i = 0; i < RUNS; i++) {
        snprintf(id, sizeof id, "%03d", i);
        put(path, id, i);
        put(path, id, i); /* the same run again takes no other's place */
        size_t count = list(path, &rows);
        assert_int_equal(count, i < RUN_KEEP ? i + 1 : RUN_KEEP);
        assert_int_equal(rows[count - 1].rows, i);
        assert_int_equal(rows[0].rows, i < RUN_KEEP ? 0 : i + 1 - RUN_KEEP);
        arena_reset(&arena);
    }
    assert_int_equal(list("/data/raw/shop/product2/", &rows), 1);
    assert_int_equal(list("/data/raw/shop/product/#odd/t/", &rows), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_form_of_ids),
        CASE(test_ids_increase_and_differ),
        CASE(test_rows_come_back),
        CASE(test_oldest_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
