"""The bridge learns which alarms stood, and who has seen them, also of the time it was away."""

from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.setup import async_setup_component

from custom_components.smart_beer import alarm_book
from custom_components.smart_beer.alarm_book import AlarmBook
from custom_components.smart_beer.bridge import async_create_bridge_token
from tests.smart_beer.brewery import connected, node_of, set_up
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.output_stub import OutputStub, alarm, latch, latch_alarm

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
    from pytest_homeassistant_custom_component.typing import WebSocketGenerator


@pytest.fixture(autouse=True)
async def before_the_web_server(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "smart_beer", {})


async def look(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await node_of(entry).live.async_look()
    await hass.async_block_till_done()


async def bridge_of(hass: HomeAssistant, hass_ws_client: WebSocketGenerator) -> BridgeClient:
    return BridgeClient(await hass_ws_client(hass, await async_create_bridge_token(hass)))


def told(event: dict[str, Any]) -> list[tuple[str, Any]]:
    assert event["node_id"] == "mash-a"
    assert event["t"] > 1_600_000_000_000
    return [(one["alarm_id"], one["acknowledged"]) for one in event["alarms"]]


async def test_alarms_come_with_their_kettle_and_batch_as_they_are_raised_seen_and_gone(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, heated: OutputStub
) -> None:
    heated.alarms = [alarm("disk_full", "Make room."), alarm("no_clock", since=None)]
    entry = await set_up(hass, heated)
    await connected(entry)
    bridge = await bridge_of(hass, hass_ws_client)
    assert (await bridge.call("smart_beer/alarms"))["success"]
    first = await bridge.event()
    assert first["past"] is False
    assert first["alarms"] == [
        {
            "alarm_id": "disk_full",
            "since": 1,
            "text": "Make room.",
            "kettle_id": "mash-tun",
            "batch_id": None,
            "acknowledged": None,
        }
    ]
    heated.parts["latches"] = [latch("dry_run", "boil-kettle")]
    heated.alarms = [latch_alarm("dry_run", "boil-kettle")]
    await look(hass, entry)
    (latched,) = (await bridge.event())["alarms"]
    assert (latched["alarm_id"], latched["kettle_id"]) == ("dry_run_boil-kettle", "boil-kettle")
    seen = {"by": "Ana", "note": "on my way", "t": 3}
    heated.alarms = [{**latch_alarm("dry_run", "boil-kettle"), "acknowledged": {**seen, "more": 1}}]
    await look(hass, entry)
    await look(hass, entry)
    assert told(await bridge.event()) == [("dry_run_boil-kettle", seen)]
    heated.alarms = []
    await look(hass, entry)
    assert told(await bridge.event()) == []
    assert await bridge.all_events() == []


async def test_a_bridge_that_was_away_hears_of_what_came_and_went_meanwhile(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    bridge = await bridge_of(hass, hass_ws_client)
    await bridge.call("smart_beer/alarms")
    assert told(await bridge.event()) == []
    await bridge._socket.close()
    heated.alarms = [alarm("probe_bad_temperature")]
    await look(hass, entry)
    heated.alarms = []
    await look(hass, entry)
    again = await bridge_of(hass, hass_ws_client)
    await again.call("smart_beer/alarms")
    events = [await again.event() for _ in range(3)]
    assert [(told(event), event["past"]) for event in events] == [
        ([], True),
        ([("probe_bad_temperature", None)], True),
        ([], False),
    ]
    assert await again.all_events() == []


async def test_people_who_are_no_admins_may_not_subscribe(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
    hass_read_only_user: MockUser,
) -> None:
    assert not hass_read_only_user.is_admin
    person = BridgeClient(await hass_ws_client(hass, hass_read_only_access_token))
    reply = await person.call("smart_beer/alarms")
    assert reply["error"]["code"] == "unauthorized"


def test_the_newest_page_of_a_quiet_node_outlives_those_of_a_restless_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarm_book, "KEPT", 3)
    book = AlarmBook()
    assert book.note("quiet", [{"alarm_id": "a"}], 1)
    assert book.note("quiet", [{"alarm_id": "a"}], 2) is None
    for t in range(3, 8):
        assert book.note("restless", [{"alarm_id": str(t)}], t)
    pages = [(page["node_id"], page["t"], past) for page, past in book.pages()]
    assert pages == [
        ("quiet", 1, False),
        ("restless", 5, True),
        ("restless", 6, True),
        ("restless", 7, False),
    ]
