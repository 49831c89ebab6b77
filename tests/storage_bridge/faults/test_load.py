"""Under load: flushed, stopped, stepped, replayed by two, spoilt, moved and read all at once."""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest

from storage_bridge.model import HOUR_MS
from storage_bridge.records.model import DeadLetter

from .brewery import read_without_pause
from .conftest import MakeBrewery
from .nodes import Node, old_node
from .stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
DEATHS = 4  # of each task, as in dying_child


async def test_redis_is_flushed_under_load(stores: Stores, brewery: MakeBrewery) -> None:
    made = await brewery(Node("n"))
    bridge = await made.add_bridge()
    load = made.load()
    for fills in (1, 2):
        await made.until(partial(bridge.filled, fills), "hot was filled")
        await asyncio.sleep(1)
        with stores.redis.client() as client:
            client.flushall()
    await made.until(lambda: bridge.filled(3), "hot was filled again")
    load.cancel()
    await made.check()


async def test_a_bridge_is_stopped_in_the_middle_of_batches(brewery: MakeBrewery) -> None:
    made = await brewery(Node("n"), batch=50)
    bridge = await made.add_bridge(module="storage_bridge")
    load = made.load(50)
    for _ in range(2):
        await asyncio.sleep(1)
        await bridge.terminate()
        await bridge.start()
    load.cancel()
    await made.check()


async def test_every_task_of_a_bridge_dies_again_and_again(brewery: MakeBrewery) -> None:
    """None ends in silence: each is started again, and what it died of is told."""
    made = await brewery(Node("n"), batch=50)
    bridge = await made.add_bridge(module="tests.storage_bridge.faults.dying_child")
    load = made.load()

    async def all_have_died() -> bool:
        tasks = (await bridge.status())["tasks"]
        assert {"feed hot", "feed warm", "source", "archive"} <= set(tasks)
        return all(task["restarts"] >= DEATHS for task in tasks.values())

    async def all_live() -> bool:
        return all(task["running"] for task in (await bridge.status())["tasks"].values())

    await made.until(all_have_died, "every task has died")
    await made.until(all_live, "every task was started again")  # after its last wait
    load.cancel()
    await made.check()
    tasks = (await bridge.status())["tasks"]
    assert {task["died_of"] for task in tasks.values()} == {"TimeoutError: "}
    assert bridge.log().count("died and is started again") >= DEATHS * len(tasks)


async def test_the_clock_of_a_node_is_set_back_and_forth(brewery: MakeBrewery) -> None:
    """By whole hours and a bit: a node gives no time of a series twice."""
    node = Node("n", ago_ms=5 * HOUR_MS)
    made = await brewery(node)
    await made.add_bridge()
    for step in (-2 * HOUR_MS - 7, HOUR_MS - 11, 4 * HOUR_MS, -90_013):
        made.grow(150)
        await made.taken()
        node.step(step)
    made.grow(150)
    await made.check()
    async with made.tiers() as tiers:

        async def shows_the_newest() -> bool:
            newest = await tiers.hot.newest()
            return {last.seq for last in newest.values()} == {node.last - 1, node.last}

        # They follow the samples that the check has waited for.
        await made.until(shows_the_newest, "hot shows the newest")


async def test_two_bridges_replay_the_same_hour_at_once(brewery: MakeBrewery) -> None:
    made = await brewery(Node("n"), old_node(), batch=200)
    made.ha.grow("n", 3000)
    made.ha.grow("old", 300)
    await asyncio.gather(made.add_bridge(), made.add_bridge())
    await made.add_mover()
    made.grow(100)
    await made.check()
    outboxes = [(await bridge.status())["outbox"]["counters"] for bridge in made.bridges]
    assert [counters["samples"] for counters in outboxes] == [3500, 3500]


async def test_poison_records_are_put_aside_as_documents_and_the_rest_is_stored(
    stores: Stores, brewery: MakeBrewery
) -> None:
    """Also when MongoDB is away, and the bridge is killed before it is back."""
    made = await brewery(Node("n"), batch=100)
    bridge = await made.add_bridge()

    def spoil(message: dict[str, Any]) -> list[bytes]:
        event = message["event"]
        for row in event["samples"][::40]:
            key = (event["series"][row[2]], row[1])
            made.spoiled.add(key)
            row[3:5] = [["no number"], "ok"] if len(made.spoiled) % 2 else [1.0, "fine"]
        return [orjson.dumps(message)]

    made.ha.mangle = spoil
    made.grow(500)
    await made.check()
    await asyncio.to_thread(stores.kill, "mongo")
    made.grow(500)
    await made.taken()

    async def waiting() -> int:
        return int((await bridge.status())["letters"]["waiting"])

    async def some_wait() -> bool:
        return await waiting() > 5

    async def written() -> bool:
        return not await waiting()

    await made.until(some_wait, "letters wait for MongoDB")
    await bridge.kill()
    await bridge.start()
    await asyncio.to_thread(stores.start, "mongo")
    await made.check()
    await made.until(written, "every letter is a document")
    status = await bridge.status()
    assert len(made.spoiled) >= 25
    assert status["outbox"]["counters"]["dead_letters"] == len(made.spoiled)
    async with made.tiers() as tiers:
        letters = await tiers.warm.records.find(DeadLetter)
    assert sorted(orjson.loads(letter.record)[1] for letter in letters) == sorted(
        t for _, t in made.spoiled
    )
    assert {(letter.stage, letter.node_id) for letter in letters} == {("source", "n")}


async def test_readers_beside_two_movers_and_a_feeder_miss_nothing(brewery: MakeBrewery) -> None:
    made = await brewery(Node("n"), old_node())
    await made.add_bridge()
    made.ha.grow("n", 200)
    made.ha.grow("old", 600)
    await made.settled()
    floor, done = made.truth, asyncio.Event()
    whole: list[str] = []
    reading = asyncio.create_task(read_without_pause(made, floor, done, whole))

    async def read_often() -> bool:
        if reading.done():
            reading.result()  # says what it died of
        return len(whole) > 10

    await asyncio.gather(made.add_mover(), made.add_mover())
    load = made.load(20, 0.2)
    await asyncio.sleep(3)
    load.cancel()
    await made.settled()
    await made.until(read_often, "answers are whole")
    done.set()
    await reading
    await made.check()
