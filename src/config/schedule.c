#include "config/schedule.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "config/quantity.h"

enum { FIELD_MAX_BYTES = 256, FIELDS_MAX = 6 };
static const int64_t interval_min_us = 1000000, interval_max_us = INT64_C(31) * 86400000000;

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/* What the numbers of a field may be. */
struct field_rule {
    const char *name;
    int min, max;
    const char *const *names; /* NULL: none */
    int name_count;
    int first_name; /* the number of names[0] */
    int cycle;      /* how many there are before they begin again, so that FRI-MON is a range; 0: they do not */
};

static const struct field_rule rule_minute = {"minute", 0, 59, NULL, 0, 0, 60};
static const struct field_rule rule_hour = {"hour", 0, 23, NULL, 0, 0, 24};
static const struct field_rule rule_day = {"day of month", 1, 31, NULL, 0, 0, 31};
static const struct field_rule rule_month = {"month", 1, 12, month_names, 12, 1, 12};
static const struct field_rule rule_weekday_aws = {"day of week", 1, 7, weekday_names, 7, 1, 7};
static const struct field_rule rule_weekday_unix = {"day of week", 0, 7, weekday_names, 7, 0, 7};
static const struct field_rule rule_year = {"year", SCHEDULE_YEAR_FIRST, SCHEDULE_YEAR_LAST, NULL, 0, 0, 0};

static bool field_error(const struct field_rule *rule, const char *item, const char *why, struct error *err) {
    return error_set(err, ERROR_CONFIG, "%s \"%s\" %s", rule->name, item, why);
}

/* --- one item of a field's list: n, a-b, *, and each with /step ------------------------------------------------- */

static bool parse_number(const struct field_rule *rule, const char **text, int *out) {
    const char *p = *text;
    for (int i = 0; i < rule->name_count; i++)
        if (strncasecmp(p, rule->names[i], 3) == 0) {
            *out = rule->first_name + i;
            *text = p + 3;
            return true;
        }
    if (!isdigit((unsigned char)*p))
        return false;
    int value = 0;
    for (; isdigit((unsigned char)*p); p++) {
        value = value * 10 + (*p - '0');
        if (value > 9999)
            return false;
    }
    *out = value;
    *text = p;
    return value >= rule->min && value <= rule->max;
}

struct range {
    int from, to, step;
};

static bool parse_range(const struct field_rule *rule, const char *item, struct range *range, struct error *err) {
    const char *p = item;
    *range = (struct range){rule->min, rule->max, 1};
    bool single = false;
    if (*p == '*') {
        p++;
    } else {
        if (!parse_number(rule, &p, &range->from))
            return error_set(err, ERROR_CONFIG, "%s \"%s\" is not in %d-%d", rule->name, item, rule->min, rule->max);
        range->to = range->from;
        single = *p != '-';
        if (*p == '-') {
            p++;
            if (!parse_number(rule, &p, &range->to))
                return error_set(err, ERROR_CONFIG, "%s \"%s\" does not end in %d-%d", rule->name, item, rule->min,
                                 rule->max);
        }
    }
    if (*p == '/') {
        struct field_rule steps = {.min = 1, .max = rule->max};
        p++;
        if (!parse_number(&steps, &p, &range->step))
            return field_error(rule, item, "has a step that is no number from 1 on", err);
        if (single)
            range->to = rule->max;
    }
    if (*p != '\0')
        return field_error(rule, item, "cannot be read", err);
    if (range->from > range->to && rule->cycle == 0)
        return field_error(rule, item, "runs backwards", err);
    return true;
}

/* Calls add for every number of the item. */
static bool expand_item(const struct field_rule *rule, const char *item, void (*add)(void *set, int value), void *set,
                        struct error *err) {
    struct range range;
    if (!parse_range(rule, item, &range, err))
        return false;
    int last = range.to >= range.from ? range.to : range.to + rule->cycle;
    for (int value = range.from; value <= last; value += range.step)
        add(set, value <= rule->max ? value : value - rule->cycle);
    return true;
}

static void add_bit64(void *set, int value) { *(uint64_t *)set |= UINT64_C(1) << value; }
static void add_bit32(void *set, int value) { *(uint32_t *)set |= UINT32_C(1) << value; }
static void add_weekday_aws(void *set, int value) { add_bit32(set, (value - 1) % 7); }
static void add_weekday_unix(void *set, int value) { add_bit32(set, value % 7); }
static void add_year(void *set, int value) {
    add_bit64((uint64_t *)set + (value - SCHEDULE_YEAR_FIRST) / 64, (value - SCHEDULE_YEAR_FIRST) % 64);
}

/* --- fields: lists of items ---------------------------------------------------------------------------------------- */

typedef bool (*item_fn)(struct schedule_cron *cron, const char *item, struct error *err);

static bool parse_list(struct schedule_cron *cron, const char *field, item_fn parse_item, struct error *err) {
    char copy[FIELD_MAX_BYTES];
    snprintf(copy, sizeof copy, "%s", field);
    char *rest = copy;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ","))
        if (!parse_item(cron, item, err))
            return false;
    return true;
}

static bool item_minute(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_minute, item, add_bit64, &cron->minutes, err);
}

static bool item_hour(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_hour, item, add_bit32, &cron->hours, err);
}

static bool item_month(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_month, item, add_bit32, &cron->months, err);
}

static bool item_year(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_year, item, add_year, cron->years, err);
}

static bool item_day_unix(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_day, item, add_bit32, &cron->days, err);
}

static bool item_weekday_unix(struct schedule_cron *cron, const char *item, struct error *err) {
    return expand_item(&rule_weekday_unix, item, add_weekday_unix, &cron->weekdays, err);
}

static bool item_day_aws(struct schedule_cron *cron, const char *item, struct error *err) {
    if (strcasecmp(item, "L") == 0)
        return cron->last_day = true;
    if (strcasecmp(item, "LW") == 0)
        return cron->last_weekday = true;
    const char *p = item;
    int day;
    if (parse_number(&rule_day, &p, &day) && (*p == 'W' || *p == 'w') && p[1] == '\0') {
        add_bit32(&cron->days_nearest, day);
        return true;
    }
    return item_day_unix(cron, item, err);
}

static bool item_weekday_aws(struct schedule_cron *cron, const char *item, struct error *err) {
    if (strcasecmp(item, "L") == 0) { /* the last day of the week */
        add_weekday_aws(&cron->weekdays, 7);
        return true;
    }
    const char *p = item;
    int weekday;
    if (!parse_number(&rule_weekday_aws, &p, &weekday) || (*p != '#' && strcasecmp(p, "L") != 0))
        return expand_item(&rule_weekday_aws, item, add_weekday_aws, &cron->weekdays, err);
    if (*p != '#') {
        add_weekday_aws(&cron->weekdays_last, weekday);
        return true;
    }
    if (p[1] < '1' || p[1] > '5' || p[2] != '\0')
        return field_error(&rule_weekday_aws, item, "does not end in #1 to #5", err);
    add_weekday_aws(&cron->weekdays_nth[p[1] - '1'], weekday);
    return true;
}

/* --- the two forms of cron ------------------------------------------------------------------------------------------ */

static bool is_question(const char *field) { return strcmp(field, "?") == 0; }

static bool parse_cron_aws(struct schedule_cron *cron, const char *const *fields, struct error *err) {
    if (is_question(fields[2]) == is_question(fields[4]))
        return error_set(err, ERROR_CONFIG, "exactly one of day of month and day of week must be ?");
    if (is_question(fields[2]))
        cron->days = UINT32_MAX;
    else if (!parse_list(cron, fields[2], item_day_aws, err))
        return false;
    if (is_question(fields[4]))
        cron->weekdays = UINT32_MAX;
    else if (!parse_list(cron, fields[4], item_weekday_aws, err))
        return false;
    return parse_list(cron, fields[0], item_minute, err) && parse_list(cron, fields[1], item_hour, err) &&
           parse_list(cron, fields[3], item_month, err) && parse_list(cron, fields[5], item_year, err);
}

static bool parse_cron_unix(struct schedule_cron *cron, const char *const *fields, struct error *err) {
    cron->either = fields[2][0] != '*' && fields[4][0] != '*';
    memset(cron->years, 0xff, sizeof cron->years);
    return parse_list(cron, fields[0], item_minute, err) && parse_list(cron, fields[1], item_hour, err) &&
           parse_list(cron, fields[2], item_day_unix, err) && parse_list(cron, fields[3], item_month, err) &&
           parse_list(cron, fields[4], item_weekday_unix, err);
}

/* Cuts the text at blanks; returns how many fields there are, FIELDS_MAX + 1 when there are more than FIELDS_MAX. */
static int split_fields(char *text, const char **fields) {
    int count = 0;
    for (char *rest = text, *field; (field = strsep(&rest, " \t")) != NULL;) {
        if (*field == '\0')
            continue;
        if (count == FIELDS_MAX)
            return FIELDS_MAX + 1;
        fields[count++] = field;
    }
    return count;
}

static bool parse_interval(const char *text, struct schedule *out, struct error *err) {
    out->kind = SCHEDULE_INTERVAL;
    if (!quantity_parse_duration(text, &out->interval_us) || out->interval_us < interval_min_us ||
        out->interval_us > interval_max_us)
        return error_set(err, ERROR_CONFIG, "the interval must be from 1s to 31d, such as 30s, 5m, 2h");
    return true;
}

/* "name(inside)": cuts the inside out of the text; NULL when it has another form. */
static char *inside_of(char *text, const char *name) {
    size_t len = strlen(text), name_len = strlen(name);
    if (len < name_len + 2 || strncasecmp(text, name, name_len) != 0)
        return NULL;
    if (text[name_len] != '(' || text[len - 1] != ')')
        return NULL;
    text[len - 1] = '\0';
    return text + name_len + 1;
}

static bool parse_cron(char *text, struct schedule *out, struct error *err) {
    const char *fields[FIELDS_MAX];
    out->kind = SCHEDULE_CRON;
    char *inside = inside_of(text, "cron");
    if (inside != NULL) {
        if (split_fields(inside, fields) != 6)
            return error_set(err, ERROR_CONFIG,
                             "cron(…) has six fields: minute hour day-of-month month day-of-week year");
        return parse_cron_aws(&out->cron, fields, err);
    }
    if (split_fields(text, fields) != 5)
        return error_set(
            err, ERROR_CONFIG,
            "a schedule is \"every 1m\", \"continuous\", \"cron(0 * * * ? *)\", or the five fields of cron");
    return parse_cron_unix(&out->cron, fields, err);
}

static bool parse_trimmed(char *text, struct schedule *out, struct error *err) {
    if (strcasecmp(text, "continuous") == 0) {
        out->kind = SCHEDULE_CONTINUOUS;
        return true;
    }
    if (strncasecmp(text, "every ", 6) == 0)
        return parse_interval(text + 6 + strspn(text + 6, " \t"), out, err);
    char *rate = inside_of(text, "rate");
    if (rate != NULL)
        return parse_interval(rate + strspn(rate, " \t"), out, err);
    return parse_cron(text, out, err);
}

static bool comes_ever(const struct schedule *schedule);

bool schedule_parse(const char *text, struct schedule *out, struct error *err) {
    *out = (struct schedule){0};
    char copy[FIELD_MAX_BYTES] = "";
    const char *begin = text + strspn(text, " \t");
    size_t len = strlen(begin);
    while (len > 0 && isspace((unsigned char)begin[len - 1]))
        len--;
    if (len >= sizeof copy)
        return error_set(err, ERROR_CONFIG, "a schedule of %zu bytes is too long", len);
    memcpy(copy, begin, len);
    copy[len] = '\0';
    bool ok = parse_trimmed(copy, out, err);
    if (ok && !comes_ever(out))
        ok = error_set(err, ERROR_CONFIG, "never comes: no year from %d to %d has such a day", SCHEDULE_YEAR_FIRST,
                       SCHEDULE_YEAR_LAST);
    return ok || error_prefix(err, "\"%.*s\"", (int)len, begin);
}

/* --- the next time -------------------------------------------------------------------------------------------------- */

/* A day of the calendar, and what of its month the rules ask for. */
struct day {
    int64_t year;
    unsigned month, day;
    unsigned month_days;
    unsigned weekday; /* 0: Sunday */
};

static unsigned days_in_month(int64_t year, unsigned month) {
    int64_t first = clock_days_from_civil(year, month, 1);
    int64_t next = month == 12 ? clock_days_from_civil(year + 1, 1, 1) : clock_days_from_civil(year, month + 1, 1);
    return (unsigned)(next - first);
}

static struct day day_of(int64_t days) {
    struct day d;
    clock_civil_from_days(days, &d.year, &d.month, &d.day);
    d.month_days = days_in_month(d.year, d.month);
    d.weekday = (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    return d;
}

/* The weekday of another date of the same month. */
static unsigned weekday_on(const struct day *d, unsigned day) { return (d->weekday + 35 + day - d->day) % 7; }

/* The date in the month of the MON-FRI nearest to `day`, which never leaves the month. */
static unsigned nearest_weekday(const struct day *d, unsigned day) {
    switch (weekday_on(d, day)) {
    case 0:
        return day < d->month_days ? day + 1 : day - 2;
    case 6:
        return day > 1 ? day - 1 : day + 2;
    default:
        return day;
    }
}

static bool date_matches(const struct schedule_cron *cron, const struct day *d) {
    if (cron->days >> d->day & 1)
        return true;
    if (cron->last_day && d->day == d->month_days)
        return true;
    if (cron->last_weekday && d->day == nearest_weekday(d, d->month_days))
        return true;
    for (unsigned day = 1; cron->days_nearest != 0 && day <= d->month_days; day++)
        if ((cron->days_nearest >> day & 1) && nearest_weekday(d, day) == d->day)
            return true;
    return false;
}

static bool weekday_matches(const struct schedule_cron *cron, const struct day *d) {
    if (cron->weekdays >> d->weekday & 1)
        return true;
    if (cron->weekdays_nth[(d->day - 1) / 7] >> d->weekday & 1)
        return true;
    return d->day + 7 > d->month_days && (cron->weekdays_last >> d->weekday & 1);
}

static bool day_matches(const struct schedule_cron *cron, const struct day *d) {
    int64_t year = d->year - SCHEDULE_YEAR_FIRST;
    if (year < 0 || !(cron->years[year / 64] >> (year % 64) & 1) || !(cron->months >> d->month & 1))
        return false;
    bool date = date_matches(cron, d), weekday = weekday_matches(cron, d);
    return cron->either ? date || weekday : date && weekday;
}

static bool next_minute(const struct schedule_cron *cron, unsigned from, unsigned *minute_of_day) {
    for (unsigned m = from; m < 1440; m++)
        if ((cron->hours >> (m / 60) & 1) && (cron->minutes >> (m % 60) & 1)) {
            *minute_of_day = m;
            return true;
        }
    return false;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static bool cron_next(const struct schedule_cron *cron, int64_t after_us, int64_t *next_us) {
    int64_t minute = floor_div(after_us, 60000000) + 1;
    int64_t days = floor_div(minute, 1440);
    unsigned from = (unsigned)(minute - days * 1440), found;
    int64_t end = clock_days_from_civil(SCHEDULE_YEAR_LAST + 1, 1, 1);
    if (days < 0) {
        days = 0;
        from = 0;
    }
    for (; days < end; days++, from = 0) {
        struct day d = day_of(days);
        if (day_matches(cron, &d) && next_minute(cron, from, &found)) {
            *next_us = (days * 1440 + found) * 60000000;
            return true;
        }
    }
    return false;
}

bool schedule_next(const struct schedule *schedule, int64_t after_us, int64_t *next_us) {
    switch (schedule->kind) {
    case SCHEDULE_CONTINUOUS:
        *next_us = after_us;
        return true;
    case SCHEDULE_INTERVAL:
        *next_us = (floor_div(after_us, schedule->interval_us) + 1) * schedule->interval_us;
        return true;
    case SCHEDULE_CRON:
        return cron_next(&schedule->cron, after_us, next_us);
    }
    assert(false && "a kind of schedule");
    return false;
}

static bool comes_ever(const struct schedule *schedule) {
    int64_t first_us;
    return schedule_next(schedule, -1, &first_us);
}
