/* Discovery: what is in the raw zone, what capture has committed of it, and a controller row for each of its tables. */
#ifndef SLUICE_TASK_DISCOVER_H
#define SLUICE_TASK_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "state/checkpoint.h"
#include "state/controller.h"
#include "state/state.h"
#include "store/store.h"

/* What capture has committed, as of one capture commit: the cut up to which all tables of a pass load (DESIGN §6). Empty
 * when nothing was captured. Strings live in the arena that it was read into. */
struct discover_cut {
    int64_t commits;             /* number of the commit */
    const char *source_position; /* NULL: none */
    const char *source_time;     /* NULL: none */
    struct checkpoint_table *tables;
    size_t table_count;
};

/* Release with discover_cut_deinit; on false there is nothing to release. Kind RETRY when capture commits so fast that no
 * reading falls between two commits. */
bool discover_cut_read(struct state *state, struct arena *arena, const char *task, struct discover_cut *out,
                       struct error *err);
void discover_cut_deinit(struct discover_cut *cut);
/* The table's checkpoint, or NULL: sluice does not capture it. */
const struct checkpoint_table *discover_cut_find(const struct discover_cut *cut, const char *schema, const char *table);

/* Opens the raw zone for reading. Where AWS DMS writes it, sluice makes no folder there: one that is missing is an error of
 * kind OUTSIDE that names the setting, unless `may_be_missing`. Close with store_close. */
bool discover_open_raw(const struct config *config, bool may_be_missing, struct store **out, struct error *err);

/* Makes a controller row for each table of the raw zone that has none: inactive, or as `tables:` of the config says; with
 * the source's own primary key as the proposed key when sluice captured the table. Existing rows keep what the user set;
 * the proposed key follows the source while they are inactive, and then with each load.
 *
 * A folder without a checkpoint is a table of AWS DMS when the task's engine is dms. Under another engine it is a table
 * whose first capture commit is still to come: its row appears with that commit, because only then the key is known. A
 * captured table that is empty has a row too, though it has no folder. */
bool discover_tables(const struct config *config, struct store *raw, struct state *state,
                     const struct discover_cut *cut, struct error *err);

#endif
