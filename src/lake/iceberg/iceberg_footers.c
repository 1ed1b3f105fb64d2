/* What the footers of Parquet files say: whether the files have exactly the form that a data file of the table has, and the
 * metrics of their columns for the manifest.
 *
 * Strict: whatever sluice would not write itself (times in other units, unsigned and fixed-length types, nested columns, field
 * ids of another table, zones and durations of Arrow, encodings and compressions that some reader of Iceberg does not know)
 * does not fit, because there the readers differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lake/iceberg/iceberg.h"
#include "lake/iceberg/iceberg_adopt.h"
#include "lake/iceberg/iceberg_arrow.h"

/* The columns of the four queries; all begin with the file's. */
enum schema_column {
    SCHEMA_FILE,
    SCHEMA_NAME,
    SCHEMA_PHYSICAL,
    SCHEMA_REPETITION,
    SCHEMA_CHILDREN,
    SCHEMA_CONVERTED,
    SCHEMA_FIELD_ID,
    SCHEMA_LOGICAL,
    SCHEMA_ENGINE_TYPE,
    SCHEMA_COLUMNS,
};
#define SCHEMA_QUERY                                                                                                   \
    "SELECT file_name, name, type, repetition_type, num_children, converted_type, field_id, logical_type, "            \
    "duckdb_type FROM parquet_schema(["
#define SCHEMA_ORDER "]) WHERE column_id > 0 ORDER BY file_name, column_id"

enum chunk_column {
    CHUNK_FILE,
    CHUNK_COLUMN,
    CHUNK_VALUES,
    CHUNK_NULLS,
    CHUNK_MIN,
    CHUNK_MAX,
    CHUNK_BYTES,
    CHUNK_COMPRESSION,
    CHUNK_ENCODINGS,
};
#define CHUNK_QUERY                                                                                                    \
    "SELECT file_name, column_id, num_values, stats_null_count, stats_min_value, stats_max_value, "                    \
    "total_compressed_size, compression, encodings FROM parquet_metadata(["
#define CHUNK_ORDER "]) ORDER BY file_name, row_group_id, column_id"

enum size_column { SIZE_FILE, SIZE_BYTES, SIZE_ROWS, SIZE_ENCRYPTION };
#define SIZE_QUERY "SELECT file_name, file_size_bytes, num_rows, encryption_algorithm FROM parquet_file_metadata(["
#define SIZE_ORDER "])"

/* Files of one load have one schema, as a rule: each is looked at once. */
enum arrow_column { ARROW_FILE, ARROW_MESSAGE };
#define ARROW_QUERY "SELECT min(file_name), value FROM parquet_kv_metadata(["
#define ARROW_ORDER "]) WHERE key = CAST('" ICEBERG_ARROW_SCHEMA "' AS BLOB) GROUP BY value"

/* One column of one file, over its row groups. */
struct metric {
    int64_t bytes, values, nulls;
    bool nulls_known, bounds_known;
    struct slice low, high; /* null: no value but nulls so far */
};

struct file {
    struct iceberg_footer *footer;
    size_t *fields; /* of each of the file's columns, in their order: which field it is */
    size_t column_count;
    struct metric *metrics; /* one per field */
    int64_t chunk_rows;     /* of Op */
};

struct reading {
    struct iceberg_load *load;
    const struct iceberg_metric_field *fields;
    size_t field_count;
    struct file *files;
    size_t file_count;
    size_t at; /* the file of the row before */
    const char **why;
};

static bool is_text(const struct value *value, const char *text) {
    return value->kind != VALUE_NULL && value->len == strlen(text) && memcmp(value->data, text, value->len) == 0;
}

static bool has_text(const struct value *value, const char *text) {
    return value->kind != VALUE_NULL && memmem(value->data, value->len, text, strlen(text)) != NULL;
}

static int64_t number_of(const struct value *value) {
    char digits[32] = "";
    if (value->kind == VALUE_NULL)
        return ICEBERG_NO_NUMBER;
    memcpy(digits, value->data, value->len < sizeof digits - 1 ? value->len : sizeof digits - 1);
    return strtoll(digits, NULL, 10);
}

/* The first reason is kept. */
static void misfit(struct reading *reading, const struct file *file, const char *what, const struct value *column) {
    if (*reading->why != NULL)
        return;
    *reading->why = column == NULL ? arena_printf(reading->load->arena, "%s: %s", file->footer->name, what)
                                   : arena_printf(reading->load->arena, "%s, column \"%.*s\": %s", file->footer->name,
                                                  (int)(column->len < 64 ? column->len : 64), column->data, what);
}

/* --- forms */

/* What a column of each type is in a data file. Whole numbers that are narrower in the source are stored as INT32 too. */
static const struct form {
    enum iceberg_type_kind kind;
    const char *physical, *engine_type;
    const char *logical; /* is in the logical type; NULL: whatever it is */
} forms[] = {
    {ICEBERG_BOOLEAN, "BOOLEAN", "BOOLEAN", NULL},
    {ICEBERG_INT, "INT32", "INTEGER", NULL},
    {ICEBERG_INT, "INT32", "SMALLINT", NULL},
    {ICEBERG_INT, "INT32", "TINYINT", NULL},
    {ICEBERG_LONG, "INT64", "BIGINT", NULL},
    {ICEBERG_FLOAT, "FLOAT", "FLOAT", NULL},
    {ICEBERG_DOUBLE, "DOUBLE", "DOUBLE", NULL},
    {ICEBERG_DATE, "INT32", "DATE", NULL},
    {ICEBERG_TIMESTAMP, "INT64", "TIMESTAMP", "isAdjustedToUTC=0, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds()"},
    {ICEBERG_TIMESTAMPTZ, "INT64", "TIMESTAMP WITH TIME ZONE",
     "isAdjustedToUTC=1, unit=TimeUnit(MILLIS=<null>, MICROS=MicroSeconds()"},
};

static bool is_plain_text(const struct value *row) {
    return is_text(&row[SCHEMA_PHYSICAL], "BYTE_ARRAY") && is_text(&row[SCHEMA_ENGINE_TYPE], "VARCHAR") &&
           (is_text(&row[SCHEMA_CONVERTED], "UTF8") || is_text(&row[SCHEMA_LOGICAL], "StringType()"));
}

static bool is_plain_binary(const struct value *row) {
    return is_text(&row[SCHEMA_PHYSICAL], "BYTE_ARRAY") && is_text(&row[SCHEMA_ENGINE_TYPE], "BLOB") &&
           row[SCHEMA_CONVERTED].kind == VALUE_NULL && row[SCHEMA_LOGICAL].kind == VALUE_NULL;
}

/* The specification has the smallest that holds the precision; all readers take a fixed length in its place. */
static bool is_plain_decimal(struct iceberg_type type, const struct value *row) {
    char name[TYPE_TEXT_BYTES];
    type_format_sql((struct type){TYPE_DECIMAL, type.precision, type.scale}, name);
    return is_text(&row[SCHEMA_ENGINE_TYPE], name) &&
           (is_text(&row[SCHEMA_PHYSICAL], "FIXED_LEN_BYTE_ARRAY") ||
            (type.precision <= 9 && is_text(&row[SCHEMA_PHYSICAL], "INT32")) ||
            (type.precision <= 18 && is_text(&row[SCHEMA_PHYSICAL], "INT64")));
}

static bool has_form(struct iceberg_type type, const struct value *row) {
    if (type.kind == ICEBERG_STRING)
        return is_plain_text(row);
    if (type.kind == ICEBERG_BINARY)
        return is_plain_binary(row);
    if (type.kind == ICEBERG_DECIMAL)
        return is_plain_decimal(type, row);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].kind == type.kind && is_text(&row[SCHEMA_PHYSICAL], forms[i].physical) &&
            is_text(&row[SCHEMA_ENGINE_TYPE], forms[i].engine_type) &&
            (forms[i].logical == NULL || has_text(&row[SCHEMA_LOGICAL], forms[i].logical)))
            return true;
    return false;
}

/* The field that a column of the file is; SIZE_MAX: none. */
static size_t find_field(const struct reading *reading, const struct file *file, const struct value *name) {
    for (size_t i = 0; i < reading->field_count; i++)
        if (file->footer->columns[i] != NULL && is_text(name, file->footer->columns[i]))
            return i;
    return SIZE_MAX;
}

static void take_column(struct reading *reading, struct file *file, const struct value *row) {
    size_t field = find_field(reading, file, &row[SCHEMA_NAME]);
    bool nested = (row[SCHEMA_CHILDREN].kind != VALUE_NULL && !is_text(&row[SCHEMA_CHILDREN], "0")) ||
                  is_text(&row[SCHEMA_REPETITION], "REPEATED");
    if (nested || field == SIZE_MAX || file->column_count == reading->field_count)
        misfit(reading, file, "the table has no such column", &row[SCHEMA_NAME]);
    else if (row[SCHEMA_FIELD_ID].kind != VALUE_NULL)
        misfit(reading, file, "it has a field id, which is not the table's", &row[SCHEMA_NAME]);
    else if (!has_form(reading->fields[field].type, row))
        misfit(reading, file, "its Parquet type is not the one that the table's readers expect", &row[SCHEMA_NAME]);
    else
        file->fields[file->column_count++] = field;
}

static void check_columns(struct reading *reading) {
    for (size_t f = 0; f < reading->file_count; f++) {
        size_t wanted = 0;
        for (size_t i = 0; i < reading->field_count; i++)
            wanted += reading->files[f].footer->columns[i] != NULL;
        if (reading->files[f].column_count != wanted)
            misfit(reading, &reading->files[f], "it does not have each column once", NULL);
    }
}

/* --- column chunks */

/* "PLAIN, RLE_DICTIONARY": those that all readers have decoded since there are tables of Iceberg. */
static bool has_old_encodings(const struct value *list) {
    static const char *const known[] = {"PLAIN", "PLAIN_DICTIONARY", "RLE", "RLE_DICTIONARY", "BIT_PACKED"};
    char text[256] = "";
    if (list->kind == VALUE_NULL || list->len >= sizeof text)
        return false;
    memcpy(text, list->data, list->len);
    char *rest = text;
    for (char *word; (word = strtok_r(rest, ", ", &rest)) != NULL;) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            found = found || strcmp(word, known[i]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool has_known_compression(const struct value *name) {
    return is_text(name, "UNCOMPRESSED") || is_text(name, "SNAPPY") || is_text(name, "GZIP") || is_text(name, "ZSTD");
}

/* Of floating-point columns Parquet's bounds may or may not count NaN, and the engine shows bytes, and texts that were cut in
 * the middle of a character, in a form of its own: no bounds then. */
static bool parse_bound(const struct reading *reading, struct iceberg_type type, const struct value *text,
                        struct slice *out) {
    if (text->kind == VALUE_NULL || type.kind == ICEBERG_FLOAT || type.kind == ICEBERG_DOUBLE ||
        type.kind == ICEBERG_BINARY || (type.kind == ICEBERG_STRING && has_text(text, "\\x")))
        return false;
    return iceberg_value_parse(reading->load->arena, type, (struct slice){text->data, text->len}, out);
}

static void join_bounds(struct metric *metric, struct iceberg_type type, struct slice low, struct slice high) {
    if (iceberg_value_is_null(metric->low) || iceberg_value_compare(type, low, metric->low) < 0)
        metric->low = low;
    if (iceberg_value_is_null(metric->high) || iceberg_value_compare(type, high, metric->high) > 0)
        metric->high = high;
}

/* Op of all rows is the same, I or U: then the bounds say all of it. */
static bool is_op_of_full_load(const struct value *row) {
    return is_text(&row[CHUNK_NULLS], "0") && ((is_text(&row[CHUNK_MIN], "I") && is_text(&row[CHUNK_MAX], "I")) ||
                                               (is_text(&row[CHUNK_MIN], "U") && is_text(&row[CHUNK_MAX], "U")));
}

static void take_chunk(struct reading *reading, struct file *file, const struct value *row) {
    int64_t column = number_of(&row[CHUNK_COLUMN]), values = number_of(&row[CHUNK_VALUES]);
    int64_t nulls = number_of(&row[CHUNK_NULLS]);
    struct slice low, high;
    if (*reading->why != NULL)
        return;
    if (column < 0 || (size_t)column >= file->column_count || values < 0) {
        misfit(reading, file, "its footer is not as its schema", NULL);
        return;
    }
    size_t field = file->fields[column];
    struct iceberg_type type = reading->fields[field].type;
    struct metric *metric = &file->metrics[field];
    if (!has_known_compression(&row[CHUNK_COMPRESSION]))
        misfit(reading, file, "not all readers know its compression", NULL);
    if (!has_old_encodings(&row[CHUNK_ENCODINGS]))
        misfit(reading, file, "not all readers know its encodings", NULL);
    if (field == 0 && values > 0 && !is_op_of_full_load(row))
        misfit(reading, file, "its statistics do not say that Op of all rows is I, or U", NULL);
    if (field == 0)
        file->chunk_rows += values;
    metric->bytes += number_of(&row[CHUNK_BYTES]);
    metric->values += values;
    metric->nulls += nulls;
    metric->nulls_known = metric->nulls_known && nulls >= 0;
    if (nulls == values)
        return;
    if (parse_bound(reading, type, &row[CHUNK_MIN], &low) && parse_bound(reading, type, &row[CHUNK_MAX], &high))
        join_bounds(metric, type, low, high);
    else
        metric->bounds_known = false;
}

static void take_size(struct reading *reading, struct file *file, const struct value *row) {
    file->footer->file.size_bytes = number_of(&row[SIZE_BYTES]);
    file->footer->file.record_count = number_of(&row[SIZE_ROWS]);
    if (row[SIZE_ENCRYPTION].kind != VALUE_NULL)
        misfit(reading, file, "it is encrypted", NULL);
    else if (file->chunk_rows != file->footer->file.record_count || file->footer->file.size_bytes <= 0)
        misfit(reading, file, "its footer does not say how many rows it has", NULL);
}

/* --- what Arrow's readers make of the columns */

static void take_arrow(struct reading *reading, struct file *file, const struct value *row) {
    const struct value *text = &row[ARROW_MESSAGE];
    uint8_t *message = arena_alloc(reading->load->arena, text->len + 1);
    int len = EVP_DecodeBlock(message, (const unsigned char *)text->data, (int)text->len); /* -1: it is no base64 */
    struct slice column;
    const char *why = iceberg_arrow_misfit((struct slice){(const char *)message, len > 0 ? (size_t)len : 0}, &column);
    struct value name = {.kind = VALUE_TEXT, .data = column.data, .len = (uint32_t)column.len};
    if (why != NULL)
        misfit(reading, file, why, column.data != NULL ? &name : NULL);
}

/* --- queries */

static struct file *find_file(struct reading *reading, const struct value *path) {
    for (size_t i = 0; i < reading->file_count; i++) {
        size_t at = (reading->at + i) % reading->file_count; /* rows come file by file */
        if (is_text(path, reading->files[at].footer->path)) {
            reading->at = at;
            return &reading->files[at];
        }
    }
    return NULL;
}

static bool query(struct reading *reading, const char *select, const char *order,
                  void (*take)(struct reading *reading, struct file *file, const struct value *row),
                  struct error *err) {
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    struct buf sql;
    if (*reading->why != NULL)
        return true;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, select);
    for (size_t i = 0; i < reading->file_count; i++) {
        buf_append_text(&sql, i == 0 ? "" : ", ");
        engine_append_path(&sql, reading->files[i].footer->path);
    }
    buf_append_text(&sql, order);
    bool ok = engine_query(reading->load->connection, sql.data, &result, err);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL) {
        struct file *file = find_file(reading, &row[0]);
        ok = file != NULL || error_set(err, ERROR_INTERNAL, "the engine read %.*s, which nobody asked for",
                                       (int)row[0].len, row[0].data);
        if (ok)
            take(reading, file, row);
    }
    engine_result_free(result);
    buf_deinit(&sql);
    return ok;
}

/* --- the result */

static void set_metrics(const struct reading *reading, const struct file *file) {
    struct arena *arena = reading->load->arena;
    size_t count = reading->field_count, present = 0, nulls = 0, lower = 0, upper = 0;
    struct iceberg_count *counts[3];
    struct iceberg_bound *low = arena_alloc(arena, count * sizeof *low),
                         *high = arena_alloc(arena, count * sizeof *high);
    for (size_t i = 0; i < 3; i++)
        counts[i] = arena_alloc(arena, count * sizeof *counts[i]);
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &file->metrics[i];
        const struct iceberg_metric_field *field = &reading->fields[i];
        if (file->footer->columns[i] == NULL)
            continue;
        counts[0][present] = (struct iceberg_count){field->id, metric->bytes};
        counts[1][present++] = (struct iceberg_count){field->id, metric->values};
        if (metric->nulls_known)
            counts[2][nulls++] = (struct iceberg_count){field->id, metric->nulls};
        if (!metric->bounds_known || iceberg_value_is_null(metric->low))
            continue;
        low[lower++] = (struct iceberg_bound){field->id, iceberg_bound_lower(arena, field->type, metric->low)};
        struct slice top = iceberg_bound_upper(arena, field->type, metric->high);
        if (!iceberg_value_is_null(top))
            high[upper++] = (struct iceberg_bound){field->id, top};
    }
    struct iceberg_file *out = &file->footer->file;
    out->column_sizes = (struct iceberg_counts){counts[0], present};
    out->value_counts = (struct iceberg_counts){counts[1], present};
    out->null_counts = (struct iceberg_counts){counts[2], nulls};
    out->lower = (struct iceberg_bounds){low, lower};
    out->upper = (struct iceberg_bounds){high, upper};
}

bool iceberg_read_footers(struct iceberg_load *load, const struct iceberg_metric_field *fields, size_t field_count,
                          struct iceberg_footer *footers, size_t count, const char **why, struct error *err) {
    struct reading reading = {
        .load = load, .fields = fields, .field_count = field_count, .file_count = count, .why = why};
    *why = NULL;
    reading.files = arena_alloc(load->arena, (count + 1) * sizeof *reading.files);
    for (size_t i = 0; i < count; i++) {
        struct file *file = &reading.files[i];
        file->footer = &footers[i];
        footers[i].file = iceberg_empty_file(ICEBERG_DATA_FILE);
        file->fields = arena_alloc(load->arena, (field_count + 1) * sizeof *file->fields);
        file->metrics = arena_alloc(load->arena, (field_count + 1) * sizeof *file->metrics);
        for (size_t j = 0; j < field_count; j++)
            file->metrics[j] = (struct metric){.nulls_known = true, .bounds_known = true};
    }
    if (!query(&reading, SCHEMA_QUERY, SCHEMA_ORDER, take_column, err))
        return false;
    check_columns(&reading);
    if (!query(&reading, ARROW_QUERY, ARROW_ORDER, take_arrow, err))
        return false;
    if (!query(&reading, CHUNK_QUERY, CHUNK_ORDER, take_chunk, err) ||
        !query(&reading, SIZE_QUERY, SIZE_ORDER, take_size, err))
        return false;
    for (size_t i = 0; *why == NULL && i < count; i++)
        set_metrics(&reading, &reading.files[i]);
    return true;
}
