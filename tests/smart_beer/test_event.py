"""Events: what happens to a kettle is told once, and what stood before is not."""

from typing import TYPE_CHECKING, Any

from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event

from custom_components.smart_beer.const import DOMAIN
from tests.smart_beer.brewery import (
    add_node,
    call,
    connected,
    eventually,
    following,
    node_of,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import OutputStub, alarm, latch, latch_alarm, running_outputs

if TYPE_CHECKING:
    from homeassistant.core import Event, EventStateChangedData, HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

ALARMS = "kettle/mash-tun/alarms"
BOTH = [{"kettle_id": "mash-tun", "kettle_name": "Mash tun", "group": ["mash-a", "mash-b"]}]

type Told = list[tuple[str, dict[str, Any]]]


async def listen(hass: HomeAssistant) -> Told:
    """What the kettle's alarms tell from now on: types with what belongs to them."""
    await hass.async_block_till_done()
    told: Told = []
    entity_id = er.async_get(hass).async_get_entity_id("event", DOMAIN, ALARMS)
    assert entity_id

    @callback
    def hear(event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        assert new is not None
        if "unavailable" in (new.state, old.state if old else None):
            return
        if old is not None and new.state != old.state:
            hidden = {"event_type", "event_types", "friendly_name"}
            said = {key: val for key, val in new.attributes.items() if key not in hidden}
            told.append((new.attributes["event_type"], said))

    async_track_state_change_event(hass, entity_id, hear)
    return told


async def look(hass: HomeAssistant, entry: MockConfigEntry, node_id: str = "mash-a") -> None:
    await node_of(entry, node_id).live.async_look()
    await hass.async_block_till_done()


async def test_an_alarm_is_told_as_it_comes_is_seen_and_goes(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.alarms = [alarm("standing", "It was there before.")]
    entry = await set_up(hass, heated)
    await connected(entry)
    assert value_of(state_of(hass, "event", ALARMS)) == "unknown"
    told = await listen(hass)
    heated.alarms.append(alarm("probe_bad", "Look at the probe."))
    await look(hass, entry)
    await look(hass, entry)
    seen = {"by": "Ana", "note": "", "t": 3}
    heated.alarms = [alarm("probe_bad", "Look at the probe.", acknowledged=seen)]
    await look(hass, entry)
    heated.alarms = []
    await look(hass, entry)
    probe = {"alarm": "probe_bad", "text": "Look at the probe.", "node": "mash-a"}
    standing = {"alarm": "standing", "text": "It was there before.", "node": "mash-a"}
    assert told == [
        ("raised", probe),
        ("cleared", standing),
        ("acknowledged", {**probe, "by": "Ana"}),
        ("cleared", probe),
    ]


async def test_a_latch_is_told_as_a_latch_alone(hass: HomeAssistant, heated: OutputStub) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    told = await listen(hass)
    heated.parts["latches"] = [latch("no_rise"), latch("no_rise", "hlt")]
    heated.alarms = [latch_alarm("no_rise"), latch_alarm("no_rise", "hlt")]
    await look(hass, entry)
    heated.parts["latches"], heated.alarms = [], []
    await look(hass, entry)
    said = {
        "alarm": "no_rise_mash-tun",
        "latch": "no_rise",
        "text": "Latched: no_rise.",
        "node": "mash-a",
    }
    assert told == [("latched", said), ("unlatched", said)]


async def test_several_at_once_are_told_one_by_one(hass: HomeAssistant, heated: OutputStub) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    told = await listen(hass)
    heated.alarms = [alarm("b"), alarm("a")]
    heated.parts["latches"] = [latch("safe")]
    await look(hass, entry)
    assert [(kind, said["alarm"]) for kind, said in told] == [
        ("raised", "a"),
        ("raised", "b"),
        ("latched", "safe_mash-tun"),
    ]


async def test_what_a_node_still_says_when_it_is_back_is_no_news(
    hass: HomeAssistant, heated: OutputStub, quick: None
) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    told = await listen(hass)
    heated.alarms = [alarm("kept"), alarm("gone")]
    await look(hass, entry)
    del told[:]
    heated.answers["/v1/node"] = heated.refuse(500, "broken")
    heated.boot_id = "boot2"
    heated.sample(65.0)
    await eventually(lambda: not node_of(entry).connected, "it is away")
    await hass.async_block_till_done()
    assert value_of(state_of(hass, "event", ALARMS)) == "unavailable"
    heated.alarms = [alarm("kept"), alarm("new")]
    del heated.answers["/v1/node"]
    await eventually(lambda: node_of(entry).connected, "it is back")
    await hass.async_block_till_done()
    assert [(kind, said["alarm"]) for kind, said in told] == [
        ("raised", "new"),
        ("cleared", "gone"),
    ]


async def test_what_stood_at_a_node_before_it_was_added_is_no_news(
    hass: HomeAssistant, heated: OutputStub, socket_enabled: None
) -> None:
    heated.kettles = BOTH
    async with running_outputs(node_id="mash-b", kettles=BOTH, alarms=[alarm("old")]) as other:
        entry = await set_up(hass, heated)
        await connected(entry)
        told = await listen(hass)
        add_node(hass, entry, other)
        await hass.async_block_till_done()
        await connected(entry, "mash-b")
        other.alarms.append(alarm("new"))
        await look(hass, entry, "mash-b")
        assert [(kind, said["alarm"], said["node"]) for kind, said in told] == [
            ("raised", "new", "mash-b")
        ]


async def test_a_limit_is_told_when_it_is_crossed(hass: HomeAssistant, heated: OutputStub) -> None:
    entry = await set_up(hass, heated)
    await following(entry, heated)
    kettle = entry.runtime_data.kettles["mash-tun"]

    async def temperature(value: float | None) -> None:
        heated.sample(value)
        await eventually(
            lambda: kettle.data.temperature and kettle.data.temperature.value == value, f"{value}"
        )

    await temperature(65.0)
    await call(hass, "number", "set_value", "kettle/mash-tun/limit_high", value=70)
    await call(hass, "number", "set_value", "kettle/mash-tun/limit_low", value=60)
    told = await listen(hass)
    for value in (70.5, None, 71.0, 65.0, 59.5):
        await temperature(value)
        problem = state_of(hass, "binary_sensor", "kettle/mash-tun/heating_problem")
        assert value_of(problem) == ("off" if value == 65.0 else "on")
    assert told == [
        ("limit_high", {"value": 70.5, "limit": 70}),
        ("limit_low", {"value": 59.5, "limit": 60}),
    ]
