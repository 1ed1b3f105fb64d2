#include "app/lake_access.h"

#include "config/suggest.h"
#include "registry.h"

const struct lake_format_ops *lake_access_format(const char *name, struct error *err) {
    const struct lake_format_ops *format = lake_format_find(name);
    if (format != NULL)
        return format;
    enum { FORMATS_MAX = 16 };
    const char *known[FORMATS_MAX];
    size_t count = 0;
    for (; count < FORMATS_MAX && registry_lake_formats[count] != NULL; count++)
        known[count] = registry_lake_formats[count]->name;
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    suggest_append(&hint, name, known, count);
    error_set(err, ERROR_CONFIG, "lake.format: this build has no table format \"%s\"%s", name, hint.data);
    buf_deinit(&hint);
    return NULL;
}

bool lake_access_open(const struct config *config, struct lake_access *out, struct error *err) {
    const struct engine_options options = {
        .memory_limit_bytes = config->memory_limit_bytes,
        .threads = (unsigned)config->threads,
        .temp_folder = config->temp_folder,
    };
    *out = (struct lake_access){.lake.target_file_size_bytes = (uint64_t)config->lake.target_file_size_bytes};
    out->format = lake_access_format(config->lake.format, err);
    return out->format != NULL && store_open(config->lake.location, &out->lake.store, err) &&
           engine_open(&options, &out->lake.engine, err);
}

void lake_access_close(struct lake_access *access) {
    engine_close(access->lake.engine);
    store_close(access->lake.store);
}
