/* What of a table changes without a row in the log, as one text that is kept with the table's version.
 *
 *   735,740;16385:16390,16400:16401      per column the transaction that last wrote its pg_attribute row; per file of the table
 *                                        and its partitions oid:relfilenode
 *
 * A table that got other files was rewritten or truncated; where its columns were altered too, its rows may have values that
 * nothing tells (a default per row, ALTER COLUMN TYPE … USING). VACUUM FULL, CLUSTER and TRUNCATE alter no column, but for one
 * that was added with a default, whose values they write out for the first time: that looks the same. A partition that is new
 * brings the rows that it had before it was attached, and one that is gone takes its rows along. */
#ifndef SLUICE_SOURCE_POSTGRES_STAMP_H
#define SLUICE_SOURCE_POSTGRES_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "source/postgres_conn.h"

/* An SQL expression: the stamp of the table whose oid `oid` is. (Documentation 53.7, 53.11, 53.33; pg_partition_tree: 9.28.8) */
#define POSTGRES_STAMP(oid)                                                                                            \
    "(SELECT pg_catalog.string_agg(sa.xmin::text, ',' ORDER BY sa.attnum) FROM pg_catalog.pg_attribute sa "            \
    "WHERE sa.attrelid = " oid " AND sa.attnum > 0) || ';' || "                                                        \
    "(SELECT pg_catalog.string_agg(sc.oid || ':' || sc.relfilenode, ',' ORDER BY sc.oid) FROM pg_catalog.pg_class sc " \
    "WHERE sc.oid = " oid " OR sc.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(" oid ")))"

struct postgres_stamp_change {
    bool altered;          /* columns were added, altered or renamed */
    bool rewritten;        /* a file of before is another one now */
    bool has_gone;         /* a partition is no part of it any more */
    const uint32_t *added; /* partitions: their oids, in the arena */
    size_t added_count;
};
/* NULL for `before` or `now`: nothing is known to have changed. */
struct postgres_stamp_change postgres_stamp_compare(const char *before, const char *now, struct arena *arena);

/* Has the partition rows that are older than its being one? Kind of the connection's. */
bool postgres_stamp_brought_rows(struct postgres_conn *conn, struct arena *arena, uint32_t partition, bool *out,
                                 struct error *err);

#endif
