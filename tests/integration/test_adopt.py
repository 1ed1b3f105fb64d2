"""Full loads that are Parquet already: taken over as they are where that gives the same table, and written anew where not. Judged by
the rows that went into the files, as pyiceberg and sluice read the table."""

import datetime as dt
import os
import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import EqualTo, GreaterThan, IsNull

from tests.harness.servers import MariaDB
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

SCHEMA = pa.schema([
    ("Op", pa.string()), ("id", pa.int64()), ("n", pa.int32()), ("small", pa.int16()), ("name", pa.string()), ("price", pa.decimal128(12, 2)),
    ("large", pa.decimal128(30, 3)), ("day", pa.date32()), ("at", pa.timestamp("us")), ("instant", pa.timestamp("us", "UTC")),
    ("real", pa.float64()), ("single", pa.float32()), ("flag", pa.bool_()), ("raw", pa.binary()),
])


def row(i, op="I"):
    at = dt.datetime(2026, 1, 1) + dt.timedelta(seconds=i, microseconds=i)
    full = {"Op": op, "id": i, "n": -i, "small": i % 100, "name": f"name of {i:05} and more", "price": Decimal(i) / 4, "large": Decimal(i) * 10**15,
            "day": dt.date(2026, 1, 1) + dt.timedelta(i), "at": at, "instant": at.replace(tzinfo=dt.UTC), "real": i / 7, "single": i / 2,
            "flag": i % 2 == 0, "raw": bytes([i % 256])}
    return full if i % 5 else {k: v if k in ("Op", "id") else None for k, v in full.items()}


class Shop:
    """shop.t: full loads of Parquet, changes of CSV, and the rows that must come out."""

    def __init__(self, sluice):
        self.sluice, self.rows, self.files = sluice, {}, 0
        self.folder = sluice.raw / "shop" / "t"
        self.folder.mkdir(parents=True)

    def put(self, table, name="LOAD00000001.parquet", **options):
        """As a program does that replaces files whole."""
        pq.write_table(table, self.sluice.folder / name, **options)
        (self.sluice.folder / name).rename(self.folder / name)

    def full_load(self, ids, name="LOAD00000001.parquet", **options):
        rows = [row(i) for i in ids]
        self.put(pa.Table.from_pylist(rows, SCHEMA), name, **options)
        self.rows |= {r["id"]: r for r in rows}

    def change(self, *changes):
        """(op, id, n)"""
        self.files += 1
        part = self.sluice.folder / "part.csv"
        part.write_text("Op,id,n\n" + "".join(f"{op},{i},{n}\n" for op, i, n in changes))
        part.rename(self.folder / f"20991101-{self.files:09}.csv")
        for op, i, n in changes:
            self.rows.pop(i, None)
            if op != "D":
                self.rows[i] = {**dict.fromkeys(SCHEMA.names), "Op": op, "id": i, "n": n}

    def load(self, **more):
        return self.sluice.run("load", **more)

    @property
    def table(self):
        return self.sluice.iceberg_table("t")

    def adopted(self):
        return sorted((self.sluice.lake / "t" / "data").glob("*-adopted.parquet"))

    def inodes(self):
        return sorted(p.stat().st_ino for p in self.folder.glob("LOAD*")), sorted(p.stat().st_ino for p in self.adopted())

    def check(self, snapshot=None):
        want = [self.rows[i] for i in sorted(self.rows)]
        assert sorted(self.table.scan(snapshot_id=snapshot).to_arrow().to_pylist(), key=lambda r: r["id"]) == want
        if snapshot is None:
            assert self.sluice.query("select id, n, name, price, t.at, large from shop.t order by id") == [
                {k: shown(k, r[k]) for k in ("id", "n", "name", "price", "at", "large")} for r in want]


def shown(name, value):
    """As `sluice query` writes it."""
    if isinstance(value, Decimal):
        return f"{value:.{SCHEMA.field(name).type.scale}f}"
    return str(value) if isinstance(value, dt.datetime) else value


@pytest.fixture
def shop(request):
    options = getattr(request, "param", {})
    table = {"name": "shop.t", "primary_key": ["id"], "active": True, **options.get("table", {})}
    with Sluice(source={"engine": "dms"}, lake={"format": "iceberg", **options.get("lake", {})}, tables=[table], threads=1) as sluice:
        yield Shop(sluice)


LINK, COPY, NEVER = {"lake": {"adopt": "link"}}, {}, {"lake": {"adopt": "never"}}


@pytest.mark.parametrize("shop", [LINK, COPY], indirect=True, ids=["link", "copy"])
def test_a_full_load_is_taken_over(shop, request):
    shop.full_load(range(500), row_group_size=100)
    shop.full_load(range(500, 700), "LOAD00000002.parquet", compression="zstd", store_decimal_as_integer=True)
    done = shop.load()
    assert "loaded shop.t: 700 rows from 2 files, 2 of them adopted" in done.stderr
    raw, lake = shop.inodes()
    assert (raw == lake) == ("link" in request.node.name) and len(lake) == 2
    assert [p.read_bytes() for p in shop.adopted()] == [p.read_bytes() for p in sorted(shop.folder.glob("*"))]
    shop.check()
    # What the manifest says is what readers find rows by.
    table = shop.table
    assert [r["id"] for r in table.scan(row_filter=GreaterThan("id", 697)).to_arrow().to_pylist()] == [698, 699]
    assert len(list(table.scan(row_filter=GreaterThan("id", 600)).plan_files())) == 1
    assert table.scan(row_filter=IsNull("n")).to_arrow().num_rows == 140
    assert table.scan(row_filter=EqualTo("name", "name of 00123 and more")).to_arrow().num_rows == 1
    assert table.scan(row_filter=GreaterThan("real", 99.0)).to_arrow().num_rows == sum((r["real"] or 0) > 99 for r in shop.rows.values())
    files = table.inspect.files().to_pylist()
    assert sorted(f["record_count"] for f in files) == [200, 500]
    assert {f["file_size_in_bytes"] for f in files} == {p.stat().st_size for p in shop.adopted()}
    shown = [f["readable_metrics"] for f in sorted(files, key=lambda f: f["record_count"])][0]
    assert (shown["id"]["lower_bound"], shown["id"]["upper_bound"], shown["id"]["null_value_count"], shown["id"]["value_count"]) == (500, 699, 0, 200)
    assert (shown["n"]["lower_bound"], shown["n"]["upper_bound"], shown["n"]["null_value_count"]) == (-699, -501, 40)
    assert (shown["price"]["lower_bound"], shown["price"]["upper_bound"]) == (Decimal("125.25"), Decimal("174.75"))
    assert shown["name"]["lower_bound"] == "name of 00501 an" and shown["name"]["upper_bound"] == "name of 00699 ao"
    assert shown["real"]["lower_bound"] is None and shown["raw"]["upper_bound"] is None


@pytest.mark.parametrize("shop", [LINK], indirect=True)
def test_changes_afterwards(shop):
    """Rows of adopted files are found, replaced and deleted; columns come; maintenance writes everything as one file."""
    shop.full_load(range(100))
    shop.load()
    for n in range(6):
        shop.change(("U", 7, n), ("D", 10 + n, 0), ("I", 1000 + n, n))
        shop.load()
        shop.check()
    path = shop.folder / "20991102-000000000.csv"
    path.write_text("Op,id,n,added\nU,20,1,new\n")
    shop.load()
    rows = {r["id"]: r for r in shop.table.scan().to_arrow().to_pylist()}
    assert rows[20]["added"] == "new" and rows[21]["added"] is None and rows[21]["name"] == row(21)["name"]
    before = shop.sluice.query("select * from shop.t order by id")
    assert "1 changed" in shop.sluice.run("maintain").stdout
    assert shop.sluice.query("select * from shop.t order by id") == before
    assert {r["id"]: r for r in shop.table.scan().to_arrow().to_pylist()} == rows


def test_names_are_those_that_are_in_the_files(shop):
    """A column that was renamed since, by another writer, is still found."""
    shop.full_load(range(20))
    shop.load()
    with shop.table.update_schema() as change:
        change.rename_column("name", "called")
    assert {r["called"] for r in shop.table.scan().to_arrow().to_pylist()} == {row(i)["name"] for i in range(20)}
    assert shop.sluice.query("select called from shop.t where id = 7") == [{"called": row(7)["name"]}]


DUE = [("U", 7, 1), ("D", 8, 0), ("I", 1000, 2), ("D", 5000, 0), ("U", 1000, 3)]


@pytest.mark.parametrize("shop", [LINK, NEVER, {"lake": {"write_mode": "copy-on-write"}}, {"lake": {"format_version": 3}}, {"table": {"soft_delete": True}},
                                  {"table": {"primary_key": []}}, {"table": {"history": True}}],
                         indirect=True, ids=["adopted", "never", "copy-on-write, never", "version 3", "soft_delete", "no key", "history"])
def test_changes_that_are_due_with_it(shop, request):
    """One commit, and the same table as of a load that writes it anew. The key 3 is there twice."""
    shop.full_load(range(50))
    shop.full_load([3], "LOAD00000002.parquet")
    shop.change(*DUE)
    shop.load()
    assert len(shop.adopted()) == 2 * ("never" not in request.node.name)
    assert len(shop.table.snapshots()) == 1
    found = sorted((r["id"], r["Op"], r["n"], r["name"]) for r in shop.table.scan().to_arrow().to_pylist())
    read = sorted((r["id"], r["Op"], r["n"], r["name"]) for r in shop.sluice.query('select id, "Op", n, name from shop.t'))
    want = [(i, "I", row(i)["n"], row(i)["name"]) for i in [*range(50), 3]]
    if "no key" in request.node.name:
        want += [(1000, "I", 2, None)]
    else:
        want = [w for w in want if w[0] not in (7, 8)] + [(7, "U", 1, None), (1000, "U", 3, None)]
        want += [(8, "D", 0, None), (5000, "D", 0, None)] * ("soft_delete" in request.node.name)
    key = lambda r: (r[0], str(r))
    assert sorted(found, key=key) == sorted(want, key=key) == sorted(read, key=key)
    if "history" in request.node.name:
        assert shop.sluice.iceberg_table("t_history").scan().to_arrow().num_rows == 51 + len(DUE)


@pytest.mark.parametrize("shop", [LINK], indirect=True)
def test_the_raw_file_may_go(shop):
    """Removed, or replaced by the next full load: the snapshot that has it stays as it was."""
    shop.full_load(range(50))
    shop.load()
    first, rows = shop.table.current_snapshot().snapshot_id, dict(shop.rows)
    (shop.folder / "LOAD00000001.parquet").unlink()
    shop.check()
    shop.rows = {}
    shop.full_load(range(1000, 1030))
    shop.load()
    assert len(shop.adopted()) == 2
    shop.check()
    shop.rows = rows
    shop.check(first)


def test_another_form_of_files(shop):
    """Columns in another order, in another case, or missing; no rows; Op U of all rows."""
    table = pa.Table.from_pylist([row(i) for i in range(10)], SCHEMA)
    shop.put(table.select(["Op", *reversed(SCHEMA.names[1:])]), "LOAD00000001.parquet")
    shop.put(pa.Table.from_pylist([row(i, "U") for i in range(10, 20)], SCHEMA).rename_columns(["Op", "ID", *SCHEMA.names[2:]]), "LOAD00000002.parquet")
    shop.put(table.slice(0, 0), "LOAD00000003.parquet")
    shop.put(table.slice(1, 2).drop_columns(["name", "at"]), "LOAD00000004.parquet")
    done = shop.load()
    assert len(shop.adopted()) == 3, done.stderr
    found = [(r["id"], r["Op"], r["name"], r["at"], r["n"]) for r in shop.table.scan().to_arrow().to_pylist()]
    want = [(i, "I" if i < 10 else "U", row(i)["name"], row(i)["at"], row(i)["n"]) for i in range(20)]
    want += [(i, "I", None, None, row(i)["n"]) for i in (1, 2)]
    key = lambda r: (r[0], str(r))
    assert sorted(found, key=key) == sorted(want, key=key)
    assert sorted(((r["id"], r["Op"], r["name"], r["n"]) for r in shop.sluice.query('select id, "Op", name, n from shop.t')), key=key) == \
        sorted(((i, op, name, n) for i, op, name, _, n in want), key=key)


def changed(name, column):
    """The rows with another column of that name."""
    table = pa.Table.from_pylist([row(i) for i in range(1, 4)], SCHEMA)
    return table.set_column(SCHEMA.names.index(name), name, column)


def with_ids():
    fields = [pa.field(f.name, f.type, metadata={"PARQUET:field_id": str(n)}) for n, f in enumerate(SCHEMA, 1)]
    return pa.Table.from_pylist([row(i) for i in range(1, 4)], pa.schema(fields))


PLAIN = pa.Table.from_pylist([row(i) for i in range(1, 4)], SCHEMA)
SECONDS = [dt.datetime(2026, 1, 1, 0, 0, i) for i in (1, 2, 3)]
# name: (the raw file, options of the writer, the table's entry, what the log says)
OTHERWISE = {
    "unsigned": (changed("n", pa.array([1, 2, 3], pa.uint32())), {}, {}, 'column "n": its Parquet type'),
    "milliseconds": (changed("at", pa.array(SECONDS, pa.timestamp("ms"))), {}, {}, 'column "at": its Parquet type'),
    "nanoseconds": (changed("at", pa.array(SECONDS, pa.timestamp("ns"))), {"version": "2.6"}, {}, 'column "at": its Parquet type'),
    "INT96": (PLAIN, {"use_deprecated_int96_timestamps": True}, {}, 'column "at": its Parquet type'),
    "list": (changed("name", pa.array([["a"], ["b"], None])), {}, {}, None),
    "time": (changed("name", pa.array([dt.time(1), dt.time(2), None], pa.time64("us"))), {}, {}, 'column "name": its Parquet type'),
    "declared otherwise": (PLAIN, {}, {"columns": {"n": "bigint"}}, None),
    "partitioned": (PLAIN, {}, {"partition_key": ["flag"]}, None),
    "a transform": (PLAIN, {}, {"partition_key": ["bucket(4, id)"]}, None),
    "without Op": (PLAIN.drop_columns(["Op"]), {}, {}, None),
    "Op small": (changed("Op", pa.array(["i", "i", "i"])), {}, {}, "Op of all rows"),
    "Op of both kinds": (changed("Op", pa.array(["I", "U", "I"])), {}, {}, "Op of all rows"),
    "no statistics": (PLAIN, {"write_statistics": False}, {}, "Op of all rows"),
    "field ids": (with_ids(), {}, {}, 'column "Op": it has a field id'),
    "new encodings": (PLAIN, {"use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED"}}, {}, "encodings"),
    "a zone": (changed("instant", pa.array(SECONDS, pa.timestamp("us", "Europe/Berlin"))), {}, {}, 'column "instant": its Arrow type has a time zone'),
    "an offset": (changed("instant", pa.array(SECONDS, pa.timestamp("us", "+02:00"))), {}, {}, 'column "instant": its Arrow type has a time zone'),
    "a duration": (changed("id", pa.array([1, 2, 3], pa.duration("us"))), {}, {}, 'column "id": its Arrow type is a duration'),
    "an extension": (changed("small", pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, 1], pa.int8()))), {}, {}, 'column "small": its Arrow type is an extension'),
    "brotli": (PLAIN, {"compression": "brotli"}, {}, "compression"),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_not_taken_over(name, tmp_path):
    """The load writes all rows anew, and they are the file's, as DuckDB reads it."""
    table, options, entry, why = OTHERWISE[name]
    entry = {"name": "shop.t", "primary_key": ["id"], "active": True, **entry}
    with Sluice(tmp_path, source={"engine": "dms"}, lake={"format": "iceberg"}, tables=[entry], threads=1) as sluice:
        shop = Shop(sluice)
        shop.put(table, **options)
        done = shop.load()
        assert shop.adopted() == [] and "of them adopted" not in done.stderr
        assert re.search(why, done.stderr) if why else "adopted" not in done.stderr, done.stderr
        found = shop.table.scan().to_arrow()
        assert found.num_rows == 3 and sorted(found["id"].to_pylist()) == [1, 2, 3] and "schema.name-mapping.default" not in shop.table.properties
        assert {op.upper() for op in found["Op"].to_pylist()} <= {"I", "U"}


@pytest.mark.parametrize("shop", [LINK], indirect=True)
def test_what_arrow_says_of_columns_that_are_taken_over(shop):
    """Names of UTC, and texts and numbers that Arrow keeps in forms of its own; a file that says nothing."""
    kept = {"id": pa.array([7], pa.int64()), "name": pa.array(["x"], pa.large_string()), "n": pa.array([5], pa.int32()).dictionary_encode()}
    for i, zone in enumerate(["UTC", "+00:00", "Etc/UTC", None]):
        at = pa.array([dt.datetime(2026, 1, 1, i)], pa.timestamp("us", zone or "UTC"))
        shop.put(pa.table({"Op": ["I"], **kept, "id": pa.array([i], pa.int64()), "instant": at}), f"LOAD0000000{i + 1}.parquet", store_schema=zone is not None)
    shop.load()
    assert len(shop.adopted()) == 4
    found = sorted(shop.table.scan().to_arrow().to_pylist(), key=lambda r: r["id"])
    assert found == [{"Op": "I", **{k: v[0].as_py() for k, v in kept.items()}, "id": i, "instant": dt.datetime(2026, 1, 1, i, tzinfo=dt.UTC)} for i in range(4)]


@pytest.mark.parametrize("text", ["*", "/////7AA"])
def test_a_damaged_arrow_schema(shop, text):
    """pyarrow does not open such a file at all."""
    with pq.ParquetWriter(shop.folder / "LOAD00000001.parquet", SCHEMA, store_schema=False) as writer:
        writer.write_table(PLAIN)
        writer.add_key_value_metadata({"ARROW:schema": text})
    assert "LOAD00000001.parquet: its Arrow schema is damaged" in shop.load().stderr
    assert shop.adopted() == [] and shop.table.scan().to_arrow()["id"].to_pylist() == [1, 2, 3]


def test_a_row_that_is_no_part_of_a_full_load(shop):
    """As without adoption: an error, and no table."""
    shop.put(changed("Op", pa.array(["I", "D", "I"])))
    assert "loading shop.t: shop/t/LOAD00000001.parquet: a full load cannot hold a row with Op D; correct the file" in shop.load(ok=(3,)).stderr
    shop.put(PLAIN)
    shop.put(changed("Op", pa.array(["I", None, "I"])), "LOAD00000002.parquet")
    assert 'shop/t/LOAD00000002.parquet: Op is "", not I, U or D' in shop.load(ok=(3,)).stderr
    shop.put(changed("Op", pa.array(["I", "x", "I"])), "LOAD00000002.parquet")
    assert 'shop/t/LOAD00000002.parquet: Op is "x", not I, U or D' in shop.load(ok=(3,)).stderr and shop.adopted() == []


# --- crashes


@pytest.mark.parametrize("shop", [LINK], indirect=True)
@pytest.mark.parametrize("how", ["", ":error"], ids=["killed", "failed"])
def test_what_a_crash_leaves(shop, how):
    """Maintenance removes files that no commit has, once they are old: by the time of the adoption, not of the raw file. The raw files
    stay."""
    shop.full_load(range(20))
    shop.load()
    os.utime(shop.folder / "LOAD00000001.parquet", (0, 0))
    shop.full_load(range(20, 40), "LOAD00000002.parquet")
    shop.full_load(range(40, 60), "LOAD00000003.parquet")
    raw = {p.name: p.read_bytes() for p in shop.folder.iterdir()}
    shop.load(fault=f"lake.file_durable:2{how}", ok=(0, 3, 4))
    left = len(shop.adopted())
    assert left == (3 if not how else 4), "the first load's, and two of the second; after an error the next attempt's three in their place"
    shop.sluice.run("maintain")
    assert len(shop.adopted()) == left, "the load may still be at work"
    shop.load()
    shop.sluice.config["maintain"] = {"keep": "0s", "keep_snapshots": 1, "orphan_age": "0s"}
    shop.sluice.write_config()
    shop.sluice.run("maintain")
    shop.sluice.run("maintain")
    assert len(shop.adopted()) == 3
    assert {p.name: p.read_bytes() for p in shop.folder.iterdir()} == raw
    shop.check()


# --- captured tables


@pytest.fixture(scope="module")
def mariadb():
    with MariaDB() as server:
        yield server


def test_captured_tables(mariadb):
    """Capture's Parquet of all types; columns that are renamed, added, dropped and given anew; loaded in full again."""
    workload = Workload(mariadb, "adopted", only=())
    mariadb.sql("create database adopted character set utf8mb4")
    mariadb.sql("""create table plain (id int primary key, tiny tinyint, small smallint, big bigint, name varchar(40), price decimal(10,2), large decimal(38,4),
            day date, at datetime(6), seen timestamp(3) null, r double, s float, doc json, raw varbinary(10), word enum('a', 'b'), clock time(6));
        insert into plain values (1, -1, -2, -3, 'one', 1.5, -1.5, '2026-01-01', '2026-01-01 10:00:00.123456', '2026-01-01 10:00:00.123', 1.5, 2.5, '{"a": 1}', x'00ff', 'a', '-10:00:00'),
            (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
        create table ids (id int unsigned primary key, n int); insert into ids values (4000000000, 1);""", "adopted")
    tables = [{"schema": "adopted", "table": t, "active": True} for t in ("plain", "ids")]
    raw = {"data_format": "parquet", "include_op_for_full_load": True}
    with Sluice(source=mariadb.source_config("adopted"), raw=raw, lake={"format": "iceberg"}, tables=tables, threads=1) as sluice:
        adopted = lambda table: sorted((sluice.lake / table / "data").glob("*-adopted.parquet"))

        def step(*args):
            sluice.run("capture", "--until-current", *args)
            done = sluice.run("load")
            workload.assert_lake_is_source(sluice)
            return done

        step()
        (path,) = adopted("plain")
        assert path.stat().st_ino == (sluice.raw / "adopted" / "plain" / "LOAD00000001.parquet").stat().st_ino
        mariadb.sql("alter table plain rename column name to called, add column more int default 7, drop column tiny; update plain set called = 'x' where id = 2", "adopted")
        step()
        reload = lambda: sluice.run("capture", "--reload", "--schema", "adopted", "--table", "plain", "--until-current")
        reload()
        step()
        assert len(adopted("plain")) == 2
        mariadb.sql("alter table plain add column tiny bigint default 5; insert into plain (id, tiny) values (3, 6)", "adopted")
        reload()
        done = step()
        assert len(adopted("plain")) == 2, "the name tiny stands for another column in an older file"
