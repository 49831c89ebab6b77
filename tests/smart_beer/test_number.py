"""Numbers: an output's power, and temperature limits that stay with the entry."""

from typing import TYPE_CHECKING

import pytest
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM

from custom_components.smart_beer.limits import Limits
from tests.smart_beer.brewery import (
    call,
    connected,
    kettle_state,
    leading,
    node_of,
    restarted,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import OutputStub, controller, output

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

POWER = "output/mash-a/heater/power"
HIGH = "kettle/mash-tun/limit_high"
LOW = "kettle/mash-tun/limit_low"


def limits(entry: MockConfigEntry) -> Limits:
    return Limits.of(entry.options, "mash-tun")


def value(hass: HomeAssistant, unique_id: str) -> float | None:
    state = state_of(hass, "number", unique_id)
    return float(state.state) if state else None


async def test_power_goes_through_the_controller_and_zero_is_off(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(output("heater", control="power"), controllers=(controller(),))
    entry = await set_up(hass, heated)
    await leading(entry)
    await call(hass, "number", "set_value", POWER, value=60)
    assert heated.told("/v1/controllers/mash") == [{"mode": "manual", "power": 60}]
    assert value(hass, POWER) == 60
    await call(hass, "number", "set_value", POWER, value=0)
    assert heated.told("/v1/actuators/heater") == [{"power": 0}]
    assert value(hass, POWER) == 0


async def test_power_without_a_controller_goes_to_the_output(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(output("pump", control="power"), output("heater"), output("spare", "heater"))
    entry = await set_up(hass, heated)
    await leading(entry)
    await call(hass, "number", "set_value", "output/mash-a/pump/power", value=35)
    assert heated.told("/v1/actuators/pump") == [{"power": 35, "max_on_s": 3600}]
    state = state_of(hass, "number", "output/mash-a/pump/power")
    assert state is not None
    assert float(state.state) == state.attributes["desired"] == 35
    assert state.attributes["friendly_name"] == "Mash tun Pump power"
    assert state_of(hass, "number", POWER) is None  # a switch has none


async def test_power_that_a_permit_keeps_away_is_not_shown(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(output("heater", control="power"))
    heated.limits = {"heater": "process_value"}
    entry = await set_up(hass, heated)
    await leading(entry)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "number", "set_value", POWER, value=60)
    assert caught.value.translation_key == "limited_process_value"
    state = state_of(hass, "number", POWER)
    assert state is not None
    assert float(state.state) == 0
    assert (state.attributes["desired"], state.attributes["limited_by"]) == (60, "process_value")


async def test_a_limit_is_kept_in_the_entry_which_goes_on_running(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    node = node_of(entry)
    assert (value(hass, HIGH), value(hass, LOW)) == (150, -30)
    await call(hass, "number", "set_value", HIGH, value=72.5)
    await call(hass, "number", "set_value", LOW, value=18)
    await hass.async_block_till_done()
    assert limits(entry) == Limits(high=72.5, low=18)
    assert (value(hass, HIGH), value(hass, LOW)) == (72.5, 18)
    assert node_of(entry) is node
    assert node.connected
    await restarted(hass, entry)
    assert value(hass, HIGH) == 72.5
    await call(hass, "number", "set_value", HIGH, value=150)
    assert limits(entry) == Limits(low=18)


async def test_a_limit_can_be_taken_away_in_fahrenheit_too(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    entry = await set_up(hass, heated)
    await connected(entry)
    assert value(hass, HIGH) == 302
    await call(hass, "number", "set_value", HIGH, value=212)
    assert limits(entry).high == pytest.approx(100)
    await call(hass, "number", "set_value", HIGH, value=302)
    assert limits(entry) == Limits()


async def test_limits_need_no_node_but_a_temperature(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.channels = []
    entry = await set_up(hass, heated)
    await connected(entry)
    assert kettle_state(hass, "limit_high", platform="number") is None
    assert value_of(kettle_state(hass, "safe_stop", platform="button")) == "unknown"
