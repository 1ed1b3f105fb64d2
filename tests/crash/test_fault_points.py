"""Killed at each named fault point, again and again, replication ends with the source's rows: nothing lost, nothing twice.

The points are those that the sources name: a new one is tested from the day it is written.
"""

import re
import signal

import pytest

from tests.crash.scenario import STAGES, create, driver
from tests.harness.servers import ROOT, MariaDB, MySQL80

KILLS = 2  # per command: where the point is passed for the first time, and for the second time

POINTS = sorted({name for path in (ROOT / "src").rglob("*.c") for name in re.findall(r'fault_point\(\s*"([^"]+)"', path.read_text())})
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
    if kills:
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
        workload.assert_lake_is_source(sluice, readers=("query",))
    return kills


def test_the_sources_name_fault_points():
    assert EXPECTED <= set(POINTS)
    assert any(p.startswith("load.") for p in POINTS) and any(p.startswith("lake.") for p in POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_killed_there(mariadb, point):
    assert replicate(mariadb, point, "") > 0, "the scenario does not pass this point"


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith(("capture.", "full_load."))])
def test_killed_there_with_parquet_files_and_mysql(mysql, point):
    assert replicate(mysql, point, "", raw={"data_format": "parquet"}) > 0


@pytest.mark.parametrize("point", POINTS)
def test_failed_there(mariadb, point):
    """The step fails with an error instead; the process cleans up after itself, or tries again."""
    replicate(mariadb, point, ":error")


def test_a_kill_is_a_kill(mariadb):
    create(mariadb, "crash")
    with driver(mariadb, "crash") as sluice:
        done = sluice.run("capture", "--until-current", fault="capture.committed", ok=())
        assert done.returncode == -signal.SIGKILL
