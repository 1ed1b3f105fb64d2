/* Iceberg's table metadata on any bytes: what is read can be changed and written, and reads again. The first byte chooses
 * which changes. */
#include <stdio.h>
#include <stdlib.h>

#include "lake/iceberg/metadata.h"

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_iceberg_metadata: %s\n", what);
    abort();
}

static void add_column(struct iceberg_metadata *metadata) {
    const struct iceberg_schema *schema = metadata->schema;
    struct iceberg_field *fields = mem_zalloc((schema->field_count + 1) * sizeof *fields);
    for (size_t i = 0; i < schema->field_count; i++)
        fields[i] = schema->fields[i];
    fields[schema->field_count] = (struct iceberg_field){.id = 7, .name = "new", .type = {ICEBERG_DECIMAL, 9, 2, 0}};
    iceberg_metadata_set_schema(metadata, fields, schema->field_count + 1);
    iceberg_metadata_set_name_mapping(metadata);
    mem_free(fields);
}

static void set_spec(struct iceberg_metadata *metadata) {
    struct iceberg_partition_field fields[] = {{1, 0, "a", {ICEBERG_BUCKET, 4}}, {2, 0, "b", {ICEBERG_IDENTITY, 0}}};
    if (metadata->last_partition_id < INT32_MAX - 2)
        iceberg_metadata_set_spec(metadata, fields, 2);
}

static void add_snapshot(struct iceberg_metadata *metadata) {
    struct iceberg_snapshot snapshot = {.id = iceberg_metadata_new_snapshot_id(metadata),
                                        .parent_id = ICEBERG_NO_SNAPSHOT,
                                        .sequence_number = metadata->last_sequence_number + 1,
                                        .timestamp_ms = 1,
                                        .manifest_list = "list"};
    if (metadata->last_sequence_number == INT64_MAX || metadata->next_row_id > INT64_MAX - 5)
        return;
    iceberg_metadata_add_snapshot(metadata, &snapshot, json_object(), 5);
    require(metadata->snapshot != NULL && metadata->snapshot->id == snapshot.id, "the snapshot is not the current one");
}

static void remove_snapshots(struct iceberg_metadata *metadata) {
    size_t count = metadata->snapshot_count;
    int64_t *ids = mem_zalloc((count + 1) * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = metadata->snapshots[i].id;
    iceberg_metadata_remove_snapshots(metadata, ids, count);
    mem_free(ids);
}

static void change(struct iceberg_metadata *metadata, uint8_t what) {
    iceberg_metadata_upgrade(metadata, (what & 16) != 0 ? 3 : 2);
    if ((what & 1) != 0)
        add_column(metadata);
    if ((what & 2) != 0)
        set_spec(metadata);
    if ((what & 4) != 0)
        add_snapshot(metadata);
    if ((what & 8) != 0)
        remove_snapshots(metadata);
    iceberg_metadata_set_property(metadata, "p", "v");
    iceberg_metadata_finish(metadata, "file", 5);
}

static void look(const struct iceberg_metadata *metadata) {
    for (size_t i = 0; i < metadata->spec->field_count; i++)
        iceberg_metadata_partition_type(metadata, &metadata->spec->fields[i]);
    mem_free(iceberg_metadata_folder(metadata));
    mem_free(iceberg_data_folder(metadata));
    if (metadata->snapshot != NULL)
        iceberg_snapshot_summary(metadata->snapshot, "operation");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct iceberg_metadata *metadata, *again;
    struct error err = {0};
    struct buf text;
    if (size == 0)
        return 0;
    if (!iceberg_metadata_read((struct slice){(const char *)data + 1, size - 1}, &metadata, &err)) {
        require(err.kind == ERROR_DATA || err.kind == ERROR_CONFIG, "an error of another kind");
        return 0;
    }
    look(metadata);
    change(metadata, data[0]);
    look(metadata);
    buf_init(&text, BUF_MAX_DEFAULT);
    iceberg_metadata_write(metadata, &text);
    require(iceberg_metadata_read((struct slice){text.data, text.len}, &again, &err), "what was written does not read");
    require(json_equal(metadata->json, again->json), "what was written reads differently");
    iceberg_metadata_free(again);
    iceberg_metadata_free(metadata);
    buf_deinit(&text);
    return 0;
}
