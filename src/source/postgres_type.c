#include "source/postgres_type.h"

#include <stdio.h>
#include <string.h>

#include "model/value.h"

/* oids of pg_type.dat (PostgreSQL 18), which never change. */
enum {
    OID_NUMERIC = 1700,
    OID_TIME = 1083,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    TYPMOD_HEADER = 4,    /* VARHDRSZ, which typmods of numeric and of texts count */
    FRACTION_DIGITS = 6,  /* of a time without typmod */
    NUMERIC_SCALE = 2048, /* the lower 11 bits, with sign (numeric.c, numeric_typmod_scale) */
    YEAR_DIGITS_MAX = 6,  /* that raw files hold */
    SHORT_DATE = 10,      /* 2026-11-01 */
};

struct type_row {
    uint32_t oid; /* 0: for the reference only */
    const char *name;
    enum type_kind kind;
    enum postgres_form form;
    const char *note;
};

#define UNBOUNDED_DATE "`infinity`, `-infinity` and years beyond the lake's are NULL, and counted"

static const struct type_row types[] = {
    {16, "boolean", TYPE_BOOLEAN, POSTGRES_BOOLEAN, "`true`, `false`"},
    {21, "smallint", TYPE_INT16, POSTGRES_PLAIN, NULL},
    {23, "integer", TYPE_INT32, POSTGRES_PLAIN, NULL},
    {20, "bigint", TYPE_INT64, POSTGRES_PLAIN, NULL},
    {26, "oid", TYPE_UINT32, POSTGRES_PLAIN, NULL},
    {28, "xid", TYPE_UINT32, POSTGRES_PLAIN, NULL},
    {29, "cid", TYPE_UINT32, POSTGRES_PLAIN, NULL},
    {5069, "xid8", TYPE_UINT64, POSTGRES_PLAIN, NULL},
    {700, "real", TYPE_FLOAT32, POSTGRES_PLAIN, "shortest exact; `NaN`, `Infinity`, `-Infinity` too"},
    {701, "double precision", TYPE_FLOAT64, POSTGRES_PLAIN, "the same"},
    {OID_NUMERIC, "numeric(p,s)", TYPE_DECIMAL, POSTGRES_DECIMAL,
     "up to 38 digits; a negative scale gives decimal(p-s,0), a scale above p decimal(s,s); `NaN` is NULL, and "
     "counted"},
    {0, "numeric, and of more than 38 digits", TYPE_STRING, POSTGRES_PLAIN,
     "no decimal holds all of it; `NaN`, `Infinity` too. Declare a type under `tables: columns:` where you know "
     "better"},
    {790, "money", TYPE_STRING, POSTGRES_TEXT, "as lc_monetary has it"},
    {18, "\"char\"", TYPE_STRING, POSTGRES_TEXT, NULL},
    {19, "name", TYPE_STRING, POSTGRES_TEXT, NULL},
    {1042, "character(n)", TYPE_STRING, POSTGRES_TEXT, "with its blanks"},
    {1043, "character varying(n)", TYPE_STRING, POSTGRES_TEXT, NULL},
    {25, "text", TYPE_STRING, POSTGRES_TEXT, NULL},
    {17, "bytea", TYPE_BINARY, POSTGRES_BYTEA, "lower-case hexadecimal"},
    {1082, "date", TYPE_DATE, POSTGRES_DATE, UNBOUNDED_DATE "; `-0043-03-15` is 44 BC"},
    {OID_TIME, "time(n)", TYPE_TIME, POSTGRES_PLAIN, "up to `24:00:00`"},
    {1266, "time(n) with time zone", TYPE_STRING, POSTGRES_PLAIN, "with its own zone"},
    {OID_TIMESTAMP, "timestamp(n)", TYPE_TIMESTAMP, POSTGRES_TIMESTAMP, UNBOUNDED_DATE},
    {OID_TIMESTAMPTZ, "timestamp(n) with time zone", TYPE_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, "in UTC; " UNBOUNDED_DATE},
    {1186, "interval", TYPE_STRING, POSTGRES_TEXT, "`1 year 2 mons 3 days 04:05:06` (IntervalStyle postgres)"},
    {2950, "uuid", TYPE_STRING, POSTGRES_PLAIN, NULL},
    {114, "json", TYPE_JSON, POSTGRES_TEXT, "as it was written"},
    {3802, "jsonb", TYPE_JSON, POSTGRES_TEXT, NULL},
    {142, "xml", TYPE_STRING, POSTGRES_TEXT, NULL},
    {1560, "bit(n)", TYPE_STRING, POSTGRES_PLAIN, "`0101`"},
    {1562, "bit varying(n)", TYPE_STRING, POSTGRES_TEXT, NULL},
    {0, "inet, cidr, macaddr, macaddr8, pg_lsn, tsvector, tsquery, jsonpath", TYPE_STRING, POSTGRES_TEXT, NULL},
    {0, "point, line, lseg, box, path, polygon, circle", TYPE_STRING, POSTGRES_TEXT, NULL},
    {0, "arrays of anything", TYPE_STRING, POSTGRES_TEXT, "`{1,2,NULL}`"},
    {0, "enumerations", TYPE_STRING, POSTGRES_TEXT, "the label"},
    {0, "composite types, ranges, multiranges", TYPE_STRING, POSTGRES_TEXT, "`(1,\"a b\")`, `[1,10)`, `{[1,3),[5,7)}`"},
    {0, "types of extensions: hstore, citext, ltree, vector, …", TYPE_STRING, POSTGRES_TEXT, NULL},
    {0, "geometry, geography of PostGIS", TYPE_STRING, POSTGRES_TEXT, "hexadecimal EWKB"},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

/* ---- types */

/* A precision and scale that the typmod packs; a decimal holds it where it has at most 38 digits. */
static struct postgres_type numeric_of(int32_t typmod) {
    static const struct postgres_type text = {{.kind = TYPE_STRING}, POSTGRES_PLAIN};
    if (typmod < TYPMOD_HEADER)
        return text;
    int32_t packed = typmod - TYPMOD_HEADER;
    int precision = (packed >> 16) & 0xffff;
    int scale = ((packed & (NUMERIC_SCALE - 1)) ^ (NUMERIC_SCALE / 2)) - NUMERIC_SCALE / 2;
    if (scale < 0) {
        precision -= scale;
        scale = 0;
    }
    if (precision < scale)
        precision = scale;
    if (precision > TYPE_DECIMAL_PRECISION_MAX)
        return text;
    return (struct postgres_type){{TYPE_DECIMAL, (uint8_t)precision, (uint8_t)scale}, POSTGRES_DECIMAL};
}

static uint8_t fraction_digits(int32_t typmod) {
    return typmod >= 0 && typmod <= FRACTION_DIGITS ? (uint8_t)typmod : FRACTION_DIGITS;
}

struct postgres_type postgres_type_of(uint32_t oid, int32_t typmod) {
    if (oid == OID_NUMERIC)
        return numeric_of(typmod);
    for (size_t i = 0; oid != 0 && i < TYPE_COUNT; i++) {
        if (types[i].oid != oid)
            continue;
        enum type_kind kind = types[i].kind;
        bool has_fraction = kind == TYPE_TIME || kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMPTZ;
        return (struct postgres_type){{.kind = kind, .scale = has_fraction ? fraction_digits(typmod) : 0},
                                      types[i].form};
    }
    return (struct postgres_type){{.kind = TYPE_STRING}, POSTGRES_TEXT};
}

/* "numeric(10,2)": its words without the brackets, and the numbers; -1 where there is none. */
struct declared {
    char name[64];
    int first, second;
};

static struct declared read_declared(const char *text) {
    struct declared out = {.first = -1, .second = -1};
    const char *open = strchr(text, '('), *close = open != NULL ? strchr(open, ')') : NULL;
    if (close == NULL || sscanf(open, "(%d,%d)", &out.first, &out.second) < 1)
        snprintf(out.name, sizeof out.name, "%s", text);
    else
        snprintf(out.name, sizeof out.name, "%.*s%s", (int)(open - text), text, close + 1);
    return out;
}

/* ATColumnChangeRequiresRewrite and the support functions of the types (varchar_support, numeric_support,
 * TemporalSimplify, varbit_support): a length that only grows changes no value. */
bool postgres_type_keeps_rows(const char *from_text, const char *to_text) {
    if (strcmp(from_text, to_text) == 0)
        return true;
    struct declared from = read_declared(from_text), to = read_declared(to_text);
    bool grows = to.first == -1 || (from.first != -1 && to.first >= from.first);
    if (strcmp(from.name, to.name) != 0)
        return (strcmp(from.name, "character varying") == 0 && strcmp(to.name, "text") == 0) ||
               (strcmp(from.name, "text") == 0 && strcmp(to.name, "character varying") == 0 && to.first == -1);
    if (strcmp(from.name, "numeric") == 0)
        return grows && (to.first == -1 || from.second == to.second);
    if (strncmp(from.name, "time", strlen("time")) == 0)
        return grows || (from.first == -1 && to.first == FRACTION_DIGITS);
    return grows && (strcmp(from.name, "character varying") == 0 || strcmp(from.name, "bit varying") == 0);
}

/* ---- values */

static struct value plain(const char *data, size_t len) {
    return (struct value){.data = data, .len = (uint32_t)len, .kind = VALUE_PLAIN};
}

static bool ends_with(const char *data, size_t len, const char *end) {
    size_t end_len = strlen(end);
    return len >= end_len && memcmp(data + len - end_len, end, end_len) == 0;
}

/* "0044-03-15 BC" is "-0043-03-15": raw files count years as ISO 8601 does, where 1 BC is 0000. */
static const char *sign_year(const char *data, size_t len, struct arena *arena, size_t *out_len) {
    bool before = ends_with(data, len, " BC");
    size_t digits = 0;
    long year = 0;
    while (digits < len && digits <= YEAR_DIGITS_MAX && data[digits] >= '0' && data[digits] <= '9')
        year = year * 10 + (data[digits++] - '0');
    size_t rest = len - digits - (before ? strlen(" BC") : 0);
    if (digits < 4 || digits > YEAR_DIGITS_MAX || len < digits + (before ? strlen(" BC") : 0))
        return NULL;
    const char *text = arena_printf(arena, "%c%04ld%.*s", before && year > 1 ? '-' : '+', before ? year - 1 : year,
                                    (int)rest, data + digits);
    *out_len = strlen(text);
    return text;
}

/* Dates and timestamps that are not of the years 0001 to 9999. */
static bool convert_odd_date(enum postgres_form form, const char *data, size_t len, struct arena *arena,
                             struct value *out) {
    const char *text = sign_year(data, len, arena, &len);
    int32_t days;
    int64_t time_us;
    if (text == NULL)
        return false;
    if (form == POSTGRES_TIMESTAMPTZ && ends_with(text, len, "+00"))
        len -= 3;
    struct slice slice = {text, len};
    bool ok = form == POSTGRES_DATE ? value_parse_date(slice, &days)
                                    : value_parse_timestamp(slice, form == POSTGRES_TIMESTAMPTZ, &time_us);
    if (ok)
        *out = plain(text, len);
    return ok;
}

static bool convert_date(enum postgres_form form, const char *data, uint32_t len, struct arena *arena,
                         struct value *out) {
    if (len < SHORT_DATE || data[4] != '-' || data[len - 1] == 'C')
        return convert_odd_date(form, data, len, arena, out);
    *out = plain(data, form == POSTGRES_TIMESTAMPTZ && ends_with(data, len, "+00") ? len - 3 : len);
    return true;
}

static bool convert_decimal(const char *data, uint32_t len, struct value *out) {
    if (len > 0 && data[len - 1] > '9') /* NaN; Infinity in no numeric with a precision */
        return false;
    *out = plain(data, len);
    return true;
}

bool postgres_type_convert(struct postgres_type type, const char *data, uint32_t len, struct arena *arena,
                           struct value *out) {
    *out = (struct value){.kind = VALUE_NULL};
    switch (type.form) {
    case POSTGRES_TEXT:
        *out = (struct value){.data = data, .len = len, .kind = VALUE_TEXT};
        return true;
    case POSTGRES_PLAIN:
        *out = plain(data, len);
        return true;
    case POSTGRES_BOOLEAN:
        *out = len > 0 && data[0] == 't' ? plain("true", 4) : plain("false", 5);
        return true;
    case POSTGRES_BYTEA:
        *out = len >= 2 ? plain(data + 2, len - 2) : plain("", 0);
        out->kind = len > 2 ? VALUE_PLAIN : VALUE_BYTES; /* none are not a bare field, which could be NULL */
        return true;
    case POSTGRES_DECIMAL:
        return convert_decimal(data, len, out);
    case POSTGRES_DATE:
    case POSTGRES_TIMESTAMP:
    case POSTGRES_TIMESTAMPTZ:
        return convert_date(type.form, data, len, arena, out);
    }
    return true;
}

/* ---- the reference */

/* The type's name, with letters where the column's own numbers go. */
static const char *type_name(struct type type, char out[TYPE_TEXT_BYTES]) {
    type_format(type, out);
    if (type.kind == TYPE_DECIMAL && type.precision == 0)
        return "decimal(p,s)";
    char *digits = strchr(out, '(');
    if (digits != NULL && type.kind != TYPE_DECIMAL)
        digits[1] = 'n';
    return out;
}

static const char *lake_name(enum type_kind kind, char out[TYPE_TEXT_BYTES]) {
    if (kind == TYPE_DECIMAL)
        return "decimal(p,s)";
    type_format(type_for_lake((struct type){.kind = kind}), out);
    char *digits = strchr(out, '(');
    if (digits != NULL && kind != TYPE_UINT64) /* timestamps have six digits in the lake */
        *digits = '\0';
    return out;
}

void postgres_type_write_reference(struct buf *out) {
    buf_append_text(out,
                    "# PostgreSQL's types\n\n"
                    "<!-- Written by `sluice help postgres-types`; a test compares. Change the table in "
                    "src/source/postgres_type.c. -->\n\n"
                    "What a column is in the raw files and in the lake. A domain is what its base type is. Where no "
                    "type is exact, the\nvalue is the server's own text. A type that is declared under "
                    "`tables: columns:` in sluice.yaml wins.\n\n"
                    "| PostgreSQL | raw files | lake | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        char raw[TYPE_TEXT_BYTES], lake[TYPE_TEXT_BYTES];
        const char *raw_name = type_name((struct type){.kind = types[i].kind}, raw);
        buf_printf(out, "| %s | %s | %s | %s |\n", types[i].name, raw_name, lake_name(types[i].kind, lake),
                   types[i].note != NULL ? types[i].note : "");
    }
    buf_append_text(out, "\nWhat becomes NULL is counted: `sluice status` shows it among the warnings of the capture. "
                         "A table with such a value in\nits key stops.\n");
}
