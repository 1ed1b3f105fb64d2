/* Updates that move a row to another key: in the raw zone they are a delete of the old row and an insert of the new one.
 *
 * The key that matters is the one that load applies changes by, which is PrimaryKey of the controller's row, and before that
 * exists the config's, or the source's own. The user may set it at any time, so capture looks again now and then and keeps
 * what it found beside the table. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "state/controller.h"
#include "task/capture_table.h"

enum { REFRESH_MS = 1000 };

/* --- comparing */

static bool list_has(const char *list, const char *name) {
    size_t len = strlen(name);
    while (list != NULL && *list != '\0') {
        list += strspn(list, " ,");
        size_t end = strcspn(list, ",");
        size_t item = end;
        while (item > 0 && list[item - 1] == ' ')
            item--;
        if (item == len && strncasecmp(list, name, len) == 0)
            return true;
        list += end;
    }
    return false;
}

static bool is_source_key(const struct table *version, size_t column) {
    for (size_t i = 0; i < version->key_count; i++)
        if (version->key[i] == column)
            return true;
    return false;
}

static bool is_date(struct type type) {
    return type.kind == TYPE_DATE || type.kind == TYPE_TIMESTAMP || type.kind == TYPE_TIMESTAMPTZ;
}

static void settle_key(struct capture_table *table) {
    const struct table *version = table->target;
    if (table->key_of == version)
        return;
    mem_free(table->key);
    mem_free(table->key_dates);
    table->key = mem_alloc((version->column_count + 1) * sizeof *table->key);
    table->key_dates = mem_alloc((version->column_count + 1) * sizeof *table->key_dates);
    table->key_count = table->key_date_count = 0;
    for (size_t i = 0; i < version->column_count; i++) {
        const struct column *column = &version->columns[i];
        bool of_source = is_source_key(version, i), of_lake = list_has(table->row.lake_key, column->name);
        if (of_source || of_lake)
            table->key[table->key_count++] = (uint16_t)i;
        if ((table->row.lake_key != NULL ? of_lake : of_source) && !column->nullable && is_date(column->type))
            table->key_dates[table->key_date_count++] = (uint16_t)i;
    }
    table->key_of = version;
}

bool capture_key_is_whole(struct capture_table *table, const struct value *values, struct error *err) {
    settle_key(table);
    for (size_t i = 0; i < table->key_date_count; i++) {
        const struct column *column = &table->target->columns[table->key_dates[i]];
        if (values[table->key_dates[i]].kind == VALUE_NULL)
            return error_set(err, ERROR_DATA,
                             "a row of table %s.%s has a zero date ('0000-00-00') or one that does not exist in the "
                             "key column %s: it "
                             "is NULL in the lake, where such rows would become one; UPDATE them (WHERE DAY(%s) = 0 OR "
                             "MONTH(%s) = 0 "
                             "OR LAST_DAY(%s) IS NULL), or name other columns as the table's primary_key",
                             table->row.schema, table->row.name, column->name, column->name, column->name,
                             column->name);
    }
    return true;
}

enum capture_key_change capture_key_compare(struct capture_table *table, const struct value *values,
                                            const struct value *old) {
    settle_key(table);
    for (size_t i = 0; i < table->key_count; i++) {
        const struct value *was = &old[table->key[i]], *is = &values[table->key[i]];
        if (is->kind == VALUE_UNCHANGED)
            continue;
        if (was->kind == VALUE_UNCHANGED)
            return CAPTURE_KEY_UNKNOWN;
        if (was->kind != is->kind || was->len != is->len ||
            (was->len > 0 && memcmp(was->data, is->data, was->len) != 0))
            return CAPTURE_KEY_CHANGED;
    }
    return CAPTURE_KEY_KEPT;
}

/* --- learning the lake's keys */

const char *capture_key_configured(const struct capture *capture, struct arena *arena, const char *schema,
                                   const char *table) {
    const struct config_table *entry = config_find_table(capture->config, schema, table);
    if (entry == NULL || !entry->has_primary_key)
        return NULL;
    const char *list = NULL;
    for (size_t i = 0; i < entry->primary_key_count; i++)
        list = list == NULL ? arena_strdup(arena, entry->primary_key[i])
                            : arena_printf(arena, "%s,%s", list, entry->primary_key[i]);
    return list;
}

/* A column by which updates were not told apart so far; NULL: none. */
static const char *find_new_column(const struct capture_table *table, const char *key) {
    const struct table *version = table->target;
    for (size_t i = 0; version != NULL && i < version->column_count; i++) {
        const char *name = version->columns[i].name;
        if (list_has(key, name) && !list_has(table->row.lake_key, name) && !is_source_key(version, i))
            return name;
    }
    return NULL;
}

static bool set_key(struct capture *capture, struct capture_table *table, const char *key, struct error *err) {
    const char *before = table->row.lake_key;
    if (before == key || (before != NULL && key != NULL && strcmp(before, key) == 0))
        return true;
    const char *column = find_new_column(table, key);
    table->row.lake_key = arena_strdup(&table->arena, key);
    table->row_changed = true;
    table->key_of = NULL;
    capture->position_moved = true; /* there is something to commit */
    if (column == NULL || table->source->stopped || table->row.full_load != FULL_LOAD_DONE ||
        table->row.rows_update + table->counts.updates == 0)
        return true;
    char *reason = mem_printf("its key in the lake is (%s) now, and updates before did not tell rows that changed %s",
                              key, column);
    bool ok = capture_reload_table(capture, table, reason, err);
    mem_free(reason);
    return ok;
}

static int compare_path(const void *path, const void *row) {
    return strcmp(path, ((const struct controller_row *)row)->path);
}

static const char *find_key(const struct capture *capture, struct arena *arena, const struct controller_row *rows,
                            size_t count, const struct capture_table *table) {
    const char *path = arena_printf(arena, "%s/%s%s/%s/", capture->raw->bucket, capture->raw->prefix, table->row.schema,
                                    table->row.name);
    const struct controller_row *row = count > 0 ? bsearch(path, rows, count, sizeof *rows, compare_path) : NULL;
    return row != NULL ? row->primary_key : capture_key_configured(capture, arena, table->row.schema, table->row.name);
}

bool capture_key_refresh(struct capture *capture, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct controller_row *rows = NULL;
    size_t row_count = 0, count;
    const char *prefix = arena_printf(&arena, "%s/%s", capture->raw->bucket, capture->raw->prefix);
    bool ok = controller_list(capture->state, &arena, prefix, &rows, &row_count, err);
    struct source_table *const *all = source_tables_all(capture->tables, &count);
    for (size_t i = 0; ok && i < count; i++) {
        struct capture_table *table = all[i]->user;
        if (table != NULL)
            ok = set_key(capture, table, find_key(capture, &arena, rows, row_count, table), err);
    }
    controller_rows_deinit(rows, row_count);
    arena_deinit(&arena);
    capture->keys_read_ms = clock_monotonic_ms();
    return ok || error_prefix(err, "reading the keys of the lake's tables");
}

bool capture_key_refresh_when_due(struct capture *capture, struct error *err) {
    return capture->in_transaction || clock_monotonic_ms() - capture->keys_read_ms < REFRESH_MS ||
           capture_key_refresh(capture, err);
}
