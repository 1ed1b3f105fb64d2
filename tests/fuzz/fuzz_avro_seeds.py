"""Seeds of fuzz_avro: records that its own schemas read, so that the fuzzer starts behind the header. See fuzz_avro.c."""

import sys
from pathlib import Path


def long(v):
    v = (v << 1) ^ (v >> 63)
    out = bytearray()
    while v > 0x7F:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def text(v):
    return long(len(v)) + v


def some(v):
    return long(1) + v


NULL = long(0)


def pairs(*entries):
    return some(long(len(entries)) + b"".join(long(k) + v for k, v in entries) + long(0)) if entries else NULL


def entry(status, content, numbers):
    """A manifest entry of version 3 with the partition (bucket, at, price)."""
    partition = some(long(2)) + NULL + some(b"\x00\x00\x01\x00")
    file = long(content) + text(b"file:///t/a.parquet") + text(b"PARQUET") + partition + long(100) + long(5000)
    counts = pairs((1, long(100)), (2, long(7)))
    bounds = pairs((1, text(b"\x01" + bytes(7))), (3, text(b"\x01\x00")))
    file += counts + counts + NULL + NULL + bounds + bounds + NULL + some(long(1) + long(4) + long(0)) + NULL + NULL
    return long(status) + numbers + file + some(long(9)) + some(text(b"file:///t/b")) + some(long(4)) + some(long(40))


def manifest_file(content, first_row_id):
    summary = b"\x01" + some(b"\x00") + some(text(b"\x01\x00\x00\x00")) + NULL
    numbers = b"".join(map(long, (5000, 0, content, 5, 4, 77, 1, 2, 3, 10, 20, 30)))
    return text(b"file:///t/m.avro") + numbers + some(long(1) + summary + long(0)) + NULL + first_row_id


def main(folder):
    added, kept = NULL * 3, some(long(5)) * 3
    seeds = {"added": b"\x81" + entry(1, 0, added), "two": b"\x91" + entry(0, 0, kept) + entry(2, 0, kept), "deletes": b"\x81" + entry(1, 1, added),
             "list": b"\x92" + manifest_file(0, some(long(3))) + manifest_file(1, NULL), "values": b"\x80" + entry(1, 2, kept)}
    for name, data in seeds.items():
        Path(folder, name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
