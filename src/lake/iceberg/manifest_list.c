/* Manifest lists. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/manifest_read.h"
#include "lake/iceberg/manifest_schema.h"

/* --- reading */

static void read_summary(struct iceberg_fields *fields, const struct avro_value *record,
                         struct iceberg_field_summary *out) {
    struct iceberg_fields part = {.arena = fields->arena, .record = record};
    if (record->schema->kind != AVRO_RECORD) {
        iceberg_fields_fail(fields, "partitions");
        return;
    }
    const struct avro_value *nan = avro_find(record, ICEBERG_LIST_CONTAINS_NAN);
    out->contains_null = iceberg_fields_bool(&part, ICEBERG_LIST_CONTAINS_NULL, true);
    out->nan_known = nan != NULL;
    out->contains_nan = iceberg_fields_bool(&part, ICEBERG_LIST_CONTAINS_NAN, false);
    out->lower = iceberg_fields_bytes(&part, ICEBERG_LIST_LOWER);
    out->upper = iceberg_fields_bytes(&part, ICEBERG_LIST_UPPER);
    if (part.failed != NULL)
        iceberg_fields_fail(fields, part.failed);
}

static void read_summaries(struct iceberg_fields *fields, struct iceberg_manifest_file *out) {
    const struct avro_value *list = avro_find(fields->record, ICEBERG_LIST_PARTITIONS);
    if (list == NULL)
        return;
    if (list->schema->kind != AVRO_ARRAY) {
        iceberg_fields_fail(fields, "partitions");
        return;
    }
    size_t count = list->as.list.count;
    struct iceberg_field_summary *summaries = arena_alloc(fields->arena, (count + 1) * sizeof *summaries);
    for (size_t i = 0; i < count; i++)
        read_summary(fields, &list->as.list.items[i], &summaries[i]);
    out->partitions = summaries;
    out->partition_count = count;
}

static void read_manifest_file(struct iceberg_fields *fields, struct iceberg_manifest_file *out) {
    int64_t content = iceberg_fields_long(fields, ICEBERG_LIST_CONTENT, "content", ICEBERG_DATA_MANIFEST);
    *out = (struct iceberg_manifest_file){
        .path = iceberg_fields_text(fields, ICEBERG_LIST_PATH, "manifest_path"),
        .length = iceberg_fields_count(fields, ICEBERG_LIST_LENGTH, "manifest_length"),
        .spec_id = iceberg_fields_int(fields, ICEBERG_LIST_SPEC_ID, "partition_spec_id", 0),
        .content = content == ICEBERG_DELETE_MANIFEST ? ICEBERG_DELETE_MANIFEST : ICEBERG_DATA_MANIFEST,
        .sequence_number = iceberg_fields_long(fields, ICEBERG_LIST_SEQUENCE, "sequence_number", 0),
        .min_sequence_number = iceberg_fields_long(fields, ICEBERG_LIST_MIN_SEQUENCE, "min_sequence_number", 0),
        .added_snapshot_id =
            iceberg_fields_long(fields, ICEBERG_LIST_SNAPSHOT_ID, "added_snapshot_id", ICEBERG_NO_NUMBER),
        .added_files = iceberg_fields_count(fields, ICEBERG_LIST_ADDED_FILES, "added_files_count"),
        .existing_files = iceberg_fields_count(fields, ICEBERG_LIST_EXISTING_FILES, "existing_files_count"),
        .deleted_files = iceberg_fields_count(fields, ICEBERG_LIST_DELETED_FILES, "deleted_files_count"),
        .added_rows = iceberg_fields_count(fields, ICEBERG_LIST_ADDED_ROWS, "added_rows_count"),
        .existing_rows = iceberg_fields_count(fields, ICEBERG_LIST_EXISTING_ROWS, "existing_rows_count"),
        .deleted_rows = iceberg_fields_count(fields, ICEBERG_LIST_DELETED_ROWS, "deleted_rows_count"),
        .key_metadata = iceberg_fields_bytes(fields, ICEBERG_LIST_KEY_METADATA),
        .first_row_id = iceberg_fields_long(fields, ICEBERG_LIST_FIRST_ROW_ID, "first_row_id", ICEBERG_NO_NUMBER),
    };
    if (out->length == ICEBERG_NO_NUMBER)
        iceberg_fields_fail(fields, "manifest_length");
    if (out->added_snapshot_id == ICEBERG_NO_NUMBER)
        iceberg_fields_fail(fields, "added_snapshot_id");
    if (content != ICEBERG_DATA_MANIFEST && content != ICEBERG_DELETE_MANIFEST)
        iceberg_fields_fail(fields, "content");
    read_summaries(fields, out);
}

struct list {
    struct iceberg_manifest_file *files;
    size_t count, capacity;
};

static bool read_records(struct arena *arena, struct avro_reader *reader, struct list *list, struct error *err) {
    const struct avro_value *record;
    bool ok;
    while ((ok = avro_reader_next(reader, &record, err)) && record != NULL) {
        struct iceberg_fields fields = {.arena = arena, .record = record};
        list->files = mem_grow(list->files, list->count, &list->capacity, sizeof *list->files);
        read_manifest_file(&fields, &list->files[list->count++]);
        if (fields.failed != NULL)
            return error_set(err, ERROR_DATA, "manifest list: \"%s\" is missing or not what it should be",
                             fields.failed);
    }
    return ok;
}

bool iceberg_list_read(struct arena *arena, struct slice file, struct iceberg_manifest_file **out, size_t *count,
                       struct error *err) {
    struct avro_reader *reader = NULL;
    struct list list = {.count = 0};
    bool ok = avro_reader_open(file, &reader, err) && read_records(arena, reader, &list, err);
    if (ok) {
        *out = arena_alloc(arena, (list.count + 1) * sizeof **out);
        if (list.count > 0)
            memcpy(*out, list.files, list.count * sizeof **out);
        *count = list.count;
    }
    mem_free(list.files);
    avro_reader_close(reader);
    return ok;
}

/* --- writing */

static void put_optional_bytes(struct buf *out, struct slice bytes) {
    avro_put_long(out, bytes.data != NULL);
    if (bytes.data != NULL)
        avro_put_bytes(out, bytes);
}

static void put_summaries(struct buf *out, const struct iceberg_manifest_file *file) {
    avro_put_long(out, file->partitions != NULL);
    if (file->partitions == NULL)
        return;
    if (file->partition_count > 0)
        avro_put_long(out, (int64_t)file->partition_count);
    for (size_t i = 0; i < file->partition_count; i++) {
        const struct iceberg_field_summary *summary = &file->partitions[i];
        avro_put_bool(out, summary->contains_null);
        avro_put_long(out, summary->nan_known);
        if (summary->nan_known)
            avro_put_bool(out, summary->contains_nan);
        put_optional_bytes(out, summary->lower);
        put_optional_bytes(out, summary->upper);
    }
    avro_put_long(out, 0);
}

/* What a manifest of version 1 may not say is said as "some": 1 is never taken for nothing. */
static void put_count(struct buf *out, int64_t count) { avro_put_long(out, count != ICEBERG_NO_NUMBER ? count : 1); }

static void put_manifest_file(struct buf *out, const struct iceberg_list_header *header,
                              const struct iceberg_manifest_file *file) {
    bool is_new = file->sequence_number == ICEBERG_NO_NUMBER;
    avro_put_bytes(out, slice_of(file->path));
    avro_put_long(out, file->length);
    avro_put_long(out, file->spec_id);
    avro_put_long(out, file->content);
    avro_put_long(out, is_new ? header->sequence_number : file->sequence_number);
    avro_put_long(out,
                  file->min_sequence_number == ICEBERG_NO_NUMBER ? header->sequence_number : file->min_sequence_number);
    avro_put_long(out, file->added_snapshot_id);
    put_count(out, file->added_files);
    put_count(out, file->existing_files);
    put_count(out, file->deleted_files);
    put_count(out, file->added_rows);
    put_count(out, file->existing_rows);
    put_count(out, file->deleted_rows);
    put_summaries(out, file);
    put_optional_bytes(out, file->key_metadata);
}

/* Every data manifest has its row ids from here on: those of its added and existing rows, at most. */
static bool put_first_row_id(struct buf *out, const struct iceberg_manifest_file *file, int64_t *next,
                             struct error *err) {
    avro_put_long(out, file->content == ICEBERG_DATA_MANIFEST);
    if (file->content != ICEBERG_DATA_MANIFEST)
        return true;
    if (file->first_row_id != ICEBERG_NO_NUMBER) {
        avro_put_long(out, file->first_row_id);
        return true;
    }
    if (file->added_rows == ICEBERG_NO_NUMBER || file->existing_rows == ICEBERG_NO_NUMBER)
        return error_set(
            err, ERROR_DATA,
            "manifest %s: the list does not say how many rows it has, so they can get no row ids: have its "
            "writer rewrite the manifests",
            file->path);
    if (*next > INT64_MAX - file->added_rows - file->existing_rows)
        return error_set(err, ERROR_DATA, "manifest %s: the table has no row ids left", file->path);
    avro_put_long(out, *next);
    *next += file->added_rows + file->existing_rows;
    return true;
}

static const char *number_text(char *to, size_t size, int64_t v) {
    snprintf(to, size, "%lld", (long long)v);
    return to;
}

bool iceberg_list_write(const struct iceberg_list_header *header, const struct iceberg_manifest_file *manifests,
                        size_t count, struct buf *out, int64_t *added_rows, struct error *err) {
    char id[24], parent[24], sequence[24], version[24], row[24];
    int64_t next_row_id = header->first_row_id;
    struct avro_meta meta[] = {
        {"snapshot-id", number_text(id, sizeof id, header->snapshot_id)},
        {"parent-snapshot-id",
         header->parent_id == ICEBERG_NO_SNAPSHOT ? "null" : number_text(parent, sizeof parent, header->parent_id)},
        {"sequence-number", number_text(sequence, sizeof sequence, header->sequence_number)},
        {"format-version", number_text(version, sizeof version, header->format_version)},
        {"first-row-id", number_text(row, sizeof row, header->first_row_id)},
    };
    struct avro_writer writer;
    char *schema = iceberg_list_schema(header->format_version);
    avro_writer_init(&writer, schema, meta, header->format_version >= 3 ? 5 : 4);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        put_manifest_file(&writer.record, header, &manifests[i]);
        if (header->format_version >= 3)
            ok = put_first_row_id(&writer.record, &manifests[i], &next_row_id, err);
        avro_writer_end_record(&writer);
    }
    avro_writer_finish(&writer);
    if (ok) {
        buf_append(out, writer.file.data, writer.file.len);
        *added_rows = next_row_id - header->first_row_id;
    }
    avro_writer_deinit(&writer);
    free(schema);
    return ok;
}
