#include "catalog/catalog.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "registry.h"

static const struct catalog_ops *find_backend(const char *location) {
    for (const struct catalog_ops *const *ops = registry_catalogs; *ops != NULL; ops++) {
        size_t len = strlen((*ops)->scheme);
        if (strncmp(location, (*ops)->scheme, len) == 0 && strncmp(location + len, "://", 3) == 0)
            return *ops;
    }
    return NULL;
}

static bool refuse_scheme(const char *location, struct error *err) {
    struct buf known;
    buf_init(&known, BUF_MAX_DEFAULT);
    for (const struct catalog_ops *const *ops = registry_catalogs; *ops != NULL; ops++)
        buf_printf(&known, "%s%s://", known.len > 0 ? ", " : "", (*ops)->scheme);
    error_set(err, ERROR_CONFIG, "%s: the location of a catalog starts with one of: %s", location, known.data);
    buf_deinit(&known);
    return false;
}

static bool check_name(const char *what, const char *name, struct error *err) {
    size_t len = strlen(name);
    return (len > 0 && len <= CATALOG_NAME_MAX_BYTES) ||
           error_set(err, ERROR_CONFIG, "the name of a %s in a catalog has 1 to %d bytes, not %zu: \"%.40s%s\"", what,
                     CATALOG_NAME_MAX_BYTES, len, name, len > 40 ? "..." : "");
}

static bool check_table(const struct catalog_table *table, struct error *err) {
    return check_name("namespace", table->namespace_name, err) && check_name("table", table->name, err);
}

static bool check_file(const char *metadata_file, struct error *err) {
    size_t len = strlen(metadata_file);
    assert(len > 0);
    return len <= CATALOG_LOCATION_MAX_BYTES ||
           error_set(
               err, ERROR_CONFIG,
               "the location of a table's metadata has %zu bytes and a catalog takes %d: use a shorter lake.location",
               len, CATALOG_LOCATION_MAX_BYTES);
}

bool catalog_open(const char *location, const char *name, struct catalog **out, struct error *err) {
    const struct catalog_ops *ops = find_backend(location);
    if (ops == NULL)
        return refuse_scheme(location, err);
    return (check_name("catalog", name, err) && ops->open(location, name, out, err)) ||
           error_prefix(err, "opening the catalog");
}

void catalog_close(struct catalog *catalog) {
    if (catalog != NULL)
        catalog->ops->close(catalog);
}

bool catalog_namespace_create(struct catalog *catalog, const char *name, struct error *err) {
    return check_name("namespace", name, err) && catalog->ops->namespace_create(catalog, name, err);
}

bool catalog_namespace_list(struct catalog *catalog, struct arena *arena, const char ***names, size_t *count,
                            struct error *err) {
    return catalog->ops->namespace_list(catalog, arena, names, count, err);
}

bool catalog_table_list(struct catalog *catalog, struct arena *arena, const char *namespace_name, const char ***names,
                        size_t *count, struct error *err) {
    return catalog->ops->table_list(catalog, arena, namespace_name, names, count, err);
}

bool catalog_table_find(struct catalog *catalog, struct arena *arena, const struct catalog_table *table,
                        const char **metadata_file, struct error *err) {
    return check_table(table, err) && catalog->ops->table_find(catalog, arena, table, metadata_file, err);
}

bool catalog_table_create(struct catalog *catalog, const struct catalog_table *table, const char *metadata_file,
                          struct error *err) {
    return check_table(table, err) && check_file(metadata_file, err) &&
           catalog->ops->namespace_create(catalog, table->namespace_name, err) &&
           catalog->ops->table_create(catalog, table, metadata_file, err);
}

bool catalog_table_commit(struct catalog *catalog, const struct catalog_table *table, const char *expected,
                          const char *metadata_file, struct error *err) {
    return check_table(table, err) && check_file(metadata_file, err) &&
           catalog->ops->table_commit(catalog, table, expected, metadata_file, err);
}

bool catalog_table_drop(struct catalog *catalog, const struct catalog_table *table, struct error *err) {
    return check_table(table, err) && catalog->ops->table_drop(catalog, table, err);
}
