#include "source/mysql_default.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "model/change.h"
#include "model/value.h"

static const struct mysql_default UNKNOWN = {.known = false};
static const struct mysql_default NULL_DEFAULT = {.known = true};

static struct mysql_default known(const char *text) { return (struct mysql_default){.known = true, .text = text}; }

/* ---- the literal's text, without quotes */

static bool is_expression(const struct mysql_default_info *info) {
    return strcasestr(info->extra, "DEFAULT_GENERATED") != NULL || strcasestr(info->extra, "auto_increment") != NULL ||
           strcasestr(info->extra, "VIRTUAL") != NULL || strcasestr(info->extra, "STORED") != NULL ||
           strcasestr(info->extra, "PERSISTENT") != NULL ||
           (info->text != NULL && strncasecmp(info->text, "current_timestamp", 17) == 0);
}

/* 'it''s', with \0 \n \r for what would break a line; BINARY(n) has its padding as \0. NULL when it is not one literal, or
 * has a zero byte before its end. */
static const char *unquote(struct arena *arena, const char *text) {
    char *out = arena_alloc(arena, strlen(text) + 1), *to = out;
    bool padding = false;
    for (const char *p = text + 1; *p != '\0'; p++) {
        char c = *p;
        if (c == '\'') {
            if (p[1] != '\'')
                return p[1] == '\0' ? out : NULL;
            p++;
        } else if (c == '\\' && p[1] != '\0') {
            c = *++p;
            c = (char)(c == '0' ? '\0' : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        if (padding && c != '\0')
            return NULL;
        padding = c == '\0';
        if (!padding)
            *to++ = c;
    }
    return NULL;
}

static bool is_number(const char *text) {
    char *end;
    strtod(text, &end);
    return end != text && *end == '\0';
}

/* MariaDB: the literal, or false for an expression. */
static bool mariadb_literal(struct arena *arena, const char *text, const char **out) {
    *out = NULL;
    if (strcasecmp(text, "NULL") == 0)
        return true;
    if (*text == '\'')
        return (*out = unquote(arena, text)) != NULL;
    *out = text;
    return is_number(text) || strncasecmp(text, "b'", 2) == 0;
}

/* ---- by type */

static const char *integer_text(struct arena *arena, const char *text) {
    bool negative = *text == '-';
    text += negative;
    while (*text == '0' && text[1] != '\0') /* ZEROFILL */
        text++;
    return arena_printf(arena, "%s%s", negative ? "-" : "", text);
}

static const char *decimal_text(struct arena *arena, const char *text) {
    bool negative = *text == '-';
    text += negative;
    while (*text == '0' && isdigit((unsigned char)text[1]))
        text++;
    return arena_printf(arena, "%s%s", negative ? "-" : "", text);
}

static const char *float_text(struct arena *arena, const struct mysql_column *column, const char *text) {
    char out[VALUE_FLOAT_BYTES];
    size_t len = column->kind == MYSQL_KIND_FLOAT ? value_format_float(strtof(text, NULL), out)
                                                  : value_format_double(strtod(text, NULL), out);
    return arena_strndup(arena, out, len);
}

static struct mysql_default bit_text(struct arena *arena, const struct mysql_column *column, const char *text) {
    if (strncasecmp(text, "b'", 2) != 0 && !isdigit((unsigned char)*text))
        return UNKNOWN;
    unsigned long long bits = *text == 'b' || *text == 'B' ? strtoull(text + 2, NULL, 2) : strtoull(text, NULL, 10);
    if (column->length == 1)
        return known(bits != 0 ? "true" : "false");
    return known(arena_printf(arena, "%llu", bits));
}

/* A date that does not exist is NULL in the rows too. */
static struct mysql_default date_text(const char *text) {
    unsigned year = 0, month = 0, day = 0;
    char *at;
    year = (unsigned)strtoul(text, &at, 10);
    if (*at == '-')
        month = (unsigned)strtoul(at + 1, &at, 10);
    if (*at == '-')
        day = (unsigned)strtoul(at + 1, &at, 10);
    return mysql_date_exists(year, month, day) ? known(text) : NULL_DEFAULT;
}

static const char *hex_text(struct arena *arena, const struct mysql_column *column, const char *text) {
    struct buf hex;
    buf_init(&hex, BUF_MAX_DEFAULT);
    if (strncmp(text, "0x", 2) == 0)
        for (const char *p = text + 2; *p != '\0'; p++)
            buf_append_char(&hex, (char)tolower((unsigned char)*p));
    else
        buf_append_hex(&hex, text, strlen(text));
    while (column->kind == MYSQL_KIND_CHAR && hex.len < 2 * (size_t)column->length)
        buf_append_char(&hex, '0');
    const char *out = arena_strndup(arena, hex.len > 0 ? hex.data : "", hex.len);
    buf_deinit(&hex);
    return out;
}

static bool is_ascii(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

struct mysql_default mysql_default_of_literal(struct arena *arena, const struct mysql_column *column,
                                              const char *text) {
    switch (column->kind) {
    case MYSQL_KIND_TINYINT:
    case MYSQL_KIND_SMALLINT:
    case MYSQL_KIND_MEDIUMINT:
    case MYSQL_KIND_INT:
    case MYSQL_KIND_BIGINT:
    case MYSQL_KIND_YEAR:
        return known(integer_text(arena, text));
    case MYSQL_KIND_DECIMAL:
        return known(decimal_text(arena, text));
    case MYSQL_KIND_FLOAT:
    case MYSQL_KIND_DOUBLE:
        return known(float_text(arena, column, text));
    case MYSQL_KIND_BIT:
        return bit_text(arena, column, text);
    case MYSQL_KIND_DATE:
    case MYSQL_KIND_DATETIME:
        return date_text(text);
    case MYSQL_KIND_TIMESTAMP: /* written in the time zone of whoever altered the table */
        return date_text(text).text == NULL ? NULL_DEFAULT : UNKNOWN;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
    case MYSQL_KIND_TEXT:
        if (column->collation != MYSQL_COLLATION_BINARY)
            return known(text);
        return is_ascii(text) ? known(hex_text(arena, column, text)) : UNKNOWN;
    case MYSQL_KIND_TIME:
    case MYSQL_KIND_ENUM:
    case MYSQL_KIND_SET:
    case MYSQL_KIND_JSON:
    case MYSQL_KIND_INET4:
    case MYSQL_KIND_INET6:
    case MYSQL_KIND_UUID:
        return known(text);
    case MYSQL_KIND_GEOMETRY:
    case MYSQL_KIND_VECTOR:
    case MYSQL_KIND_UNKNOWN:
        break;
    }
    return UNKNOWN;
}

/* "0.00", "00:00:00.000": a zero with the column's fraction digits. */
static const char *zero_text(struct arena *arena, const char *zero, unsigned digits) {
    return digits == 0 ? zero : arena_printf(arena, "%s.%0*d", zero, (int)digits, 0);
}

struct mysql_default mysql_default_implicit(struct arena *arena, const struct mysql_column *column) {
    switch (column->kind) {
    case MYSQL_KIND_DECIMAL:
        return known(zero_text(arena, "0", column->scale));
    case MYSQL_KIND_BIT:
        return known(column->length == 1 ? "false" : "0");
    case MYSQL_KIND_DATE:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP: /* the zero date */
        return NULL_DEFAULT;
    case MYSQL_KIND_TIME:
        return known(zero_text(arena, "00:00:00", column->scale));
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
    case MYSQL_KIND_TEXT:
        return known(column->collation == MYSQL_COLLATION_BINARY ? hex_text(arena, column, "") : "");
    case MYSQL_KIND_SET:
        return known("");
    case MYSQL_KIND_ENUM:
        return column->label_count > 0 ? known(arena_strndup(arena, column->labels[0].data, column->labels[0].len))
                                       : UNKNOWN;
    case MYSQL_KIND_JSON:
        return known("null");
    case MYSQL_KIND_INET4:
        return known("0.0.0.0");
    case MYSQL_KIND_INET6:
        return known("::");
    case MYSQL_KIND_UUID:
        return known("00000000-0000-0000-0000-000000000000");
    case MYSQL_KIND_GEOMETRY:
    case MYSQL_KIND_VECTOR:
    case MYSQL_KIND_UNKNOWN:
        return UNKNOWN;
    default:
        return known("0");
    }
}

struct mysql_default mysql_default_read(struct arena *arena, const struct mysql_column *column,
                                        const struct mysql_default_info *info) {
    if (is_expression(info))
        return UNKNOWN;
    if (info->text == NULL)
        return column->nullable ? NULL_DEFAULT : mysql_default_implicit(arena, column);
    const char *text = info->text;
    if (info->mariadb && !mariadb_literal(arena, info->text, &text))
        return UNKNOWN;
    return text != NULL ? mysql_default_of_literal(arena, column, text) : NULL_DEFAULT;
}

struct value mysql_default_value(struct arena *arena, struct type type, const char *text) {
    if (text == NULL)
        return (struct value){.kind = VALUE_NULL};
    struct slice raw = slice_of(text);
    if (type.kind == TYPE_BINARY) {
        uint8_t *bytes = arena_alloc(arena, raw.len / 2 + 1);
        bool hex = value_parse_hex(raw, bytes);
        return (struct value){(const char *)bytes, hex ? (uint32_t)(raw.len / 2) : 0, VALUE_BYTES};
    }
    bool is_text = type.kind == TYPE_STRING || type.kind == TYPE_JSON;
    return (struct value){raw.data, (uint32_t)raw.len, is_text ? VALUE_TEXT : VALUE_PLAIN};
}
