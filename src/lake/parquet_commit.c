/* Versions of a parquet table: finding the newest, making the next, publishing it. parquet.h has the protocol. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/fault.h"
#include "base/log.h"
#include "lake/parquet.h"

#define META_FOLDER "_sluice/"
#define STAGE_FOLDER META_FOLDER "stage/"

enum {
    VERSION_DIGITS = 8, /* so that names sort as numbers; more digits come when they are needed */
    FIND_TRIES = 16,    /* how often another loader may be faster while a version is looked for */
};

/* --- names */

static char *meta_name(const struct parquet_table *table, uint64_t version, const char *suffix) {
    return mem_printf("%s" META_FOLDER "v%0*llu%s", table->base.folder, VERSION_DIGITS, (unsigned long long)version,
                      suffix);
}

char *parquet_stage_folder(const struct parquet_table *table, uint64_t version, const char *commit) {
    return mem_printf("%s" STAGE_FOLDER "%0*llu-%s/", table->base.folder, VERSION_DIGITS, (unsigned long long)version,
                      commit);
}

void parquet_make_commit_id(char out[PARQUET_COMMIT_BYTES]) {
    uint64_t random = 0;
    ssize_t got = getrandom(&random, sizeof random, 0); /* never short for so few bytes */
    assert(got == (ssize_t)sizeof random);
    snprintf(out, PARQUET_COMMIT_BYTES, "%016llx", (unsigned long long)random);
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* What an object below _sluice/ is, by its name. */
struct meta_object {
    enum { META_OTHER, META_VERSION, META_DONE, META_STAGED } what;
    uint64_t version;
};

static struct meta_object parse_meta_name(const char *rest) {
    struct meta_object object = {.what = META_OTHER};
    const char *stage = &STAGE_FOLDER[strlen(META_FOLDER)];
    bool staged = strncmp(rest, stage, strlen(stage)) == 0;
    if (!staged && rest[0] != 'v')
        return object;
    rest += staged ? strlen(stage) : 1;
    char *end = NULL;
    if (strspn(rest, "0123456789") < VERSION_DIGITS) /* no name of ours */
        return object;
    object.version = strtoull(rest, &end, 10);
    if (staged && *end == '-')
        object.what = META_STAGED;
    else if (!staged && strcmp(end, ".json") == 0)
        object.what = META_VERSION;
    else if (!staged && strcmp(end, ".done") == 0)
        object.what = META_DONE;
    return object;
}

static struct meta_object parse_meta(const struct parquet_table *table, const char *name) {
    return parse_meta_name(name + strlen(table->base.folder) + strlen(META_FOLDER));
}

bool parquet_is_version(const char *name) { return parse_meta_name(name).what == META_VERSION; }

/* --- the newest version */

struct meta_state {
    struct store_list list;
    uint64_t newest; /* 0: no version */
    bool done;       /* the newest is published */
};

static bool list_meta(const struct parquet_table *table, struct arena *arena, struct meta_state *out,
                      struct error *err) {
    const char *prefix = arena_printf(arena, "%s" META_FOLDER, table->base.folder);
    *out = (struct meta_state){0};
    if (!store_list(table->base.lake->store, arena, prefix, true, &out->list, err))
        return false;
    for (size_t i = 0; i < out->list.count; i++) {
        struct meta_object object = parse_meta(table, out->list.entries[i].name);
        if (object.what == META_VERSION && object.version > out->newest)
            out->newest = object.version;
    }
    for (size_t i = 0; i < out->list.count; i++) {
        struct meta_object object = parse_meta(table, out->list.entries[i].name);
        out->done = out->done || (object.what == META_DONE && object.version == out->newest);
    }
    return true;
}

/* *found false when the version is not there (any more). */
static bool read_version(const struct parquet_table *table, struct arena *arena, uint64_t number,
                         struct parquet_version *out, bool *found, struct error *err) {
    char *name = meta_name(table, number, ".json");
    struct buf text;
    buf_init(&text, PARQUET_VERSION_MAX_BYTES);
    struct error own = {0};
    bool ok = store_read_all(table->base.lake->store, name, PARQUET_VERSION_MAX_BYTES, &text, &own);
    *found = ok;
    if (!ok && own.code == ENOENT)
        ok = true;
    if (*found)
        ok = parquet_version_read(arena, text.data, text.len, out, &own) || error_prefix(&own, "reading %s", name);
    if (!ok && err != NULL)
        *err = own;
    buf_deinit(&text);
    mem_free(name);
    return ok;
}

bool parquet_is_overtaken(const struct parquet_table *table, uint64_t number) {
    struct arena arena;
    arena_init(&arena);
    struct meta_state meta;
    bool overtaken = list_meta(table, &arena, &meta, NULL) && meta.newest > number;
    arena_deinit(&arena);
    return overtaken;
}

/* --- step 3: publishing; every step may be repeated */

/* Whoever opens the table meanwhile publishes too. The one that is second with a file may find it gone in the middle of its
 * move; at the next try the move was done before. */
static bool publish_file(struct store *store, const char *from, const char *to, struct error *err) {
    return store_move(store, from, to, NULL) || store_move(store, from, to, err);
}

static bool publish_added(const struct parquet_table *table, const struct parquet_version *version, struct error *err) {
    char *stage = parquet_stage_folder(table, version->number, version->commit);
    bool ok = true;
    for (size_t i = 0; i < version->added_count && ok; i++) {
        char *from = mem_printf("%s%s", stage, last_part(version->added[i]));
        char *to = mem_printf("%s%s", table->base.folder, version->added[i]);
        ok = publish_file(table->base.lake->store, from, to, err) && fault_point("lake.publish_moved", err);
        mem_free(from);
        mem_free(to);
    }
    mem_free(stage);
    return ok;
}

static bool publish_removed(const struct parquet_table *table, const struct parquet_version *version,
                            struct error *err) {
    bool ok = fault_point("lake.publish_added", err);
    for (size_t i = 0; i < version->removed_count && ok; i++) {
        char *name = mem_printf("%s%s", table->base.folder, version->removed[i]);
        ok = store_remove(table->base.lake->store, name, err) && fault_point("lake.publish_removed", err);
        mem_free(name);
    }
    return ok;
}

/* First the new files, then the old: a reader that lists folders may see a row twice for a moment, but never loses one. */
static bool publish(const struct parquet_table *table, const struct parquet_version *version, struct error *err) {
    char *done = meta_name(table, version->number, ".done");
    bool ok = publish_added(table, version, err) && publish_removed(table, version, err) &&
              store_put(table->base.lake->store, done, "", 0, false, err) && fault_point("lake.published", err);
    mem_free(done);
    return ok || error_prefix(err, "publishing version %llu", (unsigned long long)version->number);
}

/* --- step 4: what nobody needs any more, once `version` is published */

/* The engine may have made folders and no file in them: removing what is not there removes the empty folders. */
static bool remove_empty_folders(struct store *store, struct arena *arena, const char *folder, struct error *err) {
    struct store_list list;
    if (!store_list(store, arena, folder, false, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++)
        if (list.entries[i].is_folder &&
            !store_remove(store, arena_printf(arena, "%snothing", list.entries[i].name), err))
            return false;
    return store_remove(store, arena_printf(arena, "%snothing", folder), err);
}

/* Removes a stage with what is in it. */
static bool remove_stage(struct store *store, struct arena *arena, const char *folder, struct error *err) {
    struct store_list list;
    if (!store_list(store, arena, folder, true, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++)
        if (!store_remove(store, list.entries[i].name, err) || !fault_point("lake.cleaned", err))
            return false;
    return remove_empty_folders(store, arena, folder, err);
}

static bool clean_versions(const struct parquet_table *table, struct arena *arena, uint64_t version,
                           struct error *err) {
    struct meta_state meta;
    if (!list_meta(table, arena, &meta, err))
        return false;
    for (size_t i = 0; i < meta.list.count; i++) {
        struct meta_object object = parse_meta(table, meta.list.entries[i].name);
        bool is_version = object.what == META_VERSION || object.what == META_DONE;
        if (is_version && object.version + PARQUET_VERSIONS_KEPT <= version &&
            (!store_remove(table->base.lake->store, meta.list.entries[i].name, err) ||
             !fault_point("lake.cleaned", err)))
            return false;
    }
    return true;
}

static bool clean_stages(const struct parquet_table *table, struct arena *arena, uint64_t version, struct error *err) {
    struct store *store = table->base.lake->store;
    struct store_list list;
    if (!store_list(store, arena, arena_printf(arena, "%s" STAGE_FOLDER, table->base.folder), false, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        struct meta_object object = parse_meta(table, list.entries[i].name);
        if (object.what == META_STAGED && object.version <= version &&
            !remove_stage(store, arena, list.entries[i].name, err))
            return false;
    }
    return true;
}

/* The commit has happened; what could not be removed is tried again by the next one. */
static void clean_up(const struct parquet_table *table, uint64_t version) {
    struct arena arena;
    arena_init(&arena);
    struct error err = {0};
    if (!clean_versions(table, &arena, version, &err) || !clean_stages(table, &arena, version, &err))
        log_warning("lake table %s: leftovers stay until the next load: %s", table->base.folder, err.message);
    arena_deinit(&arena);
}

void parquet_drop_stage(const struct parquet_table *table, uint64_t version, const char *commit) {
    struct arena arena;
    arena_init(&arena);
    char *folder = parquet_stage_folder(table, version, commit);
    remove_stage(table->base.lake->store, &arena, folder, NULL);
    mem_free(folder);
    arena_deinit(&arena);
}

/* --- opening */

/* One look; *settled false when another loader changed things meanwhile. */
static bool try_find_version(struct parquet_table *table, bool *settled, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct meta_state meta;
    bool found = false;
    *settled = false;
    bool ok = list_meta(table, &arena, &meta, err);
    if (ok && meta.newest == 0) {
        table->version = (struct parquet_version){0};
        *settled = true;
    } else if (ok) {
        ok = read_version(table, &table->arena, meta.newest, &table->version, &found, err);
        *settled = ok && found;
    }
    if (*settled && meta.newest > 0 && !meta.done) {
        ok = publish(table, &table->version, err);
        if (ok)
            clean_up(table, meta.newest);
        else if (parquet_is_overtaken(table, meta.newest)) { /* the next load has removed what we wanted to move */
            ok = true;
            *settled = false;
        }
    }
    arena_deinit(&arena);
    return ok;
}

bool parquet_find_version(struct parquet_table *table, struct error *err) {
    bool settled = false;
    for (int i = 0; i < FIND_TRIES && !settled; i++)
        if (!try_find_version(table, &settled, err))
            return false;
    return settled || error_set(err, ERROR_RETRY, "other loaders commit faster than the table can be opened");
}

/* --- committing */

/* True when the version that follows `made`, or else the newest, builds on it. */
static bool is_built_upon(const struct parquet_table *table, struct arena *arena, const struct parquet_version *made,
                          bool *yes, struct error *err) {
    struct parquet_version after;
    bool found = false;
    if (!read_version(table, arena, made->number + 1, &after, &found, err))
        return false;
    *yes = found && after.previous != NULL && strcmp(after.previous, made->commit) == 0;
    return true;
}

/* The number was free; was it free because it had not been taken yet, or because it had been removed already? */
static bool confirm(const struct parquet_table *table, const struct parquet_version *made, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct meta_state meta;
    bool ok = list_meta(table, &arena, &meta, err), counts = true;
    if (ok && meta.newest > made->number)
        ok = is_built_upon(table, &arena, made, &counts, err);
    if (ok && !counts) {
        char *name = meta_name(table, made->number, ".json");
        ok = store_remove(table->base.lake->store, name, err) &&
             error_set(err, ERROR_CONFLICT, "another load committed version %llu meanwhile",
                       (unsigned long long)meta.newest);
        mem_free(name);
    }
    arena_deinit(&arena);
    return ok;
}

static bool create_version(const struct parquet_table *table, const struct parquet_version *next, struct error *err) {
    struct buf text;
    buf_init(&text, PARQUET_VERSION_MAX_BYTES);
    char *name = meta_name(table, next->number, ".json");
    parquet_version_write(next, &text);
    bool ok = store_put(table->base.lake->store, name, text.data, text.len, true, err);
    mem_free(name);
    buf_deinit(&text);
    return ok;
}

bool parquet_commit(struct parquet_table *table, const struct parquet_version *next, struct error *err) {
    assert(next->number == table->version.number + 1);
    struct error own = {0};
    bool ok = fault_point("lake.staged", &own) && create_version(table, next, &own) &&
              fault_point("lake.committed", &own) && confirm(table, next, &own);
    if (!ok) {
        /* After another error the version may exist all the same: its files must stay. */
        if (own.kind == ERROR_CONFLICT)
            parquet_drop_stage(table, next->number, next->commit);
        if (err != NULL)
            *err = own;
        return false;
    }
    if (!publish(table, next, err) && !parquet_is_overtaken(table, next->number))
        return false;
    clean_up(table, next->number);
    return true;
}
