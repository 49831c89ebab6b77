"""Everything the tiers hold, read from the stores beside a running bridge or without one."""

import asyncio
import difflib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from .config import BridgeConfig
from .model import Sample
from .reader import MAX_LIMIT, Reader
from .tiers import Tiers, tiers_of
from .tiers.base import Tier, TierError

_EXAMPLES = 3  # series named where none is named alike


class StoreError(Exception):
    """The store cannot answer, or not wholly; the text says why."""


@asynccontextmanager
async def open_store(
    config: BridgeConfig, *, create: bool = False, partial: bool = False
) -> AsyncIterator[Tiers]:
    """The configured tiers; raises StoreError when the file of embedded ones does not exist.

    With `create` it is made. Raises TierError when a store is away; with `partial` only when all
    are: those that are closed then say so when they are asked.
    """
    path, kept = config.store_path, config.tiers
    if create:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif (kept.warm is None or kept.cold is None) and not path.exists():
        raise StoreError(f"{path} does not exist: no bridge has stored anything there yet")
    tiers = await asyncio.to_thread(tiers_of, kept, path)
    if partial:
        await _open_some(tiers)
    else:
        await tiers.open()
    try:
        yield tiers
    finally:
        await tiers.close()


async def _open_some(tiers: Tiers) -> None:
    errors: list[TierError] = []
    every: tuple[Tier, ...] = tuple(tiers)
    for tier in every:
        try:
            await tier.open()
        except TierError as err:
            errors.append(err)
    if len(errors) == len(every):
        raise errors[0]


async def stored_samples(
    config: BridgeConfig, progress: Callable[[int, int, int], None] | None = None
) -> AsyncIterator[Sample]:
    """Every sample of all tiers once, by series and rising `t`, in bounded memory.

    `progress(done_series, series, samples)` is called now and then. Raises StoreError rather than
    leave out what a tier could not give.
    """
    async with open_store(config) as tiers:
        names = await all_series(tiers)
        count, reader = 0, Reader(*tiers)
        for done, name in enumerate(names):
            async for samples in pages(reader, name, *await span_of(tiers, name)):
                for sample in samples:
                    yield sample
                count += len(samples)
                if progress is not None:
                    progress(done, len(names), count)
        if progress is not None:
            progress(len(names), len(names), count)


async def pages(reader: Reader, series: str, start: int, end: int) -> AsyncIterator[list[Sample]]:
    """The samples of one series with `start <= t < end`, a page at a time; raises StoreError."""
    cursor: str | None = None
    while True:
        page = await reader.samples(series, start, end, MAX_LIMIT, cursor)
        if page.partial:
            raise StoreError(
                "; ".join(f"the {lack['tier']} tier: {lack['error']}" for lack in page.partial)
            )
        yield page.samples
        if page.cursor is None:
            return
        cursor = page.cursor


async def all_series(tiers: Tiers) -> list[str]:
    """Every series of any tier."""
    every: tuple[Tier, ...] = tuple(tiers)
    return sorted({name for tier in every for name in await tier.series()})


async def absent(tiers: Tiers, names: Iterable[str]) -> str | None:
    """A sentence about those that no tier has a sample of, with what is named alike; else None."""
    known = await all_series(tiers)
    sentences: list[str] = []
    for name in dict.fromkeys(names):
        if name not in known:
            alike = difflib.get_close_matches(name, known, n=3) or known[:_EXAMPLES]
            hint = f"; there is {', '.join(alike)}" if alike else ", nor any other"
            sentences.append(f"No tier has a series {name!r}{hint}.")
    return " ".join(sentences) or None


async def span_of(tiers: Tiers, series: str) -> tuple[int, int]:
    """`(start, end)` of all stored samples of a series, end exclusive; (0, 1) without any."""
    every: tuple[Tier, ...] = tuple(tiers)
    spans = [span for tier in every if (span := await tier.span(series)) is not None]
    if not spans:
        return 0, 1
    return min(span.first for span in spans), max(span.last for span in spans) + 1
