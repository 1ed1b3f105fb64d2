#include "source/postgres_connect.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "source/postgres_conn.h"

enum { DEFAULT_PORT = 5432, PARAMETERS_MAX = 24 };

/* What every session has from its first statement on; a role's or a database's own settings come below these. */
static const char SESSION_OPTIONS[] = "-c TimeZone=UTC -c DateStyle=ISO,MDY -c IntervalStyle=postgres "
                                      "-c extra_float_digits=1 -c bytea_output=hex -c search_path=pg_catalog "
                                      "-c standard_conforming_strings=on -c row_security=off";

bool postgres_poll(int socket, enum postgres_poll_kind kind, int timeout_ms, bool *ready) {
    *ready = false;
    if (cancel_requested() || socket < 0)
        return false;
    struct pollfd wait = {.fd = socket, .events = kind == POSTGRES_POLL_READ ? POLLIN : POLLOUT};
    int count = poll(&wait, 1, timeout_ms);
    *ready = count > 0; /* also for a socket that broke: the read says how */
    return (count >= 0 || errno == EINTR) && !cancel_requested();
}

/* ---- hosts */

static bool parse_port(const char *text, size_t len, int *port) {
    long number = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || number > 65535)
            return false;
        number = number * 10 + (text[i] - '0');
    }
    *port = (int)number;
    return len > 0 && number > 0 && number <= 65535;
}

bool postgres_parse_host(const char *text, size_t len, struct arena *arena, const char **name, int *port) {
    while (len > 0 && isspace((unsigned char)*text))
        text++, len--;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    const char *end = text + len, *colon = memchr(text, ':', len);
    *port = 0;
    if (len > 0 && *text == '[') { /* [address] or [address]:port */
        const char *close = memchr(text, ']', len);
        if (close == NULL || (close + 1 < end && close[1] != ':'))
            return false;
        *name = arena_strndup(arena, text + 1, (size_t)(close - text - 1));
        return close + 1 == end || parse_port(close + 2, (size_t)(end - close - 2), port);
    }
    bool is_address = colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) != NULL; /* IPv6 */
    if (colon == NULL || is_address) {
        *name = arena_strndup(arena, text, len);
        return len > 0;
    }
    *name = arena_strndup(arena, text, (size_t)(colon - text));
    return colon > text && parse_port(colon + 1, (size_t)(end - colon - 1), port);
}

/* source.socket is the folder of the socket, or the socket itself: /run/postgresql/.s.PGSQL.5432. */
static void split_socket(const char *socket, struct arena *arena, const char **folder, int *port) {
    static const char mark[] = "/.s.PGSQL.";
    const char *at = strstr(socket, mark);
    *folder = socket;
    *port = 0;
    if (at != NULL && parse_port(at + strlen(mark), strlen(at + strlen(mark)), port))
        *folder = arena_strndup(arena, socket, (size_t)(at - socket));
}

/* ---- what libpq is told */

struct parameters {
    const char *keys[PARAMETERS_MAX + 1], *values[PARAMETERS_MAX + 1];
    size_t count;
};

static void add(struct parameters *p, const char *key, const char *value) {
    if (value == NULL)
        return;
    assert(p->count < PARAMETERS_MAX);
    p->keys[p->count] = key;
    p->values[p->count++] = value;
}

/* The system's certificate authorities: from libpq 16 on it finds them itself. */
static const char *system_authorities(void) {
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/cert.pem"};
    if (PQlibVersion() >= 160000)
        return "system";
    const char *own = getenv("SSL_CERT_FILE");
    if (own != NULL && *own != '\0')
        return own;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

static void add_tls(struct parameters *p, const struct config_source *config) {
    add(p, "gssencmode", "disable");
    add(p, "sslmode", !config->tls ? "disable" : config->tls_verify ? "verify-full" : "require");
    if (!config->tls)
        return;
    const char *authorities = config->tls_ca != NULL ? config->tls_ca : system_authorities();
    add(p, "sslrootcert", config->tls_verify ? authorities : NULL);
    add(p, "sslcert", config->tls_cert);
    add(p, "sslkey", config->tls_key);
}

static void fill_parameters(struct parameters *p, const struct config_source *config, const char *host,
                            const char *port, bool several, bool replication) {
    add(p, "host", host);
    add(p, "port", port);
    add(p, "user", config->user);
    add(p, "password", config->password);
    add(p, "dbname", config->database);
    add(p, "replication", replication ? "database" : NULL);
    /* A standby is passed over. Not `read-write`: the user's sessions may well be read-only by default. */
    add(p, "target_session_attrs", several ? "primary" : "any");
    add(p, "application_name", "sluice");
    add(p, "client_encoding", "UTF8");
    add(p, "options", SESSION_OPTIONS);
    add(p, "keepalives_idle", "30");
    add(p, "keepalives_interval", "10");
    add(p, "keepalives_count", "3");
    add_tls(p, config);
}

/* ---- connecting */

/* With PQERRORS_VERBOSE the server's refusal reads "FATAL:  28P01: password authentication failed …", the only way to its
 * SQLSTATE while there is no result. Copies the state into out, or "", and cuts the message down to what was said. */
static void split_refusal(char *message, char state[6]) {
    state[0] = '\0';
    char *location = strstr(message, "\nLOCATION:");
    if (location != NULL)
        *location = '\0';
    for (char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        char *from = at + 3;
        if (strspn(from, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && from[5] == ':' && from[6] == ' ') {
            memcpy(state, from, 5);
            state[5] = '\0';
            memmove(from, from + 7, strlen(from + 7) + 1);
            return;
        }
    }
}

static const char *hint_of(const char *state, const char *message, bool tls) {
    if (strstr(message, "pg_hba.conf") != NULL)
        return tls ? "; let the user in by a line in the server's pg_hba.conf"
                   : "; let the user in by a line in the server's pg_hba.conf, or set source.tls: true if it has one "
                     "for TLS";
    if (strncmp(state, "28", 2) == 0 || strstr(message, "no password supplied") != NULL)
        return "; check source.user and source.password";
    if (strcmp(state, "3D000") == 0)
        return "; check source.database";
    if (strcmp(state, "53300") == 0)
        return "; raise max_connections (max_wal_senders, for the log) or end other sessions";
    if (strstr(message, "certificate") != NULL || strstr(message, "SSL") != NULL)
        return tls ? "; check source.tls_ca (the authority that signed the server's certificate), or set "
                     "source.tls_verify: false"
                   : "; set source.tls: true";
    return state[0] == '\0' ? "; check source.host and source.port, and that the server runs" : "";
}

static bool refuse(PGconn *pg, const char *where, bool tls, struct error *err) {
    char *message = mem_strdup(PQerrorMessage(pg)), state[6];
    split_refusal(message, state);
    size_t len = strlen(message);
    while (len > 0 && message[len - 1] == '\n')
        message[--len] = '\0';
    bool about_us = strstr(message, "no password supplied") != NULL || strstr(message, "certificate") != NULL ||
                    strstr(message, "does not support SSL") != NULL || strstr(message, "private key") != NULL;
    enum error_kind kind = state[0] != '\0' ? postgres_kind_of(state) : about_us ? ERROR_CONFIG : ERROR_RETRY;
    error_set(err, kind, "%s: %s%s", where, len > 0 ? message : "the server is not there",
              hint_of(state, message, tls));
    mem_free(message);
    return false;
}

/* libpq asks for what it waits for; each step of its own does not block. */
static bool step_until_connected(PGconn *pg, const char *where, const struct config_source *config, struct error *err) {
    int64_t until = clock_monotonic_ms() + (config->connect_timeout_s > 0 ? config->connect_timeout_s : 10) * 1000;
    for (PostgresPollingStatusType wanted = PGRES_POLLING_WRITING; wanted != PGRES_POLLING_OK;) {
        if (PQstatus(pg) == CONNECTION_BAD || wanted == PGRES_POLLING_FAILED)
            return refuse(pg, where, config->tls, err);
        bool ready;
        if (!postgres_poll(PQsocket(pg), wanted == PGRES_POLLING_READING ? POSTGRES_POLL_READ : POSTGRES_POLL_WRITE,
                           POSTGRES_POLL_SLICE_MS, &ready))
            return cancel_check(err) && error_set(err, ERROR_RETRY, "%s: the connection cannot be made", where);
        if (ready)
            wanted = PQconnectPoll(pg);
        else if (clock_monotonic_ms() > until)
            return error_set(
                err, ERROR_RETRY,
                "%s: no connection within %lld s; check source.host and source.port, and that the server runs", where,
                (long long)config->connect_timeout_s);
    }
    return true;
}

/* The server's notices (a failed ALTER of ours, say) are not for stderr. */
static void drop_notice(void *context, const PGresult *notice) {
    (void)context;
    (void)notice;
}

static bool connect_one(const struct config_source *config, const char *host, int port, bool several, bool replication,
                        struct arena *arena, PGconn **pg, const char **where, struct error *err) {
    struct parameters parameters = {0};
    int number = port != 0 ? port : config->port != 0 ? (int)config->port : DEFAULT_PORT;
    *where = arena_printf(arena, "%s@%s:%d/%s", config->user != NULL ? config->user : "", host, number,
                          config->database != NULL ? config->database : "");
    fill_parameters(&parameters, config, host, arena_printf(arena, "%d", number), several, replication);
    *pg = PQconnectStartParams(parameters.keys, parameters.values, 0);
    assert(*pg != NULL); /* only without memory */
    PQsetErrorVerbosity(*pg, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(*pg, drop_notice, NULL);
    if (!step_until_connected(*pg, *where, config, err))
        return false;
    PQsetErrorVerbosity(*pg, PQERRORS_DEFAULT);
    return true;
}

/* One host after the other; the message of a refusal (a wrong password) says more than that another is not there. */
static bool connect_any(const struct config_source *config, bool replication, struct arena *arena, PGconn **pg,
                        const char **where, struct error *err) {
    const char *list = config->host != NULL ? config->host : "127.0.0.1";
    bool several = strchr(list, ',') != NULL;
    struct error worst = {0};
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        const char *host;
        int port;
        if (!postgres_parse_host(at, len, arena, &host, &port))
            return error_set(err, ERROR_CONFIG, "source.host: \"%.*s\" is no host, host:port or [address]:port",
                             (int)len, at);
        struct error why;
        if (connect_one(config, host, port, several, replication, arena, pg, where, &why))
            return true;
        PQfinish(*pg);
        *pg = NULL;
        if (worst.kind == ERROR_NONE || (worst.kind == ERROR_RETRY && why.kind != ERROR_RETRY))
            worst = why;
        at += len;
        if (*at == '\0' || why.kind == ERROR_CANCELLED)
            break;
    }
    *err = worst;
    return false;
}

bool postgres_connect(const struct config_source *config, bool replication, struct arena *arena, PGconn **pg,
                      const char **where, struct error *err) {
    if (config->database == NULL)
        return error_set(err, ERROR_CONFIG,
                         "source.database must name the database to capture: PostgreSQL has a log for each");
    if (config->socket == NULL)
        return connect_any(config, replication, arena, pg, where, err);
    const char *folder;
    int port;
    split_socket(config->socket, arena, &folder, &port);
    return connect_one(config, folder, port, false, replication, arena, pg, where, err);
}
