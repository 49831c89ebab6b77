"""What a brewer taps, on a real node: it heats, it stops, it is latched and cleared."""

from functools import partial
from typing import TYPE_CHECKING

import pytest
from homeassistant.exceptions import ServiceValidationError

from tests.contract.brewery import FIRST, KETTLE, leading, set_up
from tests.smart_beer.brewery import call, eventually, kettle_state, state_of, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from homeassistant.core import HomeAssistant

    from tests.contract.conftest import Simulation

    type Simulate = Callable[..., Awaitable[Simulation]]

# A node that starts grants nothing for ten seconds, and water takes its time.
pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.timeout(400)]

CLIMATE = f"controller/{FIRST}/{KETTLE}"
MODE = f"{CLIMATE}/mode"
CONTACTOR = f"output/{FIRST}/contactor"
HEATER = f"output/{FIRST}/heater"
PUMP = f"output/{FIRST}/pump"
POWER = f"{HEATER}/power"
PROBLEM = f"kettle/{KETTLE}/heating_problem"


def number(hass: HomeAssistant, platform: str, unique_id: str, attribute: str = "") -> float:
    """What an entity, or an attribute of it, says as a number; -1 if it is none."""
    state = state_of(hass, platform, unique_id)
    value = None if state is None else state.attributes[attribute] if attribute else state.state
    return -1 if value in {None, "unknown", "unavailable"} else float(value)


async def shows(hass: HomeAssistant, platform: str, unique_id: str, state: str) -> None:
    """Wait until an entity is in this state."""
    shown = partial(state_of, hass, platform, unique_id)
    await eventually(lambda: value_of(shown()) == state, f"{unique_id} is {state}")


async def test_a_thermostat_heats_and_safe_latches_until_it_is_cleared(
    hass: HomeAssistant, simulate: Simulate
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    await shows(hass, "binary_sensor", f"kettle/{KETTLE}/leader", "on")
    await eventually(
        lambda: number(hass, "climate", CLIMATE, "current_temperature") > 0, "a temperature"
    )
    begun = number(hass, "climate", CLIMATE, "current_temperature")

    await call(hass, "switch", "turn_on", PUMP)
    await shows(hass, "switch", PUMP, "on")
    # Nobody has set a temperature: switched on, it asks for the lowest that it shows.
    await call(hass, "climate", "turn_on", CLIMATE)
    await shows(hass, "climate", CLIMATE, "heat")
    await shows(hass, "select", MODE, "auto")
    lowest = number(hass, "climate", CLIMATE, "min_temp")
    assert number(hass, "climate", CLIMATE, "temperature") == lowest >= 0
    assert simulation.level("heater") == 0
    await call(hass, "climate", "turn_off", CLIMATE)
    await call(hass, "climate", "set_temperature", CLIMATE, temperature=45)
    await shows(hass, "climate", CLIMATE, "off")
    assert simulation.level("heater") == 0
    await call(hass, "climate", "turn_on", CLIMATE)
    await shows(hass, "climate", CLIMATE, "heat")
    await shows(hass, "switch", HEATER, "on")
    assert number(hass, "climate", CLIMATE, "temperature") == 45
    await shows(hass, "select", MODE, "auto")
    await eventually(
        lambda: (
            (one := state_of(hass, "climate", CLIMATE)) is not None
            and one.attributes["hvac_action"] == "heating"
        ),
        "it shows that it heats",
    )
    await shows(hass, "binary_sensor", CONTACTOR, "on")
    await eventually(lambda: number(hass, "number", POWER) > 0, "power is shown")
    await eventually(
        lambda: number(hass, "climate", CLIMATE, "current_temperature") > begun + 0.5,
        "the probe rises",
        limit=90,
    )

    await call(hass, "button", "press", f"kettle/{KETTLE}/safe_stop")
    assert simulation.level("heater") == 0
    await shows(hass, "switch", HEATER, "off")
    await shows(hass, "binary_sensor", PROBLEM, "on")
    problem = state_of(hass, "binary_sensor", PROBLEM)
    assert problem is not None
    assert problem.attributes["reasons"] == ["safe"]
    await shows(hass, "climate", CLIMATE, "off")
    await eventually(
        lambda: (
            (one := kettle_state(hass, "alarms", KETTLE, "event")) is not None
            and one.attributes["event_type"] == "latched"
        ),
        "it is told",
    )
    event = kettle_state(hass, "alarms", KETTLE, "event")
    assert event is not None
    assert event.attributes["latch"] == "safe"
    for platform, service, unique_id in (
        ("climate", "turn_on", CLIMATE),
        ("switch", "turn_on", HEATER),
    ):
        with pytest.raises(ServiceValidationError) as caught:
            await call(hass, platform, service, unique_id)
        assert "latched" in str(caught.value.translation_key)
    assert simulation.level("heater") == 0

    await call(hass, "button", "press", f"kettle/{KETTLE}/clear_latches")
    await shows(hass, "binary_sensor", PROBLEM, "off")
    assert simulation.level("heater") == 0  # nothing comes back by itself

    await call(hass, "number", "set_value", POWER, value=40)
    await eventually(lambda: number(hass, "number", POWER) == 40, "power as it was set")
    await shows(hass, "select", MODE, "manual")
    await call(hass, "select", "select_option", MODE, option="off")
    await shows(hass, "switch", HEATER, "off")
    assert simulation.level("heater") == 0
    await call(hass, "switch", "turn_on", HEATER)
    await shows(hass, "switch", HEATER, "on")
    await call(hass, "switch", "turn_off", HEATER)
    await shows(hass, "switch", HEATER, "off")
    assert simulation.level("heater") == 0


async def test_what_a_kettle_shows_of_a_node_goes_with_it(
    hass: HomeAssistant, simulate: Simulate
) -> None:
    simulation = await simulate()
    entry = await set_up(hass, simulation)
    await leading(entry)
    await call(hass, "switch", "turn_on", PUMP)
    simulation.process.terminate()
    await simulation.process.wait()
    await shows(hass, "switch", PUMP, "unavailable")
    await shows(hass, "climate", CLIMATE, "unavailable")
    await shows(hass, "binary_sensor", f"kettle/{KETTLE}/leader", "off")
