/* The binlog files of a server: what there is, and whether it still is the log that a position was taken in.
 *
 * RESET MASTER begins the log again: the names of files and the numbers of transactions come a second time and mean others.
 * A position of before then is found without complaint, by file or by GTID, and what was written in between is skipped. So a
 * position keeps when its file was made: the time in the header of the file's format description event, which is the same
 * wherever in the file a stream begins. (The `created` field in the event's body is that of the server's start, else zero.) */
#ifndef SLUICE_SOURCE_MYSQL_LOG_H
#define SLUICE_SOURCE_MYSQL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "source/mysql_conn.h"
#include "source/mysql_position.h"

enum { MYSQL_LOG_SILENCE_MS = 30 * 1000 /* a server that sends not even heartbeats for so long is gone */ };

/* Tells the server that its checksums are understood. */
bool mysql_log_accept_checksums(struct mysql_conn *conn, struct error *err);

/* Makes the connection one that sends the log from a file and position on. As server id 0, a guest as mysqlbinlog is: until
 * the end of the log. */
bool mysql_log_dump(struct mysql_conn *conn, const char *file, uint64_t pos, uint32_t server_id, struct error *err);

/* When the position's file was made, into position->created. The connection is of no other use afterwards. A user who may
 * not read the log (for full loads alone), or a file that was purged, is no failure: it stays unknown. */
bool mysql_log_find_created(struct mysql_conn *conn, struct mysql_position *position, struct error *err);

/* Is the position's place in the log of the server that `ask` is connected to? A position of another server, or of a file
 * that was purged, is left to the dump. Kind OUTSIDE: the log began again, and what to
 * do. *at_end: nothing was written behind the position. */
bool mysql_log_check_position(const struct config_source *config, struct mysql_conn *ask,
                              struct mysql_position *position, bool *at_end, struct error *err);

#endif
