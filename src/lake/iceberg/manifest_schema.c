#include "lake/iceberg/manifest_schema.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static json_t *sound(json_t *json) {
    assert(json != NULL);
    return json;
}

/* A field; optional ones are unions with null, null by default. Takes over `type`. */
static void add(json_t *fields, int id, const char *name, bool required, json_t *type) {
    json_t *field = required ? json_pack("{s:s, s:o, s:i}", "name", name, "type", type, "field-id", id)
                             : json_pack("{s:s, s:[s, o], s:n, s:i}", "name", name, "type", "null", type, "default",
                                         "field-id", id);
    json_array_append_new(fields, sound(field));
}

static void add_simple(json_t *fields, int id, const char *name, bool required, const char *type) {
    add(fields, id, name, required, json_string(type));
}

static json_t *record(const char *name, json_t *fields) {
    return sound(json_pack("{s:s, s:s, s:o}", "type", "record", "name", name, "fields", fields));
}

/* map<int, …> as an array of records of a key and a value. */
static json_t *map_of(int key_id, int value_id, const char *value) {
    char name[32];
    snprintf(name, sizeof name, "k%d_v%d", key_id, value_id);
    json_t *fields = json_array();
    add_simple(fields, key_id, "key", true, "int");
    add_simple(fields, value_id, "value", true, value);
    return sound(json_pack("{s:s, s:s, s:o}", "type", "array", "logicalType", "map", "items", record(name, fields)));
}

static json_t *list_of(int element_id, json_t *items) {
    return sound(json_pack("{s:s, s:o, s:i}", "type", "array", "items", items, "element-id", element_id));
}

static char *finish(const char *name, json_t *fields) {
    json_t *schema = record(name, fields);
    char *text = json_dumps(schema, JSON_COMPACT);
    assert(text != NULL);
    json_decref(schema);
    return text;
}

static json_t *field_summary(void) {
    json_t *fields = json_array();
    add_simple(fields, ICEBERG_LIST_CONTAINS_NULL, "contains_null", true, "boolean");
    add_simple(fields, ICEBERG_LIST_CONTAINS_NAN, "contains_nan", false, "boolean");
    add_simple(fields, ICEBERG_LIST_LOWER, "lower_bound", false, "bytes");
    add_simple(fields, ICEBERG_LIST_UPPER, "upper_bound", false, "bytes");
    return record("r508", fields);
}

char *iceberg_list_schema(int format_version) {
    json_t *fields = json_array();
    add_simple(fields, ICEBERG_LIST_PATH, "manifest_path", true, "string");
    add_simple(fields, ICEBERG_LIST_LENGTH, "manifest_length", true, "long");
    add_simple(fields, ICEBERG_LIST_SPEC_ID, "partition_spec_id", true, "int");
    add_simple(fields, ICEBERG_LIST_CONTENT, "content", true, "int");
    add_simple(fields, ICEBERG_LIST_SEQUENCE, "sequence_number", true, "long");
    add_simple(fields, ICEBERG_LIST_MIN_SEQUENCE, "min_sequence_number", true, "long");
    add_simple(fields, ICEBERG_LIST_SNAPSHOT_ID, "added_snapshot_id", true, "long");
    add_simple(fields, ICEBERG_LIST_ADDED_FILES, "added_files_count", true, "int");
    add_simple(fields, ICEBERG_LIST_EXISTING_FILES, "existing_files_count", true, "int");
    add_simple(fields, ICEBERG_LIST_DELETED_FILES, "deleted_files_count", true, "int");
    add_simple(fields, ICEBERG_LIST_ADDED_ROWS, "added_rows_count", true, "long");
    add_simple(fields, ICEBERG_LIST_EXISTING_ROWS, "existing_rows_count", true, "long");
    add_simple(fields, ICEBERG_LIST_DELETED_ROWS, "deleted_rows_count", true, "long");
    add(fields, ICEBERG_LIST_PARTITIONS, "partitions", false, list_of(ICEBERG_LIST_PARTITION, field_summary()));
    add_simple(fields, ICEBERG_LIST_KEY_METADATA, "key_metadata", false, "bytes");
    if (format_version >= 3)
        add_simple(fields, ICEBERG_LIST_FIRST_ROW_ID, "first_row_id", false, "long");
    return finish("manifest_file", fields);
}

/* Avro's names are letters, digits and '_'; the true name of a partition field stands beside. */
static bool append_avro_name(struct buf *out, const char *name) {
    bool same = true;
    for (size_t i = 0; name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];
        bool plain = c < 0x80 && (isalpha(c) || c == '_' || (i > 0 && isdigit(c)));
        same = same && plain;
        if (plain)
            buf_append_char(out, (char)c);
        else if (isdigit(c))
            buf_printf(out, "_%c", c);
        else
            buf_printf(out, "_x%02X", c);
    }
    return same;
}

static void add_partition_field(json_t *fields, const struct iceberg_partition_field *field, struct iceberg_type type) {
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    bool same = append_avro_name(&name, field->name);
    add(fields, field->id, name.len > 0 ? name.data : "_", false, iceberg_type_to_avro(type, field->id));
    if (!same)
        json_object_set_new(json_array_get(fields, json_array_size(fields) - 1), "iceberg-field-name",
                            sound(json_string(field->name)));
    buf_deinit(&name);
}

static json_t *file_schema(int format_version, json_t *partition) {
    json_t *fields = json_array();
    add_simple(fields, ICEBERG_FILE_CONTENT, "content", true, "int");
    add_simple(fields, ICEBERG_FILE_PATH, "file_path", true, "string");
    add_simple(fields, ICEBERG_FILE_FORMAT, "file_format", true, "string");
    add(fields, ICEBERG_FILE_PARTITION, "partition", true, record("r102", partition));
    add_simple(fields, ICEBERG_FILE_RECORDS, "record_count", true, "long");
    add_simple(fields, ICEBERG_FILE_SIZE, "file_size_in_bytes", true, "long");
    add(fields, ICEBERG_FILE_COLUMN_SIZES, "column_sizes", false, map_of(117, 118, "long"));
    add(fields, ICEBERG_FILE_VALUE_COUNTS, "value_counts", false, map_of(119, 120, "long"));
    add(fields, ICEBERG_FILE_NULL_COUNTS, "null_value_counts", false, map_of(121, 122, "long"));
    add(fields, ICEBERG_FILE_NAN_COUNTS, "nan_value_counts", false, map_of(138, 139, "long"));
    add(fields, ICEBERG_FILE_LOWER, "lower_bounds", false, map_of(126, 127, "bytes"));
    add(fields, ICEBERG_FILE_UPPER, "upper_bounds", false, map_of(129, 130, "bytes"));
    add_simple(fields, ICEBERG_FILE_KEY_METADATA, "key_metadata", false, "bytes");
    add(fields, ICEBERG_FILE_SPLIT_OFFSETS, "split_offsets", false, list_of(133, json_string("long")));
    add(fields, ICEBERG_FILE_EQUALITY_IDS, "equality_ids", false, list_of(136, json_string("int")));
    add_simple(fields, ICEBERG_FILE_SORT_ORDER, "sort_order_id", false, "int");
    if (format_version >= 3)
        add_simple(fields, ICEBERG_FILE_FIRST_ROW_ID, "first_row_id", false, "long");
    add_simple(fields, ICEBERG_FILE_REFERENCED, "referenced_data_file", false, "string");
    if (format_version >= 3) {
        add_simple(fields, ICEBERG_FILE_CONTENT_OFFSET, "content_offset", false, "long");
        add_simple(fields, ICEBERG_FILE_CONTENT_SIZE, "content_size_in_bytes", false, "long");
    }
    return record("r2", fields);
}

char *iceberg_manifest_schema(int format_version, const struct iceberg_spec *spec, const struct iceberg_type *types) {
    json_t *fields = json_array(), *partition = json_array();
    for (size_t i = 0; i < spec->field_count; i++)
        add_partition_field(partition, &spec->fields[i], types[i]);
    add_simple(fields, ICEBERG_ENTRY_STATUS, "status", true, "int");
    add_simple(fields, ICEBERG_ENTRY_SNAPSHOT_ID, "snapshot_id", false, "long");
    add_simple(fields, ICEBERG_ENTRY_SEQUENCE, "sequence_number", false, "long");
    add_simple(fields, ICEBERG_ENTRY_FILE_SEQUENCE, "file_sequence_number", false, "long");
    add(fields, ICEBERG_ENTRY_FILE, "data_file", true, file_schema(format_version, partition));
    return finish("manifest_entry", fields);
}
