"""Ticks of an acquisition, a second apart on a clock of their own."""

import asyncio
import time

from edge_node.hardware import Acquisition
from edge_node.model import Reading

WAIT_S = 20.0


async def tick(acquisition: Acquisition) -> dict[str, Reading]:
    tick.now += 1.0  # type: ignore[attr-defined]
    async with asyncio.timeout(WAIT_S):
        return await acquisition.tick(1_800_000_000_000, now_mono=tick.now)  # type: ignore[attr-defined]


async def tick_until(acquisition: Acquisition, channel: str, quality: str) -> dict[str, Reading]:
    deadline = time.monotonic() + WAIT_S
    while (readings := await tick(acquisition))[channel].quality != quality:
        assert time.monotonic() < deadline, readings[channel]
    return readings


def qualities(readings: dict[str, Reading]) -> set[str]:
    return {reading.quality for reading in readings.values()}


tick.now = 1e6  # type: ignore[attr-defined]
