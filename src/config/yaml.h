/* A YAML document as a tree that knows its line numbers: what libyaml's events say, and nothing else of YAML. Anchors,
 * aliases, tags and several documents are refused; so is a key that is there twice. JSON is YAML. */
#ifndef SLUICE_CONFIG_YAML_H
#define SLUICE_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

enum yaml_node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct yaml_node {
    enum yaml_node_kind kind;
    unsigned line;    /* from 1 */
    const char *text; /* SCALAR, without quotes; may hold any bytes but 0 */
    bool plain;       /* SCALAR: written without quotes, so that `null` is no text */
    const char *key;  /* of an entry of a map */
    unsigned key_line;
    struct yaml_node *first; /* LIST, MAP: the entries, in order */
    struct yaml_node *next;  /* the next entry of the same parent */
};

/* Limits of one document, so that a wrong file is an error and not a full memory. */
enum { YAML_MAX_BYTES = 1 << 20, YAML_MAX_DEPTH = 16 };

/* The root of the document, or NULL for an empty one; everything lives in the arena. Kind CONFIG: `path:line: what`. */
bool yaml_parse(struct arena *arena, const char *text, size_t len, const char *path, struct yaml_node **out,
                struct error *err);

/* The entry of a map, or NULL. `map` may be NULL. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);

/* A plain empty, ~ or null. */
bool yaml_is_null(const struct yaml_node *node);

#endif
