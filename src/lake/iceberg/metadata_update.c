/* Table metadata: a new document, and changes of one. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lake/iceberg/metadata_internal.h"

static void refresh(struct iceberg_metadata *metadata) {
    bool ok = iceberg_metadata_view(metadata, NULL);
    assert(ok);
}

/* Jansson gives NULL for text that is not UTF-8, and a list that lost an entry would lose rows. */
static json_t *sound(json_t *json) {
    assert(json != NULL);
    return json;
}

static void set(json_t *object, const char *key, json_t *value) { json_object_set_new(object, key, sound(value)); }

static void set_number(json_t *object, const char *key, int64_t v) { set(object, key, json_integer(v)); }

/* A member that is made when it is missing or null. */
static json_t *member(json_t *object, const char *key, json_t *(*make)(void)) {
    json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value)) {
        value = make();
        set(object, key, value);
    }
    return value;
}

static uint64_t random_bits(void) {
    uint64_t bits = 0;
    ssize_t got = getrandom(&bits, sizeof bits, 0); /* never short for so few bytes */
    assert(got == (ssize_t)sizeof bits);
    return bits;
}

/* --- new tables and old ones */

static json_t *new_uuid(void) {
    uint64_t a = random_bits(), b = random_bits();
    char text[37];
    snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
    return json_string(text);
}

static void set_empty_specs(json_t *json) {
    set(json, "partition-specs", json_pack("[{s:i, s:[]}]", "spec-id", 0, "fields"));
    set_number(json, "default-spec-id", 0);
    set_number(json, "last-partition-id", ICEBERG_FIRST_PARTITION_ID - 1);
}

static void set_unsorted(json_t *json) {
    set(json, "sort-orders", json_pack("[{s:i, s:[]}]", "order-id", 0, "fields"));
    set_number(json, "default-sort-order-id", 0);
}

struct iceberg_metadata *iceberg_metadata_new(const char *location, int format_version) {
    assert(format_version >= 2 && format_version <= ICEBERG_FORMAT_VERSION_MAX);
    struct iceberg_metadata *metadata = mem_zalloc(sizeof *metadata);
    arena_init(&metadata->arena);
    json_t *json = metadata->json = json_object();
    set_number(json, "format-version", format_version);
    set(json, "table-uuid", new_uuid());
    set(json, "location", json_string(location));
    set_number(json, "last-sequence-number", 0);
    set_number(json, "last-updated-ms", 0);
    set_number(json, "last-column-id", 0);
    set(json, "schemas", json_pack("[{s:s, s:i, s:[]}]", "type", "struct", "schema-id", 0, "fields"));
    set_number(json, "current-schema-id", 0);
    set_empty_specs(json);
    set_unsorted(json);
    set(json, "properties", json_object());
    set(json, "snapshots", json_array());
    set(json, "snapshot-log", json_array());
    set(json, "metadata-log", json_array());
    set(json, "refs", json_object());
    if (format_version >= 3)
        set_number(json, "next-row-id", 0);
    refresh(metadata);
    return metadata;
}

static json_t *spec_to_json(int32_t id, const struct iceberg_partition_field *fields, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char transform[ICEBERG_TRANSFORM_TEXT_BYTES];
        iceberg_transform_format(fields[i].transform, transform);
        json_array_append_new(list,
                              sound(json_pack("{s:i, s:i, s:s, s:s}", "source-id", fields[i].source_id, "field-id",
                                              fields[i].id, "name", fields[i].name, "transform", transform)));
    }
    return sound(json_pack("{s:i, s:o}", "spec-id", id, "fields", list));
}

/* What version 1 may leave out, and the ids that its readers counted themselves. */
static void upgrade_specs(struct iceberg_metadata *metadata) {
    json_t *json = metadata->json;
    if (json_array_size(json_object_get(json, "partition-specs")) == 0) {
        json_t *spec = json_pack("{s:i, s:O}", "spec-id", 0, "fields", json_object_get(json, "partition-spec"));
        set(json, "partition-specs", json_pack("[o]", sound(spec)));
        set_number(json, "default-spec-id", 0);
    }
    for (size_t i = 0; i < metadata->spec_count; i++) {
        json_t *fields = json_object_get(json_array_get(json_object_get(json, "partition-specs"), i), "fields");
        for (size_t j = 0; j < metadata->specs[i].field_count; j++)
            set_number(json_array_get(fields, j), "field-id", metadata->specs[i].fields[j].id);
    }
    set_number(json, "last-partition-id", metadata->last_partition_id);
}

static void upgrade_to_second(struct iceberg_metadata *metadata) {
    json_t *json = metadata->json;
    set_number(json, "format-version", 2);
    if (metadata->uuid == NULL)
        set(json, "table-uuid", new_uuid());
    set_number(json, "last-sequence-number", 0);
    if (json_array_size(json_object_get(json, "schemas")) == 0) {
        json_t *schema = json_object_get(json, "schema");
        set_number(schema, "schema-id", metadata->schema->id);
        set(json, "schemas", json_pack("[O]", schema));
    }
    set_number(json, "current-schema-id", metadata->schema->id);
    upgrade_specs(metadata);
    if (json_array_size(json_object_get(json, "sort-orders")) == 0)
        set_unsorted(json);
    json_object_del(json, "schema");
    json_object_del(json, "partition-spec");
    refresh(metadata);
}

/* Snapshots of before have no row ids; the next one gives them to all rows, through the manifest list. */
static void upgrade_to_third(struct iceberg_metadata *metadata) {
    set_number(metadata->json, "format-version", 3);
    set_number(metadata->json, "next-row-id", 0);
    refresh(metadata);
}

void iceberg_metadata_upgrade(struct iceberg_metadata *metadata, int format_version) {
    if (metadata->format_version < 2)
        upgrade_to_second(metadata);
    if (metadata->format_version < 3 && format_version >= 3)
        upgrade_to_third(metadata);
}

/* --- columns */

static json_t *field_to_json(const struct iceberg_schema *current, const struct iceberg_field *field) {
    const struct iceberg_field *before = iceberg_schema_field(current, field->id);
    json_t *json = before != NULL ? json_deep_copy(before->json) : json_object();
    set_number(json, "id", field->id);
    set(json, "name", json_string(field->name));
    set(json, "required", json_boolean(field->required));
    if (field->type.kind == ICEBERG_OTHER) {
        assert(before != NULL);
    } else if (before == NULL || !iceberg_type_equal(before->type, field->type)) {
        char type[ICEBERG_TYPE_TEXT_BYTES];
        iceberg_type_format(field->type, type);
        set(json, "type", json_string(type));
    }
    if (before == NULL && field->initial_default != NULL)
        set(json, "initial-default", json_incref(field->initial_default));
    return json;
}

static json_t *identifiers_of(const struct iceberg_schema *current, const struct iceberg_field *fields, size_t count) {
    const json_t *before = json_object_get(current->json, "identifier-field-ids");
    json_t *ids = json_array();
    for (size_t i = 0; i < json_array_size(before); i++)
        for (size_t j = 0; j < count; j++)
            if (json_integer_value(json_array_get(before, i)) == fields[j].id && fields[j].required)
                json_array_append(ids, json_array_get(before, i));
    return ids;
}

static json_t *schema_to_json(const struct iceberg_schema *current, const struct iceberg_field *fields, size_t count) {
    json_t *list = json_array(), *ids = identifiers_of(current, fields, count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, field_to_json(current, &fields[i]));
    json_t *json = sound(json_pack("{s:s, s:o}", "type", "struct", "fields", list));
    if (json_array_size(ids) > 0)
        json_object_set(json, "identifier-field-ids", ids);
    json_decref(ids);
    return json;
}

static bool same_members(const json_t *a, const json_t *b, const char *key) {
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    bool x_empty = x == NULL || json_array_size(x) == 0, y_empty = y == NULL || json_array_size(y) == 0;
    return (x_empty && y_empty) || json_equal(x, y);
}

/* A table that nobody has written to starts with its first schema and spec, not with the empty ones. */
static bool is_blank(const struct iceberg_metadata *metadata) {
    return metadata->snapshot_count == 0 && metadata->schema_count == 1 && metadata->schema->field_count == 0;
}

static bool find_schema(const struct iceberg_metadata *metadata, const json_t *schema, int32_t *id) {
    int32_t next = 0;
    for (size_t i = 0; i < metadata->schema_count; i++) {
        const struct iceberg_schema *known = &metadata->schemas[i];
        if (same_members(known->json, schema, "fields") && same_members(known->json, schema, "identifier-field-ids")) {
            *id = known->id;
            return true;
        }
        if (known->id >= next)
            next = known->id + 1;
    }
    *id = next;
    return false;
}

void iceberg_metadata_set_schema(struct iceberg_metadata *metadata, const struct iceberg_field *fields, size_t count) {
    json_t *schemas = json_object_get(metadata->json, "schemas");
    json_t *schema = schema_to_json(metadata->schema, fields, count);
    int32_t id = 0, last = metadata->last_column_id;
    assert(metadata->format_version > 1);
    for (size_t i = 0; i < count; i++)
        last = fields[i].id > last ? fields[i].id : last;
    bool is_new = is_blank(metadata);
    if (is_new)
        json_array_clear(schemas);
    if (is_new || !find_schema(metadata, schema, &id)) {
        set_number(schema, "schema-id", id);
        json_array_append(schemas, schema);
    }
    json_decref(schema);
    set_number(metadata->json, "current-schema-id", id);
    set_number(metadata->json, "last-column-id", last);
    refresh(metadata);
}

static json_t *mapping_of_fields(const json_t *fields);

/* Children of a nested type: of a struct its fields, of a list "element", of a map "key" and "value". */
static json_t *mapping_of_type(const json_t *type) {
    static const char *const parts[] = {"element", "key", "value"};
    const char *kind = json_string_value(json_object_get(type, "type"));
    if (kind != NULL && strcmp(kind, "struct") == 0)
        return mapping_of_fields(json_object_get(type, "fields"));
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const json_t *child = json_object_get(type, parts[i]);
        char id_key[16];
        snprintf(id_key, sizeof id_key, "%s-id", parts[i]);
        if (child == NULL)
            continue;
        json_t *entry = json_pack("{s:I, s:[s]}", "field-id",
                                  (json_int_t)json_integer_value(json_object_get(type, id_key)), "names", parts[i]);
        if (json_is_object(child))
            set(entry, "fields", mapping_of_type(child));
        json_array_append_new(list, sound(entry));
    }
    return list;
}

static json_t *mapping_of_fields(const json_t *fields) {
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i), *type = json_object_get(field, "type");
        json_t *entry =
            json_pack("{s:I, s:[O]}", "field-id", (json_int_t)json_integer_value(json_object_get(field, "id")), "names",
                      json_object_get(field, "name"));
        if (json_is_object(type))
            set(entry, "fields", mapping_of_type(type));
        json_array_append_new(list, sound(entry));
    }
    return list;
}

void iceberg_metadata_set_name_mapping(struct iceberg_metadata *metadata) {
    json_t *mapping = mapping_of_fields(json_object_get(metadata->schema->json, "fields"));
    char *text = json_dumps(mapping, JSON_COMPACT);
    assert(text != NULL);
    iceberg_metadata_set_property(metadata, "schema.name-mapping.default", text);
    free(text);
    json_decref(mapping);
}

/* --- partitions */

static bool same_partition_field(const struct iceberg_partition_field *a, const struct iceberg_partition_field *b) {
    return a->source_id == b->source_id && a->transform.kind == b->transform.kind &&
           a->transform.parameter == b->transform.parameter && strcmp(a->name, b->name) == 0;
}

static int32_t partition_id(const struct iceberg_metadata *metadata, const struct iceberg_partition_field *field,
                            int32_t *last) {
    for (size_t i = 0; i < metadata->spec_count; i++)
        for (size_t j = 0; j < metadata->specs[i].field_count; j++)
            if (same_partition_field(&metadata->specs[i].fields[j], field))
                return metadata->specs[i].fields[j].id;
    return ++*last;
}

static bool same_spec(const struct iceberg_spec *spec, const struct iceberg_partition_field *fields, size_t count) {
    bool same = spec->field_count == count;
    for (size_t i = 0; same && i < count; i++)
        same = same_partition_field(&spec->fields[i], &fields[i]);
    return same;
}

static void add_spec(struct iceberg_metadata *metadata, int32_t id, const struct iceberg_partition_field *fields,
                     size_t count) {
    struct iceberg_partition_field *numbered = mem_zalloc((count + 1) * sizeof *numbered);
    int32_t last = metadata->last_partition_id;
    for (size_t i = 0; i < count; i++) {
        numbered[i] = fields[i];
        numbered[i].id = partition_id(metadata, &fields[i], &last);
    }
    json_array_append_new(json_object_get(metadata->json, "partition-specs"), spec_to_json(id, numbered, count));
    set_number(metadata->json, "last-partition-id", last);
    mem_free(numbered);
}

void iceberg_metadata_set_spec(struct iceberg_metadata *metadata, const struct iceberg_partition_field *fields,
                               size_t count) {
    int32_t id = 0;
    bool known = false;
    assert(metadata->format_version > 1);
    for (size_t i = 0; i < metadata->spec_count && !known; i++) {
        known = same_spec(&metadata->specs[i], fields, count);
        if (known || metadata->specs[i].id >= id)
            id = metadata->specs[i].id + !known;
    }
    bool is_first = metadata->snapshot_count == 0 && metadata->spec_count == 1 && metadata->spec->field_count == 0;
    if (!known && is_first) {
        json_array_clear(json_object_get(metadata->json, "partition-specs"));
        id = 0;
    }
    if (!known)
        add_spec(metadata, id, fields, count);
    set_number(metadata->json, "default-spec-id", id);
    refresh(metadata);
}

void iceberg_metadata_set_property(struct iceberg_metadata *metadata, const char *name, const char *value) {
    json_t *properties = member(metadata->json, "properties", json_object);
    if (value != NULL)
        set(properties, name, json_string(value));
    else
        json_object_del(properties, name);
    refresh(metadata);
}

/* --- snapshots */

int64_t iceberg_metadata_new_snapshot_id(const struct iceberg_metadata *metadata) {
    int64_t id;
    do
        id = (int64_t)(random_bits() & INT64_MAX);
    while (id == 0 || iceberg_metadata_snapshot(metadata, id) != NULL);
    return id;
}

static json_t *snapshot_to_json(const struct iceberg_snapshot *snapshot, int64_t timestamp_ms, json_t *summary) {
    json_t *json = json_object();
    set_number(json, "snapshot-id", snapshot->id);
    if (snapshot->parent_id != ICEBERG_NO_SNAPSHOT)
        set_number(json, "parent-snapshot-id", snapshot->parent_id);
    set_number(json, "sequence-number", snapshot->sequence_number);
    set_number(json, "timestamp-ms", timestamp_ms);
    set(json, "manifest-list", json_string(snapshot->manifest_list));
    set(json, "summary", summary);
    set_number(json, "schema-id", snapshot->schema_id);
    return json;
}

void iceberg_metadata_add_snapshot(struct iceberg_metadata *metadata, const struct iceberg_snapshot *snapshot,
                                   json_t *summary, int64_t added_rows) {
    json_t *json = metadata->json;
    assert(metadata->format_version > 1 && snapshot->sequence_number > metadata->last_sequence_number);
    /* Readers refuse a log whose times go back, and clocks do. */
    int64_t time_ms =
        snapshot->timestamp_ms > metadata->last_updated_ms ? snapshot->timestamp_ms : metadata->last_updated_ms;
    json_t *entry = snapshot_to_json(snapshot, time_ms, summary);
    if (metadata->format_version >= 3) {
        set_number(entry, "first-row-id", metadata->next_row_id);
        set_number(entry, "added-rows", added_rows);
        set_number(json, "next-row-id", metadata->next_row_id + added_rows);
    }
    json_array_append_new(member(json, "snapshots", json_array), entry);
    json_t *main = member(member(json, "refs", json_object), ICEBERG_MAIN_BRANCH, json_object);
    set_number(main, "snapshot-id", snapshot->id);
    set(main, "type", json_string("branch"));
    set_number(json, "current-snapshot-id", snapshot->id);
    json_array_append_new(
        member(json, "snapshot-log", json_array),
        sound(json_pack("{s:I, s:I}", "timestamp-ms", (json_int_t)time_ms, "snapshot-id", (json_int_t)snapshot->id)));
    set_number(json, "last-sequence-number", snapshot->sequence_number);
    set_number(json, "last-updated-ms", time_ms);
    refresh(metadata);
}

struct removal {
    const int64_t *ids;
    size_t count;
    int64_t current; /* what main names, also where no ref says so */
    const json_t *refs;
};

static bool is_removed(const struct removal *removal, const json_t *entry) {
    int64_t id = json_integer_value(json_object_get(entry, "snapshot-id"));
    const char *name;
    json_t *ref;
    if (id == removal->current)
        return false;
    json_object_foreach((json_t *)removal->refs, name, ref) {
        if (json_integer_value(json_object_get(ref, "snapshot-id")) == id)
            return false;
    }
    for (size_t i = 0; i < removal->count; i++)
        if (removal->ids[i] == id)
            return true;
    return false;
}

static void remove_entries(json_t *list, const struct removal *removal) {
    for (size_t i = json_array_size(list); i-- > 0;)
        if (is_removed(removal, json_array_get(list, i)))
            json_array_remove(list, i);
}

/* A log with a hole would lie about the time in between. */
static void cut_log(json_t *log, const struct removal *removal) {
    size_t keep = 0;
    for (size_t i = 0; i < json_array_size(log); i++)
        if (is_removed(removal, json_array_get(log, i)))
            keep = i + 1;
    while (keep-- > 0)
        json_array_remove(log, 0);
}

void iceberg_metadata_remove_snapshots(struct iceberg_metadata *metadata, const int64_t *ids, size_t count) {
    json_t *json = metadata->json;
    int64_t current = metadata->snapshot != NULL ? metadata->snapshot->id : ICEBERG_NO_SNAPSHOT;
    struct removal removal = {ids, count, current, json_object_get(json, "refs")};
    remove_entries(json_object_get(json, "snapshots"), &removal);
    remove_entries(json_object_get(json, "statistics"), &removal);
    remove_entries(json_object_get(json, "partition-statistics"), &removal);
    cut_log(json_object_get(json, "snapshot-log"), &removal);
    refresh(metadata);
}

void iceberg_metadata_finish(struct iceberg_metadata *metadata, const char *previous_file, int64_t now_ms) {
    json_t *json = metadata->json, *log = member(json, "metadata-log", json_array);
    const char *limit = iceberg_metadata_property(metadata, "write.metadata.previous-versions-max");
    size_t keep = limit != NULL ? strtoul(limit, NULL, 10) : ICEBERG_METADATA_LOG_DEFAULT;
    if (previous_file != NULL)
        json_array_append_new(log, sound(json_pack("{s:I, s:s}", "timestamp-ms", (json_int_t)metadata->last_updated_ms,
                                                   "metadata-file", previous_file)));
    while (json_array_size(log) > (keep > 0 ? keep : 1))
        json_array_remove(log, 0);
    set_number(json, "last-updated-ms", now_ms > metadata->last_updated_ms ? now_ms : metadata->last_updated_ms);
    refresh(metadata);
}
