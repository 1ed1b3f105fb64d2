"""Private source servers for tests: each on a free port of 127.0.0.1, with its own data folder, gone when the test ends.

    with MariaDB(binlog_row_image="MINIMAL") as server:
        server.sql("create database shop; create table shop.orders (id int primary key)")
        config = {"source": server.source_config("shop"), ...}

`root` has no password; `sluice` / `secret` has the grants that sluice's documentation asks for, and no more.
"""

import atexit
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pymysql
from pymysql.constants import CLIENT

ROOT = Path(__file__).resolve().parents[2]
DEPS = ROOT / ".deps"
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60

USER, PASSWORD = "sluice", "secret"
GRANTS = "SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT"


class ServerError(RuntimeError):
    pass


def die_with_parent():
    """Runs in the child before exec: when the test run is killed, however hard, the kernel kills the server too."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def server_user():
    """Whom servers run as that refuse to be root; None: as whoever runs the tests."""
    return None if os.getuid() else "nobody"


def os_user():
    return pwd.getpwuid(os.getuid()).pw_name


class Server:
    """One server process. Subclasses say how it is initialized and which options make its binlog complete."""

    engine = "mysql"  # as sluice.yaml names it
    binary = None
    options = {}  # the defaults; keyword arguments override them, None removes one

    _templates = {}  # class -> a data folder that is only ever copied
    _template_root = None

    def __init__(self, **options):
        self.variables = {**self.common_options(), **self.options, **options}
        self.process = None
        self.folder = None
        self.port = None

    # --- for subclasses ---

    def command(self):
        return [str(self.binary), "--no-defaults", f"--user={os_user()}"]

    @classmethod
    def initialize(cls, datadir, folder):
        raise NotImplementedError

    @classmethod
    def unavailable(cls):
        """Why this server cannot run here, or None."""
        return None if cls.binary and Path(cls.binary).exists() else f"{cls.binary} is not installed"

    @staticmethod
    def common_options():
        return {
            "bind_address": "127.0.0.1",
            "log_bin": "bin",
            "binlog_format": "ROW",
            "binlog_row_image": "FULL",
            "binlog_row_metadata": "FULL",
            # Tests kill servers, never the operating system: what the kernel has is safe, so nobody waits for a disk.
            "sync_binlog": "0",
            "innodb_flush_log_at_trx_commit": "2",
            "innodb_buffer_pool_size": "64M",
            "performance_schema": "OFF",
            "max_allowed_packet": "256M",
        }

    # --- life ---

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None and self.folder and self.log.exists():
            print(f"--- end of the log of {type(self).__name__} ---\n{self.log_tail()}")
        self.kill()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    @property
    def datadir(self):
        return self.folder / "data"

    @property
    def socket(self):
        return self.folder / "s"

    @property
    def log(self):
        return self.folder / "log"

    def log_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def start(self):
        """Starts, the first time with a fresh data folder, later with what is there. Returns when it takes connections."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="sluice-server-"))
            # Sparse: the redo log is mostly a hole.
            subprocess.run(["cp", "-a", "--sparse=always", str(self.template()), str(self.datadir)], check=True)
        fixed_port = self.port is not None  # a restarted server is where its clients look for it
        for attempt in range(3):
            if not fixed_port:
                self.port = free_port()
            self._spawn()
            try:
                self._wait_until_ready()
                return
            except ServerError:
                # Between free_port() and the server's own bind somebody else may have taken the port.
                if fixed_port or attempt == 2 or "in use" not in self.log_tail():
                    raise
        raise AssertionError("not reached")

    def _spawn(self):
        init_file = self.folder / "init.sql"
        init_file.write_text(
            "SET sql_log_bin = 0;\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT {GRANTS} ON *.* TO '{USER}'@'%';\n"
        )
        tmpdir = self.folder / "tmp"
        tmpdir.mkdir(exist_ok=True)
        own = {"datadir": self.datadir, "socket": self.socket, "port": self.port, "init_file": init_file, "tmpdir": tmpdir,
               "pid_file": self.folder / "pid"}
        variables = {k.replace("-", "_"): v for k, v in {**self.variables, **own}.items() if v is not None}
        arguments = [f"--{k.replace('_', '-')}={v}" for k, v in variables.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.command(), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, preexec_fn=die_with_parent,
            )

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"{type(self).__name__} exited with {self.process.returncode}:\n{self.log_tail()}")
            try:
                self.connect().close()
                return
            except pymysql.err.OperationalError:
                time.sleep(0.05)  # not a guess of how long it takes: the next try decides
        self.kill()
        raise ServerError(f"{type(self).__name__} took no connection for {START_TIMEOUT_S} s:\n{self.log_tail()}")

    def _end(self, signal_number):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def stop(self):
        """An orderly shutdown; the data folder stays until the context ends."""
        self._end(signal.SIGTERM)

    def kill(self):
        """As a crash: SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self, **options):
        """Stops (if it still runs) and starts again on the same port and data, with some options changed."""
        self.stop()
        self.variables.update(options)
        self.start()

    # --- data folders are initialized once and copied, which is ten times faster ---

    @classmethod
    def template(cls):
        if cls not in Server._templates:
            reason = cls.unavailable()
            if reason:
                raise ServerError(reason)
            if Server._template_root is None:
                Server._template_root = Path(tempfile.mkdtemp(prefix="sluice-templates-"))
                atexit.register(shutil.rmtree, Server._template_root, ignore_errors=True)
            datadir = Server._template_root / cls.__name__
            cls.initialize(datadir, Server._template_root)
            # Holds the server's UUID: with a copy of it, two servers would be one to a replica.
            (datadir / "auto.cnf").unlink(missing_ok=True)
            Server._templates[cls] = datadir
        return Server._templates[cls]

    @classmethod
    def run_initializer(cls, command, log):
        with open(log, "wb") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise ServerError(f"initializing {cls.__name__} failed:\n{log.read_text(errors='replace')[-3000:]}")

    # --- statements ---

    def connect(self, db=None, **arguments):
        """A connection as root over the socket, autocommit, UTC. Takes what pymysql.connect takes."""
        arguments = {
            "unix_socket": str(self.socket), "user": "root", "database": db, "charset": "utf8mb4", "autocommit": True,
            "init_command": "SET time_zone = '+00:00'", "client_flag": CLIENT.MULTI_STATEMENTS,
            "max_allowed_packet": 256 << 20, **arguments,
        }
        return pymysql.connect(**arguments)

    def sql(self, text, db=None):
        """Runs statements separated by `;`, and returns the rows of the last one."""
        with self.connect(db) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            rows = cursor.fetchall()
            while cursor.nextset():
                rows = cursor.fetchall()
            return rows

    def source_config(self, database, **more):
        """The `source:` section of a sluice.yaml for this server."""
        return {"engine": self.engine, "host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD,
                "database": database, "schema_filter": "%", "table_filter": "%", **more}


class MariaDB(Server):
    """The MariaDB of Debian."""

    engine = "mariadb"
    binary = "/usr/sbin/mariadbd"
    options = {"server_id": 1, "innodb_log_file_size": "8M"}

    @classmethod
    def initialize(cls, datadir, folder):
        cls.run_initializer(
            ["mariadb-install-db", "--no-defaults", f"--user={os_user()}", f"--datadir={datadir}",
             f"--tmpdir={folder}", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"],
            folder / "mariadb.log",
        )


class MySQL80(Server):
    """MySQL 8.0.15, with GTIDs."""

    home = DEPS / "mysql-8.0"
    binary = home / "bin" / "mysqld"
    share = home / "share"
    options = {
        "server_id": 8, "gtid_mode": "ON", "enforce_gtid_consistency": "ON", "mysqlx": "OFF", "innodb_log_file_size": "8M",
    }

    @classmethod
    def program(cls):
        return [str(cls.binary)]

    @classmethod
    def basics(cls):
        return [*cls.program(), "--no-defaults", f"--user={os_user()}", f"--basedir={cls.home}",
                f"--lc-messages-dir={cls.share}", f"--character-sets-dir={cls.share / 'charsets'}", "--secure-file-priv="]

    def command(self):
        return self.basics()

    @classmethod
    def initialize(cls, datadir, folder):
        # Without the option, an 8.0 of 2019 makes two redo logs of 48 MB.
        size = [f"--innodb-log-file-size={cls.options['innodb_log_file_size']}"] if "innodb_log_file_size" in cls.options else []
        cls.run_initializer([*cls.basics(), f"--datadir={datadir}", "--initialize-insecure", *size],
                            folder / f"{cls.__name__}.log")


class MySQL97(MySQL80):
    """The MySQL of Debian's next release (tools/deps.sh mysql97): runs with the C library that it was built for."""

    home = DEPS / "mysql-9.7"
    binary = home / "usr" / "sbin" / "mysqld"
    share = home / "usr" / "share" / "mysql"
    # In 9.x a table without a declared key gets no hidden one, and binlog_format is deprecated but there.
    options = {"server_id": 9, "gtid_mode": "ON", "enforce_gtid_consistency": "ON", "mysqlx": "OFF",
               "innodb_redo_log_capacity": "16M"}

    @classmethod
    def program(cls):
        libraries = [p for p in (cls.home / "usr" / "lib").glob("*-linux-gnu")] + [cls.home / "usr" / "lib" / "mysql" / "private"]
        loader = next(cls.home.glob("usr/lib*/ld-linux-*.so.*"), None) or next(cls.home.glob("usr/lib/*/ld-linux-*.so.*"))
        return [str(loader), "--library-path", ":".join(map(str, libraries)), str(cls.binary)]


class PostgreSQL(Server):
    """A PostgreSQL: another server, the same life. `postgres` comes in over the socket, `sluice` over TCP with its password."""

    engine = "postgres"
    home = None
    options = {
        "wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20", "max_prepared_transactions": "20",
        "listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "max_connections": "60", "wal_keep_size": "0",
        # Tests kill servers, never the operating system: what the kernel has is safe.
        "fsync": "off", "log_timezone": "UTC",
    }

    @staticmethod
    def common_options():
        return {}

    @classmethod
    def unavailable(cls):
        return None if (cls.home / "bin" / "postgres").exists() else f"{cls.home} has no PostgreSQL"

    @classmethod
    def initialize(cls, datadir, folder):
        """initdb refuses root: the template belongs to the user that the server runs as."""
        user = server_user()
        datadir.mkdir()
        if user:
            os.chmod(folder, 0o755)
            shutil.chown(datadir, user)
        with open(folder / f"{cls.__name__}.log", "wb") as out:
            done = subprocess.run(
                [cls.home / "bin" / "initdb", "-D", datadir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                 "--no-sync", "--wal-segsize=1", "--no-instructions"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=datadir, user=user, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise ServerError(f"initdb failed:\n{(folder / f'{cls.__name__}.log').read_text(errors='replace')[-3000:]}")
        (datadir / "pg_hba.conf").write_text(
            "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            "host replication all 127.0.0.1/32 scram-sha-256\n")

    def _spawn(self):
        user = server_user()
        if user:
            shutil.chown(self.folder, user)
        settings = {**self.variables, "port": self.port, "unix_socket_directories": self.folder}
        arguments = [f"-c{name}={value}" for name, value in settings.items() if value is not None]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.home / "bin" / "postgres", "-D", self.datadir, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.datadir, user=user, preexec_fn=die_with_parent)

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"{type(self).__name__} exited with {self.process.returncode}:\n{self.log_tail()}")
            try:
                self.connect().close()
                self._make_user()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)  # not a guess of how long it takes: the next try decides
        self.kill()
        raise ServerError(f"{type(self).__name__} took no connection for {START_TIMEOUT_S} s:\n{self.log_tail()}")

    def _make_user(self):
        if self.sql("select pg_is_in_recovery()")[0][0] or self.sql(f"select 1 from pg_roles where rolname = '{USER}'"):
            return
        self.sql(f"create role {USER} login replication password '{PASSWORD}'; grant pg_read_all_data to {USER}")

    def stop(self):
        """A fast shutdown, which waits for no client."""
        self._end(signal.SIGINT)

    def kill(self):
        """As a crash: SIGQUIT, upon which no buffer is written. (SIGKILL would leave the children behind.)"""
        self._end(signal.SIGQUIT)

    def connect(self, db=None, **arguments):
        """A connection as postgres over the socket, autocommit, UTC. Takes what psycopg.connect takes."""
        arguments = {"host": str(self.folder), "port": self.port, "user": "postgres", "dbname": db or "postgres",
                     "autocommit": True, "options": "-c timezone=UTC -c extra_float_digits=1", **arguments}
        return psycopg.connect(**arguments)

    def sql(self, text, db=None):
        """Runs statements separated by `;`, each group as one transaction, and returns the rows of the last one."""
        with self.connect(db) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            rows = cursor.fetchall() if cursor.description else ()
            while cursor.nextset():
                rows = cursor.fetchall() if cursor.description else ()
            return rows

    def database(self, name, publication=None):
        """An empty database, instead of one of that name; with a publication of all its tables where one is named."""
        self.sql(f"drop database if exists {name} with (force)")
        self.sql(f"create database {name}")
        if publication:
            self.sql(f"create publication {publication} for all tables with (publish_via_partition_root = true)", name)

    def drop_slots(self):
        """All replication slots: a test leaves none, which would hold its log."""
        self.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
        deadline = time.monotonic() + 10
        while self.sql("select 1 from pg_replication_slots where active") and time.monotonic() < deadline:
            time.sleep(0.02)
        self.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


class PostgreSQL15(PostgreSQL):
    """The PostgreSQL of Debian 12."""

    home = Path("/usr/lib/postgresql/15")


class PostgreSQL18(PostgreSQL):
    home = DEPS / "postgresql-18"
