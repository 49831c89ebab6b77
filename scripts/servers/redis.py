"""Redis servers, Sentinels and clusters."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import HOST, Child, MissingServerError, ServerError, answers, free_port, program

MASTER = "brewery"
PATIENCE_S = 60.0


def redis_program(name: str) -> Path:
    """`redis-server` or `redis-sentinel`; raises MissingServerError."""
    found = program(name, "redis")
    if found is None:
        raise MissingServerError(
            "Redis", f"there is no {name}; run scripts/setup, which fetches it"
        )
    return found


class RedisServer(Child):
    """A redis-server without persistence; `settings` are lines of its configuration."""

    def __init__(
        self, folder: Path, settings: Mapping[str, object] | None = None, port: int = 0
    ) -> None:
        self.port = port or free_port()
        self.bus_port = free_port()
        chosen: dict[str, object] = {
            "bind": HOST,
            "port": self.port,
            "cluster-port": self.bus_port,
            "dir": folder,
            "save": '""',
            "appendonly": "no",
            "repl-diskless-sync-delay": 0,
            **(settings or {}),
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "redis.conf"
        lines = "".join(f"{key} {value}\n" for key, value in chosen.items())
        path.write_text(lines.replace("{port}", str(self.port)))
        self._tls = "tls-port" in chosen
        super().__init__([redis_program("redis-server"), path], folder, self.pings)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://{HOST}:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:  # noqa: ANN401 - whatever redis-py takes
        """A client of this server alone."""
        return redis.Redis(
            HOST, self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0), **options
        )

    def pings(self) -> bool:
        """Whether it answers."""
        if self._tls:
            return answers(HOST, self.port)
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def info(self) -> dict[str, Any]:
        """What it says of itself."""
        with self.client() as client:
            found: dict[str, Any] = client.info()
            return found


class SentinelGroup:
    """One master, `replicas` replicas and three Sentinels, quick to notice a death."""

    def __init__(self, folder: Path, replicas: int = 2) -> None:
        self.servers = [RedisServer(folder / "r0")]
        master = f"{HOST} {self.servers[0].port}"
        self.servers += [
            RedisServer(folder / f"r{n}", {"replicaof": master}) for n in range(1, replicas + 1)
        ]
        self.sentinels: list[Child] = []
        self.ports: list[int] = []
        for n in range(3):
            port, place = free_port(), folder / f"s{n}"
            place.mkdir(parents=True)
            path = place / "sentinel.conf"
            path.write_text(
                f"bind {HOST}\nport {port}\ndir {place}\n"
                f"sentinel monitor {MASTER} {master} 2\n"
                f"sentinel down-after-milliseconds {MASTER} 1000\n"
                f"sentinel failover-timeout {MASTER} 6000\n"
            )
            self.ports.append(port)
            command = [redis_program("redis-sentinel"), path]
            self.sentinels.append(Child(command, place, lambda port=port: _pings(port)))  # type: ignore[misc]

    @property
    def url(self) -> str:
        """Its address."""
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def start(self) -> None:
        """Start all, and wait until they know one another."""
        for server in self.servers:
            server.start()
        wait_for(
            lambda: all(s.info()["master_link_status"] == "up" for s in self.servers[1:]),
            "replication",
        )
        # A Sentinel asks for replicas when it starts and then every ten seconds only.
        for sentinel in self.sentinels:
            sentinel.spawn()
        for sentinel in self.sentinels:
            sentinel.wait_ready()
        replicas = len(self.servers) - 1
        wait_for(lambda: all(self._knows(p, replicas, 2) for p in self.ports), "discovery")

    def stop(self) -> None:
        """Kill all."""
        for child in (*self.sentinels, *self.servers):
            child.kill()

    def master(self) -> RedisServer:
        """The server that most Sentinels call the master."""
        votes = [self._master_port(port) for port in self.ports]
        port = max(set(votes), key=votes.count)
        return next(server for server in self.servers if server.port == port)

    def _master_port(self, sentinel: int) -> int:
        with redis.Redis(HOST, sentinel, socket_timeout=5) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def _knows(self, sentinel: int, replicas: int, others: int) -> bool:
        with redis.Redis(HOST, sentinel, socket_timeout=5) as client:
            state = client.sentinel_master(MASTER)
        return bool(state["num-slaves"] == replicas and state["num-other-sentinels"] == others)


class RedisCluster:
    """Three masters that share the slots."""

    def __init__(self, folder: Path) -> None:
        options = {"cluster-enabled": "yes", "cluster-node-timeout": 2000}
        self.servers = [RedisServer(folder / f"c{n}", options) for n in range(3)]

    @property
    def url(self) -> str:
        """Its address."""
        return "redis+cluster://" + ",".join(f"{HOST}:{server.port}" for server in self.servers)

    def start(self) -> None:
        """Start all, and wait until they know one another."""
        for server in self.servers:
            server.start()
        starts = [0, 5461, 10923, 16384]
        first = self.servers[0]
        for n, server in enumerate(self.servers):
            with server.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", starts[n], starts[n + 1] - 1)
                if server is not first:
                    client.execute_command("CLUSTER", "MEET", HOST, first.port, first.bus_port)
        wait_for(lambda: all(self._whole(server) for server in self.servers), "the cluster")

    def stop(self) -> None:
        """Kill all."""
        for server in self.servers:
            server.kill()

    def _whole(self, server: RedisServer) -> bool:
        with server.client() as client:
            state = client.execute_command("CLUSTER INFO")
        return bool(state["cluster_state"] == "ok" and state["cluster_known_nodes"] == "3")


def _pings(port: int) -> bool:
    try:
        with redis.Redis(HOST, port, socket_timeout=5) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; for servers, which answer when they are ready."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except redis.RedisError, KeyError:
            pass
        time.sleep(0.1)
    raise ServerError(f"never happened: {what}")
