"""Sensors: states, units, and how rarely they are written."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from homeassistant.components.sensor import async_update_suggested_units
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.sensor import BUS_ERROR_CAUSES
from tests.smart_beer.brewery import (
    channel_state,
    connected,
    eventually,
    following,
    kettle_state,
    node_of,
    node_state,
    set_up,
    value_of,
)
from tests.smart_beer.edge_stub import EdgeStub, channel

if TYPE_CHECKING:
    from homeassistant.core import Event, HomeAssistant, State

ALWAYS_ON = {"disk_free", "firmware"}
OFF_AT_FIRST = {
    "spool_depth",
    "clock_offset",
    "cpu_temperature",
    *(f"bus_errors_{cause}" for cause in BUS_ERROR_CAUSES),
}


async def states_of(hass: HomeAssistant, events: list[Event], state: State) -> list[str]:
    await hass.async_block_till_done()
    return [
        event.data["new_state"].state
        for event in events
        if event.data["entity_id"] == state.entity_id
    ]


async def test_noisy_diagnostics_and_raw_channels_are_off_at_first(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    registry = er.async_get(hass)
    await eventually(lambda: kettle_state(hass, "temperature"))
    await hass.async_block_till_done()
    off = {
        entity.unique_id: entity.disabled_by is not None
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if entity.domain == "sensor"
    }
    assert off == {
        **{f"node/mash-a/{key}": False for key in ALWAYS_ON},
        **{f"node/mash-a/{key}": True for key in OFF_AT_FIRST},
        "channel/mash-a/temperature": True,
        "kettle/mash-tun/temperature": False,
        "kettle/mash-tun/batch": False,
    }


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_diagnostics_show_the_nodes_health(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.health = {"bus_errors": {"temperature": {"crc": 2}, "other": {"crc": 1}}}
    stub.sample(65.0)
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(lambda: value_of(node_state(hass, "bus_errors_crc", platform="sensor")) == "3")
    shown = {
        key: value_of(node_state(hass, key, platform="sensor")) for key in ALWAYS_ON | OFF_AT_FIRST
    }
    assert shown["spool_depth"] == "1"
    assert shown["clock_offset"] == "3.0"
    assert shown["disk_free"] == "8.0"
    assert shown["cpu_temperature"] == "48.3"
    assert shown["firmware"] == "0.1.0"
    assert shown["bus_errors_empty"] == "0"


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_a_health_that_the_node_cannot_tell_is_unknown(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.health = {"cpu_temperature": None, "clock_offset_ms": None}
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(
        lambda: value_of(node_state(hass, "cpu_temperature", platform="sensor")) == "unknown"
    )
    assert value_of(node_state(hass, "clock_offset", platform="sensor")) == "unknown"


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_a_raw_channel_is_unknown_while_bad_and_unavailable_while_its_node_is_away(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAKE_FLOOR_S", 0.05)
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.1)
    entry = await set_up(hass, stub)
    await following(entry, stub)
    await eventually(lambda: value_of(channel_state(hass)) == "unknown")
    stub.sample(65.04)
    await eventually(lambda: value_of(channel_state(hass)) == "65.04")
    stub.sample(66.0, quality="suspect:outlier")
    await eventually(lambda: value_of(channel_state(hass)) == "66.0")
    state = channel_state(hass)
    assert state is not None
    assert state.attributes["quality"] == "suspect:outlier"
    assert state.attributes["unit_of_measurement"] == "°C"
    assert state.attributes["friendly_name"] == "Node mash-a Temperature"
    stub.sample(None, quality="bad:crc")
    await eventually(lambda: value_of(channel_state(hass)) == "unknown")
    stub.boot_id, stub.channels = "boot2", [channel("another")]
    stub.sample(20.0, "another")
    await eventually(lambda: value_of(channel_state(hass)) == "unavailable")
    await eventually(lambda: value_of(channel_state(hass, "another")) != "unavailable")
    stub.answers["/v1/node"] = stub.refuse(503, "failing")
    stub.boot_id = "boot3"
    stub.sample(20.0, "another")
    await eventually(lambda: value_of(channel_state(hass, "another")) == "unavailable")


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_a_channel_of_a_kind_not_known_yet_is_shown_in_its_own_unit(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.channels = [channel("gravity", "gravity", unit="°P", device_class=None)]
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(12.1, "gravity")
    await eventually(lambda: value_of(channel_state(hass, "gravity")) == "12.1")
    state = channel_state(hass, "gravity")
    assert state is not None
    assert state.attributes["unit_of_measurement"] == "°P"
    assert "device_class" not in state.attributes


async def test_noise_within_the_deadband_is_not_written(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    state = kettle_state(hass, "temperature")
    assert state is not None
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    for value in (65.02, 64.98, 65.05, 65.1, 65.12, 65.0):
        stub.sample(value)
        await eventually(lambda: node_of(entry).feed.last_seq == stub.last_seq)
        await asyncio.sleep(0)
    assert await states_of(hass, events, state) == ["65.1", "65.0"]


async def test_a_change_of_what_is_left_out_is_written_though_the_value_is_the_same(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.channels.append(channel("second"))
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    stub.sample(65.0, "second")
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    stub.sample(None, "second", quality="bad:empty")

    def left_out() -> bool:
        state = kettle_state(hass, "temperature")
        return state is not None and state.attributes["left_out"] == {"mash-a/second": "bad:empty"}

    await eventually(left_out)
    assert value_of(kettle_state(hass, "temperature")) == "65.0"


async def test_fahrenheit_and_psi_where_home_assistant_shows_them(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    stub.channels.append(channel("head", "pressure"))
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(100.0)
    stub.sample(100.0, "head")
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "212.0")
    pressure = kettle_state(hass, "pressure")
    assert pressure is not None
    assert pressure.attributes["unit_of_measurement"] == "psi"
    assert float(pressure.state) == pytest.approx(14.5, abs=0.01)


async def test_pressure_follows_when_home_assistant_changes_its_units(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.channels.append(channel("head", "pressure"))
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(100.0, "head")

    def shown(unit: str) -> bool:
        state = kettle_state(hass, "pressure")
        return state is not None and state.attributes.get("unit_of_measurement") == unit

    await eventually(lambda: shown("bar"))
    state = kettle_state(hass, "pressure")
    assert state is not None
    entity = er.async_get(hass).async_get(state.entity_id)
    assert entity is not None
    assert entity.options["sensor"]["suggested_display_precision"] == 2  # 1.34 bar, not 1.3
    for system, unit in (("us_customary", "psi"), ("metric", "bar")):
        await hass.config.async_update(unit_system=system)
        async_update_suggested_units(hass)  # what the settings page asks for with it
        await eventually(lambda unit=unit: shown(unit))  # type: ignore[misc]


async def test_entities_are_found_by_translation_key(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.channels += [channel("head", "pressure"), channel("co2", "co2")]
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(lambda: kettle_state(hass, "co2"))
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, entry.entry_id):
        kind, *_, key = entity.unique_id.split("/")
        assert entity.translation_key == ("channel" if kind == "channel" else key)
        assert entity.platform == DOMAIN
