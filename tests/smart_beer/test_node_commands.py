"""Commands to a node: what is sent, in which order, and what comes back."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from custom_components.smart_beer import command_errors, leadership, node_commands
from custom_components.smart_beer.exceptions import NodeTimeoutError
from custom_components.smart_beer.safe_stop import async_safe
from tests.smart_beer.brewery import connected, eventually, leading, node_of, set_up
from tests.smart_beer.leading import lead
from tests.smart_beer.output_stub import OutputStub, alarm, controller, latch, output

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from homeassistant.core import HomeAssistant
    from pytest_homeassistant_custom_component.common import MockConfigEntry

    from custom_components.smart_beer.coordinator import NodeCoordinator
    from tests.smart_beer.edge_stub import EdgeStub

HEATER, PUMP, MASH = "/v1/actuators/heater", "/v1/actuators/pump", "/v1/controllers/mash"


@pytest.fixture
async def led(
    hass: HomeAssistant, heated: OutputStub, monkeypatch: pytest.MonkeyPatch
) -> MockConfigEntry:
    """A brewery that leads a heater with its PID, and a pump."""
    monkeypatch.setattr(leadership, "TICK_S", 0.02)
    heated.describes(output("heater", control="power"), output("pump"), controllers=(controller(),))
    entry = await set_up(hass, heated)
    await connected(entry)
    await leading(entry)
    return entry


@pytest.fixture
def node(led: MockConfigEntry) -> NodeCoordinator:
    return node_of(led)


async def failure(call: Awaitable[Any]) -> HomeAssistantError:
    with pytest.raises(HomeAssistantError) as caught:
        await call
    return caught.value


@dataclass
class Stuck:
    """Commands to the pump have no answer: from `reached` on, until they are given up at `over`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
def pump(node: NodeCoordinator) -> Stuck:
    """A pump that does not answer, for as long as the test wants and not for seconds of a clock."""
    stuck, send = Stuck(), node.client.command

    async def command(method: str, path: str, body: Any, **more: Any) -> dict[str, Any]:
        if path != PUMP:
            return await send(method, path, body, **more)
        stuck.reached.set()
        await stuck.over.wait()
        raise NodeTimeoutError("no answer in time")

    node.client.command = command  # type: ignore[method-assign]
    return stuck


def refusing(stub: OutputStub, path: str, status: int, code: str, **detail: Any) -> None:
    stub.answers[path] = stub.refuse(status, code, **detail)


async def test_an_answer_is_what_the_node_says_and_is_seen_at_once(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    answer = await node.commands.output("heater", power=40)
    assert (answer.desired, answer.actual, answer.limited_by) == (40, 40, None)
    assert node.data.state is not None
    assert node.data.state.actuators["heater"].actual == 40
    assert heated.told(HEATER) == [{"power": 40, "max_on_s": 3600}]
    await node.commands.output("pump", on=True, max_on_s=60)
    assert heated.told(PUMP) == [{"state": True, "max_on_s": 60}]
    assert (await node.commands.output("pump", on=False)).actual == 0
    assert heated.told(PUMP)[1:] == [{"state": False}]
    with pytest.raises(ValueError, match="either"):
        await node.commands.output("pump")


async def test_every_command_has_the_header_of_the_leader_and_a_rising_seq(
    node: NodeCoordinator, heated: OutputStub, server_id: str
) -> None:
    for on in (True, False, True):
        await node.commands.output("pump", on=on)
    bodies = [body for _, body in heated.commands]
    seqs = [body["seq"] for body in bodies]
    assert seqs == sorted(set(seqs))
    assert len({body["cmd_id"] for body in bodies}) == 3
    assert {(body["server_id"], body["boot_id"]) for body in bodies} == {
        (server_id, heated.boot_id)
    }
    assert all(body["not_after_ms"] > heated.mono_ms for body in bodies)


async def test_a_setpoint_alone_keeps_the_mode_that_the_controller_has(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    await node.commands.controller("mash", setpoint=60)
    await node.commands.controller("mash", mode="auto", setpoint=66)
    await node.commands.controller("mash", setpoint=67)
    await node.commands.controller("mash", power=30)
    await node.commands.controller("mash", setpoint=68)
    assert heated.told(MASH) == [
        {"mode": "off", "setpoint": 60},
        {"mode": "auto", "setpoint": 66},
        {"mode": "auto", "setpoint": 67},
        {"mode": "manual", "power": 30},
        {"mode": "manual", "power": 30, "setpoint": 68},
    ]
    assert node.data.state is not None
    shown = node.data.state.controllers["mash"]
    assert (shown.mode, shown.setpoint) == ("manual", 68)


async def test_a_setpoint_given_while_the_controller_is_switched_off_heats_nothing(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    await node.commands.controller("mash", mode="auto", setpoint=66)
    off = asyncio.create_task(node.commands.output("heater", on=False))
    await asyncio.sleep(0)
    await node.commands.controller("mash", setpoint=70)
    await off
    assert heated.told(MASH)[1:] == [{"mode": "off", "setpoint": 70}]


async def test_off_goes_at_once_and_what_waited_for_the_same_output_is_dropped(
    node: NodeCoordinator, heated: OutputStub, pump: Stuck
) -> None:
    stuck = asyncio.create_task(node.commands.output("pump", on=True))
    await eventually(pump.reached.is_set, "the pump's command is under way")
    waiting = [
        asyncio.create_task(node.commands.output("heater", on=True)),
        asyncio.create_task(node.commands.controller("mash", mode="auto", setpoint=66)),
    ]
    await asyncio.sleep(0)
    assert (await node.commands.output("heater", on=False)).actual == 0
    assert not stuck.done()
    for task in waiting:
        assert (await failure(task)).translation_key == "superseded"
    pump.over.set()
    assert (await failure(stuck)).translation_key == "node_unreachable"
    assert heated.told(HEATER) == [{"state": False}]
    assert heated.told(MASH) == []


@pytest.mark.parametrize("kettle_id", ["mash-tun", None])
async def test_safe_goes_at_once_and_what_waited_to_heat_is_dropped(
    node: NodeCoordinator, heated: OutputStub, pump: Stuck, kettle_id: str | None
) -> None:
    stuck = asyncio.create_task(node.commands.output("pump", on=True))
    await eventually(pump.reached.is_set, "the pump's command is under way")
    waiting = asyncio.create_task(node.commands.output("heater", on=True))
    cleared = asyncio.create_task(node.commands.clear("mash-tun", "safe"))
    await asyncio.sleep(0)
    await node.commands.safe(kettle_id)
    assert node.data.state is not None
    assert [one.latch for one in node.data.state.latches] == ["safe"]
    assert (await failure(waiting)).translation_key == "superseded"
    assert not stuck.done()
    pump.over.set()
    await failure(stuck)
    await cleared
    assert heated.told(HEATER) == []


async def test_an_off_that_something_else_overtook_is_sent_again_as_the_same_command(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    bodies: list[dict[str, Any]] = []
    refusing(heated, HEATER, 409, "stale_seq", last_seq=99)
    send = node.client.command

    async def noted(method: str, path: str, body: Any, **more: Any) -> dict[str, Any]:
        bodies.append(body)
        if len(bodies) == 2:
            del heated.answers[HEATER]
        return await send(method, path, body, **more)

    node.client.command = noted  # type: ignore[method-assign]
    assert (await node.commands.output("heater", on=False)).actual == 0
    first, second = bodies
    assert first["cmd_id"] == second["cmd_id"]
    assert first["seq"] < second["seq"]


async def test_what_a_later_command_for_the_same_output_overtook_is_not_sent_again(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    refusing(heated, HEATER, 409, "stale_seq", last_seq=99)
    on = asyncio.create_task(node.commands.output("heater", on=True))
    await eventually(lambda: heated.paths(HEATER))
    off = asyncio.create_task(node.commands.output("heater", on=False))
    assert (await failure(on)).translation_key == "superseded"
    del heated.answers[HEATER]
    await off
    assert heated.told(HEATER) == [{"state": False}]


@pytest.mark.parametrize(
    ("status", "code", "detail", "key", "placeholders"),
    [
        (403, "not_leader", {"holder": "server-b"}, "not_leader", {"leader": "server-b"}),
        (403, "not_leader", {"holder": None}, "no_leader", {"kettle": "Mash tun"}),
        (403, "not_leader", {"holder": "override"}, "overridden", {"kettle": "Mash tun"}),
        (403, "scope", {}, "node_refused", {"node": "Node mash-a", "message": "no: scope"}),
        (410, "expired", {}, "command_expired", {"node": "Node mash-a"}),
        (412, "wrong_boot", {}, "node_refused", {"message": "no: wrong_boot"}),
        (423, "safety_latched", {"reason": "no_rise"}, "latched", {"output": "Heater"}),
        (422, "out_of_range", {"field": "power", "reason": "no"}, "out_of_range", {"reason": "no"}),
        (503, "not_stored", {}, "not_stored", {"node": "Node mash-a"}),
        (404, "unknown_output", {}, "unknown_output", {"output": "Heater"}),
        (500, "internal", {}, "node_refused", {"node": "Node mash-a"}),
    ],
)
async def test_a_refusal_is_told_in_the_users_language(
    node: NodeCoordinator,
    heated: OutputStub,
    status: int,
    code: str,
    detail: dict[str, Any],
    key: str,
    placeholders: dict[str, str],
) -> None:
    refusing(heated, HEATER, status, code, **detail)
    before = len(heated.paths("/v1/state"))
    caught = await failure(node.commands.output("heater", on=True))
    assert caught.translation_key == key
    assert caught.translation_placeholders is not None
    assert placeholders.items() <= caught.translation_placeholders.items()
    assert isinstance(caught, ServiceValidationError) == (key in command_errors._INVALID)
    await eventually(lambda: len(heated.paths("/v1/state")) > before, "the state is asked for")


async def test_a_latch_is_called_by_its_name(node: NodeCoordinator, heated: OutputStub) -> None:
    refusing(heated, HEATER, 423, "safety_latched", reason="over_temperature")
    caught = await failure(node.commands.output("heater", on=True))
    assert caught.translation_placeholders == {"output": "Heater", "latch": "Too hot"}
    heated.parts["latches"] = [latch("no_rise")]
    heated.lasting = {"no_rise"}
    caught = await failure(node.commands.clear("mash-tun", "no_rise"))
    assert caught.translation_key == "cause_lasts"
    assert caught.translation_placeholders is not None
    assert caught.translation_placeholders["cause"] == "no_rise lasts."


@pytest.mark.parametrize("permit", sorted(command_errors.LASTING))
async def test_accepted_but_kept_off_by_what_lasts_is_an_error(
    node: NodeCoordinator, heated: OutputStub, permit: str
) -> None:
    heated.limits["heater"] = permit
    for call in (
        node.commands.output("heater", on=True),
        node.commands.controller("mash", mode="auto", setpoint=66),
    ):
        assert (await failure(call)).translation_key == f"limited_{permit}"
    assert node.data.state is not None
    assert node.data.state.actuators["heater"].limited_by == permit


@pytest.mark.parametrize("permit", ["min_off", "min_on", "power_budget", "max_on", None])
async def test_accepted_and_kept_off_for_seconds_is_none(
    node: NodeCoordinator, heated: OutputStub, permit: str | None
) -> None:
    if permit:
        heated.limits["heater"] = permit
    assert (await node.commands.output("heater", on=True)).limited_by == permit


async def test_what_no_leader_may_do_is_not_sent(
    led: MockConfigEntry,
    node: NodeCoordinator,
    heated: OutputStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = len(heated.commands)

    async def key(**said: Any) -> str | None:
        lead(led, **said)
        return (await failure(node.commands.output("heater", on=True))).translation_key

    assert await key(leads=False) == "no_leader"
    assert await key(leads=False, leader="server-b") == "not_leader"
    assert await key(leads=False, leader="override") == "overridden"
    assert await key(leads=True, may_energise=False, energise_in_s=7.2) == "not_yet"
    assert len(heated.commands) == sent
    # Off needs no unanimity, and neither does a setpoint that heats nothing.
    await node.commands.output("heater", on=False)
    await node.commands.controller("mash", setpoint=60)
    assert len(heated.commands) == sent + 2

    fake = lead(led, leads=True)
    monkeypatch.setattr(fake, "command", lambda _node_id: None)
    caught = await failure(node.commands.output("heater", on=False))
    assert caught.translation_key == "not_held"


async def test_a_node_with_a_problem_may_switch_off_but_not_on(
    node: NodeCoordinator, led: MockConfigEntry
) -> None:
    lead(led, leads=True)
    node._checks.problem = "kettles_changed"
    caught = await failure(node.commands.output("heater", on=True))
    assert caught.translation_key == "node_problem"
    await node.commands.output("heater", on=False)


async def test_names_that_the_node_does_not_have_are_refused_here(node: NodeCoordinator) -> None:
    for call in (
        node.commands.output("boiler", on=True),
        node.commands.controller("sparge", mode="off"),
    ):
        assert (await failure(call)).translation_key == "unknown_output"


async def test_an_alarm_is_acknowledged_and_one_that_is_gone_is_unknown(
    node: NodeCoordinator, heated: OutputStub
) -> None:
    heated.alarms = [alarm("probe_bad_mash")]
    await node.commands.acknowledge("mash-tun", "probe_bad_mash", by="Ana", note="seen")
    assert node.data.state is not None
    assert node.data.state.alarms[0].acknowledged == {"by": "Ana", "note": "seen", "t": 2}
    refusing(heated, "/v1/alarms/gone/ack", 404, "unknown_alarm")
    caught = await failure(node.commands.acknowledge("mash-tun", "gone", by="Ana"))
    assert caught.translation_key == "unknown_alarm"


async def test_a_command_that_finds_no_end_of_those_before_it_is_told_so(
    node: NodeCoordinator, pump: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.create_task(node.commands.output("pump", on=True))
    await eventually(pump.reached.is_set, "the pump's command is under way")
    monkeypatch.setattr(node_commands, "PATIENCE_S", 0.05)
    caught = await failure(node.commands.output("heater", on=True))
    assert caught.translation_key == "command_expired"
    pump.over.set()
    assert (await failure(stuck)).translation_key == "node_unreachable"


@pytest.mark.parametrize("body", [{"desired": True}, {"desired": 1e9, "actual": 0}, {}])
async def test_an_answer_that_says_nothing_is_no_success(
    node: NodeCoordinator, heated: OutputStub, body: dict[str, Any]
) -> None:
    heated.answers[PUMP] = web.Response(
        body=json.dumps(body).encode(), content_type="application/json"
    )
    caught = await failure(node.commands.output("pump", on=True))
    assert caught.translation_key == "node_unreachable"


async def test_every_node_is_told_to_be_safe_whatever_another_says(
    hass: HomeAssistant, heated: OutputStub, second: EdgeStub
) -> None:
    second.kettles[0]["group"] = heated.kettles[0]["group"] = ["mash-a", "mash-b"]
    entry = await set_up(hass, heated, second)
    await connected(entry, "mash-a", "mash-b")
    told = await async_safe(entry.runtime_data.nodes.values(), "mash-tun")
    assert told["mash-a"] is None
    failed = told["mash-b"]
    assert failed is not None
    assert failed.translation_key in {"node_refused", "node_unreachable"}
    assert heated.told("/v1/safe") == [{"kettle_id": "mash-tun"}]
