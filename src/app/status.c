/* `sluice status`: where capture and the loads stand. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/ledger.h"
#include "app/text_table.h"
#include "base/clock.h"
#include "task/load.h"

static const char *const formats[] = {"text", "json", NULL};

/* One line of the status: a table that the controller knows, that capture knows, or both. Either is NULL. */
struct line {
    const char *schema, *table;
    const struct controller_row *row;
    const struct checkpoint_table *capture;
};

struct status {
    struct ledger ledger;
    struct line *lines;
    size_t line_count;
};

/* The controller's rows, then what is captured but has no row yet. */
static void collect_lines(struct status *status) {
    struct ledger *ledger = &status->ledger;
    status->lines =
        arena_alloc(&ledger->arena, (ledger->row_count + ledger->capture_count + 1) * sizeof *status->lines);
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct controller_row *row = &ledger->rows[i];
        status->lines[status->line_count++] =
            (struct line){row->schema, row->table, row, ledger_find_capture(ledger, row->schema, row->table)};
    }
    for (size_t i = 0; i < ledger->capture_count; i++) {
        const struct checkpoint_table *capture = &ledger->captures[i];
        if (ledger_find_row(ledger, capture->schema, capture->name) == NULL)
            status->lines[status->line_count++] = (struct line){capture->schema, capture->name, NULL, capture};
    }
}

/* Seconds from the commit of the last captured transaction at the source to the commit of its files; below zero when it is
 * not known. It does not grow while the source is quiet. */
static double lag_seconds(const struct checkpoint_task *task) {
    int64_t source_us, written_us;
    if (task->source_time == NULL || task->updated == NULL || !clock_parse_sql(task->source_time, &source_us) ||
        !clock_parse_sql(task->updated, &written_us))
        return -1;
    return written_us > source_us ? (double)(written_us - source_us) / 1e6 : 0;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------- */

static json_t *json_checked(json_t *json) {
    assert(json != NULL); /* every text comes from the state, which holds valid UTF-8 */
    return json;
}

static json_t *task_to_json(const struct ledger *ledger) {
    const struct checkpoint_task *task = &ledger->task;
    if (!ledger->captured)
        return json_null();
    double lag = lag_seconds(task);
    return json_checked(json_pack("{ss? ss? ss? so ss? sI sI sI ss? sO?}", "state", task->state, "position",
                                  task->position, "source_time", task->source_time, "lag_seconds",
                                  lag >= 0 ? json_real(lag) : json_null(), "updated", task->updated, "commits",
                                  (json_int_t)task->commits, "rows", (json_int_t)task->rows, "bytes",
                                  (json_int_t)task->bytes, "last_error", task->last_error, "warnings", task->warnings));
}

static json_t *capture_to_json(const struct checkpoint_table *capture) {
    if (capture == NULL)
        return json_null();
    return json_checked(
        json_pack("{ss sI sI sI sI sI ss? si ss?}", "full_load", ledger_full_load_name(capture->full_load),
                  "rows_full_load", (json_int_t)capture->rows_full_load, "inserts", (json_int_t)capture->rows_insert,
                  "updates", (json_int_t)capture->rows_update, "deletes", (json_int_t)capture->rows_delete, "bytes",
                  (json_int_t)capture->bytes, "committed_file", capture->committed, "schema_version",
                  (int)capture->version, "stopped", capture->stopped));
}

static json_t *load_to_json(const struct controller_row *row, bool captured) {
    if (row == NULL)
        return json_null();
    return json_checked(json_pack(
        "{ss sb ss? ss? ss? sb ss ss ss? sI sI sI ss? ss?}", "path", row->path, "active", (int)row->active,
        "primary_key", row->primary_key, "partition_key", row->partition_key, "proposed_key", row->proposed_key,
        "key_differs", (int)load_key_differs(row, captured), "last_full_load_date", row->last_full_load_date,
        "last_incremental_file", row->last_incremental_file, "out_path", row->out_path, "rows_loaded",
        (json_int_t)row->rows_loaded, "incomplete_rows", (json_int_t)load_incomplete_rows(row), "quarantined_rows",
        (json_int_t)load_quarantined_rows(row), "last_load_time", row->last_load_time, "last_error", row->last_error));
}

static json_t *line_to_json(const struct line *line) {
    return json_checked(json_pack("{ss ss ss? so so}", "schema", line->schema, "table", line->table, "waiting_for",
                                  ledger_waiting_for(line->row, line->capture), "capture",
                                  capture_to_json(line->capture), "load",
                                  load_to_json(line->row, line->capture != NULL)));
}

static void print_json(const struct status *status, const struct config *config) {
    json_t *tables = json_array();
    for (size_t i = 0; i < status->line_count; i++)
        json_array_append_new(tables, line_to_json(&status->lines[i]));
    json_t *all = json_checked(
        json_pack("{ss so so}", "task", config->task, "capture", task_to_json(&status->ledger), "tables", tables));
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(all);
}

/* --- text ------------------------------------------------------------------------------------------------------------- */

static void print_bytes(int64_t bytes) {
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double amount = (double)bytes;
    size_t unit = 0;
    for (; amount >= 1024 && unit < 4; unit++)
        amount /= 1024;
    printf("%.*f %s", unit > 0 ? 1 : 0, amount, units[unit]);
}

static void print_warnings(json_t *warnings) {
    const char *name;
    json_t *count;
    json_object_foreach(warnings, name, count) {
        if (json_integer_value(count) != 0)
            printf("warning      %s: %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(count));
    }
}

static void print_task(const struct ledger *ledger, const struct config *config) {
    const struct checkpoint_task *task = &ledger->task;
    printf("task         %s\n", config->task);
    if (!ledger->captured) {
        printf("capture      nothing captured yet\n");
        return;
    }
    printf("capture      %s", task->state != NULL ? task->state : "unknown");
    if (task->updated != NULL)
        printf(", last commit %s UTC", task->updated);
    printf("\nposition     %s\n", task->position != NULL ? task->position : "none");
    double lag = lag_seconds(task);
    if (lag >= 0)
        printf("source time  %s UTC, %.3f s before its files\n", task->source_time, lag);
    printf("written      %" PRId64 " rows, ", task->rows);
    print_bytes(task->bytes);
    printf(", in %" PRId64 " commits\n", task->commits);
    if (task->last_error != NULL)
        printf("last error   %s\n", task->last_error);
    print_warnings(task->warnings);
}

/* What is not as it should be in a table that is loaded; "" when all is. */
static const char *doubt_text(struct arena *arena, const struct line *line) {
    const struct controller_row *row = line->row;
    const char *text = "";
    if (load_incomplete_rows(row) > 0)
        text = arena_printf(arena, "; %" PRId64 " rows incomplete", load_incomplete_rows(row));
    if (load_quarantined_rows(row) > 0)
        text = arena_printf(arena, "%s; %" PRId64 " rows in quarantine", text, load_quarantined_rows(row));
    if (load_key_differs(row, line->capture != NULL))
        text = arena_printf(arena, "%s; by the key %s, the source's is %s", text, row->primary_key,
                            row->proposed_key != NULL ? row->proposed_key : "none");
    return text;
}

static const char *load_text(struct arena *arena, const struct line *line) {
    const char *waiting = ledger_waiting_for(line->row, line->capture);
    if (waiting != NULL)
        return arena_printf(arena, "waits for %s", waiting);
    assert(line->row != NULL);
    if (line->row->last_error != NULL)
        return arena_printf(arena, "failed: %s", line->row->last_error);
    if (line->row->last_load_time == NULL)
        return "due";
    return arena_printf(arena, "loaded %s%s", line->row->last_load_time, doubt_text(arena, line));
}

static const char *capture_text(struct arena *arena, const struct checkpoint_table *capture) {
    if (capture == NULL)
        return "by AWS DMS";
    if (capture->stopped != NULL)
        return arena_printf(arena, "stopped: %s", capture->stopped);
    return capture->full_load == FULL_LOAD_DONE || capture->full_load == FULL_LOAD_NONE
               ? "running"
               : arena_printf(arena, "full load %s", ledger_full_load_name(capture->full_load));
}

static void add_row(struct text_table *table, struct arena *arena, const struct line *line) {
    const struct checkpoint_table *capture = line->capture;
    const struct controller_row *row = line->row;
    text_table_add_text(table, arena_printf(arena, "%s.%s", line->schema, line->table));
    text_table_add_text(table, capture_text(arena, capture));
    text_table_add_number(table, capture != NULL ? capture->rows_full_load : 0);
    text_table_add_number(table, capture != NULL ? capture->rows_insert : 0);
    text_table_add_number(table, capture != NULL ? capture->rows_update : 0);
    text_table_add_number(table, capture != NULL ? capture->rows_delete : 0);
    text_table_add_text(table, capture != NULL && capture->committed != NULL ? capture->committed : "-");
    text_table_add_number(table, row != NULL ? row->rows_loaded : 0);
    text_table_add_text(table, row != NULL ? controller_last_file_name(row) : "-");
    text_table_add_text(table, load_text(arena, line));
}

static void print_tables(struct status *status) {
    static const struct {
        const char *name;
        bool right;
    } columns[] = {
        {"table", false},  {"capture", false},       {"full load", true}, {"inserts", true},      {"updates", true},
        {"deletes", true}, {"captured file", false}, {"loaded", true},    {"loaded file", false}, {"load", false},
    };
    enum { COLUMNS = sizeof columns / sizeof columns[0] };
    if (status->line_count == 0)
        return;
    struct text_table *table = text_table_new(COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++)
        text_table_set_column(table, i, columns[i].name, columns[i].right);
    for (size_t i = 0; i < status->line_count; i++)
        add_row(table, &status->ledger.arena, &status->lines[i]);
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    buf_append_char(&text, '\n');
    text_table_print(table, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&text);
    text_table_free(table);
}

static bool run_status(struct command_call *call, struct error *err) {
    struct status status = {0};
    size_t format;
    if (!command_choice(call, "format", formats, 0, &format, err))
        return false;
    bool ok = ledger_open(call->config, false, &status.ledger, err);
    if (ok) {
        collect_lines(&status);
        if (format == 1) {
            print_json(&status, call->config);
        } else {
            print_task(&status.ledger, call->config);
            print_tables(&status);
        }
    }
    ledger_close(&status.ledger);
    return ok;
}

static const struct command_flag flags[] = {
    {.name = "format", .value = "text|json", .help = "Text for people (the default), or JSON"},
    {.name = NULL},
};

const struct command command_status = {
    .name = "status",
    .summary = "shows where capture and the loads stand",
    .help = "The task: its state, its position in the source's log, how far its files are behind the source, what it "
            "wrote, its "
            "last error, and counts of what could not be written as it was. Each table: its full load, the rows "
            "captured and "
            "loaded, the last file of each, and why it stands still if it does; rows incomplete are those that changes "
            "without all their values set though the lake did not have them, rows in quarantine those that did not fit "
            "(load.bad_rows).\n\n"
            "lag_seconds is the time from the commit of the last captured transaction at the source to the commit of "
            "its files; "
            "it does not grow while the source is quiet.",
    .flags = flags,
    .needs_config = true,
    .run = run_status,
};
