"""`sluice run`: capture and load in one process, while the source comes and goes."""

import json

import pytest

from tests.harness.servers import MariaDB
from tests.harness.sluice import Sluice, wait_until

CONFIG, OUTSIDE = 2, 4


@pytest.fixture(scope="module")
def server():
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB() as started:
        yield started


@pytest.fixture
def table(server):
    server.sql("drop database if exists shop; create database shop; create table shop.t (id int primary key, name varchar(20)); "
               "insert into shop.t values (1, 'one'), (2, 'two')")
    return {"name": "shop.t", "active": True}


def driver(server, table, load="continuous", **source):
    return Sluice(source=server.source_config("shop", heartbeat_interval="500ms", **source), tables=[table],
                  raw={"cdc_max_batch_interval": "100ms"}, schedule={"load": load})


def rows(sluice):
    done = sluice.run("query", "--format", "jsonl", "select count(*) as n from shop.t", ok=None)
    return int(done.stdout.split(":")[1].strip(" }\n")) if done.returncode == 0 else None


def wait_for_rows(sluice, process, count):
    wait_until(lambda: rows(sluice) == count, f"the lake has {count} rows", process=process)


@pytest.mark.parametrize("load", ["continuous", "every 1s"])
def test_changes_arrive_by_themselves(server, table, load):
    with driver(server, table, load) as sluice:
        process = sluice.start("run")
        wait_for_rows(sluice, process, 2)
        # Two transactions: the count tells of the second.
        server.sql("update shop.t set name = 'TWO' where id = 2; insert into shop.t values (3, 'three')")
        wait_for_rows(sluice, process, 3)
        assert sluice.stop(process) == 0
        assert sluice.query("select id, name from shop.t order by id") == [
            {"id": 1, "name": "one"}, {"id": 2, "name": "TWO"}, {"id": 3, "name": "three"}]


def test_the_source_goes_away_and_comes_back(server, table):
    with driver(server, table) as sluice:
        server.stop()
        process = sluice.start("run")
        log = sluice.log_of(["run"])
        wait_until(lambda: "next attempt" in log.read_text(), "it has tried to connect", process=process)
        server.start()
        wait_for_rows(sluice, process, 2)
        server.restart()
        server.sql("insert into shop.t values (3, 'three')")
        wait_for_rows(sluice, process, 3)
        assert sluice.stop(process) == 0


def test_one_process_captures_a_task(server, table):
    """The second is told so at once; a first one that died leaves nothing in the way of the next."""
    with driver(server, table) as sluice:
        first, log = sluice.start("capture"), sluice.log_of(["capture"])
        wait_until(lambda: "following the log" in log.read_text(), "the first captures", process=first)
        refused = sluice.run("capture", "--until-current", ok=(OUTSIDE,)).stderr
        assert len([line for line in refused.splitlines() if " ERROR " in line and "another process" in line]) == 1, refused
        assert first.poll() is None and sluice.status()["capture"]["state"] == "running"
        sluice.kill(first)
        server.sql("insert into shop.t values (3, 'three')")
        sluice.run("capture", "--until-current")
        sluice.run("load")
        assert rows(sluice) == 3


def test_status_while_it_runs(server, table):
    with driver(server, table) as sluice:
        process = sluice.start("run")
        wait_for_rows(sluice, process, 2)
        server.sql("insert into shop.t values (3, 'three'); delete from shop.t where id = 1")
        wait_until(lambda: sluice.status()["tables"][0]["capture"]["deletes"] == 1, "the delete is captured", process=process)
        status = sluice.status()
        (shown,) = status["tables"]
        assert status["capture"]["state"] == "running" and status["capture"]["position"]
        assert 0 <= status["capture"]["lag_seconds"] < 60
        assert (shown["capture"]["full_load"], shown["capture"]["rows_full_load"], shown["capture"]["inserts"]) == ("done", 2, 1)
        assert shown["waiting_for"] is None and shown["load"]["proposed_key"] == "id" and shown["load"]["primary_key"] == "id"
        assert "shop.t" in sluice.run("status").stdout
        assert sluice.stop(process) == 0
        assert sluice.status()["capture"]["state"] == "stopped"


def test_set_knows_the_columns_of_a_captured_table(server, table):
    with driver(server, {"name": "shop.t"}) as sluice:
        sluice.run("capture", "--until-current")
        done = sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--primary-key", "nmae", ok=(CONFIG,))
        assert 'no column "nmae"; did you mean "name"?' in done.stderr
        assert " id " in sluice.run("tables", "list").stdout  # the proposed key


def test_a_wrong_password_ends_it(server, table):
    with driver(server, table, password="wrong") as sluice:
        done = sluice.run("run", ok=(CONFIG,))
        errors = [line for line in done.stderr.splitlines() if " ERROR " in line]
        assert len(errors) == 1 and "password" in errors[0], done.stderr


# --- what a captured table proposes, and dated folders ---


def test_activating_confirms_the_proposed_key(server, table):
    server.sql("create table shop.keyed (a int, b int, c int, primary key (b, a)); create table shop.bare (a int)")
    with Sluice(source=server.source_config("shop")) as sluice:
        sluice.run("capture", "--full-load-only")
        for name in ("keyed", "bare"):
            sluice.run("tables", "set", "--schema", "shop", "--table", name, "--active", "true")
        sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--active", "true", "--primary-key", "null")
        keys = {row["table"]: row["PrimaryKey"] for row in json.loads(sluice.run("tables", "list", "--format", "json").stdout)}
        assert keys == {"keyed": "b,a", "bare": "null", "t": "null"} or keys == {"keyed": "b,a", "bare": None, "t": None}


def test_a_key_that_is_not_the_sources_is_said_once(server, table):
    server.sql("alter table shop.t add code int not null default 0; update shop.t set code = id * 10")
    table = {**table, "primary_key": ["code"]}
    with driver(server, table) as sluice:
        process = sluice.start("run")
        wait_for_rows(sluice, process, 2)
        server.sql("insert into shop.t values (3, 'three', 30)")
        wait_for_rows(sluice, process, 3)
        assert sluice.stop(process) == 0
        assert sluice.log_of(["run"]).read_text().count("shop.t: PrimaryKey is code, and the source's own is id") == 1
        assert sluice.status()["tables"][0]["load"]["key_differs"] is True
        assert "by the key code, the source's is id" in sluice.run("status").stdout
        server.sql("alter table shop.t drop primary key, add primary key (code); insert into shop.t values (4, 'four', 40)")
        sluice.run("capture", "--until-current")
        sluice.run("load")
        load = sluice.status()["tables"][0]["load"]
        assert (load["key_differs"], load["proposed_key"]) == (False, "code")


def test_a_table_that_is_empty_is_a_table(server, table):
    """DMS writes no file for it, and it has a row, and a lake table, all the same."""
    server.sql("create table shop.empty (id int primary key, price decimal(6,2), name varchar(20))")
    with Sluice(source=server.source_config("shop")) as sluice:
        sluice.run("capture", "--until-current")
        assert not (sluice.raw / "shop" / "empty").exists()
        assert "waits for activation" in next(line for line in sluice.run("tables", "list").stdout.splitlines() if "/empty/" in line)
        assert next(t for t in sluice.status()["tables"] if t["table"] == "empty")["waiting_for"] == "activation"
        assert "2 waiting" in sluice.run("load").stdout
        sluice.run("tables", "set", "--schema", "shop", "--table", "empty", "--active", "true")
        assert "1 loaded, 0 failed, 1 waiting" in sluice.run("load").stdout
        assert "0 loaded, 0 failed, 1 waiting, 1 with nothing" in sluice.run("load").stdout
        assert sluice.query("select * from shop.empty") == []
        assert [r["column_name"] for r in sluice.query("describe shop.empty")] == ["Op", "id", "price", "name"]
        server.sql("insert into shop.empty values (1, 2.50, 'one')")
        sluice.run("capture", "--until-current")
        sluice.run("load")
        assert sluice.query("select * from shop.empty") == [{"Op": "I", "id": 1, "price": "2.50", "name": "one"}]


def test_change_files_in_folders_by_date(server, table):
    with Sluice(source=server.source_config("shop"), tables=[table], raw={"date_partition_enabled": True}) as sluice:
        sluice.run("capture", "--full-load-only")
        server.sql("insert into shop.t values (3, 'three')")
        sluice.run("capture", "--until-current")
        server.sql("update shop.t set name = 'TWO' where id = 2")
        sluice.run("capture", "--until-current")
        dated = [path.relative_to(sluice.raw / "shop" / "t") for path in sluice.raw.rglob("2*-*.csv")]
        assert len(dated) == 2
        assert all("".join(path.parts[:3]) == path.name[:8] for path in dated)
        sluice.run("load")
        assert sluice.query("select name from shop.t order by id") == [{"name": "one"}, {"name": "TWO"}, {"name": "three"}]
