"""The spool's SQLite file: every transaction on it, for one thread at a time.

Commits are WAL with synchronous=NORMAL: they survive a killed process at once and a power cut once
`sync` has run. Only the seq ceiling is written through to the disk before it is used.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from edge_node.model import OK
from edge_node.spool_numbering import Numbering
from edge_node.spool_paths import corrupt, log_bytes, sync_log
from edge_node.spool_stamp import Entry, Stamping, boot_offsets, guessed, stamp

SCHEMA_VERSION: Final = 1
_DROP_CHUNK: Final = 5000
_LARGEST_WAL: Final = 2**20
_SLACK: Final = 2**16


# series, value, quality, batch
Row = tuple[int, float | None, int, int | None]


class SpoolCorruptError(Exception):
    """The file is no usable spool."""


class SpoolFile:
    """One open spool file; `numbering` is what stands in it."""

    def __init__(self, path: Path, *, max_bytes: int, kernel_boot: str) -> None:
        """Open or begin the file; SpoolCorruptError if it is no spool, sqlite3.Error, OSError."""
        self.path = path
        self._boot = kernel_boot
        # The write-ahead log counts against the limit as well.
        self._wal_limit = min(_LARGEST_WAL, max_bytes // 8)
        self._db_limit = max_bytes - 2 * self._wal_limit
        self._dirty = False
        self._synced = time.monotonic()
        self._stamped_with: Stamping | None = None
        self._offsets: dict[str, int] = {}
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            path.chmod(0o600)
            self._open()
        except sqlite3.DatabaseError as err:
            self._db.close()
            if corrupt(err):
                raise SpoolCorruptError(str(err)) from err
            raise
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA busy_timeout = 2000")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in {0, SCHEMA_VERSION}:
            raise SpoolCorruptError(f"its schema version {version} is unknown to this release")
        if version == 0:
            db.executescript((files("edge_node") / "spool_schema.sql").read_text("utf-8"))
            with self._transaction(durable=True):
                for key, value in (
                    ("spool_id", uuid.uuid4().hex),
                    ("boot", self._boot),
                    ("first", 1),
                    ("last", 0),
                    ("ceiling", 0),
                    ("read", 0),
                    ("lost", 0),
                    ("dropped", 0),
                ):
                    db.execute("INSERT INTO meta VALUES (?, ?)", (key, value))
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute(f"PRAGMA journal_size_limit = {self._wal_limit}")
        self._load()

    def _load(self) -> None:
        db = self._db
        meta = dict(db.execute("SELECT key, value FROM meta"))
        try:
            self.spool_id = str(meta["spool_id"])
            first, last, ceiling = int(meta["first"]), int(meta["last"]), int(meta["ceiling"])
            self.read_to = int(meta["read"])
            self.lost, self.dropped_unread = int(meta["lost"]), int(meta["dropped"])
            boot = str(meta["boot"])
        except (KeyError, ValueError) as err:
            raise SpoolCorruptError(f"its table meta lacks {err}") from err
        newest = db.execute("SELECT seq, t FROM sample ORDER BY seq DESC LIMIT 1").fetchone()
        holes = tuple(db.execute("SELECT first, last FROM hole ORDER BY first"))
        # A hole at the end stands above the newest row.
        last = max(last, newest[0] if newest else 0, holes[-1][1] if holes else 0)
        self.newest_t: int | None = newest[1] if newest else None
        self.numbering = Numbering(first, last, max(ceiling, last), holes)
        self._load_names()
        if boot != self._boot:
            self._write_numbering(self.numbering.after_power_cut())
        self.pending = db.execute("SELECT count(*) FROM pending").fetchone()[0]

    @property
    def bytes(self) -> int:
        """Bytes of the file's pages and its log."""
        return self._pages() + log_bytes(self.path)

    def append(self, entries: Sequence[Entry], lost: int) -> None:
        """Commit stamped samples after `lost` ones that could not be kept; all or nothing."""
        numbering = self._reserve(len(entries) + lost).lost(lost)
        rows = self._rows(entries)
        with self._transaction():
            self._note_lost(numbering, lost)
            seq = numbering.last
            for entry, row in zip(entries, rows, strict=True):
                seq += 1
                t = entry.t
                assert t is not None
                newest = self._insert(seq, t, row)
        self.numbering = numbering.taken(len(entries))
        self.lost += lost
        if entries:
            self.newest_t = newest

    def pend(self, entries: Sequence[Entry], lost: int) -> None:
        """Commit samples without a time after `lost` ones; they cannot be served yet."""
        numbering = self._reserve(lost).lost(lost)
        self._learn(self._boot)
        boot = self._names[self._boot]
        rows = [
            (boot, entry.mono, int(entry.periodic), *row)
            for entry, row in zip(entries, self._rows(entries), strict=True)
        ]
        with self._transaction():
            self._note_lost(numbering, lost)
            self._db.executemany(
                "INSERT INTO pending (boot, mono, periodic, series, value, quality, batch)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        self.numbering = numbering
        self.lost += lost
        self.pending += len(rows)

    def stamp_some(self, stamping: Stamping, limit: int) -> int:
        """Give the `limit` oldest pending samples time and seq; how many (0: none are left)."""
        rows = self._db.execute(
            "SELECT pending.id, name.text, mono, periodic, series, value, quality, batch"
            " FROM pending JOIN name ON name.id = boot ORDER BY pending.id LIMIT ?",
            (limit,),
        ).fetchall()
        if not rows:
            self.pending = 0
            return 0
        offsets = self._boot_offsets(stamping)
        texts = {key: text for text, key in self._names.items()}
        guesses = {row[6]: guessed(texts[row[6]]) for row in rows}
        self._learn(*guesses.values())
        # One write-through for all that is pending, not one for every thousand.
        numbering = self._reserve(max(self.pending, len(rows)))
        newest = 0
        with self._transaction():
            for seq, row in enumerate(rows, numbering.last + 1):
                _, boot, mono, periodic, series, value, quality, batch = row
                t = stamp(
                    mono,
                    offsets[boot],
                    periodic=bool(periodic),
                    steps_back=stamping.steps_back,
                )
                sure = boot == stamping.boot
                newest = self._insert(
                    seq,
                    t,
                    (series, value, quality if sure else self._names[guesses[quality]], batch),
                )
            self._db.execute("DELETE FROM pending WHERE id <= ?", (rows[-1][0],))
        self.numbering = numbering.taken(len(rows))
        self.newest_t = newest
        self.pending -= len(rows)
        return len(rows)

    def too_large(self) -> Numbering | None:
        """While the file is over its limit: what the numbering is once the next drop is done."""
        if self._used_bytes() <= self._db_limit:
            return None
        numbering = self.numbering
        chunk = min(_DROP_CHUNK, max(100, numbering.rows // 100))
        row = self._db.execute(
            "SELECT seq FROM sample ORDER BY seq LIMIT 1 OFFSET ?", (chunk,)
        ).fetchone()
        return numbering.dropped(row[0] if row else numbering.last + 1)

    def drop(self, new: Numbering, read_to: int) -> int:
        """Drop the oldest, as `too_large` said, which readers must know by now; how many went.

        `read_to` is up to where clients have read: what goes above it is counted.
        """
        if self.numbering.rows <= 0:
            return self._drop_pending()
        (unread,) = self._db.execute(
            "SELECT count(*) FROM sample WHERE seq > ? AND seq < ?",
            (max(read_to, self.read_to), new.first),
        ).fetchone()
        with self._transaction():
            gone = self._db.execute("DELETE FROM sample WHERE seq < ?", (new.first,)).rowcount
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'first'", (new.first,))
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'last'", (new.last,))
            self._db.execute("UPDATE meta SET value = value + ? WHERE key = 'dropped'", (unread,))
            self._write_holes(new)
        self.numbering = new
        self.dropped_unread += unread
        return gone

    def shrink(self) -> None:
        """Give freed pages back where the limit itself was lowered; else they are used again."""
        if self._pages() > self._db_limit + _SLACK and self._used_bytes() <= self._db_limit:
            # A script, since this statement gives back one page for each step that is taken.
            self._db.executescript("PRAGMA incremental_vacuum")

    def sync_if_due(self, interval_s: float, read_to: int) -> None:
        """Bring the commits to the disk if the last time is `interval_s` ago.

        `read_to`, up to where clients have read, is written down on the way.
        """
        now = time.monotonic()
        if not self._dirty or now - self._synced < interval_s:
            return
        if read_to > self.read_to:
            with self._transaction():
                self._db.execute("UPDATE meta SET value = ? WHERE key = 'read'", (read_to,))
            self.read_to = read_to
        sync_log(self.path)
        self._dirty = False
        self._synced = now

    def fold_log(self) -> None:
        """Move the log into the file when it has grown; done here, after a commit was served."""
        if log_bytes(self.path) >= self._wal_limit // 2:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Bring all to the disk and lower the ceiling to what was used: a clean end has no hole."""
        try:
            numbering = self.numbering
            self._write_numbering(
                Numbering(numbering.first, numbering.last, numbering.last, numbering.holes)
            )
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Close without writing, for a file that is broken."""
        self._db.close()

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        if durable:
            self._db.execute("PRAGMA synchronous = FULL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (a full disk is one).
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        finally:
            if durable:
                self._db.execute("PRAGMA synchronous = NORMAL")
        self._dirty = not durable

    def _reserve(self, count: int) -> Numbering:
        """The numbering with room for `count` seqs, raised on the disk first where needed."""
        if self.numbering.needs_ceiling(count):
            self._write_numbering(self.numbering.raised(count))
        return self.numbering

    def _write_numbering(self, numbering: Numbering) -> None:
        with self._transaction(durable=True):
            for key, value in (
                ("first", numbering.first),
                ("last", numbering.last),
                ("ceiling", numbering.ceiling),
                ("boot", self._boot),
            ):
                self._db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
            self._write_holes(numbering)
        self.numbering = numbering

    def _write_holes(self, numbering: Numbering) -> None:
        self._db.execute("DELETE FROM hole")
        self._db.executemany("INSERT INTO hole VALUES (?, ?)", numbering.holes)

    def _note_lost(self, numbering: Numbering, lost: int) -> None:
        if lost:
            self._write_holes(numbering)
            self._db.execute("UPDATE meta SET value = value + ? WHERE key = 'lost'", (lost,))

    def _learn(self, *texts: str | None) -> None:
        """Give new texts a number; committed on its own, before one is used."""
        new = {text for text in texts if text is not None and text not in self._names}
        if not new:
            return
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO name (text) VALUES (?)", [(text,) for text in sorted(new)]
            )
        self._load_names()

    def _load_names(self) -> None:
        rows = self._db.execute("SELECT text, id FROM name")
        self._names: dict[str, int] = {OK: 0, **dict(rows)}

    def _rows(self, entries: Sequence[Entry]) -> list[Row]:
        for part in ("series", "quality", "batch"):
            self._learn(*{getattr(entry, part) for entry in entries})
        names = self._names
        return [
            (
                names[entry.series],
                entry.value,
                names[entry.quality],
                None if entry.batch is None else names[entry.batch],
            )
            for entry in entries
        ]

    def _insert(self, seq: int, t: int, row: Row) -> int:
        """Insert at `t` or the next free millisecond of the series; where it went."""
        while not self._db.execute(
            "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (t, series) DO NOTHING",
            (seq, t, *row),
        ).rowcount:
            t += 1
        return t

    def _boot_offsets(self, stamping: Stamping) -> dict[str, int]:
        """Worked out once: the guesses must not move while the oldest rows are taken away."""
        if self._stamped_with is not stamping:
            spans = self._db.execute(
                "SELECT name.text, max(mono) FROM pending JOIN name ON name.id = boot"
                " GROUP BY boot ORDER BY min(pending.id)"
            ).fetchall()
            self._offsets = boot_offsets(spans, stamping)
            self._stamped_with = stamping
        return self._offsets

    def _pages(self) -> int:
        """Bytes of all pages."""
        return self._pragma("page_count") * self._pragma("page_size")

    def _used_bytes(self) -> int:
        return self._pages() - self._pragma("freelist_count") * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _drop_pending(self) -> int:
        """Drop the oldest samples that have no time yet: they are all that fills the file."""
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM pending WHERE id <= (SELECT min(id) + ? FROM pending)", (_DROP_CHUNK,)
            ).rowcount
            self._db.execute("UPDATE meta SET value = value + ? WHERE key = 'dropped'", (gone,))
        self.dropped_unread += gone
        self.pending -= gone
        return gone
