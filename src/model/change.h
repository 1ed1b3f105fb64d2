/* Row changes as they travel from a source to the raw files: text values, borrowed. */
#ifndef SLUICE_MODEL_CHANGE_H
#define SLUICE_MODEL_CHANGE_H

#include <stddef.h>
#include <stdint.h>

enum change_op { CHANGE_INSERT = 'I', CHANGE_UPDATE = 'U', CHANGE_DELETE = 'D' };

enum value_kind {
    VALUE_NULL,
    VALUE_UNCHANGED, /* not sent by the source: the lake keeps what it has */
    VALUE_PLAIN,     /* ASCII text that never needs quotes in CSV: numbers, dates, times, hexadecimal, booleans */
    VALUE_TEXT,      /* UTF-8 text */
    VALUE_BYTES,     /* raw bytes; written as lower-case hexadecimal */
};

/* One column's value. data is borrowed: valid until the next row is asked for. */
struct value {
    const char *data;
    uint32_t len;
    uint8_t kind; /* enum value_kind */
};

#endif
