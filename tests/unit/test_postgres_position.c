/* Positions in PostgreSQL's log, what a full load's snapshot has, and the list of hosts. */
#include "source/postgres_connect.h"
#include "source/postgres_position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads_and_writes(void **state) {
    (void)state;
    static const struct {
        const char *text, *back; /* back NULL: it is none */
    } cases[] = {
        {"{\"lsn\":\"16/B374D848\"}", "{\"lsn\":\"16/B374D848\"}"},
        {"16/b374d848", "{\"lsn\":\"16/B374D848\"}"},
        {"FFFFFFFF/FFFFFFFF", "{\"lsn\":\"FFFFFFFF/FFFFFFFF\"}"},
        {"0/0", "{\"lsn\":\"0/0\"}"},
        {"{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:735:731,733\"}",
         "{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:735:731,733\"}"},
        {"{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:730:\"}",
         "{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:730:\"}"},
        {"{\"lsn\":\"0/10\",\"snapshot\":\"730:730:\"}", NULL},
        {"{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:729:\"}", NULL},
        {"{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:735:731,\"}", NULL},
        {"{\"lsn\":\"0/10\",\"end\":\"0/20\",\"snapshot\":\"730:735\"}", NULL},
        {"{\"lsn\":7}", NULL},
        {"123456789/0", NULL},
        {"0/", NULL},
        {"/0", NULL},
        {"binlog.000042:4", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        arena_init(&arena);
        struct postgres_position position;
        struct error err = {0};
        bool ok = postgres_position_parse(&position, cases[i].text, &arena, &err);
        assert_int_equal(ok, cases[i].back != NULL);
        if (ok)
            assert_string_equal(postgres_position_format(&position, &arena), cases[i].back);
        else
            assert_int_equal(err.kind, ERROR_CONFIG);
        arena_deinit(&arena);
    }
}

static void knows_what_a_snapshot_has(void **state) {
    (void)state;
    static const char plain[] = "{\"lsn\":\"0/1000\"}";
    static const char early[] = "{\"lsn\":\"0/1000\",\"end\":\"0/2000\",\"snapshot\":\"730:735:731,733\"}";
    /* Next to an epoch: 2^32 + 2, with transactions of the epoch before still running. */
    static const char wrapped[] =
        "{\"lsn\":\"0/1000\",\"end\":\"0/2000\",\"snapshot\":\"4294967290:4294967298:4294967295\"}";
    static const struct {
        const char *position;
        uint32_t xid;
        uint64_t commit_lsn;
        bool has;
    } cases[] = {
        {plain, 5, 0x1000, true},
        {plain, 5, 0x1001, false},
        {early, 729, 0x1800, true}, /* commit order and visibility differ: the snapshot decides */
        {early, 730, 0x1800, true},
        {early, 731, 0x0800, false},
        {early, 732, 0x1fff, true},
        {early, 733, 0x1fff, false},
        {early, 734, 0x1fff, true},
        {early, 735, 0x1fff, false},
        {early, 736, 0x1fff, false},
        {early, 700, 0x2001, false},
        {wrapped, 4294967289u, 0x1800, true},
        {wrapped, 4294967295u, 0x1800, false},
        {wrapped, 0, 0x1800, true},
        {wrapped, 1, 0x1800, true},
        {wrapped, 2, 0x1800, false},
        {wrapped, 3, 0x1800, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        arena_init(&arena);
        struct postgres_position position;
        assert_true(postgres_position_parse(&position, cases[i].position, &arena, NULL));
        assert_int_equal(postgres_position_has(&position, cases[i].xid, cases[i].commit_lsn), cases[i].has);
        arena_deinit(&arena);
    }
}

static void reads_hosts(void **state) {
    (void)state;
    static const struct {
        const char *text, *name; /* name NULL: it is none */
        int port;
    } cases[] = {
        {"db", "db", 0},
        {" db.example ", "db.example", 0},
        {"db:5433", "db", 5433},
        {"127.0.0.1:1", "127.0.0.1", 1},
        {"::1", "::1", 0},
        {"[::1]", "::1", 0},
        {"[fe80::1]:5433", "fe80::1", 5433},
        {"", NULL, 0},
        {":5432", NULL, 0},
        {"db:", NULL, 0},
        {"db:port", NULL, 0},
        {"db:65536", NULL, 0},
        {"[::1", NULL, 0},
        {"[::1]5432", NULL, 0},
        {"db:99999999999999999999", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        arena_init(&arena);
        const char *name = NULL;
        int port = 0;
        bool ok = postgres_parse_host(cases[i].text, strlen(cases[i].text), &arena, &name, &port);
        assert_int_equal(ok, cases[i].name != NULL);
        if (ok) {
            assert_string_equal(name, cases[i].name);
            assert_int_equal(port, cases[i].port);
        }
        arena_deinit(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(knows_what_a_snapshot_has),
        cmocka_unit_test(reads_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
