"""The workload that replication from PostgreSQL is judged by: tables of all types, and writers that do to them what
applications do. As workload.py, which see; what a writer does depends on its seed only.

Values are SQL literals. Both sides are read as text that the judge's own SQL makes: the source by its output functions, dates
as days and microseconds from 1970; so nothing of sluice takes part.
"""

import random
from dataclasses import dataclass, field

import psycopg

from . import compare
from . import values as v
from .sluice import wait_until
from .workload import WriterThread, raw_markers

LOST_LOCK = ("40001", "40P01", "55P03")  # serialization, deadlock, lock timeout: roll back and go on

TYPES = """
    create extension hstore;
    create type mood as enum ('sad', 'ok', 'it''s "fine"', 'größe');
    create type pair as (n int, word text);
    create domain cents as numeric(12,2) check (value > -1e9);
    create domain email as text;
    create domain work_email as email;
"""


# --- values: a random.Random -> an SQL literal; None is NULL ---


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def of(make):
    """A maker of values.py as one of literals."""
    return lambda rng: quoted(str(make(rng)))


def one_of(*literals):
    return lambda rng: rng.choice(literals)


def text(limit):
    make = v.text(limit, "utf8mb4")
    return lambda rng: quoted(make(rng).replace("\0", ""))


def large(least, most):
    """Too varied to be compressed into the row, so that it is stored beside it (TOAST)."""
    def make(rng):
        return quoted("".join(rng.choices("abcdefghijklmnopqrstuvwxyzäöü0123456789", k=rng.randint(least, most))))
    return make


def decimal(precision, scale):
    make = v.decimal(precision, scale)
    return lambda rng: "'NaN'" if rng.random() < 0.05 else quoted(str(make(rng)))


def number(rng):
    """Of a numeric without bounds."""
    return rng.choice(["'NaN'", "0", "0.10", "-1.500", "1" + "0" * 60, "1e-40", "'Infinity'", str(rng.randint(-10**50, 10**50)), "12345.6789"])


def double(rng):
    return rng.choice(["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", quoted(str(v.double(rng)))])


def real(rng):
    return rng.choice(["'NaN'", "'Infinity'", "0.1", "1e20", "3.4028235e38", "1e-45", str(rng.randint(-1000, 1000) / 8)])


def date(rng):
    if rng.random() < 0.2:
        return rng.choice(["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'0001-01-01'", "'9999-12-31'", "'10000-01-01'", "'2000-02-29'"])
    return quoted(v.date(rng))


def timestamp(rng):
    if rng.random() < 0.2:
        return rng.choice(["'infinity'", "'-infinity'", "'0044-03-15 10:11:12.5 BC'", "'0001-01-01 00:00:00'", "'12000-01-01 00:00:00.000001'"])
    return quoted(f"{v.date(rng)} {v.clock(rng, 6)}")


def timestamptz(rng):
    return timestamp(rng) if rng.random() < 0.2 else quoted(f"{v.date(rng)} {v.clock(rng, 6)}{rng.choice(['Z', '+05:30', '-11', '+14'])}")


def bytea(limit):
    return lambda rng: quoted("\\x" + rng.randbytes(rng.choice([0, 1, rng.randint(0, limit)])).hex())


def array(make):
    return lambda rng: "array[" + ", ".join(make(rng) for _ in range(rng.randint(1, 4))) + "]"


# --- tables ---


@dataclass
class Column:
    name: str
    declaration: str
    make: object = None  # None: the server makes it


@dataclass
class Table:
    name: str
    columns: list
    key: list = field(default_factory=list)
    key_of: object = None  # number -> the key's literals; None: the number itself
    more: str = ""  # statements behind the definition
    options: str = ""
    partition: list = field(default_factory=list)
    weight: int = 3
    only_inserts: bool = False

    @property
    def made(self):
        return [c for c in self.columns if c.make and c.name not in self.key]

    def definition(self):
        lines = [f'"{c.name}" {c.declaration}' for c in self.columns]
        if self.key:
            lines.append("primary key (" + ", ".join(f'"{k}"' for k in self.key) + ")")
        return f'create table "{self.name}" ({", ".join(lines)}) {self.options}; {self.more}'

    def key_values(self, i):
        return self.key_of(i) if self.key_of else (str(i),)


def some(name, declaration, make):
    return Column(name, declaration, lambda rng: "null" if rng.random() < 0.1 else make(rng))


def tables():
    toasted = [some("n", "int", of(v.signed(32))), some("t", "text", large(3000, 9000)), some("b", "bytea", bytea(6000)),
               some("j", "jsonb", lambda rng: f"jsonb_build_object('k', {large(2500, 4000)(rng)})"), some("note", "varchar(30)", text(30))]
    return [
        Table("numbers", [
            Column("id", "bigint not null"), some("i2", "smallint", of(v.signed(16))), some("i4", "int", of(v.signed(32))), some("i8", "bigint", of(v.signed(64))),
            some("o", "oid", of(v.unsigned(32))), some("f4", "real", real), some("f8", "double precision", double), some("price", "numeric(10,2)", decimal(10, 2)),
            some("fine", "numeric(38,10)", decimal(38, 10)), some("most", "numeric(60,20)", decimal(60, 20)), some("free", "numeric", number),
            some("cents", "cents", decimal(8, 2)), some("m", "money", one_of("'1.50'", "'-92233720368547758.08'", "'0'")),
            some("flag", "boolean", one_of("true", "false")),
            Column("twice", "numeric(20,2) generated always as (price * 2) stored"),
        ], ["id"]),
        Table("texts", [
            Column("id", "int not null generated by default as identity"), some("c", "char(10)", text(10)), some("vc", "varchar(300)", text(300)), some("t", "text", text(2000)),
            some("one", '"char"', one_of("'a'", "''", "'\"'")), some("n", "name", text(20)), some("mail", "work_email", text(40)),
            some("mood", "mood", one_of("'sad'", "'it''s \"fine\"'", "'größe'")), some("h", "hstore", one_of("'a=>1, \"b c\"=>NULL'", "''")),
        ], ["id"]),
        Table("binaries", [Column("id", "bytea not null"), some("b", "bytea", bytea(300)), some("bits", "bit(9)", one_of("b'101010101'", "b'000000000'")),
                           some("vb", "varbit(20)", one_of("b''", "b'1'", "b'01010101'"))],
              ["id"], key_of=lambda i: (f"'\\x{i:08x}00'",)),
        Table("times", [
            Column("id", "int not null"), some("d", "date", date), some("t", "time", lambda rng: rng.choice(["'24:00:00'", quoted(v.clock(rng, 6))])),
            some("t2", "time(2)", lambda rng: quoted(v.clock(rng, 2))), some("tz", "timetz", lambda rng: quoted(v.clock(rng, 3) + "+05:30")),
            some("ts", "timestamp", timestamp), some("ts0", "timestamp(0)", lambda rng: quoted(f"{v.date(rng)} {v.clock(rng, 0)}")),
            some("tstz", "timestamptz", timestamptz), some("tstz3", "timestamptz(3)", lambda rng: quoted(f"{v.date(rng)} {v.clock(rng, 3)}+01")),
            some("i", "interval", one_of("'1 year 2 mons -3 days 04:05:06.789'", "'-00:00:01'", "'0'", "'100 years'")),
            Column("made", "timestamptz default clock_timestamp()"),
        ], ["id"]),
        Table("others", [
            Column("id", "int not null"), some("u", "uuid", lambda rng: quoted(f"{rng.getrandbits(128):032x}")), some("j", "json", of_json), some("jb", "jsonb", of_json),
            some("x", "xml", one_of("'<a b=\"c\">d</a>'", "'text'")), some("ia", "int[]", one_of("'{1,2,NULL}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'")),
            some("ta", "text[]", array(text(20))), some("ba", "bool[]", one_of("'{t,f,NULL}'")), some("ma", "mood[]", one_of("'{ok,sad}'")),
            some("p", "pair", lambda rng: f"row({rng.randint(0, 9)}, {text(10)(rng)})::pair"), some("r", "int4range", one_of("'[1,10)'", "'empty'", "'(,5]'")),
            some("tr", "tstzrange", one_of("'[2026-01-01 00:00+02,infinity)'")), some("mr", "int4multirange", one_of("'{[1,3),[5,7)}'", "'{}'")),
            some("ip", "inet", one_of("'10.0.0.1/8'", "'::1'")), some("net", "cidr", one_of("'10.0.0.0/8'")), some("mac", "macaddr", one_of("'08:00:2b:01:02:03'")),
            some("mac8", "macaddr8", one_of("'08:00:2b:01:02:03:04:05'")), some("tv", "tsvector", one_of("'a:1A fat:2 ''cat s'':3'")), some("pt", "point", one_of("'(1.5,-2)'")),
            some("bx", "box", one_of("'(1,2),(0,0)'")), some("lsn", "pg_lsn", one_of("'16/B374D848'")), some("x8", "xid8", one_of("'18446744073709551615'")),
        ], ["id"]),
        Table("composite", [Column("day", "date not null"), Column("amount", "numeric(12,2) not null", of(v.decimal(12, 2))), Column("tenant", "smallint not null"),
                            Column("code", "varchar(30) not null"), some("note", "text", text(200))],
              ["tenant", "code", "day"], key_of=lambda i: (str(32767 - i % 7), quoted(f"code {i // 7} é,\"{i % 3}\""), f"'2026-01-{i % 28 + 1:02}'")),
        Table("toasted", [Column("id", "int not null"), *toasted], ["id"], more="alter table toasted alter t set storage external"),
        Table("toasted_full", [Column("id", "int not null"), *toasted], ["id"], more="alter table toasted_full replica identity full"),
        Table("by_index", [Column("id", "int not null"), Column("word", "text not null"), *toasted[:2]], ["id"], key_of=lambda i: (str(i),), weight=2,
              more="alter table by_index alter word set default md5(random()::text); create unique index by_index_word on by_index (word); "
                   "alter table by_index replica identity using index by_index_word"),
        Table("keyless", [some("n", "int", of(v.signed(32))), some("at", "timestamp", timestamp)], more="alter table keyless replica identity full", only_inserts=True),
        Table("inserted", [Column("id", "bigserial primary key"), some("w", "text", text(30))], more="alter table inserted replica identity nothing", only_inserts=True, weight=1),
        Table("parts", [Column("id", "int not null"), Column("region", "text not null"), some("n", "int", of(v.signed(32)))], ["id", "region"],
              key_of=lambda i: (str(i), quoted(("north", "süd", "east")[i % 3])), options="partition by list (region)", partition=["region"],
              more="create table parts_north partition of parts for values in ('north'); create table parts_rest partition of parts default"),
        Table("wide", [Column("id", "int not null"), *[some(f"c{i:02}", *[("int", of(v.signed(32))), ("varchar(40)", text(40)), ("numeric(9,3)", decimal(9, 3)), ("timestamp", timestamp)][i % 4])
                                                       for i in range(99)]], ["id"], weight=2),
        Table("emptied", [Column("id", "int not null"), some("name", "varchar(40)", text(40))], ["id"]),
        Table("emptied_too", [Column("id", "int not null"), some("of", "int", of(v.signed(16)))], ["id"]),
        Table("marker", [Column("n", "bigint not null")], more="alter table marker replica identity full", weight=0),
        Table("bulk", [Column("id", "bigint not null"), Column("batch", "int not null"), Column("payload", "varchar(60)")], ["id"], weight=0),
        Table("Odd näme", [Column("the id", "int not null"), some("a 'b'", "varchar(40)", text(40)), some("c,d", "int", of(v.signed(32))), some("select", "text", text(30))], ["the id"], weight=1),
    ]


def of_json(rng):
    return quoted(v.json_text(rng).replace("\\u0000", ""))


# --- the workload ---


class PostgresWorkload:
    def __init__(self, server, database="shop", seed=1, keys=200):
        self.server, self.database, self.seed, self.keys = server, database, seed, keys
        self.tables = {t.name: t for t in tables()}
        self.markers = self.batches = self.created = self.added_columns = 0
        self.evolving = dict(Evolution.START)

    def connect(self):
        return self.server.connect(self.database)

    @property
    def version(self):
        return int(self.server.sql("show server_version_num")[0][0])

    def create(self, publication, rows=60):
        self.server.database(self.database)
        generated = ", publish_generated_columns = stored" if self.version >= 180000 else ""
        self.server.sql(f"create publication {publication} for all tables with (publish_via_partition_root = true{generated})", self.database)
        with self.connect() as connection:
            writer = Writer(self, connection, random.Random(self.seed))
            writer.execute(TYPES)
            for table in self.tables.values():
                writer.execute(table.definition())
            writer.execute(Evolution.DEFINITION)
            for table in self.tables.values():
                for _ in range(min(rows, 30) if "toasted" in table.name else rows if table.weight else 0):
                    writer.insert(table)
            writer.execute("insert into evolving (id, n, name) select i, i, 'row ' || i from generate_series(1, 40) i")

    def start(self, transactions, seed=None, **options):
        thread = WriterThread(self, transactions, self.seed + 1 if seed is None else seed, {"make": Writer, **options})
        thread.start()
        return thread

    def settle(self):
        """A row for every column: one that was added comes to the lake with the first row that has it."""
        self.server.sql("delete from evolving where id = -1; insert into evolving (id) values (-1)", self.database)

    def lake_tables(self):
        rows = [{"schema": "public", "table": t.name, "active": True, "primary_key": ["word"] if t.name == "by_index" else t.key, "partition_key": t.partition}
                for t in self.tables.values() if t.name != "inserted"]
        created = [f"created_{n}" for n in range(CREATED_TABLES)]
        return [*rows, *({"schema": "public", "table": name, "active": True, "primary_key": ["id"]} for name in ["evolving", "inserted", *created])]

    # --- judging ---

    def mark(self, sluice, process=None, timeout=60):
        """Waits until capture has written everything that was committed before this call."""
        self.markers += 1
        self.server.sql(f"insert into marker values ({self.markers})", self.database)
        number, folder = self.markers, sluice.raw / "public" / "marker"
        wait_until(lambda: any(number in numbers for numbers in raw_markers(folder)), f"marker {number} is in the raw zone", timeout, process)

    def columns(self, name):
        """[(name, type)] of what the log has of a table."""
        generated = "true" if self.version >= 180000 else "a.attgenerated = ''"
        return self.server.sql("select a.attname, t.typname from pg_attribute a join pg_type t on t.oid = case when (select typtype from pg_type where oid = a.atttypid) = 'd' "
                               "then 1700 + case when (select typname from pg_type where oid = a.atttypid) = 'cents' then 0 else 25 - 1700 end else a.atttypid end "
                               f"where a.attrelid = '\"{name}\"'::regclass and a.attnum > 0 and not a.attisdropped and {generated} order by a.attnum", self.database)

    def source_rows(self, name, columns):
        shown = ", ".join(source_text(f'"{n}"', t) for n, t in columns)
        return [tuple(row) for row in self.server.sql(f'select {shown} from "{name}"', self.database)]

    def lake_rows(self, sluice, name, columns, reader):
        shown = [f'{lake_text(compare._quoted(n), t)} as {compare._quoted(n)}' for n, t in columns]
        if reader == "query":
            rows = sluice.query(f'select {", ".join(shown)} from public.{compare._quoted(name)}')
            return [tuple(text_or_none(row[n]) for n, _ in columns) for row in rows]
        import duckdb

        with duckdb.connect() as connection:
            arrow = sluice.iceberg_table(name).scan().to_arrow()
            connection.execute("set timezone = 'UTC'")
            connection.register("lake", arrow)
            return [tuple(text_or_none(value) for value in row) for row in connection.execute(f'select {", ".join(shown)} from lake').fetchall()]

    def problems(self, sluice, readers=("query", "iceberg")):
        found = []
        names = self.server.sql("select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') "
                                "and not c.relispartition order by 1", self.database)
        for (name,) in names:
            columns = self.columns(name)
            want = self.source_rows(name, columns)
            for reader in readers:
                try:
                    got = self.lake_rows(sluice, name, columns, reader)
                except Exception as problem:  # noqa: BLE001 - whatever it is, the other tables are judged too
                    found.append(f"{name} ({reader}): {problem}")
                    continue
                key = self.tables[name].key if name in self.tables else ["id"]
                problem = compare.difference(want, got, columns, key, got_name=reader)
                if problem:
                    found.append(f"{name} ({reader}): {problem}")
                    break
        return found

    def assert_lake_is_source(self, sluice, readers=("query", "iceberg")):
        found = self.problems(sluice, readers)
        assert not found, "\n".join(found)


def text_or_none(value):
    return None if value is None else str(value)


def source_text(name, kind):
    """The value as the lake is to have it, as text."""
    if kind == "date":
        return f"case when isfinite({name}) then ({name} - date '1970-01-01')::text end"
    if kind in ("timestamp", "timestamptz"):
        return f"case when isfinite({name}) then trunc(extract(epoch from {name}) * 1000000)::bigint::text end"
    if kind == "bytea":
        return f"encode({name}, 'hex')"
    if kind == "bool":
        return f"case {name} when true then 'true' when false then 'false' end"
    if kind in ("float4", "float8"):  # bits, where -0 is 0
        return f"case when {name} = 0 then '0' else lower({name}::float8::text) end"
    shown = f"case when {name} is not null then format('%s', {name}) end"
    return f"nullif({shown}, 'NaN')" if kind == "numeric" and name in BOUNDED else shown


BOUNDED = {f'"{n}"' for n in ("price", "fine", "cents", "amount", "twice")} | {f'"c{i:02}"' for i in range(99)}


def lake_text(name, kind):
    """The same in DuckDB's SQL."""
    if kind == "date":
        return f"({name} - date '1970-01-01')::varchar"
    if kind in ("timestamp", "timestamptz"):
        return f"epoch_us({name})::varchar"
    if kind == "bytea":
        return f"lower(hex({name}))"
    if kind in ("float4", "float8"):
        return f"case when {name} = 0 then '0' else regexp_replace(replace({name}::double::varchar, 'inf', 'infinity'), '\\.0$', '') end"
    return f"{name}::varchar"


CREATED_TABLES = 2


class Writer:
    """Writes transactions over one connection. calm: no DDL, no TRUNCATE, no bulk."""

    def __init__(self, workload, connection, rng, calm=False, bulk=0, bulk_rows=20000, prepared=True):
        self.workload, self.connection, self.rng, self.calm = workload, connection, rng, calm
        self.bulk, self.bulk_rows, self.prepared = bulk, bulk_rows, prepared
        self.cursor = connection.cursor()
        self.chosen = [t for t in workload.tables.values() for _ in range(t.weight)]
        self.evolution = Evolution(self, workload.evolving)
        self.transaction = 0
        self.cursor.execute("set lock_timeout = '10s'")

    def execute(self, sql):
        self.cursor.execute(sql)

    # --- the run ---

    def run(self, transactions, ended):
        kinds = [self.small] * 8 + [self.autocommit] * 4 + [self.savepoints] * 3 + [self.rolled_back] * 2 + [self.hot] * 2 + ([self.two_phase] * 2 if self.prepared else [])
        if not self.calm:
            kinds += [self.truncate] + [self.evolution.change] * 2 + [self.create_table]
        bulk_at = {transactions * (i + 1) // (self.bulk + 1) for i in range(self.bulk)}
        for self.transaction in range(transactions):
            if ended.is_set():
                return
            if self.transaction in bulk_at:
                self.write_bulk()
            kind = self.rng.choice(kinds)
            try:
                kind()
            except psycopg.Error as problem:
                self.execute("rollback")
                if problem.sqlstate not in LOST_LOCK and not isinstance(problem, psycopg.errors.UniqueViolation):
                    raise

    # --- statements ---

    def number(self):
        return self.rng.randrange(5) if self.rng.random() < 0.2 else self.rng.randrange(self.workload.keys)

    def where(self, table, i):
        return " and ".join(f'"{k}" = {value}' for k, value in zip(table.key, table.key_values(i)))

    def insert(self, table, i=None):
        columns = table.made
        if self.rng.random() < 0.2:
            columns = [c for c in columns if self.rng.random() < 0.6 or "not null" in c.declaration]
        values = dict(zip(table.key, table.key_values(self.number() if i is None else i)))
        values |= {c.name: c.make(self.rng) for c in columns}
        if not values:
            return
        names = ", ".join(f'"{n}"' for n in values)
        sql = f'insert into "{table.name}" ({names}) values ({", ".join(values.values())})'
        if table.key:
            updated = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in columns)
            keys = ", ".join(f'"{k}"' for k in table.key)
            sql += f" on conflict ({keys}) do " + (f"update set {updated}" if columns and self.rng.random() < 0.8 else "nothing")
        self.execute(sql)

    def update(self, table, i=None):
        columns = self.rng.sample(table.made, self.rng.randint(1, min(3, len(table.made))))
        changed = ", ".join(f'"{c.name}" = {c.make(self.rng)}' for c in columns)
        self.execute(f'update "{table.name}" set {changed} where {self.where(table, self.number() if i is None else i)}')

    def update_many(self, table):
        column = self.rng.choice(table.made)
        key = table.key[0]
        self.execute(f'update "{table.name}" set "{column.name}" = {column.make(self.rng)} where "{key}" in (select "{key}" from "{table.name}" order by 1 limit {self.rng.randint(2, 20)})')

    def delete(self, table, i=None):
        self.execute(f'delete from "{table.name}" where {self.where(table, self.number() if i is None else i)}')

    def change_key(self, table):
        old, new = self.number(), self.number()
        if table.name == "by_index":
            self.execute(f"update by_index set word = {quoted(f'word {self.rng.random()}')} where id = {old}")
            return
        if old != new:
            self.delete(table, new)
        target = ", ".join(f'"{k}" = {value}' for k, value in zip(table.key, table.key_values(new)))
        self.execute(f'update "{table.name}" set {target} where {self.where(table, old)}')

    def statement(self, table=None):
        table = table or self.rng.choice(self.chosen)
        if table.only_inserts:
            self.insert(table)
            return
        kind = self.rng.choices(["insert", "update", "many", "delete", "key", "evolve"], [8, 8, 1, 3, 3, 0 if self.calm else 2])[0]
        {"insert": self.insert, "update": self.update, "many": self.update_many, "delete": self.delete, "key": self.change_key,
         "evolve": lambda _: self.evolution.write()}[kind](table)

    def statements(self, most=8):
        for _ in range(self.rng.randint(1, most)):
            self.statement()

    # --- transactions ---

    def autocommit(self):
        self.statement()

    def small(self):
        self.execute("begin")
        self.statements()
        self.execute("commit")

    def rolled_back(self):
        self.execute("begin")
        self.statements()
        self.execute("rollback")

    def savepoints(self):
        self.execute("begin")
        self.statements(3)
        self.execute("savepoint a")
        self.statements(3)
        self.execute('savepoint "b c"')
        self.statements(3)
        self.execute(self.rng.choice(['rollback to "b c"', "rollback to a", "release savepoint a", "savepoint a"]))
        self.statements(3)
        self.execute(self.rng.choice(["commit", "commit", "rollback"]))

    def hot(self):
        table = self.rng.choice([t for t in self.chosen if t.key and not t.only_inserts])
        i = self.number()
        self.execute("begin")
        for _ in range(self.rng.randint(3, 12)):
            self.rng.choice([self.insert, self.update, self.delete])(table, i)
        self.execute("commit")

    def two_phase(self):
        name = f"'x{self.transaction}-{self.rng.randrange(10**9)}'"
        self.execute("begin")
        self.statements(4)
        self.execute(f"prepare transaction {name}")
        self.execute(self.rng.choice(["commit", "commit", "rollback"]) + f" prepared {name}")

    def write_bulk(self):
        """One transaction of many rows, a part of which is undone."""
        self.workload.batches += 1
        batch, rows = self.workload.batches, self.bulk_rows
        self.execute("begin")
        self.execute(f"insert into bulk select {batch * rows} + n, {batch}, 'row ' || n || ' of {batch}' from generate_series(0, {rows - 1}) n")
        self.execute("savepoint half")
        self.execute(f"update bulk set payload = 'changed by {batch}: ' || payload where batch = {batch} and id % 3 = 0")
        if self.rng.random() < 0.5:
            self.execute("rollback to half")
        self.execute(f"delete from bulk where id % 5 = 1 and batch = {batch}")
        self.execute("commit")

    def truncate(self):
        """Within a transaction, with rows before and behind it; sometimes it is undone."""
        first, second = self.workload.tables["emptied"], self.workload.tables["emptied_too"]
        self.execute("begin")
        for _ in range(self.rng.randint(0, 3)):
            self.insert(self.rng.choice([first, second]))
        self.execute("savepoint before_it")
        self.execute(self.rng.choice(["truncate emptied", "truncate emptied, emptied_too cascade", "truncate parts", "truncate emptied_too restart identity"]))
        for _ in range(self.rng.randint(0, 4)):
            self.insert(self.rng.choice([first, second]))
        if self.rng.random() < 0.2:
            self.execute("rollback to before_it")
        self.execute(self.rng.choice(["commit", "commit", "commit", "rollback"]))

    def create_table(self):
        n = self.workload.created
        if n >= CREATED_TABLES:
            return
        self.workload.created += 1
        self.execute("begin")
        self.execute(f"create table created_{n} (id int primary key, w text); insert into created_{n} select i, 'first' from generate_series(1, 5) i")
        self.execute("commit")
        self.execute(f"insert into created_{n} values (10, 'second')")


class Evolution:
    """Changes of definitions, between and within transactions that write rows."""

    DEFINITION = "create table evolving (id int primary key, n int, name varchar(20), price numeric(8,2))"
    START = {"n": "int", "name": "varchar(20)", "price": "numeric(8,2)"}
    KINDS = {"int": of(v.signed(16)), "varchar(20)": text(20), "numeric(8,2)": of(v.decimal(7, 2)), "bigint": of(v.signed(32)), "text": text(40),
             "timestamp(3)": timestamp, "boolean": one_of("true", "false"), "varchar(40)": text(20), "numeric(12,2)": of(v.decimal(7, 2)), "int[]": one_of("'{1,2}'")}
    WIDER = {"int": "bigint", "varchar(20)": "varchar(40)", "numeric(8,2)": "numeric(12,2)"}

    def __init__(self, writer, columns):
        self.writer, self.columns = writer, columns

    def write(self):
        rng, i = self.writer.rng, self.writer.number()
        values = {n: "null" if rng.random() < 0.1 else self.KINDS[kind](rng) for n, kind in self.columns.items() if rng.random() < 0.7}
        kind = rng.choice(["insert", "insert", "update", "delete"])
        if kind == "delete":
            self.writer.execute(f"delete from evolving where id = {i}")
        elif kind == "update" and values:
            self.writer.execute(f"update evolving set {', '.join(f'{n} = {value}' for n, value in values.items())} where id = {i}")
        else:
            names = ", ".join(["id", *values])
            self.writer.execute(f"delete from evolving where id = {i}")
            self.writer.execute(f"insert into evolving ({names}) values ({', '.join([str(i), *values.values()])})")

    def change(self):
        rng = self.writer.rng
        within = rng.random() < 0.5
        before = dict(self.columns)
        try:
            if within:
                self.writer.execute("begin")
                self.write()
            rng.choice([self.add, self.add, self.drop, self.rename, self.widen, self.swap])()
            self.write()
            if within:
                self.write()
                self.writer.execute("commit")
        except psycopg.Error:
            if within:
                self.columns.clear()
                self.columns.update(before)
            raise

    def new_name(self):
        self.writer.workload.added_columns += 1
        return f"c{self.writer.workload.added_columns}_"

    def add(self):
        rng, name = self.writer.rng, self.new_name()
        kind = rng.choice(["int", "varchar(20)", "numeric(8,2)", "timestamp(3)", "boolean", "int[]"])
        default = {"int": ["default 7", "default (random() * 100)::int", "generated by default as identity"], "varchar(20)": ["default 'it''s, \"new\"'"],
                   "numeric(8,2)": ["not null default 1.50"], "timestamp(3)": ["default now()"], "boolean": ["default true"], "int[]": ["default '{3,NULL}'"]}[kind]
        words = rng.choice(["", *default])
        self.writer.execute(f"alter table evolving add column {name} {kind} {words}")
        if "not null" not in words and "identity" not in words:  # those never get NULL
            self.columns[name] = kind

    def drop(self):
        if len(self.columns) > 2:
            name = self.writer.rng.choice(list(self.columns))
            self.writer.execute(f"alter table evolving drop column {name}")
            kind = self.columns.pop(name)
            if self.writer.rng.random() < 0.3:  # another one of its name
                self.writer.execute(f"alter table evolving add column {name} {kind}")
                self.columns[name] = kind

    def rename(self):
        old, new = self.writer.rng.choice(list(self.columns)), self.new_name()
        self.writer.execute(f"alter table evolving rename column {old} to {new}")
        self.columns[new] = self.columns.pop(old)

    def swap(self):
        """Two columns of one type get each other's names."""
        pairs = [(a, b) for a in self.columns for b in self.columns if a < b and self.columns[a] == self.columns[b]]
        if pairs:
            a, b = self.writer.rng.choice(pairs)
            self.writer.execute(f"alter table evolving rename column {a} to swapped; alter table evolving rename column {b} to {a}; alter table evolving rename column swapped to {b}")

    def widen(self):
        wide = [n for n, kind in self.columns.items() if kind in self.WIDER]
        if not wide:
            return
        name = self.writer.rng.choice(wide)
        wider = self.WIDER[self.columns[name]]
        using = f"using {name} + 1" if wider == "bigint" and self.writer.rng.random() < 0.5 else ""
        self.writer.execute(f"alter table evolving alter column {name} type {wider} {using}")
        self.columns[name] = wider
