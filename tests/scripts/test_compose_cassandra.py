"""Cassandra as the compose files start it: a real one, and a pair without a third and with one."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]
from cassandra.cluster import NoHostAvailable  # type: ignore[import-untyped]

from scripts.servers import free_port
from scripts.servers.cassandra import DATA_CENTER, CassandraServer
from storage_bridge.config import load
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.cassandra_cold import CassandraCold
from tests.storage_bridge.generated import HOUR, archive
from tests.storage_bridge.tiers.cassandra_help import plain_session

from .programs import put_program

COMPOSE = Path(__file__).parents[2] / "ha_config" / "compose"
SERIES = "mash-a/probe-1"
# As Cassandra 5.0 is delivered: some settings are blocks, with comments in them.
DELIVERED = """authenticator:
  class_name: AllowAllAuthenticator
# MutualTlsAuthenticator is another
#  class_name: org.apache.cassandra.auth.MutualTlsAuthenticator
#  parameters:
#    validator_class_name: org.apache.cassandra.auth.SpiffeCertificateValidator

authorizer: AllowAllAuthorizer
role_manager: CassandraRoleManager
cidr_authorizer:
  class_name: AllowAllCIDRAuthorizer
commitlog_sync: periodic
commitlog_sync_period: 10000ms
# commitlog_sync: batch
# commitlog_sync_group_window: 1000ms
commitlog_segment_size: 32MiB
"""
BLOCKS = DELIVERED.replace(
    "authorizer: AllowAllAuthorizer", "authorizer:\n  class_name: AllowAllAuthorizer"
)
PATIENCE_S = 180.0
SERVERS, THIRD = ("127.0.0.1", "127.0.0.2"), "127.0.0.3"
HOUR_MS = 3_600_000


def _start_as_delivered(conf: Path) -> subprocess.CompletedProcess[str]:
    """What the container's entry point does with the cassandra.yaml in `conf`."""
    put_program(conf, "docker-entrypoint.sh", '#!/bin/sh\necho "$@"\n')
    return subprocess.run(
        ["bash", COMPOSE / "cassandra" / "start.sh"],
        text=True, capture_output=True, timeout=30, check=False,
        env={"PATH": f"{conf}:{os.environ['PATH']}", "CASSANDRA_CONF": str(conf)},
    )  # fmt: skip


@pytest.mark.parametrize("delivered", [DELIVERED, BLOCKS], ids=["lines", "blocks"])
def test_cassandra_is_told_to_ask_who_one_is_and_to_sync_before_it_acknowledges(
    tmp_path: Path, delivered: str
) -> None:
    file = tmp_path / "cassandra.yaml"
    file.write_text(delivered)
    kept = yaml.safe_load(delivered)
    del kept["commitlog_sync_period"]
    for _ in range(2):  # a container that is started again has the file it had
        done = _start_as_delivered(tmp_path)
        assert done.stdout.strip() == "cassandra -f", done.stderr
        assert yaml.safe_load(file.read_text()) == kept | {
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "commitlog_sync": "group",
            "commitlog_sync_group_window": "15ms",
        }


def test_a_file_that_is_not_cassandras_is_named(tmp_path: Path) -> None:
    (tmp_path / "cassandra.yaml").write_text("something: else\n")
    done = _start_as_delivered(tmp_path)
    assert done.returncode == 1
    assert "cassandra.yaml says nothing of commitlog_sync" in done.stderr


def _settings_when_let_in(node: CassandraServer) -> dict[str, str]:
    """The settings it runs with; its first role is made a moment after it answers."""
    first = PlainTextAuthProvider("cassandra", "cassandra")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with plain_session(node.address, auth_provider=first) as session:
                rows = session.execute("SELECT name, value FROM system_views.settings")
                return {row.name: row.value for row in rows}
        except NoHostAvailable:
            assert node.running, node.tail()
            assert time.monotonic() < deadline, "its first role never came"
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cassandra_starts_so_and_lets_nobody_in_without_a_password(tmp_path: Path) -> None:
    node = CassandraServer(tmp_path, DELIVERED)
    assert _start_as_delivered(tmp_path / "conf").returncode == 0
    try:
        node.start()
        with pytest.raises(NoHostAvailable, match="Authentication"), plain_session(node.address):
            pass
        told = _settings_when_let_in(node)
        assert told["commitlog_sync"] == "group"
        assert told["commitlog_sync_group_window"] == "15ms"
    finally:
        node.kill()


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[CassandraServer]]:
    port, storage_port = free_port(), free_port()
    made = [
        CassandraServer(
            tmp_path / host, host=host, port=port, storage_port=storage_port, seeds=SERVERS
        )
        for host in (*SERVERS, THIRD)
    ]
    yield made
    for node in made:
        node.kill()


def _tier(members: list[CassandraServer]) -> CassandraCold:
    """What the bridge of pair.yaml makes of its configuration, but for addresses and passwords."""
    cold = load(COMPOSE / "bridge" / "pair.yaml").tiers.cold
    assert cold is not None
    assert cold.replication is not None
    return CassandraCold(
        replace(
            cold,
            hosts=SERVERS,
            port=members[0].port,
            username=None,
            password_file=None,
            data_center=DATA_CENTER,
            replication={DATA_CENTER: cold.replication["brewery"]},
        )
    )


async def _insist(alive: list[CassandraServer], do: Callable[[], Awaitable[object]]) -> None:
    """Do it until it is done, as the mover and the feeder do."""
    deadline, why = time.monotonic() + PATIENCE_S, "not yet asked"
    while time.monotonic() < deadline and all(node.running for node in alive):
        try:
            await do()
        except TierUnavailableError as err:
            why = str(err)
            await asyncio.sleep(0.5)
        else:
            return
    told = [f"{node.host}, running: {node.running}\n{node.tail()}" for node in alive]
    pytest.fail("\n".join((f"not in {PATIENCE_S:g} s: {why}", *told)))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_pair_waits_while_one_is_away_and_no_more_when_a_third_has_come(
    members: list[CassandraServer],
) -> None:
    one, other, third = members
    for node in (one, other):
        node.spawn()
    for node in (one, other):
        node.wait_ready()
    cold, chunks = _tier(members), list(archive(SERIES, HOUR, 3))

    async def all_of(count: int) -> None:
        assert await cold.chunks(SERIES, HOUR, HOUR + 5 * HOUR_MS) == chunks[:count]

    try:
        await _insist([one, other], cold.open)
        await _insist([one, other], lambda: cold.write_chunk(chunks[0]))
        await asyncio.to_thread(other.kill)
        # No yes is said that only one member stands for, nor is less than all read as all.
        with pytest.raises(TierUnavailableError):
            await cold.write_chunk(chunks[1])
        with pytest.raises(TierUnavailableError):
            await cold.chunks(SERIES, HOUR, HOUR + HOUR_MS)
        await asyncio.to_thread(other.start)
        await _insist([one, other], lambda: cold.write_chunk(chunks[1]))
        await _insist([one, other], lambda: all_of(2))

        await asyncio.to_thread(third.start)
        await asyncio.to_thread(one.kill)
        await _insist([other, third], lambda: all_of(2))
        await _insist([other, third], lambda: cold.write_chunk(chunks[2]))
        await _insist([other, third], lambda: all_of(3))
    finally:
        await cold.close()
