"""What tests of the spool hand over to it, and how they wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

from edge_node.spool import Entry, Spool

UTC = 1_800_000_000_000
LIMIT_S = 30.0

Opened = Callable[..., Awaitable[Spool]]


def tick(second: int, *values: float | None, batch: str | None = None) -> list[Entry]:
    return [
        Entry(
            UTC + second * 1000,
            second * 1000,
            f"n/{number}",
            value,
            "ok" if value is not None else "bad:crc",
            batch,
        )
        for number, value in enumerate(values)
    ]


async def until(spool: Spool, last_seq: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while spool.last_seq < last_seq:
            await spool.wait(spool.last_seq, 1)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)
