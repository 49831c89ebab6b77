"""Up to when an entity of Home Assistant has been mirrored, by what is stored."""

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from .mirror_states import NODE_ID
from .outbox_batch import MalformedBatchError, parse_message
from .records.model import Event
from .records.pages import HOUR_MS, find_all, newest_time
from .tiers.base import TierError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .outbox import Outbox, Pending
    from .tiers.base import ColdTier, Tiers

SPOOL: Final = "mirror-"  # how the names of such spools begin
# A recorder keeps ten days unless it is told otherwise: of what is older nothing can be filled.
# Cassandra takes a second or two for each thousand events.
ARCHIVE_MS: Final = 11 * 24 * HOUR_MS
_MARK = f'"node_id":"{NODE_ID}"'.encode()


class Marks(NamedTuple):
    """By entity, the time (ms) of the newest sample or event, where there is any.

    `unknown` are entities that only the archive may know of, which does not answer: `error`.
    """

    known: dict[str, int]
    unknown: frozenset[str] = frozenset()
    error: str | None = None


async def stored_marks(
    entity_ids: Iterable[str], outbox: Outbox, tiers: Tiers, nowhere: Collection[str] = ()
) -> Marks:
    """What is stored of each, by whatever bridge: that is where the mirror of another one stopped.

    The archive is asked for what warm has nothing of, as after warm came back empty, but not for
    what it is known to have `nowhere`: that takes it long to say. A mark that is too early does no
    harm: what is stored again is the same. Raises TierError for warm.
    """
    # First the outbox: what leaves it meanwhile is in the tiers by then.
    waiting = await _waiting(outbox)
    now = time.time_ns() // 1_000_000
    records = tiers.warm.records
    await records.open()
    known: dict[str, int] = {}
    lacking: set[str] = set()
    for entity_id in entity_ids:
        series = _series(entity_id)
        span = await tiers.warm.span(series)
        event = await newest_time(records, Event, entity_id, now)
        times = (waiting.get(series), None if span is None else span.last, event)
        if (newest := max((t for t in times if t is not None), default=None)) is not None:
            known[entity_id] = newest
        elif entity_id not in nowhere:
            lacking.add(entity_id)
    try:
        return Marks(known | await _archived(lacking, tiers.cold, now))
    except TierError as err:
        return Marks(known, frozenset(lacking), str(err))


async def _archived(entity_ids: set[str], cold: ColdTier, now: int) -> dict[str, int]:
    """The newest that the archive has of each it knows; of events, of the last ARCHIVE_MS.

    An archive finds events by time, not by entity: one look for all, in windows that grow.
    """
    found: dict[str, int] = {}
    for entity_id in entity_ids:
        span = await cold.span(_series(entity_id))
        if span is not None:
            found[entity_id] = span.last
    oldest = max(0, now - ARCHIVE_MS)
    end, start = None, max(oldest, now - HOUR_MS)
    while left := entity_ids - found.keys():
        newest: dict[str, int] = {}
        async for event in find_all(cold.records, Event, start=start, end=end):
            newest[event.entity_id] = event.t
        found |= {entity_id: newest[entity_id] for entity_id in left & newest.keys()}
        if start == oldest:
            break
        end, start = start, max(oldest, start - 2 * (now - start))
    return found


def _series(entity_id: str) -> str:
    return f"{NODE_ID}/{entity_id}"


async def next_numbers(outbox: Outbox) -> tuple[str, int] | None:
    """The spool that this outbox numbers mirrored samples in, and the last number; None if new."""
    for spool in (await outbox.ledger()).get(NODE_ID, ()):
        if spool["spool_id"].startswith(SPOOL) and spool["coverage"]:
            return spool["spool_id"], spool["coverage"][-1][1]
    return None


async def _waiting(outbox: Outbox) -> dict[str, int]:
    newest: dict[str, int] = {}
    after: int | None = None
    while (pending := await outbox.read("warm", after)) is not None:
        await asyncio.to_thread(_look, pending, newest)
        after = pending.row_id
        if not pending.more:
            break
    return newest


def _look(pending: Pending, newest: dict[str, int]) -> None:
    for blob in pending.messages():
        if _MARK not in blob:
            continue
        try:
            samples = parse_message(blob).samples
        except MalformedBatchError:  # the feeder puts it aside
            continue
        for sample in samples:
            newest[sample.series] = max(sample.t, newest.get(sample.series, 0))
