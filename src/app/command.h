/* Commands as data: cli.c reads argv by these rows, and --help and the manual page come from them. A command's file ends
 * with its row. */
#ifndef SLUICE_APP_COMMAND_H
#define SLUICE_APP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

enum { COMMAND_FLAGS_MAX = 16 };

struct command_flag {
    const char *name;  /* without --; the list of a command ends with a row whose name is NULL */
    const char *value; /* what the value is called in the help; NULL: the flag has none */
    bool required;
    const char *help;
};

/* What was typed. */
struct command_call {
    const struct command *command;
    const char *config_path;
    const struct config *config;           /* read and checked; NULL when the command needs none */
    const char *values[COMMAND_FLAGS_MAX]; /* by the flag's row; "" for a flag without value; NULL: not given */
    const char **arguments;
    size_t argument_count;
    int exit_code; /* of a run that returns true: 0, unless the command says another */
};

struct command {
    const char *name;      /* one or two words: "tables set" */
    const char *arguments; /* their name in the help, "[SQL]"; NULL: none */
    size_t argument_min, argument_max;
    const char *summary; /* one line, for the list of commands */
    const char *help;    /* paragraphs, an empty line between two */
    const struct command_flag *flags;
    bool needs_config;
    bool (*run)(struct command_call *call, struct error *err);
};

/* The value of a flag of the command's own list, or NULL. */
const char *command_value(const struct command_call *call, const char *flag);
/* One of the words, by index; `fallback` when the flag was not given. Kind CONFIG, naming the words. words end with NULL. */
bool command_choice(const struct command_call *call, const char *flag, const char *const *words, size_t fallback,
                    size_t *out, struct error *err);

/* All commands, in the order of the help; NULL at the end. */
extern const struct command *const commands[];

extern const struct command command_init;
extern const struct command command_check;
extern const struct command command_capture;
extern const struct command command_tables_list;
extern const struct command command_tables_set;
extern const struct command command_load;
extern const struct command command_maintain;
extern const struct command command_catalog_sync;
extern const struct command command_query;
extern const struct command command_run;
extern const struct command command_status;
extern const struct command command_drop_slot;
extern const struct command command_demo;
extern const struct command command_help;

#endif
