/* Rows of the source -> rows that come out. */
#include "mapping/plan.h"

struct mapping_runner {
    const struct mapping_plan *plan;
    struct value *values[MAPPING_IMAGES];
};

struct mapping_runner *mapping_runner_new(const struct mapping_plan *plan) {
    struct mapping_runner *runner = mem_zalloc(sizeof *runner);
    runner->plan = plan;
    for (int i = 0; i < MAPPING_IMAGES; i++)
        runner->values[i] = mem_zalloc((plan->target->column_count + 1) * sizeof *runner->values[i]);
    return runner;
}

void mapping_runner_free(struct mapping_runner *runner) {
    if (runner == NULL)
        return;
    for (int i = 0; i < MAPPING_IMAGES; i++)
        mem_free(runner->values[i]);
    mem_free(runner);
}

const struct value *mapping_run(struct mapping_runner *runner, enum mapping_image image, const struct value *values) {
    struct value *out = runner->values[image];
    for (size_t i = 0; i < runner->plan->target->column_count; i++)
        out[i] = values[runner->plan->columns[i].source];
    return out;
}
