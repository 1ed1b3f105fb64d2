/* Events by hand, for what no recording has: heartbeats, other servers' forms, what is refused, damaged payloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "mysql_bench.h"

static void expect_slice(struct slice s, const char *expected) {
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.data, expected, s.len);
}

/* --- the log's own events ------------------------------------------------------------------------------------------------------ */

static void test_format(void **state) {
    (void)state;
    struct bench *b = open_bench("10.11.6-MariaDB-log");
    assert_true(b->event.format.mariadb && b->decoder.mariadb);
    expect_slice(b->event.format.server_version, "10.11.6-MariaDB-log");
    start_format(b, "8.0.36");
    b->bytes.data[19] = 3; /* version of the format */
    refuse(b, ERROR_DATA, "format description");
    start_format(b, "8.0.36");
    b->bytes.data[b->bytes.len - 5] = 2; /* checksum algorithm */
    refuse(b, ERROR_DATA, "checksum");
    start_format(b, "8.0.36");
    b->bytes.data[19 + 56] = 20; /* header length */
    refuse(b, ERROR_DATA, "format description");
    close_bench(b);
}

static void test_order(void **state) {
    (void)state;
    struct bench *b = open_bench(NULL);
    start(b, 2);
    refuse(b, ERROR_DATA, "before the log's format description");
    start_at(b, 4, MYSQL_EVENT_FLAG_ARTIFICIAL, 0);
    le(b, 4, 8);
    text(b, "bin.000007");
    expect(b, MYSQL_EVENT_ROTATE);
    assert_int_equal(b->event.rotate.position, 4);
    expect_slice(b->event.rotate.file, "bin.000007");
    assert_true((b->event.flags & MYSQL_EVENT_FLAG_ARTIFICIAL) != 0);
    start(b, 4);
    le(b, 4, 8); /* no file */
    refuse(b, ERROR_DATA, "rotate");
    close_bench(b);
}

static void test_heartbeats(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    start_at(b, 27, 0, 777);
    text(b, "bin.000002");
    expect(b, MYSQL_EVENT_HEARTBEAT);
    assert_int_equal(b->event.heartbeat.position, 777);
    expect_slice(b->event.heartbeat.file, "bin.000002");

    start_at(b, 41, 0, 0);
    text(b, "\1\12bin.000003\2\4\xfd\x40\x42\x0f"); /* the position is packed, with its length before it */
    le(b, 0, 1);
    expect(b, MYSQL_EVENT_HEARTBEAT);
    assert_int_equal(b->event.heartbeat.position, 1000000);
    expect_slice(b->event.heartbeat.file, "bin.000003");

    start_at(b, 41, 0, 0);
    text(b, "\1\77bin");
    refuse(b, ERROR_DATA, "heartbeat v2");
    close_bench(b);

    b = open_bench("10.11.6-MariaDB"); /* behind 4 GiB the position stands before the file */
    start_at(b, 27, 0, 0);
    le(b, UINT64_C(5000000000), 8);
    text(b, "bin.000004");
    expect(b, MYSQL_EVENT_HEARTBEAT);
    assert_int_equal(b->event.heartbeat.position, UINT64_C(5000000000));
    expect_slice(b->event.heartbeat.file, "bin.000004");
    close_bench(b);
}

static void test_rare(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    start(b, 3);
    expect(b, MYSQL_EVENT_STOP);
    start(b, 26);
    le(b, 1, 2);
    text(b, "\4lost");
    expect(b, MYSQL_EVENT_INCIDENT);
    expect_slice(b->event.incident, "lost");
    start(b, 16);
    le(b, 99, 8);
    expect(b, MYSQL_EVENT_XID);
    assert_int_equal(b->event.xid, 99);
    static const uint8_t IGNORED[] = {5, 9, 11, 13, 14, 17, 28, 29, 36, 37, 160, 161};
    for (size_t i = 0; i < sizeof IGNORED; i++) {
        start(b, IGNORED[i]);
        text(b, "whatever");
        expect(b, MYSQL_EVENT_IGNORED);
    }
    start(b, 200);
    refuse(b, ERROR_OUTSIDE, "does not know");
    start_at(b, 200, MYSQL_EVENT_FLAG_IGNORABLE, 0);
    expect(b, MYSQL_EVENT_IGNORED);
    start(b, 164); /* from an encrypted file; the server sends it as ignorable and the rest decrypted */
    refuse(b, ERROR_OUTSIDE, "encrypted");
    start_at(b, 164, MYSQL_EVENT_FLAG_IGNORABLE, 0);
    expect(b, MYSQL_EVENT_IGNORED);
    assert_string_equal(mysql_event_type_name(30), "write rows");
    assert_string_equal(mysql_event_type_name(200), "unknown");
    close_bench(b);
}

/* --- transactions --------------------------------------------------------------------------------------------------------------- */

static const char UUID[] = "\x3e\x11\xfa\x47\x71\xca\x11\xe1\x9e\x33\xc8\x0a\xa9\x42\x95\x62";

static void start_gtid(struct bench *b, uint64_t number) {
    start(b, 33);
    le(b, 1, 1);
    text(b, UUID);
    le(b, number, 8);
}

static void test_gtids(void **state) {
    (void)state;
    char name[MYSQL_GTID_TEXT_BYTES];
    struct bench *b = open_bench("5.6.51");
    start_gtid(b, 23); /* 5.6: nothing behind it */
    expect(b, MYSQL_EVENT_GTID);
    mysql_gtid_format(&b->event.gtid.gtid, name);
    assert_string_equal(name, "3e11fa47-71ca-11e1-9e33-c80aa9429562:23");
    assert_int_equal(b->event.gtid.immediate_commit_us, 0);

    start_gtid(b, 23); /* 8.0, of a replica: both times */
    le(b, 2, 1);
    le(b, 1, 8);
    le(b, 2, 8);
    le(b, UINT64_C(1700000001000002) | UINT64_C(1) << 55, 7);
    le(b, UINT64_C(1700000000000001), 7);
    expect(b, MYSQL_EVENT_GTID);
    assert_int_equal(b->event.gtid.immediate_commit_us, UINT64_C(1700000001000002));
    assert_int_equal(b->event.gtid.original_commit_us, UINT64_C(1700000000000001));

    start_gtid(b, 0);
    refuse(b, ERROR_DATA, "gtid");
    start_gtid(b, INT64_MAX);
    refuse(b, ERROR_DATA, "gtid");
    start_gtid(b, 0);
    b->bytes.data[4] = 34;
    expect(b, MYSQL_EVENT_GTID);
    assert_true(b->event.gtid.anonymous);
    close_bench(b);
}

/* A variable integer of mysql::serialization, by its rule: the ones at the bottom count the bytes that follow. */
static void variable(struct bench *b, uint64_t v) {
    size_t bytes = 1;
    while (bytes < 9 && v >> (7 * bytes) != 0)
        bytes++;
    if (bytes == 9) {
        le(b, 0xff, 1);
        le(b, v, 8);
    } else {
        le(b, v << bytes | ((UINT64_C(1) << (bytes - 1)) - 1), bytes);
    }
}

static void test_tagged_gtid(void **state) {
    (void)state;
    static const uint64_t NUMBERS[] = {1,
                                       31,
                                       32,
                                       63,
                                       64,
                                       8191,
                                       8192,
                                       1 << 20,
                                       UINT64_C(1) << 40,
                                       UINT64_C(1) << 55,
                                       (UINT64_C(1) << 61) + 5,
                                       INT64_MAX - 1};
    struct bench *b = open_bench("9.7.0");
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        start(b, 42);
        variable(b, 1);   /* version */
        variable(b, 100); /* size */
        variable(b, 11);  /* last field that must be known */
        variable(b, 1);
        for (size_t j = 0; j < MYSQL_UUID_BYTES; j++)
            variable(b, (uint8_t)UUID[j]);
        variable(b, 2);
        variable(b, NUMBERS[i] << 1);
        variable(b, 3);
        variable(b, 3);
        text(b, "tag");
        variable(b, 6);
        variable(b, UINT64_C(1700000001000002));
        expect(b, MYSQL_EVENT_GTID);
        char name[MYSQL_GTID_TEXT_BYTES], expected[MYSQL_GTID_TEXT_BYTES];
        mysql_gtid_format(&b->event.gtid.gtid, name);
        snprintf(expected, sizeof expected, "3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:%" PRIu64, NUMBERS[i]);
        assert_string_equal(name, expected);
        assert_int_equal(b->event.gtid.original_commit_us, UINT64_C(1700000001000002));
    }
    start(b, 42);
    variable(b, 1);
    variable(b, 100);
    variable(b, 12); /* a field that sluice must know and does not */
    refuse(b, ERROR_DATA, "tagged gtid");
    close_bench(b);
}

static void test_mariadb_gtid(void **state) {
    (void)state;
    static const struct {
        uint8_t flags, more;
        bool standalone, ddl, prepared, completed;
        enum mariadb_alter_phase alter;
    } CASES[] = {
        {0x00, 0x00, false, false, false, false, MARIADB_ALTER_NONE},
        {0x01, 0x00, true, false, false, false, MARIADB_ALTER_NONE},
        {0x29, 0x00, true, true, false, false, MARIADB_ALTER_NONE},
        {0x02, 0x01, false, false, false, false, MARIADB_ALTER_NONE}, /* with a commit id */
        {0x44, 0x00, false, false, true, false, MARIADB_ALTER_NONE},
        {0x86, 0x00, false, false, false, true, MARIADB_ALTER_NONE},
        {0x29, 0x02, true, true, false, false, MARIADB_ALTER_START},
        {0x29, 0x04, true, true, false, false, MARIADB_ALTER_COMMIT},
        {0x29, 0x18, true, true, false, false, MARIADB_ALTER_ROLLBACK},
    };
    struct bench *b = open_bench("10.11.6-MariaDB");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start(b, 162);
        le(b, 100, 8);
        le(b, 3, 4);
        le(b, CASES[i].flags, 1);
        if ((CASES[i].flags & 0x02) != 0)
            le(b, 77, 8);
        if ((CASES[i].flags & 0xc0) != 0) {
            le(b, 9, 4);
            text(b, "\2\1abc");
        }
        le(b, CASES[i].more, 1);
        le(b, 0, 12);
        expect(b, MYSQL_EVENT_MARIADB_GTID);
        const struct mysql_event_mariadb_gtid *gtid = &b->event.mariadb_gtid;
        assert_int_equal(gtid->gtid.domain, 3);
        assert_int_equal(gtid->gtid.server_id, 7);
        assert_int_equal(gtid->gtid.sequence, 100);
        assert_int_equal(gtid->standalone, CASES[i].standalone);
        assert_int_equal(gtid->ddl, CASES[i].ddl);
        assert_int_equal(gtid->xa_prepared, CASES[i].prepared);
        assert_int_equal(gtid->xa_completed, CASES[i].completed);
        assert_int_equal(gtid->alter, CASES[i].alter);
        assert_string_equal(gtid->xid, (CASES[i].flags & 0xc0) != 0 ? "X'6162',X'63',9" : "");
    }
    close_bench(b);
}

static void test_xa_prepare(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    start(b, 38);
    le(b, 1, 1);
    le(b, UINT32_MAX, 4); /* the format is signed */
    le(b, 64, 4);
    le(b, 64, 4);
    for (unsigned i = 0; i < 128; i++)
        le(b, i, 1);
    expect(b, MYSQL_EVENT_XA_PREPARE);
    assert_true(b->event.xa_prepare.one_phase);
    assert_int_equal(strlen(b->event.xa_prepare.xid), 2 + 128 + 4 + 128 + strlen("',-1"));
    start(b, 38);
    le(b, 0, 1);
    le(b, 1, 4);
    le(b, 65, 4); /* longer than an XA name can be */
    le(b, 0, 4);
    buf_append(&b->bytes, b->bytes.data, 19);
    refuse(b, ERROR_DATA, "xa prepare");
    close_bench(b);
}

/* --- statements ------------------------------------------------------------------------------------------------------------------ */

static void test_query(void **state) {
    (void)state;
    static const struct {
        const char *variables;
        size_t len;
        uint16_t collation;
        uint64_t sql_mode;
        uint32_t micros;
    } CASES[] = {
        {"", 0, 0, 0, 0},
        {"\0\1\2\3\4\1\4\0\0\0\0\0\0\0\6\3std\4\x21\0\x21\0\x08\0", 26, 33, 4, 0},
        {"\5\6SYSTEM\4\x1c\0\x1c\0\x08\0", 15, 28, 0, 0},
        {"\14\2a\0bc\0\15\1\2\0\4\x08\0\0\0\0\0", 18, 8, 0, 513},      /* names of schemas, microseconds */
        {"\14\376\13\1u\2hh\4\x08\0\0\0\0\0", 15, 8, 0, 0},            /* too many schemas; the invoker */
        {"\203\2\1\2\3\4\5\6\7\10\4\x2d\0\x2d\0\x2d\0", 17, 45, 0, 0}, /* MariaDB 11.5 writes 131 before 4 */
        {"\202\4\1\2\3\4\5\6\7\10\4\x2d\0\x2d\0\x2d\0", 17, 45, 0, 0}, /* 130 with what its flag adds */
        {"\200\1\0\0\201\1\2\3\4\5\6\7\10\4\x2d\0\x2d\0\x2d\0", 20, 45, 0, 1},
        {"\20\1\21\1\2\3\4\5\6\7\10\22\1\2\23\1\24\1\4\x2d\0\x2d\0\x2d\0", 25, 45, 0, 0},
        {"\2\3std\0\7\1\2\10\1\2\11\1\2\3\4\5\6\7\10\12\1\2\3\4\3\1\2\3\4\4\x2d\0\x2d\0\x2d\0", 38, 45, 0, 0},
        {"\4\x2d\0\x2d\0\x2d\0\377whatever follows", 24, 45, 0, 0}, /* a code of the future ends the reading */
    };
    struct bench *b = open_bench("8.0.36");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start(b, 2);
        le(b, 5, 4);
        le(b, 0, 4);
        le(b, 4, 1);
        le(b, 1062, 2);
        le(b, CASES[i].len, 2);
        buf_append(&b->bytes, CASES[i].variables, CASES[i].len);
        text(b, "shop");
        le(b, 0, 1);
        text(b, "DROP TABLE t");
        expect(b, MYSQL_EVENT_QUERY);
        const struct mysql_event_query *query = &b->event.query;
        expect_slice(query->schema, "shop");
        expect_slice(query->text, "DROP TABLE t");
        assert_int_equal(query->thread_id, 5);
        assert_int_equal(query->error_code, 1062);
        if (query->collation != CASES[i].collation || query->sql_mode != CASES[i].sql_mode ||
            query->micros != CASES[i].micros)
            fail_msg("case %zu: collation %u, sql_mode %" PRIu64 ", micros %" PRIu32, i, query->collation,
                     query->sql_mode, query->micros);
    }
    start(b, 2);
    le(b, 0, 8);
    le(b, 200, 1); /* a schema longer than the event */
    le(b, 0, 4);
    text(b, "shop");
    refuse(b, ERROR_DATA, "query");
    start(b, 2);
    le(b, 0, 11);
    le(b, 3, 2);
    text(b, "\4\1\1"); /* a variable that is cut off */
    le(b, 0, 1);
    refuse(b, ERROR_DATA, "query");
    start(b, 18); /* LOAD DATA in statement format is a statement with a longer head */
    le(b, 0, 8);
    le(b, 1, 1);
    le(b, 0, 4);
    le(b, 0, 13);
    text(b, "s");
    le(b, 0, 1);
    text(b, "LOAD DATA …");
    expect(b, MYSQL_EVENT_QUERY);
    expect_slice(b->event.query.text, "LOAD DATA …");
    close_bench(b);
}

/* --- compressed transactions ------------------------------------------------------------------------------------------------------- */

/* `count` STOP events, as the content of a payload. */
static struct buf stops(struct bench *b, size_t count) {
    struct buf content;
    buf_init(&content, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        start(b, 3);
        expect(b, MYSQL_EVENT_STOP); /* also fills in the length */
        buf_append(&content, b->bytes.data, b->bytes.len);
    }
    return content;
}

static void start_payload(struct bench *b, uint64_t compression, const struct buf *data, uint64_t uncompressed) {
    start(b, 40);
    text(b, "\2\3\xfc");
    le(b, compression, 2);
    text(b, "\1\11\xfe");
    le(b, data->len, 8);
    text(b, "\3\11\xfe");
    le(b, uncompressed, 8);
    le(b, 0, 1);
    buf_append(&b->bytes, data->data, data->len);
}

static bool read_payload(struct bench *b, size_t *count) {
    struct mysql_payload payload;
    struct mysql_event event;
    struct buf packet = b->bytes; /* must stay while it is read */
    bool more = true, ok;
    mysql_payload_init(&payload, &b->decoder);
    *count = 0;
    for (ok = mysql_payload_begin(&payload, &b->event, &b->err); ok && more;) {
        ok = mysql_payload_next(&payload, &event, &more, &b->err);
        *count += ok && more;
        assert_true(!ok || !more || event.kind == MYSQL_EVENT_STOP);
    }
    assert_ptr_equal(packet.data, b->bytes.data);
    mysql_payload_deinit(&payload);
    return ok;
}

static struct buf compress(const struct buf *content) {
    struct buf data;
    buf_init(&data, BUF_MAX_DEFAULT);
    size_t most = ZSTD_compressBound(content->len);
    size_t len = ZSTD_compress(buf_reserve(&data, most), most, content->data, content->len, 3);
    assert_false(ZSTD_isError(len));
    data.len = len;
    return data;
}

static void test_payload(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    size_t count;
    struct buf content = stops(b, 5000), data = compress(&content);

    start_payload(b, 0, &data, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_true(read_payload(b, &count));
    assert_int_equal(count, 5000);

    start_payload(b, 255, &content, content.len); /* not compressed */
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_true(read_payload(b, &count));
    assert_int_equal(count, 5000);

    struct buf twice; /* two frames, one behind the other */
    buf_init(&twice, BUF_MAX_DEFAULT);
    buf_append(&twice, data.data, data.len);
    buf_append(&twice, data.data, data.len);
    start_payload(b, 0, &twice, 2 * content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_true(read_payload(b, &count));
    assert_int_equal(count, 10000);

    start_payload(b, 0, &data, content.len + 1); /* says another length than it has */
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    assert_int_equal(b->err.kind, ERROR_DATA);

    data.len -= 5; /* cut off */
    start_payload(b, 0, &data, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    assert_int_equal(b->err.kind, ERROR_DATA);

    content.len -= 3;
    start_payload(b, 255, &content, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    assert_int_equal(count, 4999);

    start_payload(b, 1, &content, content.len);
    refuse(b, ERROR_DATA, "transaction payload"); /* a compression of the future */
    buf_deinit(&content);
    buf_deinit(&data);
    buf_deinit(&twice);
    close_bench(b);
}

/* An event that is not one, and a payload in a payload. */
static void test_payload_content(void **state) {
    (void)state;
    struct bench *b = open_bench("8.0.36");
    size_t count;
    struct buf content = stops(b, 1);
    content.data[9] = 18; /* an event shorter than its header */
    start_payload(b, 255, &content, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    assert_non_null(strstr(b->err.message, "impossible length"));
    content.data[9] = 19;
    content.data[12] = 127; /* two gigabytes: an error, not memory */
    start_payload(b, 255, &content, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    buf_clear(&content);
    struct buf none;
    buf_init(&none, BUF_MAX_DEFAULT);
    start_payload(b, 255, &none, 0);
    expect(b, MYSQL_EVENT_PAYLOAD);
    buf_append(&content, b->bytes.data, b->bytes.len);
    start_payload(b, 255, &content, content.len);
    expect(b, MYSQL_EVENT_PAYLOAD);
    assert_false(read_payload(b, &count));
    assert_non_null(strstr(b->err.message, "does not belong there"));
    buf_deinit(&content);
    buf_deinit(&none);
    close_bench(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),       cmocka_unit_test(test_order),           cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_rare),         cmocka_unit_test(test_gtids),           cmocka_unit_test(test_tagged_gtid),
        cmocka_unit_test(test_mariadb_gtid), cmocka_unit_test(test_xa_prepare),      cmocka_unit_test(test_query),
        cmocka_unit_test(test_payload),      cmocka_unit_test(test_payload_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
