#include "task/load_said.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { ERROR_AGAIN_MS = 60 * 60 * 1000 };

struct entry {
    char *path, *text; /* text NULL: forgotten */
    enum load_said_kind kind;
    int64_t said_ms; /* monotonic */
};

struct load_said {
    struct {
        pthread_mutex_t lock;
        struct entry *entries; /* at most one a table and kind */
        size_t count, capacity;
    } shared;
};

struct load_said *load_said_new(void) {
    struct load_said *said = mem_zalloc(sizeof *said);
    pthread_mutex_init(&said->shared.lock, NULL);
    return said;
}

void load_said_free(struct load_said *said) {
    if (said == NULL)
        return;
    for (size_t i = 0; i < said->shared.count; i++) {
        mem_free(said->shared.entries[i].path);
        mem_free(said->shared.entries[i].text);
    }
    mem_free(said->shared.entries);
    pthread_mutex_destroy(&said->shared.lock);
    mem_free(said);
}

static struct entry *find(struct load_said *said, const char *path, enum load_said_kind kind) {
    for (size_t i = 0; i < said->shared.count; i++) {
        struct entry *entry = &said->shared.entries[i];
        if (entry->kind == kind && strcmp(entry->path, path) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *add(struct load_said *said, const char *path, enum load_said_kind kind) {
    said->shared.entries =
        mem_grow(said->shared.entries, said->shared.count, &said->shared.capacity, sizeof *said->shared.entries);
    struct entry *entry = &said->shared.entries[said->shared.count++];
    *entry = (struct entry){.path = mem_strdup(path), .kind = kind};
    return entry;
}

static bool is_known(const struct entry *entry, const char *text, int64_t now_ms) {
    bool again = entry->kind == SAID_ERROR && now_ms - entry->said_ms >= ERROR_AGAIN_MS;
    return entry->text != NULL && strcmp(entry->text, text) == 0 && !again;
}

bool load_said_is_new(struct load_said *said, const char *path, enum load_said_kind kind, const char *text) {
    if (said == NULL)
        return true;
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&said->shared.lock);
    struct entry *entry = find(said, path, kind);
    bool known = entry != NULL && is_known(entry, text, now_ms);
    if (!known) {
        if (entry == NULL)
            entry = add(said, path, kind);
        mem_free(entry->text);
        entry->text = mem_strdup(text);
        entry->said_ms = now_ms;
    }
    pthread_mutex_unlock(&said->shared.lock);
    return !known;
}

void load_said_forget_error(struct load_said *said, const char *path) {
    if (said == NULL)
        return;
    pthread_mutex_lock(&said->shared.lock);
    struct entry *entry = find(said, path, SAID_ERROR);
    if (entry != NULL) {
        mem_free(entry->text);
        entry->text = NULL;
    }
    pthread_mutex_unlock(&said->shared.lock);
}
