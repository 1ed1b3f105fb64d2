#include "source/mysql_schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "mapping/mapping.h"
#include "source/mysql_default.h"

static const char CHARSET_WORDS[] = " character set ";

/* ---- which tables */

static bool is_system_schema(const char *schema) {
    static const char *const names[] = {"mysql", "sys", "information_schema", "performance_schema"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(schema, names[i]) == 0)
            return true;
    return false;
}

bool mysql_schema_is_chosen(const struct config_source *config, const char *schema, const char *name) {
    if (mapping_has_selection(config->mapping))
        return !is_system_schema(schema) && mapping_selects(config->mapping, schema, name);
    const char *pattern = config->schema_filter != NULL ? config->schema_filter : "%";
    /* `database` is a name, not a pattern: "_" in it is only itself. */
    bool schema_chosen = strcmp(pattern, "%") == 0 && config->database != NULL ? strcmp(schema, config->database) == 0
                                                                               : table_name_matches(pattern, schema);
    return schema_chosen && !is_system_schema(schema) &&
           table_name_matches(config->table_filter != NULL ? config->table_filter : "%", name);
}

bool mysql_schema_list(struct mysql_conn *conn, const struct config_source *config, struct arena *arena,
                       struct mysql_schema_name **out, size_t *count, struct error *err) {
    struct mysql_result result;
    if (!mysql_conn_query(conn, arena, &result, err,
                          "SELECT table_schema, table_name, engine FROM information_schema.tables"
                          " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_schema, table_name"))
        return error_prefix(err, "listing the tables");
    *out = arena_alloc(arena, (result.row_count + 1) * sizeof **out);
    *count = 0;
    for (size_t i = 0; i < result.row_count; i++) {
        struct mysql_schema_name name = {mysql_result_cell(&result, i, 0), mysql_result_cell(&result, i, 1),
                                         mysql_result_cell(&result, i, 2)};
        if (mysql_schema_is_chosen(config, name.schema, name.name))
            (*out)[(*count)++] = name;
    }
    return true;
}

/* ---- one table */

static void append_place(struct buf *sql, const char *schema, const char *name) {
    buf_append_text(sql, " WHERE table_schema = ");
    mysql_append_text(sql, schema);
    buf_append_text(sql, " AND table_name = ");
    mysql_append_text(sql, name);
}

static bool query_of_table(struct mysql_conn *conn, struct arena *arena, const char *select, const char *schema,
                           const char *name, const char *rest, struct mysql_result *out, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, select);
    append_place(&sql, schema, name);
    buf_append_text(&sql, rest);
    bool ok = mysql_conn_query(conn, arena, out, err, "%s", sql.data);
    buf_deinit(&sql);
    return ok;
}

enum column_cell { CELL_NAME, CELL_TYPE, CELL_NULLABLE, CELL_EXTRA, CELL_DEFAULT, CELL_COLLATION, CELL_CHARSET };
static const char COLUMNS_SELECT[] =
    "SELECT column_name, column_type, is_nullable, extra, column_default, collation_name,"
    " character_set_name FROM information_schema.columns";

static bool read_column(const struct mysql_collations *collations, struct arena *arena, bool mariadb,
                        const struct mysql_result *result, size_t row, struct mysql_schema_column *out,
                        struct error *err) {
    const char *extra = mysql_result_cell(result, row, CELL_EXTRA);
    const char *type = mysql_result_cell(result, row, CELL_TYPE);
    const char *collation = mysql_result_cell(result, row, CELL_COLLATION);
    const char *charset = mysql_result_cell(result, row, CELL_CHARSET);
    struct mysql_column_info info = {.name = mysql_result_cell(result, row, CELL_NAME),
                                     .column_type = type,
                                     .nullable = strcasecmp(mysql_result_cell(result, row, CELL_NULLABLE), "YES") == 0,
                                     .extra = extra != NULL ? extra : ""};
    if (collation != NULL) {
        info.collation = mysql_collations_id(collations, collation);
        const struct mysql_charset *known = mysql_charsets_find(collations->charsets, info.collation);
        if (known == NULL)
            return error_set(err, ERROR_DATA, "column \"%s\": its collation %s is not known to sluice", info.name,
                             collation);
        info.char_max_bytes = mysql_charset_max_bytes(known);
    }
    if (!mysql_column_from_info(arena, &info, &out->column, err))
        return false;
    out->source_type = charset != NULL ? arena_printf(arena, "%s%s%s", type, CHARSET_WORDS, charset) : type;
    out->generated = strcasestr(info.extra, "GENERATED") != NULL && strcasestr(info.extra, "DEFAULT_GENERATED") == NULL;
    struct mysql_default_info initial = {
        .text = mysql_result_cell(result, row, CELL_DEFAULT), .extra = info.extra, .mariadb = mariadb};
    out->initial = mysql_default_read(arena, &out->column, &initial);
    return true;
}

/* The columns of WITH SYSTEM VERSIONING, where they are declared; else they are invisible even here. */
static bool read_period(struct mysql_conn *conn, struct arena *arena, struct mysql_schema *schema, struct error *err) {
    struct mysql_result result;
    if (!query_of_table(conn, arena, "SELECT column_name FROM information_schema.columns", schema->schema, schema->name,
                        " AND generation_expression = 'ROW END'", &result, err))
        return false;
    for (size_t c = 0; result.row_count > 0 && c < schema->column_count; c++) {
        struct mysql_schema_column *column = &schema->columns[c];
        if (strcmp(column->column.name, mysql_result_cell(&result, 0, 0)) == 0)
            column->source_type = arena_printf(arena, "%s%s", column->source_type, MYSQL_ROW_END_WORDS);
    }
    return true;
}

bool mysql_schema_is_row_end(const char *source_type) {
    size_t len = source_type != NULL ? strlen(source_type) : 0, words = sizeof MYSQL_ROW_END_WORDS - 1;
    return len > words && strcmp(source_type + len - words, MYSQL_ROW_END_WORDS) == 0;
}

static bool read_key(struct mysql_conn *conn, struct arena *arena, struct mysql_schema *schema, struct error *err) {
    struct mysql_result result;
    if (!query_of_table(conn, arena, "SELECT column_name FROM information_schema.statistics", schema->schema,
                        schema->name, " AND index_name = 'PRIMARY' ORDER BY seq_in_index", &result, err))
        return false;
    uint16_t *key = arena_alloc(arena, (result.row_count + 1) * sizeof *key);
    for (size_t i = 0; i < result.row_count; i++)
        for (size_t c = 0; c < schema->column_count; c++)
            if (strcmp(schema->columns[c].column.name, mysql_result_cell(&result, i, 0)) == 0 &&
                !mysql_schema_is_row_end(schema->columns[c].source_type))
                key[schema->key_count++] = (uint16_t)c;
    schema->key = key;
    return true;
}

bool mysql_schema_read(struct mysql_conn *conn, const struct mysql_collations *collations, struct arena *arena,
                       const char *schema, const char *name, struct mysql_schema **out, struct error *err) {
    struct mysql_result table, columns;
    *out = NULL;
    if (!query_of_table(conn, arena, "SELECT engine, table_type FROM information_schema.tables", schema, name,
                        " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')", &table, err) ||
        !query_of_table(conn, arena, COLUMNS_SELECT, schema, name, " ORDER BY ordinal_position", &columns, err))
        return error_prefix(err, "reading the columns of %s.%s", schema, name);
    if (table.row_count == 0 || columns.row_count == 0)
        return true;
    struct mysql_schema *found = arena_alloc(arena, sizeof *found);
    found->schema = arena_strdup(arena, schema);
    found->name = arena_strdup(arena, name);
    found->engine = mysql_result_cell(&table, 0, 0);
    found->versioned = strcmp(mysql_result_cell(&table, 0, 1), "SYSTEM VERSIONED") == 0;
    found->columns = arena_alloc(arena, columns.row_count * sizeof *found->columns);
    for (; found->column_count < columns.row_count; found->column_count++)
        if (!read_column(collations, arena, mysql_conn_server(conn)->mariadb, &columns, found->column_count,
                         &found->columns[found->column_count], err))
            return error_prefix(err, "table %s.%s", schema, name);
    if ((found->versioned && !read_period(conn, arena, found, err)) || !read_key(conn, arena, found, err))
        return error_prefix(err, "reading the key of %s.%s", schema, name);
    *out = found;
    return true;
}

const struct mysql_schema_column *mysql_schema_find(const struct mysql_schema *schema, const char *column) {
    for (size_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].column.name, column) == 0)
            return &schema->columns[i];
    return NULL;
}

bool mysql_schema_to_table(const struct mysql_schema *schema, struct arena *arena, struct table **out,
                           struct error *err) {
    struct table *table = arena_alloc(arena, sizeof *table);
    struct column *columns = arena_alloc(arena, schema->column_count * sizeof *columns);
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct mysql_schema_column *from = &schema->columns[i];
        columns[i] = (struct column){
            .name = from->column.name, .nullable = from->column.nullable, .source_type = from->source_type};
        if (!mysql_column_type(&from->column, &columns[i].type, err))
            return error_prefix(err, "table %s.%s", schema->schema, schema->name);
    }
    *table = (struct table){.schema = schema->schema,
                            .name = schema->name,
                            .columns = columns,
                            .column_count = schema->column_count,
                            .key = schema->key,
                            .key_count = schema->key_count};
    *out = table;
    return true;
}

/* ---- source_type */

/* Where " character set x" begins at the end of a source_type, or NULL: an ENUM's labels may hold the words as well. */
static const char *find_charset(const char *source_type) {
    const char *found = NULL;
    for (const char *at = source_type; (at = strstr(at, CHARSET_WORDS)) != NULL; at++)
        found = at;
    if (found == NULL)
        return NULL;
    const char *name = found + sizeof CHARSET_WORDS - 1;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' ? found : NULL;
}

bool mysql_schema_parse_type(const struct mysql_collations *collations, struct arena *arena,
                             const struct column *column, struct mysql_column *out, struct error *err) {
    const char *type = column->source_type != NULL ? column->source_type : "";
    struct mysql_column_info info = {
        .name = column->name, .column_type = type, .nullable = column->nullable, .extra = ""};
    const char *charset = find_charset(type);
    if (charset != NULL) {
        info.column_type = arena_strndup(arena, type, (size_t)(charset - type));
        info.collation = mysql_collations_charset_id(collations, charset + sizeof CHARSET_WORDS - 1);
        const struct mysql_charset *known = mysql_charsets_find(collations->charsets, info.collation);
        if (known == NULL)
            return error_set(err, ERROR_DATA, "column \"%s\": the server has no character set %s", column->name,
                             charset + sizeof CHARSET_WORDS - 1);
        info.char_max_bytes = mysql_charset_max_bytes(known);
    }
    if (!mysql_column_from_info(arena, &info, out, err))
        return false;
    out->has_visibility = false; /* the words do not tell */
    return true;
}

const char *mysql_schema_describe(const struct mysql_collations *collations, struct arena *arena,
                                  const struct mysql_column *column) {
    const struct mysql_charset *charset = mysql_charsets_find(collations->charsets, column->collation);
    bool text = charset != NULL && !mysql_charset_is_binary(charset);
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    mysql_column_describe(column, text ? mysql_charset_max_bytes(charset) : 1, &out);
    if (text)
        buf_printf(&out, "%s%s", CHARSET_WORDS, mysql_charset_name(charset));
    const char *described = arena_strndup(arena, out.data, out.len);
    buf_deinit(&out);
    return described;
}

bool mysql_schema_tables_equal(const struct table *a, const struct table *b) {
    if (a->column_count != b->column_count || a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
            !type_equal(a->columns[i].type, b->columns[i].type) || a->columns[i].nullable != b->columns[i].nullable)
            return false;
    for (size_t i = 0; i < a->key_count; i++)
        if (a->key[i] != b->key[i])
            return false;
    return true;
}
