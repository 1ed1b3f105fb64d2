/* The configuration: sluice.yaml as one struct. Every option is a row of a table in options.c (name, type, default, range,
 * one sentence); the parser, `sluice init`, `sluice help config` and docs/configuration.md come from these rows.
 *
 * Unknown keys are errors that name the nearest known one; ${ENV} expands in values; secrets are never printed. */
#ifndef SLUICE_CONFIG_CONFIG_H
#define SLUICE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

struct mapping; /* mapping/mapping.h */

enum ddl_action { DDL_APPLY, DDL_IGNORE, DDL_STOP };
enum adoption { ADOPT_AUTO, ADOPT_LINK, ADOPT_NEVER };
enum bad_rows { BAD_ROWS_STOP, BAD_ROWS_QUARANTINE };
enum history { HISTORY_NONE, HISTORY_BESIDE, HISTORY_ONLY };
enum write_mode { WRITE_MERGE_ON_READ, WRITE_COPY_ON_WRITE };

enum lost_slot { LOST_SLOT_STOP, LOST_SLOT_RELOAD };

enum schema_change { SCHEMA_EVOLVE, SCHEMA_ADD_ONLY, SCHEMA_STOP };

struct config_source {
    const char *engine;   /* mysql, mariadb, postgres; dms: raw files that AWS DMS wrote */
    const char *host;     /* postgres: may be a list, "a,b:5433" */
    int64_t port;         /* 0: the engine's own */
    const char *socket;   /* NULL: host and port */
    const char *user;     /* NULL: not given */
    const char *password; /* secret; NULL: not given */
    const char *database; /* NULL: none; when it is set, the schema_filter "%" becomes this name, except for postgres */
    const char *schema_filter, *table_filter; /* DMS wildcards */
    const char *table_mappings;               /* the file with the rules, as written; NULL: none */
    struct mapping *mapping; /* the rules; NULL: none. With a selection, schema_filter and table_filter choose nothing */
    bool tls; /* on request; then the certificate is checked unless tls_verify is false */
    bool tls_verify;
    const char *tls_ca, *tls_cert, *tls_key;
    int64_t server_id; /* 0: derived from the task's name */
    int64_t connect_timeout_s;
    int64_t heartbeat_ms;
    int64_t max_full_load_sub_tasks;
    enum ddl_action on_truncate, on_drop;
    const char *start_position;          /* cdc-only: where to start; NULL: now */
    const char *slot_name, *publication; /* postgres; NULL: made of the task's name */
    bool create_slot, create_publication;
    enum lost_slot on_lost_slot;
};

struct config_raw {
    const char *location;
    const char *data_format; /* csv, parquet */
    const char *csv_delimiter, *csv_row_delimiter, *csv_null_value, *csv_no_sup_value;
    bool rfc4180, add_column_name, include_op_for_full_load;
    bool cdc_inserts_only, cdc_inserts_and_updates;
    const char *timestamp_column_name; /* NULL: none */
    int64_t max_file_size_kb;          /* of full-load files */
    int64_t cdc_max_batch_interval_ms; /* written "60s" */
    int64_t cdc_min_file_size_kb;
    bool gzip; /* compression_type: none | gzip */
    bool date_partition_enabled;
};

struct config_lake {
    const char *location;
    const char *database;
    const char *table_name; /* "{table}", "{schema}_{table}" */
    const char *format;     /* parquet, iceberg */
    int64_t format_version;
    int64_t target_file_size_bytes;
    enum write_mode write_mode;
    enum adoption adopt; /* of full loads that are Parquet already */
};

/* What holds for the loads of all tables that say nothing else. */
struct config_load {
    enum bad_rows bad_rows;
    enum schema_change schema_change;
    const char *quarantine; /* a location; beside the state when it is not given; NULL: none */
};

struct config_schedule {
    const char *load, *catalog, *maintain; /* NULL: not scheduled; else schedule_parse takes it */
};

struct config_maintain {
    int64_t budget_bytes;
    int64_t deleted_percent;
    int64_t keep_ms; /* written "5d" */
    int64_t keep_snapshots, max_snapshots;
    int64_t orphan_age_ms; /* written "1d" */
};

struct config_column_type {
    const char *name;
    const char *type;
};

struct config_table {
    const char *name; /* as written, "schema.table"; NULL when schema and table were given */
    const char *schema, *table;
    const char *const *primary_key; /* none of them with has_primary_key: no key */
    size_t primary_key_count;
    bool has_primary_key;
    const char *const *partition_key;
    size_t partition_key_count;
    bool has_partition_key;
    bool active, has_active;
    const struct config_column_type *columns;
    size_t column_count;
    enum bad_rows bad_rows;
    enum schema_change schema_change;
    bool soft_delete;
    enum history history;
    int64_t format_version;
    bool has_format_version; /* false: as in `lake` */
    enum write_mode write_mode;
    bool has_bad_rows, has_schema_change; /* false: as in `load` */
    bool has_write_mode;                  /* false: as in `lake` */
};

struct config {
    struct arena arena; /* owns every string here */
    const char *path;   /* of the file */
    const char *task;
    struct config_source source;
    struct config_raw raw;
    struct config_lake lake;
    struct config_load load;
    const char *state;
    const char *catalog; /* beside the state when it is not given; NULL: none */
    struct config_schedule schedule;
    struct config_maintain maintain;
    uint64_t memory_limit_bytes; /* never 0: a quarter of the machine (or control group) when it is not given */
    int64_t threads;             /* 0: all cores */
    const char *temp_folder;     /* never NULL: $TMPDIR or /tmp when it is not given */
    struct config_table *tables;
    size_t table_count;
};

/* Reads and checks a file, and that of source.table_mappings. Kind CONFIG; the message names file, line, key and what to do. Free with config_free. */
bool config_load(const char *path, struct config **out, struct error *err);
/* The same from text, without other files; `path` is used in messages. */
bool config_parse(const char *text, size_t len, const char *path, struct config **out, struct error *err);
void config_free(struct config *config); /* NULL is fine */

/* The entry of `tables:` for a table, or NULL. */
const struct config_table *config_find_table(const struct config *config, const char *schema, const char *table);

/* How a table's loads treat what does not fit: its entry's, or what holds for all. */
enum bad_rows config_bad_rows(const struct config *config, const struct config_table *entry); /* entry NULL: none */
enum schema_change config_schema_change(const struct config *config, const struct config_table *entry);
/* How its loads replace rows: likewise. */
enum write_mode config_write_mode(const struct config *config, const struct config_table *entry);

int64_t config_format_version(const struct config *config, const struct config_table *entry); /* likewise */

/* The lake folder of a table: table_name with {schema} and {table} replaced, '/' at its end; in the arena. Characters
 * that cannot be in a folder's name are percent-encoded. */
const char *config_table_folder(const struct config *config, struct arena *arena, const char *schema,
                                const char *table);

/* The folder of its history: <folder>_history/. */
const char *config_history_folder(const struct config *config, struct arena *arena, const char *schema,
                                  const char *table);
enum history config_history(const struct config *config, const char *schema, const char *table);

/* A commented sluice.yaml with every option and its default, for `sluice init`; and docs/configuration.md, which
 * `sluice help config` prints. */
void config_write_template(struct buf *out);
void config_write_reference(struct buf *out);

#endif
