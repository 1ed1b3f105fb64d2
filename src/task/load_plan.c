#include "task/load_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define FULL_LOAD_ATTRIBUTE "sluice_full_load"
#define VERSION_ATTRIBUTE "sluice_schema_version"
#define FUTURE_ATTRIBUTE "sluice_future_load" /* {"date": LastFullLoadDate, "seen": µs, "times": [µs, …]} */

/* NULL removes it; takes the value over. */
static void record(struct controller_row *row, const char *attribute, json_t *value) {
    if (row->item.attributes == NULL)
        row->item.attributes = json_object();
    if (value != NULL)
        json_object_set_new(row->item.attributes, attribute, value);
    else
        json_object_del(row->item.attributes, attribute);
}

/* The times of the loaded files that are after the plan's; NULL when there are none. */
static json_t *future_times(const struct load_plan *plan) {
    if (plan->future_file == NULL)
        return NULL;
    json_t *times = json_array();
    for (size_t i = 0; i < plan->full_load_count; i++)
        if (plan->full_load[i].modified_us > plan->planned_us)
            json_array_append_new(times, json_integer(plan->full_load[i].modified_us));
    return json_pack("{ss sI so}", "date", plan->last_full_load_date, "seen", (json_int_t)plan->planned_us, "times",
                     times);
}

void load_plan_record(struct controller_row *row, const struct load_plan *plan) {
    if (plan->full_load_due)
        record(row, FUTURE_ATTRIBUTE, future_times(plan));
    record(row, FULL_LOAD_ATTRIBUTE, plan->full_load_id != NULL ? json_string(plan->full_load_id) : NULL);
    record(row, VERSION_ATTRIBUTE, plan->version > 0 ? json_integer(plan->version) : NULL);
}

void load_plan_forget_recorded(struct controller_row *row) {
    record(row, FULL_LOAD_ATTRIBUTE, NULL);
    record(row, VERSION_ATTRIBUTE, NULL);
    record(row, FUTURE_ATTRIBUTE, NULL);
}

static const char *recorded_full_load(const struct controller_row *row) {
    return json_string_value(json_object_get(row->item.attributes, FULL_LOAD_ATTRIBUTE));
}

uint32_t load_plan_recorded_version(const struct controller_row *row) {
    return (uint32_t)json_integer_value(json_object_get(row->item.attributes, VERSION_ATTRIBUTE));
}

/* --- what the row says was loaded */

/* What stands behind the last '/': files are compared by that, also when they lie in folders of dates. */
static const char *base_name_of(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

/* The last file that was applied, "" for none: "0" is a way to say that. */
static const char *applied_name(const struct controller_row *row) {
    const char *name = base_name_of(controller_last_file_name(row));
    return strcmp(name, "0") == 0 ? "" : name;
}

/* --- the full load */

/* The files of the finished full load of a captured table: leftovers of an older or an unfinished one do not count. */
static bool is_of_full_load(const struct checkpoint_table *captured, const struct raw_file *file) {
    if (strncmp(file->base_name, "LOAD", 4) != 0)
        return false;
    long number = strtol(file->base_name + 4, NULL, 16);
    return number >= captured->load_first && number < (long)captured->load_first + captured->load_files;
}

static void choose_full_load(struct arena *arena, const struct checkpoint_table *captured,
                             const struct raw_files *files, struct load_plan *plan) {
    struct raw_file *chosen = arena_alloc(arena, (files->full_load_count + 1) * sizeof *chosen);
    plan->full_load = chosen;
    for (size_t i = 0; i < files->full_load_count; i++)
        if (captured == NULL || is_of_full_load(captured, &files->full_load[i]))
            chosen[plan->full_load_count++] = files->full_load[i];
}

static int64_t newest_us(const struct load_plan *plan) {
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < plan->full_load_count; i++)
        if (plan->full_load[i].modified_us > newest)
            newest = plan->full_load[i].modified_us;
    return newest;
}

static bool parse_last_date(const struct controller_row *row, int64_t *last_us, struct error *err) {
    const char *text = row->last_full_load_date != NULL ? row->last_full_load_date : CONTROLLER_DATE_NEVER;
    return clock_parse_sql(text, last_us) ||
           error_set(err, ERROR_CONFIG,
                     "LastFullLoadDate \"%s\" of the controller row is not a date: set it to the form %s", text,
                     CONTROLLER_DATE_NEVER);
}

static bool never_loaded(int64_t last_us) {
    int64_t never_us = 0;
    clock_parse_sql(CONTROLLER_DATE_NEVER, &never_us);
    return last_us <= never_us;
}

bool load_plan_starts_over(const struct controller_row *row) {
    int64_t last_us;
    return parse_last_date(row, &last_us, NULL) && never_loaded(last_us) && applied_name(row)[0] == '\0';
}

/* Capture knows its full loads apart, and how many files the finished one has: none when the table was empty. */
static bool is_captured_load_due(const struct controller_row *row, int64_t last_us, const struct load_plan *plan) {
    const char *loaded = recorded_full_load(row);
    return newest_us(plan) > last_us || never_loaded(last_us) ||
           (loaded != NULL && strcmp(loaded, plan->full_load_id) != 0);
}

static bool plan_captured_load(struct arena *arena, const struct controller_row *row,
                               const struct checkpoint_table *captured, const struct raw_files *files, int64_t last_us,
                               struct load_plan *plan, struct error *err) {
    if (captured->full_load != FULL_LOAD_DONE)
        return true;
    plan->full_load_id = arena_printf(arena, "%d/%s", captured->load_first,
                                      captured->full_load_after != NULL ? captured->full_load_after : "");
    choose_full_load(arena, captured, files, plan);
    plan->full_load_due = is_captured_load_due(row, last_us, plan);
    if (!plan->full_load_due || plan->full_load_count == (size_t)captured->load_files)
        return true;
    return error_set(
        err, ERROR_OUTSIDE,
        "the full load has %d files from LOAD%08X on, but the raw zone has %zu of them: put them back, or load "
        "the table in full again with sluice capture --reload --schema %s --table %s",
        captured->load_files, (unsigned)captured->load_first, plan->full_load_count, row->schema, row->table);
}

static bool has_time(const json_t *times, int64_t time_us) {
    for (size_t i = 0; i < json_array_size(times); i++)
        if (json_integer_value(json_array_get(times, i)) == time_us)
            return true;
    return false;
}

/* LastFullLoadDate came from a file whose time was to come: then a file that was written since is new though it is older. */
static bool has_new_file(const struct controller_row *row, const struct load_plan *plan) {
    const json_t *future = json_object_get(row->item.attributes, FUTURE_ATTRIBUTE);
    const char *date = json_string_value(json_object_get(future, "date"));
    if (date == NULL || row->last_full_load_date == NULL || strcmp(date, row->last_full_load_date) != 0)
        return false;
    int64_t seen_us = json_integer_value(json_object_get(future, "seen"));
    for (size_t i = 0; i < plan->full_load_count; i++) {
        int64_t time_us = plan->full_load[i].modified_us;
        if (time_us > seen_us && !has_time(json_object_get(future, "times"), time_us))
            return true;
    }
    return false;
}

/* The newest file, when its time is to come. */
static const char *future_file(const struct load_plan *plan) {
    int64_t newest = newest_us(plan);
    for (size_t i = 0; newest > plan->planned_us && i < plan->full_load_count; i++)
        if (plan->full_load[i].modified_us == newest)
            return plan->full_load[i].name;
    return NULL;
}

/* Decides whether the full load is due; if not, the plan's list of its files is emptied. */
static bool plan_full_load(struct arena *arena, const struct controller_row *row,
                           const struct checkpoint_table *captured, const struct raw_files *files,
                           struct load_plan *plan, struct error *err) {
    int64_t last_us;
    if (!parse_last_date(row, &last_us, err))
        return false;
    if (captured != NULL) {
        if (!plan_captured_load(arena, row, captured, files, last_us, plan, err))
            return false;
    } else {
        choose_full_load(arena, NULL, files, plan);
        plan->full_load_due = newest_us(plan) > last_us || has_new_file(row, plan);
    }
    if (!plan->full_load_due) {
        plan->full_load_count = 0;
        return true;
    }
    plan->future_file = future_file(plan);
    char text[CLOCK_TEXT_BYTES];
    clock_format_sql(plan->full_load_count > 0 ? newest_us(plan) : plan->planned_us, false, text);
    plan->last_full_load_date = arena_strdup(arena, text);
    return true;
}

/* --- the changes */

static const char *later_name(const char *a, const char *b) { return b != NULL && raw_compare_names(b, a) > 0 ? b : a; }

static bool plan_changes(struct arena *arena, const struct controller_row *row, const struct checkpoint_table *captured,
                         const struct raw_files *files, struct load_plan *plan, struct error *err) {
    const char *applied = applied_name(row);
    const char *after = captured != NULL ? later_name(applied, captured->full_load_after) : applied;
    const char *until = captured != NULL ? captured->committed : NULL;
    size_t begin = 0;
    while (begin < files->change_count && raw_compare_names(files->changes[begin].base_name, after) <= 0)
        begin++;
    size_t end = begin;
    while (end < files->change_count &&
           (captured == NULL || (until != NULL && raw_compare_names(files->changes[end].base_name, until) <= 0)))
        end++;
    if (until != NULL && raw_compare_names(until, after) > 0 &&
        (end == begin || raw_compare_names(files->changes[end - 1].base_name, until) != 0))
        return error_set(
            err, ERROR_OUTSIDE,
            "%s was committed by capture but is not in the raw zone: put it back, or load the table in full again "
            "with sluice capture --reload --schema %s --table %s",
            until, row->schema, row->table);
    plan->changes = files->changes + begin;
    plan->change_count = end - begin;
    if (plan->change_count > 0)
        plan->last_incremental_file = arena_printf(arena, "%s%s", row->path, files->changes[end - 1].name);
    /* Files of AWS DMS do not say which changes are older than the full load; its time does, nearly. */
    char loaded_at[RAW_NAME_BYTES];
    raw_format_change_name(files->full_load_newest_us, NULL, RAW_CSV, loaded_at);
    const char *older = captured != NULL ? later_name("", captured->full_load_after) : loaded_at;
    plan->skips_applied_changes = plan->full_load_due && raw_compare_names(applied, older) > 0;
    return true;
}

/* --- both */

static const char *waiting_reason(const struct checkpoint_table *captured) {
    if (captured == NULL)
        return NULL;
    if (captured->full_load == FULL_LOAD_PENDING || captured->full_load == FULL_LOAD_RUNNING)
        return "its full load is not finished";
    return NULL;
}

static uint64_t total_bytes(const struct raw_file *files, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += files[i].size_bytes;
    return total;
}

bool load_plan_make(struct arena *arena, const struct controller_row *row, const struct checkpoint_table *captured,
                    const struct raw_files *files, struct load_plan *out, struct error *err) {
    *out = (struct load_plan){.last_full_load_date = row->last_full_load_date,
                              .last_incremental_file = row->last_incremental_file,
                              .planned_us = clock_now_us()};
    out->reason = !row->active ? "it is not active" : waiting_reason(captured);
    if (out->reason != NULL) {
        out->state = LOAD_PLAN_WAITING;
        return true;
    }
    if (!plan_full_load(arena, row, captured, files, out, err) || !plan_changes(arena, row, captured, files, out, err))
        return false;
    if (captured != NULL) {
        out->version = captured->version;
        out->columns_due = load_plan_recorded_version(row) != 0 && load_plan_recorded_version(row) != captured->version;
    }
    out->size_bytes = total_bytes(out->full_load, out->full_load_count) + total_bytes(out->changes, out->change_count);
    out->state =
        load_plan_file_count(out) > 0 || out->full_load_due || out->columns_due ? LOAD_PLAN_DUE : LOAD_PLAN_NOTHING;
    return true;
}
