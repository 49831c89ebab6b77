"""What SQLite alone takes for the bridge's rows: `python -m ... FILE ROWS` prints seconds.

The same table and durability (WAL, synchronous=FULL), 1,000 rows a commit, nothing else.
"""

import sqlite3
import sys
import time
from itertools import batched

from .fake_hass import CHANNELS


def main() -> int:
    """Insert ready rows of eight series that take turns, as they come from a node."""
    path, count = sys.argv[1], int(sys.argv[2])
    rows = [
        (n % CHANNELS, 1_790_000_000_000 + n // CHANNELS * 1000, 60 + n % 97 / 16, None, None)
        for n in range(count)
    ]
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(
        "CREATE TABLE sample (sid INTEGER NOT NULL, t INTEGER NOT NULL, value REAL,"
        " quality INTEGER, batch INTEGER, PRIMARY KEY (sid, t)) WITHOUT ROWID"
    )
    began = time.monotonic()
    for some in batched(rows, 1000, strict=False):
        db.execute("BEGIN")
        db.executemany("INSERT INTO sample VALUES (?, ?, ?, ?, ?)", some)
        db.execute("COMMIT")
    print(time.monotonic() - began)
    db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
