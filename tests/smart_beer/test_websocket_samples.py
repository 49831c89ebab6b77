"""The storage bridge's subscription, from nodes to acknowledgements."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.smart_beer import spool_reader, websocket_api
from custom_components.smart_beer.batches import make_batch
from custom_components.smart_beer.bridge import async_create_bridge_token
from custom_components.smart_beer.models import SamplesPage
from custom_components.smart_beer.spool_reader import SpoolReader
from custom_components.smart_beer.websocket_bridge import HUB
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.spool import FakeBrewery, FakeNode, Spool, load_brewery, serving

type MakeNode = Callable[..., Any]


@pytest.fixture(name="make_node")
async def make_node_fixture(socket_enabled: None) -> AsyncIterator[MakeNode]:
    """Makes nodes whose spools are really served, until the test ends."""
    async with AsyncExitStack() as stack:

        async def make_node(node_id: str = "mash-a", ticks: int = 0) -> FakeNode:
            spool = Spool(node_id)
            spool.tick(ticks)
            return FakeNode(spool, await stack.enter_async_context(serving(spool)))

        yield make_node


@pytest.fixture(name="connect")
async def connect_fixture(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, socket_enabled: None
) -> Callable[[], Any]:
    """Connects bridges, each as the bridge's own user."""

    async def connect() -> BridgeClient:
        if HUB not in hass.data:
            assert await async_setup_component(hass, "websocket_api", {})
            await websocket_api.async_setup(hass)
            hass.data[HUB].reader = SpoolReader(node_interval=0, interval=0)
            connect.token = await async_create_bridge_token(hass)  # type: ignore[attr-defined]
        token: str = connect.token  # type: ignore[attr-defined]
        return BridgeClient(await hass_ws_client(hass, token))

    return connect


async def look(hass: HomeAssistant) -> None:
    """Let the subscriptions look which nodes there are."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done()


async def test_new_samples_go_out_as_they_come(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 10]})
    assert await bridge.all_events() == []
    node.spool.tick()
    node.poll()
    event = await bridge.event()
    assert event == {
        "node_id": "mash-a",
        "spool_id": "s1",
        "series": ["mash-a/temperature", "mash-a/pressure"],
        "batches": [],
        "samples": node.spool.rows[-2:],
        "next": 12,
        "gap": None,
        "holes": [],
    }
    await bridge.ack(event)
    assert node.spool.requests == []


async def test_a_bridge_that_was_away_gets_everything_once_and_in_order(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=1700)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 100]})
    rows = []
    for _ in range(6):
        event = await bridge.event()
        rows += event["samples"]
        node.spool.tick(3)
        node.poll()
        await bridge.ack(event)
    rows += await bridge.rows_until("mash-a", node.spool.last_seq)
    assert rows == node.spool.rows[100:]
    asked = len(node.spool.requests)
    node.spool.tick()
    node.poll()
    assert await bridge.rows_until("mash-a", node.spool.last_seq) == node.spool.rows[-2:]
    assert len(node.spool.requests) == asked <= 5  # from memory again


async def test_a_node_without_a_cursor_is_sent_from_the_start(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=30)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.rows_until("mash-a", 60) == node.spool.rows


async def test_a_bridge_that_never_acknowledges_costs_bounded_memory(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    nodes = [await make_node(f"n{index}", ticks=2600) for index in range(6)]
    for node in nodes:
        node.poll()
    load_brewery(hass, *nodes)
    bridge = await connect()
    await bridge.subscribe()
    events = await bridge.all_events()
    for _ in range(200):
        for node in nodes:
            node.spool.tick()
            node.poll()
    await look(hass)
    events += await bridge.all_events()
    assert len(events) == 16
    for node in nodes:
        mine = [event for event in events if event["node_id"] == node.node_id]
        assert 1 <= len(mine) <= 4
        assert all(len(event["samples"]) <= 1000 for event in mine)
        # nothing was fetched that could not be sent
        assert len(node.spool.requests) == len(mine)
        assert len(node.feed) == 400
    (subscription,) = hass.data[HUB].subscriptions.values()
    assert subscription.stream.unacknowledged == 16
    assert subscription._reads == {}


async def test_a_slow_bridge_has_at_most_four_batches_of_a_node_in_flight(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=3200)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    waiting = await bridge.all_events()
    rows: list[list[Any]] = []
    while waiting:
        assert len(waiting) <= 4
        event = waiting.pop(0)
        rows += event["samples"]
        await bridge.ack(event)
        waiting += await bridge.all_events()
    assert rows == node.spool.rows


async def test_two_bridges_that_keep_up_share_what_is_serialised(
    hass: HomeAssistant, connect: Any, make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def spy(node_id: str, pages: list[SamplesPage], after: int) -> Any:
        made.append(after)
        return make_batch(node_id, pages, after)

    monkeypatch.setattr("custom_components.smart_beer.samples_subscription.make_batch", spy)
    node = await make_node()
    node.poll()
    load_brewery(hass, node)
    bridges = [await connect(), await connect()]
    for bridge in bridges:
        await bridge.subscribe()
    made.clear()
    for after in (0, 2, 4):
        node.spool.tick()
        node.poll()
        events = [await bridge.event() for bridge in bridges]
        assert events[0] == events[1]
        assert made.count(after) == 1
        for bridge, event in zip(bridges, events, strict=True):
            await bridge.ack(event)


async def test_another_spool_starts_at_zero_with_its_own_id(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 10]})
    node.spool.replace("s2")
    node.spool.tick(4)
    node.poll()
    event = await bridge.event()
    assert (event["spool_id"], event["samples"]) == ("s2", node.spool.rows)
    await bridge.ack(event)


async def test_a_cursor_of_a_spool_that_is_gone_starts_at_zero_of_the_new_one(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s0", 4711]})
    event = await bridge.event()
    assert (event["spool_id"], event["samples"]) == ("s1", node.spool.rows)


async def test_a_cursor_beyond_the_end_of_its_spool_starts_at_zero(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 4711]})
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_cursor_ahead_of_memory_waits_for_the_node(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    node.spool.tick(2)  # the other server has seen these, this one not yet
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 14]})
    assert await bridge.all_events() == []
    node.poll()
    assert await bridge.all_events() == []
    node.spool.tick()
    node.poll()
    assert (await bridge.event())["samples"] == node.spool.rows[-2:]


async def test_a_spool_replaced_before_the_live_loop_sees_it_is_waited_for(
    hass: HomeAssistant, connect: Any, make_node: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    node.spool.replace("s2")
    node.spool.tick(3)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.all_events() == []
    node.poll()
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_page_read_before_its_spool_was_replaced_goes_out_as_what_it_is(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    node.spool.hold = asyncio.Event()
    await bridge.subscribe()
    async with asyncio.timeout(20):
        while not node.spool.requests:
            await asyncio.sleep(0.01)
    hold = node.spool.hold
    old = node.spool.rows
    node.spool.replace("s2")
    node.spool.tick()
    node.poll()
    node.spool.hold = None
    hold.set()
    events = await bridge.all_events()
    assert [(event["spool_id"], event["samples"]) for event in events] == [
        ("s1", old),
        ("s2", node.spool.rows),
    ]


async def test_gaps_and_holes_are_passed_on(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=10)
    node.spool.skip(100)
    node.spool.tick(5)
    node.spool.drop(15)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 4]})
    event = await bridge.event()
    assert event["gap"] == {"from": 5, "to": 14}
    assert event["holes"] == [[21, 120]]
    assert event["samples"] == node.spool.rows
    await bridge.ack(event)
    node.spool.skip(10)
    node.spool.tick()
    node.poll()
    event = await bridge.event()
    assert (event["gap"], event["holes"]) == (None, [[131, 140]])


async def test_nodes_join_and_leave_and_come_back(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    first = await make_node("mash-a", ticks=2)
    first.poll()
    brewery: FakeBrewery = load_brewery(hass, first)
    bridge = await connect()
    await bridge.subscribe({"mash-a": ["s1", 4], "boil-1": ["s1", 2]})
    second = await make_node("boil-1", ticks=2)
    third = await make_node("hlt-1", ticks=1)
    for node in (second, third):
        node.poll()
        brewery.nodes[node.node_id] = node
    await look(hass)
    events = {event["node_id"]: event for event in [await bridge.event(), await bridge.event()]}
    assert events["boil-1"]["samples"] == second.spool.rows[2:]
    assert events["hlt-1"]["samples"] == third.spool.rows
    for event in events.values():
        await bridge.ack(event)
    del brewery.nodes["mash-a"]
    await look(hass)
    first.spool.tick()
    first.poll()
    assert await bridge.all_events() == []
    # a reload of the entry: the same node with a new feed
    again = FakeNode(first.spool, first.client)
    again.poll()
    brewery.nodes["mash-a"] = again
    await look(hass)
    assert (await bridge.event())["samples"] == first.spool.rows[4:]


async def test_a_node_that_is_away_is_not_read_and_goes_on_when_it_is_back(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    node.connected = False
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.all_events() == []
    assert node.spool.requests == []
    node.connected = True
    await look(hass)
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_node_that_was_never_reached_is_waited_for(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.all_events() == []
    node.poll()
    assert (await bridge.event())["samples"] == node.spool.rows


async def test_a_failing_node_is_tried_again_and_hurts_no_other(
    hass: HomeAssistant,
    connect: Any,
    make_node: MakeNode,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool_reader, "BACKOFF_FIRST_S", 0.01)
    bad, good = await make_node("bad", ticks=5), await make_node("good", ticks=5)
    bad.poll()
    good.poll()
    bad.spool.fail_with = 500
    load_brewery(hass, bad, good)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.rows_until("good", 10) == good.spool.rows
    async with asyncio.timeout(20):
        while len(bad.spool.requests) < 3:
            await asyncio.sleep(0.01)
    assert caplog.text.count("Node bad: older samples cannot be read") == 1
    bad.spool.fail_with = None
    assert await bridge.rows_until("bad", 10) == bad.spool.rows


async def test_a_node_that_keeps_back_what_it_claims_to_have_is_asked_ever_more_rarely(
    hass: HomeAssistant, connect: Any, make_node: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    node.spool.tick()
    node.poll()
    node.spool.rows.clear()
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    assert await bridge.all_events() == []
    assert len(node.spool.requests) == 1  # the next comes after a rest
    assert "has samples up to 12 and gave none after 0" in caplog.text


async def test_a_fault_of_our_own_is_logged_and_tried_again(
    hass: HomeAssistant,
    connect: Any,
    make_node: MakeNode,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool_reader, "BACKOFF_FIRST_S", 0.01)
    node = await make_node(ticks=5)
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    monkeypatch.setattr(node.client, "samples", None)
    await bridge.subscribe()
    async with asyncio.timeout(20):
        while "Node mash-a: reading older samples failed" not in caplog.text:
            await asyncio.sleep(0.01)
    caplog.clear()
    monkeypatch.undo()
    assert await bridge.rows_until("mash-a", 10) == node.spool.rows


async def test_the_end_of_a_connection_ends_its_subscription(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node(ticks=5)
    node.poll()
    node.spool.fail_with = 500
    load_brewery(hass, node)
    bridge = await connect()
    await bridge.subscribe()
    await bridge.all_events()
    (subscription,) = hass.data[HUB].subscriptions.values()
    (task,) = subscription._reads.values()  # it rests before it tries again
    await bridge._socket.close()
    async with asyncio.timeout(20):
        while hass.data[HUB].subscriptions or not task.done():
            await asyncio.sleep(0.01)
    assert node.feed._callbacks == {}


async def test_a_connection_has_one_subscription_and_may_have_another_after_it(
    hass: HomeAssistant, connect: Any
) -> None:
    load_brewery(hass)
    bridge = await connect()
    await bridge.subscribe()
    reply = await bridge.call("smart_beer/samples", cursors={})
    assert reply["error"]["code"] == "not_allowed"
    assert (await bridge.call("unsubscribe_events", subscription=bridge.subscription))["success"]
    await bridge.subscribe()


async def test_acknowledgements_must_fit_what_was_sent(
    hass: HomeAssistant, connect: Any, make_node: MakeNode
) -> None:
    node = await make_node()
    node.poll()
    load_brewery(hass, node)
    bridge = await connect()
    ack = {"subscription": 1, "node_id": "mash-a", "spool_id": "s1", "seq": 2}
    reply = await bridge.call("smart_beer/samples/ack", **ack)
    assert reply["error"]["code"] == "not_found"
    await bridge.subscribe()
    node.spool.tick()
    node.poll()
    ack["subscription"] = bridge.subscription
    assert (await bridge.call("smart_beer/samples/ack", **ack))["success"]
    assert (await bridge.call("smart_beer/samples/ack", **ack))["success"]
    for wrong in ({"seq": 3}, {"spool_id": "s2"}, {"node_id": "boil-1"}, {"subscription": 1}):
        reply = await bridge.call("smart_beer/samples/ack", **{**ack, **wrong})
        assert reply["error"]["code"] == "not_found", wrong


@pytest.mark.parametrize(
    "cursors",
    [
        None,
        [],
        {"mash-a": 5},
        {"mash-a": ["s1"]},
        {"mash-a": ["s1", -1]},
        {"mash-a": ["s1", 1.5]},
        {"mash-a": ["s1", True]},
        {"mash-a": [None, 1]},
        {"": ["s1", 1]},
        {f"n{index}": ["s1", 1] for index in range(1001)},
    ],
)
async def test_malformed_cursors_are_refused(
    hass: HomeAssistant, connect: Any, cursors: object
) -> None:
    bridge = await connect()
    reply = await bridge.call("smart_beer/samples", cursors=cursors)
    assert reply["error"]["code"] == "invalid_format"


async def test_people_who_are_no_admins_cannot_subscribe(
    hass: HomeAssistant,
    connect: Any,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
) -> None:
    load_brewery(hass)
    await connect()
    person = BridgeClient(await hass_ws_client(hass, hass_read_only_access_token))
    reply = await person.call("smart_beer/samples", cursors={})
    assert reply["error"]["code"] == "unauthorized"
    admin = BridgeClient(await hass_ws_client(hass))
    await admin.subscribe()
