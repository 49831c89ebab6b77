"""Appends batches for ever, printing each acknowledged number; for a test that kills it."""

import asyncio
import sys
from pathlib import Path

from storage_bridge.outbox import Outbox

from .events import batch


async def _main(path: Path, first: int) -> None:
    outbox = Outbox(path, max_bytes=1 << 30)

    async def one(low: int) -> None:
        parsed, blob = batch(low, low + 19)
        await outbox.append(parsed, blob, live=False)
        print(low, flush=True)  # noqa: T201 - the parent reads it

    async def sink() -> None:
        while True:
            if (pending := await outbox.read("hot")) is None:
                await outbox.wait("hot", 0.1)
            else:
                outbox.advance("hot", pending.row_id)

    async with asyncio.TaskGroup() as group:
        group.create_task(sink())
        while True:
            group_of_four = [group.create_task(one(first + 20 * n)) for n in range(4)]
            await asyncio.gather(*group_of_four)
            first += 80


asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
