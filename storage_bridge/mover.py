"""Moves old hours from warm to cold and loses nothing, wherever it is stopped.

An hour in warm is its own entry on the to-do list, so there is no journal. A pass copies what cold
lacks, reads it back and compares; only a later pass, when cold has had time to make its yes
durable, reads back once more and deletes exactly what it compared, if that is still unchanged.
"""

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from .codec import Chunk, CodecError, columns_of, encode, generation, proven, verified
from .model import HOUR_MS, Sample
from .side_by_side import side_by_side
from .tiers.base import (
    ColdTier,
    Conflict,
    SeriesHour,
    TierRejectedError,
    TierUnavailableError,
    WarmTier,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

SETTLE_S = 60.0  # Cassandra's default commit log reaches the disk every 10 s
_HOURS_PER_PASS = 500
_AWAY = 8  # hours on end that a store does not answer for: then it is not the hours
_AT_ONCE = 4  # stores answer while other hours are encoded; more only takes memory


class PassResult(NamedTuple):
    """What a pass did: chunks written, samples deleted in warm, hours compared and waiting.

    `conflicts` counts samples whose key holds another content in cold (kept by warm, see there),
    `failed` has a sentence for each hour left as it was, `more` says that a pass now would go on.
    """

    copied: int
    deleted: int
    waiting: int
    conflicts: int
    failed: tuple[str, ...]
    more: bool


class Moved(NamedTuple):
    """What a mover has done since it was made, and how far the pass under way is."""

    copied: int = 0
    deleted: int = 0
    conflicts: int = 0
    failed: int = 0
    done: int = 0
    due: int = 0


class _Proof(NamedTuple):
    at: float
    content: bytes
    mark: bytes


class _Pass:
    def __init__(self) -> None:
        self.copied = 0
        self.deleted = 0
        self.conflicts = 0
        self.failed: list[str] = []
        self.unanswered: list[TierUnavailableError] = []  # on end
        self.answered = False


class Mover:
    """Moves hours that ended more than `keep_ms` ago; several may run at once, anywhere.

    It looks at no more than `hours_per_minute` hours (None: as many as it can), `at_once` at the
    same time, so that a brewery that is brewing never feels it. Hours that failed are tried again
    after the others, and however many they are, it goes on to younger ones. `clock` counts
    seconds and is never set: it measures how long cold has had to settle, and with `sleep` the
    pace. `progress` is told after each hour.
    """

    def __init__(
        self,
        warm: WarmTier,
        cold: ColdTier,
        *,
        keep_ms: int,
        settle_s: float = SETTLE_S,
        hours_per_pass: int = _HOURS_PER_PASS,
        hours_per_minute: float | None = None,
        at_once: int = _AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        progress: Callable[[Moved], None] | None = None,
    ) -> None:
        self._warm = warm
        self._cold = cold
        self._keep_ms = keep_ms
        self._settle_s = settle_s
        self._hours_per_pass = hours_per_pass
        self._step_s = 60 / hours_per_minute if hours_per_minute else 0.0
        self._at_once = at_once
        self._clock = clock
        self._sleep = sleep
        self._progress = progress
        self._next_at = clock()
        self._proofs: dict[SeriesHour, _Proof] = {}
        self._failing: set[SeriesHour] = set()
        self.moved = Moved()

    async def run_pass(self, now_ms: int) -> PassResult:
        """Take every due hour one step further; raises TierUnavailableError, and may be repeated.

        A store that does not answer for one hour, and does for others, leaves that one behind.
        `now_ms` is the time since 1970. Call it again within minutes, sooner when `more`.
        """
        # The oldest come first: those that fail must not be all that is ever seen, nor those that
        # were compared and wait for cold to settle.
        most = self._hours_per_pass + len(self._failing) + len(self._proofs)
        due = await self._warm.hours_before(max(0, now_ms - self._keep_ms), most)
        self._proofs = {hour: self._proofs[hour] for hour in due if hour in self._proofs}
        before = self._failing = self._failing.intersection(due)
        ready = [hour for hour in due if not self._settling(hour)]
        ready.sort(key=before.__contains__)
        self.moved = self.moved._replace(done=0, due=len(ready))
        done, left = _Pass(), iter(ready)
        await side_by_side(self._at_once, lambda: self._work(left, done))
        if done.unanswered and not done.answered:
            raise done.unanswered[0]
        full = len(due) == most
        return PassResult(
            done.copied,
            done.deleted,
            len(self._proofs),
            done.conflicts,
            tuple(done.failed),
            full and (done.copied > 0 or done.deleted > 0 or not self._failing <= before),
        )

    def _settling(self, hour: SeriesHour) -> bool:
        proof = self._proofs.get(hour)
        return proof is not None and self._clock() - proof.at < self._settle_s

    async def _work(self, hours: Iterator[SeriesHour], done: _Pass) -> None:
        for hour in hours:
            await self._pace()
            copied = deleted = conflicts = 0
            failed: list[str] = []
            try:
                rows = await self._warm.read(hour.series, hour.hour, hour.hour + HOUR_MS)
                content = await asyncio.to_thread(_name, rows)
                copied, conflicts = await self._copy(hour, rows, content, failed)
                deleted = await self._settle(hour, rows, content)
            except (CodecError, TierRejectedError, TierUnavailableError) as error:
                self._proofs.pop(hour, None)
                self._failing = self._failing | {hour}
                failed.append(str(error))
                if isinstance(error, TierUnavailableError):
                    done.unanswered.append(error)
                    if len(done.unanswered) == _AWAY:
                        raise
            else:
                self._failing = self._failing - {hour}
                done.unanswered.clear()
                done.answered = True
            done.copied += copied
            done.deleted += deleted
            done.conflicts += conflicts
            done.failed += failed
            moved = self.moved
            self.moved = Moved(
                moved.copied + copied,
                moved.deleted + deleted,
                moved.conflicts + conflicts,
                moved.failed + len(failed),
                moved.done + 1,
                moved.due,
            )
            if self._progress is not None:
                self._progress(self.moved)

    async def _pace(self) -> None:
        """Wait until the next hour may be looked at."""
        now = self._clock()
        at = max(now, self._next_at)
        self._next_at = at + self._step_s
        if at > now:
            await self._sleep(at - now)

    async def _copy(
        self, hour: SeriesHour, rows: list[Sample], content: bytes, failed: list[str]
    ) -> tuple[int, int]:
        """Make cold hold every key of `rows`, proven by reading it back; chunks, conflicts."""
        chunks = await self._chunks(hour)
        if await asyncio.to_thread(_is_all, chunks, content):
            return 0, 0
        stored, damaged = await asyncio.to_thread(_verified, chunks)
        failed += damaged
        differing = [Conflict(stored[row.t], row) for row in rows if stored.get(row.t, row) != row]
        if differing:
            # Cold is what was archived first; the other content is kept, then it may go.
            await self._warm.keep_conflicts(differing)
        lacking = [row for row in rows if row.t not in stored]
        if not lacking:
            return 0, len(differing)
        self._proofs.pop(hour, None)
        chunk = await asyncio.to_thread(encode, lacking)
        await self._cold.write_chunk(chunk)
        chunks = await self._chunks(hour)
        if await asyncio.to_thread(_is_all, chunks, chunk.head.gen):
            return 1, len(differing)
        stored, _ = await asyncio.to_thread(_verified, chunks)
        if any(stored.get(row.t) != row for row in lacking):
            raise CodecError(
                f"The cold tier did not give back what was archived of {hour.series!r} in the "
                f"hour {hour.hour}; it stays in warm and is tried again."
            )
        return 1, len(differing)

    async def _settle(self, hour: SeriesHour, rows: list[Sample], content: bytes) -> int:
        """Delete `rows` if cold has proven to hold this very content before, else note it does.

        `_copy` has read cold back just now, and took the proof away if anything was lacking.
        """
        if not rows:
            self._proofs.pop(hour, None)
            return 0
        proof = self._proofs.get(hour)
        # What another mover wrote again, since cold had forgotten it, has to settle once more.
        mark = await self._cold.mark(*hour)
        if proof is None or (proof.content, proof.mark) != (content, mark):
            self._proofs[hour] = _Proof(self._clock(), content, mark)
            return 0
        del self._proofs[hour]
        return await self._warm.delete_exact(rows)

    async def _chunks(self, hour: SeriesHour) -> list[Chunk]:
        return await self._cold.chunks(hour.series, hour.hour, hour.hour + HOUR_MS)


def _is_all(chunks: Sequence[Chunk], content: bytes) -> bool:
    """Whether there is one chunk and it proves to hold this content: then no more need be asked."""
    if len(chunks) != 1 or chunks[0].head.gen != content:
        return False
    try:
        proven(chunks[0])
    except CodecError:
        return False
    return True


def _verified(chunks: Sequence[Chunk]) -> tuple[dict[int, Sample], list[str]]:
    """What chunks hold; a damaged one counts as absent, to be written anew, and is told of."""
    stored: dict[int, Sample] = {}
    damaged: list[str] = []
    for chunk in chunks:
        try:
            stored |= {sample.t: sample for sample in verified(chunk)}
        except CodecError as error:
            damaged.append(str(error))
    return stored, damaged


def _name(rows: list[Sample]) -> bytes:
    return generation(columns_of(rows))
