/* Which tables the rules choose, and what they say of each. */
#include <string.h>

#include "base/buf.h"
#include "mapping/rule.h"

bool rule_is_of(const struct rule *rule, const char *schema, const char *table) {
    if (rule->kind == RULE_SETTINGS)
        return false;
    if (rule->kind == RULE_TRANSFORMATION && rule->table == NULL)
        return table_name_matches(rule->schema, schema);
    if (rule->kind == RULE_SELECTION && rule->action == RULE_EXPLICIT) /* names: "_" in them is only itself */
        return strcmp(rule->schema, schema) == 0 && strcmp(rule->table, table) == 0;
    return table_name_matches(rule->schema, schema) && table_name_matches(rule->table, table);
}

bool mapping_has_selection(const struct mapping *mapping) {
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++)
        if (mapping->rules[i].kind == RULE_SELECTION && mapping->rules[i].action != RULE_EXCLUDE)
            return true;
    return false;
}

bool mapping_selects(const struct mapping *mapping, const char *schema, const char *table) {
    bool included = false;
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        if (rule->kind != RULE_SELECTION || !rule_is_of(rule, schema, table))
            continue;
        if (rule->action == RULE_EXCLUDE)
            return false;
        included = true;
    }
    return included;
}

int64_t mapping_load_order(const struct mapping *mapping, const char *schema, const char *table) {
    bool found = false;
    int64_t order = 0;
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        if (!rule->has_load_order || rule->action == RULE_EXCLUDE || !rule_is_of(rule, schema, table))
            continue;
        if (!found || rule->load_order > order)
            order = rule->load_order;
        found = true;
    }
    return order;
}

struct mapping_name mapping_find_missing(const struct mapping *mapping, struct table *const *tables, size_t count) {
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        bool there = rule->kind != RULE_SELECTION || rule->action != RULE_EXPLICIT;
        for (size_t t = 0; !there && t < count; t++)
            there = rule_is_of(rule, tables[t]->schema, tables[t]->name);
        if (!there)
            return (struct mapping_name){rule->schema, rule->table};
    }
    return (struct mapping_name){0};
}

const char *mapping_fingerprint(const struct mapping *mapping, struct arena *arena, const char *schema,
                                const char *table) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        if (rule->effect != NULL && rule_is_of(rule, schema, table))
            buf_printf(&text, "%s\n", rule->effect);
    }
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211U;
    const char *out = text.len > 0 ? arena_printf(arena, "%016llx", (unsigned long long)hash) : NULL;
    buf_deinit(&text);
    return out;
}
