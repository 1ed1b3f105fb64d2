"""The data of the lake's measurements: a table of orders and 60 files of changes, as AWS DMS writes them. Made by DuckDB from the
numbers of the rows, so always the same; kept between runs."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from report import say

COLUMNS = {"id": "BIGINT", "customer_id": "INTEGER", "status": "VARCHAR", "amount": "DECIMAL(12,2)", "qty": "INTEGER", "note": "VARCHAR",
           "created_at": "TIMESTAMP", "updated_at": "TIMESTAMP"}
FILE_ROWS = 5_000_000  # of a full load: half a gigabyte of CSV
CHANGE_FILES = 60
FEW = 10

# An order as it is after change `v`; a note has 37 characters. What does not depend on v never changes.
ORDER = """id, (hash(id, 1) % 1000000)::int as customer_id,
    ['new', 'paid', 'packed', 'shipped', 'returned'][1 + (hash(id, 2, v) % 5)::int] as status,
    ((hash(id, 3, v) % 1000000) / 100)::decimal(12,2) as amount, 1 + (hash(id, 4, v) % 9)::int as qty, 'note ' || md5(id::varchar) as note,
    timestamp '2026-01-01 00:00:00' + to_seconds(id) as created_at,
    timestamp '2026-01-01 00:00:00' + to_seconds(id + (hash(id, 5) % 1000)::bigint + v * 60) as updated_at"""

# 70 % updates, 20 % inserts, 10 % deletes; {key} is a key among those to change.
CHANGES = """with ops as (select range as n, case when hash(range, 6) % 10 < 7 then 'U' when hash(range, 6) % 10 < 9 then 'I' else 'D' end as op
        from range({changes})),
    keys as (select n, op, case when op = 'I' then {rows} + count(*) filter (op = 'I') over (order by n) else {key} end as id, n + 1 as v
        from ops)
    select n, op as "Op", """ + ORDER + " from keys"
NEWEST = "{rows} - (hash(n, 7) % {newest})::bigint"
UNIFORM = "1 + (hash(n, 7) % {rows})::bigint"


@dataclass
class Orders:
    """`rows` orders with the ids 1 to `rows` and `changes` changes, below `folder`. A part is a folder that is made when it is asked
    for: csv and parquet are full loads; newest and uniform are the changes, on the `newest` keys (1 % where it is not given) or all
    over; few is one file of 10."""

    folder: Path
    rows: int
    changes: int
    newest: int = 0

    def part(self, name):
        version = hashlib.sha256(Path(__file__).read_bytes() + duckdb.__version__.encode()).hexdigest()
        part = self.folder / f"orders-{self.rows}-{self.changes}-{self.newest_keys()}" / name
        stamp = part.with_name(f"{name}.version")
        if not stamp.exists() or stamp.read_text() != version:
            say(f"making {part}")
            stamp.unlink(missing_ok=True)
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            getattr(self, f"make_{name}")(duckdb.connect(), part)
            stamp.write_text(version)
        return part

    def newest_keys(self):
        return self.newest or max(self.rows // 100, 1)

    def make_csv(self, connection, part):
        self.make_full_load(connection, part, ORDER, "csv", "(format csv, header)")

    def make_parquet(self, connection, part):
        self.make_full_load(connection, part, f"'I' as Op, {ORDER}", "parquet", "(format parquet, compression snappy)")

    def make_full_load(self, connection, part, columns, suffix, options):
        for number, first in enumerate(range(1, self.rows + 1, FILE_ROWS), 1):
            end = min(first + FILE_ROWS, self.rows + 1)
            connection.execute(f"""copy (select {columns} from (select range as id, 0 as v from range({first}, {end})))
                to '{part}/LOAD{number:08}.{suffix}' {options}""")

    def make_newest(self, connection, part):
        self.make_changes(connection, part, NEWEST, self.changes, CHANGE_FILES)

    def make_uniform(self, connection, part):
        self.make_changes(connection, part, UNIFORM, self.changes, CHANGE_FILES)

    def make_few(self, connection, part):
        self.make_changes(connection, part, NEWEST, FEW, 1)

    def make_changes(self, connection, part, key, changes, files):
        sql = CHANGES.format(key=key.format(rows=self.rows, newest=self.newest_keys()), changes=changes, rows=self.rows)
        connection.execute(f"create or replace temp table made as {sql}")
        for number in range(files):
            connection.execute(f"""copy (select * exclude n from made where n * {files} // {changes} = {number} order by n)
                to '{part}/20991101-10{number:02}00000.csv' (format csv, header)""")
