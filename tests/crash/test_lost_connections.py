"""The source goes away and comes back: capture waits, goes on where it was, and loses nothing."""

import random

import pytest

from tests.harness.servers import USER, MariaDB, MySQL80
from tests.harness.sluice import Sluice, wait_until
from tests.harness.workload import Workload


TABLES = {"ints", "texts", "composite", "events", "orders", "tickets", "emptied", "marker", "bulk"}


@pytest.fixture(params=[MariaDB, MySQL80])
def server(request):
    if request.param.unavailable():
        pytest.skip(request.param.unavailable())
    with request.param() as started:
        yield started


def connections(server, command="%"):
    return [row[0] for row in server.sql(f"select id from information_schema.processlist where user = '{USER}' and command like '{command}'")]


def cut(server, command="%"):
    for connection in connections(server, command):
        try:
            server.sql(f"kill {connection}")
        except Exception:  # noqa: BLE001 - it ended by itself meanwhile
            pass


def purge(server):
    """Removes all logs but the newest, unless somebody still reads one."""
    server.sql(f"purge binary logs to '{server.sql('show binary logs')[-1][0]}'")
    return len(server.sql("show binary logs")) == 1


def sluice_for(server, workload):
    return Sluice(source=server.source_config("shop", heartbeat_interval="500ms"), raw={"cdc_max_batch_interval": "100ms"},
                  tables=workload.lake_tables(), memory_limit="256MB")


def finish(workload, sluice):
    workload.settle()
    sluice.run("capture", "--until-current")
    sluice.run("load")
    workload.assert_lake_is_source(sluice, readers=("files",))


def test_the_connection_is_cut_in_the_middle_of_transactions(server):
    workload = Workload(server, "shop", seed=3, only=TABLES)
    workload.create(rows=50)
    with sluice_for(server, workload) as sluice:
        process = sluice.start("capture")
        workload.mark(sluice, process)
        rng = random.Random(3)
        for round_number in range(4):
            writer = workload.start(40, seed=round_number, bulk=1, bulk_rows=20_000)
            while writer.is_alive():
                writer.join(rng.uniform(0.05, 0.3))
                cut(server, "Binlog Dump%")
            writer.join()
        workload.mark(sluice, process)  # the same process has caught up again
        assert sluice.stop(process) == 0
        finish(workload, sluice)


def test_the_connections_of_the_full_load_are_cut(server):
    workload = Workload(server, "shop", seed=4, only=TABLES)
    workload.create(rows=100)
    with sluice_for(server, workload) as sluice:
        process = sluice.start("capture")
        for _ in range(3):
            wait_until(lambda: connections(server), "capture is connected", process=process)
            cut(server)
        workload.mark(sluice, process)
        assert sluice.stop(process) == 0
        finish(workload, sluice)


def test_the_server_stops_and_comes_back(server):
    workload = Workload(server, "shop", seed=5, only=TABLES)
    workload.create(rows=50)
    with sluice_for(server, workload) as sluice:
        process = sluice.start("capture")
        workload.mark(sluice, process)
        for end in (server.stop, server.kill):
            workload.start(40, seed=9).join()
            end()
            server.start()
            workload.start(20, seed=10).join()
        workload.mark(sluice, process)
        assert sluice.stop(process) == 0
        finish(workload, sluice)


def test_the_server_is_away_when_capture_starts(server):
    workload = Workload(server, "shop", seed=6, only=TABLES)
    workload.create(rows=20)
    with sluice_for(server, workload) as sluice:
        server.stop()
        process = sluice.start("capture")
        wait_until(lambda: sluice.log_of(["capture"]).read_text().strip(), "capture says that it waits", process=process)
        server.start()
        workload.mark(sluice, process)
        assert sluice.stop(process) == 0
        finish(workload, sluice)


def test_logs_are_rotated_and_purged_behind_capture(server):
    workload = Workload(server, "shop", seed=7, only=TABLES)
    workload.create(rows=20)
    with sluice_for(server, workload) as sluice:
        process = sluice.start("capture")
        for round_number in range(3):
            workload.start(20, seed=round_number).join()
            server.sql("flush binary logs")
            workload.mark(sluice, process)
            wait_until(lambda: purge(server), "capture has gone on to the newest log")
        assert sluice.stop(process) == 0
        finish(workload, sluice)


def test_a_purged_log_is_said(server):
    workload = Workload(server, "shop", seed=8, only=TABLES)
    workload.create(rows=20)
    with sluice_for(server, workload) as sluice:
        sluice.run("capture", "--until-current")
        workload.start(10).join()
        server.sql("flush binary logs; flush binary logs")
        wait_until(lambda: purge(server), "the server lets go of the logs that capture read")
        done = sluice.run("capture", "--until-current", ok=(4,))
        assert "purged" in done.stderr
