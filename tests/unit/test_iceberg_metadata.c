/* Table metadata: reading versions 1 to 3, changing, and that nothing is lost that sluice does not know. */
#include "assert_call.h"

#include <string.h>
#include <zlib.h>

#include "lake/iceberg/metadata.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Quotes are ' here; what is unknown to sluice is named x-… */
static const char second[] =
    "{'format-version':2,'table-uuid':'9c12d441-03fe-4693-9a96-a0705ddf69c1','location':'s3://bucket/test/location',"
    "'last-sequence-number':34,'last-updated-ms':1602638573590,'last-column-id':6,'current-schema-id':1,"
    "'schemas':[{'type':'struct','schema-id':0,'fields':[{'id':1,'name':'x','required':true,'type':'long'}]},"
    "{'type':'struct','schema-id':1,'identifier-field-ids':[1],'fields':["
    "{'id':1,'name':'x','required':true,'type':'long','doc':'kept'},"
    "{'id':2,'name':'y','required':false,'type':'int'},"
    "{'id':3,'name':'z','required':false,'type':{'type':'list','element-id':4,'element-required':false,'element':"
    "{'type':'map','key-id':5,'key':'string','value-id':6,'value':'int','value-required':false}}}]}],"
    "'default-spec-id':0,'partition-specs':[{'spec-id':0,'fields':[{'name':'x','transform':'identity','source-id':1,"
    "'field-id':1000}]}],'last-partition-id':1000,'default-sort-order-id':3,'sort-orders':[{'order-id':3,'fields':["
    "{'transform':'identity','source-id':2,'direction':'asc','null-order':'nulls-first'}]}],"
    "'properties':{'read.split.target.size':'134217728'},'current-snapshot-id':3055729675574597004,'snapshots':["
    "{'snapshot-id':3051729675574597004,'timestamp-ms':1515100955770,'sequence-number':0,"
    "'summary':{'operation':'append'},'manifest-list':'s3://a/b/1.avro'},"
    "{'snapshot-id':3055729675574597004,'parent-snapshot-id':3051729675574597004,'timestamp-ms':1555100955770,"
    "'sequence-number':1,'summary':{'operation':'append','x-note':'n'},'manifest-list':'s3://a/b/2.avro',"
    "'schema-id':1,'x-snapshot':1}],"
    "'snapshot-log':[{'snapshot-id':3051729675574597004,'timestamp-ms':1515100955770},"
    "{'snapshot-id':3055729675574597004,'timestamp-ms':1555100955770}],"
    "'metadata-log':[{'metadata-file':'s3://bucket/.../v1.json','timestamp-ms':1515100}],"
    "'refs':{'test':{'snapshot-id':3051729675574597004,'type':'tag','max-ref-age-ms':10000000},"
    "'main':{'snapshot-id':3055729675574597004,'type':'branch','min-snapshots-to-keep':7}},"
    "'statistics':[{'snapshot-id':3051729675574597004,'statistics-path':'s','file-size-in-bytes':1,"
    "'file-footer-size-in-bytes':1,'blob-metadata':[]}],'x-new':{'a':[1,2]}}";

static const char first[] =
    "{'format-version':1,'location':'s3://bucket/test/location','last-updated-ms':1602638573874,'last-column-id':3,"
    "'schema':{'type':'struct','fields':[{'id':1,'name':'x','required':true,'type':'long'},"
    "{'id':2,'name':'y','required':true,'type':'date'}]},'partition-spec':["
    "{'name':'x','transform':'bucket[4]','source-id':1},{'name':'y','transform':'identity','source-id':2}],"
    "'properties':{},'current-snapshot-id':-1,'snapshots':[]}";

static struct slice quoted(struct buf *out, const char *text) {
    buf_init(out, 1 << 20);
    for (; *text != '\0'; text++)
        buf_append_char(out, *text == '\'' ? '"' : *text);
    return (struct slice){out->data, out->len};
}

static struct iceberg_metadata *read_text(const char *text) {
    struct buf json;
    struct iceberg_metadata *metadata;
    struct error err;
    assert_ok(iceberg_metadata_read(quoted(&json, text), &metadata, &err));
    buf_deinit(&json);
    return metadata;
}

static const json_t *at(const json_t *json, const char *key, size_t index) {
    return json_array_get(json_object_get(json, key), index);
}

static int64_t number(const json_t *json, const char *key) { return json_integer_value(json_object_get(json, key)); }

static void test_second(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(second);
    assert_int_equal(metadata->format_version, 2);
    assert_string_equal(metadata->uuid, "9c12d441-03fe-4693-9a96-a0705ddf69c1");
    assert_int_equal(metadata->last_sequence_number, 34);
    assert_int_equal(metadata->schema->id, 1);
    assert_int_equal(metadata->schema->field_count, 3);
    assert_int_equal(metadata->schema->fields[1].type.kind, ICEBERG_INT);
    assert_int_equal(metadata->schema->fields[2].type.kind, ICEBERG_OTHER);
    assert_int_equal(metadata->spec->fields[0].id, 1000);
    assert_int_equal(iceberg_metadata_partition_type(metadata, &metadata->spec->fields[0]).kind, ICEBERG_LONG);
    assert_true(metadata->snapshot->id == INT64_C(3055729675574597004));
    assert_true(metadata->snapshot->parent_id == INT64_C(3051729675574597004));
    assert_true(metadata->snapshots[0].parent_id == ICEBERG_NO_SNAPSHOT);
    assert_int_equal(metadata->snapshots[0].schema_id, -1);
    assert_string_equal(iceberg_snapshot_summary(metadata->snapshot, "x-note"), "n");
    assert_string_equal(iceberg_metadata_property(metadata, "read.split.target.size"), "134217728");
    iceberg_metadata_free(metadata);
}

static void test_first(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(first);
    assert_null(metadata->snapshot);
    assert_null(metadata->uuid);
    assert_int_equal(metadata->spec->fields[1].id, 1001);
    assert_int_equal(metadata->last_partition_id, 1001);
    iceberg_metadata_upgrade(metadata, 2);
    assert_int_equal(metadata->format_version, 2);
    assert_int_equal(strlen(metadata->uuid), 36);
    assert_null(json_object_get(metadata->json, "schema"));
    assert_null(json_object_get(metadata->json, "partition-spec"));
    assert_int_equal(number(at(at(metadata->json, "partition-specs", 0), "fields", 1), "field-id"), 1001);
    assert_int_equal(number(metadata->json, "last-partition-id"), 1001);
    assert_int_equal(metadata->schema->field_count, 2);
    iceberg_metadata_upgrade(metadata, 3);
    assert_int_equal(metadata->format_version, 3);
    assert_int_equal(number(metadata->json, "next-row-id"), 0);
    json_object_set_new(metadata->json, "next-row-id", json_integer(7));
    iceberg_metadata_upgrade(metadata, 2); /* nothing goes back */
    iceberg_metadata_upgrade(metadata, 3);
    assert_int_equal(metadata->format_version, 3);
    assert_int_equal(number(metadata->json, "next-row-id"), 7);
    iceberg_metadata_free(metadata);
}

static void test_gzip(void **state) {
    (void)state;
    struct buf json;
    struct error err;
    struct iceberg_metadata *metadata;
    char packed[8192];
    struct slice text = quoted(&json, second);
    z_stream stream = {.next_in = (Bytef *)text.data,
                       .avail_in = (uInt)text.len,
                       .next_out = (Bytef *)packed,
                       .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    assert_ok(iceberg_metadata_read((struct slice){packed, stream.total_out}, &metadata, &err));
    assert_int_equal(metadata->last_sequence_number, 34);
    iceberg_metadata_free(metadata);
    assert_fails(iceberg_metadata_read((struct slice){packed, stream.total_out / 2}, &metadata, &err), ERROR_DATA);
    buf_deinit(&json);
}

/* Each is `second` with one text replaced. */
static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *says;
        enum error_kind kind;
    } cases[] = {
        {"'format-version':2", "'format-version':4", "version 4", ERROR_CONFIG},
        {"'format-version':2", "'format-version':'2'", "not table metadata", ERROR_DATA},
        {"'format-version':2,", "", "not table metadata", ERROR_DATA},
        {"'table-uuid'", "'table'", "table-uuid", ERROR_DATA},
        {"'location':'s3", "'locate':'s3", "location", ERROR_DATA},
        {"'last-column-id':6", "'last-column-id':6000000000", "last-column-id", ERROR_DATA},
        {"'current-schema-id':1", "'current-schema-id':9", "current-schema-id", ERROR_DATA},
        {"'default-spec-id':0", "'default-spec-id':9", "default-spec-id", ERROR_DATA},
        {"'current-snapshot-id':3055729675574597004", "'current-snapshot-id':5", "current-snapshot-id", ERROR_DATA},
        {"'fields':[{'name':'x'", "'fields':[{'nom':'x'", "name", ERROR_DATA},
        {"'test':{", "'test':5,'other':{", "refs", ERROR_DATA},
        {"'properties':{'read", "'properties':7,'p':{'read", "properties", ERROR_DATA},
        {"'x-new':{'a':[1,2]}}", "'x-new':", "line 1", ERROR_DATA},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf changed, json;
        struct error err;
        struct iceberg_metadata *metadata;
        const char *found = strstr(second, cases[i].from);
        assert_non_null(found);
        buf_init(&changed, 1 << 20);
        buf_append(&changed, second, (size_t)(found - second));
        buf_append_text(&changed, cases[i].to);
        buf_append_text(&changed, found + strlen(cases[i].from));
        assert_fails(iceberg_metadata_read(quoted(&json, changed.data), &metadata, &err), cases[i].kind);
        assert_says(cases[i].says);
        buf_deinit(&changed);
        buf_deinit(&json);
    }
}

/* A commit on another writer's table: what it does not concern is the same as before. */
static void test_add_snapshot(void **state) {
    (void)state;
    struct iceberg_metadata *before = read_text(second), *metadata = iceberg_metadata_copy(before);
    struct iceberg_snapshot snapshot = {.id = iceberg_metadata_new_snapshot_id(metadata),
                                        .parent_id = metadata->snapshot->id,
                                        .sequence_number = metadata->last_sequence_number + 1,
                                        .timestamp_ms = 5, /* a clock that went back */
                                        .manifest_list = "s3://a/b/3.avro",
                                        .schema_id = 1};
    iceberg_metadata_add_snapshot(metadata, &snapshot, json_pack("{s:s}", "operation", "append"), 10);
    iceberg_metadata_finish(metadata, "s3://bucket/old.json", 6);
    assert_true(metadata->snapshot->id == snapshot.id);
    assert_string_equal(metadata->snapshot->manifest_list, "s3://a/b/3.avro");
    assert_int_equal(metadata->snapshot_count, 3);
    assert_int_equal(metadata->last_sequence_number, 35);
    assert_int_equal(metadata->last_updated_ms, INT64_C(1602638573590));
    assert_int_equal(number(at(metadata->json, "snapshot-log", 2), "timestamp-ms"), INT64_C(1602638573590));
    const json_t *main = json_object_get(json_object_get(metadata->json, "refs"), "main");
    assert_true(number(main, "snapshot-id") == snapshot.id);
    assert_int_equal(number(main, "min-snapshots-to-keep"), 7);
    assert_string_equal(json_string_value(json_object_get(at(metadata->json, "metadata-log", 1), "metadata-file")),
                        "s3://bucket/old.json");
    static const char *const kept[] = {"x-new", "sort-orders", "statistics", "schemas", "properties", "table-uuid"};
    for (size_t i = 0; i < COUNT(kept); i++)
        assert_true(json_equal(json_object_get(metadata->json, kept[i]), json_object_get(before->json, kept[i])));
    assert_true(json_equal(at(metadata->json, "snapshots", 1), at(before->json, "snapshots", 1)));
    assert_null(json_object_get(metadata->json, "next-row-id"));
    iceberg_metadata_free(metadata);
    iceberg_metadata_free(before);
}

static void test_third(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = iceberg_metadata_new("file:///t", 3);
    for (int i = 1; i <= 2; i++) {
        struct iceberg_snapshot snapshot = {.id = i,
                                            .parent_id = i > 1 ? i - 1 : ICEBERG_NO_SNAPSHOT,
                                            .sequence_number = i,
                                            .timestamp_ms = i,
                                            .manifest_list = "l"};
        iceberg_metadata_add_snapshot(metadata, &snapshot, json_pack("{s:s}", "operation", "append"), 100);
    }
    assert_int_equal(number(at(metadata->json, "snapshots", 0), "first-row-id"), 0);
    assert_int_equal(number(at(metadata->json, "snapshots", 1), "first-row-id"), 100);
    assert_int_equal(number(at(metadata->json, "snapshots", 1), "added-rows"), 100);
    assert_null(json_object_get(at(metadata->json, "snapshots", 0), "parent-snapshot-id"));
    assert_int_equal(metadata->next_row_id, 200);
    iceberg_metadata_free(metadata);
}

static void test_set_schema(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(second);
    struct iceberg_field fields[] = {
        metadata->schema->fields[0],
        {.id = 2, .name = "why", .type = {.kind = ICEBERG_LONG}},
        metadata->schema->fields[2],
        {.id = 7, .name = "new", .type = {ICEBERG_DECIMAL, 9, 2, 0}},
    };
    iceberg_metadata_set_schema(metadata, fields, COUNT(fields));
    assert_int_equal(metadata->schema->id, 2);
    assert_int_equal(metadata->schema_count, 3);
    assert_int_equal(metadata->last_column_id, 7);
    assert_string_equal(metadata->schema->fields[1].name, "why");
    assert_int_equal(metadata->schema->fields[1].type.kind, ICEBERG_LONG);
    assert_string_equal(json_string_value(json_object_get(at(metadata->schema->json, "fields", 0), "doc")), "kept");
    assert_int_equal(json_integer_value(at(metadata->schema->json, "identifier-field-ids", 0)), 1);
    assert_true(json_is_object(json_object_get(at(metadata->schema->json, "fields", 2), "type")));

    struct iceberg_field again[COUNT(fields)];
    for (size_t i = 0; i < COUNT(fields); i++)
        again[i] = metadata->schema->fields[i];
    iceberg_metadata_set_schema(metadata, again, COUNT(again));
    assert_int_equal(metadata->schema_count, 3); /* an equal schema is not added again */
    iceberg_metadata_set_name_mapping(metadata);
    assert_string_equal(
        iceberg_metadata_property(metadata, "schema.name-mapping.default"),
        "[{\"field-id\":1,\"names\":[\"x\"]},{\"field-id\":2,\"names\":[\"why\"]},{\"field-id\":3,\"names\":[\"z\"],"
        "\"fields\":[{\"field-id\":4,\"names\":[\"element\"],\"fields\":[{\"field-id\":5,\"names\":[\"key\"]},"
        "{\"field-id\":6,\"names\":[\"value\"]}]}]},{\"field-id\":7,\"names\":[\"new\"]}]");
    iceberg_metadata_free(metadata);
}

static void test_set_spec(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(second);
    struct iceberg_partition_field fields[] = {
        {.source_id = 2, .name = "y_bucket", .transform = {ICEBERG_BUCKET, 8}},
        {.source_id = 1, .name = "x", .transform = {ICEBERG_IDENTITY, 0}},
    };
    iceberg_metadata_set_spec(metadata, fields, COUNT(fields));
    assert_int_equal(metadata->spec->id, 1);
    assert_int_equal(metadata->spec->fields[0].id, 1001);
    assert_int_equal(metadata->spec->fields[1].id, 1000); /* of the equal field of the other spec */
    assert_int_equal(metadata->last_partition_id, 1001);
    iceberg_metadata_set_spec(metadata, NULL, 0);
    assert_int_equal(metadata->spec->id, 2);
    iceberg_metadata_set_spec(metadata, fields, COUNT(fields));
    assert_int_equal(metadata->spec->id, 1);
    assert_int_equal(metadata->spec_count, 3);
    iceberg_metadata_free(metadata);
}

/* The first schema and spec of a table take the place of the empty ones. */
static void test_new(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = iceberg_metadata_new("file:///lake/t/", 2), *again;
    struct iceberg_field field = {.id = 1, .name = "a", .type = {.kind = ICEBERG_DATE}};
    struct iceberg_partition_field part = {.source_id = 1, .name = "a_day", .transform = {ICEBERG_DAY, 0}};
    struct error err;
    struct buf text;
    iceberg_metadata_set_schema(metadata, &field, 1);
    iceberg_metadata_set_spec(metadata, &part, 1);
    iceberg_metadata_set_property(metadata, "p", "v");
    iceberg_metadata_finish(metadata, NULL, 17);
    buf_init(&text, 1 << 20);
    iceberg_metadata_write(metadata, &text);
    assert_ok(iceberg_metadata_read((struct slice){text.data, text.len}, &again, &err));
    assert_int_equal(again->schema_count, 1);
    assert_int_equal(again->spec_count, 1);
    assert_int_equal(again->spec->fields[0].id, 1000);
    assert_int_equal(again->last_updated_ms, 17);
    assert_null(again->snapshot);
    char *folder = iceberg_metadata_folder(again);
    assert_string_equal(folder, "file:///lake/t/metadata");
    mem_free(folder);
    iceberg_metadata_set_property(again, "write.data.path", "s3://other/place/");
    folder = iceberg_data_folder(again);
    assert_string_equal(folder, "s3://other/place");
    mem_free(folder);
    iceberg_metadata_set_property(again, "p", NULL);
    assert_null(iceberg_metadata_property(again, "p"));
    buf_deinit(&text);
    iceberg_metadata_free(again);
    iceberg_metadata_free(metadata);
}

static void test_remove_snapshots(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(second);
    int64_t ids[] = {INT64_C(3051729675574597004), INT64_C(3055729675574597004)};
    iceberg_metadata_remove_snapshots(metadata, ids, COUNT(ids));
    assert_int_equal(metadata->snapshot_count, 2); /* a tag and main name them */
    json_object_del(json_object_get(metadata->json, "refs"), "test");
    iceberg_metadata_remove_snapshots(metadata, ids, COUNT(ids));
    assert_int_equal(metadata->snapshot_count, 1);
    assert_true(metadata->snapshot->id == ids[1]);
    assert_int_equal(json_array_size(json_object_get(metadata->json, "snapshot-log")), 1);
    assert_int_equal(json_array_size(json_object_get(metadata->json, "statistics")), 0);
    json_object_del(metadata->json, "refs"); /* main is there even so */
    iceberg_metadata_remove_snapshots(metadata, ids, COUNT(ids));
    assert_int_equal(metadata->snapshot_count, 1);
    iceberg_metadata_free(metadata);
}

static void test_metadata_log(void **state) {
    (void)state;
    struct iceberg_metadata *metadata = read_text(second);
    iceberg_metadata_set_property(metadata, "write.metadata.previous-versions-max", "2");
    iceberg_metadata_finish(metadata, "a", INT64_C(1602638573600));
    iceberg_metadata_finish(metadata, "b", INT64_C(1602638573700));
    assert_int_equal(json_array_size(json_object_get(metadata->json, "metadata-log")), 2);
    assert_string_equal(json_string_value(json_object_get(at(metadata->json, "metadata-log", 0), "metadata-file")),
                        "a");
    assert_int_equal(number(at(metadata->json, "metadata-log", 1), "timestamp-ms"), INT64_C(1602638573600));
    iceberg_metadata_free(metadata);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second),           cmocka_unit_test(test_first),        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_add_snapshot), cmocka_unit_test(test_third),
        cmocka_unit_test(test_set_schema),       cmocka_unit_test(test_set_spec),     cmocka_unit_test(test_new),
        cmocka_unit_test(test_remove_snapshots), cmocka_unit_test(test_metadata_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
