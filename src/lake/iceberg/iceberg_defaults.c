/* Default values of columns, which version 3 has: what rows have that were written before their column was there. In the
 * metadata they are JSON, as the specification's "JSON single-value serialization" says; for SQL they are raw texts. */
#include <stdio.h>

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
