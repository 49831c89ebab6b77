"""Batches as they are shown: their kettles, series, alarms and notes, and all their samples."""

import uuid
from typing import TYPE_CHECKING, Any, Final

from .records.merged import MergedRecords
from .records.model import Acknowledgement, Alarm, Batch, BatchSeries, Note
from .stored import StoreError, pages
from .tiers.base import Tier, TierError, TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .model import Last, Sample
    from .reader import Reader
    from .tiers import Tiers

MAX_BATCHES: Final = 1000

type Shown = dict[str, Any]


class NoSuchBatchError(Exception):
    """No samples of this batch have been stored."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"There is no batch {batch_id!r} here")


async def list_batches(
    tiers: Tiers, start: int | None, end: int | None, kettle_id: str | None, limit: int
) -> Shown:
    """`{batches, more, partial}`: those of a kettle that began in a range, oldest first.

    `more` says that not all are shown: ask for those from the start of the last one on. Raises
    TierUnavailableError when neither warm nor cold can be asked.
    """
    records = MergedRecords(tiers)
    found = await records.find(Batch, start=start, end=end, subject=kettle_id, limit=limit + 1)
    _one_at_least(records)
    newest, partial = await _newest(tiers)
    by_id: dict[str, list[Batch]] = {}
    for record in found[:limit]:
        by_id.setdefault(record.batch_id, []).append(record)
    shown = [
        _head(kettles, await _running(records, batch_id, newest))
        for batch_id, kettles in by_id.items()
    ]
    return {"batches": shown, "more": len(found) > limit, "partial": records.partial + partial}


async def describe(tiers: Tiers, reader: Reader, batch_id: str) -> Shown:
    """All that is known of a batch; raises NoSuchBatchError.

    `series` have `samples`: their number from the first to the last that carries the batch.
    """
    records = MergedRecords(tiers)
    kettles = await _kettles(records, batch_id)
    newest, partial = await _newest(tiers)
    running = await _running(records, batch_id, newest)
    series: list[Shown] = []
    for one in await records.find(BatchSeries, batch=batch_id):
        last = _last(one, newest)
        end, missing = (last + 1, []) if last is not None else await _end(tiers, one.series)
        counted = await reader.count(one.series, one.first, max(end, one.first + 1))
        partial += [m for m in (*missing, *counted.partial) if m not in partial]
        series.append(
            {
                "series": one.series,
                "kettle_id": one.kettle_id,
                "first": one.first,
                "last": last,
                "samples": counted.samples,
            }
        )
    alarms = [record.body() for record in await records.find(Alarm, batch=batch_id)]
    seen = [record.body() for record in await records.find(Acknowledgement, batch=batch_id)]
    notes = [record.body() for record in await records.find(Note, batch=batch_id)]
    partial += [missing for missing in records.partial if missing not in partial]
    return {
        **_head(kettles, running),
        "series": series,
        "alarms": alarms,
        "acknowledgements": seen,
        "notes": [note for note in notes if note["text"]],
        "partial": partial,
    }


async def batch_samples(tiers: Tiers, batch_id: str) -> AsyncGenerator[list[Sample]]:
    """Every sample that carries the batch, by series and rising `t`, a page at a time.

    Raises NoSuchBatchError, and StoreError rather than leave out what a tier could not give.
    """
    records = MergedRecords(tiers)
    known = await records.find(BatchSeries, batch=batch_id)
    newest, partial = await _newest(tiers)
    if partial := records.partial + partial:
        raise StoreError(f"the {partial[0]['tier']} tier: {partial[0]['error']}")
    if not known:
        raise NoSuchBatchError(batch_id)
    for one in sorted(known, key=lambda one: one.series):
        last = _last(one, newest)
        end, missing = (last + 1, []) if last is not None else await _end(tiers, one.series)
        if missing:
            raise StoreError(f"the {missing[0]['tier']} tier: {missing[0]['error']}")
        async for samples in pages(tiers, one.series, one.first, max(end, one.first + 1)):
            yield [sample for sample in samples if sample.batch == batch_id]


async def add_note(
    tiers: Tiers, batch_id: str, *, by: str, text: str, now: int, kettle_id: str | None = None
) -> Note:
    """Keep what somebody says of a batch; of the kettle it was in last unless one is named.

    Raises NoSuchBatchError, and ValueError for what cannot be kept.
    """
    kettles = await _kettles(MergedRecords(tiers), batch_id)
    if kettle_id is None:
        kettle_id = kettles[-1].kettle_id
    elif kettle_id not in {record.kettle_id for record in kettles}:
        raise ValueError(f"Batch {batch_id!r} was never in kettle {kettle_id!r}")
    if not text.strip():
        raise ValueError("The note is empty")
    note = Note(uuid.uuid4().hex, now, kettle_id, by, text, now, batch_id)
    await tiers.warm.records.put([note])
    return note


async def _kettles(records: MergedRecords, batch_id: str) -> list[Batch]:
    """A batch in each of its kettles; raises NoSuchBatchError, if that can be known."""
    kettles = await records.find(Batch, batch=batch_id)
    if not kettles and records.partial:
        raise TierUnavailableError(records.partial[0]["error"])
    if not kettles:
        raise NoSuchBatchError(batch_id)
    return kettles


def _one_at_least(records: MergedRecords) -> None:
    if len(records.partial) == len(("warm", "cold")):
        raise TierUnavailableError(" ".join(missing["error"] for missing in records.partial))


def _head(records: Sequence[Batch], running: set[str]) -> Shown:
    kettles = [
        {
            "kettle_id": record.kettle_id,
            "started": record.started,
            "ended": None if record.kettle_id in running else record.ended,
            "running": record.kettle_id in running,
        }
        for record in records
    ]
    newest = max(records, key=lambda record: record.changed)
    ends = [record.ended for record in records if record.ended is not None]
    over = not running and len(ends) == len(records)
    return {
        "batch_id": newest.batch_id,
        "name": newest.name,
        "started": min(record.started for record in records),
        "ended": max(ends) if over else None,
        "running": bool(running),
        "kettles": kettles,
    }


async def _newest(tiers: Tiers) -> tuple[dict[str, Last], list[Any]]:
    try:
        return await tiers.hot.newest(), []
    except TierError as err:
        return {}, [{"tier": "hot", "error": str(err)}]


async def _running(records: MergedRecords, batch_id: str, newest: dict[str, Last]) -> set[str]:
    """The kettles whose newest samples carry the batch; it may have stopped and begun again."""
    carrying = {series for series, last in newest.items() if last.batch == batch_id}
    if not carrying:
        return set()
    return {
        one.kettle_id
        for one in await records.find(BatchSeries, batch=batch_id)
        if one.series in carrying
    }


def _last(one: BatchSeries, newest: dict[str, Last]) -> int | None:
    """The time of the newest sample with the batch; None: it is not known to be the last."""
    now = newest.get(one.series)
    if now is not None and now.batch == one.batch_id:
        return max(now.t, one.last or 0)
    return one.last


async def _end(tiers: Tiers, series: str) -> tuple[int, list[Any]]:
    """The end of all stored samples of a series."""
    ends = [0]
    missing: list[Any] = []
    every: tuple[Tier, ...] = tuple(tiers)
    for tier in every:
        try:
            span = await tier.span(series)
        except TierError as err:
            missing.append({"tier": tier.role, "error": str(err)})
        else:
            ends.append(0 if span is None else span.last + 1)
    return max(ends), missing
