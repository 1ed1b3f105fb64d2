"""delta-rs: a Delta table, merged by its MERGE."""

import json
import os

from deltalake import DeltaTable, QueryBuilder, WriterProperties, convert_to_deltalake, write_deltalake

from peer import TOTALS

WRITER = WriterProperties(compression="SNAPPY")
BATCH_ROWS = 122_880


def start(job):
    job.connect()


def initial_csv(job):
    write_deltalake(job.table, job.connect().execute(job.full_load()).to_arrow_reader(BATCH_ROWS), writer_properties=WRITER)


def initial_parquet(job):
    """The files become the table's as they are."""
    os.makedirs(job.table)
    for name in os.listdir(job.raw):
        if name.startswith("LOAD"):
            os.link(f"{job.raw}/{name}", f"{job.table}/{name}")
    convert_to_deltalake(job.table)


def changes(job):
    source = job.connect().execute(job.last_changes()).to_arrow_table()
    merge = DeltaTable(job.table).merge(source, "t.id = s.id", source_alias="s", target_alias="t", writer_properties=WRITER)
    deleted = 's."Op" = \'D\''
    (merge.when_matched_delete(deleted).when_matched_update_all().when_not_matched_insert_all(f"not {deleted}").execute())


def scan(job):
    batches = QueryBuilder().register("t", DeltaTable(job.table)).execute(f"select {TOTALS} from t")
    import pyarrow
    print(json.dumps(pyarrow.table(batches).to_pylist()[0]))
