#include "task/load_reader.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct load_reader {
    struct csv_reader *csv;
    char *name; /* of the object, for errors */
    bool full_load;
    bool has_op;
    struct arena arena; /* the names */
    const char **names;
    size_t name_count;
    const struct value *first; /* a file without header: its first record, which is still to be given */
    size_t first_count;
    const struct value *record; /* the last one */
    size_t record_count;
    bool leaves_out; /* wrong records: */
    load_reader_bad_fn bad;
    void *bad_context;
};

enum { REASON_BYTES = 160 };

/* AWS DMS writes texts bare where it can: without a word agreed on (csv_no_sup_value), a text that reads UNCHANGED is just
 * that. No bare field holds a line end, so this word never occurs. */
#define WORD_THAT_NEVER_OCCURS "\n"

struct load_format load_format_of(const struct config *config, struct store *raw, const char *folder, bool captured) {
    const struct config_raw *options = &config->raw;
    bool agreed = captured || strcmp(options->csv_no_sup_value, csv_dialect_default.unchanged_word) != 0;
    return (struct load_format){
        .raw = raw,
        .folder = folder,
        .dialect = {.delimiter = options->csv_delimiter[0],
                    .row_delimiter = options->csv_row_delimiter,
                    .quoting = options->rfc4180,
                    .header = options->add_column_name,
                    .null_word = options->csv_null_value,
                    .unchanged_word = agreed ? options->csv_no_sup_value : WORD_THAT_NEVER_OCCURS},
        .timestamp_column = options->timestamp_column_name,
        .captured = captured,
    };
}

static bool fail(const struct load_reader *reader, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Kind DATA, with file and line before the text. */
static bool fail(const struct load_reader *reader, struct error *err, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(err, ERROR_DATA, "%s: line %llu: %s", reader->name,
                     (unsigned long long)csv_reader_line(reader->csv), text);
}

/* --- the names of the columns */

static bool is_op_name(const struct value *field) {
    return field->kind == VALUE_TEXT && field->len == 2 && strncasecmp(field->data, "op", 2) == 0;
}

static bool is_op_value(const struct value *field) {
    return field->kind == VALUE_TEXT && field->len == 1 &&
           strchr("IUD", toupper((unsigned char)field->data[0])) != NULL;
}

static bool add_name(struct load_reader *reader, const struct value *field, struct error *err) {
    if (field->kind != VALUE_TEXT || field->len == 0)
        return fail(reader, err, "column %zu of the header has no name", reader->name_count + reader->has_op + 1);
    const char *name = arena_strndup(&reader->arena, field->data, field->len);
    for (size_t i = 0; i < reader->name_count; i++)
        if (strcasecmp(reader->names[i], name) == 0)
            return fail(reader, err, "the header names column \"%s\" twice", name);
    reader->names[reader->name_count++] = name;
    return true;
}

static bool take_header(struct load_reader *reader, const struct value *fields, size_t count, struct error *err) {
    reader->has_op = is_op_name(&fields[0]);
    if (!reader->has_op && !reader->full_load && is_op_value(&fields[0]))
        return fail(
            reader, err,
            "the first line is a change, not a header: set raw: add_column_name: false, and declare the columns of the "
            "table in their order (tables: columns)");
    reader->names = arena_alloc(&reader->arena, (count + 1) * sizeof *reader->names);
    for (size_t i = reader->has_op; i < count; i++)
        if (!add_name(reader, &fields[i], err))
            return false;
    return true;
}

/* Without a header the number of fields says whether there is an Op in front. */
static bool take_expected(struct load_reader *reader, const struct load_format *format, const char *const *expected,
                          size_t expected_count, size_t field_count, struct error *err) {
    if (expected == NULL)
        return fail(reader, err,
                    "the file has no header (raw: add_column_name: false): declare the columns of the table in "
                    "their order (tables: columns)");
    reader->names = arena_alloc(&reader->arena, (expected_count + 1) * sizeof *reader->names);
    for (size_t i = 0; i < expected_count; i++)
        reader->names[reader->name_count++] = arena_strdup(&reader->arena, expected[i]);
    if (format->timestamp_column != NULL)
        reader->names[reader->name_count++] = arena_strdup(&reader->arena, format->timestamp_column);
    reader->has_op = reader->full_load ? field_count == reader->name_count + 1 : field_count != reader->name_count;
    return true;
}

static bool read_names(struct load_reader *reader, const struct load_format *format, const char *const *expected,
                       size_t expected_count, struct error *err) {
    const struct value *fields;
    size_t count;
    if (!csv_reader_next(reader->csv, &fields, &count, err))
        return false;
    if (count == 0)
        return true;
    if (format->dialect.header)
        return take_header(reader, fields, count, err);
    reader->first = fields;
    reader->first_count = count;
    return take_expected(reader, format, expected, expected_count, count, err);
}

/* --- life and rows */

bool load_reader_open(const struct load_format *format, const struct raw_file *file, const char *const *expected,
                      size_t expected_count, struct load_reader **out, struct error *err) {
    struct load_reader *reader = mem_zalloc(sizeof *reader);
    arena_init(&reader->arena);
    reader->name = mem_printf("%s%s", format->folder, file->name);
    reader->full_load = file->kind == RAW_FULL_LOAD;
    if (!csv_reader_open(format->raw, reader->name, file->format == RAW_CSV_GZIP, &format->dialect, &reader->csv,
                         err) ||
        !read_names(reader, format, expected, expected_count, err)) {
        load_reader_close(reader);
        return false;
    }
    *out = reader;
    return true;
}

void load_reader_close(struct load_reader *reader) {
    if (reader == NULL)
        return;
    csv_reader_close(reader->csv);
    arena_deinit(&reader->arena);
    mem_free(reader->name);
    mem_free(reader);
}

const char *const *load_reader_names(const struct load_reader *reader, size_t *count) {
    *count = reader->name_count;
    return reader->names;
}

static bool judge_op(const struct load_reader *reader, const struct value *field, char *op, char *reason) {
    if (!is_op_value(field)) {
        int shown = field->kind != VALUE_TEXT ? 4 : field->len < 40 ? (int)field->len : 40;
        snprintf(reason, REASON_BYTES, "Op is \"%.*s\", not I, U or D", shown,
                 field->kind == VALUE_TEXT ? field->data : "NULL");
        return false;
    }
    *op = (char)toupper((unsigned char)field->data[0]);
    if (reader->full_load && *op == CHANGE_DELETE) {
        snprintf(reason, REASON_BYTES, "a full load cannot hold a row with Op D");
        return false;
    }
    return true;
}

/* The record as a whole; false with the reason. */
static bool judge_record(const struct load_reader *reader, char *op, char *reason) {
    size_t want = reader->name_count + reader->has_op;
    *op = CHANGE_INSERT;
    if (reader->record_count != want) {
        snprintf(reason, REASON_BYTES, "the record has %zu fields, and the %s says %zu", reader->record_count,
                 reader->names != NULL ? "header" : "table", want);
        return false;
    }
    return !reader->has_op || judge_op(reader, &reader->record[0], op, reason);
}

/* Without fields at the end. */
static bool next_record(struct load_reader *reader, struct error *err) {
    reader->record = reader->first;
    reader->record_count = reader->first_count;
    reader->first = NULL;
    return reader->record != NULL || csv_reader_next(reader->csv, &reader->record, &reader->record_count, err);
}

bool load_reader_next(struct load_reader *reader, char *op, const struct value **values, struct error *err) {
    char reason[REASON_BYTES];
    for (;;) {
        if (!next_record(reader, err))
            return false;
        *values = NULL;
        if (reader->record_count == 0)
            return true;
        if (judge_record(reader, op, reason))
            break;
        if (!reader->leaves_out)
            return fail(reader, err, "%s", reason);
        if (reader->bad != NULL && !reader->bad(reader->bad_context, reason, err))
            return false;
    }
    *values = reader->record + reader->has_op;
    return true;
}

void load_reader_leave_out(struct load_reader *reader, load_reader_bad_fn bad, void *context) {
    reader->leaves_out = true;
    reader->bad = bad;
    reader->bad_context = context;
}

const struct value *load_reader_record(const struct load_reader *reader, size_t *count) {
    *count = reader->record_count;
    return reader->record;
}

const char *load_reader_file(const struct load_reader *reader) { return reader->name; }
uint64_t load_reader_line(const struct load_reader *reader) { return csv_reader_line(reader->csv); }

void load_reader_where(const struct load_reader *reader, struct buf *out) {
    buf_printf(out, "%s: line %llu", reader->name, (unsigned long long)csv_reader_line(reader->csv));
}
