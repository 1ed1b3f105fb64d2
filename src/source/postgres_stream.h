/* What the files of the stream of PostgreSQL's log share. See postgres_stream.c. */
#ifndef SLUICE_SOURCE_POSTGRES_STREAM_H
#define SLUICE_SOURCE_POSTGRES_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "source/pgoutput.h"
#include "source/postgres_source.h"
#include "source/postgres_type.h"

/* A table as the log last described it (message R). Lives until the stream ends. */
struct pgstream_relation {
    struct arena arena;            /* of wire; reset with each R */
    struct pgoutput_relation wire; /* a copy of the message */
    bool chosen;
    bool failed;                 /* SOURCE_TABLE_ERROR was sent */
    struct source_table *source; /* NULL until capture or the log brings it up */

    /* How its rows are read, once that is settled. */
    const struct table *version;   /* the source_table's `current` that wire is; NULL: not settled */
    struct arena described_arena;  /* of described */
    const struct table *described; /* wire, completed by what the catalog says; NULL: the server was not asked */
    char *stamp;                   /* newer than current's source_stamp, where only TRUNCATE lies between; or NULL */
    bool truncated;                /* since the server was asked */
    struct postgres_type *types;   /* per column */
    struct value *values, *old;    /* of the last row, per column */

    /* Are the rows of transaction `asked_group` wanted? Asked again when capture loaded the table in full meanwhile. */
    uint64_t asked_group;
    const char *asked_skip;
    bool wanted;
    struct {
        struct arena arena;
        char *text; /* the skip_until that `position` was read from; NULL: none yet */
        struct postgres_position position;
    } skip;
};

/* The transaction that is being read. */
struct pgstream_group {
    bool open;
    bool sent; /* SOURCE_BEGIN was sent */
    uint32_t xid;
    uint64_t lsn; /* of the commit record */
    int64_t time_us;
};

struct postgres_stream {
    struct source_stream base;
    struct postgres_source *source;
    struct source_tables *tables;
    struct postgres_conn *log;
    struct pgoutput decoder;

    /* What the keepalive thread shares with us, under `mutex`: the log's connection too, but for waiting. */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t wake;
        pthread_t thread;
        bool running, stop;
        int interval_ms;
        uint64_t received, confirmed; /* LSNs: read up to here; on a disk of ours up to here */
    } reply;

    /* `position` is behind everything that was finished; within a transaction, before it. */
    uint64_t position;
    bool position_reported; /* handed out */
    struct pgstream_group group;
    uint64_t group_number; /* counts them */

    struct pgstream_relation **relations; /* a hash table by oid, linear probing; NULL = free */
    size_t relation_count, relation_slots;

    /* The row that is being handed out. A change of its table's definition comes before it. */
    bool pending;
    struct pgoutput_message message; /* points into the log's last message */
    int announcements;               /* for this row */
    struct arena row_arena;          /* texts of the row */

    /* Events to hand out before anything else is read; they and their texts live in the arena until all are handed out. */
    struct source_event *queue;
    size_t queue_begin, queue_end, queue_capacity;
    struct arena arena;
    size_t size_bytes; /* read since the last event that was handed out */
};

/* ---- postgres_stream.c */

/* Appends an event; its texts must live in stream->arena or longer. */
struct source_event *pgstream_push(struct postgres_stream *stream, enum source_event_kind kind);
void pgstream_move_position(struct postgres_stream *stream, uint64_t lsn);
/* Sends SOURCE_BEGIN unless that happened. */
void pgstream_begin_group(struct postgres_stream *stream);
void pgstream_fail_table(struct postgres_stream *stream, struct pgstream_relation *relation, const struct error *why);

/* ---- postgres_stream_log.c */

/* Starts the log behind `position`, and the thread that answers the server while we are busy. */
bool pgstream_log_open(struct postgres_stream *stream, uint64_t position, struct error *err);
void pgstream_log_close(struct postgres_stream *stream);
/* The next message of the log; data NULL: none came within timeout_ms. Borrowed until the next call. */
bool pgstream_log_next(struct postgres_stream *stream, int timeout_ms, struct slice *out, struct error *err);
/* What the server may forget. */
void pgstream_log_confirm(struct postgres_stream *stream, uint64_t lsn);
/* An answer at once: what was received and confirmed so far. */
bool pgstream_log_reply(struct postgres_stream *stream, struct error *err);

/* ---- postgres_stream_relation.c */

void pgstream_take_relation(struct postgres_stream *stream, const struct pgoutput_relation *wire);
/* NULL: the log did not describe it, which is an error of the server. */
struct pgstream_relation *pgstream_find_relation(const struct postgres_stream *stream, uint32_t oid);
/* Is the table captured, and is the transaction not in its full load already? */
bool pgstream_relation_wanted(struct postgres_stream *stream, struct pgstream_relation *relation, bool *out,
                              struct error *err);
void pgstream_relations_deinit(struct postgres_stream *stream);

/* ---- postgres_stream_table.c */

/* Settles which version the rows of a relation have. True with relation->version set, or with an event queued that says
 * more. False when the server could not be asked. */
bool pgstream_resolve(struct postgres_stream *stream, struct pgstream_relation *relation, struct error *err);

/* ---- postgres_stream_row.c */

/* The row of stream->message as an event. *found false: the table failed, or has to be loaded in full first (queued). */
bool pgstream_read_row(struct postgres_stream *stream, struct pgstream_relation *relation, struct source_event *event,
                       bool *found, struct error *err);

/* ---- ops */
bool postgres_stream_open(struct source *source, const char *position, struct source_tables *tables,
                          struct source_stream **out, struct error *err);
bool postgres_stream_next(struct source_stream *stream, struct source_event *event, struct error *err);
void postgres_stream_confirm(struct source_stream *stream, const char *position);
void postgres_stream_close(struct source_stream *stream);

#endif
