"""One table whose raw files a test writes itself, as AWS DMS does, with a model of its rows: no server, and quick."""

from tests.harness.sluice import Sluice


class DmsTable:
    """shop.t(id, grp, name), keyed by id unless key is None; every change is a file and a load."""

    def __init__(self, folder, key="id", partition=(), **config):
        self.key, self.model, self.rows, self.files = key, {}, [], 0
        self.sluice = Sluice(folder, source={"engine": "dms"}, lake={"format": "iceberg", "target_file_size": "64KB", **config.pop("lake", {})},
                             tables=[{"name": "shop.t", "active": True, "primary_key": [key] if key else [], "partition_key": list(partition)}],
                             threads=1, memory_limit="64MB", **config)

    def write(self, name, header, lines):
        path = self.sluice.raw / "shop" / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = self.sluice.folder / "part.csv"
        part.write_text("\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n")
        part.rename(path)

    def full(self, rows):
        """rows: (id, grp, name)"""
        self.write("LOAD00000001.csv", "id,grp,name", rows)
        self.model = {row[0]: row for row in rows}
        self.rows = list(rows)

    def change(self, *changes):
        """changes: (op, id, grp, name)"""
        self.files += 1
        self.write(f"20261101-{self.files:09}.csv", "Op,id,grp,name", changes)
        for op, *row in changes:
            if op == "D":
                self.model.pop(row[0], None)
            else:
                self.model[row[0]] = tuple(row)
            if op == "I":
                self.rows.append(tuple(row))

    def expected(self):
        return sorted(self.model.values() if self.key else self.rows)

    def table(self):
        return self.sluice.iceberg_table("t")

    @staticmethod
    def rows_of(scan):
        return sorted((r["id"], r["grp"], r["name"]) for r in scan.to_arrow().to_pylist())

    def assert_rows(self):
        """By pyiceberg, and by ourselves."""
        assert self.rows_of(self.table().scan()) == self.expected()
        assert self.rows_by_query() == self.expected()

    def rows_by_query(self):
        return sorted((int(r["id"]), int(r["grp"]), r["name"]) for r in self.sluice.query("select id, grp, name from shop.t"))

    def files_of(self):
        """How many data files and delete files the current snapshot has."""
        content = self.table().inspect.files()["content"].to_pylist()
        return content.count(0), len(content) - content.count(0)

    def on_disk(self):
        return {str(p) for p in (self.sluice.lake / "t").rglob("*") if p.is_file()}

    def referenced(self):
        """Every file that the table's metadata leads to, over all of its snapshots, and what leads to that."""
        table = self.table()
        found = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
        found.add(str(self.sluice.lake / "t" / "metadata" / "version-hint.text"))
        for snapshot in table.snapshots():
            found.add(snapshot.manifest_list)
            for manifest in snapshot.manifests(table.io):
                found.add(manifest.manifest_path)
                found |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)}
        return {path.removeprefix("file://") for path in found}
