"""Stores that take a write and do not say so, or have no room; an outbox without room."""

import asyncio
from functools import partial

import pytest

from .brewery import Brewery
from .conftest import MakeBrewery
from .nodes import Node, old_node
from .process import BridgeProcess
from .stores import NAMES, Stores, limit_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
HANGS_S = 3.0  # longer than a call may take


async def _made(brewery: MakeBrewery) -> tuple[Brewery, BridgeProcess]:
    made = await brewery(Node("n"), old_node())
    bridge = await made.add_bridge()
    await made.add_mover()
    made.grow(100)
    await made.taken()
    return made, bridge


async def test_stores_that_hang_in_the_middle_of_writes(
    stores: Stores, brewery: MakeBrewery
) -> None:
    """What they had received they still do when they go on: each such write is sent again."""
    made, bridge = await _made(brewery)
    load = made.load(10, 0.1)
    for _ in range(2):
        await asyncio.sleep(0.7)
        for name in NAMES:
            stores[name].pause()
        await asyncio.sleep(HANGS_S)
        taken = made.nodes[0].last
        await made.until(partial(made.is_taken, "n", taken), "the bridge takes samples")
        for name in NAMES:
            stores[name].resume()
    load.cancel()
    failures = (await bridge.status())["sinks"]["warm"]["failures"]
    assert failures, "no write was ever in doubt"
    await made.check()


@pytest.mark.parametrize("name", NAMES)
async def test_a_store_without_room(name: str, stores: Stores, brewery: MakeBrewery) -> None:
    """MongoDB and Cassandra end themselves over it, or have to be ended, and are started again."""
    made, bridge = await _made(brewery)
    await asyncio.to_thread(stores.take_room, name)
    made.grow(200)
    await made.taken()
    if name == "cassandra":
        await asyncio.sleep(2)  # only the mover writes there
    else:
        await made.until(bridge.alarmed, "the bridge says that the tier takes nothing")
    if name != "redis":
        await asyncio.to_thread(stores.kill, name)
        await asyncio.to_thread(stores.start, name)
    else:
        stores.give_room(name)
    made.grow(200)
    await made.check()


async def test_an_outbox_without_room_acknowledges_nothing(brewery: MakeBrewery) -> None:
    made, bridge = await _made(brewery)
    node = made.nodes[0]

    async def acknowledged() -> bool:
        return made.acked(node) == node.last

    await made.until(acknowledged, "what is taken is acknowledged")
    limit_files(bridge.pid, 4096)
    acked = made.acked(node)
    made.grow(500)

    async def failing() -> bool:
        return (await bridge.get("/healthz"))[0] == 503

    await made.until(failing, "the health check fails")
    assert (await bridge.status())["outbox"]["error"] is not None
    assert made.acked(node) == acked, "it acknowledged what it could not keep"
    limit_files(bridge.pid, None)
    made.grow(100)
    await made.check()
    assert (await bridge.get("/healthz"))[0] == 200
