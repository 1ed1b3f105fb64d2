/* Row images of the binlog -> struct value. A plan is made once per table map (how each column is decoded), then rows are
 * decoded with it. Values are exactly what the full load makes of the server's own text:
 *
 *   integers, YEAR        decimal                      DATE             2026-11-01
 *   BIT(1)                true, false                  TIME             [-]hh[h]:mm:ss[.f…]       (a string)
 *   BIT(n)                unsigned decimal             DATETIME(n)      2026-11-01 10:15:00[.f…]  exactly n digits
 *   DECIMAL               as the server prints it      TIMESTAMP(n)     the same, in UTC
 *   FLOAT, DOUBLE         value_format_float/double    ENUM, SET        names; set members with ',' between
 *   CHAR, VARCHAR, TEXT   UTF-8                        JSON             CAST(… AS CHAR)
 *   BINARY(n)             n bytes, 00 added behind     GEOMETRY         WKB (without the SRID before it)
 *   UUID, INET4, INET6    the server's text            dates that do not exist (mysql_date_exists): NULL, counted */
#ifndef SLUICE_SOURCE_MYSQL_ROW_H
#define SLUICE_SOURCE_MYSQL_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/change.h"
#include "source/mysql_charset.h"
#include "source/mysql_event.h"
#include "source/mysql_table_map.h"

struct mysql_row_counters {
    uint64_t zero_dates; /* dates that became NULL */
};

struct mysql_row_plan;

/* `map` with its columns completed (mysql_column_complete) where the log does not say all. Map, charsets and counters are
 * borrowed and must outlive the plan. Kind DATA names the table and column that cannot be decoded, and why. */
bool mysql_row_plan_new(const struct mysql_table_map *map, struct mysql_charsets *charsets,
                        struct mysql_row_counters *counters, struct mysql_row_plan **out, struct error *err);
void mysql_row_plan_free(struct mysql_row_plan *plan); /* NULL is fine */
struct type mysql_row_plan_type(const struct mysql_row_plan *plan, size_t column);

/* Gives rows in another order of columns than the map's: to[i] is the place of the map's column i among `count` values, or
 * MYSQL_ROW_SKIP. Each place is used once; a place that no column fills is VALUE_UNCHANGED. */
enum { MYSQL_ROW_SKIP = 0xffff };
void mysql_row_plan_reorder(struct mysql_row_plan *plan, const uint16_t *to, size_t count);

/* The rows of one rows event. */
struct mysql_rows {
    enum change_op op;
    const struct value *before; /* UPDATE, DELETE; else NULL */
    const struct value *after;  /* INSERT, UPDATE; else NULL */
    struct mysql_row_plan *plan;
    const uint8_t *pos, *end;
    const uint8_t *present_before, *present_after;
    size_t sent_before, sent_after; /* columns in them */
    bool bare;                      /* a row of no column is still to come */
};

/* Checks the event against the plan. The event's data is borrowed until the last row. */
bool mysql_rows_begin(struct mysql_rows *rows, const struct mysql_event *event, struct mysql_row_plan *plan,
                      struct error *err);
/* The next row; *more false at the end. Columns that a partial image does not have are VALUE_UNCHANGED. The values are
 * valid until the next call with the same plan. Kind DATA names table and column. */
bool mysql_rows_next(struct mysql_rows *rows, bool *more, struct error *err);

#endif
