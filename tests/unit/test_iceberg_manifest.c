/* Manifests and manifest lists: round trips in versions 2 and 3, what is inherited, and what a list says of a manifest. */
#include "assert_call.h"

#include <string.h>

#include "lake/iceberg/manifest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* id long, price decimal(9,2), at timestamp; by bucket[4](id), day(at), price. */
static struct iceberg_metadata *make_table(int format_version) {
    struct iceberg_metadata *metadata = iceberg_metadata_new("file:///t", format_version);
    struct iceberg_field fields[] = {
        {.id = 1, .name = "id", .required = true, .type = {.kind = ICEBERG_LONG}},
        {.id = 2, .name = "price", .type = {ICEBERG_DECIMAL, 9, 2, 0}},
        {.id = 3, .name = "at", .type = {.kind = ICEBERG_TIMESTAMP}},
    };
    struct iceberg_partition_field spec[] = {
        {.source_id = 1, .name = "id bucket", .transform = {ICEBERG_BUCKET, 4}},
        {.source_id = 3, .name = "at_day", .transform = {ICEBERG_DAY, 0}},
        {.source_id = 2, .name = "2nd", .transform = {ICEBERG_IDENTITY, 0}},
    };
    iceberg_metadata_set_schema(metadata, fields, COUNT(fields));
    iceberg_metadata_set_spec(metadata, spec, COUNT(spec));
    return metadata;
}

static struct iceberg_entry make_entry(struct arena *arena, int i) {
    struct slice *partition = arena_alloc(arena, 3 * sizeof *partition);
    struct iceberg_count *counts = arena_alloc(arena, 2 * sizeof *counts);
    struct iceberg_bound *bounds = arena_alloc(arena, sizeof *bounds);
    static const int64_t offsets[] = {4, 4096};
    partition[0] = iceberg_value_of_int(arena, (struct iceberg_type){.kind = ICEBERG_INT}, i % 4);
    if (i > 0)
        partition[1] = iceberg_value_of_int(arena, (struct iceberg_type){.kind = ICEBERG_DATE}, 20000 - i);
    partition[2] = iceberg_value_of_decimal(arena, -i * 100);
    counts[0] = (struct iceberg_count){1, 10 + i};
    counts[1] = (struct iceberg_count){3, 0};
    bounds[0] = (struct iceberg_bound){1, iceberg_value_of_int(arena, (struct iceberg_type){.kind = ICEBERG_LONG}, i)};
    return (struct iceberg_entry){
        .status = ICEBERG_ADDED,
        .snapshot_id = ICEBERG_NO_NUMBER,
        .sequence_number = ICEBERG_NO_NUMBER,
        .file_sequence_number = ICEBERG_NO_NUMBER,
        .file = {.path = arena_printf(arena, "file:///t/data/%d.parquet", i),
                 .format = "PARQUET",
                 .partition = partition,
                 .record_count = 10 + i,
                 .size_bytes = 1000,
                 .column_sizes = {counts, 1},
                 .value_counts = {counts, 2},
                 .lower = {bounds, 1},
                 .upper = {bounds, 1},
                 .split_offsets = offsets,
                 .split_offset_count = COUNT(offsets),
                 .sort_order_id = 0,
                 .first_row_id = ICEBERG_NO_NUMBER,
                 .content_offset = ICEBERG_NO_NUMBER,
                 .content_size = ICEBERG_NO_NUMBER},
    };
}

static struct iceberg_manifest_reader *open_manifest(const struct iceberg_metadata *metadata,
                                                     const struct iceberg_manifest_file *file, struct slice bytes) {
    struct iceberg_manifest_reader *reader;
    struct error err;
    assert_ok(iceberg_manifest_open(metadata, file, bytes, &reader, &err));
    return reader;
}

static void assert_int_value(struct slice value, enum iceberg_type_kind kind, int64_t want) {
    assert_true(iceberg_value_to_int((struct iceberg_type){.kind = kind}, value) == want);
}

static void check_entry(const struct iceberg_entry *entry, int i) {
    assert_int_equal(entry->status, ICEBERG_ADDED);
    assert_int_equal(entry->snapshot_id, 77);
    assert_int_equal(entry->sequence_number, 5);
    assert_int_equal(entry->file_sequence_number, 5);
    assert_string_equal(entry->file.format, "PARQUET");
    assert_int_equal(entry->file.record_count, 10 + i);
    assert_int_value(entry->file.partition[0], ICEBERG_INT, i % 4);
    assert_int_equal(iceberg_value_is_null(entry->file.partition[1]), i == 0);
    assert_true(iceberg_value_to_decimal(entry->file.partition[2]) == -i * 100);
    assert_int_equal(iceberg_counts_find(entry->file.value_counts, 1), 10 + i);
    assert_int_equal(iceberg_counts_find(entry->file.value_counts, 3), 0);
    assert_int_equal(iceberg_counts_find(entry->file.value_counts, 2), ICEBERG_NO_NUMBER);
    assert_null(entry->file.null_counts.items);
    assert_int_value(iceberg_bounds_find(entry->file.lower, 1), ICEBERG_LONG, i);
    assert_null(iceberg_bounds_find(entry->file.lower, 2).data);
    assert_int_equal(entry->file.split_offsets[1], 4096);
    assert_null(entry->file.equality_ids);
    assert_int_equal(entry->file.sort_order_id, 0);
    assert_null(entry->file.referenced_file);
}

static void test_manifest(void **state) {
    enum { FILES = 20 };
    int version = *(int *)*state;
    struct iceberg_metadata *metadata = make_table(version);
    struct iceberg_manifest_writer writer;
    struct iceberg_manifest_file file;
    struct arena arena;
    struct error err;
    const struct iceberg_entry *entry;
    arena_init(&arena);
    assert_ok(iceberg_manifest_writer_init(&writer, metadata, metadata->spec, ICEBERG_DATA_MANIFEST, &err));
    for (int i = 0; i < FILES; i++) {
        struct iceberg_entry added = make_entry(&arena, i);
        assert_ok(iceberg_manifest_add(&writer, &added, &err));
    }
    struct slice bytes = iceberg_manifest_finish(&writer, &arena, "m", 77, &file);
    assert_int_equal(file.length, bytes.len);
    assert_int_equal(file.added_files, FILES);
    assert_int_equal(file.added_rows, FILES * 10 + FILES * (FILES - 1) / 2);
    assert_int_equal(file.sequence_number, ICEBERG_NO_NUMBER);
    assert_int_equal(file.partition_count, 3);
    assert_false(file.partitions[0].contains_null);
    assert_true(file.partitions[1].contains_null);
    assert_int_value(file.partitions[0].upper, ICEBERG_INT, 3);
    assert_int_value(file.partitions[1].lower, ICEBERG_DATE, 20000 - FILES + 1);
    assert_true(iceberg_value_to_decimal(file.partitions[2].lower) == -100 * (FILES - 1));

    file.sequence_number = 5; /* as the list will have it */
    file.first_row_id = version >= 3 ? 1000 : ICEBERG_NO_NUMBER;
    struct iceberg_manifest_reader *reader = open_manifest(metadata, &file, bytes);
    int64_t row_id = 1000;
    for (int i = 0; i < FILES; i++) {
        assert_ok(iceberg_manifest_next(reader, &entry, &err));
        struct iceberg_entry copy;
        iceberg_entry_copy(&arena, entry, 3, &copy);
        check_entry(entry, i);
        check_entry(&copy, i);
        assert_int_equal(entry->file.first_row_id, version >= 3 ? row_id : ICEBERG_NO_NUMBER);
        row_id += 10 + i;
    }
    assert_ok(iceberg_manifest_next(reader, &entry, &err));
    assert_null(entry);
    iceberg_manifest_close(reader);
    iceberg_manifest_writer_deinit(&writer);
    iceberg_metadata_free(metadata);
    arena_deinit(&arena);
}

/* A manifest that is rewritten: what stays and what goes keeps its numbers, and the least of the live ones counts. */
static void test_existing(void **state) {
    (void)state;
    static const struct {
        enum iceberg_entry_status status;
        int64_t snapshot_id, sequence_number;
    } entries[] = {
        {ICEBERG_EXISTING, 11, 3}, {ICEBERG_DELETED, 12, 1}, {ICEBERG_EXISTING, 13, 4}, {ICEBERG_ADDED, -1, -1}};
    struct iceberg_metadata *metadata = make_table(2);
    struct iceberg_manifest_writer writer;
    struct iceberg_manifest_file file;
    struct arena arena;
    struct error err;
    const struct iceberg_entry *entry;
    arena_init(&arena);
    assert_ok(iceberg_manifest_writer_init(&writer, metadata, metadata->spec, ICEBERG_DATA_MANIFEST, &err));
    for (size_t i = 0; i < COUNT(entries); i++) {
        struct iceberg_entry next = make_entry(&arena, (int)i);
        next.status = entries[i].status;
        next.snapshot_id = entries[i].snapshot_id;
        next.sequence_number = next.file_sequence_number = entries[i].sequence_number;
        assert_ok(iceberg_manifest_add(&writer, &next, &err));
    }
    struct slice bytes = iceberg_manifest_finish(&writer, &arena, "m", 99, &file);
    assert_int_equal(file.existing_files, 2);
    assert_int_equal(file.existing_rows, 22);
    assert_int_equal(file.deleted_files, 1);
    assert_int_equal(file.deleted_rows, 11);
    assert_int_equal(file.min_sequence_number, 3);
    file.sequence_number = 8;
    struct iceberg_manifest_reader *reader = open_manifest(metadata, &file, bytes);
    for (size_t i = 0; i < COUNT(entries); i++) {
        bool added = entries[i].status == ICEBERG_ADDED;
        assert_ok(iceberg_manifest_next(reader, &entry, &err));
        assert_int_equal(entry->status, entries[i].status);
        assert_int_equal(entry->snapshot_id, added ? 99 : entries[i].snapshot_id);
        assert_int_equal(entry->sequence_number, added ? 8 : entries[i].sequence_number);
        assert_int_equal(entry->file_sequence_number, added ? 8 : entries[i].sequence_number);
    }
    iceberg_manifest_close(reader);
    iceberg_manifest_writer_deinit(&writer);
    iceberg_metadata_free(metadata);
    arena_deinit(&arena);
}

static void test_delete_files(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = make_table(2);
    struct iceberg_manifest_writer writer;
    struct iceberg_manifest_file file;
    struct arena arena;
    struct error err;
    const struct iceberg_entry *entry;
    static const int32_t ids[] = {1};
    arena_init(&arena);
    assert_ok(iceberg_manifest_writer_init(&writer, metadata, metadata->spec, ICEBERG_DELETE_MANIFEST, &err));
    struct iceberg_entry position = make_entry(&arena, 1), equality = make_entry(&arena, 2);
    position.file.content = ICEBERG_POSITION_DELETES;
    position.file.referenced_file = "file:///t/data/1.parquet";
    position.file.sort_order_id = -1;
    equality.file.content = ICEBERG_EQUALITY_DELETES;
    equality.file.equality_ids = ids;
    equality.file.equality_id_count = 1;
    assert_ok(iceberg_manifest_add(&writer, &position, &err));
    assert_ok(iceberg_manifest_add(&writer, &equality, &err));
    struct slice bytes = iceberg_manifest_finish(&writer, &arena, "m", 99, &file);
    assert_int_equal(file.content, ICEBERG_DELETE_MANIFEST);
    file.sequence_number = 1;
    struct iceberg_manifest_reader *reader = open_manifest(metadata, &file, bytes);
    assert_ok(iceberg_manifest_next(reader, &entry, &err));
    assert_int_equal(entry->file.content, ICEBERG_POSITION_DELETES);
    assert_string_equal(entry->file.referenced_file, "file:///t/data/1.parquet");
    assert_int_equal(entry->file.sort_order_id, -1);
    assert_ok(iceberg_manifest_next(reader, &entry, &err));
    assert_int_equal(entry->file.content, ICEBERG_EQUALITY_DELETES);
    assert_int_equal(entry->file.equality_id_count, 1);
    assert_int_equal(entry->file.equality_ids[0], 1);
    iceberg_manifest_close(reader);
    iceberg_manifest_writer_deinit(&writer);
    iceberg_metadata_free(metadata);
    arena_deinit(&arena);
}

static void test_refused(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = make_table(2);
    struct iceberg_manifest_writer writer;
    struct arena arena;
    struct error err;
    arena_init(&arena);
    assert_ok(iceberg_manifest_writer_init(&writer, metadata, metadata->spec, ICEBERG_DATA_MANIFEST, &err));
    struct iceberg_entry entry = make_entry(&arena, 1);
    struct slice partition[3] = {entry.file.partition[0], entry.file.partition[1],
                                 iceberg_value_of_decimal(&arena, INT64_C(100000000000))};
    entry.file.partition = partition;
    assert_fails(iceberg_manifest_add(&writer, &entry, &err), ERROR_DATA);
    assert_says("\"2nd\"");
    iceberg_manifest_writer_deinit(&writer);

    struct iceberg_partition_field unknown = {1, 1000, "z", {ICEBERG_UNKNOWN_TRANSFORM, 0}};
    struct iceberg_spec spec = {.id = 7, .fields = &unknown, .field_count = 1};
    assert_fails(iceberg_manifest_writer_init(&writer, metadata, &spec, ICEBERG_DATA_MANIFEST, &err), ERROR_DATA);
    struct iceberg_manifest_file file = {.spec_id = 7};
    struct iceberg_manifest_reader *reader;
    assert_fails(iceberg_manifest_open(metadata, &file, slice_of(""), &reader, &err), ERROR_DATA);
    assert_says("spec 7");
    iceberg_metadata_free(metadata);
    arena_deinit(&arena);
}

static void test_list(void **state) {
    int version = *(int *)*state;
    struct arena arena;
    struct error err;
    struct buf bytes;
    arena_init(&arena);
    buf_init(&bytes, 1 << 20);
    struct iceberg_field_summary summaries[] = {
        {.contains_null = true, .nan_known = true, .lower = slice_of("abcd"), .upper = slice_of("efgh")},
        {.contains_null = true},
    };
    struct iceberg_manifest_file files[] = {
        {.path = "old",
         .length = 10,
         .spec_id = 1,
         .sequence_number = 3,
         .min_sequence_number = 2,
         .added_snapshot_id = 6,
         .added_files = 1,
         .added_rows = 9,
         .first_row_id = 40},
        {.path = "new",
         .length = 20,
         .sequence_number = ICEBERG_NO_NUMBER,
         .min_sequence_number = ICEBERG_NO_NUMBER,
         .added_snapshot_id = 7,
         .added_files = 2,
         .existing_files = 3,
         .deleted_files = 4,
         .added_rows = 5,
         .existing_rows = 6,
         .deleted_rows = 7,
         .partitions = summaries,
         .partition_count = 2,
         .first_row_id = ICEBERG_NO_NUMBER},
        {.path = "deletes",
         .length = 30,
         .content = ICEBERG_DELETE_MANIFEST,
         .sequence_number = ICEBERG_NO_NUMBER,
         .min_sequence_number = 1,
         .added_snapshot_id = 7,
         .added_files = 1,
         .added_rows = 100,
         .first_row_id = ICEBERG_NO_NUMBER},
        {.path = "second",
         .length = 20,
         .sequence_number = ICEBERG_NO_NUMBER,
         .min_sequence_number = 4,
         .added_snapshot_id = 7,
         .added_files = 1,
         .added_rows = 1,
         .first_row_id = ICEBERG_NO_NUMBER},
    };
    struct iceberg_list_header header = {version, 7, 6, 8, 1000};
    struct iceberg_manifest_file *read;
    size_t count;
    int64_t added_rows;
    assert_ok(iceberg_list_write(&header, files, COUNT(files), &bytes, &added_rows, &err));
    assert_ok(iceberg_list_read(&arena, (struct slice){bytes.data, bytes.len}, &read, &count, &err));
    assert_int_equal(count, COUNT(files));
    assert_string_equal(read[0].path, "old");
    assert_int_equal(read[0].spec_id, 1);
    assert_int_equal(read[0].sequence_number, 3);
    assert_int_equal(read[0].min_sequence_number, 2);
    assert_null(read[0].partitions);
    assert_int_equal(read[1].sequence_number, 8);
    assert_int_equal(read[1].min_sequence_number, 8);
    assert_int_equal(read[1].existing_files, 3);
    assert_int_equal(read[1].deleted_rows, 7);
    assert_int_equal(read[1].partition_count, 2);
    assert_true(read[1].partitions[0].nan_known);
    assert_true(slice_equal_text(read[1].partitions[0].upper, "efgh"));
    assert_false(read[1].partitions[1].nan_known);
    assert_null(read[1].partitions[1].lower.data);
    assert_int_equal(read[2].content, ICEBERG_DELETE_MANIFEST);
    assert_int_equal(read[3].min_sequence_number, 4);
    int64_t ids[] = {40, 1000, ICEBERG_NO_NUMBER, 1011};
    for (size_t i = 0; i < COUNT(files); i++)
        assert_int_equal(read[i].first_row_id, version >= 3 ? ids[i] : ICEBERG_NO_NUMBER);
    assert_int_equal(added_rows, version >= 3 ? 12 : 0);
    files[1].existing_rows = ICEBERG_NO_NUMBER; /* a list of version 1 may not say it, and row ids need it */
    if (version >= 3)
        assert_fails(iceberg_list_write(&header, files, COUNT(files), &bytes, &added_rows, &err), ERROR_DATA);
    else
        assert_ok(iceberg_list_write(&header, files, COUNT(files), &bytes, &added_rows, &err));
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

int main(void) {
    static int second = 2, third = 3;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_manifest, &second),
        cmocka_unit_test_prestate(test_manifest, &third),
        cmocka_unit_test(test_existing),
        cmocka_unit_test(test_delete_files),
        cmocka_unit_test(test_refused),
        cmocka_unit_test_prestate(test_list, &second),
        cmocka_unit_test_prestate(test_list, &third),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
