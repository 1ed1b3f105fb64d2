#include "task/maintain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "lake/lake.h"
#include "lake/partition.h"
#include "state/controller.h"
#include "state/state.h"
#include "task/discover.h"

struct maintain_round {
    const struct config *config;
    const struct maintain_options *options;
    struct maintain_summary *summary;
    const struct lake_format_ops *format;
    struct lake lake;
    struct engine_connection *connection;
    struct arena arena;
    struct controller_row *rows; /* by the lake's folder, once for each */
    size_t row_count;
};

/* --- which tables */

static bool is_chosen(const struct maintain_round *round, const struct controller_row *row) {
    const struct maintain_options *options = round->options;
    return (options->schema == NULL || strcmp(options->schema, row->schema) == 0) &&
           (options->table == NULL || strcmp(options->table, row->table) == 0);
}

static bool read_rows(struct maintain_round *round, struct error *err) {
    struct store *raw = NULL;
    struct state *state = NULL;
    bool ok = discover_open_raw(round->config, true, &raw, err) && state_open(round->config->state, &state, err) &&
              controller_list(state, &round->arena, arena_printf(&round->arena, "%s/%s", raw->bucket, raw->prefix),
                              &round->rows, &round->row_count, err);
    state_close(state);
    store_close(raw);
    return ok;
}

static const char *folder_of(struct maintain_round *round, const struct controller_row *row) {
    return config_table_folder(round->config, &round->arena, row->schema, row->table);
}

/* Two rows may lead to one lake table (lake.table_name without {schema}); the one that is loaded owns it. */
static bool is_owner(struct maintain_round *round, size_t index) {
    const char *folder = folder_of(round, &round->rows[index]);
    for (size_t i = 0; i < index; i++)
        if (round->rows[i].last_run_id != NULL && strcmp(folder_of(round, &round->rows[i]), folder) == 0)
            return false;
    return round->rows[index].last_run_id != NULL;
}

/* --- one table */

static const char *const *split_key(struct arena *arena, const char *list, size_t *count) {
    const char **names = arena_alloc(arena, ((list != NULL ? strlen(list) : 0) + 1) * sizeof *names);
    *count = 0;
    for (const char *at = list; at != NULL;)
        names[(*count)++] = lake_partition_next(arena, &at);
    return names;
}

static struct lake_maintain options_of(struct maintain_round *round, const char *key) {
    const struct config_maintain *config = &round->config->maintain;
    struct lake_maintain options = {.now_us = clock_now_us(),
                                    .deleted_percent = config->deleted_percent,
                                    .keep_ms = config->keep_ms,
                                    .keep_snapshots = (uint64_t)config->keep_snapshots,
                                    .max_snapshots = (uint64_t)config->max_snapshots,
                                    .orphan_age_ms = config->orphan_age_ms};
    uint64_t budget = (uint64_t)config->budget_bytes, used = round->summary->bytes_rewritten;
    options.budget_bytes = budget > used ? budget - used : 0;
    options.key = split_key(&round->arena, key, &options.key_count);
    return options;
}

static bool has_changed(const struct lake_maintained *done) {
    return done->data_files_before + done->delete_files_before + done->snapshots_expired + done->files_removed > 0 ||
           done->manifests_before != done->manifests_after;
}

static void say(const struct controller_row *row, const struct lake_maintained *done, int64_t started_us) {
    if (has_changed(done))
        log_info("maintained %s.%s: data files %" PRIu64 " -> %" PRIu64 ", delete files %" PRIu64 " -> %" PRIu64
                 ", manifests %" PRIu64 " -> %" PRIu64 ", snapshots expired %" PRIu64 ", files removed %" PRIu64
                 ", %.1f MB rewritten in %.1f s",
                 row->schema, row->table, done->data_files_before, done->data_files_after, done->delete_files_before,
                 done->delete_files_after, done->manifests_before, done->manifests_after, done->snapshots_expired,
                 done->files_removed, (double)done->bytes_rewritten / 1e6, (double)(clock_now_us() - started_us) / 1e6);
    if (done->given_up > 0)
        log_info("maintaining %s.%s: %" PRIu64
                 " of its partitions left to the next round: another writer was in the way",
                 row->schema, row->table, done->given_up);
    if (done->left_out != NULL)
        log_info("maintaining %s.%s: its data files are left as they are: %s", row->schema, row->table, done->left_out);
}

static bool maintain_folder(struct maintain_round *round, const struct controller_row *row, const char *folder,
                            const char *key, struct error *err) {
    struct lake_table *table = NULL;
    struct lake_maintained done = {0};
    int64_t started_us = clock_now_us();
    if (!lake_open(round->format, &round->lake, folder, &table, err))
        return false;
    struct lake_maintain options = options_of(round, key);
    bool ok = lake_maintain(table, round->connection, &options, &done, err);
    lake_close(table);
    round->summary->bytes_rewritten += done.bytes_rewritten;
    round->summary->changed += has_changed(&done);
    say(row, &done, started_us);
    return ok && fault_point("maintain.table_done", err);
}

/* The table and its history, as far as there are such. */
static bool maintain_table(struct maintain_round *round, const struct controller_row *row, struct error *err) {
    enum history history = config_history(round->config, row->schema, row->table);
    const char *folder = config_history_folder(round->config, &round->arena, row->schema, row->table);
    return (history == HISTORY_ONLY || maintain_folder(round, row, folder_of(round, row), row->primary_key, err)) &&
           (history == HISTORY_NONE || maintain_folder(round, row, folder, "_change_file,_change_number", err));
}

static void maintain_or_log(struct maintain_round *round, const struct controller_row *row) {
    struct error err = {0};
    round->summary->tables++;
    if (maintain_table(round, row, &err) || err.kind == ERROR_CANCELLED)
        return;
    log_error("maintaining %s.%s: %s", row->schema, row->table, err.message);
    round->summary->failed++;
}

/* --- the round */

static bool start_engine(struct maintain_round *round, struct error *err) {
    const struct config *config = round->config;
    uint64_t limit = round->options->memory_limit_bytes;
    struct engine_options options = {.memory_limit_bytes = limit > 0 ? limit : config->memory_limit_bytes,
                                     .threads = (unsigned)config->threads,
                                     .temp_folder = config->temp_folder};
    return engine_open(&options, &round->lake.engine, err) &&
           engine_connect(round->lake.engine, &round->connection, err);
}

static bool maintain_tables(struct maintain_round *round, struct error *err) {
    bool found = false;
    if (!read_rows(round, err))
        return false;
    for (size_t i = 0; i < round->row_count; i++) {
        if (!is_chosen(round, &round->rows[i]))
            continue;
        found = true;
        if (!cancel_check(err))
            return false;
        if (!is_owner(round, i))
            continue;
        if (round->connection == NULL && !start_engine(round, err))
            return false;
        maintain_or_log(round, &round->rows[i]);
    }
    return found || (round->options->schema == NULL && round->options->table == NULL) ||
           error_set(err, ERROR_CONFIG, "there is no table %s.%s: sluice tables list shows what is there",
                     round->options->schema != NULL ? round->options->schema : "*",
                     round->options->table != NULL ? round->options->table : "*");
}

bool maintain_run(const struct config *config, const struct maintain_options *options, struct maintain_summary *summary,
                  struct error *err) {
    struct maintain_round round = {.config = config, .options = options, .summary = summary};
    *summary = (struct maintain_summary){0};
    arena_init(&round.arena);
    bool ok = lake_init(config, &round.format, &round.lake, err);
    if (ok) {
        summary->format = round.format->name;
        summary->needless = round.format->maintain == NULL;
        ok = summary->needless || (maintain_tables(&round, err) && cancel_check(err));
    }
    controller_rows_deinit(round.rows, round.row_count);
    engine_disconnect(round.connection);
    lake_deinit(&round.lake);
    arena_deinit(&round.arena);
    return ok;
}
