#include "app/demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/demo_sql.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"

enum { SERVER_START_MS = 30 * 1000, ARGUMENTS_MAX = 24 };

struct demo {
    struct arena arena;
    char *folder; /* everything is in here */
    char *socket; /* of the server */
    char *server_log;
    char *config; /* sluice.yaml */
    int port;
    pid_t server; /* 0: not running */
    int step;
};

/* --- showing */

static void show_step(struct demo *demo, const char *title) {
    printf("\n%d. %s\n", ++demo->step, title);
    for (size_t i = 0, n = strlen(title) + 3; i < n; i++)
        putchar('-');
    putchar('\n');
    fflush(stdout);
}

static void show_indented(const char *text) {
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        printf("  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fflush(stdout);
}

/* --- processes */

/* Starts a program with stdin and output as given (-1: ours). It dies with us, whatever happens to us. */
static pid_t spawn(const char *const *argv, int in, int out) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (in >= 0)
        dup2(in, STDIN_FILENO);
    if (out >= 0) {
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
    }
    execvp(argv[0], (char *const *)argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The exit code, or 128 + signal. */
static int wait_for(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The end of a log file, for an error message. */
static void read_tail(const char *path, char *out, size_t size) {
    out[0] = '\0';
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    if (fseek(file, -(long)size + 1, SEEK_END) != 0)
        rewind(file);
    size_t got = fread(out, 1, size - 1, file);
    out[got] = '\0';
    fclose(file);
}

/* --- the server */

static bool program_exists(const char *name) {
    const char *path = getenv("PATH");
    struct arena arena;
    arena_init(&arena);
    bool found = false;
    char *folders = arena_printf(&arena, "%s:/usr/sbin:/usr/local/sbin", path != NULL ? path : "/usr/bin:/bin");
    for (char *folder = strtok(folders, ":"); folder != NULL && !found; folder = strtok(NULL, ":"))
        found = access(arena_printf(&arena, "%s/%s", folder, name), X_OK) == 0;
    arena_deinit(&arena);
    return found;
}

/* mariadbd lies in /usr/sbin, which is not on every user's PATH. */
static void extend_path(void) {
    const char *path = getenv("PATH");
    char *longer = mem_printf("%s:/usr/sbin:/usr/local/sbin", path != NULL ? path : "/usr/bin:/bin");
    setenv("PATH", longer, 1);
    mem_free(longer);
}

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = 0;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static bool can_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool server_failed(const struct demo *demo, const char *what, struct error *err) {
    char tail[400];
    read_tail(demo->server_log, tail, sizeof tail);
    return error_set(err, ERROR_OUTSIDE, "%s failed: … %s", what, tail);
}

static bool start_server(struct demo *demo, struct error *err) {
    struct arena *a = &demo->arena;
    const char *data = arena_printf(a, "--datadir=%s/mariadb", demo->folder);
    const char *user = geteuid() == 0 ? "--user=root" : "--skip-name-resolve";
    int log = open(demo->server_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return error_set_errno(err, errno, "%s", demo->server_log);
    const char *install[] = {"mariadb-install-db",
                             "--no-defaults",
                             user,
                             data,
                             "--auth-root-authentication-method=normal",
                             "--skip-test-db",
                             NULL};
    bool ok = wait_for(spawn(install, -1, log)) == 0 || server_failed(demo, "mariadb-install-db", err);
    if (ok) {
        demo->port = free_port();
        const char *run[] = {"mariadbd",
                             "--no-defaults",
                             user,
                             data,
                             "--bind-address=127.0.0.1",
                             arena_printf(a, "--port=%d", demo->port),
                             arena_printf(a, "--socket=%s", demo->socket),
                             arena_printf(a, "--pid-file=%s/mariadb.pid", demo->folder),
                             "--server-id=1",
                             "--log-bin=bin",
                             "--binlog-format=ROW",
                             "--binlog-row-metadata=FULL",
                             "--innodb-buffer-pool-size=64M",
                             "--innodb-flush-log-at-trx-commit=2",
                             NULL};
        demo->server = spawn(run, -1, log);
        int64_t until_ms = clock_monotonic_ms() + SERVER_START_MS;
        while (ok && !can_connect(demo->socket)) {
            int status;
            ok = waitpid(demo->server, &status, WNOHANG) == 0 && clock_monotonic_ms() < until_ms && cancel_sleep_ms(50);
        }
        if (!ok)
            server_failed(demo, "mariadbd", err);
    }
    close(log);
    return ok;
}

static void stop_server(struct demo *demo) {
    if (demo->server <= 0)
        return;
    kill(demo->server, SIGTERM);
    wait_for(demo->server);
    demo->server = 0;
}

/* Feeds SQL to the server's own client. */
static bool run_sql(struct demo *demo, const char *sql, const char *database, struct error *err) {
    struct arena *a = &demo->arena;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, errno, "pipe");
    const char *client[] = {"mariadb",
                            "--no-defaults",
                            "--user=root",
                            arena_printf(a, "--socket=%s", demo->socket),
                            arena_printf(a, "--database=%s", database),
                            NULL};
    pid_t child = spawn(client, ends[0], -1);
    close(ends[0]);
    size_t left = strlen(sql);
    while (left > 0) {
        ssize_t written = write(ends[1], sql + strlen(sql) - left, left);
        if (written < 0 && errno != EINTR)
            break;
        left -= written > 0 ? (size_t)written : 0;
    }
    close(ends[1]);
    return wait_for(child) == 0 || error_set(err, ERROR_OUTSIDE, "the mariadb client failed");
}

/* --- sluice itself */

/* Runs this program with the arguments and shows what a user would have typed. */
static bool run_sluice(struct demo *demo, struct error *err, const char *const *arguments) {
    const char *argv[ARGUMENTS_MAX] = {"/proc/self/exe", "-c", demo->config};
    size_t count = 3;
    printf("\n  $ sluice -c sluice.yaml");
    for (size_t i = 0; arguments[i] != NULL && count + 1 < ARGUMENTS_MAX; i++) {
        argv[count++] = arguments[i];
        bool quote = strpbrk(arguments[i], " *\"'") != NULL;
        printf(quote ? " '%s'" : " %s", arguments[i]);
    }
    printf("\n");
    fflush(stdout);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(err, errno, "pipe");
    pid_t child = spawn(argv, -1, ends[1]);
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    char line[2048];
    while (out != NULL && fgets(line, sizeof line, out) != NULL)
        printf("  %s", line);
    if (out != NULL)
        fclose(out);
    fflush(stdout);
    int code = wait_for(child);
    return code == 0 || error_set(err, ERROR_INTERNAL, "sluice %s ended with exit code %d", arguments[0], code);
}

#define RUN(demo, err, ...) run_sluice(demo, err, (const char *const[]){__VA_ARGS__, NULL})

static bool write_config(struct demo *demo, struct error *err) {
    char *text = arena_printf(&demo->arena,
                              "task: shop\n"
                              "source:\n"
                              "  engine: mariadb\n"
                              "  host: 127.0.0.1\n"
                              "  port: %d\n"
                              "  user: sluice\n"
                              "  password: demo\n"
                              "  database: sampledb\n"
                              "raw:\n"
                              "  location: file://%s/raw\n"
                              "lake:\n"
                              "  location: file://%s/lake\n"
                              "  database: shop\n"
                              "state: sqlite://%s/state.db\n",
                              demo->port, demo->folder, demo->folder, demo->folder);
    FILE *file = fopen(demo->config, "w");
    if (file == NULL)
        return error_set_errno(err, errno, "%s", demo->config);
    fputs(text, file);
    if (fclose(file) != 0)
        return error_set_errno(err, errno, "%s", demo->config);
    printf("%s:\n\n", demo->config);
    show_indented(text);
    return true;
}

static bool show_files(struct demo *demo, const char *what, struct error *err) {
    struct arena *a = &demo->arena;
    printf("\n  $ find %s -type f\n", what);
    fflush(stdout);
    const char *find[] = {
        "sh", "-c",
        arena_printf(a, "cd '%s' && find %s -type f -not -path '*/_*' | sort | sed 's/^/  /'", demo->folder, what),
        NULL};
    return wait_for(spawn(find, -1, -1)) == 0 || error_set(err, ERROR_INTERNAL, "cannot list %s", what);
}

static const char query_product[] =
    "SELECT \"Op\", id, name, price, updated FROM sampledb.product WHERE id <= 1004 ORDER BY id";
static const char query_counts[] =
    "SELECT (SELECT count(*) FROM sampledb.product) AS products, (SELECT count(*) FROM sampledb.store) AS stores, "
    "(SELECT count(*) FROM sampledb.productorder) AS orders, "
    "(SELECT max(create_dt) FROM sampledb.productorder) AS newest";

static bool walk(struct demo *demo, struct error *err) {
    show_step(demo, "A private MariaDB with the sample database");
    if (!start_server(demo, err) || !run_sql(demo, demo_sql_setup, "mysql", err))
        return false;
    printf("It runs in %s/mariadb, port %d, with binlog_format=ROW.\n"
           "Database sampledb: product (25 rows), store (8 rows), productorder (8,400 rows over five dates, no key).\n",
           demo->folder, demo->port);

    show_step(demo, "The configuration: where from, where to");
    if (!write_config(demo, err) || !RUN(demo, err, "check"))
        return false;

    show_step(demo, "Capture: the full load, one LOAD file a table, and the position in the binlog that belongs to it");
    if (!RUN(demo, err, "capture", "--until-current") || !show_files(demo, "raw", err))
        return false;

    show_step(demo, "The controller: one row a table; nothing is loaded before a row is active");
    if (!RUN(demo, err, "tables", "list") ||
        !RUN(demo, err, "tables", "set", "--schema", "sampledb", "--table", "product", "--primary-key", "id",
             "--active", "true") ||
        !RUN(demo, err, "tables", "set", "--schema", "sampledb", "--table", "store", "--primary-key", "id", "--active",
             "true") ||
        !RUN(demo, err, "tables", "set", "--schema", "sampledb", "--table", "productorder", "--primary-key", "null",
             "--partition-key", "create_dt", "--active", "true"))
        return false;

    show_step(demo, "Load: raw files become Iceberg tables, orders in a folder a day");
    if (!RUN(demo, err, "load") || !show_files(demo, "lake", err) ||
        !RUN(demo, err, "query", "--format", "table", query_product) ||
        !RUN(demo, err, "query", "--format", "table", query_counts))
        return false;

    show_step(demo, "Meanwhile, at the source");
    show_indented(demo_sql_changes);
    if (!run_sql(demo, demo_sql_changes, "sampledb", err))
        return false;

    show_step(demo, "Capture the changes from the binlog, load them, look again");
    if (!RUN(demo, err, "capture", "--until-current") || !show_files(demo, "raw", err) || !RUN(demo, err, "load") ||
        !show_files(demo, "lake/product", err) || !RUN(demo, err, "query", "--format", "table", query_product) ||
        !RUN(demo, err, "query", "--format", "table", query_counts))
        return false;
    printf("\nProduct 1001 has its new price, 1002 is gone, store 9 and 120 orders have arrived.\n"
           "`sluice run` does capture and load together, on a schedule; `sluice init` writes a configuration to start "
           "from.\n");
    return true;
}

/* --- the folder */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static bool make_folder(struct demo *demo, struct error *err) {
    const char *temp = getenv("TMPDIR");
    demo->folder = arena_printf(&demo->arena, "%s/sluice-demo-XXXXXX", temp != NULL ? temp : "/tmp");
    if (mkdtemp(demo->folder) == NULL)
        return error_set_errno(err, errno, "%s", demo->folder);
    demo->socket = arena_printf(&demo->arena, "%s/mariadb.sock", demo->folder);
    demo->server_log = arena_printf(&demo->arena, "%s/mariadb.log", demo->folder);
    demo->config = arena_printf(&demo->arena, "%s/sluice.yaml", demo->folder);
    return true;
}

bool demo_run(bool keep, struct error *err) {
    extend_path();
    if (!program_exists("mariadbd") || !program_exists("mariadb-install-db") || !program_exists("mariadb"))
        return error_set(
            err, ERROR_CONFIG,
            "the demo starts a private MariaDB, and there is none on this machine: apt-get install mariadb-server");
    struct demo demo = {0};
    arena_init(&demo.arena);
    bool ok = make_folder(&demo, err) && walk(&demo, err);
    stop_server(&demo);
    if (keep && demo.folder != NULL) {
        printf("\nKept: %s (the server is stopped; remove the folder when you are done)\n", demo.folder);
    } else if (demo.folder != NULL) {
        nftw(demo.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    arena_deinit(&demo.arena);
    return ok;
}
