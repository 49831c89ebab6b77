"""The state of a node, as it announces it."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from custom_components.smart_beer import node_live
from tests.smart_beer.brewery import connected, eventually, following, node_of, set_up
from tests.smart_beer.output_stub import latch

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from custom_components.smart_beer.coordinator import NodeCoordinator
    from tests.smart_beer.output_stub import OutputStub

ON = {"desired": True, "actual": True, "limited_by": None}


def event(name: str, **parts: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(parts)}\n\n".encode()


@pytest.fixture
async def node(
    hass: HomeAssistant, heated: OutputStub, monkeypatch: pytest.MonkeyPatch
) -> NodeCoordinator:
    """A node that announces its changes and is listened to."""
    monkeypatch.setattr(node_live, "LISTEN_AGAIN_S", 0.05)
    heated.announces = True
    entry = await set_up(hass, heated)
    await following(entry, heated)
    await eventually(lambda: heated.listeners, "listened to")
    return node_of(entry)


def pump(node: NodeCoordinator) -> float | None:
    state = node.data.state
    return None if state is None else state.actuators["pump"].actual


async def test_a_change_is_shown_without_asking(node: NodeCoordinator, heated: OutputStub) -> None:
    asked = len(heated.paths("/v1/state"))
    heated.tell(event("state", actuators={"pump": ON, "heater": ON}, latches=[]))
    await eventually(lambda: pump(node) == 100)
    heated.tell(b": alive\n\n")
    heated.tell(event("change", latches=[latch("safe")]))
    await eventually(lambda: node.data.state is not None and node.data.state.latches)
    assert len(heated.paths("/v1/state")) == asked
    assert heated.paths("/v1/events") == ["/v1/events?channels=0"]


async def test_what_changes_all_the_time_is_shown_with_the_next_samples(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    shown = {"mode": "auto", "setpoint": 66.0, "process": 65.0, "power": 40.0, "state": {}}
    told = 0

    def count() -> None:
        nonlocal told
        told += 1

    end = node.async_add_listener(count)
    heated.tell(event("change", controllers={"mash": shown}))
    await eventually(lambda: node.state is not None and "mash" in node.state.controllers)
    assert told == 0
    heated.sample(65.0)
    await eventually(lambda: told)
    assert node.data.state is not None
    assert node.data.state.controllers["mash"].power == 40
    end()


@pytest.mark.parametrize(
    "broken",
    [
        b"event: change\ndata: {not json\n\n",
        b"event: change\ndata: []\n\n",
        event("change", actuators={"pump": {"desired": True}}),
        event("change", latches=[{"latch": 7}]),
        None,
    ],
)
async def test_after_nonsense_or_an_end_it_is_listened_to_again(
    node: NodeCoordinator, heated: OutputStub, broken: bytes | None
) -> None:
    heated.tell(broken)
    await eventually(lambda: len(heated.paths("/v1/events")) > 1 and heated.listeners)
    assert node.connected, "the stream of samples says whether the node is there"
    heated.tell(event("state", actuators={"pump": ON}))
    await eventually(lambda: pump(node) == 100)


async def test_a_node_without_events_is_polled_and_not_asked_for_them_again(
    hass: HomeAssistant, heated: OutputStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_live, "LISTEN_AGAIN_S", 0.01)
    entry = await set_up(hass, heated)
    await connected(entry)
    await following(entry, heated)
    await eventually(lambda: heated.paths("/v1/events"))
    heated.sample(66.0)
    await eventually(lambda: node_of(entry).feed.last_seq == 1)
    assert len(heated.paths("/v1/events")) == 1
    heated.parts["actuators"]["pump"] = ON
    await node_of(entry).live.async_look()
    assert pump(node_of(entry)) == 100


async def test_a_look_that_fails_leaves_what_is_known(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    heated.answers["/v1/state"] = heated.refuse(500, "internal")
    before = node.data
    await node.live.async_look()
    assert node.data == before
