#include "app/cli.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/help.h"
#include "base/cancel.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/suggest.h"

const struct command *const commands[] = {
    &command_init,   &command_check,     &command_capture,      &command_tables_list, &command_tables_set,
    &command_load,   &command_maintain,  &command_catalog_sync, &command_query,       &command_run,
    &command_status, &command_drop_slot, &command_demo,         &command_help,        NULL,
};

const struct command_flag cli_flags[] = {
    {.name = "config", .value = "FILE", .help = "The configuration, sluice.yaml when it is not given. Short: -c"},
    {.name = "log-format",
     .value = "text|json",
     .help = "How log lines look on stderr: text, or one JSON object a line"},
    {.name = "log-level", .value = "LEVEL", .help = "The least of debug, info, warning, error that is logged: info"},
    {.name = "help", .help = "Explains the command. Short: -h"},
    {.name = "version", .help = "Prints the version"},
    {.name = NULL},
};
enum cli_flag { FLAG_CONFIG, FLAG_LOG_FORMAT, FLAG_LOG_LEVEL, FLAG_HELP, FLAG_VERSION, FLAG_COUNT };

static const char *const log_formats[] = {[LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL};
static const char *const log_levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error", NULL};

enum { WORDS_MAX = 32 };

/* --- words and flags -------------------------------------------------------------------------------------------------- */

static bool error_unknown(const char *what, const char *word, const char *const *known, size_t count,
                          struct error *err) {
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    suggest_append(&hint, word, known, count);
    error_set(err, ERROR_CONFIG, "unknown %s \"%.80s\"%s", what, word, hint.data);
    buf_deinit(&hint);
    return false;
}

static size_t word_count(const char *const *words) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    return count;
}

static bool choose(const char *flag, const char *value, const char *const *words, size_t *out, struct error *err) {
    for (size_t i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], value) == 0) {
            *out = i;
            return true;
        }
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    suggest_append(&hint, value, words, word_count(words));
    error_set(err, ERROR_CONFIG, "--%s: \"%.80s\" is not accepted%s", flag, value, hint.data);
    buf_deinit(&hint);
    return false;
}

static int find_flag(const struct command_flag *flags, const char *name, size_t len) {
    for (int i = 0; flags != NULL && flags[i].name != NULL; i++)
        if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0)
            return i;
    return -1;
}

const char *command_value(const struct command_call *call, const char *flag) {
    int i = find_flag(call->command->flags, flag, strlen(flag));
    assert(i >= 0);
    return call->values[i];
}

bool command_choice(const struct command_call *call, const char *flag, const char *const *words, size_t fallback,
                    size_t *out, struct error *err) {
    const char *value = command_value(call, flag);
    *out = fallback;
    return value == NULL || choose(flag, value, words, out, err);
}

/* --- argv ------------------------------------------------------------------------------------------------------------- */

struct arguments {
    int argc, at;
    char **argv;
    const char *first_word; /* of a command of two words, while the second is missing */
    const char *globals[FLAG_COUNT];
    struct cli *cli;
};

static bool error_unknown_flag(const struct arguments *args, const char *name, size_t len, struct error *err) {
    const char *known[COMMAND_FLAGS_MAX + FLAG_COUNT];
    size_t count = 0;
    const struct command *command = args->cli->call.command;
    for (size_t i = 0; command != NULL && command->flags != NULL && command->flags[i].name != NULL; i++)
        known[count++] = command->flags[i].name;
    for (size_t i = 0; cli_flags[i].name != NULL; i++)
        known[count++] = cli_flags[i].name;
    char word[81];
    snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), name);
    return error_unknown("flag", word, known, count, err);
}

/* Stores the value of a flag: behind '=', or the next word. */
static bool take_value(struct arguments *args, const struct command_flag *flag, const char *inline_value,
                       const char **slot, struct error *err) {
    if (*slot != NULL)
        return error_set(err, ERROR_CONFIG, "--%s is given twice", flag->name);
    if (flag->value == NULL) {
        *slot = "";
        return inline_value == NULL || error_set(err, ERROR_CONFIG, "--%s takes no value", flag->name);
    }
    if (inline_value == NULL && args->at + 1 >= args->argc)
        return error_set(err, ERROR_CONFIG, "--%s needs a value: --%s %s", flag->name, flag->name, flag->value);
    *slot = inline_value != NULL ? inline_value : args->argv[++args->at];
    return true;
}

static bool read_flag(struct arguments *args, const char *text, struct error *err) {
    if (strcmp(text, "-c") == 0)
        text = "--config";
    if (strcmp(text, "-h") == 0)
        text = "--help";
    if (strncmp(text, "--", 2) != 0)
        return error_set(err, ERROR_CONFIG, "unknown flag \"%.80s\"; flags begin with --, short are -c and -h", text);
    const char *name = text + 2;
    size_t len = strcspn(name, "=");
    const char *inline_value = name[len] == '=' ? name + len + 1 : NULL;
    int i = find_flag(cli_flags, name, len);
    if (i >= 0)
        return take_value(args, &cli_flags[i], inline_value, &args->globals[i], err);
    struct command_call *call = &args->cli->call;
    i = call->command != NULL ? find_flag(call->command->flags, name, len) : -1;
    if (i < 0)
        return error_unknown_flag(args, name, len, err);
    return take_value(args, &call->command->flags[i], inline_value, &call->values[i], err);
}

static bool error_unknown_command(const char *word, struct error *err) {
    const char *known[WORDS_MAX];
    size_t count = 0;
    for (; commands[count] != NULL; count++)
        known[count] = commands[count]->name;
    return error_unknown("command", word, known, count, err);
}

/* A first word that is alone: names the commands that begin with it. */
static bool error_half_command(const char *word, struct error *err) {
    struct buf known;
    buf_init(&known, BUF_MAX_DEFAULT);
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strncmp(commands[i]->name, word, strlen(word)) == 0)
            buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", commands[i]->name);
    error_set(err, ERROR_CONFIG, "\"%s\" is half a command; known are: %s", word, known.data);
    buf_deinit(&known);
    return false;
}

/* The word is the command, the first word of it, or the second. */
static bool read_command_word(struct arguments *args, const char *word, struct error *err) {
    char name[80];
    snprintf(name, sizeof name, "%s%s%s", args->first_word != NULL ? args->first_word : "",
             args->first_word != NULL ? " " : "", word);
    args->cli->call.command = help_find_command(name);
    if (args->cli->call.command != NULL || (args->first_word == NULL && help_begins_command(word))) {
        args->first_word = args->cli->call.command != NULL ? NULL : word;
        return true;
    }
    return error_unknown_command(name, err);
}

static bool read_word(struct arguments *args, const char *word, struct error *err) {
    struct command_call *call = &args->cli->call;
    if (call->command == NULL)
        return read_command_word(args, word, err);
    if (call->argument_count >= call->command->argument_max)
        return error_set(err, ERROR_CONFIG, "%s: what is \"%.80s\"? It takes %s%s", call->command->name, word,
                         call->command->arguments != NULL ? "only " : "no arguments",
                         call->command->arguments != NULL ? call->command->arguments : "");
    call->arguments[call->argument_count++] = word;
    return true;
}

/* A text that begins with "-- " is SQL that begins with a comment. */
static bool is_flag(const char *text) {
    return text[0] == '-' && text[1] != '\0' && (strncmp(text, "--", 2) != 0 || !isspace((unsigned char)text[2]));
}

static bool read_arguments(struct arguments *args, struct error *err) {
    bool flags_end = false;
    for (args->at = 1; args->at < args->argc; args->at++) {
        const char *text = args->argv[args->at];
        if (!flags_end && strcmp(text, "--") == 0)
            flags_end = true;
        else if (!flags_end && is_flag(text) ? !read_flag(args, text, err) : !read_word(args, text, err))
            return false;
    }
    return true;
}

static bool check_call(const struct command_call *call, struct error *err) {
    const struct command *command = call->command;
    for (size_t i = 0; command->flags != NULL && command->flags[i].name != NULL; i++)
        if (command->flags[i].required && call->values[i] == NULL)
            return error_set(err, ERROR_CONFIG, "%s needs --%s %s", command->name, command->flags[i].name,
                             command->flags[i].value);
    if (call->argument_count < command->argument_min)
        return error_set(err, ERROR_CONFIG, "%s needs %s", command->name, command->arguments);
    return true;
}

bool cli_parse(int argc, char **argv, struct cli *out, struct error *err) {
    struct arguments args = {.argc = argc, .argv = argv, .cli = out};
    *out = (struct cli){.log_format = "text", .log_level = "info"};
    out->call.arguments = mem_zalloc(((size_t)argc + 1) * sizeof *out->call.arguments);
    bool read = read_arguments(&args, err);
    out->call.config_path = args.globals[FLAG_CONFIG] != NULL ? args.globals[FLAG_CONFIG] : "sluice.yaml";
    if (args.globals[FLAG_LOG_FORMAT] != NULL)
        out->log_format = args.globals[FLAG_LOG_FORMAT];
    if (args.globals[FLAG_LOG_LEVEL] != NULL)
        out->log_level = args.globals[FLAG_LOG_LEVEL];
    if (!read)
        return false;
    out->action = args.globals[FLAG_VERSION] != NULL ? CLI_VERSION
                  : args.globals[FLAG_HELP] != NULL  ? CLI_HELP
                                                     : CLI_RUN;
    if (out->action != CLI_RUN)
        return true;
    if (args.first_word != NULL)
        return error_half_command(args.first_word, err);
    if (out->call.command == NULL)
        return error_set(err, ERROR_CONFIG, "a command is missing");
    return check_call(&out->call, err);
}

void cli_deinit(struct cli *cli) {
    mem_free(cli->call.arguments);
    cli->call.arguments = NULL;
}

/* --- running ---------------------------------------------------------------------------------------------------------- */

static bool configure_log(const struct cli *cli, struct error *err) {
    size_t format, level;
    if (!choose("log-format", cli->log_format, log_formats, &format, err) ||
        !choose("log-level", cli->log_level, log_levels, &level, err))
        return false;
    log_configure((enum log_level)level, (enum log_format)format);
    return true;
}

/* A pager or head that has enough closes its end of the pipe. */
static bool reader_went_away(void) {
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* What was printed must have arrived, unless nobody wants it any more. */
static bool finish_output(struct error *err) {
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE || reader_went_away())
        return true;
    return errno != 0 ? error_set_errno(err, errno, "writing to stdout")
                      : error_set(err, ERROR_OUTSIDE, "writing to stdout failed");
}

/* A task may write hundreds of tables at once, one unnamed file each; the usual soft limit is 1024. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run_command(struct command_call *call) {
    struct config *config = NULL;
    struct error err = {0};
    assert(call->command != NULL);
    cancel_install();
    raise_file_limit();
    bool ok = !call->command->needs_config || config_load(call->config_path, &config, &err);
    if (ok) {
        call->config = config;
        ok = call->command->run(call, &err);
    }
    if (ok)
        ok = finish_output(&err);
    config_free(config);
    fflush(stdout); /* what was printed comes before the error */
    log_progress(NULL);
    if (ok)
        return call->exit_code;
    if (err.kind == ERROR_CANCELLED)
        log_info("%s", err.message);
    else
        log_error("%s", err.message);
    return error_exit_code(err.kind);
}

static int print_help(const struct command *command) {
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    if (command != NULL)
        help_write_command(&text, command);
    else
        help_write_overview(&text);
    fwrite(text.data, 1, text.len, stdout);
    buf_deinit(&text);
    return finish_output(NULL) ? 0 : error_exit_code(ERROR_OUTSIDE);
}

/* What was typed could not be read as a whole; whether the log is JSON may still be said in it. */
static bool wants_json(int argc, char **argv) {
    static const char flag[] = "--log-format";
    for (int i = 1; i < argc; i++) {
        bool next = strcmp(argv[i], flag) == 0 && i + 1 < argc;
        bool inline_value = strncmp(argv[i], flag, sizeof flag - 1) == 0 && argv[i][sizeof flag - 1] == '=';
        const char *value = next ? argv[i + 1] : inline_value ? argv[i] + sizeof flag : "";
        if (next || inline_value)
            return strcmp(value, log_formats[LOG_FORMAT_JSON]) == 0;
    }
    return false;
}

static void print_usage_error(const struct command *command, bool json, const struct error *err) {
    const char *blank = command != NULL ? " " : "", *name = command != NULL ? command->name : "";
    if (json) {
        log_configure(LOG_INFO, LOG_FORMAT_JSON);
        log_error("%s; see `sluice%s%s --help`", err->message, blank, name);
    } else {
        fprintf(stderr, "sluice: %s\nsee `sluice%s%s --help`\n", err->message, blank, name);
    }
}

int cli_main(int argc, char **argv) {
    struct cli cli;
    struct error err = {0};
    int code = 0;
    if (!cli_parse(argc, argv, &cli, &err) || !configure_log(&cli, &err)) {
        print_usage_error(cli.call.command, wants_json(argc, argv), &err);
        code = error_exit_code(ERROR_CONFIG);
    } else if (cli.action == CLI_VERSION) {
        printf("sluice %s\n", SLUICE_VERSION);
    } else if (cli.action == CLI_HELP) {
        code = print_help(cli.call.command);
    } else {
        code = run_command(&cli.call);
    }
    cli_deinit(&cli);
    return code;
}
