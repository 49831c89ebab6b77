"""Waiting for conditions, with a limit that no slow machine reaches."""

import asyncio
from collections.abc import Callable

LIMIT_S = 40.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None
