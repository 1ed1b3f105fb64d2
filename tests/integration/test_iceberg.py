"""Iceberg's metadata as others see it: pyiceberg reads what sluice writes, and sluice what pyiceberg writes."""

import datetime as dt
import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, IntegerType, ListType, LongType, NestedField,
                             StringType, TimestampType, UUIDType)

from tests.harness.sluice import binary

DRIVER = Path(os.environ.get("SLUICE_ICEBERG_DUMP", binary().parent / "tests" / "unit" / "iceberg_dump"))
NAME = "lake"

# id, name, Iceberg's type, Arrow's type
COLUMNS = [
    (1, "id", "long", pa.int64()),
    (2, "name", "string", pa.string()),
    (3, "price", "decimal(20, 2)", pa.decimal128(20, 2)),
    (4, "small", "int", pa.int32()),
    (5, "flag", "boolean", pa.bool_()),
    (6, "ratio", "double", pa.float64()),
    (7, "single", "float", pa.float32()),
    (8, "day", "date", pa.date32()),
    (9, "clock", "time", pa.time64("us")),
    (10, "at", "timestamp", pa.timestamp("us")),
    (11, "at_utc", "timestamptz", pa.timestamp("us", "UTC")),
    (12, "raw", "binary", pa.binary()),
]


def run(*args, stdin=None):
    done = subprocess.run([str(DRIVER), *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def read(location):
    lines = run("read", location)
    return {kind: [line[kind] for line in lines if kind in line] for kind in ("table", "manifest", "entry")}


class Lake:
    """A catalog file with the tables in it, written to by the driver and by pyiceberg."""

    def __init__(self, folder):
        self.folder = folder
        self.location = f"sqlite://{folder}/catalog.db"

    def write(self, **what):
        what = {"catalog": NAME, "namespace": "shop", "name": "t", "location": f"file://{self.folder}/t", "summary": {"operation": "append"},
                "format_version": 2, **what}
        return run("write", self.location, stdin=json.dumps(what))[0]["metadata"]

    def catalog(self):
        return SqlCatalog(NAME, uri=f"sqlite:///{self.folder}/catalog.db", warehouse=f"file://{self.folder}/warehouse")

    def table(self, name="t"):
        return self.catalog().load_table(f"shop.{name}")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def row(i):
    return {"id": i, "name": f"name {i:020}" if i % 5 else None, "price": Decimal(i * 137 - 5000) / 100, "small": i - 50, "flag": i % 2 == 0,
            "ratio": i / 8 - 3, "single": i / 4, "day": dt.date(1969, 12, 25) + dt.timedelta(days=i // 4), "clock": dt.time(i % 24, i % 60, 1, i),
            "at": dt.datetime(2026, 11, 1) + dt.timedelta(hours=i, microseconds=i),
            "at_utc": dt.datetime(2026, 11, 1, tzinfo=dt.timezone.utc) + dt.timedelta(hours=i), "raw": bytes([i % 256] * 20)}


def text(value):
    """As the engine gives it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.hex() if isinstance(value, bytes) else str(value)


def data_file(folder, name, rows, partition=()):
    path = folder / "t" / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([pa.field(n, t, metadata={"PARQUET:field_id": str(i)}) for i, n, _, t in COLUMNS])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    footer = pq.read_metadata(path)
    sizes = {str(c[0]): footer.row_group(0).column(n).total_compressed_size for n, c in enumerate(COLUMNS)}
    values = {i: [r[n] for r in rows if r[n] is not None] for i, n, _, _ in COLUMNS}
    return {"content": 0, "path": f"file://{path}", "records": len(rows), "size": path.stat().st_size,
            "partition": {str(i): text(rows[0][n]) for i, n, _, _ in COLUMNS if n in partition},
            "sizes": sizes, "counts": {str(i): len(rows) for i, *_ in COLUMNS}, "nulls": {str(i): len(rows) - len(values[i]) for i, *_ in COLUMNS},
            "lower": {str(i): text(min(v)) for i, v in values.items() if v}, "upper": {str(i): text(max(v)) for i, v in values.items() if v}}


def delete_file(folder, name, of, positions, partition):
    path = folder / "t" / "data" / name
    schema = pa.schema([pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
                        pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"})])
    pq.write_table(pa.Table.from_pylist([{"file_path": of["path"], "pos": p} for p in positions], schema), path)
    return {"content": 1, "path": f"file://{path}", "records": len(positions), "size": path.stat().st_size, "partition": of["partition"],
            "referenced": of["path"], "sizes": {}, "counts": {}, "nulls": {}, "lower": {}, "upper": {}}


FIELDS = [{"id": i, "name": n, "type": t, "required": n == "id"} for i, n, t, _ in COLUMNS]


def rows_of(table, **scan):
    return sorted(table.scan(**scan).to_arrow().to_pylist(), key=lambda r: r["id"])


# --- what sluice writes ---


@pytest.mark.parametrize("version", [2, 3])
def test_unpartitioned_table(lake, version):
    files = [data_file(lake.folder, f"{i}.parquet", [row(n) for n in range(i * 10, i * 10 + 10)]) for i in range(3)]
    metadata = lake.write(fields=FIELDS, format_version=version, files=files)
    table = lake.table()
    assert table.metadata_location == metadata and table.metadata.format_version == version
    assert rows_of(table) == [row(n) for n in range(30)]
    assert rows_of(StaticTable.from_metadata(metadata)) == [row(n) for n in range(30)]
    for name in [n for _, n, _, _ in COLUMNS if n not in ("name", "flag", "raw", "clock")]:
        found = table.scan(row_filter=And(GreaterThanOrEqual(name, row(12)[name]), LessThan(name, row(13)[name]))) if name != "day" else \
            table.scan(row_filter=EqualTo(name, row(12)[name]))
        assert [f.file.file_path for f in found.plan_files()] == [files[1]["path"]], f"bounds of {name}"
    assert table.current_snapshot().summary.operation.value == "append"
    assert run("read", metadata)[0]["table"]["format_version"] == version


def test_partitions_deletes_and_several_commits(lake):
    spec = [{"source_id": 1, "name": "id_bucket", "transform": "bucket[4]"}, {"source_id": 8, "name": "day", "transform": "identity"},
            {"source_id": 10, "name": "at hour", "transform": "hour"}, {"source_id": 2, "name": "name_trunc", "transform": "truncate[8]"},
            {"source_id": 3, "name": "price", "transform": "identity"}, {"source_id": 12, "name": "raw", "transform": "identity"}]
    partition = ("id", "day", "at", "name", "price", "raw")
    first = [data_file(lake.folder, f"a{n}.parquet", [row(n)] * 3, partition) for n in range(8)]
    lake.write(fields=FIELDS, spec=spec, files=first)
    assert rows_of(lake.table()) == [row(n) for n in range(8) for _ in range(3)]
    deletes = [delete_file(lake.folder, f"d{n}.parquet", first[n], [0, 2], partition) for n in (0, 5)]
    second = [data_file(lake.folder, "b.parquet", [row(9)], partition)]
    lake.write(files=second + deletes, summary={"operation": "overwrite"})
    table = lake.table()
    assert rows_of(table) == sorted([row(n) for n in range(8) for _ in range(1 if n in (0, 5) else 3)] + [row(9)], key=lambda r: r["id"])
    for n in (3, 9):
        found = list(table.scan(row_filter=EqualTo("id", n)).plan_files())
        assert len(found) == 1, "partitions and bounds prune"
    assert [s.sequence_number for s in table.snapshots()] == [1, 2]
    entries = {e["data_file"]["file_path"]: e for e in table.inspect.entries().to_pylist()}
    assert entries[second[0]["path"]]["sequence_number"] == 2 and entries[first[0]["path"]]["sequence_number"] == 1
    bucket = BucketTransform(4).transform(LongType())
    for n in range(8):
        got = entries[first[n]["path"]]["data_file"]["partition"]
        assert got["id_bucket"] == bucket(n) and got["day"] == row(n)["day"] and got["price"] == row(n)["price"] and got["raw"] == row(n)["raw"]
        assert got["name_trunc"] == (row(n)["name"] or "")[:8] or row(n)["name"] is None and got["name_trunc"] is None
        assert got["at hour"] == (row(n)["at"] - dt.datetime(1970, 1, 1)) // dt.timedelta(hours=1)


def test_deletion_vectors(lake):
    """Of an array, of bits, and of every row; a file without one stays as it is."""
    gone = [[0, 2, 19999], list(range(1, 20000, 3)), list(range(10))]
    small = [{**row(0), "id": n} for n in range(20000)]
    files = [data_file(lake.folder, f"{i}.parquet", rows) for i, rows in enumerate([small, small, [row(n) for n in range(10)], [row(77)]])]
    lake.write(fields=FIELDS, format_version=3, files=files)
    vectors = [{"content": 1, "path": f"file://{lake.folder}/t/data/{i}.puffin", "referenced": files[i]["path"], "partition": {}, "sizes": {},
                "positions": positions} for i, positions in enumerate(gone)]
    lake.write(files=vectors, summary={"operation": "delete"})
    table = lake.table()
    got = table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    assert got == [n for positions in map(set, gone[:2]) for n in range(20000) if n not in positions] + [77]
    deletes = {e["data_file"]["file_path"]: e["data_file"] for e in table.inspect.entries().to_pylist() if e["data_file"]["content"] == 1}
    assert [deletes[v["path"]]["file_format"] for v in vectors] == ["PUFFIN"] * 3
    assert [deletes[v["path"]]["record_count"] for v in vectors] == [len(positions) for positions in gone]


# --- turn by turn ---


def test_pyiceberg_commits_in_between(lake):
    lake.write(fields=FIELDS, files=[data_file(lake.folder, "a.parquet", [row(1), row(2)])])
    table = lake.table()
    schema = table.schema().as_arrow()
    table.append(pa.Table.from_pylist([row(3)], schema))
    with table.update_schema() as update:
        update.add_column("note", StringType(), "by pyiceberg")
    with table.transaction() as change:
        change.set_properties(owner="someone")
    lake.write(files=[data_file(lake.folder, "b.parquet", [row(4)])])
    table = lake.table()
    assert [r["id"] for r in rows_of(table)] == [1, 2, 3, 4]
    assert table.properties["owner"] == "someone" and table.schema().find_field("note").doc == "by pyiceberg"
    table.delete(EqualTo("id", 2))
    assert [r["id"] for r in rows_of(lake.table())] == [1, 3, 4]
    tree = read(lake.table().metadata_location)
    assert sum(e["records"] for e in tree["entry"] if e["status"] != 2) == 3
    assert any(e["status"] == 2 for e in tree["entry"]), "the file that was rewritten"


# --- what pyiceberg writes ---


def human(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else str(value)


@pytest.mark.parametrize("version", [1, 2])
def test_reads_pyiceberg(lake, version):
    catalog = lake.catalog()
    catalog.create_namespace("shop")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType()),
                    NestedField(3, "price", DecimalType(20, 2)), NestedField(4, "day", DateType()), NestedField(5, "at", TimestampType()),
                    NestedField(6, "tags", ListType(7, StringType())), NestedField(8, "ratio", DoubleType()), NestedField(9, "flag", BooleanType()))
    spec = PartitionSpec(PartitionField(4, 1000, IdentityTransform(), "day"), PartitionField(9, 1001, IdentityTransform(), "flag"),
                         PartitionField(3, 1002, IdentityTransform(), "price"))
    table = catalog.create_table("shop.theirs", schema, partition_spec=spec, properties={"format-version": str(version)})
    rows = [{"id": n, "name": f"name {n}", "price": Decimal(n % 3 - 1), "day": dt.date(2026, 11, 1 + n % 2) if n % 4 else None,
             "at": dt.datetime(2026, 11, 1, n), "tags": ["a", "b"], "ratio": n / 4, "flag": n % 2 == 0} for n in range(12)]
    schema = table.schema()  # with the ids that pyiceberg gave
    arrow = schema.as_arrow()
    table.append(pa.Table.from_pylist(rows[:6], arrow))
    table.append(pa.Table.from_pylist(rows[6:], arrow))
    table = catalog.load_table("shop.theirs")
    tree = read(table.metadata_location)
    assert tree["table"][0]["format_version"] == version
    theirs = {e["data_file"]["file_path"]: e for e in table.inspect.entries().to_pylist()}
    assert len(tree["entry"]) == len(theirs) > 4 and len(tree["manifest"]) == 2
    for entry in tree["entry"]:
        their = theirs[entry["path"]]
        file = their["data_file"]
        assert (entry["status"], entry["snapshot_id"], entry["records"], entry["size"]) == \
            (their["status"], their["snapshot_id"], file["record_count"], file["file_size_in_bytes"])
        assert entry["sequence_number"] == their["sequence_number"]
        assert {n: v for n, v in entry["partition"].items() if n != "price"} == {n: human(file["partition"][n]) for n in ("day", "flag")}
        assert Decimal(entry["partition"]["price"]) == file["partition"]["price"]
        assert {int(k): v for k, v in entry["nulls"].items()} == dict(file["null_value_counts"])
        metrics = their["readable_metrics"]
        for field in ("id", "name", "at", "ratio"):
            number = str(schema.find_field(field).field_id)
            bounds = metrics[field]["lower_bound"], metrics[field]["upper_bound"]
            got = entry["lower"][number], entry["upper"][number]
            assert got == tuple(map(human, bounds)) or tuple(map(float, got)) == bounds, field
    if version == 1:
        assert run("write", lake.location, stdin=json.dumps({"catalog": NAME, "namespace": "shop", "name": "theirs"}))
        assert lake.table("theirs").metadata.format_version == 2
        assert len(rows_of(lake.table("theirs"))) == 12


def test_reads_exotic_schema(lake):
    """Types that no lake column has are kept when sluice commits."""
    catalog = lake.catalog()
    catalog.create_namespace("shop")
    schema = Schema(NestedField(1, "u", UUIDType(), required=True), NestedField(2, "b", BinaryType()), NestedField(3, "i", IntegerType()))
    spec = PartitionSpec(PartitionField(2, 1000, TruncateTransform(3), "b_trunc"), PartitionField(3, 1001, BucketTransform(3), "i_bucket"))
    before = catalog.create_table("shop.theirs", schema, partition_spec=spec, properties={"x": "y"})
    lake.write(name="theirs")
    after = lake.table("theirs")
    assert after.schema() == before.schema() and after.spec() == before.spec() and after.properties == before.properties
    assert after.metadata.table_uuid == before.metadata.table_uuid
    assert [entry.metadata_file for entry in after.metadata.metadata_log] == [before.metadata_location]
