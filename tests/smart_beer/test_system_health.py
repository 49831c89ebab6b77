"""The system information page."""

import asyncio

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.smart_beer.bridge import BRIDGE, BridgeRegistration
from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.edge_stub import EdgeStub
from tests.smart_beer.flow_helpers import add_hub

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def test_it_counts_nodes_and_names_problems_versions_and_the_bridge(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    assert await async_setup_component(hass, "system_health", {})
    lost = {**stub.data, "node_id": "mash-b", "token": "forgotten"}
    entry = add_hub(hass, stub.data, lost)
    assert await hass.config_entries.async_setup(entry.entry_id)
    nodes = {one.node_id: one for one in entry.runtime_data.nodes.values()}
    async with asyncio.timeout(20):
        while not nodes["mash-a"].connected or not nodes["mash-b"].problem:
            await asyncio.sleep(0.01)
    info = await get_system_health_info(hass, DOMAIN)
    assert info["nodes_connected"] == "1 / 2"
    assert info["problems"] == "Node mash-b: auth"
    assert info["node_versions"] == "0.1.0"
    assert info["kettles"] == 1
    assert info["bridge"] == "-"
    assert info["version"]
    hass.data[BRIDGE] = BridgeRegistration(url="http://x", secret="s", version="0.1.0")
    assert (await get_system_health_info(hass, DOMAIN))["bridge"] == "0.1.0"


async def test_it_answers_before_the_brewery_is_set_up(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    info = await get_system_health_info(hass, DOMAIN)
    assert (info["nodes_connected"], info["problems"]) == ("0 / 0", "-")
