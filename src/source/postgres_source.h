/* The PostgreSQL source as its own files see it. The way through them:
 *
 *   postgres.c               the ops, the shared connection, positions
 *   postgres_conn.c          libpq; postgres_connect.c: how a connection comes about; postgres_position.c: LSNs, snapshots
 *   postgres_catalog.c       pg_catalog -> struct table: which tables are chosen, their columns and keys
 *   postgres_slot.c          the publication and the replication slot: made, looked at, dropped
 *   postgres_check.c         preflight
 *   postgres_snapshot.c      full load
 *   postgres_type.c          types, and the server's text -> values
 *   postgres_stream.c …      the log -> source events; pgoutput.c: the decoder below, which knows no sockets */
#ifndef SLUICE_SOURCE_POSTGRES_SOURCE_H
#define SLUICE_SOURCE_POSTGRES_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "source/postgres_conn.h"
#include "source/postgres_position.h"
#include "source/source.h"

struct postgres_source {
    struct source base;
    const struct config *config;
    const char *slot_name, *publication; /* as configured, or made of the task's name */
    struct arena arena;                  /* holds them */
    atomic_uint_least64_t
        nulled; /* values that the lake cannot hold (infinity, NaN): NULL, in full loads and streams */
    struct {
        pthread_mutex_t mutex;
        struct postgres_conn *conn; /* NULL after it broke */
    } shared;                       /* the connection for questions, for whichever thread asks */
};

/* The shared connection, opened again if it broke, until unlock. NULL with err set when there is none. It is in no
 * transaction between lock and unlock. */
struct postgres_conn *postgres_source_lock(struct postgres_source *source, struct error *err);
void postgres_source_unlock(struct postgres_source *source);

/* Where the log ends now: what is flushed, which is what a walsender sends. */
bool postgres_source_log_end(struct postgres_conn *conn, uint64_t *lsn, struct error *err);

#endif
