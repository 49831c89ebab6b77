"""A node that speaks the contract over TLS and does what a test tells it to."""

import asyncio
import json
import tempfile
import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.smart_beer.node_server import make_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.typedefs import Handler

TOKEN = "stub-token"


def channel(channel_id: str, kind: str = "temperature", **changes: Any) -> dict[str, Any]:
    """A channel as `/v1/node` lists it."""
    unit = {"temperature": "°C", "pressure": "kPa", "co2": "vol"}.get(kind, "")
    return {
        "id": channel_id,
        "name": channel_id.title(),
        "kettle_id": "mash-tun",
        "kind": kind,
        "role": "process",
        "unit": unit,
        "device_class": kind,
        "driver": "simulated",
        "limits": [-10, 120],
        **changes,
    }


@dataclass
class EdgeStub:
    """The state of the node; a test changes it while it runs."""

    fingerprint: str
    node_id: str = "mash-a"
    host: str = "127.0.0.1"
    port: int = 0
    api: Any = 1
    boot_id: str = "boot1"
    spool_id: str = "spool1"
    streams: bool = True
    stream_type: str = "application/x-ndjson"
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    code: str | None = "k7Qm2x"
    kettles: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"kettle_id": "mash-tun", "kettle_name": "Mash tun", "group": ["mash-a"]}
        ]
    )
    channels: list[dict[str, Any]] = field(default_factory=lambda: [channel("temperature")])
    clock: dict[str, Any] = field(
        default_factory=lambda: {"known": True, "source": "kernel", "steps": 0}
    )
    version: str = "0.1.0"
    alarms: list[dict[str, Any]] = field(default_factory=list)
    batches: dict[str, str | None] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)  # of /v1/state
    described: dict[str, Any] = field(default_factory=dict)  # more of /v1/node: actuators, ...
    parts: dict[str, Any] = field(default_factory=dict)  # more of /v1/state: latches, ...
    samples: list[list[Any]] = field(default_factory=list)  # [seq, t, series, value, quality, None]
    answers: dict[str, web.Response] = field(default_factory=dict)  # path -> instead of the own
    hang: set[str] = field(default_factory=set)  # paths that never answer
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, path with query
    ports: set[int] = field(default_factory=set)  # of the connections that requests came on
    clock_set: list[int] = field(default_factory=list)
    mono_ms: int = 5_000
    stream_pages: int | None = None  # the server ends a stream after so many
    silent: bool = False  # waiting calls are answered never
    announces: bool = False  # knows `/v1/events`
    listeners: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_seq(self) -> int:
        """The newest seq there is."""
        return self.samples[-1][0] if self.samples else 0

    @property
    def data(self) -> dict[str, Any]:
        """The data of this node's subentry."""
        return {
            "host": self.host,
            "port": self.port,
            "token": TOKEN,
            "fingerprint": self.fingerprint,
            "node_id": self.node_id,
        }

    def paths(self, start: str) -> list[str]:
        """The requests for paths that start so."""
        return [path for _method, path in self.requests if path.startswith(start)]

    def sample(
        self,
        value: float | None,
        channel_id: str = "temperature",
        *,
        t: int | None = None,
        **more: Any,
    ) -> None:
        """Take a sample, now unless `t` says when."""
        quality = more.get("quality", "ok" if value is not None else "bad:crc")
        stamp = int(time.time() * 1000) if t is None else t
        series = more.get("series", f"{self.node_id}/{channel_id}")
        self.samples.append([self.last_seq + 1, stamp, series, value, quality, None])
        self.announce()

    def announce(self) -> None:
        """Wake those that wait for samples."""
        self.news.set()
        self.news = asyncio.Event()

    def replace_spool(self, spool_id: str) -> None:
        """Begin an empty spool, as a re-imaged card does."""
        self.spool_id = spool_id
        self.samples = []
        self.announce()

    def describe(self) -> dict[str, Any]:
        """The body of `/v1/node`."""
        return {
            "node_id": self.node_id,
            "name": f"Node {self.node_id}",
            "model": "Raspberry Pi 4",
            "version": self.version,
            "fingerprint": self.fingerprint,
            "api": self.api,
            "config_digest": "d1",
            "versions": {"smart_beer": self.version, "python": "3.11"},
            "kettles": self.kettles,
            "channels": self.channels,
            "actuators": [],
            **self.described,
            "clock": self.clock,
            "spool": {
                "spool_id": self.spool_id,
                "first_seq": 1,
                "last_seq": self.last_seq,
                "holes": [],
                "rows": len(self.samples),
                "bytes": 4096,
                "max_bytes": 2**31,
            },
        }

    def page(self, after: int, limit: int) -> dict[str, Any]:
        """The body of `/v1/samples`."""
        rows = [row for row in self.samples if row[0] > after][:limit]
        series = sorted({row[2] for row in rows})
        return {
            "spool_id": self.spool_id,
            "first_seq": 1,
            "last_seq": self.last_seq,
            "next": rows[-1][0] if rows else after,
            "holes": [],
            "series": series,
            "batches": [],
            "samples": [[*row[:2], series.index(row[2]), *row[3:]] for row in rows],
        }

    def app(self) -> web.Application:
        """The node as an aiohttp application."""
        app = web.Application(middlewares=[self._gate])
        app.router.add_get("/v1/identity", self._identity)
        app.router.add_get("/v1/node", self._node)
        app.router.add_get("/v1/state", self._state)
        app.router.add_get("/v1/samples", self._samples)
        app.router.add_get("/v1/events", self._events)
        app.router.add_put("/v1/clock", self._clock)
        app.router.add_post("/v1/pair", self._pair)
        app.router.add_delete("/v1/pair", self._unpair)
        return app

    def _reply(self, body: dict[str, Any], status: int = 200) -> web.Response:
        envelope = {"boot_id": self.boot_id, "mono_ms": self.mono_ms}
        return web.json_response({**body, **envelope}, status=status)

    def refuse(self, status: int, code: str, **detail: Any) -> web.Response:
        """An error as the contract has it."""
        return self._reply(
            {"error": {"code": code, "message": f"no: {code}", "detail": detail}}, status
        )

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        if request.transport is not None:
            self.ports.add(request.transport.get_extra_info("peername")[1])
        if request.path in self.hang:
            await self.closing.wait()
        if (answer := self.answers.get(request.path)) is not None:
            # A response object serves one request only.
            return web.Response(
                status=answer.status, body=answer.body, headers=answer.headers.copy()
            )
        is_open = request.path == "/v1/identity" or request.method == "POST"
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not is_open and bearer not in self.tokens:
            return self.refuse(401, "unauthorized")
        return await handler(request)

    async def _identity(self, _request: web.Request) -> web.Response:
        return self._reply({**self.describe(), "pairing": self.code is not None})

    async def _node(self, _request: web.Request) -> web.Response:
        return self._reply(self.describe())

    async def _state(self, _request: web.Request) -> web.Response:
        return self._reply(
            {
                "channels": self.readings,
                "actuators": {},
                "controllers": {},
                "kettles": {
                    kettle["kettle_id"]: {
                        "lease": None,
                        "batch": self.batches.get(kettle["kettle_id"]),
                    }
                    for kettle in self.kettles
                },
                "alarms": self.alarms,
                "latches": [],
                **self.parts,
                "health": {
                    "bus_errors": {},
                    "clock_offset_ms": 3,
                    "disk_free_bytes": 8 * 2**30,
                    "cpu_temperature": 48.3,
                    "power_mode": {},
                    "spool": {"rows": len(self.samples), "bytes": 4096, "lost": 0},
                    **self.health,
                },
            }
        )

    def tell(self, event: bytes | None) -> None:
        """Send these bytes to whoever listens to events; None ends the streams."""
        for queue in self.listeners:
            queue.put_nowait(event)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not self.announces:
            return self.refuse(404, "not_found")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.listeners.append(queue)
        try:
            while (event := await queue.get()) is not None:
                await response.write(event)
        except ConnectionResetError:
            return response
        finally:
            self.listeners.remove(queue)
        await response.write_eof()
        return response

    async def _samples(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        after = int(query.get("after", 0))
        if "stream" in query and not self.streams:
            return self.refuse(400, "unknown_parameter")
        if query.get("spool", self.spool_id) != self.spool_id or after > self.last_seq:
            return self.refuse(409, "other_spool", spool_id=self.spool_id)
        wait = float(query.get("wait", 0))
        if "stream" in query:
            return await self._stream(request, after, wait)
        await self._wait(after, wait)
        return self._reply(self.page(after, int(query.get("limit", 1000))))

    async def _stream(self, request: web.Request, after: int, wait: float) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": self.stream_type})
        await response.prepare(request)
        spool_id, sent = self.spool_id, 0
        while self.stream_pages is None or sent < self.stream_pages:
            await self._wait(after, wait)
            if self.spool_id != spool_id or self.closing.is_set():
                break
            page = self.page(after, 1000)
            after = page["next"]
            page |= {"boot_id": self.boot_id, "mono_ms": self.mono_ms}
            try:
                await response.write(json.dumps(page).encode() + b"\n")
            except ConnectionResetError:
                return response
            sent += 1
        await response.write_eof()
        return response

    async def _wait(self, after: int, wait: float) -> None:
        if self.silent:
            await self.closing.wait()
        if self.last_seq > after or wait <= 0 or self.closing.is_set():
            return
        try:
            async with asyncio.timeout(wait):
                await self.news.wait()
        except TimeoutError:
            return

    async def _clock(self, request: web.Request) -> web.Response:
        utc_ms = (await request.json())["utc_ms"]
        if self.clock["known"]:
            return self.refuse(409, "clock_known")
        self.clock_set.append(utc_ms)
        self.clock = {**self.clock, "known": True, "source": "client"}
        return self._reply({})

    async def _pair(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["code"] != self.code:
            return self.refuse(403, "wrong_code")
        self.code = None
        self.tokens.add("new-token")
        return self._reply(
            {"token": "new-token", "scope": body["scope"], "fingerprint": self.fingerprint}, 201
        )

    async def _unpair(self, request: web.Request) -> web.Response:
        self.tokens.discard(request.headers["Authorization"].removeprefix("Bearer "))
        return self._reply({})


def _forgive_hasty_clients(loop: asyncio.AbstractEventLoop) -> None:
    """A client that goes in the middle of the handshake is no error; it shares our loop."""
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "transport creation for incoming connection" in context["message"]:
            return
        if before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)


@asynccontextmanager
async def serving[S: EdgeStub](make: Callable[[str], S]) -> AsyncIterator[S]:
    """The node made of a fingerprint, on a free port of this machine, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        fingerprint, context = make_certificate(Path(folder))
    stub = make(fingerprint)
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1)
    _forgive_hasty_clients(asyncio.get_running_loop())
    await runner.setup()
    site = web.TCPSite(runner, stub.host, 0, ssl_context=context)
    await site.start()
    stub.port = runner.addresses[0][1]
    try:
        yield stub
    finally:
        stub.closing.set()
        stub.announce()
        stub.tell(None)
        await runner.cleanup()


def running_stub(**changes: Any) -> AbstractAsyncContextManager[EdgeStub]:
    """A node on a free port of this machine, until the block ends."""
    return serving(lambda fingerprint: EdgeStub(fingerprint=fingerprint, **changes))


@asynccontextmanager
async def own_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session of aiohttp's own, as far from Home Assistant as the client is."""
    async with aiohttp.ClientSession() as session:
        yield session
