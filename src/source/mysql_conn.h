/* A connection to MySQL or MariaDB: libmariadb behind the few calls that this source needs. Every wait looks at
 * cancel.h and has a limit, so that a stop request and a dead network end it. A connection belongs to one thread at a
 * time.
 *
 * Kinds of error: RETRY (not reachable, lost, locked out for now), CONFIG (password, privileges, TLS: the message says what
 * to do), OUTSIDE (the server refused), CANCELLED. error.code is the server's error number. */
#ifndef SLUICE_SOURCE_MYSQL_CONN_H
#define SLUICE_SOURCE_MYSQL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

/* Numbers of server errors that callers tell apart. */
enum {
    MYSQL_ERROR_UNKNOWN_VARIABLE = 1193,
    MYSQL_ERROR_LOCK_WAIT_TIMEOUT = 1205,
    MYSQL_ERROR_PRIVILEGE = 1227,
    MYSQL_ERROR_BINLOG_READ = 1236, /* the binlog cannot be sent from the place that was asked for */
    MYSQL_ERROR_TABLE_CHANGED = 1412,
};

struct mysql_server {
    bool mariadb;
    unsigned version;     /* 80015, 101119 */
    const char *text;     /* "8.0.15", "10.11.6-MariaDB-log" */
    const char *identity; /* MySQL: server_uuid; MariaDB: server_uid, "" before 10.10 */
    uint32_t server_id;
    bool gtid_mode;        /* MySQL: every transaction has a GTID; MariaDB: always */
    bool lower_case_names; /* table names compare in lower case */
};

struct mysql_conn;

/* Connects, with the session that all readers here want: UTF-8, UTC, sql_mode '', long server-side timeouts. */
bool mysql_conn_open(const struct config_source *config, struct mysql_conn **out, struct error *err);
void mysql_conn_close(struct mysql_conn *conn); /* NULL is fine */
const struct mysql_server *mysql_conn_server(const struct mysql_conn *conn);
const char *mysql_conn_tls_cipher(const struct mysql_conn *conn); /* NULL without TLS */
/* False once the connection broke: every later call fails, open a new one. */
bool mysql_conn_is_alive(const struct mysql_conn *conn);

/* A statement whose result, if any, does not matter. */
bool mysql_conn_run(struct mysql_conn *conn, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A small result, whole; NULL cells are SQL NULL. Everything lives in the arena. */
struct mysql_result {
    size_t row_count, column_count;
    const char **cells; /* row after row */
    const char **names; /* of the columns */
};
enum { MYSQL_RESULT_ROWS_MAX = 10 * 1000 * 1000 };
bool mysql_conn_query(struct mysql_conn *conn, struct arena *arena, struct mysql_result *out, struct error *err,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
static inline const char *mysql_result_cell(const struct mysql_result *result, size_t row, size_t column) {
    return result->cells[row * result->column_count + column];
}
/* The cell of the first row in the column of that name (any case), or NULL. */
const char *mysql_result_named(const struct mysql_result *result, const char *column);

/* A large result, row by row, as the server sends it. Cells are borrowed until the next row; lengths beside them. The result
 * must be read to its end (*more false), or the connection closed. */
bool mysql_conn_begin_rows(struct mysql_conn *conn, const char *sql, struct error *err);
bool mysql_conn_next_row(struct mysql_conn *conn, char ***cells, unsigned long **lengths, bool *more,
                         struct error *err);

/* The binlog: sends a dump command, then gives one packet's event at a time, borrowed until the next call. A silence of
 * more than silence_limit_ms is kind RETRY. */
enum mysql_dump { MYSQL_DUMP_POSITION = 0x12, MYSQL_DUMP_GTID = 0x1e };
bool mysql_conn_begin_dump(struct mysql_conn *conn, enum mysql_dump command, struct slice arguments,
                           int64_t silence_limit_ms, struct error *err);
bool mysql_conn_next_packet(struct mysql_conn *conn, struct slice *out, struct error *err);
/* Has the socket more at once? (What the library has in its own buffer does not count.) */
bool mysql_conn_is_readable(const struct mysql_conn *conn);
/* Ends a wait for a packet in another thread: it fails. */
void mysql_conn_break_off(struct mysql_conn *conn);
/* Each thread that used a connection, other than the main one, at its end. */
void mysql_conn_thread_end(void);

/* `a``b`, and 'it\'s' for the session's sql_mode. */
void mysql_append_name(struct buf *out, const char *name);
void mysql_append_text(struct buf *out, const char *text);

#endif
