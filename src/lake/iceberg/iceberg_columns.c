/* The lake's columns and Iceberg's fields.
 *
 * Fields that have no type of the lake (of another writer: uuid, lists, …) stay in the table; sluice neither shows nor
 * fills them. Every field is optional: a column that a file does not have is NULL in its rows, and what the source calls NOT
 * NULL today it may drop tomorrow. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"
#include "lake/partition.h"

#define SOURCE_COLUMNS "sluice.source-columns"
#define SPARK_VECTORIZED "read.parquet.vectorization.enabled"

/* --- showing */

/* The source's id of a field; 0 when it is not known. */
static uint32_t source_id_of(const char *pairs, int32_t field_id) {
    for (const char *at = pairs; at != NULL && *at != '\0';) {
        char *end;
        long field = strtol(at, &end, 10);
        if (end == at || *end != ':')
            return 0;
        unsigned long source = strtoul(end + 1, &end, 10);
        if (field == field_id)
            return source <= UINT32_MAX ? (uint32_t)source : 0;
        at = *end == ' ' ? end + 1 : NULL;
    }
    return 0;
}

static bool is_op(const struct iceberg_field *field) {
    return strcmp(field->name, ICEBERG_OP_COLUMN) == 0 && field->type.kind == ICEBERG_STRING;
}

static void show_partition(struct iceberg_table *table) {
    const struct iceberg_spec *spec = table->metadata->spec;
    const char **names = arena_alloc(&table->arena, (spec->field_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct iceberg_field *source = iceberg_schema_field(table->metadata->schema, spec->fields[i].source_id);
        struct iceberg_transform transform = spec->fields[i].transform;
        if (transform.kind != ICEBERG_VOID && source != NULL)
            names[count++] = lake_partition_format(&table->arena, transform, source->name);
    }
    table->base.version.partition = names;
    table->base.version.partition_count = count;
}

bool iceberg_show_columns(struct iceberg_table *table, struct error *err) {
    const struct iceberg_schema *schema = table->metadata->schema;
    const char *pairs = iceberg_metadata_property(table->metadata, SOURCE_COLUMNS);
    struct column *columns = arena_alloc(&table->arena, (schema->field_count + 1) * sizeof *columns);
    int32_t *ids = arena_alloc(&table->arena, (schema->field_count + 1) * sizeof *ids);
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct iceberg_field *field = &schema->fields[i];
        struct type type;
        if (is_op(field)) {
            table->op_field = field->id;
        } else if (iceberg_type_to_lake(field->type, &type)) {
            ids[count] = field->id;
            columns[count++] = (struct column){
                .name = field->name, .type = type, .nullable = true, .id = source_id_of(pairs, field->id)};
            columns[count - 1].initial =
                iceberg_default_text(&table->arena, type, json_object_get(field->json, "initial-default"));
        }
    }
    table->base.version.columns = columns;
    table->base.version.column_count = count;
    table->field_ids = ids;
    show_partition(table);
    return table->op_field != 0 ||
           error_set(err, ERROR_CONFIG,
                     "the table %s.%s in the catalog has no text column Op: it is not one that sluice loads; choose "
                     "another lake.database or lake.table_name",
                     table->catalog_table.namespace_name, table->catalog_table.name);
}

/* --- planning */

static bool is_hidden(const struct iceberg_field *field) {
    struct type type;
    return !is_op(field) && !iceberg_type_to_lake(field->type, &type);
}

/* Another writer's column that sluice does not show stays, but its name is taken. */
static bool keep_hidden(const struct iceberg_load *load, const struct iceberg_field *field, struct error *err) {
    for (size_t i = 0; i < load->schema.column_count; i++)
        if (strcasecmp(load->schema.columns[i].column.name, field->name) == 0)
            return error_set(err, ERROR_DATA,
                             "column \"%s\" is in the lake's table already, with a type that another writer gave it: "
                             "rename one of them",
                             field->name);
    return true;
}

bool iceberg_check_columns(const struct iceberg_table *table, struct error *err) {
    const struct iceberg_schema *schema = table->metadata->schema;
    for (size_t i = 0; i < schema->field_count; i++) {
        const json_t *type = json_object_get(schema->fields[i].json, "type");
        const char *name = json_string_value(json_is_object(type) ? json_object_get(type, "type") : type);
        if (is_hidden(&schema->fields[i]) &&
            strcmp(name != NULL ? name : "", "unknown") != 0) /* which is always null */
            return error_set(
                err, ERROR_DATA,
                "column \"%s\" has the type %s, which another writer gave it and sluice does not write: rows "
                "that are written anew would lose it; drop the column, or let the other writer do it",
                schema->fields[i].name, name != NULL ? name : "of another writer");
    }
    return true;
}

static void set_source_columns(struct iceberg_load *load) {
    struct buf pairs;
    buf_init(&pairs, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < load->schema.column_count; i++)
        if (load->schema.columns[i].column.id != 0)
            buf_printf(&pairs, "%s%d:%u", pairs.len > 0 ? " " : "", load->field_ids[i],
                       load->schema.columns[i].column.id);
    iceberg_metadata_set_property(load->next, SOURCE_COLUMNS, pairs.len > 0 ? pairs.data : NULL);
    buf_deinit(&pairs);
}

/* A column keeps its field where its values of before can be read with the type that it has now. A full load may bring a
 * type for which they cannot: then it is another field of the same name. */
static int32_t field_of(const struct iceberg_load *load, const struct lake_schema_column *column, int32_t *last) {
    const struct iceberg_table *table = load->table;
    if (column->before < 0)
        return ++*last;
    struct type before = table->base.version.columns[column->before].type, now = column->column.type;
    return type_equal(before, now) || type_is_widening(before, now) ? table->field_ids[column->before] : ++*last;
}

/* What rows that exist have in a new column, when they are not written anew. */
static json_t *default_of(const struct iceberg_load *load, const struct lake_schema_column *column) {
    bool wanted = load->next->format_version >= 3 && column->before < 0 && column->column.initial != NULL;
    return wanted && load->schema.initialized && !load->replaces
               ? iceberg_default_json(load->arena, column->column.type, column->column.initial)
               : NULL;
}

bool iceberg_has_defaults(const struct iceberg_load *load) {
    bool has = load->next->format_version >= 3;
    for (size_t i = 0; has && i < load->schema.column_count; i++) {
        const struct lake_schema_column *column = &load->schema.columns[i];
        json_t *value = default_of(load, column);
        has = column->before >= 0 || column->column.initial == NULL || value != NULL;
        json_decref(value);
    }
    return has;
}

static bool set_schema(struct iceberg_load *load, struct error *err) {
    const struct iceberg_table *table = load->table;
    const struct iceberg_schema *before = load->next->schema;
    size_t count = load->schema.column_count, all = count + 1;
    int32_t last = load->next->last_column_id;
    struct iceberg_field *fields = arena_alloc(load->arena, (all + before->field_count) * sizeof *fields);
    load->field_ids = arena_alloc(load->arena, (count + 1) * sizeof *load->field_ids);
    fields[0] = (struct iceberg_field){.id = table->op_field != 0 ? table->op_field : ++last,
                                       .name = ICEBERG_OP_COLUMN,
                                       .type = {.kind = ICEBERG_STRING}};
    for (size_t i = 0; i < count; i++) {
        const struct lake_schema_column *column = &load->schema.columns[i];
        load->field_ids[i] = field_of(load, column, &last);
        fields[i + 1] = (struct iceberg_field){.id = load->field_ids[i],
                                               .name = column->column.name,
                                               .type = iceberg_type_of(column->column.type),
                                               .initial_default = default_of(load, column)};
    }
    bool ok = true;
    for (size_t i = 0; ok && table->metadata != NULL && i < before->field_count; i++)
        if (is_hidden(&before->fields[i]) && (ok = keep_hidden(load, &before->fields[i], err)))
            fields[all++] = before->fields[i];
    if (ok)
        iceberg_metadata_set_schema(load->next, fields, all);
    for (size_t i = 0; i < count; i++)
        json_decref(fields[i + 1].initial_default);
    return ok;
}

static bool widens_int_to_long(const struct iceberg_load *load) {
    for (size_t i = 0; i < load->schema.column_count; i++) {
        const struct lake_schema_column *column = &load->schema.columns[i];
        if (column->before < 0 || load->field_ids[i] != load->table->field_ids[column->before])
            continue;
        struct type before = load->table->base.version.columns[column->before].type;
        if (iceberg_type_of(before).kind == ICEBERG_INT && iceberg_type_of(column->column.type).kind == ICEBERG_LONG)
            return true;
    }
    return false;
}

/* Spark's reader of whole batches, up to Iceberg 1.10.1, fails on files of before that: "BigIntVector cannot be cast to
 * IntVector" (apache/iceberg issue 16341). It stumbles over the INT(32, true) that DuckDB rightly writes at the column; its
 * other reader does not. Who has a newer one sets the property to true, and it stays so. */
static void set_spark_reader(struct iceberg_load *load) {
    if (!load->replaces && widens_int_to_long(load) &&
        iceberg_metadata_property(load->next, SPARK_VECTORIZED) == NULL)
        iceberg_metadata_set_property(load->next, SPARK_VECTORIZED, "false");
}

/* No column may have the name of a partition field that is not its own. */
static const char *field_name(const struct iceberg_load *load, struct iceberg_transform transform, const char *column) {
    const char *name = lake_partition_name(load->arena, transform, column);
    while (transform.kind != ICEBERG_IDENTITY && lake_schema_find(&load->schema, name) >= 0)
        name = arena_printf(load->arena, "%s_", name);
    return name;
}

static bool set_spec(struct iceberg_load *load, struct error *err) {
    const struct lake_load *given = load->given;
    struct iceberg_partition_field *fields = arena_alloc(load->arena, (given->partition_count + 1) * sizeof *fields);
    for (size_t i = 0; i < given->partition_count; i++) {
        struct iceberg_transform transform;
        const char *column = lake_partition_parse(load->arena, given->partition[i], &transform);
        int at = lake_schema_find(&load->schema, column);
        struct iceberg_type type = iceberg_type_of(load->schema.columns[at].column.type);
        if (!iceberg_transform_accepts(transform, type))
            return error_set(err, ERROR_DATA,
                             "partition key %s: values of that column's type cannot be divided so: change it with "
                             "`tables set … --partition-key`",
                             given->partition[i]);
        if (!lake_partition_prepare(load->table->base.lake->engine, transform, err))
            return false;
        fields[i] = (struct iceberg_partition_field){
            .source_id = load->field_ids[at], .name = field_name(load, transform, column), .transform = transform};
    }
    iceberg_metadata_set_spec(load->next, fields, given->partition_count);
    return true;
}

bool iceberg_plan_columns(struct iceberg_load *load, struct error *err) {
    if (!set_schema(load, err) || !set_spec(load, err))
        return false;
    set_source_columns(load);
    set_spark_reader(load);
    return true;
}

/* --- lineage */

const char *const *iceberg_lineage(const struct iceberg_metadata *metadata, struct arena *arena,
                                   const struct lake_schema *schema) {
    static const char *const usual[ICEBERG_LINEAGE] = {"_row_id", "_last_updated_sequence_number"};
    if (metadata->format_version < 3)
        return NULL;
    const char **names = arena_alloc(arena, ICEBERG_LINEAGE * sizeof *names);
    for (size_t i = 0; i < ICEBERG_LINEAGE; i++) /* readers go by the ids */
        names[i] = lake_schema_find(schema, usual[i]) < 0 ? usual[i] : arena_printf(arena, "_sluice%s", usual[i]);
    return names;
}
