/* Whether a table takes what changed in its source's columns (schema_change: evolve, add_only, stop). */
#ifndef SLUICE_TASK_LOAD_POLICY_H
#define SLUICE_TASK_LOAD_POLICY_H

#include "config/config.h"
#include "task/load_schema.h"

/* Compares what a load brings with the lake's columns, and, for what these do not show (columns dropped, moved, NOT NULL), with
 * the columns that the last load recorded in the row. A full load replaces the table: it may bring anything. Kind DATA: the
 * policy refuses; the message names the change and what to do. */
bool load_policy_check(enum schema_change policy, const struct load_schema_input *input,
                       const struct load_schema *schema, struct error *err);

/* Keeps in the row what the next check compares with, where files have no schema versions. */
void load_policy_record(struct controller_row *row, const struct load_schema *schema);

#endif
