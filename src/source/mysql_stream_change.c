/* What definition statements told of a table and no row has used yet: which columns were renamed, and what added ones were
 * filled with. Only the statements' text says it, so it waits in the position, where a restart finds it:
 *
 *   "pending": {"schema": {"table": [["from", "to"], …, ["", "added", default]], "gone": null}}
 *
 * null stands for a table that was dropped: the next one of its name is another, but there is nothing to tell until it comes.
 * The default is null without DEFAULT in the statement, true for NULL, a text for a literal, false for what is computed. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "source/mysql_default.h"
#include "source/mysql_stream.h"

static json_t *pending_of(const struct mysql_stream *stream, const struct stream_table *table) {
    return json_object_get(json_object_get(stream->position.pending, table->schema), table->name);
}

static const char *pair_text(const json_t *pair, size_t i) { return json_string_value(json_array_get(pair, i)); }

/* A statement's own renames are all of the names before it: a -> b, then b -> c in another statement is a -> c, but in one
 * statement a -> b and b -> a swap the two. */
static void add_renames(json_t *pending, const struct mysql_statement *statement) {
    json_t *before = json_deep_copy(pending);
    for (size_t i = 0; i < statement->rename_count; i++) {
        const struct column_rename *rename = &statement->renames[i];
        size_t at = json_array_size(before);
        while (at > 0 && strcasecmp(pair_text(json_array_get(before, at - 1), 1), rename->from) != 0)
            at--;
        if (at > 0)
            json_array_set_new(json_array_get(pending, at - 1), 1, json_string(rename->to));
        else
            json_array_append_new(pending, json_pack("[s, s]", rename->from, rename->to));
    }
    json_decref(before);
}

static json_t *default_to_json(const struct mysql_added_column *column) {
    switch (column->kind) {
    case MYSQL_ADDED_BARE:
        return json_null();
    case MYSQL_ADDED_NULL:
        return json_true();
    case MYSQL_ADDED_LITERAL:
        return json_string(column->literal); /* NULL when it is no UTF-8 */
    case MYSQL_ADDED_COMPUTED:
        break;
    }
    return json_false();
}

static void add_columns(json_t *pending, const struct mysql_statement *statement) {
    for (size_t i = 0; i < statement->added_count; i++) {
        json_t *initial = default_to_json(&statement->added[i]);
        json_t *entry = json_pack("[s, s, o]", "", statement->added[i].name, initial != NULL ? initial : json_false());
        if (entry != NULL)
            json_array_append_new(pending, entry);
    }
}

static void set_pending(struct mysql_stream *stream, const struct stream_table *table, json_t *pending) {
    if (stream->position.pending == NULL)
        stream->position.pending = json_object();
    json_t *schema = json_object_get(stream->position.pending, table->schema);
    if (schema == NULL) {
        schema = json_object();
        json_object_set_new(stream->position.pending, table->schema, schema);
    }
    json_object_set_new(schema, table->name, pending);
    stream->position_changed = true;
    stream->position_reported = false;
}

void stream_note_change(struct mysql_stream *stream, struct stream_table *table,
                        const struct mysql_statement *statement) {
    json_t *pending = pending_of(stream, table);
    pending = json_is_array(pending) ? json_incref(pending) : json_array();
    add_renames(pending, statement);
    add_columns(pending, statement);
    set_pending(stream, table, pending);
    stream_forget_shown(table);
}

void stream_note_gone(struct mysql_stream *stream, struct stream_table *table) {
    set_pending(stream, table, json_null());
    stream_forget_shown(table);
}

void stream_note_created(struct mysql_stream *stream, struct stream_table *table) {
    if (!json_is_null(pending_of(stream, table)))
        return;
    set_pending(stream, table, json_array());
    stream_forget_shown(table);
}

void stream_forget_changes(struct mysql_stream *stream, struct stream_table *table) {
    stream_forget_shown(table);
    json_t *schema = json_object_get(stream->position.pending, table->schema);
    if (schema == NULL || json_object_del(schema, table->name) != 0)
        return;
    if (json_object_size(schema) == 0)
        json_object_del(stream->position.pending, table->schema);
    stream->position_changed = true;
    stream->position_reported = false;
}

bool stream_has_changes(const struct mysql_stream *stream, const struct stream_table *table) {
    return pending_of(stream, table) != NULL;
}

bool stream_owes(const struct mysql_stream *stream, const struct stream_table *table) {
    return json_is_array(pending_of(stream, table));
}

bool stream_is_unsettled(const struct mysql_stream *stream) {
    const char *name;
    json_t *schema, *table;
    json_object_foreach(stream->position.pending, name, schema) {
        json_object_foreach(schema, name, table) {
            if (json_is_array(table))
                return true;
        }
    }
    return false;
}

/* ---- using it */

static const struct column *find_column(const struct table *table, const char *name) {
    for (size_t i = 0; table != NULL && i < table->column_count; i++)
        if (strcasecmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

static const char *exact_name(const struct table *table, const char *name) {
    const struct column *column = find_column(table, name);
    return column != NULL ? column->name : NULL;
}

size_t stream_collect_renames(struct mysql_stream *stream, const struct stream_table *table, const struct table *next,
                              struct column_rename **out) {
    json_t *pending = pending_of(stream, table), *pair;
    size_t count = 0, i;
    *out = arena_alloc(&stream->arena, (json_array_size(pending) + 1) * sizeof **out);
    json_array_foreach(pending, i, pair) {
        const char *from = exact_name(table->source->current, pair_text(pair, 0));
        const char *to = exact_name(next, pair_text(pair, 1));
        if (from != NULL && to != NULL && strcmp(from, to) != 0)
            (*out)[count++] = (struct column_rename){arena_strdup(&stream->arena, from), to};
    }
    return count;
}

static bool is_rename_target(const struct column_rename *renames, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(renames[i].to, name) == 0)
            return true;
    return false;
}

/* What the statement that added the column said of its default; NULL when none was seen. */
static const json_t *find_added_default(const struct mysql_stream *stream, const struct stream_table *table,
                                        const char *name) {
    const json_t *pending = pending_of(stream, table);
    for (size_t i = json_array_size(pending); i > 0; i--) {
        const json_t *entry = json_array_get(pending, i - 1);
        if (json_array_size(entry) == 3 && strcasecmp(pair_text(entry, 1), name) == 0)
            return json_array_get(entry, 2);
    }
    return NULL;
}

/* Numbers of one value, and times whose fractions differ in zeros behind. */
static bool is_same_text(const char *a, const char *b) {
    char *a_end, *b_end;
    if (a == NULL || b == NULL || strcmp(a, b) == 0)
        return a == b || (a != NULL && b != NULL);
    double a_number = strtod(a, &a_end), b_number = strtod(b, &b_end);
    if (a_end != a && b_end != b && *a_end == '\0' && *b_end == '\0')
        return a_number == b_number;
    size_t same = 0;
    while (a[same] == b[same] && a[same] != '\0')
        same++;
    const char *point = memchr(a, '.', same);
    return strchr(a, ':') != NULL && a[same + strspn(a + same, point != NULL ? "0" : ".0")] == '\0' &&
           b[same + strspn(b + same, point != NULL ? "0" : ".0")] == '\0';
}

/* The statement says what rows got, but as SQL; information_schema says it in the form of the column's type, but of now,
 * which may be after later statements. Only where both agree is it known. */
static bool find_initial(struct mysql_stream *stream, const struct mysql_schema *schema,
                         const struct stream_table *table, struct column *column) {
    const json_t *added = find_added_default(stream, table, column->name);
    const struct mysql_schema_column *shown = schema != NULL ? mysql_schema_find(schema, column->name) : NULL;
    column->initial = NULL;
    if (added == NULL || json_is_false(added))
        return false;
    if (json_is_true(added) || (json_is_null(added) && column->nullable))
        return true;
    if (shown == NULL || !shown->initial.known)
        return false;
    struct mysql_default said =
        json_is_null(added) ? mysql_default_implicit(&stream->arena, &shown->column)
                            : mysql_default_of_literal(&stream->arena, &shown->column, json_string_value(added));
    bool agreed = said.known && is_same_text(said.text, shown->initial.text);
    if (agreed)
        column->initial = arena_strdup(&stream->arena, shown->initial.text);
    return agreed;
}

const char *stream_set_initial_values(struct mysql_stream *stream, const struct mysql_schema *schema,
                                      const struct stream_table *table, struct table *next,
                                      const struct column_rename *renames, size_t rename_count) {
    struct column *columns = (struct column *)next->columns; /* not handed out yet */
    const char *unknown = NULL;
    for (size_t i = 0; i < next->column_count; i++) {
        const char *name = columns[i].name;
        if (is_rename_target(renames, rename_count, name))
            continue;
        if (table_find_column(table->source->current, name) < 0)
            unknown = find_initial(stream, schema, table, &columns[i]) ? unknown : name;
        else if (find_added_default(stream, table, name) != NULL) /* dropped, and added again */
            unknown = name;
    }
    return unknown;
}

const struct column *stream_known_column(const struct mysql_stream *stream, const struct stream_table *table,
                                         const char *name) {
    const struct table *current = table->source->current;
    const json_t *pending = pending_of(stream, table);
    bool renamed_away = false;
    if (find_added_default(stream, table, name) != NULL)
        return NULL;
    for (size_t i = 0; i < json_array_size(pending); i++) {
        const json_t *pair = json_array_get(pending, i);
        if (json_array_size(pair) != 2)
            continue;
        if (strcasecmp(pair_text(pair, 1), name) == 0)
            return find_column(current, pair_text(pair, 0));
        renamed_away = renamed_away || strcasecmp(pair_text(pair, 0), name) == 0;
    }
    return renamed_away ? NULL : find_column(current, name);
}

void stream_doubt_default(struct mysql_stream *stream, const struct stream_table *table, const char *name) {
    json_t *pending = pending_of(stream, table), *entry;
    size_t i;
    json_array_foreach(pending, i, entry) {
        if (json_array_size(entry) == 3 && strcasecmp(pair_text(entry, 1), name) == 0)
            json_array_set_new(entry, 2, json_false());
    }
}

bool stream_adds_known_column(const struct mysql_stream *stream, const struct stream_table *table,
                              const struct table *current) {
    for (size_t i = 0; i < current->column_count; i++)
        if (find_added_default(stream, table, current->columns[i].name) != NULL)
            return true;
    return false;
}
