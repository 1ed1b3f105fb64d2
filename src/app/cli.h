/* The command line: argv to a command's row, its config, its exit code. */
#ifndef SLUICE_APP_CLI_H
#define SLUICE_APP_CLI_H

#include "app/command.h"

/* Runs what argv says; returns the exit code of the process. */
int cli_main(int argc, char **argv);

/* What argv says, before anything runs. */
enum cli_action { CLI_RUN, CLI_HELP, CLI_VERSION };

struct cli {
    enum cli_action action;
    struct command_call call; /* command NULL: help of the whole */
    const char *log_format;   /* "text", "json" */
    const char *log_level;    /* "debug", "info", "warning", "error" */
};

/* Reads argv; the strings stay argv's. Kind CONFIG. Release with cli_deinit, also after false. */
bool cli_parse(int argc, char **argv, struct cli *out, struct error *err);
void cli_deinit(struct cli *cli);

/* The flags that every command takes, like a command's list. */
extern const struct command_flag cli_flags[];

#endif
