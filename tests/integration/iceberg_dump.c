/* Iceberg's metadata tree by hand, for the tests that have other writers and readers judge it.
 *
 *   iceberg_dump read METADATA      the tree below a table's metadata file (a path or file: URL), one JSON object a line:
 *                                   {"table"}, {"manifest"}, {"entry"}
 *   iceberg_dump write CATALOG      makes the table, or the table's next snapshot, that the JSON on stdin describes:
 *       {"catalog", "namespace", "name", "location", "format_version",
 *        "fields": [{"id", "name", "type", "required"}], "spec": [{"source_id", "name", "transform"}],
 *        "files": [{"content", "path", "records", "size", "referenced", "partition": {source id: text},
 *                   "sizes": {id: n}, "counts": {id: n}, "nulls": {id: n}, "lower": {id: text}, "upper": {id: text},
 *                   "positions": [n]: of deletes, which are then written to the path as a deletion vector}],
 *        "summary": {…}}
 *
 * Values are texts as the engine writes them; partitions are given by their sources' values. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "lake/iceberg/manifest.h"
#include "lake/iceberg/puffin.h"
#include "store/store.h"

static struct error err;

static void require(bool ok) {
    if (ok)
        return;
    fprintf(stderr, "iceberg_dump: %s\n", err.message);
    exit(1);
}

static void print(json_t *json) {
    assert(json != NULL);
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

/* --- files: by path, with or without "file:" */

static const char *path_of(const char *location) {
    if (strncmp(location, "file:", 5) != 0)
        return location;
    location += 5;
    while (location[0] == '/' && location[1] == '/')
        location++;
    return location;
}

static struct slice read_whole(struct arena *arena, const char *location) {
    const char *path = path_of(location), *slash = strrchr(path, '/');
    char *folder = mem_printf("file://%.*s", (int)(slash - path), path);
    struct store *store;
    struct buf bytes;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    require(store_open(folder, &store, &err) && store_read_all(store, slash + 1, BUF_MAX_DEFAULT, &bytes, &err));
    struct slice copy = {arena_strndup(arena, bytes.data, bytes.len), bytes.len};
    buf_deinit(&bytes);
    store_close(store);
    mem_free(folder);
    return copy;
}

static void write_whole(const char *location, struct slice bytes) {
    const char *path = path_of(location), *slash = strrchr(path, '/');
    char *folder = mem_printf("file://%.*s", (int)(slash - path), path);
    struct store *store;
    require(store_open(folder, &store, &err) && store_put(store, slash + 1, bytes.data, bytes.len, true, &err));
    store_close(store);
    mem_free(folder);
}

/* --- reading */

static json_t *text_of(struct iceberg_type type, struct slice value) {
    struct buf text;
    buf_init(&text, 1 << 20);
    if (type.kind == ICEBERG_OTHER || iceberg_value_is_null(value))
        return json_null();
    iceberg_value_append_text(&text, type, value);
    json_t *json = json_stringn(text.data != NULL ? text.data : "", text.len);
    buf_deinit(&text);
    return json != NULL ? json : json_null();
}

static json_t *counts_of(struct iceberg_counts counts) {
    json_t *json = counts.items != NULL ? json_object() : json_null();
    for (size_t i = 0; i < counts.count; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", counts.items[i].field_id);
        json_object_set_new(json, id, json_integer(counts.items[i].count));
    }
    return json;
}

static json_t *bounds_of(struct arena *arena, const struct iceberg_metadata *metadata, struct iceberg_bounds bounds) {
    json_t *json = bounds.items != NULL ? json_object() : json_null();
    for (size_t i = 0; i < bounds.count; i++) {
        const struct iceberg_field *field = iceberg_schema_field(metadata->schema, bounds.items[i].field_id);
        char id[16];
        snprintf(id, sizeof id, "%d", bounds.items[i].field_id);
        if (field != NULL && field->type.kind != ICEBERG_OTHER)
            json_object_set_new(json, id,
                                text_of(field->type, iceberg_value_promote(arena, field->type, bounds.items[i].value)));
    }
    return json;
}

static json_t *partition_of(const struct iceberg_metadata *metadata, const struct iceberg_spec *spec,
                            const struct slice *values) {
    json_t *json = json_object();
    for (size_t i = 0; i < spec->field_count; i++) {
        struct iceberg_type type = iceberg_metadata_partition_type(metadata, &spec->fields[i]);
        json_object_set_new(json, spec->fields[i].name, text_of(type, values[i]));
    }
    return json;
}

static void print_entry(struct arena *arena, const struct iceberg_metadata *metadata, const struct iceberg_spec *spec,
                        const struct iceberg_entry *entry) {
    const struct iceberg_file *file = &entry->file;
    print(json_pack("{s:{s:i, s:I, s:I, s:I, s:i, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:s?}}", "entry",
                    "status", (int)entry->status, "snapshot_id", (json_int_t)entry->snapshot_id, "sequence_number",
                    (json_int_t)entry->sequence_number, "file_sequence_number", (json_int_t)entry->file_sequence_number,
                    "content", (int)file->content, "path", file->path, "format", file->format, "partition",
                    partition_of(metadata, spec, file->partition), "records", (json_int_t)file->record_count, "size",
                    (json_int_t)file->size_bytes, "column_sizes", counts_of(file->column_sizes), "counts",
                    counts_of(file->value_counts), "nulls", counts_of(file->null_counts), "lower",
                    bounds_of(arena, metadata, file->lower), "upper", bounds_of(arena, metadata, file->upper),
                    "referenced", file->referenced_file));
}

static void print_manifest(struct arena *arena, const struct iceberg_metadata *metadata,
                           const struct iceberg_manifest_file *manifest) {
    struct iceberg_manifest_reader *reader;
    const struct iceberg_entry *entry;
    const struct iceberg_spec *spec = iceberg_metadata_spec(metadata, manifest->spec_id);
    print(json_pack("{s:{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}}", "manifest", "path", manifest->path, "content",
                    (int)manifest->content, "length", (json_int_t)manifest->length, "sequence_number",
                    (json_int_t)manifest->sequence_number, "min_sequence_number",
                    (json_int_t)manifest->min_sequence_number, "added_files", (json_int_t)manifest->added_files,
                    "added_rows", (json_int_t)manifest->added_rows, "partition_count",
                    (json_int_t)manifest->partition_count));
    struct slice bytes = read_whole(arena, manifest->path);
    require(iceberg_manifest_open(metadata, manifest, bytes, &reader, &err));
    while (true) {
        require(iceberg_manifest_next(reader, &entry, &err));
        if (entry == NULL)
            break;
        print_entry(arena, metadata, spec, entry);
    }
    iceberg_manifest_close(reader);
}

static void read_tree(const char *file) {
    struct arena arena;
    struct iceberg_metadata *metadata;
    struct iceberg_manifest_file *manifests = NULL;
    size_t count = 0;
    arena_init(&arena);
    require(iceberg_metadata_read(read_whole(&arena, file), &metadata, &err));
    print(json_pack("{s:{s:i, s:s?, s:s, s:I, s:i, s:i, s:I}}", "table", "format_version", metadata->format_version,
                    "uuid", metadata->uuid, "location", metadata->location, "last_sequence_number",
                    (json_int_t)metadata->last_sequence_number, "schema_id", metadata->schema->id, "spec_id",
                    metadata->spec->id, "snapshots", (json_int_t)metadata->snapshot_count));
    if (metadata->snapshot != NULL)
        require(
            iceberg_list_read(&arena, read_whole(&arena, metadata->snapshot->manifest_list), &manifests, &count, &err));
    for (size_t i = 0; i < count; i++)
        print_manifest(&arena, metadata, &manifests[i]);
    iceberg_metadata_free(metadata);
    arena_deinit(&arena);
}

/* --- writing */

struct write {
    struct arena arena;
    json_t *json;
    struct catalog *catalog;
    struct catalog_table table;
    const char *current; /* metadata file; NULL: a new table */
    struct iceberg_metadata *metadata;
    int64_t snapshot_id;
};

static const char *get_text(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

static int64_t get_number(const json_t *json, const char *key) {
    return json_integer_value(json_object_get(json, key));
}

static char *unique(struct write *write, const char *kind, const char *suffix) {
    char *folder = iceberg_metadata_folder(write->metadata);
    char *path = arena_printf(&write->arena, "%s/%s-%lld%s", folder, kind, (long long)write->snapshot_id, suffix);
    mem_free(folder);
    return path;
}

static void set_columns(struct write *write) {
    const json_t *list = json_object_get(write->json, "fields"), *spec = json_object_get(write->json, "spec");
    size_t count = json_array_size(list), parts = json_array_size(spec);
    struct iceberg_field *fields = arena_alloc(&write->arena, (count + 1) * sizeof *fields);
    struct iceberg_partition_field *partition = arena_alloc(&write->arena, (parts + 1) * sizeof *partition);
    for (size_t i = 0; i < count; i++) {
        const json_t *field = json_array_get(list, i);
        fields[i] = (struct iceberg_field){.id = (int32_t)get_number(field, "id"),
                                           .name = get_text(field, "name"),
                                           .required = json_is_true(json_object_get(field, "required"))};
        require(iceberg_type_parse(get_text(field, "type"), &fields[i].type) ||
                error_set(&err, ERROR_CONFIG, "type %s", get_text(field, "type")));
    }
    for (size_t i = 0; i < parts; i++) {
        const json_t *field = json_array_get(spec, i);
        partition[i] =
            (struct iceberg_partition_field){.source_id = (int32_t)get_number(field, "source_id"),
                                             .name = get_text(field, "name"),
                                             .transform = iceberg_transform_parse(get_text(field, "transform"))};
    }
    iceberg_metadata_set_schema(write->metadata, fields, count);
    iceberg_metadata_set_spec(write->metadata, partition, parts);
}

static struct slice parse_value(struct write *write, int32_t id, const json_t *text) {
    const struct iceberg_field *field = iceberg_schema_field(write->metadata->schema, id);
    struct slice value = {NULL, 0};
    if (json_is_string(text))
        require(iceberg_value_parse(&write->arena, field->type,
                                    (struct slice){json_string_value(text), json_string_length(text)}, &value) ||
                error_set(&err, ERROR_DATA, "column %s: %s", field->name, json_string_value(text)));
    return value;
}

static struct iceberg_counts get_counts(struct write *write, json_t *object) {
    struct iceberg_count *items = arena_alloc(&write->arena, (json_object_size(object) + 1) * sizeof *items);
    const char *id;
    json_t *count;
    size_t i = 0;
    json_object_foreach(object, id, count) {
        items[i++] = (struct iceberg_count){(int32_t)atoi(id), json_integer_value(count)};
    }
    return object != NULL ? (struct iceberg_counts){items, i} : (struct iceberg_counts){NULL, 0};
}

static struct iceberg_bounds get_bounds(struct write *write, json_t *object, bool upper) {
    struct iceberg_bound *items = arena_alloc(&write->arena, (json_object_size(object) + 1) * sizeof *items);
    const char *id;
    json_t *text;
    size_t i = 0;
    json_object_foreach(object, id, text) {
        int32_t field_id = (int32_t)atoi(id);
        struct iceberg_type type = iceberg_schema_field(write->metadata->schema, field_id)->type;
        struct slice value = parse_value(write, field_id, text);
        items[i++] = (struct iceberg_bound){field_id, upper ? iceberg_bound_upper(&write->arena, type, value)
                                                            : iceberg_bound_lower(&write->arena, type, value)};
    }
    return object != NULL ? (struct iceberg_bounds){items, i} : (struct iceberg_bounds){NULL, 0};
}

static const struct slice *get_partition(struct write *write, const json_t *sources) {
    const struct iceberg_spec *spec = write->metadata->spec;
    struct slice *values = arena_alloc(&write->arena, (spec->field_count + 1) * sizeof *values);
    for (size_t i = 0; i < spec->field_count; i++) {
        const struct iceberg_partition_field *field = &spec->fields[i];
        char id[16];
        snprintf(id, sizeof id, "%d", field->source_id);
        struct slice source = parse_value(write, field->source_id, json_object_get(sources, id));
        values[i] =
            iceberg_transform_apply(&write->arena, field->transform,
                                    iceberg_schema_field(write->metadata->schema, field->source_id)->type, source);
    }
    return values;
}

static void write_vector(const json_t *positions, struct iceberg_file *out) {
    struct puffin_writer writer;
    struct roaring set;
    roaring_init(&set);
    puffin_writer_init(&writer);
    for (size_t i = 0; i < json_array_size(positions); i++)
        roaring_add(&set, (uint64_t)json_integer_value(json_array_get(positions, i)));
    require(puffin_add_vector(&writer, out->referenced_file, &set, &out->content_offset, &out->content_size, &err));
    puffin_finish(&writer);
    write_whole(out->path, (struct slice){writer.file.data, writer.file.len});
    out->format = "PUFFIN";
    out->record_count = (int64_t)roaring_count(&set);
    out->size_bytes = (int64_t)writer.file.len;
    puffin_writer_deinit(&writer);
    roaring_deinit(&set);
}

static struct iceberg_entry get_entry(struct write *write, const json_t *file) {
    struct iceberg_entry entry = {
        .status = ICEBERG_ADDED,
        .snapshot_id = write->snapshot_id,
        .sequence_number = ICEBERG_NO_NUMBER,
        .file_sequence_number = ICEBERG_NO_NUMBER,
        .file = {.content = (enum iceberg_file_content)get_number(file, "content"),
                 .path = get_text(file, "path"),
                 .format = "PARQUET",
                 .partition = get_partition(write, json_object_get(file, "partition")),
                 .record_count = get_number(file, "records"),
                 .size_bytes = get_number(file, "size"),
                 .column_sizes = get_counts(write, json_object_get(file, "sizes")),
                 .value_counts = get_counts(write, json_object_get(file, "counts")),
                 .null_counts = get_counts(write, json_object_get(file, "nulls")),
                 .lower = get_bounds(write, json_object_get(file, "lower"), false),
                 .upper = get_bounds(write, json_object_get(file, "upper"), true),
                 .sort_order_id = -1,
                 .first_row_id = ICEBERG_NO_NUMBER,
                 .referenced_file = get_text(file, "referenced"),
                 .content_offset = ICEBERG_NO_NUMBER,
                 .content_size = ICEBERG_NO_NUMBER},
    };
    if (json_object_get(file, "positions") != NULL)
        write_vector(json_object_get(file, "positions"), &entry.file);
    return entry;
}

/* False when there is no file of that kind. */
static bool write_manifest(struct write *write, enum iceberg_manifest_content content,
                           struct iceberg_manifest_file *out) {
    struct iceberg_manifest_writer writer;
    size_t index, added = 0;
    json_t *file;
    require(iceberg_manifest_writer_init(&writer, write->metadata, write->metadata->spec, content, &err));
    json_array_foreach(json_object_get(write->json, "files"), index, file) {
        bool is_delete = get_number(file, "content") != ICEBERG_DATA_FILE;
        if (is_delete != (content == ICEBERG_DELETE_MANIFEST))
            continue;
        struct iceberg_entry entry = get_entry(write, file);
        require(iceberg_manifest_add(&writer, &entry, &err));
        added++;
    }
    const char *path = unique(write, content == ICEBERG_DELETE_MANIFEST ? "deletes" : "data", ".avro");
    struct slice bytes = iceberg_manifest_finish(&writer, &write->arena, path, write->snapshot_id, out);
    if (added > 0)
        write_whole(path, bytes);
    iceberg_manifest_writer_deinit(&writer);
    return added > 0;
}

static void add_snapshot(struct write *write) {
    const struct iceberg_snapshot *parent = write->metadata->snapshot;
    struct iceberg_manifest_file *old = NULL, *all;
    size_t count = 0, old_count = 0;
    struct buf list;
    int64_t added_rows, parent_id = parent != NULL ? parent->id : ICEBERG_NO_SNAPSHOT;
    write->snapshot_id = iceberg_metadata_new_snapshot_id(write->metadata);
    if (parent != NULL)
        require(
            iceberg_list_read(&write->arena, read_whole(&write->arena, parent->manifest_list), &old, &old_count, &err));
    all = arena_alloc(&write->arena, (old_count + 2) * sizeof *all);
    count += write_manifest(write, ICEBERG_DATA_MANIFEST, &all[count]);
    count += write_manifest(write, ICEBERG_DELETE_MANIFEST, &all[count]);
    if (old_count > 0)
        memcpy(all + count, old, old_count * sizeof *all);
    int64_t sequence = write->metadata->last_sequence_number + 1;
    struct iceberg_list_header header = {write->metadata->format_version, write->snapshot_id, parent_id, sequence,
                                         write->metadata->next_row_id};
    buf_init(&list, BUF_MAX_DEFAULT);
    require(iceberg_list_write(&header, all, count + old_count, &list, &added_rows, &err));
    struct iceberg_snapshot snapshot = {.id = write->snapshot_id,
                                        .parent_id = parent_id,
                                        .sequence_number = sequence,
                                        .timestamp_ms = clock_now_us() / 1000,
                                        .manifest_list = unique(write, "snap", ".avro"),
                                        .schema_id = write->metadata->schema->id};
    write_whole(snapshot.manifest_list, (struct slice){list.data, list.len});
    iceberg_metadata_add_snapshot(write->metadata, &snapshot, json_incref(json_object_get(write->json, "summary")),
                                  added_rows);
    buf_deinit(&list);
}

static void commit(struct write *write) {
    struct buf text;
    const char *file = unique(write, "v", ".metadata.json");
    buf_init(&text, ICEBERG_METADATA_MAX_BYTES);
    iceberg_metadata_finish(write->metadata, write->current, clock_now_us() / 1000);
    iceberg_metadata_write(write->metadata, &text);
    write_whole(file, (struct slice){text.data, text.len});
    if (write->current != NULL)
        require(catalog_table_commit(write->catalog, &write->table, write->current, file, &err));
    else
        require(catalog_table_create(write->catalog, &write->table, file, &err));
    print(json_pack("{s:s}", "metadata", file));
    buf_deinit(&text);
}

static void write_table(const char *catalog) {
    json_error_t problem;
    struct write write = {.json = json_loadf(stdin, 0, &problem)};
    arena_init(&write.arena);
    require(write.json != NULL || error_set(&err, ERROR_CONFIG, "%s", problem.text));
    write.table = (struct catalog_table){get_text(write.json, "namespace"), get_text(write.json, "name")};
    require(catalog_open(catalog, get_text(write.json, "catalog"), &write.catalog, &err) &&
            catalog_table_find(write.catalog, &write.arena, &write.table, &write.current, &err));
    if (write.current != NULL)
        require(iceberg_metadata_read(read_whole(&write.arena, write.current), &write.metadata, &err));
    else
        write.metadata =
            iceberg_metadata_new(get_text(write.json, "location"), (int)get_number(write.json, "format_version"));
    iceberg_metadata_upgrade(write.metadata, 2);
    if (json_object_get(write.json, "fields") != NULL)
        set_columns(&write);
    if (json_object_get(write.json, "files") != NULL)
        add_snapshot(&write);
    commit(&write);
    iceberg_metadata_free(write.metadata);
    catalog_close(write.catalog);
    json_decref(write.json);
    arena_deinit(&write.arena);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        read_tree(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "write") == 0)
        write_table(argv[2]);
    else
        return 2;
    return 0;
}
