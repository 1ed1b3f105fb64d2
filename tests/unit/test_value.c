#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The text in memory that ends where the text ends, so that the sanitizer sees a read behind it. */
static struct slice exact_slice(const char *text, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(copy, text, len);
    return (struct slice){copy, len};
}

static struct slice exact(const char *text) { return exact_slice(text, strlen(text)); }

static void release(struct slice text) { free((char *)text.data); }

/* --- booleans and integers. */

static void test_bool(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } cases[] = {{"true", 1}, {"TRUE", 1}, {"t", 1},  {"T", 1},    {"1", 1},    {"false", 0},  {"False", 0}, {"f", 0},
                 {"0", 0},    {"", -1},    {"2", -1}, {"yes", -1}, {"tru", -1}, {"true ", -1}, {"01", -1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        bool value;
        int got = value_parse_bool(text, &value) ? value : -1;
        if (got != cases[i].want)
            fail_msg("\"%s\" is %d, want %d", cases[i].text, got, cases[i].want);
        release(text);
    }
}

static void test_int64(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t want;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"7", true, 7},
        {"+7", true, 7},
        {"007", true, 7},
        {"-12", true, -12},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"9999999999999999999", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"0000000000000000000000000000001", true, 1},
        {"", false, 0},
        {"-", false, 0},
        {"+", false, 0},
        {"+-1", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1/", false, 0},
        {"1:", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        int64_t got = -77;
        bool ok = value_parse_int64(text, &got);
        if (ok != cases[i].ok || (ok && got != cases[i].want))
            fail_msg("\"%s\": %d, %" PRId64, cases[i].text, ok, got);
        release(text);
    }
}

static void test_format_integers(void **state) {
    (void)state;
    static const int64_t cases[] = {0,         1,         9,      10,    11,       99,        100,       101,
                                    999,       1000,      -1,     -10,   -99,      123456789, INT32_MAX, INT32_MIN,
                                    INT64_MAX, INT64_MIN, -12345, 10000, 99999999, 100000000};
    char got[VALUE_INT_BYTES], want[VALUE_INT_BYTES];
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = value_format_int64(cases[i], got);
        snprintf(want, sizeof want, "%" PRId64, cases[i]);
        assert_string_equal(got, want);
        assert_int_equal(len, strlen(want));
        value_format_uint64((uint64_t)cases[i], got);
        snprintf(want, sizeof want, "%" PRIu64, (uint64_t)cases[i]);
        assert_string_equal(got, want);
    }
}

/* --- decimals. */

/* The unscaled value as text, which the cases give. */
static void decimal_text(value_decimal value, char out[64]) {
    char digits[64];
    char *p = digits + sizeof digits - 1;
    bool negative = value < 0;
    *p = '\0';
    do {
        int digit = (int)(value % 10);
        *--p = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value != 0);
    snprintf(out, 64, "%s%s", negative ? "-" : "", p);
}

static void test_decimal(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned precision, scale;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"0", 1, 0, "0"},
        {"0", 1, 1, "0"},
        {"-0.00", 10, 2, "0"},
        {"1.50", 10, 2, "150"},
        {"1.5", 10, 2, "150"},
        {"1", 10, 2, "100"},
        {"-1.5", 10, 2, "-150"},
        {"+1.5", 10, 2, "150"},
        {"1.", 10, 2, "100"},
        {".5", 10, 2, "50"},
        {"-.5", 10, 2, "-50"},
        {"007.10", 10, 2, "710"},
        {"1.5000000000", 10, 2, "150"},
        {"1.505", 10, 2, NULL},
        {"99999999.99", 10, 2, "9999999999"},
        {"100000000", 10, 2, NULL},
        {"99999999.990", 10, 2, "9999999999"},
        {"-99999999.99", 10, 2, "-9999999999"},
        {"1e3", 10, 2, "100000"},
        {"+5.0656000000000000e+05", 10, 2, "50656000"},
        {"-1.1118453000000000e-01", 10, 8, "-11118453"},
        {"-1.1118453000000000e-01", 10, 7, NULL},
        {"1e-2", 10, 2, "1"},
        {"1e-3", 10, 2, NULL},
        {"0e-300", 10, 2, "0"},
        {"0e300", 10, 2, "0"},
        {"1e8", 10, 2, NULL},
        {"1e7", 10, 2, "1000000000"},
        {"1e99999999999999999999", 38, 0, NULL},
        {"1e-99999999999999999999", 38, 38, NULL},
        {"9", 1, 0, "9"},
        {"10", 1, 0, NULL},
        {"0.9", 1, 1, "9"},
        {"1.0", 1, 1, NULL},
        {"18446744073709551615", 20, 0, "18446744073709551615"},
        {"99999999999999999999999999999999999999", 38, 0, "99999999999999999999999999999999999999"},
        {"-99999999999999999999999999999999999999", 38, 0, "-99999999999999999999999999999999999999"},
        {"100000000000000000000000000000000000000", 38, 0, NULL},
        {"0.99999999999999999999999999999999999999", 38, 38, "99999999999999999999999999999999999999"},
        {"0.999999999999999999999999999999999999990", 38, 38, "99999999999999999999999999999999999999"},
        {"0.999999999999999999999999999999999999991", 38, 38, NULL},
        {"12345678901234567890.123456789012345678", 38, 18, "12345678901234567890123456789012345678"},
        {"1234567890123456789.1", 38, 18, "1234567890123456789100000000000000000"},
        {"1000000000000000000000000000000000000.00", 38, 0, "1000000000000000000000000000000000000"},
        {"100000000000000000000000000000000000000000000e-20", 38, 0, "1000000000000000000000000"},
        {"0.00000000000000000000000000000000000001", 38, 38, "1"},
        {"0.000000000000000000000000000000000000001", 38, 38, NULL},
        {"00000000000000000000000000000000000000000000000000000000000000001", 1, 0, "1"},
        {"", 10, 2, NULL},
        {"-", 10, 2, NULL},
        {".", 10, 2, NULL},
        {"e5", 10, 2, NULL},
        {"1e", 10, 2, NULL},
        {"1e+", 10, 2, NULL},
        {"1e5x", 10, 2, NULL},
        {"1.2.3", 10, 2, NULL},
        {" 1", 10, 2, NULL},
        {"1 ", 10, 2, NULL},
        {"1,5", 10, 2, NULL},
        {"abc", 10, 2, NULL},
        {"nan", 10, 2, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        value_decimal value;
        char got[64] = "refused";
        if (value_parse_decimal(text, cases[i].precision, cases[i].scale, &value))
            decimal_text(value, got);
        if (strcmp(got, cases[i].want != NULL ? cases[i].want : "refused") != 0)
            fail_msg("\"%s\" as (%u,%u) is %s", cases[i].text, cases[i].precision, cases[i].scale, got);
        release(text);
    }
}

/* --- floating point. */

static uint64_t bits_of(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static uint32_t bits_of_float(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void test_parse_floating(void **state) {
    (void)state;
    static const char *const cases[] = {
        "0",
        "-0",
        "1",
        "+1",
        "0.1",
        ".5",
        "5.",
        "-1.5e10",
        "1E5",
        "+5.0656000000000000e+05",
        "-1.1118453000000000e-01",
        "+0.0000000000000000e+00",
        "9007199254740993",
        "9007199254740992000000",
        "0.1234567890123456789012345678901234567890",
        "123456789012345678901234567890123456789012345678901234567890",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9e-324",
        "5e-324",
        "1e-400",
        "1.7976931348623157e308",
        "179769313486231580793728971405301e276",
        "3.4028234663852886e38",
        "3.4028235677973366e38", /* the next one up is not a float any more */
        "1.1754943508222875e-38",
        "1.401298464324817e-45",
        "7.006492321624085e-46", /* exactly half of the smallest float */
        "7.006492321624086e-46",
        "16777217",            /* exactly between two floats */
        "16777217.0000000001", /* a little above, which the double does not see */
        "1.00000005960464477539062",
        "1.00000005960464477539063",
        "0.30000001192092896",
        "0.00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i]);
        double want = strtod(cases[i], NULL), got = 77;
        if (!value_parse_double(text, &got) || bits_of(got) != bits_of(want))
            fail_msg("%s as double is %a, want %a", cases[i], got, want);
        float want_float = strtof(cases[i], NULL), got_float = 77;
        bool ok = value_parse_float(text, &got_float);
        if (ok != (bool)isfinite(want_float) || (ok && bits_of_float(got_float) != bits_of_float(want_float)))
            fail_msg("%s as float is %a, want %a", cases[i], (double)got_float, (double)want_float);
        release(text);
    }
}

static void test_parse_floating_words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double want;
    } cases[] = {{"nan", NAN},       {"NaN", NAN},        {"-nan", NAN},          {"inf", INFINITY},
                 {"+Inf", INFINITY}, {"-inf", -INFINITY}, {"Infinity", INFINITY}, {"-INFINITY", -INFINITY}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        double got;
        float single;
        assert_true(value_parse_double(text, &got));
        assert_true(value_parse_float(text, &single));
        bool nan = isnan(cases[i].want);
        assert_true(nan ? isnan(got) && isnan(single) : got == cases[i].want && (double)single == cases[i].want);
        release(text);
    }
    static const char *const refused[] = {"",      "-",      ".",   "+.",    "e5",    "1e",    "1e+",
                                          "1.5.5", " 1",     "1 ",  "0x1p3", "1e5x",  "1e400", "infin",
                                          "in",    "nan(1)", "--1", "1d5",   "1_000", "-1e400"};
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct slice text = exact(refused[i]);
        double got;
        float single;
        if (value_parse_double(text, &got) || value_parse_float(text, &single))
            fail_msg("\"%s\" is taken as a number", refused[i]);
        release(text);
    }
}

static void test_parse_a_long_number(void **state) {
    (void)state;
    enum { DIGITS = 5000 };
    char *text = malloc(DIGITS + 1);
    memset(text, '3', DIGITS);
    text[1] = '.';
    text[DIGITS] = '\0';
    double got;
    assert_true(value_parse_double((struct slice){text, DIGITS}, &got));
    assert_true(got == 10.0 / 3.0);
    free(text);
}

static void test_format_double(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-1.0, "-1"},
        {100.0, "100"},
        {0.1, "0.1"},
        {-0.5, "-0.5"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {12.5, "12.5"},
        {24000.01, "24000.01"},
        {123456.789, "123456.789"},
        {9007199254740991.0, "9.007199254740991e15"},
        {999999999999999.0, "999999999999999"},
        {999999999999999.9, "999999999999999.9"},
        {1e15, "1e15"},
        {1e14, "100000000000000"},
        {1.5e15, "1.5e15"},
        {1e22, "1e22"},
        {1e23, "1e23"},
        {1e100, "1e100"},
        {-1.25e-100, "-1.25e-100"},
        {0.00001, "0.00001"},
        {0.000012345, "0.000012345"},
        {0.000001, "1e-6"},
        {0.0000099999999999999, "9.9999999999999e-6"},
        {DBL_MAX, "1.7976931348623157e308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {1.5e-323, "1.5e-323"},
        {3.141592653589793, "3.141592653589793"},
        {2.718281828459045, "2.718281828459045"},
        {4.35, "4.35"},
        {0.0001234567890123, "0.0001234567890123"},
        {(double)INFINITY, "inf"},
        {(double)-INFINITY, "-inf"},
        {(double)NAN, "nan"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[VALUE_FLOAT_BYTES];
        size_t len = value_format_double(cases[i].value, got);
        if (strcmp(got, cases[i].want) != 0 && !(isnan(cases[i].value) && strstr(got, "nan") != NULL))
            fail_msg("%a is %s, want %s", cases[i].value, got, cases[i].want);
        assert_int_equal(len, strlen(got));
    }
}

static void test_format_float(void **state) {
    (void)state;
    static const struct {
        float value;
        const char *want;
    } cases[] = {
        {0.0F, "0"},
        {-0.0F, "-0"},
        {0.1F, "0.1"},
        {3.14F, "3.14"},
        {16777216.0F, "16777216"},
        {1e10F, "10000000000"},
        {1e15F, "999999986991104"}, /* what it is; below the limit */
        {1e16F, "1e16"},
        {0.00001F, "0.00001"},
        {0.000001F, "1e-6"},
        {1.17549435e-38F, "1.1754944e-38"},
        {1e-45F, "1e-45"},
        {3.4028235e38F, "3.4028235e38"},
        {1.0F / 3.0F, "0.33333334"},
        {8388608.5F, "8388608"}, /* has no half */
        {4194304.5F, "4194304.5"},
        {0.3F, "0.3"},
        {(float)INFINITY, "inf"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[VALUE_FLOAT_BYTES];
        size_t len = value_format_float(cases[i].value, got);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%a is %s, want %s", (double)cases[i].value, got, cases[i].want);
        assert_int_equal(len, strlen(got));
    }
}

/* xorshift64*: the same numbers in every run. */
static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545F4914F6CDD1DU;
}

static void check_double(double value) {
    char text[VALUE_FLOAT_BYTES], want[64];
    size_t len = value_format_double(value, text);
    assert_true(len < sizeof text);
    double back, library = strtod(text, NULL);
    if (bits_of(library) != bits_of(value))
        fail_msg("%a is written %s, which is %a", value, text, library);
    assert_true(value_parse_double((struct slice){text, len}, &back));
    if (bits_of(back) != bits_of(value))
        fail_msg("%s is read as %a, want %a", text, back, value);
    snprintf(want, sizeof want, "%.15g", value);
    if (strtod(want, NULL) == value) { /* then no shorter text may be missed: compare the digits */
        size_t digits = 0, want_digits = 0;
        for (const char *p = text + strspn(text, "-0."); *p != '\0' && *p != 'e'; p++)
            digits += *p != '.';
        for (const char *p = want + strspn(want, "-0."); *p != '\0' && *p != 'e'; p++)
            want_digits += *p != '.';
        if (digits > want_digits && strchr(want, 'e') == NULL)
            fail_msg("%s is longer than %s", text, want);
    }
}

static void check_float(float value) {
    char text[VALUE_FLOAT_BYTES];
    size_t len = value_format_float(value, text);
    float back, library = strtof(text, NULL);
    if (bits_of_float(library) != bits_of_float(value))
        fail_msg("%a is written %s, which is %a", (double)value, text, (double)library);
    assert_true(value_parse_float((struct slice){text, len}, &back));
    if (bits_of_float(back) != bits_of_float(value))
        fail_msg("%s is read as %a, want %a", text, (double)back, (double)value);
}

enum { RANDOM_ROUNDS = 50000 };

static void test_round_trip_random(void **state) {
    (void)state;
    uint64_t seed = 88172645463325252U;
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        uint64_t r = next_random(&seed);
        double any;
        float single;
        uint32_t low = (uint32_t)r;
        memcpy(&any, &r, sizeof any);
        memcpy(&single, &low, sizeof single);
        if (isfinite(any))
            check_double(any);
        if (isfinite(single))
            check_float(single);
        /* what tables hold: a few digits before and behind the point */
        double plain = (double)(int64_t)(r >> 34) / pow(10, (double)(r % 9));
        check_double(plain);
        check_double(-plain);
        check_float((float)plain);
        check_double(ldexp(1.0, (int)(r % 2000) - 1000)); /* powers of two have uneven neighbours */
    }
}

/* Random decimal texts, with digits around what the fast paths take. */
static void test_parse_random(void **state) {
    (void)state;
    uint64_t seed = 1442695040888963407U;
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        char text[64];
        uint64_t r = next_random(&seed), mantissa = next_random(&seed) >> (r % 61);
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64 "e%d", mantissa, (r >> 32) % 100000, (int)(r % 91) - 45);
        double got, want = strtod(text, NULL);
        float single, want_single = strtof(text, NULL);
        assert_true(value_parse_double(slice_of(text), &got));
        if (bits_of(got) != bits_of(want))
            fail_msg("%s as double is %a, want %a", text, got, want);
        if (value_parse_float(slice_of(text), &single) ? bits_of_float(single) != bits_of_float(want_single)
                                                       : isfinite(want_single))
            fail_msg("%s as float is %a, want %a", text, (double)single, (double)want_single);
    }
}

/* A locale with another point changes nothing. */
static void test_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "C.UTF-8"};
    for (size_t i = 0; i < COUNT(names) && setlocale(LC_ALL, names[i]) == NULL; i++)
        continue;
    char text[VALUE_FLOAT_BYTES];
    double value;
    value_format_double(1.2345678901234567e-30, text);
    assert_string_equal(text, "1.2345678901234567e-30");
    assert_true(value_parse_double(slice_of("1.2345678901234567e-30"), &value));
    assert_true(value == 1.2345678901234567e-30);
    setlocale(LC_ALL, "C");
}

/* --- dates and times. */

static void test_date(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int32_t want;
    } cases[] = {
        {"1970-01-01", true, 0},
        {"1969-12-31", true, -1},
        {"2026-11-01", true, 20758},
        {"2000-02-29", true, 11016},
        {"1900-02-29", false, 0},
        {"2024-02-29", true, 19782},
        {"2023-02-29", false, 0},
        {"2026-04-31", false, 0},
        {"2026-12-31", true, 20818},
        {"0001-01-01", true, -719162},
        {"9999-12-31", true, 2932896},
        {"0000-01-01", false, 0},
        {"0000-00-00", false, 0},
        {"2026-00-01", false, 0},
        {"2026-13-01", false, 0},
        {"2026-01-00", false, 0},
        {"2026-01-32", false, 0},
        {"+2026-11-01", true, 20758},
        {"+12026-11-01", true, 20758 + 3652425},
        {"-0001-01-01", true, -719893},
        {"+999999-12-31", true, 364522971},
        {"+1000000-01-01", false, 0},
        {"12026-11-01", false, 0},
        {"226-11-01", false, 0},
        {"2026-1-1", false, 0},
        {"2026-11-1", false, 0},
        {"2026/11/01", false, 0},
        {"2026-11-01 ", false, 0},
        {" 2026-11-01", false, 0},
        {"2026-11-0a", false, 0},
        {"2026-11", false, 0},
        {"20261101", false, 0},
        {"", false, 0},
        {"-", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        int32_t got = -77;
        bool ok = value_parse_date(text, &got);
        if (ok != cases[i].ok || (ok && got != cases[i].want))
            fail_msg("\"%s\": %d, %d", cases[i].text, ok, got);
        release(text);
    }
}

static void test_time(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } cases[] = {
        {"00:00:00", 0},
        {"10:15:00", 36900000000},
        {"10:15:00.123456", 36900123456},
        {"10:15:00.1", 36900100000},
        {"10:15:00.000001", 36900000001},
        {"10:15:00.1234560", 36900123456},
        {"10:15:00.123456000000000000000", 36900123456},
        {"10:15:00.1234567", -1},
        {"10:15:00.0000001", -1},
        {"23:59:59.999999", 86399999999},
        {"24:00:00", 86400000000},
        {"24:00:00.000000", 86400000000},
        {"24:00:00.000001", -1},
        {"24:00:01", -1},
        {"25:00:00", -1},
        {"10:60:00", -1},
        {"10:15:60", -1},
        {"10:15", -1},
        {"10:15:0", -1},
        {"10:15:00.", -1},
        {"10:15:00 ", -1},
        {"10-15-00", -1},
        {"-10:15:00", -1},
        {"1a:15:00", -1},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        int64_t got;
        if (!value_parse_time(text, &got))
            got = -1;
        if (got != cases[i].want)
            fail_msg("\"%s\": %" PRId64, cases[i].text, got);
        release(text);
    }
}

#define NOV_1 INT64_C(1793491200000000) /* 2026-11-01 00:00:00 */

static void test_timestamp(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok, ok_with_zone;
        int64_t want;
    } cases[] = {
        {"1970-01-01 00:00:00", true, true, 0},
        {"1969-12-31 23:59:59.999999", true, true, -1},
        {"2026-11-01", true, true, NOV_1},
        {"2026-11-01 00:00:00", true, true, NOV_1},
        {"2026-11-01T10:15:00", true, true, NOV_1 + 36900000000},
        {"2026-11-01 10:15:00.000000", true, true, NOV_1 + 36900000000},
        {"2026-11-01 10:15:00.5", true, true, NOV_1 + 36900500000},
        {"2026-11-01 10:15:00.123456000", true, true, NOV_1 + 36900123456},
        {"2026-11-01 10:15:00.1234567", false, false, 0},
        {"2026-11-01 10:15:00Z", false, true, NOV_1 + 36900000000},
        {"2026-11-01T10:15:00.25Z", false, true, NOV_1 + 36900250000},
        {"2026-11-01 10:15:00+00", false, true, NOV_1 + 36900000000},
        {"2026-11-01 10:15:00+02", false, true, NOV_1 + 29700000000},
        {"2026-11-01 10:15:00+05:30", false, true, NOV_1 + 17100000000},
        {"2026-11-01 10:15:00-05:30", false, true, NOV_1 + 56700000000},
        {"2026-11-01 00:00:00.000001+14:00", false, true, NOV_1 - 50400000000 + 1},
        {"2026-11-01 10:15:00+16", false, false, 0},
        {"2026-11-01 10:15:00+05:60", false, false, 0},
        {"2026-11-01 10:15:00+5", false, false, 0},
        {"2026-11-01 10:15:00+05:3", false, false, 0},
        {"2026-11-01 10:15:00+05:30x", false, false, 0},
        {"2026-11-01 10:15:00ZZ", false, false, 0},
        {"2026-11-01Z", false, false, 0},
        {"2026-11-01 24:00:00", false, false, 0},
        {"2026-11-01 ", false, false, 0},
        {"2026-11-01T", false, false, 0},
        {"2026-11-01 10:15", false, false, 0},
        {"2026-11-01x10:15:00", false, false, 0},
        {"2026-02-30 10:15:00", false, false, 0},
        {"0000-00-00 00:00:00", false, false, 0},
        {"0001-01-01 00:00:00", true, true, -INT64_C(62135596800000000)},
        {"9999-12-31 23:59:59.999999", true, true, INT64_C(253402300799999999)},
        {"+294247-01-10 04:00:54.775807", true, true, INT64_MAX},
        {"+294247-01-10 04:00:54.775808", false, false, 0},
        {"+300000-01-01 00:00:00", false, false, 0},
        {"-300000-01-01 00:00:00", false, false, 0},
        {"", false, false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        for (int zone = 0; zone < 2; zone++) {
            int64_t got = -77;
            bool ok = value_parse_timestamp(text, zone == 1, &got);
            if (ok != (zone == 1 ? cases[i].ok_with_zone : cases[i].ok) || (ok && got != cases[i].want))
                fail_msg("\"%s\", zone %d: %d, %" PRId64, cases[i].text, zone, ok, got);
        }
        release(text);
    }
}

/* What the formats write is read back. */
static void test_timestamps_of_clock(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 1000; i++) {
        int64_t want = (int64_t)(next_random(&seed) % 315537897600000000U) - INT64_C(62135596800000000), got;
        char text[CLOCK_TEXT_BYTES];
        clock_format_sql(want, i % 2 == 0, text);
        assert_true(value_parse_timestamp(slice_of(text), false, &got));
        assert_true(got == want);
    }
}

/* --- bytes and characters. */

static void test_hex(void **state) {
    (void)state;
    uint8_t bytes[8];
    struct slice text = exact("00fFaB19");
    assert_true(value_parse_hex(text, bytes));
    assert_memory_equal(bytes, "\x00\xFF\xAB\x19", 4);
    release(text);
    assert_true(value_parse_hex(slice_of(""), bytes));
    static const char *const refused[] = {"0", "0g", "g0", "0x", "00 ", " 00", "0\n", "/0", ":0", "@0", "`0", "0\xC3"};
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_false(value_parse_hex(slice_of(refused[i]), bytes));
}

static void test_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"", true},
        {"plain ASCII text that is longer than a word", true},
        {"Gr\xC3\xB6\xC3\x9F"
         "e \xE2\x80\x93 \xE5\xA4\xA7\xE5\xB0\x8F \xF0\x9F\x99\x82",
         true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"\x80", false}, /* a continuation without a lead */
        {"\xBF", false},
        {"\xC0\x80", false}, /* overlong forms */
        {"\xC1\xBF", false},
        {"\xE0\x9F\xBF", false},
        {"\xF0\x8F\xBF\xBF", false},
        {"\xED\xA0\x80", false}, /* surrogates */
        {"\xED\xBF\xBF", false},
        {"\xF4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\xFE", false},
        {"\xFF", false},
        {"\xC3", false}, /* cut off */
        {"\xE2\x80", false},
        {"\xF0\x9F\x99", false},
        {"\xC3(", false}, /* broken off */
        {"\xE2\x28\x93", false},
        {"\xE2\x80(", false},
        {"\xF0\x9F\x28\x82", false},
        {"\xF0\x9F\x99(", false},
        {"caf\xE9", false}, /* Latin-1 */
        {"eight bytes and then \xFF", false},
        {"12345678\xC3\xA4", true},
        {"1234567\xC3\xA4", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = exact(cases[i].text);
        if (value_is_utf8(text) != cases[i].want)
            fail_msg("case %zu: want %d", i, cases[i].want);
        release(text);
    }
    assert_true(value_is_utf8((struct slice){"a\0b", 3}));
}

/* Every code point, encoded, is taken; with its last byte missing or changed, it is not. */
static void test_utf8_all_code_points(void **state) {
    (void)state;
    for (uint32_t c = 0x80; c <= 0x10FFFF; c += c < 0x3000 || (c > 0xD700 && c < 0xE100) ? 1 : 37) {
        char text[4];
        size_t len = 0;
        if (c >= 0x10000) {
            text[len++] = (char)(0xF0 | c >> 18);
            text[len++] = (char)(0x80 | (c >> 12 & 0x3F));
        } else if (c >= 0x800) {
            text[len++] = (char)(0xE0 | c >> 12);
        }
        text[len] = (char)(len > 0 ? 0x80 | (c >> 6 & 0x3F) : 0xC0 | c >> 6);
        len++;
        text[len++] = (char)(0x80 | (c & 0x3F));
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        assert_int_equal(value_is_utf8((struct slice){text, len}), !surrogate);
        assert_false(value_is_utf8((struct slice){text, len - 1}));
        text[len - 1] = 'x';
        assert_false(value_is_utf8((struct slice){text, len}));
    }
}

/* --- any type, and inference. */

static void test_fits(void **state) {
    (void)state;
    static const struct {
        const char *type, *text;
        bool want;
    } cases[] = {
        {"boolean", "true", true},
        {"boolean", "yes", false},
        {"tinyint", "-128", true},
        {"tinyint", "127", true},
        {"tinyint", "128", false},
        {"smallint", "-32768", true},
        {"smallint", "32768", false},
        {"int", "2147483647", true},
        {"int", "2147483648", false},
        {"int", "1.0", false},
        {"bigint", "9223372036854775807", true},
        {"bigint", "9223372036854775808", false},
        {"tinyint unsigned", "255", true},
        {"tinyint unsigned", "256", false},
        {"tinyint unsigned", "-1", false},
        {"smallint unsigned", "65535", true},
        {"smallint unsigned", "65536", false},
        {"int unsigned", "4294967295", true},
        {"int unsigned", "4294967296", false},
        {"bigint unsigned", "0", true},
        {"bigint unsigned", "-1", false},
        {"bigint unsigned", "18446744073709551615", true},
        {"bigint unsigned", "18446744073709551616", false},
        {"bigint unsigned", "1e3", false},
        {"bigint unsigned", "10000000000000000000.0", false},
        {"float", "1e38", true},
        {"float", "1e39", false},
        {"double", "1e39", true},
        {"double", "x", false},
        {"decimal(5,2)", "999.99", true},
        {"decimal(5,2)", "1000", false},
        {"date", "2026-11-01", true},
        {"date", "2026-11-01 00:00:00", false},
        {"time", "10:15:00.123456", true},
        {"time(3)", "10:15:00.123", true},
        {"time(3)", "10:15:00.1234", false},
        {"timestamp(0)", "2026-11-01 10:15:00", true},
        {"timestamp(0)", "2026-11-01 10:15:00.000", true},
        {"timestamp(0)", "2026-11-01 10:15:00.1", false},
        {"timestamp", "2026-11-01 10:15:00+02", false},
        {"timestamptz", "2026-11-01 10:15:00+02", true},
        {"string", "gr\xC3\xB6\xC3\x9F", true},
        {"string", "gr\xF6\xDF", false},
        {"string", "", true},
        {"json", "{}", true},
        {"binary", "00ff", true},
        {"binary", "00f", false},
        {"binary", "0g", false},
        {"binary", "", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type type;
        struct slice text = exact(cases[i].text);
        assert_true(type_parse(cases[i].type, &type));
        if (value_fits(text, type) != cases[i].want)
            fail_msg("%s as %s: want %d", cases[i].text, cases[i].type, cases[i].want);
        release(text);
    }
}

static void test_infer(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"0", "bigint"},
        {"1", "bigint"},
        {"-42", "bigint"},
        {"9223372036854775807", "bigint"},
        {"9223372036854775808", "decimal(19,0)"},
        {"-9223372036854775808", "bigint"},
        {"12345678901234567890123456789012345678", "decimal(38,0)"},
        {"123456789012345678901234567890123456789", "string"},
        {"20261101", "bigint"},
        {"007", "string"},
        {"00", "string"},
        {"-01", "string"},
        {"+1", "string"},
        {" 1", "string"},
        {"1 ", "string"},
        {"1,000", "string"},
        {"1e5x", "string"},
        {"0x1F", "string"},
        {"-", "string"},
        {"+", "string"},
        {".", "string"},
        {".5", "string"},
        {"5.", "string"},
        {"1.50", "decimal(3,2)"},
        {"0.00", "decimal(2,2)"},
        {"-0.5", "decimal(1,1)"},
        {"24000.00", "decimal(7,2)"},
        {"00.5", "string"},
        {"1.2.3", "string"},
        {"0.12345678901234567890123456789012345678", "decimal(38,38)"},
        {"1.12345678901234567890123456789012345678", "string"},
        {"+5.0656000000000000e+05", "double"},
        {"-1.1118453000000000e-01", "double"},
        {"1e100", "double"},
        {"1E-7", "double"},
        {"1e400", "string"},
        {"1e", "string"},
        {"01e5", "string"},
        {"1.234567890123456789e5", "string"},
        {"-0", "double"},
        {"-0.0", "double"},
        {"nan", "string"},
        {"inf", "string"},
        {"2026-11-01", "date"},
        {"2026-02-30", "string"},
        {"0000-00-00", "string"},
        {"2026-11-01 10:15:00", "timestamp(0)"},
        {"2026-11-01 10:15:00.123", "timestamp(3)"},
        {"2026-11-01 10:15:00.000000", "timestamp(6)"},
        {"2026-11-01 10:15:00.0000000", "string"},
        {"2026-11-01 10:15:00.", "string"},
        {"2026-11-01T10:15:00", "string"},
        {"2026-11-01 10:15:00Z", "string"},
        {"2026-11-01 25:15:00", "string"},
        {"10:15:00", "string"},
        {"true", "boolean"},
        {"false", "boolean"},
        {"TRUE", "string"},
        {"t", "string"},
        {"", "string"},
        {"text", "string"},
        {"12 Main Street", "string"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[TYPE_TEXT_BYTES];
        struct slice text = exact(cases[i].text);
        struct type type = value_infer(text);
        type_format(type, got);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("\"%s\" is %s, want %s", cases[i].text, got, cases[i].want);
        assert_true(value_fits(text, type));
        release(text);
    }
}

static void test_infer_merge(void **state) {
    (void)state;
    static const struct {
        const char *a, *b, *want;
    } cases[] = {
        {"bigint", "bigint", "bigint"},
        {"bigint", "decimal(3,2)", "decimal(21,2)"},
        {"bigint", "decimal(25,0)", "decimal(25,0)"},
        {"bigint", "decimal(20,20)", "string"},
        {"decimal(3,2)", "decimal(5,1)", "decimal(6,2)"},
        {"decimal(38,0)", "decimal(2,2)", "string"},
        {"bigint", "double", "double"},
        {"decimal(3,2)", "double", "double"},
        {"date", "timestamp(0)", "timestamp(0)"},
        {"date", "timestamp(6)", "timestamp(6)"},
        {"timestamp(3)", "timestamp(6)", "timestamp(6)"},
        {"date", "bigint", "string"},
        {"boolean", "bigint", "string"},
        {"boolean", "string", "string"},
        {"bigint", "string", "string"},
        {"timestamp(0)", "string", "string"},
        {"string", "string", "string"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct type a, b;
        char got[TYPE_TEXT_BYTES], again[TYPE_TEXT_BYTES];
        assert_true(type_parse(cases[i].a, &a));
        assert_true(type_parse(cases[i].b, &b));
        type_format(value_infer_merge(a, b), got);
        type_format(value_infer_merge(b, a), again);
        if (strcmp(got, cases[i].want) != 0 || strcmp(again, got) != 0)
            fail_msg("%s and %s: %s and %s, want %s", cases[i].a, cases[i].b, got, again, cases[i].want);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_int64),
        cmocka_unit_test(test_format_integers),
        cmocka_unit_test(test_decimal),
        cmocka_unit_test(test_parse_floating),
        cmocka_unit_test(test_parse_floating_words),
        cmocka_unit_test(test_parse_a_long_number),
        cmocka_unit_test(test_format_double),
        cmocka_unit_test(test_format_float),
        cmocka_unit_test(test_round_trip_random),
        cmocka_unit_test(test_parse_random),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_timestamp),
        cmocka_unit_test(test_timestamps_of_clock),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_all_code_points),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_infer),
        cmocka_unit_test(test_infer_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
