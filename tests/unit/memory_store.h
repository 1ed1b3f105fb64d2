/* A store in memory, for tests of what reads and lists: objects are put into a list, and come back in pieces of a size
 * that the test chooses. */
#ifndef SLUICE_TESTS_MEMORY_STORE_H
#define SLUICE_TESTS_MEMORY_STORE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store.h"

enum { MEMORY_OBJECTS_MAX = 32 };

struct memory_object {
    const char *name; /* borrowed, like data */
    const char *data;
    size_t len;
    int64_t modified_us;
};

struct memory_store {
    struct store base;
    struct memory_object objects[MEMORY_OBJECTS_MAX];
    size_t count;
    size_t piece_bytes; /* a read gives at most so much; 0: all that is asked for */
    size_t fail_after;  /* the read behind so many bytes of an object fails; 0: none */
};

struct memory_reader {
    struct store_reader base;
    const struct memory_object *object;
    size_t pos;
};

static bool memory_reader_open(struct store *store, const char *name, struct store_reader **out, struct error *err) {
    const struct memory_store *memory = (const struct memory_store *)store;
    for (size_t i = 0; i < memory->count; i++) {
        if (strcmp(memory->objects[i].name, name) != 0)
            continue;
        struct memory_reader *reader = mem_zalloc(sizeof *reader);
        reader->object = &memory->objects[i];
        *out = &reader->base;
        return true;
    }
    return error_set_code(err, ERROR_OUTSIDE, ENOENT, "%s: no such object", name);
}

static bool memory_read(struct store_reader *base, void *to, size_t size, size_t *got, struct error *err) {
    struct memory_reader *reader = (struct memory_reader *)base;
    const struct memory_store *memory = (const struct memory_store *)base->store;
    size_t left = reader->object->len - reader->pos;
    if (memory->fail_after > 0 && reader->pos >= memory->fail_after)
        return error_set(err, ERROR_RETRY, "reading %s: connection lost", reader->object->name);
    *got = size < left ? size : left;
    if (memory->piece_bytes > 0 && *got > memory->piece_bytes)
        *got = memory->piece_bytes;
    if (*got > 0)
        memcpy(to, reader->object->data + reader->pos, *got);
    reader->pos += *got;
    return true;
}

static void memory_reader_close(struct store_reader *reader) { mem_free(reader); }

static int memory_compare(const void *a, const void *b) {
    return strcmp(((const struct store_entry *)a)->name, ((const struct store_entry *)b)->name);
}

static bool memory_list(struct store *store, struct arena *arena, const char *prefix, bool recursive,
                        struct store_list *out, struct error *err) {
    const struct memory_store *memory = (const struct memory_store *)store;
    (void)err;
    *out = (struct store_list){.entries = arena_alloc(arena, memory->count * sizeof *out->entries)};
    for (size_t i = 0; i < memory->count; i++) {
        const struct memory_object *object = &memory->objects[i];
        if (strncmp(object->name, prefix, strlen(prefix)) != 0)
            continue;
        const char *slash = recursive ? NULL : strchr(object->name + strlen(prefix), '/');
        size_t len = slash != NULL ? (size_t)(slash + 1 - object->name) : strlen(object->name);
        struct store_entry entry = {.name = arena_strndup(arena, object->name, len), .is_folder = slash != NULL};
        if (slash == NULL) {
            entry.size_bytes = object->len;
            entry.modified_us = object->modified_us;
        }
        bool known = false;
        for (size_t k = 0; k < out->count; k++)
            known = known || strcmp(out->entries[k].name, entry.name) == 0;
        if (!known)
            out->entries[out->count++] = entry;
    }
    if (out->count > 1)
        qsort(out->entries, out->count, sizeof *out->entries, memory_compare);
    return true;
}

static const struct store_ops memory_store_ops = {.scheme = "memory",
                                                  .list = memory_list,
                                                  .reader_open = memory_reader_open,
                                                  .read = memory_read,
                                                  .reader_close = memory_reader_close};

static inline struct memory_store memory_store_new(void) {
    return (struct memory_store){
        .base = {.ops = &memory_store_ops, .location = "memory://test", .bucket = "test", .prefix = ""}};
}

static inline void memory_store_add(struct memory_store *store, const char *name, const void *data, size_t len,
                                    int64_t modified_us) {
    store->objects[store->count++] =
        (struct memory_object){.name = name, .data = data, .len = len, .modified_us = modified_us};
}

#endif
