#include "raw/csv_input.h"

#include <limits.h>

#include "base/mem.h"

enum {
    PACKED_BYTES = 64 * 1024,
    GZIP_WINDOW_BITS = 15 + 16 /* the largest window; +16: gzip's header and checksum, not zlib's */
};

bool csv_input_open(struct csv_input *input, struct store *store, const char *name, bool gzip, struct error *err) {
    *input = (struct csv_input){.gzip = gzip, .between = true};
    if (!store_reader_open(store, name, &input->reader, err))
        return false;
    if (!gzip)
        return true;
    if (inflateInit2(&input->stream, GZIP_WINDOW_BITS) != Z_OK)
        return error_set(err, ERROR_INTERNAL, "zlib cannot start");
    input->packed = mem_alloc(PACKED_BYTES);
    return true;
}

void csv_input_close(struct csv_input *input) {
    if (input->packed != NULL)
        inflateEnd(&input->stream);
    mem_free(input->packed);
    store_reader_close(input->reader);
    *input = (struct csv_input){0};
}

static bool read_packed(struct csv_input *input, struct error *err) {
    size_t got;
    if (!store_read(input->reader, input->packed, PACKED_BYTES, &got, err))
        return false;
    input->stream.next_in = input->packed;
    input->stream.avail_in = (unsigned)got;
    input->packed_end = got == 0;
    return true;
}

/* A .gz holds one member or several, one behind the other; it may end only behind a member. */
static bool inflate_some(struct csv_input *input, struct error *err) {
    z_stream *stream = &input->stream;
    if (input->between) {
        inflateReset(stream);
        input->between = false;
        input->member_opened = true;
    }
    int result = inflate(stream, Z_NO_FLUSH);
    if (result == Z_STREAM_END)
        input->between = true;
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return error_set(err, ERROR_DATA, "the gzip stream is damaged (%s)",
                         stream->msg != NULL ? stream->msg : zError(result));
    return true;
}

static bool read_gzip(struct csv_input *input, char *to, size_t size, size_t *got, struct error *err) {
    z_stream *stream = &input->stream;
    stream->next_out = (unsigned char *)to;
    stream->avail_out = size < UINT_MAX ? (unsigned)size : UINT_MAX;
    unsigned room = stream->avail_out;
    while (stream->avail_out == room) {
        if (stream->avail_in == 0 && !input->packed_end && !read_packed(input, err))
            return false;
        if (input->packed_end) {
            if (input->between && input->member_opened)
                break;
            return error_set(err, ERROR_DATA, "the gzip stream is cut off");
        }
        if (!inflate_some(input, err))
            return false;
    }
    *got = room - stream->avail_out;
    return true;
}

bool csv_input_read(struct csv_input *input, char *to, size_t size, size_t *got, struct error *err) {
    return input->gzip ? read_gzip(input, to, size, got, err) : store_read(input->reader, to, size, got, err);
}
