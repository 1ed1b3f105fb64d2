/* Events made by hand, without checksum, for the tests of the decoder. Include it in one file of a test. */
#ifndef SLUICE_TESTS_MYSQL_BENCH_H
#define SLUICE_TESTS_MYSQL_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/mysql_event.h"

struct bench {
    struct mysql_decoder decoder;
    struct mysql_event event;
    struct error err;
    struct buf bytes; /* the event being made */
};

static inline void le(struct bench *b, uint64_t v, size_t len) {
    for (size_t i = 0; i < len; i++)
        buf_append_char(&b->bytes, (char)(i < 8 ? v >> (8 * i) : 0));
}

static inline void text(struct bench *b, const char *s) { buf_append_text(&b->bytes, s); }

static inline void start_at(struct bench *b, uint8_t type, uint16_t flags, uint32_t next_position) {
    buf_clear(&b->bytes);
    le(b, 1700000000, 4);
    le(b, type, 1);
    le(b, 7, 4); /* server */
    le(b, 0, 4); /* length, in send */
    le(b, next_position, 4);
    le(b, flags, 2);
}

static inline void start(struct bench *b, uint8_t type) { start_at(b, type, 0, 1234); }

static inline bool send(struct bench *b) {
    for (size_t i = 0; i < 4; i++)
        b->bytes.data[9 + i] = (char)(b->bytes.len >> (8 * i));
    b->err = (struct error){0};
    return mysql_event_parse(&b->decoder, b->bytes.data, b->bytes.len, NULL, &b->event, &b->err);
}

static inline void expect(struct bench *b, enum mysql_event_kind kind) {
    if (!send(b))
        fail_msg("%s", b->err.message);
    assert_int_equal(b->event.kind, kind);
}

static inline void refuse(struct bench *b, enum error_kind kind, const char *says) {
    assert_false(send(b));
    assert_int_equal(b->err.kind, kind);
    if (strstr(b->err.message, says) == NULL)
        fail_msg("not \"%s\": %s", says, b->err.message);
}

static inline void start_format(struct bench *b, const char *version) {
    enum { TYPES = 171 };
    char padded[51] = "";
    uint8_t lengths[TYPES + 1] = {[2] = 13,   [15] = (uint8_t)(57 + TYPES),
                                  [18] = 26,  [19] = 8,
                                  [23] = 8,   [30] = 10,
                                  [31] = 10,  [39] = 10,
                                  [165] = 13, [166] = 8};
    start(b, 15);
    le(b, 4, 2);
    snprintf(padded, sizeof padded, "%s", version);
    buf_append(&b->bytes, padded, 50);
    le(b, 0, 4);
    le(b, 19, 1);
    buf_append(&b->bytes, lengths + 1, TYPES);
    le(b, 0, 1); /* no checksum */
    le(b, 0, 4);
}

static inline struct bench *open_bench(const char *version) {
    struct bench *b = mem_zalloc(sizeof *b);
    mysql_decoder_init(&b->decoder, false);
    buf_init(&b->bytes, BUF_MAX_DEFAULT);
    if (version != NULL) {
        start_format(b, version);
        expect(b, MYSQL_EVENT_FORMAT);
    }
    return b;
}

static inline void close_bench(struct bench *b) {
    mysql_decoder_deinit(&b->decoder);
    buf_deinit(&b->bytes);
    mem_free(b);
}

#endif
