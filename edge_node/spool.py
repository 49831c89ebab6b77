"""The spool: every sample of the node, on disk until the size limit.

The sampler hands over and goes on; one thread writes. What cannot be written waits in memory for a
few ticks, then the oldest of it is lost: never served, counted, told, and listed in `holes`.
"""

import asyncio
import contextlib
import logging
import random
import sqlite3
import threading
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from edge_node.spool_file import SpoolCorruptError, SpoolFile
from edge_node.spool_numbering import Numbering
from edge_node.spool_paths import corrupt, is_full, move_aside
from edge_node.spool_reader import SpoolPage, SpoolReader, read_file
from edge_node.spool_stamp import Entry, Stamping
from edge_node.spool_view import SpoolView, view_of

__all__ = ["Entry", "Spool", "SpoolError", "SpoolPage", "read_file"]

_LOGGER = logging.getLogger(__name__)

# A power cut costs at most this much (and a tick).
_SYNC_S: Final = 5.0
# While the file refuses, this much is kept for when it does not: it rides out a hiccup, and more
# would only delay the news that samples are being lost.
_FAILING_TICKS: Final = 10
# A slow card, or the stamping of a day without a clock, keeps the writer busy, but not longer.
_BUSY_TICKS: Final = 600
_RETRY_S: Final = 1.0
# Samples in one commit, so that one alone cannot take a small spool far over its limit.
_CHUNK: Final = 500
_CONSEQUENCE: Final = "new samples wait in memory, and the oldest of them are lost"


class SpoolError(Exception):
    """The spool cannot be read now; the message says why."""


class Spool:
    """Keeps samples; `open` before use, `close` after. The attributes show what may be served."""

    def __init__(self, path: Path, *, max_bytes: int, kernel_boot: str) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.problem: str | None = None  # why nothing can be committed now
        self.disk_full = False  # whether that is for want of room
        self.replaced: str | None = None  # what happened to a broken file
        self.newest_t: int | None = None  # t of the newest row found when the file was opened
        self._boot = kernel_boot
        # Until the file can be opened its id is unknown; a reader that sees it change starts again.
        self._view = SpoolView(uuid.uuid4().hex, Numbering())
        self._condition = threading.Condition()
        self._queue: deque[list[Entry]] = deque()
        self._lost = 0  # samples lost after those in flight and before those in the queue
        self._in_flight: list[Entry] = []
        self._in_flight_lost = 0
        self._stamping: Stamping | None = None
        self._read_to = 0
        self._doubted = False
        self._closing = False
        self._file: SpoolFile | None = None
        self._reader: SpoolReader | None = None
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="spool-reader")
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
        self._opened = threading.Event()
        self._waiters: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def spool_id(self) -> str:
        """Random, the same as long as the file lives."""
        return self._view.spool_id

    @property
    def first_seq(self) -> int:
        """Everything below is gone."""
        return self._view.numbering.first

    @property
    def last_seq(self) -> int:
        """Everything above is not there yet."""
        return self._view.numbering.last

    @property
    def holes(self) -> list[tuple[int, int]]:
        """Ranges of seq (inclusive) that hold no sample and never will."""
        return list(self._view.numbering.holes)

    @property
    def rows(self) -> int:
        """Samples that can be served."""
        return self._view.numbering.rows

    @property
    def bytes(self) -> int:
        """Bytes of the file with its log."""
        return self._view.bytes

    @property
    def pending(self) -> int:
        """Samples on disk that wait for the clock."""
        return self._view.pending

    @property
    def lost(self) -> int:
        """Samples that could not be committed, ever since this file was made."""
        with self._condition:
            return self._view.lost + self._lost + self._in_flight_lost

    @property
    def dropped_unread(self) -> int:
        """Samples dropped for room before any client had read past them."""
        return self._view.dropped_unread

    def describe(self) -> dict[str, Any]:
        """`{spool_id, first_seq, last_seq, holes, rows, bytes, max_bytes}` of one moment.

        `holes` is `[{"from": a, "to": b}]`.
        """
        return {**self._view.describe(), "max_bytes": self.max_bytes}

    async def open(self) -> None:
        """Open the file; where that fails, `problem` says so and it is tried again for ever."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        await asyncio.to_thread(self._opened.wait, 60)

    async def close(self) -> None:
        """Commit what is queued, bring it to the disk and end the thread."""
        with self._condition:
            if self._closing:
                return
            self._closing = True
            self._condition.notify_all()
        await asyncio.to_thread(self._thread.join, 30)
        self._readers.submit(self._close_reader)
        await asyncio.to_thread(self._readers.shutdown)
        self._wake()

    def submit(self, entries: list[Entry]) -> None:
        """Hand over one tick's samples; never blocks, never raises."""
        if not entries:
            return
        with self._condition:
            room = _BUSY_TICKS if self.problem is None else _FAILING_TICKS
            while len(self._queue) >= room:
                self._lost += len(self._queue.popleft())
            self._queue.append(entries)
            self._condition.notify_all()

    def clock_known(self, stamping: Stamping) -> None:
        """Stamp and serve what waits for the clock; call before the first stamped entry."""
        with self._condition:
            self._stamping = stamping
            self._condition.notify_all()

    async def read(self, after: int, limit: int) -> SpoolPage:
        """At most `limit` samples with seq above `after`, in order; SpoolError.

        Whoever reads after a seq is taken to have all up to it.
        """
        view = self._view
        if after <= view.numbering.last:
            self._read_to = max(self._read_to, after)
        if after >= view.numbering.last:
            return SpoolPage(after, [], [], [])
        loop = asyncio.get_running_loop()
        page = await loop.run_in_executor(self._readers, self._read, view, after, limit)
        if self.spool_id != view.spool_id:
            raise SpoolError(f"{self.path} was replaced during the read; ask again")
        # Rows that are being dropped meanwhile are gone already for whoever looks at `first_seq`.
        first = self.first_seq
        page.samples[:] = [row for row in page.samples if row[0] >= first]
        return page

    async def wait(self, after: int, timeout: float) -> None:
        """Return when `last_seq` > `after`, when the spool was replaced, or after `timeout` s."""
        spool_id = self.spool_id
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            async with asyncio.timeout(timeout):
                while self.last_seq <= after and self.spool_id == spool_id and not self._closing:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return
        finally:
            self._waiters.discard(event)

    def _read(self, view: SpoolView, after: int, limit: int) -> SpoolPage:
        """On the reader's thread."""
        try:
            if self._reader is None:
                self._reader = SpoolReader(self.path)
            return self._reader.page(after, view.numbering.last, limit)
        except (sqlite3.Error, KeyError) as err:
            self._close_reader()
            if isinstance(err, KeyError) or corrupt(err):
                with self._condition:
                    self._doubted = True
                    self._condition.notify_all()
            raise SpoolError(f"{self.path} cannot be read: {err}; see the node's alarms") from err

    def _close_reader(self) -> None:
        if self._reader is not None:
            with contextlib.suppress(sqlite3.Error):
                self._reader.close()
            self._reader = None

    # The writer's thread, from here on.

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(self._has_work, timeout=_SYNC_S)
                closing = self._closing
            failed = not self._guarded(self._round)
            self._opened.set()
            if closing:
                break
            if failed:
                with self._condition:
                    self._condition.wait_for(
                        lambda: self._closing,
                        timeout=_RETRY_S * random.uniform(1, 1.5),  # noqa: S311 - jitter
                    )
        if self._file is not None:
            self._guarded(self._file.close)

    def _has_work(self) -> bool:
        return (
            bool(self._queue)
            or bool(self._in_flight)
            or self._closing
            or self._doubted
            or self._file is None
            or (self._stamping is not None and self._view.pending > 0)
        )

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Run an action that touches the file; a failure becomes `problem` and is tried again."""
        try:
            action()
        except (sqlite3.Error, OSError, SpoolCorruptError) as err:
            if isinstance(err, SpoolCorruptError) or (
                isinstance(err, sqlite3.Error) and corrupt(err)
            ):
                self._begin_anew(err)
            self.disk_full = is_full(err)
            self._fail(f"{self.path} cannot be written: {err}; {_CONSEQUENCE}")
            return False
        # A defect: it must not end the only thread that writes, or every sample from now on is
        # lost. It is an alarm, and the part `spool` fails, for as long as it lasts.
        except Exception:
            _LOGGER.exception("The spool's writer failed on %s", self.path)
            self._fail(f"{self.path} cannot be written, see the log; {_CONSEQUENCE}")
            return False
        if self.problem is not None:
            _LOGGER.warning("%s can be written again", self.path)
            self.problem = None
            self.disk_full = False
        return True

    def _fail(self, problem: str) -> None:
        if self.problem is None:
            _LOGGER.error("%s", problem)
        self.problem = problem

    def _round(self) -> None:
        """Everything that is due now; safe to run again after it failed anywhere."""
        if self._doubted:
            self._doubted = False
            raise SpoolCorruptError("a reader found it broken")
        if self._file is None:
            self._file = SpoolFile(self.path, max_bytes=self.max_bytes, kernel_boot=self._boot)
            self.newest_t = self._file.newest_t
            self._publish(self._file)
        file = self._file
        self._take()
        timeless = sum(entry.t is None for entry in self._in_flight)
        while timeless > 0:
            chunk = self._in_flight[: min(_CHUNK, timeless)]
            file.pend(chunk, self._in_flight_lost)
            timeless -= len(chunk)
            self._settle(file, len(chunk))
        stamping = self._stamping
        while stamping is not None and file.pending and file.stamp_some(stamping, _CHUNK):
            self._settle(file, 0)
        while self._in_flight:
            chunk = self._in_flight[:_CHUNK]
            file.append(chunk, self._in_flight_lost)
            self._settle(file, len(chunk))
        self._make_room(file)
        file.sync_if_due(_SYNC_S, self._read_to)
        self._publish(file)

    def _take(self) -> None:
        with self._condition:
            if self._in_flight or not self._queue:
                return
            entries = [entry for tick in self._queue for entry in tick]
            # Those without a time come first: once known, a clock stays known.
            self._in_flight = sorted(entries, key=lambda entry: entry.t is not None)
            self._queue.clear()
            self._in_flight_lost, self._lost = self._lost, 0

    def _settle(self, file: SpoolFile, count: int) -> None:
        """The first `count` in flight are committed: serve them, then make room."""
        with self._condition:
            del self._in_flight[:count]
            if count:
                self._in_flight_lost = 0
            self._publish(file)
        self._make_room(file)

    def _make_room(self, file: SpoolFile) -> None:
        """Drop the oldest while the file is too large, and keep its log short.

        Readers are told first: a row that is gone must never look like one that never was.
        """
        while (smaller := file.too_large()) is not None:
            self._publish(file, smaller)
            if not file.drop(smaller, self._read_to):
                break
            file.fold_log()
        file.shrink()
        file.fold_log()

    def _begin_anew(self, err: Exception) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None
        try:
            target = move_aside(self.path)
        except OSError as failure:
            self._fail(f"{self.path} is broken and cannot be moved aside: {failure}")
            return
        self._readers.submit(self._close_reader)
        self.replaced = (
            f"The spool {self.path} was broken ({err}); it was kept as {target.name} and a new one "
            "begun. Samples that no client had read are only in that file."
        )
        _LOGGER.error("%s", self.replaced)

    def _publish(self, file: SpoolFile, numbering: Numbering | None = None) -> None:
        view = view_of(file, numbering)
        if view == self._view:
            return
        self._view = view
        loop = self._loop
        if loop is not None:
            # The loop may be gone already when the process ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()
