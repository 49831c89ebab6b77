"""Alarms and who has seen them, from Home Assistant's `smart_beer/alarms` into the records."""

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .backoff import Backoff
from .ha_client import (
    CannotConnectError,
    HomeAssistantClient,
    HomeAssistantClientError,
    raise_for_result,
)
from .records.merged import MergedRecords
from .records.model import Acknowledgement, Alarm, Record
from .tiers.base import TierError, TierUnavailableError

if TYPE_CHECKING:
    from .ha_link import Working
    from .kettles import Kettles
    from .tiers.base import Tiers

type Alarms = dict[str, Alarm]

LOGGER = logging.getLogger(__name__)

RETRY: Final = Backoff(base=0.5, cap=30.0)
AHEAD_MS: Final = 3_600_000  # no page of another Home Assistant is newer by more
ASK_EVERY_S: Final = 5.0  # the least time between two questions for the kettles


@dataclass(slots=True)
class _Pages:
    """Of one connection: the last page of each node, and every alarm that was in any.

    `first` is the time (ms) of the first page that is not past, of nodes that `due` says are to be
    compared with the records.
    """

    before: dict[str, Alarms] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    first: dict[str, int] = field(default_factory=dict)
    due: asyncio.Event = field(default_factory=asyncio.Event)


class AlarmLog:
    """`follow` keeps the records of alarms for as long as a connection lasts.

    Each event is a page: all alarms of a node at a time. An alarm that the next page of its node
    lacks has been cleared; one that is open in the records, be it the archive alone, and in no page
    as well: it went while nobody looked. While a tier cannot be asked for those, `problem` says so.
    """

    def __init__(self, tiers: Tiers, kettles: Kettles, *, retry: Backoff = RETRY) -> None:
        self._tiers = tiers
        self._records = tiers.warm.records
        self._kettles = kettles
        self._retry = retry
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()

    async def follow(self, client: HomeAssistantClient, working: Working) -> None:
        """Ask for the kettles, subscribe and record; raises what the client raises."""
        _, series = await client.call("smart_beer/series")
        self._kettles.learn(series)
        subscription, _ = await client.call("smart_beer/alarms")
        working()
        asked: set[int] = set()
        pages = _Pages()
        self.problem = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(client, asked))
                tasks.create_task(self._compare(pages))
                await self._receive(client, subscription, asked, pages)
        except* HomeAssistantClientError as group:
            # One of them is reason enough; the others follow from it.
            raise CannotConnectError(str(group.exceptions[0])) from group

    async def _ask(self, client: HomeAssistantClient, asked: set[int]) -> None:
        """Ask again when a series is not known: its node may be new."""
        while True:
            await self._kettles.wanted.wait()
            self._kettles.wanted.clear()
            asked.add(await client.send("smart_beer/series"))
            await asyncio.sleep(ASK_EVERY_S)

    async def _receive(
        self, client: HomeAssistantClient, subscription: int, asked: set[int], pages: _Pages
    ) -> None:
        while True:
            _, message = await client.receive()
            if not isinstance(message, dict):
                continue
            number = message.get("id")
            if message.get("type") == "result" and number in asked:
                asked.discard(number)
                raise_for_result("smart_beer/series", message)
                self._kettles.learn(message.get("result"))
            elif message.get("type") == "event" and number == subscription:
                await self._page(message.get("event"), pages)

    async def _page(self, event: object, pages: _Pages) -> None:
        try:
            if not isinstance(event, dict):
                raise TypeError("it is no object")  # noqa: TRY301 - one answer to all that is wrong
            node_id, t, past = _text(event["node_id"]), _whole(event["t"]), event["past"] is True
            alarms, seen = read_page(node_id, event["alarms"])
        except (KeyError, TypeError, ValueError) as err:
            self.counts["malformed"] += 1
            LOGGER.warning("A message about alarms was not understood: %s", err)
            return
        pages.told |= alarms.keys()
        if not past and node_id not in pages.nodes:
            pages.nodes.add(node_id)
            pages.first[node_id] = t
            pages.due.set()
        gone = [
            replace(alarm, cleared=max(t, alarm.since))
            for key, alarm in pages.before.get(node_id, {}).items()
            if key not in alarms
        ]
        attempt = 0
        while True:
            try:
                await self._records.open()
                new = await self._records.put([*alarms.values(), *gone, *seen])
            except TierError as err:
                log = LOGGER.warning if attempt == 0 else LOGGER.debug
                log("Alarms cannot be recorded now, trying on: %s", err)
                await asyncio.sleep(self._retry.wait(attempt))
                attempt += 1
            else:
                break
        self.counts["records"] += new
        pages.before[node_id] = alarms

    async def _compare(self, pages: _Pages) -> None:
        """Clear what an earlier connection left open, until every tier was asked for it."""
        attempt = 0
        while True:
            await pages.due.wait()
            pages.due.clear()
            while nodes := dict(pages.first):
                try:
                    await self._clear_old(nodes, pages.told)
                except TierError as err:
                    self.problem = f"Alarms that went while nobody looked may stay open: {err}"
                    log = LOGGER.warning if attempt == 0 else LOGGER.debug
                    log("%s It is tried again.", self.problem)
                    await asyncio.sleep(self._retry.wait(attempt))
                    attempt += 1
                else:
                    attempt, self.problem = 0, None
                    for node_id in nodes:
                        del pages.first[node_id]

    async def _clear_old(self, nodes: dict[str, int], told: set[str]) -> None:
        """Clear open alarms of these nodes that no page has told of; raises TierError.

        What one tier has is cleared though the other cannot be asked: if that one knows of an
        earlier end, merging leaves it so. What began soon after the first page is of another
        bridge, whose Home Assistant is ahead of this one, and may well stand.
        """
        await self._records.open()
        both = MergedRecords(self._tiers)
        async with aclosing(both.find_all(Alarm)) as alarms:
            open_ones = [
                alarm
                async for alarm in alarms
                if alarm.cleared is None and _is_past(alarm, nodes.get(alarm.node_id))
            ]
        gone = [
            replace(alarm, cleared=max(nodes[alarm.node_id], alarm.since))
            for alarm in open_ones
            if alarm.key not in told
        ]
        self.counts["records"] += await self._records.put(gone)
        if both.partial:
            raise TierUnavailableError(both.partial[0]["error"])


def _is_past(alarm: Alarm, first: int | None) -> bool:
    """Whether it would be in a page of that time (ms) if it stood; far ahead was a wrong clock."""
    return first is not None and not first < alarm.since <= first + AHEAD_MS


def read_page(node_id: str, rows: list[dict[str, Any]]) -> tuple[Alarms, list[Record]]:
    """The alarms of a page by key, and their acknowledgements; raises ValueError and its like."""
    alarms: Alarms = {}
    seen: list[Record] = []
    for row in rows:
        alarm = Alarm(
            node_id,
            _text(row["alarm_id"]),
            _whole(row["since"]),
            _text(row["text"]),
            kettle_id=_maybe(row["kettle_id"]),
            batch_id=_maybe(row["batch_id"]),
        )
        alarms[alarm.key] = alarm
        ack = row["acknowledged"]
        if ack is not None:
            seen.append(
                Acknowledgement(
                    node_id,
                    alarm.alarm_id,
                    alarm.since,
                    # A node without a clock does not know when.
                    alarm.since if ack["t"] is None else _whole(ack["t"]),
                    _maybe(ack["by"]) or "?",
                    _maybe(ack["note"]) or "",
                    alarm.batch_id,
                )
            )
    return alarms, seen


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is no text")  # noqa: TRY004 - it came over a wire
    return value


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return value
