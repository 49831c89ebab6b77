"""Stores that take a write and do not say so, or have no room; an outbox without room."""

import asyncio
import contextlib
import time
from functools import partial

import pytest

from storage_bridge.codec import Chunk
from storage_bridge.config_tiers import WARM_DAYS
from storage_bridge.keeper import DAY_MS
from storage_bridge.mover import Mover
from storage_bridge.tiers import Tiers
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_settings import MongoSettings

from .brewery import FAR, Brewery
from .conftest import MakeBrewery
from .nodes import Node, old_node
from .process import BridgeProcess
from .stores import NAMES, Stores, limit_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CALL_S = 2.0  # how long a call to a store may take, as in the bridge of these tests


async def _made(brewery: MakeBrewery) -> tuple[Brewery, BridgeProcess]:
    made = await brewery(Node("n"), old_node())
    bridge = await made.add_bridge()
    made.grow(100)
    await made.taken()
    return made, bridge


async def _failed(bridge: BridgeProcess, sink: str, before: int = 0) -> bool:
    """Whether more writes than that into hot or warm have failed."""
    return bool((await bridge.status())["sinks"][sink]["failures"] > before)


async def _move(tiers: Tiers) -> None:
    mover = Mover(tiers.warm, tiers.cold, keep_ms=WARM_DAYS * DAY_MS, settle_s=0.2)
    while True:
        with contextlib.suppress(TierUnavailableError):
            await mover.run_pass(time.time_ns() // 1_000_000)
        await asyncio.sleep(0.1)


async def test_stores_that_hang_in_the_middle_of_writes(
    stores: Stores, brewery: MakeBrewery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they had received they may still do when they go on: each such write is sent again.

    All hang at the moment at which a mover sends a chunk, while hot and warm are written to.
    """
    made, bridge = await _made(brewery)
    for settings in (CassandraSettings, MongoSettings):
        defaults = settings.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "timeout_s", CALL_S)
    async with made.tiers() as tiers:
        write = tiers.cold.write_chunk
        hang = asyncio.Event()
        given_up: list[Chunk] = []

        async def write_or_hang(chunk: Chunk) -> None:
            if not hang.is_set():
                await write(chunk)
                return
            hang.clear()
            for name in NAMES:
                stores[name].pause()
            try:
                await write(chunk)
            except TierUnavailableError:
                given_up.append(chunk)
                raise

        monkeypatch.setattr(tiers.cold, "write_chunk", write_or_hang)
        load, moving = made.load(10, 0.1), asyncio.create_task(_move(tiers))

        async def is_given_up(times: int) -> bool:
            if moving.done():
                moving.result()  # says what it died of
            return len(given_up) == times

        for times in (1, 2):
            sinks = (await bridge.status())["sinks"]
            hang.set()
            await made.until(partial(is_given_up, times), "a write to cold is given up")
            for name in ("hot", "warm"):
                failed = partial(_failed, bridge, name, sinks[name]["failures"])
                await made.until(failed, f"a write to {name} is given up")
            taken = made.nodes[0].last
            await made.until(partial(made.is_taken, "n", taken), "the bridge takes samples")
            for name in NAMES:
                stores[name].resume()
        load.cancel()
        moving.cancel()
        await asyncio.wait([moving])
    await made.add_mover()
    await made.check()


@pytest.mark.parametrize("name", NAMES)
async def test_a_store_without_room(name: str, stores: Stores, brewery: MakeBrewery) -> None:
    """MongoDB and Cassandra end themselves over it, or have to be ended, and are started again."""
    made, bridge = await _made(brewery)
    mover = await made.add_mover()
    await asyncio.to_thread(stores.take_room, name)
    load = made.load(10, 0.1)

    async def refused() -> bool:
        if name == "cassandra":  # only the mover writes there
            return mover.failures("Cassandra") > 0
        return await _failed(bridge, "hot" if name == "redis" else "warm")

    await made.until(refused, f"{name} takes nothing")
    taken = made.nodes[0].last
    await made.until(partial(made.is_taken, "n", taken), "the bridge takes samples")
    if name != "cassandra":
        await made.until(bridge.alarmed, "the bridge says that the tier takes nothing")
        lacks = "hot" if name == "redis" else "warm"

        async def told() -> bool:
            _, page = await bridge.get(f"/v1/samples?series=n/none&start=0&end={FAR}")
            return lacks in {missing["tier"] for missing in page["partial"]}

        await made.until(told, "an answer says that it may lack what was taken")
    load.cancel()
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

    async def told() -> bool:
        return (await bridge.status())["outbox"]["error"] is not None

    await made.until(failing, "the health check fails")
    await made.until(told, "it says why")
    assert made.acked(node) == acked, "it acknowledged what it could not keep"
    limit_files(bridge.pid, None)
    made.grow(100)
    await made.check()
    assert (await bridge.get("/healthz"))[0] == 200
