#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"

bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_equal_text(struct slice a, const char *text) { return slice_equal(a, slice_of(text)); }

bool slice_equal_text_nocase(struct slice a, const char *text) {
    return a.len == strlen(text) && strncasecmp(a.data, text, a.len) == 0;
}

void buf_init(struct buf *buf, size_t max_bytes) { *buf = (struct buf){.max_bytes = max_bytes}; }

void buf_deinit(struct buf *buf) {
    mem_free(buf->data);
    *buf = (struct buf){0};
}

char *buf_reserve(struct buf *buf, size_t more) {
    size_t need = buf->len + more + 1;
    if (need > buf->capacity) {
        assert(buf_fits(buf, more));
        size_t capacity = buf->capacity > 0 ? buf->capacity : 256;
        while (capacity < need)
            capacity *= 2;
        buf->data = mem_realloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len) {
    char *to = buf_reserve(buf, len);
    if (len > 0)
        memcpy(to, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_append_text(struct buf *buf, const char *text) { buf_append(buf, text, strlen(text)); }

void buf_append_char(struct buf *buf, char c) { buf_append(buf, &c, 1); }

void buf_printf(struct buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    vsnprintf(buf_reserve(buf, (size_t)len), (size_t)len + 1, format, again);
    va_end(again);
    buf->len += (size_t)len;
}

void buf_append_hex(struct buf *buf, const void *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = data;
    char *to = buf_reserve(buf, len * 2);
    for (size_t i = 0; i < len; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 15];
    }
    *to = '\0';
    buf->len += len * 2;
}

static void append_doubling(struct buf *buf, const char *text, size_t len, char quote) {
    buf_append_char(buf, quote);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == quote)
            buf_append_char(buf, quote);
        buf_append_char(buf, text[i]);
    }
    buf_append_char(buf, quote);
}

void buf_append_sql_name(struct buf *buf, const char *name) { append_doubling(buf, name, strlen(name), '"'); }

void buf_append_sql_text(struct buf *buf, const char *text, size_t len) { append_doubling(buf, text, len, '\''); }
