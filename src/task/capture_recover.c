/* The start of capture: what the state knows comes into memory, and what a crash left in the raw zone is removed. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "task/capture_table.h"

static bool remove_leftover(struct capture *capture, const struct capture_table *table, const char *name,
                            struct error *err) {
    char *path = mem_printf("%s%s", table->folder, name);
    log_info("removing %s: written before a crash, never committed", path);
    bool ok = store_remove(capture->raw, path, err);
    mem_free(path);
    return ok;
}

/* A LOAD file belongs to the last finished full load when its number is in [load_first, load_first + load_files). */
static bool is_committed_load(const struct checkpoint_table *row, const char *base_name) {
    long number = strtol(base_name + strlen("LOAD"), NULL, 16);
    return number >= row->load_first && number < row->load_first + row->load_files;
}

static bool is_committed_change(const struct checkpoint_table *row, const char *base_name) {
    return row->committed != NULL && raw_compare_names(base_name, row->committed) <= 0;
}

static bool remove_leftovers(struct capture *capture, struct capture_table *table, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct raw_files files;
    bool ok = raw_list_files(capture->raw, &arena, table->row.schema, table->row.name, &files, err);
    for (size_t i = 0; ok && i < files.full_load_count; i++)
        if (!is_committed_load(&table->row, files.full_load[i].base_name))
            ok = remove_leftover(capture, table, files.full_load[i].name, err);
    for (size_t i = 0; ok && i < files.change_count; i++)
        if (!is_committed_change(&table->row, files.changes[i].base_name))
            ok = remove_leftover(capture, table, files.changes[i].name, err);
    arena_deinit(&arena);
    return ok;
}

/* Strings of the row move to the table's own arena; its names are there already. */
static void adopt_row(struct capture_table *table, struct checkpoint_table *row) {
    const struct checkpoint_table names = table->row;
    struct state_item item = row->item;
    row->item = (struct state_item){0};
    state_item_deinit(&table->row.item);
    table->row = *row;
    table->row.item = item;
    table->row.schema = names.schema;
    table->row.name = names.name;
    table->row.source_schema = names.source_schema;
    table->row.source_name = names.source_name;
    table->row.full_load_position = arena_strdup(&table->arena, row->full_load_position);
    table->row.full_load_after = arena_strdup(&table->arena, row->full_load_after);
    table->row.committed = arena_strdup(&table->arena, row->committed);
    table->row.lake_key = arena_strdup(&table->arena, row->lake_key);
    table->row.stopped = arena_strdup(&table->arena, row->stopped);
    table->row.rules = arena_strdup(&table->arena, row->rules);
    table->row_changed = false;
    table->known = true;
}

/* The rules give its table another name now: what was captured stays as it is, and the table begins anew under that name. */
static bool leave_row(struct capture *capture, struct checkpoint_table *row, const struct mapping_name *target,
                      struct error *err) {
    if (row->stopped != NULL)
        return true;
    char *why = mem_printf("the table mappings name it %s.%s now", target->schema, target->table);
    log_warning("table %s.%s: %s; what is in the lake stays as it is", row->schema, row->name, why);
    row->stopped = why;
    struct checkpoint_batch *batch = checkpoint_batch_new();
    checkpoint_batch_add_table(batch, capture->config->task, row);
    bool ok = checkpoint_batch_commit(batch, capture->state, err);
    checkpoint_batch_free(batch);
    mem_free(why);
    row->stopped = NULL;
    return ok;
}

/* *out NULL: the table is captured under another name now. */
static bool find_table(struct capture *capture, struct checkpoint_table *row, struct capture_table **out,
                       struct error *err) {
    const char *schema = row->source_schema != NULL ? row->source_schema : row->schema;
    const char *name = row->source_name != NULL ? row->source_name : row->name;
    struct mapping_name target = mapping_target(capture->config->source.mapping, &capture->arena, schema, name);
    *out = NULL;
    if (strcmp(target.schema, row->schema) != 0 || strcmp(target.table, row->name) != 0)
        return leave_row(capture, row, &target, err);
    *out = capture_table_get(capture, source_tables_add(capture->tables, schema, name));
    return true;
}

static bool recover_table(struct capture *capture, struct capture_table *table, struct checkpoint_table *row,
                          struct error *err) {
    struct source_table *source = table->source;
    adopt_row(table, row);
    struct checkpoint_schema *schemas;
    size_t count;
    if (!checkpoint_list_schemas(capture->state, &table->arena, capture->config->task, row->schema, row->name, &schemas,
                                 &count, err))
        return false;
    if (count > 0) {
        table->target = schemas[count - 1].table;
        source->current = schemas[count - 1].source != NULL ? schemas[count - 1].source : schemas[count - 1].table;
    }
    source->skip_until = table->row.full_load_position;
    if (capture_mapping_leaves_out(capture, table))
        return true;
    /* A table that stopped, or whose full load was interrupted, is loaded in full from the beginning. */
    if (table->row.stopped != NULL && !capture->cdc_only) {
        log_info("table %s.%s was stopped (%s): it is loaded in full again", row->schema, row->name,
                 table->row.stopped);
        table->row.full_load = FULL_LOAD_PENDING;
        table->reload = true;
    }
    source->stopped = table->row.stopped != NULL;
    capture_mapping_recover(capture, table);
    return true;
}

/* The position goes too when all tables are read again: the log from there on may not be had any more. The new position and
 * what is to be loaded are committed together (full_load.c). */
static bool forget_full_loads(struct capture *capture, struct error *err) {
    bool all = capture->reload_table == NULL;
    size_t count, matches = 0;
    struct source_table *const *tables = source_tables_all(capture->tables, &count);
    for (size_t i = 0; i < count; i++) {
        struct capture_table *table = tables[i]->user;
        if (!all && (strcmp(table->row.schema, capture->reload_schema) != 0 ||
                     strcmp(table->row.name, capture->reload_table) != 0))
            continue;
        table->reload = true;
        matches++;
    }
    if (!all)
        return matches > 0 ||
               error_set(err, ERROR_CONFIG, "--reload: there is no table %s.%s among those that were captured",
                         capture->reload_schema, capture->reload_table);
    mem_free(capture->position);
    mem_free(capture->committed.restart_position);
    capture->position = capture->committed.restart_position = NULL;
    capture->row.restart_position = NULL;
    return true;
}

bool capture_forget_all(struct capture *capture, struct error *err) {
    capture->reload_schema = capture->reload_table = NULL;
    while (capture->prepared != NULL) /* their COMMIT PREPARED is not to be had either */
        capture_prepared_remove(capture, capture->prepared);
    return forget_full_loads(capture, err);
}

bool capture_recover(struct capture *capture, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct checkpoint_table *rows = NULL;
    size_t count = 0;
    struct state_item item = {0};
    bool found = false, ok = false;
    const char *task = capture->config->task;
    if (!checkpoint_get_task(capture->state, &arena, task, &capture->row, &item, &found, err) ||
        !checkpoint_list_tables(capture->state, &arena, task, &rows, &count, err))
        goto done;
    if (found) {
        capture->position = mem_strdup(capture->row.position);
        capture->source_time = mem_strdup(capture->row.source_time);
        capture->committed.position = mem_strdup(capture->row.position);
        capture->committed.restart_position = mem_strdup(capture->row.restart_position);
        capture->committed.source_time = mem_strdup(capture->row.source_time);
    }
    capture->row.position = capture->committed.position;
    capture->row.restart_position = capture->committed.restart_position;
    capture->row.source_time = capture->committed.source_time;
    capture->row.state = "starting";
    capture->row.last_error = capture->row.updated = NULL;
    capture->counted = json_deep_copy(capture->row.warnings);
    capture->row.warnings = NULL;
    for (size_t i = 0; i < count; i++) {
        struct capture_table *table;
        if (!find_table(capture, &rows[i], &table, err) ||
            (table != NULL &&
             (!recover_table(capture, table, &rows[i], err) || !remove_leftovers(capture, table, err))))
            goto done;
    }
    ok = !capture->reload || forget_full_loads(capture, err);
done:
    checkpoint_tables_deinit(rows, count);
    state_item_deinit(&item);
    arena_deinit(&arena);
    return ok || error_prefix(err, "recovering task %s", task);
}
