"""Random values of every column type, for the workload: each maker takes a random.Random and gives what a statement may hold.

The edges of a type come often. A maker gives a Python value that pymysql knows how to write, or `Sql`, an expression.
"""

import datetime
import json
from decimal import Decimal

EDGES = 0.25  # how often a value is one of the edges of its type


class Sql(str):
    """An SQL expression, written as it is."""


def edges(make, *values):
    return lambda rng: rng.choice(values) if rng.random() < EDGES else make(rng)


def nullable(make, share=0.1):
    return lambda rng: None if rng.random() < share else make(rng)


# --- numbers ---


def integer(low, high):
    return edges(lambda rng: rng.randint(low, high), low, high, 0, min(1, high), low + 1, high - 1)


def signed(bits):
    return integer(-(1 << bits - 1), (1 << bits - 1) - 1)


def unsigned(bits):
    return integer(0, (1 << bits) - 1)


def decimal(precision, scale, low=None):
    top = 10**precision - 1
    bottom = -top if low is None else low

    def text(number):
        digits = str(abs(number)).rjust(scale + 1, "0")
        whole, fraction = (digits[:-scale], digits[-scale:]) if scale else (digits, "")
        return Decimal(("-" if number < 0 else "") + whole + ("." + fraction if fraction else ""))

    def make(rng):
        digits = rng.randint(1, precision)
        return text(rng.randint(max(bottom, -(10**digits)), 10**digits - 1))

    return edges(make, text(0), text(top), text(bottom), text(1))


def double(rng):
    return Sql(repr(rng.choice([0.0, 0.1, 1e100, -2.5e-100, 1.7976931348623157e308, 2.2250738585072014e-308, 123456789.125,
                                rng.random(), rng.uniform(-1e15, 1e15), 1 / 3])))


def real(rng):
    """A value within FLOAT's range; the server rounds it to four bytes."""
    return Sql(repr(rng.choice([0.0, 0.1, 16777217.0, 3.4e38, -1.5e-38, rng.random(), rng.uniform(-1e10, 1e10), 1 / 3])))


# --- text ---

# What each of these character sets can hold beside ASCII.
ALPHABETS = {
    "utf8mb4": "äöüßéñ€中文字кириллицаעברית日本語😀🚀\u200b",
    "utf8": "äöüßéñ€中文字кириллицаעברית日本語",
    "ucs2": "äöüßéñ€中文字кириллицаעברית日本語",
    "utf16": "äöü€中文😀🚀",
    "utf32": "äöü€中文😀🚀",
    "latin1": "äöüßéñ€ÀÿŒ",  # MySQL's latin1 is Windows-1252
    "latin2": "ąćęłńóśźżőű",
    "ascii": "",
    "cp1251": "привет№Ї",
    "koi8r": "привет",
    "greek": "αβγδ",
    "hebrew": "שלום",
    "gbk": "中文字简体汉语",
    "gb18030": "中文字简体汉语😀",
    "big5": "中文字繁體漢語",
    "cp932": "日本語ｶﾅ表①髙",
    "sjis": "日本語ｶﾅ表",
    "ujis": "日本語ｶﾅ表",
    "euckr": "한국어",
}
SPECIAL = ["", "NULL", "null", '"', '""', "'", ",", "\n", "\r\n", "\t", "\\", "\\N", " leading", "a,b", 'a"b', "a\nb", "007", "UNCHANGED",
           "1e5", "true", "\x1a", "%", "=", "/", "nan", "-", "#"]


def text(limit, charset="utf8mb4"):
    alphabet = "abcdefghij KLMNOP.,;'\"0123456789" + ALPHABETS[charset] * 3
    special = [s for s in SPECIAL if len(s) <= limit]

    def make(rng):
        if rng.random() < EDGES:
            return rng.choice(special)
        longest = limit if rng.random() < 0.05 else min(limit, 20)
        return "".join(rng.choices(alphabet, k=rng.randint(1, longest)))

    return make


def large_text(most):
    def make(rng):
        block = "".join(rng.choices("abc äöü 😀\n\",", k=97))
        return (block * (rng.randint(1, most) // len(block) + 1))[: rng.randint(1, most // 4)]

    return make


# --- binary ---


def binary(least, most):
    def make(rng):
        if rng.random() < EDGES:
            return rng.choice([b"\x00" * least, b"\xff" * most, b"a" * least, b"\x00" * most, b"NULL".ljust(least, b"\x00")[: max(4, least)][:most]])
        return rng.randbytes(rng.randint(least, most))

    return make


def large_binary(most):
    return lambda rng: rng.randbytes(1024) * rng.randint(1, most // 1024)


# --- time ---


def date(rng):
    if rng.random() < EDGES:
        return rng.choice(["1000-01-01", "9999-12-31", "1970-01-01", "2000-02-29", "0001-01-01"])
    return (datetime.date(1950, 1, 1) + datetime.timedelta(days=rng.randint(0, 40000))).isoformat()


def date_with_zeros(rng):
    """Also dates that are none, which the lake shows as NULL."""
    return rng.choice(["0000-00-00", "2020-00-10", "2021-04-00", "2021-02-30"]) if rng.random() < 0.1 else date(rng)


def fraction(rng, digits):
    return "" if digits == 0 else "." + str(rng.choice([0, 10**digits - 1, 5 * 10 ** (digits - 1), rng.randrange(10**digits)])).zfill(digits)


def clock(rng, digits):
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction(rng, digits)}"


def datetime_text(digits, zeros=False):
    def make(rng):
        if zeros and rng.random() < 0.1:
            return rng.choice(["0000-00-00 00:00:00", "2020-00-10 10:11:12"])
        return f"{date(rng)} {clock(rng, digits)}"

    return make


def timestamp(digits):
    """Within 1970..2038, written in the session's zone, which is UTC."""
    return edges(lambda rng: (datetime.datetime(1970, 1, 2) + datetime.timedelta(seconds=rng.randrange(2_100_000_000))).isoformat(sep=" ")
                 + fraction(rng, digits), "1970-01-01 00:00:01", "2038-01-19 03:14:07", "2026-03-29 01:30:00", "2026-10-25 01:30:00")


def time(digits):
    def make(rng):
        sign = "-" if rng.random() < 0.3 else ""
        return f"{sign}{rng.randrange(838):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction(rng, digits)}"

    return edges(make, "00:00:00", "-838:59:59", "838:59:59", "24:00:00", "-00:00:01", "23:59:59")


def year(rng):
    return rng.choice([1901, 2155, 0, 1970, 2026])


# --- documents, shapes ---


def json_text(rng):
    def value(depth):
        kinds = ["null", "bool", "int", "double", "text", "big"] + (["array", "object"] * 2 if depth else [])
        match rng.choice(kinds):
            case "null": return None
            case "bool": return rng.random() < 0.5
            case "int": return rng.choice([0, -1, 127, 32768, -2147483649, rng.randint(-10**6, 10**6)])
            case "big": return rng.choice([9223372036854775807, -9223372036854775808, 18446744073709551615])
            case "double": return rng.choice([0.5, -1.25e-7, 1e100, 0.1])
            case "text": return rng.choice(["", "a", "ä😀", '"quoted"', "back\\slash", "line\nend", "x" * 200])
            case "array": return [value(depth - 1) for _ in range(rng.randint(0, 4))]
            case "object": return {rng.choice(["a", "b", "ключ", 'k"q', "long" * 10]): value(depth - 1) for _ in range(rng.randint(0, 4))}

    if rng.random() < 0.03:
        return json.dumps({"large": ["element %d" % i for i in range(6000)]})  # over 64 KiB: MySQL's large format
    return json.dumps(value(3), ensure_ascii=rng.random() < 0.5)


def json_of_types(rng):
    """MySQL's JSON holds SQL types that JSON text does not have."""
    return Sql("json_object('d', cast('%d.%02d' as decimal(12,2)), 't', cast('10:11:12.5' as time(6)), 'dt', timestamp'2026-01-02 03:04:05.678901', "
               "'day', date'2026-01-02', 'b', cast(x'00ff10' as binary), 'u', 18446744073709551615)" % (rng.randint(-999, 999), rng.randrange(100)))


def point(rng):
    return Sql(f"st_geomfromtext('POINT({rng.randint(-90, 90)} {rng.uniform(-80, 80)!r})')")


def geometry(rng):
    x, y = rng.randint(-50, 50), rng.randint(-50, 50)
    return Sql(rng.choice([
        f"st_geomfromtext('POINT({x} {y})')",
        f"st_geomfromtext('LINESTRING({x} {y}, {y} {x}, 0 0.5)')",
        f"st_geomfromtext('POLYGON((0 0, 0 {abs(y) + 1}, {abs(x) + 1} 0, 0 0))')",
        f"st_geomfromtext('GEOMETRYCOLLECTION(POINT({x} {y}), LINESTRING(0 0, 1 1))')",
    ]))


def is_date(text):
    """Whether `2026-02-30` and the like is a day that exists."""
    try:
        datetime.date.fromisoformat(text)
        return True
    except ValueError:
        return False
