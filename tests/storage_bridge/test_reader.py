"""One answer from three tiers: nothing missing, nothing twice, extremes and gaps kept."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, override

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.codec import Chunk, ChunkHead, encode
from storage_bridge.model import HOUR_MS, MINUTE_MS, Last, Sample
from storage_bridge.reader import Reader
from storage_bridge.reader_buckets import of_samples, points_of, width_for
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import Bucket, TierRejectedError, TierUnavailableError
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm
from tests.storage_bridge.generated import HOUR, SERIES, damaged, fill, probe_hour

DAY = 24 * HOUR_MS


@pytest.fixture
async def tiers(tmp_path: Path) -> AsyncIterator[Tiers]:
    hot = SqliteHot(SqliteStore(tmp_path / "hot.db"), shares_rows=False)
    made = embedded(tmp_path / "store.db")._replace(hot=hot)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def reader(tiers: Tiers) -> Reader:
    return Reader(*tiers)


def slow_points(rows: list[Sample], start: int, end: int, width: int) -> list[list[Any]]:
    """The same answer the plain way: all samples in one list."""
    buckets: dict[int, list[Sample]] = {}
    for row in rows:
        if start // width * width <= row.t < -(-end // width) * width:
            buckets.setdefault(row.t // width * width, []).append(row)
    points: list[list[Any]] = []
    before: Sample | None = None
    for t, here in sorted(buckets.items()):
        if before is not None and here[0].t - before.t > max(15_000, 2 * width):
            points.append([before.t // width * width + width, None, None, None])
        numbers = [row.value for row in here if row.value is not None and "bad" not in row.quality]
        if numbers:
            mean = pytest.approx(sum(numbers) / len(numbers))
            points.append([t, min(numbers), max(numbers), mean])
        else:
            points.append([t, None, None, None])
        before = here[-1]
    return points


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 10_000))
def test_a_width_never_takes_more_buckets_than_asked(start: int, length: int, points: int) -> None:
    width = width_for(start, start + length, points)
    assert (start + length - 1) // width - start // width + 1 <= points
    assert HOUR_MS % width == 0 or width % HOUR_MS == 0


@pytest.mark.parametrize(
    ("length", "points", "width"),
    [
        (10_000, 1000, 1000),
        (HOUR_MS, 1000, 5000),
        (DAY, 1000, 120_000),
        (30 * DAY, 1000, HOUR_MS),
        (365 * DAY, 1000, 12 * HOUR_MS),
        (3650 * DAY, 1000, 4 * DAY),
    ],
)
def test_widths_are_the_usual_ones(length: int, points: int, width: int) -> None:
    start = HOUR // (4 * DAY) * 4 * DAY
    assert width_for(start, start + length, points) == width


@given(
    st.lists(
        st.tuples(
            st.integers(0, 200_000),
            st.one_of(st.none(), st.floats(-1e6, 1e6)),
            st.sampled_from(["ok", "bad:crc", "suspect:outlier"]),
        ),
        unique_by=lambda row: row[0],
    ),
    st.sampled_from([1000, 5000, 30_000, MINUTE_MS]),
)
def test_points_are_those_of_the_plain_way(
    rows: list[tuple[int, float | None, str]], width: int
) -> None:
    samples = [Sample(SERIES, t, value, quality, None) for t, value, quality in sorted(rows)]
    parts = of_samples(samples, 0, 240_000, 1000)
    random.Random(len(rows)).shuffle(parts)
    found = points_of(parts, width)
    assert found == slow_points(samples, 0, 240_000, width)
    assert len({point[0] for point in found}) == len(found)


def test_a_mean_stays_between_its_extremes() -> None:
    samples = [Sample(SERIES, i, 1.7e308, "ok", None) for i in range(9)]
    assert points_of(of_samples(samples, 0, 1000, 1000), 1000) == [[0, 1.7e308, 1.7e308, 1.7e308]]
    parts = [Bucket(0, 1, 1, 0.1, 0.1, 0.1, 0, 0)] * 3
    assert points_of(parts, 1000) == [[0, 0.1, 0.1, 0.1]]


def truth_of(dice: random.Random) -> list[Sample]:
    """Eleven hours with gaps, bad and suspect readings, and times off the second."""
    rows = []
    for hour in range(11):
        for at in range(0, HOUR_MS, 4000):
            if dice.random() < 0.01 or hour == 4 or (hour == 6 and at < 40 * MINUTE_MS):
                continue
            quality = dice.choices(["ok", "suspect:outlier", "bad:crc"], [30, 1, 1])[0]
            value = None if quality == "bad:crc" else round(dice.gauss(60, 5), 3)
            t = HOUR + hour * HOUR_MS + at + dice.choice([0, 0, 0, 7])
            rows.append(Sample(SERIES, t, value, quality, dice.choice([None, "b1"])))
    return rows


async def scatter(tiers: Tiers, rows: list[Sample], dice: random.Random) -> None:
    """Put every sample in one tier or in several, as moving, late data and lag do."""
    newest = HOUR + 10 * HOUR_MS + 30 * MINUTE_MS
    warm: list[Sample] = []
    for hour in range(HOUR, HOUR + 11 * HOUR_MS, HOUR_MS):
        here = [row for row in rows if hour <= row.t < hour + HOUR_MS]
        state = dice.choice(["cold", "moving", "late", "two", "warm"])
        if not here or hour >= HOUR + 9 * HOUR_MS or state == "warm":
            warm += here
            continue
        late = [row for row in here if dice.random() < 0.02] or here[:1]
        if state in ("cold", "moving"):
            await tiers.cold.write_chunk(encode(here))
            warm += here if state == "moving" else []
        else:
            early = [row for row in here if row not in late]
            await tiers.cold.write_chunk(encode(early))
            if state == "two":
                await tiers.cold.write_chunk(encode(here[::2]))
            if state == "late" or here[1::2]:
                warm += late
    await tiers.warm.write([row for row in warm if row.t < newest])
    await tiers.hot.write([row for row in rows if row.t >= HOUR + 8 * HOUR_MS])


@pytest.mark.parametrize("seed", range(6))
async def test_any_mix_of_tiers_gives_the_one_answer(
    tiers: Tiers, reader: Reader, seed: int
) -> None:
    dice = random.Random(seed)
    rows = truth_of(dice)
    await scatter(tiers, rows, dice)
    end = HOUR + 11 * HOUR_MS
    cursor, found = None, []
    while True:
        page = await reader.samples(SERIES, HOUR, end, 777, cursor)
        found += page.samples
        cursor = page.cursor
        if cursor is None:
            break
    assert found == rows
    for points in (1000, 150, 11, 4, 1):
        for start, stop in ((HOUR, end), (HOUR + 1234567, end - 7654321)):
            reply = await reader.history([SERIES], start, stop, points)
            assert reply["partial"] == []
            width = reply["bucket_ms"]
            assert reply["series"][SERIES] == slow_points(rows, start, stop, width), (points, width)
            assert len(reply["series"][SERIES]) <= points


async def test_a_page_ends_where_the_limit_says_and_goes_on_there(
    reader: Reader, tiers: Tiers
) -> None:
    rows = probe_hour(HOUR)
    await tiers.cold.write_chunk(encode(rows[:2000]))
    await tiers.warm.write(rows[2000:])
    page = await reader.samples(SERIES, HOUR, HOUR + HOUR_MS, 3600)
    assert (page.samples, page.cursor) == (rows, None)
    page = await reader.samples(SERIES, HOUR, HOUR + HOUR_MS, 1999)
    assert page.samples == rows[:1999]
    rest = await reader.samples(SERIES, HOUR, HOUR + HOUR_MS, 10_000, page.cursor)
    assert (rest.samples, rest.cursor) == (rows[1999:], None)


async def test_a_page_reaches_over_years_where_little_is_archived(
    reader: Reader, tiers: Tiers
) -> None:
    rows = [Sample(SERIES, HOUR + i * 300 * DAY + 5, float(i), "ok", None) for i in range(12)]
    for row in rows:
        await tiers.cold.write_chunk(encode([row]))
    page = await reader.samples(SERIES, 0, HOUR + 4000 * DAY, 7)
    assert page.samples == rows[:7]
    rest = await reader.samples(SERIES, 0, HOUR + 4000 * DAY, 7, page.cursor)
    assert (rest.samples, rest.cursor) == (rows[7:], None)


async def test_what_makes_no_sense_is_refused(reader: Reader) -> None:
    for start, end in ((5, 5), (6, 5), (-1, 5), (0, 10**16)):
        with pytest.raises(ValueError, match="range"):
            await reader.history([SERIES], start, end, 10)
        with pytest.raises(ValueError, match="range"):
            await reader.samples(SERIES, start, end)
    for points in (0, -1, 10_001):
        with pytest.raises(ValueError, match="points"):
            await reader.history([SERIES], 0, 10, points)
    for limit in (0, 10_001):
        with pytest.raises(ValueError, match="limit"):
            await reader.samples(SERIES, 0, 10, limit)
    for cursor in ("", "x", "-1", "11", "²", "1.5"):
        with pytest.raises(ValueError, match="cursor"):
            await reader.samples(SERIES, 0, 10, 5, cursor)


async def test_an_unknown_series_is_empty_and_all_asked_are_answered(
    reader: Reader, tiers: Tiers
) -> None:
    await tiers.warm.write(probe_hour(HOUR)[:3])
    reply = await reader.history([SERIES, "no/such"], HOUR, HOUR + 5000, 100)
    assert reply["series"]["no/such"] == []
    assert [point[0] for point in reply["series"][SERIES]] == [HOUR, HOUR + 1000, HOUR + 2000]
    assert json.loads(json.dumps(reply, allow_nan=False)) == reply


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


async def test_an_embedded_hot_tier_is_not_asked_for_what_warm_has(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    try:
        rows = probe_hour(HOUR)
        await tiers.warm.write(rows)
        await tiers.hot.write_last({SERIES: Last(*rows[-1][1:], "s", 3600)})
        assert tiers.hot.shares_rows
        assert await tiers.hot.read(SERIES, HOUR, HOUR + 5000) == rows[:5]
        page = await Reader(*tiers).samples(SERIES, HOUR, HOUR + HOUR_MS, 10_000)
        assert page.samples == rows
    finally:
        await tiers.close()


@pytest.mark.slow
async def test_a_year_at_1_hz_becomes_a_chart(tmp_path: Path) -> None:
    hours = 8760
    start, end = HOUR - HOUR % DAY, HOUR - HOUR % DAY + hours * HOUR_MS
    assert await fill(tmp_path / "store.db", SERIES, start, hours) == hours * 3600
    tiers = embedded(tmp_path / "store.db")
    await tiers.open()
    try:
        reply = await Reader(*tiers).history([SERIES], start, end, 1000)
        points = reply["series"][SERIES]
        assert [point[0] for point in points] == list(range(start, end, 12 * HOUR_MS))
        assert all(None not in point for point in points)
        assert await tiers.cold.count() == hours * 3600
    finally:
        await tiers.close()
