/* The table mappings on the way from the source to the raw files: which rows of a change are written, and as which.
 *
 * A filter holds for the lake at every moment: an update that brings a row into it is an insert, one that takes it out is a
 * delete. What the rules say of a table's rows is kept beside it as a fingerprint; when that changes, the rows that are in the
 * lake are of other rules, and the table is loaded in full again. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "task/capture_table.h"
#include "task/column_names.h"

/* --- the rules of a table */

static bool same_text(const char *a, const char *b) { return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0); }

static bool same_table(const struct table *a, const struct table *b) {
    if (a->column_count != b->column_count || a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++) {
        const struct column *left = &a->columns[i], *right = &b->columns[i];
        if (left->id != right->id || strcmp(left->name, right->name) != 0 || left->nullable != right->nullable ||
            !type_equal(left->type, right->type))
            return false;
    }
    return a->key_count == 0 || memcmp(a->key, b->key, a->key_count * sizeof *a->key) == 0;
}

/* What the rules make of the source's version. */
struct binding {
    const struct mapping_filter *filter;
    const struct mapping_plan *plan;
    const struct table *target;
};

static bool bind(const struct capture *capture, struct capture_table *table, struct binding *out, struct error *why) {
    const struct mapping *mapping = capture->config->source.mapping;
    const struct table *source = table->source->current;
    if (!mapping_bind_filter(mapping, &table->arena, source, &out->filter, why) ||
        !mapping_plan_new(mapping, &table->arena, source, table->target, &table->row.next_column_id, &out->plan, why))
        return false;
    out->target = out->plan != NULL ? mapping_plan_table(out->plan) : source;
    return column_names_check(out->target->columns, out->target->column_count,
                              capture->config->raw.timestamp_column_name, why);
}

static void add_version(struct capture_table *table) {
    table->row.version = table->target->version;
    table->row_changed = true;
    table->new_versions = mem_grow(table->new_versions, table->new_version_count, &table->new_version_capacity,
                                   sizeof *table->new_versions);
    table->new_versions[table->new_version_count++] = (struct capture_version){
        .table = table->target, .source = table->target != table->source->current ? table->source->current : NULL};
}

/* Version numbers are of what comes out: with other rules the same version of the source makes a new one. */
static bool rebind(struct capture *capture, struct capture_table *table, struct error *why) {
    struct binding binding;
    if (!bind(capture, table, &binding, why))
        return false;
    bool numbered = table->target != NULL && table->target->version == binding.target->version;
    bool known = numbered && same_table(table->target, binding.target);
    if (numbered && !known) {
        capture_table_set_version(table, table->source->current, NULL, 0);
        if (!bind(capture, table, &binding, why))
            return false;
    }
    capture_mapping_deinit(table);
    table->bound = table->source->current;
    table->target = binding.target;
    table->filter = binding.filter;
    if (binding.plan != NULL && mapping_plan_changes_rows(binding.plan)) {
        table->plan = binding.plan;
        table->runner = mapping_runner_new(binding.plan);
    }
    if (!known)
        add_version(table);
    return true;
}

void capture_mapping_deinit(struct capture_table *table) {
    mapping_runner_free(table->runner);
    table->runner = NULL;
    table->plan = NULL;
}

bool capture_mapping_bind(struct capture *capture, struct capture_table *table, bool *fine, struct error *err) {
    struct error why;
    *fine = table->bound == table->source->current || rebind(capture, table, &why);
    return *fine || capture_table_stop(capture, table, why.message, err);
}

bool capture_mapping_check_name(const struct capture *capture, const struct capture_table *table, struct error *err) {
    size_t count;
    struct source_table *const *all = source_tables_all(capture->tables, &count);
    if (table->row.source_schema == NULL && capture->config->source.mapping == NULL)
        return true;
    for (size_t i = 0; i < count; i++) {
        const struct capture_table *other = all[i]->user;
        if (other == NULL || other == table || strcmp(other->row.schema, table->row.schema) != 0 ||
            strcmp(other->row.name, table->row.name) != 0)
            continue;
        return error_set(err, ERROR_CONFIG,
                         "%s: tables %s.%s and %s.%s of the source would both be %s.%s: give one another name, or "
                         "exclude it",
                         capture->config->source.table_mappings, other->source->schema, other->source->name,
                         table->source->schema, table->source->name, table->row.schema, table->row.name);
    }
    return true;
}

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
    if (table->source->current == NULL || rebind(capture, table, &why))
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
    change->has_to_be_whole = true;
    if (was == MAPPING_FAILS) {
        change->op = CHANGE_INSERT;
        change->old = NULL;
    }
    return true;
}

static bool filter_change(const struct capture_table *table, struct capture_change *change, struct error *err) {
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

bool capture_mapping_change(const struct capture_table *table, struct capture_change *change, struct error *err) {
    if (table->filter != NULL && !filter_change(table, change, err))
        return false;
    if (change->left_out)
        return true;
    if (table->plan != NULL) {
        change->values = mapping_run(table->runner, MAPPING_IMAGE_NEW, change->values);
        if (change->old != NULL)
            change->old = mapping_run(table->runner, MAPPING_IMAGE_OLD, change->old);
    }
    return !change->has_to_be_whole || !has_unchanged(change->values, table->target->column_count) ||
           error_unclear(err);
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
