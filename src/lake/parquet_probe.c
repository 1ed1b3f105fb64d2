/* Which files hold a changed key: first by the key ranges that the version has of each file, then by reading the key
 * columns of the files that are left. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lake/parquet.h"

struct probe {
    const struct parquet_table *table;
    struct engine_connection *connection;
    const struct lake_schema *schema;
    const struct lake_load *load;
    const char *changes;
    bool null_keys;
    bool *candidates; /* one per file of the version */
};

/* --- by ranges */

/* The bounds of a key column in a file; false when they are not known. */
static bool bounds_of(const struct parquet_version *version, const struct parquet_file *file, const char *column,
                      const char **low, const char **high) {
    for (size_t i = 0; i < version->partition_count; i++)
        if (strcmp(version->partition[i], column) == 0) {
            *low = *high = file->partition[i];
            return *low != NULL;
        }
    for (size_t i = 0; i < file->range_count; i++)
        if (strcmp(file->ranges[i].column, column) == 0) {
            *low = file->ranges[i].low;
            *high = file->ranges[i].high;
            return true;
        }
    return false;
}

/* (0, '1', '99'), (1, '100', '250'), …: number of the file and its bounds. Returns how many. */
static size_t append_bounds(const struct probe *probe, const char *column, struct buf *sql) {
    const struct parquet_version *version = &probe->table->version;
    size_t count = 0;
    for (size_t i = 0; i < version->file_count; i++) {
        const char *low, *high;
        if (!probe->candidates[i] || !bounds_of(version, &version->files[i], column, &low, &high))
            continue;
        buf_printf(sql, "%s(%zu, ", count == 0 ? "" : ", ", i);
        buf_append_sql_text(sql, low, strlen(low));
        buf_append_text(sql, ", ");
        buf_append_sql_text(sql, high, strlen(high));
        buf_append_char(sql, ')');
        count++;
    }
    return count;
}

/* The files whose range has the next changed key at or above its low bound: the ASOF join finds that key in one pass over
 * both, sorted. A key that is NULL is in files without bounds only (range_of in parquet_write.c). */
static void append_range_query(const struct column *column, const struct buf *bounds, const char *changes,
                               struct buf *sql) {
    char type[TYPE_TEXT_BYTES];
    type_format_sql(column->type, type);
    buf_printf(
        sql,
        "SELECT f.i FROM (SELECT i, CAST(low AS %s) AS low, CAST(high AS %s) AS high FROM (VALUES %s) AS v(i, low, "
        "high)) AS f ASOF JOIN (SELECT DISTINCT ",
        type, type, bounds->data);
    buf_append_sql_name(sql, column->name);
    buf_printf(sql, " AS k FROM %s WHERE ", changes);
    buf_append_sql_name(sql, column->name);
    buf_append_text(sql, " IS NOT NULL) AS c ON f.low <= c.k WHERE c.k <= f.high");
}

static void keep_listed(const struct probe *probe, const char *column, const char *const *numbers, size_t count) {
    const struct parquet_version *version = &probe->table->version;
    bool *listed = mem_zalloc(version->file_count * sizeof *listed);
    for (size_t i = 0; i < count; i++) {
        size_t number = strtoul(numbers[i], NULL, 10);
        assert(number < version->file_count);
        listed[number] = true;
    }
    for (size_t i = 0; i < version->file_count; i++) {
        const char *low, *high;
        if (bounds_of(version, &version->files[i], column, &low, &high))
            probe->candidates[i] = probe->candidates[i] && listed[i];
    }
    mem_free(listed);
}

static bool narrow_by_column(const struct probe *probe, const struct column *column, struct error *err) {
    struct buf bounds, sql;
    struct arena arena;
    buf_init(&bounds, BUF_MAX_DEFAULT);
    buf_init(&sql, BUF_MAX_DEFAULT);
    arena_init(&arena);
    bool ok = true;
    if (append_bounds(probe, column->name, &bounds) > 0) {
        const char **numbers = NULL;
        size_t count = 0;
        append_range_query(column, &bounds, probe->changes, &sql);
        ok = engine_query_texts(probe->connection, &arena, sql.data, &numbers, &count, err);
        if (ok)
            keep_listed(probe, column->name, numbers, count);
    }
    arena_deinit(&arena);
    buf_deinit(&sql);
    buf_deinit(&bounds);
    return ok;
}

/* --- by reading */

static size_t collect(const struct probe *probe, size_t *indexes) {
    size_t count = 0;
    for (size_t i = 0; i < probe->table->version.file_count; i++)
        if (probe->candidates[i])
            indexes[count++] = i;
    return count;
}

static void append_probe_query(const struct probe *probe, const size_t *indexes, size_t count, struct buf *sql) {
    const struct lake_load *load = probe->load;
    struct parquet_read_column *columns = mem_zalloc(load->key_count * sizeof *columns);
    for (size_t i = 0; i < load->key_count; i++) {
        const struct lake_schema_column *key = &probe->schema->columns[lake_schema_find(probe->schema, load->key[i])];
        columns[i] = (struct parquet_read_column){key->before, key->column};
    }
    buf_append_text(sql, "SELECT DISTINCT b._sluice_file FROM (");
    parquet_append_read(probe->table, indexes, count, columns, load->key_count, true, sql);
    buf_printf(sql, ") AS b SEMI JOIN %s AS c ON ", probe->changes);
    lake_append_key_join(load, probe->null_keys, sql);
    mem_free(columns);
}

struct named_file {
    char *url;
    size_t index;
};

static int compare_files(const void *a, const void *b) {
    return strcmp(((const struct named_file *)a)->url, ((const struct named_file *)b)->url);
}

/* From the URLs that the query gave back to numbers of files. */
static void mark_affected(const struct probe *probe, const size_t *indexes, size_t count, const char *const *urls,
                          size_t url_count, bool *affected) {
    char *base = parquet_table_url(probe->table);
    struct named_file *files = mem_zalloc(count * sizeof *files);
    for (size_t i = 0; i < count; i++)
        files[i] =
            (struct named_file){mem_printf("%s%s", base, probe->table->version.files[indexes[i]].path), indexes[i]};
    qsort(files, count, sizeof *files, compare_files);
    for (size_t i = 0; i < url_count; i++) {
        struct named_file wanted = {.url = (char *)urls[i]};
        const struct named_file *found = bsearch(&wanted, files, count, sizeof *files, compare_files);
        assert(found != NULL);
        affected[found->index] = true;
    }
    for (size_t i = 0; i < count; i++)
        mem_free(files[i].url);
    mem_free(files);
    mem_free(base);
}

static bool probe_files(const struct probe *probe, const size_t *indexes, size_t count, bool *affected,
                        struct error *err) {
    struct buf sql;
    struct arena arena;
    buf_init(&sql, BUF_MAX_DEFAULT);
    arena_init(&arena);
    const char **urls = NULL;
    size_t url_count = 0;
    append_probe_query(probe, indexes, count, &sql);
    bool ok = engine_query_texts(probe->connection, &arena, sql.data, &urls, &url_count, err);
    if (ok)
        mark_affected(probe, indexes, count, urls, url_count, affected);
    arena_deinit(&arena);
    buf_deinit(&sql);
    return ok;
}

bool parquet_probe(const struct parquet_table *table, struct engine_connection *connection,
                   const struct lake_schema *schema, const struct lake_load *load, const char *changes, bool null_keys,
                   bool *affected, struct error *err) {
    size_t file_count = table->version.file_count;
    struct probe probe = {table, connection, schema, load, changes, null_keys, mem_alloc(file_count * sizeof(bool))};
    size_t *indexes = mem_alloc(file_count * sizeof *indexes);
    memset(probe.candidates, true, file_count * sizeof(bool));
    memset(affected, false, file_count * sizeof(bool));
    bool ok = true;
    for (size_t i = 0; ok && i < load->key_count; i++) {
        const struct column *column = &schema->columns[lake_schema_find(schema, load->key[i])].column;
        ok = narrow_by_column(&probe, column, err);
    }
    size_t count = collect(&probe, indexes);
    ok = ok && (count == 0 || probe_files(&probe, indexes, count, affected, err));
    mem_free(indexes);
    mem_free(probe.candidates);
    return ok;
}
