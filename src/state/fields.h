/* The members of a row as attributes of a state item, by a table: one line an attribute, for reading and for writing.
 *
 *     static const struct field fields[] = {
 *         {"ActiveFlag", FIELD_FLAG, offsetof(struct controller_row, active)},
 */
#ifndef SLUICE_STATE_FIELDS_H
#define SLUICE_STATE_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

enum field_type {
    FIELD_TEXT,         /* const char *; no attribute for NULL */
    FIELD_TEXT_OR_NULL, /* const char *; the word "null" for NULL, as the AWS blog's rows have it */
    FIELD_FLAG,         /* bool; the words "true" and "false", likewise */
    FIELD_INT64,        /* int64_t */
    FIELD_INT32,        /* int or uint32_t */
    FIELD_JSON,         /* json_t *; borrowed from the attributes when read; no attribute for NULL */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset; /* of the member in the row */
};

/* Fills the members of `row`; those without attribute become NULL, false or 0. Texts live in the arena. Kind DATA, naming
 * the attribute, when one has another type: a person may have edited the row. */
bool fields_read(const struct field *fields, size_t count, const json_t *attributes, struct arena *arena, void *row,
                 struct error *err);

/* Sets the attributes, or removes those of NULL members; others stay. Texts that are not UTF-8 (a message cut in the middle
 * of a character) get '?' for the bytes that do not fit. */
void fields_write(const struct field *fields, size_t count, const void *row, json_t *attributes);

#endif
