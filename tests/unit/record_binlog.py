"""Records small binlogs of the real servers, beside what the servers themselves say of them, for test_mysql_binlog.c.

    .deps/venv/bin/python -m tests.unit.record_binlog [name ...]      writes tests/unit/data/<name>.binlog

A recording is text. Fields are separated by tabs; \\N is NULL, \\U a value that was not sent, \\x… bytes.

    collation  id  charset  bytes of a character                 information_schema.collations
    charset    name  hex                                         the answer to mysql_charset_table_query
    info       schema.table  column  type  collation  bytes  nullable    information_schema.columns; the log does not say it all
    event      hex                                               one event, as it lies in the file
    shows      type  info                                        SHOW BINLOG EVENTS of it
    row        op  schema.table  value …                         the rows of a rows event, by SELECT before and after it
"""

import sys
import tempfile
from pathlib import Path

from tests.harness.servers import MariaDB, MySQL80, MySQL97

DATA = Path(__file__).parent / "data"

ROWS_EVENTS = {23, 24, 25, 30, 31, 32, 166, 167, 168, 169, 170, 171}


def escape(value):
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    for a, b in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(a, b)
    return text


class Field:
    """How a column's value is asked from the server, and written in a row line."""

    def __init__(self, name, kind, charset):
        self.name, self.kind, self.binary = name, kind, charset is None
        self.is_bytes = kind in ("geometry", "point", "vector") or (
            self.binary and kind in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))

    def expression(self):
        name = f"`{self.name}`"
        if self.kind in ("geometry", "point"):
            return f"HEX(SUBSTR(CAST({name} AS BINARY), 5))"
        if self.is_bytes:
            return f"HEX({name})"
        if self.kind in ("bit", "year"):
            return f"CAST({name} + 0 AS CHAR)"
        if self.kind in ("float", "double"):
            return f"CONCAT({name})"
        return f"CONVERT({name} USING utf8mb4)"

    def text(self, value, column_type):
        if value is None:
            return "\\N"
        if self.is_bytes:
            return "\\x" + value.lower()
        if self.kind in ("date", "datetime", "timestamp") and ("-00" in value[:10] or value[:4] == "0000"):
            return "\\N"
        if column_type == "bit(1)":
            return "true" if value == "1" else "false"
        if "zerofill" in column_type:
            value = value.lstrip("0") or "0"
        return escape(value)


class Recorder:
    def __init__(self, server, name):
        self.server, self.name = server, name
        self.connection = server.connect(init_command="SET time_zone = '+00:00', sql_mode = ''")
        self.cursor = self.connection.cursor()
        self.rows = []  # expected, in the order of the log
        self.infos = []
        self.run("CREATE DATABASE IF NOT EXISTS shop")
        self.run("USE shop")
        self.run("FLUSH BINARY LOGS")

    def run(self, sql, arguments=None):
        self.cursor.execute(sql, arguments)
        return self.cursor.fetchall()

    def fields(self, table):
        return [(Field(name, kind, charset), column_type) for name, kind, charset, column_type in self.run(
            "SELECT column_name, data_type, character_set_name, column_type FROM information_schema.columns"
            " WHERE table_schema = 'shop' AND table_name = %s ORDER BY ordinal_position", (table,))]

    def select(self, table):
        fields = self.fields(table)
        expressions = ", ".join(f.expression() for f, _ in fields)
        return {row[0]: [f.text(v, t) for v, (f, t) in zip(row, fields)] for row in self.run(
            f"SELECT {expressions} FROM `{table}` ORDER BY 1")}

    def change(self, table, sql, arguments=None):
        """Runs one statement that changes one table; its rows are told apart by the first column."""
        before = self.select(table)
        self.run(sql, arguments)
        after = self.select(table)
        for key in sorted(before.keys() | after.keys(), key=int):
            old, new = before.get(key), after.get(key)
            if old == new:
                continue
            op = "I" if old is None else "D" if new is None else "U"
            self.rows.append("\t".join(["row", op, f"shop.{table}", *(old or []), *(new or [])]))

    def expect(self, op, table, *values):
        """For rows that no SELECT shows, such as partial images."""
        self.rows.append("\t".join(["row", op, f"shop.{table}", *values]))

    def need_info(self, table):
        for row in self.run(
                "SELECT column_name, column_type, COALESCE(o.id, 0), COALESCE(s.maxlen, 0), is_nullable"
                " FROM information_schema.columns c"
                " LEFT JOIN information_schema.collations o ON o.collation_name = c.collation_name"
                " LEFT JOIN information_schema.character_sets s ON s.character_set_name = c.character_set_name"
                " WHERE table_schema = 'shop' AND table_name = %s ORDER BY ordinal_position", (table,)):
            self.infos.append("\t".join(["info", f"shop.{table}", *map(escape, row)]))

    def charsets(self):
        lines = []
        used = sorted({c for (c,) in self.run(
            "SELECT DISTINCT collation_name FROM information_schema.columns"
            " WHERE table_schema = 'shop' AND collation_name IS NOT NULL")})
        for collation in used:
            (number, charset, maxlen), = self.run(
                "SELECT o.id, o.character_set_name, s.maxlen FROM information_schema.collations o"
                " JOIN information_schema.character_sets s USING (character_set_name) WHERE o.collation_name = %s", (collation,))
            lines.append(f"collation\t{number}\t{charset}\t{maxlen}")
            if maxlen == 1 and charset not in ("ascii", "binary"):
                codes = b"".join(bytes([i]) + b"\n" for i in range(256) if i != 10)
                ((answer,),) = self.run(f"SELECT CONVERT(CONVERT(X'{codes.hex()}' USING {charset}) USING utf8mb4)")
                lines.append(f"charset\t{charset}\t{answer.encode().hex()}")
        return sorted(set(lines), key=lambda line: line.split("\t")[0] == "charset")

    def write(self):
        files = [row[0] for row in self.run("SHOW BINARY LOGS")]
        log = files[-1]
        ((version,),) = self.run("SELECT VERSION()")
        charsets = self.charsets()
        shown = {row[1]: (row[2], row[5]) for row in self.run(f"SHOW BINLOG EVENTS IN '{log}'")}
        out = [f"# {version}: recorded by record_binlog.py, which says what the lines mean", *charsets, *self.infos]
        data = (self.server.datadir / log).read_bytes()
        expected, position = list(self.rows), 4
        while position < len(data):
            size = int.from_bytes(data[position + 9:position + 13], "little")
            event = data[position:position + size]
            out.append(f"event\t{event.hex()}")
            kind, info = shown[position]
            if event[4] not in ROWS_EVENTS:
                out.append(f"shows\t{kind}\t{escape(info)}")
            if event[4] in ROWS_EVENTS or event[4] == 40:
                out.append("rows")
            position += size
        out += expected
        DATA.mkdir(exist_ok=True)
        (DATA / f"{self.name}.binlog").write_text("\n".join(out) + "\n")
        self.connection.close()


# --- what is recorded -----------------------------------------------------------------------------------------------

def numbers(r):
    r.run("CREATE TABLE numbers (id INT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, b1 BIT(1), si SMALLINT,"
          " su SMALLINT UNSIGNED, y YEAR, mi MEDIUMINT, mu MEDIUMINT UNSIGNED, ii INT, iu INT UNSIGNED ZEROFILL, b9 BIT(9),"
          " bi BIGINT, bu BIGINT UNSIGNED, b64 BIT(64), f FLOAT, fu FLOAT UNSIGNED, d DOUBLE, t1 TINYINT(1), last INT UNSIGNED)")
    r.change("numbers", "INSERT INTO numbers VALUES"
             " (1, -128, 255, 1, -32768, 65535, 1901, -8388608, 16777215, -2147483648, 4294967295, b'101010101',"
             "  -9223372036854775808, 18446744073709551615, 18446744073709551615, 1.5, 0.25, -2.5, 1, 4294967295),"
             " (2, 127, 0, 0, 32767, 0, 2155, 8388607, 0, 2147483647, 0, 0, 9223372036854775807, 0, 0, -0.5, 0, 1e300, -1, 1),"
             " (3, -1, 128, 1, -1, 32768, 0, -1, 8388608, -1, 2147483648, b'1', -1, 9223372036854775808, 1, 100, 3.5,"
             "  0.1, 0, 2147483648),"
             " (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    r.change("numbers", "UPDATE numbers SET ti = 5, last = 7 WHERE id = 1")
    r.change("numbers", "DELETE FROM numbers WHERE id IN (2, 4)")


def decimals(r):
    r.run("CREATE TABLE decimals (id INT PRIMARY KEY, a DECIMAL(1,0), b DECIMAL(2,2), c DECIMAL(10,2), d DECIMAL(18,9),"
          " e DECIMAL(38,10), f DECIMAL(65,30), g DECIMAL(65,0), h DECIMAL(30,30), i DECIMAL(9,0) UNSIGNED, j DECIMAL(14,4))")
    r.change("decimals", "INSERT INTO decimals VALUES"
             " (1, 9, 0.99, 12345678.90, 123456789.123456789, 1234567890123456789012345678.0123456789,"
             "  12345678901234567890123456789012345.123456789012345678901234567890, " + "9" * 65 + ", 0." + "9" * 30
             + ", 999999999, 1234567890.1234),"
             " (2, -9, -0.99, -12345678.90, -123456789.123456789, -1234567890123456789012345678.0123456789,"
             "  -12345678901234567890123456789012345.123456789012345678901234567890, -" + "9" * 65 + ", -0." + "9" * 30
             + ", 0, -1234567890.1234),"
             " (3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0), (4, -1, -0.01, -0.01, -0.000000001, 1, -1, 10, 0.5, 10, -0.0001),"
             " (5, 1, 0.10, 100, 0.1, 0.1, 1000000000, 1000000000, 0.000000001, 100000000, 1000.5)")


def temporals(r):
    columns = ", ".join(f"t{n} TIME({n}), d{n} DATETIME({n}), s{n} TIMESTAMP({n}) NULL" for n in range(7))
    r.run(f"CREATE TABLE temporals (id INT PRIMARY KEY, da DATE, {columns})")

    def row(number, date, time, datetime, timestamp):
        values = ", ".join(f"'{time}', '{datetime}', {timestamp}" for _ in range(7))
        r.change("temporals", f"INSERT INTO temporals VALUES ({number}, '{date}', {values})")

    row(1, "2026-11-01", "10:15:00.123456", "2026-11-01 10:15:00.123456", "'2026-11-01 10:15:00.123456'")
    row(2, "1000-01-01", "-838:59:59", "1000-01-01 00:00:00", "'1970-01-01 00:00:01'")
    row(3, "9999-12-31", "838:59:59", "9999-12-31 23:59:59.499999", "'2038-01-19 03:14:07.499999'")
    row(4, "2024-02-29", "-00:00:00.100009", "2024-02-29 23:59:59.999999", "'2024-02-29 23:59:59.999999'")
    row(5, "0000-00-00", "00:00:00", "0000-00-00 00:00:00", "'0000-00-00 00:00:00'")
    row(6, "2026-00-10", "-00:00:01", "2026-10-00 01:02:03", "NULL")
    row(7, "0001-01-01", "-100:00:00.5", "0001-01-01 00:00:00.000001", "'1999-12-31 23:59:59.000001'")


def texts(r):
    r.run("CREATE TABLE texts (id INT PRIMARY KEY, c CHAR(10) CHARACTER SET utf8mb4, v VARCHAR(300) CHARACTER SET utf8mb4,"
          " v3 VARCHAR(20) CHARACTER SET utf8mb3, l VARCHAR(20) CHARACTER SET latin1, lc CHAR(5) CHARACTER SET latin1,"
          " k VARCHAR(20) CHARACTER SET koi8r, u2 VARCHAR(10) CHARACTER SET ucs2, u16 CHAR(10) CHARACTER SET utf16,"
          " u32 VARCHAR(10) CHARACTER SET utf32, a VARCHAR(10) CHARACTER SET ascii, tt TINYTEXT CHARACTER SET latin1,"
          " t TEXT CHARACTER SET utf8mb4, mt MEDIUMTEXT CHARACTER SET utf8mb4, lt LONGTEXT CHARACTER SET utf16,"
          " big CHAR(255) CHARACTER SET utf8mb4) CHARACTER SET utf8mb4")
    insert = "INSERT INTO texts VALUES (" + ", ".join(["%s"] * 16) + ")"
    euro = "€uro é ß"
    r.change("texts", insert, (1, "añ€😀", "x" * 290 + "😀", "日本", euro, "é ü", "Привет", "日本é", "a😀b", "x😀", "plain",
                               "tiny é", "text\twith\nlines\\", "medium", "long 😀", "big é"))
    r.change("texts", insert, (2, "ab  ", "ab  ", "", "", "  a ", "", " ", "b ", "", "", "", "", "", "", ""))
    r.change("texts", insert, (3,) + (None,) * 15)
    r.change("texts", insert, (4, "NULL", "NULL", "'", '"', ",", ";", "\0", "\n", "\\", "\t", "", "", "", "", "z" * 255))


def binaries(r):
    r.run("CREATE TABLE binaries (id INT PRIMARY KEY, b BINARY(8), b16 BINARY(16), b255 BINARY(255), v VARBINARY(20),"
          " v300 VARBINARY(300), tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB)")
    insert = "INSERT INTO binaries VALUES (" + ", ".join(["%s"] * 10) + ")"
    for row in ((1, b"\x01\x02\0\0", b"\xff" * 16, b"\0", b"\0\x01\0", b"\xfe" * 256, b"t\0", b"\x80", b"", b"\n"),
                (2, b"", b"", b"", b"", b"", b"", b"", b"", b""), (3,) + (None,) * 9,
                (4, b"\0" * 8, b"a" * 15 + b" ", b"b" * 255, b" ", b"\r\n", b"", b"x" * 300, b"\xc3\x28", b"\0")):
        r.change("binaries", insert, row)


def enums(r):
    many = ", ".join(f"'m{i}'" for i in range(300))
    sets = ", ".join(f"'s{i}'" for i in range(64))
    r.run("CREATE TABLE enums (id INT PRIMARY KEY, e ENUM('a', 'b''c', 'é', 'back\\\\slash', 'x y') CHARACTER SET latin1,"
          f" m ENUM({many}), s SET('x', 'ü', 'z') CHARACTER SET latin1, s9 SET('1','2','3','4','5','6','7','8','9'),"
          f" s64 SET({sets}), v VARCHAR(5)) CHARACTER SET utf8mb4")
    r.change("enums", "INSERT INTO enums VALUES (1, 'a', 'm0', 'x', '1', 's0', 'v'), (2, 'b''c', 'm299', 'x,ü,z', '1,9', 's0,s63', 'w'),"
             " (3, 'é', 'm255', '', '', '', ''), (4, 'back\\\\slash', 'm254', 'ü', '9', 's31,s32,s33', NULL),"
             " (5, 'nothing', 'm1', 'z', '8', 's7', 'x'), (6, NULL, NULL, NULL, NULL, NULL, NULL)")


def documents(r):
    r.run("CREATE TABLE documents (id INT PRIMARY KEY, j JSON)")

    def row(number, json):
        r.change("documents", "INSERT INTO documents VALUES (%s, %s)", (number, json))

    row(1, '{"b": 1, "a": [1, -1, 32767, 32768, -32769, 65535, 65536, 2147483647, 2147483648, -2147483649], "long key": null}')
    row(2, '[true, false, null, "", "é😀", "\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u007f", {}, [], [[[]]], {"": {"": ""}}]')
    row(3, '[0.0, -0.0, 1.0, 1.5, -2.25, 0.1, 1e14, 1e15, 1e16, 123456789012345.6, 1e-4, 1e-5, 1e-14, 1e-15, 1e-16, 1.5e300,'
           ' 2.2250738585072014e-308, 1.7976931348623157e308, 3.141592653589793, 100.0, 12345678.5, 5.684341886080802e-14]')
    row(4, '[9223372036854775807, -9223372036854775808, 18446744073709551615, 4294967295, 4294967296]')
    row(5, '"scalar"')
    row(6, "12")
    row(7, None)
    if not r.name.startswith("mysql-9"):
        row(8, '{"k": "' + "x" * 70000 + '", "n": 70000, "m": -70000, "l": 1}')
    row(9, "[" + ", ".join(f'"{i}"' for i in range(200)) + "]")
    row(10, '{"text": "' + "y" * 200 + '"}')
    r.change("documents", "INSERT INTO documents VALUES (11, JSON_ARRAY(CAST(1.50 AS DECIMAL(10,3)), CAST(-0.5 AS DECIMAL(5,2)),"
             " DATE'2026-11-01', TIME'-12:34:56.7', TIMESTAMP'2026-11-01 10:15:00.5', CAST(REPEAT('a', 100) AS BINARY), X'0102',"
             " b'101', CAST(NULL AS CHAR), TIME'838:59:59', CAST(REPEAT('b', 57) AS BINARY)))")
    r.run("CREATE TABLE source (y YEAR, b BIT(5), g GEOMETRY, bl BLOB, e ENUM('x', 'y'), ts TIMESTAMP(3) NULL)")
    r.run("SET sql_log_bin = 0")
    r.run("INSERT INTO source VALUES (2026, 5, NULL, 'blob', 'y', '2026-11-01 10:15:00.125')")
    r.run("SET sql_log_bin = 1")
    r.change("documents", "INSERT INTO documents SELECT 12, JSON_OBJECT('y', y, 'b', b, 'g', g, 'bl', bl, 'e', e, 'ts', ts) FROM source")
    r.change("documents", "UPDATE documents SET j = JSON_SET(j, '$.b', 'other', '$.c', 3) WHERE id = 1")
    r.change("documents", "UPDATE documents SET j = JSON_REMOVE(j, '$.text') WHERE id = 10")


def geometries(r):
    r.run("CREATE TABLE geometries (id INT PRIMARY KEY, l VARCHAR(5) CHARACTER SET latin1, g GEOMETRY, p POINT,"
          " v VARCHAR(5) CHARACTER SET utf8mb4)")
    r.change("geometries", "INSERT INTO geometries VALUES (1, 'é', ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), POINT(1.5, -2), 'é'),"
             " (2, 'a', ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(1 1,2 2))'), NULL, 'b'), (3, NULL, NULL, NULL, NULL)")


def partials(r):
    """MINIMAL and NOBLOB images: what is not sent is \\U."""
    r.run("CREATE TABLE partials (id INT PRIMARY KEY, a INT, b VARCHAR(10), c TEXT, d INT DEFAULT 7)")
    r.run("SET binlog_row_image = 'MINIMAL'")
    r.run("INSERT INTO partials (id, a) VALUES (1, 10)")
    r.expect("I", "partials", "1", "10", "\\U", "\\U", "\\U")
    r.run("UPDATE partials SET b = 'x' WHERE id = 1")
    r.expect("U", "partials", "1", "\\U", "\\U", "\\U", "\\U", "\\U", "\\U", "x", "\\U", "\\U")
    r.run("UPDATE partials SET id = 2, c = NULL, d = 8 WHERE id = 1")
    r.expect("U", "partials", "1", "\\U", "\\U", "\\U", "\\U", "2", "\\U", "\\U", "\\N", "8")
    r.run("DELETE FROM partials WHERE id = 2")
    r.expect("D", "partials", "2", "\\U", "\\U", "\\U", "\\U")
    r.run("CREATE TABLE defaults (a INT DEFAULT 5, b VARCHAR(5) DEFAULT 'x')")
    r.run("INSERT INTO defaults () VALUES ()")
    r.expect("I", "defaults", *r.bare_insert)
    r.run("SET binlog_row_image = 'NOBLOB'")
    r.run("INSERT INTO partials VALUES (3, 1, 'b', 'text', 2)")
    r.expect("I", "partials", "3", "1", "b", "text", "2")
    r.run("UPDATE partials SET a = 2 WHERE id = 3")
    r.expect("U", "partials", "3", "1", "b", "\\U", "2", "3", "2", "b", "\\U", "2")
    r.run("SET binlog_row_image = 'FULL'")


def transactions(r):
    """XA, savepoints, many tables in one statement, and all that is not rows."""
    r.run("CREATE TABLE one (id INT PRIMARY KEY) ENGINE=InnoDB")
    r.run("CREATE TABLE two (id INT PRIMARY KEY) ENGINE=InnoDB")
    r.run("BEGIN")
    r.change("one", "INSERT INTO one VALUES (1), (2)")
    r.run("SAVEPOINT sp")
    r.change("two", "INSERT INTO two VALUES (5)")
    r.run("ROLLBACK TO sp")
    r.rows.pop()
    r.run("COMMIT")
    r.run("XA START 'gtrid', 'bqual', 7")
    r.run("INSERT INTO one VALUES (3)")
    r.expect("I", "one", "3")
    r.run("XA END 'gtrid', 'bqual', 7")
    r.run("XA PREPARE 'gtrid', 'bqual', 7")
    # Another session has to end it: only a prepared transaction without a session shows XA COMMIT by itself.
    r.run("XA COMMIT 'gtrid', 'bqual', 7")
    r.change("one", "DELETE one, two FROM one LEFT JOIN two ON one.id = two.id WHERE one.id = 1")
    r.run("SET character_set_client = latin1")
    r.run("CREATE TABLE after_latin1 (id INT)")
    r.run("SET character_set_client = utf8mb4")
    r.run("SET sql_mode = 'ANSI_QUOTES'")
    r.run('CREATE TABLE "quoted" (id INT)')
    r.run("SET sql_mode = ''")
    r.run("TRUNCATE TABLE two")
    r.run("DROP TABLE two")


def maria_only(r):
    r.run("CREATE TABLE maria_types (id INT PRIMARY KEY, u UUID, i6 INET6, i4 INET4, vc VARCHAR(300) COMPRESSED,"
          " t TEXT COMPRESSED, b BLOB COMPRESSED, vb VARBINARY(200) COMPRESSED, tl TEXT COMPRESSED CHARACTER SET latin1,"
          " last INT UNSIGNED) CHARACTER SET utf8mb4")
    r.need_info("maria_types")
    insert = "INSERT INTO maria_types VALUES (" + ", ".join(["%s"] * 10) + ")"
    addresses = ["::", "::1", "::ffff:1.2.3.4", "::1.2.3.4", "2001:db8::1", "1:0:0:2:0:0:0:3", "1:2:3:4:5:6:7:8", "fe80::",
                 "0:1::", "1:0:2:3:4:5:6:7", "::2:0:0:0:0:1", "1::", "::ffff:0:1", "64:ff9b::1.2.3.4", "1:0:0:2::3:4", "::ffff:0.0.0.1",
                 "::0.1.0.0", "::5:1", "0:0:1::"]
    uuids = ["00000000-0000-0000-0000-000000000000", "550e8400-e29b-11d4-a716-446655440001", "550e8400-e29b-41d4-a716-446655440000",
             "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-8234-8234-000000000100"]
    for i, address in enumerate(addresses):
        r.change("maria_types", insert, (i + 1, uuids[i % 5], address, ["0.0.0.0", "1.2.3.4", "255.255.255.255"][i % 3], "é" * (i % 4 * 40),
                                         "text " * (i % 5), b"blob\0" * (i % 3 * 8), b"\xff" * (i % 2 * 90), "é" * (i % 4), 4294967295))
    r.run("SET GLOBAL mysql56_temporal_format = OFF")
    columns = ", ".join(f"t{n} TIME({n}), d{n} DATETIME({n}), s{n} TIMESTAMP({n}) NULL" for n in range(7))
    r.run(f"CREATE TABLE hires (id INT PRIMARY KEY, {columns})")
    r.run("SET GLOBAL mysql56_temporal_format = ON")
    r.need_info("hires")
    for number, time, datetime, timestamp in (
            (1, "10:15:00.123456", "2026-11-01 10:15:00.123456", "'2026-11-01 10:15:00.123456'"),
            (2, "-838:59:59.9", "9999-12-31 23:59:59.9", "'2038-01-19 03:14:07.9'"),
            (3, "-00:00:00.100009", "1000-01-01 00:00:00", "'1970-01-01 00:00:01'"),
            (4, "00:00:00", "0000-00-00 00:00:00", "'0000-00-00 00:00:00'"), (5, "838:59:59.9", "2026-00-10 00:00:00", "NULL")):
        r.change("hires", "INSERT INTO hires VALUES (" + ", ".join([str(number)] + [f"'{time}', '{datetime}', {timestamp}"] * 7) + ")")


def maria_compressed(r):
    r.run("SET GLOBAL log_bin_compress = ON")
    r.run("SET GLOBAL log_bin_compress_min_len = 10")
    r.run("CREATE TABLE squeezed (id INT PRIMARY KEY, v VARCHAR(200)) COMMENT 'a statement that is long enough to be compressed'")
    r.change("squeezed", "INSERT INTO squeezed VALUES (1, REPEAT('a', 100)), (2, REPEAT('b', 100)), (3, 'c')")
    r.change("squeezed", "UPDATE squeezed SET v = REPEAT('d', 150) WHERE id < 3")
    r.change("squeezed", "DELETE FROM squeezed")
    r.run("SET GLOBAL log_bin_compress = OFF")
    r.run("SET GLOBAL binlog_alter_two_phase = ON")
    r.run("SET SESSION binlog_alter_two_phase = ON")
    r.run("ALTER TABLE squeezed ADD COLUMN w INT")


def mysql_compressed(r):
    r.run("CREATE TABLE squeezed (id INT PRIMARY KEY, v VARCHAR(200))")
    r.run("SET binlog_transaction_compression = ON")
    r.change("squeezed", "INSERT INTO squeezed VALUES (1, REPEAT('a', 100)), (2, REPEAT('b', 100)), (3, 'c')")
    r.change("squeezed", "UPDATE squeezed SET v = REPEAT('d', 150) WHERE id < 3")
    r.run("SET binlog_transaction_compression = OFF")
    r.run("SET GTID_NEXT = 'AUTOMATIC:tagged'")
    r.change("squeezed", "DELETE FROM squeezed")
    r.run("SET GTID_NEXT = 'AUTOMATIC'")


def vectors(r):
    r.run("CREATE TABLE vectors (id INT PRIMARY KEY, l VARCHAR(5) CHARACTER SET latin1, v VECTOR(3),"
          " u VARCHAR(5) CHARACTER SET utf8mb4)")
    r.change("vectors", "INSERT INTO vectors VALUES (1, 'é', STRING_TO_VECTOR('[1,2.5,-3]'), 'é'), (2, NULL, NULL, NULL)")


def minimal(r):
    """binlog_row_metadata=MINIMAL: names, enum labels and keys come from information_schema."""
    r.run("SET GLOBAL binlog_row_metadata = MINIMAL")
    r.run("CREATE TABLE scant (id BIGINT UNSIGNED PRIMARY KEY, e ENUM('a', 'é', 'c'), s SET('x', 'y') CHARACTER SET latin1,"
          " l VARCHAR(10) CHARACTER SET latin1, y YEAR, n BIGINT UNSIGNED, d DECIMAL(5,2), t TEXT) CHARACTER SET utf8mb4")
    r.need_info("scant")
    r.change("scant", "INSERT INTO scant VALUES (4294967295, 'é', 'x,y', 'é', 2026, 18446744073709551615, 1.5, 'é'),"
             " (4294967296, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    r.run("SET GLOBAL binlog_row_metadata = FULL")


def generated(r):
    r.run("CREATE TABLE made (id INT PRIMARY KEY, a INT, v INT GENERATED ALWAYS AS (a + 1) VIRTUAL,"
          " s VARCHAR(10) GENERATED ALWAYS AS (CONCAT('s', a)) STORED, b INT)")
    r.change("made", "INSERT INTO made (id, a, b) VALUES (1, 2, 3), (2, NULL, 4)")
    r.change("made", "UPDATE made SET a = a + 1, b = 9")
    r.change("made", "DELETE FROM made WHERE id = 1")


COMMON = [numbers, decimals, temporals, texts, binaries, enums, geometries, partials, generated, transactions, minimal]
# What a server writes for an INSERT that names no column, with MINIMAL images.
BARE, WITH_DEFAULTS = ["\\U", "\\U"], ["5", "x"]
RECORDINGS = {
    "mariadb-10.11": (MariaDB, [*COMMON, maria_only, maria_compressed], WITH_DEFAULTS),
    "mysql-8.0": (MySQL80, [*COMMON, documents], BARE),
    "mysql-9.7": (MySQL97, [*COMMON, documents, mysql_compressed, vectors], BARE),
}


def main():
    for name, (server_class, parts, bare_insert) in RECORDINGS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with server_class() as server:
            for part in parts:
                recorder = Recorder(server, f"{name}-{part.__name__.replace('_', '-')}")
                recorder.bare_insert = bare_insert
                part(recorder)
                recorder.write()
                server.sql("DROP DATABASE shop")
                print(recorder.name)


if __name__ == "__main__":
    main()
