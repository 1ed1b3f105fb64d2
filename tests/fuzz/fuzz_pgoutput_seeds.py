"""Makes seeds for fuzz_pgoutput from the recordings of tests/unit/data:

    python3 tests/fuzz/fuzz_pgoutput_seeds.py FOLDER

Each is a stream of messages: u16 length and bytes."""

import sys
from pathlib import Path

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for recording in sorted((Path(__file__).parent.parent / "unit" / "data").glob("*.pgoutput")):
    seed = bytearray()
    for line in recording.read_text().splitlines():
        if line.startswith("message\t"):
            message = bytes.fromhex(line.split("\t")[1])
            if len(message) < 4096 and len(seed) < 8192:
                seed += len(message).to_bytes(2, "little") + message
    (out / recording.stem).write_bytes(seed)
