#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

#include "lake/iceberg/avro.h"

/* Blocks of this size, unpacked: what one reader's thread takes at a time. */
enum { BLOCK_BYTES = 64 * 1024 };

/* --- values */

void avro_put_long(struct buf *out, int64_t v) {
    uint64_t zigzag = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    char bytes[10];
    size_t len = 0;
    for (; zigzag > 0x7f; zigzag >>= 7)
        bytes[len++] = (char)(zigzag | 0x80);
    bytes[len++] = (char)zigzag;
    buf_append(out, bytes, len);
}

void avro_put_bool(struct buf *out, bool v) { buf_append_char(out, v ? 1 : 0); }

static void put_little_endian(struct buf *out, uint64_t bits, size_t len) {
    for (size_t i = 0; i < len; i++)
        buf_append_char(out, (char)(bits >> (8 * i)));
}

void avro_put_float(struct buf *out, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_little_endian(out, bits, sizeof bits);
}

void avro_put_double(struct buf *out, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_little_endian(out, bits, sizeof bits);
}

void avro_put_bytes(struct buf *out, struct slice v) {
    avro_put_long(out, (int64_t)v.len);
    avro_put_raw(out, v);
}

void avro_put_raw(struct buf *out, struct slice v) {
    if (v.len > 0)
        buf_append(out, v.data, v.len);
}

/* --- the file */

void avro_writer_init(struct avro_writer *writer, const char *schema, const struct avro_meta *meta, size_t meta_count) {
    *writer = (struct avro_writer){.block_records = 0};
    buf_init(&writer->file, BUF_MAX_DEFAULT);
    buf_init(&writer->record, BUF_MAX_DEFAULT);
    buf_init(&writer->block, BUF_MAX_DEFAULT);
    ssize_t got = getrandom(writer->sync, sizeof writer->sync, 0); /* never short for so few bytes */
    assert(got == (ssize_t)sizeof writer->sync);
    buf_append(&writer->file, "Obj\1", 4);
    avro_put_long(&writer->file, (int64_t)meta_count + 2);
    avro_put_bytes(&writer->file, slice_of("avro.schema"));
    avro_put_bytes(&writer->file, slice_of(schema));
    avro_put_bytes(&writer->file, slice_of("avro.codec"));
    avro_put_bytes(&writer->file, slice_of("deflate"));
    for (size_t i = 0; i < meta_count; i++) {
        avro_put_bytes(&writer->file, slice_of(meta[i].key));
        avro_put_bytes(&writer->file, slice_of(meta[i].value));
    }
    avro_put_long(&writer->file, 0);
    buf_append(&writer->file, writer->sync, sizeof writer->sync);
}

void avro_writer_deinit(struct avro_writer *writer) {
    buf_deinit(&writer->file);
    buf_deinit(&writer->record);
    buf_deinit(&writer->block);
}

static void flush_block(struct avro_writer *writer) {
    if (writer->block_records == 0)
        return;
    struct buf packed;
    buf_init(&packed, BUF_MAX_DEFAULT);
    z_stream stream = {.next_in = (Bytef *)writer->block.data, .avail_in = (uInt)writer->block.len};
    int result = deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    size_t bound = deflateBound(&stream, (uLong)writer->block.len);
    stream.next_out = (Bytef *)buf_reserve(&packed, bound);
    stream.avail_out = (uInt)bound;
    result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END);
    packed.len = bound - stream.avail_out;
    deflateEnd(&stream);

    avro_put_long(&writer->file, (int64_t)writer->block_records);
    avro_put_bytes(&writer->file, (struct slice){packed.data, packed.len});
    buf_append(&writer->file, writer->sync, sizeof writer->sync);
    buf_deinit(&packed);
    buf_clear(&writer->block);
    writer->block_records = 0;
}

void avro_writer_end_record(struct avro_writer *writer) {
    avro_put_raw(&writer->block, (struct slice){writer->record.data, writer->record.len});
    buf_clear(&writer->record);
    writer->block_records++;
    if (writer->block.len >= BLOCK_BYTES)
        flush_block(writer);
}

void avro_writer_finish(struct avro_writer *writer) { flush_block(writer); }
