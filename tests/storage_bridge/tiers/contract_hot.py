"""What every hot tier must do."""

import asyncio

import pytest

from storage_bridge.model import HOUR_MS, MINUTE_MS, Last
from storage_bridge.tiers.base import RowTier, Tiers
from storage_bridge.tiers.rebuild import rebuild_hot
from tests.storage_bridge.generated import by_key

from .contract import A, B, RowContract, TierFactory, opened, samples


class HotContract(RowContract):
    """The hot tier."""

    @pytest.fixture
    def tier(self, tiers: Tiers) -> RowTier:
        return tiers.hot

    def last(self, seq: int | None, spool: str | None = "s1", t: int = 5) -> Last:
        return Last(t, 1.5, "ok", None, spool, seq)

    async def test_last_moves_by_seq_and_never_by_time(self, tiers: Tiers) -> None:
        hot = tiers.hot
        assert await hot.newest() == {}
        assert await hot.write_last({A: self.last(7, t=100), B: self.last(1)}) == 2
        assert await hot.write_last({A: self.last(8, t=90)}) == 1, "the clock was turned back"
        assert await hot.write_last({A: self.last(7, t=999), B: self.last(1)}) == 0
        assert await hot.newest() == {A: self.last(8, t=90), B: self.last(1)}

    async def test_last_yields_to_another_spool_at_once(self, tiers: Tiers) -> None:
        await tiers.hot.write_last({A: self.last(900)})
        assert await tiers.hot.write_last({A: self.last(1, "s2", t=3)}) == 1
        assert (await tiers.hot.newest())[A] == self.last(1, "s2", t=3)

    async def test_a_rebuilt_last_yields_at_once_and_replaces_nothing(self, tiers: Tiers) -> None:
        hot = tiers.hot
        assert await hot.write_last({A: self.last(None, None, t=50)}) == 1
        assert await hot.write_last({A: self.last(None, None, t=60)}) == 1
        assert await hot.write_last({A: self.last(1, t=2)}) == 1
        assert await hot.write_last({A: self.last(None, None, t=70)}) == 0
        assert (await hot.newest())[A] == self.last(1, t=2)

    async def test_last_keeps_bad_readings(self, tiers: Tiers) -> None:
        bad = Last(9, None, "bad:crc", "b1", "s1", 3)
        await tiers.hot.write_last({A: bad})
        assert await tiers.hot.newest() == {A: bad}

    async def test_two_bridges_moving_last_end_at_the_highest_seq(
        self, tiers: Tiers, factory: TierFactory
    ) -> None:
        async with opened(factory) as other:

            async def push(client: Tiers, start: int) -> None:
                for seq in range(start, 60, 2):
                    await client.hot.write_last({A: self.last(seq)})

            await asyncio.gather(push(tiers, 1), push(other, 2))
        assert (await tiers.hot.newest())[A].seq == 59

    async def test_expiry_forgets_old_samples_but_not_the_newest(
        self, tiers: Tiers, base: int
    ) -> None:
        rows = samples(base, 600)
        await tiers.hot.write(rows)
        await tiers.hot.write_last({A: self.last(1)})
        before = base + 5 * MINUTE_MS + 30_000
        await tiers.hot.expire(before)
        left = await tiers.hot.read(A, base, base + HOUR_MS)
        assert left[0].t >= base + 5 * MINUTE_MS
        assert [row for row in left if row.t >= before] == [row for row in rows if row.t >= before]
        assert await tiers.hot.count() == len(left)
        assert await tiers.hot.newest() == {A: self.last(1)}
        assert await tiers.hot.expire(before - HOUR_MS) == 0
        await tiers.hot.expire(base + HOUR_MS)
        assert await tiers.hot.series() == []
        assert await tiers.hot.span(A) is None

    async def test_a_hot_tier_that_lost_all_is_rebuilt_from_warm(
        self, tiers: Tiers, base: int
    ) -> None:
        rows = by_key(samples(base, 500) + samples(base, 40, B, 60_000))
        await tiers.warm.write(rows)
        await rebuild_hot(tiers.hot, tiers.warm, base + MINUTE_MS)
        for series in (A, B):
            wanted = [row for row in rows if row.series == series and row.t >= base + MINUTE_MS]
            found = await tiers.hot.read(series, base + MINUTE_MS, base + HOUR_MS)
            assert found == wanted
            newest = wanted[-1]
            assert (await tiers.hot.newest())[series] == Last(*newest[1:], None, None)
