"""Selects: what a controller does."""

from typing import TYPE_CHECKING

import pytest
from homeassistant.exceptions import ServiceValidationError

from tests.smart_beer.brewery import call, connected, leading, node_of, set_up, state_of, value_of
from tests.smart_beer.output_stub import OutputStub, controller, output

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

MODE = "controller/mash-a/mash/mode"
PATH = "/v1/controllers/mash"


def mode(hass: HomeAssistant) -> str | None:
    return value_of(state_of(hass, "select", MODE))


async def test_a_mode_is_what_the_node_says(hass: HomeAssistant, heated: OutputStub) -> None:
    heated.describes(output("heater", control="power"), controllers=(controller(),))
    heated.parts["controllers"]["mash"]["setpoint"] = 66
    entry = await set_up(hass, heated)
    await leading(entry)
    assert mode(hass) == "off"
    for option in ("auto", "manual", "autotune", "off"):
        await call(hass, "select", "select_option", MODE, option=option)
        assert mode(hass) == option
    assert heated.told(PATH) == [
        {"mode": "auto"},
        {"mode": "manual", "power": 40.0},  # as much as the controller gave
        {"autotune": "start"},
        {"mode": "off"},
    ]


async def test_a_refused_mode_is_not_shown(hass: HomeAssistant, heated: OutputStub) -> None:
    heated.describes(output("heater"), controllers=(controller(),))
    heated.answers[PATH] = heated.refuse(422, "out_of_range", field="setpoint", reason="is needed")
    entry = await set_up(hass, heated)
    await leading(entry)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "select", "select_option", MODE, option="auto")
    assert caught.value.translation_key == "out_of_range"
    assert mode(hass) == "off"


async def test_only_modes_that_the_controller_has_are_offered(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(
        output("cooler"),
        controllers=(
            controller(heater=None, cooler="cooler", kind="hysteresis", tunable=False),
            controller("second"),
        ),
    )
    entry = await set_up(hass, heated)
    await connected(entry)
    state = state_of(hass, "select", MODE)
    assert state is not None
    assert state.attributes["options"] == ["off", "auto"]
    assert state.attributes["friendly_name"] == "Mash tun Mode"
    second = state_of(hass, "select", "controller/mash-a/second/mode")
    assert second is not None
    assert second.attributes["options"] == ["off", "auto", "manual", "autotune"]
    assert second.attributes["friendly_name"] == "Mash tun Second mode"
    heated.parts["controllers"]["mash"] |= {"mode": "something new"}
    await node_of(entry).live.async_look()
    assert mode(hass) == "unknown"
