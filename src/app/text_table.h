/* A table of text on a terminal: columns aligned by the width that their characters take, numbers to the right.
 *
 *    id | name      | price
 *   ----+-----------+-------
 *     1 | Sandstone |  2.50
 *     2 | NULL      | 10.00
 *
 * Rows are kept until they are printed. A table of any length is printed in parts: later parts keep the widths that the
 * first one found, or widen them. Control characters and what is no UTF-8 are shown as \n, \t, \x1b. */
#ifndef SLUICE_APP_TEXT_TABLE_H
#define SLUICE_APP_TEXT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct text_table;

struct text_table *text_table_new(size_t columns);
void text_table_free(struct text_table *table); /* NULL is fine */
void text_table_set_column(struct text_table *table, size_t column, const char *name, bool right);
/* The next cell, row by row. data NULL is shown as NULL. Copied. */
void text_table_add(struct text_table *table, const char *data, size_t len);
void text_table_add_text(struct text_table *table, const char *text); /* NULL: as above */
void text_table_add_number(struct text_table *table, int64_t number);
/* Appends the kept rows, below the head if it is the first part, and forgets them. */
void text_table_print(struct text_table *table, struct buf *out);

/* How many columns of a terminal the text takes: 2 for wide characters, 0 for combining ones. */
size_t text_width(const char *data, size_t len);

#endif
