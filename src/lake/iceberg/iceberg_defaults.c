/* Default values of columns, which version 3 has: what rows have that were written before their column was there. In the
 * metadata they are JSON, as the specification's "JSON single-value serialization" says; for SQL they are raw texts. */
#include <math.h>
#include <string.h>

#include "lake/iceberg/iceberg.h"

const char *iceberg_default_text(struct arena *arena, struct type type, const json_t *value) {
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value))
        return arena_printf(arena, "%lld", (long long)json_integer_value(value));
    if (json_is_real(value))
        return arena_printf(arena, type.kind == TYPE_FLOAT32 ? "%.9g" : "%.17g", json_real_value(value));
    return arena_strdup(arena, json_string_value(value));
}

static json_t *text_json(struct iceberg_type type, struct slice value) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    if (type.kind == ICEBERG_BINARY)
        buf_append_hex(&text, value.data, value.len);
    else
        iceberg_value_append_text(&text, type, value);
    /* Readers of JSON end a text at a NUL. */
    json_t *json = memchr(text.data, '\0', text.len) == NULL ? json_stringn(text.data, text.len) : NULL;
    buf_deinit(&text);
    return json;
}

json_t *iceberg_default_json(struct arena *arena, struct type type, const char *text) {
    struct iceberg_type iceberg = iceberg_type_of(type);
    struct slice value;
    double real;
    if (!iceberg_value_parse(arena, iceberg, slice_of(text), &value))
        return NULL;
    switch (iceberg.kind) {
    case ICEBERG_BOOLEAN:
        return json_boolean(iceberg_value_to_int(iceberg, value) != 0);
    case ICEBERG_INT:
    case ICEBERG_LONG:
        return json_integer(iceberg_value_to_int(iceberg, value));
    case ICEBERG_FLOAT:
    case ICEBERG_DOUBLE:
        real = iceberg_value_to_double(iceberg, value);
        return isfinite(real) ? json_real(real) : NULL;
    default:
        return text_json(iceberg, value);
    }
}
