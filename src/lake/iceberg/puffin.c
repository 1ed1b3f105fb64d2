#include "lake/iceberg/puffin.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/cursor.h"

#define PUFFIN_MAGIC "PFA1"
#define VECTOR_MAGIC "\xD1\xD3\x39\x64"

enum {
    MAGIC_BYTES = 4,
    VECTOR_FRAME_BYTES = 12, /* of a deletion vector, around its positions */
    TRAILER_BYTES = 12,      /* behind the footer's JSON */
    FLAG_COMPRESSED = 1,
    ROW_POSITION_FIELD = 2147483645, /* the field id of _pos, which Iceberg reserves */
};

/* --- writing */

void puffin_writer_init(struct puffin_writer *writer) {
    buf_init(&writer->file, 2 * (size_t)PUFFIN_BLOBS_MAX_BYTES); /* with the footer */
    buf_append(&writer->file, PUFFIN_MAGIC, MAGIC_BYTES);
    writer->blobs = json_array();
}

void puffin_writer_deinit(struct puffin_writer *writer) {
    json_decref(writer->blobs);
    buf_deinit(&writer->file);
}

static void put_be32(struct buf *out, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_char(out, (char)(v >> shift));
}

static uint32_t crc_of(const void *data, size_t len) { return (uint32_t)crc32_z(0, data, len); }

static void put_vector(struct buf *out, const struct roaring *positions, size_t bytes) {
    put_be32(out, (uint32_t)(MAGIC_BYTES + bytes));
    size_t start = out->len;
    buf_append(out, VECTOR_MAGIC, MAGIC_BYTES);
    roaring_write(positions, out);
    assert(out->len - start == MAGIC_BYTES + bytes);
    put_be32(out, crc_of(out->data + start, MAGIC_BYTES + bytes));
}

bool puffin_add_vector(struct puffin_writer *writer, const char *data_file, const struct roaring *positions,
                       int64_t *offset, int64_t *size, struct error *err) {
    size_t bytes = roaring_written_bytes(positions), start = writer->file.len, length = bytes + VECTOR_FRAME_BYTES;
    char cardinality[24];
    if (length > PUFFIN_BLOBS_MAX_BYTES || start > PUFFIN_BLOBS_MAX_BYTES - length)
        return error_set(err, ERROR_DATA, "%s: its deletion vector of %zu bytes would make the Puffin file too large",
                         data_file, bytes);
    snprintf(cardinality, sizeof cardinality, "%" PRIu64, roaring_count(positions));
    /* The snapshot is not known yet: the specification wants -1. */
    json_t *blob =
        json_pack("{s:s, s:[i], s:i, s:i, s:I, s:I, s:{s:s, s:s}}", "type", PUFFIN_DELETION_VECTOR, "fields",
                  ROW_POSITION_FIELD, "snapshot-id", -1, "sequence-number", -1, "offset", (json_int_t)start, "length",
                  (json_int_t)length, "properties", "referenced-data-file", data_file, "cardinality", cardinality);
    if (blob == NULL)
        return error_set(err, ERROR_DATA, "the location of a data file is not UTF-8: %s", data_file);
    json_array_append_new(writer->blobs, blob);
    put_vector(&writer->file, positions, bytes);
    *offset = (int64_t)start;
    *size = (int64_t)length;
    return true;
}

void puffin_finish(struct puffin_writer *writer) {
    struct buf *file = &writer->file;
    json_t *footer =
        json_pack("{s:O, s:{s:s}}", "blobs", writer->blobs, "properties", "created-by", "sluice " SLUICE_VERSION);
    char *text = json_dumps(footer, JSON_COMPACT);
    uint32_t length = (uint32_t)strlen(text), flags = 0;
    buf_append(file, PUFFIN_MAGIC, MAGIC_BYTES);
    buf_append(file, text, length);
    for (int shift = 0; shift < 32; shift += 8)
        buf_append_char(file, (char)(length >> shift));
    buf_append(file, &flags, sizeof flags);
    buf_append(file, PUFFIN_MAGIC, MAGIC_BYTES);
    free(text);
    json_decref(footer);
}

/* --- reading a deletion vector */

bool puffin_read_vector(struct slice blob, struct roaring *positions, struct error *err) {
    struct cursor c = cursor_of(blob.data, blob.len);
    uint64_t length = cursor_be(&c, 4);
    struct cursor body = cursor_sub(&c, length);
    uint64_t crc = cursor_be(&c, 4);
    if (c.failed || cursor_left(&c) > 0)
        return error_set(err, ERROR_DATA, "a deletion vector of %zu bytes says that it has %" PRIu64, blob.len,
                         length + VECTOR_FRAME_BYTES - MAGIC_BYTES);
    if (crc_of(body.pos, length) != crc)
        return error_set(err, ERROR_DATA, "a deletion vector's checksum is wrong");
    const uint8_t *magic = cursor_bytes(&body, MAGIC_BYTES);
    if (magic == NULL || memcmp(magic, VECTOR_MAGIC, MAGIC_BYTES) != 0)
        return error_set(err, ERROR_DATA, "a deletion vector does not start as one");
    return roaring_read((struct slice){(const char *)body.pos, cursor_left(&body)}, positions, err) ||
           error_prefix(err, "a deletion vector");
}

/* --- reading a footer */

static bool damaged(struct error *err, const char *what) {
    return error_set(err, ERROR_DATA, "damaged Puffin file: %s", what);
}

/* The footer's JSON, and where the footer starts. */
static bool find_footer(struct slice file, struct slice *json, size_t *start, struct error *err) {
    if (file.len < 2 * MAGIC_BYTES + TRAILER_BYTES || memcmp(file.data, PUFFIN_MAGIC, MAGIC_BYTES) != 0 ||
        memcmp(file.data + file.len - MAGIC_BYTES, PUFFIN_MAGIC, MAGIC_BYTES) != 0)
        return damaged(err, "it does not start and end as one");
    struct cursor trailer = cursor_of(file.data + file.len - TRAILER_BYTES, TRAILER_BYTES);
    uint32_t length = cursor_u32(&trailer), flags = cursor_u32(&trailer);
    if ((flags & FLAG_COMPRESSED) != 0)
        return error_set(err, ERROR_DATA, "the footer of a Puffin file is compressed, which sluice does not read");
    if (length > file.len - 2 * MAGIC_BYTES - TRAILER_BYTES)
        return damaged(err, "its footer is longer than the file");
    *json = (struct slice){file.data + file.len - TRAILER_BYTES - length, length};
    *start = file.len - TRAILER_BYTES - length - MAGIC_BYTES;
    return memcmp(file.data + *start, PUFFIN_MAGIC, MAGIC_BYTES) == 0 ||
           damaged(err, "its footer does not start as one");
}

static bool read_cardinality(const char *text, int64_t *out) {
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_blob(struct arena *arena, const json_t *json, struct slice blobs, struct puffin_blob *out,
                      struct error *err) {
    const char *type = json_string_value(json_object_get(json, "type"));
    const json_t *offset = json_object_get(json, "offset"), *length = json_object_get(json, "length");
    json_int_t from = json_integer_value(offset), bytes = json_integer_value(length);
    if (type == NULL || !json_is_integer(offset) || !json_is_integer(length))
        return damaged(err, "a blob has no type, offset or length");
    if (from < MAGIC_BYTES || bytes < 0 || (size_t)from > blobs.len || (size_t)bytes > blobs.len - (size_t)from)
        return damaged(err, "a blob is not within the file");
    *out = (struct puffin_blob){.type = arena_strdup(arena, type), .bytes = {blobs.data + from, (size_t)bytes}};
    out->codec = arena_strdup(arena, json_string_value(json_object_get(json, "compression-codec")));
    if (strcmp(type, PUFFIN_DELETION_VECTOR) != 0)
        return true;
    const json_t *properties = json_object_get(json, "properties");
    out->data_file = arena_strdup(arena, json_string_value(json_object_get(properties, "referenced-data-file")));
    if (out->data_file == NULL || out->codec != NULL ||
        !read_cardinality(json_string_value(json_object_get(properties, "cardinality")), &out->cardinality))
        return damaged(err, "a deletion vector has no data file or cardinality, or is compressed");
    return true;
}

bool puffin_read_footer(struct arena *arena, struct slice file, struct puffin_blob **out, size_t *count,
                        struct error *err) {
    struct slice text = {0};
    size_t start = 0;
    json_error_t why;
    if (!find_footer(file, &text, &start, err))
        return false;
    json_t *json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &why);
    const json_t *blobs = json_object_get(json, "blobs");
    bool ok = json_is_array(blobs) || damaged(err, json == NULL ? why.text : "its footer has no list of blobs");
    *count = json_array_size(blobs);
    *out = arena_alloc(arena, (*count + 1) * sizeof **out);
    for (size_t i = 0; i < *count && ok; i++)
        ok = read_blob(arena, json_array_get(blobs, i), (struct slice){file.data, start}, &(*out)[i], err);
    json_decref(json);
    return ok;
}
