#include "lake/parquet_staged.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

bool parquet_is_partition(const struct lake_load *load, const char *column) {
    for (size_t i = 0; i < load->partition_count; i++)
        if (strcmp(load->partition[i], column) == 0)
            return true;
    return false;
}

static uint64_t number_of(struct value value) {
    char text[32] = "";
    memcpy(text, value.data, value.len < sizeof text - 1 ? value.len : sizeof text - 1);
    return strtoull(text, NULL, 10);
}

/* Text without NUL in the arena; NULL when it has one. */
static const char *take_text(struct arena *arena, const json_t *json) {
    const char *text = json_string_value(json);
    return text != NULL && strlen(text) == json_string_length(json) ? arena_strdup(arena, text) : NULL;
}

static bool take_partition(struct parquet_staged *staged, const json_t *keys, struct parquet_file *file,
                           struct error *err) {
    const struct lake_load *load = staged->write->load;
    const char **values = arena_alloc(staged->arena, (load->partition_count + 1) * sizeof *values);
    for (size_t i = 0; i < load->partition_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "_sluice_p%zu", i);
        const json_t *value = json_object_get(keys, name);
        assert(value != NULL);
        values[i] = take_text(staged->arena, value);
        if (values[i] == NULL && !json_is_null(value))
            return error_set(
                err, ERROR_DATA,
                "partition column \"%s\": a value has a NUL character, which no folder's name can have: choose "
                "another partition key",
                load->partition[i]);
    }
    file->partition = values;
    return true;
}

/* Bounds are kept of key columns whose text says the value exactly and whose order has no exceptions (NaN). A file with a
 * NULL key gets none: it is always read. */
static bool range_of(struct arena *arena, const json_t *statistics, const struct column *column,
                     struct parquet_range *out) {
    if (column->type.kind == TYPE_FLOAT32 || column->type.kind == TYPE_FLOAT64 || column->type.kind == TYPE_BINARY)
        return false;
    struct buf quoted;
    buf_init(&quoted, BUF_MAX_DEFAULT);
    buf_append_sql_name(&quoted, column->name);
    const json_t *of_column = json_object_get(statistics, quoted.data);
    buf_deinit(&quoted);
    const char *nulls = json_string_value(json_object_get(of_column, "null_count"));
    if (nulls == NULL || strcmp(nulls, "0") != 0)
        return false;
    *out =
        (struct parquet_range){arena_strdup(arena, column->name), take_text(arena, json_object_get(of_column, "min")),
                               take_text(arena, json_object_get(of_column, "max"))};
    return out->low != NULL && out->high != NULL;
}

static void take_ranges(struct parquet_staged *staged, const json_t *statistics, struct parquet_file *file) {
    const struct lake_load *load = staged->write->load;
    struct parquet_range *ranges = arena_alloc(staged->arena, (load->key_count + 1) * sizeof *ranges);
    for (size_t i = 0; i < load->key_count; i++) {
        int at = lake_schema_find(staged->write->schema, load->key[i]);
        const struct column *column = &staged->write->schema->columns[at].column;
        if (!parquet_is_partition(load, column->name) &&
            range_of(staged->arena, statistics, column, &ranges[file->range_count]))
            file->range_count++;
    }
    file->ranges = ranges;
}

static json_t *parse_json(struct value value) {
    return value.kind == VALUE_NULL ? json_null() : json_loadb(value.data, value.len, JSON_ALLOW_NUL, NULL);
}

/* The path below the table's folder: <partition folders><version>-<commit>-<n>.parquet */
static bool set_path(struct parquet_staged *staged, struct parquet_file *file, struct error *err) {
    struct buf path;
    buf_init(&path, BUF_MAX_DEFAULT);
    const struct lake_load *load = staged->write->load;
    bool ok = parquet_append_folder(&path, load->partition, file->partition, load->partition_count, err);
    if (ok) {
        buf_printf(&path, "%08llu-%s-%zu.parquet", (unsigned long long)staged->write->number, staged->write->commit,
                   staged->names_given++);
        file->path = arena_strdup(staged->arena, path.data);
        char *name = mem_printf("%s%s", staged->table->base.folder, file->path);
        ok = store_name_is_valid(name) ||
             error_set(err, ERROR_DATA,
                       "the partition folder %.80s... is not a valid name: choose another partition key", file->path);
        mem_free(name);
    }
    buf_deinit(&path);
    return ok;
}

char *parquet_staged_name(const struct parquet_staged *staged, const struct parquet_file *file) {
    const char *slash = strrchr(file->path, '/');
    return mem_printf("%s%s", staged->stage, slash != NULL ? slash + 1 : file->path);
}

/* Gives the file its name within the stage; store_move also makes durable what DuckDB wrote. */
static bool settle(struct parquet_staged *staged, const char *folder, struct value url, const struct parquet_file *file,
                   struct error *err) {
    const char *end = url.data + url.len, *base = end;
    while (base > url.data && base[-1] != '/')
        base--;
    char *from = mem_printf("%s%s/%.*s", staged->stage, folder, (int)(end - base), base);
    char *to = parquet_staged_name(staged, file);
    bool ok = store_move(staged->table->base.lake->store, from, to, err) && fault_point("lake.file_durable", err);
    mem_free(from);
    mem_free(to);
    return ok;
}

bool parquet_staged_take(struct parquet_staged *staged, const struct value *row, const char *folder,
                         const char *const *partition, struct error *err) {
    struct parquet_file file = {.row_count = number_of(row[COPY_ROWS]),
                                .size_bytes = number_of(row[COPY_BYTES]),
                                .column_count = staged->write->schema->column_count,
                                .partition = partition};
    json_t *statistics = parse_json(row[COPY_STATISTICS]), *keys = parse_json(row[COPY_PARTITION]);
    assert(statistics != NULL && keys != NULL);
    bool ok = (partition != NULL || take_partition(staged, keys, &file, err)) && set_path(staged, &file, err);
    if (ok)
        take_ranges(staged, statistics, &file);
    ok = ok && settle(staged, folder, row[COPY_FILENAME], &file, err);
    json_decref(statistics);
    json_decref(keys);
    if (!ok)
        return false;
    staged->files = mem_grow(staged->files, staged->count, &staged->capacity, sizeof file);
    staged->files[staged->count++] = file;
    return true;
}
