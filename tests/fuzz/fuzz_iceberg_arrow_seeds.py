"""Seeds of fuzz_iceberg_arrow: the schemas of its unit test, as pyarrow wrote them."""

import re
import sys
from pathlib import Path

UNIT_TEST = Path(__file__).resolve().parents[1] / "unit" / "test_iceberg_arrow.c"


def main(folder):
    schemas = re.findall(r'\{"(\w+)",\s*((?:"[0-9a-f]+"\s*)+),', UNIT_TEST.read_text())
    assert schemas, f"no schemas in {UNIT_TEST}"
    for name, lines in schemas:
        Path(folder, name).write_bytes(bytes.fromhex("".join(re.findall("[0-9a-f]+", lines))))


if __name__ == "__main__":
    main(sys.argv[1])
