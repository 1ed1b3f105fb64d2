"""Spark with Iceberg, as a judge of the tables that sluice wrote, and as another writer of them.

    with Spark() as spark:
        lake = spark.session(sluice.folder / "catalog.db")
        lake.sql("delete from lake.lake.item where id = 7")
        rows = spark.arrow(lake, "lake.item")

One JVM is enough for a whole run: a session is a catalog `lake` on one SQLite file, with nothing of the other sessions.
Processes have to be started in the thread that uses Spark: Python's fork ends the connections that other threads have to it.
"""

import glob
import os
import platform
import shutil
import sys
import tempfile

from .servers import DEPS

SPARK = DEPS / "spark"
JARS = [DEPS / "spark-iceberg", DEPS / "sqlite-jdbc"]
MEMORY = "1g"


def java_home():
    """Spark 3.5 runs on Java 17 and none that is newer."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"/usr/lib/jvm/java-17-openjdk-{machine}"


def unavailable():
    """Why there is no Spark here, or None."""
    missing = [p for p in (SPARK, *JARS, java_home()) if not os.path.exists(p)]
    return f"{missing[0]} is not installed: tools/deps.sh readers" if missing else None


class Spark:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-spark-")
        os.environ |= {"SPARK_HOME": str(SPARK / "deps"), "JAVA_HOME": java_home(), "SPARK_LOCAL_IP": "127.0.0.1",
                       "SPARK_LOCAL_DIRS": self.folder}
        sys.path[:0] = [str(SPARK), *glob.glob(str(SPARK / "lib" / "py4j-*.zip"))]
        from pyspark.sql import SparkSession

        options = {
            "spark.jars": ",".join(jar for folder in JARS for jar in glob.glob(str(folder / "*.jar"))),
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            "spark.driver.memory": MEMORY,
            # Anything else takes longer to set up than it saves for tables as small as a test's.
            "spark.sql.shuffle.partitions": 2, "spark.default.parallelism": 2,
            "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.warehouse.dir": self.folder,
            "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={self.folder}",
        }
        builder = SparkSession.builder.master("local[2]").appName("sluice")
        for name, value in options.items():
            builder = builder.config(name, value)
        self.root = builder.getOrCreate()
        self.root.sparkContext.setLogLevel("OFF")  # what goes wrong is an exception here

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.root.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def session(self, catalog_file, **options):
        """A session whose catalog `lake` is sluice's; options are further ones of that catalog."""
        session = self.root.newSession()
        catalog = {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:sqlite:{catalog_file}",
            "warehouse": f"file://{self.folder}",  # of new namespaces only: sluice's tables have their locations
            "jdbc.schema-version": "V1",
            # When it looks whether the tables exist, JdbcCatalog leaves a result open, and with it a transaction: the session
            # would never see another's commit, nor be able to commit after one.
            "jdbc.init-catalog-tables": "false",
            "cache-enabled": "false",  # else a table is as it was up to 30 s ago
            **options,
        }
        session.conf.set("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
        for name, value in catalog.items():
            session.conf.set(f"spark.sql.catalog.lake.{name}", value)
        return session

    @staticmethod
    def arrow(session, table, where="true"):
        """The rows of <database>.<table> as an Arrow table."""
        import pyarrow as pa

        frame = session.sql(f"select * from lake.{quoted(table)} where {where}")
        batches = frame._collect_as_arrow()
        return pa.Table.from_batches(batches) if batches else pa.table({name: pa.array([], pa.string()) for name in frame.columns})


def quoted(table):
    return ".".join("`" + part.replace("`", "``") + "`" for part in table.split(".", 1))
