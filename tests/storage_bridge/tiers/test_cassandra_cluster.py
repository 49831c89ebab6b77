"""Three nodes with three copies: one of them may die."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from storage_bridge.codec import Chunk
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from tests.storage_bridge.generated import HOUR, archive
from tests.storage_bridge.servers.cassandra import DATA_CENTER, CassandraCluster
from tests.storage_bridge.waiting import answered

from .cassandra_help import plain_session, settings_of
from .contract import A

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraCluster]:
    nodes = CassandraCluster(tmp_path_factory.mktemp("cluster"))
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


async def opened(cluster: CassandraCluster) -> CassandraCold:
    settings = settings_of(cluster.address, "brewery", data_center=DATA_CENTER, timeout_s=15.0)
    cold = CassandraCold(settings)
    await answered(cold.open)  # the nodes have only just found each other
    return cold


async def test_one_of_three_dies_under_load_and_nothing_acknowledged_is_lost(
    cluster: CassandraCluster,
) -> None:
    # Three bridges find no keyspace, at once, and ask whichever node they like.
    colds = await asyncio.gather(*(opened(cluster) for _ in range(3)))
    try:
        with plain_session(cluster.address) as session:
            query = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
            (replication,) = session.execute(query, ["brewery"]).one()
        assert replication[DATA_CENTER] == "3", "as many copies as hosts"
        cold = colds[0]
        chunks = list(archive(A, HOUR, 900))
        written: list[Chunk] = []

        async def load(worker: int, part: list[Chunk]) -> None:
            for chunk in part[worker::8]:
                await answered(partial(cold.write_chunk, chunk))
                written.append(chunk)

        async def load_all(part: list[Chunk]) -> None:
            await asyncio.gather(*(load(worker, part) for worker in range(8)))

        loading = asyncio.create_task(load_all(chunks[:600]))
        while len(written) < 150:
            if loading.done():
                await loading  # says what it died of
            await asyncio.sleep(0.01)
        await asyncio.to_thread(cluster.nodes[1].kill)
        await loading
        everything = partial(cold.chunks, A, 0, 10**13)
        assert await answered(everything) == chunks[:600]
        await asyncio.to_thread(cluster.nodes[1].start)
        await load_all(chunks[600:])
        # The one that was away counts for the quorum again, and need not have it all yet.
        await asyncio.to_thread(cluster.nodes[2].kill)
        assert await answered(everything) == chunks
        await asyncio.to_thread(cluster.nodes[1].kill)
        with pytest.raises(TierUnavailableError):
            await cold.write_chunk(chunks[0])
        with pytest.raises(TierUnavailableError):
            await everything()
    finally:
        for cold in colds:
            await cold.close()
