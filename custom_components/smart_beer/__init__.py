"""A brewery in Home Assistant: nodes as subentries, kettles as devices."""

import asyncio
from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr

from . import frontend, websocket_api
from .brewery import Brewery
from .bridge import async_remove_bridge_user
from .const import DOMAIN, PLATFORMS, SUBENTRY_NODE
from .coordinator import NodeCoordinator, SmartBeerConfigEntry, SmartBeerData
from .helpers import BREWERY_IDENTIFIER, kettle_identifier, node_identifier
from .leadership_issues import LeadershipIssues
from .leaderships import async_leaderships
from .node_cache import async_node_cache
from .services import async_setup_services

if TYPE_CHECKING:
    from homeassistant.helpers.typing import ConfigType

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001
    """Set up what does not depend on the brewery: websocket commands, actions and the card."""
    await websocket_api.async_setup(hass)
    async_setup_services(hass)
    await frontend.async_setup_frontend(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
    """Set up the brewery from what is remembered of its nodes; none is waited for."""
    await frontend.async_setup_frontend(hass)  # again: a brewery removed took its card along
    entry.runtime_data = SmartBeerData(cache=await async_node_cache(hass))
    brewery = Brewery(hass, entry, await async_leaderships(hass))
    brewery.async_build()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    brewery.async_start()
    LeadershipIssues(hass, entry).async_start()


async def async_unload_entry(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
    """Unload the platforms; the nodes' loops are tasks of the entry and end with it.

    The kettles stay held over a reload; disabled, the brewery is released.
    """
    await hass.config_entries.async_unload_platforms_or_raise(entry, PLATFORMS)
    if entry.disabled_by is not None:
        await (await async_leaderships(hass)).async_release()


async def async_remove_entry(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> None:
    """Release the kettles, give every node its token back, and forget them all."""
    await (await async_leaderships(hass)).async_release()
    cache = await async_node_cache(hass)
    nodes = [
        NodeCoordinator(hass, entry, subentry, cache=cache, on_change=_nothing)
        for subentry in entry.get_subentries_of_type(SUBENTRY_NODE)
    ]
    await asyncio.gather(*(node.async_removed() for node in nodes))
    await cache.async_remove()
    await frontend.async_remove_frontend(hass)
    await async_remove_bridge_user(hass)


async def async_remove_config_entry_device(
    hass: HomeAssistant,  # noqa: ARG001
    entry: SmartBeerConfigEntry,
    device: dr.AnyDeviceEntry,
) -> bool:
    """Whether a device may be deleted by hand: when nothing that runs stands behind it."""
    if entry.state is not ConfigEntryState.LOADED:
        return False  # nobody can tell
    data = entry.runtime_data
    alive = {BREWERY_IDENTIFIER}
    alive |= {node_identifier(node.node_id) for node in data.nodes.values()}
    alive |= {kettle_identifier(kettle_id) for kettle_id in data.kettles}
    return not alive & device.identifiers


@callback
def _nothing() -> None:
    """A node that is only being removed has nobody to tell."""
