"""Whether the Home Assistant of this bridge leads the brewery, as that one shows it."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from .ha_client import HomeAssistantClient, UnknownCommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .ha_link import Working

LOGGER = logging.getLogger(__name__)

# A server that stops leads no more at once, its successor only after some 30 s.
GRACE_S: Final = 60.0
LOOK_S: Final = 0.2
ASK_AGAIN_S: Final = 30.0  # for an entity that is not there yet
_PLATFORM: Final = "smart_beer"
_KEY: Final = "site_leader"


class SiteLeader:
    """`follow` listens to the binary sensor of the integration for as long as a connection lasts.

    While nobody leads, whoever led before does what only one shall do; where nobody has led since
    the start, as where nodes are only read, everybody does, after `grace_s`. `now` counts seconds.
    """

    def __init__(
        self, *, grace_s: float = GRACE_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_s = grace_s
        self._now = now
        self._began = now()
        self._known: bool | None = None

    @property
    def leads(self) -> bool:
        """Whether this bridge is to do what only one of a pair's shall."""
        if self._known is None:
            return self._now() - self._began >= self._grace_s
        return self._known

    @property
    def elsewhere(self) -> bool:
        """Whether another server is known to lead."""
        return self._known is False

    async def follow(self, client: HomeAssistantClient, working: Working) -> None:
        """Listen until the connection ends; raises what the client raises."""
        while (entity_id := await _entity(client)) is None:
            working()
            await asyncio.sleep(ASK_AGAIN_S)
        subscription, _ = await client.call("subscribe_entities", entity_ids=[entity_id])
        working()
        shown: dict[str, Any] = {}
        while True:
            _, received = await client.receive()
            if isinstance(received, dict) and received.get("id") == subscription:
                _update(shown, received.get("event"), entity_id)
                self.take(shown.get("s"), shown.get("holder"))

    def take(self, state: object, holder: object) -> None:
        """What the sensor shows: `on`, or `off` with the server that leads, if one does."""
        known = True if state == "on" else False if state == "off" and holder else self._known
        if known != self._known:
            LOGGER.info("This server %s the brewery", "leads" if known else "follows in")
        self._known = known

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that never ends while this server leads, again and again; raises what it does."""
        while True:
            await self._until(leading=True)
            tasks = [
                asyncio.ensure_future(work()),
                asyncio.ensure_future(self._until(leading=False)),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _until(self, *, leading: bool) -> None:
        while True:
            if self.leads is leading:
                return
            await asyncio.sleep(LOOK_S)


async def _entity(client: HomeAssistantClient) -> str | None:
    """The sensor's entity id, which is another on every server."""
    try:
        _, reply = await client.call("config/entity_registry/list_for_display")
    except UnknownCommandError:
        return None
    entities = reply.get("entities") if isinstance(reply, dict) else None
    for entry in entities if isinstance(entities, list) else ():
        if (entry.get("pl"), entry.get("tk")) == (_PLATFORM, _KEY):
            return str(entry.get("ei"))
    return None


def _update(shown: dict[str, Any], event: object, entity_id: str) -> None:
    """Whole states come as `a`, what changed of one as `c`."""
    parts = event if isinstance(event, dict) else {}
    whole = (parts.get("a") or {}).get(entity_id)
    changed = ((parts.get("c") or {}).get(entity_id) or {}).get("+")
    for part in (whole, changed):
        if isinstance(part, dict):
            if "s" in part:
                shown["s"] = part["s"]
            if "holder" in (attributes := part.get("a") or {}):
                shown["holder"] = attributes["holder"]
