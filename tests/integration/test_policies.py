"""What a table's loads do with rows that do not fit, with changed columns, with deletes and with the past: the options of
`load:` and of an entry of `tables:`, in both formats, read by DuckDB and pyiceberg."""

import json

import duckdb
import pytest

from tests.harness.servers import MariaDB
from tests.harness.sluice import Sluice

FORMATS = ["parquet", "iceberg"]


@pytest.fixture(params=FORMATS)
def shop(request):
    """One table of AWS DMS with declared types; `entry` is its entry in `tables:`."""
    with Sluice(**settings(request.param)) as sluice:
        yield Shop(sluice)


def settings(lake_format):
    return {
        "source": {"engine": "dms"}, "memory_limit": "256MB", "lake": {"format": lake_format},
        "tables": [{"name": "shop.t", "active": True, "primary_key": ["id"],
                    "columns": {"id": "int", "n": "int", "note": "varchar"}}],
    }


class Shop:
    def __init__(self, sluice):
        self.sluice = sluice
        self.folder = sluice.raw / "shop" / "t"
        self.minute = 0

    def configure(self, **options):
        self.sluice.config["tables"][0].update(options)
        self.sluice.write_config()

    def put(self, text, name=None):
        if name is None:
            self.minute += 1
            name = f"20261101-10{self.minute:02}00000.csv"
        self.folder.mkdir(parents=True, exist_ok=True)
        hidden = self.sluice.folder / name
        hidden.write_bytes(text if isinstance(text, bytes) else text.encode())
        hidden.rename(self.folder / name)
        return name

    def load(self, **kwargs):
        return self.sluice.run("load", **kwargs)

    def fails(self, *parts):
        done = self.load(ok=(3,))
        for part in parts:
            assert part in done.stderr, done.stderr

    def rows(self, table="t", columns="*", order="id"):
        return lake_rows(self.sluice, table, columns, order)

    def quarantine(self):
        lines = []
        for path in sorted((self.sluice.folder / "quarantine").rglob("*.jsonl")):
            assert path.parent.relative_to(self.sluice.folder / "quarantine").as_posix() == "shop/t"
            lines += [{**json.loads(line), "run": path.stem == json.loads(line)["run"]} for line in path.open()]
        return lines

    def status(self):
        return self.sluice.status()["tables"][0]["load"]


def lake_rows(sluice, table, columns="*", order="id"):
    """The rows as tuples, by a reader that is not sluice."""
    if sluice.config["lake"]["format"] == "iceberg":
        found = sluice.iceberg_table(table).scan().to_arrow()
    else:
        found = duckdb.read_parquet(f"{sluice.lake}/{table}/**/*.parquet", union_by_name=True, hive_partitioning=True)
    return duckdb.sql(f"select {columns} from found order by {order}").fetchall()


# --- bad_rows ----------------------------------------------------------------------------------------------------------


def test_rows_that_do_not_fit_stop_the_table_or_are_put_aside(shop):
    shop.put("id,n,note\n1,1,a\n2,x,b\n3,3\n4,4,d\n", "LOAD00000001.csv")
    shop.fails("shop/t/LOAD00000001.csv: line")
    shop.configure(bad_rows="quarantine")
    done = shop.load()
    assert "2 rows did not fit" in done.stderr and "2 rows from 1 files" in done.stderr
    assert shop.rows() == [("I", 1, 1, "a"), ("I", 4, 4, "d")]
    name = "shop/t/LOAD00000001.csv"
    assert shop.quarantine() == [
        {"run": True, "file": name, "line": 3, "column": "n", "value": "x", "reason": '"x" is not an int', "record": "2,x,b"},
        {"run": True, "file": name, "line": 4, "column": None, "value": None,
         "reason": "the record has 2 fields, and the header says 3", "record": "3,3"}]
    assert shop.status()["quarantined_rows"] == 2
    assert "2 rows in quarantine" in shop.sluice.run("status").stdout
    assert not any("quarantine" in path.name for path in [*shop.sluice.raw.rglob("*"), *shop.sluice.lake.rglob("*")])


def test_of_a_change_that_was_put_aside_the_one_before_decides(shop):
    shop.put("id,n,note\n1,1,a\n2,2,b\n3,3,c\n", "LOAD00000001.csv")
    shop.configure(bad_rows="quarantine")
    shop.load()
    name = shop.put('Op,id,n,note\nU,1,10,aa\nU,1,abc,aaa\nX,2,2,b\nI,4,4,"NULL"\nD,3,3,c\nI,3,1.5,c\nI,5,,\n')
    shop.put("Op,note,n,id\nU,new,20,2\nU,worse,,two\nD,last,x,1\n")
    shop.load()
    assert shop.rows() == [("U", 1, 10, "aa"), ("U", 2, 20, "new"), ("I", 4, 4, "NULL"), ("I", 5, None, None)]
    assert [(q["line"], q["column"], q["value"], q["record"]) for q in shop.quarantine() if q["file"].endswith(name)] == [
        (3, "n", "abc", "U,1,abc,aaa"), (4, None, None, "X,2,2,b"), (7, "n", "1.5", "I,3,1.5,c")]
    assert len(shop.quarantine()) == shop.status()["quarantined_rows"] == 5


def test_a_value_that_a_wider_type_takes_is_not_put_aside(shop):
    shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
    shop.configure(bad_rows="quarantine")
    shop.load()
    shop.put("Op,id,n,note\nU,1,3000000000,a\nI,2,many,b\nI,3\n")
    shop.load()
    assert shop.rows() == [("U", 1, 3000000000, "a")]
    assert [q["line"] for q in shop.quarantine()] == [3, 4]


def test_what_is_wrong_with_a_whole_file_is_no_bad_row(shop):
    shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
    shop.configure(bad_rows="quarantine")
    shop.load()
    shop.put('Op,id,n,note\nI,2,2,"b\nI,3,3,c\n')
    shop.fails("never closed")
    assert shop.rows() == [("I", 1, 1, "a")] and shop.quarantine() == []


def test_bytes_that_are_no_text_are_kept_as_hexadecimal(shop):
    shop.sluice.config["load"] = {"bad_rows": "quarantine", "quarantine": f"file://{shop.sluice.folder}/quarantine"}
    shop.configure()
    shop.put(b"id,n,note\n1,1,\xff\n2,2,b\n\xfe,3,c\n", "LOAD00000001.csv")
    shop.load()
    assert shop.rows() == [("I", 2, 2, "b")]
    assert [(q.get("value_hex"), q.get("record_hex"), q["reason"]) for q in shop.quarantine()] == [
        ("ff", b"1,1,\xff".hex(), "the value is not valid UTF-8"), ("fe", b"\xfe,3,c".hex(), '"?" is not an int')]


def test_a_crash_loses_no_row_that_was_put_aside(shop):
    shop.configure(bad_rows="quarantine")
    shop.put("id,n,note\n1,1,a\n2,x,b\n", "LOAD00000001.csv")
    shop.load(fault="load.before_commit")
    assert not shop.sluice.lake.exists() or shop.status()["rows_loaded"] == 0
    assert [q["line"] for q in shop.quarantine()] == [3]
    shop.load(fault="load.committed")
    shop.load()
    assert shop.rows() == [("I", 1, 1, "a")]
    assert {q["line"] for q in shop.quarantine()} == {3}
    assert shop.status()["quarantined_rows"] == 1


def test_many_bad_rows_in_a_partitioned_load_are_each_put_aside_once(shop):
    shop.configure(bad_rows="quarantine", partition_key=["note"])
    count = 30000
    shop.put("id,n,note\n" + "".join(f"{i},{'bad' if i % 3 == 0 else i},{i % 5}\n" for i in range(count)), "LOAD00000001.csv")
    shop.put("Op,id,n,note\n" + "".join(f"U,{i},{'bad' if i % 7 == 0 else i},{i % 4}\n" for i in range(count)))
    shop.load()
    lines = {(q["file"], q["line"]) for q in shop.quarantine()}
    assert len(lines) == len(shop.quarantine()) == sum(i % 3 == 0 for i in range(count)) + sum(i % 7 == 0 for i in range(count))
    assert shop.rows(columns="count(*), sum(id)", order="1") == [
        (sum(1 for i in range(count) if i % 3 or i % 7), sum(i for i in range(count) if i % 3 or i % 7))]


# --- soft_delete ---------------------------------------------------------------------------------------------------------


def test_deleted_rows_stay_marked(shop):
    shop.configure(soft_delete=True, partition_key=["note"])
    shop.put("id,n,note\n1,1,a\n2,2,b\n3,3,c\n", "LOAD00000001.csv")
    shop.put("Op,id,n,note\nD,1,1,a\nU,2,20,c\nD,2,20,c\nI,4,4,d\nD,4,4,d\nD,9,9,z\n")
    shop.load()
    rows = [("D", 1, 1, "a"), ("D", 2, 20, "c"), ("I", 3, 3, "c"), ("D", 4, 4, "d"), ("D", 9, 9, "z")]
    assert shop.rows(columns="Op, id, n, note") == rows
    shop.put("Op,id,n,note\nI,1,100,e\nD,3,3,c\n")
    shop.put("Op,id,n,note\nU,4,44,d\nD,1,100,e\nU,1,101,e\n")
    shop.load()
    rows = [("U", 1, 101, "e"), ("D", 2, 20, "c"), ("D", 3, 3, "c"), ("U", 4, 44, "d"), ("D", 9, 9, "z")]
    assert shop.rows(columns="Op, id, n, note") == rows
    shop.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-incremental-file", "0")
    shop.load()  # again: nothing changes
    assert shop.rows(columns="Op, id, n, note") == rows


def test_a_deleted_row_keeps_values_that_were_not_sent(shop):
    shop.sluice.config["raw"]["csv_no_sup_value"] = "UNSENT"
    shop.configure(soft_delete=True)
    shop.put("id,n,note\n1,1,a\n2,2,b\n", "LOAD00000001.csv")
    shop.load()
    shop.put("Op,id,n,note\nD,1,UNSENT,UNSENT\nU,2,20,UNSENT\nD,2,UNSENT,UNSENT\nI,3,3,c\nD,3,UNSENT,UNSENT\n")
    shop.load()
    assert shop.rows() == [("D", 1, 1, "a"), ("D", 2, 20, "b"), ("D", 3, 3, "c")]


# --- history -------------------------------------------------------------------------------------------------------------

PAST = "_change_file, _change_number"
FIRST = "+LOAD00000001.csv"


def past(shop, columns="Op, id, n, note"):
    return shop.rows("t_history", columns, PAST)


def test_every_change_is_a_row_of_the_history(shop):
    shop.configure(history=True)
    shop.put("id,n,note\n1,1,a\n2,2,b\n", "LOAD00000001.csv")
    one = shop.put("Op,id,n,note\nU,1,10,a\nD,2,2,b\nU,1,11,a\n")
    shop.load()
    rows = [("I", 1, 1, "a"), ("I", 2, 2, "b"), ("U", 1, 10, "a"), ("D", 2, 2, "b"), ("U", 1, 11, "a")]
    assert shop.rows() == [("U", 1, 11, "a")]
    assert past(shop) == rows
    assert past(shop, PAST) == [(FIRST, 1), (FIRST, 2), (one, 1), (one, 2), (one, 3)]
    assert past(shop, "_change_time::varchar")[2:] == [("2026-11-01 10:01:00",)] * 3
    two = shop.put("Op,id,n,note,more\nI,2,3,c,x\n")
    shop.load()
    assert past(shop, "Op, id, n, note, more")[-2:] == [("U", 1, 11, "a", None), ("I", 2, 3, "c", "x")]
    assert shop.sluice.query("select count(*) as n from shop.t_history where _change_file = '" + two + "'") == [{"n": 1}]
    before = len(past(shop))
    shop.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-full-load-date", "1900-01-01", "--last-incremental-file", "0")
    shop.load()  # the table again; its history has it all
    assert len(past(shop)) == before
    shop.put("id,n,note\n7,7,g\n", "LOAD00000002.csv")
    shop.load()
    assert past(shop, "id, _change_file")[-1] == (7, two + "+LOAD00000002.csv")
    assert shop.status()["last_error"] is None and shop.load().stdout.startswith("1 table: 0 loaded, 0 failed, 0 waiting")


def test_a_history_that_is_asked_for_later_begins_with_the_raw_zone(shop):
    shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
    shop.put("Op,id,n,note\nU,1,10,a\n")
    shop.load()
    shop.configure(history=True)
    shop.load()
    assert past(shop) == [("I", 1, 1, "a"), ("U", 1, 10, "a")]
    shop.configure(history=False)
    shop.put("Op,id,n,note\nU,1,11,a\n")
    shop.load()
    shop.configure(history=True)
    shop.load()
    assert past(shop)[2:] == [("U", 1, 11, "a")]


@pytest.mark.parametrize("mode", [True, "only"])
def test_a_history_is_maintained(mode):
    with Sluice(**settings("iceberg")) as sluice:
        shop = Shop(sluice)
        shop.configure(history=mode)
        shop.put("id,n,note\n1,0,a\n", "LOAD00000001.csv")
        for number in range(1, 6):
            shop.load()
            shop.put(f"Op,id,n,note\nU,1,{number},a\n")
        shop.load()
        files = len(sluice.iceberg_table("t_history").inspect.files())
        sluice.run("maintain")
        assert files == 6 and len(sluice.iceberg_table("t_history").inspect.files()) == 1
        assert past(shop, "n") == [(number,) for number in range(6)]


def test_a_history_alone(shop):
    shop.configure(history="only", schema_change="add_only", bad_rows="quarantine")
    shop.put("id,n,note\n1,1,a\n2,x,b\n", "LOAD00000001.csv")
    shop.put("Op,id,n,note\nU,1,10,a\nD,1,10,a\n")
    shop.load()
    rows = [("I", 1, 1, "a"), ("U", 1, 10, "a"), ("D", 1, 10, "a")]
    assert past(shop) == rows and len(shop.quarantine()) == 1
    assert not (shop.sluice.lake / "t").exists()
    assert shop.status()["last_incremental_file"].endswith("20261101-100100000.csv") and shop.status()["primary_key"] == "id"
    shop.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-full-load-date", "1900-01-01", "--last-incremental-file", "0")
    shop.put("Op,id,n,note\nI,2,2,b\n")
    shop.load()
    assert past(shop) == [*rows, ("I", 2, 2, "b")]


@pytest.mark.parametrize("mode", [True, "only"])
def test_a_crash_neither_loses_nor_doubles_history(shop, mode):
    shop.configure(history=mode)
    shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
    shop.load()
    want = [("I", 1, 1, "a")]
    points = ["load.staged", "load.before_commit", "load.committed", "load.done"]
    for number, point in enumerate(points + [f"{p}:2" for p in points if mode is True]):
        shop.put(f"Op,id,n,note\nU,1,{number},a\n")
        want.append(("U", 1, number, "a"))
        assert shop.load(fault=point).returncode < 0
        if number % 2:
            shop.load()
    shop.load()
    assert past(shop) == want
    if mode is True:
        assert shop.rows() == want[-1:]


# --- schema_change -------------------------------------------------------------------------------------------------------


ADDED = "Op,id,n,note,more\nU,1,2,b,x\n"
DROPPED = "Op,id,note\nU,1,b\n"
MOVED = "Op,id,note,n\nU,1,b,2\n"
WIDER = "Op,id,n,note\nU,1,3000000000,b\n"


@pytest.mark.parametrize("policy, text, refused, columns, row", [
    ("evolve", ADDED, None, "n, more", (2, "x")), ("evolve", DROPPED, None, "n, note", (None, "b")),
    ("evolve", WIDER, None, "n", (3000000000,)), ("evolve", MOVED, None, "n", (2,)),
    ("add_only", ADDED, None, "n, more", (2, "x")), ("add_only", DROPPED, None, "n, note", (None, "b")),
    ("add_only", WIDER, '"n" was int and is bigint now', "n", None), ("add_only", MOVED, None, "n", (2,)),
    ("stop", ADDED, '"more" was added', "n", None), ("stop", DROPPED, '"n" was dropped', "n", None),
    ("stop", WIDER, '"n" was int and is bigint now', "n", None), ("stop", MOVED, '"note" was moved', "n", None),
])
def test_columns_that_change(policy, text, refused, columns, row):
    with Sluice(**settings("iceberg")) as sluice:
        shop = Shop(sluice)
        if policy != "evolve":
            shop.configure(schema_change=policy)
        shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
        shop.put("Op,id,n,note\nI,2,2,b\n")
        shop.load()
        shop.put(text)
        if refused is None:
            shop.load()
            assert shop.rows(columns=columns)[0] == row
            return
        shop.fails(refused, f"schema_change is {policy}", "evolve", "in full again")
        assert shop.rows() == [("I", 1, 1, "a"), ("I", 2, 2, "b")]
        shop.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-full-load-date", "1900-01-01",
                        "--last-incremental-file", "0")
        shop.load()  # in full, it may bring anything
        assert shop.rows(columns="id") == [(1,), (2,)]


def test_a_change_of_columns_is_judged_once_and_stops_no_other_table(shop):
    shop.configure(schema_change="stop")
    shop.put("id,n,note\n1,1,a\n", "LOAD00000001.csv")
    shop.load()
    shop.put(DROPPED)
    shop.sluice.config["tables"].append({"name": "shop.other", "active": True, "primary_key": ["id"]})
    shop.sluice.write_config()
    (shop.sluice.raw / "shop" / "other").mkdir()
    (shop.sluice.raw / "shop" / "other" / "LOAD00000001.csv").write_text("id\n7\n")
    shop.fails('"n" was dropped')
    assert lake_rows(shop.sluice, "other") == [("I", 7)]
    shop.configure(schema_change="evolve")
    shop.load()
    shop.configure(schema_change="stop")
    shop.put("Op,id,note\nU,1,c\n")
    shop.load()
    assert shop.rows() == [("U", 1, None, "c")]


STEPS = {  # what is done to a table of its own; what add_only and stop say to it
    "added": ("add column b int default 5", None, 'column "b" was added'),
    "dropped": ("drop column note", None, 'column "note" was dropped'),
    "renamed": ("rename column note to remark", 'column "note" was renamed to "remark"', 'column "note" was renamed to "remark"'),
    "wider": ("modify n bigint", 'column "n" was int and is bigint now', 'column "n" was int and is bigint now'),
    "moved": ("modify note varchar(10) after id", None, 'column "note" was moved'),
}


def test_a_source_that_changes_its_columns():
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB(binlog_row_metadata="FULL") as server:
        for policy in ("add_only", "stop"):
            for name in STEPS:
                server.sql(f"create database if not exists {policy}; use {policy}; create table {name} (id int primary key, n int, "
                           f"note varchar(10)); insert into {name} values (1, 1, 'a')")
        with Sluice(source={**server.source_config("stop"), "database": None, "schema_filter": "[as][dt][do]%"}, lake={"format": "iceberg", "table_name": "{schema}_{table}"},
                    load={"schema_change": "stop"}, tables=[
                        {"schema": policy, "table": name, "active": True, **({"schema_change": policy} if policy != "stop" else {})}
                        for policy in ("add_only", "stop") for name in STEPS]) as sluice:
            sluice.run("capture", "--until-current")
            sluice.run("load")
            for policy in ("add_only", "stop"):
                for name, (step, *_) in STEPS.items():
                    server.sql(f"use {policy}; alter table {name} {step}; insert into {name} (id) values (2)")
            sluice.run("capture", "--until-current")
            sluice.run("load", ok=(3,))
            for table in sluice.status()["tables"]:
                _, add_only, stop = STEPS[table["table"]]
                said, error = stop if table["schema"] == "stop" else add_only, table["load"]["last_error"]
                assert (error is None) if said is None else said in error, (table["schema"], table["table"], error)
                rows = lake_rows(sluice, f"{table['schema']}_{table['table']}", "id")
                assert rows == [(1,), (2,)] if said is None else rows == [(1,)]


@pytest.mark.parametrize("lake_format", FORMATS)
def test_a_type_that_the_lake_cannot_follow_stops_that_table_alone(lake_format):
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB(binlog_row_metadata="FULL") as server:
        server.sql("create database shop; use shop; create table t (id int primary key, n int); insert into t values (1, 1), (2, 2); "
                   "create table other (id int primary key); insert into other values (1)")
        with Sluice(source=server.source_config("shop"), lake={"format": lake_format}, tables=[{"name": f"shop.{t}", "active": True} for t in ("t", "other")]) as sluice:
            shop = Shop(sluice)

            def step(*statements):
                for statement in statements:
                    server.sql(f"use shop; {statement}")
                sluice.run("capture", "--until-current")

            step("select 1")
            sluice.run("load")
            step("alter table t modify n varchar(10)", "insert into t values (3, '33')", "insert into other values (2)")
            shop.fails('loading shop.t: column "n" is string now and was int in the lake', "sluice capture --reload --schema shop --table t",
                       'or keep its type in sluice.yaml with tables: columns: {"n": "int"}')
            assert shop.rows() == [("I", 1, 1), ("I", 2, 2)] and lake_rows(sluice, "other") == [("I", 1), ("I", 2)]
            shop.configure(columns={"n": "int"})
            shop.load()
            assert shop.rows()[2:] == [("I", 3, 33)]
            step("insert into t values (4, 'four'), (5, '5')")
            shop.fails('column "n": "four" is not an int')
            shop.configure(bad_rows="quarantine")
            shop.load()
            assert shop.rows()[2:] == [("I", 3, 33), ("I", 5, 5)] and [bad["value"] for bad in shop.quarantine()] == ["four"]
            del sluice.config["tables"][0]["columns"]
            sluice.write_config()
            step("insert into t values (6, 'six')")
            shop.fails('column "n" is string now and was int in the lake')
            sluice.run("capture", "--until-current", "--reload", "--schema", "shop", "--table", "t")
            shop.load()
            assert [row[1:] for row in shop.rows()] == [(1, "1"), (2, "2"), (3, "33"), (4, "four"), (5, "5"), (6, "six")]


@pytest.mark.parametrize("data_format", ["csv", "parquet"])
def test_declared_types_of_a_captured_table(data_format):
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB(binlog_row_metadata="FULL") as server:
        server.sql("create database shop; use shop; create table t (id int primary key, code varchar(10), price decimal(10,2), n int); "
                   "insert into t values (1, '007', 1.5, 1)")
        with Sluice(source=server.source_config("shop"), lake={"format": "iceberg"}, raw={"data_format": data_format}, tables=[
                {"name": "shop.t", "active": True, "columns": {"code": "bigint", "price": "double", "n": "varchar"}}]) as sluice:
            shop = Shop(sluice)
            for statement in ("select 1", "alter table t rename column code to number; insert into t values (2, '8', 2.25, 2)", "alter table t modify n bigint; update t set n = 3 where id = 1"):
                server.sql(f"use shop; {statement}")
                sluice.run("capture", "--until-current")
                if "rename" in statement:
                    shop.configure(columns={"number": "bigint", "price": "double", "n": "varchar"})
                shop.load()
            assert shop.rows() == [("U", 1, 7, 1.5, "3"), ("I", 2, 8, 2.25, "2")]
            assert [str(f.field_type) for f in sluice.iceberg_table("t").schema().fields] == ["string", "int", "long", "double", "string"]


def test_the_history_of_a_captured_table():
    if MariaDB.unavailable():
        pytest.skip(MariaDB.unavailable())
    with MariaDB(binlog_row_metadata="FULL") as server:
        server.sql("create database shop; use shop; create table t (id int primary key, n int); insert into t values (1, 1), (2, 2); "
                   "create table none (id int primary key)")
        with Sluice(source=server.source_config("shop"), lake={"format": "iceberg"}, raw={"timestamp_column_name": "at"}, tables=[
                {"name": f"shop.{t}", "active": True, "history": True} for t in ("t", "none")]) as sluice:
            shop = Shop(sluice)

            def step(*statements):
                for statement in statements:
                    server.sql(f"use shop; {statement}")
                    sluice.run("capture", "--until-current")

            step("select 1")
            sluice.run("load")
            step("update t set n = n + 10", "alter table t rename column n to m, add column b varchar(5) default 'x'",
                 "insert into t (id, m) values (3, 3)")
            sluice.run("load")
            rows = [("I", 1, 1, None), ("I", 2, 2, None), ("U", 1, 11, None), ("U", 2, 12, None), ("I", 3, 3, "x")]
            got = past(shop, "Op, id, m, b")
            assert [row[:3] for row in got] == [row[:3] for row in rows] and got[-1] == rows[-1]
            assert lake_rows(sluice, "t_history", 'count(*), sum((_change_time = "at")::int)', "1") == [(5, 5)]
            # Changes that a truncation makes needless for the table are changes all the same.
            step("update t set m = 100 where id = 1", "truncate table t", "insert into t values (4, 4, 'y')")
            sluice.run("load")
            assert lake_rows(sluice, "t", "Op, id, m, b") == [("I", 4, 4, "y")]
            assert [row[:3] for row in past(shop, "Op, id, m, b")][5:] == [("U", 1, 100), ("I", 4, 4)]
            assert lake_rows(sluice, "none_history", "id") == []
            step("insert into none values (1)")
            sluice.run("load")
            assert lake_rows(sluice, "none_history", "Op, id") == [("I", 1)]
