"""State changes as they happen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from edge_node.api.limits import Limits
from tests.edge_node.api.conftest import Serve, Served, until


def events_of(served: Served, query: str = "") -> aiohttp.client._RequestContextManager:
    pin = aiohttp.Fingerprint(bytes.fromhex(served.node.identity.fingerprint))
    headers = {"Authorization": f"Bearer {served.read}"}
    return served.session.get(f"{served.url}/v1/events{query}", headers=headers, ssl=pin)


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, dict[str, Any] | None]:
    """Name and data of the next event; ("", None) for a comment."""
    async with asyncio.timeout(30):
        raw = await response.content.readuntil(b"\n\n")
    if raw.startswith(b":"):
        return "", None
    name, data = raw.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_the_whole_state_comes_first_and_then_each_change(served: Served) -> None:
    async with events_of(served) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        name, state = await next_event(response)
        assert name == "state"
        assert state is not None
        assert state.keys() == served.node.state().keys()
        served.tick(64.5)
        name, change = await next_event(response)
        assert name == "change"
        assert change is not None
        assert change["channels"]["mash_temp"]["value"] == 64.5


async def test_channel_values_can_be_left_out(serve: Serve) -> None:
    served = await serve(limits=Limits(heartbeat_s=0.05))
    async with events_of(served, "?channels=0") as response:
        _, state = await next_event(response)
        assert state is not None
        assert state.keys() == served.node.state().keys() - {"channels"}
        served.tick(64.5)
        # Whatever else the tick changed comes; of channels alone nothing does.
        for _ in range(3):
            _, change = await next_event(response)
            assert change is None or (change and "channels" not in change)


async def test_a_quiet_stream_has_a_heartbeat(serve: Serve) -> None:
    served = await serve(limits=Limits(heartbeat_s=0.05))
    async with events_of(served) as response:
        await next_event(response)
        assert await next_event(response) == ("", None)
        assert await next_event(response) == ("", None)


async def test_a_revoked_client_hears_no_more(serve: Serve) -> None:
    served = await serve(limits=Limits(heartbeat_s=0.05))
    async with events_of(served) as response:
        await next_event(response)
        assert await asyncio.to_thread(served.tokens.revoke, "test-read")
        async with asyncio.timeout(30):
            assert set((await response.content.read()).split(b"\n\n")) <= {b": alive", b""}
    await until(lambda: not served.node._subscribers)


async def test_a_client_that_goes_is_forgotten(served: Served) -> None:
    async with events_of(served) as response:
        await next_event(response)
        assert len(served.node._subscribers) == 1
        response.close()
    await until(lambda: not served.node._subscribers)


async def test_a_client_that_does_not_read_is_cut_and_holds_little_memory(serve: Serve) -> None:
    served = await serve(limits=Limits(stalled_s=60))
    async with events_of(served) as response:
        await next_event(response)
        async with asyncio.timeout(60):
            while served.server._meter.cut["slow_reader"] == 0:
                for _ in range(100):
                    served.ticks += 1
                    served.node._publish({"alarms": [{"id": "x", "since": 0, "text": "y" * 5000}]})
                await asyncio.sleep(0)
        await until(lambda: not served.node._subscribers)
