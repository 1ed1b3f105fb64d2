/* Arrow schemas of Parquet footers on any bytes: a reason is a text, and the column that it names lies in the message. */
#include <stdio.h>
#include <stdlib.h>

#include "lake/iceberg/iceberg_arrow.h"

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_iceberg_arrow: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice message = {(const char *)data, size}, column;
    const char *why = iceberg_arrow_misfit(message, &column);
    require(why != NULL || column.data == NULL, "a column without a reason");
    if (column.data != NULL)
        require(column.data >= message.data && column.data + column.len <= message.data + message.len,
                "a column that is not in the message");
    return 0;
}
