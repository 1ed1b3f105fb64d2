/* PostgreSQL's log, as pgoutput tells it -> source events.
 *
 * The server sends a transaction once it has committed, whole, in the order of commits:
 *
 *   B   (R … before the first row of a table, and whenever its definition changed)   I U D T …   C
 *
 * Between transactions it tells how far it has read the log, so that the position moves on where nothing of ours is
 * written. Definitions come with the rows that have them: that is where SOURCE_TABLE comes from. */
#include "source/postgres_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cursor.h"

enum { IDLE_AFTER_MS = 1000 };

/* ---- events to hand out */

struct source_event *pgstream_push(struct postgres_stream *stream, enum source_event_kind kind) {
    stream->queue = mem_grow(stream->queue, stream->queue_end, &stream->queue_capacity, sizeof *stream->queue);
    struct source_event *event = &stream->queue[stream->queue_end++];
    *event = (struct source_event){.kind = kind, .time_us = stream->group.time_us};
    return event;
}

static bool pop(struct postgres_stream *stream, struct source_event *out) {
    if (stream->queue_begin == stream->queue_end)
        return false;
    *out = stream->queue[stream->queue_begin++];
    return true;
}

static const char *format_position(struct arena *arena, uint64_t lsn) {
    return postgres_position_format(&(struct postgres_position){.lsn = lsn}, arena);
}

void pgstream_move_position(struct postgres_stream *stream, uint64_t lsn) {
    if (lsn <= stream->position)
        return;
    stream->position = lsn;
    stream->position_reported = false;
}

void pgstream_begin_group(struct postgres_stream *stream) {
    if (stream->group.sent)
        return;
    stream->group.sent = true;
    pgstream_push(stream, SOURCE_BEGIN)->position = format_position(&stream->arena, stream->group.lsn);
}

void pgstream_fail_table(struct postgres_stream *stream, struct pgstream_relation *relation, const struct error *why) {
    char lsn[POSTGRES_LSN_BYTES];
    postgres_lsn_format(stream->group.lsn, lsn);
    relation->failed = true;
    struct error *error = arena_alloc(&stream->arena, sizeof *error);
    *error = *why;
    error_prefix(error, "log at %s", lsn);
    struct source_event *event = pgstream_push(stream, SOURCE_TABLE_ERROR);
    event->table = relation->source;
    event->error = error;
}

/* ---- messages */

static void begin(struct postgres_stream *stream, const struct pgoutput_message *message) {
    stream->group = (struct pgstream_group){
        .open = true, .xid = message->xid, .lsn = message->transaction.lsn, .time_us = message->transaction.time_us};
    stream->group_number++;
}

static bool commit(struct postgres_stream *stream, const struct pgoutput_message *message, struct error *err) {
    if (!stream->group.open)
        return error_set(err, ERROR_DATA, "a commit without a transaction");
    stream->group.time_us = message->transaction.time_us;
    pgstream_move_position(stream, message->transaction.end_lsn);
    if (stream->group.sent) {
        pgstream_push(stream, SOURCE_COMMIT)->position = format_position(&stream->arena, stream->position);
        stream->position_reported = true;
    }
    stream->group = (struct pgstream_group){0};
    return true;
}

static bool find_relation(const struct postgres_stream *stream, uint32_t oid, struct pgstream_relation **out,
                          struct error *err) {
    *out = stream->group.open ? pgstream_find_relation(stream, oid) : NULL;
    return *out != NULL || error_set(err, ERROR_DATA, "a change of relation %" PRIu32 ", which is %s", oid,
                                     stream->group.open ? "not described" : "in no transaction");
}

static bool truncate_tables(struct postgres_stream *stream, const struct pgoutput_message *message, struct error *err) {
    for (size_t i = 0; i < message->truncate.relation_count; i++) {
        struct pgstream_relation *relation;
        bool wanted;
        if (!find_relation(stream, message->truncate.relations[i], &relation, err) ||
            !pgstream_relation_wanted(stream, relation, &wanted, err))
            return false;
        relation->truncated = true;
        if (!wanted || relation->source == NULL || relation->source->current == NULL)
            continue;
        pgstream_begin_group(stream);
        pgstream_push(stream, SOURCE_TRUNCATE)->table = relation->source;
    }
    return true;
}

static bool handle(struct postgres_stream *stream, const struct pgoutput_message *message, struct error *err) {
    switch (message->kind) {
    case PGOUTPUT_BEGIN:
        begin(stream, message);
        return true;
    case PGOUTPUT_COMMIT:
        return commit(stream, message, err);
    case PGOUTPUT_RELATION:
        pgstream_take_relation(stream, &message->relation);
        return true;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        stream->pending = true;
        stream->announcements = 0;
        return true;
    case PGOUTPUT_TRUNCATE:
        return truncate_tables(stream, message, err);
    case PGOUTPUT_TYPE: /* what the catalog says of types is asked for */
    case PGOUTPUT_ORIGIN:
    case PGOUTPUT_MESSAGE:
        return true;
    default:
        return error_set(err, ERROR_DATA, "a message of type '%c', which was not asked for", message->kind);
    }
}

/* The row that was read; what has to be known first is queued, and the row comes again behind it. */
static bool deliver_row(struct postgres_stream *stream, struct source_event *event, bool *found, struct error *err) {
    struct pgstream_relation *relation;
    bool wanted;
    if (!find_relation(stream, stream->message.row.relation, &relation, err) ||
        !pgstream_relation_wanted(stream, relation, &wanted, err))
        return false;
    if (!wanted) {
        stream->pending = false;
        return true;
    }
    pgstream_begin_group(stream);
    if (relation->version == NULL || relation->source == NULL || relation->version != relation->source->current) {
        if (!pgstream_resolve(stream, relation, err))
            return false;
    }
    if (stream->queue_begin < stream->queue_end)
        return true;
    arena_reset(&stream->row_arena);
    if (!pgstream_read_row(stream, relation, event, found, err))
        return false;
    if (*found)
        stream->pending = false;
    return true;
}

/* ---- the connection's messages */

static bool keepalive(struct postgres_stream *stream, struct cursor *c, struct error *err) {
    uint64_t end = cursor_be(c, 8);
    cursor_be(c, 8);
    bool wants_reply = cursor_u8(c) == 1;
    if (c->failed)
        return error_set(err, ERROR_DATA, "a keepalive that is cut off");
    if (!stream->group.open)
        pgstream_move_position(stream, end);
    return !wants_reply || pgstream_log_reply(stream, err);
}

/* XLogData: 'w' u64 start u64 end i64 time, and the plugin's message. Keepalive: 'k' u64 end of what was sent, i64 time,
 * u8 1 = answer at once. (Documentation: "Streaming Replication Protocol") */
static bool read_packet(struct postgres_stream *stream, struct slice packet, struct error *err) {
    struct cursor c = cursor_of(packet.data, packet.len);
    uint8_t kind = cursor_u8(&c);
    if (kind == 'k')
        return keepalive(stream, &c, err);
    cursor_bytes(&c, 3 * sizeof(uint64_t));
    if (kind != 'w' || c.failed)
        return error_set(err, ERROR_DATA, "a packet of type 0x%02x and %zu bytes", kind, packet.len);
    stream->size_bytes += packet.len;
    return pgoutput_decode(&stream->decoder, c.pos, cursor_left(&c), &stream->message, err) &&
           handle(stream, &stream->message, err);
}

static bool fail_at_position(const struct postgres_stream *stream, struct error *err) {
    char lsn[POSTGRES_LSN_BYTES];
    postgres_lsn_format(stream->group.open ? stream->group.lsn : stream->position, lsn);
    return error_prefix(err, "log at %s", lsn);
}

/* ---- the loop */

static void make_idle(struct postgres_stream *stream, struct source_event *event) {
    *event = (struct source_event){.kind = SOURCE_IDLE};
    if (stream->group.open || stream->position_reported)
        return;
    event->position = format_position(&stream->arena, stream->position);
    stream->position_reported = true;
}

/* One step: *found when *event is the next event. */
static bool step(struct postgres_stream *stream, int64_t *since_ms, struct source_event *event, bool *found,
                 struct error *err) {
    if (stream->pending)
        return deliver_row(stream, event, found, err) || fail_at_position(stream, err);
    int64_t now_ms = clock_monotonic_ms();
    if (*since_ms == 0)
        *since_ms = now_ms;
    int64_t left_ms = *since_ms + IDLE_AFTER_MS - now_ms;
    if (left_ms <= 0) {
        make_idle(stream, event);
        *found = true;
        return true;
    }
    struct slice packet;
    if (!pgstream_log_next(stream, 0, &packet, err))
        return false;
    if (packet.data == NULL && !stream->group.open && !stream->position_reported) {
        /* Nothing more is here: where the server is, is worth a word at once; and it need not tell that again. */
        make_idle(stream, event);
        *found = true;
        return pgstream_log_reply(stream, err);
    }
    if (packet.data == NULL && !pgstream_log_next(stream, (int)left_ms, &packet, err))
        return false;
    return packet.data == NULL || read_packet(stream, packet, err) || fail_at_position(stream, err);
}

bool postgres_stream_next(struct source_stream *base, struct source_event *event, struct error *err) {
    struct postgres_stream *stream = (struct postgres_stream *)base;
    int64_t since_ms = 0;
    if (stream->queue_begin == stream->queue_end) {
        stream->queue_begin = stream->queue_end = 0;
        arena_reset(&stream->arena);
    }
    bool found = pop(stream, event);
    while (!found) {
        if (!step(stream, &since_ms, event, &found, err))
            return false;
        if (!found)
            found = pop(stream, event);
    }
    event->size_bytes = stream->size_bytes;
    stream->size_bytes = 0;
    return true;
}

/* ---- life */

bool postgres_stream_open(struct source *base, const char *position, struct source_tables *tables,
                          struct source_stream **out, struct error *err) {
    struct postgres_stream *stream = mem_zalloc(sizeof *stream);
    struct postgres_position start = {0};
    stream->base.source = base;
    stream->source = (struct postgres_source *)base;
    stream->tables = tables;
    arena_init(&stream->arena);
    arena_init(&stream->row_arena);
    pgoutput_init(&stream->decoder);
    bool ok = position == NULL || postgres_position_parse(&start, position, &stream->arena, err);
    ok = pgstream_log_open(stream, start.lsn, err) && ok;
    if (!ok) {
        postgres_stream_close(&stream->base);
        return false;
    }
    *out = &stream->base;
    return true;
}

void postgres_stream_confirm(struct source_stream *base, const char *position) {
    struct arena arena;
    struct postgres_position confirmed;
    arena_init(&arena);
    if (postgres_position_parse(&confirmed, position, &arena, NULL))
        pgstream_log_confirm((struct postgres_stream *)base, confirmed.lsn);
    arena_deinit(&arena);
}

void postgres_stream_close(struct source_stream *base) {
    struct postgres_stream *stream = (struct postgres_stream *)base;
    pgstream_log_close(stream);
    pgstream_relations_deinit(stream);
    pgoutput_deinit(&stream->decoder);
    mem_free(stream->queue);
    arena_deinit(&stream->row_arena);
    arena_deinit(&stream->arena);
    mem_free(stream);
}
