#include "source/mysql_statement.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- tokens */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a keyword or an unquoted name or a number */
    TOKEN_NAME,   /* a quoted name, quotes and doubling removed */
    TOKEN_STRING, /* as written, quotes included */
    TOKEN_SYMBOL, /* one character */
};

struct token {
    enum token_kind kind;
    struct slice text;
};

struct lexer {
    struct arena *arena;
    const char *pos, *end;
    uint64_t sql_mode;
    struct token token; /* the one that is looked at */
};

static bool starts_with(const struct lexer *lexer, const char *text) {
    size_t len = strlen(text);
    return (size_t)(lexer->end - lexer->pos) >= len && memcmp(lexer->pos, text, len) == 0;
}

static void skip_past(struct lexer *lexer, const char *text) {
    const char *at = memmem(lexer->pos, (size_t)(lexer->end - lexer->pos), text, strlen(text));
    lexer->pos = at != NULL ? at + strlen(text) : lexer->end;
}

/* Blanks and comments. The insides of executable comments, slash-star-bang with or without a version number, are part of the
 * statement; only their brackets are skipped. */
static void skip_blanks(struct lexer *lexer) {
    while (lexer->pos < lexer->end) {
        bool line_comment =
            *lexer->pos == '#' ||
            (starts_with(lexer, "--") && (lexer->end - lexer->pos == 2 || isspace((unsigned char)lexer->pos[2])));
        if (isspace((unsigned char)*lexer->pos)) {
            lexer->pos++;
        } else if (line_comment) {
            skip_past(lexer, "\n");
        } else if (starts_with(lexer, "/*!") || starts_with(lexer, "/*M!")) {
            skip_past(lexer, "!");
            while (lexer->pos < lexer->end && isdigit((unsigned char)*lexer->pos))
                lexer->pos++;
        } else if (starts_with(lexer, "/*")) {
            lexer->pos += 2;
            skip_past(lexer, "*/");
        } else if (starts_with(lexer, "*/")) {
            lexer->pos += 2;
        } else {
            return;
        }
    }
}

static bool is_word_char(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static struct token read_quoted(struct lexer *lexer, char quote) {
    bool is_name = quote == '`' || (quote == '"' && (lexer->sql_mode & MYSQL_MODE_ANSI_QUOTES) != 0);
    bool backslash = !is_name && (lexer->sql_mode & MYSQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    const char *begin = lexer->pos++;
    char *name = is_name ? arena_alloc(lexer->arena, (size_t)(lexer->end - begin) + 1) : NULL;
    size_t len = 0;
    for (; lexer->pos < lexer->end; lexer->pos++) {
        if (backslash && *lexer->pos == '\\' && lexer->pos + 1 < lexer->end) {
            lexer->pos++;
        } else if (*lexer->pos == quote) {
            if (lexer->pos + 1 == lexer->end || lexer->pos[1] != quote)
                break;
            lexer->pos++;
        }
        if (is_name)
            name[len++] = *lexer->pos;
    }
    if (lexer->pos < lexer->end)
        lexer->pos++;
    struct slice whole = {begin, (size_t)(lexer->pos - begin)};
    return is_name ? (struct token){TOKEN_NAME, {name, len}} : (struct token){TOKEN_STRING, whole};
}

static void next(struct lexer *lexer) {
    skip_blanks(lexer);
    const char *begin = lexer->pos;
    if (begin == lexer->end) {
        lexer->token = (struct token){TOKEN_END, {begin, 0}};
    } else if (*begin == '`' || *begin == '"' || *begin == '\'') {
        lexer->token = read_quoted(lexer, *begin);
    } else if (is_word_char(*begin)) {
        while (lexer->pos < lexer->end && is_word_char(*lexer->pos))
            lexer->pos++;
        lexer->token = (struct token){TOKEN_WORD, {begin, (size_t)(lexer->pos - begin)}};
    } else {
        lexer->pos++;
        lexer->token = (struct token){TOKEN_SYMBOL, {begin, 1}};
    }
}

static bool at_word(const struct lexer *lexer, const char *word) {
    return lexer->token.kind == TOKEN_WORD && slice_equal_text_nocase(lexer->token.text, word);
}

static bool at_symbol(const struct lexer *lexer, char symbol) {
    return lexer->token.kind == TOKEN_SYMBOL && *lexer->token.text.data == symbol;
}

static bool take_word(struct lexer *lexer, const char *word) {
    bool found = at_word(lexer, word);
    if (found)
        next(lexer);
    return found;
}

static bool take_symbol(struct lexer *lexer, char symbol) {
    bool found = at_symbol(lexer, symbol);
    if (found)
        next(lexer);
    return found;
}

static void take_if_exists(struct lexer *lexer) {
    if (take_word(lexer, "IF")) {
        take_word(lexer, "NOT");
        take_word(lexer, "EXISTS");
    }
}

static const char *take_name(struct lexer *lexer) {
    if (lexer->token.kind != TOKEN_WORD && lexer->token.kind != TOKEN_NAME)
        return NULL;
    const char *name = arena_strndup(lexer->arena, lexer->token.text.data, lexer->token.text.len);
    next(lexer);
    return name;
}

/* name or schema.name */
static bool take_table(struct lexer *lexer, struct slice default_schema, const char **schema, const char **name) {
    *schema = NULL;
    *name = take_name(lexer);
    if (*name != NULL && take_symbol(lexer, '.')) {
        *schema = *name;
        *name = take_name(lexer);
    }
    if (*schema == NULL)
        *schema = arena_strndup(lexer->arena, default_schema.data, default_schema.len);
    return *name != NULL;
}

/* ---- statements */

struct parse {
    struct lexer lexer;
    struct slice default_schema;
    struct mysql_statement *out;
    size_t table_capacity, rename_capacity, added_capacity, changed_capacity;
};

static void *grow_in_arena(struct arena *arena, void *array, size_t count, size_t *capacity, size_t element_bytes) {
    if (count < *capacity)
        return array;
    *capacity = *capacity > 0 ? *capacity * 2 : 4;
    void *grown = arena_alloc(arena, *capacity * element_bytes);
    if (count > 0)
        memcpy(grown, array, count * element_bytes);
    return grown;
}

static struct mysql_statement_table *add_table(struct parse *parse) {
    struct mysql_statement *out = parse->out;
    out->tables =
        grow_in_arena(parse->lexer.arena, out->tables, out->table_count, &parse->table_capacity, sizeof *out->tables);
    return &out->tables[out->table_count++];
}

/* Reads a table's name as a further table of the statement; without a name nothing is added. */
static struct mysql_statement_table *take_statement_table(struct parse *parse) {
    const char *schema, *name;
    if (!take_table(&parse->lexer, parse->default_schema, &schema, &name))
        return NULL;
    struct mysql_statement_table *table = add_table(parse);
    *table = (struct mysql_statement_table){.schema = schema, .name = name};
    return table;
}

static void take_new_name(struct parse *parse, struct mysql_statement_table *table) {
    if (!take_table(&parse->lexer, parse->default_schema, &table->new_schema, &table->new_name))
        table->new_schema = NULL;
}

static void parse_create(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    if (take_word(lexer, "OR"))
        parse->out->replaces = take_word(lexer, "REPLACE");
    if (!take_word(lexer, "TABLE"))
        return;
    take_if_exists(lexer);
    if (take_statement_table(parse) != NULL)
        parse->out->kind = MYSQL_STATEMENT_CREATE_TABLE;
}

static void parse_drop(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    if (take_word(lexer, "DATABASE") || take_word(lexer, "SCHEMA")) {
        take_if_exists(lexer);
        parse->out->name = take_name(lexer);
        if (parse->out->name != NULL)
            parse->out->kind = MYSQL_STATEMENT_DROP_DATABASE;
    } else if (take_word(lexer, "TABLE") || take_word(lexer, "TABLES")) {
        take_if_exists(lexer);
        do {
            if (take_statement_table(parse) != NULL)
                parse->out->kind = MYSQL_STATEMENT_DROP_TABLE;
        } while (take_symbol(lexer, ','));
    } else if (take_word(lexer, "INDEX")) {
        /* DROP INDEX `PRIMARY` ON t changes the table's key. */
        take_if_exists(lexer);
        if (take_name(lexer) != NULL && take_word(lexer, "ON") && take_statement_table(parse) != NULL)
            parse->out->kind = MYSQL_STATEMENT_ALTER_TABLE;
    }
}

static void parse_rename(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    if (!take_word(lexer, "TABLE") && !take_word(lexer, "TABLES"))
        return;
    do {
        take_if_exists(lexer);
        struct mysql_statement_table *table = take_statement_table(parse);
        if (table == NULL)
            return;
        while (take_word(lexer, "WAIT") || take_word(lexer, "NOWAIT"))
            if (lexer->token.kind == TOKEN_WORD && isdigit((unsigned char)*lexer->token.text.data))
                next(lexer);
        if (!take_word(lexer, "TO"))
            return;
        take_new_name(parse, table);
        parse->out->kind = MYSQL_STATEMENT_RENAME_TABLE;
    } while (take_symbol(lexer, ','));
}

static void add_rename(struct parse *parse, const char *from, const char *to) {
    struct mysql_statement *out = parse->out;
    if (from == NULL || to == NULL || strcmp(from, to) == 0)
        return;
    out->renames = grow_in_arena(parse->lexer.arena, out->renames, out->rename_count, &parse->rename_capacity,
                                 sizeof *out->renames);
    out->renames[out->rename_count++] = (struct column_rename){from, to};
}

static void parse_alter_rename(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    if (take_word(lexer, "COLUMN")) {
        take_if_exists(lexer);
        const char *from = take_name(lexer);
        if (take_word(lexer, "TO"))
            add_rename(parse, from, take_name(lexer));
    } else if (!at_word(lexer, "INDEX") && !at_word(lexer, "KEY")) {
        if (!take_word(lexer, "TO") && !take_word(lexer, "AS"))
            take_symbol(lexer, '=');
        take_new_name(parse, &parse->out->tables[0]);
    }
}

/* What a quoted string means; NULL when it holds a zero byte or a character that only the server reads so. */
static const char *decode_string(const struct lexer *lexer, struct slice quoted) {
    static const char escapes[] = "nrtbZ", bytes[] = "\n\r\t\b\032";
    bool backslash = (lexer->sql_mode & MYSQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    char *out = arena_alloc(lexer->arena, quoted.len + 1), *to = out;
    if (quoted.len < 2 || quoted.data[quoted.len - 1] != quoted.data[0]) /* the statement ends in it */
        return NULL;
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        char c = quoted.data[i];
        if (c == quoted.data[0]) {
            i++; /* doubled */
        } else if (c == '\\' && backslash) {
            c = quoted.data[++i];
            const char *escape = strchr(escapes, c);
            if (c == '0' || c == '%' || c == '_')
                return NULL;
            c = escape != NULL && c != '\0' ? bytes[escape - escapes] : c;
        }
        *to++ = c;
    }
    return out;
}

/* A word that is a number: 5, -1.5e3, 0x6162, 0b101; or X'6162', B'101'. In the forms 5, 0x6162, b'101'; NULL for another
 * word. The lexer is left at its last token. */
static const char *read_number(struct lexer *lexer) {
    struct slice text = lexer->token.text;
    bool hex = at_word(lexer, "X"), bits = at_word(lexer, "B");
    if (hex || bits) {
        next(lexer);
        const char *digits = lexer->token.kind == TOKEN_STRING ? decode_string(lexer, lexer->token.text) : NULL;
        return digits != NULL ? arena_printf(lexer->arena, hex ? "0x%s" : "b'%s'", digits) : NULL;
    }
    if (text.len > 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'b')) {
        const char *digits = arena_strndup(lexer->arena, text.data + 2, text.len - 2);
        return arena_printf(lexer->arena, text.data[1] == 'x' ? "0x%s" : "b'%s'", digits);
    }
    size_t len = 0;
    while (text.data + len < lexer->end && strchr("+-.0123456789eE", text.data[len]) != NULL)
        len++;
    return len > 0 && strchr("eE", text.data[0]) == NULL ? arena_strndup(lexer->arena, text.data, len) : NULL;
}

/* The text of a literal, or COMPUTED for what is none. */
static void take_default(struct lexer *lexer, struct mysql_added_column *column) {
    column->kind = MYSQL_ADDED_LITERAL;
    if (at_word(lexer, "NULL"))
        column->kind = MYSQL_ADDED_NULL;
    else if (at_word(lexer, "TRUE") || at_word(lexer, "FALSE"))
        column->literal = at_word(lexer, "TRUE") ? "1" : "0";
    else if (lexer->token.kind == TOKEN_STRING)
        column->literal = decode_string(lexer, lexer->token.text);
    else if (lexer->token.kind == TOKEN_WORD || lexer->token.kind == TOKEN_SYMBOL)
        column->literal = read_number(lexer);
    if (column->kind == MYSQL_ADDED_LITERAL && column->literal == NULL)
        column->kind = MYSQL_ADDED_COMPUTED;
}

/* name type … [DEFAULT …] …, up to the comma or the bracket behind it. */
static void parse_added_column(struct parse *parse) {
    static const char *const computed[] = {"AS", "GENERATED", "AUTO_INCREMENT", "SERIAL"};
    struct lexer *lexer = &parse->lexer;
    struct mysql_statement *out = parse->out;
    struct mysql_added_column column = {.name = take_name(lexer)};
    size_t depth = 0;
    if (column.name == NULL)
        return;
    while (lexer->token.kind != TOKEN_END && (depth > 0 || (!at_symbol(lexer, ',') && !at_symbol(lexer, ')')))) {
        depth += at_symbol(lexer, '(');
        depth -= at_symbol(lexer, ')');
        for (size_t i = 0; depth == 0 && i < sizeof computed / sizeof computed[0]; i++)
            if (at_word(lexer, computed[i]))
                column.kind = MYSQL_ADDED_COMPUTED;
        if (depth == 0 && column.kind == MYSQL_ADDED_BARE && take_word(lexer, "DEFAULT"))
            take_default(lexer, &column);
        else
            next(lexer);
    }
    out->added = grow_in_arena(lexer->arena, out->added, out->added_count, &parse->added_capacity, sizeof *out->added);
    out->added[out->added_count++] = column;
}

static void parse_alter_add(struct parse *parse) {
    static const char *const others[] = {"INDEX",   "KEY",   "UNIQUE",    "PRIMARY", "FULLTEXT", "SPATIAL",
                                         "FOREIGN", "CHECK", "PARTITION", "PERIOD",  "SYSTEM",   "CONSTRAINT"};
    struct lexer *lexer = &parse->lexer;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (at_word(lexer, others[i]))
            return;
    take_word(lexer, "COLUMN");
    take_if_exists(lexer);
    if (!take_symbol(lexer, '(')) {
        parse_added_column(parse);
        return;
    }
    do
        parse_added_column(parse);
    while (take_symbol(lexer, ','));
}

/* ---- declarations of columns */

static const char *take_lower(struct lexer *lexer) {
    if (lexer->token.kind != TOKEN_WORD && lexer->token.kind != TOKEN_NAME && lexer->token.kind != TOKEN_STRING)
        return NULL;
    struct slice text = lexer->token.text;
    bool quoted = lexer->token.kind == TOKEN_STRING && text.len >= 2;
    char *lower = arena_strndup(lexer->arena, text.data + quoted, text.len - 2 * quoted);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    next(lexer);
    return lower;
}

/* CHARACTER SET x, CHARSET x, or COLLATE x_y, which is the same for its values; NULL when none of them stands here. */
static const char *take_charset(struct lexer *lexer) {
    if (at_word(lexer, "CHARACTER") || at_word(lexer, "CHAR")) {
        next(lexer);
        return take_word(lexer, "SET") ? take_lower(lexer) : NULL;
    }
    if (take_word(lexer, "CHARSET"))
        return take_lower(lexer);
    const char *collation = take_word(lexer, "COLLATE") ? take_lower(lexer) : NULL;
    return collation != NULL ? arena_strndup(lexer->arena, collation, strcspn(collation, "_")) : NULL;
}

/* The type's first words as information_schema has them; NULL for one that it has not, or that depends on the sql_mode. */
static const char *take_base_type(struct lexer *lexer) {
    static const char *const aliases[][2] = {
        {"integer", "int"},   {"int1", "tinyint"},       {"int2", "smallint"},  {"int3", "mediumint"},
        {"int4", "int"},      {"int8", "bigint"},        {"dec", "decimal"},    {"middleint", "mediumint"},
        {"fixed", "decimal"}, {"numeric", "decimal"},    {"character", "char"}, {"bool", "tinyint(1)"},
        {"float4", "float"},  {"boolean", "tinyint(1)"}, {"float8", "double"},
    };
    static const char *const unclear[] = {"real", "long", "national", "nchar", "nvarchar", "serial"};
    const char *word = lexer->token.kind == TOKEN_WORD ? take_lower(lexer) : NULL;
    for (size_t i = 0; word != NULL && i < sizeof unclear / sizeof unclear[0]; i++)
        if (strcmp(word, unclear[i]) == 0)
            return NULL;
    for (size_t i = 0; word != NULL && i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcmp(word, aliases[i][0]) == 0)
            word = aliases[i][1];
    if (word != NULL && strcmp(word, "char") == 0 && take_word(lexer, "VARYING"))
        word = "varchar";
    if (word != NULL && strcmp(word, "double") == 0)
        take_word(lexer, "PRECISION");
    return word;
}

static void append_label(struct buf *out, const char *label) {
    buf_append_char(out, '\'');
    for (; *label != '\0'; label++) {
        if (*label == '\'')
            buf_append_char(out, '\'');
        buf_append_char(out, *label);
    }
    buf_append_char(out, '\'');
}

/* "(10,2)", "('a','b''c')"; "" where there is none, NULL when it is not understood. */
static const char *take_size(struct lexer *lexer) {
    if (!take_symbol(lexer, '('))
        return "";
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_append_char(&out, '(');
    bool clear = true;
    for (; lexer->token.kind != TOKEN_END && !at_symbol(lexer, ')'); next(lexer)) {
        struct slice text = lexer->token.text;
        bool number = lexer->token.kind == TOKEN_WORD && isdigit((unsigned char)*text.data);
        const char *label = lexer->token.kind == TOKEN_STRING ? decode_string(lexer, text) : NULL;
        if (label != NULL)
            append_label(&out, label);
        else if (number || at_symbol(lexer, ','))
            buf_append(&out, text.data, text.len);
        else
            clear = false;
    }
    buf_append_char(&out, ')');
    const char *size = clear && take_symbol(lexer, ')') ? arena_strndup(lexer->arena, out.data, out.len) : NULL;
    buf_deinit(&out);
    if (size == NULL)
        take_symbol(lexer, ')');
    return size;
}

/* The sizes that are meant where none stands. */
static const char *complete_type(struct lexer *lexer, const char *base, const char *size) {
    bool one = strcmp(base, "char") == 0 || strcmp(base, "binary") == 0 || strcmp(base, "bit") == 0;
    bool free = strcmp(base, "text") == 0 || strcmp(base, "blob") == 0 || strcmp(base, "float") == 0;
    if (*size == '\0')
        return one ? arena_printf(lexer->arena, "%s(1)", base) : strcmp(base, "decimal") == 0 ? "decimal(10,0)" : base;
    if (free) /* the size chooses another type */
        return NULL;
    if (strcmp(base, "decimal") == 0 && strchr(size, ',') == NULL)
        return arena_printf(lexer->arena, "decimal%.*s,0)", (int)strlen(size) - 1, size);
    return arena_printf(lexer->arena, "%s%s", base, size);
}

static const char *take_type(struct lexer *lexer) {
    const char *base = take_base_type(lexer), *size = base != NULL ? take_size(lexer) : NULL;
    const char *type = size != NULL ? complete_type(lexer, base, size) : NULL;
    for (bool is_unsigned = false; type != NULL;) {
        bool zerofill = take_word(lexer, "ZEROFILL");
        if (zerofill || take_word(lexer, "UNSIGNED")) {
            type =
                arena_printf(lexer->arena, "%s%s%s", type, is_unsigned ? "" : " unsigned", zerofill ? " zerofill" : "");
            is_unsigned = true;
        } else if (!take_word(lexer, "SIGNED")) {
            break;
        }
    }
    return type;
}

/* What stands behind the type, as far as the values that exist depend on it. */
static void parse_attribute(struct lexer *lexer, struct mysql_changed_column *column) {
    static const char *const unclear[] = {"ASCII", "UNICODE", "BYTE"};
    const char *charset = take_charset(lexer);
    if (charset != NULL) {
        column->charset = charset;
    } else if (take_word(lexer, "NOT")) {
        if (take_word(lexer, "NULL"))
            column->nullable = false;
    } else if (take_word(lexer, "DEFAULT") || take_word(lexer, "COMMENT")) {
        next(lexer);
    } else if (take_word(lexer, "NULL")) {
        column->says_null = true;
    } else if (lexer->token.kind != TOKEN_END && !at_symbol(lexer, ',')) {
        column->computed = column->computed || at_word(lexer, "AS") || at_word(lexer, "GENERATED");
        for (size_t i = 0; i < sizeof unclear / sizeof unclear[0]; i++)
            if (at_word(lexer, unclear[i]))
                column->type = NULL;
        next(lexer);
    }
}

/* type …, up to the comma behind it. */
static void parse_changed_column(struct parse *parse, const char *name) {
    struct lexer *lexer = &parse->lexer;
    struct mysql_statement *out = parse->out;
    struct mysql_changed_column column = {.name = name, .nullable = true, .type = take_type(lexer)};
    for (size_t depth = 0; lexer->token.kind != TOKEN_END && (depth > 0 || !at_symbol(lexer, ','));) {
        depth += at_symbol(lexer, '(');
        depth -= depth > 0 && at_symbol(lexer, ')');
        if (depth > 0)
            next(lexer);
        else
            parse_attribute(lexer, &column);
    }
    if (column.charset != NULL && strcmp(column.charset, "binary") == 0) /* makes bytes of a text */
        column.type = NULL;
    out->changed =
        grow_in_arena(lexer->arena, out->changed, out->changed_count, &parse->changed_capacity, sizeof *out->changed);
    out->changed[out->changed_count++] = column;
}

static void parse_alter_change(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    take_word(lexer, "COLUMN");
    take_if_exists(lexer);
    const char *from = take_name(lexer), *to = take_name(lexer);
    add_rename(parse, from, to);
    parse_changed_column(parse, to);
}

static void parse_alter_modify(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    take_word(lexer, "COLUMN");
    take_if_exists(lexer);
    parse_changed_column(parse, take_name(lexer));
}

/* CONVERT TO CHARACTER SET x [COLLATE y], where x may be DEFAULT. */
static void parse_alter_convert(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    const char *charset = take_charset(lexer);
    parse->out->converts_to = charset != NULL && strcmp(charset, "default") != 0 ? charset : "";
}

/* The table that a partition is exchanged with, becomes, or was: behind PARTITION p WITH TABLE, PARTITION p TO TABLE, TABLE. */
static void parse_other_table(struct parse *parse, enum mysql_other_table other) {
    struct lexer *lexer = &parse->lexer;
    if (take_word(lexer, "PARTITION")) {
        take_name(lexer);
        if (!take_word(lexer, "WITH"))
            take_word(lexer, "TO");
    }
    if (take_word(lexer, "TABLE") && take_statement_table(parse) != NULL)
        parse->out->other = other;
}

/* Parts that make rows come or go without row events. */
static void parse_alter_mover(struct parse *parse, struct slice verb) {
    static const struct {
        const char *verb, *object, *text;
        enum mysql_other_table other;
    } movers[] = {
        {"DROP", "PARTITION", "DROP PARTITION", MYSQL_OTHER_NONE},
        {"TRUNCATE", "PARTITION", "TRUNCATE PARTITION", MYSQL_OTHER_NONE},
        {"EXCHANGE", "PARTITION", "EXCHANGE PARTITION", MYSQL_OTHER_EXCHANGED},
        {"CONVERT", "PARTITION", "CONVERT PARTITION", MYSQL_OTHER_CREATED},
        {"CONVERT", "TABLE", "CONVERT TABLE", MYSQL_OTHER_GONE},
        {"IMPORT", "TABLESPACE", "IMPORT TABLESPACE", MYSQL_OTHER_NONE},
        {"IMPORT", "PARTITION", "IMPORT PARTITION", MYSQL_OTHER_NONE},
    };
    for (size_t i = 0; i < sizeof movers / sizeof movers[0]; i++)
        if (slice_equal_text_nocase(verb, movers[i].verb) && at_word(&parse->lexer, movers[i].object)) {
            parse->out->moves_rows = movers[i].text;
            if (movers[i].other != MYSQL_OTHER_NONE)
                parse_other_table(parse, movers[i].other);
            return;
        }
}

/* One of the comma-separated parts of ALTER TABLE. */
static void parse_alter_part(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    if (take_word(lexer, "RENAME")) {
        parse_alter_rename(parse);
    } else if (take_word(lexer, "CHANGE")) {
        parse_alter_change(parse);
    } else if (take_word(lexer, "MODIFY")) {
        parse_alter_modify(parse);
    } else if (take_word(lexer, "ADD")) {
        parse_alter_add(parse);
    } else if (lexer->token.kind == TOKEN_WORD) {
        struct token verb = lexer->token;
        next(lexer);
        if (slice_equal_text_nocase(verb.text, "CONVERT") && take_word(lexer, "TO"))
            parse_alter_convert(parse);
        else
            parse_alter_mover(parse, verb.text);
    }
}

static void skip_to_next_part(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    size_t depth = 0;
    while (lexer->token.kind != TOKEN_END && !(depth == 0 && at_symbol(lexer, ','))) {
        if (at_symbol(lexer, '('))
            depth++;
        else if (at_symbol(lexer, ')') && depth > 0)
            depth--;
        next(lexer);
    }
}

static void parse_alter(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    bool ignore = false;
    for (;;) {
        if (take_word(lexer, "IGNORE"))
            ignore = true;
        else if (!take_word(lexer, "ONLINE") && !take_word(lexer, "OFFLINE"))
            break;
    }
    if (!take_word(lexer, "TABLE"))
        return;
    take_if_exists(lexer);
    if (take_statement_table(parse) == NULL)
        return;
    parse->out->kind = MYSQL_STATEMENT_ALTER_TABLE;
    if (ignore)
        parse->out->moves_rows = "IGNORE"; /* removes the rows that a new key does not allow */
    if (take_word(lexer, "WAIT"))
        next(lexer);
    else
        take_word(lexer, "NOWAIT");
    do {
        parse_alter_part(parse);
        skip_to_next_part(parse);
    } while (take_symbol(lexer, ','));
}

static void parse_truncate(struct parse *parse) {
    take_word(&parse->lexer, "TABLE");
    if (take_statement_table(parse) != NULL)
        parse->out->kind = MYSQL_STATEMENT_TRUNCATE;
}

/* The id as written, without blanks; the words behind it (ONE PHASE) do not belong to it. */
static const char *take_xid(struct lexer *lexer) {
    char *xid = arena_alloc(lexer->arena, lexer->token.text.len + (size_t)(lexer->end - lexer->pos) + 1);
    size_t len = 0;
    bool after_number = false;
    while (lexer->token.kind != TOKEN_END) {
        struct slice part = lexer->token.text;
        bool number = lexer->token.kind == TOKEN_WORD && isdigit((unsigned char)*part.data);
        if (lexer->token.kind == TOKEN_WORD && !number && part.len != 1)
            break;
        if (number && after_number)
            break;
        memcpy(xid + len, part.data, part.len);
        len += part.len;
        after_number = number;
        next(lexer);
    }
    xid[len] = '\0';
    return xid;
}

static void parse_xa(struct parse *parse) {
    static const struct {
        const char *word;
        enum mysql_statement_kind kind;
    } verbs[] = {
        {"START", MYSQL_STATEMENT_XA_START},   {"BEGIN", MYSQL_STATEMENT_XA_START},
        {"END", MYSQL_STATEMENT_XA_END},       {"PREPARE", MYSQL_STATEMENT_XA_PREPARE},
        {"COMMIT", MYSQL_STATEMENT_XA_COMMIT}, {"ROLLBACK", MYSQL_STATEMENT_XA_ROLLBACK},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (take_word(&parse->lexer, verbs[i].word)) {
            parse->out->kind = verbs[i].kind;
            parse->out->name = take_xid(&parse->lexer);
            return;
        }
}

static void parse_rollback(struct parse *parse) {
    parse->out->kind = MYSQL_STATEMENT_ROLLBACK;
    take_word(&parse->lexer, "WORK");
    if (!take_word(&parse->lexer, "TO"))
        return;
    take_word(&parse->lexer, "SAVEPOINT");
    parse->out->kind = MYSQL_STATEMENT_ROLLBACK_TO;
    parse->out->name = take_name(&parse->lexer);
}

static void parse_savepoint(struct parse *parse) {
    parse->out->name = take_name(&parse->lexer);
    if (parse->out->name != NULL)
        parse->out->kind = MYSQL_STATEMENT_SAVEPOINT;
}

/* A change in statement format names its tables somewhere; every name in it may be one. */
static void parse_change(struct parse *parse) {
    enum { TABLES_MAX = 256 };
    parse->out->kind = MYSQL_STATEMENT_CHANGE;
    while (parse->lexer.token.kind != TOKEN_END && parse->out->table_count < TABLES_MAX)
        if (take_statement_table(parse) == NULL)
            next(&parse->lexer);
}

static void parse_begin(struct parse *parse) { parse->out->kind = MYSQL_STATEMENT_BEGIN; }

static void parse_start(struct parse *parse) {
    if (at_word(&parse->lexer, "TRANSACTION"))
        parse->out->kind = MYSQL_STATEMENT_BEGIN;
}

static void parse_commit(struct parse *parse) { parse->out->kind = MYSQL_STATEMENT_COMMIT; }

static void parse_verb(struct parse *parse);

/* MariaDB: SET STATEMENT lock_wait_timeout = 5, … FOR statement, which is logged as it was written. */
static void parse_set(struct parse *parse) {
    struct lexer *lexer = &parse->lexer;
    size_t depth = 0;
    if (!take_word(lexer, "STATEMENT"))
        return;
    while (lexer->token.kind != TOKEN_END && !(depth == 0 && at_word(lexer, "FOR"))) {
        if (at_symbol(lexer, '('))
            depth++;
        else if (at_symbol(lexer, ')') && depth > 0)
            depth--;
        next(lexer);
    }
    if (take_word(lexer, "FOR") && !at_word(lexer, "SET"))
        parse_verb(parse);
}

static void parse_verb(struct parse *parse) {
    static const struct {
        const char *word;
        void (*parse)(struct parse *parse);
    } verbs[] = {
        {"BEGIN", parse_begin},
        {"COMMIT", parse_commit},
        {"ROLLBACK", parse_rollback},
        {"SAVEPOINT", parse_savepoint},
        {"XA", parse_xa},
        {"START", parse_start},
        {"CREATE", parse_create},
        {"ALTER", parse_alter},
        {"DROP", parse_drop},
        {"RENAME", parse_rename},
        {"TRUNCATE", parse_truncate},
        {"INSERT", parse_change},
        {"UPDATE", parse_change},
        {"DELETE", parse_change},
        {"REPLACE", parse_change},
        {"LOAD", parse_change},
        {"WITH", parse_change},
        {"SET", parse_set},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (take_word(&parse->lexer, verbs[i].word)) {
            verbs[i].parse(parse);
            return;
        }
}

void mysql_statement_parse(struct arena *arena, struct slice text, struct slice default_schema, uint64_t sql_mode,
                           struct mysql_statement *out) {
    *out = (struct mysql_statement){.kind = MYSQL_STATEMENT_OTHER, .strict = (sql_mode & MYSQL_MODE_STRICT) != 0};
    struct parse parse = {
        .lexer = {.arena = arena, .pos = text.data, .end = text.data + text.len, .sql_mode = sql_mode},
        .default_schema = default_schema,
        .out = out};
    next(&parse.lexer);
    parse_verb(&parse);
}
