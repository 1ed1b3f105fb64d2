/* Iceberg's Avro files on any bytes. The first byte chooses how: as a file, as a manifest, as a manifest list, or its top bit
 * as the content of a block behind a header that is sound, so that the decoder is reached without luck. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/manifest_schema.h"

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_avro: %s\n", what);
    abort();
}

/* id long, at date; by bucket[4](id), identity(at). */
static struct iceberg_metadata *make_table(void) {
    struct iceberg_metadata *metadata = iceberg_metadata_new("file:///t", 3);
    struct iceberg_field fields[] = {{.id = 1, .name = "id", .type = {.kind = ICEBERG_LONG}},
                                     {.id = 2, .name = "at", .type = {.kind = ICEBERG_DATE}},
                                     {.id = 3, .name = "price", .type = {ICEBERG_DECIMAL, 9, 2, 0}}};
    struct iceberg_partition_field spec[] = {
        {.source_id = 1, .name = "bucket", .transform = {ICEBERG_BUCKET, 4}},
        {.source_id = 2, .name = "at", .transform = {ICEBERG_IDENTITY, 0}},
        {.source_id = 3, .name = "price", .transform = {ICEBERG_TRUNCATE, 10}},
    };
    iceberg_metadata_set_schema(metadata, fields, 3);
    iceberg_metadata_set_spec(metadata, spec, 3);
    return metadata;
}

static void put_header(struct buf *file, const char *schema, size_t block_bytes, int64_t records) {
    buf_append(file, "Obj\1", 4);
    avro_put_long(file, 1);
    avro_put_bytes(file, slice_of("avro.schema"));
    avro_put_bytes(file, slice_of(schema));
    avro_put_long(file, 0);
    buf_append(file, "0123456789abcdef", 16);
    avro_put_long(file, records);
    avro_put_long(file, (int64_t)block_bytes);
}

static void read_file(struct slice file) {
    struct avro_reader *reader;
    const struct avro_value *record;
    struct error err = {0};
    if (!avro_reader_open(file, &reader, &err)) {
        require(err.kind == ERROR_DATA, "an error of another kind");
        return;
    }
    size_t count = 0;
    while (avro_reader_next(reader, &record, &err) && record != NULL && count++ < 10000)
        avro_find(record, 1);
    avro_reader_close(reader);
}

/* What was read can be written, and reads the same. */
static void write_entry(const struct iceberg_metadata *metadata, const struct iceberg_manifest_file *file,
                        const struct iceberg_entry *entry) {
    struct iceberg_manifest_writer writer;
    struct iceberg_manifest_reader *reader;
    struct iceberg_manifest_file out;
    struct arena arena;
    const struct iceberg_entry *again;
    arena_init(&arena);
    enum iceberg_manifest_content content =
        entry->file.content == ICEBERG_DATA_FILE ? ICEBERG_DATA_MANIFEST : ICEBERG_DELETE_MANIFEST;
    require(iceberg_manifest_writer_init(&writer, metadata, metadata->spec, content, NULL), "no writer");
    require(iceberg_manifest_add(&writer, entry, NULL), "an entry that was read cannot be written");
    struct slice bytes = iceberg_manifest_finish(&writer, &arena, "m", 1, &out);
    out.sequence_number = file->sequence_number;
    require(iceberg_manifest_open(metadata, &out, bytes, &reader, NULL), "what was written does not open");
    require(iceberg_manifest_next(reader, &again, NULL) && again != NULL, "what was written does not read");
    require(again->status == entry->status && again->sequence_number == entry->sequence_number &&
                again->file.record_count == entry->file.record_count &&
                again->file.lower.count == entry->file.lower.count && strcmp(again->file.path, entry->file.path) == 0,
            "what was written reads differently");
    iceberg_manifest_close(reader);
    iceberg_manifest_writer_deinit(&writer);
    arena_deinit(&arena);
}

static void read_manifest(const struct iceberg_metadata *metadata, struct slice bytes) {
    struct iceberg_manifest_file file = {.spec_id = 0, .sequence_number = 5, .added_snapshot_id = 6, .first_row_id = 7};
    struct iceberg_manifest_reader *reader;
    const struct iceberg_entry *entry;
    struct error err = {0};
    if (!iceberg_manifest_open(metadata, &file, bytes, &reader, &err)) {
        require(err.kind == ERROR_DATA, "an error of another kind");
        return;
    }
    for (int i = 0; i < 4 && iceberg_manifest_next(reader, &entry, &err) && entry != NULL; i++)
        write_entry(metadata, &file, entry);
    iceberg_manifest_close(reader);
}

static void read_list(struct slice bytes) {
    struct arena arena;
    struct iceberg_manifest_file *files;
    size_t count;
    struct error err = {0};
    arena_init(&arena);
    if (iceberg_list_read(&arena, bytes, &files, &count, &err)) {
        struct iceberg_list_header header = {3, 1, ICEBERG_NO_SNAPSHOT, 9, 0};
        struct iceberg_manifest_file *again;
        struct buf out;
        size_t again_count;
        int64_t added_rows;
        buf_init(&out, BUF_MAX_DEFAULT);
        size_t want = count < 1000 ? count : 1000;
        if (iceberg_list_write(&header, files, want, &out, &added_rows, &err)) {
            require(iceberg_list_read(&arena, (struct slice){out.data, out.len}, &again, &again_count, NULL),
                    "a list that was written does not read");
            require(again_count == want, "a list lost manifests");
        } else {
            require(err.kind == ERROR_DATA, "an error of another kind");
        }
        buf_deinit(&out);
    } else {
        require(err.kind == ERROR_DATA, "an error of another kind");
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct iceberg_metadata *metadata = make_table();
    struct iceberg_type types[3];
    for (size_t i = 0; i < 3; i++)
        types[i] = iceberg_metadata_partition_type(metadata, &metadata->spec->fields[i]);
    struct slice bytes = {(const char *)data + 1, size - 1};
    struct buf file;
    buf_init(&file, BUF_MAX_DEFAULT);
    unsigned how = data[0] & 3;
    if ((data[0] & 0x80) != 0) {
        char *schema = how == 2 ? iceberg_list_schema(3) : iceberg_manifest_schema(3, metadata->spec, types);
        put_header(&file, schema, bytes.len, 1 + (data[0] >> 4 & 3));
        free(schema);
        buf_append(&file, bytes.data, bytes.len);
        buf_append(&file, "0123456789abcdef", 16);
        bytes = (struct slice){file.data, file.len};
    }
    if (how == 1)
        read_manifest(metadata, bytes);
    else if (how == 2)
        read_list(bytes);
    else
        read_file(bytes);
    buf_deinit(&file);
    iceberg_metadata_free(metadata);
    return 0;
}
