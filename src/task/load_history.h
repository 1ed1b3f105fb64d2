/* The history of a table (tables: history): every change that the raw files hold as a row of <table>_history, appended in the
 * order in which the changes apply. Beside Op and the table's columns a row has
 *
 *   _change_time    when it was committed at the source (raw.timestamp_column_name), else when its file was
 *   _change_file    the raw file; of a full load "<last change file before it>+<file>"
 *   _change_number  the record in it, from 1
 *
 * so that ORDER BY _change_file, _change_number is the order of the changes. Rows of a full load have Op I.
 *
 * The table has a watermark of its own, in its own commits, and what is due follows from nothing else: two tables cannot
 * be committed at once, so that after a crash the one that lags is brought up by the next run, without a row lost or
 * doubled. What the user sets in the controller row to load again does not append again. */
#ifndef SLUICE_TASK_LOAD_HISTORY_H
#define SLUICE_TASK_LOAD_HISTORY_H

#include "task/load_table.h"

/* What is due, from the watermark of run->lake, which is open. Sets run->more when this plan is not all of it. */
bool load_history_plan(struct load_run *run, struct error *err);
/* The lake's version as the schema's input: without the three columns. */
void load_history_hide(struct load_run *run);
/* Puts the three columns in front of the schema's. */
void load_history_extend(struct load_run *run);

#endif
