/* A stop that was asked for: SIGINT and SIGTERM set a flag that long work looks at, and wake whoever sleeps. */
#ifndef SLUICE_BASE_CANCEL_H
#define SLUICE_BASE_CANCEL_H

#include <stdbool.h>

#include "base/error.h"

/* Catches SIGINT and SIGTERM (a second one ends the process at once) and ignores SIGPIPE. Call once, in main. */
void cancel_install(void);
/* The same from inside the program. */
void cancel_request(void);
bool cancel_requested(void);
/* False with kind CANCELLED once a stop was asked for: `if (!cancel_check(err)) goto done;` */
bool cancel_check(struct error *err);
/* Sleeps; returns early, and false, when a stop was asked for. */
bool cancel_sleep_ms(long duration_ms);

#endif
