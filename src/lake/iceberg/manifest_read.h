/* Typed access to the fields of an Avro record, with defaults: every step keeps the first failure. Shared by the readers of
 * manifest lists and manifests. */
#ifndef SLUICE_LAKE_ICEBERG_MANIFEST_READ_H
#define SLUICE_LAKE_ICEBERG_MANIFEST_READ_H

#include "lake/iceberg/avro.h"

struct iceberg_fields {
    struct arena *arena; /* of what is returned */
    const struct avro_value *record;
    const char *failed; /* the name of the first field that was missing or of another type; NULL: none */
};

void iceberg_fields_fail(struct iceberg_fields *fields, const char *name);
/* `missing` stands for a null or a field that is not there. */
int64_t iceberg_fields_long(struct iceberg_fields *fields, int32_t id, const char *name, int64_t missing);
/* The same, at most ICEBERG_COUNT_MAX. */
int64_t iceberg_fields_count(struct iceberg_fields *fields, int32_t id, const char *name);
int32_t iceberg_fields_int(struct iceberg_fields *fields, int32_t id, const char *name, int32_t missing);
bool iceberg_fields_bool(struct iceberg_fields *fields, int32_t id, bool missing);
/* A copy; data NULL when it is null. */
struct slice iceberg_fields_bytes(struct iceberg_fields *fields, int32_t id);
/* Required, and a text without NUL: "" when it failed. */
const char *iceberg_fields_text(struct iceberg_fields *fields, int32_t id, const char *name);

#endif
