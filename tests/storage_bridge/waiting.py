"""Waiting for conditions, with a limit that no slow machine reaches."""

import asyncio
from collections.abc import Awaitable, Callable

from storage_bridge.tiers.base import TierUnavailableError

LIMIT_S = 40.0
STORE_S = 110.0  # a store that was started or killed, beside others that are


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never happened: {what}") from None


async def answered[T](ask: Callable[[], Awaitable[T]]) -> T:
    """What a store says, asked again as the bridge does while it is away, or slow to answer."""
    why = "it did not answer"
    try:
        async with asyncio.timeout(STORE_S):
            while True:
                try:
                    return await ask()
                except TierUnavailableError as err:
                    why = str(err)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not answered within {STORE_S:g} s: {why}") from None
