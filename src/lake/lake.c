/* What all table formats share: finding the format, and the checks before a load. */
#include "lake/lake.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "catalog/catalog.h"
#include "config/config.h"
#include "lake/partition.h"
#include "model/value.h"
#include "registry.h"

const struct lake_format_ops *lake_format_find(const char *name) {
    for (size_t i = 0; registry_lake_formats[i] != NULL; i++)
        if (strcmp(registry_lake_formats[i]->name, name) == 0)
            return registry_lake_formats[i];
    return NULL;
}

const struct lake_format_ops *lake_format_require(const char *name, struct error *err) {
    const struct lake_format_ops *format = lake_format_find(name);
    if (format != NULL)
        return format;
    struct buf known;
    buf_init(&known, BUF_MAX_DEFAULT);
    for (size_t i = 0; registry_lake_formats[i] != NULL; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", registry_lake_formats[i]->name);
    buf_append_char(&known, '\0');
    error_set(err, ERROR_CONFIG, "lake.format: there is no table format \"%s\"; known: %s", name, known.data);
    buf_deinit(&known);
    return NULL;
}

bool lake_init(const struct config *config, const struct lake_format_ops **format, struct lake *lake,
               struct error *err) {
    *lake = (struct lake){.target_file_size_bytes = (uint64_t)config->lake.target_file_size_bytes,
                          .database = config->lake.database};
    *format = lake_format_require(config->lake.format, err);
    if (*format == NULL || !store_open(config->lake.location, &lake->store, err))
        return false;
    if (!(*format)->needs_catalog)
        return true;
    if (config->catalog == NULL)
        return error_set(err, ERROR_CONFIG,
                         "lake.format %s needs a catalog: set catalog, as in sqlite:///var/lib/sluice/catalog.db",
                         (*format)->name);
    return catalog_open(config->catalog, CATALOG_LAKE, &lake->catalog, err);
}

void lake_deinit(struct lake *lake) {
    engine_close(lake->engine);
    catalog_close(lake->catalog);
    store_close(lake->store);
}

bool lake_open(const struct lake_format_ops *format, const struct lake *lake, const char *folder,
               struct lake_table **out, struct error *err) {
    assert(folder[0] != '\0' && folder[strlen(folder) - 1] == '/');
    return format->open(lake, folder, out, err) || error_prefix(err, "opening the lake table %s", folder);
}

void lake_close(struct lake_table *table) {
    if (table != NULL)
        table->ops->close(table);
}

bool lake_seems_gone(const struct lake_format_ops *format, const struct lake *lake, const char *folder, bool *gone,
                     struct error *err) {
    struct store_list list = {0};
    struct arena arena;
    arena_init(&arena);
    bool ok = store_list(lake->store, &arena, arena_printf(&arena, "%s%s", folder, format->versions_folder), false,
                         &list, err);
    *gone = ok && list.count == 0;
    arena_deinit(&arena);
    return ok;
}

bool lake_has_versions(const struct lake_format_ops *format, struct store *store, const char *folder, bool *has,
                       struct error *err) {
    struct store_list list = {0};
    struct arena arena;
    arena_init(&arena);
    bool ok =
        store_list(store, &arena, arena_printf(&arena, "%s%s", folder, format->versions_folder), false, &list, err);
    *has = false;
    for (size_t i = 0; ok && i < list.count && !*has; i++) {
        const char *slash = strrchr(list.entries[i].name, '/');
        *has = !list.entries[i].is_folder && format->is_version(slash != NULL ? slash + 1 : list.entries[i].name);
    }
    arena_deinit(&arena);
    return ok;
}

bool lake_find_other_format(const struct lake_format_ops *format, struct store *store, const char *folder,
                            const struct lake_format_ops **other, struct error *err) {
    *other = NULL;
    for (size_t i = 0; registry_lake_formats[i] != NULL && *other == NULL; i++) {
        bool has = false;
        if (registry_lake_formats[i] == format)
            continue;
        if (!lake_has_versions(registry_lake_formats[i], store, folder, &has, err))
            return false;
        if (has)
            *other = registry_lake_formats[i];
    }
    return true;
}

/* --- checks before a load */

/* Readers of the lake (Hive, Spark, DuckDB) compare column names without case. */
static bool check_columns(const struct lake_load *load, struct error *err) {
    for (size_t i = 0; i < load->column_count; i++) {
        const char *name = load->columns[i].name;
        if (!value_is_utf8(slice_of(name)))
            return error_set(err, ERROR_DATA, "the name of column %zu is not valid UTF-8: rename it at the source",
                             i + 1);
        if (name[0] == '\0' || column_name_is_reserved(name))
            return error_set(
                err, ERROR_DATA,
                "column \"%s\": this name is taken in lake tables (Op, _op, _seq, _unchanged, _sluice*): rename "
                "the column at the source",
                name);
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(name, load->columns[j].name) == 0)
                return error_set(
                    err, ERROR_DATA,
                    "columns \"%s\" and \"%s\" are one for the lake's readers, which do not tell case apart: "
                    "rename one at the source",
                    load->columns[j].name, name);
    }
    return true;
}

static bool check_names(const char *const *names, size_t count, const char *option, struct error *err) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return error_set(err, ERROR_DATA, "column \"%s\" is named twice: change it with `tables set … %s`",
                                 names[i], option);
    return true;
}

static bool check_transforms(const struct lake_table *table, const struct lake_load *load, struct error *err) {
    struct arena arena;
    bool plain = true;
    arena_init(&arena);
    for (size_t i = 0; i < load->partition_count && plain && !table->ops->has_transforms; i++) {
        struct iceberg_transform transform;
        lake_partition_parse(&arena, load->partition[i], &transform);
        plain = transform.kind == ICEBERG_IDENTITY ||
                error_set(err, ERROR_CONFIG,
                          "partition key %s: tables of the format %s are divided by columns only; set lake.format to "
                          "iceberg, or change it with `tables set … --partition-key`",
                          load->partition[i], table->ops->name);
    }
    arena_deinit(&arena);
    return plain;
}

bool lake_load(struct lake_table *table, struct engine_connection *connection, const struct lake_load *load,
               struct lake_result *result, struct error *err) {
    *result = (struct lake_result){0};
    return check_columns(load, err) && check_names(load->key, load->key_count, "--primary-key", err) &&
           check_names(load->partition, load->partition_count, "--partition-key", err) &&
           check_transforms(table, load, err) && table->ops->load(table, connection, load, result, err);
}

bool lake_before_commit(const struct lake_load *load, struct error *err) {
    return load->before_commit == NULL || load->before_commit(load->context, err);
}

bool lake_scan(struct lake_table *table, struct buf *sql, struct error *err) {
    return table->ops->scan(table, sql, err);
}

bool lake_maintain(struct lake_table *table, struct engine_connection *connection, const struct lake_maintain *options,
                   struct lake_maintained *result, struct error *err) {
    *result = (struct lake_maintained){0};
    return table->ops->maintain(table, connection, options, result, err);
}

bool lake_sync(const struct lake_format_ops *format, const struct lake *lake, const char *folder, struct arena *arena,
               struct lake_synced *result, struct error *err) {
    *result = (struct lake_synced){0};
    return format->sync(lake, folder, arena, result, err);
}
