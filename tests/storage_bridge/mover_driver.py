"""A store with a truth beside it, and a mover that can be watched and stopped at any step."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import override

import pytest

from storage_bridge.codec import Chunk, ChunkHead
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.mover import Mover, PassResult
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers, iter_keys
from storage_bridge.tiers.base import Bucket, Conflict, SeriesHour
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm
from tests.storage_bridge.generated import HOUR, SERIES, probe_hour

HOURS = 3
NOW = HOUR + HOURS * HOUR_MS
OTHER = "mash-b/mash_temp"
SETTLE = 60.0


class Killed(BaseException):
    """The process is gone."""


type Step = Callable[[], Awaitable[None]]


class SteppedWarm(SqliteWarm):
    """A warm tier with something done before or after each call."""

    def __init__(self, store: SqliteStore, step: Step) -> None:
        super().__init__(store)
        self._step = step

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        await self._step()
        rows = await super().read(series, start, end, limit)
        await self._step()
        return rows

    @override
    async def aggregate(self, series: str, start: int, end: int, bucket_ms: int) -> list[Bucket]:
        buckets = await super().aggregate(series, start, end, bucket_ms)
        await self._step()
        return buckets

    @override
    async def hours_before(self, t: int, limit: int) -> list[SeriesHour]:
        await self._step()
        return await super().hours_before(t, limit)

    @override
    async def delete_exact(self, samples: Sequence[Sample]) -> int:
        await self._step()
        gone = await super().delete_exact(samples)
        await self._step()
        return gone

    @override
    async def keep_conflicts(self, conflicts: Iterable[Conflict]) -> None:
        await self._step()
        await super().keep_conflicts(conflicts)
        await self._step()


class SteppedCold(SqliteCold):
    """A cold tier of the same kind."""

    def __init__(self, store: SqliteStore, step: Step) -> None:
        super().__init__(store)
        self._step = step

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        await self._step()
        await super().write_chunk(chunk)
        await self._step()

    @override
    async def heads(self, series: str, start: int, end: int) -> list[ChunkHead]:
        found = await super().heads(series, start, end)
        await self._step()
        return found

    @override
    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        await self._step()
        found = await super().chunks(series, start, end)
        await self._step()
        return found


class Brewery:
    """A store, what must be in it, and a mover that can be stopped at any step."""

    def __init__(self, tiers: Tiers, path: Path) -> None:
        self.tiers = tiers
        self.path = path
        self.reader = Reader(*tiers)
        self.truth: set[Sample] = set()
        self.clock = 0.0
        self.steps = 0
        self.on_step: Callable[[int], Awaitable[None]] | None = None

    async def feed(self, rows: Iterable[Sample]) -> None:
        rows = list(rows)
        await self.tiers.warm.write(rows)
        self.truth |= set(rows)

    def stepped(self) -> tuple[SteppedWarm, SteppedCold]:
        store = self.tiers.warm._store  # type: ignore[attr-defined]
        return SteppedWarm(store, self._step), SteppedCold(store, self._step)

    def mover(self) -> Mover:
        return Mover(
            *self.stepped(),
            keep_ms=0,
            settle_s=SETTLE,
            clock=lambda: self.clock,
        )

    async def check(self) -> None:
        """Union == truth, no gap, no duplicate; and a chart counts each key once."""
        found: list[Sample] = []
        for series in (SERIES, OTHER):
            page = await self.reader.samples(series, HOUR, NOW, 10_000)
            assert page.partial == []
            assert page.cursor is None
            found += page.samples
            rows = [row for row in page.samples if row.value is not None]
            reply = await self.reader.history([series], HOUR, NOW, HOURS + 1)
            for t, low, high, mean in reply["series"][series]:
                assert t is not None
                here = [row.value for row in rows if t <= row.t < t + reply["bucket_ms"]]
                numbers = [value for value in here if value is not None]
                expected = pytest.approx(sum(numbers) / len(numbers))
                assert [low, high, mean] == [min(numbers), max(numbers), expected]
        assert len(found) == len(set(found))
        assert set(found) == self.truth
        keys = {(sample.series, sample.t) for sample in self.truth}
        assert set(iter_keys(self.path)) == keys

    async def run(self, mover: Mover, *, settle: bool = True) -> PassResult:
        """Passes until nothing is left to do."""
        for _ in range(20):
            result = await mover.run_pass(NOW)
            self.clock += SETTLE + 1 if settle else 0
            if not await self.tiers.warm.hours_before(NOW, 1):
                return result
        raise AssertionError(f"still not moved: {result}")

    async def _step(self) -> None:
        self.steps += 1
        if self.on_step is not None:
            await self.on_step(self.steps)


def history_rows() -> list[Sample]:
    rows = [s for i in range(HOURS) for s in probe_hour(HOUR + i * HOUR_MS, i, step_ms=60_000)]
    return rows + probe_hour(HOUR, 9, series=OTHER, step_ms=300_000)


LATE = [Sample(SERIES, HOUR + 30_001 + i * HOUR_MS, 1.0 + i, "ok", None) for i in range(HOURS)]


def spawn(path: Path) -> subprocess.Popen[bytes]:
    """A mover process on that store; it says `ready` and goes on until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage_bridge.mover_child", path, str(NOW)],
        stdout=subprocess.PIPE,
    )
