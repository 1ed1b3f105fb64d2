/* Transformation rules.
 *
 *   {"rule-type": "transformation", "rule-id", "rule-name", "rule-target": "schema|table|column", "rule-action",
 *    "object-locator": {"schema-name", "table-name", "column-name", "data-type"}, "value", "old-value", …}
 *
 * (AWS DMS user guide, "Transformation rules and actions".) */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mapping/rule.h"

enum { NEEDS_VALUE = 1, NEEDS_OLD_VALUE = 2 };
enum { OF_SCHEMA = 1, OF_TABLE = 2, OF_COLUMN = 4, OF_ANY = 7 };

/* What an action is called, takes and acts on. */
static const struct action {
    const char *name;
    enum rule_action action;
    unsigned needs, targets;
} actions[] = {
    {"rename", RULE_RENAME, NEEDS_VALUE, OF_ANY},
    {"convert-lowercase", RULE_LOWERCASE, 0, OF_ANY},
    {"convert-uppercase", RULE_UPPERCASE, 0, OF_ANY},
    {"add-prefix", RULE_ADD_PREFIX, NEEDS_VALUE, OF_ANY},
    {"remove-prefix", RULE_REMOVE_PREFIX, NEEDS_VALUE, OF_ANY},
    {"replace-prefix", RULE_REPLACE_PREFIX, NEEDS_VALUE | NEEDS_OLD_VALUE, OF_ANY},
    {"add-suffix", RULE_ADD_SUFFIX, NEEDS_VALUE, OF_ANY},
    {"remove-suffix", RULE_REMOVE_SUFFIX, NEEDS_VALUE, OF_ANY},
    {"replace-suffix", RULE_REPLACE_SUFFIX, NEEDS_VALUE | NEEDS_OLD_VALUE, OF_ANY},
    {"remove-column", RULE_REMOVE_COLUMN, 0, OF_COLUMN},
    {"include-column", RULE_INCLUDE_COLUMN, 0, OF_COLUMN},
    {"make-lowercase", RULE_LOWERCASE, 0, OF_ANY},
    {"make-uppercase", RULE_UPPERCASE, 0, OF_ANY},
};
enum { ACTION_COUNT = sizeof actions / sizeof *actions };

static const char *const targets[] = {"schema", "table", "column", "table-tablespace", "index-tablespace", NULL};
enum { TARGET_TABLESPACE = 3 };

static bool read_locator(const struct rule_source *source, const json_t *json, struct rule *rule, struct error *err) {
    static const char *const keys[] = {"schema-name", "table-name", "table-type", "column-name", "data-type", NULL};
    const json_t *locator = json_object_get(json, "object-locator");
    bool table = rule->target != RULE_SCHEMA, column = rule->target == RULE_COLUMN;
    return rule_check_keys(source, locator, "object-locator", keys, err) &&
           rule_read_text(source, locator, "schema-name", true, &rule->schema, err) &&
           rule_read_text(source, locator, "table-name", table, &rule->table, err) &&
           rule_read_text(source, locator, "column-name", column, &rule->column, err) &&
           rule_read_text(source, locator, "data-type", false, &rule->data_type, err);
}

static bool read_values(const struct rule_source *source, const json_t *json, const struct action *action,
                        struct rule *rule, struct error *err) {
    bool value = (action->needs & NEEDS_VALUE) != 0, old_value = (action->needs & NEEDS_OLD_VALUE) != 0;
    if (!rule_read_text(source, json, "value", value, &rule->value, err) ||
        !rule_read_text(source, json, "old-value", old_value, &rule->old_value, err))
        return error_prefix(err, "rule-action %s", action->name);
    bool empty =
        (value && *rule->value == '\0' && rule->action != RULE_REPLACE_PREFIX && rule->action != RULE_REPLACE_SUFFIX) ||
        (old_value && *rule->old_value == '\0');
    return !empty || rule_error(source, err, "rule-action %s takes no empty text", action->name);
}

/* What the rows are made of; the names of schema and table are not of them. */
static void keep_effect(const struct rule_source *source, const json_t *json, struct rule *rule) {
    json_t *copy = json_copy((json_t *)json);
    json_object_del(copy, "rule-id");
    json_object_del(copy, "rule-name");
    char *effect = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    rule->effect = arena_strdup(&source->mapping->arena, effect);
    free(effect);
}

bool rule_read_transformation(const struct rule_source *source, const json_t *json, struct rule *rule,
                              struct error *err) {
    static const char *const keys[] = {"rule-type",      "rule-id", "rule-name", "rule-target", "rule-action",
                                       "object-locator", "value",   "old-value", NULL};
    const char *names[ACTION_COUNT + 1] = {0};
    for (size_t i = 0; i < ACTION_COUNT; i++)
        names[i] = actions[i].name;
    int target, number;
    if (!rule_check_keys(source, json, "a transformation rule", keys, err) ||
        !rule_read_word(source, json, "rule-target", targets, &target, err))
        return false;
    rule->kind = RULE_SETTINGS;
    if (target >= TARGET_TABLESPACE) {
        log_info("%s: rule-id %s: %s has no effect here", source->mapping->path, source->id, targets[target]);
        return true;
    }
    if (!rule_read_word(source, json, "rule-action", names, &number, err))
        return false;
    const struct action *action = &actions[number];
    if ((action->targets & 1U << target) == 0)
        return rule_error(source, err, "rule-action %s is not for rule-target %s", action->name, targets[target]);
    rule->kind = RULE_TRANSFORMATION;
    rule->action = action->action;
    rule->target = (enum rule_target)target;
    if (rule->target == RULE_COLUMN || !rule_makes_names(rule))
        keep_effect(source, json, rule);
    return read_locator(source, json, rule, err) && read_values(source, json, action, rule, err);
}
