"""What all measurements share: the settings, medians of costs, and the table that is printed."""

import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = int(os.environ.get("BENCH_RUNS", 3))
MEMORY = os.environ.get("BENCH_MEMORY", "1GB")
THREADS = os.cpu_count()


@dataclass
class Result:
    """Medians of several runs of one command. `bytes` are of what is read or written as text; 0: does not apply."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    rows: int
    bytes: int = 0

    @property
    def rows_per_s(self):
        return self.rows / self.wall_s

    @property
    def mb_per_s(self):
        return self.bytes / 1e6 / self.wall_s


def median(costs, rows, size=0):
    return Result(statistics.median(c.wall_s for c in costs), statistics.median(c.cpu_s for c in costs),
                  statistics.median(c.peak_bytes for c in costs) / 1e6, rows, size)


def checked(cost):
    assert cost.exit_code == 0, cost.error[-3000:]
    return cost


def size_of(path):
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def say(text):
    print(text, file=sys.stderr, flush=True)


def show(rows):
    """Texts in columns, all but the first to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
