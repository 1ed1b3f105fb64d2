"""MySQL and MariaDB as a source, looked at event by event: tests/integration/source_dump.c prints what the source gives."""

import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.harness.servers import PASSWORD, USER, MariaDB, MySQL80, MySQL97, die_with_parent, free_port
from tests.harness.sluice import Sluice, binary, wait_until
from tests.harness.tables import tables
from tests.harness.values import Sql

SERVERS = [MariaDB, MySQL80, pytest.param(MySQL97, marks=pytest.mark.mysql97)]
DRIVER = Path(os.environ.get("SLUICE_SOURCE_DUMP", binary().parent / "tests" / "unit" / "source_dump"))


# --- the driver ---


class Failed(AssertionError):
    def __init__(self, error):
        super().__init__(error["error"])
        self.kind = error["kind"]


class Dump:
    """The driver for one server. Keyword arguments are laid over the `source:` section of the configuration."""

    def __init__(self, server, database="shop", **config):
        self.config = {**server.source_config(database), "task": "t", **config}

    def command(self, *args):
        return [str(DRIVER), json.dumps(self.config), *map(str, args)]

    def run(self, *args):
        done = subprocess.run(self.command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              preexec_fn=die_with_parent)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            if "kind" in line and "error" in line:
                raise Failed(line)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
        return lines

    def start(self, *args):
        return subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def position(self):
        return self.run("position")[0]["position"]

    def tables(self):
        return {f"{t['schema']}.{t['name']}": t for t in self.run("tables")}

    def check(self):
        """{subject: (result, text, mend)}; of several lines of a subject the worst."""
        worst = {}
        for line in self.run("check"):
            order = ["ok", "warning", "failed"]
            before = worst.get(line["subject"])
            if before is None or order.index(line["result"]) > order.index(before[0]):
                worst[line["subject"]] = (line["result"], line["text"], line["mend"])
        return worst

    def load(self, readers=1):
        """(positions of the readers, {table: [row]}, counters)."""
        positions, rows, counters = [], {}, None
        for line in self.run("load", readers):
            if "position" in line:
                positions.append(line["position"])
            elif "counters" in line:
                counters = line["counters"]
            else:
                rows.setdefault(line["table"], []).append(line["row"])
        return positions, rows, counters

    def stream(self, start, *args):
        events = self.run("stream", *(["--from", start] if start else []), *args)
        self.counters = events.pop()["counters"]
        return events


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


@pytest.fixture
def shop(server):
    for _, branch_from, _, xid in server.sql("xa recover"):  # of a test that failed: it would hold its tables
        xid = xid.encode() if isinstance(xid, str) else xid
        server.sql(f"xa rollback x'{xid[:branch_from].hex()}', x'{xid[branch_from:].hex()}'")
    server.sql("drop database if exists shop; create database shop character set utf8mb4")
    return Dump(server)


def started(kind, **options):
    """A server of its own, for tests that change how the whole server works."""
    if kind.unavailable():
        pytest.skip(kind.unavailable())
    return kind(**options)


# --- what events are about ---


def plain(values):
    """A row as {column: text}, without the kinds."""
    return {k: v[1] if isinstance(v, list) else v for k, v in values.items()} if values is not None else None


def changes(events):
    """[(op, table, row, old)] of transactions that took effect, in the order of their commits."""
    done, open_rows, savepoints, prepared, name = [], [], {}, {}, None
    for event in events:
        kind = event["event"]
        if kind == "begin":
            assert not open_rows
            open_rows, savepoints, name = [], {}, event.get("name")
        elif kind == "row":
            open_rows.append((event["op"], event["table"], plain(event["row"]), plain(event["old"])))
        elif kind == "savepoint":
            savepoints[event["name"]] = len(open_rows)
        elif kind == "rollback to":
            del open_rows[savepoints[event["name"]]:]
        elif kind == "commit":
            done, open_rows = done + open_rows, []
        elif kind == "rollback":
            open_rows = []
        elif kind == "prepare":
            assert event["name"] == name
            prepared[name], open_rows = open_rows, []
        elif kind == "commit prepared":
            done += prepared.pop(event["name"])
        elif kind == "rollback prepared":
            prepared.pop(event["name"])
    assert not open_rows
    return done


def kinds(events):
    return [e["event"] for e in events]


def table_errors(events):
    return [e["error"] for e in events if e["event"] == "table error"]


def replay(events, keys):
    """The rows that the changes leave, by table: {table: Counter(row)}."""
    rows = {}
    for event in events:
        if event["event"] != "row":
            continue
        table = rows.setdefault(event["table"], {} if keys[event["table"]] else Counter())
        if not keys[event["table"]]:
            table[frozen(event["row"])] += 1
            continue
        key = tuple(frozen_value(event["row"][k]) for k in keys[event["table"]])
        old_key = tuple(frozen_value(event["old"][k]) for k in keys[event["table"]]) if event["old"] else key
        table.pop(old_key, None)
        if event["op"] != "D":
            table[key] = frozen(event["row"])
    return {name: table if isinstance(table, Counter) else Counter(table.values()) for name, table in rows.items()}


def frozen_value(value):
    return tuple(value) if isinstance(value, list) else value


def frozen(row):
    return tuple((name, frozen_value(value)) for name, value in row.items())


def first_difference(left, right):
    """Of two multisets of rows: what differs in the first row that only one has, as {column: (left, right)}."""
    only_left, only_right = sorted((left - right).elements(), key=str), sorted((right - left).elements(), key=str)
    if not only_left and not only_right:
        return None
    if not only_left or not only_right:
        return only_left[:1], only_right[:1]
    return {name: (a, dict(only_right[0])[name]) for name, a in only_left[0] if a != dict(only_right[0])[name]}


# --- values: the full load and the log give the same, for every type ---


def write_random_rows(server, table, count, seed):
    rng = random.Random(seed)
    with server.connect("shop", autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("set sql_mode = 'ALLOW_INVALID_DATES'")
        for number in range(1, count + 1):
            names, places, values = list(table.key), ["%s"] * len(table.key), list(table.key_values(number)) if table.key else []
            for column in table.made:
                value = column.make(rng)
                names.append(column.name)
                places.append(value if isinstance(value, Sql) else "%s")
                values += [] if isinstance(value, Sql) else [value]
            cursor.execute(f"insert into `{table.name}` (" + ", ".join(f"`{n.replace('%', '%%')}`" for n in names)
                           + ") values (" + ", ".join(p.replace("%", "%%") if p != "%s" else p for p in places) + ")", values)
        connection.commit()


@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL", "NO_LOG"])
def test_log_and_full_load_give_the_same_values(server, shop, metadata):
    if metadata == "NO_LOG" and server.engine != "mariadb":
        pytest.skip("MySQL does not know it")
    server.sql(f"set global binlog_row_metadata = {metadata}")
    try:
        made = [t for t in tables(server.engine) if t.made]
        for table in made:
            server.sql(table.definition(), db="shop")
        start = shop.position()
        for table in made:
            write_random_rows(server, table, 8 if table.name == "large" else 120, seed=7)
        events = shop.stream(start, "--known")
        assert not table_errors(events)
        assert "table" not in kinds(events), "the log's definitions are those of information_schema"
        in_log = replay(events, {f"shop.{t.name}": t.key for t in made})
        positions, loaded, counters = shop.load(readers=3)
        assert len(positions) == 3
        for table in made:
            rows = Counter(frozen(row) for row in loaded[f"shop.{table.name}"])
            assert not first_difference(rows, in_log[f"shop.{table.name}"]), table.name
        assert counters["zero dates as NULL"] == shop.counters["zero dates as NULL"] > 0
        unknown = shop.stream(start)
        assert not table_errors(unknown)
        assert [e["new"] for e in unknown if e["event"] == "table" and e["table"] == "shop.ints"] == [shop.tables()["shop.ints"]]
        assert [e["row"] for e in unknown if e["event"] == "row"] == [e["row"] for e in events if e["event"] == "row"]
    finally:
        server.sql("set global binlog_row_metadata = FULL")


def test_values_are_the_servers_own_text(server, shop):
    server.sql("""create table shop.v (id int primary key, i8 tinyint, u64 bigint unsigned, z int(5) unsigned zerofill, d decimal(65,30), f float, b double, bit9 bit(9), b1 bit,
        y year, dt date, t time(3), ts timestamp(2) null, dtm datetime(6), c char(4), bin binary(4), vb varbinary(9), l varchar(9) character set latin1, e enum('x','é'), s set('a','b'));
        set time_zone = '+05:00';
        insert into shop.v values (1, -128, 18446744073709551615, 7, -0.000000000000000000000000000001, 16777217, 0.1, b'100000001', 1, 2155, '2026-02-28',
        '-838:59:59', '2026-11-23 15:30:00.25', '9999-12-31 23:59:59.999999', 'ab ', 'ab', x'00ff', 'é€', 'é', 'a,b')""")
    _, rows, _ = shop.load()
    assert rows["shop.v"] == [{
        "id": ["plain", "1"], "i8": ["plain", "-128"], "u64": ["plain", "18446744073709551615"], "z": ["plain", "7"],
        "d": ["plain", "-0.000000000000000000000000000001"], "f": ["plain", "16777216"], "b": ["plain", "0.1"], "bit9": ["plain", "257"],
        "b1": ["plain", "true"], "y": ["plain", "2155"], "dt": ["plain", "2026-02-28"], "t": ["plain", "-838:59:59.000"],
        "ts": ["plain", "2026-11-23 10:30:00.25"], "dtm": ["plain", "9999-12-31 23:59:59.999999"], "c": ["text", "ab"],
        "bin": ["bytes", "61620000"], "vb": ["bytes", "00ff"], "l": ["text", "é€"], "e": ["text", "é"], "s": ["text", "a,b"]}]


def test_an_unmappable_character_is_an_error_not_a_question_mark(server, shop):
    """latin1 0x81 is a control character of its own in MySQL; euckr has codes that Unicode has not."""
    server.sql("create table shop.k (id int primary key, t varchar(10) character set euckr); insert into shop.k values (1, 'ok')")
    start = shop.position()
    server.sql("insert into shop.k values (2, cast(x'c9a1' as char character set binary))")
    with pytest.raises(Failed, match="shop.k.*column \"t\".*euckr") as loading:
        shop.load()
    assert loading.value.kind == "data"
    assert "euckr" in table_errors(shop.stream(start, "--known"))[0]


# --- transactions ---


def test_transactions(server, shop):
    server.sql("create table shop.a (id int primary key, t varchar(9)); create table shop.m (id int primary key) engine=MyISAM")
    start = shop.position()
    server.sql("""begin; insert into shop.a values (1, 'x'), (2, 'y'); update shop.a set t = 'z' where id = 1; update shop.a set id = 9 where id = 2; delete from shop.a where id = 9; commit;
        begin; insert into shop.a values (5, 'gone'); rollback;
        insert into shop.m values (1), (2);
        begin; insert into shop.a values (6, 'kept'); savepoint `one``two`; insert into shop.a values (7, 'undone'); rollback to `one``two`; insert into shop.a values (8, 'kept'); commit""")
    events = shop.stream(start, "--known")
    assert changes(events) == [
        ("I", "shop.a", {"id": "1", "t": "x"}, None), ("I", "shop.a", {"id": "2", "t": "y"}, None),
        ("U", "shop.a", {"id": "1", "t": "z"}, {"id": "1", "t": "x"}), ("U", "shop.a", {"id": "9", "t": "y"}, {"id": "2", "t": "y"}),
        ("D", "shop.a", {"id": "9", "t": "y"}, None),
        ("I", "shop.m", {"id": "1"}, None), ("I", "shop.m", {"id": "2"}, None),
        ("I", "shop.a", {"id": "6", "t": "kept"}, None), ("I", "shop.a", {"id": "8", "t": "kept"}, None)]
    begins = [e for e in events if e["event"] == "begin"]
    commits = [e for e in events if e["event"] == "commit"]
    assert begins[0]["position"] == start
    assert [b["position"] for b in begins[1:]] == [c["position"] for c in commits[:-1]]
    assert begins[0]["time_us"] > 1_600_000_000_000_000


def test_prepared_transactions(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = shop.position()
    with server.connect("shop") as one, server.connect("shop") as two:
        for connection, name, number in ((one, "a'b", 1), (two, "c", 2)):
            with connection.cursor() as cursor:
                for statement in (f"xa start {one.escape(name)}, 'branch', 7", f"insert into a values ({number})", f"xa end {one.escape(name)}, 'branch', 7",
                                  f"xa prepare {one.escape(name)}, 'branch', 7"):
                    cursor.execute(statement)
    server.sql("insert into shop.a values (3); xa commit 'c', 'branch', 7; insert into shop.a values (4); xa rollback 'a\\'b', 'branch', 7;"
               "xa start 'p'; insert into shop.a values (5); xa end 'p'; xa commit 'p' one phase")
    events = shop.stream(start, "--known")
    assert [row["id"] for _, _, row, _ in changes(events)] == ["3", "2", "4", "5"]
    assert kinds(events).count("rollback prepared") == 1


def test_other_tables_move_the_position_only(server, shop):
    server.sql("create table shop.a (id int primary key); create table shop.b (id int primary key)")
    start = shop.position()
    only_a = Dump(server, table_filter="a")
    server.sql("insert into shop.b values (1); alter table shop.b add c int; truncate table shop.b; insert into shop.a values (1)")
    end = shop.position()
    events = only_a.stream(start, "--known")
    assert kinds(events) == ["begin", "row", "commit"]
    assert events[-1]["position"] == end


def test_changes_that_the_full_load_has_are_left_out(server, shop):
    server.sql("create table shop.a (id int primary key); create table shop.b (id int primary key)")
    start = shop.position()
    server.sql("insert into shop.a values (1); truncate table shop.a; insert into shop.b values (1); insert into shop.a values (2)")
    positions, rows, _ = shop.load()
    assert rows["shop.a"] == [{"id": ["plain", "2"]}]
    server.sql("insert into shop.a values (3); insert into shop.b values (3)")
    events = shop.stream(start, "--known", "--skip", f"shop.a={positions[0]}")
    assert [(t, r["id"]) for _, t, r, _ in changes(events)] == [("shop.b", "1"), ("shop.a", "3"), ("shop.b", "3")]
    assert "truncate" not in kinds(events)


# --- the log: files, positions, ends ---


def test_rotation_and_restart_at_every_position(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = shop.position()
    for number in range(6):
        server.sql(f"insert into shop.a values ({number}); flush binary logs" if number % 2 else f"insert into shop.a values ({number})")
    events = shop.stream(start, "--known")
    commits = [e["position"] for e in events if e["event"] == "commit"]
    assert len({json.loads(p)["file"] for p in commits}) > 1
    for number, position in enumerate(commits):
        rest = changes(shop.stream(position, "--known"))
        assert [r["id"] for _, _, r, _ in rest] == [str(i) for i in range(number + 1, 6)]
        assert shop.run("reached", position, start)[0]["reached"]
        assert not shop.run("reached", start, position)[0]["reached"]


def test_positions_as_a_user_writes_them(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = json.loads(shop.position())
    server.sql("insert into shop.a values (1)")
    for typed in (f"{start['file']}:{start['pos']}", start["gtid"], json.dumps({"file": start["file"], "pos": start["pos"]})):
        assert [r["id"] for _, _, r, _ in changes(shop.stream(typed, "--known"))] == ["1"], typed
    with pytest.raises(Failed, match="not a binlog position") as failed:
        shop.stream("yesterday")
    assert failed.value.kind == "config"


def test_a_log_begun_in_the_middle_learns_its_gtids(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = json.loads(shop.position())
    server.sql("flush binary logs; insert into shop.a values (1)")
    last = json.loads(shop.stream(f"{start['file']}:{start['pos']}", "--known")[-1]["position"])
    end = json.loads(shop.position())
    assert (last["file"], last["gtid"], last["server_uuid"]) == (end["file"], end["gtid"], end["server_uuid"])


def test_a_purged_log_is_said(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = json.loads(shop.position())
    server.sql("insert into shop.a values (1); flush binary logs")
    last = json.loads(shop.position())["file"]
    # The server keeps a file that a stream of an earlier test still has open.
    wait_until(lambda: server.sql(f"purge binary logs to '{last}'; show binary logs")[0][0] == last, "the log is purged")
    for position in (json.dumps(start), f"{start['file']}:{start['pos']}"):
        with pytest.raises(Failed, match="does not have the binlog from .* now begins with bin.*Load the tables in full again.*expire") as failed:
            shop.stream(position)
        assert failed.value.kind == "outside"


def begin_log_again(server, seconds, to=1):
    """RESET MASTER; the new file's time is set, so that it is not that of the second before."""
    server.sql(f"set timestamp = {seconds}; " + ("reset binary logs and gtids" if isinstance(server, MySQL97) else "reset master") + f" to {to}")


def without(position, *names):
    return json.dumps({k: v for k, v in json.loads(position).items() if k not in names})


@pytest.mark.parametrize("after", ["as much again", "more files", "fewer files", "a later number"])
def test_a_log_that_began_again_is_said(server, shop, after):
    """RESET MASTER: names of files and numbers of transactions come again, and mean others."""
    begin_log_again(server, 1700000000)
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1)" + "; flush binary logs" * (after == "fewer files"))
    positions = [shop.load()[0][0]]
    server.sql("insert into shop.a values (2), (3)")
    positions.append(shop.stream(positions[0], "--known")[-1]["position"])
    begin_log_again(server, 1700000100, to=7 if after == "a later number" else 1)
    server.sql("truncate table shop.a" + "".join(f"; insert into shop.a values ({i})" for i in range(3 if after == "a later number" else 10))
               + "; flush binary logs; insert into shop.a values (10)" * (after == "more files"))
    for position in positions:
        for start in (position, without(position, "gtid")):
            with pytest.raises(Failed, match="Load the tables in full again") as failed:
                shop.stream(start)
            assert failed.value.kind == "outside"
            assert "began again" in str(failed.value) or (after, start) == ("a later number", without(position, "gtid"))


def test_a_log_that_begins_again_below_a_stream_is_said(server, shop):
    begin_log_again(server, 1700000000)
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1)")
    start = without(shop.load()[0][0], "gtid")
    process = shop.start("stream", "--from", f"{json.loads(start)['file']}:4", "--until-signal")
    assert process.stdout.readline()
    begin_log_again(server, 1700000100)
    server.sql("insert into shop.a values (2)" + "".join(f"; insert into shop.a values ({i})" for i in range(3, 20)))
    last = json.loads(process.stdout.read().splitlines()[-1])
    assert process.wait() == 1
    assert last["kind"] == "retry" or "began again" in last["error"]
    with pytest.raises(Failed, match="began again"):
        shop.stream(start)


def test_capture_stops_at_a_log_that_began_again(server, shop):
    """Also one that is shorter now, where the position seems to be behind its end."""
    begin_log_again(server, 1700000000)
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1); flush binary logs")
    with Sluice(source=server.source_config("shop"), tables=[{"name": "shop.a", "active": True}]) as sluice:
        sluice.run("capture", "--until-current")
        sluice.run("capture", "--until-current")
        begin_log_again(server, 1700000100)
        server.sql("insert into shop.a values (2)")
        failed = sluice.run("capture", "--until-current", ok=(4,))
        assert "began again" in failed.stderr


def test_restarts_rotations_and_purges_are_no_reset(server, shop):
    server.sql("create table shop.a (id int primary key)")
    start = shop.position()
    server.sql("insert into shop.a values (1); flush binary logs")
    server.restart()
    shop.config["port"] = server.port
    server.sql("flush binary logs; insert into shop.a values (2)")
    for position in (start, without(start, "gtid"), without(start, "created"), without(start, "gtid", "created")):
        events = shop.stream(position, "--known")
        assert [r["id"] for _, _, r, _ in changes(events)] == ["1", "2"]
    end, full = events[-1]["position"], shop.stream(start, "--known")[-1]["position"]
    assert json.loads(end)["created"] == json.loads(shop.load()[0][0])["created"] > 0
    server.sql("flush binary logs")
    last = json.loads(shop.position())["file"]
    wait_until(lambda: server.sql(f"purge binary logs to '{last}'; show binary logs")[0][0] == last, "the log is purged")
    server.sql("insert into shop.a values (3)")
    assert [r["id"] for _, _, r, _ in changes(shop.stream(full, "--known"))] == ["3"]


def test_a_lost_connection_is_worth_another_try(server, shop):
    server.sql("create table shop.a (id int primary key)")
    server.sql("insert into shop.a values (1)")
    process = shop.start("stream", "--from", f"{json.loads(shop.position())['file']}:4", "--until-signal")
    try:
        assert process.stdout.readline()
        dumps = [row[0] for row in server.sql("show processlist") if row[4].startswith("Binlog Dump")]
        server.sql(f"kill {dumps[-1]}")
        lines = process.stdout.read().splitlines()
        assert json.loads(lines[-1])["kind"] == "retry"
    finally:
        process.kill()
        process.wait()


def test_a_stop_request_ends_an_idle_stream_at_once(server, shop):
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1)")
    process = shop.start("stream", "--from", f"{json.loads(shop.position())['file']}:4", "--until-signal")
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    assert process.wait(5) == 0


def test_two_streams_do_not_disturb_each_other(server, shop):
    """Each task has a server id of its own."""
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1)")
    start = f"{json.loads(shop.position())['file']}:4"
    first = shop.start("stream", "--from", start, "--until-signal")
    try:
        assert first.stdout.readline()
        assert changes(Dump(server, task="another").stream(start))
        server.sql("insert into shop.a values (2)")
        while True:
            event = json.loads(first.stdout.readline())
            assert "error" not in event
            if event["event"] == "row" and plain(event["row"]) == {"id": "2"}:
                break
    finally:
        first.terminate()
        first.stdout.read()
        assert first.wait(10) == 0


def test_silent_ends_of_the_log_are_not_transactions(server, shop):
    """A server that dies: its log has no end, and the next file begins."""
    server.sql("create table shop.a (id int primary key)")
    start = shop.position()
    server.sql("insert into shop.a values (1)")
    server.kill()
    server.start()
    server.sql("insert into shop.a values (2)")
    assert [r["id"] for _, _, r, _ in changes(shop.stream(start, "--known"))] == ["1", "2"]


# --- definitions ---


def test_definitions_in_the_log(server, shop):
    server.sql("create table shop.t (id int primary key, a int, b varchar(10))")
    start = shop.position()
    known = shop.tables()["shop.t"]
    server.sql("""insert into shop.t values (1, 1, 'x'); alter table shop.t add c int not null default 7, rename column a to z; insert into shop.t values (2, 2, 'y', 8);
        alter table shop.t add index (z), comment 'no change'; insert into shop.t values (3, 3, 'y', 8); alter table shop.t drop column b; insert into shop.t values (4, 4, 8);
        alter table shop.t drop primary key; insert into shop.t values (5, 5, 8)""")
    events = shop.stream(start, "--table", json.dumps(known))
    assert [e["event"] for e in events if e["event"] in ("table", "row")] == ["row", "table", "row", "row", "table", "row", "table", "row"]
    first, second, third = (e for e in events if e["event"] == "table")
    assert [c["name"] for c in first["new"]["columns"]] == ["id", "z", "b", "c"]
    assert first["renames"] == [["a", "z"]]
    assert {c["name"]: c["initial"] for c in first["new"]["columns"]} == {"id": None, "z": None, "b": None, "c": "7"}
    assert [c["name"] for c in second["new"]["columns"]] == ["id", "z", "c"]
    assert (second["new"]["key"], third["new"]["key"]) == (["id"], [])
    assert [first["reload"], second["reload"], third["reload"]] == [None, None, None]


def test_renames_survive_a_restart_before_the_next_row(server, shop):
    server.sql("create table shop.t (id int primary key, a int, b int); create table shop.other (id int primary key)")
    known = json.dumps(shop.tables()["shop.t"])
    start = shop.position()
    server.sql("alter table shop.t rename column a to c; alter table shop.t change c d bigint; alter table shop.t change column b a int; insert into shop.other values (1)")
    last = shop.stream(start, "--known")[-1]["position"]
    assert json.loads(last)["pending"]
    server.sql("insert into shop.t values (1, 2, 3)")
    events = shop.stream(last, "--table", known)
    assert sorted(next(e for e in events if e["event"] == "table")["renames"]) == [["a", "d"], ["b", "a"]]
    assert "pending" not in json.loads(events[-1]["position"])


def test_definitions_that_no_row_shows(server, shop):
    """At the end of the log the server shows what the log has told."""
    server.sql("create table shop.t (id int primary key, a int); create table shop.gone (id int primary key, a int); create table shop.u (id int primary key)")
    known = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
    start = shop.position()
    server.sql("alter table shop.t rename column a to b, add c int default 7; alter table shop.gone add b int; drop table shop.gone; insert into shop.u values (1)")
    events = shop.stream(start, *known, "--settled")
    assert [(e["event"], e["table"]) for e in events if e["event"] in ("table", "drop")] == [("drop", "shop.gone"), ("table", "shop.t")]
    told = events[-1]
    assert (told["renames"], told["reload"], told["new"]["columns"][2]["initial"]) == ([["a", "b"]], None, "7")
    # A restart behind it does not tell it again; without it, it does, although nothing follows in the log.
    now = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
    assert shop.stream(told["position"], *now, "--settled") == []
    before = next(e["position"] for e in events if e["event"] == "commit")
    assert [e["renames"] for e in shop.stream(before, *known, "--settled")] == [[["a", "b"]]]


def test_definitions_are_told_while_the_log_goes_on(server, shop):
    """No silence, and each time the log's end is further: what the server showed counts once that place is reached."""
    server.sql("create table shop.t (id int primary key, a int); create table shop.u (id int primary key, n int); insert into shop.u values (1, 0)")
    known = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
    start = shop.position()
    stop = threading.Event()

    def work():
        with server.connect("shop") as connection, connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("update u set n = n + 1")

    worker = threading.Thread(target=work)
    worker.start()
    process = shop.start("stream", "--from", start, *known, "--until-signal")
    try:
        server.sql("alter table shop.t change a b int; alter table shop.t change b c int")
        assert next(e for e in map(json.loads, process.stdout) if e["event"] == "table")["renames"] == [["a", "c"]]
    finally:
        stop.set()
        worker.join()
        process.kill()
        process.wait()


@pytest.mark.parametrize("text, initial", [
    ("int", None), ("int default 5", "5"), ("int not null", "0"), ("varchar(9) not null", ""), ("varchar(9) default 'it''s \\\\ é'", "it's \\ é"), ("decimal(9,3) default 1.5", "1.500"),
    ("decimal(9,3) not null", "0.000"), ("bit(9) default b'100000001'", "257"), ("bit default b'1'", "true"), ("enum('x','y') not null", "x"), ("enum('x','y') default 'y'", "y"),
    ("datetime(3) default '2026-01-02 03:04:05.678'", "2026-01-02 03:04:05.678"), ("date not null default '2026-01-02'", "2026-01-02"), ("time(2) default '10:00:00.5'", "10:00:00.50"),
    ("varbinary(9) default x'6162'", "6162"), ("binary(4) default 'ab'", "61620000"), ("double default 1e30", "1e30"), ("float default 0.1", "0.1"), ("year default 2026", "2026"),
    ("int(5) unsigned zerofill default 7", "7"), ("bool not null default true", "1"), ("set('a','b') default 'a,b'", "a,b"), ("bigint unsigned default 18446744073709551615", "18446744073709551615"),
    ("timestamp(3) not null default current_timestamp(3)", "?"), ("datetime default current_timestamp", "?"), ("int as (id + 1) virtual", "?"), ("int as (id + 1) stored", "?"),
    ("timestamp null default '2026-01-02 03:04:05'", "?"), ("text", None), ("blob", None),
])
def test_rows_that_exist_get_the_default_of_an_added_column(server, shop, text, initial):
    server.sql("create table shop.t (id int primary key); insert into shop.t values (1)")
    start, known = shop.position(), json.dumps(shop.tables()["shop.t"])
    server.sql(f"alter table shop.t add n {text}; insert into shop.t (id) values (2)" if "not null" not in text or "default" in text
               else f"set sql_mode = ''; alter table shop.t add n {text}; insert into shop.t (id) values (2)")
    event = next(e for e in shop.stream(start, "--table", known) if e["event"] == "table")
    _, rows, _ = shop.load()
    old = next(r for r in rows["shop.t"] if r["id"] == ["plain", "1"])
    if initial == "?":
        assert "added column n" in event["reload"]
    else:
        assert event["reload"] is None
        assert event["new"]["columns"][1]["initial"] == initial == plain(old)["n"]


def test_declarations_that_keep_values_need_no_load(server, shop):
    """Each is judged by its own words, also in other spellings than information_schema's."""
    server.sql("create table shop.t (id int primary key, a int, b varchar(10), p decimal(8,2), u smallint unsigned, e enum('it''s','b'), c char(3) character set latin1, "
               "d datetime(3), y year, f float, x varbinary(5), j json, l text, s timestamp(3) null)")
    start, known = shop.position(), json.dumps(shop.tables()["shop.t"])
    server.sql("""set sql_mode = '';
        alter table shop.t modify a integer, modify column b character varying(20), modify p NUMERIC(10, 2), modify u int8 unsigned comment 'not, this', modify e enum('it\\'s', "b", 'c') null;
        alter table shop.t modify c character(3) charset latin1 default null, change d d datetime(6), modify y year, modify f double precision, modify x varbinary(6), modify j json,
            modify s timestamp(6) null default null, modify b varchar(30) collate utf8mb4_bin after id;
        set sql_mode = 'STRICT_ALL_TABLES'; alter table shop.t modify a tinyint, modify b text not null, modify l longtext, modify u varchar(5), modify p dec(12,2);
        insert into shop.t (id, b) values (1, 'x')""")
    events = shop.stream(start, "--table", known)
    assert [e["reload"] for e in events if e["event"] == "table"] == [None]
    assert kinds(events) == ["begin", "table", "row", "commit"]


def test_drop_and_truncate(server, shop):
    server.sql("create table shop.a (id int primary key); create table shop.b (id int primary key); create table shop.c (id int primary key)")
    known = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
    start = shop.position()
    server.sql("truncate table shop.a; create temporary table shop.b (x int); drop temporary table shop.b; drop table shop.a, shop.b; create database other; create table other.c (id int);"
               "drop database other; drop table if exists shop.none; drop database shop; create database shop")
    end = shop.position()
    events = shop.stream(start, *known)
    assert [(e["event"], e["table"]) for e in events] == [("truncate", "shop.a"), ("drop", "shop.a"), ("drop", "shop.b"), ("drop", "shop.c")]
    positions = [json.loads(e["position"])["pos"] for e in events]
    assert positions == sorted(positions)
    assert positions[0] == positions[1], "both tables of DROP TABLE come again after a restart between them"
    assert shop.run("reached", end, events[-1]["position"])[0]["reached"]


def test_renamed_tables(server, shop):
    server.sql("create table shop.t (id int primary key); create table shop.ghost (id int primary key, n int); insert into shop.ghost values (1, 1)")
    known = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
    start = shop.position()
    server.sql("rename table shop.t to shop.t_old, shop.ghost to shop.t; insert into shop.t values (2, 2); alter table shop.t_old rename to shop.t_older")
    events = [e for e in shop.stream(start, *known) if e["event"] in ("table", "drop", "row")]
    assert [(e["event"], e["table"]) for e in events] == [("drop", "shop.ghost"), ("table", "shop.t"), ("row", "shop.t"), ("table", "shop.t_older")]
    assert "was renamed" in events[1]["reload"]
    assert events[3]["reload"] is None
    assert [c["name"] for c in events[1]["new"]["columns"]] == ["id", "n"]


def test_moved_partitions_need_a_load(server, shop):
    server.sql("create table shop.t (id int primary key) partition by range (id) (partition p0 values less than (10), partition p1 values less than (20), partition p2 values less than maxvalue);"
               "create table shop.x (id int primary key); insert into shop.t values (1), (11)")
    start = shop.position()
    server.sql("use shop; alter table t truncate partition p0; alter table shop.t exchange partition p1 with table x; alter table shop.t drop partition p2")
    events = Dump(server, on_truncate="apply").stream(start, "--known")
    assert [(e["event"], e["table"], e["reload"]) for e in events] == [
        ("table", "shop.t", "ALTER TABLE shop.t … TRUNCATE PARTITION"), ("table", "shop.t", "ALTER TABLE shop.t … EXCHANGE PARTITION"),
        ("table", "shop.x", "ALTER TABLE shop.t … EXCHANGE PARTITION … TABLE shop.x"), ("table", "shop.t", "ALTER TABLE shop.t … DROP PARTITION")]
    assert [e["reload"] for e in shop.stream(start, "--known")] == [events[1]["reload"], events[2]["reload"]], "on_truncate: ignore"


def test_without_names_a_late_reader_is_told_what_to_do(server, shop):
    """binlog_row_metadata=MINIMAL, and the table changed twice since: information_schema is ahead of the log."""
    server.sql("create table shop.t (id int primary key, a int); create table shop.u (id int primary key); set global binlog_row_metadata = 'MINIMAL'")
    try:
        known = [arg for t in shop.tables().values() for arg in ("--table", json.dumps(t))]
        start = shop.position()
        server.sql("insert into shop.t values (1, 1); alter table shop.t add b int; insert into shop.t values (2, 2, 2); alter table shop.t add c varchar(9);"
                   "insert into shop.t values (3, 3, 3, '3'); insert into shop.u values (1)")
        events = shop.stream(start, *known)
        assert [(t, r) for _, t, r, _ in changes(events)] == [("shop.t", {"id": "1", "a": "1"}), ("shop.u", {"id": "1"})]
        assert "binlog_row_metadata = FULL" in table_errors(events)[0]
        # In time, it is no problem.
        server.sql("insert into shop.t values (4, 4, 4, '4')")
        late = shop.stream(start, *[a.replace("shop.none", "") for a in known])
        assert len(table_errors(late)) == 1
        now = shop.position()
        server.sql("alter table shop.t rename column a to z, drop column b; insert into shop.t values (5, 5, 'x')")
        in_time = shop.stream(now, "--known")
        assert not table_errors(in_time)
    finally:
        server.sql("set global binlog_row_metadata = 'FULL'")


def test_a_statement_logged_as_such_fails_its_table(server, shop):
    server.sql("create table shop.t (id int primary key, n int); create table shop.u (id int primary key); insert into shop.t values (1, 1)")
    start = shop.position()
    server.sql("set session binlog_format = 'STATEMENT'; set session transaction isolation level repeatable read; update shop.t set n = 2; set session binlog_format = 'ROW'; insert into shop.u values (1)")
    events = shop.stream(start, "--known")
    assert "statement format" in table_errors(events)[0]
    assert [t for _, t, _, _ in changes(events)] == ["shop.u"]


def test_sequences_and_views_are_no_tables(server, shop):
    server.sql("create table shop.t (id int primary key); create view shop.v as select * from shop.t")
    if server.engine == "mariadb":
        server.sql("create sequence shop.s")
    start = shop.position()
    assert list(shop.tables()) == ["shop.t"]
    server.sql("insert into shop.t values (" + ("next value for shop.s" if server.engine == "mariadb" else "1") + ")")
    events = shop.stream(start, "--known")
    assert [t for _, t, _, _ in changes(events)] == ["shop.t"]
    assert not table_errors(events)


@pytest.mark.parametrize("metadata", ["FULL", "MINIMAL"])
@pytest.mark.parametrize("kind", ["implicit", "declared"])
def test_columns_that_nobody_sees(server, shop, metadata, kind):
    """MySQL's functional indexes and MariaDB's row periods have columns of their own, and periods have rows of the past."""
    versioned = server.engine == "mariadb"
    definition = {("mariadb", "implicit"): "create table shop.t (id int primary key, a int, b int) with system versioning",
                  ("mariadb", "declared"): "create table shop.t (id int primary key, a int, b int, f timestamp(6) generated always as row start,"
                                           "u timestamp(6) generated always as row end, period for system_time (f, u)) with system versioning",
                  ("mysql", "implicit"): "create table shop.t (id int primary key, a int, index f ((a + 1)), b int)",
                  ("mysql", "declared"): "create table shop.t (id int primary key, a int, index f ((a + 1))); alter table shop.t add b int, add index g ((b + 1))"}
    server.sql(f"set global binlog_row_metadata = {metadata}; {definition[server.engine, kind]}; insert into shop.t (id, a, b) values (1, 1, 1), (2, 2, 2)")
    start = shop.position()
    try:
        server.sql("insert into shop.t (id, a, b) values (3, 3, 3); update shop.t set a = 10, b = 20 where id = 1; delete from shop.t where id = 2")
        if versioned:
            server.sql("delete history from shop.t")
        events = shop.stream(start, "--known")
        assert not table_errors(events)
        assert "table" not in kinds(events)
        got = changes(events)
        assert [(op, r["id"]) for op, _, r, _ in got] == [("I", "3"), ("U", "1"), ("D", "2")]
        _, loaded, _ = shop.load()
        rows = {plain(r)["id"]: plain(r) for r in loaded["shop.t"]}
        assert {r["id"]: r for op, _, r, _ in got if op != "D"} == {"1": rows["1"], "3": rows["3"]}
        assert shop.tables()["shop.t"]["key"] == ["id"]
        fresh = next(e for e in shop.stream(start) if e["event"] == "table")
        assert fresh["new"] == shop.tables()["shop.t"]
    finally:
        server.sql("set global binlog_row_metadata = FULL")


# --- partial images ---


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
def test_partial_images(server, shop, image):
    server.sql("""create table shop.t (id int primary key auto_increment, a int default 5, b varchar(10) default 'dd', n int not null, made timestamp(3) not null default current_timestamp(3),
        t text, e enum('x','y') not null default 'y', bin binary(3) default 'ab', dbl double default 0.5)""")
    start = shop.position()
    server.sql(f"""set session binlog_row_image = '{image}', sql_mode = '';
        insert into shop.t (a, n) values (1, 2); insert into shop.t (n, t) values (3, 'text'); insert into shop.t () values (); insert into shop.t (n) select 7;
        update shop.t set b = 'new' where id = 1; update shop.t set t = null where id = 2; update shop.t set a = null, n = 9 where id = 3; delete from shop.t where id = 4""")
    rows = {}
    for op, _, row, old in changes(shop.stream(start, "--known")):
        if op == "D":
            rows.pop(row["id"])
        else:
            kept = rows.get(row["id"], {})
            rows[row["id"]] = {k: kept[k] if v == "unchanged" else v for k, v in row.items()}
    _, loaded, _ = shop.load()
    assert sorted(rows.values(), key=str) == sorted((plain(r) for r in loaded["shop.t"]), key=str)


def test_computed_columns_in_partial_images(server, shop):
    """MySQL logs those that change; MariaDB leaves out virtual ones, and nobody can know them then."""
    server.sql("create table shop.t (id int primary key, a int, b int, v int as (a + 1) virtual, s int as (a + 2) stored); insert into shop.t (id, a) values (1, 1)")
    start = shop.position()
    server.sql("set session binlog_row_image = 'MINIMAL'; update shop.t set a = 2 where id = 1; update shop.t set b = 2 where id = 1; insert into shop.t (id, a) values (2, 2)")
    events = shop.stream(start, "--known")
    if server.engine == "mariadb":
        assert "column v" in table_errors(events)[0]
        assert "binlog_row_image = FULL" in table_errors(events)[0]
    else:
        assert [(r["v"], r["s"]) for _, _, r, _ in changes(events)] == [("3", "4"), ("unchanged", "unchanged"), ("3", "4")]


# --- snapshots ---


def test_readers_of_a_snapshot_are_consistent_with_their_positions(server, shop):
    """A writer moves money between two tables while snapshots are taken: each reader's position explains what it sees."""
    server.sql("create table shop.a (id int primary key, n bigint); create table shop.b (id int primary key, n bigint); insert into shop.a values (1, 1000); insert into shop.b values (1, 1000)")
    start = shop.position()
    writer = subprocess.Popen(["mariadb", "--no-defaults", "-uroot", f"--socket={server.socket}", "shop"], stdin=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    writer.stdin.write("begin; update a set n = n - 1; update b set n = n + 1; commit;\n" * 3000)
    writer.stdin.flush()
    loads = [shop.load(readers=2) for _ in range(3)]
    writer.stdin.close()
    assert writer.wait() == 0
    events = shop.stream(start, "--known")
    balance, seen = {"shop.a": 1000, "shop.b": 1000}, []
    for event in events:
        if event["event"] == "row":
            balance[event["table"]] = int(plain(event["row"])["n"])
        if event["event"] == "commit":
            seen.append((json.loads(event["position"]), dict(balance)))
    for positions, rows, _ in loads:
        assert shop.run("reached", positions[1], positions[0])[0]["reached"], "reader 0 has the lowest"
        for reader, table in enumerate(("shop.a", "shop.b")):
            at = json.loads(positions[reader])
            there = [b for p, b in seen if (p["file"], p["pos"]) <= (at["file"], at["pos"])]
            assert int(plain(rows[table][0])["n"]) == (there[-1] if there else {"shop.a": 1000, "shop.b": 1000})[table]


def test_transactions_prepared_before_the_snapshot_are_found_in_the_log(server, shop):
    """Their rows are neither in the snapshot nor behind its position; the name was used before, and files ago."""
    server.sql("create table shop.a (id int primary key, n int); create table shop.other (id int primary key)")
    with server.connect("shop") as connection, connection.cursor() as cursor:
        def xa(name, *statements):
            for statement in (f"xa start '{name}'", *statements, f"xa end '{name}'", f"xa prepare '{name}'"):
                cursor.execute(statement)
        xa("w", "insert into a values (7, 7)")
        cursor.execute("xa commit 'w'")
        xa("w", "insert into a values (1, 1), (2, 2)", "savepoint s", "insert into a values (3, 3)", "rollback to s", "update a set n = 5 where id = 1")
        server.sql("flush binary logs; insert into shop.other values (1); flush binary logs; insert into shop.other values (2)")
        positions, rows, _ = shop.load()
        assert rows["shop.a"] == [{"id": ["plain", "7"], "n": ["plain", "7"]}]
        server.sql("insert into shop.a values (8, 8)")
        cursor.execute("xa commit 'w'")
        server.sql("insert into shop.a values (9, 9)")
        events = shop.stream(positions[0], "--known", "--skip", f"shop.a={positions[0]}")
        assert [(op, r["id"], r["n"]) for op, t, r, _ in changes(events) if t == "shop.a"] == [("I", "8", "8"), ("I", "1", "1"), ("I", "2", "2"), ("U", "1", "5"), ("I", "9", "9")]
        late = [e for e in events if e.get("name")]
        assert [e["event"] for e in late] == ["begin", "savepoint", "prepare", "commit prepared"]
        assert late[0]["position"] == late[2]["position"], "a restart reads the decision again"
        xa("u", "insert into a values (20, 20)")
        middle = shop.position()
        cursor.execute("xa rollback 'u'")
        assert kinds(shop.stream(middle, "--known")) == ["rollback prepared"]


def test_a_table_changed_since_the_snapshot_is_worth_another_try(server, shop):
    """The driver cannot go on to the second table before the pipe takes all of the first."""
    server.sql("create table shop.a (id int primary key auto_increment, t varchar(300)); create table shop.b (id int primary key);"
               "insert into shop.a (t) values (repeat('x', 300)); " + "insert into shop.a (t) select t from shop.a;" * 11)
    process = shop.start("load", 1)
    try:
        assert "position" in json.loads(process.stdout.readline())
        server.sql("alter table shop.b modify id bigint")  # MySQL adds columns without touching rows, and old snapshots still read them
        lines = process.stdout.read().splitlines()
    finally:
        process.kill()
        process.wait()
    last = json.loads(lines[-1])
    assert last["kind"] == "retry", last
    assert sum('"shop.a"' in line for line in lines) == 2048


def test_locks_are_few_and_short(server, shop):
    """MariaDB needs none. MySQL's is not asked for while a long statement runs, and released at once."""
    server.sql("create table shop.a (id int primary key); insert into shop.a values (1)")
    server.sql("set global general_log = on, log_output = 'TABLE'; truncate table mysql.general_log")
    try:
        shop.load(readers=2)
        statements = [bytes(row[0]).decode() if isinstance(row[0], (bytes, bytearray)) else row[0]
                      for row in server.sql("select argument from mysql.general_log order by event_time")]
    finally:
        server.sql("set global general_log = off")
    locking = [i for i, s in enumerate(statements) if s.startswith(("FLUSH TABLES", "LOCK TABLES"))]
    unlocking = [i for i, s in enumerate(statements) if s.startswith("UNLOCK")]
    if server.engine == "mariadb":
        assert not locking
    else:
        between = statements[locking[0] + 1: unlocking[0]]
        assert len(locking) == len(unlocking) == 1
        assert [s for s in between if not s.startswith(("START TRANSACTION", "SHOW"))] == []


def test_without_reload_the_tables_are_locked(shop):
    with started(MySQL80) as server:
        server.sql("create database shop; create table shop.a (id int primary key); insert into shop.a values (1);"
                   f"revoke reload on *.* from '{USER}'@'%'; grant lock tables on shop.* to '{USER}'@'%'")
        dump = Dump(server)
        positions, rows, _ = dump.load(readers=2)
        assert rows["shop.a"] == [{"id": ["plain", "1"]}]
        assert positions == [dump.position()] * 2
        assert dump.check()["LOCK TABLES"][0] == "ok"
        server.sql(f"revoke lock tables on shop.* from '{USER}'@'%'")
        with pytest.raises(Failed, match="GRANT RELOAD") as failed:
            dump.load()
        assert failed.value.kind == "config"
        assert dump.check()["RELOAD"][0] == "warning"


# --- preflight, and connections that fail ---


def test_check_is_content_with_a_good_server(server, shop):
    server.sql("create table shop.a (id int primary key)")
    results = shop.check()
    assert not [s for s, (result, _, _) in results.items() if result == "failed"]
    assert results["binlog_row_metadata"][0] == "ok"


def test_check_finds_what_is_wrong_and_says_what_mends_it(server, shop):
    server.sql("create table shop.keyless (id int); create table shop.m (id int primary key) engine=MyISAM")
    server.sql("set global binlog_row_image = 'MINIMAL', global binlog_row_metadata = 'MINIMAL', global binlog_format = 'MIXED', global binlog_expire_logs_seconds = 3600")
    try:
        results = shop.check()
        for subject, result, mend in (("binlog_row_image", "warning", "binlog_row_image = FULL"), ("binlog_row_metadata", "warning", "binlog_row_metadata = FULL"),
                                      ("binlog_format", "failed", "binlog_format = ROW"), ("binlog_expire_logs_seconds", "warning", "= 604800"),
                                      ("primary keys", "warning", "ADD PRIMARY KEY"), ("engines", "warning", "ENGINE=InnoDB")):
            assert results[subject][0] == result, subject
            assert mend in results[subject][2]
            if mend.startswith("binlog") and "SET" in results[subject][2]:
                server.sql(results[subject][2].split(";")[0])
        assert "shop.keyless" in results["primary keys"][1]
        assert shop.check()["binlog_format"][0] == "ok", "the statement mends it"
    finally:
        server.sql("set global binlog_row_image = 'FULL', global binlog_row_metadata = 'FULL', global binlog_format = 'ROW', global binlog_expire_logs_seconds = 2592000")


def test_check_names_the_tables_whose_foreign_keys_change_rows(server, shop):
    """InnoDB does it by itself: no row events. The user of sluice has no more than SELECT."""
    server.sql("use shop; create table parent (id int primary key); create table child (id int primary key, p int, foreign key (p) references parent (id) on delete cascade);"
               "create table `odd ``child` (id int primary key, p int, foreign key (p) references parent (id) on update set null)")
    server.sql("create table shop.strict (id int primary key, p int comment ' FOREIGN KEY x ON DELETE CASCADE', foreign key (p) references shop.parent (id))")
    result, text, mend = shop.check()["foreign keys"]
    assert result == "warning" and "RESTRICT" in mend
    assert "(shop.child, shop.odd `child)" in text
    server.sql("drop table shop.child, shop.`odd ``child`")
    assert "foreign keys" not in shop.check()


def test_check_finds_missing_privileges(server, shop):
    server.sql(f"create table shop.a (id int primary key); create user if not exists poor@'%' identified by '{PASSWORD}'; grant select on shop.* to poor@'%'")
    results = Dump(server, user="poor").check()
    failed = {s: mend for s, (result, _, mend) in results.items() if result == "failed"}
    assert failed["REPLICATION SLAVE"] == "GRANT REPLICATION SLAVE ON *.* TO 'poor'@'%';"
    server.sql(" ".join(mend for mend in failed.values() if mend.startswith("GRANT")))
    assert not [s for s, (result, _, _) in Dump(server, user="poor").check().items() if result == "failed"]
    server.sql("drop user poor@'%'")


def test_check_of_a_server_without_log():
    with started(MariaDB, log_bin=None, binlog_format=None) as server:
        server.sql("create database shop; create table shop.a (id int primary key)")
        results = Dump(server).check()
        assert results["log_bin"][0] == "failed"
        assert "--log-bin" in results["log_bin"][2]
        with pytest.raises(Failed, match="--log-bin"):
            Dump(server).position()


def test_connections_that_fail(server, shop):
    for config, kind, message in (({"password": "wrong"}, "config", "source.password"), ({"user": "nobody"}, "config", "source.user"),
                                  ({"port": free_port()}, "retry", "source.port"), ({"host": "no.such.host.invalid"}, "retry", "source.host"),
                                  ({"engine": "oracle9"}, "config", "mysql, mariadb")):
        with pytest.raises(Failed, match=message) as failed:
            Dump(server, **config).position()
        assert failed.value.kind == kind, config
        assert "secret" not in str(failed.value)


def test_tls_is_checked(shop):
    with started(MySQL80) as server:
        server.sql("create database shop; create table shop.a (id int primary key)")
        ca = server.datadir / "ca.pem"
        if not ca.exists():
            pytest.skip("the server made no certificates")
        assert Dump(server, tls=True, tls_verify=False).check()["tls"][0] == "warning"
        with pytest.raises(Failed, match="tls_ca|certificate") as failed:
            Dump(server, tls=True).position()
        assert failed.value.kind == "config"
        # The name in the server's own certificate is not 127.0.0.1: the authority alone does not do.
        with pytest.raises(Failed):
            Dump(server, tls=True, tls_ca=str(ca)).position()


def make_certificate(folder):
    """An authority of its own, and a server's certificate for 127.0.0.1 that it signed."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName = IP:127.0.0.1, DNS:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names", "-out", "server.pem")
    return folder


@pytest.mark.parametrize("kind", [MariaDB, MySQL80])
def test_tls_with_a_certificate_that_is_right(kind, tmp_path):
    folder = make_certificate(tmp_path)
    with started(kind, ssl_ca=folder / "ca.pem", ssl_cert=folder / "server.pem", ssl_key=folder / "server.key") as server:
        server.sql("create database shop; create table shop.a (id int primary key)")
        dump = Dump(server, tls=True, tls_ca=str(folder / "ca.pem"))
        assert dump.check()["tls"][0] == "ok"
        start = dump.position()
        server.sql("insert into shop.a values (1)")
        assert [r["id"] for _, _, r, _ in changes(dump.stream(start, "--known"))] == ["1"]
        assert dump.load()[1]["shop.a"] == [{"id": ["plain", "1"]}]
        process = dump.start("stream", "--from", start, "--until-signal")
        assert process.stdout.readline()
        process.terminate()
        process.stdout.read()
        assert process.wait(5) == 0, "an encrypted stream sees a stop request as well"
        with pytest.raises(Failed):
            Dump(server, tls=True).position()  # the system does not know the authority


def test_tls_that_the_server_does_not_offer():
    with started(MariaDB) as server:
        server.sql("create database shop")
        for verify in (True, False):
            with pytest.raises(Failed, match="source.tls|TLS|SSL") as failed:
                Dump(server, tls=True, tls_verify=verify).position()
            assert failed.value.kind == "config"


# --- another server ---


def make_replica(primary, replica):
    primary.sql(f"create user if not exists repl@'%' identified by 'repl'; grant replication slave on *.* to repl@'%'"
                if primary.engine == "mariadb" else
                "create user if not exists repl@'%' identified with mysql_native_password by 'repl'; grant replication slave on *.* to repl@'%'")
    replica.sql(f"change master to master_host = '127.0.0.1', master_port = {primary.port}, master_user = 'repl', master_password = 'repl', "
                + ("master_use_gtid = slave_pos" if primary.engine == "mariadb" else "master_auto_position = 1") + "; start slave")


def wait_for_row(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        while True:
            try:
                cursor.execute(sql)
                if cursor.fetchone():
                    return
            except connection.ProgrammingError:
                pass  # the table is not there yet


@pytest.mark.parametrize("kind", [MariaDB, MySQL80])
def test_the_stream_goes_on_at_another_server(kind):
    """By GTID, into files with other names; what a full load of the first server has is still left out."""
    with started(kind) as primary, started(kind, server_id=77, log_bin="replica", log_slave_updates="ON") as replica:
        primary.sql("create database shop; create table shop.a (id int primary key); insert into shop.a values (1)")
        make_replica(primary, replica)
        start = Dump(primary).position()
        primary.sql("insert into shop.a values (2)")
        positions, _, _ = Dump(primary).load()
        primary.sql("insert into shop.a values (3)")
        wait_for_row(replica, "select 1 from shop.a where id = 3")
        events = Dump(replica).stream(start, "--known", "--skip", f"shop.a={positions[0]}")
        assert [r["id"] for _, _, r, _ in changes(events)] == ["3"]
        assert json.loads(events[-1]["position"])["file"].startswith("replica")
        bare = json.loads(start)
        del bare["gtid"]
        with pytest.raises(Failed, match="full again") as failed:
            Dump(replica).stream(json.dumps(bare))
        assert failed.value.kind == "outside"


def test_mysql_without_gtids():
    with started(MySQL80, gtid_mode=None, enforce_gtid_consistency=None) as server:
        server.sql("create database shop; create table shop.a (id int primary key)")
        dump = Dump(server)
        start = dump.position()
        assert "gtid" not in json.loads(start)
        server.sql("insert into shop.a values (1); flush binary logs; insert into shop.a values (2)")
        events = dump.stream(start, "--known")
        assert [r["id"] for _, _, r, _ in changes(events)] == ["1", "2"]
        assert "gtid" not in json.loads(events[-1]["position"])
        begin_log_again(server, 1700000000)
        server.sql("set timestamp = 1700000100; insert into shop.a values (3), (4), (5); flush binary logs; insert into shop.a values (6), (7), (8)")
        with pytest.raises(Failed, match="began again"):
            dump.stream(events[-1]["position"])


def test_compressed_and_encrypted_logs_are_read():
    with started(MariaDB, log_bin_compress="ON", log_bin_compress_min_len="10") as server:
        server.sql("create database shop; create table shop.a (id int primary key, t text)")
        dump = Dump(server)
        start = dump.position()
        server.sql("insert into shop.a values (1, repeat('x', 1000)), (2, repeat('y', 20)); update shop.a set t = repeat('z', 500); delete from shop.a")
        assert [(op, r["id"]) for op, _, r, _ in changes(dump.stream(start, "--known"))] == [("I", "1"), ("I", "2"), ("U", "1"), ("U", "2"), ("D", "1"), ("D", "2")]


@pytest.mark.parametrize("checksum", ["NONE", "CRC32"])
def test_checksums(server, shop, checksum):
    server.sql("create table shop.a (id int primary key)")
    before = server.sql("select @@global.binlog_checksum")[0][0]
    start = shop.position()
    server.sql(f"insert into shop.a values (1); set global binlog_checksum = {checksum}; insert into shop.a values (2)")
    try:
        assert [r["id"] for _, _, r, _ in changes(shop.stream(start, "--known"))] == ["1", "2"]
    finally:
        server.sql(f"set global binlog_checksum = {before}")


def test_a_transaction_larger_than_the_packet_limit_of_clients(server, shop):
    """Events over 16 MB come in several packets."""
    server.sql("create table shop.a (id int primary key, b longblob)")
    start = shop.position()
    server.sql("insert into shop.a values (1, repeat('x', 40 * 1024 * 1024))")
    row = changes(shop.stream(start, "--known"))[0][2]
    assert len(row["b"]) == 2 * 40 * 1024 * 1024
