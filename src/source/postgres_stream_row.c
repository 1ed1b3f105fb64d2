/* Rows of the log -> values.
 *
 * What an update tells of the row before depends on the table's replica identity: with DEFAULT and INDEX its key, and only
 * where that changed; with FULL all of it. Large values that an update did not touch (TOAST) are not in the new row. Where
 * the row before has them they are taken from there; else they are VALUE_UNCHANGED, and the lake keeps what it has. A row
 * that got another key is a new one to the lake, which has nothing to keep: then the server is asked for what is missing.
 * That it may have changed once more is no harm, because that change follows in the log. */
#include <inttypes.h>
#include <string.h>

#include "base/cancel.h"
#include "source/postgres_stream.h"

static bool convert(struct postgres_stream *stream, const struct pgstream_relation *relation, size_t column,
                    const struct pgoutput_value *from, struct value *to, struct error *err) {
    *to = (struct value){.kind = VALUE_NULL};
    if (from->kind == PGOUTPUT_UNCHANGED)
        to->kind = VALUE_UNCHANGED;
    else if (from->kind == PGOUTPUT_BINARY)
        return error_set(err, ERROR_DATA, "column \"%s\": a binary value, which was not asked for",
                         relation->wire.columns[column].name);
    else if (from->kind == PGOUTPUT_TEXT &&
             !postgres_type_convert(relation->types[column], from->data, from->len, &stream->row_arena, to))
        atomic_fetch_add(&stream->source->nulled, 1);
    return true;
}

/* The row before. What the log does not tell of it is VALUE_UNCHANGED. */
static bool convert_old(struct postgres_stream *stream, struct pgstream_relation *relation, struct error *err) {
    const struct pgoutput_row *row = &stream->message.row;
    for (size_t i = 0; i < relation->wire.column_count; i++) {
        bool is_told = row->old_kind == 'O' || (row->old_kind == 'K' && relation->wire.columns[i].in_identity);
        relation->old[i] = (struct value){.kind = VALUE_UNCHANGED};
        if (is_told && !convert(stream, relation, i, &row->old.values[i], &relation->old[i], err))
            return false;
    }
    return true;
}

static bool convert_new(struct postgres_stream *stream, struct pgstream_relation *relation, struct error *err) {
    const struct pgoutput_row *row = &stream->message.row;
    for (size_t i = 0; i < relation->wire.column_count; i++)
        if (!convert(stream, relation, i, &row->new.values[i], &relation->values[i], err))
            return false;
    return true;
}

/* An update: each of both rows completes the other. */
static void complete(struct postgres_stream *stream, struct pgstream_relation *relation) {
    bool key_kept = stream->message.row.old_kind == 0;
    for (size_t i = 0; i < relation->wire.column_count; i++) {
        if (relation->values[i].kind == VALUE_UNCHANGED)
            relation->values[i] = relation->old[i];
        if (key_kept && relation->wire.columns[i].in_identity && relation->wire.identity != 'f')
            relation->old[i] = relation->values[i];
    }
}

/* ---- what the log does not tell */

static bool is_incomplete(const struct pgstream_relation *relation) {
    for (size_t i = 0; i < relation->wire.column_count; i++)
        if (relation->values[i].kind == VALUE_UNCHANGED)
            return true;
    return false;
}

/* SELECT the missing columns WHERE the identity is that of the new row, as the server sends texts of its own. */
static void append_question(const struct postgres_stream *stream, const struct pgstream_relation *relation,
                            struct buf *sql) {
    const char *separator = "SELECT ";
    for (size_t i = 0; i < relation->wire.column_count; i++) {
        if (relation->values[i].kind != VALUE_UNCHANGED)
            continue;
        buf_append_text(sql, separator);
        buf_append_sql_name(sql, relation->wire.columns[i].name);
        separator = ", ";
    }
    buf_append_text(sql, " FROM ");
    postgres_append_table(sql, relation->wire.schema, relation->wire.name);
    separator = " WHERE ";
    for (size_t i = 0; i < relation->wire.column_count; i++) {
        if (!relation->wire.columns[i].in_identity)
            continue;
        const struct pgoutput_value *value = &stream->message.row.new.values[i];
        if (value->kind == PGOUTPUT_UNCHANGED)
            value = &stream->message.row.old.values[i];
        buf_append_text(sql, separator);
        buf_append_sql_name(sql, relation->wire.columns[i].name);
        buf_append_text(sql, " = ");
        buf_append_sql_text(sql, value->data, value->len);
        separator = " AND ";
    }
}

/* The row may be gone, and then a change that says so follows: its values are of no matter. */
static bool take_answer(struct postgres_stream *stream, struct pgstream_relation *relation,
                        const struct postgres_result *result, struct error *err) {
    size_t column = 0;
    for (size_t i = 0; i < relation->wire.column_count; i++) {
        if (relation->values[i].kind != VALUE_UNCHANGED)
            continue;
        const char *text = result->row_count > 0 ? postgres_result_cell(result, 0, column) : NULL;
        struct pgoutput_value value = {.kind = text != NULL ? PGOUTPUT_TEXT : PGOUTPUT_NULL, .data = text};
        value.len = text != NULL ? (uint32_t)strlen(text) : 0;
        if (!convert(stream, relation, i, &value, &relation->values[i], err))
            return false;
        column++;
    }
    return true;
}

/* The table is not any more what the row was of: only a full load has the values. */
static void reload(struct postgres_stream *stream, struct pgstream_relation *relation) {
    struct source_event *event = pgstream_push(stream, SOURCE_TABLE);
    event->table = relation->source;
    event->new_table = table_copy(&stream->arena, relation->version);
    event->reload = "the key of a row changed, and its large values are not in the log";
}

/* The log has a commit before others see it, by far where it waits for a synchronous standby: an answer of before is of other
 * rows. (postgres xact.c, CommitTransaction) */
static bool wait_until_visible(struct postgres_stream *stream, struct postgres_conn *conn, struct error *err) {
    enum { STEP_MS = 20, LIMIT_MS = 60000 };
    const char *function =
        postgres_conn_server(conn)->version >= 130000 ? "pg_current_snapshot" : "txid_current_snapshot";
    for (int waited_ms = 0; waited_ms < LIMIT_MS; waited_ms += STEP_MS) {
        struct postgres_result result;
        struct postgres_position now = {.end_lsn = UINT64_MAX};
        if (!postgres_conn_query(conn, &stream->row_arena, &result, err, "SELECT pg_catalog.%s()::text", function))
            return false;
        const char *text = postgres_result_cell(&result, 0, 0);
        if (text == NULL || !postgres_snapshot_parse(text, &stream->row_arena, &now))
            return error_set(err, ERROR_INTERNAL, "the server's snapshot \"%s\" cannot be read",
                             text != NULL ? text : "");
        if (postgres_position_has(&now, stream->group.xid, stream->group.lsn))
            return true;
        if (!cancel_sleep_ms(STEP_MS))
            return cancel_check(err);
    }
    return error_set(err, ERROR_RETRY,
                     "transaction %" PRIu32 " is in the log, and other sessions have not seen it for %d s; "
                     "does it wait for a synchronous standby that is down?",
                     stream->group.xid, LIMIT_MS / 1000);
}

/* *found false: they cannot be had, the table is loaded in full. */
static bool ask_missing(struct postgres_stream *stream, struct pgstream_relation *relation, bool *found,
                        struct error *err) {
    struct buf sql;
    struct postgres_result result;
    buf_init(&sql, BUF_MAX_DEFAULT);
    append_question(stream, relation, &sql);
    struct postgres_conn *conn = postgres_source_lock(stream->source, err);
    bool ok = false;
    if (conn != NULL) {
        ok = wait_until_visible(stream, conn, err) &&
             postgres_conn_query(conn, &stream->row_arena, &result, err, "%s", sql.data);
        postgres_source_unlock(stream->source);
    }
    buf_deinit(&sql);
    *found = ok;
    if (ok)
        return take_answer(stream, relation, &result, err);
    if (conn == NULL || (err->code != POSTGRES_ERROR_NO_TABLE && err->code != POSTGRES_ERROR_NO_COLUMN))
        return error_prefix(err, "large values of a row of %s.%s", relation->wire.schema, relation->wire.name);
    *found = ++stream->announcements > 1; /* with --cdc-only nothing is loaded: then capture says what is missing */
    if (!*found)
        reload(stream, relation);
    return true;
}

/* ---- */

static bool read_values(struct postgres_stream *stream, struct pgstream_relation *relation, bool *found,
                        struct error *err) {
    const struct pgoutput_row *row = &stream->message.row;
    bool has_old = stream->message.kind != PGOUTPUT_INSERT;
    if ((row->new.values != NULL && row->new.count != relation->wire.column_count) ||
        (row->old.values != NULL && row->old.count != relation->wire.column_count))
        return error_set(err, ERROR_DATA, "a row of %zu columns, where the table has %zu",
                         row->new.values != NULL ? row->new.count : row->old.count, relation->wire.column_count);
    *found = true;
    if ((row->new.values != NULL && !convert_new(stream, relation, err)) ||
        (has_old && !convert_old(stream, relation, err)))
        return false;
    if (stream->message.kind != PGOUTPUT_UPDATE)
        return true;
    complete(stream, relation);
    return row->old_kind != 'K' || !is_incomplete(relation) || ask_missing(stream, relation, found, err);
}

static enum change_op op_of(enum pgoutput_kind kind) {
    return kind == PGOUTPUT_INSERT ? CHANGE_INSERT : kind == PGOUTPUT_UPDATE ? CHANGE_UPDATE : CHANGE_DELETE;
}

bool pgstream_read_row(struct postgres_stream *stream, struct pgstream_relation *relation, struct source_event *event,
                       bool *found, struct error *err) {
    struct error why = {0};
    if (!read_values(stream, relation, found, &why)) {
        *found = false;
        if (why.kind != ERROR_DATA) {
            *err = why;
            return false;
        }
        pgstream_fail_table(stream, relation, &why);
        return true;
    }
    if (!*found)
        return true;
    *event = (struct source_event){.kind = SOURCE_ROW,
                                   .table = relation->source,
                                   .time_us = stream->group.time_us,
                                   .op = op_of(stream->message.kind),
                                   .values = relation->values};
    if (event->op == CHANGE_DELETE)
        event->values = relation->old;
    if (event->op == CHANGE_UPDATE)
        event->old = relation->old;
    return true;
}
