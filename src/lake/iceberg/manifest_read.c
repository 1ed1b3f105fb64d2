/* Manifests: reading, and what manifest_list.c reads records with. */
#include "lake/iceberg/manifest_read.h"

#include <assert.h>
#include <string.h>

#include "lake/iceberg/manifest_schema.h"

/* --- fields */

void iceberg_fields_fail(struct iceberg_fields *fields, const char *name) {
    if (fields->failed == NULL)
        fields->failed = name;
}

static bool is_integer(const struct avro_value *value) {
    return value->schema->kind == AVRO_INT || value->schema->kind == AVRO_LONG;
}

static bool is_bytes(const struct avro_value *value) {
    return value->schema->kind == AVRO_BYTES || value->schema->kind == AVRO_STRING || value->schema->kind == AVRO_FIXED;
}

int64_t iceberg_fields_long(struct iceberg_fields *fields, int32_t id, const char *name, int64_t missing) {
    const struct avro_value *value = avro_find(fields->record, id);
    if (value == NULL)
        return missing;
    if (is_integer(value) && value->as.number >= 0)
        return value->as.number;
    iceberg_fields_fail(fields, name);
    return missing;
}

int64_t iceberg_fields_count(struct iceberg_fields *fields, int32_t id, const char *name) {
    int64_t count = iceberg_fields_long(fields, id, name, ICEBERG_NO_NUMBER);
    if (count > ICEBERG_COUNT_MAX)
        iceberg_fields_fail(fields, name);
    return count;
}

int32_t iceberg_fields_int(struct iceberg_fields *fields, int32_t id, const char *name, int32_t missing) {
    int64_t v = iceberg_fields_long(fields, id, name, missing);
    if (v <= INT32_MAX)
        return (int32_t)v;
    iceberg_fields_fail(fields, name);
    return missing;
}

bool iceberg_fields_bool(struct iceberg_fields *fields, int32_t id, bool missing) {
    const struct avro_value *value = avro_find(fields->record, id);
    if (value != NULL && value->schema->kind != AVRO_BOOLEAN)
        iceberg_fields_fail(fields, "a boolean");
    return value != NULL && value->schema->kind == AVRO_BOOLEAN ? value->as.boolean : missing;
}

struct slice iceberg_fields_bytes(struct iceberg_fields *fields, int32_t id) {
    const struct avro_value *value = avro_find(fields->record, id);
    if (value != NULL && !is_bytes(value))
        iceberg_fields_fail(fields, "a binary value");
    return value != NULL && is_bytes(value) ? iceberg_value_of_bytes(fields->arena, value->as.bytes)
                                            : (struct slice){NULL, 0};
}

const char *iceberg_fields_text(struct iceberg_fields *fields, int32_t id, const char *name) {
    const struct avro_value *value = avro_find(fields->record, id);
    if (value != NULL && is_bytes(value)) {
        char *text = arena_strndup(fields->arena, value->as.bytes.data, value->as.bytes.len);
        if (strlen(text) == value->as.bytes.len)
            return text;
    }
    iceberg_fields_fail(fields, name);
    return "";
}

static const char *read_optional_text(struct iceberg_fields *fields, int32_t id, const char *name) {
    return avro_find(fields->record, id) != NULL ? iceberg_fields_text(fields, id, name) : NULL;
}

/* --- columns' metrics */

/* The map with that id; NULL when it is null. */
static const struct avro_value *find_map(struct iceberg_fields *fields, int32_t id, const char *name) {
    const struct avro_value *map = avro_find(fields->record, id);
    if (map == NULL || map->schema->kind == AVRO_MAP)
        return map;
    iceberg_fields_fail(fields, name);
    return NULL;
}

static bool read_key(struct iceberg_fields *fields, const struct avro_value *key, const char *name, int32_t *out) {
    if (!is_integer(key) || key->as.number < 0 || key->as.number > INT32_MAX) {
        iceberg_fields_fail(fields, name);
        return false;
    }
    *out = (int32_t)key->as.number;
    return true;
}

static struct iceberg_counts read_counts(struct iceberg_fields *fields, int32_t id, const char *name) {
    const struct avro_value *map = find_map(fields, id, name);
    if (map == NULL)
        return (struct iceberg_counts){NULL, 0};
    struct iceberg_count *items = arena_alloc(fields->arena, (map->as.list.count + 1) * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < map->as.list.count; i++) {
        const struct avro_value *value = &map->as.list.items[2 * i + 1];
        if (!read_key(fields, &map->as.list.items[2 * i], name, &items[count].field_id))
            break;
        if (is_integer(value))
            items[count++].count = value->as.number;
    }
    return (struct iceberg_counts){items, count};
}

static struct iceberg_bounds read_bounds(struct iceberg_fields *fields, int32_t id, const char *name) {
    const struct avro_value *map = find_map(fields, id, name);
    if (map == NULL)
        return (struct iceberg_bounds){NULL, 0};
    struct iceberg_bound *items = arena_alloc(fields->arena, (map->as.list.count + 1) * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < map->as.list.count; i++) {
        const struct avro_value *value = &map->as.list.items[2 * i + 1];
        if (!read_key(fields, &map->as.list.items[2 * i], name, &items[count].field_id))
            break;
        if (is_bytes(value))
            items[count++].value = iceberg_value_of_bytes(fields->arena, value->as.bytes);
    }
    return (struct iceberg_bounds){items, count};
}

struct slice iceberg_bounds_find(struct iceberg_bounds bounds, int32_t field_id) {
    for (size_t i = 0; i < bounds.count; i++)
        if (bounds.items[i].field_id == field_id)
            return bounds.items[i].value;
    return (struct slice){NULL, 0};
}

int64_t iceberg_counts_find(struct iceberg_counts counts, int32_t field_id) {
    for (size_t i = 0; i < counts.count; i++)
        if (counts.items[i].field_id == field_id)
            return counts.items[i].count;
    return ICEBERG_NO_NUMBER;
}

/* --- one manifest */

struct iceberg_manifest_reader {
    struct avro_reader *avro;
    const struct iceberg_manifest_file *manifest;
    const struct iceberg_spec *spec;
    struct iceberg_type *types; /* of the partition fields; OTHER: the values stay as the file has them */
    struct arena arena;         /* of the entry that was given last */
    struct iceberg_entry entry;
    int64_t next_row_id; /* for the next file without; ICEBERG_NO_NUMBER: none have one */
};

bool iceberg_manifest_open(const struct iceberg_metadata *metadata, const struct iceberg_manifest_file *manifest,
                           struct slice file, struct iceberg_manifest_reader **out, struct error *err) {
    const struct iceberg_spec *spec = iceberg_metadata_spec(metadata, manifest->spec_id);
    if (spec == NULL)
        return error_set(err, ERROR_DATA, "manifest: the table has no partition spec %d", manifest->spec_id);
    struct avro_reader *avro;
    if (!avro_reader_open(file, &avro, err))
        return false;
    struct iceberg_manifest_reader *reader = mem_zalloc(sizeof *reader);
    reader->avro = avro;
    reader->manifest = manifest;
    reader->spec = spec;
    reader->types = mem_zalloc((spec->field_count + 1) * sizeof *reader->types);
    for (size_t i = 0; i < spec->field_count; i++)
        reader->types[i] = iceberg_metadata_partition_type(metadata, &spec->fields[i]);
    reader->next_row_id = manifest->content == ICEBERG_DATA_MANIFEST ? manifest->first_row_id : ICEBERG_NO_NUMBER;
    arena_init(&reader->arena);
    *out = reader;
    return true;
}

void iceberg_manifest_close(struct iceberg_manifest_reader *reader) {
    if (reader == NULL)
        return;
    avro_reader_close(reader->avro);
    arena_deinit(&reader->arena);
    mem_free(reader->types);
    mem_free(reader);
}

static void read_partition(struct iceberg_manifest_reader *reader, struct iceberg_fields *fields,
                           struct iceberg_file *out) {
    const struct avro_value *record = avro_find(fields->record, ICEBERG_FILE_PARTITION);
    struct slice *values = arena_alloc(fields->arena, (reader->spec->field_count + 1) * sizeof *values);
    out->partition = values;
    if (record == NULL || record->schema->kind != AVRO_RECORD) {
        iceberg_fields_fail(fields, "partition");
        return;
    }
    for (size_t i = 0; i < reader->spec->field_count; i++) {
        const struct avro_value *value = avro_find(record, reader->spec->fields[i].id);
        struct iceberg_type type = reader->types[i];
        if (value == NULL)
            continue;
        values[i] = iceberg_value_from_avro(fields->arena, value);
        if (type.kind != ICEBERG_OTHER)
            values[i] = iceberg_value_promote(fields->arena, type, values[i]);
        if (iceberg_value_is_null(values[i]))
            iceberg_fields_fail(fields, "partition");
    }
}

/* Elements that are integers, as they are and as 32 bits. */
static const int64_t *read_longs(struct iceberg_fields *fields, int32_t id, const char *name, size_t *count) {
    const struct avro_value *list = avro_find(fields->record, id);
    *count = 0;
    if (list == NULL)
        return NULL;
    if (list->schema->kind != AVRO_ARRAY) {
        iceberg_fields_fail(fields, name);
        return NULL;
    }
    int64_t *items = arena_alloc(fields->arena, (list->as.list.count + 1) * sizeof *items);
    for (size_t i = 0; i < list->as.list.count; i++) {
        if (!is_integer(&list->as.list.items[i]))
            iceberg_fields_fail(fields, name);
        else
            items[(*count)++] = list->as.list.items[i].as.number;
    }
    return items;
}

static const int32_t *read_ids(struct iceberg_fields *fields, int32_t id, const char *name, size_t *count) {
    const int64_t *wide = read_longs(fields, id, name, count);
    if (wide == NULL)
        return NULL;
    int32_t *items = arena_alloc(fields->arena, (*count + 1) * sizeof *items);
    for (size_t i = 0; i < *count; i++) {
        if (wide[i] < 0 || wide[i] > INT32_MAX)
            iceberg_fields_fail(fields, name);
        items[i] = (int32_t)wide[i];
    }
    return items;
}

static void read_metrics(struct iceberg_fields *fields, struct iceberg_file *out) {
    out->column_sizes = read_counts(fields, ICEBERG_FILE_COLUMN_SIZES, "column_sizes");
    out->value_counts = read_counts(fields, ICEBERG_FILE_VALUE_COUNTS, "value_counts");
    out->null_counts = read_counts(fields, ICEBERG_FILE_NULL_COUNTS, "null_value_counts");
    out->nan_counts = read_counts(fields, ICEBERG_FILE_NAN_COUNTS, "nan_value_counts");
    out->lower = read_bounds(fields, ICEBERG_FILE_LOWER, "lower_bounds");
    out->upper = read_bounds(fields, ICEBERG_FILE_UPPER, "upper_bounds");
    out->split_offsets = read_longs(fields, ICEBERG_FILE_SPLIT_OFFSETS, "split_offsets", &out->split_offset_count);
    out->equality_ids = read_ids(fields, ICEBERG_FILE_EQUALITY_IDS, "equality_ids", &out->equality_id_count);
}

static void read_file(struct iceberg_manifest_reader *reader, struct iceberg_fields *fields, struct iceberg_file *out) {
    int64_t content = iceberg_fields_long(fields, ICEBERG_FILE_CONTENT, "content", ICEBERG_DATA_FILE);
    if (content > ICEBERG_EQUALITY_DELETES)
        iceberg_fields_fail(fields, "content");
    *out = (struct iceberg_file){
        .content = (enum iceberg_file_content)content,
        .path = iceberg_fields_text(fields, ICEBERG_FILE_PATH, "file_path"),
        .format = iceberg_fields_text(fields, ICEBERG_FILE_FORMAT, "file_format"),
        .record_count = iceberg_fields_count(fields, ICEBERG_FILE_RECORDS, "record_count"),
        .size_bytes = iceberg_fields_count(fields, ICEBERG_FILE_SIZE, "file_size_in_bytes"),
        .key_metadata = iceberg_fields_bytes(fields, ICEBERG_FILE_KEY_METADATA),
        .sort_order_id = iceberg_fields_int(fields, ICEBERG_FILE_SORT_ORDER, "sort_order_id", -1),
        .first_row_id = iceberg_fields_long(fields, ICEBERG_FILE_FIRST_ROW_ID, "first_row_id", ICEBERG_NO_NUMBER),
        .referenced_file = read_optional_text(fields, ICEBERG_FILE_REFERENCED, "referenced_data_file"),
        .content_offset = iceberg_fields_long(fields, ICEBERG_FILE_CONTENT_OFFSET, "content_offset", ICEBERG_NO_NUMBER),
        .content_size =
            iceberg_fields_long(fields, ICEBERG_FILE_CONTENT_SIZE, "content_size_in_bytes", ICEBERG_NO_NUMBER),
    };
    if (out->record_count == ICEBERG_NO_NUMBER)
        iceberg_fields_fail(fields, "record_count");
    if (out->size_bytes == ICEBERG_NO_NUMBER)
        iceberg_fields_fail(fields, "file_size_in_bytes");
    read_partition(reader, fields, out);
    read_metrics(fields, out);
}

/* Only what a snapshot adds inherits its sequence number; a manifest of version 1 (number 0) gives it to all of its files. */
static int64_t inherit_sequence(const struct iceberg_manifest_reader *reader, struct iceberg_fields *fields,
                                int64_t number, const char *name) {
    if (number != ICEBERG_NO_NUMBER)
        return number;
    if (reader->entry.status != ICEBERG_ADDED && reader->manifest->sequence_number != 0)
        iceberg_fields_fail(fields, name);
    return reader->manifest->sequence_number;
}

static void inherit_row_id(struct iceberg_manifest_reader *reader) {
    struct iceberg_file *file = &reader->entry.file;
    if (reader->next_row_id == ICEBERG_NO_NUMBER || file->first_row_id != ICEBERG_NO_NUMBER ||
        reader->entry.status == ICEBERG_DELETED)
        return;
    file->first_row_id = reader->next_row_id;
    /* Past the end of the numbers there are no more ids: only a damaged manifest has so many rows. */
    reader->next_row_id =
        file->record_count <= INT64_MAX - reader->next_row_id ? reader->next_row_id + file->record_count : INT64_MAX;
}

static void read_entry(struct iceberg_manifest_reader *reader, struct iceberg_fields *fields) {
    struct iceberg_entry *entry = &reader->entry;
    int64_t status = iceberg_fields_long(fields, ICEBERG_ENTRY_STATUS, "status", ICEBERG_NO_NUMBER);
    if (status < ICEBERG_EXISTING || status > ICEBERG_DELETED)
        iceberg_fields_fail(fields, "status");
    entry->status = (enum iceberg_entry_status)status;
    entry->snapshot_id =
        iceberg_fields_long(fields, ICEBERG_ENTRY_SNAPSHOT_ID, "snapshot_id", reader->manifest->added_snapshot_id);
    entry->sequence_number = inherit_sequence(
        reader, fields, iceberg_fields_long(fields, ICEBERG_ENTRY_SEQUENCE, "sequence_number", ICEBERG_NO_NUMBER),
        "sequence_number");
    entry->file_sequence_number = inherit_sequence(
        reader, fields,
        iceberg_fields_long(fields, ICEBERG_ENTRY_FILE_SEQUENCE, "file_sequence_number", ICEBERG_NO_NUMBER),
        "file_sequence_number");
    const struct avro_value *file = avro_find(fields->record, ICEBERG_ENTRY_FILE);
    if (file == NULL || file->schema->kind != AVRO_RECORD) {
        iceberg_fields_fail(fields, "data_file");
        return;
    }
    struct iceberg_fields of_file = {.arena = fields->arena, .record = file};
    read_file(reader, &of_file, &entry->file);
    if (of_file.failed != NULL)
        iceberg_fields_fail(fields, of_file.failed);
    inherit_row_id(reader);
}

bool iceberg_manifest_next(struct iceberg_manifest_reader *reader, const struct iceberg_entry **entry,
                           struct error *err) {
    const struct avro_value *record;
    *entry = NULL;
    if (!avro_reader_next(reader->avro, &record, err))
        return false;
    if (record == NULL)
        return true;
    arena_reset(&reader->arena);
    struct iceberg_fields fields = {.arena = &reader->arena, .record = record};
    read_entry(reader, &fields);
    if (fields.failed != NULL)
        return error_set(err, ERROR_DATA, "manifest: \"%s\" is missing or not what it should be", fields.failed);
    *entry = &reader->entry;
    return true;
}

/* --- copies */

static const void *copy_array(struct arena *arena, const void *items, size_t count, size_t item_bytes) {
    if (items == NULL)
        return NULL;
    void *copy = arena_alloc(arena, (count + 1) * item_bytes);
    if (count > 0)
        memcpy(copy, items, count * item_bytes);
    return copy;
}

static struct iceberg_counts copy_counts(struct arena *arena, struct iceberg_counts counts) {
    return (struct iceberg_counts){copy_array(arena, counts.items, counts.count, sizeof *counts.items), counts.count};
}

static struct slice copy_bytes(struct arena *arena, struct slice bytes) {
    return bytes.data != NULL ? iceberg_value_of_bytes(arena, bytes) : bytes;
}

static struct iceberg_bounds copy_bounds(struct arena *arena, struct iceberg_bounds bounds) {
    if (bounds.items == NULL)
        return bounds;
    struct iceberg_bound *items = arena_alloc(arena, (bounds.count + 1) * sizeof *items);
    for (size_t i = 0; i < bounds.count; i++)
        items[i] = (struct iceberg_bound){bounds.items[i].field_id, copy_bytes(arena, bounds.items[i].value)};
    return (struct iceberg_bounds){items, bounds.count};
}

void iceberg_entry_copy(struct arena *arena, const struct iceberg_entry *entry, size_t partition_count,
                        struct iceberg_entry *out) {
    const struct iceberg_file *from = &entry->file;
    *out = *entry;
    struct iceberg_file *to = &out->file;
    struct slice *partition = arena_alloc(arena, (partition_count + 1) * sizeof *partition);
    for (size_t i = 0; i < partition_count; i++)
        partition[i] = copy_bytes(arena, from->partition[i]);
    to->partition = partition;
    to->path = arena_strdup(arena, from->path);
    to->format = arena_strdup(arena, from->format);
    to->referenced_file = arena_strdup(arena, from->referenced_file);
    to->column_sizes = copy_counts(arena, from->column_sizes);
    to->value_counts = copy_counts(arena, from->value_counts);
    to->null_counts = copy_counts(arena, from->null_counts);
    to->nan_counts = copy_counts(arena, from->nan_counts);
    to->lower = copy_bounds(arena, from->lower);
    to->upper = copy_bounds(arena, from->upper);
    to->key_metadata = copy_bytes(arena, from->key_metadata);
    to->split_offsets = copy_array(arena, from->split_offsets, from->split_offset_count, sizeof *from->split_offsets);
    to->equality_ids = copy_array(arena, from->equality_ids, from->equality_id_count, sizeof *from->equality_ids);
}
