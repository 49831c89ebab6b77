"""A feeder at work, as long as a block lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from storage_bridge.backoff import Backoff
from storage_bridge.feeder import Feeder, Sink
from storage_bridge.outbox import Outbox

QUICK: Final = Backoff(base=0.01, cap=0.02)


@asynccontextmanager
async def feeding(sink: Sink, outbox: Outbox, **options: Any) -> AsyncIterator[Feeder]:
    """It feeds the sink, and tries again without delay."""
    feeder = Feeder(sink, outbox, retry=QUICK, **options)
    task = asyncio.create_task(feeder.run())
    try:
        yield feeder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
