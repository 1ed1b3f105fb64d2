/* The state: small items that capture, load and the command line share. SQLite by default, DynamoDB later.
 *
 * An item is a JSON object under (kind, key) with a version that every write raises. All writes go through
 * state_commit: a list of puts and deletes that happen together or not at all, each with the version it expects. That is
 * what SQLite and DynamoDB both do well, and all that the typed rows above it (controller.h, checkpoint.h, run.h) need. */
#ifndef SLUICE_STATE_STATE_H
#define SLUICE_STATE_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct state;

struct state_item {
    char *key;
    uint64_t version;   /* 1 at first put */
    json_t *attributes; /* object; owned */
};

struct state_items {
    struct state_item *items; /* sorted by key */
    size_t count;
};

enum { STATE_VERSION_ANY = 0 };         /* expected version: do not compare */
#define STATE_VERSION_ABSENT UINT64_MAX /* expected version: the item must not exist */

struct state_write {
    const char *kind;
    const char *key;
    uint64_t expected;        /* STATE_VERSION_ANY, STATE_VERSION_ABSENT or a version that was read */
    const json_t *attributes; /* NULL deletes; borrowed */
};

struct state_ops {
    const char *scheme; /* "sqlite" */
    bool (*open)(const char *location, struct state **out, struct error *err);
    void (*close)(struct state *state);
    bool (*get)(struct state *state, const char *kind, const char *key, struct state_item *out, bool *found,
                struct error *err);
    bool (*list)(struct state *state, const char *kind, const char *key_prefix, struct state_items *out,
                 struct error *err);
    bool (*commit)(struct state *state, const struct state_write *writes, size_t count, struct error *err);
    bool (*lock)(struct state *state, const char *name, struct error *err);
};

struct state {
    const struct state_ops *ops;
};

/* Opens by scheme through the registry's list; creates what is missing. Kind CONFIG for an unknown scheme or a state of
 * a newer version of sluice (the message says which version and what to do). Thread-safe once open; several processes
 * may have it open. Free with state_close. */
bool state_open(const char *location, struct state **out, struct error *err);
void state_close(struct state *state); /* NULL is fine */

/* *found false and true returned when there is no such item. Release with state_item_deinit. */
bool state_get(struct state *state, const char *kind, const char *key, struct state_item *out, bool *found,
               struct error *err);
/* All items of a kind whose key starts with key_prefix (""). Release with state_items_deinit. */
bool state_list(struct state *state, const char *kind, const char *key_prefix, struct state_items *out,
                struct error *err);
/* All or nothing, durable when it returns true. Kind CONFLICT when an expected version does not match: nothing written. */
bool state_commit(struct state *state, const struct state_write *writes, size_t count, struct error *err);

/* Takes the lock of that name until state_close, or the end of the process: of two captures of one task the second one does
 * not start. Waits a few seconds, for a process that is just ending; then kind CONFLICT. Once per open state. */
bool state_lock(struct state *state, const char *name, struct error *err);

void state_item_deinit(struct state_item *item);
void state_items_deinit(struct state_items *items);

/* Backends, listed in registry.c. */
extern const struct state_ops state_sqlite_ops;

#endif
