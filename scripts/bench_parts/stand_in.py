"""A hundred nodes in one process, as cheap as they can be: what Home Assistant reads is measured.

`python -m scripts.bench_parts.stand_in FOLDER` speaks the part of the API that a reader uses, over
TLS, on a port for each node, and writes `FOLDER/nodes.json` once it listens. SIGUSR1 makes it
refuse `stream=1`, or take it again. It ends with SIGTERM.
"""

import asyncio
import json
import math
import random
import signal
import ssl
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from edge_node import identity
from edge_node.pairing import new_code, pairing_line
from edge_node.simulate_state import free_ports

NODES: Final = 100
CHANNELS: Final = 8
# These nodes' channels step by half a degree a second, so that a value tells its second.
MARKED: Final = 10
_KEPT_TICKS: Final = 60


def marked_value(second: int) -> float:
    """What every channel of a marked node says in that second."""
    return 20 + second % 100 * 0.5


class _Node:
    def __init__(self, number: int, port: int) -> None:
        self.number = number
        self.node_id = f"bench-{number:03d}"
        self.port = port
        self.code = new_code()
        self.series = [f"{self.node_id}/temperature_{n + 1}" for n in range(CHANNELS)]
        self.last = 0
        self.ticks: deque[tuple[int, list[list[Any]]]] = deque(maxlen=_KEPT_TICKS)
        self.values: list[float] = []
        self.newest = b""  # the page of the newest tick
        self._dice = random.Random(number)  # noqa: S311 - noise of a probe

    def tick(self, second: int) -> None:
        """Take the readings of a second."""
        t = second * 1000
        if self.number < MARKED:
            self.values = [marked_value(second)] * CHANNELS
        else:
            slow = 66 + 2 * math.sin(second / 900 + self.number)
            self.values = [
                round(16 * (slow + self._dice.gauss(0, 0.03))) / 16 for _ in range(CHANNELS)
            ]
        rows = [[self.last + n + 1, t, n, value, "ok", None] for n, value in enumerate(self.values)]
        self.ticks.append((self.last, rows))
        self.last += CHANNELS
        self.newest = self.page(self.last - CHANNELS)

    def page(self, after: int) -> bytes:
        """A reply of `/v1/samples`."""
        if self.newest and after == self.last - CHANNELS and self.ticks[-1][0] == after:
            rows = self.ticks[-1][1]
        else:
            rows = [row for begin, tick in self.ticks if begin >= after for row in tick]
        first = self.ticks[0][0] + 1 if self.ticks else 1
        body: dict[str, Any] = {
            "spool_id": "bench",
            "first_seq": first,
            "last_seq": self.last,
            "next": rows[-1][0] if rows else after,
            "holes": [],
            "series": self.series,
            "batches": [],
            "samples": rows,
        }
        if after + 1 < first:
            body["gap"] = {"from": after + 1, "to": first - 1}
        return _dump(body)

    def state(self, second: int) -> bytes:
        """A reply of `/v1/state`."""
        return _dump(
            {
                "channels": {
                    f"temperature_{n + 1}": {"t": second * 1000, "value": value, "quality": "ok"}
                    for n, value in enumerate(self.values)
                },
                "actuators": {},
                "controllers": {},
                "kettles": {f"kettle-{self.number:03d}": {"lease": None, "batch": None}},
                "alarms": [],
                "latches": [],
                "health": {
                    "bus_errors": {},
                    "clock_offset_ms": 0.1,
                    "disk_free_bytes": 2**33,
                    "cpu_temperature": 48.0,
                    "power_mode": {},
                    "spool": {"rows": self.last, "bytes": self.last * 50, "lost": 0},
                },
            }
        )

    def describe(self, fingerprint: str) -> dict[str, Any]:
        """What `/v1/node` and `/v1/identity` share and add."""
        kettle = f"kettle-{self.number:03d}"
        return {
            "api": 1,
            "node_id": self.node_id,
            "name": self.node_id,
            "model": "stand-in",
            "version": "0.1.0",
            "fingerprint": fingerprint,
            "pairing": True,
            "versions": {"smart_beer": "0.1.0"},
            "config_digest": "d" * 64,
            "kettles": [{"kettle_id": kettle, "kettle_name": kettle, "group": [self.node_id]}],
            "channels": [
                {
                    "id": f"temperature_{n + 1}",
                    "name": f"Temperature {n + 1}",
                    "kettle_id": kettle,
                    "kind": "temperature",
                    "role": "auxiliary" if n else "process",
                    "unit": "°C",
                    "device_class": "temperature",
                    "driver": "w1",
                    "limits": [-55.0, 125.0],
                }
                for n in range(CHANNELS)
            ],
            "actuators": [],
            "spool": {
                "spool_id": "bench",
                "first_seq": self.ticks[0][0] + 1 if self.ticks else 1,
                "last_seq": self.last,
                "holes": [],
                "rows": self.last,
                "bytes": self.last * 50,
                "max_bytes": 2**31,
            },
            "clients": [],
            "clock": {"known": True, "source": "kernel", "steps": 0},
        }


class StandIn:
    """All nodes, their clock and what was asked of them."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.nodes = {port: _Node(n, port) for n, port in enumerate(free_ports(NODES))}
        self.counts: Counter[str] = Counter()
        self.streams = True
        self._second = int(time.time())
        self._ticked = asyncio.Event()

    async def run(self) -> None:
        """Tick on every second."""
        while True:
            self._second = int(time.time()) + 1
            await asyncio.sleep(max(0.0, self._second - time.time()))
            for node in self.nodes.values():
                node.tick(self._second)
            self._wake()

    def toggle_streams(self) -> None:
        """Refuse streams from now on, or take them again."""
        self.streams = not self.streams
        self._wake()

    def _wake(self) -> None:
        self._ticked.set()
        self._ticked = asyncio.Event()

    def app(self, node: _Node) -> web.Application:
        """One node's API."""

        async def described(_: web.Request) -> web.Response:
            return _json(_dump(node.describe(self.fingerprint)))

        async def pair(request: web.Request) -> web.Response:
            body = await request.json()
            token = {"token": f"bench-token-{node.number}", "scope": body["scope"]}
            return _json(_dump({**token, "fingerprint": self.fingerprint}), 201)

        async def state(_: web.Request) -> web.Response:
            self.counts["states"] += 1
            return _json(node.state(self._second))

        async def counts(_: web.Request) -> web.Response:
            return _json(json.dumps(self.counts).encode())

        app = web.Application()
        app.router.add_get("/v1/identity", described)
        app.router.add_get("/v1/node", described)
        app.router.add_post("/v1/pair", pair)
        app.router.add_get("/v1/state", state)
        app.router.add_get("/v1/samples", lambda request: self._samples(node, request))
        app.router.add_get("/bench/counts", counts)
        return app

    async def _samples(self, node: _Node, request: web.Request) -> web.StreamResponse:
        after, wait = int(request.query["after"]), float(request.query.get("wait", "0"))
        if request.query.get("stream") == "1":
            if not self.streams:
                error = {"code": "bad_parameter", "message": "no streams", "detail": {}}
                return _json(_dump({"error": error}), 400)
            return await self._stream(node, request, after)
        if after >= node.last:
            await self._news(node, after, wait)
        self.counts["polls"] += 1
        return _json(self._page(node, after))

    async def _stream(self, node: _Node, request: web.Request, after: int) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        while self.streams:
            await self._news(node, after, 5.0)
            self.counts["lines"] += 1
            await response.write(self._page(node, after) + b"\n")
            after = node.last
        await response.write_eof()
        return response

    async def _news(self, node: _Node, after: int, seconds: float) -> None:
        streams = self.streams
        try:
            async with asyncio.timeout(seconds):
                while node.last <= after and self.streams is streams:
                    await self._ticked.wait()
        except TimeoutError:
            return

    def _page(self, node: _Node, after: int) -> bytes:
        self.counts["rows"] += node.last - max(after, node.last - _KEPT_TICKS * CHANNELS)
        return node.newest if after == node.last - CHANNELS else node.page(after)


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(
        {**body, "boot_id": "b" * 32, "mono_ms": time.monotonic_ns() // 10**6}
    ).encode()


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


async def _serve(folder: Path) -> None:
    own = identity.create("bench", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert_path, own.key_path)
    stand_in = StandIn(own.fingerprint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, stand_in.toggle_streams)
    runners = []
    for port, node in stand_in.nodes.items():
        runner = web.AppRunner(
            stand_in.app(node), access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        runners.append(runner)
    ticking = asyncio.create_task(stand_in.run())
    lines = [
        pairing_line("127.0.0.1", port, own.fingerprint, node.code)
        for port, node in stand_in.nodes.items()
    ]
    fresh = folder / "nodes.json.new"
    fresh.write_text(json.dumps({"ports": list(stand_in.nodes), "lines": lines}))
    fresh.rename(folder / "nodes.json")
    await stop.wait()
    ticking.cancel()
    await asyncio.gather(*(runner.cleanup() for runner in runners))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
