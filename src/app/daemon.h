/* `sluice run`: capture in one thread, loads on their schedule in another, until a stop is asked for. */
#ifndef SLUICE_APP_DAEMON_H
#define SLUICE_APP_DAEMON_H

#include <stdbool.h>

#include "base/error.h"
#include "config/config.h"

/* True after a stop that was asked for. Errors that may pass (RETRY, OUTSIDE) are logged and tried again with back-off;
 * others end both threads: CONFIG, DATA and INTERNAL, and CONFLICT of the capture: another process captures the task. */
bool daemon_run(const struct config *config, struct error *err);

#endif
