/* Single values in the binary form of the specification's Appendix D: what bounds, partition values and partition summaries
 * are kept as. A value is a slice; its data is NULL for null. The type says how to read it.
 *
 *   boolean 1 byte; int, date 4 bytes and long, time, timestamps 8 bytes, little-endian; float 4, double 8 bytes;
 *   decimal two's complement, big-endian, as few bytes as it takes; string UTF-8; uuid 16 bytes; fixed and binary as is */
#ifndef SLUICE_LAKE_ICEBERG_VALUE_H
#define SLUICE_LAKE_ICEBERG_VALUE_H

#include <jansson.h>

#include "base/buf.h"
#include "lake/iceberg/avro.h"
#include "lake/iceberg/type.h"
#include "model/value.h"

static inline bool iceberg_value_is_null(struct slice value) { return value.data == NULL; }

/* Values from C's own; the bytes live in the arena. INT and DATE take numbers that fit 32 bits. */
struct slice iceberg_value_of_int(struct arena *arena, struct iceberg_type type, int64_t v);
struct slice iceberg_value_of_decimal(struct arena *arena, value_decimal unscaled);
struct slice iceberg_value_of_bytes(struct arena *arena, struct slice bytes);

/* And back; the value is valid for its type and not null. */
int64_t iceberg_value_to_int(struct iceberg_type type, struct slice value); /* BOOLEAN to TIMESTAMPTZ_NS but DECIMAL */
double iceberg_value_to_double(struct iceberg_type type, struct slice value);
value_decimal iceberg_value_to_decimal(struct slice value);

/* True when the bytes can be a value of the type. Null is valid. */
bool iceberg_value_is_valid(struct iceberg_type type, struct slice value);

/* The value as `type` has it: what was written before the column was promoted (int to long, float to double) becomes as long
 * as it would be now. Null when it is not valid for the type. */
struct slice iceberg_value_promote(struct arena *arena, struct iceberg_type type, struct slice value);

/* Order as Iceberg has it: -0 before +0, texts and bytes unsigned, byte by byte. Both valid and not null. */
int iceberg_value_compare(struct iceberg_type type, struct slice a, struct slice b);
bool iceberg_value_is_nan(struct iceberg_type type, struct slice value);

/* From the text that the engine gives for a value of a lake type (CAST AS VARCHAR; bytes as hexadecimal). False when it is
 * none. The types are those of iceberg_type_of. */
bool iceberg_value_parse(struct arena *arena, struct iceberg_type type, struct slice text, struct slice *out);
/* The text of a value in partition folders, as Iceberg's own writers have it: dates and times in ISO's form, bytes in
 * base 64, "null". */
void iceberg_value_append_text(struct buf *out, struct iceberg_type type, struct slice value);

/* Bounds of texts and bytes are cut to so many characters or bytes (others stay): the lower as it is, the upper raised in its
 * last place. *out null: there is no such upper bound. */
enum { ICEBERG_BOUND_LENGTH = 16 };
struct slice iceberg_bound_lower(struct arena *arena, struct iceberg_type type, struct slice value);
struct slice iceberg_bound_upper(struct arena *arena, struct iceberg_type type, struct slice value);

/* The Avro type of a partition field; fixed types are named after its id, because a name may be defined only once. */
json_t *iceberg_type_to_avro(struct iceberg_type type, int32_t field_id);                   /* new reference */
void iceberg_value_put_avro(struct buf *out, struct iceberg_type type, struct slice value); /* not null */
/* The value that an Avro file holds, in the form of its own type: promote it to the type wanted. Null for what is no single
 * value. */
struct slice iceberg_value_from_avro(struct arena *arena, const struct avro_value *value);

#endif
