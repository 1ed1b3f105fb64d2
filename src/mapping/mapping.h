/* Table mappings: which tables of the source are captured, which of their rows, and what becomes of them on the way to the
 * raw files. The complete form is the table-mapping JSON of AWS DMS (docs/table-mappings.md says what of it is read).
 *
 *   rules                    struct mapping          parsed once, belongs to the configuration, never changes
 *   a filter of one version  struct mapping_filter   conditions with the places of their columns and literals by type
 *   a plan of one version    struct mapping_plan     the table that comes out, and where each of its columns comes from
 *   a runner of a plan       struct mapping_runner   one thread's: makes rows of the one into rows of the other */
#ifndef SLUICE_MAPPING_MAPPING_H
#define SLUICE_MAPPING_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "model/change.h"
#include "model/table.h"

struct mapping;

/* Reads {"rules": […]}. Kind CONFIG; the message names `path`, rule-id and key, and what is known. *out: mapping_free. */
bool mapping_parse(const char *text, size_t len, const char *path, struct mapping **out, struct error *err);
void mapping_free(struct mapping *mapping); /* NULL is fine */

/* --- which tables. A NULL mapping chooses nothing and has no selection. */

/* True when it says which tables are captured: then source.schema_filter and table_filter do not. */
bool mapping_has_selection(const struct mapping *mapping);
bool mapping_selects(const struct mapping *mapping, const char *schema, const char *table);
/* Tables with a higher one are loaded in full first; 0 where no rule says it. */
int64_t mapping_load_order(const struct mapping *mapping, const char *schema, const char *table);
/* A table that is named by "explicit" and is not among those that the source has; NULL schema: there is none. */
struct mapping_name {
    const char *schema, *table;
};
struct mapping_name mapping_find_missing(const struct mapping *mapping, struct table *const *tables, size_t count);

/* What the rules say of the rows of a table, as a text that is equal while they say the same; in the arena, NULL = nothing. */
const char *mapping_fingerprint(const struct mapping *mapping, struct arena *arena, const char *schema,
                                const char *table);

/* --- which rows */

enum mapping_operator {
    MAPPING_EQ,
    MAPPING_NOTEQ,
    MAPPING_GTE,
    MAPPING_LTE,
    MAPPING_BETWEEN,    /* both ends belong to it */
    MAPPING_NOTBETWEEN, /* the opposite */
    MAPPING_NULL,
    MAPPING_NOTNULL,
};

/* How the values of a column are compared, which its type decides. */
enum mapping_order {
    MAPPING_BY_NUMBER, /* integers and decimals, exactly, by their digits */
    MAPPING_BY_FLOAT,  /* a FLOAT32, compared with a double */
    MAPPING_BY_DOUBLE,
    MAPPING_BY_TIME,  /* dates and timestamps: microseconds since 1970, UTC; a date is its midnight */
    MAPPING_BY_CLOCK, /* TIME: microseconds */
    MAPPING_BY_TEXT,  /* code points of text */
    MAPPING_BY_BYTES,
    MAPPING_BY_TRUTH,   /* booleans: 0, 1 */
    MAPPING_BY_NOTHING, /* NULL or not is all that can be asked */
};

/* A literal of the rule; which member is set the order says. */
struct mapping_literal {
    const char *text; /* BY_NUMBER, BY_TEXT, BY_BYTES (decoded) */
    uint32_t len;
    double real;
    int64_t integer; /* BY_TIME, BY_CLOCK, BY_TRUTH */
};

struct mapping_condition {
    size_t column; /* place in the table */
    enum mapping_operator operation;
    enum mapping_order order;
    struct mapping_literal low, high; /* high: BETWEEN and NOTBETWEEN only */
};

/* A row passes when each group has a condition that is true. As in SQL a comparison with NULL is not true, neither way. */
struct mapping_group {
    const struct mapping_condition *conditions;
    size_t count;
};
struct mapping_filter {
    const struct mapping_group *groups;
    size_t count;
};

/* The filter for rows of this version of a source's table; *out NULL: all rows pass. In the arena. Kind DATA: a column that
 * does not exist, a literal that is no value of its type. */
bool mapping_bind_filter(const struct mapping *mapping, struct arena *arena, const struct table *table,
                         const struct mapping_filter **out, struct error *err);

enum mapping_pass {
    MAPPING_FAILS,
    MAPPING_PASSES,
    MAPPING_UNCLEAR, /* the log leaves out a value that decides */
};
/* Values of the table's columns. Where one was not sent, `old` (NULL: none) has it if that was sent. Kind DATA: a value that its
 * type does not have. */
bool mapping_filter_row(const struct mapping_filter *filter, const struct value *values, const struct value *old,
                        enum mapping_pass *out, struct error *err);

/* --- what becomes of a table */

/* The names that the raw zone and the lake have for a table of the source; in the arena. */
struct mapping_name mapping_target(const struct mapping *mapping, struct arena *arena, const char *schema,
                                   const char *table);

struct mapping_plan;

/* The plan for a version of a source's table, whose columns have ids; *out NULL: it goes through as it is. A column keeps its id
 * under another name; an added one has that of its name in `previous` (what came out of the version before; NULL: none), or the
 * next above *next_id. In the arena. Kind DATA: the rules cannot be applied to this version. */
bool mapping_plan_new(const struct mapping *mapping, struct arena *arena, const struct table *source,
                      const struct table *previous, uint32_t *next_id, const struct mapping_plan **out,
                      struct error *err);
/* What comes out, with the source's version number. */
const struct table *mapping_plan_table(const struct mapping_plan *plan);
/* False: only names differ, values stay where they are. */
bool mapping_plan_changes_rows(const struct mapping_plan *plan);

/* --- rows: one runner a thread; the plan is borrowed */

struct mapping_runner;
struct mapping_runner *mapping_runner_new(const struct mapping_plan *plan);
void mapping_runner_free(struct mapping_runner *runner); /* NULL is fine */

enum mapping_image { MAPPING_IMAGE_NEW, MAPPING_IMAGE_OLD, MAPPING_IMAGES };

/* The target's values for a row of the source. They borrow from `values` and from the runner, until the next call for the same
 * image. */
const struct value *mapping_run(struct mapping_runner *runner, enum mapping_image image, const struct value *values);

#endif
