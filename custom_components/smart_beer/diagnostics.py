"""What a person can download to have a problem looked into; nothing in it lets anybody in."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from homeassistant.components.diagnostics import REDACTED, async_redact_data
from homeassistant.const import CONF_TOKEN
from homeassistant.loader import async_get_integration

from .bridge import BRIDGE
from .const import CONF_CLIENT_ID, DOMAIN
from .helpers import kettle_identifier, node_identifier

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers import device_registry as dr

    from .coordinator import NodeCoordinator, SmartBeerConfigEntry
    from .kettle import KettleCoordinator
    from .leadership import KettleLeadership

# Addresses and fingerprints stay: they are no secrets, and most problems are about them.
TO_REDACT = {CONF_TOKEN, CONF_CLIENT_ID, "clients", "secret"}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: SmartBeerConfigEntry
) -> dict[str, Any]:
    """Return everything known of the brewery."""
    data = entry.runtime_data
    integration = await async_get_integration(hass, DOMAIN)
    bridge = hass.data.get(BRIDGE)
    return {
        "version": str(integration.version),
        "entry": async_redact_data(entry.as_dict(), TO_REDACT),
        "bridge": None if bridge is None else {"url": bridge.url, "version": bridge.version},
        "nodes": {node.node_id: _node(node) for node in data.nodes.values()},
        "kettles": {kettle_id: _kettle(kettle) for kettle_id, kettle in data.kettles.items()},
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001
    entry: SmartBeerConfigEntry,
    device: dr.AnyDeviceEntry,
) -> dict[str, Any]:
    """Return what is known of one node or kettle; nothing for the brewery's own device."""
    for node in entry.runtime_data.nodes.values():
        if node_identifier(node.node_id) in device.identifiers:
            subentry = entry.subentries[node.subentry_id]
            return {
                "subentry": async_redact_data(subentry.as_dict(), TO_REDACT),
                "node": _node(node),
            }
    for kettle_id, kettle in entry.runtime_data.kettles.items():
        if kettle_identifier(kettle_id) in device.identifiers:
            return {"kettle": _kettle(kettle)}
    return {}


def _node(node: NodeCoordinator) -> dict[str, Any]:
    """How a node is, what it says of itself, and how far its samples have been followed."""
    feed = node.feed
    return {
        "connected": node.connected,
        "problem": node.problem,
        "last_error": None if node.last_exception is None else str(node.last_exception),
        "agreed_layout": {
            "kettles": dict(node.layout.kettles),
            "channels": dict(node.layout.channels),
        },
        "node": None if node.info is None else async_redact_data(node.info.raw, TO_REDACT),
        "state": None if node.state is None else asdict(node.state, dict_factory=_nameless),
        "readings": {
            channel_id: {"value": reading.value, "quality": reading.quality}
            for channel_id, reading in node.data.readings.items()
        },
        "last_commands": node.commands.log.told(),
        "feed": {
            "spool_id": feed.spool_id,
            "cursor": feed.last_seq,
            "node_first_seq": feed.first_seq,
            "node_last_seq": feed.node_last_seq,
            "holes": feed.holes,
            "samples_in_memory": len(feed),
        },
    }


def _kettle(kettle: KettleCoordinator) -> dict[str, Any]:
    """What a kettle shows, which probes it is made of, and who leads it."""
    interlocks = {"/".join(key): closed for key, closed in kettle.data.interlocks.items()}
    return {
        "name": kettle.kettle_name,
        "nodes": [node.node_id for node in kettle.nodes],
        "data": {**asdict(kettle.data, dict_factory=_nameless), "interlocks": interlocks},
        "leadership": None if kettle.leadership is None else _leadership(kettle.leadership),
    }


def _leadership(leadership: KettleLeadership) -> dict[str, Any]:
    """Who leads a kettle, as this server sees it; seconds are of now."""
    return {
        "server_id": leadership.server_id,
        "leads": leadership.leads,
        "leader": leadership.leader,
        "epoch": leadership.epoch,
        "may_energise": leadership.may_energise,
        "energise_in_s": leadership.energise_in_s,
        "members_agree": leadership.members_agree,
        "twin": leadership.twin,
        "held": leadership.held,
    }


def _nameless(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a dataclass; who has seen an alarm, and their words, are nobody's business."""
    return {name: value and REDACTED if name == "acknowledged" else value for name, value in fields}
