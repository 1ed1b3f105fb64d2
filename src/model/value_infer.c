/* Which type a text looks like, for files that do not say.
 *
 * A type is inferred only when the text is in that type's own form, so that the lake can give the same text back:
 * "007", "+1" and "1." stay text. A number with an exponent is in the form of a floating-point column; the other values
 * of such a column ("100", "0.5") join it as FLOAT64. */
#include "model/value.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static struct type type_of(enum type_kind kind) { return (struct type){.kind = kind}; }

static struct type decimal_of(size_t whole_digits, size_t fraction_digits) {
    size_t precision = whole_digits + fraction_digits;
    if (precision > TYPE_DECIMAL_PRECISION_MAX)
        return type_of(TYPE_STRING);
    return (struct type){.kind = TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)fraction_digits};
}

/* The parts of [sign] digits [. digits] [e [sign] digits]. */
struct number_form {
    bool plus, minus, exponent;
    size_t whole_digits, fraction_digits;
};

static size_t count_digits(const char *p, const char *end) {
    const char *begin = p;
    while (p < end && is_digit(*p))
        p++;
    return (size_t)(p - begin);
}

/* False when the text is no number in canonical form: no needless zero in front, digits on both sides of a point. */
static bool read_number_form(struct slice text, struct number_form *form) {
    const char *p = text.data, *end = p + text.len;
    *form = (struct number_form){.plus = *p == '+', .minus = *p == '-'};
    p += form->plus || form->minus;
    form->whole_digits = count_digits(p, end);
    if (form->whole_digits == 0 || (form->whole_digits > 1 && *p == '0'))
        return false;
    p += form->whole_digits;
    if (p < end && *p == '.') {
        form->fraction_digits = count_digits(++p, end);
        if (form->fraction_digits == 0)
            return false;
        p += form->fraction_digits;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        size_t digits = count_digits(p, end);
        if (digits == 0)
            return false;
        form->exponent = true;
        p += digits;
    }
    return p == end;
}

enum { DOUBLE_DIGITS = 17 }; /* more are not the text of a double */

static struct type infer_number(struct slice text) {
    struct number_form form;
    double value;
    if (!read_number_form(text, &form))
        return type_of(TYPE_STRING);
    if (form.exponent) {
        bool fits = form.whole_digits + form.fraction_digits <= DOUBLE_DIGITS && value_parse_double(text, &value);
        return type_of(fits ? TYPE_FLOAT64 : TYPE_STRING);
    }
    if (form.plus)
        return type_of(TYPE_STRING);
    if (form.minus && value_parse_double(text, &value) && value == 0) /* only floating point has a negative zero */
        return type_of(TYPE_FLOAT64);
    int64_t whole;
    if (form.fraction_digits == 0 && value_parse_int64(text, &whole))
        return type_of(TYPE_INT64);
    bool below_one = form.whole_digits == 1 && text.data[form.minus] == '0';
    return decimal_of(below_one ? 0 : form.whole_digits, form.fraction_digits);
}

enum { DATE_BYTES = 10, TIMESTAMP_BYTES = 19, FRACTION_DIGITS_MAX = 6 };

/* "2026-11-01" and "2026-11-01 10:15:00[.ffffff]"; the caller saw a digit first. */
static bool infer_time(struct slice text, struct type *out) {
    int32_t days;
    int64_t time_us;
    if (text.len < DATE_BYTES || text.data[4] != '-')
        return false;
    if (text.len == DATE_BYTES) {
        *out = type_of(TYPE_DATE);
        return value_parse_date(text, &days);
    }
    if (text.len < TIMESTAMP_BYTES || text.data[DATE_BYTES] != ' ')
        return false;
    *out = type_of(TYPE_TIMESTAMP);
    if (text.len > TIMESTAMP_BYTES) {
        size_t digits = text.len - TIMESTAMP_BYTES - 1;
        if (digits > FRACTION_DIGITS_MAX)
            return false;
        out->scale = (uint8_t)digits;
    }
    return value_parse_timestamp(text, false, &time_us);
}

struct type value_infer(struct slice text) {
    if (text.len == 0)
        return type_of(TYPE_STRING);
    char first = text.data[0];
    struct type type;
    if (is_digit(first) && infer_time(text, &type))
        return type;
    if (is_digit(first) || first == '-' || first == '+')
        return infer_number(text);
    bool boolean = slice_equal_text(text, "true") || slice_equal_text(text, "false");
    return type_of(boolean ? TYPE_BOOLEAN : TYPE_STRING);
}

/* --- joining what two values look like. */

enum { INT64_DIGITS = 19 };

/* INT64 as the decimal that holds all of them. */
static struct type as_decimal(struct type type) { return type.kind == TYPE_INT64 ? decimal_of(INT64_DIGITS, 0) : type; }

static bool is_number(struct type type) {
    return type.kind == TYPE_INT64 || type.kind == TYPE_DECIMAL || type.kind == TYPE_FLOAT64;
}

static unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }

static struct type merge_numbers(struct type a, struct type b) {
    if (a.kind == TYPE_FLOAT64 || b.kind == TYPE_FLOAT64)
        return type_of(TYPE_FLOAT64);
    a = as_decimal(a);
    b = as_decimal(b);
    unsigned whole = max((unsigned)a.precision - a.scale, (unsigned)b.precision - b.scale);
    return decimal_of(whole, max(a.scale, b.scale));
}

struct type value_infer_merge(struct type a, struct type b) {
    if (type_equal(a, b))
        return a;
    if (is_number(a) && is_number(b))
        return merge_numbers(a, b);
    bool times = (a.kind == TYPE_DATE || a.kind == TYPE_TIMESTAMP) && (b.kind == TYPE_DATE || b.kind == TYPE_TIMESTAMP);
    if (times) /* a DATE has scale 0 */
        return (struct type){.kind = TYPE_TIMESTAMP, .scale = (uint8_t)max(a.scale, b.scale)};
    return type_of(TYPE_STRING);
}
