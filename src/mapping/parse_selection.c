/* Selection rules.
 *
 *   {"rule-type": "selection", "rule-id", "rule-name", "rule-action": "include|exclude|explicit", "load-order",
 *    "object-locator": {"schema-name", "table-name", "table-type"},
 *    "filters": [{"filter-type": "source", "column-name",
 *                 "filter-conditions": [{"filter-operator", "value" | "start-value", "end-value"}]}]}
 *
 * (AWS DMS user guide, "Selection rules and actions" and "Using source filters".) */
#include <stdlib.h>
#include <string.h>

#include "mapping/rule.h"

/* The guide's list has ste, its examples lte. */
static const char *const operators[] = {"eq",         "noteq", "gte",     "lte", "between",
                                        "notbetween", "null",  "notnull", "ste", NULL};
enum { OPERATOR_STE = 8 };

static bool is_negative(enum mapping_operator operation) {
    return operation == MAPPING_NOTEQ || operation == MAPPING_NOTBETWEEN || operation == MAPPING_NOTNULL;
}

static bool read_condition(const struct rule_source *source, const json_t *json, struct rule_condition *out,
                           struct error *err) {
    static const char *const keys[] = {"filter-operator", "value", "start-value", "end-value", NULL};
    int operation;
    if (!rule_check_keys(source, json, "a filter-condition", keys, err) ||
        !rule_read_word(source, json, "filter-operator", operators, &operation, err))
        return false;
    out->operation = operation == OPERATOR_STE ? MAPPING_LTE : (enum mapping_operator)operation;
    bool range = out->operation == MAPPING_BETWEEN || out->operation == MAPPING_NOTBETWEEN;
    bool one = !range && out->operation != MAPPING_NULL && out->operation != MAPPING_NOTNULL;
    const char *value, *start, *end;
    if (!rule_read_text(source, json, "value", one, &value, err) ||
        !rule_read_text(source, json, "start-value", range, &start, err) ||
        !rule_read_text(source, json, "end-value", range, &end, err))
        return error_prefix(err, "filter-operator %s", operators[operation]);
    if ((value != NULL && !one) || ((start != NULL || end != NULL) && !range))
        return rule_error(source, err, "filter-operator %s takes %s", operators[operation],
                          range ? "start-value and end-value"
                          : one ? "one value"
                                : "no value");
    out->low = range ? start : value;
    out->high = end;
    return true;
}

static bool read_filter(const struct rule_source *source, const json_t *json, struct rule_filter *out,
                        struct error *err) {
    static const char *const keys[] = {"filter-type", "column-name", "filter-conditions", NULL};
    static const char *const types[] = {"source", NULL};
    int type;
    if (!rule_check_keys(source, json, "a filter", keys, err) ||
        !rule_read_word(source, json, "filter-type", types, &type, err) ||
        !rule_read_text(source, json, "column-name", true, &out->column, err))
        return false;
    const json_t *list = json_object_get(json, "filter-conditions");
    size_t count = json_array_size(list);
    if (count == 0)
        return rule_error(source, err, "the filter of %s needs a list of \"filter-conditions\"", out->column);
    out->conditions = arena_alloc(&source->mapping->arena, count * sizeof *out->conditions);
    for (; out->count < count; out->count++) {
        struct rule_condition *condition = &out->conditions[out->count];
        if (!read_condition(source, json_array_get(list, out->count), condition, err))
            return error_prefix(err, "filter of %s", out->column);
        if (count > 1 && is_negative(condition->operation))
            return rule_error(source, err,
                              "the filter of %s: %s has to be the only condition of its filter (they are "
                              "alternatives); several filters are combined with AND",
                              out->column, operators[condition->operation]);
    }
    return true;
}

static bool read_filters(const struct rule_source *source, const json_t *json, struct rule *rule, struct error *err) {
    const json_t *list = json_object_get(json, "filters");
    size_t count = json_array_size(list);
    if (list != NULL && !json_is_array(list))
        return rule_error(source, err, "\"filters\" has to be a list");
    if (count > 0 && rule->action != RULE_INCLUDE)
        return rule_error(source, err, "\"filters\" are for rule-action include");
    rule->filters = arena_alloc(&source->mapping->arena, (count + 1) * sizeof *rule->filters);
    for (; rule->filter_count < count; rule->filter_count++)
        if (!read_filter(source, json_array_get(list, rule->filter_count), &rule->filters[rule->filter_count], err))
            return false;
    if (count == 0)
        return true;
    char *effect = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    rule->effect = arena_strdup(&source->mapping->arena, effect);
    free(effect);
    return true;
}

static bool read_locator(const struct rule_source *source, const json_t *json, struct rule *rule, struct error *err) {
    static const char *const keys[] = {"schema-name", "table-name", "table-type", NULL};
    const json_t *locator = json_object_get(json, "object-locator");
    const char *type;
    if (!rule_check_keys(source, locator, "object-locator", keys, err) ||
        !rule_read_text(source, locator, "schema-name", true, &rule->schema, err) ||
        !rule_read_text(source, locator, "table-name", true, &rule->table, err) ||
        !rule_read_text(source, locator, "table-type", false, &type, err))
        return false;
    if (type != NULL && strcmp(type, "table") != 0 && strcmp(type, "all") != 0)
        return rule_error(source, err,
                          "table-type \"%.40s\" is not captured: the log has changes of tables; known are "
                          "table, all (which are the tables)",
                          type);
    if (rule->action == RULE_EXPLICIT && (strpbrk(rule->schema, "%[") != NULL || strpbrk(rule->table, "%[") != NULL))
        return rule_error(source, err, "rule-action explicit names one table, without wildcards");
    return true;
}

bool rule_read_selection(const struct rule_source *source, const json_t *json, struct rule *rule, struct error *err) {
    static const char *const keys[] = {"rule-type",      "rule-id", "rule-name",  "rule-action",
                                       "object-locator", "filters", "load-order", NULL};
    static const char *const actions[] = {"include", "exclude", "explicit", NULL};
    int action;
    const char *order;
    if (!rule_check_keys(source, json, "a selection rule", keys, err) ||
        !rule_read_word(source, json, "rule-action", actions, &action, err))
        return false;
    rule->kind = RULE_SELECTION;
    rule->action = (enum rule_action)action;
    if (!read_locator(source, json, rule, err) || !read_filters(source, json, rule, err) ||
        !rule_read_text(source, json, "load-order", false, &order, err))
        return false;
    if (order == NULL)
        return true;
    char *end;
    rule->load_order = strtoll(order, &end, 10);
    rule->has_load_order = true;
    return (*order != '\0' && *end == '\0') ||
           rule_error(source, err, "load-order \"%.40s\" has to be a whole number", order);
}
