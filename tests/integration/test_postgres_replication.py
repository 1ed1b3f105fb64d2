"""The lake is what PostgreSQL is: two writers change tables of all types while capture and load run; at the end every lake
table equals the source's SELECT, row by row.

SLUICE_REPLICATION_TRANSACTIONS sets how long the writers write, SLUICE_REPLICATION_SEED what.
"""

import json
import os
import threading
from dataclasses import dataclass, field

import pytest

from tests.harness.postgres_workload import PostgresWorkload
from tests.harness.servers import PostgreSQL15, PostgreSQL18
from tests.harness.sluice import Sluice

TRANSACTIONS = int(os.environ.get("SLUICE_REPLICATION_TRANSACTIONS", 200))
SEED = int(os.environ.get("SLUICE_REPLICATION_SEED", 11))
PUBLICATION = "sluice_test"


@dataclass
class Case:
    name: str
    server: type
    options: dict = field(default_factory=dict)  # of the server
    raw: dict = field(default_factory=dict)
    transactions: int = TRANSACTIONS
    one_process: bool = False  # `sluice run`, else capture and load on their own
    bulk: int = 1


CASES = [
    Case("15", PostgreSQL15, one_process=True),
    Case("18", PostgreSQL18, {"wal_sender_timeout": "2s"}, {"max_file_size": "64KB"}),
]


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_the_lake_equals_the_source(case):
    reason = case.server.unavailable()
    if reason:
        pytest.skip(reason)
    with case.server(**case.options) as server:
        workload = PostgresWorkload(server, seed=SEED)
        workload.create(PUBLICATION)
        config = {"source": server.source_config("shop"), "raw": {"cdc_max_batch_interval": "300ms", **case.raw},
                  "tables": workload.lake_tables(), "memory_limit": "256MB", "schedule": {"load": "continuous"}}
        with Sluice(**config) as sluice:
            replicate(workload, sluice, case)
            workload.assert_lake_is_source(sluice)
            assert_status(sluice)
            assert_confirmed(workload, sluice)


def replicate(workload, sluice, case):
    """Captures and loads while the writers write, then to the end."""
    process = sluice.start("run" if case.one_process else "capture")
    early = workload.start(case.transactions // 4, seed=SEED + 500)  # into the full load
    writers = [early]
    try:
        workload.mark(sluice, process)  # in the full load or behind it
        workload.mark(sluice, process)  # behind it
        early.join()
        writers = [workload.start(case.transactions, bulk=case.bulk), workload.start(case.transactions // 2, seed=SEED + 1000, calm=True)]
        while any(writer.is_alive() for writer in writers):
            if not case.one_process:
                sluice.run("load")
            writers[0].join(0.1)
    finally:
        for writer in writers:
            writer.stop()
    workload.mark(sluice, process)
    assert sluice.stop(process) == 0
    workload.settle()
    sluice.run("capture", "--until-current")
    sluice.run("load")


def assert_status(sluice):
    status = sluice.status()
    assert status["capture"]["warnings"]["infinity and NaN as NULL"] > 0, status["capture"]
    stopped = {t["table"]: t["capture"]["stopped"] for t in status["tables"] if t.get("capture") and t["capture"].get("stopped")}
    assert not stopped


def assert_confirmed(workload, sluice):
    """The server keeps nothing of its log that is in the raw zone."""
    position = json.loads(sluice.status()["capture"]["position"])["lsn"]
    (confirmed,), = workload.server.sql("select confirmed_flush_lsn::text from pg_replication_slots")
    assert confirmed == position
