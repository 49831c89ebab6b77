"""The bridge's and the cards' commands on a brewery that is really set up."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.smart_beer.bridge import async_create_bridge_token
from custom_components.smart_beer.websocket_bridge import HUB
from tests.smart_beer.brewery import connected, eventually, node_of, set_up
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.edge_stub import EdgeStub


@pytest.fixture(autouse=True)
async def before_the_web_server(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "smart_beer", {})


def values(rows: list[list[Any]]) -> list[tuple[int, float]]:
    return [(row[0], row[3]) for row in rows]


async def test_a_bridge_gets_all_of_a_nodes_samples_over_a_reload_of_the_entry(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, stub: EdgeStub
) -> None:
    for count in range(30):
        stub.sample(20 + count)
    entry = await set_up(hass, stub)
    await connected(entry)
    bridge = BridgeClient(await hass_ws_client(hass, await async_create_bridge_token(hass)))
    await bridge.subscribe()
    rows = await bridge.rows_until("mash-a", 30)
    for count in range(5):
        stub.sample(60 + count)
    rows += await bridge.rows_until("mash-a", 35)
    assert await hass.config_entries.async_reload(entry.entry_id)
    for count in range(5):
        stub.sample(70 + count)
    rows += await bridge.rows_until("mash-a", 40)
    assert values(rows) == [(row[0], row[3]) for row in stub.samples]


async def test_a_node_that_takes_no_samples_still_gives_those_it_has(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, stub: EdgeStub
) -> None:
    for count in range(10):
        stub.sample(20 + count)
    entry = await set_up(hass, stub)
    await connected(entry)
    assert node_of(entry).feed.spool_id is None
    bridge = BridgeClient(await hass_ws_client(hass, await async_create_bridge_token(hass)))
    assert (await bridge.call("smart_beer/spools"))["result"]["nodes"] == {
        "mash-a": {
            "spool_id": "spool1",
            "first_seq": 1,
            "last_seq": 10,
            "holes": [],
            "connected": True,
        }
    }
    await bridge.subscribe()
    assert len(await bridge.rows_until("mash-a", 10)) == 10


async def test_a_card_sees_what_the_node_takes(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    card = BridgeClient(await hass_ws_client(hass))
    (series,) = (await card.call("smart_beer/series"))["result"]["series"]
    assert (series["series"], series["display_unit"]) == ("mash-a/temperature", "°C")
    await card.call("smart_beer/live", series=[series["series"]])
    assert await card.event() == {"samples": {}}
    stub.sample(66.5, t=1_790_000_000_000)
    assert await card.event() == {
        "samples": {"mash-a/temperature": [[1_790_000_000_000, 66.5, "ok"]]}
    }


async def test_nothing_is_left_of_a_subscription_when_its_connection_ends(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    node = node_of(entry)
    before = len(node.feed._callbacks)
    bridge = BridgeClient(await hass_ws_client(hass))
    await bridge.subscribe()
    assert len(node.feed._callbacks) == before + 1
    await bridge._socket.close()
    await eventually(lambda: not hass.data[HUB].subscriptions, "subscription closed")
    assert len(node.feed._callbacks) == before
