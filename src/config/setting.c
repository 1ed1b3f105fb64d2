/* One option: from its text in the file to its field. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/quantity.h"
#include "config/reading.h"
#include "config/schedule.h"
#include "model/type.h"

/* --- messages ---------------------------------------------------------------------------------------------------- */

bool reading_error(const struct reading *reading, unsigned line, struct error *err, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (line == 0)
        return error_set(err, ERROR_CONFIG, "%s: %s", reading->config->path, text);
    return error_set(err, ERROR_CONFIG, "%s:%u: %s", reading->config->path, line, text);
}

const char *place_name(const struct place *place, char out[OPTION_TEXT_BYTES]) {
    const char *section = place->section->name;
    snprintf(out, OPTION_TEXT_BYTES, "%s%s%s", section, section[0] != '\0' ? "." : "", place->option->name);
    return out;
}

/* The value is repeated in the message only when it is no secret. */
static bool error_not_accepted(const struct place *place, const char *value, struct error *err) {
    char name[OPTION_TEXT_BYTES], accepted[OPTION_TEXT_BYTES];
    option_describe(place->option, accepted);
    if (value == NULL || place->option->flags & OPTION_SECRET)
        return reading_error(place->reading, place->line, err, "%s must be %s", place_name(place, name), accepted);
    return reading_error(place->reading, place->line, err, "%s must be %s, not \"%.80s\"", place_name(place, name),
                         accepted, value);
}

/* --- ${ENV} ------------------------------------------------------------------------------------------------------ */

/* Appends the value of the variable that is named at *at, "${NAME}", and moves behind it. */
static bool expand_variable(const struct place *place, const char **at, struct buf *out, struct error *err) {
    const char *name = *at + 2, *end = strchr(name, '}');
    if (end == NULL || end == name)
        return reading_error(place->reading, place->line, err,
                             "%s has a ${ without a name and a }; write $${ for the text ${", place->option->name);
    char *variable = arena_strndup(&place->reading->config->arena, name, (size_t)(end - name));
    const char *value = getenv(variable);
    if (value == NULL)
        return reading_error(place->reading, place->line, err,
                             "the environment variable %s is not set; set it, or write the value of %s in its place",
                             variable, place->option->name);
    buf_append_text(out, value);
    *at = end + 1;
    return true;
}

/* Copies text with each ${NAME} replaced by the environment's value; $${ stands for ${. */
static bool expand(const struct place *place, const char *text, const char **out, struct error *err) {
    struct buf buf;
    bool ok = true;
    buf_init(&buf, BUF_MAX_DEFAULT);
    for (const char *p = text; *p != '\0' && ok;) {
        if (strncmp(p, "$${", 3) == 0) {
            buf_append_text(&buf, "${");
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            ok = expand_variable(place, &p, &buf, err);
        } else {
            buf_append_char(&buf, *p++);
        }
    }
    if (ok)
        *out = arena_strndup(&place->reading->config->arena, buf.data, buf.len);
    buf_deinit(&buf);
    return ok;
}

/* --- one value --------------------------------------------------------------------------------------------------- */

/* "\n" of a plain scalar is two characters to YAML; DMS's users write it so. Works in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        const char *which = *p == '\\' && p[1] != '\0' ? strchr("nrt\\", p[1]) : NULL;
        *to++ = which != NULL ? "\n\r\t\\"[which - "nrt\\"] : *p;
        p += which != NULL;
    }
    *to = '\0';
}

static bool set_text(const struct place *place, const char *text, const char **field, struct error *err) {
    const struct option *option = place->option;
    char *copy = arena_strdup(&place->reading->config->arena, text);
    if (option->flags & OPTION_ESCAPES)
        unescape(copy);
    int64_t len = (int64_t)strlen(copy);
    if (option->max != 0 && (len < option->min || len > option->max))
        return error_not_accepted(place, text, err);
    *field = copy;
    return true;
}

/* Index of the word, in any case, or -1. */
static int find_word(const struct option *option, const char *text) {
    for (int i = 0; option->words[i] != NULL; i++)
        if (strcasecmp(option->words[i], text) == 0)
            return i;
    return -1;
}

static bool parse_bool(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(words[i], text) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return false;
}

static bool parse_integer(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != ' ';
}

static bool parse_number(const struct option *option, const char *text, int64_t *out) {
    int64_t value = 0;
    int64_t scale = 1; /* of the parsed amount to the field's unit */
    bool ok = false;
    if (option->kind == OPTION_INTEGER) {
        ok = parse_integer(text, &value);
    } else if (option->kind == OPTION_DURATION) {
        ok = quantity_parse_duration(text, &value);
        scale = option->unit * 1000;
    } else {
        ok = quantity_parse_size(text, option->unit, &value);
        scale = option->unit;
    }
    *out = value / scale;
    return ok && value % scale == 0 && *out >= option->min && *out <= option->max;
}

static bool set_schedule(const struct place *place, const char *text, const char **field, struct error *err) {
    struct schedule schedule;
    struct error why = {0};
    char name[OPTION_TEXT_BYTES];
    if (!schedule_parse(text, &schedule, &why))
        return reading_error(place->reading, place->line, err, "%s: %s", place_name(place, name), why.message);
    *field = arena_strdup(&place->reading->config->arena, text);
    return true;
}

/* Sets a field from one text: every kind but NAMES and TYPES. */
static bool set_scalar(const struct place *place, const char *text, void *field, struct error *err) {
    const struct option *option = place->option;
    int word = option->words != NULL ? find_word(option, text) : -1;
    switch (option->kind) {
    case OPTION_TEXT:
        return set_text(place, text, field, err);
    case OPTION_WORD:
        if (word >= 0)
            *(const char **)field = option->words[word];
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_ENUM:
        if (word >= 0)
            *(unsigned *)field = (unsigned)word;
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_SWITCH:
        if (word >= 0)
            *(bool *)field = word == 1;
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_BOOL:
        return parse_bool(text, field) || error_not_accepted(place, text, err);
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return parse_number(option, text, field) || error_not_accepted(place, text, err);
    case OPTION_SCHEDULE:
        return set_schedule(place, text, field, err);
    case OPTION_NAMES:
    case OPTION_TYPES:
        break;
    }
    assert(false && "a scalar kind");
    return false;
}

/* --- lists of names and maps of types ------------------------------------------------------------------------------- */

struct name_list {
    const char **names;
    size_t count, capacity;
};

/* Up to the next comma; those within parentheses are part of a transform: truncate(10, id). */
static size_t name_length(const char *text) {
    size_t len = 0;
    for (int depth = 0; text[len] != '\0' && (text[len] != ',' || depth > 0); len++)
        depth += (text[len] == '(') - (text[len] == ')' && depth > 0);
    return len;
}

static bool add_name(const struct place *place, const char *name, struct name_list *list, struct error *err) {
    char option[OPTION_TEXT_BYTES];
    if (name[0] == '\0' || name[name_length(name)] != '\0')
        return reading_error(place->reading, place->line, err,
                             "%s: \"%.80s\" cannot be a key column: its name is empty or has a comma",
                             place_name(place, option), name);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return reading_error(place->reading, place->line, err, "%s names \"%.80s\" twice",
                                 place_name(place, option), name);
    list->names = mem_grow(list->names, list->count, &list->capacity, sizeof *list->names);
    list->names[list->count++] = name;
    return true;
}

/* "a, b" */
static bool add_names_of_text(const struct place *place, const char *text, struct name_list *list, struct error *err) {
    for (const char *at = text; at != NULL;) {
        size_t len = name_length(at);
        const char *end = at + len;
        for (; len > 0 && *at == ' '; len--)
            at++;
        while (len > 0 && at[len - 1] == ' ')
            len--;
        if (!add_name(place, arena_strndup(&place->reading->config->arena, at, len), list, err))
            return false;
        at = *end == ',' ? end + 1 : NULL;
    }
    return true;
}

static bool add_names(const struct place *place, const struct yaml_node *node, struct name_list *list,
                      struct error *err) {
    const char *text;
    if (yaml_is_null(node))
        return true;
    if (node->kind == NODE_MAP)
        return error_not_accepted(place, NULL, err);
    if (node->kind == NODE_SCALAR)
        return expand(place, node->text, &text, err) && add_names_of_text(place, text, list, err);
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next) {
        if (entry->kind != NODE_SCALAR)
            return error_not_accepted(place, NULL, err);
        if (!expand(place, entry->text, &text, err) || !add_name(place, text, list, err))
            return false;
    }
    return true;
}

static bool set_names(const struct place *place, const struct yaml_node *node, const char *const **field, size_t *count,
                      struct error *err) {
    struct name_list list = {0};
    bool ok = add_names(place, node, &list, err);
    if (ok && list.count > 0) {
        const char **names = arena_alloc(&place->reading->config->arena, list.count * sizeof *names);
        memcpy(names, list.names, list.count * sizeof *names);
        *field = names;
    }
    *count = ok ? list.count : 0;
    mem_free(list.names);
    return ok;
}

static bool set_types(const struct place *place, const struct yaml_node *node, const struct config_column_type **field,
                      size_t *count, struct error *err) {
    struct config *config = place->reading->config;
    if (yaml_is_null(node))
        return true;
    if (node->kind != NODE_MAP)
        return error_not_accepted(place, NULL, err);
    size_t entries = 0;
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
        entries++;
    struct config_column_type *types = arena_alloc(&config->arena, entries * sizeof *types);
    *field = types;
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next) {
        struct type type;
        const char *text = NULL;
        if (entry->kind == NODE_SCALAR && !expand(place, entry->text, &text, err))
            return false;
        if (text == NULL || !type_parse(text, &type))
            return reading_error(
                place->reading, entry->line, err,
                "column \"%.80s\": %s%.80s%s no type; such as bigint, decimal(10,2), timestamp, varchar", entry->key,
                text != NULL ? "\"" : "this", text != NULL ? text : "", text != NULL ? "\" is" : " is");
        types[(*count)++] = (struct config_column_type){arena_strdup(&config->arena, entry->key), text};
    }
    return true;
}

/* --- any option ---------------------------------------------------------------------------------------------------- */

bool setting_from_node(const struct place *place, const struct yaml_node *node, char *base, struct error *err) {
    const struct option *option = place->option;
    void *field = base + option->offset;
    bool is_null = yaml_is_null(node) && !(option->flags & OPTION_NULL_IS_TEXT && node->text[0] != '\0');
    if (option->kind != OPTION_NAMES && is_null) {
        if (option->flags & OPTION_TAKES_NULL)
            *(const char **)field = NULL;
        return true;
    }
    if (option->set_offset != 0)
        *(bool *)(base + option->set_offset) = true;
    if (option->kind == OPTION_NAMES)
        return set_names(place, node, field, (size_t *)(void *)(base + option->count_offset), err);
    if (option->kind == OPTION_TYPES)
        return set_types(place, node, field, (size_t *)(void *)(base + option->count_offset), err);
    const char *text;
    if (node->kind != NODE_SCALAR)
        return error_not_accepted(place, NULL, err);
    return expand(place, node->text, &text, err) && set_scalar(place, text, field, err);
}

void setting_from_default(const struct place *place, char *base) {
    const struct option *option = place->option;
    struct error err = {0};
    if (option->fallback != NULL && !set_scalar(place, option->fallback, base + option->offset, &err))
        assert(false && "a default of the option table is accepted");
}
