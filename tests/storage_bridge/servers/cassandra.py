"""The Cassandra of a test session."""

import os
from collections.abc import Iterator

import pytest

from scripts.servers import HOST
from scripts.servers.cassandra import (
    AUTH,
    BATCH,
    DATA_CENTER,
    PERIODIC,
    Address,
    CassandraCluster,
    CassandraServer,
)

__all__ = [
    "AUTH", "BATCH", "DATA_CENTER", "HOST", "PERIODIC", "Address", "CassandraCluster",
    "CassandraServer", "cassandra_address",
]  # fmt: skip


@pytest.fixture(scope="session")
def cassandra_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The Cassandra of this session: the user's own (`HOST[,HOST...]:PORT`), or one of ours."""
    own = os.environ.get("SMART_BEER_TEST_CASSANDRA")
    if own:
        hosts, _, port = own.rpartition(":")
        yield Address(tuple(hosts.split(",")), int(port))
        return
    server = CassandraServer(tmp_path_factory.mktemp("cassandra") / "node")
    try:
        server.start()
        yield server.address
    finally:
        server.stop()
