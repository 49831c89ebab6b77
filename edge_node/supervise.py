"""Keeps long-lived tasks running: what dies is logged, shown and started again."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

_LOGGER = logging.getLogger(__name__)

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0
# After this long the task is held to be well, and the next failure is a first one again.
_WELL_S: Final = 60.0


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    report: Callable[[str, str | None], None],
    *,
    first_wait_s: float = _FIRST_WAIT_S,
) -> None:
    """Run `run` for ever; `report(name, why)` after it died, `report(name, None)` when it is well.

    Waits between starts double from `first_wait_s` to a minute, with jitter.
    """
    wait = first_wait_s
    while True:
        begun = time.monotonic()
        well = asyncio.create_task(_report_well(name, report, wait))
        try:
            await run()
            failure = "it ended"
        except Exception as err:
            _LOGGER.exception("The %s died", name)
            failure = f"{type(err).__name__}: {err}"
        finally:
            well.cancel()
        if time.monotonic() - begun > _WELL_S:
            wait = first_wait_s
        report(name, failure)
        await asyncio.sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        wait = min(wait * 2, _LONGEST_WAIT_S)


async def _report_well(
    name: str, report: Callable[[str, str | None], None], after_s: float
) -> None:
    await asyncio.sleep(after_s)
    report(name, None)
