#include "state/sqlite_db.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/folder.h"
#include "base/mem.h"

/* Attributes of the blog's rows are texts; path is the key. */
static const char schema_sql[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE item (kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, attributes TEXT NOT NULL,"
    " PRIMARY KEY (kind, key)) WITHOUT ROWID;"
    "CREATE VIEW \"DMSCDC_Controller\" AS SELECT key AS path,"
    " json_extract(attributes, '$.bucket') AS bucket,"
    " json_extract(attributes, '$.prefix') AS prefix,"
    " json_extract(attributes, '$.folder') AS folder,"
    " json_extract(attributes, '$.ActiveFlag') AS ActiveFlag,"
    " json_extract(attributes, '$.PrimaryKey') AS PrimaryKey,"
    " json_extract(attributes, '$.PartitionKey') AS PartitionKey,"
    " json_extract(attributes, '$.LastFullLoadDate') AS LastFullLoadDate,"
    " json_extract(attributes, '$.LastIncrementalFile') AS LastIncrementalFile,"
    " json_extract(attributes, '$.out_path') AS out_path"
    " FROM item WHERE kind = 'controller';";

/* --- errors */

static bool is_disk_full(int result, int system_errno) {
    return result == SQLITE_FULL || (result == SQLITE_IOERR && (system_errno == ENOSPC || system_errno == EDQUOT));
}

bool sqlite_db_set_error(sqlite3 *db, struct error *err) {
    const char *path = sqlite3_db_filename(db, "main");
    const char *text = sqlite3_errmsg(db);
    int extended = sqlite3_extended_errcode(db);
    int result = extended & 0xff;
    int system_errno = sqlite3_system_errno(db);
    if (is_disk_full(result, system_errno))
        return error_set_code(
            err, ERROR_OUTSIDE, extended,
            "%s: the disk is full; free some space or move the state to a larger disk, then run again", path);
    switch (result) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set_code(err, ERROR_RETRY, extended,
                              "%s: another process keeps it locked; which one says: fuser -v '%s'", path, path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return error_set_code(err, ERROR_OUTSIDE, extended,
                              "%s: %s%s%s; give the user that runs sluice write access to the file and its folder",
                              path, text, system_errno != 0 ? ": " : "",
                              system_errno != 0 ? strerror(system_errno) : "");
    case SQLITE_IOERR:
        return error_set_code(err, ERROR_OUTSIDE, extended, "%s: %s%s%s; check the disk", path, text,
                              system_errno != 0 ? ": " : "", system_errno != 0 ? strerror(system_errno) : "");
    case SQLITE_CORRUPT:
        return error_set_code(err, ERROR_OUTSIDE, extended, "%s: %s; restore it from a backup", path, text);
    case SQLITE_NOTADB:
        return error_set_code(err, ERROR_CONFIG, extended,
                              "%s is not a state of sluice; name another file, or move this one away", path);
    default:
        return error_set_code(err, ERROR_INTERNAL, extended, "%s: %s", path, text);
    }
}

bool sqlite_db_run(sqlite3 *db, const char *sql, struct error *err) {
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || sqlite_db_set_error(db, err);
}

/* --- checking and creating */

/* The first column of the only row; *found false when there is none. Free the text with mem_free. */
static bool query_text(sqlite3 *db, const char *sql, char **out, struct error *err) {
    *out = NULL;
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
            *out = mem_strdup((const char *)sqlite3_column_text(statement, 0));
    }
    bool ok = result == SQLITE_ROW || result == SQLITE_DONE || sqlite_db_set_error(db, err);
    sqlite3_finalize(statement);
    return ok;
}

enum file_kind { FILE_EMPTY, FILE_STATE, FILE_FOREIGN };

static bool identify(sqlite3 *db, enum file_kind *out, struct error *err) {
    char *text;
    if (!query_text(db,
                    "SELECT (SELECT application_id FROM pragma_application_id) || ' ' ||"
                    " (SELECT count(*) FROM sqlite_schema)",
                    &text, err))
        return false;
    assert(text != NULL);
    char *end;
    long id = strtol(text, &end, 10);
    bool is_empty = id == 0 && strcmp(end, " 0") == 0;
    *out = id == SQLITE_DB_APPLICATION_ID ? FILE_STATE : is_empty ? FILE_EMPTY : FILE_FOREIGN;
    mem_free(text);
    return true;
}

/* Creates what is in an empty file, unless another process was first. */
static bool create_schema(sqlite3 *db, struct error *err) {
    if (!sqlite_db_run(db, "BEGIN IMMEDIATE", err))
        return false;
    enum file_kind kind;
    bool ok = identify(db, &kind, err);
    if (ok && kind == FILE_EMPTY) {
        char *mark =
            mem_printf("PRAGMA application_id = %d;"
                       "INSERT INTO meta VALUES ('format_version', '%d'), ('sluice_version', '" SLUICE_VERSION "')",
                       SQLITE_DB_APPLICATION_ID, SQLITE_DB_FORMAT_VERSION);
        ok = sqlite_db_run(db, schema_sql, err) && sqlite_db_run(db, mark, err);
        mem_free(mark);
    }
    ok = ok && sqlite_db_run(db, "COMMIT", err);
    if (!sqlite3_get_autocommit(db))
        sqlite_db_run(db, "ROLLBACK", NULL);
    return ok;
}

static bool refuse_version(sqlite3 *db, const char *path, long version, struct error *err) {
    char *by;
    if (!query_text(db, "SELECT value FROM meta WHERE name = 'sluice_version'", &by, err))
        return false;
    error_set(err, ERROR_CONFIG,
              "%s has format %ld, written by sluice %s, and this is sluice " SLUICE_VERSION
              ", which reads formats up to %d; upgrade sluice, or restore the state as it was before that version",
              path, version, by != NULL ? by : "of an unknown version", SQLITE_DB_FORMAT_VERSION);
    mem_free(by);
    return false;
}

static bool check_version(sqlite3 *db, const char *path, struct error *err) {
    char *text;
    if (!query_text(db, "SELECT value FROM meta WHERE name = 'format_version'", &text, err))
        return false;
    long version = text != NULL ? strtol(text, NULL, 10) : 0;
    mem_free(text);
    if (version > SQLITE_DB_FORMAT_VERSION)
        return refuse_version(db, path, version, err);
    return version == SQLITE_DB_FORMAT_VERSION ||
           error_set(err, ERROR_CONFIG, "%s has no format version; restore it from a backup", path);
}

/* The switch to the write-ahead log needs the file for itself for a moment, and SQLite does not wait for that. */
static bool use_write_ahead_log(sqlite3 *db, struct error *err) {
    enum { WAIT_MS = 20 };
    int result;
    for (int waited_ms = 0;; waited_ms += WAIT_MS) {
        result = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (result != SQLITE_BUSY || waited_ms >= SQLITE_DB_BUSY_TIMEOUT_MS)
            break;
        sqlite3_sleep(WAIT_MS);
    }
    return result == SQLITE_OK || sqlite_db_set_error(db, err);
}

static bool prepare_file(sqlite3 *db, const char *path, struct error *err) {
    enum file_kind kind;
    if (!identify(db, &kind, err))
        return false;
    if (kind == FILE_FOREIGN)
        return error_set(err, ERROR_CONFIG,
                         "%s is a SQLite file of another program, not a state of sluice; name another file", path);
    if (!use_write_ahead_log(db, err) || (kind == FILE_EMPTY && !create_schema(db, err)))
        return false;
    /* The log is cut back after it grew, for instance because a backup was reading for long. */
    return sqlite_db_run(db, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216", err) &&
           check_version(db, path, err);
}

static bool make_folder_of(const char *path, struct error *err) {
    size_t len = folder_length_of(path);
    if (len == 0)
        return true;
    char *folder = mem_strndup(path, len);
    bool ok = folder_make(folder, err);
    mem_free(folder);
    return ok;
}

bool sqlite_db_open(const char *path, sqlite3 **out, struct error *err) {
    if (!make_folder_of(path, err))
        return false;
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(path, &db, flags, NULL);
    bool ok = result == SQLITE_OK;
    if (ok) {
        sqlite3_extended_result_codes(db, 1);
        sqlite3_busy_timeout(db, SQLITE_DB_BUSY_TIMEOUT_MS);
        ok = prepare_file(db, path, err);
    } else {
        int code = db != NULL ? sqlite3_system_errno(db) : 0;
        error_set_errno(err, code != 0 ? code : EIO, "%s", path);
    }
    if (ok)
        *out = db;
    else
        sqlite3_close(db);
    return ok;
}
