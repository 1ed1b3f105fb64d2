/* PostgreSQL's types: what columns are, what texts become, and the reference that is written from the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/postgres_type.h"

enum {
    BOOLEAN = 16,
    BYTEA = 17,
    INT8 = 20,
    TEXT = 25,
    JSONB = 3802,
    VARCHAR = 1043,
    DATE = 1082,
    TIME = 1083,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    INTERVAL = 1186,
    NUMERIC = 1700,
    INT4_ARRAY = 1007,
    OF_AN_EXTENSION = 16400,
};

static int32_t numeric(int precision, int scale) { return (precision << 16 | (scale & 0x7ff)) + 4; }

static void test_types(void **state) {
    (void)state;
    const struct {
        uint32_t oid;
        int32_t typmod;
        const char *type;
    } cases[] = {
        {BOOLEAN, -1, "boolean"},
        {INT8, -1, "bigint"},
        {BYTEA, -1, "binary"},
        {NUMERIC, -1, "string"},
        {NUMERIC, numeric(10, 2), "decimal(10,2)"},
        {NUMERIC, numeric(38, 38), "decimal(38,38)"},
        {NUMERIC, numeric(39, 0), "string"},
        {NUMERIC, numeric(1000, 1000), "string"},
        {NUMERIC, numeric(2, -3), "decimal(5,0)"}, /* 99000; PostgreSQL 15 and later */
        {NUMERIC, numeric(37, -2), "string"},
        {NUMERIC, numeric(3, 5), "decimal(5,5)"}, /* 0.00999 */
        {DATE, -1, "date"},
        {TIME, -1, "time(6)"},
        {TIME, 3, "time(3)"},
        {TIMESTAMP, 0, "timestamp(0)"},
        {TIMESTAMPTZ, -1, "timestamptz(6)"},
        {INTERVAL, -1, "string"},
        {JSONB, -1, "json"},
        {VARCHAR, 24, "string"},
        {INT4_ARRAY, -1, "string"},
        {OF_AN_EXTENSION, -1, "string"},
        {0, -1, "string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char type[TYPE_TEXT_BYTES];
        type_format(postgres_type_of(cases[i].oid, cases[i].typmod).type, type);
        if (strcmp(type, cases[i].type) != 0)
            fail_msg("%u (%d) is %s, not %s", cases[i].oid, cases[i].typmod, type, cases[i].type);
    }
}

/* want NULL: the lake has no such value. */
static void test_values(void **state) {
    (void)state;
    const struct {
        uint32_t oid;
        int32_t typmod;
        const char *text, *want;
        enum value_kind kind;
    } cases[] = {
        {BOOLEAN, -1, "t", "true", VALUE_PLAIN},
        {BOOLEAN, -1, "f", "false", VALUE_PLAIN},
        {INT8, -1, "-9223372036854775808", "-9223372036854775808", VALUE_PLAIN},
        {TEXT, -1, "", "", VALUE_TEXT},
        {TEXT, -1, "NULL", "NULL", VALUE_TEXT},
        {BYTEA, -1, "\\x", "", VALUE_BYTES},
        {BYTEA, -1, "\\x00ff", "00ff", VALUE_PLAIN},
        {NUMERIC, numeric(5, 2), "-1.50", "-1.50", VALUE_PLAIN},
        {NUMERIC, numeric(5, 2), "NaN", NULL, VALUE_NULL},
        {NUMERIC, -1, "NaN", "NaN", VALUE_PLAIN},
        {NUMERIC, -1, "Infinity", "Infinity", VALUE_PLAIN},
        {DATE, -1, "2026-11-01", "2026-11-01", VALUE_PLAIN},
        {DATE, -1, "0001-01-01", "0001-01-01", VALUE_PLAIN},
        {DATE, -1, "0001-12-31 BC", "+0000-12-31", VALUE_PLAIN},
        {DATE, -1, "0044-03-15 BC", "-0043-03-15", VALUE_PLAIN},
        {DATE, -1, "4713-01-01 BC", "-4712-01-01", VALUE_PLAIN},
        {DATE, -1, "10000-01-01", "+10000-01-01", VALUE_PLAIN},
        {DATE, -1, "999999-12-31", "+999999-12-31", VALUE_PLAIN},
        {DATE, -1, "5874897-12-31", NULL, VALUE_NULL},
        {DATE, -1, "infinity", NULL, VALUE_NULL},
        {DATE, -1, "-infinity", NULL, VALUE_NULL},
        {TIME, -1, "24:00:00", "24:00:00", VALUE_PLAIN},
        {TIMESTAMP, -1, "2026-11-01 10:15:00", "2026-11-01 10:15:00", VALUE_PLAIN},
        {TIMESTAMP, -1, "2026-11-01 10:15:00.5", "2026-11-01 10:15:00.5", VALUE_PLAIN},
        {TIMESTAMP, -1, "0044-03-15 10:00:00.000001 BC", "-0043-03-15 10:00:00.000001", VALUE_PLAIN},
        {TIMESTAMP, -1, "294246-12-31 23:59:59", "+294246-12-31 23:59:59", VALUE_PLAIN},
        {TIMESTAMP, -1, "294276-12-31 23:59:59.999999", NULL, VALUE_NULL}, /* beyond 64 bits from 1970 */
        {TIMESTAMP, -1, "-infinity", NULL, VALUE_NULL},
        {TIMESTAMPTZ, -1, "2026-11-01 10:15:00.123456+00", "2026-11-01 10:15:00.123456", VALUE_PLAIN},
        {TIMESTAMPTZ, -1, "2026-11-01 10:15:00+05:30", "2026-11-01 10:15:00+05:30", VALUE_PLAIN},
        {TIMESTAMPTZ, -1, "0044-03-15 10:00:00+00 BC", "-0043-03-15 10:00:00", VALUE_PLAIN},
        {TIMESTAMPTZ, -1, "12026-11-01 10:15:00+00", "+12026-11-01 10:15:00", VALUE_PLAIN},
        {TIMESTAMPTZ, -1, "infinity", NULL, VALUE_NULL},
        {INT4_ARRAY, -1, "{1,NULL}", "{1,NULL}", VALUE_TEXT},
        /* No server writes these. */
        {DATE, -1, "", NULL, VALUE_NULL},
        {DATE, -1, " BC", NULL, VALUE_NULL},
        {DATE, -1, "2026 BC", NULL, VALUE_NULL},
        {TIMESTAMP, -1, "10:00:00 BC", NULL, VALUE_NULL},
        {BYTEA, -1, "", "", VALUE_BYTES},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct postgres_type type = postgres_type_of(cases[i].oid, cases[i].typmod);
        size_t len = strlen(cases[i].text);
        char *exact = malloc(len + 1); /* a byte over it would be found */
        memcpy(exact, cases[i].text, len);
        struct value value;
        bool held = postgres_type_convert(type, exact, (uint32_t)len, &arena, &value);
        bool same = cases[i].want == NULL ? !held && value.kind == VALUE_NULL
                                          : held && value.kind == cases[i].kind && value.len == strlen(cases[i].want) &&
                                                memcmp(value.data, cases[i].want, value.len) == 0;
        if (!same)
            fail_msg("%u: \"%s\" is kind %d \"%.*s\"", cases[i].oid, cases[i].text, value.kind, (int)value.len,
                     value.data);
        free(exact);
    }
    arena_deinit(&arena);
}

static void test_keeps_rows(void **state) {
    (void)state;
    const struct {
        const char *from, *to;
        bool keeps;
    } cases[] = {
        {"character varying(10)", "character varying(20)", true},
        {"character varying(20)", "character varying(10)", false},
        {"character varying(10)", "character varying", true},
        {"character varying", "character varying(10)", false},
        {"character varying(10)", "text", true},
        {"text", "character varying", true},
        {"text", "character varying(10)", false},
        {"character(10)", "character(20)", false}, /* padded anew */
        {"numeric(10,2)", "numeric(12,2)", true},
        {"numeric(10,2)", "numeric(12,3)", false},
        {"numeric(10,2)", "numeric(8,2)", false},
        {"numeric(10,2)", "numeric", true},
        {"numeric", "numeric(10,2)", false},
        {"timestamp(3) without time zone", "timestamp(6) without time zone", true},
        {"timestamp without time zone", "timestamp(6) without time zone", true},
        {"timestamp(6) without time zone", "timestamp(0) without time zone", false},
        {"timestamp without time zone", "timestamp with time zone", false},
        {"time(2) with time zone", "time with time zone", true},
        {"bit varying(4)", "bit varying(8)", true},
        {"bit(4)", "bit(8)", false},
        {"bigint", "text", false},
        {"integer", "bigint", false},
        {"bigint", "bigint", true},
        {"public.mood", "text", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (postgres_type_keeps_rows(cases[i].from, cases[i].to) != cases[i].keeps)
            fail_msg("%s to %s", cases[i].from, cases[i].to);
}

static void test_reference_is_up_to_date(void **state) {
    (void)state;
    static char file[1 << 14];
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    postgres_type_write_reference(&text);
    FILE *in = fopen("docs/postgres-types.md", "r");
    assert_non_null(in);
    size_t len = fread(file, 1, sizeof file - 1, in);
    fclose(in);
    file[len] = '\0';
    bool same = strcmp(file, text.data) == 0;
    buf_deinit(&text);
    if (!same)
        fail_msg("docs/postgres-types.md is not what `sluice help postgres-types` prints: write it anew");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_keeps_rows),
        cmocka_unit_test(test_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
