#include "model/table.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum { TABLE_COLUMNS_MAX = 65535 }; /* keys hold indexes in 16 bits; no source has as many */

int table_find_column(const struct table *table, const char *name) {
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool column_name_is_reserved(const char *name) {
    static const char *const reserved[] = {"Op", "_op", "_seq", "_unchanged"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return true;
    return strncasecmp(name, "_sluice", strlen("_sluice")) == 0;
}

struct table *table_copy(struct arena *arena, const struct table *table) {
    struct table *copy = arena_alloc(arena, sizeof *copy);
    *copy = *table;
    copy->schema = arena_strdup(arena, table->schema);
    copy->name = arena_strdup(arena, table->name);
    copy->source_stamp = arena_strdup(arena, table->source_stamp);

    struct column *columns = arena_alloc(arena, table->column_count * sizeof *columns);
    for (size_t i = 0; i < table->column_count; i++) {
        columns[i] = table->columns[i];
        columns[i].name = arena_strdup(arena, table->columns[i].name);
        columns[i].source_type = arena_strdup(arena, table->columns[i].source_type);
        columns[i].initial = arena_strdup(arena, table->columns[i].initial);
    }
    copy->columns = columns;

    uint16_t *key = arena_alloc(arena, table->key_count * sizeof *key);
    for (size_t i = 0; i < table->key_count; i++)
        key[i] = table->key[i];
    copy->key = key;
    return copy;
}

/* --- JSON. */

/* A missing or unknown text is null in JSON and NULL here. */
static json_t *json_text_or_null(const char *text) { return text != NULL ? json_string(text) : json_null(); }

static void add_source_id(json_t *json, uint32_t source_id) {
    if (source_id != 0)
        json_object_set_new(json, "source_id", json_integer((json_int_t)source_id));
}

static json_t *column_to_json(const struct column *column) {
    char type[TYPE_TEXT_BYTES];
    type_format(column->type, type);
    json_t *json = json_pack("{s:I, s:s, s:s, s:b, s:o, s:o}", "id", (json_int_t)column->id, "name", column->name,
                             "type", type, "nullable", (int)column->nullable, "source_type",
                             json_text_or_null(column->source_type), "initial", json_text_or_null(column->initial));
    assert(json != NULL); /* only text that is not UTF-8 cannot be packed, and sources give UTF-8 */
    add_source_id(json, column->source_id);
    return json;
}

json_t *table_to_json(const struct table *table) {
    json_t *columns = json_array(), *key = json_array();
    for (size_t i = 0; i < table->column_count; i++)
        json_array_append_new(columns, column_to_json(&table->columns[i]));
    for (size_t i = 0; i < table->key_count; i++)
        json_array_append_new(key, json_string(table->columns[table->key[i]].name));
    json_t *json = json_pack("{s:s, s:s, s:I, s:o, s:o}", "schema", table->schema, "name", table->name, "version",
                             (json_int_t)table->version, "columns", columns, "key", key);
    assert(json != NULL);
    add_source_id(json, table->source_id);
    if (table->source_stamp != NULL)
        json_object_set_new(json, "source_stamp", json_string(table->source_stamp));
    return json;
}

/* True when `value` is a number from 0 to UINT32_MAX. */
static bool json_to_u32(const json_t *value, uint32_t *out) {
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

/* A missing one is 0. */
static bool source_id_from_json(const json_t *json, uint32_t *out, struct error *err) {
    const json_t *id = json_object_get(json, "source_id");
    return id == NULL || json_to_u32(id, out) ||
           error_set(err, ERROR_DATA, "table as JSON: \"source_id\" is no number");
}

static bool column_from_json(struct arena *arena, const json_t *json, struct column *out, struct error *err) {
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *type = json_string_value(json_object_get(json, "type"));
    const json_t *nullable = json_object_get(json, "nullable");
    if (name == NULL)
        return error_set(err, ERROR_DATA, "table as JSON: a column without \"name\"");
    if (type == NULL || !type_parse(type, &out->type))
        return error_set(err, ERROR_DATA, "table as JSON: column \"%s\": \"%s\" is no type", name,
                         type != NULL ? type : "");
    if (!json_is_boolean(nullable))
        return error_set(err, ERROR_DATA, "table as JSON: column \"%s\": \"nullable\" is not true or false", name);
    if (!json_to_u32(json_object_get(json, "id"), &out->id))
        return error_set(err, ERROR_DATA, "table as JSON: column \"%s\": \"id\" is not a column id", name);
    out->name = arena_strdup(arena, name);
    out->nullable = json_is_true(nullable);
    out->source_type = arena_strdup(arena, json_string_value(json_object_get(json, "source_type")));
    out->initial = arena_strdup(arena, json_string_value(json_object_get(json, "initial")));
    return source_id_from_json(json, &out->source_id, err);
}

static bool columns_from_json(struct arena *arena, const json_t *json, struct table *table, struct error *err) {
    size_t count = json_array_size(json);
    if (!json_is_array(json) || count > TABLE_COLUMNS_MAX)
        return error_set(err, ERROR_DATA, "table as JSON: \"columns\" is not a list of at most %d columns",
                         TABLE_COLUMNS_MAX);
    struct column *columns = arena_alloc(arena, count * sizeof *columns);
    table->columns = columns;
    for (size_t i = 0; i < count; i++) {
        if (!column_from_json(arena, json_array_get(json, i), &columns[i], err))
            return false;
        if (table_find_column(table, columns[i].name) >= 0)
            return error_set(err, ERROR_DATA, "table as JSON: column \"%s\" is there twice", columns[i].name);
        table->column_count++;
    }
    return true;
}

static bool key_from_json(struct arena *arena, const json_t *json, struct table *table, struct error *err) {
    size_t count = json_array_size(json);
    if (!json_is_array(json) || count > table->column_count)
        return error_set(err, ERROR_DATA, "table as JSON: \"key\" is not a list of columns");
    uint16_t *key = arena_alloc(arena, count * sizeof *key);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(json, i));
        int column = name != NULL ? table_find_column(table, name) : -1;
        if (column < 0)
            return error_set(err, ERROR_DATA, "table as JSON: the key's column \"%s\" is not a column",
                             name != NULL ? name : "");
        key[i] = (uint16_t)column;
    }
    table->key = key;
    table->key_count = count;
    return true;
}

bool table_from_json(struct arena *arena, const json_t *json, struct table **out, struct error *err) {
    const char *schema = json_string_value(json_object_get(json, "schema"));
    const char *name = json_string_value(json_object_get(json, "name"));
    if (schema == NULL || name == NULL)
        return error_set(err, ERROR_DATA, "table as JSON: \"schema\" or \"name\" is missing");
    struct table *table = arena_alloc(arena, sizeof *table);
    table->schema = arena_strdup(arena, schema);
    table->name = arena_strdup(arena, name);
    table->source_stamp = arena_strdup(arena, json_string_value(json_object_get(json, "source_stamp")));
    bool ok = json_to_u32(json_object_get(json, "version"), &table->version) ||
              error_set(err, ERROR_DATA, "table as JSON: \"version\" is not a version");
    ok = ok && source_id_from_json(json, &table->source_id, err) &&
         columns_from_json(arena, json_object_get(json, "columns"), table, err) &&
         key_from_json(arena, json_object_get(json, "key"), table, err);
    if (!ok)
        return error_prefix(err, "%s.%s", schema, name);
    *out = table;
    return true;
}

/* --- column ids. */

/* The column of `previous` that lives on under `name`: by rename, else by its name unless that was renamed away. */
static const struct column *find_predecessor(const struct table *previous, const char *name,
                                             const struct column_rename *renames, size_t rename_count) {
    const char *old_name = name;
    bool renamed_away = false;
    for (size_t i = 0; i < rename_count; i++) {
        if (strcmp(renames[i].to, name) == 0) {
            old_name = renames[i].from;
            renamed_away = false;
            break;
        }
        renamed_away = renamed_away || strcmp(renames[i].from, name) == 0;
    }
    int index = renamed_away ? -1 : table_find_column(previous, old_name);
    return index >= 0 ? &previous->columns[index] : NULL;
}

void table_assign_ids(struct table *next, const struct table *previous, const struct column_rename *renames,
                      size_t rename_count, uint32_t *next_id) {
    struct column *columns = (struct column *)next->columns; /* next is still being built */
    for (size_t i = 0; i < next->column_count; i++) {
        const struct column *old =
            previous != NULL ? find_predecessor(previous, columns[i].name, renames, rename_count) : NULL;
        columns[i].id = old != NULL && old->id > 0 ? old->id : ++*next_id;
    }
    next->version = previous != NULL ? previous->version + 1 : 1;
}

/* --- DMS wildcards. */

/* Behind the UTF-8 character at p, so that `_` and the sets take whole characters. Stray bytes count as one each. */
static const char *next_character(const char *p) {
    p++;
    while (((unsigned char)*p & 0xC0) == 0x80)
        p++;
    return p;
}

/* Compares two UTF-8 characters: bytewise order is code point order. */
static int compare_characters(const char *a, const char *b) {
    size_t a_len = (size_t)(next_character(a) - a), b_len = (size_t)(next_character(b) - b);
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* The set [ab] or [a-d] whose `[` is at p: behind its `]`, or NULL when it is not closed. */
static const char *match_set(const char *p, const char *name, bool *matches) {
    *matches = false;
    for (p++; *p != ']';) {
        if (*p == '\0')
            return NULL;
        const char *low = p, *high = p;
        p = next_character(p);
        if (*p == '-' && p[1] != ']' && p[1] != '\0') {
            high = p + 1;
            p = next_character(high);
        }
        *matches = *matches || (compare_characters(name, low) >= 0 && compare_characters(name, high) <= 0);
    }
    return p + 1;
}

/* Matches one character of the name against what is at the pattern: returns the rest of the pattern, or NULL. */
static const char *match_one(const char *pattern, const char *name) {
    if (*pattern == '\0')
        return NULL;
    if (*pattern == '_')
        return pattern + 1;
    if (*pattern == '[') {
        bool matches;
        const char *rest = match_set(pattern, name, &matches);
        if (rest != NULL)
            return matches ? rest : NULL;
    }
    return compare_characters(pattern, name) == 0 ? next_character(pattern) : NULL;
}

/* Only the last % needs to be tried again: whatever earlier ones took, the last can take as well. */
bool table_name_matches(const char *pattern, const char *name) {
    const char *retry_pattern = NULL, *retry_name = NULL;
    while (*name != '\0' || *pattern == '%') {
        if (*pattern == '%') {
            retry_pattern = ++pattern;
            retry_name = name;
            continue;
        }
        const char *rest = match_one(pattern, name);
        if (rest != NULL) {
            pattern = rest;
            name = next_character(name);
        } else if (retry_pattern != NULL) {
            retry_name = next_character(retry_name);
            pattern = retry_pattern;
            name = retry_name;
        } else {
            return false;
        }
    }
    return *pattern == '\0';
}
