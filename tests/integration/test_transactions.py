"""Transactions appear when they are committed, whole, once: open ones, prepared ones and undone ones at awkward moments."""

import pytest

from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import wait_until
from tests.crash.scenario import driver
from tests.harness.workload import Workload


@pytest.fixture(scope="module", params=[MariaDB, MySQL80])
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


@pytest.fixture
def shop(server):
    """A driver, and a function that opens connections."""
    server.sql("drop database if exists shop; create database shop; create table shop.product (id int primary key, name varchar(40), price decimal(10,2));"
               "create table shop.event (n int, what varchar(20)); insert into shop.product values (1, 'one', 1), (2, 'two', 2); insert into shop.event values (1, 'a'), (1, 'a')")
    workload = Workload(server, "shop", only=())
    with driver(server, "shop") as sluice:
        sluice.workload = workload
        yield sluice


def run(connection, *statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def check(sluice):
    sluice.run("capture", "--until-current")
    sluice.run("load")
    sluice.workload.assert_lake_is_source(sluice)


def test_an_open_transaction_at_the_full_load(server, shop):
    with server.connect("shop") as writer:
        run(writer, "begin", "insert into product values (3, 'open', 3)", "insert into event values (3, 'open')", "update product set name = 'changed' where id = 1")
        check(shop)
        run(writer, "commit")
    check(shop)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_transaction_prepared_before_the_full_load(server, shop, end):
    """Its rows are before the snapshot in the log, and not in the snapshot."""
    with server.connect("shop") as writer:
        run(writer, "xa start 'early'", "insert into product values (3, 'prepared', 3)", "insert into event values (3, 'prepared')", "xa end 'early'", "xa prepare 'early'")
        process = shop.start("capture")
        try:
            # Whether capture waits for it or takes it along: afterwards all is there.
            wait_until(lambda: shop.log_of(["capture"]).read_text().strip(), "capture has begun", process=process)
            run(writer, f"xa {end} 'early'")
            run(writer, "insert into event values (4, 'after')")
            wait_until(lambda: any("after" in p.read_text() for p in (shop.raw / "shop" / "event").glob("*.csv")), "capture has caught up", process=process)
        finally:
            if process.poll() is None:
                shop.stop(process)
    check(shop)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_prepared_transaction_outlives_captures(server, shop, end):
    check(shop)
    with server.connect("shop") as writer:
        run(writer, "insert into event values (2, 'before')", "xa start 'late'", "insert into product values (3, 'prepared', 3)", "insert into event values (3, 'prepared'), (3, 'prepared')",
            "delete from product where id = 2", "xa end 'late'", "xa prepare 'late'")
        for n in range(3):
            server.sql(f"insert into shop.event values ({10 + n}, 'meanwhile'); update shop.product set name = 'meanwhile {n}' where id = 1; flush binary logs")
            check(shop)
        run(writer, f"xa {end} 'late'")
    check(shop)
    server.sql("insert into shop.event values (20, 'end')")
    check(shop)


def test_two_prepared_transactions_end_in_the_other_order(server, shop):
    check(shop)
    with server.connect("shop") as a, server.connect("shop") as b:
        for connection, name, n in ((a, "a", 3), (b, "b", 4)):
            run(connection, f"xa start '{name}'", f"insert into product values ({n}, '{name}', {n})", f"insert into event values ({n}, '{name}')", f"xa end '{name}'", f"xa prepare '{name}'")
            check(shop)
        run(b, "xa commit 'b'")
        check(shop)
        run(a, "xa commit 'a'")
    check(shop)


def test_savepoints_within_a_prepared_transaction(server, shop):
    check(shop)
    with server.connect("shop") as writer:
        run(writer, "xa start 's'", "insert into event values (3, 'kept')", "savepoint p", "insert into event values (4, 'undone')", "insert into product values (9, 'undone', 9)",
            "rollback to p", "insert into event values (5, 'kept')", "xa end 's'", "xa prepare 's'", "xa commit 's'")
    check(shop)


def test_a_statement_that_fails_in_the_middle(server, shop):
    """The rows that it had changed are undone by the server; the transaction goes on."""
    check(shop)
    with server.connect("shop") as writer:
        run(writer, "begin", "insert into product values (3, 'kept', 3)")
        with pytest.raises(Exception, match="Duplicate"):
            run(writer, "insert into product values (4, 'undone', 4), (1, 'double', 1)")
        run(writer, "insert into event values (3, 'kept')", "commit")
    check(shop)


def test_a_definition_ends_a_transaction(server, shop):
    check(shop)
    with server.connect("shop") as writer:
        run(writer, "begin", "insert into product values (3, 'committed by DDL', 3)", "alter table product add column n int default 4", "insert into product values (4, 'x', 4, 5)", "rollback")
    check(shop)


def test_the_log_ends_in_the_middle_of_a_file_and_begins_another(server, shop):
    check(shop)
    for n in range(5):
        server.sql(f"begin; insert into shop.event values ({n}, 'rotated'); update shop.product set price = {n}; commit; flush binary logs")
    check(shop)


def test_a_session_without_log(server, shop):
    """What was not logged is not replicated; what follows is."""
    check(shop)
    server.sql("set sql_log_bin = 0; insert into shop.event values (77, 'hidden'); delete from shop.event where n = 77; set sql_log_bin = 1; insert into shop.event values (3, 'seen')")
    check(shop)


def test_many_tables_in_one_statement(server, shop):
    server.sql("create table shop.other (id int primary key, name varchar(40))")
    shop.config["tables"].append({"name": "shop.other", "active": True, "primary_key": ["id"]})
    shop.write_config()
    server.sql("insert into shop.other values (1, 'x'), (2, 'y')")
    check(shop)
    server.sql("update product p join other o using (id) set p.name = concat(o.name, '!'), o.name = 'both'; delete p, o from product p join other o using (id) where p.id = 1", "shop")
    check(shop)
