#include "model/type.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* How a word in brackets behind a type's name is understood. */
enum type_arguments {
    ARGUMENTS_NONE,     /* there may be none */
    ARGUMENTS_IGNORED,  /* int(11), varchar(255), float(7,4): no bearing on what is stored */
    ARGUMENTS_DECIMAL,  /* (precision[,scale]) */
    ARGUMENTS_FRACTION, /* (fraction digits) */
};

struct type_name {
    const char *name;
    enum type_kind kind;
    enum type_arguments arguments;
};

/* The first name of a kind is the one that type_format writes. intN is N bytes, as PostgreSQL, DuckDB and DMS count. */
static const struct type_name type_names[] = {
    {"boolean", TYPE_BOOLEAN, ARGUMENTS_NONE},
    {"bool", TYPE_BOOLEAN, ARGUMENTS_NONE},
    {"tinyint", TYPE_INT8, ARGUMENTS_IGNORED},
    {"int1", TYPE_INT8, ARGUMENTS_NONE},
    {"smallint", TYPE_INT16, ARGUMENTS_IGNORED},
    {"int2", TYPE_INT16, ARGUMENTS_NONE},
    {"int", TYPE_INT32, ARGUMENTS_IGNORED},
    {"integer", TYPE_INT32, ARGUMENTS_IGNORED},
    {"mediumint", TYPE_INT32, ARGUMENTS_IGNORED},
    {"int4", TYPE_INT32, ARGUMENTS_NONE},
    {"bigint", TYPE_INT64, ARGUMENTS_IGNORED},
    {"long", TYPE_INT64, ARGUMENTS_NONE},
    {"int8", TYPE_INT64, ARGUMENTS_NONE},
    {"tinyint unsigned", TYPE_UINT8, ARGUMENTS_IGNORED},
    {"utinyint", TYPE_UINT8, ARGUMENTS_NONE},
    {"uint1", TYPE_UINT8, ARGUMENTS_NONE},
    {"smallint unsigned", TYPE_UINT16, ARGUMENTS_IGNORED},
    {"usmallint", TYPE_UINT16, ARGUMENTS_NONE},
    {"uint2", TYPE_UINT16, ARGUMENTS_NONE},
    {"int unsigned", TYPE_UINT32, ARGUMENTS_IGNORED},
    {"integer unsigned", TYPE_UINT32, ARGUMENTS_IGNORED},
    {"mediumint unsigned", TYPE_UINT32, ARGUMENTS_IGNORED},
    {"uinteger", TYPE_UINT32, ARGUMENTS_NONE},
    {"uint4", TYPE_UINT32, ARGUMENTS_NONE},
    {"bigint unsigned", TYPE_UINT64, ARGUMENTS_IGNORED},
    {"ubigint", TYPE_UINT64, ARGUMENTS_NONE},
    {"uint8", TYPE_UINT64, ARGUMENTS_NONE},
    {"float", TYPE_FLOAT32, ARGUMENTS_IGNORED},
    {"real", TYPE_FLOAT32, ARGUMENTS_NONE},
    {"float4", TYPE_FLOAT32, ARGUMENTS_NONE},
    {"real4", TYPE_FLOAT32, ARGUMENTS_NONE},
    {"double", TYPE_FLOAT64, ARGUMENTS_IGNORED},
    {"double precision", TYPE_FLOAT64, ARGUMENTS_NONE},
    {"float8", TYPE_FLOAT64, ARGUMENTS_NONE},
    {"real8", TYPE_FLOAT64, ARGUMENTS_NONE},
    {"decimal", TYPE_DECIMAL, ARGUMENTS_DECIMAL},
    {"numeric", TYPE_DECIMAL, ARGUMENTS_DECIMAL},
    {"dec", TYPE_DECIMAL, ARGUMENTS_DECIMAL},
    {"date", TYPE_DATE, ARGUMENTS_NONE},
    {"time", TYPE_TIME, ARGUMENTS_FRACTION},
    {"time without time zone", TYPE_TIME, ARGUMENTS_FRACTION},
    {"timestamp", TYPE_TIMESTAMP, ARGUMENTS_FRACTION},
    {"timestamp without time zone", TYPE_TIMESTAMP, ARGUMENTS_FRACTION},
    {"datetime", TYPE_TIMESTAMP, ARGUMENTS_FRACTION},
    {"timestamptz", TYPE_TIMESTAMPTZ, ARGUMENTS_FRACTION},
    {"timestamp with time zone", TYPE_TIMESTAMPTZ, ARGUMENTS_FRACTION},
    {"string", TYPE_STRING, ARGUMENTS_NONE},
    {"text", TYPE_STRING, ARGUMENTS_IGNORED},
    {"varchar", TYPE_STRING, ARGUMENTS_IGNORED},
    {"char", TYPE_STRING, ARGUMENTS_IGNORED},
    {"character", TYPE_STRING, ARGUMENTS_IGNORED},
    {"character varying", TYPE_STRING, ARGUMENTS_IGNORED},
    {"nchar", TYPE_STRING, ARGUMENTS_IGNORED},
    {"nvarchar", TYPE_STRING, ARGUMENTS_IGNORED},
    {"tinytext", TYPE_STRING, ARGUMENTS_NONE},
    {"mediumtext", TYPE_STRING, ARGUMENTS_NONE},
    {"longtext", TYPE_STRING, ARGUMENTS_NONE},
    {"clob", TYPE_STRING, ARGUMENTS_NONE},
    {"nclob", TYPE_STRING, ARGUMENTS_NONE},
    {"uuid", TYPE_STRING, ARGUMENTS_NONE},
    {"json", TYPE_JSON, ARGUMENTS_NONE},
    {"jsonb", TYPE_JSON, ARGUMENTS_NONE},
    {"binary", TYPE_BINARY, ARGUMENTS_IGNORED},
    {"varbinary", TYPE_BINARY, ARGUMENTS_IGNORED},
    {"blob", TYPE_BINARY, ARGUMENTS_IGNORED},
    {"tinyblob", TYPE_BINARY, ARGUMENTS_NONE},
    {"mediumblob", TYPE_BINARY, ARGUMENTS_NONE},
    {"longblob", TYPE_BINARY, ARGUMENTS_NONE},
    {"bytea", TYPE_BINARY, ARGUMENTS_NONE},
    {"bytes", TYPE_BINARY, ARGUMENTS_NONE},
};

enum {
    TYPE_NAME_COUNT = sizeof type_names / sizeof type_names[0],
    TYPE_FRACTION_MAX = 6,              /* microseconds */
    TYPE_DECIMAL_PRECISION_DEFAULT = 10 /* of a bare "decimal", as MySQL has it; the scale is 0, as SQL says */
};

void type_format(struct type type, char out[TYPE_TEXT_BYTES]) {
    const struct type_name *name = type_names;
    while (name->kind != type.kind) {
        name++;
        assert(name < type_names + TYPE_NAME_COUNT);
    }
    if (type.kind == TYPE_DECIMAL)
        snprintf(out, TYPE_TEXT_BYTES, "%s(%u,%u)", name->name, type.precision, type.scale);
    else if (name->arguments == ARGUMENTS_FRACTION)
        snprintf(out, TYPE_TEXT_BYTES, "%s(%u)", name->name, type.scale);
    else
        snprintf(out, TYPE_TEXT_BYTES, "%s", name->name);
}

/* --- parsing: "name (arguments) rest of the name", as in "int(11) unsigned" and "timestamp(6) with time zone". */

struct type_text {
    char name[48]; /* words with single blanks between them */
    unsigned arguments[2];
    int argument_count; /* 0 when there are no brackets */
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *p) {
    while (is_blank(*p))
        p++;
    return p;
}

/* Reads "(10, 2)"; p is behind the opening bracket. Returns behind the closing one, NULL when it is malformed. */
static const char *parse_arguments(const char *p, struct type_text *out) {
    for (;;) {
        p = skip_blanks(p);
        if (out->argument_count == 2 || *p < '0' || *p > '9')
            return NULL;
        unsigned value = 0;
        for (; *p >= '0' && *p <= '9'; p++) {
            value = value * 10 + (unsigned)(*p - '0');
            if (value > 100000000) /* nothing declares more, and the sum cannot overflow */
                return NULL;
        }
        out->arguments[out->argument_count++] = value;
        p = skip_blanks(p);
        if (*p == ')')
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

static bool split_text(const char *text, struct type_text *out) {
    *out = (struct type_text){0};
    size_t len = 0;
    for (const char *p = skip_blanks(text); *p != '\0';) {
        if (*p == '(') {
            if (len == 0 || out->argument_count > 0 || (p = parse_arguments(p + 1, out)) == NULL)
                return false;
            continue;
        }
        if (is_blank(*p)) {
            p = skip_blanks(p);
            continue;
        }
        bool word_begins = p > text && (is_blank(p[-1]) || p[-1] == ')') && len > 0;
        if (len + 2 >= sizeof out->name)
            return false;
        if (word_begins)
            out->name[len++] = ' ';
        out->name[len++] = *p++;
    }
    return len > 0;
}

static bool apply_arguments(enum type_arguments rule, const struct type_text *text, struct type *type) {
    unsigned first = text->arguments[0], second = text->arguments[1];
    switch (rule) {
    case ARGUMENTS_NONE:
        return text->argument_count == 0;
    case ARGUMENTS_IGNORED:
        return text->argument_count <= 2;
    case ARGUMENTS_DECIMAL:
        if (text->argument_count == 0)
            first = TYPE_DECIMAL_PRECISION_DEFAULT;
        if (first < 1 || first > TYPE_DECIMAL_PRECISION_MAX || second > first)
            return false;
        type->precision = (uint8_t)first;
        type->scale = (uint8_t)second;
        return true;
    case ARGUMENTS_FRACTION:
        if (text->argument_count == 0)
            first = TYPE_FRACTION_MAX;
        if (text->argument_count > 1 || first > TYPE_FRACTION_MAX)
            return false;
        type->scale = (uint8_t)first;
        return true;
    }
    return false;
}

bool type_parse(const char *text, struct type *type) {
    struct type_text parts;
    if (!split_text(text, &parts))
        return false;
    for (int i = 0; i < TYPE_NAME_COUNT; i++) {
        if (strcasecmp(parts.name, type_names[i].name) != 0)
            continue;
        struct type found = {.kind = type_names[i].kind};
        if (!apply_arguments(type_names[i].arguments, &parts, &found))
            return false;
        *type = found;
        return true;
    }
    return false;
}

bool type_equal(struct type a, struct type b) {
    return a.kind == b.kind && a.precision == b.precision && a.scale == b.scale;
}

/* --- lake types. */

struct type type_for_lake(struct type type) {
    switch (type.kind) {
    case TYPE_INT8:
    case TYPE_INT16:
    case TYPE_UINT8:
    case TYPE_UINT16:
        return (struct type){.kind = TYPE_INT32};
    case TYPE_UINT32:
        return (struct type){.kind = TYPE_INT64};
    case TYPE_UINT64:
        return (struct type){.kind = TYPE_DECIMAL, .precision = 20};
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return (struct type){.kind = type.kind, .scale = TYPE_FRACTION_MAX};
    case TYPE_TIME:
    case TYPE_JSON:
        return (struct type){.kind = TYPE_STRING};
    default:
        return type;
    }
}

void type_format_sql(struct type type, char out[TYPE_TEXT_BYTES]) {
    static const char *const names[] = {
        [TYPE_BOOLEAN] = "BOOLEAN", [TYPE_INT32] = "INTEGER",  [TYPE_INT64] = "BIGINT",
        [TYPE_FLOAT32] = "FLOAT",   [TYPE_FLOAT64] = "DOUBLE", [TYPE_DECIMAL] = "DECIMAL",
        [TYPE_DATE] = "DATE",       [TYPE_TIME] = "TIME",      [TYPE_TIMESTAMP] = "TIMESTAMP",
        [TYPE_STRING] = "VARCHAR",  [TYPE_BINARY] = "BLOB",    [TYPE_TIMESTAMPTZ] = "TIMESTAMP WITH TIME ZONE",
    };
    assert(type.kind == TYPE_TIME || type_equal(type, type_for_lake(type)));
    if (type.kind == TYPE_DECIMAL)
        snprintf(out, TYPE_TEXT_BYTES, "DECIMAL(%u,%u)", type.precision, type.scale);
    else
        snprintf(out, TYPE_TEXT_BYTES, "%s", names[type.kind]);
}

bool type_is_widening(struct type from, struct type to) {
    if (from.kind == TYPE_INT32)
        return to.kind == TYPE_INT64;
    if (from.kind == TYPE_FLOAT32)
        return to.kind == TYPE_FLOAT64;
    return from.kind == TYPE_DECIMAL && to.kind == TYPE_DECIMAL && from.scale == to.scale &&
           from.precision < to.precision;
}

bool type_widen(struct type a, struct type b, struct type *out) {
    if (a.kind != TYPE_TIME || b.kind != TYPE_TIME) {
        a = type_for_lake(a);
        b = type_for_lake(b);
    }
    if (type_equal(a, b) || type_is_widening(b, a))
        *out = a;
    else if (type_is_widening(a, b))
        *out = b;
    else
        return false;
    return true;
}
