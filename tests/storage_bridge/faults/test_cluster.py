"""A Cassandra of three nodes, of which one dies under the load of a bridge and a mover."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from scripts.servers.cassandra import DATA_CENTER, CassandraCluster

from .conftest import MakeBrewery
from .nodes import Node, old_node
from .process import MoverProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
HOURS = 40  # of a series, to be taken a step further


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraCluster]:
    nodes = CassandraCluster(tmp_path_factory.mktemp("cluster"))
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


async def _moved(mover: MoverProcess, hours: int) -> bool:
    return mover.hours() >= hours


async def test_one_of_three_nodes_is_killed_under_load_and_comes_back(
    cluster: CassandraCluster, brewery: MakeBrewery
) -> None:
    """The other two are the LOCAL_QUORUM; then the one that was away has to be one of them."""
    made = await brewery(Node("n"), old_node())
    cold = {
        "driver": "cassandra",
        "hosts": list(cluster.address.hosts),
        "port": cluster.address.port,
        "data_center": DATA_CENTER,
        "consistency": "LOCAL_QUORUM",
    }
    await made.add_bridge(tiers={"cold": cold})
    mover = await made.add_mover()
    load = made.load(10, 0.1)
    first, second, _ = cluster.nodes
    await made.until(partial(_moved, mover, HOURS), "the mover moves")
    await asyncio.to_thread(second.kill)
    goal = mover.hours() + HOURS
    await made.until(partial(_moved, mover, goal), "it moves on two of three nodes")
    await asyncio.to_thread(second.start)
    await asyncio.to_thread(first.kill)
    goal = mover.hours() + HOURS
    await made.until(partial(_moved, mover, goal), "it moves on the other two")
    load.cancel()
    await made.check()
