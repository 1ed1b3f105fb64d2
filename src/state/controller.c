#include "state/controller.h"

#include <assert.h>
#include <string.h>

#include "state/fields.h"

static const char kind[] = "controller";

#define MEMBER(name) offsetof(struct controller_row, name)
static const struct field fields[] = {
    /* the AWS blog's, with its spelling */
    {"bucket", FIELD_TEXT, MEMBER(bucket)},
    {"prefix", FIELD_TEXT, MEMBER(prefix)},
    {"folder", FIELD_TEXT, MEMBER(folder)},
    {"ActiveFlag", FIELD_FLAG, MEMBER(active)},
    {"PrimaryKey", FIELD_TEXT_OR_NULL, MEMBER(primary_key)},
    {"PartitionKey", FIELD_TEXT_OR_NULL, MEMBER(partition_key)},
    {"LastFullLoadDate", FIELD_TEXT, MEMBER(last_full_load_date)},
    {"LastIncrementalFile", FIELD_TEXT, MEMBER(last_incremental_file)},
    {"out_path", FIELD_TEXT, MEMBER(out_path)},
    /* ours */
    {"sluice_schema", FIELD_TEXT, MEMBER(schema)},
    {"sluice_table", FIELD_TEXT, MEMBER(table)},
    {"sluice_proposed_key", FIELD_TEXT, MEMBER(proposed_key)},
    {"sluice_run_id", FIELD_TEXT, MEMBER(run_id)},
    {"sluice_last_run_id", FIELD_TEXT, MEMBER(last_run_id)},
    {"sluice_last_error", FIELD_TEXT, MEMBER(last_error)},
    {"sluice_last_load_time", FIELD_TEXT, MEMBER(last_load_time)},
    {"sluice_rows_loaded", FIELD_INT64, MEMBER(rows_loaded)},
    {"sluice_column_types", FIELD_JSON, MEMBER(types)},
};
#undef MEMBER

enum { FIELD_COUNT = sizeof fields / sizeof *fields };

void controller_row_init(struct controller_row *row, struct arena *arena, const char *bucket, const char *prefix,
                         const char *schema, const char *table) {
    *row = (struct controller_row){
        .bucket = arena_strdup(arena, bucket),
        .prefix = arena_strdup(arena, prefix),
        .folder = arena_printf(arena, "%s/%s/", schema, table),
        .last_full_load_date = CONTROLLER_DATE_NEVER,
        .schema = arena_strdup(arena, schema),
        .table = arena_strdup(arena, table),
    };
    row->path = arena_printf(arena, "%s/%s%s", row->bucket, row->prefix, row->folder);
    row->last_incremental_file = arena_printf(arena, "%s0", row->path);
}

/* The part of a text that ends before `end`, back to the '/' before it. */
static char *last_part(struct arena *arena, const char *text, size_t end) {
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '/')
        begin--;
    return arena_strndup(arena, text + begin, end - begin);
}

/* A row that something else put there (the blog's function, a person) has fewer attributes: path ends "<schema>/<table>/". */
static void fill_missing(struct controller_row *row, struct arena *arena) {
    size_t end = strlen(row->path);
    if (end > 0 && row->path[end - 1] == '/')
        end--;
    if (row->table == NULL)
        row->table = last_part(arena, row->path, end);
    while (end > 0 && row->path[end - 1] != '/')
        end--;
    if (row->schema == NULL)
        row->schema = last_part(arena, row->path, end > 0 ? end - 1 : 0);
    if (row->bucket == NULL)
        row->bucket = "";
    if (row->prefix == NULL)
        row->prefix = "";
    if (row->folder == NULL)
        row->folder = arena_printf(arena, "%s/%s/", row->schema, row->table);
    if (row->last_full_load_date == NULL)
        row->last_full_load_date = CONTROLLER_DATE_NEVER;
    if (row->last_incremental_file == NULL)
        row->last_incremental_file = arena_printf(arena, "%s0", row->path);
}

/* Takes the item over, also when it fails. */
static bool row_from_item(struct controller_row *row, struct arena *arena, struct state_item item, struct error *err) {
    *row = (struct controller_row){.item = item, .path = arena_strdup(arena, item.key)};
    if (!fields_read(fields, FIELD_COUNT, item.attributes, arena, row, err)) {
        error_prefix(err, "controller row %s", row->path);
        controller_row_deinit(row);
        return false;
    }
    fill_missing(row, arena);
    return true;
}

bool controller_get(struct state *state, struct arena *arena, const char *path, struct controller_row *row, bool *found,
                    struct error *err) {
    struct state_item item;
    return state_get(state, kind, path, &item, found, err) && (!*found || row_from_item(row, arena, item, err));
}

bool controller_list(struct state *state, struct arena *arena, const char *path_prefix, struct controller_row **rows,
                     size_t *count, struct error *err) {
    struct state_items items;
    if (!state_list(state, kind, path_prefix, &items, err))
        return false;
    *rows = arena_alloc(arena, items.count * sizeof **rows);
    *count = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < items.count; i++) {
        ok = row_from_item(&(*rows)[i], arena, items.items[i], err);
        items.items[i] = (struct state_item){0};
        *count += ok;
    }
    state_items_deinit(&items);
    if (!ok)
        controller_rows_deinit(*rows, *count);
    return ok;
}

bool controller_put(struct state *state, struct controller_row *row, struct error *err) {
    struct state_item *item = &row->item;
    json_t *attributes = item->attributes != NULL ? json_copy(item->attributes) : json_object();
    fields_write(fields, FIELD_COUNT, row, attributes);
    struct state_write write = {.kind = kind,
                                .key = row->path,
                                .expected = item->version > 0 ? item->version : STATE_VERSION_ABSENT,
                                .attributes = attributes};
    if (!state_commit(state, &write, 1, err)) {
        json_decref(attributes);
        return error_prefix(err, "writing the controller row %s", row->path);
    }
    json_decref(item->attributes);
    item->attributes = attributes;
    item->version++;
    if (item->key == NULL)
        item->key = mem_strdup(row->path);
    return true;
}

void controller_row_deinit(struct controller_row *row) {
    state_item_deinit(&row->item);
    row->types = NULL;
}

void controller_rows_deinit(struct controller_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        controller_row_deinit(&rows[i]);
}

const char *controller_last_file_name(const struct controller_row *row) {
    const char *slash = strrchr(row->last_incremental_file, '/');
    return slash != NULL ? slash + 1 : row->last_incremental_file;
}
