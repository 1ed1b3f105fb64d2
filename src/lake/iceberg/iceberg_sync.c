/* A table that the catalog does not have, because the catalog's file was lost or the lake copied without it, is registered from
 * its files.
 *
 * Which metadata file is the newest: the one with the highest number that follows from what the hint names. A load that lost
 * against another one, and crashed, may have left a file that does not. One that a load wrote right before it crashed, so that
 * the catalog never named it, is as good as committed: all its files are there, and the watermark in it says what it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lake/iceberg/iceberg.h"

struct sync {
    const struct lake *lake;
    struct arena *arena;
    const char *folder;
    struct catalog_table table;
    struct lake_synced *result;
};

/* --- metadata files */

struct candidate {
    long number;
    const char *name;
};

static int compare_candidates(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    return a->number != b->number ? (a->number < b->number) - (a->number > b->number) : strcmp(a->name, b->name);
}

/* The highest number first. */
static bool list_candidates(const struct sync *sync, struct candidate **out, size_t *count, struct error *err) {
    struct store_list list;
    if (!store_list(sync->lake->store, sync->arena, arena_printf(sync->arena, "%smetadata/", sync->folder), false,
                    &list, err))
        return false;
    *out = arena_alloc(sync->arena, (list.count + 1) * sizeof **out);
    *count = 0;
    for (size_t i = 0; i < list.count; i++) {
        long number = iceberg_metadata_number(list.entries[i].name);
        if (!list.entries[i].is_folder && number >= 0)
            (*out)[(*count)++] = (struct candidate){number, list.entries[i].name};
    }
    qsort(*out, *count, sizeof **out, compare_candidates);
    return true;
}

static bool is_file(const struct lake *lake, struct arena *arena, const char *location, const char *name) {
    const char *other = iceberg_store_name(lake, arena, location, NULL);
    return other != NULL && strcmp(other, name) == 0;
}

/* Whether the version is that of the hint, or one that came after it. */
static bool follows(const struct sync *sync, const struct iceberg_metadata *metadata, const char *name,
                    const char *hint) {
    const json_t *log = json_object_get(metadata->json, "metadata-log");
    bool found = is_file(sync->lake, sync->arena, name, hint) || strcmp(name, hint) == 0;
    for (size_t i = 0; i < json_array_size(log) && !found; i++) {
        const char *file = json_string_value(json_object_get(json_array_get(log, i), "metadata-file"));
        found = file != NULL && is_file(sync->lake, sync->arena, file, hint);
    }
    return found;
}

static bool is_ours(const struct iceberg_metadata *metadata) {
    return iceberg_metadata_property(metadata, "sluice.run-id") != NULL;
}

static bool check_place(const struct sync *sync, const struct iceberg_metadata *metadata, struct error *err) {
    const char *name = iceberg_store_name(sync->lake, sync->arena, metadata->location, NULL);
    return (name != NULL && strcmp(name, sync->table.name) == 0) ||
           error_set(err, ERROR_OUTSIDE,
                     "the table was moved: its metadata names files below %s, and is in %s/%s; Iceberg has absolute "
                     "locations, so bring the lake back to its place (a link or a mount will do)",
                     metadata->location, sync->lake->store->location, sync->table.name);
}

/* Reads one candidate. *fits: it is a version of a table of ours, and follows the hint. */
static bool look_at(const struct sync *sync, const char *name, const char *hint, bool *fits, struct error *err) {
    struct iceberg_metadata *metadata = NULL;
    struct slice text;
    struct error own = {0};
    *fits = false;
    if (!iceberg_read_file(sync->lake, sync->arena, iceberg_location(sync->lake, sync->arena, name),
                           ICEBERG_METADATA_MAX_BYTES, &text, err))
        return false;
    if (!iceberg_metadata_read(text, &metadata, &own)) {
        log_warning("%s: %s", name, own.message);
        return true;
    }
    bool ok = !is_ours(metadata) || check_place(sync, metadata, err);
    *fits = ok && is_ours(metadata) && (hint == NULL || follows(sync, metadata, name, hint));
    iceberg_metadata_free(metadata);
    return ok;
}

/* The name of the newest one in the store; NULL: no table of ours is here. */
static bool find_newest(const struct sync *sync, const char **out, struct error *err) {
    struct candidate *candidates;
    size_t count;
    const char *location = iceberg_read_hint(sync->lake, sync->arena, sync->folder), *hint = NULL;
    *out = NULL;
    if (!list_candidates(sync, &candidates, &count, err))
        return false;
    for (size_t i = 0; location != NULL && i < count; i++)
        if (is_file(sync->lake, sync->arena, location, candidates[i].name))
            hint = candidates[i].name; /* else it is of no use: the file that it names is gone */
    for (size_t i = 0; i < count && *out == NULL; i++) {
        bool fits;
        if (!look_at(sync, candidates[i].name, hint, &fits, err))
            return false;
        if (fits)
            *out = candidates[i].name;
    }
    return true;
}

/* --- the catalog */

static bool register_table(const struct sync *sync, struct error *err) {
    struct error own = {0};
    const char *newest;
    if (!find_newest(sync, &newest, err))
        return false;
    if (newest == NULL)
        return true;
    sync->result->current = iceberg_location(sync->lake, sync->arena, newest);
    sync->result->is_table = true;
    if (catalog_table_create(sync->lake->catalog, &sync->table, sync->result->current, &own))
        sync->result->registered = true;
    else if (own.kind != ERROR_CONFLICT) { /* a load was quicker: its entry is newer */
        *err = own;
        return false;
    }
    return true;
}

static bool exists(const struct sync *sync, const char *name, bool *found, struct error *err) {
    struct store_reader *reader = NULL;
    struct error own = {0};
    *found = store_reader_open(sync->lake->store, name, &reader, &own);
    store_reader_close(reader);
    if (*found || own.code == ENOENT)
        return true;
    *err = own;
    return false;
}

/* An entry that leads out of the lake is another program's, unless the table's files are here. */
static bool check_entry(const struct sync *sync, const char *current, struct error *err) {
    const char *name = iceberg_store_name(sync->lake, sync->arena, current, NULL), *newest = NULL;
    bool found = false;
    if (name != NULL && !exists(sync, name, &found, err))
        return false;
    if (found) {
        sync->result->is_table = true;
        sync->result->current = current;
        return true;
    }
    if (!find_newest(sync, &newest, err))
        return false;
    if (newest == NULL && name == NULL)
        return true;
    return error_set(
        err, ERROR_OUTSIDE,
        "the catalog's entry leads to %s, which is gone; %s%s%s: put the file back, or load the table again "
        "in full",
        current, newest != NULL ? "the newest that is there is " : "no version of the table is there",
        newest != NULL ? newest : "", newest != NULL ? " (drop the entry, and catalog sync registers that one)" : "");
}

bool iceberg_sync_table(const struct lake *lake, const char *folder, struct arena *arena, struct lake_synced *result,
                        struct error *err) {
    struct sync sync = {.lake = lake, .arena = arena, .folder = folder, .result = result};
    const char *current = NULL;
    struct error own = {0};
    sync.table = (struct catalog_table){lake->database, arena_strndup(arena, folder, strlen(folder) - 1)};
    bool ok = catalog_table_find(lake->catalog, arena, &sync.table, &current, &own) &&
              (current != NULL ? check_entry(&sync, current, &own) : register_table(&sync, &own)) &&
              (!result->is_table || iceberg_write_hint(lake, &sync.table, folder, &result->hint_is_written, &own));
    if (!ok && err != NULL)
        *err = own;
    return ok;
}
