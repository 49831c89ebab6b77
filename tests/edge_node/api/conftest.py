"""A real node over real TLS sockets on loopback; its readings are handed to it tick by tick."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge_node import config, identity
from edge_node.actuation import Actuation, Report
from edge_node.api import ApiServer
from edge_node.api.limits import Limits
from edge_node.clock import Clock
from edge_node.hardware import Acquisition
from edge_node.hardware.outputs import open_inputs, open_outputs
from edge_node.kernel_time import KernelTime, Sync
from edge_node.model import Reading
from edge_node.node import Node
from edge_node.pairing import PairingWindow
from edge_node.sampler import Tick
from edge_node.spool import Entry, Spool
from edge_node.tokens import Scope, TokenStore

CONFIG = """
node: {{id: mash-a, name: Mash tun A, data_dir: {data}}}
api: {{bind: 127.0.0.1, port: 0, mdns: false, insecure_lan: {insecure}}}
clock: {clock}
kettles:
  - {{id: mash-tun, name: Mash tun, group: [mash-a, mash-b, mash-c]}}
channels:
  - {{id: mash_temp, name: Mash, kettle: mash-tun, driver: simulated}}
  - {{id: room, name: 'Room "A"', driver: simulated}}
"""


class NeverSynchronised(KernelTime):
    """The real kernel, on a machine without a time server."""

    def sync(self) -> Sync:
        return Sync(synchronised=False, offset_ms=None)


@dataclass
class Served:
    """One running node with everything a test needs to talk to it."""

    node: Node
    server: ApiServer
    tokens: TokenStore
    pairing: PairingWindow
    session: aiohttp.ClientSession
    limits: Limits
    control: str
    read: str
    ticks: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    async def call(
        self, method: str, path: str, *, token: str | None = "", **arguments: Any
    ) -> tuple[int, dict[str, Any], Any]:
        """Call with the control token, another one, or (None) without; status, JSON, headers."""
        headers = dict(arguments.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.control}"
        pin = aiohttp.Fingerprint(bytes.fromhex(self.node.identity.fingerprint))
        async with self.session.request(
            method, self.url + path, headers=headers, ssl=pin, **arguments
        ) as response:
            return response.status, await response.json(), response.headers

    async def get(self, path: str, **arguments: Any) -> dict[str, Any]:
        status, content, _ = await self.call("GET", path, **arguments)
        assert status == 200, content
        return content

    def tick(self, value: float | None = 20.0, quality: str = "ok") -> None:
        """Hand the node the next second's readings of both channels."""
        self.ticks += 1
        readings = {name: Reading(value, quality) for name in ("mash_temp", "room")}
        t = 1_800_000_000_000 + 1000 * self.ticks
        mono = self.node.mono_ms()
        self.node.deliver(
            Tick(t, mono, readings),
            [
                Entry(t, mono, f"mash-a/{name}", reading.value, reading.quality)
                for name, reading in readings.items()
            ],
        )

    async def committed(self, seq: int) -> None:
        """Wait until that many samples may be served."""
        await until(lambda: self.node.spool.last_seq >= seq)


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


Serve = Callable[..., Awaitable[Served]]


@asynccontextmanager
async def serving(
    folder: Path, *, limits: Limits, insecure: bool, clock: str, text: str
) -> AsyncIterator[Served]:
    data = folder / "data"
    identity.create("mash-a", data)
    path = folder / "node.yaml"
    path.write_text(text.format(data=data, insecure=str(insecure).lower(), clock=clock))
    node_config = config.load(path)
    node_clock = Clock(data / "clock.json", trust=clock == "trust", source=NeverSynchronised())
    spool = Spool(
        data / "spool.db",
        max_bytes=node_config.spool_max_bytes,
        kernel_boot=node_clock.kernel_boot,
    )
    hardware = Acquisition(node_config)
    own = identity.load("mash-a", data)
    node = Node(node_config, own, node_clock, spool, hardware)
    outputs = open_outputs(path)
    node.actuation = actuation = Actuation(
        node_config,
        boot_id=node.boot_id,
        mono_ms=node.mono_ms,
        utc_ms=node_clock.now_ms,
        outputs=outputs,
        inputs=open_inputs(path),
    )
    loop = asyncio.get_running_loop()

    def tell(report: Report) -> None:
        with suppress(RuntimeError):  # the loop may be gone when the node stops
            loop.call_soon_threadsafe(node.actuated, report)

    actuation.listener = tell
    tokens, pairing = TokenStore(data), PairingWindow(data)
    server = ApiServer(node, tokens=tokens, pairing=pairing, limits=limits)
    await spool.open()
    node.observe_clock()
    await asyncio.to_thread(actuation.start)
    await server.start()
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Served(
                node,
                server,
                tokens,
                pairing,
                session,
                limits,
                control=tokens.pair("test-control", "Test", Scope.CONTROL),
                read=tokens.pair("test-read", "Reader", Scope.READ),
            )
    finally:
        actuation.stop()
        await server.stop()
        await spool.close()


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Start a node: `await serve(limits=..., insecure=False, clock="trust")`."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            limits: Limits | None = None,
            insecure: bool = False,
            clock: str = "trust",
            text: str = CONFIG,
        ) -> Served:
            folder = tmp_path / f"node{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            limits = limits or Limits(rates={"default": (1000.0, 1000), "lease": (1000.0, 1000)})
            return await stack.enter_async_context(
                serving(folder, limits=limits, insecure=insecure, clock=clock, text=text)
            )

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A node whose rate limit is generous, everything else as in a brewery."""
    return await serve()


async def raw_tls(
    served: Served, *, receive_buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare TLS connection to the node."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    sock = socket.socket()
    sock.setblocking(False)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", served.server.port))
    return await asyncio.open_connection(sock=sock, ssl=context, server_hostname="node")
