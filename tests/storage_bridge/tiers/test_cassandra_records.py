"""Archived records in a real Cassandra: the contract, and what only a cluster does to them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cassandra.cluster import Session  # type: ignore[import-untyped]

from storage_bridge.records.archive import RecordArchiver
from storage_bridge.records.base import ColdRecords
from storage_bridge.records.model import Batch, Event, Record
from storage_bridge.records.pages import find_all
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierRejectedError, TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from tests.storage_bridge.records.contract import BATCH, ONE_OF_EACH, Make, records
from tests.storage_bridge.records.contract_cold import ColdRecordsContract, T
from tests.storage_bridge.servers.cassandra import PERIODIC, Address, CassandraServer
from tests.storage_bridge.waiting import answered

from .cassandra_help import plain_session, settings_of

__all__ = ["records"]
PATIENCE_S = 110.0


@pytest.fixture(scope="module")
def session(cassandra_address: Address) -> Iterator[Session]:
    with plain_session(cassandra_address) as opened_session:
        yield opened_session


@pytest.fixture(scope="module")
def keyspace(cassandra_address: Address, session: Session) -> Iterator[CassandraSettings]:
    name = f"test_{uuid.uuid4().hex[:8]}"
    yield settings_of(cassandra_address, name)
    session.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)


@pytest.fixture
def settings(keyspace: CassandraSettings, session: Session) -> CassandraSettings:
    """Its tables empty."""
    tables = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [keyspace.keyspace]
    )
    for (table,) in tables:
        if table.startswith("record"):
            session.execute(f"TRUNCATE {keyspace.keyspace}.{table}", timeout=60)
    return keyspace


@pytest.fixture
async def make(settings: CassandraSettings) -> AsyncIterator[Make]:
    colds: list[CassandraCold] = []

    def client() -> ColdRecords:
        colds.append(CassandraCold(settings))
        return colds[-1].records

    yield client
    for cold in colds:
        await cold.close()


class TestRecords(ColdRecordsContract):
    """All of it."""


@pytest.mark.parametrize(
    "lost",
    [
        "record WHERE kind = 'batches' AND key = %(key)s",
        "record_place WHERE kind = 'batches' AND place = 'm/197001'",
        "record_place WHERE kind = 'batches' AND place = ''",
        "record_place WHERE kind = 'batches' AND place = 'b/B001-LAGER'",
    ],
)
async def test_what_was_lost_in_one_place_is_not_held_and_is_written_again(
    records: ColdRecords, session: Session, settings: CassandraSettings, lost: str
) -> None:
    """One row was on the disk and another not, when the server died."""
    await records.put(ONE_OF_EACH)
    (mark,) = await records.held([BATCH])
    session.execute(f"DELETE FROM {settings.keyspace}.{lost}", {"key": BATCH.key})
    marks = await records.held(ONE_OF_EACH)
    assert [mark is None for mark in marks] == [record == BATCH for record in ONE_OF_EACH]
    await records.put([BATCH])
    (again,) = await records.held([BATCH])
    assert again not in (None, mark), "it has to settle once more"
    assert await records.find(Batch) == await records.find(Batch, batch="B001-LAGER") == [BATCH]


async def test_a_damaged_content_counts_as_absent_and_is_replaced(
    records: ColdRecords, session: Session, settings: CassandraSettings
) -> None:
    await records.put([BATCH])
    (gen,) = session.execute(f"SELECT gen FROM {settings.keyspace}.record").one()
    for rotten in ("{}", "no json"):
        session.execute(
            f"UPDATE {settings.keyspace}.record SET body = %s "
            "WHERE kind = 'batches' AND key = %s AND gen = %s",
            (rotten, BATCH.key, gen),
        )
        assert await records.get(Batch, BATCH.key) is None
        assert await records.find(Batch) == []
        assert await records.held([BATCH]) == [None]
        await records.put([BATCH])
        assert await records.find(Batch) == [BATCH]


async def test_an_equal_content_is_the_same_row_and_no_partition_grows_without_end(
    records: ColdRecords, session: Session, settings: CassandraSettings
) -> None:
    events = [Event("switch.a", T + day * 86_400_000, "on") for day in range(100)]
    for _ in range(2):
        await records.put(events)
    rows = session.execute(f"SELECT place, at FROM {settings.keyspace}.record_place")
    places: dict[str, int] = {}
    for place, _at in rows:
        places[place] = places.get(place, 0) + 1
    assert places.pop("") == len(places)
    assert sum(places.values()) == 100
    assert max(places.values()) <= 31
    (count,) = session.execute(f"SELECT count(*) FROM {settings.keyspace}.record").one()
    assert count == 100


async def test_a_time_to_live_is_the_operators_but_months_stay(
    session: Session, settings: CassandraSettings
) -> None:
    cold = CassandraCold(replace(settings, ttl_days=400))
    await cold.open()
    try:
        await cold.records.put([BATCH])
        await cold.records.seal()
    finally:
        await cold.close()
    keyspace = settings.keyspace
    (ttl,) = session.execute(f"SELECT ttl(body) FROM {keyspace}.record").one()
    assert 399 * 86_400 < ttl <= 400 * 86_400
    kept = session.execute(f"SELECT place, ttl(gen) FROM {keyspace}.record_place")
    assert {place: left is None for place, left in kept} == {
        "": True, "seal": True, "m/197001": False, "b/B001-LAGER": False,
    }  # fmt: skip


async def test_what_cassandra_refuses_is_told_and_the_next_try_is_not_in_its_way(
    settings: CassandraSettings, tmp_path: Path
) -> None:
    """Its seconds end in January 2038."""
    tiers = embedded(tmp_path / "store.db")._replace(
        cold=CassandraCold(replace(settings, ttl_days=7000))
    )
    await tiers.open()
    try:
        warm, cold = tiers.warm.records, tiers.cold.records
        await warm.put(ONE_OF_EACH)
        with pytest.raises(TierRejectedError, match="refused"):
            await cold.put([BATCH])
        done = await RecordArchiver(warm, cold, settle_s=0).run_pass()
        assert (done.copied, done.archived, done.waiting) == (0, 0, 0)
        assert len(done.failed) == len(ONE_OF_EACH)
        assert BATCH.key in done.failed[0]
        await warm.close()
    finally:
        await tiers.close()


async def archived_all(tiers: Tiers, archiver: RecordArchiver, clock: list[float]) -> None:
    """Passes until nothing is left, whatever the store does meanwhile."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                done = await archiver.run_pass()
            except TierUnavailableError:
                await asyncio.sleep(0.1)
                continue
            if not (done.copied or done.waiting or done.archived):
                return
            clock[0] += 61


async def everything(store: ColdRecords) -> list[Record]:
    kinds = dict.fromkeys(type(record) for record in ONE_OF_EACH)
    return [record for kind in kinds async for record in find_all(store, kind)]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_cassandra_forgot_after_its_yes_is_archived_again(tmp_path: Path) -> None:
    """As it is delivered: it says yes up to ten seconds before anything is on the disk."""
    server = CassandraServer(tmp_path / "node", PERIODIC)
    tiers = embedded(tmp_path / "store.db")
    events: list[Record] = [Event(f"switch.{n}", T + n, "on") for n in range(300)]
    clock = [0.0]
    try:
        await asyncio.to_thread(server.start)
        tiers = tiers._replace(cold=CassandraCold(settings_of(server.address, "forgets")))
        await answered(tiers.open)
        warm, cold = tiers.warm.records, tiers.cold.records
        await warm.put([*ONE_OF_EACH, *events])
        archiver = RecordArchiver(warm, cold, settle_s=60, clock=lambda: clock[0])
        first = await archiver.run_pass()
        assert (first.copied, first.archived) == (300 + len(ONE_OF_EACH), 0)
        await asyncio.to_thread(server.kill)
        with pytest.raises(TierUnavailableError):
            await archiver.run_pass()
        await asyncio.to_thread(server.start)
        clock[0] += 61
        await archived_all(tiers, archiver, clock)
        seal = await cold.seal()
        for record in (*ONE_OF_EACH, *events):
            assert await warm.unarchived(type(record), seal, 9) == []
        for kept in await cold.held([*ONE_OF_EACH, *events]):
            assert kept is not None
        assert len(await everything(cold)) == 300 + len(ONE_OF_EACH)
    finally:
        await tiers.warm.records.close()
        await tiers.close()
        server.kill()
