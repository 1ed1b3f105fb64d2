/* Table mappings: the parser and what it refuses, selection, and filters against values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mapping/mapping.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct mapping *parse(const char *text) {
    struct mapping *mapping;
    struct error err = {0};
    if (!mapping_parse(text, strlen(text), "m.json", &mapping, &err))
        fail_msg("%s", err.message);
    return mapping;
}

/* --- the parser */

#define RULES(rules) "{\"rules\": [" rules "]}"
#define SELECT(id, schema, table, action, more)                                                                        \
    "{\"rule-type\": \"selection\", \"rule-id\": \"" id "\", \"rule-name\": \"n\", \"object-locator\": "               \
    "{\"schema-name\": \"" schema "\", \"table-name\": \"" table "\"}, \"rule-action\": \"" action "\"" more "}"
#define FILTER(column, conditions)                                                                                     \
    "{\"filter-type\": \"source\", \"column-name\": \"" column "\", \"filter-conditions\": [" conditions "]}"
#define FILTERED(filters) RULES(SELECT("1", "s", "t", "include", ", \"filters\": [" filters "]"))
#define ONE(operation, value) "{\"filter-operator\": \"" operation "\", \"value\": \"" value "\"}"
#define TWO(operation, low, high)                                                                                      \
    "{\"filter-operator\": \"" operation "\", \"start-value\": \"" low "\", \"end-value\": \"" high "\"}"
#define NONE(operation) "{\"filter-operator\": \"" operation "\"}"

static void test_errors_say_where_and_what_is_known(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"rules\": [\n{]}", "m.json:2: "},
        {"[]", "the file has to be an object"},
        {"{}", "\"rules\" has to be a list"},
        {"{\"rules\": [], \"more\": 1}", "the key \"more\" is not known; known are rules"},
        {RULES(""), "there is no selection rule that includes a table"},
        {RULES(SELECT("1", "s", "t", "exclude", "")), "there is no selection rule that includes a table"},
        {RULES("7"), "rule 1 has to be an object"},
        {RULES("{\"rule-type\": \"selection\"}"), "rule 1: m.json: \"rule-id\" is missing"},
        {RULES(SELECT("1", "s", "t", "include", "") "," SELECT("1", "s", "u", "include", "")),
         "rule-id 1: this rule-id is there twice"},
        {RULES("{\"rule-type\": \"election\", \"rule-id\": 7}"),
         "rule-id 7: rule-type \"election\" is not known; known are selection"},
        {RULES(SELECT("1", "s", "t", "inclued", "")),
         "rule-action \"inclued\" is not known; known are include, exclude, explicit"},
        {RULES(SELECT("1", "s", "t", "include", ", \"fliters\": []")),
         "rule-id 1: a selection rule: the key \"fliters\" is not known; known are rule-type, "},
        {RULES(SELECT("1", "s", "t%", "explicit", "")), "explicit names one table"},
        {RULES(SELECT("1", "s", "t", "include", ", \"load-order\": \"first\"")),
         "load-order \"first\" has to be a whole number"},
        {RULES("{\"rule-type\": \"selection\", \"rule-id\": \"1\", \"rule-action\": \"include\"}"),
         "object-locator has to be an object"},
        {RULES("{\"rule-type\": \"selection\", \"rule-id\": \"1\", \"rule-action\": \"include\", \"object-locator\": "
               "{\"schema-name\": \"s\"}}"),
         "\"table-name\" is missing"},
        {RULES("{\"rule-type\": \"selection\", \"rule-id\": \"1\", \"rule-action\": \"include\", \"object-locator\": "
               "{\"schema-name\": \"s\", \"table-name\": \"t\", \"table-type\": \"view\"}}"),
         "table-type \"view\" is not captured"},
        {RULES(SELECT("1", "s", "t", "exclude", ", \"filters\": [" FILTER("a", ONE("eq", "1")) "]")),
         "\"filters\" are for rule-action include"},
        {FILTERED(FILTER("a", "")), "the filter of a needs a list"},
        {FILTERED(FILTER("a", ONE("like", "1"))), "filter-operator \"like\" is not known; known are eq, noteq"},
        {FILTERED(FILTER("a", NONE("eq"))), "filter-operator eq: m.json: rule-id 1: \"value\" is missing"},
        {FILTERED(FILTER("a", ONE("between", "1"))), "\"start-value\" is missing"},
        {FILTERED(FILTER("a", ONE("null", "1"))), "filter-operator null takes no value"},
        {FILTERED(FILTER("a", ONE("noteq", "1") "," ONE("eq", "2"))), "noteq has to be the only condition"},
        {FILTERED("{\"filter-type\": \"target\"}"), "filter-type \"target\" is not known; known are source"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping *mapping;
        struct error err = {0};
        assert_false(mapping_parse(cases[i].text, strlen(cases[i].text), "m.json", &mapping, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        if (strstr(err.message, cases[i].message) == NULL || strstr(err.message, "m.json") == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, err.message);
    }
}

/* --- selection */

static void test_selection(void **state) {
    (void)state;
    struct mapping *mapping = parse(RULES(SELECT("1", "shop%", "%", "include", ", \"load-order\": 1") "," SELECT(
        "2", "%", "tmp[_]%", "exclude",
        "") "," SELECT("3", "hr", "a_b", "explicit",
                       ", \"load-order\": \"9\"") "," SELECT("4", "shop", "first", "include",
                                                             ", \"load-order\": 5") ",{\"rule-type\": "
                                                                                    "\"table-settings\", \"rule-id\": "
                                                                                    "\"5\", \"object-locator\": {}, "
                                                                                    "\"parallel-load\": {}}"));
    static const struct {
        const char *schema, *table;
        bool chosen;
        int64_t order;
    } cases[] = {
        {"shop", "orders", true, 1}, {"shop2", "orders", true, 1}, {"Shop", "orders", false, 0},
        {"shop", "tmp_x", false, 1}, {"shop", "tmpx", true, 1},    {"hr", "a_b", true, 9},
        {"hr", "axb", false, 0},     {"shop", "first", true, 5},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(mapping_selects(mapping, cases[i].schema, cases[i].table), cases[i].chosen);
        assert_int_equal(mapping_load_order(mapping, cases[i].schema, cases[i].table), cases[i].order);
    }
    assert_true(mapping_has_selection(mapping));
    assert_false(mapping_has_selection(NULL));
    struct table there = {.schema = "hr", .name = "a_b"}, other = {.schema = "hr", .name = "axb"};
    struct table *tables[] = {&other, &there};
    assert_string_equal(mapping_find_missing(mapping, tables, 1).table, "a_b");
    assert_null(mapping_find_missing(mapping, tables, 2).schema);
    mapping_free(mapping);
}

static void test_fingerprint(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct mapping *one = parse(FILTERED(FILTER("a", ONE("eq", "1"))));
    struct mapping *again = parse(RULES(SELECT("9", "%", "%", "include", "") "," SELECT(
        "8", "s", "t", "include", ", \"load-order\": 3, \"filters\": [" FILTER("a", ONE("eq", "1")) "]")));
    struct mapping *other = parse(FILTERED(FILTER("a", ONE("eq", "2"))));
    const char *text = mapping_fingerprint(one, &arena, "s", "t");
    assert_non_null(text);
    assert_string_equal(text, mapping_fingerprint(again, &arena, "s", "t"));
    assert_string_not_equal(text, mapping_fingerprint(other, &arena, "s", "t"));
    assert_null(mapping_fingerprint(one, &arena, "s", "u"));
    assert_null(mapping_fingerprint(NULL, &arena, "s", "t"));
    mapping_free(one);
    mapping_free(again);
    mapping_free(other);
    arena_deinit(&arena);
}

/* --- filters */

static struct value value_of(const char *text, uint8_t kind) {
    return (struct value){.data = text, .len = text != NULL ? (uint32_t)strlen(text) : 0, .kind = kind};
}

struct filter_case {
    const char *type, *conditions;
    const char *passes[6], *fails[6];
};

#define C(conditions) FILTERED(FILTER("c", conditions))

static const struct filter_case filter_cases[] = {
    {"bigint", C(ONE("eq", "10")), {"10", "010"}, {"1", "-10", "100", NULL}},
    {"bigint", C(ONE("eq", "+10.0")), {"10"}, {"11"}},
    {"bigint", C(ONE("noteq", "10")), {"9", "-10"}, {"10"}},
    {"bigint",
     C(ONE("gte", "-5")),
     {"-5", "-4", "0", "5", "9223372036854775807"},
     {"-6", "-50", "-9223372036854775808"}},
    {"bigint", C(ONE("lte", "10.5")), {"10", "-11"}, {"11", "100"}},
    {"bigint", C(ONE("ste", "10")), {"10", "9"}, {"11"}},
    {"decimal(38,10)", C(ONE("eq", "1.50")), {"1.5", "1.5000000000", "01.50"}, {"1.5000000001", "-1.5"}},
    {"decimal(38,10)", C(ONE("gte", "0")), {"0", "-0", "0.0000000001"}, {"-0.0000000001"}},
    {"decimal(38,0)",
     C(ONE("gte", "99999999999999999999999999999999999998")),
     {"99999999999999999999999999999999999999"},
     {"99999999999999999999999999999999999997", "9"}},
    {"bigint", C(TWO("between", "2", "4")), {"2", "3", "4"}, {"1", "5", "-3", "30"}},
    {"bigint", C(TWO("notbetween", "2", "4")), {"1", "5"}, {"2", "3", "4"}},
    {"bigint",
     C(ONE("lte", "1") "," TWO("between", "5", "7") "," ONE("gte", "100")),
     {"0", "1", "6", "100"},
     {"2", "50"}},
    {"double", C(ONE("gte", "1.5")), {"1.5", "1e10", "inf", "nan"}, {"1.4999", "-inf"}},
    {"double", C(ONE("eq", "1e2")), {"100", "1e2"}, {"nan", "99.9"}},
    {"float", C(ONE("eq", "0.5")), {"0.5"}, {"0.25"}},
    {"float", C(ONE("eq", "0.1")), {NULL}, {"0.1"}}, /* a float is not 0.1, in SQL neither */
    {"date", C(ONE("gte", "2026-03-01")), {"2026-03-01", "2026-10-01"}, {"2026-02-28", "0999-01-01"}},
    {"date", C(ONE("gte", "2026-03-01 00:00:01")), {"2026-03-02"}, {"2026-03-01"}},
    {"timestamp(6)",
     C(ONE("eq", "2026-03-01")),
     {"2026-03-01 00:00:00", "2026-03-01 00:00:00.000000"},
     {"2026-03-01 00:00:00.000001"}},
    {"timestamp(6)",
     C(ONE("lte", "2026-03-01 10:00:00.5")),
     {"2026-03-01 10:00:00.500000"},
     {"2026-03-01 10:00:00.500001"}},
    {"timestamptz(6)", C(ONE("eq", "2026-03-01 10:00:00+02:00")), {"2026-03-01 08:00:00"}, {"2026-03-01 10:00:00"}},
    {"time(0)", C(ONE("gte", "08:00:00")), {"08:00:00", "10:00:00"}, {"07:59:59"}},
    {"string", C(ONE("eq", "open")), {"open"}, {"Open", "open ", "ope", ""}},
    {"string", C(ONE("eq", "")), {""}, {" "}},
    {"string", C(ONE("noteq", "open")), {"Open", ""}, {"open"}},
    {"string", C(ONE("gte", "b")), {"b", "ba", "\xc3\xa4"}, {"a", "B", "az"}},
    {"string", C(TWO("between", "a", "b")), {"a", "az", "b"}, {"ba", "A"}},
    {"boolean", C(ONE("eq", "true")), {"true", "1"}, {"false", "0"}},
    {"boolean", C(ONE("noteq", "0")), {"true"}, {"false"}},
};

static struct table *table_of(struct arena *arena, const char *type) {
    struct column *column = arena_alloc(arena, sizeof *column);
    struct table *table = arena_alloc(arena, sizeof *table);
    *column = (struct column){.name = "c", .nullable = true};
    assert_true(type_parse(type, &column->type));
    *table = (struct table){.schema = "s", .name = "t", .columns = column, .column_count = 1};
    return table;
}

static enum mapping_pass ask(const struct mapping_filter *filter, struct value value) {
    struct error err = {0};
    enum mapping_pass pass;
    if (!mapping_filter_row(filter, &value, NULL, &pass, &err))
        fail_msg("%s", err.message);
    return pass;
}

static void test_filters(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(filter_cases); i++) {
        const struct filter_case *c = &filter_cases[i];
        struct mapping *mapping = parse(c->conditions);
        struct arena arena;
        arena_init(&arena);
        const struct mapping_filter *filter;
        struct error err = {0};
        if (!mapping_bind_filter(mapping, &arena, table_of(&arena, c->type), &filter, &err))
            fail_msg("case %zu: %s", i, err.message);
        for (size_t v = 0; v < COUNT(c->passes) && c->passes[v] != NULL; v++)
            if (ask(filter, value_of(c->passes[v], VALUE_TEXT)) != MAPPING_PASSES)
                fail_msg("case %zu: %s has to pass", i, c->passes[v]);
        for (size_t v = 0; v < COUNT(c->fails) && c->fails[v] != NULL; v++)
            if (ask(filter, value_of(c->fails[v], VALUE_TEXT)) != MAPPING_FAILS)
                fail_msg("case %zu: %s must not pass", i, c->fails[v]);
        assert_int_equal(ask(filter, value_of(NULL, VALUE_NULL)), MAPPING_FAILS);
        assert_int_equal(ask(filter, value_of(NULL, VALUE_UNCHANGED)), MAPPING_UNCLEAR);
        arena_deinit(&arena);
        mapping_free(mapping);
    }
}

static void test_bytes_and_null(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct error err = {0};
    const struct mapping_filter *filter;
    struct mapping *mapping = parse(C(ONE("eq", "00FF")));
    assert_true(mapping_bind_filter(mapping, &arena, table_of(&arena, "binary"), &filter, &err));
    assert_int_equal(ask(filter, (struct value){.data = "\0\xff", .len = 2, .kind = VALUE_BYTES}), MAPPING_PASSES);
    assert_int_equal(ask(filter, (struct value){.data = "\0\xfe", .len = 2, .kind = VALUE_BYTES}), MAPPING_FAILS);
    mapping_free(mapping);
    for (int notnull = 0; notnull < 2; notnull++) {
        mapping = parse(notnull ? C(NONE("notnull")) : C(NONE("null")));
        assert_true(mapping_bind_filter(mapping, &arena, table_of(&arena, "json"), &filter, &err));
        assert_int_equal(ask(filter, value_of("{}", VALUE_TEXT)), notnull ? MAPPING_PASSES : MAPPING_FAILS);
        assert_int_equal(ask(filter, value_of(NULL, VALUE_NULL)), notnull ? MAPPING_FAILS : MAPPING_PASSES);
        mapping_free(mapping);
    }
    arena_deinit(&arena);
}

static const struct column two_columns[] = {{.name = "a", .type = {TYPE_INT32, 0, 0}},
                                            {.name = "b", .type = {TYPE_STRING, 0, 0}}};
static const struct table two = {.schema = "s", .name = "t", .columns = two_columns, .column_count = 2};

static void test_several_filters_and_what_was_not_sent(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct error err = {0};
    const struct mapping_filter *filter;
    /* Filters of all rules that speak of the table are combined. */
    struct mapping *mapping = parse(RULES(SELECT("1", "%", "%", "include", "") "," SELECT(
        "2", "s", "t", "include",
        ", \"filters\": [" FILTER("a", ONE("gte", "5")) "]") "," SELECT("3", "s", "%", "include",
                                                                        ", \"filters\": [" FILTER(
                                                                            "b",
                                                                            ONE("eq", "x") "," NONE("null")) "]")));
    assert_true(mapping_bind_filter(mapping, &arena, &two, &filter, &err));
    const struct value five = value_of("5", VALUE_PLAIN), four = value_of("4", VALUE_PLAIN),
                       x = value_of("x", VALUE_TEXT), y = value_of("y", VALUE_TEXT), null = value_of(NULL, VALUE_NULL),
                       unsent = value_of(NULL, VALUE_UNCHANGED);
    const struct {
        struct value values[2], old[2];
        bool has_old;
        enum mapping_pass pass;
    } cases[] = {
        {{five, x}, {five, x}, false, MAPPING_PASSES},
        {{five, null}, {five, x}, false, MAPPING_PASSES},
        {{five, y}, {five, x}, false, MAPPING_FAILS},
        {{four, x}, {five, x}, false, MAPPING_FAILS},
        {{unsent, y}, {five, x}, false, MAPPING_FAILS},
        {{unsent, x}, {five, x}, false, MAPPING_UNCLEAR},
        {{unsent, x}, {five, y}, true, MAPPING_PASSES},
        {{unsent, x}, {four, y}, true, MAPPING_FAILS},
        {{five, unsent}, {unsent, unsent}, true, MAPPING_UNCLEAR},
        {{four, unsent}, {unsent, unsent}, true, MAPPING_FAILS},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum mapping_pass pass;
        assert_true(mapping_filter_row(filter, cases[i].values, cases[i].has_old ? cases[i].old : NULL, &pass, &err));
        if (pass != cases[i].pass)
            fail_msg("case %zu: %d", i, pass);
    }
    mapping_free(mapping);
    arena_deinit(&arena);
}

static void test_filters_that_cannot_be_bound(void **state) {
    (void)state;
    static const struct {
        const char *type, *rules, *message;
    } cases[] = {
        {"int", FILTERED(FILTER("nowhere", ONE("eq", "1"))),
         "rule-id 1: the rules filter it by column nowhere, which it does not have"},
        {"int", C(ONE("eq", "1x")), "the filter of column c: \"1x\" is not a value of its type int"},
        {"int", C(ONE("eq", "")), "is not a value"},
        {"int", C(TWO("between", "1", "1e2")), "\"1e2\" is not a value"},
        {"date", C(ONE("eq", "2026-02-30")), "\"2026-02-30\" is not a value of its type date"},
        {"timestamp(0)", C(ONE("eq", "2026-02-03 04:05:06+01")), "is not a value"},
        {"boolean", C(ONE("eq", "yes")), "is not a value"},
        {"binary", C(ONE("eq", "0f0")), "(hexadecimal)"},
        {"json", C(ONE("eq", "{}")), "a json column can only be null or notnull"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping *mapping = parse(cases[i].rules);
        struct arena arena;
        arena_init(&arena);
        const struct mapping_filter *filter;
        struct error err = {0};
        assert_false(mapping_bind_filter(mapping, &arena, table_of(&arena, cases[i].type), &filter, &err));
        assert_int_equal(err.kind, ERROR_DATA);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, err.message);
        arena_deinit(&arena);
        mapping_free(mapping);
    }
}

/* --- names and columns */

#define TRANSFORM(id, target, locator, action, more)                                                                   \
    "{\"rule-type\": \"transformation\", \"rule-id\": \"" id "\", \"rule-name\": \"n\", \"rule-target\": \"" target    \
    "\", \"object-locator\": {" locator "}, \"rule-action\": \"" action "\"" more "}"
#define AT_SCHEMA "\"schema-name\": \"Shop\""
#define AT_TABLE AT_SCHEMA ", \"table-name\": \"Order%\""
#define AT_COLUMN(column) AT_TABLE ", \"column-name\": \"" column "\""
#define VALUE(value) ", \"value\": \"" value "\""
#define OLD(value) ", \"old-value\": \"" value "\""
#define ALL SELECT("0", "%", "%", "include", "")
#define WITH(rules) "{\"rules\": [" ALL ", " rules "]}"

static void test_transformations_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {WITH(TRANSFORM("1", "row", AT_TABLE, "rename", "")),
         "rule-target \"row\" is not known; known are schema, table, column"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "drop", "")),
         "rule-action \"drop\" is not known; known are rename, convert-lowercase"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "rename", "")),
         "rule-action rename: m.json: rule-id 1: \"value\" is missing"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "rename", VALUE(""))), "rename takes no empty text"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "replace-prefix", VALUE("x"))), "\"old-value\" is missing"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "remove-column", "")),
         "rule-action remove-column is not for rule-target table"},
        {WITH(TRANSFORM("1", "table", AT_SCHEMA, "rename", VALUE("x"))), "\"table-name\" is missing"},
        {WITH(TRANSFORM("1", "column", AT_TABLE, "rename", VALUE("x"))), "\"column-name\" is missing"},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "rename", VALUE("x") ", \"filters\": []")),
         "the key \"filters\" is not known"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mapping *mapping;
        struct error err = {0};
        assert_false(mapping_parse(cases[i].text, strlen(cases[i].text), "m.json", &mapping, &err));
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, err.message);
    }
}

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *rules, *schema, *table;
    } cases[] = {
        {TRANSFORM("1", "schema", AT_SCHEMA, "rename", VALUE("lake")), "lake", "Orders_x"},
        {TRANSFORM("1", "table", AT_TABLE, "rename", VALUE("o")), "Shop", "o"},
        {TRANSFORM("1", "table", AT_TABLE, "convert-lowercase", ""), "Shop", "orders_x"},
        {TRANSFORM("1", "table", AT_TABLE, "convert-uppercase", ""), "Shop", "ORDERS_X"},
        {TRANSFORM("1", "table", AT_TABLE, "add-prefix", VALUE("p_")), "Shop", "p_Orders_x"},
        {TRANSFORM("1", "table", AT_TABLE, "add-suffix", VALUE("_s")), "Shop", "Orders_x_s"},
        {TRANSFORM("1", "table", AT_TABLE, "remove-prefix", VALUE("Ord")), "Shop", "ers_x"},
        {TRANSFORM("1", "table", AT_TABLE, "remove-prefix", VALUE("ord")), "Shop", "Orders_x"},
        {TRANSFORM("1", "table", AT_TABLE, "remove-suffix", VALUE("_x")), "Shop", "Orders"},
        {TRANSFORM("1", "table", AT_TABLE, "remove-suffix", VALUE("longer than the name")), "Shop", "Orders_x"},
        {TRANSFORM("1", "table", AT_TABLE, "replace-prefix", OLD("Order") VALUE("Invoice")), "Shop", "Invoices_x"},
        {TRANSFORM("1", "table", AT_TABLE, "replace-suffix", OLD("_x") VALUE("_y")), "Shop", "Orders_y"},
        {TRANSFORM("1", "table", AT_SCHEMA ", \"table-name\": \"Other\"", "rename", VALUE("o")), "Shop", "Orders_x"},
        {TRANSFORM("1", "schema", "\"schema-name\": \"%\"", "convert-lowercase",
                   "") "," TRANSFORM("2", "schema", AT_SCHEMA, "add-suffix",
                                     VALUE("_A")) "," TRANSFORM("3", "table", AT_TABLE, "add-prefix", VALUE("A")),
         "shop_A", "AOrders_x"},
        {TRANSFORM("1", "table-tablespace", AT_TABLE, "rename", VALUE("o")), "Shop", "Orders_x"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[4096];
        snprintf(text, sizeof text, "{\"rules\": [%s, %s]}", ALL, cases[i].rules);
        struct mapping *mapping = parse(text);
        struct arena arena;
        arena_init(&arena);
        struct mapping_name name = mapping_target(mapping, &arena, "Shop", "Orders_x");
        assert_string_equal(name.schema, cases[i].schema);
        assert_string_equal(name.table, cases[i].table);
        assert_null(mapping_fingerprint(mapping, &arena, "Shop", "Orders_x"));
        arena_deinit(&arena);
        mapping_free(mapping);
    }
}

static const struct column order_columns[] = {
    {.name = "Id", .type = {TYPE_INT64, 0, 0}, .id = 1},
    {.name = "c_price", .type = {TYPE_DECIMAL, 10, 2}, .id = 2, .nullable = true},
    {.name = "c_note", .type = {TYPE_STRING, 0, 0}, .id = 3, .nullable = true},
    {.name = "day", .type = {TYPE_DATE, 0, 0}, .id = 7, .nullable = true},
};
static const uint16_t order_key[] = {0};
static const struct table orders = {.schema = "Shop",
                                    .name = "Orders",
                                    .version = 4,
                                    .columns = order_columns,
                                    .column_count = COUNT(order_columns),
                                    .key = order_key,
                                    .key_count = 1};

static const struct mapping_plan *plan_of(struct arena *arena, const char *rules, const struct table *previous,
                                          uint32_t *next_id, struct error *err) {
    struct mapping *mapping = parse(rules);
    const struct mapping_plan *plan = NULL;
    *err = (struct error){0};
    bool ok = mapping_plan_new(mapping, arena, &orders, previous, next_id, &plan, err);
    assert_true(ok || err->kind == ERROR_DATA);
    mapping_free(mapping);
    return plan;
}

/* "id:name,…", the key's columns with a star. */
static const char *shape_of(struct arena *arena, const struct table *table) {
    const char *out = "";
    for (size_t i = 0; i < table->column_count; i++) {
        bool key = false;
        for (size_t k = 0; k < table->key_count; k++)
            key = key || table->key[k] == i;
        out = arena_printf(arena, "%s%s%u:%s%s", out, i > 0 ? "," : "", table->columns[i].id, table->columns[i].name,
                           key ? "*" : "");
    }
    return out;
}

static void test_columns(void **state) {
    (void)state;
    static const struct {
        const char *rules, *shape;
        bool rows;
    } cases[] = {
        {WITH(TRANSFORM("1", "column", AT_COLUMN("Id"), "rename", VALUE("key"))), "1:key*,2:c_price,3:c_note,7:day",
         false},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("%"), "convert-uppercase", "")), "1:ID*,2:C_PRICE,3:C_NOTE,7:DAY",
         false},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("c[_]%"), "remove-prefix", VALUE("c_"))), "1:Id*,2:price,3:note,7:day",
         false},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("c%"), "remove-column", "")), "1:Id*,7:day", true},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("Id"), "include-column",
                        "") "," TRANSFORM("2", "column", AT_COLUMN("day"), "include-column", "")),
         "1:Id*,7:day", true},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("%") ", \"data-type\": \"numeric\"", "rename", VALUE("n"))),
         "1:Id*,2:n,3:c_note,7:day", false},
        {WITH(TRANSFORM("1", "column", AT_COLUMN("day"), "remove-column",
                        "") "," TRANSFORM("2", "column", AT_COLUMN("c_note"), "rename", VALUE("day"))),
         "1:Id*,2:c_price,3:day", true},
        {WITH(TRANSFORM("1", "table", AT_TABLE, "add-prefix", VALUE("x"))), "1:Id*,2:c_price,3:c_note,7:day", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        arena_init(&arena);
        struct error err;
        uint32_t next_id = 9;
        const struct mapping_plan *plan = plan_of(&arena, cases[i].rules, NULL, &next_id, &err);
        if (plan == NULL)
            fail_msg("case %zu: %s", i, err.message);
        assert_string_equal(shape_of(&arena, mapping_plan_table(plan)), cases[i].shape);
        assert_int_equal(mapping_plan_changes_rows(plan), cases[i].rows);
        assert_int_equal(mapping_plan_table(plan)->version, 4);
        arena_deinit(&arena);
    }
}

static void test_columns_that_cannot_be(void **state) {
    (void)state;
    static const struct {
        const char *rules, *message;
    } cases[] = {
        {WITH(TRANSFORM("9", "column", AT_COLUMN("Id"), "remove-column", "")),
         "rule-id 9 takes away column Id, which is in the table's key"},
        {WITH(TRANSFORM("9", "column", AT_COLUMN("day"), "include-column", "")),
         "rule-id 9 takes away column Id, which is in the table's key"},
        {WITH(TRANSFORM("9", "column", AT_COLUMN("c%"), "rename", VALUE("c"))), "two columns with the name c"},
        {WITH(TRANSFORM("9", "column", AT_COLUMN("%"), "remove-column", "")), "no column"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        arena_init(&arena);
        struct error err;
        uint32_t next_id = 9;
        assert_null(plan_of(&arena, cases[i].rules, NULL, &next_id, &err));
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, err.message);
        arena_deinit(&arena);
    }
}

static void test_no_plan_where_nothing_changes(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct error err;
    uint32_t next_id = 9;
    assert_null(plan_of(&arena, WITH(TRANSFORM("1", "column", AT_COLUMN("day"), "convert-lowercase", "")), NULL,
                        &next_id, &err));
    assert_int_equal(err.kind, ERROR_NONE);
    assert_null(plan_of(&arena, WITH(TRANSFORM("1", "schema", "\"schema-name\": \"other\"", "rename", VALUE("x"))),
                        NULL, &next_id, &err));
    assert_int_equal(err.kind, ERROR_NONE);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_say_where_and_what_is_known),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_bytes_and_null),
        cmocka_unit_test(test_several_filters_and_what_was_not_sent),
        cmocka_unit_test(test_filters_that_cannot_be_bound),
        cmocka_unit_test(test_transformations_that_are_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_columns_that_cannot_be),
        cmocka_unit_test(test_no_plan_where_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
