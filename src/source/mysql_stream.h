/* What the files of the binlog stream share. See mysql_stream.c. */
#ifndef SLUICE_SOURCE_MYSQL_STREAM_H
#define SLUICE_SOURCE_MYSQL_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "source/mysql_collations.h"
#include "source/mysql_event.h"
#include "source/mysql_packets.h"
#include "source/mysql_row.h"
#include "source/mysql_schema.h"
#include "source/mysql_source.h"
#include "source/mysql_statement.h"

/* A table as the server showed it. */
struct stream_shown {
    struct arena arena;          /* of schema */
    struct mysql_schema *schema; /* NULL: there was none */
    struct error error;          /* why it cannot be read; kind NONE: it can */
    struct mysql_position end;   /* of the log, then */
};

/* A table as the stream knows it. */
struct stream_table {
    char *schema, *name;
    bool chosen;
    bool failed;                 /* SOURCE_TABLE_ERROR was sent */
    bool dropped;                /* SOURCE_DROP was sent, and nothing of that name came since */
    struct source_table *source; /* NULL until capture or the log brings it up */
    bool has_map;                /* the last map whose rows came, and in which group that was */
    uint64_t map_id, map_group;
    struct {
        char *text; /* the skip_until that `position` was read from; NULL = none yet */
        struct mysql_position position;
        bool passed; /* the log is behind it for good */
    } skip;
    struct stream_shown *shown; /* NULL: the server was not asked */
};

/* How the rows behind a table map are read: hangs on the map as its `user`. */
struct stream_map {
    struct stream_table *table;
    struct arena arena;               /* of the definition */
    struct mysql_table_map completed; /* the map, completed by what else is known */
    struct mysql_row_plan *plan;      /* NULL until the definition is settled */
    const struct table *version;      /* the source_table's `current` that the plan gives values for */
    struct table *announced;          /* sent as SOURCE_TABLE for this map */
    bool has_row_end;                 /* MariaDB, WITH SYSTEM VERSIONING: the table keeps old rows as well */
    size_t row_end;                 /* where the plan puts the end of a row's life; version->column_count when hidden */
    struct mysql_default *defaults; /* per column of version, for partial images; NULL until one comes */
    bool *generated;                /* beside defaults: computed from other columns */
};

/* The transaction, or the statement that is one, that is being read: from its GTID event to its end. */
struct stream_group {
    bool open;
    bool has_begin; /* BEGIN, XA START or what implies it came: rows may follow, and an end */
    bool sent;      /* SOURCE_BEGIN was sent */
    bool named;     /* it ends with a prepare */
    int64_t time_us;
    bool has_gtid;
    struct mysql_gtid gtid;
    struct mariadb_gtid mariadb_gtid;
    enum mariadb_alter_phase alter;
    char name[MYSQL_XID_TEXT_BYTES];
};

enum stream_rows_state { ROWS_NONE, ROWS_WAITING /* for the table's definition */, ROWS_READING };

struct mysql_stream {
    struct source_stream base;
    struct mysql_source *source;
    struct source_tables *tables;
    struct mysql_conn *log;        /* sends the binlog */
    struct mysql_packets *packets; /* read ahead from it; NULL before the first */
    struct mysql_conn *ask;        /* for information_schema; NULL until needed */
    struct mysql_collations collations;
    struct mysql_decoder decoder;
    struct mysql_payload payload;
    bool in_payload;
    struct mysql_row_counters counters, counted; /* counted: what was added to the source's already */

    /* Where the stream is. `position` is behind the last finished group; within a group it is where that begins. */
    struct mysql_position position;
    bool settled;   /* position's file and pos are of this server: with a start by GTID not before the first event */
    bool is_at_end; /* the stream began at the end of the log, and nothing came yet */
    bool complete_from_file_start; /* the current file was read from its beginning */
    uint32_t log_created;          /* when log_file was made; 0 = its format description did not come yet */
    char *log_file;
    uint64_t log_pos;   /* behind the last event, 64 bits */
    uint64_t event_pos; /* where the last event begins */
    int64_t
        settle_ms; /* when the server is asked next for definitions that no row has shown; monotonic; 0 = not yet set */
    struct buf position_text;
    bool position_changed;  /* position_text is older than position */
    bool position_reported; /* the text was handed out */
    struct stream_group group;
    uint64_t group_number; /* counts them */

    struct stream_table **known; /* the chosen tables that came up: a hash table by name, linear probing; NULL = free */
    size_t known_count, known_slots;
    struct stream_table ignored; /* stands for every table that is not chosen */

    struct {
        enum stream_rows_state state;
        struct mysql_event event;
        struct stream_map *map;
        struct mysql_rows rows;
        bool partial;         /* the images do not have all columns */
        struct value *values; /* of a partial image, completed */
        size_t value_capacity;
    } rows;

    /* Transactions that were prepared in this stream and wait. One that is decided and not among them was prepared before the
     * stream began: it is read again by another stream, out of turn (mysql_stream_prepared.c). */
    char **prepared;
    size_t prepared_count, prepared_capacity;
    struct mysql_stream *late; /* reads it; NULL = none */
    char late_name[MYSQL_XID_TEXT_BYTES];
    bool is_late; /* this is such a stream: a guest that must not disturb the replicas of the server */

    /* Events to hand out before anything else is read; they and their texts live in the arena until all are handed out. */
    struct source_event *queue;
    size_t queue_begin, queue_end, queue_capacity;
    struct arena arena;
    size_t size_bytes; /* read since the last event that was handed out */
};

/* ---- mysql_stream.c */

/* Appends an event; its texts must live in stream->arena or longer. */
struct source_event *stream_push(struct mysql_stream *stream, enum source_event_kind kind);
/* The text of stream->position; borrowed until the next change. */
const char *stream_position_text(struct mysql_stream *stream);
/* Sends SOURCE_BEGIN unless that happened. */
void stream_begin_group(struct mysql_stream *stream);
/* Begins a group at the last event, for logs without GTID events. */
void stream_open_group(struct mysql_stream *stream, int64_t time_us);
/* The group is finished: position moves behind it. */
void stream_end_group(struct mysql_stream *stream);
/* Forgets a group that ends without taking effect. */
void stream_abandon_group(struct mysql_stream *stream);
void stream_fail_table(struct mysql_stream *stream, struct stream_table *table, const struct error *why);
/* The next packet of the log, borrowed until the next call. */
bool stream_next_packet(struct mysql_stream *stream, struct mysql_packet *out, struct error *err);
/* Reads one event and does what it says. */
bool stream_read_packet(struct mysql_stream *stream, struct mysql_event *event, struct error *err);

/* ---- mysql_stream_open.c */

/* The connection for questions. */
struct mysql_conn *stream_ask(struct mysql_stream *stream, struct error *err);
/* Adds to the error of a stream that the server refused or ended what can be done. */
void stream_explain_dump_error(struct mysql_stream *stream, struct error *err);

/* Opens a stream at a place of a server's own files, as a guest (is_late). */
bool stream_open_late(struct mysql_stream *for_stream, const char *file, uint64_t pos, struct mysql_stream **out,
                      struct error *err);

/* ---- mysql_stream_prepared.c */

void stream_note_prepared(struct mysql_stream *stream, const char *name);
/* XA COMMIT or XA ROLLBACK: queues the event, after the transaction's rows where they have to be looked for. */
bool stream_decide_prepared(struct mysql_stream *stream, enum source_event_kind kind, const char *name,
                            struct error *err);
/* The next event of the transaction that is read out of turn. */
bool stream_next_late(struct mysql_stream *stream, struct source_event *event, struct error *err);
void stream_prepared_deinit(struct mysql_stream *stream);

/* ---- mysql_stream_statement.c */
bool stream_handle_query(struct mysql_stream *stream, const struct mysql_event *event, struct error *err);

/* ---- mysql_stream_known.c */

struct stream_table *stream_find_table(struct mysql_stream *stream, const char *schema, const char *name);
/* Is the table captured, and is this group not in its full load already? */
bool stream_table_wants(struct mysql_stream *stream, struct stream_table *table, bool *out, struct error *err);
void stream_tables_deinit(struct mysql_stream *stream);

/* ---- mysql_stream_change.c */

/* Renames and defaults that a definition statement told, and that it changed the definition at all, kept in the position until
 * that is told. */
void stream_note_change(struct mysql_stream *stream, struct stream_table *table,
                        const struct mysql_statement *statement);
void stream_forget_changes(struct mysql_stream *stream, struct stream_table *table);
bool stream_has_changes(const struct mysql_stream *stream, const struct stream_table *table);
/* The renames among them that lead from a column of the known definition to one of `next`; in stream->arena. */
size_t stream_collect_renames(struct mysql_stream *stream, const struct stream_table *table, const struct table *next,
                              struct column_rename **out);
/* Rows that exist when a column is added get its default, without row events: sets `initial` of next's columns. Returns the
 * name of a column for which that is not known, or NULL. */
const char *stream_set_initial_values(struct mysql_stream *stream, const struct mysql_schema *schema,
                                      const struct stream_table *table, struct table *next,
                                      const struct column_rename *renames, size_t rename_count);
/* The column of the known definition that has this name behind the statements so far, or NULL. */
const struct column *stream_known_column(const struct mysql_stream *stream, const struct stream_table *table,
                                         const char *name);
/* What an added column was filled with is not known any more. */
void stream_doubt_default(struct mysql_stream *stream, const struct stream_table *table, const char *name);
/* A column was dropped and another one of its name added: the definition may look the same. */
bool stream_adds_known_column(const struct mysql_stream *stream, const struct stream_table *table,
                              const struct table *current);

/* The table is gone: the next one of its name is another, and until it comes there is nothing to tell. */
void stream_note_gone(struct mysql_stream *stream, struct stream_table *table);
/* A table of a name that was gone came. */
void stream_note_created(struct mysql_stream *stream, struct stream_table *table);
/* Are there changes that have to be told, of any table, or of the one? */
bool stream_is_unsettled(const struct mysql_stream *stream);
bool stream_owes(const struct mysql_stream *stream, const struct stream_table *table);

/* ---- mysql_stream_settle.c */

/* Queues the definitions that no row has shown, as far as they are known. Between groups only. */
bool stream_settle(struct mysql_stream *stream, struct error *err);
/* What the server showed is older than what the log told now. */
void stream_forget_shown(struct stream_table *table);

/* ---- mysql_stream_convert.c */

/* Values that exist may have become others by the statement: the table is announced, to be loaded again. */
bool stream_convert_rows(struct mysql_stream *stream, struct stream_table *table,
                         const struct mysql_statement *statement, struct error *err);

/* ---- mysql_stream_table.c */

/* The stream's part of a map whose rows come. */
struct stream_map *stream_map_of(struct mysql_stream *stream, struct mysql_table_map *map);
void stream_map_release(void *stream, struct mysql_table_map *map);
/* Settles which definition the rows of a map have. True with map->plan set, or with an event queued that says more. False
 * when the server could not be asked. */
bool stream_resolve(struct mysql_stream *stream, struct mysql_table_map *from, struct error *err);
/* Queues SOURCE_TABLE with a definition that follows the known one: with the renames and defaults that the log told. */
void stream_announce_next(struct mysql_stream *stream, struct stream_table *table, const struct mysql_schema *schema,
                          struct table *next);
/* Is it the known definition, in all that rows are read by? */
bool stream_is_known(const struct mysql_stream *stream, const struct stream_table *table, const struct table *next);
/* Queues SOURCE_TABLE with the definition that the server shows now: for a table that came without a row event. `reload` is
 * why capture has to load it, NULL for a table that is new to it. Nothing when there is no such table any more. */
bool stream_announce(struct mysql_stream *stream, struct stream_table *table, const char *reload, struct error *err);
/* A column that a row image leaves out: in an inserted row it has its default (*out); in an updated one (out NULL) it kept
 * its value, unless it is computed from others. Kind DATA when what it has cannot be known. */
bool stream_default(struct mysql_stream *stream, struct stream_map *map, size_t column, struct value *out,
                    struct error *err);

#endif
