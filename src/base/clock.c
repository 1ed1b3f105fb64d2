#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Howard Hinnant's days_from_civil: eras of 400 years, months counted from March. */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month + (month > 2 ? -3U : 9U)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (unsigned)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

struct civil {
    int64_t year;
    unsigned month, day, hour, minute, second, micro;
};

static struct civil civil_of(int64_t time_us) {
    int64_t seconds = time_us / 1000000, micro = time_us % 1000000;
    if (micro < 0) {
        micro += 1000000;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    struct civil c = {.hour = (unsigned)(rest / 3600),
                      .minute = (unsigned)(rest / 60 % 60),
                      .second = (unsigned)(rest % 60),
                      .micro = (unsigned)micro};
    clock_civil_from_days(days, &c.year, &c.month, &c.day);
    return c;
}

void clock_format_iso(int64_t time_us, char out[CLOCK_TEXT_BYTES]) {
    struct civil c = civil_of(time_us);
    snprintf(out, CLOCK_TEXT_BYTES, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", (int)c.year, c.month, c.day, c.hour,
             c.minute, c.second, c.micro / 1000);
}

void clock_format_sql(int64_t time_us, bool always_fraction, char out[CLOCK_TEXT_BYTES]) {
    struct civil c = civil_of(time_us);
    int len = snprintf(out, CLOCK_TEXT_BYTES, "%04d-%02u-%02u %02u:%02u:%02u", (int)c.year, c.month, c.day, c.hour,
                       c.minute, c.second);
    if (always_fraction || c.micro != 0)
        snprintf(out + len, (size_t)(CLOCK_TEXT_BYTES - len), ".%06u", c.micro);
}

bool clock_parse_sql(const char *text, int64_t *time_us) {
    int year, used = 0;
    unsigned month, day, hour = 0, minute = 0, second = 0;
    if (sscanf(text, "%4d-%2u-%2u%n", &year, &month, &day, &used) != 3 || month < 1 || month > 12 || day < 1 ||
        day > 31)
        return false;
    const char *p = text + used;
    int64_t micro = 0;
    if (*p == ' ' || *p == 'T') {
        used = 0;
        if (sscanf(p + 1, "%2u:%2u:%2u%n", &hour, &minute, &second, &used) != 3 || hour > 23 || minute > 59 ||
            second > 59)
            return false;
        p += 1 + used;
        if (*p == '.') {
            int64_t unit = 100000;
            for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
                micro += (*p - '0') * unit;
        }
    }
    if (*p != '\0' && strcmp(p, "Z") != 0 && strcmp(p, "+00:00") != 0)
        return false;
    int64_t days = clock_days_from_civil(year, month, day), again_year;
    unsigned again_month, again_day;
    clock_civil_from_days(days, &again_year, &again_month, &again_day);
    if (again_day != day) /* such as February 30 */
        return false;
    *time_us = ((days * 24 + hour) * 60 + minute) * 60000000 + (int64_t)second * 1000000 + micro;
    return true;
}
