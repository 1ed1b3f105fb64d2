#include "config/quantity.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Reads digits[.digits] as a number of `factor`s; exact, or false. The text ends there, or a unit follows. */
struct amount {
    int64_t whole;
    int64_t fraction; /* of fraction_unit */
    int64_t fraction_unit;
};

enum { FRACTION_DIGITS_MAX = 9 };

static bool parse_amount(const char **text, struct amount *out) {
    const char *p = *text;
    *out = (struct amount){.fraction_unit = 1};
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, *p - '0', &out->whole))
            return false;
    if (*p == '.') {
        if (!isdigit((unsigned char)*++p))
            return false;
        for (int digits = 0; isdigit((unsigned char)*p); p++, digits++) {
            if (digits == FRACTION_DIGITS_MAX)
                return false;
            out->fraction = out->fraction * 10 + (*p - '0');
            out->fraction_unit *= 10;
        }
    }
    while (*p == ' ')
        p++;
    *text = p;
    return true;
}

static bool amount_times(const struct amount *amount, int64_t factor, int64_t max, int64_t *out) {
    int64_t whole, part;
    if (__builtin_mul_overflow(amount->whole, factor, &whole) ||
        __builtin_mul_overflow(amount->fraction, factor, &part) || part % amount->fraction_unit != 0 ||
        __builtin_add_overflow(whole, part / amount->fraction_unit, &whole) || whole > max)
        return false;
    *out = whole;
    return true;
}

static bool parse_quantity(const char *text, const struct unit *units, size_t count, int64_t max, int64_t *out) {
    struct amount amount;
    if (!parse_amount(&text, &amount))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, units[i].name) == 0)
            return amount_times(&amount, units[i].factor, max, out);
    return false;
}

bool quantity_parse_duration(const char *text, int64_t *duration_us) {
    static const struct unit units[] = {
        {"", 1000000},         {"us", 1},
        {"ms", 1000},          {"s", 1000000},
        {"sec", 1000000},      {"second", 1000000},
        {"seconds", 1000000},  {"m", 60000000},
        {"min", 60000000},     {"minute", 60000000},
        {"minutes", 60000000}, {"h", 3600000000},
        {"hour", 3600000000},  {"hours", 3600000000},
        {"d", 86400000000},    {"day", 86400000000},
        {"days", 86400000000},
    };
    return parse_quantity(text, units, sizeof units / sizeof units[0], INT64_C(10000) * 366 * 86400000000, duration_us);
}

bool quantity_parse_size(const char *text, int64_t plain_unit, int64_t *size_bytes) {
    enum { KB = 10, MB = 20, GB = 30, TB = 40 };
    const struct unit units[] = {
        {"", plain_unit},          {"B", 1},
        {"K", INT64_C(1) << KB},   {"KB", INT64_C(1) << KB},
        {"KiB", INT64_C(1) << KB}, {"M", INT64_C(1) << MB},
        {"MB", INT64_C(1) << MB},  {"MiB", INT64_C(1) << MB},
        {"G", INT64_C(1) << GB},   {"GB", INT64_C(1) << GB},
        {"GiB", INT64_C(1) << GB}, {"T", INT64_C(1) << TB},
        {"TB", INT64_C(1) << TB},  {"TiB", INT64_C(1) << TB},
    };
    return parse_quantity(text, units, sizeof units / sizeof units[0], INT64_C(1) << 60, size_bytes);
}
