/* The lake table of a run: opening it, and whether it is there. */
#ifndef SLUICE_TASK_LOAD_LAKE_H
#define SLUICE_TASK_LOAD_LAKE_H

#include "task/load_table.h"

/* The target's table, into run->lake. */
bool load_lake_open(struct load_run *run, struct error *err);

/* Sets the job's lake_seems_gone when nothing is due: who looks at the status would take the table for loaded. */
bool load_lake_look(struct load_run *run, struct error *err);

/* Of an open table. Kind OUTSIDE: it was loaded, and is gone, or the catalog does not lead to it; CONFIG: the folder has a
 * table of another format. Nothing is made there then. */
bool load_lake_check(struct load_run *run, struct error *err);

/* The row, which is not written here, says that the history was loaded; or forgets it when there is to be none. */
void load_lake_record(struct load_run *run);
/* The same, written, for a history beside its table. What goes wrong is logged. */
void load_lake_remember_history(struct load_run *run);

#endif
