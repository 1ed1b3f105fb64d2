/* Names of columns in files without field ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lake/iceberg/iceberg.h"

/* The specification lets an entry be without an id: its names are no field's, and none's that is in no file (0). */
static void test_an_entry_without_an_id(void **state) {
    struct iceberg_table table = {.name_mapping =
                                      json_loads("[{\"names\": [\"a\"]}, {\"field-id\": null, \"names\": [\"b\"]}, "
                                                 "{\"field-id\": 1, \"names\": [\"c\"]}]",
                                                 0, NULL)};
    (void)state;
    assert_non_null(table.name_mapping);
    assert_null(iceberg_mapped_names(&table, 0));
    assert_null(iceberg_mapped_names(&table, 2));
    assert_string_equal(json_string_value(json_array_get(iceberg_mapped_names(&table, 1), 0)), "c");
    json_decref(table.name_mapping);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_entry_without_an_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
