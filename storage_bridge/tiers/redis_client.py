"""One connection to Redis, whether one server, one behind Sentinels, or a cluster."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from .base import TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from .redis_settings import RedisSettings

CONNECTIONS: Final = 8
SOCKET_S: Final = 5.0
SENTINEL_S: Final = 1.5  # there are others to ask
CALL_S: Final = 20.0  # for a whole pipeline, waiting for a connection included

_ABOUT: Final = ("server", "replication")

type Command = Sequence[str | bytes | int]


class RedisClient:
    """Sends pipelines; everything sent must be safe to repeat. Raises TierUnavailableError."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._address = settings.address
        hosts = ", ".join(f"{host}:{port}" for host, port in self._address.hosts)
        self._name = {
            "standalone": f"Redis at {hosts}",
            "sentinel": f"Redis {self._address.service!r} behind the Sentinels at {hosts}",
            "cluster": f"The Redis cluster at {hosts}",
        }[self._address.kind]
        self._client: Redis | RedisCluster | None = None
        self._sentinel: Sentinel | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)

    @property
    def sharded(self) -> bool:
        """Whether keys are spread over several servers."""
        return self._address.kind == "cluster"

    async def open(self) -> None:
        """Connect; idempotent."""
        if self._client is None:
            async with self._sentences():
                self._connect()
        await self.run([("PING",)] if not self.sharded else [("EXISTS", "smart_beer")])

    async def close(self) -> None:
        """Let go of all connections; idempotent."""
        client, self._client = self._client, None
        sentinel, self._sentinel = self._sentinel, None
        for each in (client, sentinel):
            if each is not None:
                # A connection that cannot be closed in order is gone as well.
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    async with asyncio.timeout(SOCKET_S):
                        await each.aclose()

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one round trip (to each server), in order; their replies."""
        client = self._connected()
        async with self._sentences(), self._slots, asyncio.timeout(CALL_S):
            pipeline = (
                client.pipeline(transaction=False)
                if isinstance(client, Redis)
                else client.pipeline()
            )
            async with pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()

    async def holder(self) -> str:
        """Names the processes that are master now, and the histories that they go on with."""
        client = self._connected()
        async with self._sentences(), self._slots, asyncio.timeout(CALL_S):
            if isinstance(client, RedisCluster):
                told = await client.info(*_ABOUT, target_nodes=RedisCluster.PRIMARIES)
                found = (told,) if "run_id" in told else told.values()  # of one server, of several
            else:
                found = (await client.info(*_ABOUT),)
        return " ".join(sorted(f"{info['run_id']}:{info['master_replid']}" for info in found))

    def _connected(self) -> Redis | RedisCluster:
        if self._client is None:
            raise TierUnavailableError(f"{self._name} has not been connected to yet")
        return self._client

    def _connect(self) -> None:
        address, settings = self._address, self._settings
        options: dict[str, Any] = {
            "username": settings.username,
            "password": _password(settings.password_file),
            "socket_timeout": SOCKET_S,
            "socket_connect_timeout": SOCKET_S,
            "socket_keepalive": True,
            "health_check_interval": 30,
            "client_name": "smart-beer-bridge",
            "protocol": 2,
            # Once, at once: for a connection that was closed while it idled. The feeder waits.
            "retry": Retry(ConstantBackoff(0.05), 1),
        }
        tls: dict[str, Any] = {}
        if address.tls:
            tls = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
            if settings.ca_file is not None:
                tls["ssl_ca_certs"] = str(settings.ca_file)
        if address.kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            self._client = RedisCluster(
                startup_nodes=nodes,
                max_connections=CONNECTIONS,
                ssl=address.tls,
                **{**options, **tls},
            )
            return
        options["db"] = address.database
        if address.kind == "sentinel":
            self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
                address.hosts,
                sentinel_kwargs={
                    "username": settings.sentinel_username,
                    "password": _password(settings.sentinel_password_file),
                    "socket_timeout": SENTINEL_S,
                    "socket_connect_timeout": SENTINEL_S,
                    "retry": Retry(NoBackoff(), 0),
                    **({"ssl": True, **tls} if address.tls else {}),
                },
                **options,
                **({"ssl": True, **tls} if address.tls else {}),
            )
            self._client = self._sentinel.master_for(address.service, max_connections=CONNECTIONS)
            return
        (host, port) = address.hosts[0]
        if address.tls:
            options |= {"connection_class": SSLConnection, **tls}
        pool = BlockingConnectionPool(
            host=host, port=port, max_connections=CONNECTIONS, timeout=CALL_S, **options
        )
        self._client = Redis.from_pool(pool)

    @contextlib.asynccontextmanager
    async def _sentences(self) -> AsyncIterator[None]:
        """Whatever goes wrong with the store as one error that names it."""
        try:
            yield
        except TimeoutError as err:
            raise TierUnavailableError(f"{self._name} did not answer in time") from err
        except (RedisError, RedisClusterException, OSError) as err:
            text = str(err) or type(err).__name__
            raise TierUnavailableError(f"{self._name} cannot serve now: {text}") from err


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise TierUnavailableError(f"The password file {path} cannot be read: {err}") from err
    if not text:
        raise TierUnavailableError(f"The password file {path} is empty")
    return text
