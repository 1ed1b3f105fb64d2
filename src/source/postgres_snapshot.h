/* Full load of PostgreSQL: one exported snapshot, read by several connections. */
#ifndef SLUICE_SOURCE_POSTGRES_SNAPSHOT_H
#define SLUICE_SOURCE_POSTGRES_SNAPSHOT_H

#include "source/postgres_source.h"

bool postgres_snapshot_open(struct source *base, const struct table *const *tables, size_t table_count,
                            unsigned readers, struct source_snapshot **out, struct error *err);
const char *postgres_snapshot_position(struct source_snapshot *base, unsigned reader);
bool postgres_snapshot_read(struct source_snapshot *base, unsigned reader, const struct table *table, source_row_fn row,
                            void *context, struct error *err);
void postgres_snapshot_close(struct source_snapshot *base);

#endif
