"""The outbox's file: tables, connections, and what can be read from it by anyone."""

import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from .outbox_taken import SCHEMA as TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .coverage import Span

SCHEMA_VERSION: Final = 1
BUSY_S: Final = 30.0  # how long a connection waits for another one's write
# Counters with this before a node's id: letters of ASIDE_STAGES that are no longer in the table.
ASIDE: Final = "set_aside/"
# Counters with this before a sink's name: samples it never got, and how many of them were made up.
PASSED: Final = "passed/"
MADE_UP: Final = "made_up/"
ASIDE_STAGES: Final = frozenset({"source", "warm"})  # what these refuse is in no tier for good

_SCHEMA: Final = """
CREATE TABLE batch (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  packed INTEGER NOT NULL,  -- 0: one message as received; 1: many, see outbox_pack
  samples INTEGER NOT NULL,
  blob BLOB NOT NULL
);
CREATE TABLE cursor (sink TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
-- rank: the higher, the later this spool of the node was first seen
CREATE TABLE spool (
  node_id TEXT NOT NULL, spool_id TEXT NOT NULL, rank INTEGER NOT NULL,
  PRIMARY KEY (node_id, spool_id)
) WITHOUT ROWID;
CREATE TABLE coverage (
  node_id TEXT NOT NULL, spool_id TEXT NOT NULL, seq_from INTEGER NOT NULL,
  seq_to INTEGER NOT NULL, PRIMARY KEY (node_id, spool_id, seq_from)
) WITHOUT ROWID;
-- numbers that will never come: kind 'gap' (dropped by the node unread) or 'hole' (never existed)
CREATE TABLE absence (
  node_id TEXT NOT NULL, spool_id TEXT NOT NULL, kind TEXT NOT NULL, seq_from INTEGER NOT NULL,
  seq_to INTEGER NOT NULL, PRIMARY KEY (node_id, spool_id, kind, seq_from)
) WITHOUT ROWID;
-- those that are not yet documents in the warm tier
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL, stage TEXT NOT NULL, node_id TEXT NOT NULL, reason TEXT NOT NULL,
  record BLOB NOT NULL
);
CREATE TABLE latency (bucket INTEGER PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""


class OutboxError(Exception):
    """The outbox's file cannot be used; the text says why and what to do."""


def connect(path: Path) -> sqlite3.Connection:
    """The one connection that writes; makes the file, raises OutboxError for a foreign one.

    A commit returns only when the data is on the disk (`synchronous=FULL`).
    """
    new = not path.exists()
    if new:
        path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        with in_words(path):
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA journal_size_limit=16777216")
            version = _version(db, path)
            if version == 0:
                db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
            db.execute(TAKEN)
    except OutboxError:
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that only reads, also beside a running bridge; raises OutboxError."""
    if not path.exists():
        raise OutboxError(f"{path} does not exist: no bridge has run on this data_dir yet")
    with in_words(path):
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _version(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Such a connection while this lasts; raises OutboxError for all that SQLite finds wrong."""
    with closing(connect_read_only(path)) as db, in_words(path):
        yield db


@contextmanager
def in_words(path: Path | str) -> Iterator[None]:
    """Raise OutboxError in the place of what SQLite finds wrong with that outbox."""
    try:
        yield
    except sqlite3.DatabaseError as err:
        # Other kinds, such as a disk that is full, may pass.
        damaged = type(err) is sqlite3.DatabaseError
        raise OutboxError(
            f"{path} cannot be opened as an outbox: {err}"
            + (
                "; restore a backup, or move the file away: then the nodes send what they still "
                "have once more"
                if damaged
                else ""
            )
        ) from err


def _version(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, SCHEMA_VERSION}:
        raise OutboxError(
            f"{path} has schema {version}, this version knows {SCHEMA_VERSION}: "
            "use the version that wrote it, or a newer one"
        )
    return version


def bytes_used(db: sqlite3.Connection) -> int:
    """Bytes of the file's pages in use; free pages are given back to the disk in time."""
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    free = db.execute("PRAGMA freelist_count").fetchone()[0]
    return int((pages - free) * db.execute("PRAGMA page_size").fetchone()[0])


def read_spans(
    db: sqlite3.Connection, kind: str | None = None
) -> dict[tuple[str, str], list[Span]]:
    """By (node_id, spool_id): coverage, or with `kind` the absences of that kind."""
    rows: Iterator[tuple[str, str, int, int]]
    if kind is None:
        rows = db.execute("SELECT node_id, spool_id, seq_from, seq_to FROM coverage")
    else:
        rows = db.execute(
            "SELECT node_id, spool_id, seq_from, seq_to FROM absence WHERE kind = ?", (kind,)
        )
    found: dict[tuple[str, str], list[Span]] = {}
    for node_id, spool_id, low, high in rows:
        found.setdefault((node_id, spool_id), []).append((low, high))
    return {key: sorted(spans) for key, spans in found.items()}


def read_newest_spools(db: sqlite3.Connection) -> dict[str, str]:
    """By node_id: the spool last heard of."""
    rows = db.execute("SELECT node_id, spool_id FROM spool ORDER BY rank")
    return dict(rows.fetchall())


def read_counters(db: sqlite3.Connection) -> dict[str, int]:
    """The durable counters by name."""
    return dict(db.execute("SELECT name, n FROM counter").fetchall())


def read_set_aside(db: sqlite3.Connection) -> dict[str, int]:
    """By node: how many records of its coverage were refused for good, kept or not."""
    found = Counter(
        {
            name.removeprefix(ASIDE): n
            for name, n in read_counters(db).items()
            if name.startswith(ASIDE)
        }
    )
    for stage, node_id, n in db.execute(
        "SELECT stage, node_id, COUNT(*) FROM dead_letter GROUP BY stage, node_id"
    ):
        if stage in ASIDE_STAGES:
            found[node_id] += n
    return dict(found)
