#include "state/state.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "registry.h"

static const struct state_ops *find_backend(const char *location) {
    for (const struct state_ops *const *ops = registry_states; *ops != NULL; ops++) {
        size_t len = strlen((*ops)->scheme);
        if (strncmp(location, (*ops)->scheme, len) == 0 && strncmp(location + len, "://", 3) == 0)
            return *ops;
    }
    return NULL;
}

static bool refuse_scheme(const char *location, struct error *err) {
    struct buf known;
    buf_init(&known, BUF_MAX_DEFAULT);
    for (const struct state_ops *const *ops = registry_states; *ops != NULL; ops++)
        buf_printf(&known, "%s%s://", known.len > 0 ? ", " : "", (*ops)->scheme);
    error_set(err, ERROR_CONFIG, "%s: the location of a state starts with one of: %s", location, known.data);
    buf_deinit(&known);
    return false;
}

bool state_open(const char *location, struct state **out, struct error *err) {
    const struct state_ops *ops = find_backend(location);
    if (ops == NULL)
        return refuse_scheme(location, err);
    if (!ops->open(location, out, err))
        return error_prefix(err, "opening the state");
    (*out)->ops = ops;
    return true;
}

void state_close(struct state *state) {
    if (state != NULL)
        state->ops->close(state);
}

bool state_get(struct state *state, const char *kind, const char *key, struct state_item *out, bool *found,
               struct error *err) {
    return state->ops->get(state, kind, key, out, found, err);
}

bool state_list(struct state *state, const char *kind, const char *key_prefix, struct state_items *out,
                struct error *err) {
    return state->ops->list(state, kind, key_prefix, out, err);
}

bool state_lock(struct state *state, const char *name, struct error *err) { return state->ops->lock(state, name, err); }

bool state_commit(struct state *state, const struct state_write *writes, size_t count, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        assert(writes[i].attributes == NULL || json_is_object(writes[i].attributes));
        assert(writes[i].attributes != NULL || writes[i].expected != STATE_VERSION_ABSENT);
    }
    return count == 0 || state->ops->commit(state, writes, count, err);
}

void state_item_deinit(struct state_item *item) {
    mem_free(item->key);
    json_decref(item->attributes);
    *item = (struct state_item){0};
}

void state_items_deinit(struct state_items *items) {
    for (size_t i = 0; i < items->count; i++)
        state_item_deinit(&items->items[i]);
    mem_free(items->items);
    *items = (struct state_items){0};
}
