/* The folder where the engine spills what does not fit in memory: one of its own below the configured one. It is locked
 * while the process lives, so that a later process can tell the leftovers of a killed one and removes them. */
#ifndef SLUICE_ENGINE_SPILL_H
#define SLUICE_ENGINE_SPILL_H

#include "base/error.h"

struct spill_folder;

/* Creates parent (when missing) and "<parent>/sluice-spill-XXXXXX"; removes abandoned ones beside it. */
bool spill_open(const char *parent, struct spill_folder **out, struct error *err);
const char *spill_path(const struct spill_folder *folder);
/* Removes the folder with what is in it. */
void spill_close(struct spill_folder *folder); /* NULL is fine */

#endif
