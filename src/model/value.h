/* Reading the texts of raw files as typed values, and writing numbers as text. Used by the loader (text -> lake) and
 * the sources (wire -> text), so that both agree on every form.
 *
 * The parsers take the whole slice or nothing: false means the text is not a value of that type (or does not fit). */
#ifndef SLUICE_MODEL_VALUE_H
#define SLUICE_MODEL_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/type.h"

/* The unscaled integer of a decimal. The one typedef: without it every use needs __extension__ under -Wpedantic. */
__extension__ typedef __int128 value_decimal;

bool value_parse_bool(struct slice text, bool *out); /* true, false, t, f, 1, 0 in any case */
bool value_parse_int64(struct slice text, int64_t *out);
/* Also nan, inf and infinity with sign; "+5.0656000000000000e+05". */
bool value_parse_float(struct slice text, float *out);
bool value_parse_double(struct slice text, double *out);
/* precision 1..38. More fraction digits than scale are an error unless they are zeros. Exponents are read too. */
bool value_parse_decimal(struct slice text, unsigned precision, unsigned scale, value_decimal *out);
/* "2026-11-01"; years 0001..9999, and four to six digits with sign. */
bool value_parse_date(struct slice text, int32_t *days);
/* "10:15:00.123456", 0 <= t <= 24:00:00. */
bool value_parse_time(struct slice text, int64_t *time_us);
/* "2026-11-01[ T]10:15:00[.ffffff][Z|+hh[:mm]]", or a date alone. With zone_allowed the offset is applied (UTC result);
 * without, a text with a zone is an error, as are more than 6 fraction digits unless the rest is zeros. */
bool value_parse_timestamp(struct slice text, bool zone_allowed, int64_t *time_us);
/* Hexadecimal of even length, any case; to must hold len/2 bytes. */
bool value_parse_hex(struct slice text, uint8_t *to);
bool value_is_utf8(struct slice text);

/* Shortest decimal that reads back the same: "0.1", "1e100", "-0", "nan", "inf"; without exponent from 0.00001 up to
 * below 1e15. (Next to a power of two it may have one digit more than the shortest.) Returns the length; a 0 stands
 * behind it. */
enum { VALUE_FLOAT_BYTES = 32, VALUE_INT_BYTES = 24 };
size_t value_format_float(float v, char out[VALUE_FLOAT_BYTES]);
size_t value_format_double(double v, char out[VALUE_FLOAT_BYTES]);
size_t value_format_int64(int64_t v, char out[VALUE_INT_BYTES]);
size_t value_format_uint64(uint64_t v, char out[VALUE_INT_BYTES]);

/* True when `text` can be a value of `type`: what the inference and the widening ask. Times: no more digits than the
 * scale. */
bool value_fits(struct slice text, struct type type);

/* The narrowest type for inference from text: INT64, DECIMAL, FLOAT64, DATE, TIMESTAMP, BOOLEAN ("true"/"false" only),
 * else STRING. "007", "+1", "1e5x", a blank around a number, and numbers over 38 digits are STRING. DECIMAL has the
 * digits of the text, TIMESTAMP the fraction digits; a number with an exponent, and a negative zero, is FLOAT64. */
struct type value_infer(struct slice text);
/* The narrowest type that holds both inferred ones (INT64+DECIMAL -> DECIMAL, DATE+TIMESTAMP -> TIMESTAMP, ...), else
 * STRING. A number and a FLOAT64 are FLOAT64: a text with an exponent comes from a floating-point column. */
struct type value_infer_merge(struct type a, struct type b);

#endif
