"""Several coroutines at once that end together."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


async def side_by_side(count: int, work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `work()` `count` times at once; the first error ends the others and is raised alone."""
    workers = [asyncio.create_task(work()) for _ in range(count)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
