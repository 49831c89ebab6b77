"""One node followed: what it says arrives, and whatever happens to it is shown and survived."""

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from custom_components.smart_beer import coordinator as module
from custom_components.smart_beer import node_clock
from custom_components.smart_beer.client import SmartBeerClient
from custom_components.smart_beer.const import LOGGER
from custom_components.smart_beer.readings import FRESH_S
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
from tests.smart_beer.edge_stub import EdgeStub, channel, running_stub

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

pytestmark = pytest.mark.usefixtures("quick")


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR and "smart_beer" in record.name
    ]


async def test_samples_arrive_live_from_the_end_of_the_spool(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    for _ in range(3):
        stub.sample(20.0)
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    stub.sample(65.0)
    await eventually(lambda: node.reading("temperature"))
    reading = node.reading("temperature")
    assert reading is not None
    assert reading.value == 65.0
    assert node.feed.last_seq == 4
    assert [len(page.samples) for page in node.feed.pages_since(0)] == [1]
    assert stub.paths("/v1/samples")[0].startswith("/v1/samples?after=3")
    assert "stream=1" in stub.paths("/v1/samples")[0]


async def test_a_node_without_streams_is_polled(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.streams = False
    entry = await set_up(hass, stub)
    await eventually(lambda: "stream" not in (stub.paths("/v1/samples") or ["stream"])[-1])
    stub.sample(65.0)
    await eventually(lambda: node_of(entry).reading("temperature"))
    assert node_of(entry).connected


async def test_a_stream_that_the_node_ends_is_taken_up_again_where_it_ended(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.stream_pages = 1
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    for value in range(5):
        stub.sample(60.0 + value)
        await eventually(lambda: node.feed.last_seq == stub.last_seq)
    assert len(stub.paths("/v1/samples")) >= 5
    assert node.feed.covers("spool1", 0)


async def test_only_news_reaches_the_listeners(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node, calls = node_of(entry), []
    stub.sample(65.0)
    await eventually(lambda: node.reading("temperature"))
    node.async_add_listener(lambda: calls.append(node.data.readings["temperature"].value))
    for _ in range(3):
        stub.sample(65.0)
    stub.sample(66.0)
    await eventually(lambda: node.feed.last_seq == stub.last_seq)
    assert calls == [66.0]


async def test_a_lost_node_is_logged_once_and_its_recovery_once(
    hass: HomeAssistant, stub: EdgeStub, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    asked = len(stub.paths("/v1/node"))
    stub.answers["/v1/node"] = stub.answers["/v1/samples"] = stub.refuse(503, "failing")
    stub.boot_id = "boot2"
    stub.sample(65.0)
    await eventually(lambda: not node.connected)
    assert value_of(node_state(hass, "connectivity")) == "off"
    await eventually(lambda: len(stub.paths("/v1/node")) > asked + 3)
    assert len(errors(caplog)) == 1
    stub.answers.clear()
    node.async_wake()
    await eventually(lambda: node.connected)
    assert value_of(node_state(hass, "connectivity")) == "on"
    assert caplog.text.count("Node mash-a answers again") == 1


async def test_after_a_short_absence_nothing_is_missing_in_the_feed(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    stub.sample(65.0)
    await eventually(lambda: node.feed.last_seq == 1)
    stub.boot_id = "boot2"  # a new process on the same spool
    for _ in range(50):
        stub.sample(66.0)
    await eventually(lambda: node.feed.last_seq == 51)
    assert node.feed.covers("spool1", 0)
    assert node.connected


async def test_after_a_long_absence_the_live_cursor_starts_at_the_end(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CATCH_UP_ROWS", 10)
    entry = await set_up(hass, stub)
    await following(entry, stub)
    node = node_of(entry)
    stub.answers["/v1/node"] = stub.refuse(503, "failing")
    stub.boot_id = "boot2"
    stub.sample(65.0)
    await eventually(lambda: not node.connected)
    for _ in range(50):
        stub.sample(66.0)
    stub.answers.clear()
    await eventually(lambda: node.connected)
    stub.sample(67.0)
    await eventually(lambda: node.feed.last_seq == 52)
    assert not node.feed.covers("spool1", 0)


async def test_an_old_sample_that_comes_late_is_not_the_present(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.channels = [channel("temperature"), channel("other")]
    entry = await set_up(hass, stub)
    await following(entry, stub)
    now = int(time.time() * 1000)
    stub.samples.append([1, now - 60_000, "mash-a/other", 20.0, "ok", None])
    stub.sample(65.0)
    node = node_of(entry)
    await eventually(lambda: node.reading("temperature"))
    assert node.reading("other") is None


async def test_a_channel_that_falls_silent_grows_stale(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.smart_beer.readings.FRESH_S", 0.3)
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)
    await eventually(lambda: node_of(entry).reading("temperature"))
    await eventually(lambda: node_of(entry).data.readings["temperature"].quality == "bad:stale")
    assert node_of(entry).connected
    assert value_of(kettle_state(hass, "temperature")) == "unknown"
    assert FRESH_S == 10.0


async def test_one_dead_node_does_not_hurt_another(hass: HomeAssistant, stub: EdgeStub) -> None:
    async with running_stub(node_id="mash-b") as dead:
        gone = replace(dead)
    entry = await set_up(hass, gone, stub)
    await following(entry, stub)
    stub.sample(65.0)
    await eventually(lambda: value_of(kettle_state(hass, "temperature")) == "65.0")
    assert not node_of(entry, "mash-b").connected


async def test_set_up_waits_for_no_node(hass: HomeAssistant, stub: EdgeStub) -> None:
    stub.hang = {"/v1/node", "/v1/state"}
    entry = await set_up(hass, stub)
    assert not node_of(entry).connected
    assert value_of(node_state(hass, "connectivity")) == "off"


async def test_a_fault_of_our_own_is_logged_and_the_loop_goes_on(
    hass: HomeAssistant,
    stub: EdgeStub,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(LOGGER, "exception", lambda text, *args: logged.append(text % args))
    entry = brewery_entry(hass, stub)
    broken = True

    async def node(self: Any) -> Any:
        if broken:
            raise RuntimeError("boom")
        return await original(self)

    original = SmartBeerClient.node
    monkeypatch.setattr(SmartBeerClient, "node", node)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await eventually(lambda: len(logged) > 1)
    assert "Following node mash-a failed" in logged[0]
    broken = False
    await connected(entry)


async def test_a_node_without_the_time_is_told_it_and_its_readings_are_shown_meanwhile(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.clock["known"] = False
    stub.readings = {"temperature": {"t": None, "value": 65.0, "quality": "ok"}}
    entry = await set_up(hass, stub)
    await connected(entry)
    reading = node_of(entry).reading("temperature")
    assert reading is not None
    assert reading.value == 65.0
    assert abs(stub.clock_set[0] - time.time() * 1000) < 60_000
    await eventually(lambda: value_of(node_state(hass, "clock_known")) == "on")
    assert len(stub.clock_set) == 1


async def test_a_time_that_is_plainly_wrong_is_not_passed_on(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_clock, "PLAUSIBLE_UTC_S", time.time() + 1e6)
    stub.clock["known"] = False
    entry = await set_up(hass, stub)
    await eventually(lambda: value_of(node_state(hass, "clock_known")) == "off")
    assert node_of(entry).connected
    assert stub.clock_set == []


async def test_a_read_only_token_does_not_keep_the_node_from_being_followed(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.clock["known"] = False
    stub.answers["/v1/clock"] = stub.refuse(403, "scope")
    entry = await set_up(hass, stub)
    await connected(entry)


async def test_an_announcement_cuts_the_wait_short(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 600.0)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 600.0)
    stub.answers["/v1/node"] = stub.refuse(503, "failing")
    entry = await set_up(hass, stub)
    await eventually(lambda: not node_of(entry).last_update_success, "it waits to try again")
    stub.answers.clear()
    node_of(entry).async_wake()
    await connected(entry)


async def test_a_refresh_by_hand_wakes_the_loop_and_changes_nothing_itself(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    entry = await set_up(hass, stub)
    await connected(entry)
    node = node_of(entry)
    before = node.data
    await node.async_refresh()
    assert node.data is before
    assert node.last_update_success
