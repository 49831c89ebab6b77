"""A MongoDB that is away, hangs, asks for a password or is killed: nothing acknowledged is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from storage_bridge.backoff import Backoff
from storage_bridge.model import MINUTE_MS, Sample
from storage_bridge.records.model import Batch
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import Driver, MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from tests.storage_bridge.generated import HOUR
from tests.storage_bridge.servers import free_port
from tests.storage_bridge.servers.mongo import MongoServer
from tests.storage_bridge.waiting import answered

DRIVERS: tuple[Driver, ...] = ("motor", "pymongo")
ROW = Sample("n/0", HOUR, 1.0, "ok", None)
RETRY = Backoff(base=0.1, cap=1.0)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """One that a test may treat badly, and gives back running."""
    server = MongoServer(tmp_path_factory.mktemp("mongo") / "own")
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    return cast("Driver", request.param)


@pytest.fixture
async def warm(own_server: MongoServer, driver: Driver) -> AsyncIterator[MongoWarm]:
    settings = MongoSettings(url=own_server.url, driver=driver, database=driver, timeout_s=2.0)
    made = MongoWarm(Mongo(settings))
    await answered(made.open)
    yield made
    await made.close()


def rows_of(batch: int) -> list[Sample]:
    """Batch by batch, ten seconds of ten series."""
    start = HOUR + batch * 10_000
    return [
        Sample(f"n/{i}", start + t * 1000, batch + t / 16, "ok", "b1")
        for i in range(10)
        for t in range(10)
    ]


async def test_a_server_that_is_not_there_is_named_and_found_when_it_comes(
    driver: Driver, tmp_path: Path
) -> None:
    url = f"mongodb://127.0.0.1:{free_port()}/"
    warm = MongoWarm(Mongo(MongoSettings(url=url, driver=driver, timeout_s=0.5)))
    with pytest.raises(TierUnavailableError, match=r"MongoDB at 127\.0\.0\.1:\d+ \(database"):
        await warm.open()
    with pytest.raises(TierUnavailableError, match="is not open"):
        await warm.write([ROW])
    await warm.close()


@pytest.mark.real_time
async def test_reads_of_a_server_that_went_away_fail_within_seconds_and_work_when_it_is_back(
    driver: Driver, tmp_path: Path
) -> None:
    """Whatever a write may take: somebody waits for these."""
    server = MongoServer(tmp_path / "gone")
    server.start()
    warm = MongoWarm(Mongo(MongoSettings(url=server.url, driver=driver, timeout_s=60.0)))
    try:
        await warm.open()
        await warm.write([ROW])
        server.kill()
        async with asyncio.timeout(60):
            while warm._mongo._client.topology_description.has_readable_server():
                await asyncio.sleep(0.05)
        began = time.monotonic()
        for question in (warm.series(), warm.read("n/0", 0, HOUR), warm.records.find(Batch)):
            with pytest.raises(TierUnavailableError, match=r"MongoDB at 127\.0\.0\.1:.*[^.]\.$"):
                await question
        assert time.monotonic() - began < 30
        server.start()
        assert await answered(partial(warm.read, "n/0", HOUR, HOUR + 1)) == [ROW]
    finally:
        await warm.close()
        server.kill()


@pytest.mark.real_time
async def test_a_server_that_hangs_fails_each_call_in_time_and_the_loop_goes_on(
    own_server: MongoServer, warm: MongoWarm
) -> None:
    await answered(partial(warm.write, [ROW]))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.05)

    ticking = asyncio.create_task(tick())
    own_server.pause()
    try:
        calls = (warm.write([ROW]), warm.read("n/0", 0, HOUR), warm.count(), warm.series())
        async with asyncio.timeout(60):
            results = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        own_server.resume()
        ticking.cancel()
    for result in results:
        assert isinstance(result, TierUnavailableError)
        assert "MongoDB at" in str(result)
    assert ticks > 10
    await answered(partial(warm.write, [ROW]))
    assert await answered(partial(warm.read, "n/0", HOUR, HOUR + 1)) == [ROW]


async def until_written(warm: MongoWarm, rows: list[Sample]) -> None:
    """As the feeder does it."""
    attempt = 0
    while True:
        try:
            await warm.write(rows)
        except TierUnavailableError:
            await asyncio.sleep(RETRY.wait(attempt))
            attempt += 1
        else:
            return


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_server_killed_while_two_bridges_write_has_all_it_acknowledged(
    own_server: MongoServer, tmp_path: Path
) -> None:
    bridges = [
        MongoWarm(
            Mongo(
                MongoSettings(url=own_server.url, driver=driver, database="killed", timeout_s=5.0)
            )
        )
        for driver in DRIVERS
    ]
    for bridge in bridges:
        await answered(bridge.open)
    acknowledged: set[int] = set()
    batches = 90

    async def feed(bridge: MongoWarm) -> None:
        for batch in range(batches):
            await until_written(bridge, rows_of(batch))
            acknowledged.add(batch)

    async def kill() -> None:
        for enough in (15, 40, 65):
            while len(acknowledged) < enough:
                await asyncio.sleep(0.01)
            before = set(acknowledged)
            await asyncio.to_thread(own_server.kill)
            # What was acknowledged up to the very moment of the kill.
            before |= acknowledged
            await asyncio.to_thread(own_server.start)
            found = set()
            for i in range(10):
                found |= set(await read(bridges[0], f"n/{i}"))
            lost = [row for batch in before for row in rows_of(batch) if row not in found]
            assert lost == []

    async def read(bridge: MongoWarm, series: str) -> list[Sample]:
        return await answered(partial(bridge.read, series, 0, 2 * HOUR))

    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for bridge in bridges:
            group.create_task(feed(bridge))
        group.create_task(kill())
    truth = sorted(row for batch in range(batches) for row in rows_of(batch))
    stored = [row for i in range(10) for row in await read(bridges[1], f"n/{i}")]
    assert stored == truth, "no gap, no duplicate"
    end = HOUR + 15 * MINUTE_MS
    buckets = await answered(partial(bridges[0].aggregate, "n/0", HOUR, end, MINUTE_MS))
    assert [bucket.rows for bucket in buckets] == [60] * 15
    for bridge in bridges:
        await bridge.close()


@pytest.mark.slow
async def test_only_the_right_password_and_authority_open_it_and_none_is_told(
    tmp_path: Path,
) -> None:
    server = MongoServer(tmp_path / "server")
    server.start()
    try:
        with server.client() as client:
            client.admin.command("createUser", "bridge", pwd="right one", roles=["root"])
    finally:
        server.stop()
    authority = server.guard(tmp_path)
    server.start()
    password = tmp_path / "password"
    try:
        for driver in DRIVERS:
            password.write_text("wrong one\n")
            settings = MongoSettings(
                url=server.url,
                driver=driver,
                username="bridge",
                password_file=password,
                ca_file=authority,
            )
            with pytest.raises(TierUnavailableError, match=r"(?i)authenticat") as caught:
                await MongoWarm(Mongo(settings)).open()
            assert "wrong one" not in str(caught.value)
            password.write_text("right one\n")
            with pytest.raises(TierUnavailableError):
                await MongoWarm(
                    Mongo(
                        replace(settings, url=f"{server.url}?tls=true", ca_file=None, timeout_s=1.0)
                    )
                ).open()
            warm = MongoWarm(Mongo(settings))
            await warm.open()
            await warm.write([ROW])
            assert await warm.count() == 1
            await warm.close()
    finally:
        server.kill()
