/* The SQLite file of a state: opening, checking, creating, and what its errors mean. For src/state/sqlite.c and its tests.
 *
 * The file:
 *     PRAGMA application_id           SQLITE_DB_APPLICATION_ID, so that no other program's file is taken for ours
 *     meta(name, value)               'format_version', and 'sluice_version': the version that brought the file to it
 *     item(kind, key, version, attributes)    every item of state.h; attributes as JSON text
 *     "DMSCDC_Controller"             a view for a person with the sqlite3 shell: the controller as the AWS blog has it
 *
 * The journal is a write-ahead log, synced at every commit (synchronous=FULL): a commit costs one sync, and other processes
 * read the state as of before or after it without waiting. */
#ifndef SLUICE_STATE_SQLITE_DB_H
#define SLUICE_STATE_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/error.h"
#include "state/state.h"

enum {
    SQLITE_DB_APPLICATION_ID = 0x736C7563, /* "sluc" */
    SQLITE_DB_FORMAT_VERSION = 1,
    SQLITE_DB_BUSY_TIMEOUT_MS = 10000,
};

/* Opens a state's file, or creates it with its folder. Kind CONFIG for a file that is not a state, or one of a newer
 * sluice. Close with sqlite3_close. */
bool sqlite_db_open(const char *path, sqlite3 **out, struct error *err);

/* Runs statements without result. */
bool sqlite_db_run(sqlite3 *db, const char *sql, struct error *err);

/* Sets err from the last failure on this connection, with its kind and what to do about it. Returns false. */
bool sqlite_db_set_error(sqlite3 *db, struct error *err);

/* For tests: how long the state waits for another process's commit. */
void sqlite_state_set_busy_timeout(struct state *base, int timeout_ms);

#endif
