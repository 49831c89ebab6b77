"""A node that is not what it should be: shown, told to a person, and its data not mixed up."""

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.helpers import issue_registry as ir

from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.brewery import (
    brewery_entry,
    connected,
    eventually,
    following,
    kettle_state,
    node_of,
    node_state,
    set_up,
    value_of,
)
from tests.smart_beer.edge_stub import TOKEN, EdgeStub, channel

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from custom_components.smart_beer.coordinator import NodeCoordinator

pytestmark = pytest.mark.usefixtures("quick")


def issue(hass: HomeAssistant, key: str, node_id: str = "mash-a") -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{key}_{node_id}")


def sampled(stub: EdgeStub, node: NodeCoordinator) -> bool:
    """Take one more sample; whether its series, and no other, has arrived."""
    stub.sample(65.0)
    return set(node.feed.newest) == {"mash-a/temperature"}


async def test_an_unknown_token_starts_one_reauth_that_names_the_node(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.tokens.clear()
    entry = await set_up(hass, stub)
    node = node_of(entry)
    await eventually(lambda: node.problem == "auth")
    await eventually(lambda: len(stub.paths("/v1/node")) > 2)
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    assert flow["context"]["title_placeholders"] == {"name": "Node mash-a"}
    state = node_state(hass, "connectivity")
    assert state is not None
    assert state.attributes["problem"] == "auth"
    stub.tokens.add(TOKEN)
    await connected(entry)
    assert node.problem is None


async def test_another_certificate_is_a_repair_that_ends_when_the_right_one_is_back(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = brewery_entry(hass, stub)
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "fingerprint": "0" * 64}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    node = node_of(entry)
    await eventually(lambda: node.problem == "fingerprint")
    assert issue(hass, "fingerprint_changed") is not None
    assert stub.requests == []
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "fingerprint": stub.fingerprint}
    )
    await connected(entry)
    assert issue(hass, "fingerprint_changed") is None


async def test_another_node_at_the_address_is_a_repair_and_gives_no_data(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    stub.node_id, stub.boot_id = "other", "boot2"
    stub.sample(99.0)
    await eventually(lambda: node.problem == "other_node")
    raised = issue(hass, "other_node")
    assert raised is not None
    assert raised.translation_placeholders is not None
    assert raised.translation_placeholders["found"] == "other"
    assert not node.connected
    assert node.feed.newest == {}
    assert node.info is not None
    assert node.info.node_id == "mash-a"
    stub.node_id = "mash-a"
    node.async_wake()
    await eventually(lambda: node.connected and issue(hass, "other_node") is None)
    await eventually(lambda: sampled(stub, node))


async def test_samples_of_another_node_are_not_taken(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    stub.sample(99.0, series="mash-b/temperature")
    await eventually(lambda: node.problem == "other_node")
    assert node.feed.newest == {}
    assert node.data.readings == {}
    await eventually(lambda: sampled(stub, node))
    await eventually(lambda: node.problem is None)


async def test_of_two_problems_only_the_newer_one_is_shown(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.api = 2
    entry = await set_up(hass, stub)
    await eventually(lambda: issue(hass, "api_too_new"))
    stub.api, stub.node_id = 1, "other"
    await eventually(lambda: issue(hass, "other_node"))
    assert issue(hass, "api_too_new") is None
    assert node_of(entry).problem == "other_node"


@pytest.mark.parametrize(("api", "key"), [(2, "api_too_new"), (0, "api_too_old")])
async def test_an_api_of_another_time_is_a_repair(
    hass: HomeAssistant, stub: EdgeStub, api: int, key: str
) -> None:
    stub.api = api
    entry = await set_up(hass, stub)
    await eventually(lambda: node_of(entry).problem == "api_version")
    assert issue(hass, key) is not None
    stub.api = 1
    await connected(entry)
    assert issue(hass, key) is None


async def test_a_problem_stays_shown_while_the_node_is_merely_away(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.api = 2
    entry = await set_up(hass, stub)
    node = node_of(entry)
    await eventually(lambda: node.problem == "api_version")
    asked = len(stub.paths("/v1/node"))
    stub.answers["/v1/node"] = stub.refuse(503, "failing")
    await eventually(lambda: len(stub.paths("/v1/node")) > asked + 2)
    assert node.problem == "api_version"


async def test_changed_kettles_need_a_person_and_feed_no_kettle_until_then(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    stub.kettles = [{"kettle_id": "hlt", "kettle_name": "HLT", "group": ["mash-a"]}]
    stub.channels = [channel("temperature", kettle_id="hlt")]
    stub.boot_id = "boot2"
    stub.sample(80.0)
    node = node_of(entry)
    await eventually(lambda: node.problem == "kettles_changed")
    raised = issue(hass, "kettles_changed")
    assert raised is not None
    assert raised.translation_placeholders is not None
    assert raised.translation_placeholders["before"] == "mash-tun (temperature)"
    assert raised.translation_placeholders["now"] == "hlt (temperature)"
    assert node.connected
    assert "hlt" not in entry.runtime_data.kettles
    temperature = kettle_state(hass, "temperature")
    assert temperature is not None
    assert temperature.state == "unknown"
    assert temperature.attributes["left_out"] == {"mash-a/temperature": "kettles_changed"}

    node.async_accept_kettles()
    await eventually(lambda: kettle_state(hass, "temperature", "hlt"))
    assert issue(hass, "kettles_changed") is None
    assert node.problem is None
    assert set(entry.runtime_data.kettles) == {"hlt"}
    stub.sample(81.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature", "hlt")) == "81.0")
    assert await hass.config_entries.async_reload(entry.entry_id)  # before it is on the disk
    assert set(entry.runtime_data.kettles) == {"hlt"}


async def test_a_replaced_spool_is_told_and_its_samples_are_read(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    for _ in range(5):
        stub.sample(65.0)
    await eventually(lambda: node.feed.last_seq == 5)
    stub.replace_spool("spool2")
    await eventually(lambda: issue(hass, "spool_replaced"))
    stub.sample(66.0)
    await eventually(lambda: node.feed.spool_id == "spool2")
    assert node.feed.last_seq == 1
    assert node.feed.newest["mash-a/temperature"][1] == 66.0
    assert not node.feed.covers("spool1", 5)


async def test_a_stepped_clock_is_told_with_its_seconds(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.1)
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    now = int(time.time() * 1000)
    stub.sample(65.0, t=now)
    await eventually(lambda: node.feed.last_seq == 1)
    asked = len(stub.paths("/v1/state"))
    await eventually(lambda: len(stub.paths("/v1/state")) > asked + 1)
    monkeypatch.setattr(module, "REFRESH_S", 1e6)
    asked = -1
    while asked != (asked := len(stub.paths("/v1/state"))):  # until no refresh is under way
        await asyncio.sleep(0.3)
    stub.sample(65.0, t=now - 90_000)
    stub.clock = {**stub.clock, "steps": 1}
    await eventually(lambda: node.feed.last_seq == 2)
    monkeypatch.setattr(module, "REFRESH_S", 0.0)
    await eventually(lambda: issue(hass, "clock_stepped"))
    raised = issue(hass, "clock_stepped")
    assert raised is not None
    assert raised.translation_placeholders is not None
    assert raised.translation_placeholders["seconds"] == "90.0"


async def test_a_full_disk_is_a_repair_until_no_more_is_lost(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.1)
    await set_up(hass, stub)
    stub.alarms = [{"id": "disk_full", "since": 1, "text": "Disk full."}]
    stub.health = {"spool": {"rows": 1, "bytes": 1, "lost": 7}}
    await eventually(lambda: issue(hass, "node_disk_full"))
    await eventually(lambda: value_of(node_state(hass, "alarm")) == "on")
    stub.alarms = []
    await eventually(lambda: issue(hass, "node_disk_full") is None)
    stub.health = {"spool": {"rows": 1, "bytes": 1, "lost": 9}}
    await eventually(lambda: issue(hass, "node_disk_full"))
