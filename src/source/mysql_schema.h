/* Tables as information_schema shows them now. */
#ifndef SLUICE_SOURCE_MYSQL_SCHEMA_H
#define SLUICE_SOURCE_MYSQL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "model/table.h"
#include "source/mysql_collations.h"
#include "source/mysql_column.h"
#include "source/mysql_conn.h"

/* What rows have in a column that no statement gave a value. */
struct mysql_default {
    bool known;       /* false: an expression, a generated column, AUTO_INCREMENT */
    const char *text; /* as raw text; NULL = NULL */
};

struct mysql_schema_column {
    struct mysql_column column;
    const char
        *source_type; /* "varchar(30) character set latin1": enough to read the column's wire form without asking */
    struct mysql_default initial;
    bool generated;
};

struct mysql_schema {
    const char *schema, *name;
    const char *engine;
    struct mysql_schema_column *columns;
    size_t column_count;
    const uint16_t *key;
    size_t key_count;
    bool versioned; /* MariaDB, WITH SYSTEM VERSIONING */
};

/* Behind the source_type of the column that ends the life of a row version. It is no part of the key: the lake has the rows
 * that live. */
#define MYSQL_ROW_END_WORDS " generated always as row end"
bool mysql_schema_is_row_end(const char *source_type); /* NULL is fine */

/* Does the configuration choose this table? The server's own schemas never. */
bool mysql_schema_is_chosen(const struct config_source *config, const char *schema, const char *name);

/* The chosen tables, sorted by schema and name; views and sequences are none. Everything in the arena. */
struct mysql_schema_name {
    const char *schema, *name, *engine;
};
bool mysql_schema_list(struct mysql_conn *conn, const struct config_source *config, struct arena *arena,
                       struct mysql_schema_name **out, size_t *count, struct error *err);

/* *out NULL when there is no such table (any more). Kind DATA when a column's type cannot be read. */
bool mysql_schema_read(struct mysql_conn *conn, const struct mysql_collations *collations, struct arena *arena,
                       const char *schema, const char *name, struct mysql_schema **out, struct error *err);
const struct mysql_schema_column *mysql_schema_find(const struct mysql_schema *schema, const char *column);

/* The table as the rest of sluice sees it, without ids. Kind DATA: names table and column. */
bool mysql_schema_to_table(const struct mysql_schema *schema, struct arena *arena, struct table **out,
                           struct error *err);

/* The column declaration that a source_type stands for; kind UNKNOWN without one. */
bool mysql_schema_parse_type(const struct mysql_collations *collations, struct arena *arena,
                             const struct column *column, struct mysql_column *out, struct error *err);
/* The inverse for a column that only the log knows. */
const char *mysql_schema_describe(const struct mysql_collations *collations, struct arena *arena,
                                  const struct mysql_column *column);

/* Same names, types, nullability, in the same order, and the same key? */
bool mysql_schema_tables_equal(const struct table *a, const struct table *b);

#endif
