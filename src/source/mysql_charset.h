/* Character sets of MySQL and MariaDB -> UTF-8.
 *
 * A registry knows which collation id has which character set (the connection code fills it from
 * information_schema.collations). utf8mb3, utf8mb4 and ascii pass through, validated; single-byte sets use a table that the
 * server itself gave; multi-byte sets use iconv. Bytes that are no character are an error of kind DATA.
 * A registry belongs to one thread. */
#ifndef SLUICE_SOURCE_MYSQL_CHARSET_H
#define SLUICE_SOURCE_MYSQL_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { MYSQL_COLLATION_UNKNOWN = 0, MYSQL_COLLATION_BINARY = 63, MYSQL_COLLATION_UTF8MB4 = 45 };

enum mysql_charset_form {
    MYSQL_CHARSET_BINARY, /* bytes, not text */
    MYSQL_CHARSET_UTF8,   /* ascii, utf8mb3, utf8mb4: valid bytes are the UTF-8 text */
    MYSQL_CHARSET_TABLE,  /* one byte a character */
    MYSQL_CHARSET_ICONV,  /* several bytes a character */
};

struct mysql_charset;
struct mysql_charsets;

/* Knows the binary, ascii, utf8mb3 and utf8mb4 collations that every server has; the rest is added. */
struct mysql_charsets *mysql_charsets_new(void);
void mysql_charsets_free(struct mysql_charsets *charsets); /* NULL is fine */

/* A row of information_schema.collations: id, and character_set_name ("latin1", "utf8mb3", "utf8", ...). Kind INTERNAL when
 * the id has another set already, OUTSIDE when a multi-byte set is not known here. Ids up to 65535. */
bool mysql_charsets_add(struct mysql_charsets *charsets, uint16_t collation, const char *name, struct error *err);

/* The charset of a collation, or NULL. */
const struct mysql_charset *mysql_charsets_find(const struct mysql_charsets *charsets, uint16_t collation);
const struct mysql_charset *mysql_charsets_find_name(const struct mysql_charsets *charsets, const char *name);

/* Single-byte sets need their table before the first use. Which ones still do: the name of the n-th, or NULL. */
const char *mysql_charsets_missing_table(const struct mysql_charsets *charsets, size_t n);
/* The query that gives the table: one row, one column of 2048 hexadecimal digits (UTF-32 of the bytes 00 to ff). */
void mysql_charset_table_query(const char *name, struct buf *out);
/* Takes that column. A byte for which the server answers '?' (except 3f) is no character. Kind OUTSIDE. */
bool mysql_charsets_set_table(struct mysql_charsets *charsets, const char *name, const char *hex, struct error *err);

const char *mysql_charset_name(const struct mysql_charset *charset);
enum mysql_charset_form mysql_charset_form(const struct mysql_charset *charset);
/* Bytes of the longest character, as the length of CHAR(n) columns counts them. */
unsigned mysql_charset_max_bytes(const struct mysql_charset *charset);

/* Text -> UTF-8. Where the bytes are the UTF-8 text already, *out points to them and `scratch` is not touched; else the
 * text is written to `scratch` (cleared first). Kind DATA: says the charset, the offset and the bytes. */
bool mysql_charset_decode(const struct mysql_charset *charset, struct slice text, struct buf *scratch,
                          struct slice *out, struct error *err);

#endif
