"""Serves the API on its sockets, and writes the token store along."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

from aiohttp import web

from edge_node.api.app import create_app, outermost
from edge_node.api.connection import Connection
from edge_node.api.limits import Limits
from edge_node.api.listener import Connections, Listener, listen
from edge_node.api.meter import Meter
from edge_node.pairing import PairingWindow
from edge_node.secret_file import SecretFileError
from edge_node.supervise import supervise
from edge_node.tokens import TokenStore

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from edge_node.node import Node

LOGGER = logging.getLogger(__name__)

SHUTDOWN_S = 2.0  # for answers under way when the node stops
FLUSH_S = 300.0  # how often last uses are written; first uses of an address within a second


class ApiServer:
    """The API of a running node.

    `pairing` may be given for a simulated node, whose window stays open. `port` is the real one
    once started, `insecure_port` that of plain HTTP, or None without `insecure_lan`.
    """

    def __init__(
        self,
        node: Node,
        *,
        tokens: TokenStore | None = None,
        pairing: PairingWindow | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._node = node
        self._tokens = tokens or TokenStore(node.config.data_dir)
        self._pairing = pairing or PairingWindow(node.config.data_dir)
        self._limits = limits or Limits()
        self._meter = Meter()
        self._connections = Connections(self._limits.connections, self._meter)
        self._runners: list[web.AppRunner] = []
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0
        self.insecure_port: int | None = None

    async def start(self) -> None:
        """Listen and serve. Raises OSError if an address or port cannot be had."""
        api, identity = self._node.config.api, self._node.identity
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(identity.cert_path, identity.key_path)
        try:
            self.port = await self._serve(listen(api.bind, api.port), context)
            if api.insecure_lan:
                plain = listen(api.bind, api.port + 1 if api.port else 0)
                self.insecure_port = await self._serve(plain, None)
                LOGGER.warning(
                    "insecure_lan is on: anyone on the network can read this node over plain HTTP "
                    "on port %d, without a token",
                    self.insecure_port,
                )
        except BaseException:
            await self.stop()
            raise
        self._keep_running("token_store", self._keep_tokens)

    async def stop(self) -> None:
        """Stop listening, end streams and waits, and write what is not written yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self._sockets:
            sock.close()
        for runner in self._runners:
            await runner.cleanup()
        self._tasks, self._sockets, self._runners = [], [], []
        await self._flush()

    async def _serve(self, sock: socket.socket, context: ssl.SSLContext | None) -> int:
        app = create_app(
            self._node,
            self._tokens,
            self._pairing,
            limits=self._limits,
            meter=self._meter,
            secure=context is not None,
        )
        # A long poll ends with its connection.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
        self._runners.append(runner)
        await runner.setup()
        server = runner.server
        if server is None:
            raise RuntimeError("a runner that is set up has a server")
        server.request_handler = outermost(app, server.request_handler)
        loop = asyncio.get_running_loop()

        def connect() -> Connection:
            return Connection(
                server,
                loop=loop,
                node=self._node,
                limits=self._limits,
                meter=self._meter,
                closed=self._connections.remove,
            )

        listener = Listener(
            sock,
            ssl_context=context,
            connect=connect,
            connections=self._connections,
            limits=self._limits,
            meter=self._meter,
        )
        self._sockets.append(sock)
        self._keep_running("api_listener", listener.run)
        port: int = sock.getsockname()[1]
        return port

    async def _keep_tokens(self) -> None:
        """Write first uses of an address soon, since they decide which tokens are replaced."""
        ticks = 0
        while True:
            await asyncio.sleep(1)
            ticks += 1
            if self._tokens.urgent or ticks >= FLUSH_S:
                ticks = 0
                await self._flush()

    async def _flush(self) -> None:
        try:
            await asyncio.to_thread(self._tokens.flush)
        except SecretFileError as err:
            LOGGER.error("%s; the last uses of tokens are not stored yet", err)  # noqa: TRY400

    def _keep_running(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        work = supervise(name, job, self._node.report_task)
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))
