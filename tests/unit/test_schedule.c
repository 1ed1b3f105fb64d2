/* Schedules: which times a text stands for. The AWS cases are those of Amazon EventBridge's cron reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "config/schedule.h"

static int64_t time_of(const char *text) {
    int64_t us;
    if (!clock_parse_sql(text, &us))
        fail_msg("\"%s\" is no time", text);
    return us;
}

/* The first times after `after`; the list ends with NULL, or with "-" where no more may follow. 2026-11-01 is a Sunday. */
static const struct {
    const char *schedule, *after;
    const char *times[6];
} cases[] = {
    /* intervals */
    {"every 30s", "2026-11-01 10:00:00", {"2026-11-01 10:00:30", "2026-11-01 10:01:00"}},
    {"every 1m", "2026-11-01 10:00:00.000001", {"2026-11-01 10:01:00", "2026-11-01 10:02:00"}},
    {"Every 2 hours", "2026-11-01 10:59:59", {"2026-11-01 12:00:00", "2026-11-01 14:00:00"}},
    {"every 7m", "1970-01-01 00:00:00", {"1970-01-01 00:07:00"}},
    {"every 90s", "1969-12-31 23:59:00", {"1970-01-01 00:00:00"}},
    {"rate(5 minutes)", "2026-11-01 10:04:59", {"2026-11-01 10:05:00", "2026-11-01 10:10:00"}},
    {"rate(1 day)", "2026-11-01 10:04:59", {"2026-11-02"}},
    /* EventBridge */
    {"cron(0 10 * * ? *)", "2026-11-01 10:00:00", {"2026-11-02 10:00:00", "2026-11-03 10:00:00"}},
    {"cron(15 12 * * ? *)", "2026-11-01 10:00:00", {"2026-11-01 12:15:00", "2026-11-02 12:15:00"}},
    {"cron(0 18 ? * MON-FRI *)", "2026-11-05 20:00:00", {"2026-11-06 18:00:00", "2026-11-09 18:00:00"}},
    {"cron(0 8 1 * ? *)", "2026-11-01 08:00:00", {"2026-12-01 08:00:00", "2027-01-01 08:00:00"}},
    {"cron(0/15 * * * ? *)",
     "2026-11-01 10:44:59",
     {"2026-11-01 10:45:00", "2026-11-01 11:00:00", "2026-11-01 11:15:00"}},
    {"cron(0/10 * ? * MON-FRI *)", "2026-11-06 23:45:00", {"2026-11-06 23:50:00", "2026-11-09 00:00:00"}},
    {"cron(0/5 8-17 ? * MON-FRI *)", "2026-11-06 17:50:00", {"2026-11-06 17:55:00", "2026-11-09 08:00:00"}},
    {"cron(0 9 ? * 2#1 *)", "2026-11-02 09:00:00", {"2026-12-07 09:00:00", "2027-01-04 09:00:00"}},
    {"cron(0/30 22-2 ? * MON-FRI *)",
     "2026-11-02 02:00:00",
     {"2026-11-02 02:30:00", "2026-11-02 22:00:00", "2026-11-02 22:30:00", "2026-11-02 23:00:00"}},
    {"cron(1/10 * * * ? *)",
     "2026-11-01 10:00:00",
     {"2026-11-01 10:01:00", "2026-11-01 10:11:00", "2026-11-01 10:21:00"}},
    {"cron(0 0 L * ? *)", "2026-01-31 00:00:00", {"2026-02-28", "2026-03-31", "2026-04-30"}},
    {"cron(0 0 L 2 ? *)", "2026-03-01", {"2027-02-28", "2028-02-29"}},
    {"cron(0 0 3W * ? *)",
     "2026-09-30",
     {"2026-10-02", "2026-11-03", "2026-12-03", "2027-01-04"}}, /* Sat, Tue, Thu, Sun */
    {"cron(0 0 1W * ? *)",
     "2026-07-31",
     {"2026-08-03", "2026-09-01", "2026-10-01", "2026-11-02"}}, /* Sat, Tue, Thu, Sun */
    {"cron(0 0 31W * ? *)",
     "2026-05-01",
     {"2026-05-29", "2026-07-31", "2026-08-31", "2026-10-30"}}, /* no 31st: no day */
    {"cron(0 0 LW * ? *)", "2026-01-01", {"2026-01-30", "2026-02-27", "2026-03-31"}},
    {"cron(0 0 15,L * ? *)", "2026-02-01", {"2026-02-15", "2026-02-28", "2026-03-15"}},
    {"cron(0 0 ? * L *)", "2026-11-01", {"2026-11-07", "2026-11-14"}}, /* the week ends on Saturday */
    {"cron(0 0 ? * 6L *)", "2026-11-01", {"2026-11-27", "2026-12-25"}},
    {"cron(0 0 ? * FRIL *)", "2026-11-01", {"2026-11-27", "2026-12-25"}},
    {"cron(0 0 ? * 1#5 *)", "2026-11-01", {"2026-11-29", "2027-01-31"}},
    {"cron(0 0 ? * FRI-MON *)", "2026-11-03", {"2026-11-06", "2026-11-07", "2026-11-08", "2026-11-09", "2026-11-13"}},
    {"cron(0 0 ? * 2-6/2 *)", "2026-11-01", {"2026-11-02", "2026-11-04", "2026-11-06", "2026-11-09"}},
    {"cron(0 0 1 JAN,jul ? *)", "2026-11-01", {"2027-01-01", "2027-07-01"}},
    {"cron(0 0 1 NOV-FEB/2 ? *)", "2026-11-01", {"2027-01-01", "2027-11-01"}},
    {"cron(0 0 29 2 ? *)", "2026-11-01", {"2028-02-29", "2032-02-29"}},
    {"cron(0 0 29 2 ? 2096-2105)", "2026-11-01", {"2096-02-29", "2104-02-29", "-"}},
    {"cron(30 5 1 1 ? 2027)", "2026-11-01", {"2027-01-01 05:30:00", "-"}},
    {"cron(0 0 30 1 ? 2026)", "2026-11-01", {"-"}},
    {"cron(0 0 1 1 ? 2020)", "2026-11-01", {"-"}},
    {"cron(59 23 31 12 ? *)", "2199-12-31 23:58:00", {"2199-12-31 23:59:00", "-"}},
    {"cron(0 0 1 1 ? 1970)", "1960-01-01", {"1970-01-01", "-"}},
    {"  cron( 0   10 * * ?  * ) ", "2026-11-01", {"2026-11-01 10:00:00"}},
    /* five fields */
    {"0 * * * *", "2026-11-01 10:00:00", {"2026-11-01 11:00:00", "2026-11-01 12:00:00"}},
    {"*/20 9-10 * * *", "2026-11-01 09:30:00", {"2026-11-01 09:40:00", "2026-11-01 10:00:00", "2026-11-01 10:20:00"}},
    {"0 0 * * 0", "2026-11-01", {"2026-11-08"}},
    {"0 0 * * 7", "2026-11-01", {"2026-11-08"}},
    {"0 0 * * 5-7", "2026-11-01", {"2026-11-06", "2026-11-07", "2026-11-08", "2026-11-13"}},
    {"0 0 * * fri-sun", "2026-11-01", {"2026-11-06", "2026-11-07", "2026-11-08", "2026-11-13"}},
    {"0 0 * * SUN", "2026-11-01", {"2026-11-08"}},
    {"0 0 13 * 5", "2026-11-01", {"2026-11-06", "2026-11-13", "2026-11-20"}}, /* the 13th or a Friday */
    {"0 0 13 * *", "2026-11-01", {"2026-11-13", "2026-12-13"}},
    {"0 0 */2 * 1", "2026-11-01", {"2026-11-09", "2026-11-23", "2026-12-07"}}, /* an odd day and a Monday */
    {"0 0 1,15 3 *", "2026-11-01", {"2027-03-01", "2027-03-15", "2028-03-01"}},
    {"23 0-20/2 * * *", "2026-11-01 19:00:00", {"2026-11-01 20:23:00", "2026-11-02 00:23:00"}},
};

static void test_next(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule schedule;
        struct error err = {0};
        if (!schedule_parse(cases[i].schedule, &schedule, &err))
            fail_msg("%s", err.message);
        int64_t now = time_of(cases[i].after);
        for (size_t j = 0; j < 6 && cases[i].times[j] != NULL; j++) {
            int64_t next;
            char got[CLOCK_TEXT_BYTES] = "-", want[CLOCK_TEXT_BYTES] = "-";
            if (schedule_next(&schedule, now, &next)) {
                clock_format_sql(next, false, got);
                now = next;
            }
            if (cases[i].times[j][0] != '-')
                clock_format_sql(time_of(cases[i].times[j]), false, want);
            if (strcmp(got, want) != 0)
                fail_msg("%s, after %s, number %zu: %s, not %s", cases[i].schedule, cases[i].after, j + 1, got, want);
        }
    }
}

static void test_continuous(void **state) {
    (void)state;
    struct schedule schedule;
    int64_t next = 0;
    assert_true(schedule_parse("continuous", &schedule, NULL));
    assert_int_equal(schedule.kind, SCHEDULE_CONTINUOUS);
    assert_true(schedule_next(&schedule, 42, &next));
    assert_int_equal(next, 42);
}

static const struct {
    const char *schedule, *message;
} mistakes[] = {
    {"", "\"\": a schedule is \"every 1m\", \"continuous\", \"cron(0 * * * ? *)\", or the five fields of cron"},
    {"hourly",
     "\"hourly\": a schedule is \"every 1m\", \"continuous\", \"cron(0 * * * ? *)\", or the five fields of cron"},
    {"0 10 * * ? *",
     "\"0 10 * * ? *\": a schedule is \"every 1m\", \"continuous\", \"cron(0 * * * ? *)\", or the five fields of cron"},
    {"every 0s", "\"every 0s\": the interval must be from 1s to 31d, such as 30s, 5m, 2h"},
    {"every 32d", "\"every 32d\": the interval must be from 1s to 31d, such as 30s, 5m, 2h"},
    {"every",
     "\"every\": a schedule is \"every 1m\", \"continuous\", \"cron(0 * * * ? *)\", or the five fields of cron"},
    {"cron(0 10 * * *)",
     "\"cron(0 10 * * *)\": cron(…) has six fields: minute hour day-of-month month day-of-week year"},
    {"cron(0 10 * * * *)", "\"cron(0 10 * * * *)\": exactly one of day of month and day of week must be ?"},
    {"cron(0 10 ? * ? *)", "\"cron(0 10 ? * ? *)\": exactly one of day of month and day of week must be ?"},
    {"cron(60 10 * * ? *)", "\"cron(60 10 * * ? *)\": minute \"60\" is not in 0-59"},
    {"cron(0 24 * * ? *)", "\"cron(0 24 * * ? *)\": hour \"24\" is not in 0-23"},
    {"cron(0 1-x * * ? *)", "\"cron(0 1-x * * ? *)\": hour \"1-x\" does not end in 0-23"},
    {"cron(0 1/0 * * ? *)", "\"cron(0 1/0 * * ? *)\": hour \"1/0\" has a step that is no number from 1 on"},
    {"cron(0 1x * * ? *)", "\"cron(0 1x * * ? *)\": hour \"1x\" cannot be read"},
    {"cron(0 , * * ? *)", "\"cron(0 , * * ? *)\": hour \"\" is not in 0-23"},
    {"cron(0 0 32W * ? *)", "\"cron(0 0 32W * ? *)\": day of month \"32W\" is not in 1-31"},
    {"cron(0 0 ? * 0 *)", "\"cron(0 0 ? * 0 *)\": day of week \"0\" is not in 1-7"},
    {"cron(0 0 ? * 2#6 *)", "\"cron(0 0 ? * 2#6 *)\": day of week \"2#6\" does not end in #1 to #5"},
    {"cron(0 0 ? * MONDAY *)", "\"cron(0 0 ? * MONDAY *)\": day of week \"MONDAY\" cannot be read"},
    {"cron(0 0 1 * ? 2027-2026)", "\"cron(0 0 1 * ? 2027-2026)\": year \"2027-2026\" runs backwards"},
    {"cron(0 0 1 * ? 1969)", "\"cron(0 0 1 * ? 1969)\": year \"1969\" is not in 1970-2199"},
    {"cron(0 0 30 2 ? *)", "\"cron(0 0 30 2 ? *)\": never comes: no year from 1970 to 2199 has such a day"},
    {"cron(0 0 29 2 ? 2027)", "\"cron(0 0 29 2 ? 2027)\": never comes: no year from 1970 to 2199 has such a day"},
    {"0 0 31 4,6,9,11 *", "\"0 0 31 4,6,9,11 *\": never comes: no year from 1970 to 2199 has such a day"},
    {"0 0 * * 8", "\"0 0 * * 8\": day of week \"8\" is not in 0-7"},
    {"0 0 L * *", "\"0 0 L * *\": day of month \"L\" is not in 1-31"},
};

static void test_mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct schedule schedule;
        struct error err = {0};
        if (schedule_parse(mistakes[i].schedule, &schedule, &err))
            fail_msg("accepted: %s", mistakes[i].schedule);
        assert_string_equal(err.message, mistakes[i].message);
        assert_int_equal(err.kind, ERROR_CONFIG);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_continuous),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
