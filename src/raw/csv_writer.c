#include <assert.h>

#include "raw/csv.h"
#include "raw/csv_scan.h"

const struct csv_dialect csv_dialect_default = {.delimiter = ',',
                                                .row_delimiter = "\n",
                                                .quoting = true,
                                                .header = true,
                                                .null_word = "NULL",
                                                .unchanged_word = "UNCHANGED"};

/* What the fields of one record have in common. */
struct csv_style {
    bool quoting;
    char delimiter;
    char row_first; /* of the row delimiter */
    struct slice row, null_word, unchanged_word;
};

static struct csv_style style_of(const struct csv_dialect *dialect) {
    struct csv_style style = {.quoting = dialect->quoting,
                              .delimiter = dialect->delimiter,
                              .row = slice_of(dialect->row_delimiter),
                              .null_word = slice_of(dialect->null_word),
                              .unchanged_word = slice_of(dialect->unchanged_word)};
    assert(style.row.len > 0);
    style.row_first = style.row.data[0];
    return style;
}

/* --- how many bytes a field can take: what is reserved once for the whole record. */

/* From here on quotes are counted instead of taking every byte for one. */
enum { TEXT_COUNT_FROM_BYTES = 4096 };

static size_t count_quotes(const char *data, size_t len) {
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += data[i] == '"';
    return count;
}

static size_t text_max_bytes(const char *data, size_t len) {
    return 2 + len + (len < TEXT_COUNT_FROM_BYTES ? len : count_quotes(data, len));
}

static size_t value_max_bytes(const struct csv_style *style, const struct value *value) {
    switch ((enum value_kind)value->kind) {
    case VALUE_NULL:
        return style->null_word.len;
    case VALUE_UNCHANGED:
        return style->unchanged_word.len;
    case VALUE_PLAIN:
        return value->len;
    case VALUE_TEXT:
        return text_max_bytes(value->data, value->len);
    case VALUE_BYTES:
        return 2 + 2 * (size_t)value->len;
    }
    assert(false);
    return 0;
}

static size_t record_max_bytes(const struct csv_style *style, char op, const struct value *values, size_t count,
                               struct slice timestamp) {
    size_t bytes = (op != 0 ? 2 : 0) + timestamp.len + 1 + style->row.len;
    for (size_t i = 0; i < count; i++)
        bytes += value_max_bytes(style, &values[i]) + 1;
    return bytes;
}

size_t csv_record_max_bytes(const struct csv_dialect *dialect, const struct value *values, size_t count,
                            const char *timestamp) {
    struct csv_style style = style_of(dialect);
    return record_max_bytes(&style, 'I', values, count, slice_of(timestamp != NULL ? timestamp : ""));
}

/* --- one field: the room is there; returns behind what was written. */

static char *put(char *to, const char *data, size_t len) {
    if (len > 0)
        memcpy(to, data, len);
    return to + len;
}

static bool is_special(const struct csv_style *style, char c) {
    return c == style->delimiter || c == '"' || c == '\n' || c == '\r' || c == style->row_first;
}

static bool has_special(const struct csv_style *style, const char *data, size_t len) {
    if (len < SCAN_WORD_BYTES) {
        bool found = false;
        for (size_t i = 0; i < len; i++)
            found = found || is_special(style, data[i]);
        return found;
    }
    uint64_t delimiter = scan_pattern(style->delimiter), row_first = scan_pattern(style->row_first), found = 0;
    for (size_t i = 0; found == 0; i += SCAN_WORD_BYTES) {
        bool last = len - i <= SCAN_WORD_BYTES; /* the last word overlaps the one before */
        uint64_t word = scan_load(last ? data + len - SCAN_WORD_BYTES : data + i);
        found = scan_match(word, delimiter) | scan_match(word, scan_pattern('"')) |
                scan_match(word, scan_pattern('\n')) | scan_match(word, scan_pattern('\r')) |
                scan_match(word, row_first);
        if (last)
            break;
    }
    return found != 0;
}

/* A text that would be taken for NULL or an unchanged value or, at the beginning of a file, for a byte-order mark. */
static bool is_mistakable(const struct csv_style *style, struct slice text) {
    return slice_equal(text, style->null_word) || slice_equal(text, style->unchanged_word) ||
           (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0);
}

static bool is_separator(const struct csv_style *style, char c) {
    return c == style->delimiter || c == '\n' || c == '\r' || c == style->row_first;
}

static bool is_unreadable(const struct csv_style *style, const struct value *value) {
    if (value->kind == VALUE_NULL || value->kind == VALUE_UNCHANGED)
        return false;
    if (value->len == 0 || value->kind == VALUE_BYTES)
        return value->len == 0;
    bool found = is_mistakable(style, (struct slice){value->data, value->len});
    for (size_t i = 0; i < value->len && !found; i++)
        found = is_separator(style, value->data[i]);
    return found;
}

size_t csv_find_unreadable(const struct csv_dialect *dialect, const struct value *values, size_t count) {
    struct csv_style style = style_of(dialect);
    size_t at = 0;
    while (at < count && !is_unreadable(&style, &values[at]))
        at++;
    return at;
}

static char *put_quoted(char *to, const char *data, size_t len) {
    const char *end = data + len;
    *to++ = '"';
    for (const char *quote; (quote = memchr(data, '"', (size_t)(end - data))) != NULL; data = quote + 1) {
        to = put(to, data, (size_t)(quote + 1 - data));
        *to++ = '"';
    }
    to = put(to, data, (size_t)(end - data));
    *to++ = '"';
    return to;
}

/* An empty field would be NULL. */
static char *put_empty(const struct csv_style *style, char *to) { return style->quoting ? put(to, "\"\"", 2) : to; }

static char *put_text(const struct csv_style *style, char *to, const char *data, size_t len) {
    if (len == 0)
        return put_empty(style, to);
    if (style->quoting && (has_special(style, data, len) || is_mistakable(style, (struct slice){data, len})))
        return put_quoted(to, data, len);
    return put(to, data, len);
}

static char *put_hex(char *to, const char *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)data[i];
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    return to;
}

static char *put_value(const struct csv_style *style, char *to, const struct value *value) {
    switch ((enum value_kind)value->kind) {
    case VALUE_NULL:
        return put(to, style->null_word.data, style->null_word.len);
    case VALUE_UNCHANGED:
        return put(to, style->unchanged_word.data, style->unchanged_word.len);
    case VALUE_PLAIN:
        return put(to, value->data, value->len);
    case VALUE_TEXT:
        return put_text(style, to, value->data, value->len);
    case VALUE_BYTES:
        return value->len > 0 ? put_hex(to, value->data, value->len) : put_empty(style, to);
    }
    return to;
}

/* --- records. */

/* `begin` is what buf_reserve gave, `to` is behind the last field's delimiter: the row delimiter takes its place. */
static void end_record(struct buf *out, const struct csv_style *style, const char *begin, char *to) {
    if (to > begin)
        to--;
    to = put(to, style->row.data, style->row.len);
    *to = '\0';
    out->len += (size_t)(to - begin);
}

void csv_write_header(struct buf *out, const struct csv_dialect *dialect, const char *const *names, size_t count) {
    struct csv_style style = style_of(dialect);
    size_t bytes = style.row.len;
    for (size_t i = 0; i < count; i++)
        bytes += text_max_bytes(names[i], strlen(names[i])) + 1;
    char *begin = buf_reserve(out, bytes), *to = begin;
    for (size_t i = 0; i < count; i++) {
        to = put_text(&style, to, names[i], strlen(names[i]));
        *to++ = style.delimiter;
    }
    end_record(out, &style, begin, to);
}

void csv_write_record(struct buf *out, const struct csv_dialect *dialect, char op, const struct value *values,
                      size_t count, const char *timestamp) {
    struct csv_style style = style_of(dialect);
    struct slice time = slice_of(timestamp != NULL ? timestamp : "");
    char *begin = buf_reserve(out, record_max_bytes(&style, op, values, count, time)), *to = begin;
    if (op != 0) {
        *to++ = op;
        *to++ = style.delimiter;
    }
    for (size_t i = 0; i < count; i++) {
        to = put_value(&style, to, &values[i]);
        *to++ = style.delimiter;
    }
    if (timestamp != NULL) {
        to = put(to, time.data, time.len);
        *to++ = style.delimiter;
    }
    end_record(out, &style, begin, to);
}
