"""Several things at once that end together."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine


async def side_by_side(count: int, work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `work()` `count` times at once; the first error ends the others and is raised alone."""
    workers = [asyncio.create_task(work()) for _ in range(count)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def one_ahead[T](items: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """The items in their order, the next one being made while its user works on the one before.

    Close it (`aclosing`) to end the making as well, wherever that is.
    """

    async def following() -> tuple[T] | None:
        async for item in items:
            return (item,)
        return None

    coming = asyncio.create_task(following())
    try:
        while (item := await coming) is not None:
            coming = asyncio.create_task(following())
            yield item[0]
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await items.aclose()
