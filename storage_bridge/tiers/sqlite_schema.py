"""The tables of the store file, made and brought up to date step by step."""

from typing import TYPE_CHECKING, Final

from storage_bridge.model import Sample
from storage_bridge.records import sqlite_rows as records

from .base import Conflict, TierUnavailableError
from .conflicts import refused_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

_APPLICATION_ID: Final = 0x736D6272  # "smbr"

_FIRST: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE label (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
-- quality and batch are labels, null (a byte) for the usual ones, `ok` and no batch
CREATE TABLE sample (
  sid INTEGER NOT NULL, t INTEGER NOT NULL, value REAL, quality INTEGER, batch INTEGER,
  PRIMARY KEY (sid, t)
) WITHOUT ROWID;
-- what the samples of a minute add up to, kept in the transaction that writes them
CREATE TABLE minute (
  sid INTEGER NOT NULL, t INTEGER NOT NULL, rows INTEGER NOT NULL, n INTEGER NOT NULL,
  low REAL, high REAL, total REAL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (sid, t)
) WITHOUT ROWID;
CREATE TABLE conflict (
  series TEXT NOT NULL, t INTEGER NOT NULL,
  kept_value REAL, kept_quality TEXT NOT NULL, kept_batch TEXT,
  value REAL, quality TEXT NOT NULL, batch TEXT
);
CREATE UNIQUE INDEX conflict_once ON conflict (
  series, t, quality, ifnull(value, 'null'), ifnull(batch, '')
);
CREATE TABLE last (
  sid INTEGER PRIMARY KEY, t INTEGER NOT NULL, value REAL, quality TEXT NOT NULL, batch TEXT,
  spool_id TEXT, seq INTEGER
);
-- heads and blobs apart: a year of heads is a megabyte to read
CREATE TABLE chunk (
  sid INTEGER NOT NULL, hour INTEGER NOT NULL, gen BLOB NOT NULL, codec INTEGER NOT NULL,
  rows INTEGER NOT NULL, n INTEGER NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER NOT NULL,
  low REAL, high REAL, total REAL, crc INTEGER NOT NULL, blob INTEGER NOT NULL,
  PRIMARY KEY (sid, hour, gen)
) WITHOUT ROWID;
CREATE TABLE chunk_data (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the steps that the file has not seen, in the caller's transaction.

    Its version is how many it has; raises TierUnavailableError for that of a newer bridge.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_STEPS):
        raise TierUnavailableError(
            f"The store {path} was written by a newer version of the bridge "
            f"(schema {version}, this one knows {len(_STEPS)}); upgrade the bridge."
        )
    for step in _STEPS[version:]:
        step(connection)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(_STEPS)}")


def _run(connection: sqlite3.Connection, script: str) -> None:
    # Not `executescript`, which commits what is under way.
    for statement in script.split(";"):
        connection.execute(statement)


def _tiers(connection: sqlite3.Connection) -> None:
    _run(connection, _FIRST)


def _records(connection: sqlite3.Connection) -> None:
    """Conflicts become records like all others."""
    _run(connection, records.SCHEMA)
    rows = connection.execute("SELECT * FROM conflict").fetchall()
    conflicts = [Conflict(Sample(*row[:5]), Sample(row[0], row[1], *row[5:])) for row in rows]
    records.put(connection, [refused_of(conflict) for conflict in conflicts])
    connection.execute("DROP TABLE conflict")


def _archive(connection: sqlite3.Connection) -> None:
    """Records are archived as well."""
    _run(connection, records.ARCHIVE_SCHEMA)


_STEPS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_tiers, _records, _archive)
