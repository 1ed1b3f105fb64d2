/* PostgreSQL's types: what each is in the raw files, and the way from the server's text to ours.
 *
 * A domain is what its base type is (POSTGRES_TYPE_BASE follows it); every type that is not named in the table, of
 * whatever kind (array, enum, composite, range, of an extension), is the server's own text. docs/postgres-types.md is
 * written from the table.
 *
 * The texts are those of a session with TimeZone=UTC, DateStyle=ISO, IntervalStyle=postgres, extra_float_digits=1,
 * bytea_output=hex and client_encoding=UTF8. */
#ifndef SLUICE_SOURCE_POSTGRES_TYPE_H
#define SLUICE_SOURCE_POSTGRES_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/change.h"
#include "model/type.h"

/* How the server's text of a value becomes ours. */
enum postgres_form {
    POSTGRES_TEXT,        /* as it is */
    POSTGRES_PLAIN,       /* as it is, and CSV needs no quotes for it */
    POSTGRES_BOOLEAN,     /* t, f */
    POSTGRES_BYTEA,       /* \x…; without the \x */
    POSTGRES_DECIMAL,     /* NaN is NULL */
    POSTGRES_DATE,        /* infinity is NULL; years before 1 and after 9999 get a sign */
    POSTGRES_TIMESTAMP,   /* the same */
    POSTGRES_TIMESTAMPTZ, /* the same, without +00 */
};

struct postgres_type {
    struct type type;
    enum postgres_form form;
};

/* What a column of this type is; `oid` and `typmod` of a domain are those of its base type. */
struct postgres_type postgres_type_of(uint32_t oid, int32_t typmod);

/* SQL: the base type of (oid, typmod), for FROM ... CROSS JOIN LATERAL; columns base.oid, base.typmod. Domains may be
 * domains of domains; the typmod is the one nearest to the base type. `type` and `typmod` are SQL expressions. */
#define POSTGRES_TYPE_BASE(type, typmod)                                                                               \
    "(WITH RECURSIVE d(oid, typmod, depth) AS (SELECT " type "::pg_catalog.oid, " typmod "::int4, 0 "                  \
    "UNION ALL SELECT t.typbasetype, t.typtypmod, d.depth + 1 FROM d JOIN pg_catalog.pg_type t ON t.oid = d.oid "      \
    "WHERE t.typtype = 'd') SELECT d.oid, d.typmod FROM d ORDER BY d.depth DESC LIMIT 1) base"

/* The server's text as a value. It points into `data`, or where a text has to be made, into the arena. False when the
 * raw files' type has no such value (infinity, NaN of a decimal, a year beyond the lake's): *out is NULL then, which the
 * caller counts. */
bool postgres_type_convert(struct postgres_type type, const char *data, uint32_t len, struct arena *arena,
                           struct value *out);

/* May the server have kept a table's rows as they were when it changed a column from one type to the other? Only where
 * the same text is the value in both. Otherwise it wrote them anew, with USING whatever it says. Types as format_type()
 * writes them: "character varying(10)". */
bool postgres_type_keeps_rows(const char *from, const char *to);

/* docs/postgres-types.md. */
void postgres_type_write_reference(struct buf *out);

#endif
