/* Files without field ids: other writers (add_files, a migration of Hive tables) take Parquet files into a table as they are.
 * The table's name mapping then says which column is which. sluice's own files have ids. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"

#define NAME_MAPPING "schema.name-mapping.default"

const json_t *iceberg_mapped_names(const struct iceberg_table *table, int32_t field_id) {
    for (size_t i = 0; i < json_array_size(table->name_mapping); i++) {
        const json_t *entry = json_array_get(table->name_mapping, i);
        if (json_integer_value(json_object_get(entry, "field-id")) == field_id)
            return json_object_get(entry, "names");
    }
    return NULL;
}

static bool append_urls(const struct iceberg_table *table, struct arena *arena, bool numbered, struct buf *sql,
                        struct error *err) {
    for (size_t i = 0; i < table->files.data_count; i++) {
        const struct iceberg_file *file = &table->files.data[i].entry.file;
        const char *url = iceberg_engine_url(table->base.lake, arena, file->path, err);
        if (url == NULL)
            return false;
        buf_append_text(sql, i == 0 ? "" : ", ");
        if (numbered)
            buf_printf(sql, "(%zu, ", i);
        buf_append_sql_text(sql, url, strlen(url));
        buf_append_text(sql, numbered ? ")" : "");
    }
    return true;
}

/* The numbers of the files none of whose columns has an id. */
static bool append_query(const struct iceberg_table *table, struct arena *arena, struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT v.i FROM (VALUES ");
    if (!append_urls(table, arena, true, sql, err))
        return false;
    buf_append_text(sql, ") AS v(i, url) JOIN (SELECT file_name FROM parquet_schema([");
    if (!append_urls(table, arena, false, sql, err))
        return false;
    buf_append_text(sql, "]) GROUP BY file_name HAVING count(field_id) = 0) AS s ON s.file_name = v.url");
    return true;
}

static bool find_files(struct iceberg_table *table, struct engine_connection *connection, struct arena *arena,
                       struct error *err) {
    struct buf sql;
    const char **numbers = NULL;
    size_t count = 0;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok =
        append_query(table, arena, &sql, err) && engine_query_texts(connection, arena, sql.data, &numbers, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        table->files.data[strtoul(numbers[i], NULL, 10)].by_name = true;
    buf_deinit(&sql);
    return ok;
}

static bool is_parquet(const struct iceberg_files *files) {
    for (size_t i = 0; i < files->data_count; i++)
        if (strcasecmp(files->data[i].entry.file.format, "PARQUET") != 0)
            return false;
    return true;
}

bool iceberg_read_mapping(struct iceberg_table *table, struct error *err) {
    const char *text = iceberg_metadata_property(table->metadata, NAME_MAPPING);
    struct engine_connection *connection = NULL;
    struct arena arena;
    if (text == NULL || table->files.data_count == 0 || !is_parquet(&table->files))
        return true;
    table->name_mapping = json_loads(text, 0, NULL);
    if (table->name_mapping == NULL)
        return error_set(err, ERROR_DATA, "the table's property " NAME_MAPPING " is not JSON: %.80s", text);
    arena_init(&arena);
    bool ok = engine_connect(table->base.lake->engine, &connection, err) && find_files(table, connection, &arena, err);
    engine_disconnect(connection);
    arena_deinit(&arena);
    return ok;
}
