"""Samples of a file into the warm tier, and records of the batches that they carry."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from . import batch_record
from .kettles import stand_in
from .reader import Reader
from .records.model import Batch, BatchSeries, Record
from .samples_file import read_file, read_record
from .stored import StoreError, pages
from .tiers.base import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .model import Sample
    from .tiers import Tiers


class Imported(NamedTuple):
    """How many samples a file had, and how many of them met another content under their key.

    `records` are those of the batch that came with it, `differing` names those that met another
    content, of which the merged one stays.
    """

    samples: int
    conflicts: int
    records: int = 0
    differing: tuple[str, ...] = ()


async def import_file(
    tiers: Tiers, path: Path, progress: Callable[[int, int, int], None]
) -> Imported:
    """Store a file's samples and records; what is stored already stays, so it may be done again.

    Each is read back: not every store can tell that it held another content already.
    `progress(done, total, samples)` is called after each chunk. What is in front of a fault of the
    file is stored. Raises FileFormatError, OSError, TierError, StoreError.
    """
    text = await asyncio.to_thread(read_record, path)
    records = [] if text is None else batch_record.parse(text, path).records
    # First: it names the kettles, which samples do not.
    differing = await _keep(tiers, records)
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    count = conflicts = 0
    chunks = read_file(path)
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            samples, done, total = chunk
            await tiers.warm.write(samples)
            found = await _differing(tiers, samples)
            if found:
                await tiers.warm.keep_conflicts(found)
            conflicts += len(found)
            count += len(samples)
            _note(spans, samples)
            progress(done, total, count)
    finally:
        await _record(tiers, spans)
    return Imported(count, conflicts, len(records), tuple(differing))


async def _keep(tiers: Tiers, records: list[Record]) -> list[str]:
    """Merge records into what is stored; names of those that say something else than it did."""
    warm = tiers.warm.records
    await warm.open()
    differing: list[str] = []
    for record in records:
        before = await _stored(tiers, type(record), record.key)
        if before is not None and _contradict(before, record):
            differing.append(f"{record.kind} {record.key}")
    await warm.put(records)
    for record in records:
        stored = await warm.get(type(record), record.key)
        if stored is None or stored.merge(record) != stored:
            raise StoreError(
                f"The warm tier did not give back the record {record.key} of {record.kind} that "
                "it was given; import the file again"
            )
    return differing


async def _stored[R: Record](tiers: Tiers, kind: type[R], key: str) -> R | None:
    """What warm and cold come to."""
    warm = await tiers.warm.records.get(kind, key)
    cold = await tiers.cold.records.get(kind, key)
    return warm.merge(cold) if warm is not None and cold is not None else warm or cold


def _contradict(one: Record, other: Record) -> bool:
    """Whether they say different things, not only one more than the other, or what is newer.

    Merged, times become one span or the earliest end; of two texts one is lost.
    """
    left, right = one.body(), other.body()
    if left.get("changed") != right.get("changed"):
        return False
    texts = ((value, right[name]) for name, value in left.items())
    return any(isinstance(a, str) and isinstance(b, str) and a != b for a, b in texts)


async def _differing(tiers: Tiers, samples: list[Sample]) -> list[Conflict]:
    """Those that are not what any tier answers under their key."""
    by_series: dict[str, list[Sample]] = {}
    for sample in samples:
        by_series.setdefault(sample.series, []).append(sample)
    found: list[Conflict] = []
    for series, rows in by_series.items():
        times = {row.t for row in rows}
        stored: dict[int, Sample] = {}
        async for page in pages(Reader(*tiers), series, min(times), max(times) + 1):
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
        known = await _stored(tiers, BatchSeries, new.key)
        kettle_id = new.kettle_id if known is None else known.kettle_id
        found: list[Record] = [
            BatchSeries(batch_id, series, kettle_id, first, last),
            Batch(batch_id, kettle_id, first, last, batch_id, "", 0),
        ]
        await records.put(found)
