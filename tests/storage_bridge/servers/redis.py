"""The Redis servers of a test session."""

import os
from collections.abc import Iterator

import pytest
import redis

from scripts.servers import HOST
from scripts.servers.redis import RedisCluster, RedisServer, SentinelGroup, wait_for
from storage_bridge.tiers.redis_settings import parse_url

__all__ = [
    "HOST", "PREFIX", "RedisCluster", "RedisServer", "SentinelGroup", "redis_cluster_url",
    "redis_sentinel_url", "redis_url", "wait_for",
]  # fmt: skip

PREFIX = "smart_beer_test_"  # of all keys on a server that others may use too


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis of this test session: the user's own, or one started here."""
    own = os.environ.get("SMART_BEER_TEST_REDIS")
    if own:
        yield own
        host, port = parse_url(own).hosts[0]
        with redis.Redis(host, port, db=parse_url(own).database) as client:
            for key in client.scan_iter(f"{PREFIX}*", count=1000):
                client.unlink(key)
        return
    server = RedisServer(tmp_path_factory.mktemp("redis") / "server")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_sentinel_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis behind three Sentinels."""
    group = SentinelGroup(tmp_path_factory.mktemp("sentinel"), replicas=1)
    try:
        group.start()
        yield group.url
    finally:
        group.stop()


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis cluster of three."""
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster.url
    finally:
        cluster.stop()
