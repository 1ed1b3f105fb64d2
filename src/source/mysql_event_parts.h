/* The parts of the event decoder among themselves. Only mysql_event*.c include this.
 *
 * A parser gets the event's body (behind the event header, without the checksum) and fills its member of `out`. It returns
 * false when the body is cut off or damaged: the caller makes the error. */
#ifndef SLUICE_SOURCE_MYSQL_EVENT_PARTS_H
#define SLUICE_SOURCE_MYSQL_EVENT_PARTS_H

#include "base/cursor.h"
#include "source/mysql_event.h"

/* mysql_event_gtid.c */
bool mysql_parse_gtid(struct cursor *c, struct mysql_event *out);
bool mysql_parse_anonymous_gtid(struct cursor *c, struct mysql_event *out);
bool mysql_parse_tagged_gtid(struct cursor *c, struct mysql_event *out);
bool mysql_parse_mariadb_gtid(struct cursor *c, struct mysql_event *out);
bool mysql_parse_xa_prepare(struct cursor *c, struct mysql_event *out);

/* mysql_event_query.c; the statement of a compressed one is inflated into `inflated`. */
bool mysql_parse_query(struct cursor *c, size_t post_header, struct buf *inflated, struct mysql_event *out);

/* mysql_event_inflate.c: MariaDB's compressed part of an event: all that is left of the cursor. */
bool mysql_inflate_event(struct cursor *c, struct buf *out);

#endif
