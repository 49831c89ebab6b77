"""Binary sensors of nodes and kettles."""

from typing import TYPE_CHECKING

from custom_components.smart_beer import coordinator as module
from tests.smart_beer.brewery import (
    connected,
    eventually,
    following,
    kettle_state,
    leading,
    node_of,
    node_state,
    set_up,
    state_of,
    value_of,
)
from tests.smart_beer.output_stub import OutputStub, latch, output, running_outputs

if TYPE_CHECKING:
    import pytest
    from homeassistant.core import HomeAssistant

    from tests.smart_beer.edge_stub import EdgeStub

LEADER = "kettle/mash-tun/leader"
PROBLEM = "kettle/mash-tun/heating_problem"
SITE = "brewery/site_leader"


async def test_connectivity_is_known_while_the_node_is_away_and_the_rest_is_not(
    hass: HomeAssistant, stub: EdgeStub
) -> None:
    stub.hang = {"/v1/node"}
    await set_up(hass, stub)
    assert value_of(node_state(hass, "connectivity")) == "off"
    assert value_of(node_state(hass, "alarm")) == "unavailable"
    assert value_of(node_state(hass, "clock_known")) == "unavailable"


async def test_an_alarm_is_on_with_its_text(
    hass: HomeAssistant, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    monkeypatch.setattr(module, "REFRESH_S", 0.1)
    stub.alarms = [{"id": "probe_bad", "since": 1, "text": "Probe does not answer."}]
    entry = await set_up(hass, stub)
    await connected(entry)
    await eventually(lambda: value_of(node_state(hass, "alarm")) == "on")
    state = node_state(hass, "alarm")
    assert state is not None
    assert state.attributes["alarms"] == stub.alarms
    stub.alarms = []
    await eventually(lambda: value_of(node_state(hass, "alarm")) == "off")
    assert value_of(node_state(hass, "clock_known")) == "on"
    assert value_of(node_state(hass, "connectivity")) == "on"


async def test_a_probe_problem_names_the_probe(hass: HomeAssistant, stub: EdgeStub) -> None:
    entry = await set_up(hass, stub)
    await following(entry, stub)
    stub.sample(65.0)

    def problem() -> str | None:
        return value_of(kettle_state(hass, "probe_problem", platform="binary_sensor"))

    await eventually(lambda: problem() == "off")
    stub.sample(None, quality="bad:empty")
    await eventually(lambda: problem() == "on")
    state = kettle_state(hass, "probe_problem", platform="binary_sensor")
    assert state is not None
    assert state.attributes["left_out"] == {"mash-a/temperature": "bad:empty"}


async def test_leader_is_on_while_this_server_leads(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    assert value_of(state_of(hass, "binary_sensor", SITE)) == "off"
    await leading(entry)
    state = state_of(hass, "binary_sensor", LEADER)
    assert state is not None
    assert state.state == "on"
    assert state.attributes["holder"] == "server-a"
    assert state.attributes["epoch"] > 0
    assert state.attributes["members_ok"] is True
    assert state.attributes["held"] == ["mash-a"]
    site = state_of(hass, "binary_sensor", SITE)
    assert site is not None
    assert (site.state, site.attributes["kettle"]) == ("on", "mash-tun")
    heated.foreign = "server-b"
    await eventually(lambda: value_of(state_of(hass, "binary_sensor", LEADER)) == "off", "lost")
    await eventually(
        lambda: (
            (site := state_of(hass, "binary_sensor", SITE)) is not None
            and (site.state, site.attributes["holder"]) == ("off", "server-b")
        ),
        "the other leads the site",
    )


async def test_the_site_is_led_by_who_leads_the_first_kettle_that_anybody_leads(
    hass: HomeAssistant, heated: OutputStub, socket_enabled: None
) -> None:
    kettles = [{"kettle_id": "a-fermenter", "kettle_name": "Fermenter", "group": ["other", "gone"]}]
    async with running_outputs(node_id="other", kettles=kettles) as other:
        entry = await set_up(hass, heated, other)
        await connected(entry, "other")
        await leading(entry)
        state = state_of(hass, "binary_sensor", SITE)
        assert state is not None  # nobody can lead the fermenter: it lacks a node
        assert (state.state, state.attributes["kettle"]) == ("on", "mash-tun")
        hass.config_entries.async_remove_subentry(entry, node_of(entry).subentry_id)
        await hass.async_block_till_done()
        state = state_of(hass, "binary_sensor", SITE)
        assert state is not None
        assert (state.state, state.attributes["kettle"]) == ("off", None)


async def test_a_problem_tells_its_reasons(hass: HomeAssistant, heated: OutputStub) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)

    async def reasons(**limits: str) -> list[str]:
        heated.parts["actuators"] = {
            name: {"desired": True, "actual": False, "limited_by": limits.get(name)}
            for name in ("heater", "pump")
        }
        await node_of(entry).live.async_look()
        state = state_of(hass, "binary_sensor", PROBLEM)
        assert state is not None
        assert state.state == ("on" if state.attributes["reasons"] else "off")
        found: list[str] = state.attributes["reasons"]
        return found

    assert await reasons() == []
    assert await reasons(heater="min_off", pump="power_budget") == []
    assert await reasons(heater="requires", pump="interlock") == ["interlock", "requires"]
    heated.parts["latches"] = [latch("over_temperature"), latch("safe", "hlt")]
    assert await reasons(heater="latched") == ["over_temperature"]
    state = state_of(hass, "binary_sensor", PROBLEM)
    assert state is not None
    assert state.attributes["latches"] == [
        {
            "node": "mash-a",
            "latch": "over_temperature",
            "since": 1,
            "text": "Latched: over_temperature.",
        }
    ]
    assert state.attributes["outputs"] == [
        {"node": "mash-a", "output": "heater", "limited_by": "latched"}
    ]


async def test_contacts_are_shown_as_their_node_reads_them(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    heated.describes(
        output("heater", contactor="main"),
        output("main", "contactor"),
        interlocks=(
            {"id": "lid", "name": "Lid", "kettle_id": "mash-tun"},
            {"id": "water", "name": "Cooling water", "kettle_id": None},
        ),
    )
    entry = await set_up(hass, heated)
    await connected(entry)

    def shown() -> list[str | None]:
        return [
            value_of(state_of(hass, "binary_sensor", one))
            for one in (
                "interlock/mash-a/lid",
                "interlock/mash-a/water",
                "node/mash-a/stop",
                "output/mash-a/main",
            )
        ]

    assert shown() == ["off", "off", "unknown", "off"]
    heated.parts |= {"interlocks": {"lid": False, "water": None}, "stop": True}
    heated.parts["actuators"]["main"] = {"desired": True, "actual": True, "limited_by": None}
    await node_of(entry).live.async_look()
    assert shown() == ["on", "unknown", "on", "on"]
    heated.parts |= {"interlocks": {"lid": True}, "stop": False}
    await node_of(entry).live.async_look()
    assert shown() == ["off", "unavailable", "off", "on"]
    assert state_of(hass, "switch", "output/mash-a/main") is None
    state = state_of(hass, "binary_sensor", "interlock/mash-a/lid")
    assert state is not None
    assert state.attributes["friendly_name"] == "Mash tun Lid"
    water = state_of(hass, "binary_sensor", "interlock/mash-a/water")
    assert water is not None
    assert water.attributes["friendly_name"] == "Node mash-a Cooling water"
