"""The lake is what the source is: two writers change tables of all types while capture and load run; at the end every
lake table, partitioned or not, equals the source's SELECT, row by row.

SLUICE_REPLICATION_TRANSACTIONS sets how long the writers write (a soak takes 20,000), SLUICE_REPLICATION_SEED what.
"""

import os
import threading
from dataclasses import dataclass, field

import pytest

from tests.harness.servers import MariaDB, MySQL80, MySQL97
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

TRANSACTIONS = int(os.environ.get("SLUICE_REPLICATION_TRANSACTIONS", 250))
SEED = int(os.environ.get("SLUICE_REPLICATION_SEED", 7))


@dataclass
class Case:
    name: str
    server: type
    options: dict = field(default_factory=dict)  # of the server
    raw: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)  # other sections
    transactions: int = TRANSACTIONS
    one_process: bool = False  # `sluice run`, else capture and load on their own
    bulk: int = 1
    rows: int = 120
    marks: tuple = ()

    @property
    def names_may_be_late(self):
        """Without names in the log they come from information_schema: definitions change only when capture has caught up."""
        return self.options.get("binlog_row_metadata") == "MINIMAL"


MINIMAL_METADATA = {"binlog_row_metadata": "MINIMAL"}
MINIMAL_IMAGE = {"binlog_row_image": "MINIMAL"}
FEW = TRANSACTIONS // 2
ICEBERG = {"lake": {"format": "iceberg"}}

CASES = [
    Case("mariadb", MariaDB, one_process=True, bulk=2),
    Case("mysql80-iceberg", MySQL80, config=ICEBERG, one_process=True, bulk=2),
    Case("mariadb-minimal-metadata-iceberg", MariaDB, MINIMAL_METADATA, config=ICEBERG, transactions=FEW),
    Case("mysql80-minimal-metadata", MySQL80, MINIMAL_METADATA, transactions=FEW),
    Case("mariadb-minimal-image", MariaDB, MINIMAL_IMAGE, transactions=FEW),
    Case("mysql80-minimal-image-iceberg", MySQL80, MINIMAL_METADATA | MINIMAL_IMAGE, config=ICEBERG, transactions=FEW),
    Case("mariadb-compressed-events-gzip-files", MariaDB, {"log_bin_compress": "ON", "max_binlog_size": "4M"},
         {"compression_type": "gzip", "max_file_size": "64KB", "date_partition_enabled": True}, transactions=FEW),
    Case("mysql80-parquet-files", MySQL80, {"binlog_checksum": "NONE", "gtid_mode": "OFF", "enforce_gtid_consistency": "OFF"},
         {"data_format": "parquet", "include_op_for_full_load": True}, transactions=FEW),
    Case("mysql97", MySQL97, one_process=True, marks=(pytest.mark.mysql97,)),
    Case("mysql97-compressed-transactions", MySQL97, {"binlog_transaction_compression": "ON"} | MINIMAL_METADATA, marks=(pytest.mark.mysql97,)),
]


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name, marks=c.marks) for c in CASES])
def test_the_lake_equals_the_source(case):
    reason = case.server.unavailable()
    if reason:
        pytest.skip(reason)
    with case.server(**case.options) as server:
        workload = Workload(server, "shop", seed=SEED)
        workload.create(rows=case.rows)
        config = {"source": server.source_config("shop"), "raw": {"cdc_max_batch_interval": "300ms", **case.raw},
                  "tables": workload.lake_tables(), "memory_limit": "256MB", "schedule": {"load": "continuous"}, **case.config}
        with Sluice(**config) as sluice:
            replicate(workload, sluice, case)
            workload.assert_lake_is_source(sluice)
            assert_status(workload, sluice)


def replicate(workload, sluice, case):
    """Captures and loads while the writers write, then to the end."""
    loaded_in_full = threading.Event()
    process = sluice.start("run" if case.one_process else "capture")
    before_ddl = (lambda: workload.mark(sluice, process)) if case.names_may_be_late else (lambda: None)
    # The first transactions run into the full load.
    writers = [workload.start(case.transactions, bulk=case.bulk, loaded=loaded_in_full.is_set, before_ddl=before_ddl),
               workload.start(case.transactions // 2, seed=SEED + 1000, calm=True)]
    try:
        workload.mark(sluice, process)  # in the full load or behind it
        workload.mark(sluice, process)  # behind it
        loaded_in_full.set()
        while any(writer.is_alive() for writer in writers):
            if not case.one_process:
                sluice.run("load")
            writers[0].join(0.1)
    finally:
        for writer in writers:
            writer.stop()
    assert sluice.stop(process) == 0
    workload.settle()
    sluice.run("capture", "--until-current")
    sluice.run("load")


def assert_status(workload, sluice):
    status = sluice.status()
    assert status["capture"]["warnings"]["zero dates as NULL"] > 0, status["capture"]
    existing = {row[0] for row in workload.server.sql("show tables", workload.database)}
    stopped = {t["table"]: t["capture"]["stopped"] for t in status["tables"] if t.get("capture") and t["capture"].get("stopped")}
    assert not {name: why for name, why in stopped.items() if name in existing}
