"""The other end of the wire: a websocket server that speaks `smart_beer`'s part of Home Assistant.

It stands for another process's protocol: log-in, register, samples with cursors and
acknowledgements, spools, series, alarms, states. Its nodes hold samples and send what a cursor
asks for. It can be nasty.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

import orjson
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from scripts.servers import free_port

from .events import event
from .fake_states import FakeStates

TOKEN = "a-token-of-the-test"
SITE_LEADER = "binary_sensor.brauerei_fuhrt"
PER_NODE = 4
PER_CONNECTION = 16


class FakeNode:
    """A node's spool: numbers 1 to `last`, with what it dropped and what never was."""

    def __init__(self, node_id: str, last: int, *, spool: str = "s1", channels: int = 2) -> None:
        self.node_id = node_id
        self.spool = spool
        self.first = 1
        self.last = last
        self.channels = channels
        self.holes: list[list[int]] = []

    def event(self, after: int, limit: int) -> dict[str, Any] | None:
        """The next event after a cursor; None when there is nothing."""
        gap = {"from": after + 1, "to": self.first - 1} if after + 1 < self.first else None
        low = max(after + 1, self.first)
        high = min(self.last, low + limit - 1)
        if low > high:
            return None
        holes = [hole for hole in self.holes if hole[1] >= low and hole[0] <= high]
        return event(
            low, high, node=self.node_id, spool=self.spool, channels=self.channels, gap=gap,
            holes=holes,
        )  # fmt: skip

    def keys(self) -> set[tuple[str, int]]:
        """The keys of everything the spool holds."""
        payload = self.event(self.first - 1, self.last)
        assert payload is not None
        return {(payload["series"][row[2]], row[1]) for row in payload["samples"]}


class FakeHomeAssistant:
    """Start with `async with`; `url` is where to connect."""

    def __init__(self, *nodes: FakeNode, batch: int = 1000) -> None:
        self.nodes = {node.node_id: node for node in nodes}
        self.batch = batch
        self.token = TOKEN
        self.loaded = True
        self.mangle: Callable[[dict[str, Any]], list[bytes]] | None = None
        self.drop_after: int | None = None
        self.deaf = False
        self.registered: list[dict[str, Any]] = []
        self.cursors: list[dict[str, list[Any]]] = []
        self.acked: dict[tuple[str, str], int] = {}
        self.kettles: dict[str, str] = {}
        self.alarm_pages: list[dict[str, Any]] = []
        self.states = FakeStates()
        self.states.now[SITE_LEADER] = {"s": "on", "a": {"holder": "server-a"}}
        self.logins = 0
        self.sent = 0
        self.most_in_flight = 0
        self.changed = asyncio.Event()
        self._sockets: set[web.WebSocketResponse] = set()
        self._port = free_port()  # which nobody gets while it is away
        self._server: TestServer

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/websocket", self._serve)
        self._server = TestServer(app, port=self._port)
        await self._server.start_server()

    async def stop(self) -> None:
        self.drop()
        await self._server.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/api/websocket"

    def drop(self) -> None:
        """Cut every connection without a word."""
        for socket in self._sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    def grow(self, node_id: str, by: int) -> None:
        """The node takes more samples."""
        self.nodes[node_id].last += by
        self.poke()

    def poke(self) -> None:
        """Let the connections look again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def acked_all(self) -> bool:
        """Whether the newest number of every node was acknowledged."""
        return all(
            self.acked.get((node.node_id, node.spool), 0) >= node.last
            for node in self.nodes.values()
        )

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=not self.deaf)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            with contextlib.suppress(ConnectionError):
                await self._talk(socket)
        finally:
            self._sockets.discard(socket)
        return socket

    async def _talk(self, socket: web.WebSocketResponse) -> None:
        self.logins += 1
        await socket.send_json({"type": "auth_required", "ha_version": "2026.11.0"})
        hello = await socket.receive_json()
        if hello != {"type": "auth", "access_token": self.token}:
            await socket.send_json({"type": "auth_invalid", "message": "Invalid access token"})
            return
        await socket.send_json({"type": "auth_ok", "ha_version": "2026.11.0"})
        stream: _Stream | None = None
        pumps: list[asyncio.Task[None]] = []
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                command = orjson.loads(message.data)
                kind = command["type"]
                if not self.loaded and kind.startswith("smart_beer/"):
                    await _answer(socket, command, error=("unknown_command", "Unknown command."))
                elif kind == "smart_beer/bridge/register":
                    self.registered.append(command)
                    await _answer(socket, command, result={})
                elif kind == "smart_beer/spools":
                    await _answer(socket, command, result={"nodes": self._spools()})
                elif kind == "smart_beer/samples":
                    self.cursors.append(command["cursors"])
                    stream = _Stream(self, socket, command)
                    await _answer(socket, command, result=None)
                    pumps.append(asyncio.create_task(stream.run()))
                elif kind == "smart_beer/samples/ack":
                    if stream is None or command["subscription"] != stream.subscription:
                        await _answer(socket, command, error=("not_found", "No such subscription"))
                        continue
                    stream.ack(command)
                    await _answer(socket, command, result=None)
                elif kind == "smart_beer/series":
                    rows = [{"series": s, "kettle_id": k} for s, k in self.kettles.items()]
                    await _answer(socket, command, result={"series": rows})
                elif kind == "smart_beer/alarms":
                    await _answer(socket, command, result=None)
                    pumps.append(asyncio.create_task(self._pump(socket, command, self.alarm_pages)))
                elif kind == "config/entity_registry/list_for_display":
                    shown = [{"ei": SITE_LEADER, "pl": "smart_beer", "tk": "site_leader"}]
                    await _answer(socket, command, result={"entities": shown})
                elif kind == "subscribe_entities":
                    await _answer(socket, command, result=None)
                    events = self.states.subscribe(command)
                    pumps.append(asyncio.create_task(self._pump(socket, command, events)))
                elif kind == "history/history_during_period" and self.states.history:
                    await _answer(socket, command, result=self.states.history_of(command))
                else:
                    await _answer(socket, command, error=("unknown_command", "Unknown command."))
        finally:
            for pump in pumps:
                pump.cancel()

    async def _pump(
        self, socket: web.WebSocketResponse, command: dict[str, Any], events: list[dict[str, Any]]
    ) -> None:
        """Send what is in the list, and what is added to it."""
        sent = 0
        while True:
            while sent < len(events):
                payload = {"id": command["id"], "type": "event", "event": events[sent]}
                await socket.send_json(payload)
                sent += 1
            await asyncio.sleep(0.01)

    def _spools(self) -> dict[str, Any]:
        return {
            node.node_id: {
                "spool_id": node.spool,
                "first_seq": node.first,
                "last_seq": node.last,
                "holes": node.holes,
                "connected": True,
            }
            for node in self.nodes.values()
        }


class _Stream:
    """One subscription."""

    def __init__(
        self, ha: FakeHomeAssistant, socket: web.WebSocketResponse, command: dict[str, Any]
    ) -> None:
        self.subscription: int = command["id"]
        self._ha = ha
        self._socket = socket
        self._after: dict[str, tuple[str, int]] = {
            node_id: (spool, seq) for node_id, (spool, seq) in command["cursors"].items()
        }
        self._in_flight: dict[str, list[tuple[str, int]]] = {}

    async def run(self) -> None:
        while True:
            changed = self._ha.changed
            sent = False
            for node in list(self._ha.nodes.values()):
                flight = self._in_flight.setdefault(node.node_id, [])
                total = sum(map(len, self._in_flight.values()))
                if len(flight) >= PER_NODE or total >= PER_CONNECTION:
                    continue
                spool, after = self._after.get(node.node_id, (node.spool, 0))
                payload = node.event(after if spool == node.spool else 0, self._ha.batch)
                if payload is None:
                    continue
                self._after[node.node_id] = (node.spool, payload["next"])
                flight.append((node.spool, payload["next"]))
                self._ha.most_in_flight = max(self._ha.most_in_flight, total + 1)
                await self._send(payload)
                sent = True
            if not sent:
                await changed.wait()

    async def _send(self, payload: dict[str, Any]) -> None:
        whole = {"id": self.subscription, "type": "event", "event": payload}
        mangle = self._ha.mangle
        for message in [orjson.dumps(whole)] if mangle is None else mangle(whole):
            await self._socket.send_str(message.decode("utf-8", "replace"))
        self._ha.sent += 1
        if self._ha.drop_after is not None:
            self._ha.drop_after -= 1
            if self._ha.drop_after <= 0:
                self._ha.drop_after = None
                self._ha.drop()

    def ack(self, command: dict[str, Any]) -> None:
        at = (command["spool_id"], command["seq"])
        flight = self._in_flight.get(command["node_id"], [])
        if at in flight:
            del flight[: flight.index(at) + 1]
        key = (command["node_id"], command["spool_id"])
        self._ha.acked[key] = max(self._ha.acked.get(key, 0), command["seq"])
        self._ha.poke()


async def _answer(
    socket: web.WebSocketResponse,
    command: dict[str, Any],
    *,
    result: object = None,
    error: tuple[str, str] | None = None,
) -> None:
    reply: dict[str, Any] = {"id": command["id"], "type": "result", "success": error is None}
    if error is None:
        reply["result"] = result
    else:
        reply["error"] = {"code": error[0], "message": error[1]}
    await socket.send_json(reply)
