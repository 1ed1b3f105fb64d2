#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct column product_columns[] = {
    {.name = "id", .type = {TYPE_UINT32, 0, 0}, .id = 1, .source_type = "int(10) unsigned"},
    {.name = "näme", .type = {TYPE_STRING, 0, 0}, .nullable = true, .id = 2, .source_type = "varchar(40)"},
    {.name = "price", .type = {TYPE_DECIMAL, 10, 2}, .nullable = true, .id = 5, .initial = "0.00"},
    {.name = "seen", .type = {TYPE_TIMESTAMP, 0, 3}, .nullable = true, .id = 7, .source_id = 9},
};
static const uint16_t product_key[] = {3, 0};
static const struct table product = {.schema = "shop",
                                     .name = "product",
                                     .version = 4,
                                     .source_id = 16384,
                                     .source_stamp = "735;16384:16390",
                                     .columns = product_columns,
                                     .column_count = COUNT(product_columns),
                                     .key = product_key,
                                     .key_count = COUNT(product_key)};

static void assert_text(const char *a, const char *b) {
    if (a == NULL || b == NULL)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void assert_tables_equal(const struct table *a, const struct table *b) {
    assert_string_equal(a->schema, b->schema);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->source_id, b->source_id);
    assert_string_equal(a->source_stamp != NULL ? a->source_stamp : "", b->source_stamp != NULL ? b->source_stamp : "");
    assert_int_equal(a->column_count, b->column_count);
    for (size_t i = 0; i < a->column_count; i++) {
        assert_string_equal(a->columns[i].name, b->columns[i].name);
        assert_true(type_equal(a->columns[i].type, b->columns[i].type));
        assert_int_equal(a->columns[i].nullable, b->columns[i].nullable);
        assert_int_equal(a->columns[i].id, b->columns[i].id);
        assert_int_equal(a->columns[i].source_id, b->columns[i].source_id);
        assert_text(a->columns[i].source_type, b->columns[i].source_type);
        assert_text(a->columns[i].initial, b->columns[i].initial);
    }
    assert_int_equal(a->key_count, b->key_count);
    for (size_t i = 0; i < a->key_count; i++)
        assert_int_equal(a->key[i], b->key[i]);
}

static void test_find_column(void **state) {
    (void)state;
    assert_int_equal(table_find_column(&product, "id"), 0);
    assert_int_equal(table_find_column(&product, "seen"), 3);
    assert_int_equal(table_find_column(&product, "ID"), -1);
    assert_int_equal(table_find_column(&product, ""), -1);
}

static void test_copy(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct table *copy = table_copy(&arena, &product);
    assert_tables_equal(copy, &product);
    assert_ptr_not_equal(copy->columns, product.columns);
    assert_ptr_not_equal(copy->columns[1].name, product.columns[1].name);
    assert_ptr_not_equal(copy->key, product.key);
    const struct table empty = {.schema = "s", .name = "t"};
    assert_tables_equal(table_copy(&arena, &empty), &empty);
    arena_deinit(&arena);
}

static void test_json_and_back(void **state) {
    (void)state;
    struct arena arena;
    struct error err;
    struct table *back;
    arena_init(&arena);
    json_t *json = table_to_json(&product);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"schema\":\"shop\",\"name\":\"product\",\"version\":4,\"columns\":["
                              "{\"id\":1,\"name\":\"id\",\"type\":\"int unsigned\",\"nullable\":false,"
                              "\"source_type\":\"int(10) unsigned\",\"initial\":null},"
                              "{\"id\":2,\"name\":\"n\xC3\xA4me\",\"type\":\"string\",\"nullable\":true,"
                              "\"source_type\":\"varchar(40)\",\"initial\":null},"
                              "{\"id\":5,\"name\":\"price\",\"type\":\"decimal(10,2)\",\"nullable\":true,"
                              "\"source_type\":null,\"initial\":\"0.00\"},"
                              "{\"id\":7,\"name\":\"seen\",\"type\":\"timestamp(3)\",\"nullable\":true,"
                              "\"source_type\":null,\"initial\":null,\"source_id\":9}],"
                              "\"key\":[\"seen\",\"id\"],\"source_id\":16384,\"source_stamp\":\"735;16384:16390\"}");
    assert_true(table_from_json(&arena, json, &back, &err));
    json_decref(json); /* nothing of the copy may live in the JSON */
    free(text);
    assert_tables_equal(back, &product);
    arena_deinit(&arena);
}

static void test_json_refuses(void **state) {
    (void)state;
#define COLUMN "{\"id\":1,\"name\":\"id\",\"type\":\"int\",\"nullable\":false}"
    static const struct {
        const char *json, *message;
    } cases[] = {
        {"{}", "schema"},
        {"[]", "schema"},
        {"{\"schema\":\"s\",\"name\":1}", "name"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"columns\":[],\"key\":[]}", "version"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":-1,\"columns\":[],\"key\":[]}", "version"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"key\":[]}", "columns"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[{}],\"key\":[]}", "without \"name\""},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[{\"name\":\"a\",\"type\":\"x\"}],\"key\":[]}",
         "column \"a\": \"x\" is no type"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[{\"name\":\"a\",\"type\":\"int\"}],\"key\":[]}",
         "nullable"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[{\"name\":\"a\",\"type\":\"int\","
         "\"nullable\":true}],\"key\":[]}",
         "\"id\""},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[" COLUMN "," COLUMN "],\"key\":[]}", "twice"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[" COLUMN "],\"key\":[\"b\"]}", "s.t: "},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[" COLUMN "],\"key\":[\"b\"]}", "\"b\""},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[" COLUMN "],\"key\":[0]}", "key"},
        {"{\"schema\":\"s\",\"name\":\"t\",\"version\":1,\"columns\":[" COLUMN "]}", "key"},
    };
#undef COLUMN
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct error err = {0};
        struct table *out;
        arena_init(&arena);
        json_t *json = json_loads(cases[i].json, 0, NULL);
        assert_non_null(json);
        assert_false(table_from_json(&arena, json, &out, &err));
        assert_int_equal(err.kind, ERROR_DATA);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: the message \"%s\" does not say \"%s\"", cases[i].json, err.message, cases[i].message);
        json_decref(json);
        arena_deinit(&arena);
    }
}

enum { CASE_COLUMNS = 4 };

static void test_assign_ids(void **state) {
    (void)state;
    static const struct {
        const char *what;
        const char *before[CASE_COLUMNS], *after[CASE_COLUMNS];
        struct column_rename renames[2];
        uint32_t want[CASE_COLUMNS];
        uint32_t next_id;
    } cases[] = {
        /* the columns before have the ids 1, 2, 3, …; id 9 was given last */
        {"nothing changes", {"a", "b"}, {"a", "b"}, {{0}}, {1, 2}, 9},
        {"another order", {"a", "b"}, {"b", "a"}, {{0}}, {2, 1}, 9},
        {"a column more, in front", {"a", "b"}, {"c", "a", "b"}, {{0}}, {10, 1, 2}, 10},
        {"two columns more", {"a"}, {"a", "c", "d"}, {{0}}, {1, 10, 11}, 11},
        {"a column less", {"a", "b", "c"}, {"a", "c"}, {{0}}, {1, 3}, 9},
        {"a rename", {"a", "b"}, {"a", "c"}, {{"b", "c"}}, {1, 2}, 9},
        {"two names swapped", {"a", "b"}, {"b", "a"}, {{"a", "b"}, {"b", "a"}}, {1, 2}, 9},
        {"renamed, and a new one of the old name", {"a", "b"}, {"a", "c", "b"}, {{"b", "c"}}, {1, 2, 10}, 10},
        {"a name that moves on", {"a", "b"}, {"b", "c"}, {{"a", "b"}, {"b", "c"}}, {1, 2}, 9},
        {"a rename of what is not there", {"a"}, {"a", "c"}, {{"x", "c"}}, {1, 10}, 10},
        {"case matters", {"a"}, {"A"}, {{0}}, {10}, 10},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct column before[CASE_COLUMNS] = {{0}}, after[CASE_COLUMNS] = {{0}};
        struct table previous = {.schema = "s", .name = "t", .version = 6, .columns = before};
        struct table next = {.schema = "s", .name = "t", .columns = after};
        for (size_t c = 0; c < CASE_COLUMNS && cases[i].before[c] != NULL; c++, previous.column_count++)
            before[c] = (struct column){.name = cases[i].before[c], .id = (uint32_t)c + 1};
        for (size_t c = 0; c < CASE_COLUMNS && cases[i].after[c] != NULL; c++, next.column_count++)
            after[c] = (struct column){.name = cases[i].after[c]};
        size_t renames = 0;
        while (renames < COUNT(cases[i].renames) && cases[i].renames[renames].from != NULL)
            renames++;
        uint32_t next_id = 9;
        table_assign_ids(&next, &previous, cases[i].renames, renames, &next_id);
        for (size_t c = 0; c < next.column_count; c++)
            if (after[c].id != cases[i].want[c])
                fail_msg("%s: column %s has id %u, want %u", cases[i].what, after[c].name, after[c].id,
                         cases[i].want[c]);
        assert_int_equal(next_id, cases[i].next_id);
        assert_int_equal(next.version, 7);
    }
}

static void test_assign_ids_first_version(void **state) {
    (void)state;
    struct column columns[] = {{.name = "a"}, {.name = "b", .id = 77}};
    struct table table = {.schema = "s", .name = "t", .columns = columns, .column_count = 2};
    uint32_t next_id = 0;
    table_assign_ids(&table, NULL, NULL, 0, &next_id);
    assert_int_equal(columns[0].id, 1);
    assert_int_equal(columns[1].id, 2);
    assert_int_equal(next_id, 2);
    assert_int_equal(table.version, 1);
}

static void test_name_matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool want;
    } cases[] = {
        {"%", "", true},
        {"%", "anything", true},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"product", "product", true},
        {"product", "Product", false},
        {"product", "products", false},
        {"products", "product", false},
        {"prod%", "product", true},
        {"prod%", "prod", true},
        {"%duct", "product", true},
        {"%duct", "ducts", false},
        {"p%t", "product", true},
        {"p%d%t", "product", true},
        {"%o%u%", "product", true},
        {"%u%o%", "product", false},
        {"%aab", "aaaab", true},
        {"%a%b%c", "xaxbxbxc", true},
        {"%%", "", true},
        {"_", "a", true},
        {"_", "", false},
        {"_", "ab", false},
        {"_", "\xC3\xA4", true},
        {"__", "\xC3\xA4", false},
        {"_", "\xF0\x9F\x99\x82", true},
        {"a_c", "abc", true},
        {"a_c",
         "a\xE5\xA4\xA7"
         "c",
         true},
        {"a_%", "a", false},
        {"a_%", "ab", true},
        {"a[_]c", "a_c", true},
        {"a[_]c", "abc", false},
        {"[%]", "%", true},
        {"[%]", "a", false},
        {"t[ab]", "ta", true},
        {"t[ab]", "tb", true},
        {"t[ab]", "tc", false},
        {"t[a-d]", "tc", true},
        {"t[a-d]", "te", false},
        {"t[a-d]", "t-", false},
        {"t[a-d]", "t", false},
        {"t[a-]", "t-", true},
        {"t[a-]", "tb", false},
        {"t[0-9][0-9]%", "t42_x", true},
        {"t[0-9][0-9]%", "t4x", false},
        {"[\xC3\xA4\xC3\xB6]", "\xC3\xB6", true},
        {"[\xC3\xA4-\xC3\xBC]", "\xC3\xB6", true},
        {"[\xC3\xA4-\xC3\xBC]", "\xC4\x80", false},
        {"[a-z]", "\xC3\xB6", false},
        {"[]", "a", false},
        {"a[b", "a[b", true}, /* a set that is not closed is no set */
        {"a[b", "ab", false},
        {"%[x]%", "axb", true},
        {"%[x]%", "ayb", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (table_name_matches(cases[i].pattern, cases[i].name) != cases[i].want)
            fail_msg("%s against %s: want %d", cases[i].name, cases[i].pattern, cases[i].want);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_column),   cmocka_unit_test(test_copy),
        cmocka_unit_test(test_json_and_back), cmocka_unit_test(test_json_refuses),
        cmocka_unit_test(test_assign_ids),    cmocka_unit_test(test_assign_ids_first_version),
        cmocka_unit_test(test_name_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
