/* Amounts with a unit, as people write them: durations and sizes. */
#ifndef SLUICE_CONFIG_QUANTITY_H
#define SLUICE_CONFIG_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* "500ms", "30s", "1.5m", "2 hours", "1d"; a plain number is seconds. False when it is none of them, below zero, over
 * ten thousand years, or finer than a microsecond. */
bool quantity_parse_duration(const char *text, int64_t *duration_us);

/* "512MB", "32 MB", "1GiB", "100kb"; K, M, G, T are powers of 1024. A plain number is in units of plain_unit bytes. False
 * when it is none of them or no whole number of bytes below 2^60. */
bool quantity_parse_size(const char *text, int64_t plain_unit, int64_t *size_bytes);

#endif
