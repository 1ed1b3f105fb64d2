/* Table metadata: the view of a document, and the document as text. */
#include "lake/iceberg/metadata.h"

#include <assert.h>
#include <string.h>
#define ZLIB_CONST /* input is const, as it should be */
#include <zlib.h>

#include "lake/iceberg/metadata_internal.h"

/* --- the view: every step keeps the first failure */

struct view {
    struct arena *arena;
    const char *failed; /* the name of what is missing or wrong; NULL: nothing so far */
};

static void fail(struct view *view, const char *what) {
    if (view->failed == NULL)
        view->failed = what;
}

static const char *read_text(struct view *view, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        fail(view, key);
    return text != NULL ? arena_strdup(view->arena, text) : "";
}

static int64_t read_long(struct view *view, const json_t *object, const char *key) {
    const json_t *number = json_object_get(object, key);
    if (!json_is_integer(number))
        fail(view, key);
    return json_integer_value(number);
}

static int32_t read_int(struct view *view, const json_t *object, const char *key) {
    int64_t v = read_long(view, object, key);
    if (v < INT32_MIN || v > INT32_MAX) {
        fail(view, key);
        v = 0;
    }
    return (int32_t)v;
}

/* `missing` stands for what an older format version does not have. */
static int64_t read_long_or(struct view *view, const json_t *object, const char *key, int64_t missing) {
    const json_t *number = json_object_get(object, key);
    return number == NULL || json_is_null(number) ? missing : read_long(view, object, key);
}

static int32_t read_int_or(struct view *view, const json_t *object, const char *key, int32_t missing) {
    const json_t *number = json_object_get(object, key);
    return number == NULL || json_is_null(number) ? missing : read_int(view, object, key);
}

static const json_t *read_array(struct view *view, const json_t *object, const char *key, bool required) {
    const json_t *array = json_object_get(object, key);
    bool missing = array == NULL || json_is_null(array);
    if (!json_is_array(array) && (required || !missing))
        fail(view, key);
    return json_is_array(array) ? array : NULL;
}

static void view_field(struct view *view, const json_t *json, struct iceberg_field *out) {
    const json_t *type = json_object_get(json, "type");
    out->id = read_int(view, json, "id");
    out->name = read_text(view, json, "name");
    out->required = json_is_true(json_object_get(json, "required"));
    out->json = json;
    if (!json_is_string(type) && !json_is_object(type))
        fail(view, "type");
    if (!json_is_string(type) || !iceberg_type_parse(json_string_value(type), &out->type))
        out->type = (struct iceberg_type){.kind = ICEBERG_OTHER};
}

static void view_schema(struct view *view, const json_t *json, struct iceberg_schema *out) {
    const json_t *fields = read_array(view, json, "fields", true);
    struct iceberg_field *list = arena_alloc(view->arena, (json_array_size(fields) + 1) * sizeof *list);
    out->id = read_int_or(view, json, "schema-id", 0);
    out->json = json;
    out->field_count = json_array_size(fields);
    for (size_t i = 0; i < out->field_count; i++)
        view_field(view, json_array_get(fields, i), &list[i]);
    out->fields = list;
}

static void view_schemas(struct view *view, struct iceberg_metadata *metadata) {
    const json_t *list = read_array(view, metadata->json, "schemas", false);
    bool has_list = json_array_size(list) > 0;
    if (!has_list && metadata->format_version > 1)
        fail(view, "schemas");
    size_t count = has_list ? json_array_size(list) : 1;
    struct iceberg_schema *schemas = arena_alloc(view->arena, count * sizeof *schemas);
    for (size_t i = 0; i < count; i++)
        view_schema(view, has_list ? json_array_get(list, i) : json_object_get(metadata->json, "schema"), &schemas[i]);
    metadata->schemas = schemas;
    metadata->schema_count = count;
    int32_t current = read_int_or(view, metadata->json, "current-schema-id", schemas[0].id);
    metadata->schema = iceberg_metadata_schema(metadata, current);
    if (metadata->schema == NULL)
        fail(view, "current-schema-id");
}

/* Version 1 may have no field-id: its writers counted from 1000 in every spec. */
static void view_spec_fields(struct view *view, const json_t *fields, struct iceberg_spec *out) {
    struct iceberg_partition_field *list = arena_alloc(view->arena, (json_array_size(fields) + 1) * sizeof *list);
    out->field_count = json_array_size(fields);
    for (size_t i = 0; i < out->field_count; i++) {
        const json_t *field = json_array_get(fields, i);
        const json_t *sources = json_object_get(field, "source-ids");
        list[i].source_id = sources == NULL ? read_int(view, field, "source-id") : -1;
        if (json_array_size(sources) == 1)
            list[i].source_id = (int32_t)json_integer_value(json_array_get(sources, 0));
        list[i].id = read_int_or(view, field, "field-id", ICEBERG_FIRST_PARTITION_ID + (int32_t)i);
        list[i].name = read_text(view, field, "name");
        list[i].transform = iceberg_transform_parse(read_text(view, field, "transform"));
    }
    out->fields = list;
}

static void view_specs(struct view *view, struct iceberg_metadata *metadata) {
    const json_t *list = read_array(view, metadata->json, "partition-specs", false);
    bool has_list = json_array_size(list) > 0;
    if (!has_list && metadata->format_version > 1)
        fail(view, "partition-specs");
    size_t count = has_list ? json_array_size(list) : 1;
    struct iceberg_spec *specs = arena_alloc(view->arena, count * sizeof *specs);
    for (size_t i = 0; i < count; i++) {
        const json_t *json = has_list ? json_array_get(list, i) : NULL;
        const json_t *fields = has_list ? read_array(view, json, "fields", true)
                                        : read_array(view, metadata->json, "partition-spec", true);
        specs[i].id = has_list ? read_int(view, json, "spec-id") : 0;
        specs[i].json = json;
        view_spec_fields(view, fields, &specs[i]);
        for (size_t j = 0; j < specs[i].field_count; j++)
            if (specs[i].fields[j].id > metadata->last_partition_id)
                metadata->last_partition_id = specs[i].fields[j].id;
    }
    metadata->specs = specs;
    metadata->spec_count = count;
    metadata->spec = iceberg_metadata_spec(metadata, read_int_or(view, metadata->json, "default-spec-id", 0));
    if (metadata->spec == NULL)
        fail(view, "default-spec-id");
}

static void view_snapshot(struct view *view, const json_t *json, struct iceberg_snapshot *out) {
    const json_t *summary = json_object_get(json, "summary");
    const char *list = json_string_value(json_object_get(json, "manifest-list"));
    *out = (struct iceberg_snapshot){
        .id = read_long(view, json, "snapshot-id"),
        .parent_id = read_long_or(view, json, "parent-snapshot-id", ICEBERG_NO_SNAPSHOT),
        .sequence_number = read_long_or(view, json, "sequence-number", 0),
        .timestamp_ms = read_long(view, json, "timestamp-ms"),
        .manifest_list = arena_strdup(view->arena, list),
        .schema_id = read_int_or(view, json, "schema-id", -1),
        .summary = json_is_object(summary) ? summary : NULL,
        .json = json,
    };
}

static void view_snapshots(struct view *view, struct iceberg_metadata *metadata) {
    const json_t *list = read_array(view, metadata->json, "snapshots", false);
    struct iceberg_snapshot *snapshots = arena_alloc(view->arena, (json_array_size(list) + 1) * sizeof *snapshots);
    metadata->snapshot_count = json_array_size(list);
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        view_snapshot(view, json_array_get(list, i), &snapshots[i]);
    metadata->snapshots = snapshots;
    int64_t current = read_long_or(view, metadata->json, "current-snapshot-id", ICEBERG_NO_SNAPSHOT);
    metadata->snapshot = iceberg_metadata_snapshot(metadata, current);
    if (metadata->snapshot == NULL && current != ICEBERG_NO_SNAPSHOT)
        fail(view, "current-snapshot-id");
}

static bool check_version(const struct iceberg_metadata *metadata, struct error *err) {
    if (!json_is_object(metadata->json) || metadata->format_version < 1)
        return error_set(err, ERROR_DATA, "not table metadata of Iceberg");
    return metadata->format_version <= ICEBERG_FORMAT_VERSION_MAX ||
           error_set(err, ERROR_CONFIG, "the table has Iceberg's format version %d, and sluice knows up to %d",
                     metadata->format_version, ICEBERG_FORMAT_VERSION_MAX);
}

/* Lists that nobody looks at here, but that changes edit. */
static void check_lists(struct view *view, const json_t *json) {
    static const char *const keys[] = {"snapshot-log", "metadata-log", "statistics", "partition-statistics",
                                       "sort-orders"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        read_array(view, json, keys[i], false);
    json_t *refs = json_object_get(json, "refs"), *ref;
    const json_t *properties = json_object_get(json, "properties");
    const char *name;
    if (refs != NULL && !json_is_object(refs) && !json_is_null(refs))
        fail(view, "refs");
    json_object_foreach(refs, name, ref) {
        if (!json_is_object(ref))
            fail(view, "refs");
    }
    if (properties != NULL && !json_is_object(properties) && !json_is_null(properties))
        fail(view, "properties");
}

bool iceberg_metadata_view(struct iceberg_metadata *metadata, struct error *err) {
    struct view view = {.arena = &metadata->arena};
    const json_t *json = metadata->json;
    arena_reset(&metadata->arena);
    metadata->format_version = read_int_or(&view, json, "format-version", 0);
    if (!check_version(metadata, err))
        return false;
    bool is_first = metadata->format_version == 1;
    metadata->uuid =
        is_first && json_object_get(json, "table-uuid") == NULL ? NULL : read_text(&view, json, "table-uuid");
    metadata->location = read_text(&view, json, "location");
    metadata->last_sequence_number = is_first ? 0 : read_long(&view, json, "last-sequence-number");
    metadata->last_updated_ms = read_long(&view, json, "last-updated-ms");
    metadata->last_column_id = read_int(&view, json, "last-column-id");
    metadata->last_partition_id = read_int_or(&view, json, "last-partition-id", ICEBERG_FIRST_PARTITION_ID - 1);
    metadata->next_row_id = read_long_or(&view, json, "next-row-id", 0);
    view_schemas(&view, metadata);
    view_specs(&view, metadata);
    view_snapshots(&view, metadata);
    check_lists(&view, json);
    return view.failed == NULL ||
           error_set(err, ERROR_DATA, "table metadata: \"%s\" is missing or not what it should be", view.failed);
}

/* --- reading and writing */

enum { UNPACK_STEP_BYTES = 256 * 1024 };

static bool is_gzip(struct slice text) { return text.len >= 2 && memcmp(text.data, "\x1f\x8b", 2) == 0; }

static bool unpack(struct slice text, struct buf *out, struct error *err) {
    z_stream stream = {.next_in = (const Bytef *)text.data, .avail_in = (uInt)text.len};
    int result = inflateInit2(&stream, MAX_WBITS + 16);
    while (result == Z_OK && buf_fits(out, UNPACK_STEP_BYTES)) {
        stream.next_out = (Bytef *)buf_reserve(out, UNPACK_STEP_BYTES);
        stream.avail_out = UNPACK_STEP_BYTES;
        result = inflate(&stream, Z_NO_FLUSH);
        out->len += UNPACK_STEP_BYTES - stream.avail_out;
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END ||
           error_set(err, ERROR_DATA, "table metadata: not a whole gzip file, or larger than %d bytes",
                     ICEBERG_METADATA_MAX_BYTES);
}

static struct iceberg_metadata *metadata_of(json_t *json) {
    struct iceberg_metadata *metadata = mem_zalloc(sizeof *metadata);
    arena_init(&metadata->arena);
    metadata->json = json;
    return metadata;
}

static bool parse(struct slice text, struct iceberg_metadata **out, struct error *err) {
    json_error_t problem;
    json_t *json = json_loadb(text.data, text.len, 0, &problem);
    if (json == NULL)
        return error_set(err, ERROR_DATA, "table metadata: line %d: %s", problem.line, problem.text);
    struct iceberg_metadata *metadata = metadata_of(json);
    if (!iceberg_metadata_view(metadata, err)) {
        iceberg_metadata_free(metadata);
        return false;
    }
    *out = metadata;
    return true;
}

bool iceberg_metadata_read(struct slice text, struct iceberg_metadata **out, struct error *err) {
    struct buf plain;
    if (!is_gzip(text))
        return parse(text, out, err);
    buf_init(&plain, ICEBERG_METADATA_MAX_BYTES);
    bool ok = unpack(text, &plain, err) && parse((struct slice){plain.data, plain.len}, out, err);
    buf_deinit(&plain);
    return ok;
}

static int append_chunk(const char *data, size_t size, void *out) {
    buf_append(out, data, size);
    return 0;
}

void iceberg_metadata_write(const struct iceberg_metadata *metadata, struct buf *out) {
    int failed = json_dump_callback(metadata->json, append_chunk, out, JSON_COMPACT);
    assert(!failed);
}

struct iceberg_metadata *iceberg_metadata_copy(const struct iceberg_metadata *metadata) {
    struct iceberg_metadata *copy = metadata_of(json_deep_copy(metadata->json));
    bool ok = iceberg_metadata_view(copy, NULL);
    assert(ok);
    return copy;
}

void iceberg_metadata_free(struct iceberg_metadata *metadata) {
    if (metadata == NULL)
        return;
    json_decref(metadata->json);
    arena_deinit(&metadata->arena);
    mem_free(metadata);
}

/* --- looking things up */

const struct iceberg_schema *iceberg_metadata_schema(const struct iceberg_metadata *metadata, int32_t id) {
    for (size_t i = 0; i < metadata->schema_count; i++)
        if (metadata->schemas[i].id == id)
            return &metadata->schemas[i];
    return NULL;
}

const struct iceberg_spec *iceberg_metadata_spec(const struct iceberg_metadata *metadata, int32_t id) {
    for (size_t i = 0; i < metadata->spec_count; i++)
        if (metadata->specs[i].id == id)
            return &metadata->specs[i];
    return NULL;
}

const struct iceberg_snapshot *iceberg_metadata_snapshot(const struct iceberg_metadata *metadata, int64_t id) {
    for (size_t i = 0; i < metadata->snapshot_count; i++)
        if (metadata->snapshots[i].id == id)
            return &metadata->snapshots[i];
    return NULL;
}

const char *iceberg_metadata_property(const struct iceberg_metadata *metadata, const char *name) {
    return json_string_value(json_object_get(json_object_get(metadata->json, "properties"), name));
}

const char *iceberg_snapshot_summary(const struct iceberg_snapshot *snapshot, const char *name) {
    return json_string_value(json_object_get(snapshot->summary, name));
}

const struct iceberg_field *iceberg_schema_field(const struct iceberg_schema *schema, int32_t id) {
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].id == id)
            return &schema->fields[i];
    return NULL;
}

/* A field that was dropped is in an older schema, the newest of which has its widest type. */
struct iceberg_type iceberg_metadata_partition_type(const struct iceberg_metadata *metadata,
                                                    const struct iceberg_partition_field *field) {
    const struct iceberg_field *source = iceberg_schema_field(metadata->schema, field->source_id);
    for (size_t i = metadata->schema_count; source == NULL && i-- > 0;)
        source = iceberg_schema_field(&metadata->schemas[i], field->source_id);
    struct iceberg_type other = {.kind = ICEBERG_OTHER};
    return source != NULL ? iceberg_transform_result(field->transform, source->type) : other;
}

static char *folder_of(const struct iceberg_metadata *metadata, const char *property, const char *usual) {
    const char *path = iceberg_metadata_property(metadata, property);
    if (path == NULL || path[0] == '\0')
        path = usual;
    size_t path_len = strlen(path), location_len = strlen(metadata->location);
    while (path_len > 1 && path[path_len - 1] == '/')
        path_len--;
    while (location_len > 0 && metadata->location[location_len - 1] == '/')
        location_len--;
    if (path[0] == '/' || strstr(path, ":/") != NULL)
        return mem_strndup(path, path_len);
    return mem_printf("%.*s/%.*s", (int)location_len, metadata->location, (int)path_len, path);
}

char *iceberg_metadata_folder(const struct iceberg_metadata *metadata) {
    return folder_of(metadata, "write.metadata.path", "metadata");
}

char *iceberg_data_folder(const struct iceberg_metadata *metadata) {
    return folder_of(metadata, "write.data.path", "data");
}
