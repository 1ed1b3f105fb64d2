#include "app/lake_access.h"

bool lake_access_open(const struct config *config, struct lake_access *out, struct error *err) {
    const struct engine_options options = {
        .memory_limit_bytes = config->memory_limit_bytes,
        .threads = (unsigned)config->threads,
        .temp_folder = config->temp_folder,
    };
    return lake_init(config, &out->format, &out->lake, err) && engine_open(&options, &out->lake.engine, err);
}

void lake_access_close(struct lake_access *access) { lake_deinit(&access->lake); }
