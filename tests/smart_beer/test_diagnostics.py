"""Diagnostics of a running brewery: useful, and without a way in."""

import asyncio
import json

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.smart_beer.bridge import BRIDGE, BridgeRegistration
from custom_components.smart_beer.command_log import KEPT, CommandLog
from custom_components.smart_beer.helpers import (
    BREWERY_IDENTIFIER,
    kettle_identifier,
    node_identifier,
)
from tests.smart_beer.edge_stub import EdgeStub
from tests.smart_beer.flow_helpers import add_hub
from tests.smart_beer.leading import lead, with_outputs
from tests.smart_beer.output_stub import running_outputs

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def running_brewery(hass: HomeAssistant, node: EdgeStub) -> MockConfigEntry:
    """The brewery with one connected node that has served a sample."""
    assert await async_setup_component(hass, "diagnostics", {})
    node.tokens.add("very-secret")
    entry = add_hub(hass, {**node.data, "token": "very-secret"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    (coordinator,) = entry.runtime_data.nodes.values()
    async with asyncio.timeout(20):
        while not coordinator.connected:
            await asyncio.sleep(0.01)
        while not coordinator.feed.newest:
            node.sample(65.2)
            await asyncio.sleep(0.02)
    return entry


async def test_the_brewery_tells_states_problems_and_cursors(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    stub.health = {"bus_errors": {"temperature": {"crc": 2}}}
    entry = await running_brewery(hass, stub)
    hass.data[BRIDGE] = BridgeRegistration(
        url="http://127.0.0.1:8555", secret="bridge-secret", version="0.1.0"
    )
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = found["nodes"]["mash-a"]
    assert (told["connected"], told["problem"], told["last_error"]) == (True, None, None)
    assert told["node"]["config_digest"] == "d1"
    assert told["state"]["health"]["bus_errors"] == {"temperature": {"crc": 2}}
    assert told["agreed_layout"]["channels"] == {"temperature": "mash-tun"}
    assert told["readings"]["temperature"] == {"value": 65.2, "quality": "ok"}
    assert told["feed"]["spool_id"] == "spool1"
    assert told["feed"]["cursor"] == told["feed"]["node_last_seq"] > 0
    assert found["kettles"]["mash-tun"]["nodes"] == ["mash-a"]
    assert found["bridge"] == {"url": "http://127.0.0.1:8555", "version": "0.1.0"}
    (subentry,) = found["entry"]["subentries"]
    assert subentry["data"]["host"] == stub.host
    assert subentry["data"]["fingerprint"] == stub.fingerprint


async def test_no_secret_leaves(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    entry = await running_brewery(hass, stub)
    hass.data[BRIDGE] = BridgeRegistration(
        url="http://127.0.0.1:8555", secret="bridge-secret", version="0.1.0"
    )
    texts = [json.dumps(await get_diagnostics_for_config_entry(hass, hass_client, entry))]
    devices = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        found = await get_diagnostics_for_device(hass, hass_client, entry, device)
        texts.append(json.dumps(found))
    for text in texts:
        assert "very-secret" not in text
        assert "bridge-secret" not in text
        assert entry.data["client_id"] not in text
    assert "**REDACTED**" in texts[0]


async def test_who_has_seen_an_alarm_stays_at_home(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    seen = {"by": "Ana", "note": "Ask Ben", "t": 9}
    stub.alarms = [
        {"id": "disk_low", "since": 5, "text": "Make room.", "acknowledged": seen},
        {"id": "disk_full", "since": 6, "text": "Too late.", "acknowledged": None},
    ]
    entry = await running_brewery(hass, stub)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    alarms = found["nodes"]["mash-a"]["state"]["alarms"]
    assert [one["acknowledged"] for one in alarms] == ["**REDACTED**", None]
    assert [one for _node, one in found["kettles"]["mash-tun"]["data"]["alarms"]] == alarms
    assert not {"Ana", "Ask Ben"} & set(json.dumps(found).split('"'))


async def test_a_device_tells_of_itself_only(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    entry = await running_brewery(hass, stub)
    devices = dr.async_get(hass)

    async def told(identifier: tuple[str, str]) -> set[str]:
        device = devices.async_get_device_by_identifier(identifier, entry.entry_id)
        assert device is not None
        return set(await get_diagnostics_for_device(hass, hass_client, entry, device))

    assert await told(node_identifier("mash-a")) == {"subentry", "node"}
    assert await told(kettle_identifier("mash-tun")) == {"kettle"}
    assert await told(BREWERY_IDENTIFIER) == set()


async def test_a_node_never_heard_of_is_told_of_too(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    entry = add_hub(hass, {**stub.data, "port": 1})
    assert await hass.config_entries.async_setup(entry.entry_id)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = found["nodes"]["mash-a"]
    assert (told["connected"], told["node"], told["state"]) == (False, None, None)


async def test_a_kettle_tells_who_leads_it_and_what_keeps_heat_off(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, stub: EdgeStub
) -> None:
    entry = await running_brewery(hass, with_outputs(stub))
    lead(entry, leads=True, leader="server-a", held={"mash-a": 9.5}, twin=True)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = found["kettles"]["mash-tun"]
    assert told["leadership"] == {
        "server_id": "server-a",
        "leads": True,
        "leader": "server-a",
        "epoch": 7,
        "may_energise": True,
        "energise_in_s": None,
        "members_agree": True,
        "twin": True,
        "held": {"mash-a": 9.5},
    }
    assert told["data"]["interlocks"] == {"mash-a/lid": False}
    assert found["nodes"]["mash-a"]["state"]["actuators"]["heater"]["limited_by"] == "interlock"


async def test_what_became_of_the_last_commands_is_told_without_who_may(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, socket_enabled: None
) -> None:
    async with running_outputs() as node:
        entry = await running_brewery(hass, node)
        (coordinator,) = entry.runtime_data.nodes.values()
        kettle = entry.runtime_data.kettles["mash-tun"]
        async with asyncio.timeout(20):
            while not (kettle.leadership.leads and kettle.leadership.may_energise):
                await asyncio.sleep(0.02)
        node.limits = {"pump": "min_off"}
        await coordinator.commands.output("pump", on=True)
        await coordinator.commands.safe()
        node.foreign = "server-b"
        async with asyncio.timeout(20):
            while kettle.leadership.leads:
                await asyncio.sleep(0.02)
        with pytest.raises(HomeAssistantError):
            await coordinator.commands.output("pump", on=True)
        found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    told = found["nodes"]["mash-a"]["last_commands"]
    assert [(one["call"], one["error"], one["limited_by"]) for one in told] == [
        ("PUT /v1/actuators/pump", None, "min_off"),
        ("PUT /v1/safe", None, None),
        ("PUT /v1/actuators/pump", "not_leader", None),
    ]
    assert all(one["t"] > 1_700_000_000_000 for one in told)
    assert kettle.leadership._session not in json.dumps(found)


def test_only_the_newest_commands_are_kept() -> None:
    log = CommandLog()
    for number in range(KEPT + 5):
        log.failed(number, "PUT /v1/safe", None)
    told = log.told()
    assert [one["t"] for one in told] == list(range(5, KEPT + 5))
    assert {one["error"] for one in told} == {"unexpected"}
