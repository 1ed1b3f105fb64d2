"""The tables of the workload: between them every column type, every kind of key, and what else tables can be."""

import uuid
from dataclasses import dataclass, field

from . import values as v


@dataclass
class Column:
    name: str
    declaration: str
    make: object = None  # None: the server makes it


@dataclass
class Table:
    name: str
    columns: list
    key: list = field(default_factory=list)  # the primary key
    key_of: object = None  # number -> the key's values; None: the number itself
    more: str = ""  # further lines of the definition
    options: str = ""
    partition: list = field(default_factory=list)  # of the lake table
    weight: int = 3  # how often the writer chooses it; 0: only special actions do
    alone: bool = False  # written only outside of transactions: its engine has none
    compared_with: str = None  # the source table that the lake table equals, if it is another

    @property
    def made(self):
        return [c for c in self.columns if c.make and c.name not in self.key]

    def definition(self):
        lines = [f"`{c.name}` {c.declaration}" for c in self.columns]
        if self.key:
            lines.append("primary key (" + ", ".join(f"`{k}`" for k in self.key) + ")")
        if self.more:
            lines.append(self.more)
        return f"create table `{self.name}` ({', '.join(lines)}) {self.options}"

    def key_values(self, number):
        return self.key_of(number) if self.key_of else (number,)


def some(name, declaration, make):
    return Column(name, declaration, v.nullable(make))


def tables(engine):
    """All tables. `engine` is mysql or mariadb: each has types that the other has not."""
    mariadb = engine == "mariadb"
    return [
        Table("ints", [
            Column("id", "bigint unsigned not null"), some("i8", "tinyint", v.signed(8)), some("u8", "tinyint unsigned", v.unsigned(8)),
            some("i16", "smallint", v.signed(16)), some("u16", "smallint(5) unsigned zerofill", v.unsigned(16)),
            some("i24", "mediumint", v.signed(24)), some("u24", "mediumint unsigned", v.unsigned(24)), some("i32", "int", v.signed(32)),
            some("u32", "int unsigned", v.unsigned(32)), some("i64", "bigint", v.signed(64)), some("u64", "bigint unsigned", v.unsigned(64)),
            some("flag", "bool", v.integer(0, 1)), some("b1", "bit(1)", v.integer(0, 1)), some("b33", "bit(33)", v.unsigned(33)),
            some("b64", "bit(64)", v.unsigned(64)), some("y", "year", v.year),
        ], ["id"]),
        Table("numbers", [
            Column("id", "int unsigned not null"), some("price", "decimal(10,2)", v.decimal(10, 2)), some("whole", "decimal(18,0)", v.decimal(18, 0)),
            some("fine", "decimal(38,10)", v.decimal(38, 10)), some("below", "decimal(5,5)", v.decimal(5, 5)),
            some("most", "decimal(65,30)", v.decimal(65, 30)), some("long", "decimal(65,0)", v.decimal(65, 0)),
            some("positive", "decimal(12,4) unsigned", v.decimal(12, 4, low=0)), some("f", "float", v.real), some("d", "double", v.double),
            Column("twice", "decimal(20,2) as (price * 2) stored"), Column("half", "decimal(14,4) as (price / 2) virtual"),
        ], ["id"]),
        Table("texts", [
            Column("id", "int not null auto_increment"), some("c", "char(10)", v.text(10)), some("vc", "varchar(300)", v.text(300)),
            some("t", "text", v.text(2000)), some("m", "mediumtext", v.text(500)),
            *[some(f"in_{charset}", f"varchar(60) character set {charset}", v.text(60, charset)) for charset in charsets(engine)],
            some("c_latin1", "char(20) character set latin1", v.text(20, "latin1")), some("t_gbk", "text character set gbk", v.text(100, "gbk")),
            some("e", "enum('small','it''s','a,b','größe','')", lambda rng: rng.choice(["small", "it's", "a,b", "größe", ""])),
            some("s", "set('one','two','dr\"ei','vier fünf')", lambda rng: ",".join(sorted({rng.choice(["one", "two"]), rng.choice(["dr\"ei", "vier fünf"])}))),
            some("e_latin1", "enum('é','ü') character set latin1", lambda rng: rng.choice("éü")),
        ], ["id"]),
        Table("binaries", [
            Column("id", "binary(6) not null"), some("b", "binary(8)", v.binary(1, 8)), some("vb", "varbinary(300)", v.binary(0, 300)),
            some("tb", "tinyblob", v.binary(0, 200)), some("bb", "blob", v.binary(0, 1000)), some("mb", "mediumblob", v.binary(0, 100)),
            some("lb", "longblob", v.binary(0, 70000)), some("vcb", "varchar(20) character set binary", v.binary(0, 20)),
        ], ["id"], key_of=lambda i: (i.to_bytes(4, "little") + bytes([i % 3, 0]),)),
        Table("times", [
            Column("id", "int not null"), some("d", "date", v.date_with_zeros), some("t", "time", v.time(0)), some("t6", "time(6)", v.time(6)),
            some("t2", "time(2)", v.time(2)), some("dt", "datetime", v.datetime_text(0, zeros=True)), some("dt6", "datetime(6)", v.datetime_text(6)),
            some("dt3", "datetime(3)", v.datetime_text(3)), some("ts", "timestamp null", v.timestamp(0)), some("ts6", "timestamp(6) null", v.timestamp(6)),
            Column("touched", "timestamp(3) not null default current_timestamp(3) on update current_timestamp(3)"),
            Column("made", "datetime default current_timestamp"),
        ], ["id"]),
        Table("docs", [
            Column("id", "int not null"), some("j", "json", v.json_text), some("p", "point", v.point), some("g", "geometry", v.geometry),
            *([some("packed", "text compressed", v.text(900)), some("packed_b", "varbinary(500) compressed", v.binary(0, 500)),
               some("ip4", "inet4", lambda rng: f"10.{rng.randrange(256)}.0.{rng.randrange(256)}"),
               some("ip6", "inet6", lambda rng: rng.choice(["::1", "fe80::1:2", "2001:db8::ff00:42:8329", "::ffff:10.0.0.1"])),
               some("u", "uuid", lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)))] if mariadb else
              [some("jt", "json", v.json_of_types)]),
        ], ["id"]),
        Table("composite", [
            Column("day", "date not null"), Column("amount", "decimal(12,2) not null", v.decimal(12, 2)), Column("tenant", "smallint unsigned not null"),
            Column("code", "varchar(30) not null"), some("note", "text", v.text(200)),
        ], ["tenant", "code", "day"], key_of=lambda i: (65535 - i % 7, f"code {i // 7} é,\"{i % 3}\"", f"2026-01-{i % 28 + 1:02}")),
        Table("textkey", [
            Column("name", "varchar(60) not null"), some("value", "varchar(100)", v.text(100)), some("n", "int", v.signed(32)),
        ], ["name"], key_of=lambda i: (f"{['Key', 'Straße', '鍵', 'NULL'][i % 4]} {i}",)),
        Table("events", [
            Column("seq", "bigint", v.unsigned(40)), some("kind", "varchar(10)", lambda rng: rng.choice(["click", "view", "NULL", ""])),
            some("at", "datetime(6)", v.datetime_text(6)), some("amount", "double", v.double),
        ]),
        Table("orders", [
            Column("id", "int", v.signed(32)), Column("create_dt", "date", lambda rng: f"2018-12-1{rng.randrange(5)}"), some("qty", "int", v.integer(0, 9)),
        ], partition=["create_dt"]),
        Table("tickets", [
            Column("id", "int not null"),
            some("region", "varchar(30)", lambda rng: rng.choice(["north", "süd", "a/b", "50%", "x=y", "two words", "..", "日本", "#1", "a:b"])),
            Column("prio", "tinyint", v.integer(0, 3)), some("title", "varchar(100)", v.text(100)),
        ], ["id"], partition=["region", "prio"]),
        Table("wide", [
            Column("id", "int not null"),
            *[some(f"c{i:02}", *[("int", v.signed(32)), ("varchar(40)", v.text(40)), ("decimal(9,3)", v.decimal(9, 3)), ("datetime", v.datetime_text(0))][i % 4])
              for i in range(99)],
        ], ["id"], weight=2),
        Table("large", [
            Column("id", "int not null"), some("t", "longtext", v.large_text(1 << 20)), some("b", "longblob", v.large_binary(1 << 19)),
        ], ["id"], weight=1),
        Table("audited", [
            Column("n", "int", v.signed(32)), some("name", "varchar(40)", v.text(40)),
        ], weight=1, compared_with="audit"),
        Table("audit", [
            Column("n", "int", v.signed(32)), some("name", "varchar(40)", v.text(40)),
        ], weight=0),
        Table("old_engine", [
            Column("id", "int not null"), some("name", "varchar(40)", v.text(40)),
        ], ["id"], options="engine=MyISAM", alone=True),
        Table("emptied", [
            Column("id", "int not null"), some("name", "varchar(40)", v.text(40)),
        ], ["id"]),
        Table("marker", [Column("n", "bigint not null")], weight=0),
        Table("bulk", [
            Column("id", "bigint not null"), Column("batch", "int not null"), Column("payload", "varchar(60)"),
        ], ["id"], weight=0),
        Table("Odd näme", [
            Column("the id", "int not null"), some("a \"b\"", "varchar(40)", v.text(40)), some("c,d", "int", v.signed(32)), some("select", "text", v.text(30)),
        ], ["the id"], weight=1),
    ]


def charsets(engine):
    return [c for c in v.ALPHABETS if not (c == "gb18030" and engine == "mariadb")]
