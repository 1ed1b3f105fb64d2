/* Manifests: writing. The values are put in the order of iceberg_manifest_schema. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/manifest_schema.h"

/* --- one writer */

static bool find_types(struct iceberg_manifest_writer *writer, struct error *err) {
    const struct iceberg_spec *spec = writer->spec;
    for (size_t i = 0; i < spec->field_count; i++) {
        writer->types[i] = iceberg_metadata_partition_type(writer->metadata, &spec->fields[i]);
        if (spec->fields[i].transform.kind == ICEBERG_UNKNOWN_TRANSFORM || writer->types[i].kind == ICEBERG_OTHER)
            return error_set(err, ERROR_DATA,
                             "the table is partitioned by \"%s\" with a transform or a type that sluice does not know",
                             spec->fields[i].name);
    }
    return true;
}

static char *dump(const json_t *json) {
    char *text = json_dumps(json, JSON_COMPACT);
    assert(text != NULL);
    return text;
}

static void start_file(struct iceberg_manifest_writer *writer) {
    char schema_id[16], spec_id[16], version[16];
    const struct iceberg_metadata *metadata = writer->metadata;
    char *schema = dump(metadata->schema->json), *fields = dump(json_object_get(writer->spec->json, "fields"));
    char *avro = iceberg_manifest_schema(metadata->format_version, writer->spec, writer->types);
    snprintf(schema_id, sizeof schema_id, "%d", metadata->schema->id);
    snprintf(spec_id, sizeof spec_id, "%d", writer->spec->id);
    snprintf(version, sizeof version, "%d", metadata->format_version);
    struct avro_meta meta[] = {
        {"schema", schema},          {"schema-id", schema_id},
        {"partition-spec", fields},  {"partition-spec-id", spec_id},
        {"format-version", version}, {"content", writer->file.content == ICEBERG_DATA_MANIFEST ? "data" : "deletes"},
    };
    avro_writer_init(&writer->avro, avro, meta, sizeof meta / sizeof meta[0]);
    free(avro);
    free(fields);
    free(schema);
}

bool iceberg_manifest_writer_init(struct iceberg_manifest_writer *writer, const struct iceberg_metadata *metadata,
                                  const struct iceberg_spec *spec, enum iceberg_manifest_content content,
                                  struct error *err) {
    assert(metadata->format_version > 1);
    *writer = (struct iceberg_manifest_writer){.metadata = metadata, .spec = spec};
    arena_init(&writer->arena);
    writer->types = arena_alloc(&writer->arena, (spec->field_count + 1) * sizeof *writer->types);
    writer->summaries = arena_alloc(&writer->arena, (spec->field_count + 1) * sizeof *writer->summaries);
    writer->file = (struct iceberg_manifest_file){.spec_id = spec->id,
                                                  .content = content,
                                                  .sequence_number = ICEBERG_NO_NUMBER,
                                                  .min_sequence_number = ICEBERG_NO_NUMBER,
                                                  .first_row_id = ICEBERG_NO_NUMBER};
    if (!find_types(writer, err)) {
        arena_deinit(&writer->arena);
        return false;
    }
    start_file(writer);
    return true;
}

void iceberg_manifest_writer_deinit(struct iceberg_manifest_writer *writer) {
    avro_writer_deinit(&writer->avro);
    arena_deinit(&writer->arena);
}

/* --- values */

static void put_optional(struct buf *out, int64_t v, int64_t null) {
    avro_put_long(out, v != null);
    if (v != null)
        avro_put_long(out, v);
}

static void put_optional_bytes(struct buf *out, struct slice bytes) {
    avro_put_long(out, bytes.data != NULL);
    if (bytes.data != NULL)
        avro_put_bytes(out, bytes);
}

/* The branch of the union, and the head of the only block of the list; the caller puts the items and end_list. */
static bool start_list(struct buf *out, const void *items, size_t count) {
    avro_put_long(out, items != NULL);
    if (items != NULL && count > 0)
        avro_put_long(out, (int64_t)count);
    return items != NULL;
}

static void end_list(struct buf *out) { avro_put_long(out, 0); }

static void put_counts(struct buf *out, struct iceberg_counts counts) {
    if (!start_list(out, counts.items, counts.count))
        return;
    for (size_t i = 0; i < counts.count; i++) {
        avro_put_long(out, counts.items[i].field_id);
        avro_put_long(out, counts.items[i].count);
    }
    end_list(out);
}

static void put_bounds(struct buf *out, struct iceberg_bounds bounds) {
    if (!start_list(out, bounds.items, bounds.count))
        return;
    for (size_t i = 0; i < bounds.count; i++) {
        avro_put_long(out, bounds.items[i].field_id);
        avro_put_bytes(out, bounds.items[i].value);
    }
    end_list(out);
}

static void put_partition(struct iceberg_manifest_writer *writer, const struct iceberg_file *file) {
    struct buf *out = &writer->avro.record;
    for (size_t i = 0; i < writer->spec->field_count; i++) {
        bool is_null = iceberg_value_is_null(file->partition[i]);
        avro_put_long(out, !is_null);
        if (!is_null)
            iceberg_value_put_avro(out, writer->types[i], file->partition[i]);
    }
}

static void put_lists(struct buf *out, const struct iceberg_file *file) {
    if (start_list(out, file->split_offsets, file->split_offset_count)) {
        for (size_t i = 0; i < file->split_offset_count; i++)
            avro_put_long(out, file->split_offsets[i]);
        end_list(out);
    }
    if (start_list(out, file->equality_ids, file->equality_id_count)) {
        for (size_t i = 0; i < file->equality_id_count; i++)
            avro_put_long(out, file->equality_ids[i]);
        end_list(out);
    }
}

static void put_file(struct iceberg_manifest_writer *writer, const struct iceberg_file *file) {
    struct buf *out = &writer->avro.record;
    bool is_third = writer->metadata->format_version >= 3;
    struct slice referenced = {file->referenced_file,
                               file->referenced_file != NULL ? strlen(file->referenced_file) : 0};
    avro_put_long(out, file->content);
    avro_put_bytes(out, slice_of(file->path));
    avro_put_bytes(out, slice_of(file->format));
    put_partition(writer, file);
    avro_put_long(out, file->record_count);
    avro_put_long(out, file->size_bytes);
    put_counts(out, file->column_sizes);
    put_counts(out, file->value_counts);
    put_counts(out, file->null_counts);
    put_counts(out, file->nan_counts);
    put_bounds(out, file->lower);
    put_bounds(out, file->upper);
    put_optional_bytes(out, file->key_metadata);
    put_lists(out, file);
    put_optional(out, file->sort_order_id, -1);
    if (is_third)
        put_optional(out, file->first_row_id, ICEBERG_NO_NUMBER);
    put_optional_bytes(out, referenced);
    if (is_third) {
        put_optional(out, file->content_offset, ICEBERG_NO_NUMBER);
        put_optional(out, file->content_size, ICEBERG_NO_NUMBER);
    }
}

/* --- what the list says of the manifest */

/* Files of before a column of the partition became wider have their values in the narrower form. */
static void promote_partition(struct iceberg_manifest_writer *writer, struct iceberg_file *file) {
    struct slice *values = arena_alloc(&writer->arena, (writer->spec->field_count + 1) * sizeof *values);
    for (size_t i = 0; i < writer->spec->field_count; i++) {
        values[i] = file->partition[i];
        if (!iceberg_value_is_valid(writer->types[i], values[i])) {
            struct slice promoted = iceberg_value_promote(&writer->arena, writer->types[i], values[i]);
            if (!iceberg_value_is_null(promoted))
                values[i] = promoted;
        }
    }
    file->partition = values;
}

static bool check_partition(const struct iceberg_manifest_writer *writer, const struct iceberg_file *file,
                            struct error *err) {
    for (size_t i = 0; i < writer->spec->field_count; i++)
        if (!iceberg_value_is_valid(writer->types[i], file->partition[i]))
            return error_set(err, ERROR_DATA,
                             "partition \"%s\": a value does not fit the column's type: choose a smaller width",
                             writer->spec->fields[i].name);
    return true;
}

static void replace(struct iceberg_manifest_writer *writer, struct slice *bound, struct slice value) {
    *bound = iceberg_value_of_bytes(&writer->arena, value);
}

static void summarize(struct iceberg_manifest_writer *writer, const struct iceberg_file *file) {
    for (size_t i = 0; i < writer->spec->field_count; i++) {
        struct iceberg_field_summary *summary = &writer->summaries[i];
        struct iceberg_type type = writer->types[i];
        struct slice value = file->partition[i];
        summary->nan_known = true;
        if (iceberg_value_is_null(value)) {
            summary->contains_null = true;
        } else if (iceberg_value_is_nan(type, value)) {
            summary->contains_nan = true;
        } else {
            if (iceberg_value_is_null(summary->lower) || iceberg_value_compare(type, value, summary->lower) < 0)
                replace(writer, &summary->lower, value);
            if (iceberg_value_is_null(summary->upper) || iceberg_value_compare(type, value, summary->upper) > 0)
                replace(writer, &summary->upper, value);
        }
    }
}

static void count_entry(struct iceberg_manifest_file *file, const struct iceberg_entry *entry) {
    switch (entry->status) {
    case ICEBERG_ADDED:
        file->added_files++;
        file->added_rows += entry->file.record_count;
        break;
    case ICEBERG_EXISTING:
        file->existing_files++;
        file->existing_rows += entry->file.record_count;
        break;
    case ICEBERG_DELETED:
        file->deleted_files++;
        file->deleted_rows += entry->file.record_count;
        return; /* no live file: its sequence number does not count */
    }
    if (entry->sequence_number != ICEBERG_NO_NUMBER &&
        (file->min_sequence_number == ICEBERG_NO_NUMBER || entry->sequence_number < file->min_sequence_number))
        file->min_sequence_number = entry->sequence_number;
}

bool iceberg_manifest_add(struct iceberg_manifest_writer *writer, const struct iceberg_entry *entry,
                          struct error *err) {
    assert(entry->status == ICEBERG_ADDED ||
           (entry->snapshot_id != ICEBERG_NO_NUMBER && entry->sequence_number != ICEBERG_NO_NUMBER &&
            entry->file_sequence_number != ICEBERG_NO_NUMBER));
    assert((entry->file.content == ICEBERG_DATA_FILE) == (writer->file.content == ICEBERG_DATA_MANIFEST));
    struct iceberg_file file = entry->file;
    promote_partition(writer, &file);
    if (!check_partition(writer, &file, err))
        return false;
    struct buf *out = &writer->avro.record;
    avro_put_long(out, entry->status);
    put_optional(out, entry->snapshot_id, ICEBERG_NO_NUMBER);
    put_optional(out, entry->sequence_number, ICEBERG_NO_NUMBER);
    put_optional(out, entry->file_sequence_number, ICEBERG_NO_NUMBER);
    put_file(writer, &file);
    avro_writer_end_record(&writer->avro);
    summarize(writer, &file);
    count_entry(&writer->file, entry);
    return true;
}

struct slice iceberg_manifest_finish(struct iceberg_manifest_writer *writer, struct arena *arena, const char *path,
                                     int64_t snapshot_id, struct iceberg_manifest_file *out) {
    size_t count = writer->spec->field_count;
    struct iceberg_field_summary *summaries = arena_alloc(arena, (count + 1) * sizeof *summaries);
    for (size_t i = 0; i < count; i++) {
        summaries[i] = writer->summaries[i];
        if (!iceberg_value_is_null(summaries[i].lower)) {
            summaries[i].lower = iceberg_value_of_bytes(arena, summaries[i].lower);
            summaries[i].upper = iceberg_value_of_bytes(arena, summaries[i].upper);
        }
    }
    avro_writer_finish(&writer->avro);
    *out = writer->file;
    out->path = path;
    out->length = (int64_t)writer->avro.file.len;
    out->added_snapshot_id = snapshot_id;
    out->partitions = summaries;
    out->partition_count = count;
    return (struct slice){writer->avro.file.data, writer->avro.file.len};
}
