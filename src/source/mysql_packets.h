/* The events of a binlog connection, read ahead by a thread of its own: while capture decodes and writes rows, the next ones
 * come in and their checksums are calculated. Some megabytes are held at most; a log that is idle is handed over event by event. */
#ifndef SLUICE_SOURCE_MYSQL_PACKETS_H
#define SLUICE_SOURCE_MYSQL_PACKETS_H

#include <stdint.h>

#include "base/error.h"
#include "source/mysql_conn.h"

struct mysql_packets;

struct mysql_packet {
    const uint8_t *data; /* an event */
    size_t len;
    uint32_t checksum; /* mysql_event_checksum of it */
};

/* Reads ahead on a connection whose dump has begun; nothing else may be done with it until mysql_packets_stop. */
bool mysql_packets_start(struct mysql_conn *conn, struct mysql_packets **out, struct error *err);
/* As mysql_conn_next_packet: blocks; the packet is borrowed until the next call. After an error it fails with it again. */
bool mysql_packets_next(struct mysql_packets *packets, struct mysql_packet *out, struct error *err);
void mysql_packets_stop(struct mysql_packets *packets); /* breaks the connection off; NULL is fine */

#endif
