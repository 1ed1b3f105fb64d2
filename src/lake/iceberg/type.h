/* Iceberg's primitive types. Nested types and those that only pass through sluice (struct, list, map, variant, geometry, …)
 * are ICEBERG_OTHER: the schema keeps them as the JSON that they came as. */
#ifndef SLUICE_LAKE_ICEBERG_TYPE_H
#define SLUICE_LAKE_ICEBERG_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/type.h"

enum iceberg_type_kind {
    ICEBERG_OTHER,
    ICEBERG_BOOLEAN,
    ICEBERG_INT,
    ICEBERG_LONG,
    ICEBERG_FLOAT,
    ICEBERG_DOUBLE,
    ICEBERG_DECIMAL,
    ICEBERG_DATE,
    ICEBERG_TIME,
    ICEBERG_TIMESTAMP,
    ICEBERG_TIMESTAMPTZ,
    ICEBERG_TIMESTAMP_NS,
    ICEBERG_TIMESTAMPTZ_NS,
    ICEBERG_STRING,
    ICEBERG_UUID,
    ICEBERG_FIXED,
    ICEBERG_BINARY,
};

struct iceberg_type {
    enum iceberg_type_kind kind;
    uint8_t precision; /* DECIMAL: 1..38 */
    uint8_t scale;     /* DECIMAL: 0..precision */
    uint32_t length;   /* FIXED: bytes */
};

enum { ICEBERG_TYPE_TEXT_BYTES = 32 };

/* "decimal(9, 2)", "fixed[16]", "timestamptz", ...: the words of schemas. False for a text that names no primitive type. */
bool iceberg_type_parse(const char *text, struct iceberg_type *out);
void iceberg_type_format(struct iceberg_type type, char out[ICEBERG_TYPE_TEXT_BYTES]); /* not for OTHER */
bool iceberg_type_equal(struct iceberg_type a, struct iceberg_type b);

/* The Iceberg type of a lake type (a result of type_for_lake): exact for all of them. */
struct iceberg_type iceberg_type_of(struct type type);
/* The lake type that holds the same values; false where there is none (uuid, fixed, nanoseconds, OTHER). */
bool iceberg_type_to_lake(struct iceberg_type type, struct type *out);

/* Bytes that hold every unscaled value of a decimal: the size of its Avro and Parquet fixed. */
unsigned iceberg_decimal_bytes(unsigned precision);

#endif
