/* Memory: allocation cannot fail (it aborts with a message), and an arena holds what lives as long as a unit of work. */
#ifndef SLUICE_BASE_MEM_H
#define SLUICE_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* malloc/calloc/realloc/strdup that abort the process when there is no memory. Free with mem_free (free). */
void *mem_alloc(size_t size_bytes);
void *mem_zalloc(size_t size_bytes);
void *mem_realloc(void *old, size_t size_bytes);
char *mem_strdup(const char *text);                    /* NULL gives NULL */
char *mem_strndup(const char *text, size_t len_bytes); /* a terminating 0 is added */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *memory);

/* Grows a C array so that index `count` can be written: doubles the capacity, starting at 8. */
void *mem_grow(void *array, size_t count, size_t *capacity, size_t element_bytes);

/* An arena: many small allocations, one free. Not for use by several threads at once. */
struct arena_block;
struct arena {
    struct arena_block *blocks;
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
void arena_reset(struct arena *arena);                     /* forgets everything, keeps one block for the next round */
void *arena_alloc(struct arena *arena, size_t size_bytes); /* zeroed, aligned for any type */
char *arena_strdup(struct arena *arena, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t len_bytes);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
