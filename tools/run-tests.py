#!/usr/bin/env python3
"""Runs every suite of sluice, whatever fails, and closes with one line: `N passed, N failed`. Called by `make test`.

usage: run-tests.py [SUITE...]      suites: unit, sanitizers, conformance, integration, readers; not by default: all-readers
Exits 1 when a test failed, when a suite broke, or when no test ran.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("SLUICE_BIN", ROOT / "build-test" / "sluice"))


def run(command):
    """Runs with its output shown as it comes, and returned with the exit code."""
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    return process.wait(), "".join(lines)


def meson(build):
    """cmocka says in each program's output how many of its tests passed and failed; one that died counts as one failure."""
    code, _ = run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"])
    passed = failed = 0
    log = ROOT / build / "meson-logs" / "testlog.json"
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        output = test.get("stdout", "") + test.get("stderr", "")
        count = {word: sum(map(int, re.findall(rf"^\[  {word}  \] (\d+) test", output, re.M))) for word in ("PASSED", "FAILED")}
        good = test["result"] == "OK"
        passed += count["PASSED"] or good
        failed += count["FAILED"] or (not good)
    return code, passed, failed


def conformance(*runs):
    code = passed = failed = 0
    for options in runs:
        print(f"--format {' '.join(options)}", flush=True)
        ended, output = run([sys.executable, "tests/conformance/run.py", BINARY, "tests/conformance/cases", "--format", *options])
        closing = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M)
        counted = tuple(map(int, closing[-1])) if closing else (0, 1)
        code, passed, failed = code or ended, passed + counted[0], failed + counted[1]
    return code, passed, failed


def pytest(*options):
    folders = [f for f in ("tests/integration", "tests/crash") if (ROOT / f).is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        code, _ = run([sys.executable, "-m", "pytest", *folders, "-q", *options, "--durations=10", f"--junitxml={report}"])
        total = failed = skipped = 0
        for suite in ElementTree.parse(report).iter("testsuite") if report.exists() else []:
            total += int(suite.get("tests"))
            failed += int(suite.get("failures")) + int(suite.get("errors"))
            skipped += int(suite.get("skipped"))
    return code, total - failed - skipped, failed


def integration():
    """Tests wait for servers and intervals more than they compute, so a second worker helps on any machine."""
    workers = max(2, min(4, os.cpu_count() or 2))
    return pytest("-m", "not readers and not all_readers", "-n", str(workers), "--dist", "worksteal")


def together(*results):
    codes, passed, failed = zip(*results)
    return max(codes), sum(passed), sum(failed)


ICEBERG = ("iceberg", "--reader")
COPY = ["--write-mode", "copy-on-write"]
THIRD = ["--format-version", "3"]

SUITES = {
    "unit": lambda: meson("build-test"),
    "sanitizers": lambda: meson("build-asan"),
    "conformance": lambda: conformance(["parquet"], ["iceberg"], [*ICEBERG, "pyiceberg"],
                                       ["iceberg", *COPY], [*ICEBERG, "pyiceberg", *COPY],
                                       ["iceberg", *THIRD], [*ICEBERG, "pyiceberg", *THIRD]),
    "integration": integration,
    # In one process: a JVM is too large to have one for each worker.
    "readers": lambda: together(conformance([*ICEBERG, "spark"]), pytest("-m", "readers")),
    "all-readers": lambda: together(conformance([*ICEBERG, "spark"], [*ICEBERG, "spark", *THIRD], [*ICEBERG, "trino"]), pytest("-m", "readers or all_readers", "--all-readers")),
}
NOT_BY_DEFAULT = {"all-readers"}


def main():
    chosen = sys.argv[1:] or [name for name in SUITES if name not in NOT_BY_DEFAULT]
    unknown = set(chosen) - set(SUITES)
    if unknown:
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    summary, passed, failed = [], 0, 0
    for name in chosen:
        print(f"\n=== {name} ===", flush=True)
        started = time.monotonic()
        code, suite_passed, suite_failed = SUITES[name]()
        if code != 0 and suite_failed == 0:
            suite_failed = 1  # the suite itself broke: it did not build, start or collect
        passed, failed = passed + suite_passed, failed + suite_failed
        summary.append(f"{name}: {suite_passed} passed, {suite_failed} failed, {time.monotonic() - started:.0f} s")
    print("\n" + "\n".join(summary))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
