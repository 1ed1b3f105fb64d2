"""Iceberg tables as Spark and Trino read them: every table of the replication tests, row by row equal to the source's SELECT.

The conformance cases are read by both too: tests/conformance/run.py --reader spark, --reader trino.
"""

import pytest

from tests.harness.compare import arrow_rows
from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

SEED = 11
ROUNDS, TRANSACTIONS, ROWS = 3, 60, 60


@pytest.fixture(scope="module", params=[
    pytest.param((MariaDB, {}), id="mariadb", marks=pytest.mark.readers),
    pytest.param((MySQL80, {}), id="mysql80", marks=pytest.mark.all_readers),
    pytest.param((MariaDB, {"format_version": 3}), id="mariadb-v3", marks=pytest.mark.all_readers),
])
def replicated(request):
    """A workload, replicated to its end in some loads."""
    server_type, lake = request.param
    if server_type.unavailable():
        pytest.skip(server_type.unavailable())
    with server_type() as server:
        workload = Workload(server, "shop", seed=SEED)
        workload.create(rows=ROWS)
        config = {"source": server.source_config("shop"), "tables": workload.lake_tables(), "memory_limit": "256MB",
                  "lake": {"format": "iceberg", **lake}}
        with Sluice(**config) as sluice:
            def replicate():
                sluice.run("capture", "--until-current")
                sluice.run("load")

            replicate()
            for n in range(ROUNDS):
                workload.start(TRANSACTIONS, seed=SEED + n, loaded=lambda: True).join()
                replicate()
            workload.settle()
            replicate()
            yield workload, sluice


def test_spark_reads_what_the_source_has(replicated, spark):
    workload, sluice = replicated
    session = spark.session(sluice.folder / "catalog.db")

    def by_spark(sluice, table, columns):
        return arrow_rows(spark.arrow(session, f"lake.{table}"), columns)

    workload.assert_lake_is_source(sluice, readers=("query", "files", by_spark))


@pytest.mark.readers
def test_spark_reads_columns_that_were_widened(spark):
    """Files of before and of after, read as one table, in the batches that Spark reads by itself."""
    with MariaDB() as server:
        server.sql("create database shop; use shop; create table t (id int primary key, tiny tinyint, i int, f float, p decimal(8,2), q decimal(12,2)); "
                   "insert into t select seq, seq % 100, seq, seq / 2, seq / 4, seq / 4 from seq_1_to_5000")
        tables = [{"name": "shop.t", "active": True}]
        with Sluice(source=server.source_config("shop"), tables=tables, lake={"format": "iceberg"}) as sluice:
            def replicate():
                sluice.run("capture", "--until-current")
                sluice.run("load")

            replicate()
            properties = sluice.iceberg_table("t").properties
            assert "read.parquet.vectorization.enabled" not in properties
            server.sql("alter table shop.t modify tiny int, modify i bigint, modify f double, modify p decimal(18,2), modify q decimal(30,2)")
            server.sql("insert into shop.t values (6000, 70000, 9000000000, 1e300, 1234567890123456.25, 1234567890123456789012345678.25)")
            replicate()
            session = spark.session(sluice.folder / "catalog.db")
            at_source = sorted(tuple(row) for row in server.sql("select id, tiny, i, f, p, q from shop.t"))
            assert sorted(tuple(row) for row in session.sql("select id, tiny, i, f, p, q from lake.lake.t").collect()) == at_source


@pytest.mark.all_readers
def test_trino_reads_what_the_source_has(replicated, trino):
    workload, sluice = replicated
    if sluice.config["lake"].get("format_version") == 3:
        pytest.skip("Trino 476 reads no deletion vectors")
    catalog = trino.catalog(sluice.folder / "catalog.db", sluice.lake)

    def by_trino(sluice, table, columns):
        if table != table.lower():
            trino.register(catalog, "lake", table, sluice.iceberg_table(table).metadata_location)
        return arrow_rows(trino.arrow(catalog, f"lake.{table}"), columns)

    workload.assert_lake_is_source(sluice, readers=(by_trino,))
