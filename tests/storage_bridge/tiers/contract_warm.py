"""What every warm tier must do."""

from typing import Any

import pytest

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.tiers.base import Conflict, RowTier, SeriesHour, Tiers

from .contract import A, B, RowContract, samples


class WarmContract(RowContract):
    """The warm tier."""

    @pytest.fixture
    def tier(self, tiers: Tiers) -> RowTier:
        return tiers.warm

    async def test_buckets_add_up_whatever_their_width(self, tiers: Tiers, base: int) -> None:
        rows = [
            *samples(base, 90),
            Sample(A, base + 90_000, None, "bad:crc", None),
            Sample(A, base + 91_000, 85.0, "bad:power_on", None),
            Sample(A, base + 92_000, -7.0, "suspect:outlier", None),
            Sample(A, base + 50 * MINUTE_MS, None, "bad:missing", None),
        ]
        for at in range(0, len(rows), 7):  # the minutes grow batch by batch
            await tiers.warm.write(rows[at : at + 7])
        await tiers.warm.write(rows)  # and a replay adds nothing
        for width in (1000, 5000, 30_000, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS):
            found = await tiers.warm.aggregate(A, base, base + HOUR_MS, width)
            wanted: list[Any] = []
            for t in range(base, base + HOUR_MS, width):
                here = [row for row in rows if t <= row.t < t + width]
                numbers = [r.value for r in here if r.value is not None and "bad" not in r.quality]
                if here:
                    low, high = min(numbers, default=None), max(numbers, default=None)
                    total = pytest.approx(sum(numbers))
                    times = (here[0].t, here[-1].t)
                    wanted.append((t, len(here), len(numbers), low, high, total, *times))
            assert found == wanted, width

    async def test_buckets_are_only_of_the_range_and_the_series(
        self, tiers: Tiers, base: int
    ) -> None:
        await tiers.warm.write(samples(base, 180) + samples(base, 180, B))
        found = await tiers.warm.aggregate(A, base + MINUTE_MS, base + 2 * MINUTE_MS, MINUTE_MS)
        assert [(bucket.t, bucket.rows) for bucket in found] == [(base + MINUTE_MS, 60)]
        with pytest.raises(ValueError, match="whole buckets"):
            await tiers.warm.aggregate(A, base + 1, base + HOUR_MS, MINUTE_MS)

    async def test_hours_that_ended_are_listed_oldest_first(self, tiers: Tiers, base: int) -> None:
        await tiers.warm.write(samples(base + HOUR_MS - 1000, 2) + samples(base + 5, 1, B))
        before = tiers.warm.hours_before
        assert await before(base + HOUR_MS - 1, 10) == []
        assert await before(base + HOUR_MS, 10) == [SeriesHour(A, base), SeriesHour(B, base)]
        both = await before(base + 3 * HOUR_MS, 10)
        assert both == [SeriesHour(A, base), SeriesHour(B, base), SeriesHour(A, base + HOUR_MS)]
        assert await before(base + 3 * HOUR_MS, 1) == [SeriesHour(A, base)]

    async def test_delete_takes_exactly_what_it_was_given(self, tiers: Tiers, base: int) -> None:
        rows = samples(base, 300)
        await tiers.warm.write(rows + samples(base, 10, B) + samples(base + HOUR_MS, 3))
        gone = await tiers.warm.delete_exact(rows[:120])
        assert gone == 120
        assert await tiers.warm.delete_exact(rows[:120]) == 0
        assert await tiers.warm.delete_exact([]) == 0
        assert await tiers.warm.read(A, base, base + HOUR_MS) == rows[120:]
        assert await tiers.warm.count() == 180 + 10 + 3
        found = await tiers.warm.aggregate(A, base, base + HOUR_MS, HOUR_MS)
        assert [(bucket.rows, bucket.low) for bucket in found] == [(180, rows[120].value)]
        assert await tiers.warm.delete_exact(rows[120:]) == 180
        assert await tiers.warm.hours_before(base + HOUR_MS, 5) == [SeriesHour(B, base)]

    async def test_delete_leaves_what_changed_or_came_late(self, tiers: Tiers, base: int) -> None:
        rows = samples(base, 60)
        late = Sample(A, base + 500, 3.0, "ok", None)
        await tiers.warm.write([*rows, late])
        wrong = [row._replace(value=99.0) for row in rows[:3]]
        wrong += [rows[3]._replace(quality="suspect:frozen"), rows[4]._replace(batch="b9")]
        gone = await tiers.warm.delete_exact([*wrong, *rows[5:]])
        left = await tiers.warm.read(A, base, base + HOUR_MS)
        assert set(left) >= {*rows[:5], late}
        assert len(left) == 61 - gone

    async def test_conflicts_are_kept_once(self, tiers: Tiers, base: int) -> None:
        kept = Sample(A, base, 1.0, "ok", None)
        others = [
            kept._replace(value=2.0),
            kept._replace(value=None, quality="bad:crc"),
            kept._replace(batch="b1"),
        ]
        conflicts = [Conflict(kept, other) for other in others]
        await tiers.warm.keep_conflicts(conflicts)
        await tiers.warm.keep_conflicts(conflicts)
        assert sorted(await tiers.warm.conflicts(10), key=repr) == sorted(conflicts, key=repr)
        assert len(await tiers.warm.conflicts(2)) == 2
