"""The storage bridge's HTTP API as Home Assistant asks it, on a real port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECRET = "bearer-of-this-run"


@dataclass
class BridgeServer:
    """What it has stored, and how it behaves; change it while it runs."""

    url: str = ""
    stored: dict[str, list[list[Any]]] = field(default_factory=dict)  # [t, value, quality, batch]
    reply: web.Response | bytes | Handler | None = None  # instead of the right one
    after_pages: int = 0  # how many right pages come before `reply`
    partial: list[dict[str, str]] = field(default_factory=list)
    queries: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    unauthorized: int = 0

    @property
    def registration(self) -> dict[str, str]:
        """The fields of its registration."""
        return {"url": self.url, "secret": SECRET, "version": "0.1.0"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any call."""
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            self.unauthorized += 1
            return web.json_response({"error": {"code": "unauthorized"}}, status=401)
        query = {name: request.query.getall(name) for name in request.query}
        self.queries.append((request.path, query))
        if request.can_read_body:
            self.bodies.append(await request.json())
        if self.reply is not None and len(self.queries) > self.after_pages:
            if callable(self.reply):
                return await self.reply(request)
            if isinstance(self.reply, bytes):
                return web.Response(body=self.reply, content_type="application/json")
            return self.reply
        if request.path == "/v1/samples":
            return web.json_response(self._samples(query))
        return web.json_response({"start": 0, "series": {name: [] for name in query["series"]}})

    def _samples(self, query: dict[str, list[str]]) -> dict[str, Any]:
        start, end, limit = (int(query[name][0]) for name in ("start", "end", "limit"))
        (name,) = query["series"]
        begin = int(query.get("cursor", ["0"])[0])
        rows = [row for row in self.stored.get(name, []) if start <= row[0] < end]
        more = begin + limit < len(rows)
        return {
            "series": name,
            "samples": rows[begin : begin + limit],
            "next": str(begin + limit) if more else None,
            "partial": self.partial,
        }


@asynccontextmanager
async def running_bridge() -> AsyncIterator[BridgeServer]:
    """A bridge that answers on 127.0.0.1 until the block ends."""
    bridge = BridgeServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bridge.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield bridge
    finally:
        await runner.cleanup()
