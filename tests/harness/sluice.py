"""The sluice binary as a test drives it: a work folder with a sluice.yaml, commands to their end or in the background.

    with Sluice(source=server.source_config("shop"), tables=[{"name": "shop.orders", "active": True}]) as sluice:
        sluice.run("capture", "--until-current")
        sluice.run("load")
        rows = sluice.query("select * from shop.orders")
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .servers import ROOT, die_with_parent

RUN_TIMEOUT_S = 300


def binary():
    path = Path(os.environ.get("SLUICE_BIN", "build-test/sluice"))
    return path if path.is_absolute() else ROOT / path


FORMAT = os.environ.get("SLUICE_TEST_FORMAT", "iceberg")  # of the lake's tables, where a test does not say it


class SluiceError(AssertionError):
    pass


class Sluice:
    """A configuration in a folder of its own. Keyword arguments are sections of sluice.yaml laid over the defaults."""

    def __init__(self, folder=None, **config):
        self.keep = folder is not None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="sluice-test-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.background = []
        self.config = {
            "task": "test",
            "raw": {"location": f"file://{self.raw}"},
            "lake": {"location": f"file://{self.lake}", "database": "lake", "format": FORMAT},
            "state": f"sqlite://{self.folder}/state.db",
            "catalog": f"sqlite://{self.folder}/catalog.db",
        }
        for section, value in config.items():
            merged = isinstance(value, dict) and isinstance(self.config.get(section), dict)
            self.config[section] = {**self.config[section], **value} if merged else value
        self.write_config()

    @property
    def raw(self):
        return self.folder / "raw"

    @property
    def lake(self):
        return self.folder / "lake"

    @property
    def config_file(self):
        return self.folder / "sluice.yaml"

    def write_config(self):
        """After a test changed `config`. JSON is YAML."""
        self.config_file.write_text(json.dumps(self.config, indent=1) + "\n")

    # --- life ---

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        for process in self.background:
            self.kill(process)
        if kind is not None:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- end of {log.name} ---\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- commands ---

    def _environment(self, fault, env):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_FAULT")}
        if fault:
            environment["SLUICE_FAULT"] = fault
        return {**environment, **{k: str(v) for k, v in (env or {}).items()}}

    def command(self, *args):
        return [str(binary()), "-c", str(self.config_file), *map(str, args)]

    def run(self, *args, ok=(0,), fault=None, env=None, timeout=RUN_TIMEOUT_S):
        """Runs a command to its end. `ok` are the exit codes that the test expects; None takes any.

        fault="capture.files_durable:2" kills it at that fault point; the exit code then is -SIGKILL, which is expected.
        """
        done = subprocess.run(
            self.command(*args), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout, env=self._environment(fault, env), preexec_fn=die_with_parent,
        )
        expected = None if ok is None else {*ok, *([-signal.SIGKILL] if fault else [])}
        if expected is not None and done.returncode not in expected:
            raise SluiceError(f"sluice {' '.join(map(str, args))}: exit {done.returncode}, expected {sorted(expected)}\n"
                              f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done

    def start(self, *args, fault=None, env=None):
        """Starts a command in the background; its output goes to <folder>/<command>.log. Ends with the context."""
        with open(self.log_of(args), "ab") as log:
            process = subprocess.Popen(
                self.command(*args), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment(fault, env), preexec_fn=die_with_parent,
            )
        self.background.append(process)
        return process

    def log_of(self, args):
        return self.folder / f"{args[0]}.log"

    @staticmethod
    def kill(process):
        """As a crash: SIGKILL. Returns the exit code."""
        if process.poll() is None:
            process.kill()
        return process.wait()

    @staticmethod
    def stop(process, timeout=60):
        """As `systemctl stop` does it: SIGTERM, and it must end by itself. Returns the exit code."""
        process.terminate()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SluiceError(f"sluice did not stop within {timeout} s of SIGTERM") from None

    # --- what a test asks for most ---

    def iceberg_table(self, name):
        """As pyiceberg opens it through the catalog."""
        from pyiceberg.catalog.sql import SqlCatalog

        catalog = SqlCatalog("lake", uri=f"sqlite:///{self.folder}/catalog.db")
        try:
            return catalog.load_table((self.config["lake"]["database"], name))
        finally:
            catalog.close()

    def query(self, sql):
        """The rows of `sluice query --format jsonl`, as dicts."""
        return [json.loads(line) for line in self.run("query", "--format", "jsonl", sql).stdout.splitlines() if line.strip()]

    def status(self):
        return json.loads(self.run("status", "--format", "json").stdout)

    def fault_points(self, *args, **kwargs):
        """Runs a command and returns the fault points that it passed, in order of their first time."""
        log = self.folder / "fault-points"
        log.unlink(missing_ok=True)
        self.run(*args, env={"SLUICE_FAULT_LOG": log}, **kwargs)
        return log.read_text().split() if log.exists() else []


def wait_until(condition, what, timeout=60, process=None):
    """Polls until condition() is true and returns its value. Fails early when `process` ended meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise SluiceError(f"sluice exited with {process.returncode} while the test waited until {what}")
        if time.monotonic() > deadline:
            raise SluiceError(f"waited {timeout} s in vain until {what}")
        time.sleep(0.05)
