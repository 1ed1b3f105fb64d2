/* One round of maintenance: plan and write, commit against the version that is current then, sweep. iceberg_maintain.h has the
 * rules. */
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "base/log.h"
#include "lake/iceberg/iceberg_maintain.h"

enum { COMMIT_ATTEMPTS = 6, COMMIT_FIRST_PAUSE_MS = 20 };

/* --- paths: the keys of files */

static int compare_paths(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

struct paths {
    const char **sorted;
    size_t count;
};

static struct paths paths_of(const struct iceberg_live_file *files, size_t count) {
    struct paths paths = {mem_alloc((count + 1) * sizeof *paths.sorted), count};
    for (size_t i = 0; i < count; i++)
        paths.sorted[i] = files[i].key;
    qsort(paths.sorted, count, sizeof *paths.sorted, compare_paths);
    return paths;
}

static bool has_path(const struct paths *paths, const char *path) {
    return paths->count > 0 &&
           bsearch(&path, paths->sorted, paths->count, sizeof *paths->sorted, compare_paths) != NULL;
}

static bool has_paths(const struct paths *paths, const char *const *wanted, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!has_path(paths, wanted[i]))
            return false;
    return true;
}

/* --- what may still be committed */

/* Whether the delete file may name rows of a file with that path. Equality deletes do not go by paths. */
static bool may_name(const struct iceberg_file *deletes, const char *path) {
    struct slice low = iceberg_bounds_find(deletes->lower, ICEBERG_DELETE_FILE_PATH_ID);
    struct slice high = iceberg_bounds_find(deletes->upper, ICEBERG_DELETE_FILE_PATH_ID);
    struct slice name = slice_of(path);
    struct iceberg_type text = {.kind = ICEBERG_STRING};
    if (deletes->content == ICEBERG_EQUALITY_DELETES)
        return false;
    if (deletes->referenced_file != NULL)
        return strcmp(deletes->referenced_file, path) == 0;
    return (iceberg_value_is_null(low) || iceberg_value_compare(text, low, name) <= 0) &&
           (iceberg_value_is_null(high) || iceberg_value_compare(text, name, high) <= 0);
}

static bool names_any(const struct iceberg_file *deletes, const struct iceberg_group *group) {
    for (size_t i = 0; i < group->data_count; i++)
        if (may_name(deletes, group->data[i]))
            return true;
    return false;
}

/* Whether the snapshot of the plan is the table's current one, or one before it. */
static bool follows_plan(const struct iceberg_maintenance *maintenance, const struct iceberg_table *now) {
    const struct iceberg_snapshot *planned = maintenance->planned->metadata->snapshot;
    const struct iceberg_snapshot *snapshot = now->metadata->snapshot;
    for (size_t i = 0; snapshot != NULL && i < now->metadata->snapshot_count; i++) {
        if (planned != NULL && snapshot->id == planned->id)
            return true;
        snapshot = iceberg_metadata_snapshot(now->metadata, snapshot->parent_id);
    }
    return false;
}

static void give_up(struct iceberg_maintenance *maintenance, struct iceberg_group *group) {
    struct store *store = maintenance->planned->base.lake->store;
    if (group->given_up)
        return;
    group->given_up = true;
    maintenance->result->given_up++;
    for (size_t i = 0; i < group->new_data_count; i++)
        store_remove(store, group->new_data[i].name, NULL);
    for (size_t i = 0; i < group->new_delete_count; i++)
        store_remove(store, group->new_deletes[i].name, NULL);
}

/* A delete file that came since the plan, and that may name rows of a file that is replaced. */
static void give_up_named(struct iceberg_maintenance *maintenance, const struct iceberg_table *now) {
    const struct iceberg_files *planned = &maintenance->planned->files;
    struct paths known = paths_of(planned->deletes, planned->delete_count);
    for (size_t i = 0; i < now->files.delete_count; i++) {
        const struct iceberg_file *deletes = &now->files.deletes[i].entry.file;
        if (has_path(&known, now->files.deletes[i].key))
            continue;
        for (size_t j = 0; j < maintenance->group_count; j++)
            if (names_any(deletes, &maintenance->groups[j]))
                give_up(maintenance, &maintenance->groups[j]);
    }
    mem_free(known.sorted);
}

/* Gives up the groups that do not go with the version `now`. */
static void validate(struct iceberg_maintenance *maintenance, const struct iceberg_table *now) {
    struct paths data = paths_of(now->files.data, now->files.data_count);
    struct paths deletes = paths_of(now->files.deletes, now->files.delete_count);
    /* Of a table that became version 3 since, rows would lose the ids that they have now. */
    bool follows = follows_plan(maintenance, now) &&
                   now->metadata->format_version == maintenance->planned->metadata->format_version;
    for (size_t i = 0; i < maintenance->group_count; i++) {
        struct iceberg_group *group = &maintenance->groups[i];
        if (!follows || !has_paths(&data, group->data, group->data_count) ||
            !has_paths(&deletes, group->deletes, group->delete_count) ||
            !has_paths(&deletes, group->applied, group->applied_count))
            give_up(maintenance, group);
    }
    give_up_named(maintenance, now);
    mem_free(data.sorted);
    mem_free(deletes.sorted);
}

/* --- one commit */

static void mark_paths(const struct iceberg_live_file *files, size_t count, const struct paths *gone, bool *marks) {
    for (size_t i = 0; i < count; i++)
        marks[i] = has_path(gone, files[i].key);
}

/* Everything that the groups put in or take out. */
static void take_groups(struct iceberg_maintenance *maintenance, const struct iceberg_table *now,
                        struct iceberg_rewrite *rewrite) {
    struct iceberg_load *load = &maintenance->load;
    struct paths data = {NULL, 0}, deletes = {NULL, 0};
    size_t data_capacity = 0, delete_capacity = 0;
    load->data_count = load->delete_count = 0;
    for (size_t i = 0; i < maintenance->group_count; i++) {
        const struct iceberg_group *group = &maintenance->groups[i];
        for (size_t j = 0; !group->given_up && j < group->data_count; j++) {
            data.sorted = mem_grow(data.sorted, data.count, &data_capacity, sizeof *data.sorted);
            data.sorted[data.count++] = group->data[j];
        }
        for (size_t j = 0; !group->given_up && j < group->delete_count; j++) {
            deletes.sorted = mem_grow(deletes.sorted, deletes.count, &delete_capacity, sizeof *deletes.sorted);
            deletes.sorted[deletes.count++] = group->deletes[j];
        }
        for (size_t j = 0; !group->given_up && j < group->new_data_count; j++) {
            load->data = mem_grow(load->data, load->data_count, &load->data_capacity, sizeof *load->data);
            load->data[load->data_count++] = group->new_data[j];
        }
        for (size_t j = 0; !group->given_up && j < group->new_delete_count; j++) {
            load->deletes = mem_grow(load->deletes, load->delete_count, &load->delete_capacity, sizeof *load->deletes);
            load->deletes[load->delete_count++] = group->new_deletes[j];
        }
    }
    if (data.count > 0)
        qsort(data.sorted, data.count, sizeof *data.sorted, compare_paths);
    if (deletes.count > 0)
        qsort(deletes.sorted, deletes.count, sizeof *deletes.sorted, compare_paths);
    mark_paths(now->files.data, now->files.data_count, &data, rewrite->data);
    mark_paths(now->files.deletes, now->files.delete_count, &deletes, rewrite->deletes);
    maintenance->result->data_files_before = data.count;
    maintenance->result->data_files_after = load->data_count;
    maintenance->result->delete_files_before = deletes.count;
    maintenance->result->delete_files_after = load->delete_count;
    rewrite->has_snapshot = data.count + deletes.count > 0;
    mem_free(data.sorted);
    mem_free(deletes.sorted);
}

static bool plan_commit(struct iceberg_maintenance *maintenance, struct iceberg_table *now,
                        struct iceberg_rewrite *rewrite, struct error *err) {
    struct arena *arena = maintenance->arena;
    const struct iceberg_snapshot *planned = maintenance->planned->metadata->snapshot;
    *rewrite =
        (struct iceberg_rewrite){.keeps_rows = true, .sequence_number = planned != NULL ? planned->sequence_number : 0};
    if (now->metadata->snapshot != NULL) {
        if (!iceberg_read_files(now, err))
            return false;
        validate(maintenance, now);
        rewrite->data = arena_alloc(arena, (now->files.data_count + 1) * sizeof *rewrite->data);
        rewrite->deletes = arena_alloc(arena, (now->files.delete_count + 1) * sizeof *rewrite->deletes);
        rewrite->bins = arena_alloc(arena, (now->manifest_count + 1) * sizeof *rewrite->bins);
        take_groups(maintenance, now, rewrite);
        if (iceberg_choose_manifests(now, true, rewrite))
            rewrite->has_snapshot = true;
    } else {
        for (size_t i = 0; i < maintenance->group_count; i++)
            give_up(maintenance, &maintenance->groups[i]);
    }
    iceberg_choose_expired(now->metadata, maintenance->options, arena, rewrite);
    return true;
}

static bool commit_to(struct iceberg_maintenance *maintenance, struct iceberg_table *now,
                      const struct iceberg_rewrite *rewrite, struct error *err) {
    struct iceberg_load *load = &maintenance->load;
    const struct lake_load given = {.watermark = now->base.version.watermark};
    struct iceberg_table *planned = load->table;
    struct iceberg_metadata *next = load->next;
    load->table = now;
    load->given = &given;
    load->rewrite = rewrite;
    load->next = iceberg_metadata_copy(now->metadata);
    iceberg_metadata_upgrade(load->next, 2);
    load->kept = load->written_count;
    /* a failed commit's names are not used again: the catalog may have taken it all the same */
    iceberg_make_commit_id(load->commit);
    bool ok = iceberg_commit(load, err);
    if (ok && rewrite->has_snapshot)
        maintenance->result->manifests_after = load->manifests_listed;
    iceberg_metadata_free(load->next);
    load->next = next;
    load->table = planned;
    load->given = NULL;
    return ok;
}

/* Expires and commits what goes with the version `now`; nothing when there is nothing. */
static bool commit_once(struct iceberg_maintenance *maintenance, struct iceberg_table *now, struct error *err) {
    struct iceberg_rewrite rewrite;
    if (now->metadata == NULL) /* dropped meanwhile */
        return true;
    if (!plan_commit(maintenance, now, &rewrite, err) || !fault_point("maintain.planned", err))
        return false;
    maintenance->result->manifests_before = maintenance->result->manifests_after = now->manifest_count;
    if ((rewrite.has_snapshot || rewrite.expired_count > 0) && !commit_to(maintenance, now, &rewrite, err))
        return false;
    maintenance->result->snapshots_expired = rewrite.expired_count;
    iceberg_publish_hint(now); /* what it names may be about to go, when another writer committed last */
    return fault_point("maintain.committed", err) &&
           iceberg_sweep(maintenance, now->metadata, rewrite.expired, rewrite.expired_count, err);
}

static bool open_again(const struct iceberg_maintenance *maintenance, struct lake_table **out, struct error *err) {
    const struct lake_table *base = &maintenance->planned->base;
    return lake_open(base->ops, base->lake, base->folder, out, err);
}

static bool attempt(struct iceberg_maintenance *maintenance, bool is_first, struct error *err) {
    struct lake_table *now = NULL;
    if (is_first)
        return commit_once(maintenance, maintenance->planned, err);
    bool ok = open_again(maintenance, &now, err) && commit_once(maintenance, (struct iceberg_table *)now, err);
    lake_close(now);
    return ok;
}

/* Against the version of the plan, and after each conflict against what is current then. */
static bool commit_all(struct iceberg_maintenance *maintenance, struct error *err) {
    struct error own = {0};
    for (int i = 0; i < COMMIT_ATTEMPTS; i++) {
        if (attempt(maintenance, i == 0, &own))
            return true;
        if (own.kind != ERROR_CONFLICT) {
            if (err != NULL)
                *err = own;
            return false;
        }
        log_debug("maintaining %s: again: %s", maintenance->planned->base.folder, own.message);
        if (!cancel_sleep_ms((long)COMMIT_FIRST_PAUSE_MS << i))
            return cancel_check(err);
    }
    for (size_t i = 0; i < maintenance->group_count; i++)
        give_up(maintenance, &maintenance->groups[i]);
    maintenance->result->given_up += maintenance->group_count == 0;
    return true;
}

/* --- the plan */

/* Why data files cannot be written anew; NULL: they can. */
static const char *find_obstacle(const struct iceberg_table *table) {
    struct error why;
    if (!iceberg_check_columns(table, &why)) {
        log_info("maintaining %s: %s", table->base.folder, why.message);
        return "another writer added a column of a type that sluice does not write";
    }
    if (!iceberg_check_files(table, &why))
        return "another writer left files that sluice does not read: equality deletes, or others than Parquet";
    return NULL;
}

/* The columns that rewritten rows are sorted by, so that the next load's probe can skip most of them. */
static const char *order_of(const struct iceberg_maintenance *maintenance) {
    const struct lake_version *version = &maintenance->planned->base.version;
    struct buf order;
    buf_init(&order, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < maintenance->options->key_count; i++)
        for (size_t j = 0; j < version->column_count; j++)
            if (strcmp(version->columns[j].name, maintenance->options->key[i]) == 0) {
                buf_append_text(&order, order.len > 0 ? ", " : "");
                buf_append_sql_name(&order, version->columns[j].name);
            }
    const char *copy = order.len > 0 ? arena_strndup(maintenance->arena, order.data, order.len) : NULL;
    buf_deinit(&order);
    return copy;
}

/* What the writing of rows wants to know: the columns are as they are. */
static void start_load(struct iceberg_maintenance *maintenance, struct engine_connection *connection) {
    static const struct iceberg_rewrite none;
    struct iceberg_load *load = &maintenance->load;
    const struct lake_version *version = &maintenance->planned->base.version;
    struct lake_schema_column *columns = arena_alloc(maintenance->arena, (version->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < version->column_count; i++)
        columns[i] = (struct lake_schema_column){.column = version->columns[i], .before = (int)i, .given = -1};
    *load = (struct iceberg_load){
        .table = maintenance->planned,
        .connection = connection,
        .arena = maintenance->arena,
        .schema = {.columns = columns, .column_count = version->column_count},
        .next = iceberg_metadata_copy(maintenance->planned->metadata),
        .field_ids = arena_alloc(maintenance->arena, (version->column_count + 1) * sizeof *load->field_ids),
        .rewrite = &none};
    for (size_t i = 0; i < version->column_count; i++)
        load->field_ids[i] = maintenance->planned->field_ids[i];
    iceberg_make_commit_id(load->commit);
    maintenance->lineage = iceberg_lineage(load->next, maintenance->arena, &load->schema);
}

static bool plan(struct iceberg_maintenance *maintenance, struct error *err) {
    struct iceberg_table *table = maintenance->planned;
    if (table->metadata->snapshot == NULL)
        return true;
    if (!iceberg_read_files(table, err))
        return false;
    maintenance->result->left_out = find_obstacle(table);
    if (maintenance->result->left_out != NULL)
        return true;
    return iceberg_compact(maintenance, err);
}

bool iceberg_maintain_table(struct lake_table *base, struct engine_connection *connection,
                            const struct lake_maintain *options, struct lake_maintained *result, struct error *err) {
    struct iceberg_table *table = (struct iceberg_table *)base;
    struct arena arena;
    if (table->metadata == NULL)
        return true;
    arena_init(&arena);
    struct iceberg_maintenance maintenance = {.options = options, .result = result, .arena = &arena, .planned = table};
    maintenance.order = order_of(&maintenance);
    start_load(&maintenance, connection);
    bool ok = plan(&maintenance, err) && commit_all(&maintenance, err);
    maintenance.load.kept = 0;
    if (!ok && !maintenance.load.may_be_committed)
        iceberg_forget(&maintenance.load);
    iceberg_metadata_free(maintenance.load.next);
    mem_free(maintenance.load.data);
    mem_free(maintenance.load.deletes);
    mem_free(maintenance.load.written);
    mem_free(maintenance.groups);
    arena_deinit(&arena);
    return ok;
}
