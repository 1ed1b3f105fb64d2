/* Beginning and ending a stream of the binlog.
 *
 * Where it begins: by GTID when the position has one and the server gives every transaction one, because that finds the same
 * place on any server of a replication group and in spite of files that were renamed or began again; else by file and
 * position, which is refused on another server than the one that the position was taken on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/mysql_log.h"
#include "source/mysql_stream.h"

enum {
    HEARTBEAT_MS = 500,
    HEARTBEAT_MAX_MS = 1000, /* so often the caller gets the word back */
    DUMP_THROUGH_GTID = 0x04,
};

struct mysql_conn *stream_ask(struct mysql_stream *stream, struct error *err) {
    if (stream->ask != NULL && !mysql_conn_is_alive(stream->ask)) {
        mysql_conn_close(stream->ask);
        stream->ask = NULL;
    }
    if (stream->ask == NULL && !mysql_conn_open(&stream->source->config->source, &stream->ask, err))
        return NULL;
    return stream->ask;
}

/* A replica tells its master what it understands in user variables of its session; both spellings, old and new. MySQL ends
 * an older stream of the same uuid, MariaDB one of the same server id: ours, when a connection was lost. A guest has neither,
 * as mysqlbinlog. */
static bool declare_replica(struct mysql_stream *stream, struct error *err) {
    const struct mysql_server *server = mysql_conn_server(stream->log);
    const struct config *config = stream->source->config;
    int64_t heartbeat_ms = config->source.heartbeat_ms > 0 ? config->source.heartbeat_ms : HEARTBEAT_MS;
    int64_t heartbeat_ns = (heartbeat_ms < HEARTBEAT_MAX_MS ? heartbeat_ms : HEARTBEAT_MAX_MS) * 1000000;
    uint32_t id = mysql_source_server_id(config);
    struct arena arena;
    arena_init(&arena);
    struct mysql_result result;
    bool ok = mysql_log_accept_checksums(stream->log, err) &&
              mysql_conn_run(stream->log, err,
                             "SET @master_heartbeat_period = %" PRId64 ", @source_heartbeat_period = %" PRId64,
                             heartbeat_ns, heartbeat_ns) &&
              mysql_conn_query(stream->log, &arena, &result, err, "SELECT @@global.binlog_checksum AS checksum");
    if (ok) {
        const char *checksum = mysql_result_named(&result, "checksum");
        mysql_decoder_init(&stream->decoder, checksum != NULL && strcmp(checksum, "NONE") != 0);
        mysql_table_maps_on_release(stream->decoder.maps, stream_map_release, stream);
        mysql_payload_init(&stream->payload, &stream->decoder);
    }
    if (ok && server->mariadb)
        ok = mysql_conn_run(stream->log, err, "SET @mariadb_slave_capability = 4, @slave_gtid_ignore_duplicates = 0");
    else if (ok && !stream->is_late)
        ok = mysql_conn_run(stream->log, err,
                            "SET @slave_uuid = '%08" PRIx32 "-736c-7569-6365-%012" PRIx32
                            "', @replica_uuid = @slave_uuid",
                            id, server->server_id);
    arena_deinit(&arena);
    return ok;
}

static void append_le(struct buf *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        buf_append_char(out, (char)(value >> (8 * i)));
}

/* A guest's ends at the end of the log. */
static bool dump_from(struct mysql_stream *stream, const char *file, uint64_t pos, struct error *err) {
    return mysql_log_dump(stream->log, file, pos, stream->is_late ? 0 : mysql_source_server_id(stream->source->config),
                          err);
}

/* COM_BINLOG_DUMP_GTID: flags 2, server id 4, length of name 4, name, pos 8, length of set 4, set. */
static bool dump_from_set(struct mysql_stream *stream, struct error *err) {
    struct buf arguments, set;
    buf_init(&arguments, BUF_MAX_DEFAULT);
    buf_init(&set, BUF_MAX_DEFAULT);
    mysql_gtid_set_encode(&stream->position.set, &set);
    append_le(&arguments, DUMP_THROUGH_GTID, 2);
    append_le(&arguments, mysql_source_server_id(stream->source->config), 4);
    append_le(&arguments, 0, 4);
    append_le(&arguments, MYSQL_LOG_BEGIN, 8);
    append_le(&arguments, set.len, 4);
    buf_append(&arguments, set.data, set.len);
    bool ok = mysql_conn_begin_dump(stream->log, MYSQL_DUMP_GTID, (struct slice){arguments.data, arguments.len},
                                    MYSQL_LOG_SILENCE_MS, err);
    buf_deinit(&set);
    buf_deinit(&arguments);
    return ok;
}

/* MariaDB takes the position as a variable. Strict: a transaction that this server does not have is an error, not a start
 * at the next best place. */
static bool dump_from_domains(struct mysql_stream *stream, struct error *err) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    mariadb_position_format(&stream->position.domains, &text);
    bool ok = mysql_conn_run(stream->log, err, "SET @slave_connect_state = '%s', @slave_gtid_strict_mode = 1",
                             text.len > 0 ? text.data : "") &&
              dump_from(stream, "", MYSQL_LOG_BEGIN, err);
    buf_deinit(&text);
    return ok;
}

static bool start_by_file(struct mysql_stream *stream, struct error *err) {
    const struct mysql_server *server = mysql_conn_server(stream->log);
    const struct mysql_position *position = &stream->position;
    if (!mysql_position_is_of(position, server))
        return error_set(err, ERROR_OUTSIDE,
                         "the position %s:%" PRIu64 " is of server %s (id %" PRIu32 "), and this is %s (id %" PRIu32
                         "), whose log is another: load the tables in full again (sluice capture --reload), or connect "
                         "to that server. With GTIDs "
                         "(gtid_mode=ON) sluice could go on here",
                         position->file, position->pos, position->server_uuid, position->server_id, server->identity,
                         server->server_id);
    if (position->pos > UINT32_MAX)
        return error_set(err, ERROR_OUTSIDE,
                         "%s:%" PRIu64
                         " is beyond 4 GiB, where the protocol cannot start; use GTIDs (gtid_mode=ON), or "
                         "load the tables in full again (sluice capture --reload)",
                         position->file, position->pos);
    mem_free(stream->log_file);
    stream->log_file = mem_strdup(position->file);
    stream->log_pos = stream->event_pos = position->pos;
    stream->settled = true;
    return dump_from(stream, position->file, position->pos, err);
}

static bool start_dump(struct mysql_stream *stream, struct error *err) {
    const struct mysql_server *server = mysql_conn_server(stream->log);
    const struct mysql_position *position = &stream->position;
    if ((position->has_server || position->has_gtid) && position->mariadb != server->mariadb)
        return error_set(
            err, ERROR_OUTSIDE,
            "the position is of %s, and the server is %s: load the tables in full again (sluice capture --reload)",
            position->mariadb ? "MariaDB" : "MySQL", server->mariadb ? "MariaDB" : "MySQL");
    if (position->has_gtid && server->gtid_mode)
        return server->mariadb ? dump_from_domains(stream, err) : dump_from_set(stream, err);
    if (position->file[0] == '\0')
        return error_set(err, ERROR_OUTSIDE, "the position has only GTIDs, and the server has gtid_mode off");
    return start_by_file(stream, err);
}

/* The first events come at once, or the reason why none will: the file's name, and its format description. */
static bool read_first_events(struct mysql_stream *stream, struct error *err) {
    struct mysql_event event;
    do {
        if (!stream_read_packet(stream, &event, err))
            return false;
    } while (event.kind == MYSQL_EVENT_ROTATE && !stream->is_late);
    return true;
}

static bool check_log(struct mysql_stream *stream, struct error *err) {
    return mysql_log_check_position(&stream->source->config->source, stream->log, &stream->position, &stream->is_at_end,
                                    err);
}

static bool open_stream(struct mysql_stream *stream, const char *position, struct error *err) {
    if (!mysql_conn_open(&stream->source->config->source, &stream->log, err) ||
        !mysql_collations_init(&stream->collations, stream->log, err) || !declare_replica(stream, err))
        return false;
    bool ok = position != NULL ? mysql_position_parse(&stream->position, position, err)
                               : mysql_source_log_end(stream->log, &stream->position, err);
    stream->position.mariadb = stream->position.has_server || stream->position.has_gtid
                                   ? stream->position.mariadb
                                   : mysql_conn_server(stream->log)->mariadb;
    stream->position_changed = true;
    return ok && check_log(stream, err) && start_dump(stream, err) && read_first_events(stream, err);
}

static struct mysql_stream *new_stream(struct mysql_source *source, struct source_tables *tables) {
    struct mysql_stream *stream = mem_zalloc(sizeof *stream);
    stream->base.source = &source->base;
    stream->source = source;
    stream->tables = tables;
    stream->log_file = mem_strdup("");
    mysql_position_init(&stream->position);
    buf_init(&stream->position_text, BUF_MAX_DEFAULT);
    arena_init(&stream->arena);
    return stream;
}

bool mysql_stream_open(struct source *source, const char *position, struct source_tables *tables,
                       struct source_stream **out, struct error *err) {
    struct mysql_stream *stream = new_stream((struct mysql_source *)source, tables);
    if (!open_stream(stream, position, err)) {
        mysql_stream_close(&stream->base);
        return false;
    }
    *out = &stream->base;
    return true;
}

bool stream_open_late(struct mysql_stream *for_stream, const char *file, uint64_t pos, struct mysql_stream **out,
                      struct error *err) {
    struct mysql_stream *stream = new_stream(for_stream->source, for_stream->tables);
    struct buf position;
    buf_init(&position, BUF_MAX_DEFAULT);
    buf_printf(&position, "%s:%" PRIu64, file, pos);
    stream->is_late = true;
    bool ok = open_stream(stream, position.data, err);
    buf_deinit(&position);
    if (ok)
        *out = stream;
    else
        mysql_stream_close(&stream->base);
    return ok;
}

void mysql_stream_close(struct source_stream *base) {
    struct mysql_stream *stream = (struct mysql_stream *)base;
    stream_prepared_deinit(stream);
    mysql_payload_deinit(&stream->payload);
    mysql_decoder_deinit(&stream->decoder); /* releases the maps, and with them what hangs on them */
    stream_tables_deinit(stream);
    mysql_collations_deinit(&stream->collations);
    mysql_packets_stop(stream->packets);
    mysql_conn_close(stream->log);
    mysql_conn_close(stream->ask);
    mysql_position_deinit(&stream->position);
    buf_deinit(&stream->position_text);
    arena_deinit(&stream->arena);
    mem_free(stream->rows.values);
    mem_free(stream->queue);
    mem_free(stream->log_file);
    mem_free(stream);
}

/* ---- a log that is not there any more */

static bool mentions_one_of(const char *message, const char *const *words) {
    for (; *words != NULL; words++)
        if (strcasestr(message, *words) != NULL)
            return true;
    return false;
}

/* What the server still has: "the log now begins with bin.000004". Best effort: the error itself is reported anyway. */
static void append_oldest_log(struct mysql_stream *stream, struct buf *out) {
    struct error ignored;
    struct mysql_conn *conn = stream_ask(stream, &ignored);
    struct arena arena;
    arena_init(&arena);
    struct mysql_result result;
    if (conn != NULL && mysql_conn_query(conn, &arena, &result, &ignored, "SHOW BINARY LOGS") && result.row_count > 0)
        buf_printf(out, "; its log now begins with %s", mysql_result_cell(&result, 0, 0));
    if (conn != NULL && !stream->position.mariadb && stream->position.has_gtid) {
        struct buf set;
        buf_init(&set, BUF_MAX_DEFAULT);
        mysql_gtid_set_format(&stream->position.set, &set);
        if (mysql_conn_query(conn, &arena, &result, &ignored,
                             "SELECT GTID_SUBTRACT(@@global.gtid_purged, '%s') AS lost", set.len > 0 ? set.data : "") &&
            mysql_result_named(&result, "lost") != NULL && mysql_result_named(&result, "lost")[0] != '\0')
            buf_printf(out, ", and the transactions %.300s are gone", mysql_result_named(&result, "lost"));
        buf_deinit(&set);
    }
    arena_deinit(&arena);
}

/* A log that begins again below a stream ends that with an error of any kind; `err` then says what it is. */
static bool began_again(struct mysql_stream *stream, struct error *err) {
    struct error why;
    bool at_end;
    struct mysql_conn *ask = stream_ask(stream, &why);
    if (ask == NULL ||
        mysql_log_check_position(&stream->source->config->source, ask, &stream->position, &at_end, &why) ||
        why.kind != ERROR_OUTSIDE)
        return false;
    *err = why;
    return true;
}

void stream_explain_dump_error(struct mysql_stream *stream, struct error *err) {
    static const char *const gone[] = {
        "first log file name",  "purged", "not in the master's binlog", "in any binlog files", "more GTIDs than",
        "position > file size", NULL};
    static const char *const rivals[] = {"same server_uuid", "same server_id", NULL};
    bool of_the_log = err->code == MYSQL_ERROR_BINLOG_READ;
    if (of_the_log && mentions_one_of(err->message, rivals)) {
        err->kind = ERROR_CONFIG;
        error_prefix(err,
                     "another replica, or another sluice, follows this server with the server id %" PRIu32
                     "; give this task a source.server_id of its own",
                     mysql_source_server_id(stream->source->config));
        return;
    }
    if (of_the_log && began_again(stream, err))
        return;
    if (!of_the_log || !mentions_one_of(err->message, gone)) {
        error_prefix(err, "reading the binlog");
        return;
    }
    const char *retention = mysql_conn_server(stream->log)->mariadb && mysql_conn_server(stream->log)->version < 100601
                                ? "expire_logs_days = 7"
                                : "binlog_expire_logs_seconds = 604800";
    struct buf more;
    buf_init(&more, BUF_MAX_DEFAULT);
    append_oldest_log(stream, &more);
    struct error why = *err;
    error_set_code(
        err, ERROR_OUTSIDE, why.code,
        "the server does not have the binlog from %s on any more%s: the changes in between are lost to sluice. "
        "Load the tables in full again (sluice capture --reload), and let the server keep its log for longer: SET "
        "GLOBAL %s. The server "
        "said: %.600s",
        stream_position_text(stream), more.len > 0 ? more.data : "", retention, why.message);
    buf_deinit(&more);
}
