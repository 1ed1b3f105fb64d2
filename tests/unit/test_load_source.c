/* Raw files to the changes that a lake table gets: columns by recorded versions, headers, the last change of each key,
 * values that were not sent. The engine is real, the raw zone is in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "memory_store.h"
#include "task/load_reduce.h"
#include "task/load_scan.h"
#include "task/load_schema.h"
#include "task/load_sql.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME(n) "20261101-10000000" #n ".csv"

enum { FILES_MAX = 8, VERSIONS_MAX = 4 };

struct fixture {
    struct engine *engine;
    struct engine_connection *connection;
    struct config *config;
    struct memory_store store;
    struct arena arena;
    atomic_ullong rows_read;

    struct raw_file files[FILES_MAX];
    struct load_plan plan;
    struct controller_row row;
    struct lake_version lake;
    struct checkpoint_schema schemas[VERSIONS_MAX];
    struct load_format format;
    struct load_schema_input input;
    struct load_schema schema;
};

static int setup(void **state) {
    static const char text[] = "task: t\nsource: {engine: dms}\nraw: {location: 'file:///tmp/raw'}\n"
                               "lake: {location: 'file:///tmp/lake', database: l}\nstate: 'sqlite:///tmp/state.db'\n";
    struct fixture *f = calloc(1, sizeof *f);
    struct error err;
    if (!config_parse(text, strlen(text), "test.yaml", &f->config, &err) ||
        !engine_open(&(struct engine_options){.memory_limit_bytes = 1 << 28, .threads = 2}, &f->engine, &err) ||
        !engine_connect(f->engine, &f->connection, &err))
        fail_msg("%s", err.message);
    f->store = memory_store_new();
    arena_init(&f->arena);
    f->format = load_format_of(f->config, &f->store.base, "s/t/", true);
    f->plan.changes = f->files;
    f->input = (struct load_schema_input){
        .row = &f->row, .plan = &f->plan, .format = &f->format, .lake = &f->lake, .connection = f->connection};
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    engine_disconnect(f->connection);
    engine_close(f->engine);
    config_free(f->config);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static void add_changes(struct fixture *f, const char *name, const char *text) {
    assert_true(f->plan.change_count < FILES_MAX);
    memory_store_add(&f->store, arena_printf(&f->arena, "s/t/%s", name), text, strlen(text), 0);
    f->files[f->plan.change_count++] =
        (struct raw_file){.name = name, .base_name = name, .kind = RAW_CHANGES, .format = RAW_CSV};
}

/* "id 1 bigint; name 2 text; …" with the columns' ids; '=' and a text behind the type is the initial value. */
static void add_version(struct fixture *f, const char *columns, const char *first_file) {
    struct table *table = arena_alloc(&f->arena, sizeof *table);
    struct column *list = arena_alloc(&f->arena, 16 * sizeof *list);
    char *copy = arena_strdup(&f->arena, columns), *rest = NULL;
    *table =
        (struct table){.schema = "s", .name = "t", .version = (uint32_t)f->input.schema_count + 1, .columns = list};
    for (char *text = strtok_r(copy, ";", &rest); text != NULL; text = strtok_r(NULL, ";", &rest)) {
        char name[32], type[32], initial[32] = "";
        unsigned id;
        assert_true(sscanf(text, " %31s %u %31[^=]=%31s", name, &id, type, initial) >= 3);
        struct column *column = &list[table->column_count++];
        *column = (struct column){.name = arena_strdup(&f->arena, name), .id = id, .nullable = true};
        column->initial = initial[0] != '\0' ? arena_strdup(&f->arena, initial) : NULL;
        if (!type_parse(type, &column->type))
            fail_msg("%s is no type", type);
    }
    f->schemas[f->input.schema_count++] = (struct checkpoint_schema){.table = table, .first_file = first_file};
    f->input.schemas = f->schemas;
}

static bool make_schema(struct fixture *f, struct error *err) {
    return load_schema_make(&f->arena, &f->input, &f->schema, err);
}

static bool reduce(struct fixture *f, struct load_changes *changes, struct error *err) {
    struct load_scan *scan;
    if (!make_schema(f, err) || !load_scan_open(f->engine, &f->format, &f->schema, &f->rows_read, &scan, err))
        return false;
    bool ok = load_reduce(f->connection, &f->schema, scan, false, changes, err);
    load_scan_close(scan);
    return ok;
}

/* The changes as text: "U 1 a; D 2 NULL", ordered by the first column; marks behind a '/'. */
static const char *changes_text(struct fixture *f, const struct load_changes *changes) {
    struct engine_result *result;
    struct error err;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_printf(&sql, "SELECT _op");
    for (size_t i = 0; i < f->schema.column_count; i++) {
        buf_append_text(&sql, ", ");
        buf_append_sql_name(&sql, f->schema.columns[i].name);
    }
    buf_printf(&sql, ", _unchanged FROM %s ORDER BY 2, _seq", changes->table);
    if (!engine_query(f->connection, sql.data, &result, &err))
        fail_msg("%s", err.message);
    buf_clear(&sql);
    buf_append_text(&sql, "");
    const struct value *row;
    size_t columns = engine_result_columns(result);
    while (engine_result_next(result, &row, &err) && row != NULL) {
        buf_append_text(&sql, sql.len > 0 ? "; " : "");
        for (size_t i = 0; i < columns; i++) {
            if (i + 1 == columns && row[i].kind == VALUE_NULL)
                break;
            buf_append_text(&sql, i == 0 ? "" : i + 1 == columns ? " /" : " ");
            if (row[i].kind == VALUE_NULL)
                buf_append_text(&sql, "NULL");
            else
                buf_append(&sql, row[i].data, row[i].len);
        }
    }
    engine_result_free(result);
    load_reduce_drop(f->connection);
    const char *text = arena_strdup(&f->arena, sql.data);
    buf_deinit(&sql);
    return text;
}

static void assert_changes(struct fixture *f, const char *want) {
    struct load_changes changes;
    struct error err;
    if (!reduce(f, &changes, &err))
        fail_msg("%s", err.message);
    assert_string_equal(changes_text(f, &changes), want);
    assert_int_equal(changes.has_unchanged, strchr(want, '/') != NULL);
}

static void assert_fails(struct fixture *f, const char *part) {
    struct load_changes changes;
    struct error err;
    if (reduce(f, &changes, &err))
        fail_msg("no error, but: %s", changes_text(f, &changes));
    if (strstr(err.message, part) == NULL)
        fail_msg("%s", err.message);
    load_reduce_drop(f->connection);
}

static const char *columns_text(struct fixture *f) {
    char *text = arena_strdup(&f->arena, "");
    for (size_t i = 0; i < f->schema.column_count; i++) {
        char type[TYPE_TEXT_BYTES];
        type_format(f->schema.columns[i].type, type);
        text = arena_printf(&f->arena, "%s%s%s %s", text, i > 0 ? ", " : "", f->schema.columns[i].name, type);
    }
    return text;
}

/* --- the last change of each key ---------------------------------------------------------------------------------------- */

static void test_the_last_change_decides(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,id,v\nI,1,a\nU,1,b\nI,2,c\nD,3,d\nI,3,e\n");
    add_changes(f, NAME(2), "Op,id,v\nU,2,f\nD,1,b\nU,4,NULL\n");
    assert_changes(f, "D 1 b; U 2 f; I 3 e; U 4 NULL");
}

static void test_each_key_once_is_kept_as_it_is(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "v,id";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,id,v\nI,1,a\nU,1,b\nD,2,a\nU,NULL,a\nU,NULL,NULL\n");
    assert_changes(f, "I 1 a; U 1 b; D 2 a; U NULL a; U NULL NULL");
}

static void test_nulls_of_a_key_are_equal(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,id,v\nI,NULL,a\nU,NULL,b\nI,1,c\n");
    assert_changes(f, "I 1 c; U NULL b");
}

static void test_without_a_key_inserts_alone_count(void **state) {
    struct fixture *f = *state;
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,id,v\nI,1,a\nU,1,b\nI,1,a\nD,1,a\n");
    add_changes(f, NAME(2), "Op,id,v\nI,1,z\n");
    assert_changes(f, "I 1 a; I 1 a; I 1 z");
}

/* --- versions ------------------------------------------------------------------------------------------------------------- */

static void test_columns_follow_their_ids(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 int; old 2 text; gone 3 int", "");
    add_version(f, "added 4 int =7; id 1 bigint; renamed 2 text", NAME(2));
    add_version(f, "added 4 int =9; id 1 bigint; renamed 2 text", NAME(3)); /* another default since */
    add_changes(f, NAME(1), "Op,id,old,gone\nI,1,a,5\n");
    add_changes(f, NAME(2), "Op,added,id,renamed\nI,8,2,b\n");
    struct error err;
    assert_true(make_schema(f, &err));
    assert_string_equal(columns_text(f), "added int, id bigint, renamed string, gone int");
    assert_int_equal(f->schema.part_count, 2);
    assert_string_equal(f->schema.columns[0].initial, "7");
    struct load_changes changes;
    assert_true(reduce(f, &changes, &err));
    const char *text = changes_text(f, &changes);
    assert_string_equal(text, "I 7 1 a 5; I 8 2 b NULL");
}

static void test_a_renamed_key_is_found(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    f->row.partition_key = " v ";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_version(f, "key 1 bigint; v 2 text", NAME(2));
    add_changes(f, NAME(1), "Op,id,v\nI,1,a\n");
    add_changes(f, NAME(2), "Op,key,v\nU,1,b\n");
    assert_changes(f, "U 1 b");
    assert_string_equal(f->schema.key[0], "key");
    assert_string_equal(f->schema.partition[0], "v");
}

static void test_a_name_that_went_to_another_column(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; c 2 int", "");
    add_version(f, "id 1 bigint", NAME(2));
    add_version(f, "id 1 bigint; c 3 text =new", NAME(3));
    add_changes(f, NAME(1), "Op,id,c\nI,1,5\n");
    add_changes(f, NAME(2), "Op,id\nI,2\n");
    add_changes(f, NAME(3), "Op,id,c\nI,3,x\n");
    assert_changes(f, "I 1 new; I 2 new; I 3 x");
}

/* The value had four bytes when it was written, whatever the column is now. */
static void test_a_value_is_read_with_the_type_of_its_file(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 float", "");
    add_version(f, "id 1 bigint; v 2 double", NAME(2));
    add_changes(f, NAME(1), "Op,id,v\nI,1,0.1\n");
    add_changes(f, NAME(2), "Op,id,v\nI,2,0.1\n");
    assert_changes(f, "I 1 0.10000000149011612; I 2 0.1");
}

static void test_a_type_that_no_widening_reaches_is_converted(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 double; w 3 text", "");
    add_version(f, "id 1 bigint; v 2 text; w 3 int", NAME(2));
    add_changes(f, NAME(1), "Op,id,v,w\nI,1,15,7\n");
    add_changes(f, NAME(2), "Op,id,v,w\nI,2,1.5,8\n");
    assert_changes(f, "I 1 15 7; I 2 1.5 8");
    assert_false(f->schema.rewrite);
    static const struct column lake[] = {{.name = "id", .type = {.kind = TYPE_INT64}, .id = 1},
                                         {.name = "v", .type = {.kind = TYPE_FLOAT64}, .id = 2},
                                         {.name = "x", .type = {.kind = TYPE_DATE}, .id = 9}};
    f->lake = (struct lake_version){.number = 1, .columns = lake, .column_count = COUNT(lake)};
    assert_fails(
        f, "column \"v\" is string now and was double in the lake: load the table in full again with sluice capture "
           "--reload");
    struct error err;
    f->input.is_history = true; /* no full load replaces it */
    assert_true(make_schema(f, &err));
    assert_true(f->schema.rewrite);
    assert_string_equal(columns_text(f), "id bigint, v string, w int, x date");
    static const struct column texts[] = {{.name = "w", .type = {.kind = TYPE_STRING}, .id = 3}};
    f->lake = (struct lake_version){.number = 1, .columns = texts, .column_count = COUNT(texts)};
    assert_true(make_schema(f, &err)); /* what is text there stays text */
    assert_false(f->schema.rewrite);
    assert_string_equal(columns_text(f), "id bigint, v string, w string");
}

static void test_a_declared_type_wins(void **state) {
    struct fixture *f = *state;
    static const struct config_column_type declared[] = {{"v", "varchar"}, {"z", "decimal(10,2)"}};
    static const struct config_table config = {.columns = declared, .column_count = COUNT(declared)};
    static const struct column lake[] = {{.name = "id", .type = {.kind = TYPE_INT64}, .id = 1},
                                         {.name = "v", .type = {.kind = TYPE_STRING}, .id = 2}};
    f->input.config = &config;
    f->row.primary_key = "id";
    f->lake = (struct lake_version){.number = 1, .columns = lake, .column_count = COUNT(lake)};
    add_version(f, "id 1 bigint; v 2 text; w 3 double", "");
    add_version(f, "id 1 bigint; v 2 int; z 3 double", NAME(2)); /* w is called z now */
    add_changes(f, NAME(1), "Op,id,v,w\nI,1,007,1.50\n");
    add_changes(f, NAME(2), "Op,id,v,z\nI,2,8,2.5\n");
    assert_changes(f, "I 1 007 1.50; I 2 8 2.50");
    assert_string_equal(columns_text(f), "id bigint, v string, z decimal(10,2)");
}

static void test_hexadecimal_is_not_converted(void **state) {
    struct fixture *f = *state;
    add_version(f, "id 1 bigint; v 2 blob", "");
    add_version(f, "id 1 bigint; v 2 text", NAME(2));
    add_changes(f, NAME(1), "Op,id,v\nI,1,00ff\n");
    add_changes(f, NAME(2), "Op,id,v\nI,2,x\n");
    assert_fails(f, "column \"v\" is string now and was binary");
}

static void test_a_file_must_have_the_recorded_columns(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,id,v,more\nI,1,a,b\n");
    assert_fails(f, "s/t/" NAME(1) ": the table's columns, as they were recorded, do not include \"more\"");
}

static void test_a_file_must_have_the_key(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; v 2 text", "");
    add_changes(f, NAME(1), "Op,v\nI,a\n");
    assert_fails(f, "s/t/" NAME(1) ": the file does not have the key's column \"id\"");
}

static void test_names_that_the_lake_cannot_hold(void **state) {
    static const char *const versions[] = {"id 1 int; OP 2 int", "id 1 int; _seq 2 int", "id 1 int; ID 2 int"};
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct fixture *f = *state;
        f->input.schema_count = 0;
        add_version(f, versions[i], "");
        struct error err;
        assert_false(make_schema(f, &err));
        assert_int_equal(err.kind, ERROR_DATA);
    }
}

/* --- values that were not sent ------------------------------------------------------------------------------------------- */

static void test_an_unsent_value_is_the_one_before(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; a 2 text; b 3 int", "");
    add_changes(f, NAME(1),
                "Op,id,a,b\n"
                "U,1,x,UNCHANGED\nU,1,UNCHANGED,2\nU,1,UNCHANGED,UNCHANGED\n" /* all of it sent, in two changes */
                "U,2,UNCHANGED,2\n"                                           /* a: the lake's */
                "U,3,NULL,1\nU,3,UNCHANGED,3\n"                               /* a NULL was sent */
                "U,4,x,UNCHANGED\nD,4,UNCHANGED,UNCHANGED\nI,4,y,4\nU,4,UNCHANGED,5\n"
                "U,5,UNCHANGED,1\nD,5,UNCHANGED,1\n"
                "U,6,\"UNCHANGED\",1\n"); /* a text */
    assert_changes(f, "U 1 x 2; U 2 NULL 2 /010; U 3 NULL 3; U 4 y 5; D 5 NULL 1; U 6 UNCHANGED 1");
}

static void test_marks_follow_the_columns(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "v 2 text; id 1 bigint; w 3 text", "");
    add_version(f, "id 1 bigint; w 3 text; x 4 text; v 2 text", NAME(2));
    add_changes(f, NAME(1), "Op,v,id,w\nU,UNCHANGED,1,b\n");
    add_changes(f, NAME(2), "Op,id,w,x,v\nU,2,UNCHANGED,c,d\n");
    assert_changes(f, "U 1 b NULL NULL /0001; U 2 NULL c d /0100");
}

static void test_an_unsent_value_of_a_row_that_is_gone(void **state) {
    struct fixture *f = *state;
    f->row.primary_key = "id";
    add_version(f, "id 1 bigint; a 2 text", "");
    add_changes(f, NAME(1), "Op,id,a\nD,1,x\nU,1,UNCHANGED\n");
    assert_fails(f, "1 rows came back after a delete");
}

static void test_an_unsent_value_without_a_key(void **state) {
    struct fixture *f = *state;
    add_version(f, "id 1 bigint; a 2 text", "");
    add_changes(f, NAME(1), "Op,id,a\nI,1,UNCHANGED\n");
    assert_fails(f, "1 inserts hold values");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(test_the_last_change_decides),
        TEST(test_each_key_once_is_kept_as_it_is),
        TEST(test_nulls_of_a_key_are_equal),
        TEST(test_without_a_key_inserts_alone_count),
        TEST(test_columns_follow_their_ids),
        TEST(test_a_renamed_key_is_found),
        TEST(test_a_name_that_went_to_another_column),
        TEST(test_a_value_is_read_with_the_type_of_its_file),
        TEST(test_a_declared_type_wins),
        TEST(test_a_type_that_no_widening_reaches_is_converted),
        TEST(test_hexadecimal_is_not_converted),
        TEST(test_a_file_must_have_the_recorded_columns),
        TEST(test_a_file_must_have_the_key),
        TEST(test_names_that_the_lake_cannot_hold),
        TEST(test_an_unsent_value_is_the_one_before),
        TEST(test_marks_follow_the_columns),
        TEST(test_an_unsent_value_of_a_row_that_is_gone),
        TEST(test_an_unsent_value_without_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
