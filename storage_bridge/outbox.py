"""The durable truth of a bridge: what was acknowledged is here until every tier holds it."""

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from . import outbox_latency
from .coverage import contiguous_end, size, union
from .outbox_letters import KeptLetter, read_letters
from .outbox_pack import unpack
from .outbox_schema import MADE_UP, PASSED, connect_read_only, read_newest_spools, read_spans
from .outbox_writer import Append, Letter, MadeUp, Move, Shipped, Snapshot, Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from .outbox_batch import BadRecord, Batch

READ_SAMPLES: Final = 10_000  # about as many samples are read for a sink at a time
CLOSE_S: Final = 20.0


class OutboxDiedError(Exception):
    """The writing thread ended; nothing can be acknowledged until the bridge starts again."""


class Pending:
    """What a sink has to write next: rows as stored, whose last one has `row_id`.

    `more` says that others follow it.
    """

    def __init__(self, row_id: int, rows: list[tuple[int, bytes]], *, more: bool) -> None:
        self.row_id = row_id
        self.more = more
        self._rows = rows

    def messages(self) -> Iterator[bytes]:
        """The messages in order, as received."""
        for packed, blob in self._rows:
            if packed:
                yield from unpack(blob)
            else:
                yield blob


class Outbox:
    """Batches in, in order of their commit; each sink reads them at its own pace.

    Use from one event loop. `max_bytes` bounds the file; beyond it `append` does not return, so
    that nothing more is acknowledged. Raises OutboxError when the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        sinks: tuple[str, ...] = ("hot", "warm"),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.sinks = sinks
        self._loop = asyncio.get_running_loop()
        self._news = {sink: asyncio.Event() for sink in sinks}
        self._waiting: set[asyncio.Future[bool]] = set()
        self._dead: asyncio.Future[None] = self._loop.create_future()
        self._writer = Writer(
            path,
            max_bytes=max_bytes,
            sinks=sinks,
            committed=lambda results, snap: self._post(self._committed, results, snap),
            died=lambda err: self._post(self._died, err),
            now=now,
        )
        self._reader = connect_read_only(path)
        self._reading = asyncio.Lock()
        self._snapshot = self._writer.snapshot()
        self._cursors = dict(self._snapshot.cursors)
        counters = self._snapshot.counters
        self._made_up = {sink: counters.get(f"{MADE_UP}{sink}", 0) for sink in sinks}
        self._last_commit: float | None = None
        self._writer.start()

    async def close(self) -> None:
        """Commit what was handed in, then let go of the file; what could not be is cancelled."""
        # The reader first: who only reads and is the last to go leaves the log beside the file.
        async with self._reading:
            self._reader.close()
        await asyncio.to_thread(self._writer.stop, CLOSE_S)
        await asyncio.sleep(0)  # the results of the last commit
        for future in self._waiting:
            future.cancel()
        self._dead.cancel()

    async def append(self, batch: Batch, blob: bytes, *, live: bool) -> bool:
        """Return once the batch is durable: True if it brought anything new.

        `blob` is the whole message as received. `live` batches count in the latency figures. What
        is cancelled may be committed all the same, and is not while the outbox is full.
        """
        if self._dead.done():
            raise OutboxDiedError("The outbox has ended; nothing more can be acknowledged")
        done: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.add(done)
        done.add_done_callback(self._waiting.discard)
        self._writer.inbox.put(Append(batch, blob, live, done))
        return await done

    async def letters(self, after: int, limit: int) -> list[KeptLetter]:
        """The first `limit` dead letters behind the row `after` that are not documents yet."""
        async with self._reading:
            return await asyncio.to_thread(read_letters, self._reader, after, limit)

    def let_go_letters(self, row_id: int) -> None:
        """Dead letters up to this row are documents; a crash before the commit repeats some."""
        self._writer.inbox.put(Shipped(row_id))

    async def read(
        self, sink: str, after: int | None = None, samples: int = READ_SAMPLES
    ) -> Pending | None:
        """What this sink has to write next, about `samples` of it, None when it holds everything.

        That is what follows its cursor, or the row `after`, for one that is ahead of its cursor.
        """
        async with self._reading:
            start = self._cursors[sink] if after is None else after
            return await asyncio.to_thread(self._read, start, samples)

    def advance(
        self, sink: str, row_id: int, refused: Iterable[tuple[str, BadRecord]] = ()
    ) -> None:
        """The sink holds everything up to this row; durable soon, a crash only repeats some.

        But for what it `refused` since its last move, each with its node: kept as dead letters.
        """
        self._cursors[sink] = max(self._cursors[sink], row_id)
        letters = tuple(Letter(sink, node_id, bad) for node_id, bad in refused)
        self._writer.inbox.put(Move(sink, self._cursors[sink], letters))

    def rewind(self, sink: str) -> None:
        """The sink lost what it held: all that is still here is kept until it holds it again.

        What was delivered to every sink and is no longer here must come from another sink.
        """
        self._cursors[sink] = 0
        self._writer.inbox.put(Move(sink, 0))

    def passed(self, sink: str) -> int | None:
        """How many samples ever passed a sink by, None if none did that were not made up for.

        A full outbox drops what only a cache lacks; the cache must get it from another sink.
        """
        passed = self._snapshot.counters.get(f"{PASSED}{sink}", 0)
        return passed if passed > self._made_up[sink] else None

    def made_up(self, sink: str, passed: int) -> None:
        """The sink has, from another one, what had passed it when `passed` said so."""
        self._made_up[sink] = max(self._made_up[sink], passed)
        self._writer.inbox.put(MadeUp(sink, passed))

    def wake(self, sink: str) -> None:
        """Let the sink look for work now."""
        self._news[sink].set()

    async def wait(self, sink: str, timeout: float) -> None:
        """Return when there may be something new for the sink, or after `timeout` seconds."""
        event = self._news[sink]
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    async def watch(self) -> None:
        """Never returns; raises OutboxDiedError when the writing thread has ended."""
        await asyncio.shield(self._dead)

    async def resume(self) -> dict[str, tuple[str, int]]:
        """By node: its newest spool and the number up to which nothing is missing there."""
        ledger = await self.ledger()
        return {
            node_id: (spool["spool_id"], spool["resume"])
            for node_id, spools in ledger.items()
            for spool in spools
            if spool["newest"]
        }

    async def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """By node, for each spool: `spool_id, newest, coverage, gaps, holes, resume, samples`."""
        async with self._reading:
            return await asyncio.to_thread(read_ledger, self._reader)

    @property
    def snapshot(self) -> Snapshot:
        """What was last committed."""
        return self._snapshot

    def status(self) -> dict[str, Any]:
        """Depth, bytes, cursors, counters and latency, for people and machines."""
        snap = self._snapshot
        return {
            "rows": snap.rows,
            "samples": snap.samples,
            "letters": snap.letters,
            "bytes": snap.bytes,
            "max_bytes": self.max_bytes,
            "full": snap.full,
            "error": snap.error,
            "unacknowledged": len(self._waiting),
            "last_row": snap.last_id,
            "cursors": dict(self._cursors),
            "last_commit_age_s": (
                None
                if self._last_commit is None
                else round(self._loop.time() - self._last_commit, 1)
            ),
            "counters": snap.counters,
            "latency_ms": outbox_latency.summary(snap.latency),
        }

    def _post(self, call: Callable[..., None], *args: object) -> None:
        """Run a call in the loop, from the writer's thread."""
        self._loop.call_soon_threadsafe(call, *args)

    def _read(self, after: int, limit: int) -> Pending | None:
        rows: list[tuple[int, bytes]] = []
        row_id = after
        samples = 0
        more = False
        found = self._reader.execute(
            "SELECT id, packed, samples, blob FROM batch WHERE id > ? ORDER BY id", (after,)
        )
        with closing(found):  # an open statement would keep the log from being reused
            for row in found:
                if rows and (row[1] or samples + row[2] > limit):
                    more = True
                    break
                row_id = row[0]
                rows.append((row[1], row[3]))
                samples += row[2]
        return Pending(row_id, rows, more=more) if rows else None

    def _committed(self, results: list[tuple[Append, bool]], snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if not results:
            return
        self._last_commit = self._loop.time()
        for item, new in results:
            if not item.done.done():
                item.done.set_result(new)
        for event in self._news.values():
            event.set()

    def _died(self, err: BaseException) -> None:
        failure = OutboxDiedError(f"The outbox thread ended: {err!r}")
        failure.__cause__ = err
        for future in self._waiting:
            if not future.done():
                future.set_exception(failure)
        if not self._dead.done():
            self._dead.set_exception(failure)
        self._dead.add_done_callback(lambda dead: dead.cancelled() or dead.exception())


def read_ledger(db: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """See `Outbox.ledger`; `db` is any connection to an outbox."""
    db.execute("BEGIN")  # all of one moment
    try:
        covered = read_spans(db)
        gaps = read_spans(db, "gap")
        holes = read_spans(db, "hole")
        newest = read_newest_spools(db)
    finally:
        db.execute("COMMIT")
    found: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(covered.keys() | gaps.keys() | holes.keys() | set(newest.items())):
        spans = covered.get(key, [])
        absent = [*gaps.get(key, []), *holes.get(key, [])]
        found.setdefault(key[0], []).append(
            {
                "spool_id": key[1],
                "newest": newest.get(key[0]) == key[1],
                "coverage": spans,
                "gaps": gaps.get(key, []),
                "holes": holes.get(key, []),
                "resume": contiguous_end(union([*spans, *absent])),
                "samples": size(spans),
            }
        )
    return found
