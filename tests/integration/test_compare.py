"""The comparison itself: it must see every difference, and none where there is none."""

import datetime
from decimal import Decimal

import duckdb
import pytest

from tests.harness.compare import canonical, difference, parquet_rows, source_columns, source_rows
from tests.harness.servers import MariaDB

SAME = [
    ("decimal", Decimal("1.50"), 1.5, "1.500"),
    ("decimal", Decimal("100"), 100, "100.00"),
    ("tinyint", 1, True, "true"),
    ("bigint", 9007199254740993, 9007199254740993, "9007199254740993"),
    ("double", 1e20, 1e20, "1e+20"),
    ("double", 0.0, -0.0, "0.0"),
    ("float", 1.2345678806304932, 1.2345678806304932, "1.2345679"),
    ("varbinary", b"a\x00\xff", bytearray(b"a\x00\xff"), "a\\x00\\xFF"),
    ("bit", b"\x01\x02", 258, "258"),
    ("datetime", datetime.datetime(2026, 1, 2, 3, 4, 5, 500000), "2026-01-02T03:04:05.500000", "2026-01-02 03:04:05.5"),
    ("timestamp", datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.timezone.utc), "2026-01-02 03:00:00", "2026-01-02 03:00:00+00"),
    ("time", datetime.timedelta(hours=10, microseconds=500000), datetime.time(10, 0, 0, 500000), "10:00:00.5"),
    ("time", datetime.timedelta(hours=-800), "-800:00:00", "-800:00:00.000000"),
    ("date", datetime.date(2026, 1, 2), "2026-01-02", "2026-01-02"),
    ("json", '{"b": 1, "a": [1,2]}', '{"a":[1, 2],"b":1}', b'{"a":[1,2],"b":1}'),
    ("varchar", "NULL", "NULL", b"NULL"),
]


@pytest.mark.parametrize("data_type, values", [(row[0], row[1:]) for row in SAME])
def test_equal_values_have_one_canonical_text(data_type, values):
    assert len({canonical(v, data_type) for v in values}) == 1


@pytest.mark.parametrize("data_type, a, b", [
    ("varchar", "", None), ("varchar", "NULL", None), ("varchar", "1.0", "1"), ("varchar", "a ", "a"),
    ("bigint", 9007199254740993, 9007199254740992), ("datetime", "2026-01-01 00:00:00.1", "2026-01-01 00:00:00.01"),
    ("varbinary", b"", None), ("varbinary", b"\x00", b""), ("decimal", Decimal("0.1"), Decimal("0.10001")),
])
def test_different_values_stay_different(data_type, a, b):
    assert canonical(a, data_type) != canonical(b, data_type)


def test_difference_names_row_and_column():
    columns = [("id", "int"), ("name", "varchar")]
    assert difference([("1", "a"), ("1", "a")], [("1", "a"), ("1", "a")], columns) is None
    assert "1 missing" in difference([("1", "a"), ("1", "a")], [("1", "a")], columns)
    text = difference([("1", "a"), ("2", "b")], [("1", "x"), ("3", None)], columns, key=["id"])
    assert "differs  id='1': name: source 'a', lake 'x'" in text
    assert "- only in source: id='2', name='b'" in text
    assert "+ only in lake: id='3', name=NULL" in text


def test_a_table_equals_its_copy_in_parquet(tmp_path):
    with MariaDB() as server:
        server.sql("""create database shop; create table shop.t (id int primary key, f float, d double, price decimal(10,2),
            name varchar(20), raw varbinary(10), seen datetime(3), doc json);
            insert into shop.t values (1, 0.1, 0.1, 1.50, 'a', x'00ff', '2026-01-02 03:04:05.678', '{"a": 1}'),
                                      (2, null, null, null, null, null, null, null), (3, 16777217, -0.0, -0.00, '', '', '1000-01-01', '[]')""")
        columns = source_columns(server, "shop", "t")
        assert dict(columns)["doc"] == "json"
        want = source_rows(server, "shop", "t", columns)
    with duckdb.connect() as connection:
        connection.execute("""create table t (id int, f float, d double, price decimal(10,2), name text, raw blob, seen timestamp, doc text);
            insert into t values (1, 0.1, 0.1, 1.5, 'a', '\\x00\\xFF'::blob, '2026-01-02 03:04:05.678', '{"a":1}'),
                (2, null, null, null, null, null, null, null), (3, 16777217, 0.0, 0, '', ''::blob, '1000-01-01', '[]')""")
        connection.execute(f"copy t to '{tmp_path}/part.parquet' (format parquet)")
    assert difference(want, parquet_rows(tmp_path, columns), columns, key=["id"]) is None
