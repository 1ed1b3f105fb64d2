/* The iceberg table format: opening and closing. iceberg.h has the layout and the protocol. */
#include "lake/iceberg/iceberg.h"
#include "lake/iceberg/iceberg_maintain.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct iceberg_table *iceberg_table_of(struct lake_table *table) { return (struct iceberg_table *)table; }

static void iceberg_close(struct lake_table *base) {
    struct iceberg_table *table = iceberg_table_of(base);
    iceberg_metadata_free(table->metadata);
    json_decref(table->name_mapping);
    mem_free(table->files.data);
    mem_free(table->files.deletes);
    arena_deinit(&table->arena);
    mem_free(table);
}

/* --- the current version */

/* Rows and files by the manifest list. Manifests of version 1 may not say how many rows they have: then it is unknown, and
 * counts as some. */
static void count_rows(struct iceberg_table *table) {
    int64_t rows = 0, deleted = 0, files = 0;
    bool known = true;
    for (size_t i = 0; i < table->manifest_count; i++) {
        const struct iceberg_manifest_file *manifest = &table->manifests[i];
        known = known && manifest->added_rows != ICEBERG_NO_NUMBER && manifest->existing_rows != ICEBERG_NO_NUMBER;
        int64_t here = known ? manifest->added_rows + manifest->existing_rows : 0;
        if (manifest->content == ICEBERG_DELETE_MANIFEST) {
            deleted += here;
            continue;
        }
        rows += here;
        if (manifest->added_files != ICEBERG_NO_NUMBER && manifest->existing_files != ICEBERG_NO_NUMBER)
            files += manifest->added_files + manifest->existing_files;
    }
    table->base.version.row_count = (uint64_t)(rows > deleted ? rows - deleted : 0);
    /* 0 is a promise that there is none. What is not known, and rows that seem to be deleted, count as one. */
    if (!known || (table->base.version.row_count == 0 && rows > 0))
        table->base.version.row_count = 1;
    table->base.version.file_count = (uint64_t)files;
}

static bool show_version(struct iceberg_table *table, struct error *err) {
    const struct iceberg_snapshot *snapshot = table->metadata->snapshot;
    bool numbered = snapshot != NULL && snapshot->sequence_number > 0; /* version 1 has no numbers */
    table->base.version.number = numbered ? (uint64_t)snapshot->sequence_number : 1;
    if (!iceberg_show_columns(table, err) || !iceberg_read_list(table, err))
        return false;
    iceberg_show_watermark(table);
    count_rows(table);
    return true;
}

/* The metadata file that the catalog names; *found false when it is gone, and the table with it: a full load makes it anew. */
static bool read_metadata_file(struct iceberg_table *table, struct slice *text, bool *found, struct error *err) {
    struct error own = {0};
    *found = iceberg_read_file(table->base.lake, &table->arena, table->metadata_file, ICEBERG_METADATA_MAX_BYTES, text,
                               &own);
    if (*found || own.code == ENOENT)
        return true;
    if (err != NULL)
        *err = own;
    return false;
}

static bool read_table(struct iceberg_table *table, struct error *err) {
    struct slice text;
    bool found = false;
    if (!catalog_table_find(table->base.lake->catalog, &table->arena, &table->catalog_table, &table->metadata_file,
                            err))
        return false;
    if (table->metadata_file == NULL)
        return true;
    if (!read_metadata_file(table, &text, &found, err))
        return false;
    return !found || ((iceberg_metadata_read(text, &table->metadata, err) ||
                       error_prefix(err, "reading %s", table->metadata_file)) &&
                      show_version(table, err));
}

static bool iceberg_open(const struct lake *lake, const char *folder, struct lake_table **out, struct error *err) {
    assert(lake->catalog != NULL);
    struct iceberg_table *table = mem_zalloc(sizeof *table);
    arena_init(&table->arena);
    table->base =
        (struct lake_table){.ops = &lake_iceberg_ops, .lake = lake, .folder = arena_strdup(&table->arena, folder)};
    table->catalog_table = (struct catalog_table){arena_strdup(&table->arena, lake->database),
                                                  arena_strndup(&table->arena, folder, strlen(folder) - 1)};
    if (!read_table(table, err)) {
        iceberg_close(&table->base);
        return false;
    }
    *out = &table->base;
    return true;
}

/* --- reading */

static bool iceberg_scan(struct lake_table *base, struct buf *sql, struct error *err) {
    struct iceberg_table *table = iceberg_table_of(base);
    struct arena arena;
    if (table->metadata != NULL && (!iceberg_read_files(table, err) || !iceberg_check_files(table, err)))
        return false;
    arena_init(&arena);
    size_t *files = arena_alloc(&arena, (table->files.data_count + 1) * sizeof *files);
    for (size_t i = 0; i < table->files.data_count; i++)
        files[i] = i;
    iceberg_sort_files(table, files, table->files.data_count);
    struct iceberg_read read = {.table = table, .files = files, .file_count = table->files.data_count};
    read.columns = iceberg_version_columns(table, &arena, &read.column_count);
    bool ok = iceberg_append_read(&read, sql, err);
    arena_deinit(&arena);
    return ok;
}

/* A first load that was killed may have left a metadata file of number 0. */
static bool iceberg_is_version(const char *name) {
    return strcmp(name, ICEBERG_HINT) == 0 || iceberg_metadata_number(name) > 0;
}

const struct lake_format_ops lake_iceberg_ops = {
    .name = "iceberg",
    .needs_catalog = true,
    .has_transforms = true,
    .versions_folder = "metadata/",
    .is_version = iceberg_is_version,
    .open = iceberg_open,
    .close = iceberg_close,
    .load = iceberg_load_table,
    .scan = iceberg_scan,
    .maintain = iceberg_maintain_table,
    .sync = iceberg_sync_table,
};
