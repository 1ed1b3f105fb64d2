/* Numbers and times of the wire as text: what row images and binary JSON have in common. Only mysql_*.c include this.
 *
 * Each writes text without a terminating 0 and returns its length; 0 means that the bytes are no such value. */
#ifndef SLUICE_SOURCE_MYSQL_SCALAR_H
#define SLUICE_SOURCE_MYSQL_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MYSQL_DECIMAL_TEXT_BYTES = 72, /* sign, 65 digits, point, a zero before it */
    MYSQL_TIME_TEXT_BYTES = 24,    /* -838:59:59.999999; damaged ones are longer */
    MYSQL_DATETIME_TEXT_BYTES = 28,
};

/* Bytes of a decimal on the wire. */
size_t mysql_decimal_bytes(unsigned precision, unsigned scale);

/* A decimal as the server prints it: "-0.50", all fraction digits. precision 1..65, scale 0..precision. */
size_t mysql_format_decimal(const uint8_t *data, unsigned precision, unsigned scale, char *out);

/* A point in time, field by field, not checked. */
struct mysql_datetime {
    unsigned year, month, day, hour, minute, second, micro;
};

/* "2026-11-01"; 10 bytes. The year has at most four digits. */
size_t mysql_format_date(unsigned year, unsigned month, unsigned day, char *out);
/* "2026-11-01 10:15:00", with `digits` fraction digits (0..6). */
size_t mysql_format_datetime(const struct mysql_datetime *t, unsigned digits, char *out);
/* "[-]10:15:00[.ffffff]"; hours have at least two digits. */
size_t mysql_format_time(bool negative, unsigned hour, unsigned minute, unsigned second, unsigned micro,
                         unsigned digits, char *out);

/* Seconds since 1970 -> UTC. */
struct mysql_datetime mysql_datetime_from_unix(uint32_t seconds, unsigned micro);

/* The 40 bits of a DATETIME without fraction: year * 13 + month (17 bits), day 5, hour 5, minute 6, second 6. */
struct mysql_datetime mysql_datetime_unpack(uint64_t packed, unsigned micro);

#endif
