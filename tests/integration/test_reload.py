"""`capture --reload`: what the errors about a log that was lost tell the user to do, and it must be right afterwards."""

import shutil

import pytest

from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice, wait_until
from tests.harness.workload import Workload

DEFINITIONS = """
    create table kept (id int primary key, name varchar(20)); insert into kept values (1, 'one'), (2, 'two'), (3, 'three');
    create table emptied (id int primary key); insert into emptied values (1), (2);
    create table event (n int); insert into event values (1), (1);
"""
CHANGES = "update kept set name = 'TWO' where id = 2; insert into kept values (4, 'four'); insert into event values (2)"
LOST = "delete from kept where id = 1; delete from emptied; insert into event values (3); alter table kept add column more int default 7"
AFTER = "update kept set name = 'THREE' where id = 3; insert into event values (4)"


@pytest.fixture(scope="module", params=[MariaDB, MySQL80], ids=lambda server: server.__name__)
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


@pytest.fixture
def workload(server):
    server.sql(f"drop database if exists r; create database r character set utf8mb4; use r; {DEFINITIONS}")
    return Workload(server, "r", only=())


def driver(server):
    return Sluice(source=server.source_config("r"), raw={"max_file_size": "1KB"}, tables=[
        {"name": f"r.{name}", "active": True} for name in ("kept", "emptied", "event")])


def replicate(sluice, *flags):
    sluice.run("capture", "--until-current", *flags)
    sluice.run("load")


def lose_the_log(server, sluice):
    replicate(sluice)
    server.sql(CHANGES, "r")
    replicate(sluice)
    server.sql(f"{LOST}; flush logs", "r")
    newest = server.sql("show binary logs")[-1][0]
    # MariaDB keeps what a replica read a moment ago.
    wait_until(lambda: server.sql(f"purge binary logs to '{newest}'; show binary logs")[0][0] == newest, "the log is purged")
    failed = sluice.run("capture", "--until-current", ok=(4,))
    assert "sluice capture --reload" in failed.stderr
    server.sql(AFTER, "r")


def test_after_a_purged_log(server, workload):
    with driver(server) as sluice:
        lose_the_log(server, sluice)
        replicate(sluice, "--reload")
        workload.assert_lake_is_source(sluice)
        server.sql("delete from kept where id = 4; insert into event values (5)", "r")
        replicate(sluice)
        workload.assert_lake_is_source(sluice)


@pytest.mark.parametrize("point", ["full_load.started", "full_load.snapshot_taken", "full_load.table_committed:1", "full_load.table_committed:3"])
def test_killed_while_loading_again(server, workload, point):
    with driver(server) as sluice:
        lose_the_log(server, sluice)
        sluice.run("capture", "--until-current", "--reload", fault=point)
        if sluice.run("capture", "--until-current", ok=(0, 4)).returncode == 4:  # nothing of it was done yet: the error says what to do
            sluice.run("capture", "--until-current", "--reload")
        sluice.run("load")
        workload.assert_lake_is_source(sluice)


def test_one_table(server, workload):
    with driver(server) as sluice:
        replicate(sluice)
        server.sql(CHANGES, "r")
        done = sluice.run("capture", "--until-current", "--reload", "--schema", "r", "--table", "kept")
        assert "full load of r.kept: 4 rows" in done.stderr and "full load of r.event" not in done.stderr
        sluice.run("load")
        workload.assert_lake_is_source(sluice)
        failed = sluice.run("capture", "--reload", "--schema", "r", "--table", "nosuch", ok=(2,))
        assert "r.nosuch" in failed.stderr


@pytest.mark.parametrize("flags", [["--reload", "--cdc-only"], ["--table", "kept"], ["--reload", "--table", "kept"]])
def test_flags_that_do_not_go_together(flags, server):
    with driver(server) as sluice:
        assert "--" in sluice.run("capture", *flags, ok=(2,)).stderr


def test_raw_files_that_the_state_does_not_know(server, workload):
    """Another task's, those of AWS DMS, or this task's before its state was lost: none is touched, however often it starts."""
    with driver(server) as sluice:
        replicate(sluice)
        server.sql(CHANGES, "r")
        replicate(sluice)
        (sluice.folder / "state.db").unlink()
        before = {path: path.read_bytes() for path in sluice.raw.rglob("*") if path.is_file()}
        for flags, code in (([], 2), ([], 2), (["--cdc-only"], 0), (["--cdc-only"], 2), ([], 2)):  # the first without full loads finds nothing in the log yet
            error = sluice.run("capture", "--until-current", *flags, ok=(code,)).stderr
            assert code == 0 or ("of r.e" in error and "raw.location" in error)
            assert {path: path.read_bytes() for path in sluice.raw.rglob("*") if path.is_file()} == before
            server.sql("insert into event values (5)", "r")
        sluice.raw.rename(sluice.folder / "old")
        shutil.rmtree(sluice.lake)
        replicate(sluice)
        workload.assert_lake_is_source(sluice)


def test_killed_at_the_first_files_without_full_loads(server, workload):
    """What it published is this task's own, and written again."""
    with driver(server) as sluice:
        sluice.run("capture", "--cdc-only", "--until-current")
        server.sql("insert into event values (7)", "r")
        sluice.run("capture", "--cdc-only", "--until-current", fault="capture.files_durable", ok=())
        assert len(list(sluice.raw.rglob("*.csv"))) == 1
        sluice.run("capture", "--cdc-only", "--until-current")
        assert [path.read_text() for path in sluice.raw.rglob("*.csv")] == ["Op,n\nI,7\n"]


def test_foreign_keys_whose_changes_are_not_in_the_log(server, workload):
    server.sql("create table child (id int primary key, k int, foreign key (k) references kept (id) on delete cascade)", "r")
    with driver(server) as sluice:
        for _ in range(2):
            log = sluice.run("capture", "--until-current").stderr
            assert log.count("foreign key") == log.count("table r.child has a foreign key") == 1
