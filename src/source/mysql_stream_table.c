/* Which definition the rows of a table map have.
 *
 * The map comes with every statement and always has the wire types; what it lacks is taken from the version that capture
 * knows (table->current) as long as no definition statement changed the table, else from information_schema. That shows the
 * table as it is now, which may be later than the log:
 *
 *   binlog_row_metadata=FULL   the map has names, signs, character sets, labels and the key: information_schema adds only
 *                              what the wire cannot tell (UUID, INET6), the words of the type and defaults, by name, and
 *                              may be wrong without harm
 *   MINIMAL, NO_LOG            names and the rest are taken by place, and only if number and types of the columns agree;
 *                              else the table fails with what to do
 *
 * A definition that equals `current` is no event; another one is announced as SOURCE_TABLE before its first row, or without one
 * by mysql_stream_settle.c. */
#include "source/mysql_stream.h"

#include <string.h>

#include "base/log.h"
#include "source/mysql_default.h"

/* ---- maps */

/* A definition statement gives the table another id; its last map goes, unless this very group used it. */
static void note_map(struct mysql_stream *stream, struct stream_table *table, uint64_t table_id) {
    if (table->has_map && table->map_id != table_id && table->map_group != stream->group_number)
        mysql_table_maps_drop(stream->decoder.maps, table->map_id);
    table->has_map = true;
    table->map_id = table_id;
    table->map_group = stream->group_number;
}

struct stream_map *stream_map_of(struct mysql_stream *stream, struct mysql_table_map *map) {
    struct stream_map *mine = map->user;
    if (mine == NULL) {
        mine = mem_zalloc(sizeof *mine);
        mine->table = stream_find_table(stream, map->schema, map->name);
        arena_init(&mine->arena);
        map->user = mine;
    }
    if (mine->table->chosen)
        note_map(stream, mine->table, map->table_id);
    return mine;
}

void stream_map_release(void *stream, struct mysql_table_map *map) {
    (void)stream;
    struct stream_map *mine = map->user;
    mysql_row_plan_free(mine->plan);
    arena_deinit(&mine->arena);
    mem_free(mine);
    map->user = NULL;
}

/* ---- definitions */

/* What completes a map: information_schema, or the version that is known, or both. */
struct knowledge {
    const struct mysql_schema *schema;
    const struct table *current;
};

struct definition {
    struct mysql_column *columns; /* of the map, completed */
    const char **source_types;    /* of these; NULL = describe it */
    bool *unseen;                 /* of these: columns that no user of the table sees */
    size_t unseen_count;
    struct table *table;
    uint16_t *places; /* of the map's columns in the table, or MYSQL_ROW_SKIP */
    bool has_row_end;
    size_t row_end; /* place of the end of a row's life; behind the table's columns when it is unseen */
};

enum { PERIOD_COLUMNS = 2 /* row_start, row_end of MariaDB's versioned tables; the last ones */ };

/* ---- columns that nobody sees: MySQL's of functional indexes, and MariaDB's of WITH SYSTEM VERSIONING */

static bool is_known(const struct knowledge *knowledge, const char *name) {
    return (knowledge->schema != NULL && mysql_schema_find(knowledge->schema, name) != NULL) ||
           (knowledge->current != NULL && table_find_column(knowledge->current, name) >= 0);
}

/* "!hidden!f!0!0", or the 32 hexadecimal digits of early 8.0. */
static bool is_index_name(const char *name) {
    return strncmp(name, "!hidden!", 8) == 0 || (strlen(name) == 32 && name[strspn(name, "0123456789abcdef")] == '\0');
}

static bool may_be_period(const struct mysql_column *column) {
    return (column->kind == MYSQL_KIND_TIMESTAMP && column->scale == 6) || column->kind == MYSQL_KIND_BIGINT;
}

static bool ends_with_period(const struct mysql_stream *stream, const struct mysql_table_map *from) {
    size_t n = from->column_count;
    return mysql_conn_server(stream->log)->mariadb && n > PERIOD_COLUMNS && may_be_period(&from->columns[n - 2]) &&
           may_be_period(&from->columns[n - 1]) &&
           (!from->has_names ||
            (strcmp(from->columns[n - 2].name, "row_start") == 0 && strcmp(from->columns[n - 1].name, "row_end") == 0));
}

static void hide(struct definition *definition, size_t column) {
    definition->unseen[column] = true;
    definition->unseen_count++;
}

/* MySQL sends no values of columns that it hides: they are missing in the images of the rows event at hand. */
static void hide_absent(const struct mysql_event_rows *rows, size_t excess, struct definition *definition) {
    size_t absent = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < rows->column_count; i++) {
            bool sent = (rows->present_before != NULL && (rows->present_before[i / 8] >> (i % 8) & 1) != 0) ||
                        (rows->present_after != NULL && (rows->present_after[i / 8] >> (i % 8) & 1) != 0);
            absent += pass == 0 && !sent;
            if (pass == 1 && !sent && absent == excess)
                hide(definition, i);
        }
}

static void find_unseen(const struct mysql_stream *stream, const struct knowledge *knowledge,
                        const struct mysql_table_map *from, struct definition *out) {
    size_t n = from->column_count;
    size_t known = knowledge->schema != NULL    ? knowledge->schema->column_count
                   : knowledge->current != NULL ? knowledge->current->column_count
                                                : 0;
    for (size_t i = 0; from->has_names && i < n; i++)
        if (is_index_name(from->columns[i].name) && !is_known(knowledge, from->columns[i].name))
            hide(out, i);
    bool period = ends_with_period(stream, from) &&
                  (from->has_names ? !is_known(knowledge, "row_end") : known + PERIOD_COLUMNS == n);
    if (period) {
        hide(out, n - 2);
        hide(out, n - 1);
        out->has_row_end = true;
    } else if (!from->has_names && known < n) {
        hide_absent(&stream->rows.event.rows, n - known, out);
    }
}

/* ---- completing */

static bool complete_by_current(struct mysql_stream *stream, struct stream_map *map, const struct table *current,
                                size_t index, struct mysql_column *column, struct error *err) {
    struct mysql_column known;
    return mysql_schema_parse_type(&stream->collations, &map->arena, &current->columns[index], &known, err) &&
           mysql_column_complete(column, &known, err);
}

/* Names are in the map: by name, and what does not agree is not used. */
static void complete_by_name(struct mysql_stream *stream, struct stream_map *map, const struct knowledge *knowledge,
                             struct mysql_column *column, const char **source_type) {
    struct mysql_column copy = *column;
    struct error ignored;
    const struct mysql_schema_column *shown =
        knowledge->schema != NULL ? mysql_schema_find(knowledge->schema, column->name) : NULL;
    if (shown != NULL && mysql_column_complete(&copy, &shown->column, &ignored)) {
        *source_type = shown->source_type;
        *column = copy;
        return;
    }
    int at = knowledge->current != NULL ? table_find_column(knowledge->current, column->name) : -1;
    copy = *column;
    if (at >= 0 && complete_by_current(stream, map, knowledge->current, (size_t)at, &copy, &ignored)) {
        *source_type = knowledge->current->columns[at].source_type;
        *column = copy;
    }
}

/* Names are not in the map: by place, and everything has to agree. */
static bool complete_by_place(struct mysql_stream *stream, struct stream_map *map, const struct knowledge *knowledge,
                              const struct mysql_table_map *from, struct definition *out, struct error *err) {
    const struct mysql_schema *schema = knowledge->schema;
    size_t known = schema != NULL ? schema->column_count : knowledge->current->column_count;
    if (known != from->column_count - out->unseen_count)
        return error_set(
            err, ERROR_DATA,
            "the log has %zu columns, and information_schema %zu, which shows a later or earlier definition; "
            "SET GLOBAL binlog_row_metadata = FULL, so that the log carries its own",
            from->column_count - out->unseen_count, known);
    for (size_t i = 0, at = 0; i < from->column_count; i++) {
        if (out->unseen[i])
            continue;
        if (schema != NULL ? !mysql_column_complete(&out->columns[i], &schema->columns[at].column, err)
                           : !complete_by_current(stream, map, knowledge->current, at, &out->columns[i], err))
            return false;
        out->source_types[i] =
            schema != NULL ? schema->columns[at].source_type : knowledge->current->columns[at].source_type;
        at++;
    }
    return true;
}

static bool complete(struct mysql_stream *stream, struct stream_map *map, const struct knowledge *knowledge,
                     const struct mysql_table_map *from, struct definition *out, struct error *err) {
    size_t count = from->column_count;
    out->columns = arena_alloc(&map->arena, (count + 1) * sizeof *out->columns);
    out->source_types = arena_alloc(&map->arena, (count + 1) * sizeof *out->source_types);
    out->unseen = arena_alloc(&map->arena, (count + 1) * sizeof *out->unseen);
    for (size_t i = 0; i < count; i++)
        out->columns[i] = from->columns[i];
    find_unseen(stream, knowledge, from, out);
    if (!from->has_names)
        return complete_by_place(stream, map, knowledge, from, out, err);
    for (size_t i = 0; i < count; i++)
        complete_by_name(stream, map, knowledge, &out->columns[i], &out->source_types[i]);
    return true;
}

/* The key: the map's own, else that of whatever gave the names. */
static void build_key(struct stream_map *map, const struct knowledge *knowledge, const struct mysql_table_map *from,
                      const struct definition *definition, struct table *table) {
    if (!from->has_key && !from->has_names) { /* places in the table already */
        table->key = knowledge->schema != NULL ? knowledge->schema->key : knowledge->current->key;
        table->key_count = knowledge->schema != NULL ? knowledge->schema->key_count : knowledge->current->key_count;
        return;
    }
    uint16_t *places = arena_alloc(&map->arena, (from->key_count + 1) * sizeof *places);
    for (size_t i = 0; i < from->key_count; i++) {
        uint16_t place = from->key[i] < from->column_count ? definition->places[from->key[i]] : MYSQL_ROW_SKIP;
        if (place < table->column_count && !(definition->has_row_end && place == definition->row_end))
            places[table->key_count++] = place;
    }
    table->key = places;
}

static bool build(struct mysql_stream *stream, struct stream_map *map, const struct knowledge *knowledge,
                  const struct mysql_table_map *from, struct definition *out, struct error *err) {
    *out = (struct definition){0};
    if (!complete(stream, map, knowledge, from, out, err))
        return false;
    struct table *table = out->table = arena_alloc(&map->arena, sizeof *table);
    struct column *columns = arena_alloc(&map->arena, (from->column_count + 1) * sizeof *columns);
    out->places = arena_alloc(&map->arena, (from->column_count + 1) * sizeof *out->places);
    table->schema = map->table->schema;
    table->name = map->table->name;
    table->columns = columns;
    for (size_t i = 0; i < from->column_count; i++) {
        struct column *column = &columns[table->column_count];
        out->places[i] = MYSQL_ROW_SKIP;
        if (out->unseen[i])
            continue;
        if (!mysql_column_type(&out->columns[i], &column->type, err))
            return false;
        column->name = out->columns[i].name;
        column->nullable = out->columns[i].nullable;
        column->source_type = out->source_types[i];
        if (column->source_type == NULL)
            column->source_type = mysql_schema_describe(&stream->collations, &map->arena, &out->columns[i]);
        out->places[i] = (uint16_t)table->column_count++;
        if (mysql_schema_is_row_end(column->source_type)) {
            out->has_row_end = true;
            out->row_end = out->places[i];
        }
    }
    if (out->has_row_end && out->unseen[from->column_count - 1]) {
        out->row_end = table->column_count;
        out->places[from->column_count - 1] = (uint16_t)out->row_end;
    }
    build_key(map, knowledge, from, out, table);
    return true;
}

/* ---- plans */

static bool prepare_charsets(struct mysql_stream *stream, const struct mysql_column *columns, size_t count,
                             struct error *err) {
    for (size_t i = 0; i < count; i++) {
        const struct mysql_charset *charset = mysql_charsets_find(stream->collations.charsets, columns[i].collation);
        if (charset == NULL || mysql_charset_is_binary(charset) || mysql_charset_is_ready(charset))
            continue;
        struct mysql_conn *ask = stream_ask(stream, err);
        if (ask == NULL || !mysql_collations_prepare(&stream->collations, ask, columns[i].collation, err))
            return false;
    }
    return true;
}

static bool make_plan(struct mysql_stream *stream, struct stream_map *map, const struct mysql_table_map *from,
                      const struct definition *definition, struct error *err) {
    mysql_row_plan_free(map->plan);
    map->plan = NULL;
    map->defaults = NULL;
    if (!prepare_charsets(stream, definition->columns, from->column_count, err))
        return false;
    map->completed = *from;
    map->completed.columns = definition->columns;
    if (!mysql_row_plan_new(&map->completed, stream->collations.charsets, &stream->counters, &map->plan, err))
        return false;
    map->has_row_end = definition->has_row_end;
    map->row_end = definition->row_end;
    size_t places = definition->table->column_count;
    if (definition->unseen_count > 0)
        mysql_row_plan_reorder(map->plan, definition->places,
                               map->has_row_end && map->row_end == places ? places + 1 : places);
    return true;
}

/* ---- announcing another definition */

static struct source_event *push_table(struct mysql_stream *stream, struct stream_table *table, struct table *next) {
    table->source = source_tables_add(stream->tables, table->schema, table->name);
    table->dropped = false;
    struct source_event *event = stream_push(stream, SOURCE_TABLE);
    event->table = table->source;
    event->new_table = next;
    return event;
}

void stream_announce_next(struct mysql_stream *stream, struct stream_table *table, const struct mysql_schema *schema,
                          struct table *next) {
    struct source_event *event = push_table(stream, table, next);
    if (table->source->current != NULL) {
        struct column_rename *renames;
        event->rename_count = stream_collect_renames(stream, table, next, &renames);
        event->renames = renames;
        const char *unknown = stream_set_initial_values(stream, schema, table, next, renames, event->rename_count);
        if (unknown != NULL)
            event->reload =
                arena_printf(&stream->arena, "the log does not tell what the added column %s was filled with", unknown);
    }
    stream_forget_changes(stream, table);
}

bool stream_announce(struct mysql_stream *stream, struct stream_table *table, const char *reload, struct error *err) {
    struct mysql_conn *ask = stream_ask(stream, err);
    struct mysql_schema *schema = NULL;
    struct table *next;
    struct error unreadable;
    if (ask == NULL ||
        !mysql_schema_read(ask, &stream->collations, &stream->arena, table->schema, table->name, &schema, err))
        return false;
    if (schema == NULL || !mysql_schema_to_table(schema, &stream->arena, &next, &unreadable))
        return true; /* gone again; or its first row will say what is wrong */
    push_table(stream, table, next)->reload = reload;
    stream_forget_changes(stream, table);
    return true;
}

/* ---- settling */

static void fail(struct mysql_stream *stream, struct stream_map *map, struct error *why) {
    struct stream_table *table = map->table;
    if (table->source == NULL)
        table->source = source_tables_add(stream->tables, table->schema, table->name);
    stream_fail_table(stream, table, why);
}

/* Errors of kind DATA are the table's, others the stream's. */
static bool pass_or_fail(struct mysql_stream *stream, struct stream_map *map, struct error *why, struct error *err) {
    if (why->kind != ERROR_DATA) {
        *err = *why;
        return false;
    }
    fail(stream, map, why);
    return true;
}

static bool settle(struct mysql_stream *stream, struct stream_map *map, const struct mysql_table_map *from,
                   const struct definition *definition, struct error *err) {
    struct error why;
    map->version = map->table->source->current;
    if (!make_plan(stream, map, from, definition, &why))
        return pass_or_fail(stream, map, &why, err);
    stream_forget_changes(stream, map->table);
    return true;
}

/* The declared types, in the order of equal columns. Without names in the log they are what rows are read with, ENUM's labels
 * above all, after a restart too: they have to be as new as the last definition statement. */
static bool have_same_words(const struct table *a, const struct table *b) {
    for (size_t i = 0; i < a->column_count; i++) {
        const char *words_a = a->columns[i].source_type, *words_b = b->columns[i].source_type;
        if (words_a == NULL || words_b == NULL || strcmp(words_a, words_b) != 0)
            return false;
    }
    return true;
}

bool stream_is_known(const struct mysql_stream *stream, const struct stream_table *table, const struct table *next) {
    const struct table *current = table->source != NULL ? table->source->current : NULL;
    return current != NULL && !stream_adds_known_column(stream, table, current) &&
           mysql_schema_tables_equal(next, current) && have_same_words(next, current);
}

/* MariaDB keeps a SEQUENCE in a table and logs its steps as rows. */
static bool is_sequence(const struct mysql_table_map *from) {
    return from->has_names && from->column_count == 8 && strcmp(from->columns[0].name, "next_not_cached_value") == 0;
}

/* The log shows a table that neither capture nor the server knows: it is gone again, or never was a table to capture. */
static bool is_moot(const struct stream_table *table, const struct mysql_schema *schema,
                    const struct mysql_table_map *from) {
    return table->source == NULL && schema == NULL && (!from->has_names || is_sequence(from));
}

static bool resolve_by_server(struct mysql_stream *stream, struct stream_map *map, const struct mysql_table_map *from,
                              const struct table *current, struct error *err) {
    struct stream_table *table = map->table;
    struct knowledge knowledge = {.current = current};
    struct mysql_schema *schema = NULL;
    struct definition definition;
    struct error why;
    struct mysql_conn *ask = stream_ask(stream, err);
    if (ask == NULL)
        return false;
    if (!mysql_schema_read(ask, &stream->collations, &map->arena, table->schema, table->name, &schema, &why))
        return pass_or_fail(stream, map, &why, err);
    if (is_moot(table, schema, from)) {
        table->failed = true;
        if (!is_sequence(from))
            log_warning("table %s.%s is in the log, but no longer at the server: its rows are left out", table->schema,
                        table->name);
        return true;
    }
    knowledge.schema = schema;
    if (schema == NULL && !from->has_names) {
        error_set(&why, ERROR_DATA,
                  "table %s.%s is no longer at the server, and the log does not tell its columns; SET GLOBAL "
                  "binlog_row_metadata = FULL",
                  table->schema, table->name);
        return pass_or_fail(stream, map, &why, err);
    }
    if (!build(stream, map, &knowledge, from, &definition, &why)) {
        error_prefix(&why, "table %s.%s", table->schema, table->name);
        return pass_or_fail(stream, map, &why, err);
    }
    if (stream_is_known(stream, table, definition.table))
        return settle(stream, map, from, &definition, err);
    if (!make_plan(stream, map, from, &definition, &why)) /* before it is announced: rows must be readable */
        return pass_or_fail(stream, map, &why, err);
    map->announced = definition.table;
    stream_announce_next(stream, table, schema, definition.table);
    return true;
}

bool stream_resolve(struct mysql_stream *stream, struct mysql_table_map *from, struct error *err) {
    struct stream_map *map = from->user;
    struct stream_table *table = map->table;
    const struct table *current = table->source != NULL ? table->source->current : NULL;
    struct definition definition;
    struct error why;
    if (map->announced != NULL && current != NULL && mysql_schema_tables_equal(map->announced, current)) {
        map->version = current;
        return true;
    }
    if (map->announced != NULL) {
        error_set(&why, ERROR_DATA, "table %s.%s: its definition changes faster than it is read", table->schema,
                  table->name);
        fail(stream, map, &why);
        return true;
    }
    struct knowledge known = {.current = current};
    if (current != NULL && !stream_has_changes(stream, table) && build(stream, map, &known, from, &definition, &why) &&
        mysql_schema_tables_equal(definition.table, current))
        return settle(stream, map, from, &definition, err);
    return resolve_by_server(stream, map, from, current, err);
}

/* ---- columns that a row image leaves out */

static bool read_defaults(struct mysql_stream *stream, struct stream_map *map, struct error *err) {
    struct stream_table *table = map->table;
    struct mysql_schema *schema = NULL;
    struct mysql_conn *ask = stream_ask(stream, err);
    if (ask == NULL ||
        !mysql_schema_read(ask, &stream->collations, &map->arena, table->schema, table->name, &schema, err))
        return false;
    map->defaults = arena_alloc(&map->arena, (map->version->column_count + 1) * sizeof *map->defaults);
    map->generated = arena_alloc(&map->arena, (map->version->column_count + 1) * sizeof *map->generated);
    for (size_t i = 0; schema != NULL && i < map->version->column_count; i++) {
        const struct mysql_schema_column *shown = mysql_schema_find(schema, map->version->columns[i].name);
        if (shown == NULL)
            continue;
        map->defaults[i] = shown->initial;
        map->generated[i] = shown->generated;
    }
    return true;
}

bool stream_default(struct mysql_stream *stream, struct stream_map *map, size_t column, struct value *out,
                    struct error *err) {
    if (map->defaults == NULL && !read_defaults(stream, map, err))
        return false;
    /* MySQL logs computed columns that change with others; MariaDB never logs virtual ones in partial images. */
    bool may_have_changed = map->generated[column] && mysql_conn_server(stream->log)->mariadb;
    if (out == NULL ? may_have_changed : !map->defaults[column].known)
        return error_set(
            err, ERROR_DATA,
            "table %s.%s: the log leaves out column %s, whose value cannot be known without it; SET GLOBAL "
            "binlog_row_image = FULL",
            map->table->schema, map->table->name, map->version->columns[column].name);
    if (out != NULL)
        *out = mysql_default_value(&stream->arena, map->version->columns[column].type, map->defaults[column].text);
    return true;
}
