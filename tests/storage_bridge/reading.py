"""Tiers to read from, and the plain way to an answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.model import Sample
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore


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
