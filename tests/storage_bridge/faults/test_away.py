"""Stores that are not there: at the start, for an hour, for three days; then nothing is missing."""

import asyncio

import pytest

from storage_bridge.keeper import DAY_MS

from .brewery import hours
from .conftest import MakeBrewery
from .nodes import Node, old_node
from .stores import NAMES, Stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
THREE_DAYS = 3 * 24 * 30


async def test_no_store_is_there_when_the_bridge_starts(
    stores: Stores, brewery: MakeBrewery
) -> None:
    stores.kill()
    node, old = Node("n"), old_node()
    made = await brewery(node, old)
    bridge = await made.add_bridge()
    mover = await made.add_mover()
    made.grow(400)
    await made.taken()
    assert sorted((await bridge.status())["tiers"]["closed"]) == ["cold", "hot", "warm"]
    await made.until(bridge.alarmed, "it says which tiers take nothing, and why")
    assert (await bridge.get("/healthz"))[0] == 200, "a store that is away is not the bridge's end"

    async def cold_is_missed() -> bool:
        return mover.failures("Cassandra") > 0

    for name in NAMES:
        if name == "cassandra":  # the last, away for the whole run
            await made.until(cold_is_missed, "the mover has only cold to wait for")
        await asyncio.to_thread(stores.start, name)
        made.grow(100)
    await made.check()

    async def well() -> bool:
        return not await bridge.alarmed()

    await made.until(well, "nothing is alarmed any more")


@pytest.mark.parametrize("names", [("redis",), ("mongo",), ("cassandra",), NAMES], ids="+".join)
async def test_a_store_is_away_for_an_hour(
    names: tuple[str, ...], stores: Stores, brewery: MakeBrewery
) -> None:
    """The hour is one of samples at 1 Hz that come while it is away."""
    node, old = Node("n", ago_ms=DAY_MS), old_node()
    made = await brewery(node, old)
    await made.add_bridge()
    await made.add_mover()
    made.grow(200)
    await made.taken()
    stores.kill(*names)
    made.ha.grow("n", hours(1))
    made.ha.grow("old", 200)
    await made.taken()
    await asyncio.to_thread(stores.start, *names)
    made.grow(200)
    await made.check()


async def test_hot_and_warm_are_away_for_three_days(stores: Stores, brewery: MakeBrewery) -> None:
    """At a sample every two minutes, the oldest of them as old as hot keeps any."""
    node = Node("n", ago_ms=3 * DAY_MS, step_ms=120_000, channels=1)
    made = await brewery(node)
    bridge = await made.add_bridge()
    made.grow(20)
    await made.settled()
    stores.kill("redis", "mongo")
    made.grow(THREE_DAYS - 40)
    await made.taken()

    async def kept() -> bool:
        outbox = (await bridge.status())["outbox"]
        return bool(outbox["samples"] >= THREE_DAYS - 40 and outbox["unacknowledged"] == 0)

    await made.until(kept, "the outbox has all that the two lack")
    await asyncio.to_thread(stores.start, "redis", "mongo")
    made.grow(20)
    await made.check()
