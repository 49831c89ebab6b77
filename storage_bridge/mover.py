"""Moves old hours from warm to cold and loses nothing, wherever it is stopped.

An hour in warm is its own entry on the to-do list, so there is no journal. A pass copies what cold
lacks, reads it back and compares; only a later pass, when cold has had time to make its yes
durable, reads back once more and deletes exactly what it compared, if that is still unchanged.
"""

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from .codec import Chunk, CodecError, columns_of, encode, generation, verified
from .model import HOUR_MS, Sample
from .tiers.base import ColdTier, Conflict, SeriesHour, TierRejectedError, WarmTier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SETTLE_S = 60.0  # Cassandra's default commit log reaches the disk every 10 s
_HOURS_PER_PASS = 500


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


class _Proof(NamedTuple):
    at: float
    content: bytes


class Mover:
    """Moves hours that ended more than `keep_ms` ago; several may run at once, anywhere.

    `clock` counts seconds and is never set: it measures how long cold has had to settle.
    """

    def __init__(
        self,
        warm: WarmTier,
        cold: ColdTier,
        *,
        keep_ms: int,
        settle_s: float = SETTLE_S,
        hours_per_pass: int = _HOURS_PER_PASS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warm = warm
        self._cold = cold
        self._keep_ms = keep_ms
        self._settle_s = settle_s
        self._hours_per_pass = hours_per_pass
        self._clock = clock
        self._proofs: dict[SeriesHour, _Proof] = {}

    async def run_pass(self, now_ms: int) -> PassResult:
        """Take every due hour one step further; raises TierUnavailableError, and may be repeated.

        `now_ms` is the time since 1970. Call it again within minutes, sooner when `more`.
        """
        due = await self._warm.hours_before(max(0, now_ms - self._keep_ms), self._hours_per_pass)
        self._proofs = {hour: self._proofs[hour] for hour in due if hour in self._proofs}
        copied = deleted = conflicts = 0
        failed: list[str] = []
        for hour in due:
            proof = self._proofs.get(hour)
            if proof is not None and self._clock() - proof.at < self._settle_s:
                continue
            try:
                rows = await self._warm.read(hour.series, hour.hour, hour.hour + HOUR_MS)
                written, differing = await self._copy(hour, rows, failed)
                copied += written
                conflicts += differing
                deleted += await self._settle(hour, rows, proof)
            except (CodecError, TierRejectedError) as error:
                self._proofs.pop(hour, None)
                failed.append(str(error))
        full = len(due) == self._hours_per_pass
        return PassResult(
            copied, deleted, len(self._proofs), conflicts, tuple(failed), full and deleted > 0
        )

    async def _copy(
        self, hour: SeriesHour, rows: list[Sample], failed: list[str]
    ) -> tuple[int, int]:
        """Make cold hold every key of `rows`, proven by reading it back; chunks, conflicts."""
        stored = await self._stored(hour, failed)
        differing = [Conflict(stored[row.t], row) for row in rows if stored.get(row.t, row) != row]
        if differing:
            # Cold is what was archived first; the other content is kept, then it may go.
            await self._warm.keep_conflicts(differing)
        lacking = [row for row in rows if row.t not in stored]
        if not lacking:
            return 0, len(differing)
        self._proofs.pop(hour, None)
        await self._cold.write_chunk(await asyncio.to_thread(encode, lacking))
        stored = await self._stored(hour, [])
        if any(stored.get(row.t) != row for row in lacking):
            raise CodecError(
                f"The cold tier did not give back what was archived of {hour.series!r} in the "
                f"hour {hour.hour}; it stays in warm and is tried again."
            )
        return 1, len(differing)

    async def _settle(self, hour: SeriesHour, rows: list[Sample], proof: _Proof | None) -> int:
        """Delete `rows` if cold has proven to hold this very content before, else note it does."""
        if not rows:
            self._proofs.pop(hour, None)
            return 0
        content = await asyncio.to_thread(_name, rows)
        if proof is None or self._proofs.get(hour) != proof or proof.content != content:
            self._proofs[hour] = _Proof(self._clock(), content)
            return 0
        del self._proofs[hour]
        return await self._warm.delete_exact(rows)

    async def _stored(self, hour: SeriesHour, failed: list[str]) -> dict[int, Sample]:
        """What cold holds of an hour; a damaged chunk counts as absent and is written anew."""
        chunks = await self._cold.chunks(hour.series, hour.hour, hour.hour + HOUR_MS)
        stored, damaged = await asyncio.to_thread(_verified, chunks)
        failed += damaged
        return stored


def _verified(chunks: Iterable[Chunk]) -> tuple[dict[int, Sample], list[str]]:
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
