"""Redis, MongoDB and Cassandra for tests that kill, hang and fill them; started once, in parallel.

They keep what they acknowledged, all but Redis, which is a cache and comes back empty.
"""

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from scripts.servers import Child
from scripts.servers.cassandra import BATCH, CassandraServer
from scripts.servers.mongo import MongoServer
from scripts.servers.redis import RedisServer

NAMES: Final = ("redis", "mongo", "cassandra")
_ROOM: Final = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
# As delivered, its log is a file of full size in memory: a full disk is felt 32 MiB later.
_WRITTEN: Final = (
    BATCH + "commitlog_compression: [{class_name: LZ4Compressor}]\ncommitlog_segment_size: 4MiB\n"
)


class Stores:
    """`start` before use, `stop` after it; `heal` after a test that mistreated them."""

    def __init__(self, folder: Path, *, quick_start: bool = True) -> None:
        self.redis = RedisServer(folder / "redis")
        self.mongo = MongoServer(folder / "mongo")
        self.cassandra = CassandraServer(folder / "cassandra", _WRITTEN, quick_start=quick_start)

    def __getitem__(self, name: str) -> Child:
        return {"redis": self.redis, "mongo": self.mongo, "cassandra": self.cassandra}[name]

    def start(self, *names: str) -> None:
        """Start these, or all, at the same time."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self[name].start(), names or NAMES))

    def kill(self, *names: str) -> None:
        """SIGKILL these, or all."""
        for name in names or NAMES:
            self[name].kill()

    def heal(self) -> None:
        """Every store runs, has room, and answers."""
        for name in NAMES:
            self[name].resume()
        if gone := [name for name in NAMES if not self[name].running]:
            self.start(*gone)
        for name in NAMES:
            self.give_room(name)

    def take_room(self, name: str, bytes_left: int = 4096) -> None:
        """Let no file of a server grow beyond so many bytes, as on a full disk.

        A limit of the kernel's on the one process, which needs no rights and no file system of
        its own. Redis writes no file: its memory is full.
        """
        if name == "redis":
            with self.redis.client() as client:
                client.config_set("maxmemory", 1)
        else:
            limit_files(self[name].pid, bytes_left)

    def give_room(self, name: str) -> None:
        """The opposite; a server that gave up over it has to be started again by the caller."""
        if name == "redis":
            with self.redis.client() as client:
                client.config_set("maxmemory", 0)
        else:
            limit_files(self[name].pid, None)

    def tiers(self, name: str, **warm: Any) -> dict[str, Any]:
        """The `tiers` of a configuration, with keys and tables under that name."""
        return {
            "hot": {"driver": "redis", "url": self.redis.url, "prefix": name},
            "warm": {
                "driver": "motor", "url": self.mongo.url, "database": name, "flush_s": 1, **warm,
            },
            "cold": {
                "driver": "cassandra",
                "hosts": list(self.cassandra.address.hosts),
                "port": self.cassandra.port,
                "keyspace": name,
                "replication": {"SimpleStrategy": 1},
                "hours_per_minute": 1_000_000,
            },
        }  # fmt: skip


def limit_files(pid: int, size: int | None) -> None:
    """Let a process make no file larger than that; None: as large as it likes."""
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, _ROOM if size is None else (size, hard))


def fresh_name() -> str:
    """A prefix, database and keyspace of one test."""
    return f"faults_{time.time_ns():x}"
