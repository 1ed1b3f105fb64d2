/* For tests of the rows above the state: a state in a folder of its own, and an arena. */
#ifndef SLUICE_TESTS_STATE_SUBJECT_H
#define SLUICE_TESTS_STATE_SUBJECT_H

#include <string.h>

#include "assert_call.h"
#include "base/mem.h"
#include "state/state.h"
#include "temp_folder.h"

static struct error err;
static char *folder;
static struct state *state;
static struct arena arena;

static inline int setup(void **unused) {
    (void)unused;
    folder = temp_folder_make();
    char *location = mem_printf("sqlite://%s/state.db", folder);
    assert_ok(state_open(location, &state, &err));
    mem_free(location);
    arena_init(&arena);
    return 0;
}

static inline int teardown(void **unused) {
    (void)unused;
    state_close(state);
    arena_deinit(&arena);
    temp_folder_remove(folder);
    return 0;
}

/* Stores an item as something else than the code under test would: attributes as JSON text. */
static inline void put_json(const char *kind, const char *key, const char *text) {
    json_t *attributes = json_loads(text, 0, NULL);
    assert_non_null(attributes);
    struct state_write write = {kind, key, STATE_VERSION_ANY, attributes};
    assert_ok(state_commit(state, &write, 1, &err));
    json_decref(attributes);
}

static inline void assert_stored(const char *kind, const char *key, const char *expected) {
    struct state_item item;
    bool found;
    assert_ok(state_get(state, kind, key, &item, &found, &err));
    assert_true(found);
    char *text = json_dumps(item.attributes, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    state_item_deinit(&item);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
