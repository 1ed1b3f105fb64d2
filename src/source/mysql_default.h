/* Column defaults -> raw text: what information_schema.columns says of a default, in the two dialects of MySQL (the bare
 * value) and MariaDB (an SQL literal or expression). */
#ifndef SLUICE_SOURCE_MYSQL_DEFAULT_H
#define SLUICE_SOURCE_MYSQL_DEFAULT_H

#include "source/mysql_schema.h"

struct mysql_default_info {
    const char *text;  /* column_default; NULL when that is NULL */
    const char *extra; /* "DEFAULT_GENERATED", "auto_increment", "VIRTUAL GENERATED", … */
    bool mariadb;
};
struct mysql_default mysql_default_read(struct arena *arena, const struct mysql_column *column,
                                        const struct mysql_default_info *info);

/* What a literal of a statement is in the column: 5, text, 0x6162, b'101'. And what rows that exist get in a NOT NULL column
 * without a default. */
struct mysql_default mysql_default_of_literal(struct arena *arena, const struct mysql_column *column, const char *text);
struct mysql_default mysql_default_implicit(struct arena *arena, const struct mysql_column *column);

/* A raw text as a row's value: hexadecimal becomes bytes again. Lives in the arena or borrows the text. */
struct value mysql_default_value(struct arena *arena, struct type type, const char *text);

#endif
