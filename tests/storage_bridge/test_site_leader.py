"""Only the bridge of the server that leads mirrors and archives."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from storage_bridge.app import Bridge
from storage_bridge.config import load
from storage_bridge.keeper import DAY_MS, SETTLING_EVERY_S, Keeper
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.site_leader import SiteLeader
from storage_bridge.tiers import embedded

from .bridge_files import write_config
from .fake_home_assistant import SITE_LEADER, FakeHomeAssistant
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

GRAVITY = "sensor.gravity"


def show(ha: FakeHomeAssistant, state: str, holder: str | None) -> None:
    """What the integration's sensor shows on that server."""
    ha.states.now[SITE_LEADER] = shown = {"s": state, "a": {"holder": holder}}
    for entity_ids, events in ha.states.listening:
        if SITE_LEADER in entity_ids:
            events.append({"c": {SITE_LEADER: {"+": shown}}})


def test_who_led_goes_on_until_another_one_leads() -> None:
    clock = [100.0]
    leader = SiteLeader(grace_s=60, now=lambda: clock[0])
    assert (leader.leads, leader.elsewhere) == (False, False), "nothing is known yet"
    clock[0] += 60
    assert leader.leads, "nobody leads here: nodes are only read, perhaps"
    leader.take("off", "server-b")
    assert (leader.leads, leader.elsewhere) == (False, True)
    for state in ("off", "unavailable", "unknown", None):
        leader.take(state, None)
        assert not leader.leads, "it has not become the leader by that"
    leader.take("on", "server-a")
    assert (leader.leads, leader.elsewhere) == (True, False)
    leader.take("unavailable", None)
    assert leader.leads


async def test_work_goes_on_only_while_this_server_leads() -> None:
    leader = SiteLeader()
    events: list[str] = []

    async def work() -> None:
        events.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    task = asyncio.create_task(leader.while_leading(work))
    leader.take("on", "a")
    await until(lambda: events == ["begun"], "it leads")
    leader.take("off", "b")
    await until(lambda: events == ["begun", "ended"], "it leads no more")
    leader.take("on", "a")
    await until(lambda: len(events) == 3, "again")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert events[3:] == ["ended"]


async def test_what_work_dies_of_is_seen() -> None:
    leader = SiteLeader(grace_s=0)

    async def work() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await leader.while_leading(work)


async def test_of_two_bridges_on_two_home_assistants_one_mirrors_and_they_change_over(
    tmp_path: Path,
) -> None:
    """Each has times of its own for the same state: both together would store it twice."""
    now = round(time.time() - 1000, 3)
    async with FakeHomeAssistant() as one, FakeHomeAssistant() as two, AsyncExitStack() as stack:
        bridges: list[Bridge] = []
        for n, ha in enumerate((one, two)):
            show(ha, "on" if n == 0 else "off", "server-0")
            ha.states.set(GRAVITY, "1.050", now + n / 1000)
            path = write_config(tmp_path / str(n), ha.url, mirror=[GRAVITY])
            bridge = Bridge(load(path))
            await bridge.start()
            stack.push_async_callback(bridge.stop)
            bridges.append(bridge)

        def mirrored(n: int) -> Any:
            return bridges[n].following.status()["mirror"]["counts"].get("samples", 0)

        await until(lambda: mirrored(0) == 1, "the leader's bridge mirrors")
        await until(lambda: bridges[1].following.leader.elsewhere, "the other one knows")
        assert (mirrored(1), (await bridges[1].status())["leads"]) == (0, False)
        show(one, "off", "server-1")
        show(two, "on", "server-1")
        await until(lambda: mirrored(1) == 1, "now the other one does")
        await until(lambda: bridges[0].following.leader.elsewhere, "and this one does not")
        await asyncio.sleep(1)
        for n, ha in enumerate((one, two)):
            ha.states.set(GRAVITY, "1.049", now + 10 + n / 1000)
        await until(lambda: mirrored(1) == 2, "the change is mirrored")
        await asyncio.sleep(0.5)
        assert mirrored(0) == 1, "once"


async def test_a_follower_archives_nothing_and_looks_again_soon(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    now = 1_790_000_000_000 // HOUR_MS * HOUR_MS
    elsewhere = [True]
    keeper = Keeper(
        tiers, hot_days=3, warm_days=30, elsewhere=lambda: elsewhere[0], clock=lambda: now
    )
    await keeper.open_now()
    try:
        await tiers.warm.write([Sample("a/t", now - 31 * DAY_MS, 1.0, "ok", None)])
        assert await keeper.archive_once() == SETTLING_EVERY_S
        assert await tiers.cold.count() == 0
        elsewhere[0] = False
        await keeper.archive_once()
        assert await tiers.cold.count() == 1
    finally:
        await tiers.warm.records.close()
        await tiers.close()
