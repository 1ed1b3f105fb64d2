#include "app/lake_access.h"

bool lake_access_open(const struct config *config, struct lake_access *out, struct error *err) {
    const struct engine_options options = {
        .memory_limit_bytes = config->memory_limit_bytes,
        .threads = (unsigned)config->threads,
        .temp_folder = config->temp_folder,
    };
    *out = (struct lake_access){.lake.target_file_size_bytes = (uint64_t)config->lake.target_file_size_bytes};
    out->format = lake_format_require(config->lake.format, err);
    return out->format != NULL && store_open(config->lake.location, &out->lake.store, err) &&
           engine_open(&options, &out->lake.engine, err);
}

void lake_access_close(struct lake_access *access) {
    engine_close(access->lake.engine);
    store_close(access->lake.store);
}
