/* sluice.yaml: what is accepted, what each mistake says, and that the two documents made from the option table are true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/options.h"
#include "config/quantity.h"

#define MINIMAL                                                                                                        \
    "task: t\nstate: sqlite:///s.db\nsource: {engine: dms}\nraw: {location: file:///raw}\nlake: {location: "           \
    "file:///lake}\n"

static struct config *parse(const char *text) {
    struct config *config = NULL;
    struct error err = {0};
    if (!config_parse(text, strlen(text), "sluice.yaml", &config, &err))
        fail_msg("%s\n%s", err.message, text);
    return config;
}

static void test_minimal(void **state) {
    (void)state;
    struct config *config = parse(MINIMAL);
    assert_string_equal(config->task, "t");
    assert_string_equal(config->state, "sqlite:///s.db");
    assert_string_equal(config->catalog, "sqlite:///catalog.db"); /* beside the state */
    assert_string_equal(config->load.quarantine, "file:///quarantine");
    assert_int_equal(config->load.bad_rows, BAD_ROWS_STOP);
    assert_string_equal(config->source.engine, "dms");
    assert_string_equal(config->source.host, "127.0.0.1");
    assert_string_equal(config->source.schema_filter, "%");
    assert_true(config->source.tls_verify);
    assert_false(config->source.tls);
    assert_int_equal(config->source.connect_timeout_s, 10);
    assert_int_equal(config->source.heartbeat_ms, 5000);
    assert_int_equal(config->source.max_full_load_sub_tasks, 8);
    assert_int_equal(config->source.on_truncate, DDL_APPLY);
    assert_int_equal(config->source.on_drop, DDL_IGNORE);
    assert_null(config->source.start_position);
    assert_string_equal(config->raw.data_format, "csv");
    assert_string_equal(config->raw.csv_delimiter, ",");
    assert_string_equal(config->raw.csv_row_delimiter, "\n");
    assert_string_equal(config->raw.csv_null_value, "NULL");
    assert_string_equal(config->raw.csv_no_sup_value, "UNCHANGED");
    assert_true(config->raw.rfc4180);
    assert_true(config->raw.add_column_name);
    assert_false(config->raw.include_op_for_full_load);
    assert_null(config->raw.timestamp_column_name);
    assert_int_equal(config->raw.max_file_size_kb, 1048576);
    assert_int_equal(config->raw.cdc_max_batch_interval_ms, 60000);
    assert_int_equal(config->raw.cdc_min_file_size_kb, 32000);
    assert_false(config->raw.gzip);
    assert_string_equal(config->lake.database, "t");
    assert_string_equal(config->lake.table_name, "{table}");
    assert_string_equal(config->lake.format, "iceberg");
    assert_int_equal(config->lake.target_file_size_bytes, 128 << 20);
    assert_string_equal(config->schedule.load, "every 1m");
    assert_string_equal(config->schedule.maintain, "every 1h");
    assert_int_equal(config->maintain.budget_bytes, INT64_C(2) << 30);
    assert_int_equal(config->maintain.keep_ms, INT64_C(5) * 24 * 3600 * 1000);
    assert_int_equal(config->maintain.keep_snapshots, 100);
    assert_int_equal(config->maintain.orphan_age_ms, 24 * 3600 * 1000);
    assert_true(config->memory_limit_bytes >= MEMORY_LIMIT_MIN_BYTES);
    assert_string_equal(config->temp_folder, getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    assert_int_equal(config->table_count, 0);
    config_free(config);
}

static void test_values(void **state) {
    (void)state;
    setenv("SLUICE_TEST_WORD", "se:cr#et", 1);
    struct config *config = parse("task: shop\n"
                                  "state: sqlite:///s.db\n"
                                  "memory_limit: 512MB\n"
                                  "source:\n"
                                  "  engine: mysql\n"
                                  "  port: 3307\n"
                                  "  password: ${SLUICE_TEST_WORD}!\n"
                                  "  user: $${x}\n"
                                  "  database: my_db\n"
                                  "  tls: yes\n"
                                  "  on_truncate: Stop\n"
                                  "  socket:\n"
                                  "raw:\n"
                                  "  location: file:///raw\n"
                                  "  csv_delimiter: \\t\n"
                                  "  csv_row_delimiter: \"\\r\\n\"\n"
                                  "  csv_null_value: null\n"
                                  "  compression_type: GZIP\n"
                                  "  cdc_max_batch_interval: 500ms\n"
                                  "  cdc_min_file_size: 1MB\n"
                                  "  max_file_size: 64\n"
                                  "lake: {location: file:///lake, table_name: '{schema}/{table}', database: d}\n"
                                  "schedule: {load: null, maintain: 'cron(0 3 * * ? *)'}\n");
    assert_int_equal(config->memory_limit_bytes, 512 << 20);
    assert_int_equal(config->source.port, 3307);
    assert_string_equal(config->source.password, "se:cr#et!");
    assert_string_equal(config->source.user, "${x}");
    assert_string_equal(config->source.schema_filter, "my[_]db");
    assert_true(config->source.tls);
    assert_int_equal(config->source.on_truncate, DDL_STOP);
    assert_null(config->source.socket);
    assert_string_equal(config->raw.csv_delimiter, "\t");
    assert_string_equal(config->raw.csv_row_delimiter, "\r\n");
    assert_string_equal(config->raw.csv_null_value, "null");
    assert_true(config->raw.gzip);
    assert_int_equal(config->raw.cdc_max_batch_interval_ms, 500);
    assert_int_equal(config->raw.cdc_min_file_size_kb, 1024);
    assert_int_equal(config->raw.max_file_size_kb, 64);
    assert_null(config->schedule.load);
    assert_string_equal(config->schedule.maintain, "cron(0 3 * * ? *)");
    assert_string_equal(config->lake.database, "d");
    config_free(config);
}

static void test_tables(void **state) {
    (void)state;
    struct config *config = parse(MINIMAL "tables:\n"
                                          "- {name: shop.a, primary_key: [id, nr], active: true}\n"
                                          "- {schema: shop, table: b.c, primary_key: [], partition_key: null}\n"
                                          "- name: shop.d\n"
                                          "  primary_key: x, y\n"
                                          "  partition_key: month(at), truncate(10, id) ,x\n"
                                          "  columns: {price: \"decimal(10,2)\", id: BIGINT}\n");
    assert_int_equal(config->table_count, 3);
    const struct config_table *a = config_find_table(config, "shop", "a");
    const struct config_table *b = config_find_table(config, "shop", "b.c");
    const struct config_table *d = config_find_table(config, "shop", "d");
    assert_non_null(a);
    assert_int_equal(a->primary_key_count, 2);
    assert_string_equal(a->primary_key[0], "id");
    assert_string_equal(a->primary_key[1], "nr");
    assert_true(a->active && a->has_active && a->has_primary_key);
    assert_false(a->has_partition_key);
    assert_non_null(b);
    assert_true(b->has_primary_key && b->has_partition_key);
    assert_false(b->has_active);
    assert_int_equal(b->primary_key_count, 0);
    assert_int_equal(b->partition_key_count, 0);
    assert_non_null(d);
    assert_int_equal(d->primary_key_count, 2);
    assert_string_equal(d->primary_key[1], "y");
    assert_int_equal(d->partition_key_count, 3);
    assert_string_equal(d->partition_key[1], "truncate(10, id)");
    assert_string_equal(d->partition_key[2], "x");
    assert_int_equal(d->column_count, 2);
    assert_string_equal(d->columns[0].name, "price");
    assert_string_equal(d->columns[0].type, "decimal(10,2)");
    assert_null(config_find_table(config, "shop", "e"));
    config_free(config);
}

#define MERGE_NEEDS_ICEBERG                                                                                            \
    "write_mode: merge-on-read needs lake.format: iceberg; loads of parquet tables write the files that they touch "   \
    "anew (copy-on-write)"

/* What a mistake says; `text` follows the five lines of MINIMAL unless it has its own. */
static const struct mistake {
    const char *text;
    const char *message;
} mistakes[] = {
    {MINIMAL "sorce: {}\n", "sluice.yaml:6: unknown key \"sorce\"; did you mean \"source\"?"},
    {MINIMAL "qqqqqqq: 1\n",
     "sluice.yaml:6: unknown key \"qqqqqqq\"; known are: task, state, catalog, memory_limit, threads, "
     "temp_folder, source, raw, lake, load, schedule, maintain, tables"},
    {MINIMAL "server_id: 3\n", "sluice.yaml:6: unknown key \"server_id\"; it belongs into source"},
    {MINIMAL "schedule:\n  lod: every 1m\n", "sluice.yaml:7: unknown key \"lod\" in schedule; did you mean \"load\"?"},
    {MINIMAL "schedule:\n  state: x\n",
     "sluice.yaml:7: unknown key \"state\" in schedule; it belongs to the top of the file"},
    {MINIMAL "task: u\n", "sluice.yaml:6: key \"task\" is there already, in line 1"},
    {MINIMAL "threads: many\n", "sluice.yaml:6: threads must be a whole number from 0 to 1024, not \"many\""},
    {MINIMAL "threads: -1\n", "sluice.yaml:6: threads must be a whole number from 0 to 1024, not \"-1\""},
    {MINIMAL "threads: [1]\n", "sluice.yaml:6: threads must be a whole number from 0 to 1024"},
    {MINIMAL "memory_limit: 1MB\n",
     "sluice.yaml:6: memory_limit must be a size from 64MB to 1024TB, such as 512MB, 1GB; a "
     "plain number is bytes, not \"1MB\""},
    {MINIMAL "catalog: ${SLUICE_TEST_NOT_SET}\n", "sluice.yaml:6: the environment variable SLUICE_TEST_NOT_SET is not "
                                                  "set; set it, or write the value of catalog in its "
                                                  "place"},
    {MINIMAL "catalog: ${\n", "sluice.yaml:6: catalog has a ${ without a name and a }; write $${ for the text ${"},
    {MINIMAL "schedule: {load: every 5 parsecs}\n",
     "sluice.yaml:6: schedule.load: \"every 5 parsecs\": the interval must be from 1s to 31d, such as 30s, 5m, 2h"},
    {MINIMAL "schedule: 5\n", "sluice.yaml:6: schedule must be a map: lines of \"key: value\""},
    {MINIMAL "tables: {}\n", "sluice.yaml:6: tables must be a list: lines of \"- name: schema.table\""},
    {MINIMAL "tables: [{active: true}]\n",
     "sluice.yaml:6: an entry of tables needs a name, such as name: sampledb.product"},
    {MINIMAL "tables:\n- name: product\n",
     "sluice.yaml:7: \"product\" must be schema.table; write schema: and table: where a name has a dot of its own"},
    {MINIMAL "tables:\n- name: a.b.c\n",
     "sluice.yaml:7: \"a.b.c\" must be schema.table; write schema: and table: where a name has a dot of its own"},
    {MINIMAL "tables:\n- name: a.b\n  table: b\n",
     "sluice.yaml:7: an entry of tables has either name or schema and table"},
    {MINIMAL "tables:\n- name: a.b\n- {schema: a, table: b}\n", "sluice.yaml:8: table a.b is listed twice"},
    {MINIMAL "tables:\n- name: a.b\n  columns:\n    price: monney\n",
     "sluice.yaml:9: column \"price\": \"monney\" is no type; such as bigint, decimal(10,2), timestamp, varchar"},
    {MINIMAL "tables:\n- name: a.b\n  primary_key: [id, id]\n", "sluice.yaml:8: tables.primary_key names \"id\" twice"},
    {MINIMAL "tables:\n- name: a.b\n  active: maybe\n",
     "sluice.yaml:8: tables.active must be true or false, not \"maybe\""},
    {MINIMAL "catalog: &x a\n", "sluice.yaml:6: anchors (&x) are not supported; write the value out"},
    {MINIMAL "catalog: *x\n", "sluice.yaml:6: aliases (*x) are not supported; write the value out"},
    {MINIMAL "---\ntask: b\n", "sluice.yaml:6: a second document begins here; there must be one"},
    {"", "sluice.yaml: task is missing; such as task: shop"},
    {"- a\n", "sluice.yaml:1: this must be a map: lines of \"key: value\""},
    {"task: a\nstate: s\n", "sluice.yaml: source.engine is missing; such as engine: mysql"},
    {"task: a\nstate: s\nsource:\n  host: h\n", "sluice.yaml:4: source.engine is missing; such as engine: mysql"},
    {"task: a b\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b}\n",
     "sluice.yaml:1: task must be letters, digits, - and _, not \"a b\""},
    {"task: a\nstate: s\nsource: {engine: mysql, password: [x]}\nraw: {location: a}\nlake: {location: b}\n",
     "sluice.yaml:3: source.password must be text"},
    {"task: a\nstate: s\nsource: {engine: mysql, tls_ca: x}\nraw: {location: a}\nlake: {location: b}\n",
     "sluice.yaml:3: tls_ca, tls_cert and tls_key need tls: true in source"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_delimiter: ;;\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_delimiter must be one character, not \";;\""},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"a,b\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot hold the csv_delimiter, a quote or a line end"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"I\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot be \"I\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"U\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot be \"U\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_no_sup_value: \"D\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_no_sup_value cannot be \"D\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"0\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot be \"0\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"2026-01-01\"\nlake: "
     "{location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot be \"2026-01-01\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: \"00ff\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot be \"00ff\": an operation or a value is written so"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: a\"b\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_null_value cannot hold the csv_delimiter, a quote or a line end"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_null_value: UNCHANGED\nlake: {location: "
     "b}\n",
     "sluice.yaml:6: raw.csv_null_value and raw.csv_no_sup_value must differ"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_no_sup_value: '\"'\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_no_sup_value cannot hold the csv_delimiter, a quote or a line end"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  csv_delimiter: \"\\n\"\nlake: {location: b}\n",
     "sluice.yaml:6: raw.csv_delimiter cannot be a quote, a line end or a letter beyond ASCII"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  data_format: orc\nlake: {location: b}\n",
     "sluice.yaml:6: raw.data_format must be one of csv, parquet, not \"orc\""},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a, cdc_inserts_only: true, cdc_inserts_and_updates: "
     "true}\n"
     "lake: {location: b}\n",
     "sluice.yaml:4: raw.cdc_inserts_only and raw.cdc_inserts_and_updates exclude each other"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw:\n  location: a\n  timestamp_column_name: OP\nlake: {location: "
     "b}\n",
     "sluice.yaml:6: raw.timestamp_column_name cannot be \"OP\": sluice uses this name itself"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b}\nschedule: {load: 0 0 30 2 "
     "*}\n",
     "sluice.yaml:6: schedule.load: \"0 0 30 2 *\": never comes: no year from 1970 to 2199 has such a day"},
    {MINIMAL "load: {quarantine: 'file:///lake/aside'}\n",
     "sluice.yaml:6: load.quarantine cannot lie in raw.location or lake.location, nor hold them: their readers take "
     "every folder for a schema or a table"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: 'file:///a/'}\nlake: {location: 'file:///a/lake'}\n",
     "sluice.yaml:5: lake.location and raw.location cannot lie in one another: a reader of the raw zone takes every "
     "folder for a "
     "schema"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b, table_name: x}\n",
     "sluice.yaml:5: lake.table_name must hold {table}, or all tables would be one: \"x\""},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b, table_name: '{table}{x}'}\n",
     "sluice.yaml:5: lake.table_name knows {schema} and {table}, not \"{x}\""},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake:\n  location: b\n  format: parquet\n"
     "  write_mode: merge-on-read\n",
     "sluice.yaml:8: " MERGE_NEEDS_ICEBERG},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b, format: parquet}\ntables:\n"
     "  - name: a.b\n  - name: a.c\n    write_mode: merge-on-read\n",
     "sluice.yaml:9: " MERGE_NEEDS_ICEBERG},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake:\n  location: b\n  format: parquet\n"
     "  format_version: 3\n",
     "sluice.yaml:8: format_version is Iceberg's: set lake.format to iceberg, or leave it out"},
    {"task: a\nstate: s\nsource: {engine: dms}\nraw: {location: a}\nlake: {location: b, format: parquet}\ntables:\n"
     "  - name: a.b\n  - name: a.c\n    format_version: 3\n",
     "sluice.yaml:9: format_version is Iceberg's: set lake.format to iceberg, or leave it out"},
};

/* Options of a table, and what holds for the tables that say nothing. */
static void test_policies(void **state) {
    (void)state;
    struct config *config = parse(
        "task: a\nstate: sqlite:///lake/s.db\nsource: {engine: dms}\nraw: {location: file:///raw}\nlake: "
        "{location: file:///lake, format: iceberg, write_mode: copy-on-write}\nload: {bad_rows: quarantine}\n"
        "tables: [{name: a.stops, bad_rows: stop, write_mode: merge-on-read, format_version: 3}, {name: a.silent}]\n");
    assert_int_equal(config_format_version(config, config_find_table(config, "a", "stops")), 3);
    assert_int_equal(config_format_version(config, config_find_table(config, "a", "silent")), 2);
    assert_null(config->load.quarantine); /* beside the state is in the lake */
    assert_int_equal(config_bad_rows(config, config_find_table(config, "a", "stops")), BAD_ROWS_STOP);
    assert_int_equal(config_bad_rows(config, config_find_table(config, "a", "silent")), BAD_ROWS_QUARANTINE);
    assert_int_equal(config_bad_rows(config, NULL), BAD_ROWS_QUARANTINE);
    assert_int_equal(config_schema_change(config, NULL), SCHEMA_EVOLVE);
    assert_int_equal(config_write_mode(config, config_find_table(config, "a", "stops")), WRITE_MERGE_ON_READ);
    assert_int_equal(config_write_mode(config, config_find_table(config, "a", "silent")), WRITE_COPY_ON_WRITE);
    config_free(config);
}

static void test_mistakes(void **state) {
    (void)state;
    unsetenv("SLUICE_TEST_NOT_SET");
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct config *config = NULL;
        struct error err = {0};
        if (config_parse(mistakes[i].text, strlen(mistakes[i].text), "sluice.yaml", &config, &err))
            fail_msg("accepted: %s", mistakes[i].text);
        assert_string_equal(err.message, mistakes[i].message);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_null(config);
    }
}

static void test_broken_yaml(void **state) {
    (void)state;
    static const char *const texts[] = {"a: [1\n",       "a: b: c\n",    "\ta: 1\n", "a: \"x\n",
                                        "a\n: :\n- b\n", "\xff\xfe\x00", "%YAML 9\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct config *config;
        struct error err = {0};
        assert_false(config_parse(texts[i], strlen(texts[i]), "sluice.yaml", &config, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_memory_equal(err.message, "sluice.yaml:", 12);
    }
}

static void test_nesting_has_a_limit(void **state) {
    (void)state;
    char text[2000];
    memset(text, '[', sizeof text);
    struct config *config;
    struct error err = {0};
    assert_false(config_parse(text, sizeof text, "sluice.yaml", &config, &err));
    assert_string_equal(err.message, "sluice.yaml:1: nested more than 16 levels deep");
}

static void test_missing_file(void **state) {
    (void)state;
    struct config *config;
    struct error err = {0};
    assert_false(config_load("/nowhere/sluice.yaml", &config, &err));
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_string_equal(err.message,
                        "/nowhere/sluice.yaml: there is no such file; `sluice init` writes one, `sluice -c FILE` "
                        "names another");
}

/* JSON as the conformance runner writes it. */
static void test_json(void **state) {
    (void)state;
    struct config *config =
        parse("{\n \"task\": \"conformance\",\n \"source\": {\"engine\": \"dms\", \"schema_filter\": \"%\", "
              "\"table_filter\": \"%\"},\n"
              " \"raw\": {\"location\": \"file:///w/raw\"},\n"
              " \"lake\": {\"location\": \"file:///w/lake\", \"database\": \"lake\", \"table_name\": "
              "\"{schema}_{table}\", \"format\": "
              "\"iceberg\"},\n"
              " \"state\": \"sqlite:///w/state.db\", \"catalog\": \"sqlite:///w/catalog.db\",\n"
              " \"tables\": [{\"name\": \"shop.product\", \"primary_key\": [\"id\"], \"partition_key\": [], "
              "\"active\": true,\n"
              "   \"columns\": {\"id\": \"bigint\", \"name\": \"varchar\", \"a \\u00e9\": \"decimal(10,2)\"}}]}\n");
    assert_string_equal(config->lake.format, "iceberg");
    assert_string_equal(config->tables[0].columns[2].name, "a \xc3\xa9");
    assert_true(config->tables[0].has_partition_key);
    config_free(config);
}

static void test_table_folder(void **state) {
    (void)state;
    static const struct {
        const char *table_name, *schema, *table, *folder;
    } cases[] = {
        {"{table}", "s", "t", "t/"},
        {"{schema}_{table}", "s", "t", "s_t/"},
        {"{schema}/{table}/", "s", "t", "s/t/"},
        {"x-{table}", "s", "a/b%c=d", "x-a%2Fb%25c%3Dd/"},
        {"{table}", "s", "..", "%2E./"},
        {"{table}", "s", "\xc3\xbc ber", "\xc3\xbc ber/"},
        {"{table}", "s", "{schema}", "%7Bschema%7D/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config = {.lake.table_name = cases[i].table_name};
        struct arena arena;
        arena_init(&arena);
        assert_string_equal(config_table_folder(&config, &arena, cases[i].schema, cases[i].table), cases[i].folder);
        arena_deinit(&arena);
    }
}

static void test_quantities(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } durations[] = {
        {"60", 60000000},
        {"60s", 60000000},
        {"1m", 60000000},
        {"500ms", 500000},
        {"1.5s", 1500000},
        {"2 hours", 7200000000},
        {"0", 0},
        {"1d", 86400000000},
        {"0.000001s", 1},
        {"1us", 1},
        {"0.1us", -1},
        {"", -1},
        {"s", -1},
        {"-1s", -1},
        {"1 x", -1},
        {"1.s", -1},
        {"99999999999999999999", -1},
        {"1e3", -1},
    };
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        int64_t us = -1;
        assert_int_equal(quantity_parse_duration(durations[i].text, &us), durations[i].us >= 0);
        assert_int_equal(us, durations[i].us);
    }
    static const struct {
        const char *text;
        int64_t plain_unit, bytes;
    } sizes[] = {
        {"512MB", 1, 512 << 20},
        {"32 MB", 1, 32 << 20},
        {"1GiB", 1, 1 << 30},
        {"100kb", 1, 102400},
        {"7", 1, 7},
        {"7", 1024, 7168},
        {"1.5K", 1, 1536},
        {"0.3K", 1, -1},
        {"10B", 1024, 10},
        {"1 PB", 1, -1},
        {"2TB", 1, INT64_C(2) << 40},
        {"9999999TB", 1, -1},
        {"", 1, -1},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t bytes = -1;
        assert_int_equal(quantity_parse_size(sizes[i].text, sizes[i].plain_unit, &bytes), sizes[i].bytes >= 0);
        assert_int_equal(bytes, sizes[i].bytes);
    }
}

/* --- the documents ------------------------------------------------------------------------------------------------- */

/* Takes the # off every option that the template shows as a comment. */
static void uncomment(struct buf *out, const char *text) {
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n') + 1;
        const char *p = line + strspn(line, " ");
        bool commented = *p == '#' && (p[1] != ' ' || p[2] == ' ');
        if (commented) {
            buf_append(out, line, (size_t)(p - line));
            buf_append(out, p + 1, (size_t)(end - p - 1));
        } else {
            buf_append(out, line, (size_t)(end - line));
        }
        line = end;
    }
}

static void test_template(void **state) {
    (void)state;
    setenv("SHOP_PASSWORD", "x", 1);
    struct buf text, all;
    buf_init(&text, BUF_MAX_DEFAULT);
    buf_init(&all, BUF_MAX_DEFAULT);
    config_write_template(&text);
    struct config *config = parse(text.data);
    assert_string_equal(config->source.password, "x");
    assert_int_equal(config->table_count, 0);
    config_free(config);

    uncomment(&all, text.data);
    struct config *full = NULL;
    struct error err = {0};
    /* With every option set, tls files without tls are the one thing that is wrong. */
    assert_false(config_parse(all.data, all.len, "sluice.yaml", &full, &err));
    assert_non_null(strstr(err.message, "need tls: true"));
    char *tls = strstr(all.data, "  tls: false");
    assert_non_null(tls);
    memcpy(tls, "  tls: true ", 12);
    full = parse(all.data);
    assert_int_equal(full->table_count, 1);
    assert_string_equal(full->tables[0].table, "product");
    assert_int_equal(full->tables[0].column_count, 1);
    assert_string_equal(full->raw.csv_row_delimiter, "\n");
    config_free(full);

    for (size_t i = 0; i < SECTION_COUNT; i++)
        for (size_t j = 0; j < option_sections[i].count; j++) {
            char key[64];
            snprintf(key, sizeof key, "%s: ", option_sections[i].options[j].name);
            if (i != SECTION_TABLES && strstr(text.data, key) == NULL)
                fail_msg("the template has no %s", key);
        }
    buf_deinit(&text);
    buf_deinit(&all);
}

static void test_reference_is_up_to_date(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    config_write_reference(&text);
    static char file[1 << 17];
    FILE *in = fopen("docs/configuration.md", "r");
    assert_non_null(in);
    size_t len = fread(file, 1, sizeof file - 1, in);
    fclose(in);
    file[len] = '\0';
    if (strcmp(file, text.data) != 0)
        fail_msg("docs/configuration.md is not what `sluice help config` prints: write it anew");
    buf_deinit(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimal),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_broken_yaml),
        cmocka_unit_test(test_nesting_has_a_limit),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_table_folder),
        cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
