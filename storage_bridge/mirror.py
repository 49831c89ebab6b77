"""Chosen entities of Home Assistant: numbers become samples, everything else events."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from itertools import batched, groupby
from typing import TYPE_CHECKING, Final

from .ha_client import CannotConnectError, HomeAssistantClient, UnknownCommandError
from .mirror_marks import SPOOL, Marks, next_numbers, stored_marks
from .mirror_states import Item, LiveStates, message, recorded
from .outbox_batch import parse_message
from .records.model import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .ha_link import Working
    from .outbox import Outbox
    from .tiers.base import Tiers

LOGGER = logging.getLogger(__name__)

AT_ONCE: Final = 1000  # samples in one commit
QUEUE: Final = 10_000  # states that may wait for a commit; then it is better to ask the recorder
WINDOW_MS: Final = 6 * 3_600_000  # of history asked for at once: 1 Hz is a megabyte or two
# The recorder writes what changed every few seconds; it is asked until it has what is shown.
RECORDER_S: Final = 30.0
ASK_S: Final = 2.0
HISTORY_S: Final = 60.0  # after a start, how long the history of Home Assistant may take to load
AGAIN_S: Final = 60.0  # until an archive that does not answer is asked again


class Mirror:
    """`follow` mirrors entities for as long as a connection lasts.

    What changed since the newest that is stored comes from the recorder first, then it is live; so
    after a failure nothing is missing, as long as the recorder keeps it. In the records or the
    outbox before the next of the same entity is looked at: what is stored tells where to go on.
    Entities of which that is not known, since the archive is away, wait, and `problem` says so; the
    recorder has what came meanwhile.
    """

    def __init__(
        self,
        entity_ids: Sequence[str],
        outbox: Outbox,
        tiers: Tiers,
        *,
        recorder_s: float = RECORDER_S,
        ask_s: float = ASK_S,
        history_s: float = HISTORY_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._entity_ids = list(entity_ids)
        self._outbox = outbox
        self._tiers = tiers
        self._recorder_s = recorder_s
        self._ask_s = ask_s
        self._history_s = history_s
        self._again_s = again_s
        self._marks: dict[str, int] = {}
        self._held_from: dict[str, int] = {}
        self._nowhere: set[str] = set()  # not even the archive has anything of them
        self._numbers: tuple[str, int] | None = None
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()

    async def follow(self, client: HomeAssistantClient, working: Working) -> None:
        """Catch up, then follow; raises what the client, the outbox and the tiers raise.

        Returns to be called again when some entities waited for the archive and it answers.
        """
        live = LiveStates()
        subscription, _ = await client.call("subscribe_entities", entity_ids=self._entity_ids)
        shown = await self._shown(client, subscription, live)
        held = await self._look_up_marks(shown)
        for entity_id, mark in list(self._marks.items()):
            await self._catch_up(client, entity_id, mark, shown.get(entity_id))
        await self._store([item for item in shown.values() if item.entity_id not in held])
        working()
        try:
            async with asyncio.timeout(None) as limit:
                await self._follow_live(client, subscription, live, held, limit)
        except TimeoutError:
            if not limit.expired():
                raise

    async def _look_up_marks(self, shown: dict[str, Item]) -> set[str]:
        """Learn where each entity goes on; those of which nobody can tell."""
        now = time.time_ns() // 1_000_000
        marks = await self._stored_marks(self._entity_ids)
        for entity_id, mark in marks.known.items():
            # What this process has handed to the outbox may not be seen there yet.
            self._marks[entity_id] = max(mark, self._marks.get(entity_id, 0))
        for entity_id in self._held_from.keys() & self._nowhere - self._marks.keys():
            self._marks[entity_id] = self._held_from[entity_id]
        held = set(marks.unknown - self._marks.keys())
        for entity_id in held:
            first = shown[entity_id].t - 1 if entity_id in shown else now
            self._held_from.setdefault(entity_id, first)
        before, self.problem = self.problem, None
        if held:
            self.problem = (
                f"{', '.join(sorted(held))}: not mirrored until the archive says up to when they "
                f"were; the recorder of Home Assistant fills the gap then. {marks.error}"
            )
            if self.problem != before:
                LOGGER.warning("%s", self.problem)
        return held

    async def _stored_marks(self, entity_ids: Iterable[str]) -> Marks:
        wanted = set(entity_ids)
        marks = await stored_marks(wanted, self._outbox, self._tiers, self._nowhere)
        self._nowhere |= wanted - marks.known.keys() - marks.unknown
        return marks

    async def _ask_archive(self, held: set[str], limit: asyncio.Timeout) -> None:
        """Let `follow` return once the archive has answered for all who wait for it."""
        while True:
            await asyncio.sleep(self._again_s)
            if not (await self._stored_marks(held)).unknown:
                limit.reschedule(asyncio.get_running_loop().time())
                return

    async def _follow_live(
        self,
        client: HomeAssistantClient,
        subscription: int,
        live: LiveStates,
        held: set[str],
        limit: asyncio.Timeout,
    ) -> None:
        queue: asyncio.Queue[Item] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(queue))
                if held:
                    tasks.create_task(self._ask_archive(held, limit))
                while True:
                    _, received = await client.receive()
                    if isinstance(received, dict) and received.get("id") == subscription:
                        items = self._items(live, received.get("event"))
                        _put(queue, [item for item in items if item.entity_id not in held])
        except* Exception as group:
            # One of them is reason enough; the others follow from it.
            raise group.exceptions[0] from group

    async def _write(self, queue: asyncio.Queue[Item]) -> None:
        while True:
            items = [await queue.get()]
            while not queue.empty():
                items.append(queue.get_nowait())
            await self._store(items)

    async def _shown(
        self, client: HomeAssistantClient, subscription: int, live: LiveStates
    ) -> dict[str, Item]:
        """What the entities are now: the first event."""
        while True:
            _, received = await client.receive()
            if isinstance(received, dict) and received.get("id") == subscription:
                return {item.entity_id: item for item in self._items(live, received.get("event"))}

    def _items(self, live: LiveStates, event: object) -> list[Item]:
        try:
            return live.take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            self.counts["malformed"] += 1
            LOGGER.warning("A state of Home Assistant was not understood: %r", err)
            return []

    async def _catch_up(
        self, client: HomeAssistantClient, entity_id: str, mark: int, shown: Item | None
    ) -> None:
        """Store what the recorder has of an entity after `mark`, up to what is shown."""
        start, until = mark, None
        while True:
            end = start + WINDOW_MS
            last = end >= time.time_ns() // 1_000_000
            items = await self._recorded(client, entity_id, start, None if last else end)
            if items is None:
                LOGGER.warning("Home Assistant has no history: a gap of %s stays", entity_id)
                return
            await self._store(items)
            if not last:
                start = end
                continue
            if shown is None or shown.t <= self._marks[entity_id]:
                return
            if until is None:
                until = time.monotonic() + self._recorder_s
            elif time.monotonic() > until:
                LOGGER.info("The recorder does not have what %s is now, going on", entity_id)
                return
            await asyncio.sleep(self._ask_s)

    async def _recorded(
        self, client: HomeAssistantClient, entity_id: str, start: int, end: int | None
    ) -> list[Item] | None:
        """The states of a range; None: Home Assistant runs without its history."""
        until = time.monotonic() + self._history_s
        to = {} if end is None else {"end_time": _iso(end + 1)}
        while True:
            try:
                _, reply = await client.call(
                    "history/history_during_period",
                    start_time=_iso(start),
                    entity_ids=[entity_id],
                    include_start_time_state=False,
                    significant_changes_only=False,
                    no_attributes=True,
                    **to,
                )
                break
            except UnknownCommandError:
                if time.monotonic() > until:
                    return None
                await asyncio.sleep(self._ask_s)
        try:
            return recorded(entity_id, reply.get(entity_id, []))
        except (AttributeError, KeyError, TypeError, ValueError) as err:
            raise CannotConnectError(f"The history of {entity_id} is unreadable: {err!r}") from err

    async def _store(self, items: Sequence[Item]) -> None:
        """Keep durably, in this order, what is newer than what was kept of its entity."""
        new: list[Item] = []
        marks = dict(self._marks)
        for item in items:
            mark = marks.get(item.entity_id)
            if mark is None or item.t > mark:
                marks[item.entity_id] = item.t
                new.append(item)
        for is_number, run in groupby(new, key=lambda item: item.value is not None):
            for part in batched(run, AT_ONCE, strict=False):
                if is_number:
                    await self._append(part)
                else:
                    await self._tiers.warm.records.put(
                        [Event(item.entity_id, item.t, item.state) for item in part]
                    )
                    self._mark(part)
                    self.counts["events"] += len(part)

    async def _append(self, items: Sequence[Item]) -> None:
        if self._numbers is None:
            self._numbers = await next_numbers(self._outbox) or (SPOOL + uuid.uuid4().hex, 0)
        spool_id, after = self._numbers
        blob = message(spool_id, after, items)
        batch = parse_message(blob)
        # Handed over, it will be committed, though this may be cancelled while it waits for that.
        self._numbers = spool_id, after + len(items)
        self._mark(items)
        self.counts["samples"] += len(items)
        await asyncio.shield(self._outbox.append(batch, blob, live=False))

    def _mark(self, items: Sequence[Item]) -> None:
        self._marks |= {item.entity_id: item.t for item in items}


def _put(queue: asyncio.Queue[Item], items: Sequence[Item]) -> None:
    if queue.qsize() + len(items) > QUEUE:
        raise CannotConnectError("States of Home Assistant come faster than they can be kept")
    for item in items:
        queue.put_nowait(item)


def _iso(t: int) -> str:
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds")
