#include "source/mysql_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/value.h"

enum text_form {
    FORM_PLAIN,   /* as printed */
    FORM_BOOLEAN, /* BIT(1) */
    FORM_FLOAT,
    FORM_DOUBLE,
    FORM_DATE, /* DATE, DATETIME, TIMESTAMP: NULL when there is no such day */
    FORM_TEXT, /* characters */
    FORM_BYTES,
    FORM_GEOMETRY, /* an SRID of 4 bytes, then WKB */
};

enum { SRID_BYTES = 4, DATE_TEXT_BYTES = 10 };

struct text_column {
    enum text_form form;
    const char *after;                   /* SQL behind the name in the SELECT: "+ 0", … */
    bool raw;                            /* in the column's own character set, converted here */
    const struct mysql_charset *charset; /* FORM_TEXT: to decode or to verify; NULL = the server's own words */
    struct buf scratch;                  /* a converted text */
    char number[VALUE_FLOAT_BYTES];
};

struct mysql_text {
    const struct mysql_schema *schema;
    struct text_column *columns;
    struct value *values;
    uint64_t zero_dates;
};

/* ---- the plan */

/* The server converts utf8mb3 and ascii to UTF-8 by doing nothing. From other sets it would silently write '?' for what has
 * no equivalent; they are fetched as bytes and decoded as in the binlog, where that is an error. */
static bool plan_text(const struct mysql_schema_column *from, const struct mysql_collations *collations,
                      struct text_column *out, struct error *err) {
    const struct mysql_charset *charset = mysql_charsets_find(collations->charsets, from->column.collation);
    if (charset == NULL)
        return error_set(err, ERROR_DATA, "column \"%s\": its character set is not known to sluice", from->column.name);
    if (mysql_charset_is_binary(charset)) {
        out->form = FORM_BYTES;
        return true;
    }
    const char *name = mysql_charset_name(charset);
    out->form = FORM_TEXT;
    out->charset = charset;
    out->raw = strncmp(name, "utf8", 4) != 0 && strcmp(name, "ascii") != 0;
    return true;
}

static bool plan_column(const struct mysql_schema_column *from, const struct mysql_collations *collations,
                        struct text_column *out, struct error *err) {
    bool zerofill = strcasestr(from->source_type, "zerofill") != NULL;
    out->after = zerofill ? " + 0" : "";
    switch (from->column.kind) {
    case MYSQL_KIND_FLOAT:
    case MYSQL_KIND_DOUBLE:
        out->form = from->column.kind == MYSQL_KIND_FLOAT ? FORM_FLOAT : FORM_DOUBLE;
        out->after = " + 0e0"; /* else FLOAT is printed with six digits, and DOUBLE(m,d) with d behind the point */
        return true;
    case MYSQL_KIND_BIT:
        out->form = from->column.length == 1 ? FORM_BOOLEAN : FORM_PLAIN;
        out->after = " + 0";
        return true;
    case MYSQL_KIND_YEAR:
        out->after = " + 0"; /* 0000 */
        return true;
    case MYSQL_KIND_DATE:
    case MYSQL_KIND_DATETIME:
    case MYSQL_KIND_TIMESTAMP:
        out->form = FORM_DATE;
        return true;
    case MYSQL_KIND_CHAR:
    case MYSQL_KIND_VARCHAR:
    case MYSQL_KIND_TEXT:
        return plan_text(from, collations, out, err);
    case MYSQL_KIND_ENUM:
    case MYSQL_KIND_SET:
    case MYSQL_KIND_JSON:
        out->form = FORM_TEXT;
        return true;
    case MYSQL_KIND_GEOMETRY:
        out->form = FORM_GEOMETRY;
        return true;
    case MYSQL_KIND_VECTOR:
        out->form = FORM_BYTES;
        return true;
    case MYSQL_KIND_UNKNOWN:
        return error_set(err, ERROR_DATA, "column \"%s\": its type %s is not known to sluice", from->column.name,
                         from->source_type);
    default: /* integers, DECIMAL, TIME, UUID, INET4, INET6 */
        return true;
    }
}

bool mysql_text_new(const struct mysql_schema *schema, const struct mysql_collations *collations,
                    struct mysql_text **out, struct error *err) {
    struct mysql_text *text = mem_zalloc(sizeof *text);
    text->schema = schema;
    text->columns = mem_zalloc(schema->column_count * sizeof *text->columns);
    text->values = mem_zalloc(schema->column_count * sizeof *text->values);
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_init(&text->columns[i].scratch, BUF_MAX_DEFAULT);
        if (!plan_column(&schema->columns[i], collations, &text->columns[i], err)) {
            mysql_text_free(text);
            return false;
        }
    }
    *out = text;
    return true;
}

void mysql_text_free(struct mysql_text *text) {
    if (text == NULL)
        return;
    for (size_t i = 0; i < text->schema->column_count; i++)
        buf_deinit(&text->columns[i].scratch);
    mem_free(text->columns);
    mem_free(text->values);
    mem_free(text);
}

const struct mysql_schema *mysql_text_schema(const struct mysql_text *text) { return text->schema; }

void mysql_text_append_select(const struct mysql_text *text, struct buf *out) {
    for (size_t i = 0; i < text->schema->column_count; i++) {
        const struct text_column *column = &text->columns[i];
        buf_append_text(out, i == 0 ? "SELECT " : ", ");
        buf_append_text(out, column->raw ? "CAST(" : "");
        mysql_append_name(out, text->schema->columns[i].column.name);
        buf_append_text(out, column->raw ? " AS BINARY)" : column->after);
    }
    buf_append_text(out, " FROM ");
    mysql_append_name(out, text->schema->schema);
    buf_append_char(out, '.');
    mysql_append_name(out, text->schema->name);
}

/* ---- rows */

static unsigned digits(const char *text, size_t count) {
    unsigned number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + (unsigned)(text[i] - '0');
    return number;
}

/* "2026-11-01…": the year has four digits always. */
static bool date_exists(const char *text, size_t len) {
    return len >= DATE_TEXT_BYTES && mysql_date_exists(digits(text, 4), digits(text + 5, 2), digits(text + 8, 2));
}

/* The server prints the fewest digits that read back the same. Where it uses no exponent and value_format_double would not
 * either (0.00001 <= |v| < 1e15), its text is the one to give. */
static bool is_final_double(const char *text, size_t len) {
    enum { WHOLE_DIGITS = 15, LEADING_ZEROS = 4 };
    const char *p = text + (*text == '-'), *end = text + len, *whole = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    if (p == whole || p - whole > WHOLE_DIGITS || p == end)
        return p == end && p - whole <= WHOLE_DIGITS;
    const char *fraction = ++p;
    while (p < end && *p == '0')
        p++;
    if (*whole == '0' && p - fraction > LEADING_ZEROS)
        return false;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == end && fraction[-1] == '.';
}

static struct value read_number(struct text_column *column, const char *text, size_t text_len) {
    if (column->form == FORM_DOUBLE && is_final_double(text, text_len))
        return (struct value){text, (uint32_t)text_len, VALUE_PLAIN};
    size_t len = column->form == FORM_FLOAT ? value_format_float((float)strtod(text, NULL), column->number)
                                            : value_format_double(strtod(text, NULL), column->number);
    return (struct value){column->number, (uint32_t)len, VALUE_PLAIN};
}

static bool read_cell(struct mysql_text *text, size_t i, char *cell, unsigned long len, struct value *out,
                      struct error *err) {
    struct text_column *column = &text->columns[i];
    if (cell == NULL) {
        *out = (struct value){.kind = VALUE_NULL};
        return true;
    }
    *out = (struct value){cell, (uint32_t)len, VALUE_PLAIN};
    switch (column->form) {
    case FORM_PLAIN:
        return true;
    case FORM_BOOLEAN:
        *out = *cell == '0' ? (struct value){"false", 5, VALUE_PLAIN} : (struct value){"true", 4, VALUE_PLAIN};
        return true;
    case FORM_FLOAT:
    case FORM_DOUBLE:
        *out = read_number(column, cell, len);
        return true;
    case FORM_DATE:
        if (!date_exists(cell, len)) {
            *out = (struct value){.kind = VALUE_NULL};
            text->zero_dates++;
        }
        return true;
    case FORM_TEXT:
        out->kind = VALUE_TEXT;
        if (column->charset != NULL) {
            struct slice decoded;
            if (!mysql_charset_decode(column->charset, (struct slice){cell, len}, &column->scratch, &decoded, err))
                return error_prefix(err, "column \"%s\"", text->schema->columns[i].column.name);
            out->data = decoded.data;
            out->len = (uint32_t)decoded.len;
        }
        return true;
    case FORM_BYTES:
        out->kind = VALUE_BYTES;
        return true;
    case FORM_GEOMETRY:
        if (len < SRID_BYTES)
            return error_set(err, ERROR_DATA, "column \"%s\": a geometry of %lu bytes",
                             text->schema->columns[i].column.name, len);
        *out = (struct value){cell + SRID_BYTES, (uint32_t)(len - SRID_BYTES), VALUE_BYTES};
        return true;
    }
    return true;
}

bool mysql_text_row(struct mysql_text *text, char *const *cells, const unsigned long *lengths, const struct value **out,
                    struct error *err) {
    for (size_t i = 0; i < text->schema->column_count; i++)
        if (!read_cell(text, i, cells[i], lengths[i], &text->values[i], err))
            return false;
    *out = text->values;
    return true;
}

uint64_t mysql_text_zero_dates(const struct mysql_text *text) { return text->zero_dates; }
