"""The workload that replication is judged by: tables of all types, and writers that do to them what applications do.

    workload = Workload(server, "shop", seed=1)
    workload.create()
    with Sluice(source=server.source_config("shop"), tables=workload.lake_tables()) as sluice:
        writer = workload.start(transactions=300)
        ...
        writer.join()
        workload.assert_lake_is_source(sluice)

What a writer does depends on its seed only, not on time. Keyed rows have keys made of a number below `keys`, so that
statements meet each other's rows.
"""

import gzip
import random
import threading

import pymysql
from pyarrow import parquet

from . import values as v
from .compare import difference, lake_rows, primary_key, query_rows, source_columns, source_rows
from .sluice import wait_until
from .tables import Table, tables

# Zero dates are allowed, silent truncation is not.
SESSION = ("set time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', "
           "innodb_lock_wait_timeout = 10; set session transaction isolation level read committed")
LOST_LOCK = {1205, 1213}  # lock wait timeout, deadlock: roll back and go on
PENDING_KEYS = 40  # keys from `keys` on belong to XA transactions that stay prepared for a while
CREATED_TABLES = 3


class Workload:
    def __init__(self, server, database, seed=1, keys=300, only=None):
        self.server, self.database, self.seed, self.keys = server, database, seed, keys
        # With binlog_row_image = MINIMAL the log does not tell what a row under a new key holds; and MariaDB logs REPLACE as
        # an update of the named columns, although the others get their defaults.
        minimal = server.variables.get("binlog_row_image") == "MINIMAL"
        self.key_changes = not minimal
        self.replaces_whole_rows = minimal and server.engine == "mariadb"
        self.tables = {t.name: t for t in tables(server.engine) if only is None or t.name in only}
        self.markers = self.batches = self.created = self.added_columns = 0
        self.evolving = Evolution.start()  # its columns, as the writers that come one after another leave them

    def connect(self):
        connection = self.server.connect(self.database)
        with connection.cursor() as cursor:
            cursor.execute(SESSION)
            while cursor.nextset():
                pass
        return connection

    def create(self, rows=200):
        """The database, its tables, and the rows that a full load finds."""
        self.server.sql(f"create database `{self.database}` character set utf8mb4")
        with self.connect() as connection:
            writer = Writer(self, connection, random.Random(self.seed))
            for table in self.tables.values():
                writer.execute(table.definition())
            if "audited" in self.tables:
                writer.execute("create trigger audited_insert after insert on audited for each row insert into audit values (new.n, new.name)")
            writer.execute(Evolution.DEFINITION)
            writer.execute("create table digits (d int not null primary key)")
            writer.execute("insert into digits values (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
            for table in self.tables.values():
                if table.weight:
                    for _ in range(min(rows, 20) if table.name == "large" else rows):
                        writer.insert(table)

    def start(self, transactions, seed=None, **options):
        """A writer in a thread of its own."""
        thread = WriterThread(self, transactions, self.seed + 1 if seed is None else seed, options)
        thread.start()
        return thread

    def settle(self):
        """A row for every column: one that was added comes to the lake with the first row that has it."""
        with self.connect() as connection:
            writer = Writer(self, connection, random.Random(0))
            writer.execute(f"replace into evolving set {writer.assignments({'id': -1, **{n: kind[2](writer.rng) for n, kind in self.evolving.items()}})}")

    def lake_tables(self):
        """The `tables:` section of sluice.yaml."""
        rows = [{"schema": self.database, "table": t.name, "active": True, "primary_key": t.key, "partition_key": t.partition}
                for t in self.tables.values()]
        names = ["evolving", *(f"{word}_{n}" for n in range(CREATED_TABLES) for word in ("created", "renamed"))]
        return [*rows, *({"schema": self.database, "table": name, "active": True, "primary_key": ["id"]} for name in names),
                {"schema": self.database, "table": "digits", "active": True, "primary_key": ["d"]}]

    # --- judging ---

    def mark(self, sluice, process=None, timeout=60):
        """Waits until capture has written everything that was committed before this call."""
        self.markers += 1
        self.server.sql(f"insert into marker values ({self.markers})", self.database)
        number, folder = self.markers, sluice.raw / self.database / "marker"
        wait_until(lambda: any(number in numbers for numbers in raw_markers(folder)), f"marker {number} is in the raw zone", timeout, process)

    def problems(self, sluice, readers=("query", "files")):
        """A line of text per table of the source that the lake does not equal.

        A reader is "query", "files", or a function of sluice, a table's name and columns.
        """
        # Rows and key of the source are read once for all readers.
        found = []
        present = [row[0] for row in self.server.sql(f"select table_name from information_schema.tables "
                                                   f"where table_schema = '{self.database}' and table_type = 'BASE TABLE'")]
        for name in sorted(n if isinstance(n, str) else n.decode() for n in present):
            table = self.tables.get(name, Table(name, []))
            of = table.compared_with or name
            columns = source_columns(self.server, self.database, of)
            key = primary_key(self.server, self.database, of)
            want = lake_view(source_rows(self.server, self.database, of, columns), columns)
            for reader in readers:
                shown = reader if isinstance(reader, str) else reader.__name__
                try:
                    got = self.lake_rows(sluice, name, columns, reader)
                except Exception as problem:  # noqa: BLE001 - whatever it is, the other tables are judged too
                    found.append(f"{name} ({shown}): {problem}")
                    continue
                problem = difference(want, got, columns, key, got_name="sluice query" if reader == "query" else "lake")
                if problem:
                    found.append(f"{name} ({shown}): {problem}")
                    break
        return found

    def lake_rows(self, sluice, name, columns, reader):
        if reader == "query":
            return query_rows(sluice, self.database, name, columns)
        return lake_rows(sluice, name, columns) if reader == "files" else reader(sluice, name, columns)

    def assert_lake_is_source(self, sluice, readers=("query", "files")):
        found = self.problems(sluice, readers)
        assert not found, "\n".join(found)


def lake_view(rows, columns):
    """What the lake holds, by design, for these rows of the source: NULL for a date that does not exist, a shape without its SRID."""
    dates = {i for i, (_, t) in enumerate(columns) if t in ("date", "datetime", "timestamp")}
    shapes = {i for i, (_, t) in enumerate(columns) if t in ("geometry", "point")}

    def view(i, value):
        if value is None or (i in dates and not v.is_date(value[:10])):
            return None
        return value[8:] if i in shapes else value

    return [tuple(view(i, value) for i, value in enumerate(row)) for row in rows] if dates or shapes else rows


def raw_markers(folder):
    """The numbers in the raw files of the table `marker`, a set for each file."""
    for path in sorted(folder.rglob("*.*"), reverse=True):
        try:
            if path.suffix == ".parquet":
                yield set(parquet.read_table(path, columns=["n"])["n"].to_pylist())
            else:
                data = path.read_bytes()
                lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().split("\n")
                yield {int(line.rpartition(",")[2]) for line in lines[1:] if line}
        except FileNotFoundError:
            pass  # removed meanwhile


class WriterThread(threading.Thread):
    """Runs a Writer; what it raised is raised by join()."""

    def __init__(self, workload, transactions, seed, options):
        super().__init__(daemon=True)
        self.workload, self.transactions, self.seed, self.options = workload, transactions, seed, options
        self.ended = threading.Event()
        self.problem = None

    def run(self):
        try:
            make = self.options.pop("make", Writer)
            writer = make(self.workload, self.workload.connect(), random.Random(self.seed), **self.options)
            writer.run(self.transactions, self.ended)
            writer.connection.close()
        except BaseException as problem:  # noqa: BLE001 - join() raises it
            self.problem = problem

    def stop(self):
        self.ended.set()
        self.join()

    def join(self, timeout=None):
        super().join(timeout)
        if self.problem is not None:
            problem, self.problem = self.problem, None
            raise problem


class Writer:
    """Writes transactions over one connection.

    calm         no DDL, no TRUNCATE, no bulk
    bulk         how many transactions of 50,000 rows are spread over the run
    before_ddl   called before each change of a table's definition
    pause        called between transactions
    loaded       tells whether the full load is behind: then XA transactions may stay prepared for a while, and rows without a
                 key change, which the lake shows as inserted
    """

    def __init__(self, workload, connection, rng, calm=False, bulk=0, bulk_rows=50_000, before_ddl=lambda: None, pause=lambda: None,
                 loaded=lambda: False):
        self.workload, self.connection, self.rng = workload, connection, rng
        self.calm, self.bulk, self.bulk_rows = calm, bulk, bulk_rows
        self.before_ddl, self.pause, self.loaded = before_ddl, pause, loaded
        self.chosen = [t for t in workload.tables.values() for _ in range(t.weight) if not t.alone]
        self.alone = [t for t in workload.tables.values() if t.alone]
        self.evolution = Evolution(self, workload.evolving)
        self.pending = None  # a connection with a prepared XA transaction
        self.transaction = 0

    # --- statements ---

    def execute(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.rowcount

    def literal(self, value):
        return str(value) if isinstance(value, v.Sql) else self.connection.escape(value, self.connection.encoders)

    def number(self):
        # A few hot rows, and all the others.
        return self.rng.randrange(5) if self.rng.random() < 0.2 else self.rng.randrange(self.workload.keys)

    def values(self, table, number, columns):
        key = dict(zip(table.key, table.key_values(number)))
        return {**key, **{c.name: c.make(self.rng) for c in columns}}

    def assignments(self, values, glue=", "):
        return glue.join(f"`{name}` = {self.literal(value)}" for name, value in values.items())

    def where(self, table, number):
        return self.assignments(dict(zip(table.key, table.key_values(number))), " and ")

    def insert(self, table, number=None):
        columns = table.made
        if self.rng.random() < 0.2:  # the others get their defaults
            columns = [c for c in columns if self.rng.random() < 0.6 or "not null" in c.declaration]
        rows = [self.values(table, self.number() if number is None else number, columns)
                for _ in range(self.rng.choice([1, 1, 1, 2, 7]) if number is None else 1)]
        names = ", ".join(f"`{n}`" for n in rows[0])
        tuples = ", ".join("(" + ", ".join(self.literal(value) for value in row.values()) + ")" for row in rows)
        if not rows[0]:
            return
        if not table.key:
            self.execute(f"insert into `{table.name}` ({names}) values {tuples}")
        elif self.rng.random() < 0.5 and not (self.workload.replaces_whole_rows and len(columns) < len(table.made)):
            self.execute(f"replace into `{table.name}` ({names}) values {tuples}")
        elif columns:
            updated = ", ".join(f"`{c.name}` = values(`{c.name}`)" for c in columns)
            self.execute(f"insert into `{table.name}` ({names}) values {tuples} on duplicate key update {updated}")

    def update(self, table, number=None):
        columns = self.rng.sample(table.made, self.rng.randint(1, len(table.made)))
        changed = self.assignments({c.name: c.make(self.rng) for c in columns})
        self.execute(f"update `{table.name}` set {changed} where {self.where(table, self.number() if number is None else number)}")

    def update_many(self, table):
        column = self.rng.choice(table.made)
        self.execute(f"update `{table.name}` set {self.assignments({column.name: column.make(self.rng)})} order by `{table.key[0]}` limit {self.rng.randint(2, 60)}")

    def delete(self, table, number=None):
        self.execute(f"delete from `{table.name}` where {self.where(table, self.number() if number is None else number)}")

    def change_key(self, table):
        old, new = self.number(), self.number()
        self.delete(table, new)
        target = self.assignments(dict(zip(table.key, table.key_values(new))))
        self.execute(f"update `{table.name}` set {target} where {self.where(table, old)}")

    def statement(self, table=None):
        table = table or self.rng.choice(self.chosen)
        if not table.key:
            self.insert(table)
            if table.compared_with and self.loaded() and self.rng.random() < 0.5:
                self.execute(f"update `{table.name}` set n = 1 where n < 0 limit 3")
                self.execute(f"delete from `{table.name}` where n = 1 limit 2")
            return
        keys_change = self.workload.key_changes
        kind = self.rng.choices(["insert", "update", "many", "delete", "key", "evolve"], [8, 8, 1, 4, 2 if keys_change else 0, 0 if self.calm else 2])[0]
        {"insert": self.insert, "update": self.update, "many": self.update_many, "delete": self.delete, "key": self.change_key,
         "evolve": lambda _: self.evolution.write()}[kind](table)

    def statements(self, most=8):
        for _ in range(self.rng.randint(1, most)):
            self.statement()

    # --- transactions ---

    def autocommit(self):
        self.statement(self.rng.choice(self.alone) if self.alone and self.rng.random() < 0.2 else None)

    def small(self):
        self.execute("begin")
        self.statements()
        self.execute("commit")

    def rolled_back(self):
        self.execute("begin")
        self.statements()
        self.execute("rollback")

    def savepoints(self):
        """`rollback to`, also to an outer one, a name that is used twice, and a table that only the undone part touched."""
        self.execute("begin")
        self.statements(3)
        self.execute("savepoint a")
        self.statements(3)
        self.execute("savepoint `b c`")
        self.statements(3)
        self.execute(self.rng.choice(["rollback to `b c`", "rollback to a", "release savepoint a", "savepoint a"]))
        self.statements(3)
        if self.rng.random() < 0.3:
            self.execute("savepoint a")
            self.statements(2)
            self.execute("rollback to a")
        self.execute(self.rng.choice(["commit", "commit", "rollback"]))

    def hot(self):
        """The same row over and over in one transaction."""
        table = self.rng.choice([t for t in self.chosen if t.key])
        number = self.number()
        self.execute("begin")
        for _ in range(self.rng.randint(3, 20)):
            self.rng.choice([self.insert, self.update, self.delete])(table, number)
        self.execute("commit")

    def xa(self):
        name = f"'x{self.transaction}-{self.rng.randrange(1000)}','branch'"
        self.execute(f"xa start {name}")
        self.xa_statements(self.number)
        self.execute(f"xa end {name}")
        kind = self.rng.choice(["one phase", "commit", "rollback", "rollback unprepared"])
        if kind == "one phase":
            self.execute(f"xa commit {name} one phase")
        elif kind == "rollback unprepared":
            self.execute(f"xa rollback {name}")
        else:
            self.execute(f"xa prepare {name}")
            self.execute(f"xa {kind} {name}")

    XA_TABLES = ("ints", "composite", "events", "texts")

    def xa_statements(self, number):
        for _ in range(self.rng.randint(1, 5)):
            table = self.workload.tables[self.rng.choice(self.XA_TABLES)]
            self.insert(table, number() if table.key else None)
            if table.key and self.rng.random() < 0.3:
                self.update(table, number())

    def pend(self):
        """Prepares an XA transaction on another connection; a later call ends it."""
        if self.pending:
            self.end_pending()
        elif self.loaded():
            mine = self.connection
            self.connection = self.workload.connect()
            try:
                self.execute("xa start 'pending'")
                self.xa_statements(lambda: self.workload.keys + self.rng.randrange(PENDING_KEYS))
                self.execute("xa end 'pending'")
                self.execute("xa prepare 'pending'")
                self.pending = self.connection
            finally:
                self.connection = mine

    def end_pending(self):
        with self.pending, self.pending.cursor() as cursor:
            cursor.execute(self.rng.choice(["xa commit 'pending'", "xa commit 'pending'", "xa rollback 'pending'"]))
        self.pending = None

    def write_bulk(self):
        """One transaction of many rows; sometimes it is rolled back, wholly or in part."""
        self.workload.batches += 1
        batch, rows = self.workload.batches, self.bulk_rows
        first = batch * rows
        self.execute("begin")
        self.execute(f"insert into bulk select {first} + n, {batch}, concat('row ', n, ' of {batch}') from (select "
                     "a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d as n from digits a, digits b, digits c, digits e, digits f) numbers "
                     f"where n < {rows}")
        self.execute("savepoint half")
        self.execute(f"update bulk set payload = left(concat('changed by {batch}: ', payload), 60) where id % 3 = 0 limit {rows // 2}")
        if self.rng.random() < 0.5:
            self.execute("rollback to half")
        self.execute(f"delete from bulk where id % 5 = 1 limit {rows // 2}")
        self.execute(self.rng.choice(["commit", "commit", "commit", "rollback"]))

    def truncate(self):
        table = self.workload.tables[self.rng.choice(["emptied", "tickets"])]
        self.execute(f"truncate table `{table.name}`")
        for _ in range(self.rng.randint(0, 5)):
            self.insert(table)

    def create_and_rename(self):
        number = self.workload.created
        if number == CREATED_TABLES:
            return
        created, renamed = f"created_{number}", f"renamed_{number}"
        self.workload.created += 1
        self.before_ddl()
        self.execute(f"create table {created} (id int not null primary key, name varchar(20), at datetime(3) default current_timestamp(3))")
        self.execute(f"insert into {created} (id, name) values (1, 'one'), (2, null), (3, 'drei')")
        self.execute(f"update {created} set name = 'two' where id = 2")
        if self.rng.random() < 0.7:
            self.before_ddl()
            self.execute(f"rename table {created} to {renamed}")
            self.execute(f"delete from {renamed} where id = 1")
            self.execute(f"insert into {renamed} (id, name) values (4, 'four')")

    def run(self, transactions, ended=None):
        actions = {self.autocommit: 20, self.small: 30, self.rolled_back: 6, self.savepoints: 8, self.hot: 6, self.xa: 5, self.pend: 4}
        if not self.calm:
            actions |= {self.truncate: 2, self.create_and_rename: 1, self.evolution.change: 3}
        bulk_at = {transactions * (i + 1) // (self.bulk + 1) for i in range(self.bulk)}
        for self.transaction in range(1, transactions + 1):
            if ended is not None and ended.is_set():
                break
            action = self.write_bulk if self.transaction in bulk_at else self.rng.choices(list(actions), actions.values())[0]
            try:
                action()
            except pymysql.err.OperationalError as problem:
                if problem.args[0] not in LOST_LOCK:
                    raise
                self.recover()
            self.pause()
        if self.pending:
            self.end_pending()

    def recover(self):
        """After a lost lock: whatever is open is rolled back."""
        self.connection.close()
        self.connection = self.workload.connect()


class Evolution:
    """A table whose definition changes while it is written."""

    DEFINITION = "create table evolving (id int not null primary key, n int, name varchar(20), price decimal(8,2), c0 varchar(10))"
    # Column types to add, what they become later, values, and defaults.
    KINDS = [
        ("int", "bigint", v.signed(32), "7"),
        ("smallint", "int", v.signed(16), "-1"),
        ("varchar(20)", "varchar(200)", v.text(20), "'new, \"x\"'"),
        ("decimal(8,2)", "decimal(14,2)", v.decimal(8, 2), "1.50"),
        ("datetime", None, v.datetime_text(0), "'2026-01-02 03:04:05'"),
        ("varchar(30) character set latin1", None, v.text(30, "latin1"), "'é'"),
        ("bigint unsigned", None, v.unsigned(64), "18446744073709551615"),
        ("double", None, v.double, "0.1"),
    ]

    @classmethod
    def start(cls):
        return {"n": cls.KINDS[0], "name": cls.KINDS[2], "price": cls.KINDS[3], "c0": ("varchar(10)", None, v.text(10), None)}

    def __init__(self, writer, columns):
        self.writer, self.columns = writer, columns

    def write(self):
        writer, number = self.writer, self.writer.number()
        values = {name: v.nullable(kind[2])(writer.rng) for name, kind in self.columns.items()
                  if writer.rng.random() < 0.7 and not kind[0].endswith("not null")}
        kind = writer.rng.choice(["insert", "insert", "update", "delete"])
        if kind == "delete":
            writer.execute(f"delete from evolving where id = {number}")
        elif kind == "update" and values:
            writer.execute(f"update evolving set {writer.assignments(values)} where id = {number}")
        else:
            values |= {name: kind[2](writer.rng) for name, kind in self.columns.items() if kind[0].endswith("not null")}
            writer.execute(f"delete from evolving where id = {number}")
            writer.execute(f"insert into evolving set {writer.assignments({'id': number, **values})}")

    def change(self):
        self.writer.before_ddl()
        rng = self.writer.rng
        change = rng.choice([self.add, self.add, self.add_not_null, self.drop, self.rename, self.widen])
        change()
        self.write()
        self.write()

    def add(self):
        rng = self.writer.rng
        declaration, wider, make, default = rng.choice(self.KINDS)
        name = self.new_name()
        place = rng.choice(["", "", "first", "after id"])
        with_default = rng.choice(["", f"default {default}", f"not null default {default}"])
        self.writer.execute(f"alter table evolving add column `{name}` {declaration} {with_default} {place}")
        # What may be NULL is what `write` gives NULL to.
        self.columns[name] = (declaration + (" not null" if "not null" in with_default else ""), wider, make, default)

    def add_not_null(self):
        """Without a default: existing rows get the type's own, 0 or ''."""
        declaration, wider, make, _ = self.writer.rng.choice(self.KINDS[:4])
        name = self.new_name()
        self.writer.execute(f"alter table evolving add column `{name}` {declaration} not null")
        self.columns[name] = (declaration + " not null", wider, make, None)

    def new_name(self):
        self.writer.workload.added_columns += 1
        return f"c{self.writer.workload.added_columns}"

    def drop(self):
        if len(self.columns) > 2:
            name = self.writer.rng.choice(list(self.columns))
            self.writer.execute(f"alter table evolving drop column `{name}`")
            del self.columns[name]

    def rename(self):
        old, new = self.writer.rng.choice(list(self.columns)), self.new_name()
        self.writer.execute(f"alter table evolving rename column `{old}` to `{new}`")
        self.columns[new] = self.columns.pop(old)

    def widen(self):
        wide = [name for name, kind in self.columns.items() if kind[1]]
        if wide:
            name = self.writer.rng.choice(wide)
            declaration, wider, make, default = self.columns[name]
            wider += " not null" if declaration.endswith("not null") else ""
            self.writer.execute(f"alter table evolving modify column `{name}` {wider}")
            self.columns[name] = (wider, None, make, default)
