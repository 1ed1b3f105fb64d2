"""Iceberg tables of format version 3: what is deleted is kept in deletion vectors, at most one a data file."""

import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.avro.file import AvroFile

from tests.harness.dms_table import DmsTable

THIRD = {"format_version": 3}
DELETED = 2
NOW = {"deleted_percent": 10, "keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}


@pytest.fixture
def make(tmp_path):
    made = []

    def make_table(**options):
        table = DmsTable(tmp_path / f"t{len(made)}", **{"lake": THIRD, **options})
        made.append(table.sluice.__enter__())
        table.full([(i, i % 3, f"row {i}") for i in range(300)])
        load(table)
        return table

    yield make_table
    for sluice in made:
        sluice.__exit__(None, None, None)


def load(table, *changes, **more):
    if changes:
        table.change(*changes)
    table.sluice.run("load", **more)
    table.assert_rows()


def set_version(table, version):
    table.sluice.config["lake"]["format_version"] = version
    table.sluice.write_config()


def entries(table, discard_deleted=True):
    """The files of the current snapshot, with the names of the specification: pyiceberg leaves out those of version 3."""
    table, found = table.table(), []
    for manifest in table.current_snapshot().manifests(table.io):
        with AvroFile(table.io.new_input(manifest.manifest_path)) as reader:
            names = [field.name for field in reader.schema.find_field("data_file").field_type.fields]
            for status, *_, file in reader:
                if status != DELETED or not discard_deleted:
                    found.append({"status": status, **dict(zip(names, file._data))})
    return found


def deletes_of(table):
    """{data file: (rows, Puffin file)}, and the delete files of version 2."""
    vectors, files = {}, []
    for file in entries(table):
        if file["file_format"] == "PUFFIN":
            assert file["referenced_data_file"] not in vectors, "one vector a data file"
            vectors[file["referenced_data_file"]] = (file["record_count"], file["file_path"])
        elif file["content"] != 0:
            files.append(file["file_path"])
    assert vectors.keys() <= {file["file_path"] for file in entries(table)}
    return vectors, files


def summary(table):
    return table.table().current_snapshot().summary.additional_properties


@pytest.mark.parametrize("partition", [(), ("grp",)])
def test_a_data_file_has_one_vector(make, partition):
    table = make(partition=partition)
    parts = len(partition) * 3 or 1
    assert table.table().format_version == 3
    load(table, *[("D", i, i % 3, "") for i in range(6)])
    first, _ = deletes_of(table)
    assert sorted(rows for rows, _ in first.values()) == [6 // parts] * parts
    assert len({puffin for _, puffin in first.values()}) == 1, "one file a load"
    load(table, *[("U", i, i % 3, "new") for i in range(3, 12)])
    second, files = deletes_of(table)
    assert not files and second.keys() == first.keys()
    assert sorted(rows for rows, _ in second.values()) == [12 // parts] * parts, "with what was deleted before"
    assert {s["added-dvs"] == s["removed-dvs"] == str(parts) for s in [summary(table)]} == {True}
    gone = [file["file_path"] for file in entries(table, False) if file["status"] == DELETED]
    assert gone == [next(iter(first.values()))[1]] * parts
    load(table, ("I", 1000, 1, "added"))
    assert deletes_of(table)[0] == second, "who touches no file writes no vector"


@pytest.mark.parametrize("position", [300, 1 << 40, -5, None])
def test_positions_that_a_data_file_does_not_have_say_nothing(make, position):
    """Another writer's delete file; versions 2 and 3 read the same rows, and so does maintenance."""
    table = make(lake={"format_version": 2}, maintain={**NOW, "deleted_percent": 100})
    load(table, ("D", 1, 1, ""))
    [location] = deletes_of(table)[1]
    path = location.removeprefix("file://")
    rows = pq.read_table(path)
    named = [rows["file_path"][0].as_py()] * 2
    pq.write_table(pa.Table.from_arrays([pa.array(named), pa.array([rows["pos"][0].as_py(), position], pa.int64())], schema=rows.schema), path)
    load(table, ("D", 2, 2, ""))
    set_version(table, 3)
    load(table, ("D", 3, 0, ""))
    load(table, ("D", 4, 1, ""))
    table.sluice.config["maintain"]["deleted_percent"] = 1
    table.sluice.write_config()
    table.sluice.run("maintain")
    assert deletes_of(table) == ({}, [])
    table.assert_rows()


def test_a_table_becomes_version_3_and_stays_so(make):
    """Delete files of before count until a vector takes over what they say of its data file."""
    table = make(lake={"format_version": 2}, partition=["grp"])
    load(table, ("D", 0, 0, ""), ("D", 3, 0, ""), ("D", 1, 1, ""))
    load(table, *[("I", 1000 + i, 0, "more") for i in range(9)])
    load(table, ("D", 1003, 0, ""), ("D", 6, 0, ""))  # of two data files in one delete file
    assert table.table().format_version == 2 and len(deletes_of(table)[1]) == 3
    set_version(table, 3)
    load(table, ("I", 5000, 2, "only new"))
    vectors, files = deletes_of(table)
    assert table.table().format_version == 3 and not vectors and len(files) == 3
    load(table, ("D", 9, 0, ""))
    vectors, files = deletes_of(table)
    assert [rows for rows, _ in vectors.values()] == [4] and len(files) == 2, "one of them was about that file alone"
    assert table.table().metadata.next_row_id >= 310
    set_version(table, 2)
    load(table, ("D", 12, 0, ""), ("D", 1004, 0, ""), ("U", 4, 1, "x"))
    vectors, files = deletes_of(table)
    assert table.table().format_version == 3
    assert sorted(rows for rows, _ in vectors.values()) == [2, 2, 5] and len(files) == 1
    table.sluice.run("maintain")
    table.assert_rows()


def test_a_version_for_one_table(make):
    table = make(lake={})
    assert table.table().format_version == 2
    table.sluice.config["tables"][0]["format_version"] = 3
    table.sluice.write_config()
    load(table, ("D", 5, 2, ""))
    assert len(deletes_of(table)[0]) == 1


def test_maintenance_applies_vectors(make):
    table = make(maintain=NOW)
    for n in range(6):
        load(table, ("U", n, n % 3, f"new {n}"), ("I", 1000 + n, 0, "added"), ("D", 1000 + n - 1, 0, ""))
    assert len(deletes_of(table)[0]) == 6
    done = table.sluice.run("maintain")
    assert "data files 7 -> 1" in done.stderr, done.stderr
    table.assert_rows()
    assert deletes_of(table) == ({}, [])
    table.sluice.run("maintain")
    assert table.on_disk() == table.referenced()
    load(table, *[("D", i, i % 3, "") for i in range(20)])  # 20 of 300 rows
    table.sluice.run("maintain")
    assert [rows for rows, _ in deletes_of(table)[0].values()] == [20]
    load(table, *[("D", i, i % 3, "") for i in range(20, 100)])
    table.sluice.run("maintain")
    assert deletes_of(table) == ({}, [])
    table.assert_rows()


def test_a_puffin_file_stays_while_one_of_its_vectors_counts(make):
    table = make(partition=["grp"], maintain=NOW)
    load(table, *[("D", i, i % 3, "") for i in range(6)])
    load(table, ("D", 6, 0, ""))
    for _ in range(2):
        table.sluice.run("maintain")
    assert table.on_disk() == table.referenced()
    assert len({path for path in table.on_disk() if path.endswith(".puffin")}) == 2
    load(table, *[("D", i, i % 3, "") for i in (7, 8)])
    for _ in range(2):
        table.sluice.run("maintain")
    assert table.on_disk() == table.referenced()
    assert len({path for path in table.on_disk() if path.endswith(".puffin")}) == 2, "the first has none that counts"
    table.assert_rows()


def test_copy_on_write_takes_vectors_with_the_files(make):
    table = make(partition=["grp"])
    load(table, *[("D", i, i % 3, "") for i in range(6)])
    table.sluice.config["lake"]["write_mode"] = "copy-on-write"
    table.sluice.write_config()
    load(table, ("U", 9, 0, "x"), ("U", 10, 1, "y"))
    assert [rows for rows, _ in deletes_of(table)[0].values()] == [2]
    table.sluice.config["lake"]["write_mode"] = "merge-on-read"
    table.sluice.write_config()
    load(table, ("U", 9, 0, "x2"), ("U", 11, 2, "z"))


def test_damage_is_an_error(make):
    table = make()
    load(table, ("D", 7, 1, ""))
    [(_, location)] = deletes_of(table)[0].values()
    path = location.removeprefix("file://")
    whole = open(path, "rb").read()
    for what, damaged in (("checksum", whole[:30] + bytes([whole[30] ^ 1]) + whole[31:]), ("bytes from byte", whole[:20])):
        open(path, "wb").write(damaged)
        for command in (["query", "select count(*), sum(id) from shop.t"], ["load"]):
            if command == ["load"]:
                table.change(("U", 8, 2, "x"))
            said = table.sluice.run(*command, ok=(1, 3)).stderr
            assert what in said and ".puffin" in said, said
    open(path, "wb").write(whole)
    load(table)


def test_a_crash_at_each_step(make):
    """Of a load that merges vectors: the next one finds all as it was, or done."""
    table = make(partition=["grp"])
    load(table, *[("D", i, i % 3, "") for i in range(6)])
    for point in ("lake.file_durable", "lake.manifest_written", "lake.metadata_written", "lake.committed"):
        n = table.files + 10
        table.change(("D", 2 * n, 0, ""), ("U", n + 100, n % 3, point), ("I", 2000 + n, 1, "new"))
        table.sluice.run("load", fault=point)
        load(table)
    assert not deletes_of(table)[1]


def test_loads_and_maintenance_at_once(make):
    table = make(partition=["grp"], maintain={"keep": "0s", "keep_snapshots": 20})
    stop = table.sluice.folder / "stop"
    loop = f'while [ ! -e "{stop}" ]; do "$@" || exit 1; done'
    maintainer = subprocess.Popen(["sh", "-c", loop, "sh", *table.sluice.command("maintain")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
    try:
        for n in range(8):
            table.change(("U", n, n % 3, f"changed {n}"), ("I", 10000 + n, 0, "added"), ("D", 200 + n, 0, ""), ("U", 10000 + n // 2, 1, f"twice {n}"))
            done = table.sluice.run("load")
            assert " 1 loaded, 0 failed" in done.stdout, done.stderr
            assert table.rows_of(table.table().scan()) == table.expected()
    finally:
        stop.touch()
        log = maintainer.communicate(timeout=60)[1]
    assert maintainer.returncode == 0, log
    table.assert_rows()
    deletes_of(table)


@pytest.mark.readers
def test_spark_writes_vectors_too(spark, make):
    """Ours merge with Spark's and Spark's with ours; a row's id stays its own when it is moved, and rows that are new have new ones."""
    table = make(maintain={"deleted_percent": 1})
    session = spark.session(table.sluice.folder / "catalog.db")

    def sql(text):
        return [tuple(row) for row in session.sql(text.replace("{t}", "lake.lake.t")).collect()]

    def lineage():
        return {i: (row, commit) for i, row, commit in sql("select id, _row_id, _last_updated_sequence_number from {t}")}

    def check():
        table.assert_rows()
        assert sorted(sql("select id, grp, name from {t}")) == table.expected()
        assert len(set(dict(lineage().values()))) == len(table.expected()), "ids are unique"

    load(table, ("U", 1, 1, "ours"), ("D", 2, 0, ""), ("I", 1000, 1, "new"))
    check()
    sql("alter table {t} set tblproperties(" + ", ".join(f"'write.{verb}.mode' = 'merge-on-read'" for verb in ("delete", "update", "merge")) + ")")
    sql("delete from {t} where id in (3, 4)")
    for i in (3, 4):
        del table.model[i]
    check()
    assert [rows for rows, _ in deletes_of(table)[0].values()] == [4]
    load(table, ("U", 5, 1, "ours"), ("D", 6, 0, ""))
    check()
    assert [rows for rows, _ in deletes_of(table)[0].values()] == [6]
    sql("update {t} set name = 'spark' where id in (1, 10)")
    table.model |= {1: (1, 1, "spark"), 10: (10, 1, "spark")}
    check()

    before = lineage()
    assert "data files" in table.sluice.run("maintain").stderr
    assert deletes_of(table) == ({}, []) and lineage() == before
    check()
    table.sluice.config["lake"]["write_mode"] = "copy-on-write"
    table.sluice.write_config()
    load(table, ("U", 20, 2, "ours"), ("I", 1001, 1, "new"))
    assert {i for i, ids in lineage().items() if before.get(i) != ids} == {20, 1001}
    check()
    before = lineage()
    sql("call lake.system.rewrite_data_files(table => 'lake.lake.t', options => map('rewrite-all', 'true'))")
    assert lineage() == before
    load(table, ("U", 21, 0, "ours"))
    check()
