"""Memory is bounded and time is linear, however large the table, the file or the transaction.

`make test-scale` (SLUICE_SCALE_GB=3) loads a table of 3 GB within memory_limit 512MB; the default is a tenth of it in a
fifth of the memory.
"""

import os

import pytest

from tests.harness.measure import measure_sluice, peak_of
from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice, wait_until

MB = 1 << 20
TABLE_MB = int(float(os.environ.get("SLUICE_SCALE_GB", "0.3")) * 1024)
LIMIT_MB = 512 if TABLE_MB > 1024 else 128
BESIDE_LIMIT_MB = 192  # the program itself, libraries, I/O buffers: what memory_limit does not count
TRANSACTION_ROWS = int(os.environ.get("SLUICE_SCALE_ROWS", 2_000_000))


def dms(tables, **config):
    return Sluice(source={"engine": "dms"}, tables=tables, **config)


def write_changes(path, changes, keys):
    """Each key in turn, with the number of the change; the last round decides. Every 7th key is deleted by its last change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as out:
        out.write("Op,id,n,name\n")
        for start in range(0, changes, keys):
            last = start + keys >= changes
            out.write("".join(f"{'D' if last and k % 7 == 0 else 'U'},{k},{start + k},name {k} of {start}\n" for k in range(keys)))


def test_a_million_changes_of_a_thousand_keys():
    changes, keys = 1_000_000, 1000
    table = {"name": "shop.hot", "active": True, "primary_key": ["id"], "columns": {"id": "bigint", "n": "bigint", "name": "varchar"}}
    with dms([table], memory_limit="256MB") as sluice:
        folder = sluice.raw / "shop" / "hot"
        folder.mkdir(parents=True)
        (folder / "LOAD00000001.csv").write_text("id,n,name\n" + "".join(f"{k},-1,old\n" for k in range(0, 2 * keys)))
        sluice.run("load")
        write_changes(folder / "20261101-101500000.csv", changes, keys)
        cost = measure_sluice(sluice, "load")
        last = changes - keys
        rows = {int(r["id"]): r for r in sluice.query("select id, n, name from shop.hot")}
        assert set(rows) == {k for k in range(keys) if k % 7} | set(range(keys, 2 * keys))
        assert all(int(rows[k]["n"]) == last + k and rows[k]["name"] == f"name {k} of {last}" for k in range(keys) if k % 7)
        assert all(int(rows[k]["n"]) == -1 for k in range(keys, 2 * keys))
        assert cost.peak_bytes < (256 + BESIDE_LIMIT_MB) * MB


def write_large_table(folder, size_mb, file_mb=256):
    """CSV files of random-looking rows. Returns how many rows there are and the sum of n."""
    folder.mkdir(parents=True)
    rows = total = files = written = 0
    while written < size_mb * MB:
        files += 1
        in_file = 0
        with (folder / f"LOAD{files:08X}.csv").open("w") as out:
            out.write("id,n,amount,at,name\n")
            while in_file < file_mb * MB and written + in_file < size_mb * MB:
                block = []
                for _ in range(20_000):
                    n = rows * 2654435761 % 4294967296
                    block.append(f"{rows},{n},{n % 100000}.{rows % 100:02},2026-{n % 12 + 1:02}-{n % 28 + 1:02} 10:11:12,name {n:x} of {rows * 7919 % 1000003:x} {n * 31:x}\n")
                    rows, total = rows + 1, total + n
                in_file += out.write("".join(block))
        written += in_file
    return rows, total


@pytest.mark.timeout(1800)
def test_a_large_table_loads_within_the_memory_limit():
    table = {"name": "shop.large", "active": True, "primary_key": ["id"],
             "columns": {"id": "bigint", "n": "bigint", "amount": "decimal(12,2)", "at": "timestamp", "name": "varchar"}}
    with dms([table], memory_limit=f"{LIMIT_MB}MB") as sluice:
        rows, total = write_large_table(sluice.raw / "shop" / "large", TABLE_MB)
        full = measure_sluice(sluice, "load", timeout=1500)
        assert count_of(sluice) == (rows, total, rows)
        changes = sluice.raw / "shop" / "large" / "20991101-101500000.csv"
        changes.write_text("Op,id,n,amount,at,name\n" + "".join(f"U,{rows * i // 5000},0,0.5,2026-01-01 00:00:00,changed\n" for i in range(5000)))
        increment = measure_sluice(sluice, "load", timeout=1500)
        assert int(sluice.query("select count(*) as c from shop.large where name = 'changed'")[0]["c"]) == 5000
        print(f"{TABLE_MB} MB, {rows} rows, memory_limit {LIMIT_MB} MB: full load {full.wall_s:.1f} s, peak {full.peak_bytes / MB:.0f} MB; "
              f"5,000 changes all over it {increment.wall_s:.1f} s, peak {increment.peak_bytes / MB:.0f} MB")
        assert max(full.peak_bytes, increment.peak_bytes) < (LIMIT_MB + BESIDE_LIMIT_MB) * MB


def count_of(sluice):
    row = sluice.query("select count(*) as c, sum(n) as s, count(distinct id) as d from shop.large")[0]
    return int(row["c"]), int(row["s"]), int(row["d"])


@pytest.mark.parametrize("kind", [MariaDB, MySQL80])
def test_capture_stays_within_64_mb(kind):
    """A full load, a transaction of millions of rows, and rows of megabytes."""
    if kind.unavailable():
        pytest.skip(kind.unavailable())
    with kind(max_binlog_size="1G") as server:
        server.sql("create database shop; create table shop.big (id int primary key, n bigint, name varchar(60)); create table shop.digits (d int primary key);"
                   "create table shop.blobs (id int primary key, b longblob); insert into shop.digits values (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
        rows = TRANSACTION_ROWS if kind is MariaDB else TRANSACTION_ROWS // 4  # one of them will do
        fill(server, 0, rows // 10)
        with Sluice(source=server.source_config("shop"), raw={"cdc_max_batch_interval": "200ms"}) as sluice:
            peaks = {"full load": measure_sluice(sluice, "capture", "--until-current").peak_bytes}
            fill(server, 10_000_000, rows)
            peaks["large transaction"] = measure_sluice(sluice, "capture", "--until-current").peak_bytes
            for i in range(20):
                server.sql(f"insert into shop.blobs values ({i}, repeat('x', {1 << 20})); update shop.big set name = 'x' where id = {i}")
            peaks["large values"] = measure_sluice(sluice, "capture", "--until-current").peak_bytes
            lines = sum(path.read_bytes().count(b"\n") - 1 for path in (sluice.raw / "shop" / "big").glob("*.csv"))
            assert lines == rows // 10 + rows + 20
            print({name: f"{peak / MB:.0f} MB" for name, peak in peaks.items()})
            assert max(peaks.values()) <= 64 * MB, {name: f"{peak / MB:.1f} MB" for name, peak in peaks.items()}


def fill(server, first, rows):
    digits = "+".join(f"{10 ** i} * d{i}.d" for i in range(7))
    source = ", ".join(f"digits d{i}" for i in range(7))
    server.sql(f"insert into big select {first} + n, n * 3, concat('name of row ', n) from (select {digits} as n from {source}) numbers where n < {rows}", "shop")


ALTERS = "alter table t add column c{i} int; insert into t (name) values ('x'); alter table t drop column c{i};"


@pytest.mark.parametrize("change, rounds, allowed", [
    pytest.param("", 600, MB, id="batches"),
    pytest.param(ALTERS, 100, 4 * MB, id="definitions")])
def test_a_running_capture_does_not_grow(change, rounds, allowed):
    """Many batches of a few rows, and many definitions: what is done is given back."""
    with MariaDB() as server:
        server.sql("create database shop; create table shop.t (id int primary key auto_increment, name varchar(200))")
        with Sluice(source=server.source_config("shop"), raw={"cdc_max_batch_interval": "1ms"}) as sluice:
            process = sluice.start("capture")
            folder = sluice.raw / "shop" / "t"

            def write(count, name):
                for i in range(count):
                    server.sql(f"insert into t (name) values (repeat('x', 200)); {change.format(i=i)} insert into t (name) values ('{name}')", "shop")
                server.sql(f"insert into t (name) values ('end of {name}')", "shop")
                wait_until(lambda: any(f"end of {name}" in path.read_text() for path in sorted(folder.glob("*.csv"))[-3:]), "capture has caught up", process=process)

            write(50, "warming up")
            before = peak_of(process.pid)
            write(rounds, "measuring")
            assert peak_of(process.pid) - before < allowed
