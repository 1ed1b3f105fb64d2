/* A growing byte buffer with a maximum from birth, and a borrowed slice of bytes. */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid as long as their owner says. */
struct slice {
    const char *data;
    size_t len;
};

static inline struct slice slice_of(const char *text) { return (struct slice){text, strlen(text)}; }
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_text(struct slice a, const char *text);
bool slice_equal_text_nocase(struct slice a, const char *text); /* ASCII case only */

/* data[0..len) is the content; data[len] is a 0 byte once anything was appended. Going over max_bytes aborts: callers
 * that take sizes from outside check with buf_fits first. */
struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t max_bytes;
};

enum { BUF_MAX_DEFAULT = 1 << 30 };

void buf_init(struct buf *buf, size_t max_bytes);
void buf_deinit(struct buf *buf);
static inline void buf_clear(struct buf *buf) { buf->len = 0; }
static inline bool buf_fits(const struct buf *buf, size_t more) { return more <= buf->max_bytes - buf->len; }

/* Makes room for `more` bytes and a terminating 0 behind len; returns where they start. The caller adds to len. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_append_hex(struct buf *buf, const void *data, size_t len); /* lower case */

/* A quoted SQL identifier ("a""b") and a quoted SQL literal ('it''s'), as DuckDB, SQLite and PostgreSQL read them. */
void buf_append_sql_name(struct buf *buf, const char *name);
void buf_append_sql_text(struct buf *buf, const char *text, size_t len);

#endif
