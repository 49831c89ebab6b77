"""A kettle: what its nodes say together, and whom it leaves out."""

import time
from typing import TYPE_CHECKING, Any

import pytest

from custom_components.smart_beer.models import NodeInfo
from tests.smart_beer.brewery import (
    connected,
    eventually,
    following,
    kettle_state,
    node_of,
    set_up,
    value_of,
)
from tests.smart_beer.edge_stub import EdgeStub, channel, running_stub
from tests.smart_beer.output_stub import OutputStub, alarm, latch, output

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from custom_components.smart_beer.kettle import KettleCoordinator

MASH = {"kettle_id": "mash-tun"}


async def test_the_median_of_three_nodes_is_shown_and_the_outlier_named(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    async with running_stub(node_id="mash-c") as third:
        entry = await set_up(hass, stub, second, third)
        for node in (stub, second, third):
            await following(entry, node)
        stub.sample(65.0)
        second.sample(65.4)
        third.sample(80.0)

        def left_out() -> Any:
            shown = kettle_state(hass, "temperature")
            return None if shown is None else shown.attributes.get("left_out")

        # Before the third has come, the other two alone show the same number.
        await eventually(lambda: left_out() == {"mash-c/temperature": "outlier"})
        state = kettle_state(hass, "temperature")
        assert state is not None
        assert state.state == "65.2"
        assert state.attributes["probes"] == ["mash-a/temperature", "mash-b/temperature"]
        assert value_of(kettle_state(hass, "probe_problem", platform="binary_sensor")) == "on"
        third.sample(65.6)
        await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.4")
        assert value_of(kettle_state(hass, "probe_problem", platform="binary_sensor")) == "off"


async def test_two_that_disagree_show_no_number(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub, second)
    await following(entry, stub)
    await following(entry, second)
    stub.sample(65.0)
    second.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    second.sample(75.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "unknown")
    state = kettle_state(hass, "temperature")
    assert state is not None
    assert set(state.attributes["left_out"].values()) == {"disagree"}


async def test_a_bad_reading_is_unknown_and_never_a_number(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    stub.sample(None, quality="bad:power_on")
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "unknown")
    state = kettle_state(hass, "temperature")
    assert state is not None
    assert state.attributes["left_out"] == {"mash-a/temperature": "bad:power_on"}


async def test_a_kettle_is_available_while_one_of_its_nodes_is(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub, second)
    await following(entry, stub)
    await following(entry, second)
    stub.sample(65.0)
    second.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    for node in (stub, second):
        node.answers["/v1/node"] = node.refuse(503, "failing")
    stub.boot_id = "boot2"
    stub.sample(66.0)
    await eventually(lambda: not node_of(entry).connected)
    second.sample(67.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "67.0")
    state = kettle_state(hass, "temperature")
    assert state is not None
    assert state.attributes["left_out"] == {"mash-a/temperature": "offline"}
    second.boot_id = "boot2"
    second.sample(66.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "unavailable")
    problem = kettle_state(hass, "probe_problem", platform="binary_sensor")
    assert value_of(problem) == "unavailable"


async def test_pressure_and_co2_are_shown_where_they_are_measured(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.channels = [
        channel("beer", role="process"),
        channel("fridge", role="auxiliary"),
        channel("head", "pressure", role="auxiliary"),
        channel("co2", "co2", role="auxiliary"),
        channel("room", kettle_id=None),
    ]
    entry = await set_up(hass, stub)
    await following(entry, stub)
    for channel_id, value in (
        ("beer", 18.5),
        ("fridge", 4.0),
        ("head", 100.0),
        ("co2", 2.4),
        ("room", 25.0),
    ):
        stub.sample(value, channel_id)
    await eventually(lambda: value_of(kettle_state(hass, "co2")) == "2.4")
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "18.5")
    pressure = kettle_state(hass, "pressure")
    assert pressure is not None
    assert pressure.attributes["unit_of_measurement"] == "bar"
    assert float(pressure.state) == 1.0
    co2 = kettle_state(hass, "co2")
    assert co2 is not None
    assert co2.attributes["unit_of_measurement"] == "vol"


async def test_the_batch_is_that_of_any_node_that_knows_it(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    second.batches = {"mash-tun": "B001-LAGER"}
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    await eventually(lambda: value_of(kettle_state(hass, "batch")) == "B001-LAGER")


async def test_a_node_may_serve_several_kettles(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.kettles.append({"kettle_id": "hlt", "kettle_name": "HLT", "group": ["mash-a"]})
    stub.channels.append(channel("hlt_temperature", kettle_id="hlt"))
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    stub.sample(78.0, "hlt_temperature")
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    await eventually(lambda: value_of(kettle_state(hass, "temperature", "hlt")) == "78.0")


async def test_a_refresh_by_hand_computes_anew(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    kettle = entry.runtime_data.kettles["mash-tun"]
    await kettle.async_refresh()
    assert kettle.data.available
    assert kettle.data.quantity("gravity") is None


async def test_the_reference_is_made_of_probes_that_were_just_heard(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await set_up(hass, stub, second)
    await following(entry, stub)
    await following(entry, second)
    kettle: KettleCoordinator = entry.runtime_data.kettles["mash-tun"]
    assert kettle._reference() is None

    def referred(one: float, other: float) -> Any:
        """What is made of two samples; they are taken anew, as it forgets within seconds."""
        stub.sample(one)
        second.sample(other)
        return kettle._reference()

    await eventually(lambda: (told := referred(65.0, 65.5)) and len(told["probes"]) == 2)
    told = kettle._reference()
    assert told is not None
    assert told["value"] == 65.25
    assert told["probes"] == ["mash-a/temperature", "mash-b/temperature"]
    assert abs(told["t"] - time.time() * 1000) < 60_000
    # The kettle still shows what it heard seconds ago; a node must not regulate by it.
    now = time.monotonic()
    monkeypatch.setattr("custom_components.smart_beer.kettle.time.monotonic", lambda: now + 5)
    assert kettle._reference() is None
    assert kettle._fuse("temperature").value == 65.25  # type: ignore[union-attr]
    monkeypatch.undo()
    # Two that contradict each other give no number, and the nodes are told so: none may heat then.
    await eventually(lambda: (told := referred(90.0, 65.5)) and told["value"] is None)
    told = kettle._reference()
    assert told is not None
    assert told["probes"] == ["mash-a/temperature", "mash-b/temperature"]
    # What no node would take is no reference.
    stub.sample(170.0)
    second.sample(170.0)
    await eventually(lambda: (fused := kettle.data.temperature) and fused.value == 170)
    assert kettle._reference() is None


async def test_the_group_is_what_most_nodes_list_and_without_any_list_those_that_serve_it(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    async with running_stub(node_id="mash-c") as third:
        stub.kettles[0]["group"] = second.kettles[0]["group"] = ["mash-b", "mash-a", "mash-c"]
        entry = await set_up(hass, stub, second, third)
        await connected(entry, "mash-a", "mash-b", "mash-c")
        kettle: KettleCoordinator = entry.runtime_data.kettles["mash-tun"]
        assert kettle._group() == ("mash-a", "mash-b", "mash-c")
        assert kettle.leadership is not None
        await eventually(lambda: kettle.leadership.members == kettle._group())  # type: ignore[union-attr]
    stub.kettles[0]["group"] = second.kettles[0]["group"] = []
    third.kettles[0]["group"] = []
    for node in entry.runtime_data.nodes.values():
        node.info = NodeInfo.parse({**node.info.raw, "kettles": stub.kettles})
    assert kettle._group() == ("mash-a", "mash-b", "mash-c")


async def test_a_node_with_a_problem_is_not_asked_for_its_lease(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    kettle: KettleCoordinator = entry.runtime_data.kettles["mash-tun"]
    node = node_of(entry)
    assert kettle._client("mash-a") is node.client
    assert kettle._client("mash-z") is None
    node._checks.problem = "auth"
    assert kettle._client("mash-a") is None


async def test_latches_alarms_and_interlocks_come_with_their_node(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(output("heater"), interlocks=({"id": "lid", "name": "Lid", **MASH},))
    heated.parts["interlocks"] = {"lid": False}
    heated.parts["latches"] = [latch("safe"), latch("no_rise", "boil")]
    heated.alarms = [alarm("safe_mash-tun")]
    entry = await set_up(hass, heated)
    await connected(entry)
    kettle: KettleCoordinator = entry.runtime_data.kettles["mash-tun"]
    await eventually(lambda: kettle.data.latches)
    assert [(node_id, one.latch) for node_id, one in kettle.data.latches] == [("mash-a", "safe")]
    assert [(node_id, one.alarm_id) for node_id, one in kettle.data.alarms] == [
        ("mash-a", "safe_mash-tun")
    ]
    assert kettle.data.interlocks == {("mash-a", "lid"): False}
    assert kettle.data.leader in {None, "server-a"}
