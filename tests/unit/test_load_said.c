/* What a pass says, and what it has said already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "task/load_said.h"

static void test_once_until_it_changes(void **state) {
    (void)state;
    struct load_said *said = load_said_new();
    assert_true(load_said_is_new(said, "a/", SAID_ERROR, "bad"));
    assert_false(load_said_is_new(said, "a/", SAID_ERROR, "bad"));
    assert_true(load_said_is_new(said, "b/", SAID_ERROR, "bad"));
    assert_true(load_said_is_new(said, "a/", SAID_KEY, "bad"));
    assert_true(load_said_is_new(said, "a/", SAID_ERROR, "worse"));
    assert_true(load_said_is_new(said, "a/", SAID_ERROR, "bad"));
    load_said_forget_error(said, "a/");
    load_said_forget_error(said, "unknown/");
    assert_true(load_said_is_new(said, "a/", SAID_ERROR, "bad"));
    assert_false(load_said_is_new(said, "a/", SAID_KEY, "bad"));
    assert_false(load_said_is_new(said, "b/", SAID_ERROR, "bad"));
    load_said_free(said);
}

static void test_without_memory_all_is_new(void **state) {
    (void)state;
    assert_true(load_said_is_new(NULL, "a/", SAID_ERROR, "bad"));
    assert_true(load_said_is_new(NULL, "a/", SAID_ERROR, "bad"));
    load_said_forget_error(NULL, "a/");
    load_said_free(NULL);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_until_it_changes),
        cmocka_unit_test(test_without_memory_all_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
