/* sluice.yaml and the texts in it: whatever the bytes are, there is a config or an error, and nothing else happens. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config *config = NULL;
    struct error err = {0};
    if (!config_parse((const char *)data, size, "fuzz", &config, &err) && err.kind != ERROR_CONFIG)
        abort();
    config_free(config);

    char *text = mem_strndup((const char *)data, size);
    struct schedule schedule;
    int64_t next_us;
    if (schedule_parse(text, &schedule, &err) && schedule_next(&schedule, INT64_C(1793000000000000), &next_us) &&
        next_us < INT64_C(1793000000000000))
        abort();
    mem_free(text);
    return 0;
}
