#include "config/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

static const char *const data_formats[] = {"csv", "parquet", NULL};
static const char *const compressions[] = {"none", "gzip", NULL};
static const char *const ddl_actions[] = {[DDL_APPLY] = "apply", [DDL_IGNORE] = "ignore", [DDL_STOP] = "stop", NULL};
static const char *const lost_slot_actions[] = {[LOST_SLOT_STOP] = "stop", [LOST_SLOT_RELOAD] = "reload", NULL};
static const char *const adoptions[] = {[ADOPT_AUTO] = "auto", [ADOPT_LINK] = "link", [ADOPT_NEVER] = "never", NULL};
static const char *const schema_changes[] = {
    [SCHEMA_EVOLVE] = "evolve", [SCHEMA_ADD_ONLY] = "add_only", [SCHEMA_STOP] = "stop", NULL};
static const char *const write_modes[] = {
    [WRITE_MERGE_ON_READ] = "merge-on-read", [WRITE_COPY_ON_WRITE] = "copy-on-write", NULL};
static const char *const history_words[] = {
    [HISTORY_NONE] = "false", [HISTORY_BESIDE] = "true", [HISTORY_ONLY] = "only", NULL};
static const char *const bad_row_actions[] = {[BAD_ROWS_STOP] = "stop", [BAD_ROWS_QUARANTINE] = "quarantine", NULL};

static const struct option top_options[] = {
    {.name = "task",
     .kind = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct config, task),
     .min = 1,
     .max = 64,
     .example = "shop",
     .help = "The name of this replication: letters, digits, - and _. The state keeps what was captured under this "
             "name, so "
             "another name starts from the beginning."},
    {.name = "state",
     .kind = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct config, state),
     .example = "sqlite:///var/lib/sluice/state.db",
     .help = "Where the controller rows, the capture checkpoints and the run history are kept."},
    {.name = "catalog",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config, catalog),
     .example = "sqlite:///var/lib/sluice/catalog.db",
     .help =
         "Which metadata file is each Iceberg table's current one, as Iceberg's SQL catalogs have it: pyiceberg, Spark "
         "and others open it as the catalog `lake`. catalog.db beside the state when it is not given. The format "
         "`parquet` needs none: its tables are their folders."},
    {.name = "memory_limit",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct config, memory_limit_bytes),
     .min = MEMORY_LIMIT_MIN_BYTES,
     .max = INT64_C(1) << 50,
     .unit = 1,
     .example = "1GB",
     .help =
         "Memory for loads and queries; larger work spills to disk. A quarter of the machine's memory when it is not "
         "given."},
    {.name = "threads",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config, threads),
     .fallback = "0",
     .max = 1024,
     .help = "Threads for loads and queries; 0 is one per core."},
    {.name = "temp_folder",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config, temp_folder),
     .example = "/var/tmp",
     .help = "Where large transactions, loads and queries spill to. $TMPDIR or /tmp when it is not given."},
};

static const struct option source_options[] = {
    {.name = "engine",
     .kind = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct config_source, engine),
     .example = "mysql",
     .help = "The kind of the source: mysql, mariadb, postgres; dms for raw files that AWS DMS writes."},
    {.name = "host",
     .kind = OPTION_TEXT,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_source, host),
     .fallback = "127.0.0.1",
     .help = "The server's name or address. postgres: may be a list, `a,b:5433`, of which the one that is the primary "
             "is taken."},
    {.name = "port",
     .kind = OPTION_INTEGER,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_source, port),
     .fallback = "0",
     .max = 65535,
     .example = "3306",
     .help = "The server's port; 0 is the engine's usual one."},
    {.name = "socket",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, socket),
     .example = "/run/mysqld/mysqld.sock",
     .help = "The server's Unix socket, in place of host and port."},
    {.name = "user",
     .kind = OPTION_TEXT,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_source, user),
     .example = "sluice",
     .help = "The database user."},
    {.name = "password",
     .kind = OPTION_TEXT,
     .flags = OPTION_SECRET | OPTION_SHOWN,
     .offset = offsetof(struct config_source, password),
     .example = "${SHOP_PASSWORD}",
     .help = "Its password. Better from the environment than in this file."},
    {.name = "database",
     .kind = OPTION_TEXT,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_source, database),
     .example = "sampledb",
     .help =
         "The database to capture, when it is one; schema_filter can name more. postgres needs it, and schema_filter "
         "chooses within it."},
    {.name = "schema_filter",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, schema_filter),
     .fallback = "%",
     .min = 1,
     .max = 1024,
     .help =
         "The schemas to capture, as AWS DMS writes it: % is any text, _ any character, [ab] one of these. `%` is the "
         "database, where one is given; all of a postgres database but the system's."},
    {.name = "table_filter",
     .kind = OPTION_TEXT,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_source, table_filter),
     .fallback = "%",
     .min = 1,
     .max = 1024,
     .help = "The tables to capture, written like schema_filter."},
    {.name = "table_mappings",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, table_mappings),
     .min = 1,
     .max = 4096,
     .example = "table-mappings.json",
     .help = "A file with table mappings as AWS DMS writes them, in place of schema_filter and table_filter: which "
             "tables are captured, which of their rows, and under which names (docs/table-mappings.md). A relative "
             "path begins at the "
             "folder of this file."},
    {.name = "tls",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_source, tls),
     .fallback = "false",
     .help = "Encrypt the connection, or fail."},
    {.name = "tls_verify",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_source, tls_verify),
     .fallback = "true",
     .help = "With tls: check the server's certificate and name."},
    {.name = "tls_ca",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, tls_ca),
     .example = "/etc/ssl/certs/ca-certificates.crt",
     .help =
         "With tls: the file of the authorities that may sign the server's certificate. The system's when it is not "
         "given."},
    {.name = "tls_cert",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, tls_cert),
     .example = "/etc/sluice/client.crt",
     .help = "With tls: our own certificate, if the server asks for one."},
    {.name = "tls_key",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, tls_key),
     .example = "/etc/sluice/client.key",
     .help = "With tls: the key of tls_cert."},
    {.name = "server_id",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_source, server_id),
     .fallback = "0",
     .max = UINT32_MAX,
     .help =
         "The id under which sluice reads the binary log; no other replica may have it. 0 makes one from the task's "
         "name."},
    {.name = "connect_timeout",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct config_source, connect_timeout_s),
     .fallback = "10s",
     .min = 1,
     .max = 3600,
     .unit = 1000,
     .help = "How long to wait for a connection."},
    {.name = "heartbeat_interval",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct config_source, heartbeat_ms),
     .fallback = "5s",
     .min = 100,
     .max = 3600000,
     .unit = 1,
     .help =
         "How often a silent server says that it is there. After three missed ones the connection is given up and made "
         "anew."},
    {.name = "max_full_load_sub_tasks",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_source, max_full_load_sub_tasks),
     .fallback = "8",
     .min = 1,
     .max = 49,
     .help = "Tables that are loaded at the same time in a full load, each on a connection of its own."},
    {.name = "on_truncate",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_source, on_truncate),
     .fallback = "apply",
     .words = ddl_actions,
     .help = "When a table is truncated, or a partition truncated or dropped: apply takes the rows out of the lake, "
             "ignore keeps them, stop ends the capture of this table with an error."},
    {.name = "on_drop",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_source, on_drop),
     .fallback = "ignore",
     .words = ddl_actions,
     .help = "The same for a table that is dropped."},
    {.name = "start_position",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, start_position),
     .example = "binlog.000042:4",
     .help = "Where `capture --cdc-only` starts when the state knows no position: a log file and a position in it, or "
             "a GTID "
             "set. From now on when it is not given."},
    {.name = "slot_name",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, slot_name),
     .example = "sluice_shop",
     .help = "postgres: the replication slot to read from. sluice_<task> when it is not given."},
    {.name = "publication",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_source, publication),
     .min = 1,
     .max = 63,
     .example = "sluice_shop",
     .help =
         "postgres: the publication, which names the tables whose changes are in the log for us. sluice_<task> when "
         "it is not given."},
    {.name = "create_slot",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_source, create_slot),
     .fallback = "true",
     .help = "postgres: make the slot when a task begins and there is none. It is never dropped, except by `sluice "
             "drop-slot`: until then the server keeps its log for it."},
    {.name = "create_publication",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_source, create_publication),
     .fallback = "true",
     .help =
         "postgres: make the publication when there is none, and add chosen tables that it lacks, where the user may. "
         "`sluice check` prints the statement."},
    {.name = "on_lost_slot",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_source, on_lost_slot),
     .fallback = "stop",
     .words = lost_slot_actions,
     .help =
         "postgres: when the slot is gone, or the server removed the log that it needs: stop says so and ends capture, "
         "reload makes it anew and loads all tables in full again."},
};

static const struct option raw_options[] = {
    {.name = "location",
     .kind = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct config_raw, location),
     .example = "file:///var/lib/sluice/raw",
     .help = "The raw zone: where capture writes and load reads. Nothing else may be in it."},
    {.name = "data_format",
     .kind = OPTION_WORD,
     .offset = offsetof(struct config_raw, data_format),
     .fallback = "csv",
     .words = data_formats,
     .help = "The format of the raw files."},
    {.name = "csv_delimiter",
     .kind = OPTION_TEXT,
     .flags = OPTION_ESCAPES,
     .offset = offsetof(struct config_raw, csv_delimiter),
     .fallback = ",",
     .min = 1,
     .max = 1,
     .help = "The character between two fields."},
    {.name = "csv_row_delimiter",
     .kind = OPTION_TEXT,
     .flags = OPTION_ESCAPES,
     .offset = offsetof(struct config_raw, csv_row_delimiter),
     .fallback = "\\n",
     .min = 1,
     .max = 8,
     .help = "What ends a record."},
    {.name = "csv_null_value",
     .kind = OPTION_TEXT,
     .flags = OPTION_NULL_IS_TEXT,
     .offset = offsetof(struct config_raw, csv_null_value),
     .fallback = "NULL",
     .max = 64,
     .help = "The bare word that stands for NULL. Reading takes an empty bare field for NULL too."},
    {.name = "csv_no_sup_value",
     .kind = OPTION_TEXT,
     .flags = OPTION_NULL_IS_TEXT,
     .offset = offsetof(struct config_raw, csv_no_sup_value),
     .fallback = "UNCHANGED",
     .min = 1,
     .max = 64,
     .help = "The bare word that stands for a value that the source did not send because it did not change."},
    {.name = "rfc4180",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, rfc4180),
     .fallback = "true",
     .help = "Quote fields that hold a delimiter, a quote or a line end. Without, no field is ever quoted, and "
             "a table with a text that is empty, reads NULL or holds a delimiter is not captured."},
    {.name = "add_column_name",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, add_column_name),
     .fallback = "true",
     .help = "Begin every CSV file with a line of column names. AWS DMS has false here; the loader needs the names."},
    {.name = "include_op_for_full_load",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, include_op_for_full_load),
     .fallback = "false",
     .help = "Give the files of a full load a column Op too, always I."},
    {.name = "cdc_inserts_only",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, cdc_inserts_only),
     .fallback = "false",
     .help = "Write inserts only, not updates and deletes."},
    {.name = "cdc_inserts_and_updates",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, cdc_inserts_and_updates),
     .fallback = "false",
     .help = "Write inserts and updates only, not deletes."},
    {.name = "timestamp_column_name",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_raw, timestamp_column_name),
     .min = 1,
     .max = 256,
     .example = "captured_at",
     .help =
         "The name of a column to add: the time of the commit, or of the transfer in a full load. None when it is not "
         "given."},
    {.name = "max_file_size",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct config_raw, max_file_size_kb),
     .fallback = "1048576",
     .min = 1,
     .max = 1048576,
     .unit = 1024,
     .help = "The largest file of a full load."},
    {.name = "cdc_max_batch_interval",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct config_raw, cdc_max_batch_interval_ms),
     .fallback = "60s",
     .min = 1,
     .max = 86400000,
     .unit = 1,
     .help = "The longest time from a change to the file that holds it."},
    {.name = "cdc_min_file_size",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct config_raw, cdc_min_file_size_kb),
     .fallback = "32000",
     .min = 1,
     .max = 1048576,
     .unit = 1024,
     .help = "Changes of this size are written before the interval is over."},
    {.name = "compression_type",
     .kind = OPTION_SWITCH,
     .offset = offsetof(struct config_raw, gzip),
     .fallback = "none",
     .words = compressions,
     .help = "Compress the raw files."},
    {.name = "date_partition_enabled",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_raw, date_partition_enabled),
     .fallback = "false",
     .help = "Put change files into folders by the day of their transactions: schema/table/2026/11/01/."},
};

static const struct option lake_options[] = {
    {.name = "location",
     .kind = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct config_lake, location),
     .example = "file:///var/lib/sluice/lake",
     .help = "The lake: the tables that query engines read."},
    {.name = "database",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_lake, database),
     .min = 1,
     .max = 255,
     .example = "shop",
     .help = "The name of the database in the catalog. The task's name when it is not given."},
    {.name = "table_name",
     .kind = OPTION_TEXT,
     .flags = OPTION_SHOWN,
     .offset = offsetof(struct config_lake, table_name),
     .fallback = "{table}",
     .min = 1,
     .max = 255,
     .help = "The folder and the catalog name of a table. \"{schema}_{table}\" where two schemas share a table name."},
    {.name = "format",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_lake, format),
     .fallback = "iceberg",
     .help = "The table format: iceberg (Apache Iceberg: a load costs what its changes cost, and readers see the table "
             "before "
             "or after it), or parquet (folders as Hive and Spark read them)."},
    {.name = "format_version",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_lake, format_version),
     .fallback = "2",
     .min = 2,
     .max = 3,
     .help =
         "The version of Iceberg's format. With 3, deleted rows are kept as deletion vectors, which are smaller and "
         "quicker to read than the delete files of 2, but fewer engines know them yet. The next load brings a table "
         "from 2 to 3; none goes back."},
    {.name = "target_file_size",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct config_lake, target_file_size_bytes),
     .fallback = "128MB",
     .min = 1 << 16,
     .max = INT64_C(1) << 40,
     .unit = 1,
     .help = "The size that data files should have: large for scans, small for tables that change all over."},
    {.name = "write_mode",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_lake, write_mode),
     .words = write_modes,
     .example = "copy-on-write",
     .help = "How loads replace rows of Iceberg tables. merge-on-read, the default: a load writes the new rows and the "
             "positions of "
             "the old ones, so that it costs what its changes cost, and readers leave the old rows out until "
             "maintenance has. copy-on-write: it writes the files with replaced rows anew without them, so that "
             "readers pay nothing; for tables that change seldom and are read often. May change between any two "
             "loads. Parquet tables have no positions: their loads are copy-on-write."},
    {.name = "adopt",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_lake, adopt),
     .fallback = "auto",
     .words = adoptions,
     .help =
         "What becomes of a full load that is Parquet already, with Op in it and the types of the table, of an Iceberg "
         "table without partitions: auto takes the files over as they are, without reading their rows: files that "
         "sluice captured by a hard link, others by a copy (which shares the bytes where the file system can); link "
         "takes others by a hard link too, which is for raw zones where files are only ever replaced by new ones (as "
         "aws "
         "s3 sync, rsync and mv do) and never written into (as cp onto a file does), because the lake's file is the "
         "same one; never writes all rows anew, for readers that do not know Iceberg's name mapping."},
};

static const struct option load_options[] = {
    {.name = "bad_rows",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_load, bad_rows),
     .fallback = "stop",
     .words = bad_row_actions,
     .help =
         "When a row of a CSV file does not fit its table (a value that its column's type does not take, a record "
         "with too many or too few fields): stop leaves the lake table as it is until the file is mended; "
         "quarantine puts the row aside and loads the others. A change that was put aside never happened for the "
         "lake: the change of the same key before it decides. What is wrong with a whole file (a quote that is "
         "never closed, a header that does not fit), and a value of a Parquet file that does not fit, stops the table "
         "in any case."},
    {.name = "schema_change",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_load, schema_change),
     .fallback = "evolve",
     .words = schema_changes,
     .help = "What the columns of a lake table do when the source's change. evolve: they follow; a column that was "
             "dropped stays and is NULL in new rows, an order or a NOT NULL is not the lake's, and a type that the "
             "lake's does not widen to (int to varchar) stops the table. add_only: new "
             "columns are added, a dropped one stays; a new name or type stops the table. stop: any change of the "
             "columns, their order and NOT NULL stops the table. A table that is stopped says what changed, and the "
             "others are loaded; a full load replaces the table, whatever changed."},
    {.name = "quarantine",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_load, quarantine),
     .min = 1,
     .max = 1024,
     .example = "file:///var/lib/sluice/quarantine",
     .help = "Where rows are put aside: schema/table/run.jsonl, a line a row, with file, line, column, value, reason "
             "and record. The folder `quarantine` beside the state when it is not given."},
};

static const struct option schedule_options[] = {
    {.name = "load",
     .kind = OPTION_SCHEDULE,
     .flags = OPTION_TAKES_NULL | OPTION_SHOWN,
     .offset = offsetof(struct config_schedule, load),
     .fallback = "every 1m",
     .help = "When `sluice run` loads. null: never."},
    {.name = "catalog",
     .kind = OPTION_SCHEDULE,
     .flags = OPTION_TAKES_NULL,
     .offset = offsetof(struct config_schedule, catalog),
     .example = "cron(30 0 * * ? *)",
     .help =
         "When `sluice run` syncs the catalog, as `sluice catalog sync` does. Loads and maintenance keep it up to date "
         "by themselves: this is for tables that other writers commit to. null: never."},
    {.name = "maintain",
     .kind = OPTION_SCHEDULE,
     .flags = OPTION_TAKES_NULL,
     .offset = offsetof(struct config_schedule, maintain),
     .fallback = "every 1h",
     .help = "When `sluice run` maintains Iceberg tables, as `sluice maintain` does. null: never."},
};

static const struct option maintain_options[] = {
    {.name = "budget",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct config_maintain, budget_bytes),
     .fallback = "2GB",
     .min = 1 << 16,
     .max = INT64_C(1) << 50,
     .unit = 1,
     .help = "How much data one round may write anew, over all tables; the next round goes on. So a large table is not "
             "rewritten for a few changes."},
    {.name = "deleted_percent",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_maintain, deleted_percent),
     .fallback = "2",
     .min = 1,
     .max = 100,
     .help = "A data file with so many of a hundred rows deleted is written anew without them. Until then a scan of it "
             "takes "
             "up to a quarter longer; what a round writes is bounded by budget."},
    {.name = "keep",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct config_maintain, keep_ms),
     .fallback = "5d",
     .max = INT64_C(10) * 366 * 86400000,
     .unit = 1,
     .help = "How long earlier snapshots of a table can be read: by queries that began before, and as of an earlier "
             "time."},
    {.name = "keep_snapshots",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_maintain, keep_snapshots),
     .fallback = "100",
     .min = 1,
     .max = 1000000,
     .help = "So many snapshots are kept even when they are older than that."},
    {.name = "max_snapshots",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_maintain, max_snapshots),
     .fallback = "2000",
     .min = 1,
     .max = 1000000,
     .help = "No more than so many are kept though they are younger: every load writes the list of them."},
    {.name = "orphan_age",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct config_maintain, orphan_age_ms),
     .fallback = "1d",
     .max = INT64_C(10) * 366 * 86400000,
     .unit = 1,
     .help =
         "Files in a table's folder that no snapshot has are removed when they are older: what a crash left. Longer "
         "than any writer of the table works on one commit."},
};

static const struct option table_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_table, name),
     .min = 3,
     .max = 512,
     .example = "sampledb.product",
     .help = "Schema and table, with a dot between them."},
    {.name = "schema",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_table, schema),
     .min = 1,
     .max = 255,
     .example = "sampledb",
     .help = "The schema, in place of name, where a name has a dot of its own."},
    {.name = "table",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct config_table, table),
     .min = 1,
     .max = 255,
     .example = "product",
     .help = "The table, beside schema."},
    {.name = "primary_key",
     .kind = OPTION_NAMES,
     .offset = offsetof(struct config_table, primary_key),
     .count_offset = offsetof(struct config_table, primary_key_count),
     .set_offset = offsetof(struct config_table, has_primary_key),
     .example = "[id]",
     .help =
         "The columns that tell rows apart; [] or null: none, rows are appended. When it is not given: the source's "
         "own key, which an active table takes and another one proposes."},
    {.name = "partition_key",
     .kind = OPTION_NAMES,
     .offset = offsetof(struct config_table, partition_key),
     .count_offset = offsetof(struct config_table, partition_key_count),
     .set_offset = offsetof(struct config_table, has_partition_key),
     .example = "[]",
     .help =
         "The columns that divide the lake table's files, in Iceberg tables also year(c), month(c), day(c), hour(c), "
         "bucket(n, c) and truncate(n, c) of a column c; [] or null: none."},
    {.name = "active",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_table, active),
     .set_offset = offsetof(struct config_table, has_active),
     .fallback = "false",
     .example = "true",
     .help = "Load this table. Otherwise it waits for `sluice tables set … --active true`."},
    {.name = "columns",
     .kind = OPTION_TYPES,
     .offset = offsetof(struct config_table, columns),
     .count_offset = offsetof(struct config_table, column_count),
     .example = "{price: \"decimal(10,2)\"}",
     .help = "Types of columns, in place of the source's, and for files that have no types. The lake's column has this "
             "type; a value that does not fit it is a bad row (bad_rows), and in a Parquet file an error. Rounding "
             "makes no value fit."},
    {.name = "bad_rows",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_table, bad_rows),
     .set_offset = offsetof(struct config_table, has_bad_rows),
     .words = bad_row_actions,
     .example = "quarantine",
     .help = "As load.bad_rows, for this table."},
    {.name = "schema_change",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_table, schema_change),
     .set_offset = offsetof(struct config_table, has_schema_change),
     .words = schema_changes,
     .example = "add_only",
     .help = "As load.schema_change, for this table."},
    {.name = "write_mode",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_table, write_mode),
     .set_offset = offsetof(struct config_table, has_write_mode),
     .words = write_modes,
     .example = "copy-on-write",
     .help = "As lake.write_mode, for this table."},
    {.name = "format_version",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct config_table, format_version),
     .set_offset = offsetof(struct config_table, has_format_version),
     .min = 2,
     .max = 3,
     .example = "3",
     .help = "As lake.format_version, for this table and its history."},
    {.name = "soft_delete",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct config_table, soft_delete),
     .fallback = "false",
     .example = "true",
     .help = "Rows that are deleted at the source stay in the lake table, with Op D and their last values, until the "
             "source has the key again or a full load replaces the table. For a table with a primary key."},
    {.name = "history",
     .kind = OPTION_ENUM,
     .offset = offsetof(struct config_table, history),
     .fallback = "false",
     .words = history_words,
     .example = "true",
     .help =
         "Every change is kept too, as a row of the lake table {table}_history with Op, the time of its commit, its "
         "file and its number there: true beside the table, only instead of it. It begins with what the raw zone "
         "has."},
};

#define ROWS(rows) .options = (rows), .count = sizeof(rows) / sizeof(rows)[0]

const struct option_section option_sections[SECTION_COUNT] = {
    [SECTION_TOP] = {.name = "", .offset = 0, ROWS(top_options), .help = "What holds for everything."},
    [SECTION_SOURCE] = {.name = "source",
                        .offset = offsetof(struct config, source),
                        ROWS(source_options),
                        .help = "The database that is captured."},
    [SECTION_RAW] = {.name = "raw",
                     .offset = offsetof(struct config, raw),
                     ROWS(raw_options),
                     .help = "The raw files: the options of the S3 target of AWS DMS, with its names and defaults."},
    [SECTION_LAKE] = {.name = "lake",
                      .offset = offsetof(struct config, lake),
                      ROWS(lake_options),
                      .help = "The tables that come out."},
    [SECTION_LOAD] = {.name = "load",
                      .offset = offsetof(struct config, load),
                      ROWS(load_options),
                      .help = "How raw files become rows of the lake; an entry of `tables` may say otherwise for its "
                              "table, also later."},
    [SECTION_SCHEDULE] =
        {.name = "schedule",
         .offset = offsetof(struct config, schedule),
         ROWS(schedule_options),
         .help = "When `sluice run` does what; it captures all the time. `every 30s`, `every 1m`, `every 2h`; "
                 "`continuous`: as soon as files are committed; `cron(0 * * * ? *)` as Amazon EventBridge "
                 "writes it, or the five fields of cron. UTC."},
    [SECTION_MAINTAIN] = {.name = "maintain",
                          .offset = offsetof(struct config, maintain),
                          ROWS(maintain_options),
                          .help = "What maintenance of Iceberg tables does."},
    [SECTION_TABLES] =
        {.name = "tables",
         .offset = offsetof(struct config, tables),
         ROWS(table_options),
         .help = "A list of tables: what is set for a table when it is seen for the first time. Later, `sluice "
                 "tables set` changes it."},
};

const struct option *option_find(const struct option_section *section, const char *name) {
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->options[i].name, name) == 0)
            return &section->options[i];
    return NULL;
}

/* The largest unit that says a number without a fraction. */
static void format_amount(int64_t amount, const char *const *units, const int64_t *factors, size_t count, char *out,
                          size_t size) {
    size_t i = 0;
    while (amount != 0 && i + 1 < count && amount % factors[i + 1] == 0)
        i++;
    snprintf(out, size, "%" PRId64 "%s", amount / factors[i], units[i]);
}

static void format_duration(int64_t duration_ms, char *out, size_t size) {
    static const char *const units[] = {"ms", "s", "m", "h"};
    static const int64_t factors[] = {1, 1000, 60000, 3600000};
    format_amount(duration_ms, units, factors, 4, out, size);
}

static void format_size(int64_t size_bytes, char *out, size_t size) {
    static const char *const units[] = {" bytes", "KB", "MB", "GB", "TB"};
    static const int64_t factors[] = {1, INT64_C(1) << 10, INT64_C(1) << 20, INT64_C(1) << 30, INT64_C(1) << 40};
    format_amount(size_bytes, units, factors, 5, out, size);
}

static void describe_words(const struct option *option, char out[OPTION_TEXT_BYTES]) {
    size_t used = (size_t)snprintf(out, OPTION_TEXT_BYTES, "one of ");
    for (size_t i = 0; option->words[i] != NULL && used < OPTION_TEXT_BYTES; i++)
        used += (size_t)snprintf(out + used, OPTION_TEXT_BYTES - used, "%s%s", i > 0 ? ", " : "", option->words[i]);
}

static void describe_text(const struct option *option, char out[OPTION_TEXT_BYTES]) {
    if (option->max == 0)
        snprintf(out, OPTION_TEXT_BYTES, "text");
    else if (option->max == 1)
        snprintf(out, OPTION_TEXT_BYTES, "one character");
    else
        snprintf(out, OPTION_TEXT_BYTES, "text of %" PRId64 " to %" PRId64 " bytes", option->min, option->max);
}

void option_describe(const struct option *option, char out[OPTION_TEXT_BYTES]) {
    char min[32], max[32];
    switch (option->kind) {
    case OPTION_TEXT:
        describe_text(option, out);
        return;
    case OPTION_WORD:
    case OPTION_ENUM:
    case OPTION_SWITCH:
        describe_words(option, out);
        return;
    case OPTION_BOOL:
        snprintf(out, OPTION_TEXT_BYTES, "true or false");
        return;
    case OPTION_INTEGER:
        snprintf(out, OPTION_TEXT_BYTES, "a whole number from %" PRId64 " to %" PRId64, option->min, option->max);
        return;
    case OPTION_DURATION:
        format_duration(option->min * option->unit, min, sizeof min);
        format_duration(option->max * option->unit, max, sizeof max);
        snprintf(out, OPTION_TEXT_BYTES, "a duration from %s to %s, such as 500ms, 30s, 5m; a plain number is seconds",
                 min, max);
        return;
    case OPTION_SIZE:
        format_size(option->min * option->unit, min, sizeof min);
        format_size(option->max * option->unit, max, sizeof max);
        snprintf(out, OPTION_TEXT_BYTES, "a size from %s to %s, such as 512MB, 1GB; a plain number is %s", min, max,
                 option->unit == 1 ? "bytes" : "KB");
        return;
    case OPTION_SCHEDULE:
        snprintf(out, OPTION_TEXT_BYTES, "a schedule");
        return;
    case OPTION_NAMES:
        snprintf(out, OPTION_TEXT_BYTES, "a list of column names");
        return;
    case OPTION_TYPES:
        snprintf(out, OPTION_TEXT_BYTES, "a map from column names to types");
        return;
    }
}
