"""The lake's key is the controller's PrimaryKey, which need not be the source's: an update that changes it is a delete of the
old row and an insert of the new one all the same."""

import re

import pytest

from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice, wait_until
from tests.harness.workload import Workload


@pytest.fixture(scope="module")
def mariadb():
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="module")
def minimal():
    with MariaDB(binlog_row_image="MINIMAL") as server:
        yield server


def create(server, definitions):
    server.sql(f"drop database if exists k; create database k character set utf8mb4; use k; {definitions}")
    return Workload(server, "k", only=())


def driver(server, *tables, **config):
    return Sluice(source=server.source_config("k"), tables=[{"schema": "k", "active": True, **t} for t in tables], **config)


def replicate(sluice):
    sluice.run("capture", "--until-current")
    sluice.run("load")


def test_a_key_that_only_the_config_names(mariadb):
    workload = create(mariadb, "create table item (code varchar(10), n int); insert into item values ('a', 1), ('b', 2), ('c', 3)")
    with driver(mariadb, {"table": "item", "primary_key": ["code"]}) as sluice:
        replicate(sluice)
        mariadb.sql("update item set code = 'z' where code = 'a'; update item set n = 20 where code = 'b'; "
                    "begin; update item set code = 'y' where code = 'c'; savepoint s; update item set code = 'x' where code = 'y'; "
                    "rollback to s; commit", "k")
        replicate(sluice)
        workload.assert_lake_is_source(sluice)
        assert [row["Op"] for row in sluice.query("select Op from k.item order by code")] == ["U", "I", "I"]


def test_another_primary_key_at_the_source(mariadb):
    workload = create(mariadb, "create table moved (id int primary key, other int not null); insert into moved values (1, 10), (2, 20), (3, 30)")
    with driver(mariadb, {"table": "moved"}) as sluice:
        replicate(sluice)
        assert sluice.query("select count(*) as n from k.moved") == [{"n": 3}]
        mariadb.sql("alter table moved drop primary key, add primary key (other); update moved set id = 7 where other = 20; "
                    "update moved set other = 31 where id = 3; update moved set id = 8, other = 11 where id = 1", "k")
        replicate(sluice)
        workload.assert_lake_is_source(sluice)


@pytest.mark.parametrize("change, key", [("drop primary key, modify id int not null", "null"),
                                         ("drop primary key, add primary key (id, v)", "id,v")])
def test_a_key_of_the_source_that_tells_its_rows_apart_no_more(mariadb, change, key):
    create(mariadb, "create table wide (id int primary key, v int not null); insert into wide values (1, 10), (2, 20)")
    with driver(mariadb, {"table": "wide"}) as sluice:
        replicate(sluice)
        mariadb.sql(f"alter table wide {change}; insert into wide values (1, 11)", "k")
        sluice.run("capture", "--until-current")
        done = sluice.run("load", ok=(3,))
        set_key, reload = re.search(r"sluice (tables set .* --primary-key \S+), .*sluice (capture --reload .*)", done.stderr).groups()
        assert set_key.split()[-1] == key
        assert sluice.query("select count(*) as n from k.wide") == [{"n": 2}]
        sluice.run(*set_key.split())
        sluice.run(*reload.split(), "--until-current")
        sluice.run("load")
        assert sorted((r["id"], r["v"]) for r in sluice.query("select id, v from k.wide")) == [(1, 10), (1, 11), (2, 20)]


def test_a_key_that_the_source_does_not_have_is_shown(mariadb):
    create(mariadb, "create table loose (id int primary key, v int not null); insert into loose values (1, 10), (2, 20)")
    with driver(mariadb, {"table": "loose"}) as sluice:
        replicate(sluice)
        mariadb.sql("alter table loose drop primary key; insert into loose values (1, 11)", "k")
        sluice.run("capture", "--until-current")
        sluice.run("load", ok=(3,))
        sluice.run("tables", "set", "--schema", "k", "--table", "loose", "--primary-key", "id")  # chosen all the same
        assert "PrimaryKey is id, and the source's own is none" in sluice.run("load").stderr
        assert "by the key id, the source's is none" in sluice.run("status").stdout
        assert [t["load"]["key_differs"] for t in sluice.status()["tables"]] == [True]


def test_texts_that_need_quotes_are_refused_without_them(mariadb):
    create(mariadb, "create table plain (id int primary key, v varchar(20)); insert into plain values (1, 'a\"b'), (2, null);"
                    "create table words (id int primary key, v varchar(20)); insert into words values (1, 'x')")
    bad = {"NULL": "word", "": "empty", "UNCHANGED": "unchanged", "a,b": "delimiter", "a\nb": "line"}
    for name, value in ((name, value) for value, name in bad.items()):
        mariadb.sql(f"create table full_{name} (id int primary key, v varchar(20)); insert into full_{name} values (1, '{value}')", "k")
    with driver(mariadb, {"table": "plain"}, {"table": "words"}, raw={"rfc4180": False}) as sluice:
        assert re.search(r"WARN  raw.rfc4180: false.*\n +mend: rfc4180: true", sluice.run("check").stdout)
        stopped = sluice.run("capture", "--until-current").stderr
        for name in bad.values():
            assert re.search(rf'k.full_{name} .*column "v".*rfc4180: true', stopped), stopped
        mariadb.sql("insert into plain values (3, 'c'); insert into words values (2, 'NULL')", "k")
        stopped = sluice.run("capture", "--until-current").stderr
        assert re.search(r'k.words .*column "v".*rfc4180: true', stopped), stopped
        sluice.run("load")
        assert [(r["id"], r["v"]) for r in sluice.query("select id, v from k.plain order by id")] == [(1, 'a"b'), (2, None), (3, "c")]


def test_a_key_that_is_set_after_changes_were_captured(mariadb):
    """What was captured before does not tell which rows the new key moved: the table is loaded in full again."""
    workload = create(mariadb, "create table late (id int primary key, code varchar(10)); insert into late values (1, 'a'), (2, 'b')")
    with driver(mariadb, {"table": "late", "active": False}) as sluice:
        sluice.run("capture", "--until-current")
        mariadb.sql("update late set code = 'z' where id = 1", "k")
        replicate(sluice)
        sluice.run("tables", "set", "--schema", "k", "--table", "late", "--primary-key", "code", "--active", "true")
        mariadb.sql("update late set code = 'y' where id = 2", "k")
        replicate(sluice)
        workload.assert_lake_is_source(sluice)
        mariadb.sql("update late set code = 'x' where id = 2", "k")
        done = sluice.run("capture", "--until-current")
        assert "in full" not in done.stderr
        sluice.run("load")
        workload.assert_lake_is_source(sluice)


def test_a_running_capture_sees_the_key(mariadb):
    workload = create(mariadb, "create table live (id int primary key, code varchar(10)); create table marker (n int); insert into live values (1, 'a'), (2, 'b')")
    with driver(mariadb, {"table": "live", "active": False}, {"table": "marker"}, raw={"cdc_max_batch_interval": "100ms"}) as sluice:
        process = sluice.start("capture")
        for statement in ("select 1", "update live set code = 'z' where id = 1"):  # behind the full load
            mariadb.sql(statement, "k")
            workload.mark(sluice, process)
        sluice.run("load")
        sluice.run("tables", "set", "--schema", "k", "--table", "live", "--primary-key", "code", "--active", "true")
        log = sluice.log_of(["capture"])
        wait_until(lambda: "k.live is loaded in full again" in log.read_text(), "capture knows the key", process=process)
        mariadb.sql("update live set code = 'y' where id = 2; update live set code = 'x' where id = 1", "k")
        workload.mark(sluice, process)
        sluice.run("load")
        workload.assert_lake_is_source(sluice)
        assert sluice.stop(process) == 0


def test_a_key_that_the_log_leaves_out(minimal):
    create(minimal, "create table part (id int primary key, code varchar(10), n int); insert into part values (1, 'a', 1), (2, 'b', 2)")
    with driver(minimal, {"table": "part", "primary_key": ["code"]}) as sluice:
        replicate(sluice)
        minimal.sql("update part set code = 'z' where id = 1", "k")
        sluice.run("capture", "--until-current")
        (part,) = (t["capture"]["stopped"] for t in sluice.status()["tables"] if t["table"] == "part")
        assert "SET GLOBAL binlog_row_image = FULL" in part


@pytest.mark.parametrize("kind", [MariaDB, MySQL80])
def test_dates_in_a_key_that_are_none(kind):
    """They would all be NULL, and their rows one row: the table stops, before the lake loses any. Other dates may be none."""
    if kind.unavailable():
        pytest.skip(kind.unavailable())
    with kind() as server:
        zero = "set sql_mode = 'ALLOW_INVALID_DATES'; "
        workload = create(server, zero + "create table early (d date primary key, n int); create table late (t datetime, id int, n int, primary key (t, id));"
                          "create table fine (id int primary key, d date not null, k timestamp not null default '0000-00-00 00:00:00'); create table named (d date primary key, n int not null);"
                          "insert into early values ('0000-00-00', 1), ('2020-00-10', 2); insert into late values ('2020-01-01', 1, 1);"
                          "insert into fine values (1, '2020-00-10', '0000-00-00 00:00:00'); insert into named values ('0000-00-00', 1), ('2020-00-10', 2)")
        with driver(server, {"table": "early"}, {"table": "late"}, {"table": "fine"}, {"table": "named", "primary_key": ["n"]}) as sluice:
            def stopped():
                return {t["table"]: t["capture"]["stopped"] for t in sluice.status()["tables"] if t["capture"].get("stopped")}

            sluice.run("capture", "--until-current")
            assert list(stopped()) == ["early"]
            assert "key column d" in stopped()["early"] and "primary_key" in stopped()["early"]
            server.sql(zero + "insert into late values ('2021-02-30', 1, 2); insert into late values ('2022-01-01', 1, 3); update fine set d = '0000-00-00'; update named set d = '2021-02-30' where n = 2", "k")
            sluice.run("capture", "--until-current")
            assert set(stopped()) == {"early", "late"} and "k.late" in stopped()["late"]
            server.sql(zero + "delete from late where month(t) = 2; delete from early where month(d) = 0", "k")
            server.sql("insert into early values ('2020-01-10', 3)", "k")
            replicate(sluice)
            assert stopped() == {}
            assert sluice.query("select count(*) as n from k.late") == [{"n": 2}]
            assert sluice.query("select count(*) as n from k.named") == [{"n": 2}]
            assert sluice.query("select n from k.early") == [{"n": 3}]
