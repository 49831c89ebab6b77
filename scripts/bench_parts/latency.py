"""From the end of a conversion to the answer of a waiting `/v1/samples`, over TLS."""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

from .node_under_test import NodeUnderTest, running_node, session
from .table import Report, percentile, spread

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "end of conversion to the answer of a waiting call (real node, eight probes, TLS)"
SAMPLES: Final = 45
TARGET_MS: Final = 60.0


async def run(folder: Path) -> Report:
    """One client that polls and one that streams, on the same node at the same time."""
    async with running_node(folder) as node:
        polled, streamed = await asyncio.gather(_poll(node), _stream(node))
    report = Report()
    for way, seen in (("wait=30", polled), ("stream=1", streamed)):
        report.add(
            f"{way}: p50 / p95 / max",
            spread(seen),
            target=f"p95 < {TARGET_MS:.0f} ms",
            met=percentile(seen, 95) < TARGET_MS,
        )
    report.figures |= {"poll_ms": polled, "stream_ms": streamed}
    report.notes.append(
        f"{SAMPLES} ticks; on the way: eight scratchpads read and judged, committed to the spool, "
        "read back, sent, parsed by a Python client on the same two cores."
    )
    return report


async def _poll(node: NodeUnderTest) -> list[float]:
    found: list[float] = []
    async with session(node) as http:
        after = 0
        while len(found) < SAMPLES:
            params = {"after": str(after), "wait": "30", "limit": "10000"}
            async with http.get("/v1/samples", params=params) as response:
                page = await response.json()
            if after:
                found.append(_since_conversion(node))
            after = page["next"]
    return found


async def _stream(node: NodeUnderTest) -> list[float]:
    found: list[float] = []
    async with (
        session(node) as http,
        http.get("/v1/samples", params={"stream": "1", "limit": "10000"}) as response,
    ):
        first = True
        async for line in response.content:
            json.loads(line)
            if not first:
                found.append(_since_conversion(node))
            first = False
            if len(found) == SAMPLES:
                break
    return found


def _since_conversion(node: NodeUnderTest) -> float:
    """Milliseconds since the last of the eight probes had converted."""
    return (time.monotonic() - node.bus.ended[-1]) * 1000
