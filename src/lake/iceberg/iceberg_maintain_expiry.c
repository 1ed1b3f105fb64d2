/* Which snapshots go. Kept are, of the current one's line, the newest keep_snapshots, and up to max_snapshots those that are
 * younger than keep_ms; everything that another branch or a tag leads to; and what no branch leads to while it is young. */
#include <string.h>

#include "lake/iceberg/iceberg_maintain.h"

/* The snapshot's place in the list; SIZE_MAX when there is none (any more). */
static size_t index_of(const struct iceberg_metadata *metadata, int64_t id) {
    const struct iceberg_snapshot *snapshot = iceberg_metadata_snapshot(metadata, id);
    return snapshot != NULL ? (size_t)(snapshot - metadata->snapshots) : SIZE_MAX;
}

/* Gives each snapshot of the line its place in it, from the head on, until one is reached that has one. */
static void walk(const struct iceberg_metadata *metadata, int64_t head, size_t *places) {
    size_t at = index_of(metadata, head);
    for (size_t place = 1; at != SIZE_MAX && places[at] == 0; place++) {
        places[at] = place;
        at = index_of(metadata, metadata->snapshots[at].parent_id);
    }
}

/* Branches and tags of others have rules of their own, which are theirs to apply. */
static void keep_refs(const struct iceberg_metadata *metadata, bool *kept) {
    json_t *refs = json_object_get(metadata->json, "refs"), *ref;
    const char *name;
    size_t *places = mem_zalloc((metadata->snapshot_count + 1) * sizeof *places);
    json_object_foreach(refs, name, ref) {
        if (strcmp(name, ICEBERG_MAIN_BRANCH) != 0)
            walk(metadata, json_integer_value(json_object_get(ref, "snapshot-id")), places);
    }
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        kept[i] = places[i] > 0;
    mem_free(places);
}

static bool is_kept(const struct lake_maintain *options, const struct iceberg_snapshot *snapshot, size_t place) {
    int64_t age_ms = options->now_us / 1000 - snapshot->timestamp_ms;
    bool is_young = age_ms < options->keep_ms;
    if (place == 0)
        return is_young;
    return place == 1 || place <= options->keep_snapshots || (is_young && place <= options->max_snapshots);
}

void iceberg_choose_expired(const struct iceberg_metadata *metadata, const struct lake_maintain *options,
                            struct arena *arena, struct iceberg_rewrite *rewrite) {
    const char *collect = iceberg_metadata_property(metadata, "gc.enabled");
    if (metadata->snapshot == NULL || (collect != NULL && strcmp(collect, "false") == 0))
        return;
    int64_t *expired = arena_alloc(arena, (metadata->snapshot_count + 1) * sizeof *expired);
    size_t *places = mem_zalloc((metadata->snapshot_count + 1) * sizeof *places);
    bool *kept = mem_zalloc((metadata->snapshot_count + 1) * sizeof *kept);
    keep_refs(metadata, kept);
    walk(metadata, metadata->snapshot->id, places);
    rewrite->expired = expired;
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        if (!kept[i] && !is_kept(options, &metadata->snapshots[i], places[i]))
            expired[rewrite->expired_count++] = metadata->snapshots[i].id;
    mem_free(kept);
    mem_free(places);
}
