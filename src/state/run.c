#include "state/run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/fields.h"

static const char kind[] = "run";

#define MEMBER(name) offsetof(struct run_row, name)
static const struct field fields[] = {
    {"run_id", FIELD_TEXT, MEMBER(run_id)},
    {"path", FIELD_TEXT, MEMBER(path)},
    {"started", FIELD_TEXT, MEMBER(started)},
    {"finished", FIELD_TEXT, MEMBER(finished)},
    {"outcome", FIELD_TEXT, MEMBER(outcome)},
    {"error", FIELD_TEXT, MEMBER(error)},
    {"files", FIELD_INT64, MEMBER(files)},
    {"rows", FIELD_INT64, MEMBER(rows)},
    {"duration_ms", FIELD_INT64, MEMBER(duration_ms)},
};
#undef MEMBER

enum { FIELD_COUNT = sizeof fields / sizeof *fields };

/* The next microsecond, also when the clock stands or goes back: ids of one process increase. */
static int64_t next_time_us(unsigned *counter) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last_us;
    static unsigned count;
    pthread_mutex_lock(&mutex);
    int64_t now_us = clock_now_us();
    last_us = now_us > last_us ? now_us : last_us + 1;
    int64_t time_us = last_us;
    *counter = count++;
    pthread_mutex_unlock(&mutex);
    return time_us;
}

void run_make_id(char out[RUN_ID_BYTES]) {
    unsigned counter;
    char time[CLOCK_TEXT_BYTES];
    clock_format_sql(next_time_us(&counter), true, time); /* 2026-11-01 10:15:00.123456 */
    snprintf(out, RUN_ID_BYTES, "%.4s%.2s%.2sT%.2s%.2s%.2s%.6s-%06x%04x", time, time + 5, time + 8, time + 11,
             time + 14, time + 17, time + 20, (unsigned)getpid() & 0xffffff, counter & 0xffff);
}

/* The key's prefix of a path's runs. A path ends with '/', so no other path's keys start with it, except below a table
 * folder named "#…": those have another '/' behind. */
static char *key_prefix(const char *path) { return mem_printf("%s#", path); }

static bool is_of_path(const struct state_item *item, const char *prefix) {
    return strchr(item->key + strlen(prefix), '/') == NULL;
}

/* Adds the removal of all but the newest runs, of which `key` will be one. */
static size_t add_removals(const struct state_items *items, const char *prefix, const char *key,
                           struct state_write *writes) {
    size_t others = 0, removed = 0;
    for (size_t i = 0; i < items->count; i++)
        others += is_of_path(&items->items[i], prefix) && strcmp(items->items[i].key, key) != 0;
    for (size_t i = 0; i < items->count && others + 1 > RUN_KEEP; i++) {
        const struct state_item *item = &items->items[i];
        if (!is_of_path(item, prefix) || strcmp(item->key, key) == 0)
            continue;
        writes[removed++] = (struct state_write){.kind = kind, .key = item->key, .expected = STATE_VERSION_ANY};
        others--;
    }
    return removed;
}

bool run_put(struct state *state, const struct run_row *row, struct error *err) {
    char *prefix = key_prefix(row->path);
    char *key = mem_printf("%s%s", prefix, row->run_id);
    json_t *attributes = json_object();
    fields_write(fields, FIELD_COUNT, row, attributes);
    struct state_items items;
    struct state_write *writes = NULL;
    bool ok = state_list(state, kind, prefix, &items, err);
    if (ok) {
        writes = mem_alloc((items.count + 1) * sizeof *writes);
        writes[0] = (struct state_write){kind, key, STATE_VERSION_ANY, attributes};
        ok = state_commit(state, writes, 1 + add_removals(&items, prefix, key, writes + 1), err);
        state_items_deinit(&items);
    }
    mem_free(writes);
    json_decref(attributes);
    mem_free(key);
    mem_free(prefix);
    return ok || error_prefix(err, "recording the run %s", row->run_id);
}

bool run_list(struct state *state, struct arena *arena, const char *path, struct run_row **out, size_t *count,
              struct error *err) {
    char *prefix = key_prefix(path);
    struct state_items items;
    bool ok = state_list(state, kind, prefix, &items, err);
    if (ok) {
        *out = arena_alloc(arena, items.count * sizeof **out);
        *count = 0;
        for (size_t i = 0; ok && i < items.count; i++) {
            if (!is_of_path(&items.items[i], prefix))
                continue;
            ok = fields_read(fields, FIELD_COUNT, items.items[i].attributes, arena, &(*out)[*count], err);
            *count += 1;
        }
        state_items_deinit(&items);
    }
    mem_free(prefix);
    return ok || error_prefix(err, "reading the runs of %s", path);
}
