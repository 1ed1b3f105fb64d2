"""Makes seeds for fuzz_binlog from the recordings of tests/unit/data:

    python3 tests/fuzz/fuzz_binlog_seeds.py FOLDER

Each seed is a format: the byte that chooses the server, then u16 length, type code and body of each event."""

import sys
from pathlib import Path

SERVERS = {"mariadb": 0, "mysql-8": 1, "mysql-9": 3}

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for recording in sorted((Path(__file__).parent.parent / "unit" / "data").glob("*.binlog")):
    server = next(n for prefix, n in SERVERS.items() if recording.name.startswith(prefix))
    seed = bytearray([server])
    for line in recording.read_text().splitlines():
        if not line.startswith("event\t"):
            continue
        event = bytes.fromhex(line.split("\t")[1])
        body = event[19:-4]
        if event[4] != 15 and len(body) < 4096 and len(seed) < 8192:
            seed += len(body).to_bytes(2, "little") + bytes([event[4]]) + body
    (out / recording.stem).write_bytes(seed)
