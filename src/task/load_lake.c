/* Whether the lake's table is there, and whether a load may make it where it is not.
 *
 * A table that was loaded is not begun anew in silence: what is due may be a part of its rows only, and maintenance removes
 * the files of the one before. A history is never made anew while files of it are there; the current table is when a full
 * load replaces it, as a person asks for one with `tables set`. */
#include "task/load_lake.h"
#include "base/log.h"
#include "task/load_advice.h"

#define HISTORY_ATTRIBUTE "sluice_history_path" /* of the history that was loaded */

enum { ROW_ATTEMPTS = 5 };

static const char *target_folder(struct load_run *run) {
    const struct load_job *job = run->job;
    return (run->history ? config_history_folder : config_table_folder)(run->pass->config, &run->arena, job->schema,
                                                                        job->table);
}

bool load_lake_open(struct load_run *run, struct error *err) {
    lake_close(run->lake);
    run->lake = NULL;
    return lake_open(run->pass->format, &run->pass->lake, target_folder(run), &run->lake, err);
}

/* --- is it gone? */

/* The controller row of a history alone may be reset; of one beside its table it is about that table. */
static bool history_was_loaded(const struct load_run *run) {
    return json_object_get(run->row.item.attributes, HISTORY_ATTRIBUTE) != NULL &&
           !(run->keeps_books && run->row_starts_over);
}

/* The lake has rows that what is due does not bring. */
static bool builds_on_lake(const struct load_run *run) {
    if (run->history)
        return history_was_loaded(run);
    return run->row.last_run_id != NULL && !run->plan.full_load_due && !load_plan_starts_over(&run->row);
}

bool load_lake_look(struct load_run *run, struct error *err) {
    if (run->plan.state != LOAD_PLAN_NOTHING || !builds_on_lake(run))
        return true;
    if (run->history) { /* it is open already */
        run->job->lake_seems_gone = run->lake->version.number == 0;
        return true;
    }
    return lake_seems_gone(run->pass->format, &run->pass->lake, target_folder(run), &run->job->lake_seems_gone, err);
}

/* --- may it be made? */

static bool check_other_format(struct load_run *run, struct error *err) {
    struct store *store = run->pass->lake.store;
    const struct lake_format_ops *other;
    return lake_find_other_format(run->pass->format, store, run->lake->folder, &other, err) &&
           (other == NULL || load_advise_other_format(store, run->lake->folder, other->name, err));
}

/* Files of a version that the catalog does not lead to. */
static bool check_left_behind(struct load_run *run, struct error *err) {
    struct store *store = run->pass->lake.store;
    bool replaced = !run->history && run->plan.full_load_due && run->row.last_run_id != NULL, has = false;
    if (replaced || !run->pass->format->needs_catalog)
        return true;
    return lake_has_versions(run->pass->format, store, run->lake->folder, &has, err) &&
           (!has || load_advise_lost_entry(store, run->lake->folder, err));
}

bool load_lake_check(struct load_run *run, struct error *err) {
    const struct load_job *job = run->job;
    const struct store *store = run->pass->lake.store;
    bool builds = builds_on_lake(run);
    if (run->lake->version.number > 0 || (!builds && run->plan.state != LOAD_PLAN_DUE))
        return true;
    if (!check_other_format(run, err) || !check_left_behind(run, err))
        return false;
    if (!builds)
        return true;
    return run->history
               ? load_advise_missing_history(store, run->lake->folder, job->schema, job->table, run->keeps_books, err)
               : load_advise_missing_table(store, run->lake->folder, job->schema, job->table, run->captured != NULL,
                                           err);
}

/* --- what the row knows of the history */

void load_lake_record(struct load_run *run) {
    struct controller_row *row = &run->row;
    if (row->item.attributes == NULL)
        row->item.attributes = json_object();
    if (run->history && (run->committed || run->lake->version.number > 0))
        json_object_set_new(row->item.attributes, HISTORY_ATTRIBUTE,
                            json_sprintf("%s/%s", run->pass->lake.store->location, run->lake->folder));
    if (config_history(run->pass->config, run->job->schema, run->job->table) == HISTORY_NONE)
        json_object_del(row->item.attributes, HISTORY_ATTRIBUTE);
}

void load_lake_remember_history(struct load_run *run) {
    struct error err = {.kind = ERROR_CONFLICT};
    bool ok = json_object_get(run->row.item.attributes, HISTORY_ATTRIBUTE) != NULL;
    for (int attempt = 0; attempt < ROW_ATTEMPTS && !ok && err.kind == ERROR_CONFLICT; attempt++) {
        if (!load_row_read(run, &err))
            break;
        load_lake_record(run);
        ok = controller_put(run->pass->state, &run->row, &err);
    }
    if (!ok) /* the next load does it */
        log_warning("%s.%s: the history was not recorded: %s", run->job->schema, run->job->table, err.message);
}
