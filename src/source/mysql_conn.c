#include "source/mysql_conn.h"

#include <assert.h>
#include <errmsg.h>
#include <errno.h>
#include <mysql.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"

enum {
    DEFAULT_PORT = 3306,
    QUERY_WAIT_LIMIT_MS = 600 * 1000, /* for the next bytes of an answer; statements bound their own locks */
    WAIT_SLICE_MS = 200,              /* how soon a wait sees a stop request */
    SESSION_TIMEOUT_S = 24 * 3600,    /* how long the server waits for us: back-pressure may hold a reader for hours */
    LOCK_WAIT_TIMEOUT_S = 60,
    PACKET_OK = 0x00,
    PACKET_EOF = 0xfe,
};

/* The only authentications that do not show the password to whoever listens; without TLS nothing else is answered. */
static const char PLUGINS_WITHOUT_TLS[] = "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519";

struct mysql_conn {
    MYSQL *mysql;
    MYSQL_RES *rows; /* of begin_rows, while it is read */
    int64_t wait_limit_ms;
    struct mysql_server server;
    struct arena arena;
    const char *where; /* "sluice@db.example:3306", for messages */
};

/* ---- waiting. libmariadb calls wait_for_io whenever a socket is not ready; it passes no context, hence the limit of the
 * call in progress beside it. Its own timeouts are not used: they close the connection without looking at cancel.h. */

static _Thread_local int64_t wait_limit_ms;

static int wait_for_io(my_socket handle, my_bool is_read, int timeout_ms) {
    int64_t limit_ms = !is_read && timeout_ms > 0 ? timeout_ms : wait_limit_ms;
    int64_t until = clock_monotonic_ms() + limit_ms;
    struct pollfd wait = {.fd = handle, .events = is_read ? POLLIN : POLLOUT};
    for (int64_t left = limit_ms; left > 0 && !cancel_requested(); left = until - clock_monotonic_ms()) {
        int ready = poll(&wait, 1, (int)(left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS));
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
    }
    errno = ETIMEDOUT;
    return 0;
}

/* ---- errors */

static enum error_kind kind_of(unsigned code) {
    switch (code) {
    case 1044: /* no access to the database */
    case 1045: /* wrong user or password */
    case 1130: /* this host may not connect */
    case 1142: /* statement denied on a table */
    case 1143: /* ... on a column */
    case 1227: /* privilege missing */
    case 1370:
    case 1524: /* authentication plugin not loaded */
    case 1698: /* access denied without a password being asked */
    case 1862: /* password expired */
    case 3118: /* account locked */
    case 3159: /* the server wants TLS */
    case CR_SSL_CONNECTION_ERROR:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
    case CR_AUTH_PLUGIN_ERR:
        return ERROR_CONFIG;
    case 1040: /* too many connections */
    case 1053: /* shutdown in progress */
    case 1077:
    case 1079:
    case 1080:
    case 1105: /* unknown error: proxies say so when their backend is gone */
    case 1152: /* aborted connection */
    case 1158: /* ... while reading */
    case 1159:
    case 1160:
    case 1161:
    case 1203: /* user has too many connections */
    case MYSQL_ERROR_LOCK_WAIT_TIMEOUT:
    case 1213: /* deadlock */
    case 1226: /* resource limit of the user */
    case 1317: /* statement was killed */
    case MYSQL_ERROR_TABLE_CHANGED:
    case 1927: /* connection was killed */
    case 3024: /* statement ran too long */
    case 1969:
    case 3169: /* session was killed */
    case 4031: /* idle for too long */
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
        return ERROR_RETRY;
    default:
        return ERROR_OUTSIDE;
    }
}

static const char *hint_of(unsigned code) {
    switch (code) {
    case 1045:
    case 1698:
        return "; check source.user and source.password";
    case 1130:
        return "; create the user for the host that sluice runs on: CREATE USER 'user'@'%' IDENTIFIED BY '…'";
    case 1044:
    case 1142:
    case 1143:
    case 1227:
        return "; `sluice check` lists the GRANT statements that source.user lacks";
    case CR_SSL_CONNECTION_ERROR:
        return "; check source.tls_ca (the certificate authority that signed the server's certificate), or set "
               "source.tls_verify: false";
    case 3159:
        return "; set source.tls: true";
    case CR_UNKNOWN_HOST:
    case CR_CONN_HOST_ERROR:
    case CR_CONNECTION_ERROR:
        return "; check source.host and source.port, and that the server runs";
    default:
        return "";
    }
}

static bool fail(const struct mysql_conn *conn, struct error *err) {
    unsigned code = mysql_errno(conn->mysql);
    if (cancel_requested())
        return cancel_check(err);
    return error_set_code(err, kind_of(code), (int)code, "%s: %s (%u)%s", conn->where, mysql_error(conn->mysql), code,
                          hint_of(code));
}

/* ---- connecting */

static void library_begin(void) { mysql_library_init(0, NULL, NULL); }

static void set_options(MYSQL *mysql, const struct config_source *config) {
    unsigned connect_timeout_s = (unsigned)config->connect_timeout_s;
    unsigned read_slice_s = 1; /* with TLS the socket blocks for so long before wait_for_io is asked */
    unsigned write_timeout_s = 60;
    unsigned no = 0;
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout_s);
    mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &read_slice_s);
    mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &write_timeout_s);
    mysql_optionsv(mysql, MARIADB_OPT_IO_WAIT, wait_for_io);
    mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no); /* a server must not be able to ask for our files */
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "sluice");
    if (config->socket == NULL) {
        /* Else "localhost" would mean a socket file of the library's choice. */
        unsigned protocol = MYSQL_PROTOCOL_TCP;
        mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    }
}

static void set_tls(MYSQL *mysql, const struct config_source *config) {
    my_bool enforce = config->tls, verify = config->tls && config->tls_verify;
    mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
    mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (!config->tls) {
        mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, PLUGINS_WITHOUT_TLS);
        return;
    }
    if (config->tls_ca != NULL)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_CA, config->tls_ca);
    if (config->tls_cert != NULL)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_CERT, config->tls_cert);
    if (config->tls_key != NULL)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_KEY, config->tls_key);
}

static const char *text_or_empty(const char *text) { return text != NULL ? text : ""; }

static bool learn_server(struct mysql_conn *conn, struct error *err) {
    struct mysql_server *server = &conn->server;
    server->mariadb = mariadb_connection(conn->mysql);
    server->version = (unsigned)mysql_get_server_version(conn->mysql);
    struct mysql_result result;
    if (!mysql_conn_query(conn, &conn->arena, &result, err,
                          "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uuid', 'server_uid', "
                          "'server_id', 'gtid_mode', 'lower_case_table_names')"))
        return false;
    server->text = server->identity = "";
    server->gtid_mode = server->mariadb;
    for (size_t i = 0; i < result.row_count; i++) {
        const char *name = mysql_result_cell(&result, i, 0);
        const char *value = text_or_empty(mysql_result_cell(&result, i, 1));
        if (strcasecmp(name, "version") == 0)
            server->text = value;
        else if (strcasecmp(name, server->mariadb ? "server_uid" : "server_uuid") == 0)
            server->identity = value;
        else if (strcasecmp(name, "server_id") == 0)
            server->server_id = (uint32_t)strtoul(value, NULL, 10);
        else if (strcasecmp(name, "gtid_mode") == 0)
            server->gtid_mode = strcasecmp(value, "ON") == 0;
        else if (strcasecmp(name, "lower_case_table_names") == 0)
            server->lower_case_names = strcmp(value, "0") != 0;
    }
    return true;
}

static bool begin_session(struct mysql_conn *conn, struct error *err) {
    /* sql_mode '': no ANSI_QUOTES, no PAD_CHAR_TO_FULL_LENGTH, no NO_BACKSLASH_ESCAPES. */
    return mysql_conn_run(conn, err,
                          "SET SESSION time_zone = '+00:00', sql_mode = '', wait_timeout = %d, net_read_timeout = %d, "
                          "net_write_timeout = %d, lock_wait_timeout = %d, %s = 0",
                          SESSION_TIMEOUT_S, SESSION_TIMEOUT_S, SESSION_TIMEOUT_S, LOCK_WAIT_TIMEOUT_S,
                          mariadb_connection(conn->mysql) ? "max_statement_time" : "max_execution_time") &&
           learn_server(conn, err);
}

bool mysql_conn_open(const struct config_source *config, struct mysql_conn **out, struct error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_begin);
    struct mysql_conn *conn = mem_zalloc(sizeof *conn);
    arena_init(&conn->arena);
    const char *host = config->socket != NULL ? NULL : config->host != NULL ? config->host : "127.0.0.1";
    unsigned port = config->port != 0 ? (unsigned)config->port : DEFAULT_PORT;
    conn->where = config->socket != NULL
                      ? arena_printf(&conn->arena, "%s@%s", text_or_empty(config->user), config->socket)
                      : arena_printf(&conn->arena, "%s@%s:%u", text_or_empty(config->user), host, port);
    conn->mysql = mysql_init(NULL);
    assert(conn->mysql != NULL); /* only without memory */
    set_options(conn->mysql, config);
    set_tls(conn->mysql, config);
    wait_limit_ms = (config->connect_timeout_s > 0 ? config->connect_timeout_s : 10) * 1000;
    if (mysql_real_connect(conn->mysql, host, config->user, config->password, NULL, port, config->socket, 0) == NULL) {
        fail(conn, err);
        goto failed;
    }
    conn->wait_limit_ms = QUERY_WAIT_LIMIT_MS;
    if (config->tls && mysql_conn_tls_cipher(conn) == NULL) {
        error_set(err, ERROR_CONFIG, "%s: the server offers no TLS; set it up there, or set source.tls: false",
                  conn->where);
        goto failed;
    }
    if (!begin_session(conn, err))
        goto failed;
    *out = conn;
    return true;
failed:
    mysql_conn_close(conn);
    return false;
}

void mysql_conn_close(struct mysql_conn *conn) {
    if (conn == NULL)
        return;
    wait_limit_ms = WAIT_SLICE_MS;
    /* Freeing an unfinished result would read it to its end: the connection goes first. */
    if (conn->rows != NULL)
        conn->rows->handle = NULL;
    mysql_close(conn->mysql);
    if (conn->rows != NULL)
        mysql_free_result(conn->rows);
    arena_deinit(&conn->arena);
    mem_free(conn);
}

const struct mysql_server *mysql_conn_server(const struct mysql_conn *conn) { return &conn->server; }

const char *mysql_conn_tls_cipher(const struct mysql_conn *conn) { return mysql_get_ssl_cipher(conn->mysql); }

bool mysql_conn_is_alive(const struct mysql_conn *conn) { return conn->mysql->net.pvio != NULL; }

/* ---- statements */

static bool send_query(struct mysql_conn *conn, const char *sql, size_t len, struct error *err) {
    if (!cancel_check(err))
        return false;
    wait_limit_ms = conn->wait_limit_ms;
    return mysql_real_query(conn->mysql, sql, (unsigned long)len) == 0 || fail(conn, err);
}

static bool send_format(struct mysql_conn *conn, const char *format, va_list args, struct error *err)
    __attribute__((format(printf, 2, 0)));

static bool send_format(struct mysql_conn *conn, const char *format, va_list args, struct error *err) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    char *sql = mem_alloc((size_t)len + 1);
    vsnprintf(sql, (size_t)len + 1, format, again);
    va_end(again);
    bool ok = send_query(conn, sql, (size_t)len, err);
    mem_free(sql);
    return ok;
}

bool mysql_conn_run(struct mysql_conn *conn, struct error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool ok = send_format(conn, format, args, err);
    va_end(args);
    if (!ok)
        return false;
    MYSQL_RES *result = mysql_use_result(conn->mysql);
    mysql_free_result(result); /* reads and drops the rows */
    return mysql_errno(conn->mysql) == 0 || fail(conn, err);
}

static void copy_result(MYSQL_RES *from, struct arena *arena, struct mysql_result *out) {
    out->row_count = (size_t)mysql_num_rows(from);
    out->column_count = mysql_num_fields(from);
    out->cells = arena_alloc(arena, (out->row_count * out->column_count + 1) * sizeof *out->cells);
    out->names = arena_alloc(arena, (out->column_count + 1) * sizeof *out->names);
    for (size_t c = 0; c < out->column_count; c++)
        out->names[c] = arena_strdup(arena, mysql_fetch_field_direct(from, (unsigned)c)->name);
    for (size_t r = 0; r < out->row_count; r++) {
        MYSQL_ROW row = mysql_fetch_row(from);
        unsigned long *lengths = mysql_fetch_lengths(from);
        for (size_t c = 0; c < out->column_count; c++)
            if (row[c] != NULL)
                out->cells[r * out->column_count + c] = arena_strndup(arena, row[c], lengths[c]);
    }
}

bool mysql_conn_query(struct mysql_conn *conn, struct arena *arena, struct mysql_result *out, struct error *err,
                      const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool ok = send_format(conn, format, args, err);
    va_end(args);
    if (!ok)
        return false;
    MYSQL_RES *result = mysql_store_result(conn->mysql);
    if (result == NULL) {
        if (mysql_errno(conn->mysql) != 0)
            return fail(conn, err);
        *out = (struct mysql_result){0};
        return true;
    }
    if (mysql_num_rows(result) > MYSQL_RESULT_ROWS_MAX) {
        mysql_free_result(result);
        return error_set(err, ERROR_OUTSIDE, "%s: a result of more than %d rows; narrow source.schema_filter",
                         conn->where, MYSQL_RESULT_ROWS_MAX);
    }
    copy_result(result, arena, out);
    mysql_free_result(result);
    return true;
}

const char *mysql_result_named(const struct mysql_result *result, const char *column) {
    for (size_t c = 0; result->row_count > 0 && c < result->column_count; c++)
        if (strcasecmp(result->names[c], column) == 0)
            return result->cells[c];
    return NULL;
}

bool mysql_conn_begin_rows(struct mysql_conn *conn, const char *sql, struct error *err) {
    assert(conn->rows == NULL);
    if (!send_query(conn, sql, strlen(sql), err))
        return false;
    conn->rows = mysql_use_result(conn->mysql);
    return conn->rows != NULL || fail(conn, err);
}

bool mysql_conn_next_row(struct mysql_conn *conn, char ***cells, unsigned long **lengths, bool *more,
                         struct error *err) {
    assert(conn->rows != NULL);
    wait_limit_ms = conn->wait_limit_ms;
    MYSQL_ROW row = mysql_fetch_row(conn->rows);
    *more = row != NULL;
    if (row != NULL) {
        *cells = row;
        *lengths = mysql_fetch_lengths(conn->rows);
        return true;
    }
    bool ok = mysql_errno(conn->mysql) == 0 || fail(conn, err);
    mysql_free_result(conn->rows);
    conn->rows = NULL;
    return ok;
}

/* ---- binlog */

bool mysql_conn_begin_dump(struct mysql_conn *conn, enum mysql_dump command, struct slice arguments,
                           int64_t silence_limit_ms, struct error *err) {
    conn->wait_limit_ms = silence_limit_ms;
    wait_limit_ms = silence_limit_ms;
    /* There is no call for these commands: db_command is what the library's own calls use. 1: do not read an answer. */
    int failed = conn->mysql->methods->db_command(conn->mysql, (enum enum_server_command)command, arguments.data,
                                                  arguments.len, 1, NULL);
    return !failed || fail(conn, err);
}

bool mysql_conn_next_packet(struct mysql_conn *conn, struct slice *out, struct error *err) {
    if (!cancel_check(err))
        return false;
    wait_limit_ms = conn->wait_limit_ms;
    unsigned long len = mysql_net_read_packet(conn->mysql);
    if (len == packet_error)
        return fail(conn, err);
    const char *data = (const char *)conn->mysql->net.read_pos;
    if ((unsigned char)data[0] == PACKET_EOF && len < 9)
        return error_set(err, ERROR_RETRY, "%s: the server ended the binlog stream", conn->where);
    if (data[0] != PACKET_OK)
        return error_set(err, ERROR_OUTSIDE, "%s: the binlog stream has a packet of unknown kind 0x%02x", conn->where,
                         (unsigned char)data[0]);
    *out = (struct slice){data + 1, len - 1};
    return true;
}

bool mysql_conn_is_readable(const struct mysql_conn *conn) {
    struct pollfd wait = {.fd = mysql_get_socket(conn->mysql), .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

void mysql_conn_break_off(struct mysql_conn *conn) { shutdown(mysql_get_socket(conn->mysql), SHUT_RDWR); }

void mysql_conn_thread_end(void) { mysql_thread_end(); }

/* ---- SQL text */

static void append_escaped(struct buf *out, const char *text, char quote) {
    buf_append_char(out, quote);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == quote || (quote == '\'' && *p == '\\'))
            buf_append_char(out, *p);
        buf_append_char(out, *p);
    }
    buf_append_char(out, quote);
}

void mysql_append_name(struct buf *out, const char *name) { append_escaped(out, name, '`'); }

void mysql_append_text(struct buf *out, const char *text) { append_escaped(out, text, '\''); }
