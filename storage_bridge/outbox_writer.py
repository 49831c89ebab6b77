"""The outbox's one writing thread: group commit, cursors, room."""

import logging
import queue
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from . import outbox_latency
from .outbox_ledger import Ledger
from .outbox_schema import OutboxError, bytes_used, connect, in_words

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from .outbox_batch import BadRecord, Batch

LOGGER = logging.getLogger(__name__)

COMMIT_EVERY_S: Final = 0.05  # commits of a trickle are at least this far apart ...
FEW: Final = 4  # ... unless this many batches wait: a node sends no fifth before an answer
TIDY_EVERY_S: Final = 0.25  # cursors and deletions wait for a batch's commit, but not longer
RETRY_S: Final = (0.2, 5.0)  # first and longest wait after a commit that failed
ROOM: Final = 0.9  # part of max_bytes below which a full outbox stops passing caches
PACK_ABOVE: Final = 0.5  # part of max_bytes above which the oldest rows are compressed
RETURN_PAGES: Final = 2_000  # free pages given back to the disk at a time


@dataclass(frozen=True, slots=True)
class Append:
    """A batch that waits for its commit."""

    batch: Batch
    blob: bytes
    live: bool
    done: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that a sink refused."""

    stage: str
    node_id: str
    bad: BadRecord


@dataclass(frozen=True, slots=True)
class Shipped:
    """Letters up to a row are documents now."""

    row_id: int


@dataclass(frozen=True, slots=True)
class Move:
    """A sink's cursor, and what the sink refused on the way there: committed together."""

    sink: str
    row_id: int
    refused: tuple[Letter, ...] = ()


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A cache got from another sink what had passed it."""

    sink: str
    passed: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the writer last committed, for the other thread to show."""

    last_id: int = 0
    rows: int = 0
    samples: int = 0
    letters: int = 0
    bytes: int = 0
    full: bool = False
    error: str | None = None
    cursors: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)


class Writer:
    """Owns the writing connection from `start` to `stop`; everything else is messages.

    `committed(appends, snapshot)` is called in this thread after each commit, `died(err)` when
    the thread cannot go on.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        sinks: tuple[str, ...],
        committed: Callable[[list[tuple[Append, bool]], Snapshot], None],
        died: Callable[[BaseException], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._max_bytes = max_bytes
        self._committed = committed
        self._died = died
        self._now = now
        self.inbox: queue.SimpleQueue[Append | Shipped | Move | MadeUp | None] = queue.SimpleQueue()
        self._appends: list[Append] = []
        self._letters: list[Letter] = []
        self._shipped = 0
        self._moves: dict[str, int] = {}
        self._made_up: dict[str, int] = {}
        self._measured: dict[int, int] = {}
        self._more_to_drop = True
        self._full = False
        self._stopping = False
        self._last_commit = 0.0
        self._unreturned: str | None = None
        self._db = connect(path)
        try:
            with in_words(path):
                self.ledger = Ledger(self._db, sinks)
        except OutboxError:
            self._db.close()
            raise
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Commit what has been handed in, close the file; blocks up to `timeout` seconds."""
        self.inbox.put(None)
        self._thread.join(timeout)

    def snapshot(self, error: str | None = None) -> Snapshot:
        """The state as committed; only for the thread that owns the ledger."""
        ledger = self.ledger
        return Snapshot(
            last_id=ledger.last_id,
            rows=ledger.rows,
            samples=ledger.samples,
            letters=ledger.letters,
            bytes=bytes_used(self._db),
            full=self._full,
            error=error,
            cursors=dict(ledger.cursors),
            counters=dict(ledger.counters),
            latency=dict(ledger.latency),
        )

    def _run(self) -> None:
        failures = 0
        try:
            while not (self._stopping and (self._full or not self._pending())):
                self._gather()
                if not self._pending():
                    self._return_pages()
                    continue
                try:
                    self._commit()
                except sqlite3.Error as err:
                    failures += 1
                    self._recover(err, failures)
                    if self._stopping and failures > 3:
                        return
                else:
                    failures = 0
        except BaseException as err:  # noqa: BLE001 - whatever it was, the loop must learn of it
            self._died(err)
        finally:
            self._db.close()

    def _pending(self) -> bool:
        return bool(
            self._appends
            or self._letters
            or self._shipped
            or self._moves
            or self._made_up
            or self._more_to_drop
            or self._measured
        )

    def _gather(self) -> None:
        """Collect messages until a commit is due."""
        began = time.monotonic()
        while True:
            wait = self._wait(began, time.monotonic())
            try:
                item = self.inbox.get(timeout=wait) if wait > 0 else self.inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Append):
                self._appends.append(item)
            elif isinstance(item, Shipped):
                self._shipped = item.row_id
            elif isinstance(item, Move):
                self._moves[item.sink] = item.row_id
                self._letters += item.refused
            elif isinstance(item, MadeUp):
                self._made_up[item.sink] = item.passed
            else:
                self._stopping = True

    def _wait(self, began: float, now: float) -> float:
        if self._stopping:
            return 0.0
        if self._full:
            return began + TIDY_EVERY_S - now
        if len(self._appends) >= FEW:
            return 0.0
        if self._appends:
            return self._last_commit + COMMIT_EVERY_S - now
        return began + TIDY_EVERY_S - now

    def _commit(self) -> None:
        """One transaction with everything that waits; pack and refuse when room runs out."""
        self._make_room()
        if self._full:
            # Whoever gave up waiting sends it again: kept, each reconnection would add to these.
            self._appends = [item for item in self._appends if not item.done.cancelled()]
        taken = [] if self._full else self._appends
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        results = [(item, self.ledger.append(item.batch, item.blob)) for item in taken]
        for letter in self._letters:
            self.ledger.dead_letter(letter.stage, letter.node_id, letter.bad)
        if self._shipped:
            self.ledger.let_go_letters(self._shipped)
        for sink, row_id in self._moves.items():
            self.ledger.move_cursor(sink, row_id)
        for sink, passed in self._made_up.items():
            self.ledger.made_up(sink, passed)
        more = self.ledger.drop_delivered() if self._moves or self._more_to_drop else False
        for bucket, n in self._measured.items():
            self.ledger.count_latency(bucket, n)
        db.execute("COMMIT")
        self._last_commit = time.monotonic()
        self._letters = []
        self._shipped = 0
        self._moves = {}
        self._made_up = {}
        self._measured = {}
        self._more_to_drop = more
        if taken:
            self._appends = []
            self._measure(results)
        self._committed(results, self.snapshot())

    def _measure(self, results: list[tuple[Append, bool]]) -> None:
        """Latencies end with the commit, so they are written with the next one."""
        now_ms = self._now() * 1000
        for item, new in results:
            if new and item.live and item.batch.newest_t:
                bucket = outbox_latency.bucket(now_ms - item.batch.newest_t)
                self._measured[bucket] = self._measured.get(bucket, 0) + 1

    def _make_room(self) -> None:
        packing = bytes_used(self._db) > self._max_bytes * PACK_ABOVE
        while packing:
            self._db.execute("BEGIN IMMEDIATE")
            packing = self.ledger.pack_oldest()
            self._db.execute("COMMIT")
            packing = packing and bytes_used(self._db) >= self._max_bytes
        if bytes_used(self._db) >= self._max_bytes:
            self._pass_caches()
        full = bytes_used(self._db) >= self._max_bytes
        if full != self._full:
            self._full = full
            if full:
                LOGGER.error(
                    "The outbox is full (%d bytes): nothing more is acknowledged until a tier "
                    "takes what waits; the nodes keep their samples",
                    self._max_bytes,
                )
            else:
                LOGGER.warning("The outbox has room again")

    def _pass_caches(self) -> None:
        """A cache that is away must not stop what can be made up for later."""
        passed, some = 0, 1
        while some and bytes_used(self._db) >= self._max_bytes * ROOM:
            self._db.execute("BEGIN IMMEDIATE")
            some = self.ledger.pass_caches()
            self._db.execute("COMMIT")
            passed += some
        if passed:
            LOGGER.warning(
                "The outbox was full: %d samples that warm holds were let go; what hot lacks of "
                "them it gets from warm when it is back",
                passed,
            )

    def _recover(self, err: sqlite3.Error, failures: int) -> None:
        """Nothing of the failed transaction counts; what waits is kept and tried again."""
        LOGGER.error("The outbox could not commit, nothing is acknowledged until it can: %s", err)
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self.ledger.load()
        self._appends = [item for item in self._appends if not item.done.cancelled()]
        self._committed([], self.snapshot(f"commit failed: {err}"))
        time.sleep(min(RETRY_S[0] * 2**failures, RETRY_S[1]))

    def _return_pages(self) -> None:
        try:
            if self._db.execute("PRAGMA freelist_count").fetchone()[0] > RETURN_PAGES:
                self._db.execute(f"PRAGMA incremental_vacuum({RETURN_PAGES})").fetchall()
        except sqlite3.Error as err:
            # A full disk, say: nothing that was acknowledged depends on it, it is tried again.
            log = LOGGER.debug if self._unreturned == str(err) else LOGGER.warning
            log("Free pages of the outbox cannot be given back to the disk now: %s", err)
            self._unreturned = str(err)
        else:
            self._unreturned = None
