"""Samples of a file into the warm tier, and records of the batches that they carry."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from .kettles import stand_in
from .records.model import Batch, BatchSeries, Record
from .samples_file import read_file

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

    `progress(done, total, samples)` is called after each chunk. What is in front of a fault of the
    file is stored. Raises FileFormatError, OSError, TierError.
    """
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    count = conflicts = 0
    chunks = read_file(path)
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            samples, done, total = chunk
            written = await tiers.warm.write(samples)
            if written.conflicts:
                await tiers.warm.keep_conflicts(written.conflicts)
            conflicts += len(written.conflicts)
            count += len(samples)
            _note(spans, samples)
            progress(done, total, count)
    finally:
        await _record(tiers, spans)
    return Imported(count, conflicts)


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
