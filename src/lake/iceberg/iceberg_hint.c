/* A stable path for readers without a catalog: metadata/version-hint.text names the current metadata file, without its ending,
 * as in "00012-4f0c…". So DuckDB's iceberg_scan, pyiceberg's StaticTable and others read a table by its folder alone. (Readers
 * that want the numbers of Iceberg's Hadoop tables there may also commit by them, beside the catalog: they get none.)
 *
 * The catalog is the truth, and the hint follows it: after each commit of ours, in each round of maintenance, and when the
 * catalog is synced. Two commits at once each look into the catalog again after they wrote, so that the last one that writes
 * has the newest version. What a crash, a power cut or another writer's commit leaves is a hint of a version before, which
 * readers can read until maintenance has expired it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lake/iceberg/iceberg.h"

#define HINT "metadata/" ICEBERG_HINT
#define METADATA_END ".metadata.json"

enum { HINT_MAX_BYTES = 1024, HINT_PASSES = 8 };

static const char *base_name(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

static bool has_end(const char *name, const char *end) {
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

long iceberg_metadata_number(const char *name) {
    char *end;
    const char *base = base_name(name);
    if (!isdigit((unsigned char)base[0]) || !has_end(base, METADATA_END))
        return -1;
    long number = strtol(base, &end, 10);
    return *end == '-' ? number : -1;
}

/* What is in the file; NULL when there is none, or none that could be a name. */
static const char *read_text(const struct lake *lake, struct arena *arena, const char *folder) {
    struct buf text;
    buf_init(&text, HINT_MAX_BYTES);
    bool ok = store_read_all(lake->store, arena_printf(arena, "%s" HINT, folder), HINT_MAX_BYTES, &text, NULL) &&
              text.len > 0 && memchr(text.data, '/', text.len) == NULL && memchr(text.data, '\0', text.len) == NULL;
    const char *copy = ok ? arena_strndup(arena, text.data, text.len) : NULL;
    buf_deinit(&text);
    return copy;
}

const char *iceberg_read_hint(const struct lake *lake, struct arena *arena, const char *folder) {
    const char *text = read_text(lake, arena, folder);
    return text != NULL ? iceberg_location(lake, arena, arena_printf(arena, "%smetadata/%s" METADATA_END, folder, text))
                        : NULL;
}

/* NULL when the file is not one that a hint can name: in another folder, or of another name. */
static const char *text_for(const struct lake *lake, struct arena *arena, const char *folder, const char *current) {
    const char *name = iceberg_store_name(lake, arena, current, NULL);
    const char *place = arena_printf(arena, "%smetadata/", folder);
    if (name == NULL || strncmp(name, place, strlen(place)) != 0 || !has_end(name, METADATA_END) ||
        strchr(name + strlen(place), '/') != NULL)
        return NULL;
    return arena_strndup(arena, name + strlen(place), strlen(name + strlen(place)) - strlen(METADATA_END));
}

/* One look and, where it is wrong, one writing; *done when the hint is as the catalog was at that look. */
static bool write_once(const struct lake *lake, struct arena *arena, const struct catalog_table *table,
                       const char *folder, bool *done, struct error *err) {
    const char *current = NULL;
    if (!catalog_table_find(lake->catalog, arena, table, &current, err))
        return false;
    const char *want = current != NULL ? text_for(lake, arena, folder, current) : NULL;
    const char *is = want != NULL ? read_text(lake, arena, folder) : NULL;
    *done = want == NULL || (is != NULL && strcmp(is, want) == 0);
    return *done || store_replace(lake->store, arena_printf(arena, "%s" HINT, folder), want, strlen(want), err);
}

bool iceberg_write_hint(const struct lake *lake, const struct catalog_table *table, const char *folder, bool *written,
                        struct error *err) {
    struct arena arena;
    bool ok = true, done = false;
    arena_init(&arena);
    for (int pass = 0; ok && !done && pass < HINT_PASSES; pass++) {
        ok = write_once(lake, &arena, table, folder, &done, err);
        if (written != NULL)
            *written |= ok && !done;
    }
    arena_deinit(&arena);
    return ok;
}

void iceberg_publish_hint(const struct iceberg_table *table) {
    struct error err = {0};
    if (!iceberg_write_hint(table->base.lake, &table->catalog_table, table->base.folder, NULL, &err))
        log_warning("%s: readers without the catalog still see a version before: %s", table->base.folder, err.message);
}
