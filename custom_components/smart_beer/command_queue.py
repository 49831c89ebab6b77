"""The order of commands to one node. Knows nothing of Home Assistant or of what it sends."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class SupersededError(Exception):
    """A later command has taken the place of one that was not sent yet."""


@dataclass(eq=False, slots=True)
class _Waiting:
    marks: frozenset[str]
    turn: asyncio.Future[None]


class CommandQueue:
    """Lets one command after another be sent; what must not wait is simply not queued."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: deque[_Waiting] = deque()

    async def in_turn[T](
        self, marks: frozenset[str], send: Callable[[], Awaitable[T]], *, patience: float
    ) -> T:
        """Send when everything before has been answered; `marks` name what it can be dropped by.

        TimeoutError if its turn does not come within `patience` seconds, SupersededError if it was
        dropped while it waited.
        """
        if self._busy:
            await self._wait(marks, patience)
        self._busy = True
        try:
            return await send()
        finally:
            self._pass_on()

    def drop(self, marks: frozenset[str]) -> None:
        """Take out what waits and bears one of these marks."""
        for waiting in list(self._waiting):
            if marks & waiting.marks:
                self._waiting.remove(waiting)
                if not waiting.turn.done():
                    waiting.turn.set_exception(SupersededError())

    async def _wait(self, marks: frozenset[str], patience: float) -> None:
        waiting = _Waiting(marks, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(patience):
                await waiting.turn
        except BaseException:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._pass_on()  # its turn had come, and it will not use it
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.turn.done():
                waiting.turn.set_result(None)
                return
        self._busy = False
