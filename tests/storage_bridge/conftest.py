"""Fixtures of the bridge's tests."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.outbox import Outbox

from .servers.cassandra import cassandra_address
from .servers.mongo import mongo_url
from .servers.redis import redis_cluster_url, redis_sentinel_url, redis_url

# Fixtures of the session: imported elsewhere, each module had its own.
__all__ = ["cassandra_address", "mongo_url", "redis_cluster_url", "redis_sentinel_url", "redis_url"]

type OpenOutbox = Callable[..., Outbox]


def pytest_configure() -> None:
    """Let a run that is told to end take its servers with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
async def open_outbox(tmp_path: Path) -> AsyncIterator[OpenOutbox]:
    """Opens outboxes, by default all on one file, and closes what was not."""
    async with AsyncExitStack() as stack:

        def make(name: str = "outbox.db", **options: Any) -> Outbox:
            outbox = Outbox(tmp_path / name, **{"max_bytes": 1 << 30, **options})
            stack.push_async_callback(outbox.close)
            return outbox

        yield make
