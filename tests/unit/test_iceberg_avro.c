/* Avro: what the writer writes reads back; files of other writers, put together by hand, read as they are meant; damaged
 * files are refused. */
#include "assert_call.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "lake/iceberg/avro.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char all_schema[] =
    "{\"type\":\"record\",\"name\":\"all\",\"fields\":["
    "{\"name\":\"n\",\"type\":\"long\",\"field-id\":1},"
    "{\"name\":\"t\",\"type\":\"string\",\"field-id\":2},"
    "{\"name\":\"b\",\"type\":\"boolean\",\"field-id\":3},"
    "{\"name\":\"d\",\"type\":\"double\",\"field-id\":4},"
    "{\"name\":\"f\",\"type\":\"float\",\"field-id\":5},"
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"four\",\"size\":4},\"field-id\":6},"
    "{\"name\":\"o\",\"type\":[\"null\",\"int\"],\"default\":null,\"field-id\":7},"
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"long\",\"element-id\":9},\"field-id\":8},"
    "{\"name\":\"m\",\"type\":{\"type\":\"array\",\"logicalType\":\"map\",\"items\":{\"type\":\"record\","
    "\"name\":\"kv\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":11},"
    "{\"name\":\"value\",\"type\":\"bytes\",\"field-id\":12}]}},\"field-id\":10}]}";

static const int64_t numbers[] = {0, -1, 1, 63, -64, 64, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

static void put_all(struct avro_writer *writer, size_t i) {
    struct buf *out = &writer->record;
    avro_put_long(out, numbers[i % COUNT(numbers)]);
    avro_put_bytes(out, slice_of("text"));
    avro_put_bool(out, i % 2 == 1);
    avro_put_double(out, (double)i / 4);
    avro_put_float(out, (float)i / 4);
    avro_put_raw(out, slice_of("abcd"));
    avro_put_long(out, i % 2); /* the branch */
    if (i % 2 == 1)
        avro_put_long(out, (int64_t)i);
    avro_put_long(out, 2);
    avro_put_long(out, 5);
    avro_put_long(out, -5);
    avro_put_long(out, 0);
    avro_put_long(out, 1);
    avro_put_long(out, 42);
    avro_put_bytes(out, slice_of("bound"));
    avro_put_long(out, 0);
    avro_writer_end_record(writer);
}

static void check_all(const struct avro_value *record, size_t i) {
    assert_true(avro_find(record, 1)->as.number == numbers[i % COUNT(numbers)]);
    assert_true(slice_equal_text(avro_find(record, 2)->as.bytes, "text"));
    assert_int_equal(avro_find(record, 3)->as.boolean, i % 2 == 1);
    assert_true(avro_find(record, 4)->as.real == (double)i / 4);
    assert_true(avro_find(record, 5)->as.real == (double)i / 4);
    assert_true(slice_equal_text(avro_find(record, 6)->as.bytes, "abcd"));
    const struct avro_value *optional = avro_find(record, 7);
    assert_int_equal(optional != NULL, i % 2);
    if (optional != NULL)
        assert_int_equal(optional->as.number, i);
    const struct avro_value *array = avro_find(record, 8), *map = avro_find(record, 10);
    assert_int_equal(array->as.list.count, 2);
    assert_int_equal(array->as.list.items[1].as.number, -5);
    assert_int_equal(map->schema->kind, AVRO_MAP);
    assert_int_equal(map->as.list.count, 1);
    assert_int_equal(map->as.list.items[0].as.number, 42);
    assert_true(slice_equal_text(map->as.list.items[1].as.bytes, "bound"));
    assert_null(avro_find(record, 99));
}

/* More records than a block takes. */
static void test_round_trip(void **state) {
    (void)state;
    enum { RECORDS = 3000 };
    struct avro_meta meta[] = {{"content", "data"}, {"format-version", "2"}};
    struct avro_writer writer;
    struct avro_reader *reader;
    struct error err;
    const struct avro_value *record;
    avro_writer_init(&writer, all_schema, meta, COUNT(meta));
    for (size_t i = 0; i < RECORDS; i++)
        put_all(&writer, i);
    avro_writer_finish(&writer);
    assert_ok(avro_reader_open((struct slice){writer.file.data, writer.file.len}, &reader, &err));
    assert_true(slice_equal_text(avro_reader_meta(reader, "content"), "data"));
    assert_true(slice_equal_text(avro_reader_meta(reader, "format-version"), "2"));
    assert_null(avro_reader_meta(reader, "nothing").data);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_ok(avro_reader_next(reader, &record, &err));
        assert_non_null(record);
        check_all(record, i);
    }
    assert_ok(avro_reader_next(reader, &record, &err));
    assert_null(record);
    avro_reader_close(reader);
    avro_writer_deinit(&writer);
}

static void test_empty(void **state) {
    (void)state;
    struct avro_writer writer;
    struct avro_reader *reader;
    struct error err;
    const struct avro_value *record;
    avro_writer_init(&writer, all_schema, NULL, 0);
    avro_writer_finish(&writer);
    assert_ok(avro_reader_open((struct slice){writer.file.data, writer.file.len}, &reader, &err));
    assert_ok(avro_reader_next(reader, &record, &err));
    assert_null(record);
    avro_reader_close(reader);
    avro_writer_deinit(&writer);
}

/* --- files by hand */

static void make_file(struct buf *file, const char *schema, const char *codec, int64_t records, struct slice block) {
    buf_init(file, 1 << 20);
    buf_append(file, "Obj\1", 4);
    avro_put_long(file, codec != NULL ? 2 : 1);
    avro_put_bytes(file, slice_of("avro.schema"));
    avro_put_bytes(file, slice_of(schema));
    if (codec != NULL) {
        avro_put_bytes(file, slice_of("avro.codec"));
        avro_put_bytes(file, slice_of(codec));
    }
    avro_put_long(file, 0);
    buf_append(file, "0123456789abcdef", 16);
    avro_put_long(file, records);
    avro_put_bytes(file, block);
    buf_append(file, "0123456789abcdef", 16);
}

static struct avro_reader *open_file(const struct buf *file) {
    struct avro_reader *reader;
    struct error err;
    assert_ok(avro_reader_open((struct slice){file->data, file->len}, &reader, &err));
    return reader;
}

/* Spark and Trino: Avro's own maps, blocks with a size, a type that is named again, null as the second branch. */
static void test_other_encodings(void **state) {
    (void)state;
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"org.x.top\",\"fields\":["
        "{\"name\":\"extra\",\"type\":{\"type\":\"enum\",\"name\":\"color\",\"symbols\":[\"RED\",\"BLUE\"]}},"
        "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"int\",\"key-id\":2,\"value-id\":3},\"field-id\":1},"
        "{\"name\":\"p\",\"type\":{\"type\":\"record\",\"name\":\"org.x.inner\",\"fields\":["
        "{\"name\":\"v\",\"type\":[\"int\",\"null\"],\"field-id\":5}]},\"field-id\":4},"
        "{\"name\":\"q\",\"type\":[\"null\",\"org.x.inner\"],\"field-id\":6},"
        "{\"name\":\"l\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"string\"]},\"field-id\":7}]}";
    struct buf block, file;
    struct error err;
    const struct avro_value *record;
    buf_init(&block, 1 << 16);
    avro_put_long(&block, 1);  /* BLUE */
    avro_put_long(&block, -1); /* one entry, and the bytes that it takes */
    avro_put_long(&block, 3);
    avro_put_bytes(&block, slice_of("k"));
    avro_put_long(&block, 10);
    avro_put_long(&block, 1); /* a second block of the map */
    avro_put_bytes(&block, slice_of("j"));
    avro_put_long(&block, 11);
    avro_put_long(&block, 0);
    avro_put_long(&block, 0); /* p.v is an int */
    avro_put_long(&block, 77);
    avro_put_long(&block, 1); /* q is a record, and its v null */
    avro_put_long(&block, 1);
    avro_put_long(&block, 2);
    avro_put_long(&block, 0);
    avro_put_long(&block, 1);
    avro_put_bytes(&block, slice_of("s"));
    avro_put_long(&block, 0);
    make_file(&file, schema, NULL, 1, (struct slice){block.data, block.len});
    struct avro_reader *reader = open_file(&file);
    assert_ok(avro_reader_next(reader, &record, &err));
    const struct avro_value *map = avro_find(record, 1);
    assert_int_equal(map->as.list.count, 2);
    assert_true(slice_equal_text(map->as.list.items[2].as.bytes, "j"));
    assert_int_equal(map->as.list.items[3].as.number, 11);
    assert_int_equal(avro_find(avro_find(record, 4), 5)->as.number, 77);
    assert_null(avro_find(avro_find(record, 6), 5));
    assert_int_equal(avro_find(record, 7)->as.list.items[0].schema->kind, AVRO_NULL);
    assert_true(slice_equal_text(avro_find(record, 7)->as.list.items[1].as.bytes, "s"));
    assert_ok(avro_reader_next(reader, &record, &err));
    assert_null(record);
    avro_reader_close(reader);
    buf_deinit(&file);
    buf_deinit(&block);
}

static const char one_long[] = "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
                               "{\"name\":\"n\",\"type\":\"long\",\"field-id\":1}]}";

static void check_one(struct buf *file) {
    struct error err;
    const struct avro_value *record;
    struct avro_reader *reader = open_file(file);
    assert_ok(avro_reader_next(reader, &record, &err));
    assert_int_equal(avro_find(record, 1)->as.number, 21);
    avro_reader_close(reader);
    buf_deinit(file);
}

static void test_codecs(void **state) {
    (void)state;
    char plain[] = {42}, packed[128];
    struct buf file;
    make_file(&file, one_long, "null", 1, (struct slice){plain, 1});
    check_one(&file);

    z_stream stream = {
        .next_in = (Bytef *)plain, .avail_in = 1, .next_out = (Bytef *)packed, .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    make_file(&file, one_long, "deflate", 1, (struct slice){packed, stream.total_out});
    deflateEnd(&stream);
    check_one(&file);

    size_t len = ZSTD_compress(packed, sizeof packed, plain, 1, 3);
    make_file(&file, one_long, "zstandard", 1, (struct slice){packed, len});
    check_one(&file);

    struct avro_reader *reader;
    struct error err;
    make_file(&file, one_long, "snappy", 1, (struct slice){plain, 1});
    assert_fails(avro_reader_open((struct slice){file.data, file.len}, &reader, &err), ERROR_DATA);
    assert_says("snappy");
    buf_deinit(&file);
}

/* Every shorter file is refused, but those that end between blocks. */
static void test_cut_off(void **state) {
    (void)state;
    struct avro_writer writer;
    struct error err;
    avro_writer_init(&writer, all_schema, NULL, 0);
    size_t header = writer.file.len;
    put_all(&writer, 1);
    avro_writer_finish(&writer);
    for (size_t len = 0; len < writer.file.len; len++) {
        struct avro_reader *reader = NULL;
        const struct avro_value *record = NULL;
        bool ok = avro_reader_open((struct slice){writer.file.data, len}, &reader, &err) &&
                  avro_reader_next(reader, &record, &err);
        if (ok != (len == header) || record != NULL)
            fail_msg("cut off behind %zu bytes: read", len);
        avro_reader_close(reader);
    }
    avro_writer_deinit(&writer);
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        const char *schema, *block;
        size_t len;
        int64_t records;
    } cases[] = {
        {one_long, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, 1}, /* more than 64 bits */
        {one_long, "\x02", 1, 2},                                          /* fewer records than said */
        {one_long, "\x02", 1, INT64_MAX},
        {one_long, "\x02", 1, -1},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":\"bytes\"}]}", "\x01", 1, 1},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":\"boolean\"}]}", "\x02", 1, 1},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":\"int\"}]}", "\x80\x80\x80\x80\x20",
         5, 1}, /* more than 32 bits */
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\"]}]}", "\x02", 1, 1},
        {"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"n\",\"type\":{\"type\":\"array\",\"items\":"
         "\"null\"}}]}",
         "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 1}, /* items without bytes */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf file;
        struct error err;
        const struct avro_value *record;
        bool ok = true;
        make_file(&file, cases[i].schema, NULL, cases[i].records, (struct slice){cases[i].block, cases[i].len});
        struct avro_reader *reader = open_file(&file);
        while ((ok = avro_reader_next(reader, &record, &err)) && record != NULL)
            ;
        if (ok)
            fail_msg("damaged file %zu: read", i);
        assert_int_equal(err.kind, ERROR_DATA);
        avro_reader_close(reader);
        buf_deinit(&file);
    }
}

static void test_bad_schemas(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "\"int",
        "5",
        "\"unknown\"",
        "{\"type\":\"record\",\"fields\":[]}",
        "{\"type\":\"record\",\"name\":\"r\"}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"type\":\"int\"}]}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"x\"}]}",
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"x\",\"type\":\"r\"}]}", /* within itself */
        "{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}",
        "{\"type\":\"array\"}",
        "[]",
        "[\"null\",[\"int\"]]",
        "{\"type\":\"array\",\"logicalType\":\"map\",\"items\":\"int\"}",
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err;
        if (avro_schema_parse(&arena, slice_of(cases[i]), &err) != NULL)
            fail_msg("%s: taken", cases[i]);
        assert_int_equal(err.kind, ERROR_DATA);
    }
    arena_deinit(&arena);
}

/* A chain of names is deeper than its JSON: each type holds the one before. */
static void test_deep_schema(void **state) {
    (void)state;
    enum { TYPES = 40 };
    struct buf json;
    struct arena arena;
    struct error err;
    arena_init(&arena);
    buf_init(&json, 1 << 20);
    buf_append_text(&json, "{\"type\":\"record\",\"name\":\"top\",\"fields\":[");
    for (int i = 0; i < TYPES; i++)
        buf_printf(&json,
                   "%s{\"name\":\"f%d\",\"type\":{\"type\":\"record\",\"name\":\"t%d\",\"fields\":[{\"name\":\"x\","
                   "\"type\":\"%s%.0d\"}]}}",
                   i > 0 ? "," : "", i, i, i > 0 ? "t" : "int", i > 0 ? i - 1 : 0);
    buf_append_text(&json, "]}");
    assert_null(avro_schema_parse(&arena, (struct slice){json.data, json.len}, &err));
    assert_int_equal(err.kind, ERROR_DATA);
    buf_deinit(&json);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_empty),       cmocka_unit_test(test_other_encodings),
        cmocka_unit_test(test_codecs),      cmocka_unit_test(test_cut_off),     cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bad_schemas), cmocka_unit_test(test_deep_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
