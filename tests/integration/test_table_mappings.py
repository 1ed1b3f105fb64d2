"""Table mappings: the lake is what the source's SELECT with the same conditions and expressions gives, through full load,
changes across the filter's border, changed definitions, kills and changed rules."""

import json
import re

import pytest

from tests.harness.compare import assert_same, source_columns
from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice

TABLE = """create table orders (id int primary key, status varchar(20), price decimal(10,2), rate float, at datetime(3),
                                seen timestamp(6) null, day date, code char(5), y year, kind enum('a','b'))"""


@pytest.fixture(scope="module", params=[MariaDB, MySQL80], ids=lambda server: server.__name__)
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


@pytest.fixture
def shop(server):
    server.sql("drop database if exists m; create database m character set utf8mb4")
    return server


def include(rule_id, table="%", schema="m", action="include", **more):
    return {"rule-type": "selection", "rule-id": rule_id, "rule-name": rule_id, "rule-action": action,
            "object-locator": {"schema-name": schema, "table-name": table}, **more}


def source_filter(column, *conditions):
    return {"filter-type": "source", "column-name": column, "filter-conditions": [
        {"filter-operator": c[0], **dict(zip(("value",) if len(c) == 2 else ("start-value", "end-value"), c[1:]))} for c in conditions]}


def driver(server, *rules, tables=(), **config):
    source = {k: v for k, v in server.source_config("m").items() if not k.endswith("_filter")}
    sluice = Sluice(source={**source, "table_mappings": "mappings.json"}, tables=[{"name": f"m.{t}", "active": True} for t in tables], **config)
    write_rules(sluice, *rules)
    return sluice


def write_rules(sluice, *rules):
    (sluice.folder / "mappings.json").write_text(json.dumps({"rules": rules}))


def replicate(sluice, *flags):
    sluice.run("capture", "--until-current", *flags)
    sluice.run("load")


# --- selection ---


def test_selection(shop):
    shop.sql("create table a1 (id int primary key); create table a2 (id int primary key); create table tmp_a (id int primary key); "
             "create table b (id int primary key); insert into a1 values (1); insert into a2 values (2); insert into tmp_a values (3); insert into b values (4)", "m")
    with driver(shop, include("1", "a%"), include("2", "%mp[_]%"), include("3", "a2", action="exclude"), include("4", "b", action="explicit"),
                tables=["a1", "a2", "tmp_a", "b", "a3"]) as sluice:
        replicate(sluice)
        assert sorted(p.name for p in (sluice.raw / "m").iterdir()) == ["a1", "b", "tmp_a"]
        shop.sql("create table a3 (id int primary key); insert into a3 values (5); insert into a2 values (6); create table c (id int)", "m")
        replicate(sluice)
        assert sorted(p.name for p in (sluice.raw / "m").iterdir()) == ["a1", "a3", "b", "tmp_a"]
        # A rule less, changes that nobody follows, and the rule again: the table is right again.
        write_rules(sluice, include("1", "a1"))
        shop.sql("insert into b values (7)", "m")
        replicate(sluice)
        stopped = {t["table"]: t["capture"].get("stopped") for t in sluice.status()["tables"]}
        assert "do not select it" in stopped["b"] and stopped["a1"] is None
        shop.sql("insert into b values (8); delete from b where id = 4", "m")
        write_rules(sluice, include("1", "a1"), include("2", "b"))
        replicate(sluice)
        assert_same(shop, "m", "b", sluice)
        write_rules(sluice, include("1", "gone", action="explicit"))
        failed = sluice.run("capture", "--until-current", ok=(2,))
        assert "selects table m.gone explicitly" in failed.stderr


def test_load_order(shop):
    shop.sql("; ".join(f"create table t{i} (id int primary key); insert into t{i} values (1)" for i in range(4)), "m")
    with driver(shop, include("1"), include("2", "t3", **{"load-order": "5"}), include("3", "t2", **{"load-order": 7})) as sluice:
        sluice.config["source"]["max_full_load_sub_tasks"] = 1
        sluice.write_config()
        log = sluice.run("capture", "--until-current").stderr
        places = [log.index(f"full load of m.t{i}:") for i in (2, 3, 0, 1)]
        assert places == sorted(places)


def test_what_is_wrong_is_said(shop):
    with driver(shop, include("1", filters=[source_filter("a", ("like", "x"))])) as sluice:
        failed = sluice.run("capture", "--until-current", ok=(2,))
        assert "mappings.json: rule-id 1" in failed.stderr and "known are eq, noteq" in failed.stderr
        (sluice.folder / "mappings.json").unlink()
        failed = sluice.run("check", ok=(2,))
        assert "mappings.json: there is no such file" in failed.stderr
        sluice.config["source"]["table_filter"] = "a%"
        sluice.write_config()
        failed = sluice.run("check", ok=(2,))
        assert "source.table_filter and source.table_mappings exclude each other" in failed.stderr


# --- filters ---

FILTERS = {
    "number": ([source_filter("price", ("gte", "10"))], "price >= 10"),
    "alternatives": ([source_filter("id", ("lte", "2"), ("between", "5", "6"), ("gte", "100"))], "id <= 2 or id between 5 and 6 or id >= 100"),
    "several": ([source_filter("price", ("notbetween", "5", "15")), source_filter("status", ("notnull",))], "price not between 5 and 15 and status is not null"),
    "null": ([source_filter("status", ("null",))], "status is null"),
    "text": ([source_filter("status", ("eq", "open"))], "binary status = 'open'"),
    "other text": ([source_filter("status", ("noteq", "open"))], "binary status <> 'open'"),
    "text range": ([source_filter("status", ("between", "a", "p"))], "binary status between 'a' and 'p'"),
    "float": ([source_filter("rate", ("lte", "0.1"))], "rate <= 0.1e0"),
    "datetime": ([source_filter("at", ("gte", "2026-02-01 00:00:00"))], "at >= '2026-02-01'"),
    "timestamp": ([source_filter("seen", ("noteq", "2026-02-01 00:00:00.5"))], "seen <> '2026-02-01 00:00:00.5'"),
    "date": ([source_filter("day", ("lte", "2026-02-01"))], "day <= '2026-02-01' and day > 0"),
    "char, enum and year": ([source_filter("code", ("eq", "x")), source_filter("kind", ("gte", "b")), source_filter("y", ("gte", "70"))],
                            "binary code = 'x' and binary cast(kind as char) >= 'b' and y >= 1970"),
}
ROWS = """insert into orders values
    (1, 'open', 9.99, 0.1, '2026-01-31 23:59:59.999', '2026-02-01 00:00:00.5', '2026-02-01', 'x', 2020, 'b'), (2, 'OPEN', 10, 0.2, '2026-02-01', null, '2026-02-02', 'X', 1999, 'a'),
    (3, 'open ', 10.01, -1, null, '2026-02-01 00:00:00.6', null, 'x ', 2000, 'b'), (4, null, null, null, '2026-03-01', null, '2026-01-01', null, null, null),
    (5, 'öpen', -1, 0.3, '2026-02-01 00:00:00', '2026-01-01', '0000-00-00', '', 1901, 'a'), (6, '', 15, 1e20, '1999-01-01', '1999-01-01', '1999-01-01', 'y', 2155, 'b')"""
CHANGES = """insert into orders select id + 10, status, price, rate, at, seen, day, code, y, kind from orders;
    update orders set status = 'open', price = 20, rate = 0, at = '2026-06-01', seen = '2026-06-01', day = '2026-01-15', code = 'x', y = 2001, kind = 'b' where id in (2, 4);
    update orders set status = 'shut', price = 7, rate = 5, at = '2020-01-01', seen = '2026-02-01 00:00:00.5', day = '2026-12-01', code = 'z', y = 1950, kind = 'a' where id in (1, 13);
    update orders set price = price + 1 where id in (11, 12, 16); update orders set id = id + 100 where id in (3, 5, 14); delete from orders where id in (6, 15);
    update orders set status = null where id = 11; update orders set id = 300, status = 'open', price = 99 where id = 103; update orders set rate = rate where id = 2"""


def test_filters(shop):
    """Each on a table of its own."""
    rules = []
    for i, (filters, _) in enumerate(FILTERS.values()):
        shop.sql(f"set sql_mode = ''; {named(TABLE, i)}; {named(ROWS, i)}", "m")
        rules.append(include(str(i), f"orders{i}", filters=filters))
    with driver(shop, *rules, tables=[f"orders{i}" for i in range(len(FILTERS))]) as sluice:
        for changes in (None, CHANGES):
            for i in range(len(FILTERS) if changes else 0):
                shop.sql(f"set sql_mode = ''; {named(changes, i)}", "m")
            replicate(sluice)
            for i, (name, (_, where)) in enumerate(FILTERS.items()):
                print(name)
                assert_filtered(shop, f"orders{i}", sluice, where)


def named(statements, number):
    return re.sub(r"\borders\b", f"orders{number}", statements)


def assert_filtered(server, table, sluice, where):
    """A zero date is NULL in the lake: they are left out of the comparison, not of the filters."""
    columns = [c[0] for c in source_columns(server, "m", table) if c[0] != "day"]
    assert_same(server, "m", table, sluice, where=f"where {where}", columns=columns, readers=("query",))


def test_the_full_load_asks_only_for_rows_that_pass(shop):
    shop.sql("create table t (id int primary key, a int, b varchar(200))", "m")
    shop.sql("insert into t values " + ", ".join(f"({i}, {i % 100}, repeat('x', 200))" for i in range(3000)), "m")
    with driver(shop, include("1", filters=[source_filter("a", ("eq", "7"))]), tables=["t"]) as sluice:
        shop.sql("flush logs")  # a look into the current one is all that a full load needs
        before = bytes_sent(shop)
        sluice.run("capture", "--full-load-only")
        assert bytes_sent(shop) - before < 300_000
        replicate(sluice)
        assert_same(shop, "m", "t", sluice, where="where a = 7")


def bytes_sent(server):
    return int(server.sql("show global status like 'Bytes_sent'")[0][1])


def test_filters_through_transactions_definitions_and_kills(shop):
    shop.sql(f"set sql_mode = ''; {TABLE}; {ROWS}", "m")
    where = "price >= 10"
    with driver(shop, include("1", filters=[source_filter("price", ("gte", "10"))]), tables=["orders"]) as sluice:
        sluice.run("capture", "--until-current", fault="full_load.table_written")
        sluice.run("capture", "--until-current", fault="full_load.table_committed")
        shop.sql("begin; update orders set price = 1; savepoint s; update orders set price = 50; rollback to s; update orders set price = 11 where id < 4; commit; "
                 "begin; update orders set price = 1000; rollback; xa start 'x'; update orders set price = 12 where id = 5; insert into orders (id, price) values (50, 50), (51, 1); "
                 "xa end 'x'; xa prepare 'x'; xa commit 'x'", "m")
        for point in ("capture.file_published", "capture.files_durable", "capture.committed"):
            sluice.run("capture", "--until-current", fault=point)
            shop.sql("update orders set price = 21 - price where id in (1, 2, 50)", "m")
        replicate(sluice)
        assert_filtered(shop, "orders", sluice, where)
        shop.sql("set sql_mode = ''; alter table orders add column n int default 3; update orders set price = 30, n = 4 where id = 6; alter table orders modify price decimal(20,2), drop column rate; "
                 "update orders set price = 9.99 where id = 6; insert into orders (id, price) values (60, 9.99), (61, 10.01)", "m")
        replicate(sluice)
        assert_filtered(shop, "orders", sluice, where)
        # Without the column the rules say nothing of its rows: the table stops, and nothing is guessed.
        shop.sql("alter table orders rename column price to cost; insert into orders (id, cost) values (70, 70)", "m")
        sluice.run("capture", "--until-current")
        assert "filter it by column price, which it does not have" in sluice.status()["tables"][0]["capture"]["stopped"]
        write_rules(sluice, include("1", filters=[source_filter("cost", ("gte", "10"))]))
        replicate(sluice)
        assert_filtered(shop, "orders", sluice, "cost >= 10")


def test_another_filter_loads_the_table_again(shop):
    shop.sql(f"set sql_mode = ''; {TABLE}; {ROWS}; create table other (id int primary key); insert into other values (1)", "m")
    with driver(shop, include("1", filters=[]), include("2", "orders", filters=[source_filter("id", ("lte", "3"))]), tables=["orders", "other"]) as sluice:
        replicate(sluice)
        assert_filtered(shop, "orders", sluice, "id <= 3")
        write_rules(sluice, include("1"), include("2", "orders", filters=[source_filter("id", ("gte", "3"))]))
        sluice.run("capture", "--until-current", fault="full_load.snapshot_taken")
        log = sluice.run("capture", "--until-current").stderr
        assert "full load of m.orders:" in log and "full load of m.other:" not in log
        sluice.run("load")
        assert_filtered(shop, "orders", sluice, "id >= 3")
        assert "full load" not in sluice.run("capture", "--until-current").stderr


def test_rows_that_the_log_has_in_part(server):
    """With binlog_row_image=MINIMAL an update does not tell on which side of the filter the row is."""
    with type(server)(binlog_row_image="MINIMAL") as own:
        own.sql("create database m; use m; create table t (id int primary key, a int, b int); insert into t values (1, 1, 1), (2, 2, 2), (3, 3, 3)")
        with driver(own, include("1", filters=[source_filter("id", ("gte", "2"))]), tables=["t"]) as sluice:
            replicate(sluice)
            own.sql("update t set b = 9; delete from t where id = 3; insert into t values (0, 0, 0), (4, 4, 4)", "m")
            replicate(sluice)
            assert_same(own, "m", "t", sluice, where="where id >= 2")
            write_rules(sluice, include("1", filters=[source_filter("a", ("gte", "2"))]))
            replicate(sluice)
            assert_same(own, "m", "t", sluice, where="where a >= 2")
            own.sql("update t set b = 10 where id = 1", "m")
            sluice.run("capture", "--until-current")
            assert "binlog_row_image = FULL" in sluice.status()["tables"][0]["capture"]["stopped"]


# --- names and columns ---


def transform(rule_id, target, action, table=None, column=None, schema="m", **more):
    locator = {"schema-name": schema, **({"table-name": table or "%"} if target != "schema" else {}), **({"column-name": column} if column else {})}
    return {"rule-type": "transformation", "rule-id": rule_id, "rule-name": rule_id, "rule-target": target, "rule-action": action,
            "object-locator": locator, **{key.replace("_", "-"): value for key, value in more.items()}}


def cell(value):
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    return None if value is None else str(value)


def assert_select(server, sluice, source, lake):
    """Two SELECTs give the same rows: texts and whole numbers."""
    want = sorted((tuple(map(cell, row)) for row in server.sql(source, "m")), key=str)
    got = sorted((tuple(map(cell, row.values())) for row in sluice.query(lake)), key=str)
    assert got == want


ITEM = """create table Item (Id int, c_name varchar(20), c_secret varchar(20), c_count int, part int, primary key (Id, part));
          insert into Item values (1, 'one', 's', 10, 1), (2, 'two', 's', 20, 1), (2, 'zwei', 's', 30, 2), (3, null, null, null, 1)"""
ITEM_CHANGES = """insert into Item values (4, 'four', 's', 4, 1); update Item set c_count = c_count + 1 where Id = 2; update Item set Id = 5 where Id = 1;
                  delete from Item where Id = 3; update Item set c_secret = 'other'"""
ITEM_RULES = [transform("10", "schema", "add-suffix", value="_lake"), transform("11", "table", "convert-lowercase"), transform("12", "table", "add-prefix", value="t_"),
              transform("13", "column", "convert-lowercase", "Item", "Id"), transform("14", "column", "remove-prefix", "Item", "c%", value="c_"),
              transform("15", "column", "remove-column", "Item", "%secret"), transform("16", "column", "rename", "Item", "part", value="section")]


def test_names_and_columns(shop):
    """The lake has the new names, through changes, definitions and kills."""
    shop.sql(ITEM, "m")
    with driver(shop, include("1"), *ITEM_RULES) as sluice:
        sluice.config["tables"] = [{"schema": "m_lake", "table": "t_item", "active": True}]
        sluice.write_config()
        source, lake = "select Id, c_name, c_count, part from Item", "select id, name, count, section from m_lake.t_item"
        sluice.run("capture", "--until-current", fault="full_load.table_committed")
        replicate(sluice)
        assert_select(shop, sluice, source, lake)
        header = next((sluice.raw / "m_lake" / "t_item").glob("LOAD*.csv")).read_text().splitlines()[0]
        assert header == "id,name,count,section"
        shop.sql(ITEM_CHANGES, "m")
        sluice.run("capture", "--until-current", fault="capture.files_durable")
        replicate(sluice)
        assert_select(shop, sluice, source, lake)
        shop.sql("alter table Item add column c_more int default 7, drop column c_count; update Item set c_name = 'x' where Id = 2; alter table Item rename column c_name to c_title; "
                 "insert into Item (Id, part, c_title) values (9, 9, 'nine')", "m")
        sluice.run("capture", "--until-current", fault="capture.committed")
        replicate(sluice)
        assert_select(shop, sluice, "select Id, c_title, part, c_more from Item", "select id, title, section, more from m_lake.t_item")
        shop.sql("truncate table Item; insert into Item (Id, part) values (1, 1)", "m")
        replicate(sluice)
        assert_select(shop, sluice, "select Id, c_title, part, c_more from Item", "select id, title, section, more from m_lake.t_item")
        assert {t["table"] for t in sluice.status()["tables"]} == {"t_item"}


def test_other_rules_for_columns_load_the_table_again(shop):
    shop.sql(ITEM, "m")
    with driver(shop, include("1"), tables=["Item"]) as sluice:
        replicate(sluice)
        assert_same(shop, "m", "Item", sluice)
        write_rules(sluice, include("1"), transform("2", "column", "remove-column", "Item", "c_secret"), transform("3", "column", "rename", "Item", "c_name", value="name"))
        shop.sql(ITEM_CHANGES, "m")
        replicate(sluice)
        assert_select(shop, sluice, "select Id, c_name, c_count, part from Item", "select Id, name, c_count, part from m.Item")
        shop.sql("update Item set c_name = 'n'", "m")
        write_rules(sluice, include("1"))
        replicate(sluice)
        assert_same(shop, "m", "Item", sluice)


def test_another_name_begins_another_table(shop):
    shop.sql("create table a (id int primary key); insert into a values (1); create table b (id int primary key)", "m")
    with driver(shop, include("1"), tables=["a", "b", "c"]) as sluice:
        replicate(sluice)
        write_rules(sluice, include("1"), transform("2", "table", "rename", "a", value="c"))
        shop.sql("insert into a values (2)", "m")
        replicate(sluice)
        assert_select(shop, sluice, "select id from a", "select id from m.c")
        assert [row["id"] for row in sluice.query("select id from m.a")] == [1]
        assert {t["table"]: (t["capture"].get("stopped") or "") for t in sluice.status()["tables"]} == {
            "a": "the table mappings name it m.c now", "b": "", "c": ""}
        write_rules(sluice, include("1"), transform("2", "table", "rename", "a", value="b"))
        failed = sluice.run("capture", "--until-current", ok=(2,))
        assert "would both be m.b" in failed.stderr
        write_rules(sluice, include("1"))
        replicate(sluice)
        assert_same(shop, "m", "a", sluice)


def test_a_key_column_that_goes_stops_its_table_alone(shop):
    shop.sql(ITEM + "; create table other (id int primary key); insert into other values (1)", "m")
    with driver(shop, include("1"), transform("2", "column", "remove-column", "Item", "part"), tables=["Item", "other"]) as sluice:
        replicate(sluice)
        stopped = {t["table"]: t["capture"].get("stopped") for t in sluice.status()["tables"] if t.get("capture")}
        assert "rule-id 2 takes away column part, which is in the table's key" in stopped["Item"]
        assert_same(shop, "m", "other", sluice)
