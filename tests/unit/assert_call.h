/* For calls that return bool and take &err last: assert that they succeed, or fail with a kind. Where used, a
 * `struct error err` is in scope. */
#ifndef SLUICE_TESTS_ASSERT_CALL_H
#define SLUICE_TESTS_ASSERT_CALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if (!(call))                                                                                                   \
            fail_msg("%s: %s", #call, err.message);                                                                    \
    } while (0)

#define assert_fails(call, expected_kind)                                                                              \
    do {                                                                                                               \
        assert_false(call);                                                                                            \
        assert_string_equal(error_kind_name(err.kind), error_kind_name(expected_kind));                                \
    } while (0)

/* After assert_fails: what the message has to say. */
#define assert_says(text)                                                                                              \
    do {                                                                                                               \
        if (strstr(err.message, text) == NULL)                                                                         \
            fail_msg("\"%s\" is not in: %s", text, err.message);                                                       \
    } while (0)

#endif
