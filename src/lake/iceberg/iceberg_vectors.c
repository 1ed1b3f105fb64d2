/* Deletion vectors: which rows of a data file are no more, as one set in a Puffin file (puffin.h), of which a manifest's entry
 * names the place. The engine reads them through sluice_positions, one text for each:
 *
 *   "<rows that it deletes> <rows of the data file> <offset> <size> <name in the store>" */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"
#include "lake/iceberg/puffin.h"

bool iceberg_is_vector(const struct iceberg_file *file) {
    return file->content == ICEBERG_POSITION_DELETES && strcasecmp(file->format, ICEBERG_PUFFIN_FORMAT) == 0;
}

bool iceberg_check_vector(const struct iceberg_file *file, struct error *err) {
    return (file->referenced_file != NULL && file->content_offset >= 0 && file->content_size >= 0 &&
            file->content_size <= PUFFIN_BLOBS_MAX_BYTES) ||
           error_set(err, ERROR_DATA, "%s: a deletion vector's entry does not say of which data file it is, or where",
                     file->path);
}

/* --- reading one */

struct place {
    uint64_t count, rows, offset, size;
    const char *name;
};

static bool parse_place(const char *text, struct place *out) {
    int end = 0;
    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "%n", &out->count, &out->rows, &out->offset,
               &out->size, &end) != 4 ||
        text[end] != ' ')
        return false;
    out->name = text + end + 1;
    return out->size <= PUFFIN_BLOBS_MAX_BYTES;
}

/* What the manifests say of it has to be true: rows would be lost or come back. */
static bool check_set(const struct place *place, const struct roaring *set, struct error *err) {
    uint64_t last = 0, count = roaring_count(set);
    if (count != place->count)
        return error_set(err, ERROR_DATA, "it deletes %" PRIu64 " rows, and the manifest says %" PRIu64, count,
                         place->count);
    return !roaring_last(set, &last) || last < place->rows ||
           error_set(err, ERROR_DATA, "it deletes row %" PRIu64 " of a data file with %" PRIu64 " rows", last,
                     place->rows);
}

static bool read_place(struct store *store, const struct place *place, struct roaring *out, struct error *err) {
    char *bytes = mem_alloc(place->size);
    bool ok = store_read_range(store, place->name, place->offset, bytes, place->size, err) &&
              puffin_read_vector((struct slice){bytes, place->size}, out, err) && check_set(place, out, err);
    mem_free(bytes);
    return ok || error_prefix(err, "the deletion vector at byte %" PRIu64 " of %s", place->offset, place->name);
}

bool iceberg_read_vector(const struct lake *lake, const struct iceberg_file *vector, const struct iceberg_file *data,
                         struct roaring *out, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct place place = {(uint64_t)vector->record_count, (uint64_t)data->record_count,
                          (uint64_t)vector->content_offset, (uint64_t)vector->content_size,
                          iceberg_store_name(lake, &arena, vector->path, err)};
    bool ok = place.name != NULL && read_place(lake->store, &place, out, err);
    arena_deinit(&arena);
    return ok;
}

/* --- for the engine */

struct reader {
    struct roaring set;
    struct roaring_cursor cursor;
};

static uint64_t reader_count(const char *text) { return strtoull(text, NULL, 10); }

static void reader_close(void *data) {
    struct reader *reader = data;
    roaring_deinit(&reader->set);
    mem_free(reader);
}

static bool reader_open(void *store, const char *text, void **out, struct error *err) {
    struct place place;
    if (!parse_place(text, &place))
        return error_set(err, ERROR_CONFIG, "sluice_positions: \"%s\" is not a place in a file", text);
    struct reader *reader = mem_zalloc(sizeof *reader);
    roaring_init(&reader->set);
    if (!read_place(store, &place, &reader->set, err)) {
        reader_close(reader);
        return false;
    }
    reader->cursor = roaring_begin(&reader->set);
    *out = reader;
    return true;
}

static size_t reader_next(void *data, int64_t *out, size_t capacity) {
    struct reader *reader = data;
    uint64_t position;
    size_t count = 0;
    while (count < capacity && roaring_next(&reader->cursor, &position))
        out[count++] = (int64_t)position;
    return count;
}

bool iceberg_append_vector(const struct lake *lake, const struct iceberg_file *vector, const struct iceberg_file *data,
                           struct buf *sql, struct error *err) {
    const struct engine_positions source = {lake->store, reader_count, reader_open, reader_next, reader_close};
    struct arena arena;
    arena_init(&arena);
    engine_positions_set(lake->engine, &source);
    const char *name = iceberg_store_name(lake, &arena, vector->path, err);
    if (name != NULL) {
        const char *text =
            arena_printf(&arena, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s", vector->record_count,
                         data->record_count, vector->content_offset, vector->content_size, name);
        buf_append_sql_text(sql, text, strlen(text));
    }
    arena_deinit(&arena);
    return name != NULL;
}
