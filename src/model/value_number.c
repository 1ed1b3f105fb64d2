/* Numbers as text, both ways.
 *
 * Reading: one scan takes sign, digits and exponent apart. Where the digits and the power of ten are exact as doubles,
 * one multiplication or division is correctly rounded (Clinger's fast path); the rest goes through the C library.
 *
 * Writing: the number of fraction digits is raised until the decimal reads back as the same number, which is one
 * division a try as long as the decimal has at most 15 digits. The rest goes through the C library with 15, 16 and 17
 * digits. The result is the shortest decimal, except next to a power of two, where it may have one digit more. */
#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/value.h"

__extension__ typedef unsigned __int128 u128;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* --- integers. */

bool value_parse_int64(struct slice text, int64_t *out) {
    const char *p = text.data, *end = p + text.len;
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    if (p == end)
        return false;
    while (end - p > 1 && *p == '0')
        p++;
    if (end - p > 19) /* 19 digits are below 2^64 */
        return false;
    uint64_t value = 0;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* --- taking a number apart. */

/* value = ±(mantissa + low / 10^low_count) × 10^exponent: the first 19 significant digits and up to 19 more. `cut` says
 * that there were still more, and not only zeros. */
struct number {
    bool negative;
    bool cut;
    unsigned low_count;
    uint64_t mantissa;
    uint64_t low;
    int64_t exponent;
};

/* A further digit is taken as long as the mantissa stays below 10^19, which is below 2^64. */
#define MANTISSA_FULL 1000000000000000000U

enum { LOW_DIGITS = 19, EXPONENT_LIMIT = 1000000 /* far beyond every type; keeps the sums small */ };

static const char *scan_digits(const char *p, const char *end, bool fraction, struct number *n) {
    for (; p < end && is_digit(*p); p++) {
        if (n->mantissa < MANTISSA_FULL) {
            n->mantissa = n->mantissa * 10 + (uint64_t)(*p - '0');
            n->exponent -= fraction;
            continue;
        }
        n->exponent += !fraction;
        if (n->low_count < LOW_DIGITS) {
            n->low = n->low * 10 + (uint64_t)(*p - '0');
            n->low_count++;
        } else {
            n->cut = n->cut || *p != '0';
        }
    }
    return p;
}

/* "e+05" at p; adds to the exponent. Returns behind it, or NULL. */
static const char *scan_exponent(const char *p, const char *end, struct number *n) {
    p++;
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    if (p == end || !is_digit(*p))
        return NULL;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*p - '0');
    n->exponent += negative ? -value : value;
    return p;
}

/* [sign] digits [. digits] [e [sign] digits], with at least one digit before the exponent. */
static bool scan_number(struct slice text, struct number *n) {
    const char *p = text.data, *end = p + text.len;
    *n = (struct number){.negative = p < end && *p == '-'};
    p += p < end && (*p == '-' || *p == '+');
    const char *digits = p;
    p = scan_digits(p, end, false, n);
    ptrdiff_t count = p - digits;
    if (p < end && *p == '.') {
        digits = ++p;
        p = scan_digits(p, end, true, n);
        count += p - digits;
    }
    if (count == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, n);
    return p == end;
}

/* --- decimals. */

/* 10^0 .. 10^38. */
#define E19 10000000000000000000U
static const u128 decimal_powers[TYPE_DECIMAL_PRECISION_MAX + 1] = {
    1U,
    10U,
    100U,
    1000U,
    10000U,
    100000U,
    1000000U,
    10000000U,
    100000000U,
    1000000000U,
    10000000000U,
    100000000000U,
    1000000000000U,
    10000000000000U,
    100000000000000U,
    1000000000000000U,
    10000000000000000U,
    100000000000000000U,
    1000000000000000000U,
    E19,
    (u128)E19 * 10U,
    (u128)E19 * 100U,
    (u128)E19 * 1000U,
    (u128)E19 * 10000U,
    (u128)E19 * 100000U,
    (u128)E19 * 1000000U,
    (u128)E19 * 10000000U,
    (u128)E19 * 100000000U,
    (u128)E19 * 1000000000U,
    (u128)E19 * 10000000000U,
    (u128)E19 * 100000000000U,
    (u128)E19 * 1000000000000U,
    (u128)E19 * 10000000000000U,
    (u128)E19 * 100000000000000U,
    (u128)E19 * 1000000000000000U,
    (u128)E19 * 10000000000000000U,
    (u128)E19 * 100000000000000000U,
    (u128)E19 * 1000000000000000000U,
    (u128)E19 *E19,
};

bool value_parse_decimal(struct slice text, unsigned precision, unsigned scale, value_decimal *out) {
    assert(precision >= 1 && precision <= TYPE_DECIMAL_PRECISION_MAX && scale <= precision);
    struct number n;
    if (!scan_number(text, &n) || n.cut)
        return false;
    u128 value = n.mantissa;
    int64_t exponent = n.exponent;
    if (n.low != 0) {
        value = value * decimal_powers[n.low_count] + n.low;
        exponent -= n.low_count;
    }
    int64_t shift = exponent + scale;
    if (value == 0) {
        shift = 0;
    } else if (shift < 0) { /* what goes must be zeros */
        if (shift < -TYPE_DECIMAL_PRECISION_MAX || value % decimal_powers[-shift] != 0)
            return false;
        value /= decimal_powers[-shift];
        shift = 0;
    }
    if (shift > precision || value >= decimal_powers[precision - (unsigned)shift])
        return false;
    value *= decimal_powers[shift];
    *out = n.negative ? -(value_decimal)value : (value_decimal)value;
    return true;
}

/* --- floating point, reading. */

/* 10^0 .. 10^22: the powers of ten that are exact as doubles. */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum { EXACT_POWER_MAX = 22 };
#define EXACT_MANTISSA_MAX (UINT64_C(1) << 53)

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void open_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    assert(c_locale != (locale_t)0);
}

/* The number by the C library: correctly rounded, whatever the process's locale is. */
static double library_double(const char *text) {
    pthread_once(&c_locale_once, open_c_locale);
    return strtod_l(text, NULL, c_locale);
}

static float library_float(const char *text) {
    pthread_once(&c_locale_once, open_c_locale);
    return strtof_l(text, NULL, c_locale);
}

/* The C library wants a terminated text; `text` was checked to be a number. */
static double library_number(struct slice text, bool single) {
    char small[128];
    char *copy = text.len < sizeof small ? small : mem_alloc(text.len + 1);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double value = single ? (double)library_float(copy) : library_double(copy);
    if (copy != small)
        mem_free(copy);
    return value;
}

/* mantissa × 10^exponent when that takes one operation on exact numbers; false otherwise. */
static bool exact_double(uint64_t mantissa, int64_t exponent, double *out) {
    if (mantissa > EXACT_MANTISSA_MAX || exponent > EXACT_POWER_MAX || exponent < -EXACT_POWER_MAX)
        return false;
    *out = exponent < 0 ? (double)mantissa / exact_powers[-exponent] : (double)mantissa * exact_powers[exponent];
    return true;
}

/* A correctly rounded double rounds to the correctly rounded float, unless it is exactly between two floats: then the
 * decimal may have been on either side. True when it is not, and the float is a normal number or zero. */
static bool rounds_to_float(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool midpoint = (bits & 0x1FFFFFFF) == 0x10000000; /* the 29 bits that a float does not have */
    return !midpoint && (value == 0 || value >= (double)FLT_MIN);
}

/* nan, inf, infinity; `text` is without its sign. */
static bool parse_word(struct slice text, double *out) {
    if (slice_equal_text_nocase(text, "nan"))
        *out = (double)NAN;
    else if (slice_equal_text_nocase(text, "inf") || slice_equal_text_nocase(text, "infinity"))
        *out = (double)INFINITY;
    else
        return false;
    return true;
}

static bool parse_floating(struct slice text, bool single, double *out) {
    struct number n;
    double value;
    bool negative = text.len > 0 && text.data[0] == '-';
    if (!scan_number(text, &n)) {
        size_t sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
        if (!parse_word((struct slice){text.data + sign, text.len - sign}, &value))
            return false;
        *out = negative ? -value : value;
        return true;
    }
    while (n.mantissa > EXACT_MANTISSA_MAX && n.low == 0 &&
           n.mantissa % 10 == 0) { /* DMS writes 5.0656000000000000e+05 */
        n.mantissa /= 10;
        n.exponent++;
    }
    if (!n.cut && n.low == 0 && exact_double(n.mantissa, n.exponent, &value) && (!single || rounds_to_float(value)))
        *out = negative ? -value : value;
    else
        *out = library_number(text, single);
    return isfinite(single ? (float)*out : *out);
}

bool value_parse_double(struct slice text, double *out) { return parse_floating(text, false, out); }

bool value_parse_float(struct slice text, float *out) {
    double value;
    if (!parse_floating(text, true, &value))
        return false;
    *out = (float)value;
    return true;
}

/* --- integers as text. */

size_t value_format_uint64(uint64_t v, char out[VALUE_INT_BYTES]) {
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
        "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
        "9293949596979899";
    char digits[VALUE_INT_BYTES];
    char *p = digits + sizeof digits;
    for (; v >= 100; v /= 100)
        memcpy(p -= 2, pairs + v % 100 * 2, 2);
    if (v >= 10)
        memcpy(p -= 2, pairs + v * 2, 2);
    else
        *--p = (char)('0' + v);
    size_t len = (size_t)(digits + sizeof digits - p);
    memcpy(out, p, len);
    out[len] = '\0';
    return len;
}

size_t value_format_int64(int64_t v, char out[VALUE_INT_BYTES]) {
    if (v >= 0)
        return value_format_uint64((uint64_t)v, out);
    out[0] = '-';
    char digits[VALUE_INT_BYTES];
    size_t len = value_format_uint64(0 - (uint64_t)v, digits);
    memcpy(out + 1, digits, len + 1);
    return len + 1;
}

/* --- floating point as text. */

/* From here on numbers are written with an exponent: 15 digits are what a double always keeps. */
#define FIXED_LIMIT 1e15
/* Below, too. */
#define FIXED_MINIMUM 1e-5

/* digits / 10^fraction as text, with at least one digit before the point. */
static size_t format_fixed(uint64_t digits, size_t fraction, char *out) {
    char text[VALUE_INT_BYTES];
    size_t len = value_format_uint64(digits, text), at = 0;
    if (len <= fraction) {
        memset(out, '0', fraction - len + 2);
        out[1] = '.';
        memcpy(out + fraction - len + 2, text, len);
        at = fraction + 2;
    } else {
        size_t whole = len - fraction;
        memcpy(out, text, whole);
        out[whole] = '.';
        memcpy(out + whole + 1, text + whole, fraction);
        at = len + 1;
    }
    out[at] = '\0';
    return at;
}

/* The fewest fraction digits with which value, FIXED_MINIMUM <= value < FIXED_LIMIT, reads back; 0 when 15 digits do
 * not. */
static size_t format_short(double value, bool single, char *out) {
    if ((double)(uint64_t)value == value)
        return value_format_uint64((uint64_t)value, out);
    for (size_t fraction = 1; fraction <= EXACT_POWER_MAX; fraction++) {
        double scaled = value * exact_powers[fraction];
        if (scaled >= FIXED_LIMIT)
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        double back = (double)digits / exact_powers[fraction];
        if (single ? rounds_to_float(back) && (float)back == (float)value : back == value)
            return format_fixed(digits, fraction, out);
    }
    return 0;
}

/* digits[0] . digits[1..] × 10^exponent, as 0.00001 or as 1e-7. */
static size_t format_digits(const char *digits, size_t count, int exponent, char *out) {
    char *p = out;
    if (exponent >= -5 && exponent < 0) {
        p = mempcpy(p, "0.00000", (size_t)(1 - exponent));
        p = mempcpy(p, digits, count);
    } else if (exponent >= 0 && exponent < 15) {
        size_t whole = (size_t)exponent + 1;
        for (size_t i = 0; i < whole || i < count; i++) {
            if (i == whole)
                *p++ = '.';
            *p++ = i < count ? digits[i] : '0';
        }
    } else {
        *p++ = digits[0];
        if (count > 1) {
            *p++ = '.';
            p = mempcpy(p, digits + 1, count - 1);
        }
        *p++ = 'e';
        p += value_format_int64(exponent, p);
    }
    *p = '\0';
    return (size_t)(p - out);
}

/* value rounded to `precision` digits, by the C library; the locale's point is passed over. */
static size_t format_precision(double value, int precision, char *out) {
    char text[VALUE_FLOAT_BYTES * 2], digits[VALUE_FLOAT_BYTES] = "0";
    snprintf(text, sizeof text, "%.*e", precision - 1, value);
    const char *p = text;
    size_t count = 0;
    for (; *p != 'e'; p++)
        if (is_digit(*p))
            digits[count++] = *p;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return format_digits(digits, count, (int)strtol(p + 1, NULL, 10), out);
}

/* What does not read back from 15 digits (6 of a float) does from 17 (9). The numbers below the smallest normal one
 * have fewer digits than that. */
static size_t format_long(double value, bool single, char *out) {
    int least = single ? FLT_DIG : DBL_DIG, most = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    if (value < (single ? (double)FLT_MIN : DBL_MIN))
        least = 1;
    size_t len = 0;
    for (int precision = least; precision <= most; precision++) {
        len = format_precision(value, precision, out);
        if (single ? library_float(out) == (float)value : library_double(out) == value)
            break;
    }
    return len;
}

static size_t format_floating(double value, bool single, char *out) {
    if (isnan(value)) {
        memcpy(out, "nan", 4);
        return 3;
    }
    size_t sign = signbit(value) ? 1 : 0;
    out[0] = '-';
    value = fabs(value);
    if (isinf(value)) {
        memcpy(out + sign, "inf", 4);
        return sign + 3;
    }
    size_t len = 0;
    if (value == 0 || (value >= FIXED_MINIMUM && value < FIXED_LIMIT))
        len = format_short(value, single, out + sign);
    return sign + (len > 0 ? len : format_long(value, single, out + sign));
}

size_t value_format_float(float v, char out[VALUE_FLOAT_BYTES]) { return format_floating((double)v, true, out); }

size_t value_format_double(double v, char out[VALUE_FLOAT_BYTES]) { return format_floating(v, false, out); }
