"""Reads every channel on the second and hands the samples on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from edge_node.clock import Clock
from edge_node.model import Reading
from edge_node.spool_stamp import Entry, second_of

_LOGGER = logging.getLogger(__name__)

# Long sleeps are cut, so that a step of the clock is seen before the next tick.
_LONGEST_SLEEP_MS: Final = 250
# Starting later than this before the end of its second, a tick would come out too late.
_LATE_MS: Final = 500


class Channels(Protocol):
    """What the sampler needs of the hardware."""

    lead_s: float

    async def tick(self, t_ms: int, *, now_mono: float) -> dict[str, Reading]:
        """Every channel's reading for one second."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What was read for one second: `t` is None while the clock is unknown."""

    t: int | None
    mono: int
    readings: Mapping[str, Reading]


def next_second(now_ms: int, lead_ms: int, last: int | None) -> tuple[int, int]:
    """The next second (ms) to read, and how many were passed over since `last`.

    The first one whose reading need not start more than _LATE_MS too late, never `last` again.
    """
    second = -(-(now_ms + lead_ms - _LATE_MS) // 1000) * 1000
    if last is None:
        return second, 0
    second = max(second, last + 1000)
    return second, (second - last) // 1000 - 1


class Sampler:
    """One tick a second for as long as it runs, whatever the clock does."""

    def __init__(
        self,
        node_id: str,
        clock: Clock,
        channels: Channels,
        *,
        observe: Callable[[], None],
        deliver: Callable[[Tick, list[Entry]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`observe` looks at the clock, `deliver` takes each tick with its spool entries."""
        self.missed = 0  # seconds without a reading
        self.paused = False
        self._node_id = node_id
        self._clock = clock
        self._channels = channels
        self._observe = observe
        self._deliver = deliver
        self._sleep = sleep
        # The last second read, in the time that was in use: UTC once known, else CLOCK_BOOTTIME.
        self._last: int | None = None
        self._steps = clock.steps
        self._known = clock.known

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await self.tick_once()

    async def tick_once(self) -> None:
        """Wait for the next second, read it and hand it on."""
        second, base = await self._wait()
        if self.paused:
            return
        mono = second - base
        readings = await self._channels.tick(second, now_mono=mono / 1000)
        known = self._known
        t = second_of(second, self._clock.steps_back) if known else None
        entries = [
            Entry(t, mono, f"{self._node_id}/{channel}", reading.value, reading.quality)
            for channel, reading in readings.items()
        ]
        self._deliver(Tick(t, mono, readings), entries)

    async def _wait(self) -> tuple[int, int]:
        """Sleep until the reading of the next second must begin: that second, and its offset."""
        lead = round(self._channels.lead_s * 1000)
        while True:
            self._observe()
            self._follow_clock()
            base = self._clock.offset_ms if self._known else 0
            assert base is not None
            now = self._clock.mono_ms() + base
            second, passed = next_second(now, lead, self._last)
            left = second - lead - now
            if left <= 0:
                if self._last is not None and not self.paused:
                    self.missed += passed
                self._last = second
                return second, base
            await self._sleep(min(left, _LONGEST_SLEEP_MS) / 1000)

    def _follow_clock(self) -> None:
        """After a step, or once the clock is known, seconds are counted in the new time."""
        clock = self._clock
        if clock.known != self._known:
            # What was read just before belongs to a second as well, which is not read again.
            if self._last is not None and clock.offset_ms is not None:
                self._last = second_of(self._last + clock.offset_ms, 0)
        elif clock.steps != self._steps:
            self._last = None
        self._known = clock.known
        self._steps = clock.steps
