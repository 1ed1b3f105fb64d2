"""Maintenance killed at each named fault point: the rows are as they were, the next round does the rest, and no file is left."""

import shutil

import pytest

from tests.crash.test_fault_points import points_of
from tests.harness.dms_table import DmsTable

POINTS = points_of("lake/iceberg/*.c", "task/maintain.c")
NOW = {"keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Small loads with deletes, in two partitions; each test has it at the same place."""
    folder = tmp_path_factory.mktemp("maintain")
    table = DmsTable(folder / "work", partition=["grp"], maintain=NOW)
    table.full([(i, i % 2, f"row {i}") for i in range(40)])
    table.sluice.run("load")
    for n in range(5):
        table.change(("U", n, n % 2, f"changed {n}"), ("D", 20 + n, 0, ""), ("I", 100 + n, 0, "added"), ("I", 200 + n, 1, "added"))
        table.sluice.run("load")
    shutil.copytree(folder / "work", folder / "saved")
    return table, folder


@pytest.fixture
def table(base):
    table, folder = base
    shutil.rmtree(folder / "work")
    shutil.copytree(folder / "saved", folder / "work")
    table.files = 5
    model = dict(table.model)
    yield table
    table.model = model


def finish(table):
    """A load after it, the rest of the maintenance, and what the crash left."""
    table.change(("U", 1, 0, "moved"), ("D", 100, 0, ""), ("U", 30, 0, "late"))
    table.sluice.run("load")
    table.assert_rows()
    for _ in range(2):
        table.sluice.run("maintain")
    table.assert_rows()
    assert table.files_of()[0] <= 4
    assert table.on_disk() == table.referenced()


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_killed_there(table, point, n):
    done = table.sluice.run("maintain", fault=f"{point}:{n}")
    if n == 1:
        assert done.returncode != 0, "maintenance does not pass this point"
    table.assert_rows()
    finish(table)


@pytest.mark.parametrize("point", POINTS)
def test_failed_there(table, point):
    table.sluice.run("maintain", fault=f"{point}:1:error", ok=(3,))
    table.assert_rows()
    finish(table)
