/* Listing of a local folder: one readdir pass per folder, one fstatat per file. */
#include "store/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LIST_DEPTH_MAX = 32,           /* deeper is a circle of symbolic links */
    LEFTOVER_AGE_S = 24 * 60 * 60, /* no file waits longer under a hidden name without being written to */
};

struct listing {
    const char *root; /* the store's folder, for errors */
    struct arena *arena;
    bool recursive;
    unsigned depth;
    struct store_entry *entries;
    size_t count, capacity;
};

static bool add_entry(struct listing *listing, const struct store_entry *entry, struct error *err) {
    if (listing->count == STORE_LIST_MAX_ENTRIES)
        return error_set(err, ERROR_OUTSIDE, "%s: more than %d files to list; move old ones away", listing->root,
                         STORE_LIST_MAX_ENTRIES);
    listing->entries = mem_grow(listing->entries, listing->count, &listing->capacity, sizeof *listing->entries);
    listing->entries[listing->count++] = *entry;
    return true;
}

/* A hidden file is left over when a process died on a filesystem without O_TMPFILE, or between two system calls. A live
 * writer's was written to lately, or has just got its time of publishing. */
static void remove_leftover(int folder, const char *name) {
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_mtim.tv_sec + LEFTOVER_AGE_S < clock_now_us() / 1000000)
        unlinkat(folder, name, 0);
}

static bool list_folder(struct listing *listing, int parent, const char *name, const char *prefix, struct error *err);

static int64_t microseconds(const struct timespec *time) {
    return (int64_t)time->tv_sec * 1000000 + time->tv_nsec / 1000;
}

/* `prefix` is that of the folder. What vanishes meanwhile, and what is neither file nor folder, is not listed. */
static bool list_child(struct listing *listing, int folder, const char *prefix, const struct dirent *child,
                       struct error *err) {
    const char *name = child->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    if (strncmp(name, STORE_HIDDEN_PREFIX, strlen(STORE_HIDDEN_PREFIX)) == 0) {
        remove_leftover(folder, name);
        return true;
    }
    struct stat st = {.st_mode = S_IFDIR};
    if (child->d_type != DT_DIR && fstatat(folder, name, &st, 0) != 0)
        return errno == ENOENT ||
               error_set_errno(err, errno, "reading the attributes of %s/%s%s", listing->root, prefix, name);
    if (S_ISDIR(st.st_mode)) {
        char *full_name = arena_printf(listing->arena, "%s%s/", prefix, name);
        if (listing->recursive)
            return list_folder(listing, folder, name, full_name, err);
        return add_entry(listing, &(struct store_entry){.name = full_name, .is_folder = true}, err);
    }
    if (!S_ISREG(st.st_mode))
        return true;
    struct store_entry entry = {.name = arena_printf(listing->arena, "%s%s", prefix, name),
                                .size_bytes = (uint64_t)st.st_size,
                                .modified_us = microseconds(&st.st_mtim),
                                .appeared_us = microseconds(&st.st_ctim)};
    return add_entry(listing, &entry, err);
}

static bool list_children(struct listing *listing, DIR *dir, const char *prefix, struct error *err) {
    for (;;) {
        errno = 0;
        const struct dirent *child = readdir(dir);
        if (child == NULL)
            return errno == 0 || error_set_errno(err, errno, "listing the folder %s/%s", listing->root, prefix);
        if (!list_child(listing, dirfd(dir), prefix, child, err))
            return false;
    }
}

/* The folder `name` below the open folder `parent`; its objects' names start with `prefix`. */
static bool list_folder(struct listing *listing, int parent, const char *name, const char *prefix, struct error *err) {
    if (listing->depth == LIST_DEPTH_MAX)
        return error_set(err, ERROR_OUTSIDE, "%s/%s: more than %d folders deep; is there a circle of symbolic links?",
                         listing->root, prefix, LIST_DEPTH_MAX);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return code == ENOENT || code == ENOTDIR ||
               error_set_errno(err, code, "opening the folder %s/%s", listing->root, prefix);
    }
    listing->depth++;
    bool ok = list_children(listing, dir, prefix, err);
    listing->depth--;
    closedir(dir);
    return ok;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct store_entry *)a)->name, ((const struct store_entry *)b)->name);
}

bool local_list(struct store *store, struct arena *arena, const char *prefix, bool recursive, struct store_list *out,
                struct error *err) {
    struct listing listing = {.root = local_store_of(store)->path, .arena = arena, .recursive = recursive};
    int root = open(listing.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) /* an empty list would read as "there are no tables" */
        return error_set_errno(err, errno, "opening the folder %s", listing.root);
    bool ok = list_folder(&listing, root, prefix[0] != '\0' ? prefix : ".", prefix, err);
    close(root);
    if (ok && listing.count > 0) {
        qsort(listing.entries, listing.count, sizeof *listing.entries, compare_names);
        out->entries = arena_alloc(arena, listing.count * sizeof *listing.entries);
        memcpy(out->entries, listing.entries, listing.count * sizeof *listing.entries);
    }
    if (ok)
        out->count = listing.count;
    if (ok && listing.count == 0)
        out->entries = NULL;
    mem_free(listing.entries);
    return ok;
}
