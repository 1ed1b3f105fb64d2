"""Changes of a table's definition: whatever the source did, the lake shows the source's rows."""

from dataclasses import dataclass, field

import pytest

from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

TABLE = "create table t (id int primary key, a int, b varchar(10), p decimal(8,2))"
ROWS = "insert into t values (1, 10, 'one', 1.50), (2, null, null, null), (3, -30, 'a,\"b\"', -0.01)"


@dataclass
class Case:
    name: str
    steps: list  # statements after the first load
    before: list = field(default_factory=lambda: [TABLE, ROWS])
    servers: str = "mariadb mysql"
    minimal: bool = True  # also without names in the log, where capture has to catch up after each definition
    options: dict = field(default_factory=dict)  # of source:
    tables: tuple = ("t",)


def with_old_rows(name, declaration, value="default", **more):
    """ADD COLUMN, then rows that were there before, that are new, and that are changed."""
    return Case(name, [f"alter table t add column n {declaration}", f"insert into t (id, a, n) values (4, 4, {value})",
                       "update t set a = 11 where id = 1",
                       f"insert into t (id, n) values (5, {value})" if declaration.endswith("not null") else "insert into t (id) values (5)"], **more)


CASES = [
    with_old_rows("add column", "int", "44"),
    with_old_rows("add column with a number as default", "int default 7"),
    with_old_rows("add column with a text as default", "varchar(30) default 'it''s \"new\", yes'"),
    with_old_rows("add column with a decimal as default", "decimal(10,3) not null default 1.5"),
    with_old_rows("add column with a date as default", "datetime(3) default '2026-01-02 03:04:05.678'"),
    with_old_rows("add column with bytes as default", "varbinary(10) default x'00ff'"),
    with_old_rows("add column with bits as default", "bit(9) default b'100000001'"),
    with_old_rows("add column with an enum as default", "enum('small','große') not null default 'große'"),
    with_old_rows("add column with a timestamp as default", "timestamp null default '2026-01-02 03:04:05'"),
    with_old_rows("add column with NULL as default", "int default null"),
    with_old_rows("add column not null", "int not null", "44", minimal=False),
    with_old_rows("add text column not null", "varchar(20) not null", "'x'", minimal=False),
    with_old_rows("add column first", "int default 1 first"),
    with_old_rows("add column in the middle", "varchar(5) default 'mid' after a"),
    with_old_rows("add column with the time as default", "datetime(6) default current_timestamp(6)", minimal=False),
    with_old_rows("add stored generated column", "int as (a * 2) stored", minimal=False),
    with_old_rows("add virtual generated column", "varchar(40) as (concat(b, '-', id)) virtual", minimal=False),
    Case("add, then change the default", ["alter table t add column n int default 1", "insert into t (id) values (4)", "update t set b = 'x' where id = 1",
                                          "alter table t alter column n set default 2", "insert into t (id) values (5)"]),
    Case("several columns at once", ["alter table t add column (x int default 1, y varchar(5) default 'y'), drop column a", "insert into t (id, b) values (4, 'x')"]),
    Case("drop column", ["alter table t drop column a", "insert into t values (4, 'four', 4)", "update t set b = 'changed' where id = 1"]),
    Case("drop column and add it again", ["alter table t drop column a", "insert into t (id) values (4)", "alter table t add column a int",
                                          "insert into t (id, a) values (5, 50)", "update t set a = 1 where id = 1"]),
    Case("drop column and add it with another type", ["alter table t drop column a", "insert into t (id) values (4)", "alter table t add column a varchar(20)",
                                                      "insert into t (id, a) values (5, 'fifty')", "update t set a = 'x' where id = 1"], minimal=False),
    Case("drop column and add it again at once", ["alter table t drop column a", "alter table t add column a int default 7", "insert into t (id) values (4)"],
         minimal=False),
    Case("swap columns before a row", ["alter table t add column c int default 5", "alter table t change column a c int, change column c a int",
                                       "insert into t (id, a, c) values (5, 1, 2)"], minimal=False),
    Case("rename column", ["alter table t rename column a to z", "insert into t (id, z) values (4, 40)", "update t set z = 1 where id = 1"]),
    Case("change column", ["alter table t change column a z bigint", "insert into t (id, z) values (4, 9000000000)", "update t set z = 1 where id = 1"]),
    Case("rename column twice", ["alter table t rename column a to z", "insert into t (id, z) values (4, 40)", "alter table t rename column z to y",
                                 "insert into t (id, y) values (5, 50)", "alter table t rename column y to a", "insert into t (id, a) values (6, 60)"]),
    Case("swap two columns", ["alter table t add column c int default 5", "insert into t (id, a) values (4, 40)",
                              "alter table t change column a c int, change column c a int", "insert into t (id, a, c) values (5, 1, 2)"]),
    Case("int to bigint", ["alter table t modify a bigint", "insert into t (id, a) values (4, -9000000000)"]),
    Case("smaller ints", ["alter table t modify n int", "insert into t (id, n) values (4, -2000000000)", "alter table t modify n bigint, modify m mediumint",
                          "insert into t (id, n, m) values (5, -9223372036854775808, -8388608)"],
         before=["create table t (id int primary key, n tinyint unsigned, m smallint)", "insert into t values (1, 255, -32768), (2, 0, 1)"], minimal=False),
    Case("float to double", ["alter table t modify f double", "insert into t values (4, 1e300)"],
         before=["create table t (id int primary key, f float)", "insert into t values (1, 0.5), (2, null)"]),
    Case("longer varchar", ["alter table t modify b varchar(300) character set utf8mb4", "insert into t (id, b) values (4, repeat('é', 300))"]),
    Case("more decimal digits", ["alter table t modify p decimal(20,2)", "insert into t (id, p) values (4, 123456789012345678.90)"]),
    Case("another character set", ["alter table t modify b varchar(10) character set latin1", "insert into t (id, b) values (4, 'é')",
                                             "alter table t convert to character set utf8mb4", "insert into t (id, b) values (5, 'é😀')"]),
    Case("enum labels", ["alter table t modify e enum('a','b','c')", "insert into t values (3, 'c')", "alter table t modify e enum('c','b','a')",
                         "insert into t values (4, 'c'), (5, 'a')"],
         before=["create table t (id int primary key, e enum('a','b'))", "insert into t values (1, 'a'), (2, 'b')"]),
    Case("for one statement", ["set statement lock_wait_timeout=5 for truncate table t", "insert into t (id, a) values (7, 7)",
                               "set statement lock_wait_timeout=5, max_statement_time=9 for alter table t rename column a to z", "insert into t (id, z) values (8, 8)"],
         servers="mariadb"),
    Case("rows that a new key does not allow", ["alter ignore table t add unique (a)", "insert into t (id, a) values (9, 9)"], servers="mariadb",
         before=["create table t (id int primary key, a int)", "insert into t values (1, 1), (2, 1), (3, 3)"]),
    Case("a shorter text", ["set sql_mode = ''", "alter table t modify b varchar(2)", "update t set a = 5 where id = 2"]),
    Case("add columns and nothing more", ["alter table t add n int default 7, add m varchar(9)", "alter table t add o int not null default -1 first"]),
    Case("add an unknown column and nothing more", ["alter table t add n datetime(6) default current_timestamp(6)"]),
    Case("rename and nothing more", ["alter table t rename column a to z", "alter table t change b y varchar(20)"]),
    Case("drop and nothing more", ["alter table t drop column a"]),
    Case("drop and add again and nothing more", ["alter table t drop column a", "alter table t add column a int default 5"]),
    Case("another type and nothing more", ["alter table t modify a bigint"]),
    Case("drop and create and nothing more", ["drop table t", "create table t (id int primary key, other date)"], options={"on_drop": "apply"}),
    Case("two tables and nothing more", ["create table u (id int primary key, x int)", "alter table u add y int default 1", "alter table t add n int default 2", "drop table u"],
         tables=("t",), options={"on_drop": "apply"}),
    Case("text to int", ["set sql_mode = ''", "alter table t modify b int", "insert into t (id, b) values (4, 4)"]),
    Case("less of a second", ["alter table t modify d datetime", "update t set d = null where id = 2"],
         before=["create table t (id int primary key, d datetime(6))", "insert into t values (1, '2026-01-01 10:00:00.987654'), (2, '2026-01-01 10:00:00.4')"]),
    Case("less of a second and nothing more", ["alter table t change d e datetime(1)"],
         before=["create table t (id int primary key, d datetime(6))", "insert into t values (1, '2026-01-01 10:00:00.987654')"]),
    Case("datetime to timestamp in a zone", ["set time_zone = '+05:00'", "alter table t modify d timestamp null", "set time_zone = '+00:00'"],
         before=["create table t (id int primary key, d datetime)", "insert into t values (1, '2026-01-01 10:00:00')"]),
    Case("not null", ["set sql_mode = ''", "alter table t modify a int not null", "insert into t (id, a) values (4, 4)"]),
    Case("fewer enum labels", ["set sql_mode = ''", "alter table t modify e enum('a','c')", "insert into t values (3, 'c')"],
         before=["create table t (id int primary key, e enum('a','b'))", "insert into t values (1, 'a'), (2, 'b')"]),
    Case("narrow, then wide again", ["set sql_mode = ''", "alter table t modify b varchar(2)", "alter table t modify b varchar(10)"]),
    Case("narrow, then wide again, with a row behind", ["set sql_mode = ''", "alter table t change a z tinyint, modify b text", "alter table t change z a int, modify b varchar(10)",
                                                        "insert into t (id) values (4)"],
         before=[TABLE, "insert into t values (1, 1000, 'one', 1.50), (2, null, null, null)"]),
    Case("less of a second and back", ["alter table t modify d datetime", "alter table t modify d datetime(6)"],
         before=["create table t (id int primary key, d datetime(6))", "insert into t values (1, '2026-01-01 10:00:00.987654')"]),
    Case("not null and back", ["set sql_mode = ''", "alter table t modify a int not null", "alter table t modify a int null"]),
    Case("another character set and back", ["set sql_mode = ''", "alter table t convert to character set latin1", "alter table t convert to character set utf8mb4"],
         before=[TABLE, "insert into t values (1, 1, 'é😀', 1)"]),
    Case("the table's own character set and back", ["set sql_mode = ''", "alter table t modify b varchar(10)", "alter table t modify b varchar(10) character set utf8mb4"],
         before=["create table t (id int primary key, b varchar(10) character set utf8mb4) character set latin1", "insert into t values (1, 'é😀')"]),
    Case("an added column narrow, then wide again", ["set sql_mode = ''", "alter table t add n int default 300", "alter table t modify n tinyint", "alter table t modify n int default 300",
                                                     "insert into t (id) values (4)"]),
    Case("computed and not any more", ["alter table t modify c int as (a * 3) stored", "alter table t modify c int"],
         before=["create table t (id int primary key, a int, c int)", "insert into t values (1, 10, 1)"], servers="mariadb"),
    Case("longer binary", ["alter table t modify c binary(5)"],
         before=["create table t (id int primary key, c binary(3))", "insert into t values (1, 'abc')"]),
    Case("another expression", ["alter table t modify c int as (a * 3) stored"],
         before=["create table t (id int primary key, a int, c int as (a * 2) stored)", "insert into t (id, a) values (1, 10)"]),
    Case("every row goes with its partition", ["alter table t truncate partition all"],
         before=["create table t (id int primary key) partition by hash (id) partitions 2", "insert into t values (1), (2)"]),
    Case("rows go with a dropped partition", ["alter table t drop partition p0"],
         before=["create table t (id int primary key) partition by range (id) (partition p0 values less than (10), partition p1 values less than maxvalue)", "insert into t values (1), (11)"]),
    Case("a partition is exchanged", ["alter table t exchange partition p0 with table {db}.u", "insert into u values (3)", "update t set id = 4 where id = 2"], tables=("t", "u"),
         before=["create table t (id int primary key) partition by range (id) (partition p0 values less than (10), partition p1 values less than maxvalue)", "insert into t values (1), (11)",
                 "create table u (id int primary key)", "insert into u values (2)"]),
    Case("a partition becomes a table, a table a partition", ["drop table w", "alter table t convert partition p0 to table w", "insert into w values (3)",
                                                              "alter table t convert table u to partition p2 values less than (30)", "insert into t values (22)"],
         before=["create table t (id int primary key) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20))", "insert into t values (1), (11)",
                 "create table u (id int primary key)", "insert into u values (21)", "create table w (id int primary key)", "insert into w values (99)"], servers="mariadb", tables=("t", "u", "w"), options={"on_drop": "apply"}),
    Case("index and comment only", ["alter table t add index (a), comment 'x'", "create index i2 on t (b)", "insert into t values (4, 4, 'x', 4)", "drop index i2 on t",
                                    "analyze table t", "optimize table t", "delete from t where id = 1"]),
    Case("index on an expression", ["alter table t add index ((a + 1))", "insert into t values (4, 4, 'x', 4)", "update t set a = 5 where id = 1", "delete from t where id = 2"],
         servers="mysql"),
    Case("truncate", ["truncate table t", "insert into t values (7, 7, 'seven', 7)"]),
    Case("truncate and nothing more", ["truncate t"]),
    Case("truncate written oddly", ["insert into t values (6, 6, 'x', 6)", "/* a */ TRUNCATE -- b\n `t`", "insert into t values (7, 7, 'seven', 7)", "truncate table `t`"]),
    Case("rename table", ["rename table t to u", "insert into u values (4, 4, 'four', 4)", "delete from u where id = 1"], tables=("t", "u")),
    Case("rename by alter", ["alter table t rename to u", "alter table u add column n int default 3", "insert into u (id) values (4)"], tables=("t", "u"), minimal=False),
    Case("swap tables", ["create table t2 like t", "insert into t2 values (1, 99, 'other', 9)", "alter table t2 add column n int default 5", "insert into t values (4, 4, 'lost', 4)",
                         "rename table t to t_old, t2 to t", "insert into t (id, a) values (5, 5)", "update t set a = 100 where id = 1"],
         tables=("t", "t2", "t_old")),
    Case("drop and create", ["drop table t", "create table t (id int primary key, other date)", "insert into t values (1, '2026-01-01')"], options={"on_drop": "apply"},
         minimal=False),
    Case("create", ["create table u (id int primary key, j json)", "insert into u values (1, '{\"a\": 1}')", "create table w like t", "insert into w select * from t"],
         tables=("t", "u", "w")),
    Case("create as select", ["create table u (primary key (id)) as select * from t", "insert into u (id) values (9)"], tables=("t", "u"), servers="mariadb"),
    Case("create or replace", ["create or replace table t (id int primary key, x double)", "insert into t values (1, 0.1)"], options={"on_drop": "apply"}, servers="mariadb",
         minimal=False),
    Case("a temporary table of the same name", ["create temporary table t (id int)", "insert into t values (99)", "truncate table t", "alter table t add column q int",
                                                "drop temporary table t", "insert into t values (4, 4, 'x', 4)"], options={"on_drop": "apply"}),
    Case("from another database", ["create database if not exists elsewhere", "use elsewhere", "create table t (id int primary key, a int)", "insert into t values (1, 1)",
                                   "truncate table t", "alter table {db}.t add column n int default 3", "insert into {db}.t (id) values (4)", "drop table t",
                                   "drop database elsewhere", "insert into {db}.t (id) values (5)"], options={"on_drop": "apply"}),
    Case("views and procedures", ["create view w as select * from t", "create procedure p() insert into t (id) values (8)", "call p()", "drop view w"]),
    Case("conditional comments and strange white space", ["/*!40000 ALTER TABLE `t` add\tcolumn\n`n` int /* no */ default 6 */", "insert into t (id) values (4)",
                                                          "ALTER\nTABLE t # c\n ADD m int", "insert into t (id, m) values (5, 5)"]),
]


@pytest.fixture(scope="module", params=[(MariaDB, "FULL"), (MySQL80, "FULL"), (MariaDB, "MINIMAL"), (MySQL80, "MINIMAL")], ids=lambda p: f"{p[0].__name__}-{p[1]}")
def server(request):
    kind, metadata = request.param
    if kind.unavailable():
        pytest.skip(kind.unavailable())
    with kind(binlog_row_metadata=metadata) as started:
        yield started


def bring_up(sluice):
    sluice.run("capture", "--until-current")
    sluice.run("load")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_the_lake_follows(server, case):
    minimal = server.variables["binlog_row_metadata"] == "MINIMAL"
    if server.engine not in case.servers or (minimal and not case.minimal):
        pytest.skip("not for this server")
    database = "ddl"
    server.sql(f"drop database if exists {database}; create database {database} character set utf8mb4")
    workload = Workload(server, database, only=())
    with workload.connect() as connection, Sluice(source=server.source_config(database, **case.options), tables=[
            {"schema": database, "table": t, "active": True, "primary_key": ["id"]}
            for t in case.tables]) as sluice:
        def execute(statements, after=lambda: None):
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement.format(db=database) if "{db}" in statement else statement)
                    cursor.fetchall()
                after()

        execute(case.before)
        bring_up(sluice)
        execute(case.steps, after=(lambda: sluice.run("capture", "--until-current")) if minimal else lambda: None)
        bring_up(sluice)
        workload.assert_lake_is_source(sluice)
