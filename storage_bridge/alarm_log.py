"""Alarms and who has seen them, from Home Assistant's `smart_beer/alarms` into the records."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .backoff import Backoff
from .ha_client import (
    CannotConnectError,
    HomeAssistantClient,
    HomeAssistantClientError,
    raise_for_result,
)
from .records.model import Acknowledgement, Alarm, Record
from .records.pages import find_all
from .tiers.base import TierError

if TYPE_CHECKING:
    from .ha_link import Working
    from .kettles import Kettles
    from .records.base import Records

type Alarms = dict[str, Alarm]

LOGGER = logging.getLogger(__name__)

RETRY: Final = Backoff(base=0.5, cap=30.0)
ASK_EVERY_S: Final = 5.0  # the least time between two questions for the kettles


@dataclass(slots=True)
class _Pages:
    """Of one connection: the last page of each node, and the nodes compared with the records."""

    before: dict[str, Alarms] = field(default_factory=dict)
    compared: set[str] = field(default_factory=set)


class AlarmLog:
    """`follow` keeps the records of alarms for as long as a connection lasts.

    Each event is a page: all alarms of a node at a time. An alarm that the next page of its node
    lacks has been cleared; one that is open in the records and not in the newest page as well: it
    went while nobody looked.
    """

    def __init__(self, records: Records, kettles: Kettles, *, retry: Backoff = RETRY) -> None:
        self._records = records
        self._kettles = kettles
        self._retry = retry
        self.counts: Counter[str] = Counter()

    async def follow(self, client: HomeAssistantClient, working: Working) -> None:
        """Ask for the kettles, subscribe and record; raises what the client raises."""
        _, series = await client.call("smart_beer/series")
        self._kettles.learn(series)
        subscription, _ = await client.call("smart_beer/alarms")
        working()
        asked: set[int] = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(client, asked))
                await self._receive(client, subscription, asked)
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
        self, client: HomeAssistantClient, subscription: int, asked: set[int]
    ) -> None:
        pages = _Pages()
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
        known = pages.before.get(node_id, {})
        attempt = 0
        while True:
            try:
                await self._records.open()
                if not past and node_id not in pages.compared:
                    # What was left open by an earlier connection.
                    known = await self._open_alarms(node_id) | known
                gone = [
                    replace(alarm, cleared=max(t, alarm.since))
                    for key, alarm in known.items()
                    if key not in alarms
                ]
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
        if not past:
            pages.compared.add(node_id)

    async def _open_alarms(self, node_id: str) -> Alarms:
        return {
            alarm.key: alarm
            async for alarm in find_all(self._records, Alarm, subject=node_id)
            if alarm.cleared is None
        }


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
