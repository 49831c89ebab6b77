"""Actions: what the nodes are told, and what comes back."""

from typing import TYPE_CHECKING, Any
from unittest.mock import call

import probatio
import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.helpers import CONTROLLER, OUTPUT, part_unique_id
from custom_components.smart_beer.models import Answer
from tests.smart_beer.brewery import connected, node_of, set_up
from tests.smart_beer.leading import lead, with_outputs
from tests.smart_beer.output_stub import controller, output
from tests.smart_beer.service_calls import (
    ALARM,
    LATCHED,
    act,
    both,
    commands,
    failed,
    kettle,
    unheard,
)

if TYPE_CHECKING:
    from tests.smart_beer.edge_stub import EdgeStub


# Safe stop


async def test_safe_stop_tells_every_node_of_the_brewery_once(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await both(hass, stub, second)
    first, other = commands(entry, "mash-a"), commands(entry, "mash-b")
    assert await act(hass, "safe_stop") == {
        "nodes": {
            "mash-a": {"done": True, "error": None},
            "mash-b": {"done": True, "error": None},
        }
    }
    assert first.safe.await_args_list == other.safe.await_args_list == [call(None)]


async def test_safe_stop_tells_a_node_too_whose_kettles_are_not_known_yet(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    fake = commands(await unheard(hass, stub))
    assert await act(hass, "safe_stop") == {"nodes": {"mash-a": {"done": True, "error": None}}}
    fake.safe.assert_awaited_once_with(None)


async def test_safe_stop_of_a_kettle_tells_its_nodes_which(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    fake = commands(entry)
    await act(hass, "safe_stop", answer=False, device_id=kettle(hass, entry))
    assert fake.safe.await_args_list == [call("mash-tun")]


async def test_safe_stop_says_who_did_not_confirm_and_the_others_are_stopped_all_the_same(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await both(hass, stub, second)
    first, _ = commands(entry, "mash-a"), commands(entry, "mash-b", safe=failed())
    told = await act(hass, "safe_stop")
    assert told["nodes"]["mash-a"]["done"] is True
    assert told["nodes"]["mash-b"]["done"] is False
    assert "no route" in told["nodes"]["mash-b"]["error"]
    with pytest.raises(HomeAssistantError, match="These did not: mash-b") as caught:
        await act(hass, "safe_stop", answer=False)
    assert caught.value.translation_key == "safe_not_confirmed"
    assert first.safe.await_count == 2


async def test_safe_stop_that_reaches_nobody_is_an_error_for_everybody(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    commands(entry, safe=failed())
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, "safe_stop")
    assert caught.value.translation_key == "safe_not_confirmed"


# Latches and alarms


async def test_a_latch_is_cleared_at_the_nodes_that_have_it(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    second.parts = {"latches": [LATCHED]}
    entry = await both(hass, stub, second)
    first, other = commands(entry, "mash-a"), commands(entry, "mash-b")
    told = await act(hass, "clear_latch", device_id=kettle(hass, entry), latch="safe")
    assert told == {"nodes": {"mash-b": {"done": True, "error": None}}}
    assert other.clear.await_args_list == [call("mash-tun", "safe")]
    assert first.clear.await_count == 0
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "clear_latch", device_id=kettle(hass, entry), latch="no_rise")
    assert caught.value.translation_key == "not_latched"


async def test_the_only_refusal_is_passed_on_as_it_is(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.parts = {"latches": [LATCHED]}
    entry = await set_up(hass, stub)
    await connected(entry)
    commands(entry, clear=failed("node_refused"))
    for answer in (True, False):
        with pytest.raises(HomeAssistantError) as caught:
            await act(
                hass, "clear_latch", answer=answer, device_id=kettle(hass, entry), latch="safe"
            )
        assert caught.value.translation_key == "node_refused"


async def test_an_alarm_is_seen_by_the_one_who_calls(
    hass: HomeAssistant, hass_admin_user: MockUser, stub: EdgeStub
) -> None:
    stub.alarms = [ALARM]
    entry = await set_up(hass, stub)
    await connected(entry)
    fake = commands(entry)
    about: dict[str, Any] = {"device_id": kettle(hass, entry), "alarm": "disk_low"}
    await act(hass, "acknowledge_alarm", **about)
    await act(
        hass,
        "acknowledge_alarm",
        context=Context(user_id=hass_admin_user.id),
        **about,
        note="Plug was loose",
    )
    # the node keeps one line
    await act(hass, "acknowledge_alarm", **about, note="Plug was loose.\n\tTightened it.\n")
    assert fake.acknowledge.await_args_list == [
        call("mash-tun", "disk_low", by="Home Assistant", note=""),
        call("mash-tun", "disk_low", by=hass_admin_user.name, note="Plug was loose"),
        call("mash-tun", "disk_low", by="Home Assistant", note="Plug was loose. Tightened it."),
    ]
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "acknowledge_alarm", device_id=about["device_id"], alarm="other")
    assert caught.value.translation_key == "no_such_alarm"


# Batches


async def test_a_batch_is_named_and_ended_at_every_node(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await both(hass, stub, second)
    first, other = commands(entry, "mash-a"), commands(entry, "mash-b")
    about: dict[str, Any] = {"device_id": kettle(hass, entry)}
    await act(hass, "start_batch", **about, batch=" B001-LAGER\n")
    await act(hass, "end_batch", **about)
    expected = [call("mash-tun", "B001-LAGER"), call("mash-tun", None)]
    assert first.batch.await_args_list == other.batch.await_args_list == expected


async def test_a_batch_that_one_node_did_not_take_is_told(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await both(hass, stub, second)
    commands(entry, "mash-a")
    commands(entry, "mash-b", batch=failed())
    about: dict[str, Any] = {"device_id": kettle(hass, entry), "batch": "B001"}
    told = await act(hass, "start_batch", **about)
    assert (told["nodes"]["mash-a"]["done"], told["nodes"]["mash-b"]["done"]) == (True, False)
    with pytest.raises(HomeAssistantError, match="mash-b") as caught:
        await act(hass, "start_batch", answer=False, **about)
    assert caught.value.translation_key == "partly_done"


@pytest.mark.parametrize("batch", ["", " ", "x" * 65, "a\nb"])
async def test_what_a_node_would_not_take_as_a_name_is_refused_at_once(
    hass: HomeAssistant, stub: EdgeStub, batch: str
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    with pytest.raises(probatio.Invalid):
        await act(hass, "start_batch", device_id=kettle(hass, entry), batch=batch)


# Outputs and controllers


def entity_of(hass: HomeAssistant, platform: str, what: str, part_id: str) -> str:
    unique_id = part_unique_id(what, "mash-a", part_id)
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, unique_id)
    assert entity_id is not None
    return entity_id


async def test_an_output_runs_for_as_long_as_was_said(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, with_outputs(stub))
    await connected(entry)
    await hass.async_block_till_done()
    fake = commands(entry, output=Answer(100.0, 0.0, "min_off", {}))
    pump = entity_of(hass, "switch", OUTPUT, "pump")
    heater = entity_of(hass, "switch", OUTPUT, "heater")
    told = await act(hass, "run_output", target={"entity_id": pump}, duration={"minutes": 2})
    assert told == {pump: {"desired": 100.0, "actual": 0.0, "limited_by": "min_off"}}
    await act(hass, "run_output", target={"entity_id": heater}, duration="00:00:30", power=60)
    assert fake.output.await_args_list == [
        call("pump", on=True, power=None, max_on_s=120.0),
        call("heater", on=None, power=60.0, max_on_s=30.0),
    ]
    wrongs: tuple[dict[str, Any], ...] = (
        {"duration": 0},
        {"duration": 90_000},
        {"duration": 5, "power": 0},
        {},
    )
    for wrong in wrongs:
        with pytest.raises(probatio.Invalid):
            await act(hass, "run_output", target={"entity_id": pump}, **wrong)


async def test_autotune_answers_with_what_it_is_doing(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, with_outputs(stub))
    await connected(entry)
    await hass.async_block_till_done()
    result = {"kp": 20.0, "ti_s": 300.0, "td_s": 20.0}
    tune = {"phase": "done", "reason": None, "result": result}
    raw = {"controller": {"mode": "off", "state": {"autotune": tune}}}
    fake = commands(entry, controller=Answer(0.0, 0.0, None, raw))
    climate = entity_of(hass, "climate", CONTROLLER, "mash")
    told = await act(hass, "autotune", target={"entity_id": climate}, action="apply")
    assert told == {climate: {"mode": "off", **tune}}
    assert fake.controller.await_args_list == [call("mash", autotune="apply")]
    fake.controller.return_value = Answer(0.0, 0.0, None, {})
    told = await act(hass, "autotune", target={"entity_id": climate}, action="stop")
    assert set(told[climate].values()) == {None}


# Reading


async def test_the_state_of_a_kettle_is_told_whole(hass: HomeAssistant, stub: EdgeStub) -> None:
    with_outputs(stub)
    stub.parts["latches"] = [LATCHED]
    stub.alarms = [ALARM]
    stub.batches = {"mash-tun": "B001"}
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, leads=True, leader="server-a", energise_in_s=3.0)
    told = (await act(hass, "kettle_state"))["kettles"]["mash-tun"]
    assert told["name"] == "Mash tun"
    assert (told["leading"], told["leader"], told["may_switch_on_in"]) == (True, "server-a", 3.0)
    assert told["batch"] == "B001"
    assert told["outputs"] == [
        {
            "node": "mash-a",
            "output": "heater",
            "name": "Heater",
            "kind": "heater",
            "desired": 60.0,
            "actual": 0.0,
            "limited_by": "interlock",
        },
        {
            "node": "mash-a",
            "output": "pump",
            "name": "Pump",
            "kind": "pump",
            "desired": 0.0,
            "actual": 0.0,
            "limited_by": None,
        },
    ]
    assert told["controllers"][0]["mode"] == "off"
    assert told["latches"] == [
        {"node": "mash-a", "latch": "safe", "since": 1, "text": "Safe was called for."}
    ]
    assert told["alarms"] == [
        {
            "node": "mash-a",
            "alarm": "disk_low",
            "since": 5,
            "text": "Make room.",
            "acknowledged_by": "Ana",
        }
    ]


async def test_what_is_not_known_of_a_kettle_is_none(
    hass: HomeAssistant, quick: None, stub: EdgeStub
) -> None:
    entry = await set_up(hass, with_outputs(stub))
    await connected(entry)
    node_of(entry).connected = False
    told = await act(hass, "kettle_state", device_id=kettle(hass, entry))
    outputs = told["kettles"]["mash-tun"]["outputs"]
    assert {one["actual"] for one in outputs} == {None}
    assert {one["mode"] for one in told["kettles"]["mash-tun"]["controllers"]} == {None}


async def test_a_kettle_tells_nothing_of_another_one_at_the_same_node(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    with_outputs(stub)
    stub.kettles.append({"kettle_id": "hlt", "kettle_name": "HLT", "group": ["mash-a"]})
    stub.described["actuators"].append(output("hlt_heater", "heater", kettle_id="hlt"))
    stub.described["controllers"].append(controller("hlt", kettle_id="hlt", heater="hlt_heater"))
    entry = await set_up(hass, stub)
    await connected(entry)
    told = (await act(hass, "kettle_state"))["kettles"]
    assert {
        name: [one["output"] for one in kettle["outputs"]] for name, kettle in told.items()
    } == {
        "hlt": ["hlt_heater"],
        "mash-tun": ["heater", "pump"],
    }
    assert [one["controller"] for one in told["hlt"]["controllers"]] == ["hlt"]
    assert [one["controller"] for one in told["mash-tun"]["controllers"]] == ["mash"]
