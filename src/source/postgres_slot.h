/* What the server has to keep for us: the publication, which says whose changes go into the stream, and the replication
 * slot, which holds the log back until we confirmed it. Both are made when a task begins, where the configuration lets us,
 * and never dropped but on request. */
#ifndef SLUICE_SOURCE_POSTGRES_SLOT_H
#define SLUICE_SOURCE_POSTGRES_SLOT_H

#include "source/postgres_source.h"

struct postgres_slot {
    const char *plugin;   /* "pgoutput"; NULL: a physical slot */
    const char *database; /* NULL: likewise */
    bool has_position;
    uint64_t confirmed_lsn; /* the stream begins behind it at the earliest */
    uint64_t restart_lsn;   /* the oldest log that the server keeps for it */
    const char *status;     /* reserved, extended, unreserved, lost; NULL before PostgreSQL 13 */
    const char *lost;       /* why the log that it needs is gone; NULL: it is not */
    int64_t held_bytes;     /* how much log it holds back */
    int active_pid;         /* who reads it; 0: nobody */
    bool temporary;
};

/* *found false: there is no slot of the source's name. */
bool postgres_slot_read(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                        struct postgres_slot *out, bool *found, struct error *err);
/* False, with what to do: it is another plugin's, another database's, physical or temporary. */
bool postgres_slot_is_ours(const struct postgres_source *source, const struct postgres_slot *slot, struct error *err);

/* The op `prepare_log`, see source.h. */
bool postgres_prepare_log(struct source *base, const char *position, struct arena *arena, const char **start,
                          const char **lost, struct error *err);
/* The op `drop_log`: drops the slot and says what it was. */
bool postgres_drop_log(struct source *base, struct arena *arena, const char **said, struct error *err);

/* CREATE PUBLICATION … for the chosen tables that can be in it, as check shows it. */
void postgres_append_publication(const struct postgres_source *source, const struct postgres_server *server,
                                 const char *const *names, size_t count, struct buf *sql);

/* A word into the log of a primary, so that a slot moves on where nothing else is written to it. */
bool postgres_emit_heartbeat(struct postgres_source *source, struct error *err);

#endif
