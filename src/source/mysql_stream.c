/* The binlog as a replica reads it -> source events.
 *
 * A group is what becomes one transaction: it begins with a GTID event (or with BEGIN in logs without them) and ends with
 * XID, COMMIT, ROLLBACK, XA PREPARE, or with the one statement that it is:
 *
 *   GTID  BEGIN  TABLE_MAP ROWS … TABLE_MAP ROWS …  XID          a transaction of InnoDB (MariaDB's GTID implies BEGIN)
 *   GTID  BEGIN  TABLE_MAP ROWS …  COMMIT                        of other engines
 *   GTID  ALTER TABLE …                                          a definition statement
 *   GTID  XA START  TABLE_MAP ROWS …  XA END  XA_PREPARE         first phase; later GTID  XA COMMIT, or XA ROLLBACK
 *   GTID  PAYLOAD( BEGIN … XID )                                 compressed
 *
 * Positions are reported between groups only, and always name the place behind the last finished one. */
#include "source/mysql_stream.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { IDLE_AFTER_MS = 1000, SETTLE_AFTER_MS = 500 };

/* ---- events to hand out */

struct source_event *stream_push(struct mysql_stream *stream, enum source_event_kind kind) {
    stream->queue = mem_grow(stream->queue, stream->queue_end, &stream->queue_capacity, sizeof *stream->queue);
    struct source_event *event = &stream->queue[stream->queue_end++];
    *event = (struct source_event){.kind = kind, .time_us = stream->group.time_us};
    return event;
}

static bool pop(struct mysql_stream *stream, struct source_event *out) {
    if (stream->queue_begin == stream->queue_end)
        return false;
    *out = stream->queue[stream->queue_begin++];
    return true;
}

const char *stream_position_text(struct mysql_stream *stream) {
    if (stream->position_changed) {
        buf_clear(&stream->position_text);
        mysql_position_format(&stream->position, &stream->position_text);
        stream->position_changed = false;
    }
    stream->position_reported = true;
    return stream->position_text.data;
}

static void position_change(struct mysql_stream *stream) {
    stream->position_changed = true;
    stream->position_reported = false;
}

void stream_fail_table(struct mysql_stream *stream, struct stream_table *table, const struct error *why) {
    table->failed = true;
    struct error *error = arena_alloc(&stream->arena, sizeof *error);
    *error = *why;
    error_prefix(error, "binlog %s:%" PRIu64, stream->log_file, stream->event_pos);
    struct source_event *event = stream_push(stream, SOURCE_TABLE_ERROR);
    event->table = table->source;
    event->error = error;
}

/* ---- groups */

static void set_log_position(struct mysql_stream *stream, uint64_t pos) {
    if (stream->position.pos == pos && strcmp(stream->position.file, stream->log_file) == 0 && stream->settled &&
        stream->position.created == stream->log_created)
        return;
    if (!mysql_position_is_of(&stream->position, mysql_conn_server(stream->log)) || !stream->position.has_server)
        mysql_position_set_server(&stream->position, mysql_conn_server(stream->log));
    mysql_position_set_file(&stream->position, slice_of(stream->log_file), pos);
    stream->position.created = stream->log_created;
    stream->settled = true;
    position_change(stream);
}

/* An event outside of groups moves the position, unless it comes before the place that a start by GTID found. */
static void pass_event(struct mysql_stream *stream) {
    if (!stream->group.open && stream->settled)
        set_log_position(stream, stream->log_pos);
}

void stream_open_group(struct mysql_stream *stream, int64_t time_us) {
    set_log_position(stream, stream->event_pos);
    stream->group = (struct stream_group){.open = true, .time_us = time_us};
    stream->group_number++;
}

void stream_begin_group(struct mysql_stream *stream) {
    if (stream->group.sent)
        return;
    stream->group.sent = true;
    struct source_event *event = stream_push(stream, SOURCE_BEGIN);
    event->position = arena_strdup(&stream->arena, stream_position_text(stream));
    event->name = stream->group.named ? arena_strdup(&stream->arena, stream->group.name) : NULL;
}

void stream_end_group(struct mysql_stream *stream) {
    struct stream_group *group = &stream->group;
    set_log_position(stream, stream->log_pos);
    if (group->has_gtid && stream->position.has_gtid) {
        if (stream->position.mariadb)
            mariadb_position_set(&stream->position.domains, group->mariadb_gtid);
        else
            mysql_gtid_set_add(&stream->position.set, &group->gtid);
        position_change(stream);
    }
    group->open = false;
}

void stream_abandon_group(struct mysql_stream *stream) {
    if (stream->group.sent)
        stream_push(stream, SOURCE_ROLLBACK)->position = arena_strdup(&stream->arena, stream_position_text(stream));
    stream->group.open = false;
}

static void commit_group(struct mysql_stream *stream) {
    bool sent = stream->group.sent;
    stream_end_group(stream);
    if (sent)
        stream_push(stream, SOURCE_COMMIT)->position = stream_position_text(stream);
}

/* One-phase: the rows were sent as those of a prepared transaction, and this is its commit as well. Its PREPARE has the
 * position before it: a restart in between has to read it again. */
static void prepare_group(struct mysql_stream *stream, const struct mysql_event_xa_prepare *prepare) {
    const char *name = arena_strdup(&stream->arena, stream->group.named ? stream->group.name : prepare->xid);
    if (!stream->group.named) { /* no XA START was seen: nothing that could wait under a name */
        commit_group(stream);
        return;
    }
    stream_begin_group(stream);
    const char *before = arena_strdup(&stream->arena, stream_position_text(stream));
    stream_end_group(stream);
    const char *behind = stream_position_text(stream);
    struct source_event *event = stream_push(stream, SOURCE_PREPARE);
    event->name = name;
    event->position = prepare->one_phase ? before : behind;
    if (!prepare->one_phase)
        stream_note_prepared(stream, name);
    if (prepare->one_phase) {
        event = stream_push(stream, SOURCE_COMMIT_PREPARED);
        event->name = name;
        event->position = behind;
    }
}

static int64_t header_time_us(const struct mysql_event *event) { return (int64_t)event->time_s * 1000000; }

static void handle_mysql_gtid(struct mysql_stream *stream, const struct mysql_event *event) {
    const struct mysql_event_gtid *gtid = &event->gtid;
    stream_open_group(stream, gtid->original_commit_us > 0 ? (int64_t)gtid->original_commit_us : header_time_us(event));
    stream->group.has_gtid = !gtid->anonymous;
    stream->group.gtid = gtid->gtid;
}

static void handle_mariadb_gtid(struct mysql_stream *stream, const struct mysql_event *event) {
    const struct mysql_event_mariadb_gtid *gtid = &event->mariadb_gtid;
    stream_open_group(stream, header_time_us(event));
    struct stream_group *group = &stream->group;
    group->has_gtid = true;
    group->mariadb_gtid = gtid->gtid;
    group->has_begin = !gtid->standalone;
    group->alter = gtid->alter;
    if (gtid->xa_prepared) {
        group->named = true;
        memcpy(group->name, gtid->xid, sizeof group->name);
    }
    if (gtid->xa_completed)
        group->has_begin = false;
}

/* ---- events */

static void set_log_file(struct mysql_stream *stream, struct slice file) {
    if (slice_equal_text(file, stream->log_file))
        return;
    mem_free(stream->log_file);
    stream->log_file = mem_strndup(file.data, file.len);
    stream->log_created = 0;
}

/* The position stays in the file before until it is known when the next one was made. */
static void handle_rotate(struct mysql_stream *stream, const struct mysql_event *event) {
    set_log_file(stream, event->rotate.file);
    stream->log_pos = stream->event_pos = event->rotate.position;
    stream->complete_from_file_start = event->rotate.position <= MYSQL_LOG_BEGIN;
}

static void handle_format(struct mysql_stream *stream, const struct mysql_event *event) {
    stream->log_created = event->time_s;
    if (stream->group.open && event->next_position != 0) { /* the server died in it: never committed */
        log_warning("the server's log %s begins before the end of a transaction, which never took effect",
                    stream->log_file);
        stream_abandon_group(stream);
    }
    pass_event(stream);
}

static void handle_heartbeat(struct mysql_stream *stream, const struct mysql_event *event) {
    if (stream->group.open)
        return;
    struct slice file = event->heartbeat.file;
    if (file.len > 0 && !slice_equal_text(file, stream->log_file)) {
        set_log_file(stream, file);
        stream->log_pos = 0;
    }
    if (event->heartbeat.position > stream->log_pos)
        stream->log_pos = event->heartbeat.position;
    set_log_position(stream, stream->log_pos);
}

/* The GTIDs before a file are those before the position when that is the file's beginning. */
static bool handle_file_gtids(struct mysql_stream *stream, const struct mysql_event *event, struct error *err) {
    bool ok = true;
    if (!stream->position.has_gtid && stream->settled && stream->complete_from_file_start &&
        mysql_conn_server(stream->log)->gtid_mode && event->next_position != 0) {
        ok = event->kind == MYSQL_EVENT_PREVIOUS_GTIDS
                 ? mysql_gtid_set_decode(&stream->position.set, event->previous_gtids.data, event->previous_gtids.len,
                                         err)
                 : mysql_event_gtid_list(event, &stream->position.domains, err);
        stream->position.has_gtid = ok;
        position_change(stream);
    }
    pass_event(stream);
    return ok;
}

static bool handle_rows(struct mysql_stream *stream, const struct mysql_event *event, struct error *err) {
    struct mysql_table_map *map = event->rows.table_map;
    if (map == NULL)
        return true;
    struct stream_table *table = stream_map_of(stream, map)->table;
    bool wanted;
    if (!stream_table_wants(stream, table, &wanted, err))
        return false;
    if (!wanted)
        return true;
    if (!stream->group.open)
        stream_open_group(stream, header_time_us(event));
    stream_begin_group(stream);
    stream->rows.state = ROWS_WAITING;
    stream->rows.event = *event;
    return true;
}

static bool handle(struct mysql_stream *stream, const struct mysql_event *event, struct error *err) {
    switch (event->kind) {
    case MYSQL_EVENT_FORMAT:
        handle_format(stream, event);
        return true;
    case MYSQL_EVENT_ROTATE:
        handle_rotate(stream, event);
        return true;
    case MYSQL_EVENT_HEARTBEAT:
        handle_heartbeat(stream, event);
        return true;
    case MYSQL_EVENT_INCIDENT:
        return error_set(err, ERROR_OUTSIDE,
                         "the server says that changes are missing in its log (%.*s): load the tables in full again "
                         "(sluice capture --reload)",
                         (int)event->incident.len, event->incident.data);
    case MYSQL_EVENT_PREVIOUS_GTIDS:
    case MYSQL_EVENT_GTID_LIST:
        return handle_file_gtids(stream, event, err);
    case MYSQL_EVENT_GTID:
    case MYSQL_EVENT_MARIADB_GTID:
        if (stream->group.open)
            stream_abandon_group(stream);
        if (event->kind == MYSQL_EVENT_GTID)
            handle_mysql_gtid(stream, event);
        else
            handle_mariadb_gtid(stream, event);
        return true;
    case MYSQL_EVENT_QUERY:
        return stream_handle_query(stream, event, err);
    case MYSQL_EVENT_XID:
        commit_group(stream);
        return true;
    case MYSQL_EVENT_XA_PREPARE:
        prepare_group(stream, &event->xa_prepare);
        return true;
    case MYSQL_EVENT_ROWS:
        return handle_rows(stream, event, err);
    case MYSQL_EVENT_PAYLOAD:
        stream->in_payload = true;
        return mysql_payload_begin(&stream->payload, event, err);
    case MYSQL_EVENT_TABLE_MAP:
    case MYSQL_EVENT_STOP:
    case MYSQL_EVENT_IGNORED:
        pass_event(stream);
        return true;
    }
    return true;
}

/* Events carry the lower 32 bits of their end. */
static void move_log_position(struct mysql_stream *stream, const struct mysql_event *event) {
    stream->event_pos = stream->log_pos;
    if (event->next_position == 0 || (event->flags & MYSQL_EVENT_FLAG_ARTIFICIAL) != 0 ||
        event->kind == MYSQL_EVENT_HEARTBEAT)
        return;
    uint64_t end = (stream->log_pos & ~(uint64_t)UINT32_MAX) | event->next_position;
    if (end < stream->log_pos)
        end += (uint64_t)UINT32_MAX + 1;
    stream->log_pos = end;
    stream->event_pos = end >= event->size_bytes ? end - event->size_bytes : 0;
}

/* ---- rows */

static bool all_present(const uint8_t *bitmap, size_t count) {
    for (size_t i = 0; bitmap != NULL && i < count; i++)
        if ((bitmap[i / 8] & (1U << (i % 8))) == 0)
            return false;
    return true;
}

static void begin_rows(struct mysql_stream *stream) {
    const struct mysql_event_rows *rows = &stream->rows.event.rows;
    struct stream_map *map = rows->table_map->user;
    struct error why;
    stream->rows.map = map;
    stream->rows.partial =
        !all_present(rows->present_before, rows->column_count) || !all_present(rows->present_after, rows->column_count);
    if (mysql_rows_begin(&stream->rows.rows, &stream->rows.event, map->plan, &why)) {
        stream->rows.state = ROWS_READING;
        return;
    }
    stream->rows.state = ROWS_NONE;
    stream_fail_table(stream, map->table, &why);
}

/* Asks again whether the rows are wanted: on the first event about a table, capture may have loaded it in full. */
static bool settle_rows(struct mysql_stream *stream, struct error *err) {
    struct mysql_table_map *from = stream->rows.event.rows.table_map;
    struct stream_map *map = from->user;
    bool wanted;
    if (!stream_table_wants(stream, map->table, &wanted, err))
        return false;
    if (!wanted) {
        stream->rows.state = ROWS_NONE;
        return true;
    }
    if (map->plan == NULL || map->version != map->table->source->current) {
        if (!stream_resolve(stream, from, err))
            return false;
        if (map->table->failed)
            stream->rows.state = ROWS_NONE;
        if (map->table->failed || stream->queue_begin < stream->queue_end)
            return true;
    }
    begin_rows(stream);
    return true;
}

/* A partial image: an update leaves out what it did not change, and an insert what has its default. */
static bool complete_values(struct mysql_stream *stream, struct source_event *event, struct error *err) {
    size_t count = stream->rows.map->version->column_count;
    if (stream->rows.value_capacity < count) {
        stream->rows.values = mem_realloc(stream->rows.values, count * sizeof *stream->rows.values);
        stream->rows.value_capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        stream->rows.values[i] = event->values[i];
        if (event->values[i].kind != VALUE_UNCHANGED)
            continue;
        if (event->op == CHANGE_UPDATE)
            stream->rows.values[i] = event->old[i];
        if (event->op != CHANGE_DELETE && stream->rows.values[i].kind == VALUE_UNCHANGED &&
            !stream_default(stream, stream->rows.map, i, event->op == CHANGE_INSERT ? &stream->rows.values[i] : NULL,
                            err))
            return false;
    }
    event->values = stream->rows.values;
    return true;
}

/* MariaDB's versioned tables keep the rows that were: each change also writes the row as it was, with the end of its life. The
 * lake has the rows that live. */
static bool is_past(const struct stream_map *map, const struct value *values) {
    static const char *const ends[] = {"2038-01-19 03:14:07.999999", "2106-02-07 06:28:15.999999",
                                       "18446744073709551615"}; /* of the rows that live */
    const struct value *end = &values[map->row_end];
    if (end->kind == VALUE_UNCHANGED || end->kind == VALUE_NULL)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (slice_equal_text((struct slice){end->data, end->len}, ends[i]))
            return false;
    return true;
}

/* An update that ends a row's life is its deletion; what happens to rows of the past is nothing. False to leave it out. */
static bool see_present(const struct stream_map *map, const struct mysql_rows *rows, struct source_event *event) {
    if (!map->has_row_end)
        return true;
    if (rows->before != NULL && is_past(map, rows->before))
        return false;
    if (rows->after == NULL || !is_past(map, rows->after))
        return true;
    if (rows->before == NULL)
        return false;
    event->op = CHANGE_DELETE;
    event->values = rows->before;
    event->old = NULL;
    return true;
}

/* The next row into *event; *found false at the end of the rows event, or when the table failed. */
static bool read_row(struct mysql_stream *stream, struct source_event *event, bool *found, struct error *err) {
    struct mysql_rows *rows = &stream->rows.rows;
    struct stream_table *table = stream->rows.map->table;
    struct error why;
    why.kind = ERROR_NONE; /* the rest only with a failure: this runs for each row */
    bool more = false;
    bool ok = table->source->stopped || mysql_rows_next(rows, &more, &why);
    if (ok && more) {
        *event = (struct source_event){.kind = SOURCE_ROW,
                                       .table = table->source,
                                       .time_us = stream->group.time_us,
                                       .op = rows->op,
                                       .values = rows->op == CHANGE_DELETE ? rows->before : rows->after,
                                       .old = rows->op == CHANGE_UPDATE ? rows->before : NULL};
        if (!see_present(stream->rows.map, rows, event))
            return true; /* the next step reads on */
        ok = !stream->rows.partial || complete_values(stream, event, &why);
    }
    *found = ok && more;
    if (!*found)
        stream->rows.state = ROWS_NONE;
    if (!ok && why.kind != ERROR_DATA) {
        *err = why;
        return false;
    }
    if (!ok)
        stream_fail_table(stream, table, &why);
    return true;
}

/* ---- the loop */

static bool fail_at_event(struct mysql_stream *stream, struct error *err) {
    return error_prefix(err, "binlog %s:%" PRIu64, stream->log_file, stream->event_pos);
}

static bool read_payload_event(struct mysql_stream *stream, struct error *err) {
    struct mysql_event event;
    return (mysql_payload_next(&stream->payload, &event, &stream->in_payload, err) &&
            (!stream->in_payload || handle(stream, &event, err))) ||
           fail_at_event(stream, err);
}

bool stream_next_packet(struct mysql_stream *stream, struct mysql_packet *out, struct error *err) {
    return (stream->packets != NULL || mysql_packets_start(stream->log, &stream->packets, err)) &&
           mysql_packets_next(stream->packets, out, err);
}

bool stream_read_packet(struct mysql_stream *stream, struct mysql_event *event, struct error *err) {
    struct mysql_packet packet;
    if (!stream_next_packet(stream, &packet, err)) {
        stream_explain_dump_error(stream, err);
        return false;
    }
    stream->size_bytes += packet.len;
    if (!mysql_event_parse(&stream->decoder, packet.data, packet.len, &packet.checksum, event, err)) {
        stream->event_pos = stream->log_pos;
        return fail_at_event(stream, err);
    }
    move_log_position(stream, event);
    return handle(stream, event, err) || fail_at_event(stream, err);
}

static void flush_counters(struct mysql_stream *stream) {
    uint64_t more = stream->counters.zero_dates - stream->counted.zero_dates;
    if (more == 0)
        return;
    atomic_fetch_add(&stream->source->zero_dates, more);
    stream->counted = stream->counters;
}

/* Not at once: mostly the next row shows the definition. now_ms 0: nothing comes, so it is due. */
static bool settle_when_due(struct mysql_stream *stream, int64_t now_ms, struct error *err) {
    bool between = !stream->group.open && !stream->in_payload && stream->rows.state == ROWS_NONE &&
                   (stream->settled || stream->is_at_end);
    if (!between || json_object_size(stream->position.pending) == 0 || !stream_is_unsettled(stream))
        return true;
    if (now_ms != 0 && stream->settle_ms == 0)
        stream->settle_ms = now_ms + SETTLE_AFTER_MS;
    if (now_ms != 0 && now_ms < stream->settle_ms)
        return true;
    stream->settle_ms = 0;
    return stream_settle(stream, err);
}

/* Behind the definitions that the log told and no row has shown: where nothing comes, the server shows what they are. */
static bool make_idle(struct mysql_stream *stream, struct source_event *event, bool *found, struct error *err) {
    if (!settle_when_due(stream, 0, err))
        return false;
    *event = (struct source_event){.kind = SOURCE_IDLE};
    if (!stream->group.open && stream->settled && !stream->position_reported)
        event->position = stream_position_text(stream);
    *found = stream->queue_begin == stream->queue_end;
    if (!*found)
        *stream_push(stream, SOURCE_IDLE) = *event;
    return true;
}

/* One step: *found when *event is the next event. */
static bool step(struct mysql_stream *stream, int64_t *since_ms, struct source_event *event, bool *found,
                 struct error *err) {
    if (stream->rows.state == ROWS_READING)
        return read_row(stream, event, found, err);
    if (stream->rows.state == ROWS_WAITING)
        return settle_rows(stream, err);
    if (stream->is_at_end) { /* the word is back at once: the server would only give it with its first heartbeat */
        bool ok = make_idle(stream, event, found, err);
        stream->is_at_end = false;
        return ok;
    }
    int64_t now_ms = clock_monotonic_ms();
    if (*since_ms == 0)
        *since_ms = now_ms;
    if (now_ms - *since_ms >= IDLE_AFTER_MS)
        return make_idle(stream, event, found, err);
    if (stream->in_payload)
        return read_payload_event(stream, err);
    if (!settle_when_due(stream, now_ms, err))
        return false;
    if (stream->queue_begin < stream->queue_end)
        return true;
    struct mysql_event read;
    if (!stream_read_packet(stream, &read, err))
        return false;
    return read.kind != MYSQL_EVENT_HEARTBEAT || make_idle(stream, event, found, err);
}

bool mysql_stream_next(struct source_stream *base, struct source_event *event, struct error *err) {
    struct mysql_stream *stream = (struct mysql_stream *)base;
    int64_t since_ms = 0;
    if (stream->queue_begin == stream->queue_end) {
        stream->queue_begin = stream->queue_end = 0;
        arena_reset(&stream->arena);
    }
    for (bool found = pop(stream, event); !found;) {
        if (stream->late != NULL) {
            if (!stream_next_late(stream, event, err))
                return false;
            break;
        }
        if (!step(stream, &since_ms, event, &found, err))
            return false;
        /* What a step queued came before what it found: a failed table before idleness. */
        if (!found)
            found = pop(stream, event);
    }
    event->size_bytes = stream->size_bytes;
    event->unsettled = json_object_size(stream->position.pending) > 0 && stream_is_unsettled(stream);
    stream->size_bytes = 0;
    flush_counters(stream);
    return true;
}
