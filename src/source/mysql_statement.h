/* What a statement in the binlog does, as far as a reader of row events has to know: where transactions begin and end, and
 * which tables a definition statement creates, changes, renames, empties or drops. A small tokenizer, not a parser of SQL:
 * it knows quotes, comments and brackets, and reads the beginnings of statements. The columns themselves come from the
 * table map and information_schema; only renames, what an added column was filled with, and which type a changed column got
 * before a later statement gave it another one, are told by nothing but the text. */
#ifndef SLUICE_SOURCE_MYSQL_STATEMENT_H
#define SLUICE_SOURCE_MYSQL_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/table.h"

enum mysql_statement_kind {
    MYSQL_STATEMENT_OTHER, /* no meaning for rows: indexes, grants, views, temporary tables, … */
    MYSQL_STATEMENT_BEGIN,
    MYSQL_STATEMENT_COMMIT,
    MYSQL_STATEMENT_ROLLBACK,
    MYSQL_STATEMENT_SAVEPOINT,   /* name */
    MYSQL_STATEMENT_ROLLBACK_TO, /* name */
    MYSQL_STATEMENT_XA_START,    /* name: "X'6162',X'',1" */
    MYSQL_STATEMENT_XA_END,
    MYSQL_STATEMENT_XA_PREPARE,
    MYSQL_STATEMENT_XA_COMMIT,
    MYSQL_STATEMENT_XA_ROLLBACK,
    MYSQL_STATEMENT_CREATE_TABLE,  /* tables[0]; replaces */
    MYSQL_STATEMENT_ALTER_TABLE,   /* tables[0], with a new name when it is renamed; renames; added;
                                  * changed; converts_to; moves_rows; tables[1] when `other` says so */
    MYSQL_STATEMENT_RENAME_TABLE,  /* tables with new names, in order */
    MYSQL_STATEMENT_DROP_TABLE,    /* tables */
    MYSQL_STATEMENT_DROP_DATABASE, /* name */
    MYSQL_STATEMENT_TRUNCATE,      /* tables[0] */
    MYSQL_STATEMENT_CHANGE,        /* rows changed by a statement, not by row events: tables = every name in it */
};

struct mysql_statement_table {
    const char *schema, *name;
    const char *new_schema, *new_name; /* NULL unless it is renamed */
};

enum mysql_added_default {
    MYSQL_ADDED_BARE,     /* no DEFAULT: NULL, or the zero of its type when it is NOT NULL */
    MYSQL_ADDED_NULL,     /* DEFAULT NULL */
    MYSQL_ADDED_LITERAL,  /* DEFAULT 5, DEFAULT 'text' */
    MYSQL_ADDED_COMPUTED, /* anything else: an expression, the time, AUTO_INCREMENT, a generated column */
};

struct mysql_added_column {
    const char *name;
    enum mysql_added_default kind;
    const char *literal; /* LITERAL: without quotes; else NULL */
};

/* MODIFY, CHANGE: the values that exist may become others without row events. */
struct mysql_changed_column {
    const char *name; /* the new one; NULL when it could not be read */
    const char
        *type; /* in the words of information_schema, "int(11) unsigned", without sizes that mean nothing; NULL for a
                         type that is not understood */
    const char *charset;      /* lower case; NULL = the table's own */
    bool nullable, says_null; /* says_null: NULL stands there */
    bool computed;
};

/* What ALTER TABLE does to another table whose rows it moves: tables[1]. */
enum mysql_other_table {
    MYSQL_OTHER_NONE,
    MYSQL_OTHER_EXCHANGED, /* EXCHANGE PARTITION … WITH TABLE: it has the partition's rows */
    MYSQL_OTHER_CREATED,   /* CONVERT PARTITION … TO TABLE */
    MYSQL_OTHER_GONE,      /* CONVERT TABLE … TO PARTITION */
};

struct mysql_statement {
    enum mysql_statement_kind kind;
    const char *name; /* see the kinds; else NULL */
    struct mysql_statement_table *tables;
    size_t table_count;
    struct column_rename *renames;
    size_t rename_count;
    struct mysql_added_column *added;
    size_t added_count;
    struct mysql_changed_column *changed;
    size_t changed_count;
    const char *converts_to; /* CONVERT TO CHARACTER SET: which one; "" = the default of the database */
    bool replaces;           /* CREATE OR REPLACE TABLE */
    bool strict;             /* sql_mode: values that do not fit fail the statement */
    const char *moves_rows;  /* "DROP PARTITION", …: rows come or go without row events; else NULL */
    enum mysql_other_table other;
};

enum {
    MYSQL_MODE_ANSI_QUOTES = 0x4,
    MYSQL_MODE_NO_BACKSLASH_ESCAPES = 0x100000,
    MYSQL_MODE_STRICT = 0x200000 | 0x400000, /* STRICT_TRANS_TABLES, STRICT_ALL_TABLES */
};

/* `text` in UTF-8; names without a schema get default_schema. Everything in *out lives in the arena. What cannot be read is
 * OTHER. */
void mysql_statement_parse(struct arena *arena, struct slice text, struct slice default_schema, uint64_t sql_mode,
                           struct mysql_statement *out);

#endif
