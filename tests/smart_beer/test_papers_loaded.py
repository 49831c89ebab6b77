"""What only a loaded brewery shows: names, icons, and nothing that Home Assistant complains of."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.smart_beer.edge_stub import EdgeStub, channel
from tests.smart_beer.flow_helpers import add_hub
from tests.smart_beer.output_stub import controller, output, running_outputs
from tests.smart_beer.translation_check import FOLDER, translations

pytestmark = pytest.mark.usefixtures("socket_enabled")

# Raw channels are of any kind, and one icon for all of them would hide that of the device class.
WITHOUT_ICON = {("sensor", "channel")}


KINDS = ("heater", "pump", "valve", "cooler", "contactor")


@pytest.fixture
async def stub(socket_enabled: None) -> AsyncIterator[EdgeStub]:
    """A node with one of everything in its mash tun, and two of all that is switched elsewhere."""
    async with running_outputs() as node:
        node.kettles.append({"kettle_id": "boil", "kettle_name": "Boil", "group": ["mash-a"]})
        node.channels = [
            channel("temperature"),
            channel("head_pressure", "pressure"),
            channel("carbonation", "co2", device_class=None),
        ]
        boil = [(kind, f"{kind}_{number}") for kind in KINDS for number in (1, 2)]
        node.describes(
            *(output(kind, control=_control(kind)) for kind in KINDS),
            *(output(name, kind, control=_control(kind), kettle_id="boil") for kind, name in boil),
            controllers=(
                controller(),
                controller("boil_1", heater="heater_1", kettle_id="boil"),
                controller("boil_2", heater="heater_2", kettle_id="boil"),
            ),
            interlocks=({"id": "lid", "name": "Lid", "kettle_id": "mash-tun"},),
        )
        node.parts["stop"] = False
        yield node


def _control(kind: str) -> str:
    return "power" if kind in {"heater", "pump"} else "switch"


async def load(hass: HomeAssistant, stub: EdgeStub) -> MockConfigEntry:
    """The brewery with that node."""
    entry = add_hub(hass, stub.data)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await connected(hass, entry)
    return entry


async def connected(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    (node,) = entry.runtime_data.nodes.values()
    async with asyncio.timeout(20):
        while not node.connected:
            await asyncio.sleep(0.01)
    await hass.async_block_till_done()


async def test_every_entity_is_named_in_both_languages_and_no_name_is_idle(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await load(hass, stub)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    used = {(one.domain, one.translation_key) for one in entities}
    assert all(one.has_entity_name for one in entities)
    for language in ("en", "es"):
        texts = translations(language)["entity"]
        described = {(platform, key) for platform in texts for key in texts[platform]}
        assert described == used
        for one in entities:
            options = (one.capabilities or {}).get("options", [])
            states = texts[one.domain][one.translation_key].get("state", {})
            if one.domain == "binary_sensor" and states:
                options = ["off", "on"]
            assert set(options) == set(states), one.entity_id


async def test_every_entity_without_a_device_class_has_an_icon_and_no_icon_is_idle(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await load(hass, stub)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    icons = json.loads((FOLDER / "icons.json").read_text())
    assert icons.keys() == {"entity", "services", "triggers", "conditions"}
    drawn = {(platform, key) for platform in icons["entity"] for key in icons["entity"][platform]}
    used = {(one.domain, one.translation_key) for one in entities}
    bare = {
        (one.domain, one.translation_key) for one in entities if one.original_device_class is None
    }
    assert drawn <= used
    assert bare - WITHOUT_ICON <= drawn
    for platform in icons["entity"].values():
        for icon in platform.values():
            assert icon["default"].startswith("mdi:")


async def test_home_assistant_has_nothing_to_complain_of(
    hass: HomeAssistant, stub: EdgeStub, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await load(hass, stub)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connected(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    await hass.async_block_till_done()
    assert "Detected that custom integration" not in caplog.text
    complaints = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING
        and record.name.startswith(("homeassistant.", "custom_components."))
        and "smart_beer" in record.name + record.getMessage()
        and "has not been tested by Home Assistant" not in record.getMessage()
        and "The card is not built" not in record.getMessage()
    ]
    assert complaints == []
