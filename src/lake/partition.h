/* Partition keys as users write them: a column's name, or a transform of a column: year(c), month(c), day(c), hour(c),
 * bucket(n, c), truncate(n, c). Formats that know no transforms take a key's whole text for a column's name. */
#ifndef SLUICE_LAKE_PARTITION_H
#define SLUICE_LAKE_PARTITION_H

#include "base/buf.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "lake/iceberg/transform.h"
#include "model/table.h"

/* The next key of a comma list, trimmed, in the arena; commas within parentheses separate nothing. *at moves behind it and
 * is NULL after the last. */
const char *lake_partition_next(struct arena *arena, const char **at);
/* The column's name, in the arena. A text that is no transform is a name. */
const char *lake_partition_parse(struct arena *arena, const char *text, struct iceberg_transform *transform);
/* The inverse. */
const char *lake_partition_format(struct arena *arena, struct iceberg_transform transform, const char *column);
/* What the partition field is called: the column's name, or "created_at_day". */
const char *lake_partition_name(struct arena *arena, struct iceberg_transform transform, const char *column);
/* Makes possible what lake_partition_append_sql writes for the transform. */
bool lake_partition_prepare(struct engine *engine, struct iceberg_transform transform, struct error *err);
/* An expression that gives the partition value of a column as a text that iceberg_value_parse reads. */
void lake_partition_append_sql(struct buf *sql, struct iceberg_transform transform, const struct column *column);

#endif
