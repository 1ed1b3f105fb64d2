/* What is due (DESIGN §4), case by case: a row, a listing, and for captured tables the checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/load_plan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATH "/raw/shop/product/"
#define NEVER "1900-01-01 00:00:00"
/* Times of LOAD files: microseconds around one second. */
#define T0 INT64_C(1793527200000000) /* 2026-11-01 10:00:00 */

struct plan_case {
    const char *what;
    const char *date, *file; /* of the row */
    const char *files;       /* blank-separated; LOAD files have "@<microseconds after T0>" behind the name */
    bool captured;
    struct checkpoint_table checkpoint;
    const char *recorded; /* full load; NULL: not known */
    int recorded_version;
    /* wanted */
    const char *full_load, *changes; /* names, blank-separated */
    const char *new_date, *new_file;
    const char *error; /* part of the message */
    enum load_plan_state state;
    bool skips;
};

#define F1 "20261101-100000000.csv"
#define F2 "20261101-100100000.csv"
#define F3 "20261101-100200000.csv"
#define DONE(first, count, after_, committed_)                                                                         \
    {                                                                                                                  \
        .full_load = FULL_LOAD_DONE, .load_first = first, .load_files = count, .full_load_after = after_,              \
        .committed = committed_, .full_load_version = 1, .version = 1                                                  \
    }

static const struct plan_case cases[] = {
    {.what = "nothing there", .date = NEVER, .file = PATH "0", .files = "", .state = LOAD_PLAN_NOTHING},
    {.what = "a full load and changes, for the first time",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 LOAD00000002.csv@250 " F1 " " F2,
     .full_load = "LOAD00000001.csv LOAD00000002.csv",
     .changes = F1 " " F2,
     .new_date = "2026-11-01 10:00:00.000250",
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "all of it loaded",
     .date = "2026-11-01 10:00:00.000250",
     .file = PATH F2,
     .files = "LOAD00000001.csv@0 LOAD00000002.csv@250 " F1 " " F2,
     .state = LOAD_PLAN_NOTHING},
    {.what = "one microsecond newer is newer",
     .date = "2026-11-01 10:00:00.000249",
     .file = PATH F2,
     .files = "LOAD00000001.csv@0 LOAD00000002.csv@250 " F1 " " F2,
     .full_load = "LOAD00000001.csv LOAD00000002.csv",
     .new_date = "2026-11-01 10:00:00.000250",
     .new_file = PATH F2,
     .skips = true,
     .state = LOAD_PLAN_DUE},
    {.what = "a bare name will do",
     .date = "2026-11-01 10:00:00",
     .file = F1,
     .files = "LOAD00000001.csv@0 " F1 " " F2,
     .changes = F2,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "and so will 0",
     .date = "2026-11-01",
     .file = "0",
     .files = F1 " " F2,
     .changes = F1 " " F2,
     .new_date = "2026-11-01",
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "the same moment in another format was applied",
     .date = NEVER,
     .file = PATH "20261101-100000000.parquet",
     .files = F1 " " F2,
     .changes = F2,
     .new_date = NEVER,
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "folders of dates",
     .date = NEVER,
     .file = PATH "2026/11/01/" F1,
     .files = "2026/11/01/" F1 " 2026/11/01/" F2,
     .changes = "2026/11/01/" F2,
     .new_date = NEVER,
     .new_file = PATH "2026/11/01/" F2,
     .state = LOAD_PLAN_DUE},
    {.what = "a date that is none", .date = "yesterday", .file = PATH "0", .files = F1, .error = "\"yesterday\""},
    {.what = "captured: up to what is committed",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1 " " F2 " " F3,
     .captured = true,
     .checkpoint = DONE(1, 1, NULL, F2),
     .full_load = "LOAD00000001.csv",
     .changes = F1 " " F2,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "captured: nothing committed yet",
     .date = "2026-11-01 10:00:00",
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1,
     .captured = true,
     .checkpoint = DONE(1, 1, NULL, NULL),
     .recorded = "1/",
     .state = LOAD_PLAN_NOTHING},
    {.what = "captured: files older than the full load are never applied",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1 " " F2 " " F3,
     .captured = true,
     .checkpoint = DONE(1, 1, F2, F3),
     .full_load = "LOAD00000001.csv",
     .changes = F3,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F3,
     .state = LOAD_PLAN_DUE},
    {.what = "captured: the full load runs",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1,
     .captured = true,
     .checkpoint = {.full_load = FULL_LOAD_RUNNING, .committed = F1},
     .state = LOAD_PLAN_WAITING},
    {.what = "captured: changes alone, no full load was asked for",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1,
     .captured = true,
     .checkpoint = {.full_load = FULL_LOAD_NONE, .committed = F1},
     .changes = F1,
     .new_date = NEVER,
     .new_file = PATH F1,
     .state = LOAD_PLAN_DUE},
    {.what = "captured: leftovers of another full load do not count",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 LOAD00000002.csv@5 LOAD0000000A.csv@1 LOAD0000000B.csv@2 LOAD0000000C.csv@9",
     .captured = true,
     .checkpoint = DONE(10, 2, NULL, NULL),
     .full_load = "LOAD0000000A.csv LOAD0000000B.csv",
     .new_date = "2026-11-01 10:00:00.000002",
     .new_file = PATH "0",
     .state = LOAD_PLAN_DUE},
    {.what = "captured: another full load with the same time",
     .date = "2026-11-01 10:00:00",
     .file = PATH "0",
     .files = "LOAD00000002.csv@0",
     .captured = true,
     .checkpoint = DONE(2, 1, NULL, NULL),
     .recorded = "1/",
     .full_load = "LOAD00000002.csv",
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH "0",
     .state = LOAD_PLAN_DUE},
    {.what = "captured: emptied at the source, and loaded in full again",
     .date = "2026-11-01 10:00:00",
     .file = PATH F1,
     .files = F1 " " F2,
     .captured = true,
     .checkpoint = DONE(1, 0, F1, F2),
     .recorded = "1/",
     .changes = F2,
     .new_date = "now",
     .new_file = PATH F2,
     .state = LOAD_PLAN_DUE},
    {.what = "captured: empty, for the first time",
     .date = NEVER,
     .file = PATH "0",
     .files = "",
     .captured = true,
     .checkpoint = DONE(1, 0, NULL, NULL),
     .new_date = "now",
     .new_file = PATH "0",
     .state = LOAD_PLAN_DUE},
    {.what = "captured: empty, and loaded",
     .date = "2026-11-01 10:00:00",
     .file = PATH "0",
     .files = "",
     .captured = true,
     .checkpoint = DONE(1, 0, NULL, NULL),
     .recorded = "1/",
     .state = LOAD_PLAN_NOTHING},
    {.what = "captured: a LOAD file is missing",
     .date = NEVER,
     .file = PATH "0",
     .files = "LOAD00000001.csv@0",
     .captured = true,
     .checkpoint = DONE(1, 2, NULL, NULL),
     .error = "2 files from LOAD00000001"},
    {.what = "captured: a full load that was loaded may be removed",
     .date = "2026-11-01 10:00:00",
     .file = PATH "0",
     .files = F1,
     .captured = true,
     .checkpoint = DONE(1, 2, NULL, F1),
     .recorded = "1/",
     .changes = F1,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F1,
     .state = LOAD_PLAN_DUE},
    {.what = "captured: a committed file is missing",
     .date = "2026-11-01 10:00:00",
     .file = PATH "0",
     .files = "LOAD00000001.csv@0 " F1,
     .captured = true,
     .checkpoint = DONE(1, 1, NULL, F2),
     .error = F2 " was committed"},
    {.what = "captured: the date set back loads the full load again, and says what that leaves out",
     .date = NEVER,
     .file = PATH F2,
     .files = "LOAD00000001.csv@0 " F1 " " F2 " " F3,
     .captured = true,
     .checkpoint = DONE(1, 1, F1, F3),
     .recorded = "1/" F1,
     .full_load = "LOAD00000001.csv",
     .changes = F3,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F3,
     .state = LOAD_PLAN_DUE,
     .skips = true},
    {.what = "captured: the columns changed, and nothing else",
     .date = "2026-11-01 10:00:00",
     .file = PATH F1,
     .files = "LOAD00000001.csv@0 " F1,
     .captured = true,
     .checkpoint = {.full_load = FULL_LOAD_DONE, .load_first = 1, .load_files = 1, .committed = F1, .version = 3},
     .recorded = "1/",
     .recorded_version = 2,
     .new_date = "2026-11-01 10:00:00",
     .new_file = PATH F1,
     .state = LOAD_PLAN_DUE},
};

/* The listing that `files` stands for, as raw_list_files gives it. */
static struct raw_files list_files(struct arena *arena, const char *text) {
    struct raw_files files = {.full_load = arena_alloc(arena, 16 * sizeof(struct raw_file)),
                              .changes = arena_alloc(arena, 16 * sizeof(struct raw_file))};
    char *copy = arena_strdup(arena, text), *rest = NULL;
    for (char *name = strtok_r(copy, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        struct raw_file file = {.size_bytes = 100};
        char *at = strchr(name, '@');
        if (at != NULL) {
            *at = '\0';
            file.modified_us = T0 + strtol(at + 1, NULL, 10);
        }
        file.name = name;
        file.base_name = strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name;
        assert_true(raw_parse_name(file.base_name, &file.kind, &file.format));
        if (file.kind == RAW_FULL_LOAD)
            files.full_load[files.full_load_count++] = file;
        else
            files.changes[files.change_count++] = file;
    }
    return files;
}

static const char *names_of(struct arena *arena, const struct raw_file *files, size_t count) {
    const char *names = NULL;
    for (size_t i = 0; i < count; i++)
        names = names == NULL ? files[i].name : arena_printf(arena, "%s %s", names, files[i].name);
    return names;
}

static void assert_text(const struct plan_case *c, const char *of, const char *got, const char *want) {
    if (strcmp(got != NULL ? got : "", want != NULL ? want : "") != 0)
        fail_msg("%s: %s is %s, want %s", c->what, of, got != NULL ? got : "none", want != NULL ? want : "none");
}

static void check_case(const struct plan_case *c) {
    struct arena arena;
    arena_init(&arena);
    struct controller_row row;
    controller_row_init(&row, &arena, "/raw", "", "shop", "product");
    row.active = true;
    row.last_full_load_date = c->date;
    row.last_incremental_file = c->file;
    load_plan_record(&row, &(struct load_plan){.full_load_id = c->recorded, .version = (uint32_t)c->recorded_version});
    struct raw_files files = list_files(&arena, c->files);
    struct load_plan plan;
    struct error err = {0};
    if (!load_plan_make(&arena, &row, c->captured ? &c->checkpoint : NULL, &files, &plan, &err)) {
        if (c->error == NULL || strstr(err.message, c->error) == NULL)
            fail_msg("%s: %s", c->what, err.message);
    } else if (c->error != NULL) {
        fail_msg("%s: no error", c->what);
    } else {
        assert_text(c, "full load", names_of(&arena, plan.full_load, plan.full_load_count), c->full_load);
        assert_text(c, "changes", names_of(&arena, plan.changes, plan.change_count), c->changes);
        if (plan.state != c->state || plan.skips_applied_changes != c->skips)
            fail_msg("%s: state %d, skips %d", c->what, (int)plan.state, plan.skips_applied_changes);
        if (plan.state == LOAD_PLAN_DUE) {
            if (c->new_date == NULL || strcmp(c->new_date, "now") != 0)
                assert_text(c, "LastFullLoadDate", plan.last_full_load_date, c->new_date);
            else
                assert_true(plan.full_load_due && strcmp(plan.last_full_load_date, c->date) > 0);
            assert_text(c, "LastIncrementalFile", plan.last_incremental_file, c->new_file);
            assert_int_equal(plan.size_bytes, 100 * load_plan_file_count(&plan));
        }
    }
    controller_row_deinit(&row);
    arena_deinit(&arena);
}

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check_case(&cases[i]);
}

static void test_inactive_waits(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct controller_row row;
    controller_row_init(&row, &arena, "/raw", "", "shop", "product");
    struct raw_files files = list_files(&arena, "LOAD00000001.csv@0 " F1);
    struct load_plan plan;
    struct error err;
    assert_true(load_plan_make(&arena, &row, NULL, &files, &plan, &err));
    assert_int_equal(plan.state, LOAD_PLAN_WAITING);
    assert_string_equal(plan.reason, "it is not active");
    controller_row_deinit(&row);
    arena_deinit(&arena);
}

/* Plans the files of a table of AWS DMS for a row, and does the row's bookkeeping when the plan is due. */
static bool plan_and_record(struct arena *arena, struct controller_row *row, const char *listed,
                            const char **future_file) {
    struct raw_files files = list_files(arena, listed);
    struct load_plan plan;
    struct error err;
    assert_true(load_plan_make(arena, row, NULL, &files, &plan, &err));
    *future_file = plan.future_file;
    if (plan.state != LOAD_PLAN_DUE)
        return false;
    row->last_full_load_date = plan.last_full_load_date;
    row->last_incremental_file = plan.last_incremental_file;
    load_plan_record(row, &plan);
    return true;
}

/* A file whose time is to come (another machine's clock, a copy with times) must not hide the full loads after it. */
static void test_a_time_to_come(void **state) {
    (void)state;
    static const char far[] = "LOAD00000001.csv@5000000000000000 LOAD00000002.csv@5000000000000009"; /* in 158 years */
    struct arena arena;
    const char *future;
    arena_init(&arena);
    struct controller_row row;
    controller_row_init(&row, &arena, "/raw", "", "shop", "product");
    row.active = true;
    assert_true(plan_and_record(&arena, &row, far, &future));
    assert_string_equal(future, "LOAD00000002.csv");
    assert_false(plan_and_record(&arena, &row, far, &future));
    assert_false(plan_and_record(&arena, &row, "LOAD00000001.csv@5000000000000000", &future)); /* one is removed */
    const char *change = arena_printf(&arena, "%s %s", far, F1);
    assert_true(plan_and_record(&arena, &row, change, &future)); /* what was seen is not forgotten with a change */
    assert_null(future);
    assert_false(plan_and_record(&arena, &row, change, &future));

    /* Replaced by a file of a time that is neither newer nor known. It has to be after the first plan's "now". */
    assert_true(plan_and_record(&arena, &row, "LOAD00000001.csv@4000000000000000 " F1, &future));
    assert_false(plan_and_record(&arena, &row, "LOAD00000001.csv@4000000000000000 " F1, &future));
    assert_true(plan_and_record(&arena, &row, "LOAD00000001.csv@4000000000000000 LOAD00000002.csv@3000000000000000 " F1,
                                &future));

    /* What the user sets holds. */
    row.last_full_load_date = "2199-12-31 00:00:00";
    assert_false(plan_and_record(&arena, &row, "LOAD00000001.csv@2000000000000000 " F1, &future));
    row.last_full_load_date = NEVER;
    assert_true(plan_and_record(&arena, &row, far, &future));
    controller_row_deinit(&row);
    arena_deinit(&arena);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_inactive_waits),
        cmocka_unit_test(test_a_time_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
