#include "source/postgres_conn.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "source/postgres_connect.h"

enum {
    QUERY_WAIT_LIMIT_MS = 600 * 1000, /* for the next bytes of an answer */
    LONG_MS = 5000,                   /* after which a wait is worth a line in the log */
};

struct postgres_conn {
    PGconn *pg;
    char *copied; /* of the last row of a COPY */
    struct postgres_server server;
    struct arena arena;
    const char *where;
    bool broken;
};

/* ---- errors */

static int code_of(const char *state) {
    return strlen(state) == 5 ? POSTGRES_SQLSTATE(state[0], state[1], state[2], state[3], state[4]) : 0;
}

static bool in_class(const char *state, const char *class) { return strncmp(state, class, strlen(class)) == 0; }

/* PostgreSQL documentation, appendix A: the first two characters are the class. */
enum error_kind postgres_kind_of(const char *state) {
    static const char *const config[] = {
        "28",    /* wrong user or password, pg_hba.conf */
        "3D000", /* no such database */
        "42501", /* privilege missing */
    };
    static const char *const retry[] = {
        "08",    /* connection */
        "25006", /* read-only: what was the primary is a standby now */
        "40",    /* transaction rolled back: serialization, deadlock */
        "53",    /* resources: connections, disk, memory */
        "55006", /* in use: the slot's last reader is not gone yet */
        "55P03", /* lock not available */
        "57",    /* operator intervention: shutdown, crash, cancelled */
        "XX000", /* internal: what was looked up in the catalog was dropped meanwhile */
    };
    for (size_t i = 0; i < sizeof config / sizeof *config; i++)
        if (in_class(state, config[i]))
            return ERROR_CONFIG;
    for (size_t i = 0; i < sizeof retry / sizeof *retry; i++)
        if (in_class(state, retry[i]))
            return ERROR_RETRY;
    return ERROR_OUTSIDE;
}

static const char *hint_of(const char *state) {
    return in_class(state, "42501") ? "; `sluice check` lists the statements that give source.user what it lacks" : "";
}

/* What the server said of a failed statement, or what libpq says of a connection that broke. */
static bool fail(struct postgres_conn *conn, const PGresult *result, struct error *err) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    if (PQstatus(conn->pg) != CONNECTION_OK)
        conn->broken = true;
    if (cancel_requested())
        return cancel_check(err);
    if (state == NULL || message == NULL) {
        conn->broken = true;
        char *text = mem_strdup(PQerrorMessage(conn->pg));
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == '\n')
            text[--len] = '\0';
        error_set(err, ERROR_RETRY, "%s: %s", conn->where, len > 0 ? text : "the connection was lost");
        mem_free(text);
        return false;
    }
    return error_set_code(err, postgres_kind_of(state), code_of(state), "%s: %s (%s)%s%s%s%s%s", conn->where, message,
                          state, detail != NULL ? "; " : "", detail != NULL ? detail : "", hint != NULL ? "; " : "",
                          hint != NULL ? hint : "", hint_of(state));
}

static bool fail_silence(struct postgres_conn *conn, struct error *err) {
    conn->broken = true;
    if (cancel_requested())
        return cancel_check(err);
    return error_set(err, ERROR_RETRY, "%s: no answer for %d s", conn->where, QUERY_WAIT_LIMIT_MS / 1000);
}

/* ---- opening */

static bool learn_server(struct postgres_conn *conn, struct error *err) {
    struct postgres_server *server = &conn->server;
    struct postgres_result result;
    server->version = (unsigned)PQserverVersion(conn->pg);
    server->text = arena_strdup(&conn->arena, PQparameterStatus(conn->pg, "server_version"));
    if (server->text == NULL)
        server->text = "";
    /* Settings of the role or the database would end connections that wait for us. Only those that this version knows. */
    if (!postgres_conn_query(conn, &conn->arena, &result, err,
                             "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN "
                             "('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', "
                             "'idle_session_timeout', 'transaction_timeout')") ||
        !postgres_conn_query(conn, &conn->arena, &result, err,
                             "SELECT pg_catalog.pg_is_in_recovery(), "
                             "(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER), "
                             "CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') "
                             "THEN (SELECT system_identifier FROM pg_catalog.pg_control_system()) END"))
        return false;
    server->in_recovery = postgres_result_is(&result, 0, 0);
    server->superuser = postgres_result_is(&result, 0, 1);
    const char *id = postgres_result_cell(&result, 0, 2);
    server->system_id = id != NULL ? id : "";
    return true;
}

bool postgres_conn_open(const struct config_source *config, enum postgres_conn_kind kind, struct postgres_conn **out,
                        struct error *err) {
    struct postgres_conn *conn = mem_zalloc(sizeof *conn);
    arena_init(&conn->arena);
    bool ok = postgres_connect(config, kind == POSTGRES_CONN_LOG, &conn->arena, &conn->pg, &conn->where, err) &&
              learn_server(conn, err);
    if (ok && conn->server.version < POSTGRES_VERSION_MIN)
        ok = error_set(err, ERROR_CONFIG, "%s: the server is PostgreSQL %s; 12 and later can be captured", conn->where,
                       conn->server.text);
    if (!ok) {
        postgres_conn_close(conn);
        return false;
    }
    *out = conn;
    return true;
}

void postgres_conn_close(struct postgres_conn *conn) {
    if (conn == NULL)
        return;
    PQfreemem(conn->copied);
    PQfinish(conn->pg);
    arena_deinit(&conn->arena);
    mem_free(conn);
}

const struct postgres_server *postgres_conn_server(const struct postgres_conn *conn) { return &conn->server; }

const char *postgres_conn_where(const struct postgres_conn *conn) { return conn->where; }

bool postgres_conn_has_tls(const struct postgres_conn *conn) { return PQsslInUse(conn->pg) != 0; }

bool postgres_conn_is_alive(const struct postgres_conn *conn) {
    return !conn->broken && PQstatus(conn->pg) == CONNECTION_OK;
}

/* ---- statements */

/* The next result, NULL at the end of the answer. `what` NULL: waits no longer than the limit. */
static bool next_result(struct postgres_conn *conn, const char *what, PGresult **out, struct error *err) {
    int64_t started_ms = clock_monotonic_ms();
    bool said = false;
    while (PQisBusy(conn->pg)) {
        bool ready;
        if (!postgres_poll(PQsocket(conn->pg), POSTGRES_POLL_READ, POSTGRES_POLL_SLICE_MS, &ready))
            return fail_silence(conn, err);
        if (ready && !PQconsumeInput(conn->pg))
            return fail(conn, NULL, err);
        int64_t waited_ms = clock_monotonic_ms() - started_ms;
        if (what == NULL && waited_ms > QUERY_WAIT_LIMIT_MS)
            return fail_silence(conn, err);
        if (what != NULL && waited_ms > LONG_MS && !said) {
            log_info("%s", what);
            said = true;
        }
    }
    *out = PQgetResult(conn->pg);
    return true;
}

/* Reads the answer to its end. The result of the last statement, to be freed with PQclear; the first failure counts. */
static bool read_answer(struct postgres_conn *conn, const char *what, PGresult **out, struct error *err) {
    PGresult *last = NULL;
    bool ok = true;
    for (PGresult *result = NULL; next_result(conn, what, &result, ok ? err : NULL);) {
        if (result == NULL) {
            *out = last;
            if (!ok)
                PQclear(last);
            return ok;
        }
        ExecStatusType status = PQresultStatus(result);
        bool fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
        if (ok && !fine)
            ok = fail(conn, result, err);
        PQclear(last);
        last = result;
        if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH || status == PGRES_COPY_IN)
            break; /* asked for by mistake: never true of our own statements */
    }
    PQclear(last);
    conn->broken = true;
    return false;
}

static bool send_query(struct postgres_conn *conn, const char *sql, struct error *err) {
    if (!cancel_check(err))
        return false;
    if (conn->broken)
        return error_set(err, ERROR_RETRY, "%s: the connection was lost", conn->where);
    return PQsendQuery(conn->pg, sql) == 1 || fail(conn, NULL, err);
}

static char *format_sql(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_sql(const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    char *sql = mem_alloc((size_t)len + 1);
    vsnprintf(sql, (size_t)len + 1, format, again);
    va_end(again);
    return sql;
}

bool postgres_conn_run(struct postgres_conn *conn, struct error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *sql = format_sql(format, args);
    va_end(args);
    PGresult *result = NULL;
    bool ok = send_query(conn, sql, err) && read_answer(conn, NULL, &result, err);
    mem_free(sql);
    if (ok)
        PQclear(result);
    return ok;
}

bool postgres_conn_run_long(struct postgres_conn *conn, const char *what, struct error *err, const char *sql) {
    PGresult *result = NULL;
    bool ok = send_query(conn, sql, err) && read_answer(conn, what, &result, err);
    if (ok)
        PQclear(result);
    return ok;
}

static void copy_result(const PGresult *from, struct arena *arena, struct postgres_result *out) {
    out->row_count = (size_t)PQntuples(from);
    out->column_count = (size_t)PQnfields(from);
    out->cells = arena_alloc(arena, (out->row_count * out->column_count + 1) * sizeof *out->cells);
    for (size_t r = 0; r < out->row_count; r++)
        for (size_t c = 0; c < out->column_count; c++)
            if (!PQgetisnull(from, (int)r, (int)c))
                out->cells[r * out->column_count + c] =
                    arena_strndup(arena, PQgetvalue(from, (int)r, (int)c), (size_t)PQgetlength(from, (int)r, (int)c));
}

bool postgres_conn_query(struct postgres_conn *conn, struct arena *arena, struct postgres_result *out,
                         struct error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *sql = format_sql(format, args);
    va_end(args);
    bool ok = postgres_conn_query_long(conn, NULL, arena, out, err, sql);
    mem_free(sql);
    return ok;
}

bool postgres_conn_query_long(struct postgres_conn *conn, const char *what, struct arena *arena,
                              struct postgres_result *out, struct error *err, const char *sql) {
    PGresult *result = NULL;
    bool ok = send_query(conn, sql, err) && read_answer(conn, what, &result, err);
    if (!ok)
        return false;
    if (PQntuples(result) > POSTGRES_RESULT_ROWS_MAX)
        ok = error_set(err, ERROR_OUTSIDE, "%s: a result of more than %d rows; narrow source.schema_filter",
                       conn->where, POSTGRES_RESULT_ROWS_MAX);
    else
        copy_result(result, arena, out);
    PQclear(result);
    return ok;
}

bool postgres_result_is(const struct postgres_result *result, size_t row, size_t column) {
    const char *cell = postgres_result_cell(result, row, column);
    return cell != NULL && strcmp(cell, "t") == 0;
}

/* ---- COPY */

/* The first result of a statement that goes over into a COPY. */
static bool begin(struct postgres_conn *conn, const char *sql, ExecStatusType wanted, struct error *err) {
    PGresult *result = NULL;
    if (!send_query(conn, sql, err) || !next_result(conn, NULL, &result, err))
        return false;
    bool ok = PQresultStatus(result) == wanted || fail(conn, result, err);
    PQclear(result);
    if (!ok && PQstatus(conn->pg) == CONNECTION_OK) { /* the rest of the answer, so that the connection stays of use */
        PGresult *rest = NULL;
        if (read_answer(conn, NULL, &rest, NULL))
            PQclear(rest);
    }
    return ok;
}

bool postgres_conn_begin_copy(struct postgres_conn *conn, const char *sql, struct error *err) {
    return begin(conn, sql, PGRES_COPY_OUT, err);
}

/* 1: a row is in conn->copied; 0: none is here yet; -1: the end, or an error (which the result tells). */
static int take_copied(struct postgres_conn *conn, struct slice *out) {
    PQfreemem(conn->copied);
    conn->copied = NULL;
    int len = PQgetCopyData(conn->pg, &conn->copied, 1);
    *out = (struct slice){conn->copied, len > 0 ? (size_t)len : 0};
    return len > 0 ? 1 : len == 0 ? 0 : -1;
}

bool postgres_conn_next_copy(struct postgres_conn *conn, struct slice *out, bool *more, struct error *err) {
    int64_t started_ms = 0;
    for (;;) {
        int taken = take_copied(conn, out);
        *more = taken > 0;
        if (taken > 0)
            return true;
        if (taken < 0)
            break;
        bool ready;
        if (!postgres_poll(PQsocket(conn->pg), POSTGRES_POLL_READ, POSTGRES_POLL_SLICE_MS, &ready))
            return fail_silence(conn, err);
        if (ready && !PQconsumeInput(conn->pg))
            return fail(conn, NULL, err);
        if (started_ms == 0)
            started_ms = clock_monotonic_ms();
        else if (clock_monotonic_ms() - started_ms > QUERY_WAIT_LIMIT_MS)
            return fail_silence(conn, err);
    }
    PGresult *result = NULL;
    if (!read_answer(conn, NULL, &result, err))
        return false;
    PQclear(result);
    return true;
}

/* ---- the log */

bool postgres_conn_begin_log(struct postgres_conn *conn, const char *command, struct error *err) {
    return begin(conn, command, PGRES_COPY_BOTH, err);
}

bool postgres_conn_next_log(struct postgres_conn *conn, struct slice *out, struct error *err) {
    int taken = take_copied(conn, out);
    if (taken == 0) {
        if (!PQconsumeInput(conn->pg))
            return fail(conn, NULL, err);
        taken = take_copied(conn, out);
    }
    if (taken >= 0) {
        if (taken == 0)
            out->data = NULL;
        return true;
    }
    PGresult *result = PQgetResult(conn->pg);
    bool ended = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_COPY_IN;
    if (ended)
        error_set(err, ERROR_RETRY, "%s: the server ended the stream", conn->where);
    else
        fail(conn, result, err);
    PQclear(result);
    conn->broken = true;
    return false;
}

bool postgres_conn_send_log(struct postgres_conn *conn, struct slice message, struct error *err) {
    if (conn->broken)
        return error_set(err, ERROR_RETRY, "%s: the connection was lost", conn->where);
    assert(message.len <= INT32_MAX);
    return (PQputCopyData(conn->pg, message.data, (int)message.len) == 1 && PQflush(conn->pg) >= 0) ||
           fail(conn, NULL, err);
}

bool postgres_conn_wait(const struct postgres_conn *conn, int timeout_ms, struct error *err) {
    int64_t until = clock_monotonic_ms() + timeout_ms;
    for (int64_t left = timeout_ms; left > 0 && !cancel_requested(); left = until - clock_monotonic_ms()) {
        bool ready;
        int slice_ms = left < POSTGRES_POLL_SLICE_MS ? (int)left : POSTGRES_POLL_SLICE_MS;
        if (!postgres_poll(PQsocket(conn->pg), POSTGRES_POLL_READ, slice_ms, &ready))
            return cancel_requested() ||
                   error_set(err, ERROR_RETRY, "%s: waiting on the connection failed", conn->where);
        if (ready)
            break;
    }
    return true;
}

/* ---- SQL texts */

void postgres_append_table(struct buf *out, const char *schema, const char *name) {
    buf_append_sql_name(out, schema);
    buf_append_char(out, '.');
    buf_append_sql_name(out, name);
}

void postgres_append_text(struct buf *out, const char *text) { buf_append_sql_text(out, text, strlen(text)); }
