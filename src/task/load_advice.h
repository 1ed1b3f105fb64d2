/* What a person can do about a lake table that is damaged. */
#ifndef SLUICE_TASK_LOAD_ADVICE_H
#define SLUICE_TASK_LOAD_ADVICE_H

#include "base/error.h"
#include "store/store.h"

/* When `err` is the engine's about a file of the lake table in `folder` that is not there, it becomes one of kind OUTSIDE
 * that names the file and says how to get the rows back: true. Only after trying again did not help: a load replaces files. */
bool load_advise_missing_file(struct store *lake, const char *folder, const char *schema, const char *table,
                              struct error *err);

/* Always false, with the error that the table in `folder` is gone and how to get it back. */
bool load_advise_missing_table(const struct store *lake, const char *folder, const char *schema, const char *table,
                               bool captured, struct error *err);
/* The same of its history; `alone`: without the table itself. */
bool load_advise_missing_history(const struct store *lake, const char *folder, const char *schema, const char *table,
                                 bool alone, struct error *err);
/* Always false: the table's files are in the folder, and the catalog does not lead to them. */
bool load_advise_lost_entry(const struct store *lake, const char *folder, struct error *err);
/* Always false: the folder has a table of another format. */
bool load_advise_other_format(const struct store *lake, const char *folder, const char *format, struct error *err);

#endif
