/* The table mappings on the way from the source to the raw files: which rows of a change are written, and as which.
 *
 * A filter holds for the lake at every moment: an update that brings a row into it is an insert, one that takes it out is a
 * delete. What the rules say of a table's rows is kept beside it as a fingerprint; when that changes, the rows that are in the
 * lake are of other rules, and the table is loaded in full again. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "task/capture_table.h"

/* --- the rules of a table */

bool capture_mapping_bind(struct capture *capture, struct capture_table *table, bool *fine, struct error *err) {
    struct error why;
    *fine = mapping_bind_filter(capture->config->source.mapping, &table->arena, table->source->current, &table->filter,
                                &why);
    return *fine || capture_table_stop(capture, table, why.message, err);
}

static bool same_text(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

static void load_again(struct capture *capture, struct capture_table *table) {
    const char *schema = table->row.schema, *name = table->row.name;
    if (capture->cdc_only) {
        log_warning("table %s.%s: the table mappings of its rows changed; rows that are in the lake stay as they are "
                    "(--cdc-only)",
                    schema, name);
        return;
    }
    log_info("table %s.%s is loaded in full again: the table mappings of its rows changed", schema, name);
    table->row.full_load = FULL_LOAD_PENDING;
    table->reload = true;
}

bool capture_mapping_leaves_out(struct capture *capture, struct capture_table *table) {
    const struct mapping *mapping = capture->config->source.mapping;
    if (!mapping_has_selection(mapping) || mapping_selects(mapping, table->source->schema, table->source->name))
        return false;
    if (table->row.stopped == NULL) {
        log_info("table %s.%s: the table mappings do not select it any more; what is in the lake stays",
                 table->row.schema, table->row.name);
        table->row.stopped = "the table mappings do not select it";
        table->row_changed = true;
        capture->position_moved = capture->position != NULL; /* there is something to commit */
    }
    table->source->stopped = true;
    return true;
}

void capture_mapping_recover(struct capture *capture, struct capture_table *table) {
    const struct mapping *mapping = capture->config->source.mapping;
    const char *schema = table->source->schema, *name = table->source->name;
    const char *rules = mapping_fingerprint(mapping, &table->arena, schema, name);
    if (!same_text(rules, table->row.rules)) {
        table->row.rules = rules;
        table->row_changed = true;
        load_again(capture, table);
    }
    struct error why;
    if (table->source->current == NULL ||
        mapping_bind_filter(mapping, &table->arena, table->source->current, &table->filter, &why))
        return;
    /* A full load, which takes the definition of now, may be the way out: then it is bound again. */
    table->row.stopped = arena_strdup(&table->arena, why.message);
    table->row_changed = true;
    table->source->stopped = true;
    table->reload = !capture->cdc_only;
}

/* --- changes */

static bool has_unchanged(const struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (values[i].kind == VALUE_UNCHANGED)
            return true;
    return false;
}

static bool error_unclear(struct error *err) {
    return error_set(err, ERROR_DATA,
                     "the log leaves out values by which its rows are filtered: it has to hold whole rows (MySQL, "
                     "MariaDB: SET GLOBAL binlog_row_image = FULL)");
}

static bool filter_update(const struct capture_table *table, struct capture_change *change, struct error *err) {
    enum mapping_pass is, was = MAPPING_UNCLEAR;
    if (!mapping_filter_row(table->filter, change->values, change->old, &is, err) ||
        (change->old != NULL && !mapping_filter_row(table->filter, change->old, NULL, &was, err)))
        return false;
    if (is == MAPPING_UNCLEAR)
        return error_unclear(err);
    if (is == MAPPING_FAILS) {
        change->left_out = was == MAPPING_FAILS;
        change->op = CHANGE_DELETE;
        change->values = change->old != NULL ? change->old : change->values;
        change->old = NULL;
        return true;
    }
    if (was == MAPPING_PASSES)
        return true;
    /* The lake may not have the row: it has to be sent whole. */
    if (has_unchanged(change->values, table->source->current->column_count))
        return error_unclear(err);
    if (was == MAPPING_FAILS) {
        change->op = CHANGE_INSERT;
        change->old = NULL;
    }
    return true;
}

bool capture_mapping_filter(const struct capture_table *table, struct capture_change *change, struct error *err) {
    enum mapping_pass pass;
    if (change->op == CHANGE_UPDATE)
        return filter_update(table, change, err);
    if (!mapping_filter_row(table->filter, change->values, NULL, &pass, err))
        return false;
    if (pass == MAPPING_UNCLEAR && change->op == CHANGE_INSERT)
        return error_unclear(err);
    change->left_out = pass == MAPPING_FAILS; /* a delete that is unclear does no harm */
    return true;
}

/* --- the order of full loads */

struct ordered {
    int64_t order;
    size_t place;
    struct capture_table *table;
};

static int compare_order(const void *a, const void *b) {
    const struct ordered *left = a, *right = b;
    if (left->order != right->order)
        return left->order > right->order ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

void capture_mapping_sort(const struct capture *capture, struct capture_table **tables, size_t count) {
    const struct mapping *mapping = capture->config->source.mapping;
    if (!mapping_has_selection(mapping) || count == 0)
        return;
    struct ordered *list = mem_alloc(count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct ordered){mapping_load_order(mapping, tables[i]->source->schema, tables[i]->source->name), i,
                                   tables[i]};
    qsort(list, count, sizeof *list, compare_order);
    for (size_t i = 0; i < count; i++)
        tables[i] = list[i].table;
    mem_free(list);
}
