"""A Cassandra that is away, hangs, dies, comes back, or asks who is there."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]

from storage_bridge.codec import Chunk, encode
from storage_bridge.model import HOUR_MS
from storage_bridge.tiers import cassandra_session
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from tests.storage_bridge.generated import HOUR
from tests.storage_bridge.servers import free_port
from tests.storage_bridge.servers.cassandra import AUTH, BATCH, HOST, Address, CassandraServer
from tests.storage_bridge.servers.certificates import make_certificates
from tests.storage_bridge.waiting import answered

from .cassandra_help import plain_session, settings_of
from .contract import A, samples

pytestmark = pytest.mark.timeout(300)  # servers start and stop here
PATIENCE_S = 110.0
PASSWORD = "not-in-any-text-7"


def chunk(n: int) -> Chunk:
    return encode(samples(HOUR + n * HOUR_MS, 5))


@asynccontextmanager
async def opened(settings: CassandraSettings) -> AsyncIterator[CassandraCold]:
    cold = CassandraCold(settings)
    try:
        await cold.open()
        yield cold
    finally:
        await cold.close()


class Ticker:
    """The longest time in which the loop did nothing else."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.ticks = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0.02)
            self.worst = max(self.worst, loop.time() - last)
            last = loop.time()
            self.ticks += 1


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """A node for these tests to mistreat, not started yet; each leaves it running."""
    server = CassandraServer(tmp_path_factory.mktemp("faults") / "node")
    try:
        yield server
    finally:
        server.kill()


async def test_nothing_is_there_and_a_tier_that_is_not_open_says_so() -> None:
    cold = CassandraCold(settings_of(Address((HOST,), free_port()), "brewery"))
    with pytest.raises(TierUnavailableError, match=r"Cassandra at 127\.0\.0\.1, port"):
        await cold.open()
    with pytest.raises(TierUnavailableError, match="not connected"):
        await cold.write_chunk(chunk(0))
    with pytest.raises(TierUnavailableError, match="not connected"):
        await cold.heads(A, 0, 10**13)
    await cold.close()
    await cold.close()


async def test_a_name_that_is_none_is_told() -> None:
    cold = CassandraCold(settings_of(Address(("no.such.host.invalid",), 9042), "brewery"))
    with pytest.raises(TierUnavailableError, match=r"no\.such\.host\.invalid"):
        await cold.open()
    await cold.close()


@pytest.mark.real_time
async def test_who_takes_connections_and_never_speaks_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cassandra_session, "OPEN_S", 2.0)
    with socket.create_server((HOST, 0)) as listener:
        cold = CassandraCold(settings_of(Address((HOST,), listener.getsockname()[1]), "brewery"))
        async with Ticker() as ticker:
            with pytest.raises(TierUnavailableError):
                await cold.open()
        await cold.close()
    assert ticker.ticks >= 20, "the loop went on"


@pytest.mark.slow
async def test_away_at_the_start_then_dead_under_load_then_back_with_all_it_took(
    node: CassandraServer,
) -> None:
    """And nobody starts the bridge again."""
    node.kill()
    taken: list[Chunk] = []
    cold = CassandraCold(settings_of(node.address, "dies"))
    for _ in range(2):
        with pytest.raises(TierUnavailableError):
            await cold.open()
    await asyncio.to_thread(node.start)
    try:
        await answered(cold.open)

        async def load(worker: int) -> None:
            for n in range(worker, 4000, 8):
                one = chunk(n)
                await cold.write_chunk(one)
                taken.append(one)

        async with Ticker() as ticker:
            workers = [asyncio.create_task(load(worker)) for worker in range(8)]
            while len(taken) < 200:
                ended = [worker for worker in workers if worker.done()]
                assert not ended, f"before the node was killed: {ended}"
                await asyncio.sleep(0.01)
            await asyncio.to_thread(node.kill)
            results = await asyncio.gather(*workers, return_exceptions=True)
            assert {type(result) for result in results} == {TierUnavailableError}
            before = len(taken)
            with pytest.raises(TierUnavailableError):
                await cold.chunks(A, 0, 10**13)
            await asyncio.to_thread(node.start)
            await answered(partial(cold.write_chunk, chunk(5000)))
        assert ticker.worst < 10, "nothing blocked the loop"
        found = await answered(partial(cold.chunks, A, 0, 10**13))
        assert len(taken) == before
        assert {one.head for one in taken} <= {one.head for one in found}
        assert all(one in found for one in taken)
    finally:
        await cold.close()


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_server_that_hangs_is_given_up_and_used_again(node: CassandraServer) -> None:
    if not node.running:
        await asyncio.to_thread(node.start)
    cold = CassandraCold(replace(settings_of(node.address, "hangs"), timeout_s=2.0))
    try:
        await answered(cold.open)
        await answered(partial(cold.write_chunk, chunk(0)))
        node.pause()
        try:
            async with Ticker() as ticker:
                results = await asyncio.gather(
                    *(cold.write_chunk(chunk(n)) for n in range(40)),
                    cold.count(),
                    return_exceptions=True,
                )
            assert {type(result) for result in results} == {TierUnavailableError}
            assert ticker.ticks >= 20
            assert ticker.worst < 10
        finally:
            node.resume()
        for n in range(40):
            await answered(partial(cold.write_chunk, chunk(n)))
        assert await answered(cold.count) == 200
    finally:
        await cold.close()


@pytest.mark.slow
async def test_a_session_that_does_not_work_for_long_is_made_anew(
    node: CassandraServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers come back with other addresses, which the driver does not look up again."""
    if not node.running:
        await asyncio.to_thread(node.start)
    monkeypatch.setattr(cassandra_session, "RENEW_S", 0.0)
    cold = CassandraCold(settings_of(node.address, "renewed"))
    try:
        await answered(cold.open)
        before = cold._session._link
        await asyncio.to_thread(node.kill)
        for _ in range(3):
            with pytest.raises(TierUnavailableError):
                await cold.write_chunk(chunk(0))
            await asyncio.sleep(0.1)
        await asyncio.to_thread(node.start)
        async with asyncio.timeout(PATIENCE_S):
            while cold._session._link is before:
                await answered(partial(cold.write_chunk, chunk(1)))
                assert before is not None
                # As a session would whose addresses are all stale.
                cold._session._failed(before)
                await asyncio.sleep(0.1)
        await answered(partial(cold.write_chunk, chunk(2)))
        assert len(await answered(partial(cold.chunks, A, 0, 10**13))) == 2
    finally:
        await cold.close()


@pytest.mark.slow
async def test_users_and_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made, other = (make_certificates(tmp_path / name, HOST) for name in ("tls", "other"))
    ca_file, node_file = made.authority, tmp_path / "node.pem"
    node_file.write_bytes(made.key.read_bytes() + made.certificate.read_bytes())
    tls = (
        "client_encryption_options:\n  enabled: true\n  optional: false\n"
        "  ssl_context_factory:\n"
        "    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n"
        f"  keystore: {node_file}\n"
    )
    server = CassandraServer(tmp_path / "node", BATCH + AUTH + tls)
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    settings = replace(
        settings_of(server.address, "private"),
        username="bridge",
        password_file=password,
        ca_file=ca_file,
    )
    try:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(
            _as_first_user,
            server.address,
            ca_file,
            f"CREATE ROLE IF NOT EXISTS bridge WITH PASSWORD = '{PASSWORD}' AND LOGIN = true",
            "GRANT CREATE, SELECT, MODIFY ON ALL KEYSPACES TO bridge",
        )
        async with opened(settings) as cold:
            await cold.write_chunk(chunk(0))
        await asyncio.to_thread(
            _as_first_user, server.address, ca_file, "REVOKE CREATE ON ALL KEYSPACES FROM bridge"
        )
        async with opened(settings) as cold:
            await cold.write_chunk(chunk(1))
            assert await cold.chunks(A, 0, 10**13) == [chunk(0), chunk(1)]
        await _upgraded_by_a_user_who_may_not(server.address, settings)
        password.write_text("wrong-" + PASSWORD)
        for wrong in (
            settings,
            replace(settings, username=None),
            replace(settings, ca_file=other.authority),
            replace(settings, ca_file=None),
        ):
            with pytest.raises(TierUnavailableError) as caught:
                async with opened(wrong):
                    pass
            assert PASSWORD not in str(caught.value)
        (tmp_path / "empty").touch()
        for name in ("no-such-file", "empty"):
            with pytest.raises(TierUnavailableError, match=name):
                async with opened(replace(settings, password_file=tmp_path / name)):
                    pass
        assert PASSWORD not in caplog.text
        assert PASSWORD not in repr(settings)
    finally:
        server.kill()


async def _upgraded_by_a_user_who_may_not(address: Address, settings: CassandraSettings) -> None:
    """A keyspace of the first version, and one that is not there: what to do is said."""

    async def run(*statements: str) -> None:
        assert settings.ca_file is not None
        await asyncio.to_thread(_as_first_user, address, settings.ca_file, *statements)

    with pytest.raises(TierUnavailableError, match=r"GRANT CREATE ON ALL KEYSPACES TO .bridge"):
        async with opened(replace(settings, keyspace="not_there")):
            pass
    await run(
        "DROP TABLE IF EXISTS private.record",  # all of these may be run once more
        "DROP TABLE IF EXISTS private.record_place",
        "DELETE FROM private.migration WHERE version = 2",
        "REVOKE CREATE ON KEYSPACE private FROM bridge",  # whoever made it has it
    )
    with pytest.raises(TierUnavailableError) as caught:
        async with opened(settings):
            pass
    told = str(caught.value)
    assert "the user bridge may not make what this version" in told
    assert "no CREATE permission on" in told
    grant = 'GRANT CREATE ON KEYSPACE "private" TO "bridge"'
    assert grant in told
    await run(grant)
    async with opened(settings) as cold:
        assert await cold.chunks(A, 0, 10**13) == [chunk(0), chunk(1)]
        assert await cold.records.seal()


def _as_first_user(address: Address, ca_file: Path, *statements: str) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=PATIENCE_S)
    while True:
        try:
            with plain_session(
                address,
                auth_provider=PlainTextAuthProvider("cassandra", "cassandra"),
                ssl_context=ssl.create_default_context(cafile=str(ca_file)),
            ) as session:
                for statement in statements:
                    session.execute(statement)
                return
        except Exception:
            # That user is made a moment after the port is open.
            if datetime.now(UTC) > deadline:
                raise
            time.sleep(0.2)
