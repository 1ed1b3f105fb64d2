/* Inside of the configuration's reader: what its files share. config.c walks the tree, setting.c takes one value, check.c
 * compares options with each other. */
#ifndef SLUICE_CONFIG_READING_H
#define SLUICE_CONFIG_READING_H

#include "config/config.h"
#include "config/options.h"
#include "config/yaml.h"

/* One reading of a file. */
struct reading {
    struct config *config;
    const struct yaml_node *maps[SECTION_COUNT]; /* where each section stands in the file; NULL: not there */
};

/* An option and where it stands: all that a message needs. */
struct place {
    const struct reading *reading;
    const struct option_section *section;
    const struct option *option;
    unsigned line; /* 0: a default */
};

/* "<path>:<line>: <message>", kind CONFIG; line 0 leaves the line out. False always. */
bool reading_error(const struct reading *reading, unsigned line, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "source.port", "task" */
const char *place_name(const struct place *place, char out[OPTION_TEXT_BYTES]);

/* Sets the option's field in the section's struct at base. */
bool setting_from_node(const struct place *place, const struct yaml_node *node, char *base, struct error *err);
/* The default, which is accepted: a broken row of the table is a defect. */
void setting_from_default(const struct place *place, char *base);

/* What one option says about another, once all are set; then the defaults that come from other options or the machine. */
bool reading_check(const struct reading *reading, struct error *err);
void reading_derive(struct config *config);

#endif
