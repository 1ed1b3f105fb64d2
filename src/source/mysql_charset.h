/* Character sets of MySQL and MariaDB -> UTF-8.
 *
 * A registry knows which collation id has which character set; the connection code fills it from
 * information_schema.collations. ascii, utf8mb3 and utf8mb4 pass through, validated; ucs2, utf16, utf16le and utf32 are
 * computed; every other set is decoded by a table that the server itself gave (mysql_charset_table_query), because other
 * tables of the same name differ from the servers' (big5 of iconv in 267 characters, sjis in 129). So the text is what a
 * SELECT over a utf8mb4 connection gives, and bytes that are no character are an error of kind DATA, never a wrong character.
 * A registry belongs to one thread. */
#ifndef SLUICE_SOURCE_MYSQL_CHARSET_H
#define SLUICE_SOURCE_MYSQL_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { MYSQL_COLLATION_UNKNOWN = 0, MYSQL_COLLATION_UTF8MB4 = 45, MYSQL_COLLATION_BINARY = 63 };

struct mysql_charset;
struct mysql_charsets;

/* Knows the collations binary, ascii, utf8mb3 and utf8mb4 that every server has; the rest is added. */
struct mysql_charsets *mysql_charsets_new(void);
void mysql_charsets_free(struct mysql_charsets *charsets); /* NULL is fine */

/* A row of information_schema.collations: id, and character_set_name ("latin1", "utf8mb3", "utf8", ...). A set not known
 * here is taken for a single-byte one when max_bytes (character_sets.maxlen) is 1, and is an error of kind OUTSIDE else. */
bool mysql_charsets_add(struct mysql_charsets *charsets, uint16_t collation, const char *name, unsigned max_bytes,
                        struct error *err);

/* The charset of a collation, or NULL. Lives as long as the registry. */
const struct mysql_charset *mysql_charsets_find(const struct mysql_charsets *charsets, uint16_t collation);
const struct mysql_charset *mysql_charsets_find_name(const struct mysql_charsets *charsets, const char *name);

/* False for a set that needs its table first: run the query (one row, one column, on a utf8mb4 connection; well under 1 MB)
 * and hand over that column. Do it for the sets that captured columns use. Kind OUTSIDE. */
bool mysql_charset_is_ready(const struct mysql_charset *charset);
void mysql_charset_table_query(const struct mysql_charset *charset, struct buf *out);
bool mysql_charsets_set_table(struct mysql_charsets *charsets, const char *name, struct slice column,
                              struct error *err);

const char *mysql_charset_name(const struct mysql_charset *charset);
bool mysql_charset_is_binary(const struct mysql_charset *charset);
/* Bytes of the longest character, as the length of CHAR(n) columns counts them. */
unsigned mysql_charset_max_bytes(const struct mysql_charset *charset);

/* Text -> UTF-8. Where the bytes are the UTF-8 text already, *out points to them and `scratch` is not touched; else the
 * text is written to `scratch` (cleared first). Kind DATA: says the charset, the offset and the bytes; also when the set is
 * binary or not ready. */
bool mysql_charset_decode(const struct mysql_charset *charset, struct slice text, struct buf *scratch,
                          struct slice *out, struct error *err);

#endif
