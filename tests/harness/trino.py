"""Trino, as a judge of the tables that sluice wrote: one server for a whole run, a catalog of it for each of sluice's.

    with Trino() as trino:
        catalog = trino.catalog(sluice.folder / "catalog.db", sluice.lake)
        rows = trino.arrow(catalog, "lake.item")

Trino has no driver for SQLite; its JDBC catalog takes the class of any driver whose jar lies beside the plugin's. Locations
that begin with file:// are read by its Hadoop file system only. It looks for tables by their names in small letters; `register`
gives one with other letters a name that it finds.
"""

import base64
import glob
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .servers import DEPS, START_TIMEOUT_S, die_with_parent, free_port

TRINO = DEPS / "trino"
DRIVER = DEPS / "sqlite-jdbc"
OLDEST_JAVA = 24
MEMORY = "1G"


def java_home():
    """The newest Java that is new enough, or None."""
    found = {}
    for release in glob.glob("/usr/lib/jvm/*/release"):
        version = re.search(r'^JAVA_VERSION="(\d+)', Path(release).read_text(), re.M)
        if version and int(version[1]) >= OLDEST_JAVA:
            found[int(version[1])] = Path(release).parent
    return found[max(found)] if found else None


def unavailable():
    """Why there is no Trino here, or None."""
    missing = [p for p in (TRINO, DRIVER) if not p.exists()]
    if missing:
        return f"{missing[0]} is not installed: tools/deps.sh trino"
    return None if java_home() else f"Trino needs Java {OLDEST_JAVA} or newer, and /usr/lib/jvm has none"


class TrinoError(RuntimeError):
    pass


class Trino:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-trino-"))
        self.port = free_port()
        self.process = None
        self.catalogs = 0
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def start(self):
        # Plugins of its own: Trino's reader of Iceberg with the driver beside it.
        plugin = self.folder / "plugin" / "iceberg"
        plugin.mkdir(parents=True)
        for file in [*(TRINO / "plugin" / "iceberg").iterdir(), *DRIVER.glob("*.jar")]:
            (plugin / file.name).symlink_to(file)
        (self.folder / "config.properties").write_text("\n".join([
            "coordinator=true", "node-scheduler.include-coordinator=true", f"http-server.http.port={self.port}",
            f"discovery.uri=http://127.0.0.1:{self.port}", "catalog.management=dynamic", "catalog.store=memory",
            f"plugin.dir={self.folder}/plugin", "query.max-memory=512MB", "query.max-memory-per-node=512MB",
        ]) + "\n")
        command = [
            str(java_home() / "bin" / "java"), f"-Xmx{MEMORY}", "-cp", f"{TRINO}/lib/*", "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED", "-Djdk.attach.allowAttachSelf=true", "-Duser.timezone=UTC",
            f"-Djava.io.tmpdir={self.folder}", "-Dnode.environment=test", f"-Dnode.data-dir={self.folder}/data",
            "-Dnode.bind-ip=127.0.0.1", "-Dnode.internal-address=127.0.0.1", f"-Dconfig={self.folder}/config.properties",
            "io.trino.server.TrinoServer",
        ]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TrinoError(f"Trino did not start:\n{self.log_tail()}")
            time.sleep(0.2)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/info", timeout=5) as answer:
                if json.load(answer)["starting"]:
                    return False
            self.sql("select 1")  # "no nodes available" until the server has announced itself
            return True
        except (urllib.error.URLError, OSError, TrinoError):
            return False

    @property
    def log(self):
        return self.folder / "server.log"

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text):
        """Columns as [(name, type)], and rows as Trino's JSON has them."""
        answer = self.request(f"http://127.0.0.1:{self.port}/v1/statement", text.encode())
        columns, rows = [], []
        while True:
            if "error" in answer:
                raise TrinoError(f"{answer['error']['message']} in {text[:500]}")
            columns = [(c["name"], c["type"]) for c in answer.get("columns", [])] or columns
            rows += answer.get("data", [])
            if "nextUri" not in answer:
                return columns, rows
            answer = self.request(answer["nextUri"])

    @staticmethod
    def request(url, data=None):
        # Without that capability fractions of a second are rounded to three digits.
        headers = {"X-Trino-User": "test", "X-Trino-Time-Zone": "UTC", "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=120) as answer:
            return json.load(answer)

    def catalog(self, catalog_file, lake):
        """The name of a new catalog of Trino over sluice's."""
        self.catalogs += 1
        name = f"lake_{self.catalogs}"
        options = {
            "iceberg.catalog.type": "jdbc",
            "iceberg.jdbc-catalog.driver-class": "org.sqlite.JDBC",
            "iceberg.jdbc-catalog.connection-url": f"jdbc:sqlite:{catalog_file}",
            "iceberg.jdbc-catalog.catalog-name": "lake",
            "iceberg.jdbc-catalog.default-warehouse-dir": f"file://{lake}",
            "iceberg.jdbc-catalog.schema-version": "V1",
            "fs.hadoop.enabled": "true",
            "iceberg.register-table-procedure.enabled": "true",
        }
        self.sql(f"create catalog {name} using iceberg with ({', '.join(f'{quoted(k)} = {text(v)}' for k, v in options.items())})")
        return name

    def register(self, catalog, database, table, metadata_location):
        """Puts a table's current metadata under the table's name in small letters into the catalog."""
        folder, _, file = metadata_location.rpartition("/metadata/")
        self.sql(f"call {catalog}.system.register_table({', '.join(map(text, (database, table.lower(), folder, file)))})")

    def arrow(self, catalog, table):
        """The rows of <database>.<table> as an Arrow table."""
        import duckdb
        import pyarrow as pa

        columns, rows = self.sql(f"select * from {catalog}.{'.'.join(map(quoted, table.split('.', 1)))}")
        names = [name for name, _ in columns]
        arrays = [pa.array([_cell(row[i], kind) for row in rows], pa.binary() if kind == "varbinary" else pa.string())
                  for i, (_, kind) in enumerate(columns)]
        with duckdb.connect() as connection:
            cells = connection.from_arrow(pa.Table.from_arrays(arrays, names))
            typed = ", ".join(f"cast({quoted(n)} as {_duckdb_type(kind)}) as {quoted(n)}" for n, kind in columns)
            return cells.select(typed).to_arrow_table()


def _cell(value, kind):
    """Text of a value in Trino's JSON, as DuckDB casts it; bytes of a varbinary."""
    if value is None:
        return None
    if kind == "varbinary":
        return base64.b64decode(value)
    return str(value).removesuffix(" UTC")


def _duckdb_type(kind):
    """The types of Iceberg's columns in Trino's words."""
    if kind.endswith("with time zone"):
        return "timestamp"  # of UTC, as the session's zone
    return {"varbinary": "blob", "real": "float"}.get(kind, re.sub(r"^(time|timestamp)\(6\)$", r"\1", kind))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"
