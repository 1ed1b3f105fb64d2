/* The columns of one load: what the lake table has after it, and how each raw file gives them.
 *
 * A part is a run of files that are read in one way: same format, and same schema version (captured tables) or same Parquet
 * columns. Each part's rows become rows of the target by `fields`. */
#ifndef SLUICE_TASK_LOAD_SCHEMA_H
#define SLUICE_TASK_LOAD_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "model/table.h"
#include "state/checkpoint.h"
#include "state/controller.h"
#include "task/load_parquet.h"
#include "task/load_plan.h"
#include "task/load_reader.h"

/* How a part gives one column of the target. */
struct load_field {
    int column;          /* index into the part's columns; -1: its files do not have it */
    const char *initial; /* column -1: the raw text that these rows got when the column was added; NULL: NULL */
    bool checked;        /* Parquet: a value that the target's type does not have is an error (load_cast.h) */
};

/* A history table's own columns, which are its first (load_history.h), and what they say of a file. */
enum { LOAD_HISTORY_TIME, LOAD_HISTORY_FILE, LOAD_HISTORY_NUMBER, LOAD_HISTORY_COLUMNS };
struct load_history_file {
    const char *name, *time;
};

struct load_part {
    const struct raw_file *files;
    size_t file_count;
    bool full_load;
    size_t first_file;            /* files[0] is this one of the plan's full-load files, or of its change files */
    const struct column *columns; /* CSV: lake types. Parquet: the file's own, without Op */
    size_t column_count;
    const char *const *expected; /* CSV without header: its columns in order; NULL: not known */
    size_t expected_count;
    const struct load_parquet *parquet;      /* NULL: CSV */
    const struct load_field *fields;         /* one per column of the target */
    const struct load_history_file *history; /* one per file; NULL: the target is no history */
};

struct load_schema {
    struct column *columns; /* of the lake table after the load: lake types */
    size_t column_count;
    const char *const *key; /* spelt as in columns; a renamed column under its new name */
    size_t key_count;
    const char *const *partition;
    size_t partition_count;
    bool
        rewrite; /* of a captured table's history: a column changed to a type that no widening reaches, so that existing
                     rows are converted, as the source converted its own */
    const char *const
        *source_names; /* of a table whose types nobody recorded: the newest file's columns, in its order */
    size_t source_name_count;
    struct load_part *parts; /* full-load parts first, each group in the order of its files */
    size_t part_count;
};

/* What the columns follow from. */
struct load_schema_input {
    const struct config_table *config; /* declared types; NULL: none */
    const struct controller_row *row;
    bool is_history;     /* without a key and partitions */
    const json_t *types; /* {"column": "type"} kept so far; may be NULL */
    const struct load_plan *plan;
    const struct load_format *format;
    const struct lake_version *lake;
    const struct checkpoint_schema *schemas; /* capture's versions of the table, oldest first; NULL: not captured */
    size_t schema_count;
    uint32_t full_load_version;
    struct engine_connection *connection; /* reads the columns of Parquet files */
};

/* Everything in *out lives in the arena or is borrowed from the input. Kinds: DATA (files, types that do not go together),
 * CONFIG (keys and declared types), and what reading raises. */
bool load_schema_make(struct arena *arena, const struct load_schema_input *input, struct load_schema *out,
                      struct error *err);

/* For tables without recorded types, after a value did not fit: reads all CSV files of the plan and widens the columns that
 * do not hold all of their values, where a lake column may be widened. *types gets the new types (a new object, to be used
 * as input->types in the next try); NULL when nothing could be widened. */
bool load_schema_widen(const struct load_schema_input *input, const struct load_schema *schema, json_t **types,
                       struct error *err);

/* The lake's column that a column of the target is, by id, or by name where one of them has no id; NULL: it is new. */
const struct column *load_find_lake_column(const struct lake_version *lake, const struct column *column);

/* Index of the column with that name in any ASCII case (as the engine and the lake's readers compare), or -1. */
int load_find_column(const struct column *columns, size_t count, const char *name);

#endif
