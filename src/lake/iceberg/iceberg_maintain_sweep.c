/* Removal of files that nobody needs. Candidates come from three places: what snapshots that were expired were made of,
 * metadata files that the log has forgotten, and the listing of the table's own data and metadata folders, as far as it is
 * old enough. Then everything that the table's current metadata leads to is taken out, over all of its snapshots, and only
 * the rest is removed. So whatever a candidate was taken for, a file that a reader can be led to stays.
 *
 * A load that runs, ours or another writer's, has files that nothing refers to yet: they are younger than orphan_age_ms. Of
 * ours, which have the commit's number in their names, all are left as long as one of them is young. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "lake/iceberg/iceberg_maintain.h"

/* Names in the store. */
struct names {
    const char **items;
    size_t count, capacity;
};

struct sweep {
    struct iceberg_maintenance *maintenance;
    const struct lake *lake;
    const struct iceberg_table *now; /* the version whose files stay */
    struct arena arena;
    struct store_list listed[2]; /* the folders of data and metadata */
    struct names young;          /* numbers of our commits that wrote a file lately, sorted */
    struct names candidates;
    bool *needed;           /* one for each candidate, once they are sorted */
    struct names manifests; /* of all snapshots that stay, sorted */
    struct iceberg_manifest_file *records;
    size_t record_count, record_capacity; /* the same, as the lists have them, unsorted and with repetitions */
};

/* A table may be committed to all the time: marking is done again for a newer version so often. */
enum { MARK_PASSES = 2, FOLDERS = 2 };

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void add_name(struct names *names, const char *name) {
    names->items = mem_grow(names->items, names->count, &names->capacity, sizeof *names->items);
    names->items[names->count++] = name;
}

/* Sorted, each once. */
static void sort_names(struct names *names) {
    size_t count = 0;
    if (names->count > 0)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    for (size_t i = 0; i < names->count; i++)
        if (i == 0 || strcmp(names->items[i], names->items[count - 1]) != 0)
            names->items[count++] = names->items[i];
    names->count = count;
}

/* SIZE_MAX when it is not there. */
static size_t find_name(const struct names *names, const char *name) {
    const char **found =
        names->count > 0 ? bsearch(&name, names->items, names->count, sizeof *names->items, compare_names) : NULL;
    return found != NULL ? (size_t)(found - names->items) : SIZE_MAX;
}

static const char *name_of(struct sweep *sweep, const char *location) {
    return location != NULL ? iceberg_store_name(sweep->lake, &sweep->arena, location, NULL) : NULL;
}

/* Only files in the table's own folder are its to remove. */
static void add_candidate(struct sweep *sweep, const char *location) {
    const char *name = name_of(sweep, location), *folder = sweep->now->base.folder;
    if (name != NULL && strncmp(name, folder, strlen(folder)) == 0)
        add_name(&sweep->candidates, name);
}

static void mark(struct sweep *sweep, const char *location) {
    const char *name = name_of(sweep, location);
    size_t at = name != NULL ? find_name(&sweep->candidates, name) : SIZE_MAX;
    if (at != SIZE_MAX)
        sweep->needed[at] = true;
}

/* --- reading lists and manifests */

static bool read_list(struct sweep *sweep, const char *location, struct iceberg_manifest_file **out, size_t *count,
                      struct error *err) {
    struct slice bytes;
    return iceberg_read_file(sweep->lake, &sweep->arena, location, ICEBERG_MANIFEST_MAX_BYTES, &bytes, err) &&
           (iceberg_list_read(&sweep->arena, bytes, out, count, err) || error_prefix(err, "reading %s", location));
}

/* Calls `take` with each file that the manifest says is live. */
static bool read_manifest(struct sweep *sweep, const struct iceberg_manifest_file *manifest,
                          void (*take)(struct sweep *sweep, const char *location), struct error *err) {
    struct arena arena;
    struct iceberg_manifest_reader *reader = NULL;
    const struct iceberg_entry *entry = NULL;
    struct slice bytes;
    arena_init(&arena);
    bool ok = iceberg_read_file(sweep->lake, &arena, manifest->path, ICEBERG_MANIFEST_MAX_BYTES, &bytes, err) &&
              iceberg_manifest_open(sweep->now->metadata, manifest, bytes, &reader, err);
    while (ok && (ok = iceberg_manifest_next(reader, &entry, err)) && entry != NULL)
        if (entry->status != ICEBERG_DELETED)
            take(sweep, entry->file.path);
    iceberg_manifest_close(reader);
    arena_deinit(&arena);
    return ok || error_prefix(err, "manifest %s", manifest->path);
}

static bool is_missing(const struct error *err) { return err->kind == ERROR_OUTSIDE && err->code == ENOENT; }

/* --- what stays */

static bool collect_manifests(struct sweep *sweep, struct error *err) {
    const struct iceberg_metadata *metadata = sweep->now->metadata;
    sweep->manifests.count = sweep->record_count = 0;
    for (size_t i = 0; i < metadata->snapshot_count; i++) {
        struct iceberg_manifest_file *manifests = NULL;
        size_t count = 0;
        if (metadata->snapshots[i].manifest_list == NULL)
            return error_set(err, ERROR_OUTSIDE, "snapshot %lld has no manifest list: its files are not known",
                             (long long)metadata->snapshots[i].id);
        if (!read_list(sweep, metadata->snapshots[i].manifest_list, &manifests, &count, err))
            return false;
        for (size_t j = 0; j < count; j++) {
            sweep->records =
                mem_grow(sweep->records, sweep->record_count, &sweep->record_capacity, sizeof *sweep->records);
            sweep->records[sweep->record_count++] = manifests[j];
            add_name(&sweep->manifests, manifests[j].path);
        }
    }
    sort_names(&sweep->manifests);
    return true;
}

static void mark_files_of(struct sweep *sweep, const char *array, const char *member) {
    const json_t *list = json_object_get(sweep->now->metadata->json, array);
    for (size_t i = 0; i < json_array_size(list); i++)
        mark(sweep, json_string_value(json_object_get(json_array_get(list, i), member)));
}

/* Each manifest is read once, however many snapshots have it. */
static bool mark_needed(struct sweep *sweep, struct error *err) {
    const struct iceberg_metadata *metadata = sweep->now->metadata;
    bool *read = arena_alloc(&sweep->arena, (sweep->manifests.count + 1) * sizeof *read);
    mark(sweep, sweep->now->metadata_file);
    mark_files_of(sweep, "metadata-log", "metadata-file");
    mark_files_of(sweep, "statistics", "statistics-path");
    mark_files_of(sweep, "partition-statistics", "statistics-path");
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        mark(sweep, metadata->snapshots[i].manifest_list);
    for (size_t i = 0; i < sweep->record_count; i++) {
        size_t at = find_name(&sweep->manifests, sweep->records[i].path);
        if (read[at])
            continue;
        read[at] = true;
        mark(sweep, sweep->records[i].path);
        if (!cancel_check(err) || !read_manifest(sweep, &sweep->records[i], mark, err))
            return false;
    }
    return true;
}

/* --- candidates */

/* What another one has removed already is no error. */
static bool add_snapshot(struct sweep *sweep, const struct iceberg_snapshot *snapshot, struct error *err) {
    struct iceberg_manifest_file *manifests = NULL;
    size_t count = 0;
    struct error own = {0};
    if (snapshot->manifest_list == NULL)
        return true;
    bool ok = read_list(sweep, snapshot->manifest_list, &manifests, &count, &own);
    for (size_t i = 0; ok && i < count; i++) {
        if (find_name(&sweep->manifests, manifests[i].path) != SIZE_MAX)
            continue;
        add_candidate(sweep, manifests[i].path);
        ok = read_manifest(sweep, &manifests[i], add_candidate, &own) || is_missing(&own);
    }
    add_candidate(sweep, snapshot->manifest_list);
    if (!ok && !is_missing(&own)) {
        if (err != NULL)
            *err = own;
        return false;
    }
    return true;
}

static bool add_expired(struct sweep *sweep, const struct iceberg_metadata *before, const int64_t *expired,
                        size_t count, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        const struct iceberg_snapshot *snapshot = iceberg_metadata_snapshot(before, expired[i]);
        if (snapshot != NULL && !add_snapshot(sweep, snapshot, err))
            return false;
    }
    return true;
}

static const char *base_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

static bool has_end(const char *name, const char *end) {
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

/* The number of the oldest metadata file that the log has, or of the current one. Who started from an older one cannot commit
 * any more. */
static long oldest_number(const struct sweep *sweep) {
    const json_t *log = json_object_get(sweep->now->metadata->json, "metadata-log");
    long oldest = iceberg_metadata_number(sweep->now->metadata_file);
    for (size_t i = 0; i < json_array_size(log); i++) {
        const char *file = json_string_value(json_object_get(json_array_get(log, i), "metadata-file"));
        long number = file != NULL ? iceberg_metadata_number(file) : -1;
        if (number < oldest)
            oldest = number;
    }
    return oldest;
}

/* Sixteen hexadecimal digits that are a word of the name. */
static bool find_digits(const char *name, char out[ICEBERG_COMMIT_BYTES]) {
    size_t run = 0;
    for (const char *at = name;; at++) {
        if (isxdigit((unsigned char)*at)) {
            run++;
        } else if (run == ICEBERG_COMMIT_BYTES - 1 && !isalnum((unsigned char)*at)) {
            memcpy(out, at - run, run);
            out[run] = '\0';
            return true;
        } else {
            run = 0;
        }
        if (*at == '\0')
            return false;
    }
}

/* The number of one of our commits: in a file's own name, or in that of the folder where the engine wrote it. */
static bool find_commit(const char *name, char out[ICEBERG_COMMIT_BYTES]) {
    return find_digits(base_name(name), out) || find_digits(name, out);
}

/* What somebody else put there, under a name that is none of Iceberg's, is left alone. */
static bool is_ours_by_name(const char *name) {
    return has_end(name, ".parquet") || has_end(name, ".avro") || has_end(name, ".puffin") ||
           iceberg_metadata_number(name) >= 0;
}

/* An adopted file may have the time of the raw file that it is. */
static bool is_young(const struct sweep *sweep, const struct store_entry *entry) {
    const struct lake_maintain *options = sweep->maintenance->options;
    int64_t since_us = iceberg_is_adopted(entry->name) ? entry->appeared_us : entry->modified_us;
    return options->now_us - since_us < options->orphan_age_ms * 1000;
}

static void find_young(struct sweep *sweep, const struct store_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        char commit[ICEBERG_COMMIT_BYTES];
        if (is_young(sweep, &list->entries[i]) && find_commit(list->entries[i].name, commit))
            add_name(&sweep->young, arena_strdup(&sweep->arena, commit));
    }
}

static bool is_orphan(const struct sweep *sweep, const struct store_entry *entry) {
    char commit[ICEBERG_COMMIT_BYTES];
    return !is_young(sweep, entry) &&
           !(find_commit(entry->name, commit) && find_name(&sweep->young, commit) != SIZE_MAX);
}

static bool list_folder(struct sweep *sweep, const char *folder, struct store_list *list, struct error *err) {
    return store_list(sweep->lake->store, &sweep->arena,
                      arena_printf(&sweep->arena, "%s%s/", sweep->now->base.folder, folder), true, list, err);
}

static void add_listed(struct sweep *sweep, const struct store_list *list) {
    long oldest = oldest_number(sweep);
    for (size_t i = 0; i < list->count; i++) {
        long number = iceberg_metadata_number(list->entries[i].name);
        bool is_forgotten = number >= 0 && number < oldest;
        if (is_ours_by_name(list->entries[i].name) && (is_forgotten || is_orphan(sweep, &list->entries[i])))
            add_name(&sweep->candidates, list->entries[i].name);
    }
}

/* --- removing */

static bool remove_rest(struct sweep *sweep, struct error *err) {
    for (size_t i = 0; i < sweep->candidates.count; i++) {
        if (sweep->needed[i])
            continue;
        if (!store_remove(sweep->lake->store, sweep->candidates.items[i], err) ||
            !fault_point("maintain.file_removed", err))
            return false;
        sweep->maintenance->result->files_removed++;
    }
    return true;
}

static bool may_collect(const struct iceberg_metadata *metadata) {
    const char *collect = iceberg_metadata_property(metadata, "gc.enabled");
    return collect == NULL || strcmp(collect, "false") != 0;
}

/* A commit since may have made a file needed that seemed to be an orphan. */
static bool is_current(struct sweep *sweep, struct error *err) {
    const char *file = NULL;
    return catalog_table_find(sweep->lake->catalog, &sweep->arena, &sweep->now->catalog_table, &file, err) &&
           file != NULL && strcmp(file, sweep->now->metadata_file) == 0;
}

static bool mark_newer(struct sweep *sweep, struct error *err) {
    const struct lake_table *base = &sweep->now->base;
    struct lake_table *newer = NULL;
    bool ok = true;
    for (int pass = 1; ok && pass < MARK_PASSES && !is_current(sweep, NULL); pass++) {
        ok = lake_open(base->ops, base->lake, base->folder, &newer, err);
        const struct iceberg_table *table = (const struct iceberg_table *)newer, *now = sweep->now;
        if (ok && table->metadata == NULL) {
            ok = error_set(err, ERROR_CONFLICT, "the table was dropped");
        } else if (ok) {
            sweep->now = table;
            ok = collect_manifests(sweep, err) && mark_needed(sweep, err);
            sweep->now = now;
        }
        lake_close(newer);
        newer = NULL;
    }
    return ok;
}

static bool sweep_table(struct sweep *sweep, const struct iceberg_metadata *before, const int64_t *expired,
                        size_t expired_count, struct error *err) {
    if (!may_collect(sweep->now->metadata))
        return true;
    sort_names(&sweep->young);
    for (size_t i = 0; i < FOLDERS; i++)
        add_listed(sweep, &sweep->listed[i]);
    if (sweep->candidates.count == 0 && expired_count == 0)
        return true;
    if (!collect_manifests(sweep, err) || !add_expired(sweep, before, expired, expired_count, err))
        return false;
    sort_names(&sweep->candidates);
    sweep->needed = arena_alloc(&sweep->arena, (sweep->candidates.count + 1) * sizeof *sweep->needed);
    return mark_needed(sweep, err) && mark_newer(sweep, err) && remove_rest(sweep, err);
}

/* Another round expired snapshots meanwhile, and removed what we were about to read. */
static bool is_overtaken(struct sweep *sweep, const struct error *err) {
    return is_missing(err) && !is_current(sweep, NULL);
}

/* Folders are listed before the metadata is read: what a commit makes needed after that is no candidate. */
static bool list_folders(struct sweep *sweep, struct error *err) {
    static const char *const names[FOLDERS] = {"data", "metadata"};
    for (size_t i = 0; i < FOLDERS; i++) {
        if (!list_folder(sweep, names[i], &sweep->listed[i], err))
            return false;
        find_young(sweep, &sweep->listed[i]);
    }
    return true;
}

bool iceberg_sweep(struct iceberg_maintenance *maintenance, const struct iceberg_metadata *before,
                   const int64_t *expired, size_t expired_count, struct error *err) {
    const struct lake_table *base = &maintenance->planned->base;
    struct sweep sweep = {.maintenance = maintenance, .lake = base->lake, .now = maintenance->planned};
    struct lake_table *now = NULL;
    arena_init(&sweep.arena);
    bool ok = list_folders(&sweep, err) && lake_open(base->ops, base->lake, base->folder, &now, err);
    if (ok && ((struct iceberg_table *)now)->metadata != NULL) {
        struct error own = {0};
        sweep.now = (struct iceberg_table *)now;
        ok = sweep_table(&sweep, before, expired, expired_count, &own) || is_overtaken(&sweep, &own);
        if (!ok && err != NULL)
            *err = own;
    }
    mem_free(sweep.young.items);
    mem_free(sweep.candidates.items);
    mem_free(sweep.manifests.items);
    mem_free(sweep.records);
    arena_deinit(&sweep.arena);
    lake_close(now);
    return ok;
}
