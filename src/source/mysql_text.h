/* Rows of a SELECT, in the server's text -> struct value, in the forms that mysql_row.h makes of the binlog. */
#ifndef SLUICE_SOURCE_MYSQL_TEXT_H
#define SLUICE_SOURCE_MYSQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/change.h"
#include "source/mysql_collations.h"
#include "source/mysql_schema.h"

struct mysql_text;

/* A plan for all columns of a table. The schema and the collations are borrowed; the character sets of its columns were
 * prepared. Kind DATA: names the column that cannot be read. */
bool mysql_text_new(const struct mysql_schema *schema, const struct mysql_collations *collations,
                    struct mysql_text **out, struct error *err);
void mysql_text_free(struct mysql_text *text); /* NULL is fine */

const struct mysql_schema *mysql_text_schema(const struct mysql_text *text);

/* "SELECT `id`, `price` + 0e0, … FROM `shop`.`orders`": the columns in forms that lose nothing. */
void mysql_text_append_select(const struct mysql_text *text, struct buf *out);

/* One row of that SELECT. The values borrow from the cells and from the plan, until the next row. Kind DATA. */
bool mysql_text_row(struct mysql_text *text, char *const *cells, const unsigned long *lengths, const struct value **out,
                    struct error *err);

/* Dates that became NULL so far. */
uint64_t mysql_text_zero_dates(const struct mysql_text *text);

#endif
