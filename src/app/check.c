/* `sluice check`: preflight of everything that the config names, each failure with what mends it. */
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/ledger.h"
#include "base/clock.h"
#include "config/schedule.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "source/source.h"
#include "state/state.h"
#include "store/store.h"
#include "task/column_names.h"
#include "task/discover.h"
#include "task/load_advice.h"

struct check {
    const struct config *config;
    size_t lines, warnings, failures;
    bool config_is_wrong;    /* a failure whose cause is in sluice.yaml */
    char first_failure[512]; /* for the line on stderr */
};

static void print_line(struct check *check, enum check_result result, const char *subject, const char *text,
                       const char *mend) {
    static const char *const names[] = {[CHECK_OK] = "OK  ", [CHECK_WARNING] = "WARN", [CHECK_FAILED] = "FAIL"};
    if (result == CHECK_FAILED && check->failures == 0)
        snprintf(check->first_failure, sizeof check->first_failure, "%s: %s", subject, text);
    check->lines++;
    check->warnings += result == CHECK_WARNING;
    check->failures += result == CHECK_FAILED;
    printf("%s  %s: %s\n", names[result], subject, text);
    if (mend != NULL && result != CHECK_OK)
        printf("      mend: %s\n", mend);
}

static void print_failure(struct check *check, const char *subject, const struct error *err) {
    check->config_is_wrong = check->config_is_wrong || err->kind == ERROR_CONFIG;
    print_line(check, CHECK_FAILED, subject, err->message, NULL);
}

/* --- stores: an object is written and never published, so that nobody ever sees it ------------------------------------------ */

static bool try_store(const char *location, struct error *err) {
    struct store *store = NULL;
    struct store_writer *writer = NULL;
    struct store_list list;
    struct arena arena;
    arena_init(&arena);
    bool ok = store_open(location, &store, err) && store_list(store, &arena, "", false, &list, err) &&
              store_writer_open(store, "check", &writer, err) && store_write(writer, "x", 1, err);
    store_writer_close(writer);
    store_close(store);
    arena_deinit(&arena);
    return ok;
}

static bool check_store(struct check *check, const char *subject, const char *location) {
    struct error err = {0};
    bool ok = try_store(location, &err);
    if (ok)
        print_line(check, CHECK_OK, subject, location, NULL);
    else
        print_failure(check, subject, &err);
    return ok;
}

/* AWS DMS writes the raw zone: it is only read. */
static bool try_raw_of_dms(const struct config *config, struct error *err) {
    struct store *store = NULL;
    struct store_list list;
    struct arena arena;
    arena_init(&arena);
    bool ok = discover_open_raw(config, false, &store, err) && store_list(store, &arena, "", false, &list, err);
    store_close(store);
    arena_deinit(&arena);
    return ok;
}

static bool check_raw(struct check *check) {
    struct error err = {0};
    if (strcmp(check->config->source.engine, "dms") != 0)
        return check_store(check, "raw", check->config->raw.location);
    bool ok = try_raw_of_dms(check->config, &err);
    if (ok)
        print_line(check, CHECK_OK, "raw", check->config->raw.location, NULL);
    else
        print_failure(check, "raw", &err);
    return ok;
}

/* --- state -------------------------------------------------------------------------------------------------------------------- */

static bool try_state(const struct config *config, struct error *err) {
    struct state *state;
    if (!state_open(config->state, &state, err))
        return false;
    json_t *mark = json_object();
    const struct state_write put = {"check", config->task, STATE_VERSION_ANY, mark};
    const struct state_write remove = {"check", config->task, STATE_VERSION_ANY, NULL};
    bool ok = state_commit(state, &put, 1, err) && state_commit(state, &remove, 1, err);
    json_decref(mark);
    state_close(state);
    return ok;
}

static bool check_state(struct check *check) {
    struct error err = {0};
    bool ok = try_state(check->config, &err);
    if (ok)
        print_line(check, CHECK_OK, "state", check->config->state, NULL);
    else
        print_failure(check, "state", &err);
    return ok;
}

/* --- tables: what the rows say together ----------------------------------------------------------------------------------------- */

static void check_rows(struct check *check, struct ledger *ledger) {
    char line[1024];
    size_t waiting = 0;
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct controller_row *row = &ledger->rows[i];
        const struct controller_row *twin = row->active ? ledger_find_twin(ledger, check->config, row) : NULL;
        waiting += !row->active;
        if (twin == NULL || strcmp(row->path, twin->path) > 0) /* a pair is shown once */
            continue;
        check->config_is_wrong = true;
        snprintf(line, sizeof line, "%s.%s and %s.%s are the same lake table and replace each other", row->schema,
                 row->table, twin->schema, twin->table);
        print_line(check, CHECK_FAILED, "lake.table_name", line, "table_name: \"{schema}_{table}\"");
    }
    snprintf(line, sizeof line, "%zu known, %zu of them wait for activation", ledger->row_count, waiting);
    print_line(check, CHECK_OK, "tables", line, NULL);
}

/* The table has been there since lake.format was another one. */
static bool check_folder(struct check *check, const struct lake_format_ops *format, struct store *lake,
                         const struct controller_row *row, const char *folder, struct error *err) {
    const struct lake_format_ops *other = NULL;
    bool has = false;
    struct error why = {0};
    if (!lake_has_versions(format, lake, folder, &has, err) ||
        (!has && !lake_find_other_format(format, lake, folder, &other, err)))
        return false;
    if (other != NULL) {
        load_advise_other_format(lake, folder, other->name, &why);
        error_prefix(&why, "%s.%s", row->schema, row->table);
        print_failure(check, "lake.format", &why);
    }
    return true;
}

static bool check_folders(struct check *check, struct ledger *ledger, struct error *err) {
    const struct config *config = check->config;
    const struct lake_format_ops *format = lake_format_find(config->lake.format);
    struct store *lake = NULL;
    bool ok = format == NULL || store_open(config->lake.location, &lake, err); /* the format has a line of its own */
    for (size_t i = 0; ok && format != NULL && i < ledger->row_count; i++) {
        const struct controller_row *row = &ledger->rows[i];
        enum history history = config_history(config, row->schema, row->table);
        if (row->active && history != HISTORY_ONLY)
            ok = check_folder(check, format, lake, row,
                              config_table_folder(config, &ledger->arena, row->schema, row->table), err);
        if (ok && row->active && history != HISTORY_NONE)
            ok = check_folder(check, format, lake, row,
                              config_history_folder(config, &ledger->arena, row->schema, row->table), err);
    }
    store_close(lake);
    return ok;
}

static void check_tables(struct check *check, bool lake_works) {
    struct ledger ledger;
    struct error err = {0};
    if (ledger_open(check->config, false, &ledger, &err)) {
        check_rows(check, &ledger);
        if (lake_works && !check_folders(check, &ledger, &err))
            print_failure(check, "lake", &err);
    } else {
        print_failure(check, "tables", &err);
    }
    ledger_close(&ledger);
}

/* --- lake format and engine ----------------------------------------------------------------------------------------------------- */

static void check_format(struct check *check) {
    struct error err = {0};
    if (lake_format_require(check->config->lake.format, &err) != NULL)
        print_line(check, CHECK_OK, "lake.format", check->config->lake.format, NULL);
    else
        print_failure(check, "lake.format", &err);
}

static void check_quoting(struct check *check) {
    if (!check->config->raw.rfc4180)
        print_line(check, CHECK_WARNING, "raw.rfc4180",
                   "false: texts that are empty, read NULL or hold a delimiter cannot be written; a table that has one "
                   "is not captured",
                   "rfc4180: true in raw");
}

static void check_engine(struct check *check) {
    struct error err = {0};
    struct engine *engine = NULL;
    struct engine_options options = {
        .memory_limit_bytes = check->config->memory_limit_bytes,
        .threads = (unsigned)check->config->threads,
        .temp_folder = check->config->temp_folder,
    };
    if (engine_open(&options, &engine, &err))
        print_line(check, CHECK_OK, "engine", "DuckDB starts", NULL);
    else
        print_failure(check, "engine", &err);
    engine_close(engine);
}

/* --- schedules: config_load has read them; what they mean is worth a look --------------------------------------------------------- */

static void check_schedule(struct check *check, const char *subject, const char *text) {
    struct schedule schedule;
    struct error err = {0};
    int64_t next_us;
    char next[CLOCK_TEXT_BYTES], line[512];
    if (text == NULL)
        return;
    if (!schedule_parse(text, &schedule, &err)) {
        print_failure(check, subject, &err);
    } else if (schedule.kind == SCHEDULE_CONTINUOUS) {
        print_line(check, CHECK_OK, subject, text, NULL);
    } else if (schedule_next(&schedule, clock_now_us(), &next_us)) {
        clock_format_sql(next_us, false, next);
        snprintf(line, sizeof line, "%s, next at %s UTC", text, next);
        print_line(check, CHECK_OK, subject, line, NULL);
    } else {
        snprintf(line, sizeof line, "%s never comes", text);
        print_line(check, CHECK_WARNING, subject, line, "change the schedule in sluice.yaml");
    }
}

/* --- source ---------------------------------------------------------------------------------------------------------------------- */

/* What sluice could not name in the lake, whatever the source thinks of it. */
static void check_names(struct check *check, const struct table *table, struct check_report *report) {
    const char *name, *full = arena_printf(report->arena, "%s.%s", table->schema, table->name), *mend = NULL;
    const char *subject = arena_printf(report->arena, "table %s", full);
    const char *timestamp = check->config->raw.timestamp_column_name;
    struct error why;
    if (column_names_check(table->columns, table->column_count, timestamp, &why))
        return;
    switch (column_names_find_fault(table->columns, table->column_count, timestamp, &name)) {
    case COLUMN_NAMES_TIMESTAMP:
        check->config_is_wrong = true;
        mend = arena_printf(report->arena, "raw.timestamp_column_name: another name than %s", name);
        break;
    case COLUMN_NAMES_RESERVED:
    case COLUMN_NAMES_TWICE:
        mend = arena_printf(report->arena, "ALTER TABLE %s RENAME COLUMN %s TO source_%s;", full, name, name);
        break;
    case COLUMN_NAMES_FINE:
        break;
    }
    check_report_add(report, CHECK_FAILED, subject, mend, "%s", why.message);
}

/* Tables that cannot be listed are in the source's own lines already. */
static void check_tables_of_source(struct check *check, struct source *source, struct check_report *report) {
    struct table **tables;
    size_t count;
    struct error ignored;
    if (!source_list_tables(source, report->arena, &tables, &count, &ignored))
        return;
    for (size_t i = 0; i < count; i++)
        check_names(check, tables[i], report);
}

static bool ask_source(struct check *check, struct check_report *report, struct error *err) {
    struct source *source = NULL;
    bool ok = source_open(check->config, &source, err) && source_check(source, report, err);
    if (ok)
        check_tables_of_source(check, source, report);
    source_close(source);
    return ok;
}

static void check_source(struct check *check) {
    struct arena arena;
    struct error err = {0};
    if (strcmp(check->config->source.engine, "dms") == 0) {
        print_line(check, CHECK_OK, "source", "AWS DMS writes the raw files", NULL);
        return;
    }
    arena_init(&arena);
    struct check_report report = {.arena = &arena};
    bool asked = ask_source(check, &report, &err);
    for (size_t i = 0; i < report.count; i++)
        print_line(check, report.lines[i].result, report.lines[i].subject, report.lines[i].text, report.lines[i].mend);
    if (!asked)
        print_failure(check, "source", &err);
    arena_deinit(&arena);
}

static bool run_check(struct command_call *call, struct error *err) {
    const struct config *config = call->config;
    struct check check = {.config = config};
    print_line(&check, CHECK_OK, "config", config->path, NULL);
    check_source(&check);
    bool raw_works = check_raw(&check);
    check_quoting(&check);
    bool lake_works = check_store(&check, "lake", config->lake.location);
    check_format(&check);
    if (check_state(&check) && raw_works)
        check_tables(&check, lake_works);
    check_engine(&check);
    check_schedule(&check, "schedule.load", config->schedule.load);
    if (check.failures > 0)
        return error_set(err, check.config_is_wrong ? ERROR_CONFIG : ERROR_OUTSIDE,
                         "%zu of %zu checks failed, first %s", check.failures, check.lines, check.first_failure);
    if (check.warnings > 0)
        printf("it works; %zu to know\n", check.warnings);
    else
        printf("all is well\n");
    return true;
}

const struct command command_check = {
    .name = "check",
    .summary = "tries everything that sluice.yaml names; each failure with what mends it",
    .help = "Connects to the source and looks at its settings and the user's grants; writes to the raw zone, the lake "
            "and the "
            "state (and leaves nothing there); starts the engine. Each line is OK, WARN or FAIL, with the statement "
            "that mends "
            "it. Exit code 0 when nothing failed, 2 when sluice.yaml is wrong, 4 when something outside is.",
    .needs_config = true,
    .run = run_check,
};
