#include "lake/iceberg/iceberg_adopt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fault.h"
#include "base/log.h"

/* --- the name mapping */

static json_t *find_entry(const json_t *mapping, int32_t field_id) {
    for (size_t i = 0; i < json_array_size(mapping); i++) {
        json_t *entry = json_array_get(mapping, i);
        if (json_integer_value(json_object_get(entry, "field-id")) == field_id)
            return entry;
    }
    return NULL;
}

/* The entry that has the name, in any case: the engine does not tell case apart. *same: it has it exactly so. */
static const json_t *find_name(const json_t *mapping, const char *name, bool *same) {
    const json_t *found = NULL;
    *same = false;
    for (size_t i = 0; i < json_array_size(mapping); i++) {
        const json_t *names = json_object_get(json_array_get(mapping, i), "names");
        for (size_t j = 0; j < json_array_size(names); j++) {
            const char *other = json_string_value(json_array_get(names, j));
            if (other == NULL || strcasecmp(other, name) != 0)
                continue;
            found = json_array_get(mapping, i);
            *same = *same || strcmp(other, name) == 0;
        }
    }
    return found;
}

/* False when the name is another field's. */
static bool map_name(json_t *mapping, int32_t field_id, const char *name) {
    bool same;
    json_t *entry = find_entry(mapping, field_id);
    const json_t *owner = find_name(mapping, name, &same);
    if (owner != NULL && owner != entry)
        return false;
    if (entry == NULL) {
        entry = json_pack("{s:i, s:[]}", "field-id", (int)field_id, "names");
        json_array_append_new(mapping, entry);
    }
    return same || json_array_append_new(json_object_get(entry, "names"), json_string(name)) == 0;
}

/* The mapping that the table has, and the names of these files. NULL when they do not go together. */
static json_t *make_mapping(const struct iceberg_load *load, const struct iceberg_metric_field *fields, size_t count,
                            const struct iceberg_footer *footers, size_t file_count) {
    const char *text = iceberg_metadata_property(load->next, ICEBERG_NAME_MAPPING);
    json_t *mapping = text != NULL ? json_loads(text, 0, NULL) : json_array();
    bool ok = json_is_array(mapping);
    for (size_t f = 0; ok && f < file_count; f++) {
        if (f > 0 && footers[f].columns == footers[f - 1].columns)
            continue;
        for (size_t i = 0; ok && i < count; i++)
            ok = footers[f].columns[i] == NULL || map_name(mapping, fields[i].id, footers[f].columns[i]);
    }
    if (!ok) {
        json_decref(mapping);
        mapping = NULL;
    }
    return mapping;
}

static void set_mapping(const struct iceberg_load *load, const json_t *mapping) {
    char *text = json_dumps(mapping, JSON_COMPACT);
    iceberg_metadata_set_property(load->next, ICEBERG_NAME_MAPPING, text);
    free(text);
}

/* --- the files */

/* What each file calls Op and the columns of the table after the load. */
static const char *const *field_names(const struct iceberg_load *load, const struct lake_file *file) {
    const struct lake_schema *schema = &load->schema;
    const char **names = arena_alloc(load->arena, (schema->column_count + 1) * sizeof *names);
    names[0] = ICEBERG_OP_COLUMN;
    for (size_t i = 0; i < schema->column_count; i++)
        names[i + 1] = schema->columns[i].given >= 0 ? file->columns[schema->columns[i].given] : NULL;
    return names;
}

static const char *engine_path(const struct iceberg_load *load, struct store *store, const char *name) {
    char *url = store_url(store, name);
    const char *copy = arena_strdup(load->arena, url);
    mem_free(url);
    return copy;
}

static struct iceberg_footer *list_footers(const struct iceberg_load *load) {
    const struct lake_load *given = load->given;
    struct iceberg_footer *footers = arena_alloc(load->arena, given->full_load_file_count * sizeof *footers);
    for (size_t i = 0; i < given->full_load_file_count; i++) {
        const struct lake_file *file = &given->full_load_files[i];
        bool same = i > 0 && file->columns == file[-1].columns;
        footers[i].path = engine_path(load, given->full_load_store, file->name);
        footers[i].name = file->name;
        footers[i].columns = same ? footers[i - 1].columns : field_names(load, file);
    }
    return footers;
}

/* Copies the files that have rows, and says so in load->data: footers[n] is then about its n-th. */
static bool copy_files(struct iceberg_load *load, struct iceberg_footer *footers, struct error *err) {
    const struct lake_load *given = load->given;
    const struct lake *lake = load->table->base.lake;
    const char *folder = iceberg_data_name(load, err);
    if (folder == NULL)
        return false;
    for (size_t i = 0; i < given->full_load_file_count; i++) {
        const char *from = given->full_load_files[i].name;
        struct iceberg_new_file new = {.spec_id = load->next->spec->id};
        if (footers[i].file.record_count == 0)
            continue;
        new.name = arena_printf(load->arena, "%s/%s-%u" ICEBERG_ADOPTED_END, folder, load->commit, load->names_given++);
        iceberg_remember(load, new.name);
        if (!store_copy(given->full_load_store, from, lake->store, new.name, given->full_load_may_link, NULL, err) ||
            !fault_point("lake.file_durable", err))
            return false;
        load->data = mem_grow(load->data, load->data_count, &load->data_capacity, sizeof new);
        footers[load->data_count] = footers[i];
        footers[load->data_count].path = engine_path(load, lake->store, new.name);
        load->data[load->data_count++] = new;
    }
    return true;
}

/* A raw file may have been replaced since its footer was read: what counts is what was copied. */
static bool read_copies(struct iceberg_load *load, const struct iceberg_metric_field *fields, size_t field_count,
                        struct iceberg_footer *footers, struct error *err) {
    static const struct slice no_partition[1];
    const char *why = NULL;
    if (load->data_count > 0 && !iceberg_read_footers(load, fields, field_count, footers, load->data_count, &why, err))
        return false;
    if (why != NULL)
        return error_set(err, ERROR_CONFLICT, "a raw file was replaced while it was loaded: %s", why);
    for (size_t i = 0; i < load->data_count; i++) {
        load->data[i].file = footers[i].file;
        load->data[i].file.path = iceberg_location(load->table->base.lake, load->arena, load->data[i].name);
        load->data[i].file.partition = no_partition;
    }
    return true;
}

/* A column that files do not have is NULL in their rows, unless another writer gave it a value for such files (version 3). */
static bool is_null_where_missing(const struct iceberg_load *load, const struct iceberg_metric_field *fields,
                                  size_t field_count, const struct iceberg_footer *footer) {
    for (size_t i = 0; i < field_count; i++) {
        const struct iceberg_field *field = iceberg_schema_field(load->next->schema, fields[i].id);
        if (footer->columns[i] == NULL && json_object_get(field->json, "initial-default") != NULL)
            return false;
    }
    return true;
}

/* --- all of it */

bool iceberg_adopt(struct iceberg_load *load, bool *adopted, struct error *err) {
    const struct lake_load *given = load->given;
    size_t field_count, count = given->full_load_file_count;
    const char *why = NULL;
    *adopted = false;
    if (count == 0 || load->next->spec->field_count > 0)
        return true;
    const struct iceberg_metric_field *fields = iceberg_metric_fields(load, &field_count);
    struct iceberg_footer *footers = list_footers(load);
    if (!iceberg_read_footers(load, fields, field_count, footers, count, &why, err))
        return false;
    for (size_t i = 0; why == NULL && i < count; i++)
        if (!is_null_where_missing(load, fields, field_count, &footers[i]))
            why = "a column that they do not have has a default in the table";
    json_t *mapping = why == NULL ? make_mapping(load, fields, field_count, footers, count) : NULL;
    if (mapping == NULL) {
        log_info("%s the full load is written anew, not adopted: %s", load->table->base.folder,
                 why != NULL ? why : "the table had its column names for other columns once");
        return true;
    }
    set_mapping(load, mapping);
    json_decref(mapping);
    *adopted = true;
    return copy_files(load, footers, err) && read_copies(load, fields, field_count, footers, err);
}

void iceberg_adopted_table(const struct iceberg_load *load, struct iceberg_table *out) {
    struct column *columns = arena_alloc(load->arena, (load->schema.column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < load->schema.column_count; i++)
        columns[i] = load->schema.columns[i].column;
    *out = *load->table;
    out->base.version.columns = columns;
    out->base.version.column_count = load->schema.column_count;
    out->base.version.partition_count = 0;
    out->metadata = load->next;
    out->op_field = load->next->schema->fields[0].id;
    out->field_ids = load->field_ids;
    out->manifests = NULL;
    out->manifest_count = 0;
    out->name_mapping = json_loads(iceberg_metadata_property(load->next, ICEBERG_NAME_MAPPING), 0, NULL);
    out->has_files = true;
    out->files = (struct iceberg_files){.data = mem_zalloc((load->data_count + 1) * sizeof *out->files.data),
                                        .data_count = load->data_count,
                                        .partition_count = 1};
    for (size_t i = 0; i < load->data_count; i++)
        out->files.data[i] = (struct iceberg_live_file){.entry = {.file = load->data[i].file},
                                                        .spec_id = load->data[i].spec_id,
                                                        .by_name = true,
                                                        .vector = ICEBERG_NO_FILE};
}

void iceberg_adopted_table_deinit(struct iceberg_table *table) {
    json_decref(table->name_mapping);
    mem_free(table->files.data);
}
