"""The demo's own Redis, MongoDB server and Cassandra, as the tiers of its bridge."""

from typing import TYPE_CHECKING, Any, Final

import yaml

from scripts.servers import HOST, Child, program
from scripts.servers.cassandra import CassandraServer
from scripts.servers.mongo import MongoServer
from scripts.servers.redis import RedisServer

if TYPE_CHECKING:
    from pathlib import Path

PORTS: Final = 4  # the third store takes two, one is for its neighbours
FLUSH_S: Final = 5  # a person who looks into MongoDB wants to see what happens now
# As the compose files set them: what Cassandra said yes to is on its disk.
_COMMIT: Final = "commitlog_sync: group\ncommitlog_sync_group_window: 15ms\n"
_REDIS: Final = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory": "128mb",
    "maxmemory-policy": "volatile-ttl",
}
LOOK: Final = """
The samples are in three stores; look into them with

  Redis        {redis} -p {redis_port} HGETALL smart_beer:last
  MongoDB      mongosh {mongo_url}smart_beer --eval 'db.minutes.find().sort({{m: -1}}).limit(3)'
               (or any other client; started here: {mongo})
  Cassandra    cqlsh {host} {cassandra_port} -e \
'SELECT series, hour, rows, low, high FROM smart_beer.head LIMIT 10'
               (pipx run cqlsh, where there is none; hours come here after 30 days, or with
               smart-beer-bridge archive --now --older-than 0 --config {config})
Break one of them:  kill -9 {pids}    (it is started again, and nothing is lost)
"""


class Stores:
    """The three servers in `folder`, on `PORTS` ports from `port` on; go on where they were.

    Raises MissingServerError.
    """

    def __init__(self, folder: Path, port: int) -> None:
        redis, mongo, native, between = range(port, port + PORTS)
        self.redis = RedisServer(folder / "redis", _REDIS, redis)
        self.mongo = MongoServer(folder / "mongodb", mongo)
        self.cassandra = CassandraServer(
            folder / "cassandra", _COMMIT, port=native, storage_port=between
        )

    @property
    def servers(self) -> dict[str, Child]:
        """By the store's name."""
        return {"Redis": self.redis, "MongoDB": self.mongo, "Cassandra": self.cassandra}

    def start(self) -> None:
        """Start all at once; raises ServerError."""
        for server in self.servers.values():
            server.spawn()
        for server in self.servers.values():
            server.wait_ready()

    def revive(self) -> list[str]:
        """Start again what has ended; the names of those."""
        dead = [(name, server) for name, server in self.servers.items() if not server.running]
        for _, server in dead:
            server.start()
        return [name for name, _ in dead]

    def stop(self) -> None:
        """End all."""
        for server in self.servers.values():
            server.stop()

    def tiers(self) -> dict[str, Any]:
        """The part `tiers` of a bridge's configuration."""
        return {
            "hot": {"driver": "redis", "url": self.redis.url, "keep_days": 3},
            "warm": {
                "driver": "motor",
                "url": self.mongo.url,
                "database": "smart_beer",
                "keep_days": 30,
                "flush_s": FLUSH_S,
            },
            "cold": {
                "driver": "cassandra",
                "hosts": [HOST],
                "port": self.cassandra.port,
                "keyspace": "smart_beer",
                "replication": {"SimpleStrategy": 1},
            },
        }

    def look(self, config: Path) -> str:
        """How a person looks into them."""
        return LOOK.format(
            host=HOST,
            redis=program("redis-cli", "redis") or "redis-cli",
            redis_port=self.redis.port,
            mongo=self.mongo.program,
            mongo_url=self.mongo.url,
            cassandra_port=self.cassandra.port,
            config=config,
            pids=" | ".join(f"{server.pid} ({name})" for name, server in self.servers.items()),
        )


def set_tiers(config: Path, tiers: dict[str, Any]) -> None:
    """Make these the tiers of a bridge's configuration file."""
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "tiers": tiers}, sort_keys=False))


def drivers(config: Path) -> list[str]:
    """The drivers of hot, warm and cold in a bridge's configuration file."""
    tiers = yaml.safe_load(config.read_text())["tiers"]
    return [tiers[role]["driver"] for role in ("hot", "warm", "cold")]
