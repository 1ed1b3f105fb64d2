/* Names that columns cannot have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "task/column_names.h"

static const struct {
    const char *names[3];
    const char *timestamp;
    enum column_names_fault fault;
    const char *name; /* the one that is wrong */
} cases[] = {
    {{"id", "name"}, NULL, COLUMN_NAMES_FINE, NULL},
    {{"id", "ops", "_operation"}, "committed", COLUMN_NAMES_FINE, NULL},
    {{"id", "OP"}, NULL, COLUMN_NAMES_RESERVED, "OP"},
    {{"_seq", "id"}, NULL, COLUMN_NAMES_RESERVED, "_seq"},
    {{"id", "_sluicex"}, NULL, COLUMN_NAMES_RESERVED, "_sluicex"},
    {{"id", "_Unchanged"}, NULL, COLUMN_NAMES_RESERVED, "_Unchanged"},
    {{"id", "_op"}, "id", COLUMN_NAMES_TIMESTAMP, "id"},
    {{"id", "At"}, "aT", COLUMN_NAMES_TIMESTAMP, "At"},
    {{"id", "Name", "name"}, NULL, COLUMN_NAMES_TWICE, "Name"},
};

static void test_faults(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct column columns[3];
        size_t count = 0;
        const char *name = NULL;
        struct error err = {0};
        for (; count < 3 && cases[i].names[count] != NULL; count++)
            columns[count] = (struct column){.name = cases[i].names[count]};
        assert_int_equal(column_names_find_fault(columns, count, cases[i].timestamp, &name), cases[i].fault);
        bool fine = cases[i].fault == COLUMN_NAMES_FINE;
        assert_int_equal(column_names_check(columns, count, cases[i].timestamp, &err), fine);
        if (fine)
            continue;
        assert_string_equal(name, cases[i].name);
        assert_non_null(strstr(err.message, cases[i].name));
        assert_int_equal(err.kind, cases[i].fault == COLUMN_NAMES_TIMESTAMP ? ERROR_CONFIG : ERROR_DATA);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
