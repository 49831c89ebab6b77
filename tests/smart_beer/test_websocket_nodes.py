"""Nodes that come, go and fail while a bridge is subscribed to their samples."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant

from custom_components.smart_beer import spool_reader
from tests.smart_beer.brewery import eventually
from tests.smart_beer.spool import FakeBrewery, FakeNode, MakeNode, Meet, load_brewery, look


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
    hass: HomeAssistant, meet: Meet
) -> None:
    node, bridge = await meet(5)
    node.connected = False
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
    await eventually(lambda: len(bad.spool.requests) >= 3, "the bad node is tried again")
    assert caplog.text.count("Node bad: older samples cannot be read") == 1
    bad.spool.fail_with = None
    assert await bridge.rows_until("bad", 10) == bad.spool.rows


async def test_a_node_that_keeps_back_what_it_claims_to_have_is_asked_ever_more_rarely(
    meet: Meet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A rest that outlasts the test also where the machine stands still.
    monkeypatch.setattr(spool_reader, "BACKOFF_FIRST_S", 60.0)
    node, bridge = await meet(5)
    node.live()
    node.spool.rows.clear()
    await bridge.subscribe()
    fault = "has samples up to 12 and gave none after 0"
    await eventually(lambda: fault in caplog.text, "it is told of")
    assert await bridge.all_events() == []
    assert len(node.spool.requests) == 1  # the next comes after a rest


async def test_a_fault_of_our_own_is_logged_and_tried_again(
    meet: Meet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_reader, "BACKOFF_FIRST_S", 0.01)
    node, bridge = await meet(5)
    monkeypatch.setattr(node.client, "samples", None)
    await bridge.subscribe()
    fault = "Node mash-a: reading older samples failed"
    await eventually(lambda: fault in caplog.text, "it is logged")
    caplog.clear()
    monkeypatch.undo()
    assert await bridge.rows_until("mash-a", 10) == node.spool.rows
