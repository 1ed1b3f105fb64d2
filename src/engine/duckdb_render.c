#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "engine/duckdb_internal.h"

struct value render_string(const duckdb_string_t *string) {
    uint32_t len = string->value.inlined.length;
    /* DuckDB keeps up to 12 bytes in place of the pointer. */
    const char *data =
        len <= sizeof string->value.inlined.inlined ? string->value.inlined.inlined : string->value.pointer.ptr;
    return (struct value){data, len, VALUE_TEXT};
}

void engine_append_path(struct buf *sql, const char *path) {
    struct buf plain;
    buf_init(&plain, BUF_MAX_DEFAULT);
    for (const char *c = path; *c != '\0'; c++) { /* a bracket around them keeps them from being patterns */
        if (*c == '*' || *c == '?' || *c == '[')
            buf_printf(&plain, "[%c]", *c);
        else
            buf_append_char(&plain, *c);
    }
    buf_append_sql_text(sql, plain.data, plain.len);
    buf_deinit(&plain);
}

static bool is_valid(duckdb_vector vector, idx_t row) {
    uint64_t *validity = duckdb_vector_get_validity(vector);
    return validity == NULL || duckdb_validity_row_is_valid(validity, row);
}

static json_t *json_of(duckdb_vector vector, idx_t row);

static json_t *json_of_map(duckdb_vector vector, idx_t row) {
    duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    duckdb_vector entries = duckdb_list_vector_get_child(vector);
    duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
    duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
    json_t *object = json_object();
    for (idx_t i = entry.offset; i < entry.offset + entry.length; i++) {
        struct value key = render_string((duckdb_string_t *)duckdb_vector_get_data(keys) + i);
        json_t *value = json_of(values, i);
        if (value == NULL || json_object_setn_new(object, key.data, key.len, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* A new reference; NULL for a type that is not rendered. */
static json_t *json_of(duckdb_vector vector, idx_t row) {
    if (!is_valid(vector, row))
        return json_null();
    duckdb_logical_type type = duckdb_vector_get_column_type(vector);
    void *data = duckdb_vector_get_data(vector);
    json_t *json = NULL;
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_VARCHAR: {
        struct value text = render_string((duckdb_string_t *)data + row);
        json = json_stringn_nocheck(text.data, text.len);
        break;
    }
    case DUCKDB_TYPE_BOOLEAN:
        json = json_boolean(((bool *)data)[row]);
        break;
    case DUCKDB_TYPE_INTEGER:
        json = json_integer(((int32_t *)data)[row]);
        break;
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UBIGINT: /* counts and sizes: below 2^63 */
        json = json_integer(((int64_t *)data)[row]);
        break;
    case DUCKDB_TYPE_MAP:
        json = json_of_map(vector, row);
        break;
    default:
        break;
    }
    duckdb_destroy_logical_type(&type);
    return json;
}

bool render_value(struct arena *arena, duckdb_vector vector, idx_t row, struct value *out) {
    json_t *json = json_of(vector, row);
    if (json == NULL)
        return false;
    *out = (struct value){NULL, 0, VALUE_NULL};
    if (json_is_string(json)) {
        *out = render_string((duckdb_string_t *)duckdb_vector_get_data(vector) + row);
    } else if (!json_is_null(json)) {
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
        const char *copy = arena_strdup(arena, text);
        *out = (struct value){copy, (uint32_t)strlen(copy), VALUE_TEXT};
        free(text);
    }
    json_decref(json);
    return true;
}
