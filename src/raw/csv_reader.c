/* The reader keeps one block of the file in memory: the record that is being read and what comes behind it.
 *
 *     data          begin              end
 *      | read before  | record … more … |\n……
 *
 * A record that is cut off by the end of the block is moved to its front, the block is filled up (and doubled when the
 * record fills it alone), and the record is read again from its beginning. Behind the end stands a line end as guard, so
 * that a search stops there without looking for the end with every step. Fields are found first; the doubled quotes in
 * them are taken out, in place, once the record is complete. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "raw/csv.h"
#include "raw/csv_input.h"
#include "raw/csv_scan.h"

enum {
    READER_BLOCK_BYTES = 256 * 1024,
    READER_BLOCK_MIN_BYTES = 3,     /* a byte-order mark */
    READER_SLACK = SCAN_WORD_BYTES, /* a word that begins with the guard */
    READER_FIELDS_MAX = 65536,      /* far more columns than any table has */
    VALUE_TEXT_ESCAPED = 255,       /* kind of a field that has doubled quotes, until they are taken out */
};

struct csv_reader {
    struct csv_input input;
    char *name;

    char delimiter;
    char row_first; /* of the row delimiter when that is not a plain line end; else '\n' */
    bool quoting;
    bool header;
    char *row; /* the row delimiter */
    size_t row_len;
    char *null_word, *unchanged_word;
    size_t null_len, unchanged_len;

    char *data;
    size_t capacity; /* without the slack */
    size_t record_max_bytes;
    char *begin, *end;
    bool started;  /* the byte-order mark, if any, is behind us */
    bool complete; /* the end of the file is in the block */

    struct value *values;
    size_t value_count, value_capacity;
    size_t first_count; /* values of the first record */
    uint64_t line, next_line;
};

/* --- life. */

static bool is_plain_line_end(const char *row) { return strcmp(row, "\n") == 0 || strcmp(row, "\r\n") == 0; }

static void set_dialect(struct csv_reader *reader, const struct csv_dialect *dialect) {
    assert(dialect->row_delimiter[0] != '\0');
    reader->delimiter = dialect->delimiter;
    reader->row_first = is_plain_line_end(dialect->row_delimiter) ? '\n' : dialect->row_delimiter[0];
    reader->quoting = dialect->quoting;
    reader->header = dialect->header;
    reader->row = mem_strdup(dialect->row_delimiter);
    reader->row_len = strlen(reader->row);
    reader->null_word = mem_strdup(dialect->null_word);
    reader->null_len = strlen(reader->null_word);
    reader->unchanged_word = mem_strdup(dialect->unchanged_word);
    reader->unchanged_len = strlen(reader->unchanged_word);
}

void csv_reader_set_limits(struct csv_reader *reader, size_t block_bytes, size_t record_max_bytes) {
    assert(!reader->started && block_bytes >= READER_BLOCK_MIN_BYTES && block_bytes <= record_max_bytes);
    reader->data = mem_realloc(reader->data, block_bytes + READER_SLACK);
    reader->begin = reader->end = reader->data;
    reader->capacity = block_bytes;
    reader->record_max_bytes = record_max_bytes;
}

bool csv_reader_open(struct store *store, const char *name, bool gzip, const struct csv_dialect *dialect,
                     struct csv_reader **out, struct error *err) {
    struct csv_reader *reader = mem_zalloc(sizeof *reader);
    reader->name = mem_strdup(name);
    reader->next_line = 1;
    set_dialect(reader, dialect);
    csv_reader_set_limits(reader, READER_BLOCK_BYTES, CSV_RECORD_MAX_BYTES);
    if (!csv_input_open(&reader->input, store, name, gzip, err)) {
        csv_reader_close(reader);
        return false;
    }
    *out = reader;
    return true;
}

void csv_reader_close(struct csv_reader *reader) {
    if (reader == NULL)
        return;
    csv_input_close(&reader->input);
    mem_free(reader->values);
    mem_free(reader->data);
    mem_free(reader->unchanged_word);
    mem_free(reader->null_word);
    mem_free(reader->row);
    mem_free(reader->name);
    mem_free(reader);
}

uint64_t csv_reader_line(const struct csv_reader *reader) { return reader->line; }

/* --- the block. */

static uint64_t count_lines(const char *p, const char *end) {
    uint64_t lines = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        lines++;
        p++;
    }
    return lines;
}

static bool fail_at(const struct csv_reader *reader, uint64_t line, const char *message, struct error *err) {
    return error_set(err, ERROR_DATA, "%s: line %llu: %s", reader->name, (unsigned long long)line, message);
}

/* Room behind the end: by moving the record to the front, or by a larger block. */
static bool make_room(struct csv_reader *reader, struct error *err) {
    size_t kept = (size_t)(reader->end - reader->begin);
    if (kept == reader->capacity) {
        if (reader->capacity == reader->record_max_bytes) {
            char message[96];
            snprintf(message, sizeof message, "a record of more than %zu bytes; is a quote not closed?", kept);
            return fail_at(reader, reader->next_line, message, err);
        }
        bool doubles = reader->capacity <= reader->record_max_bytes / 2;
        reader->capacity = doubles ? reader->capacity * 2 : reader->record_max_bytes;
        reader->data = mem_realloc(reader->data, reader->capacity + READER_SLACK);
    } else {
        memmove(reader->data, reader->begin, kept);
    }
    reader->begin = reader->data;
    reader->end = reader->data + kept;
    return true;
}

/* Reads more behind the end; what is wrong with the packed bytes gets a place, what the store says has its own. */
static bool read_more(struct csv_reader *reader, struct error *err) {
    size_t got, room = reader->capacity - (size_t)(reader->end - reader->data);
    if (!csv_input_read(&reader->input, reader->end, room, &got, err)) {
        uint64_t line = reader->next_line + count_lines(reader->begin, reader->end);
        if (err != NULL && err->kind == ERROR_DATA)
            error_prefix(err, "%s: line %llu", reader->name, (unsigned long long)line);
        return false;
    }
    reader->end += got;
    reader->complete = got == 0;
    return true;
}

/* Fills the block to its end or the file's. */
static bool fill(struct csv_reader *reader, struct error *err) {
    bool ok = make_room(reader, err);
    while (ok && !reader->complete && reader->end < reader->data + reader->capacity)
        ok = read_more(reader, err);
    memset(reader->end, 0, READER_SLACK);
    *reader->end = '\n';
    return ok;
}

static bool start(struct csv_reader *reader, struct error *err) {
    if (!fill(reader, err))
        return false;
    reader->started = true;
    if (reader->end - reader->begin >= 3 && memcmp(reader->begin, "\xEF\xBB\xBF", 3) == 0)
        reader->begin += 3;
    return true;
}

/* --- fields. `next` is where the next field or record begins. */

enum found {
    FOUND_NOTHING, /* neither a delimiter nor the end of a record */
    FOUND_FIELD,   /* another field follows */
    FOUND_RECORD,  /* the record ends */
    FOUND_LAST,    /* the record ends with the file, without a line end */
    FOUND_CUT,     /* the block ends before that is certain: fill it and read the record again */
    FOUND_BAD,     /* err is set */
};

/* Length of the line end or row delimiter at p, which is before the end; 0: there is none; -1: the block ends before
 * that is certain. */
static int row_end_at(const struct csv_reader *reader, const char *p) {
    size_t left = (size_t)(reader->end - p);
    size_t same = left < reader->row_len ? left : reader->row_len;
    bool row = memcmp(p, reader->row, same) == 0, cr = *p == '\r';
    if (!reader->complete && ((row && same < reader->row_len) || (cr && left == 1)))
        return -1;
    if (row && same == reader->row_len && same > 1)
        return (int)same;
    if (cr && left > 1 && p[1] == '\n')
        return 2;
    return *p == '\n' || (row && same == reader->row_len) ? 1 : 0;
}

/* What stands at p, behind a field. */
static inline enum found look_at(const struct csv_reader *reader, char *p, char **next) {
    bool delimiter = *p == reader->delimiter && p < reader->end;
    *next = p + 1;
    if (delimiter && *p != reader->row_first)
        return FOUND_FIELD;
    if (p >= reader->end) {
        *next = reader->end;
        return reader->complete ? FOUND_LAST : FOUND_CUT;
    }
    int row_end = row_end_at(reader, p);
    if (row_end < 0)
        return FOUND_CUT;
    if (row_end > 0) {
        *next = p + row_end;
        return FOUND_RECORD;
    }
    return delimiter ? FOUND_FIELD : FOUND_NOTHING;
}

/* The next delimiter, line end or beginning of a row delimiter, at the latest the guard behind the block. */
static inline char *skip_bare(const struct csv_reader *reader, char *p) {
    uint64_t delimiter = scan_pattern(reader->delimiter), line_end = scan_pattern('\n'), match;
    if (reader->row_first == '\n') {
        while ((match = scan_match(scan_load(p), delimiter) | scan_match(scan_load(p), line_end)) == 0)
            p += SCAN_WORD_BYTES;
    } else {
        uint64_t row = scan_pattern(reader->row_first);
        while ((match = scan_match(scan_load(p), delimiter) | scan_match(scan_load(p), line_end) |
                        scan_match(scan_load(p), row)) == 0)
            p += SCAN_WORD_BYTES;
    }
    return p + scan_first(match);
}

static inline uint8_t bare_kind(const struct csv_reader *reader, const char *data, size_t len) {
    if (len == 0 || (len == reader->null_len && memcmp(data, reader->null_word, len) == 0))
        return VALUE_NULL;
    if (len == reader->unchanged_len && memcmp(data, reader->unchanged_word, len) == 0)
        return VALUE_UNCHANGED;
    return VALUE_TEXT;
}

static inline enum found find_bare(const struct csv_reader *reader, char *field, char **next, struct value *value) {
    char *p = skip_bare(reader, field);
    enum found found = look_at(reader, p, next);
    while (found == FOUND_NOTHING) {
        p = skip_bare(reader, p + 1);
        found = look_at(reader, p, next);
    }
    if (found == FOUND_RECORD && *p == '\n' && p > field && p[-1] == '\r')
        p--;
    size_t len = (size_t)(p - field);
    *value = (struct value){field, (uint32_t)len, bare_kind(reader, field, len)};
    return found;
}

static enum found fail_in_field(const struct csv_reader *reader, const char *field, const char *what,
                                struct error *err) {
    char message[96];
    snprintf(message, sizeof message, "the quoted field %zu %s", reader->value_count + 1, what);
    fail_at(reader, reader->line + count_lines(reader->begin, field), message, err);
    return FOUND_BAD;
}

static enum found find_quoted(const struct csv_reader *reader, char *field, char **next, struct value *value,
                              struct error *err) {
    bool escaped = false;
    char *p = field + 1;
    while ((p = memchr(p, '"', (size_t)(reader->end - p))) != NULL && p[1] == '"') { /* the guard is no quote */
        escaped = true;
        p += 2;
    }
    if (p == NULL)
        return reader->complete ? fail_in_field(reader, field, "is never closed", err) : FOUND_CUT;
    *value = (struct value){field + 1, (uint32_t)(p - field - 1), escaped ? VALUE_TEXT_ESCAPED : VALUE_TEXT};
    enum found found = look_at(reader, p + 1, next);
    return found != FOUND_NOTHING ? found : fail_in_field(reader, field, "has text behind its closing quote", err);
}

/* --- records. */

/* Room for one more value. */
static bool grow_values(struct csv_reader *reader, struct error *err) {
    char message[64];
    snprintf(message, sizeof message, "a record of more than %d fields", READER_FIELDS_MAX);
    if (reader->value_count == READER_FIELDS_MAX)
        return fail_at(reader, reader->line, message, err);
    reader->values = mem_grow(reader->values, reader->value_count, &reader->value_capacity, sizeof *reader->values);
    return true;
}

/* A carriage return in a field without quotes may be text. In the header, or in a last record that does not end, it is the
 * line end of a file that would otherwise be read as one long record. */
static bool check_line_ends(const struct csv_reader *reader, struct error *err) {
    for (size_t i = 0; i < reader->value_count; i++) {
        const struct value *value = &reader->values[i];
        bool bare = value->data == reader->begin || value->data[-1] != '"';
        if (bare && value->len > 0 && memchr(value->data, '\r', value->len) != NULL)
            return fail_at(reader, reader->line,
                           "lines end in a carriage return alone: have them end in a line feed, or set "
                           "raw.csv_row_delimiter to \"\\r\"",
                           err);
    }
    return true;
}

/* Finds the fields of the record at `begin`. */
static enum found find_record(struct csv_reader *reader, char **next, struct error *err) {
    bool quoted = false;
    enum found found;
    reader->value_count = 0;
    reader->line = reader->next_line;
    *next = reader->begin;
    do {
        if (reader->value_count == reader->value_capacity && !grow_values(reader, err))
            return FOUND_BAD;
        struct value *value = &reader->values[reader->value_count];
        if (reader->quoting && **next == '"') {
            quoted = true;
            found = find_quoted(reader, *next, next, value, err);
        } else {
            found = find_bare(reader, *next, next, value);
        }
        reader->value_count++;
    } while (found == FOUND_FIELD);
    bool header = found == FOUND_RECORD && reader->header && reader->first_count == 0;
    if ((header || found == FOUND_LAST) && !check_line_ends(reader, err))
        return FOUND_BAD;
    if (found == FOUND_LAST)
        found = FOUND_RECORD;
    if (found == FOUND_RECORD)
        reader->next_line += quoted ? count_lines(reader->begin, *next - 1) + 1 : 1;
    return found;
}

/* Makes the doubled quotes of the field single. */
static void take_out_quotes(struct value *value) {
    char *data = (char *)value->data; /* in the reader's own block */
    const char *from = memchr(data, '"', value->len), *end = data + value->len;
    char *to = data + (from - data);
    while (from < end) {
        *to++ = *from;
        from += *from == '"' ? 2 : 1;
    }
    value->len = (uint32_t)(to - data);
    value->kind = VALUE_TEXT;
}

/* An empty line is no record; but where NULL is written as nothing, it is one of a table with one column. */
static bool is_empty_line(struct csv_reader *reader) {
    const struct value *value = reader->values;
    bool empty = reader->value_count == 1 && value->kind == VALUE_NULL && value->len == 0;
    if (!empty && reader->first_count == 0)
        reader->first_count = reader->value_count;
    return empty && !(reader->null_len == 0 && reader->first_count == 1);
}

/* The next record, with its doubled quotes; *found is false at the end of the file. */
static bool next_record(struct csv_reader *reader, bool *found, struct error *err) {
    if (!reader->started && !start(reader, err))
        return false;
    for (;;) {
        *found = reader->begin < reader->end || !reader->complete;
        if (!*found)
            return true;
        char *next;
        switch (find_record(reader, &next, err)) {
        case FOUND_RECORD:
            reader->begin = next;
            if (!is_empty_line(reader))
                return true;
            break;
        case FOUND_CUT:
            if (!fill(reader, err))
                return false;
            break;
        default:
            return false;
        }
    }
}

bool csv_reader_next(struct csv_reader *reader, const struct value **values, size_t *count, struct error *err) {
    bool found;
    if (!next_record(reader, &found, err))
        return false;
    *count = found ? reader->value_count : 0;
    *values = reader->values;
    for (size_t i = 0; i < *count; i++)
        if (reader->values[i].kind == VALUE_TEXT_ESCAPED)
            take_out_quotes(&reader->values[i]);
    return true;
}
