/* What one option says about another, and the defaults that are not written in the option table. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/reading.h"
#include "model/table.h"

/* --- what one option says about another ------------------------------------------------------------------------------- */

/* The line of an option, or of its section when the option has its default. */
static unsigned line_of(const struct yaml_node *map, const char *option) {
    const struct yaml_node *node = yaml_find(map, option);
    return node != NULL ? node->line : map->line;
}

static bool is_word(const char *text) {
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

/* PostgreSQL's rule for the names of replication slots. */
static bool is_slot_name(const char *text) {
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= 63 && text[len] == '\0';
}

static bool check_top(const struct reading *reading, struct error *err) {
    const struct config *config = reading->config;
    if (!is_word(config->task))
        return reading_error(reading, line_of(reading->maps[SECTION_TOP], "task"), err,
                             "task must be letters, digits, - and _, not \"%s\"", config->task);
    return true;
}

static bool check_source(const struct reading *reading, struct error *err) {
    const struct yaml_node *map = reading->maps[SECTION_SOURCE];
    const struct config_source *source = &reading->config->source;
    bool tls_files = source->tls_ca != NULL || source->tls_cert != NULL || source->tls_key != NULL;
    if (tls_files && !source->tls)
        return reading_error(reading, map->line, err, "tls_ca, tls_cert and tls_key need tls: true in source");
    if (source->slot_name != NULL && !is_slot_name(source->slot_name))
        return reading_error(reading, line_of(map, "slot_name"), err,
                             "slot_name in source must be up to 63 lower-case letters, digits and _, not \"%s\"",
                             source->slot_name);
    if ((source->tls_cert == NULL) != (source->tls_key == NULL))
        return reading_error(reading, line_of(map, "tls_cert"), err, "tls_cert and tls_key in source need each other");
    bool filters_schemas = strcmp(source->schema_filter, "%") != 0,
         filters_tables = strcmp(source->table_filter, "%") != 0;
    const char *filter = filters_schemas ? "schema_filter" : "table_filter";
    if (source->table_mappings != NULL && (filters_schemas || filters_tables))
        return reading_error(reading, line_of(map, filter), err,
                             "source.%s and source.table_mappings exclude each other: write it as a selection rule",
                             filter);
    return true;
}

/* Numbers, times and bytes are written bare as well, and so are the operations: a word for NULL must not be one of them. */
static bool is_bare_value(const char *word) {
    static const char *const names[] = {"I", "U", "D", "true", "false"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0)
            return true;
    size_t len = strlen(word);
    bool is_hex = strspn(word, "0123456789abcdef") == len && len % 2 == 0;
    bool is_number = strspn(word, "0123456789+-.:eET ") == len && strpbrk(word, "0123456789") != NULL;
    return len > 0 && (is_hex || is_number);
}

/* A bare word must be one field: with a delimiter or a line end in it, the file could not be read again. */
static bool check_word(const struct reading *reading, const char *option, const char *word, struct error *err) {
    const struct config_raw *raw = &reading->config->raw;
    bool ends = strpbrk(word, "\n\r") != NULL || strstr(word, raw->csv_row_delimiter) != NULL;
    if (is_bare_value(word))
        return reading_error(reading, line_of(reading->maps[SECTION_RAW], option), err,
                             "raw.%s cannot be \"%s\": an operation or a value is written so", option, word);
    if (!ends && strchr(word, raw->csv_delimiter[0]) == NULL && strchr(word, '"') == NULL)
        return true;
    return reading_error(reading, line_of(reading->maps[SECTION_RAW], option), err,
                         "raw.%s cannot hold the csv_delimiter, a quote or a line end", option);
}

/* With quoting, a delimiter must be told from a quote and from the end of a record. */
static bool check_raw(const struct reading *reading, struct error *err) {
    const struct yaml_node *map = reading->maps[SECTION_RAW];
    const struct config_raw *raw = &reading->config->raw;
    char delimiter = raw->csv_delimiter[0];
    if (delimiter == '"' || delimiter == '\n' || delimiter == '\r' || (delimiter & 0x80) != 0)
        return reading_error(reading, line_of(map, "csv_delimiter"), err,
                             "raw.csv_delimiter cannot be a quote, a line end or a letter beyond ASCII");
    if (strpbrk(raw->csv_row_delimiter, "\"") != NULL || strchr(raw->csv_row_delimiter, delimiter) != NULL)
        return reading_error(reading, line_of(map, "csv_row_delimiter"), err,
                             "raw.csv_row_delimiter cannot hold a quote or the csv_delimiter");
    if (!check_word(reading, "csv_null_value", raw->csv_null_value, err) ||
        !check_word(reading, "csv_no_sup_value", raw->csv_no_sup_value, err))
        return false;
    if (strcmp(raw->csv_null_value, raw->csv_no_sup_value) == 0)
        return reading_error(reading, line_of(map, "csv_null_value"), err,
                             "raw.csv_null_value and raw.csv_no_sup_value must differ");
    if (raw->timestamp_column_name != NULL && column_name_is_reserved(raw->timestamp_column_name))
        return reading_error(reading, line_of(map, "timestamp_column_name"), err,
                             "raw.timestamp_column_name cannot be \"%s\": sluice uses this name itself",
                             raw->timestamp_column_name);
    if (raw->cdc_inserts_only && raw->cdc_inserts_and_updates)
        return reading_error(reading, line_of(map, "cdc_inserts_only"), err,
                             "raw.cdc_inserts_only and raw.cdc_inserts_and_updates exclude each other");
    return true;
}

/* True when one location is the other or lies in it. */
static bool locations_overlap(const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    while (a_len > 0 && a[a_len - 1] == '/')
        a_len--;
    while (b_len > 0 && b[b_len - 1] == '/')
        b_len--;
    if (a_len > b_len)
        return locations_overlap(b, a);
    return strncmp(a, b, a_len) == 0 && (a_len == b_len || b[a_len] == '/');
}

/* The line of the first option write_mode: merge-on-read, in `lake` or in an entry of `tables`; 0: there is none. */
static unsigned find_merge_on_read(const struct reading *reading) {
    const struct config *config = reading->config;
    const struct yaml_node *lake = yaml_find(reading->maps[SECTION_LAKE], "write_mode");
    const struct yaml_node *list = reading->maps[SECTION_TABLES];
    if (lake != NULL && config->lake.write_mode == WRITE_MERGE_ON_READ)
        return lake->line;
    const struct yaml_node *entry = list != NULL ? list->first : NULL;
    for (size_t i = 0; i < config->table_count; i++, entry = entry->next) {
        assert(entry != NULL);
        if (config->tables[i].has_write_mode && config->tables[i].write_mode == WRITE_MERGE_ON_READ)
            return line_of(entry, "write_mode");
    }
    return 0;
}

/* Who writes it down expects loads that cost what their changes cost. */
static bool check_write_mode(const struct reading *reading, struct error *err) {
    unsigned line = strcmp(reading->config->lake.format, "parquet") == 0 ? find_merge_on_read(reading) : 0;
    return line == 0 || reading_error(reading, line, err,
                                      "write_mode: merge-on-read needs lake.format: iceberg; loads of parquet tables "
                                      "write the files that they touch anew (copy-on-write)");
}

/* The line of format_version: 3, likewise. */
static unsigned find_third_version(const struct reading *reading) {
    const struct config *config = reading->config;
    const struct yaml_node *list = reading->maps[SECTION_TABLES];
    if (config->lake.format_version > 2)
        return line_of(reading->maps[SECTION_LAKE], "format_version");
    const struct yaml_node *entry = list != NULL ? list->first : NULL;
    for (size_t i = 0; i < config->table_count; i++, entry = entry->next) {
        assert(entry != NULL);
        if (config->tables[i].format_version > 2)
            return line_of(entry, "format_version");
    }
    return 0;
}

static bool check_format_version(const struct reading *reading, struct error *err) {
    unsigned line = strcmp(reading->config->lake.format, "parquet") == 0 ? find_third_version(reading) : 0;
    return line == 0 || reading_error(reading, line, err,
                                      "format_version is Iceberg's: set lake.format to iceberg, or leave it out");
}

static bool check_lake(const struct reading *reading, struct error *err) {
    const struct yaml_node *map = reading->maps[SECTION_LAKE];
    const struct config *config = reading->config;
    const char *name = config->lake.table_name;
    if (locations_overlap(config->raw.location, config->lake.location))
        return reading_error(
            reading, line_of(map, "location"), err,
            "lake.location and raw.location cannot lie in one another: a reader of the raw zone takes every "
            "folder for a schema");
    if (strstr(name, "{table}") == NULL)
        return reading_error(reading, line_of(map, "table_name"), err,
                             "lake.table_name must hold {table}, or all tables would be one: \"%s\"", name);
    for (const char *p = strchr(name, '{'); p != NULL; p = strchr(p + 1, '{'))
        if (strncmp(p, "{table}", 7) != 0 && strncmp(p, "{schema}", 8) != 0)
            return reading_error(reading, line_of(map, "table_name"), err,
                                 "lake.table_name knows {schema} and {table}, not \"%.80s\"", p);
    if (name[0] == '/' || strstr(name, "..") != NULL)
        return reading_error(reading, line_of(map, "table_name"), err, "lake.table_name must stay in the lake: \"%s\"",
                             name);
    return true;
}

/* Where rows are put aside nobody else lists folders. */
static bool check_load(const struct reading *reading, struct error *err) {
    const struct yaml_node *map = reading->maps[SECTION_LOAD];
    const struct config *config = reading->config;
    const char *quarantine = config->load.quarantine;
    if (quarantine == NULL)
        return true;
    if (locations_overlap(quarantine, config->raw.location) || locations_overlap(quarantine, config->lake.location))
        return reading_error(
            reading, line_of(map, "quarantine"), err,
            "load.quarantine cannot lie in raw.location or lake.location, nor hold them: their readers "
            "take every folder for a schema or a table");
    return true;
}

/* A name as a pattern that matches it alone. */
static const char *pattern_of(struct arena *arena, const char *name) {
    struct buf pattern;
    buf_init(&pattern, BUF_MAX_DEFAULT);
    for (const char *p = name; *p != '\0'; p++)
        buf_printf(&pattern, strchr("%_[", *p) != NULL ? "[%c]" : "%c", *p);
    const char *out = arena_strndup(arena, pattern.data, pattern.len);
    buf_deinit(&pattern);
    return out;
}

/* The memory that this process may have: the machine's, or the control group's when that is less. */
static uint64_t available_memory_bytes(void) {
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re"); /* "max" without a limit, and then it is no number */
    if (file == NULL)
        return bytes;
    if (fscanf(file, "%" SCNu64, &limit) == 1 && limit < bytes)
        bytes = limit;
    fclose(file);
    return bytes;
}

/* "sqlite:///…/catalog.db" beside a state in a file, with that scheme; NULL for others. */
static const char *beside_state(struct arena *arena, const char *state, const char *scheme, const char *name) {
    static const char sqlite[] = "sqlite://";
    const char *slash = strrchr(state, '/');
    size_t prefix = strlen(sqlite);
    if (strncmp(state, sqlite, prefix) != 0 || slash < state + prefix)
        return NULL;
    return arena_printf(arena, "%s%.*s/%s", scheme, (int)(slash - state - (long)prefix), state + prefix, name);
}

/* NULL when that were in the raw zone or in the lake. */
static const char *quarantine_beside(struct config *config) {
    const char *place = beside_state(&config->arena, config->state, "file://", "quarantine");
    bool taken = place != NULL &&
                 (locations_overlap(place, config->raw.location) || locations_overlap(place, config->lake.location));
    return taken ? NULL : place;
}

/* Defaults that come from other options or from the machine. */
void reading_derive(struct config *config) {
    if (config->memory_limit_bytes == 0)
        config->memory_limit_bytes = available_memory_bytes() / 4;
    if (config->memory_limit_bytes < MEMORY_LIMIT_MIN_BYTES)
        config->memory_limit_bytes = MEMORY_LIMIT_MIN_BYTES;
    if (config->temp_folder == NULL) {
        const char *temp = getenv("TMPDIR");
        config->temp_folder = temp != NULL && temp[0] != '\0' ? arena_strdup(&config->arena, temp) : "/tmp";
    }
    if (config->catalog == NULL)
        config->catalog = beside_state(&config->arena, config->state, "sqlite://", "catalog.db");
    if (config->load.quarantine == NULL)
        config->load.quarantine = quarantine_beside(config);
    if (config->lake.database == NULL)
        config->lake.database = config->task;
    if (config->source.database != NULL && config->source.database[0] == '\0')
        config->source.database = NULL;
    bool has_schemas = strcmp(config->source.engine, "postgres") == 0; /* in the database, which is none itself */
    if (config->source.database != NULL && !has_schemas && strcmp(config->source.schema_filter, "%") == 0)
        config->source.schema_filter = pattern_of(&config->arena, config->source.database);
}

bool reading_check(const struct reading *reading, struct error *err) {
    return check_top(reading, err) && check_source(reading, err) && check_raw(reading, err) &&
           check_lake(reading, err) && check_write_mode(reading, err) && check_format_version(reading, err) &&
           check_load(reading, err);
}
