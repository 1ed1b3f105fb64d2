#include "app/help.h"

#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "config/suggest.h"
#include "source/postgres_type.h"

static const char *const tagline = "continuous replication of databases into a data lake";

static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {0, "done"},
    {1, "a defect of sluice"},
    {2, "the command line or the configuration is wrong"},
    {3, "data that cannot be taken as it is; for load: a table failed, the others are loaded"},
    {4, "the outside (source, store, catalog) failed"},
};

const struct command *help_find_command(const char *name) {
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

bool help_begins_command(const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strncmp(commands[i]->name, word, len) == 0 && commands[i]->name[len] == ' ')
            return true;
    return false;
}

/* " --schema NAME [--active true|false] [SQL]" */
static void write_usage(struct buf *out, const struct command *command) {
    for (const struct command_flag *flag = command->flags; flag != NULL && flag->name != NULL; flag++)
        buf_printf(out, " %s--%s%s%s%s", flag->required ? "" : "[", flag->name, flag->value != NULL ? " " : "",
                   flag->value != NULL ? flag->value : "", flag->required ? "" : "]");
    if (command->arguments != NULL)
        buf_printf(out, " %s", command->arguments);
}

/* --- for the terminal --------------------------------------------------------------------------------------------------- */

enum { TERMINAL_COLUMNS = 100, FLAG_COLUMN = 32 };

/* Words wrapped at TERMINAL_COLUMNS; every line but the first begins at `indent`, and `column` is where we are. */
static void write_wrapped(struct buf *out, const char *text, size_t indent, size_t column) {
    for (const char *word = text; *word != '\0';) {
        size_t len = strcspn(word, " \n");
        bool paragraph = strncmp(word, "\n\n", 2) == 0;
        if (paragraph || (column > indent && column + 1 + len > TERMINAL_COLUMNS)) {
            buf_printf(out, "%s\n%*s", paragraph ? "\n" : "", (int)indent, "");
            column = indent;
            word += strspn(word, " \n");
            continue;
        }
        if (column > indent && len > 0) {
            buf_append_char(out, ' ');
            column++;
        }
        buf_append(out, word, len);
        column += len;
        word += len + strspn(word + len, " ");
    }
    buf_append_char(out, '\n');
}

static void write_flags(struct buf *out, const struct command_flag *flags) {
    for (const struct command_flag *flag = flags; flag->name != NULL; flag++) {
        char name[FLAG_COLUMN * 4];
        int len = snprintf(name, sizeof name, "  --%s%s%s", flag->name, flag->value != NULL ? " " : "",
                           flag->value != NULL ? flag->value : "");
        buf_append_text(out, name);
        if (len >= FLAG_COLUMN)
            buf_printf(out, "\n%*s", FLAG_COLUMN, "");
        else
            buf_printf(out, "%*s", FLAG_COLUMN - len, "");
        write_wrapped(out, flag->help, FLAG_COLUMN, FLAG_COLUMN);
    }
}

void help_write_overview(struct buf *out) {
    buf_printf(out,
               "sluice %s: %s\n\nusage: sluice [-c FILE] [--log-format text|json] [--log-level LEVEL] COMMAND …\n\n",
               SLUICE_VERSION, tagline);
    for (size_t i = 0; commands[i] != NULL; i++)
        buf_printf(out, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
    buf_append_text(out, "\nflags of every command:\n");
    write_flags(out, cli_flags);
    buf_append_text(out, "\nexit codes:\n");
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
        buf_printf(out, "  %d  %s\n", exit_codes[i].code, exit_codes[i].meaning);
    buf_append_text(out,
                    "\n`sluice help COMMAND` explains a command, `sluice help config` every option of sluice.yaml.\n");
}

void help_write_command(struct buf *out, const struct command *command) {
    buf_printf(out, "usage: sluice%s %s", command->needs_config ? " [-c FILE]" : "", command->name);
    write_usage(out, command);
    buf_append_text(out, "\n\n");
    write_wrapped(out, command->help, 0, 0);
    if (command->flags != NULL) {
        buf_append_text(out, "\n");
        write_flags(out, command->flags);
    }
}

/* --- as a manual page (man(7)) --------------------------------------------------------------------------------------------- */

/* Text in roff: a backslash is an escape, a minus a hyphen, and a control line begins with '.' or '\''. */
static void write_roff(struct buf *out, const char *text) {
    for (const char *p = text; *p != '\0'; p++) {
        if (p == text && (*p == '.' || *p == '\''))
            buf_append_text(out, "\\&");
        if (strncmp(p, "\n\n", 2) == 0) {
            buf_append_text(out, "\n.PP\n");
            p++;
        } else if (*p == '\\') {
            buf_append_text(out, "\\e");
        } else if (*p == '-') {
            buf_append_text(out, "\\-");
        } else {
            buf_append_char(out, *p);
        }
    }
}

static void write_roff_flags(struct buf *out, const struct command_flag *flags) {
    for (const struct command_flag *flag = flags; flag != NULL && flag->name != NULL; flag++) {
        buf_append_text(out, ".TP\n.B \\-\\-");
        write_roff(out, flag->name);
        if (flag->value != NULL) {
            buf_append_text(out, " \\fI");
            write_roff(out, flag->value);
            buf_append_text(out, "\\fR");
        }
        buf_append_char(out, '\n');
        write_roff(out, flag->help);
        buf_append_text(out, ".\n");
    }
}

static void write_roff_command(struct buf *out, const struct command *command) {
    struct buf usage;
    buf_init(&usage, BUF_MAX_DEFAULT);
    buf_append_text(&usage, command->name);
    write_usage(&usage, command);
    buf_append_text(out, ".SS ");
    write_roff(out, usage.data);
    buf_append_char(out, '\n');
    write_roff(out, command->help);
    buf_append_char(out, '\n');
    write_roff_flags(out, command->flags);
    buf_deinit(&usage);
}

static const char *const manual_end =
    ".SH FILES\n"
    ".TP\n.I sluice.yaml\nThe configuration. \\fBsluice init\\fR writes one, \\fBsluice help config\\fR explains every "
    "option.\n"
    ".SH EXAMPLES\n"
    ".EX\n"
    "sluice init\n"
    "sluice check\n"
    "sluice capture \\-\\-until\\-current\n"
    "sluice tables list\n"
    "sluice tables set \\-\\-schema shop \\-\\-table product \\-\\-primary\\-key id \\-\\-active true\n"
    "sluice load\n"
    "sluice query 'SELECT count(*) FROM shop.product'\n"
    "sluice run\n"
    ".EE\n";

void help_write_manual(struct buf *out) {
    buf_append_text(out,
                    ".\\\" Written by `sluice help manual`; a test compares. Change the commands' rows in src/app.\n");
    buf_printf(out, ".TH SLUICE 1 \"\" \"sluice %s\" \"User Commands\"\n.SH NAME\nsluice \\- %s\n", SLUICE_VERSION,
               tagline);
    buf_append_text(
        out, ".SH SYNOPSIS\n.B sluice\n[\\-c \\fIFILE\\fR] [\\-\\-log\\-format text|json] [\\-\\-log\\-level "
             "\\fILEVEL\\fR] \\fICOMMAND\\fR ...\n"
             ".SH DESCRIPTION\nsluice captures the changes of a database into raw files in the layout of AWS DMS, "
             "and merges them into the tables of a data lake.\n"
             ".SH COMMANDS\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        write_roff_command(out, commands[i]);
    buf_append_text(out, ".SH OPTIONS\n");
    write_roff_flags(out, cli_flags);
    buf_append_text(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
        buf_printf(out, ".TP\n.B %d\n%s\n", exit_codes[i].code, exit_codes[i].meaning);
    buf_append_text(out, manual_end);
}

/* --- the command ------------------------------------------------------------------------------------------------------------- */

static bool write_topic(struct buf *out, const char *topic, struct error *err) {
    const struct command *command = help_find_command(topic);
    if (command != NULL)
        help_write_command(out, command);
    else if (strcmp(topic, "config") == 0)
        config_write_reference(out);
    else if (strcmp(topic, "manual") == 0)
        help_write_manual(out);
    else if (strcmp(topic, "postgres-types") == 0)
        postgres_type_write_reference(out);
    else if (help_begins_command(topic)) {
        for (size_t i = 0; commands[i] != NULL; i++)
            if (strncmp(commands[i]->name, topic, strlen(topic)) == 0)
                help_write_command(out, commands[i]);
    } else
        return error_set(err, ERROR_CONFIG,
                         "no help on \"%.80s\"; there is some on every command, on config, manual and postgres-types",
                         topic);
    return true;
}

static bool run_help(struct command_call *call, struct error *err) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    bool ok = true;
    if (call->argument_count == 0) {
        help_write_overview(&text);
    } else {
        char topic[80];
        snprintf(topic, sizeof topic, "%s%s%s", call->arguments[0], call->argument_count > 1 ? " " : "",
                 call->argument_count > 1 ? call->arguments[1] : "");
        ok = write_topic(&text, topic, err);
    }
    if (text.len > 0)
        fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&text);
    return ok;
}

const struct command command_help = {
    .name = "help",
    .arguments = "[COMMAND|config|manual|postgres-types]",
    .argument_max = 2,
    .summary = "explains a command, or every option of sluice.yaml",
    .help = "Without an argument: the list of commands. With the name of a command: what it does and its flags. "
            "config: every "
            "option of sluice.yaml, in Markdown. manual: all of it as a manual page. postgres-types: what PostgreSQL's "
            "types are in the raw files and in the lake, in Markdown.",
    .run = run_help,
};
