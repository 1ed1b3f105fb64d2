"""pyiceberg: an Iceberg table in a SQL catalog. Deletes rewrite files; so does upsert."""

import os

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import In

from peer import show_totals

NAME = "shop.orders"


def start(job):
    job.connect()


def catalog(job):
    os.makedirs(job.table, exist_ok=True)
    return SqlCatalog("lake", uri=f"sqlite:///{job.table}/catalog.db", warehouse=f"file://{job.table}")


def create(job, schema):
    lake = catalog(job)
    lake.create_namespace("shop")
    return lake.create_table(NAME, schema=schema, properties={"write.parquet.compression-codec": "snappy"})


def initial_csv(job):
    rows = job.connect().execute(job.full_load()).to_arrow_table()
    create(job, rows.schema).append(rows)


def initial_parquet(job):
    """The files become the table's as they are."""
    import pyarrow.parquet
    files = sorted(f"{job.raw}/{name}" for name in os.listdir(job.raw) if name.startswith("LOAD"))
    create(job, pyarrow.parquet.read_schema(files[0])).add_files([f"file://{file}" for file in files])


def changes(job):
    connection = job.connect()
    connection.execute(f"create table last as {job.last_changes()}")
    deleted = [key for key, in connection.execute("select id from last where Op = 'D'").fetchall()]
    table = catalog(job).load_table(NAME)
    with table.transaction() as transaction:
        transaction.upsert(connection.execute("select * from last where Op <> 'D'").to_arrow_table(), join_cols=["id"])
        if deleted:
            transaction.delete(In("id", deleted))


def scan(job):
    connection = job.connect()
    connection.register("t", catalog(job).load_table(NAME).scan().to_arrow_batch_reader())
    show_totals(connection, "t")
