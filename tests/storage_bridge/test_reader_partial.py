"""A tier that is gone, silent or damaged is named, and the others are read."""

import asyncio
from pathlib import Path
from typing import override

import pytest

from storage_bridge.codec import Chunk, ChunkHead, encode
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.reader import Missing, Reader
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import Bucket, TierRejectedError, TierUnavailableError
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm

from .generated import HOUR, SERIES, damaged, probe_hour
from .reading import reader, slow_points, tiers

__all__ = ["reader", "tiers"]


class DeadWarm(SqliteWarm):
    """A warm tier whose server is gone."""

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        raise TierUnavailableError("The warm store is gone.")

    @override
    async def aggregate(self, series: str, start: int, end: int, bucket_ms: int) -> list[Bucket]:
        raise TierUnavailableError("The warm store is gone.")

    @override
    async def span(self, series: str) -> None:
        raise TierUnavailableError("The warm store is gone.")


class DamagedWarm(SqliteWarm):
    """Holds one hour that cannot be read."""

    spoiled = 0

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        if start <= self.spoiled < end:
            raise TierRejectedError("A document is damaged.")
        return await super().read(series, start, end, limit)


async def test_a_damaged_part_is_named_and_the_tier_is_asked_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    warm = DamagedWarm(store)
    warm.spoiled = HOUR
    tiers = Tiers(SqliteHot(store, shares_rows=True), warm, SqliteCold(store))
    await tiers.open()
    try:
        rows = [Sample("n/c", HOUR + n * HOUR_MS + 1000, float(n), "ok", None) for n in range(3)]
        await warm.write(rows)
        for row in rows:  # each hour is in two places: samples have to be merged
            await tiers.cold.write_chunk(encode([Sample("n/c", row.t + 1000, 9.0, "ok", None)]))
        found = await Reader(*tiers).history(["n/c"], HOUR, HOUR + 3 * HOUR_MS, 3)
        assert found["partial"] == [{"tier": "warm", "error": "A document is damaged."}]
        assert [point[1:3] for point in found["series"]["n/c"]] == [[9, 9], [1, 9], [2, 9]]
    finally:
        await tiers.close()


class MuteCold(SqliteCold):
    """A cold tier that never answers."""

    @override
    async def heads(self, series: str, start: int, end: int) -> list[ChunkHead]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_tier_that_is_gone_makes_the_answer_partial_and_is_named(
    tiers: Tiers, tmp_path: Path
) -> None:
    rows = probe_hour(HOUR)
    await tiers.cold.write_chunk(encode(rows[:100]))
    await tiers.hot.write(rows[200:300])
    reader = Reader(tiers.hot, DeadWarm(SqliteStore(tmp_path / "other.db")), tiers.cold)
    page = await reader.samples(SERIES, HOUR, HOUR + HOUR_MS, 1000)
    assert page.samples == rows[:100] + rows[200:300]
    assert page.partial == [{"tier": "warm", "error": "The warm store is gone."}]
    reply = await reader.history([SERIES, "x"], HOUR, HOUR + HOUR_MS, 3600)
    assert reply["partial"] == page.partial
    assert reply["series"][SERIES] == slow_points(page.samples, HOUR, HOUR + HOUR_MS, 1000)


@pytest.mark.real_time
async def test_a_tier_that_does_not_answer_holds_up_nobody_for_ever(
    tiers: Tiers, tmp_path: Path
) -> None:
    rows = probe_hour(HOUR)[:50]
    await tiers.warm.write(rows)
    reader = Reader(
        tiers.hot, tiers.warm, MuteCold(SqliteStore(tmp_path / "other.db")), timeout_s=1
    )
    page = await reader.samples(SERIES, HOUR, HOUR + HOUR_MS)
    assert page.samples == rows
    assert page.partial == [{"tier": "cold", "error": "The cold tier did not answer within 1 s."}]


class HangingCold(SqliteCold):
    """Says what it has, and then gives none of it."""

    asked = 0

    @override
    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        self.asked += 1
        await asyncio.sleep(3600)
        return []


@pytest.mark.real_time
async def test_a_tier_that_hangs_is_not_asked_again_for_every_hour(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db")
    cold = HangingCold(store)
    tiers = embedded(tmp_path / "other.db")
    await cold.open()
    await tiers.open()
    try:
        for hour in range(30):
            await cold.write_chunk(encode(probe_hour(HOUR + hour * HOUR_MS, step_ms=60_000)))
        reader = Reader(tiers.hot, tiers.warm, cold, timeout_s=1)
        end = HOUR + 30 * HOUR_MS
        page = await reader.samples(SERIES, HOUR, end, 10_000)
        assert (page.samples, page.cursor) == ([], None)
        reply = await reader.history([SERIES, SERIES], HOUR, end, 3000)
        for partial in (page.partial, reply["partial"]):
            assert [missing["tier"] for missing in partial] == ["cold"]
        assert cold.asked == 2, "once for each question"
    finally:
        await tiers.close()
        await cold.close()


async def test_a_damaged_hour_is_named_and_the_others_are_there(
    tiers: Tiers, reader: Reader
) -> None:
    hours = [HOUR + i * HOUR_MS for i in range(3)]
    chunks = [encode(probe_hour(hour, step_ms=60_000)) for hour in hours]
    for chunk in (chunks[0], damaged(chunks[1]), chunks[2]):
        await tiers.cold.write_chunk(chunk)
    end = HOUR + 3 * HOUR_MS
    page = await reader.samples(SERIES, HOUR, end)
    assert [row.t for row in page.samples] == [
        row.t for hour in (hours[0], hours[2]) for row in probe_hour(hour, step_ms=60_000)
    ]
    assert [missing["tier"] for missing in page.partial] == ["cold"]
    assert f"in the hour {hours[1]} is damaged" in page.partial[0]["error"]
    assert (await reader.history([SERIES], HOUR, end, 1000))["partial"] == page.partial


async def test_a_tier_that_lacks_what_was_taken_in_is_named_though_it_answers(
    tiers: Tiers, tmp_path: Path
) -> None:
    lack = Missing(tier="warm", error="It takes nothing.")
    hot = Missing(tier="hot", error="It takes nothing either.")
    lacking = [lack, hot]
    await tiers.warm.write(probe_hour(HOUR)[:100])
    one = Reader(*tiers, lacking=lambda: lacking)
    asked = SERIES, HOUR, HOUR + HOUR_MS
    assert (await one.samples(*asked)).partial == lacking
    assert (await one.history([SERIES], HOUR, HOUR + HOUR_MS, 10))["partial"] == lacking
    assert (await one.count(*asked)).partial == lacking
    embedded_hot = embedded(tmp_path / "store.db").hot
    other = Reader(embedded_hot, *tiers[1:], lacking=lambda: lacking)
    assert (await other.samples(*asked)).partial == [lack], "a hot tier of warm's rows is not asked"
    lacking.clear()
    assert (await one.samples(*asked)).partial == []


@pytest.mark.parametrize("behind", [False, True], ids=["live", "behind"])
async def test_a_sample_of_a_clock_that_was_ahead_hides_no_fresh_ones(
    tiers: Tiers, *, behind: bool
) -> None:
    rows = [Sample(SERIES, HOUR + second * 1000, 60.0, "ok", None) for second in range(6 * 3600)]
    now = rows[-1].t + 1
    ahead = Sample(SERIES, now + 48 * HOUR_MS, 60.0, "ok", None)
    held = 3600 if behind else len(rows) - 60  # a live warm tier lacks a minute or so
    await tiers.hot.write([*rows, ahead])
    await tiers.warm.write([*rows[:held], ahead])
    lacking = [Missing(tier="warm", error="It takes nothing.")] if behind else []
    reader = Reader(*tiers, lacking=lambda: lacking, clock=lambda: now)
    found = await reader.history([SERIES], HOUR, now, 360)
    assert [point[0] for point in found["series"][SERIES]] == list(range(HOUR, now, 60_000))
    assert (await reader.count(SERIES, HOUR, HOUR + 6 * HOUR_MS)).samples == len(rows)
