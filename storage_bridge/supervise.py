"""Tasks that live as long as the bridge: started again when they die, and seen to have died."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOGGER = logging.getLogger(__name__)

RESTART: Final = Backoff(base=1.0, cap=60.0)
STEADY_S: Final = 300.0  # a task that ran this long starts again without delay having grown


@dataclass(slots=True)
class _Watched:
    restarts: int = 0
    running: bool = False
    died_of: str | None = None
    died_at: float | None = None


class Supervisor:
    """Runs named tasks for ever; `close` cancels them and waits for their end."""

    def __init__(self, restart: Backoff = RESTART) -> None:
        self._restart = restart
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watched: dict[str, _Watched] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work()`, and again with a growing delay whenever it ends or raises."""
        self._watched[name] = _Watched()
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def stop(self, name: str) -> None:
        """Cancel one task for good."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Cancel every task."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def status(self) -> dict[str, dict[str, Any]]:
        """By name: `running`, `restarts`, and what it last died of.

        `unsteady`: it died more than once, the last time within STEADY_S.
        """
        now = time.monotonic()
        return {
            name: {
                "running": w.running,
                "restarts": w.restarts,
                "died_of": w.died_of,
                "unsteady": w.restarts > 1 and w.died_at is not None and now - w.died_at < STEADY_S,
            }
            for name, w in self._watched.items()
        }

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        watched = self._watched[name]
        attempt = 0
        while True:
            began = time.monotonic()
            watched.running = True
            try:
                await work()
                watched.died_of = "it returned"
            except Exception as err:
                watched.died_of = f"{type(err).__name__}: {err}"
                LOGGER.exception("The task %s died and is started again", name)
            finally:
                watched.running = False
            watched.restarts += 1
            watched.died_at = time.monotonic()
            if time.monotonic() - began > STEADY_S:
                attempt = 0
            await asyncio.sleep(self._restart.wait(attempt))
            attempt += 1
