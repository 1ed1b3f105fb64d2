"""What it costs to stay up to date: `sluice run` and `sluice capture` while a writer goes on.

latency        from the commit at the source until `sluice query` shows it: load: continuous, cdc_max_batch_interval: 1s
many tables    CPU of `capture` with BENCH_TABLES tables, one change each per second
"""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from report import MEMORY, THREADS, say, show

from tests.harness.servers import MariaDB, MySQL80, PostgreSQL15, PostgreSQL18
from tests.harness.sluice import Sluice, wait_until

SERVER = {"mariadb": MariaDB, "mysql80": MySQL80, "postgres15": PostgreSQL15, "postgres18": PostgreSQL18}[os.environ.get("BENCH_RUNNING_SERVER", "mariadb")]
CHANGES_PER_S = int(os.environ.get("BENCH_CHANGES_PER_S", 10_000))
TABLES = int(os.environ.get("BENCH_TABLES", 500))
SECONDS = int(os.environ.get("BENCH_SECONDS", 60))
TRANSACTIONS_PER_S = 50
DATABASE = "shop"
IS_POSTGRES = SERVER.engine == "postgres"
SCHEMA = "public" if IS_POSTGRES else DATABASE


def create(server, statements):
    if IS_POSTGRES:
        server.database(DATABASE)
    else:
        server.sql(f"drop database if exists {DATABASE}; create database {DATABASE}")
    server.sql("; ".join(statements), DATABASE)


def task(server, folder, tables, **config):
    return Sluice(folder=folder, source=server.source_config(DATABASE), memory_limit=MEMORY, threads=THREADS, lake={"format": "iceberg"},
                  tables=[{"name": f"{SCHEMA}.{table}", "active": True} for table in tables], **config)


# --- latency ---


class Writer(threading.Thread):
    """CHANGES_PER_S inserts, TRANSACTIONS_PER_S commits. `commits`: (time of the commit, newest id)."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.commits, self.ending = server, [], threading.Event()

    def run(self):
        rows = CHANGES_PER_S // TRANSACTIONS_PER_S
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            started, newest = time.monotonic(), 0
            for number in range(1, 1 << 30):
                if self.ending.is_set():
                    return
                values = ",".join(f"({i}, {i % 977}, 'note of tick {i}')" for i in range(newest + 1, newest + rows + 1))
                cursor.execute(f"insert into ticks values {values}")
                newest += rows
                self.commits.append((time.monotonic(), newest))
                time.sleep(max(0.0, started + number / TRANSACTIONS_PER_S - time.monotonic()))


def latency(server, folder):
    create(server, ["create table ticks (id bigint primary key, shelf int not null, note varchar(40) not null)"])
    with task(server, folder, ["ticks"], raw={"cdc_max_batch_interval": "1s"}, schedule={"load": "continuous"}) as sluice:
        daemon = sluice.start("run")
        writer = Writer(server)
        server.sql("insert into ticks values (0, 0, 'first')", DATABASE)
        wait_until(lambda: sluice.run("query", f"select * from {SCHEMA}.ticks", ok=None).returncode == 0, "the table is in the lake", process=daemon)
        writer.start()
        seen, deadline = [], time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            rows = sluice.query(f"select max(id) as newest from {SCHEMA}.ticks")
            seen.append((time.monotonic(), int(rows[0]["newest"])))
        writer.ending.set()
        writer.join()
        sluice.stop(daemon)
    return delays(writer.commits, seen)


def delays(commits, seen):
    """Of each commit until the end of the first query that shows it; those of the last seconds may not be shown any more."""
    result, at = [], 0
    for committed, newest in commits:
        while at < len(seen) and seen[at][1] < newest:
            at += 1
        if at == len(seen):
            break
        result.append(seen[at][0] - committed)
    return result


# --- many tables ---


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_tables(server, folder):
    """Share of one core that capture is busy."""
    names = [f"t{i}" for i in range(TABLES)]
    create(server, [f"create table {name} (id bigint primary key, note varchar(40))" for name in names])
    with task(server, folder, names, raw={"cdc_max_batch_interval": "1s"}) as sluice:
        sluice.run("capture", "--full-load-only")
        capture = sluice.start("capture")
        with server.connect(DATABASE) as connection, connection.cursor() as cursor:
            started, used = time.monotonic(), 0.0
            for second in range(SECONDS):
                if second == 5:  # behind the start
                    measured, used = time.monotonic(), cpu_seconds(capture.pid)
                for name in names:
                    cursor.execute(f"insert into {name} values ({second}, 'note {second}')")
                time.sleep(max(0.0, started + second + 1 - time.monotonic()))
            busy = (cpu_seconds(capture.pid) - used) / (time.monotonic() - measured)
        sluice.stop(capture)
        assert sum(1 for _ in sluice.raw.rglob("2*.csv")) > TABLES, "nothing was captured"
    return busy


def main():
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder, SERVER() as server:
        say(f"{SERVER.__name__}: latency, {SECONDS} s")
        of_commits = latency(server, Path(folder) / "latency")
        say(f"{SERVER.__name__}: {TABLES} tables, {SECONDS} s")
        busy = many_tables(server, Path(folder) / "tables")
    p = statistics.quantiles(of_commits, n=100)
    show([["commit at the source until query shows it", "p50", "p95", "p99"],
          [f"  {CHANGES_PER_S:,} changes/s, load: continuous, {len(of_commits):,} commits", f"{p[49]:.2f} s", f"{p[94]:.2f} s", f"{p[98]:.2f} s"]])
    print()
    show([["CPU of capture", "of one core"], [f"  {TABLES} tables, a change each per second", f"{busy:.0%}"]])
    print(f"\n{SERVER.__name__}, {THREADS} cores")
