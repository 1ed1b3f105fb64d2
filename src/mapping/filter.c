/* Source filters: bound to the columns of a table version, then asked for each row.
 *
 * Rows of the full load and of the log are judged by the same code, so that both agree whatever the source's SQL would say.
 * Values come as the texts of model/type.h. */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "mapping/rule.h"
#include "model/value.h"

/* --- binding */

static enum mapping_order order_of(struct type type) {
    switch (type.kind) {
    case TYPE_BOOLEAN:
        return MAPPING_BY_TRUTH;
    case TYPE_INT8:
    case TYPE_INT16:
    case TYPE_INT32:
    case TYPE_INT64:
    case TYPE_UINT8:
    case TYPE_UINT16:
    case TYPE_UINT32:
    case TYPE_UINT64:
    case TYPE_DECIMAL:
        return MAPPING_BY_NUMBER;
    case TYPE_FLOAT32:
        return MAPPING_BY_FLOAT;
    case TYPE_FLOAT64:
        return MAPPING_BY_DOUBLE;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return MAPPING_BY_TIME;
    case TYPE_TIME:
        return MAPPING_BY_CLOCK;
    case TYPE_STRING:
        return MAPPING_BY_TEXT;
    case TYPE_BINARY:
        return MAPPING_BY_BYTES;
    case TYPE_JSON:
        break;
    }
    return MAPPING_BY_NOTHING;
}

/* [+-]digits[.digits] */
static bool is_number(struct slice text) {
    const char *p = text.data, *end = text.data + text.len;
    size_t digits = 0;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        digits++;
    if (p < end && *p == '.')
        for (p++; p < end && *p >= '0' && *p <= '9'; p++)
            digits++;
    return p == end && digits > 0;
}

static bool bind_bytes(struct arena *arena, struct slice text, struct mapping_literal *out) {
    uint8_t *bytes = arena_alloc(arena, text.len / 2 + 1);
    if (!value_parse_hex(text, bytes))
        return false;
    out->text = (const char *)bytes;
    out->len = (uint32_t)(text.len / 2);
    return true;
}

/* False when the text is no such value. */
static bool bind_literal(struct arena *arena, enum mapping_order order, struct type type, const char *text,
                         struct mapping_literal *out) {
    struct slice slice = slice_of(text);
    bool truth;
    *out = (struct mapping_literal){.text = text, .len = (uint32_t)slice.len};
    switch (order) {
    case MAPPING_BY_NUMBER:
        return is_number(slice);
    case MAPPING_BY_FLOAT:
    case MAPPING_BY_DOUBLE:
        return value_parse_double(slice, &out->real);
    case MAPPING_BY_TIME:
        return value_parse_timestamp(slice, type.kind == TYPE_TIMESTAMPTZ, &out->integer);
    case MAPPING_BY_CLOCK:
        return value_parse_time(slice, &out->integer);
    case MAPPING_BY_TEXT:
        return true;
    case MAPPING_BY_BYTES:
        return bind_bytes(arena, slice, out);
    case MAPPING_BY_TRUTH:
        if (!value_parse_bool(slice, &truth))
            return false;
        out->integer = truth;
        return true;
    case MAPPING_BY_NOTHING:
        break;
    }
    return false;
}

static bool error_literal(const struct column *column, const char *text, struct error *err) {
    char type[TYPE_TEXT_BYTES];
    type_format(column->type, type);
    if (column->type.kind == TYPE_JSON)
        return error_set(err, ERROR_DATA, "the filter of column %s: a json column can only be null or notnull",
                         column->name);
    return error_set(err, ERROR_DATA, "the filter of column %s: \"%.100s\" is not a value of its type %s%s",
                     column->name, text, type, column->type.kind == TYPE_BINARY ? " (hexadecimal)" : "");
}

static bool bind_condition(struct arena *arena, const struct table *table, size_t column,
                           const struct rule_condition *from, struct mapping_condition *out, struct error *err) {
    const struct column *of = &table->columns[column];
    out->column = column;
    out->operation = from->operation;
    out->order = order_of(of->type);
    if (from->low != NULL && !bind_literal(arena, out->order, of->type, from->low, &out->low))
        return error_literal(of, from->low, err);
    if (from->high != NULL && !bind_literal(arena, out->order, of->type, from->high, &out->high))
        return error_literal(of, from->high, err);
    return true;
}

static bool bind_group(struct arena *arena, const struct table *table, const struct rule_filter *filter,
                       struct mapping_group *out, struct error *err) {
    int column = table_find_column(table, filter->column);
    if (column < 0)
        return error_set(err, ERROR_DATA, "the rules filter it by column %s, which it does not have", filter->column);
    struct mapping_condition *conditions = arena_alloc(arena, filter->count * sizeof *conditions);
    for (size_t i = 0; i < filter->count; i++)
        if (!bind_condition(arena, table, (size_t)column, &filter->conditions[i], &conditions[i], err))
            return false;
    *out = (struct mapping_group){conditions, filter->count};
    return true;
}

static size_t count_filters(const struct mapping *mapping, const struct table *table) {
    size_t count = 0;
    for (size_t i = 0; mapping != NULL && i < mapping->count; i++)
        if (mapping->rules[i].filter_count > 0 && rule_is_of(&mapping->rules[i], table->schema, table->name))
            count += mapping->rules[i].filter_count;
    return count;
}

bool mapping_bind_filter(const struct mapping *mapping, struct arena *arena, const struct table *table,
                         const struct mapping_filter **out, struct error *err) {
    *out = NULL;
    size_t count = count_filters(mapping, table);
    if (count == 0)
        return true;
    struct mapping_filter *filter = arena_alloc(arena, sizeof *filter);
    struct mapping_group *groups = arena_alloc(arena, count * sizeof *groups);
    filter->groups = groups;
    for (size_t i = 0; i < mapping->count; i++) {
        const struct rule *rule = &mapping->rules[i];
        if (rule->filter_count == 0 || !rule_is_of(rule, table->schema, table->name))
            continue;
        for (size_t f = 0; f < rule->filter_count; f++)
            if (!bind_group(arena, table, &rule->filters[f], &groups[filter->count++], err))
                return error_prefix(err, "rule-id %s", rule->id);
    }
    *out = filter;
    return true;
}

/* --- comparing */

struct digits {
    bool negative;
    const char *whole, *fraction; /* without leading, and without trailing zeros */
    size_t whole_len, fraction_len;
};

static struct digits digits_of(const char *text, size_t len) {
    const char *p = text, *end = text + len;
    struct digits out = {.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    while (p < end && *p == '0')
        p++;
    out.whole = p;
    while (p < end && *p != '.')
        p++;
    out.whole_len = (size_t)(p - out.whole);
    out.fraction = p < end ? p + 1 : p;
    while (end > out.fraction && end[-1] == '0')
        end--;
    out.fraction_len = (size_t)(end - out.fraction);
    out.negative = out.negative && out.whole_len + out.fraction_len > 0;
    return out;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t len = a_len < b_len ? a_len : b_len;
    int order = len > 0 ? memcmp(a, b, len) : 0;
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Numbers of any length as decimals, without a loss. */
static int compare_numbers(const char *a_text, size_t a_len, const char *b_text, size_t b_len) {
    struct digits a = digits_of(a_text, a_len), b = digits_of(b_text, b_len);
    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    int order = (a.whole_len > b.whole_len) - (a.whole_len < b.whole_len);
    if (order == 0)
        order = compare_bytes(a.whole, a.whole_len, b.whole, b.whole_len);
    if (order == 0)
        order = compare_bytes(a.fraction, a.fraction_len, b.fraction, b.fraction_len);
    return a.negative ? -order : order;
}

/* A value in the form of its order; false: it is none. */
static bool read_value(enum mapping_order order, struct slice text, double *real, int64_t *integer) {
    bool truth;
    float narrow;
    switch (order) {
    case MAPPING_BY_FLOAT:
        if (!value_parse_float(text, &narrow))
            return false;
        *real = (double)narrow;
        return true;
    case MAPPING_BY_DOUBLE:
        return value_parse_double(text, real);
    case MAPPING_BY_TIME:
        return value_parse_timestamp(text, true, integer);
    case MAPPING_BY_CLOCK:
        return value_parse_time(text, integer);
    case MAPPING_BY_TRUTH:
        if (!value_parse_bool(text, &truth))
            return false;
        *integer = truth;
        return true;
    default:
        return true;
    }
}

/* NaN is equal to itself and above all others, as PostgreSQL has it. */
static int compare_doubles(double a, double b) {
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int compare(const struct mapping_condition *condition, const struct value *value, double real, int64_t integer,
                   const struct mapping_literal *literal) {
    switch (condition->order) {
    case MAPPING_BY_NUMBER:
        return compare_numbers(value->data, value->len, literal->text, literal->len);
    case MAPPING_BY_FLOAT:
    case MAPPING_BY_DOUBLE:
        return compare_doubles(real, literal->real);
    case MAPPING_BY_TEXT:
    case MAPPING_BY_BYTES:
        return compare_bytes(value->data, value->len, literal->text, literal->len);
    default:
        return (integer > literal->integer) - (integer < literal->integer);
    }
}

static bool is_true(const struct mapping_condition *condition, const struct value *value, double real,
                    int64_t integer) {
    int low = compare(condition, value, real, integer, &condition->low);
    switch (condition->operation) {
    case MAPPING_EQ:
        return low == 0;
    case MAPPING_NOTEQ:
        return low != 0;
    case MAPPING_GTE:
        return low >= 0;
    case MAPPING_LTE:
        return low <= 0;
    case MAPPING_BETWEEN:
        return low >= 0 && compare(condition, value, real, integer, &condition->high) <= 0;
    case MAPPING_NOTBETWEEN:
        return low < 0 || compare(condition, value, real, integer, &condition->high) > 0;
    case MAPPING_NULL:
    case MAPPING_NOTNULL:
        break;
    }
    return false;
}

static bool ask(const struct mapping_condition *condition, const struct value *value, enum mapping_pass *out,
                struct error *err) {
    bool null = value->kind == VALUE_NULL;
    double real = 0;
    int64_t integer = 0;
    *out = MAPPING_FAILS;
    if (value->kind == VALUE_UNCHANGED) {
        *out = MAPPING_UNCLEAR;
        return true;
    }
    if (condition->operation == MAPPING_NULL || condition->operation == MAPPING_NOTNULL) {
        *out = null == (condition->operation == MAPPING_NULL) ? MAPPING_PASSES : MAPPING_FAILS;
        return true;
    }
    if (null)
        return true;
    if (!read_value(condition->order, (struct slice){value->data, value->len}, &real, &integer))
        return error_set(err, ERROR_DATA, "a filter cannot compare the value \"%.*s\"",
                         value->len < 100 ? (int)value->len : 100, value->data);
    *out = is_true(condition, value, real, integer) ? MAPPING_PASSES : MAPPING_FAILS;
    return true;
}

static bool ask_group(const struct mapping_group *group, const struct value *values, const struct value *old,
                      enum mapping_pass *out, struct error *err) {
    *out = MAPPING_FAILS;
    for (size_t i = 0; i < group->count && *out != MAPPING_PASSES; i++) {
        const struct mapping_condition *condition = &group->conditions[i];
        const struct value *value = &values[condition->column];
        if (value->kind == VALUE_UNCHANGED && old != NULL)
            value = &old[condition->column];
        enum mapping_pass pass;
        if (!ask(condition, value, &pass, err))
            return false;
        if (pass != MAPPING_FAILS)
            *out = pass;
    }
    return true;
}

bool mapping_filter_row(const struct mapping_filter *filter, const struct value *values, const struct value *old,
                        enum mapping_pass *out, struct error *err) {
    *out = MAPPING_PASSES;
    for (size_t i = 0; i < filter->count && *out != MAPPING_FAILS; i++) {
        enum mapping_pass pass;
        if (!ask_group(&filter->groups[i], values, old, &pass, err))
            return false;
        if (pass != MAPPING_PASSES)
            *out = pass;
    }
    return true;
}
