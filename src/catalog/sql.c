/* The catalog in a SQLite file: sqlite:///absolute/path. The tables are those of Iceberg's JDBC catalog:
 *
 *   iceberg_tables(catalog_name, table_namespace, table_name, metadata_location, previous_metadata_location, iceberg_type)
 *   iceberg_namespace_properties(catalog_name, namespace, property_key, property_value)
 *
 * iceberg_type is 'TABLE' or NULL for tables and 'VIEW' for views, which are left alone here. Files of older writers have no
 * such column (schema version 0): they are used as they are. A namespace exists by its property exists = true.
 *
 * The file belongs to all who open it, so it has no mark of sluice's. One that is created here uses a write-ahead log: then
 * readers never wait for a commit, nor a commit for them. That matters: Java's JdbcCatalog leaves a result open when it looks
 * for its tables, and with it a read transaction for as long as a session of Spark lives: with a rollback journal no other
 * writer could commit until it ends. Such a session does not see later commits, nor can it commit after one;
 * jdbc.init-catalog-tables=false keeps it from looking (docs/readers.md). */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/folder.h"
#include "catalog/catalog.h"

enum { BUSY_TIMEOUT_MS = 10000, CATALOG_MAX_NAMES = 1 << 20 };

static const char schema_sql[] =
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL,"
    " table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000),"
    " previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),"
    " PRIMARY KEY (catalog_name, table_namespace, table_name));"
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL,"
    " namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL,"
    " PRIMARY KEY (catalog_name, namespace, property_key));";

enum statement {
    NAMESPACE_CREATE,
    NAMESPACE_LIST,
    TABLE_LIST,
    TABLE_FIND,
    TABLE_CREATE,
    TABLE_COMMIT,
    TABLE_DROP,
    STATEMENT_COUNT,
};

/* ?1 catalog, ?2 namespace, ?3 table, ?4 new metadata file, ?5 the file that it replaces. The second is for version 0. */
#define WHERE_TABLE " WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3"
#define IS_TABLE " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)"
#define NAMESPACES                                                                                                     \
    "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1 UNION"                                 \
    " SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1 ORDER BY 1"
#define CREATE_NAMESPACE                                                                                               \
    "INSERT INTO iceberg_namespace_properties VALUES (?1, ?2, 'exists', 'true') ON CONFLICT DO NOTHING"
#define COMMIT_TABLE                                                                                                   \
    "UPDATE iceberg_tables SET metadata_location = ?4, previous_metadata_location = ?5" WHERE_TABLE                    \
    " AND metadata_location = ?5"
#define TABLES "SELECT table_name FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2"
#define FIND_TABLE "SELECT metadata_location FROM iceberg_tables" WHERE_TABLE
static const char *const statement_sql[STATEMENT_COUNT][2] = {
    [NAMESPACE_CREATE] = {CREATE_NAMESPACE, CREATE_NAMESPACE},
    [NAMESPACE_LIST] = {NAMESPACES, NAMESPACES},
    [TABLE_LIST] = {TABLES IS_TABLE " ORDER BY 1", TABLES " ORDER BY 1"},
    [TABLE_FIND] = {FIND_TABLE IS_TABLE, FIND_TABLE},
    [TABLE_CREATE] = {"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,"
                      " iceberg_type) VALUES (?1, ?2, ?3, ?4, 'TABLE') ON CONFLICT DO NOTHING",
                      "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location)"
                      " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"},
    [TABLE_COMMIT] = {COMMIT_TABLE IS_TABLE, COMMIT_TABLE},
    [TABLE_DROP] = {"DELETE FROM iceberg_tables" WHERE_TABLE IS_TABLE, "DELETE FROM iceberg_tables" WHERE_TABLE},
};

struct sql_catalog {
    struct catalog base;
    const char *path;
    const char *name;
    struct {
        pthread_mutex_t mutex; /* guards the rest */
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_COUNT];
    } locked;
};

static struct sql_catalog *lock(struct catalog *base) {
    struct sql_catalog *catalog = (struct sql_catalog *)base;
    pthread_mutex_lock(&catalog->locked.mutex);
    return catalog;
}

static void unlock(struct sql_catalog *catalog) { pthread_mutex_unlock(&catalog->locked.mutex); }

/* --- errors */

static bool set_error(const struct sql_catalog *catalog, struct error *err) {
    sqlite3 *db = catalog->locked.db;
    const char *text = sqlite3_errmsg(db);
    int extended = sqlite3_extended_errcode(db), system_errno = sqlite3_system_errno(db);
    int result = extended & 0xff;
    if (result == SQLITE_FULL || (result == SQLITE_IOERR && (system_errno == ENOSPC || system_errno == EDQUOT)))
        return error_set_code(err, ERROR_OUTSIDE, extended, "%s: the disk is full; free some space, then run again",
                              catalog->path);
    switch (result) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set_code(err, ERROR_RETRY, extended,
                              "%s: another process keeps it locked; which one says: fuser -v '%s'", catalog->path,
                              catalog->path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return error_set_code(err, ERROR_OUTSIDE, extended,
                              "%s: %s; give the user that runs sluice write access to the file and its folder",
                              catalog->path, text);
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
        return error_set_code(err, ERROR_OUTSIDE, extended, "%s: %s; check the disk, or restore it from a backup",
                              catalog->path, text);
    case SQLITE_NOTADB:
        return error_set_code(err, ERROR_CONFIG, extended, "%s is not a SQLite file; name another one", catalog->path);
    case SQLITE_ERROR:
        return error_set_code(err, ERROR_CONFIG, extended,
                              "%s: %s; its tables are not those of an Iceberg catalog: name another file",
                              catalog->path, text);
    default:
        return error_set_code(err, ERROR_INTERNAL, extended, "%s: %s", catalog->path, text);
    }
}

/* --- open and close */

static void sql_close(struct catalog *base) {
    struct sql_catalog *catalog = (struct sql_catalog *)base;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(catalog->locked.statements[i]);
    sqlite3_close(catalog->locked.db);
    pthread_mutex_destroy(&catalog->locked.mutex);
    mem_free((void *)catalog->base.location);
    mem_free((void *)catalog->name);
    mem_free(catalog);
}

static bool make_folder_of(const char *path, struct error *err) {
    char *folder = mem_strndup(path, folder_length_of(path));
    bool ok = folder[0] == '\0' || folder_make(folder, err);
    mem_free(folder);
    return ok;
}

static bool run(const struct sql_catalog *catalog, const char *sql, struct error *err) {
    return sqlite3_exec(catalog->locked.db, sql, NULL, NULL, NULL) == SQLITE_OK || set_error(catalog, err);
}

static bool has_column(const struct sql_catalog *catalog, const char *table, const char *column) {
    return sqlite3_table_column_metadata(catalog->locked.db, NULL, table, column, NULL, NULL, NULL, NULL, NULL) ==
           SQLITE_OK;
}

/* The switch to a write-ahead log needs the file for itself for a moment; who cannot have it does without. */
static bool prepare_file(const struct sql_catalog *catalog, struct error *err) {
    if (!run(catalog, "PRAGMA synchronous = FULL", err))
        return false;
    if (has_column(catalog, "iceberg_tables", "table_name") &&
        has_column(catalog, "iceberg_namespace_properties", "namespace"))
        return true;
    int result = sqlite3_exec(catalog->locked.db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    if (result != SQLITE_OK && result != SQLITE_BUSY)
        return set_error(catalog, err);
    return run(catalog, schema_sql, err);
}

static bool open_file(struct sql_catalog *catalog, struct error *err) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (!make_folder_of(catalog->path, err))
        return false;
    if (sqlite3_open_v2(catalog->path, &catalog->locked.db, flags, NULL) != SQLITE_OK) {
        int code = catalog->locked.db != NULL ? sqlite3_system_errno(catalog->locked.db) : 0;
        return error_set_errno(err, code != 0 ? code : EIO, "%s", catalog->path);
    }
    sqlite3_extended_result_codes(catalog->locked.db, 1);
    sqlite3_busy_timeout(catalog->locked.db, BUSY_TIMEOUT_MS);
    if (!prepare_file(catalog, err))
        return false;
    bool is_old = !has_column(catalog, "iceberg_tables", "iceberg_type");
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(catalog->locked.db, statement_sql[i][is_old], -1, SQLITE_PREPARE_PERSISTENT,
                               &catalog->locked.statements[i], NULL) != SQLITE_OK)
            return set_error(catalog, err);
    return true;
}

static bool sql_open(const char *location, const char *name, struct catalog **out, struct error *err) {
    const char *path = location + strlen("sqlite://");
    if (path[0] != '/' || path[strlen(path) - 1] == '/')
        return error_set(err, ERROR_CONFIG,
                         "%s: it has to be a file with its absolute path, as in sqlite:///var/lib/sluice/catalog.db",
                         location);
    struct sql_catalog *catalog = mem_zalloc(sizeof *catalog);
    catalog->base = (struct catalog){&catalog_sql_ops, mem_strdup(location)};
    catalog->path = catalog->base.location + strlen("sqlite://");
    catalog->name = mem_strdup(name);
    pthread_mutex_init(&catalog->locked.mutex, NULL);
    if (!open_file(catalog, err)) {
        sql_close(&catalog->base);
        return false;
    }
    *out = &catalog->base;
    return true;
}

/* --- statements */

/* Up to four texts behind the catalog's name; NULL ends them. */
static sqlite3_stmt *bind(const struct sql_catalog *catalog, enum statement which, const char *const texts[4]) {
    sqlite3_stmt *statement = catalog->locked.statements[which];
    sqlite3_bind_text(statement, 1, catalog->name, -1, SQLITE_STATIC);
    for (int i = 0; i < 4 && texts[i] != NULL; i++)
        sqlite3_bind_text(statement, i + 2, texts[i], -1, SQLITE_STATIC);
    return statement;
}

static void finish(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* A statement that changes rows; *changed gets how many. */
static bool change(struct catalog *base, enum statement which, const char *const texts[4], int *changed,
                   struct error *err) {
    struct sql_catalog *catalog = lock(base);
    sqlite3_stmt *statement = bind(catalog, which, texts);
    bool ok = sqlite3_step(statement) == SQLITE_DONE || set_error(catalog, err);
    *changed = ok ? sqlite3_changes(catalog->locked.db) : 0;
    finish(statement);
    unlock(catalog);
    return ok;
}

/* The first column of all rows, in the arena; NULL stays NULL. */
static bool query(struct catalog *base, enum statement which, const char *const texts[4], struct arena *arena,
                  const char ***out, size_t *count, struct error *err) {
    struct sql_catalog *catalog = lock(base);
    sqlite3_stmt *statement = bind(catalog, which, texts);
    const char **names = NULL;
    size_t capacity = 0;
    int result;
    *count = 0;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW && *count < CATALOG_MAX_NAMES) {
        names = mem_grow(names, *count, &capacity, sizeof *names);
        names[(*count)++] = arena_strdup(arena, (const char *)sqlite3_column_text(statement, 0));
    }
    bool ok = result == SQLITE_DONE;
    if (result == SQLITE_ROW)
        error_set(err, ERROR_OUTSIDE, "%s: more than %d names", catalog->path, CATALOG_MAX_NAMES);
    else if (!ok)
        set_error(catalog, err);
    *out = arena_alloc(arena, (*count + 1) * sizeof **out);
    if (*count > 0)
        memcpy(*out, names, *count * sizeof **out);
    mem_free(names);
    finish(statement);
    unlock(catalog);
    return ok;
}

static bool sql_namespace_create(struct catalog *base, const char *name, struct error *err) {
    int changed;
    return change(base, NAMESPACE_CREATE, (const char *[4]){name}, &changed, err);
}

static bool sql_namespace_list(struct catalog *base, struct arena *arena, const char ***names, size_t *count,
                               struct error *err) {
    return query(base, NAMESPACE_LIST, (const char *[4]){NULL}, arena, names, count, err);
}

static bool sql_table_list(struct catalog *base, struct arena *arena, const char *namespace_name, const char ***names,
                           size_t *count, struct error *err) {
    return query(base, TABLE_LIST, (const char *[4]){namespace_name}, arena, names, count, err);
}

static bool sql_table_find(struct catalog *base, struct arena *arena, const struct catalog_table *table,
                           const char **metadata_file, struct error *err) {
    const char **files;
    size_t count;
    if (!query(base, TABLE_FIND, (const char *[4]){table->namespace_name, table->name}, arena, &files, &count, err))
        return false;
    *metadata_file = count > 0 ? files[0] : NULL;
    return true;
}

static bool sql_table_create(struct catalog *base, const struct catalog_table *table, const char *metadata_file,
                             struct error *err) {
    int changed;
    const char *const texts[4] = {table->namespace_name, table->name, metadata_file};
    if (!change(base, TABLE_CREATE, texts, &changed, err))
        return false;
    return changed == 1 || error_set(err, ERROR_CONFLICT, "the catalog already has a table or view %s.%s",
                                     table->namespace_name, table->name);
}

static bool sql_table_commit(struct catalog *base, const struct catalog_table *table, const char *expected,
                             const char *metadata_file, struct error *err) {
    int changed;
    const char *const texts[4] = {table->namespace_name, table->name, metadata_file, expected};
    if (!change(base, TABLE_COMMIT, texts, &changed, err))
        return false;
    return changed == 1 || error_set(err, ERROR_CONFLICT, "another writer committed to %s.%s meanwhile",
                                     table->namespace_name, table->name);
}

static bool sql_table_drop(struct catalog *base, const struct catalog_table *table, struct error *err) {
    int changed;
    return change(base, TABLE_DROP, (const char *[4]){table->namespace_name, table->name}, &changed, err);
}

const struct catalog_ops catalog_sql_ops = {
    .scheme = "sqlite",
    .open = sql_open,
    .close = sql_close,
    .namespace_create = sql_namespace_create,
    .namespace_list = sql_namespace_list,
    .table_list = sql_table_list,
    .table_find = sql_table_find,
    .table_create = sql_table_create,
    .table_commit = sql_table_commit,
    .table_drop = sql_table_drop,
};
