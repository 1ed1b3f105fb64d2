/* The rows of a load as SQL, as far as the table formats share it. A load's changes are a view, in the form that the table has
 * after it: _op, the schema's columns[, _seq][, _unchanged]. In joins changes are c, the rows that exist b. */
#ifndef SLUICE_LAKE_LOAD_SQL_H
#define SLUICE_LAKE_LOAD_SQL_H

#include "lake/lake.h"
#include "lake/schema.h"

#define LAKE_CHANGES_VIEW "_sluice_changes"
/* What is written anew besides the changes, in the new form: "Op", the schema's columns. */
#define LAKE_BASE_VIEW "_sluice_base"

bool lake_load_is_keyed(const struct lake_load *load);

/* CAST('…' AS type) of a raw text, or of NULL. */
void lake_append_literal(struct buf *sql, const char *text, struct type type);

/* ", CAST(…) AS column" of the load's columns in the form of the table after it; those that it does not have are NULL. */
void lake_append_given_columns(const struct lake_load *load, const struct lake_schema *schema, struct buf *sql);
bool lake_create_changes_view(struct engine_connection *connection, const struct lake_load *load,
                              const struct lake_schema *schema, struct error *err);

/* "k1", "k2" */
void lake_append_key_names(const struct lake_load *load, struct buf *sql);
/* b."k1" = c."k1" AND …; with null_keys, NULL keys match each other. Without any, DuckDB can use '=' to skip row groups. */
void lake_append_key_join(const struct lake_load *load, bool null_keys, struct buf *sql);
bool lake_check_key_is_given(const struct lake_load *load, const struct lake_schema *schema, struct error *err);
/* Whether a key of LAKE_CHANGES_VIEW has a NULL. */
bool lake_find_null_keys(struct engine_connection *connection, const struct lake_load *load, bool *found,
                         struct error *err);

/* SELECT c._op AS "Op", c.columns… */
void lake_append_plain_changes(const struct lake_schema *schema, struct buf *sql);
/* The same, a value that the source did not send taken from b, the row that the change replaces. */
void lake_append_completed_changes(const struct lake_schema *schema, struct buf *sql);

#endif
