/* The commands that do the work: capture, load, run, demo. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/daemon.h"
#include "app/demo.h"
#include "task/capture.h"
#include "task/catalog_sync.h"
#include "task/load.h"
#include "task/maintain.h"

/* --- capture ----------------------------------------------------------------------------------------------------------- */

static bool run_capture(struct command_call *call, struct error *err) {
    const struct capture_options options = {
        .full_load_only = command_value(call, "full-load-only") != NULL,
        .cdc_only = command_value(call, "cdc-only") != NULL,
        .until_current = command_value(call, "until-current") != NULL,
        .reload = command_value(call, "reload") != NULL,
        .reload_schema = command_value(call, "schema"),
        .reload_table = command_value(call, "table"),
    };
    if (strcmp(call->config->source.engine, "dms") == 0)
        return error_set(err, ERROR_CONFIG,
                         "source.engine is dms: AWS DMS captures, sluice loads what it wrote (`sluice load`)");
    if (options.full_load_only && (options.cdc_only || options.until_current))
        return error_set(err, ERROR_CONFIG,
                         "--full-load-only ends before changes are read: it goes without --cdc-only and "
                         "--until-current");
    if (options.reload && options.cdc_only)
        return error_set(err, ERROR_CONFIG, "--reload is a full load again: it goes without --cdc-only");
    if ((options.reload_schema == NULL) != (options.reload_table == NULL) ||
        (options.reload_table != NULL && !options.reload))
        return error_set(err, ERROR_CONFIG, "--schema and --table say together which table --reload means");
    return capture_run(call->config, &options, err);
}

static const struct command_flag capture_flags[] = {
    {.name = "full-load-only", .help = "Stop when every table is loaded in full"},
    {.name = "cdc-only", .help = "No full loads: changes only, from source.start_position, or from now on"},
    {.name = "until-current", .help = "Stop when the source's log is read up to where it ended at the start"},
    {.name = "reload",
     .help = "First load all tables in full again, and follow the log from there: what to do when changes were lost to "
             "sluice"},
    {.name = "schema", .value = "NAME", .help = "With --reload: only one table, of this schema"},
    {.name = "table", .value = "NAME", .help = "With --reload: the table"},
    {.name = NULL},
};

const struct command command_capture = {
    .name = "capture",
    .summary = "writes the source's tables and their changes into raw files",
    .help = "A full load of every table that is chosen and not loaded yet, then the changes from the source's log, "
            "until it is "
            "stopped (SIGINT, SIGTERM). After a crash or a stop it goes on where its last commit was. A source that "
            "goes away is "
            "waited for. One process captures a task: a second one is refused as long as the first lives.",
    .flags = capture_flags,
    .needs_config = true,
    .run = run_capture,
};

/* --- load -------------------------------------------------------------------------------------------------------------- */

static void print_summary(const struct load_summary *summary) {
    size_t rest = summary->tables - summary->loaded - summary->failed - summary->waiting;
    printf("%zu table%s: %zu loaded, %zu failed, %zu waiting, %zu with nothing to do", summary->tables,
           summary->tables == 1 ? "" : "s", summary->loaded, summary->failed, summary->waiting, rest);
    if (summary->loaded > 0)
        printf("; %" PRId64 " rows from %" PRId64 " files", summary->rows, summary->files);
    putchar('\n');
    if (summary->waiting > 0)
        printf("`sluice tables list` shows what the others wait for\n");
}

static bool run_load(struct command_call *call, struct error *err) {
    const struct load_options options = {.schema = command_value(call, "schema"),
                                         .table = command_value(call, "table")};
    struct load_summary summary = {0};
    if (!load_run(call->config, &options, &summary, err))
        return false;
    print_summary(&summary);
    if (summary.failed > 0)
        call->exit_code = error_exit_code(ERROR_DATA);
    return true;
}

static const struct command_flag load_flags[] = {
    {.name = "schema", .value = "NAME", .help = "Only tables of this schema"},
    {.name = "table", .value = "NAME", .help = "Only tables of this name"},
    {.name = NULL},
};

const struct command command_load = {
    .name = "load",
    .summary = "brings every active table of the lake up to date, once",
    .help = "One pass over the active tables: what is new in the raw zone is merged into the lake, each table in one "
            "commit. A "
            "table that fails stays as it was, and the others are loaded all the same; then the exit code is 3.",
    .flags = load_flags,
    .needs_config = true,
    .run = run_load,
};

/* --- maintain ---------------------------------------------------------------------------------------------------------- */

static bool run_maintain(struct command_call *call, struct error *err) {
    const struct maintain_options options = {.schema = command_value(call, "schema"),
                                             .table = command_value(call, "table")};
    struct maintain_summary summary = {0};
    if (!maintain_run(call->config, &options, &summary, err))
        return false;
    if (summary.needless) {
        printf("tables of the format %s need no maintenance: every load leaves them as they should be\n",
               summary.format);
        return true;
    }
    printf("%zu table%s: %zu changed, %zu failed, %zu with nothing to do; %.1f MB rewritten\n", summary.tables,
           summary.tables == 1 ? "" : "s", summary.changed, summary.failed,
           summary.tables - summary.changed - summary.failed, (double)summary.bytes_rewritten / 1e6);
    if (summary.failed > 0)
        call->exit_code = error_exit_code(ERROR_DATA);
    return true;
}

const struct command command_maintain = {
    .name = "maintain",
    .summary = "merges small files of Iceberg tables, and removes what nobody needs",
    .help = "One round over the tables that were loaded. Small data files become large ones, deleted rows are taken "
            "out of files that have many, delete files and manifests are merged: one snapshot a table, which changes "
            "no row. Old snapshots are expired, and files are removed that no snapshot has any more. The section "
            "maintain of sluice.yaml has the bounds.\n"
            "\n"
            "Loads and other writers may go on meanwhile: where one is in the way, the next round tries again. "
            "`sluice run` does it by itself, on schedule.maintain. A table that fails is left as it was; then the exit "
            "code is 3.",
    .flags = load_flags,
    .needs_config = true,
    .run = run_maintain,
};

/* --- catalog sync ------------------------------------------------------------------------------------------------------ */

static bool run_catalog_sync(struct command_call *call, struct error *err) {
    struct catalog_sync_summary summary = {0};
    if (!catalog_sync_run(call->config, &summary, err))
        return false;
    if (summary.needless) {
        printf("tables of the format %s are in no catalog: readers go by their folders\n", summary.format);
        return true;
    }
    printf("%zu table%s: %zu registered in the catalog, %zu version-hint.text written, %zu failed\n", summary.tables,
           summary.tables == 1 ? "" : "s", summary.registered, summary.hints, summary.failed);
    if (summary.failed > 0)
        call->exit_code = error_exit_code(ERROR_DATA);
    return true;
}

const struct command command_catalog_sync = {
    .name = "catalog sync",
    .summary = "brings the catalog together with the lake's Iceberg tables",
    .help = "Tables that are in the lake and not in the catalog (its file was lost, or the lake was copied without it) "
            "are registered with their newest metadata file; an entry that is there is never replaced, and one that "
            "leads to a file that is gone is an error of that table; then the exit code is 3.\n"
            "\n"
            "Each table's metadata/version-hint.text is made to name its current version: by it engines without the "
            "catalog read a table by its folder, as DuckDB's iceberg_scan('.../lake/product') and pyiceberg's "
            "StaticTable do. Loads and maintenance keep it up to date; after another writer's commit, or a crash, this "
            "does. `sluice run` does it by itself, on schedule.catalog.\n"
            "\n"
            "Iceberg's metadata names files by absolute locations: a copy of a lake can be read where it was written, "
            "or where a link or a mount makes it seem to be.",
    .needs_config = true,
    .run = run_catalog_sync,
};

/* --- run --------------------------------------------------------------------------------------------------------------- */

static bool run_daemon(struct command_call *call, struct error *err) { return daemon_run(call->config, err); }

const struct command command_run = {
    .name = "run",
    .summary = "captures and loads together, on the schedules of sluice.yaml, until SIGTERM",
    .help =
        "Captures all the time, loads when schedule.load says, maintains Iceberg tables when schedule.maintain says, "
        "and syncs the catalog when schedule.catalog says. A source or a store that goes away is waited "
        "for. Stops "
        "cleanly on SIGTERM or SIGINT: what was read is committed, and a load that is under way ends before or "
        "after its "
        "commit, never within. A configuration that cannot work ends it with exit code 2.",
    .needs_config = true,
    .run = run_daemon,
};

/* --- demo -------------------------------------------------------------------------------------------------------------- */

static bool run_demo(struct command_call *call, struct error *err) {
    return demo_run(command_value(call, "keep") != NULL, err);
}

static const struct command_flag demo_flags[] = {
    {.name = "keep", .help = "Keep the folder with the configuration, the raw files and the lake"},
    {.name = NULL},
};

const struct command command_demo = {
    .name = "demo",
    .summary = "shows it all on a private MariaDB that it starts itself",
    .help = "Starts a MariaDB with a small shop in a temporary folder, captures it, activates and loads its tables, "
            "changes "
            "some rows, captures and loads again, and shows each step. Needs the package mariadb-server; leaves "
            "nothing behind.",
    .flags = demo_flags,
    .run = run_demo,
};
