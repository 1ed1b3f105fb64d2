/* Rows to staged files: one COPY, whose statistics become the files' entries in the version. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "lake/parquet.h"

/* Snappy: every reader of Parquet decodes it, it is what Spark and Athena write themselves, and it costs the least time. */
#define COMPRESSION "snappy"

/* The folder below the stage that DuckDB writes to, under names of its own. */
#define ROWS_FOLDER "rows"

static bool is_partition(const struct lake_load *load, const char *name) {
    for (size_t i = 0; i < load->partition_count; i++)
        if (strcmp(load->partition[i], name) == 0)
            return true;
    return false;
}

/* SELECT "Op", columns…, partition values as text FROM (rows), the rows of a partition together: DuckDB then has one file
 * open at a time, and a partition gets one file. */
static void append_select(const struct parquet_write *write, struct buf *sql) {
    const struct lake_load *load = write->load;
    buf_append_text(sql, "SELECT \"Op\"");
    for (size_t i = 0; i < write->schema->column_count; i++) {
        const struct column *column = &write->schema->columns[i].column;
        if (is_partition(load, column->name))
            continue;
        buf_append_text(sql, ", ");
        parquet_append_stored(sql, column->name, column->type);
    }
    for (size_t i = 0; i < load->partition_count; i++) {
        buf_append_text(sql, ", CAST(");
        buf_append_sql_name(sql, load->partition[i]);
        buf_printf(sql, " AS VARCHAR) AS _sluice_p%zu", i);
    }
    buf_printf(sql, " FROM (%s)", write->rows);
    const char *separator = " ORDER BY ";
    for (size_t i = 0; i < load->partition_count; i++, separator = ", ")
        buf_printf(sql, "%s_sluice_p%zu", separator, i);
    if (write->ordered)
        buf_printf(sql, "%s_seq", separator);
}

static void append_copy(const struct parquet_table *table, const struct parquet_write *write, const char *url,
                        struct buf *sql) {
    buf_append_text(sql, "COPY (");
    append_select(write, sql);
    buf_append_text(sql, ") TO ");
    buf_append_sql_text(sql, url, strlen(url));
    buf_append_text(sql, " (FORMAT parquet, COMPRESSION " COMPRESSION ", RETURN_STATS true, FILENAME_PATTERN '{uuid}'");
    if (write->load->partition_count == 0) {
        buf_printf(sql, ", WRITE_EMPTY_FILE false, FILE_SIZE_BYTES %llu)",
                   (unsigned long long)table->base.lake->target_file_size_bytes);
        return;
    }
    for (size_t i = 0; i < write->load->partition_count; i++)
        buf_printf(sql, "%s_sluice_p%zu", i == 0 ? ", HIVE_FILE_PATTERN false, PARTITION_BY (" : ", ", i);
    buf_append_text(sql, "))");
}

/* --- what COPY says of a file */

enum { STAT_FILENAME, STAT_ROWS, STAT_BYTES, STAT_FOOTER_BYTES, STAT_COLUMNS, STAT_PARTITION, STAT_COUNT };

struct written {
    struct parquet_table *table;
    const struct parquet_write *write;
    struct arena *arena;
    char *stage;
    struct parquet_file *files;
    size_t count, capacity;
};

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

static bool take_partition(struct written *written, const json_t *keys, struct parquet_file *file, struct error *err) {
    const struct lake_load *load = written->write->load;
    const char **values = arena_alloc(written->arena, (load->partition_count + 1) * sizeof *values);
    for (size_t i = 0; i < load->partition_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "_sluice_p%zu", i);
        const json_t *value = json_object_get(keys, name);
        assert(value != NULL);
        values[i] = take_text(written->arena, value);
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

static void take_ranges(struct written *written, const json_t *statistics, struct parquet_file *file) {
    const struct lake_load *load = written->write->load;
    struct parquet_range *ranges = arena_alloc(written->arena, (load->key_count + 1) * sizeof *ranges);
    for (size_t i = 0; i < load->key_count; i++) {
        int at = lake_schema_find(written->write->schema, load->key[i]);
        const struct column *column = &written->write->schema->columns[at].column;
        if (!is_partition(load, column->name) &&
            range_of(written->arena, statistics, column, &ranges[file->range_count]))
            file->range_count++;
    }
    file->ranges = ranges;
}

static json_t *parse_json(struct value value) {
    return value.kind == VALUE_NULL ? json_null() : json_loadb(value.data, value.len, JSON_ALLOW_NUL, NULL);
}

/* The path below the table's folder: <partition folders><version>-<commit>-<n>.parquet */
static bool set_path(struct written *written, struct parquet_file *file, struct error *err) {
    struct buf path;
    buf_init(&path, BUF_MAX_DEFAULT);
    const struct lake_load *load = written->write->load;
    bool ok = parquet_append_folder(&path, load->partition, file->partition, load->partition_count, err);
    if (ok) {
        buf_printf(&path, "%08llu-%s-%zu.parquet", (unsigned long long)written->write->number, written->write->commit,
                   written->count);
        file->path = arena_strdup(written->arena, path.data);
        char *name = mem_printf("%s%s", written->table->base.folder, file->path);
        ok = store_name_is_valid(name) ||
             error_set(err, ERROR_DATA,
                       "the partition folder %.80s... is not a valid name: choose another partition key", file->path);
        mem_free(name);
    }
    buf_deinit(&path);
    return ok;
}

/* Gives the file its name within the stage; store_move also makes durable what DuckDB wrote. */
static bool settle(struct written *written, struct value url, const struct parquet_file *file, struct error *err) {
    const char *end = url.data + url.len, *base = end;
    while (base > url.data && base[-1] != '/')
        base--;
    const char *slash = strrchr(file->path, '/');
    char *from = mem_printf("%s" ROWS_FOLDER "/%.*s", written->stage, (int)(end - base), base);
    char *to = mem_printf("%s%s", written->stage, slash != NULL ? slash + 1 : file->path);
    bool ok = store_move(written->table->base.lake->store, from, to, err) && fault_point("lake.file_durable", err);
    mem_free(from);
    mem_free(to);
    return ok;
}

static bool take_file(struct written *written, const struct value *row, struct error *err) {
    struct parquet_file file = {.row_count = number_of(row[STAT_ROWS]),
                                .size_bytes = number_of(row[STAT_BYTES]),
                                .column_count = written->write->schema->column_count};
    json_t *statistics = parse_json(row[STAT_COLUMNS]), *keys = parse_json(row[STAT_PARTITION]);
    assert(statistics != NULL && keys != NULL);
    bool ok = take_partition(written, keys, &file, err) && set_path(written, &file, err);
    if (ok)
        take_ranges(written, statistics, &file);
    ok = ok && settle(written, row[STAT_FILENAME], &file, err);
    json_decref(statistics);
    json_decref(keys);
    if (!ok)
        return false;
    written->files = mem_grow(written->files, written->count, &written->capacity, sizeof file);
    written->files[written->count++] = file;
    return true;
}

static bool copy(struct written *written, struct engine_connection *connection, const char *sql, struct error *err) {
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    bool ok = engine_query(connection, sql, &result, err);
    assert(!ok || engine_result_columns(result) == STAT_COUNT);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL)
        ok = take_file(written, row, err);
    engine_result_free(result);
    return ok;
}

bool parquet_write_rows(struct parquet_table *table, struct engine_connection *connection, struct arena *arena,
                        const struct parquet_write *write, struct parquet_file **files, size_t *count,
                        struct error *err) {
    struct written written = {.table = table,
                              .write = write,
                              .arena = arena,
                              .stage = parquet_stage_folder(table, write->number, write->commit)};
    char *name = mem_printf("%s" ROWS_FOLDER, written.stage);
    char *url = store_url(table->base.lake->store, name);
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    append_copy(table, write, url, &sql);
    bool ok = copy(&written, connection, sql.data, err);
    if (ok) {
        *files = arena_alloc(arena, (written.count + 1) * sizeof **files);
        if (written.count > 0)
            memcpy(*files, written.files, written.count * sizeof **files);
        *count = written.count;
        if (written.count == 0) /* DuckDB made a folder all the same */
            parquet_drop_stage(table, write->number, write->commit);
    }
    buf_deinit(&sql);
    mem_free(url);
    mem_free(name);
    mem_free(written.files);
    mem_free(written.stage);
    return ok;
}
