/* Plans, as plan.c makes them and run.c follows them. */
#ifndef SLUICE_MAPPING_PLAN_H
#define SLUICE_MAPPING_PLAN_H

#include "mapping/rule.h"

/* Where a column that comes out comes from. */
struct plan_column {
    size_t source; /* place in the source's table */
};

struct mapping_plan {
    const struct table *source, *target;
    struct plan_column *columns; /* of target */
    bool changes_rows;
};

#endif
