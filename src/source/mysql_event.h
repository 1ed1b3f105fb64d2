/* Binlog events of MySQL 5.6 .. 9 and MariaDB 10 and later, as a replica receives them. Pure decoding: no sockets.
 *
 * Use: one struct mysql_decoder per stream; every packet's event (without the leading 0x00 of the network protocol) goes
 * through mysql_event_parse, which verifies lengths and checksum once and gives a struct mysql_event whose slices borrow
 * from the packet or from the decoder until the next event is parsed.
 *
 *   MYSQL_EVENT_TABLE_MAP  event.table_map: parsed once, kept by table id as long as the same body comes again
 *   MYSQL_EVENT_ROWS       event.rows.table_map is the map it belongs to; rows by mysql_rows_begin/next (mysql_row.h)
 *   MYSQL_EVENT_PAYLOAD    a compressed transaction: its events by mysql_payload_begin/next
 *
 * Bytes that are not a valid event are an error of kind DATA which says what was being decoded. Kind OUTSIDE: the server
 * writes something that cannot be followed, and the message says which setting to change. */
#ifndef SLUICE_SOURCE_MYSQL_EVENT_H
#define SLUICE_SOURCE_MYSQL_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/change.h"
#include "source/mysql_gtid.h"
#include "source/mysql_table_map.h"

enum {
    MYSQL_EVENT_HEADER_BYTES = 19,
    MYSQL_EVENT_MAX_BYTES = 1 << 30, /* of one event, also when decompressed: the servers' own limit */
    MYSQL_XID_TEXT_BYTES = 300,
    MYSQL_POST_HEADERS = 180, /* event type codes whose post-header length a format description may give */
};

enum mysql_event_kind {
    MYSQL_EVENT_IGNORED,        /* says nothing about data: annotations, checkpoints, user variables, ... */
    MYSQL_EVENT_FORMAT,         /* a log file begins; the decoder has taken what it needs */
    MYSQL_EVENT_ROTATE,         /* the log goes on in another file */
    MYSQL_EVENT_STOP,           /* the server stopped; the next file follows */
    MYSQL_EVENT_HEARTBEAT,      /* nothing happened up to this position */
    MYSQL_EVENT_INCIDENT,       /* changes are missing in the log */
    MYSQL_EVENT_PREVIOUS_GTIDS, /* MySQL: the set before this file */
    MYSQL_EVENT_GTID_LIST,      /* MariaDB: the position before this file */
    MYSQL_EVENT_GTID,           /* MySQL: a transaction begins (also an anonymous one) */
    MYSQL_EVENT_MARIADB_GTID,   /* MariaDB: a transaction begins */
    MYSQL_EVENT_QUERY,          /* a statement: BEGIN, COMMIT, DDL, XA ..., or a change in statement format */
    MYSQL_EVENT_XID,            /* commit */
    MYSQL_EVENT_XA_PREPARE,     /* the end of the first phase of an XA transaction */
    MYSQL_EVENT_TABLE_MAP,
    MYSQL_EVENT_ROWS,
    MYSQL_EVENT_PAYLOAD,
};

/* Flags of the event header that a reader cares about. */
enum {
    MYSQL_EVENT_FLAG_IN_USE = 0x0001,     /* FORMAT: the file is being written, or was not closed */
    MYSQL_EVENT_FLAG_ARTIFICIAL = 0x0020, /* made by the server for this stream: not in the file, moves no position */
    MYSQL_EVENT_FLAG_IGNORABLE = 0x0080,
};

struct mysql_event_format {
    struct slice server_version; /* "8.0.15", "10.11.6-MariaDB-0+deb12u1-log" */
    bool mariadb;
    bool checksum; /* the events of this file end with a CRC32 */
};

struct mysql_event_rotate {
    struct slice file;
    uint64_t position;
};

struct mysql_event_heartbeat {
    struct slice file; /* may be empty (MariaDB sends it too) */
    uint64_t position;
};

struct mysql_event_gtid {
    struct mysql_gtid gtid; /* number 0 when anonymous */
    bool anonymous;
    uint64_t
        original_commit_us; /* at the server where the transaction was first committed; 0 = not told (before 8.0) */
    uint64_t immediate_commit_us; /* at this server */
};

enum mariadb_alter_phase { MARIADB_ALTER_NONE, MARIADB_ALTER_START, MARIADB_ALTER_COMMIT, MARIADB_ALTER_ROLLBACK };

struct mysql_event_mariadb_gtid {
    struct mariadb_gtid gtid;
    bool standalone; /* one statement that commits by itself (DDL): no COMMIT or XID event follows */
    bool ddl;
    bool xa_prepared;  /* first phase of an XA transaction; ends with MYSQL_EVENT_XA_PREPARE */
    bool xa_completed; /* XA COMMIT or XA ROLLBACK of a prepared one: which one says the QUERY event that follows */
    char xid[MYSQL_XID_TEXT_BYTES]; /* with the xa_ flags: "X'6162',X'',1" */
    enum mariadb_alter_phase alter; /* binlog_alter_two_phase: the ALTER counts at COMMIT only */
};

struct mysql_event_query {
    struct slice schema; /* the session's default database, UTF-8 */
    struct slice text;   /* in the charset of `collation` */
    uint16_t collation;  /* character_set_client's default collation id; 0 = not told */
    uint64_t sql_mode;   /* 0x4 = ANSI_QUOTES, 0x100000 = NO_BACKSLASH_ESCAPES, MariaDB: 0x200 = ORACLE */
    uint32_t thread_id;
    uint16_t error_code;
    uint32_t micros; /* of the second in the event header, when told */
};

struct mysql_event_xa_prepare {
    bool one_phase;                 /* XA COMMIT … ONE PHASE: this is the commit */
    char xid[MYSQL_XID_TEXT_BYTES]; /* "X'6162',X'',1", the form that XA START/COMMIT/ROLLBACK have in QUERY events */
};

enum { MYSQL_ROWS_STATEMENT_END = 0x0001 };

struct mysql_event_rows {
    enum change_op op;
    uint64_t table_id;
    struct mysql_table_map *table_map; /* NULL in a dummy event without rows that only ends a statement */
    uint16_t flags;                    /* MYSQL_ROWS_STATEMENT_END */
    bool partial_json;                 /* PARTIAL_UPDATE_ROWS: mysql_rows_begin refuses it and says why */
    size_t column_count;
    const uint8_t
        *present_before;          /* bitmaps of the columns sent, least significant bit first; NULL where there is no */
    const uint8_t *present_after; /* such image */
    const uint8_t *data, *end;    /* the row images */
};

struct mysql_event_payload {
    const uint8_t *data;
    size_t len;
    uint64_t uncompressed_bytes;
    bool compressed; /* zstd, else as it is */
};

struct mysql_event {
    enum mysql_event_kind kind;
    uint8_t type; /* the code on the wire */
    uint16_t flags;
    uint32_t time_s; /* seconds since 1970 */
    uint32_t server_id;
    uint32_t size_bytes; /* of the whole event in the log; inside a payload: of the inner event */
    uint32_t
        next_position; /* where the next event begins; wraps in files over 4 GiB; 0 in a payload and in artificial events */
    union {
        struct mysql_event_format format;
        struct mysql_event_rotate rotate;
        struct mysql_event_heartbeat heartbeat;
        struct slice incident;       /* the server's message */
        struct slice previous_gtids; /* for mysql_gtid_set_decode */
        struct slice gtid_list;      /* for mysql_event_gtid_list */
        struct mysql_event_gtid gtid;
        struct mysql_event_mariadb_gtid mariadb_gtid;
        struct mysql_event_query query;
        uint64_t xid;
        struct mysql_event_xa_prepare xa_prepare;
        struct mysql_table_map *table_map;
        struct mysql_event_rows rows;
        struct mysql_event_payload payload;
    };
};

struct mysql_decoder {
    bool
        checksum; /* set before the first event to what the server was told (@source_binlog_checksum); then follows FORMAT */
    bool mariadb;
    bool has_format;
    uint8_t post_header[MYSQL_POST_HEADERS]; /* post-header length by type code, from FORMAT */
    struct mysql_table_maps *maps;
    struct buf inflated; /* body of the last compressed event (MariaDB) */
};

void mysql_decoder_init(struct mysql_decoder *decoder, bool checksum);
void mysql_decoder_deinit(struct mysql_decoder *decoder);

/* One event, header and checksum included. `known_checksum` is what mysql_event_checksum gave for it, where another thread
 * had the time; NULL: calculated here, if events have one. */
bool mysql_event_parse(struct mysql_decoder *decoder, const void *data, size_t len, const uint32_t *known_checksum,
                       struct mysql_event *out, struct error *err);
/* CRC-32 of an event up to its checksum; 0 for one that is too short for any. */
uint32_t mysql_event_checksum(const void *data, size_t len);

/* The ids of a GTID_LIST event; *position is cleared first. The last id of a domain is the one that counts. */
bool mysql_event_gtid_list(const struct mysql_event *event, struct mariadb_position *position, struct error *err);

/* "write rows (30)": for messages. Static text for known codes, "unknown" else. */
const char *mysql_event_type_name(uint8_t type);

/* --- the events inside a MYSQL_EVENT_PAYLOAD, decompressed bit by bit: memory is one inner event and zstd's window. The
 * packet of the payload event must stay until the end. */
struct mysql_payload {
    struct mysql_decoder *decoder;
    const uint8_t *data;
    size_t len, used;
    bool compressed;
    uint64_t produced_bytes, uncompressed_bytes;
    void *stream; /* ZSTD_DCtx, kept for the next payload */
    struct buf event;
};

void mysql_payload_init(struct mysql_payload *payload, struct mysql_decoder *decoder);
void mysql_payload_deinit(struct mysql_payload *payload);
bool mysql_payload_begin(struct mysql_payload *payload, const struct mysql_event *event, struct error *err);
/* *more false at the end. The inner events have no position of their own and are borrowed until the next call. */
bool mysql_payload_next(struct mysql_payload *payload, struct mysql_event *out, bool *more, struct error *err);

#endif
