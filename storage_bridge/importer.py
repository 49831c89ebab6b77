"""Samples of a file into the warm tier, and records of the batches that they carry."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from .kettles import stand_in
from .records.model import Batch, BatchSeries, Record
from .samples_file import read_file
from .stored import StoreError, pages
from .tiers.base import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .model import Sample
    from .tiers import Tiers


class Imported(NamedTuple):
    """How many samples a file had, and how many of them met another content under their key."""

    samples: int
    conflicts: int


async def import_file(
    tiers: Tiers, path: Path, progress: Callable[[int, int, int], None]
) -> Imported:
    """Store a file's samples; those that are stored already stay, so it may be done again.

    Each is read back: not every store can tell that it held another content already.
    `progress(done, total, samples)` is called after each chunk. What is in front of a fault of the
    file is stored. Raises FileFormatError, OSError, TierError, StoreError.
    """
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    count = conflicts = 0
    chunks = read_file(path)
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            samples, done, total = chunk
            await tiers.warm.write(samples)
            differing = await _differing(tiers, samples)
            if differing:
                await tiers.warm.keep_conflicts(differing)
            conflicts += len(differing)
            count += len(samples)
            _note(spans, samples)
            progress(done, total, count)
    finally:
        await _record(tiers, spans)
    return Imported(count, conflicts)


async def _differing(tiers: Tiers, samples: list[Sample]) -> list[Conflict]:
    """Those that are not what any tier answers under their key."""
    by_series: dict[str, list[Sample]] = {}
    for sample in samples:
        by_series.setdefault(sample.series, []).append(sample)
    found: list[Conflict] = []
    for series, rows in by_series.items():
        times = {row.t for row in rows}
        stored: dict[int, Sample] = {}
        async for page in pages(tiers, series, min(times), max(times) + 1):
            stored |= {row.t: row for row in page if row.t in times}
        for row in rows:
            if row.t not in stored:
                raise StoreError(
                    f"The warm tier did not give back the sample of {series} at {row.t} that it "
                    "was given; import the file again"
                )
            if stored[row.t] != row:
                found.append(Conflict(stored[row.t], row))
    return found


def _note(spans: dict[tuple[str, str], tuple[int, int]], samples: list[Sample]) -> None:
    for series, t, _value, _quality, batch in samples:
        if batch is not None:
            first, last = spans.get((batch, series), (t, t))
            spans[batch, series] = (min(first, t), max(last, t))


async def _record(tiers: Tiers, spans: dict[tuple[str, str], tuple[int, int]]) -> None:
    """Batches as they are in the samples; their kettle, unless known, goes by the node's name."""
    records = tiers.warm.records
    await records.open()
    for (batch_id, series), (first, last) in spans.items():
        new = BatchSeries(batch_id, series, stand_in(series), first, last)
        known = await records.get(BatchSeries, new.key)
        kettle_id = new.kettle_id if known is None else known.kettle_id
        found: list[Record] = [
            BatchSeries(batch_id, series, kettle_id, first, last),
            Batch(batch_id, kettle_id, first, last, batch_id, "", 0),
        ]
        await records.put(found)
