"""The scripts that start the stores of the compose files, run as their containers do."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from scripts.servers import HOST, Child, free_port
from scripts.servers.redis import redis_program

from .programs import put_program

COMPOSE = Path(__file__).parents[2] / "ha_config" / "compose"
PASSWORD = "a-password-of-this-test"


class Container:
    """What the image of Redis has, as far as the scripts use it, but ports of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.secrets.mkdir(parents=True)
        (self.secrets / "redis-password").write_text(PASSWORD)
        self.bin = folder / "bin"
        # Who may give files away and become someone else is root alone.
        put_program(self.bin, "chown", f'#!/bin/sh\necho "$@" >>{folder}/given\n')
        put_program(
            self.bin, "setpriv",
            '#!/bin/sh\n[ "$1 $2 $3" = "--reuid=redis --regid=redis --clear-groups" ] || exit 9\n'
            'shift 3\nexec "$@"\n',
        )  # fmt: skip
        shutil.copy(redis_program("redis-cli"), self.bin)
        self.children: list[Child] = []

    def start(self, script: Path, program: str, **environment: str) -> tuple[Child, int]:
        """The server that `script` starts, and its port."""
        port, data = free_port(), self.folder / f"{program}-data"
        data.mkdir(exist_ok=True)
        options = f"--port {port} --bind {HOST} --cluster-port {free_port()}"
        if program == "redis-sentinel":
            options = f"--port {port} --bind {HOST}"
        put_program(
            self.bin, program,
            f'#!/bin/sh\nexec {redis_program(program)} "$1" {options}\n',
        )  # fmt: skip
        told = {"FOLDER": f"{data}-config", "DATA": data, "SECRETS": self.secrets, **environment}
        child = Child(
            ["env", f"PATH={self.bin}:{os.environ['PATH']}",
             *(f"{name}={value}" for name, value in told.items()), "sh", script],
            self.folder / "run",
            lambda: self.ask(port, "PING") == ["PONG"],
        )  # fmt: skip
        self.children.append(child)
        child.start()
        return child, port

    def ask(self, port: int, *command: str) -> list[str]:
        """What ask.sh is told."""
        return subprocess.run(
            ["sh", COMPOSE / "redis" / "ask.sh", HOST, str(port), *command],
            text=True,
            capture_output=True,
            timeout=60,
            check=True,
            env={"PATH": f"{self.bin}:{os.environ['PATH']}", "SECRETS": str(self.secrets)},
        ).stdout.splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    for child in made.children:
        child.kill()


def _shown(child: Child) -> bytes:
    """What every user of the computer, and root, sees of a process."""
    place = Path("/proc") / str(child.pid)
    return (place / "cmdline").read_bytes() + (place / "environ").read_bytes()


def _stranger(port: int) -> redis.Redis:
    return redis.Redis(HOST, port, socket_timeout=30, retry=Retry(NoBackoff(), 0))


def test_redis_asks_for_a_password_that_nobody_sees(container: Container) -> None:
    child, port = container.start(COMPOSE / "redis" / "start.sh", "redis-server", HERE="10.9.0.1")
    assert PASSWORD.encode() not in _shown(child)
    file = container.folder / "redis-server-data-config" / "redis.conf"
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"-R redis:redis {file.parent}" in (container.folder / "given").read_text()
    with _stranger(port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for name, value in {
        "maxmemory-policy": "volatile-ttl",
        "appendonly": "yes",
        "replica-announce-ip": "10.9.0.1",
        "masterauth": PASSWORD,
    }.items():
        assert container.ask(port, "CONFIG", "GET", name) == [name, value]
    # A Sentinel does this when it changes the roles.
    assert container.ask(port, "CONFIG", "REWRITE") == ["OK"]
    (container.secrets / "redis-password").write_text("another")
    assert container.ask(port, "PING") != ["PONG"]


def test_what_redis_was_told_is_there_when_it_comes_back(container: Container) -> None:
    child, port = container.start(COMPOSE / "redis" / "start.sh", "redis-server")
    assert container.ask(port, "SET", "key", "value") == ["OK"]
    child.stop()
    _, port = container.start(COMPOSE / "redis" / "start.sh", "redis-server")
    assert container.ask(port, "GET", "key") == ["value"]


def test_a_sentinel_enters_its_master_and_lets_nobody_in_without_the_password(
    container: Container, tmp_path: Path
) -> None:
    _, master = container.start(COMPOSE / "redis" / "start.sh", "redis-server")
    text = (COMPOSE / "redis" / "sentinel.sh").read_text()
    script = tmp_path / "sentinel.sh"
    script.write_text(text.replace("$MASTER 6379 ", f"$MASTER {master} "))
    assert script.read_text() != text
    where = {"HERE": HOST, "MASTER": HOST}
    child, port = container.start(script, "redis-sentinel", **where)
    assert PASSWORD.encode() not in _shown(child)
    with _stranger(port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.execute_command("SENTINEL", "masters")
    (_, server), *_ = [
        line.split(":") for line in container.ask(master, "INFO", "server") if "run_id" in line
    ]
    deadline = time.monotonic() + 60
    while server not in container.ask(port, "SENTINEL", "master", "smart-beer"):
        assert child.running, child.tail()
        assert time.monotonic() < deadline, "it never got what only one who logs in is told"
        time.sleep(0.1)
    assert container.ask(port, "SENTINEL", "get-master-addr-by-name", "smart-beer") == [
        HOST, str(master),
    ]  # fmt: skip
    me = container.ask(port, "SENTINEL", "myid")
    child.stop()
    _, port = container.start(script, "redis-sentinel", **where)
    assert container.ask(port, "SENTINEL", "myid") == me, "what it has learned stays"


CQLSH = """#!/usr/bin/env bash
# The roles are files of $STATE; a statement of one who may not log in fails, as cqlsh's does.
echo "$*" >>"$STATE/commands"
credentials=${1#--credentials=}
user=$(sed -n 's/^username = //p' "$credentials") word=$(sed -n 's/^password = //p' "$credentials")
[ "$(cat "$STATE/$user" 2>/dev/null)" = "$word" ] || exit 1
statement=$(cat "$3")
echo "$statement" >>"$STATE/statements"
case $statement in
  CREATE*) sed "s/.*PASSWORD = '\\([^']*\\)'.*/\\1/" <<<"$statement" >"$STATE/smart_beer" ;;
  "ALTER ROLE"*) if [ -e "$STATE/broken" ]; then exit 2; fi; rm -f "$STATE/cassandra" ;;
esac
"""


def _roles(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    put_program(folder / "bin", "cqlsh", CQLSH)
    (folder / "cassandra-password").write_text(PASSWORD)
    return subprocess.run(
        ["bash", COMPOSE / "cassandra" / "roles.sh", *arguments],
        text=True, capture_output=True, timeout=60, check=False,
        env={
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(folder),
            "STATE": str(folder), "SECRETS": str(folder), "PAUSE": "0",
        },
    )  # fmt: skip


def test_cassandras_first_role_is_closed_even_if_the_run_that_made_ours_ended(
    tmp_path: Path,
) -> None:
    (tmp_path / "cassandra").write_text("cassandra")
    (tmp_path / "broken").touch()
    assert _roles(tmp_path, "10.9.0.1").returncode != 0
    assert (tmp_path / "smart_beer").read_text().strip() == PASSWORD
    (tmp_path / "broken").unlink()
    for _ in range(2):
        done = _roles(tmp_path, "10.9.0.1", "3")
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "cassandra").exists()
    statements = (tmp_path / "statements").read_text()
    assert statements.count("CREATE ROLE") == 1
    assert "'brewery': 3" in statements
    assert PASSWORD not in (tmp_path / "commands").read_text()
    assert not list(tmp_path.glob("tmp.*")), "no file with a password is left"


def test_a_cassandra_that_lets_nobody_in_is_named(tmp_path: Path) -> None:
    done = _roles(tmp_path, "10.9.0.1")
    assert done.returncode == 1
    assert "Cassandra at 10.9.0.1 lets neither" in done.stderr


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "secrets.sh", tmp_path)
    shutil.copytree(COMPOSE / "bridge", tmp_path / "bridge")
    (tmp_path / "bridge" / "pair.yaml").chmod(0o600)  # as git leaves it under a strict umask
    subprocess.run([tmp_path / "secrets.sh"], check=True, capture_output=True, timeout=30)
    folder = tmp_path / "secrets"
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(made) == {
        "bridge-token", "cassandra-password", "mongo-keyfile", "mongo-password", "redis-password",
    }  # fmt: skip
    assert all(len(made[name]) >= 24 for name in made if name.endswith("password"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "bridge" / "pair.yaml").stat().st_mode & 0o777 == 0o644
    subprocess.run([tmp_path / "secrets.sh"], check=True, capture_output=True, timeout=30)
    assert {file.name: file.read_text() for file in folder.iterdir()} == made
