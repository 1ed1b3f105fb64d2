"""Maintenance of Iceberg tables: fewer files, the same rows, for pyiceberg and for ourselves; beside loads and other writers."""

import os
import subprocess
import time

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo
from pyiceberg.types import ListType, StringType

from tests.harness.dms_table import DmsTable
from tests.harness.sluice import wait_until

NOW = {"keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}


def small_loads(table, count, start=0):
    for n in range(start, start + count):
        table.change(("U", 3 * n, 0, f"changed {n}"), ("I", 10000 + n, 1, f"added {n}"), ("D", 900 + n, 0, ""), ("U", 50, 2, f"often {n}"))
        table.sluice.run("load")


@pytest.fixture
def make(tmp_path):
    made = []

    def make_table(**options):
        table = DmsTable(tmp_path / f"t{len(made)}", **options)
        made.append(table.sluice.__enter__())
        table.full([(i, i % 3, f"row {i}") for i in range(1000)])
        table.sluice.run("load")
        return table

    yield make_table
    for sluice in made:
        sluice.__exit__(None, None, None)


@pytest.mark.parametrize("partition", [(), ("grp",)])
def test_small_files_become_few(make, partition):
    table = make(partition=partition)
    small_loads(table, 8)
    before, rows = table.table(), table.expected()
    data, deletes = table.files_of()
    assert data >= 9 and deletes >= 8
    done = table.sluice.run("maintain")
    assert "1 table: 1 changed, 0 failed" in done.stdout and "maintained shop.t: data files" in done.stderr
    parts = len(partition) * 3 or 1
    assert table.files_of()[0] <= 2 * parts and table.files_of()[1] <= parts
    after = table.table()
    assert after.current_snapshot().summary.operation.value == "replace"
    assert table.rows_of(before.scan()) == rows, "who read the snapshot before goes on"
    table.assert_rows()
    assert " 0 loaded" in table.sluice.run("load").stdout, "the watermark is carried on"
    assert "0 changed" in table.sluice.run("maintain").stdout
    small_loads(table, 2, 8)
    table.assert_rows()


def test_expiry_keeps_the_watermark_and_nothing_else(make):
    """The table has no key: a file that is loaded twice would be seen."""
    table = make(key=None, maintain=NOW)
    for n in range(6):
        table.change(("I", n, 0, "again"))
        # The load after a crash behind the commit has to find its run, though maintenance came between.
        table.sluice.run("load", fault="lake.committed" if n == 5 else None)
    for _ in range(2):  # what the first replaces goes with the second
        table.sluice.run("maintain")
    assert len(table.table().snapshots()) == 1
    assert table.on_disk() == table.referenced()
    table.assert_rows()
    table.sluice.run("load")
    table.assert_rows()
    table.change(("I", 7, 0, "later"))
    table.sluice.run("load")
    table.assert_rows()


def test_metadata_files_that_the_log_forgot_go(make):
    table = make()
    with table.table().transaction() as change:
        change.set_properties({"write.metadata.previous-versions-max": "3"})
    small_loads(table, 5)
    table.sluice.run("maintain")
    metadata = [path for path in table.on_disk() if path.endswith(".metadata.json")]
    assert len(metadata) == 4 and table.on_disk() >= table.referenced() >= set(metadata)
    table.assert_rows()


def test_orphans_go_when_they_are_old(make):
    table = make()
    table.change(("U", 1, 1, "x"))
    table.sluice.run("load", fault="lake.metadata_written")
    orphans = table.on_disk() - table.referenced()
    assert len(orphans) >= 3
    table.sluice.run("maintain")
    assert table.on_disk() - table.referenced() == orphans, "the load may still be at work"
    old = time.time() - 2 * 24 * 3600
    for path in list(table.on_disk())[:-1] + sorted(orphans)[:-1]:
        os.utime(path, (old, old))
    last = sorted(orphans)[-1]
    os.utime(last)
    table.sluice.run("maintain")
    assert table.on_disk() - table.referenced() == orphans, "a file of that commit is young"
    os.utime(last, (old, old))
    table.sluice.run("maintain")
    assert table.on_disk() == table.referenced()
    table.sluice.run("load")
    table.assert_rows()


def test_other_writers_rows_survive(make):
    table = make()
    small_loads(table, 5)
    other = table.table()
    other.append(pa.Table.from_pylist([{"Op": "I", "id": 77777, "grp": 1, "name": "theirs"}], other.schema().as_arrow()))
    table.model[77777] = (77777, 1, "theirs")
    table.table().delete(EqualTo("id", 60))
    del table.model[60]
    table.sluice.run("maintain")
    table.assert_rows()
    assert table.files_of()[0] < 6
    small_loads(table, 1, 5)
    table.assert_rows()


def test_columns_of_other_writers_are_left_alone(make):
    table = make()
    small_loads(table, 5)
    with table.table().update_schema() as update:
        update.add_column("tags", ListType(1, StringType(), element_required=False))
    files = table.files_of()
    assert "another writer added a column" in table.sluice.run("maintain").stderr
    assert table.files_of() == files
    table.assert_rows()


def test_parquet_tables_need_none(make):
    table = make(lake={"format": "parquet"})
    assert "tables of the format parquet need no maintenance" in table.sluice.run("maintain").stdout
    assert table.sluice.run("maintain", "--table", "nowhere", ok=(0, 2)).returncode == 0


def test_a_table_that_is_not_there(make):
    assert "there is no table *.nowhere" in make().sluice.run("maintain", "--table", "nowhere", ok=(2,)).stderr


def test_loads_and_maintenance_at_once(make):
    """Two rounds and a load in loops against each other: every row once, and no reader of a late snapshot misses a file."""
    table = make(maintain={"keep": "0s", "keep_snapshots": 20})
    stop = table.sluice.folder / "stop"
    loop = f'while [ ! -e "{stop}" ]; do "$@" || exit 1; done'
    maintainers = [subprocess.Popen(["sh", "-c", loop, "sh", *table.sluice.command("maintain")], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for n in range(10):
            table.change(("U", n, n % 3, f"changed {n}"), ("I", 10000 + n, 0, "added"), ("D", 500 + n, 0, ""), ("U", 10000 + n // 2, 1, f"twice {n}"))
            done = table.sluice.run("load")
            assert " 1 loaded, 0 failed" in done.stdout, done.stderr
            assert table.rows_of(table.table().scan()) == table.expected()
    finally:
        stop.touch()
        logs = [m.communicate(timeout=60)[1] for m in maintainers]
    assert [m.returncode for m in maintainers] == [0, 0], logs
    table.assert_rows()
    assert any("-> 1, delete files" in log for log in logs), "maintenance had something to do"


def test_run_maintains_on_its_schedule(make):
    table = make(schedule={"load": "every 1h", "maintain": "every 1s"})
    small_loads(table, 5)
    process = table.sluice.start("run")
    wait_until(lambda: "maintained shop.t" in table.sluice.log_of(["run"]).read_text(), "run maintains", process=process)
    assert table.sluice.stop(process) == 0
    assert table.files_of()[0] < 6
    table.assert_rows()
