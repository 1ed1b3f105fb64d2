#include <assert.h>
#include <inttypes.h>
#include <string.h>
#define ZLIB_CONST /* input is const, as it should be */
#include <zlib.h>
#include <zstd.h>

#include "base/cursor.h"
#include "lake/iceberg/avro.h"

enum { SYNC_BYTES = 16, META_MAX_ENTRIES = 1024 };

struct meta_entry {
    struct slice key, value;
};

struct avro_reader {
    struct arena arena;   /* schema and metadata */
    struct arena records; /* of the record that was given last */
    struct avro_schema *schema;
    struct meta_entry *meta;
    size_t meta_count;
    enum { CODEC_NULL, CODEC_DEFLATE, CODEC_ZSTANDARD } codec;
    const uint8_t *sync;
    struct cursor file;
    struct buf unpacked;
    struct cursor block;
    uint64_t block_records; /* that are left in the block */
    size_t value_count;     /* of the record under way */
};

/* --- numbers */

static int64_t read_long(struct cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (shift == 63 && byte > 1)
            break; /* more than 64 bits */
        v |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    }
    c->failed = true;
    return 0;
}

static struct slice read_bytes(struct cursor *c) {
    int64_t len = read_long(c);
    const uint8_t *at = len >= 0 ? cursor_bytes(c, (size_t)len) : NULL;
    c->failed = c->failed || at == NULL;
    return at != NULL ? (struct slice){(const char *)at, (size_t)len} : (struct slice){NULL, 0};
}

/* The next block's count of an array or map: negative counts are followed by the block's bytes. Every item takes a byte at
 * least, as it does in all that Iceberg stores, so that a count cannot promise more than there is. */
static size_t read_count(struct cursor *c) {
    int64_t count = read_long(c);
    if (count < 0) {
        read_long(c);
        count = count == INT64_MIN ? INT64_MAX : -count;
    }
    c->failed = c->failed || (uint64_t)count > cursor_left(c);
    return c->failed ? 0 : (size_t)count;
}

/* --- values */

static void read_value(struct avro_reader *reader, const struct avro_schema *schema, struct avro_value *out);

static struct avro_value *new_values(struct avro_reader *reader, size_t count) {
    if (count > AVRO_VALUES_MAX - reader->value_count) {
        reader->block.failed = true;
        return NULL;
    }
    reader->value_count += count;
    return arena_alloc(&reader->records, (count + 1) * sizeof(struct avro_value));
}

static void read_record(struct avro_reader *reader, const struct avro_schema *schema, struct avro_value *out) {
    out->as.list.items = new_values(reader, schema->field_count);
    out->as.list.count = schema->field_count;
    for (size_t i = 0; i < schema->field_count && !reader->block.failed; i++)
        read_value(reader, schema->fields[i].type, &out->as.list.items[i]);
}

/* Items of an array, or keys and values of a map: `width` values each. */
static void read_items(struct avro_reader *reader, const struct avro_schema *schema, size_t width,
                       struct avro_value *out) {
    struct avro_value *items = NULL;
    size_t total = 0, count;
    while ((count = read_count(&reader->block)) > 0) {
        struct avro_value *more = new_values(reader, (total + count) * width);
        if (more == NULL)
            return;
        if (total > 0)
            memcpy(more, items, total * width * sizeof *items);
        items = more;
        for (size_t i = total * width; i < (total + count) * width && !reader->block.failed; i++)
            read_value(reader, schema->fields[i % width].type, &items[i]);
        total += count;
    }
    out->as.list.items = items;
    out->as.list.count = total;
}

static void read_union(struct avro_reader *reader, const struct avro_schema *schema, struct avro_value *out) {
    int64_t branch = read_long(&reader->block);
    if (branch < 0 || (uint64_t)branch >= schema->field_count)
        reader->block.failed = true;
    else
        read_value(reader, schema->fields[branch].type, out);
}

static void read_real(struct cursor *c, bool wide, struct avro_value *out) {
    uint64_t bits = cursor_le(c, wide ? 8 : 4);
    if (wide) {
        memcpy(&out->as.real, &bits, sizeof out->as.real);
    } else {
        uint32_t half = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &half, sizeof narrow);
        out->as.real = (double)narrow;
    }
}

static void read_boolean(struct cursor *c, struct avro_value *out) {
    uint8_t byte = cursor_u8(c);
    out->as.boolean = byte == 1;
    c->failed = c->failed || byte > 1;
}

static void read_fixed(struct cursor *c, const struct avro_schema *schema, struct avro_value *out) {
    const uint8_t *at = cursor_bytes(c, schema->size);
    out->as.bytes = (struct slice){(const char *)at, at != NULL ? schema->size : 0};
}

static void read_number(struct cursor *c, const struct avro_schema *schema, struct avro_value *out) {
    int64_t v = read_long(c);
    out->as.number = v;
    if (schema->kind == AVRO_INT)
        c->failed = c->failed || v < INT32_MIN || v > INT32_MAX;
    if (schema->kind == AVRO_ENUM)
        c->failed = c->failed || v < 0 || v >= schema->size;
}

static void read_value(struct avro_reader *reader, const struct avro_schema *schema, struct avro_value *out) {
    struct cursor *c = &reader->block;
    out->schema = schema;
    switch (schema->kind) {
    case AVRO_NULL:
        break;
    case AVRO_BOOLEAN:
        read_boolean(c, out);
        break;
    case AVRO_INT:
    case AVRO_LONG:
    case AVRO_ENUM:
        read_number(c, schema, out);
        break;
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        read_real(c, schema->kind == AVRO_DOUBLE, out);
        break;
    case AVRO_BYTES:
    case AVRO_STRING:
        out->as.bytes = read_bytes(c);
        break;
    case AVRO_FIXED:
        read_fixed(c, schema, out);
        break;
    case AVRO_RECORD:
        read_record(reader, schema, out);
        break;
    case AVRO_ARRAY:
        read_items(reader, schema, 1, out);
        break;
    case AVRO_MAP:
        read_items(reader, schema, 2, out);
        break;
    case AVRO_UNION:
        read_union(reader, schema, out);
        break;
    }
}

const struct avro_value *avro_find(const struct avro_value *record, int32_t id) {
    assert(record->schema->kind == AVRO_RECORD);
    for (size_t i = 0; i < record->schema->field_count; i++)
        if (record->schema->fields[i].id == id)
            return record->as.list.items[i].schema->kind != AVRO_NULL ? &record->as.list.items[i] : NULL;
    return NULL;
}

/* --- the header */

struct slice avro_reader_meta(const struct avro_reader *reader, const char *key) {
    for (size_t i = 0; i < reader->meta_count; i++)
        if (slice_equal_text(reader->meta[i].key, key))
            return reader->meta[i].value;
    return (struct slice){NULL, 0};
}

static bool read_meta(struct avro_reader *reader, struct error *err) {
    size_t count;
    reader->meta = arena_alloc(&reader->arena, META_MAX_ENTRIES * sizeof *reader->meta);
    while ((count = read_count(&reader->file)) > 0) {
        if (count > META_MAX_ENTRIES - reader->meta_count)
            return error_set(err, ERROR_DATA, "Avro: more than %d metadata entries", META_MAX_ENTRIES);
        for (size_t i = 0; i < count; i++) {
            struct meta_entry *entry = &reader->meta[reader->meta_count++];
            entry->key = read_bytes(&reader->file);
            entry->value = read_bytes(&reader->file);
        }
        if (reader->file.failed)
            break;
    }
    return !reader->file.failed || error_set(err, ERROR_DATA, "Avro: the header is cut off or damaged");
}

static bool choose_codec(struct avro_reader *reader, struct error *err) {
    struct slice codec = avro_reader_meta(reader, "avro.codec");
    if (codec.data == NULL || slice_equal_text(codec, "null"))
        reader->codec = CODEC_NULL;
    else if (slice_equal_text(codec, "deflate"))
        reader->codec = CODEC_DEFLATE;
    else if (slice_equal_text(codec, "zstandard"))
        reader->codec = CODEC_ZSTANDARD;
    else
        return error_set(err, ERROR_DATA,
                         "Avro: codec %.*s is not supported; have the writer use gzip (write.avro.compression-codec)",
                         codec.len < 20 ? (int)codec.len : 20, codec.data);
    return true;
}

static bool read_header(struct avro_reader *reader, struct error *err) {
    const uint8_t *magic = cursor_bytes(&reader->file, 4);
    if (magic == NULL || memcmp(magic, "Obj\1", 4) != 0)
        return error_set(err, ERROR_DATA, "not an Avro file");
    if (!read_meta(reader, err) || !choose_codec(reader, err))
        return false;
    reader->sync = cursor_bytes(&reader->file, SYNC_BYTES);
    struct slice schema = avro_reader_meta(reader, "avro.schema");
    if (reader->sync == NULL || schema.data == NULL)
        return error_set(err, ERROR_DATA, "Avro: the header is cut off or damaged");
    reader->schema = avro_schema_parse(&reader->arena, schema, err);
    if (reader->schema == NULL)
        return false;
    return reader->schema->kind == AVRO_RECORD || error_set(err, ERROR_DATA, "Avro: the schema is not one of records");
}

bool avro_reader_open(struct slice file, struct avro_reader **out, struct error *err) {
    struct avro_reader *reader = mem_zalloc(sizeof *reader);
    arena_init(&reader->arena);
    arena_init(&reader->records);
    buf_init(&reader->unpacked, AVRO_BLOCK_MAX_BYTES);
    reader->file = cursor_of(file.data, file.len);
    if (!read_header(reader, err)) {
        avro_reader_close(reader);
        return false;
    }
    *out = reader;
    return true;
}

void avro_reader_close(struct avro_reader *reader) {
    if (reader == NULL)
        return;
    buf_deinit(&reader->unpacked);
    arena_deinit(&reader->records);
    arena_deinit(&reader->arena);
    mem_free(reader);
}

const struct avro_schema *avro_reader_schema(const struct avro_reader *reader) { return reader->schema; }

/* --- blocks */

enum { UNPACK_STEP_BYTES = 64 * 1024 };

static bool unpack_deflate(struct buf *out, const uint8_t *data, size_t len) {
    z_stream stream = {.next_in = data, .avail_in = (uInt)len};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return false;
    int result = Z_OK;
    while (result == Z_OK && buf_fits(out, UNPACK_STEP_BYTES)) {
        stream.next_out = (Bytef *)buf_reserve(out, UNPACK_STEP_BYTES);
        stream.avail_out = UNPACK_STEP_BYTES;
        result = inflate(&stream, Z_NO_FLUSH);
        out->len += UNPACK_STEP_BYTES - stream.avail_out;
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END;
}

static bool unpack_zstandard(struct buf *out, const uint8_t *data, size_t len) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {data, len, 0};
    size_t result = 1;
    bool more = true; /* output was made, or input is left */
    while (result != 0 && !ZSTD_isError(result) && more && buf_fits(out, UNPACK_STEP_BYTES)) {
        ZSTD_outBuffer to = {buf_reserve(out, UNPACK_STEP_BYTES), UNPACK_STEP_BYTES, 0};
        result = ZSTD_decompressStream(stream, &to, &in);
        out->len += to.pos;
        more = to.pos > 0 || in.pos < in.size;
    }
    ZSTD_freeDStream(stream);
    return result == 0;
}

static bool unpack(struct avro_reader *reader, const uint8_t *data, size_t len) {
    if (reader->codec == CODEC_NULL) {
        reader->block = cursor_of(data, len);
        return true;
    }
    buf_clear(&reader->unpacked);
    bool ok = reader->codec == CODEC_DEFLATE ? unpack_deflate(&reader->unpacked, data, len)
                                             : unpack_zstandard(&reader->unpacked, data, len);
    buf_reserve(&reader->unpacked, 1); /* a cursor wants an address, also of nothing */
    reader->block = cursor_of(reader->unpacked.data, reader->unpacked.len);
    return ok;
}

static bool read_block(struct avro_reader *reader, struct error *err) {
    int64_t records = read_long(&reader->file), len = read_long(&reader->file);
    reader->file.failed = reader->file.failed || records < 0 || len < 0 || len > AVRO_BLOCK_MAX_BYTES;
    const uint8_t *data = cursor_bytes(&reader->file, reader->file.failed ? 0 : (size_t)len);
    const uint8_t *sync = cursor_bytes(&reader->file, SYNC_BYTES);
    if (sync == NULL || memcmp(sync, reader->sync, SYNC_BYTES) != 0)
        return error_set(err, ERROR_DATA, "Avro: a block is cut off or damaged");
    if (!unpack(reader, data, (size_t)len))
        return error_set(err, ERROR_DATA, "Avro: a block cannot be unpacked, or is larger than %d bytes",
                         AVRO_BLOCK_MAX_BYTES);
    reader->block_records = (uint64_t)records;
    return reader->block_records <= cursor_left(&reader->block) ||
           error_set(err, ERROR_DATA, "Avro: a block has less bytes than records");
}

bool avro_reader_next(struct avro_reader *reader, const struct avro_value **record, struct error *err) {
    *record = NULL;
    while (reader->block_records == 0) {
        if (cursor_left(&reader->file) == 0 && !reader->file.failed)
            return true;
        if (!read_block(reader, err))
            return false;
    }
    arena_reset(&reader->records);
    reader->value_count = 0;
    struct avro_value *value = arena_alloc(&reader->records, sizeof *value);
    read_value(reader, reader->schema, value);
    if (reader->block.failed)
        return error_set(err, ERROR_DATA, "Avro: a record is cut off or damaged");
    reader->block_records--;
    *record = value;
    return true;
}
