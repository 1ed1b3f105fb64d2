/* Global transaction ids: MySQL's sets (with the tags of 8.3 and later) and MariaDB's positions. Pure data, no I/O. */
#ifndef SLUICE_SOURCE_MYSQL_GTID_H
#define SLUICE_SOURCE_MYSQL_GTID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { MYSQL_UUID_BYTES = 16, MYSQL_TAG_MAX = 32, MYSQL_GTID_TEXT_BYTES = 96, MARIADB_GTID_TEXT_BYTES = 48 };

/* --- MySQL: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", with a tag "3e11fa47-…:tag:23". */
struct mysql_gtid {
    uint8_t uuid[MYSQL_UUID_BYTES];
    char tag[MYSQL_TAG_MAX + 1]; /* "" = none; lower case */
    uint64_t number;             /* 1 .. 2^63-2 */
};

void mysql_gtid_format(const struct mysql_gtid *gtid, char out[MYSQL_GTID_TEXT_BYTES]);
bool mysql_gtid_parse(const char *text, struct mysql_gtid *out, struct error *err); /* kind CONFIG */

/* A set: per (uuid, tag) an ascending list of ranges that neither overlap nor touch. */
struct mysql_gtid_range {
    uint64_t first, last; /* both inclusive */
};
struct mysql_gtid_source {
    uint8_t uuid[MYSQL_UUID_BYTES];
    char tag[MYSQL_TAG_MAX + 1];
    struct mysql_gtid_range *ranges;
    size_t count, capacity;
};
struct mysql_gtid_set {
    struct mysql_gtid_source *sources; /* ascending by (uuid, tag) */
    size_t count, capacity;
};

static inline void mysql_gtid_set_init(struct mysql_gtid_set *set) { *set = (struct mysql_gtid_set){0}; }
void mysql_gtid_set_deinit(struct mysql_gtid_set *set);
void mysql_gtid_set_clear(struct mysql_gtid_set *set);
void mysql_gtid_set_copy(struct mysql_gtid_set *to, const struct mysql_gtid_set *from); /* to was initialised */
static inline bool mysql_gtid_set_is_empty(const struct mysql_gtid_set *set) { return set->count == 0; }

/* Reads what the server prints and takes: "uuid:1-5:7,uuid:tag:1-3", blanks and line ends between the parts; "" is the
 * empty set. On false the set is empty. Kind CONFIG. */
bool mysql_gtid_set_parse(struct mysql_gtid_set *set, const char *text, struct error *err);
/* The server's own form, on one line: "uuid:1-5:7:tag:1-3,uuid2:1". */
void mysql_gtid_set_format(const struct mysql_gtid_set *set, struct buf *out);

/* Appending the next number of the last used source is O(log sources): the usual case of a stream. */
void mysql_gtid_set_add(struct mysql_gtid_set *set, const struct mysql_gtid *gtid);
void mysql_gtid_set_add_set(struct mysql_gtid_set *set, const struct mysql_gtid_set *more);
void mysql_gtid_set_subtract(struct mysql_gtid_set *set, const struct mysql_gtid_set *less);
bool mysql_gtid_set_contains(const struct mysql_gtid_set *set, const struct mysql_gtid *gtid);
bool mysql_gtid_set_contains_set(const struct mysql_gtid_set *set, const struct mysql_gtid_set *part);
static inline bool mysql_gtid_set_equal(const struct mysql_gtid_set *a, const struct mysql_gtid_set *b) {
    return mysql_gtid_set_contains_set(a, b) && mysql_gtid_set_contains_set(b, a);
}

/* The binary form: in COM_BINLOG_DUMP_GTID and in the PREVIOUS_GTIDS event. A set without tags gets the form that every
 * server reads. decode: kind DATA. */
void mysql_gtid_set_encode(const struct mysql_gtid_set *set, struct buf *out);
bool mysql_gtid_set_decode(struct mysql_gtid_set *set, const void *data, size_t len, struct error *err);

/* --- MariaDB: "0-1-100": domain, server, sequence. A position is the last one of each domain: "0-1-100,1-2-7". */
struct mariadb_gtid {
    uint32_t domain;
    uint32_t server_id;
    uint64_t sequence;
};
struct mariadb_position {
    struct mariadb_gtid *gtids; /* ascending by domain, one each */
    size_t count, capacity;
};

void mariadb_gtid_format(struct mariadb_gtid gtid, char out[MARIADB_GTID_TEXT_BYTES]);
static inline void mariadb_position_init(struct mariadb_position *p) { *p = (struct mariadb_position){0}; }
void mariadb_position_deinit(struct mariadb_position *position);
void mariadb_position_clear(struct mariadb_position *position);
void mariadb_position_copy(struct mariadb_position *to, const struct mariadb_position *from);
/* "" is the empty position. Two ids of one domain are an error. On false the position is empty. Kind CONFIG. */
bool mariadb_position_parse(struct mariadb_position *position, const char *text, struct error *err);
void mariadb_position_format(const struct mariadb_position *position, struct buf *out);
/* The domain's last id becomes this one. */
void mariadb_position_set(struct mariadb_position *position, struct mariadb_gtid gtid);
const struct mariadb_gtid *mariadb_position_find(const struct mariadb_position *position, uint32_t domain);
/* True when the position is at or behind the id: the id's sequence is not above its domain's last. */
bool mariadb_position_contains(const struct mariadb_position *position, struct mariadb_gtid gtid);
/* True when the position contains every id of the other. */
bool mariadb_position_reached(const struct mariadb_position *position, const struct mariadb_position *target);

#endif
