/* The plan of one table's load: which raw files are due (DESIGN §4), and what the watermark is after them. No I/O: a
 * controller row, a listing and capture's checkpoint go in. */
#ifndef SLUICE_TASK_LOAD_PLAN_H
#define SLUICE_TASK_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "raw/layout.h"
#include "state/checkpoint.h"
#include "state/controller.h"

enum load_plan_state {
    LOAD_PLAN_NOTHING, /* the table is up to date */
    LOAD_PLAN_WAITING, /* nothing can be loaded yet: `reason` */
    LOAD_PLAN_DUE,
};

struct load_plan {
    enum load_plan_state state;
    const char *reason;
    bool full_load_due;               /* the table is replaced */
    const struct raw_file *full_load; /* by the rows of these, in order; */
    size_t full_load_count;           /* 0: by none, or no full load is due */
    const struct raw_file *changes;   /* applied after it, in order */
    size_t change_count;
    uint64_t size_bytes;
    /* After the load: */
    const char *last_full_load_date;
    const char *last_incremental_file;
    const char *full_load_id; /* captured: identifies the finished full load; NULL: there is none */
    uint32_t version;         /* captured: the newest schema version; 0: unknown */
    bool columns_due;         /* the source's columns changed since the last load, with or without rows */
    const char *future_file;  /* of the full load: its time is to come, and the newest; NULL: there is none */
    int64_t planned_us;       /* the clock when the plan was made */
    /* The user asked for the full load again without the changes that came after it and are applied already. */
    bool skips_applied_changes;
};

/* `captured` is the table's checkpoint; NULL: AWS DMS writes it, and all of its files count. The plan borrows from `files`,
 * new strings live in the arena. Kinds: CONFIG (an attribute of the row cannot be read), OUTSIDE (a file that capture
 * committed is gone). */
bool load_plan_make(struct arena *arena, const struct controller_row *row, const struct checkpoint_table *captured,
                    const struct raw_files *files, struct load_plan *out, struct error *err);

/* All files of the plan in the order in which they apply, full load first. */
static inline size_t load_plan_file_count(const struct load_plan *plan) {
    return plan->full_load_count + plan->change_count;
}
static inline const struct raw_file *load_plan_file(const struct load_plan *plan, size_t index) {
    return index < plan->full_load_count ? &plan->full_load[index] : &plan->changes[index - plan->full_load_count];
}

/* Kept in the row beside the watermark: of a captured table which full load was loaded (two of them may carry the same time
 * where a file system's clock is coarse or was set back), and up to which schema version; of another table the times to come
 * of files that were loaded, because such a LastFullLoadDate would hide all later full loads. */
void load_plan_record(struct controller_row *row, const struct load_plan *plan);
/* The schema version that was recorded; 0: none. */
uint32_t load_plan_recorded_version(const struct controller_row *row);
/* The row has nothing loaded: what is due makes the table. */
bool load_plan_starts_over(const struct controller_row *row);
/* The row took its watermark from elsewhere: LastFullLoadDate decides alone. */
void load_plan_forget_recorded(struct controller_row *row);

#endif
