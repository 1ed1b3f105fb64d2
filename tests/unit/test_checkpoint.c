#include "state/checkpoint.h"

#include "state_subject.h"

static const struct column columns[] = {
    {.name = "id", .type = {.kind = TYPE_INT32}, .id = 1, .source_type = "int(11)"},
    {.name = "price",
     .type = {.kind = TYPE_DECIMAL, .precision = 10, .scale = 2},
     .nullable = true,
     .id = 2,
     .initial = "0.00"},
};
static const uint16_t key[] = {0};

static struct table make_table(const char *schema, const char *name, uint32_t version) {
    return (struct table){.schema = schema,
                          .name = name,
                          .version = version,
                          .columns = columns,
                          .column_count = version > 1 ? 2 : 1,
                          .key = key,
                          .key_count = 1};
}

static void commit_task(const struct checkpoint_task *row) {
    struct checkpoint_batch *batch = checkpoint_batch_new();
    checkpoint_batch_add_task(batch, "shop", row);
    assert_ok(checkpoint_batch_commit(batch, state, &err));
    checkpoint_batch_free(batch);
}

static void commit_table(const char *task, const struct checkpoint_table *row) {
    struct checkpoint_batch *batch = checkpoint_batch_new();
    checkpoint_batch_add_table(batch, task, row);
    assert_ok(checkpoint_batch_commit(batch, state, &err));
    checkpoint_batch_free(batch);
}

static void test_no_task(void **unused) {
    (void)unused;
    struct checkpoint_task row;
    struct state_item item;
    bool found = true;
    assert_ok(checkpoint_get_task(state, &arena, "shop", &row, &item, &found, &err));
    assert_false(found);
    assert_null(row.position);
    assert_null(item.attributes);
    struct checkpoint_table *tables;
    struct checkpoint_schema *schemas;
    size_t count = 1;
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(count, 0);
    count = 1;
    assert_ok(checkpoint_list_schemas(state, &arena, "shop", "s", "t", &schemas, &count, &err));
    assert_int_equal(count, 0);
}

static void test_task_comes_back(void **unused) {
    (void)unused;
    struct checkpoint_task row = {.position = "{\"file\":\"binlog.000001\",\"position\":4}",
                                  .restart_position = "{}",
                                  .source_time = "2026-11-01 10:15:00.123456",
                                  .state = "running",
                                  .last_error = "lost connection",
                                  .commits = 7,
                                  .rows = 8400000000,
                                  .bytes = INT64_MAX,
                                  .updated = "2026-11-01 10:15:01",
                                  .warnings = json_pack("{s:i}", "zero dates as NULL", 3)};
    commit_task(&row);
    struct checkpoint_task back;
    struct state_item item;
    bool found;
    assert_ok(checkpoint_get_task(state, &arena, "shop", &back, &item, &found, &err));
    assert_true(found);
    assert_string_equal(back.position, row.position);
    assert_string_equal(back.restart_position, row.restart_position);
    assert_string_equal(back.source_time, row.source_time);
    assert_string_equal(back.state, row.state);
    assert_string_equal(back.last_error, row.last_error);
    assert_int_equal(back.commits, row.commits);
    assert_int_equal(back.rows, row.rows);
    assert_int_equal(back.bytes, row.bytes);
    assert_string_equal(back.updated, row.updated);
    assert_true(json_equal(back.warnings, row.warnings));
    assert_null(back.owner);
    state_item_deinit(&item);
    json_decref(row.warnings);
    row.warnings = NULL;
    row.last_error = NULL;
    commit_task(&row);
    assert_ok(checkpoint_get_task(state, &arena, "shop", &back, &item, &found, &err));
    assert_null(back.last_error);
    assert_null(back.warnings);
    state_item_deinit(&item);
}

static void test_tables_come_back(void **unused) {
    (void)unused;
    struct checkpoint_table row = {.schema = "s",
                                   .name = "t",
                                   .full_load = FULL_LOAD_DONE,
                                   .full_load_position = "{}",
                                   .full_load_after = "20261101-101500122.csv",
                                   .full_load_version = 2,
                                   .load_first = 4,
                                   .load_files = 3,
                                   .committed = "20261101-101500123.csv",
                                   .committed_number = 9,
                                   .rows_full_load = 5000000000,
                                   .rows_insert = 1,
                                   .rows_update = 2,
                                   .rows_delete = 3,
                                   .bytes = 4,
                                   .version = 5,
                                   .next_column_id = 6,
                                   .stopped = "it has no key"};
    commit_table("shop", &row);
    commit_table("shop", &(struct checkpoint_table){.schema = "s", .name = "a", .full_load = FULL_LOAD_PENDING});
    commit_table("shop2", &(struct checkpoint_table){.schema = "s", .name = "b"});
    struct checkpoint_table *tables;
    size_t count;
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(tables[0].name, "a");
    assert_int_equal(tables[0].full_load, FULL_LOAD_PENDING);
    assert_null(tables[0].committed);
    const struct checkpoint_table *back = &tables[1];
    assert_string_equal(back->schema, "s");
    assert_string_equal(back->name, "t");
    assert_int_equal(back->full_load, FULL_LOAD_DONE);
    assert_string_equal(back->full_load_position, "{}");
    assert_string_equal(back->full_load_after, row.full_load_after);
    assert_int_equal(back->full_load_version, 2);
    assert_int_equal(back->load_first, 4);
    assert_int_equal(back->load_files, 3);
    assert_string_equal(back->committed, row.committed);
    assert_int_equal(back->committed_number, 9);
    assert_int_equal(back->rows_full_load, 5000000000);
    assert_int_equal(back->rows_insert, 1);
    assert_int_equal(back->rows_update, 2);
    assert_int_equal(back->rows_delete, 3);
    assert_int_equal(back->bytes, 4);
    assert_int_equal(back->version, 5);
    assert_int_equal(back->next_column_id, 6);
    assert_string_equal(back->stopped, row.stopped);
    checkpoint_tables_deinit(tables, count);
}

static void test_unknown_attributes_stay(void **unused) {
    (void)unused;
    put_json("table", "shop/s.t", "{\"schema\":\"s\",\"name\":\"t\",\"full_load\":\"running\",\"later\":1}");
    struct checkpoint_table *tables;
    size_t count;
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(count, 1);
    tables[0].full_load = FULL_LOAD_DONE;
    commit_table("shop", &tables[0]);
    checkpoint_tables_deinit(tables, count);
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(tables[0].full_load, FULL_LOAD_DONE);
    assert_int_equal(json_integer_value(json_object_get(tables[0].item.attributes, "later")), 1);
    checkpoint_tables_deinit(tables, count);
}

static void test_damaged_rows(void **unused) {
    (void)unused;
    static const char *const rows[] = {"{}", "{\"full_load\":\"halfway\"}", "{\"full_load\":1}",
                                       "{\"full_load\":\"done\",\"version\":-1}",
                                       "{\"full_load\":\"done\",\"bytes\":\"x\"}"};
    struct checkpoint_table *tables;
    struct checkpoint_schema *schemas;
    struct checkpoint_task task;
    struct state_item item;
    size_t count;
    bool found;
    put_json("table", "shop/s.a", "{\"full_load\":\"done\"}"); /* one that is read before the damaged one */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_json("table", "shop/s.t", rows[i]);
        assert_fails(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err), ERROR_DATA);
        assert_says("shop/s.t");
    }
    put_json("schema", "shop/s.t/000001", "{\"first_file\":\"\"}");
    assert_fails(checkpoint_list_schemas(state, &arena, "shop", "s", "t", &schemas, &count, &err), ERROR_DATA);
    assert_says("shop/s.t/000001");
    put_json("task", "shop", "{\"commits\":\"x\"}");
    assert_fails(checkpoint_get_task(state, &arena, "shop", &task, &item, &found, &err), ERROR_DATA);
    assert_says("commits");
}

static void test_schemas_come_back(void **unused) {
    (void)unused;
    struct checkpoint_batch *batch = checkpoint_batch_new();
    for (uint32_t version = 1; version <= 11; version++) {
        struct table table = make_table("s", "t", version);
        checkpoint_batch_add_schema(batch, "shop", &table, NULL, version == 1 ? "" : "20261101-101500123.csv");
    }
    struct table other = make_table("s", "t2", 1);
    checkpoint_batch_add_schema(batch, "shop", &other, NULL, "");
    assert_ok(checkpoint_batch_commit(batch, state, &err));
    checkpoint_batch_free(batch);
    struct checkpoint_schema *schemas;
    size_t count;
    assert_ok(checkpoint_list_schemas(state, &arena, "shop", "s", "t", &schemas, &count, &err));
    assert_int_equal(count, 11);
    for (uint32_t version = 1; version <= 11; version++) {
        const struct checkpoint_schema *back = &schemas[version - 1];
        assert_string_equal(back->first_file, version == 1 ? "" : "20261101-101500123.csv");
        assert_int_equal(back->table->version, version);
        assert_string_equal(back->table->name, "t");
        assert_int_equal(back->table->column_count, version > 1 ? 2 : 1);
        assert_string_equal(back->table->columns[0].source_type, "int(11)");
        assert_int_equal(back->table->key_count, 1);
    }
    assert_int_equal(schemas[1].table->columns[1].id, 2);
    assert_true(type_equal(schemas[1].table->columns[1].type, columns[1].type));
}

/* Names that would meet in one key if they were not encoded. */
static void test_names_in_keys(void **unused) {
    (void)unused;
    static const struct {
        const char *task, *schema, *table;
    } names[] = {{"x", "a.b", "c"},      {"x", "a", "b.c"}, {"x", "a%2Eb", "c"}, {"x", "a/b", "c"}, {"x", "a", "b/c"},
                 {"x", "a", "c/000001"}, {"x/a", "b", "c"}, {"x", "a/b.c", "d"}, {"x", "a", "c"}};
    enum { COUNT = sizeof names / sizeof *names };
    for (size_t i = 0; i < COUNT; i++) {
        struct checkpoint_batch *batch = checkpoint_batch_new();
        struct table table = make_table(names[i].schema, names[i].table, 1);
        checkpoint_batch_add_schema(batch, names[i].task, &table, NULL, "");
        checkpoint_batch_add_table(batch, names[i].task,
                                   &(struct checkpoint_table){.schema = names[i].schema, .name = names[i].table});
        assert_ok(checkpoint_batch_commit(batch, state, &err));
        checkpoint_batch_free(batch);
    }
    for (size_t i = 0; i < COUNT; i++) {
        struct checkpoint_schema *schemas;
        size_t count;
        assert_ok(checkpoint_list_schemas(state, &arena, names[i].task, names[i].schema, names[i].table, &schemas,
                                          &count, &err));
        assert_int_equal(count, 1);
        assert_string_equal(schemas[0].table->schema, names[i].schema);
        assert_string_equal(schemas[0].table->name, names[i].table);
    }
    struct checkpoint_table *tables;
    size_t count;
    assert_ok(checkpoint_list_tables(state, &arena, "x", &tables, &count, &err));
    assert_int_equal(count, COUNT - 1);
    checkpoint_tables_deinit(tables, count);
}

static void test_batch_is_one_transaction(void **unused) {
    (void)unused;
    assert_ok(checkpoint_claim_task(state, "shop", "other", &err));
    struct checkpoint_batch *batch = checkpoint_batch_new();
    struct table table = make_table("s", "t", 1);
    char name[] = "t";
    checkpoint_batch_add_schema(batch, "shop", &table, NULL, "");
    checkpoint_batch_add_table(batch, "shop", &(struct checkpoint_table){.schema = "s", .name = name});
    name[0] = 'x'; /* what was added is copied */
    checkpoint_batch_add_task(batch, "shop", &(struct checkpoint_task){.state = "running", .owner = "me"});
    assert_fails(checkpoint_batch_commit(batch, state, &err), ERROR_CONFLICT);
    struct checkpoint_table *tables;
    struct checkpoint_schema *schemas;
    size_t count;
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(count, 0);
    assert_ok(checkpoint_claim_task(state, "shop", "me", &err));
    assert_ok(checkpoint_batch_commit(batch, state, &err)); /* the batch is as it was */
    assert_ok(checkpoint_list_tables(state, &arena, "shop", &tables, &count, &err));
    assert_int_equal(count, 1);
    assert_string_equal(tables[0].name, "t");
    checkpoint_tables_deinit(tables, count);
    assert_ok(checkpoint_list_schemas(state, &arena, "shop", "s", "t", &schemas, &count, &err));
    assert_int_equal(count, 1);
    assert_ok(checkpoint_batch_commit(batch, state, &err)); /* empty now: nothing happens */
    checkpoint_batch_free(batch);
}

static void test_newest_owner_wins(void **unused) {
    (void)unused;
    struct checkpoint_task old = {.state = "running", .owner = "old", .commits = 1},
                           new = {.state = "running", .owner = "new"};
    struct checkpoint_batch *batch = checkpoint_batch_new();
    checkpoint_batch_add_task(batch, "shop", &old);
    assert_fails(checkpoint_batch_commit(batch, state, &err), ERROR_CONFLICT); /* nobody claimed it */
    assert_ok(checkpoint_claim_task(state, "shop", "old", &err));
    assert_ok(checkpoint_batch_commit(batch, state, &err));
    for (old.commits = 2; old.commits < 4; old.commits++)
        commit_task(&old);
    assert_ok(checkpoint_claim_task(state, "shop", "new", &err));
    struct checkpoint_task back;
    struct state_item item;
    bool found;
    assert_ok(checkpoint_get_task(state, &arena, "shop", &back, &item, &found, &err));
    assert_int_equal(back.commits, 3); /* a claim changes nothing else */
    assert_string_equal(back.owner, "new");
    state_item_deinit(&item);
    checkpoint_batch_add_task(batch, "shop", &old);
    assert_fails(checkpoint_batch_commit(batch, state, &err), ERROR_CONFLICT);
    assert_says("another process captures the task shop now (new)");
    checkpoint_batch_free(batch);
    commit_task(&new);
    checkpoint_batch_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_no_task),           CASE(test_task_comes_back),
        CASE(test_tables_come_back),  CASE(test_unknown_attributes_stay),
        CASE(test_damaged_rows),      CASE(test_schemas_come_back),
        CASE(test_names_in_keys),     CASE(test_batch_is_one_transaction),
        CASE(test_newest_owner_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
