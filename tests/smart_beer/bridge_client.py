"""A storage bridge as Home Assistant meets one, over a real websocket."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientWebSocketResponse

PATIENCE = 20  # seconds; only a failing test waits so long
QUIET = 0.15  # seconds without a message that pass for silence


class BridgeClient:
    """Subscribes, keeps what comes, and acknowledges when told to."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._id = 100
        self.subscription = 0
        self.events: deque[dict[str, Any]] = deque()
        self._results: dict[int, dict[str, Any]] = {}

    async def call(self, command: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its result message."""
        self._id += 1
        call_id = self._id
        await self._socket.send_json({"id": call_id, "type": command, **fields})
        async with asyncio.timeout(PATIENCE):
            while call_id not in self._results:
                await self._receive()
        return self._results.pop(call_id)

    async def subscribe(self, cursors: dict[str, list[Any]] | None = None) -> None:
        """Subscribe to samples."""
        reply = await self.call("smart_beer/samples", cursors=cursors or {})
        assert reply["success"], reply
        assert reply["result"] is None
        self.subscription = reply["id"]

    async def event(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(PATIENCE):
            while not self.events:
                await self._receive()
        return self.events.popleft()

    async def ack(self, event: dict[str, Any]) -> None:
        """Acknowledge an event."""
        reply = await self.call(
            "smart_beer/samples/ack",
            subscription=self.subscription,
            node_id=event["node_id"],
            spool_id=event["spool_id"],
            seq=event["next"],
        )
        assert reply["success"], reply
        assert reply["result"] is None

    async def all_events(self) -> list[dict[str, Any]]:
        """Everything that comes until it is quiet, nothing of it acknowledged."""
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(QUIET):
                    await self._receive()
            except TimeoutError:
                if time.monotonic() - began < 2 * QUIET:  # no silence where the machine stood still
                    break
        events = list(self.events)
        self.events.clear()
        return events

    async def rows_until(self, node_id: str, seq: int) -> list[list[Any]]:
        """Acknowledge and collect a node's rows until the one with this seq has come."""
        rows: list[list[Any]] = []
        while not rows or rows[-1][0] < seq:
            event = await self.event()
            await self.ack(event)
            if event["node_id"] == node_id:
                rows += event["samples"]
        return rows

    async def _receive(self) -> None:
        message = await self._socket.receive_json()
        if message["type"] == "event":
            self.events.append(message["event"])
        else:
            self._results[message["id"]] = message


@asynccontextmanager
async def closing(socket: ClientWebSocketResponse) -> AsyncIterator[BridgeClient]:
    """A bridge whose connection ends with the block."""
    try:
        yield BridgeClient(socket)
    finally:
        await socket.close()
