"""What was loaded and is not where it was: a catalog that was lost or set back, a history that is gone, a folder of the other
table format. A load says so and begins nothing anew."""

import shutil

import pytest

from tests.harness.sluice import Sluice

FIRST = "20991101-000000001.csv"


class Shop:
    """shop.t(id, v) of AWS DMS, loaded twice: a full load and a file of changes."""

    def __init__(self, sluice):
        self.sluice, self.number = sluice, 0
        self.raw = sluice.raw / "shop" / "t"
        self.raw.mkdir(parents=True)
        self.put("Op,id,v\nI,1,a\nI,2,b\n", "LOAD00000001.csv")
        self.change("U,1,x", "I,3,c")
        sluice.run("load")

    def put(self, text, name):
        (self.raw / name).write_text(text)

    def change(self, *lines):
        self.number += 1
        name = f"20991101-{self.number:09}.csv"
        self.put("\n".join(["Op,id,v", *lines]) + "\n", name)
        return name

    def clean_raw(self):
        for file in self.raw.iterdir():
            file.unlink()

    def set_format(self, name):
        self.sluice.config["lake"].pop("format", None)
        if name is not None:
            self.sluice.config["lake"]["format"] = name
        self.sluice.write_config()

    def set_history(self, history):
        self.sluice.config["tables"][0]["history"] = history
        self.sluice.write_config()

    def start_over(self, *more):
        self.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-full-load-date", "1900-01-01 00:00:00",
                        "--last-incremental-file", "0", *more)

    def lose_catalog(self):
        for file in self.sluice.folder.glob("catalog.db*"):
            file.unlink()

    def fails(self, *parts):
        said = self.sluice.run("load", ok=(3,)).stderr
        for part in parts:
            assert part in said, said

    def rows(self, table="t"):
        return sorted((int(row["id"]), row["v"]) for row in self.sluice.query(f"select id, v from shop.{table}"))


@pytest.fixture
def begin():
    """A function that makes the shop."""
    made = []

    def begin(lake_format="iceberg", history=False):
        sluice = Sluice(source={"engine": "dms"}, lake={"format": lake_format}, threads=1, memory_limit="64MB",
                        tables=[{"name": "shop.t", "active": True, "primary_key": ["id"], "history": history,
                                 "columns": {"id": "int", "v": "varchar"}}])
        made.append(sluice.__enter__())
        return Shop(sluice)

    yield begin
    for sluice in made:
        sluice.__exit__(None, None, None)


NOW = [(1, "x"), (2, "b"), (3, "c")]
PAST = [(1, "a"), (1, "x"), (2, "b"), (3, "c")]


@pytest.mark.parametrize("history", [True, "only"])
def test_a_history_that_the_catalog_lost_does_not_begin_again(begin, history):
    shop = begin(history=history)
    (shop.raw / FIRST).unlink()
    shop.change("U,2,new")
    shop.lose_catalog()
    shop.fails("the catalog does not lead to the table that is in", "sluice catalog sync")
    shop.start_over()
    shop.fails("t_history/", "sluice catalog sync")
    shop.sluice.run("catalog", "sync")
    shop.sluice.run("load")
    assert shop.rows("t_history") == sorted([*PAST, (2, "new")])


def test_a_history_whose_metadata_file_is_gone_does_not_begin_again(begin):
    shop = begin(history="only")
    shop.change("U,2,new")
    shop.sluice.run("load")
    shop.clean_raw()
    newest = max((shop.sluice.lake / "t_history" / "metadata").glob("*.metadata.json"))
    newest.rename(newest.with_suffix(".away"))
    shop.fails("the catalog does not lead to the table that is in", "t_history/")
    newest.with_suffix(".away").rename(newest)
    shop.change("U,2,newer")
    shop.sluice.run("load")
    assert shop.rows("t_history") == sorted([*PAST, (2, "new"), (2, "newer")])


@pytest.mark.parametrize("lake_format", ["parquet", "iceberg"])
@pytest.mark.parametrize("history", [True, "only"])
def test_a_history_whose_folder_is_gone_is_missed(begin, lake_format, history):
    shop = begin(lake_format, history)
    shutil.rmtree(shop.sluice.lake / "t_history")
    gone = f"{shop.sluice.lake}/t_history/ is gone"
    shop.fails(gone)
    shop.change("U,2,new")
    shop.fails(gone, "history: false" if history is True else "tables set")
    if history is True:  # as the error says
        shop.set_history(False)
        shop.sluice.run("load")
        shop.set_history(True)
    else:
        shop.start_over()
    shop.sluice.run("load")
    assert shop.rows("t_history") == sorted([*PAST, (2, "new")])
    assert " 0 loaded, 0 failed" in shop.sluice.run("load").stdout


def test_a_new_state_and_a_new_catalog_do_not_replace_the_lake(begin):
    """As after a disaster, when the raw zone has not all any more."""
    shop = begin()
    (shop.raw / FIRST).unlink()
    shop.lose_catalog()
    for file in shop.sluice.folder.glob("state.db*"):
        file.unlink()
    shop.fails("sluice catalog sync")
    shop.sluice.run("catalog", "sync")
    shop.sluice.run("load")
    assert shop.rows() == NOW


def test_a_full_load_that_is_asked_for_needs_no_old_table(begin):
    shop = begin()
    shop.lose_catalog()
    shop.start_over()
    shop.sluice.run("load")
    assert shop.rows() == NOW


def test_a_first_load_that_was_killed_is_done_again(begin):
    shop = begin(history=True)
    shop.lose_catalog()
    shutil.rmtree(shop.sluice.lake)
    shop.set_history(False)
    shop.start_over()
    shop.sluice.run("load", fault="lake.metadata_written")
    shop.sluice.run("load")
    assert shop.rows() == NOW


@pytest.mark.parametrize("was, now, path", [("parquet", None, "t/_sluice"), ("iceberg", "parquet", "t/metadata")])
def test_a_folder_of_the_other_format_stays_as_it_is(begin, was, now, path):
    """None: the default."""
    shop = begin(was)
    assert (shop.sluice.lake / path).is_dir()
    before = sorted(shop.sluice.lake.rglob("*"))
    shop.set_format(now)
    other = f"{shop.sluice.lake}/t/ has a table of lake.format {was}: set lake.format: {was}, or move the folder away"
    shop.fails(other)
    shop.change("U,2,new")
    shop.fails(other)
    shop.start_over()
    shop.fails(other)
    done = shop.sluice.run("check", ok=(2,))
    assert "FAIL  lake.format: shop.t: the folder " in done.stdout and other in done.stdout
    assert sorted(shop.sluice.lake.rglob("*")) == before
    shop.set_format(was)
    assert "FAIL" not in shop.sluice.run("check").stdout
    shop.sluice.run("load")
    assert shop.rows() == [(1, "x"), (2, "new"), (3, "c")]


@pytest.mark.parametrize("history", [True, "only"])
def test_a_history_of_the_other_format_stays_as_it_is(begin, history):
    shop = begin("parquet", history)
    shop.clean_raw()
    shop.change("U,2,new")
    shop.set_format(None)
    shop.fails("has a table of lake.format parquet")
    assert "t_history/ has a table of lake.format parquet" in shop.sluice.run("check", ok=(2,)).stdout
    shop.set_format("parquet")
    shop.sluice.run("load")
    assert shop.rows("t_history") == sorted([*PAST, (2, "new")])


# --- a catalog that was set back: a backup was restored ----------------------------------------------------------------------


def set_back(shop):
    """Over one commit of the change (2, "new"). Returns the name of its raw file."""
    backup = shop.sluice.folder / "backup"
    shutil.copy(shop.sluice.folder / "catalog.db", backup)
    name = shop.change("U,2,new")
    shop.sluice.run("load")
    shop.lose_catalog()
    shutil.copy(backup, shop.sluice.folder / "catalog.db")
    shop.change("I,4,d")
    return name


def test_a_catalog_that_was_set_back_is_brought_up_from_the_raw_zone(begin):
    shop = begin()
    set_back(shop)
    said = shop.sluice.run("load").stderr
    assert "earlier than the controller row" in said and f"after {FIRST}" in said and "bookkeeping" not in said
    assert shop.rows() == [(1, "x"), (2, "new"), (3, "c"), (4, "d")]


def test_a_catalog_that_was_set_back_loses_no_row_that_the_raw_zone_lost(begin):
    shop = begin()
    name = set_back(shop)
    (shop.raw / name).unlink()
    for _ in range(2):
        shop.fails("earlier than the controller row", name, "sluice catalog sync", f"--last-incremental-file {FIRST}")
    shop.lose_catalog()  # with the entry of the backup
    shop.sluice.run("catalog", "sync")
    shop.sluice.run("load")
    assert shop.rows() == [(1, "x"), (2, "new"), (3, "c"), (4, "d")]


def test_a_catalog_that_was_set_back_on_purpose(begin):
    shop = begin()
    name = set_back(shop)
    (shop.raw / name).unlink()
    shop.fails("earlier than the controller row")
    shop.sluice.run("tables", "set", "--schema", "shop", "--table", "t", "--last-incremental-file", FIRST)
    shop.sluice.run("load")
    assert shop.rows() == [(1, "x"), (2, "b"), (3, "c"), (4, "d")]


def test_a_catalog_that_was_set_back_to_the_full_load_alone(begin):
    shop = begin()
    shop.start_over()
    shutil.rmtree(shop.sluice.lake)
    shop.lose_catalog()
    (shop.raw / FIRST).rename(shop.sluice.folder / FIRST)
    shop.sluice.run("load")
    shutil.copy(shop.sluice.folder / "catalog.db", shop.sluice.folder / "backup")
    (shop.sluice.folder / FIRST).rename(shop.raw / FIRST)
    shop.sluice.run("load")
    shop.lose_catalog()
    shutil.copy(shop.sluice.folder / "backup", shop.sluice.folder / "catalog.db")
    shop.change("I,4,d")
    shop.sluice.run("load")
    assert shop.rows() == [*NOW, (4, "d")]
