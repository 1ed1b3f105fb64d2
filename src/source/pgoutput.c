/* See pgoutput.h for the layout. */
#include "source/pgoutput.h"

#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"

enum {
    EPOCH_S = 946684800, /* 2000-01-01, from which PostgreSQL counts, in Unix time */
    COLUMN_BYTES_MIN = 1 + 1 + 4 + 4,
};
static const int64_t SECOND_US = 1000000;

void pgoutput_init(struct pgoutput *decoder) { *decoder = (struct pgoutput){0}; }

void pgoutput_deinit(struct pgoutput *decoder) {
    mem_free(decoder->old_values);
    mem_free(decoder->new_values);
    mem_free(decoder->columns);
    mem_free(decoder->relations);
}

/* ---- elements */

static uint32_t read_u32(struct cursor *c) { return (uint32_t)cursor_be(c, 4); }

/* A text with its 0 byte; "" when there is none. */
static const char *read_text(struct cursor *c) {
    const uint8_t *end = c->failed ? NULL : memchr(c->pos, 0, cursor_left(c));
    if (end == NULL) {
        c->failed = true;
        return "";
    }
    return (const char *)cursor_bytes(c, (size_t)(end - c->pos) + 1);
}

/* As Unix time. No server counts beyond the year 294276; what a damaged message says stays harmless. */
static int64_t read_time(struct cursor *c) {
    int64_t since_2000 = (int64_t)cursor_be(c, 8), time_us;
    if (__builtin_add_overflow(since_2000, EPOCH_S * SECOND_US, &time_us))
        c->failed = true;
    return c->failed ? 0 : time_us;
}

/* Room for `count` elements that take at least `bytes` each in the message. */
static void *reserve(struct cursor *c, void *array, size_t *capacity, size_t count, size_t bytes, size_t element) {
    if (count > cursor_left(c) / bytes) {
        c->failed = true;
        return array;
    }
    if (count <= *capacity)
        return array;
    *capacity = count;
    return mem_realloc(array, count * element);
}

static struct pgoutput_tuple read_tuple(struct cursor *c, struct pgoutput_value **values, size_t *capacity) {
    size_t count = (size_t)cursor_be(c, 2);
    *values = reserve(c, *values, capacity, count, 1, sizeof **values);
    for (size_t i = 0; i < count && !c->failed; i++) {
        struct pgoutput_value *value = &(*values)[i];
        *value = (struct pgoutput_value){.kind = cursor_u8(c)};
        if (value->kind == PGOUTPUT_TEXT || value->kind == PGOUTPUT_BINARY) {
            value->len = read_u32(c);
            value->data = (const char *)cursor_bytes(c, value->len);
        } else if (value->kind != PGOUTPUT_NULL && value->kind != PGOUTPUT_UNCHANGED) {
            c->failed = true;
        }
    }
    return (struct pgoutput_tuple){.values = *values, .count = c->failed ? 0 : count};
}

/* ---- messages */

static void read_relation(struct pgoutput *decoder, struct cursor *c, struct pgoutput_relation *relation) {
    relation->oid = read_u32(c);
    relation->schema = read_text(c);
    relation->name = read_text(c);
    relation->identity = (char)cursor_u8(c);
    if (*relation->schema == '\0')
        relation->schema = "pg_catalog";
    size_t count = (size_t)cursor_be(c, 2);
    decoder->columns =
        reserve(c, decoder->columns, &decoder->column_capacity, count, COLUMN_BYTES_MIN, sizeof *decoder->columns);
    for (size_t i = 0; i < count && !c->failed; i++) {
        struct pgoutput_column *column = &decoder->columns[i];
        column->in_identity = (cursor_u8(c) & 1) != 0;
        column->name = read_text(c);
        column->type = read_u32(c);
        column->typmod = (int32_t)read_u32(c);
    }
    relation->columns = decoder->columns;
    relation->column_count = c->failed ? 0 : count;
}

static void read_row(struct pgoutput *decoder, struct cursor *c, enum pgoutput_kind kind, struct pgoutput_row *row) {
    *row = (struct pgoutput_row){.relation = read_u32(c)};
    char part = (char)cursor_u8(c);
    if (kind != PGOUTPUT_INSERT && (part == 'K' || part == 'O')) {
        row->old_kind = part;
        row->old = read_tuple(c, &decoder->old_values, &decoder->old_capacity);
        if (kind == PGOUTPUT_DELETE)
            return;
        part = (char)cursor_u8(c);
    }
    if (kind == PGOUTPUT_DELETE || part != 'N') {
        c->failed = true;
        return;
    }
    row->new = read_tuple(c, &decoder->new_values, &decoder->new_capacity);
    /* An old row has as many columns as the new one: they are of one relation. */
    if (row->old_kind != 0 && row->old.count != row->new.count)
        c->failed = true;
}

static void read_truncate(struct pgoutput *decoder, struct cursor *c, struct pgoutput_message *out) {
    size_t count = read_u32(c);
    out->truncate.options = cursor_u8(c);
    decoder->relations = reserve(c, decoder->relations, &decoder->relation_capacity, count, sizeof(uint32_t),
                                 sizeof *decoder->relations);
    for (size_t i = 0; i < count && !c->failed; i++)
        decoder->relations[i] = read_u32(c);
    out->truncate.relations = decoder->relations;
    out->truncate.relation_count = c->failed ? 0 : count;
}

static void read_logical_message(struct cursor *c, struct pgoutput_message *out) {
    out->message.transactional = (cursor_u8(c) & 1) != 0;
    cursor_be(c, 8);
    out->message.prefix = read_text(c);
    out->message.len = read_u32(c);
    out->message.data = (const char *)cursor_bytes(c, out->message.len);
}

/* Whatever begins, ends or decides a transaction. */
static void read_transaction(struct cursor *c, struct pgoutput_message *out) {
    struct pgoutput_transaction *transaction = &out->transaction;
    *transaction = (struct pgoutput_transaction){0};
    if (out->kind == PGOUTPUT_STREAM_COMMIT)
        out->xid = read_u32(c);
    if (out->kind != PGOUTPUT_BEGIN && out->kind != PGOUTPUT_BEGIN_PREPARE)
        cursor_u8(c); /* flags, of which there are none yet */
    transaction->lsn = cursor_be(c, 8);
    if (out->kind != PGOUTPUT_BEGIN)
        transaction->end_lsn = cursor_be(c, 8);
    transaction->time_us = read_time(c);
    if (out->kind == PGOUTPUT_ROLLBACK_PREPARED)
        transaction->time_us = read_time(c);
    if (out->kind == PGOUTPUT_COMMIT || out->kind == PGOUTPUT_STREAM_COMMIT)
        return;
    out->xid = read_u32(c);
    if (out->kind != PGOUTPUT_BEGIN)
        transaction->gid = read_text(c);
}

static void read_stream_abort(struct cursor *c, struct pgoutput_message *out) {
    out->xid = read_u32(c);
    out->subxid = read_u32(c);
    out->transaction = (struct pgoutput_transaction){0};
    if (cursor_left(c) == 0)
        return;
    out->transaction.lsn = cursor_be(c, 8);
    out->transaction.time_us = read_time(c);
}

static void read_body(struct pgoutput *decoder, struct cursor *c, struct pgoutput_message *out) {
    switch (out->kind) {
    case PGOUTPUT_BEGIN:
    case PGOUTPUT_COMMIT:
    case PGOUTPUT_STREAM_COMMIT:
    case PGOUTPUT_BEGIN_PREPARE:
    case PGOUTPUT_PREPARE:
    case PGOUTPUT_COMMIT_PREPARED:
    case PGOUTPUT_ROLLBACK_PREPARED:
    case PGOUTPUT_STREAM_PREPARE:
        read_transaction(c, out);
        return;
    case PGOUTPUT_ORIGIN:
        cursor_be(c, 8);
        read_text(c);
        return;
    case PGOUTPUT_RELATION:
        read_relation(decoder, c, &out->relation);
        return;
    case PGOUTPUT_TYPE:
        out->type.oid = read_u32(c);
        out->type.schema = read_text(c);
        out->type.name = read_text(c);
        return;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        read_row(decoder, c, out->kind, &out->row);
        return;
    case PGOUTPUT_TRUNCATE:
        read_truncate(decoder, c, out);
        return;
    case PGOUTPUT_MESSAGE:
        read_logical_message(c, out);
        return;
    case PGOUTPUT_STREAM_START:
        out->xid = read_u32(c);
        out->first_block = cursor_u8(c) == 1;
        return;
    case PGOUTPUT_STREAM_STOP:
        return;
    case PGOUTPUT_STREAM_ABORT:
        read_stream_abort(c, out);
        return;
    }
    c->failed = true;
}

/* In a stream block these say which subtransaction they are of. */
static bool has_xid_within_stream(enum pgoutput_kind kind) {
    return kind == PGOUTPUT_RELATION || kind == PGOUTPUT_TYPE || kind == PGOUTPUT_INSERT || kind == PGOUTPUT_UPDATE ||
           kind == PGOUTPUT_DELETE || kind == PGOUTPUT_TRUNCATE || kind == PGOUTPUT_MESSAGE;
}

bool pgoutput_decode(struct pgoutput *decoder, const void *data, size_t len, struct pgoutput_message *out,
                     struct error *err) {
    struct cursor c = cursor_of(data, len);
    out->kind = (enum pgoutput_kind)cursor_u8(&c);
    out->xid = out->subxid = 0;
    if (decoder->in_stream && has_xid_within_stream(out->kind))
        out->xid = read_u32(&c);
    read_body(decoder, &c, out);
    if (c.failed || cursor_left(&c) > 0)
        return error_set(err, ERROR_DATA,
                         "a message of pgoutput that cannot be read (type 0x%02x, %zu bytes, %zu of them unread)%s",
                         len > 0 ? *(const uint8_t *)data : 0, len, cursor_left(&c),
                         decoder->in_stream ? ", in a streamed transaction" : "");
    if (out->kind == PGOUTPUT_STREAM_START || out->kind == PGOUTPUT_STREAM_STOP)
        decoder->in_stream = out->kind == PGOUTPUT_STREAM_START;
    return true;
}
