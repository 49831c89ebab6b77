"""Triggers: they fire on what changed, and never on what is merely not known."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.helpers.trigger import async_initialize_triggers, async_validate_trigger_config
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.smart_beer import brewery_watch
from custom_components.smart_beer import coordinator as coordinator_module
from custom_components.smart_beer.helpers import kettle_identifier, node_identifier
from tests.smart_beer.brewery import connected, device, eventually, following, node_of, set_up
from tests.smart_beer.edge_stub import EdgeStub
from tests.smart_beer.leading import lead
from tests.smart_beer.output_stub import alarm, latch

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

LOGGER = logging.getLogger(__name__)
KETTLE = kettle_identifier("mash-tun")


@pytest.fixture(autouse=True)
def quick_looks(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes are asked, and coordinators looked for, ten times a second."""
    monkeypatch.setattr(coordinator_module, "REFRESH_S", 0.1)
    monkeypatch.setattr(brewery_watch, "LOOK_EVERY", timedelta(seconds=0.1))


def kettle_device(hass: HomeAssistant, entry: MockConfigEntry) -> str:
    found = device(hass, entry, KETTLE)
    assert found is not None
    return found.id


async def attach(hass: HomeAssistant, key: str, **options: Any) -> list[dict[str, Any]]:
    """Everything that the trigger fires from now on."""
    fired: list[dict[str, Any]] = []

    async def action(run_variables: dict[str, Any], context: Any = None) -> None:
        fired.append(run_variables["trigger"])

    config = await async_validate_trigger_config(
        hass, [{"platform": f"smart_beer.{key}", "options": options}]
    )
    detach = await async_initialize_triggers(
        hass, config, action, "test", key, lambda *args, **_: LOGGER.info("%s", args)
    )
    assert detach is not None
    DETACH.append(detach)
    return fired


DETACH: list[Any] = []


@pytest.fixture(autouse=True)
def detach_all(hass: HomeAssistant) -> Any:
    """Nothing of a trigger outlives its test."""
    yield
    while DETACH:
        DETACH.pop()()


async def shown(entry: MockConfigEntry, node_id: str, *latches: str) -> None:
    """Wait until these latches have been read from the node."""

    def there() -> bool:
        state = node_of(entry, node_id).state
        return state is not None and {one.latch for one in state.latches} == set(latches)

    await eventually(there, f"{latches} of {node_id}")


# Leader


async def test_leading_and_losing_a_kettle_fire_and_knowing_it_first_does_not(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, leads=True, leader="server-a")
    fired = await attach(hass, "leader_changed", device_id=kettle_device(hass, entry))
    lead(entry, leads=False, leader="server-b")
    await eventually(lambda: fired)
    assert fired[0]["change"] == "lost"
    assert fired[0]["leader"] == "server-b"
    assert fired[0]["kettle_id"] == "mash-tun"
    assert fired[0]["kettle"] == "Mash tun"
    assert fired[0]["device_id"] == kettle_device(hass, entry)
    lead(entry, leads=True, leader="server-a")
    await eventually(lambda: len(fired) == 2)
    assert fired[1]["change"] == "became_leader"


async def test_only_the_change_that_was_asked_for_fires(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    lead(entry, leads=True)
    fired = await attach(hass, "leader_changed", change="became_leader")
    lead(entry, leads=False)
    lead(entry, leads=True)
    await eventually(lambda: fired)
    assert [one["change"] for one in fired] == ["became_leader"]


# Alarms


async def test_an_alarm_fires_when_it_comes_and_not_for_having_stood(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.alarms = [alarm("disk_low")]
    entry = await set_up(hass, stub)
    await connected(entry)
    fired = await attach(hass, "alarm_raised")
    both = await attach(hass, "alarm_raised", change=["raised", "cleared"])
    stub.alarms = [alarm("disk_low"), alarm("probe_bad_temperature", "Plug.")]
    await eventually(lambda: fired and both)
    stub.alarms = [alarm("probe_bad_temperature", "Plug.")]
    await eventually(lambda: len(both) == 2)
    (only,) = fired
    assert (only["node_id"], only["node"]) == ("mash-a", "Node mash-a")
    assert (only["alarm_id"], only["text"], only["change"]) == (
        "probe_bad_temperature",
        "Plug.",
        "raised",
    )
    assert only["kettle_ids"] == ["mash-tun"]
    assert [(one["alarm_id"], one["change"]) for one in both] == [
        ("probe_bad_temperature", "raised"),
        ("disk_low", "cleared"),
    ]


async def test_alarms_of_other_kettles_nodes_do_not_fire(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    second.kettles = [{"kettle_id": "boil", "kettle_name": "Boil", "group": ["mash-b"]}]
    second.channels[0]["kettle_id"] = "boil"
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    fired = await attach(hass, "alarm_raised", device_id=[kettle_device(hass, entry)])
    every = await attach(hass, "alarm_raised")
    second.alarms = [alarm("disk_low")]
    await eventually(lambda: every)
    stub.alarms = [alarm("disk_full")]
    await eventually(lambda: fired)
    assert [one["alarm_id"] for one in fired] == ["disk_full"]


async def test_a_reload_neither_raises_an_alarm_again_nor_loses_the_next_one(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.alarms = [alarm("disk_low")]
    entry = await set_up(hass, stub)
    await connected(entry)
    fired = await attach(hass, "alarm_raised", change=["raised", "cleared"])
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connected(entry)
    stub.alarms = [alarm("disk_low"), alarm("disk_full")]
    await eventually(lambda: fired)
    assert [(one["alarm_id"], one["change"]) for one in fired] == [("disk_full", "raised")]


async def test_a_node_that_is_away_clears_no_alarm(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.alarms = [alarm("disk_low")]
    entry = await set_up(hass, stub)
    await connected(entry)
    fired = await attach(hass, "alarm_raised", change=["raised", "cleared"])
    stub.tokens.clear()
    stub.boot_id = "boot2"
    stub.announce()
    await eventually(lambda: not node_of(entry).connected, "away")
    stub.alarms = []
    stub.tokens.add(stub.data["token"])
    await connected(entry)
    await eventually(lambda: fired)
    assert [(one["alarm_id"], one["change"]) for one in fired] == [("disk_low", "cleared")]


# Latches


async def test_a_latch_fires_once_though_both_nodes_show_it(
    hass: HomeAssistant, stub: EdgeStub, second: EdgeStub
) -> None:
    entry = await set_up(hass, stub, second)
    await connected(entry, "mash-a", "mash-b")
    fired = await attach(hass, "latched")
    stub.parts = {"latches": [latch("safe"), latch("safe", "other")]}
    await eventually(lambda: fired)
    second.parts = {"latches": [latch("safe")]}
    await shown(entry, "mash-b", "safe")
    stub.parts = {"latches": []}
    await shown(entry, "mash-a")
    stub.parts = {"latches": [latch("safe")]}
    await shown(entry, "mash-a", "safe")
    stub.parts = {"latches": [latch("safe"), latch("no_rise")]}
    await eventually(lambda: len(fired) == 2)
    assert [(one["latch"], one["text"], one["node_id"]) for one in fired] == [
        ("safe", "Latched: safe.", "mash-a"),
        ("no_rise", "Latched: no_rise.", "mash-a"),
    ]


async def test_only_the_latches_asked_for_fire(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    fired = await attach(hass, "latched", latch="stuck_relay")
    stub.parts = {"latches": [latch("safe")]}
    await shown(entry, "mash-a", "safe")
    stub.parts = {"latches": [latch("safe"), latch("stuck_relay")]}
    await eventually(lambda: fired)
    assert [one["latch"] for one in fired] == ["stuck_relay"]


# Limits


async def sampled(entry: MockConfigEntry, stub: EdgeStub, value: float | None) -> None:
    """Wait until the kettle shows this sample."""
    stub.sample(value)
    kettle = entry.runtime_data.kettles["mash-tun"]
    await eventually(lambda: kettle.data.temperature.value == value, f"{value}")


async def test_a_limit_is_crossed_by_samples_and_an_unknown_value_is_none(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    about: dict[str, Any] = {"device_id": kettle_device(hass, entry), "value": 66.5}
    above = await attach(hass, "limit_crossed", direction="above", **about)
    below = await attach(hass, "limit_crossed", direction="below", **about)
    await sampled(entry, stub, 70.0)
    await sampled(entry, stub, None)
    await sampled(entry, stub, 60.0)
    await eventually(lambda: below)
    await sampled(entry, stub, None)
    await sampled(entry, stub, 66.5)
    await sampled(entry, stub, 66.6)
    await eventually(lambda: above)
    await sampled(entry, stub, 66.4)
    await sampled(entry, stub, 66.6)
    assert [(one["temperature"], one["value"], one["direction"]) for one in above] == [
        (66.6, 66.5, "above")
    ]
    assert [one["temperature"] for one in below] == [60.0]
    assert above[0]["unit_of_measurement"] == "°C"


async def test_a_limit_can_be_given_in_fahrenheit(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    fired = await attach(
        hass,
        "limit_crossed",
        device_id=kettle_device(hass, entry),
        direction="above",
        value=152,
        unit_of_measurement="°F",
        hysteresis=1,
    )
    for value in (66.0, 66.7):
        await sampled(entry, stub, value)
    await eventually(lambda: fired)
    assert fired[0]["temperature"] == 152.06
    assert fired[0]["unit_of_measurement"] == "°F"


async def test_a_limit_has_to_stay_crossed_for_as_long_as_was_asked(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    fired = await attach(
        hass,
        "limit_crossed",
        device_id=kettle_device(hass, entry),
        direction="above",
        value=66.5,
        **{"for": {"seconds": 1}},
    )
    await sampled(entry, stub, 60.0)
    began = time.monotonic()
    await sampled(entry, stub, 67.0)
    # No more samples: the timer has to look by itself.
    await eventually(lambda: fired)
    assert time.monotonic() - began >= 1
    assert fired[0]["temperature"] == 67.0


async def test_a_reload_ends_the_wait_for_a_limit(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    fired = await attach(
        hass,
        "limit_crossed",
        device_id=kettle_device(hass, entry),
        direction="above",
        value=66.5,
        **{"for": {"seconds": 2}},
    )
    for value in (60.0, 67.0):
        await sampled(entry, stub, value)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(2.1)
    assert fired == []
    assert await hass.config_entries.async_setup(entry.entry_id)
    await following(entry, stub)
    began = time.monotonic()
    await sampled(entry, stub, 67.1)
    await eventually(lambda: fired)
    assert time.monotonic() - began >= 2
    assert fired[0]["temperature"] == 67.1


# All of them


async def test_a_device_that_is_no_kettle_is_refused(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    node = device(hass, entry, node_identifier("mash-a"))
    assert node is not None
    for device_id in (node.id, "nothing"):
        with pytest.raises(Exception, match="no kettle of the brewery"):
            await attach(hass, "latched", device_id=device_id)


async def test_they_work_in_an_automation(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    events = async_capture_events(hass, "it_latched")
    assert await async_setup_component(
        hass,
        "automation",
        {
            "automation": {
                "triggers": [{"trigger": "smart_beer.latched"}],
                "actions": [{"event": "it_latched", "event_data": {"text": "{{ trigger.text }}"}}],
            }
        },
    )
    stub.parts = {"latches": [latch("safe")]}
    await eventually(lambda: events)
    assert events[0].data == {"text": "Latched: safe."}
