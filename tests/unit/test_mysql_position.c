#include "assert_call.h"

#include <string.h>

#include "source/mysql_position.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UUID_A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define UUID_B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

static void assert_becomes(const char *text, const char *want) {
    struct error err = {0};
    struct mysql_position position;
    mysql_position_init(&position);
    struct buf got;
    buf_init(&got, BUF_MAX_DEFAULT);
    assert_ok(mysql_position_parse(&position, text, &err));
    mysql_position_format(&position, &got);
    assert_string_equal(got.data, want);
    buf_deinit(&got);
    mysql_position_deinit(&position);
}

static void test_texts(void **state) {
    (void)state;
    static const char *const same[] = {
        "{\"server\": \"mysql\", \"server_uuid\": \"" UUID_A
        "\", \"server_id\": 8, \"file\": \"bin.000007\", \"pos\": 4711, "
        "\"gtid\": \"" UUID_A ":1-99:101\"}",
        "{\"server\": \"mariadb\", \"server_uuid\": \"vHo0+/=\", \"server_id\": 1, \"file\": \"a \\\"b\\\\.000007\", "
        "\"pos\": "
        "5000000000, \"gtid\": \"0-1-5,7-2-9\"}",
        "{\"server\": \"mariadb\", \"server_uuid\": \"\", \"server_id\": 1, \"file\": \"b.1\", \"pos\": 4, \"gtid\": "
        "\"\", "
        "\"pending\": {\"shop\":{\"t\":[[\"a\",\"b\"]]}}}",
        "{\"file\": \"b.000001\", \"pos\": 4}",
        "{\"file\": \"b.000001\", \"pos\": 4, \"created\": 4294967295}",
    };
    for (size_t i = 0; i < COUNT(same); i++)
        assert_becomes(same[i], same[i]);
    static const struct {
        const char *text, *want;
    } typed[] = {
        {"bin.000007:4711", "{\"file\": \"bin.000007\", \"pos\": 4711}"},
        {"a:b.000001:0", "{\"file\": \"a:b.000001\", \"pos\": 4}"},
        {" " UUID_A ":1-5", "{\"file\": \"\", \"pos\": 0, \"gtid\": \"" UUID_A ":1-5\"}"},
        {UUID_A ":23", "{\"file\": \"\", \"pos\": 0, \"gtid\": \"" UUID_A ":23\"}"},
        {UUID_A ":1-5,\n" UUID_B ":7", "{\"file\": \"\", \"pos\": 0, \"gtid\": \"" UUID_A ":1-5," UUID_B ":7\"}"},
        {"0-1-100, 1-2-7", "{\"file\": \"\", \"pos\": 0, \"gtid\": \"0-1-100,1-2-7\"}"},
        {"{\"gtid\": \"0-1-100\"}", "{\"file\": \"\", \"pos\": 0, \"gtid\": \"0-1-100\"}"},
    };
    for (size_t i = 0; i < COUNT(typed); i++)
        assert_becomes(typed[i].text, typed[i].want);
}

static void test_bad_texts(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "bin.000007",
                                      "bin.000007:",
                                      ":4",
                                      "{",
                                      "{}",
                                      "{\"file\": 7}",
                                      "[1]",
                                      UUID_A ":x",
                                      "0-1-5-",
                                      "{\"file\": \"b.1\", \"pos\": \"4\"}",
                                      "{\"file\": \"b.1\", \"pos\": 4, \"gtid\": \"nonsense\"}"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct error err = {0};
        struct mysql_position position;
        mysql_position_init(&position);
        assert_fails(mysql_position_parse(&position, bad[i], &err), ERROR_CONFIG);
        assert_says("is not a binlog position");
        mysql_position_deinit(&position);
    }
}

#define AT(uuid, file, pos, gtid)                                                                                      \
    "{\"server\": \"mysql\", \"server_uuid\": \"" uuid "\", \"server_id\": 1, \"file\": \"" file "\", \"pos\": " pos   \
    ", \"gtid\": \"" gtid "\"}"
#define MARIADB_AT(id, file, pos, gtid)                                                                                \
    "{\"server\": \"mariadb\", \"server_uuid\": \"\", \"server_id\": " id ", \"file\": \"" file "\", \"pos\": " pos    \
    ", \"gtid\": \"" gtid "\"}"

static bool reached(const char *position, const char *target) {
    struct error err = {0};
    struct mysql_position a, b;
    bool out = false;
    mysql_position_init(&a);
    mysql_position_init(&b);
    assert_ok(mysql_position_parse(&a, position, &err));
    assert_ok(mysql_position_parse(&b, target, &err));
    assert_ok(mysql_position_reached(&a, &b, &out, &err));
    mysql_position_deinit(&a);
    mysql_position_deinit(&b);
    return out;
}

static void test_comparison(void **state) {
    (void)state;
    static const struct {
        const char *position, *target;
        bool reached, other_way;
    } cases[] = {
        {"b.000001:4", "b.000001:4", true, true},
        {"b.000002:4", "b.000001:9999", true, false},
        {"b.000001:5000000000", "b.000001:4294967295", true, false},
        /* beyond six digits, where texts do not compare any more */
        {"b.1000000:4", "b.999999:4", true, false},
        /* one server: file and position, whatever the sets say */
        {AT(UUID_A, "b.000002", "4", UUID_A ":1-5"), AT(UUID_A, "b.000001", "4", UUID_A ":1-9"), true, false},
        /* two servers: the sets */
        {AT(UUID_B, "z.000001", "4", UUID_A ":1-9"), AT(UUID_A, "b.000009", "4", UUID_A ":1-5"), true, false},
        {AT(UUID_B, "z.000001", "4", UUID_A ":1-4:6-9"), AT(UUID_A, "b.000009", "4", UUID_A ":1-5"), false, false},
        {MARIADB_AT("2", "z.000001", "4", "0-1-9,1-1-1"), MARIADB_AT("1", "b.000009", "4", "0-1-5"), true, false},
        {MARIADB_AT("2", "z.000001", "4", "0-1-9"), MARIADB_AT("1", "b.000009", "4", "0-1-5,1-1-1"), false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(reached(cases[i].position, cases[i].target), cases[i].reached);
        assert_int_equal(reached(cases[i].target, cases[i].position), cases[i].other_way);
    }
}

static void test_positions_that_do_not_compare(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"{\"server\": \"mysql\", \"server_uuid\": \"a\", \"server_id\": 1, \"file\": \"b.1\", \"pos\": 4}",
         "{\"server\": \"mysql\", \"server_uuid\": \"b\", \"server_id\": 1, \"file\": \"b.1\", \"pos\": 4}"},
        {AT(UUID_A, "b.1", "4", UUID_A ":1"), MARIADB_AT("1", "b.1", "4", "0-1-1")},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct error err = {0};
        struct mysql_position a, b;
        bool out;
        mysql_position_init(&a);
        mysql_position_init(&b);
        assert_ok(mysql_position_parse(&a, pairs[i][0], &err));
        assert_ok(mysql_position_parse(&b, pairs[i][1], &err));
        assert_fails(mysql_position_reached(&a, &b, &out, &err), ERROR_OUTSIDE);
        assert_says("two servers");
        mysql_position_deinit(&a);
        mysql_position_deinit(&b);
    }
}

static void test_which_server(void **state) {
    (void)state;
    struct mysql_server server = {.mariadb = false, .identity = UUID_A, .server_id = 1};
    struct error err = {0};
    struct mysql_position position;
    mysql_position_init(&position);
    assert_ok(mysql_position_parse(&position, "b.1:4", &err));
    assert_true(mysql_position_is_of(&position, &server)); /* not recorded: a user typed it for this one */
    mysql_position_set_server(&position, &server);
    assert_true(mysql_position_is_of(&position, &server));
    server.identity = UUID_B;
    assert_false(mysql_position_is_of(&position, &server));
    mysql_position_deinit(&position);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_comparison),   cmocka_unit_test(test_positions_that_do_not_compare),
        cmocka_unit_test(test_which_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
