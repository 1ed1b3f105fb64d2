/* What every state promises (state.h), checked for each backend of the registry; then what only SQLite's file has. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assert_call.h"
#include "base/cancel.h"
#include "base/mem.h"
#include "registry.h"
#include "state/sqlite_db.h"
#include "temp_folder.h"

static struct {
    const struct state_ops *backend;
    char *folder;
    char *path; /* SQLite: the file */
    char *location;
    struct state *state;
} subject;

static struct error err;

/* A new backend adds where its test state goes. */
static char *make_location(const char *scheme) {
    if (strcmp(scheme, "sqlite") == 0)
        return mem_printf("sqlite://%s", subject.path);
    fail_msg("no test location for %s://", scheme);
    return NULL;
}

static int setup(void **unused) {
    (void)unused;
    subject.folder = temp_folder_make();
    subject.path = mem_printf("%s/folder/state.db", subject.folder);
    subject.location = make_location(subject.backend->scheme);
    assert_ok(state_open(subject.location, &subject.state, &err));
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    state_close(subject.state);
    mem_free(subject.location);
    mem_free(subject.path);
    temp_folder_remove(subject.folder);
    return 0;
}

/* --- helpers: an item is {"n": number} */

static bool put(const char *kind, const char *key, uint64_t expected, int number) {
    json_t *attributes = json_pack("{s:i}", "n", number);
    struct state_write write = {kind, key, expected, attributes};
    bool ok = state_commit(subject.state, &write, 1, &err);
    json_decref(attributes);
    return ok;
}

static bool drop(const char *kind, const char *key, uint64_t expected) {
    struct state_write write = {kind, key, expected, NULL};
    return state_commit(subject.state, &write, 1, &err);
}

static int number_of(const json_t *attributes) { return (int)json_integer_value(json_object_get(attributes, "n")); }

static void assert_item(const char *kind, const char *key, uint64_t version, int number) {
    struct state_item item;
    bool found;
    assert_ok(state_get(subject.state, kind, key, &item, &found, &err));
    assert_true(found);
    assert_string_equal(item.key, key);
    assert_int_equal(item.version, version);
    assert_int_equal(number_of(item.attributes), number);
    state_item_deinit(&item);
}

static void assert_missing(const char *kind, const char *key) {
    struct state_item item;
    bool found;
    assert_ok(state_get(subject.state, kind, key, &item, &found, &err));
    assert_false(found);
}

/* "a=1 b=2" */
static void assert_listed(const char *kind, const char *prefix, const char *expected) {
    struct state_items items;
    assert_ok(state_list(subject.state, kind, prefix, &items, &err));
    char text[512] = "";
    for (size_t i = 0; i < items.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s=%d", i > 0 ? " " : "", items.items[i].key,
                 number_of(items.items[i].attributes));
    assert_string_equal(text, expected);
    state_items_deinit(&items);
}

static pid_t fork_child(void) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static int wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* --- every state */

static void test_put_and_get(void **unused) {
    (void)unused;
    assert_missing("task", "a");
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
    assert_item("task", "a", 1, 1);
    assert_missing("table", "a");
    assert_missing("task", "A");
    assert_ok(put("task", "a", STATE_VERSION_ANY, 2));
    assert_item("task", "a", 2, 2);
    assert_ok(put("table", "a", STATE_VERSION_ANY, 3));
    assert_item("table", "a", 1, 3);
    assert_item("task", "a", 2, 2);
}

static void test_attributes_come_back(void **unused) {
    (void)unused;
    char *large = mem_alloc(300001);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    json_t *attributes =
        json_pack("{s:s, s:s, s:I, s:n, s:b, s:[i,{s:s}], s:s}", "text", "it's \"quoted\"\n\xc3\xa9 \xf0\x9f\x90\xac",
                  "", "empty name", "big", INT64_MAX, "null", "true", 1, "list", 1, "a", "b", "large", large);
    assert_non_null(attributes);
    struct state_write write = {"task", "k\xc3\xa9y '%_/", STATE_VERSION_ANY, attributes};
    assert_ok(state_commit(subject.state, &write, 1, &err));
    struct state_item item;
    bool found;
    assert_ok(state_get(subject.state, write.kind, write.key, &item, &found, &err));
    assert_true(found && json_equal(item.attributes, attributes));
    state_item_deinit(&item);
    json_decref(attributes);
    mem_free(large);
}

static void test_expected_versions(void **unused) {
    (void)unused;
    assert_fails(put("task", "a", 1, 1), ERROR_CONFLICT);
    assert_says("\"a\"");
    assert_ok(put("task", "a", STATE_VERSION_ABSENT, 1));
    assert_fails(put("task", "a", STATE_VERSION_ABSENT, 2), ERROR_CONFLICT);
    assert_ok(put("task", "a", 1, 3));
    assert_fails(put("task", "a", 1, 4), ERROR_CONFLICT);
    assert_fails(put("task", "a", 3, 4), ERROR_CONFLICT);
    assert_item("task", "a", 2, 3);
    assert_fails(drop("task", "a", 1), ERROR_CONFLICT);
    assert_item("task", "a", 2, 3);
    assert_ok(drop("task", "a", 2));
    assert_missing("task", "a");
    assert_fails(drop("task", "a", 2), ERROR_CONFLICT);
    assert_ok(drop("task", "a", STATE_VERSION_ANY));
    assert_ok(put("task", "a", STATE_VERSION_ABSENT, 5));
    assert_item("task", "a", 1, 5);
}

static void test_all_or_nothing(void **unused) {
    (void)unused;
    assert_ok(put("task", "old", STATE_VERSION_ANY, 1));
    json_t *attributes = json_pack("{s:i}", "n", 7);
    struct state_write writes[] = {
        {"task", "new", STATE_VERSION_ABSENT, attributes},
        {"table", "new", STATE_VERSION_ANY, attributes},
        {"task", "old", STATE_VERSION_ANY, NULL},
        {"task", "other", 9, attributes},
    };
    assert_fails(state_commit(subject.state, writes, 4, &err), ERROR_CONFLICT);
    assert_listed("task", "", "old=1");
    assert_listed("table", "", "");
    assert_ok(state_commit(subject.state, writes, 3, &err));
    assert_listed("task", "", "new=7");
    assert_listed("table", "", "new=7");
    assert_ok(state_commit(subject.state, NULL, 0, &err));
    json_decref(attributes);
}

static void test_list(void **unused) {
    (void)unused;
    assert_listed("table", "", "");
    static const char *const keys[] = {"b", "a/b", "a", "a/a", "a0", "A", "a%", "\xc3\xa9", "a/\xf4\x8f\xbf\xbf"};
    for (int i = 0; i < (int)(sizeof keys / sizeof *keys); i++)
        assert_ok(put("table", keys[i], STATE_VERSION_ANY, i));
    assert_ok(put("task", "a/z", STATE_VERSION_ANY, 99));
    assert_listed("table", "", "A=5 a=2 a%=6 a/a=3 a/b=1 a/\xf4\x8f\xbf\xbf=8 a0=4 b=0 \xc3\xa9=7");
    assert_listed("table", "a/", "a/a=3 a/b=1 a/\xf4\x8f\xbf\xbf=8");
    assert_listed("table", "a%", "a%=6");
    assert_listed("table", "\xc3", "\xc3\xa9=7");
    assert_listed("table", "c", "");
}

static void test_another_handle_sees_commits(void **unused) {
    (void)unused;
    struct state *mine = subject.state;
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
    assert_ok(state_open(subject.location, &subject.state, &err));
    assert_item("task", "a", 1, 1);
    assert_ok(put("task", "a", 1, 2));
    state_close(subject.state);
    subject.state = mine;
    assert_fails(put("task", "a", 1, 3), ERROR_CONFLICT);
    assert_item("task", "a", 2, 2);
}

enum { INCREMENTS = 25 };

/* Reads, adds one, writes if nobody else did. */
static bool increment(struct state *state, struct error *own) {
    for (;;) {
        struct state_item item;
        bool found;
        if (!state_get(state, "task", "counter", &item, &found, own))
            return false;
        json_t *attributes = json_pack("{s:i}", "n", found ? number_of(item.attributes) + 1 : 1);
        struct state_write write = {"task", "counter", found ? item.version : STATE_VERSION_ABSENT, attributes};
        bool ok = state_commit(state, &write, 1, own);
        json_decref(attributes);
        if (found)
            state_item_deinit(&item);
        if (ok || own->kind != ERROR_CONFLICT)
            return ok;
    }
}

static void *increment_often(void *context) {
    struct error *own = context;
    for (int i = 0; i < INCREMENTS; i++)
        if (!increment(subject.state, own))
            return own;
    return NULL;
}

static void test_a_lock_keeps_others_out(void **unused) {
    (void)unused;
    struct state *second;
    assert_ok(state_lock(subject.state, "task/a", &err));
    assert_ok(state_open(subject.location, &second, &err));
    cancel_request(); /* do not wait */
    assert_fails(state_lock(second, "task/a", &err), ERROR_CONFLICT);
    state_close(second);
    assert_ok(state_open(subject.location, &second, &err));
    assert_ok(state_lock(second, "task/b", &err));
    state_close(second);
}

static void test_threads_lose_nothing(void **unused) {
    (void)unused;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct error errors[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, increment_often, &errors[i]);
    const struct error *failed = NULL;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed = failed != NULL ? failed : result;
    }
    if (failed != NULL)
        fail_msg("%s", failed->message);
    assert_item("task", "counter", THREADS * INCREMENTS, THREADS * INCREMENTS);
}

/* Each opens the state, which none has created yet. */
static void test_processes_lose_nothing(void **unused) {
    (void)unused;
    enum { PROCESSES = 4 };
    state_close(subject.state);
    subject.state = NULL;
    mem_free(subject.path);
    subject.path = mem_printf("%s/other/state.db", subject.folder);
    mem_free(subject.location);
    subject.location = make_location(subject.backend->scheme);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork_child();
        if (children[i] == 0) {
            bool ok = state_open(subject.location, &subject.state, &err) && increment_often(&err) == NULL;
            if (!ok)
                print_error("%s\n", err.message);
            _exit(!ok);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(wait_for(children[i]), 0);
    assert_ok(state_open(subject.location, &subject.state, &err));
    assert_item("task", "counter", PROCESSES * INCREMENTS, PROCESSES * INCREMENTS);
}

/* Two items of one commit, until killed; says after each commit that it is done. */
static void commit_until_killed(int progress) {
    struct state *state;
    if (!state_open(subject.location, &state, &err))
        _exit(1);
    for (int i = 1;; i++) {
        json_t *attributes = json_pack("{s:i}", "n", i);
        struct state_write writes[] = {{"task", "a", STATE_VERSION_ANY, attributes},
                                       {"task", "b", STATE_VERSION_ANY, attributes}};
        if (!state_commit(state, writes, 2, &err) || write(progress, &i, sizeof i) != sizeof i)
            _exit(1);
        json_decref(attributes);
    }
}

static void test_killed_at_any_moment(void **unused) {
    (void)unused;
    for (int kill_after = 1; kill_after <= 100; kill_after += 33) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork_child();
        if (child == 0)
            commit_until_killed(pipes[1]);
        close(pipes[1]);
        int last = 0, seen;
        while (last < kill_after && read(pipes[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        kill(child, SIGKILL);
        assert_true(WIFSIGNALED(wait_for(child)));
        while (read(pipes[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        close(pipes[0]);
        struct state_items items;
        assert_ok(state_list(subject.state, "task", "", &items, &err));
        assert_int_equal(items.count, 2);
        assert_in_range(number_of(items.items[0].attributes), last, last + 1);
        assert_int_equal(number_of(items.items[0].attributes), number_of(items.items[1].attributes));
        state_items_deinit(&items);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest every_state[] = {
    CASE(test_put_and_get),
    CASE(test_attributes_come_back),
    CASE(test_expected_versions),
    CASE(test_all_or_nothing),
    CASE(test_list),
    CASE(test_another_handle_sees_commits),
    CASE(test_threads_lose_nothing),
    CASE(test_processes_lose_nothing),
    CASE(test_killed_at_any_moment),
    CASE(test_a_lock_keeps_others_out), /* the last: it asks for a stop */
};

/* --- SQLite only */

/* Works on the file as another program would. */
static void run_sql(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void test_bad_locations(void **unused) {
    (void)unused;
    static const char *const locations[] = {"",           "state.db",   "/var/lib/state.db",
                                            "mysql:///a", "sqlite:/a",  "sqlite://a/b",
                                            "sqlite://",  "sqlite:///", "sqlite:///a/"};
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        struct state *state;
        assert_fails(state_open(locations[i], &state, &err), ERROR_CONFIG);
        assert_says("sqlite://");
        assert_says(locations[i]);
    }
}

static void assert_refused(const char *path, enum error_kind kind, const char *says) {
    char *location = mem_printf("sqlite://%s", path);
    struct state *state;
    assert_fails(state_open(location, &state, &err), kind);
    assert_says(path);
    assert_says(says);
    mem_free(location);
}

static void test_not_a_state(void **unused) {
    (void)unused;
    char *path = mem_printf("%s/notes.txt", subject.folder);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("These are notes of somebody.\n", file);
    fclose(file);
    assert_refused(path, ERROR_CONFIG, "is not a state of sluice");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 29000);
    assert_refused(subject.folder, ERROR_OUTSIDE, "");
    mem_free(path);
}

static void test_another_programs_database(void **unused) {
    (void)unused;
    char *path = mem_printf("%s/mail.db", subject.folder);
    run_sql(path, "CREATE TABLE mail (id INTEGER PRIMARY KEY)");
    assert_refused(path, ERROR_CONFIG, "another program");
    run_sql(path, "DROP TABLE mail; VACUUM; PRAGMA application_id = 77");
    assert_refused(path, ERROR_CONFIG, "another program");
    sqlite3 *db;
    sqlite3_open(path, &db);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0), "delete"); /* nothing was changed in it */
    sqlite3_finalize(statement);
    sqlite3_close(db);
    mem_free(path);
}

static void test_newer_version(void **unused) {
    (void)unused;
    state_close(subject.state);
    subject.state = NULL;
    run_sql(subject.path, "UPDATE meta SET value = '2' WHERE name = 'format_version';"
                          "UPDATE meta SET value = '7.8.9' WHERE name = 'sluice_version'");
    assert_refused(subject.path, ERROR_CONFIG, "format 2, written by sluice 7.8.9");
    assert_says("this is sluice " SLUICE_VERSION);
    assert_says("upgrade sluice");
    run_sql(subject.path, "DELETE FROM meta WHERE name = 'sluice_version'");
    assert_refused(subject.path, ERROR_CONFIG, "format 2");
    run_sql(subject.path, "DELETE FROM meta");
    assert_refused(subject.path, ERROR_CONFIG, "no format version");
    run_sql(subject.path, "INSERT INTO meta VALUES ('format_version', '1')");
    assert_ok(state_open(subject.location, &subject.state, &err));
}

static void test_damaged_item(void **unused) {
    (void)unused;
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
    static const char *const texts[] = {"[]", "{", "", "7"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *sql = mem_printf("UPDATE item SET attributes = '%s'", texts[i]);
        run_sql(subject.path, sql);
        mem_free(sql);
        struct state_item item;
        struct state_items items;
        bool found;
        assert_fails(state_get(subject.state, "task", "a", &item, &found, &err), ERROR_DATA);
        assert_says("the task \"a\"");
        assert_fails(state_list(subject.state, "task", "", &items, &err), ERROR_DATA);
    }
}

static void test_locked_for_too_long(void **unused) {
    (void)unused;
    sqlite_state_set_busy_timeout(subject.state, 1);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(subject.path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_fails(put("task", "a", STATE_VERSION_ANY, 1), ERROR_RETRY);
    assert_says(subject.path);
    assert_says("locked");
    assert_missing("task", "a"); /* reading goes on */
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
}

/* A limit of the file size stands for a disk that fails in the middle of a commit. */
static void test_write_fails(void **unused) {
    (void)unused;
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
    char *large = mem_alloc(1000001);
    memset(large, 'x', 1000000);
    large[1000000] = '\0';
    json_t *attributes = json_pack("{s:s}", "large", large);
    struct state_write writes[] = {{"task", "a", STATE_VERSION_ANY, attributes},
                                   {"task", "b", STATE_VERSION_ANY, attributes}};
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){.rlim_cur = 500000, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool ok = state_commit(subject.state, writes, 2, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(ok);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_says(subject.path);
    assert_item("task", "a", 1, 1);
    assert_missing("task", "b");
    assert_ok(state_commit(subject.state, writes, 2, &err));
    json_decref(attributes);
    mem_free(large);
}

/* As after a restore from a dump: sluice goes back to its log. */
static void test_other_journal_mode(void **unused) {
    (void)unused;
    assert_ok(put("task", "a", STATE_VERSION_ANY, 1));
    state_close(subject.state);
    run_sql(subject.path, "PRAGMA journal_mode = DELETE");
    assert_ok(state_open(subject.location, &subject.state, &err));
    assert_ok(put("task", "a", STATE_VERSION_ANY, 2));
    char *log = mem_printf("%s-wal", subject.path);
    assert_int_equal(access(log, F_OK), 0);
    mem_free(log);
}

static const struct CMUnitTest sqlite_state[] = {
    CASE(test_bad_locations), CASE(test_not_a_state),        CASE(test_another_programs_database),
    CASE(test_newer_version), CASE(test_damaged_item),       CASE(test_locked_for_too_long),
    CASE(test_write_fails),   CASE(test_other_journal_mode),
};

int main(void) {
    int failed = 0;
    for (const struct state_ops *const *ops = registry_states; *ops != NULL; ops++) {
        subject.backend = *ops;
        failed += cmocka_run_group_tests_name((*ops)->scheme, every_state, NULL, NULL);
    }
    subject.backend = &state_sqlite_ops;
    failed += cmocka_run_group_tests_name("sqlite, its own", sqlite_state, NULL, NULL);
    return failed;
}
