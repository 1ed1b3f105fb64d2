/* The state in a SQLite file: sqlite:///absolute/path. The file is described in sqlite_db.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "state/sqlite_db.h"

enum statement { GET, LIST, PUT, INSERT, UPDATE, DELETE, DELETE_VERSION, STATEMENT_COUNT };

/* ?1 kind, ?2 key, ?3 attributes, ?4 version. */
static const char *const statement_sql[STATEMENT_COUNT] = {
    [GET] = "SELECT key, version, attributes FROM item WHERE kind = ?1 AND key = ?2",
    /* ?2 a prefix, ?3 the first key behind all that start with it */
    [LIST] = "SELECT key, version, attributes FROM item WHERE kind = ?1 AND key >= ?2 AND key < ?3 ORDER BY key",
    [PUT] = "INSERT INTO item VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE SET version = version + 1, attributes = ?3",
    [INSERT] = "INSERT INTO item VALUES (?1, ?2, 1, ?3) ON CONFLICT DO NOTHING",
    [UPDATE] = "UPDATE item SET version = version + 1, attributes = ?3 WHERE kind = ?1 AND key = ?2 AND version = ?4",
    [DELETE] = "DELETE FROM item WHERE kind = ?1 AND key = ?2",
    [DELETE_VERSION] = "DELETE FROM item WHERE kind = ?1 AND key = ?2 AND version = ?4",
};

enum { LOCK_WAIT_MS = 5000, LOCK_POLL_MS = 50 };

struct sqlite_state {
    struct state base;
    int lock_fd; /* -1: no lock is held */
    struct {
        pthread_mutex_t mutex; /* guards the rest */
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_COUNT];
    } locked;
};

static struct sqlite_state *lock(struct state *base) {
    struct sqlite_state *state = (struct sqlite_state *)base;
    pthread_mutex_lock(&state->locked.mutex);
    return state;
}

static void unlock(struct sqlite_state *state) { pthread_mutex_unlock(&state->locked.mutex); }

/* --- open and close */

static void sqlite_close(struct state *base) {
    struct sqlite_state *state = (struct sqlite_state *)base;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(state->locked.statements[i]);
    sqlite3_close(state->locked.db);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    pthread_mutex_destroy(&state->locked.mutex);
    mem_free(state);
}

static bool prepare_statements(struct sqlite_state *state, struct error *err) {
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(state->locked.db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &state->locked.statements[i], NULL) != SQLITE_OK)
            return sqlite_db_set_error(state->locked.db, err);
    return true;
}

static bool sqlite_open(const char *location, struct state **out, struct error *err) {
    const char *path = location + strlen("sqlite://");
    if (path[0] != '/' || path[strlen(path) - 1] == '/')
        return error_set(err, ERROR_CONFIG,
                         "%s: it has to be a file with its absolute path, as in sqlite:///var/lib/sluice/state.db",
                         location);
    struct sqlite_state *state = mem_zalloc(sizeof *state);
    state->lock_fd = -1;
    pthread_mutex_init(&state->locked.mutex, NULL);
    if (!sqlite_db_open(path, &state->locked.db, err) || !prepare_statements(state, err)) {
        sqlite_close(&state->base);
        return false;
    }
    *out = &state->base;
    return true;
}

/* A file lock beside the state: the system frees it however the process ends. */
static bool sqlite_lock(struct state *base, const char *name, struct error *err) {
    struct sqlite_state *state = (struct sqlite_state *)base;
    assert(state->lock_fd < 0);
    char *path = mem_printf("%s.%s.lock", sqlite3_db_filename(state->locked.db, "main"), name);
    for (char *p = path + strlen(path) - strlen(".lock") - strlen(name); *p != '\0'; p++)
        if (*p == '/')
            *p = '_';
    bool ok = false;
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock_fd < 0) {
        error_set_errno(err, errno, "%s", path);
        goto done;
    }
    int64_t until_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
    while (!(ok = flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0) && errno == EWOULDBLOCK &&
           clock_monotonic_ms() < until_ms && cancel_sleep_ms(LOCK_POLL_MS))
        continue;
    if (!ok && errno == EWOULDBLOCK)
        error_set(err, ERROR_CONFLICT, "another process has %s locked; stop it first", path);
    else if (!ok)
        error_set_errno(err, errno, "locking %s", path);
done:
    mem_free(path);
    return ok;
}

void sqlite_state_set_busy_timeout(struct state *base, int timeout_ms) {
    struct sqlite_state *state = lock(base);
    sqlite3_busy_timeout(state->locked.db, timeout_ms);
    unlock(state);
}

/* --- reading */

static sqlite3_stmt *bind(struct sqlite_state *state, enum statement which, const char *kind, const char *key) {
    sqlite3_stmt *statement = state->locked.statements[which];
    sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
    return statement;
}

/* What was bound is borrowed, so it must not stay. */
static void release(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

static bool read_item(sqlite3_stmt *row, const char *kind, struct state_item *out, struct error *err) {
    const char *key = (const char *)sqlite3_column_text(row, 0);
    const char *text = (const char *)sqlite3_column_text(row, 2);
    json_error_t problem;
    json_t *attributes = json_loadb(text, (size_t)sqlite3_column_bytes(row, 2), 0, &problem);
    if (!json_is_object(attributes)) {
        json_decref(attributes);
        return error_set(err, ERROR_DATA, "%s: the %s \"%s\" is not a JSON object (%s); mend it or restore a backup",
                         sqlite3_db_filename(sqlite3_db_handle(row), "main"), kind, key, problem.text);
    }
    *out = (struct state_item){
        .key = mem_strdup(key), .version = (uint64_t)sqlite3_column_int64(row, 1), .attributes = attributes};
    return true;
}

static bool sqlite_get(struct state *base, const char *kind, const char *key, struct state_item *out, bool *found,
                       struct error *err) {
    struct sqlite_state *state = lock(base);
    sqlite3_stmt *statement = bind(state, GET, kind, key);
    int result = sqlite3_step(statement);
    *found = result == SQLITE_ROW;
    bool ok = *found ? read_item(statement, kind, out, err)
                     : result == SQLITE_DONE || sqlite_db_set_error(state->locked.db, err);
    release(statement);
    unlock(state);
    return ok;
}

/* The least text that is greater than all texts that start with the prefix; keys are UTF-8 and never have a byte 0xFF. */
static char *end_of_prefix(const char *prefix) {
    size_t len = strlen(prefix);
    if (len == 0)
        return mem_strdup("\xff");
    assert((unsigned char)prefix[len - 1] < 0xff);
    char *end = mem_strdup(prefix);
    end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
    return end;
}

static bool read_items(struct sqlite_state *state, sqlite3_stmt *statement, const char *kind, struct state_items *out,
                       struct error *err) {
    size_t capacity = 0;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        out->items = mem_grow(out->items, out->count, &capacity, sizeof *out->items);
        if (!read_item(statement, kind, &out->items[out->count], err))
            return false;
        out->count++;
    }
    return result == SQLITE_DONE || sqlite_db_set_error(state->locked.db, err);
}

static bool sqlite_list(struct state *base, const char *kind, const char *key_prefix, struct state_items *out,
                        struct error *err) {
    *out = (struct state_items){0};
    char *end = end_of_prefix(key_prefix);
    struct sqlite_state *state = lock(base);
    sqlite3_stmt *statement = bind(state, LIST, kind, key_prefix);
    sqlite3_bind_text(statement, 3, end, -1, SQLITE_STATIC);
    bool ok = read_items(state, statement, kind, out, err);
    release(statement);
    unlock(state);
    mem_free(end);
    if (!ok)
        state_items_deinit(out);
    return ok;
}

/* --- writing */

static enum statement statement_for(const struct state_write *write) {
    if (write->attributes == NULL)
        return write->expected == STATE_VERSION_ANY ? DELETE : DELETE_VERSION;
    return write->expected == STATE_VERSION_ANY ? PUT : write->expected == STATE_VERSION_ABSENT ? INSERT : UPDATE;
}

static bool apply(struct sqlite_state *state, const struct state_write *write, struct error *err) {
    enum statement which = statement_for(write);
    sqlite3_stmt *statement = bind(state, which, write->kind, write->key);
    if (write->attributes != NULL) {
        char *text = json_dumps(write->attributes, JSON_COMPACT);
        assert(text != NULL);
        sqlite3_bind_text(statement, 3, text, -1, free);
    }
    if (which == UPDATE || which == DELETE_VERSION)
        sqlite3_bind_int64(statement, 4, (sqlite3_int64)write->expected);
    bool ok = sqlite3_step(statement) == SQLITE_DONE || sqlite_db_set_error(state->locked.db, err);
    if (ok && which != PUT && which != DELETE && sqlite3_changes(state->locked.db) == 0)
        ok = error_set(err, ERROR_CONFLICT, "the %s \"%s\" was changed by another process meanwhile", write->kind,
                       write->key);
    release(statement);
    return ok;
}

static bool sqlite_commit(struct state *base, const struct state_write *writes, size_t count, struct error *err) {
    struct sqlite_state *state = lock(base);
    sqlite3 *db = state->locked.db;
    bool ok = sqlite_db_run(db, "BEGIN IMMEDIATE", err);
    for (size_t i = 0; ok && i < count; i++)
        ok = apply(state, &writes[i], err);
    ok = ok && sqlite_db_run(db, "COMMIT", err);
    if (!sqlite3_get_autocommit(db)) /* SQLite rolls back by itself after some errors */
        sqlite_db_run(db, "ROLLBACK", NULL);
    unlock(state);
    return ok;
}

const struct state_ops state_sqlite_ops = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .get = sqlite_get,
    .list = sqlite_list,
    .commit = sqlite_commit,
    .lock = sqlite_lock,
};
