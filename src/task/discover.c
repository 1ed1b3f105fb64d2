#include "task/discover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "raw/layout.h"

/* --- the raw zone */

bool discover_open_raw(const struct config *config, bool may_be_missing, struct store **out, struct error *err) {
    if (strcmp(config->source.engine, "dms") != 0)
        return store_open(config->raw.location, out, err);
    struct error why;
    if (store_open_as(config->raw.location, may_be_missing ? STORE_AS_IS : STORE_MUST_EXIST, out, &why))
        return true;
    if (why.code == ENOENT)
        return error_set_code(
            err, ERROR_OUTSIDE, ENOENT,
            "raw.location %s: there is no such folder: AWS DMS makes it with its first file; if it did, "
            "correct raw.location in %s",
            config->raw.location, config->path);
    if (err != NULL)
        *err = why;
    return error_prefix(err, "raw.location");
}

/* --- the cut */

enum { CUT_ATTEMPTS = 20, CUT_PAUSE_MS = 20 };

static bool newer_than(const struct checkpoint_table *tables, size_t count, int64_t commits) {
    for (size_t i = 0; i < count; i++)
        if (tables[i].committed_number > commits)
            return true;
    return false;
}

/* Reads the task row, then the tables. *torn: a capture commit came between the two. */
static bool read_once(struct state *state, struct arena *arena, const char *task, struct discover_cut *out, bool *torn,
                      struct error *err) {
    struct checkpoint_task row;
    struct state_item item = {0};
    bool found;
    if (!checkpoint_get_task(state, arena, task, &row, &item, &found, err))
        return false;
    state_item_deinit(&item);
    *out = (struct discover_cut){0};
    if (found)
        *out = (struct discover_cut){
            .commits = row.commits, .source_position = row.position, .source_time = row.source_time};
    if (!checkpoint_list_tables(state, arena, task, &out->tables, &out->table_count, err))
        return false;
    *torn = newer_than(out->tables, out->table_count, out->commits);
    return true;
}

bool discover_cut_read(struct state *state, struct arena *arena, const char *task, struct discover_cut *out,
                       struct error *err) {
    for (int attempt = 0; attempt < CUT_ATTEMPTS; attempt++) {
        bool torn = false;
        if (!read_once(state, arena, task, out, &torn, err))
            return error_prefix(err, "reading what task %s captured", task);
        if (!torn)
            return true;
        discover_cut_deinit(out);
        if (!cancel_sleep_ms(CUT_PAUSE_MS))
            return cancel_check(err);
    }
    return error_set(err, ERROR_RETRY, "task %s commits faster than its checkpoints can be read", task);
}

void discover_cut_deinit(struct discover_cut *cut) {
    checkpoint_tables_deinit(cut->tables, cut->table_count);
    *cut = (struct discover_cut){0};
}

const struct checkpoint_table *discover_cut_find(const struct discover_cut *cut, const char *schema,
                                                 const char *table) {
    for (size_t i = 0; i < cut->table_count; i++)
        if (strcmp(cut->tables[i].name, table) == 0 && strcmp(cut->tables[i].schema, schema) == 0)
            return &cut->tables[i];
    return NULL;
}

/* --- controller rows */

/* "a,b", or NULL for no names. */
static const char *join_names(struct arena *arena, const char *const *names, size_t count) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i > 0 ? "," : "", names[i]);
    const char *joined = count > 0 ? arena_strdup(arena, text.data) : NULL;
    buf_deinit(&text);
    return joined;
}

/* The primary key that the source's table has now, as a comma list; NULL: none, or not captured. */
static bool read_source_key(struct state *state, struct arena *arena, const char *task, const char *schema,
                            const char *table, const char **out, struct error *err) {
    struct checkpoint_schema *schemas;
    size_t count;
    if (!checkpoint_list_schemas(state, arena, task, schema, table, &schemas, &count, err))
        return false;
    *out = NULL;
    if (count == 0)
        return true;
    const struct table *newest = schemas[count - 1].table;
    const char **names = arena_alloc(arena, (newest->key_count + 1) * sizeof *names);
    for (size_t i = 0; i < newest->key_count; i++)
        names[i] = newest->columns[newest->key[i]].name;
    *out = join_names(arena, names, newest->key_count);
    return true;
}

/* What the user would set by hand. A table that is active from the start has its proposed key confirmed by that, unless
 * the config names a key, or none. */
static void apply_config(struct controller_row *row, struct arena *arena, const struct config_table *entry) {
    if (entry == NULL)
        return;
    if (entry->has_active)
        row->active = entry->active;
    if (entry->has_primary_key)
        row->primary_key = join_names(arena, entry->primary_key, entry->primary_key_count);
    else if (row->active)
        row->primary_key = row->proposed_key;
    if (entry->has_partition_key)
        row->partition_key = join_names(arena, entry->partition_key, entry->partition_key_count);
}

struct discovery {
    const struct config *config;
    struct store *raw;
    struct state *state;
    const struct discover_cut *cut;
    struct arena arena;
    struct controller_row *rows; /* sorted by path */
    size_t row_count;
};

static int compare_path(const void *path, const void *row) {
    return strcmp(path, ((const struct controller_row *)row)->path);
}

/* Another process that discovers at the same time may have been first: its row is as good as ours. */
static bool put_row(struct discovery *discovery, struct controller_row *row, struct error *err) {
    struct error why;
    if (controller_put(discovery->state, row, &why) || why.kind == ERROR_CONFLICT)
        return true;
    if (err != NULL)
        *err = why;
    return error_prefix(err, "controller row %s", row->path);
}

static bool create_row(struct discovery *discovery, struct controller_row *row, bool captured, struct error *err) {
    if (captured && !read_source_key(discovery->state, &discovery->arena, discovery->config->task, row->schema,
                                     row->table, &row->proposed_key, err))
        return false;
    apply_config(row, &discovery->arena, config_find_table(discovery->config, row->schema, row->table));
    log_info("new table %s.%s: %s", row->schema, row->table,
             row->active ? "active" : "waits until it is activated (sluice tables set)");
    return put_row(discovery, row, err);
}

static bool same_text(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

static bool refresh_proposed_key(struct discovery *discovery, struct controller_row *row, struct error *err) {
    const char *key;
    if (!read_source_key(discovery->state, &discovery->arena, discovery->config->task, row->schema, row->table, &key,
                         err))
        return false;
    if (same_text(key, row->proposed_key))
        return true;
    row->proposed_key = key;
    return put_row(discovery, row, err);
}

static bool discover_table(struct discovery *discovery, const struct raw_table_name *name, struct error *err) {
    struct controller_row fresh;
    controller_row_init(&fresh, &discovery->arena, discovery->raw->bucket, discovery->raw->prefix, name->schema,
                        name->table);
    struct controller_row *known = discovery->row_count > 0 ? bsearch(fresh.path, discovery->rows, discovery->row_count,
                                                                      sizeof *discovery->rows, compare_path)
                                                            : NULL;
    bool captured = discover_cut_find(discovery->cut, name->schema, name->table) != NULL;
    bool ok = true;
    if (known == NULL && (captured || strcmp(discovery->config->source.engine, "dms") == 0))
        ok = create_row(discovery, &fresh, captured, err);
    else if (known != NULL && captured && !known->active)
        ok = refresh_proposed_key(discovery, known, err);
    controller_row_deinit(&fresh);
    return ok;
}

static bool has_folder(const struct raw_table_name *names, size_t count, const struct checkpoint_table *table) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].table, table->name) == 0 && strcmp(names[i].schema, table->schema) == 0)
            return true;
    return false;
}

/* A captured table that is empty has no folder yet. */
static bool discover_empty_tables(struct discovery *discovery, const struct raw_table_name *names, size_t count,
                                  struct error *err) {
    for (size_t i = 0; i < discovery->cut->table_count; i++) {
        const struct checkpoint_table *table = &discovery->cut->tables[i];
        struct raw_table_name name = {table->schema, table->name};
        if (table->full_load == FULL_LOAD_DONE && !has_folder(names, count, table) &&
            !discover_table(discovery, &name, err))
            return false;
    }
    return true;
}

bool discover_tables(const struct config *config, struct store *raw, struct state *state,
                     const struct discover_cut *cut, struct error *err) {
    struct discovery discovery = {.config = config, .raw = raw, .state = state, .cut = cut};
    struct raw_table_name *names;
    size_t count;
    bool ok = false;
    arena_init(&discovery.arena);
    const char *prefix = arena_printf(&discovery.arena, "%s/%s", raw->bucket, raw->prefix);
    if (!raw_list_tables(raw, &discovery.arena, &names, &count, err) ||
        !controller_list(state, &discovery.arena, prefix, &discovery.rows, &discovery.row_count, err))
        goto done;
    ok = true;
    for (size_t i = 0; i < count && ok; i++)
        ok = discover_table(&discovery, &names[i], err);
    ok = ok && discover_empty_tables(&discovery, names, count, err);
done:
    controller_rows_deinit(discovery.rows, discovery.row_count);
    arena_deinit(&discovery.arena);
    return ok || error_prefix(err, "looking for tables in %s", raw->location);
}
