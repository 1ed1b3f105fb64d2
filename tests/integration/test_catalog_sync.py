"""Readers without a catalog, and a catalog that was lost: version-hint.text and `catalog sync`, judged by DuckDB and pyiceberg."""

import importlib.util
import shutil
from pathlib import Path

import duckdb
import pytest
from pyiceberg.table import StaticTable

from tests.harness.dms_table import DmsTable
from tests.harness.sluice import wait_until

NOW = {"keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}


@pytest.fixture(scope="module")
def stranger():
    """DuckDB with its own iceberg extension, which knows nothing of our catalog."""
    connection = duckdb.connect()
    for name in ("avro", "iceberg"):
        package = Path(importlib.util.find_spec(f"duckdb_extension_{name}").origin).parent
        connection.execute(f"LOAD '{next(package.rglob(f'{name}.duckdb_extension'))}'")
    yield connection
    connection.close()


@pytest.fixture
def table(tmp_path):
    table = DmsTable(tmp_path / "work", maintain=NOW)
    with table.sluice:
        table.full([(i, i % 3, f"row {i}") for i in range(50)])
        table.sluice.run("load")
        yield table


def folder(table):
    return table.sluice.lake / "t"


def hint(table):
    return (folder(table) / "metadata" / "version-hint.text").read_text()


def is_current(table):
    return f"/{hint(table)}.metadata.json" in table.table().metadata_location


def change(table, n, **more):
    table.change(("U", n, 0, f"changed {n}"), ("D", 20 + n, 0, ""), ("I", 100 + n, 1, "added"))
    return table.sluice.run("load", **more)


def assert_path_is_current(table, stranger):
    rows = table.expected()
    assert sorted(stranger.execute(f"SELECT id, grp, name FROM iceberg_scan('{folder(table)}')").fetchall()) == rows
    assert table.rows_of(StaticTable.from_metadata(f"file://{folder(table)}").scan()) == rows
    assert is_current(table)


def test_the_folder_alone_is_enough(table, stranger):
    """After each commit: of a full load, of changes, of maintenance, which removes what is old and leaves the hint."""
    assert_path_is_current(table, stranger)
    for n in range(3):
        change(table, n)
        assert_path_is_current(table, stranger)
    table.sluice.run("maintain")
    assert_path_is_current(table, stranger)
    table.sluice.run("maintain")
    assert_path_is_current(table, stranger)
    assert table.on_disk() == table.referenced()
    assert "1 table: 0 registered in the catalog, 0 version-hint.text written, 0 failed" in table.sluice.run("catalog", "sync").stdout


@pytest.mark.parametrize("mend", ["catalog", "load", "maintain"])
def test_a_crash_before_the_hint(table, stranger, mend):
    before = hint(table)
    change(table, 1, fault="lake.committed")
    assert hint(table) == before and not is_current(table)
    if mend == "catalog":
        assert " 1 version-hint.text written, 0 failed" in table.sluice.run("catalog", "sync").stdout
    elif mend == "load":
        change(table, 2)
    else:
        table.sluice.run("maintain")
    assert_path_is_current(table, stranger)


def test_what_another_writer_commits(table, stranger):
    old = table.table()
    old.append(old.scan(row_filter="id = 7").to_arrow())
    assert not is_current(table)
    table.sluice.run("catalog", "sync")
    assert is_current(table)
    assert stranger.execute(f"SELECT count(*) FROM iceberg_scan('{folder(table)}')").fetchall() == [(51,)]


def lose_catalog(table):
    for file in table.sluice.folder.glob("catalog.db*"):
        file.unlink()


def test_a_catalog_that_was_lost(table, stranger):
    change(table, 1)
    (folder(table) / "metadata" / "00009-damaged.metadata.json").write_text("{")
    loser = table.table().metadata_location.removeprefix("file://")  # it builds on the version before, as a loader that lost
    change(table, 2)
    shutil.copy(loser, folder(table) / "metadata" / "00002-ffffffffffffffff.metadata.json")
    current = table.table().metadata_location
    lose_catalog(table)
    done = table.sluice.run("catalog", "sync")
    assert "1 table: 1 registered in the catalog, 0 version-hint.text written, 0 failed" in done.stdout and f"at {current}" in done.stderr
    assert table.table().metadata_location == current
    assert " 0 loaded" in table.sluice.run("load").stdout, "the watermark is known"
    change(table, 3)
    table.assert_rows()
    assert_path_is_current(table, stranger)
    assert "1 table: 0 registered" in table.sluice.run("catalog", "sync").stdout


def test_a_version_that_the_catalog_never_named(table):
    """A load was killed right before its commit, and the catalog was lost then: its version is registered, and it has happened."""
    table.change(("U", 1, 0, "changed"), ("I", 200, 0, "added"))
    table.sluice.run("load", fault="lake.metadata_written")
    lose_catalog(table)
    table.sluice.run("catalog", "sync")
    table.assert_rows()
    table.sluice.run("load")
    change(table, 2)
    table.assert_rows()


def test_an_entry_that_leads_nowhere(table):
    change(table, 1)
    current = Path(table.table().metadata_location.removeprefix("file://"))
    current.rename(current.with_suffix(".away"))
    done = table.sluice.run("catalog", "sync", ok=(3,))
    assert f"lake.t: the catalog's entry leads to file://{current}, which is gone; the newest that is there is t/metadata/00000-" in done.stderr
    current.with_suffix(".away").rename(current)
    assert " 0 failed" in table.sluice.run("catalog", "sync").stdout
    shutil.rmtree(folder(table))
    assert "no version of the table is there: put the file back, or load the table again" in table.sluice.run("catalog", "sync", ok=(3,)).stderr


@pytest.mark.parametrize("with_catalog", [True, False])
def test_a_lake_that_was_moved(table, with_catalog):
    sluice = table.sluice
    sluice.lake.rename(sluice.folder / "elsewhere")
    sluice.config["lake"]["location"] = f"file://{sluice.folder}/elsewhere"
    sluice.write_config()
    if not with_catalog:
        lose_catalog(table)
    done = sluice.run("catalog", "sync", ok=(3,))
    assert "lake.t: the table was moved: its metadata names files below file://" in done.stderr
    (sluice.folder / "lake").symlink_to(sluice.folder / "elsewhere")
    sluice.config["lake"]["location"] = f"file://{sluice.folder}/lake"
    sluice.write_config()
    assert f" {0 if with_catalog else 1} registered" in sluice.run("catalog", "sync").stdout
    change(table, 1)
    table.assert_rows()


def test_run_syncs_on_its_schedule(table):
    sluice = table.sluice
    sluice.config["schedule"] = {"load": "every 1h", "maintain": None, "catalog": "every 1s"}
    sluice.write_config()
    (folder(table) / "metadata" / "version-hint.text").unlink()
    process = sluice.start("run")
    wait_until(lambda: (folder(table) / "metadata" / "version-hint.text").exists(), "the hint is written", process=process)
    assert sluice.stop(process) == 0
    assert is_current(table)


def test_other_tables_are_left_alone(table):
    """Of another writer, in the lake's folder and in the database; and tables of another format are in no catalog."""
    (sluice := table.sluice).run("catalog", "sync")
    foreign = sluice.lake / "foreign" / "metadata"
    shutil.copytree(folder(table) / "metadata", foreign)
    for file in foreign.glob("*.metadata.json"):
        file.write_text(file.read_text().replace("sluice.", "someone."))
    assert "1 table: 0 registered in the catalog, 0 version-hint.text written, 0 failed" in sluice.run("catalog", "sync").stdout
    sluice.config["lake"]["format"] = "parquet"
    sluice.write_config()
    assert "tables of the format parquet are in no catalog" in sluice.run("catalog", "sync").stdout
