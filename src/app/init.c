/* `sluice init`: a commented sluice.yaml to start from. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/command.h"

static bool write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        data += done;
        len -= (size_t)done;
    }
    return true;
}

/* Only for its owner: a password may be written into it. What is there already is never touched. */
static bool write_file(const char *path, const struct buf *text, struct error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_CONFIG, "%s is there already; move it away, or name another file", path);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    bool ok = write_all(fd, text->data, text->len);
    int why = errno;
    if (close(fd) != 0 && ok) {
        why = errno;
        ok = false;
    }
    if (ok)
        return true;
    unlink(path);
    return error_set_errno(err, why, "%s", path);
}

/* `sluice init > sluice.yaml`: the shell has made the file already, and it is where stdout goes. */
static bool is_stdout(const char *path) {
    struct stat file, out;
    return stat(path, &file) == 0 && fstat(STDOUT_FILENO, &out) == 0 && file.st_dev == out.st_dev &&
           file.st_ino == out.st_ino;
}

static bool run_init(struct command_call *call, struct error *err) {
    const char *path = call->argument_count > 0 ? call->arguments[0] : call->config_path;
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    config_write_template(&text);
    bool ok = true;
    if (strcmp(path, "-") == 0 || is_stdout(path))
        fwrite(text.data, 1, text.len, stdout);
    else if ((ok = write_file(path, &text, err)))
        printf("%s is written: set source, raw, lake and state, then `sluice -c %s check`\n", path, path);
    buf_deinit(&text);
    return ok;
}

const struct command command_init = {
    .name = "init",
    .arguments = "[FILE]",
    .argument_max = 1,
    .summary = "writes a commented sluice.yaml to start from",
    .help = "Writes a configuration with every option, its default and what it means, to sluice.yaml or to FILE; - is "
            "stdout. A "
            "file that is there already stays as it is.",
    .run = run_init,
};
