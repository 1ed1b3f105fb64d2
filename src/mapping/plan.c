/* What becomes of a version of a table: the columns that stay, their names, the key. */
#include "mapping/plan.h"

#include <string.h>

/* While a plan is being made. */
struct planning {
    const struct mapping *mapping;
    struct arena *arena;
    const struct table *source;
    struct column *columns; /* that come out so far */
    size_t column_count;
    struct mapping_plan *plan;
};

/* --- columns of the source */

/* The rule that takes the column away; with an include-column rule for the table, the others go. NULL: it stays. */
static const struct rule *find_removal(const struct planning *p, const struct column *column) {
    const struct rule *exclusive = NULL;
    bool included = false;
    for (size_t i = 0; i < p->mapping->count; i++) {
        const struct rule *rule = &p->mapping->rules[i];
        bool speaks = rule_is_of_column(rule, p->source, column);
        if (rule->action == RULE_REMOVE_COLUMN && speaks)
            return rule;
        if (rule->kind != RULE_TRANSFORMATION || rule->action != RULE_INCLUDE_COLUMN ||
            !rule_is_of(rule, p->source->schema, p->source->name))
            continue;
        exclusive = exclusive != NULL ? exclusive : rule;
        included = included || speaks;
    }
    return included ? NULL : exclusive;
}

static const char *make_column_name(const struct planning *p, const struct column *column) {
    const char *name = column->name;
    for (size_t i = 0; i < p->mapping->count; i++) {
        const struct rule *rule = &p->mapping->rules[i];
        if (rule_makes_names(rule) && rule_is_of_column(rule, p->source, column))
            name = rule_make_name(rule, p->arena, name);
    }
    return name;
}

static void plan_source_columns(struct planning *p) {
    for (size_t i = 0; i < p->source->column_count; i++) {
        const struct column *column = &p->source->columns[i];
        if (find_removal(p, column) != NULL)
            continue;
        struct column *out = &p->columns[p->column_count];
        *out = *column;
        out->name = make_column_name(p, column);
        p->plan->columns[p->column_count] = (struct plan_column){.source = i};
        p->column_count++;
    }
}

/* --- the whole */

static bool check_names(const struct planning *p, struct error *err) {
    if (p->column_count == 0)
        return error_set(err, ERROR_DATA, "the rules leave no column of it");
    for (size_t i = 0; i < p->column_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->columns[i].name, p->columns[k].name) == 0)
                return error_set(err, ERROR_DATA, "the rules make two columns with the name %s", p->columns[i].name);
    return true;
}

static int find_place(const struct planning *p, size_t source) {
    for (size_t i = 0; i < p->column_count; i++)
        if (p->plan->columns[i].source == source)
            return (int)i;
    return -1;
}

static bool plan_key(struct planning *p, struct table *target, struct error *err) {
    uint16_t *key = arena_alloc(p->arena, (p->source->key_count + 1) * sizeof *key);
    target->key = key;
    for (size_t i = 0; i < p->source->key_count; i++) {
        const struct column *column = &p->source->columns[p->source->key[i]];
        int place = find_place(p, p->source->key[i]);
        if (place < 0)
            return error_set(err, ERROR_DATA,
                             "rule-id %s takes away column %s, which is in the table's key: without it changes "
                             "cannot be told from each other",
                             find_removal(p, column)->id, column->name);
        key[target->key_count++] = (uint16_t)place;
    }
    return true;
}

static bool is_same_row(const struct planning *p) {
    bool same = p->column_count == p->source->column_count;
    for (size_t i = 0; same && i < p->column_count; i++)
        same = p->plan->columns[i].source == i;
    return same;
}

static bool has_same_names(const struct planning *p, const struct table *target) {
    for (size_t i = 0; i < p->column_count; i++)
        if (strcmp(p->columns[i].name, p->source->columns[i].name) != 0)
            return false;
    return strcmp(target->schema, p->source->schema) == 0 && strcmp(target->name, p->source->name) == 0;
}

static bool has_transformations(const struct mapping *mapping, const struct table *source) {
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++)
        if (mapping->rules[i].kind == RULE_TRANSFORMATION &&
            rule_is_of(&mapping->rules[i], source->schema, source->name))
            return true;
    return false;
}

bool mapping_plan_new(const struct mapping *mapping, struct arena *arena, const struct table *source,
                      const struct table *previous, uint32_t *next_id, const struct mapping_plan **out,
                      struct error *err) {
    (void)previous;
    (void)next_id;
    *out = NULL;
    if (!has_transformations(mapping, source))
        return true;
    struct mapping_plan *plan = arena_alloc(arena, sizeof *plan);
    struct planning p = {.mapping = mapping, .arena = arena, .source = source, .plan = plan};
    p.columns = arena_alloc(arena, (source->column_count + 1) * sizeof *p.columns);
    plan->columns = arena_alloc(arena, (source->column_count + 1) * sizeof *plan->columns);
    plan_source_columns(&p);
    struct mapping_name name = mapping_target(mapping, arena, source->schema, source->name);
    struct table *target = arena_alloc(arena, sizeof *target);
    *target = (struct table){.schema = name.schema,
                             .name = name.table,
                             .version = source->version,
                             .columns = p.columns,
                             .column_count = p.column_count};
    if (!check_names(&p, err) || !plan_key(&p, target, err))
        return false;
    plan->source = source;
    plan->target = target;
    plan->changes_rows = !is_same_row(&p);
    if (plan->changes_rows || !has_same_names(&p, target))
        *out = plan;
    return true;
}

const struct table *mapping_plan_table(const struct mapping_plan *plan) { return plan->target; }

bool mapping_plan_changes_rows(const struct mapping_plan *plan) { return plan->changes_rows; }
