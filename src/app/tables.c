/* `sluice tables list` and `sluice tables set`: the controller's rows. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app/command.h"
#include "app/ledger.h"
#include "app/text_table.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/suggest.h"
#include "lake/partition.h"
#include "raw/layout.h"

/* --- list ------------------------------------------------------------------------------------------------------------- */

static const char *const list_formats[] = {"table", "json", NULL};

static const char *waiting_text(struct arena *arena, const struct ledger *ledger, const struct controller_row *row) {
    const char *what = ledger_waiting_for(row, ledger_find_capture(ledger, row->schema, row->table));
    return what != NULL ? arena_printf(arena, "waits for %s", what) : NULL;
}

/* What a person has to know first: why it stands still, or what failed. */
static const char *state_text(struct arena *arena, const struct ledger *ledger, const struct controller_row *row) {
    const char *waiting = waiting_text(arena, ledger, row);
    if (waiting != NULL)
        return waiting;
    if (row->last_error != NULL)
        return arena_printf(arena, "failed: %s", row->last_error);
    return row->last_load_time != NULL ? "loaded" : "due";
}

static const char *date_text(const struct controller_row *row) {
    return strcmp(row->last_full_load_date, CONTROLLER_DATE_NEVER) == 0 ? "never" : row->last_full_load_date;
}

static void add_list_row(struct text_table *table, struct ledger *ledger, const struct controller_row *row) {
    const char *file = controller_last_file_name(row);
    text_table_add_text(table, row->path);
    text_table_add_text(table, row->active ? "true" : "false");
    text_table_add_text(table, row->primary_key != NULL ? row->primary_key : "null");
    text_table_add_text(table, row->partition_key != NULL ? row->partition_key : "null");
    text_table_add_text(table, row->proposed_key != NULL ? row->proposed_key : "-");
    text_table_add_text(table, date_text(row));
    text_table_add_text(table, file[0] != '\0' ? file : "0");
    text_table_add_text(table, state_text(&ledger->arena, ledger, row));
}

static void print_list(struct ledger *ledger) {
    static const char *const names[] = {"path",         "active",         "primary key",           "partition key",
                                        "proposed key", "last full load", "last incremental file", "state"};
    enum { COLUMNS = sizeof names / sizeof names[0] };
    if (ledger->row_count == 0) {
        printf("no tables yet: a row appears when a table's folder appears in %s\n", ledger->raw->location);
        return;
    }
    struct text_table *table = text_table_new(COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++)
        text_table_set_column(table, i, names[i], false);
    for (size_t i = 0; i < ledger->row_count; i++)
        add_list_row(table, ledger, &ledger->rows[i]);
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    text_table_print(table, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&text);
    text_table_free(table);
}

/* A row as the controller table has it: the blog's attributes by their names, ours behind them. */
static json_t *row_to_json(struct ledger *ledger, const struct controller_row *row) {
    json_t *json =
        json_pack("{ss ss ss ss ss ss? ss? ss ss ss? ss ss ss? ss? ss? ss? sI}", "path", row->path, "bucket",
                  row->bucket, "prefix", row->prefix, "folder", row->folder, "ActiveFlag",
                  row->active ? "true" : "false", "PrimaryKey", row->primary_key, "PartitionKey", row->partition_key,
                  "LastFullLoadDate", row->last_full_load_date, "LastIncrementalFile", row->last_incremental_file,
                  "out_path", row->out_path, "schema", row->schema, "table", row->table, "proposed_key",
                  row->proposed_key, "waiting", waiting_text(&ledger->arena, ledger, row), "last_error",
                  row->last_error, "last_load_time", row->last_load_time, "rows_loaded", (json_int_t)row->rows_loaded);
    assert(json != NULL);
    return json;
}

static void print_list_json(struct ledger *ledger) {
    json_t *list = json_array();
    for (size_t i = 0; i < ledger->row_count; i++)
        json_array_append_new(list, row_to_json(ledger, &ledger->rows[i]));
    json_dumpf(list, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(list);
}

static bool run_list(struct command_call *call, struct error *err) {
    struct ledger ledger;
    size_t format;
    if (!command_choice(call, "format", list_formats, 0, &format, err))
        return false;
    bool ok = ledger_open(call->config, true, &ledger, err);
    if (ok && format == 0)
        print_list(&ledger);
    else if (ok)
        print_list_json(&ledger);
    ledger_close(&ledger);
    return ok;
}

static const struct command_flag list_flags[] = {
    {.name = "format", .value = "table|json", .help = "A table for people (the default), or JSON"},
    {.name = NULL},
};

const struct command command_tables_list = {
    .name = "tables list",
    .summary = "shows the controller's rows: what is loaded, by which key, up to where",
    .help =
        "One row for each table of the raw zone: whether it is active, its keys, what is loaded, and why it stands "
        "still if "
        "it does. A table that is seen for the first time gets its row, inactive; proposed key is the source's own.",
    .flags = list_flags,
    .needs_config = true,
    .run = run_list,
};

/* --- set -------------------------------------------------------------------------------------------------------------- */

enum { SET_ATTEMPTS = 10 };

static const char *const booleans[] = {"false", "true", NULL};

/* The columns that capture saw last; *columns NULL when it did not capture the table. */
static bool read_columns(struct ledger *ledger, const char *task, const struct controller_row *row,
                         const struct table **table, struct error *err) {
    struct checkpoint_schema *schemas;
    size_t count;
    *table = NULL;
    if (!checkpoint_list_schemas(ledger->state, &ledger->arena, task, row->schema, row->table, &schemas, &count, err))
        return false;
    if (count > 0)
        *table = schemas[count - 1].table;
    return true;
}

static bool check_column(const struct table *table, const char *flag, const char *name, struct error *err) {
    if (table == NULL || table_find_column(table, name) >= 0)
        return true;
    const char **known = mem_alloc(table->column_count * sizeof *known);
    for (size_t i = 0; i < table->column_count; i++)
        known[i] = table->columns[i].name;
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    suggest_append(&hint, name, known, table->column_count);
    error_set(err, ERROR_CONFIG, "--%s: table %s.%s has no column \"%s\"%s", flag, table->schema, table->name, name,
              hint.data);
    buf_deinit(&hint);
    mem_free(known);
    return false;
}

static bool has_name(const char *names, const char *wanted, struct arena *arena) {
    for (const char *at = names; at != NULL && at[0] != '\0';)
        if (strcasecmp(lake_partition_next(arena, &at), wanted) == 0)
            return true;
    return false;
}

/* "a, b" becomes "a,b". A partition key may be a transform of a column. */
static bool join_names(struct arena *arena, struct buf *key, const char *names, const struct table *table,
                       const char *flag, struct error *err) {
    bool is_partition = strcmp(flag, "partition-key") == 0;
    for (const char *at = names; at != NULL;) {
        struct iceberg_transform transform;
        const char *name = lake_partition_next(arena, &at);
        if (name[0] == '\0')
            return error_set(err, ERROR_CONFIG, "--%s has an empty name; it is a,b or null", flag);
        if (key->len > 0 && has_name(key->data, name, arena))
            return error_set(err, ERROR_CONFIG, "--%s names \"%s\" twice", flag, name);
        if (!check_column(table, flag, is_partition ? lake_partition_parse(arena, name, &transform) : name, err))
            return false;
        buf_printf(key, "%s%s", key->len > 0 ? "," : "", name);
    }
    return true;
}

/* "null" and "" become NULL. */
static bool parse_key(struct arena *arena, const struct table *table, const char *flag, const char *value,
                      const char **out, struct error *err) {
    *out = NULL;
    if (value[0] == '\0' || strcmp(value, "null") == 0)
        return true;
    struct buf key;
    buf_init(&key, BUF_MAX_DEFAULT);
    bool ok = join_names(arena, &key, value, table, flag, err);
    if (ok)
        *out = arena_strdup(arena, key.data);
    buf_deinit(&key);
    return ok;
}

static bool parse_date(struct arena *arena, const char *value, const char **out, struct error *err) {
    int64_t time_us;
    char text[CLOCK_TEXT_BYTES];
    if (!clock_parse_sql(value, &time_us))
        return error_set(err, ERROR_CONFIG,
                         "--last-full-load-date: \"%s\" is no time; such as \"2026-11-01 10:15:00\", UTC", value);
    clock_format_sql(time_us, false, text);
    *out = arena_strdup(arena, text);
    return true;
}

/* "20261101-101500123.csv", "0", "null" for it too, or either behind the row's path; stored with the path. */
static bool parse_file(struct arena *arena, const struct controller_row *row, const char *value, const char **out,
                       struct error *err) {
    size_t path_len = strlen(row->path);
    const char *name = strncmp(value, row->path, path_len) == 0 ? value + path_len : value;
    if (name[0] == '\0' || strcmp(name, "null") == 0)
        name = "0";
    if (strcmp(name, "0") != 0 && !raw_is_change_name(name))
        return error_set(
            err, ERROR_CONFIG,
            "--last-incremental-file: \"%s\" is the name of no change file; such as 20261101-101500123.csv, or 0",
            value);
    *out = arena_printf(arena, "%s%s", row->path, name);
    return true;
}

/* Takes what was typed into the row; what was not typed stays. */
static bool apply_flags(const struct command_call *call, struct ledger *ledger, struct controller_row *row,
                        struct error *err) {
    const struct table *table;
    if (!read_columns(ledger, call->config->task, row, &table, err))
        return false;
    const char *primary = command_value(call, "primary-key"), *partition = command_value(call, "partition-key");
    const char *date = command_value(call, "last-full-load-date"), *file = command_value(call, "last-incremental-file");
    size_t active;
    if (!command_choice(call, "active", booleans, row->active, &active, err))
        return false;
    /* Activating confirms the source's own key; "null" has to be said. */
    if (active == 1 && !row->active && row->primary_key == NULL)
        row->primary_key = row->proposed_key;
    row->active = active == 1;
    struct arena *arena = &ledger->arena;
    return (primary == NULL || parse_key(arena, table, "primary-key", primary, &row->primary_key, err)) &&
           (partition == NULL || parse_key(arena, table, "partition-key", partition, &row->partition_key, err)) &&
           (date == NULL || parse_date(arena, date, &row->last_full_load_date, err)) &&
           (file == NULL || parse_file(arena, row, file, &row->last_incremental_file, err));
}

/* Two tables in one folder would replace each other. */
static bool check_folder(const struct command_call *call, struct ledger *ledger, const struct controller_row *row,
                         struct error *err) {
    const struct controller_row *twin = row->active ? ledger_find_twin(ledger, call->config, row) : NULL;
    if (twin == NULL)
        return true;
    return error_set(
        err, ERROR_CONFIG,
        "%s.%s and %s.%s would both be the lake table \"%s\": write table_name: \"{schema}_{table}\" in the lake of "
        "%s, or load one of them only",
        row->schema, row->table, twin->schema, twin->table,
        config_table_folder(call->config, &ledger->arena, row->schema, row->table), call->config->path);
}

static bool error_no_table(struct ledger *ledger, const char *schema, const char *table, struct error *err) {
    const char *name = arena_printf(&ledger->arena, "%s.%s", schema, table);
    if (ledger->row_count == 0)
        return error_set(err, ERROR_CONFIG, "there is no table %s: %s holds no tables yet", name,
                         ledger->raw->location);
    const char **known = arena_alloc(&ledger->arena, ledger->row_count * sizeof *known);
    for (size_t i = 0; i < ledger->row_count; i++)
        known[i] = arena_printf(&ledger->arena, "%s.%s", ledger->rows[i].schema, ledger->rows[i].table);
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    suggest_append(&hint, name, known, ledger->row_count);
    error_set(err, ERROR_CONFIG, "there is no table %s%s", name, hint.data);
    buf_deinit(&hint);
    return false;
}

/* The newest file of changes that a load could take; NULL: none. */
static bool find_newest_file(struct ledger *ledger, const struct controller_row *row, const char **out,
                             struct error *err) {
    const struct checkpoint_table *capture = ledger_find_capture(ledger, row->schema, row->table);
    struct raw_files files;
    *out = capture != NULL ? capture->committed : NULL;
    if (capture != NULL)
        return true;
    if (!raw_list_files(ledger->raw, &ledger->arena, row->schema, row->table, &files, err))
        return false;
    if (files.change_count > 0)
        *out = files.changes[files.change_count - 1].base_name;
    return true;
}

/* Files up to the watermark are never loaded, also those that are still to come. */
static bool warn_of_watermark(const struct command_call *call, struct ledger *ledger, const struct controller_row *row,
                              struct error *err) {
    const char *name = controller_last_file_name(row), *newest;
    if (command_value(call, "last-incremental-file") == NULL || strcmp(name, "0") == 0)
        return true;
    if (!find_newest_file(ledger, row, &newest, err))
        return false;
    if (newest == NULL || raw_compare_names(name, newest) > 0)
        log_warning("%s.%s: --last-incremental-file %s is later than the newest file (%s): files up to it that are "
                    "still to come are not loaded",
                    row->schema, row->table, name, newest != NULL ? newest : "there is none");
    return true;
}

/* A key that is named is chosen: it is not the source's any more, though it may be equal to what that was. */
static bool confirm_key(const struct command_call *call, struct ledger *ledger, struct controller_row *row,
                        struct error *err) {
    const struct table *table;
    struct buf names;
    if (command_value(call, "primary-key") == NULL)
        return true;
    if (!read_columns(ledger, call->config->task, row, &table, err))
        return false;
    if (table == NULL)
        return true;
    buf_init(&names, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < table->key_count; i++)
        buf_printf(&names, "%s%s", i > 0 ? "," : "", table->columns[table->key[i]].name);
    row->proposed_key = names.len > 0 ? arena_strdup(&ledger->arena, names.data) : NULL;
    buf_deinit(&names);
    return true;
}

static bool set_row(const struct command_call *call, struct ledger *ledger, struct error *err) {
    const char *schema = command_value(call, "schema"), *table = command_value(call, "table");
    struct controller_row *row = ledger_find_row(ledger, schema, table);
    if (row == NULL)
        return error_no_table(ledger, schema, table, err);
    if (!apply_flags(call, ledger, row, err) || !confirm_key(call, ledger, row, err) ||
        !check_folder(call, ledger, row, err) || !warn_of_watermark(call, ledger, row, err) ||
        !controller_put(ledger->state, row, err))
        return false;
    printf("%s: %s, primary key %s, partition key %s, last full load %s, last incremental file %s\n", row->path,
           row->active ? "active" : "inactive", row->primary_key != NULL ? row->primary_key : "null",
           row->partition_key != NULL ? row->partition_key : "null", date_text(row), controller_last_file_name(row));
    return true;
}

static bool set_once(const struct command_call *call, struct error *err) {
    struct ledger ledger;
    bool ok = ledger_open(call->config, true, &ledger, err) && set_row(call, &ledger, err);
    ledger_close(&ledger);
    return ok;
}

/* A load may write the row at the same time: then again, on top of what it wrote. */
static bool run_set(struct command_call *call, struct error *err) {
    size_t given = 0;
    for (const struct command_flag *flag = call->command->flags; flag->name != NULL; flag++)
        given += !flag->required && command_value(call, flag->name) != NULL;
    if (given == 0)
        return error_set(err, ERROR_CONFIG, "tables set: nothing to set; `sluice help tables set` lists what there is");
    for (int attempt = 1;; attempt++) {
        struct error why = {0};
        if (set_once(call, &why))
            return true;
        if (why.kind != ERROR_CONFLICT || attempt == SET_ATTEMPTS) {
            *err = why;
            return false;
        }
    }
}

static const struct command_flag set_flags[] = {
    {.name = "schema", .value = "NAME", .required = true, .help = "The table's schema, as in the source"},
    {.name = "table", .value = "NAME", .required = true, .help = "The table"},
    {.name = "active", .value = "true|false", .help = "Whether it is loaded"},
    {.name = "primary-key",
     .value = "a,b|null",
     .help =
         "The columns that tell rows apart; null: none, rows are appended. When a table becomes active without it, the "
         "proposed key, if there is one"},
    {.name = "partition-key",
     .value = "a,b|null",
     .help = "The columns that make the lake table's folders; null: none"},
    {.name = "last-full-load-date",
     .value = "TIME",
     .help = "Full loads up to this time (UTC) are taken for loaded; an earlier one, such as 1900-01-01, loads again"},
    {.name = "last-incremental-file",
     .value = "FILE",
     .help = "Change files up to this name are taken for loaded; an earlier one, or 0, applies them again"},
    {.name = NULL},
};

const struct command command_tables_set = {
    .name = "tables set",
    .summary = "changes a row: activates a table, sets its keys, loads again",
    .help = "Changes what is given in the row of one table; the rest stays as it is. The next load does what follows "
            "from it.",
    .flags = set_flags,
    .needs_config = true,
    .run = run_set,
};
