/* Time: wall clock in microseconds since 1970-01-01 UTC, a monotonic clock, and the texts that the formats use. */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_TEXT_BYTES = 40 };

int64_t clock_now_us(void);
int64_t clock_monotonic_ms(void);

/* "2026-11-01T10:15:00.123Z" */
void clock_format_iso(int64_t time_us, char out[CLOCK_TEXT_BYTES]);
/* "2026-11-01 10:15:00.123456"; without fraction when it is zero and not asked for. */
void clock_format_sql(int64_t time_us, bool always_fraction, char out[CLOCK_TEXT_BYTES]);
/* Reads "2026-11-01", "2026-11-01 10:15:00[.f…]" or the same with T and Z. False when it is none of them. */
bool clock_parse_sql(const char *text, int64_t *time_us);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day);
void clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif
