"""Iceberg tables that sluice loads, as pyiceberg reads them and writes to them in between."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.transforms import DayTransform
from pyiceberg.types import LongType, UUIDType

from tests.harness.servers import MariaDB
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

ICEBERG = {"format": "iceberg"}
COLUMNS = {"id": "bigint", "name": "varchar", "price": "decimal(10,2)", "day": "date", "at": "timestamp"}


class Shop:
    """One table of raw files, its rows as they must be, and the lake's table as pyiceberg opens it."""

    def __init__(self, sluice):
        self.sluice, self.rows, self.files = sluice, {}, 0
        self.folder = sluice.raw / "shop" / "item"
        self.folder.mkdir(parents=True)

    def put(self, name, lines):
        (self.folder / name).write_text("".join(line + "\n" for line in lines))

    def row(self, i, name):
        return {"id": i, "name": name, "price": Decimal(i) / 4, "day": dt.date(2026, 11, 1 + i % 3), "at": dt.datetime(2026, 11, 1, i % 24)}

    def text(self, row):
        return ",".join("NULL" if v is None else str(v) for v in row.values())

    def full_load(self, ids, name="old", file="LOAD00000001.csv"):
        rows = [self.row(i, f"{name} {i}") for i in ids]
        self.put(file, [",".join(COLUMNS), *map(self.text, rows)])
        self.rows = {row["id"]: {"Op": "I", **row} for row in rows}

    def change(self, changes):
        """[(op, id, name)]"""
        lines = ["Op," + ",".join(COLUMNS)]
        for op, i, name in changes:
            row = self.row(i, name)
            lines.append(f"{op},{self.text(row)}")
            self.rows.pop(i, None)
            if op != "D":
                self.rows[i] = {"Op": op, **row}
        self.files += 1
        self.put(f"20261101-{self.files:09}.csv", lines)

    def load(self, **more):
        return self.sluice.run("load", **more)

    @property
    def table(self):
        return self.sluice.iceberg_table("item")

    def read(self, **scan):
        return sorted(self.table.scan(**scan).to_arrow().to_pylist(), key=lambda r: r["id"])

    def check(self, *hidden):
        """Both readers see the rows, without columns that another writer added."""
        want = [self.rows[i] for i in sorted(self.rows)]
        assert [{k: v for k, v in row.items() if k not in hidden} for row in self.read()] == want
        shown = ", ".join(f'cast("{c}" as varchar) as "{c}"' for c in ["Op", *COLUMNS])
        assert self.sluice.query(f"select {shown} from shop.item order by item.id") == \
            [{k: None if v is None else f"{v:.2f}" if k == "price" else str(v) for k, v in row.items()} for row in want]

    def arrow(self, rows):
        return pa.Table.from_pylist(rows, self.table.schema().as_arrow())

    def snapshots(self):
        return [s.summary.additional_properties | {"operation": s.summary.operation.value} for s in self.table.snapshots()]


@pytest.fixture
def shop(request):
    table = {"name": "shop.item", "primary_key": ["id"], "active": True, "columns": COLUMNS, **getattr(request, "param", {})}
    with Sluice(source={"engine": "dms"}, lake=ICEBERG, tables=[table]) as sluice:
        yield Shop(sluice)


def test_changes_are_deletes_and_new_files(shop):
    shop.full_load(range(100))
    shop.load()
    before = {f.file.file_path for f in shop.table.scan().plan_files()}
    shop.change([("U", 7, "new"), ("D", 8, "x"), ("I", 200, "more"), ("D", 999, "never was")])
    shop.load()
    shop.check()
    shop.change([("U", 7, "newer"), ("U", 9, "new"), ("D", 200, "x")])
    shop.load()
    shop.check()
    first, second, third = shop.snapshots()
    assert (first["operation"], second["operation"], third["operation"]) == ("append", "overwrite", "overwrite")
    assert (second["added-records"], second["added-position-deletes"], second["total-records"]) == ("2", "2", "102")
    assert third["added-position-deletes"] == "3", "rows that are deleted already are not deleted again"
    assert before <= {f.file.file_path for f in shop.table.scan().plan_files()}, "no file was written anew"
    assert third["sluice.last-incremental-file"].endswith("/shop/item/20261101-000000002.csv")
    manifests = shop.table.inspect.manifests().to_pylist()
    assert len(manifests) == 5 and {m["content"] for m in manifests} == {0, 1}
    assert shop.table.metadata.last_sequence_number == 3


def test_metrics_prune(shop):
    shop.full_load(range(50))
    shop.change([("I", i, "far") for i in range(1000, 1010)])
    shop.load()
    shop.change([("I", i, "zebra") for i in range(2000, 2010)])
    shop.load()
    for condition, files in ((GreaterThanOrEqual("id", 2000), 1), (EqualTo("name", "zebra"), 1), (EqualTo("price", Decimal("502.25")), 1)):
        assert len(list(shop.table.scan(row_filter=condition).plan_files())) == files, condition
    rows = shop.table.inspect.files().to_pylist()
    assert {r["record_count"] for r in rows} == {60, 10}
    assert all(dict(r["null_value_counts"])[1] == 0 and r["file_size_in_bytes"] > 500 for r in rows)


def test_a_full_load_replaces_in_one_snapshot(shop):
    shop.full_load(range(30))
    shop.load()
    shop.change([("D", 3, "x")])
    shop.load()
    old = shop.table
    shop.full_load(range(5, 10), "again", "LOAD00000002.csv")
    (shop.folder / "LOAD00000001.csv").unlink()
    shop.load()
    shop.check()
    assert len(old.scan().to_arrow()) == 29, "who reads the old snapshot goes on"
    last = shop.snapshots()[-1]
    assert (last["operation"], last["total-records"], last["deleted-records"], last["total-delete-files"]) == ("overwrite", "5", "30", "0")


@pytest.mark.parametrize("shop", [{"partition_key": ["day"]}, {"partition_key": ["month(at)", "truncate(10, id)"]}, {"partition_key": "bucket(4, id)"}], indirect=True)
def test_partitions(shop):
    shop.full_load(range(60))
    shop.load()
    files = len(list(shop.table.scan().plan_files()))
    assert files == {"day": 3, "at_month": 6, "id_bucket": 4}[shop.table.spec().fields[0].name]
    shop.change([("U", i, "new") for i in range(0, 60, 7)] + [("D", 1, "x"), ("D", 2, "x")])
    shop.load()
    shop.check()
    deletes = [f for f in shop.table.inspect.delete_files().to_pylist()]
    assert len(deletes) == files and all(f["partition"] for f in deletes), "one a partition"
    assert shop.read(row_filter=EqualTo("id", 14)) == [shop.rows[14]]
    assert shop.read(row_filter=EqualTo("day", dt.date(2026, 11, 2))) == [r for i, r in sorted(shop.rows.items()) if r["day"] == dt.date(2026, 11, 2)]


def test_another_writer_in_between(shop):
    """What it appended, rewrote, deleted and added stays, and the next load goes on from there."""
    shop.full_load(range(20))
    shop.load()
    ours = shop.snapshots()[-1]
    theirs = {"Op": "I", **shop.row(500, "theirs")}
    shop.table.append(shop.arrow([theirs, {**theirs, "id": 501}, {**theirs, "id": 502}]))
    shop.rows |= {i: {**theirs, "id": i} for i in (500, 501, 502)}
    shop.load()  # nothing is due: the watermark is still known
    shop.check()
    assert len(shop.table.snapshots()) == 2
    shop.table.delete(EqualTo("id", 4))  # writes the file again
    del shop.rows[4]
    with shop.table.update_schema() as change:
        change.add_column("note", LongType())
        change.add_column("uuid", UUIDType())
    with shop.table.update_spec() as change:
        change.add_field("at", DayTransform(), "at_day")
    shop.change([("U", 501, "ours now"), ("D", 502, "x"), ("U", 5, "new"), ("I", 4, "back")])
    shop.load()
    shop.check("note", "uuid")
    last = shop.snapshots()[-1]
    assert last["sluice.last-full-load-date"] == ours["sluice.last-full-load-date"]
    assert [f.name for f in shop.table.schema().fields][:6] == ["Op", *COLUMNS]
    assert {f.name for f in shop.table.schema().fields} >= {"note", "uuid"}


def test_files_without_field_ids(shop):
    """Another writer added a file as it was: the name mapping says which column is which."""
    shop.full_load(range(5))
    shop.load()
    rows = [{"Op": "I", **shop.row(i, "added")} for i in (100, 101, 102)]
    path = shop.sluice.lake / "item" / "data" / "added.parquet"
    pq.write_table(pa.Table.from_pylist([{k: row[k] for k in reversed(row)} for row in rows], pa.schema(
        [(f.name, f.type) for f in reversed(shop.table.schema().as_arrow())])), path)
    shop.table.add_files([f"file://{path}"])
    shop.rows |= {row["id"]: row for row in rows}
    shop.check()
    shop.change([("U", 101, "ours"), ("D", 102, "x"), ("D", 1, "x")])
    shop.load()
    shop.check()
    shop.change([("D", 101, "x"), ("U", 100, "ours"), ("I", 102, "again")])
    shop.load()
    shop.check()


def test_the_watermark_outlives_its_snapshot(shop):
    shop.full_load(range(3))
    shop.change([("I", 10, "ten")])
    shop.load()
    shop.table.append(shop.arrow([{"Op": "I", **shop.row(500, "theirs")}]))
    first = shop.table.snapshots()[0]
    shop.table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    shop.rows[500] = {"Op": "I", **shop.row(500, "theirs")}
    assert "1 with nothing to do" in shop.load().stdout
    shop.change([("D", 0, "x")])
    shop.load()
    shop.check()


def test_two_loaders(shop):
    """Of two at once one commits, and nothing is there twice."""
    shop.full_load(range(20))
    shop.load()
    for n in range(3):
        shop.change([("U", i, f"round {n}") for i in range(0, 20, 2)] + [("I", 100 + n, "new")])
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(shop.load) for _ in range(2)]:
                done.result()
        shop.check()
    runs = [s["sluice.run-id"] for s in shop.snapshots()]
    assert len(runs) == len(set(runs)) == 4


def test_a_load_that_fails_leaves_nothing(shop):
    """It removes its files; the attempt after it, by itself, loads what is due."""
    shop.full_load(range(5))
    shop.load()
    shop.change([("U", 1, "new")])
    known = {p for p in shop.sluice.lake.rglob("*") if p.is_file()}
    shop.load(fault="lake.metadata_written:1:error")
    shop.check()
    new = {p for p in shop.sluice.lake.rglob("*") if p.is_file()} - known
    assert len(new) == 6, "data, deletes, two manifests, list, metadata"


def test_without_key_rows_are_appended():
    table = {"name": "shop.item", "primary_key": [], "active": True, "columns": COLUMNS}
    with Sluice(source={"engine": "dms"}, lake=ICEBERG, tables=[table]) as sluice:
        shop = Shop(sluice)
        shop.full_load(range(3))
        shop.change([("I", 1, "twice"), ("I", 1, "twice"), ("U", 2, "not applied")])
        shop.load()
        assert [(r["id"], r["name"]) for r in shop.read()] == [(0, "old 0"), (1, "old 1"), (1, "twice"), (1, "twice"), (2, "old 2")]
        shop.change([("I", 7, "later")])
        shop.load()
        assert len(shop.read()) == 6 and [s["operation"] for s in shop.snapshots()] == ["append", "append"]


def test_a_table_that_is_not_ours(shop):
    catalog = SqlCatalog("lake", uri=f"sqlite:///{shop.sluice.folder}/catalog.db", warehouse=f"file://{shop.sluice.lake}")
    catalog.create_namespace("lake")
    catalog.create_table("lake.item", pa.schema([("id", pa.int64())]))
    shop.full_load(range(3))
    done = shop.load(ok=(3,))
    assert re.search(r"lake\.item in the catalog has no text column Op", done.stderr)


def test_captured_from_mariadb():
    """A renamed, a wider and a new column, and a foreign append in between: no row is written anew."""
    with MariaDB() as server:
        server.sql("create database shop; create table shop.t (id int primary key, a int, b varchar(20), p decimal(8,2)); "
                   "insert into shop.t values (1, 10, 'one', 1.5), (2, null, null, null), (3, -3, 'three', -0.01)")
        workload = Workload(server, "shop", only=())
        with Sluice(source=server.source_config("shop"), lake=ICEBERG, tables=[{"name": "shop.t", "active": True, "primary_key": ["id"]}]) as sluice:
            def replicate(sql):
                server.sql(sql, "shop")
                sluice.run("capture", "--until-current")
                sluice.run("load")
                workload.assert_lake_is_source(sluice)

            replicate("select 1")
            first = [f.file.file_path for f in sluice.iceberg_table("t").scan().plan_files()]
            replicate("alter table t rename column a to renamed, modify p decimal(12,2), add column n int; insert into t values (4, 4, 'four', 4, 4); "
                      "update t set b = 'x' where id = 1")
            table = sluice.iceberg_table("t")
            table.append(pa.Table.from_pylist([{"Op": "I", "id": 9, "renamed": 9, "b": "theirs", "p": Decimal(9), "n": 9}], table.schema().as_arrow()))
            server.sql("set sql_log_bin = 0; insert into t values (9, 9, 'theirs', 9, 9)", "shop")
            replicate("alter table t modify id bigint; delete from t where id = 2; update t set renamed = 99 where id = 9")
            table = sluice.iceberg_table("t")
            assert set(first) <= {f.file.file_path for f in table.scan().plan_files()}
            assert [f.field_id for f in table.schema().fields] == [1, 2, 3, 4, 5, 6]
            assert len(table.schemas()) == 3
