/* What was said about a table: a process that makes pass after pass says it once, not with each. */
#ifndef SLUICE_TASK_LOAD_SAID_H
#define SLUICE_TASK_LOAD_SAID_H

#include <stdbool.h>

#include "task/load.h"

enum load_said_kind {
    SAID_ERROR, /* said again after an hour */
    SAID_FUTURE_FILE,
    SAID_SKIPPED_CHANGES,
    SAID_UNKNOWN_FILES,
    SAID_KEY,
};

/* True when the text is to be said: it is new, or another than the last of this kind about the table. Always true without a
 * memory (NULL). Thread-safe. */
bool load_said_is_new(struct load_said *said, const char *path, enum load_said_kind kind, const char *text);
/* The table works again: its error is worth a line when it comes back. */
void load_said_forget_error(struct load_said *said, const char *path);

#endif
