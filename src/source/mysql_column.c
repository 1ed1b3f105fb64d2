/* Column declarations: from information_schema's words, completed and mapped to the types of the raw files. */
#include "source/mysql_column.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "source/mysql_charset.h"
#include "source/mysql_wire.h"

/* The type names of information_schema.columns.column_type, and what each says by itself. `length` is that of
 * struct mysql_column: bytes of the length on the wire. */
static const struct type_word {
    const char *word;
    enum mysql_kind kind;
    uint8_t length;
} WORDS[] = {
    {"tinyint", MYSQL_KIND_TINYINT, 0},
    {"smallint", MYSQL_KIND_SMALLINT, 0},
    {"mediumint", MYSQL_KIND_MEDIUMINT, 0},
    {"int", MYSQL_KIND_INT, 0},
    {"bigint", MYSQL_KIND_BIGINT, 0},
    {"float", MYSQL_KIND_FLOAT, 0},
    {"double", MYSQL_KIND_DOUBLE, 0},
    {"decimal", MYSQL_KIND_DECIMAL, 0},
    {"bit", MYSQL_KIND_BIT, 0},
    {"year", MYSQL_KIND_YEAR, 0},
    {"date", MYSQL_KIND_DATE, 0},
    {"time", MYSQL_KIND_TIME, 0},
    {"datetime", MYSQL_KIND_DATETIME, 0},
    {"timestamp", MYSQL_KIND_TIMESTAMP, 0},
    {"char", MYSQL_KIND_CHAR, 0},
    {"binary", MYSQL_KIND_CHAR, 0},
    {"varchar", MYSQL_KIND_VARCHAR, 0},
    {"varbinary", MYSQL_KIND_VARCHAR, 0},
    {"tinytext", MYSQL_KIND_TEXT, 1},
    {"tinyblob", MYSQL_KIND_TEXT, 1},
    {"text", MYSQL_KIND_TEXT, 2},
    {"blob", MYSQL_KIND_TEXT, 2},
    {"mediumtext", MYSQL_KIND_TEXT, 3},
    {"mediumblob", MYSQL_KIND_TEXT, 3},
    {"longtext", MYSQL_KIND_TEXT, 4},
    {"longblob", MYSQL_KIND_TEXT, 4},
    {"enum", MYSQL_KIND_ENUM, 0},
    {"set", MYSQL_KIND_SET, 0},
    {"json", MYSQL_KIND_JSON, 4},
    {"geometry", MYSQL_KIND_GEOMETRY, 4},
    {"point", MYSQL_KIND_GEOMETRY, 4},
    {"linestring", MYSQL_KIND_GEOMETRY, 4},
    {"polygon", MYSQL_KIND_GEOMETRY, 4},
    {"multipoint", MYSQL_KIND_GEOMETRY, 4},
    {"multilinestring", MYSQL_KIND_GEOMETRY, 4},
    {"multipolygon", MYSQL_KIND_GEOMETRY, 4},
    {"geometrycollection", MYSQL_KIND_GEOMETRY, 4},
    {"geomcollection", MYSQL_KIND_GEOMETRY, 4},
    {"vector", MYSQL_KIND_VECTOR, 4},
    {"inet4", MYSQL_KIND_INET4, 0},
    {"inet6", MYSQL_KIND_INET6, 0},
    {"uuid", MYSQL_KIND_UUID, 0},
};

/* --- reading column_type ------------------------------------------------------------------------------------------ */

static const struct type_word *find_word(struct slice word) {
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (slice_equal_text_nocase(word, WORDS[i].word))
            return &WORDS[i];
    return NULL;
}

static size_t word_length(const char *p) {
    size_t len = 0;
    while ((p[len] >= 'a' && p[len] <= 'z') || (p[len] >= 'A' && p[len] <= 'Z') || (p[len] >= '0' && p[len] <= '9'))
        len++;
    return len;
}

/* "(10,2)": up to two numbers; absent ones stay 0. Returns where the text goes on. */
static const char *read_numbers(const char *p, uint32_t numbers[2]) {
    if (*p != '(')
        return p;
    size_t i = 0;
    for (p++; *p != '\0' && *p != ')'; p++) {
        if (*p == ',')
            i++;
        else if (*p >= '0' && *p <= '9' && i < 2 && numbers[i] < 100000000)
            numbers[i] = numbers[i] * 10 + (uint32_t)(*p - '0');
    }
    return *p == ')' ? p + 1 : p;
}

/* One quoted label; '' is a quote, and the server writes \0, \n, \r and \\ for what would break the line. */
static bool read_label(const char **at, char *out, size_t *len) {
    const char *p = *at;
    size_t n = 0;
    if (*p++ != '\'')
        return false;
    for (; *p != '\0'; p++) {
        char c = *p;
        if (c == '\'' && *++p != '\'') {
            *at = p;
            *len = n;
            return true;
        }
        if (c == '\\' && p[1] != '\0') {
            c = *++p;
            c = (char)(c == '0' ? '\0' : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        out[n++] = c;
    }
    return false;
}

/* "('a','it''s')". */
static bool read_labels(struct arena *arena, const char *p, struct mysql_column *out) {
    size_t most = 1;
    for (const char *q = p; *q != '\0'; q++)
        most += *q == ',';
    struct slice *labels = arena_alloc(arena, most * sizeof *labels);
    char *text = arena_alloc(arena, strlen(p) + 1);
    if (*p++ != '(')
        return false;
    for (out->label_count = 0;; p++) {
        size_t len;
        if (!read_label(&p, text, &len))
            return false;
        labels[out->label_count++] = (struct slice){text, len};
        text += len;
        if (*p != ',')
            break;
    }
    out->labels = labels;
    out->labels_utf8 = true;
    return *p == ')';
}

/* Whether a word stands in the text, in any case. */
static bool has_word(const char *text, const char *word) { return text != NULL && strcasestr(text, word) != NULL; }

static void read_size(const struct mysql_column_info *info, const char *p, const struct type_word *word,
                      struct mysql_column *out) {
    uint32_t n[2] = {0, 0};
    const char *rest = read_numbers(p, n);
    out->is_unsigned = has_word(rest, "unsigned");
    out->has_signedness = true;
    out->compressed = has_word(rest, "COMPRESSED");
    out->length = word->length;
    switch (out->kind) {
    case MYSQL_KIND_DECIMAL:
        out->precision = (uint8_t)(n[0] <= UINT8_MAX ? n[0] : 0);
        out->scale = (uint8_t)(n[1] <= UINT8_MAX ? n[1] : 0);
        break;
    case MYSQL_KIND_BIT:
        out->length = n[0] > 0 ? n[0] : 1;
        break;
    case MYSQL_KIND_TIME:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP:
        out->scale = (uint8_t)(n[0] <= 6 ? n[0] : 6);
        break;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
        out->length = n[0] * (info->char_max_bytes > 0 ? info->char_max_bytes : 1);
        break;
    default:
        break;
    }
}

bool mysql_column_from_info(struct arena *arena, const struct mysql_column_info *info, struct mysql_column *out,
                            struct error *err) {
    size_t len = word_length(info->column_type);
    const char *rest = info->column_type + len;
    const struct type_word *word = find_word((struct slice){info->column_type, len});
    *out = (struct mysql_column){.name = arena_strdup(arena, info->name),
                                 .nullable = info->nullable,
                                 .hidden = has_word(info->extra, "INVISIBLE"),
                                 .has_visibility = true};
    if (word == NULL)
        return true;
    out->kind = word->kind;
    out->collation = info->collation != 0 ? info->collation : MYSQL_COLLATION_BINARY;
    if (out->kind != MYSQL_KIND_ENUM && out->kind != MYSQL_KIND_SET) {
        read_size(info, rest, word, out);
        return true;
    }
    return read_labels(arena, rest, out) ||
           error_set(err, ERROR_DATA, "column \"%s\": its type \"%s\" cannot be read", info->name, info->column_type);
}

/* --- completing a column of a table map --------------------------------------------------------------------------- */

/* Whether a column that the wire gives as `map` can be one that information_schema gives as `info`. */
static bool kinds_agree(const struct mysql_column *map, const struct mysql_column *info) {
    switch (info->kind) {
    case MYSQL_KIND_INET4:
        return map->kind == MYSQL_KIND_CHAR && map->length == 4;
    case MYSQL_KIND_INET6:
    case MYSQL_KIND_UUID:
        return map->kind == MYSQL_KIND_CHAR && map->length == 16;
    case MYSQL_KIND_VECTOR: /* MariaDB's is a VARBINARY on the wire */
        return map->kind == MYSQL_KIND_VECTOR || map->kind == MYSQL_KIND_VARCHAR;
    case MYSQL_KIND_UNKNOWN: /* then the wire type is all there is to go by */
        return true;
    default:
        return map->kind == info->kind;
    }
}

static bool sizes_agree(const struct mysql_column *map, const struct mysql_column *info) {
    switch (info->kind) {
    case MYSQL_KIND_DECIMAL:
        return map->precision == info->precision && map->scale == info->scale;
    case MYSQL_KIND_TIME:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP:
        return map->scale == info->scale || map->unknown_scale;
    case MYSQL_KIND_BIT:
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_TEXT:
        return map->length == 0 || info->length == 0 || map->length == info->length;
    case MYSQL_KIND_VARCHAR: /* a compressed one has a byte more on the wire */
        return map->compressed || map->length == 0 || info->length == 0 || map->length == info->length;
    case MYSQL_KIND_ENUM: /* two bytes from 256 labels on */
        return info->labels == NULL || map->length == (info->label_count < 256 ? 1U : 2U);
    default:
        return true;
    }
}

bool mysql_column_complete(struct mysql_column *column, const struct mysql_column *info, struct error *err) {
    const char *name = column->name != NULL ? column->name : info->name;
    if (!kinds_agree(column, info) || !sizes_agree(column, info) ||
        (column->has_signedness && info->has_signedness && column->is_unsigned != info->is_unsigned))
        return error_set(
            err, ERROR_DATA,
            "column \"%s\": the log has another type than information_schema, which shows a later or earlier "
            "definition of the table; set binlog_row_metadata=FULL, so that the log carries its own",
            name != NULL ? name : "?");
    column->name = name;
    if (!column->has_signedness) {
        column->is_unsigned = info->is_unsigned;
        column->has_signedness = info->has_signedness;
    }
    if (!column->has_visibility)
        column->hidden = info->hidden;
    if (info->kind == MYSQL_KIND_INET4 || info->kind == MYSQL_KIND_INET6 || info->kind == MYSQL_KIND_UUID)
        column->kind = info->kind;
    if (column->unknown_scale) {
        column->scale = info->scale;
        column->unknown_scale = false;
    }
    if (column->collation == MYSQL_COLLATION_UNKNOWN)
        column->collation = info->collation;
    if (column->labels == NULL && info->labels != NULL) {
        column->labels = info->labels;
        column->label_count = info->label_count;
        column->labels_utf8 = info->labels_utf8;
    }
    return true;
}

/* --- the type of the raw files ------------------------------------------------------------------------------------ */

static struct type integer_type(const struct mysql_column *column) {
    bool u = column->is_unsigned;
    switch (column->kind) {
    case MYSQL_KIND_TINYINT:
        return (struct type){.kind = u ? TYPE_UINT8 : TYPE_INT8};
    case MYSQL_KIND_SMALLINT:
        return (struct type){.kind = u ? TYPE_UINT16 : TYPE_INT16};
    case MYSQL_KIND_BIGINT:
        return (struct type){.kind = u ? TYPE_UINT64 : TYPE_INT64};
    default: /* MEDIUMINT, INT */
        return (struct type){.kind = u ? TYPE_UINT32 : TYPE_INT32};
    }
}

static bool no_type(const struct mysql_column *column, struct error *err, const char *why) {
    return error_set(err, ERROR_DATA, "column \"%s\": %s", column->name != NULL ? column->name : "?", why);
}

static bool is_integer(const struct mysql_column *column) {
    return column->kind >= MYSQL_KIND_TINYINT && column->kind <= MYSQL_KIND_BIGINT;
}

static bool is_text(const struct mysql_column *column) {
    return column->kind == MYSQL_KIND_CHAR || column->kind == MYSQL_KIND_VARCHAR || column->kind == MYSQL_KIND_TEXT;
}

bool mysql_column_needs_info(const struct mysql_column *column, bool mariadb) {
    bool enumerated = column->kind == MYSQL_KIND_ENUM || column->kind == MYSQL_KIND_SET;
    return column->name == NULL || column->unknown_scale || (is_integer(column) && !column->has_signedness) ||
           (is_text(column) && column->collation == MYSQL_COLLATION_UNKNOWN) ||
           (enumerated && column->labels == NULL) ||
           (mariadb && column->kind == MYSQL_KIND_CHAR && column->collation == MYSQL_COLLATION_BINARY &&
            (column->length == 4 || column->length == 16));
}

bool mysql_column_type(const struct mysql_column *column, struct type *out, struct error *err) {
    *out = (struct type){.kind = TYPE_STRING};
    if (column->unknown_scale)
        return no_type(column, err,
                       "the log does not say how many fraction digits it has, because it has the format of a "
                       "server before 5.6; ALTER TABLE … FORCE (MariaDB: with mysql56_temporal_format=ON) mends it");
    switch (column->kind) {
    case MYSQL_KIND_TINYINT:
    case MYSQL_KIND_SMALLINT:
    case MYSQL_KIND_MEDIUMINT:
    case MYSQL_KIND_INT:
    case MYSQL_KIND_BIGINT:
        if (!column->has_signedness)
            return no_type(column, err,
                           "the log does not say whether it is unsigned; set binlog_row_metadata=MINIMAL "
                           "or FULL (MySQL 8.0, MariaDB 10.5)");
        *out = integer_type(column);
        return true;
    case MYSQL_KIND_FLOAT:
        out->kind = TYPE_FLOAT32;
        return true;
    case MYSQL_KIND_DOUBLE:
        out->kind = TYPE_FLOAT64;
        return true;
    case MYSQL_KIND_DECIMAL:
        if (column->precision <= TYPE_DECIMAL_PRECISION_MAX)
            *out = (struct type){TYPE_DECIMAL, column->precision, column->scale};
        return true;
    case MYSQL_KIND_BIT:
        out->kind = column->length == 1 ? TYPE_BOOLEAN : TYPE_UINT64;
        return true;
    case MYSQL_KIND_YEAR:
        out->kind = TYPE_INT16;
        return true;
    case MYSQL_KIND_DATE:
        out->kind = TYPE_DATE;
        return true;
    case MYSQL_KIND_DATETIME:
        *out = (struct type){.kind = TYPE_TIMESTAMP, .scale = column->scale};
        return true;
    case MYSQL_KIND_TIMESTAMP:
        *out = (struct type){.kind = TYPE_TIMESTAMPTZ, .scale = column->scale};
        return true;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
    case MYSQL_KIND_TEXT:
        if (column->collation == MYSQL_COLLATION_UNKNOWN)
            return no_type(column, err, "the log does not say its character set; set binlog_row_metadata=FULL");
        if (column->collation == MYSQL_COLLATION_BINARY)
            out->kind = TYPE_BINARY;
        return true;
    case MYSQL_KIND_ENUM:
    case MYSQL_KIND_SET:
        if (column->labels == NULL)
            return no_type(column, err, "the log does not carry the names of its values; set binlog_row_metadata=FULL");
        return true;
    case MYSQL_KIND_JSON:
        out->kind = TYPE_JSON;
        return true;
    case MYSQL_KIND_GEOMETRY:
    case MYSQL_KIND_VECTOR:
        out->kind = TYPE_BINARY;
        return true;
    case MYSQL_KIND_TIME: /* -838:59:59 to 838:59:59 is no time of a day */
    case MYSQL_KIND_INET4:
    case MYSQL_KIND_INET6:
    case MYSQL_KIND_UUID:
        return true;
    case MYSQL_KIND_UNKNOWN:
        break;
    }
    return no_type(column, err, "its type is not known to sluice; leave the table out with table_filter");
}

/* --- in words ------------------------------------------------------------------------------------------------------- */

static const char *text_word(const struct mysql_column *column) {
    static const char *const TEXTS[] = {"tinytext", "text", "mediumtext", "longtext"};
    static const char *const BLOBS[] = {"tinyblob", "blob", "mediumblob", "longblob"};
    size_t i = column->length >= 1 && column->length <= 4 ? column->length - 1 : 1;
    return column->collation == MYSQL_COLLATION_BINARY ? BLOBS[i] : TEXTS[i];
}

static const char *kind_word(const struct mysql_column *column) {
    bool bytes = column->collation == MYSQL_COLLATION_BINARY;
    if (column->kind == MYSQL_KIND_TEXT)
        return text_word(column);
    if (bytes && column->kind == MYSQL_KIND_CHAR)
        return "binary";
    if (bytes && column->kind == MYSQL_KIND_VARCHAR)
        return "varbinary";
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (WORDS[i].kind == column->kind)
            return WORDS[i].word;
    return "unknown";
}

static void describe_labels(const struct mysql_column *column, struct buf *out) {
    for (size_t i = 0; i < column->label_count; i++) {
        buf_append_char(out, i == 0 ? '(' : ',');
        buf_append_sql_text(out, column->labels[i].data, column->labels[i].len);
    }
    buf_append_char(out, ')');
}

void mysql_column_describe(const struct mysql_column *column, unsigned char_max_bytes, struct buf *out) {
    buf_append_text(out, kind_word(column));
    switch (column->kind) {
    case MYSQL_KIND_DECIMAL:
        buf_printf(out, "(%u,%u)", column->precision, column->scale);
        break;
    case MYSQL_KIND_BIT:
        buf_printf(out, "(%" PRIu32 ")", column->length);
        break;
    case MYSQL_KIND_TIME:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP:
        if (column->scale > 0)
            buf_printf(out, "(%u)", column->scale);
        break;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
        buf_printf(out, "(%" PRIu32 ")", column->length / (char_max_bytes > 0 ? char_max_bytes : 1));
        break;
    case MYSQL_KIND_ENUM:
    case MYSQL_KIND_SET:
        if (column->labels_utf8 && column->label_count > 0)
            describe_labels(column, out);
        break;
    default:
        break;
    }
    if (column->is_unsigned)
        buf_append_text(out, " unsigned");
}

bool mysql_date_exists(unsigned year, unsigned month, unsigned day) {
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= DAYS[month - 1] + (month == 2 && leap ? 1U : 0U);
}
