/* A connection to PostgreSQL: libpq behind the few calls that this source needs. Every wait looks at cancel.h and has a
 * limit, so that a stop request and a dead network end it. A connection belongs to one thread at a time.
 *
 * source.host may be a list, `a,b:5433`: the first that is reachable and, when there are several, is no standby is taken.
 *
 * Every session has what the conversions of postgres_type.h expect: TimeZone UTC, DateStyle ISO, IntervalStyle postgres,
 * extra_float_digits 1, bytea_output hex, client_encoding UTF8, search_path pg_catalog (so that names come qualified).
 *
 * Kinds of error: RETRY (not reachable, lost, locked out for now), CONFIG (password, privileges, TLS: the message says what
 * to do), OUTSIDE (the server refused), CANCELLED. error.code is the SQLSTATE, see POSTGRES_SQLSTATE. */
#ifndef SLUICE_SOURCE_POSTGRES_CONN_H
#define SLUICE_SOURCE_POSTGRES_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

/* A SQLSTATE as a number: five characters of six bits, as PostgreSQL's own MAKE_SQLSTATE. */
#define POSTGRES_SQLSTATE(a, b, c, d, e)                                                                               \
    ((((a) - '0') & 63) | ((((b) - '0') & 63) << 6) | ((((c) - '0') & 63) << 12) | ((((d) - '0') & 63) << 18) |        \
     ((((e) - '0') & 63) << 24))
enum {
    POSTGRES_ERROR_PRIVILEGE = POSTGRES_SQLSTATE('4', '2', '5', '0', '1'),
    POSTGRES_ERROR_NO_TABLE = POSTGRES_SQLSTATE('4', '2', 'P', '0', '1'),
    POSTGRES_ERROR_NO_COLUMN = POSTGRES_SQLSTATE('4', '2', '7', '0', '3'),
    POSTGRES_ERROR_NO_OBJECT = POSTGRES_SQLSTATE('4', '2', '7', '0', '4'), /* slot, publication */
    POSTGRES_ERROR_INTERNAL = POSTGRES_SQLSTATE('X', 'X', '0', '0', '0'),
    POSTGRES_ERROR_IN_USE = POSTGRES_SQLSTATE('5', '5', '0', '0', '6'), /* the slot is active */
    POSTGRES_ERROR_STATE = POSTGRES_SQLSTATE('5', '5', '0', '0', '0'),  /* … or lost */
};

struct postgres_server {
    unsigned version;      /* 150018 */
    const char *text;      /* "15.18 (Debian 15.18-0+deb12u1)" */
    const char *system_id; /* pg_control_system(): the same on a physical standby; "" where the user may not ask */
    bool in_recovery;      /* it is a standby */
    bool superuser;        /* the user is one */
};

struct postgres_conn;

enum postgres_conn_kind {
    POSTGRES_CONN_SQL,
    POSTGRES_CONN_LOG, /* takes replication commands too (replication=database) */
};

bool postgres_conn_open(const struct config_source *config, enum postgres_conn_kind kind, struct postgres_conn **out,
                        struct error *err);
void postgres_conn_close(struct postgres_conn *conn); /* NULL is fine */
const struct postgres_server *postgres_conn_server(const struct postgres_conn *conn);
const char *postgres_conn_where(const struct postgres_conn *conn); /* "sluice@db.example:5432/shop" */
bool postgres_conn_has_tls(const struct postgres_conn *conn);
/* False once the connection broke: every later call fails, open a new one. */
bool postgres_conn_is_alive(const struct postgres_conn *conn);

/* A statement whose result, if any, does not matter; its text by a printf format. Several, separated by `;`, are one
 * transaction. The privileges of `CREATE PUBLICATION` and the like are those of the user. */
bool postgres_conn_run(struct postgres_conn *conn, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As run; waits as long as it takes (only a stop request ends it), and logs `what` once when it takes long. */
bool postgres_conn_run_long(struct postgres_conn *conn, const char *what, struct error *err, const char *sql);

/* A small result, whole; NULL cells are SQL NULL. Everything lives in the arena. */
struct postgres_result {
    size_t row_count, column_count;
    const char **cells; /* row after row */
};
enum { POSTGRES_RESULT_ROWS_MAX = 10 * 1000 * 1000 };
bool postgres_conn_query(struct postgres_conn *conn, struct arena *arena, struct postgres_result *out,
                         struct error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* As query, with run_long's patience; `what` NULL: without it. */
bool postgres_conn_query_long(struct postgres_conn *conn, const char *what, struct arena *arena,
                              struct postgres_result *out, struct error *err, const char *sql);
static inline const char *postgres_result_cell(const struct postgres_result *result, size_t row, size_t column) {
    return result->cells[row * result->column_count + column];
}
/* True when the cell is "t". */
bool postgres_result_is(const struct postgres_result *result, size_t row, size_t column);

/* COPY … TO STDOUT: begin, then a row (or a line of CSV) at a time, borrowed until the next call. It must be read to its end
 * (*more false), or the connection closed. */
bool postgres_conn_begin_copy(struct postgres_conn *conn, const char *sql, struct error *err);
bool postgres_conn_next_copy(struct postgres_conn *conn, struct slice *out, bool *more, struct error *err);

/* The log, on a connection of kind LOG: START_REPLICATION, then messages both ways. None of these three blocks longer than a
 * send does, so that a mutex around them is held shortly; postgres_conn_wait is called without it. */
bool postgres_conn_begin_log(struct postgres_conn *conn, const char *command, struct error *err);
/* The next message (the payload of one CopyData), borrowed until the next call; data NULL: none is here yet. The end of the
 * stream is an error of kind RETRY. */
bool postgres_conn_next_log(struct postgres_conn *conn, struct slice *out, struct error *err);
bool postgres_conn_send_log(struct postgres_conn *conn, struct slice message, struct error *err);
/* Until bytes are here, a stop is asked for, or the time is over. */
bool postgres_conn_wait(const struct postgres_conn *conn, int timeout_ms, struct error *err);

/* "a"".b" and 'it''s', for the session's standard_conforming_strings. */
void postgres_append_table(struct buf *out, const char *schema, const char *name);
void postgres_append_text(struct buf *out, const char *text);

#endif
