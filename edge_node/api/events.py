"""State changes as they happen, for screens; what a client must not miss it polls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api.connection import connection_of
from edge_node.api.errors import dump
from edge_node.api.operation import Call, Operation
from edge_node.api.schema import Parameter, Text
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_WAITING = 256  # changes; a client that is further behind is cut and asks for the state again


async def get_events(call: Call) -> web.StreamResponse:
    """The whole state first, then every change of it, until the client goes or is revoked.

    With `channels=0` without channel values: whoever follows the samples has those already.
    """
    with_channels = call.query["channels"] == "1"
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = "text/event-stream"
    changes: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(MAX_WAITING)
    connection = connection_of(call.request)

    def wanted(parts: Mapping[str, Any]) -> Mapping[str, Any]:
        if with_channels or "channels" not in parts:
            return parts
        return {name: part for name, part in parts.items() if name != "channels"}

    def note(change: Mapping[str, Any]) -> None:
        if not (change := wanted(change)):
            return
        try:
            changes.put_nowait(change)
        except asyncio.QueueFull:
            if connection is not None:
                connection.abort("slow_reader")

    unsubscribe = call.node.subscribe(note)
    try:
        await response.prepare(call.request)
        await response.write(_event("state", wanted(call.node.state())))
        while not call.revoked:
            try:
                async with asyncio.timeout(call.services.limits.heartbeat_s):
                    change = await changes.get()
            except TimeoutError:
                await response.write(b": alive\n\n")
            else:
                await response.write(_event("change", change))
        await response.write_eof()
    finally:
        unsubscribe()
    return response


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), dump(data))


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/events",
        handler=get_events,
        summary="Server-sent events: `state` (as /v1/state) once, then `change` with its parts",
        scope=Scope.READ,
        query=(
            Parameter(
                name="channels",
                kind=Text(choices=("0", "1")),
                description="0: leave channel values out",
                default="1",
            ),
        ),
        streams=True,
        content={"text/event-stream": {"type": "string"}},
    ),
)
