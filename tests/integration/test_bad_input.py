"""What users do wrong and what machines do to them: one line that says what to do, the right exit code, and a retry that works."""

import json
import re
import sqlite3
import subprocess

import pytest

from tests.harness.servers import PASSWORD, USER, MariaDB, MySQL80, free_port
from tests.harness.sluice import Sluice

CONFIG, DATA, OUTSIDE = 2, 3, 4


@pytest.fixture(scope="module", params=[MariaDB, MySQL80])
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        started.sql("create database shop; create table shop.t (id int primary key, name varchar(20)); insert into shop.t values (1, 'one'), (2, 'two')")
        yield started


@pytest.fixture
def sluice(server):
    with Sluice(source=server.source_config("shop"), tables=[{"name": "shop.t", "active": True, "primary_key": ["id"]}]) as driver:
        yield driver


@pytest.fixture
def raw():
    """A raw zone that AWS DMS could have written."""
    table = {"name": "shop.t", "active": True, "primary_key": ["id"], "columns": {"id": "int", "price": "decimal(6,2)", "name": "varchar"}}
    other = {"name": "shop.other", "active": True, "primary_key": ["id"], "columns": {"id": "int"}}
    with Sluice(source={"engine": "dms"}, tables=[table, other]) as driver:
        for name, text in (("t", "id,price,name\n1,1.50,one\n2,2.50,two\n"), ("other", "id\n7\n")):
            folder = driver.raw / "shop" / name
            folder.mkdir(parents=True)
            (folder / "LOAD00000001.csv").write_text(text)
        driver.run("load")
        yield driver


def fails(sluice, code, *words, args=("capture", "--until-current"), **options):
    """Exit code, and exactly one line of error, which holds the words."""
    done = sluice.run(*args, ok=(code,), **options)
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line or line.startswith("sluice: ")]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert re.search(word, errors[0], re.I), f"{word!r} is not in: {errors[0]}"
    assert PASSWORD not in done.stderr + done.stdout
    return errors[0]


def works(server, sluice, rows=None):
    sluice.run("capture", "--until-current")
    sluice.run("load")
    want = server.sql("select id, name from shop.t order by id")
    assert [(int(r["id"]), r["name"]) for r in sluice.query("select id, name from shop.t order by id")] == list(want)


# --- the source ---


def test_wrong_password(server, sluice):
    sluice.config["source"]["password"] = "not the password"
    sluice.write_config()
    line = fails(sluice, CONFIG, "password", f"{USER}|user")
    assert "not the password" not in line
    sluice.config["source"]["password"] = PASSWORD
    sluice.write_config()
    works(server, sluice)


def test_missing_grants(server, sluice):
    server.sql(f"create user weak identified by '{PASSWORD}'; grant select on shop.* to weak")
    try:
        sluice.config["source"]["user"] = "weak"
        sluice.write_config()
        fails(sluice, CONFIG, "GRANT", "check")
        check = sluice.run("check", ok=(OUTSIDE,))
        statements = re.findall(r"mend: (GRANT [^;]*);", check.stdout)
        assert statements, check.stdout
        for statement in statements:  # what check says is what mends it
            server.sql(statement)
        sluice.run("check")
        works(server, sluice)
    finally:
        server.sql("drop user weak")


def test_no_server_there(server, sluice):
    sluice.config["source"].update(port=free_port(), connect_timeout="1s")
    sluice.write_config()
    fails(sluice, OUTSIDE, "127.0.0.1", args=("check",))


def test_a_database_without_binlog():
    with MariaDB(log_bin=None, binlog_format=None, binlog_row_image=None, binlog_row_metadata=None, sync_binlog=None) as server:
        server.sql("create database shop; create table shop.t (id int primary key, name varchar(20)); insert into shop.t values (1, 'one')")
        with Sluice(source=server.source_config("shop"), tables=[{"name": "shop.t", "active": True, "primary_key": ["id"]}]) as sluice:
            fails(sluice, CONFIG, "--log-bin")
            assert "log_bin" in sluice.run("check", ok=(OUTSIDE,)).stdout
            server.restart(log_bin="bin", binlog_format="ROW", binlog_row_metadata="FULL")
            works(server, sluice)


def test_statements_in_the_log(server, sluice):
    """A session that writes statements would lose changes: said, not skipped."""
    works(server, sluice)
    server.sql("set session binlog_format = 'STATEMENT'; insert into shop.t values (50, 'by statement')")
    fails(sluice, 0, "shop.t", "binlog_format = ROW", "load it in full")  # the other tables go on
    works(server, sluice)


def test_names_that_are_taken(server, sluice):
    """A column named as one of sluice's own: the table is refused before anything is captured, and the others go on."""
    server.sql("drop table if exists shop.marks, shop.stamped; create table shop.marks (id int primary key, `Op` int); insert into shop.marks values (1, 1);"
               "create table shop.stamped (id int primary key, at datetime); create table shop.later (id int primary key)")
    try:
        sluice.config["raw"]["timestamp_column_name"] = "AT"
        sluice.write_config()
        check = sluice.run("check", ok=(CONFIG,)).stdout
        assert re.search(r'FAIL  table shop.marks: column "Op".*\n +mend: ALTER TABLE shop.marks RENAME COLUMN Op TO ', check), check
        assert re.search(r'FAIL  table shop.stamped: .*column "at".*\n +mend: raw.timestamp_column_name: ', check), check
        captured = sluice.run("capture", "--until-current")
        assert all(len(re.findall(f"ERROR table shop.{name} is not captured.*", captured.stderr)) == 1 for name in ("marks", "stamped")), captured.stderr
        server.sql("alter table shop.later add column _seq int; insert into shop.later values (1, 1); insert into shop.marks values (2, 2)")
        assert re.search('table shop.later is not captured.*"_seq"', sluice.run("capture", "--until-current").stderr)
        assert {p.name for p in (sluice.raw / "shop").iterdir()} == {"t"}
        assert {t["table"] for t in sluice.status()["tables"] if t["capture"]["stopped"]} == {"marks", "stamped", "later"}
        sluice.run("load")
        assert len(sluice.query("select * from shop.t")) == server.sql("select count(*) from shop.t")[0][0]
        server.sql(re.search("mend: (ALTER [^;]*);", check)[1])
        del sluice.config["raw"]["timestamp_column_name"]
        sluice.write_config()
        sluice.run("capture", "--until-current")
        assert not any(t["capture"]["stopped"] for t in sluice.status()["tables"] if t["table"] != "later")
    finally:
        server.sql("drop table shop.marks; drop table shop.stamped; drop table shop.later")


# --- the configuration ---


def test_unknown_key(server, sluice):
    text = sluice.config_file.read_text()
    sluice.config_file.write_text(text.replace('"location"', '"locaton"', 1))
    fails(sluice, CONFIG, "locaton", "location", r"sluice\.yaml:4:")
    sluice.config_file.write_text(text)
    works(server, sluice)


@pytest.mark.parametrize("text, words", [
    ("task: shop\nsource: [", [r"sluice\.yaml:[23]:"]),
    ("task: shop\ntask: shop\n", [r"sluice\.yaml:2:", "task", "line 1"]),
    ("task: shop\nstate: sqlite:///s\nraw: {location: file:///r}\nlake: {location: file:///l}\nsource: {engine: mysqll}\n", ["mysqll", "mysql"]),
    ("task: shop\n", ["state", "missing"]),
    ("task: ${SLUICE_NO_SUCH_VARIABLE}\n", ["SLUICE_NO_SUCH_VARIABLE"]),
    ("", ["task|empty"]),
])
def test_unreadable_configuration(sluice, text, words):
    sluice.config_file.write_text(text)
    fails(sluice, CONFIG, *words)


def test_no_configuration(sluice):
    sluice.config_file.unlink()
    fails(sluice, CONFIG, r"sluice\.yaml", args=("load",))


@pytest.mark.parametrize("args", [("lod",), ("load", "--tabel", "x"), ("tables", "set", "--schema", "shop"), ("query",), ("capture", "--cdc-only", "--full-load-only")])
def test_usage(sluice, args):
    fails(sluice, CONFIG, args=args)


def test_a_table_that_is_not_there(sluice):
    sluice.run("capture", "--until-current")
    fails(sluice, CONFIG, "nothere", args=("load", "--schema", "shop", "--table", "nothere"))


# --- raw files ---


def change_file(sluice, text, name="20261101-101500000.csv", table="t"):
    path = sluice.raw / "shop" / table / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("text, words", [
    ('Op,id,price,name\nU,1,9.50,"one\nU,2,8.00,two\n', [r"20261101-101500000\.csv", "line 2", "quot"]),
    ("Op,id,price,name\nU,1,9.50,one\nU,2,abc,two\n", [r"20261101-101500000\.csv", "line 3", "price", "abc", r"decimal\(6,2\)"]),
    ("Op,id,price,name\nU,99999999999999999999,1.00,one\n", ["line 2", "id", "99999999999999999999"]),
    ("Op,id,price,name\nX,1,1.00,one\n", ["line 2", "Op", "X"]),
    ("Op,id,price,name\nU,1,1.00\n", ["line 2", "3|fields|columns"]),
    ("Op,price,name\nU,1.00,one\n", ["id", "column"]),
    ("Op,id,price,name\rU,1,1.00,one\r", ["line 1", "carriage return alone", "csv_row_delimiter"]),
    ("Op,id,price,name\nU,1,1.00,\xff\n", ["line 2", "name", "UTF-8"]),
])
def test_a_file_that_cannot_be_taken(raw, text, words):
    bad = change_file(raw, "")
    bad.write_bytes(text.encode("latin-1"))
    change_file(raw, "Op,id\nI,8\n", table="other")
    fails(raw, DATA, r"shop[./]t", *words, "correct the file and load again", args=("load",))
    # The table is as it was; the other one was loaded all the same.
    assert [r["name"] for r in raw.query("select name from shop.t order by id")] == ["one", "two"]
    assert len(raw.query("select * from shop.other")) == 2
    change_file(raw, "Op,id,price,name\nU,1,9.50,mended\nI,3,3.00,three\n")
    raw.run("load")
    assert [r["name"] for r in raw.query("select name from shop.t order by id")] == ["mended", "two", "three"]


@pytest.mark.parametrize("value", ["a" + "\u00e9" * 200, "\x1b[31m" + "\u6f22" * 200])
def test_an_error_is_utf8_without_control_characters(value):
    """Also where it was cut within a character."""
    table = {"name": "shop.t", "primary_key": ["id"], "partition_key": ["name"], "active": True}
    with Sluice(source={"engine": "dms"}, lake={"format": "parquet"}, tables=[table]) as sluice:
        (sluice.raw / "shop" / "t").mkdir(parents=True)
        (sluice.raw / "shop" / "t" / "LOAD00000001.csv").write_text(f"id,name\n1,{value}\n")
        done = subprocess.run([*sluice.command("--log-format", "json"), "load"], capture_output=True, timeout=60)
        messages = [json.loads(line.decode())["message"] for line in done.stderr.splitlines()]
        assert "is too long" in messages[-1] and "\x1b" not in messages[-1], messages
        assert "is too long" in sluice.status()["tables"][0]["load"]["last_error"]


def test_a_damaged_archive(raw):
    import gzip

    whole = gzip.compress(b"Op,id,price,name\n" + b"U,1,9.50,packed\n" * 1000)
    path = change_file(raw, "", "20261101-101500000.csv.gz")
    path.write_bytes(whole[: len(whole) // 2])
    fails(raw, DATA, r"20261101-101500000\.csv\.gz", args=("load",))
    path.write_bytes(whole)
    raw.run("load")
    assert raw.query("select name from shop.t where id = 1") == [{"name": "packed"}]


def test_a_damaged_parquet_file(raw):
    path = change_file(raw, "", "20261101-101500000.parquet")
    path.write_bytes(b"PAR1 this is not Parquet PAR1")
    fails(raw, DATA, r"20261101-101500000\.parquet", args=("load",))
    path.unlink()
    raw.run("load")


# --- the machine ---


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few hundred KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder):
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)


def write_a_megabyte(server):
    server.sql("create table if not exists shop.wide (id int primary key auto_increment, t text); " + "insert into shop.wide (t) values (repeat('x', 50000));" * 20)


@pytest.mark.parametrize("when", ["full load", "changes"])
def test_disk_full_on_the_raw_side(server, when, small_disk):
    server.sql("drop table if exists shop.wide")
    table = {"name": "shop.wide", "active": True, "primary_key": ["id"]}
    with Sluice(source=server.source_config("shop", table_filter="wide"), raw={"location": f"file://{small_disk}/raw"}, tables=[table]) as sluice:
        if when == "changes":
            server.sql("create table shop.wide (id int primary key auto_increment, t text)")
            sluice.run("capture", "--until-current")
        write_a_megabyte(server)
        fails(sluice, OUTSIDE, "space|disk", "raw|wide")
        grow(small_disk)
        sluice.run("capture", "--until-current")
        sluice.run("load")
        assert sluice.query("select count(*) as c, sum(length(t)) as s from shop.wide") in ([{"c": "20", "s": "1000000"}], [{"c": 20, "s": 1000000}])
    server.sql("drop table shop.wide")


def test_disk_full_on_the_lake_side(raw, small_disk):
    raw.config["lake"]["location"] = f"file://{small_disk}/lake"
    raw.config["state"] = f"sqlite://{raw.folder}/second.db"
    raw.config["catalog"] = f"sqlite://{raw.folder}/second-catalog.db"
    raw.write_config()
    path = raw.raw / "shop" / "t" / "LOAD00000001.csv"
    path.write_text("id,price,name\n" + "".join(f"{i},1.00,{hash((i, 1)):x}{hash((i, 2)):x}{hash((i, 3)):x}\n" for i in range(40000)))
    fails(raw, DATA, "space|disk", r"shop[./]t", args=("load",))
    grow(small_disk)
    raw.run("load")
    assert int(raw.query("select count(*) as c from shop.t")[0]["c"]) == 40000


def test_raw_zone_that_cannot_be_made(server, sluice):
    blocked = sluice.folder / "file"
    blocked.write_text("not a folder")
    sluice.config["raw"]["location"] = f"file://{blocked}/raw"
    sluice.write_config()
    fails(sluice, OUTSIDE, "file/raw")


def test_a_state_of_a_newer_version(server, sluice):
    sluice.run("capture", "--until-current")
    state = sluice.folder / "state.db"
    with sqlite3.connect(state) as connection:
        connection.execute("update meta set value = value + 1 where name = 'format_version'")
    for args in (("capture", "--until-current"), ("load",), ("status",)):
        fails(sluice, CONFIG, r"state\.db", "upgrade sluice", args=args)
    with sqlite3.connect(state) as connection:
        connection.execute("update meta set value = value - 1 where name = 'format_version'")
    works(server, sluice)


def test_a_state_that_is_no_database(server, sluice):
    (sluice.folder / "state.db").write_text("this is not a database\n" * 100)
    fails(sluice, CONFIG, r"state\.db")
    (sluice.folder / "state.db").unlink()
    works(server, sluice)
