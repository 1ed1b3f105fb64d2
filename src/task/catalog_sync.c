#include "task/catalog_sync.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "lake/lake.h"

struct sync_round {
    const struct lake_format_ops *format;
    struct lake lake;
    struct catalog_sync_summary *summary;
    struct arena arena;
    const char **folders; /* of tables, maybe */
    size_t count, capacity;
};

/* --- which folders */

static void add_folder(struct sync_round *round, const char *folder) {
    round->folders = mem_grow(round->folders, round->count, &round->capacity, sizeof *round->folders);
    round->folders[round->count++] = folder;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void sort_folders(struct sync_round *round) {
    size_t count = 0;
    if (round->count > 0)
        qsort(round->folders, round->count, sizeof *round->folders, compare_names);
    for (size_t i = 0; i < round->count; i++)
        if (i == 0 || strcmp(round->folders[i], round->folders[count - 1]) != 0)
            round->folders[count++] = round->folders[i];
    round->count = count;
}

/* Tables lie as deep as lake.table_name says. */
static bool list_folders(struct sync_round *round, const char *prefix, const char *pattern, struct error *err) {
    const char *rest = strchr(pattern, '/');
    struct store_list list;
    if (!store_list(round->lake.store, &round->arena, prefix, false, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        if (!list.entries[i].is_folder)
            continue;
        if (rest == NULL)
            add_folder(round, list.entries[i].name);
        else if (!list_folders(round, list.entries[i].name, rest + 1, err))
            return false;
    }
    return true;
}

static bool list_entries(struct sync_round *round, struct error *err) {
    const char **names = NULL;
    size_t count = 0;
    if (!catalog_table_list(round->lake.catalog, &round->arena, round->lake.database, &names, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (store_name_is_valid(names[i]))
            add_folder(round, arena_printf(&round->arena, "%s/", names[i]));
    return true;
}

/* --- one table */

static void sync_or_log(struct sync_round *round, const char *folder) {
    struct lake_synced done;
    struct error err = {0};
    int len = (int)strlen(folder) - 1;
    if (!lake_sync(round->format, &round->lake, folder, &round->arena, &done, &err)) {
        log_error("%s.%.*s: %s", round->lake.database, len, folder, err.message);
        round->summary->tables++;
        round->summary->failed++;
        return;
    }
    round->summary->tables += done.is_table;
    round->summary->registered += done.registered;
    round->summary->hints += done.hint_is_written;
    if (done.registered)
        log_info("registered %s.%.*s in the catalog, at %s", round->lake.database, len, folder, done.current);
}

static bool sync_tables(struct sync_round *round, const char *pattern, struct error *err) {
    if (!list_folders(round, "", pattern, err) || !list_entries(round, err))
        return false;
    sort_folders(round);
    for (size_t i = 0; i < round->count; i++) {
        if (!cancel_check(err))
            return false;
        sync_or_log(round, round->folders[i]);
    }
    return true;
}

bool catalog_sync_run(const struct config *config, struct catalog_sync_summary *summary, struct error *err) {
    struct sync_round round = {.summary = summary};
    *summary = (struct catalog_sync_summary){0};
    arena_init(&round.arena);
    bool ok = lake_init(config, &round.format, &round.lake, err);
    if (ok) {
        summary->format = round.format->name;
        summary->needless = round.format->sync == NULL;
        ok = summary->needless || sync_tables(&round, config->lake.table_name, err);
    }
    mem_free(round.folders);
    lake_deinit(&round.lake);
    arena_deinit(&round.arena);
    return ok;
}
