"""What a person types: the commands around the loads, on raw files that AWS DMS could have written."""

import csv
import io
import json
import os
import pty
import re
import subprocess

import pytest

from tests.harness.servers import ROOT
from tests.harness.sluice import Sluice, binary, wait_until

USAGE, DATA, OUTSIDE = 2, 3, 4
PRODUCT = "id,name,price\n1,Sandstone,2.50\n2,NULL,10.00\n3,\"a, \"\"b\"\"\nc\",0.10\n4,\"\",NULL\n"


def write_table(driver, schema, table, text, name="LOAD00000001.csv"):
    folder = driver.raw / schema / table
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.fixture
def sluice():
    with Sluice(source={"engine": "dms"}, tables=[{"name": "shop.product", "columns": {"price": "decimal(10,2)"}}]) as driver:
        write_table(driver, "shop", "product", PRODUCT)
        yield driver


@pytest.fixture
def loaded(sluice):
    sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--primary-key", "id", "--active", "true")
    sluice.run("load")
    return sluice


def row_of(sluice, table="product"):
    return next(r for r in json.loads(sluice.run("tables", "list", "--format", "json").stdout) if r["table"] == table)


def plain(*args, cwd=None, stdin=subprocess.DEVNULL):
    return subprocess.run([str(binary()), *args], capture_output=True, text=True, cwd=cwd, stdin=stdin, timeout=60)


# --- init, help, version ---


def test_init_writes_a_config_that_parses(tmp_path):
    done = plain("init", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sluice.yaml").stat().st_mode & 0o077 == 0
    done = plain("tables", "list", cwd=tmp_path)
    assert done.returncode == USAGE and "SHOP_PASSWORD is not set" in done.stderr
    again = plain("init", cwd=tmp_path)
    assert again.returncode == USAGE and "there already" in again.stderr
    assert plain("init", "-", cwd=tmp_path).stdout == (tmp_path / "sluice.yaml").read_text()
    with open(tmp_path / "redirected.yaml", "w") as redirected:
        subprocess.run([str(binary()), "-c", "redirected.yaml", "init"], stdout=redirected, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "redirected.yaml").read_text() == (tmp_path / "sluice.yaml").read_text()


def test_help_and_version():
    assert plain("--version").stdout.startswith("sluice ")
    assert "tables set" in plain("--help").stdout
    assert "--last-full-load-date" in plain("tables", "set", "--help").stdout
    assert plain("help", "tables", "set").stdout == plain("tables", "set", "--help").stdout
    assert plain("help", "nothing").returncode == USAGE


@pytest.mark.parametrize("args, words", [
    ((), "a command is missing"),
    (("lod",), 'unknown command "lod"; did you mean "load"?'),
    (("load", "--shema", "x"), 'unknown flag "shema"; did you mean "schema"?'),
    (("load", "--log-level", "loud"), "--log-level"),
    (("tables", "set"), "tables set needs --schema NAME"),
])
def test_mistakes_on_the_command_line(args, words):
    done = plain(*args)
    assert done.returncode == USAGE and words in done.stderr and done.stdout == ""


def test_mistakes_on_the_command_line_are_json_where_the_log_is():
    for args in (("--log-format", "json", "lod"), ("lod", "--log-format=json"), ("load", "--log-level", "loud", "--log-format", "json")):
        done = plain(*args)
        (line,) = done.stderr.splitlines()
        assert done.returncode == USAGE and json.loads(line)["level"] == "ERROR" and "lo" in json.loads(line)["message"], args
    assert plain("load", "--log-format", "jsn").stderr.startswith("sluice: ")


def test_a_config_with_an_unknown_key(sluice):
    sluice.config["sorce"] = sluice.config.pop("source")
    sluice.write_config()
    done = sluice.run("load", ok=(USAGE,))
    assert 'unknown key "sorce"; did you mean "source"?' in done.stderr and "sluice.yaml:" in done.stderr


def test_a_table_format_that_is_not_built(sluice):
    sluice.config["lake"]["format"] = "delta"
    sluice.write_config()
    for args in (("load",), ("query", "select 1"), ("check",)):
        done = sluice.run(*args, ok=(USAGE,))
        assert '"delta"' in done.stderr + done.stdout, args


# --- tables ---


def test_a_new_table_waits(sluice):
    assert "waits for activation" in sluice.run("tables", "list").stdout
    row = row_of(sluice)
    assert row["ActiveFlag"] == "false" and row["PrimaryKey"] is None and row["folder"] == "shop/product/"
    assert row["path"] == f"{sluice.raw}/shop/product/"
    assert row["LastIncrementalFile"] == row["path"] + "0" and row["LastFullLoadDate"] == "1900-01-01 00:00:00"
    assert "1 waiting" in sluice.run("load").stdout
    done = sluice.run("query", "select * from shop.product", ok=(DATA,))
    assert "shop.product has no data in the lake yet: it waits for activation" in done.stderr


def test_set_keeps_what_is_not_given(sluice):
    def set_row(*flags):
        sluice.run("tables", "set", "--schema", "shop", "--table", "product", *flags)
        return row_of(sluice)

    row = set_row("--primary-key", "id, name", "--partition-key", "price")
    assert (row["PrimaryKey"], row["PartitionKey"], row["ActiveFlag"]) == ("id,name", "price", "false")
    row = set_row("--active=true", "--partition-key", "null")
    assert (row["PrimaryKey"], row["PartitionKey"], row["ActiveFlag"]) == ("id,name", None, "true")
    row = set_row("--last-full-load-date", "2026-11-01T10:15:00.5Z", "--last-incremental-file", "20261101-101500123.csv")
    assert row["LastFullLoadDate"] == "2026-11-01 10:15:00.500000"
    assert row["LastIncrementalFile"] == row["path"] + "20261101-101500123.csv"
    assert set_row("--last-incremental-file", row["LastIncrementalFile"])["LastIncrementalFile"] == row["LastIncrementalFile"]
    for none in ("0", "null"):
        assert set_row("--last-incremental-file", none)["LastIncrementalFile"] == row["path"] + "0"


def test_set_warns_of_a_file_that_is_still_to_come(sluice):
    write_table(sluice, "shop", "product", "Op,id,name,price\n", name="20261101-101500123.csv")

    def warning(name):
        return sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--last-incremental-file", name).stderr

    assert "WARN" not in warning("20261101-101500123.csv")
    assert "WARN" in warning("20261101-101500124.csv") and "20261101-101500123.csv" in warning("20261101-101500124")


@pytest.mark.parametrize("flags, words", [
    (("--schema", "shop", "--table", "product"), "nothing to set"),
    (("--schema", "shop", "--table", "prodct", "--active", "true"), 'did you mean "shop.product"?'),
    (("--schema", "shop", "--table", "product", "--active", "yes"), "--active"),
    (("--schema", "shop", "--table", "product", "--last-full-load-date", "yesterday"), '"yesterday" is no time'),
    (("--schema", "shop", "--table", "product", "--last-full-load-date", "2026-02-30"), '"2026-02-30" is no time'),
    (("--schema", "shop", "--table", "product", "--last-full-load-date", "2026-02-28 10:00:00Zoo"), "is no time"),
    (("--schema", "shop", "--table", "product", "--last-incremental-file", "LOAD00000001.csv"), "the name of no change file"),
    (("--schema", "shop", "--table", "product", "--last-incremental-file", "99999999-000000000.csv"), "the name of no change file"),
    (("--schema", "shop", "--table", "product", "--last-incremental-file", "20260230-000000000.csv"), "the name of no change file"),
    (("--schema", "shop", "--table", "product", "--last-incremental-file", "20261101-101500123.txt"), "the name of no change file"),
    (("--schema", "shop", "--table", "product", "--primary-key", "id,,name"), "has an empty name"),
    (("--schema", "shop", "--table", "product", "--primary-key", "id, ID"), 'names "ID" twice'),
    (("--schema", "shop", "--table", "product", "--partition-key", "price,price"), 'names "price" twice'),
])
def test_set_refuses(sluice, flags, words):
    before = row_of(sluice)
    done = sluice.run("tables", "set", *flags, ok=(USAGE,))
    assert words in done.stderr
    assert row_of(sluice) == before


def test_two_tables_cannot_be_one_lake_table(loaded):
    write_table(loaded, "other", "product", "id\n1\n")
    flags = ("--schema", "other", "--table", "product", "--primary-key", "id", "--active", "true")
    done = loaded.run("tables", "set", *flags, ok=(USAGE,))
    assert "shop.product" in done.stderr and "{schema}_{table}" in done.stderr
    loaded.config["lake"]["table_name"] = "{schema}_{table}"
    loaded.write_config()
    loaded.run("tables", "set", *flags)
    loaded.config["lake"]["table_name"] = "{table}"
    loaded.write_config()
    done = loaded.run("check", ok=(USAGE,))
    assert done.stdout.count("FAIL  lake.table_name: other.product and shop.product") == 1


# --- query ---


def test_query_as_json_lines(loaded):
    assert loaded.query('select "Op", id, name, price, id = 1 as first, id / 4.0::double as part from shop.product order by id') == [
        {"Op": "I", "id": 1, "name": "Sandstone", "price": "2.50", "first": True, "part": 0.25},
        {"Op": "I", "id": 2, "name": None, "price": "10.00", "first": False, "part": 0.5},
        {"Op": "I", "id": 3, "name": 'a, "b"\nc', "price": "0.10", "first": False, "part": 0.75},
        {"Op": "I", "id": 4, "name": "", "price": None, "first": False, "part": 1.0},
    ]


def test_query_as_csv(loaded):
    text = loaded.run("query", "select id, name, price from shop.product order by id").stdout  # not a terminal: CSV
    assert text == 'id,name,price\n1,Sandstone,2.50\n2,,10.00\n3,"a, ""b""\nc",0.10\n4,"",\n'
    assert list(csv.reader(io.StringIO(text)))[3] == ["3", 'a, "b"\nc', "0.10"]


def test_query_as_table(loaded):
    assert loaded.run("query", "--format", "table", "select id, name, price from shop.product order by id;").stdout == (
        " id | name      | price\n"
        "----+-----------+-------\n"
        "  1 | Sandstone |  2.50\n"
        "  2 | NULL      | 10.00\n"
        "  3 | a, \"b\"\\nc |  0.10\n"
        "  4 |           |  NULL\n"
        "(4 rows)\n")


def test_query_reads_stdin(loaded):
    done = subprocess.run(loaded.command("query", "--format", "jsonl"), input="select count(*) as n\nfrom shop.product;\n", capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, '{"n": 4}\n'), done.stderr


def test_query_takes_sql_that_begins_with_a_comment(loaded):
    assert loaded.run("query", "--format", "csv", "-- one\nselect 1 as n").stdout == "n\n1\n"
    assert loaded.run("query", "--format", "csv", "--", "--one\nselect 1 as n").stdout == "n\n1\n"


def test_query_runs_what_reads(loaded):
    for sql in ("FROM shop.product", "/* a */ (select 1)", "with x as (select 1) from x", "describe shop.product", "explain select 1", "VALUES (1)",
                "summarize shop.product", "call pragma_version()"):
        assert len(loaded.run("query", sql).stdout.splitlines()) >= 2, sql


def test_query_lists_tables(loaded):
    rows = loaded.query("select table_schema, table_name from information_schema.tables")
    assert rows == [{"table_schema": "shop", "table_name": "product"}]


def test_query_lists_all_tables_even_if_the_sql_holds_the_name_of_one(loaded):
    for table in ("tables", "s"):
        write_table(loaded, "shop", table, "id\n1\n")
        loaded.run("load")
        loaded.run("tables", "set", "--schema", "shop", "--table", table, "--primary-key", "id", "--active", "true")
    loaded.run("load")
    assert [r["table_name"] for r in loaded.query("select table_name from information_schema.tables order by 1")] == ["product", "s", "tables"]
    assert len(loaded.query("show all tables")) == 3


def test_query_of_tables_whose_names_differ_in_case_only(loaded):
    for table in ("T", "t"):
        write_table(loaded, "shop", table, f"id,name\n1,{table}\n")
    loaded.run("load")
    for table in ("T", "t"):
        loaded.run("tables", "set", "--schema", "shop", "--table", table, "--primary-key", "id", "--active", "true")
    loaded.run("load")
    assert loaded.query("select name from shop.T") == [{"name": "T"}]
    assert loaded.query("select name from shop.t") == [{"name": "t"}]
    assert loaded.query("select count(*) as n from shop.product") == [{"n": 4}]  # a name with a t
    for sql in ("select * from shop.T join shop.t using (id)", "select * from SHOP.t"):
        done = loaded.run("query", sql, ok=(USAGE,))
        assert "differ in upper and lower case only" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_query_is_not_stopped_by_a_table_that_it_does_not_read(loaded):
    write_table(loaded, "shop", "u", "id\n1\n")
    loaded.run("load")
    loaded.run("tables", "set", "--schema", "shop", "--table", "u", "--primary-key", "id", "--active", "true")
    loaded.run("load")
    version = max([*loaded.lake.glob("u/_sluice/v*.json"), *loaded.lake.glob("u/metadata/*.metadata.json")])
    version.write_text("{")
    assert loaded.query("select count(*) as n from shop.product") == [{"n": 4}]  # "product" has a u
    write_table(loaded, "shop", "bad", "id\n\"1\n")
    loaded.run("load")
    loaded.run("tables", "set", "--schema", "shop", "--table", "bad", "--active", "true")
    loaded.run("load", ok=(DATA,))
    assert "never closed" in loaded.run("query", "select * from shop.bad", ok=(DATA,)).stderr
    done = loaded.run("query", "select * from shop.u", ok=(DATA,))
    assert version.name in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_query_of_a_schema_that_duckdb_has_a_database_of(loaded):
    write_table(loaded, "temp", "k", "id\n1\n")
    loaded.run("load")
    loaded.run("tables", "set", "--schema", "temp", "--table", "k", "--primary-key", "id", "--active", "true")
    loaded.run("load")
    assert loaded.query("select id from memory.temp.k") == [{"id": 1}]


@pytest.mark.parametrize("sql, words", [
    ("selct 1", "selct"),
    ("PRAGMA database_list", 'not "PRAGMA"'),
    (" -- twice\n/* a comment */ create table x (a int)", 'not "create"'),
    ("SET threads = 1", 'not "SET"'),
    ("7", "query only reads"),
    ("select nme from shop.product", "nme"),
    ("select * from shop.nothing", "nothing"),
    (" ; ", "empty"),
])
def test_query_mistakes(loaded, sql, words):
    done = loaded.run("query", sql, ok=(USAGE,))
    assert words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_reader_that_goes_away_is_no_error(loaded):
    process = subprocess.Popen(loaded.command("query", "--format", "csv", "select range from range(10000000)"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"range\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 0


def test_a_full_disk_behind_stdout_is_an_error(loaded):
    with open("/dev/full", "w") as full:
        done = subprocess.run(loaded.command("query", "select range from range(100000)"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == OUTSIDE and "stdout" in done.stderr


# --- progress on a terminal ---


def on_terminal(command):
    """What the command writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 65536):
            written += block
    except OSError:  # the last one closed it
        pass
    os.close(ours)
    return process.wait(60), written.decode()


def test_progress_is_for_a_terminal_and_goes_away(loaded):
    code, written = on_terminal(loaded.command("load"))
    assert (code, written) == (0, "")  # nothing to do takes no time
    write_table(loaded, "shop", "product", "Op,id,name,price\nU,1,one,1.00\n", "20261101-101500000.csv")
    code, written = on_terminal(loaded.command("load"))
    assert code == 0 and re.search(r"\r\x1b\[Kloading: \d of 1 tables done, \d+ rows read", written), repr(written)
    shown = [line.split("\r\x1b[K")[-1] for line in written.split("\r\n")]  # what stays on each line
    assert re.fullmatch(r"\S+ INFO loaded shop.product: .*", shown[0]) and shown[1:] == [""], repr(written)
    write_table(loaded, "shop", "product", "Op,id,name,price\nU,1,one,1.00\n", "20261101-101500001.csv")
    assert "\x1b" not in on_terminal(loaded.command("load", "--log-format", "json"))[1]


# --- install ---


def test_what_is_installed_works(tmp_path):
    build = binary().parent
    if not (build / "meson-info").is_dir():
        pytest.skip(f"{build} is no build folder")
    subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(tmp_path)], check=True, capture_output=True, timeout=60)
    (unit,) = tmp_path.rglob("lib/systemd/system/sluice.service")
    program = re.search(r"^ExecStart=(\S+)", unit.read_text(), re.M)[1]  # with the prefix, without DESTDIR
    installed = tmp_path / program.lstrip("/")
    assert subprocess.run([str(installed), "--version"], capture_output=True, text=True, timeout=60).stdout == plain("--version").stdout
    (manual,) = tmp_path.rglob("share/man/man1/sluice.1*")
    assert "sluice" in manual.read_text()
    assert manual.relative_to(tmp_path).parts[:-4] == installed.relative_to(tmp_path).parts[:-2]


def test_make_install_hands_prefix_and_destdir_on(tmp_path):
    shown = subprocess.run(["make", "-n", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/sluice"], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    assert re.search(r"meson configure build -Dprefix=/opt/sluice\n", shown.stdout)
    assert re.search(rf"meson install -C build --destdir {tmp_path}\n", shown.stdout)


# --- status, check, run ---


def test_status(loaded):
    status = loaded.status()
    assert status["task"] == "test" and status["capture"] is None
    (table,) = status["tables"]
    assert (table["schema"], table["table"], table["waiting_for"], table["capture"]) == ("shop", "product", None, None)
    assert table["load"]["active"] and table["load"]["rows_loaded"] == 4 and table["load"]["last_error"] is None
    text = loaded.run("status").stdout
    assert "shop.product" in text and "nothing captured yet" in text


def test_status_shows_the_error_of_a_table(loaded):
    write_table(loaded, "shop", "product", "Op,id,name,price\nU,1,\"open,1.00\n", "20261101-101500000.csv")
    loaded.run("load", ok=(DATA,))
    assert "20261101-101500000.csv" in loaded.status()["tables"][0]["load"]["last_error"]
    assert "failed: " in loaded.run("tables", "list").stdout


def test_check(sluice):
    done = sluice.run("check")
    assert "all is well" in done.stdout and "FAIL" not in done.stdout
    assert not list(sluice.raw.glob("*check*")) and not list(sluice.lake.glob("*"))


def test_a_raw_zone_of_dms_that_is_not_there(sluice):
    """A wrong path must not look as if there were nothing to do; and sluice makes no folder where DMS writes."""
    missing = sluice.folder / "rwa"
    sluice.config["raw"]["location"] = f"file://{missing}"
    sluice.write_config()
    for args in (("load",), ("tables", "list")):
        done = sluice.run(*args, ok=(OUTSIDE,))
        assert f"raw.location file://{missing}: there is no such folder" in done.stderr, args
    assert "FAIL  raw: raw.location" in sluice.run("check", ok=(OUTSIDE,)).stdout
    assert sluice.status()["tables"] == [] and sluice.query("select 1 as n") == [{"n": 1}]
    assert not missing.exists()
    missing.mkdir()
    assert "0 tables" in sluice.run("load").stdout


def test_check_says_what_fails_and_goes_on(sluice):
    blocked = sluice.folder / "blocked"
    blocked.write_text("a file where the lake should be")
    sluice.config["lake"]["location"] = f"file://{blocked}/lake"
    sluice.write_config()
    done = sluice.run("check", ok=(OUTSIDE,))
    assert "FAIL  lake: " in done.stdout and "OK    state: " in done.stdout and "1 of 9 checks failed, first lake: " in done.stderr


@pytest.mark.parametrize("schedule", ["continuous", "every 1s"])
def test_run_loads_until_it_is_stopped(sluice, schedule):
    sluice.config["schedule"] = {"load": schedule}
    sluice.write_config()
    process = sluice.start("run")
    wait_until(lambda: "product" in sluice.run("tables", "list").stdout, "the table is seen", process=process)
    sluice.run("tables", "set", "--schema", "shop", "--table", "product", "--primary-key", "id", "--active", "true")
    wait_until(lambda: row_of(sluice)["rows_loaded"] == 4, "the table is loaded", process=process)
    write_table(sluice, "shop", "product", "Op,id,name,price\nD,1,NULL,NULL\n", "20261101-101500000.csv")
    wait_until(lambda: row_of(sluice)["rows_loaded"] == 5, "the change is loaded", process=process)
    assert sluice.stop(process) == 0
    assert sluice.query("select count(*) as n from shop.product") == [{"n": 3}]


def test_run_says_once_what_goes_on(loaded):
    """One line when a table begins to fail, and one when it fails otherwise; the status has it all the time."""
    loaded.config["schedule"] = {"load": "every 1s"}
    loaded.write_config()
    write_table(loaded, "shop", "product", "Op,id,name,price\nX,1,one,1.00\n", "20261101-101500000.csv")
    process, log = loaded.start("run", "--log-level", "debug"), loaded.log_of(["run"])
    wait_until(lambda: "DEBUG still: loading shop.product: " in log.read_text(), "it failed twice", process=process)
    write_table(loaded, "shop", "product", "Op,id,name,price\nY,1,one,1.00\n", "20261101-101500000.csv")
    wait_until(lambda: 'Op is "Y"' in (loaded.status()["tables"][0]["load"]["last_error"] or ""), "it fails otherwise", process=process)
    write_table(loaded, "shop", "product", "Op,id,name,price\nU,1,one,1.00\n", "20261101-101500000.csv")
    wait_until(lambda: "INFO loaded shop.product" in log.read_text(), "it works again", process=process)
    write_table(loaded, "shop", "product", "Op,id,name,price\nY,1,one,1.00\n", "20261101-101500001.csv")
    wait_until(lambda: log.read_text().count("ERROR loading shop.product: ") == 3, "it fails again", process=process)
    assert loaded.stop(process) == 0
    assert [line.split('"')[1] for line in log.read_text().splitlines() if " ERROR " in line] == ["X", "Y", "Y"]


def test_run_ends_when_the_config_cannot_work(sluice):
    sluice.config["lake"]["format"] = "delta"
    sluice.config["schedule"] = {"load": "continuous"}
    sluice.write_config()
    done = sluice.run("run", ok=(USAGE,))
    assert "delta" in done.stderr


def test_json_log(sluice):
    done = sluice.run("--log-format", "json", "load", "--table", "nothing", ok=(USAGE,))
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["level"] == "ERROR" and "nothing" in lines[-1]["message"]


def test_the_demo_ends_by_itself_and_leaves_nothing_behind(tmp_path):
    done = subprocess.run([str(binary()), "demo"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "U | 1001 | Trail lantern | 21.50 | 2026-11-06 09:30:00" in lines  # the update
    assert "24 | 9 | 8520 | 2026-11-06" in lines  # one product less, one store and 120 orders more
    assert list(tmp_path.iterdir()) == []
