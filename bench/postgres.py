"""PostgreSQL as the source, against the plain tools that do a part of the work.

changes        capture --until-current, slot to raw CSV   against   pg_recvlogical -f /dev/null, Debezium embedded that counts
full load      capture --full-load-only, 1 and 2 streams  against   psql -c '\\copy … to file csv'
to the lake    capture --full-load-only, then load        by itself: rows per CPU-second of all processes
transaction    capture --until-current, one of many rows  by itself: peak memory
"""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from report import MEMORY, ROOT, RUNS, THREADS, checked, median, say, show, size_of

from tests.harness.measure import measure, measure_sluice
from tests.harness.servers import PASSWORD, USER, PostgreSQL15, PostgreSQL18
from tests.harness.sluice import Sluice

ROWS = int(os.environ.get("BENCH_PG_ROWS", 10_000_000))
CHANGES = int(os.environ.get("BENCH_PG_CHANGES", 1_500_000))
TAXI_ROWS = int(os.environ.get("BENCH_PG_TAXI_ROWS", 3_000_000))
BIG_TRANSACTION = int(os.environ.get("BENCH_PG_TRANSACTION", 5_000_000))
SERVER = {"postgres15": PostgreSQL15, "postgres18": PostgreSQL18}[os.environ.get("BENCH_PG_SERVER", "postgres15")]
PER_TRANSACTION = 5000
DATABASE = "shop"
PUBLICATION = "bench"  # of all tables; ours and the peers'
DEBEZIUM_JARS = ROOT / ".deps" / "debezium"
TIMEOUT_S = 3600

TABLE = """create table {name} (id bigint primary key, customer int not null, status varchar(20) not null, amount numeric(12,2) not null,
    created timestamp not null, note varchar(100), ratio double precision)"""
ROW = """n, n * 7919 % 100003, (array['new', 'paid', 'shipped', 'returned, "partly"'])[n % 4 + 1], n % 1000000 / 100.0,
    timestamp '2026-01-01' + (n % 31536000) * interval '1 second', case when n % 10 > 0 then 'note of order ' || n || ' from shelf ' || n % 977 end,
    n / 7.0"""
# The columns of New York's yellow taxi trips.
TAXI = """create table taxi (vendor_id int, pickup timestamp, dropoff timestamp, passenger_count int, trip_distance double precision,
    rate_code int, store_and_fwd varchar(1), pu_location int, do_location int, payment_type int, fare double precision, extra double precision,
    mta_tax double precision, tip double precision, tolls double precision, improvement double precision, total double precision,
    congestion double precision, airport_fee double precision)"""
TAXI_ROW = """(n % 2 + 1)::int, timestamp '2026-01-01' + (n % 2592000) * interval '1 second', timestamp '2026-01-01' + (n % 2592000 + 60 + n % 1700) * interval '1 second',
    n % 6 + 1, n % 1700 / 100.0, 1, case n % 50 when 0 then 'Y' else 'N' end, n % 265 + 1, n * 7 % 265 + 1, n % 4 + 1, n % 5000 / 100.0 + 3, n % 3 * 0.5,
    0.5, n % 900 / 100.0, case n % 20 when 0 then 6.55 else 0 end, 1.0, n % 7000 / 100.0 + 5, 2.5, case n % 11 when 0 then 1.75 else 0 end"""


def task(server, folder, name, table, **config):
    """A task of one table."""
    source = server.source_config(DATABASE, table_filter=table, publication=PUBLICATION, **config.pop("source", {})) | {"host": str(server.folder)}
    return Sluice(folder=folder / name, task=name, source=source, memory_limit=MEMORY, threads=THREADS,
                  tables=[{"name": f"public.{table}", "active": True}], **config)


@contextmanager
def fresh_task(server, folder, table, **config):
    """A task of one table, of which nothing is left afterwards."""
    with task(server, folder, table, table, **config) as sluice:
        yield sluice
    shutil.rmtree(sluice.folder)
    server.drop_slots()


# --- changes ---


def write_changes(server):
    """Two thirds inserts, in transactions of PER_TRANSACTION rows, then updates of half of them."""
    say(f"writing {CHANGES:,} changes")
    inserts = CHANGES * 2 // 3 // PER_TRANSACTION * PER_TRANSACTION
    updates = CHANGES // 3 // PER_TRANSACTION * PER_TRANSACTION
    for first in range(0, inserts, PER_TRANSACTION):
        server.sql(f"insert into big select {ROW} from generate_series({first}::bigint, {first + PER_TRANSACTION - 1}) n", DATABASE)
    for first in range(0, updates, PER_TRANSACTION):
        server.sql(f"update big set status = 'changed', amount = amount + 1 where id between {first} and {first + PER_TRANSACTION - 1}", DATABASE)
    return inserts + updates


def make_slot(server, name):
    server.sql(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')", DATABASE)


def recvlogical(server, slot, end):
    command = [server.home / "bin" / "pg_recvlogical", "-h", server.folder, "-p", server.port, "-U", "postgres", "-d", DATABASE, "-S", slot, "--start",
               f"--endpos={end}", "-f", "/dev/null", "-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}"]
    if not (server.home / "bin" / "pg_recvlogical").exists():
        command[0] = PostgreSQL15.home / "bin" / "pg_recvlogical"
    return checked(measure(command, timeout=TIMEOUT_S))


def debezium(server, work, slot, events):
    properties = {
        "name": "bench", "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": "bench",
        "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore", "offset.flush.interval.ms": 60000,
        "database.hostname": "127.0.0.1", "database.port": server.port, "database.user": USER, "database.password": PASSWORD,
        "database.dbname": DATABASE, "plugin.name": "pgoutput", "slot.name": slot, "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled", "snapshot.mode": "no_data",
    }
    (work / "debezium.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    return checked(measure(["java", "-Xmx2g", "-cp", f"{DEBEZIUM_JARS}/*", ROOT / "bench" / "debezium" / "Counter.java", work / "debezium.properties", events],
                           timeout=TIMEOUT_S))


def changes(server, work):
    """Every run of every tool has a slot of its own, made before the changes; the tools take turns."""
    server.sql(TABLE.format(name="big"), DATABASE)
    tasks = []
    for run in range(RUNS):
        tasks.append(task(server, work, f"changes{run}", "big"))
        measure_sluice(tasks[run], "capture", "--until-current")  # of the empty table; makes the slot
        make_slot(server, f"recvlogical{run}")
        make_slot(server, f"debezium{run}")
    count = write_changes(server)
    end = server.sql("select pg_current_wal_lsn()")[0][0]
    costs = {"sluice": [], "pg_recvlogical > /dev/null": [], "Debezium embedded, counting": []}
    for run in range(RUNS):
        costs["pg_recvlogical > /dev/null"].append(recvlogical(server, f"recvlogical{run}", end))
        costs["sluice"].append(measure_sluice(tasks[run], "capture", "--until-current", timeout=TIMEOUT_S))
        costs["Debezium embedded, counting"].append(debezium(server, work, f"debezium{run}", count))
    for used in tasks:
        shutil.rmtree(used.folder)
    server.drop_slots()
    return {tool: median(of_tool, count) for tool, of_tool in costs.items()}


# --- full load ---


def fill(server, table, definition, row, rows):
    say(f"filling {table} with {rows:,} rows")
    server.sql(definition, DATABASE)
    for first in range(0, rows, 1_000_000):
        server.sql(f"insert into {table} select {row} from generate_series({first}::bigint, {min(first + 1_000_000, rows) - 1}) n", DATABASE)
    server.sql(f"vacuum analyze {table}", DATABASE)


def full_load(server, work):
    fill(server, "orders", TABLE.format(name="orders"), ROW, ROWS)
    costs = {"psql \\copy to a file": [], "sluice, 1 stream": [], "sluice, 2 streams": []}
    size = 0
    for _ in range(RUNS):
        copy = work / "copy.csv"
        costs["psql \\copy to a file"].append(checked(measure(
            ["psql", "-q", "-h", server.folder, "-p", server.port, "-U", "postgres", DATABASE, "-c", f"\\copy orders to '{copy}' csv"], timeout=TIMEOUT_S)))
        copy.unlink()
        for streams, label in (1, "sluice, 1 stream"), (2, "sluice, 2 streams"):
            with fresh_task(server, work, "orders", source={"max_full_load_sub_tasks": streams}) as sluice:
                costs[label].append(measure_sluice(sluice, "capture", "--full-load-only", timeout=TIMEOUT_S))
                size = size_of(sluice.raw)
    return {tool: median(of_tool, ROWS, size) for tool, of_tool in costs.items()}


def to_the_lake(server, work):
    """All processes of ours, from the table to Iceberg: rows per CPU-second."""
    fill(server, "taxi", TAXI, TAXI_ROW, TAXI_ROWS)
    results = {}
    for data_format in "parquet", "csv":
        costs = []
        for _ in range(RUNS):
            raw = {"data_format": data_format, "include_op_for_full_load": True}
            with fresh_task(server, work, "taxi", raw=raw, lake={"format": "iceberg"}) as sluice:
                captured = measure_sluice(sluice, "capture", "--full-load-only", timeout=TIMEOUT_S)
                loaded = measure_sluice(sluice, "load", timeout=TIMEOUT_S)
                captured.wall_s += loaded.wall_s
                captured.cpu_s += loaded.cpu_s
                captured.peak_bytes = max(captured.peak_bytes, loaded.peak_bytes)
                costs.append(captured)
        results[f"sluice, through {data_format}"] = median(costs, TAXI_ROWS)
    return results


# --- one transaction ---


def transaction(server, work):
    server.sql(TABLE.format(name="bulk"), DATABASE)
    with fresh_task(server, work, "bulk") as sluice:
        measure_sluice(sluice, "capture", "--until-current")  # makes the slot
        say(f"writing a transaction of {BIG_TRANSACTION:,} rows")
        server.sql(f"insert into bulk select {ROW} from generate_series(1::bigint, {BIG_TRANSACTION}) n", DATABASE)
        cost = measure_sluice(sluice, "capture", "--until-current", timeout=TIMEOUT_S)
    return {"sluice": median([cost], BIG_TRANSACTION)}


# --- the table ---

HEAD = ["", "rows", "seconds", "rows/s", "CPU s", "rows/CPU s", "peak MB", "rate / first", "CPU / first"]


def lines_of(name, of_tools):
    yield [name] + [""] * (len(HEAD) - 1)
    first = next(iter(of_tools.values()))
    for label, r in of_tools.items():
        ratios = ["", ""] if r is first else [f"{r.rows_per_s / first.rows_per_s:.2f}", f"{r.cpu_s / first.cpu_s:.2f}"]
        yield [f"  {label}", f"{r.rows:,}", f"{r.wall_s:.2f}", f"{r.rows_per_s:,.0f}", f"{r.cpu_s:.2f}", f"{r.rows / r.cpu_s:,.0f}", f"{r.peak_mb:.0f}", *ratios]


WORKS = {"changes": changes, "full load": full_load, "full load to the lake": to_the_lake, "one transaction": transaction}


def main():
    chosen = os.environ.get("BENCH_PG_WORKS", ",".join(WORKS)).split(",")
    rows = [HEAD]
    # Beside the repository's build, so that it is the machine's disk and not its memory that is written.
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        with SERVER(max_wal_size="16GB", shared_buffers="512MB", checkpoint_timeout="1h") as server:
            server.database(DATABASE, PUBLICATION)
            for name in chosen:
                rows += lines_of(name, WORKS[name](server, Path(folder)))
    show(rows)
    print(f"\n{SERVER.__name__}, {THREADS} cores, memory_limit {MEMORY}, medians of {RUNS} runs (one transaction: one)")
