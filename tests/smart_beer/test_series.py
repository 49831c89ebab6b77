"""What screens are told of the series."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import METRIC_SYSTEM, US_CUSTOMARY_SYSTEM, UnitSystem

from custom_components.smart_beer.const import DOMAIN
from custom_components.smart_beer.helpers import channel_unique_id, kettle_unique_id
from custom_components.smart_beer.models import NodeInfo
from custom_components.smart_beer.series import async_series
from tests.smart_beer.spool import FakeNode, Spool, load_brewery, serving

NODE = {
    "node_id": "mash-a",
    "name": "Mash tun A",
    "api": 1,
    "config_digest": "d",
    "kettles": [{"kettle_id": "mash-tun", "kettle_name": "Mash tun", "group": ["mash-a"]}],
    "channels": [
        {
            "id": "temperature",
            "name": "Mash",
            "kettle_id": "mash-tun",
            "kind": "temperature",
            "role": "process",
            "unit": "°C",
            "device_class": "temperature",
        },
        {"id": "head", "kettle_id": "mash-tun", "kind": "pressure", "unit": "kPa"},
        {"id": "co2", "kettle_id": "mash-tun", "kind": "co2", "unit": "vol"},
        {"id": "room", "name": "Room", "kettle_id": None, "kind": "temperature", "unit": "°C"},
    ],
    "spool": {"spool_id": "s1", "first_seq": 1, "last_seq": 0},
    "clock": {"known": True},
}


@pytest.fixture(name="node")
async def node_fixture(socket_enabled: None) -> AsyncIterator[FakeNode]:
    """A node that has described itself."""
    spool = Spool()
    async with serving(spool) as client:
        yield FakeNode(spool, client, info=NodeInfo.parse(NODE))


def by_series(hass: HomeAssistant) -> dict[str, dict[str, Any]]:
    return {entry["series"]: entry for entry in async_series(hass)}


async def test_a_series_says_whose_it_is(hass: HomeAssistant, node: FakeNode) -> None:
    load_brewery(hass, node, FakeNode(Spool("never-seen"), node.client))
    series = by_series(hass)
    assert list(series) == [
        "mash-a/temperature",
        "mash-a/head",
        "mash-a/co2",
        "mash-a/room",
    ]
    assert series["mash-a/temperature"] == {
        "series": "mash-a/temperature",
        "node_id": "mash-a",
        "node_name": "Mash tun A",
        "channel_id": "temperature",
        "name": "Mash",
        "kind": "temperature",
        "role": "process",
        "kettle_id": "mash-tun",
        "kettle_name": "Mash tun",
        "unit": "°C",
        "display_unit": "°C",
        "entity_id": None,
    }
    assert (series["mash-a/room"]["kettle_id"], series["mash-a/room"]["kettle_name"]) == (
        None,
        None,
    )


@pytest.mark.parametrize(
    ("system", "units"),
    [
        (METRIC_SYSTEM, ["°C", "bar", "vol", "°C"]),
        (US_CUSTOMARY_SYSTEM, ["°F", "psi", "vol", "°F"]),
    ],
)
async def test_units_are_those_of_the_users_unit_system(
    hass: HomeAssistant, node: FakeNode, system: UnitSystem, units: list[str]
) -> None:
    hass.config.units = system
    load_brewery(hass, node)
    assert [entry["display_unit"] for entry in async_series(hass)] == units


async def test_the_unit_the_user_chose_for_the_entity_comes_first_then_the_kettles(
    hass: HomeAssistant, node: FakeNode, entity_registry: er.EntityRegistry
) -> None:
    load_brewery(hass, node)
    raw = entity_registry.async_get_or_create(
        "sensor", DOMAIN, channel_unique_id("mash-a", "temperature")
    )
    fused = entity_registry.async_get_or_create(
        "sensor", DOMAIN, kettle_unique_id("mash-tun", "pressure")
    )
    hass.states.async_set(raw.entity_id, "340", {"unit_of_measurement": "K"})
    hass.states.async_set(fused.entity_id, "3", {"unit_of_measurement": "mbar"})
    series = by_series(hass)
    assert series["mash-a/temperature"]["entity_id"] == raw.entity_id
    assert series["mash-a/temperature"]["display_unit"] == "K"
    assert series["mash-a/head"]["display_unit"] == "mbar"
    assert series["mash-a/head"]["entity_id"] is None
    hass.states.async_set(raw.entity_id, "unavailable", {})
    assert by_series(hass)["mash-a/temperature"]["display_unit"] == "°C"


async def test_a_disabled_entity_is_none(
    hass: HomeAssistant, node: FakeNode, entity_registry: er.EntityRegistry
) -> None:
    load_brewery(hass, node)
    entity_registry.async_get_or_create(
        "sensor",
        DOMAIN,
        channel_unique_id("mash-a", "temperature"),
        disabled_by=er.RegistryEntryDisabler.INTEGRATION,
    )
    assert by_series(hass)["mash-a/temperature"]["entity_id"] is None
