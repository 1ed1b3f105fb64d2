"""What Spark writes into a table between two of our loads stays, and the next load goes on from there."""

import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.harness.dms_table import DmsTable
from tests.harness.sluice import wait_until

ROWS = 60
MERGE_ON_READ = ", ".join(f"'write.{verb}.mode' = 'merge-on-read'" for verb in ("delete", "update", "merge"))
V3 = {"lake": {"format_version": 3}}


class Table(DmsTable):
    """shop.t, which Spark writes too."""

    def __init__(self, spark, **options):
        self.own_folder = Path(tempfile.mkdtemp(prefix="sluice-test-"))
        super().__init__(self.own_folder, **options)
        self.spark = spark
        self.session = spark.session(self.own_folder / "catalog.db")
        self.full([(i, i % 3, f"row {i}") for i in range(ROWS)])
        self.load()

    def load(self, **more):
        return self.sluice.run("load", **more)

    def sql(self, text):
        """`t` is the table."""
        return self.session.sql(text.replace("{t}", "lake.lake.t")).collect()

    def call(self, procedure, *arguments):
        given = ", ".join(("table => 'lake.lake.t'", *arguments))
        return self.sql(f"call lake.system.{procedure}({given})")[0].asDict()

    def changes(self, n):
        """A load of changes that meets rows of every kind."""
        self.change(("U", 1, 1, f"ours {n}"), ("D", 2 + 3 * n, 0, ""), ("I", 1000 + n, n % 3, "new"), ("U", 30 + n, 2, "moved"),
                    *[("U", i, i % 3, f"ours {n}") for i in self.theirs()[:2]])
        self.load()

    def theirs(self):
        return [i for i, row in self.model.items() if row[2].startswith("spark")]

    def update(self, where, **values):
        """The model's side of an UPDATE."""
        for i, row in self.model.items():
            if where(*row):
                self.model[i] = tuple((dict(zip(("id", "grp", "name"), row)) | values).values())

    def properties(self):
        return self.table().properties

    def check(self):
        """By pyiceberg, by ourselves, and by Spark."""
        self.assert_rows()
        assert self.rows_by_spark() == self.expected()

    def rows_by_spark(self):
        return sorted(tuple(row) for row in self.sql("select id, grp, name from {t}"))


@pytest.fixture
def table(spark, request):
    table = Table(spark, **getattr(request, "param", {}))
    yield table
    shutil.rmtree(table.own_folder, ignore_errors=True)


@pytest.mark.readers
def test_insert_and_rewrite_survive(table):
    table.changes(0)
    table.sql("insert into {t} values ('I', 500, 1, 'spark 500'), ('I', 501, 2, 'spark 501'), ('I', 502, 0, 'spark 502')")
    table.model |= {500: (500, 1, "spark 500"), 501: (501, 2, "spark 501"), 502: (502, 0, "spark 502")}
    table.check()
    table.changes(1)
    table.check()
    done = table.call("rewrite_data_files", "options => map('rewrite-all', 'true')")
    assert done["rewritten_data_files_count"] > 3, done
    assert table.files_of()[0] == 1
    table.check()
    table.changes(2)
    table.check()


@pytest.mark.parametrize("table, mode", [
    pytest.param({}, "copy-on-write", marks=pytest.mark.readers),
    pytest.param({"partition": ["grp"]}, "merge-on-read", marks=pytest.mark.readers),
    pytest.param({"partition": ["grp"]}, "copy-on-write", marks=pytest.mark.all_readers),
    pytest.param({}, "merge-on-read", marks=pytest.mark.all_readers),
    pytest.param(V3, "merge-on-read", marks=pytest.mark.all_readers),
    pytest.param({**V3, "partition": ["grp"]}, "copy-on-write", marks=pytest.mark.all_readers),
], indirect=["table"], ids=["flat-copy-on-write", "partitioned-merge-on-read", "partitioned-copy-on-write", "flat-merge-on-read",
                            "v3-merge-on-read", "v3-partitioned-copy-on-write"])
def test_update_delete_and_merge_survive(table, mode):
    if mode == "merge-on-read":
        table.sql("alter table {t} set tblproperties(" + MERGE_ON_READ + ")")
    table.sql("update {t} set name = 'spark' where id between 10 and 13")
    table.update(lambda i, grp, name: 10 <= i <= 13, name="spark")
    table.sql("delete from {t} where id in (1, 20, 21)")
    for i in (1, 20, 21):
        del table.model[i]
    table.changes(0)
    table.check()
    table.sql("merge into {t} using (select * from values (12, 'a'), (30, 'b'), (40, 'c'), (700, 'd') as s(id, what)) s on {t}.id = s.id "
              "when matched and s.what = 'c' then delete when matched then update set grp = 2, name = 'spark merged' "
              "when not matched then insert (Op, id, grp, name) values ('I', s.id, 0, 'spark new')")
    table.update(lambda i, grp, name: i in (12, 30), grp=2, name="spark merged")
    table.model[700] = (700, 0, "spark new")
    del table.model[40]
    table.check()
    table.changes(1)
    table.changes(2)
    table.check()
    table.sluice.run("maintain")
    table.check()


@pytest.mark.all_readers
@pytest.mark.parametrize("table", [{}, V3], indirect=True, ids=["v2", "v3"])
def test_procedures_of_spark(table):
    table.sql("alter table {t} set tblproperties(" + MERGE_ON_READ + ")")
    for n in range(4):
        table.changes(n)
        table.sql(f"delete from {{t}} where id = {50 + n}")
        del table.model[50 + n]
    data, deletes = table.files_of()
    assert data == 5 and deletes > 1
    table.call("rewrite_manifests")
    table.check()
    table.changes(4)
    done = table.call("rewrite_position_delete_files", "options => map('rewrite-all', 'true')")
    is_v2 = table.table().metadata.format_version == 2  # deletion vectors are not rewritten: a file has one
    assert (done["rewritten_delete_files_count"] > 0) == (done["added_delete_files_count"] > 0) == is_v2, done
    table.check()
    table.changes(5)
    table.check()
    table.call("rewrite_data_files", "options => map('rewrite-all', 'true', 'remove-dangling-deletes', 'true')")
    done = table.call("expire_snapshots", "older_than => timestamp '2100-01-01 00:00:00'", "retain_last => 1")
    assert done["deleted_data_files_count"] > 0, done
    assert len(table.table().snapshots()) == 1
    assert "1 with nothing to do" in table.load().stdout, "the watermark outlives the snapshots"
    table.check()
    table.changes(6)
    table.check()
    table.sluice.run("maintain")
    table.check()


@pytest.mark.all_readers
def test_columns_by_spark(table):
    table.sql("alter table {t} add columns (note string, score double)")
    table.sql("update {t} set note = 'spark', score = 0.5 where id < 5")
    table.changes(0)
    table.check()
    kept = {r[0]: r[1] for r in table.sql("select id, note from {t} where note is not null")}
    assert kept.keys() == {0, 3, 4}, "1 was replaced by ours, 2 deleted"
    table.sql("alter table {t} alter column note first")
    table.sql("alter table {t} rename column note to remark")
    table.sql("alter table {t} drop column score")
    table.changes(1)
    table.check()
    assert {r[0]: r[1] for r in table.sql("select id, remark from {t} where remark is not null")} == kept


@pytest.mark.all_readers
def test_partitions_by_spark(table):
    """Rows stay in the partitions that Spark gave them; new ones go by the table's partition_key, as sluice.yaml has it."""
    table.changes(0)
    for n, spec in enumerate(("add partition field bucket(3, id)", "add partition field truncate(2, name)")):
        table.sql(f"alter table {{t}} {spec}")
        table.sql(f"insert into {{t}} select 'I', id, 1, concat('spark ', id) from range({500 + 10 * n}, {505 + 10 * n})")
        table.model |= {i: (i, 1, f"spark {i}") for i in range(500 + 10 * n, 505 + 10 * n)}
        table.check()
        table.changes(1 + n)
        table.check()
        assert not table.table().spec().fields and len(table.table().specs()) == 2 + n
    table.sluice.run("maintain")
    table.check()
    table.changes(3)
    table.check()


def equality_delete(table, ids):
    """Through Iceberg's own library: Spark has no statement for it."""
    field = table.table().schema().find_field("id").field_id
    path = table.sluice.lake / "t" / "data" / "equality-deletes.parquet"
    pq.write_table(pa.table({"id": ids}, pa.schema([pa.field("id", pa.int64(), metadata={"PARQUET:field_id": str(field)})])), path)
    iceberg, session = table.session._jvm.org.apache.iceberg, table.session._jsparkSession
    table.session._jvm.org.apache.spark.sql.SparkSession.setActiveSession(session)
    opened = iceberg.spark.Spark3Util.loadIcebergTable(session, "lake.lake.t")
    fields = table.session.sparkContext._gateway.new_array(table.session._jvm.int, 1)
    fields[0] = field
    deletes = (iceberg.FileMetadata.deleteFileBuilder(opened.spec()).ofEqualityDeletes(fields).withPath(f"file://{path}")
               .withFormat("parquet").withFileSizeInBytes(path.stat().st_size).withRecordCount(len(ids)).build())
    opened.newRowDelta().addDeletes(deletes).commit()


@pytest.mark.readers
def test_equality_deletes_stop_the_table(table):
    """Flink writes such. Nothing is loaded and nothing is shown until someone, Spark here, has applied them."""
    equality_delete(table, [7, 8])
    theirs = table.table().metadata_location
    for i in (7, 8):
        del table.model[i]
    table.change(("U", 1, 1, "ours"), ("I", 7, 1, "again"))
    for command in (["load"], ["query", "select * from shop.t"], ["maintain"]):
        done = table.sluice.run(*command, ok=None)
        assert "equality deletes" in done.stderr and (done.returncode > 0 or command == ["maintain"]), done
        assert table.table().metadata_location == theirs, "the table is as it was"
    table.call("rewrite_data_files", "options => map('rewrite-all', 'true')")
    # The file of deletes stays in the table for a while, and says nothing any more. pyiceberg refuses it all the same.
    table.load()
    assert table.rows_by_query() == table.rows_by_spark() == table.expected()
    table.sql("delete from {t} where id = 20")
    del table.model[20]
    table.changes(1)
    assert table.rows_by_query() == table.rows_by_spark() == table.expected()


MERGES = 6
SPAWN = multiprocessing.get_context("spawn")  # a fork would end our connection to Spark


def repeat(command, ended):
    parent = os.getppid()
    while not ended.is_set() and os.getppid() == parent:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)


class Merger:
    """Raises a counter in every third row of partition 1, and adds a row, again and again; tries again after a conflict."""

    ATTEMPTS = 30
    CONFLICTS = re.compile("ValidationException|CommitFailedException|SQLITE_BUSY|SQLITE_LOCKED")

    def __init__(self, table):
        self.done = self.conflicts = 0
        # A statement is planned and run on the same snapshot only with the catalog's cache.
        self.session = table.spark.session(table.own_folder / "catalog.db", **{"cache-enabled": "true"})

    def merge(self):
        n = self.done
        self.session.sql("refresh table lake.lake.t")
        self.session.sql("merge into lake.lake.t t using (select id from lake.lake.t where grp = 1 and id % 9 = 1 and id < 1000 "
                         f"union all select {5000 + n}) s on t.id = s.id and t.grp = 1 "
                         "when matched then update set name = cast(cast(t.name as int) + 1 as string) "
                         f"when not matched then insert (Op, id, grp, name) values ('I', s.id, 1, '{n}')")

    def run(self, times):
        for _ in range(times):
            for attempt in range(self.ATTEMPTS):
                try:
                    self.merge()
                    break
                except Exception as problem:  # noqa: BLE001 - what Spark throws has no class of its own here
                    if not self.CONFLICTS.search(str(problem)) or attempt == self.ATTEMPTS - 1:
                        raise
                    self.conflicts += 1
                    time.sleep(0.05 * 2 ** min(attempt, 5))  # the backoff of a user
            self.done += 1


@pytest.mark.all_readers
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["copy-on-write", "merge-on-read"])
@pytest.mark.parametrize("table", [{"partition": ["grp"]}], indirect=True, ids=[""])
def test_loads_maintenance_and_a_merge_at_once(table, mode):
    """Nothing is lost and nothing is there twice: the rows are what all of them did, each commit once."""
    table.full([(i, i % 3, str(i)) for i in range(300)])  # in place of the fixture's
    table.load()
    isolation = ", ".join(f"'write.{verb}.isolation-level' = 'snapshot'" for verb in ("delete", "update", "merge"))
    table.sql("alter table {t} set tblproperties(" + isolation + (", " + MERGE_ON_READ if mode == "merge-on-read" else "") + ")")
    merger, ended = Merger(table), SPAWN.Event()
    processes = [SPAWN.Process(target=repeat, args=(table.sluice.command(verb), ended)) for verb in ("load", "maintain")]

    def write():
        """A file of changes when the one before is loaded."""
        while not ended.is_set():
            n = table.files
            ours = [("U", n % 100 * 3, 0, f"{n}"), ("I", 10000 + 3 * n, 0, "new"), ("D", 20000 + n, 2, "")]
            if n % 12 == 0:  # rows of partition 1, others than Spark's, in the same files
                ours += [("I", 10001 + 3 * n, 1, "1"), ("D", 9 * (n % 30) + 4, 1, ""), ("U", 9 * (n % 30) + 7, 1, f"{n}")]
            table.change(*ours)
            loaded = f"-{table.files:09}.csv"
            wait_until(lambda: ended.is_set() or table.properties()["sluice.last-incremental-file"].endswith(loaded), f"{loaded} is loaded")

    for process in processes:
        process.start()
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        try:
            merger.run(MERGES)
        finally:
            ended.set()
            for process in processes:
                process.join()
        writing.result()
    assert [p.exitcode for p in processes] == [0, 0]
    table.load()
    for i, (_, grp, name) in list(table.model.items()):
        if grp == 1 and i % 9 == 1 and i < 1000:
            table.model[i] = (i, 1, str(int(name) + merger.done))
    table.model |= {5000 + n: (5000 + n, 1, str(n)) for n in range(merger.done)}
    table.check()
    commits = [s.summary.additional_properties | {"operation": s.summary.operation.value} for s in table.table().snapshots()]
    by_spark = [c for c in commits if c.get("engine-name") == "spark"]
    loads = [c["sluice.run-id"] for c in commits if "sluice.run-id" in c and c["operation"] != "replace"]
    maintained = [c for c in commits if c["operation"] == "replace"]
    print(f"{len(by_spark)} commits of Spark after {merger.conflicts} conflicts, {len(loads)} loads of {table.files} files, {len(maintained)} of maintenance")
    assert len(by_spark) == merger.done and len(loads) == len(set(loads)) and len(loads) > 8 and maintained
