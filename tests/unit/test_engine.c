/* The engine: statements, results as text, kinds of errors, and rows from outside through sluice_scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "engine/engine.h"

struct fixture {
    struct engine *engine;
    struct engine_connection *connection;
    struct error err;
    char temp[64];
};

static int setup(void **state) {
    struct fixture *f = mem_zalloc(sizeof *f);
    snprintf(f->temp, sizeof f->temp, P_tmpdir "/test-engine-XXXXXX");
    assert_non_null(mkdtemp(f->temp));
    struct engine_options options = {.memory_limit_bytes = 256 << 20, .threads = 2, .temp_folder = f->temp};
    if (!engine_open(&options, &f->engine, &f->err) || !engine_connect(f->engine, &f->connection, &f->err))
        fail_msg("%s", f->err.message);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    engine_disconnect(f->connection);
    engine_close(f->engine);
    assert_int_equal(rmdir(f->temp), 0); /* the engine took its own folder away */
    mem_free(f);
    return 0;
}

static void must(struct fixture *f, bool ok) {
    if (!ok)
        fail_msg("%s", f->err.message);
}

/* All rows as "a|b\n", NULL as <null>. */
static void append_result(struct fixture *f, const char *sql, struct buf *out) {
    struct engine_result *result = NULL;
    must(f, engine_query(f->connection, sql, &result, &f->err));
    for (;;) {
        const struct value *row = NULL;
        must(f, engine_result_next(result, &row, &f->err));
        if (row == NULL)
            break;
        for (size_t i = 0; i < engine_result_columns(result); i++) {
            if (i > 0)
                buf_append_char(out, '|');
            if (row[i].kind == VALUE_NULL)
                buf_append_text(out, "<null>");
            else
                buf_append(out, row[i].data, row[i].len);
        }
        buf_append_char(out, '\n');
    }
    engine_result_free(result);
    buf_append_text(out, "");
}

static void expect(struct fixture *f, const char *sql, const char *expected) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    append_result(f, sql, &out);
    assert_string_equal(out.len > 0 ? out.data : "", expected);
    buf_deinit(&out);
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static void test_values_are_casts_to_text(void **state) {
    static const struct {
        const char *sql, *expected;
    } cases[] = {
        {"SELECT 1, NULL, 'a''b', true", "1|<null>|a'b|true\n"},
        {"SELECT 1.50::DECIMAL(10,2), 0.1::DOUBLE, 1e100::DOUBLE", "1.50|0.1|1e+100\n"},
        {"SELECT DATE '2026-11-01', TIMESTAMP '2026-11-01 10:15:00.123'", "2026-11-01|2026-11-01 10:15:00.123\n"},
        {"SELECT TIMESTAMPTZ '2026-11-01 10:15:00+02'", "2026-11-01 08:15:00+00\n"},
        {"SELECT '\\x00\\xff'::BLOB, [1,2], {'a': 1}", "\\x00\\xFF|[1, 2]|{'a': 1}\n"},
        {"SELECT 1 AS id, 2 AS id", "1|2\n"},
        {"SELECT 'longer than twelve bytes' -- a comment at the end", "longer than twelve bytes\n"},
        {"SELECT 1;", "1\n"},
        {"FROM range(3) ORDER BY 1 DESC", "2\n1\n0\n"},
        {"SELECT 1 WHERE false", ""},
        {"CREATE TABLE gone AS SELECT 1 AS i", "1\n"},
        {"SHOW TABLES", "gone\n"},
        {"DROP TABLE gone", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(*state, cases[i].sql, cases[i].expected);
}

static void test_columns_have_names_and_types(void **state) {
    struct fixture *f = *state;
    struct engine_result *result = NULL;
    must(f, engine_query(f->connection, "SELECT 1::BIGINT AS a, 1.5::DECIMAL(10,2) AS \"B c\"", &result, &f->err));
    assert_int_equal(engine_result_columns(result), 2);
    assert_string_equal(engine_result_name(result, 0), "a");
    assert_string_equal(engine_result_type(result, 0), "BIGINT");
    assert_string_equal(engine_result_name(result, 1), "B c");
    assert_string_equal(engine_result_type(result, 1), "DECIMAL(10,2)");
    engine_result_free(result);
}

static void test_statistics_of_copy_are_json(void **state) {
    struct fixture *f = *state;
    char *sql =
        mem_printf("COPY (SELECT 7 AS k, '' AS p) TO '%s/copy' (FORMAT parquet, PARTITION_BY (p), RETURN_STATS, "
                   "HIVE_FILE_PATTERN false, FILENAME_PATTERN 'f{i}')",
                   f->temp);
    struct engine_result *result = NULL;
    must(f, engine_query(f->connection, sql, &result, &f->err));
    const struct value *row = NULL;
    must(f, engine_result_next(result, &row, &f->err));
    assert_non_null(row);
    assert_int_equal(engine_result_columns(result), 6);
    char *file = mem_printf("%s/copy/f0.parquet", f->temp);
    assert_int_equal(row[0].len, strlen(file));
    assert_memory_equal(row[0].data, file, row[0].len);
    assert_memory_equal(row[1].data, "1", row[1].len);
    assert_non_null(strstr(row[4].data, "\"min\":\"7\""));
    assert_string_equal(row[5].data, "{\"p\":\"\"}");
    engine_result_free(result);
    unlink(file);
    mem_free(file);
    mem_free(sql);
    char *folder = mem_printf("%s/copy", f->temp);
    rmdir(folder);
    mem_free(folder);
}

static void test_a_large_result_streams_in_order(void **state) {
    struct fixture *f = *state;
    struct engine_result *result = NULL;
    must(f, engine_query(f->connection, "SELECT i FROM range(300000) t(i) ORDER BY i DESC", &result, &f->err));
    long expected = 299999;
    for (;;) {
        const struct value *row = NULL;
        must(f, engine_result_next(result, &row, &f->err));
        if (row == NULL)
            break;
        char text[32];
        snprintf(text, sizeof text, "%.*s", (int)row[0].len, row[0].data);
        assert_int_equal(atol(text), expected);
        expected--;
    }
    assert_int_equal(expected, -1);
    engine_result_free(result);
}

static void test_helpers(void **state) {
    struct fixture *f = *state;
    uint64_t changed = 0;
    must(f, engine_run(f->connection, "CREATE TEMP TABLE h (s VARCHAR); INSERT INTO h VALUES ('a'), (NULL), ('c')",
                       &changed, &f->err));
    assert_int_equal(changed, 3);
    int64_t number = -1;
    must(f, engine_query_int(f->connection, "SELECT count(*) FROM h", &number, &f->err));
    assert_int_equal(number, 3);
    must(f, engine_query_int(f->connection, "SELECT 5 WHERE false", &number, &f->err));
    assert_int_equal(number, 0);
    struct arena arena;
    arena_init(&arena);
    const char **texts = NULL;
    size_t count = 0;
    must(f, engine_query_texts(f->connection, &arena, "SELECT s FROM h ORDER BY s", &texts, &count, &f->err));
    assert_int_equal(count, 3);
    assert_string_equal(texts[0], "a");
    assert_string_equal(texts[1], "c");
    assert_null(texts[2]);
    arena_deinit(&arena);
}

static void test_errors_have_kinds(void **state) {
    static const struct {
        const char *sql;
        enum error_kind kind;
        const char *part;
    } cases[] = {
        {"SELEC 1", ERROR_CONFIG, "Parser Error"},
        {"SELECT * FROM nowhere", ERROR_CONFIG, "nowhere"},
        {"SELECT 1; SELECT 2", ERROR_CONFIG, "multiple statements"},
        {"SELECT CAST('abc' || range AS INT) FROM range(3)", ERROR_DATA, "abc0"},
        {"SELECT * FROM read_parquet('/nonexistent/x.parquet')", ERROR_RETRY, "/nonexistent/x.parquet"},
        {"SELECT * FROM sluice_scan('unknown')", ERROR_CONFIG, "no scan"},
        {"SELECT list(range) FROM range(100000000)", ERROR_OUTSIDE, "memory_limit"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct engine_result *result = NULL;
        const struct value *row = NULL;
        bool ok = engine_query(f->connection, cases[i].sql, &result, &f->err);
        while (ok && (ok = engine_result_next(result, &row, &f->err)) && row != NULL)
            continue;
        engine_result_free(result);
        assert_false(ok);
        if (f->err.kind != cases[i].kind || strstr(f->err.message, cases[i].part) == NULL)
            fail_msg("%s: %s: %s", cases[i].sql, error_kind_name(f->err.kind), f->err.message);
        assert_null(strchr(f->err.message, '\n'));
        must(f, engine_run(f->connection, "SELECT 1", NULL, &f->err)); /* the connection goes on */
    }
}

/* --- sluice_scan -------------------------------------------------------------------------------------------------- */

/* Rows in memory: units of rows of texts; NULL ends. Cells: NULL is NULL, "~" is not sent. */
struct memory_scan {
    struct engine_scan scan;
    const char *const *const *units; /* per unit: op, cells…, op, cells…, NULL */
    size_t repeat;                   /* > 0: every unit gives its rows so many times */
    atomic_int open;
    atomic_int fail_at; /* >= 0: this unit fails after its first row */
    pthread_barrier_t *meet;
};

struct memory_reader {
    struct memory_scan *owner;
    size_t unit, at, round;
    int rows;
    struct value values[16];
};

static bool memory_open(void *context, size_t unit, void **reader, struct error *err) {
    (void)err;
    struct memory_scan *owner = context;
    struct memory_reader *r = mem_zalloc(sizeof *r);
    r->owner = owner;
    r->unit = unit;
    atomic_fetch_add(&owner->open, 1);
    if (owner->meet != NULL)
        pthread_barrier_wait(owner->meet); /* passes only when two threads read at once */
    *reader = r;
    return true;
}

static bool memory_next(void *reader, char *op, const struct value **values, struct error *err) {
    struct memory_reader *r = reader;
    const char *const *cells = r->owner->units[r->unit];
    if (r->rows == 1 && (size_t)atomic_load(&r->owner->fail_at) == r->unit)
        return error_set(err, ERROR_RETRY, "unit %zu broke", r->unit);
    if (cells[r->at] == NULL) {
        *values = NULL;
        if (++r->round >= r->owner->repeat)
            return true;
        r->at = 0;
    }
    *op = cells[r->at++][0];
    for (size_t i = 0; i < r->owner->scan.column_count; i++) {
        const char *cell = cells[r->at++];
        r->values[i] = (struct value){cell, (uint32_t)strlen(cell), VALUE_TEXT};
        if (strcmp(cell, "<null>") == 0)
            r->values[i] = (struct value){NULL, 0, VALUE_NULL};
        if (strcmp(cell, "~") == 0)
            r->values[i] = (struct value){NULL, 0, VALUE_UNCHANGED};
    }
    r->rows++;
    *values = r->values;
    return true;
}

static void memory_where(void *reader, struct buf *out) {
    struct memory_reader *r = reader;
    buf_printf(out, "unit %zu: row %d", r->unit, r->rows);
}

static void memory_close(void *reader) {
    struct memory_reader *r = reader;
    atomic_fetch_sub(&r->owner->open, 1);
    mem_free(r);
}

static void memory_init(struct memory_scan *m, const struct column *columns, size_t column_count,
                        const char *const *const *units, size_t unit_count) {
    *m = (struct memory_scan){
        .scan = {columns, column_count, unit_count, m, memory_open, memory_next, memory_where, memory_close, NULL},
        .units = units,
        .repeat = 1,
        .fail_at = -1,
    };
}

static const struct column two_columns[] = {{.name = "id", .type = {TYPE_INT64}},
                                            {.name = "name", .type = {TYPE_STRING}}};

/* Leaves out the row of every value that does not convert; counts in round. */
static bool memory_refuse(void *reader, size_t column, const struct value *value, const char *reason, bool *refused,
                          struct error *err) {
    (void)column, (void)value, (void)err;
    struct memory_reader *r = reader;
    assert_string_equal(reason, "\"x\" is not a bigint");
    *refused = r->owner->fail_at < 0;
    return true;
}

static void test_scan_gives_sequence_operation_and_marks(void **state) {
    static const char *const first[] = {"I", "1", "a", "U", "2", "~", NULL};
    static const char *const second[] = {"D", "3", "<null>", NULL};
    static const char *const *const units[] = {first, second};
    struct fixture *f = *state;
    struct memory_scan m;
    memory_init(&m, two_columns, 2, units, 2);
    must(f, engine_scan_add(f->engine, "s", &m.scan, &f->err));
    assert_false(engine_scan_add(f->engine, "s", &m.scan, &f->err)); /* one name, one scan */
    expect(f, "SELECT * FROM sluice_scan('s') ORDER BY _seq",
           "0|I|1|a|<null>\n1|U|2|<null>|01\n1099511627776|D|3|<null>|<null>\n");
    expect(f, "SELECT count(*) FROM sluice_scan('s')", "3\n");
    expect(f, "SELECT name FROM sluice_scan('s') WHERE id = 1", "a\n");
    expect(f, "SELECT _unchanged, id FROM sluice_scan('s') ORDER BY id", "<null>|1\n01|2\n<null>|3\n");
    assert_int_equal(atomic_load(&m.open), 0);
    engine_scan_remove(f->engine, "s");
    assert_false(engine_run(f->connection, "SELECT * FROM sluice_scan('s')", NULL, &f->err));
}

/* The rows left out are the same ones for every statement, and leave no NULL behind for the next row in their place. */
static void test_scan_leaves_out_rows(void **state) {
    static const char *const rows[] = {"I", "1", "a",      "I", "x", "<null>", "I", "2",
                                       "b", "I", "<null>", "c", "I", "x",      "d", NULL};
    static const char *const *const units[] = {rows};
    static const char *const counts[] = {"count(*)", "count(name)", "sum(id)"};
    struct fixture *f = *state;
    struct memory_scan m;
    memory_init(&m, two_columns, 2, units, 1);
    m.scan.unit_refuse = memory_refuse;
    must(f, engine_scan_add(f->engine, "left_out", &m.scan, &f->err));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t number;
        char *sql = mem_printf("SELECT %s FROM sluice_scan('left_out')", counts[i]);
        must(f, engine_query_int(f->connection, sql, &number, &f->err));
        assert_int_equal(number, 3);
        mem_free(sql);
    }
    m.fail_at = 1; /* of no unit: only refuse nothing any more */
    assert_false(engine_run(f->connection, "SELECT count(*) FROM sluice_scan('left_out')", NULL, &f->err));
    assert_non_null(strstr(f->err.message, "column \"id\": \"x\" is not a bigint"));
    engine_scan_remove(f->engine, "left_out");
}

static void test_scan_converts_every_lake_type(void **state) {
    static const struct column columns[] = {
        {.name = "bo", .type = {TYPE_BOOLEAN}},
        {.name = "i4", .type = {TYPE_INT32}},
        {.name = "i8", .type = {TYPE_INT64}},
        {.name = "f4", .type = {TYPE_FLOAT32}},
        {.name = "f8", .type = {TYPE_FLOAT64}},
        {.name = "d4", .type = {TYPE_DECIMAL, 4, 1}},
        {.name = "d9", .type = {TYPE_DECIMAL, 9, 2}},
        {.name = "d18", .type = {TYPE_DECIMAL, 18, 0}},
        {.name = "d38", .type = {TYPE_DECIMAL, 38, 10}},
        {.name = "da", .type = {TYPE_DATE}},
        {.name = "ti", .type = {TYPE_TIME, 0, 6}},
        {.name = "ts", .type = {TYPE_TIMESTAMP, 0, 6}},
        {.name = "tz", .type = {TYPE_TIMESTAMPTZ, 0, 6}},
        {.name = "st", .type = {TYPE_STRING}},
        {.name = "bi", .type = {TYPE_BINARY}},
    };
    static const char *const rows[] = {"I",
                                       "true",
                                       "-2147483648",
                                       "9223372036854775807",
                                       "0.1",
                                       "1e100",
                                       "-999.9",
                                       "1234567.89",
                                       "123456789012345678",
                                       "-1234567890123456789012345678.0123456789",
                                       "2026-11-01",
                                       "10:15:00.5",
                                       "2026-11-01 10:15:00.123456",
                                       "2026-11-01T10:15:00Z",
                                       "\xc3\xa4 and more than twelve",
                                       "00ff7A", //
                                       "U",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "<null>",
                                       "",
                                       "",
                                       NULL};
    static const char *const *const units[] = {rows};
    struct fixture *f = *state;
    struct memory_scan m;
    memory_init(&m, columns, sizeof columns / sizeof *columns, units, 1);
    must(f, engine_scan_add(f->engine, "types", &m.scan, &f->err));
    expect(f, "SELECT * EXCLUDE (_seq, _op, _unchanged) FROM sluice_scan('types') ORDER BY _seq",
           "true|-2147483648|9223372036854775807|0.1|1e+100|-999.9|1234567.89|123456789012345678|"
           "-1234567890123456789012345678.0123456789|2026-11-01|10:15:00.5|2026-11-01 10:15:00.123456|"
           "2026-11-01 10:15:00+00|\xc3\xa4 and more than twelve|\\x00\\xFFz\n"
           "<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>|<null>||\n");
    engine_scan_remove(f->engine, "types");
}

static void test_scan_names_the_value_that_does_not_convert(void **state) {
    static const struct {
        struct type type;
        const char *cell, *message;
    } cases[] = {
        {{TYPE_INT32}, "2147483648", "unit 0: row 1, column \"c\": \"2147483648\" is not an int"},
        {{TYPE_DECIMAL, 10, 2}, "abc", "unit 0: row 1, column \"c\": \"abc\" is not a decimal(10,2)"},
        {{TYPE_DATE}, "", "unit 0: row 1, column \"c\": \"\" is not a date"},
        {{TYPE_STRING}, "a\xff", "unit 0: row 1, column \"c\": the value is not valid UTF-8"},
        {{TYPE_BINARY}, "0", "unit 0: row 1, column \"c\": \"0\" is not a binary"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct column column = {.name = "c", .type = cases[i].type};
        const char *const rows[] = {"I", cases[i].cell, NULL};
        const char *const *const units[] = {rows};
        struct memory_scan m;
        memory_init(&m, &column, 1, units, 1);
        must(f, engine_scan_add(f->engine, "bad", &m.scan, &f->err));
        assert_false(engine_run(f->connection, "CREATE TEMP TABLE bad AS FROM sluice_scan('bad')", NULL, &f->err));
        assert_string_equal(f->err.message, cases[i].message);
        assert_int_equal(f->err.kind, ERROR_DATA);
        struct engine_result *result = NULL;
        bool ok = engine_query(f->connection, "FROM sluice_scan('bad')", &result, &f->err);
        const struct value *row = NULL;
        assert_false(ok && engine_result_next(result, &row, &f->err));
        assert_string_equal(f->err.message, cases[i].message);
        engine_result_free(result);
        engine_scan_remove(f->engine, "bad");
        assert_int_equal(atomic_load(&m.open), 0);
    }
}

static void test_scan_errors_belong_to_their_statement(void **state) {
    static const char *const rows[] = {"I", "1", "a", "I", "2", "b", NULL};
    static const char *const *const units[] = {rows, rows};
    struct fixture *f = *state;
    struct memory_scan m;
    memory_init(&m, two_columns, 2, units, 2);
    atomic_store(&m.fail_at, 1);
    must(f, engine_scan_add(f->engine, "breaks", &m.scan, &f->err));
    assert_false(engine_run(f->connection, "CREATE TEMP TABLE x AS FROM sluice_scan('breaks')", NULL, &f->err));
    assert_int_equal(f->err.kind, ERROR_RETRY);
    assert_string_equal(f->err.message, "unit 1 broke");
    assert_false(engine_run(f->connection, "SELECT CAST('x' || range AS INT) FROM range(2)", NULL, &f->err));
    assert_int_equal(f->err.kind, ERROR_DATA); /* not the error of the statement before */
    atomic_store(&m.fail_at, -1);
    expect(f, "SELECT count(*) FROM sluice_scan('breaks')", "4\n");
    engine_scan_remove(f->engine, "breaks");
}

static void test_scan_reads_units_in_parallel(void **state) {
    static const char *const rows[] = {"I", "1", "a", "I", "2", "b", NULL};
    static const char *const *const units[] = {rows, rows};
    struct fixture *f = *state;
    pthread_barrier_t meet;
    pthread_barrier_init(&meet, NULL, 2);
    struct memory_scan m;
    memory_init(&m, two_columns, 2, units, 2);
    m.repeat = 5000; /* several chunks a unit */
    m.meet = &meet;
    must(f, engine_scan_add(f->engine, "wide", &m.scan, &f->err));
    expect(f, "SELECT count(*), sum(id), count(DISTINCT _seq), max(_seq) - (1::BIGINT << 40) FROM sluice_scan('wide')",
           "20000|30000|20000|9999\n");
    engine_scan_remove(f->engine, "wide");
    pthread_barrier_destroy(&meet);
}

/* --- stopping ----------------------------------------------------------------------------------------------------- */

struct interrupt_job {
    struct engine_connection *connection;
    atomic_bool done;
};

static void *interrupt_until_done(void *context) {
    struct interrupt_job *job = context;
    while (!atomic_load(&job->done)) {
        engine_interrupt(job->connection);
        sched_yield();
    }
    return NULL;
}

static int32_t lengths(struct slice a, struct slice b) { return (int32_t)(a.len * 1000 + b.len); }

static void test_functions_of_two_texts(void **state) {
    struct fixture *f = *state;
    must(f, engine_function_add(f->engine, "lengths", lengths, &f->err));
    must(f, engine_function_add(f->engine, "lengths", lengths, &f->err)); /* again changes nothing */
    expect(f,
           "SELECT lengths('ab', 'longer than twelve bytes'), lengths('', NULL), lengths(NULL, 'a'), lengths('', '')",
           "2024|<null>|<null>|0\n");
    expect(
        f,
        "SELECT count(n), sum(n) FROM (SELECT lengths('a', CASE WHEN range % 2 = 0 THEN range::VARCHAR END) AS n FROM "
        "range(100000))",
        "50000|50244445\n");
}

/* The numbers below a text's own; "bad" is an error. */
struct below {
    int64_t next, end;
};

static uint64_t below_count(const char *text) { return strtoull(text, NULL, 10); }

static bool below_open(void *context, const char *text, void **reader, struct error *err) {
    if (strcmp(text, "bad") == 0)
        return error_set(err, ERROR_DATA, "%s is bad", text);
    struct below *below = mem_zalloc(sizeof *below);
    below->end = strtoll(text, NULL, 10) * *(int64_t *)context;
    *reader = below;
    return true;
}

static size_t below_next(void *reader, int64_t *out, size_t capacity) {
    struct below *below = reader;
    size_t count = 0;
    while (count < capacity && below->next < below->end)
        out[count++] = below->next++;
    return count;
}

static void test_positions_from_outside(void **state) {
    struct fixture *f = *state;
    int64_t twice = 2;
    const struct engine_positions source = {&twice, below_count, below_open, below_next, mem_free};
    assert_false(engine_run(f->connection, "SELECT * FROM sluice_positions(['1'])", NULL, &f->err));
    engine_positions_set(f->engine, &source);
    expect(f, "SELECT n, count(*), sum(pos) FROM sluice_positions(['1', '0', '50000', '2']) GROUP BY n ORDER BY n",
           "0|2|1\n2|100000|4999950000\n3|4|6\n");
    expect(f, "SELECT count(*) FROM sluice_positions(CAST([] AS VARCHAR[]))", "0\n");
    expect(f, "SELECT pos FROM sluice_positions(['9000', '9000']) LIMIT 1", "0\n"); /* not read to its end */
    f->err = (struct error){0};
    assert_false(engine_run(f->connection, "SELECT sum(pos) FROM sluice_positions(['3', 'bad'])", NULL, &f->err));
    assert_int_equal(f->err.kind, ERROR_DATA);
    assert_string_equal(f->err.message, "bad is bad");
}

static void test_interrupt_is_cancelled(void **state) {
    struct fixture *f = *state;
    struct interrupt_job job = {.connection = f->connection};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_until_done, &job), 0);
    bool ok = engine_run(f->connection, "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b", NULL,
                         &f->err);
    atomic_store(&job.done, true);
    pthread_join(thread, NULL);
    assert_false(ok);
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
}

static void test_abandoned_spill_folders_go(void **state) {
    (void)state;
    char parent[] = P_tmpdir "/test-engine-XXXXXX";
    assert_non_null(mkdtemp(parent));
    char *left = mem_printf("%s/sluice-spill-killed", parent), *file = mem_printf("%s/duckdb_temp_block-1.block", left);
    assert_int_equal(mkdir(left, 0700), 0);
    FILE *spilled = fopen(file, "w");
    assert_non_null(spilled);
    fclose(spilled);
    struct error err;
    struct engine *first = NULL, *second = NULL;
    struct engine_options options = {.memory_limit_bytes = 64 << 20, .threads = 1, .temp_folder = parent};
    assert_true(engine_open(&options, &first, &err));
    assert_int_equal(access(left, F_OK), -1);
    assert_true(engine_open(&options, &second, &err)); /* must not take the first one's */
    DIR *dir = opendir(parent);
    int folders = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        folders += entry->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(folders, 2);
    engine_close(first);
    engine_close(second);
    assert_int_equal(rmdir(parent), 0);
    mem_free(left);
    mem_free(file);
}

/* Last: a stop cannot be taken back. */
static void test_a_stop_ends_statements(void **state) {
    struct fixture *f = *state;
    struct engine_result *result = NULL;
    must(f, engine_query(f->connection, "SELECT a.range FROM range(10000000) a, range(10000000) b", &result, &f->err));
    cancel_request();
    const struct value *row = NULL;
    bool ok = true;
    while (ok && (ok = engine_result_next(result, &row, &f->err)) && row != NULL)
        continue;
    engine_result_free(result);
    assert_false(ok);
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
    assert_false(engine_run(f->connection, "SELECT 1", NULL, &f->err));
    assert_int_equal(f->err.kind, ERROR_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_are_casts_to_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns_have_names_and_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statistics_of_copy_are_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_large_result_streams_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_helpers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_have_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_gives_sequence_operation_and_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_leaves_out_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_converts_every_lake_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_names_the_value_that_does_not_convert, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_errors_belong_to_their_statement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scan_reads_units_in_parallel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_functions_of_two_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_positions_from_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_is_cancelled, setup, teardown),
        cmocka_unit_test(test_abandoned_spill_folders_go),
        cmocka_unit_test_setup_teardown(test_a_stop_ends_statements, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
