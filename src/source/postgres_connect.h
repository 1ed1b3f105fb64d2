/* How a connection to PostgreSQL comes about: the list of hosts, TLS, and libpq's steps without blocking. */
#ifndef SLUICE_SOURCE_POSTGRES_CONNECT_H
#define SLUICE_SOURCE_POSTGRES_CONNECT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

enum { POSTGRES_VERSION_MIN = 120000, POSTGRES_POLL_SLICE_MS = 200 /* how soon a wait sees a stop request */ };

/* *pg is set when it could be made, also on failure, and is the caller's to finish. *where lives in the arena. */
bool postgres_connect(const struct config_source *config, bool replication, struct arena *arena, PGconn **pg,
                      const char **where, struct error *err);

/* Waits for a socket. False when a stop was asked for or the socket is none. */
enum postgres_poll_kind { POSTGRES_POLL_READ, POSTGRES_POLL_WRITE };
bool postgres_poll(int socket, enum postgres_poll_kind kind, int timeout_ms, bool *ready);

/* The kind of error that a SQLSTATE is. */
enum error_kind postgres_kind_of(const char *state);

/* One entry of source.host, "db", "db:5433", "[::1]:5433" or "::1": the name, and the port that it says, 0 when none. False
 * when it is not of this form. */
bool postgres_parse_host(const char *text, size_t len, struct arena *arena, const char **name, int *port);

#endif
