#include "task/load_policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COLUMNS_ATTRIBUTE "sluice_source_columns" /* of the newest file that was loaded, in its order */

static const char *const policy_names[] = {
    [SCHEMA_EVOLVE] = "evolve", [SCHEMA_ADD_ONLY] = "add_only", [SCHEMA_STOP] = "stop"};

static bool refuse(enum schema_change policy, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(enum schema_change policy, struct error *err, const char *format, ...) {
    char what[600];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return error_set(
        err, ERROR_DATA,
        "%s, and schema_change is %s for this table: set it to evolve (tables: schema_change), or load the "
        "table in full again",
        what, policy_names[policy]);
}

/* --- against the lake: added, renamed, of another type */

static bool check_column(enum schema_change policy, const struct load_schema_input *input, const struct column *column,
                         struct error *err) {
    const struct column *before = load_find_lake_column(input->lake, column);
    char was[TYPE_TEXT_BYTES], is[TYPE_TEXT_BYTES];
    if (before == NULL)
        return policy == SCHEMA_ADD_ONLY || refuse(policy, err, "column \"%s\" was added", column->name);
    if (strcmp(before->name, column->name) != 0)
        return refuse(policy, err, "column \"%s\" was renamed to \"%s\"", before->name, column->name);
    if (type_equal(before->type, column->type))
        return true;
    type_format(before->type, was);
    type_format(column->type, is);
    return refuse(policy, err, "column \"%s\" was %s and is %s now", column->name, was, is);
}

/* --- against what was recorded: dropped, moved, not nullable any more. An added-only table leaves its columns as they are
 * in each of these cases. */

static int find_id(const struct table *table, uint32_t id) {
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].id == id)
            return (int)i;
    return -1;
}

static bool check_versions(const struct table *before, const struct table *now, struct error *err) {
    int last = -1;
    for (size_t i = 0; i < before->column_count; i++) {
        const struct column *column = &before->columns[i];
        int at = find_id(now, column->id);
        if (at < 0)
            return refuse(SCHEMA_STOP, err, "column \"%s\" was dropped", column->name);
        if (at < last)
            return refuse(SCHEMA_STOP, err, "column \"%s\" was moved", now->columns[at].name);
        if (column->nullable && !now->columns[at].nullable)
            return refuse(SCHEMA_STOP, err, "column \"%s\" became NOT NULL", now->columns[at].name);
        last = at;
    }
    return true;
}

static const struct table *recorded_version(const struct load_schema_input *input) {
    for (size_t i = 0; i < input->schema_count; i++)
        if (input->schemas[i].table->version == load_plan_recorded_version(input->row))
            return input->schemas[i].table;
    return NULL;
}

static int find_name(const struct load_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->source_name_count; i++)
        if (strcasecmp(schema->source_names[i], name) == 0)
            return (int)i;
    return -1;
}

static bool check_names(const struct controller_row *row, const struct load_schema *schema, struct error *err) {
    const json_t *recorded = json_object_get(row->item.attributes, COLUMNS_ATTRIBUTE);
    int last = -1;
    for (size_t i = 0; i < json_array_size(recorded) && schema->source_name_count > 0; i++) {
        const char *name = json_string_value(json_array_get(recorded, i));
        int at = name != NULL ? find_name(schema, name) : last;
        if (at < 0)
            return refuse(SCHEMA_STOP, err, "column \"%s\" was dropped", name);
        if (at < last)
            return refuse(SCHEMA_STOP, err, "column \"%s\" was moved", name);
        last = at;
    }
    return true;
}

bool load_policy_check(enum schema_change policy, const struct load_schema_input *input,
                       const struct load_schema *schema, struct error *err) {
    if (policy == SCHEMA_EVOLVE || input->lake->number == 0 || input->plan->full_load_due)
        return true;
    for (size_t i = 0; i < schema->column_count; i++)
        if (!check_column(policy, input, &schema->columns[i], err))
            return false;
    if (policy == SCHEMA_ADD_ONLY)
        return true;
    if (input->schemas == NULL)
        return check_names(input->row, schema, err);
    const struct table *before = recorded_version(input);
    return before == NULL || check_versions(before, input->schemas[input->schema_count - 1].table, err);
}

void load_policy_record(struct controller_row *row, const struct load_schema *schema) {
    if (schema->source_name_count == 0)
        return;
    json_t *names = json_array();
    for (size_t i = 0; i < schema->source_name_count; i++)
        json_array_append_new(names, json_string(schema->source_names[i]));
    if (row->item.attributes == NULL)
        row->item.attributes = json_object();
    json_object_set_new(row->item.attributes, COLUMNS_ATTRIBUTE, names);
}
