/* Positions in the binlog, as capture keeps them: one JSON object.
 *
 *   {"server": "mysql", "server_uuid": "3e11fa47-…", "server_id": 8, "file": "bin.000007", "pos": 4711,
 *    "created": 1700000000, "gtid": "3e11fa47-…:1-99", "pending": {"shop": {"orders": [["old", "new"]]}}}
 *
 * file and pos are where the next event begins in that server's own files, and created is when that file was made, which tells
 * it from another one of its name (see mysql_log.h); gtid is everything executed up to there (a set
 * of MySQL, a position of MariaDB), which finds the same place in any server of a replication group. "pending" are column
 * renames that the log told but no row has used yet (see mysql_stream.c).
 *
 * Typed by a user, "bin.000007:4711", a GTID set and a MariaDB position are read too. */
#ifndef SLUICE_SOURCE_MYSQL_POSITION_H
#define SLUICE_SOURCE_MYSQL_POSITION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "source/mysql_conn.h"
#include "source/mysql_gtid.h"

enum { MYSQL_LOG_BEGIN = 4 /* the first event of a binlog file, behind its magic number */ };

struct mysql_position {
    bool has_server; /* which server this is of was recorded */
    bool mariadb;
    char *server_uuid; /* never NULL */
    uint32_t server_id;
    char *file; /* "" when only the GTIDs are known */
    uint64_t pos;
    uint32_t created; /* of the file; seconds since 1970; 0 = not known */
    bool has_gtid;
    struct mysql_gtid_set set;       /* MySQL */
    struct mariadb_position domains; /* MariaDB */
    json_t *pending;                 /* object, or NULL */
};

void mysql_position_init(struct mysql_position *position);
void mysql_position_deinit(struct mysql_position *position);
/* Kind CONFIG; the message shows the text. */
bool mysql_position_parse(struct mysql_position *position, const char *text, struct error *err);
void mysql_position_format(const struct mysql_position *position, struct buf *out); /* appends */
void mysql_position_set_server(struct mysql_position *position, const struct mysql_server *server);
/* Of a file that the position is not in already, `created` is not known. */
void mysql_position_set_file(struct mysql_position *position, struct slice file, uint64_t pos);
/* Takes the text of a GTID set or a MariaDB position, by position->mariadb. Kind CONFIG. */
bool mysql_position_set_gtid(struct mysql_position *position, const char *text, struct error *err);

/* The number behind the last dot of "bin.000007": it grows beyond six digits, so names do not compare as text. */
uint64_t mysql_log_file_number(const char *file);

/* Was it taken on this server? Without a record of that: yes. */
bool mysql_position_is_of(const struct mysql_position *position, const struct mysql_server *server);

/* True when `position` is at or behind `target`: everything before target is before position. On the same server by file and
 * pos, which order everything; else by GTIDs. Kind OUTSIDE when the two cannot be compared. */
bool mysql_position_reached(const struct mysql_position *position, const struct mysql_position *target, bool *out,
                            struct error *err);

#endif
