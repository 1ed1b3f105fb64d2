/* Files without field ids: adoption, and other writers (add_files, a migration of Hive tables), take Parquet files into a table
 * as they are. The table's name mapping then says which column is which. The files that sluice writes have ids. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"

/* Entries of other writers may be without an id: their names are no field's. */
const json_t *iceberg_mapped_names(const struct iceberg_table *table, int32_t field_id) {
    for (size_t i = 0; i < json_array_size(table->name_mapping); i++) {
        const json_t *entry = json_array_get(table->name_mapping, i);
        const json_t *id = json_object_get(entry, "field-id");
        if (json_is_integer(id) && json_integer_value(id) == field_id)
            return json_object_get(entry, "names");
    }
    return NULL;
}

/* "<commit>-<number>" and what follows it, of a file that sluice named; NULL for another name. */
static const char *end_of_own_name(const char *path) {
    const char *slash = strrchr(path, '/'), *at = slash != NULL ? slash + 1 : path;
    size_t digits = strspn(at, "0123456789abcdef");
    if (digits != ICEBERG_COMMIT_BYTES - 1 || at[digits] != '-' || !isdigit((unsigned char)at[digits + 1]))
        return NULL;
    at += digits + 1;
    return at + strspn(at, "0123456789");
}

bool iceberg_is_adopted(const char *path) {
    const char *end = end_of_own_name(path);
    return end != NULL && strcmp(end, ICEBERG_ADOPTED_END) == 0;
}

/* The files whose footers have to be looked at: the first so many of the result. */
static size_t *list_unknown(const struct iceberg_table *table, struct arena *arena, size_t *count) {
    size_t *unknown = arena_alloc(arena, (table->files.data_count + 1) * sizeof *unknown);
    *count = 0;
    for (size_t i = 0; i < table->files.data_count; i++) {
        struct iceberg_live_file *file = &table->files.data[i];
        const char *end = end_of_own_name(file->entry.file.path);
        file->by_name = end != NULL && strcmp(end, ICEBERG_ADOPTED_END) == 0;
        if (end == NULL || (!file->by_name && strcmp(end, ".parquet") != 0))
            unknown[(*count)++] = i;
    }
    return unknown;
}

static bool append_urls(const struct iceberg_table *table, struct arena *arena, const size_t *files, size_t count,
                        bool numbered, struct buf *sql, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        const struct iceberg_file *file = &table->files.data[files[i]].entry.file;
        const char *url = iceberg_engine_url(table->base.lake, arena, file->path, err);
        if (url == NULL)
            return false;
        buf_append_text(sql, i == 0 ? "" : ", ");
        if (numbered)
            buf_printf(sql, "(%zu, ", files[i]);
        buf_append_sql_text(sql, url, strlen(url));
        buf_append_text(sql, numbered ? ")" : "");
    }
    return true;
}

/* The numbers of those of the files none of whose columns has an id. */
static bool append_query(const struct iceberg_table *table, struct arena *arena, const size_t *files, size_t count,
                         struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT v.i FROM (VALUES ");
    if (!append_urls(table, arena, files, count, true, sql, err))
        return false;
    buf_append_text(sql, ") AS v(i, url) JOIN (SELECT file_name FROM parquet_schema([");
    if (!append_urls(table, arena, files, count, false, sql, err))
        return false;
    buf_append_text(sql, "]) GROUP BY file_name HAVING count(field_id) = 0) AS s ON s.file_name = v.url");
    return true;
}

static bool find_files(struct iceberg_table *table, const size_t *files, size_t file_count, struct arena *arena,
                       struct error *err) {
    struct engine_connection *connection = NULL;
    struct buf sql;
    const char **numbers = NULL;
    size_t count = 0;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = engine_connect(table->base.lake->engine, &connection, err) &&
              append_query(table, arena, files, file_count, &sql, err) &&
              engine_query_texts(connection, arena, sql.data, &numbers, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        table->files.data[strtoul(numbers[i], NULL, 10)].by_name = true;
    engine_disconnect(connection);
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
    const char *text = iceberg_metadata_property(table->metadata, ICEBERG_NAME_MAPPING);
    struct arena arena;
    size_t unknown_count;
    if (text == NULL || table->files.data_count == 0 || !is_parquet(&table->files))
        return true;
    table->name_mapping = json_loads(text, 0, NULL);
    if (table->name_mapping == NULL)
        return error_set(err, ERROR_DATA, "the table's property " ICEBERG_NAME_MAPPING " is not JSON: %.80s", text);
    arena_init(&arena);
    const size_t *unknown = list_unknown(table, &arena, &unknown_count);
    bool ok = unknown_count == 0 || find_files(table, unknown, unknown_count, &arena, err);
    arena_deinit(&arena);
    return ok;
}
