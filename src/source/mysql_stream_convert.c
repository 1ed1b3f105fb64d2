/* Did ALTER TABLE change values that exist? It writes no row events for them.
 *
 * Judged by the types that the statement itself declares: information_schema shows what later statements made of them. A column
 * that was made narrow and wide again looks as if nothing had happened, and its values are cut all the same. Values are those of
 * the known definition as long as no row came since, whatever statements have kept them meanwhile. */
#include <string.h>
#include <strings.h>

#include "source/mysql_convert.h"
#include "source/mysql_stream.h"

static bool is_text_type(const char *type) {
    static const char *const types[] = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strncmp(type, types[i], strcspn(type, "(")) == 0 && types[i][strcspn(type, "(")] == '\0')
            return true;
    return false;
}

/* The name that this server has for it: utf8 and utf8mb3 are one. */
static const char *exact_charset(const struct mysql_stream *stream, const char *charset) {
    const struct mysql_collations *collations = &stream->collations;
    bool is_utf8 = strcmp(charset, "utf8") == 0 || strcmp(charset, "utf8mb3") == 0;
    if (is_utf8 && mysql_collations_charset_id(collations, charset) == MYSQL_COLLATION_UNKNOWN)
        return strcmp(charset, "utf8") == 0 ? "utf8mb3" : "utf8";
    return charset;
}

/* *out NULL when there is no such table any more. */
static bool find_table_charset(struct mysql_stream *stream, const struct stream_table *table, const char **out,
                               struct error *err) {
    struct mysql_conn *ask = stream_ask(stream, err);
    struct mysql_result result;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT table_collation AS name FROM information_schema.tables WHERE table_schema = ");
    mysql_append_text(&sql, table->schema);
    buf_append_text(&sql, " AND table_name = ");
    mysql_append_text(&sql, table->name);
    bool ok = ask != NULL && mysql_conn_query(ask, &stream->arena, &result, err, "%s", sql.data);
    buf_deinit(&sql);
    const char *collation = ok ? mysql_result_named(&result, "name") : NULL;
    uint16_t id = collation != NULL ? mysql_collations_id(&stream->collations, collation) : MYSQL_COLLATION_UNKNOWN;
    const struct mysql_charset *charset = mysql_charsets_find(stream->collations.charsets, id);
    *out = charset != NULL ? mysql_charset_name(charset) : NULL;
    return ok;
}

/* The declared type as the known one is written: "varchar(30) character set latin1"; *out NULL when it is not clear. */
static bool find_words(struct mysql_stream *stream, const struct stream_table *table,
                       const struct mysql_changed_column *changed, const char **out, struct error *err) {
    const char *type = changed->type, *charset = changed->charset;
    *out = type;
    if (type != NULL && strcmp(type, "json") == 0 && mysql_conn_server(stream->log)->mariadb) {
        type = "longtext";
        charset = "utf8mb4";
    }
    if (type == NULL || !is_text_type(type))
        return true;
    if (charset == NULL && !find_table_charset(stream, table, &charset, err))
        return false;
    *out = charset != NULL ? arena_printf(&stream->arena, "%s character set %s", type, exact_charset(stream, charset))
                           : NULL;
    return true;
}

static bool keeps_values(struct mysql_stream *stream, const struct column *from, const char *words, bool nullable,
                         bool strict) {
    struct column to = {.name = from->name, .nullable = nullable, .source_type = words};
    struct mysql_column declared;
    struct error unclear;
    return words != NULL && mysql_schema_parse_type(&stream->collations, &stream->arena, &to, &declared, &unclear) &&
           mysql_column_type(&declared, &to.type, &unclear) && mysql_convert_keeps_values(from, &to, strict);
}

/* TIMESTAMP is NOT NULL without a word on servers that are set so. */
static bool is_nullable(const struct mysql_changed_column *changed) {
    bool timestamp = changed->type != NULL && strncmp(changed->type, "timestamp", sizeof "timestamp" - 1) == 0;
    return changed->nullable && (changed->says_null || !timestamp);
}

/* *out: the name of the column whose values may be others, or NULL. */
static bool find_changed(struct mysql_stream *stream, const struct stream_table *table,
                         const struct mysql_statement *statement, const char **out, struct error *err) {
    for (size_t i = 0; i < statement->changed_count && *out == NULL; i++) {
        const struct mysql_changed_column *changed = &statement->changed[i];
        const char *words;
        if (changed->name == NULL) {
            *out = "?";
            return true;
        }
        const struct column *from = stream_known_column(stream, table, changed->name);
        if (from == NULL) { /* added since */
            stream_doubt_default(stream, table, changed->name);
            continue;
        }
        if (!find_words(stream, table, changed, &words, err))
            return false;
        if (changed->computed || !keeps_values(stream, from, words, is_nullable(changed), statement->strict))
            *out = changed->name;
    }
    return true;
}

/* CONVERT TO CHARACTER SET: all texts of the table. */
static const char *find_converted(struct mysql_stream *stream, const struct stream_table *table,
                                  const struct mysql_statement *statement) {
    static const char words[] = " character set ";
    const struct table *current = table->source->current;
    for (size_t i = 0; statement->converts_to != NULL && i < current->column_count; i++) {
        const struct column *from = &current->columns[i];
        const char *type = from->source_type != NULL ? from->source_type : "";
        size_t len = strlen(type);
        while (len > 0 && strncmp(type + len, words, sizeof words - 1) != 0)
            len--;
        if (len == 0)
            continue;
        const char *to = *statement->converts_to == '\0'
                             ? NULL
                             : arena_printf(&stream->arena, "%.*s%s%s", (int)len, type, words,
                                            exact_charset(stream, statement->converts_to));
        if (!keeps_values(stream, from, to, from->nullable, statement->strict))
            return from->name;
    }
    return NULL;
}

bool stream_convert_rows(struct mysql_stream *stream, struct stream_table *table,
                         const struct mysql_statement *statement, struct error *err) {
    const char *column = find_converted(stream, table, statement);
    if (!find_changed(stream, table, statement, &column, err))
        return false;
    if (column == NULL)
        return true;
    const char *what = arena_printf(&stream->arena, "ALTER TABLE %s.%s may have changed the values of column %s",
                                    table->schema, table->name, column);
    return stream_announce(stream, table, what, err);
}
