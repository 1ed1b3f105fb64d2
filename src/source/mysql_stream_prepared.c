/* Prepared transactions (XA) whose first phase is before the place where a stream began.
 *
 * Their rows are in no snapshot, because they are not committed, and not in the stream, because they come before it. When
 * one is committed, the log is searched backwards for it, file by file; another stream then reads that one transaction, and
 * its events are handed out as if it came now: BEGIN, rows, PREPARE, with the position before the commit. A table cannot have
 * changed since: a prepared transaction keeps its metadata locks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "source/mysql_stream.h"

/* ---- names */

static size_t find_name(const struct mysql_stream *stream, const char *name) {
    size_t i = 0;
    while (i < stream->prepared_count && strcmp(stream->prepared[i], name) != 0)
        i++;
    return i;
}

void stream_note_prepared(struct mysql_stream *stream, const char *name) {
    if (find_name(stream, name) < stream->prepared_count)
        return;
    stream->prepared = mem_grow(stream->prepared, stream->prepared_count, &stream->prepared_capacity, sizeof(char *));
    stream->prepared[stream->prepared_count++] = mem_strdup(name);
}

static void forget_name(struct mysql_stream *stream, const char *name) {
    size_t i = find_name(stream, name);
    if (i == stream->prepared_count)
        return;
    mem_free(stream->prepared[i]);
    stream->prepared[i] = stream->prepared[--stream->prepared_count];
}

void stream_prepared_deinit(struct mysql_stream *stream) {
    if (stream->late != NULL)
        mysql_stream_close(&stream->late->base);
    for (size_t i = 0; i < stream->prepared_count; i++)
        mem_free(stream->prepared[i]);
    mem_free(stream->prepared);
}

/* ---- the search. A name may be used again once it is decided: the last PREPARE before the decision counts. */

struct search {
    struct mysql_stream *reader;
    struct mysql_decoder decoder;
    struct mysql_payload payload;
    const char *name;
    const char *end_file; /* where the decision is */
    uint64_t end_pos;
    char file[512];     /* being read */
    uint64_t pos;       /* behind the last event */
    uint64_t group_pos; /* where the group begins */
    bool group_is_it;   /* the group has the name */
    bool found;
    uint64_t found_pos;
    bool done;
};

static void look_at_query(struct search *search, const struct mysql_event *event) {
    struct arena arena;
    struct mysql_statement statement;
    if (event->query.text.len < 3 || strncasecmp(event->query.text.data, "XA ", 3) != 0)
        return;
    arena_init(&arena);
    mysql_statement_parse(&arena, event->query.text, event->query.schema, event->query.sql_mode, &statement);
    bool is_it = statement.name != NULL && strcmp(statement.name, search->name) == 0;
    if (statement.kind == MYSQL_STATEMENT_XA_START)
        search->group_is_it = is_it;
    else if (is_it && (statement.kind == MYSQL_STATEMENT_XA_COMMIT || statement.kind == MYSQL_STATEMENT_XA_ROLLBACK))
        search->found = false;
    arena_deinit(&arena);
}

static void look_at(struct search *search, const struct mysql_event *event) {
    switch (event->kind) {
    case MYSQL_EVENT_GTID:
        search->group_pos = search->pos - event->size_bytes;
        search->group_is_it = false;
        break;
    case MYSQL_EVENT_MARIADB_GTID:
        search->group_pos = search->pos - event->size_bytes;
        search->group_is_it = event->mariadb_gtid.xa_prepared && strcmp(event->mariadb_gtid.xid, search->name) == 0;
        break;
    case MYSQL_EVENT_QUERY:
        look_at_query(search, event);
        break;
    case MYSQL_EVENT_XA_PREPARE:
        if (search->group_is_it && !event->xa_prepare.one_phase) {
            search->found = true;
            search->found_pos = search->group_pos;
        }
        break;
    default:
        break;
    }
}

static bool look_into_payload(struct search *search, const struct mysql_event *payload, struct error *err) {
    struct mysql_event event;
    bool ok = mysql_payload_begin(&search->payload, payload, err), more = ok;
    while (more) {
        ok = mysql_payload_next(&search->payload, &event, &more, err);
        if (ok && more)
            look_at(search, &event);
        more = ok && more;
    }
    return ok;
}

/* One packet; done at the end of the file, or at the decision. */
static bool search_event(struct search *search, struct error *err) {
    struct mysql_packet packet;
    struct mysql_event event;
    if (!stream_next_packet(search->reader, &packet, err) ||
        !mysql_event_parse(&search->decoder, packet.data, packet.len, &packet.checksum, &event, err))
        return false;
    if (event.kind == MYSQL_EVENT_ROTATE) {
        search->done = !slice_equal_text(event.rotate.file, search->file); /* the first one names this file */
        return true;
    }
    if (event.next_position != 0 && (event.flags & MYSQL_EVENT_FLAG_ARTIFICIAL) == 0) {
        uint64_t end = (search->pos & ~(uint64_t)UINT32_MAX) | event.next_position;
        search->pos = end < search->pos ? end + UINT32_MAX + 1 : end;
    }
    search->done = strcmp(search->file, search->end_file) == 0 && search->pos >= search->end_pos;
    if (event.kind == MYSQL_EVENT_PAYLOAD)
        return look_into_payload(search, &event, err);
    look_at(search, &event);
    return true;
}

/* Reads one file, as mysqlbinlog would. */
static bool search_file(struct mysql_stream *stream, struct search *search, const char *file, struct error *err) {
    struct mysql_stream *reader;
    if (!stream_open_late(stream, file, MYSQL_LOG_BEGIN, &reader, err))
        return false;
    snprintf(search->file, sizeof search->file, "%s", file);
    search->reader = reader;
    search->pos = MYSQL_LOG_BEGIN;
    search->done = search->found = search->group_is_it = false;
    mysql_decoder_init(&search->decoder, reader->decoder.checksum);
    mysql_payload_init(&search->payload, &search->decoder);
    bool ok = true;
    while (ok && !search->done)
        ok = search_event(search, err);
    mysql_payload_deinit(&search->payload);
    mysql_decoder_deinit(&search->decoder);
    mysql_stream_close(&reader->base);
    return ok || error_prefix(err, "looking in %s for the XA transaction %s", file, search->name);
}

/* From the file of the decision backwards. *found false when no file has it any more. */
static bool search_log(struct mysql_stream *stream, struct search *search, bool *found, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct mysql_result logs;
    struct mysql_conn *ask = stream_ask(stream, err);
    bool ok = ask != NULL && mysql_conn_query(ask, &arena, &logs, err, "SHOW BINARY LOGS");
    bool before = false;
    *found = false;
    for (size_t i = ok ? logs.row_count : 0; ok && i > 0 && !*found; i--) {
        const char *file = mysql_result_cell(&logs, i - 1, 0);
        before = before || strcmp(file, search->end_file) == 0;
        if (!before)
            continue;
        ok = search_file(stream, search, file, err);
        *found = ok && search->found;
    }
    arena_deinit(&arena);
    return ok;
}

/* ---- handing out */

static void push_decision(struct mysql_stream *stream, enum source_event_kind kind, const char *name) {
    stream_end_group(stream);
    struct source_event *event = stream_push(stream, kind);
    event->name = arena_strdup(&stream->arena, name);
    event->position = stream_position_text(stream);
    forget_name(stream, name);
}

bool stream_decide_prepared(struct mysql_stream *stream, enum source_event_kind kind, const char *name,
                            struct error *err) {
    bool known = find_name(stream, name) < stream->prepared_count;
    struct search search = {.name = name, .end_file = stream->position.file, .end_pos = stream->position.pos};
    bool found = false;
    if (!known && kind == SOURCE_COMMIT_PREPARED && !stream->is_late && !search_log(stream, &search, &found, err))
        return false;
    if (!found) {
        push_decision(stream, kind, name);
        return true;
    }
    log_info("the XA transaction %s was prepared at %s:%" PRIu64 ", before the start: its rows are read there", name,
             search.file, search.found_pos);
    snprintf(stream->late_name, sizeof stream->late_name, "%s", name);
    return stream_open_late(stream, search.file, search.found_pos, &stream->late, err);
}

bool stream_next_late(struct mysql_stream *stream, struct source_event *event, struct error *err) {
    if (!mysql_stream_next(&stream->late->base, event, err))
        return error_prefix(err, "reading the XA transaction %s again", stream->late_name);
    event->time_us = stream->group.time_us;
    if (event->position != NULL)
        event->position = stream_position_text(stream);
    if (event->kind != SOURCE_PREPARE)
        return true;
    event->name = arena_strdup(&stream->arena, stream->late_name);
    event->position = arena_strdup(&stream->arena, event->position);
    push_decision(stream, SOURCE_COMMIT_PREPARED, stream->late_name);
    mysql_stream_close(&stream->late->base);
    stream->late = NULL;
    return true;
}
