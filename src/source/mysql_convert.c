#include "source/mysql_convert.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* ---- the declared type: "varchar(30) character set latin1" */

static struct slice base_word(const char *words) { return (struct slice){words, strcspn(words, "( ")}; }

static bool is_one_of(struct slice word, const char *const *known) {
    for (; *known != NULL; known++)
        if (slice_equal_text(word, *known))
            return true;
    return false;
}

/* Texts of any length; CHAR is another, it loses blanks at its end. */
static bool is_free_text(const char *words) {
    static const char *const types[] = {"varchar", "tinytext", "text", "mediumtext", "longtext", NULL};
    return is_one_of(base_word(words), types);
}

static bool is_free_binary(const char *words) {
    static const char *const types[] = {"varbinary", "tinyblob", "blob", "mediumblob", "longblob", NULL};
    return is_one_of(base_word(words), types);
}

static bool is_word(const char *words, const char *word) { return slice_equal_text(base_word(words), word); }

/* varchar(10) -> varchar(20) of the same character set */
static bool is_longer(const char *from, const char *to) {
    struct slice a = base_word(from), b = base_word(to);
    char *from_end, *to_end;
    if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0 || from[a.len] != '(' || to[b.len] != '(')
        return false;
    unsigned long from_len = strtoul(from + a.len + 1, &from_end, 10), to_len = strtoul(to + b.len + 1, &to_end, 10);
    return to_len >= from_len && strcmp(from_end, to_end) == 0;
}

/* enum('a','b') -> enum('a','b','c'). Other labels may be those of the rows, in other words. */
static bool has_labels_appended(const char *from, const char *to) {
    const char *from_end = strrchr(from, ')'), *to_end = strrchr(to, ')');
    if (from_end == NULL || to_end == NULL || strcmp(from_end, to_end) != 0)
        return false;
    size_t len = (size_t)(from_end - from);
    return (size_t)(to_end - to) >= len && memcmp(from, to, len) == 0 && (to[len] == ',' || to + len == to_end);
}

/* ---- kinds */

static bool is_signed(enum type_kind kind) { return kind >= TYPE_INT8 && kind <= TYPE_INT64; }

static bool is_integer(enum type_kind kind) { return kind >= TYPE_INT8 && kind <= TYPE_UINT64; }

/* 0 for one byte, to 3 for eight. */
static int width(enum type_kind kind) { return (int)kind - (int)(is_signed(kind) ? TYPE_INT8 : TYPE_UINT8); }

static bool holds_integers(enum type_kind from, enum type_kind to) {
    if (is_signed(from) == is_signed(to))
        return width(to) >= width(from);
    return is_signed(to) && width(to) > width(from);
}

static bool text_keeps(const char *from, const char *to, bool strict) {
    if (is_word(from, "enum") || is_word(from, "set"))
        return has_labels_appended(from, to) || (strict && is_free_text(to));
    if (!strict || is_word(from, "char") != is_word(to, "char"))
        return is_longer(from, to) || (strict && is_word(from, "char") && is_free_text(to));
    return is_word(from, "char") || (is_free_text(from) && is_free_text(to));
}

static bool decimal_keeps(struct type from, struct type to, bool strict) {
    return to.scale >= from.scale && (strict || to.precision - to.scale >= from.precision - from.scale);
}

static bool same_kind_keeps(const struct column *from, const struct column *to, bool strict) {
    switch (from->type.kind) {
    case TYPE_DECIMAL:
        return decimal_keeps(from->type, to->type, strict);
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return to->type.scale >= from->type.scale;
    case TYPE_STRING:
        return text_keeps(from->source_type, to->source_type, strict);
    case TYPE_BINARY:
        return is_longer(from->source_type, to->source_type)
                   ? is_free_binary(to->source_type)
                   : strict && is_free_binary(from->source_type) && is_free_binary(to->source_type);
    default:
        return false;
    }
}

bool mysql_convert_keeps_values(const struct column *from, const struct column *to, bool strict) {
    enum type_kind was = from->type.kind, is = to->type.kind;
    bool moment = is == TYPE_TIMESTAMP || is == TYPE_TIMESTAMPTZ; /* NULL may become the time of the statement */
    if (from->nullable && !to->nullable && (!strict || moment))
        return false;
    if (from->source_type == NULL || to->source_type == NULL)
        return false;
    if (strcmp(from->source_type, to->source_type) == 0)
        return true;
    if (is_integer(was) && is_integer(is))
        return strict || holds_integers(was, is);
    if (is_integer(was) && is == TYPE_STRING)
        return strict && strstr(from->source_type, "zerofill") == NULL && is_free_text(to->source_type);
    if (is_integer(was) && is == TYPE_DECIMAL)
        return strict;
    if (was == TYPE_FLOAT32 && is == TYPE_FLOAT64)
        return strchr(to->source_type, '(') == NULL;
    return was == is && same_kind_keeps(from, to, strict);
}
