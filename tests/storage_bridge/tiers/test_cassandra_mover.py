"""Moving to a real Cassandra that forgets, dies, and is written to by two."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storage_bridge.model import HOUR_MS, Sample, hour_of
from storage_bridge.mover import Mover
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from tests.storage_bridge.generated import HOUR, SERIES, probe_hour
from tests.storage_bridge.servers.cassandra import PERIODIC, Address, CassandraServer
from tests.storage_bridge.servers.mongo import drop
from tests.storage_bridge.waiting import answered

from .cassandra_help import plain_session, settings_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SETTLE = 60.0
HOURS = 200
NOW = HOUR + HOURS * HOUR_MS
PATIENCE_S = 110.0


def history() -> list[Sample]:
    """Two hundred hours of a sample a minute."""
    return [
        sample
        for hour in range(HOURS)
        for sample in probe_hour(HOUR + hour * HOUR_MS, hour, step_ms=60_000)
    ]


class Brewery:
    """A warm tier, a Cassandra, and what must be in both together."""

    def __init__(self, settings: CassandraSettings, tiers: Tiers) -> None:
        self.tiers: Tiers = tiers._replace(cold=CassandraCold(settings))
        self.truth: set[Sample] = set()
        self.clock = 0.0

    async def feed(self, rows: list[Sample]) -> None:
        await self.tiers.warm.write(rows)
        self.truth |= set(rows)

    def mover(self, hours_per_pass: int = 500) -> Mover:
        return Mover(
            self.tiers.warm,
            self.tiers.cold,
            keep_ms=0,
            settle_s=SETTLE,
            hours_per_pass=hours_per_pass,
            clock=lambda: self.clock,
        )

    async def check(self) -> None:
        """Union == truth, no gap, no duplicate, by exact reading and in a chart."""
        reader = Reader(*self.tiers)
        found: list[Sample] = []
        cursor: str | None = None
        while True:
            page = await reader.samples(SERIES, HOUR, NOW, 10_000, cursor)
            assert page.partial == []
            found += page.samples
            cursor = page.cursor
            if cursor is None:
                break
        assert len(found) == len(set(found))
        assert set(found) == self.truth
        chart = await reader.history([SERIES], HOUR, NOW, HOURS)
        assert chart["partial"] == []
        drawn = [t for t, low, *_ in chart["series"][SERIES] if low is not None]
        assert drawn == sorted({hour_of(row.t) for row in self.truth})

    async def run(self, mover: Mover) -> None:
        """Passes until nothing is left."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.tiers.warm.hours_before(NOW, 1):
                with suppress(TierUnavailableError):  # a store that is slow: again, as the bridge
                    await mover.run_pass(NOW)
                self.clock += SETTLE + 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """A Cassandra as it is delivered: it says yes up to ten seconds before it is on the disk."""
    node = CassandraServer(tmp_path_factory.mktemp("forgetful") / "node", PERIODIC)
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture
async def brewery(server: CassandraServer, tmp_path: Path) -> AsyncIterator[Brewery]:
    settings = settings_of(server.address, f"test_{uuid.uuid4().hex[:8]}")
    made = Brewery(settings, embedded(tmp_path / "store.db"))
    await answered(made.tiers.open)
    try:
        yield made
    finally:
        await made.tiers.close()


async def test_what_cassandra_forgot_after_its_yes_is_still_in_warm(
    server: CassandraServer, brewery: Brewery
) -> None:
    await brewery.feed(history())
    mover = brewery.mover()
    first = await mover.run_pass(NOW)
    assert (first.copied, first.deleted) == (HOURS, 0)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await answered(brewery.tiers.cold.series)
    left = len(await brewery.tiers.cold.chunks(SERIES, HOUR, NOW))
    await brewery.check()
    brewery.clock += SETTLE + 1
    second = await mover.run_pass(NOW)
    assert second.copied == HOURS - left
    assert second.deleted <= left * 60
    await brewery.check()
    await brewery.run(mover)
    assert await brewery.tiers.warm.count() == 0
    await brewery.check()


async def test_killed_in_the_middle_of_a_move_nothing_is_lost(
    server: CassandraServer, brewery: Brewery
) -> None:
    await brewery.feed(history())
    mover = brewery.mover()
    moving = asyncio.create_task(mover.run_pass(NOW))
    while mover.moved.done < HOURS // 3 and not moving.done():
        await asyncio.sleep(0.005)
    await asyncio.to_thread(server.kill)
    with pytest.raises(TierUnavailableError):
        await moving
    assert await brewery.tiers.warm.count() == len(brewery.truth)
    with pytest.raises(TierUnavailableError):
        await mover.run_pass(NOW)
    await asyncio.to_thread(server.start)
    await answered(brewery.tiers.cold.series)
    brewery.clock += SETTLE + 1
    await brewery.check()
    await brewery.run(mover)
    await brewery.check()


@pytest.mark.parametrize("warm", ["file", "mongo"])
async def test_two_movers_and_late_data_end_in_one_archive(
    cassandra_address: Address, mongo_url: str, tmp_path: Path, warm: str
) -> None:
    name = f"test_{uuid.uuid4().hex[:8]}"
    settings = settings_of(cassandra_address, name)

    mongo = MongoSettings(url=mongo_url, database=name)

    def client() -> Brewery:
        tiers = embedded(tmp_path / "store.db")
        if warm == "mongo":
            tiers = tiers._replace(warm=MongoWarm(Mongo(mongo)))
        return Brewery(settings, tiers)

    one, other = client(), client()
    # A minute of one sample is as large a document as one of sixty.
    rows = history() if warm == "file" else history()[: 20 * 60]
    for brewery in (one, other):
        await answered(brewery.tiers.open)
    try:
        await one.feed(rows[::2])
        movers = [one.mover(hours_per_pass=50), other.mover(hours_per_pass=70)]

        async def move(brewery: Brewery, mover: Mover) -> None:
            await brewery.run(mover)

        tasks = [
            asyncio.create_task(move(brewery, mover))
            for brewery, mover in zip((one, other), movers, strict=True)
        ]
        await asyncio.sleep(0.2)
        await one.feed(rows[1::4])  # the other bridge had been away
        await one.feed(rows[::2])  # and replays what it had
        await asyncio.gather(*tasks)
        await one.feed(rows[3::4])
        await one.run(movers[0])
        assert await one.tiers.warm.count() == 0
        await one.check()
        assert await one.tiers.warm.conflicts(9) == []
    finally:
        for brewery in (one, other):
            await brewery.tiers.close()
        drop(mongo_url, name)
        with plain_session(cassandra_address) as session:
            session.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)
