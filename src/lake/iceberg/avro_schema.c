/* Avro schemas: JSON to a tree of types. A named type may be named again behind its definition, so the tree can share
 * branches; a type within itself is refused, because no file of Iceberg has one. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "lake/iceberg/avro.h"

struct parser {
    struct arena *arena;
    struct avro_schema **named; /* complete named types, in order of definition */
    size_t named_count, named_capacity;
    size_t node_count;
    unsigned depth;
    struct error *err;
};

static const struct {
    const char *name;
    enum avro_kind kind;
} primitives[] = {
    {"null", AVRO_NULL},   {"boolean", AVRO_BOOLEAN}, {"int", AVRO_INT},     {"long", AVRO_LONG},
    {"float", AVRO_FLOAT}, {"double", AVRO_DOUBLE},   {"bytes", AVRO_BYTES}, {"string", AVRO_STRING},
};

static struct avro_schema *parse_type(struct parser *parser, const json_t *json);

static struct avro_schema *fail(struct parser *parser, const char *what, const char *detail) {
    error_set(parser->err, ERROR_DATA, "Avro schema: %s%s%.100s", what, detail != NULL ? " " : "",
              detail != NULL ? detail : "");
    return NULL;
}

static struct avro_schema *new_node(struct parser *parser, enum avro_kind kind) {
    if (++parser->node_count > AVRO_SCHEMA_MAX_NODES)
        return fail(parser, "it has too many types", NULL);
    struct avro_schema *schema = arena_alloc(parser->arena, sizeof *schema);
    schema->kind = kind;
    return schema;
}

/* The last part of "org.apache.x.Name": writers of Iceberg's files never need the rest to tell types apart. */
static const char *short_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

static struct avro_schema *find_named(const struct parser *parser, const char *name) {
    for (size_t i = parser->named_count; i-- > 0;)
        if (strcmp(parser->named[i]->name, short_name(name)) == 0)
            return parser->named[i];
    return NULL;
}

static bool add_named(struct parser *parser, struct avro_schema *schema, const json_t *json) {
    const char *name = json_string_value(json_object_get(json, "name"));
    if (name == NULL) {
        fail(parser, "a record, fixed or enum has no name", NULL);
        return false;
    }
    schema->name = arena_strdup(parser->arena, short_name(name));
    parser->named = mem_grow(parser->named, parser->named_count, &parser->named_capacity, sizeof(struct avro_schema *));
    parser->named[parser->named_count++] = schema;
    return true;
}

static struct avro_schema *parse_name(struct parser *parser, const char *name) {
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (strcmp(primitives[i].name, name) == 0)
            return new_node(parser, primitives[i].kind);
    struct avro_schema *named = find_named(parser, name);
    return named != NULL ? named : fail(parser, "there is no type", name);
}

/* --- types made of types */

static int32_t id_of(const json_t *json, const char *key) {
    const json_t *id = json_object_get(json, key);
    json_int_t value = json_integer_value(id);
    return json_is_integer(id) && value >= 0 && value <= INT32_MAX ? (int32_t)value : AVRO_NO_ID;
}

static void alloc_fields(struct parser *parser, struct avro_schema *schema, size_t count) {
    schema->fields = arena_alloc(parser->arena, (count + 1) * sizeof *schema->fields);
    schema->field_count = count;
}

static bool set_field(struct parser *parser, struct avro_schema *schema, size_t index, const char *name, int32_t id,
                      const json_t *type) {
    struct avro_field *field = &schema->fields[index];
    field->name = arena_strdup(parser->arena, name);
    field->id = id;
    field->type = parse_type(parser, type);
    if (field->type == NULL)
        return false;
    if (field->type->height >= AVRO_DEPTH_MAX) /* a chain of named types can be deeper than the JSON is */
        return fail(parser, "its types are nested too deeply", NULL) != NULL;
    if (schema->height <= field->type->height)
        schema->height = (uint8_t)(field->type->height + 1);
    return true;
}

static struct avro_schema *parse_record(struct parser *parser, const json_t *json) {
    struct avro_schema *schema = new_node(parser, AVRO_RECORD);
    const json_t *fields = json_object_get(json, "fields");
    if (schema == NULL)
        return NULL;
    if (!json_is_array(fields))
        return fail(parser, "a record has no fields", NULL);
    alloc_fields(parser, schema, json_array_size(fields));
    for (size_t i = 0; i < schema->field_count; i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        if (name == NULL)
            return fail(parser, "a field has no name", NULL);
        if (!set_field(parser, schema, i, name, id_of(field, "field-id"), json_object_get(field, "type")))
            return NULL;
    }
    return add_named(parser, schema, json) ? schema : NULL;
}

/* An array of key-value records becomes the MAP that it means. */
static struct avro_schema *parse_array(struct parser *parser, const json_t *json) {
    struct avro_schema *schema = new_node(parser, AVRO_ARRAY);
    if (schema == NULL)
        return NULL;
    alloc_fields(parser, schema, 1);
    if (!set_field(parser, schema, 0, "element", id_of(json, "element-id"), json_object_get(json, "items")))
        return NULL;
    const char *logical = json_string_value(json_object_get(json, "logicalType"));
    if (logical == NULL || strcmp(logical, "map") != 0)
        return schema;
    const struct avro_schema *items = schema->fields[0].type;
    if (items->kind != AVRO_RECORD || items->field_count != 2)
        return fail(parser, "an array with the logical type map is not one of records of a key and a value", NULL);
    schema->kind = AVRO_MAP;
    schema->fields = items->fields;
    schema->field_count = 2;
    return schema;
}

static struct avro_schema *parse_map(struct parser *parser, const json_t *json) {
    struct avro_schema *schema = new_node(parser, AVRO_MAP);
    struct avro_schema *key = schema != NULL ? new_node(parser, AVRO_STRING) : NULL;
    if (key == NULL)
        return NULL;
    alloc_fields(parser, schema, 2);
    schema->fields[0] = (struct avro_field){"key", id_of(json, "key-id"), key};
    return set_field(parser, schema, 1, "value", id_of(json, "value-id"), json_object_get(json, "values")) ? schema
                                                                                                           : NULL;
}

static struct avro_schema *parse_union(struct parser *parser, const json_t *json) {
    struct avro_schema *schema = new_node(parser, AVRO_UNION);
    if (schema == NULL)
        return NULL;
    if (json_array_size(json) == 0)
        return fail(parser, "a union has no branch", NULL);
    alloc_fields(parser, schema, json_array_size(json));
    for (size_t i = 0; i < schema->field_count; i++) {
        if (!set_field(parser, schema, i, "", AVRO_NO_ID, json_array_get(json, i)))
            return NULL;
        if (schema->fields[i].type->kind == AVRO_UNION)
            return fail(parser, "a union is directly within a union", NULL);
    }
    return schema;
}

static struct avro_schema *parse_sized(struct parser *parser, enum avro_kind kind, const json_t *json) {
    struct avro_schema *schema = new_node(parser, kind);
    if (schema == NULL)
        return NULL;
    json_int_t size = kind == AVRO_FIXED ? json_integer_value(json_object_get(json, "size"))
                                         : (json_int_t)json_array_size(json_object_get(json, "symbols"));
    if (size < 0 || size > INT32_MAX)
        return fail(parser, "a fixed has no valid size", NULL);
    schema->size = (uint32_t)size;
    return add_named(parser, schema, json) ? schema : NULL;
}

static struct avro_schema *parse_object(struct parser *parser, const json_t *json) {
    const json_t *type = json_object_get(json, "type");
    const char *name = json_string_value(type);
    if (name == NULL)
        return parse_type(parser, type); /* {"type": {"type": …}} */
    if (strcmp(name, "record") == 0)
        return parse_record(parser, json);
    if (strcmp(name, "array") == 0)
        return parse_array(parser, json);
    if (strcmp(name, "map") == 0)
        return parse_map(parser, json);
    if (strcmp(name, "fixed") == 0)
        return parse_sized(parser, AVRO_FIXED, json);
    if (strcmp(name, "enum") == 0)
        return parse_sized(parser, AVRO_ENUM, json);
    return parse_name(parser, name);
}

static struct avro_schema *parse_type(struct parser *parser, const json_t *json) {
    if (++parser->depth > AVRO_DEPTH_MAX)
        return fail(parser, "its types are nested too deeply", NULL);
    struct avro_schema *schema = NULL;
    if (json_is_string(json))
        schema = parse_name(parser, json_string_value(json));
    else if (json_is_array(json))
        schema = parse_union(parser, json);
    else if (json_is_object(json))
        schema = parse_object(parser, json);
    else
        fail(parser, "a type is missing", NULL);
    const char *logical = json_string_value(json_object_get(json, "logicalType"));
    if (schema != NULL && logical != NULL && strcmp(logical, "decimal") == 0)
        schema->is_decimal = schema->kind == AVRO_FIXED || schema->kind == AVRO_BYTES;
    parser->depth--;
    return schema;
}

struct avro_schema *avro_schema_parse(struct arena *arena, struct slice json, struct error *err) {
    json_error_t problem;
    json_t *root = json_loadb(json.data, json.len, JSON_DECODE_ANY, &problem);
    if (root == NULL) {
        error_set(err, ERROR_DATA, "Avro schema: %s", problem.text);
        return NULL;
    }
    struct parser parser = {.arena = arena, .err = err};
    struct avro_schema *schema = parse_type(&parser, root);
    mem_free(parser.named);
    json_decref(root);
    return schema;
}
