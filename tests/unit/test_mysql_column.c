/* Column declarations: information_schema's words, completing a table map, types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "source/mysql_charset.h"
#include "source/mysql_column.h"
#include "source/mysql_wire.h"

enum { LATIN1 = 8 };

static void test_from_info(void **state) {
    (void)state;
    static const struct {
        const char *column_type;
        uint16_t collation;
        unsigned max_bytes;
        enum mysql_kind kind;
        bool is_unsigned;
        uint8_t precision, scale;
        uint32_t length;
        const char *type; /* of the raw files; NULL: none */
    } CASES[] = {
        {"tinyint(4)", 0, 0, MYSQL_KIND_TINYINT, false, 0, 0, 0, "tinyint"},
        {"tinyint(1)", 0, 0, MYSQL_KIND_TINYINT, false, 0, 0, 0, "tinyint"},
        {"tinyint unsigned", 0, 0, MYSQL_KIND_TINYINT, true, 0, 0, 0, "utinyint"},
        {"smallint(5) unsigned zerofill", 0, 0, MYSQL_KIND_SMALLINT, true, 0, 0, 0, "smallint unsigned"},
        {"mediumint", 0, 0, MYSQL_KIND_MEDIUMINT, false, 0, 0, 0, "int"},
        {"mediumint unsigned", 0, 0, MYSQL_KIND_MEDIUMINT, true, 0, 0, 0, "int unsigned"},
        {"int(11)", 0, 0, MYSQL_KIND_INT, false, 0, 0, 0, "int"},
        {"int(10) unsigned", 0, 0, MYSQL_KIND_INT, true, 0, 0, 0, "int unsigned"},
        {"bigint(20)", 0, 0, MYSQL_KIND_BIGINT, false, 0, 0, 0, "bigint"},
        {"bigint unsigned", 0, 0, MYSQL_KIND_BIGINT, true, 0, 0, 0, "bigint unsigned"},
        {"decimal(10,2)", 0, 0, MYSQL_KIND_DECIMAL, false, 10, 2, 0, "decimal(10,2)"},
        {"decimal(38,0) unsigned", 0, 0, MYSQL_KIND_DECIMAL, true, 38, 0, 0, "decimal(38,0)"},
        {"decimal(39,1)", 0, 0, MYSQL_KIND_DECIMAL, false, 39, 1, 0, "string"},
        {"float", 0, 0, MYSQL_KIND_FLOAT, false, 0, 0, 0, "float"},
        {"double(7,4) unsigned", 0, 0, MYSQL_KIND_DOUBLE, true, 0, 0, 0, "double"},
        {"bit(1)", 0, 0, MYSQL_KIND_BIT, false, 0, 0, 1, "boolean"},
        {"bit(64)", 0, 0, MYSQL_KIND_BIT, false, 0, 0, 64, "bigint unsigned"},
        {"year(4)", 0, 0, MYSQL_KIND_YEAR, false, 0, 0, 0, "smallint"},
        {"date", 0, 0, MYSQL_KIND_DATE, false, 0, 0, 0, "date"},
        {"time(3)", 0, 0, MYSQL_KIND_TIME, false, 0, 3, 0, "string"},
        {"datetime", 0, 0, MYSQL_KIND_DATETIME, false, 0, 0, 0, "timestamp(0)"},
        {"datetime(6)", 0, 0, MYSQL_KIND_DATETIME, false, 0, 6, 0, "timestamp(6)"},
        {"datetime(3) /* mariadb-5.3 */", 0, 0, MYSQL_KIND_DATETIME, false, 0, 3, 0, "timestamp(3)"},
        {"timestamp(2)", 0, 0, MYSQL_KIND_TIMESTAMP, false, 0, 2, 0, "timestamptz(2)"},
        {"char(10)", 45, 4, MYSQL_KIND_CHAR, false, 0, 0, 40, "string"},
        {"varchar(300)", LATIN1, 1, MYSQL_KIND_VARCHAR, false, 0, 0, 300, "string"},
        {"varchar(20) /*M!100301 COMPRESSED*/", LATIN1, 1, MYSQL_KIND_VARCHAR, false, 0, 0, 20, "string"},
        {"binary(16)", 0, 0, MYSQL_KIND_CHAR, false, 0, 0, 16, "binary"},
        {"varbinary(20)", 0, 0, MYSQL_KIND_VARCHAR, false, 0, 0, 20, "binary"},
        {"tinytext", 45, 4, MYSQL_KIND_TEXT, false, 0, 0, 1, "string"},
        {"longtext", 45, 4, MYSQL_KIND_TEXT, false, 0, 0, 4, "string"},
        {"mediumblob", 0, 0, MYSQL_KIND_TEXT, false, 0, 0, 3, "binary"},
        {"json", 0, 0, MYSQL_KIND_JSON, false, 0, 0, 4, "json"},
        {"geomcollection", 0, 0, MYSQL_KIND_GEOMETRY, false, 0, 0, 4, "binary"},
        {"vector(3)", 0, 0, MYSQL_KIND_VECTOR, false, 0, 0, 4, "binary"},
        {"uuid", 0, 0, MYSQL_KIND_UUID, false, 0, 0, 0, "string"},
        {"inet6", 0, 0, MYSQL_KIND_INET6, false, 0, 0, 0, "string"},
        {"INT(11) UNSIGNED", 0, 0, MYSQL_KIND_INT, true, 0, 0, 0, "int unsigned"},
        {"hypercube(4)", 0, 0, MYSQL_KIND_UNKNOWN, false, 0, 0, 0, NULL},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_column_info info = {"c", CASES[i].column_type, CASES[i].collation, CASES[i].max_bytes, true, NULL};
        struct mysql_column column;
        struct type type;
        struct error err;
        char text[TYPE_TEXT_BYTES];
        assert_true(mysql_column_from_info(&arena, &info, &column, &err));
        if (column.kind != CASES[i].kind || column.is_unsigned != CASES[i].is_unsigned ||
            column.precision != CASES[i].precision || column.scale != CASES[i].scale ||
            column.length != CASES[i].length)
            fail_msg("%s: kind %d, unsigned %d, (%u,%u), length %u", CASES[i].column_type, column.kind,
                     column.is_unsigned, column.precision, column.scale, column.length);
        bool typed = mysql_column_type(&column, &type, &err);
        if (!typed) {
            assert_null(CASES[i].type);
            assert_non_null(strstr(err.message, "table_filter"));
            continue;
        }
        type_format(type, text);
        struct type expected;
        assert_true(type_parse(CASES[i].type, &expected));
        if (!type_equal(type, expected))
            fail_msg("%s: %s", CASES[i].column_type, text);
    }
    arena_deinit(&arena);
}

static void test_labels(void **state) {
    (void)state;
    static const struct {
        const char *column_type;
        size_t count;       /* 0: cannot be read */
        const char *labels; /* joined by '|' */
    } CASES[] = {
        {"enum('a')", 1, "a"},
        {"enum('a','b','')", 3, "a|b|"},
        {"set('x,y','it''s')", 2, "x,y|it's"},
        {"enum('a\\\\b','line\\nend','é')", 3, "a\\b|line\nend|é"},
        {"enum('(1)','2')", 2, "(1)|2"},
        {"enum('a'", 0, NULL},
        {"enum('a", 0, NULL},
        {"enum('a',)", 0, NULL},
        {"enum()", 0, NULL},
        {"enum", 0, NULL},
        {"set('a''", 0, NULL},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_column_info info = {"c", CASES[i].column_type, 45, 4, true, NULL};
        struct mysql_column column;
        struct error err;
        struct buf joined;
        buf_init(&joined, BUF_MAX_DEFAULT);
        bool ok = mysql_column_from_info(&arena, &info, &column, &err);
        assert_int_equal(ok, CASES[i].count > 0);
        for (size_t j = 0; ok && j < column.label_count; j++) {
            if (j > 0)
                buf_append_char(&joined, '|');
            buf_append(&joined, column.labels[j].data, column.labels[j].len);
        }
        if (ok) {
            assert_int_equal(column.label_count, CASES[i].count);
            assert_string_equal(joined.data, CASES[i].labels);
            assert_true(column.labels_utf8);
        } else {
            assert_int_equal(err.kind, ERROR_DATA);
        }
        buf_deinit(&joined);
    }
    arena_deinit(&arena);
}

/* A column of a map and what information_schema says of the column at its place: one column, or two different ones? */
static void test_complete(void **state) {
    (void)state;
    static const struct {
        struct mysql_column map;
        const char *column_type;
        uint16_t collation;
        unsigned max_bytes;
        bool agree;
    } CASES[] = {
        {{.kind = MYSQL_KIND_INT}, "int(11)", 0, 0, true},
        {{.kind = MYSQL_KIND_INT}, "int(10) unsigned", 0, 0, true},
        {{.kind = MYSQL_KIND_INT, .has_signedness = true}, "int(10) unsigned", 0, 0, false},
        {{.kind = MYSQL_KIND_INT}, "bigint(20)", 0, 0, false},
        {{.kind = MYSQL_KIND_DECIMAL, .precision = 10, .scale = 2}, "decimal(10,2)", 0, 0, true},
        {{.kind = MYSQL_KIND_DECIMAL, .precision = 10, .scale = 2}, "decimal(12,2)", 0, 0, false},
        {{.kind = MYSQL_KIND_CHAR, .length = 40}, "char(10)", 45, 4, true},
        {{.kind = MYSQL_KIND_CHAR, .length = 40}, "char(11)", 45, 4, false},
        {{.kind = MYSQL_KIND_CHAR, .length = 16}, "uuid", 0, 0, true},
        {{.kind = MYSQL_KIND_CHAR, .length = 16}, "inet6", 0, 0, true},
        {{.kind = MYSQL_KIND_CHAR, .length = 4}, "inet4", 0, 0, true},
        {{.kind = MYSQL_KIND_CHAR, .length = 4}, "inet6", 0, 0, false},
        {{.kind = MYSQL_KIND_VARCHAR, .length = 21, .compressed = true},
         "varchar(20) /*M!100301 COMPRESSED*/",
         LATIN1,
         1,
         true},
        {{.kind = MYSQL_KIND_VARCHAR, .length = 21}, "varchar(20)", LATIN1, 1, false},
        {{.kind = MYSQL_KIND_VARCHAR, .length = 12}, "vector(3)", 0, 0, true},
        {{.kind = MYSQL_KIND_TEXT, .length = 2}, "text", LATIN1, 1, true},
        {{.kind = MYSQL_KIND_TEXT, .length = 2}, "longtext", LATIN1, 1, false},
        {{.kind = MYSQL_KIND_ENUM, .length = 1}, "enum('a','b')", 45, 4, true},
        {{.kind = MYSQL_KIND_ENUM, .length = 2}, "enum('a','b')", 45, 4, false},
        {{.kind = MYSQL_KIND_ENUM, .length = 1}, "set('a','b')", 45, 4, false},
        {{.kind = MYSQL_KIND_DATETIME, .scale = 3, .wire_type = MYSQL_WIRE_DATETIME2}, "datetime(3)", 0, 0, true},
        {{.kind = MYSQL_KIND_DATETIME, .scale = 3, .wire_type = MYSQL_WIRE_DATETIME2}, "datetime", 0, 0, false},
        {{.kind = MYSQL_KIND_DATETIME, .wire_type = MYSQL_WIRE_DATETIME, .unknown_scale = true},
         "datetime(3)",
         0,
         0,
         true},
        {{.kind = MYSQL_KIND_BIT, .length = 3}, "bit(3)", 0, 0, true},
        {{.kind = MYSQL_KIND_BIT, .length = 3}, "bit(4)", 0, 0, false},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_column_info info = {"c", CASES[i].column_type, CASES[i].collation, CASES[i].max_bytes, true, NULL};
        struct mysql_column known, column = CASES[i].map;
        struct type type;
        struct error err;
        assert_true(mysql_column_from_info(&arena, &info, &known, &err));
        if (mysql_column_complete(&column, &known, &err) != CASES[i].agree)
            fail_msg("case %zu, %s: %s", i, CASES[i].column_type, CASES[i].agree ? err.message : "taken");
        if (!CASES[i].agree) {
            assert_int_equal(err.kind, ERROR_DATA);
            assert_non_null(strstr(err.message, "binlog_row_metadata"));
            continue;
        }
        assert_string_equal(column.name, "c");
        assert_false(mysql_column_needs_info(&column, false));
        assert_true(mysql_column_type(&column, &type, &err));
        assert_int_equal(column.scale, known.scale);
        assert_int_equal(column.label_count, known.label_count);
    }
    arena_deinit(&arena);
}

static void test_needs_info(void **state) {
    (void)state;
    static const struct {
        struct mysql_column map;
        bool mysql, mariadb;
    } CASES[] = {
        {{.name = "c", .kind = MYSQL_KIND_INT, .has_signedness = true}, false, false},
        {{.name = NULL, .kind = MYSQL_KIND_INT, .has_signedness = true}, true, true},
        {{.name = "c", .kind = MYSQL_KIND_INT}, true, true},
        {{.name = "c", .kind = MYSQL_KIND_TEXT, .collation = 45}, false, false},
        {{.name = "c", .kind = MYSQL_KIND_TEXT}, true, true},
        {{.name = "c", .kind = MYSQL_KIND_ENUM, .collation = 45}, true, true},
        {{.name = "c", .kind = MYSQL_KIND_CHAR, .collation = MYSQL_COLLATION_BINARY, .length = 16}, false, true},
        {{.name = "c", .kind = MYSQL_KIND_CHAR, .collation = MYSQL_COLLATION_BINARY, .length = 15}, false, false},
        {{.name = "c", .kind = MYSQL_KIND_CHAR, .collation = 45, .length = 16}, false, false},
        {{.name = "c", .kind = MYSQL_KIND_TIME, .unknown_scale = true}, true, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(mysql_column_needs_info(&CASES[i].map, false), CASES[i].mysql);
        assert_int_equal(mysql_column_needs_info(&CASES[i].map, true), CASES[i].mariadb);
    }
}

/* What the map alone does not tell is an error that says which setting mends it. */
static void test_untold(void **state) {
    (void)state;
    static const struct {
        struct mysql_column column;
        const char *says;
    } CASES[] = {
        {{.name = "price", .kind = MYSQL_KIND_INT}, "binlog_row_metadata"},
        {{.name = "price", .kind = MYSQL_KIND_TEXT}, "binlog_row_metadata"},
        {{.name = "price", .kind = MYSQL_KIND_SET, .collation = 45}, "binlog_row_metadata"},
        {{.name = "price", .kind = MYSQL_KIND_DATETIME, .unknown_scale = true}, "mysql56_temporal_format"},
        {{.name = "price", .kind = MYSQL_KIND_UNKNOWN}, "table_filter"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct type type;
        struct error err;
        assert_false(mysql_column_type(&CASES[i].column, &type, &err));
        assert_int_equal(err.kind, ERROR_DATA);
        assert_non_null(strstr(err.message, CASES[i].says));
        assert_non_null(strstr(err.message, "\"price\""));
    }
}

static void test_describe(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "tinyint unsigned",
        "int",
        "bigint unsigned",
        "decimal(10,2)",
        "decimal(5,0) unsigned",
        "bit(7)",
        "year",
        "date",
        "time",
        "time(3)",
        "datetime(6)",
        "timestamp",
        "char(10)",
        "varchar(300)",
        "tinytext",
        "mediumtext",
        "json",
        "geometry",
        "enum('a','it''s')",
        "set('x')",
        "uuid",
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_column_info info = {"c", CASES[i], 45, 4, true, NULL};
        struct mysql_column column;
        struct buf text;
        buf_init(&text, BUF_MAX_DEFAULT);
        assert_true(mysql_column_from_info(&arena, &info, &column, NULL));
        mysql_column_describe(&column, 4, &text);
        assert_string_equal(text.data, CASES[i]);
        buf_deinit(&text);
    }
    static const char *const BINARY[] = {"binary(16)", "varbinary(20)", "tinyblob", "longblob"};
    for (size_t i = 0; i < sizeof BINARY / sizeof BINARY[0]; i++) {
        struct mysql_column_info info = {"c", BINARY[i], 0, 0, true, NULL};
        struct mysql_column column;
        struct buf text;
        buf_init(&text, BUF_MAX_DEFAULT);
        assert_true(mysql_column_from_info(&arena, &info, &column, NULL));
        mysql_column_describe(&column, 0, &text);
        assert_string_equal(text.data, BINARY[i]);
        buf_deinit(&text);
    }
    arena_deinit(&arena);
}

static void test_dates(void **state) {
    (void)state;
    static const struct {
        unsigned year, month, day;
        bool exists;
    } CASES[] = {
        {2026, 11, 1, true}, {1, 1, 1, true},      {9999, 12, 31, true}, {0, 1, 1, false},     {10000, 1, 1, false},
        {2026, 0, 1, false}, {2026, 13, 1, false}, {2026, 1, 0, false},  {2026, 1, 32, false}, {2026, 4, 31, false},
        {2024, 2, 29, true}, {2026, 2, 29, false}, {2000, 2, 29, true},  {1900, 2, 29, false}, {0, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(mysql_date_exists(CASES[i].year, CASES[i].month, CASES[i].day), CASES[i].exists);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_info),  cmocka_unit_test(test_labels), cmocka_unit_test(test_complete),
        cmocka_unit_test(test_needs_info), cmocka_unit_test(test_untold), cmocka_unit_test(test_describe),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
