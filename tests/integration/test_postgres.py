"""PostgreSQL as a source: preflight, publication and slot, full load against the server's own texts, and what users do wrong.
The log itself is test_postgres_replication.py's."""

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.harness.servers import PASSWORD, USER, PostgreSQL15, PostgreSQL18, die_with_parent, free_port
from tests.harness.sluice import Sluice, binary, wait_until

CONFIG, DATA, OUTSIDE = 2, 3, 4
DRIVER = Path(os.environ.get("SLUICE_SOURCE_DUMP", binary().parent / "tests" / "unit" / "source_dump"))
PUBLICATION = "sluice_test"  # what the task `test` takes when nothing is configured


@pytest.fixture(scope="module", params=[PostgreSQL15, PostgreSQL18])
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


@pytest.fixture
def shop(server):
    """An empty database without a publication."""
    server.drop_slots()
    server.database("shop")
    yield server
    server.drop_slots()


@pytest.fixture
def sluice(shop):
    shop.sql(f"create table t (id int primary key, name text); insert into t values (1, 'one'), (2, 'two');"
             f"create publication {PUBLICATION} for all tables with (publish_via_partition_root = true)", "shop")
    with Sluice(source=shop.source_config("shop"), tables=[{"name": "public.t", "active": True, "primary_key": ["id"]}]) as driver:
        yield driver


def dump(server, *args, **config):
    """What tests/integration/source_dump.c says, as a list; its last line may be an error."""
    done = subprocess.run([str(DRIVER), json.dumps({**server.source_config("shop"), "task": "test", **config}), *map(str, args)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, preexec_fn=die_with_parent)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(server, **config):
    """{subject: [(result, text, mend)]}"""
    found = {}
    for line in dump(server, "check", **config):
        found.setdefault(line["subject"], []).append((line["result"], line["text"], line["mend"]))
    return found


def fails(sluice, code, *words, args=("capture", "--until-current")):
    """Exit code, and exactly one line of error, which holds the words."""
    done = sluice.run(*args, ok=(code,))
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert re.search(word, errors[0], re.I), f"{word!r} is not in: {errors[0]}"
    assert PASSWORD not in done.stderr + done.stdout
    return errors[0]


def works(server, sluice):
    sluice.run("capture", "--until-current")
    sluice.run("load")
    assert lake(sluice) == server.sql("select id, name from t order by id", "shop")


def lake(sluice):
    return [(int(row["id"]), row["name"]) for row in sluice.query("select id, name from public.t order by id")]


# --- publication and slot ---


def test_check_finds_and_mends(shop):
    """Each finding comes with the statement that mends it: what check says is done until it finds nothing."""
    shop.sql("create table fine (id int primary key); create table keyless (x int); create unlogged table quick (id int primary key);"
             "create table hidden (id int primary key); alter table hidden enable row level security;"
             "create schema inner_ones; create table inner_ones.deep (id int primary key)", "shop")
    shop.sql("create role weak login password 'secret'")
    try:
        found = check(shop, user="weak")
        assert found["REPLICATION"][0][0] == "failed" and found["publication sluice_test"][0][0] == "failed"
        assert found["table public.keyless"][0][0] == "warning" and "replica identity" in found["table public.keyless"][0][1]
        assert "unlogged" in found["table public.quick"][0][1]
        for _ in range(4):
            failed = [line for lines in check(shop, user="weak").values() for line in lines if line[0] == "failed"]
            if not failed:
                break
            for _, _, mend in failed:
                shop.sql(mend, "shop")
        assert not failed
        assert [t["name"] for t in dump(shop, "tables", user="weak")] == ["deep", "fine", "hidden"]
        assert "error" not in dump(shop, "load", 2, user="weak")[-1]
    finally:
        shop.sql("drop owned by weak cascade", "shop")
        shop.sql("drop role weak")


def test_check_of_a_server_that_is_not_set_up():
    with PostgreSQL15(wal_level="replica", max_wal_senders="1", max_replication_slots="1") as server:
        server.database("shop")
        server.sql("create table t (id int primary key)", "shop")
        server.sql("select pg_create_physical_replication_slot('other')")
        found = check(server)
        assert "must be logical" in found["wal_level"][0][1]
        assert found["max_replication_slots"][0][0] == "failed"
        assert found["max_slot_wal_keep_size"][0][0] == "warning"
        server.sql("select pg_drop_replication_slot('other')")
        server.restart(wal_level="logical")
        found = check(server)
        assert found["wal_level"][0][0] == found["max_replication_slots"][0][0] == "ok"


def test_publication_and_slot_are_made_where_the_user_may(shop):
    shop.sql(f"create table a (id int primary key); create table keyless (x int); alter database shop owner to {USER};"
             f"alter table a owner to {USER}; alter table keyless owner to {USER}", "shop")
    first = dump(shop, "prepare")[-1]
    assert first["start"] and first["lost"] is None
    published = "select tablename from pg_publication_tables where pubname = 'sluice_test' order by 1"
    assert shop.sql(published, "shop") == [("a",)]  # with keyless in it, its updates would fail at the source
    slot = "select plugin, database, temporary from pg_replication_slots where slot_name = 'sluice_test'"
    assert shop.sql(slot) == [("pgoutput", "shop", False)]
    shop.sql(f"create table b (id int primary key); alter table b owner to {USER}; update keyless set x = 1", "shop")
    assert dump(shop, "prepare", first["start"])[-1] == {"start": None, "lost": None}
    assert shop.sql(published, "shop") == [("a",), ("b",)]
    assert dump(shop, "prepare")[-1] == first  # made once, kept


def test_nothing_is_made_where_the_configuration_forbids(shop):
    shop.sql(f"create table a (id int primary key); alter database shop owner to {USER}; alter table a owner to {USER}", "shop")
    assert "create_publication" in dump(shop, "prepare", create_publication=False)[-1]["error"]
    assert "create_slot" in dump(shop, "prepare", create_slot=False)[-1]["error"]
    assert shop.sql("select 1 from pg_replication_slots") == []


def test_the_first_of_the_hosts_that_is_the_primary(sluice, shop):
    sluice.config["source"]["host"] = f"127.0.0.1:{free_port()},127.0.0.1:{shop.port}"
    sluice.config["source"]["connect_timeout"] = "2s"
    sluice.write_config()
    works(shop, sluice)


# --- what users do wrong ---


def test_wrong_password(sluice, shop):
    sluice.config["source"]["password"] = "not the password"
    sluice.write_config()
    line = fails(sluice, CONFIG, "28P01|password", USER, "source.password")
    assert "not the password" not in line
    sluice.config["source"]["password"] = PASSWORD
    sluice.write_config()
    works(shop, sluice)


@pytest.mark.parametrize("setting, code, words", [
    ({"database": "nowhere"}, CONFIG, ("nowhere", "source.database")),
    ({"database": None}, CONFIG, ("source.database",)),
    ({"tls": True}, CONFIG, ("SSL",)),
    ({"host": "127.0.0.1:port"}, CONFIG, ("source.host",)),
    ({"slot_name": "With Blanks"}, CONFIG, ("slot_name", "63")),
])
def test_wrong_settings(sluice, shop, setting, code, words):
    sluice.config["source"].update(setting)
    sluice.config["source"] = {k: v for k, v in sluice.config["source"].items() if v is not None}
    sluice.write_config()
    done = sluice.run("capture", "--until-current", ok=(code,))
    for word in words:
        assert re.search(word, done.stderr, re.I), done.stderr


def test_no_server_there(sluice, shop):
    sluice.config["source"].update(port=free_port(), connect_timeout="1s")
    sluice.write_config()
    fails(sluice, OUTSIDE, "127.0.0.1", "source.host", args=("check",))


def test_a_slot_of_another_plugin_or_database(sluice, shop):
    shop.sql("select pg_create_logical_replication_slot('sluice_test', 'test_decoding')", "shop")
    fails(sluice, CONFIG, "test_decoding", "must be pgoutput", "source.slot_name")
    shop.drop_slots()
    shop.sql("select pg_create_logical_replication_slot('sluice_test', 'pgoutput')", "postgres")
    fails(sluice, CONFIG, "database postgres", "source.slot_name")
    shop.drop_slots()
    shop.sql("select pg_create_physical_replication_slot('sluice_test')")
    fails(sluice, CONFIG, "physical")
    shop.drop_slots()
    works(shop, sluice)


def test_a_table_that_the_publication_lacks(sluice, shop):
    shop.sql(f"create table other (id int primary key); drop publication {PUBLICATION}; create publication {PUBLICATION} for table t", "shop")
    done = sluice.run("capture", "--until-current")
    assert re.search("public.other is not captured.*publication", done.stderr)
    checked = check(shop)["table public.other"]
    assert checked[0][0] == "failed" and "ADD TABLE" in checked[0][2]
    shop.sql("insert into other values (1)", "shop")
    shop.sql(checked[0][2], "shop")
    done = sluice.run("capture", "--until-current")
    assert "full load of public.other: 1 rows" in done.stderr
    works(shop, sluice)


def test_a_table_that_may_not_be_read(sluice, shop):
    """It stops alone."""
    shop.sql(f"create table secret (id int primary key); insert into secret values (1); revoke pg_read_all_data from {USER};"
             f"grant select on t to {USER}", "shop")
    try:
        done = sluice.run("capture", "--until-current")
        assert re.search("public.secret is not captured any more.*permission denied", done.stderr)
        sluice.run("load")
        assert lake(sluice) == [(1, "one"), (2, "two")]
        assert "GRANT SELECT" in check(shop)["table public.secret"][0][2]
    finally:
        shop.sql(f"grant pg_read_all_data to {USER}")
    assert "full load of public.secret: 1 rows" in sluice.run("capture", "--until-current").stderr


# --- a slot that is gone ---


def test_a_lost_slot_stops_and_says_what_was_lost(sluice, shop):
    works(shop, sluice)
    shop.drop_slots()
    shop.sql("update t set name = 'unseen' where id = 1; delete from t where id = 2", "shop")
    line = fails(sluice, OUTSIDE, "sluice_test is gone", "--reload", "on_lost_slot")
    assert re.search(r"from [0-9A-F]+/[0-9A-F]+ on", line)
    sluice.run("capture", "--until-current", "--reload")
    works(shop, sluice)


def test_a_lost_slot_is_made_anew_on_request(sluice, shop):
    works(shop, sluice)
    shop.drop_slots()
    shop.sql("update t set name = 'unseen' where id = 1; delete from t where id = 2", "shop")
    sluice.config["source"]["on_lost_slot"] = "reload"
    sluice.write_config()
    assert "loaded in full again" in sluice.run("capture", "--until-current").stderr
    works(shop, sluice)
    shop.sql("insert into t values (3, 'three')", "shop")
    works(shop, sluice)


def test_a_slot_that_held_too_much(server):
    """max_slot_wal_keep_size: the server removed the log."""
    kind = type(server)
    with kind(max_slot_wal_keep_size="2MB", max_wal_size="4MB", min_wal_size="2MB") as small:
        small.database("shop", PUBLICATION)
        small.sql("create table t (id int primary key, name text); insert into t values (1, 'one')", "shop")
        with Sluice(source=small.source_config("shop"), tables=[{"name": "public.t", "active": True, "primary_key": ["id"]}]) as sluice:
            works(small, sluice)
            small.sql("create table filler (x text)", "postgres")
            for _ in range(12):
                small.sql("insert into filler select repeat('x', 1000) from generate_series(1, 1000)")
                small.sql("select pg_switch_wal(); checkpoint")
            small.sql("update t set name = 'unseen'", "shop")
            assert "has lost the log" in check(small)["slot sluice_test"][0][1]
            fails(sluice, OUTSIDE, "max_slot_wal_keep_size", "--reload")
            sluice.run("capture", "--until-current", "--reload")
            works(small, sluice)


def test_drop_slot(sluice, shop):
    works(shop, sluice)
    process = sluice.start("capture")
    active = "select active from pg_replication_slots where slot_name = 'sluice_test'"
    wait_until(lambda: shop.sql(active) == [(True,)], "the slot is read", process=process)
    fails(sluice, OUTSIDE, "being read", args=("drop-slot",))
    sluice.stop(process)
    wait_until(lambda: shop.sql(active) == [(False,)], "the slot is free")
    assert "dropped the replication slot sluice_test" in sluice.run("drop-slot").stdout
    assert shop.sql(active) == []
    assert "there is no replication slot sluice_test" in sluice.run("drop-slot").stdout


# --- full load ---

TYPES = """
create extension if not exists hstore;
create type mood as enum ('sad', 'so so', 'happy');
create domain price as numeric(8,2);
create domain dearer as price;
create type pair as (a int, b text);
create table many (
    id bigint primary key, i2 smallint, i4 int, i8 bigint, r real, d double precision, n numeric, n102 numeric(10,2), n3838 numeric(38,38),
    big numeric(60,0), m money, c5 char(5), vc varchar(20), t text, b bytea, yes boolean, dt date, ti time, tiz timetz, ts timestamp,
    tstz timestamptz, ts0 timestamp(0), iv interval, u uuid, j json, jb jsonb, ai int[], at text[], feeling mood, p dearer, pr pair,
    ir int4range, bt bit(3), vb varbit(10), ip inet, net cidr, mac macaddr, x xml, tv tsvector, pt point, o oid);
"""
ROWS = """
insert into many values (1, -32768, -2147483648, -9223372036854775808, 'NaN', '-Infinity', 'NaN', -12345678.99, 0.1, 1e59::numeric(60,0), 12.5,
    'ab', E'tab\\there', E'line\\nbreak, "quoted", NULL \\\\N', '\\x00ff5c0a'::bytea, true, '2026-11-24', '24:00:00', '10:00+02',
    '2026-11-24 10:00:00.123456', '2026-11-24 10:00:00.5+02', '1999-12-31 23:59:59.6', '1 year 2 mons -3 days 04:05:06.789',
    '00000000-0000-0000-0000-0000000000ff', '{"a":  1}', '{"a":  1}', '{1,NULL,3}', '{"a b",NULL,"NULL","c\\"d"}', 'so so', 1.005, '(1,"x y")',
    '[1,10)', '101', '0101', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '<a>&amp;</a>', 'a fat cat', '(1,2)', 4294967295);
insert into many (id, t, vc, c5, b, vb, at) values (2, '', '', '', '', '', '{}');
insert into many (id) values (3);
insert into many (id, t, vc) values (4, 'NULL', 'UNCHANGED');
insert into many (id, dt, ts, tstz, n102) values (5, 'infinity', '-infinity', 'infinity', 'NaN');
insert into many (id, dt, ts, tstz) values (6, '0044-03-15 BC', '0001-12-31 23:59:59 BC', '12026-01-01 00:00:00+00');
insert into many (id, r, d, n) values (7, 1e-45, 0.1, 123456789012345678901234567890.000100);
insert into many (id, t) values (8, E'\\u00e4\\u20ac\\U0001f600\\t\\r\\n\\b');
insert into many (id, t) select i, repeat('x', 3000) from generate_series(9, 40) i;
"""
NULLED = {5: {"dt", "ts", "tstz", "n102"}}  # what the lake's types do not have
DATES = {6: {"dt": "-0043-03-15", "ts": "+0000-12-31 23:59:59", "tstz": "+12026-01-01 00:00:00"}}


def own_texts(server, table):
    """The server's own texts, changed only where raw files write a type otherwise."""
    columns = server.sql(f"select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = '{table}'::regclass "
                         "and attnum > 0 and not attisdropped and attgenerated = '' order by attnum", "shop")
    form = {"boolean": "{0}::text", "bytea": "encode({0}, 'hex')", "timestamp with time zone": "({0} at time zone 'UTC')::text"}
    output = "case when {0} is not null then format('%s', {0}) end"  # a cast of char(n) to text would strip its blanks
    select = ", ".join(form.get(kind, output).format('"' + name.replace('"', '""') + '"') for name, kind in columns)
    rows = {}
    for row in server.sql(f"set intervalstyle = postgres; set search_path = pg_catalog; select {select} from public.{table}", "shop"):
        row = {name: text for (name, _), text in zip(columns, row)}
        for name in NULLED.get(int(row["id"]), ()):
            row[name] = None
        row.update(DATES.get(int(row["id"]), {}))
        rows[row["id"]] = row
    return rows


def test_full_load_is_the_servers_own(shop):
    """Every type, against the server's own text: as the source gives values, and as they are in the raw files."""
    if not shop.sql("select 1 from pg_available_extensions where name = 'hstore'"):
        pytest.skip("no hstore")
    shop.sql(TYPES + ROWS + f"create publication {PUBLICATION} for all tables", "shop")
    want = own_texts(shop, "many")
    got = {}
    lines = dump(shop, "load", 1)
    for line in lines:
        if "row" in line:
            row = {k: v[1] if isinstance(v, list) else v for k, v in line["row"].items()}
            got[row["id"]] = row
    assert got == want
    assert lines[-1]["counters"] == {"infinity and NaN as NULL": 4}
    with Sluice(source=shop.source_config("shop"), raw={"csv_null_value": "~"}) as sluice:
        sluice.run("capture", "--full-load-only")
        with open(next((sluice.raw / "public" / "many").glob("LOAD*.csv")), newline="") as file:
            rows = {row["id"]: {k: None if v == "~" else v for k, v in row.items()} for row in csv.DictReader(file)}
        assert rows == want
        assert shop.sql("select 1 from pg_replication_slots") == []  # a full load alone holds no log


def test_tables_of_all_kinds(shop):
    shop.sql("create table parts (id int primary key, k int) partition by range (id);"
             "create table parts_1 partition of parts for values from (0) to (100);"
             "create table parts_2 partition of parts for values from (100) to (200) partition by list (id);"
             "create table parts_2a partition of parts_2 default; insert into parts values (1, 1), (150, 2), (151, 3);"
             "create table parent (id int primary key); create table child (primary key (id)) inherits (parent);"
             "insert into parent values (1); insert into child values (2);"
             'create table "We""ird, {name}" ("a ""b" int primary key, "c,d" text); insert into "We""ird, {name}" values (1, \'x\');'
             "create table computed (id int primary key, twice int generated always as (id * 2) stored); insert into computed values (4);"
             "create table by_index (a int not null, b int primary key, c text); create unique index by_a on by_index (a);"
             "alter table by_index replica identity using index by_a; create view v as select 1 as id;"
             "create materialized view mv as select 1 as id; create table nothing ();"
             f"create publication {PUBLICATION} for all tables with (publish_via_partition_root = true)", "shop")
    tables = {t["name"]: t for t in dump(shop, "tables")}
    assert sorted(tables) == ['We"ird, {name}', "by_index", "child", "computed", "parent", "parts"]
    assert tables["by_index"]["key"] == ["a"]  # what the log tells rows apart by
    assert [c["name"] for c in tables["computed"]["columns"]] == ["id"]
    rows = {}
    for line in dump(shop, "load", 3):
        if "row" in line:
            rows.setdefault(line["table"], []).append(tuple(v[1] for v in line["row"].values()))
    assert sorted(rows["public.parts"]) == [("1", "1"), ("150", "2"), ("151", "3")]
    assert rows["public.parent"] == [("1",)] and rows["public.child"] == [("2",)]
    assert rows['public.We"ird, {name}'] == [("1", "x")]
    shop.sql(f"drop publication {PUBLICATION}; create publication {PUBLICATION} for all tables", "shop")
    assert {t["name"] for t in dump(shop, "tables")} >= {"parts_1", "parts_2a"} and "parts" not in {t["name"] for t in dump(shop, "tables")}


def test_columns_and_rows_that_the_publication_chooses(shop):
    shop.sql("create table t (id int primary key, name text, secret text); insert into t values (1, 'a', 'x'), (2, 'b', 'y');"
             f"create publication {PUBLICATION} for table t (id, name) where (id > 1)", "shop")
    assert [c["name"] for c in dump(shop, "tables")[0]["columns"]] == ["id", "name"]
    rows = [line["row"] for line in dump(shop, "load", 1) if "row" in line]
    assert rows == [{"id": ["plain", "2"], "name": ["text", "b"]}]
    assert "secret" in check(shop)["table public.t"][0][1]


def test_a_transaction_that_a_full_load_does_not_see(sluice, shop):
    """It was under way at the snapshot and commits later, between others that the snapshot has: each row once."""
    works(shop, sluice)
    slow = shop.connect("shop", autocommit=False)
    slow.execute("insert into t values (10, 'slow')")
    shop.sql("insert into t values (11, 'before')", "shop")
    done = sluice.run("capture", "--until-current", "--reload")
    assert "full load of public.t: 3 rows" in done.stderr
    shop.sql("insert into t values (12, 'after')", "shop")
    slow.commit()
    slow.close()
    sluice.run("capture", "--until-current")
    changes = [line for path in sorted((sluice.raw / "public" / "t").glob("2*.csv")) for line in path.read_text().splitlines()[1:]]
    assert [line for line in changes if re.match("I,1[012],", line)] == ["I,12,after", "I,10,slow"]
    works(shop, sluice)


@pytest.mark.parametrize("statement, words", [
    ("alter table z alter v type int using v::int + 1", "its definition changed"),
    ("alter table z add w int", "its definition changed"),
    ("alter table z rename v to w", "its definition changed"),
    ("drop table z", "does not exist|its definition changed"),
    ("truncate z", "rewritten or truncated"),
    ("alter table z set (fillfactor = 50); insert into z values (2, '8')", None),
])
def test_a_table_that_changes_below_the_snapshot(shop, statement, words):
    """Between the snapshot and its reading: to be read again in a new one, because this one would see it empty or otherwise."""
    shop.sql("create table a (id int primary key, v text); insert into a select i, repeat('x', 1000) from generate_series(1, 1000) i;"
             "create table z (id int primary key, v text); insert into z values (1, '7')", "shop")
    process = subprocess.Popen([str(DRIVER), json.dumps({**shop.source_config("shop"), "task": "test"}), "load", "1"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    assert "position" in process.stdout.readline()
    shop.sql(statement, "shop")  # meanwhile it waits: a is larger than the pipe
    last = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    if words is None:
        assert [line["row"]["v"][1] for line in last if line.get("table") == "public.z"] == ["7"]
    else:
        assert last[-1]["kind"] == "retry" and re.search(words, last[-1]["error"])
