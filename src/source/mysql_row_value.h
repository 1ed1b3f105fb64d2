/* One column of a row image -> struct value. Only mysql_row*.c include this. */
#ifndef SLUICE_SOURCE_MYSQL_ROW_VALUE_H
#define SLUICE_SOURCE_MYSQL_ROW_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/change.h"
#include "source/mysql_charset.h"
#include "source/mysql_column.h"
#include "source/mysql_row.h"

/* How a column is decoded. */
enum row_op {
    ROW_SIGNED, /* `fixed` bytes */
    ROW_UNSIGNED,
    ROW_FLOAT,
    ROW_DOUBLE,
    ROW_DECIMAL,
    ROW_BIT,
    ROW_BOOLEAN,
    ROW_YEAR,
    ROW_DATE,
    ROW_TIME,
    ROW_DATETIME,
    ROW_TIMESTAMP,
    ROW_OLD_TIME, /* before 5.6, without fraction */
    ROW_OLD_DATETIME,
    ROW_OLD_TIMESTAMP,
    ROW_HIRES_TIME, /* MariaDB with mysql56_temporal_format=OFF, with fraction */
    ROW_HIRES_DATETIME,
    ROW_HIRES_TIMESTAMP,
    ROW_ENUM,
    ROW_SET,
    ROW_CHAR, /* the blanks behind the text are not part of it */
    ROW_TEXT,
    ROW_BINARY, /* 00 bytes behind it were left away */
    ROW_BYTES,
    ROW_COMPRESSED_TEXT,
    ROW_COMPRESSED_BYTES,
    ROW_JSON,
    ROW_GEOMETRY,
    ROW_UUID,
    ROW_INET4,
    ROW_INET6,
};

struct row_column {
    uint8_t op;     /* enum row_op */
    uint8_t fixed;  /* bytes on the wire; 0: a length of `prefix` bytes comes first */
    uint8_t prefix; /* 1..4 */
    uint8_t precision, scale;
    uint16_t to;         /* the place of the value */
    uint32_t length;     /* BIT: bits; BINARY: bytes; text with a declared length: bytes at most, else UINT32_MAX */
    uint32_t slot_bytes; /* room that the value needs in the row's scratch */
    size_t slot;         /* where that is */
    const struct mysql_charset *charset;
    const struct slice *labels; /* UTF-8 */
    size_t label_count;
    struct buf text[2];     /* converted text and JSON, per image */
    struct buf inflated[2]; /* compressed columns */
};

/* How `column` is decoded; labels and slot are the caller's. The column passed mysql_column_type. Kind DATA. */
bool mysql_row_column_init(struct row_column *out, const struct mysql_column *column,
                           const struct mysql_charsets *charsets, struct error *err);
void mysql_row_column_deinit(struct row_column *column);

/* Decodes the column's value at *pos and moves behind it. `slot` has slot_bytes; image 0 or 1. Kind DATA. */
bool mysql_row_decode_value(struct row_column *column, unsigned image, char *slot, const uint8_t **pos,
                            const uint8_t *end, struct mysql_row_counters *counters, struct value *out,
                            struct error *err);

#endif
