"""Names of things in the registries, and the devices behind them.

Unique ids and identifiers come from node and kettle ids only, so that two servers agree.
Ids hold no slash, which keeps the parts apart.
"""

from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry, DeviceInfo

from .const import DOMAIN, HUB_ID, HUB_TITLE, MANUFACTURER

if TYPE_CHECKING:
    from .coordinator import NodeCoordinator, SmartBeerConfigEntry

BREWERY_IDENTIFIER = (DOMAIN, HUB_ID)
# What of a node is shown on the device of its kettle.
CONTROLLER = "controller"
INTERLOCK = "interlock"
OUTPUT = "output"
PARTS = frozenset({CONTROLLER, INTERLOCK, OUTPUT})


def node_identifier(node_id: str) -> tuple[str, str]:
    """The identifier of a node's device."""
    return (DOMAIN, f"node/{node_id}")


def kettle_identifier(kettle_id: str) -> tuple[str, str]:
    """The identifier of a kettle's device."""
    return (DOMAIN, f"kettle/{kettle_id}")


def brewery_unique_id(key: str) -> str:
    """The unique id of an entity of the brewery itself."""
    return f"{HUB_ID}/{key}"


def node_unique_id(node_id: str, key: str) -> str:
    """The unique id of a node's own entity."""
    return f"node/{node_id}/{key}"


def channel_unique_id(node_id: str, channel_id: str) -> str:
    """The unique id of a raw channel's sensor."""
    return f"channel/{node_id}/{channel_id}"


def kettle_unique_id(kettle_id: str, key: str) -> str:
    """The unique id of a kettle's entity."""
    return f"kettle/{kettle_id}/{key}"


def part_unique_id(what: str, node_id: str, part_id: str, key: str = "") -> str:
    """The unique id of an entity of a node's output, controller or interlock (`what`)."""
    return "/".join(filter(None, (what, node_id, part_id, key)))


def part_node_id(unique_id: str) -> str | None:
    """The node behind a `part_unique_id`; None if it is none."""
    what, _, rest = unique_id.partition("/")
    return rest.partition("/")[0] if what in PARTS else None


@callback
def async_register_brewery(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> DeviceEntry:
    """Register the brewery, which every other device is reached through."""
    return dr.async_get(hass).async_get_or_create_from_info(
        config_entry_id=entry.entry_id,
        device_info=DeviceInfo(
            identifiers={BREWERY_IDENTIFIER},
            entry_type=dr.DeviceEntryType.SERVICE,
            manufacturer=MANUFACTURER,
            name=HUB_TITLE,
        ),
    )


@callback
def async_register_node(
    hass: HomeAssistant, entry: SmartBeerConfigEntry, node: NodeCoordinator
) -> DeviceEntry:
    """Register a node, by the name it gives itself."""
    return dr.async_get(hass).async_get_or_create_from_info(
        config_entry_id=entry.entry_id,
        config_subentry_id=node.subentry_id,
        device_info=DeviceInfo(
            identifiers={node_identifier(node.node_id)},
            manufacturer=MANUFACTURER,
            model=(node.info.model if node.info else "") or None,
            name=node.info.name if node.info else node.title,
            serial_number=node.node_id,
            sw_version=node.info.version if node.info else None,
            via_device_id=_brewery_id(hass, entry),
        ),
    )


@callback
def async_register_kettle(
    hass: HomeAssistant, entry: SmartBeerConfigEntry, kettle_id: str, name: str
) -> DeviceEntry:
    """Register a kettle; it belongs to the hub, for a node may serve several."""
    return dr.async_get(hass).async_get_or_create_from_info(
        config_entry_id=entry.entry_id,
        device_info=DeviceInfo(
            identifiers={kettle_identifier(kettle_id)},
            manufacturer=MANUFACTURER,
            model="Kettle",
            name=name,
            via_device_id=_brewery_id(hass, entry),
        ),
    )


def _brewery_id(hass: HomeAssistant, entry: SmartBeerConfigEntry) -> str:
    return dr.async_get_device_id_by_identifier(
        hass, BREWERY_IDENTIFIER, config_entry_id=entry.entry_id
    )


def signal_changed(entry: SmartBeerConfigEntry) -> str:
    """The dispatcher signal that says: look again which entities there should be."""
    return f"{DOMAIN}_changed_{entry.entry_id}"
