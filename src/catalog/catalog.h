/* A catalog knows which metadata file is each Iceberg table's current one, and exchanges it for the next atomically: that
 * exchange is the commit of a table. Today the schema of Iceberg's JDBC catalog in SQLite, which pyiceberg's SqlCatalog and
 * Java's JdbcCatalog open; later AWS Glue and REST catalogs behind the same calls.
 *
 * Thread-safe. Errors name the catalog. */
#ifndef SLUICE_CATALOG_CATALOG_H
#define SLUICE_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

#define CATALOG_LAKE "lake" /* what sluice's catalog is called, as clients name it */

enum {
    CATALOG_NAME_MAX_BYTES = 255,      /* of a catalog's, namespace's or table's name */
    CATALOG_LOCATION_MAX_BYTES = 1000, /* of a metadata file */
};

struct catalog;

/* A table by its names. A namespace of several levels has '.' between them, as Iceberg's SQL catalogs write it. */
struct catalog_table {
    const char *namespace_name;
    const char *name;
};

/* What a backend gives; every slot is required. */
struct catalog_ops {
    const char *scheme; /* "sqlite" */
    bool (*open)(const char *location, const char *name, struct catalog **out, struct error *err);
    void (*close)(struct catalog *catalog);
    bool (*namespace_create)(struct catalog *catalog, const char *name, struct error *err);
    bool (*namespace_list)(struct catalog *catalog, struct arena *arena, const char ***names, size_t *count,
                           struct error *err);
    bool (*table_list)(struct catalog *catalog, struct arena *arena, const char *namespace_name, const char ***names,
                       size_t *count, struct error *err);
    bool (*table_find)(struct catalog *catalog, struct arena *arena, const struct catalog_table *table,
                       const char **metadata_file, struct error *err);
    bool (*table_create)(struct catalog *catalog, const struct catalog_table *table, const char *metadata_file,
                         struct error *err);
    bool (*table_commit)(struct catalog *catalog, const struct catalog_table *table, const char *expected,
                         const char *metadata_file, struct error *err);
    bool (*table_drop)(struct catalog *catalog, const struct catalog_table *table, struct error *err);
};

struct catalog {
    const struct catalog_ops *ops;
    const char *location; /* as configured; owned by the backend */
};

/* Opens by the scheme of the location through the registry's list; a file that is missing is created. `name` is the catalog's
 * own: several catalogs may share a database. Kind CONFIG for an unknown scheme, naming the known ones. */
bool catalog_open(const char *location, const char *name, struct catalog **out, struct error *err);
void catalog_close(struct catalog *catalog); /* NULL is fine */

/* Creating what is there succeeds. */
bool catalog_namespace_create(struct catalog *catalog, const char *name, struct error *err);
/* Sorted by name; they live in the arena. */
bool catalog_namespace_list(struct catalog *catalog, struct arena *arena, const char ***names, size_t *count,
                            struct error *err);
bool catalog_table_list(struct catalog *catalog, struct arena *arena, const char *namespace_name, const char ***names,
                        size_t *count, struct error *err);
/* The current metadata file, in the arena; NULL when there is no such table. */
bool catalog_table_find(struct catalog *catalog, struct arena *arena, const struct catalog_table *table,
                        const char **metadata_file, struct error *err);
/* Kind CONFLICT when there is a table (or a view) of that name. The namespace is created when it is missing. */
bool catalog_table_create(struct catalog *catalog, const struct catalog_table *table, const char *metadata_file,
                          struct error *err);
/* The commit: durable when it returns true. Kind CONFLICT when the current file is not `expected` (any more). After another
 * kind of error it may have happened: table_find tells. */
bool catalog_table_commit(struct catalog *catalog, const struct catalog_table *table, const char *expected,
                          const char *metadata_file, struct error *err);
/* Forgets the table; its files stay. Dropping what is not there succeeds. */
bool catalog_table_drop(struct catalog *catalog, const struct catalog_table *table, struct error *err);

/* Backends, listed in registry.c. */
extern const struct catalog_ops catalog_sql_ops;

#endif
