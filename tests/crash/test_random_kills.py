"""kill -9 of capture and of load at random moments while writers write: nothing lost, nothing twice.

SLUICE_CRASH_ROUNDS sets how often (a soak takes 1000), SLUICE_CRASH_SEED which moments.
"""

import os
import random
import time

import pytest

from tests.harness.servers import MariaDB, MySQL80
from tests.harness.sluice import Sluice
from tests.harness.workload import Workload

ROUNDS = int(os.environ.get("SLUICE_CRASH_ROUNDS", 12))
SEED = int(os.environ.get("SLUICE_CRASH_SEED", 1))


@pytest.mark.parametrize("kind", [MariaDB, MySQL80])
def test_killed_at_random_moments(kind):
    if kind.unavailable():
        pytest.skip(kind.unavailable())
    rng = random.Random(SEED)
    with kind() as server:
        workload = Workload(server, "shop", seed=SEED)
        workload.create(rows=60)
        with Sluice(source=server.source_config("shop"), raw={"cdc_max_batch_interval": "50ms", "max_file_size": "16KB", "cdc_min_file_size": "256KB"},
                    tables=workload.lake_tables(), memory_limit="256MB") as sluice:
            for round_number in range(ROUNDS):
                # As many transactions as a round of capture can meet; the last ones run into the kill.
                writer = workload.start(30, seed=SEED + round_number, bulk=round_number % 4 == 3, bulk_rows=10_000)
                run_a_round(sluice, rng)
                writer.join()
            workload.settle()
            sluice.run("capture", "--until-current")
            sluice.run("load")
            workload.assert_lake_is_source(sluice, readers=("files",))


def run_a_round(sluice, rng):
    """Capture and two loads one after another, each killed after a random time unless it ended before."""
    capture = sluice.start("capture")
    for _ in range(2):
        load = sluice.start("load")
        time.sleep(rng.uniform(0.02, 0.6))
        sluice.kill(load)
    time.sleep(rng.uniform(0.0, 0.4))
    sluice.kill(capture)
