"""Killed at each named fault point, again and again, replication ends with the source's rows: nothing lost, nothing twice.

The points are those that the sources name: a new one is tested from the day it is written.
"""

import re
import signal

import pytest

from tests.crash.scenario import STAGES, create, driver
from tests.harness.servers import ROOT, MariaDB, MySQL80
from tests.harness.sluice import wait_until

PARQUET_WITH_OP = {"data_format": "parquet", "include_op_for_full_load": True}
KILLS = 2  # per command: where the point is passed for the first time, and for the second time


def points_of(*patterns):
    texts = (path.read_text() for pattern in patterns for path in (ROOT / "src").glob(pattern))
    return sorted({name for text in texts for name in re.findall(r'fault_point\(\s*"([^"]+)"', text)})


# What maintenance passes is for test_maintain.py.
POINTS = [p for p in points_of("**/*.c") if not p.startswith(("lake.", "maintain.")) or (p in points_of("lake/iceberg/*.c") and not p.startswith("maintain."))]
ICEBERG_POINTS = [p for p in points_of("lake/iceberg/*.c", "task/load*.c") if not p.startswith("maintain.")]
PARQUET_POINTS = points_of("lake/*.c", "task/load*.c")  # a load's bookkeeping follows what the format says of its commit
EXPECTED = {"capture.file_published", "capture.files_durable", "capture.committed", "capture.truncate_written"}
# Points that are passed only after a crash at another one.
BEFORE = {"lake.cleaned": "lake.staged"}
# Only on file systems without files that have no name (O_TMPFILE).
ELSEWHERE = {"publish.hidden"}
POINTS = [p for p in POINTS if p not in ELSEWHERE]


@pytest.fixture(scope="module")
def mariadb():
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="module")
def mysql():
    if MySQL80.unavailable():
        pytest.skip(MySQL80.unavailable())
    with MySQL80() as server:
        yield server


def run_killed(sluice, point, how, *args):
    """Runs until it passes, killed at the point the first KILLS times. Returns how often it was."""
    kills = 0
    for n in range(1, KILLS + 1):
        done = sluice.run(*args, fault=f"{point}:{n}{how}", ok=(0,) if not how else (0, 3, 4))
        kills += done.returncode != 0
    if kills or how == ":stop":  # a stop ends well
        sluice.run(*args)
    return kills


def replicate(server, point, how, **config):
    workload = create(server, "crash")
    with driver(server, "crash", **config) as sluice:
        kills = 0
        for stage in ["", *STAGES]:
            if stage:
                server.sql(stage, "crash")
            kills += run_killed(sluice, point, how, "capture", "--until-current")
            if point in BEFORE:
                sluice.run("load", fault=BEFORE[point])
            kills += run_killed(sluice, point, how, "load")
            workload.assert_lake_is_source(sluice, readers=("files",))
        assert bool(list(sluice.lake.rglob("*-adopted.parquet"))) == (config.get("raw") == PARQUET_WITH_OP)
        workload.assert_lake_is_source(sluice, readers=("query",))
    return kills


def test_the_sources_name_fault_points():
    assert EXPECTED <= set(POINTS)
    assert any(p.startswith("load.") for p in POINTS) and any(p.startswith("lake.") for p in POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_killed_there(mariadb, point):
    assert replicate(mariadb, point, "") > 0, "the scenario does not pass this point"


@pytest.mark.parametrize("point", PARQUET_POINTS)
def test_killed_there_with_parquet_tables(mariadb, point):
    assert replicate(mariadb, point, "", lake={"format": "parquet"}) > 0


@pytest.mark.parametrize("point", [p for p in PARQUET_POINTS if p.startswith("lake.")])
def test_failed_there_with_parquet_tables(mariadb, point):
    replicate(mariadb, point, ":error", lake={"format": "parquet"})


@pytest.mark.parametrize("point", [p for p in ICEBERG_POINTS if p.startswith("lake.")])
def test_killed_there_with_full_loads_that_are_adopted(mariadb, point):
    assert replicate(mariadb, point, "", raw=PARQUET_WITH_OP) > 0


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith(("capture.", "full_load."))])
def test_killed_there_with_parquet_files_and_mysql(mysql, point):
    assert replicate(mysql, point, "", raw={"data_format": "parquet"}) > 0


@pytest.mark.parametrize("point", POINTS)
def test_failed_there(mariadb, point):
    """The step fails with an error instead; the process cleans up after itself, or tries again."""
    replicate(mariadb, point, ":error")


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith(("capture.", "full_load."))])
def test_stopped_there(mariadb, point):
    """SIGTERM comes right there: what is finished is kept, and the next start does the rest."""
    replicate(mariadb, point, ":stop")


def test_stopped_before_the_full_load_of_a_table_that_appeared(mariadb):
    """The next start knows that the table's earlier rows are not in the raw zone."""
    workload = create(mariadb, "crash")
    with driver(mariadb, "crash", raw={"cdc_max_batch_interval": "10s"}) as sluice:
        sluice.run("capture", "--until-current")
        process = sluice.start("capture", fault="full_load.started:2:stop")  # the first one finds nothing to load
        wait_until(lambda: "following the log" in sluice.log_of(["capture"]).read_text(), "capture follows the log", process=process)
        # The first row makes that the stop has something to commit.
        mariadb.sql("insert into event values (9, 'before'); set sql_log_bin = 0; create table later (id int primary key, at datetime); insert into later values (1, now()); "
                    "set sql_log_bin = 1; insert into later values (2, now())", "crash")
        assert process.wait(60) == 0
        mariadb.sql("insert into later values (3, now()); delete from later where id = 2", "crash")
        sluice.run("capture", "--until-current")
        sluice.run("load")
        workload.assert_lake_is_source(sluice)


def test_a_kill_is_a_kill(mariadb):
    create(mariadb, "crash")
    with driver(mariadb, "crash") as sluice:
        done = sluice.run("capture", "--until-current", fault="capture.committed", ok=())
        assert done.returncode == -signal.SIGKILL
