/* The option table: every key of sluice.yaml is one row. The parser (config.c) and the two writers (document.c) walk it. */
#ifndef SLUICE_CONFIG_OPTIONS_H
#define SLUICE_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the field at `offset` is, and what is accepted. */
enum option_kind {
    OPTION_TEXT,     /* const char *, min..max bytes long when max is not 0 */
    OPTION_WORD,     /* const char *: one of words */
    OPTION_ENUM,     /* an enum: the index of the word in words */
    OPTION_SWITCH,   /* bool: false for words[0], true for words[1] */
    OPTION_BOOL,     /* bool */
    OPTION_INTEGER,  /* int64_t, min..max */
    OPTION_DURATION, /* int64_t, min..max in units of `unit` ms; a plain number is seconds */
    OPTION_SIZE,     /* int64_t, min..max in units of `unit` bytes; a plain number is in that unit */
    OPTION_SCHEDULE, /* const char *, checked by schedule_parse */
    OPTION_NAMES,    /* const char *const * and a count: a list, or text with commas; null is the empty list */
    OPTION_TYPES,    /* struct config_column_type * and a count: a map from column to type */
};

enum {
    OPTION_REQUIRED = 1,     /* must be there */
    OPTION_SECRET = 2,       /* the value is never printed */
    OPTION_TAKES_NULL = 4,   /* `null` sets "none"; without this flag `null` is as if the key were not there */
    OPTION_NULL_IS_TEXT = 8, /* the word null is a value like any other */
    OPTION_ESCAPES = 16,     /* \n, \r, \t and \\ are read also where YAML does not read them */
    OPTION_SHOWN = 32,       /* `sluice init` writes it as a line, not as a comment */
};

struct option {
    const char *name;
    enum option_kind kind;
    unsigned flags;
    size_t offset;        /* of the field in the section's struct */
    size_t count_offset;  /* NAMES, TYPES: of the size_t beside it */
    size_t set_offset;    /* of a bool that becomes true when the key is there; 0: none */
    const char *fallback; /* the default, written as in the file; NULL: none (NULL, 0, false) */
    int64_t min, max;
    int64_t unit;
    const char *const *words; /* NULL at the end */
    const char *example;      /* what `sluice init` shows when it is not the default */
    const char *help;         /* sentences, each begins with a capital letter */
};

struct option_section {
    const char *name; /* "": the top of the file; "tables" is a list of maps */
    size_t offset;    /* of the section's struct in struct config */
    const struct option *options;
    size_t count;
    const char *help;
};

enum option_section_number {
    SECTION_TOP,
    SECTION_SOURCE,
    SECTION_RAW,
    SECTION_LAKE,
    SECTION_LOAD,
    SECTION_SCHEDULE,
    SECTION_MAINTAIN,
    SECTION_TABLES,
    SECTION_COUNT
};
extern const struct option_section option_sections[SECTION_COUNT];

enum { MEMORY_LIMIT_MIN_BYTES = 64 << 20 };

const struct option *option_find(const struct option_section *section, const char *name);

/* What is accepted, in words: "a whole number from 0 to 65535", "one of csv, parquet". */
enum { OPTION_TEXT_BYTES = 200 };
void option_describe(const struct option *option, char out[OPTION_TEXT_BYTES]);

#endif
