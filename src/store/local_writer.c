/* Writing to a local folder, so that a file appears whole or not at all.
 *
 * A writer's file has no name while it is written (O_TMPFILE): a crash leaves nothing, and no listing can see it, neither
 * ours nor that of a consumer of AWS DMS's files. Publishing syncs the bytes, makes the folders, links the file under its
 * name and syncs the folder. link(2) never replaces, which makes `exclusive` atomic; to replace, the file is linked under a
 * hidden name and renamed.
 *
 * Where the filesystem has no O_TMPFILE (or /proc is missing) the file has a hidden name from the start. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/folder.h"
#include "store/local.h"

struct local_writer {
    struct store_writer base;
    int fd;
    uint64_t size_bytes;
    char *path;        /* of the name given to open: for errors */
    char *hidden_path; /* NULL while the file has no name */
    bool failed;       /* what is in the file is not known */
    bool published;
};

/* For a file whose time to be seen has not come. Free with mem_free. */
static char *hidden_path_in(const char *folder) {
    uint64_t number = 0;
    ssize_t got;
    do
        got = getrandom(&number, sizeof number, 0);
    while (got < 0 && errno == EINTR);
    return mem_printf("%s/%s%016llx", folder, STORE_HIDDEN_PREFIX, (unsigned long long)number);
}

/* Opens a file in a folder, without name if that is possible. Returns false with errno. */
static bool open_in_folder(struct local_writer *writer, const char *folder, bool unnamed) {
    if (unnamed) {
        writer->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
        if (writer->fd >= 0 ||
            (errno != EOPNOTSUPP && errno != EISDIR)) /* EISDIR: the kernel does not know O_TMPFILE */
            return writer->fd >= 0;
    }
    writer->hidden_path = hidden_path_in(folder);
    writer->fd = open(writer->hidden_path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (writer->fd < 0) {
        int code = errno;
        mem_free(writer->hidden_path);
        writer->hidden_path = NULL;
        errno = code;
    }
    return writer->fd >= 0;
}

/* In the object's folder, or while that does not exist in the nearest one above: an empty folder would look like an empty
 * table. The filesystem is the same, so the file can be linked there later. ext4 says EPERM of a folder that is removed between
 * finding it and creating the file in it. */
static bool open_file(struct local_writer *writer, const struct local_store *store) {
    char *folder = mem_strdup(writer->path);
    bool ok;
    do {
        folder[folder_length_of(folder)] = '\0';
        ok = open_in_folder(writer, folder, store->unnamed_files);
    } while (!ok && (errno == ENOENT || errno == EPERM) && strlen(folder) > strlen(store->path));
    int code = errno;
    mem_free(folder);
    errno = code;
    return ok;
}

bool local_writer_open(struct store *store, const char *name, struct store_writer **out, struct error *err) {
    struct local_writer *writer = mem_zalloc(sizeof *writer);
    writer->path = local_path(store, name);
    if (!open_file(writer, local_store_of(store))) {
        error_set_errno(err, errno, "creating %s", writer->path);
        mem_free(writer->path);
        mem_free(writer);
        return false;
    }
    *out = &writer->base;
    return true;
}

/* Always at the size known so far, so that a truncate needs no seek. */
bool local_writer_write(struct store_writer *base, const void *data, size_t len, struct error *err) {
    struct local_writer *writer = (struct local_writer *)base;
    assert(!writer->published);
    for (const char *from = data; len > 0;) {
        ssize_t wrote = pwrite(writer->fd, from, len, (off_t)writer->size_bytes);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            writer->failed = true;
            return error_set_errno(err, wrote < 0 ? errno : EIO, "writing %s", writer->path);
        }
        from += wrote;
        len -= (size_t)wrote;
        writer->size_bytes += (uint64_t)wrote;
    }
    return true;
}

bool local_writer_truncate(struct store_writer *base, uint64_t size_bytes, struct error *err) {
    struct local_writer *writer = (struct local_writer *)base;
    assert(!writer->published && size_bytes <= writer->size_bytes);
    if (ftruncate(writer->fd, (off_t)size_bytes) != 0) {
        writer->failed = true;
        return error_set_errno(err, errno, "cutting %s to %llu bytes", writer->path, (unsigned long long)size_bytes);
    }
    writer->size_bytes = size_bytes;
    return true;
}

/* Links the unnamed file under a name that is free. Returns 0 or an errno. */
static int link_file(const struct local_writer *writer, const char *path) {
    char file[32];
    snprintf(file, sizeof file, "/proc/self/fd/%d", writer->fd);
    return linkat(AT_FDCWD, file, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/* Links the unnamed file in place of another one. Returns 0 or an errno. */
static int replace_file(const struct local_writer *writer, const char *folder, const char *path) {
    char *hidden = hidden_path_in(folder);
    int code = link_file(writer, hidden);
    if (code == 0) {
        if (!fault_point("publish.hidden", NULL))
            code = EINTR;
        else if (rename(hidden, path) != 0)
            code = errno;
        if (code != 0)
            unlink(hidden);
    }
    mem_free(hidden);
    return code;
}

/* Renames the file that has a hidden name. Returns 0 or an errno. Of RENAME_NOREPLACE and link(2), a filesystem that has no
 * O_TMPFILE knows one or both. */
static int rename_file(struct local_writer *writer, const char *path, bool exclusive) {
    int code =
        renameat2(AT_FDCWD, writer->hidden_path, AT_FDCWD, path, exclusive ? RENAME_NOREPLACE : 0) == 0 ? 0 : errno;
    if (code == EINVAL && exclusive) {
        code = link(writer->hidden_path, path) == 0 ? 0 : errno;
        if (code == 0)
            unlink(writer->hidden_path);
    }
    if (code == 0) {
        mem_free(writer->hidden_path);
        writer->hidden_path = NULL;
    }
    return code;
}

static int try_name(struct local_writer *writer, const char *folder, const char *path, bool exclusive) {
    if (writer->hidden_path != NULL)
        return rename_file(writer, path, exclusive);
    int code = link_file(writer, path);
    return code == EEXIST && !exclusive ? replace_file(writer, folder, path) : code;
}

/* Gives the file its name. Another thread that removes the last file of the folder removes the folder: then once more. */
static bool name_file(struct local_writer *writer, const char *folder, const char *path, bool exclusive,
                      struct error *err) {
    enum { TRIES_MAX = 16 };
    int code = ENOENT;
    for (int i = 0; i < TRIES_MAX && code == ENOENT; i++) {
        if (!folder_make(folder, err))
            return false;
        code = try_name(writer, folder, path, exclusive);
    }
    if (code == EEXIST && exclusive)
        return error_set_code(err, ERROR_CONFLICT, code, "%s exists already", path);
    return code == 0 || error_set_errno(err, code, "publishing %s", path);
}

/* The file's time becomes that of its publishing, as on S3: of two files the one that was published later is the newer one,
 * whichever was written to last. */
static bool sync_file(const struct local_writer *writer, const char *path, struct error *err) {
    if (futimens(writer->fd, NULL) != 0)
        return error_set_errno(err, errno, "setting the time of %s", path);
    if (fsync(writer->fd) != 0)
        return error_set_errno(err, errno, "syncing %s", path);
    return fault_point("publish.synced", err);
}

static bool publish(struct local_writer *writer, const char *path, bool exclusive, bool early, struct error *err) {
    if (writer->failed)
        return error_set(err, ERROR_OUTSIDE, "publishing %s: it could not be written before", path);
    char *folder = mem_strndup(path, folder_length_of(path));
    bool ok = sync_file(writer, path, err) && name_file(writer, folder, path, exclusive, err);
    if (ok) {
        writer->published = true;
        ok = fault_point("publish.linked", err) && (early || folder_sync(folder, err));
    }
    mem_free(folder);
    return ok;
}

bool local_writer_publish(struct store_writer *base, const char *name, bool exclusive, bool early, struct error *err) {
    struct local_writer *writer = (struct local_writer *)base;
    assert(!writer->published);
    struct error own;
    if (err == NULL)
        err = &own;
    char *path = local_path(base->store, name);
    bool ok = publish(writer, path, exclusive, early, err);
    writer->failed = !ok && err->kind != ERROR_CONFLICT;
    mem_free(path);
    return ok;
}

int local_writer_fd(const struct store_writer *base) { return ((const struct local_writer *)base)->fd; }

void local_writer_close(struct store_writer *base) {
    struct local_writer *writer = (struct local_writer *)base;
    close(writer->fd);
    if (writer->hidden_path != NULL)
        unlink(writer->hidden_path);
    mem_free(writer->hidden_path);
    mem_free(writer->path);
    mem_free(writer);
}

bool local_replace(struct store *store, const char *name, const void *data, size_t len, struct error *err) {
    struct store_writer *base;
    if (!local_writer_open(store, name, &base, err))
        return false;
    struct local_writer *writer = (struct local_writer *)base;
    char *folder = mem_strndup(writer->path, folder_length_of(writer->path));
    bool ok = local_writer_write(base, data, len, err) && name_file(writer, folder, writer->path, false, err);
    mem_free(folder);
    local_writer_close(base);
    return ok;
}
