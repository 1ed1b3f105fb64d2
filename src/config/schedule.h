/* When something runs: the texts of `schedule:` and the times they stand for. All times are UTC.
 *
 *   every 30s | every 1m | every 2h     at each multiple of the interval since 1970
 *   rate(5 minutes)                     the same, as Amazon EventBridge writes it
 *   continuous                          as soon as there is something to do
 *   cron(min hour dom month dow year)   as Amazon EventBridge writes it: dow 1-7 = SUN-SAT, year 1970-2199; exactly one of
 *                                       dom and dow is ?; L, nW, LW in dom, L, nL, n#k in dow; names; lists, ranges, steps
 *   min hour dom month dow              as cron writes it: dow 0-7 = SUN-SUN; a day matches either of dom and dow when
 *                                       neither begins with * */
#ifndef SLUICE_CONFIG_SCHEDULE_H
#define SLUICE_CONFIG_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum schedule_kind { SCHEDULE_CONTINUOUS, SCHEDULE_INTERVAL, SCHEDULE_CRON };

enum { SCHEDULE_YEAR_FIRST = 1970, SCHEDULE_YEAR_LAST = 2199 };

/* Sets are bit masks; bit 0 of weekdays is Sunday. */
struct schedule_cron {
    uint64_t minutes;
    uint32_t hours;
    uint32_t days;         /* bits 1..31 */
    uint32_t days_nearest; /* nW: the weekday (MON-FRI) of the month that is nearest to day n */
    uint32_t months;       /* bits 1..12 */
    uint32_t weekdays;
    uint32_t weekdays_nth[5]; /* n#k: the k-th one of the month, at [k - 1] */
    uint32_t weekdays_last;   /* nL: the last one of the month */
    bool last_day;            /* L */
    bool last_weekday;        /* LW: the last MON-FRI of the month */
    bool either;              /* a day matches when its date or its weekday does; else both must */
    uint64_t years[(SCHEDULE_YEAR_LAST - SCHEDULE_YEAR_FIRST) / 64 + 1];
};

struct schedule {
    enum schedule_kind kind;
    int64_t interval_us;
    struct schedule_cron cron;
};

/* Kind CONFIG: the message quotes the text and says what is wrong with it; a day that no year has, such as February 30, is
 * wrong too. */
bool schedule_parse(const char *text, struct schedule *out, struct error *err);

/* The first time after after_us (microseconds since 1970, UTC); of a continuous schedule after_us itself. False when
 * there is none any more. */
bool schedule_next(const struct schedule *schedule, int64_t after_us, int64_t *next_us);

#endif
