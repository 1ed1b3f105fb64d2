/* The files of the current snapshot, from its manifests. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"

bool iceberg_read_list(struct iceberg_table *table, struct error *err) {
    const struct iceberg_snapshot *snapshot = table->metadata->snapshot;
    struct slice bytes;
    if (snapshot == NULL)
        return true;
    if (snapshot->manifest_list == NULL)
        return error_set(err, ERROR_OUTSIDE,
                         "snapshot %lld has no manifest list (an old writer of version 1): rewrite the table with the "
                         "engine that made it",
                         (long long)snapshot->id);
    return iceberg_read_file(table->base.lake, &table->arena, snapshot->manifest_list, ICEBERG_MANIFEST_MAX_BYTES,
                             &bytes, err) &&
           (iceberg_list_read(&table->arena, bytes, &table->manifests, &table->manifest_count, err) ||
            error_prefix(err, "reading %s", snapshot->manifest_list));
}

/* --- reading manifests */

struct collection {
    struct iceberg_table *table;
    struct iceberg_files *files;
    size_t data_capacity, delete_capacity;
};

static void take_entry(struct collection *to, const struct iceberg_manifest_file *manifest,
                       const struct iceberg_entry *entry) {
    if (entry->status == ICEBERG_DELETED)
        return;
    struct iceberg_files *files = to->files;
    struct iceberg_live_file live = {
        .vector = ICEBERG_NO_FILE, .spec_id = manifest->spec_id, .manifest = (size_t)(manifest - to->table->manifests)};
    size_t fields = iceberg_metadata_spec(to->table->metadata, manifest->spec_id)->field_count;
    iceberg_entry_copy(&to->table->arena, entry, fields, &live.entry);
    live.key = iceberg_is_vector(&entry->file) ? arena_printf(&to->table->arena, "%s@%lld", live.entry.file.path,
                                                              (long long)entry->file.content_offset)
                                               : live.entry.file.path;
    if (entry->file.content == ICEBERG_DATA_FILE) {
        files->data = mem_grow(files->data, files->data_count, &to->data_capacity, sizeof live);
        files->data[files->data_count++] = live;
    } else {
        files->deletes = mem_grow(files->deletes, files->delete_count, &to->delete_capacity, sizeof live);
        files->deletes[files->delete_count++] = live;
    }
}

static bool has_live_files(const struct iceberg_manifest_file *manifest) {
    return manifest->added_files != 0 || manifest->existing_files != 0; /* also when that is not known */
}

static bool read_manifest(struct collection *to, const struct iceberg_manifest_file *manifest, struct error *err) {
    struct arena arena;
    struct iceberg_manifest_reader *reader = NULL;
    const struct iceberg_entry *entry = NULL;
    struct slice bytes;
    arena_init(&arena);
    bool ok =
        iceberg_read_file(to->table->base.lake, &arena, manifest->path, ICEBERG_MANIFEST_MAX_BYTES, &bytes, err) &&
        iceberg_manifest_open(to->table->metadata, manifest, bytes, &reader, err);
    while (ok && (ok = iceberg_manifest_next(reader, &entry, err)) && entry != NULL)
        take_entry(to, manifest, entry);
    iceberg_manifest_close(reader);
    arena_deinit(&arena);
    return ok || error_prefix(err, "manifest %s", manifest->path);
}

/* --- partitions as numbers */

struct partition_key {
    struct slice bytes; /* the spec and the values */
    struct iceberg_live_file *file;
};

static struct slice key_of(const struct iceberg_table *table, struct arena *arena,
                           const struct iceberg_live_file *file) {
    struct buf bytes;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    buf_printf(&bytes, "%d", file->spec_id);
    size_t count = iceberg_metadata_spec(table->metadata, file->spec_id)->field_count;
    for (size_t i = 0; i < count; i++) {
        struct slice value = file->entry.file.partition[i];
        buf_printf(&bytes, "|%lld|", value.data != NULL ? (long long)value.len : -1LL);
        buf_append(&bytes, value.data, value.len);
    }
    struct slice key = {arena_strndup(arena, bytes.data, bytes.len), bytes.len};
    buf_deinit(&bytes);
    return key;
}

static int compare_keys(const void *left, const void *right) {
    struct slice a = ((const struct partition_key *)left)->bytes, b = ((const struct partition_key *)right)->bytes;
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void number_partitions(struct iceberg_table *table) {
    struct iceberg_files *files = &table->files;
    size_t count = files->data_count + files->delete_count;
    struct arena arena;
    arena_init(&arena);
    struct partition_key *keys = arena_alloc(&arena, (count + 1) * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        struct iceberg_live_file *file =
            i < files->data_count ? &files->data[i] : &files->deletes[i - files->data_count];
        keys[i] = (struct partition_key){key_of(table, &arena, file), file};
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_keys(&keys[i - 1], &keys[i]) != 0)
            files->partition_count++;
        keys[i].file->partition = files->partition_count - 1;
    }
    arena_deinit(&arena);
}

/* --- equality deletes that say nothing any more */

static bool is_unpartitioned(const struct iceberg_spec *spec) {
    size_t i = 0;
    while (i < spec->field_count && spec->fields[i].transform.kind == ICEBERG_VOID)
        i++;
    return i == spec->field_count;
}

/* Equality deletes count for older data files, in their own partition or, without one, in all. */
static bool is_dangling(const struct iceberg_table *table, const struct iceberg_live_file *deletes) {
    bool everywhere = is_unpartitioned(iceberg_metadata_spec(table->metadata, deletes->spec_id));
    if (deletes->entry.file.content != ICEBERG_EQUALITY_DELETES)
        return false;
    for (size_t i = 0; i < table->files.data_count; i++)
        if (table->files.data[i].entry.sequence_number < deletes->entry.sequence_number &&
            (everywhere || table->files.data[i].partition == deletes->partition))
            return false;
    return true;
}

/* Whoever applies them, by writing the rows anew, may leave their files in the table for some commits more. */
static void leave_out_dangling(struct iceberg_table *table) {
    struct iceberg_files *files = &table->files;
    size_t kept = 0;
    for (size_t i = 0; i < files->delete_count; i++)
        if (!is_dangling(table, &files->deletes[i]))
            files->deletes[kept++] = files->deletes[i];
    files->delete_count = kept;
}

/* --- which data files have deletes */

static int compare_paths(const void *left, const void *right) {
    return strcmp((*(struct iceberg_live_file *const *)left)->entry.file.path,
                  (*(struct iceberg_live_file *const *)right)->entry.file.path);
}

/* The first file of the list whose path is not below the bound. */
static size_t first_at(struct iceberg_live_file *const *sorted, size_t count, struct slice bound) {
    size_t low = 0, high = count;
    while (bound.data != NULL && low < high) {
        size_t middle = low + (high - low) / 2;
        const char *path = sorted[middle]->entry.file.path;
        size_t len = strlen(path);
        int order = memcmp(path, bound.data, len < bound.len ? len : bound.len);
        if (order < 0 || (order == 0 && len < bound.len))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_above(const char *path, struct slice bound) {
    size_t len = strlen(path);
    int order = bound.data != NULL ? memcmp(path, bound.data, len < bound.len ? len : bound.len) : -1;
    return order > 0 || (order == 0 && len > bound.len);
}

/* Deletes count for rows that are not newer than they are, in their own partition, and in files that their bounds allow. */
static void mark_deleted_from(struct iceberg_live_file *const *sorted, size_t count,
                              const struct iceberg_live_file *deletes) {
    const struct iceberg_file *file = &deletes->entry.file;
    struct slice low = iceberg_bounds_find(file->lower, ICEBERG_DELETE_FILE_PATH_ID);
    struct slice high = iceberg_bounds_find(file->upper, ICEBERG_DELETE_FILE_PATH_ID);
    if (file->referenced_file != NULL)
        low = high = slice_of(file->referenced_file);
    for (size_t i = first_at(sorted, count, low); i < count && !is_above(sorted[i]->entry.file.path, high); i++)
        if (sorted[i]->partition == deletes->partition &&
            sorted[i]->entry.sequence_number <= deletes->entry.sequence_number)
            sorted[i]->has_deletes = true;
}

/* Readers leave out the delete files of a data file that has a vector, so which one counts must not be a matter of chance. */
static bool mark_vector(struct iceberg_live_file *const *sorted, const struct iceberg_files *files, size_t vector,
                        struct error *err) {
    const struct iceberg_live_file *deletes = &files->deletes[vector];
    const char *path = deletes->entry.file.referenced_file;
    size_t at = first_at(sorted, files->data_count, slice_of(path));
    if (at == files->data_count || strcmp(sorted[at]->entry.file.path, path) != 0 ||
        sorted[at]->partition != deletes->partition ||
        sorted[at]->entry.sequence_number > deletes->entry.sequence_number)
        return true; /* its data file went: another writer left it */
    if (sorted[at]->vector != ICEBERG_NO_FILE)
        return error_set(
            err, ERROR_DATA,
            "%s has two deletion vectors, which another writer left: rewrite its rows with the engine that "
            "made them",
            path);
    sorted[at]->vector = vector;
    sorted[at]->has_deletes = true;
    return true;
}

static bool mark_deletes(struct iceberg_files *files, struct error *err) {
    struct iceberg_live_file **sorted = mem_alloc((files->data_count + 1) * sizeof *sorted);
    bool ok = true;
    for (size_t i = 0; i < files->data_count; i++)
        sorted[i] = &files->data[i];
    qsort(sorted, files->data_count, sizeof *sorted, compare_paths);
    for (size_t i = 0; ok && i < files->delete_count; i++) {
        const struct iceberg_file *file = &files->deletes[i].entry.file;
        if (iceberg_is_vector(file))
            ok = iceberg_check_vector(file, err) && mark_vector(sorted, files, i, err);
        else
            mark_deleted_from(sorted, files->data_count, &files->deletes[i]);
    }
    mem_free(sorted);
    return ok;
}

bool iceberg_read_files(struct iceberg_table *table, struct error *err) {
    struct collection to = {.table = table, .files = &table->files};
    for (size_t i = 0; i < table->manifest_count && !table->has_files; i++)
        if (has_live_files(&table->manifests[i]) && !read_manifest(&to, &table->manifests[i], err))
            return false;
    if (!table->has_files) {
        number_partitions(table);
        leave_out_dangling(table);
        table->has_files = mark_deletes(&table->files, err) && iceberg_read_mapping(table, err);
    }
    return table->has_files;
}

/* --- what sluice can read */

static bool check_file(const struct iceberg_file *file, struct error *err) {
    if (file->content == ICEBERG_EQUALITY_DELETES)
        return error_set(err, ERROR_OUTSIDE,
                         "%s has equality deletes of another writer, which sluice does not read: let that writer "
                         "compact the table (rewrite_data_files)",
                         file->path);
    if (strcasecmp(file->format, "PARQUET") != 0 && !iceberg_is_vector(file))
        return error_set(err, ERROR_OUTSIDE,
                         "%s is in format %s, and sluice reads Parquet only: rewrite the table with the engine that "
                         "made it",
                         file->path, file->format);
    return true;
}

bool iceberg_check_files(const struct iceberg_table *table, struct error *err) {
    const struct iceberg_files *files = &table->files;
    for (size_t i = 0; i < files->data_count; i++)
        if (!check_file(&files->data[i].entry.file, err))
            return false;
    for (size_t i = 0; i < files->delete_count; i++)
        if (!check_file(&files->deletes[i].entry.file, err))
            return false;
    return true;
}
