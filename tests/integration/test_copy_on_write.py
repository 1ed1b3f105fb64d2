"""Iceberg tables with write_mode copy-on-write: no load leaves deletes for readers, and only touched files are written anew."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyiceberg.types import LongType

from tests.harness.dms_table import DmsTable

COPY = {"write_mode": "copy-on-write"}


@pytest.fixture
def make(tmp_path):
    made = []

    def make_table(**options):
        table = DmsTable(tmp_path / f"t{len(made)}", **{"lake": COPY, **options})
        made.append(table.sluice.__enter__())
        return table

    yield make_table
    for sluice in made:
        sluice.__exit__(None, None, None)


def load(table, *changes):
    if changes:
        table.change(*changes)
    table.sluice.run("load")
    table.assert_rows()


def data_files(table):
    return {task.file.file_path for task in table.table().scan().plan_files()}


def last(table):
    snapshot = table.table().current_snapshot()
    return {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties}


def statuses(table):
    """Of each manifest of the current snapshot: is it its own, and the status of each entry."""
    table = table.table()
    snapshot = table.current_snapshot()
    return sorted((m.added_snapshot_id == snapshot.snapshot_id, sorted(e.status.name for e in m.fetch_manifest_entry(table.io, discard_deleted=False)))
                  for m in snapshot.manifests(table.io))


def set_mode(table, mode):
    table.sluice.config["lake"]["write_mode"] = mode
    table.sluice.write_config()


def test_only_touched_files_are_written_anew(make):
    table = make(partition=["grp"])
    table.full([(i, i % 3, f"row {i}") for i in range(300)])
    load(table)
    load(table, ("I", 1000, 0, "added"), ("D", 5000, 1, "never was"))
    assert statuses(table) == [(False, ["ADDED"] * 3), (True, ["ADDED"])] and last(table)["operation"] == "append"
    before = data_files(table)
    load(table, ("U", 3, 0, "changed"), ("D", 6, 0, ""), ("U", 4, 1, "changed"), ("I", 1001, 0, "added"))
    assert all(not task.delete_files for task in table.table().scan().plan_files()) and table.files_of()[1] == 0
    assert len(before & data_files(table)) == 2 and len(before - data_files(table)) == 2
    assert statuses(table) == [(False, ["ADDED"]), (True, ["ADDED", "ADDED"]), (True, ["DELETED", "DELETED", "EXISTING"])]
    summary = last(table)
    assert {key: summary[key] for key in ("operation", "added-data-files", "deleted-data-files", "added-records", "deleted-records",
                                          "total-records", "total-data-files", "total-delete-files", "total-position-deletes")} == {
        "operation": "overwrite", "added-data-files": "2", "deleted-data-files": "2", "added-records": "200", "deleted-records": "200",
        "total-records": "301", "total-data-files": "4", "total-delete-files": "0", "total-position-deletes": "0"}
    assert "added-delete-files" not in summary and "removed-delete-files" not in summary


def test_rows_leave_partitions_and_tables(make):
    table = make(partition=["grp"])
    table.full([(i, i % 2, f"row {i}") for i in range(20)])
    load(table)
    load(table, *[("U", i, 5, "moved") for i in range(0, 20, 2)])
    assert {task.file.partition[0] for task in table.table().scan().plan_files()} == {1, 5}
    load(table, *[("D", i, 0, "") for i in range(20)])
    assert last(table)["operation"] == "delete" and table.files_of() == (0, 0) and last(table)["total-records"] == "0"
    load(table, ("I", 7, 1, "again"))
    assert table.files_of() == (1, 0)


@pytest.mark.parametrize("version", [2, 3])
def test_the_mode_may_change_between_loads(make, version):
    """What was written with deletes is read with them applied; delete files go once no file that they name is left."""
    table = make(partition=["grp"], lake={"write_mode": "merge-on-read", "format_version": version})
    table.full([(i, i % 2, f"row {i}") for i in range(40)])
    load(table)
    load(table, ("U", 2, 0, "one"), ("D", 4, 0, ""), ("U", 3, 1, "one"), ("I", 100, 0, "more"))
    load(table, ("U", 2, 0, "two"), ("D", 100, 0, ""))
    assert table.files_of()[1] == 3
    set_mode(table, "copy-on-write")
    load(table, ("U", 6, 0, "three"))
    assert table.files_of()[1] == 2, "what one delete file says of the file that stays is still needed"
    assert last(table)["removed-delete-files"] == "1"
    load(table, ("D", 2, 0, ""), ("U", 5, 1, "three"))
    load(table, ("U", 8, 0, "four"))
    table.change(("U", 2, 0, "back"), ("U", 9, 1, "back"))
    set_mode(table, "merge-on-read")
    load(table)
    deletes = table.files_of()[1]
    assert deletes > 0
    set_mode(table, "copy-on-write")
    load(table, *[("U", i, i % 2, "last") for i in range(10, 16)])
    load(table, *[("D", row, 0, "") for row in list(table.model)])
    table.sluice.run("maintain")  # files whose rows were all deleted before
    assert table.files_of() == (0, 0) and last(table)["total-position-deletes"] == "0"


def test_keys_that_are_null_and_tables_without_key(make):
    table = make(key="name")
    table.write("LOAD00000001.csv", "id,grp,name", [(1, 1, "NULL"), (2, 2, "b"), (3, 3, "c")])
    table.sluice.run("load")
    table.write("20261101-000000001.csv", "Op,id,grp,name", [("U", 10, 1, "NULL"), ("D", 2, 2, "b")])
    table.sluice.run("load")
    assert sorted((r["id"], r["name"]) for r in table.table().scan().to_arrow().to_pylist()) == [(3, "c"), (10, None)]
    assert table.files_of()[1] == 0
    plain = make(key=None)
    plain.full([(i, 0, "row") for i in range(5)])
    load(plain)
    load(plain, ("I", 1, 0, "row"), ("U", 2, 0, "not applied"))
    assert [s.summary.operation.value for s in plain.table().snapshots()] == ["append", "append"]


def test_columns_change_in_the_same_load(make):
    """A column is added and the partition's becomes wider while files of before stay and others are written anew."""
    table = make(partition=["grp"])
    table.sluice.config["tables"][0]["columns"] = {"id": "int", "grp": "int", "name": "varchar"}
    table.sluice.write_config()
    table.full([(i, i % 2, f"row {i}") for i in range(20)])
    load(table)
    del table.sluice.config["tables"][0]["columns"]
    table.sluice.write_config()
    table.write("20261101-000000001.csv", "Op,id,grp,name,note", [("U", 2, 0, "wide", "new"), ("I", 5_000_000_000, 6_000_000_000, "wide", "new")])
    table.sluice.run("load")
    table.model |= {2: (2, 0, "wide"), 5_000_000_000: (5_000_000_000, 6_000_000_000, "wide")}
    table.assert_rows()
    assert isinstance(table.table().schema().find_field("grp").field_type, LongType)
    assert table.files_of() == (3, 0) and sorted(task.file.partition[0] for task in table.table().scan().plan_files()) == [0, 1, 6_000_000_000]
    assert [r["note"] for r in table.table().scan().to_arrow().to_pylist() if r["note"]] == ["new", "new"]


def test_deleted_rows_stay_marked(make):
    table = make()
    table.sluice.config["tables"][0]["soft_delete"] = True
    table.sluice.write_config()
    table.full([(i, 0, f"row {i}") for i in range(5)])
    load(table)
    table.change(("D", 2, 0, "row 2"))
    table.sluice.run("load")
    assert sorted((r["id"], r["Op"]) for r in table.table().scan().to_arrow().to_pylist()) == [(0, "I"), (1, "I"), (2, "D"), (3, "I"), (4, "I")]
    assert table.files_of() == (1, 0)


def test_values_that_were_not_sent_are_kept(make):
    table = make(partition=["grp"], raw={"csv_no_sup_value": "UNSENT"})
    table.full([(i, i % 2, f"row {i}") for i in range(6)])
    load(table)
    table.change(("U", 2, 0, "UNSENT"), ("U", 3, 0, "UNSENT"), ("U", 4, 0, "sent"))
    table.sluice.run("load")
    table.model |= {2: (2, 0, "row 2"), 3: (3, 0, "row 3")}
    table.assert_rows()
    assert table.files_of() == (2, 0)


def test_loaders_and_maintenance_at_once(make):
    """Two loaders and maintenance against each other: every row once, and never a delete file."""
    table = make(partition=["grp"], maintain={"keep": "0s", "keep_snapshots": 20})
    table.full([(i, i % 3, f"row {i}") for i in range(300)])
    load(table)
    stop = table.sluice.folder / "stop"
    loop = f'while [ ! -e "{stop}" ]; do "$@" || exit 1; done'
    maintainer = subprocess.Popen(["sh", "-c", loop, "sh", *table.sluice.command("maintain")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for n in range(5):
            table.change(("U", n, n % 3, f"changed {n}"), ("I", 10000 + n, 0, "added"), ("D", 200 + n, 0, ""), ("U", 10000 + n // 2, 1, f"twice {n}"))
            with ThreadPoolExecutor() as pool:
                done = [one.result() for one in [pool.submit(table.sluice.run, "load") for _ in range(2)]]
            assert sum(" 1 loaded, 0 failed" in one.stdout for one in done) == 1, [one.stderr for one in done]
            assert table.rows_of(table.table().scan()) == table.expected() and table.files_of()[1] == 0
    finally:
        stop.touch()
        log = maintainer.communicate(timeout=60)[1]
    assert maintainer.returncode == 0, log
    table.assert_rows()
    runs = [s.summary.additional_properties["sluice.run-id"] for s in table.table().snapshots() if s.summary.operation.value != "replace"]
    assert len(runs) == len(set(runs))


def test_parquet_tables_cannot_merge_on_read(make):
    table = make(lake={"format": "parquet", "write_mode": "merge-on-read"})
    assert "write_mode: merge-on-read needs lake.format: iceberg" in table.sluice.run("load", ok=(2,)).stderr
    set_mode(table, "copy-on-write")
    table.full([(1, 0, "row")])
    assert " 1 loaded" in table.sluice.run("load").stdout
    table.sluice.config["tables"][0]["write_mode"] = "merge-on-read"
    table.sluice.write_config()
    assert "write_mode: merge-on-read needs lake.format: iceberg" in table.sluice.run("load", ok=(2,)).stderr
