/* Decoder of pgoutput, the logical replication protocol of PostgreSQL, versions 1 to 4 (PostgreSQL 10, 14, 15, 16). Knows no
 * sockets: takes the payload of an XLogData message, gives a struct that points into it.
 *
 * Wire layout (documentation: "Logical Replication Message Formats"; src/backend/replication/logical/proto.c). Integers are
 * big-endian, `str` ends with a 0 byte, times are microseconds since 2000-01-01 UTC, and [xid] is u32, there only within a
 * stream block (between S and E):
 *
 *   B  begin              u64 lsn of the commit record   i64 commit time   u32 xid
 *   C  commit             u8 0   u64 lsn of the commit record   u64 end lsn   i64 commit time
 *   O  origin             u64 lsn at the origin   str name
 *   R  relation           [xid]  u32 oid   str schema ("": pg_catalog)   str table   u8 replica identity d|n|f|i
 *                         u16 columns, each: u8 1 = of the identity   str name   u32 type oid   i32 typmod
 *   Y  type               [xid]  u32 oid   str schema   str name
 *   I  insert             [xid]  u32 oid   'N' tuple
 *   U  update             [xid]  u32 oid   ('K' | 'O') tuple, if any   'N' tuple
 *   D  delete             [xid]  u32 oid   ('K' | 'O') tuple
 *   T  truncate           [xid]  u32 relations   u8 1 = cascade, 2 = restart identity   u32 oid of each
 *   M  logical message    [xid]  u8 1 = transactional   u64 lsn   str prefix   u32 length   bytes
 *   S  stream start       u32 xid   u8 1 = its first block                                        (from 2)
 *   E  stream stop                                                                                (from 2)
 *   c  stream commit      u32 xid   u8 0   u64 lsn of the commit record   u64 end lsn   i64 time  (from 2)
 *   A  stream abort       u32 xid   u32 subxid   with streaming = parallel: u64 lsn   i64 time    (from 2, 4)
 *   b  begin prepare      u64 lsn of the prepare record   u64 end lsn   i64 time   u32 xid   str gid      (from 3)
 *   P  prepare            u8 0   u64 lsn   u64 end lsn   i64 time   u32 xid   str gid                     (from 3)
 *   K  commit prepared    u8 0   u64 lsn   u64 end lsn   i64 time   u32 xid   str gid                     (from 3)
 *   r  rollback prepared  u8 0   u64 end lsn of the prepare   u64 end lsn   i64 prepare time   i64 time   u32 xid   str gid
 *   p  stream prepare     u8 0   u64 lsn   u64 end lsn   i64 time   u32 xid   str gid                     (from 3)
 *
 *   tuple: u16 columns, each: 'n' NULL | 'u' TOAST value that was not changed | 't' u32 length   text | 'b' u32 length   binary
 *   a 'K' tuple has the columns of the replica identity, the others are 'n'; an 'O' tuple (identity FULL) has all. */
#ifndef SLUICE_SOURCE_PGOUTPUT_H
#define SLUICE_SOURCE_PGOUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum pgoutput_kind {
    PGOUTPUT_BEGIN = 'B',
    PGOUTPUT_COMMIT = 'C',
    PGOUTPUT_ORIGIN = 'O',
    PGOUTPUT_RELATION = 'R',
    PGOUTPUT_TYPE = 'Y',
    PGOUTPUT_INSERT = 'I',
    PGOUTPUT_UPDATE = 'U',
    PGOUTPUT_DELETE = 'D',
    PGOUTPUT_TRUNCATE = 'T',
    PGOUTPUT_MESSAGE = 'M',
    PGOUTPUT_STREAM_START = 'S',
    PGOUTPUT_STREAM_STOP = 'E',
    PGOUTPUT_STREAM_COMMIT = 'c',
    PGOUTPUT_STREAM_ABORT = 'A',
    PGOUTPUT_BEGIN_PREPARE = 'b',
    PGOUTPUT_PREPARE = 'P',
    PGOUTPUT_COMMIT_PREPARED = 'K',
    PGOUTPUT_ROLLBACK_PREPARED = 'r',
    PGOUTPUT_STREAM_PREPARE = 'p',
};

enum pgoutput_value_kind {
    PGOUTPUT_NULL = 'n',
    PGOUTPUT_UNCHANGED = 'u',
    PGOUTPUT_TEXT = 't',
    PGOUTPUT_BINARY = 'b',
};

struct pgoutput_value {
    const char *data; /* of the message; TEXT and BINARY */
    uint32_t len;
    uint8_t kind;
};

struct pgoutput_tuple {
    const struct pgoutput_value *values; /* NULL: the message has no such tuple */
    size_t count;
};

struct pgoutput_column {
    const char *name;
    uint32_t type;
    int32_t typmod;
    bool in_identity;
};

struct pgoutput_relation {
    uint32_t oid;
    const char *schema, *name;
    char identity; /* d, n, f, i: pg_class.relreplident */
    const struct pgoutput_column *columns;
    size_t column_count;
};

struct pgoutput_row {
    uint32_t relation;
    char old_kind; /* 'K', 'O', 0: none */
    struct pgoutput_tuple old, new;
};

/* Of a transaction: its begin, its end, or what becomes of it. */
struct pgoutput_transaction {
    uint64_t lsn;     /* of the record; of an 'r' the end of the prepare's */
    uint64_t end_lsn; /* behind it; of a 'B' 0 */
    int64_t time_us;  /* since 1970, UTC */
    const char *gid;  /* of a prepared one; else NULL */
};

struct pgoutput_message {
    enum pgoutput_kind kind;
    uint32_t xid;    /* of the transaction; within a stream block of the subtransaction; 0: the message says none */
    uint32_t subxid; /* STREAM_ABORT */
    union {
        struct pgoutput_transaction transaction;
        struct pgoutput_relation relation;
        struct pgoutput_row row;
        struct {
            const uint32_t *relations;
            size_t relation_count;
            uint8_t options;
        } truncate;
        struct {
            const char *prefix;
            const char *data;
            uint32_t len;
            bool transactional;
        } message;
        struct {
            uint32_t oid;
            const char *schema, *name;
        } type;
        bool first_block; /* STREAM_START */
    };
};

/* What decoding needs from one message to the next, and the arrays that messages point into. */
struct pgoutput {
    bool in_stream; /* between S and E */
    struct pgoutput_value *old_values, *new_values;
    size_t old_capacity, new_capacity;
    struct pgoutput_column *columns;
    size_t column_capacity;
    uint32_t *relations;
    size_t relation_capacity;
};

void pgoutput_init(struct pgoutput *decoder);
void pgoutput_deinit(struct pgoutput *decoder);

/* *out points into data and the decoder: valid until the next call. Kind DATA for what is none of these messages, is cut
 * off or has bytes left over: the stream cannot be read on. */
bool pgoutput_decode(struct pgoutput *decoder, const void *data, size_t len, struct pgoutput_message *out,
                     struct error *err);

#endif
