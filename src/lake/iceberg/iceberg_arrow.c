#include "lake/iceberg/iceberg_arrow.h"

#include "base/cursor.h"

/* Arrow's IPC format: a length, and a FlatBuffer of Message { version, header_type, header }, whose header is a
 * Schema { endianness, fields }. Field { name, nullable, type_type, type, dictionary, children, custom_metadata }. */
#define CONTINUATION UINT32_MAX /* before the length, since Arrow 0.15 */
enum {
    HEADER_SCHEMA = 1,
    TYPE_TIMESTAMP = 10,
    TYPE_DURATION = 18,
};
enum { MESSAGE_HEADER_TYPE = 1, MESSAGE_HEADER = 2 };
enum { SCHEMA_FIELDS = 1 };
enum { FIELD_NAME = 0, FIELD_TYPE_TYPE = 2, FIELD_TYPE = 3, FIELD_METADATA = 6 };
enum { TIMESTAMP_ZONE = 1 };
enum { PAIR_KEY = 0 };
enum { ENTRIES_MAX = 1 << 14 }; /* of one vector: columns, or pairs of one column */

/* A FlatBuffer. Every read is checked: an offset that leads out of it marks it as failed. */
struct flat {
    struct slice bytes;
    bool failed;
};

static uint32_t read_number(struct flat *flat, size_t at, size_t len) {
    if (flat->failed || at > flat->bytes.len || flat->bytes.len - at < len) {
        flat->failed = true;
        return 0;
    }
    struct cursor cursor = cursor_of(flat->bytes.data + at, len);
    return (uint32_t)cursor_le(&cursor, len);
}

/* Where the offset at `at` leads. */
static size_t follow(struct flat *flat, size_t at) { return at + read_number(flat, at, 4); }

/* Where the table has this field; 0: it does not have it. */
static size_t find_field(struct flat *flat, size_t table, size_t field) {
    size_t fields =
        (size_t)((int64_t)table - (int32_t)read_number(flat, table, 4)); /* beyond the end where it is less */
    size_t at = 4 + 2 * field, size = read_number(flat, fields, 2);
    uint32_t offset = at + 2 <= size ? read_number(flat, fields + at, 2) : 0;
    return offset != 0 ? table + offset : 0;
}

static struct slice read_text(struct flat *flat, size_t table, size_t field) {
    size_t at = find_field(flat, table, field);
    if (at == 0)
        return (struct slice){"", 0};
    size_t text = follow(flat, at), len = read_number(flat, text, 4);
    if (flat->failed || flat->bytes.len - text - 4 < len) {
        flat->failed = true;
        return (struct slice){"", 0};
    }
    return (struct slice){flat->bytes.data + text + 4, len};
}

/* The tables of a field that is a vector of them: *first is where the offset of the first is. */
static size_t read_vector(struct flat *flat, size_t table, size_t field, size_t *first) {
    size_t at = find_field(flat, table, field);
    if (at == 0)
        return 0;
    size_t vector = follow(flat, at), count = read_number(flat, vector, 4);
    *first = vector + 4;
    flat->failed = flat->failed || count > ENTRIES_MAX || count > (flat->bytes.len - *first) / 4;
    return flat->failed ? 0 : count;
}

static bool is_one_of(struct slice text, const char *const *texts) {
    for (size_t i = 0; texts[i] != NULL; i++)
        if (slice_equal_text(text, texts[i]))
            return true;
    return false;
}

static bool has_extension(struct flat *flat, size_t field) {
    static const char *const extension[] = {"ARROW:extension:name", NULL};
    size_t first = 0, count = read_vector(flat, field, FIELD_METADATA, &first);
    for (size_t i = 0; i < count; i++)
        if (is_one_of(read_text(flat, follow(flat, first + 4 * i), PAIR_KEY), extension))
            return true;
    return false;
}

/* pyiceberg's names of UTC; a time without a zone has none here. */
static bool is_in_utc(struct flat *flat, size_t field) {
    static const char *const utc[] = {"", "UTC", "+00:00", "Etc/UTC", NULL};
    size_t type = find_field(flat, field, FIELD_TYPE);
    return type == 0 || is_one_of(read_text(flat, follow(flat, type), TIMESTAMP_ZONE), utc);
}

static const char *field_misfit(struct flat *flat, size_t field) {
    size_t at = find_field(flat, field, FIELD_TYPE_TYPE);
    uint32_t type = at != 0 ? read_number(flat, at, 1) : 0;
    if (type == TYPE_DURATION)
        return "its Arrow type is a duration, which some readers refuse";
    if (type == TYPE_TIMESTAMP && !is_in_utc(flat, field))
        return "its Arrow type has a time zone that is not UTC, which some readers refuse";
    if (has_extension(flat, field))
        return "its Arrow type is an extension, which some readers refuse";
    return NULL;
}

/* The FlatBuffer in the message, whose length precedes it. */
static struct slice unwrap(struct slice message) {
    struct cursor cursor = cursor_of(message.data, message.len);
    uint32_t len = cursor_u32(&cursor);
    if (len == CONTINUATION)
        len = cursor_u32(&cursor);
    const uint8_t *bytes = cursor_bytes(&cursor, len);
    return bytes != NULL ? (struct slice){(const char *)bytes, len} : (struct slice){"", 0};
}

const char *iceberg_arrow_misfit(struct slice message, struct slice *column) {
    struct flat flat = {.bytes = unwrap(message)};
    size_t table = follow(&flat, 0), type = find_field(&flat, table, MESSAGE_HEADER_TYPE);
    size_t header = find_field(&flat, table, MESSAGE_HEADER), first = 0;
    const char *why = NULL;
    *column = (struct slice){NULL, 0};
    flat.failed = flat.failed || type == 0 || header == 0 || read_number(&flat, type, 1) != HEADER_SCHEMA;
    size_t count = flat.failed ? 0 : read_vector(&flat, follow(&flat, header), SCHEMA_FIELDS, &first);
    for (size_t i = 0; why == NULL && i < count; i++) {
        size_t field = follow(&flat, first + 4 * i);
        why = field_misfit(&flat, field);
        if (why != NULL)
            *column = read_text(&flat, field, FIELD_NAME);
    }
    if (flat.failed)
        why = "its Arrow schema is damaged";
    if (flat.failed || column->len == 0)
        *column = (struct slice){NULL, 0};
    return why;
}
