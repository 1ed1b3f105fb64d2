/* The MySQL/MariaDB source as its own files see it. The way through them:
 *
 *   mysql.c                  the ops, the shared connection, positions; mysql_log.c: the files of the log, and whether they
 *                            still are those of a position
 *   mysql_check.c            preflight
 *   mysql_schema.c           information_schema -> struct table
 *   mysql_snapshot.c         full load: consistent readers and their positions; mysql_text.c: the server's text -> values
 *   mysql_stream.c           the binlog -> source events; mysql_stream_open.c: where it begins; mysql_stream_statement.c:
 *                            what statements in it mean; mysql_stream_table.c: which definition a row event has;
 *                            mysql_stream_known.c, mysql_stream_change.c: what is known of tables, and of their changes;
 *                            mysql_stream_convert.c: whether ALTER TABLE changed values; mysql_stream_settle.c:
 *                            definitions that no row has shown;
 *                            mysql_stream_prepared.c: transactions that were prepared before the stream began
 *   mysql_event.h …          the decoder below, which knows no sockets */
#ifndef SLUICE_SOURCE_MYSQL_SOURCE_H
#define SLUICE_SOURCE_MYSQL_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "source/mysql_conn.h"
#include "source/mysql_position.h"
#include "source/source.h"

struct mysql_source {
    struct source base;
    const struct config *config;
    atomic_uint_least64_t zero_dates; /* dates that became NULL, in full loads and streams */
    struct {
        pthread_mutex_t mutex;
        struct mysql_conn *conn; /* NULL after it broke */
    } shared;                    /* the connection for questions, for whichever thread asks */
};

/* The shared connection, opened again if it broke, until unlock. NULL with err set when there is none. */
struct mysql_conn *mysql_source_lock(struct mysql_source *source, struct error *err);
void mysql_source_unlock(struct mysql_source *source);

/* source.server_id, or one derived from the task's name: above 2^30, away from the small numbers of real servers. */
uint32_t mysql_source_server_id(const struct config *config);

/* The end of the log, from SHOW MASTER STATUS or what the server calls it now. */
bool mysql_source_log_end(struct mysql_conn *conn, struct mysql_position *out, struct error *err);
/* MariaDB: adds the GTIDs that belong to the position's file and pos. */
bool mysql_source_add_mariadb_gtid(struct mysql_conn *conn, struct mysql_position *position, struct error *err);

/* The operations. `base` is the source, the snapshot or the stream that mysql.c's own structs begin with. */
bool mysql_check(struct source *base, struct check_report *report, struct error *err);
bool mysql_warn(struct source *base, struct error *err);

bool mysql_snapshot_open(struct source *base, const struct table *const *tables, size_t table_count, unsigned readers,
                         struct source_snapshot **out, struct error *err);
const char *mysql_snapshot_position(struct source_snapshot *base, unsigned reader);
bool mysql_snapshot_read(struct source_snapshot *base, unsigned index, const struct table *table, source_row_fn row,
                         void *context, struct error *err);
void mysql_snapshot_close(struct source_snapshot *base);

bool mysql_stream_open(struct source *source, const char *position, struct source_tables *tables,
                       struct source_stream **out, struct error *err);
bool mysql_stream_next(struct source_stream *base, struct source_event *event, struct error *err);
void mysql_stream_close(struct source_stream *base);

#endif
