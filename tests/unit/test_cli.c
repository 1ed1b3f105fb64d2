/* argv: what is understood, what each mistake says; and that the manual page is what the rows say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/cli.h"
#include "app/help.h"

enum { WORDS_MAX = 16 };

/* Cuts a line at blanks; a + stands for a blank within a word. */
static int split(char *line, char **words) {
    static char program[] = "sluice";
    int count = 0;
    words[count++] = program;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        for (char *p = word; *p != '\0'; p++)
            *p = *p == '+' ? ' ' : *p;
        words[count++] = word;
    }
    return count;
}

static bool parse(const char *line, char *copy, size_t size, struct cli *cli, struct error *err) {
    char *words[WORDS_MAX];
    snprintf(copy, size, "%s", line);
    int count = split(copy, words);
    return cli_parse(count, words, cli, err);
}

static const struct {
    const char *line;
    enum cli_action action;
    const char *command; /* NULL: none */
    const char *config;
    const char *flag, *value; /* one of the command's flags; NULL value: not given */
    const char *argument;     /* the first; NULL: none */
} understood[] = {
    {"check", CLI_RUN, "check", "sluice.yaml", NULL, NULL, NULL},
    {"-c a.yaml check", CLI_RUN, "check", "a.yaml", NULL, NULL, NULL},
    {"check --config a.yaml", CLI_RUN, "check", "a.yaml", NULL, NULL, NULL},
    {"--config=a.yaml load --schema=s", CLI_RUN, "load", "a.yaml", "schema", "s", NULL},
    {"load --table t", CLI_RUN, "load", "sluice.yaml", "table", "t", NULL},
    {"load --table t", CLI_RUN, "load", "sluice.yaml", "schema", NULL, NULL},
    {"capture --until-current", CLI_RUN, "capture", "sluice.yaml", "until-current", "", NULL},
    {"tables list", CLI_RUN, "tables list", "sluice.yaml", "format", NULL, NULL},
    {"tables set --schema s --table t --active true", CLI_RUN, "tables set", "sluice.yaml", "active", "true", NULL},
    {"tables -c x set --schema s --table=a=b", CLI_RUN, "tables set", "x", "table", "a=b", NULL},
    {"query select+1", CLI_RUN, "query", "sluice.yaml", "format", NULL, "select 1"},
    {"query --format jsonl -- --+a+comment", CLI_RUN, "query", "sluice.yaml", "format", "jsonl", "-- a comment"},
    {"query -", CLI_RUN, "query", "sluice.yaml", NULL, NULL, "-"},
    {"help tables set", CLI_RUN, "help", "sluice.yaml", NULL, NULL, "tables"},
    {"tables set --help", CLI_HELP, "tables set", "sluice.yaml", NULL, NULL, NULL},
    {"-h", CLI_HELP, NULL, "sluice.yaml", NULL, NULL, NULL},
    {"tables --help", CLI_HELP, NULL, "sluice.yaml", NULL, NULL, NULL},
    {"--version", CLI_VERSION, NULL, "sluice.yaml", NULL, NULL, NULL},
};

static void test_understood(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof understood / sizeof understood[0]; i++) {
        struct cli cli;
        struct error err = {0};
        char copy[256];
        if (!parse(understood[i].line, copy, sizeof copy, &cli, &err))
            fail_msg("%s: %s", understood[i].line, err.message);
        assert_int_equal(cli.action, understood[i].action);
        assert_string_equal(cli.call.config_path, understood[i].config);
        if (understood[i].command == NULL)
            assert_null(cli.call.command);
        else
            assert_string_equal(cli.call.command->name, understood[i].command);
        if (understood[i].flag != NULL) {
            const char *value = command_value(&cli.call, understood[i].flag);
            assert_string_equal(value != NULL ? value : "(none)",
                                understood[i].value != NULL ? understood[i].value : "(none)");
        }
        assert_string_equal(cli.call.argument_count > 0 ? cli.call.arguments[0] : "(none)",
                            understood[i].argument != NULL ? understood[i].argument : "(none)");
        cli_deinit(&cli);
    }
}

static const struct {
    const char *line, *message;
} mistakes[] = {
    {"", "a command is missing"},
    {"qurey x", "unknown command \"qurey\"; did you mean \"query\"?"},
    {"zzzzzz", "unknown command \"zzzzzz\"; known are: init, check, capture, tables list, tables set, load, maintain, "
               "catalog sync, query, run, status, drop-slot, demo, help"},
    {"tables", "\"tables\" is half a command; known are: tables list, tables set"},
    {"tables lst", "unknown command \"tables lst\"; did you mean \"tables list\"?"},
    {"load --tabel x", "unknown flag \"tabel\"; did you mean \"table\"?"},
    {"load --table", "--table needs a value: --table NAME"},
    {"load --table a --table b", "--table is given twice"},
    {"load more", "load: what is \"more\"? It takes no arguments"},
    {"query a b", "query: what is \"b\"? It takes only [SQL]"},
    {"capture --until-current=1", "--until-current takes no value"},
    {"tables set --schema s", "tables set needs --table NAME"},
    {"-x load", "unknown flag \"-x\"; flags begin with --, short are -c and -h"},
    {"--schema s load", "unknown flag \"schema\"; known are: config, log-format, log-level, help, version"},
};

static void test_mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct cli cli;
        struct error err = {0};
        char copy[256];
        if (parse(mistakes[i].line, copy, sizeof copy, &cli, &err))
            fail_msg("understood: %s", mistakes[i].line);
        assert_string_equal(err.message, mistakes[i].message);
        assert_int_equal(err.kind, ERROR_CONFIG);
        cli_deinit(&cli);
    }
}

/* Every command has its help, and no flag of its own hides one of all commands. */
static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; commands[i] != NULL; i++) {
        struct buf text;
        buf_init(&text, BUF_MAX_DEFAULT);
        help_write_command(&text, commands[i]);
        assert_non_null(strstr(text.data, commands[i]->name));
        assert_non_null(commands[i]->summary);
        assert_non_null(commands[i]->run);
        size_t count = 0;
        for (const struct command_flag *flag = commands[i]->flags; flag != NULL && flag->name != NULL;
             flag++, count++) {
            assert_non_null(strstr(text.data, flag->name));
            for (const struct command_flag *all = cli_flags; all->name != NULL; all++)
                assert_string_not_equal(flag->name, all->name);
        }
        assert_true(count < COMMAND_FLAGS_MAX);
        buf_deinit(&text);
    }
}

static void test_manual_is_up_to_date(void **state) {
    (void)state;
    static char file[1 << 16];
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    help_write_manual(&text);
    FILE *in = fopen("docs/sluice.1", "r");
    assert_non_null(in);
    size_t len = fread(file, 1, sizeof file - 1, in);
    fclose(in);
    file[len] = '\0';
    bool same = strcmp(file, text.data) == 0;
    buf_deinit(&text);
    if (!same)
        fail_msg("docs/sluice.1 is not what `sluice help manual` prints: write it anew");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_understood),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_manual_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
