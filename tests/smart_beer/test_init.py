"""The life of the brewery: set-up, nodes that come and go without a reload, removal."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component

from custom_components.smart_beer import async_remove_config_entry_device, node_cache
from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.helpers import (
    BREWERY_IDENTIFIER,
    kettle_identifier,
    node_identifier,
)
from tests.smart_beer.brewery import (
    add_node,
    connected,
    device,
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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits; nothing here measures them."""
    monkeypatch.setattr(module, "WAKE_FLOOR_S", 0.05)
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.1)


async def test_devices_hang_below_the_brewery_and_nodes_belong_to_their_subentries(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await eventually(lambda: device(hass, entry, kettle_identifier("mash-tun")))
    brewery = device(hass, entry, BREWERY_IDENTIFIER)
    kettle = device(hass, entry, kettle_identifier("mash-tun"))
    node = device(hass, entry, node_identifier("mash-a"))
    assert brewery is not None
    assert kettle is not None
    assert node is not None
    assert kettle.via_device_id == node.via_device_id == brewery.id
    assert (kettle.name, node.name, node.sw_version) == ("Mash tun", "Node mash-a", "0.1.0")
    assert node.model == "Raspberry Pi 4"
    (subentry_id,) = entry.subentries
    entities = er.async_get(hass)
    for one in er.async_entries_for_config_entry(entities, entry.entry_id):
        expected = subentry_id if one.device_id == node.id else None
        assert one.config_subentry_id == expected, one.entity_id
        assert str(one.unique_id).split("/")[0] in {"brewery", "node", "kettle", "channel"}


async def test_a_whole_life_logs_no_deprecation(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    add_node(hass, entry, second)
    await eventually(lambda: len(entry.runtime_data.nodes) == 2)
    await connected(entry, "mash-b")
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connected(entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert "Detected that custom integration" not in caplog.text
    assert "deprecated" not in caplog.text
    assert "does not generate unique IDs" not in caplog.text
    assert not [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and record.name.startswith(("homeassistant", "custom"))
    ]


async def test_an_empty_brewery_is_set_up(hass: HomeAssistant) -> None:
    entry = await set_up(hass)
    assert entry.runtime_data.nodes == {}
    assert device(hass, entry, BREWERY_IDENTIFIER) is not None


async def test_a_node_is_added_without_a_reload(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    first = node_of(entry)
    with patch.object(hass.config_entries, "async_reload") as reload:
        add_node(hass, entry, second)
        await eventually(lambda: len(entry.runtime_data.nodes) == 2)
        await following(entry, second)
        second.sample(65.0)
        await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    reload.assert_not_called()
    assert node_of(entry) is first
    assert first.connected
    await eventually(lambda: value_of(node_state(hass, "connectivity", "mash-b")) == "on")
    assert device(hass, entry, node_identifier("mash-b")) is not None
    assert len(entry.runtime_data.kettles["mash-tun"].nodes) == 2


async def test_nodes_that_come_and_go_while_the_brewery_is_set_up_are_not_missed(
    hass: HomeAssistant,
    stub: EdgeStub,
    second: EdgeStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forward = type(hass.config_entries).async_forward_entry_setups

    async def slow(entries: Any, entry: Any, platforms: Any) -> None:
        await forward(entries, entry, platforms)
        (subentry_id,) = entry.subentries
        add_node(hass, entry, second)
        hass.config_entries.async_remove_subentry(entry, subentry_id)
        await asyncio.sleep(0)

    with monkeypatch.context() as patched:
        patched.setattr(type(hass.config_entries), "async_forward_entry_setups", slow)
        entry = await set_up(hass, stub)
    await eventually(lambda: len(entry.runtime_data.nodes) == 1, "the first is gone")
    await following(entry, second)
    await eventually(lambda: value_of(node_state(hass, "connectivity", "mash-b")) == "on")
    await eventually(lambda: stub.tokens == set(), "the first has its token back")


async def test_a_removed_node_gives_its_token_back_and_takes_its_kettle_along(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    second.kettles = [{"kettle_id": "hlt", "kettle_name": "HLT", "group": ["mash-b"]}]
    second.channels = [channel("temperature", kettle_id="hlt")]
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    await eventually(lambda: kettle_state(hass, "temperature", "hlt"))
    gone = node_of(entry, "mash-b")
    hass.config_entries.async_remove_subentry(entry, gone.subentry_id)
    await eventually(lambda: second.tokens == set())
    assert stub.tokens == {TOKEN}
    assert set(entry.runtime_data.kettles) == {"mash-tun"}
    assert device(hass, entry, kettle_identifier("hlt")) is None
    assert device(hass, entry, kettle_identifier("mash-tun")) is not None
    assert device(hass, entry, node_identifier("mash-b")) is None
    assert entry.runtime_data.cache.get("mash-b") is None
    assert node_of(entry).connected
    asked = len(second.requests)
    stub.sample(65.0)
    await eventually(lambda: node_of(entry).reading("temperature"))
    assert len(second.requests) == asked


async def test_a_node_that_is_removed_and_added_again_has_its_entities_again(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    hass.config_entries.async_remove_subentry(entry, node_of(entry, "mash-b").subentry_id)
    await eventually(lambda: second.tokens == set())
    assert node_state(hass, "connectivity", "mash-b") is None
    second.tokens.add(TOKEN)
    add_node(hass, entry, second)
    await eventually(lambda: value_of(node_state(hass, "connectivity", "mash-b")) == "on")


async def test_a_removed_node_that_is_away_is_told_of_in_the_log(
    hass: HomeAssistant, stub: EdgeStub, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    stub.answers["/v1/pair"] = stub.refuse(503, "failing")
    hass.config_entries.async_remove_subentry(entry, node_of(entry).subentry_id)
    await eventually(lambda: "could not be told" in caplog.text)
    assert "smart-beer-edge clients" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_new_address_or_token_is_taken_over_by_the_running_node(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    stub.tokens = {"another"}
    entry = await set_up(hass, stub)
    node = node_of(entry)
    await eventually(lambda: node.problem == "auth")
    (subentry,) = entry.subentries.values()
    second.node_id = "mash-a"  # the node has moved to where the second one answers
    second.tokens = {"another"}
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**second.data, "token": "another"}
    )
    await connected(entry)
    assert node_of(entry) is node
    assert node.client.port == second.port
    asked = len(second.paths("/v1/node"))
    hass.config_entries.async_update_subentry(entry, subentry, title="Another name")
    await eventually(lambda: node.title == "Another name")
    assert len(second.paths("/v1/node")) == asked


async def test_changes_that_come_together_leave_each_node_one_loop(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    stub.tokens = {TOKEN, "another"}
    asked = len(stub.paths("/v1/node"))
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "token": "another"}
    )
    add_node(hass, entry, second)  # while the first one's loop is being ended
    hass.config_entries.async_update_entry(entry, title="Another name")
    await eventually(lambda: len(entry.runtime_data.nodes) == 2, "the second is added")
    await following(entry, second)
    await eventually(lambda: len(stub.paths("/v1/node")) > asked, "the first is taken over")
    await following(entry, stub)
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [names.count(f"smart_beer node {node_id}") for node_id in ("mash-a", "mash-b")] == [1, 1]
    assert "Error doing job" not in caplog.text


async def test_a_change_while_the_brewery_is_unloaded_leaves_no_loop(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "token": "another"}
    )
    add_node(hass, entry, second)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in names if name.startswith("smart_beer node")] == []


async def test_a_change_that_meets_a_reload_leaves_one_loop(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    ended, reloaded = asyncio.Event(), asyncio.Event()
    stop = module.NodeCoordinator.async_stop

    async def slow(node: module.NodeCoordinator) -> None:
        await stop(node)
        ended.set()
        await reloaded.wait()

    monkeypatch.setattr(module.NodeCoordinator, "async_stop", slow)
    stub.tokens = {TOKEN, "another"}
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "token": "another"}
    )
    await eventually(ended.is_set, "the loop is being ended")
    assert await hass.config_entries.async_reload(entry.entry_id)
    reloaded.set()
    await hass.async_block_till_done()
    await connected(entry)
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert names.count("smart_beer node mash-a") == 1


async def test_what_a_node_has_is_known_without_it_after_a_restart(
    hass: HomeAssistant,
    stub: EdgeStub,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_cache, "SAVE_DELAY", 0.0)
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(lambda: "smart_beer.nodes" in hass_storage)
    stub.hang = {"/v1/node"}
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert not node_of(entry).connected
    assert value_of(kettle_state(hass, "temperature")) == "unavailable"
    assert set(entry.runtime_data.kettles) == {"mash-tun"}


async def test_an_unreadable_memory_of_a_node_is_learnt_again(
    hass: HomeAssistant, stub: EdgeStub, hass_storage: dict[str, Any]
) -> None:
    hass_storage["smart_beer.nodes"] = {
        "version": 1,
        "minor_version": 1,
        "key": "smart_beer.nodes",
        "data": {"mash-a": {"info": {"node_id": 7}}, "mash-b": None},
    }
    entry = await set_up(hass, stub)
    await connected(entry)
    assert set(entry.runtime_data.kettles) == {"mash-tun"}


async def test_a_new_channel_and_a_new_kettle_appear_when_first_seen(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.channels.append(channel("boil_temperature", kettle_id="boil"))
    stub.kettles.append({"kettle_id": "boil", "kettle_name": "Boil kettle", "group": ["mash-a"]})
    stub.version, stub.boot_id = "0.2.0", "boot2"
    stub.sample(65.0)
    await eventually(lambda: kettle_state(hass, "temperature", "boil"))
    node = device(hass, entry, node_identifier("mash-a"))
    assert node is not None
    assert node.sw_version == "0.2.0"
    registry = er.async_get(hass)
    assert registry.async_get_entity_id("sensor", DOMAIN, "channel/mash-a/boil_temperature")


async def test_removing_the_brewery_gives_all_tokens_back(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub, hass_storage: dict[str, Any]
) -> None:
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    await hass.config_entries.async_remove(entry.entry_id)
    assert stub.tokens == set()
    assert second.tokens == set()
    assert "smart_beer.nodes" not in hass_storage
    # what was still to be written holds no node; the real storage does not even write it
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert not hass_storage.get("smart_beer.nodes", {"data": {}})["data"]


async def test_only_a_device_nothing_stands_behind_may_be_deleted(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    old = dr.async_get(hass).async_get_or_create_from_info(
        config_entry_id=entry.entry_id,
        device_info=dr.DeviceInfo(identifiers={kettle_identifier("old")}, name="Old"),
    )
    assert await async_remove_config_entry_device(hass, entry, old)
    for identifier in (
        BREWERY_IDENTIFIER,
        node_identifier("mash-a"),
        kettle_identifier("mash-tun"),
    ):
        living = device(hass, entry, identifier)
        assert living is not None
        assert not await async_remove_config_entry_device(hass, entry, living)
    await hass.config_entries.async_unload(entry.entry_id)
    assert not await async_remove_config_entry_device(hass, entry, old)  # nobody can tell


async def test_yaml_is_not_for_this_integration(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    assert await async_setup_component(hass, DOMAIN, {DOMAIN: {"nodes": []}})
    assert "does not support YAML setup" in caplog.text or "not allowed" in caplog.text
