/* What the decoders of the binlog share: the wire's type codes and its packed integer. Only mysql_*.c include this. */
#ifndef SLUICE_SOURCE_MYSQL_WIRE_H
#define SLUICE_SOURCE_MYSQL_WIRE_H

#include "base/cursor.h"

/* Column types on the wire: enum_field_types of MySQL's include/field_types.h; 140 and 141 are MariaDB's. */
enum {
    MYSQL_WIRE_TINY = 1,
    MYSQL_WIRE_SHORT = 2,
    MYSQL_WIRE_LONG = 3,
    MYSQL_WIRE_FLOAT = 4,
    MYSQL_WIRE_DOUBLE = 5,
    MYSQL_WIRE_TIMESTAMP = 7,
    MYSQL_WIRE_LONGLONG = 8,
    MYSQL_WIRE_INT24 = 9,
    MYSQL_WIRE_DATE = 10,
    MYSQL_WIRE_TIME = 11,
    MYSQL_WIRE_DATETIME = 12,
    MYSQL_WIRE_YEAR = 13,
    MYSQL_WIRE_NEWDATE = 14,
    MYSQL_WIRE_VARCHAR = 15,
    MYSQL_WIRE_BIT = 16,
    MYSQL_WIRE_TIMESTAMP2 = 17,
    MYSQL_WIRE_DATETIME2 = 18,
    MYSQL_WIRE_TIME2 = 19,
    MYSQL_WIRE_BLOB_COMPRESSED = 140,
    MYSQL_WIRE_VARCHAR_COMPRESSED = 141,
    MYSQL_WIRE_VECTOR = 242,
    MYSQL_WIRE_JSON = 245,
    MYSQL_WIRE_NEWDECIMAL = 246,
    MYSQL_WIRE_ENUM = 247,
    MYSQL_WIRE_SET = 248,
    MYSQL_WIRE_TINY_BLOB = 249,
    MYSQL_WIRE_MEDIUM_BLOB = 250,
    MYSQL_WIRE_LONG_BLOB = 251,
    MYSQL_WIRE_BLOB = 252,
    MYSQL_WIRE_VAR_STRING = 253,
    MYSQL_WIRE_STRING = 254,
    MYSQL_WIRE_GEOMETRY = 255,
};

enum { MYSQL_DECIMAL_PRECISION_MAX = 65 };

/* Below 251 the byte itself; fc, fd, fe announce 2, 3, 8 bytes. fb (NULL in result sets) and ff do not occur in the log. */
static inline uint64_t mysql_wire_packed(struct cursor *c) {
    uint8_t first = cursor_u8(c);
    switch (first) {
    case 0xfc:
        return cursor_le(c, 2);
    case 0xfd:
        return cursor_le(c, 3);
    case 0xfe:
        return cursor_le(c, 8);
    case 0xfb:
    case 0xff:
        c->failed = true;
        return 0;
    default:
        return first;
    }
}

#endif
