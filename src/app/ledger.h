/* What is written down about the tables, in one place: the controller's rows beside what capture committed. The commands
 * that show or change rows read it. */
#ifndef SLUICE_APP_LEDGER_H
#define SLUICE_APP_LEDGER_H

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "state/checkpoint.h"
#include "state/controller.h"
#include "state/state.h"
#include "store/store.h"

struct ledger {
    struct arena arena; /* owns the strings of what follows */
    struct store *raw;
    struct state *state;
    struct checkpoint_task task; /* empty when nothing was captured */
    struct state_item task_item;
    bool captured; /* there is a task */
    struct checkpoint_table *captures;
    size_t capture_count;
    struct controller_row *rows; /* sorted by path */
    size_t row_count;
};

/* Opens the raw zone and the state and reads; with discover, tables of the raw zone that have no row yet get theirs first.
 * Release with ledger_close, also after false. */
bool ledger_open(const struct config *config, bool discover, struct ledger *out, struct error *err);
void ledger_close(struct ledger *ledger);

/* NULL: no such row, no such capture. */
struct controller_row *ledger_find_row(const struct ledger *ledger, const char *schema, const char *table);
const struct checkpoint_table *ledger_find_capture(const struct ledger *ledger, const char *schema, const char *table);

/* Another active row whose lake table would be the same folder (lake.table_name without {schema}); NULL: none. */
const struct controller_row *ledger_find_twin(struct ledger *ledger, const struct config *config,
                                              const struct controller_row *row);

/* Why the table is not loaded, in words for a person; NULL when nothing stands in the way. Either may be NULL. */
const char *ledger_waiting_for(const struct controller_row *row, const struct checkpoint_table *capture);

/* "none", "pending", "running", "done" */
const char *ledger_full_load_name(enum full_load_state state);

#endif
