"""Servers as child processes: their ports, and what they say when something is wrong."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.servers import Child, ServerError, free_port
from scripts.servers.cassandra import CassandraServer
from tests.storage_bridge.servers import required, said_since

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_port_is_given_once_and_never_to_an_outgoing_connection() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    lowest, _ = map(int, RANGE.read_text().split())
    assert max(ports) < lowest, "a server that is started again finds its port free"


def test_two_processes_are_never_given_the_same_port() -> None:
    """Though nothing listens on any of them: each server may be away for a while."""
    program = "from scripts.servers import free_port; print(*(free_port() for _ in range(250)))"
    with ExitStack() as ends:
        given = [free_port() for _ in range(250)]
        for _ in range(3):
            other = ends.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", f"{program}; input()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=Path(__file__).parents[2],
                )
            )
            ends.callback(other.kill)
            assert other.stdout is not None
            given += map(int, other.stdout.readline().split())
    assert len(given) == 1000
    assert len(set(given)) == len(given)


def test_a_server_that_ends_tells_its_last_words(tmp_path: Path) -> None:
    words = "[print(f'line {n}', n * 'x') for n in range(200)]; raise SystemExit(3)"
    child = Child([sys.executable, "-c", words], tmp_path / "server", lambda: False)
    before, name = time.time(), f"The end of {child.output}"
    assert name not in dict(said_since(before))
    with pytest.raises(ServerError) as raised:
        child.start()
    told = str(raised.value)
    assert f"ended (3); {child.output} ends:\nline " in told, "whole lines"
    assert told.endswith(f"line 199 {199 * 'x'}\n")
    assert dict(said_since(before))[name] == child.tail()
    assert name not in dict(said_since(time.time() + 60))


def test_a_cassandra_that_does_not_start_says_why(tmp_path: Path) -> None:
    with required():
        server = CassandraServer(tmp_path / "node", "no_such_setting: 1\n")
    with pytest.raises(ServerError) as raised:
        server.start()
    (line,) = [line for line in str(raised.value).splitlines() if line.startswith("ERROR")]
    assert "CassandraDaemon Exception encountered during startup" in line, "its own log"
    assert "no_such_setting" in line
