"""The driver of the sluice binary, with a stand-in for the binary."""

import os
import signal

import pytest

from tests.harness.sluice import Sluice, SluiceError, wait_until

STAND_IN = """#!/bin/sh
shift 2
case "$1" in
capture) echo "fault=$SLUICE_FAULT"; [ -z "$SLUICE_FAULT_LOG" ] || printf 'a.one\\na.two\\n' >> "$SLUICE_FAULT_LOG"
         [ -z "$SLUICE_FAULT" ] || kill -9 $$ ;;
query) printf '{"id":"1"}\\n{"id":null}\\n' ;;
load) echo 'shop.orders: bad' >&2; exit 3 ;;
run) trap 'exit 0' TERM; echo ready; while :; do sleep 0.02; done ;;
esac
"""


@pytest.fixture
def sluice(tmp_path, monkeypatch):
    path = tmp_path / "sluice"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    monkeypatch.setenv("SLUICE_BIN", str(path))
    monkeypatch.setenv("SLUICE_FAULT", "must.not.leak")
    with Sluice(raw={"data_format": "parquet"}, tables=[]) as driver:
        yield driver


def test_config_is_laid_over_the_defaults(sluice):
    assert sluice.config["raw"] == {"location": f"file://{sluice.raw}", "data_format": "parquet"}
    assert sluice.config_file.read_text().startswith("{")


def test_exit_codes_are_checked(sluice):
    assert sluice.run("capture").stdout == "fault=\n"
    with pytest.raises(SluiceError, match="exit 3(.|\n)*shop.orders: bad"):
        sluice.run("load")
    assert sluice.run("load", ok=(3,)).returncode == 3
    assert sluice.query("select 1") == [{"id": "1"}, {"id": None}]


def test_fault_points(sluice):
    assert sluice.run("capture", fault="a.one:2").returncode == -signal.SIGKILL
    assert sluice.fault_points("capture") == ["a.one", "a.two"]


def test_background_processes(sluice):
    process = sluice.start("run")
    wait_until(lambda: "ready" in sluice.log_of(["run"]).read_text(), "it is ready", process=process)
    assert sluice.stop(process) == 0
    assert sluice.kill(sluice.start("run")) == -signal.SIGKILL
    process = sluice.start("run")
    sluice.__exit__(None, None, None)
    assert process.poll() is not None
    assert not os.path.exists(f"/proc/{process.pid}")
    assert not sluice.folder.exists()


def test_waiting_ends_with_the_process(sluice):
    with pytest.raises(SluiceError, match="exited with 3"):
        wait_until(lambda: False, "never", process=sluice.start("load"))
    with pytest.raises(SluiceError, match="in vain"):
        wait_until(lambda: False, "never", timeout=0.1)
