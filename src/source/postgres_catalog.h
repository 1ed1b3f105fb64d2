/* Which tables are captured, and what they are: pg_catalog -> struct table.
 *
 * A table is chosen by schema_filter and table_filter, and captured when the publication has it: with the columns that the
 * publication sends (without a list: all but generated ones, which only PostgreSQL 18 can send), and the rows of its filter.
 * Where the publication says publish_via_partition_root, a partitioned table is one table, else each partition is.
 *
 * The key is what the log tells rows apart by: the index of REPLICA IDENTITY USING INDEX, else the primary key. */
#ifndef SLUICE_SOURCE_POSTGRES_CATALOG_H
#define SLUICE_SOURCE_POSTGRES_CATALOG_H

#include "model/table.h"
#include "source/postgres_source.h"
#include "source/postgres_type.h"

struct postgres_relation {
    struct table *table;               /* with the source's ids: oid, attnum */
    const struct postgres_type *types; /* of its columns */
    bool published;                    /* the publication has it */
    bool partitioned;                  /* rows are in its partitions */
    bool root;                         /* and is published as one: publish_via_partition_root */
    bool identified;                   /* the log tells which rows UPDATE and DELETE mean: it has a replica identity */
    bool selectable;                   /* the user may read it */
    char identity;                     /* pg_class.relreplident: d, i, f, n */
    const char *row_filter;            /* SQL; NULL: none */
    const char *left_out;              /* names of columns that the publication does not send; NULL: none */
    int64_t blocks;                    /* about; of a partitioned table 0 */
};

/* The chosen tables, published or not, sorted by name; in the arena. Without a publication all count as published. */
bool postgres_catalog_list(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                           struct postgres_relation **out, size_t *count, struct error *err);
/* One of them, as it is now; *out NULL: it is not there, or not chosen. */
bool postgres_catalog_find(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                           const char *schema, const char *name, struct postgres_relation **out, struct error *err);

/* Are two versions the same columns with the same key? */
bool postgres_catalog_tables_equal(const struct table *a, const struct table *b);

#endif
