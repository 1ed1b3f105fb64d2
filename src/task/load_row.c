#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "task/load_lake.h"
#include "task/load_policy.h"
#include "task/load_quarantine.h"
#include "task/load_table.h"

enum { ROW_ATTEMPTS = 5 };

#define INCOMPLETE_ATTRIBUTE "sluice_incomplete_rows"
#define QUARANTINED_ATTRIBUTE "sluice_quarantined_rows"

static bool same_text(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

static const char *now_text(struct arena *arena, int64_t time_us) {
    char text[CLOCK_TEXT_BYTES];
    clock_format_sql(time_us, true, text);
    return arena_strdup(arena, text);
}

static const char *out_path(struct load_run *run) {
    return arena_printf(&run->arena, "%s/%s", run->pass->lake.store->location, run->lake->folder);
}

/* --- what a row says beside its attributes -------------------------------------------------------------------------------- */

int64_t load_incomplete_rows(const struct controller_row *row) {
    return json_integer_value(json_object_get(row->item.attributes, INCOMPLETE_ATTRIBUTE));
}

int64_t load_quarantined_rows(const struct controller_row *row) {
    return json_integer_value(json_object_get(row->item.attributes, QUARANTINED_ATTRIBUTE));
}

/* Counts since the last full load. */
static void add_count(struct load_run *run, const char *attribute, uint64_t rows) {
    struct controller_row *row = &run->row;
    if (row->item.attributes == NULL)
        row->item.attributes = json_object();
    json_int_t before =
        run->plan.full_load_due ? 0 : json_integer_value(json_object_get(row->item.attributes, attribute));
    if (before + (json_int_t)rows > 0)
        json_object_set_new(row->item.attributes, attribute, json_integer(before + (json_int_t)rows));
    else
        json_object_del(row->item.attributes, attribute);
}

/* The next name of a comma list without the blanks around it; false at its end. */
static bool next_name(const char **list, struct slice *name) {
    if (*list == NULL)
        return false;
    const char *comma = strchr(*list, ',');
    size_t len = comma != NULL ? (size_t)(comma - *list) : strlen(*list);
    *name = (struct slice){*list, len};
    while (name->len > 0 && *name->data == ' ')
        name->data++, name->len--;
    while (name->len > 0 && name->data[name->len - 1] == ' ')
        name->len--;
    *list = comma != NULL ? comma + 1 : NULL;
    return true;
}

static bool has_name(const char *list, struct slice wanted) {
    for (struct slice name; next_name(&list, &name);)
        if (name.len == wanted.len && strncasecmp(name.data, wanted.data, wanted.len) == 0)
            return true;
    return false;
}

static bool has_names(const char *list, const char *wanted) {
    for (struct slice name; next_name(&wanted, &name);)
        if (!has_name(list, name))
            return false;
    return true;
}

bool load_key_differs(const struct controller_row *row, bool captured) {
    const char *key = row->primary_key, *source = row->proposed_key;
    return captured && key != NULL && (source == NULL || !has_names(key, source) || !has_names(source, key));
}

bool load_row_read(struct load_run *run, struct error *err) {
    bool found;
    if (run->row_known)
        controller_row_deinit(&run->row);
    run->row_known = false;
    if (!controller_get(run->pass->state, &run->arena, run->job->path, &run->row, &found, err))
        return false;
    if (!found)
        return error_set(err, ERROR_DATA, "the controller row %s is gone", run->job->path);
    run->row_known = true;
    run->row_starts_over = load_plan_starts_over(&run->row);
    run->row_last_file = run->row.last_incremental_file;
    return true;
}

bool load_row_record_run(struct load_run *run, struct error *err) {
    run->row.run_id = run->run_id;
    return controller_put(run->pass->state, &run->row, err);
}

bool load_row_clear(struct load_run *run, struct error *err) {
    run->row.run_id = NULL;
    run->row.last_error = NULL;
    load_lake_record(run);
    return controller_put(run->pass->state, &run->row, err);
}

/* --- the run history ---------------------------------------------------------------------------------------------------- */

static void put_history(struct load_run *run, const char *outcome, const char *error) {
    int64_t now_us = clock_now_us();
    struct run_row row = {.run_id = run->run_id,
                          .path = run->job->path,
                          .started = now_text(&run->arena, run->started_us),
                          .finished = now_text(&run->arena, now_us),
                          .outcome = outcome,
                          .error = error,
                          .files = run->files,
                          .rows = run->rows,
                          .duration_ms = (now_us - run->started_us) / 1000};
    struct error why;
    if (!run_put(run->pass->state, &row, &why)) /* history alone: the load itself is done, or logged as failed */
        log_warning("%s.%s: the run history was not written: %s", run->job->schema, run->job->table, why.message);
}

/* --- after a crash ------------------------------------------------------------------------------------------------------ */

static const char *change_name(const char *file) {
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : file;
    return name == NULL || strcmp(name, "0") == 0 ? "" : name;
}

static bool is_in_raw_zone(const struct load_run *run, const char *name) {
    for (size_t i = 0; i < run->raw_files.change_count; i++)
        if (raw_compare_names(run->raw_files.changes[i].base_name, name) == 0)
            return true;
    return false;
}

/* Whether a full load that is due has what the change file brought. */
static bool is_in_full_load(const struct load_run *run, const struct load_plan *plan, const char *name) {
    char loaded_at[RAW_NAME_BYTES];
    raw_format_change_name(run->raw_files.full_load_newest_us, NULL, RAW_CSV, loaded_at);
    const char *until = run->captured == NULL ? loaded_at : run->captured->full_load_after;
    return plan->full_load_due && until != NULL && raw_compare_names(name, until) <= 0;
}

/* The lake was set back behind the row, which has the lake's watermark already: what it lost has to be in the raw zone. */
static bool check_set_back(struct load_run *run, const char *was, struct error *err) {
    const struct load_job *job = run->job;
    const char *run_id = run->lake->version.watermark.run_id, *is = change_name(run->row.last_incremental_file);
    struct load_plan plan;
    if (!load_plan_make(&run->arena, &run->row, run->captured, &run->raw_files, &plan, err))
        return false;
    if (is_in_raw_zone(run, was) || is_in_full_load(run, &plan, was)) {
        log_warning("%s.%s: the lake table is of run %s, earlier than the controller row; loading again what comes "
                    "after %s",
                    job->schema, job->table, run_id, is[0] != '\0' ? is : "the full load");
        return true;
    }
    return error_set(err, ERROR_OUTSIDE,
                     "the lake table is of run %s, earlier than the controller row: its changes end with %s, those of "
                     "the row with %s, which the raw zone has no more. Put that file back; where an older catalog was "
                     "restored, take the table's entry out of it and run sluice catalog sync; where the table was set "
                     "back on purpose, say so: sluice tables set --schema %s --table %s --last-incremental-file %s",
                     run_id, is[0] != '\0' ? is : "the full load", was, job->schema, job->table,
                     is[0] != '\0' ? is : "0");
}

/* The lake is right, whichever of the two is older: a row that lost its bookkeeping, or a lake that was set back to an
 * earlier snapshot. Which LOAD files the commit was made of is not known any more; LastFullLoadDate decides alone. */
bool load_row_take_over(struct load_run *run, bool *taken, struct error *err) {
    const struct lake_watermark *watermark = &run->lake->version.watermark;
    struct controller_row *row = &run->row;
    *taken = watermark->run_id != NULL && !same_text(watermark->run_id, row->last_run_id);
    if (!*taken)
        return true;
    bool ours = strcmp(watermark->run_id, run->run_id) == 0; /* committed by an attempt that failed after it */
    bool set_back =
        !ours && row->last_run_id != NULL &&
        raw_compare_names(change_name(watermark->last_incremental_file), change_name(run->row_last_file)) < 0;
    if (watermark->last_full_load_date != NULL)
        row->last_full_load_date = watermark->last_full_load_date;
    if (watermark->last_incremental_file != NULL || set_back)
        row->last_incremental_file = watermark->last_incremental_file != NULL ? watermark->last_incremental_file : "0";
    row->last_run_id = watermark->run_id;
    row->run_id = NULL;
    row->last_error = NULL;
    row->out_path = out_path(run);
    load_plan_forget_recorded(row);
    if (set_back && !check_set_back(run, change_name(run->row_last_file), err))
        return false;
    if (!set_back)
        log_info("%s.%s: run %s had committed, its bookkeeping is done now", run->job->schema, run->job->table,
                 watermark->run_id);
    uint64_t quarantined;
    if (!load_quarantine_count(run->pass->config, run->job->schema, run->job->table, watermark->run_id, &quarantined,
                               err))
        return false;
    add_count(run, QUARANTINED_ATTRIBUTE, quarantined);
    if (ours) {
        row->last_load_time = now_text(&run->arena, clock_now_us());
        row->rows_loaded += run->rows;
    }
    if (!controller_put(run->pass->state, row, err))
        return false;
    if (ours)
        put_history(run, "loaded", NULL);
    return true;
}

/* --- after the commit --------------------------------------------------------------------------------------------------- */

static const char *join_key(struct load_run *run, const char *const *names, size_t count) {
    const char *joined = NULL;
    for (size_t i = 0; i < count; i++)
        joined = joined == NULL ? names[i] : arena_printf(&run->arena, "%s,%s", joined, names[i]);
    return joined;
}

/* The primary key that the source's table has now; NULL: none. */
static const char *source_key(struct load_run *run) {
    const struct table *newest = run->input.schemas[run->input.schema_count - 1].table;
    const char **names = arena_alloc(&run->arena, (newest->key_count + 1) * sizeof *names);
    for (size_t i = 0; i < newest->key_count; i++)
        names[i] = newest->columns[newest->key[i]].name;
    return join_key(run, names, newest->key_count);
}

/* A key that was the source's own and is no more, or became a part of one: the source may have several rows of it now. */
bool load_row_check_key(struct load_run *run, struct error *err) {
    const struct controller_row *row = &run->row;
    if (run->captured == NULL || run->history || row->primary_key == NULL || row->proposed_key == NULL ||
        !has_names(row->primary_key, row->proposed_key) || !has_names(row->proposed_key, row->primary_key))
        return true;
    const char *key = join_key(run, run->schema.key, run->schema.key_count), *source = source_key(run);
    if (source != NULL && (!has_names(source, key) || has_names(key, source)))
        return true;
    const char *now = source != NULL ? arena_printf(&run->arena, "has the primary key %s now", source)
                                     : "has no primary key any more";
    return error_set(
        err, ERROR_DATA,
        "PrimaryKey is %s, as the source's own key was, but the table %s: rows that are equal in it would "
        "replace each other; choose the key with sluice tables set --schema %s --table %s --primary-key %s, "
        "then load in full with sluice capture --reload --schema %s --table %s",
        key, now, row->schema, row->table, source != NULL ? source : "null", row->schema, row->table);
}

static json_t *schema_types(const struct load_schema *schema) {
    json_t *types = json_object();
    for (size_t i = 0; i < schema->column_count; i++) {
        char text[TYPE_TEXT_BYTES];
        type_format(schema->columns[i].type, text);
        json_object_set_new(types, schema->columns[i].name, json_string(text));
    }
    return types;
}

/* What was planned from, to see what the user changed while the load ran. */
struct planned {
    const char *last_full_load_date, *last_incremental_file, *primary_key, *partition_key;
};

static struct planned planned_from(const struct controller_row *row) {
    return (struct planned){row->last_full_load_date, row->last_incremental_file, row->primary_key, row->partition_key};
}

static void fill_row(struct load_run *run, const struct planned *planned, json_t *types) {
    struct controller_row *row = &run->row;
    if (same_text(row->last_full_load_date, planned->last_full_load_date))
        row->last_full_load_date = run->plan.last_full_load_date;
    if (same_text(row->last_incremental_file, planned->last_incremental_file))
        row->last_incremental_file = run->plan.last_incremental_file;
    if (run->captured != NULL) { /* a column of the key was renamed at the source */
        if (!run->history && same_text(row->primary_key, planned->primary_key))
            row->primary_key = join_key(run, run->schema.key, run->schema.key_count);
        if (!run->history && same_text(row->partition_key, planned->partition_key))
            row->partition_key = join_key(run, run->schema.partition, run->schema.partition_count);
        row->proposed_key = source_key(run);
    } else {
        row->types = types;
    }
    row->out_path = out_path(run);
    row->run_id = NULL;
    row->last_run_id = run->run_id;
    row->last_error = NULL;
    row->last_load_time = now_text(&run->arena, clock_now_us());
    row->rows_loaded += run->rows;
    add_count(run, INCOMPLETE_ATTRIBUTE, run->incomplete_rows);
    add_count(run, QUARANTINED_ATTRIBUTE, run->quarantined_rows);
    load_policy_record(row, &run->schema);
    load_plan_record(row, &run->plan);
    load_lake_record(run);
}

bool load_row_finish(struct load_run *run, struct error *err) {
    struct planned planned = planned_from(&run->row);
    json_t *types = schema_types(&run->schema);
    bool ok = false;
    for (int attempt = 0; attempt < ROW_ATTEMPTS && !ok; attempt++) {
        struct error why;
        fill_row(run, &planned, types);
        ok = controller_put(run->pass->state, &run->row, &why);
        if (ok)
            break;
        if (why.kind != ERROR_CONFLICT || !load_row_read(run, &why)) {
            if (err != NULL)
                *err = why;
            break;
        }
        /* Another loader saw the commit and did the bookkeeping. */
        ok = same_text(run->row.last_run_id, run->run_id);
        if (!ok)
            error_set(err, ERROR_CONFLICT, "the controller row %s changes all the time", run->job->path);
    }
    json_decref(types);
    if (!ok)
        return false;
    put_history(run, "loaded", NULL);
    return true;
}

/* --- after a failure ---------------------------------------------------------------------------------------------------- */

static bool put_failure(struct load_run *run, const char *message, struct error *err) {
    if (!load_row_read(run, err))
        return false;
    run->row.last_error = message;
    if (same_text(run->row.run_id, run->run_id))
        run->row.run_id = NULL;
    return controller_put(run->pass->state, &run->row, err);
}

void load_row_fail(struct load_run *run, const struct error *why) {
    struct error err = {.kind = ERROR_CONFLICT};
    bool ok = false;
    for (int attempt = 0; attempt < ROW_ATTEMPTS && !ok && err.kind == ERROR_CONFLICT; attempt++)
        ok = put_failure(run, why->message, &err);
    if (!ok)
        log_warning("%s.%s: the failure was not recorded: %s", run->job->schema, run->job->table, err.message);
    put_history(run, "failed", why->message);
}
