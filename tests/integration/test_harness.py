"""The harness itself: servers start, log what sluice needs, survive a crash, and leave nothing behind."""

import os

import pytest

from tests.harness.servers import PASSWORD, USER, MariaDB, MySQL80, MySQL97, free_port

SERVERS = [MariaDB, MySQL80, pytest.param(MySQL97, marks=pytest.mark.mysql97)]


@pytest.fixture(params=SERVERS)
def server(request):
    reason = request.param.unavailable()
    if reason:
        pytest.skip(reason)
    with request.param() as started:
        yield started


def test_binlog_is_complete(server):
    variables = dict(server.sql("show global variables like '%bin%'"))
    assert variables["log_bin"] == "ON"
    assert variables["binlog_format"] == "ROW"
    assert variables["binlog_row_image"] == "FULL"
    assert variables["binlog_row_metadata"] == "FULL"
    server.sql("create database shop; create table shop.t (id int primary key, name text); insert into shop.t values (1, 'a')")
    assert server.sql("show binary logs")[-1][1] > 0
    assert server.sql("select * from t", db="shop") == ((1, "a"),)


def test_data_survives_a_crash_and_the_port_stays(server):
    server.sql("create database shop; create table shop.t (id int primary key); insert into shop.t values (7)")
    port, pid = server.port, server.process.pid
    server.kill()
    assert not os.path.exists(f"/proc/{pid}")
    server.start()
    assert server.port == port
    assert server.sql("select id from shop.t") == ((7,),)
    server.restart(binlog_row_image="MINIMAL")
    assert dict(server.sql("show variables like 'binlog_row_image'"))["binlog_row_image"] == "MINIMAL"


def test_sluice_user_has_the_documented_grants(server):
    grants = " ".join(row[0] for row in server.sql(f"show grants for '{USER}'@'%'"))
    assert "REPLICATION SLAVE" in grants
    assert "INSERT" not in grants
    config = server.source_config("shop")
    assert (config["port"], config["user"], config["password"]) == (server.port, USER, PASSWORD)


def test_nothing_is_left_behind():
    with MariaDB() as server:
        folder, pid = server.folder, server.process.pid
    assert not folder.exists()
    assert not os.path.exists(f"/proc/{pid}")


def test_a_server_that_cannot_start_says_why():
    with pytest.raises(RuntimeError, match="no.such.variable"):
        MariaDB(no_such_variable=1).__enter__()


def test_free_ports_are_above_the_reserved_ones():
    assert free_port() > 1023
