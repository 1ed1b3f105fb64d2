#include "lake/schema.h"

#include <string.h>
#include <strings.h>

#include "lake/partition.h"

static int find_name(const struct column *columns, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return (int)i;
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The version's column that a column of the load is, or -1. */
static int find_before(const struct lake_version *version, const struct column *column) {
    for (size_t i = 0; i < version->column_count; i++)
        if (column->id != 0 && version->columns[i].id == column->id)
            return (int)i;
    int same = find_name(version->columns, version->column_count, column->name);
    if (same >= 0 && column->id != 0 && version->columns[same].id != 0)
        return -1; /* the name went to another column */
    return same;
}

static bool set_type_error(const struct column *before, const struct column *now, struct error *err) {
    char was[TYPE_TEXT_BYTES], is[TYPE_TEXT_BYTES];
    type_format(before->type, was);
    type_format(now->type, is);
    return error_set(
        err, ERROR_DATA,
        "column \"%s\" is %s in the lake and comes as %s now, which it cannot be widened to: reload the table "
        "(`tables set … --last-full-load-date` with an earlier date), or declare the column's type in the config",
        before->name, was, is);
}

static bool merge_type(const struct column *before, struct lake_schema_column *column, bool replaced,
                       struct error *err) {
    struct type wider;
    if (replaced)
        return true;
    if (!type_widen(before->type, column->column.type, &wider))
        return set_type_error(before, &column->column, err);
    column->column.type = wider;
    return true;
}

/* A column that the load does not have stays, unless another one has its name now. */
static bool keep_missing(const struct lake_version *version, size_t index, const struct lake_load *load,
                         struct lake_schema *schema) {
    if (find_name(load->columns, load->column_count, version->columns[index].name) >= 0)
        return false;
    schema->columns[schema->column_count++] =
        (struct lake_schema_column){.column = version->columns[index], .before = (int)index, .given = -1};
    return true;
}

static bool keep_given(const struct lake_version *version, size_t index, const struct lake_load *load, int given,
                       struct lake_schema *schema, struct error *err) {
    const struct column *before = &version->columns[index];
    struct lake_schema_column column = {.column = load->columns[given], .before = (int)index, .given = given};
    if (column.column.id == 0)
        column.column.id = before->id;
    if (!merge_type(before, &column, load->full_load_sql != NULL, err))
        return false;
    schema->renamed = schema->renamed || strcmp(before->name, column.column.name) != 0;
    schema->retyped = schema->retyped || !type_equal(before->type, column.column.type);
    schema->columns[schema->column_count++] = column;
    return true;
}

static bool plan_existing(const struct lake_version *version, const struct lake_load *load, const int *before_of,
                          struct lake_schema *schema, struct error *err) {
    for (size_t i = 0; i < version->column_count; i++) {
        int given = -1;
        for (size_t j = 0; j < load->column_count; j++)
            if (before_of[j] == (int)i)
                given = (int)j;
        if (given >= 0 && !keep_given(version, i, load, given, schema, err))
            return false;
        if (given < 0 && !keep_missing(version, i, load, schema))
            schema->dropped = true;
    }
    return true;
}

static bool same_partition(const struct lake_version *version, const struct lake_load *load) {
    if (version->partition_count != load->partition_count)
        return false;
    for (size_t i = 0; i < load->partition_count; i++)
        if (strcmp(version->partition[i], load->partition[i]) != 0)
            return false;
    return true;
}

static bool check_name(const struct lake_schema *schema, const char *name, const char *option, struct error *err) {
    int at = lake_schema_find(schema, name);
    return (at >= 0 && strcmp(schema->columns[at].column.name, name) == 0) ||
           error_set(err, ERROR_DATA, "there is no column \"%s\": change it with `tables set … %s`", name, option);
}

/* `option` is how the user set the names. */
static bool check_names(const struct lake_schema *schema, const char *const *names, size_t count, const char *option,
                        struct error *err) {
    for (size_t i = 0; i < count; i++)
        if (!check_name(schema, names[i], option, err))
            return false;
    return true;
}

static bool check_partition(struct arena *arena, const struct lake_schema *schema, const struct lake_load *load,
                            struct error *err) {
    for (size_t i = 0; i < load->partition_count; i++) {
        struct iceberg_transform transform;
        const char *name = lake_partition_parse(arena, load->partition[i], &transform);
        if (!check_name(schema, name, "--partition-key", err))
            return false;
    }
    return true;
}

bool lake_schema_plan(struct arena *arena, const struct lake_version *version, const struct lake_load *load,
                      struct lake_schema *out, struct error *err) {
    *out = (struct lake_schema){0};
    out->columns = arena_alloc(arena, (version->column_count + load->column_count + 1) * sizeof *out->columns);
    int *before_of = arena_alloc(arena, (load->column_count + 1) * sizeof *before_of);
    for (size_t i = 0; i < load->column_count; i++)
        before_of[i] = find_before(version, &load->columns[i]);
    if (!plan_existing(version, load, before_of, out, err))
        return false;
    for (size_t i = 0; i < load->column_count; i++) {
        if (before_of[i] >= 0)
            continue;
        out->initialized = out->initialized || load->columns[i].initial != NULL;
        out->columns[out->column_count++] =
            (struct lake_schema_column){.column = load->columns[i], .before = -1, .given = (int)i};
    }
    if (!check_names(out, load->key, load->key_count, "--primary-key", err) || !check_partition(arena, out, load, err))
        return false;
    out->repartitioned = !same_partition(version, load);
    if (version->row_count == 0 || load->full_load_sql != NULL)
        out->renamed = out->retyped = out->dropped = out->initialized = out->repartitioned = false;
    return true;
}

int lake_schema_find(const struct lake_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].column.name, name) == 0)
            return (int)i;
    for (size_t i = 0; i < schema->column_count; i++)
        if (strcasecmp(schema->columns[i].column.name, name) == 0)
            return (int)i;
    return -1;
}
