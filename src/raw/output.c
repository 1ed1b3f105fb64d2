#include "raw/output.h"

#include <assert.h>
#include <stdatomic.h>
#include <zlib.h>

#include "base/cancel.h"
#include "base/mem.h"

struct raw_output {
    const struct raw_output_settings *settings;
    char *folder;
    const void *table;
    char *object; /* name of the object being written in its store */
    struct store_writer *writer;
    uint64_t drained_bytes; /* in the writer */
    struct buf buffer;
    bool published;
    bool broken; /* a write or the publishing failed: what became of it is not known any more */
};

static struct store *target_store(const struct raw_output *output) {
    return output->settings->encode != NULL ? output->settings->spool : output->settings->raw;
}

struct raw_output *raw_output_new(const struct raw_output_settings *settings, const char *folder, const void *table) {
    static atomic_ulong counter;
    struct raw_output *output = mem_zalloc(sizeof *output);
    output->settings = settings;
    output->folder = mem_strdup(folder);
    output->table = table;
    if (settings->encode != NULL)
        output->object = mem_printf("%lu.csv", atomic_fetch_add(&counter, 1) + 1);
    else
        output->object = mem_printf("%sunpublished", folder);
    buf_init(&output->buffer, BUF_MAX_DEFAULT);
    return output;
}

void raw_output_free(struct raw_output *output) {
    if (output == NULL)
        return;
    store_writer_close(output->writer);
    buf_deinit(&output->buffer);
    mem_free(output->object);
    mem_free(output->folder);
    mem_free(output);
}

struct buf *raw_output_buffer(struct raw_output *output) {
    return &output->buffer;
}

uint64_t raw_output_size(const struct raw_output *output) { return output->drained_bytes + output->buffer.len; }

static bool drain_all(struct raw_output *output, struct error *err) {
    if (output->writer == NULL && !store_writer_open(target_store(output), output->object, &output->writer, err))
        return false;
    output->broken = true;
    if (!store_write(output->writer, output->buffer.data, output->buffer.len, err))
        return false;
    output->broken = false;
    output->drained_bytes += output->buffer.len;
    buf_clear(&output->buffer);
    return true;
}

bool raw_output_drain(struct raw_output *output, struct error *err) {
    return output->buffer.len < output->settings->buffer_bytes || drain_all(output, err);
}

bool raw_output_flush(struct raw_output *output, struct error *err) {
    if (output->buffer.len > 0 && !drain_all(output, err))
        return false;
    buf_deinit(&output->buffer);
    buf_init(&output->buffer, BUF_MAX_DEFAULT);
    return true;
}

bool raw_output_truncate(struct raw_output *output, uint64_t size_bytes, struct error *err) {
    assert(size_bytes <= raw_output_size(output));
    if (size_bytes >= output->drained_bytes) {
        output->buffer.len = (size_t)(size_bytes - output->drained_bytes);
        return true;
    }
    buf_clear(&output->buffer);
    output->drained_bytes = size_bytes;
    output->broken = !store_writer_truncate(output->writer, size_bytes, err);
    return !output->broken || error_prefix(err, "cutting %s back", output->object);
}

bool raw_output_publish(struct raw_output *output, const char *name, struct error *err) {
    if (output->published)
        return true;
    if (output->broken) /* a new start removes what there is of it and reads the changes again */
        return cancel_check(err) &&
               error_set(err, ERROR_OUTSIDE, "raw file %s%s could not be written before; start capture again",
                         output->folder, name);
    if (!drain_all(output, err))
        return error_prefix(err, "writing raw file %s%s", output->folder, name);
    const struct raw_output_settings *settings = output->settings;
    char *to = mem_printf("%s%s", output->folder, name);
    bool ok;
    if (settings->encode == NULL) {
        ok = store_writer_publish(output->writer, to, true, err);
    } else {
        ok = store_writer_publish(output->writer, output->object, false, err) &&
             settings->encode(settings->encode_context, output->table, settings->spool, output->object, settings->raw,
                              to, err);
        struct error ignored;
        store_remove(settings->spool, output->object, &ignored);
    }
    output->broken = !ok;
    if (ok) {
        output->published = true;
        buf_deinit(&output->buffer);
        store_writer_close(output->writer);
        output->writer = NULL;
    } else {
        error_prefix(err, "writing raw file %s", to);
    }
    mem_free(to);
    return ok;
}

enum { GZIP_BLOCK_BYTES = 64 * 1024, GZIP_WINDOW_BITS = 15 + 16 }; /* +16: gzip header, not zlib's */

static bool deflate_block(z_stream *stream, int flush, struct store_writer *writer, struct error *err) {
    unsigned char out[GZIP_BLOCK_BYTES];
    do {
        stream->next_out = out;
        stream->avail_out = sizeof out;
        if (deflate(stream, flush) == Z_STREAM_ERROR)
            return error_set(err, ERROR_INTERNAL, "zlib: %s", stream->msg != NULL ? stream->msg : "stream error");
        if (!store_write(writer, out, sizeof out - stream->avail_out, err))
            return false;
    } while (stream->avail_out == 0);
    return true;
}

bool raw_encode_gzip(void *context, const void *table, struct store *spool, const char *from, struct store *raw,
                     const char *to, struct error *err) {
    (void)context;
    (void)table;
    bool ok = false;
    struct store_reader *reader = NULL;
    struct store_writer *writer = NULL;
    unsigned char *in = mem_alloc(GZIP_BLOCK_BYTES);
    z_stream stream = {0};
    if (deflateInit2(&stream, 6, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        mem_free(in);
        return error_set(err, ERROR_INTERNAL, "zlib cannot start");
    }
    if (!store_reader_open(spool, from, &reader, err) || !store_writer_open(raw, to, &writer, err))
        goto done;
    for (size_t got = 1; got > 0;) {
        if (!store_read(reader, in, GZIP_BLOCK_BYTES, &got, err))
            goto done;
        stream.next_in = in;
        stream.avail_in = (unsigned)got;
        if (!deflate_block(&stream, got > 0 ? Z_NO_FLUSH : Z_FINISH, writer, err))
            goto done;
    }
    ok = store_writer_publish(writer, to, true, err);
done:
    deflateEnd(&stream);
    store_writer_close(writer);
    store_reader_close(reader);
    mem_free(in);
    return ok;
}
