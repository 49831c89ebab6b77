"""Climate: a controller as a thermostat."""

from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_send

from custom_components.smart_beer.helpers import (
    async_register_kettle,
    kettle_identifier,
    signal_changed,
)
from tests.smart_beer.brewery import (
    call,
    connected,
    device,
    eventually,
    following,
    leading,
    node_of,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import OutputStub, controller, output

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant, State

MASH = "controller/mash-a/mash"
PATH = "/v1/controllers/mash"


@pytest.fixture
def mash(heated: OutputStub) -> OutputStub:
    """A node with a heater and its PID."""
    heated.describes(output("heater", control="power"), output("pump"), controllers=(controller(),))
    return heated


def climate(hass: HomeAssistant, unique_id: str = MASH) -> State | None:
    return state_of(hass, "climate", unique_id)


def attributes(hass: HomeAssistant, unique_id: str = MASH) -> Any:
    state = climate(hass, unique_id)
    return state.attributes if state else {}


async def test_the_first_controller_is_the_kettle_itself(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(output("heater"), controllers=(controller(), controller("sparge")))
    entry = await set_up(hass, heated)
    await connected(entry)
    assert attributes(hass)["friendly_name"] == "Mash tun"
    assert attributes(hass, "controller/mash-a/sparge")["friendly_name"] == "Mash tun Sparge"


@pytest.mark.parametrize(
    ("changes", "mode", "shown"),
    [
        ({"range": [10, 90]}, "heat", 10),
        ({"heater": None, "cooler": "pump", "range": [0, 30]}, "cool", 30),
        ({"cooler": "pump", "range": [0, 30]}, "heat_cool", 15),
    ],
)
async def test_modes_and_range_are_what_the_controller_can(
    hass: HomeAssistant, heated: OutputStub, changes: dict[str, Any], mode: str, shown: float
) -> None:
    heated.describes(output("heater"), output("pump"), controllers=(controller(**changes),))
    entry = await set_up(hass, heated)
    await leading(entry)
    now = attributes(hass)
    assert now["hvac_modes"] == ["off", mode]
    assert [now["min_temp"], now["max_temp"]] == changes["range"]
    assert (value_of(climate(hass)), now["temperature"]) == ("off", shown)
    await call(hass, "climate", "turn_on", MASH)
    assert heated.told(PATH) == [{"mode": "auto", "setpoint": shown}]
    assert value_of(climate(hass)) == mode


async def test_a_temperature_alone_keeps_it_off_and_one_with_a_mode_switches_it(
    hass: HomeAssistant, mash: OutputStub
) -> None:
    entry = await set_up(hass, mash)
    await leading(entry)
    await call(hass, "climate", "set_temperature", MASH, temperature=66.5)
    assert value_of(climate(hass)) == "off"
    assert attributes(hass)["temperature"] == 66.5
    await call(hass, "climate", "set_hvac_mode", MASH, hvac_mode="heat")
    assert value_of(climate(hass)) == "heat"
    await call(hass, "climate", "set_temperature", MASH, temperature=67)
    assert value_of(climate(hass)) == "heat"
    await call(hass, "climate", "turn_off", MASH)
    assert (value_of(climate(hass)), attributes(hass)["hvac_action"]) == ("off", "off")
    await call(hass, "climate", "set_temperature", MASH, temperature=72, hvac_mode="heat")
    assert (value_of(climate(hass)), attributes(hass)["temperature"]) == ("heat", 72)
    assert mash.told(PATH) == [
        {"mode": "off", "setpoint": 66.5},
        {"mode": "auto"},
        {"mode": "auto", "setpoint": 67},
        {"mode": "off"},
        {"mode": "auto", "setpoint": 72},
    ]
    with pytest.raises(ServiceValidationError):
        await call(hass, "climate", "set_temperature", MASH, temperature=72, hvac_mode="cool")


async def test_the_action_is_what_the_outputs_are(hass: HomeAssistant, heated: OutputStub) -> None:
    both = controller(cooler="chiller")
    heated.describes(output("heater"), output("chiller", "cooler"), controllers=(both,))
    entry = await set_up(hass, heated)
    await connected(entry)
    loop, outputs = heated.parts["controllers"]["mash"], heated.parts["actuators"]

    async def action(mode: str, *, heats: bool = False, cools: bool = False) -> Any:
        heated.parts["controllers"] = {"mash": {**loop, "mode": mode}}
        heated.parts["actuators"] = {
            "heater": {**outputs["heater"], "actual": heats, "desired": True},
            "chiller": {**outputs["chiller"], "actual": cools},
        }
        await node_of(entry).live.async_look()
        return attributes(hass)["hvac_action"]

    assert await action("auto", heats=True) == "heating"
    assert await action("auto", cools=True) == "cooling"
    assert await action("auto") == "idle"
    assert await action("off") == "off"
    assert await action("off", heats=True) == "heating"  # switched directly


async def test_permits_power_and_autotune_are_told(hass: HomeAssistant, mash: OutputStub) -> None:
    entry = await set_up(hass, mash)
    await connected(entry)
    tune = {"phase": "done", "result": {"kp": 21.0}}
    mash.parts["controllers"]["mash"] |= {
        "mode": "manual",
        "power": 60,
        "state": {"autotune": tune},
    }
    mash.parts["actuators"]["heater"] = {"desired": 60, "actual": 0, "limited_by": "requires"}
    await node_of(entry).live.async_look()
    now = attributes(hass)
    assert value_of(climate(hass)) == "heat"
    assert (now["mode"], now["power"], now["desired"], now["actual"]) == ("manual", 60, 60, 0)
    assert (now["limited_by"], now["autotune"], now["node"]) == ("requires", tune, "mash-a")
    assert now["hvac_action"] == "idle"


async def test_the_temperature_is_what_is_regulated_by_else_the_kettles(
    hass: HomeAssistant, mash: OutputStub
) -> None:
    entry = await set_up(hass, mash)
    await following(entry, mash)
    assert attributes(hass)["current_temperature"] is None
    mash.sample(65.0)
    await eventually(lambda: attributes(hass)["current_temperature"] == 65.0, "the kettle's")
    mash.parts["controllers"]["mash"] |= {"process": 64.2}
    await node_of(entry).live.async_look()
    assert attributes(hass)["current_temperature"] == 64.2


async def test_it_is_unavailable_without_its_node_and_refuses_without_the_lease(
    hass: HomeAssistant, mash: OutputStub
) -> None:
    mash.foreign = "server-b"
    entry = await set_up(hass, mash)
    assert value_of(climate(hass)) in {None, "unavailable"}
    await connected(entry)
    await eventually(lambda: entry.runtime_data.kettles["mash-tun"].data.leader == "server-b")
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "climate", "set_temperature", MASH, temperature=66)
    assert caught.value.translation_key == "not_leader"
    assert mash.commands == []


async def test_a_thermostat_goes_with_its_kettle_and_comes_again_with_it(
    hass: HomeAssistant, mash: OutputStub
) -> None:
    entry = await set_up(hass, mash)
    await connected(entry)
    devices = dr.async_get(hass)
    kettle = device(hass, entry, kettle_identifier("mash-tun"))
    assert kettle is not None
    devices.async_remove_device(kettle.id)
    await hass.async_block_till_done()
    assert climate(hass) is None
    async_register_kettle(hass, entry, "mash-tun", "Mash tun")
    async_dispatcher_send(hass, signal_changed(entry))
    await hass.async_block_till_done()
    assert value_of(climate(hass)) == "off"


async def test_switching_on_leaves_a_setpoint_alone_that_is_not_shown_yet(
    hass: HomeAssistant, mash: OutputStub
) -> None:
    entry = await set_up(hass, mash)
    await leading(entry)
    mash.parts["controllers"]["mash"]["setpoint"] = 66
    assert attributes(hass)["temperature"] == 0
    await call(hass, "climate", "turn_on", MASH)
    assert mash.told(PATH) == [{"mode": "auto"}]
    assert attributes(hass)["temperature"] == 66
