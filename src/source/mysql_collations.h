/* The collations of a server: from their names, as information_schema has them, to the ids of the binlog, and to the
 * character sets behind them. Belongs to one thread. */
#ifndef SLUICE_SOURCE_MYSQL_COLLATIONS_H
#define SLUICE_SOURCE_MYSQL_COLLATIONS_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "source/mysql_charset.h"
#include "source/mysql_conn.h"

struct mysql_collation {
    const char *name;
    const char *charset;
    uint16_t id;
};

struct mysql_collations {
    struct arena arena;
    struct mysql_charsets *charsets;
    struct mysql_collation *all; /* sorted by name */
    size_t count;
};

/* Asks the server for its list. Release with deinit also after false. */
bool mysql_collations_init(struct mysql_collations *collations, struct mysql_conn *conn, struct error *err);
void mysql_collations_deinit(struct mysql_collations *collations);

/* Ids of a collation's name and of a charset's default; MYSQL_COLLATION_UNKNOWN for a name that is not in the list. */
uint16_t mysql_collations_id(const struct mysql_collations *collations, const char *name);
uint16_t mysql_collations_charset_id(const struct mysql_collations *collations, const char *charset);

/* Gets the table of the collation's character set from the server if it needs one and it is not there yet. */
bool mysql_collations_prepare(struct mysql_collations *collations, struct mysql_conn *conn, uint16_t collation,
                              struct error *err);

#endif
