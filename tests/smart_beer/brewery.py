"""A brewery set up in Home Assistant with nodes that run, and how to wait for it."""

import asyncio
import time
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, flush_store

from custom_components.smart_beer.const import DOMAIN, HUB_ID
from custom_components.smart_beer.helpers import (
    channel_unique_id,
    kettle_unique_id,
    node_unique_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from homeassistant.core import HomeAssistant, State

    from custom_components.smart_beer.coordinator import NodeCoordinator
    from custom_components.smart_beer.kettle import KettleCoordinator
    from tests.smart_beer.edge_stub import EdgeStub


async def eventually(condition: Callable[[], Any], what: str = "", *, limit: float = 30) -> None:
    """Wait until the condition holds; the limit is generous, for a slow machine is no fault."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"never came true: {what}"
        await asyncio.sleep(0.01)


def subentry_data(stub: EdgeStub, **changes: Any) -> dict[str, Any]:
    """The node as a subentry."""
    return {
        "data": {**stub.data, **changes},
        "subentry_type": "node",
        "title": f"Node {stub.node_id}",
        "unique_id": stub.node_id,
    }


def brewery_entry(hass: HomeAssistant, *stubs: EdgeStub) -> MockConfigEntry:
    """The brewery with these nodes, not set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Brewery",
        unique_id=HUB_ID,
        data={"client_id": "c" * 32},
        subentries_data=[subentry_data(stub) for stub in stubs],
    )
    entry.add_to_hass(hass)
    return entry


async def set_up(hass: HomeAssistant, *stubs: EdgeStub) -> MockConfigEntry:
    """The brewery with these nodes, set up; no node is waited for."""
    entry = brewery_entry(hass, *stubs)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    return entry


def node_of(entry: MockConfigEntry, node_id: str = "mash-a") -> NodeCoordinator:
    """The coordinator of a node."""
    nodes: list[NodeCoordinator] = list(entry.runtime_data.nodes.values())
    return next(node for node in nodes if node.node_id == node_id)


async def connected(entry: MockConfigEntry, *node_ids: str) -> None:
    """Wait until these nodes (mash-a) are connected."""
    for node_id in node_ids or ("mash-a",):
        node = node_of(entry, node_id)
        await eventually(partial(getattr, node, "connected"), f"{node_id} connected")
    await asyncio.sleep(0)


async def following(entry: MockConfigEntry, stub: EdgeStub) -> None:
    """Wait until the node is connected and its samples are being asked for."""
    await connected(entry, stub.node_id)
    await eventually(lambda: stub.paths("/v1/samples"), "samples asked for")


async def leading(entry: MockConfigEntry, kettle_id: str = "mash-tun") -> KettleCoordinator:
    """Wait until this server leads the kettle, which is then told of."""
    await eventually(lambda: kettle_id in entry.runtime_data.kettles, f"{kettle_id} known")
    kettle: KettleCoordinator = entry.runtime_data.kettles[kettle_id]
    await eventually(lambda: kettle.data.leading, f"{kettle_id} led")
    await eventually(
        lambda: kettle.leadership is not None and kettle.leadership.may_energise, "may energise"
    )
    return kettle


async def restarted(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Set the brewery up anew, with what is remembered of its nodes."""
    await flush_store(entry.runtime_data.cache._store)
    assert await hass.config_entries.async_reload(entry.entry_id)


async def call(
    hass: HomeAssistant, platform: str, service: str, unique_id: str, **data: Any
) -> None:
    """Call a service for the entity of a unique id, as a person would."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, unique_id)
    assert entity_id, f"there is no {platform} {unique_id}"
    await hass.services.async_call(
        platform, service, {"entity_id": entity_id, **data}, blocking=True
    )


def add_node(hass: HomeAssistant, entry: MockConfigEntry, stub: EdgeStub) -> str:
    """Add the node to the running brewery; the id of its subentry."""
    subentry = ConfigSubentry(
        data=MappingProxyType(stub.data),
        subentry_type="node",
        title=f"Node {stub.node_id}",
        unique_id=stub.node_id,
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    return subentry.subentry_id


def state_of(hass: HomeAssistant, platform: str, unique_id: str) -> State | None:
    """The state of the entity of a unique id, None while it has none."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, unique_id)
    return hass.states.get(entity_id) if entity_id else None


def kettle_state(
    hass: HomeAssistant, key: str, kettle_id: str = "mash-tun", platform: str = "sensor"
) -> State | None:
    """The state of a kettle's entity, None while it has none."""
    return state_of(hass, platform, kettle_unique_id(kettle_id, key))


def node_state(
    hass: HomeAssistant, key: str, node_id: str = "mash-a", platform: str = "binary_sensor"
) -> State | None:
    """The state of a node's entity, None while it has none."""
    return state_of(hass, platform, node_unique_id(node_id, key))


def channel_state(
    hass: HomeAssistant, channel_id: str = "temperature", node_id: str = "mash-a"
) -> State | None:
    """The state of a raw channel's sensor, None while it has none."""
    return state_of(hass, "sensor", channel_unique_id(node_id, channel_id))


def value_of(state: State | None) -> str | None:
    """What a state says."""
    return state.state if state else None


def device(
    hass: HomeAssistant, entry: MockConfigEntry, identifier: tuple[str, str]
) -> dr.DeviceEntry | None:
    """The device of an identifier."""
    return dr.async_get(hass).async_get_device_by_identifier(identifier, entry.entry_id)
