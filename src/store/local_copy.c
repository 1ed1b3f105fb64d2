/* Copies between local folders, by the cheapest way that the file systems have. Each ends as a publishing does: the bytes are
 * durable before the name is there, and the name before this returns.
 *
 *   clone   FICLONE (XFS, btrfs, …): the bytes are shared until one of the files is written to
 *   link    one file under two names. Removing or replacing either name leaves the other as it is; writing into the file
 *           changes both, so that only may_link allows it
 *   copy    copy_file_range, which leaves the copying to the kernel, or read and write where it cannot */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "store/local.h"

enum { BLOCK_BYTES = 1 << 20, RANGE_BYTES = 1 << 30 };

struct copy {
    const struct local_store *to_store;
    const char *from_path, *to_path;
    const char *to;
    int from_fd;
};

static bool is_missing(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

static bool open_source(struct copy *copy, struct error *err) {
    struct stat st;
    copy->from_fd = open(copy->from_path, O_RDONLY | O_CLOEXEC);
    int code = copy->from_fd < 0 ? errno : 0;
    if (code == 0 && (fstat(copy->from_fd, &st) != 0 || !S_ISREG(st.st_mode)))
        code = ENOENT;
    return code == 0 || error_set_errno(err, is_missing(code) ? ENOENT : code, "opening %s", copy->from_path);
}

/* --- link */

/* The file that is open, whatever its name stands for by now. */
static int link_open_file(const struct copy *copy) {
    char file[32];
    snprintf(file, sizeof file, "/proc/self/fd/%d", copy->from_fd);
    const char *from = copy->to_store->unnamed_files ? file : copy->from_path;
    return linkat(AT_FDCWD, from, AT_FDCWD, copy->to_path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/* *code: what the system said; 0 when the link is there and durable. False: an error that another way does not mend. */
static bool try_link(const struct copy *copy, int *code, struct error *err) {
    enum { TRIES_MAX = 16 }; /* another thread may prune the folder */
    char *folder = mem_strndup(copy->to_path, folder_length_of(copy->to_path));
    bool ok = fsync(copy->from_fd) == 0 || error_set_errno(err, errno, "syncing %s", copy->from_path);
    *code = ENOENT;
    for (int i = 0; ok && i < TRIES_MAX && *code == ENOENT; i++) {
        ok = folder_make(folder, err);
        if (ok)
            *code = link_open_file(copy);
    }
    if (ok && *code == EEXIST)
        ok = error_set_code(err, ERROR_CONFLICT, EEXIST, "%s exists already", copy->to_path);
    ok = ok && (*code != 0 || folder_sync(folder, err));
    mem_free(folder);
    return ok;
}

/* --- clone and copy: into a file that has no name yet */

static bool copy_blocks(const struct copy *copy, struct store_writer *writer, struct error *err) {
    char *block = mem_alloc(BLOCK_BYTES);
    bool ok = true;
    for (ssize_t got = 1; ok && got > 0;) {
        got = read(copy->from_fd, block, BLOCK_BYTES);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            ok = error_set_errno(err, errno, "reading %s", copy->from_path);
        else
            ok = local_writer_write(writer, block, (size_t)got, err);
    }
    mem_free(block);
    return ok;
}

static bool copy_ranges(const struct copy *copy, struct store_writer *writer, struct error *err) {
    int to_fd = local_writer_fd(writer);
    ssize_t got;
    do
        got = copy_file_range(copy->from_fd, NULL, to_fd, NULL, RANGE_BYTES, 0);
    while (got > 0 || (got < 0 && errno == EINTR));
    if (got == 0)
        return true;
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT)
        return error_set_errno(err, errno, "copying %s to %s", copy->from_path, copy->to_path);
    if (lseek(copy->from_fd, 0, SEEK_SET) != 0) /* the kernel cannot, between these two */
        return error_set_errno(err, errno, "reading %s", copy->from_path);
    return copy_blocks(copy, writer, err);
}

static bool copy_file(const struct copy *copy, struct store *to_store, bool may_link, enum store_copied *how,
                      struct error *err) {
    struct store_writer *writer = NULL;
    int code = EXDEV;
    if (!local_writer_open(to_store, copy->to, &writer, err))
        return false;
    writer->store = to_store;
    bool ok = true;
    *how = STORE_CLONED;
    if (ioctl(local_writer_fd(writer), FICLONE, copy->from_fd) != 0) {
        *how = STORE_LINKED;
        ok = !may_link || try_link(copy, &code, err);
        if (ok && code != 0) {
            *how = STORE_COPIED;
            ok = copy_ranges(copy, writer, err);
        }
    }
    ok = ok && (*how == STORE_LINKED || local_writer_publish(writer, copy->to, true, false, err));
    local_writer_close(writer);
    return ok;
}

bool local_copy(struct store *from_store, const char *from, struct store *to_store, const char *to, bool may_link,
                enum store_copied *how, struct error *err) {
    char *from_path = local_path(from_store, from), *to_path = local_path(to_store, to);
    struct copy copy = {local_store_of(to_store), from_path, to_path, to, -1};
    bool ok = open_source(&copy, err) && copy_file(&copy, to_store, may_link, how, err);
    if (copy.from_fd >= 0)
        close(copy.from_fd);
    mem_free(from_path);
    mem_free(to_path);
    return ok;
}
