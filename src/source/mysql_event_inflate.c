/* Compressed events.
 *
 * MariaDB (log_bin_compress), from sql/log_event.cc (binlog_buf_compress): what is compressed is the statement of a
 * QUERY_COMPRESSED event and the row images of the ROWS_COMPRESSED events, each as
 *
 *   u8: bit 7 set, bits 4-6 algorithm (0 = zlib), bits 0-2 n | n bytes length before compression, big-endian | zlib stream
 *
 * MySQL (binlog_transaction_compression): a whole transaction between its GTID event and its end is one
 * TRANSACTION_PAYLOAD event. Its head, from libs/mysql/binlog/event/codecs/binary.cpp, is read in mysql_event.c; its data is
 * one or several zstd frames that hold events one after the other, with their headers, without checksums. */
#include <assert.h>
#include <inttypes.h>
#include <zlib.h>
#include <zstd.h>

#include "source/mysql_event_parts.h"

enum {
    ZLIB_RATIO_MAX = 1032, /* deflate cannot do better: a larger claim is a damaged one */
    INFLATE_STEP_BYTES = 64 << 10,
    KEEP_BYTES = 1 << 20, /* a buffer that one large event has blown up is given back */
};

/* Forgets what the buffer holds; a large one is freed. */
static void start_over(struct buf *buf) {
    size_t max_bytes = buf->max_bytes;
    if (buf->capacity > KEEP_BYTES) {
        buf_deinit(buf);
        buf_init(buf, max_bytes);
    }
    buf_clear(buf);
}

bool mysql_inflate_event(struct cursor *c, struct buf *out) {
    uint8_t head = cursor_u8(c);
    unsigned len_bytes = head & 7;
    if ((head & 0xf0) != 0x80 || len_bytes < 1 || len_bytes > 4)
        return false;
    uint64_t len = cursor_be(c, len_bytes);
    size_t left = cursor_left(c);
    if (c->failed || len > MYSQL_EVENT_MAX_BYTES - 1 || len / ZLIB_RATIO_MAX > left)
        return false;
    start_over(out);
    uLongf got = (uLongf)len;
    uLong used = (uLong)left;
    char *to = buf_reserve(out, (size_t)len);
    int rc = uncompress2((Bytef *)to, &got, (const Bytef *)c->pos, &used);
    if (rc != Z_OK || got != len || used != left)
        return false;
    out->len = (size_t)len;
    return true;
}

void mysql_payload_init(struct mysql_payload *payload, struct mysql_decoder *decoder) {
    *payload = (struct mysql_payload){.decoder = decoder};
    buf_init(&payload->event, MYSQL_EVENT_MAX_BYTES);
}

void mysql_payload_deinit(struct mysql_payload *payload) {
    ZSTD_freeDCtx(payload->stream);
    buf_deinit(&payload->event);
    *payload = (struct mysql_payload){0};
}

static bool bad_payload(const struct mysql_payload *payload, const char *what, struct error *err) {
    return error_set(err, ERROR_DATA,
                     "decoding a transaction payload event (40) of %zu bytes, at %" PRIu64 " bytes of its content: %s",
                     payload->len, payload->produced_bytes, what);
}

bool mysql_payload_begin(struct mysql_payload *payload, const struct mysql_event *event, struct error *err) {
    assert(event->kind == MYSQL_EVENT_PAYLOAD);
    payload->data = event->payload.data;
    payload->len = event->payload.len;
    payload->used = 0;
    payload->compressed = event->payload.compressed;
    payload->uncompressed_bytes = event->payload.uncompressed_bytes;
    payload->produced_bytes = 0;
    if (!payload->compressed)
        return true;
    if (payload->stream == NULL)
        payload->stream = ZSTD_createDCtx();
    if (payload->stream == NULL || ZSTD_isError(ZSTD_DCtx_reset(payload->stream, ZSTD_reset_session_only)))
        return error_set(err, ERROR_OUTSIDE, "no memory to decompress a transaction payload event");
    return true;
}

/* Decompresses until the buffer has `want` bytes; *end: the content ended exactly before its first byte. */
static bool fill(struct mysql_payload *payload, size_t want, bool *end, struct error *err) {
    struct buf *event = &payload->event;
    size_t before = event->len;
    char *to = buf_reserve(event, want - before);
    if (!payload->compressed) {
        size_t left = payload->len - payload->used, take = left < want - before ? left : want - before;
        memcpy(to, payload->data + payload->used, take);
        payload->used += take;
        event->len += take;
    } else {
        ZSTD_outBuffer out = {to, want - before, 0};
        ZSTD_inBuffer in = {payload->data, payload->len, payload->used};
        for (size_t produced = SIZE_MAX; out.pos < out.size && (in.pos < in.size || out.pos != produced);) {
            produced = out.pos;
            size_t rc = ZSTD_decompressStream(payload->stream, &out, &in);
            if (ZSTD_isError(rc))
                return bad_payload(payload, ZSTD_getErrorName(rc), err);
        }
        payload->used = in.pos;
        event->len += out.pos;
    }
    payload->produced_bytes += event->len - before;
    *end = event->len == 0;
    return event->len == want || *end || bad_payload(payload, "it ends in the middle of an event", err);
}

/* The next event's bytes into payload->event; *end when there is none. */
static bool read_event(struct mysql_payload *payload, bool *end, struct error *err) {
    enum { SIZE_OFFSET = 9 };
    start_over(&payload->event);
    if (!fill(payload, MYSQL_EVENT_HEADER_BYTES, end, err) || *end)
        return *end;
    struct cursor c = cursor_of(payload->event.data + SIZE_OFFSET, 4);
    uint32_t size = cursor_u32(&c);
    if (size < MYSQL_EVENT_HEADER_BYTES || size >= MYSQL_EVENT_MAX_BYTES)
        return bad_payload(payload, "an event in it has an impossible length", err);
    /* In steps, so that a damaged length does not cost the memory that it claims. */
    for (size_t want = MYSQL_EVENT_HEADER_BYTES; want < size;) {
        want = size - want > INFLATE_STEP_BYTES ? want + INFLATE_STEP_BYTES : size;
        if (!fill(payload, want, end, err))
            return false;
    }
    return true;
}

bool mysql_payload_next(struct mysql_payload *payload, struct mysql_event *out, bool *more, struct error *err) {
    bool end = false;
    *more = false;
    if (!read_event(payload, &end, err))
        return false;
    if (end) {
        bool all = payload->used == payload->len &&
                   (!payload->compressed || payload->produced_bytes == payload->uncompressed_bytes);
        return all || bad_payload(payload, "it has another length than it says", err);
    }
    bool checksum = payload->decoder->checksum;
    payload->decoder->checksum = false;
    bool ok = mysql_event_parse(payload->decoder, payload->event.data, payload->event.len, NULL, out, err);
    payload->decoder->checksum = checksum;
    if (!ok)
        return error_prefix(err, "in a transaction payload event");
    if (out->kind == MYSQL_EVENT_PAYLOAD || out->kind == MYSQL_EVENT_FORMAT)
        return bad_payload(payload, "an event in it does not belong there", err);
    *more = true;
    return true;
}
