#!/usr/bin/env python3
"""Measures sluice against the plain tools of the trade, on this machine. Called by `make bench`; README.md says what it measures.

usage: run.py [replication] [postgres] [running] [lake]      all when none is named
"""

import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("SLUICE_BIN", str(ROOT / "build" / "sluice"))

from tests.harness.sluice import binary  # noqa: E402

GROUPS = ["replication", "postgres", "running", "lake"]


def main():
    groups = sys.argv[1:] or GROUPS
    if set(groups) - set(GROUPS):
        sys.exit(__doc__)
    if not binary().exists():
        sys.exit(f"{binary()} is not built")
    for number, group in enumerate(groups):
        if number > 0:
            print()
        importlib.import_module(group).main()


if __name__ == "__main__":
    main()
