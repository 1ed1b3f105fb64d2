/* What the commands' rows look like on paper: the overview, one command's help, the manual page. */
#ifndef SLUICE_APP_HELP_H
#define SLUICE_APP_HELP_H

#include "app/command.h"

/* The command of that name, one or two words; NULL: none. */
const struct command *help_find_command(const char *name);
/* True when the word is the first of a command's two. */
bool help_begins_command(const char *word);

void help_write_overview(struct buf *out);
void help_write_command(struct buf *out, const struct command *command);
/* docs/sluice.1, which `sluice help manual` prints. */
void help_write_manual(struct buf *out);

#endif
