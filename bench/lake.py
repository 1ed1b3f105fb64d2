"""The lake: loads of a table of orders and scans of it, beside other writers of tables.

Each row is a process from its start to its end. The peers do with a script what `sluice load` does (peer.py), without a watermark
and, DuckDB's file, without a commit.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import peer
from orders import COLUMNS, FEW, Orders
from report import MEMORY, ROOT, RUNS, THREADS, checked, median, say, show

from tests.harness.measure import measure
from tests.harness.sluice import Sluice, binary

ROWS = int(os.environ.get("BENCH_LAKE_ROWS", 10_000_000))
CHANGES = int(os.environ.get("BENCH_LAKE_CHANGES", 300_000))
PYICEBERG_ROWS = int(os.environ.get("BENCH_PYICEBERG_ROWS", 1_000_000))
TENFOLD = os.environ.get("BENCH_TENFOLD") == "1"
OURS = {"iceberg": "sluice, iceberg", "iceberg3": "sluice, iceberg version 3", "parquet": "sluice, parquet"}
FORMATS = {"iceberg": {"format": "iceberg"}, "iceberg3": {"format": "iceberg", "format_version": 3}, "parquet": {"format": "parquet"}}
PEERS = {"duckdb": "DuckDB, one Parquet file", "delta": "delta-rs", "pyiceberg": "pyiceberg"}
TOOLS = os.environ.get("BENCH_LAKE_TOOLS", ",".join([*OURS, *PEERS])).split(",")
TIMEOUT_S = 3600

# The works, as they are printed.
START = "process start"
INITIAL = {"csv": "initial load from CSV", "parquet": "initial load from Parquet"}
CHANGED = {"newest": f"{CHANGES:,} changes, newest keys", "uniform": f"{CHANGES:,} changes, uniform"}
FEW_CHANGES = f"{FEW} changes, beyond process start"
MAINTAIN = {"newest": "maintain after newest", "uniform": "maintain after uniform"}
SCAN_NEW, SCAN_ADOPTED = "scan, newly written from CSV", "scan, newly written from Parquet"
SCAN_CHANGED = {"newest": "scan after newest", "uniform": "scan after uniform"}
SCAN_MAINTAINED = {"newest": "scan after newest and maintain", "uniform": "scan after uniform and maintain"}
TENFOLD_INITIAL = {m: f"initial load from Parquet, {10 * ROWS:,} rows, memory_limit {m}" for m in dict.fromkeys([MEMORY, "256MB"])}
TENFOLD_CHANGED = {m: f"{CHANGES:,} changes, as many newest keys of {10 * ROWS:,}, memory_limit {m}" for m in TENFOLD_INITIAL}


# --- what is measured: one class for sluice's formats and one for the peers, with the same methods ---


class Ours:
    """A work folder of sluice with one table."""

    def __init__(self, folder, tool, memory):
        lake = {**FORMATS[tool], "adopt": "link"}  # nobody writes into the raw files here
        self.sluice = Sluice(folder=folder, source={"engine": "dms"}, memory_limit=memory, threads=THREADS, lake=lake,
                             tables=[{"name": "shop.orders", "active": True, "primary_key": ["id"], "columns": COLUMNS}])
        self.raw = self.sluice.raw / "shop" / "orders"
        self.raw.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def is_changed_in_place(name):
        return ".db" in name or name == "sluice.yaml"

    def command(self, work):
        """`load` finds by itself what is new in the raw folder."""
        verbs = {"start": ["--version"], "scan": ["query", "--format", "jsonl", f"select {peer.TOTALS} from shop.orders"],
                 "maintain": ["maintain"]}
        return self.sluice.command(*verbs.get(work, ["load"]))


class Theirs:
    def __init__(self, folder, tool, memory):
        self.raw, self.table, self.tool, self.memory = folder / "raw", folder / "table", tool, memory
        self.raw.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def is_changed_in_place(name):
        return ".db" in name

    def command(self, work):
        return peer.command(self.tool, work, self.raw, self.table, COLUMNS, self.memory, THREADS)


@dataclass
class Tool:
    name: str
    label: str
    orders: Orders
    is_ours: bool
    maintains: bool


@dataclass
class Results:
    """By work and tool's label, and what scans printed."""

    rows: dict = field(default_factory=dict)
    totals: dict = field(default_factory=dict)

    def add(self, work, tool, result):
        self.rows.setdefault(work, {})[tool.label] = result

    def of(self, work, tool):
        return self.rows[work][tool.label]

    def check_totals(self, data, tool, totals):
        """Every tool has the same table after the same work."""
        first_label, first = self.totals.setdefault((data, tool.orders.rows), (tool.label, totals))
        assert totals == first, f"{data}: {tool.label} has {totals}, {first_label} has {first}"


# --- one tool ---


class Bench:
    """The measurements of one tool. Its table is always made, kept and restored at the same place: Iceberg names files by absolute
    locations."""

    def __init__(self, tool, folder, results, memory=MEMORY):
        self.tool, self.folder, self.results, self.memory = tool, folder, results, memory
        self.at = folder / "work"
        self.table = None

    # states of the table

    def open(self, part=None):
        self.table = (Ours if self.tool.is_ours else Theirs)(self.at, self.tool.name, self.memory)
        for file in self.tool.orders.part(part).iterdir() if part else ():
            os.link(file, self.table.raw / file.name)

    def begin(self, part=None):
        """No table yet, and these raw files."""
        shutil.rmtree(self.at, ignore_errors=True)
        self.open(part)

    def keep(self, name):
        peer.copy_table(self.at, self.folder / name, self.table.is_changed_in_place)

    def restore(self, name, part=None):
        """The table as it was kept, and more raw files."""
        peer.copy_table(self.folder / name, self.at, self.table.is_changed_in_place)
        self.open(part)

    # costs

    def cost(self, verb):
        """Behind what earlier runs left to be written to the disk."""
        os.sync()
        with open(self.folder / "out", "wb") as out:
            return checked(measure(self.table.command(verb), stdout=out, timeout=TIMEOUT_S))

    def measure(self, work, verb, rows, prepare, runs=RUNS):
        say(f"{self.tool.label}: {work}, {runs} runs")
        costs = []
        for _ in range(runs):
            prepare()
            costs.append(self.cost(verb))
        self.results.add(work, self.tool, median(costs, rows))

    def scan(self, work, data):
        self.measure(work, "scan", self.tool.orders.rows, lambda: None)
        self.results.check_totals(data, self.tool, json.loads((self.folder / "out").read_text()))

    # works

    def start(self):
        self.measure(START, "start", 0, self.begin, max(RUNS, 5))

    def initial(self, part):
        self.measure(INITIAL[part], f"initial_{part}", self.tool.orders.rows, lambda: self.begin(part))

    def few_changes(self, base):
        """What a load costs when there is next to nothing to do: without the process."""
        self.measure(FEW_CHANGES, "changes", FEW, lambda: self.restore(base, "few"), max(RUNS, 5))
        all_of, start = self.results.of(FEW_CHANGES, self.tool), self.results.of(START, self.tool)
        self.results.add(FEW_CHANGES, self.tool, replace(all_of, rows=0, wall_s=all_of.wall_s - start.wall_s,
                                                              cpu_s=all_of.cpu_s - start.cpu_s))

    def changes(self, base, part):
        self.measure(CHANGED[part], "changes", self.tool.orders.changes, lambda: self.restore(base, part))
        self.scan(SCAN_CHANGED[part], part)
        if self.tool.maintains:
            self.keep("changed")
            self.measure(MAINTAIN[part], "maintain", self.tool.orders.rows, lambda: self.restore("changed"))
            self.scan(SCAN_MAINTAINED[part], part)

    def all_works(self):
        self.start()
        self.initial("csv")
        self.keep("base")
        self.scan(SCAN_NEW, "csv")
        self.few_changes("base")
        for part in CHANGED:
            self.changes("base", part)
        self.initial("parquet")
        self.scan(SCAN_ADOPTED, "csv")
        shutil.rmtree(self.folder)

    def tenfold(self):
        for self.memory in TENFOLD_INITIAL:
            self.measure(TENFOLD_INITIAL[self.memory], "initial_parquet", self.tool.orders.rows, lambda: self.begin("parquet"), 1)
            self.keep("base")
            self.measure(TENFOLD_CHANGED[self.memory], "changes", self.tool.orders.changes, lambda: self.restore("base", "newest"))
            shutil.rmtree(self.folder / "base")  # it takes much room
        shutil.rmtree(self.folder)


# --- what is printed ---

HEAD = ["", "rows", "seconds", "rows/s", "CPU s", "peak MB", "time / DuckDB"]


def lines_of(work, of_tools):
    yield [work] + [""] * (len(HEAD) - 1)
    theirs = of_tools.get(PEERS["duckdb"])
    for label, r in of_tools.items():
        ratio = f"{r.wall_s / theirs.wall_s:.2f}" if theirs and theirs is not r and theirs.rows == r.rows and work != START else ""
        rows = [f"{r.rows:,}", f"{r.wall_s:.3f}", f"{r.rows_per_s:,.0f}"] if r.rows else ["", f"{r.wall_s:.3f}", ""]
        yield [f"  {label}", *rows, f"{r.cpu_s:.2f}", f"{r.peak_mb:.0f}", ratio]


def targets(results, label):
    """(what, value, at most): what the design promises for 10 million rows and 300,000 changes; value None: not measured."""
    def seconds(work, tool=label):
        result = results.rows.get(work, {}).get(tool)
        return result.wall_s if result else None

    def ratio(work, to, tool=label):
        a, b = seconds(work), seconds(to, tool)
        return a / b if a and b else None

    def peak(works):
        return max((results.rows[work][label].peak_mb for work in works if label in results.rows.get(work, {})), default=None)

    yield "initial load from CSV / DuckDB's", ratio(INITIAL["csv"], INITIAL["csv"], PEERS["duckdb"]), 1.0
    yield "initial load from Parquet, s", seconds(INITIAL["parquet"]), 1.0
    yield "changes, newest keys, s", seconds(CHANGED["newest"]), 0.6
    yield "changes, uniform, s", seconds(CHANGED["uniform"]), 0.9
    yield "changes, newest keys, ten times the rows / the rows", ratio(TENFOLD_CHANGED[MEMORY], CHANGED["newest"]), 1.3
    yield "10 changes, ms", None if seconds(FEW_CHANGES) is None else seconds(FEW_CHANGES) * 1000, 60
    for part in CHANGED:
        yield f"{SCAN_CHANGED[part]} / newly written", ratio(SCAN_CHANGED[part], SCAN_NEW), 3.0
        yield f"{SCAN_MAINTAINED[part]} / newly written", ratio(SCAN_MAINTAINED[part], SCAN_NEW), 1.1
    for memory in TENFOLD_INITIAL:
        works = [TENFOLD_INITIAL[memory], TENFOLD_CHANGED[memory], *([*INITIAL.values(), *CHANGED.values()] if memory == MEMORY else [])]
        yield f"peak of loads at memory_limit {memory}, MB", peak(works), bytes_of(memory) / 1e6


def bytes_of(size):
    """Of "256MB", as sluice counts."""
    return int(size[:-2]) << {"KB": 10, "MB": 20, "GB": 30}[size[-2:]]


def target_rows(results, labels):
    rows = [["to reach", "at most", *labels]]
    columns = [list(targets(results, label)) for label in labels]
    for cells in zip(*columns):
        rows.append([cells[0][0], f"{cells[0][2]:,.4g}", *("-" if value is None else f"{value:,.2f}" for _, value, _ in cells)])
    return rows


# --- which tools ---


def has_format(name, folder):
    """Whether this sluice has the table format; any other problem is one of the measurement."""
    sluice = Sluice(folder=folder / "has", source={"engine": "dms"}, lake=FORMATS[name])
    sluice.raw.mkdir()
    done = subprocess.run(sluice.command("load"), capture_output=True, text=True)
    shutil.rmtree(sluice.folder)
    return "lake.format" not in done.stderr  # nor lake.format_version


def has_maintain():
    done = subprocess.run([binary(), "help"], capture_output=True, text=True, check=True)
    return any(line.split()[:1] == ["maintain"] for line in done.stdout.splitlines())


def tools_of(folder, data):
    orders, maintains = Orders(data, ROWS, CHANGES), has_maintain()
    for name in [name for name in OURS if name in TOOLS]:
        if has_format(name, folder):
            yield Tool(name, OURS[name], orders, is_ours=True, maintains=maintains and name != "parquet")
        else:
            say(f"this sluice has no lake.format {name}: left out")
    for name in [name for name in PEERS if name in TOOLS]:
        rows = min(ROWS, PYICEBERG_ROWS) if name == "pyiceberg" else ROWS
        label = PEERS[name] if rows == ROWS else f"{PEERS[name]}, {rows:,} rows only: it takes long"
        yield Tool(name, label, orders if rows == ROWS else Orders(data, rows, CHANGES * rows // ROWS), is_ours=False, maintains=False)


def main():
    base = Path(os.environ.get("BENCH_FOLDER") or ROOT / "build-bench")
    base.mkdir(parents=True, exist_ok=True)
    results, labels = Results(), []
    # In one folder with the data, so that these are linked and not copied.
    with tempfile.TemporaryDirectory(prefix="lake-", dir=base) as folder:
        for tool in tools_of(Path(folder), base):
            labels += [tool.label] if tool.is_ours else []
            Bench(tool, make(folder, tool.name), results).all_works()
        if TENFOLD:
            for tool in [tool for tool in tools_of(Path(folder), base) if tool.is_ours]:
                tenfold = replace(tool, orders=Orders(base, 10 * ROWS, CHANGES, max(ROWS // 100, 1)))
                Bench(tenfold, make(folder, f"{tool.name}-tenfold"), results).tenfold()
    show([HEAD] + [line for work, of_tools in results.rows.items() for line in lines_of(work, of_tools)])
    print()
    show(target_rows(results, labels))
    print(f"\n{ROWS:,} rows, {CHANGES:,} changes, {THREADS} cores, memory_limit {MEMORY}, medians of {RUNS} runs")


def make(folder, name):
    path = Path(folder) / name
    path.mkdir()
    return path
