/* GTID sets of MySQL and positions of MariaDB: text, sets of ranges, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "source/mysql_gtid.h"

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static struct mysql_gtid_set parse(const char *text) {
    struct mysql_gtid_set set;
    struct error err;
    mysql_gtid_set_init(&set);
    if (!mysql_gtid_set_parse(&set, text, &err))
        fail_msg("%s", err.message);
    return set;
}

static void expect_text(const struct mysql_gtid_set *set, const char *text) {
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    mysql_gtid_set_format(set, &out);
    assert_string_equal(out.len > 0 ? out.data : "", text);
    buf_deinit(&out);
}

static void test_set_text(void **state) {
    (void)state;
    static const struct {
        const char *text, *canonical;
    } CASES[] = {
        {"", ""},
        {" \n", ""},
        {A ":1", A ":1"},
        {A ":1-5", A ":1-5"},
        {A ":1-5:7:9-10", A ":1-5:7:9-10"},
        {A ":7:1-3:4-6", A ":1-7"},         /* ranges that touch melt */
        {A ":1-10:3-4", A ":1-10"},         /* one in another */
        {A ":5-3", ""},                     /* an empty range, as the server takes it */
        {B ":1,\n" A ":2", A ":2," B ":1"}, /* sorted by uuid */
        {A ":1, , " A ":2,", A ":1-2"},     /* empty parts, the same uuid twice */
        {"3E11FA47-71CA-11E1-9E33-C80AA9429562:1", A ":1"},
        {A ":1 - 5 : 8", A ":1-5:8"},
        {A ":tag:1-3", A ":tag:1-3"},
        {A ":1:Tag_2:4:6", A ":1:tag_2:4:6"},
        {A ":b:1:a:2," A ":3", A ":3:a:2:b:1"}, /* sorted by tag, none first */
        {A ":9223372036854775806", A ":9223372036854775806"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_gtid_set set = parse(CASES[i].text);
        expect_text(&set, CASES[i].canonical);
        mysql_gtid_set_deinit(&set);
    }
}

static void test_bad_set_text(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "x",
        A,
        A ":",
        A ":0",
        A ":1-",
        A ":-1",
        A ":1:",
        A ":1;2",
        A "1",
        A ":9223372036854775807",
        A ":tag",
        A ":tag:",
        A ":1a",
        A ":1-2-3",
        A ":abcdefghijklmnopqrstuvwxyzabcdefg:1",
        "3e11fa4771ca11e19e33c80aa9429562:1",
        A ":99999999999999999999",
        "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_gtid_set set;
        struct error err;
        mysql_gtid_set_init(&set);
        if (mysql_gtid_set_parse(&set, CASES[i], &err))
            fail_msg("taken: %s", CASES[i]);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_true(mysql_gtid_set_is_empty(&set));
        mysql_gtid_set_deinit(&set);
    }
}

static void test_set_algebra(void **state) {
    (void)state;
    static const struct {
        const char *a, *b, *sum, *difference;
        bool contains;
    } CASES[] = {
        {A ":1-5", A ":2-3", A ":1-5", A ":1:4-5", true},
        {A ":1-5", A ":5-8", A ":1-8", A ":1-4", false},
        {A ":1-5", "", A ":1-5", A ":1-5", true},
        {"", A ":1", A ":1", "", false},
        {A ":1-5", A ":1-5", A ":1-5", "", true},
        {A ":1-5", B ":1", A ":1-5," B ":1", A ":1-5", false},
        {A ":1-3:7-9", A ":2-8", A ":1-9", A ":1:9", false},
        {A ":1-3:5-7:9", A ":1-9", A ":1-9", "", false},
        {A ":2-3:6", A ":1:4:5", A ":1-6", A ":2-3:6", false},
        {A ":1-9," B ":1-9", A ":5," B ":1:9", A ":1-9," B ":1-9", A ":1-4:6-9," B ":2-8", true},
        {A ":t:1-5", A ":1-5", A ":1-5:t:1-5", A ":t:1-5", false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_gtid_set a = parse(CASES[i].a), b = parse(CASES[i].b), sum = {0}, difference = {0};
        mysql_gtid_set_copy(&sum, &a);
        mysql_gtid_set_add_set(&sum, &b);
        expect_text(&sum, CASES[i].sum);
        mysql_gtid_set_copy(&difference, &a);
        mysql_gtid_set_subtract(&difference, &b);
        expect_text(&difference, CASES[i].difference);
        assert_int_equal(mysql_gtid_set_contains_set(&a, &b), CASES[i].contains);
        assert_true(mysql_gtid_set_contains_set(&sum, &a) && mysql_gtid_set_contains_set(&sum, &b));
        assert_int_equal(mysql_gtid_set_equal(&a, &b), strcmp(CASES[i].a, CASES[i].b) == 0);
        mysql_gtid_set_deinit(&a);
        mysql_gtid_set_deinit(&b);
        mysql_gtid_set_deinit(&sum);
        mysql_gtid_set_deinit(&difference);
    }
}

/* Every subset of the numbers 1 to 8, added in two orders: the set is the same, and contains exactly these. */
static void test_all_subsets(void **state) {
    (void)state;
    struct mysql_gtid gtid;
    assert_true(mysql_gtid_parse(A ":1", &gtid, NULL));
    for (unsigned bits = 0; bits < 256; bits++) {
        struct mysql_gtid_set up = {0}, down = {0};
        for (unsigned i = 0; i < 8; i++) {
            gtid.number = i + 1;
            if ((bits >> i & 1) != 0)
                mysql_gtid_set_add(&up, &gtid);
            gtid.number = 8 - i;
            if ((bits >> (7 - i) & 1) != 0)
                mysql_gtid_set_add(&down, &gtid);
        }
        for (gtid.number = 1; gtid.number <= 9; gtid.number++)
            assert_int_equal(mysql_gtid_set_contains(&up, &gtid),
                             gtid.number <= 8 && (bits >> (gtid.number - 1) & 1) != 0);
        assert_true(mysql_gtid_set_equal(&up, &down));
        for (size_t i = 0; up.count > 0 && i + 1 < up.sources[0].count; i++)
            assert_true(up.sources[0].ranges[i].last + 1 < up.sources[0].ranges[i + 1].first);
        mysql_gtid_set_deinit(&up);
        mysql_gtid_set_deinit(&down);
    }
}

static void test_one_gtid(void **state) {
    (void)state;
    static const char *const GOOD[] = {A ":1", A ":9223372036854775806", A ":a_tag:77"};
    static const char *const BAD[] = {"", A, A ":", A ":0", A ":1-2", A ":1,", A ":tag", A ":tag:", A ":1 "};
    struct mysql_gtid gtid;
    struct error err;
    char text[MYSQL_GTID_TEXT_BYTES];
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        assert_true(mysql_gtid_parse(GOOD[i], &gtid, &err));
        mysql_gtid_format(&gtid, text);
        assert_string_equal(text, GOOD[i]);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(mysql_gtid_parse(BAD[i], &gtid, &err));
}

/* The bytes by hand from the layout in mysql_gtid.c; the recordings hold PREVIOUS_GTIDS events of real servers beside. */
static void test_bytes(void **state) {
    (void)state;
    static const char UUID[] = "\x3e\x11\xfa\x47\x71\xca\x11\xe1\x9e\x33\xc8\x0a\xa9\x42\x95\x62";
    static const struct {
        const char *text, *head, *tag, *rest;
        size_t rest_len;
    } CASES[] = {
        {A ":1-5:9", "\1\0\0\0\0\0\0\0", NULL,
         "\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\11\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0", 40},
        {A ":ab:3", "\1\1\0\0\0\0\0\1", "\4ab", "\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0", 24},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf expected, got;
        struct error err;
        struct mysql_gtid_set set = parse(CASES[i].text), back = {0};
        buf_init(&expected, BUF_MAX_DEFAULT);
        buf_init(&got, BUF_MAX_DEFAULT);
        buf_append(&expected, CASES[i].head, 8);
        buf_append(&expected, UUID, 16);
        if (CASES[i].tag != NULL)
            buf_append_text(&expected, CASES[i].tag);
        buf_append(&expected, CASES[i].rest, CASES[i].rest_len);
        mysql_gtid_set_encode(&set, &got);
        assert_int_equal(got.len, expected.len);
        assert_memory_equal(got.data, expected.data, got.len);
        assert_true(mysql_gtid_set_decode(&back, got.data, got.len, &err));
        assert_true(mysql_gtid_set_equal(&set, &back));
        for (size_t cut = 0; cut < got.len; cut++) {
            assert_false(mysql_gtid_set_decode(&back, got.data, cut, &err));
            assert_int_equal(err.kind, ERROR_DATA);
            assert_true(mysql_gtid_set_is_empty(&back));
        }
        buf_append_char(&got, '\0');
        assert_false(mysql_gtid_set_decode(&back, got.data, got.len, &err));
        mysql_gtid_set_deinit(&set);
        mysql_gtid_set_deinit(&back);
        buf_deinit(&expected);
        buf_deinit(&got);
    }
}

static void test_bad_bytes(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } CASES[] = {
        {"\1\0\0\0\0\0\0\2", 8},             /* a format of the future */
        {"\2\1\0\0\0\0\0\1", 8},             /* the two format bytes differ */
        {"\377\377\377\377\377\377\0\0", 8}, /* more sources than bytes */
        {"\1\0\0\0\0\0\0\0uuiduuiduuiduuid\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 48}, /* an empty range */
        {"\1\0\0\0\0\0\0\0uuiduuiduuiduuid\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 48}, /* from 0 */
        {"\1\0\0\0\0\0\0\0uuiduuiduuiduuid\377\377\377\377\377\377\377\377", 32}, /* more ranges than bytes */
        {"\1\1\0\0\0\0\0\1uuiduuiduuiduuid\4A!\0\0\0\0\0\0\0\0", 35},             /* no tag */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_gtid_set set = {0};
        struct error err;
        assert_false(mysql_gtid_set_decode(&set, CASES[i].bytes, CASES[i].len, &err));
        assert_int_equal(err.kind, ERROR_DATA);
        mysql_gtid_set_deinit(&set);
    }
}

static void test_mariadb_text(void **state) {
    (void)state;
    static const struct {
        const char *text, *canonical; /* NULL: not taken */
    } CASES[] = {
        {"", ""},
        {"0-1-100", "0-1-100"},
        {"7-2-3, 0-1-18446744073709551615", "0-1-18446744073709551615,7-2-3"},
        {" 4294967295-4294967295-1\n", "4294967295-4294967295-1"},
        {"0-1-1,0-2-2", NULL}, /* a domain twice */
        {"0-1", NULL},
        {"0-1-", NULL},
        {"0", NULL},
        {"-", NULL},
        {"0-1-1,", NULL},
        {"0-1-1 0-2-2", NULL},
        {"4294967296-1-1", NULL},
        {"0-1-18446744073709551616", NULL},
        {"0-1-1-1", NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mariadb_position position = {0};
        struct error err;
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        bool taken = mariadb_position_parse(&position, CASES[i].text, &err);
        assert_int_equal(taken, CASES[i].canonical != NULL);
        mariadb_position_format(&position, &out);
        assert_string_equal(out.len > 0 ? out.data : "", taken ? CASES[i].canonical : "");
        mariadb_position_deinit(&position);
        buf_deinit(&out);
    }
}

static void test_mariadb_order(void **state) {
    (void)state;
    static const struct {
        const char *position, *target;
        bool reached;
    } CASES[] = {
        {"0-1-5", "0-1-5", true},
        {"0-1-5", "0-1-6", false},
        {"0-1-6", "0-2-5", true},
        {"", "", true},
        {"0-1-5", "", true},
        {"", "0-1-1", false},
        {"0-1-5", "1-1-1", false},
        {"0-1-5,1-1-9", "1-1-9,0-1-5", true},
        {"0-1-5,1-1-8", "0-1-5,1-1-9", false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mariadb_position position = {0}, target = {0}, copy = {0};
        assert_true(mariadb_position_parse(&position, CASES[i].position, NULL));
        assert_true(mariadb_position_parse(&target, CASES[i].target, NULL));
        assert_int_equal(mariadb_position_reached(&position, &target), CASES[i].reached);
        mariadb_position_copy(&copy, &position);
        for (size_t j = 0; j < target.count; j++)
            mariadb_position_set(&copy, target.gtids[j]);
        for (size_t j = 0; j < target.count; j++) {
            const struct mariadb_gtid *found = mariadb_position_find(&copy, target.gtids[j].domain);
            assert_non_null(found);
            assert_int_equal(found->sequence, target.gtids[j].sequence);
        }
        mariadb_position_deinit(&position);
        mariadb_position_deinit(&target);
        mariadb_position_deinit(&copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_text),    cmocka_unit_test(test_bad_set_text), cmocka_unit_test(test_set_algebra),
        cmocka_unit_test(test_all_subsets), cmocka_unit_test(test_one_gtid),     cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bad_bytes),   cmocka_unit_test(test_mariadb_text), cmocka_unit_test(test_mariadb_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
