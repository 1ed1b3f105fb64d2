/* A column as MySQL or MariaDB declares it, put together from the two places that know it: the table map event of the
 * binlog (always the wire type; with binlog_row_metadata=FULL nearly all) and information_schema.columns. */
#ifndef SLUICE_SOURCE_MYSQL_COLUMN_H
#define SLUICE_SOURCE_MYSQL_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/type.h"

enum mysql_kind {
    MYSQL_KIND_UNKNOWN,
    MYSQL_KIND_TINYINT,
    MYSQL_KIND_SMALLINT,
    MYSQL_KIND_MEDIUMINT,
    MYSQL_KIND_INT,
    MYSQL_KIND_BIGINT,
    MYSQL_KIND_FLOAT,
    MYSQL_KIND_DOUBLE,
    MYSQL_KIND_DECIMAL,
    MYSQL_KIND_BIT,
    MYSQL_KIND_YEAR,
    MYSQL_KIND_DATE,
    MYSQL_KIND_TIME,
    MYSQL_KIND_DATETIME,
    MYSQL_KIND_TIMESTAMP,
    MYSQL_KIND_CHAR,    /* also BINARY: collation 63 */
    MYSQL_KIND_VARCHAR, /* also VARBINARY */
    MYSQL_KIND_TEXT,    /* TINYTEXT .. LONGTEXT, TINYBLOB .. LONGBLOB */
    MYSQL_KIND_ENUM,
    MYSQL_KIND_SET,
    MYSQL_KIND_JSON, /* MySQL's binary JSON; MariaDB's JSON is LONGTEXT */
    MYSQL_KIND_GEOMETRY,
    MYSQL_KIND_VECTOR,
    MYSQL_KIND_INET4, /* MariaDB; on the wire BINARY(4), BINARY(16), BINARY(16) */
    MYSQL_KIND_INET6,
    MYSQL_KIND_UUID,
};

struct mysql_column {
    const char *name; /* UTF-8; NULL when not known */
    enum mysql_kind kind;
    bool is_unsigned;    /* integers, DECIMAL, FLOAT, DOUBLE */
    bool has_signedness; /* is_unsigned is known */
    bool nullable;
    bool hidden; /* INVISIBLE */
    bool has_visibility;
    bool compressed;    /* MariaDB's COMPRESSED attribute */
    uint8_t precision;  /* DECIMAL: digits */
    uint8_t scale;      /* DECIMAL: digits after the point; TIME, DATETIME, TIMESTAMP: fraction digits 0..6 */
    uint32_t length;    /* BIT: bits; CHAR, VARCHAR: bytes, or 0 = not known; TEXT, JSON, GEOMETRY, VECTOR: bytes of
                                  the length on the wire */
    uint16_t collation; /* CHAR, VARCHAR, TEXT, ENUM, SET; MYSQL_COLLATION_UNKNOWN when not known */
    const struct slice *labels; /* ENUM, SET: the names in order; NULL when not known */
    size_t label_count;
    bool labels_utf8;   /* the labels are UTF-8 already (information_schema), not in the column's charset (map) */
    bool unknown_scale; /* a temporal type in a format before 5.6: the wire does not tell its fraction digits */
    uint8_t wire_type;  /* the code of the table map, ENUM and SET resolved; 0 when it comes from
                                  information_schema */
};

/* What information_schema.columns says; the texts are borrowed. */
struct mysql_column_info {
    const char *name; /* column_name */
    const char
        *column_type;   /* "int(10) unsigned zerofill", "enum('a','it''s')", "decimal(10,2)", "datetime(6)", "uuid" */
    uint16_t collation; /* the id of collation_name; 0 when that is NULL (then text types are binary) */
    unsigned char_max_bytes; /* mysql_charset_max_bytes of the collation's charset; 0 when there is none */
    bool nullable;
    const char *extra; /* "INVISIBLE", ...; NULL is fine */
};

/* Reads column_type. Everything is copied into the arena. An unknown type gives MYSQL_KIND_UNKNOWN, not an error; kind DATA
 * when the text cannot be read (an unfinished enum list). */
bool mysql_column_from_info(struct arena *arena, const struct mysql_column_info *info, struct mysql_column *out,
                            struct error *err);

/* Completes a column of a table map by what information_schema says of the column at the same place: name, signedness,
 * collation, labels, and MariaDB's UUID, INET4, INET6, which the wire does not tell from BINARY. What the map says itself is
 * never overruled. Kind DATA when both cannot be the same column (another type, length or precision): information_schema
 * is newer or older than the log. The texts of `info` are borrowed from then on. */
bool mysql_column_complete(struct mysql_column *column, const struct mysql_column *info, struct error *err);

/* True when the map alone does not say what the column is, even with binlog_row_metadata=FULL: what it names is not known,
 * its format is one from before 5.6, or (MariaDB) it may be a UUID, INET4 or INET6. */
bool mysql_column_needs_info(const struct mysql_column *column, bool mariadb);

/* The type of the raw files and the lake. Text with unknown collation, an integer with unknown signedness, an ENUM without
 * labels and an unknown kind are errors of kind DATA that say which setting mends it. */
bool mysql_column_type(const struct mysql_column *column, struct type *out, struct error *err);

/* The declaration in words, as information_schema prints it without display widths: "int unsigned", "varchar(30)" (the
 * length in characters needs max_bytes of the charset; 1 is fine for bytes). For struct column.source_type. */
void mysql_column_describe(const struct mysql_column *column, unsigned char_max_bytes, struct buf *out);

/* True for a date that exists. Zero dates, partial zero dates, the year 0 and days that ALLOW_INVALID_DATES let in do not:
 * they become NULL and are counted, in the full load as in the binlog. */
bool mysql_date_exists(unsigned year, unsigned month, unsigned day);

#endif
