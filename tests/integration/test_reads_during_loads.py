"""What readers see while tables are loaded and maintained is always what some commit had.

Every file of changes keeps the number of accounts and the sum of their balances, and gives all rows of `marks` the same new
version. A load may take several files at once; it never shows a part of one, nor an older version after a newer one.
SLUICE_READS_LOADS sets how many loads there are.
"""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.sluice import Sluice

ACCOUNTS, BALANCE, MARKS = 2000, 100, 5
LOADS = int(os.environ.get("SLUICE_READS_LOADS", 12))
TRANSFERS = 20  # a file
COUNT_AND_SUM = "select count(*) as n, sum(balance) as total, count(distinct id) as ids"
CONFIG = {
    "iceberg": {"format": "iceberg", "target_file_size": "64KB"},
    "iceberg-copy-on-write": {"format": "iceberg", "target_file_size": "64KB", "write_mode": "copy-on-write"},
    "iceberg-v3": {"format": "iceberg", "target_file_size": "64KB", "format_version": 3},
    "parquet": {"format": "parquet"},  # by `sluice query`: who lists its folders may see a load half done
}


class Bank:
    """bank.account(id, balance, region) and bank.marks(id, version) as raw files."""

    def __init__(self, sluice):
        self.sluice, self.rng, self.files = sluice, random.Random(5), 0
        self.accounts = {i: BALANCE for i in range(ACCOUNTS)}
        self.next_id = ACCOUNTS
        self.write("account", "LOAD00000001.csv", "id,balance,region", [(i, b, i % 3) for i, b in self.accounts.items()])
        self.write("marks", "LOAD00000001.csv", "id,version", [(i, 0) for i in range(MARKS)])

    def write(self, table, name, header, lines):
        path = self.sluice.raw / "bank" / table / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = self.sluice.folder / "part.csv"
        part.write_text("\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n")
        part.rename(path)

    def transfer(self):
        """From one account to another, or into a new account that takes the place of one."""
        giver, taker = self.rng.sample(sorted(self.accounts), 2)
        amount = self.rng.randint(1, 50)
        self.accounts[giver] -= amount
        self.accounts[taker] += amount
        if self.rng.random() < 0.7:
            return [("U", i, self.accounts[i], i % 3) for i in (giver, taker)]
        balance, self.next_id = self.accounts.pop(giver), self.next_id + 1
        self.accounts[self.next_id] = balance
        return [("D", giver, 0, giver % 3), ("I", self.next_id, balance, self.next_id % 3), ("U", taker, self.accounts[taker], taker % 3)]

    def change(self):
        self.files += 1
        changes = [change for _ in range(TRANSFERS) for change in self.transfer()]
        self.write("account", f"20261101-{self.files:09}.csv", "Op,id,balance,region", changes)
        self.write("marks", f"20261101-{self.files:09}.csv", "Op,id,version", [("U", i, self.files) for i in range(MARKS)])


class Reader:
    """Reads until it is told to end; `versions` are those that it saw, in this order."""

    def __init__(self, sluice, ended):
        self.sluice, self.ended, self.reads, self.versions = sluice, ended, 0, []

    def run(self):
        while not self.ended.is_set():
            count, total, ids = self.accounts()
            assert (count, ids, total) == (ACCOUNTS, ACCOUNTS, ACCOUNTS * BALANCE)
            versions = self.marks()
            assert len(versions) == MARKS and len(set(versions)) == 1, versions
            assert not self.versions or versions[0] >= self.versions[-1], "an older version after a newer one"
            self.versions.append(versions[0])
            self.reads += 1


class Query(Reader):
    def accounts(self):
        row, = self.sluice.query(f"{COUNT_AND_SUM} from bank.account")
        return int(row["n"]), int(row["total"]), int(row["ids"])

    def marks(self):
        return [int(row["version"]) for row in self.sluice.query("select version from bank.marks")]


class PyIceberg(Reader):
    def accounts(self):
        rows = self.sluice.iceberg_table("account").scan(selected_fields=("id", "balance")).to_arrow()
        return len(rows), sum(rows["balance"].to_pylist()), len(set(rows["id"].to_pylist()))

    def marks(self):
        return self.sluice.iceberg_table("marks").scan().to_arrow()["version"].to_pylist()


@pytest.mark.parametrize("lake", CONFIG)
def test_every_read_is_a_commit(tmp_path, lake):
    types = {"id": "bigint", "balance": "bigint", "version": "bigint", "region": "bigint"}
    tables = [{"name": f"bank.{name}", "active": True, "primary_key": ["id"], "partition_key": partition, "columns": {c: types[c] for c in columns}}
              for name, columns, partition in (("account", ("id", "balance", "region"), ["region"]), ("marks", ("id", "version"), []))]
    with Sluice(tmp_path, source={"engine": "dms"}, lake=CONFIG[lake], tables=tables, threads=1, memory_limit="64MB") as sluice:
        bank, ended = Bank(sluice), threading.Event()
        sluice.run("load")
        readers = [Query(sluice, ended), *([PyIceberg(sluice, ended)] if lake.startswith("iceberg") else [])]

        def maintain():
            rounds = 0
            while not ended.is_set() and lake.startswith("iceberg"):
                sluice.run("maintain")
                rounds += 1
            return rounds

        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(reader.run) for reader in readers]
            maintaining = pool.submit(maintain)
            try:
                for n in range(LOADS):
                    for _ in range(1 + n % 3):
                        bank.change()
                    sluice.run("load")
            finally:
                ended.set()
            for reader in reading:
                reader.result()
            assert maintaining.result() > 0 or lake == "parquet"
        for reader in readers:
            assert len(set(reader.versions)) > 2, f"{type(reader).__name__} saw {set(reader.versions)}: no load came between its reads"
        got = {int(row["id"]): int(row["balance"]) for row in sluice.query("select id, balance from bank.account")}
        assert got == bank.accounts
