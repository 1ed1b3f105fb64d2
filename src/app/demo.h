/* `sluice demo`: the walk-through of the AWS blog on a private MariaDB that it starts itself. Every step runs this very
 * program with the command that a user would type, and shows it. */
#ifndef SLUICE_APP_DEMO_H
#define SLUICE_APP_DEMO_H

#include <stdbool.h>

#include "base/error.h"

/* Runs the whole walk-through in a temporary folder, which is removed at the end, with the server, unless `keep`: then the
 * folder stays and is named. Kind CONFIG when there is no MariaDB on this machine: says what to install. */
bool demo_run(bool keep, struct error *err);

#endif
