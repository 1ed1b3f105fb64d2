/* Full loads that a table format may take over as they are: which raw files these are. */
#ifndef SLUICE_TASK_LOAD_ADOPT_H
#define SLUICE_TASK_LOAD_ADOPT_H

#include "task/load_table.h"

/* Sets load->full_load_files, for a run that replaces its table by what its full load says, when all of its files are Parquet
 * with a column Op and nothing in them has to be converted, as far as names and types tell. */
void load_offer_files(struct load_run *run, struct lake_load *load);

#endif
