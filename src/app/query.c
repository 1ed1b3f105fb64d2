/* `sluice query`: SQL over the lake, its tables named as in the source. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "app/command.h"
#include "app/lake_access.h"
#include "app/ledger.h"
#include "app/result_writer.h"
#include "base/log.h"
#include "task/load_advice.h"

static const char *const formats[] = {[RESULT_TABLE] = "table", [RESULT_CSV] = "csv", [RESULT_JSONL] = "jsonl", NULL};

enum { SQL_MAX_BYTES = 16 << 20, ATTEMPTS = 5 };

struct query {
    const struct config *config;
    const char *sql;
    enum result_format format;
    struct ledger ledger;
    struct lake_access access;
    struct engine_connection *connection;
    bool *has_data;          /* by the ledger's rows: has a version in the lake */
    struct error **problems; /* by the ledger's rows: why there is no view; NULL: there is, or nobody asks */
    bool printed;
    int attempt;
};

/* --- views --------------------------------------------------------------------------------------------------------------- */

/* A cheap look, so that a query opens the tables that it reads and not all of them. */
static bool is_named(const char *sql, const struct controller_row *row) {
    return strchr(row->table, '"') != NULL || strcasestr(sql, row->table) != NULL;
}

/* SQL that asks which tables there are. */
static bool is_listing(const char *sql) {
    static const char *const words[] = {"show", "information_schema", "duckdb_", "pg_", "sqlite_", NULL};
    for (const char *const *word = words; *word != NULL; word++)
        if (strcasestr(sql, *word) != NULL)
            return true;
    return false;
}

static bool is_of_name(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

/* True when the name stands in the SQL as a word of its own, in the source's own upper and lower case. */
static bool is_written(const char *sql, const char *name) {
    size_t len = strlen(name);
    for (const char *at = strstr(sql, name); at != NULL; at = strstr(at + 1, name))
        if ((at == sql || !is_of_name(at[-1])) && !is_of_name(at[len]))
            return true;
    return false;
}

static bool is_row_written(const char *sql, const struct controller_row *row) {
    return is_written(sql, row->schema) && is_written(sql, row->table);
}

/* SQL does not tell upper from lower case, while the source may have two tables that differ in nothing else: then the SQL
 * has to write one of them as the source does, and not both. */
static bool check_twins(const struct query *query, const struct controller_row *row, struct error *err) {
    const struct ledger *ledger = &query->ledger;
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct controller_row *other = &ledger->rows[i];
        bool twin =
            other != row && strcasecmp(other->schema, row->schema) == 0 && strcasecmp(other->table, row->table) == 0;
        if (twin && (!is_row_written(query->sql, row) || is_row_written(query->sql, other)))
            return error_set(err, ERROR_CONFIG,
                             "the tables %s.%s and %s.%s differ in upper and lower case only, which SQL does not tell "
                             "apart: write one of them exactly so, and query one at a time",
                             row->schema, row->table, other->schema, other->table);
    }
    return true;
}

/* The schema's name with the database's in front: DuckDB has databases "temp" and "system" of its own. */
static void append_schema(struct buf *sql, const struct controller_row *row) {
    buf_append_text(sql, "memory.");
    buf_append_sql_name(sql, row->schema);
}

static bool create_schema(struct query *query, const struct controller_row *row, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    append_schema(&sql, row);
    bool ok = engine_run(query->connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

static bool create_view(struct query *query, const struct controller_row *row, const char *suffix,
                        struct lake_table *table, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE VIEW ");
    append_schema(&sql, row);
    buf_append_char(&sql, '.');
    const char *name = arena_printf(&query->ledger.arena, "%s%s", row->table, suffix);
    buf_append_sql_name(&sql, name);
    buf_append_text(&sql, " AS ");
    bool ok = lake_scan(table, &sql, err) && engine_run(query->connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

static bool register_folder(struct query *query, const struct controller_row *row, const char *folder,
                            const char *suffix, bool *has_data, struct error *err) {
    struct lake_table *table = NULL;
    bool ok = lake_open(query->access.format, &query->access.lake, folder, &table, err);
    *has_data = ok && table->version.number > 0;
    if (*has_data)
        ok = create_view(query, row, suffix, table, err);
    lake_close(table);
    return ok;
}

static bool register_table(struct query *query, size_t i, struct error *err) {
    const struct controller_row *row = &query->ledger.rows[i];
    struct arena *arena = &query->ledger.arena;
    enum history history = config_history(query->config, row->schema, row->table);
    bool has_history, ok = true;
    if (!create_schema(query, row, err))
        return error_prefix(err, "schema %s", row->schema);
    if (!check_twins(query, row, err))
        return false;
    if (row->out_path == NULL)
        return true;
    if (history != HISTORY_ONLY)
        ok = register_folder(query, row, config_table_folder(query->config, arena, row->schema, row->table), "",
                             &query->has_data[i], err);
    if (ok && history != HISTORY_NONE)
        ok = register_folder(query, row, config_history_folder(query->config, arena, row->schema, row->table),
                             "_history", &has_history, err);
    return ok || error_prefix(err, "table %s.%s", row->schema, row->table);
}

/* A table whose name only happens to be in the SQL must not stop it: what is wrong with a table is said when the SQL turns
 * out to need it. Who asks which tables there are hears it at once. */
static bool register_or_remember(struct query *query, size_t i, bool listing, struct error *err) {
    struct error why = {0};
    if (register_table(query, i, &why))
        return true;
    if (why.kind == ERROR_RETRY || why.kind == ERROR_CANCELLED) {
        *err = why;
        return false;
    }
    if (listing)
        log_warning("%s", why.message);
    query->problems[i] = arena_alloc(&query->ledger.arena, sizeof why);
    *query->problems[i] = why;
    return true;
}

/* All tables when the SQL names none, or asks which there are. */
static bool register_tables(struct query *query, struct error *err) {
    const struct ledger *ledger = &query->ledger;
    bool any_named = false, listing = is_listing(query->sql);
    query->has_data = arena_alloc(&query->ledger.arena, (ledger->row_count + 1) * sizeof *query->has_data);
    query->problems = arena_alloc(&query->ledger.arena, (ledger->row_count + 1) * sizeof *query->problems);
    for (size_t i = 0; i < ledger->row_count; i++)
        any_named = any_named || is_named(query->sql, &ledger->rows[i]);
    for (size_t i = 0; i < ledger->row_count; i++) {
        bool wanted = listing || !any_named || is_named(query->sql, &ledger->rows[i]);
        if (wanted && !register_or_remember(query, i, listing, err))
            return false;
    }
    return true;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

/* The engine says that there is no such table; if there is one that could not be opened or has no data yet, says that. */
static void explain_missing_table(const struct query *query, struct error *err) {
    for (size_t i = 0; i < query->ledger.row_count; i++) {
        const struct controller_row *row = &query->ledger.rows[i];
        char missing[600];
        snprintf(missing, sizeof missing, "Table with name %s does not exist", row->table);
        if (strcasestr(err->message, missing) == NULL || (query->has_data[i] && query->problems[i] == NULL))
            continue;
        if (query->problems[i] != NULL) {
            *err = *query->problems[i];
            return;
        }
        const char *waiting = ledger_waiting_for(row, ledger_find_capture(&query->ledger, row->schema, row->table));
        if (waiting != NULL)
            error_set(err, ERROR_DATA,
                      "table %s.%s has no data in the lake yet: it waits for %s (see `sluice tables list`)",
                      row->schema, row->table, waiting);
        else if (row->last_error != NULL)
            error_set(err, ERROR_DATA, "table %s.%s has no data in the lake yet, because its load failed: %s",
                      row->schema, row->table, row->last_error);
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

/* Files that a load replaced meanwhile are gone when the query opens them: then again, from the table's new version. */
static bool may_try_again(const struct query *query, const struct error *err) {
    return err->kind == ERROR_RETRY && !query->printed && query->attempt < ATTEMPTS;
}

/* A file that is gone for good. */
static void explain_missing_file(struct query *query, struct error *err) {
    for (size_t i = 0; i < query->ledger.row_count; i++) {
        const struct controller_row *row = &query->ledger.rows[i];
        const char *folder = config_table_folder(query->config, &query->ledger.arena, row->schema, row->table);
        if (row->out_path != NULL &&
            load_advise_missing_file(query->access.lake.store, folder, row->schema, row->table, err)) {
            error_prefix(err, "table %s.%s", row->schema, row->table);
            return;
        }
    }
}

static bool run_once(struct query *query, struct error *err) {
    query->attempt++;
    bool ok = ledger_open(query->config, false, &query->ledger, err) &&
              lake_access_open(query->config, &query->access, err) &&
              engine_connect(query->access.lake.engine, &query->connection, err) && register_tables(query, err) &&
              run_sql(query, err);
    if (!ok && !may_try_again(query, err) && query->access.lake.store != NULL)
        explain_missing_file(query, err);
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

/* What stands before the first word: blanks, comments, parentheses. */
static const char *skip_to_word(const char *sql) {
    for (;;) {
        sql += strspn(sql, " \t\r\n(");
        const char *end = strncmp(sql, "--", 2) == 0 ? strchr(sql, '\n') : NULL;
        if (strncmp(sql, "/*", 2) == 0 && (end = strstr(sql + 2, "*/")) != NULL)
            end++;
        if (end == NULL)
            return sql;
        sql = end + 1;
    }
}

/* Others would run too, on an engine that is thrown away at once, and their "Success" would say nothing. */
static bool check_statement(const char *sql, struct error *err) {
    static const char *const words[] = {"select", "with",     "from",      "values", "table",
                                        "show",   "describe", "desc",      "call",   "explain",
                                        "pivot",  "unpivot",  "summarize", "copy",   NULL};
    const char *word = skip_to_word(sql);
    size_t len = 0;
    while (is_of_name(word[len]))
        len++;
    for (size_t i = 0; words[i] != NULL; i++)
        if (strlen(words[i]) == len && strncasecmp(word, words[i], len) == 0)
            return true;
    return error_set(
        err, ERROR_CONFIG,
        "query only reads: it runs SELECT, WITH, FROM, VALUES, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN, CALL, PIVOT "
        "and COPY … TO, not \"%.*s\"",
        (int)(len > 0 && len < 80 ? len : strnlen(word, 20)), word);
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
    if (out->len == 0)
        return error_set(err, ERROR_CONFIG, "the SQL is empty");
    return check_statement(out->data, err);
}

static bool run_query(struct command_call *call, struct error *err) {
    size_t format;
    struct buf sql;
    if (!command_choice(call, "format", formats, isatty(STDOUT_FILENO) ? RESULT_TABLE : RESULT_CSV, &format, err))
        return false;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = read_sql(call, &sql, err);
    if (ok) {
        struct query query = {.config = call->config, .sql = sql.data, .format = (enum result_format)format};
        while (!(ok = run_once(&query, err)) && may_try_again(&query, err)) {
        }
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
    .help =
        "Runs one statement of DuckDB's SQL that reads (SELECT, WITH, FROM, SHOW, DESCRIBE, EXPLAIN, … and COPY … TO); "
        "without SQL, or for -, it is read from stdin. The lake's tables are "
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
