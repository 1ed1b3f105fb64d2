/* Capture without a server: events of a made-up source, judged by the raw files and the state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "store/store.h"
#include "task/capture_table.h"
#include "temp_folder.h"

/* --- a source whose positions are numbers: "0007" */

static bool fake_reached(struct source *source, const char *position, const char *target, bool *out,
                         struct error *err) {
    (void)source;
    (void)err;
    *out = strcmp(position, target) >= 0;
    return true;
}

static json_t *fake_counters(struct source *source) {
    (void)source;
    return json_object();
}

static void fake_close(struct source *source) { (void)source; }

static const struct source_ops fake_ops = {
    .name = "fake", .close = fake_close, .position_reached = fake_reached, .counters = fake_counters};
static struct source fake_source = {.ops = &fake_ops};

/* --- a task on a temporary folder */

struct fixture {
    char *folder;
    struct config *config;
    struct capture capture;
    bool open;
};

static void start(struct fixture *f) {
    struct error err = {0};
    f->capture = (struct capture){.config = f->config, .cdc_only = true};
    if (!capture_open(&f->capture, &err))
        fail_msg("%s", err.message);
    f->capture.source = &fake_source;
    f->open = true;
}

/* As a crash does: nothing is finished. */
static void stop(struct fixture *f) {
    if (f->open)
        capture_close(&f->capture);
    f->open = false;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = temp_folder_make();
    char text[2048];
    int len = snprintf(text, sizeof text,
                       "task: t\nsource: {engine: mysql, database: s}\nraw: {location: 'file://%s/raw'}\n"
                       "lake: {location: 'file://%s/lake', database: l}\nstate: 'sqlite://%s/state.db'\n",
                       f->folder, f->folder, f->folder);
    struct error err = {0};
    if (!config_parse(text, (size_t)len, "test.yaml", &f->config, &err))
        fail_msg("%s", err.message);
    start(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    stop(f);
    config_free(f->config);
    temp_folder_remove(f->folder);
    free(f);
    return 0;
}

/* --- events */

static void feed(struct fixture *f, const struct source_event *event) {
    struct error err = {0};
    if (!capture_handle_event(&f->capture, event, &err))
        fail_msg("%s", err.message);
}

static struct source_table *table_of(struct fixture *f, const char *name) {
    return source_tables_add(f->capture.tables, "s", name);
}

static void define(struct fixture *f, const char *name, const char *const *columns, size_t count) {
    struct column list[8] = {0};
    for (size_t i = 0; i < count; i++)
        list[i] =
            (struct column){.name = columns[i], .type = {.kind = i == 0 ? TYPE_INT64 : TYPE_STRING}, .nullable = i > 0};
    uint16_t key[] = {0};
    struct table table = {
        .schema = "s", .name = name, .columns = list, .column_count = count, .key = key, .key_count = 1};
    feed(f, &(struct source_event){.kind = SOURCE_TABLE, .table = table_of(f, name), .new_table = &table});
}

static void begin(struct fixture *f, const char *position, const char *prepared_name) {
    feed(f, &(struct source_event){
                .kind = SOURCE_BEGIN, .position = position, .name = prepared_name, .time_us = 1793527200000000});
}

static void end(struct fixture *f, enum source_event_kind kind, const char *position, const char *name) {
    feed(f, &(struct source_event){.kind = kind, .position = position, .name = name, .time_us = 1793527200000000});
}

static struct value text_value(const char *text) {
    if (text == NULL)
        return (struct value){.kind = VALUE_NULL};
    if (strcmp(text, "?") == 0)
        return (struct value){.kind = VALUE_UNCHANGED};
    return (struct value){.data = text, .len = (uint32_t)strlen(text), .kind = VALUE_TEXT};
}

static void row(struct fixture *f, const char *table, enum change_op op, const char *id, const char *text,
                const char *old_id) {
    struct value values[] = {text_value(id), text_value(text)};
    struct value old[] = {text_value(old_id), text_value("?")};
    feed(f, &(struct source_event){.kind = SOURCE_ROW,
                                   .table = table_of(f, table),
                                   .op = op,
                                   .values = values,
                                   .old = old_id != NULL ? old : NULL});
}

static void commit_batch(struct fixture *f) {
    struct error err = {0};
    if (!capture_commit(&f->capture, &err))
        fail_msg("%s", err.message);
}

/* --- judging: the text of all change files of a table, in order, headers included once a file */

static const char *const two_columns[] = {"id", "v"};

static void assert_raw(struct fixture *f, const char *table, const char *want) {
    struct error err = {0};
    struct arena arena;
    arena_init(&arena);
    struct raw_files files;
    assert_true(raw_list_files(f->capture.raw, &arena, "s", table, &files, &err));
    struct buf all, one;
    buf_init(&all, 1 << 20);
    buf_init(&one, 1 << 20);
    buf_append_text(&all, "");
    for (size_t i = 0; i < files.change_count; i++) {
        assert_true(store_read_all(f->capture.raw, arena_printf(&arena, "s/%s/%s", table, files.changes[i].name),
                                   1 << 20, &one, &err));
        buf_append(&all, one.data, one.len);
    }
    assert_string_equal(all.data, want);
    buf_deinit(&one);
    buf_deinit(&all);
    arena_deinit(&arena);
}

/* --- tests */

static void test_nothing_is_visible_before_the_commit(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    assert_raw(f, "a", "");
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,1,x\n");
    assert_string_equal(f->capture.row.position, "0002");
}

static void test_rollback_cuts_back_only_its_own_rows(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    begin(f, "0002", NULL);
    row(f, "a", CHANGE_INSERT, "2", "gone", NULL);
    end(f, SOURCE_ROLLBACK, "0003", NULL);
    begin(f, "0003", NULL);
    row(f, "a", CHANGE_DELETE, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0004", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,1,x\nD,1,x\n");
}

static void test_a_first_file_that_rolls_back_leaves_no_file(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "gone", NULL);
    end(f, SOURCE_ROLLBACK, "0002", NULL);
    commit_batch(f);
    assert_raw(f, "a", "");
}

static void test_savepoints(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    define(f, "b", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_SAVEPOINT, NULL, "sp");
    row(f, "a", CHANGE_INSERT, "2", "gone", NULL);
    row(f, "b", CHANGE_INSERT, "1", "gone", NULL);
    end(f, SOURCE_ROLLBACK_TO, NULL, "sp");
    row(f, "a", CHANGE_INSERT, "3", "y", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,1,x\nI,3,y\n");
    assert_raw(f, "b", "");
}

static void test_key_change_is_delete_and_insert(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_UPDATE, "1", "same key", "1");
    row(f, "a", CHANGE_UPDATE, "2", "new key", "1");
    end(f, SOURCE_COMMIT, "0002", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nU,1,same key\nD,1,UNCHANGED\nI,2,new key\n");
}

static void test_key_change_without_the_whole_row_stops_the_table_alone(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    define(f, "b", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    row(f, "b", CHANGE_INSERT, "1", "x", NULL);
    row(f, "a", CHANGE_UPDATE, "2", "?", "1");
    row(f, "a", CHANGE_INSERT, "9", "after the stop", NULL);
    row(f, "b", CHANGE_INSERT, "2", "y", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    commit_batch(f);
    assert_raw(f, "a", "");
    assert_raw(f, "b", "Op,id,v\nI,1,x\nI,2,y\n");
    assert_true(table_of(f, "a")->stopped);
}

static void test_a_new_version_begins_a_new_file(void **state) {
    struct fixture *f = *state;
    static const char *const renamed[] = {"id", "w"};
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    define(f, "a", renamed, 2);
    begin(f, "0002", NULL);
    row(f, "a", CHANGE_INSERT, "2", NULL, NULL);
    end(f, SOURCE_COMMIT, "0003", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,1,x\nOp,id,w\nI,2,NULL\n");
    struct checkpoint_schema *schemas;
    size_t count;
    struct error err = {0};
    struct arena arena;
    arena_init(&arena);
    assert_true(checkpoint_list_schemas(f->capture.state, &arena, "t", "s", "a", &schemas, &count, &err));
    assert_int_equal(count, 2);
    assert_true(strcmp(schemas[0].first_file, schemas[1].first_file) < 0);
    assert_string_equal(schemas[1].table->columns[1].name, "w");
    arena_deinit(&arena);
}

static void test_prepared_rows_appear_when_they_are_committed(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", "xid1");
    row(f, "a", CHANGE_INSERT, "1", "prepared", NULL);
    end(f, SOURCE_SAVEPOINT, NULL, "sp");
    row(f, "a", CHANGE_INSERT, "2", "gone", NULL);
    end(f, SOURCE_ROLLBACK_TO, NULL, "sp");
    row(f, "a", CHANGE_UPDATE, "3", "key change", "1");
    end(f, SOURCE_PREPARE, "0002", "xid1");
    begin(f, "0002", NULL);
    row(f, "a", CHANGE_INSERT, "5", "between", NULL);
    end(f, SOURCE_COMMIT, "0003", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,5,between\n");
    assert_string_equal(f->capture.row.position, "0003");
    assert_string_equal(f->capture.row.restart_position, "0001");
    end(f, SOURCE_COMMIT_PREPARED, "0004", "xid1");
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,5,between\nOp,id,v\nI,1,prepared\nD,1,UNCHANGED\nI,3,key change\n");
    assert_string_equal(f->capture.row.restart_position, "0004");
}

static void test_a_restart_reads_prepared_rows_again_and_nothing_twice(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", "xid1");
    row(f, "a", CHANGE_INSERT, "1", "prepared", NULL);
    end(f, SOURCE_PREPARE, "0002", "xid1");
    begin(f, "0002", NULL);
    row(f, "a", CHANGE_INSERT, "5", "between", NULL);
    end(f, SOURCE_COMMIT, "0003", NULL);
    commit_batch(f);
    stop(f);

    start(f);
    f->capture.catching_up = true; /* as stream_changes sets it: restart_position differs */
    assert_string_equal(f->capture.committed.restart_position, "0001");
    begin(f, "0001", "xid1");
    row(f, "a", CHANGE_INSERT, "1", "prepared", NULL);
    end(f, SOURCE_PREPARE, "0002", "xid1");
    begin(f, "0002", NULL);
    row(f, "a", CHANGE_INSERT, "5", "between", NULL);
    end(f, SOURCE_COMMIT, "0003", NULL);
    end(f, SOURCE_COMMIT_PREPARED, "0004", "xid1");
    begin(f, "0004", NULL);
    row(f, "a", CHANGE_INSERT, "6", "after", NULL);
    end(f, SOURCE_COMMIT, "0005", NULL);
    commit_batch(f);
    assert_raw(f, "a", "Op,id,v\nI,5,between\nOp,id,v\nI,1,prepared\nI,6,after\n");
}

static void test_leftovers_of_a_crash_are_removed(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    commit_batch(f);
    assert_true(store_put(f->capture.raw, "s/a/29991231-235959999.csv", "Op,id,v\nI,7,left\n", 17, true, &err));
    assert_true(store_put(f->capture.raw, "s/a/LOAD00000001.csv", "id,v\n7,left\n", 12, true, &err));
    stop(f);
    start(f);
    assert_raw(f, "a", "Op,id,v\nI,1,x\n");
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_false(store_read_all(f->capture.raw, "s/a/LOAD00000001.csv", 1 << 20, &text, &err));
    buf_deinit(&text);
}

static void test_truncate_is_a_full_load_of_nothing(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    feed(f, &(struct source_event){.kind = SOURCE_TRUNCATE, .table = table_of(f, "a"), .position = "0003"});
    begin(f, "0003", NULL);
    row(f, "a", CHANGE_INSERT, "2", "y", NULL);
    end(f, SOURCE_COMMIT, "0004", NULL);
    commit_batch(f);
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_true(store_read_all(f->capture.raw, "s/a/LOAD00000001.csv", 1 << 20, &text, &err));
    assert_string_equal(text.data, "id,v\n");
    buf_deinit(&text);
    const struct capture_table *table = table_of(f, "a")->user;
    assert_int_equal(table->row.full_load, FULL_LOAD_DONE);
    assert_non_null(table->row.full_load_after);
    assert_true(strcmp(table->row.full_load_after, table->row.committed) < 0);
}

static bool has_load(struct fixture *f, const char *name) {
    struct error err = {0};
    struct buf text;
    buf_init(&text, 1 << 20);
    bool found = store_read_all(f->capture.raw, name, 1 << 20, &text, &err);
    buf_deinit(&text);
    return found;
}

/* The name of the batch's change file that has this text. */
static bool is_in_file(struct fixture *f, const char *base_name, const char *text) {
    struct error err = {0};
    struct buf all;
    buf_init(&all, 1 << 20);
    char path[128];
    snprintf(path, sizeof path, "s/a/%s", base_name);
    bool found = store_read_all(f->capture.raw, path, 1 << 20, &all, &err) && strstr(all.data, text) != NULL;
    buf_deinit(&all);
    return found;
}

static void truncate_a(struct fixture *f) {
    feed(f, &(struct source_event){.kind = SOURCE_TRUNCATE, .table = table_of(f, "a")});
}

static void test_truncate_within_a_transaction_parts_its_rows(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "before", NULL);
    truncate_a(f);
    row(f, "a", CHANGE_INSERT, "2", "between", NULL);
    truncate_a(f);
    row(f, "a", CHANGE_INSERT, "3", "after", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    assert_false(has_load(f, "s/a/LOAD00000001.csv"));
    commit_batch(f);
    assert_true(has_load(f, "s/a/LOAD00000001.csv"));
    assert_raw(f, "a", "Op,id,v\nI,1,before\nOp,id,v\nI,2,between\nOp,id,v\nI,3,after\n");
    const struct capture_table *table = table_of(f, "a")->user;
    assert_int_equal(table->row.full_load, FULL_LOAD_DONE);
    assert_true(is_in_file(f, table->row.full_load_after, "between"));
    assert_true(is_in_file(f, table->row.committed, "after"));
    /* The next one replaces its file. */
    begin(f, "0002", NULL);
    truncate_a(f);
    end(f, SOURCE_COMMIT, "0003", NULL);
    const char *before = table->row.committed;
    commit_batch(f);
    assert_string_equal(table->row.full_load_after, before);
    assert_false(has_load(f, "s/a/LOAD00000001.csv"));
    assert_true(has_load(f, "s/a/LOAD00000002.csv"));
}

static void test_truncate_that_did_not_happen(void **state) {
    struct fixture *f = *state;
    struct error err = {0};
    define(f, "a", two_columns, 2);
    begin(f, "0001", NULL);
    row(f, "a", CHANGE_INSERT, "1", "x", NULL);
    end(f, SOURCE_COMMIT, "0002", NULL);
    begin(f, "0002", NULL);
    truncate_a(f);
    row(f, "a", CHANGE_INSERT, "2", "y", NULL);
    assert_true(capture_abandon_transaction(&f->capture, &err)); /* as a lost connection does */
    begin(f, "0002", NULL);
    end(f, SOURCE_SAVEPOINT, NULL, "p");
    truncate_a(f);
    end(f, SOURCE_ROLLBACK_TO, NULL, "p");
    row(f, "a", CHANGE_INSERT, "3", "z", NULL);
    end(f, SOURCE_COMMIT, "0003", NULL);
    commit_batch(f);
    assert_false(has_load(f, "s/a/LOAD00000001.csv"));
    assert_raw(f, "a", "Op,id,v\nI,1,x\nI,3,z\n");
}

static void test_truncate_within_a_prepared_transaction(void **state) {
    struct fixture *f = *state;
    define(f, "a", two_columns, 2);
    begin(f, "0001", "p");
    row(f, "a", CHANGE_INSERT, "1", "before", NULL);
    truncate_a(f);
    row(f, "a", CHANGE_INSERT, "2", "after", NULL);
    end(f, SOURCE_PREPARE, "0002", "p");
    commit_batch(f);
    assert_false(has_load(f, "s/a/LOAD00000001.csv"));
    end(f, SOURCE_COMMIT_PREPARED, "0003", "p");
    commit_batch(f);
    const struct capture_table *table = table_of(f, "a")->user;
    assert_true(has_load(f, "s/a/LOAD00000001.csv"));
    assert_true(is_in_file(f, table->row.full_load_after, "before"));
    assert_true(is_in_file(f, table->row.committed, "after"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_visible_before_the_commit),
        TEST(test_rollback_cuts_back_only_its_own_rows),
        TEST(test_a_first_file_that_rolls_back_leaves_no_file),
        TEST(test_savepoints),
        TEST(test_key_change_is_delete_and_insert),
        TEST(test_key_change_without_the_whole_row_stops_the_table_alone),
        TEST(test_a_new_version_begins_a_new_file),
        TEST(test_prepared_rows_appear_when_they_are_committed),
        TEST(test_a_restart_reads_prepared_rows_again_and_nothing_twice),
        TEST(test_leftovers_of_a_crash_are_removed),
        TEST(test_truncate_is_a_full_load_of_nothing),
        TEST(test_truncate_within_a_transaction_parts_its_rows),
        TEST(test_truncate_that_did_not_happen),
        TEST(test_truncate_within_a_prepared_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
