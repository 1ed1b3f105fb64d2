#include "assert_call.h"

#include <stdlib.h>
#include <string.h>

#include "source/mysql_statement.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A statement in short: "kind name | schema.table>new | from>to | flags". */
static void describe(const struct mysql_statement *s, struct buf *out) {
    static const char *const kinds[] = {"other",         "begin",    "commit", "rollback",   "savepoint",
                                        "rollback to",   "xa start", "xa end", "xa prepare", "xa commit",
                                        "xa rollback",   "create",   "alter",  "rename",     "drop",
                                        "drop database", "truncate", "change"};
    buf_append_text(out, kinds[s->kind]);
    if (s->name != NULL)
        buf_printf(out, " %s", s->name);
    for (size_t i = 0; i < s->table_count; i++) {
        buf_printf(out, " %s.%s", s->tables[i].schema, s->tables[i].name);
        if (s->tables[i].new_name != NULL)
            buf_printf(out, ">%s.%s", s->tables[i].new_schema, s->tables[i].new_name);
    }
    for (size_t i = 0; i < s->rename_count; i++)
        buf_printf(out, " [%s>%s]", s->renames[i].from, s->renames[i].to);
    for (size_t i = 0; i < s->added_count; i++) {
        static const char *const defaults[] = {"bare", "null", "literal", "computed"};
        buf_printf(out, " +%s %s", s->added[i].name, defaults[s->added[i].kind]);
        if (s->added[i].literal != NULL)
            buf_printf(out, " %s", s->added[i].literal);
    }
    for (size_t i = 0; i < s->changed_count; i++) {
        const struct mysql_changed_column *c = &s->changed[i];
        buf_printf(out, " ~%s %s%s%s%s%s", c->name != NULL ? c->name : "?", c->type != NULL ? c->type : "?",
                   c->charset != NULL ? " " : "", c->charset != NULL ? c->charset : "", c->nullable ? "" : " not null",
                   c->computed ? " computed" : "");
    }
    if (s->converts_to != NULL)
        buf_printf(out, " to %s", s->converts_to);
    if (s->replaces)
        buf_append_text(out, " replaces");
    if (s->moves_rows != NULL)
        buf_printf(out, " (%s)", s->moves_rows);
    static const char *const others[] = {"", " exchanged", " created", " gone"};
    buf_append_text(out, others[s->other]);
}

static void assert_statement(const char *text, uint64_t sql_mode, const char *want) {
    struct arena arena;
    arena_init(&arena);
    struct mysql_statement statement;
    struct buf got;
    buf_init(&got, BUF_MAX_DEFAULT);
    mysql_statement_parse(&arena, slice_of(text), slice_of("db"), sql_mode, &statement);
    describe(&statement, &got);
    if (strcmp(got.data, want) != 0)
        fail_msg("%s\n  is  %s\n  not %s", text, got.data, want);
    buf_deinit(&got);
    arena_deinit(&arena);
}

static void test_added_columns(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"ALTER TABLE t ADD a INT", "alter db.t +a bare"},
        {"ALTER TABLE t ADD COLUMN IF NOT EXISTS `a b` INT NOT NULL FIRST", "alter db.t +a b bare"},
        {"ALTER TABLE t ADD a INT DEFAULT 5 AFTER b, ADD b INT DEFAULT NULL", "alter db.t +a literal 5 +b null"},
        {"ALTER TABLE t ADD COLUMN (a DECIMAL(5,2) DEFAULT -1.50, b VARCHAR(5) DEFAULT 'x,)'), DROP c",
         "alter db.t +a literal -1.50 +b literal x,)"},
        {"ALTER TABLE t ADD a ENUM('x','y') DEFAULT \"y\" NOT NULL", "alter db.t +a literal y"},
        {"ALTER TABLE t ADD a TEXT DEFAULT 'it''s'", "alter db.t +a literal it's"},
        {"ALTER TABLE t ADD a TEXT DEFAULT 'a\\n\\\\\\'b'", "alter db.t +a literal a\n\\'b"},
        {"ALTER TABLE t ADD a BLOB DEFAULT 'a\\0'", "alter db.t +a computed"},
        {"ALTER TABLE t ADD a BLOB DEFAULT X'6162', ADD b BLOB DEFAULT 0x00ff",
         "alter db.t +a literal 0x6162 +b literal 0x00ff"},
        {"ALTER TABLE t ADD a TEXT DEFAULT _latin1'x', ADD b DATE DEFAULT DATE '2026-01-01'",
         "alter db.t +a computed +b computed"},
        {"ALTER TABLE t ADD a DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
         "alter db.t +a computed"},
        {"ALTER TABLE t ADD a INT DEFAULT (1 + 2), ADD b BIT(3) DEFAULT b'101', ADD c BIT DEFAULT 0b1",
         "alter db.t +a computed +b literal b'101' +c literal b'1'"},
        {"ALTER TABLE t ADD a INT AS (b * 2) STORED", "alter db.t +a computed"},
        {"ALTER TABLE t ADD a BOOL DEFAULT TRUE COMMENT 'DEFAULT 3'", "alter db.t +a literal 1"},
        {"ALTER TABLE t ADD a INT AUTO_INCREMENT, ADD UNIQUE KEY (a)", "alter db.t +a computed"},
        {"ALTER TABLE t ADD INDEX (a), ADD PRIMARY KEY (b), ADD CONSTRAINT c CHECK (d > 0)", "alter db.t"},
        {"ALTER TABLE t ADD a INT DEFAULT", "alter db.t +a computed"},
        {"ALTER TABLE t ADD (a INT DEFAULT 1", "alter db.t +a literal 1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statement(cases[i].text, 0, cases[i].want);
}

static void test_changed_columns(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"ALTER TABLE t MODIFY a INT", "alter db.t ~a int"},
        {"ALTER TABLE t MODIFY COLUMN IF EXISTS `a b` Int8(5) ZEROFILL NOT NULL AFTER c, DROP d",
         "alter db.t ~a b bigint(5) unsigned zerofill not null"},
        {"ALTER TABLE t MODIFY a DEC UNSIGNED, MODIFY b NUMERIC( 5 ), MODIFY c fixed(5 , 2) signed",
         "alter db.t ~a decimal(10,0) unsigned ~b decimal(5,0) ~c decimal(5,2)"},
        {"ALTER TABLE t CHANGE a b CHARACTER VARYING(9) CHARACTER SET 'Latin1' NULL",
         "alter db.t [a>b] ~b varchar(9) latin1"},
        {"ALTER TABLE t MODIFY a char CHARSET ascii DEFAULT NULL, MODIFY b text NOT NULL COLLATE utf8mb4_bin",
         "alter db.t ~a char(1) ascii ~b text utf8mb4 not null"},
        {"ALTER TABLE t MODIFY a ENUM('x', \"it's\", 'it\\'s', 'a''b') DEFAULT 'NOT NULL'",
         "alter db.t ~a enum('x','it''s','it''s','a''b')"},
        {"ALTER TABLE t MODIFY a DOUBLE PRECISION, MODIFY b BOOL, MODIFY c DATETIME(6) ON UPDATE NOW(6)",
         "alter db.t ~a double ~b tinyint(1) ~c datetime(6)"},
        {"ALTER TABLE t MODIFY a INT GENERATED ALWAYS AS (b * (2 + c)) STORED NOT NULL, MODIFY b INT AS (c)",
         "alter db.t ~a int not null computed ~b int computed"},
        {"ALTER TABLE t MODIFY a INT COMMENT 'NOT NULL' CHECK (a IS NOT NULL), ADD b INT", "alter db.t +b bare ~a int"},
        /* not clear */
        {"ALTER TABLE t MODIFY a REAL, MODIFY b TEXT(5), MODIFY c FLOAT(30), MODIFY d NATIONAL CHAR(5), MODIFY e "
         "SERIAL",
         "alter db.t ~a ? ~b ? ~c ? ~d ? ~e ?"},
        {"ALTER TABLE t MODIFY a CHAR(5) ASCII, MODIFY b VARCHAR(5) CHARACTER SET binary, MODIFY c VARCHAR(5) BYTE",
         "alter db.t ~a ? ~b ? binary ~c ?"},
        {"ALTER TABLE t MODIFY a ENUM(x'61'), MODIFY b ENUM('a', MODIFY", "alter db.t ~a ? ~b ?"},
        {"ALTER TABLE t MODIFY", "alter db.t ~? ?"},
        {"ALTER TABLE t CHANGE a", "alter db.t ~? ?"},
        {"ALTER TABLE t MODIFY a", "alter db.t ~a ?"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, MODIFY a INT",
         "alter db.t ~a int to utf8mb4"},
        {"ALTER TABLE t CONVERT TO CHARSET DEFAULT", "alter db.t to "},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statement(cases[i].text, 0, cases[i].want);
}

static void test_statements(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "other"},
        {"BEGIN", "begin"},
        {"begin", "begin"},
        {"START TRANSACTION", "begin"},
        {"START SLAVE", "other"},
        {"COMMIT", "commit"},
        {"ROLLBACK", "rollback"},
        {"ROLLBACK WORK", "rollback"},
        {"ROLLBACK TO `a``b`", "rollback to a`b"},
        {"rollback work to savepoint x", "rollback to x"},
        {"SAVEPOINT `s p`", "savepoint s p"},
        {"XA START X'6162',X'',1", "xa start X'6162',X'',1"},
        {"XA END X'6162', X'' , 1", "xa end X'6162',X'',1"},
        {"XA PREPARE X'6162',X'',1", "xa prepare X'6162',X'',1"},
        {"XA COMMIT X'6162',X'ff',7 ONE PHASE", "xa commit X'6162',X'ff',7"},
        {"XA ROLLBACK X'',X'',1", "xa rollback X'',X'',1"},
        {"CREATE TABLE t (id int)", "create db.t"},
        {"create table if not exists `a.b`.`c` like d", "create a.b.c"},
        {"CREATE OR REPLACE TABLE x.t AS SELECT 1", "create x.t replaces"},
        {"CREATE TEMPORARY TABLE t (id int)", "other"},
        {"CREATE OR REPLACE VIEW v AS SELECT 1", "other replaces"},
        {"CREATE INDEX i ON t (a)", "other"},
        {"CREATE DEFINER=`r`@`%` TRIGGER x AFTER INSERT ON t FOR EACH ROW DROP TABLE t", "other"},
        {"DROP TABLE `a`,b.c , d /* generated by server */", "drop db.a b.c db.d"},
        {"DROP TABLE IF EXISTS `t` RESTRICT", "drop db.t"},
        {"DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`", "other"},
        {"DROP TEMPORARY TABLE t", "other"},
        {"DROP DATABASE IF EXISTS `x y`", "drop database x y"},
        {"DROP SCHEMA s", "drop database s"},
        {"DROP INDEX `PRIMARY` ON t", "alter db.t"},
        {"DROP VIEW t", "other"},
        {"TRUNCATE t", "truncate db.t"},
        {"TRUNCATE TABLE `s`.`t`", "truncate s.t"},
        {"/* a */ TRUNCATE -- b\n `t`", "truncate db.t"},
        {"# DROP TABLE t\nTRUNCATE t", "truncate db.t"},
        {"/*!50000 TRUNCATE */ /*M!100100 TABLE */ t", "truncate db.t"},
        {"/*! DROP TABLE t */", "drop db.t"},
        {"RENAME TABLE a TO b", "rename db.a>db.b"},
        {"rename tables a to x.b, `c d` to e , x.b wait 5 to a", "rename db.a>x.b db.c d>db.e x.b>db.a"},
        {"RENAME USER a TO b", "other"},
        {"ALTER TABLE t ADD c int", "alter db.t +c bare"},
        {"ALTER ONLINE IGNORE TABLE IF EXISTS t WAIT 5 ADD c int", "alter db.t +c bare (IGNORE)"},
        {"alter table t rename column `a` to `b`, rename column c to d", "alter db.t [a>b] [c>d]"},
        {"ALTER TABLE t CHANGE a b int COMMENT 'x, CHANGE y z', CHANGE COLUMN c d enum('(', ',') DEFAULT ')'",
         "alter db.t [a>b] [c>d] ~b int ~d enum('(',',')"},
        {"ALTER TABLE t CHANGE COLUMN IF EXISTS a A int, CHANGE b b bigint", "alter db.t [a>A] ~A int ~b bigint"},
        {"ALTER TABLE t ADD COLUMN (x int, y varchar(9) DEFAULT ', RENAME COLUMN p TO q'), DROP a",
         "alter db.t +x bare +y literal , RENAME COLUMN p TO q"},
        {"ALTER TABLE t RENAME INDEX a TO b, RENAME KEY c TO d", "alter db.t"},
        {"ALTER TABLE t RENAME u", "alter db.t>db.u"},
        {"ALTER TABLE x.t ADD c int, RENAME TO `y`.`u`", "alter x.t>y.u +c bare"},
        {"ALTER TABLE t RENAME AS u, RENAME COLUMN a TO b", "alter db.t>db.u [a>b]"},
        {"ALTER TABLE t RENAME = u", "alter db.t>db.u"},
        {"ALTER TABLE t DROP PARTITION p0", "alter db.t (DROP PARTITION)"},
        {"ALTER TABLE t DROP COLUMN `partition`, DROP `PARTITION`", "alter db.t"},
        {"ALTER TABLE t EXCHANGE PARTITION p WITH TABLE x", "alter db.t db.x (EXCHANGE PARTITION) exchanged"},
        {"ALTER TABLE s.t EXCHANGE PARTITION `p` WITH TABLE `o`.`x` WITHOUT VALIDATION",
         "alter s.t o.x (EXCHANGE PARTITION) exchanged"},
        {"ALTER TABLE t CONVERT PARTITION p TO TABLE o.x", "alter db.t o.x (CONVERT PARTITION) created"},
        {"ALTER TABLE t CONVERT TABLE x TO PARTITION p VALUES LESS THAN (5)", "alter db.t db.x (CONVERT TABLE) gone"},
        {"ALTER TABLE t EXCHANGE PARTITION p", "alter db.t (EXCHANGE PARTITION)"},
        {"ALTER TABLE t IMPORT PARTITION p TABLESPACE", "alter db.t (IMPORT PARTITION)"},
        {"ALTER TABLE t TRUNCATE PARTITION ALL", "alter db.t (TRUNCATE PARTITION)"},
        {"ALTER TABLE t IMPORT TABLESPACE", "alter db.t (IMPORT TABLESPACE)"},
        {"ALTER TABLE t ADD CONSTRAINT CHECK (a IN (1, 2)), ALTER COLUMN a SET DEFAULT 5", "alter db.t"},
        {"ALTER DATABASE x CHARACTER SET utf8mb4", "other"},
        {"ALTER TABLE", "other"},
        {"GRANT SELECT ON *.* TO x", "other"},
        {"SET STATEMENT lock_wait_timeout=5 FOR TRUNCATE TABLE t", "truncate db.t"},
        {"set statement a = (substring('x' from 1 for 2)), b='FOR' for ALTER TABLE t RENAME COLUMN a TO b",
         "alter db.t [a>b]"},
        {"SET STATEMENT a=1 FOR", "other"},
        {"SET STATEMENT a=1 FOR SET STATEMENT b=1 FOR DROP TABLE t", "other"},
        {"SET PASSWORD = 'DROP TABLE t'", "other"},
        {"INSERT INTO t SELECT a FROM x.u", "change db.INTO db.t db.SELECT db.a db.FROM x.u"},
        {"DELETE FROM t", "change db.FROM db.t"},
        /* unfinished quotes and comments end the statement, and nothing is read behind it */
        {"DROP TABLE `t", "drop db.t"},
        {"ALTER TABLE t ADD c int DEFAULT '", "alter db.t +c computed"},
        {"TRUNCATE t /*", "truncate db.t"},
        {"TRUNCATE /*", "other"},
        {"DROP TABLE ", "other"},
        {"XA START", "xa start "},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_statement(cases[i].text, 0, cases[i].want);
}

static void test_sql_modes(void **state) {
    (void)state;
    assert_statement("DROP TABLE \"a\"\"b\"", MYSQL_MODE_ANSI_QUOTES, "drop db.a\"b");
    assert_statement("DROP TABLE \"a\"", 0, "other");
    /* With backslashes as escapes the string goes on behind the quote; without them the RENAME is outside of it. */
    const char *text = "ALTER TABLE t ADD c char DEFAULT '\\', RENAME COLUMN a TO b -- '";
    assert_statement(text, 0, "alter db.t +c literal ', RENAME COLUMN a TO b -- ");
    assert_statement(text, MYSQL_MODE_NO_BACKSLASH_ESCAPES, "alter db.t [a>b] +c literal \\");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statements), cmocka_unit_test(test_added_columns),
                                       cmocka_unit_test(test_changed_columns), cmocka_unit_test(test_sql_modes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
