/* The table-mapping JSON: {"rules": [{"rule-type", "rule-id", …}]}. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "mapping/rule.h"

enum { RULES_MAX = 100000 };

/* --- keys and their values */

bool rule_error(const struct rule_source *source, struct error *err, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (source->id != NULL)
        return error_set(err, ERROR_CONFIG, "%s: rule-id %s: %s", source->mapping->path, source->id, text);
    return error_set(err, ERROR_CONFIG, "%s: %s", source->mapping->path, text);
}

static bool error_unknown(const struct rule_source *source, const char *what, const char *word,
                          const char *const *known, struct error *err) {
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    for (size_t i = 0; known[i] != NULL; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", known[i]);
    rule_error(source, err, "%s \"%.100s\" is not known; known are %s", what, word, names.data);
    buf_deinit(&names);
    return false;
}

bool rule_check_keys(const struct rule_source *source, const json_t *object, const char *what, const char *const *known,
                     struct error *err) {
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return rule_error(source, err, "%s has to be an object: {…}", what);
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL) {
            char name[100];
            snprintf(name, sizeof name, "%s: the key", what);
            return error_unknown(source, name, key, known, err);
        }
    }
    return true;
}

bool rule_read_text(const struct rule_source *source, const json_t *object, const char *key, bool required,
                    const char **out, struct error *err) {
    const json_t *value = json_object_get(object, key);
    *out = NULL;
    if (json_is_string(value))
        *out = arena_strdup(&source->mapping->arena, json_string_value(value));
    else if (json_is_integer(value))
        *out = arena_printf(&source->mapping->arena, "%lld", (long long)json_integer_value(value));
    else if (value != NULL && !json_is_null(value))
        return rule_error(source, err, "\"%s\" has to be a text", key);
    return *out != NULL || !required || rule_error(source, err, "\"%s\" is missing", key);
}

bool rule_read_word(const struct rule_source *source, const json_t *object, const char *key, const char *const *words,
                    int *out, struct error *err) {
    const char *text;
    if (!rule_read_text(source, object, key, true, &text, err))
        return false;
    for (*out = 0; words[*out] != NULL; ++*out)
        if (strcmp(words[*out], text) == 0)
            return true;
    return error_unknown(source, key, text, words, err);
}

/* --- rules */

/* Numbers of rows per thread and limits of large objects: nothing that changes what arrives. */
static bool read_settings(const struct rule_source *source, struct rule *rule, struct error *err) {
    (void)err;
    rule->kind = RULE_SETTINGS;
    log_info("%s: rule-id %s: table-settings have no effect here (max_full_load_sub_tasks says how many tables are "
             "read at once; values are never cut)",
             source->mapping->path, source->id);
    return true;
}

static bool id_is_taken(const struct mapping *mapping, const char *id) {
    for (size_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->rules[i].id, id) == 0)
            return true;
    return false;
}

static bool read_rule(struct mapping *mapping, const json_t *json, struct rule *rule, struct error *err) {
    static const char *const types[] = {"selection", "transformation", "table-settings", NULL};
    enum { TYPE_SELECTION, TYPE_TRANSFORMATION };
    struct rule_source source = {.mapping = mapping};
    int type;
    if (!json_is_object(json))
        return rule_error(&source, err, "rule %zu has to be an object: {…}", mapping->count + 1);
    if (!rule_read_text(&source, json, "rule-id", true, &rule->id, err))
        return error_prefix(err, "rule %zu", mapping->count + 1);
    source.id = rule->id;
    if (id_is_taken(mapping, rule->id))
        return rule_error(&source, err, "this rule-id is there twice");
    if (!rule_read_word(&source, json, "rule-type", types, &type, err))
        return false;
    if (type == TYPE_SELECTION)
        return rule_read_selection(&source, json, rule, err);
    if (type == TYPE_TRANSFORMATION)
        return rule_read_transformation(&source, json, rule, err);
    return read_settings(&source, rule, err);
}

static bool read_rules(struct mapping *mapping, const json_t *root, struct error *err) {
    static const char *const keys[] = {"rules", NULL};
    struct rule_source source = {.mapping = mapping};
    const json_t *rules = json_object_get(root, "rules");
    size_t count = json_array_size(rules);
    if (!rule_check_keys(&source, root, "the file", keys, err))
        return false;
    if (!json_is_array(rules) || count > RULES_MAX)
        return rule_error(&source, err, "\"rules\" has to be a list of at most %d rules", RULES_MAX);
    mapping->rules = arena_alloc(&mapping->arena, (count + 1) * sizeof *mapping->rules);
    for (; mapping->count < count; mapping->count++)
        if (!read_rule(mapping, json_array_get(rules, mapping->count), &mapping->rules[mapping->count], err))
            return false;
    return mapping_has_selection(mapping) ||
           rule_error(&source, err,
                      "there is no selection rule that includes a table; such as {\"rule-type\": "
                      "\"selection\", \"rule-id\": \"1\", \"object-locator\": {\"schema-name\": \"shop\", "
                      "\"table-name\": \"%%\"}, \"rule-action\": \"include\"}");
}

bool mapping_parse(const char *text, size_t len, const char *path, struct mapping **out, struct error *err) {
    *out = NULL;
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return error_set(err, ERROR_CONFIG, "%s:%d: %s", path, why.line, why.text);
    struct mapping *mapping = mem_zalloc(sizeof *mapping);
    arena_init(&mapping->arena);
    mapping->path = arena_strdup(&mapping->arena, path);
    bool ok = read_rules(mapping, root, err);
    json_decref(root);
    if (ok)
        *out = mapping;
    else
        mapping_free(mapping);
    return ok;
}

void mapping_free(struct mapping *mapping) {
    if (mapping == NULL)
        return;
    arena_deinit(&mapping->arena);
    mem_free(mapping);
}
