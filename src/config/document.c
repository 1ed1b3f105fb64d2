/* What the option table looks like on paper: the commented sluice.yaml of `sluice init`, and docs/configuration.md. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "config/config.h"
#include "config/options.h"

/* --- sluice.yaml: `# ` begins prose, `#key:` an option that has its default. ------------------------------------------- */

enum { PROSE_COLUMNS = 100 };

/* The text in lines of at most PROSE_COLUMNS, each with the indent and "# " before it. */
static void write_prose(struct buf *out, const char *indent, const char *text) {
    size_t column = 0;
    for (const char *word = text; *word != '\0';) {
        size_t len = strcspn(word, " ");
        if (column == 0 || column + 1 + len > PROSE_COLUMNS) {
            buf_printf(out, "%s%s#", column > 0 ? "\n" : "", indent);
            column = strlen(indent) + 1;
        }
        buf_append_char(out, ' ');
        buf_append(out, word, len);
        column += 1 + len;
        word += len + strspn(word + len, " ");
    }
    buf_append_char(out, '\n');
}

/* Plain where YAML takes the value for nothing but text. */
static bool needs_quotes(const struct option *option, const char *value) {
    if (option->kind != OPTION_TEXT && option->kind != OPTION_SCHEDULE)
        return false;
    for (const char *p = value; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("_-./: ", *p) == NULL)
            return true;
    return false;
}

static void write_option(struct buf *out, const char *indent, const struct option *option) {
    const char *value = option->example != NULL ? option->example : option->fallback;
    const char *quote = needs_quotes(option, value) ? "\"" : "";
    bool shown = (option->flags & (OPTION_REQUIRED | OPTION_SHOWN)) != 0;
    write_prose(out, indent, option->help);
    buf_printf(out, "%s%s%s: %s%s%s\n", indent, shown ? "" : "#", option->name, quote, value, quote);
}

static void write_table_example(struct buf *out) {
    const struct option_section *section = &option_sections[SECTION_TABLES];
    write_prose(out, "", section->help);
    buf_printf(out, "#%s:\n", section->name);
    const char *dash = "- ";
    for (size_t i = 0; i < section->count; i++) {
        const struct option *option = &section->options[i];
        if (strcmp(option->name, "schema") == 0 || strcmp(option->name, "table") == 0) /* name stands for both */
            continue;
        write_prose(out, "  ", option->help);
        buf_printf(out, "#  %s%s: %s\n", dash, option->name, option->example);
        dash = "  ";
    }
}

void config_write_template(struct buf *out) {
    write_prose(out, "",
                "The configuration of sluice. Lines that begin with # and a name show an option with its default, or "
                "an example. ${NAME} stands for the environment variable NAME. `sluice help config` explains the rest; "
                "`sluice check` says whether it works.");
    for (size_t i = SECTION_TOP; i < SECTION_TABLES; i++) {
        const struct option_section *section = &option_sections[i];
        buf_append_char(out, '\n');
        if (section->name[0] != '\0') {
            write_prose(out, "", section->help);
            buf_printf(out, "%s:\n", section->name);
        }
        for (size_t j = 0; j < section->count; j++)
            write_option(out, section->name[0] != '\0' ? "  " : "", &section->options[j]);
    }
    buf_append_char(out, '\n');
    write_table_example(out);
}

/* --- docs/configuration.md --------------------------------------------------------------------------------------------- */

static const char *const introduction =
    "<!-- Written by `sluice help config`; a test compares. Change src/config/options.c. -->\n"
    "# sluice.yaml\n"
    "\n"
    "`sluice init` writes a commented file with every option. The file is YAML (and so JSON); one document, without "
    "anchors,\n"
    "aliases and tags.\n"
    "\n"
    "- `${NAME}` in a value stands for the environment variable `NAME`, which must be set; `$${` stands for the text "
    "`${`.\n"
    "- A key that is not known, is there twice, or has a value that is not accepted is an error that names file and "
    "line.\n"
    "- Durations: `500ms`, `30s`, `5m`, `2h`, `1d`; a plain number is seconds.\n"
    "- Sizes: `100KB`, `512MB`, `1GB`, in powers of 1024. A plain number is bytes, or KB for the options that AWS DMS "
    "counts\n"
    "  in KB.\n"
    "- Secrets are never printed, not even in errors.\n";

/* A cell of a table: '|' would end it. */
static void write_cell(struct buf *out, const char *text) {
    for (; *text != '\0'; text++)
        buf_printf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void write_default(struct buf *out, const struct option *option) {
    if (option->flags & OPTION_REQUIRED)
        buf_append_text(out, "**required**");
    else if (option->fallback == NULL)
        buf_append_text(out, "none");
    else
        buf_printf(out, "`%s`", option->fallback);
}

static void write_row(struct buf *out, const struct option *option) {
    char accepted[OPTION_TEXT_BYTES];
    option_describe(option, accepted);
    buf_printf(out, "| `%s` | ", option->name);
    write_cell(out, accepted);
    buf_append_text(out, " | ");
    write_default(out, option);
    buf_append_text(out, " | ");
    write_cell(out, option->help);
    if (option->example != NULL) {
        buf_append_text(out, " Example: `");
        write_cell(out, option->example);
        buf_append_text(out, "`");
    }
    buf_append_text(out, " |\n");
}

void config_write_reference(struct buf *out) {
    buf_append_text(out, introduction);
    for (size_t i = SECTION_TOP; i < SECTION_COUNT; i++) {
        const struct option_section *section = &option_sections[i];
        const char *name = section->name[0] != '\0' ? section->name : "The top of the file";
        const char *tick = section->name[0] != '\0' ? "`" : "";
        buf_printf(out, "\n## %s%s%s\n\n%s\n\n| option | value | default | meaning |\n|---|---|---|---|\n", tick, name,
                   tick, section->help);
        for (size_t j = 0; j < section->count; j++)
            write_row(out, &section->options[j]);
    }
}
