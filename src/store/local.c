/* The store in a local folder: file:///absolute/path. */
#include "store/local.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"

char *local_path(const struct store *store, const char *name) { return mem_printf("%s/%s", store->bucket, name); }

/* --- open and close */

/* The folder of a location, without doubled slashes: it is part of the controller's keys, so one folder has one spelling. */
static bool parse_location(const char *location, char **path, struct error *err) {
    const char *from = location + strlen("file://");
    if (from[0] != '/')
        return error_set(err, ERROR_CONFIG, "%s: the folder must be absolute, as in file:///var/lib/sluice", location);
    char *to = *path = mem_alloc(strlen(from) + 1);
    while (*from != '\0') {
        from += strspn(from, "/");
        size_t len = strcspn(from, "/");
        if (len > 0) {
            *to++ = '/';
            memcpy(to, from, len);
        }
        to += len;
        from += len;
    }
    *to = '\0';
    if (**path != '\0' && store_name_is_valid(*path + 1))
        return true;
    mem_free(*path);
    return error_set(err, ERROR_CONFIG, "%s: not the name of a folder; it has to be below /, without . and ..",
                     location);
}

static bool prepare_folder(const char *path, enum store_mode mode, struct error *err) {
    struct stat st;
    if (mode == STORE_CREATE)
        return folder_make(path, err);
    if (mode == STORE_AS_IS || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return true;
    return error_set_code(err, ERROR_OUTSIDE, ENOENT, "there is no such folder");
}

static bool local_open(const char *location, enum store_mode mode, struct store **out, struct error *err) {
    char *path = NULL;
    if (!parse_location(location, &path, err))
        return false;
    assert(path != NULL);
    if (!prepare_folder(path, mode, err)) {
        error_prefix(err, "opening %s", location);
        mem_free(path);
        return false;
    }
    struct local_store *store = mem_zalloc(sizeof *store);
    store->path = path;
    store->location = mem_printf("file://%s", path);
    store->unnamed_files = access("/proc/self/fd", X_OK) == 0;
    store->base = (struct store){.location = store->location, .bucket = store->path, .prefix = ""};
    *out = &store->base;
    return true;
}

static void local_close(struct store *base) {
    struct local_store *store = local_store_of(base);
    mem_free(store->path);
    mem_free(store->location);
    mem_free(store);
}

/* --- reading */

struct local_reader {
    struct store_reader base;
    int fd;
    char *path;
};

static bool local_reader_open(struct store *store, const char *name, struct store_reader **out, struct error *err) {
    struct local_reader *reader = mem_zalloc(sizeof *reader);
    reader->path = local_path(store, name);
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    int code = reader->fd < 0 ? errno : 0;
    struct stat st;
    if (code == 0 && (fstat(reader->fd, &st) != 0 || !S_ISREG(st.st_mode))) /* a folder is no object */
        code = ENOENT;
    if (code != 0) {
        error_set_errno(err, code == ENOTDIR ? ENOENT : code, "opening %s", reader->path);
        if (reader->fd >= 0)
            close(reader->fd);
        mem_free(reader->path);
        mem_free(reader);
        return false;
    }
    posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *out = &reader->base;
    return true;
}

static bool local_read(struct store_reader *base, void *to, size_t size, size_t *got, struct error *err) {
    struct local_reader *reader = (struct local_reader *)base;
    ssize_t len;
    do
        len = read(reader->fd, to, size);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return error_set_errno(err, errno, "reading %s", reader->path);
    *got = (size_t)len;
    return true;
}

static void local_reader_close(struct store_reader *base) {
    struct local_reader *reader = (struct local_reader *)base;
    close(reader->fd);
    mem_free(reader->path);
    mem_free(reader);
}

static bool local_read_range(struct store *store, const char *name, uint64_t offset, void *to, size_t size,
                             struct error *err) {
    struct store_reader *base = NULL;
    if (!local_reader_open(store, name, &base, err))
        return false;
    struct local_reader *reader = (struct local_reader *)base;
    ssize_t len = 0;
    bool ok = offset <= INT64_MAX - size;
    for (size_t done = 0; ok && done < size; done += (size_t)(len > 0 ? len : 0)) {
        len = pread(reader->fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (len == 0 || (len < 0 && errno != EINTR))
            ok = false;
    }
    if (!ok && len < 0)
        error_set_errno(err, errno, "reading %s", reader->path);
    else if (!ok)
        error_set(err, ERROR_DATA, "%s has no %zu bytes from byte %llu on", reader->path, size,
                  (unsigned long long)offset);
    local_reader_close(base);
    return ok;
}

/* --- moving and removing */

/* "a/b" is not there when "a" is not, or is a file. */
static bool is_missing(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

/* Removes the folders of `path` that are empty, from the deepest up to the store's own; `path` becomes the first that stays.
 * Whoever puts a file into one of them meanwhile is not disturbed: rmdir fails, or they make it again. */
static void remove_empty_folders(const struct local_store *store, char *path) {
    size_t root_len = strlen(store->path);
    do
        path[folder_length_of(path)] = '\0';
    while (strlen(path) > root_len && (rmdir(path) == 0 || errno == ENOENT));
}

/* The same, and makes durable what is gone. */
static bool prune_folders(const struct local_store *store, char *path, struct error *err) {
    for (;;) {
        struct error own;
        remove_empty_folders(store, path);
        if (folder_sync(path, &own))
            return true;
        if (strlen(path) == strlen(store->path) || !is_missing(own.code)) {
            if (err != NULL)
                *err = own;
            return false;
        }
    }
}

static bool local_remove(struct store *base, const char *name, struct error *err) {
    char *path = local_path(base, name);
    bool ok = unlink(path) == 0 || is_missing(errno) || error_set_errno(err, errno, "removing %s", path);
    ok = ok && prune_folders(local_store_of(base), path, err);
    mem_free(path);
    return ok;
}

/* The bytes before the name: the engine that wrote the file did not sync it. *missing when there is no such file. */
static bool sync_bytes(const char *path, bool *missing, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *missing = fd < 0 && is_missing(errno);
    if (fd < 0)
        return *missing || error_set_errno(err, errno, "opening %s", path);
    bool ok = fsync(fd) == 0 || error_set_errno(err, errno, "syncing %s", path);
    close(fd);
    return ok;
}

static bool rename_file(const char *from, const char *to, const char *to_folder, struct error *err) {
    enum { TRIES_MAX = 16 }; /* another thread may prune the folder before the file is in it */
    int code = ENOENT;
    for (int i = 0; i < TRIES_MAX && code == ENOENT; i++) {
        if (!folder_make(to_folder, err))
            return false;
        code = rename(from, to) == 0 ? 0 : errno;
        if (code == ENOENT && access(from, F_OK) != 0)
            break;
    }
    return code == 0 || error_set_errno(err, code, "moving %s to %s", from, to);
}

/* The folder that a file was moved from, or the nearest one above that is there. */
static bool sync_left(const struct local_store *store, char *folder, struct error *err) {
    struct error own;
    if (folder_sync(folder, &own))
        return true;
    if (is_missing(own.code))
        return prune_folders(store, folder, err);
    if (err != NULL)
        *err = own;
    return false;
}

static bool move_file(const struct local_store *store, char *from, const char *to, struct error *err) {
    bool missing;
    if (!sync_bytes(from, &missing, err))
        return false;
    if (missing && access(to, F_OK) != 0)
        return error_set_errno(err, ENOENT, "moving %s to %s", from, to);
    char *to_folder = mem_strndup(to, folder_length_of(to));
    bool ok = missing || rename_file(from, to, to_folder, err);
    if (ok)
        remove_empty_folders(store, from);
    /* One sync does for both where the emptied folder was in that of `to`. */
    ok = ok && folder_sync(to_folder, err) && (strcmp(from, to_folder) == 0 || sync_left(store, from, err));
    mem_free(to_folder);
    return ok;
}

static bool local_move(struct store *base, const char *from, const char *to, struct error *err) {
    char *from_path = local_path(base, from), *to_path = local_path(base, to);
    bool ok = move_file(local_store_of(base), from_path, to_path, err);
    mem_free(from_path);
    mem_free(to_path);
    return ok;
}

static char *local_url(struct store *base, const char *name) {
    char *path = local_path(base, name);
    char *folder = mem_strndup(path, folder_length_of(path));
    folder_make(folder, NULL);
    mem_free(folder);
    return path;
}

const struct store_ops store_local_ops = {
    .scheme = "file",
    .open = local_open,
    .close = local_close,
    .list = local_list,
    .reader_open = local_reader_open,
    .read = local_read,
    .reader_close = local_reader_close,
    .read_range = local_read_range,
    .writer_open = local_writer_open,
    .write = local_writer_write,
    .writer_truncate = local_writer_truncate,
    .writer_publish = local_writer_publish,
    .writer_close = local_writer_close,
    .copy = local_copy,
    .replace = local_replace,
    .move = local_move,
    .remove = local_remove,
    .url = local_url,
};
