#include "base/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size_bytes) {
    if (memory == NULL && size_bytes > 0) {
        fprintf(stderr, "sluice: out of memory allocating %zu bytes\n", size_bytes);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t size_bytes) { return checked(malloc(size_bytes > 0 ? size_bytes : 1), size_bytes); }

void *mem_zalloc(size_t size_bytes) { return checked(calloc(1, size_bytes > 0 ? size_bytes : 1), size_bytes); }

void *mem_realloc(void *old, size_t size_bytes) {
    return checked(realloc(old, size_bytes > 0 ? size_bytes : 1), size_bytes);
}

char *mem_strdup(const char *text) { return text != NULL ? mem_strndup(text, strlen(text)) : NULL; }

char *mem_strndup(const char *text, size_t len_bytes) {
    char *copy = mem_alloc(len_bytes + 1);
    if (len_bytes > 0)
        memcpy(copy, text, len_bytes);
    copy[len_bytes] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return checked(len >= 0 ? text : NULL, 1);
}

void mem_free(void *memory) { free(memory); }

void *mem_grow(void *array, size_t count, size_t *capacity, size_t element_bytes) {
    if (count < *capacity)
        return array;
    *capacity = *capacity > 0 ? *capacity * 2 : 8;
    if (*capacity <= count)
        *capacity = count + 1;
    return mem_realloc(array, *capacity * element_bytes);
}

/* Blocks are chained newest first, each twice as large as the one before: there are thousands of arenas with little in them. A
 * request larger than a block gets a block of its own. */
enum { ARENA_FIRST_BYTES = 512, ARENA_BLOCK_BYTES = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *arena) { arena->blocks = NULL; }

void arena_deinit(struct arena *arena) {
    for (struct arena_block *block = arena->blocks; block != NULL;) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
}

void arena_reset(struct arena *arena) {
    struct arena_block *keep = arena->blocks;
    if (keep == NULL)
        return;
    arena->blocks = keep->next;
    arena_deinit(arena);
    if (keep->size > ARENA_BLOCK_BYTES) {
        free(keep);
        return;
    }
    keep->next = NULL;
    keep->used = 0;
    arena->blocks = keep;
}

void *arena_alloc(struct arena *arena, size_t size_bytes) {
    size_t need = (size_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < need) {
        size_t size = block != NULL ? block->size * 2 : ARENA_FIRST_BYTES;
        if (size > ARENA_BLOCK_BYTES)
            size = ARENA_BLOCK_BYTES;
        if (size < need)
            size = need;
        block = mem_alloc(sizeof *block + size);
        block->next = arena->blocks;
        block->used = 0;
        block->size = size;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += need;
    memset(memory, 0, need);
    return memory;
}

char *arena_strdup(struct arena *arena, const char *text) {
    return text != NULL ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len_bytes) {
    char *copy = arena_alloc(arena, len_bytes + 1);
    if (len_bytes > 0)
        memcpy(copy, text, len_bytes);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
