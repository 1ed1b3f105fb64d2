/* A lake table's version: whatever the bytes are, there is a version that can be written again, or an error. */
#include <stdint.h>
#include <stdlib.h>

#include "lake/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct buf text;
    struct error err = {0};
    struct parquet_version version, again;
    arena_init(&arena);
    buf_init(&text, BUF_MAX_DEFAULT);
    if (parquet_version_read(&arena, (const char *)data, size, &version, &err)) {
        parquet_version_write(&version, &text);
        if (!parquet_version_read(&arena, text.data, text.len, &again, &err) ||
            again.file_count != version.file_count || parquet_version_rows(&again) != parquet_version_rows(&version))
            abort();
    } else if (err.kind != ERROR_DATA && err.kind != ERROR_CONFIG) {
        abort();
    }
    buf_deinit(&text);
    arena_deinit(&arena);
    return 0;
}
