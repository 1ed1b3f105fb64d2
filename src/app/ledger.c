#include "app/ledger.h"

#include <string.h>

#include "task/discover.h"

static bool discover_new_tables(struct ledger *ledger, const struct config *config, struct error *err) {
    struct discover_cut cut;
    if (!discover_cut_read(ledger->state, &ledger->arena, config->task, &cut, err))
        return false;
    bool ok = discover_tables(config, ledger->raw, ledger->state, &cut, err);
    discover_cut_deinit(&cut);
    return ok;
}

bool ledger_open(const struct config *config, bool discover, struct ledger *out, struct error *err) {
    *out = (struct ledger){0};
    arena_init(&out->arena);
    if (!discover_open_raw(config, !discover, &out->raw, err) || !state_open(config->state, &out->state, err))
        return false;
    if (discover && !discover_new_tables(out, config, err))
        return false;
    const char *prefix = arena_printf(&out->arena, "%s/%s", out->raw->bucket, out->raw->prefix);
    return checkpoint_get_task(out->state, &out->arena, config->task, &out->task, &out->task_item, &out->captured,
                               err) &&
           checkpoint_list_tables(out->state, &out->arena, config->task, &out->captures, &out->capture_count, err) &&
           controller_list(out->state, &out->arena, prefix, &out->rows, &out->row_count, err);
}

void ledger_close(struct ledger *ledger) {
    controller_rows_deinit(ledger->rows, ledger->row_count);
    checkpoint_tables_deinit(ledger->captures, ledger->capture_count);
    state_item_deinit(&ledger->task_item);
    state_close(ledger->state);
    store_close(ledger->raw);
    arena_deinit(&ledger->arena);
}

struct controller_row *ledger_find_row(const struct ledger *ledger, const char *schema, const char *table) {
    for (size_t i = 0; i < ledger->row_count; i++)
        if (strcmp(ledger->rows[i].table, table) == 0 && strcmp(ledger->rows[i].schema, schema) == 0)
            return &ledger->rows[i];
    return NULL;
}

const struct checkpoint_table *ledger_find_capture(const struct ledger *ledger, const char *schema, const char *table) {
    for (size_t i = 0; i < ledger->capture_count; i++)
        if (strcmp(ledger->captures[i].name, table) == 0 && strcmp(ledger->captures[i].schema, schema) == 0)
            return &ledger->captures[i];
    return NULL;
}

const struct controller_row *ledger_find_twin(struct ledger *ledger, const struct config *config,
                                              const struct controller_row *row) {
    const char *folder = config_table_folder(config, &ledger->arena, row->schema, row->table);
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct controller_row *other = &ledger->rows[i];
        if (other != row && other->active &&
            strcmp(config_table_folder(config, &ledger->arena, other->schema, other->table), folder) == 0)
            return other;
    }
    return NULL;
}

const char *ledger_waiting_for(const struct controller_row *row, const struct checkpoint_table *capture) {
    if (row == NULL)
        return "its first file";
    if (!row->active)
        return "activation";
    if (capture != NULL && (capture->full_load == FULL_LOAD_PENDING || capture->full_load == FULL_LOAD_RUNNING))
        return "its full load";
    return NULL;
}

const char *ledger_full_load_name(enum full_load_state state) {
    switch (state) {
    case FULL_LOAD_NONE:
        return "none";
    case FULL_LOAD_PENDING:
        return "pending";
    case FULL_LOAD_RUNNING:
        return "running";
    case FULL_LOAD_DONE:
        return "done";
    }
    return "none";
}
