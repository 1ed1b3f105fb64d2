#include "task/load_cast.h"

#include <assert.h>
#include <string.h>

#include "model/value.h"

#define FITS_FUNCTION "sluice_fits"

enum { VALUE_SHOWN_CHARACTERS = 64 };

/* --- which casts there are */

bool load_cast_is_exact(struct type from, struct type to) {
    bool from_integer = from.kind == TYPE_INT32 || from.kind == TYPE_INT64;
    if (!load_cast_can_fail(from, to))
        return true;
    if (from_integer)
        return to.kind == TYPE_INT32 || to.kind == TYPE_INT64 || to.kind == TYPE_DECIMAL;
    return from.kind == TYPE_DECIMAL && to.kind == TYPE_DECIMAL && to.scale >= from.scale;
}

bool load_cast_can_fail(struct type from, struct type to) {
    return !type_equal(from, to) && !type_is_widening(from, to) && to.kind != TYPE_STRING &&
           !(from.kind == TYPE_DATE && to.kind == TYPE_TIMESTAMP);
}

/* --- texts: what a CSV file may have is what a Parquet file may have */

static int32_t fits(struct slice text, struct slice type_text) {
    char name[TYPE_TEXT_BYTES] = "";
    struct type type;
    assert(type_text.len < sizeof name);
    memcpy(name, type_text.data, type_text.len);
    bool ok = type_parse(name, &type);
    assert(ok); /* type_format wrote it */
    return value_fits(text, type);
}

bool load_cast_prepare(struct engine *engine, const struct load_schema *schema, struct error *err) {
    for (size_t p = 0; p < schema->part_count; p++)
        for (size_t i = 0; i < schema->column_count; i++)
            if (schema->parts[p].fields[i].checked)
                return engine_function_add(engine, FITS_FUNCTION, fits, err);
    return true;
}

static void append_text(struct buf *sql, const struct load_part *part, int column) {
    buf_append_text(sql, part->parquet->nested[column] ? "CAST(to_json(" : "CAST(");
    buf_append_sql_name(sql, part->columns[column].name);
    buf_append_text(sql, part->parquet->nested[column] ? ") AS VARCHAR)" : " AS VARCHAR)");
}

static void append_cast_of_text(struct buf *sql, const struct load_part *part, int column, struct type target) {
    char name[TYPE_TEXT_BYTES], type[TYPE_TEXT_BYTES];
    type_format(target, name);
    type_format_sql(target, type);
    buf_append_text(sql, " WHEN " FITS_FUNCTION "(");
    append_text(sql, part, column);
    buf_printf(sql, ", '%s') = 1 THEN %s(", name, target.kind == TYPE_BINARY ? "unhex" : "CAST");
    append_text(sql, part, column);
    if (target.kind != TYPE_BINARY)
        buf_printf(sql, " AS %s", type);
    buf_append_char(sql, ')');
}

/* --- other values: they have to come back equal; a floating-point number is the nearest */

static void append_cast_of_value(struct buf *sql, const struct column *column, struct type target) {
    char type[TYPE_TEXT_BYTES], from[TYPE_TEXT_BYTES];
    struct buf cast;
    bool nearest = target.kind == TYPE_FLOAT32 || target.kind == TYPE_FLOAT64;
    type_format_sql(target, type);
    type_format_sql(column->type, from);
    buf_init(&cast, BUF_MAX_DEFAULT);
    buf_append_text(&cast, "TRY_CAST(");
    buf_append_sql_name(&cast, column->name);
    buf_printf(&cast, " AS %s)", type);
    if (nearest) {
        buf_printf(sql, " WHEN %s IS NOT NULL", cast.data);
    } else {
        buf_printf(sql, " WHEN TRY_CAST(%s AS %s) = ", cast.data, from);
        buf_append_sql_name(sql, column->name);
    }
    buf_printf(sql, " THEN %s", cast.data);
    buf_deinit(&cast);
}

/* --- the error */

void load_cast_append_file(struct buf *sql, const struct load_part *part, const char *folder) {
    /* A column of that name hides the engine's own: then at least the folder is said. */
    bool hidden = load_find_column(part->columns, part->column_count, "file_index") >= 0;
    if (part->file_count == 1 || hidden) {
        char *name = mem_printf("%s%s", folder, part->file_count == 1 ? part->files[0].name : "");
        buf_append_sql_text(sql, name, strlen(name));
        mem_free(name);
        return;
    }
    buf_append_text(sql, "([");
    for (size_t i = 0; i < part->file_count; i++) {
        char *name = mem_printf("%s%s", folder, part->files[i].name);
        buf_append_text(sql, i > 0 ? ", " : "");
        buf_append_sql_text(sql, name, strlen(name));
        mem_free(name);
    }
    buf_append_text(sql, "])[CAST(file_index AS BIGINT) + 1]");
}

/* `shop/t/LOAD00000001.parquet, column "v": "12.6" is not an int`, as of a CSV file. */
static void append_error(struct buf *sql, const struct load_part *part, const char *folder, int column,
                         struct type target) {
    char *named = mem_printf(", column \"%s\": \"", part->columns[column].name), name[TYPE_TEXT_BYTES];
    type_format(target, name);
    buf_append_text(sql, " ELSE error(concat(");
    load_cast_append_file(sql, part, folder);
    buf_append_text(sql, ", ");
    buf_append_sql_text(sql, named, strlen(named));
    buf_append_text(sql, ", left(");
    append_text(sql, part, column);
    buf_printf(sql, ", %d), '\" is not %s %s')) END", VALUE_SHOWN_CHARACTERS,
               strchr("aeiou", name[0]) != NULL ? "an" : "a", name);
    mem_free(named);
}

void load_cast_append_checked(struct buf *sql, const struct load_part *part, const char *folder, int column,
                              struct type target) {
    buf_append_text(sql, "CASE WHEN ");
    buf_append_sql_name(sql, part->columns[column].name);
    buf_append_text(sql, " IS NULL THEN NULL");
    if (part->columns[column].type.kind == TYPE_STRING)
        append_cast_of_text(sql, part, column, target);
    else
        append_cast_of_value(sql, &part->columns[column], target);
    append_error(sql, part, folder, column, target);
}
