"""Declared types (tables: columns) over raw files of Parquet: a value goes into the lake as it is, or the table stops with an error that
names file, column, value and type, as a value of a CSV file does."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.harness.servers import MariaDB
from tests.harness.sluice import Sluice


def decimals(scale, *values):
    return pa.array([v if v is None else Decimal(v) for v in values], pa.decimal128(12, scale))


DAY, LATE = dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2, 23, 59)
# table: (the values of the file, the declared type, what is wrong with the second)
LOSSY = {
    "decimal_int": (decimals(2, "12.00", "12.50"), "int", '"12.50" is not an int'),
    "double_int": (pa.array([12.0, 12.5]), "int", '"12.5" is not an int'),
    "nan_int": (pa.array([12.0, float("nan")]), "bigint", '"nan" is not a bigint'),
    "text_int": (pa.array(["12", "12.6"]), "int", '"12.6" is not an int'),
    "word_int": (pa.array(["12", "x"]), "int", '"x" is not an int'),
    "text_decimal": (pa.array(["1.23", "1.239"]), "decimal(10,2)", '"1.239" is not a decimal(10,2)'),
    "decimal_decimal": (decimals(4, "1.2300", "1.2345"), "decimal(10,2)", '"1.2345" is not a decimal(10,2)'),
    "large_decimal": (decimals(0, "1", "123456"), "decimal(5,2)", '"123456" is not a decimal(5,2)'),
    "double_decimal": (pa.array([1.5, 1.005]), "decimal(5,2)", '"1.005" is not a decimal(5,2)'),
    "int_decimal": (pa.array([1, 1000]), "decimal(5,2)", '"1000" is not a decimal(5,2)'),
    "int_boolean": (pa.array([1, 2]), "boolean", '"2" is not a boolean'),
    "text_boolean": (pa.array(["true", "yes"]), "boolean", '"yes" is not a boolean'),
    "time_date": (pa.array([DAY, LATE], pa.timestamp("us")), "date", '"2026-01-02 23:59:00" is not a date'),
    "instant_date": (pa.array([DAY, LATE], pa.timestamp("us", "UTC")), "date", '"2026-01-02 23:59:00+00" is not a date'),
    "text_date": (pa.array(["2026-01-02", "2026-01-02 23:59:00"]), "date", '"2026-01-02 23:59:00" is not a date'),
    "date_int": (pa.array([None, DAY.date()]), "int", '"2026-01-02" is not an int'),
    "text_binary": (pa.array(["00ff", "xy"]), "binary", '"xy" is not a binary'),
    "large_float": (pa.array(["0.1", "1e300"]), "float", '"1e300" is not a float'),
    "list_int": (pa.array([None, [2]]), "int", '"[2]" is not an int'),
}
EXACT = {
    "decimals": (decimals(2, "12.00", None), "int", [12, None]),
    "doubles": (pa.array([12.0, -0.0]), "int", [12, 0]),
    "texts": (pa.array(["12", None]), "int", [12, None]),
    "prices": (pa.array(["1.2", "-3.4500"]), "decimal(10,2)", [Decimal("1.20"), Decimal("-3.45")]),
    "scales": (decimals(4, "1.2300", "4"), "decimal(10,2)", [Decimal("1.23"), Decimal(4)]),
    "fractions": (pa.array([0.1, 1.25]), "decimal(5,2)", [Decimal("0.10"), Decimal("1.25")]),
    "nearest": (pa.array(["0.1", None]), "float", pa.array([0.1, None], pa.float32()).to_pylist()),
    "approximate": (decimals(2, "0.10", None), "double", [0.1, None]),
    "flags": (pa.array(["true", "F"]), "boolean", [True, False]),
    "days": (pa.array([DAY, None], pa.timestamp("us")), "date", [DAY.date(), None]),
    "instants": (pa.array(["2026-01-02 23:59:00", "2026-01-03 00:59:00+01:00"]), "timestamptz", [LATE.replace(tzinfo=dt.UTC)] * 2),
    "bytes": (pa.array(["00ff", ""]), "binary", [b"\0\xff", b""]),
}


def test_values_of_parquet_files(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "America/New_York")
    cases = LOSSY | EXACT
    tables = [{"name": f"shop.{name}", "primary_key": ["id"], "active": True, "columns": {"v": kind}, "bad_rows": "quarantine"}
              for name, (_, kind, _) in cases.items()]
    with Sluice(tmp_path, source={"engine": "dms"}, lake={"format": "iceberg"}, tables=tables, threads=1) as sluice:
        for name, (values, _, _) in cases.items():
            folder = sluice.raw / "shop" / name
            folder.mkdir(parents=True)
            # Two files, so that the error has to say which.
            for i in range(2):
                pq.write_table(pa.table({"Op": ["I"], "id": pa.array([i], pa.int32()), "v": values.slice(i, 1)}), folder / f"LOAD{i + 1:08}.parquet")
        lines = sluice.run("load", ok=(3,)).stderr.splitlines()
        for name, (_, _, what) in LOSSY.items():
            said = [line for line in lines if f"loading shop.{name}: " in line]
            want = f'shop/{name}/LOAD00000002.parquet, column "v": {what}; correct the file'
            assert len(said) == 1 and want in said[0], (name, said)
            assert not (sluice.lake / name / "metadata").exists() or not list((sluice.lake / name).glob("data/*"))
        for name, (_, _, want) in EXACT.items():
            rows = sorted(sluice.iceberg_table(name).scan().to_arrow().to_pylist(), key=lambda r: r["id"])
            assert [r["v"] for r in rows] == want, name


def test_wider_types_of_parquet_files(tmp_path):
    """The column becomes as wide as the file's, as it does for values of CSV files, and the log says so."""
    table = {"name": "shop.t", "primary_key": ["id"], "active": True, "columns": {"id": "int", "n": "int", "f": "float", "p": "decimal(5,2)"}}
    with Sluice(tmp_path, source={"engine": "dms"}, lake={"format": "iceberg"}, tables=[table], threads=1) as sluice:
        folder = sluice.raw / "shop" / "t"
        folder.mkdir(parents=True)
        values = {"Op": ["I"], "id": pa.array([1], pa.int32()), "n": pa.array([2**40]), "f": pa.array([1e300]), "p": decimals(2, "12345.67")}
        pq.write_table(pa.table(values), folder / "LOAD00000001.parquet")
        said = sluice.run("load").stderr
        for name, is_now, declared in (("n", "bigint", "int"), ("f", "double", "float"), ("p", "decimal(12,2)", "decimal(5,2)")):
            assert f'shop.t: wider column types, because shop/t/LOAD00000001.parquet, column "{name}" is {is_now}, and {declared} was declared' in said
        assert said.count("wider column types") == 3
        assert sluice.iceberg_table("t").scan().to_arrow().to_pylist() == [{"Op": "I", "id": 1, "n": 2**40, "f": 1e300, "p": Decimal("12345.67")}]


def test_values_of_captured_files():
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB(binlog_row_metadata="FULL") as server:
        server.sql("create database shop; use shop; create table t (id int primary key, price decimal(10,4)); insert into t values (1, 1.25)")
        table = {"name": "shop.t", "active": True, "columns": {"price": "decimal(10,2)"}}
        with Sluice(source=server.source_config("shop"), lake={"format": "iceberg"}, raw={"data_format": "parquet"}, tables=[table]) as sluice:
            sluice.run("capture", "--until-current")
            sluice.run("load")
            assert sluice.iceberg_table("t").scan().to_arrow()["price"].to_pylist() == [Decimal("1.25")]
            server.sql("use shop; insert into t values (2, 1.2345)")
            sluice.run("capture", "--until-current")
            assert 'column "price": "1.2345" is not a decimal(10,2)' in sluice.run("load", ok=(3,)).stderr
            assert sluice.iceberg_table("t").scan().to_arrow().num_rows == 1
