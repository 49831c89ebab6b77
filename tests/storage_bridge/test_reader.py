"""One answer from three tiers: nothing missing, nothing twice, extremes and gaps kept."""

import json
import random
from pathlib import Path

import pytest

from storage_bridge.codec import encode
from storage_bridge.model import HOUR_MS, MINUTE_MS, Last, Sample
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers, embedded

from .generated import HOUR, SERIES, fill, probe_hour
from .reading import reader, slow_points, tiers

__all__ = ["reader", "tiers"]
DAY = 24 * HOUR_MS


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
