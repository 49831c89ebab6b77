"""The storage bridge's subscription, from nodes to acknowledgements."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.smart_beer.batches import make_batch
from custom_components.smart_beer.models import SamplesPage
from custom_components.smart_beer.websocket_bridge import HUB
from tests.smart_beer.brewery import eventually
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.spool import MakeNode, Meet, load_brewery, look


async def test_new_samples_go_out_as_they_come(meet: Meet) -> None:
    node, bridge = await meet(5)
    await bridge.subscribe({"mash-a": ["s1", 10]})
    assert await bridge.all_events() == []
    node.live()
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


async def test_a_bridge_that_was_away_gets_everything_once_and_in_order(meet: Meet) -> None:
    node, bridge = await meet(1700)
    await bridge.subscribe({"mash-a": ["s1", 100]})
    rows = []
    for _ in range(6):
        event = await bridge.event()
        rows += event["samples"]
        node.live(3)
        await bridge.ack(event)
    rows += await bridge.rows_until("mash-a", node.spool.last_seq)
    assert rows == node.spool.rows[100:]
    asked = len(node.spool.requests)
    node.live()
    assert await bridge.rows_until("mash-a", node.spool.last_seq) == node.spool.rows[-2:]
    assert len(node.spool.requests) == asked <= 5  # from memory again


async def test_a_node_without_a_cursor_is_sent_from_the_start(meet: Meet) -> None:
    node, bridge = await meet(30)
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
    events = [await bridge.event() for _ in range(16)]
    for _ in range(200):
        for node in nodes:
            node.live()
    await look(hass)
    assert await bridge.all_events() == []
    (subscription,) = hass.data[HUB].subscriptions.values()
    await eventually(lambda: subscription._reads == {}, "nothing is being read")
    for node in nodes:
        mine = [event for event in events if event["node_id"] == node.node_id]
        assert 1 <= len(mine) <= 4
        assert all(len(event["samples"]) <= 1000 for event in mine)
        # nothing was fetched that could not be sent
        assert len(node.spool.requests) == len(mine)
        assert len(node.feed) == 400
    assert subscription.stream.unacknowledged == 16


async def test_a_slow_bridge_has_at_most_four_batches_of_a_node_in_flight(meet: Meet) -> None:
    node, bridge = await meet(3200)
    await bridge.subscribe()
    waiting: list[dict[str, Any]] = []
    rows: list[list[Any]] = []
    while len(rows) < len(node.spool.rows):
        waiting += await bridge.all_events() or ([] if waiting else [await bridge.event()])
        assert len(waiting) <= 4
        event = waiting.pop(0)
        rows += event["samples"]
        await bridge.ack(event)
    assert rows == node.spool.rows
    assert await bridge.all_events() == []


async def test_two_bridges_that_keep_up_share_what_is_serialised(
    meet: Meet, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def spy(node_id: str, pages: list[SamplesPage], after: int) -> Any:
        made.append(after)
        return make_batch(node_id, pages, after)

    monkeypatch.setattr("custom_components.smart_beer.samples_subscription.make_batch", spy)
    node, bridge = await meet()
    bridges = [bridge, await connect()]
    for bridge in bridges:
        await bridge.subscribe()
    made.clear()
    for after in (0, 2, 4):
        node.live()
        events = [await bridge.event() for bridge in bridges]
        assert events[0] == events[1]
        assert made.count(after) == 1
        for bridge, event in zip(bridges, events, strict=True):
            await bridge.ack(event)


async def test_the_end_of_a_connection_ends_its_subscription(
    hass: HomeAssistant, meet: Meet
) -> None:
    node, bridge = await meet(5)
    node.spool.fail_with = 500
    await bridge.subscribe()
    (subscription,) = hass.data[HUB].subscriptions.values()
    await eventually(lambda: node.spool.requests and subscription._reads, "it is being read")
    (task,) = subscription._reads.values()  # it rests before it tries again
    await bridge._socket.close()
    await eventually(lambda: not hass.data[HUB].subscriptions and task.done(), "it has ended")
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


async def test_acknowledgements_must_fit_what_was_sent(meet: Meet) -> None:
    node, bridge = await meet()
    ack = {"subscription": 1, "node_id": "mash-a", "spool_id": "s1", "seq": 2}
    reply = await bridge.call("smart_beer/samples/ack", **ack)
    assert reply["error"]["code"] == "not_found"
    await bridge.subscribe()
    node.live()
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
