"""Switches: what their nodes say is on, on the kettle's device."""

from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er

from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer.helpers import kettle_identifier
from tests.smart_beer.brewery import (
    call,
    connected,
    device,
    eventually,
    leading,
    node_of,
    restarted,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import OutputStub, output, running_outputs

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant, State

HEATER = "output/mash-a/heater"
PUMP = "output/mash-a/pump"
K = "contactor"
PAIR = [{"kettle_id": "mash-tun", "kettle_name": "Mash tun", "group": ["mash-a", "mash-b"]}]


def switch(hass: HomeAssistant, unique_id: str) -> State | None:
    return state_of(hass, "switch", unique_id)


def attribute(hass: HomeAssistant, unique_id: str, name: str) -> Any:
    state = switch(hass, unique_id)
    return state.attributes.get(name) if state else None


async def test_a_switch_is_on_when_its_node_says_so(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    await leading(entry)
    assert value_of(switch(hass, PUMP)) == "off"
    await call(hass, "switch", "turn_on", PUMP)
    assert value_of(switch(hass, PUMP)) == "on"
    assert attribute(hass, PUMP, "desired") == "on"
    assert attribute(hass, PUMP, "node") == "mash-a"
    await call(hass, "switch", "turn_off", PUMP)
    assert value_of(switch(hass, PUMP)) == "off"
    assert heated.told("/v1/actuators/pump") == [
        {"state": True, "max_on_s": 3600},
        {"state": False},
    ]


async def test_what_a_permit_keeps_off_stays_off_on_the_screen_and_names_it(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.limits = {"heater": "interlock", "pump": "min_off"}
    entry = await set_up(hass, heated)
    await leading(entry)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "switch", "turn_on", HEATER)
    assert caught.value.translation_key == "limited_interlock"
    await call(hass, "switch", "turn_on", PUMP)  # it will come on by itself
    for unique_id, permit in ((HEATER, "interlock"), (PUMP, "min_off")):
        assert value_of(switch(hass, unique_id)) == "off"
        assert attribute(hass, unique_id, "desired") == "on"
        assert attribute(hass, unique_id, "limited_by") == permit


async def test_a_server_that_does_not_lead_is_told_who_does_and_sends_nothing(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.foreign = "server-b"
    entry = await set_up(hass, heated)
    await connected(entry)
    kettle = entry.runtime_data.kettles["mash-tun"]
    await eventually(lambda: kettle.data.leader == "server-b", "the leader is known")
    for service in ("turn_on", "turn_off"):
        with pytest.raises(ServiceValidationError) as caught:
            await call(hass, "switch", service, HEATER)
        assert caught.value.translation_key == "not_leader"
        assert (caught.value.translation_placeholders or {})["leader"] == "server-b"
    assert heated.commands == []
    assert value_of(switch(hass, HEATER)) == "off"


async def test_nothing_is_shown_that_the_node_did_not_answer(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    await leading(entry)
    heated.answers["/v1/actuators/pump"] = heated.refuse(500, "broken")
    with pytest.raises(HomeAssistantError):
        await call(hass, "switch", "turn_on", PUMP)
    assert value_of(switch(hass, PUMP)) == "off"


async def test_a_switch_is_available_while_its_own_node_is(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with running_outputs(kettles=PAIR) as a:
        async with running_outputs(node_id="mash-b", kettles=PAIR) as b:
            entry = await set_up(hass, a, b)
            await connected(entry, "mash-a", "mash-b")
            assert value_of(switch(hass, "output/mash-b/pump")) == "off"
        await eventually(
            lambda: value_of(switch(hass, "output/mash-b/pump")) == "unavailable", "it is gone"
        )
        assert value_of(switch(hass, PUMP)) == "off"


async def test_an_output_is_called_by_its_kind_or_by_its_name_and_node(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with (
        running_outputs(kettles=PAIR) as a,
        running_outputs(node_id="mash-b", kettles=PAIR) as b,
    ):
        a.describes(output("heater"), output("pump"), output("drain", "valve"), output("main", K))
        b.describes(output("pump"), output("inlet", "valve"))
        entry = await set_up(hass, a, b)
        await connected(entry, "mash-a", "mash-b")
        # Names are given when an entity is added; from now on both nodes are known beforehand.
        await restarted(hass, entry)
        registry = er.async_get(hass)
        kettle = device(hass, entry, kettle_identifier("mash-tun"))
        assert kettle is not None
        named = {
            one.unique_id: (one.translation_key, one.original_name)
            for one in er.async_entries_for_device(registry, kettle.id)
            if one.domain == "switch"
        }
        assert named == {
            "output/mash-a/heater": ("heater", "Heater"),
            "output/mash-a/pump": ("pump_named", "Pump (Node mash-a)"),
            "output/mash-a/drain": ("valve_named", "Drain"),
            "output/mash-b/pump": ("pump_named", "Pump (Node mash-b)"),
            "output/mash-b/inlet": ("valve_named", "Inlet"),
        }


async def test_outputs_of_a_node_that_is_removed_go_with_it(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with (
        running_outputs(kettles=PAIR) as a,
        running_outputs(node_id="mash-b", kettles=PAIR) as b,
    ):
        entry = await set_up(hass, a, b)
        await connected(entry, "mash-a", "mash-b")
        hass.config_entries.async_remove_subentry(entry, node_of(entry, "mash-b").subentry_id)
        await hass.async_block_till_done()
        assert switch(hass, "output/mash-b/pump") is None
        assert value_of(switch(hass, PUMP)) == "off"


async def test_an_output_that_its_node_no_longer_has_is_unavailable(
    hass: HomeAssistant, heated: OutputStub, quick: None
) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    heated.describes(output("heater"))
    await node_of(entry).live.async_look()
    await eventually(lambda: value_of(switch(hass, PUMP)) == "unavailable", "it is gone")
    assert value_of(switch(hass, HEATER)) == "off"


async def test_an_output_of_a_node_that_tells_of_other_kettles_is_unavailable(
    hass: HomeAssistant, heated: OutputStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    monkeypatch.setattr(module, "REFRESH_S", 0.1)
    entry = await set_up(hass, heated)
    await connected(entry)
    heated.kettles = [{"kettle_id": "boil", "kettle_name": "Boil", "group": ["mash-a"]}]
    heated.described["actuators"] = [output("heater", kettle_id="boil"), output("pump")]
    await eventually(lambda: node_of(entry).problem == "kettles_changed", "a person is asked")
    await eventually(lambda: value_of(switch(hass, HEATER)) == "unavailable", "and waited for")
    assert node_of(entry).connected
