/* Definitions that the log told and no row has shown yet.
 *
 * A statement in the log says little of the definition that it leads to; a row's table map or, where no row comes,
 * information_schema does. That shows the table as it is now, after all statements that were executed, of which the log may
 * tell some only later on. So the end of the log is asked for behind it: once the stream has come to there without another
 * statement about the table, what was shown is what the statements until there led to. Where the stream is at the end already,
 * that is at once. */
#include <string.h>

#include "source/mysql_stream.h"

void stream_forget_shown(struct stream_table *table) {
    if (table->shown == NULL)
        return;
    mysql_position_deinit(&table->shown->end);
    arena_deinit(&table->shown->arena);
    mem_free(table->shown);
    table->shown = NULL;
}

static bool ask(struct mysql_stream *stream, struct stream_table *table, struct error *err) {
    struct mysql_conn *conn = stream_ask(stream, err);
    if (conn == NULL)
        return false;
    struct stream_shown *shown = table->shown = mem_zalloc(sizeof *shown);
    arena_init(&shown->arena);
    mysql_position_init(&shown->end);
    bool ok = mysql_schema_read(conn, &stream->collations, &shown->arena, table->schema, table->name, &shown->schema,
                                &shown->error);
    if (!ok && shown->error.kind != ERROR_DATA)
        *err = shown->error;
    else
        ok = mysql_source_log_end(conn, &shown->end, err);
    if (!ok)
        stream_forget_shown(table);
    return ok;
}

/* What was shown is the definition here. */
static void tell(struct mysql_stream *stream, struct stream_table *table) {
    struct mysql_schema *schema = table->shown->schema;
    struct error why = table->shown->error;
    struct table *next;
    if (why.kind == ERROR_NONE && schema == NULL) {
        stream_note_gone(stream, table);
        return;
    }
    if (why.kind != ERROR_NONE || !mysql_schema_to_table(schema, &table->shown->arena, &next, &why)) {
        stream_forget_changes(stream, table);
        stream_fail_table(stream, table, &why);
        return;
    }
    if (stream_is_known(stream, table, next)) {
        stream_forget_changes(stream, table);
        return;
    }
    struct table *copy = table_copy(&stream->arena, next); /* what was shown goes with the changes */
    stream_announce_next(stream, table, schema, copy);
    stream->queue[stream->queue_end - 1].position = arena_strdup(&stream->arena, stream_position_text(stream));
}

static bool settle_table(struct mysql_stream *stream, struct stream_table *table, struct error *err) {
    bool wanted, reached;
    if (!stream_table_wants(stream, table, &wanted, err))
        return false;
    if (!wanted || table->source == NULL || table->source->current == NULL) { /* or its full load has it */
        stream_forget_changes(stream, table);
        return true;
    }
    if ((table->shown == NULL && !ask(stream, table, err)) ||
        !mysql_position_reached(&stream->position, &table->shown->end, &reached, err))
        return false;
    if (reached)
        tell(stream, table);
    return true;
}

bool stream_settle(struct mysql_stream *stream, struct error *err) {
    const char *schema_name, *name;
    json_t *schema, *pending, *all = json_deep_copy(stream->position.pending); /* they are forgotten one by one */
    bool ok = true;
    json_object_foreach(all, schema_name, schema) {
        json_object_foreach(schema, name, pending) {
            struct stream_table *table = stream_find_table(stream, schema_name, name);
            if (!ok || !json_is_array(pending))
                continue;
            if (!table->chosen) /* the filters became narrower */
                json_object_del(json_object_get(stream->position.pending, schema_name), name);
            else
                ok = settle_table(stream, table, err);
        }
    }
    json_decref(all);
    return ok;
}
