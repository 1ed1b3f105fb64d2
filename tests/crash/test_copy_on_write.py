"""A load with write_mode copy-on-write, killed and failed at each named fault point: the next one ends with the right rows."""

import shutil

import pytest

from tests.crash.test_fault_points import ICEBERG_POINTS
from tests.harness.dms_table import DmsTable

NOW = {"keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A table that a load with merge-on-read left deletes in; each test has it at the same place."""
    folder = tmp_path_factory.mktemp("copy")
    table = DmsTable(folder / "work", partition=["grp"], maintain=NOW)
    table.full([(i, i % 2, f"row {i}") for i in range(20)])
    table.sluice.run("load")
    table.change(("U", 1, 1, "changed"), ("D", 2, 0, ""))
    table.sluice.run("load")
    table.sluice.config["lake"]["write_mode"] = "copy-on-write"
    table.sluice.write_config()
    table.change(("U", 3, 1, "copied"), ("U", 4, 1, "moved"), ("D", 5, 1, ""), ("I", 100, 0, "added"))
    shutil.copytree(folder / "work", folder / "saved")
    return table, folder


@pytest.fixture
def table(base):
    table, folder = base
    shutil.rmtree(folder / "work")
    shutil.copytree(folder / "saved", folder / "work")
    return table


def finish(table):
    table.sluice.run("load")
    table.assert_rows()
    assert table.files_of()[1] == 0, "both files were touched"
    runs = [s.summary.additional_properties["sluice.run-id"] for s in table.table().snapshots()]
    assert len(runs) == len(set(runs)) == 3, "it is committed once"
    table.sluice.run("maintain")
    table.assert_rows()
    assert table.on_disk() == table.referenced()


@pytest.mark.parametrize("point", ICEBERG_POINTS)
def test_killed_there(table, point):
    assert table.sluice.run("load", fault=point).returncode != 0, "the load does not pass this point"
    finish(table)


@pytest.mark.parametrize("point", [p for p in ICEBERG_POINTS if p.startswith("lake.")])
def test_failed_there(table, point):
    table.sluice.run("load", fault=f"{point}:1:error", ok=(0, 3))
    finish(table)
