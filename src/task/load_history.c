#include "task/load_history.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"

static const struct column history_columns[LOAD_HISTORY_COLUMNS] = {
    [LOAD_HISTORY_TIME] = {.name = "_change_time", .type = {TYPE_TIMESTAMP, 0, 6}, .nullable = true},
    [LOAD_HISTORY_FILE] = {.name = "_change_file", .type = {.kind = TYPE_STRING}, .nullable = true},
    [LOAD_HISTORY_NUMBER] = {.name = "_change_number", .type = {.kind = TYPE_INT64}, .nullable = true},
};

/* --- the plan */

static const char *base_name_of(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

/* The last change file that the table holds; "" for none. */
static const char *applied_file(const struct load_run *run) {
    const char *name = base_name_of(controller_last_file_name(&run->row));
    return strcmp(name, "0") == 0 ? "" : name;
}

/* The controller row as it would be, were this its table. */
static void take_watermark(struct load_run *run) {
    const struct lake_watermark *watermark = &run->lake->version.watermark;
    run->row.last_full_load_date =
        watermark->last_full_load_date != NULL ? watermark->last_full_load_date : CONTROLLER_DATE_NEVER;
    run->row.last_incremental_file = watermark->last_incremental_file != NULL ? watermark->last_incremental_file : "0";
    if (!run->keeps_books) /* what the row recorded is about the other table */
        load_plan_forget_recorded(&run->row);
}

/* Changes that a new full load makes needless for the table itself were changes all the same: they come first, in a commit of
 * their own. */
static void plan_earlier(struct load_run *run) {
    struct load_plan *plan = &run->plan;
    const char *after = applied_file(run), *until = run->captured->full_load_after;
    const struct raw_files *files = &run->raw_files;
    size_t begin = 0;
    while (begin < files->change_count && raw_compare_names(files->changes[begin].base_name, after) <= 0)
        begin++;
    size_t end = begin;
    while (end < files->change_count && raw_compare_names(files->changes[end].base_name, until) <= 0)
        end++;
    if (end == begin)
        return;
    run->more = true;
    *plan = (struct load_plan){.state = LOAD_PLAN_DUE,
                               .changes = files->changes + begin,
                               .change_count = end - begin,
                               .last_full_load_date = run->row.last_full_load_date,
                               .last_incremental_file =
                                   arena_printf(&run->arena, "%s%s", run->row.path, files->changes[end - 1].name),
                               .version = plan->version,
                               .planned_us = plan->planned_us};
}

bool load_history_plan(struct load_run *run, struct error *err) {
    run->more = false;
    take_watermark(run);
    if (!load_plan_make(&run->arena, &run->row, run->captured, &run->raw_files, &run->plan, err))
        return false;
    if (run->plan.full_load_due && run->lake->version.number > 0 && run->captured != NULL &&
        run->captured->full_load_after != NULL)
        plan_earlier(run);
    return true;
}

/* --- the columns */

static bool is_history_column(const char *name) {
    for (size_t i = 0; i < LOAD_HISTORY_COLUMNS; i++)
        if (strcasecmp(history_columns[i].name, name) == 0)
            return true;
    return false;
}

void load_history_hide(struct load_run *run) {
    const struct lake_version *version = &run->lake->version;
    struct column *columns = arena_alloc(&run->arena, (version->column_count + 1) * sizeof *columns);
    run->shown = *version;
    run->shown.columns = columns;
    run->shown.column_count = 0;
    for (size_t i = 0; i < version->column_count; i++)
        if (!is_history_column(version->columns[i].name))
            columns[run->shown.column_count++] = version->columns[i];
}

/* "20261101-101500123…" as the time that it is. */
static const char *time_of_name(struct arena *arena, const char *name) {
    return arena_printf(arena, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s.%.3s", name, name + 4, name + 6, name + 9, name + 11,
                        name + 13, name + 15);
}

static void describe_file(struct load_run *run, const struct load_part *part, const struct raw_file *file,
                          struct load_history_file *out) {
    char text[CLOCK_TEXT_BYTES];
    if (!part->full_load) {
        *out = (struct load_history_file){file->base_name, time_of_name(&run->arena, file->base_name)};
        return;
    }
    const char *after = applied_file(run), *recorded = run->captured != NULL ? run->captured->full_load_after : NULL;
    if (recorded != NULL && raw_compare_names(recorded, after) > 0)
        after = recorded;
    clock_format_sql(file->modified_us, true, text);
    *out = (struct load_history_file){arena_printf(&run->arena, "%s+%s", after, file->name),
                                      arena_strdup(&run->arena, text)};
}

static void extend_part(struct load_run *run, struct load_part *part) {
    size_t count = run->schema.column_count; /* with the three */
    struct load_field *fields = arena_alloc(&run->arena, (count + 1) * sizeof *fields);
    struct load_history_file *files = arena_alloc(&run->arena, (part->file_count + 1) * sizeof *files);
    for (size_t i = 0; i < LOAD_HISTORY_COLUMNS; i++)
        fields[i] = (struct load_field){.column = -1};
    memcpy(fields + LOAD_HISTORY_COLUMNS, part->fields, (count - LOAD_HISTORY_COLUMNS) * sizeof *fields);
    for (size_t i = 0; i < part->file_count; i++)
        describe_file(run, part, &part->files[i], &files[i]);
    part->fields = fields;
    part->history = files;
    if (!part->full_load)
        part->first_file += run->plan.full_load_count;
}

void load_history_extend(struct load_run *run) {
    struct load_schema *schema = &run->schema;
    size_t count = schema->column_count + LOAD_HISTORY_COLUMNS;
    struct column *columns = arena_alloc(&run->arena, (count + 1) * sizeof *columns);
    memcpy(columns, history_columns, sizeof history_columns);
    if (schema->column_count > 0)
        memcpy(columns + LOAD_HISTORY_COLUMNS, schema->columns, schema->column_count * sizeof *columns);
    schema->columns = columns;
    schema->column_count = count;
    for (size_t i = 0; i < schema->part_count; i++)
        extend_part(run, &schema->parts[i]);
}
