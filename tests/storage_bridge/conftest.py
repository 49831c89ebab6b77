"""Fixtures of the bridge's tests."""

import signal
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.outbox import Outbox

from .servers import required, said_since
from .servers.cassandra import Address, cassandra_address
from .servers.mongo import drop, mongo_url
from .servers.redis import PREFIX, redis_cluster_url, redis_sentinel_url, redis_url

# Fixtures of the session: imported elsewhere, each module had its own.
__all__ = ["cassandra_address", "mongo_url", "redis_cluster_url", "redis_sentinel_url", "redis_url"]

SERVERS = {
    "cassandra_address",
    "mongo_url",
    "redis_cluster_url",
    "redis_sentinel_url",
    "redis_url",
    "stores",
}

type OpenOutbox = Callable[..., Outbox]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give time to whoever comes first to a store: it starts the server."""
    for item in items:
        if isinstance(item, pytest.Function) and not SERVERS.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.timeout(400))  # a test's own limit goes first


def pytest_configure() -> None:
    """Let a run that is told to end take its servers with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    """See `required`."""
    with required():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """See `required`."""
    with required():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what the servers said meanwhile."""
    report = yield
    if report.failed:
        report.sections += said_since(call.start)
    return report


@pytest.fixture
async def open_outbox(tmp_path: Path) -> AsyncIterator[OpenOutbox]:
    """Opens outboxes, by default all on one file, and closes what was not."""
    async with AsyncExitStack() as stack:

        def make(name: str = "outbox.db", **options: Any) -> Outbox:
            outbox = Outbox(tmp_path / name, **{"max_bytes": 1 << 30, **options})
            stack.push_async_callback(outbox.close)
            return outbox

        yield make


@pytest.fixture
def stores(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """The stores that a test names, with keys and tables of its own."""
    name = f"{PREFIX}{uuid.uuid4().hex[:16]}"
    chosen: dict[str, Any] = {}
    undo = ExitStack()
    if "redis" in request.param:
        url = request.getfixturevalue("redis_url")
        chosen["hot"] = {"driver": "redis", "url": url, "prefix": name}
    if "mongo" in request.param:
        url = request.getfixturevalue("mongo_url")
        undo.callback(drop, url, name)
        chosen["warm"] = {"driver": "motor", "url": url, "database": name, "flush_s": 1}
    if "cassandra" in request.param:
        from .tiers.cassandra_help import plain_session  # noqa: PLC0415 - takes half a second

        address: Address = request.getfixturevalue("cassandra_address")
        session = undo.enter_context(plain_session(address))
        undo.callback(session.execute, f"DROP KEYSPACE IF EXISTS {name}", timeout=60)
        chosen["cold"] = {
            "driver": "cassandra",
            "hosts": list(address.hosts),
            "port": address.port,
            "keyspace": name,
            "replication": {"SimpleStrategy": 1},
        }
    with undo:
        yield chosen
