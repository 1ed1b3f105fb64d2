#include "registry.h"

#include <stddef.h>

#include "catalog/catalog.h"
#include "lake/lake.h"
#include "source/source.h"
#include "state/state.h"
#include "store/store.h"

/* A list names what exists: its author adds `&thing_ops,` in front of NULL. */

const struct store_ops *const registry_stores[] = {
    &store_local_ops,
    NULL,
};

const struct state_ops *const registry_states[] = {
    &state_sqlite_ops,
    NULL,
};

const struct source_ops *const registry_sources[] = {
    &source_mysql_ops,
    &source_mariadb_ops,
    &source_postgres_ops,
    NULL,
};

const struct catalog_ops *const registry_catalogs[] = {
    &catalog_sql_ops,
    NULL,
};

const struct lake_format_ops *const registry_lake_formats[] = {
    &lake_parquet_ops,
    &lake_iceberg_ops,
    NULL,
};
