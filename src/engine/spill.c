#include "engine/spill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SPILL_PREFIX "sluice-spill-"

/* The lock is on the directory itself: flock goes with the process, however it ends. */
struct spill_folder {
    char *path;
    int fd;
};

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    remove(path);
    return 0;
}

static void remove_tree(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* Removes a folder that no living process has locked. Between mkdir and flock of another process its folder is empty and
 * unlocked: rmdir takes it then, and that process sees it at once and makes another one. */
static void remove_when_abandoned(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_tree(path);
    close(fd);
}

static void remove_abandoned(const char *parent) {
    DIR *dir = opendir(parent);
    if (dir == NULL)
        return;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strncmp(entry->d_name, SPILL_PREFIX, strlen(SPILL_PREFIX)) != 0)
            continue;
        char *path = mem_printf("%s/%s", parent, entry->d_name);
        remove_when_abandoned(path);
        mem_free(path);
    }
    closedir(dir);
}

static bool make_folders(const char *path, struct error *err) {
    char *copy = mem_strdup(path);
    bool ok = true;
    for (char *at = copy + 1; ok; at++) {
        char end = *at;
        if (end != '/' && end != '\0')
            continue;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            ok = error_set_errno(err, errno, "creating the temporary folder %s", copy);
        *at = end;
        if (end == '\0')
            break;
    }
    mem_free(copy);
    return ok;
}

/* One try; *folder stays NULL when another process took the new folder for an abandoned one. */
static bool create_locked(const char *parent, struct spill_folder **folder, struct error *err) {
    char *path = mem_printf("%s/" SPILL_PREFIX "XXXXXX", parent);
    if (mkdtemp(path) == NULL) {
        error_set_errno(err, errno, "creating a temporary folder in %s", parent);
        mem_free(path);
        return false;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || stat(path, &info) != 0) {
        if (fd >= 0)
            close(fd);
        mem_free(path);
        return true;
    }
    *folder = mem_zalloc(sizeof **folder);
    **folder = (struct spill_folder){path, fd};
    return true;
}

bool spill_open(const char *parent, struct spill_folder **out, struct error *err) {
    if (!make_folders(parent, err))
        return false;
    remove_abandoned(parent);
    struct spill_folder *folder = NULL;
    for (int tries = 0; tries < 100 && folder == NULL; tries++)
        if (!create_locked(parent, &folder, err))
            return false;
    if (folder == NULL)
        return error_set(err, ERROR_OUTSIDE,
                         "creating a temporary folder in %s: it is removed again at once by another process", parent);
    *out = folder;
    return true;
}

const char *spill_path(const struct spill_folder *folder) { return folder->path; }

void spill_close(struct spill_folder *folder) {
    if (folder == NULL)
        return;
    remove_tree(folder->path);
    close(folder->fd);
    mem_free(folder->path);
    mem_free(folder);
}
