"""Keeps hot whole: fills it from warm when it was lost, and has it fed again what it may lack."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from .backoff import Backoff
from .feeder import Feeder
from .model import HOUR_MS
from .tiers.base import HotTier, TierError, WarmTier
from .tiers.rebuild import rebuild_hot

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
ANSWER_S: Final = 10.0
RETRY: Final = Backoff(base=1.0, cap=60.0)
# A Redis that was not told otherwise saves its content once an hour, and comes back with that.
TAIL_MS: Final = 2 * HOUR_MS


class Filler:
    """`run` looks after a hot tier for as long as the bridge runs.

    What hot acknowledged leaves the outbox only when the same holder still has it `settle_s`
    later: whatever a change of holder loses is then still there, and is written again. What is no
    longer in the outbox is in warm, and comes from there, as does what a full outbox let pass hot
    while that was away. A change of holder in the middle of that makes it begin again. `clock`
    gives UTC milliseconds, `now` the feeder's seconds.
    """

    def __init__(
        self,
        hot: HotTier,
        warm: WarmTier,
        feeder: Feeder,
        *,
        keep_ms: int,
        retry: Backoff = RETRY,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hot = hot
        self._warm = warm
        self._feeder = feeder
        self._keep_ms = keep_ms
        self._retry = retry
        self._clock = clock
        self._now = now
        self._holder: str | None = None
        self._filling: asyncio.Task[None] | None = None
        self._since: int | None = None  # how far back went what has not come to its end yet
        self._unseen: str | None = None
        self._unfilled: str | None = None
        self.fills = 0

    @property
    def problem(self) -> str | None:
        """Why hot cannot be looked after, None when it is."""
        return self._unseen or self._unfilled

    @property
    def whole(self) -> bool:
        """Whether hot had all it is to have when it was last looked at; so also before that."""
        return self._since is None

    def status(self) -> dict[str, Any]:
        """`filling`: a fill is under way; `fills`: how many were finished; `problem`."""
        return {
            "filling": self._filling is not None and not self._filling.done(),
            "fills": self.fills,
            "problem": self.problem,
        }

    async def run(self, every_s: float = CHECK_EVERY_S) -> None:
        """Check until cancelled."""
        try:
            while True:
                try:
                    await self.check()
                except (TierError, TimeoutError) as err:
                    self._unseen = str(err) or f"no answer in {ANSWER_S:g} s"
                else:
                    self._unseen = None
                await asyncio.sleep(every_s)
        finally:
            if self._filling is not None:
                self._filling.cancel()
                await asyncio.gather(self._filling, return_exceptions=True)

    async def check(self) -> None:
        """Look once; raises what the tier raises, and what a fill died of."""
        if self._filling is not None and self._filling.done():
            done, self._filling = self._filling, None
            if not done.cancelled():
                done.result()
        asked = self._now()
        async with asyncio.timeout(ANSWER_S):
            standing = await self._hot.standing()
            if standing.holder == self._holder:
                self._feeder.settle(asked - self._hot.settle_s)
            elif self._holder is not None:
                LOGGER.warning(
                    "The hot tier is held by another server or process than before: what it may "
                    "lack is written again"
                )
                self._feeder.rewind(everything=False)
                if self._filling is not None:
                    # What the one before took of it may be lost, and is in no outbox: once more.
                    self._filling.cancel()
            self._holder = standing.holder
            passed = self._feeder.passed
            if self._filling is not None:
                return
            if standing.content == "whole" and passed is None:
                self._since = self._unfilled = None
                return
            token = await self._hot.begin_fill()
        now = self._clock()
        since = now - self._keep_ms
        if standing.content == "tail" and passed is None:
            tail = now - TAIL_MS
            since = max(since, tail if self._since is None else min(tail, self._since))
        self._since = since
        if standing.content == "empty":
            # After begin_fill: what is lost from here on makes end_fill say so.
            self._feeder.rewind(everything=True)
        filling = self._fill(token, max(0, since), passed)
        self._filling = asyncio.create_task(filling, name="fill hot")

    async def _fill(self, token: str, since: int, passed: int | None) -> None:
        attempt = 0
        while True:
            try:
                copied = await rebuild_hot(self._hot, self._warm, since)
                whole = await self._hot.end_fill(token)
            except (TierError, TimeoutError) as err:
                if self._unfilled is None:
                    LOGGER.warning("The hot tier cannot be filled now, trying on: %s", err)
                self._unfilled = str(err) or "no answer"
                await asyncio.sleep(self._retry.wait(attempt))
                attempt += 1
                continue
            self._unfilled = None
            if whole:
                self.fills += 1
                if passed is not None:
                    self._feeder.made_up(passed)
                LOGGER.info("The hot tier was filled: %d samples came from warm", copied)
            return
