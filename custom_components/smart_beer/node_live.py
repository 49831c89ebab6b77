"""Keeps the state of one node up to date: announced by the node, asked for when in doubt."""

import asyncio
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN, LOGGER
from .exceptions import NodeResponseError, SmartBeerError
from .live_state import LiveState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .client import SmartBeerClient
    from .coordinator import SmartBeerConfigEntry
    from .models import ActuatorState, ControllerState

LISTEN_AGAIN_S: Final = 2.0
_UNKNOWN: Final = frozenset({400, 404})  # the node is older than its events, or than ours of them


class NodeLive(LiveState):
    """The live state of one node. The poll of the coordinator stays the truth."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: SmartBeerConfigEntry,
        node_id: str,
        *,
        client: Callable[[], SmartBeerClient],
        publish: Callable[[], None],
    ) -> None:
        """`publish` is called when something has changed that is worth showing at once."""
        super().__init__()
        self._hass = hass
        self._entry = entry
        self._node_id = node_id
        self._client = client
        self._publish = publish

    async def async_listen(self) -> None:
        """Take what the node announces, for ever; ends if this node cannot announce anything.

        Whether the node is connected is not judged here: the stream of samples does that.
        """
        while True:
            try:
                async with aclosing(self._client().events()) as events:
                    async for _name, data in events:
                        if self.change(data):
                            self._publish()
            except NodeResponseError as err:
                if err.status in _UNKNOWN:
                    LOGGER.debug("Node %s announces no changes: %s", self._node_id, err)
                    return
                LOGGER.debug("Listening to node %s again: %s", self._node_id, err)
            except (SmartBeerError, ValueError) as err:
                LOGGER.debug("Listening to node %s again: %s", self._node_id, err)
            await asyncio.sleep(LISTEN_AGAIN_S * random.uniform(0.5, 1.0))  # noqa: S311  no secret

    async def async_look(self) -> None:
        """Ask for the state now; if the node does not answer, it is noticed elsewhere."""
        mark = self.mark()
        try:
            state = await self._client().state()
        except SmartBeerError as err:
            LOGGER.debug("The state of node %s could not be read: %s", self._node_id, err)
            return
        self.take(state, mark)
        self._publish()

    @callback
    def async_look_soon(self) -> None:
        """Ask for the state, without waiting for the answer."""
        self._entry.async_create_background_task(
            self._hass, self.async_look(), name=f"{DOMAIN} state of node {self._node_id}"
        )

    @callback
    def async_answered(
        self,
        mark: int,
        *,
        actuators: Mapping[str, ActuatorState],
        controllers: Mapping[str, ControllerState] | None = None,
    ) -> None:
        """Show what the answer to a command, sent at `mark`, says of outputs and controllers."""
        self.answered(mark, actuators=actuators, controllers=controllers or {})
        self._publish()
