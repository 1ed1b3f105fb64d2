"""The lake is what PostgreSQL is: two writers change tables of all types while capture and load run; at the end every lake
table equals the source's SELECT, row by row.

SLUICE_REPLICATION_TRANSACTIONS sets how long the writers write, SLUICE_REPLICATION_SEED what.
"""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.harness.postgres_workload import PostgresWorkload
from tests.harness.servers import ROOT, PostgreSQL15, PostgreSQL18
from tests.harness.sluice import Sluice, wait_until

TRANSACTIONS = int(os.environ.get("SLUICE_REPLICATION_TRANSACTIONS", 200))
SEED = int(os.environ.get("SLUICE_REPLICATION_SEED", 11))
PUBLICATION = "sluice_test"


@dataclass
class Case:
    name: str
    server: type
    options: dict = field(default_factory=dict)  # of the server
    raw: dict = field(default_factory=dict)
    transactions: int = TRANSACTIONS
    one_process: bool = False  # `sluice run`, else capture and load on their own
    bulk: int = 1
    kills: int = 0


CASES = [
    Case("15", PostgreSQL15, one_process=True),
    Case("18", PostgreSQL18, {"wal_sender_timeout": "2s"}, {"max_file_size": "64KB"}, kills=3),
]


@pytest.fixture(scope="module")
def postgres():
    with PostgreSQL15() as server:
        yield server


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_the_lake_equals_the_source(case):
    reason = case.server.unavailable()
    if reason:
        pytest.skip(reason)
    with case.server(**case.options) as server:
        workload = PostgresWorkload(server, seed=SEED)
        workload.create(PUBLICATION)
        config = {"source": server.source_config("shop"), "raw": {"cdc_max_batch_interval": "300ms", **case.raw},
                  "tables": workload.lake_tables(), "memory_limit": "256MB", "schedule": {"load": "continuous"}}
        with Sluice(**config) as sluice:
            replicate(workload, sluice, case)
            workload.assert_lake_is_source(sluice)
            assert_status(sluice)
            assert_confirmed(workload, sluice)


def replicate(workload, sluice, case):
    """Captures and loads while the writers write, then to the end."""
    process = sluice.start("run" if case.one_process else "capture")
    early = workload.start(case.transactions // 4, seed=SEED + 500)  # into the full load
    writers = [early]
    try:
        workload.mark(sluice, process)  # in the full load or behind it
        workload.mark(sluice, process)  # behind it
        early.join()
        writers = [workload.start(case.transactions, bulk=case.bulk), workload.start(case.transactions // 2, seed=SEED + 1000, calm=True)]
        kills = case.kills
        while any(writer.is_alive() for writer in writers):
            if not case.one_process:
                sluice.run("load")
            writers[0].join(0.1)
            if kills:
                kills -= 1
                sluice.kill(process)
                process = sluice.start("capture")
    finally:
        for writer in writers:
            writer.stop()
    workload.mark(sluice, process)
    assert sluice.stop(process) == 0
    workload.settle()
    sluice.run("capture", "--until-current")
    sluice.run("load")


DEFINITIONS = """
    create table product (id int primary key, name varchar(40), big text);
    alter table product alter big set storage external;
    create table emptied (id int primary key, name varchar(20));
    create table emptied_too (id int primary key);
    create table evolving (id int primary key, a int);
    insert into product select i, 'row ' || i, repeat('x', 3000) from generate_series(1, 9) i;
    insert into emptied values (1, 'old');
"""
# Each is what the source does before the next capture; {n} is its number.
STAGE = """
    begin; insert into product values (100 + {n}, 'new', repeat('y', 3000)); update product set name = 'upd {n}' where id < 5; delete from product where id = 100 + {n} - 2; commit;
    begin; insert into emptied values (500 + {n}, 'moot'); truncate emptied, emptied_too; insert into emptied values (600 + {n}, 'after'); insert into emptied_too values ({n}); commit;
    begin; insert into product values (999, 'never', ''); truncate emptied; rollback;
    update product set id = id + 10000 where id = (select max(id) from product where id < 10000); update product set name = name || '!' where id > 10000;
    alter table evolving add column c{n} int default {n}; insert into evolving values ({n}, {n});
    create table later_{n} (id int primary key, w text); insert into later_{n} values (1, 'a'), (2, 'b')
"""


def points_of(*patterns):
    texts = (path.read_text() for pattern in patterns for path in (ROOT / "src/task").glob(pattern))
    return sorted({name for text in texts for name in re.findall(r'fault_point\(\s*"([^"]+)"', text)})


def test_killed_at_each_fault_point(postgres):
    """kill -9 there, the first and the second time; then the source's rows, nothing lost and nothing twice."""
    points = points_of("capture*.c", "full_load*.c")
    assert {"capture.files_durable", "capture.committed", "capture.truncate_written"} <= set(points)
    postgres.database("shop", PUBLICATION)
    postgres.sql(DEFINITIONS, "shop")
    keys = ["product", "emptied", "emptied_too", "evolving", *(f"later_{n}" for n in range(2 * len(points)))]
    tables = [{"schema": "public", "table": name, "active": True, "primary_key": ["id"]} for name in keys]
    with Sluice(source=postgres.source_config("shop"), raw={"cdc_max_batch_interval": "100ms", "max_file_size": "1KB"}, tables=tables) as sluice:
        sluice.run("capture", "--until-current")
        killed = []
        for n, (point, time) in enumerate((p, t) for p in points for t in (1, 2)):
            for statement in STAGE.format(n=n).split("\n"):
                postgres.sql(statement, "shop")
            done = sluice.run("capture", "--until-current", fault=f"{point}:{time}")
            if done.returncode != 0:
                killed.append(point)
                sluice.run("capture", "--until-current")
        sluice.run("load")
        PostgresWorkload(postgres).assert_lake_is_source(sluice)
    assert set(killed) == set(points), "not passed"


def assert_status(sluice):
    status = sluice.status()
    assert status["capture"]["warnings"]["infinity and NaN as NULL"] > 0, status["capture"]
    stopped = {t["table"]: t["capture"]["stopped"] for t in status["tables"] if t.get("capture") and t["capture"].get("stopped")}
    assert not stopped


def assert_confirmed(workload, sluice):
    """The server keeps nothing of its log that is in the raw zone."""
    position = json.loads(sluice.status()["capture"]["position"])["lsn"]
    (confirmed,), = workload.server.sql("select confirmed_flush_lsn::text from pg_replication_slots")
    assert confirmed == position


def test_a_commit_that_waits_for_a_standby(postgres):
    """It is in the log before it is visible: the large value that the log leaves out is asked for when it is."""
    postgres.database("shop", PUBLICATION)
    postgres.sql("create table moved (id int primary key, big text); alter table moved alter big set storage external;"
                 "insert into moved values (1, repeat('x', 3000))", "shop")
    tables = [{"schema": "public", "table": "moved", "active": True, "primary_key": ["id"]}]
    with Sluice(source=postgres.source_config("shop"), raw={"cdc_max_batch_interval": "100ms"}, tables=tables) as sluice:
        sluice.run("capture", "--until-current")
        process = sluice.start("capture")
        set_standbys(postgres, "nobody")
        with ThreadPoolExecutor() as pool:
            commit = pool.submit(postgres.sql, "update moved set id = 2", "shop")
            wait_until(lambda: postgres.sql("select 1 from pg_stat_activity where wait_event = 'SyncRep'"), "the commit waits")
            wait_until(lambda: postgres.sql("select 1 from pg_stat_activity where usename = 'sluice' and query like '%current_snapshot%'"), "capture asks", process=process)
            assert not commit.done()
            set_standbys(postgres, "")
            commit.result()
        wait_until(lambda: sluice.run("load") and [int(row["id"]) for row in sluice.query("select id from public.moved")] == [2], "it is loaded", process=process)
        assert sluice.stop(process) == 0
        PostgresWorkload(postgres).assert_lake_is_source(sluice)


def set_standbys(server, names):
    server.sql(f"alter system set synchronous_standby_names = '{names}'")
    server.sql("select pg_reload_conf()")
    wait_until(lambda: server.sql("show synchronous_standby_names") == [(names,)], "the server has read its settings")


# Each is done, then a row is written that shows it; True: only a full load tells what became of the rows.
UNTOLD = [
    ("insert into plain values (4, 4)", False),
    ("alter table plain alter v type int using v * 2", True),
    ("alter table plain add u uuid default gen_random_uuid(); alter table plain alter u drop default", True),
    ("alter table plain add n int", False),
    ("vacuum full plain", False),
    ("alter table plain add d int default 5", False),
    ("alter table plain alter v set default 3", False),
    ("truncate plain", False),
    ("truncate plain", False),
    ("create table split_2 partition of split for values from (200) to (300)", False),
    ("create table split_3 (like split); insert into split_3 values (301, 1); alter table split attach partition split_3 for values from (300) to (400)", True),
    ("begin; create table split_4 (like split); alter table split attach partition split_4 for values from (400) to (500); insert into split values (401, 1); commit", False),
    ("create table split_5 (like split)", False),
    ("alter table split attach partition split_5 for values from (500) to (600); insert into split values (501, 5)", False),
    ("alter table split detach partition split_3", True),
    ("drop table split_2", True),
    ("alter table split alter v type int using v * 2", True),
    ("vacuum full split", False),
]


def test_what_the_log_does_not_tell(postgres):
    """Rows that are rewritten with other values, and those that come and go with partitions; and what looks like it."""
    postgres.database("shop", PUBLICATION)
    postgres.sql("create table plain (id int primary key, v int); insert into plain select i, i from generate_series(1, 3) i;"
                 "create table split (id int primary key, v int) partition by range (id); create table split_1 partition of split for values from (0) to (200);"
                 "insert into split select i, i from generate_series(1, 3) i", "shop")
    tables = [{"schema": "public", "table": name, "active": True, "primary_key": ["id"]} for name in ("plain", "split", "split_3", "split_5")]
    with Sluice(source=postgres.source_config("shop"), tables=tables) as sluice:
        sluice.run("capture", "--until-current")
        for n, (statement, untold) in enumerate(UNTOLD):
            for single in ([statement] if statement.startswith("begin") else statement.split(";")):
                postgres.sql(single, "shop")
            table = "split" if "split" in statement else "plain"
            postgres.sql(f"insert into {table} (id, v) values ({100 + n}, 1)", "shop")
            log = sluice.run("capture", "--until-current").stderr
            assert (f"full load of public.{table}:" in log) == untold, f"{statement}\n{log}"
        sluice.run("load")
        PostgresWorkload(postgres).assert_lake_is_source(sluice)
