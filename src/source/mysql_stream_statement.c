/* Statements in the binlog: the borders of transactions, and what definition statements do to captured tables. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "source/mysql_stream.h"

/* ---- transactions */

static void begin(struct mysql_stream *stream, const char *xid) {
    struct stream_group *group = &stream->group;
    group->has_begin = true;
    if (xid == NULL)
        return;
    group->named = true;
    snprintf(group->name, sizeof group->name, "%s", xid);
    /* Also when no captured row follows: capture has to know the name when it is decided. */
    stream_begin_group(stream);
}

static void end(struct mysql_stream *stream, enum source_event_kind kind) {
    bool sent = stream->group.sent;
    stream_end_group(stream);
    if (sent)
        stream_push(stream, kind)->position = stream_position_text(stream);
}

static void set_savepoint(struct mysql_stream *stream, enum source_event_kind kind, const char *name) {
    stream_begin_group(stream);
    stream_push(stream, kind)->name = arena_strdup(&stream->arena, name);
}

/* ---- definition statements. Each of them is a group of its own, and its events have the position behind it; where there
 * are several, only the last one, so that after a restart in between all of them come again. */

static void push_table_event(struct mysql_stream *stream, enum source_event_kind kind, struct stream_table *table) {
    stream_push(stream, kind)->table = table->source;
}

/* A table of the statement that matters here: captured, and not covered by its full load. NULL else. */
static bool find_wanted(struct mysql_stream *stream, const char *schema, const char *name, struct stream_table **out,
                        struct error *err) {
    struct stream_table *table = stream_find_table(stream, schema, name);
    bool wanted;
    if (!stream_table_wants(stream, table, &wanted, err))
        return false;
    *out = wanted && table->source != NULL && table->source->current != NULL ? table : NULL;
    return true;
}

static bool drop_table(struct mysql_stream *stream, const char *schema, const char *name, struct error *err) {
    struct stream_table *table;
    if (!find_wanted(stream, schema, name, &table, err))
        return false;
    if (table == NULL || table->dropped)
        return true;
    table->dropped = true;
    push_table_event(stream, SOURCE_DROP, table);
    stream_note_gone(stream, table);
    return true;
}

static bool drop_database(struct mysql_stream *stream, const char *schema, struct error *err) {
    size_t count;
    struct source_table *const *all = source_tables_all(stream->tables, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->schema, schema) == 0 && !drop_table(stream, schema, all[i]->name, err))
            return false;
    return true;
}

static bool truncate_table(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    struct stream_table *table;
    if (!find_wanted(stream, statement->tables[0].schema, statement->tables[0].name, &table, err))
        return false;
    if (table != NULL && !table->dropped)
        push_table_event(stream, SOURCE_TRUNCATE, table);
    return true;
}

static bool create_table(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    const struct mysql_statement_table *created = &statement->tables[0];
    if (statement->replaces && !drop_table(stream, created->schema, created->name, err))
        return false;
    struct stream_table *table = stream_find_table(stream, created->schema, created->name);
    table->dropped = false;
    if (table->chosen)
        stream_note_created(stream, table);
    return true;
}

static bool names_equal(const struct mysql_statement_table *a, const char *schema, const char *name) {
    return strcmp(a->schema, schema) == 0 && strcmp(a->name, name) == 0;
}

/* Is the name in use once all renames of the statement are done? They are done from left to right. */
static bool exists_after(const struct mysql_statement *statement, size_t from, const char *schema, const char *name) {
    bool exists = true;
    for (size_t i = from; i < statement->table_count; i++) {
        const struct mysql_statement_table *table = &statement->tables[i];
        if (table->new_name == NULL)
            continue;
        if (names_equal(table, schema, name))
            exists = false;
        else if (strcmp(table->new_schema, schema) == 0 && strcmp(table->new_name, name) == 0)
            exists = true;
    }
    return exists;
}

/* A table that came under a captured name: its rows are not those that were captured under it. */
static bool table_arrives(struct mysql_stream *stream, const char *schema, const char *name, const char *reload,
                          struct error *err) {
    struct stream_table *known, *table = stream_find_table(stream, schema, name);
    bool wanted;
    if (!find_wanted(stream, schema, name, &known, err) || !stream_table_wants(stream, table, &wanted, err))
        return false;
    return !wanted || stream_announce(stream, table, known != NULL ? reload : NULL, err);
}

static bool rename_arrives(struct mysql_stream *stream, const struct mysql_statement_table *renamed,
                           struct error *err) {
    const char *reload = arena_printf(&stream->arena, "table %s.%s was renamed to %s.%s, whose rows were others",
                                      renamed->schema, renamed->name, renamed->new_schema, renamed->new_name);
    return table_arrives(stream, renamed->new_schema, renamed->new_name, reload, err);
}

static bool rename_tables(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    for (size_t i = 0; i < statement->table_count; i++) {
        const struct mysql_statement_table *renamed = &statement->tables[i];
        if (renamed->new_name == NULL)
            continue;
        if (!exists_after(statement, i, renamed->schema, renamed->name) &&
            !drop_table(stream, renamed->schema, renamed->name, err))
            return false;
        if (exists_after(statement, i + 1, renamed->new_schema, renamed->new_name) &&
            !rename_arrives(stream, renamed, err))
            return false;
    }
    return true;
}

/* Rows that come or go with a partition or a tablespace are in no row event. To drop or to truncate a partition takes rows from
 * a table that stays: that is on_truncate's. (DISCARD TABLESPACE makes rows unreadable until IMPORT.) */
static bool move_rows(struct mysql_stream *stream, struct stream_table *table, const char *how, struct error *err) {
    const struct config_source *config = &stream->source->config->source;
    bool truncates = strcmp(how, "DROP PARTITION") == 0 || strcmp(how, "TRUNCATE PARTITION") == 0;
    enum ddl_action action = truncates ? config->on_truncate : DDL_APPLY;
    const char *what = arena_printf(&stream->arena, "ALTER TABLE %s.%s … %s", table->schema, table->name, how);
    if (action == DDL_APPLY)
        return stream_announce(stream, table, what, err);
    if (action == DDL_STOP) {
        struct error why;
        error_set(&why, ERROR_DATA, "%s, and source.on_truncate is stop", what);
        stream_fail_table(stream, table, &why);
    } else {
        log_warning("%s removed rows that stay in the lake (source.on_truncate: apply removes them)", what);
    }
    return true;
}

/* The table that gave or took the rows of a partition. */
static bool move_other_rows(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    if (statement->other == MYSQL_OTHER_NONE)
        return true;
    const struct mysql_statement_table *altered = &statement->tables[0], *other = &statement->tables[1];
    if (statement->other == MYSQL_OTHER_GONE)
        return drop_table(stream, other->schema, other->name, err);
    const char *what = arena_printf(&stream->arena, "ALTER TABLE %s.%s … %s … TABLE %s.%s", altered->schema,
                                    altered->name, statement->moves_rows, other->schema, other->name);
    return table_arrives(stream, other->schema, other->name, what, err);
}

static bool alter_table(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    const struct mysql_statement_table *altered = &statement->tables[0];
    struct stream_table *table;
    if (stream->group.alter == MARIADB_ALTER_START || stream->group.alter == MARIADB_ALTER_ROLLBACK)
        return true;
    if (!find_wanted(stream, altered->schema, altered->name, &table, err))
        return false;
    if (table != NULL) {
        stream_note_change(stream, table, statement);
        if (statement->moves_rows != NULL ? !move_rows(stream, table, statement->moves_rows, err)
                                          : !stream_convert_rows(stream, table, statement, err))
            return false;
    }
    return move_other_rows(stream, statement, err) && rename_tables(stream, statement, err);
}

/* A session with binlog_format=STATEMENT: the rows that it changed are not in the log. Any captured table that is named in
 * the statement may be meant. */
static bool change_in_statement_format(struct mysql_stream *stream, const struct mysql_statement *statement,
                                       struct error *err) {
    for (size_t i = 0; i < statement->table_count; i++) {
        struct stream_table *table;
        if (!find_wanted(stream, statement->tables[i].schema, statement->tables[i].name, &table, err))
            return false;
        if (table == NULL || table->failed)
            continue;
        struct error why;
        error_set(
            &why, ERROR_DATA,
            "table %s.%s was changed in statement format, which does not tell the rows: SET GLOBAL binlog_format = "
            "ROW, also in sessions that set their own",
            table->schema, table->name);
        stream_fail_table(stream, table, &why);
    }
    return true;
}

static bool apply_definition(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    switch (statement->kind) {
    case MYSQL_STATEMENT_CREATE_TABLE:
        return create_table(stream, statement, err);
    case MYSQL_STATEMENT_ALTER_TABLE:
        return alter_table(stream, statement, err);
    case MYSQL_STATEMENT_RENAME_TABLE:
        return rename_tables(stream, statement, err);
    case MYSQL_STATEMENT_DROP_TABLE:
        for (size_t i = 0; i < statement->table_count; i++)
            if (!drop_table(stream, statement->tables[i].schema, statement->tables[i].name, err))
                return false;
        return true;
    case MYSQL_STATEMENT_DROP_DATABASE:
        return drop_database(stream, statement->name, err);
    case MYSQL_STATEMENT_TRUNCATE:
        return truncate_table(stream, statement, err);
    case MYSQL_STATEMENT_CHANGE:
        return change_in_statement_format(stream, statement, err);
    default:
        return true;
    }
}

/* The statement is done: its events get their positions, and unless it is part of a transaction its group ends. */
static bool handle_definition(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    size_t first = stream->queue_end;
    bool alone = !stream->group.has_begin;
    if (!apply_definition(stream, statement, err))
        return false;
    const char *before = first < stream->queue_end ? arena_strdup(&stream->arena, stream_position_text(stream)) : NULL;
    if (alone)
        stream_end_group(stream);
    for (size_t i = first; i < stream->queue_end; i++) {
        struct source_event *event = &stream->queue[i];
        bool last = i + 1 == stream->queue_end;
        if (event->kind == SOURCE_DROP || event->kind == SOURCE_TRUNCATE)
            event->position = alone && last ? stream_position_text(stream) : before;
    }
    return true;
}

/* ---- QUERY events */

/* The text in UTF-8; bytes that are none in the client's character set cannot matter to names of captured tables. */
static struct slice decode_text(struct mysql_stream *stream, const struct mysql_event_query *query,
                                struct buf *scratch) {
    const struct mysql_charset *charset = mysql_charsets_find(stream->collations.charsets, query->collation);
    struct slice text = query->text;
    struct error ignored;
    if (charset == NULL || mysql_charset_is_binary(charset))
        return text;
    if (!mysql_charset_is_ready(charset)) {
        struct mysql_conn *ask = stream_ask(stream, &ignored);
        if (ask == NULL || !mysql_collations_prepare(&stream->collations, ask, query->collation, &ignored))
            return text;
    }
    mysql_charset_decode(charset, query->text, scratch, &text, &ignored);
    return text;
}

static void lower_names(struct mysql_statement *statement, struct arena *arena) {
    for (size_t i = 0; i < statement->table_count; i++) {
        const char **names[] = {&statement->tables[i].schema, &statement->tables[i].name,
                                &statement->tables[i].new_schema, &statement->tables[i].new_name};
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            char *lower = arena_strdup(arena, *names[n]);
            for (char *p = lower; p != NULL && *p != '\0'; p++)
                if (*p >= 'A' && *p <= 'Z')
                    *p = (char)(*p - 'A' + 'a');
            *names[n] = lower;
        }
    }
}

static bool handle_statement(struct mysql_stream *stream, const struct mysql_statement *statement, struct error *err) {
    switch (statement->kind) {
    case MYSQL_STATEMENT_BEGIN:
        begin(stream, NULL);
        return true;
    case MYSQL_STATEMENT_XA_START:
        begin(stream, statement->name);
        return true;
    case MYSQL_STATEMENT_COMMIT:
        end(stream, SOURCE_COMMIT);
        return true;
    case MYSQL_STATEMENT_ROLLBACK:
        end(stream, SOURCE_ROLLBACK);
        return true;
    case MYSQL_STATEMENT_SAVEPOINT:
        set_savepoint(stream, SOURCE_SAVEPOINT, statement->name);
        return true;
    case MYSQL_STATEMENT_ROLLBACK_TO:
        set_savepoint(stream, SOURCE_ROLLBACK_TO, statement->name);
        return true;
    case MYSQL_STATEMENT_XA_END:
    case MYSQL_STATEMENT_XA_PREPARE:
        return true;
    case MYSQL_STATEMENT_XA_COMMIT:
        return stream_decide_prepared(stream, SOURCE_COMMIT_PREPARED, statement->name, err);
    case MYSQL_STATEMENT_XA_ROLLBACK:
        return stream_decide_prepared(stream, SOURCE_ROLLBACK_PREPARED, statement->name, err);
    default:
        return handle_definition(stream, statement, err);
    }
}

/* By far most statements are these, and need no tokenizer. */
static bool is_begin(struct slice text) { return slice_equal_text(text, "BEGIN"); }

bool stream_handle_query(struct mysql_stream *stream, const struct mysql_event *event, struct error *err) {
    if (!stream->group.open)
        stream_open_group(stream, (int64_t)event->time_s * 1000000 + event->query.micros);
    if (is_begin(event->query.text)) {
        begin(stream, NULL);
        return true;
    }
    struct arena arena;
    arena_init(&arena);
    struct buf scratch;
    buf_init(&scratch, BUF_MAX_DEFAULT);
    struct mysql_statement statement;
    mysql_statement_parse(&arena, decode_text(stream, &event->query, &scratch), event->query.schema,
                          event->query.sql_mode, &statement);
    if (mysql_conn_server(stream->log)->lower_case_names)
        lower_names(&statement, &arena);
    bool ok = handle_statement(stream, &statement, err);
    buf_deinit(&scratch);
    arena_deinit(&arena);
    return ok;
}
