#include <string.h>

#include "lake/iceberg/iceberg.h"

#define RUN_ID "sluice.run-id"

static const struct {
    const char *key;
    size_t offset;
} members[] = {
    {"sluice.last-full-load-date", offsetof(struct lake_watermark, last_full_load_date)},
    {"sluice.last-incremental-file", offsetof(struct lake_watermark, last_incremental_file)},
    {RUN_ID, offsetof(struct lake_watermark, run_id)},
    {"sluice.source-position", offsetof(struct lake_watermark, source_position)},
    {"sluice.source-time", offsetof(struct lake_watermark, source_time)},
};
enum { MEMBER_COUNT = sizeof members / sizeof *members };

static const char **member_of(struct lake_watermark *watermark, size_t i) {
    return (const char **)(void *)((char *)watermark + members[i].offset);
}

/* The newest snapshot of ours from the current one back. NULL when there is none (any more). */
static const struct iceberg_snapshot *find_ours(const struct iceberg_metadata *metadata) {
    const struct iceberg_snapshot *snapshot = metadata->snapshot;
    for (size_t i = 0; snapshot != NULL && i < metadata->snapshot_count; i++) {
        if (iceberg_snapshot_summary(snapshot, RUN_ID) != NULL)
            return snapshot;
        snapshot = iceberg_metadata_snapshot(metadata, snapshot->parent_id);
    }
    return NULL;
}

void iceberg_show_watermark(struct iceberg_table *table) {
    const struct iceberg_snapshot *ours = find_ours(table->metadata);
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        *member_of(&table->base.version.watermark, i) =
            ours != NULL ? iceberg_snapshot_summary(ours, members[i].key)
                         : iceberg_metadata_property(table->metadata, members[i].key);
}

void iceberg_set_watermark(const struct lake_watermark *watermark, json_t *summary, struct iceberg_metadata *metadata) {
    struct lake_watermark copy = *watermark;
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const char *text = *member_of(&copy, i);
        if (text != NULL)
            json_object_set_new(summary, members[i].key, json_string(text));
        iceberg_metadata_set_property(metadata, members[i].key, text);
    }
}
