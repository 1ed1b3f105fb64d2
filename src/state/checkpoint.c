#include "state/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "state/fields.h"

static const char kind_task[] = "task", kind_table[] = "table", kind_schema[] = "schema";

#define MEMBER(name) offsetof(struct checkpoint_task, name)
static const struct field task_fields[] = {
    {"position", FIELD_TEXT, MEMBER(position)},
    {"restart_position", FIELD_TEXT, MEMBER(restart_position)},
    {"source_time", FIELD_TEXT, MEMBER(source_time)},
    {"state", FIELD_TEXT, MEMBER(state)},
    {"last_error", FIELD_TEXT, MEMBER(last_error)},
    {"commits", FIELD_INT64, MEMBER(commits)},
    {"rows", FIELD_INT64, MEMBER(rows)},
    {"bytes", FIELD_INT64, MEMBER(bytes)},
    {"updated", FIELD_TEXT, MEMBER(updated)},
    {"warnings", FIELD_JSON, MEMBER(warnings)},
    {"owner", FIELD_TEXT, MEMBER(owner)},
};
#undef MEMBER

#define MEMBER(name) offsetof(struct checkpoint_table, name)
static const struct field table_fields[] = {
    {"schema", FIELD_TEXT, MEMBER(schema)},
    {"name", FIELD_TEXT, MEMBER(name)},
    {"source_schema", FIELD_TEXT, MEMBER(source_schema)},
    {"source_name", FIELD_TEXT, MEMBER(source_name)},
    {"full_load_position", FIELD_TEXT, MEMBER(full_load_position)},
    {"full_load_after", FIELD_TEXT, MEMBER(full_load_after)},
    {"full_load_version", FIELD_INT32, MEMBER(full_load_version)},
    {"load_first", FIELD_INT32, MEMBER(load_first)},
    {"load_files", FIELD_INT32, MEMBER(load_files)},
    {"committed", FIELD_TEXT, MEMBER(committed)},
    {"committed_number", FIELD_INT64, MEMBER(committed_number)},
    {"rows_full_load", FIELD_INT64, MEMBER(rows_full_load)},
    {"rows_insert", FIELD_INT64, MEMBER(rows_insert)},
    {"rows_update", FIELD_INT64, MEMBER(rows_update)},
    {"rows_delete", FIELD_INT64, MEMBER(rows_delete)},
    {"bytes", FIELD_INT64, MEMBER(bytes)},
    {"version", FIELD_INT32, MEMBER(version)},
    {"next_column_id", FIELD_INT32, MEMBER(next_column_id)},
    {"lake_key", FIELD_TEXT, MEMBER(lake_key)},
    {"rules", FIELD_TEXT, MEMBER(rules)},
    {"stopped", FIELD_TEXT, MEMBER(stopped)},
};
#undef MEMBER

enum {
    TASK_FIELD_COUNT = sizeof task_fields / sizeof *task_fields,
    TABLE_FIELD_COUNT = sizeof table_fields / sizeof *table_fields,
};

/* The attribute full_load: enum full_load_state in words. */
static const char *const full_load_words[] = {"none", "pending", "running", "done"};

/* --- keys */

/* Percent-encodes '%' and the given separators. */
static void append_name(struct buf *key, const char *name, const char *separators) {
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '%' || strchr(separators, *at) != NULL)
            buf_printf(key, "%%%02X", (unsigned char)*at);
        else
            buf_append_char(key, *at);
    }
}

/* "<task>/", with a table "<task>/<schema>.<table>". Free with buf_deinit. */
static struct buf make_key(const char *task, const char *schema, const char *table) {
    struct buf key;
    buf_init(&key, BUF_MAX_DEFAULT);
    append_name(&key, task, "/");
    buf_append_char(&key, '/');
    if (schema != NULL) {
        append_name(&key, schema, "/.");
        buf_append_char(&key, '.');
        append_name(&key, table, "/");
    }
    return key;
}

/* --- reading */

bool checkpoint_get_task(struct state *state, struct arena *arena, const char *task, struct checkpoint_task *out,
                         struct state_item *item, bool *found, struct error *err) {
    *out = (struct checkpoint_task){0};
    *item = (struct state_item){0};
    if (!state_get(state, kind_task, task, item, found, err))
        return error_prefix(err, "reading the checkpoint of task %s", task);
    if (!*found || fields_read(task_fields, TASK_FIELD_COUNT, item->attributes, arena, out, err))
        return true;
    state_item_deinit(item);
    return error_prefix(err, "checkpoint of task %s", task);
}

static bool read_full_load(const json_t *attributes, enum full_load_state *out, struct error *err) {
    const char *word = json_string_value(json_object_get(attributes, "full_load"));
    for (unsigned i = 0; word != NULL && i < sizeof full_load_words / sizeof *full_load_words; i++) {
        if (strcmp(word, full_load_words[i]) == 0) {
            *out = (enum full_load_state)i;
            return true;
        }
    }
    return error_set(err, ERROR_DATA, "attribute full_load has to be none, pending, running or done");
}

/* Takes the item over, also when it fails. */
static bool table_from_item(struct checkpoint_table *row, struct arena *arena, struct state_item item,
                            struct error *err) {
    *row = (struct checkpoint_table){0};
    if (!fields_read(table_fields, TABLE_FIELD_COUNT, item.attributes, arena, row, err) ||
        !read_full_load(item.attributes, &row->full_load, err)) {
        error_prefix(err, "checkpoint of table %s", item.key);
        state_item_deinit(&item);
        return false;
    }
    row->item = item;
    return true;
}

bool checkpoint_list_tables(struct state *state, struct arena *arena, const char *task, struct checkpoint_table **out,
                            size_t *count, struct error *err) {
    struct buf prefix = make_key(task, NULL, NULL);
    struct state_items items;
    bool ok = state_list(state, kind_table, prefix.data, &items, err);
    buf_deinit(&prefix);
    if (!ok)
        return error_prefix(err, "reading the checkpoints of the tables of task %s", task);
    *out = arena_alloc(arena, items.count * sizeof **out);
    *count = 0;
    for (size_t i = 0; ok && i < items.count; i++) {
        ok = table_from_item(&(*out)[i], arena, items.items[i], err);
        items.items[i] = (struct state_item){0};
        *count += ok;
    }
    state_items_deinit(&items);
    if (!ok)
        checkpoint_tables_deinit(*out, *count);
    return ok;
}

void checkpoint_tables_deinit(struct checkpoint_table *tables, size_t count) {
    for (size_t i = 0; i < count; i++)
        state_item_deinit(&tables[i].item);
}

static bool schema_from_item(struct checkpoint_schema *out, struct arena *arena, const struct state_item *item,
                             struct error *err) {
    out->first_file = arena_strdup(arena, json_string_value(json_object_get(item->attributes, "first_file")));
    if (out->first_file == NULL)
        out->first_file = "";
    const json_t *source = json_object_get(item->attributes, "source");
    return (table_from_json(arena, json_object_get(item->attributes, "table"), &out->table, err) &&
            (source == NULL || table_from_json(arena, source, &out->source, err))) ||
           error_prefix(err, "schema version %s", item->key);
}

bool checkpoint_list_schemas(struct state *state, struct arena *arena, const char *task, const char *schema,
                             const char *table, struct checkpoint_schema **out, size_t *count, struct error *err) {
    struct buf prefix = make_key(task, schema, table);
    buf_append_char(&prefix, '/');
    struct state_items items;
    bool ok = state_list(state, kind_schema, prefix.data, &items, err);
    buf_deinit(&prefix);
    if (!ok)
        return error_prefix(err, "reading the schema versions of %s.%s", schema, table);
    *out = arena_alloc(arena, items.count * sizeof **out);
    *count = items.count;
    for (size_t i = 0; ok && i < items.count; i++)
        ok = schema_from_item(&(*out)[i], arena, &items.items[i], err);
    state_items_deinit(&items);
    return ok;
}

/* --- writing */

static bool try_claim(struct state *state, const char *task, const char *owner, struct error *err) {
    struct state_item item;
    bool found;
    if (!state_get(state, kind_task, task, &item, &found, err))
        return false;
    json_t *attributes = found ? json_incref(item.attributes) : json_pack("{s:s}", "state", "starting");
    json_object_set_new(attributes, "owner", json_string(owner));
    struct state_write write = {kind_task, task, found ? item.version : STATE_VERSION_ABSENT, attributes};
    bool ok = state_commit(state, &write, 1, err);
    json_decref(attributes);
    if (found)
        state_item_deinit(&item);
    return ok;
}

bool checkpoint_claim_task(struct state *state, const char *task, const char *owner, struct error *err) {
    enum { TRIES_MAX = 20 }; /* against an old owner that commits in between */
    struct error own = {.kind = ERROR_CONFLICT};
    bool ok = false;
    for (int i = 0; i < TRIES_MAX && !ok && own.kind == ERROR_CONFLICT; i++)
        ok = try_claim(state, task, owner, &own);
    if (!ok && err != NULL)
        *err = own;
    return ok || error_prefix(err, "claiming the task %s", task);
}

struct checkpoint_batch {
    struct state_write *writes; /* keys and attributes are owned */
    size_t count, capacity;
    size_t task_index; /* of the task's row in writes, if has_owner: then its commit depends on it */
    bool has_owner;
};

struct checkpoint_batch *checkpoint_batch_new(void) {
    return mem_zalloc(sizeof(struct checkpoint_batch));
}

static void clear_batch(struct checkpoint_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        mem_free((char *)batch->writes[i].key);
        json_decref((json_t *)batch->writes[i].attributes);
    }
    batch->count = 0;
    batch->has_owner = false;
}

void checkpoint_batch_free(struct checkpoint_batch *batch) {
    if (batch == NULL)
        return;
    clear_batch(batch);
    mem_free(batch->writes);
    mem_free(batch);
}

/* Takes key and attributes over. */
static void add_write(struct checkpoint_batch *batch, const char *kind, char *key, json_t *attributes) {
    batch->writes = mem_grow(batch->writes, batch->count, &batch->capacity, sizeof *batch->writes);
    batch->writes[batch->count++] = (struct state_write){kind, key, STATE_VERSION_ANY, attributes};
}

void checkpoint_batch_add_task(struct checkpoint_batch *batch, const char *task, const struct checkpoint_task *row) {
    json_t *attributes = json_object();
    fields_write(task_fields, TASK_FIELD_COUNT, row, attributes);
    if (row->owner != NULL) {
        assert(!batch->has_owner);
        batch->has_owner = true;
        batch->task_index = batch->count;
    }
    add_write(batch, kind_task, mem_strdup(task), attributes);
}

void checkpoint_batch_add_table(struct checkpoint_batch *batch, const char *task, const struct checkpoint_table *row) {
    json_t *attributes = row->item.attributes != NULL ? json_copy(row->item.attributes) : json_object();
    fields_write(table_fields, TABLE_FIELD_COUNT, row, attributes);
    json_object_set_new(attributes, "full_load", json_string(full_load_words[row->full_load]));
    add_write(batch, kind_table, make_key(task, row->schema, row->name).data, attributes);
}

void checkpoint_batch_add_schema(struct checkpoint_batch *batch, const char *task, const struct table *table,
                                 const struct table *source, const char *first_file) {
    struct buf key = make_key(task, table->schema, table->name);
    buf_printf(&key, "/%06u", table->version);
    json_t *attributes = json_pack("{s:o, s:s}", "table", table_to_json(table), "first_file", first_file);
    assert(attributes != NULL);
    if (source != NULL)
        json_object_set_new(attributes, "source", table_to_json(source));
    add_write(batch, kind_schema, key.data, attributes);
}

/* Makes the commit depend on the task's row as it is stored now, if its owner is ours. */
static bool expect_owner(struct checkpoint_batch *batch, struct state *state, struct error *err) {
    struct state_write *write = &batch->writes[batch->task_index];
    struct state_item item;
    bool found;
    if (!state_get(state, kind_task, write->key, &item, &found, err))
        return false;
    const char *ours = json_string_value(json_object_get(write->attributes, "owner"));
    const char *stored = found ? json_string_value(json_object_get(item.attributes, "owner")) : NULL;
    bool ok = stored != NULL && strcmp(stored, ours) == 0;
    if (ok)
        write->expected = item.version;
    else
        error_set(err, ERROR_CONFLICT, "another process captures the task %s now (%s); only one can, so this one stops",
                  write->key, stored != NULL ? stored : "unknown");
    if (found)
        state_item_deinit(&item);
    return ok;
}

bool checkpoint_batch_commit(struct checkpoint_batch *batch, struct state *state, struct error *err) {
    if (batch->has_owner && !expect_owner(batch, state, err))
        return false;
    if (!state_commit(state, batch->writes, batch->count, err))
        return false;
    clear_batch(batch);
    return true;
}
