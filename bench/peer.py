"""The peers of the loads, each a short script as a user of that tool would write it, run as a process of its own.

usage: peer.py TOOL WORK RAW TABLE COLUMNS MEMORY THREADS

TOOL is a module peer_<tool>.py, WORK one of its functions: initial_csv, initial_parquet (RAW/LOAD*), changes (RAW/2*.csv: the last
change of each key into the table), scan (prints TOTALS of the table), start (nothing: what the process and its imports cost).
COLUMNS is a JSON object of DuckDB's types by name; the key is the column id. All read CSV and reduce changes with DuckDB, whose reader
is the fastest, so that the difference is the table format.
"""

import importlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Job:
    raw: str
    table: str
    columns: dict
    memory: str
    threads: int

    def connect(self):
        import duckdb
        connection = duckdb.connect()
        connection.execute(f"set memory_limit = '{self.memory}'; set threads = {self.threads}; set preserve_insertion_order = true")
        return connection

    def read_csv(self, files, op):
        columns = {**({"Op": "VARCHAR"} if op else {}), **self.columns}
        types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        return (f"read_csv('{self.raw}/{files}', header = true, nullstr = 'NULL', auto_detect = false, delim = ',', quote = '\"', "
                f"columns = {{{types}}})")

    def full_load(self):
        return f"select 'I' as Op, * from {self.read_csv('LOAD*.csv', False)}"

    def last_changes(self):
        return (f"select * exclude n from (select *, row_number() over () as n from {self.read_csv('2*.csv', True)}) "
                f"qualify row_number() over (partition by id order by n desc) = 1")


# All columns of bench/orders.py, each in a sum, in words that DuckDB and DataFusion take alike.
TOTALS = ", ".join(f"cast({value} as varchar) as {name}" for name, value in {
    "rows": "count(*)", "op": 'sum(ascii("Op"))', "id": "sum(id)", "customer_id": "sum(customer_id)", "status": "sum(length(status))",
    "amount": "sum(amount)", "qty": "sum(qty)", "note": "sum(length(note))",
    "created_at": "sum(cast(date_part('epoch', created_at) as bigint))",
    "updated_at": "sum(cast(date_part('epoch', updated_at) as bigint))"}.items())


def show_totals(connection, source):
    cursor = connection.execute(f"select {TOTALS} from {source}")
    print(json.dumps(dict(zip([column[0] for column in cursor.description], cursor.fetchone()))))


# --- for those who start it ---


def command(tool, work, raw, table, columns, memory, threads):
    return [sys.executable, Path(__file__), tool, work, raw, table, json.dumps(columns), memory, threads]


def copy_table(old, new, changed=lambda name: False):
    """A copy of a table whose files are never changed in place (but those that `changed` says): by hard links."""
    def copy(source, target):
        return shutil.copy2(source, target) if changed(os.path.basename(source)) else os.link(source, target)

    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(old, new, copy_function=copy)


def main():
    tool, work, raw, table, columns, memory, threads = sys.argv[1:]
    getattr(importlib.import_module(f"peer_{tool}"), work)(Job(raw, table, json.loads(columns), memory, int(threads)))


if __name__ == "__main__":
    main()
