"""Batches as they are shown: their kettles, series, alarms and notes, and all their samples."""

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from .batch_changes import carrying
from .batch_log import last_with
from .model import MINUTE_MS
from .reader import Reader
from .records.merged import MergedRecords
from .records.model import Acknowledgement, Alarm, Batch, BatchSeries, Note
from .stored import StoreError, pages
from .tiers.base import Tier, TierError, TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from .model import Last, Sample
    from .tiers import Tiers

MAX_BATCHES: Final = 1000
# Warm is written every half minute, or what was set, five at most; the records follow it.
UNTOLD_MS: Final = 10 * MINUTE_MS

type Shown = dict[str, Any]


class NoSuchBatchError(Exception):
    """No samples of this batch have been stored."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"There is no batch {batch_id!r} here")


async def list_batches(
    tiers: Tiers, start: int | None, end: int | None, kettle_id: str | None, limit: int
) -> Shown:
    """`{batches, more, partial}`: those of a kettle that began in a range, oldest first.

    An end is shown as soon as hot has it, the records may say it later. `more` says that not all
    are shown: ask for those from the start of the last one on. Raises TierUnavailableError when
    neither warm nor cold can be asked.
    """
    records, reader = MergedRecords(tiers), Reader(*tiers)
    found = await records.find(Batch, start=start, end=end, subject=kettle_id, limit=limit + 1)
    _one_at_least(records)
    newest, partial = await _newest(tiers)
    by_id: dict[str, list[Batch]] = {}
    for record in found[:limit]:
        by_id.setdefault(record.batch_id, []).append(record)
    carried = {last.batch for last in newest.values()}
    shown: list[Shown] = []
    for batch_id, kettles in by_id.items():
        untold = {record.kettle_id for record in kettles if record.ended is None}
        known: list[BatchSeries] = []
        if untold or batch_id in carried:
            known = await records.find(BatchSeries, batch=batch_id)
        running = carrying(batch_id, known, newest)
        over = [one for one in known if one.kettle_id in untold - running]
        lasts = {one: await _last_now(one, newest, tiers, reader) for one in over}
        shown.append(_head(_with_ends(kettles, running, lasts), running))
    return {"batches": shown, "more": len(found) > limit, "partial": records.partial + partial}


async def describe(tiers: Tiers, reader: Reader, batch_id: str) -> Shown:
    """All that is known of a batch; raises NoSuchBatchError.

    `series` have `samples`: their number from the first to the last that carries the batch.
    """
    records = MergedRecords(tiers)
    kettles = await _kettles(records, batch_id)
    newest, partial = await _newest(tiers)
    known = await records.find(BatchSeries, batch=batch_id)
    running = carrying(batch_id, known, newest)
    plain = Reader(*tiers)  # an end is known also while a tier lacks what came after it
    lasts = {one: await _last_now(one, newest, tiers, plain) for one in known}
    series: list[Shown] = []
    for one, last in lasts.items():
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
        **_head(_with_ends(kettles, running, lasts), running),
        "series": series,
        "alarms": alarms,
        "acknowledgements": seen,
        "notes": [note for note in notes if note["text"]],
        "partial": partial,
    }


async def batch_samples(
    tiers: Tiers, reader: Reader, batch_id: str
) -> AsyncGenerator[list[Sample]]:
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
        async for samples in pages(reader, one.series, one.first, max(end, one.first + 1)):
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


def _with_ends(
    records: Sequence[Batch], running: set[str], lasts: Mapping[BatchSeries, int | None]
) -> list[Batch]:
    """The same with the ends that are not yet recorded, where the last sample of all is known."""
    told: list[Batch] = []
    for record in records:
        ends = [last for one, last in lasts.items() if one.kettle_id == record.kettle_id]
        known = [end for end in ends if end is not None]
        if record.ended is None and record.kettle_id not in running and len(known) == len(ends):
            told.append(replace(record, ended=max(known, default=None)))
        else:
            told.append(record)
    return told


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


def _last(one: BatchSeries, newest: dict[str, Last]) -> int | None:
    """The time of the newest sample with the batch; None: it is not known to be the last."""
    now = newest.get(one.series)
    if now is not None and now.batch == one.batch_id:
        return max(now.t, one.last or 0)
    return one.last


async def _last_now(
    one: BatchSeries, newest: dict[str, Last], tiers: Tiers, reader: Reader
) -> int | None:
    """As `_last`, also where the end is in the stored samples and not yet in the records."""
    last = _last(one, newest)
    now = newest.get(one.series)
    # A hot tier that shows warm's rows has no sample before warm, and so before the records.
    if last is not None or now is None or tiers.hot.shares_rows:
        return last
    try:
        start = max(one.first, now.t - UNTOLD_MS)
        return await last_with(one.batch_id, one.series, start, now.t, reader)
    except TierUnavailableError:
        return None  # the records will say it


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
