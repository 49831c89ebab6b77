"""What every tier must do, whatever store is behind it.

A test module of a store subclasses the contract classes of this and the other `contract_*`
modules and gives the fixture `factory`: each test gets an empty store, and as many clients of it
(bridges) as it wants. It imports the fixture `tiers` from here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.mover import Mover
from storage_bridge.reader import Reader
from storage_bridge.tiers.base import Conflict, RowTier, Span, TierRejectedError, Tiers
from tests.storage_bridge.waiting import answered

A, B = "mash-a/mash_temp", "mash-b/mash temp/ä:1.2$3"


class TierFactory(Protocol):
    """One empty store."""

    shows_conflicts: bool
    now: int  # ms, near the real time: a hot store may expire by its own clock

    def client(self) -> Tiers:
        """A client of it, not yet open."""
        ...


@asynccontextmanager
async def opened(factory: TierFactory) -> AsyncIterator[Tiers]:
    tiers = factory.client()
    await answered(tiers.open)  # of a server that may have been started just now
    try:
        yield tiers
    finally:
        await tiers.close()


@pytest.fixture
async def tiers(factory: TierFactory) -> AsyncIterator[Tiers]:
    async with opened(factory) as client:
        yield client


def samples(start: int, count: int, series: str = A, step: int = 1000) -> list[Sample]:
    return [Sample(series, start + i * step, 20.0 + i / 16, "ok", None) for i in range(count)]


ODD = [
    Sample(A, 0, 0.0, "ok", None),
    Sample(A, 1, -0.1, "suspect:outlier", "b1"),
    Sample(A, 59_999, None, "bad:crc", "b1"),
    Sample(A, 60_000, 1e308, "ok", "Bräu 7"),
    Sample(A, 60_001, 5e-324, "suspect:clock", None),
    Sample(A, 61_000, 85.0, "bad:power_on", None),
    Sample(A, HOUR_MS - 1, 12345678.9, "ok", "b1"),
    Sample(B, 1, 3.0, "ok", None),
]


class RowContract:
    """Hot and warm: samples by key."""

    @pytest.fixture
    def tier(self, tiers: Tiers) -> RowTier:
        raise NotImplementedError

    @pytest.fixture
    def base(self, factory: TierFactory) -> int:
        return factory.now - factory.now % HOUR_MS - 2 * HOUR_MS

    async def test_an_empty_tier_answers(self, tier: RowTier) -> None:
        assert (await tier.write([])).new == 0
        assert await tier.read(A, 0, 10**13) == []
        assert await tier.series() == []
        assert await tier.span(A) is None
        assert await tier.count() == 0

    async def test_every_content_comes_back_as_it_was(self, tier: RowTier, base: int) -> None:
        rows = [row._replace(t=base + row.t) for row in ODD]
        written = await tier.write(list(reversed(rows)))
        assert written == (len(rows), 0, ())
        assert await tier.read(A, base, base + HOUR_MS) == [row for row in rows if row.series == A]
        assert await tier.read(B, base, base + HOUR_MS) == rows[-1:]
        assert await tier.series() == [A, B]
        assert await tier.span(A) == Span(base, base + HOUR_MS - 1)
        assert await tier.count() == len(rows)

    async def test_a_range_is_half_open_and_a_limit_takes_the_first(
        self, tier: RowTier, base: int
    ) -> None:
        rows = samples(base, 200)
        await tier.write(rows)
        assert await tier.read(A, base + 1000, base + 3000) == rows[1:3]
        assert await tier.read(A, base + 1, base + 180_001, 100) == rows[1:101]
        assert await tier.read(A, base, base) == []

    async def test_a_replay_changes_nothing(self, tier: RowTier, base: int) -> None:
        rows = samples(base, 150)
        await tier.write(rows[50:100])
        written = await tier.write(rows)
        assert (written.new + written.same, written.conflicts) == (150, ())
        await tier.write([*rows, *rows])
        assert await tier.read(A, base, base + HOUR_MS) == rows
        assert await tier.count() == 150

    async def test_late_samples_find_their_place(self, tier: RowTier, base: int) -> None:
        rows = samples(base, 120)
        await tier.write(rows[60:])
        await tier.write(rows[:60:2])
        await tier.write(rows[1:60:2])
        assert await tier.read(A, base, base + HOUR_MS) == rows

    async def test_differing_contents_of_one_key_leave_one(
        self, tier: RowTier, base: int, factory: TierFactory
    ) -> None:
        first, second = (Sample(A, base, value, "ok", None) for value in (1.0, 2.0))
        await tier.write([first])
        written = await tier.write([second, *samples(base + 1000, 5)])
        assert written.new + written.same + len(written.conflicts) == 6
        kept = await tier.read(A, base, base + 1)
        assert kept in ([first], [second])
        assert await tier.count() == 6
        if factory.shows_conflicts:
            assert written.conflicts == (Conflict(first, second),)

    @pytest.mark.parametrize(
        "poison",
        [
            Sample(A, 5, float("nan"), "ok", None),
            Sample(A, 5, float("-inf"), "ok", None),
            Sample(A, -1, 1.0, "ok", None),
            Sample(A, 10**16, 1.0, "ok", None),
            Sample("", 5, 1.0, "ok", None),
            Sample("a\0b", 5, 1.0, "ok", None),
            Sample(A, 5, 1.0, "", None),
            Sample(A, 5, 1.0, "ok", "\ud800"),
            Sample(A, 5, 10**400, "ok", None),
            Sample(A, 5, "7", "ok", None),  # type: ignore[arg-type]
            Sample(A, 5.5, 1.0, "ok", None),  # type: ignore[arg-type]
            Sample(A, 5, 1.0, None, None),  # type: ignore[arg-type]
        ],
        ids=repr,
    )
    async def test_a_poison_record_is_refused_and_nothing_with_it(
        self, tier: RowTier, base: int, poison: Sample
    ) -> None:
        with pytest.raises(TierRejectedError):
            await tier.write([*samples(base, 3), poison])
        assert await tier.count() == 0
        await tier.write(samples(base, 3))
        assert await tier.count() == 3

    async def test_what_was_written_outlives_the_client(
        self, tier: RowTier, base: int, factory: TierFactory, tiers: Tiers
    ) -> None:
        rows = samples(base, 10)
        await tier.write(rows)
        await tiers.close()
        async with opened(factory) as later:
            again = later.hot if tier is tiers.hot else later.warm
            assert await again.read(A, base, base + HOUR_MS) == rows

    async def test_two_bridges_writing_the_same_hour_at_once_store_it_once(
        self, tier: RowTier, base: int, factory: TierFactory, tiers: Tiers
    ) -> None:
        rows = samples(base, 1200) + samples(base, 1200, B)
        async with opened(factory) as other:
            twin = other.hot if tier is tiers.hot else other.warm

            async def feed(target: RowTier, size: int) -> int:
                new = 0
                for at in range(0, len(rows), size):
                    new += (await target.write(rows[at : at + size])).new
                return new

            new = await asyncio.gather(feed(tier, 97), feed(twin, 160), feed(tier, 400))
        assert await tier.read(A, base, base + HOUR_MS) == rows[:1200]
        assert await tier.read(B, base, base + HOUR_MS) == rows[1200:]
        assert await tier.count() == 2400
        if factory.shows_conflicts:
            assert sum(new) == 2400


class TiersContract:
    """The three together."""

    async def test_the_whole_way_of_a_sample_ends_in_one_answer(
        self, tiers: Tiers, factory: TierFactory
    ) -> None:
        now = factory.now - factory.now % HOUR_MS
        old, new = now - 40 * 24 * HOUR_MS, now - HOUR_MS
        rows = samples(old, 400) + samples(new, 400)
        await tiers.warm.write(rows)
        await tiers.hot.write(rows[400:])
        clock = [0.0]
        mover = Mover(tiers.warm, tiers.cold, keep_ms=30 * 24 * HOUR_MS, clock=lambda: clock[0])
        assert (await mover.run_pass(now)).copied == 1
        clock[0] += 61
        assert (await mover.run_pass(now)).deleted == 400
        assert await tiers.warm.count() == 400
        assert await tiers.cold.count() == 400
        reader = Reader(tiers.hot, tiers.warm, tiers.cold)
        page = await reader.samples(A, 0, now, 1000)
        assert (page.samples, page.cursor, page.partial) == (rows, None, [])
        history = await reader.history([A], old, now, 1000)
        assert history["partial"] == []
        points = history["series"][A]
        assert points[0] == [pytest.approx(old, abs=HOUR_MS), 20.0, 44.9375, 32.46875]
        assert points[-1][1:] == points[0][1:]
        assert points[1][1:] == [None, None, None]
