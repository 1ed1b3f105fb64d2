/* Events that say which transaction begins, and XA names.
 *
 * MySQL GTID (33) and ANONYMOUS_GTID (34), from libs/mysql/binlog/event/control_events.h (class Gtid_event); the part from
 * "2" on since 5.7, the times since 8.0:
 *
 *   u8 flags | uuid 16 | u64 number | u8 2 | u64 last_committed | u64 sequence_number
 *   u56 immediate commit time (µs; bit 55: u56 original commit time follows) | P transaction length | u32 versions …
 *
 * MySQL GTID_TAGGED (42), since 8.3, a message of mysql::serialization (libs/mysql/serialization/readme.md). V = variable
 * integer: as many one-bits at the bottom of the first byte as bytes follow it; the rest, little-endian, is the value:
 *
 *   V version | V size | V last field that must be known | (V field | value) …, fields ascending, absent ones left out
 *   0 V flags   1 uuid, V * 16   2 V number (its sign in bit 0)   3 V length, tag   4 V, 5 V logical clock (signed)
 *   6 V immediate commit time   7 V original commit time   8 V transaction length   9 V, 10 V versions   11 V ticket
 *
 * MariaDB GTID (162), from sql/log_event.h (class Gtid_log_event):
 *
 *   u64 sequence | u32 domain | u8 flags | [flag 2: u64 commit id] | [flags 40, 80: XA name]
 *   | u8 more flags (1: u8 engines; 4, 8: u64 sequence of the ALTER's start; 10: u32 thread) | zeros up to 19 bytes
 *   XA name: u32 format | u8 gtrid length | u8 bqual length | gtrid | bqual
 *
 * XA_PREPARE (38), both servers: u8 one phase | u32 format | u32 gtrid length | u32 bqual length | gtrid | bqual
 *
 * MariaDB GTID_LIST (163): u32 count (low 28 bits) | (u32 domain | u32 server | u64 sequence) * count */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/mysql_event_parts.h"
#include "source/mysql_wire.h"

enum { XID_PART_MAX = 64 };

/* --- MySQL ------------------------------------------------------------------------------------------------------------ */

/* Commit times are missing before 8.0, and that is fine. */
static void parse_commit_times(struct cursor *c, struct mysql_event_gtid *gtid) {
    static const uint64_t ORIGINAL_FOLLOWS = UINT64_C(1) << 55;
    if (cursor_left(c) < 7)
        return;
    uint64_t immediate = cursor_le(c, 7);
    gtid->immediate_commit_us = immediate & ~ORIGINAL_FOLLOWS;
    gtid->original_commit_us = gtid->immediate_commit_us;
    if ((immediate & ORIGINAL_FOLLOWS) != 0 && cursor_left(c) >= 7)
        gtid->original_commit_us = cursor_le(c, 7);
}

static bool parse_untagged(struct cursor *c, bool anonymous, struct mysql_event *out) {
    enum { LOGICAL_CLOCK = 2, LOGICAL_CLOCK_BYTES = 16 };
    struct mysql_event_gtid *gtid = &out->gtid;
    out->kind = MYSQL_EVENT_GTID;
    (void)cursor_u8(c);
    const uint8_t *uuid = cursor_bytes(c, MYSQL_UUID_BYTES);
    gtid->gtid.number = cursor_u64(c);
    if (c->failed || (!anonymous && (gtid->gtid.number == 0 || gtid->gtid.number >= INT64_MAX)))
        return false;
    gtid->anonymous = anonymous;
    if (anonymous)
        gtid->gtid.number = 0;
    else
        memcpy(gtid->gtid.uuid, uuid, MYSQL_UUID_BYTES);
    if (cursor_left(c) >= 1 + LOGICAL_CLOCK_BYTES && cursor_u8(c) == LOGICAL_CLOCK) {
        (void)cursor_bytes(c, LOGICAL_CLOCK_BYTES);
        parse_commit_times(c, gtid);
    }
    return true;
}

bool mysql_parse_gtid(struct cursor *c, struct mysql_event *out) { return parse_untagged(c, false, out); }

bool mysql_parse_anonymous_gtid(struct cursor *c, struct mysql_event *out) { return parse_untagged(c, true, out); }

static uint64_t read_variable(struct cursor *c) {
    uint8_t first = cursor_u8(c);
    unsigned more = first == 0xff ? 8 : (unsigned)__builtin_ctz(~(unsigned)first);
    if (more == 0)
        return first >> 1;
    uint64_t rest = cursor_le(c, more);
    return more >= 7 ? rest : rest << (7 - more) | first >> (more + 1);
}

/* The tag was checked by the server; here only that it is one. */
static bool read_tag(struct cursor *c, char out[MYSQL_TAG_MAX + 1]) {
    uint64_t len = read_variable(c);
    const uint8_t *text = !c->failed && len <= MYSQL_TAG_MAX ? cursor_bytes(c, (size_t)len) : NULL;
    if (text == NULL || memchr(text, '\0', (size_t)len) != NULL)
        return false;
    memcpy(out, text, (size_t)len);
    out[len] = '\0';
    return true;
}

enum tagged_field {
    TAGGED_FLAGS,
    TAGGED_UUID,
    TAGGED_NUMBER,
    TAGGED_TAG,
    TAGGED_LAST_COMMITTED,
    TAGGED_SEQUENCE_NUMBER,
    TAGGED_IMMEDIATE_COMMIT,
    TAGGED_ORIGINAL_COMMIT,
    TAGGED_LAST_KNOWN = 11,
};

static bool read_tagged_field(struct cursor *c, uint64_t field, struct mysql_event_gtid *gtid) {
    switch (field) {
    case TAGGED_UUID:
        for (size_t i = 0; i < MYSQL_UUID_BYTES; i++)
            gtid->gtid.uuid[i] = (uint8_t)read_variable(c);
        return true;
    case TAGGED_NUMBER: {
        uint64_t number = read_variable(c);
        gtid->gtid.number = number >> 1;
        return (number & 1) == 0;
    }
    case TAGGED_TAG:
        return read_tag(c, gtid->gtid.tag);
    case TAGGED_IMMEDIATE_COMMIT:
        gtid->immediate_commit_us = read_variable(c);
        return true;
    case TAGGED_ORIGINAL_COMMIT:
        gtid->original_commit_us = read_variable(c);
        return true;
    default:
        (void)read_variable(c);
        return true;
    }
}

bool mysql_parse_tagged_gtid(struct cursor *c, struct mysql_event *out) {
    struct mysql_event_gtid *gtid = &out->gtid;
    out->kind = MYSQL_EVENT_GTID;
    (void)read_variable(c); /* version */
    (void)read_variable(c); /* size */
    if (read_variable(c) > TAGGED_LAST_KNOWN)
        return false;
    while (!c->failed && cursor_left(c) > 0) {
        uint64_t field = read_variable(c);
        if (c->failed || field > TAGGED_LAST_KNOWN) /* what later servers add may be left alone */
            break;
        if (!read_tagged_field(c, field, gtid))
            return false;
    }
    if (gtid->original_commit_us == 0)
        gtid->original_commit_us = gtid->immediate_commit_us;
    return !c->failed && gtid->gtid.number > 0 && gtid->gtid.number < INT64_MAX;
}

/* --- XA names ---------------------------------------------------------------------------------------------------------- */

static char *put_hex(char *to, const uint8_t *from, size_t len) {
    for (size_t i = 0; i < len; i++, to += 2)
        snprintf(to, 3, "%02x", from[i]);
    return to;
}

/* X'gtrid',X'bqual',format: as MySQL and MariaDB write it in XA START and XA COMMIT. */
static bool format_xid(struct cursor *c, uint32_t format, uint64_t gtrid_len, uint64_t bqual_len,
                       char out[MYSQL_XID_TEXT_BYTES]) {
    if (c->failed || gtrid_len > XID_PART_MAX || bqual_len > XID_PART_MAX)
        return false;
    const uint8_t *gtrid = cursor_bytes(c, (size_t)gtrid_len), *bqual = cursor_bytes(c, (size_t)bqual_len);
    if (c->failed)
        return false;
    char *to = put_hex(stpcpy(out, "X'"), gtrid, (size_t)gtrid_len);
    to = put_hex(stpcpy(to, "',X'"), bqual, (size_t)bqual_len);
    snprintf(to, (size_t)(out + MYSQL_XID_TEXT_BYTES - to), "',%" PRId32, (int32_t)format);
    return true;
}

bool mysql_parse_xa_prepare(struct cursor *c, struct mysql_event *out) {
    out->kind = MYSQL_EVENT_XA_PREPARE;
    out->xa_prepare.one_phase = cursor_u8(c) != 0;
    uint32_t format = cursor_u32(c), gtrid_len = cursor_u32(c), bqual_len = cursor_u32(c);
    return format_xid(c, format, gtrid_len, bqual_len, out->xa_prepare.xid);
}

/* --- MariaDB ------------------------------------------------------------------------------------------------------------ */

enum {
    MARIADB_STANDALONE = 0x01,
    MARIADB_GROUP_COMMIT_ID = 0x02,
    MARIADB_DDL = 0x20,
    MARIADB_PREPARED_XA = 0x40,
    MARIADB_COMPLETED_XA = 0x80,
    MARIADB_START_ALTER = 0x02, /* of the second flags */
    MARIADB_COMMIT_ALTER = 0x04,
    MARIADB_ROLLBACK_ALTER = 0x08,
};

static enum mariadb_alter_phase alter_phase(uint8_t flags) {
    return (flags & MARIADB_START_ALTER) != 0      ? MARIADB_ALTER_START
           : (flags & MARIADB_COMMIT_ALTER) != 0   ? MARIADB_ALTER_COMMIT
           : (flags & MARIADB_ROLLBACK_ALTER) != 0 ? MARIADB_ALTER_ROLLBACK
                                                   : MARIADB_ALTER_NONE;
}

bool mysql_parse_mariadb_gtid(struct cursor *c, struct mysql_event *out) {
    struct mysql_event_mariadb_gtid *gtid = &out->mariadb_gtid;
    out->kind = MYSQL_EVENT_MARIADB_GTID;
    gtid->gtid.sequence = cursor_u64(c);
    gtid->gtid.domain = cursor_u32(c);
    gtid->gtid.server_id = out->server_id;
    uint8_t flags = cursor_u8(c);
    gtid->standalone = (flags & MARIADB_STANDALONE) != 0;
    gtid->ddl = (flags & MARIADB_DDL) != 0;
    gtid->xa_prepared = (flags & MARIADB_PREPARED_XA) != 0;
    gtid->xa_completed = (flags & MARIADB_COMPLETED_XA) != 0;
    if ((flags & MARIADB_GROUP_COMMIT_ID) != 0)
        (void)cursor_u64(c);
    if (gtid->xa_prepared || gtid->xa_completed) {
        uint32_t format = cursor_u32(c);
        uint8_t gtrid_len = cursor_u8(c), bqual_len = cursor_u8(c);
        if (!format_xid(c, format, gtrid_len, bqual_len, gtid->xid))
            return false;
    }
    if (!c->failed && cursor_left(c) > 0)
        gtid->alter = alter_phase(cursor_u8(c));
    return !c->failed;
}

bool mysql_event_gtid_list(const struct mysql_event *event, struct mariadb_position *position, struct error *err) {
    enum { COUNT_MASK = 0x0fffffff, ID_BYTES = 16 };
    mariadb_position_clear(position);
    struct cursor c = cursor_of(event->gtid_list.data, event->gtid_list.len);
    uint32_t count = cursor_u32(&c) & COUNT_MASK;
    bool ok = !c.failed && count <= cursor_left(&c) / ID_BYTES;
    for (uint32_t i = 0; ok && i < count; i++) {
        struct mariadb_gtid gtid = {.domain = cursor_u32(&c)};
        gtid.server_id = cursor_u32(&c);
        gtid.sequence = cursor_u64(&c);
        mariadb_position_set(position, gtid);
    }
    if (ok)
        return true;
    mariadb_position_clear(position);
    return error_set(err, ERROR_DATA, "decoding a GTID list event: it is cut off or damaged");
}
