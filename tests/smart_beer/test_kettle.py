"""A kettle: what its nodes say together, and whom it leaves out."""

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant


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
        await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.2")
        state = kettle_state(hass, "temperature")
        assert state is not None
        assert state.attributes["probes"] == ["mash-a/temperature", "mash-b/temperature"]
        assert state.attributes["left_out"] == {"mash-c/temperature": "outlier"}
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
