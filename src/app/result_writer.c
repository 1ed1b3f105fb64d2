#include "app/result_writer.h"

#include <stdio.h>
#include <string.h>

#include "app/text_table.h"
#include "base/cancel.h"
#include "base/mem.h"

enum { FLUSH_BYTES = 1 << 16, TABLE_ROWS_A_PART = 1000 };

/* --- types ------------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *type, const char *const *names) {
    for (; *names != NULL; names++)
        if (strcmp(type, *names) == 0)
            return true;
    return false;
}

static bool is_integer(const char *type) {
    static const char *const names[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",   "HUGEINT", "UTINYINT",
                                        "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", NULL};
    return is_one_of(type, names);
}

static bool is_float(const char *type) { return strcmp(type, "FLOAT") == 0 || strcmp(type, "DOUBLE") == 0; }

static bool is_numeric(const char *type) {
    return is_integer(type) || is_float(type) || strncmp(type, "DECIMAL(", 8) == 0;
}

/* --- one row ------------------------------------------------------------------------------------------------------------ */

static void append_csv_text(struct buf *out, const char *data, size_t len) {
    bool quote = len == 0;
    for (size_t i = 0; i < len && !quote; i++)
        quote = strchr(",\"\r\n", data[i]) != NULL || data[i] == '\0';
    if (!quote) {
        buf_append(out, data, len);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '"')
            buf_append_char(out, '"');
        buf_append_char(out, data[i]);
    }
    buf_append_char(out, '"');
}

void result_format_csv(struct buf *out, const struct value *row, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        if (row[i].kind != VALUE_NULL)
            append_csv_text(out, row[i].data, row[i].len);
    }
    buf_append_char(out, '\n');
}

static void append_json_text(struct buf *out, const char *data, size_t len) {
    buf_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_append_text(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_char(out, '"');
}

/* nan, inf and -inf are no numbers of JSON. */
static bool is_finite_text(const struct value *value) {
    return value->len > 0 && memchr(value->data, 'n', value->len) == NULL;
}

static void append_json_value(struct buf *out, const char *type, const struct value *value) {
    if (value->kind == VALUE_NULL)
        buf_append_text(out, "null");
    else if (is_integer(type) || strcmp(type, "BOOLEAN") == 0 || (is_float(type) && is_finite_text(value)))
        buf_append(out, value->data, value->len);
    else
        append_json_text(out, value->data, value->len);
}

void result_format_jsonl(struct buf *out, const char *const *names, const char *const *types, const struct value *row,
                         size_t count) {
    buf_append_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_text(out, ", ");
        append_json_text(out, names[i], strlen(names[i]));
        buf_append_text(out, ": ");
        append_json_value(out, types[i], &row[i]);
    }
    buf_append_text(out, "}\n");
}

/* --- all rows ------------------------------------------------------------------------------------------------------------ */

struct writer {
    enum result_format format;
    size_t column_count;
    const char **names, **types;
    struct text_table *table; /* TABLE */
    struct buf out;           /* not printed yet */
    uint64_t rows;
    bool *printed;
};

static bool flush(struct writer *writer) {
    if (writer->out.len > 0) {
        *writer->printed = true;
        fwrite(writer->out.data, 1, writer->out.len, stdout);
        buf_clear(&writer->out);
    }
    return !ferror(stdout);
}

static void write_head(struct writer *writer) {
    for (size_t i = 0; i < writer->column_count && writer->format == RESULT_TABLE; i++)
        text_table_set_column(writer->table, i, writer->names[i], is_numeric(writer->types[i]));
    if (writer->format != RESULT_CSV)
        return;
    for (size_t i = 0; i < writer->column_count; i++) {
        if (i > 0)
            buf_append_char(&writer->out, ',');
        append_csv_text(&writer->out, writer->names[i], strlen(writer->names[i]));
    }
    buf_append_char(&writer->out, '\n');
}

/* False when the reader went away. */
static bool write_row(struct writer *writer, const struct value *row) {
    writer->rows++;
    switch (writer->format) {
    case RESULT_TABLE:
        for (size_t i = 0; i < writer->column_count; i++)
            text_table_add(writer->table, row[i].kind == VALUE_NULL ? NULL : row[i].data, row[i].len);
        if (writer->rows % TABLE_ROWS_A_PART == 0)
            text_table_print(writer->table, &writer->out);
        break;
    case RESULT_CSV:
        result_format_csv(&writer->out, row, writer->column_count);
        break;
    case RESULT_JSONL:
        result_format_jsonl(&writer->out, writer->names, writer->types, row, writer->column_count);
        break;
    }
    return writer->out.len < FLUSH_BYTES || flush(writer);
}

static void write_end(struct writer *writer) {
    if (writer->format == RESULT_TABLE) {
        text_table_print(writer->table, &writer->out);
        buf_printf(&writer->out, "(%llu row%s)\n", (unsigned long long)writer->rows, writer->rows == 1 ? "" : "s");
    }
    flush(writer);
}

bool result_write(struct engine_result *result, enum result_format format, bool *printed, struct error *err) {
    struct writer writer = {.format = format, .column_count = engine_result_columns(result), .printed = printed};
    writer.names = mem_zalloc(writer.column_count * sizeof *writer.names);
    writer.types = mem_zalloc(writer.column_count * sizeof *writer.types);
    for (size_t i = 0; i < writer.column_count; i++) {
        writer.names[i] = engine_result_name(result, i);
        writer.types[i] = engine_result_type(result, i);
    }
    writer.table = format == RESULT_TABLE ? text_table_new(writer.column_count) : NULL;
    buf_init(&writer.out, BUF_MAX_DEFAULT);
    write_head(&writer);
    const struct value *row = NULL;
    bool ok, wanted = true;
    while ((ok = cancel_check(err) && engine_result_next(result, &row, err)) && row != NULL && wanted)
        wanted = write_row(&writer, row);
    if (ok)
        write_end(&writer);
    text_table_free(writer.table);
    buf_deinit(&writer.out);
    mem_free(writer.names);
    mem_free(writer.types);
    return ok;
}
