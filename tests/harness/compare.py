"""Is the lake what the source is? Compares a source table with the lake's, row by row, as multisets.

    assert_same(server, "shop", "orders", sluice)

The lake is read twice: by `sluice query`, and by a reader that shares no code with sluice (DuckDB for Python on the Parquet
files; pyiceberg on Iceberg tables). Values meet as canonical text that depends on the source's column type, so that `1.50` of a decimal(10,2) is
`1.5` of a double, and a JSON document is its content and not its blanks.
"""

import codecs
import datetime
import json
import re
import struct
from collections import Counter
from decimal import Decimal, InvalidOperation

SHOWN_ROWS = 10


# --- canonical values ---


def canonical(value, data_type):
    """The canonical text of a value of a column of this source type (information_schema.columns.data_type); None for NULL.

    Takes what pymysql and DuckDB give, and the text that DuckDB's CAST(... AS VARCHAR) gives.
    """
    if value is None:
        return None
    return _CANONICAL.get(data_type.lower(), _text)(value)


def _text(value):
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def _number(value):
    if isinstance(value, bool):
        return str(int(value))
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return {"true": "1", "false": "0"}.get(str(value), str(value))
    text = format(number.normalize(), "f")
    return "0" if text == "-0" else text


def _double(value):
    try:
        return repr(float(value) + 0.0)  # -0.0 and 0.0 are equal in SQL
    except ValueError:
        return str(value)


def _float(value):
    """A 4-byte float: whatever its text or its double looks like, the four bytes decide."""
    try:
        return repr(struct.unpack("f", struct.pack("f", float(value)))[0] + 0.0)
    except (ValueError, OverflowError):
        return str(value)


def _bytes_of_duckdb_text(text):
    """DuckDB writes a BLOB as text with \\xAB for what is not printable ASCII, a backslash included."""
    return codecs.escape_decode(text.encode())[0]


def _binary(value):
    return (bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else _bytes_of_duckdb_text(str(value))).hex()


def _bit(value):
    if isinstance(value, (bytes, bytearray)):
        return str(int.from_bytes(value, "big"))
    text = str(value)
    return str(int.from_bytes(_bytes_of_duckdb_text(text), "big")) if "\\x" in text else _number(value)


def _fraction(text):
    """`10:00:00.500000` and `10:00:00.5`, `10:00:00.000` and `10:00:00` are the same moment."""
    return re.sub(r"(\.\d*?)0+$", r"\1", text).rstrip(".") if "." in text else text


def _datetime(value):
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        text = value.isoformat(sep=" ")
    else:
        text = re.sub(r"(\+00(:00)?|Z)$", "", str(value).replace("T", " "))
    return _fraction(text)


def _date(value):
    return value.isoformat()[:10] if isinstance(value, datetime.date) else str(value)


def _time(value):
    if isinstance(value, datetime.timedelta):
        microseconds = round(value / datetime.timedelta(microseconds=1))
        sign, microseconds = ("-" if microseconds < 0 else ""), abs(microseconds)
        seconds, microseconds = divmod(microseconds, 1_000_000)
        text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{microseconds:06}"
    else:
        text = value.isoformat() if isinstance(value, datetime.time) else str(value)
    return _fraction(text)


def _json(value):
    try:
        return json.dumps(json.loads(_text(value)), sort_keys=True, ensure_ascii=False)
    except ValueError:
        return _text(value)


_CANONICAL = {
    **dict.fromkeys(["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"], _number),
    **dict.fromkeys(["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry", "point", "linestring",
                     "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection"], _binary),
    "double": _double, "float": _float, "bit": _bit, "datetime": _datetime, "timestamp": _datetime, "date": _date,
    "time": _time, "json": _json,
}


# --- readers: each returns rows as tuples of canonical values, in the order of `columns` ---


def source_columns(server, database, table):
    """[(name, data type)] in the table's order."""
    rows = server.sql("select column_name, data_type from information_schema.columns "
                      f"where table_schema = '{database}' and table_name = '{table}' order by ordinal_position")
    columns = [(_text(name), _text(data_type).lower()) for name, data_type in rows]
    if not any(t == "longtext" for _, t in columns):
        return columns
    # MariaDB keeps JSON as longtext with a check. A default of bytes is in this text as it is.
    checked = _text(server.sql(f"select cast(check_clause as binary) from information_schema.check_constraints where constraint_schema = '{database}' "
                               f"and table_name = '{table}'")) if server.engine == "mariadb" else ""
    return [(n, "json" if f"json_valid(`{n}`)" in checked else t) for n, t in columns]


def source_rows(server, database, table, columns, where=""):
    # MySQL prints a FLOAT with six digits; as a double it shows all that it has.
    selected = ", ".join(f"`{n}` + 0e0" if t == "float" else f"`{n}`" for n, t in columns)
    rows = server.sql(f"select {selected} from `{database}`.`{table}` {where}")
    return [tuple(canonical(v, t) for v, (_, t) in zip(row, columns)) for row in rows]


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def query_rows(sluice, schema, table, columns):
    """What a user of `sluice query` sees."""
    selected = ", ".join(f"cast({_quoted(n)} as varchar) as {_quoted(n)}" for n, _ in columns)
    rows = sluice.query(f"select {selected} from {_quoted(schema)}.{_quoted(table)}")
    return [tuple(canonical(row[n], t) for n, t in columns) for row in rows]


def parquet_rows(folder, columns):
    """What a stranger reads of a table: all Parquet files in its folder, Hive-style partitions included."""
    import duckdb

    files = [str(p) for p in sorted(folder.rglob("*.parquet"))
             if not any(part.startswith((".", "_")) for part in p.relative_to(folder).parts)]
    if not files:
        return []
    with duckdb.connect() as connection:
        # Partition values are text in the path: no guessing of their types.
        relation = connection.read_parquet(files, hive_partitioning=any("=" in f for f in files), union_by_name=True)
        return relation_rows(relation, columns)


def relation_rows(relation, columns):
    """Of DuckDB for Python."""
    # An instant as UTC, whatever the machine's zone is.
    instants = {n for n, t in zip(relation.columns, relation.types) if str(t) == "TIMESTAMP WITH TIME ZONE"}
    relation = relation.select(", ".join(f"make_timestamp(epoch_us({_quoted(n)}))" if n in instants else _quoted(n) for n, _ in columns))
    return [tuple(canonical(v, t) for v, (_, t) in zip(row, columns)) for row in relation.fetchall()]


def arrow_rows(rows, columns):
    """Of an Arrow table, which is what pyiceberg, Spark and Trino read of an Iceberg table."""
    import duckdb

    with duckdb.connect() as connection:
        return relation_rows(connection.from_arrow(rows), columns)


def lake_rows(sluice, table, columns):
    """By an independent reader, from the one folder of the lake that has the table's name."""
    if sluice.config["lake"]["format"] == "iceberg":
        return arrow_rows(sluice.iceberg_table(table).scan().to_arrow(), columns)
    folders = [p for p in sluice.lake.rglob(table) if p.is_dir()]
    assert folders, f"{sluice.lake} has no folder '{table}'"
    assert len(folders) == 1, f"'{table}' is ambiguous: {folders}"
    return parquet_rows(folders[0], columns)


# --- comparison ---


def difference(want, got, columns, key=(), want_name="source", got_name="lake"):
    """None when both hold the same rows (as multisets), else what differs, for a person to read.

    `key` names columns: rows with the same key are shown as one difference of columns.
    """
    missing, extra = Counter(want) - Counter(got), Counter(got) - Counter(want)
    if not missing and not extra:
        return None
    names = [n for n, _ in columns]
    at = [names.index(k) for k in key]
    lines = [f"{len(want)} rows in {want_name}, {len(got)} in {got_name}; "
             f"{missing.total()} missing, {extra.total()} too many or different"]

    def show(row):
        return ", ".join(f"{n}={_short(v)}" for n, v in zip(names, row))

    by_key = {tuple(row[i] for i in at): row for row in extra} if at else {}
    changed = {}
    for row in missing:
        other = by_key.get(tuple(row[i] for i in at)) if at else None
        if other is not None:
            changed[row] = other
    for row, other in _first(changed.items()):
        what = "; ".join(f"{n}: {want_name} {_short(a)}, {got_name} {_short(b)}" for n, a, b in zip(names, row, other) if a != b)
        lines.append("  differs  " + ", ".join(f"{k}={_short(row[i])}" for k, i in zip(key, at)) + ": " + (what or "how often"))
    taken = set(changed.values())
    for sign, name, rows in (("-", want_name, [r for r in missing.elements() if r not in changed]),
                             ("+", got_name, [r for r in extra.elements() if r not in taken])):
        lines += [f"  {sign} only in {name}: {show(row)}" for row in _first(sorted(rows, key=str))]
    return "\n".join(lines)


def _first(things):
    return list(things)[:SHOWN_ROWS]


def _short(value, limit=80):
    text = "NULL" if value is None else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}... ({len(text)} characters)"


def primary_key(server, database, table):
    rows = server.sql("select column_name from information_schema.key_column_usage where constraint_name = 'PRIMARY' "
                      f"and table_schema = '{database}' and table_name = '{table}' order by ordinal_position")
    return [_text(row[0]) for row in rows]


def assert_same(server, database, table, sluice, *, columns=None, lake_table=None, where="", readers=("query", "files")):
    """Fails with a readable difference unless the lake holds exactly the source's rows.

    `columns` limits the comparison to these names; `lake_table` is the lake's name of the table if it is another.
    """
    found = [c for c in source_columns(server, database, table) if columns is None or c[0] in columns]
    key = [k for k in primary_key(server, database, table) if k in dict(found)]
    want = source_rows(server, database, table, found, where)
    if "query" in readers:
        problem = difference(want, query_rows(sluice, database, table, found), found, key, got_name="sluice query")
        assert problem is None, f"{database}.{table}: {problem}"
    if "files" in readers:
        problem = difference(want, lake_rows(sluice, lake_table or table, found), found, key)
        assert problem is None, f"{database}.{table}: {problem}"
