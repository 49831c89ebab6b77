"""Ninety days at 1 Hz in one chart of a running bridge, over the seams of the three tiers."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from storage_bridge.codec import encode
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.tiers import Tiers
from storage_bridge.tiers.cassandra_cold import CassandraCold
from tests.storage_bridge.generated import archive, probe_hour

from .conftest import MakeBrewery
from .process import BridgeProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SERIES = "n/t0"
PATTERNS = 24
HOURS = 90 * 24
WARM_HOURS = 8  # rows in MongoDB, 1 Hz
BOTH_HOURS = 2  # of these are in Cassandra as well, the first whole, the second in part
HOT_HOURS = 2  # of these are in Redis as well
BEHIND_MS = 40_000  # what warm has not got yet
POINTS = 1000
MIB = 1 << 20


async def test_ninety_days_are_one_chart_over_both_seams(brewery: MakeBrewery) -> None:
    end = (time.time_ns() // 1_000_000 // HOUR_MS + 1) * HOUR_MS
    start = end - HOURS * HOUR_MS
    made = await brewery()
    # With the patience that a bridge has, not that of these tests: one answer is asked for.
    bridge = await made.add_bridge(module="storage_bridge")
    async with made.tiers() as tiers:
        await _load(tiers, start, end)
    await made.until(bridge.delivered, "it serves")
    await _ask(bridge, end - HOUR_MS, end, POINTS)
    before = _peak(bridge.pid)
    began = time.monotonic()
    chart = await _ask(bridge, start, end, POINTS)
    assert time.monotonic() - began < 20, "as long as a person waits, on a slow machine"
    assert _peak(bridge.pid) - before < 100 * MIB, "7.8 million samples are not in memory"
    width = chart["bucket_ms"]
    points = chart["series"][SERIES]
    assert width % HOUR_MS == 0
    assert len(points) <= POINTS
    assert [point[0] for point in points] == list(range(start - start % width, end, width)), (
        "no gap, not even at the seams"
    )
    for t, low, high, mean in points:
        values = [v for hour in range(t, t + width, HOUR_MS) if start <= hour < end
                  for v in _values((hour - start) // HOUR_MS)]  # fmt: skip
        assert (low, high) == (min(values), max(values))
        assert abs(mean - sum(values) / len(values)) < 1e-9, "a sample is missing or counts twice"
    seams = end - (WARM_HOURS + 2) * HOUR_MS
    close = await _ask(bridge, seams, end, POINTS)
    width = close["bucket_ms"]
    rows = [
        r for hour in range(seams, end, HOUR_MS) for r in _rows(hour, (hour - start) // HOUR_MS)
    ]
    found = close["series"][SERIES]
    assert [point[0] for point in found] == list(range(seams - seams % width, end, width))
    for t, low, high, mean in found:
        values = [row.value for row in rows if t <= row.t < t + width and row.value is not None]
        assert (low, high) == (min(values), max(values))
        assert abs(mean - sum(values) / len(values)) < 1e-9
    exact: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        query = urlencode({"series": SERIES, "start": seams, "end": end, "limit": 10_000} | cursor)
        page = (await bridge.get(f"/v1/samples?{query}"))[1]
        assert page["partial"] == []
        exact += page["samples"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [(row[0], row[1]) for row in exact] == [(row.t, row.value) for row in rows]


async def _load(tiers: Tiers, start: int, end: int) -> None:
    assert isinstance(tiers.cold, CassandraCold)
    border = HOURS - WARM_HOURS + BOTH_HOURS
    chunks = list(archive(SERIES, start, border - 1, PATTERNS))
    await tiers.cold.write_chunks(chunks)
    late = start + (border - 1) * HOUR_MS
    await tiers.cold.write_chunk(encode(_rows(late, border - 1)[:2400]))
    for number in range(HOURS - WARM_HOURS, HOURS):
        rows = _rows(start + number * HOUR_MS, number)
        await tiers.warm.write([row for row in rows if row.t < end - BEHIND_MS])
        if number >= HOURS - HOT_HOURS:
            await tiers.hot.write(rows)


def _rows(hour: int, number: int) -> list[Sample]:
    return probe_hour(hour, number % PATTERNS, series=SERIES)


_KNOWN: dict[int, list[float]] = {}


def _values(number: int) -> list[float]:
    pattern = number % PATTERNS
    if pattern not in _KNOWN:
        rows = probe_hour(0, pattern, series=SERIES)
        _KNOWN[pattern] = [row.value for row in rows if row.value is not None]
    return _KNOWN[pattern]


async def _ask(bridge: BridgeProcess, start: int, end: int, points: int) -> dict[str, Any]:
    query = urlencode({"series": SERIES, "start": start, "end": end, "points": points})
    status, chart = await bridge.get(f"/v1/history?{query}")
    assert status == 200
    assert chart["partial"] == []
    found: dict[str, Any] = chart
    return found


def _peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")
