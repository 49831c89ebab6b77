"""Binary sensors of nodes and kettles."""

from typing import TYPE_CHECKING

from custom_components.smart_beer import coordinator as module
from tests.smart_beer.brewery import (
    connected,
    eventually,
    following,
    kettle_state,
    node_state,
    set_up,
    value_of,
)

if TYPE_CHECKING:
    import pytest
    from homeassistant.core import HomeAssistant

    from tests.smart_beer.edge_stub import EdgeStub


async def test_connectivity_is_known_while_the_node_is_away_and_the_rest_is_not(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.hang = {"/v1/node"}
    await set_up(hass, stub)
    assert value_of(node_state(hass, "connectivity")) == "off"
    assert value_of(node_state(hass, "alarm")) == "unavailable"
    assert value_of(node_state(hass, "clock_known")) == "unavailable"


async def test_an_alarm_is_on_with_its_text(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    monkeypatch.setattr(module, "REFRESH_S", 0.1)
    stub.alarms = [{"id": "probe_bad", "since": 1, "text": "Probe does not answer."}]
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(lambda: value_of(node_state(hass, "alarm")) == "on")
    state = node_state(hass, "alarm")
    assert state is not None
    assert state.attributes["alarms"] == stub.alarms
    stub.alarms = []
    await eventually(lambda: value_of(node_state(hass, "alarm")) == "off")
    assert value_of(node_state(hass, "clock_known")) == "on"
    assert value_of(node_state(hass, "connectivity")) == "on"


async def test_a_probe_problem_names_the_probe(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)

    def problem() -> str | None:
        return value_of(kettle_state(hass, "probe_problem", platform="binary_sensor"))

    await eventually(lambda: problem() == "off")
    stub.sample(None, quality="bad:empty")
    await eventually(lambda: problem() == "on")
    state = kettle_state(hass, "probe_problem", platform="binary_sensor")
    assert state is not None
    assert state.attributes["left_out"] == {"mash-a/temperature": "bad:empty"}
