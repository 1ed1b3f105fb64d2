/* The lake as the commands open it: the config's store, table format and engine. */
#ifndef SLUICE_APP_LAKE_ACCESS_H
#define SLUICE_APP_LAKE_ACCESS_H

#include "base/error.h"
#include "config/config.h"
#include "engine/engine.h"
#include "lake/lake.h"

struct lake_access {
    const struct lake_format_ops *format;
    struct lake lake; /* store and engine */
};

/* Release with lake_access_close, also after false. */
bool lake_access_open(const struct config *config, struct lake_access *out, struct error *err);
void lake_access_close(struct lake_access *access);

#endif
