"""A Cassandra of the tests' as a tier, and as a plain session to look behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cassandra.cluster import (  # type: ignore[import-untyped]
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    Session,
)
from cassandra.policies import RoundRobinPolicy  # type: ignore[import-untyped]

from storage_bridge.tiers.cassandra_settings import CassandraSettings
from tests.storage_bridge.servers.cassandra import Address

SLOW_S = 60.0  # what a slow machine may take for a statement, or a connection


def settings_of(address: Address, keyspace: str, **more: Any) -> CassandraSettings:
    return CassandraSettings(hosts=address.hosts, port=address.port, keyspace=keyspace, **more)


@contextmanager
def plain_session(address: Address, **more: Any) -> Iterator[Session]:
    cluster = Cluster(
        list(address.hosts),
        address.port,
        protocol_version=5,
        execution_profiles={
            EXEC_PROFILE_DEFAULT: ExecutionProfile(
                load_balancing_policy=RoundRobinPolicy(), request_timeout=SLOW_S
            )
        },
        connect_timeout=SLOW_S,
        control_connection_timeout=SLOW_S,
        **more,
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()
