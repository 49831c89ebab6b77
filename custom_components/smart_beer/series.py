"""Every series of the brewery with what a screen needs to show it."""

from typing import TYPE_CHECKING, Any

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, UnitOfPressure
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM

from .const import DOMAIN
from .feed_watch import async_nodes
from .helpers import channel_unique_id, kettle_unique_id

if TYPE_CHECKING:
    from .models import ChannelInfo, NodeInfo


@callback
def async_series(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Each channel of each known node: whose it is, and in which unit the user sees it."""
    registry = er.async_get(hass)
    return [
        _describe(hass, registry, node_id, node.info, channel)
        for node_id, node in sorted(async_nodes(hass).items())
        if node.info is not None
        for channel in node.info.channels
    ]


def _describe(
    hass: HomeAssistant,
    registry: er.EntityRegistry,
    node_id: str,
    info: NodeInfo,
    channel: ChannelInfo,
) -> dict[str, Any]:
    kettles = {kettle.kettle_id: kettle.name for kettle in info.kettles}
    entity_id = registry.async_get_entity_id(
        SENSOR_DOMAIN, DOMAIN, channel_unique_id(node_id, channel.channel_id)
    )
    if entity_id is not None and registry.entities[entity_id].disabled:
        entity_id = None
    fused = channel.kettle_id and registry.async_get_entity_id(
        SENSOR_DOMAIN, DOMAIN, kettle_unique_id(channel.kettle_id, channel.kind)
    )
    return {
        "series": f"{node_id}/{channel.channel_id}",
        "node_id": node_id,
        "node_name": info.name,
        "channel_id": channel.channel_id,
        "name": channel.name,
        "kind": channel.kind,
        "role": channel.role,
        "kettle_id": channel.kettle_id,
        "kettle_name": kettles.get(channel.kettle_id) if channel.kettle_id else None,
        "unit": channel.unit,
        "display_unit": _shown_unit(hass, entity_id)
        or _shown_unit(hass, fused)
        or _usual_unit(hass, channel),
        "entity_id": entity_id,
    }


def _shown_unit(hass: HomeAssistant, entity_id: str | None) -> str | None:
    """The unit an entity shows, which the user may have chosen; None without a state."""
    if not entity_id or (state := hass.states.get(entity_id)) is None:
        return None
    return state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)


def _usual_unit(hass: HomeAssistant, channel: ChannelInfo) -> str:
    """The unit of the user's unit system; brewers read pressure in bar or psi."""
    if channel.kind == "temperature":
        return hass.config.units.temperature_unit
    if channel.kind == "pressure":
        us = hass.config.units is US_CUSTOMARY_SYSTEM
        return UnitOfPressure.PSI if us else UnitOfPressure.BAR
    return channel.unit
