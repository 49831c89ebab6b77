"""Up to when an entity of Home Assistant has been mirrored, by what is stored."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from .mirror_states import NODE_ID
from .outbox_batch import parse_message
from .records.model import Event
from .records.pages import newest_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .outbox import Outbox, Pending
    from .tiers.base import Tier, Tiers

SPOOL: Final = "mirror-"  # how the names of such spools begin
_MARK = f'"node_id":"{NODE_ID}"'.encode()


async def stored_marks(
    entity_ids: Iterable[str], outbox: Outbox, tiers: Tiers
) -> dict[str, int | None]:
    """By entity, the time (ms) of the newest sample or event; None where there is none.

    Whoever stored it: that is where the bridge of another server stopped. Raises TierError.
    """
    # First the outbox: what leaves it meanwhile is in the tiers by then.
    waiting = await _waiting(outbox)
    now = time.time_ns() // 1_000_000
    records = tiers.warm.records
    await records.open()
    marks: dict[str, int | None] = {}
    for entity_id in entity_ids:
        series = f"{NODE_ID}/{entity_id}"
        times = [waiting.get(series), await newest_time(records, Event, entity_id, now)]
        stores: tuple[Tier, ...] = (tiers.warm, tiers.cold)
        for tier in stores:
            span = await tier.span(series)
            if span is not None:
                times.append(span.last)
                break
        marks[entity_id] = max((t for t in times if t is not None), default=None)
    return marks


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
        if _MARK in blob:
            for sample in parse_message(blob).samples:
                newest[sample.series] = max(sample.t, newest.get(sample.series, 0))
