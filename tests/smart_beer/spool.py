"""A node's spool as readers meet it: rows by seq, pages of them, and a real server of both."""

import asyncio
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.smart_beer.client import SmartBeerClient
from custom_components.smart_beer.const import DOMAIN, HUB_ID
from custom_components.smart_beer.feed import SampleFeed
from custom_components.smart_beer.models import NodeInfo, SamplesPage
from tests.smart_beer.node_server import make_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from homeassistant.core import HomeAssistant

    from tests.smart_beer.bridge_client import BridgeClient

T0 = 1_790_000_000_000  # ms


@dataclass
class Spool:
    """What a node has kept. `rows` are as served; change anything while it is being read."""

    node_id: str = "mash-a"
    spool_id: str = "s1"
    channels: tuple[str, ...] = ("temperature", "pressure")
    rows: list[list[Any]] = field(default_factory=list)
    first_seq: int = 1
    last_seq: int = 0
    holes: list[list[int]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)  # the cursors asked for, in order
    fail_with: int | None = None  # the status of every reply
    hold: asyncio.Event | None = None  # what replies, made already, are kept back for

    @property
    def series(self) -> list[str]:
        """The names of the series, in the order of their index."""
        return [f"{self.node_id}/{channel}" for channel in self.channels]

    def tick(self, seconds: int = 1) -> None:
        """Take a sample of each channel, each second."""
        for _ in range(seconds):
            second = (self.last_seq // len(self.channels)) * 1000
            for index in range(len(self.channels)):
                self.last_seq += 1
                self.rows.append(
                    [self.last_seq, T0 + second, index, 20 + self.last_seq / 100, "ok", None]
                )

    def skip(self, count: int) -> None:
        """Lose the next `count` seqs, as a power cut does."""
        self.holes.append([self.last_seq + 1, self.last_seq + count])
        self.last_seq += count

    def drop(self, before: int) -> None:
        """Forget the rows below this seq, as a full spool does."""
        self.rows = [row for row in self.rows if row[0] >= before]
        self.first_seq = before

    def replace(self, spool_id: str) -> None:
        """Begin with an empty spool, as a new card does."""
        self.spool_id, self.rows, self.holes = spool_id, [], []
        self.first_seq, self.last_seq = 1, 0

    def reply(self, after: int, limit: int = 1000) -> dict[str, Any]:
        """The body of `GET /v1/samples`."""
        rows = [row for row in self.rows if row[0] > after][:limit]
        body: dict[str, Any] = {
            "spool_id": self.spool_id,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "next": rows[-1][0] if rows else after,
            "holes": self.holes,
            "series": self.series,
            "batches": [],
            "samples": rows,
            "boot_id": "b" * 32,
            "mono_ms": 4711,
        }
        if after + 1 < self.first_seq:
            body["gap"] = {"from": after + 1, "to": self.first_seq - 1}
        return body

    def page(self, after: int, limit: int = 1000) -> SamplesPage:
        """The same as the client gives it."""
        return SamplesPage.parse(self.reply(after, limit), after=after)

    async def handle(self, request: web.Request) -> web.Response:
        """`GET /v1/samples`."""
        after = int(request.query["after"])
        self.requests.append(after)
        stamp = {"boot_id": "b" * 32, "mono_ms": 4711}
        if self.fail_with is not None:
            error = {"code": "broken", "message": "The node is broken", "detail": {}}
            return web.json_response({"error": error, **stamp}, status=self.fail_with)
        if request.query.get("spool", self.spool_id) != self.spool_id or after > self.last_seq:
            error = {
                "code": "other_spool",
                "message": "The cursor is of another spool",
                "detail": {"spool_id": self.spool_id},
            }
            return web.json_response(
                {"error": error, "spool_id": self.spool_id, **stamp}, status=409
            )
        reply = self.reply(after, int(request.query["limit"]))
        if self.hold is not None:
            await self.hold.wait()
        return web.json_response(reply)


@dataclass
class FakeNode:
    """A node's coordinator as far as the websocket commands know one; its feed is a real one."""

    spool: Spool
    client: SmartBeerClient
    connected: bool = True
    info: NodeInfo | None = None
    feed: SampleFeed = field(default_factory=SampleFeed)
    _after: int | None = None

    @property
    def node_id(self) -> str:
        """The node's own id."""
        return self.spool.node_id

    def poll(self) -> None:
        """Do what the live loop does: follow the spool from its end on."""
        if self._after is None or self.feed.spool_id not in (None, self.spool.spool_id):
            self._after = self.spool.last_seq
        page = self.spool.page(self._after)
        self._after = page.next
        self.feed.append(page)

    def live(self, seconds: int = 1) -> None:
        """Take samples, and have the live loop see them."""
        self.spool.tick(seconds)
        self.poll()


@asynccontextmanager
async def serving(spool: Spool) -> AsyncIterator[SmartBeerClient]:
    """Serve a spool over TLS on 127.0.0.1, and give a client of it."""
    with tempfile.TemporaryDirectory() as folder:
        fingerprint, context = make_certificate(Path(folder))
        app = web.Application()
        app.router.add_get("/v1/samples", spool.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
            await site.start()
            async with ClientSession() as session:
                yield SmartBeerClient(
                    session,
                    host="127.0.0.1",
                    port=runner.addresses[0][1],
                    fingerprint=fingerprint,
                    token="t",
                )
        finally:
            await runner.cleanup()


@dataclass
class FakeBrewery:
    """What the loaded hub entry holds."""

    nodes: dict[str, FakeNode] = field(default_factory=dict)


def load_brewery(hass: HomeAssistant, *nodes: FakeNode) -> FakeBrewery:
    """A loaded brewery with these nodes; change its `nodes` to have some come and go."""
    brewery = FakeBrewery({node.node_id: node for node in nodes})
    entry = MockConfigEntry(domain=DOMAIN, unique_id=HUB_ID)
    entry.add_to_hass(hass)
    entry.mock_state(hass, ConfigEntryState.LOADED)
    entry.runtime_data = brewery
    return brewery


type MakeNode = Callable[..., Awaitable[FakeNode]]
type Meet = Callable[..., Awaitable[tuple[FakeNode, BridgeClient]]]


async def look(hass: HomeAssistant) -> None:
    """Let the subscriptions look which nodes there are."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    await hass.async_block_till_done()
