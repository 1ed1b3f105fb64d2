/* Column types: what the source's column is, what the raw files carry, what the lake table stores.
 *
 * A source maps each of its types to the nearest of these; the mapping loses nothing (where no kind is exact, it is
 * TYPE_STRING). */
#ifndef SLUICE_MODEL_TYPE_H
#define SLUICE_MODEL_TYPE_H

#include <stdbool.h>
#include <stdint.h>

enum type_kind {
    TYPE_BOOLEAN, /* raw text: true, false (1 and 0 are read too) */
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_UINT8,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    TYPE_FLOAT32, /* raw text: the shortest decimal that reads back the same */
    TYPE_FLOAT64,
    TYPE_DECIMAL,     /* precision 1..38, scale 0..precision */
    TYPE_DATE,        /* 2026-11-01 */
    TYPE_TIME,        /* 10:15:00[.ffffff], within one day */
    TYPE_TIMESTAMP,   /* 2026-11-01 10:15:00[.ffffff], without zone; scale = fraction digits written */
    TYPE_TIMESTAMPTZ, /* the same in UTC, an instant */
    TYPE_STRING,      /* UTF-8 */
    TYPE_JSON,        /* UTF-8, stored as string in the lake */
    TYPE_BINARY,      /* raw text: lower-case hexadecimal */
};

struct type {
    enum type_kind kind;
    uint8_t precision; /* DECIMAL only, else 0 */
    uint8_t scale;     /* DECIMAL: digits after the point; TIME, TIMESTAMP, TIMESTAMPTZ: fraction digits 0..6 */
};

enum { TYPE_TEXT_BYTES = 32, TYPE_DECIMAL_PRECISION_MAX = 38 };

/* "bigint", "decimal(10,2)", "timestamp(6)", ...: what `columns:` in the config and the state hold. */
void type_format(struct type type, char out[TYPE_TEXT_BYTES]);

/* The inverse; also takes the usual SQL synonyms (int, integer, varchar, text, string, double, real, float, bool,
 * datetime, bytea, blob, varbinary, numeric, ...), any case. False when the text names no type. */
bool type_parse(const char *text, struct type *type);

bool type_equal(struct type a, struct type b);

/* The type that the lake table stores: what Iceberg v2 can express. INT8, INT16, UINT8, UINT16 -> INT32; UINT32 ->
 * INT64; UINT64 -> DECIMAL(20,0); JSON, TIME -> STRING; fraction digits of timestamps -> 6; the rest is itself. Iceberg
 * has a type for TIME, but Spark and Athena refuse whole tables that use it. */
struct type type_for_lake(struct type type);

/* The name of a lake type (a result of type_for_lake; TIME too, which tables of others may have) in DuckDB's SQL:
 * "DECIMAL(20,0)", "TIMESTAMP WITH TIME ZONE". */
void type_format_sql(struct type type, char out[TYPE_TEXT_BYTES]);

/* True when every value of lake type `from` is a value of lake type `to` and Iceberg allows the promotion:
 * int -> bigint, float -> double, decimal(p,s) -> decimal(p2>=p,s). Equal types are not a widening. */
bool type_is_widening(struct type from, struct type to);

/* The narrowest lake type that holds all values of both, following the rule above; false when there is none. Two times stay
 * times, as a table of others has them. */
bool type_widen(struct type a, struct type b, struct type *out);

#endif
