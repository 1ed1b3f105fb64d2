/* Rules as they were read. */
#ifndef SLUICE_MAPPING_RULE_H
#define SLUICE_MAPPING_RULE_H

#include <jansson.h>

#include "mapping/mapping.h"

enum rule_kind { RULE_SELECTION, RULE_TRANSFORMATION, RULE_SETTINGS };

enum rule_action {
    RULE_INCLUDE,
    RULE_EXCLUDE,
    RULE_EXPLICIT,
    /* of transformations */
    RULE_RENAME,
    RULE_LOWERCASE,
    RULE_UPPERCASE,
    RULE_ADD_PREFIX,
    RULE_REMOVE_PREFIX,
    RULE_REPLACE_PREFIX,
    RULE_ADD_SUFFIX,
    RULE_REMOVE_SUFFIX,
    RULE_REPLACE_SUFFIX, /* the last that makes names */
    RULE_REMOVE_COLUMN,
    RULE_INCLUDE_COLUMN,
};

enum rule_target { RULE_SCHEMA, RULE_TABLE, RULE_COLUMN };

/* One filter: its conditions are alternatives. */
struct rule_condition {
    enum mapping_operator operation;
    const char *low, *high; /* as written */
};
struct rule_filter {
    const char *column;
    struct rule_condition *conditions;
    size_t count;
};

struct rule {
    const char *id;
    enum rule_kind kind;
    enum rule_action action;
    const char *schema, *table; /* patterns */
    struct rule_filter *filters;
    size_t filter_count;
    int64_t load_order;
    bool has_load_order;
    const char *effect; /* what it does to rows, as canonical JSON; NULL: nothing */

    /* transformations */
    enum rule_target target;
    const char *column;            /* pattern; NULL: it speaks of no column */
    const char *data_type;         /* of the columns that it speaks of, as AWS DMS names it; NULL: any */
    const char *value, *old_value; /* a name, or a part of one */
};

struct mapping {
    struct arena arena; /* owns everything */
    const char *path;
    struct rule *rules; /* in the order of the file */
    size_t count;
};

/* Does the rule speak of this table? */
bool rule_is_of(const struct rule *rule, const char *schema, const char *table);
/* A transformation of columns: of this one? */
bool rule_is_of_column(const struct rule *rule, const struct table *table, const struct column *column);
static inline bool rule_makes_names(const struct rule *rule) {
    return rule->kind == RULE_TRANSFORMATION && rule->action >= RULE_RENAME && rule->action <= RULE_REPLACE_SUFFIX;
}

/* --- names.c */

/* The name that a rule which makes names makes of one; in the arena. */
const char *rule_make_name(const struct rule *rule, struct arena *arena, const char *name);

/* --- data_type.c: types as AWS DMS names them */

/* "int4", "numeric", …: the nearest name of a type. */
const char *data_type_name(struct type type);

/* --- parse.c: values of a rule's keys, for all kinds of rules */

struct rule_source {
    struct mapping *mapping;
    const char *id; /* of the rule, for messages; NULL: not known yet */
};

/* "<path>: rule-id <id>: …", kind CONFIG. False always. */
bool rule_error(const struct rule_source *source, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails on a key of the object that is not in `known` (NULL at the end). */
bool rule_check_keys(const struct rule_source *source, const json_t *object, const char *what, const char *const *known,
                     struct error *err);
/* The text of a key, numbers included, in the arena; *out NULL when it is not there, which `required` makes an error. */
bool rule_read_text(const struct rule_source *source, const json_t *object, const char *key, bool required,
                    const char **out, struct error *err);
/* The index in `words` (NULL at the end) of the text of a required key. */
bool rule_read_word(const struct rule_source *source, const json_t *object, const char *key, const char *const *words,
                    int *out, struct error *err);

/* --- parse_selection.c */
bool rule_read_selection(const struct rule_source *source, const json_t *json, struct rule *rule, struct error *err);

/* --- parse_transformation.c */
bool rule_read_transformation(const struct rule_source *source, const json_t *json, struct rule *rule,
                              struct error *err);

#endif
