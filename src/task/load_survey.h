/* Tables whose types nobody recorded (AWS DMS wrote the files): which columns the files have, and what types hold their
 * values (DESIGN §3).
 *
 * A column's type is what the lake has, what was kept and what the config declares, in so far as one widens to the other;
 * else it is inferred: from all values of the full load, or of the change files when the full load does not have the column. */
#ifndef SLUICE_TASK_LOAD_SURVEY_H
#define SLUICE_TASK_LOAD_SURVEY_H

#include "task/load_schema.h"

struct load_survey {
    const struct column *columns; /* the lake's, then new ones in the order in which the files bring them; lake types */
    size_t column_count;
    const struct load_parquet *
        *parquet;                /* per file of the plan, full load first; NULL: CSV. Equal ones are one pointer */
    const char *const *expected; /* columns of a file without header: the declared ones; NULL: none declared */
    size_t expected_count;
    const char *const *newest; /* names of the columns of the last file, in its order */
    size_t newest_count;
};

bool load_survey_make(struct arena *arena, const struct load_schema_input *input, struct load_survey *out,
                      struct error *err);

/* The narrowest type that also holds `text` and that a lake column of `type` may become; false: there is none. */
bool load_survey_widen(struct type type, struct slice text, struct type *out);

/* The lake type that the config declares for a column of that name, in any case. */
bool load_declared_type(const struct load_schema_input *input, const char *name, struct type *out);
/* Kind CONFIG when a declared type is none. */
bool load_check_declared(const struct load_schema_input *input, struct error *err);

#endif
