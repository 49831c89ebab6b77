"""All leaderships of this server; they outlive a reload of the entry."""

import asyncio
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .leadership import KettleLeadership
from .server_id import load_server_id

if TYPE_CHECKING:
    from collections.abc import Iterable


class Leaderships:
    """The kettles that this server contends for, by their ids.

    `session` is one for each start of Home Assistant: what an earlier start held is not ours.
    """

    def __init__(self, hass: HomeAssistant, server_id: str) -> None:
        self.server_id = server_id
        self.session = uuid.uuid4().hex
        self._hass = hass
        self._kettles: dict[str, KettleLeadership] = {}

    @callback
    def async_get(self, kettle_id: str, members: Iterable[str]) -> KettleLeadership:
        """The leadership of a kettle, made if there is none yet."""
        if kettle_id not in self._kettles:
            self._kettles[kettle_id] = KettleLeadership(
                self._hass,
                kettle_id,
                members=tuple(members),
                server_id=self.server_id,
                session=self.session,
            )
        return self._kettles[kettle_id]

    @callback
    def async_detach(self) -> None:
        """Hold still until the entry is set up again."""
        for leadership in self._kettles.values():
            leadership.async_detach()

    @callback
    def async_drop(self, kettle_id: str) -> None:
        """Release a kettle that this brewery does not have any more."""
        leadership = self._kettles.pop(kettle_id, None)
        if leadership is not None:
            self._hass.async_create_background_task(
                leadership.async_stop(), name=f"{DOMAIN} release of {kettle_id}"
            )

    async def async_release(self) -> None:
        """Release all kettles; a second at most."""
        released = list(self._kettles.values())
        self._kettles.clear()
        await asyncio.gather(*(leadership.async_stop() for leadership in released))


LEADERSHIPS: HassKey[Leaderships] = HassKey(f"{DOMAIN}_leaderships")


async def async_leaderships(hass: HomeAssistant) -> Leaderships:
    """The leaderships of this start of Home Assistant; released when it stops."""
    if LEADERSHIPS not in hass.data:
        server_id = await hass.async_add_executor_job(load_server_id, Path(hass.config.config_dir))
        leaderships = hass.data[LEADERSHIPS] = Leaderships(hass, server_id)

        async def stop(_event: Event) -> None:
            await leaderships.async_release()

        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop)
    return hass.data[LEADERSHIPS]
