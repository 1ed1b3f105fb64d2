/* Preflight: is the server set up so that everything can be captured, and may the user see it? Each finding comes with the
 * statement that mends it on this kind of server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "source/mysql_schema.h"
#include "source/mysql_source.h"

enum {
    RETENTION_WARNING_S = 24 * 3600,
    DUMP_NON_BLOCK = 1, /* the stream ends at the end of the log */
    NAMES_SHOWN = 5,
};

struct preflight {
    struct mysql_source *source;
    struct mysql_conn *conn;
    const struct mysql_server *server;
    struct check_report *report;
    struct mysql_result variables;
};

/* ---- variables */

/* The value of a server variable, or NULL where the server does not have it. */
static const char *variable(const struct preflight *check, const char *name) {
    for (size_t i = 0; i < check->variables.row_count; i++)
        if (strcasecmp(mysql_result_cell(&check->variables, i, 0), name) == 0)
            return mysql_result_cell(&check->variables, i, 1);
    return NULL;
}

static bool is(const char *value, const char *wanted) { return value != NULL && strcasecmp(value, wanted) == 0; }

/* "SET PERSIST x = y" survives a restart; MariaDB and MySQL before 8.0 have only SET GLOBAL and the option file. */
static const char *set_statement(const struct preflight *check, const char *assignment) {
    bool persist = !check->server->mariadb && check->server->version >= 80000;
    return arena_printf(check->report->arena, persist ? "SET PERSIST %s;" : "SET GLOBAL %s; -- and in the option file",
                        assignment);
}

static void add_ok(struct preflight *check, const char *subject, const char *text) {
    check_report_add(check->report, CHECK_OK, subject, NULL, "%s", text);
}

static void check_log_bin(struct preflight *check) {
    if (is(variable(check, "log_bin"), "ON"))
        add_ok(check, "log_bin", "is ON");
    else
        check_report_add(check->report, CHECK_FAILED, "log_bin",
                         "start the server with --log-bin (log_bin in its option file)",
                         "is OFF: the server writes no binlog");
    const char *id = variable(check, "server_id");
    if (is(id, "0"))
        check_report_add(check->report, CHECK_FAILED, "server_id", set_statement(check, "server_id = 1"),
                         "is 0: such a server serves no binlog");
    else
        check_report_add(check->report, CHECK_OK, "server_id", NULL, "is %s", id != NULL ? id : "unknown");
}

static void check_format(struct preflight *check) {
    const char *format = variable(check, "binlog_format");
    if (format == NULL || is(format, "ROW"))
        add_ok(check, "binlog_format", "is ROW");
    else
        check_report_add(check->report, CHECK_FAILED, "binlog_format", set_statement(check, "binlog_format = ROW"),
                         "is %s, must be ROW; sessions that are open keep theirs until they connect again", format);
    const char *partial = variable(check, "binlog_row_value_options");
    if (partial != NULL && *partial != '\0')
        check_report_add(check->report, CHECK_FAILED, "binlog_row_value_options",
                         set_statement(check, "binlog_row_value_options = ''"),
                         "is %s: JSON values are logged in parts, must be empty", partial);
}

static void check_image(struct preflight *check) {
    const char *image = variable(check, "binlog_row_image");
    if (image == NULL || is(image, "FULL") || is(image, "FULL_NODUP")) {
        add_ok(check, "binlog_row_image", image != NULL ? image : "FULL");
        return;
    }
    check_report_add(
        check->report, CHECK_WARNING, "binlog_row_image", set_statement(check, "binlog_row_image = FULL"),
        "is %s: rows are logged in parts%s", image,
        check->server->mariadb
            ? "; MariaDB then leaves out what REPLACE sets to its default and virtual columns: their tables "
              "cannot be captured exactly"
            : ", a change of a key or of a row that the lake does not have cannot be completed");
}

static void check_metadata(struct preflight *check) {
    const char *metadata = variable(check, "binlog_row_metadata");
    if (is(metadata, "FULL"))
        add_ok(check, "binlog_row_metadata", "is FULL");
    else if (metadata == NULL)
        check_report_add(
            check->report, CHECK_WARNING, "binlog_row_metadata", "upgrade to MySQL 8.0 or MariaDB 10.5",
            "is not known to this server: names and types of columns come from information_schema, which may "
            "be ahead of the log after ALTER TABLE");
    else
        check_report_add(
            check->report, CHECK_WARNING, "binlog_row_metadata", set_statement(check, "binlog_row_metadata = FULL"),
            "is %s: names and types of columns come from information_schema, which may be ahead of the log "
            "after ALTER TABLE; that table then has to be loaded in full again",
            metadata);
}

/* Seconds that the server keeps its log; 0: for ever; negative: not known. */
static double retention_s(const struct preflight *check) {
    const char *seconds = variable(check, "binlog_expire_logs_seconds"), *days = variable(check, "expire_logs_days");
    double from_seconds = seconds != NULL ? strtod(seconds, NULL) : -1;
    double from_days = days != NULL ? strtod(days, NULL) * 24 * 3600 : -1;
    return from_seconds > 0 ? from_seconds : from_days > 0 ? from_days : from_seconds < 0 ? from_days : from_seconds;
}

static void check_retention(struct preflight *check) {
    bool by_seconds = variable(check, "binlog_expire_logs_seconds") != NULL;
    const char *subject = by_seconds ? "binlog_expire_logs_seconds" : "expire_logs_days";
    const char *mend =
        set_statement(check, by_seconds ? "binlog_expire_logs_seconds = 604800" : "expire_logs_days = 7");
    double kept_s = retention_s(check);
    const char *basedir = variable(check, "basedir");
    if (basedir != NULL && strstr(basedir, "rdsdbbin") != NULL)
        check_report_add(check->report, CHECK_WARNING, "binlog retention",
                         "CALL mysql.rds_set_configuration('binlog retention hours', 168);",
                         "Amazon RDS removes logs as soon as it can unless told otherwise");
    else if (kept_s == 0)
        check_report_add(check->report, CHECK_WARNING, subject, mend, "is 0: logs are never removed and fill the disk");
    else if (kept_s > 0 && kept_s < RETENTION_WARNING_S)
        check_report_add(check->report, CHECK_WARNING, subject, mend,
                         "logs are kept for %.0f s; a stop of sluice that lasts longer costs a full load", kept_s);
    else
        check_report_add(check->report, CHECK_OK, subject, NULL, "logs are kept for %.1f days", kept_s / (24 * 3600));
}

static void check_gtid(struct preflight *check) {
    if (check->server->mariadb)
        add_ok(check, "gtid", "MariaDB: capture can go on at another server of the replication group");
    else if (check->server->gtid_mode)
        add_ok(check, "gtid_mode", "is ON: capture can go on at another server of the replication group");
    else
        add_ok(check, "gtid_mode", "is not ON: capture goes by file and position, and cannot follow a failover");
}

/* A replica that does not log what it replicates has nothing to capture. */
static void check_replica(struct preflight *check) {
    const char *logs = variable(check, "log_replica_updates");
    logs = logs != NULL ? logs : variable(check, "log_slave_updates");
    if (logs == NULL || is(logs, "ON"))
        return;
    struct mysql_result status;
    struct error ignored;
    bool new_words = !check->server->mariadb && check->server->version >= 80022;
    if (mysql_conn_query(check->conn, check->report->arena, &status, &ignored, "%s",
                         new_words ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS") &&
        status.row_count > 0)
        check_report_add(check->report, CHECK_FAILED, "log_slave_updates",
                         "start the server with --log-slave-updates (log_replica_updates in its option file)",
                         "is OFF on a replica: what it replicates is not in its own log");
}

static bool check_variables(struct preflight *check, struct error *err) {
    if (!mysql_conn_query(
            check->conn, check->report->arena, &check->variables, err,
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'server_id', 'binlog_format', "
            "'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', "
            "'binlog_expire_logs_seconds', 'expire_logs_days', 'log_replica_updates', 'log_slave_updates', "
            "'basedir')"))
        return false;
    check_log_bin(check);
    check_format(check);
    check_image(check);
    check_metadata(check);
    check_retention(check);
    check_gtid(check);
    check_replica(check);
    return true;
}

/* ---- privileges. What can be tried is tried: grants may come through roles, which SHOW GRANTS does not resolve. */

static const char *grant_statement(const struct preflight *check, const char *privileges, const char *object) {
    const char *user = check->source->config->source.user;
    return arena_printf(check->report->arena, "GRANT %s ON %s TO '%s'@'%%';", privileges, object,
                        user != NULL ? user : "user");
}

/* True when the error is one that a person has to hear about at once: the server is gone. */
static bool is_fatal(const struct error *why) { return why->kind == ERROR_RETRY || why->kind == ERROR_CANCELLED; }

static bool check_log_status(struct preflight *check, struct error *err) {
    struct mysql_position end;
    struct error why;
    mysql_position_init(&end);
    bool ok = mysql_source_log_end(check->conn, &end, &why);
    const char *name =
        check->server->mariadb && check->server->version >= 100502 ? "BINLOG MONITOR" : "REPLICATION CLIENT";
    if (ok)
        check_report_add(check->report, CHECK_OK, name, NULL, "the log ends at %s:%" PRIu64, end.file, end.pos);
    else
        check_report_add(check->report, CHECK_FAILED, name, grant_statement(check, name, "*.*"), "%s", why.message);
    mysql_position_deinit(&end);
    if (ok || !is_fatal(&why))
        return true;
    *err = why;
    return false;
}

/* Reads the first packet of the log, as mysqlbinlog would: with server id 0 no replica is disturbed. */
static bool try_dump(struct preflight *check, struct error *err) {
    struct mysql_conn *conn = NULL;
    struct arena arena;
    arena_init(&arena);
    struct mysql_result logs;
    struct slice packet;
    bool ok = mysql_conn_open(&check->source->config->source, &conn, err) &&
              mysql_conn_run(conn, err,
                             "SET @master_binlog_checksum = @@global.binlog_checksum, "
                             "@source_binlog_checksum = @@global.binlog_checksum, "
                             "@mariadb_slave_capability = 4") &&
              mysql_conn_query(conn, &arena, &logs, err, "SHOW BINARY LOGS");
    if (ok && logs.row_count > 0) {
        struct buf arguments;
        buf_init(&arguments, BUF_MAX_DEFAULT);
        const char head[] = {MYSQL_LOG_BEGIN, 0, 0, 0, DUMP_NON_BLOCK, 0, 0, 0, 0, 0}; /* pos, flags, server id */
        buf_append(&arguments, head, sizeof head);
        buf_append_text(&arguments, mysql_result_cell(&logs, logs.row_count - 1, 0));
        ok = mysql_conn_begin_dump(conn, MYSQL_DUMP_POSITION, (struct slice){arguments.data, arguments.len}, 10000,
                                   err) &&
             mysql_conn_next_packet(conn, &packet, err);
        buf_deinit(&arguments);
    }
    arena_deinit(&arena);
    mysql_conn_close(conn);
    return ok;
}

static bool check_dump(struct preflight *check, struct error *err) {
    struct error why;
    if (!is(variable(check, "log_bin"), "ON"))
        return true;
    if (try_dump(check, &why)) {
        add_ok(check, "REPLICATION SLAVE", "the log can be read");
        return true;
    }
    if (is_fatal(&why)) {
        *err = why;
        return false;
    }
    check_report_add(check->report, CHECK_FAILED, "REPLICATION SLAVE",
                     grant_statement(check, "REPLICATION SLAVE", "*.*"), "%s", why.message);
    return true;
}

static bool has_privilege(struct preflight *check, const char *view, const char *condition) {
    struct mysql_result result;
    struct error ignored;
    return !mysql_conn_query(
               check->conn, check->report->arena, &result, &ignored,
               "SELECT 1 FROM information_schema.%s WHERE REPLACE(grantee, '''', '') = CURRENT_USER() AND %s"
               " LIMIT 1",
               view, condition) ||
           result.row_count > 0;
}

/* MariaDB reads the position of a snapshot without a lock. */
static void check_lock(struct preflight *check) {
    if (check->server->mariadb)
        return;
    if (has_privilege(check, "user_privileges", "privilege_type IN ('RELOAD', 'FLUSH_TABLES')"))
        add_ok(check, "RELOAD", "a full load can take its moment's lock");
    else if (has_privilege(check, "user_privileges", "privilege_type = 'LOCK TABLES'") ||
             has_privilege(check, "schema_privileges", "privilege_type = 'LOCK TABLES'"))
        check_report_add(check->report, CHECK_OK, "LOCK TABLES", NULL,
                         "without RELOAD, a full load locks the chosen tables for a moment");
    else
        check_report_add(
            check->report, CHECK_WARNING, "RELOAD", grant_statement(check, "RELOAD", "*.*"),
            "is not granted directly, nor is LOCK TABLES: unless a role gives one of them, a full load cannot "
            "note the position of its snapshot");
}

/* ---- tables */

struct name_list {
    struct buf text;
    size_t count;
};

/* The tables with something that a person has to know about. */
struct table_lists {
    struct name_list keyless, other_engines, cascades;
};

static void add_name(struct name_list *list, const struct mysql_schema_name *name) {
    if (list->count++ < NAMES_SHOWN)
        buf_printf(&list->text, "%s%s.%s", list->count > 1 ? ", " : "", name->schema, name->name);
    else if (list->count == NAMES_SHOWN + 1)
        buf_append_text(&list->text, ", …");
}

static bool is_transactional(const char *engine) {
    static const char *const engines[] = {"InnoDB", "ROCKSDB", "TokuDB", "ndbcluster"};
    for (size_t i = 0; engine != NULL && i < sizeof engines / sizeof engines[0]; i++)
        if (strcasecmp(engine, engines[i]) == 0)
            return true;
    return false;
}

static bool try_select(struct preflight *check, const struct mysql_schema_name *name, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT * FROM ");
    mysql_append_name(&sql, name->schema);
    buf_append_char(&sql, '.');
    mysql_append_name(&sql, name->name);
    buf_append_text(&sql, " LIMIT 0");
    bool ok = mysql_conn_run(check->conn, err, "%s", sql.data);
    buf_deinit(&sql);
    return ok;
}

/* Does this line of SHOW CREATE TABLE declare a foreign key that changes or removes rows of its table? */
static bool is_cascade(const char *line, size_t len) {
    static const char *const rules[] = {" CASCADE", " SET NULL", " SET DEFAULT"};
    if (memmem(line, len, " FOREIGN KEY ", 13) == NULL || strncmp(line, "  CONSTRAINT ", 13) != 0)
        return false;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char on_delete[32], on_update[32];
        snprintf(on_delete, sizeof on_delete, " ON DELETE%s", rules[i]);
        snprintf(on_update, sizeof on_update, " ON UPDATE%s", rules[i]);
        if (memmem(line, len, on_delete, strlen(on_delete)) != NULL ||
            memmem(line, len, on_update, strlen(on_update)) != NULL)
            return true;
    }
    return false;
}

/* From the table's own text: MariaDB shows information_schema.referential_constraints only to who may do more than SELECT. */
static bool find_cascade(struct mysql_conn *conn, struct arena *arena, const struct mysql_schema_name *name,
                         bool *found, struct error *err) {
    struct mysql_result result;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SHOW CREATE TABLE ");
    mysql_append_name(&sql, name->schema);
    buf_append_char(&sql, '.');
    mysql_append_name(&sql, name->name);
    bool ok = mysql_conn_query(conn, arena, &result, err, "%s", sql.data);
    buf_deinit(&sql);
    *found = false;
    if (!ok)
        return false;
    const char *text = result.row_count > 0 ? mysql_result_cell(&result, 0, 1) : NULL;
    for (const char *line = text; line != NULL && !*found;) {
        const char *end = strchr(line, '\n');
        *found = is_cascade(line, end != NULL ? (size_t)(end - line) : strlen(line));
        line = end != NULL ? end + 1 : NULL;
    }
    return true;
}

static bool check_table(struct preflight *check, const struct mysql_collations *collations,
                        const struct mysql_schema_name *name, struct table_lists *lists, struct error *err) {
    struct mysql_schema *schema = NULL;
    struct table *table;
    struct error why;
    const char *subject = arena_printf(check->report->arena, "table %s.%s", name->schema, name->name);
    bool readable =
        mysql_schema_read(check->conn, collations, check->report->arena, name->schema, name->name, &schema, &why);
    if (!readable && why.kind != ERROR_DATA) {
        *err = why;
        return false;
    }
    if (readable && schema == NULL) /* dropped in between */
        return true;
    if (!readable || !mysql_schema_to_table(schema, check->report->arena, &table, &why))
        check_report_add(check->report, CHECK_FAILED, subject, "leave it out with source.table_filter", "%s",
                         why.message);
    if (!try_select(check, name, &why)) {
        if (is_fatal(&why)) {
            *err = why;
            return false;
        }
        const char *object = arena_printf(check->report->arena, "`%s`.`%s`", name->schema, name->name);
        check_report_add(check->report, CHECK_FAILED, subject, grant_statement(check, "SELECT", object), "%s",
                         why.message);
        return true;
    }
    bool cascades;
    if (!find_cascade(check->conn, check->report->arena, name, &cascades, &why)) {
        if (is_fatal(&why)) {
            *err = why;
            return false;
        }
        cascades = false; /* dropped in between */
    }
    if (cascades)
        add_name(&lists->cascades, name);
    if (schema != NULL && schema->key_count == 0)
        add_name(&lists->keyless, name);
    if (!is_transactional(name->engine))
        add_name(&lists->other_engines, name);
    return true;
}

static void warn_of_cascades(struct mysql_conn *conn, const struct mysql_schema_name *name, struct arena *arena) {
    bool cascades;
    struct error ignored; /* dropped in between */
    if (find_cascade(conn, arena, name, &cascades, &ignored) && cascades)
        log_warning(
            "table %s.%s has a foreign key with CASCADE or SET NULL: the server does not log what it changes, and "
            "that does not reach the lake",
            name->schema, name->name);
}

bool mysql_warn(struct source *base, struct error *err) {
    struct mysql_source *source = (struct mysql_source *)base;
    struct mysql_conn *conn = mysql_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct arena names_arena, arena;
    arena_init(&names_arena);
    arena_init(&arena);
    struct mysql_schema_name *names = NULL;
    size_t count = 0;
    bool ok = mysql_schema_list(conn, &source->config->source, &names_arena, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        warn_of_cascades(conn, &names[i], &arena);
        arena_reset(&arena);
    }
    mysql_source_unlock(source);
    arena_deinit(&arena);
    arena_deinit(&names_arena);
    return ok;
}

static void report_names(struct preflight *check, const struct table_lists *lists) {
    const struct name_list *keyless = &lists->keyless, *other_engines = &lists->other_engines;
    if (keyless->count > 0)
        check_report_add(check->report, CHECK_WARNING, "primary keys", "ALTER TABLE … ADD PRIMARY KEY (…);",
                         "%zu tables have none: only inserts reach the lake (%s)", keyless->count, keyless->text.data);
    if (other_engines->count > 0)
        check_report_add(
            check->report, CHECK_WARNING, "engines", "ALTER TABLE … ENGINE=InnoDB;",
            "%zu tables are in an engine without transactions: a full load while they change is not consistent "
            "(%s)",
            other_engines->count, other_engines->text.data);
    if (lists->cascades.count > 0)
        check_report_add(
            check->report, CHECK_WARNING, "foreign keys",
            "ALTER TABLE … DROP FOREIGN KEY …, ADD FOREIGN KEY … ON DELETE RESTRICT ON UPDATE RESTRICT;",
            "%zu tables have foreign keys with CASCADE or SET NULL: the server does not log what these change, and it "
            "does not reach the lake (%s)",
            lists->cascades.count, lists->cascades.text.data);
}

static bool check_tables(struct preflight *check, struct error *err) {
    struct mysql_collations collations;
    struct mysql_schema_name *names = NULL;
    size_t count = 0;
    struct table_lists lists = {0};
    buf_init(&lists.keyless.text, BUF_MAX_DEFAULT);
    buf_init(&lists.other_engines.text, BUF_MAX_DEFAULT);
    buf_init(&lists.cascades.text, BUF_MAX_DEFAULT);
    bool ok = mysql_collations_init(&collations, check->conn, err) &&
              mysql_schema_list(check->conn, &check->source->config->source, check->report->arena, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = check_table(check, &collations, &names[i], &lists, err);
    if (ok && count == 0)
        check_report_add(
            check->report, CHECK_FAILED, "tables", grant_statement(check, "SELECT", "*.*"),
            "none is chosen: check source.schema_filter and source.table_filter, and the user's grants (only "
            "tables with some privilege are visible)");
    else if (ok)
        check_report_add(check->report, CHECK_OK, "tables", NULL, "%zu are chosen", count);
    if (ok)
        report_names(check, &lists);
    buf_deinit(&lists.keyless.text);
    buf_deinit(&lists.other_engines.text);
    buf_deinit(&lists.cascades.text);
    mysql_collations_deinit(&collations);
    return ok;
}

/* ---- all of it */

static void check_connection(struct preflight *check) {
    const struct config_source *config = &check->source->config->source;
    const char *cipher = mysql_conn_tls_cipher(check->conn), *host = config->host != NULL ? config->host : "127.0.0.1";
    bool local = config->socket != NULL || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                 strcmp(host, "::1") == 0;
    check_report_add(check->report, CHECK_OK, "server", NULL, "%s %s", check->server->mariadb ? "MariaDB" : "MySQL",
                     check->server->text);
    if (cipher != NULL)
        check_report_add(check->report, config->tls_verify ? CHECK_OK : CHECK_WARNING, "tls",
                         config->tls_verify ? NULL : "source.tls_verify: true", "%s%s", cipher,
                         config->tls_verify ? "" : ", but the server's certificate is not checked");
    else if (local)
        add_ok(check, "tls", "is off, on this machine only");
    else
        check_report_add(check->report, CHECK_WARNING, "tls", "source.tls: true",
                         "is off: rows cross the network for everybody to read");
}

bool mysql_check(struct source *base, struct check_report *report, struct error *err) {
    struct preflight check = {.source = (struct mysql_source *)base, .report = report};
    check.conn = mysql_source_lock(check.source, err);
    if (check.conn == NULL)
        return false;
    check.server = mysql_conn_server(check.conn);
    check_connection(&check);
    bool ok = check_variables(&check, err) && check_log_status(&check, err) && check_dump(&check, err);
    if (ok)
        check_lock(&check);
    ok = ok && check_tables(&check, err);
    mysql_source_unlock(check.source);
    return ok;
}
