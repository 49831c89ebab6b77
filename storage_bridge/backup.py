"""Everything that a bridge keeps, into one file, also beside the running bridge.

The outbox comes first: what leaves it meanwhile is in a tier by then, and what is taken in
meanwhile is not in its coverage, so that the nodes send it again to a bridge that was restored.
"""

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from itertools import batched
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from .backup_file import BackupError, Contents, Kind, Writer, check
from .codec import Chunk, CodecError, encode, verified
from .model import HOUR_MS, Sample, hour_of
from .outbox_schema import BUSY_S
from .record_rows import rows_of
from .records.merged import MergedRecords
from .records.model import KINDS
from .stored import all_series, span_of
from .tiers.base import TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from .config import BridgeConfig
    from .records.model import Record
    from .tiers import Tiers

_PIECE: Final = 1 << 20
_HOURS: Final = 24  # read at once
_ROWS: Final = 10_000
_RECORDS: Final = 500

type Progress = Callable[[int, int, int], None]


class _Hour(NamedTuple):
    chunk: Chunk | None
    damaged: tuple[str, ...] = ()


async def back_up(
    config: BridgeConfig,
    tiers: Tiers,
    output: Path,
    *,
    version: str,
    progress: Progress = lambda *_: None,
) -> Contents:
    """Write the open tiers and what is in the data_dir to a new file `output`.

    The name appears when the file is whole and on the disk. `progress(done, series, samples)` is
    called now and then. Raises BackupError, TierError, OSError.
    """
    if output.exists():
        raise BackupError(f"{output} exists and is not overwritten; choose another name")
    part = output.with_name(f"{output.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as err:
        raise BackupError(
            f"{part} exists: another backup is being made, or was cut short; then remove it"
        ) from err
    try:
        with os.fdopen(handle, "wb") as file:
            await _write(config, tiers, file, part, version, progress)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        contents = await asyncio.to_thread(check, part)
        part.rename(output)
    finally:
        part.unlink(missing_ok=True)
    return contents


async def _write(
    config: BridgeConfig,
    tiers: Tiers,
    file: BinaryIO,
    part: Path,
    version: str,
    progress: Progress,
) -> None:
    writer = Writer(file)
    header = {"created": time.time_ns() // 1_000_000, "bridge": version}
    writer.add_json(Kind.HEADER, header)
    if config.outbox_path.exists():
        temporary = part.with_name(f"{part.name}.outbox")
        await asyncio.to_thread(_copy_outbox, config.outbox_path, writer, temporary)
    # Later than the outbox: it tells of the samples that a feeder has taken out of there.
    if config.batches_path.exists():
        writer.add(Kind.BATCHES, config.batches_path.read_bytes())
    newest = await tiers.hot.newest()
    if newest:
        writer.add_json(Kind.NEWEST, newest)
    hours = samples = records = 0
    damaged: list[str] = []
    names = await all_series(tiers)
    for done, name in enumerate(names):
        async for hour in _hours_of(tiers, name):
            damaged += hour.damaged
            if hour.chunk is not None:
                await asyncio.to_thread(writer.add_chunk, hour.chunk)
                hours, samples = hours + 1, samples + hour.chunk.head.rows
            progress(done, len(names), samples)
    progress(len(names), len(names), samples)
    async for some in all_records(tiers):
        writer.add_json(Kind.RECORDS, rows_of(some))
        records += len(some)
    writer.finish(hours=hours, samples=samples, records=records, damaged=damaged)


def _copy_outbox(outbox: Path, writer: Writer, temporary: Path) -> None:
    """Its file as of one moment, without what the disk still holds of deleted rows."""
    temporary.unlink(missing_ok=True)
    try:
        with closing(
            sqlite3.connect(f"{outbox.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        ) as db:
            db.execute("VACUUM INTO ?", (str(temporary),))
        with temporary.open("rb") as copy:
            while piece := copy.read(_PIECE):
                writer.add(Kind.OUTBOX, piece)
    except sqlite3.Error as err:
        raise BackupError(f"The outbox {outbox} cannot be copied: {err}") from err
    finally:
        temporary.unlink(missing_ok=True)


async def _hours_of(tiers: Tiers, series: str) -> AsyncIterator[_Hour]:
    """Each hour of a series once, merged as the reader merges it."""
    for window in batched(await _hours_with_samples(tiers, series), _HOURS, strict=False):
        start, end = window[0], window[-1] + HOUR_MS
        if end - start > len(window) * HOUR_MS:
            windows = [(hour, hour + HOUR_MS) for hour in window]  # with holes that may be years
        else:
            windows = [(start, end)]
        for low, high in windows:
            # In this order: what is being moved is in its new tier before it leaves the old one.
            rows = await tiers.hot.read(series, low, high)
            rows += await tiers.warm.read(series, low, high)
            chunks = await tiers.cold.chunks(series, low, high)
            for hour in await asyncio.to_thread(_merged, rows, chunks):
                yield hour


async def _hours_with_samples(tiers: Tiers, series: str) -> list[int]:
    start, end = await span_of(tiers, series)
    start, end = hour_of(start), hour_of(end - 1) + HOUR_MS
    hours: set[int] = set()
    at = start
    while not tiers.hot.shares_rows and (rows := await tiers.hot.read(series, at, end, _ROWS)):
        hours |= {hour_of(row.t) for row in rows}
        at = rows[-1].t + 1
    hours |= {bucket.t for bucket in await tiers.warm.aggregate(series, start, end, HOUR_MS)}
    hours |= {head.hour for head in await tiers.cold.heads(series, start, end)}
    return sorted(hours)


def _merged(rows: Iterable[Sample], chunks: Iterable[Chunk]) -> list[_Hour]:
    """Hours in order; one that is archived whole is taken as it is."""
    fresh: dict[int, dict[int, Sample]] = {}
    for row in rows:
        fresh.setdefault(hour_of(row.t), {})[row.t] = row
    archived: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        archived.setdefault(chunk.head.hour, []).append(chunk)
    found = []
    for hour in sorted(fresh.keys() | archived.keys()):
        merged = fresh.get(hour, {})
        alone = not merged and len(archived[hour]) == 1
        damaged: list[str] = []
        for chunk in archived.get(hour, []):
            try:
                merged |= {sample.t: sample for sample in verified(chunk)}
            except CodecError as err:
                damaged.append(str(err))
        chunk_now = None
        if merged:
            chunk_now = archived[hour][0] if alone else encode([merged[t] for t in sorted(merged)])
        found.append(_Hour(chunk_now, tuple(damaged)))
    return found


async def all_records(tiers: Tiers) -> AsyncIterator[list[Record]]:
    """Every record of warm and cold once, some at a time; raises TierUnavailableError."""
    merged = MergedRecords(tiers)
    some: list[Record] = []
    for kind in KINDS:
        async for record in merged.find_all(kind):
            some.append(record)
            if len(some) == _RECORDS:
                yield some
                some = []
        if merged.partial:
            raise TierUnavailableError(merged.partial[0]["error"])
    if some:
        yield some
