"""The leadership of a kettle inside Home Assistant, with nodes that a test answers for."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CoreState

from custom_components.smart_beer import leadership as module
from custom_components.smart_beer.exceptions import NodeTimeoutError
from custom_components.smart_beer.leadership import KettleLeadership
from custom_components.smart_beer.leaderships import LEADERSHIPS, async_leaderships
from custom_components.smart_beer.lease_messages import RESIDUES, members_hash, residue
from tests.smart_beer.brewery import connected, eventually, leading, set_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from homeassistant.core import HomeAssistant

    from tests.smart_beer.output_stub import OutputStub

KETTLE, SERVER, SESSION = "mash-tun", "server-a", "session-1"
NOBODY: dict[str, Any] = {"holder": None, "epoch": None, "expires_in_ms": 0}


@dataclass
class Witness:
    """A node's side of the lease: it grants unless told otherwise."""

    group: tuple[str, ...]
    status: int = 200  # of everything
    holder: dict[str, Any] = field(default_factory=lambda: dict(NOBODY))
    silent: bool = False
    broken: Any = None  # raised, or returned as the whole reply
    asked: list[tuple[str, Any]] = field(default_factory=list)
    boot_id: str = "boot1"
    mono_ms: int = 1_000

    async def lease(
        self, ask: str, kettle_id: str, body: Mapping[str, Any] | None, *, limit: float
    ) -> dict[str, Any]:
        assert kettle_id == KETTLE
        assert limit == 1
        self.asked.append((ask, body))
        self.mono_ms += 10
        await asyncio.sleep(0)
        if self.silent:
            raise NodeTimeoutError("no answer")
        if isinstance(self.broken, Exception):
            raise self.broken
        if self.broken is not None:
            return dict(self.broken)
        if ask in {"acquire", "renew"} and self.status == 200:
            assert body is not None
            self.holder = {
                "holder": body["server_id"],
                "epoch": body["epoch"],
                "expires_in_ms": 10_000,
            }
        elif ask == "release":
            self.holder = dict(NOBODY)
        lease = {
            **self.holder,
            "promised_epoch": self.holder["epoch"],
            "quarantine_ms": 0,
            "override_ms": 0,
            "members_hash": members_hash(self.group),
        }
        envelope = {"status": self.status, "boot_id": self.boot_id, "mono_ms": self.mono_ms}
        if self.status == 200:
            return {**lease, **envelope}
        return {"error": {"code": "x", "message": "no", "detail": lease}, **envelope}

    def bodies(self, ask: str) -> list[Any]:
        return [body for asked, body in self.asked if asked == ask]


class Kettle:
    """A kettle's leadership and the nodes it asks."""

    def __init__(self, hass: HomeAssistant, *node_ids: str) -> None:
        self.nodes = {node_id: Witness(node_ids) for node_id in node_ids}
        self.reference: dict[str, Any] | None = None
        self.leadership = KettleLeadership(
            hass, KETTLE, members=node_ids, server_id=SERVER, session=SESSION
        )

    def attach(self, members: Iterable[str] | None = None) -> None:
        self.leadership.async_attach(
            members=tuple(self.nodes if members is None else members),
            client=self.nodes.get,  # type: ignore[arg-type]
            reference=lambda: self.reference,
        )

    async def leads(self, *, nodes: int | None = None) -> None:
        want = len(self.nodes) if nodes is None else nodes
        await eventually(lambda: len(self.leadership.held) >= want and self.leadership.leads)


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)


@pytest.fixture
async def kettle(hass: HomeAssistant) -> AsyncIterator[Kettle]:
    kettle = Kettle(hass, "mash-a", "mash-b", "mash-c")
    yield kettle
    await kettle.leadership.async_stop()


async def test_it_takes_all_nodes_and_says_so(kettle: Kettle) -> None:
    told: list[bool] = []
    leadership = kettle.leadership
    end = leadership.async_add_listener(lambda: told.append(leadership.leads))
    assert not told
    assert kettle.leadership.leader is None
    assert kettle.leadership.epoch == 0
    assert kettle.leadership.energise_in_s is None
    assert leadership.command("mash-a") is None
    kettle.attach()
    await kettle.leads()
    assert told[-1] is True
    assert leadership.leader == SERVER
    assert leadership.may_energise
    assert leadership.energise_in_s == 0
    assert leadership.members_agree
    assert not leadership.twin
    assert leadership.epoch % RESIDUES == residue(SERVER, SESSION)
    assert all(0 < left <= 10 for left in leadership.held.values())
    command = leadership.command("mash-b")
    assert command is not None
    assert (command.server_id, command.epoch) == (SERVER, leadership.epoch)
    assert leadership.command("not-a-member") is None
    end()
    end()
    count = len(told)
    await leadership.async_stop()
    assert len(told) == count


async def test_without_a_third_node_it_leads_but_may_not_heat_yet(kettle: Kettle) -> None:
    kettle.nodes["mash-c"].silent = True
    kettle.attach()
    await kettle.leads(nodes=2)
    assert not kettle.leadership.may_energise
    wait = kettle.leadership.energise_in_s
    assert wait is not None
    assert 5 < wait <= 12.3
    assert kettle.leadership.command("mash-c") is None


async def test_a_renewal_carries_the_reference_of_that_moment(
    kettle: Kettle, monkeypatch: pytest.MonkeyPatch
) -> None:
    kettle.attach()
    await kettle.leads()
    kettle.reference = {"value": 66.1, "t": 1, "probes": ["mash-a/temperature"]}
    await eventually(lambda: kettle.nodes["mash-a"].bodies("renew"), "renewed")
    body = kettle.nodes["mash-a"].bodies("renew")[-1]
    assert body["reference"] == kettle.reference
    assert body["echo"]["boot_id"] == "boot1"
    assert "reference" not in kettle.nodes["mash-a"].bodies("acquire")[0]


async def test_a_follower_never_asks_for_what_another_holds(kettle: Kettle) -> None:
    for node in kettle.nodes.values():
        node.holder = {"holder": "server-b", "epoch": 5 * RESIDUES, "expires_in_ms": 10_000}
    kettle.attach()
    await eventually(lambda: kettle.leadership.leader == "server-b")
    await asyncio.sleep(0.1)
    assert not any(node.bodies("acquire") for node in kettle.nodes.values())
    assert not kettle.leadership.leads


async def test_nodes_that_list_other_members_are_not_led(kettle: Kettle) -> None:
    kettle.nodes["mash-b"].group = ("mash-a", "mash-b")
    kettle.attach()
    await eventually(lambda: not kettle.leadership.members_agree)
    await asyncio.sleep(0.1)
    assert not kettle.leadership.leads


async def test_it_contends_only_while_home_assistant_runs(
    hass: HomeAssistant, kettle: Kettle
) -> None:
    hass.set_state(CoreState.starting)
    kettle.attach()
    await eventually(lambda: all(node.bodies("status") for node in kettle.nodes.values()))
    await asyncio.sleep(0.1)
    assert not kettle.leadership.leads
    hass.set_state(CoreState.running)
    await kettle.leads()


async def test_at_rest_it_asks_nothing_and_takes_up_what_it_held(kettle: Kettle) -> None:
    kettle.attach()
    await kettle.leads()
    epoch = kettle.leadership.epoch
    kettle.leadership.async_detach()
    await asyncio.sleep(0.05)
    asked = [len(node.asked) for node in kettle.nodes.values()]
    await asyncio.sleep(0.1)
    assert [len(node.asked) for node in kettle.nodes.values()] == asked
    assert kettle.leadership.leads, "the leases run on"
    kettle.attach()
    await eventually(lambda: kettle.nodes["mash-a"].bodies("renew"))
    assert kettle.leadership.epoch == epoch


async def test_other_members_are_taken_after_the_kettle_is_released(kettle: Kettle) -> None:
    kettle.attach()
    await kettle.leads()
    epoch = kettle.leadership.epoch
    for node in kettle.nodes.values():
        node.group = ("mash-a", "mash-b")
    kettle.attach(["mash-b", "mash-a"])
    await eventually(lambda: kettle.leadership.members == ("mash-a", "mash-b"))
    await kettle.leads(nodes=2)
    assert [body["epoch"] for body in kettle.nodes["mash-c"].bodies("release")] == [epoch]
    assert kettle.leadership.epoch > epoch


async def test_stopping_releases_every_node_for_good(kettle: Kettle) -> None:
    kettle.attach()
    await kettle.leads()
    kettle.nodes["mash-b"].silent = True
    await kettle.leadership.async_stop()
    assert all(node.bodies("release") for node in kettle.nodes.values())
    assert not kettle.leadership.leads
    assert kettle.leadership.command("mash-a") is None


@pytest.mark.parametrize(
    "broken",
    [
        {"status": 404, "boot_id": "b", "mono_ms": 1, "error": {"detail": {}}},
        {"status": 200},
        {"status": 409, "error": "no"},
    ],
)
async def test_what_is_no_reply_about_a_lease_counts_for_nothing(
    kettle: Kettle, broken: dict[str, Any]
) -> None:
    for node in kettle.nodes.values():
        node.broken = broken
    kettle.attach()
    await eventually(lambda: all(node.bodies("status") for node in kettle.nodes.values()))
    await asyncio.sleep(0.1)
    assert not any(node.bodies("acquire") for node in kettle.nodes.values())
    for node in kettle.nodes.values():
        node.broken = None
    await kettle.leads()


async def test_a_node_that_cannot_be_reached_from_here_is_not_asked(kettle: Kettle) -> None:
    gone = kettle.nodes.pop("mash-c")
    kettle.attach(["mash-a", "mash-b", "mash-c"])
    await kettle.leads(nodes=2)
    assert gone.asked == []


@pytest.mark.no_fail_on_log_exception
async def test_a_fault_of_ours_costs_the_lease_and_not_the_task(
    kettle: Kettle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)
    kettle.nodes["mash-a"].broken = RuntimeError("a bug")
    due = kettle.leadership._core.due
    calls = 0

    def failing(now: int, *, fit: bool) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("another bug")
        return due(now, fit=fit)

    monkeypatch.setattr(kettle.leadership._core, "due", failing)
    kettle.attach()
    await kettle.leads(nodes=2)
    assert "could not be looked after" in caplog.text
    assert "a bug" in caplog.text


async def test_leaderships_are_one_for_a_start_of_home_assistant(hass: HomeAssistant) -> None:
    leaderships = await async_leaderships(hass)
    assert await async_leaderships(hass) is leaderships
    assert leaderships.session
    one = leaderships.async_get(KETTLE, ["mash-a"])
    assert leaderships.async_get(KETTLE, ["mash-b"]) is one
    leaderships.async_drop(KETTLE)
    leaderships.async_drop(KETTLE)
    assert leaderships.async_get(KETTLE, ["mash-a"]) is not one


async def test_a_reload_keeps_epoch_and_session_and_a_stop_releases(
    hass: HomeAssistant, heated: OutputStub
) -> None:
    entry = await set_up(hass, heated)
    await connected(entry)
    kettle = await leading(entry)
    assert kettle.leadership is not None
    epoch, session = kettle.leadership.epoch, hass.data[LEADERSHIPS].session
    assert await hass.config_entries.async_reload(entry.entry_id)
    again = await leading(entry)
    assert again is not kettle
    assert again.leadership is kettle.leadership
    assert again.leadership.epoch == epoch
    assert hass.data[LEADERSHIPS].session == session
    assert heated.lease["holder"] == "server-a"
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await eventually(lambda: heated.lease["holder"] is None)
    assert not again.data.leading


async def test_disabling_releases_and_removing_does_so_before_the_token_is_given_back(
    hass: HomeAssistant, heated: OutputStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 30.0)  # the node is waited for, however slow we are
    entry = await set_up(hass, heated)
    await connected(entry)
    await leading(entry)
    await hass.config_entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    assert heated.lease["holder"] is None
    await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
    await leading(entry)
    heated.requests.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    said = [path for method, path in heated.requests if method in {"POST", "DELETE"}]
    assert said.index("/v1/lease/release") < said.index("/v1/pair")
