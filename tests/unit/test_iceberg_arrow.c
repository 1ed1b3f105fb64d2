/* Arrow schemas as pyarrow writes them, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lake/iceberg/iceberg_arrow.h"
#include "model/value.h"

/* Of Op, a text, and v. */
static const struct {
    const char *name, *hex, *why;
} schemas[] = {
    {"zone",
     "ffffffff000100001000000000000a000c000600050008000a000000000104000c0000000800080000000400080000000400"
     "000002000000a4000000180000000000120018000800060007000c00000010001400120000000000010a140000004c000000"
     "0800000010000000000000000100000076000000010000000c00000008000c00040008000800000010000000040000000100"
     "000062000000010000006100000008000c00060008000800000000000200040000000d0000004575726f70652f4265726c69"
     "6e000000100014000800060007000c0000001000100000000000010510000000180000000400000000000000020000004f70"
     "0000040004000400000000000000",
     "its Arrow type has a time zone that is not UTC, which some readers refuse"},
    {"utc",
     "fffffffff00000001000000000000a000c000600050008000a000000000104000c0000000800080000000400080000000400"
     "00000200000098000000180000000000120018000800060007000c00000010001400120000000000010a140000004c000000"
     "0800000010000000000000000100000076000000010000000c00000008000c00040008000800000010000000040000000100"
     "000062000000010000006100000008000c000600080008000000000002000400000003000000555443001000140008000600"
     "07000c0000001000100000000000010510000000180000000400000000000000020000004f7000000400040004000000",
     NULL},
    {"duration",
     "ffffffffe00000001000000000000a000c000600050008000a000000000104000c0000000800080000000400080000000400"
     "00000200000088000000180000000000120018000800060007000c0000001000140012000000000001121400000048000000"
     "0800000010000000000000000100000076000000010000000c00000008000c00040008000800000010000000040000000100"
     "0000620000000100000061000600080006000600000000000200100014000800060007000c00000010001000000000000105"
     "10000000180000000400000000000000020000004f7000000400040004000000",
     "its Arrow type is a duration, which some readers refuse"},
    {"json",
     "ffffffff500100001000000000000a000c000600050008000a000000000104000c0000000800080000000400080000000400"
     "000002000000f4000000180000000000120018000800060007000c00000010001400120000000000010514000000b8000000"
     "08000000100000000000000001000000760000000300000080000000400000000400000094ffffff18000000040000000a00"
     "00006172726f772e6a736f6e0000140000004152524f573a657874656e73696f6e3a6e616d6500000000ccffffff10000000"
     "040000000000000000000000180000004152524f573a657874656e73696f6e3a6d657461646174610000000008000c000400"
     "080008000000100000000400000001000000620000000100000061000000ccffffff100014000800060007000c0000001000"
     "100000000000010510000000180000000400000000000000020000004f700000040004000400000000000000",
     "its Arrow type is an extension, which some readers refuse"},
};
enum { SCHEMAS = sizeof schemas / sizeof schemas[0] };

/* The first `len` bytes of a schema, in memory of exactly that size. */
static char *message_of(const char *hex, size_t len) {
    size_t all = strlen(hex) / 2;
    char *whole = mem_alloc(all), *part = mem_alloc(len > 0 ? len : 1);
    assert_true(value_parse_hex(slice_of(hex), (uint8_t *)whole));
    memcpy(part, whole, len);
    mem_free(whole);
    return part;
}

static void test_schemas(void **state) {
    (void)state;
    for (size_t i = 0; i < SCHEMAS; i++) {
        size_t len = strlen(schemas[i].hex) / 2;
        char *message = message_of(schemas[i].hex, len);
        struct slice column;
        const char *why = iceberg_arrow_misfit((struct slice){message, len}, &column);
        if (schemas[i].why == NULL) {
            assert_null(why);
            assert_null(column.data);
        } else {
            assert_string_equal(why, schemas[i].why);
            assert_true(slice_equal_text(column, "v"));
        }
        mem_free(message);
    }
}

static void test_a_schema_that_ends_early(void **state) {
    (void)state;
    for (size_t i = 0; i < SCHEMAS; i++)
        for (size_t len = 0; len < strlen(schemas[i].hex) / 2; len++) {
            char *message = message_of(schemas[i].hex, len);
            struct slice column;
            assert_string_equal(iceberg_arrow_misfit((struct slice){message, len}, &column),
                                "its Arrow schema is damaged");
            mem_free(message);
        }
}

/* Whatever comes out, nothing outside of the message is read. */
static void test_wrong_bytes(void **state) {
    static const uint8_t values[] = {0, 1, 0x7F, 0x80, 0xFF};
    (void)state;
    for (size_t i = 0; i < SCHEMAS; i++) {
        size_t len = strlen(schemas[i].hex) / 2;
        char *message = message_of(schemas[i].hex, len);
        for (size_t at = 0; at < len; at++) {
            char right = message[at];
            for (size_t v = 0; v < sizeof values; v++) {
                struct slice column;
                message[at] = (char)values[v];
                const char *why = iceberg_arrow_misfit((struct slice){message, len}, &column);
                assert_true(why != NULL || column.data == NULL);
                assert_true(column.data == NULL ||
                            (column.data >= message && column.data + column.len <= message + len));
            }
            message[at] = right;
        }
        mem_free(message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_a_schema_that_ends_early),
        cmocka_unit_test(test_wrong_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
