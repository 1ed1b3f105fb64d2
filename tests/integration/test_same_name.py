"""Two schemas that share a table's name must not share a lake table."""

from tests.harness.sluice import Sluice


def write(sluice, schema, text):
    folder = sluice.raw / schema / "product"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "LOAD00000001.csv").write_text(text)


def tables(*schemas):
    return [{"name": f"{schema}.product", "active": True, "primary_key": ["id"]} for schema in schemas]


def test_the_second_table_is_refused():
    with Sluice(source={"engine": "dms"}, tables=tables("a", "b")) as sluice:
        write(sluice, "a", "id,v\n1,a\n")
        write(sluice, "b", "id,v\n1,b\n")
        result = sluice.run("load", ok=(3,))
        assert "b.product" in result.stderr and "{schema}_{table}" in result.stderr
        assert [row["v"] for row in sluice.query("select v from a.product")] == ["a"]
        assert "loading a.product" not in result.stderr


def test_the_one_that_is_loaded_keeps_it():
    with Sluice(source={"engine": "dms"}, tables=tables("a", "b")) as sluice:
        write(sluice, "b", "id,v\n1,b\n")
        sluice.run("load")
        write(sluice, "a", "id,v\n1,a\n")
        result = sluice.run("load", ok=(3,))
        assert "loading a.product" in result.stderr
        assert [row["v"] for row in sluice.query("select v from b.product")] == ["b"]


def test_a_table_that_is_named_as_a_history():
    """{schema}_{table} would not tell them apart."""
    entries = [{"name": "a.product", "active": True, "primary_key": ["id"], "history": True},
               {"name": "a.product_history", "active": True, "primary_key": ["id"]}]
    with Sluice(source={"engine": "dms"}, tables=entries) as sluice:
        for table in ("product", "product_history"):
            (folder := sluice.raw / "a" / table).mkdir(parents=True)
            (folder / "LOAD00000001.csv").write_text("id,v\n1,a\n")
        said = sluice.run("load", ok=(3,)).stderr
        assert "turn that history off" in said and "{schema}_{table}" not in said
        entries[0]["history"] = False
        sluice.write_config()
        sluice.run("load")
