#include "task/load_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lake/partition.h"
#include "task/column_names.h"
#include "task/load_cast.h"
#include "task/load_survey.h"

int load_find_column(const struct column *columns, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* What both kinds of tables are built with. */
struct builder {
    struct arena *arena;
    const struct load_schema_input *input;
    struct load_schema *schema;
    size_t column_capacity;
    size_t part_capacity;
};

/* Arrays in an arena cannot grow in place: they get the room that they can need at most. */
static void reserve(struct builder *builder, size_t columns, size_t parts) {
    builder->schema->columns = arena_alloc(builder->arena, (columns + 1) * sizeof *builder->schema->columns);
    builder->schema->parts = arena_alloc(builder->arena, (parts + 1) * sizeof *builder->schema->parts);
    builder->column_capacity = columns;
    builder->part_capacity = parts;
}

/* Starts a part with this file of the plan, or lengthens the last one when `same` says that it is read alike. */
static struct load_part *add_file(struct builder *builder, size_t index, bool same) {
    const struct load_plan *plan = builder->input->plan;
    struct load_schema *schema = builder->schema;
    bool full_load = index < plan->full_load_count;
    if (same && schema->part_count > 0 && schema->parts[schema->part_count - 1].full_load == full_load) {
        schema->parts[schema->part_count - 1].file_count++;
        return NULL;
    }
    struct load_part *part = &schema->parts[schema->part_count++];
    *part = (struct load_part){.files = load_plan_file(plan, index),
                               .file_count = 1,
                               .full_load = full_load,
                               .first_file = full_load ? index : index - plan->full_load_count};
    return part;
}

/* --- captured tables: columns are known by their ids ------------------------------------------------------------- */

/* The version that a file has: the last one whose first file is not greater. -1: none is recorded. */
static int version_of_file(const struct load_schema_input *input, const struct raw_file *file) {
    int found = -1;
    for (size_t i = 0; i < input->schema_count; i++) {
        const struct checkpoint_schema *schema = &input->schemas[i];
        bool matches = file->kind == RAW_FULL_LOAD ? schema->table->version == input->full_load_version
                                                   : schema->first_file[0] == '\0' ||
                                                         raw_compare_names(schema->first_file, file->base_name) <= 0;
        if (matches)
            found = (int)i;
    }
    return found;
}

static int find_id(const struct column *columns, size_t count, uint32_t id) {
    for (size_t i = 0; i < count && id != 0; i++)
        if (columns[i].id == id)
            return (int)i;
    return -1;
}

const struct column *load_find_lake_column(const struct lake_version *lake, const struct column *column) {
    assert(lake->columns != NULL || lake->column_count == 0);
    int found = find_id(lake->columns, lake->column_count, column->id);
    if (found < 0) {
        found = load_find_column(lake->columns, lake->column_count, column->name);
        if (found >= 0 && lake->columns[found].id != 0 && column->id != 0)
            found = -1; /* the same name, but another column */
    }
    return found >= 0 ? &lake->columns[found] : NULL;
}

/* What rows got that existed when the column was added: as the first version with it says, because later versions speak of
 * later defaults. Rows have had the columns of the very first version all along. */
static const char *initial_value(const struct load_schema_input *input, uint32_t id) {
    for (size_t i = 0; i < input->schema_count; i++) {
        const struct table *table = input->schemas[i].table;
        int at = find_id(table->columns, table->column_count, id);
        if (at >= 0)
            return i > 0 ? table->columns[at].initial : NULL;
    }
    return NULL;
}

/* What the config says of the column: under its own name, or under the one that it has now. */
static bool find_declared(const struct builder *builder, const struct column *column, struct type *out) {
    const struct load_schema *schema = builder->schema;
    int now = find_id(schema->columns, schema->column_count, column->id);
    return load_declared_type(builder->input, column->name, out) ||
           (now >= 0 && load_declared_type(builder->input, schema->columns[now].name, out));
}

/* A declared type wins over the source's: the texts of raw files are read as it says. */
static struct column lake_column(const struct builder *builder, const struct column *column) {
    struct column copy = *column;
    copy.initial = initial_value(builder->input, column->id);
    copy.type = type_for_lake(column->type);
    find_declared(builder, column, &copy.type);
    copy.nullable = true;
    return copy;
}

static bool set_type_error(const struct builder *builder, const struct column *target, struct type other,
                           const char *whose, struct error *err) {
    const struct controller_row *row = builder->input->row;
    char is[TYPE_TEXT_BYTES], was[TYPE_TEXT_BYTES];
    struct type declared;
    type_format(target->type, is);
    type_format(other, was);
    error_set(err, ERROR_DATA,
              "column \"%s\" is %s now and was %s in %s: load the table in full again with sluice capture --reload "
              "--schema %s --table %s",
              target->name, is, was, whose, row->schema, row->table);
    if (err == NULL || find_declared(builder, target, &declared))
        return false;
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof err->message - len,
             ", or keep its type in sluice.yaml with tables: columns: {\"%s\": \"%s\"}", target->name, was);
    return false;
}

/* The type of a column that older files or the lake have with another type: wider where that holds both. Where it does not,
 * the source converted its rows to the new type, and so do we (*converted); but hexadecimal is no form to convert. */
static bool join_types(const struct builder *builder, struct column *target, struct type other, const char *whose,
                       bool *converted, struct error *err) {
    *converted = false;
    if (type_equal(target->type, other) || type_widen(target->type, other, &target->type))
        return true;
    *converted = true;
    return (target->type.kind != TYPE_BINARY && other.kind != TYPE_BINARY) ||
           set_type_error(builder, target, other, whose, err);
}

/* The newest version's columns, then what older versions used here have beside them. A name that was given to another
 * column since belongs to the newer one. */
static bool merge_version(struct builder *builder, const struct table *version, struct error *err) {
    struct load_schema *schema = builder->schema;
    size_t newer_count = schema->column_count;
    for (size_t i = 0; i < version->column_count; i++) {
        struct column column = lake_column(builder, &version->columns[i]);
        int known = find_id(schema->columns, schema->column_count, column.id);
        if (known >= 0) {
            bool converted;
            if (!join_types(builder, &schema->columns[known], column.type, "older raw files", &converted, err))
                return false;
        } else if (load_find_column(schema->columns, newer_count, column.name) < 0) {
            schema->columns[schema->column_count++] = column;
        }
    }
    return true;
}

static bool add_timestamp_column(struct builder *builder, struct error *err) {
    const char *name = builder->input->format->timestamp_column;
    struct load_schema *schema = builder->schema;
    if (name == NULL)
        return true;
    if (load_find_column(schema->columns, schema->column_count, name) >= 0)
        return error_set(err, ERROR_CONFIG, "the table has a column \"%s\": choose another raw.timestamp_column_name",
                         name);
    schema->columns[schema->column_count++] =
        (struct column){.name = name, .type = {TYPE_TIMESTAMP, 0, 6}, .nullable = true};
    return true;
}

/* Rows that a conversion replaces keep the columns that the source dropped. */
static void keep_lake_columns(struct builder *builder) {
    const struct lake_version *lake = builder->input->lake;
    struct load_schema *schema = builder->schema;
    for (size_t i = 0; i < lake->column_count; i++)
        if (find_id(schema->columns, schema->column_count, lake->columns[i].id) < 0 &&
            load_find_column(schema->columns, schema->column_count, lake->columns[i].name) < 0)
            schema->columns[schema->column_count++] = lake->columns[i];
}

/* Of columns of another type in the lake only some become wider; else the user has to decide, because the rows that are there
 * cannot change. */
static bool join_lake_type(const struct builder *builder, struct column *target, const struct column *lake,
                           struct error *err) {
    return type_equal(target->type, lake->type) || type_widen(target->type, lake->type, &target->type) ||
           set_type_error(builder, target, lake->type, "the lake", err);
}

/* No full load replaces a history. What is text there stays text, and else its rows are converted. */
static bool join_history_type(struct builder *builder, struct column *target, const struct column *lake,
                              struct error *err) {
    bool converted = false;
    if (lake->type.kind == TYPE_STRING && target->type.kind != TYPE_BINARY)
        target->type = lake->type;
    else if (!join_types(builder, target, lake->type, "the lake", &converted, err))
        return false;
    builder->schema->rewrite |= converted;
    return true;
}

/* A full load replaces all rows, so the lake's types do not matter then. */
static bool join_lake_types(struct builder *builder, struct error *err) {
    const struct load_schema_input *input = builder->input;
    struct load_schema *schema = builder->schema;
    if (input->plan->full_load_due && !input->is_history)
        return true;
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct column *lake = load_find_lake_column(input->lake, &schema->columns[i]);
        if (lake != NULL && !(input->is_history ? join_history_type(builder, &schema->columns[i], lake, err)
                                                : join_lake_type(builder, &schema->columns[i], lake, err)))
            return false;
    }
    if (schema->rewrite)
        keep_lake_columns(builder);
    return true;
}

/* True when the column came after this version: its rows got `initial` then. A column that the version lacks because it was
 * dropped before has no value there. */
static bool added_after(const struct load_schema_input *input, size_t version, uint32_t id) {
    for (size_t i = 0; i < version; i++)
        if (find_id(input->schemas[i].table->columns, input->schemas[i].table->column_count, id) >= 0)
            return false;
    return true;
}

static const char *const *column_names(struct arena *arena, const struct table *version) {
    const char **names = arena_alloc(arena, (version->column_count + 1) * sizeof *names);
    for (size_t i = 0; i < version->column_count; i++)
        names[i] = version->columns[i].name;
    return names;
}

/* The columns that a CSV file of this version has. */
static void set_version_columns(struct builder *builder, struct load_part *part, const struct table *version) {
    struct column *columns = arena_alloc(builder->arena, (version->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < version->column_count; i++)
        columns[i] = lake_column(builder, &version->columns[i]);
    part->columns = columns;
    part->column_count = version->column_count;
    part->expected = column_names(builder->arena, version);
    part->expected_count = version->column_count;
    if (builder->input->format->timestamp_column != NULL)
        columns[part->column_count++] = (struct column){
            .name = builder->input->format->timestamp_column, .type = {TYPE_TIMESTAMP, 0, 6}, .nullable = true};
}

/* Without a declared type the source converted its rows, and so do we. */
static bool is_checked(const struct builder *builder, const struct load_part *part, int column,
                       const struct column *target) {
    struct type declared;
    return part->parquet != NULL && column >= 0 && find_declared(builder, target, &declared) &&
           load_cast_can_fail(part->columns[column].type, target->type);
}

static void map_captured_part(struct builder *builder, struct load_part *part, size_t version) {
    const struct table *table = builder->input->schemas[version].table;
    struct load_field *fields = arena_alloc(builder->arena, (builder->schema->column_count + 1) * sizeof *fields);
    for (size_t i = 0; i < builder->schema->column_count; i++) {
        const struct column *target = &builder->schema->columns[i];
        int at = find_id(table->columns, table->column_count, target->id);
        const char *name = at >= 0 ? table->columns[at].name : target->id == 0 ? target->name : NULL;
        fields[i].column = name != NULL ? load_find_column(part->columns, part->column_count, name) : -1;
        if (at < 0 && target->id != 0 && added_after(builder->input, version, target->id))
            fields[i].initial = target->initial;
        fields[i].checked = is_checked(builder, part, fields[i].column, target);
    }
    part->fields = fields;
}

static bool describe_file(struct builder *builder, const struct raw_file *file, const struct load_parquet **out,
                          struct error *err) {
    const struct load_schema_input *input = builder->input;
    struct load_parquet *parquet = arena_alloc(builder->arena, sizeof *parquet);
    const char *name = arena_printf(builder->arena, "%s%s", input->format->folder, file->name);
    *out = parquet;
    return load_parquet_describe(builder->arena, input->connection, input->format->raw, name, parquet, err);
}

/* Cuts the files into parts; versions[p] is the version of part p. */
static bool cut_captured_parts(struct builder *builder, int *versions, struct error *err) {
    const struct load_plan *plan = builder->input->plan;
    const struct load_parquet *last_parquet = NULL;
    int last = -1;
    for (size_t i = 0; i < load_plan_file_count(plan); i++) {
        const struct raw_file *file = load_plan_file(plan, i);
        int version = version_of_file(builder->input, file);
        if (version < 0)
            return error_set(err, ERROR_DATA, "%s%s: capture recorded no columns for this file",
                             builder->input->format->folder, file->name);
        const struct load_parquet *parquet = NULL;
        if (file->format == RAW_PARQUET && !describe_file(builder, file, &parquet, err))
            return false;
        bool same = version == last && (parquet == NULL) == (last_parquet == NULL) &&
                    (parquet == NULL || load_parquet_equal(parquet, last_parquet));
        struct load_part *part = add_file(builder, i, same);
        if (part != NULL) {
            part->parquet = parquet;
            versions[builder->schema->part_count - 1] = version;
        }
        last = version;
        last_parquet = parquet;
    }
    return true;
}

static size_t count_history_columns(const struct load_schema_input *input) {
    size_t count = 1 + input->lake->column_count; /* the timestamp column, and what the lake has beside */
    for (size_t i = 0; i < input->schema_count; i++)
        count += input->schemas[i].table->column_count;
    return count;
}

static bool make_captured(struct builder *builder, struct error *err) {
    const struct load_schema_input *input = builder->input;
    if (!load_check_declared(input, err))
        return false;
    size_t file_count = load_plan_file_count(input->plan);
    reserve(builder, count_history_columns(input), file_count);
    int *versions = arena_alloc(builder->arena, (file_count + 1) * sizeof *versions);
    if (!cut_captured_parts(builder, versions, err))
        return false;
    for (int v = (int)input->schema_count - 1; v >= 0; v--) {
        bool used = v == (int)input->schema_count - 1; /* also when no file has it yet */
        for (size_t p = 0; p < builder->schema->part_count; p++)
            used |= versions[p] == v;
        if (used && !merge_version(builder, input->schemas[v].table, err))
            return false;
    }
    if (!add_timestamp_column(builder, err) || !join_lake_types(builder, err))
        return false;
    for (size_t p = 0; p < builder->schema->part_count; p++) {
        struct load_part *part = &builder->schema->parts[p];
        if (part->parquet != NULL) {
            part->columns = part->parquet->columns;
            part->column_count = part->parquet->column_count;
        } else {
            set_version_columns(builder, part, input->schemas[versions[p]].table);
        }
        map_captured_part(builder, part, (size_t)versions[p]);
    }
    return true;
}

/* --- tables of AWS DMS: columns are known by their names ---------------------------------------------------------- */

/* A Parquet column of another type is cast; what a cast would change is refused, unless the user declared the type: then it
 * is refused value by value. */
static bool check_cast(const struct builder *builder, const struct load_part *part, const struct column *from,
                       const struct column *to, struct error *err) {
    struct type declared;
    if (part->parquet == NULL || load_cast_is_exact(from->type, to->type) ||
        load_declared_type(builder->input, to->name, &declared))
        return true;
    char is[TYPE_TEXT_BYTES], want[TYPE_TEXT_BYTES];
    type_format(from->type, is);
    type_format(to->type, want);
    return error_set(err, ERROR_DATA,
                     "%s%s: column \"%s\" is %s, which does not go into the table's %s: declare its type "
                     "(tables: columns) and load the table in full again",
                     builder->input->format->folder, part->files[0].name, to->name, is, want);
}

static bool map_surveyed_part(struct builder *builder, struct load_part *part, struct error *err) {
    struct load_field *fields = arena_alloc(builder->arena, (builder->schema->column_count + 1) * sizeof *fields);
    for (size_t i = 0; i < builder->schema->column_count; i++) {
        const struct column *target = &builder->schema->columns[i];
        fields[i].column = load_find_column(part->columns, part->column_count, target->name);
        if (fields[i].column < 0)
            continue;
        const struct column *from = &part->columns[fields[i].column];
        if (!check_cast(builder, part, from, target, err))
            return false;
        fields[i].checked = part->parquet != NULL && load_cast_can_fail(from->type, target->type);
    }
    part->fields = fields;
    return true;
}

static bool make_surveyed(struct builder *builder, struct error *err) {
    const struct load_plan *plan = builder->input->plan;
    struct load_survey survey;
    if (!load_survey_make(builder->arena, builder->input, &survey, err))
        return false;
    size_t file_count = load_plan_file_count(plan);
    reserve(builder, survey.column_count, file_count);
    builder->schema->source_names = survey.newest;
    builder->schema->source_name_count = survey.newest_count;
    builder->schema->column_count = survey.column_count;
    if (survey.column_count > 0)
        memcpy(builder->schema->columns, survey.columns, survey.column_count * sizeof *survey.columns);
    for (size_t i = 0; i < file_count; i++) {
        struct load_part *part = add_file(builder, i, i > 0 && survey.parquet[i] == survey.parquet[i - 1]);
        if (part == NULL)
            continue;
        part->parquet = survey.parquet[i];
        part->columns = part->parquet != NULL ? part->parquet->columns : builder->schema->columns;
        part->column_count = part->parquet != NULL ? part->parquet->column_count : builder->schema->column_count;
        part->expected = survey.expected;
        part->expected_count = survey.expected_count;
        if (!map_surveyed_part(builder, part, err))
            return false;
    }
    return true;
}

/* --- keys and names ------------------------------------------------------------------------------------------------- */

/* A name of the key that the table had before a rename: its column, by id. */
static int find_renamed(const struct builder *builder, const char *name) {
    const struct load_schema_input *input = builder->input;
    for (size_t v = input->schemas != NULL ? input->schema_count : 0; v-- > 0;) {
        const struct table *table = input->schemas[v].table;
        int at = load_find_column(table->columns, table->column_count, name);
        if (at >= 0)
            return find_id(builder->schema->columns, builder->schema->column_count, table->columns[at].id);
    }
    return -1;
}

/* Resolves a comma list of the controller row: names of columns, or of partition keys, where they may be in a transform. */
static bool resolve_names(const struct builder *builder, const char *list, const char *attribute, bool is_partition,
                          const char *const **out, size_t *count, struct error *err) {
    *count = 0;
    *out = NULL;
    if (list == NULL || list[0] == '\0')
        return true;
    const char **names = arena_alloc(builder->arena, (strlen(list) + 1) * sizeof *names);
    for (const char *at = list; at != NULL;) {
        struct iceberg_transform transform = {.kind = ICEBERG_IDENTITY};
        const char *name = lake_partition_next(builder->arena, &at);
        if (is_partition)
            name = lake_partition_parse(builder->arena, name, &transform);
        int found = load_find_column(builder->schema->columns, builder->schema->column_count, name);
        if (found < 0)
            found = find_renamed(builder, name);
        if (found < 0)
            return error_set(err, ERROR_CONFIG, "%s names column \"%s\", which the files of the table do not have",
                             attribute, name);
        names[(*count)++] = lake_partition_format(builder->arena, transform, builder->schema->columns[found].name);
    }
    *out = names;
    return true;
}

/* A file without a column of the key cannot say which rows it changes. CSV files of unknown columns are checked when they
 * are opened. */
static bool check_key_columns(const struct builder *builder, struct error *err) {
    const struct load_schema *schema = builder->schema;
    for (size_t p = 0; p < schema->part_count; p++)
        for (size_t k = 0; k < schema->key_count; k++) {
            int column = load_find_column(schema->columns, schema->column_count, schema->key[k]);
            const struct load_field *field = &schema->parts[p].fields[column];
            if (field->column < 0 && field->initial == NULL)
                return error_set(err, ERROR_DATA, "%s%s has no column \"%s\", which belongs to the table's key",
                                 builder->input->format->folder, schema->parts[p].files[0].name, schema->key[k]);
        }
    return true;
}

bool load_schema_make(struct arena *arena, const struct load_schema_input *input, struct load_schema *out,
                      struct error *err) {
    *out = (struct load_schema){0};
    struct builder builder = {.arena = arena, .input = input, .schema = out};
    bool ok = input->schemas != NULL ? make_captured(&builder, err) : make_surveyed(&builder, err);
    return ok && column_names_check(out->columns, out->column_count, NULL, err) &&
           resolve_names(&builder, input->is_history ? NULL : input->row->primary_key, "PrimaryKey", false, &out->key,
                         &out->key_count, err) &&
           resolve_names(&builder, input->is_history ? NULL : input->row->partition_key, "PartitionKey", true,
                         &out->partition, &out->partition_count, err) &&
           check_key_columns(&builder, err);
}
