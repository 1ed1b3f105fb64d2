#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* Held from mkdir to the sync of the folder above: a thread that finds a folder may rely on it. */
static pthread_mutex_t make_mutex = PTHREAD_MUTEX_INITIALIZER;

size_t folder_length_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

bool folder_sync(const char *path, struct error *err) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "opening the folder %s", path);
    bool ok = fsync(fd) == 0;
    if (!ok)
        error_set_errno(err, errno, "syncing the folder %s", path);
    close(fd);
    return ok;
}

static bool sync_parent(const char *path, struct error *err) {
    size_t len = folder_length_of(path);
    char *parent = len > 0 ? mem_strndup(path, len) : mem_strdup(path[0] == '/' ? "/" : ".");
    bool ok = folder_sync(parent, err);
    mem_free(parent);
    return ok;
}

/* Cuts `path` at each '/' in turn while it works; it is whole again at the end. */
static bool make_all(char *path, struct error *err) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        bool made = mkdir(path, 0777) == 0;
        bool ok = made ? sync_parent(path, err)
                       : errno == EEXIST || error_set_errno(err, errno, "creating the folder %s", path);
        *at = end;
        if (!ok || end == '\0')
            return ok;
    }
}

/* Another process or thread may remove a folder, being empty, before the next one is in it: then from the top again. */
static bool make_missing(const char *path, struct error *err) {
    enum { TRIES_MAX = 16 };
    struct error own = {0};
    char *copy = mem_strdup(path);
    bool ok = false;
    for (int i = 0; i < TRIES_MAX && !ok && (i == 0 || own.code == ENOENT); i++)
        ok = make_all(copy, &own);
    mem_free(copy);
    if (!ok && err != NULL)
        *err = own;
    return ok;
}

bool folder_make(const char *path, struct error *err) {
    struct stat st;
    pthread_mutex_lock(&make_mutex);
    bool ok = stat(path, &st) == 0;
    if (!ok)
        ok = make_missing(path, err);
    else if (!S_ISDIR(st.st_mode))
        ok = error_set_errno(err, ENOTDIR, "creating the folder %s", path);
    pthread_mutex_unlock(&make_mutex);
    return ok;
}
