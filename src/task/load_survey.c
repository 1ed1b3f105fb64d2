#include "task/load_survey.h"

#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/log.h"
#include "model/value.h"

struct survey_column {
    const char *name;
    struct type type;  /* once it is decided */
    bool decided;      /* known, or inferred from the full load */
    bool in_full_load; /* the full load of this plan has it: its values decide */
    bool seen;         /* inference: a value that is not NULL */
};

struct survey {
    struct arena *arena;
    const struct load_schema_input *input;
    struct survey_column *columns;
    size_t count, capacity;
    const struct load_parquet **parquet;
    const char *const *expected;
    size_t expected_count;
    const char **newest;
    size_t newest_count;
};

/* --- types that are known without looking at values ---------------------------------------------------------------- */

static const char *declared_type(const struct load_schema_input *input, const char *name) {
    for (size_t i = 0; input->config != NULL && i < input->config->column_count; i++)
        if (strcasecmp(input->config->columns[i].name, name) == 0)
            return input->config->columns[i].type;
    return NULL;
}

static const char *kept_type(const struct load_schema_input *input, const char *name) {
    const char *key;
    json_t *type;
    json_object_foreach((json_t *)input->types, key,
                        type) if (strcasecmp(key, name) == 0) return json_string_value(type);
    return NULL;
}

static bool parse_type(const char *text, const char *name, const char *where, struct type *out, struct error *err) {
    if (!type_parse(text, out))
        return error_set(err, ERROR_CONFIG, "column \"%s\": \"%s\" (%s) is no type", name, text, where);
    *out = type_for_lake(*out);
    return true;
}

bool load_declared_type(const struct load_schema_input *input, const char *name, struct type *out) {
    const char *text = declared_type(input, name);
    return text != NULL && parse_type(text, name, "tables: columns", out, NULL);
}

bool load_check_declared(const struct load_schema_input *input, struct error *err) {
    struct type type;
    for (size_t i = 0; input->config != NULL && i < input->config->column_count; i++)
        if (!parse_type(input->config->columns[i].type, input->config->columns[i].name, "tables: columns", &type, err))
            return false;
    return true;
}

/* Takes `type` as well: *known holds both after it. */
static bool join_known(struct survey_column *column, struct type type, const char *whose, struct error *err) {
    if (!column->decided || type_equal(column->type, type)) {
        column->type = type;
        column->decided = true;
        return true;
    }
    if (type_widen(column->type, type, &column->type))
        return true;
    char is[TYPE_TEXT_BYTES], want[TYPE_TEXT_BYTES];
    type_format(column->type, is);
    type_format(type, want);
    return error_set(err, ERROR_CONFIG,
                     "column \"%s\" is %s in the lake, and %s says %s: a lake column can only be widened", column->name,
                     is, whose, want);
}

/* A full load replaces all rows: then the declared type holds, whatever the lake had, or what it was widened to. */
static void redeclare(struct survey_column *column, struct type declared, const struct type *kept) {
    struct type wider;
    column->type = kept != NULL && type_widen(declared, *kept, &wider) ? wider : declared;
    column->decided = true;
}

static bool find_known_type(const struct survey *survey, struct survey_column *column, struct error *err) {
    const struct lake_version *lake = survey->input->lake;
    int at = load_find_column(lake->columns, lake->column_count, column->name);
    const char *kept = kept_type(survey->input, column->name), *declared = declared_type(survey->input, column->name);
    struct type kept_as, declared_as;
    if (kept != NULL && !parse_type(kept, column->name, "sluice_column_types", &kept_as, err))
        return false;
    if (declared != NULL && !parse_type(declared, column->name, "tables: columns", &declared_as, err))
        return false;
    if (survey->input->plan->full_load_due && declared != NULL) {
        redeclare(column, declared_as, kept != NULL ? &kept_as : NULL);
        return true;
    }
    if (at >= 0) {
        column->type = lake->columns[at].type;
        column->decided = true;
    }
    return (kept == NULL || join_known(column, kept_as, "sluice_column_types of the controller row", err)) &&
           (declared == NULL || join_known(column, declared_as, "the config (tables: columns)", err));
}

/* --- which columns there are ------------------------------------------------------------------------------------------ */

static struct survey_column *find(const struct survey *survey, const char *name) {
    for (size_t i = 0; i < survey->count; i++)
        if (strcasecmp(survey->columns[i].name, name) == 0)
            return &survey->columns[i];
    return NULL;
}

static bool add_column(struct survey *survey, const char *name, struct survey_column **out, struct error *err) {
    *out = find(survey, name);
    if (*out != NULL)
        return true;
    survey->columns = mem_grow(survey->columns, survey->count, &survey->capacity, sizeof *survey->columns);
    struct survey_column *column = &survey->columns[survey->count++];
    *column = (struct survey_column){.name = arena_strdup(survey->arena, name)};
    *out = column;
    return find_known_type(survey, column, err);
}

static bool add_names(struct survey *survey, const char *const *names, size_t count, bool full_load,
                      struct error *err) {
    for (size_t i = 0; i < count; i++) {
        struct survey_column *column;
        if (!add_column(survey, names[i], &column, err))
            return false;
        column->in_full_load |= full_load;
    }
    return true;
}

static bool open_reader(const struct survey *survey, const struct raw_file *file, struct load_reader **out,
                        struct error *err) {
    if (!load_reader_open(survey->input->format, file, survey->expected, survey->expected_count, out, err))
        return false;
    if (survey->input->format->quarantine != NULL)
        load_reader_leave_out(*out, NULL, NULL); /* the load itself puts them aside */
    return true;
}

static void keep_newest(struct survey *survey, const struct raw_file *file, const char *const *names, size_t count) {
    const struct load_plan *plan = survey->input->plan;
    if (file != load_plan_file(plan, load_plan_file_count(plan) - 1))
        return;
    survey->newest = arena_alloc(survey->arena, (count + 1) * sizeof *survey->newest);
    survey->newest_count = count;
    for (size_t i = 0; i < count; i++)
        survey->newest[i] = arena_strdup(survey->arena, names[i]);
}

static bool survey_csv(struct survey *survey, const struct raw_file *file, struct error *err) {
    struct load_reader *reader;
    if (!open_reader(survey, file, &reader, err))
        return false;
    size_t count;
    const char *const *names = load_reader_names(reader, &count);
    bool ok = add_names(survey, names, count, file->kind == RAW_FULL_LOAD, err);
    keep_newest(survey, file, names, count);
    load_reader_close(reader);
    return ok;
}

/* As when a value of a CSV file makes a declared type wider: the log says so. */
static void say_wider(const struct survey *survey, const char *file, const struct column *column, struct type known) {
    const struct controller_row *row = survey->input->row;
    char is[TYPE_TEXT_BYTES];
    const char *declared = declared_type(survey->input, column->name);
    type_format(column->type, is);
    if (declared != NULL && type_is_widening(known, column->type))
        log_info("%s.%s: wider column types, because %s, column \"%s\" is %s, and %s was declared", row->schema,
                 row->table, file, column->name, is, declared);
}

/* A Parquet file brings its types. Where they do not go together with what is known, the schema decides (check_cast). */
static bool survey_parquet(struct survey *survey, const struct raw_file *file, size_t index, struct error *err) {
    struct load_parquet *parquet = arena_alloc(survey->arena, sizeof *parquet);
    const char *name = arena_printf(survey->arena, "%s%s", survey->input->format->folder, file->name);
    if (!load_parquet_describe(survey->arena, survey->input->connection, survey->input->format->raw, name, parquet,
                               err))
        return false;
    const struct load_parquet *before = index > 0 ? survey->parquet[index - 1] : NULL;
    survey->parquet[index] = before != NULL && load_parquet_equal(before, parquet) ? before : parquet;
    const char **names = arena_alloc(survey->arena, (parquet->column_count + 1) * sizeof *names);
    for (size_t i = 0; i < parquet->column_count; i++) {
        struct survey_column *column;
        struct type type = parquet->columns[i].type, wider;
        if (!add_column(survey, parquet->columns[i].name, &column, err))
            return false;
        names[i] = parquet->columns[i].name;
        if (!column->decided) {
            column->type = type;
        } else if (type_widen(column->type, type, &wider)) {
            say_wider(survey, name, &parquet->columns[i], column->type);
            column->type = wider;
        }
        column->decided = true;
    }
    keep_newest(survey, file, names, parquet->column_count);
    return true;
}

static bool survey_files(struct survey *survey, struct error *err) {
    const struct load_plan *plan = survey->input->plan;
    for (size_t i = 0; i < load_plan_file_count(plan); i++) {
        const struct raw_file *file = load_plan_file(plan, i);
        bool ok = file->format == RAW_PARQUET ? survey_parquet(survey, file, i, err) : survey_csv(survey, file, err);
        if (!ok || !cancel_check(err))
            return false;
    }
    return true;
}

/* --- inference -------------------------------------------------------------------------------------------------------- */

enum { CANCEL_EVERY_ROWS = 4096 };

/* Called for every row of a file; columns[i] belongs to values[i]. */
typedef void (*row_fn)(struct survey_column *const *columns, const struct value *values, size_t count);

static bool read_rows(const struct survey *survey, const struct raw_file *file, row_fn row, struct error *err) {
    struct load_reader *reader;
    if (!open_reader(survey, file, &reader, err))
        return false;
    size_t count;
    const char *const *names = load_reader_names(reader, &count);
    struct survey_column **columns = mem_alloc((count + 1) * sizeof *columns);
    for (size_t i = 0; i < count; i++)
        columns[i] = find(survey, names[i]);
    const struct value *values = NULL;
    char op;
    bool ok;
    size_t rows = 0;
    while ((ok = load_reader_next(reader, &op, &values, err)) && values != NULL) {
        row(columns, values, count);
        if (++rows % CANCEL_EVERY_ROWS == 0 && !(ok = cancel_check(err)))
            break;
    }
    mem_free(columns);
    load_reader_close(reader);
    return ok;
}

/* A column that is text already stays text. */
static void infer_row(struct survey_column *const *columns, const struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct survey_column *column = columns[i];
        if (column == NULL || column->decided || (column->seen && column->type.kind == TYPE_STRING) ||
            values[i].kind == VALUE_NULL || values[i].kind == VALUE_UNCHANGED)
            continue;
        struct type type = value_infer((struct slice){values[i].data, values[i].len});
        column->type = column->seen ? value_infer_merge(column->type, type) : type;
        column->seen = true;
    }
}

/* Decides the columns that the full load has (or that it does not have) from the values of their files. A column without
 * any value is text. */
static bool infer(struct survey *survey, bool full_load, struct error *err) {
    const struct load_plan *plan = survey->input->plan;
    const struct raw_file *files = full_load ? plan->full_load : plan->changes;
    size_t count = full_load ? plan->full_load_count : plan->change_count, open = 0;
    for (size_t i = 0; i < survey->count; i++)
        open += !survey->columns[i].decided && survey->columns[i].in_full_load == full_load;
    if (open == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (files[i].format != RAW_PARQUET && !read_rows(survey, &files[i], infer_row, err))
            return false;
    for (size_t i = 0; i < survey->count; i++) {
        struct survey_column *column = &survey->columns[i];
        if (column->decided || column->in_full_load != full_load)
            continue;
        column->type = column->seen ? type_for_lake(column->type) : (struct type){.kind = TYPE_STRING};
        column->decided = true;
    }
    return true;
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

static void declare_expected(struct survey *survey) {
    const struct config_table *config = survey->input->config;
    if (config == NULL || config->column_count == 0)
        return;
    const char **names = arena_alloc(survey->arena, config->column_count * sizeof *names);
    for (size_t i = 0; i < config->column_count; i++)
        names[i] = config->columns[i].name;
    survey->expected = names;
    survey->expected_count = config->column_count;
}

static bool add_lake_columns(struct survey *survey, struct error *err) {
    for (size_t i = 0; i < survey->input->lake->column_count; i++) {
        struct survey_column *column;
        if (!add_column(survey, survey->input->lake->columns[i].name, &column, err))
            return false;
    }
    return true;
}

static const struct column *result_columns(const struct survey *survey) {
    struct column *columns = arena_alloc(survey->arena, (survey->count + 1) * sizeof *columns);
    const struct lake_version *lake = survey->input->lake;
    for (size_t i = 0; i < survey->count; i++) {
        columns[i] =
            (struct column){.name = survey->columns[i].name, .type = survey->columns[i].type, .nullable = true};
        int at = load_find_column(lake->columns, lake->column_count, columns[i].name);
        if (at >= 0)
            columns[i].id = lake->columns[at].id;
    }
    return columns;
}

bool load_survey_make(struct arena *arena, const struct load_schema_input *input, struct load_survey *out,
                      struct error *err) {
    size_t file_count = load_plan_file_count(input->plan);
    struct survey survey = {.arena = arena, .input = input};
    survey.parquet = arena_alloc(arena, (file_count + 1) * sizeof(void *));
    declare_expected(&survey);
    /* infer(false) comes second: a change file's values do not decide what the full load's values did. */
    bool ok = add_lake_columns(&survey, err) && survey_files(&survey, err) && infer(&survey, true, err) &&
              infer(&survey, false, err);
    if (ok)
        *out = (struct load_survey){.columns = result_columns(&survey),
                                    .column_count = survey.count,
                                    .parquet = survey.parquet,
                                    .expected = survey.expected,
                                    .expected_count = survey.expected_count,
                                    .newest = survey.newest,
                                    .newest_count = survey.newest_count};
    mem_free(survey.columns);
    return ok;
}

/* --- widening --------------------------------------------------------------------------------------------------------- */

bool load_survey_widen(struct type type, struct slice text, struct type *out) {
    struct type wider = type;
    switch (type.kind) {
    case TYPE_INT32:
        wider.kind = TYPE_INT64;
        break;
    case TYPE_FLOAT32:
        wider.kind = TYPE_FLOAT64;
        break;
    case TYPE_DECIMAL:
        while (wider.precision < TYPE_DECIMAL_PRECISION_MAX && !value_fits(text, wider))
            wider.precision++;
        break;
    default:
        return false;
    }
    *out = wider;
    return value_fits(text, wider);
}

static void widen_row(struct survey_column *const *columns, const struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct slice text = {values[i].data, values[i].len};
        if (columns[i] == NULL || values[i].kind == VALUE_NULL || values[i].kind == VALUE_UNCHANGED ||
            value_fits(text, columns[i]->type))
            continue;
        if (load_survey_widen(columns[i]->type, text, &columns[i]->type))
            columns[i]->seen = true; /* widened */
    }
}

bool load_schema_widen(const struct load_schema_input *input, const struct load_schema *schema, json_t **types,
                       struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct survey survey = {.arena = &arena, .input = input};
    survey.columns = arena_alloc(&arena, (schema->column_count + 1) * sizeof *survey.columns);
    survey.count = schema->column_count;
    for (size_t i = 0; i < schema->column_count; i++)
        survey.columns[i] = (struct survey_column){.name = schema->columns[i].name, .type = schema->columns[i].type};
    declare_expected(&survey);
    bool ok = true, widened = false;
    for (size_t i = 0; ok && i < load_plan_file_count(input->plan); i++)
        if (load_plan_file(input->plan, i)->format != RAW_PARQUET)
            ok = read_rows(&survey, load_plan_file(input->plan, i), widen_row, err);
    *types = NULL;
    json_t *all = input->types != NULL ? json_copy((json_t *)input->types) : json_object();
    for (size_t i = 0; ok && i < survey.count; i++) {
        char text[TYPE_TEXT_BYTES];
        if (!survey.columns[i].seen)
            continue;
        type_format(survey.columns[i].type, text);
        json_object_set_new(all, survey.columns[i].name, json_string(text));
        widened = true;
    }
    if (widened)
        *types = json_incref(all);
    json_decref(all);
    arena_deinit(&arena);
    return ok;
}
