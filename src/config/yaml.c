#include "config/yaml.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* A document is a stream of events; a collection's events lie between its START and its END:
 *     STREAM-START DOCUMENT-START  MAP-START SCALAR(key) <value> … MAP-END  DOCUMENT-END STREAM-END */
struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct arena *arena;
    const char *path;
};

static unsigned line_of(const struct reader *reader) { return (unsigned)reader->event.start_mark.line + 1; }

static bool set_parser_error(const struct reader *reader, struct error *err) {
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_READER_ERROR)
        return error_set(err, ERROR_CONFIG, "%s: byte %zu: %s", reader->path, parser->problem_offset, parser->problem);
    const char *problem = parser->problem != NULL ? parser->problem : "this is not YAML";
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    if (parser->context == NULL)
        return error_set(err, ERROR_CONFIG, "%s:%u: %s", reader->path, line, problem);
    return error_set(err, ERROR_CONFIG, "%s:%u: %s (%s that begins in line %u)", reader->path, line, problem,
                     parser->context, (unsigned)parser->context_mark.line + 1);
}

static bool next_event(struct reader *reader, struct error *err) {
    yaml_event_delete(&reader->event);
    if (!yaml_parser_parse(&reader->parser, &reader->event))
        return set_parser_error(reader, err);
    return true;
}

static bool refuse_extras(const struct reader *reader, const yaml_char_t *anchor, const yaml_char_t *tag,
                          struct error *err) {
    if (anchor != NULL)
        return error_set(err, ERROR_CONFIG, "%s:%u: anchors (&%s) are not supported; write the value out", reader->path,
                         line_of(reader), (const char *)anchor);
    if (tag != NULL)
        return error_set(err, ERROR_CONFIG, "%s:%u: tags (%s) are not supported", reader->path, line_of(reader),
                         (const char *)tag);
    return true;
}

static bool read_node(struct reader *reader, unsigned depth, struct yaml_node **out, struct error *err);

static bool read_scalar(struct reader *reader, struct yaml_node *node, struct error *err) {
    size_t len = reader->event.data.scalar.length;
    node->text = arena_strndup(reader->arena, (const char *)reader->event.data.scalar.value, len);
    node->plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(node->text) != len)
        return error_set(err, ERROR_CONFIG, "%s:%u: a value cannot hold a zero byte", reader->path, node->line);
    return refuse_extras(reader, reader->event.data.scalar.anchor, reader->event.data.scalar.tag, err);
}

/* Reads a map's key, the current event, and moves to its value. */
static bool read_key(struct reader *reader, const struct yaml_node *map, const char **key, struct error *err) {
    unsigned line = line_of(reader);
    if (reader->event.type != YAML_SCALAR_EVENT)
        return error_set(err, ERROR_CONFIG, "%s:%u: a key must be a word", reader->path, line);
    *key = arena_strdup(reader->arena, (const char *)reader->event.data.scalar.value);
    const struct yaml_node *twin = yaml_find(map, *key);
    if (twin != NULL)
        return error_set(err, ERROR_CONFIG, "%s:%u: key \"%s\" is there already, in line %u", reader->path, line, *key,
                         twin->key_line);
    return next_event(reader, err);
}

static bool read_entries(struct reader *reader, struct yaml_node *parent, unsigned depth, struct error *err) {
    yaml_event_type_t end = parent->kind == NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    struct yaml_node **tail = &parent->first;
    if (!next_event(reader, err))
        return false;
    while (reader->event.type != end) {
        const char *key = NULL;
        unsigned key_line = line_of(reader);
        if (parent->kind == NODE_MAP && !read_key(reader, parent, &key, err))
            return false;
        struct yaml_node *entry;
        if (!read_node(reader, depth + 1, &entry, err))
            return false;
        entry->key = key;
        entry->key_line = key_line;
        *tail = entry;
        tail = &entry->next;
        if (!next_event(reader, err))
            return false;
    }
    return true;
}

/* Reads the node that begins with the current event, up to its last event. */
static bool read_node(struct reader *reader, unsigned depth, struct yaml_node **out, struct error *err) {
    struct yaml_node *node = arena_alloc(reader->arena, sizeof *node);
    node->line = line_of(reader);
    *out = node;
    if (depth > YAML_MAX_DEPTH)
        return error_set(err, ERROR_CONFIG, "%s:%u: nested more than %d levels deep", reader->path, node->line,
                         YAML_MAX_DEPTH);
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        node->kind = NODE_SCALAR;
        return read_scalar(reader, node, err);
    case YAML_SEQUENCE_START_EVENT:
        node->kind = NODE_LIST;
        return refuse_extras(reader, reader->event.data.sequence_start.anchor, reader->event.data.sequence_start.tag,
                             err) &&
               read_entries(reader, node, depth, err);
    case YAML_MAPPING_START_EVENT:
        node->kind = NODE_MAP;
        return refuse_extras(reader, reader->event.data.mapping_start.anchor, reader->event.data.mapping_start.tag,
                             err) &&
               read_entries(reader, node, depth, err);
    case YAML_ALIAS_EVENT:
        return error_set(err, ERROR_CONFIG, "%s:%u: aliases (*%s) are not supported; write the value out", reader->path,
                         node->line, (const char *)reader->event.data.alias.anchor);
    default:
        assert(false && "libyaml gives a node where a node must be");
        return false;
    }
}

static bool read_document(struct reader *reader, struct yaml_node **out, struct error *err) {
    if (!next_event(reader, err) || !next_event(reader, err)) /* STREAM-START, then DOCUMENT-START or STREAM-END */
        return false;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next_event(reader, err) || !read_node(reader, 0, out, err))
        return false;
    if (!next_event(reader, err) || !next_event(reader, err)) /* DOCUMENT-END, then STREAM-END */
        return false;
    if (reader->event.type != YAML_STREAM_END_EVENT)
        return error_set(err, ERROR_CONFIG, "%s:%u: a second document begins here; there must be one", reader->path,
                         line_of(reader));
    return true;
}

bool yaml_parse(struct arena *arena, const char *text, size_t len, const char *path, struct yaml_node **out,
                struct error *err) {
    *out = NULL;
    if (len > YAML_MAX_BYTES)
        return error_set(err, ERROR_CONFIG, "%s: larger than %d MB; this is no configuration", path,
                         YAML_MAX_BYTES >> 20);
    struct reader reader = {.arena = arena, .path = path};
    if (!yaml_parser_initialize(&reader.parser))
        return error_set(err, ERROR_INTERNAL, "%s: libyaml has no memory", path);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
    bool ok = read_document(&reader, out, err);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return ok;
}

const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key) {
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (const struct yaml_node *entry = map->first; entry != NULL; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node) {
    return node->kind == NODE_SCALAR && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0);
}
