"""Conditions: what is so, what is not so, and what nobody can know."""

from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.exceptions import ConditionError
from homeassistant.helpers.condition import async_from_config, async_validate_condition_config

from custom_components.smart_beer.helpers import kettle_identifier, node_identifier
from tests.smart_beer.brewery import connected, device, eventually, node_of, set_up
from tests.smart_beer.leading import lead, with_outputs
from tests.smart_beer.output_stub import output

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

    from tests.smart_beer.edge_stub import EdgeStub

LATCHED = {"kettle_id": "mash-tun", "latch": "safe", "since": 1, "text": "Safe."}


def kettle_device(hass: HomeAssistant, entry: MockConfigEntry, kettle_id: str = "mash-tun") -> str:
    found = device(hass, entry, kettle_identifier(kettle_id))
    assert found is not None
    return found.id


async def holds(hass: HomeAssistant, key: str, **options: Any) -> bool | None:
    """What the condition says now."""
    config = await async_validate_condition_config(
        hass, {"condition": f"smart_beer.{key}", "options": options}
    )
    checker = await async_from_config(hass, config)
    try:
        return checker.async_check()
    finally:
        checker.async_unload()


async def two_kettles(hass: HomeAssistant, stub: EdgeStub, second: EdgeStub) -> MockConfigEntry:
    """The mash tun on one node, the boil kettle on the other."""
    with_outputs(stub)
    second.kettles = [{"kettle_id": "boil", "kettle_name": "Boil", "group": ["mash-b"]}]
    second.channels[0]["kettle_id"] = "boil"
    second.described = {"actuators": [output("element", "heater", kettle_id="boil")]}
    second.parts = {"actuators": {"element": {"desired": True, "actual": True, "limited_by": None}}}
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    return entry


async def test_who_leads_the_brewery_is_who_leads_its_first_kettle_that_has_a_leader(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await two_kettles(hass, stub, second)
    lead(entry, "boil")
    lead(entry, "mash-tun")
    assert await holds(hass, "is_leader") is False
    lead(entry, "mash-tun", leads=True, leader="server-a")
    assert await holds(hass, "is_leader") is True
    lead(entry, "boil", leads=False, leader="override")
    assert await holds(hass, "is_leader") is True
    lead(entry, "boil", leads=False, leader="server-b")
    assert await holds(hass, "is_leader") is False


async def test_leading_some_kettles_is_any_or_all_of_them(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await two_kettles(hass, stub, second)
    mash, boil = kettle_device(hass, entry), kettle_device(hass, entry, "boil")
    lead(entry, "mash-tun", leads=True, leader="server-a")
    lead(entry, "boil", leads=False, leader="server-b")
    assert await holds(hass, "is_leader", device_id=mash) is True
    assert await holds(hass, "is_leader", device_id=[mash, boil]) is True
    assert await holds(hass, "is_leader", device_id=[mash, boil], behavior="all") is False
    assert await holds(hass, "is_leader", device_id=boil) is False


async def test_a_brewery_that_is_not_loaded_is_not_led(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, leads=True, leader="server-a")
    kettle = kettle_device(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await holds(hass, "is_leader", device_id=kettle) is False
    assert await holds(hass, "is_leader") is False
    with pytest.raises(ConditionError):
        await holds(hass, "is_latched", device_id=kettle)


async def test_a_kettle_is_heated_while_one_of_its_heaters_is_on(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await two_kettles(hass, stub, second)
    mash, boil = kettle_device(hass, entry), kettle_device(hass, entry, "boil")
    assert await holds(hass, "is_heating", device_id=mash) is False
    assert await holds(hass, "is_heating", device_id=boil) is True
    assert await holds(hass, "is_heating") is True
    assert await holds(hass, "is_heating", behavior="all") is False


async def test_whether_a_kettle_is_heated_is_not_known_while_its_node_is_away(
    hass: HomeAssistant, quick: None, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await two_kettles(hass, stub, second)
    mash, boil = kettle_device(hass, entry), kettle_device(hass, entry, "boil")
    second.tokens.clear()
    second.boot_id = "boot2"
    second.announce()
    await eventually(lambda: not node_of(entry, "mash-b").connected, "away")
    with pytest.raises(ConditionError):
        await holds(hass, "is_heating", device_id=boil)
    with pytest.raises(ConditionError):
        await holds(hass, "is_heating", device_id=[mash, boil])
    assert await holds(hass, "is_heating", device_id=[mash, boil], behavior="all") is False
    with pytest.raises(ConditionError):
        await holds(hass, "is_latched")


async def test_a_kettle_is_latched_while_a_node_says_so(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    stub.parts = {"latches": [LATCHED]}
    entry = await set_up(hass, stub)
    await connected(entry)
    assert await holds(hass, "is_latched") is True
    stub.parts = {"latches": [{**LATCHED, "kettle_id": "other"}]}
    await node_of(entry)._refresh()
    assert await holds(hass, "is_latched") is False


async def test_a_device_that_is_no_kettle_is_refused(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    node = device(hass, entry, node_identifier("mash-a"))
    assert node is not None
    with pytest.raises(Exception, match="no kettle of the brewery"):
        await holds(hass, "is_leader", device_id=node.id)
