/* A version of a parquet table as JSON:
 *
 *   {"format": 1, "version": 12, "commit": "9f…", "previous": "03…",
 *    "columns": [{"id": 1, "name": "id", "type": "bigint"}, …], "partition": ["create_dt"],
 *    "watermark": {"last_full_load_date": …, "last_incremental_file": …, "run_id": …, …},
 *    "rows": 123, "files": [{"path": "create_dt=2026-11-01/00000012-9f…-0.parquet", "rows": 123, "size": 4567, "columns": 3,
 *                            "partition": ["2026-11-01"], "ranges": {"id": ["1", "99"]}}, …],
 *    "added": ["create_dt=2026-11-01/00000012-9f…-0.parquet", …], "removed": ["…", …]} */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lake/parquet.h"

enum { FORMAT_VERSION = 1 };

/* Jansson gives NULL for what is not UTF-8, and then leaves it out: a lost file would be lost rows. */
static json_t *sound(json_t *json) {
    assert(json != NULL);
    return json;
}

static json_t *text_or_null(const char *text) { return sound(text != NULL ? json_string(text) : json_null()); }

static json_t *texts_to_json(const char *const *texts, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, text_or_null(texts[i]));
    return array;
}

static json_t *columns_to_json(const struct parquet_version *version) {
    json_t *array = json_array();
    for (size_t i = 0; i < version->column_count; i++) {
        char type[TYPE_TEXT_BYTES];
        type_format(version->columns[i].type, type);
        json_array_append_new(array, sound(json_pack("{s:I, s:s, s:s}", "id", (json_int_t)version->columns[i].id,
                                                     "name", version->columns[i].name, "type", type)));
    }
    return array;
}

static json_t *file_to_json(const struct parquet_file *file, size_t partition_count) {
    json_t *ranges = json_object();
    for (size_t i = 0; i < file->range_count; i++)
        json_object_set_new(ranges, file->ranges[i].column,
                            sound(json_pack("[s, s]", file->ranges[i].low, file->ranges[i].high)));
    return sound(json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "path", file->path, "rows", (json_int_t)file->row_count,
                           "size", (json_int_t)file->size_bytes, "columns", (json_int_t)file->column_count, "partition",
                           texts_to_json(file->partition, partition_count), "ranges", ranges));
}

static json_t *watermark_to_json(const struct lake_watermark *mark) {
    return sound(json_pack("{s:o, s:o, s:o, s:o, s:o}", "last_full_load_date", text_or_null(mark->last_full_load_date),
                           "last_incremental_file", text_or_null(mark->last_incremental_file), "run_id",
                           text_or_null(mark->run_id), "source_position", text_or_null(mark->source_position),
                           "source_time", text_or_null(mark->source_time)));
}

uint64_t parquet_version_rows(const struct parquet_version *version) {
    uint64_t rows = 0;
    for (size_t i = 0; i < version->file_count; i++)
        rows += version->files[i].row_count;
    return rows;
}

static int append_chunk(const char *data, size_t size, void *out) {
    buf_append(out, data, size);
    return 0;
}

void parquet_version_write(const struct parquet_version *version, struct buf *out) {
    json_t *files = json_array();
    for (size_t i = 0; i < version->file_count; i++)
        json_array_append_new(files, file_to_json(&version->files[i], version->partition_count));
    json_t *json = sound(json_pack(
        "{s:i, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "format", FORMAT_VERSION, "version",
        (json_int_t)version->number, "commit", version->commit, "previous", text_or_null(version->previous), "columns",
        columns_to_json(version), "partition", texts_to_json(version->partition, version->partition_count), "watermark",
        watermark_to_json(&version->watermark), "rows", (json_int_t)parquet_version_rows(version), "files", files,
        "added", texts_to_json(version->added, version->added_count), "removed",
        texts_to_json(version->removed, version->removed_count)));
    json_dump_callback(json, append_chunk, out, JSON_COMPACT);
    buf_append_char(out, '\n');
    json_decref(json);
}

/* --- reading: every step keeps the first failure */

struct reader {
    struct arena *arena;
    bool failed;
};

static const char *read_text(struct reader *r, const json_t *json) {
    if (json_is_null(json))
        return NULL;
    r->failed = r->failed || !json_is_string(json);
    return json_is_string(json) ? arena_strndup(r->arena, json_string_value(json), json_string_length(json)) : NULL;
}

static const char *read_name(struct reader *r, const json_t *json) {
    const char *text = read_text(r, json);
    r->failed = r->failed || text == NULL;
    return text != NULL ? text : "";
}

static uint64_t read_number(struct reader *r, const json_t *json) {
    r->failed = r->failed || !json_is_integer(json) || json_integer_value(json) < 0;
    return json_is_integer(json) ? (uint64_t)json_integer_value(json) : 0;
}

static const char **read_texts(struct reader *r, const json_t *json, size_t *count) {
    r->failed = r->failed || !json_is_array(json);
    *count = json_array_size(json);
    const char **texts = arena_alloc(r->arena, (*count + 1) * sizeof *texts);
    for (size_t i = 0; i < *count; i++)
        texts[i] = read_text(r, json_array_get(json, i));
    return texts;
}

static void read_columns(struct reader *r, const json_t *json, struct parquet_version *out) {
    r->failed = r->failed || !json_is_array(json);
    out->column_count = json_array_size(json);
    struct column *columns = arena_alloc(r->arena, (out->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < out->column_count; i++) {
        const json_t *item = json_array_get(json, i);
        const char *type = json_string_value(json_object_get(item, "type"));
        columns[i].id = (uint32_t)read_number(r, json_object_get(item, "id"));
        columns[i].name = read_name(r, json_object_get(item, "name"));
        columns[i].nullable = true;
        r->failed = r->failed || type == NULL || !type_parse(type, &columns[i].type);
    }
    out->columns = columns;
}

static void read_ranges(struct reader *r, const json_t *json, struct parquet_file *file) {
    file->range_count = json_object_size(json);
    struct parquet_range *ranges = arena_alloc(r->arena, (file->range_count + 1) * sizeof *ranges);
    const char *column;
    json_t *bounds;
    size_t i = 0;
    json_object_foreach((json_t *)json, column, bounds) {
        ranges[i++] = (struct parquet_range){arena_strdup(r->arena, column), read_name(r, json_array_get(bounds, 0)),
                                             read_name(r, json_array_get(bounds, 1))};
    }
    file->ranges = ranges;
}

static void read_files(struct reader *r, const json_t *json, struct parquet_version *out) {
    r->failed = r->failed || !json_is_array(json);
    out->file_count = json_array_size(json);
    out->files = arena_alloc(r->arena, (out->file_count + 1) * sizeof *out->files);
    for (size_t i = 0; i < out->file_count; i++) {
        const json_t *item = json_array_get(json, i);
        struct parquet_file *file = &out->files[i];
        size_t partitions = 0;
        file->path = read_name(r, json_object_get(item, "path"));
        file->row_count = read_number(r, json_object_get(item, "rows"));
        file->size_bytes = read_number(r, json_object_get(item, "size"));
        file->column_count = read_number(r, json_object_get(item, "columns"));
        file->partition = read_texts(r, json_object_get(item, "partition"), &partitions);
        r->failed = r->failed || partitions != out->partition_count || file->column_count > out->column_count;
        read_ranges(r, json_object_get(item, "ranges"), file);
    }
}

static void read_watermark(struct reader *r, const json_t *json, struct lake_watermark *out) {
    out->last_full_load_date = read_text(r, json_object_get(json, "last_full_load_date"));
    out->last_incremental_file = read_text(r, json_object_get(json, "last_incremental_file"));
    out->run_id = read_text(r, json_object_get(json, "run_id"));
    out->source_position = read_text(r, json_object_get(json, "source_position"));
    out->source_time = read_text(r, json_object_get(json, "source_time"));
}

static void read_version(struct reader *r, const json_t *json, struct parquet_version *out) {
    out->number = read_number(r, json_object_get(json, "version"));
    out->commit = read_name(r, json_object_get(json, "commit"));
    out->previous = read_text(r, json_object_get(json, "previous"));
    read_columns(r, json_object_get(json, "columns"), out);
    out->partition = read_texts(r, json_object_get(json, "partition"), &out->partition_count);
    read_watermark(r, json_object_get(json, "watermark"), &out->watermark);
    read_files(r, json_object_get(json, "files"), out);
    out->added = read_texts(r, json_object_get(json, "added"), &out->added_count);
    out->removed = read_texts(r, json_object_get(json, "removed"), &out->removed_count);
}

bool parquet_version_read(struct arena *arena, const char *text, size_t len, struct parquet_version *out,
                          struct error *err) {
    json_error_t problem;
    json_t *json = json_loadb(text, len, JSON_ALLOW_NUL, &problem);
    if (json == NULL)
        return error_set(err, ERROR_DATA, "line %d: %s", problem.line, problem.text);
    json_int_t format = json_integer_value(json_object_get(json, "format"));
    struct reader reader = {.arena = arena};
    *out = (struct parquet_version){0};
    bool ok = format == FORMAT_VERSION;
    if (!ok) {
        error_set(err, ERROR_CONFIG,
                  "written by another version of sluice (format %lld, this one reads %d): use that one",
                  (long long)format, FORMAT_VERSION);
    } else {
        read_version(&reader, json, out);
        ok = !reader.failed || error_set(err, ERROR_DATA, "not a version of a table: restore the file from a backup");
    }
    json_decref(json);
    return ok;
}
