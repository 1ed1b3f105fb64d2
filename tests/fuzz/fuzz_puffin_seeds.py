"""Seeds of fuzz_puffin: a file, a deletion vector, and sets of positions with each kind of container. See fuzz_puffin.c."""

import json
import struct
import sys
import zlib
from pathlib import Path


def bitmap(*containers):
    """Each container: key, cardinality, its bytes, whether it is of runs."""
    runs = [c for c in containers if c[3]]
    flags = sum(1 << i for i, c in enumerate(containers) if c[3]).to_bytes((len(containers) + 7) // 8, "little")
    head = struct.pack("<HH", 12347, len(containers) - 1) + flags if runs else struct.pack("<II", 12346, len(containers))
    keys = b"".join(struct.pack("<HH", key, count - 1) for key, count, _, _ in containers)
    offsets = b"" if runs and len(containers) < 4 else bytes(4 * len(containers))  # which nobody reads
    return head + keys + offsets + b"".join(c[2] for c in containers)


def positions(*bitmaps):
    return struct.pack("<Q", len(bitmaps)) + b"".join(struct.pack("<I", key) + data for key, data in bitmaps)


def vector(data):
    body = b"\xd1\xd3\x39\x64" + data
    return struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))


def file(*vectors):
    blobs, offset = [], 4
    for data in vectors:
        blobs.append({"type": "deletion-vector-v1", "fields": [1], "snapshot-id": -1, "sequence-number": -1, "offset": offset,
                      "length": len(data), "properties": {"referenced-data-file": "a", "cardinality": "3"}})
        offset += len(data)
    footer = json.dumps({"blobs": blobs}).encode()
    return b"PFA1" + b"".join(vectors) + b"PFA1" + footer + struct.pack("<II", len(footer), 0) + b"PFA1"


def main(folder):
    array = (0, 3, struct.pack("<HHH", 1, 5, 65535), False)
    bits = (2, 32768, b"\x55" * 8192, False)
    runs = (3, 5000, struct.pack("<HHHHH", 2, 10, 3999, 60000, 999), True)
    few = (1, 4, struct.pack("<HHH", 1, 7, 3), True)
    small = positions((0, bitmap(array)))
    seeds = {"file": b"\0" + file(vector(small), vector(positions())), "vector": b"\1" + vector(small), "arrays": b"\2" + small,
             "bits": b"\2" + positions((0, bitmap(array, bits))), "runs": b"\2" + positions((0, bitmap(array, few)), (7, bitmap(runs))),
             "all": b"\2" + positions((0, bitmap(array, few, bits, runs)), (1, bitmap(array)))}
    for name, data in seeds.items():
        Path(folder, name).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
