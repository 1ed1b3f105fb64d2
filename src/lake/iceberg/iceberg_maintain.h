/* Maintenance of an Iceberg table: one round, at most one commit of the table, then removal of files that nobody needs.
 *
 *   1. iceberg_maintain_compaction.c   per partition: small data files and those with many deleted rows are written anew,
 *      iceberg_usage.c                 delete files rolled up, or dropped when they name no row that lives
 *   2. iceberg_manifests.c             which manifests are written anew: those of files that go, and many small ones
 *   3. iceberg_maintain_expiry.c       which snapshots go
 *   4. iceberg_commit.c                one snapshot with the operation "replace" and the watermark of before
 *   5. iceberg_maintain_sweep.c        files of expired snapshots, old metadata files, orphans
 *
 * Step 1 is the long one, and loads or other writers may commit meanwhile. So a commit is planned against the version that is
 * current then: what a partition's part was made of has to be there still (iceberg_group), or that part is given up.
 *   - A data file that is rewritten has to be live, and no delete file may have come that can name rows of it: positions name
 *     a file by its path, and would be lost with it.
 *   - A new data file has the sequence number of the snapshot that it was planned from, so that equality deletes that another
 *     writer committed since still apply to it.
 *   - Delete files that were applied, or are rolled up, have to be live, and the snapshot of the plan an ancestor: a table
 *     that was set back has rows again that the plan took for deleted.
 *
 * A crash leaves orphans at most; so does one after the commit. */
#ifndef SLUICE_LAKE_ICEBERG_ICEBERG_MAINTAIN_H
#define SLUICE_LAKE_ICEBERG_ICEBERG_MAINTAIN_H

#include "lake/iceberg/iceberg.h"

enum {
    ICEBERG_MERGE_MIN_FILES = 5, /* so many small files are worth a rewrite, or fewer that fill one */
    ICEBERG_MERGE_FACTOR = 4,    /* a file is merged with others that have a quarter of its size, or more, together */
};

/* What is done to one partition. Paths are as the manifests have them. */
struct iceberg_group {
    const char **data; /* files that are replaced */
    size_t data_count;
    const char **deletes; /* files that are replaced, or name no row that lives */
    size_t delete_count;
    const char **applied; /* files whose deletes the new data files were written without, or that are rolled up */
    size_t applied_count;
    const struct iceberg_new_file *new_data, *new_deletes;
    size_t new_data_count, new_delete_count;
    bool given_up;
};

struct iceberg_maintenance {
    const struct lake_maintain *options;
    struct lake_maintained *result;
    struct arena *arena;
    struct iceberg_table *planned; /* the version that groups are planned from; borrowed */
    struct iceberg_load load;      /* what writes files and commits */
    const char *order;             /* of rewritten rows; NULL: as they come */
    const char *const *lineage;    /* columns of theirs; NULL: none */
    bool *rewritten;               /* of the planned data files: they go into a new one */
    int64_t *deleted;              /* of the planned data files: so many rows, where that was looked for */
    bool *used;                    /* of the planned delete files: they name rows of files that stay, likewise */
    struct iceberg_group *groups;
    size_t group_count, group_capacity;
};

/* --- iceberg_maintain_compaction.c */

/* Plans and writes the groups; nothing is committed. */
bool iceberg_compact(struct iceberg_maintenance *maintenance, struct error *err);
/* Of sizes in ascending order: how many, from the smallest on, should become one; 0: they are well as they are. */
size_t iceberg_choose_run(const int64_t *sizes, size_t count, uint64_t target_bytes);

/* --- iceberg_maintain_expiry.c */

/* Fills rewrite->expired; it lives in the arena. */
void iceberg_choose_expired(const struct iceberg_metadata *metadata, const struct lake_maintain *options,
                            struct arena *arena, struct iceberg_rewrite *rewrite);

/* --- iceberg_maintain_sweep.c */

/* Removes files of the snapshots that were expired from `before` (which may be NULL with none), metadata files that the log
 * has forgotten, and orphans; never one that a snapshot of the table has. What another round that expires snapshots
 * gets in the way of is left to the next one. */
bool iceberg_sweep(struct iceberg_maintenance *maintenance, const struct iceberg_metadata *before,
                   const int64_t *expired, size_t expired_count, struct error *err);

/* --- iceberg_maintain.c */
bool iceberg_maintain_table(struct lake_table *table, struct engine_connection *connection,
                            const struct lake_maintain *options, struct lake_maintained *result, struct error *err);

#endif
