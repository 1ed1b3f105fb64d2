"""The load of raw files as AWS DMS writes them, through the command line, judged by a merge in plain Python."""

import csv
import gzip
import io
import os
import random
import re
import signal
import subprocess

import duckdb
import pytest

from tests.harness.sluice import Sluice

NULL = None


# --- raw files and the reference -------------------------------------------------------------------------------------


def render(header, rows):
    """CSV as DMS writes it: NULL bare, a text that reads NULL or is empty quoted."""
    out = io.StringIO()
    for row in [header, *rows]:
        fields = []
        for value in row:
            text = "NULL" if value is NULL else str(value)
            quoted = value is not NULL and (text in ("NULL", "") or any(c in text for c in ',"\r\n'))
            fields.append('"' + text.replace('"', '""') + '"' if quoted else text)
        out.write(",".join(fields) + "\n")
    return out.getvalue()


class Raw:
    """The raw folder of one table: files are put there, and what must come out is worked out beside it."""

    def __init__(self, sluice, table, key):
        self.folder = sluice.raw / "shop" / table
        self.sluice, self.table, self.key = sluice, table, key
        self.rows = {} if key else []
        self.minute = 0

    def put(self, name, data):
        self.folder.mkdir(parents=True, exist_ok=True)
        hidden = self.folder.parent.parent.parent / f".{name}"
        hidden.write_bytes(data if isinstance(data, bytes) else data.encode())
        hidden.rename(self.folder / name)
        return self.folder / name

    def full_load(self, header, rows, name="LOAD00000001.csv"):
        self.put(name, render(header, rows))
        for row in rows:
            self._set("I", dict(zip(header, row)))

    def next_name(self, suffix=".csv"):
        self.minute += 1
        return f"20261101-{self.minute // 60:02}{self.minute % 60:02}00000{suffix}"

    def changes(self, header, changes):
        """changes: (op, *values)"""
        name = self.next_name()
        self.put(name, render(["Op", *header], changes))
        for op, *values in changes:
            self._set(op, dict(zip(header, values)))
        return name

    def _set(self, op, row):
        if not self.key:
            if op == "I":
                self.rows.append({"Op": op, **row})
            return
        key = tuple(row[k] for k in self.key)
        self.rows.pop(key, None)
        if op != "D":
            self.rows[key] = {"Op": op, **row}

    def expected(self):
        return list(self.rows.values()) if self.key else self.rows

    def check(self, columns):
        select = ", ".join(f'cast("{c}" as varchar) as "{c}"' for c in ["Op", *columns])
        got = self.sluice.query(f'select {select} from shop."{self.table}"')
        want = [{c: (NULL if row.get(c) is NULL else str(row[c])) for c in ["Op", *columns]} for row in self.expected()]
        assert sorted(got, key=str) == sorted(want, key=str)


def config(*tables):
    """tables: (name, key, columns)"""
    return {
        "source": {"engine": "dms"},
        "memory_limit": "512MB",
        "lake": {"table_name": "{schema}_{table}"},
        "tables": [
            {"schema": "shop", "table": name, "active": True, "primary_key": key or [], "columns": columns or {}}
            for name, key, columns in tables
        ],
    }


@pytest.fixture
def product():
    """One table with a key and types that are inferred."""
    with Sluice(**config(("product", ["id"], {}))) as sluice:
        yield Raw(sluice, "product", ["id"])


def types_of(sluice, table):
    return {row["column_name"]: row["column_type"] for row in sluice.query(f"describe select * from shop.{table}")}


def errors(sluice):
    return {table["table"]: table["load"]["last_error"] for table in sluice.status()["tables"]}


def load_fails(sluice, *parts):
    done = sluice.run("load", ok=(3,))
    for part in parts:
        assert part in done.stderr, done.stderr
    return done.stderr


# --- types -----------------------------------------------------------------------------------------------------------


def test_types_are_inferred_from_the_whole_first_load_and_kept(product):
    header = ["id", "code", "price", "ratio", "day", "at", "flag", "note", "nothing"]
    product.full_load(header, [[1, "007", "1.50", "+5.0000000000000000e-01", "2026-11-01", "2026-11-01 10:00:00", "true", "x", NULL]])
    product.full_load(header, [[2, "8", "12.25", "2.5", "2026-11-02", "2026-11-01 10:00:00.123", "false", "5", NULL]],
                      "LOAD00000002.csv")
    product.sluice.run("load")
    assert types_of(product.sluice, "product") == {
        "Op": "VARCHAR", "id": "BIGINT", "code": "VARCHAR", "price": "DECIMAL(4,2)", "ratio": "DOUBLE", "day": "DATE",
        "at": "TIMESTAMP", "flag": "BOOLEAN", "note": "VARCHAR", "nothing": "VARCHAR"}
    product.changes(header, [("U", 2, "9", "1.00", "3", "2026-11-03", "2026-11-01 10:00:01", "true", "7", "z")])
    product.sluice.run("load")
    assert product.sluice.query("select code, note, nothing from shop.product order by id") == [
        {"code": "007", "note": "x", "nothing": None}, {"code": "9", "note": "7", "nothing": "z"}]


def test_types_come_from_the_changes_when_there_is_no_full_load(product):
    product.changes(["id", "n"], [("I", 1, 10), ("I", 2, "1.5"), ("D", 1, 10)])
    product.sluice.run("load")
    assert types_of(product.sluice, "product")["n"] == "DECIMAL(20,1)"
    product.rows[(2,)]["n"] = "1.5"
    product.check(["id", "n"])


def test_a_column_that_appears_is_inferred_from_the_files_of_that_pass(product):
    product.full_load(["id"], [[1], [2]])
    product.sluice.run("load")
    product.changes(["id", "qty"], [("I", 3, 5)])
    product.changes(["qty", "id"], [("U", 2.5, 1)])
    product.rows[(1,)] = {"Op": "U", "id": 1, "qty": "2.5"}
    product.rows[(3,)] = {"Op": "I", "id": 3, "qty": "5.0"}
    product.sluice.run("load")
    assert types_of(product.sluice, "product")["qty"] == "DECIMAL(20,1)"
    product.check(["id", "qty"])


def test_int_widens_to_bigint_and_no_further():
    with Sluice(**config(("t", ["id"], {"id": "int", "n": "int", "p": "decimal(4,2)"}))) as sluice:
        raw = Raw(sluice, "t", ["id"])
        raw.full_load(["id", "n", "p"], [[1, 5, "1.00"]])
        sluice.run("load")
        assert types_of(sluice, "t") == {"Op": "VARCHAR", "id": "INTEGER", "n": "INTEGER", "p": "DECIMAL(4,2)"}
        raw.changes(["id", "n", "p"], [("U", 1, 3000000000, "1.00"), ("I", 2, 1, "1234.50")])
        sluice.run("load")
        assert types_of(sluice, "t") == {"Op": "VARCHAR", "id": "INTEGER", "n": "BIGINT", "p": "DECIMAL(6,2)"}
        raw.check(["id", "n", "p"])
        name = raw.next_name()
        raw.put(name, "Op,id,n,p\nI,3,3,3.00\nU,1,abc,1.00\n")
        load_fails(sluice, f"shop/t/{name}", "line 3", '"n"', '"abc"')
        raw.check(["id", "n", "p"])
        raw.put(name, "Op,id,n,p\nI,3,3,3.001\n")
        load_fails(sluice, f"shop/t/{name}", "line 2", '"p"', '"3.001"', "decimal(6,2)")
        (raw.folder / name).unlink()
        raw.minute -= 1
        raw.changes(["id", "n", "p"], [("I", 3, 3, "3.00")])
        sluice.run("load")
        raw.check(["id", "n", "p"])


def test_what_does_not_fit_an_inferred_type_is_an_error(product):
    product.full_load(["id", "n"], [[1, 1]])
    product.sluice.run("load")
    name = product.next_name()
    product.put(name, 'Op,id,n\nU,1,"two\nlines"\n')
    load_fails(product.sluice, name, "line 2", '"n"', "bigint")
    assert product.sluice.query("select * from shop.product") == [{"Op": "I", "id": 1, "n": 1}]


def test_a_reload_takes_a_type_that_was_declared_since(product):
    product.full_load(["id", "n"], [[1, 1], [2, 2]])
    product.sluice.run("load")
    product.changes(["id", "n"], [("U", 1, "one")])
    load_fails(product.sluice, '"one"')
    assert '"one"' in errors(product.sluice)["product"]
    product.sluice.config["tables"][0]["columns"] = {"n": "varchar"}
    product.sluice.write_config()
    load_fails(product.sluice, '"n"', "can only be widened")
    product.sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--last-full-load-date", "1900-01-01")
    product.sluice.run("load")
    product.check(["id", "n"])
    assert errors(product.sluice) == {"product": None}


def test_an_error_goes_with_the_file_that_caused_it(product):
    product.full_load(["id", "n"], [[1, 1]])
    product.sluice.run("load")
    path = product.put(product.next_name(), "Op,id,n\nI,1,x\n")
    load_fails(product.sluice, path.name)
    path.unlink()
    product.sluice.run("load")
    assert errors(product.sluice) == {"product": None}


# --- forms of CSV ----------------------------------------------------------------------------------------------------


def test_bom_crlf_gzip_and_no_last_line_end(product):
    product.put("LOAD00000001.csv", b"\xef\xbb\xbfid,name\r\n1,a\r\n2,b")
    product.put("LOAD00000002.csv.gz", gzip.compress("id,name\n3,é\n".encode()))
    product.put(product.next_name(".csv.gz"), gzip.compress(b"op,id,name\ni,4,d\nd,1,a"))
    product.sluice.run("load")
    product.rows = {i: {"Op": "I", "id": i, "name": n} for i, n in ((2, "b"), (3, "é"), (4, "d"))}
    product.check(["id", "name"])


def test_null_and_empty_and_the_text_null(product):
    product.put("LOAD00000001.csv", 'id,a,b,c,d,e\n1,NULL,,"NULL","",UNCHANGED\n')
    product.sluice.run("load")
    assert product.sluice.query("select * from shop.product") == [
        {"Op": "I", "id": 1, "a": None, "b": None, "c": "NULL", "d": "", "e": "UNCHANGED"}]


def test_files_without_header():
    settings = config(("t", ["id"], {"id": "int", "name": "varchar", "n": "int"}))
    settings["raw"] = {"add_column_name": False}
    with Sluice(**settings) as sluice:
        raw = Raw(sluice, "t", ["id"])
        raw.put("LOAD00000001.csv", "1,a,10\n2,b,20\n3,c,30\n")
        raw.put(raw.next_name(), "U,1,aa,11\nD,2,b,20\nI,4,d,40\n")
        sluice.run("load")
        raw.rows = {i: {"Op": o, "id": i, "name": n, "n": v}
                    for o, i, n, v in (("U", 1, "aa", 11), ("I", 3, "c", 30), ("I", 4, "d", 40))}
        raw.check(["id", "name", "n"])


@pytest.mark.parametrize("text, parts", [
    ("Op,id,n,ID\nI,1,2,3\n", ["line 1", '"ID"', "twice"]),
    ("Op,id,\nI,1,2\n", ["line 1", "column 3", "no name"]),
    ("Op,id,n\nI,1\n", ["line 2", "2 fields", "3"]),
    ("Op,id,n\nX,1,2\n", ["line 2", '"X"']),
    ("Op,n\nI,1\n", ['"id"', "key"]),
    ("I,1,2\n", ["line 1", "add_column_name"]),
    ('Op,id,n\nI,1,1\nI,2,"2\n', ["line 3"]),
])
def test_a_file_that_cannot_be_read_names_itself_and_the_line(product, text, parts):
    product.full_load(["id", "n"], [[1, 1]])
    product.sluice.run("load")
    name = product.next_name()
    product.put(name, text)
    load_fails(product.sluice, f"shop/product/{name}", *parts)
    product.check(["id", "n"])
    (product.folder / name).unlink()
    product.changes(["id", "n"], [("U", 1, 5)])
    product.sluice.run("load")
    product.check(["id", "n"])


# --- Parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_files_bring_their_types():
    with Sluice(**config(("t", ["id"], {}))) as sluice:
        raw = Raw(sluice, "t", ["id"])
        raw.folder.mkdir(parents=True)
        duck = duckdb.connect()
        duck.execute(f"""copy (select range::int as id, 'n' || range as name, (range / 4)::decimal(10,2) as price,
            (range % 2 = 0) as even, date '2026-11-01' + range::int as day, range::utinyint as small,
            timestamp '2026-11-01 10:00:00' + to_microseconds(range) as at, [range] as list
            from range(100)) to '{raw.folder}/LOAD00000001.parquet'""")
        sluice.run("load")
        assert types_of(sluice, "t") == {
            "Op": "VARCHAR", "id": "INTEGER", "name": "VARCHAR", "price": "DECIMAL(10,2)", "even": "BOOLEAN", "day": "DATE",
            "small": "INTEGER", "at": "TIMESTAMP", "list": "VARCHAR"}
        duck.execute(f"""copy (select * from (values ('U', 1, 'one'), ('D', 2, NULL), ('U', 3, 'x'), ('U', 3, 'three'),
            ('I', 500, 'new')) v("Op", id, name)) to '{raw.folder}/{raw.next_name(".parquet")}'""")
        raw.put(raw.next_name(), "Op,id,name,price\nU,4,four,4.00\nU,3,third,NULL\n")
        duck.execute(f"""copy (select 'U' as "Op", 5000000000 as id, 'large' as name)
            to '{raw.folder}/{raw.next_name(".parquet")}'""")
        sluice.run("load")
        assert types_of(sluice, "t")["id"] == "BIGINT"
        rows = {row["id"]: row for row in sluice.query("select * from shop.t")}
        assert len(rows) == 101 and 2 not in rows
        assert [rows[i]["name"] for i in (0, 1, 3, 4, 500, 5000000000)] == ["n0", "one", "third", "four", "new", "large"]
        assert rows[1]["price"] is None and rows[0]["list"] == "[0]" and rows[0]["Op"] == "I" and rows[3]["Op"] == "U"


# --- reload, replay, keys --------------------------------------------------------------------------------------------


def test_nothing_moves_before_a_table_is_activated():
    with Sluice(**{**config(), "tables": []}) as sluice:
        raw = Raw(sluice, "product", ["id"])
        raw.full_load(["id", "n"], [[1, 1], [2, 2]])
        raw.changes(["id", "n"], [("D", 1, 1)])
        sluice.run("load")
        assert list(sluice.lake.rglob("*.parquet")) == []
        sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--primary-key", "id", "--active", "true")
        sluice.run("load")
        raw.check(["id", "n"])
        assert sluice.run("load", "--table", "nosuch", ok=(2,)).stderr.count("nosuch") == 1


def test_a_load_of_nothing_changes_nothing(product):
    product.full_load(["id", "n"], [[1, 1]])
    product.sluice.run("load")
    before = sorted(str(p) for p in product.sluice.lake.rglob("*"))
    product.sluice.run("load")
    assert sorted(str(p) for p in product.sluice.lake.rglob("*")) == before


def test_without_a_key_inserts_are_appended_and_equal_rows_stay():
    with Sluice(**config(("orders", [], {}))) as sluice:
        raw = Raw(sluice, "orders", [])
        raw.full_load(["id", "n"], [[1, 1], [1, 1]])
        raw.changes(["id", "n"], [("I", 1, 1), ("U", 1, 2), ("D", 1, 2), ("I", 2, NULL)])
        sluice.run("load")
        raw.check(["id", "n"])
        raw.changes(["id", "n"], [("I", 2, NULL), ("I", 3, 3)])
        sluice.run("load")
        raw.check(["id", "n"])


def incomplete(sluice):
    return sluice.status()["tables"][0]["load"]["incomplete_rows"]


def test_what_was_not_sent_of_a_row_that_is_not_there_is_counted():
    """A value that was not sent keeps what the lake has; where it has no row there is nothing to keep, and that is said."""
    with Sluice(**config(("t", ["id"], {"id": "int", "a": "varchar", "b": "varchar"})), raw={"csv_no_sup_value": "~"}) as sluice:
        raw = Raw(sluice, "t", ["id"])
        raw.full_load(["id", "a", "b"], [[1, "a1", "b1"], [2, "a2", "b2"], [NULL, "a0", "b0"]])
        raw.put(raw.next_name(), "Op,id,a,b\nU,1,~,B1\nU,NULL,A0,~\nU,7,~,b7\nI,8,a8,b8\nU,8,~,B8\n")
        assert "shop.t: 1 rows changed that the lake does not have" in sluice.run("load").stderr
        assert incomplete(sluice) == 1
        raw.put(raw.next_name(), "Op,id,a,b\nU,2,~,B2\nU,9,~,b9\nU,10,~,b10\nD,11,NULL,NULL\nU,8,A8,~\n")
        assert "shop.t: 2 rows changed" in sluice.run("load").stderr
        assert incomplete(sluice) == 3 and "; 3 rows incomplete" in sluice.run("status").stdout
        raw.put(raw.next_name(), "Op,id,a,b\nU,NULL,~,B0\nU,1,A1,~\n")
        assert "changed that the lake" not in sluice.run("load").stderr
        rows = {r["id"]: (r["a"], r["b"]) for r in sluice.query("select * from shop.t")}
        assert rows == {1: ("A1", "B1"), 2: ("a2", "B2"), None: ("A0", "B0"), 7: (None, "b7"), 8: ("A8", "B8"), 9: (None, "b9"), 10: (None, "b10")}
        raw.put("LOAD00000002.csv", "id,a,b\n7,a7,b7\n")
        sluice.run("load")
        assert incomplete(sluice) == 0


def test_null_is_a_value_of_a_key():
    with Sluice(**config(("t", ["a", "b"], {}))) as sluice:
        raw = Raw(sluice, "t", ["a", "b"])
        header = ["a", "b", "n"]
        raw.full_load(header, [[1, "x", 1], [1, NULL, 2], [NULL, NULL, 3]])
        raw.changes(header, [("U", 1, NULL, 20), ("U", NULL, NULL, 30), ("U", NULL, NULL, 31), ("I", NULL, "x", 4)])
        sluice.run("load")
        raw.check(header)
        raw.changes(header, [("D", 1, NULL, 0), ("U", NULL, "x", 5), ("I", 1, "", 6)])
        sluice.run("load")
        raw.check(header)


def test_a_later_full_load_replaces_the_table(product):
    product.full_load(["id", "n"], [[1, 1], [2, 2]])
    product.changes(["id", "n"], [("U", 1, 10)])
    product.sluice.run("load")
    product.rows.clear()
    product.full_load(["id", "n"], [[2, 22], [3, 33]])
    product.changes(["id", "n"], [("I", 4, 44)])
    product.sluice.run("load")
    product.check(["id", "n"])


def test_a_full_load_whose_time_is_to_come_hides_none_after_it(product):
    product.full_load(["id", "n"], [[1, 1], [2, 2]])
    os.utime(product.folder / "LOAD00000001.csv", (4e9, 4e9))
    assert "LOAD00000001.csv was written at 2096-10-02 07:06:40 UTC" in product.sluice.run("load").stderr
    product.changes(["id", "n"], [("U", 1, 10)])
    product.sluice.run("load")
    assert "1 with nothing to do" in product.sluice.run("load").stdout
    product.check(["id", "n"])
    product.rows.clear()
    product.full_load(["id", "n"], [[3, 3]])
    product.sluice.run("load")
    product.check(["id", "n"])


def test_an_odd_name_of_a_table_and_its_columns():
    name, column = "it's [a] \"t*ble?", 'co"l; é, x'
    with Sluice(**config((name, ["select"], {}))) as sluice:
        raw = Raw(sluice, name, ["select"])
        raw.folder.mkdir(parents=True)
        path = str(raw.folder / "LOAD00000001.parquet").replace("'", "''")
        duckdb.connect().execute(f"""copy (select 1 as "select", 'a' as "co""l; é, x") to '{path}'""")
        raw.put(raw.next_name(), 'Op,select,"co""l; é, x"\nI,2,b\n')
        sluice.run("load")
        quoted = name.replace('"', '""')
        assert sluice.query(f'select "select", "co""l; é, x" from shop."{quoted}" order by 1') == [
            {"select": 1, column: "a"}, {"select": 2, column: "b"}]


# --- volume ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["op", "_SEQ"])
def test_a_column_with_a_name_of_sluice_is_refused(product, name):
    product.full_load(["id", name], [[1, 1]])
    load_fails(product.sluice, f'column "{name}"', "rename the column at the source")


def test_a_million_changes_of_a_thousand_keys(product):
    product.full_load(["id", "n"], [[i, 0] for i in range(1000)])
    name = product.next_name()
    text = io.StringIO()
    text.write("Op,id,n\n")
    for i in range(1_000_000):
        text.write(f"{'D' if i % 7 == 0 else 'U'},{i * 7919 % 1000},{i}\n")
        key = (i * 7919 % 1000,)
        product.rows[key] = {"Op": "U", "id": key[0], "n": i}
        if i % 7 == 0:
            del product.rows[key]
    product.put(name, text.getvalue())
    product.sluice.run("load")
    product.check(["id", "n"])


# --- concurrency and crashes -----------------------------------------------------------------------------------------


def fill(sluice, seed, passes=1):
    """Two tables, one with and one without a key; yields after the files of each pass are there."""
    chance = random.Random(seed)
    keyed, orders = Raw(sluice, "product", ["id"]), Raw(sluice, "orders", [])
    header = ["id", "name", "n"]
    keyed.full_load(header, [[i, f"n{i}", i] for i in range(50)])
    orders.full_load(header, [[i % 20, "o", i] for i in range(50)])
    yield keyed, orders, header
    for _ in range(passes):
        for _ in range(chance.randint(1, 3)):
            keyed.changes(header, [(chance.choice("IUUUD"), chance.randrange(70), chance.choice(["a", NULL, "", "NULL", 'q"']), i)
                                   for i in range(chance.randint(1, 30))])
            orders.changes(header, [(chance.choice("IIIUD"), chance.randrange(9), "x", i) for i in range(10)])
        yield keyed, orders, header


TWO_TABLES = config(("product", ["id"], {}), ("orders", [], {}))


@pytest.mark.parametrize("seed", range(3))
def test_pass_after_pass_the_lake_is_what_the_reference_says(seed):
    with Sluice(**TWO_TABLES) as sluice:
        for keyed, orders, header in fill(sluice, seed, passes=6):
            sluice.run("load")
            keyed.check(header)
            orders.check(header)


def test_two_loaders_at_once():
    with Sluice(**TWO_TABLES) as sluice:
        for keyed, orders, header in fill(sluice, 11, passes=4):
            loaders = [sluice.start("load") for _ in range(3)]
            assert [loader.wait(120) for loader in loaders] == [0, 0, 0], sluice.log_of(["load"]).read_text()
            keyed.check(header)
            orders.check(header)


def load_fault_points(first):
    with Sluice(**TWO_TABLES) as sluice:
        steps = fill(sluice, 7)
        next(steps)
        if not first:
            sluice.run("load")
            next(steps)
        return sluice.fault_points("load")


@pytest.mark.parametrize("first", [True, False], ids=["first load", "later load"])
def test_every_step_of_a_load_is_a_fault_point(first):
    points = load_fault_points(first)
    assert {"load.planned", "load.run_recorded", "load.staged", "load.committed", "load.done"} <= set(points)


@pytest.mark.parametrize("first", [True, False], ids=["first load", "later load"])
@pytest.mark.parametrize("hit", [1, 2])
def test_a_kill_at_any_fault_point_loses_and_doubles_nothing(first, hit):
    for point in load_fault_points(first):
        with Sluice(**TWO_TABLES) as sluice:
            steps = fill(sluice, 7)
            keyed, orders, header = next(steps)
            if not first:
                sluice.run("load")
                next(steps)
            killed = sluice.run("load", fault=f"{point}:{hit}")
            sluice.run("load")
            keyed.check(header)
            orders.check(header)
            assert hit == 2 or killed.returncode == -signal.SIGKILL, point
            for keyed, orders, header in steps:
                sluice.run("load")
                keyed.check(header)
                orders.check(header)


def test_an_error_at_a_fault_point_is_tried_again():
    for point in load_fault_points(True):
        with Sluice(**TWO_TABLES) as sluice:
            keyed, orders, header = next(fill(sluice, 9))
            done = sluice.run("load", fault=f"{point}:1:error", ok=(0, 3, 4))
            sluice.run("load")
            assert done.returncode in (0, 3, 4)
            keyed.check(header)
            orders.check(header)


def test_a_row_that_was_lost_is_made_from_the_lake():
    """The lake's commit carries the watermark: without the state, nothing is applied twice."""
    with Sluice(**TWO_TABLES) as sluice:
        for keyed, orders, header in fill(sluice, 3, passes=1):
            sluice.run("load")
        for file in sluice.folder.glob("state.db*"):
            file.unlink()
        sluice.run("load")
        keyed.check(header)
        orders.check(header)


def test_a_lake_table_that_is_gone_is_not_made_of_changes_alone(product):
    product.full_load(["id", "n"], [[1, 1]])
    product.changes(["id", "n"], [("I", 2, 2)])
    product.sluice.run("load")
    subprocess.run(["rm", "-rf", str(product.sluice.lake)], check=True)
    product.changes(["id", "n"], [("U", 2, 3)])
    message = load_fails(product.sluice, f"{product.sluice.lake}/shop_product/ is gone")
    assert re.search(r"--last-full-load-date .*--last-incremental-file 0", message)
    product.sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--last-full-load-date",
                       "1900-01-01 00:00:00", "--last-incremental-file", "0")
    product.sluice.run("load")
    product.check(["id", "n"])


@pytest.mark.parametrize("table_format", ["parquet", "iceberg"])
def test_a_lake_table_that_is_gone_is_missed_before_its_first_change(table_format):
    settings = config(("product", ["id"], {}))
    settings["lake"]["format"] = table_format
    with Sluice(**settings) as sluice:
        product = Raw(sluice, "product", ["id"])
        product.full_load(["id", "n"], [[1, 1], [2, 2]])
        sluice.run("load")
        sluice.run("load")
        subprocess.run(["rm", "-rf", str(sluice.lake)], check=True)
        idle = load_fails(sluice, f"{sluice.lake}/shop_product/ is gone")
        product.changes(["id", "n"], [("I", 3, 3)])
        load_fails(sluice, f"{sluice.lake}/shop_product/ is gone")
        advice = re.search(r"sluice (tables set .*) --last-full-load-date \"(.*)\" (--last-incremental-file 0)", idle)
        sluice.run(*advice[1].split(), "--last-full-load-date", advice[2], *advice[3].split())
        sluice.run("load")
        product.check(["id", "n"])


def test_a_lake_file_that_is_gone_is_named_with_what_brings_it_back(product):
    product.full_load(["id", "n"], [[1, 1], [2, 2]])
    product.sluice.run("load")
    (lost,) = product.sluice.lake.rglob("*.parquet")
    product.changes(["id", "n"], [("U", 1, 3)])
    lost.unlink()
    told = [product.sluice.run("query", "select * from shop.product", ok=(4,)).stderr, load_fails(product.sluice)]
    for message in told:
        assert f"shop.product: the lake's file {lost} is gone" in message, message
    advice = re.search(r"sluice (tables set .*) --last-full-load-date \"(.*)\" (.*)", told[1])
    product.sluice.run(*advice[1].split(), "--last-full-load-date", advice[2], *advice[3].split())
    product.sluice.run("load")
    product.check(["id", "n"])


def test_one_bad_table_stops_no_other_and_is_shown():
    with Sluice(**TWO_TABLES) as sluice:
        steps = fill(sluice, 2, passes=1)
        next(steps)
        sluice.run("load")
        before = sluice.query("select * from shop.product")
        keyed, orders, header = next(steps)
        bad = keyed.next_name()
        keyed.put(bad, 'Op,id,name,n\nU,1,ok,1\nU,2,"never closed,2\n')
        load_fails(sluice, "shop.product", bad, "line 3")
        assert sluice.query("select * from shop.product") == before
        orders.check(header)
        assert bad in errors(sluice)["product"] and errors(sluice)["orders"] is None
        keyed.put(bad, "Op,id,name,n\nU,1,ok,1\n")
        keyed._set("U", {"id": 1, "name": "ok", "n": 1})
        sluice.run("load")
        keyed.check(header)
        assert errors(sluice) == {"product": None, "orders": None}
