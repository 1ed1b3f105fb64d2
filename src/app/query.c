/* `sluice query`: SQL over the lake, its tables named as in the source. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/command.h"
#include "app/lake_access.h"
#include "app/ledger.h"
#include "app/result_writer.h"

static const char *const formats[] = {[RESULT_TABLE] = "table", [RESULT_CSV] = "csv", [RESULT_JSONL] = "jsonl", NULL};

enum { SQL_MAX_BYTES = 16 << 20, ATTEMPTS = 5 };

struct query {
    const struct config *config;
    const char *sql;
    enum result_format format;
    struct ledger ledger;
    struct lake_access access;
    struct engine_connection *connection;
    bool *has_data; /* by the ledger's rows: has a version in the lake */
    bool printed;
};

/* --- views --------------------------------------------------------------------------------------------------------------- */

/* A cheap look, so that a query opens the tables that it reads and not all of them. */
static bool is_named(const char *sql, const struct controller_row *row) {
    return strchr(row->table, '"') != NULL || strcasestr(sql, row->table) != NULL;
}

static bool create_schema(struct query *query, const struct controller_row *row, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    buf_append_sql_name(&sql, row->schema);
    bool ok = engine_run(query->connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

static bool create_view(struct query *query, const struct controller_row *row, struct lake_table *table,
                        struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE VIEW ");
    buf_append_sql_name(&sql, row->schema);
    buf_append_char(&sql, '.');
    buf_append_sql_name(&sql, row->table);
    buf_append_text(&sql, " AS ");
    bool ok = lake_scan(table, &sql, err) && engine_run(query->connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

static bool register_table(struct query *query, size_t i, struct error *err) {
    const struct controller_row *row = &query->ledger.rows[i];
    struct lake_table *table = NULL;
    if (!create_schema(query, row, err))
        return error_prefix(err, "schema %s", row->schema);
    if (row->out_path == NULL)
        return true;
    const char *folder = config_table_folder(query->config, &query->ledger.arena, row->schema, row->table);
    bool ok = lake_open(query->access.format, &query->access.lake, folder, &table, err);
    if (ok && table->version.number > 0) {
        query->has_data[i] = true;
        ok = create_view(query, row, table, err);
    }
    lake_close(table);
    return ok || error_prefix(err, "table %s.%s", row->schema, row->table);
}

/* All tables when the SQL names none: it may ask which there are. */
static bool register_tables(struct query *query, struct error *err) {
    const struct ledger *ledger = &query->ledger;
    bool any_named = false;
    query->has_data = arena_alloc(&query->ledger.arena, (ledger->row_count + 1) * sizeof *query->has_data);
    for (size_t i = 0; i < ledger->row_count; i++)
        any_named = any_named || is_named(query->sql, &ledger->rows[i]);
    for (size_t i = 0; i < ledger->row_count; i++)
        if ((!any_named || is_named(query->sql, &ledger->rows[i])) && !register_table(query, i, err))
            return false;
    return true;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

/* The engine says that there is no such table; if there is one that only has no data yet, says that. */
static void explain_missing_table(const struct query *query, struct error *err) {
    for (size_t i = 0; i < query->ledger.row_count; i++) {
        const struct controller_row *row = &query->ledger.rows[i];
        char missing[600];
        snprintf(missing, sizeof missing, "Table with name %s does not exist", row->table);
        if (query->has_data[i] || strcasestr(err->message, missing) == NULL)
            continue;
        const char *waiting = ledger_waiting_for(row, ledger_find_capture(&query->ledger, row->schema, row->table));
        if (waiting != NULL)
            error_set(err, ERROR_DATA,
                      "table %s.%s has no data in the lake yet: it waits for %s (see `sluice tables list`)",
                      row->schema, row->table, waiting);
        else
            error_set(err, ERROR_DATA, "table %s.%s has no data in the lake yet: `sluice load` brings it there",
                      row->schema, row->table);
        return;
    }
}

static bool run_sql(struct query *query, struct error *err) {
    struct engine_result *result = NULL;
    bool ok = engine_query(query->connection, query->sql, &result, err) &&
              result_write(result, query->format, &query->printed, err);
    engine_result_free(result);
    if (!ok && !query->printed)
        explain_missing_table(query, err);
    return ok;
}

static bool run_once(struct query *query, struct error *err) {
    bool ok = ledger_open(query->config, false, &query->ledger, err) &&
              lake_access_open(query->config, &query->access, err) &&
              engine_connect(query->access.lake.engine, &query->connection, err) && register_tables(query, err) &&
              run_sql(query, err);
    engine_disconnect(query->connection);
    lake_access_close(&query->access);
    ledger_close(&query->ledger);
    query->connection = NULL;
    query->access = (struct lake_access){0};
    return ok;
}

/* --- the SQL's text ---------------------------------------------------------------------------------------------------------- */

static bool read_stdin(struct buf *out, struct error *err) {
    enum { CHUNK_BYTES = 1 << 16 };
    for (size_t got = 1; got > 0; out->len += got) {
        if (out->len > SQL_MAX_BYTES)
            return error_set(err, ERROR_CONFIG, "SQL of more than %d MB on stdin", SQL_MAX_BYTES >> 20);
        got = fread(buf_reserve(out, CHUNK_BYTES), 1, CHUNK_BYTES, stdin);
    }
    buf_append(out, "", 0);
    return true;
}

static bool read_sql(const struct command_call *call, struct buf *out, struct error *err) {
    bool from_stdin = call->argument_count == 0 || strcmp(call->arguments[0], "-") == 0;
    if (call->argument_count == 0 && isatty(STDIN_FILENO))
        return error_set(err, ERROR_CONFIG, "query needs SQL, such as: sluice query 'SELECT 1'");
    if (from_stdin && !read_stdin(out, err))
        return false;
    if (!from_stdin)
        buf_append_text(out, call->arguments[0]);
    while (out->len > 0 && (isspace((unsigned char)out->data[out->len - 1]) || out->data[out->len - 1] == ';'))
        out->data[--out->len] = '\0';
    return out->len > 0 || error_set(err, ERROR_CONFIG, "the SQL is empty");
}

/* Files that a load replaced meanwhile are gone when the query opens them: then again, from the table's new version. */
static bool run_query(struct command_call *call, struct error *err) {
    size_t format;
    struct buf sql;
    if (!command_choice(call, "format", formats, isatty(STDOUT_FILENO) ? RESULT_TABLE : RESULT_CSV, &format, err))
        return false;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = read_sql(call, &sql, err);
    if (ok) {
        struct query query = {.config = call->config, .sql = sql.data, .format = (enum result_format)format};
        int attempt = 1;
        while (!(ok = run_once(&query, err)) && err->kind == ERROR_RETRY && !query.printed && attempt < ATTEMPTS)
            attempt++;
    }
    buf_deinit(&sql);
    return ok;
}

static const struct command_flag flags[] = {
    {.name = "format",
     .value = "table|csv|jsonl",
     .help = "A table for people (the default on a terminal), CSV (elsewhere), or a JSON object a line"},
    {.name = NULL},
};

const struct command command_query = {
    .name = "query",
    .arguments = "[SQL]",
    .argument_max = 1,
    .summary = "runs SQL over the lake, with the source's names",
    .help = "Runs one statement of DuckDB's SQL; without SQL, or for -, it is read from stdin. The lake's tables are "
            "\"schema\".\"table\" as in the source; their first column is \"Op\", the last change of the row. SHOW ALL "
            "TABLES lists "
            "them. The lake is only read; COPY … TO writes local files.\n\n"
            "csv is RFC 4180: NULL is an empty field, an empty text is \"\". In jsonl, integers, finite floating-point "
            "numbers "
            "and booleans are JSON's own; decimals (which most readers would round), dates and all else are strings.",
    .flags = flags,
    .needs_config = true,
    .run = run_query,
};
