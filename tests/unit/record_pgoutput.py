"""Records small logs of real PostgreSQL servers as pgoutput sends them, beside what the server's other plugin, test_decoding,
says of the same changes, for test_pgoutput.c.

    .deps/venv/bin/python -m tests.unit.record_pgoutput [name ...]      writes tests/unit/data/postgres-<version>-<name>.pgoutput

A recording is text. Fields are separated by tabs, \\n and \\\\ are escaped.

    type     oid  name          what format_type() says of a type
    message  hex                one message of pgoutput
    says     text               the lines of test_decoding, in order (transactions that were streamed: whole, when they commit)
"""

import sys
from pathlib import Path

from tests.harness.servers import PostgreSQL15, PostgreSQL18

DATA = Path(__file__).parent / "data"


class Recorder:
    def __init__(self, server, name):
        self.server, self.name = server, name
        server.drop_slots()
        server.database("shop", "p")

    def run(self, text):
        """Each line is a transaction, or a statement of one."""
        with self.server.connect("shop") as connection:
            for line in text.strip().split("\n"):
                connection.execute(line.strip())

    def begin(self, two_phase=False):
        for slot, plugin in (("a", "pgoutput"), ("b", "test_decoding")):
            self.server.sql(f"select pg_create_logical_replication_slot('{slot}', '{plugin}', false, {two_phase})", "shop")

    def write(self, version=1, more=""):
        """The two slots are read; a word behind everything makes that the log is on disk."""
        messages = self.server.sql(f"select encode(data, 'hex') from pg_logical_slot_get_binary_changes('a', null, null, 'proto_version', '{version}', "
                                   f"'publication_names', 'p'{more})", "shop")
        says = self.server.sql("select data from pg_logical_slot_get_changes('b', null, null, 'skip-empty-xacts', '1')", "shop")
        types = self.server.sql("select distinct t.oid, format_type(t.oid, null) from pg_type t join pg_attribute a on a.atttypid = t.oid "
                                "join pg_class c on c.oid = a.attrelid where c.relnamespace = 'public'::regnamespace and a.attnum > 0 order by 1", "shop")
        (server,), = self.server.sql("select version()")
        out = [f"# {server.split(' on ')[0]}: recorded by record_pgoutput.py, which says what the lines mean"]
        out += [f"type\t{oid}\t{name}" for oid, name in types]
        out += [f"message\t{data}" for (data,) in messages]
        out += ["says\t" + data.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t") for (data,) in says]
        number = type(self.server).__name__.removeprefix("PostgreSQL")
        (DATA / f"postgres-{number}-{self.name}.pgoutput").write_text("\n".join(out) + "\n")


# --- what is recorded -----------------------------------------------------------------------------------------------


def types(r):
    r.run("create type mood as enum ('sad', 'it''s ok')\ncreate type pair as (n int, word text)\ncreate domain cents as numeric(12,2)")
    r.run("create table t (id int primary key, b bool, i2 smallint, i8 bigint, f4 real, f8 double precision, n numeric, n2 numeric(10,2), c char(5), v varchar(20), t text, "
          "y bytea, d date, ti time, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, a int[], ta text[], m mood, p pair, ce cents, r int4range, bi bit(5), ip inet)")
    r.begin()
    r.run("""set timezone to 'UTC'; set extra_float_digits to 1; insert into t values (1, true, -32768, 9223372036854775807, 'NaN', 1e300, 'NaN', -1.50, 'ab', 'it''s', E'a\\tb\\nc\\\\', '\\x00ff', '0044-03-15 BC', '24:00:00', 'infinity', '2026-11-01 10:15:00.123456+02', '1 year -3 days', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', '{"a": 1}', '{"b": [1, 2]}', '{1,NULL}', '{"a b",c}', 'it''s ok', '(1,"x y")', 2.5, '[1,5)', b'10101', '10.0.0.1/8')
             insert into t (id) values (2)
             insert into t (id, t) values (3, ''), (4, 'NULL'), (5, 'größe 😀')""")
    r.write()


def identities(r):
    big = "(select string_agg(md5(i::text), '') from generate_series(1, 200) i)"
    for name, identity in (("by_default", "default"), ("by_full", "full"), ("by_index", "using index by_index_word"), ("by_nothing", "nothing")):
        r.run(f"create table {name} (id int primary key, word text not null, big text, n int)\ncreate unique index {name}_word on {name} (word)\n"
              f"alter table {name} alter big set storage external\nalter table {name} replica identity {identity}")
    r.begin()
    for name in ("by_default", "by_full", "by_index"):
        r.run(f"insert into {name} values (1, 'one', 'small', 1), (2, 'two', null, 2), (3, 'three', 'x', 3)\n"
              f"insert into {name} values (4, 'four', substr({big}, 1, 2500), 4)\nupdate {name} set n = 40 where id = 4\nupdate {name} set id = 5 where id = 4\n"
              f"update {name} set word = 'uno' where id = 1\ndelete from {name} where id = 2\nupdate {name} set n = null where id = 5")
    r.run("insert into by_nothing values (1, 'one', 'small', 1)")
    r.write()


def definitions(r):
    r.run("create table t (id int primary key, a text, b text)\ncreate schema \"Odd näme\"\ncreate table \"Odd näme\".\"t \"\"x\" (\"a b\" int)")
    r.begin()
    r.run("""insert into t values (1, 'a', 'b')
             alter table t add column c int default 7
             insert into t values (2, 'a', 'b', 3)
             alter table t drop column a
             insert into t values (3, 'b', 4)
             alter table t rename column b to bb
             insert into t values (4, 'bb', 5)
             alter table t alter column c type bigint
             update t set c = 6 where id = 4
             insert into "Odd näme"."t ""x" values (1)""")
    r.write()


def transactions(r):
    r.run("create table t (id int primary key, v text)\ncreate table u (id int)\ncreate table unpublished (id int)")
    r.begin()
    r.run("""begin; insert into t values (1, 'a'); savepoint s; insert into t values (2, 'undone'); rollback to s; insert into t values (3, 'c'); commit
             begin; insert into t values (9, 'undone'); rollback
             begin; insert into u values (1); truncate t, u; insert into u values (2); commit
             truncate t restart identity cascade
             begin; insert into u values (3); select pg_logical_emit_message(true, 'sluice', 'within'); commit
             select pg_replication_origin_create('elsewhere')
             select pg_replication_origin_session_setup('elsewhere')
             insert into u values (4)
             select pg_replication_origin_session_reset()""")
    r.write(more=", 'messages', 'true'")


def prepared(r):
    r.run("create table t (id int primary key, v text)")
    r.begin(two_phase=True)
    r.run("""begin; insert into t values (1, 'a'); prepare transaction 'first'
             insert into t values (2, 'b')
             commit prepared 'first'
             begin; insert into t values (3, 'c'); delete from t where id = 1; prepare transaction 'it''s second'
             rollback prepared 'it''s second'""")
    r.write(version=3, more=", 'two_phase', 'on'")


def streamed(r):
    r.run("create table t (id int primary key, v text)")
    r.begin()
    r.run("""begin; insert into t select i, 'x' from generate_series(1, 500) i; savepoint a; insert into t select i, 'u' from generate_series(701, 1200) i; rollback to a; savepoint b; update t set v = 'kept' where id % 50 = 0; delete from t where id > 450; commit
             begin; insert into t select i, 'u' from generate_series(2000, 2700) i; rollback
             insert into t values (5000, 'small')""")
    parallel = r.server.__class__ is PostgreSQL18
    r.write(version=4 if parallel else 2, more=f", 'streaming', '{'parallel' if parallel else 'on'}'")


RECORDINGS = [types, identities, definitions, transactions, prepared, streamed]

if __name__ == "__main__":
    for kind in (PostgreSQL15, PostgreSQL18):
        with kind(logical_decoding_work_mem="64kB") as server:
            for recording in RECORDINGS:
                if not sys.argv[1:] or recording.__name__ in sys.argv[1:]:
                    recording(Recorder(server, recording.__name__))
