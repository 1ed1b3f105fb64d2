/* The readers of values on any text: numbers against the C library, and what inference says against what fits.
 *
 * By hand: clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc tests/fuzz/fuzz_value.c
 * src/model/value*.c … or `make fuzz`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/value.h"

enum { TEXT_MAX_BYTES = 4096 };

static void require(bool condition, const char *what, struct slice text) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_value: %s: \"%.*s\"\n", what, (int)text.len, text.data);
    abort();
}

/* What is taken as a number is the C library's number, and is written so that it reads back. */
static void check_double(struct slice text, const char *terminated) {
    double value, back;
    char *end, out[VALUE_FLOAT_BYTES];
    if (!value_parse_double(text, &value))
        return;
    double want = strtod(terminated, &end);
    require(end == terminated + text.len, "the C library does not read it", text);
    require(isnan(want) ? isnan(value) : memcmp(&value, &want, sizeof value) == 0, "another double", text);
    size_t len = value_format_double(value, out);
    require(value_parse_double((struct slice){out, len}, &back), "its text is not read", text);
    require(isnan(value) ? isnan(back) : memcmp(&value, &back, sizeof value) == 0, "its text is another double", text);
}

static void check_float(struct slice text, const char *terminated) {
    float value, back;
    char out[VALUE_FLOAT_BYTES];
    if (!value_parse_float(text, &value))
        return;
    float want = strtof(terminated, NULL);
    require(isnan(want) ? isnan(value) : memcmp(&value, &want, sizeof value) == 0, "another float", text);
    size_t len = value_format_float(value, out);
    require(value_parse_float((struct slice){out, len}, &back), "its text is not read as float", text);
    require(isnan(value) ? isnan(back) : memcmp(&value, &back, sizeof value) == 0, "its text is another float", text);
}

/* An integer is a decimal without fraction, and the other way round. */
static void check_integer(struct slice text) {
    int64_t integer;
    value_decimal decimal;
    if (value_parse_int64(text, &integer))
        require(value_parse_decimal(text, 19, 0, &decimal) && decimal == integer, "another decimal", text);
}

static void check_inference(struct slice text) {
    struct type type = value_infer(text);
    bool utf8 = value_is_utf8(text);
    require(type.kind == TYPE_STRING ? value_fits(text, type) == utf8 : value_fits(text, type), "does not fit", text);
    for (int kind = TYPE_BOOLEAN; kind <= TYPE_BINARY; kind++) {
        struct type any = {.kind = (enum type_kind)kind};
        if (any.kind == TYPE_DECIMAL)
            any = (struct type){TYPE_DECIMAL, 20, 5};
        value_fits(text, any);
        require(type_equal(value_infer_merge(type, value_infer(text)), type), "differs from itself", text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char terminated[TEXT_MAX_BYTES + 1];
    uint8_t bytes[TEXT_MAX_BYTES];
    if (size > TEXT_MAX_BYTES)
        return 0;
    memcpy(terminated, data, size);
    terminated[size] = '\0';
    struct slice text = {(const char *)data, size};
    check_double(text, terminated);
    check_float(text, terminated);
    check_integer(text);
    check_inference(text);
    value_parse_hex(text, bytes);
    return 0;
}
