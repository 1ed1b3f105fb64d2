/* Source filters as SQL: what a full load need not send. */
#ifndef SLUICE_SOURCE_MYSQL_FILTER_H
#define SLUICE_SOURCE_MYSQL_FILTER_H

#include "base/buf.h"
#include "mapping/mapping.h"
#include "source/mysql_schema.h"

/* Appends " WHERE …", or nothing. The rows of the SELECT are those that pass the filter, and maybe others: capture asks again. */
void mysql_filter_append_where(struct buf *sql, const struct mapping_filter *filter, const struct mysql_schema *schema);

#endif
