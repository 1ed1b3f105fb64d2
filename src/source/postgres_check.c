/* Preflight: is the server set up so that everything can be captured, and may the user see it? Each finding comes with the
 * statement that mends it. */
#include "source/postgres_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/postgres_catalog.h"
#include "source/postgres_slot.h"

enum { NAMES_SHOWN = 5 };

struct preflight {
    struct postgres_source *source;
    struct postgres_conn *conn;
    const struct postgres_server *server;
    struct check_report *report;
    const char *user; /* as an SQL name */
    bool slot_exists, publication_exists, all_tables;
};

static struct arena *arena_of(struct preflight *check) { return check->report->arena; }

static void add_ok(struct preflight *check, const char *subject, const char *text) {
    check_report_add(check->report, CHECK_OK, subject, NULL, "%s", text);
}

/* A name as SQL, in the arena. */
static const char *quoted(struct preflight *check, const char *name) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    buf_append_sql_name(&text, name);
    const char *out = arena_strndup(arena_of(check), text.data, text.len);
    buf_deinit(&text);
    return out;
}

static const char *quoted_table(struct preflight *check, const struct table *table) {
    return arena_printf(arena_of(check), "%s.%s", quoted(check, table->schema), quoted(check, table->name));
}

/* True when the error is one that a person has to hear about at once: the server is gone. */
static bool is_fatal(const struct error *why) { return why->kind == ERROR_RETRY || why->kind == ERROR_CANCELLED; }

/* ---- the server */

static void check_connection(struct preflight *check) {
    const struct config_source *config = &check->source->config->source;
    const char *host = config->host != NULL ? config->host : "127.0.0.1";
    bool local = config->socket != NULL || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                 strcmp(host, "::1") == 0;
    check_report_add(check->report, CHECK_OK, "server", NULL, "PostgreSQL %s", check->server->text);
    if (check->server->in_recovery)
        check_report_add(check->report, CHECK_FAILED, "standby", "source.host: the primary, or both as a list",
                         "the server is a standby: a full load and the slot need the primary");
    if (postgres_conn_has_tls(check->conn))
        check_report_add(check->report, config->tls_verify ? CHECK_OK : CHECK_WARNING, "tls",
                         config->tls_verify ? NULL : "source.tls_verify: true", "is on%s",
                         config->tls_verify ? "" : ", but the server's certificate is not checked");
    else if (local)
        add_ok(check, "tls", "is off, on this machine only");
    else
        check_report_add(check->report, CHECK_WARNING, "tls", "source.tls: true",
                         "is off: rows cross the network for everybody to read");
}

static const char *setting(struct preflight *check, const char *name, struct error *err) {
    struct postgres_result row;
    if (!postgres_conn_query(check->conn, arena_of(check), &row, err,
                             "SELECT setting FROM pg_catalog.pg_settings WHERE name = '%s'", name))
        return NULL;
    return row.row_count > 0 ? postgres_result_cell(&row, 0, 0) : "";
}

static bool check_wal_level(struct preflight *check, struct error *err) {
    const char *level = setting(check, "wal_level", err);
    if (level == NULL)
        return false;
    if (strcmp(level, "logical") == 0)
        add_ok(check, "wal_level", "is logical");
    else
        check_report_add(check->report, CHECK_FAILED, "wal_level",
                         "ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server", "is %s, must be logical",
                         level);
    return true;
}

/* Is one left, of those that a setting limits? `needed`: we would take one more than is taken now. */
static bool check_left(struct preflight *check, const char *name, const char *counted, bool needed, struct error *err) {
    const char *limit = setting(check, name, err);
    struct postgres_result row;
    if (limit == NULL || !postgres_conn_query(check->conn, arena_of(check), &row, err,
                                              "SELECT pg_catalog.count(*) FROM pg_catalog.%s", counted))
        return false;
    long most = atol(limit), taken = atol(postgres_result_cell(&row, 0, 0));
    if (taken < most || !needed)
        check_report_add(check->report, CHECK_OK, name, NULL, "is %ld, %ld are taken", most, taken);
    else
        check_report_add(check->report, CHECK_FAILED, name,
                         arena_printf(arena_of(check),
                                      "ALTER SYSTEM SET %s = %ld; -- then restart the server, or drop what is not used",
                                      name, most + 10),
                         "is %ld, and all are taken", most);
    return true;
}

static bool check_keep_size(struct preflight *check, struct error *err) {
    const char *megabytes = setting(check, "max_slot_wal_keep_size", err);
    if (megabytes == NULL)
        return false;
    if (*megabytes == '\0') /* before 13 there is none */
        return true;
    if (strcmp(megabytes, "-1") == 0)
        check_report_add(
            check->report, CHECK_WARNING, "max_slot_wal_keep_size",
            "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf();",
            "is unlimited: while capture is stopped, the log that the slot holds may fill the server's disk");
    else
        check_report_add(check->report, CHECK_OK, "max_slot_wal_keep_size", NULL,
                         "is %s MB: a slot that holds more is lost (source.on_lost_slot)", megabytes);
    return true;
}

/* ---- the user */

static bool check_replication(struct preflight *check, struct error *err) {
    struct postgres_result row;
    if (!postgres_conn_query(check->conn, arena_of(check), &row, err,
                             "SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER"))
        return false;
    bool allowed = row.row_count > 0 && postgres_result_is(&row, 0, 0);
    struct postgres_conn *conn = NULL;
    struct error why = {0};
    if (postgres_conn_open(&check->source->config->source, POSTGRES_CONN_LOG, &conn, &why)) {
        add_ok(check, "REPLICATION", "the log can be read");
    } else if (is_fatal(&why) && why.kind != ERROR_RETRY) {
        *err = why;
        return false;
    } else {
        /* Where a service has a role of its own for it, the attribute does not say. */
        const char *mend =
            allowed ? "host all sluice 0.0.0.0/0 scram-sha-256 -- in pg_hba.conf, then SELECT pg_reload_conf();"
                    : arena_printf(arena_of(check), "ALTER ROLE %s REPLICATION;", check->user);
        check_report_add(check->report, CHECK_FAILED, "REPLICATION", mend, "%s", why.message);
    }
    postgres_conn_close(conn);
    return true;
}

/* ---- slot and publication */

static bool check_slot(struct preflight *check, struct error *err) {
    struct postgres_slot slot;
    struct error why;
    const char *name = check->source->slot_name;
    const char *subject = arena_printf(arena_of(check), "slot %s", name);
    const char *make =
        arena_printf(arena_of(check), "SELECT pg_create_logical_replication_slot('%s', 'pgoutput');", name);
    if (!postgres_slot_read(check->source, check->conn, arena_of(check), &slot, &check->slot_exists, err))
        return false;
    if (!check->slot_exists && check->source->config->source.create_slot)
        add_ok(check, subject, "is not there yet: capture makes it");
    else if (!check->slot_exists)
        check_report_add(check->report, CHECK_FAILED, subject, make, "is not there, and create_slot is false");
    else if (!postgres_slot_is_ours(check->source, &slot, &why))
        check_report_add(check->report, CHECK_FAILED, subject, "source.slot_name: another name", "%s", why.message);
    else if (slot.lost != NULL)
        check_report_add(check->report, CHECK_FAILED, subject, "sluice capture --reload",
                         "has lost the log that it needs: %s", slot.lost);
    else
        check_report_add(check->report, CHECK_OK, subject, NULL, "holds %lld bytes of log%s",
                         (long long)slot.held_bytes, slot.active_pid != 0 ? ", and is being read" : "");
    return true;
}

static bool check_publication(struct preflight *check, struct error *err) {
    struct postgres_result row;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    postgres_append_text(&sql, check->source->publication);
    bool ok = postgres_conn_query(check->conn, arena_of(check), &row, err,
                                  "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate "
                                  "FROM pg_catalog.pg_publication WHERE pubname = %s",
                                  sql.data);
    buf_deinit(&sql);
    if (!ok)
        return false;
    const char *subject = arena_printf(arena_of(check), "publication %s", check->source->publication);
    check->publication_exists = row.row_count > 0;
    if (!check->publication_exists) /* said with the tables that it must have */
        return true;
    check->all_tables = postgres_result_is(&row, 0, 0);
    if (postgres_result_is(&row, 0, 1))
        add_ok(check, subject, check->all_tables ? "has all tables" : "is there");
    else
        check_report_add(check->report, CHECK_FAILED, subject,
                         arena_printf(arena_of(check),
                                      "ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate');",
                                      quoted(check, check->source->publication)),
                         "leaves out some kinds of changes");
    return true;
}

/* ---- tables */

struct name_list {
    struct buf text;
    size_t count;
};

static void add_name(struct name_list *list, const struct table *table) {
    if (list->count++ < NAMES_SHOWN)
        buf_printf(&list->text, "%s%s.%s", list->count > 1 ? ", " : "", table->schema, table->name);
    else if (list->count == NAMES_SHOWN + 1)
        buf_append_text(&list->text, ", …");
}

/* Only the owner of a table may publish it, and only who may CREATE in the database can make a publication. */
static bool ask_ownership(struct preflight *check, const struct table *table, bool *owner, struct error *err) {
    struct postgres_result row;
    if (!postgres_conn_query(check->conn, arena_of(check), &row, err,
                             "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = %u",
                             table->source_id))
        return false;
    *owner = check->server->superuser || (row.row_count > 0 && postgres_result_is(&row, 0, 0));
    return true;
}

static bool check_published(struct preflight *check, const struct postgres_relation *relation, const char *subject,
                            bool *owner, struct error *err) {
    if (!ask_ownership(check, relation->table, owner, err))
        return false;
    if (!check->publication_exists || relation->published)
        return true;
    const char *name = quoted_table(check, relation->table);
    /* The lock: what writers do that began before the table was in the publication would not come. */
    const char *mend = arena_printf(
        arena_of(check), "BEGIN; LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE; ALTER PUBLICATION %s ADD TABLE %s; COMMIT;",
        name, quoted(check, check->source->publication), name);
    if (*owner && relation->identified && check->source->config->source.create_publication)
        add_ok(check, subject, "is not in the publication yet: capture adds it");
    else
        check_report_add(check->report, relation->identified ? CHECK_FAILED : CHECK_WARNING, subject, mend,
                         "is not in the publication %s, and is not captured", check->source->publication);
    return true;
}

static void check_identity(struct preflight *check, const struct postgres_relation *relation, const char *subject) {
    const char *name = quoted_table(check, relation->table);
    if (relation->identified)
        return;
    check_report_add(
        check->report, CHECK_WARNING, subject,
        arena_printf(arena_of(check), "ALTER TABLE %s ADD PRIMARY KEY (…); -- or REPLICA IDENTITY FULL", name),
        "has no replica identity%s: once it is in a publication, the server refuses its UPDATE and DELETE",
        relation->identity == 'n'   ? " (REPLICA IDENTITY NOTHING)"
        : relation->identity == 'i' ? " (its index is gone)"
                                    : "");
}

static bool check_table(struct preflight *check, const struct postgres_relation *relation, struct name_list *keyless,
                        bool *owns_all, struct error *err) {
    const struct table *table = relation->table;
    const char *subject = arena_printf(arena_of(check), "table %s.%s", table->schema, table->name);
    const char *name = quoted_table(check, table);
    bool owner;
    if (!check_published(check, relation, subject, &owner, err))
        return false;
    *owns_all = *owns_all && owner;
    check_identity(check, relation, subject);
    if (!relation->selectable)
        check_report_add(check->report, CHECK_FAILED, subject,
                         arena_printf(arena_of(check), "GRANT SELECT ON %s TO %s;", name, check->user),
                         "may not be read by %s", check->user);
    if (relation->left_out != NULL)
        check_report_add(check->report, CHECK_WARNING, subject,
                         check->server->version >= 180000
                             ? "ALTER PUBLICATION … SET (publish_generated_columns = stored); -- and no column list"
                             : "ALTER TABLE … ALTER COLUMN … DROP EXPRESSION; -- or a publication without column list",
                         "has columns that are not in the log, and not captured: %s", relation->left_out);
    if (relation->row_filter != NULL)
        check_report_add(check->report, CHECK_OK, subject, NULL, "only rows with %s are captured",
                         relation->row_filter);
    if (relation->identified && table->key_count == 0)
        add_name(keyless, table);
    return true;
}

/* Without a publication: may capture make it? */
static bool check_may_publish(struct preflight *check, const struct postgres_relation *relations, size_t count,
                              bool owns_all, struct error *err) {
    struct postgres_result row;
    const char **names = arena_alloc(arena_of(check), (count + 1) * sizeof *names);
    size_t name_count = 0;
    for (size_t i = 0; i < count; i++)
        if (relations[i].identified)
            names[name_count++] = quoted_table(check, relations[i].table);
    if (!postgres_conn_query(check->conn, arena_of(check), &row, err,
                             "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"))
        return false;
    const char *subject = arena_printf(arena_of(check), "publication %s", check->source->publication);
    bool may = check->source->config->source.create_publication && owns_all && postgres_result_is(&row, 0, 0);
    if (may) {
        add_ok(check, subject, "is not there yet: capture makes it");
        return true;
    }
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    postgres_append_publication(check->source, check->server, names, name_count, &sql);
    buf_append_char(&sql, ';');
    check_report_add(check->report, CHECK_FAILED, subject, arena_strndup(arena_of(check), sql.data, sql.len),
                     "is not there, and %s cannot make it: the tables are another's", check->user);
    buf_deinit(&sql);
    return true;
}

/* Row security would leave rows out of a full load; PostgreSQL refuses instead. Usage of a schema is a privilege of its own. */
static bool check_hidden(struct preflight *check, const struct postgres_relation *relations, size_t count,
                         struct error *err) {
    for (size_t i = 0; i < count; i++) {
        const struct table *table = relations[i].table;
        struct postgres_result row;
        if (!postgres_conn_query(check->conn, arena_of(check), &row, err,
                                 "SELECT pg_catalog.row_security_active(c.oid), "
                                 "pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') "
                                 "FROM pg_catalog.pg_class c WHERE c.oid = %u",
                                 table->source_id))
            return false;
        const char *subject = arena_printf(arena_of(check), "table %s.%s", table->schema, table->name);
        if (row.row_count > 0 && postgres_result_is(&row, 0, 0))
            check_report_add(check->report, CHECK_FAILED, subject,
                             arena_printf(arena_of(check), "ALTER ROLE %s BYPASSRLS;", check->user),
                             "has row security, which hides rows from %s", check->user);
        if (row.row_count > 0 && !postgres_result_is(&row, 0, 1))
            check_report_add(check->report, CHECK_FAILED, subject,
                             arena_printf(arena_of(check), "GRANT USAGE ON SCHEMA %s TO %s;",
                                          quoted(check, table->schema), check->user),
                             "is in a schema that %s may not use", check->user);
    }
    return true;
}

static bool check_unlogged(struct preflight *check, struct error *err) {
    const struct config_source *config = &check->source->config->source;
    struct postgres_result rows;
    if (!postgres_conn_query(check->conn, arena_of(check), &rows, err,
                             "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
                             "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                             "WHERE c.relkind = 'r' AND c.relpersistence = 'u' ORDER BY 1, 2"))
        return false;
    for (size_t i = 0; i < rows.row_count; i++) {
        const char *schema = postgres_result_cell(&rows, i, 0), *name = postgres_result_cell(&rows, i, 1);
        if (source_chooses(config, schema, name))
            check_report_add(check->report, CHECK_WARNING, arena_printf(arena_of(check), "table %s.%s", schema, name),
                             arena_printf(arena_of(check), "ALTER TABLE %s.%s SET LOGGED;", quoted(check, schema),
                                          quoted(check, name)),
                             "is unlogged: its changes are in no log, and it is not captured");
    }
    return true;
}

static bool check_tables(struct preflight *check, struct error *err) {
    struct postgres_relation *relations;
    size_t count;
    struct name_list keyless = {0};
    bool owns_all = true;
    if (!postgres_catalog_list(check->source, check->conn, arena_of(check), &relations, &count, err))
        return false;
    buf_init(&keyless.text, BUF_MAX_DEFAULT);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = check_table(check, &relations[i], &keyless, &owns_all, err);
    if (ok && !check->publication_exists)
        ok = check_may_publish(check, relations, count, owns_all, err);
    ok = ok && check_hidden(check, relations, count, err) && check_unlogged(check, err);
    if (ok && count == 0)
        check_report_add(check->report, CHECK_FAILED, "tables", "source.schema_filter: \"%\"",
                         "none is chosen: check source.database, source.schema_filter and source.table_filter");
    else if (ok)
        check_report_add(check->report, CHECK_OK, "tables", NULL, "%zu are chosen", count);
    if (ok && keyless.count > 0)
        check_report_add(check->report, CHECK_WARNING, "primary keys", "ALTER TABLE … ADD PRIMARY KEY (…);",
                         "%zu tables have none: only inserts reach the lake (%s)", keyless.count, keyless.text.data);
    buf_deinit(&keyless.text);
    return ok;
}

/* ---- all of it */

bool postgres_check(struct source *base, struct check_report *report, struct error *err) {
    struct preflight check = {.source = (struct postgres_source *)base, .report = report};
    check.conn = postgres_source_lock(check.source, err);
    if (check.conn == NULL)
        return false;
    check.server = postgres_conn_server(check.conn);
    const char *user = check.source->config->source.user;
    check.user = quoted(&check, user != NULL ? user : "sluice");
    check_connection(&check);
    bool ok = check_wal_level(&check, err) && check_slot(&check, err) &&
              check_left(&check, "max_replication_slots", "pg_replication_slots", !check.slot_exists, err) &&
              check_left(&check, "max_wal_senders", "pg_stat_replication", true, err) && check_keep_size(&check, err) &&
              check_replication(&check, err) && check_publication(&check, err) && check_tables(&check, err);
    postgres_source_unlock(check.source);
    return ok;
}

static void warn_of(const struct postgres_source *source, const struct postgres_relation *relation) {
    const char *schema = relation->table->schema, *name = relation->table->name;
    if (!relation->published)
        log_warning(
            "table %s.%s is not captured: the publication %s does not have it%s; `sluice check` says what mends it",
            schema, name, source->publication, relation->identified ? "" : ", and it has no replica identity");
    else if (relation->left_out != NULL)
        log_warning("table %s.%s: columns that are not in the log are not captured: %s", schema, name,
                    relation->left_out);
}

bool postgres_warn(struct source *base, struct error *err) {
    struct postgres_source *source = (struct postgres_source *)base;
    struct postgres_conn *conn = postgres_source_lock(source, err);
    if (conn == NULL)
        return false;
    struct arena arena;
    arena_init(&arena);
    struct postgres_relation *relations;
    size_t count = 0;
    bool ok = postgres_catalog_list(source, conn, &arena, &relations, &count, err);
    postgres_source_unlock(source);
    for (size_t i = 0; ok && i < count; i++)
        warn_of(source, &relations[i]);
    arena_deinit(&arena);
    return ok;
}
