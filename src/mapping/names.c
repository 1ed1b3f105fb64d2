/* Names that rules make of names. Several rules for one name are applied in the order of the file, each to what the one before
 * made; which names they speak of is judged by the source's. */
#include <string.h>

#include "base/buf.h"
#include "mapping/rule.h"

/* ASCII letters only: the case of others is a matter of language. */
static char *convert_case(struct arena *arena, const char *name, char from, int by) {
    char *out = arena_strdup(arena, name);
    for (char *p = out; *p != '\0'; p++)
        if (*p >= from && *p < from + 26)
            *p = (char)(*p + by);
    return out;
}

static bool has_prefix(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

static bool has_suffix(const char *name, const char *suffix) {
    size_t name_len = strlen(name), len = strlen(suffix);
    return name_len >= len && strcmp(name + name_len - len, suffix) == 0;
}

/* With another end; "" takes it away. */
static const char *replace_suffix(struct arena *arena, const char *name, const char *suffix, const char *by) {
    if (!has_suffix(name, suffix))
        return name;
    return arena_printf(arena, "%.*s%s", (int)(strlen(name) - strlen(suffix)), name, by);
}

static const char *replace_prefix(struct arena *arena, const char *name, const char *prefix, const char *by) {
    return has_prefix(name, prefix) ? arena_printf(arena, "%s%s", by, name + strlen(prefix)) : name;
}

const char *rule_make_name(const struct rule *rule, struct arena *arena, const char *name) {
    switch (rule->action) {
    case RULE_RENAME:
        return arena_strdup(arena, rule->value);
    case RULE_LOWERCASE:
        return convert_case(arena, name, 'A', 'a' - 'A');
    case RULE_UPPERCASE:
        return convert_case(arena, name, 'a', 'A' - 'a');
    case RULE_ADD_PREFIX:
        return arena_printf(arena, "%s%s", rule->value, name);
    case RULE_REMOVE_PREFIX:
        return replace_prefix(arena, name, rule->value, "");
    case RULE_REPLACE_PREFIX:
        return replace_prefix(arena, name, rule->old_value, rule->value);
    case RULE_ADD_SUFFIX:
        return arena_printf(arena, "%s%s", name, rule->value);
    case RULE_REMOVE_SUFFIX:
        return replace_suffix(arena, name, rule->value, "");
    case RULE_REPLACE_SUFFIX:
        return replace_suffix(arena, name, rule->old_value, rule->value);
    default:
        return name;
    }
}

struct mapping_name mapping_target(const struct mapping *mapping, struct arena *arena, const char *schema,
                                   const char *table) {
    struct mapping_name out = {schema, table};
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        if (!rule_makes_names(rule) || rule->target == RULE_COLUMN || !rule_is_of(rule, schema, table))
            continue;
        if (rule->target == RULE_SCHEMA)
            out.schema = rule_make_name(rule, arena, out.schema);
        else
            out.table = rule_make_name(rule, arena, out.table);
    }
    return (struct mapping_name){arena_strdup(arena, out.schema), arena_strdup(arena, out.table)};
}

bool rule_is_of_column(const struct rule *rule, const struct table *table, const struct column *column) {
    return rule->kind == RULE_TRANSFORMATION && rule->target == RULE_COLUMN && rule->column != NULL &&
           rule_is_of(rule, table->schema, table->name) && table_name_matches(rule->column, column->name) &&
           (rule->data_type == NULL || strcmp(rule->data_type, data_type_name(column->type)) == 0);
}
