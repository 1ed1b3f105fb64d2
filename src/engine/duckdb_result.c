/* Statements that give rows: prepared, executed, read one row at a time as text. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "engine/duckdb_internal.h"

struct result_column {
    char *name;
    char *type;
    duckdb_vector vector; /* of the current chunk */
    duckdb_string_t *strings;
    uint64_t *validity; /* NULL: all valid */
};

struct engine_result {
    struct engine_connection *connection;
    duckdb_prepared_statement statement;
    duckdb_result native;
    bool native_set;
    bool running;
    bool as_text; /* every column is VARCHAR */
    struct result_column *columns;
    size_t column_count;
    struct value *row;
    struct arena row_texts; /* of rendered values */
    duckdb_data_chunk chunk;
    idx_t chunk_rows, chunk_at;
};

static void set_column_count(struct engine_result *result, size_t count) {
    result->column_count = count;
    result->columns = mem_zalloc(count * sizeof *result->columns);
    result->row = mem_zalloc(count * sizeof *result->row);
}

/* Takes the rows of DESCRIBE, name and type first, as the columns. */
static void take_described_columns(struct engine_result *result, duckdb_result *described) {
    set_column_count(result, duckdb_row_count(described));
    size_t at = 0;
    for (duckdb_data_chunk chunk = duckdb_fetch_chunk(*described); chunk != NULL;
         chunk = duckdb_fetch_chunk(*described)) {
        const duckdb_string_t *names = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const duckdb_string_t *types = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++, at++) {
            struct value name = render_string(&names[i]), type = render_string(&types[i]);
            result->columns[at].name = mem_strndup(name.data, name.len);
            result->columns[at].type = mem_strndup(type.data, type.len);
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    assert(at == result->column_count);
}

/* Names and types of the columns that a query gives, in DuckDB's own words. */
static bool describe_query(struct engine_result *result, const char *sql, struct error *err) {
    char *text = mem_printf("DESCRIBE SELECT * FROM (%s\n)", sql);
    duckdb_result described = {0};
    bool ok = engine_run_all(result->connection, text, &described, err);
    if (ok)
        take_described_columns(result, &described);
    duckdb_destroy_result(&described);
    mem_free(text);
    return ok;
}

static bool prepare(struct engine_result *result, const char *sql, struct error *err) {
    duckdb_destroy_prepare(&result->statement);
    if (duckdb_prepare(result->connection->native, sql, &result->statement) == DuckDBSuccess)
        return true;
    return engine_set_prepare_error(result->connection, duckdb_prepare_error(result->statement), err);
}

/* A query's rows come as text: the query is wrapped, its columns by position, so that equal names do no harm. */
static bool prepare_as_text(struct engine_result *result, const char *sql, struct error *err) {
    if (!describe_query(result, sql, err))
        return false;
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < result->column_count; i++)
        buf_printf(&text, "%s c%zu::VARCHAR", i == 0 ? "SELECT" : ",", i);
    buf_printf(&text, " FROM (%s\n) AS t(", sql);
    for (size_t i = 0; i < result->column_count; i++)
        buf_printf(&text, "%sc%zu", i == 0 ? "" : ", ", i);
    buf_append_char(&text, ')');
    result->as_text = true;
    bool ok = prepare(result, text.data, err);
    buf_deinit(&text);
    return ok;
}

/* DuckDB refuses a statement's semicolon inside of parentheses. */
static char *without_semicolon(const char *sql) {
    size_t len = strlen(sql);
    while (len > 0 && strchr("; \t\r\n", sql[len - 1]) != NULL)
        len--;
    return mem_strndup(sql, len);
}

static void take_native_columns(struct engine_result *result) {
    set_column_count(result, duckdb_column_count(&result->native));
    for (size_t i = 0; i < result->column_count; i++) {
        result->columns[i].name = mem_strdup(duckdb_column_name(&result->native, i));
        bool text = duckdb_column_type(&result->native, i) == DUCKDB_TYPE_VARCHAR;
        result->columns[i].type = mem_strdup(text ? "VARCHAR" : "BIGINT");
    }
}

static bool execute(struct engine_result *result, struct error *err) {
    engine_statement_begin(result->connection);
    result->running = true;
    result->native_set = true;
    duckdb_state state = result->as_text ? duckdb_execute_prepared_streaming(result->statement, &result->native)
                                         : duckdb_execute_prepared(result->statement, &result->native);
    if (state != DuckDBSuccess)
        return engine_set_result_error(result->connection, &result->native, err);
    if (!result->as_text)
        take_native_columns(result);
    return true;
}

static bool start_query(struct engine_result *result, const char *sql, struct error *err) {
    if (!cancel_check(err) || !prepare(result, sql, err))
        return false;
    duckdb_statement_type type = duckdb_prepared_statement_type(result->statement);
    if (type == DUCKDB_STATEMENT_TYPE_SELECT && !prepare_as_text(result, sql, err))
        return false;
    return execute(result, err);
}

static struct engine_result *new_result(struct engine_connection *connection) {
    struct engine_result *result = mem_zalloc(sizeof *result);
    result->connection = connection;
    arena_init(&result->row_texts);
    return result;
}

bool engine_query(struct engine_connection *connection, const char *sql, struct engine_result **out,
                  struct error *err) {
    struct engine_result *result = new_result(connection);
    char *text = without_semicolon(sql);
    bool ok = start_query(result, text, err);
    mem_free(text);
    if (ok)
        *out = result;
    else
        engine_result_free(result);
    return ok;
}

void engine_result_free(struct engine_result *result) {
    if (result == NULL)
        return;
    duckdb_destroy_data_chunk(&result->chunk);
    if (result->native_set)
        duckdb_destroy_result(&result->native);
    duckdb_destroy_prepare(&result->statement);
    if (result->running)
        engine_statement_end(result->connection);
    for (size_t i = 0; i < result->column_count; i++) {
        mem_free(result->columns[i].name);
        mem_free(result->columns[i].type);
    }
    mem_free(result->columns);
    mem_free(result->row);
    arena_deinit(&result->row_texts);
    mem_free(result);
}

size_t engine_result_columns(const struct engine_result *result) { return result->column_count; }

const char *engine_result_name(const struct engine_result *result, size_t column) {
    assert(column < result->column_count);
    return result->columns[column].name;
}

const char *engine_result_type(const struct engine_result *result, size_t column) {
    assert(column < result->column_count);
    return result->columns[column].type;
}

/* Leaves chunk_rows 0 at the end. */
static bool next_chunk(struct engine_result *result, struct error *err) {
    duckdb_destroy_data_chunk(&result->chunk);
    result->chunk_rows = result->chunk_at = 0;
    result->chunk = duckdb_fetch_chunk(result->native);
    if (result->chunk == NULL) {
        const char *message = duckdb_result_error(&result->native);
        return message == NULL || message[0] == '\0' ||
               engine_set_result_error(result->connection, &result->native, err);
    }
    result->chunk_rows = duckdb_data_chunk_get_size(result->chunk);
    for (size_t i = 0; i < result->column_count; i++) {
        struct result_column *column = &result->columns[i];
        column->vector = duckdb_data_chunk_get_vector(result->chunk, i);
        column->strings = duckdb_vector_get_data(column->vector);
        column->validity = duckdb_vector_get_validity(column->vector);
    }
    return true;
}

static bool render_row(struct engine_result *result, struct error *err) {
    arena_reset(&result->row_texts);
    for (size_t i = 0; i < result->column_count; i++)
        if (!render_value(&result->row_texts, result->columns[i].vector, result->chunk_at, &result->row[i]))
            return error_set(err, ERROR_CONFIG, "column \"%s\" of this statement cannot be shown: use a query",
                             result->columns[i].name);
    return true;
}

static void text_row(struct engine_result *result) {
    idx_t at = result->chunk_at;
    for (size_t i = 0; i < result->column_count; i++) {
        struct result_column *column = &result->columns[i];
        if (column->validity == NULL || duckdb_validity_row_is_valid(column->validity, at))
            result->row[i] = render_string(&column->strings[at]);
        else
            result->row[i] = (struct value){NULL, 0, VALUE_NULL};
    }
}

bool engine_result_next(struct engine_result *result, const struct value **row, struct error *err) {
    *row = NULL;
    while (result->chunk_at == result->chunk_rows) {
        if (!next_chunk(result, err))
            return false;
        if (result->chunk == NULL)
            return true;
    }
    if (result->as_text)
        text_row(result);
    else if (!render_row(result, err))
        return false;
    result->chunk_at++;
    *row = result->row;
    return true;
}

/* Of a query of which only the first column's values are wanted, the other columns' names and types need not be asked for. */
static bool start_query_of_texts(struct engine_result *result, const char *sql, struct error *err) {
    char *text = without_semicolon(sql);
    char *wrapped = mem_printf("SELECT c0::VARCHAR FROM (%s\n) AS t(c0)", text);
    set_column_count(result, 1);
    result->as_text = true;
    bool ok = cancel_check(err) && prepare(result, wrapped, err) && execute(result, err);
    mem_free(wrapped);
    mem_free(text);
    return ok;
}

bool engine_query_texts(struct engine_connection *connection, struct arena *arena, const char *sql, const char ***out,
                        size_t *count, struct error *err) {
    struct engine_result *result = new_result(connection);
    const char **texts = NULL;
    size_t n = 0, capacity = 0;
    const struct value *row = NULL;
    bool ok = start_query_of_texts(result, sql, err);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL) {
        texts = mem_grow(texts, n, &capacity, sizeof *texts);
        texts[n++] = row[0].kind == VALUE_NULL ? NULL : arena_strndup(arena, row[0].data, row[0].len);
    }
    if (ok) {
        *out = arena_alloc(arena, n * sizeof *texts);
        if (n > 0)
            memcpy(*out, texts, n * sizeof *texts);
        *count = n;
    }
    mem_free(texts);
    engine_result_free(result);
    return ok;
}

bool engine_query_int(struct engine_connection *connection, const char *sql, int64_t *out, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    const char **texts = NULL;
    size_t count = 0;
    bool ok = engine_query_texts(connection, &arena, sql, &texts, &count, err);
    *out = 0;
    if (ok && count > 0 && texts[0] != NULL) {
        char *end = NULL;
        errno = 0;
        *out = strtoll(texts[0], &end, 10);
        if (errno != 0 || *end != '\0')
            ok = error_set(err, ERROR_INTERNAL, "the query gave \"%s\" in place of a number", texts[0]);
    }
    arena_deinit(&arena);
    return ok;
}
