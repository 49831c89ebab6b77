"""Live samples for cards, and what nodes' spools hold."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from hypothesis import given
from hypothesis import strategies as st
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.smart_beer import live, websocket_api
from custom_components.smart_beer.live import MAX_POINTS, LiveBuffer
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.spool import T0, FakeNode, Spool, load_brewery, serving

LONG_S = 20.0  # between two events, where the machine may stand still and none is to come


@pytest.fixture(name="node")
async def node_fixture(socket_enabled: None) -> AsyncIterator[FakeNode]:
    """A node with nothing taken yet."""
    spool = Spool()
    async with serving(spool) as client:
        yield FakeNode(spool, client)


@pytest.fixture(name="card")
async def card_fixture(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, hass_read_only_access_token: str
) -> BridgeClient:
    """The websocket of a person who may read."""
    assert await async_setup_component(hass, "websocket_api", {})
    await websocket_api.async_setup(hass)
    return BridgeClient(await hass_ws_client(hass, hass_read_only_access_token))


async def test_the_first_event_is_what_is_in_memory(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode
) -> None:
    node.poll()
    node.live(3)
    load_brewery(hass, node)
    assert (await card.call("smart_beer/live", series=["mash-a/pressure", "boil-1/t"]))["success"]
    assert await card.event() == {
        "samples": {
            "mash-a/pressure": [
                [T0, 20.02, "ok"],
                [T0 + 1000, 20.04, "ok"],
                [T0 + 2000, 20.06, "ok"],
            ]
        }
    }


async def test_with_nothing_in_memory_the_first_event_is_empty(
    hass: HomeAssistant, card: BridgeClient
) -> None:
    await card.call("smart_beer/live", series=["mash-a/pressure"])
    assert await card.event() == {"samples": {}}


async def test_news_come_together_and_at_most_once_a_second(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode
) -> None:
    node.poll()
    load_brewery(hass, node)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await card.call("smart_beer/live", series=["mash-a/temperature"])
    await card.event()
    for count in range(1, 3):
        node.live(3)
        assert len((await card.event())["samples"]["mash-a/temperature"]) == 3
        assert loop.time() - began >= count


async def test_what_comes_meanwhile_waits_for_the_next_event(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY_S", LONG_S)
    node.poll()
    load_brewery(hass, node)
    await card.call("smart_beer/live", series=["mash-a/temperature"])
    await card.event()
    for seconds in (2, 1):
        node.live(seconds)
        assert await card.all_events() == []
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=LONG_S + 1))
    event = await card.event()
    assert [t for t, _value, _quality in event["samples"]["mash-a/temperature"]] == [
        T0,
        T0 + 1000,
        T0 + 2000,
    ]


async def test_what_other_series_bring_is_no_news(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.0)
    node.poll()
    load_brewery(hass, node)
    await card.call("smart_beer/live", series=["mash-a/other", "mash-b/temperature"])
    await card.event()
    node.live(3)
    assert await card.all_events() == []


async def test_a_node_that_joins_later_is_shown_from_its_memory_on(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.0)
    brewery = load_brewery(hass)
    await card.call("smart_beer/live", series=["mash-a/temperature"])
    await card.event()
    node.poll()
    node.live(2)
    brewery.nodes["mash-a"] = node
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    assert len((await card.event())["samples"]["mash-a/temperature"]) == 2


async def test_the_end_of_a_subscription_is_the_end(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "EVERY_S", LONG_S)
    node.poll()
    load_brewery(hass, node)
    reply = await card.call("smart_beer/live", series=["mash-a/temperature"])
    await card.event()
    node.live()
    assert (await card.call("unsubscribe_events", subscription=reply["id"]))["success"]
    assert node.feed._callbacks == {}
    assert await card.all_events() == []


@pytest.mark.parametrize("series", [[], "mash-a/t", ["mash-a"], [5], ["a/b"] * 33])
async def test_nonsense_is_refused(card: BridgeClient, series: object) -> None:
    reply = await card.call("smart_beer/live", series=series)
    assert reply["error"]["code"] == "invalid_format"


@pytest.mark.parametrize(
    "command",
    [
        {"command": "smart_beer/live", "series": ["a/b"]},
        {"command": "smart_beer/series"},
        {"command": "smart_beer/spools"},
        {"command": "smart_beer/history", "series": ["a/b"], "start": 0, "end": 1, "points": 1},
    ],
)
async def test_who_may_read_nothing_is_told_nothing(
    hass: HomeAssistant,
    card: BridgeClient,
    hass_ws_client: WebSocketGenerator,
    nobody_access_token: str,
    command: dict[str, Any],
) -> None:
    client = BridgeClient(await hass_ws_client(hass, nobody_access_token))
    assert (await client.call(**command))["error"]["code"] == "unauthorized"


async def test_series_are_told(hass: HomeAssistant, card: BridgeClient, node: FakeNode) -> None:
    load_brewery(hass, node)  # one that has not described itself yet
    assert (await card.call("smart_beer/series"))["result"] == {"series": []}


async def test_spools_are_told_as_the_nodes_told_them_last(
    hass: HomeAssistant, card: BridgeClient, node: FakeNode
) -> None:
    node.spool.tick(10)
    node.spool.skip(5)
    node.spool.drop(4)
    node.poll()
    away = FakeNode(Spool("boil-1"), node.client, connected=False)
    load_brewery(hass, node, away)
    assert (await card.call("smart_beer/spools"))["result"] == {
        "nodes": {
            "mash-a": {
                "spool_id": "s1",
                "first_seq": 4,
                "last_seq": 25,
                "holes": [[21, 25]],
                "connected": True,
            },
            "boil-1": {
                "spool_id": None,
                "first_seq": 0,
                "last_seq": 0,
                "holes": [],
                "connected": False,
            },
        }
    }


@given(st.lists(st.integers(1, 900), max_size=5), st.data())
def test_the_buffer_gives_each_wanted_sample_once_and_is_bounded(
    sizes: list[int], data: st.DataObject
) -> None:
    spool = Spool()
    buffer = LiveBuffer(frozenset({"mash-a/pressure"}))
    waiting: list[int] = []
    for size in sizes:
        after = spool.last_seq
        spool.tick(size)
        buffer.add(spool.page(after, limit=10_000))
        waiting += [row[1] for row in spool.rows if row[0] > after and row[2] == 1]
        assert buffer
        if data.draw(st.booleans()):
            taken = buffer.take()
            assert [t for t, _value, _quality in taken["mash-a/pressure"]] == waiting[-MAX_POINTS:]
            assert not buffer
            assert buffer.take() == {}
            waiting = []
