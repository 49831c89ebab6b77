"""Accepts connections, never more than the limit, and lets nobody lock the others out."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from edge_node.api.connection import Connection
    from edge_node.api.limits import Limits
    from edge_node.api.meter import Meter

LOGGER = logging.getLogger(__name__)

KEEPALIVE_IDLE_S = 30  # then three probes, ten seconds apart: a vanished client frees its place
UNACKNOWLEDGED_MS = 30_000  # how long what was sent may stay unacknowledged
SEND_BUFFER = 128 * 1024  # left alone, Linux lets it grow to megabytes for each connection
ACCEPT_RETRY_S = 1.0  # after a failed accept: out of file descriptors, mostly


class Connections:
    """Every open connection, also those still in their TLS handshake; at most `limit`.

    When they are all taken, a newcomer gets the place of the oldest that never showed a right
    token, else of the one kept alive without use the longest. Requests of paired clients are
    never cut for it.
    """

    def __init__(self, limit: int, meter: Meter) -> None:
        self._limit = limit
        self._meter = meter
        self._open: dict[Connection, asyncio.Task[None]] = {}

    def add(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """Register a connection and the task of its handshake."""
        self._open[connection] = task
        self._meter.connections = len(self._open)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)
        self._meter.connections = len(self._open)

    def make_room(self) -> bool:
        """Whether one more may be opened, after cutting another if need be."""
        if len(self._open) < self._limit:
            return True
        victim = next((each for each in self._open if not each.trusted), None)
        if victim is None:
            idle = [each for each in self._open if each.idle]
            if not idle:
                return False
            victim = min(idle, key=lambda each: each.last_used)
        task = self._open[victim]
        self.remove(victim)
        if task.done():
            victim.abort("displaced")
        else:
            self._meter.cut["displaced"] += 1
            task.cancel()
        return True


class Listener:
    """Serves one listening socket until it is closed; `ssl_context` None means plain HTTP."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        ssl_context: ssl.SSLContext | None,
        connect: Callable[[], Connection],
        connections: Connections,
        limits: Limits,
        meter: Meter,
    ) -> None:
        self._sock = sock
        self._ssl = ssl_context
        self._connect = connect
        self._connections = connections
        self._limits = limits
        self._meter = meter
        self._handshakes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept connections until cancelled."""
        loop = asyncio.get_running_loop()
        self._sock.setblocking(False)
        try:
            while True:
                try:
                    client, _ = await loop.sock_accept(self._sock)
                except OSError as err:
                    LOGGER.warning("A connection could not be accepted: %s", err)
                    await asyncio.sleep(ACCEPT_RETRY_S)
                    continue
                if not self._connections.make_room():
                    self._meter.cut["full"] += 1
                    client.close()
                    continue
                connection = self._connect()
                task = loop.create_task(self._open(client, connection))
                self._connections.add(connection, task)
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)
        finally:
            for task in self._handshakes:
                task.cancel()

    async def _open(self, client: socket.socket, connection: Connection) -> None:
        """Shake hands; from then on the connection is on its own."""
        loop = asyncio.get_running_loop()
        timeouts = (
            {}
            if self._ssl is None
            else {
                "ssl_handshake_timeout": self._limits.handshake_s,
                "ssl_shutdown_timeout": self._limits.handshake_s,
            }
        )
        opened = False
        try:
            _watch(client)
            await loop.connect_accepted_socket(
                lambda: connection, client, ssl=self._ssl, **timeouts
            )
            opened = True
        except OSError as err:  # TLS errors and time-outs too
            self._meter.cut["handshake"] += 1
            LOGGER.debug("A connection failed in its handshake: %s", err)
        finally:
            if not opened:
                self._connections.remove(connection)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 lets the system choose; "::" listens on IPv4 too.

    Raises OSError naming address and port if they cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=64, dualstack_ipv6=both)
    except (OSError, OverflowError) as err:
        raise OSError(f"the API cannot listen on {host} port {port}: {err}") from err


def _watch(client: socket.socket) -> None:
    """Let the kernel notice a client that vanished, and hold little for one that does not read."""
    try:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    except OSError:
        client.close()  # it has gone already, and no transport owns the socket yet
        raise
