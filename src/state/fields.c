#include "state/fields.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "model/value.h"

static bool is_true(const json_t *value) {
    return json_is_true(value) || (json_is_string(value) && strcasecmp(json_string_value(value), "true") == 0);
}

static bool fits(enum field_type type, const json_t *value) {
    switch (type) {
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL:
        return json_is_string(value);
    case FIELD_FLAG:
        return json_is_boolean(value) || json_is_string(value);
    case FIELD_INT64:
        return json_is_integer(value);
    case FIELD_INT32: /* a member is int or uint32_t; both hold what is not negative */
        return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= INT32_MAX;
    case FIELD_JSON:
        return true;
    }
    return false;
}

static void read_member(enum field_type type, json_t *value, struct arena *arena, void *member) {
    switch (type) {
    case FIELD_TEXT:
        *(const char **)member = arena_strdup(arena, json_string_value(value));
        break;
    case FIELD_TEXT_OR_NULL: {
        const char *text = json_string_value(value);
        bool none = text == NULL || text[0] == '\0' || strcasecmp(text, "null") == 0;
        *(const char **)member = none ? NULL : arena_strdup(arena, text);
        break;
    }
    case FIELD_FLAG:
        *(bool *)member = is_true(value);
        break;
    case FIELD_INT64:
        *(int64_t *)member = json_integer_value(value);
        break;
    case FIELD_INT32:
        *(int32_t *)member = (int32_t)json_integer_value(value);
        break;
    case FIELD_JSON:
        *(json_t **)member = value;
        break;
    }
}

bool fields_read(const struct field *fields, size_t count, const json_t *attributes, struct arena *arena, void *row,
                 struct error *err) {
    static const char *const wanted[] = {"a text", "a text", "true or false", "an integer", "an integer from 0", ""};
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        json_t *value = json_object_get(attributes, field->name);
        if (json_is_null(value))
            value = NULL;
        if (value != NULL && !fits(field->type, value))
            return error_set(err, ERROR_DATA, "attribute %s has to be %s", field->name, wanted[field->type]);
        read_member(field->type, value, arena, (char *)row + field->offset);
    }
    return true;
}

/* The length of the character that starts here; 0 when the bytes are none. */
static size_t character_length(const char *at) {
    for (size_t len = 1; len <= 4 && at[len - 1] != '\0'; len++)
        if (value_is_utf8((struct slice){at, len}))
            return len;
    return 0;
}

static json_t *text_to_json(const char *text) {
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char *copy = mem_strdup(text);
    for (char *at = copy; *at != '\0';) {
        size_t len = character_length(at);
        if (len == 0)
            *at = '?';
        at += len > 0 ? len : 1;
    }
    value = json_string(copy);
    assert(value != NULL);
    mem_free(copy);
    return value;
}

/* A new reference; NULL when there is no attribute. */
static json_t *member_to_json(enum field_type type, const void *member) {
    switch (type) {
    case FIELD_TEXT: {
        const char *text = *(const char *const *)member;
        return text != NULL ? text_to_json(text) : NULL;
    }
    case FIELD_TEXT_OR_NULL: {
        const char *text = *(const char *const *)member;
        return text_to_json(text != NULL ? text : "null");
    }
    case FIELD_FLAG:
        return json_string(*(const bool *)member ? "true" : "false");
    case FIELD_INT64:
        return json_integer(*(const int64_t *)member);
    case FIELD_INT32:
        return json_integer(*(const int32_t *)member);
    case FIELD_JSON:
        return json_incref(*(json_t *const *)member);
    }
    return NULL;
}

void fields_write(const struct field *fields, size_t count, const void *row, json_t *attributes) {
    for (size_t i = 0; i < count; i++) {
        json_t *value = member_to_json(fields[i].type, (const char *)row + fields[i].offset);
        if (value != NULL)
            json_object_set_new(attributes, fields[i].name, value);
        else
            json_object_del(attributes, fields[i].name);
    }
}
