"""Replication, end to end: a server's table and its log into raw files and a lake, against the plain tools that do a part of it.

full load      capture --full-load-only     against   mariadb -e 'SELECT …' --quick > file
binlog         capture --until-current      against   mariadb-binlog --raw --read-from-remote-server
initial load   load                         against   DuckDB: CSV to one Parquet file
increment      load                         against   DuckDB: merge by rewriting the table
"""

import os
import shutil
import tempfile
from pathlib import Path

import peer
from report import MEMORY, RUNS, THREADS, checked, median, say, show, size_of

from tests.harness.measure import measure, measure_sluice
from tests.harness.servers import PASSWORD, USER, MariaDB, MySQL80
from tests.harness.sluice import Sluice

ROWS = int(os.environ.get("BENCH_ROWS", 2_000_000))
CHANGES = int(os.environ.get("BENCH_CHANGES", 1_000_000))
SERVER = {"mariadb": MariaDB, "mysql80": MySQL80}[os.environ.get("BENCH_SERVER", "mariadb")]
CHANGED_SHARE = 100  # of an increment: one row in a hundred
PER_TRANSACTION = 1000

TABLE = """create table big (id bigint primary key, customer int not null, status varchar(20) not null, amount decimal(12,2) not null,
    created datetime not null, note varchar(100), ratio double)"""
COLUMNS = {"id": "BIGINT", "customer": "INTEGER", "status": "VARCHAR", "amount": "DECIMAL(12,2)", "created": "TIMESTAMP",
           "note": "VARCHAR", "ratio": "DOUBLE"}
ROW = """n, n * 7919 % 100003, elt(n % 4 + 1, 'new', 'paid', 'shipped', 'returned, "partly"'), n % 1000000 / 100,
    timestamp'2026-01-01 00:00:00' + interval n % 31536000 second, if(n % 10 = 0, null, concat('note of order ', n, ' from shelf ', n % 977)), n / 7"""


# --- the source ---


CHUNK = 100_000


def numbers(first, rows):
    """A sub-select of up to CHUNK numbers, as n."""
    digits = "+".join(f"{10 ** i} * d{i}.d" for i in range(5))
    return f"(select {first} + {digits} as n from " + ", ".join(f"digits d{i}" for i in range(5)) + f" where {digits} < {rows}) numbers"


def fill(server):
    say(f"filling the source with {ROWS:,} rows")
    server.sql(f"create database shop; use shop; {TABLE}; create table digits (d int primary key);"
               "insert into digits values (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
    for first in range(0, ROWS, CHUNK):
        server.sql(f"insert into big select {ROW} from {numbers(first, min(CHUNK, ROWS - first))}", "shop")


def write_changes(server):
    """60 % inserts, 30 % updates, 10 % deletes, in transactions of a thousand rows."""
    say(f"writing {CHANGES:,} changes")
    written = 0
    with server.connect("shop") as connection, connection.cursor() as cursor:
        for number in range(CHANGES // PER_TRANSACTION):
            first, old = ROWS + number * PER_TRANSACTION, number * PER_TRANSACTION % (ROWS - PER_TRANSACTION)
            inserted, updated, deleted = PER_TRANSACTION * 6 // 10, PER_TRANSACTION * 3 // 10, PER_TRANSACTION // 10
            cursor.execute("begin")
            written += cursor.execute(f"insert into big select {ROW} from {numbers(first, inserted)}")
            written += cursor.execute(f"update big set status = 'changed', amount = amount + 1 where id >= {old} and id < {old + updated}")
            written += cursor.execute(f"delete from big where id >= {old + updated} and id < {old + updated + deleted}")
            cursor.execute("commit")
    return written


def client(server, program, *args):
    return [program, "--no-defaults", "--host=127.0.0.1", f"--port={server.port}", f"--user={USER}", f"--password={PASSWORD}", *args]


# --- the measurements: each returns (ours, theirs) ---


def full_load(server, sluice, work):
    ours, theirs = [], []
    for _ in range(RUNS):
        for path in (sluice.raw, sluice.folder / "state.db"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        ours.append(measure_sluice(sluice, "capture", "--full-load-only"))
        with (work / "select.txt").open("wb") as out:
            theirs.append(checked(measure(client(server, "mariadb", "--quick", "-e", "SELECT * FROM big", "shop"), stdout=out)))
    result = median(ours, ROWS, size_of(sluice.raw)), median(theirs, ROWS, size_of(work / "select.txt"))
    (work / "select.txt").unlink()
    return result


def binlog(server, sluice, work):
    """Both read the same log from its beginning: ours from where the full load stands."""
    before = keep(sluice, work)
    server.sql("flush binary logs")
    log = last_log(server)
    rows = write_changes(server)
    size = dict((name, size) for name, size, *_ in server.sql("show binary logs"))[log]
    ours, theirs = [], []
    for _ in range(RUNS):
        restore(sluice, before)
        ours.append(measure_sluice(sluice, "capture", "--until-current"))
        copy = work / "binlog"
        copy.mkdir()
        theirs.append(checked(measure(client(server, "mariadb-binlog", "--raw", "--read-from-remote-server", f"--result-file={copy}/", log))))
        shutil.rmtree(copy)
    restore(sluice, before)
    return median(ours, rows, size), median(theirs, rows, size)


def last_log(server):
    return server.sql("show binary logs")[-1][0]


def initial_load(captured, sluice, work):
    """Of the files of the full load, as if AWS DMS had written them."""
    raw = sluice.raw / "shop" / "big"
    shutil.copytree(captured.raw / "shop" / "big", raw)
    before = keep(sluice, work)
    ours, theirs = [], []
    for _ in range(RUNS):
        restore(sluice, before)
        ours.append(measure_sluice(sluice, "load"))
        theirs.append(duckdb("initial_csv", raw, work / "duckdb"))
    return median(ours, ROWS, size_of(raw)), median(theirs, ROWS, size_of(raw))


def increment(sluice, work, scattered):
    """One row in a hundred changes: all over the table, or the newest ones."""
    count = ROWS // CHANGED_SHARE
    path = sluice.raw / "shop" / "big" / "20991101-101500000.csv"
    before = keep(sluice, work)
    write_change_file(path, count, scattered)
    ours, theirs = [], []
    for _ in range(RUNS):
        restore(sluice, before)
        write_change_file(path, count, scattered)
        ours.append(measure_sluice(sluice, "load"))
        peer.copy_table(work / "duckdb", work / "duckdb-merged")
        theirs.append(duckdb("changes", path.parent, work / "duckdb-merged"))
    size = size_of(path)
    restore(sluice, before)
    return median(ours, count, size), median(theirs, count, size)


def write_change_file(path, count, scattered):
    with path.open("w") as out:
        out.write("Op,id,customer,status,amount,created,note,ratio\n")
        for i in range(count):
            key = i * CHANGED_SHARE if scattered else ROWS - count + i
            out.write(f"{'D' if i % 10 == 0 else 'U'},{key},1,changed,{i}.50,2026-11-01 10:15:00,changed {i},0.5\n")


def duckdb(verb, raw, table):
    return checked(measure(peer.command("duckdb", verb, raw, table, COLUMNS, MEMORY, THREADS)))


def keep(sluice, work):
    copy = Path(tempfile.mkdtemp(dir=work))
    shutil.copytree(sluice.folder, copy / "kept")
    return copy / "kept"


def restore(sluice, copy):
    shutil.rmtree(sluice.folder)
    shutil.copytree(copy, sluice.folder)


# --- the table ---

HEAD = ["", "rows", "seconds", "rows/s", "MB/s", "CPU s", "peak MB", "time ratio", "CPU ratio"]


def lines_of(name, peer, ours, theirs):
    def cells(label, result, ratios):
        return [label, f"{result.rows:,}", f"{result.wall_s:.2f}", f"{result.rows_per_s:,.0f}", f"{result.mb_per_s:.1f}", f"{result.cpu_s:.2f}",
                f"{result.peak_mb:.0f}", *ratios]

    return [cells(name, ours, [f"{ours.wall_s / theirs.wall_s:.2f}", f"{ours.cpu_s / theirs.cpu_s:.2f}"]), cells(f"  {peer}", theirs, ["", ""])]


def main():
    rows = [HEAD]
    # Beside the repository's build, so that it is the machine's disk and not its memory that is written.
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        work = Path(folder)
        table = {"name": "shop.big", "active": True, "primary_key": ["id"]}
        with SERVER(max_binlog_size="1G") as server:
            fill(server)
            # Files of one size: cutting them is not what is measured.
            with Sluice(folder=work / "sluice", source=server.source_config("shop", table_filter="big"), tables=[table], memory_limit=MEMORY,
                        threads=THREADS) as sluice:
                say(f"measuring, {RUNS} runs each")
                rows += lines_of("full load", "mariadb --quick > file", *full_load(server, sluice, work))
                rows += lines_of("binlog", "mariadb-binlog --raw", *binlog(server, sluice, work))
                server.stop()
                with Sluice(folder=work / "loaded", source={"engine": "dms"}, tables=[{**table, "columns": COLUMNS}], memory_limit=MEMORY,
                            threads=THREADS) as loaded:
                    rows += lines_of("initial load", "DuckDB, CSV to Parquet", *initial_load(sluice, loaded, work))
                    rows += lines_of("increment, 1 % scattered", "DuckDB, full rewrite", *increment(loaded, work, True))
                    rows += lines_of("increment, 1 % newest", "DuckDB, full rewrite", *increment(loaded, work, False))
    show(rows)
    print(f"\n{SERVER.__name__}, {THREADS} cores, memory_limit {MEMORY}, medians of {RUNS} runs; ratio = sluice / peer, below 1 is better than the peer")
