/* Named places at which a test build dies, fails or stops on request, so that crash tests do it exactly there.
 *
 * SLUICE_FAULT=<point>[:<n>[:error|:stop]] in the environment: the n-th time (default 1) that the point is passed, the process
 * kills itself with SIGKILL; with ":error" the call fails with kind RETRY; with ":stop" it is as if SIGTERM came. SLUICE_FAULT_LOG=<file> appends the name of
 * every point passed for the first time, so that a test can list them all. Without -Dfault_points=true a point is nothing. */
#ifndef SLUICE_BASE_FAULT_H
#define SLUICE_BASE_FAULT_H

#include <stdbool.h>

#include "base/error.h"

#ifdef SLUICE_FAULT_POINTS
bool fault_hit(const char *point, struct error *err);
#else
static inline bool fault_hit(const char *point, struct error *err) {
    (void)point;
    (void)err;
    return true;
}
#endif

/* Use: `if (!fault_point("capture.files_durable", err)) goto done;`. Names are <verb>.<state>, in the order of the run. */
#define fault_point(point, err) fault_hit(point, err)

#endif
