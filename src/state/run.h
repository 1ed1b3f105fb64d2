/* Run history: what each load of each table did. Kind "run", key "<path>#<run id>"; run ids sort by time. */
#ifndef SLUICE_STATE_RUN_H
#define SLUICE_STATE_RUN_H

#include "base/mem.h"
#include "state/state.h"

enum { RUN_ID_BYTES = 40, RUN_KEEP = 100 };

/* "20261101T101500123456-<pid hex><counter hex>": unique, sorts by time. */
void run_make_id(char out[RUN_ID_BYTES]);

struct run_row {
    const char *run_id;
    const char *path;
    const char *started, *finished;
    const char *outcome; /* "loaded", "nothing to do", "failed" */
    const char *error;   /* NULL when none */
    int64_t files, rows, duration_ms;
};

bool run_put(struct state *state, const struct run_row *row,
             struct error *err); /* keeps the newest RUN_KEEP per path */
bool run_list(struct state *state, struct arena *arena, const char *path, struct run_row **out, size_t *count,
              struct error *err); /* oldest first */

#endif
