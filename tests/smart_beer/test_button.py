"""Buttons: heat off, latches, alarms."""

from typing import TYPE_CHECKING

import pytest
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Context
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.brewery import (
    call,
    connected,
    eventually,
    leading,
    node_of,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import (
    OutputStub,
    alarm,
    controller,
    latch,
    output,
    running_outputs,
)

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

SAFE = "kettle/mash-tun/safe_stop"
CLEAR = "kettle/mash-tun/clear_latches"
SEEN = "kettle/mash-tun/acknowledge_alarms"
PAIR = [{"kettle_id": "mash-tun", "kettle_name": "Mash tun", "group": ["mash-a", "mash-b"]}]


async def test_anybody_may_stop_the_heat_of_a_kettle(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.foreign = "server-b"
    entry = await set_up(hass, heated)
    await connected(entry)
    await call(hass, "button", "press", SAFE)
    assert heated.told("/v1/safe") == [{"kettle_id": "mash-tun"}]
    await call(hass, "button", "press", "brewery/safe_stop_all")
    assert heated.told("/v1/safe")[1:] == [{}]
    problem = state_of(hass, "binary_sensor", "kettle/mash-tun/heating_problem")
    assert value_of(problem) == "on"
    assert problem is not None
    assert problem.attributes["reasons"] == ["safe"]


async def test_a_node_that_was_not_told_to_stop_is_named_and_the_others_are_told(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with (
        running_outputs(kettles=PAIR) as a,
        running_outputs(node_id="mash-b", kettles=PAIR) as b,
    ):
        entry = await set_up(hass, a, b)
        await connected(entry, "mash-a", "mash-b")
        a.answers["/v1/safe"] = a.refuse(503, "not_stored")
        with pytest.raises(HomeAssistantError) as one:
            await call(hass, "button", "press", SAFE)
        assert one.value.translation_key == "not_stored"
        assert len(b.told("/v1/safe")) == 1
        b.answers["/v1/safe"] = b.refuse(500, "broken")
        with pytest.raises(HomeAssistantError) as both:
            await call(hass, "button", "press", "brewery/safe_stop_all")
        assert both.value.translation_key == "safe_not_confirmed"
        assert both.value.translation_placeholders is not None
        assert both.value.translation_placeholders["nodes"] == "mash-a, mash-b"


async def test_latches_are_cleared_but_those_whose_cause_lasts_which_are_named(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.parts["latches"] = [latch("safe"), latch("no_rise"), latch("too_fast", "hlt")]
    heated.lasting = {"no_rise"}
    entry = await set_up(hass, heated)
    kettle = await leading(entry)
    with pytest.raises(ServiceValidationError) as caught:
        await call(hass, "button", "press", CLEAR)
    assert caught.value.translation_key == "cause_lasts"
    assert "no_rise lasts" in str(caught.value.translation_placeholders)
    assert [one.latch for _, one in kettle.data.latches] == ["no_rise"]
    heated.lasting = set()
    await call(hass, "button", "press", CLEAR)
    assert kettle.data.latches == ()
    assert [body["latch"] for body in heated.told("/v1/safety/clear")] == [
        "safe",
        "no_rise",
        "no_rise",
    ]
    await call(hass, "button", "press", CLEAR)  # nothing to clear is no fault


async def test_several_latches_that_stay_are_all_named(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.parts["latches"] = [latch("over_temperature"), latch("no_rise")]
    heated.lasting = {"over_temperature", "no_rise"}
    entry = await set_up(hass, heated)
    await leading(entry)
    with pytest.raises(HomeAssistantError) as caught:
        await call(hass, "button", "press", CLEAR)
    assert caught.value.translation_key == "partly_done"
    placeholders = caught.value.translation_placeholders or {}
    assert placeholders["nodes"] == "mash-a"
    assert "over_temperature lasts" in placeholders["errors"]
    assert "no_rise lasts" in placeholders["errors"]


async def test_alarms_are_seen_by_whoever_presses(
    hass: HomeAssistant, heated: OutputStub, hass_admin_user: MockUser
) -> None:
    heated.alarms = [alarm("probe_bad"), alarm("old", acknowledged={"by": "Ana", "note": ""})]
    entry = await set_up(hass, heated)
    await leading(entry)
    entity_id = er.async_get(hass).async_get_entity_id("button", DOMAIN, SEEN)
    await hass.services.async_call(
        "button",
        "press",
        {ATTR_ENTITY_ID: entity_id},
        blocking=True,
        context=Context(user_id=hass_admin_user.id),
    )
    (told,) = heated.told("/v1/alarms/probe_bad/ack")
    assert told == {"kettle_id": "mash-tun", "by": hass_admin_user.name, "note": ""}
    hass_admin_user.name = "A" * 70
    heated.alarms.append(alarm("more"))
    await node_of(entry).live.async_look()
    await hass.services.async_call(
        "button",
        "press",
        {ATTR_ENTITY_ID: entity_id},
        blocking=True,
        context=Context(user_id=hass_admin_user.id),
    )
    assert heated.told("/v1/alarms/more/ack")[0]["by"] == "A" * 64  # the most that a node takes
    heated.alarms.append(alarm("another"))
    await node_of(entry).live.async_look()
    await call(hass, "button", "press", SEEN)
    assert heated.told("/v1/alarms/another/ack")[0]["by"] == "Home Assistant"


async def test_gains_that_were_found_are_applied(
    hass: HomeAssistant, heated: OutputStub, entity_registry_enabled_by_default: None
) -> None:
    heated.describes(
        output("heater"), controllers=(controller(), controller("plain", tunable=False))
    )
    entry = await set_up(hass, heated)
    await leading(entry)
    await call(hass, "button", "press", "controller/mash-a/mash/autotune_apply")
    assert heated.told("/v1/controllers/mash") == [{"autotune": "apply"}]
    assert state_of(hass, "button", "controller/mash-a/plain/autotune_apply") is None


async def test_heat_can_be_stopped_while_no_node_is_heard(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with running_outputs() as node:
        entry = await set_up(hass, node)
        await connected(entry)
    await eventually(lambda: not node_of(entry).connected, "it is gone")
    assert value_of(state_of(hass, "button", CLEAR)) == "unavailable"
    with pytest.raises(HomeAssistantError) as caught:
        await call(hass, "button", "press", SAFE)
    assert caught.value.translation_key == "node_unreachable"
