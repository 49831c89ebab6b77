"""The cold tier in a real Cassandra against the contract."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from compression import zstd
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session  # type: ignore[import-untyped]

from storage_bridge.codec import encode, verified
from storage_bridge.model import HOUR_MS
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierRejectedError, TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_schema import MIGRATIONS
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from tests.storage_bridge.generated import archive, probe_hour, repacked
from tests.storage_bridge.servers.cassandra import Address

from .cassandra_help import plain_session, settings_of
from .contract import A, TierFactory, TiersContract, samples, tiers
from .contract_cold import ColdContract

__all__ = ["tiers"]


class CassandraFactory:
    """The archive in Cassandra, emptied for each test; hot and warm in a file."""

    shows_conflicts = True

    def __init__(self, settings: CassandraSettings, folder: Path) -> None:
        self.settings = settings
        self.now = time.time_ns() // 1_000_000
        self._folder = folder

    def client(self) -> Tiers:
        made = embedded(self._folder / "store.db")
        return made._replace(cold=CassandraCold(self.settings))


@pytest.fixture(scope="module")
def session(cassandra_address: Address) -> Iterator[Session]:
    with plain_session(cassandra_address) as opened_session:
        yield opened_session


@pytest.fixture(scope="module")
def settings(cassandra_address: Address, session: Session) -> Iterator[CassandraSettings]:
    keyspace = f"test_{uuid.uuid4().hex[:8]}"
    yield settings_of(cassandra_address, keyspace)
    session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)


@pytest.fixture
def factory(settings: CassandraSettings, session: Session, tmp_path: Path) -> TierFactory:
    tables = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [settings.keyspace]
    )
    for (table,) in tables:
        if table != "migration":
            session.execute(f"TRUNCATE {settings.keyspace}.{table}", timeout=60)
    return CassandraFactory(settings, tmp_path)


class TestCold(ColdContract):
    """Cold."""


class TestTiers(TiersContract):
    """All."""


HOUR = ColdContract.HOUR


async def test_long_answers_come_whole(tiers: Tiers) -> None:
    """More chunks than travel at once."""
    chunks = list(archive(A, HOUR, 250))
    await tiers.cold.write_chunks(chunks)  # type: ignore[attr-defined]
    assert await tiers.cold.chunks(A, 0, 10**13) == chunks
    assert await tiers.cold.count() == 250 * 3600


@pytest.mark.parametrize("table", ["chunk", "head"])
async def test_half_an_hour_is_none_and_is_written_again(
    tiers: Tiers, session: Session, settings: CassandraSettings, table: str
) -> None:
    """One table had it on the disk and the other not, when the server died."""
    chunk = encode(samples(HOUR, 10))
    await tiers.cold.write_chunk(chunk)
    mark = await tiers.cold.mark(A, HOUR)
    # By hand, and so newer than what was written: deletes win over what is older.
    key = "series = %s AND month = 202009" if table == "chunk" else "series = %s"
    session.execute(f"DELETE FROM {settings.keyspace}.{table} WHERE {key}", [A])
    assert await tiers.cold.chunks(A, HOUR, HOUR + 1) == []
    assert await tiers.cold.mark(A, HOUR) != mark
    await tiers.cold.write_chunk(chunk)
    assert await tiers.cold.chunks(A, HOUR, HOUR + 1) == [chunk]
    assert await tiers.cold.mark(A, HOUR) != mark


async def test_two_encodings_of_one_content_never_mix(tiers: Tiers) -> None:
    rows = probe_hour(HOUR, series=A)
    one = encode(rows)
    body = zstd.decompress(one.data)
    other = repacked(one, zstd.compress(body, level=1))
    assert other.data != one.data
    for chunk in (one, other, one):
        await tiers.cold.write_chunk(chunk)
        (found,) = await tiers.cold.chunks(A, HOUR, HOUR + 1)
        assert found == chunk
        assert verified(found) == rows
    await asyncio.gather(*(tiers.cold.write_chunk(chunk) for chunk in (one, other) * 20))
    (found,) = await tiers.cold.chunks(A, HOUR, HOUR + 1)
    assert verified(found) == rows


async def test_a_chunk_that_is_too_large_is_refused_for_good(tiers: Tiers) -> None:
    good = encode(samples(HOUR, 10))
    with pytest.raises(TierRejectedError, match="refused"):
        await tiers.cold.write_chunk(good._replace(data=bytes(17 * 2**20)))
    await tiers.cold.write_chunk(good)
    assert await tiers.cold.chunks(A, HOUR, HOUR + 1) == [good]


@pytest.fixture
def fresh(
    cassandra_address: Address, session: Session
) -> Iterator[Callable[..., CassandraSettings]]:
    """Settings with a keyspace that is not there yet."""
    keyspaces: list[str] = []

    def make(**more: Any) -> CassandraSettings:
        keyspaces.append(f"test_{uuid.uuid4().hex[:8]}")
        return settings_of(cassandra_address, keyspaces[-1], **more)

    yield make
    for keyspace in keyspaces:
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)


async def test_bridges_that_start_at_once_make_one_schema(
    fresh: Callable[..., CassandraSettings], session: Session
) -> None:
    settings = fresh()
    colds = [CassandraCold(settings) for _ in range(3)]
    try:
        await asyncio.gather(*(cold.open() for cold in colds))
        chunks = [encode(samples(HOUR + n * HOUR_MS, 5)) for n in range(3)]
        for cold, chunk in zip(colds, chunks, strict=True):
            await cold.open()  # again
            await cold.write_chunk(chunk)
        for cold in colds:
            assert await cold.chunks(A, 0, 10**13) == chunks
    finally:
        for cold in colds:
            await cold.close()
    journal = session.execute(f"SELECT version FROM {settings.keyspace}.migration")
    assert [row[0] for row in journal] == list(range(1, len(MIGRATIONS) + 1))


async def test_a_table_that_a_node_does_not_know_is_no_fault_of_the_chunk(
    fresh: Callable[..., CassandraSettings], session: Session
) -> None:
    settings = fresh()
    cold = CassandraCold(settings)
    await cold.open()
    try:
        session.execute(f"DROP TABLE {settings.keyspace}.chunk", timeout=60)
        with pytest.raises(TierUnavailableError, match="table chunk does not exist"):
            await cold.write_chunk(encode(samples(HOUR, 5)))
    finally:
        await cold.close()


async def test_an_archive_of_a_newer_bridge_is_left_alone(
    fresh: Callable[..., CassandraSettings], session: Session
) -> None:
    settings = fresh()
    cold = CassandraCold(settings)
    await cold.open()
    await cold.close()
    session.execute(f"INSERT INTO {settings.keyspace}.migration (version) VALUES (99)")
    with pytest.raises(TierUnavailableError, match=r"newer version of the bridge \(schema 99"):
        await cold.open()
    await cold.close()


async def test_a_time_to_live_is_the_operators(
    fresh: Callable[..., CassandraSettings], session: Session
) -> None:
    settings = fresh(compaction="twcs", ttl_days=400, replication={"SimpleStrategy": 1})
    cold = CassandraCold(settings)
    await cold.open()
    try:
        await cold.write_chunk(encode(samples(HOUR, 10)))
    finally:
        await cold.close()
    for table in ("chunk", "head"):
        (ttl,) = session.execute(f"SELECT ttl(crc) FROM {settings.keyspace}.{table}").one()
        assert 399 * 86_400 < ttl <= 400 * 86_400
    compaction = "SELECT compaction FROM system_schema.tables WHERE keyspace_name = %s"
    for (found,) in session.execute(f"{compaction} AND table_name = 'chunk'", [settings.keyspace]):
        assert found["class"].endswith("TimeWindowCompactionStrategy")
        assert found["compaction_window_size"] == "14"


async def test_a_time_to_live_that_cassandra_cannot_count_is_refused_in_words(
    fresh: Callable[..., CassandraSettings],
) -> None:
    """Its seconds end in January 2038."""
    cold = CassandraCold(fresh(ttl_days=7000))
    await cold.open()
    try:
        with pytest.raises(TierRejectedError, match="refused"):
            await cold.write_chunk(encode(samples(HOUR, 10)))
    finally:
        await cold.close()


async def test_copies_other_than_configured_are_told_and_not_changed(
    fresh: Callable[..., CassandraSettings], caplog: pytest.LogCaptureFixture
) -> None:
    settings = fresh()
    for copies in (None, {"datacenter1": 1}, {"datacenter1": 2}):
        cold = CassandraCold(replace(settings, replication=copies))
        await cold.open()
        await cold.close()
        told = [record for record in caplog.records if "nodetool repair" in record.message]
        assert len(told) == (copies == {"datacenter1": 2})
